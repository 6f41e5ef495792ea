/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PUSHF, POPF, CLI, STI: SDM vol. 2 under each name, vol. 3 "Virtual-8086 Mode Extensions",
 * "Protected-Mode Virtual Interrupts". With VME (virtual-8086 mode) or PVI (CPL 3), a program below
 * IOPL 3 switches VIF instead of IF.
 */
#include "transfer.h"

void insn_pushf(struct vcpu *v, union insn_args a)
{
	u64 image = v->rflags & ~(FLAG_VM | FLAG_RF);
	struct stack s;

	if (vcpu_v8086(v) && vcpu_iopl(v) < 3) {
		if (!(v->cr4 & CR4_VME) || a.size != 2)
			raise_gp(v, 0);
		image |= FLAG_IOPL;
		image = v->rflags & FLAG_VIF ? image | FLAG_IF : image & ~FLAG_IF;
	}
	stack_current(v, &s);
	stack_push(v, &s, image, a.size);
	v->gpr[RSP] = s.sp;
}

#define POPF_FLAGS (FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT)
#define POPF_FLAGS_UPPER (FLAG_AC | FLAG_ID) /* operand size 32 and 64; RF becomes 0 */

/* Which flags POPF takes from the stack; VIF is apart. */
static u64 popf_mask(const struct vcpu *v, unsigned int size)
{
	u64 mask = POPF_FLAGS | (size > 2 ? POPF_FLAGS_UPPER : 0);

	if (!vcpu_protected(v) || v->cpl == 0)
		return mask | FLAG_IF | FLAG_IOPL;
	if (v->cpl <= vcpu_iopl(v))
		mask |= FLAG_IF;
	return mask;
}

void insn_popf(struct vcpu *v, union insn_args a)
{
	bool virtual_if = vcpu_v8086(v) && vcpu_iopl(v) < 3;
	u64 image, mask = popf_mask(v, a.size);
	struct stack s;

	if (virtual_if && (!(v->cr4 & CR4_VME) || a.size != 2))
		raise_gp(v, 0);
	stack_current(v, &s);
	image = stack_pop(v, &s, a.size);
	if (virtual_if) {
		if ((image & FLAG_TF) || ((v->rflags & FLAG_VIP) && (image & FLAG_IF)))
			raise_gp(v, 0);
		v->rflags = image & FLAG_IF ? v->rflags | FLAG_VIF : v->rflags & ~FLAG_VIF;
	}
	v->gpr[RSP] = s.sp;
	mask |= FLAG_RF;
	image &= ~FLAG_RF;
	if ((v->rflags ^ image) & mask & ~(FLAG_ARITH | FLAG_DF)) {
		v->rflags = (v->rflags & ~mask) | (image & mask) | FLAG_1;
		vcpu_update_mode(v);
	} else {
		v->rflags = (v->rflags & ~mask) | (image & mask) | FLAG_1;
	}
}

enum interrupt_flag { USE_IF, USE_VIF, USE_NONE };

static enum interrupt_flag interrupt_flag(const struct vcpu *v)
{
	if (!vcpu_protected(v) || v->cpl <= vcpu_iopl(v))
		return USE_IF;
	if (vcpu_v8086(v))
		return v->cr4 & CR4_VME ? USE_VIF : USE_NONE;
	return v->cpl == 3 && (v->cr4 & CR4_PVI) ? USE_VIF : USE_NONE;
}

void insn_cli(struct vcpu *v, union insn_args a)
{
	(void)a;
	switch (interrupt_flag(v)) {
	case USE_IF:
		v->rflags &= ~FLAG_IF;
		break;
	case USE_VIF:
		v->rflags &= ~FLAG_VIF;
		break;
	case USE_NONE:
		raise_gp(v, 0);
	}
}

void insn_sti(struct vcpu *v, union insn_args a)
{
	(void)a;
	switch (interrupt_flag(v)) {
	case USE_IF:
		/* only one that changes IF delays interrupts */
		if (!(v->rflags & FLAG_IF))
			v->intr_shadow = SHADOW_STI;
		v->rflags |= FLAG_IF;
		break;
	case USE_VIF:
		if (v->rflags & FLAG_VIP)
			raise_gp(v, 0);
		v->rflags |= FLAG_VIF;
		break;
	case USE_NONE:
		raise_gp(v, 0);
	}
}
