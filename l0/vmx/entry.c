/* SPDX-License-Identifier: GPL-2.0-or-later */
/* L1 to L2: SDM vol. 3, "VM Entries". */
#include "internal.h"
#include "log.h"

#include "../../vmcs-shadow/entry_checks.h"
#include "../cpu/paging.h"
#include "../run/loop.h"

void vmx_load_segments(struct vcpu *v, const struct vmcs *m)
{
#define LOAD(reg, name) \
	v->seg[reg] = (struct segment){ .sel = m->guest_##name##_selector, \
					.base = m->guest_##name##_base, \
					.limit = m->guest_##name##_limit, \
					.ar = m->guest_##name##_ar_bytes }
	LOAD(ES, es);
	LOAD(CS, cs);
	LOAD(SS, ss);
	LOAD(DS, ds);
	LOAD(FS, fs);
	LOAD(GS, gs);
	LOAD(LDTR, ldtr);
	LOAD(TR, tr);
#undef LOAD
	v->gdtr = (struct dtable){ m->guest_gdtr_base, (u16)m->guest_gdtr_limit };
	v->idtr = (struct dtable){ m->guest_idtr_base, (u16)m->guest_idtr_limit };
}

/* "Loading Guest State" */
static void load_guest(struct vcpu *v, const struct vmcs *m)
{
	u64 keep = CR0_ET | CR0_CD | CR0_NW | 0xffffffff00000000ull;
	bool lma = has_ia32e_mode_guest(m);

	v->cr0 = (m->guest_cr0 & ~keep) | (v->cr0 & keep);
	v->cr3 = m->guest_cr3;
	v->cr4 = m->guest_cr4;
	if (has_load_debug_controls(m)) {
		v->dr[7] = (m->guest_dr7 & 0xffff2fffull) | DR7_FIXED;
		v->debugctl = m->guest_ia32_debugctl;
	}
	v->sysenter_cs = m->guest_sysenter_cs;
	v->sysenter_esp = m->guest_sysenter_esp;
	v->sysenter_eip = m->guest_sysenter_eip;
	if (has_entry_load_efer(m)) {
		v->efer = m->guest_ia32_efer;
	} else {
		v->efer = lma ? v->efer | EFER_LMA : v->efer & ~EFER_LMA;
		if (v->cr0 & CR0_PG)
			v->efer = lma ? v->efer | EFER_LME : v->efer & ~EFER_LME;
	}
	if (has_entry_load_pat(m))
		v->pat = m->guest_ia32_pat;
	vmx_load_segments(v, m);
	v->gpr[RSP] = m->guest_rsp;
	v->rip = m->guest_rip;
	v->rflags = (m->guest_rflags & 0x3f7fd5) | FLAG_1;
	if (has_ept(m)) {
		v->pdpte[0] = m->guest_pdptr0;
		v->pdpte[1] = m->guest_pdptr1;
		v->pdpte[2] = m->guest_pdptr2;
		v->pdpte[3] = m->guest_pdptr3;
	}
	v->activity = (u8)m->guest_activity_state; /* enum activity has the VMCS's numbers */
	v->intr_shadow = (u8)((m->guest_interruptibility_info & BLOCKING_BY_STI ? SHADOW_STI : 0) |
			      (m->guest_interruptibility_info & BLOCKING_BY_MOV_SS ? SHADOW_MOV_SS : 0));
	v->nmi_blocked = m->guest_interruptibility_info & BLOCKING_BY_NMI;
	v->pending_db = m->guest_pending_dbg_exceptions & (DR6_BS | 15);
}

/* "Event Injection": delivered by the run loop before the first instruction */
static void inject(struct vcpu *v, const struct vmcs *m)
{
	u32 word = m->vm_entry_intr_info_field;
	enum intr_type type = word >> INTR_TYPE_SHIFT & 7;

	if (!(word & INTR_VALID))
		return;
	if (type == INTR_OTHER) { /* SDM vol. 3, "Monitor Trap Flag": pending, whatever the flag says */
		v->vmx->step_pending = true;
		return;
	}
	v->event = (struct event){
		.valid = true,
		.injected = true,
		.vector = (u8)word,
		.has_error = word & INTR_ERROR,
		.error = (u32)m->vm_entry_exception_error_code,
		.external = type == INTR_EXTERNAL || type == INTR_NMI,
		.software = type == INTR_SOFTWARE || type == INTR_SOFTWARE_EXCEPTION,
		.icebp = type == INTR_PRIVILEGED_SOFTWARE,
		.len = (u8)m->vm_entry_instruction_len,
		.address = v->cr2, /* KVM and others have put it there themselves */
	};
	if (type == INTR_NMI)
		v->nmi_blocked = true;
	v->intr_shadow = 0;
	v->activity = ACTIVITY_ACTIVE;
}

static void timer_expired(void *arg)
{
	struct vcpu *v = arg;

	v->vmx->timer_expired = true;
	vcpu_post(v, EV_TIMER);
}

/* SDM vol. 3, "VMX-Preemption Timer" */
void vmx_timer_start(struct vcpu *v)
{
	struct vmx *x = v->vmx;
	struct clock *c = &v->machine->clock;

	x->timer_expired = false;
	timer_init(&x->timer, timer_expired, v);
	x->timer.own = v->timers;
	if (!has_preemption_timer(&x->v02))
		return;
	x->timer_start = clock_tsc(c);
	if (!x->v02.vmx_preemption_timer_value) {
		x->timer_expired = true;
		return;
	}
	timer_arm(c, &x->timer,
		  clock_tsc_to_ns(c, x->timer_start + ((u64)x->v02.vmx_preemption_timer_value << PREEMPTION_TIMER_SHIFT)));
}

/*
 * What translated code needs for L2's RDTSC and RDTSCP: bt/lower_system.c. Where L1 wants to see them, where RDTSCP may be #UD and
 * where the TSC is scaled C does them, and where the host may be late with the preemption timer's exit: vmx_before_tsc().
 */
static void tsc_begin(struct vcpu *v)
{
	const struct vmx *x = v->vmx;
	const struct vmcs *c = &x->v02;

	v->l2_tsc_offset = has_tsc_offsetting(c) ? c->tsc_offset : 0;
	if (has_rdtsc_exiting(c) || !has_enable_rdtscp(c) ||
	    (has_tsc_offsetting(c) && has_tsc_scaling(c) && c->tsc_multiplier != TSC_ONE))
		v->l2_tsc_left = 0;
	else if (has_preemption_timer(c))
		v->l2_tsc_left = -(x->timer_start + ((u64)c->vmx_preemption_timer_value << PREEMPTION_TIMER_SHIFT));
	else
		v->l2_tsc_left = BIT(63);
}

void vmx_timer_stop(struct vcpu *v)
{
	struct vmx *x = v->vmx;
	u64 passed;

	if (!has_preemption_timer(&x->v02))
		return;
	timer_cancel(&v->machine->clock, &x->timer);
	if (!has_save_preemption_timer(&x->v02))
		return;
	passed = (clock_tsc(&v->machine->clock) - x->timer_start) >> PREEMPTION_TIMER_SHIFT;
	if (x->timer_expired || passed >= x->v02.vmx_preemption_timer_value)
		x->v02.vmx_preemption_timer_value = 0;
	else
		x->v02.vmx_preemption_timer_value -= (u32)passed;
}

static _Noreturn void failed(struct vcpu *v, u32 reason, u64 qualification)
{
	vmx_exit(v, &(struct vmx_exit_info){ .reason = reason | VM_EXIT_FAILED_ENTRY, .qualification = qualification });
}

/* L1's memory for the checks that look into it: all ones where nothing answers */
static u64 read_l1(void *arg, u64 address, unsigned int bytes)
{
	const struct vcpu *v = arg;
	u64 value = UINT64_MAX;
	const u8 *host;

	if (memory_range_is_ram(&v->machine->memory, address, bytes)) {
		host = v->machine->memory.base + address;
		value = bytes == 1 ? *host : bytes == 4 ? *(const u32 *)host : *(const u64 *)host;
	}
	return value;
}

void vmx_enter(struct vcpu *v, bool launch)
{
	struct vmx *x = v->vmx;
	struct vmcs *c = &x->v02;
	enum vmx_check check;
	unsigned int bad;
	bool nmi_blocked;

	if (!x->v12 || (x->v12->revision & VMCS_SHADOW_BIT)) {
		vmx_fail_invalid(v);
		return;
	}
	if (v->intr_shadow & SHADOW_MOV_SS) {
		vmx_fail_valid(v, VMERR_ENTRY_MOV_SS);
		return;
	}
	if (launch != (x->v12->launched == VMCS_CLEAR)) {
		vmx_fail_valid(v, launch ? VMERR_VMLAUNCH_NOT_CLEAR : VMERR_VMRESUME_NOT_LAUNCHED);
		return;
	}
	x->switching = true;
	if (x->modes.merge == VMCS_MERGE_FULL)
		vmcs02_all_changed(&x->changes);
	x->stats.entries++;
	x->stats.fields_copied += vmcs_copy(c, x->v12, x->changes.groups);
	check = vmx_check_entry(&(struct vmx_entry){ .v = c,
						     .caps = &x->caps,
						     .current_vmcs = x->current,
						     .long_mode = v->efer & EFER_LMA,
						     .read = read_l1,
						     .arg = v },
				x->changes.groups);
	if (check != VMX_CHECK_OK) {
		vmx_count_refused(v, check);
		vmx_log_check(v, check);
	}
	switch (vmx_check_class(check)) {
	case VMX_ENTRY_OK:
		x->changes.groups = 0;
		break;
	case VMX_ENTRY_CONTROLS:
		x->switching = false;
		vmx_fail_valid(v, VMERR_ENTRY_BAD_CONTROLS);
		return;
	case VMX_ENTRY_HOST:
		x->switching = false;
		vmx_fail_valid(v, VMERR_ENTRY_BAD_HOST);
		return;
	case VMX_ENTRY_GUEST:
		failed(v, EXIT_REASON_INVALID_STATE, vmx_check_qualification(check));
	}
	v->in_l2 = true;
	nmi_blocked = v->nmi_blocked;
	load_guest(v, c);
	if (!has_ept(c) && paging_mode(v) == PAGING_PAE && !paging_read_pdptes(v, v->cr3, v->pdpte)) {
		v->nmi_blocked = nmi_blocked;
		failed(v, EXIT_REASON_INVALID_STATE, 2);
	}
	vcpu_update_mode(v);
	vmx_mmu_select(v);
	mmu_switch(v, false);
	if (!has_vpid(c))
		mmu_flush_all(v);
	if (c->vm_entry_msr_load_count) {
		bad = vmx_msr_load(v, c->vm_entry_msr_load_addr, c->vm_entry_msr_load_count);
		if (bad) {
			vmx_log_msr(v, bad);
			v->nmi_blocked = nmi_blocked; /* L1's: a failed entry is no NMI's end, nor its beginning */
			failed(v, EXIT_REASON_MSR_LOAD_FAIL, bad);
		}
	}
	if (launch)
		x->v12->launched = VMCS_LAUNCHED;
	vcpu_update_mode(v);
	x->pause_last = 0;
	vmx_count_entry(v);
	vmx_timer_start(v);
	tsc_begin(v);
	if (has_tpr_shadow(c) || has_virtualize_apic_accesses(c))
		vmx_apic_enter(v);
	inject(v, c);
	vmx_unblock_init(v);
	vmx_log_entry(v, launch);
	vcpu_post(v, EV_INTR); /* what is pending may exit at once, and windows may be open */
	x->switching = false;
	vcpu_restart(v);
}
