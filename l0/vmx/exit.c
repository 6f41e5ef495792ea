/* SPDX-License-Identifier: GPL-2.0-or-later */
/* L2 to L1: SDM vol. 3, "VM Exits". */
#include "internal.h"
#include "log.h"

#include "../bt/describe.h"
#include "../cpu/model.h"
#include "../cpu/paging.h"
#include "../run/loop.h"

#define HOST_AR_CODE64 0xa09bu
#define HOST_AR_CODE32 0xc09bu
#define HOST_AR_DATA 0xc093u
#define HOST_AR_TSS 0x8bu

/* "Saving Segment Registers and Descriptor-Table Registers" */
void vmx_save_segments(const struct vcpu *v, struct vmcs *m)
{
#define SAVE(reg, name) \
	m->guest_##name##_selector = v->seg[reg].sel; \
	m->guest_##name##_base = v->seg[reg].base; \
	m->guest_##name##_limit = v->seg[reg].limit; \
	m->guest_##name##_ar_bytes = v->seg[reg].ar
	SAVE(ES, es);
	SAVE(CS, cs);
	SAVE(SS, ss);
	SAVE(DS, ds);
	SAVE(FS, fs);
	SAVE(GS, gs);
	SAVE(LDTR, ldtr);
	SAVE(TR, tr);
#undef SAVE
	m->guest_gdtr_base = v->gdtr.base;
	m->guest_gdtr_limit = v->gdtr.limit;
	m->guest_idtr_base = v->idtr.base;
	m->guest_idtr_limit = v->idtr.limit;
}

/* "Saving Guest State" */
static void save_guest(const struct vcpu *v, struct vmcs *m)
{
	m->guest_cr0 = v->cr0;
	m->guest_cr3 = v->cr3;
	m->guest_cr4 = v->cr4;
	m->guest_rsp = v->gpr[RSP];
	m->guest_rip = v->rip;
	m->guest_rflags = v->rflags;
	vmx_save_segments(v, m);
	if (has_save_debug_controls(m)) {
		m->guest_dr7 = v->dr[7];
		m->guest_ia32_debugctl = v->debugctl;
	}
	m->guest_sysenter_cs = (u32)v->sysenter_cs;
	m->guest_sysenter_esp = v->sysenter_esp;
	m->guest_sysenter_eip = v->sysenter_eip;
	if (has_exit_save_pat(m))
		m->guest_ia32_pat = v->pat;
	if (has_exit_save_efer(m))
		m->guest_ia32_efer = v->efer;
	if (vmx_uses_ept(v)) {
		m->guest_pdptr0 = v->pdpte[0];
		m->guest_pdptr1 = v->pdpte[1];
		m->guest_pdptr2 = v->pdpte[2];
		m->guest_pdptr3 = v->pdpte[3];
	}
	if (offers_store_lma(&v->vmx->caps))
		m->vm_entry_controls = (u32)((m->vm_entry_controls & ~CTL_ia32e_mode_guest) |
					     (v->efer & EFER_LMA ? CTL_ia32e_mode_guest : 0));
	m->guest_activity_state = v->activity; /* the numbers of enum activity are the VMCS's */
	m->guest_interruptibility_info = (u32)((v->intr_shadow & SHADOW_MOV_SS ? BLOCKING_BY_MOV_SS
						: v->intr_shadow	       ? BLOCKING_BY_STI
									       : 0) |
					       (v->nmi_blocked ? BLOCKING_BY_NMI : 0));
	m->guest_pending_dbg_exceptions = v->pending_db ? v->pending_db | (v->pending_db & 15 ? BIT(12) : 0) : 0;
}

static void save_info(const struct vcpu *v, struct vmcs *m, const struct vmx_exit_info *e)
{
	const struct event *vectoring = v->delivering.valid ? &v->delivering : &v->vectoring;

	m->vm_exit_reason = e->reason;
	m->exit_qualification = e->qualification;
	m->guest_linear_address = e->linear;
	m->guest_physical_address = e->physical;
	m->vm_exit_intr_info = e->intr_info;
	m->vm_exit_intr_error_code = e->intr_error;
	m->vm_exit_instruction_len = e->insn_len;
	m->vmx_instruction_info = e->insn_info;
	m->idt_vectoring_info_field = 0;
	if (vectoring->valid && !(e->reason & VM_EXIT_FAILED_ENTRY)) {
		m->idt_vectoring_info_field = vmx_event_word(v, vectoring);
		m->idt_vectoring_error_code = vectoring->error;
		if (vectoring->software || vectoring->icebp)
			m->vm_exit_instruction_len = vectoring->len;
	}
	/* "The valid bit of the VM-entry interruption-information field is cleared on every VM exit." */
	m->vm_entry_intr_info_field &= (u32)~INTR_VALID;
}

static struct segment host_segment(u16 sel, u64 base, u32 ar)
{
	return (struct segment){ .sel = sel, .base = base, .limit = UINT32_MAX, .ar = sel ? ar : ar | AR_UNUSABLE };
}

/* "Loading Host State" */
static void load_host(struct vcpu *v, const struct vmcs *m)
{
	const struct vmx_caps *caps = &v->vmx->caps;
	bool wide = has_host_address_space_size(m);
	u64 keep = CR0_ET | CR0_CD | CR0_NW | 0xffffffff00000000ull;

	v->cr0 = ((m->host_cr0 & ~keep) | (v->cr0 & keep) | caps->cr0_fixed0) & (caps->cr0_fixed1 | keep);
	v->cr3 = m->host_cr3 & (BIT(v->model->phys_bits) - 1);
	v->cr4 = (m->host_cr4 | caps->cr4_fixed0) & caps->cr4_fixed1;
	v->cr4 = wide ? v->cr4 | CR4_PAE : v->cr4 & ~CR4_PCIDE;
	v->dr[7] = DR7_FIXED;
	v->debugctl = 0;
	v->sysenter_cs = m->host_ia32_sysenter_cs;
	v->sysenter_esp = m->host_ia32_sysenter_esp;
	v->sysenter_eip = m->host_ia32_sysenter_eip;
	if (has_exit_load_efer(m))
		v->efer = m->host_ia32_efer;
	else
		v->efer = wide ? v->efer | EFER_LME | EFER_LMA : v->efer & ~(EFER_LME | EFER_LMA);
	if (has_exit_load_pat(m))
		v->pat = m->host_ia32_pat;

	v->seg[CS] = host_segment(m->host_cs_selector, 0, wide ? HOST_AR_CODE64 : HOST_AR_CODE32);
	v->seg[SS] = host_segment(m->host_ss_selector, 0, HOST_AR_DATA);
	v->seg[SS].ar = HOST_AR_DATA | (m->host_ss_selector ? 0 : AR_UNUSABLE);
	v->seg[DS] = host_segment(m->host_ds_selector, 0, HOST_AR_DATA);
	v->seg[ES] = host_segment(m->host_es_selector, 0, HOST_AR_DATA);
	v->seg[FS] = host_segment(m->host_fs_selector, m->host_fs_base, HOST_AR_DATA);
	v->seg[GS] = host_segment(m->host_gs_selector, m->host_gs_base, HOST_AR_DATA);
	v->seg[TR] = (struct segment){
		.sel = m->host_tr_selector, .base = m->host_tr_base, .limit = 0x67, .ar = HOST_AR_TSS
	};
	v->seg[LDTR] = (struct segment){ .ar = AR_UNUSABLE };
	v->gdtr = (struct dtable){ m->host_gdtr_base, 0xffff };
	v->idtr = (struct dtable){ m->host_idtr_base, 0xffff };
	v->gpr[RSP] = m->host_rsp;
	v->rip = wide ? m->host_rip : (u32)m->host_rip;
	v->rflags = FLAG_1;
	v->activity = ACTIVITY_ACTIVE;
	v->intr_shadow = 0;
	v->pending_db = 0;
}

/* What an exit writes: into vmcs02, and from there to L1's memory. L1 finds there what a processor has made, so the next entry
 * neither copies nor checks it. */
#define SAVED_GROUPS \
	(VMCS_IN(GUEST_REGS) | VMCS_IN(GUEST_CR) | VMCS_IN(GUEST_SEG) | VMCS_IN(GUEST_MSR) | VMCS_IN(GUEST_STATE) | \
	 VMCS_IN(EXIT_INFO))

static void save(struct vcpu *v, const struct vmx_exit_info *e)
{
	struct vmcs *m = v->vmx->v12, *c = &v->vmx->v02;

	save_guest(v, c);
	save_info(v, c, e);
	vmx_timer_stop(v);
	vmcs_copy(m, c, SAVED_GROUPS);
	m->vm_entry_intr_info_field = c->vm_entry_intr_info_field;
	m->vm_entry_controls = c->vm_entry_controls;
}

static _Noreturn void abort_exit(struct vcpu *v, u32 indicator)
{
	if (v->vmx->v12)
		v->vmx->v12->abort = indicator;
	vmx_log_abort(v, indicator);
	vcpu_fpu_park(v);
	machine_stop(v->machine, STOP_GUEST_FATAL, EXIT_GUEST_FATAL,
		     "L1: VMX abort %u at a VM exit: its MSR lists or host state can't be used", indicator);
	vcpu_restart(v);
}

void vmx_exit(struct vcpu *v, const struct vmx_exit_info *e)
{
	struct vmx *x = v->vmx;
	struct vmcs *c = &x->v02;
	bool failed = e->reason & VM_EXIT_FAILED_ENTRY;
	unsigned int basic = e->reason & 0xffff;

	x->switching = true;
	vmx_log_exit(v, e);
	vmx_count_exit(v, e);
	if (!failed) {
		if (has_tpr_shadow(c) || has_virtualize_apic_accesses(c))
			vmx_apic_leave(v);
		save(v, e);
		v->in_l2 = false; /* the TSC in the store list is L1's */
		if (c->vm_exit_msr_store_count && vmx_msr_store(v, c->vm_exit_msr_store_addr, c->vm_exit_msr_store_count))
			abort_exit(v, 1);
		if (has_virtual_nmis(c))
			v->nmi_blocked = false; /* it was virtual; NMIs themselves aren't blocked in L2 */
		if (basic == EXIT_REASON_EXCEPTION_NMI && (e->intr_info >> INTR_TYPE_SHIFT & 7) == INTR_NMI)
			v->nmi_blocked = true;
	} else {
		x->v12->vm_exit_reason = e->reason;
		x->v12->exit_qualification = e->qualification;
	}
	v->event.valid = v->delivering.valid = v->vectoring.valid = false;
	v->in_l2 = false;
	load_host(v, c);
	if (paging_mode(v) == PAGING_PAE && !paging_read_pdptes(v, v->cr3, v->pdpte))
		abort_exit(v, 2);
	vcpu_update_mode(v);
	/* without VPID both levels share one tag: nothing may survive */
	mmu_switch(v, false);
	if (!has_vpid(c))
		mmu_flush_all(v);
	if (c->vm_exit_msr_load_count && vmx_msr_load(v, c->vm_exit_msr_load_addr, c->vm_exit_msr_load_count))
		abort_exit(v, 4);
	vcpu_update_mode(v);
	x->step_pending = false;
	v->intr_wait = v->nmi_window = false;
	vcpu_post(v, EV_INTR); /* what was pending for L1 still is */
	x->switching = false;
	vcpu_restart(v);
}

void vmx_exit_insn(struct vcpu *v, u32 reason, u64 qualification)
{
	vmx_exit(v, &(struct vmx_exit_info){
			    .reason = reason, .qualification = qualification, .insn_len = (u32)(v->next_rip - v->rip) });
}

void vmx_exit_operand(struct vcpu *v, u32 reason)
{
	struct bt_description d;

	vcpu_fpu_park(v);
	bt_describe(v, &d);
	vmx_exit(v, &(struct vmx_exit_info){ .reason = reason,
					     .qualification = d.displacement,
					     .insn_len = (u32)(v->next_rip - v->rip),
					     .insn_info = d.info });
}
