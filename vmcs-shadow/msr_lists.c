/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "msr_lists.h"

#define IA32_SMM_MONITOR_CTL 0x9b
#define IA32_SMBASE 0x9e
#define IA32_BIOS_UPDT_TRIG 0x79
#define IA32_BIOS_SIGN_ID 0x8b
#define IA32_FS_BASE 0xc0000100
#define IA32_GS_BASE 0xc0000101

static bool x2apic_range(uint32_t index)
{
	return index >> 8 == 0x8;
}

bool vmx_msr_may_load(const struct vmx_msr_entry *entry, bool x2apic, bool smm)
{
	switch (entry->index) {
	case IA32_FS_BASE:
	case IA32_GS_BASE: /* the guest-state and host-state areas load them */
	case IA32_SMBASE: /* read-only */
	case IA32_BIOS_UPDT_TRIG:
	case IA32_BIOS_SIGN_ID: /* a microcode update within a transition, which a processor may refuse: ours does */
		return false;
	case IA32_SMM_MONITOR_CTL:
		if (!smm)
			return false;
		break;
	default:
		break;
	}
	return !entry->reserved && !(x2apic && x2apic_range(entry->index));
}

bool vmx_msr_may_store(const struct vmx_msr_entry *entry, bool x2apic, bool smm)
{
	if (entry->index == IA32_SMBASE && !smm)
		return false;
	return !entry->reserved && !(x2apic && x2apic_range(entry->index));
}
