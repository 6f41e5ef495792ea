/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lower_operand.h"

u32 lower_rw(const struct operand *o)
{
	return (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ ? DESC_READ : 0) |
	       (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? DESC_WRITE : 0) | (lower_is_ss(o) ? DESC_SS : 0);
}

void lower_slot_load(struct lower *l, const struct slot *s)
{
	if (!s->temp || s->loaded)
		return;
	if (guest_reg_home[s->g] != H_NONE)
		emit_mov_rr(&l->e, 8, s->host, guest_reg_home[s->g]);
	else
		emit_load(&l->e, 8, s->host, MEM_VCPU(OFF_GPR(s->g)));
}

void lower_slot_store(struct lower *l, const struct slot *s)
{
	if (!s->temp || !(s->o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
		return;
	/* The temporary holds the whole register: loaded before, changed as the operand size says. */
	if (guest_reg_home[s->g] != H_NONE)
		emit_mov_rr(&l->e, 8, guest_reg_home[s->g], s->host);
	else
		emit_store(&l->e, 8, MEM_VCPU(OFF_GPR(s->g)), s->host);
}

struct enc lower_slot_load_enc(const struct slot *s)
{
	struct enc c = { .op = 0x8b, .w = true, .reg = s->host };

	if (guest_reg_home[s->g] != H_NONE) {
		c.rm = guest_reg_home[s->g];
	} else {
		c.is_mem = true;
		c.mem = MEM_VCPU(OFF_GPR(s->g));
	}
	return c;
}

bool lower_needs_rex(const struct operand *o, u8 host)
{
	return reg_is_byte(o->reg) && !lower_high_byte(o->reg) && host >= 4;
}
