/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PUSHA, POPA, ENTER and decimal arithmetic: SDM vol. 2 under each name. 64-bit mode has none of
 * them but ENTER. Flags that the SDM calls undefined stay as they were.
 */
#include "transfer.h"

static void need_not_64bit(struct vcpu *v)
{
	if (vcpu_64bit(v))
		raise_ud(v);
}

void insn_pusha(struct vcpu *v, union insn_args a)
{
	struct stack s;
	unsigned int i;

	need_not_64bit(v);
	stack_current(v, &s);
	/* RAX..RDI in the order of their numbers; RSP as it was */
	for (i = RAX; i <= RDI; i++)
		stack_push(v, &s, v->gpr[i], a.size);
	v->gpr[RSP] = s.sp;
}

void insn_popa(struct vcpu *v, union insn_args a)
{
	u64 value[8];
	struct stack s;
	unsigned int i;

	need_not_64bit(v);
	stack_current(v, &s);
	for (i = 8; i--;)
		value[i] = stack_pop(v, &s, a.size);
	v->gpr[RSP] = s.sp;
	for (i = RAX; i <= RDI; i++)
		if (i != RSP)
			gpr_write(v, i, value[i], a.size);
}

/* imm: bytes to allocate | nesting level << 16 */
void insn_enter(struct vcpu *v, union insn_args a)
{
	unsigned int level = a.imm >> 16 & 31, i;
	u16 allocate = a.imm;
	struct stack s, outer;
	u64 frame;

	stack_current(v, &s);
	outer = s;
	outer.sp = v->gpr[RBP];
	stack_push(v, &s, v->gpr[RBP], a.size);
	frame = s.sp;
	if (level) {
		for (i = 1; i < level; i++) {
			stack_move(&outer, -(u64)a.size);
			stack_push(v, &s, stack_peek(v, &outer, 0, a.size), a.size);
		}
		stack_push(v, &s, frame, a.size);
	}
	stack_move(&s, -(u64)allocate);
	/* the new top of the stack is touched, but not written */
	mmu_check(v, segment_linear(v, SS, s.sp & s.mask, a.size, ACC_WRITE), a.size, mmu_data(v, ACC_WRITE));
	/* FrameTemp is SP with a 16-bit operand size, whatever the stack's width: BP alone changes */
	v->gpr[RBP] = stack_merge(v->gpr[RBP], frame, a.size == 2 ? 0xffff : s.mask);
	v->gpr[RSP] = s.sp;
}

static u8 al(const struct vcpu *v)
{
	return v->gpr[RAX];
}

static void set_al(struct vcpu *v, u8 value)
{
	v->gpr[RAX] = (v->gpr[RAX] & ~0xffull) | value;
}

static void set_flag(struct vcpu *v, u64 flag, bool on)
{
	v->rflags = on ? v->rflags | flag : v->rflags & ~flag;
}

static void set_szp(struct vcpu *v, u8 result)
{
	set_flag(v, FLAG_SF, result & 0x80);
	set_flag(v, FLAG_ZF, result == 0);
	set_flag(v, FLAG_PF, !__builtin_parity(result));
}

/* Unpacked decimal adjustment: `adjust` is added to AX if AL's digit is no digit. */
static void adjust_unpacked(struct vcpu *v, u16 adjust)
{
	bool carry = (al(v) & 0xf) > 9 || (v->rflags & FLAG_AF);
	u16 ax = v->gpr[RAX];

	if (carry)
		ax += adjust;
	set_flag(v, FLAG_AF | FLAG_CF, carry);
	gpr_write(v, RAX, ax & 0xff0f, 2);
}

void insn_aaa(struct vcpu *v, union insn_args a)
{
	(void)a;
	need_not_64bit(v);
	adjust_unpacked(v, 0x106);
}

void insn_aas(struct vcpu *v, union insn_args a)
{
	(void)a;
	need_not_64bit(v);
	adjust_unpacked(v, (u16)-0x106);
}

/* Packed decimal adjustment of AL, `sign` 1 after an addition, -1 after a subtraction */
static void adjust_packed(struct vcpu *v, int sign)
{
	bool low = (al(v) & 0xf) > 9 || (v->rflags & FLAG_AF);
	bool high = al(v) > 0x99 || (v->rflags & FLAG_CF);
	bool carry = high;
	u8 value = al(v);

	if (low) {
		/* only DAS can carry here where the upper digit doesn't ask for it */
		if (sign < 0 && value < 6)
			carry = true;
		value += sign * 6;
	}
	if (high)
		value += sign * 0x60;
	set_al(v, value);
	set_flag(v, FLAG_AF, low);
	set_flag(v, FLAG_CF, carry);
	set_szp(v, value);
}

void insn_daa(struct vcpu *v, union insn_args a)
{
	(void)a;
	need_not_64bit(v);
	adjust_packed(v, 1);
}

void insn_das(struct vcpu *v, union insn_args a)
{
	(void)a;
	need_not_64bit(v);
	adjust_packed(v, -1);
}

void insn_aam(struct vcpu *v, union insn_args a)
{
	u8 base = a.imm;

	need_not_64bit(v);
	if (!base)
		raise_exception(v, VEC_DE);
	gpr_write(v, RAX, (al(v) / base) << 8 | al(v) % base, 2);
	set_szp(v, al(v));
}

void insn_aad(struct vcpu *v, union insn_args a)
{
	u8 ah = v->gpr[RAX] >> 8;

	need_not_64bit(v);
	gpr_write(v, RAX, (u8)(al(v) + ah * (u8)a.imm), 2);
	set_szp(v, al(v));
}

void insn_salc(struct vcpu *v, union insn_args a)
{
	(void)a;
	need_not_64bit(v);
	set_al(v, v->rflags & FLAG_CF ? 0xff : 0);
}
