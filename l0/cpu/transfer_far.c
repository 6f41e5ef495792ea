/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Far JMP, CALL and RET: SDM vol. 2 under each name, vol. 3 "Privilege Levels", "Call Gates". */
#include "transfer.h"

struct far_pointer {
	u16 selector;
	u64 offset;
};

static struct far_pointer far_operand(struct vcpu *v, union insn_args a)
{
	struct far_pointer p;
	u64 linear;

	if (a.is_reg) {
		p.offset = a.imm;
		p.selector = a.reg | a.rm << 8;
	} else {
		linear = segment_linear(v, a.seg, v->ea, a.size + 2u, ACC_READ);
		p.offset = mmu_read(v, linear, a.size, mmu_data(v, ACC_READ));
		p.selector = mmu_read(v, linear + a.size, 2, mmu_data(v, ACC_READ));
	}
	if (a.size == 2)
		p.offset &= 0xffff;
	return p;
}

/* Real mode, virtual-8086 mode */
static void jump_8086(struct vcpu *v, struct far_pointer p)
{
	u32 limit = vcpu_v8086(v) ? 0xffff : v->seg[CS].limit;

	if (p.offset > limit)
		raise_gp(v, 0);
	segment_load_real(v, CS, p.selector);
	v->next_rip = p.offset;
}

/* The code segment that a JMP or CALL names itself: privilege stays. */
static void check_direct(struct vcpu *v, const struct segment *cs)
{
	unsigned int dpl = segment_dpl(cs);
	bool ok = segment_is_conforming(cs) ? dpl <= v->cpl : dpl == v->cpl && (cs->sel & 3u) <= v->cpl;

	if (!ok)
		raise_gp(v, selector_error(cs->sel));
	if (!(cs->ar & AR_P))
		raise_error(v, VEC_NP, selector_error(cs->sel));
}

/* DPL against CPL and RPL, as for data; presence. Gates and TSSs. */
static void check_gate_access(struct vcpu *v, u16 selector, unsigned int dpl, bool present)
{
	if (dpl < v->cpl || dpl < (selector & 3u))
		raise_gp(v, selector_error(selector));
	if (!present)
		raise_error(v, VEC_NP, selector_error(selector));
}

/* A call gate's other half in IA-32e mode */
static void gate_fetch_upper(struct vcpu *v, u16 selector, u64 d[2])
{
	if (!descriptor_read(v, selector, d, true) || (d[1] >> 40 & 0x1f))
		raise_gp(v, selector_error(selector));
}

static void gate_code_fetch(struct vcpu *v, const struct gate *g, struct segment *cs)
{
	code_segment_fetch(v, g->selector, VEC_GP, cs);
	if (segment_dpl(cs) > v->cpl || (vcpu_long_mode(v) && !(cs->ar & AR_L)))
		raise_gp(v, selector_error(g->selector));
}

static void check_code_present(struct vcpu *v, const struct segment *cs)
{
	if (!(cs->ar & AR_P))
		raise_error(v, VEC_NP, selector_error(cs->sel));
}

static void jump_call_gate(struct vcpu *v, const struct gate *g)
{
	struct segment cs;

	gate_code_fetch(v, g, &cs);
	/* a jump never changes privilege */
	if (!segment_is_conforming(&cs) && segment_dpl(&cs) != v->cpl)
		raise_gp(v, selector_error(g->selector));
	check_code_present(v, &cs);
	code_check_rip(v, &cs, g->offset);
	descriptor_set_accessed(v, &cs);
	code_commit(v, &cs, v->cpl, g->offset);
}

#define COUNT_MAX 31

/* Inner stack: old SS:SP, the gate's parameters, the return address. */
static void call_inner(struct vcpu *v, const struct gate *g, struct segment *cs, unsigned int size)
{
	unsigned int cpl = segment_dpl(cs), count = vcpu_long_mode(v) ? 0 : g->count & COUNT_MAX, i;
	struct stack old, s;
	struct segment ss;

	stack_current(v, &old);
	stack_inner(v, cpl, 0, &ss, &s);
	if (s.flat64 && !mmu_canonical(v, s.sp))
		raise_error(v, VEC_SS, 0);
	stack_push(v, &s, v->seg[SS].sel, size);
	stack_push(v, &s, v->gpr[RSP], size);
	for (i = count; i--;)
		stack_push(v, &s, stack_peek(v, &old, i * size, size), size);
	stack_push(v, &s, v->seg[CS].sel, size);
	stack_push(v, &s, v->next_rip, size);
	code_check_rip(v, cs, g->offset);
	if (!vcpu_long_mode(v))
		descriptor_set_accessed(v, &ss);
	descriptor_set_accessed(v, cs);
	v->seg[SS] = ss;
	v->gpr[RSP] = s.sp;
	code_commit(v, cs, cpl, g->offset);
}

static void call_same(struct vcpu *v, struct segment *cs, u64 rip, unsigned int size)
{
	struct stack s;

	stack_current(v, &s);
	/* through a gate from compatibility mode the stack is used as the target's mode has it */
	s.flat64 = code_is_64bit(v, cs);
	s.mask = stack_mask(s.seg, s.flat64);
	stack_push(v, &s, v->seg[CS].sel, size);
	stack_push(v, &s, v->next_rip, size);
	code_check_rip(v, cs, rip);
	descriptor_set_accessed(v, cs);
	v->gpr[RSP] = s.sp;
	code_commit(v, cs, v->cpl, rip);
}

static void call_call_gate(struct vcpu *v, const struct gate *g)
{
	unsigned int size = vcpu_long_mode(v) ? 8 : gate_is_16bit(g) ? 2 : 4;
	struct segment cs;

	gate_code_fetch(v, g, &cs);
	check_code_present(v, &cs);
	if (!segment_is_conforming(&cs) && segment_dpl(&cs) < v->cpl)
		call_inner(v, g, &cs, size);
	else
		call_same(v, &cs, g->offset, size);
}

/* The selector names a system descriptor: a gate or a TSS. */
static void transfer_system(struct vcpu *v, u16 selector, u64 d[2], bool call)
{
	struct gate g;

	gate_decode(d, false, &g);
	switch (g.type) {
	case SYS_CALL16:
	case SYS_TASK_GATE:
	case SYS_TSS16:
	case SYS_TSS32:
		/* SDM vol. 3, "Task Management in 64-bit Mode": neither tasks nor 16-bit gates */
		if (vcpu_long_mode(v))
			raise_gp(v, selector_error(selector));
		break;
	case SYS_CALL32:
		break;
	default:
		raise_gp(v, selector_error(selector));
	}
	check_gate_access(v, selector, g.dpl, g.present);
	if (g.type == SYS_CALL16 || g.type == SYS_CALL32) {
		if (vcpu_long_mode(v)) {
			gate_fetch_upper(v, selector, d);
			gate_decode(d, true, &g);
		}
		if (call)
			call_call_gate(v, &g);
		else
			jump_call_gate(v, &g);
		return;
	}
	task_switch(v, g.type == SYS_TASK_GATE ? g.selector : selector, call ? TASK_CALL : TASK_JMP, false, 0);
}

static void transfer_protected(struct vcpu *v, struct far_pointer p, unsigned int size, bool call)
{
	struct segment cs;
	u64 d[2];

	if (!(p.selector & ~3u))
		raise_gp(v, 0);
	if (!descriptor_read(v, p.selector, d, false))
		raise_gp(v, selector_error(p.selector));
	descriptor_decode(d, false, p.selector, &cs);
	if (segment_is_system(&cs)) {
		transfer_system(v, p.selector, d, call);
		return;
	}
	code_segment_fetch(v, p.selector, VEC_GP, &cs);
	check_direct(v, &cs);
	/* compatibility and 32-bit code has 32 bits of instruction pointer */
	if (!code_is_64bit(v, &cs))
		p.offset = (u32)p.offset;
	if (call) {
		call_same(v, &cs, p.offset, size);
	} else {
		code_check_rip(v, &cs, p.offset);
		descriptor_set_accessed(v, &cs);
		code_commit(v, &cs, v->cpl, p.offset);
	}
}

void insn_jmp_far(struct vcpu *v, union insn_args a)
{
	struct far_pointer p = far_operand(v, a);

	if (vcpu_8086_segments(v))
		jump_8086(v, p);
	else
		transfer_protected(v, p, a.size, false);
	vcpu_update_mode(v);
}

void insn_call_far(struct vcpu *v, union insn_args a)
{
	struct far_pointer p = far_operand(v, a);
	u64 return_rip = v->next_rip;
	struct stack s;

	if (vcpu_8086_segments(v)) {
		stack_current(v, &s);
		stack_push(v, &s, v->seg[CS].sel, a.size);
		stack_push(v, &s, return_rip, a.size);
		jump_8086(v, p);
		v->gpr[RSP] = s.sp;
	} else {
		transfer_protected(v, p, a.size, true);
	}
	vcpu_update_mode(v);
}

/* SDM vol. 2, "RET": a far return to an outer privilege level */
static void return_outer(struct vcpu *v, struct segment *cs, u64 rip, struct stack *s, u32 release, unsigned int size)
{
	unsigned int cpl = cs->sel & 3;
	bool to64 = code_is_64bit(v, cs);
	struct segment ss;
	u16 selector;
	u64 sp;

	stack_move(s, release);
	sp = stack_pop(v, s, size);
	selector = stack_pop(v, s, size);
	if (!(selector & ~3u) && to64 && cpl != 3 && (selector & 3u) == cpl) {
		segment_set_null(&ss, selector, cpl);
	} else {
		stack_segment_fetch(v, selector, cpl, VEC_GP, &ss);
		descriptor_set_accessed(v, &ss);
	}
	code_check_rip(v, cs, rip);
	descriptor_set_accessed(v, cs);
	v->seg[SS] = ss;
	v->gpr[RSP] = stack_merge(v->gpr[RSP], sp + release, stack_mask(&ss, to64));
	code_commit(v, cs, cpl, rip);
	segments_drop_inner(v);
}

void insn_ret_far(struct vcpu *v, union insn_args a)
{
	struct segment cs;
	struct stack s;
	u16 selector;
	u64 rip;

	stack_current(v, &s);
	rip = stack_pop(v, &s, a.size);
	selector = stack_pop(v, &s, a.size);
	if (vcpu_8086_segments(v)) {
		jump_8086(v, (struct far_pointer){ .selector = selector, .offset = rip });
		stack_move(&s, a.imm);
		v->gpr[RSP] = s.sp;
		vcpu_update_mode(v);
		return;
	}
	code_segment_fetch(v, selector, VEC_GP, &cs);
	code_check_return(v, &cs);
	if ((selector & 3u) > v->cpl) {
		return_outer(v, &cs, rip, &s, a.imm, a.size);
	} else {
		code_check_rip(v, &cs, rip);
		descriptor_set_accessed(v, &cs);
		stack_move(&s, a.imm);
		/* the new code's mode decides how much of SP there is */
		v->gpr[RSP] = stack_merge(v->gpr[RSP], s.sp, stack_mask(&v->seg[SS], code_is_64bit(v, &cs)));
		code_commit(v, &cs, v->cpl, rip);
	}
	vcpu_update_mode(v);
}
