/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The architectural vCPU: what every engine (the translator, /dev/kvm) and every level shares.
 *
 * Contract between an engine and the C code below cpu/, devices/ and vmx/: whenever C code holds a
 * struct vcpu, gpr[], rip and rflags are the guest's, exactly as before the current instruction.
 * While translated code runs they live in host registers (see bt/regs.h) and the fields are stale.
 *
 * A vCPU lies *inside* the stack of its thread, and translated code runs with the host's RSP
 * pointing at it: gpr[] comes first so that one byte of displacement reaches it.
 *
 * Two worlds. Code in cpu/, vmx/, bt/ and run/ is compiled with
 * -mgeneral-regs-only and may run while the guest's vector state is in the host's vector
 * registers. Everything else (devices, libc, Zydis) may run only after vcpu_fpu_park(); the
 * bus (devices/bus.h) does that for devices, so a device needs not care. What compilers call by
 * themselves, memcpy() and the like, such code has of its own: general.c.
 */
#ifndef L0_CPU_VCPU_H
#define L0_CPU_VCPU_H

#include <setjmp.h>
#include <stdatomic.h>
#include "types.h"
#include "x86.h"

struct machine;
struct lapic;
struct cpu_model;
struct tlb;
struct bt_vcpu;
struct vcpu_thread;
struct timers;
struct vmx;
struct trace;

enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* ES..GS in the order of their encoding in an instruction */
enum sreg { ES, CS, SS, DS, FS, GS, LDTR, TR, SREG_COUNT };

/*
 * A segment register with its hidden part. `ar` is in the layout of a VMCS access-rights field
 * (SDM vol. 3, "Guest Register State"): type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15,
 * unusable 16. `limit` is in bytes, already scaled by G.
 */
struct segment {
	u64 base;
	u32 limit;
	u32 ar;
	u16 sel;
};

#define AR_TYPE 0xfu
#define AR_ACCESSED BIT(0)
#define AR_WRITABLE BIT(1) /* data; for code: readable */
#define AR_EXPAND_DOWN BIT(2) /* data; for code: conforming */
#define AR_CODE BIT(3)
#define AR_S BIT(4)
#define AR_DPL_SHIFT 5
#define AR_P BIT(7)
#define AR_L BIT(13)
#define AR_DB BIT(14)
#define AR_G BIT(15)
#define AR_UNUSABLE BIT(16)

struct dtable {
	u64 base;
	u16 limit;
};

/* SDM vol. 3, "Guest Non-Register State" */
enum activity { ACTIVITY_ACTIVE, ACTIVITY_HLT, ACTIVITY_SHUTDOWN, ACTIVITY_WAIT_SIPI };

/*
 * After STI, and after MOV SS or POP SS, which also hold off data breakpoints and drop single steps and instruction
 * breakpoints. The bits of a VMCS's interruptibility state: SDM vol. 3, "Masking Exceptions and Interrupts When
 * Switching Stacks".
 */
#define SHADOW_STI BIT(0)
#define SHADOW_MOV_SS BIT(1)

/* what interrupts a vCPU between two instructions; posted from any thread */
#define EV_INTR BIT(0) /* the interrupt controllers may have a vector */
#define EV_NMI BIT(1)
#define EV_INIT BIT(3)
#define EV_SIPI BIT(4)
#define EV_TIMER BIT(5) /* a timer's deadline may have passed */
#define EV_STOP BIT(6) /* the machine wants the vCPU's thread back: reset, power-off, timeout, dump */

/* what is to be delivered before the next instruction: an exception on its way into the guest */
struct event {
	bool valid;
	bool has_error;
	bool software; /* INT n, INT3, INTO: DPL of the gate is checked, return address is behind */
	bool icebp; /* INT1: #DB without a DPL check */
	bool external; /* an interrupt or NMI: no exception, whatever its vector */
	u8 vector;
	u32 error;
	bool injected; /* by a VM entry: L1's exception bitmap doesn't ask for it */
	u8 len; /* length of the instruction for software interrupts, in bytes */
	u64 address; /* #PF: the linear address, for CR2 once it is delivered */
};

/* how a helper leaves translated code early: the value that vcpu->unwind is jumped to with */
enum unwind_code {
	UNWIND_EVENT = 1, /* vcpu->event is valid: deliver it */
	UNWIND_RESTART = 2, /* look at rip again: the current instruction is complete or to be redone */
};

#define VCPU_GROUPS 8

struct vcpu {
	u64 gpr[16]; /* must stay first */
	u64 rip;
	u64 rflags; /* bit 1 always set */
	s64 budget; /* guest instructions that translated code may still run; see run/ */
	s64 budget_held; /* see vcpu_leave_soon(); BUDGET_NOT_HELD otherwise */
	u64 rip_base; /* translated code: linear address of the page that holds the current block */
	u64 ea; /* translated code: linear address of a callout's memory operand */
	u64 next_rip; /* callouts: rip behind the current instruction */
	u64 scratch[4]; /* translated code only: values on their way within one instruction; [3]: where thunks resume */
	u64 kept[3]; /* thunks only: RSI, RDI, RCX while C runs */
	u64 host_rsp; /* translated code: where to leave to */
	u64 code_base; /* linear = code_base + rip: 0 in 64-bit mode, else CS.base; vcpu_update_mode() */
	u64 group[VCPU_GROUPS]; /* translated code: distances to host memory of one block: bt/group.c */
	u8 bounce; /* translated code: the access of the current instruction goes through bt->bounce */
	u32 range_missed; /* translated code: number + 1 of the range that rt_miss() is to enter: bt/lower_range.c */

	struct segment seg[SREG_COUNT];
	struct dtable gdtr, idtr;
	u64 cr0, cr2, cr3, cr4, xcr0;
	u64 pdpte[4]; /* PAE paging: loaded at MOV CR3 (SDM vol. 3, "PDPTE Registers") */
	u64 dr[8]; /* dr[4], dr[5] unused */
	u64 efer, star, lstar, cstar, fmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 pat, tsc_aux, tsc_adjust, misc_enable, debugctl, xss, spec_ctrl;
	u64 mtrr_def_type, mtrr_fixed[11], mtrr_base[8], mtrr_mask[8];
	u64 tsc_offset; /* guest TSC = clock_tsc() + tsc_offset, modulo 2^64 */
	/* L2: its TSC is that + l2_tsc_offset, and RDTSC is for C unless clock_tsc() + l2_tsc_left is negative */
	u64 l2_tsc_offset, l2_tsc_left;
	u32 pkru, pkrs;
	u8 cpl; /* SS.DPL; kept here because everybody asks */

	u32 mode; /* see cpu/mode.h: what a translation depends on; vcpu_update_mode() computes it */
	struct {
		u64 cr0, cr4, xcr0;
		u32 mode; /* 0: not known */
	} mode_from; /* what it had to compute anew the last time */

	u8 activity; /* enum activity */
	u8 intr_shadow; /* SHADOW_*: no interrupt before the next instruction is done */
	bool intr_wait; /* a vector is pending and RFLAGS.IF (or the shadow) keeps it out */
	bool nmi_window; /* L1 wants to know when NMIs are no longer blocked in L2 */
	u8 nmi_wait; /* NMIs that have come and aren't delivered: one at most while blocked, otherwise two */
	bool nmi_blocked; /* between an NMI and the next IRET */
	bool apic_due; /* L2 wrote to its virtual APIC: vmx_apic_complete() once the instruction is done */
	bool fpu_live; /* the guest's vector state is in the host's registers */
	u64 pending_db; /* DR6 bits of a debug trap that the last instruction left behind */
	struct event delivering; /* the event whose delivery is under way: what a second fault combines with */
	u64 fault_address; /* of the #PF that is being raised */
	struct event vectoring; /* what was being delivered when `event` came up: IDT-vectoring information */
	struct event event;
	_Atomic u32 events; /* EV_*: posted by vcpu_post() */
	_Atomic u32 nmis; /* how many EV_NMI stands for */
	jmp_buf unwind;

	_Atomic u32 inside; /* run/gate.h */
	u32 alone; /* gate_alone() so many times */
	struct timers *timers; /* on its own thread; NULL: the machine's are its own, too */

	unsigned int index; /* number of the vCPU in its machine, also its APIC ID */
	_Atomic u8 sipi_vector;
	struct machine *machine;
	struct lapic *apic;
	const struct cpu_model *model;
	struct tlb *tlb; /* the current context, one of tlbs[TLB_CONTEXTS]: cpu/tlb.h */
	struct tlb *tlbs;
	unsigned int tlb_count; /* so many of them have been in use */
	bool no_walk_cache; /* --walk-cache off: cpu/psc.h */
	u64 tlb_switches; /* changes of context so far; orders them by age */
	u64 stlb_hits; /* misses of the soft TLB that needed no walk */
	u64 walks[2], walk_refs[2]; /* of page tables, and the entries they read; [1]: while in L2 */
	u64 tlb_flushes; /* times that contexts were emptied, entirely or of all but global entries */
	struct vcpu_thread *thread; /* run/loop.h */
	u64 exceptions, interrupts; /* delivered so far */
	bool in_l2; /* VMX non-root operation */
	u64 apic_access; /* L1-physical address of L2's APIC-access page, plus 1; 0: it has none. vmx/apic.h */
	struct vmx *vmx; /* vmx/vmx.h; NULL: the model has no VMX */
	struct vmcs *vmcs_direct; /* where translated code of L1 reads and writes fields; NULL: the C functions do */
	struct trace *trace; /* account/trace.h; NULL: exits aren't traced */
	struct bt_vcpu *bt; /* the translator's share of the state */
	struct direct_vcpu *direct; /* direct/direct.h; NULL: no user code runs directly */
	bool kernel_seen; /* it was at another CPL than 3: direct/ clears it */

	s64 slice; /* what budget was when translated code was entered */
	u64 skipped_ns; /* CLOCK_INSNS: time that passed without an instruction: in HLT, and 1 for each exception */
	bool user_seen; /* CPL 3 was reached */
	bool waits; /* in a loop of PAUSEs, as far as one can tell: another vCPU should get its host CPU */
	u32 pauses; /* executed, where that decides it */
	u64 insns; /* guest instructions retired, budget's unused rest not yet taken off: use vcpu_insns() */

	/* x87, SSE, AVX in XSAVE's standard format when !fpu_live: SDM vol. 1, "XSAVE Area" */
	_Alignas(64) u8 xsave[1024];
};

/*
 * Raise an exception at the current instruction: never returns. All architectural state must be as
 * before the instruction (string instructions: as before the current iteration).
 */
_Noreturn void raise_exception(struct vcpu *v, enum vector vector);
_Noreturn void raise_error(struct vcpu *v, enum vector vector, u32 error);
_Noreturn void raise_page_fault(struct vcpu *v, u64 linear, u32 error); /* writes CR2 */
#define raise_ud(v) raise_exception(v, VEC_UD)
#define raise_gp(v, error) raise_error(v, VEC_GP, error)

/* The current instruction is over, rip is already behind it, and more than rip changed: look again. */
_Noreturn void vcpu_restart(struct vcpu *v);

/* Post EV_* to a vCPU; any thread. Noticed within one slice of translated code (microseconds). */
void vcpu_post(struct vcpu *v, u32 events);

/*
 * The vCPU's own thread: leave translated code at the next block's start, because something is to be looked at. The rest of the
 * budget is put aside; vcpu_settle() brings it back (run loop).
 */
#define BUDGET_NOT_HELD INT64_MIN

/* Other threads change the budget, too: vcpu_kick(). One of two changes at the same time may get lost. */
static inline s64 vcpu_budget(const struct vcpu *v)
{
	return __atomic_load_n(&v->budget, __ATOMIC_RELAXED);
}

static inline void vcpu_set_budget(struct vcpu *v, s64 budget)
{
	__atomic_store_n(&v->budget, budget, __ATOMIC_RELAXED);
}

static inline void vcpu_leave_soon(struct vcpu *v)
{
	if (v->budget_held == BUDGET_NOT_HELD) {
		v->budget_held = vcpu_budget(v);
		vcpu_set_budget(v, -1);
	}
}

/*
 * NMIs that were posted are those that wait: a processor that handles one remembers one more. Two that come at the same time are one handled
 * and one remembered, for they aren't taken here as soon as they come. To be called before NMIs stop being blocked.
 */
static inline void vcpu_count_nmis(struct vcpu *v)
{
	u32 all = v->nmi_wait + atomic_exchange(&v->nmis, 0), most = v->nmi_blocked ? 1 : 2;

	v->nmi_wait = (u8)(all < most ? all : most);
}

/*
 * Another thread wants a vCPU to come out of translated code. It takes this much from its budget, which translated code changes at
 * the same time: the kick may get lost, then the vCPU comes at the end of its slice. What is left of the budget can be told all the same.
 */
#define BUDGET_KICK (1ll << 40)

void direct_kick(const struct vcpu *v);

static inline void vcpu_kick(struct vcpu *v)
{
	__atomic_fetch_sub(&v->budget, BUDGET_KICK, __ATOMIC_RELAXED);
	if (v->direct)
		direct_kick(v);
}

static inline s64 budget_without_kicks(s64 budget)
{
	while (budget < -BUDGET_KICK / 2)
		budget += BUDGET_KICK;
	return budget;
}

static inline void vcpu_settle(struct vcpu *v)
{
	s64 budget = vcpu_budget(v);

	if (v->budget_held != BUDGET_NOT_HELD) {
		budget += v->budget_held + 1;
		v->budget_held = BUDGET_NOT_HELD;
	}
	vcpu_set_budget(v, budget_without_kicks(budget));
}

/* Recompute v->mode (and v->cpl's uses) after CR0, CR4, EFER, a segment, RFLAGS.{TF,AC,VM}, DR7 or XCR0 changed. */
void vcpu_update_mode(struct vcpu *v);

/* Guest vector state from the host's registers into v->xsave, host defaults into MXCSR and FCW; idempotent. */
void vcpu_fpu_park(struct vcpu *v);

static inline bool vcpu_long_mode(const struct vcpu *v)
{
	return v->efer & EFER_LMA;
}

/* 64-bit mode proper: not compatibility mode */
static inline bool vcpu_64bit(const struct vcpu *v)
{
	return (v->efer & EFER_LMA) && (v->seg[CS].ar & AR_L);
}

static inline bool vcpu_protected(const struct vcpu *v)
{
	return v->cr0 & CR0_PE;
}

static inline bool vcpu_v8086(const struct vcpu *v)
{
	return v->rflags & FLAG_VM;
}

#endif
