/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What L2 does and L1 wants to see: SDM vol. 3, "Instructions That Cause VM Exits", "Other Causes of VM Exits". The
 * effective controls are the copy that VM entry took.
 */
#include "internal.h"

#include "../../vmcs-shadow/vmcs02.h"
#include "../bt/describe.h"
#include "../devices/irqchip.h"

/* exit qualification for control-register accesses */
enum cr_access { CR_MOV_TO, CR_MOV_FROM, CR_CLTS, CR_LMSW };

static _Noreturn void cr_exit(struct vcpu *v, unsigned int cr, enum cr_access access, unsigned int gpr)
{
	vmx_exit_insn(v, EXIT_REASON_CR_ACCESS, cr | access << 4 | gpr << 8);
}

bool vmx_on_cr_write(struct vcpu *v, unsigned int cr, unsigned int gpr, u64 *value)
{
	const struct vmcs *c = &v->vmx->v02;
	const u64 targets[4] = { c->cr3_target_value0, c->cr3_target_value1, c->cr3_target_value2, c->cr3_target_value3 };
	unsigned int i;

	switch (cr) {
	case 0:
		if ((*value ^ c->cr0_read_shadow) & c->cr0_guest_host_mask)
			cr_exit(v, cr, CR_MOV_TO, gpr);
		*value = (*value & ~c->cr0_guest_host_mask) | (v->cr0 & c->cr0_guest_host_mask);
		break;
	case 3:
		if (!has_cr3_load_exiting(c))
			break;
		for (i = 0; i < c->cr3_target_count && i < 4; i++)
			if (*value == targets[i])
				return false;
		cr_exit(v, cr, CR_MOV_TO, gpr);
	case 4:
		if ((*value ^ c->cr4_read_shadow) & c->cr4_guest_host_mask)
			cr_exit(v, cr, CR_MOV_TO, gpr);
		*value = (*value & ~c->cr4_guest_host_mask) | (v->cr4 & c->cr4_guest_host_mask);
		break;
	case 8:
		if (has_cr8_load_exiting(c))
			cr_exit(v, cr, CR_MOV_TO, gpr);
		if (has_tpr_shadow(c)) {
			vmx_apic_set_cr8(v, *value);
			return true;
		}
		break;
	}
	return false;
}

u64 vmx_cr_read(struct vcpu *v, unsigned int cr, unsigned int gpr, u64 value)
{
	const struct vmcs *c = &v->vmx->v02;

	switch (cr) {
	case 0:
		return (value & ~c->cr0_guest_host_mask) | (c->cr0_read_shadow & c->cr0_guest_host_mask);
	case 3:
		if (has_cr3_store_exiting(c))
			cr_exit(v, cr, CR_MOV_FROM, gpr);
		return value;
	case 4:
		return (value & ~c->cr4_guest_host_mask) | (c->cr4_read_shadow & c->cr4_guest_host_mask);
	case 8:
		if (has_cr8_store_exiting(c))
			cr_exit(v, cr, CR_MOV_FROM, gpr);
		return has_tpr_shadow(c) ? vmx_apic_get_cr8(v, (u8)value) : value;
	default:
		return value;
	}
}

bool vmx_on_clts(struct vcpu *v)
{
	const struct vmcs *c = &v->vmx->v02;

	if (!(c->cr0_guest_host_mask & CR0_TS))
		return false;
	if (c->cr0_read_shadow & CR0_TS)
		cr_exit(v, 0, CR_CLTS, 0);
	return true; /* L2 sees TS clear already */
}

void vmx_on_lmsw(struct vcpu *v, u16 value, bool memory, u64 linear)
{
	const struct vmcs *c = &v->vmx->v02;
	u64 mask = c->cr0_guest_host_mask, shadow = c->cr0_read_shadow;

	if ((mask & value & ~shadow & CR0_PE) || (mask & (value ^ shadow) & (CR0_MP | CR0_EM | CR0_TS)))
		vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_CR_ACCESS,
						     .qualification = CR_LMSW << 4 | (u64)memory << 6 | (u64)value << 16,
						     .insn_len = (u32)(v->next_rip - v->rip),
						     .linear = linear });
}

void vmx_on_dr(struct vcpu *v, unsigned int dr, unsigned int gpr, bool from)
{
	if (has_mov_dr_exiting(&v->vmx->v02))
		vmx_exit_insn(v, EXIT_REASON_DR_ACCESS, dr | (u64)from << 4 | gpr << 8);
}

/* Bit `n` of a bitmap in L1's memory; outside RAM all ones */
static bool bitmap_bit(struct vcpu *v, u64 page, unsigned int n)
{
	const u8 *p = l1_page(v, page);

	return !p || (p[n / 8] >> (n % 8) & 1);
}

static bool wants_port(struct vcpu *v, u32 port)
{
	const struct vmcs *c = &v->vmx->v02;

	if (port > 0xffff)
		return true; /* the access wraps around the port space */
	return bitmap_bit(v, port < 0x8000 ? c->io_bitmap_a : c->io_bitmap_b, port & 0x7fff);
}

void vmx_on_io(struct vcpu *v, u16 port, const struct vmx_io *io)
{
	const struct vmcs *c = &v->vmx->v02;
	bool wanted = has_unconditional_io_exiting(c);
	unsigned int i;

	if (has_io_bitmaps(c)) {
		wanted = false;
		for (i = 0; i < io->size; i++)
			wanted |= wants_port(v, port + i);
	}
	if (!wanted)
		return;
	vmx_exit(v, &(struct vmx_exit_info){
			    .reason = EXIT_REASON_IO_INSTRUCTION,
			    .qualification = vmx_io_qualification(port, io),
			    .insn_len = (u32)(v->next_rip - v->rip),
			    .insn_info = io->string ? (u32)io->asize << 7 | (u32)io->seg << 15 : 0,
			    .linear = io->linear,
		    });
}

static bool is_x2apic(u32 msr)
{
	return msr >> 8 == MSR_X2APIC_FIRST >> 8;
}

static void on_msr(struct vcpu *v, u32 msr, bool write)
{
	const struct vmcs *c = &v->vmx->v02;
	bool wanted = true;

	if (has_msr_bitmaps(c) && ((msr & 0x3fffffff) < 0x2000) && ((msr >> 30) == 0 || (msr >> 30) == 3))
		wanted = bitmap_bit(v, c->msr_bitmap, (msr & 0x1fff) | (msr >> 30 ? 0x2000u : 0) | (write ? 0x4000u : 0));
	if (wanted)
		vmx_exit_insn(v, write ? EXIT_REASON_MSR_WRITE : EXIT_REASON_MSR_READ, 0);
}

bool vmx_on_rdmsr(struct vcpu *v, u32 msr, u64 *value)
{
	on_msr(v, msr, false);
	return is_x2apic(msr) && vmx_apic_rdmsr(v, msr, value);
}

bool vmx_on_wrmsr(struct vcpu *v, u32 msr, u64 value)
{
	on_msr(v, msr, true);
	return is_x2apic(msr) && vmx_apic_wrmsr(v, msr, value);
}

void vmx_on_invlpg(struct vcpu *v, u64 linear)
{
	if (has_invlpg_exiting(&v->vmx->v02))
		vmx_exit_insn(v, EXIT_REASON_INVLPG, linear);
}

/* source: enum task_source, which is in the order of the exit qualification's bits 31:30 but for CALL and JMP */
void vmx_on_task_switch(struct vcpu *v, u16 selector, unsigned int source)
{
	static const u8 kind[] = { [TASK_JMP] = 2, [TASK_CALL] = 0, [TASK_IRET] = 1, [TASK_GATE] = 3 };

	vmx_exit_insn(v, EXIT_REASON_TASK_SWITCH, selector | (u64)kind[source] << 30);
}

void vmx_on_dtable(struct vcpu *v, u32 reason, unsigned int identity)
{
	struct bt_description d;

	if (!has_descriptor_table_exiting(&v->vmx->v02))
		return;
	vcpu_fpu_park(v);
	bt_describe(v, &d);
	vmx_exit(v, &(struct vmx_exit_info){ .reason = reason,
					     .qualification = d.displacement,
					     .insn_len = (u32)(v->next_rip - v->rip),
					     .insn_info = (d.info & 0x0fffffffu) | identity << 28 });
}

/* SDM vol. 3, "Instructions That Cause VM Exits Conditionally": PAUSE in a loop at CPL 0 */
static bool pause_loop(struct vcpu *v)
{
	struct vmx *x = v->vmx;
	u64 now;

	if (!has_pause_loop_exiting(&x->v02) || v->cpl)
		return false;
	now = clock_tsc(&v->machine->clock);
	if (!x->pause_last || now - x->pause_last > x->v02.ple_gap)
		x->pause_first = now;
	x->pause_last = now;
	return now - x->pause_first > x->v02.ple_window;
}

/* XSAVES, XRSTORS: a component in EDX:EAX, IA32_XSS and the XSS-exiting bitmap */
static bool xss_wanted(const struct vcpu *v)
{
	u64 mask = (u32)v->gpr[RAX] | v->gpr[RDX] << 32;

	return mask & v->xss & v->vmx->v02.xss_exit_bitmap;
}

void vmx_on_insn(struct vcpu *v, enum vmx_insn what)
{
	const struct vmcs *c = &v->vmx->v02;
	bool wanted = false;
	u32 reason = 0;

	switch (what) {
#define ROW(insn, why, condition) \
	case VMX_INSN_##insn: \
		reason = EXIT_REASON_##why; \
		wanted = (condition); \
		break;
		ROW(CPUID, CPUID, true)
		ROW(INVD, INVD, true)
		ROW(XSETBV, XSETBV, true)
		ROW(HLT, HLT, has_hlt_exiting(c))
		ROW(WBINVD, WBINVD, has_wbinvd_exiting(c))
		ROW(RDPMC, RDPMC, has_rdpmc_exiting(c))
		ROW(RDTSC, RDTSC, has_rdtsc_exiting(c))
		ROW(RDTSCP, RDTSCP, has_rdtsc_exiting(c))
		ROW(MWAIT, MWAIT_INSTRUCTION, has_mwait_exiting(c))
		ROW(MONITOR, MONITOR_INSTRUCTION, has_monitor_exiting(c))
		ROW(PAUSE, PAUSE_INSTRUCTION, has_pause_exiting(c) || pause_loop(v))
		ROW(INVPCID, INVPCID, has_invlpg_exiting(c))
		ROW(RDRAND, RDRAND, has_rdrand_exiting(c))
		ROW(RDSEED, RDSEED, has_rdseed_exiting(c))
		ROW(XSAVES, XSAVES, xss_wanted(v))
		ROW(XRSTORS, XRSTORS, xss_wanted(v))
#undef ROW
	case VMX_INSN_RDPID:
	case VMX_INSN_COUNT:
		break;
	}
	/* instructions that L1 must have enabled first */
	if (((what == VMX_INSN_XSAVES || what == VMX_INSN_XRSTORS) && !has_enable_xsaves(c)) ||
	    ((what == VMX_INSN_RDTSCP || what == VMX_INSN_RDPID) && !has_enable_rdtscp(c)) ||
	    (what == VMX_INSN_INVPCID && !has_enable_invpcid(c)))
		raise_ud(v);
	if (wanted && (what == VMX_INSN_INVPCID || what >= VMX_INSN_RDRAND))
		vmx_exit_operand(v, reason);
	if (wanted)
		vmx_exit_insn(v, reason, 0);
}

/* SDM vol. 3, "Exceptions" of causes of VM exits; the page-fault error-code filter */
bool vmx_wants_exception(const struct vcpu *v, const struct event *e)
{
	const struct vmcs *c = &v->vmx->v02;
	bool wanted = c->exception_bitmap >> (e->vector & 31) & 1;

	if (e->injected || e->external || (e->software && e->vector != VEC_BP && e->vector != VEC_OF))
		return false;
	if (e->vector == VEC_PF && (e->error & c->page_fault_error_code_mask) != c->page_fault_error_code_match)
		return !wanted;
	return wanted;
}

void vmx_on_exception(struct vcpu *v)
{
	struct event e = v->delivering;
	u64 qualification = e.vector == VEC_PF ? e.address : e.vector == VEC_DB ? v->pending_db : 0;

	if (!vmx_wants_exception(v, &e))
		return;
	v->delivering.valid = false;
	if (e.vector == VEC_DB)
		v->pending_db = 0; /* told in the qualification */
	vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_EXCEPTION_NMI,
					     .qualification = qualification,
					     .intr_info = vmx_event_word(v, &e),
					     .intr_error = e.error,
					     .insn_len = e.len });
}

bool vmx_on_interrupt(struct vcpu *v)
{
	struct vmx_exit_info e = { .reason = EXIT_REASON_EXTERNAL_INTERRUPT };
	int vector;

	if (!has_external_interrupt_exiting(&v->vmx->v02))
		return false;
	if (has_ack_interrupt_on_exit(&v->vmx->v02)) {
		vector = irqchip_ack(v);
		if (vector < 0)
			return true;
		if (vmx_apic_notified(v, (u8)vector)) {
			vcpu_post(v, EV_INTR); /* there may be more */
			return true;
		}
		e.intr_info = (u32)(INTR_VALID | (u32)vector);
	}
	vmx_exit(v, &e);
}

void vmx_on_nmi(struct vcpu *v)
{
	const struct vmcs *c = &v->vmx->v02;

	/* with virtual NMIs, what is blocked isn't the NMI itself */
	if (!has_nmi_exiting(c) || (v->nmi_blocked && !has_virtual_nmis(c)) || (v->intr_shadow & SHADOW_MOV_SS))
		return;
	v->nmi_wait--;
	vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_EXCEPTION_NMI,
					     .intr_info = (u32)(INTR_VALID | VEC_NMI | INTR_NMI << INTR_TYPE_SHIFT) });
}

void vmx_on_triple_fault(struct vcpu *v)
{
	v->delivering.valid = v->vectoring.valid = false;
	vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_TRIPLE_FAULT });
}

u64 vmx_tsc(const struct vcpu *v, u64 tsc)
{
	const struct vmcs *c = &v->vmx->v02;

	if (!has_tsc_offsetting(c))
		return tsc;
	return (has_tsc_scaling(c) ? vmcs_scale_tsc(tsc, c->tsc_multiplier) : tsc) + c->tsc_offset;
}

/*
 * The host may be late with the preemption timer. Where L2 could see that, it isn't: the exit comes before the instruction that
 * would read a later time.
 */
void vmx_before_tsc(struct vcpu *v)
{
	const struct vmx *x = v->vmx;
	u64 value = (u64)x->v02.vmx_preemption_timer_value << PREEMPTION_TIMER_SHIFT;

	if (has_preemption_timer(&x->v02) && clock_tsc(&v->machine->clock) - x->timer_start >= value)
		vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_PREEMPTION_TIMER });
}

static _Noreturn void monitor_trap(struct vcpu *v)
{
	vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_MONITOR_TRAP_FLAG });
}

void vmx_on_step(struct vcpu *v)
{
	if (has_monitor_trap_flag(&v->vmx->v02))
		monitor_trap(v);
}

void vmx_poll(struct vcpu *v)
{
	const struct vmcs *c = &v->vmx->v02;

	if (v->activity == ACTIVITY_WAIT_SIPI)
		return;
	if (v->vmx->step_pending) {
		v->vmx->step_pending = false;
		monitor_trap(v);
	}
	/* debug exceptions that the entry brought come before the timer */
	if (v->pending_db && !(v->intr_shadow & SHADOW_MOV_SS) && v->activity <= ACTIVITY_HLT) {
		vcpu_post(v, EV_INTR); /* whatever waits has not been looked at */
		raise_exception(v, VEC_DB);
	}
	if (v->vmx->timer_expired)
		vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_PREEMPTION_TIMER });

	v->nmi_window = has_nmi_window_exiting(c);
	if (v->nmi_window && !v->nmi_blocked && !(v->intr_shadow & SHADOW_MOV_SS))
		vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_NMI_WINDOW });
}

int vmx_interrupt_window(struct vcpu *v)
{
	if (!(v->rflags & FLAG_IF) || v->intr_shadow)
		return -1;
	if (has_interrupt_window_exiting(&v->vmx->v02))
		vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_INTERRUPT_WINDOW });
	return vmx_apic_recognized(v) ? vmx_apic_take(v) : -1;
}

bool vmx_waits(const struct vcpu *v)
{
	return has_interrupt_window_exiting(&v->vmx->v02) || vmx_apic_recognized(v);
}
