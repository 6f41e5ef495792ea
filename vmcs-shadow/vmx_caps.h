/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one L1 is offered: the VMX capability MSRs, made from the rows of vmx_controls.h.
 * vmx_caps_init() offers all that the rows' offer column says; vmx_caps_set() cuts it down by name. A feature that
 * needs another one goes when that goes, and comes back with it.
 */
#ifndef VMCS_SHADOW_VMX_CAPS_H
#define VMCS_SHADOW_VMX_CAPS_H

#include <stdbool.h>
#include <stdint.h>
#include "vmcs_fields.h"
#include "vmx_controls.h"

/* The processor that an L1 sees, as far as VMX depends on it. */
struct vmx_cpu {
	uint32_t revision; /* the VMCS revision identifier, bit 31 clear */
	uint8_t physical_bits; /* CPUID's MAXPHYADDR */
	uint8_t linear_bits; /* 48, or 57 while CR4.LA57 could be set */
	uint8_t timer_shift; /* the preemption timer counts down at the TSC's rate divided by 1 << this */
	bool sgx; /* SGX: an enclave can be interrupted */
	bool rtm; /* RTM: debugging of transactions */
	bool sti_blocks_nmi; /* an entry that injects an NMI fails with blocking by STI: the SDM leaves that to the processor */
	uint64_t cr4_allowed; /* the bits of CR4 that may be 1; VMXE among them */
	uint64_t efer_allowed; /* the bits of IA32_EFER that aren't reserved; LMA among them */
	uint64_t debugctl_allowed; /* of IA32_DEBUGCTL */
	uint64_t perf_global_ctrl_allowed; /* of IA32_PERF_GLOBAL_CTRL */
};

/* SDM vol. 3, "VMX Capability Reporting Facility": the MSRs' numbers */
enum {
	MSR_VMX_BASIC = 0x480,
	MSR_VMX_PINBASED_CTLS,
	MSR_VMX_PROCBASED_CTLS,
	MSR_VMX_EXIT_CTLS,
	MSR_VMX_ENTRY_CTLS,
	MSR_VMX_MISC,
	MSR_VMX_CR0_FIXED0,
	MSR_VMX_CR0_FIXED1,
	MSR_VMX_CR4_FIXED0,
	MSR_VMX_CR4_FIXED1,
	MSR_VMX_VMCS_ENUM,
	MSR_VMX_PROCBASED_CTLS2,
	MSR_VMX_EPT_VPID_CAP,
	MSR_VMX_TRUE_PINBASED_CTLS,
	MSR_VMX_TRUE_PROCBASED_CTLS,
	MSR_VMX_TRUE_EXIT_CTLS,
	MSR_VMX_TRUE_ENTRY_CTLS,
	MSR_VMX_VMFUNC,
	MSR_VMX_FIRST = MSR_VMX_BASIC,
	MSR_VMX_LAST = MSR_VMX_VMFUNC,
};

#define VMX_FEATURE_WORDS ((VMX_FEATURES + 63) / 64)

struct vmx_caps {
	struct vmx_cpu cpu;
	uint64_t wanted[VMX_FEATURE_WORDS]; /* by enum vmx_feature: what nobody switched off */
	uint64_t on[VMX_FEATURE_WORDS]; /* and whose needs are there */
	/* What VM entry checks: the TRUE MSRs. A set bit of @must has to be 1, a clear bit of @may has to be 0. */
	struct {
		uint32_t must;
		uint32_t may;
	} control[VMX_CONTROL_WORD_COUNT];
	uint64_t basic;
	uint64_t misc;
	uint64_t ept_vpid;
	uint64_t vmfunc;
	uint64_t cr0_fixed0, cr0_fixed1; /* must be 1 where fixed0 has 1, 0 where fixed1 has 0 */
	uint64_t cr4_fixed0, cr4_fixed1;
	uint64_t vmcs_enum;
};

/* All that is offered, on @cpu. */
void vmx_caps_init(struct vmx_caps *caps, const struct vmx_cpu *cpu);

/* Switches a feature on or off by name ("vmx-ept"). False: no such name, or it is not offered and so can't be on. */
bool vmx_caps_set(struct vmx_caps *caps, const char *name, bool on);

/* Names for help texts and lists: NULL past the end. @offered may be NULL. */
const char *vmx_feature_name(unsigned feature, bool *offered);

/* The value of a capability MSR. False: there is no such MSR on this CPU, so RDMSR raises #GP. */
bool vmx_caps_msr(const struct vmx_caps *caps, uint32_t msr, uint64_t *value);

static inline bool vmx_caps_has(const struct vmx_caps *caps, unsigned feature)
{
	return feature == VMX_ALWAYS || (caps->on[feature / 64] >> feature % 64 & 1);
}

/* Does an L1 with these capabilities have the field? */
static inline bool vmx_caps_has_field(const struct vmx_caps *caps, const struct vmcs_field *field)
{
	return vmx_caps_has(caps, field->need);
}

/* CR3-target values that VM entry supports. */
static inline unsigned vmx_caps_cr3_targets(const struct vmx_caps *caps)
{
	return caps->misc >> 16 & 0x1ff;
}

/* offers_ept(caps): is the feature offered? */
#define C(word, token, ...) \
	static inline bool offers_##token(const struct vmx_caps *caps) \
	{ \
		return vmx_caps_has(caps, VMX_##token); \
	}
VMX_CONTROLS(C)
VMX_ABILITIES(C)
#undef C

/* A control word as VM entry and VMX non-root operation understand it: the secondary controls are all 0 while
 * "activate secondary controls" is 0. */
static inline uint32_t vmcs_word_PIN(const struct vmcs *v)
{
	return v->pin_based_vm_exec_control;
}

static inline uint32_t vmcs_word_PROC(const struct vmcs *v)
{
	return v->cpu_based_vm_exec_control;
}

static inline uint32_t vmcs_word_PROC2(const struct vmcs *v)
{
	return v->cpu_based_vm_exec_control & CTL_secondary_controls ? v->secondary_vm_exec_control : 0;
}

static inline uint32_t vmcs_word_EXIT(const struct vmcs *v)
{
	return v->vm_exit_controls;
}

static inline uint32_t vmcs_word_ENTRY(const struct vmcs *v)
{
	return v->vm_entry_controls;
}

/* has_ept(vmcs): is the control 1? */
#define C(word, token, bit, ...) \
	static inline bool has_##token(const struct vmcs *v) \
	{ \
		return vmcs_word_##word(v) >> (bit)&1; \
	}
VMX_CONTROLS(C)
#undef C

static inline bool has_eptp_switching(const struct vmcs *v)
{
	return has_vm_functions(v) && (v->vm_function_control & CTL_eptp_switching);
}

#endif
