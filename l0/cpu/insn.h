/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that the host's CPU can't do for the guest, in C: system instructions, far
 * transfers, string instructions with their page crossings, what 64-bit mode lacks. Called by the
 * translator as callouts. No plain arithmetic here.
 *
 * On entry gpr[], rflags are the guest's, v->rip is the instruction, v->next_rip the one behind it.
 * A memory operand's *effective address* (offset in its segment, already cut to the address size)
 * is in v->ea and its segment in args.seg: segment_linear() checks limits and rights and gives the
 * linear address. An instruction that transfers control changes v->next_rip; the caller moves
 * next_rip to rip after the function returns. A fault raises (never returns) with nothing changed.
 * Functions that change what v->mode depends on call vcpu_update_mode() themselves.
 * Privilege, mode (#UD in real mode ...) and CPUID conditions are checked by the function.
 */
#ifndef L0_CPU_INSN_H
#define L0_CPU_INSN_H

#include "vcpu.h"

union insn_args {
	u64 raw;
	struct {
		u8 size; /* operand size in bytes: 1, 2, 4, 8 (10, 16 where said) */
		u8 reg; /* ModRM.reg with REX.R: a GPR, CR, DR or segment register number */
		u8 rm; /* ModRM.rm with REX.B when is_reg */
		u8 is_reg : 1; /* the r/m operand is the register rm, not memory at v->ea */
		u8 asize : 2; /* address size: 2 << asize bytes */
		u8 rep : 2; /* 0 none, 1 REP/REPE (F3), 2 REPNE (F2) */
		u8 seg : 3; /* enum sreg of the memory operand */
		u32 imm; /* immediate, zero-extended; far pointers: the offset, selector = reg | rm << 8 */
	};
};

/* A REP of fewer elements is done without looking whether something waits to be noticed: as one that C isn't needed for (bt/lower_string.c) */
#define STRING_SHORT 512u

typedef void insn_fn(struct vcpu *v, union insn_args a);

/*
 * name, where it is implemented. The table is the only list: declarations and the stats' names
 * of callouts derive from it.
 */
/* clang-format off */
#define INSN_CALLOUTS(X) \
	/* segment.c: SDM vol. 2 under each name */ \
	X(mov_to_sreg) /* reg = sreg, r/m16 */ \
	X(mov_from_sreg) /* r/m of size; memory always 16 bits */ \
	X(pop_sreg) /* reg = sreg, size = operand size */ \
	X(push_sreg) \
	X(load_far) /* LDS, LES, LSS, LFS, LGS: imm = sreg, reg = GPR, size */ \
	X(lgdt) X(lidt) X(sgdt) X(sidt) /* size 2, 4 or 8 */ \
	X(lldt) X(ltr) X(sldt) X(str) \
	X(lar) X(lsl) X(verr) X(verw) X(arpl) \
	X(swapgs) X(rdfsbase) X(rdgsbase) X(wrfsbase) X(wrgsbase) \
	/* transfer.c */ \
	X(jmp_far) X(call_far) /* is_reg: pointer in imm and reg|rm<<8; else memory m16:size */ \
	X(ret_far) /* imm: bytes to release */ \
	X(iret) \
	X(int_n) /* imm = vector */ \
	X(int3) X(into) X(int1) \
	X(syscall) X(sysret) X(sysenter) X(sysexit) \
	X(bound) X(ud) \
	/* flags.c */ \
	X(pushf) X(popf) X(cli) X(sti) \
	/* vmx/insn.c */ \
	X(vmxon) X(vmxoff) X(vmclear) X(vmptrld) X(vmptrst) X(vmread) X(vmwrite) X(vmlaunch) X(vmresume) \
	X(vmcall) X(vmfunc) X(invept) X(invvpid) \
	/* mode.c */ \
	X(stac) X(clac) \
	/* legacy.c: what 64-bit mode can't execute */ \
	X(pusha) X(popa) X(enter) \
	X(aaa) X(aas) X(daa) X(das) X(aam) X(aad) X(salc) \
	/* string.c: imm unused; size = element, asize, rep, seg of the DS:rSI operand */ \
	X(movs) X(cmps) X(stos) X(lods) X(scas) X(ins) X(outs) \
	/* io.c: imm = port when is_reg, else DX; data in rAX */ \
	X(in) X(out) \
	/* control.c */ \
	X(mov_to_cr) X(mov_from_cr) /* reg = CR, rm = GPR */ \
	X(mov_to_dr) X(mov_from_dr) \
	X(lmsw) X(smsw) X(clts) \
	X(invlpg) X(invpcid) X(wbinvd) X(invd) \
	X(hlt) X(monitor) X(mwait) X(pause) \
	X(xgetbv) X(xsetbv) X(rdpkru) X(wrpkru) X(rdrand) X(rdseed) \
	/* msr.c, cpuid.c */ \
	X(rdmsr) X(wrmsr) X(rdtsc) X(rdtscp) X(rdpmc) X(rdpid) X(cpuid) \
	/* x87.c: memory at ea */ \
	X(fnstenv) X(fnsave) \
	/* xsave.c: memory at ea */ \
	X(fxsave) X(fxrstor) X(xsave) X(xsavec) X(xsaveopt) X(xsaves) X(xrstor) X(xrstors)
/* clang-format on */

#define X(name) insn_fn insn_##name;
INSN_CALLOUTS(X)
#undef X

/* segment.c */

/* An operand of n bytes at `offset` in `seg`: its linear address. Raises #GP(0) or #SS(0) if limit, type or
 * canonical form forbid the access (ACC_READ or ACC_WRITE). SDM vol. 3, "Limit Checking", "Type Checking". */
u64 segment_linear(struct vcpu *v, enum sreg seg, u64 offset, size_t n, unsigned int access);
/* Load a data or stack segment register as MOV does, in every mode; raises. */
void segment_load(struct vcpu *v, enum sreg seg, u16 selector);
/* The hidden part as real mode and virtual-8086 mode set it. */
void segment_load_real(struct vcpu *v, enum sreg seg, u16 selector);
/* Read an 8- or 16-byte descriptor; false if the selector is outside its table. Raises #PF. */
bool descriptor_read(struct vcpu *v, u16 selector, u64 descriptor[2], bool wide);
/* Descriptor to hidden part. */
void descriptor_decode(const u64 descriptor[2], bool wide, u16 selector, struct segment *seg);

/* exception.c: SDM vol. 3, "Interrupt and Exception Handling" */

/* Deliver v->event through the IDT in the current mode; clears it. A fault on the way raises again and raise_*()
 * combines both as "Interrupt 8 - Double Fault" says. False: triple fault; v->activity is SHUTDOWN. */
bool event_deliver(struct vcpu *v);
/* An external interrupt or NMI that was accepted: wakes from HLT, then as event_deliver(). */
bool event_interrupt(struct vcpu *v, u8 vector);
bool event_nmi(struct vcpu *v);

/* task.c: SDM vol. 3, "Task Switching". source: how it was reached; error code pushed if has_error. */
enum task_source { TASK_JMP, TASK_CALL, TASK_IRET, TASK_GATE };
void task_switch(struct vcpu *v, u16 tss_selector, enum task_source source, bool has_error, u32 error);

/* state.c: SDM vol. 3, "Processor State After Reset"; init: INIT keeps caches, MSRs, FPU */
void vcpu_reset(struct vcpu *v, bool init);

/* control.c: the effects of a CR write, checks included; raise #GP(0). Also used by VM entry and exit. */
void control_set_cr0(struct vcpu *v, u64 value);
void control_set_cr3(struct vcpu *v, u64 value);
void control_set_cr4(struct vcpu *v, u64 value);
/* msr.c: false: #GP */
bool msr_read(struct vcpu *v, u32 msr, u64 *value);
bool msr_write(struct vcpu *v, u32 msr, u64 value);
/* TSC as this vCPU's RDTSC shows it */
u64 msr_tsc(struct vcpu *v);

/* dump.c: registers, segments, control registers, one `key=value` line group, to a FILE (park first) */
struct _IO_FILE;
void vcpu_dump(struct vcpu *v, struct _IO_FILE *to);

#endif
