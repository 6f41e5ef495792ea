/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the processor offers, and how to ask for no more: SDM vol. 3, "Discovering Support for VMX" and "VMX Capability Reporting
 * Facility". Bits and names come from the table in vmcs-shadow/vmx_controls.h.
 */
#include "shim.h"

#define CPUID_1_ECX_VMX BIT(5)
#define BASIC_REVISION 0x7fffffffull

static const struct {
	const char *name;
	u8 word, bit;
} features[VMX_FEATURES] = {
#define C(word, token, bit, setting, offer, merge, needs, name) [VMX_##token] = { name, VMX_WORD_##word, bit },
#define A(word, token, bit, offer, needs, name) [VMX_##token] = { name, VMX_WORD_##word, bit },
	VMX_CONTROLS(C) VMX_ABILITIES(A)
#undef A
#undef C
};

static _Noreturn void missing(const char *what)
{
	say("l1shim: this processor doesn't offer %s\n", what);
	end(MISSING);
}

/* The bits that must be 1 in the low half, those that may be 1 in the high half */
static void read_controls(enum vmx_word word, u32 msr)
{
	u64 value = rdmsr(msr);

	shim.must[word] = (u32)value;
	shim.may[word] = (u32)(value >> 32);
}

void caps_read(void)
{
	u64 *ability = shim.ability, basic;
	u32 more;

	if (!(cpuid_ecx(1) & CPUID_1_ECX_VMX))
		missing("VMX (CPUID.1:ECX.VMX)");
	basic = ability[VMX_WORD_BASIC] = rdmsr(MSR_VMX_BASIC);
	ability[VMX_WORD_MISC] = rdmsr(MSR_VMX_MISC);
	/* The TRUE MSRs tell which controls of the default1 class may be 0. */
	more = basic & CTL_true_controls ? MSR_VMX_TRUE_PINBASED_CTLS - MSR_VMX_PINBASED_CTLS : 0;
	read_controls(VMX_WORD_PIN, MSR_VMX_PINBASED_CTLS + more);
	read_controls(VMX_WORD_PROC, MSR_VMX_PROCBASED_CTLS + more);
	read_controls(VMX_WORD_EXIT, MSR_VMX_EXIT_CTLS + more);
	read_controls(VMX_WORD_ENTRY, MSR_VMX_ENTRY_CTLS + more);
	if (caps_has(VMX_secondary_controls))
		read_controls(VMX_WORD_PROC2, MSR_VMX_PROCBASED_CTLS2);
	if (caps_has(VMX_ept) || caps_has(VMX_vpid))
		ability[VMX_WORD_EPT_VPID] = rdmsr(MSR_VMX_EPT_VPID_CAP);

	if (!caps_has(VMX_host_address_space_size) || !caps_has(VMX_ia32e_mode_guest))
		missing("64-bit mode for hypervisor and guest");
	shim.ept = shim.options.ept && caps_has(VMX_ept);
	if (shim.ept && !(caps_has(VMX_ept_page_walk_4) && caps_has(VMX_ept_memory_wb) && caps_has(VMX_invept)))
		missing("EPT as L1 needs it: vmx-page-walk-4, vmx-ept-wb, vmx-invept; ept=0 does without");
	shim.large = shim.options.large && (!shim.ept || caps_has(VMX_ept_2mb));
	shim.ad = shim.options.ad && shim.ept && caps_has(VMX_ept_accessed_dirty);
	shim.vpid = shim.options.vpid && caps_has(VMX_vpid) && caps_has(VMX_invvpid_all_context);
}

bool caps_has(enum vmx_feature f)
{
	u8 word = features[f].word, bit = features[f].bit;

	return (word < VMX_CONTROL_WORD_COUNT ? shim.may[word] : shim.ability[word]) >> bit & 1;
}

const char *caps_name(enum vmx_feature f)
{
	return features[f].name;
}

void caps_want(enum vmx_feature f)
{
	if (features[f].word < VMX_CONTROL_WORD_COUNT)
		shim.control[features[f].word] |= 1u << features[f].bit;
}

void caps_reset(void)
{
	for (unsigned int word = 0; word < VMX_CONTROL_WORD_COUNT; word++)
		shim.control[word] = shim.must[word];
	caps_want(VMX_host_address_space_size);
	caps_want(VMX_ia32e_mode_guest);
	if (caps_has(VMX_secondary_controls))
		caps_want(VMX_secondary_controls);
	if (shim.ept)
		caps_want(VMX_ept);
	if (shim.vpid)
		caps_want(VMX_vpid);
}

/* SDM vol. 3, "Enabling and Entering VMX Operation" */
void vmx_on(void)
{
	static __attribute__((aligned(PAGE))) u32 region[PAGE / 4];
	u64 address = (u64)region, lock = rdmsr(MSR_FEATURE_CONTROL);
	bool failed;

	if (!(lock & FEATURE_CONTROL_LOCK))
		wrmsr(MSR_FEATURE_CONTROL, lock | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON);
	else if (!(lock & FEATURE_CONTROL_VMXON))
		missing("VMXON: IA32_FEATURE_CONTROL is locked without it");
	write_cr0((read_cr0() | rdmsr(MSR_VMX_CR0_FIXED0)) & rdmsr(MSR_VMX_CR0_FIXED1));
	write_cr4((read_cr4() | CR4_VMXE | rdmsr(MSR_VMX_CR4_FIXED0)) & rdmsr(MSR_VMX_CR4_FIXED1));
	region[0] = (u32)(shim.ability[VMX_WORD_BASIC] & BASIC_REVISION);
	__asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(address) : "memory");
	if (failed) {
		say("l1shim: VMXON failed\n");
		end(FAILED);
	}
}
