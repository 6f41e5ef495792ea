/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMX as an L1 sees it: SDM vol. 3, part on virtual-machine extensions.
 *
 * A vCPU is in VMX root operation (L1) or, with v->in_l2, in non-root operation: then its registers are L2's, and the
 * controls in vmx->v02 say what leaves. An exit puts L2's state into the VMCS in L1's memory, L1's host state into the vCPU,
 * and unwinds to the run loop, which goes on at L1's host RIP.
 */
#ifndef L0_VMX_VMX_H
#define L0_VMX_VMX_H

#include "../../vmcs-shadow/bitmaps.h"
#include "../../vmcs-shadow/vmcs02.h"
#include "../../vmcs-shadow/vmcs_fields.h"
#include "../../vmcs-shadow/vmx_caps.h"
#include "../cpu/tlb.h"
#include "../cpu/vcpu.h"
#include "../run/clock.h"
#include "../account/rounds.h"
#include "apic.h"
#include "exits.h"
#include "modes.h"
#include "stats.h"

struct ept_stats;
struct vmx_mmu;

#define VMPTR_NONE UINT64_MAX

struct vmx {
	bool on; /* between VMXON and VMXOFF */
	u64 vmxon; /* physical address of the VMXON region */
	u64 current; /* current-VMCS pointer, VMPTR_NONE */
	struct vmcs *v12; /* the current VMCS in L1's memory; NULL if that isn't RAM */
	struct vmx_caps caps; /* what this L1 is offered */
	/*
	 * vmcs02: controls and state as of the last entry, where L1 can't change them under L2. A translated L1's vmcs01
	 * asks for no exits, so what merging makes of the two is what vmcs12 says.
	 */
	struct vmcs v02;
	struct vmcs02_changes changes; /* groups in which vmcs12 has changed since the entry that v02 is of */
	struct vmx_modes modes;
	struct vmcs_stats stats;
	u8 vmread_bitmap[VMCS_BITMAP_BYTES], vmwrite_bitmap[VMCS_BITMAP_BYTES]; /* --vmcs-access shadow */
	struct timer timer; /* the VMX-preemption timer */
	bool timer_expired;
	bool step_pending; /* a monitor trap is due: an event was delivered to L2 under the flag, or L1 has injected one */
	u64 timer_start; /* TSC of L1 when it started */
	u64 pause_first, pause_last; /* TSC of PAUSE in a loop of L2 */
	bool switching; /* on the way from one level to the other: for run/profile.c */
	bool entering; /* an entry is under way: what fails now is a failed entry */
	struct vmx_mmu *mmu; /* nested_mmu.c */
	struct vmx_apic apic;
	/* for direct/vt.c, which has tables of its own: INVEPTs; L2-physical pages whose mappings an EPT violation has invalidated */
	u64 invalidations;
	struct tlb_dropped violated;
	bool init_pending; /* an INIT signal came while it was blocked */
	struct rounds rounds;
};

/* Is a feature of vmcs-shadow's one that an L1 can have here? */
bool vmx_feature_done(const char *name);

/* v->vmx; NULL: no memory. Needed only if the model offers VMX. The machine has its memory. */
struct vmx *vmx_create(struct vcpu *v, const struct vmx_modes *modes);
void vmx_destroy(struct vcpu *v); /* v->vmx is NULL from then on */
/* What came of EPT merging */
const struct ept_stats *vmx_ept_stats(const struct vmx *x);
void vmx_reset(struct vcpu *v);

const char *vmx_exit_name(unsigned int basic);
/* The basic reason that name[0..n-1] is the name of; VM_EXIT_REASONS: none is */
unsigned int vmx_exit_find(const char *name, size_t n);

/* count.c: the trace's share of vmx_served(); v->trace isn't NULL */
void vmx_trace_served(struct vcpu *v, unsigned int reason, u64 qualification, u64 info);

/*
 * L0 does itself what an L1 on hardware, or an L2 that L1 doesn't want to see exit for it, would have exited for. The trace
 * gets the exit qualification that hardware would give, and a record's info (account/trace_file.h); what is in
 * registers it takes from there.
 */
static inline void vmx_served_at(struct vcpu *v, unsigned int reason, u64 qualification, u64 info)
{
	if (v->vmx)
		rounds_exit(&v->vmx->rounds, v->in_l2, reason);
	if (v->trace)
		vmx_trace_served(v, reason, qualification, info);
}

static inline void vmx_served(struct vcpu *v, unsigned int reason)
{
	vmx_served_at(v, reason, 0, 0);
}

/* IA32_FEATURE_CONTROL and the capability MSRs; false: #GP */
bool vmx_msr_read(const struct vcpu *v, u32 msr, u64 *value);

/* CR0 and CR4 in VMX operation: bits that must be 1 and may be 1. False: #GP for the MOV. */
bool vmx_cr0_allowed(const struct vcpu *v, u64 cr0);
bool vmx_cr4_allowed(const struct vcpu *v, u64 cr4);

/* entry.c: VMLAUNCH, VMRESUME. Returns only if the instruction fails (VMfail); otherwise unwinds into L2 or a failed entry's exit. */
void vmx_enter(struct vcpu *v, bool launch);

/* entry.c, exit.c: segment and descriptor-table registers from a VMCS's guest state and to it, in every detail */
void vmx_load_segments(struct vcpu *v, const struct vmcs *m);
void vmx_save_segments(const struct vcpu *v, struct vmcs *m);

/* exit.c */

struct vmx_exit_info {
	u32 reason; /* enum vm_exit | VM_EXIT_FAILED_ENTRY */
	u64 qualification;
	u32 intr_info, intr_error;
	u32 insn_len, insn_info;
	u64 linear, physical;
};

/* L2 to L1. v->rip is L2's as it is to be saved. Never returns. */
_Noreturn void vmx_exit(struct vcpu *v, const struct vmx_exit_info *e);
/* The current instruction exits: its length is filled in. */
_Noreturn void vmx_exit_insn(struct vcpu *v, u32 reason, u64 qualification);
/* The same, and L1 is told how the instruction addresses its operand. */
_Noreturn void vmx_exit_operand(struct vcpu *v, u32 reason);

/*
 * intercept.c: called by instructions of cpu/ when v->in_l2, after the checks that come before a VM exit (#UD, privilege).
 * Each returns if L2 may do it, and never if it exits.
 */
/* *value becomes what is to be written; true: it has been (CR8, in the TPR shadow) */
bool vmx_on_cr_write(struct vcpu *v, unsigned int cr, unsigned int gpr, u64 *value);
u64 vmx_cr_read(struct vcpu *v, unsigned int cr, unsigned int gpr, u64 value);
void vmx_before_tsc(struct vcpu *v); /* RDTSC, RDTSCP */
bool vmx_on_clts(struct vcpu *v); /* true: nothing to do */
void vmx_on_lmsw(struct vcpu *v, u16 value, bool memory, u64 linear);
void vmx_on_dr(struct vcpu *v, unsigned int dr, unsigned int gpr, bool from);
struct vmx_io {
	u8 size, asize, seg; /* bytes; 0 to 2; enum sreg */
	bool in, string, rep, immediate;
	u64 linear; /* of a string instruction's operand */
};
void vmx_on_io(struct vcpu *v, u16 port, const struct vmx_io *io);
/* SDM vol. 3, "Exit Qualification for I/O Instructions" */
static inline u64 vmx_io_qualification(u16 port, const struct vmx_io *io)
{
	return (io->size - 1) | (u64)io->in << 3 | (u64)io->string << 4 | (u64)io->rep << 5 | (u64)io->immediate << 6 |
	       (u64)port << 16;
}
/* Called by every I/O instruction, in L2 or not: the exit, if L1 wants it, otherwise L0's. */
static inline void vmx_before_io(struct vcpu *v, u16 port, const struct vmx_io *io)
{
	if (v->in_l2)
		vmx_on_io(v, port, io);
	vmx_served_at(v, EXIT_REASON_IO_INSTRUCTION, vmx_io_qualification(port, io), io->linear);
}
/* true: the virtual APIC has done it */
bool vmx_on_rdmsr(struct vcpu *v, u32 msr, u64 *value);
bool vmx_on_wrmsr(struct vcpu *v, u32 msr, u64 value);
void vmx_on_invlpg(struct vcpu *v, u64 linear);
void vmx_on_task_switch(struct vcpu *v, u16 selector, unsigned int source);

/* What exits depending on one control, or always. */
enum vmx_insn {
	VMX_INSN_CPUID,
	VMX_INSN_HLT,
	VMX_INSN_INVD,
	VMX_INSN_WBINVD,
	VMX_INSN_RDPMC,
	VMX_INSN_RDTSC,
	VMX_INSN_RDTSCP,
	VMX_INSN_RDPID, /* never exits, but is #UD without "enable RDTSCP" */
	VMX_INSN_MWAIT,
	VMX_INSN_MONITOR,
	VMX_INSN_PAUSE,
	VMX_INSN_XSETBV,
	VMX_INSN_INVPCID,
	VMX_INSN_RDRAND,
	VMX_INSN_RDSEED,
	VMX_INSN_XSAVES,
	VMX_INSN_XRSTORS,
	VMX_INSN_COUNT,
};
void vmx_on_insn(struct vcpu *v, enum vmx_insn what);

/* Descriptor-table instructions: GDTR_IDTR (identity 0 SGDT, 1 SIDT, 2 LGDT, 3 LIDT) or LDTR_TR (0 SLDT, 1 STR, 2 LLDT, 3 LTR) */
void vmx_on_dtable(struct vcpu *v, u32 reason, unsigned int identity);

/* exception.c asks before it delivers v->delivering in L2: returns if L2 gets it. */
void vmx_on_exception(struct vcpu *v);
/* Would it exit? */
bool vmx_wants_exception(const struct vcpu *v, const struct event *e);

/*
 * The run loop asks between two instructions of L2, in this order: SDM vol. 3, "Priority Among Concurrent Events". Each may exit.
 */
/* activity.c: INIT and start-up signals (EV_INIT, EV_SIPI) in VMX operation; returns those of `events` that have their usual effect. */
u32 vmx_on_signals(struct vcpu *v, u32 events);
void vmx_poll(struct vcpu *v); /* the monitor trap, debug exceptions that an entry brought, the timer, the NMI window */
void vmx_on_nmi(struct vcpu *v); /* v->nmi_wait */
/* The interrupt window. A vector: of a virtual interrupt that L2 gets now; -1: none. */
int vmx_interrupt_window(struct vcpu *v);
/* An external interrupt is pending in L1's controllers. True: it is done with; false: L2 gets it. */
bool vmx_on_interrupt(struct vcpu *v);
/* Does something wait for RFLAGS.IF to be set? */
bool vmx_waits(const struct vcpu *v);
_Noreturn void vmx_on_triple_fault(struct vcpu *v);
/* The TSC that L2 sees when L1's is `tsc` */
u64 vmx_tsc(const struct vcpu *v, u64 tsc);
/* An instruction of L2 is complete, and the monitor trap flag may be set. */
void vmx_on_step(struct vcpu *v);

/*
 * nested_mmu.c: an L2-physical address with EPT on. access: ACC_* of mmu.h. how: what it is the address of. Exits if L1's
 * tables don't allow it; with NESTED_PROBE it returns false instead and sets no flags.
 */
#define NESTED_FINAL BIT(0) /* the translation of `linear`; otherwise a paging structure on the way there */
#define NESTED_USER BIT(1) /* a user-mode linear address: U/S is set at every level, or there is no paging */
#define NESTED_PROBE BIT(2)
#define NESTED_PDPTE BIT(3) /* loaded by MOV CR: there is no linear address */
#define NESTED_QUIET BIT(4) /* false instead of an exit, but flags are set as for any access */
#define NESTED_ENTERED \
	BIT(5) /* false if EPT02 doesn't have it yet, so that an access may still have flags to set; with NESTED_PROBE */

struct nested_page {
	u64 l1pa; /* of the address asked for */
	u8 shift, rights; /* ACC_READ|WRITE|EXEC without another walk */
};
bool vmx_uses_ept(const struct vcpu *v);
bool vmx_nested_walk(struct vcpu *v, u64 address, unsigned int access, u64 linear, unsigned int how,
		     struct nested_page *page);

#endif
