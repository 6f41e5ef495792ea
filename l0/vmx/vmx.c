/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State, capability MSRs, the outcome of VMX instructions. */
#include "internal.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>
#include "../cpu/model.h"

static const char *const exit_names[VM_EXIT_REASONS] = {
#define X(number, name) [number] = #name,
	VM_EXITS(X)
#undef X
};

const char *vmx_exit_name(unsigned int basic)
{
	return basic < VM_EXIT_REASONS ? exit_names[basic] : NULL;
}

unsigned int vmx_exit_find(const char *name, size_t n)
{
	for (unsigned int i = 0; i < VM_EXIT_REASONS; i++)
		if (exit_names[i] && strlen(exit_names[i]) == n && !memcmp(exit_names[i], name, n))
			return i;
	return VM_EXIT_REASONS;
}

_Static_assert(VMX_FEATURE_WORDS <= sizeof(((struct cpu_model *)0)->vmx_off) / sizeof(u64),
	       "cpu_model.vmx_off is too short");

bool vmx_feature_done(const char *name)
{
	bool offered = false;
	const char *n;

	for (unsigned int f = 0; (n = vmx_feature_name(f, &offered)); f++)
		if (!strcmp(n, name))
			return offered;
	return false;
}

static bool field_exists(const void *arg, u64 encoding)
{
	const struct vmcs_field *f = vmcs_find(encoding);

	return f && vmx_caps_has_field(arg, f);
}

struct vmx *vmx_create(struct vcpu *v, const struct vmx_modes *modes)
{
	const struct cpu_model *model = v->model;
	struct vmx *x = v->vmx = calloc(1, sizeof(*x));
	struct vmx_cpu cpu = {
		.revision = VMCS_REVISION,
		.physical_bits = model->phys_bits,
		.linear_bits = model->linear_bits,
		.timer_shift = PREEMPTION_TIMER_SHIFT,
		.cr4_allowed = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE |
			       CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_VMXE | CR4_FSGSBASE | CR4_PCIDE |
			       CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE,
		.efer_allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX,
		.debugctl_allowed = BIT(0) | BIT(1),
	};
	unsigned int i;

	if (!x)
		return NULL;
	vmx_caps_init(&x->caps, &cpu);
	for (i = 0; vmx_feature_name(i, NULL); i++)
		if (model->vmx_off[i / 64] >> i % 64 & 1)
			vmx_caps_set(&x->caps, vmx_feature_name(i, NULL), false);
	if (modes->mmu == NESTED_MMU_SHADOW)
		vmx_caps_set(&x->caps, "vmx-ept", false);
	x->modes = *modes;
	vmcs_bitmaps_fill(x->vmread_bitmap, x->vmwrite_bitmap, field_exists, &x->caps);
	x->current = x->vmxon = VMPTR_NONE;
	timer_init(&x->timer, NULL, NULL);
	rounds_init(&x->rounds);
	x->mmu = vmx_mmu_create(v);
	if (x->mmu)
		return x;
	free(x);
	return v->vmx = NULL;
}

void vmx_destroy(struct vcpu *v)
{
	if (!v->vmx)
		return;
	vmx_reset(v);
	vmx_mmu_destroy(v->vmx->mmu);
	free(v->vmx);
	v->vmx = NULL;
}

void vmx_reset(struct vcpu *v)
{
	struct vmx *x = v->vmx;

	v->in_l2 = v->apic_due = false;
	v->apic_access = 0;
	if (!x)
		return;
	timer_cancel(&v->machine->clock, &x->timer); /* the end may have come in L2 */
	x->timer_expired = x->step_pending = false;
	x->on = x->init_pending = false;
	x->vmxon = VMPTR_NONE;
	vmx_set_current(v, VMPTR_NONE);
}

void vmx_set_current(struct vcpu *v, u64 pa)
{
	struct vmx *x = v->vmx;

	x->current = pa;
	x->v12 = pa == VMPTR_NONE ? NULL : l1_page(v, pa);
	v->vmcs_direct = x->modes.access == VMCS_ACCESS_REWRITE ? x->v12 : NULL;
	vmcs02_all_changed(&x->changes);
}

bool vmx_msr_read(const struct vcpu *v, u32 msr, u64 *value)
{
	return v->vmx && vmx_caps_msr(&v->vmx->caps, msr, value);
}

/* SDM vol. 3, "Restrictions on VMX Operation"; an unrestricted guest may clear PE and PG */
bool vmx_cr0_allowed(const struct vcpu *v, u64 cr0)
{
	const struct vmx_caps *c;
	u64 must;

	if (!v->vmx || !v->vmx->on)
		return true;
	c = &v->vmx->caps;
	must = c->cr0_fixed0;
	if (v->in_l2 && has_unrestricted_guest(&v->vmx->v02))
		must &= ~(CR0_PE | CR0_PG);
	return (cr0 & must) == must && !(cr0 & ~c->cr0_fixed1);
}

bool vmx_cr4_allowed(const struct vcpu *v, u64 cr4)
{
	const struct vmx_caps *c;

	if (!v->vmx || !v->vmx->on)
		return true;
	c = &v->vmx->caps;
	return (cr4 & c->cr4_fixed0) == c->cr4_fixed0 && !(cr4 & ~c->cr4_fixed1);
}

/* SDM vol. 3, "Conventions" of the VMX instruction reference */
void vmx_succeed(struct vcpu *v)
{
	v->rflags &= ~FLAG_ARITH;
}

void vmx_fail_invalid(struct vcpu *v)
{
	v->rflags = (v->rflags & ~FLAG_ARITH) | FLAG_CF;
	vmx_log_vmfail(v, 0);
}

void vmx_fail_valid(struct vcpu *v, enum vm_insn_error error)
{
	v->rflags = (v->rflags & ~FLAG_ARITH) | FLAG_ZF;
	if (v->vmx->v12)
		v->vmx->v12->vm_instruction_error = error;
	vmx_log_vmfail(v, error);
}

void vmx_fail(struct vcpu *v, enum vm_insn_error error)
{
	if (v->vmx->current == VMPTR_NONE)
		vmx_fail_invalid(v);
	else
		vmx_fail_valid(v, error);
}

#define MSR_LIST_MAX 512 /* as IA32_VMX_MISC says */

/* SDM vol. 3, "Loading MSRs", "Saving MSRs": entries of 16 bytes: index, reserved, value */
static bool msr_entry(struct vcpu *v, u64 list, u32 i, u32 *msr, u64 **value)
{
	u64 at = list + 16ull * i;
	u8 *host;

	/* "Miscellaneous Data" promises no more; beyond it a processor may do anything, and a list of 2^32 would take its time */
	if (i >= MSR_LIST_MAX)
		return false;
	if (!memory_range_is_ram(&v->machine->memory, at, 16))
		return false;
	host = memory_host(&v->machine->memory, at);
	*msr = *(u32 *)host;
	*value = (u64 *)(host + 8);
	return *(u32 *)(host + 4) == 0;
}

unsigned int vmx_msr_load(struct vcpu *v, u64 list, u32 count)
{
	u64 *value;
	u32 i, msr;

	for (i = 0; i < count; i++) {
		if (!msr_entry(v, list, i, &msr, &value))
			return i + 1;
		/* FS and GS base come from the VMCS, x2APIC registers and SMM's not at all */
		if (msr == MSR_FS_BASE || msr == MSR_GS_BASE || msr >> 8 == 8 || msr == MSR_BIOS_SIGN_ID ||
		    !msr_write(v, msr, *value))
			return i + 1;
	}
	return 0;
}

unsigned int vmx_msr_store(struct vcpu *v, u64 list, u32 count)
{
	u64 *value;
	u32 i, msr;

	for (i = 0; i < count; i++) {
		if (!msr_entry(v, list, i, &msr, &value) || msr >> 8 == 8 || !msr_read(v, msr, value))
			return i + 1;
		l1_written(v, list + i * 16ull, 16);
	}
	return 0;
}

u32 vmx_event_word(const struct vcpu *v, const struct event *e)
{
	enum intr_type type = INTR_HARDWARE;
	bool error = e->has_error && vcpu_protected(v); /* in real mode no exception brings a code */

	if (e->external)
		type = e->vector == VEC_NMI ? INTR_NMI : INTR_EXTERNAL;
	else if (e->icebp)
		type = INTR_PRIVILEGED_SOFTWARE;
	else if (e->software)
		type = e->vector == VEC_BP || e->vector == VEC_OF ? INTR_SOFTWARE_EXCEPTION : INTR_SOFTWARE;
	return (u32)(INTR_VALID | e->vector | type << INTR_TYPE_SHIFT | (error ? INTR_ERROR : 0));
}
