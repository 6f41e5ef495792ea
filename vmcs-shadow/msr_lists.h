/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries of the VM-entry MSR-load, VM-exit MSR-store and VM-exit MSR-load lists: SDM vol. 3, "Loading MSRs" and "Saving MSRs".
 * Here is what the entry itself decides; whether RDMSR or WRMSR would raise #GP is the processor's to say.
 */
#ifndef VMCS_SHADOW_MSR_LISTS_H
#define VMCS_SHADOW_MSR_LISTS_H

#include <stdbool.h>
#include <stdint.h>

/* as it lies in memory, 16-byte aligned */
struct vmx_msr_entry {
	uint32_t index;
	uint32_t reserved;
	uint64_t value;
};

/* May an entry or an exit load it? @x2apic: the local APIC is in x2APIC mode. @smm: the processor is in SMM. False means
 * exit reason 34 (with the entry's number, from 1, as qualification) in an entry, a VMX abort in an exit. */
bool vmx_msr_may_load(const struct vmx_msr_entry *entry, bool x2apic, bool smm);

/* May an exit store it? False means a VMX abort. */
bool vmx_msr_may_store(const struct vmx_msr_entry *entry, bool x2apic, bool smm);

#endif
