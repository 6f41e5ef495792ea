/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PUSH, POP, LEAVE and what CALL and RET share with them. The stack pointer moves last. */
#include "lower.h"

/* width of the stack pointer: SDM vol. 1, "Address-Size Attributes for Stack Accesses" */
static unsigned int sp_bytes(const struct lower *l)
{
	return l->cs64 ? 8 : l->mode & MODE_SS32 ? 4 : 2;
}

u8 lower_stack_address(struct lower *l, s32 bias, unsigned int size, u32 rw)
{
	struct emit *e = &l->e;
	u8 sp = guest_reg_home[RSP];

	if (l->cs64)
		return lower_group_address(l, RSP, bias);
	emit_lea(e, 4, TA, MEM_BASE(sp, bias));
	if (sp_bytes(l) == 2)
		emit_mov_rr(e, 2, TA, TA);
	lower_segment(l, SS, size, rw);
	return TA;
}

void lower_sp_add(struct lower *l, s32 n)
{
	u8 sp = guest_reg_home[RSP];
	struct emit *e = &l->e;
	const u8 *from = e->p;

	switch (sp_bytes(l)) {
	case 8:
		emit_lea(e, 8, sp, MEM_BASE(sp, n));
		break;
	case 4:
		emit_lea(e, 4, sp, MEM_BASE(sp, n));
		break;
	default:
		emit_lea(e, 4, TA, MEM_BASE(sp, n));
		emit_op_rr(e, 0x89, 2, TA, sp);
	}
	lower_tc_kept(l, from);
}

/* Push what is at `from`, which no access changes. */
static void push_from(struct lower *l, unsigned int size, struct mem from)
{
	u8 a = lower_stack_address(l, -(s32)size, size, DESC_WRITE);
	const struct enc seq[2] = {
		{ .op = 0x8b, .w = true, .reg = TI, .is_mem = true, .mem = from },
		{ .op = 0x89, .w = size == 8, .p66 = size == 2, .reg = TI, .is_mem = true, .mem = lower_host_mem(l, a) },
	};

	lower_access(l, a, size, DESC_WRITE | DESC_SS, seq, 2);
	lower_sp_add(l, -(s32)size);
}

/* Push host register `value` (not TA, TC, TI), or vcpu->scratch[0] if it is H_NONE, or an immediate. */
void lower_push_reg(struct lower *l, unsigned int size, u8 value, bool is_imm, s32 imm)
{
	struct enc seq = { 0 };
	u8 a;
	int k;

	if (!is_imm && value == H_NONE) {
		push_from(l, size, MEM_VCPU(OFF(scratch[0])));
		return;
	}
	a = lower_stack_address(l, -(s32)size, size, DESC_WRITE);

	if (is_imm) {
		seq = (struct enc){ .op = 0xc7,
				    .w = size == 8,
				    .p66 = size == 2,
				    .is_mem = true,
				    .mem = lower_host_mem(l, a),
				    .imm_len = size == 2 ? 2 : 4 };
		for (k = 0; k < seq.imm_len; k++)
			seq.imm[k] = (u32)imm >> 8 * k;
	} else {
		seq = (struct enc){ .op = 0x89,
				    .w = size == 8,
				    .p66 = size == 2,
				    .reg = value,
				    .is_mem = true,
				    .mem = lower_host_mem(l, a) };
	}
	lower_access(l, a, size, DESC_WRITE | DESC_SS, &seq, 1);
	lower_sp_add(l, -(s32)size);
}

void lower_push(struct lower *l)
{
	const struct insn *i = l->i;
	const struct operand *o = &i->op[0];
	unsigned int size = i->z->operand_width / 8;
	struct emit *e = &l->e;
	u8 g, a;

	switch (o->type) {
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		lower_push_reg(l, size, 0, true, (s32)i->imm[0]);
		return;
	case ZYDIS_OPERAND_TYPE_REGISTER:
		g = lower_gpr(o->reg);
		if (guest_reg_home[g] != H_NONE) {
			lower_push_reg(l, size, guest_reg_home[g], false, 0);
			return;
		}
		push_from(l, size, MEM_VCPU(OFF_GPR(g)));
		return;
	default:
		a = lower_linear(l, o, 0, size, DESC_READ);
		lower_access(l, a, size, DESC_READ | (lower_is_ss(o) ? DESC_SS : 0),
			     &(struct enc){ .op = size == 2 ? 0xb7 : 0x8b,
					    .map = size == 2,
					    .w = size == 8,
					    .reg = TI,
					    .is_mem = true,
					    .mem = lower_host_mem(l, a) },
			     1);
	}
	emit_store(e, 8, MEM_VCPU(OFF(scratch[0])), TI);
	lower_push_reg(l, size, H_NONE, false, 0);
}

/* Top of stack into TI, zero-extended. */
static void read_top(struct lower *l, unsigned int size)
{
	u8 a = lower_stack_address(l, 0, size, DESC_READ);

	lower_access(l, a, size, DESC_READ | DESC_SS,
		     &(struct enc){ .op = size == 2 ? 0xb7 : 0x8b,
				    .map = size == 2,
				    .w = size == 8,
				    .reg = TI,
				    .is_mem = true,
				    .mem = lower_host_mem(l, a) },
		     1);
}

/* A value of `size` bytes in TI into guest register g: 16 bits leave the rest alone. */
static void set_sized(struct lower *l, u8 g, unsigned int size)
{
	struct emit *e = &l->e;

	if (size > 2)
		lower_set(l, g, size, TI);
	else if (guest_reg_home[g] != H_NONE)
		emit_op_rr(e, 0x89, 2, TI, guest_reg_home[g]);
	else
		emit_store(e, 2, MEM_VCPU(OFF_GPR(g)), TI);
}

void lower_pop(struct lower *l)
{
	const struct insn *i = l->i;
	const struct operand *o = &i->op[0];
	unsigned int size = i->z->operand_width / 8;
	struct emit *e = &l->e;
	struct enc seq[2];
	s32 bias;
	u8 a;

	if (o->type == ZYDIS_OPERAND_TYPE_REGISTER) {
		u8 g = lower_gpr(o->reg);

		a = lower_stack_address(l, 0, size, DESC_READ);
		if (size == 8 && guest_reg_home[g] != H_NONE) {
			lower_access(l, a, 8, DESC_READ | DESC_SS,
				     &(struct enc){ .op = 0x8b,
						    .w = true,
						    .reg = guest_reg_home[g],
						    .is_mem = true,
						    .mem = lower_host_mem(l, a) },
				     1);
			if (g != RSP)
				lower_sp_add(l, 8);
			return;
		}
		read_top(l, size);
		if (g == RSP) {
			/* POP SP: the increment comes first, the popped value overwrites it */
			if (size == 2 && l->cs64 == false)
				lower_sp_add(l, size);
			set_sized(l, g, size);
			return;
		}
		set_sized(l, g, size);
		lower_sp_add(l, size);
		return;
	}
	read_top(l, size);
	emit_store(e, 8, MEM_VCPU(OFF(scratch[0])), TI);
	/* "If the ESP register is used as a base register, the effective address is computed after the increment." */
	bias = o->base == ZYDIS_REGISTER_RSP || o->base == ZYDIS_REGISTER_ESP ? (s32)size : 0;
	a = lower_linear(l, o, bias, size, DESC_WRITE);
	seq[0] = (struct enc){ .op = 0x8b, .w = true, .reg = TI, .is_mem = true, .mem = MEM_VCPU(OFF(scratch[0])) };
	seq[1] = (struct enc){
		.op = 0x89, .w = size == 8, .p66 = size == 2, .reg = TI, .is_mem = true, .mem = lower_host_mem(l, a)
	};
	lower_access(l, a, size, DESC_WRITE | (lower_is_ss(o) ? DESC_SS : 0), seq, 2);
	lower_sp_add(l, size);
}

void lower_leave(struct lower *l)
{
	unsigned int size = l->i->z->operand_width / 8;
	struct emit *e = &l->e;
	u8 bp = guest_reg_home[RBP], sp = guest_reg_home[RSP], a = TA;

	if (!l->cs64) {
		emit_mov_rr(e, sp_bytes(l), TA, bp);
		lower_segment(l, SS, size, DESC_READ);
	} else {
		a = lower_group_address(l, RBP, 0);
	}
	lower_access(l, a, size, DESC_READ | DESC_SS,
		     &(struct enc){ .op = size == 2 ? 0xb7 : 0x8b,
				    .map = size == 2,
				    .w = size == 8,
				    .reg = TI,
				    .is_mem = true,
				    .mem = lower_host_mem(l, a) },
		     1);
	if (sp_bytes(l) == 2)
		emit_op_rr(e, 0x89, 2, bp, sp);
	else
		emit_mov_rr(e, sp_bytes(l), sp, bp);
	lower_sp_add(l, size);
	set_sized(l, RBP, size);
}
