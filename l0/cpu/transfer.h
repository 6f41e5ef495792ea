/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What far transfers, event delivery, returns and task switches share: descriptors and gates taken
 * apart, checked segments that are not yet loaded, stacks that are not yet the current one.
 *
 * The pattern of every user: fetch and check, push or pop through a struct stack, and only when
 * nothing can fault any more, commit to the vCPU. Memory below a stack pointer may have been
 * written when a later push faults; registers have not changed.
 *
 * Errors with a selector get their EXT bit in raise_error(), nowhere else.
 */
#ifndef L0_CPU_TRANSFER_H
#define L0_CPU_TRANSFER_H

#include "insn.h"
#include "mmu.h"
#include "mode.h"

#define ACC_SYSTEM_READ (ACC_READ | ACC_IMPLICIT)
#define ACC_SYSTEM_WRITE (ACC_WRITE | ACC_IMPLICIT)

/* SDM vol. 3, "System Descriptor Types" */
enum system_type {
	SYS_TSS16 = 1,
	SYS_LDT = 2,
	SYS_TSS16_BUSY = 3,
	SYS_CALL16 = 4,
	SYS_TASK_GATE = 5,
	SYS_INT16 = 6,
	SYS_TRAP16 = 7,
	SYS_TSS32 = 9, /* 64-bit in IA-32e mode, as those below */
	SYS_TSS32_BUSY = 11,
	SYS_CALL32 = 12,
	SYS_INT32 = 14,
	SYS_TRAP32 = 15,
};
#define SYS_BUSY BIT(1) /* turns an available TSS's type into the busy one */

/* the selector part of an error code */
static inline u32 selector_error(u16 selector)
{
	return selector & 0xfffcu;
}

static inline unsigned int segment_dpl(const struct segment *s)
{
	return (s->ar >> AR_DPL_SHIFT) & 3;
}

static inline bool segment_is_code(const struct segment *s)
{
	return (s->ar & (AR_S | AR_CODE)) == (AR_S | AR_CODE);
}

static inline bool segment_is_conforming(const struct segment *s)
{
	return segment_is_code(s) && (s->ar & AR_EXPAND_DOWN);
}

static inline bool segment_is_system(const struct segment *s)
{
	return !(s->ar & AR_S);
}

/* real mode or virtual-8086 mode: selectors are paragraphs */
static inline bool vcpu_8086_segments(const struct vcpu *v)
{
	return !vcpu_protected(v) || vcpu_v8086(v);
}

static inline unsigned int vcpu_iopl(const struct vcpu *v)
{
	return (v->rflags & FLAG_IOPL) >> 12;
}

/* Write a GPR as an instruction of operand size 2, 4 or 8 does. */
static inline void gpr_write(struct vcpu *v, unsigned int reg, u64 value, unsigned int size)
{
	if (size == 8)
		v->gpr[reg] = value;
	else if (size == 4)
		v->gpr[reg] = (u32)value;
	else
		v->gpr[reg] = (v->gpr[reg] & ~0xffffull) | (value & 0xffff);
}

/* segment.c */

/*
 * May n bytes at `offset` of *s be accessed (ACC_READ or ACC_WRITE)? Gives the linear address. flat64: as
 * 64-bit mode sees the segment. Never raises; type and usability count in protected mode only.
 */
bool segment_allows(const struct vcpu *v, const struct segment *s, bool flat64, u64 offset, size_t n,
		    unsigned int access, u64 *linear);
/* What loading a null selector leaves in a data segment register; `dpl` goes to AR.DPL (SS shows CPL there). */
void segment_set_null(struct segment *s, u16 selector, unsigned int dpl);
/*
 * The descriptor of a non-null selector as a segment, or `vector`(selector) if the selector lies outside its
 * table, `vector`(0) if it is null. wide: 16 bytes.
 */
void descriptor_fetch(struct vcpu *v, u16 selector, bool wide, enum vector vector, struct segment *s);
/* Check a stack segment for privilege `cpl`: `vector`(selector), or #SS(selector) if not present. */
void stack_segment_fetch(struct vcpu *v, u16 selector, unsigned int cpl, enum vector vector, struct segment *s);
/* Check a data segment for privilege `cpl`: `vector`(selector), or #NP(selector). Not for null selectors. */
void data_segment_fetch(struct vcpu *v, u16 selector, unsigned int cpl, enum vector vector, struct segment *s);
/* Set the accessed bit in memory unless *s has it; both then have it. Raises #PF. */
void descriptor_set_accessed(struct vcpu *v, struct segment *s);
/* Set or clear the busy bit of a TSS descriptor in the GDT, atomically. Raises #PF. */
void descriptor_set_busy(struct vcpu *v, u16 selector, bool busy);

/* transfer.c */

/* SDM vol. 3, "Call Gates", "IDT Descriptors" */
struct gate {
	u8 type; /* enum system_type; 16 and more: a code or data segment */
	u8 dpl;
	bool present;
	u8 count; /* call gate: parameters to copy; IDT gate of IA-32e mode: IST in bits 2:0 */
	u16 selector;
	u64 offset;
};

void gate_decode(const u64 descriptor[2], bool wide, struct gate *g);
static inline bool gate_is_16bit(const struct gate *g)
{
	return !(g->type & 8);
}

/*
 * A stack under construction or being read. `seg` must outlive it. `error` is the code of the #SS
 * that an access outside the segment raises.
 */
struct stack {
	const struct segment *seg;
	u64 sp;
	u64 mask; /* the part of SP that counts: 16, 32 or 64 bits */
	bool flat64;
	unsigned int access; /* ACC_USER, ACC_IMPLICIT or 0 */
	u32 error;
};

static inline u64 stack_mask(const struct segment *ss, bool flat64)
{
	return flat64 ? ~0ull : ss->ar & AR_DB ? 0xffffffffull : 0xffffull;
}

/* SP after an instruction computed `sp` on a stack of that mask */
static inline u64 stack_merge(u64 old, u64 sp, u64 mask)
{
	return mask == 0xffff ? (old & ~mask) | (sp & mask) : sp & mask;
}

static inline void stack_move(struct stack *s, u64 bytes)
{
	s->sp = stack_merge(s->sp, s->sp + bytes, s->mask);
}

/* the current stack, accessed by the current instruction */
void stack_current(struct vcpu *v, struct stack *s);
void stack_push(struct vcpu *v, struct stack *s, u64 value, unsigned int size);
u64 stack_pop(struct vcpu *v, struct stack *s, unsigned int size);
/* The value `offset` bytes above SP. */
u64 stack_peek(struct vcpu *v, const struct stack *s, u64 offset, unsigned int size);

/* A code segment that a transfer names: `vector`(0) if null, `vector`(selector) if outside, not code, or both 64-bit
 * and 32-bit in IA-32e mode. Neither privilege nor presence are checked. */
void code_segment_fetch(struct vcpu *v, u16 selector, enum vector vector, struct segment *cs);
/* Is the code segment a 64-bit one for this vCPU? */
static inline bool code_is_64bit(const struct vcpu *v, const struct segment *cs)
{
	return vcpu_long_mode(v) && (cs->ar & AR_L);
}
/* #GP(0) if rip can't be executed in cs. */
void code_check_rip(struct vcpu *v, const struct segment *cs, u64 rip);
/* #GP(selector) or #NP(selector) if a return to *cs (its RPL becomes CPL) is not allowed. */
void code_check_return(struct vcpu *v, const struct segment *cs);
/* Transfer: CS = *cs with RPL = cpl, CPL = cpl, next_rip = rip. Nothing raises. */
void code_commit(struct vcpu *v, const struct segment *cs, unsigned int cpl, u64 rip);

/*
 * The stack of inner privilege `cpl` from the TSS: #TS as the SDM's INT n and CALL say. In IA-32e mode *ss
 * becomes null and `ist` (1..7, 0: none) chooses an interrupt stack. `flat64`: target is 64-bit code.
 */
void stack_inner(struct vcpu *v, unsigned int cpl, unsigned int ist, struct segment *ss, struct stack *s);
/* DS, ES, FS, GS that the new, outer CPL may not use become null. */
void segments_drop_inner(struct vcpu *v);
/* A segment as SYSCALL, SYSENTER and their returns set it: flat, present, accessed. type_bits: AR_* */
void segment_set_flat(struct segment *s, u16 selector, u32 type_bits, unsigned int dpl);

/* exception.c */

/* Where the handler of `e` returns to. */
u64 event_return_rip(const struct vcpu *v, const struct event *e);
/* Leave the current instruction with *e to be delivered. */
_Noreturn void event_raise(struct vcpu *v, const struct event *e);

#endif
