/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SDM vol. 2, "Instruction Format". */
#include "emit.h"

/* One opcode byte and two registers */
static void op_reg(struct emit *e, u8 op, unsigned int bytes, u8 reg, u8 rm, bool force_rex)
{
	u8 rex = (bytes == 8) << 3 | emit_is_extended(reg) << 2 | emit_is_extended(rm);
	u8 *p = e->p;

	if (!emit_room(e, ENC_ROOM))
		return;
	if (bytes == 2)
		*p++ = 0x66;
	if (rex || force_rex)
		*p++ = 0x40 | rex;
	p[0] = op;
	p[1] = 0xc0 | (reg & 7) << 3 | (rm & 7);
	e->p = p + 2;
}

static __attribute__((noinline)) u8 *vex(u8 *p, const struct enc *i, bool r, bool x, bool b)
{
	u8 pp = i->p66 ? 1 : i->rep == 0xf3 ? 2 : i->rep == 0xf2 ? 3 : 0, lpp = (~i->vvvv & 15) << 3 | i->l << 2 | pp;

	if (!x && !b && !i->w && i->map == 1) {
		p[0] = 0xc5;
		p[1] = (!r) << 7 | lpp;
		return p + 2;
	}
	p[0] = 0xc4;
	p[1] = (!r) << 7 | (!x) << 6 | (!b) << 5 | i->map;
	p[2] = i->w << 7 | lpp;
	return p + 3;
}

static __attribute__((noinline)) u8 *prefixes(u8 *p, const struct enc *i, bool r, bool x, bool b)
{
	u8 rex = i->w << 3 | r << 2 | x << 1 | b;

	if (i->lock)
		*p++ = 0xf0;
	if (i->p66)
		*p++ = 0x66;
	if (i->rep)
		*p++ = i->rep;
	if (rex || i->force_rex)
		*p++ = 0x40 | rex;
	if (i->map)
		*p++ = 0x0f;
	if (i->map == 2)
		*p++ = 0x38;
	else if (i->map == 3)
		*p++ = 0x3a;
	return p;
}

/* Neither prefix but REX nor more than one byte of opcode, as most are. */
static bool is_short(const struct enc *i)
{
	u64 first;

	memcpy(&first, i, 8);
	return !(first & 0xffff00ffff00ffff); /* all of them but w and force_rex */
}

/* Everything before ModRM */
static inline u8 *opcode(u8 *p, const struct enc *i, bool x, bool b)
{
	bool r = i->reg & 8;

	if (is_short(i)) {
		u8 rex = i->w << 3 | r << 2 | x << 1 | b;

		*p = 0x40 | rex;
		p += rex || i->force_rex;
	} else {
		p = i->vex ? vex(p, i, r, x, b) : prefixes(p, i, r, x, b);
	}
	*p = i->op;
	return p + 1;
}

void emit_enc(struct emit *e, const struct enc *i)
{
	u8 *p = e->p;

	if (!emit_room(e, ENC_ROOM))
		return;
	if (i->is_mem) {
		if (i->mem.gs)
			*p++ = 0x65;
		p = opcode(p, i, emit_is_extended(i->mem.index), emit_is_extended(i->mem.base));
		p = emit_modrm(p, i->reg, &i->mem);
	} else {
		p = opcode(p, i, false, i->rm & 8);
		*p = 0xc0 | (i->reg & 7) << 3 | (i->rm & 7);
		p += !i->no_modrm;
	}
	memcpy(p, i->imm, 8);
	e->p = p + i->imm_len;
}

void emit_op_rm(struct emit *e, u8 op, unsigned int bytes, u8 reg, struct mem m)
{
	emit_op_mem(e, bytes == 1 ? op - 1 : op, bytes, reg, &m, emit_needs_rex(bytes, reg));
}

void emit_op_rr(struct emit *e, u8 op, unsigned int bytes, u8 reg, u8 rm)
{
	op_reg(e, bytes == 1 ? op - 1 : op, bytes, reg, rm, emit_needs_rex(bytes, reg) || emit_needs_rex(bytes, rm));
}

void emit_any_load(struct emit *e, unsigned int bytes, u8 reg, struct mem m)
{
	if (bytes >= 4)
		emit_op_mem(e, 0x8b, bytes, reg, &m, false);
	else
		emit_enc(e,
			 &(struct enc){ .map = 1, .op = bytes == 1 ? 0xb6 : 0xb7, .reg = reg, .is_mem = true, .mem = m });
}

void emit_mov_rr(struct emit *e, unsigned int bytes, u8 to, u8 from)
{
	if (bytes >= 4) {
		if (to != from || bytes != 8)
			op_reg(e, 0x8b, bytes, to, from, false);
		return;
	}
	emit_enc(e, &(struct enc){ .map = 1,
				   .op = bytes == 1 ? 0xb6 : 0xb7,
				   .reg = to,
				   .rm = from,
				   .force_rex = emit_needs_rex(bytes, from) });
}

void emit_any_mov_imm(struct emit *e, u8 reg, u64 imm)
{
	if (imm <= UINT32_MAX) {
		if (reg & 8)
			emit8(e, 0x41);
		emit8(e, 0xb8 | (reg & 7));
		emit32(e, imm);
	} else if ((s64)imm == (s32)imm) {
		struct enc i = { .w = true, .op = 0xc7, .rm = reg };

		emit_enc(e, &i);
		emit32(e, imm);
	} else {
		emit8(e, 0x48 | (reg >> 3));
		emit8(e, 0xb8 | (reg & 7));
		emit64(e, imm);
	}
}

void emit_store_imm32(struct emit *e, unsigned int bytes, struct mem m, s32 imm)
{
	struct enc i = { .w = bytes == 8, .op = 0xc7, .is_mem = true, .mem = m };

	emit_enc(e, &i);
	emit32(e, imm);
}

void emit_any_lea(struct emit *e, unsigned int bytes, u8 reg, struct mem m)
{
	emit_op_mem(e, 0x8d, bytes, reg, &m, false);
}

void emit_any_pext(struct emit *e, u8 to, u8 from, struct mem mask)
{
	emit_pext_mem(e, to, from, &mask);
}

void emit_pdep(struct emit *e, u8 to, u8 from, struct mem mask)
{
	struct enc i = {
		.vex = true, .rep = 0xf2, .w = true, .map = 2, .op = 0xf5, .reg = to, .vvvv = from, .is_mem = true, .mem = mask
	};

	emit_enc(e, &i);
}

void emit_rorx(struct emit *e, u8 to, u8 from, u8 count)
{
	struct enc i = {
		.vex = true, .rep = 0xf2, .w = true, .map = 3, .op = 0xf0, .reg = to, .rm = from, .imm_len = 1, .imm = { count }
	};

	emit_enc(e, &i);
}

void emit_jmp(struct emit *e, const u8 *target)
{
	emit_rel32(e, 0xe9, target);
}

void emit_call(struct emit *e, const u8 *target)
{
	emit_rel32(e, 0xe8, target);
}

void emit_jmp_mem(struct emit *e, struct mem m)
{
	emit_op_mem(e, 0xff, 4, 4, &m, false);
}

void emit_jmp_reg(struct emit *e, u8 reg)
{
	op_reg(e, 0xff, 4, 4, reg, false);
}

void emit_call_reg(struct emit *e, u8 reg)
{
	op_reg(e, 0xff, 4, 2, reg, false);
}

u8 *emit_jmp_fwd(struct emit *e)
{
	if (!emit_room(e, 5))
		return e->p;
	memcpy(e->p, (const u8[]){ 0xe9, 0, 0, 0, 0 }, 5);
	e->p += 5;
	return e->p - 4;
}

u8 *emit_jcc_fwd(struct emit *e, u8 cc)
{
	if (!emit_room(e, 6))
		return e->p;
	memcpy(e->p, (const u8[]){ 0x0f, 0x80 | cc, 0, 0, 0, 0 }, 6);
	e->p += 6;
	return e->p - 4;
}

/* SDM vol. 3, "Guaranteed Atomic Operations"; AMD promises it within an aligned quadword. opcode: bytes before the displacement */
static void align_displacement(struct emit *e, unsigned int opcode)
{
	static const u8 nops[][3] = { { 0 }, { 0x90 }, { 0x66, 0x90 }, { 0x0f, 0x1f, 0x00 } };
	unsigned int at = ((u64)e->p + opcode) & 7, n = at > 4 ? 8 - at : 0;

	for (unsigned int k = 0; k < n; k++)
		emit8(e, nops[n][k]);
}

u8 *emit_jmp_patched(struct emit *e)
{
	align_displacement(e, 1);
	return emit_jmp_fwd(e);
}

u8 *emit_jcc_patched(struct emit *e, u8 cc)
{
	align_displacement(e, 2);
	return emit_jcc_fwd(e, cc);
}

static u8 *short_fwd(struct emit *e, u8 op)
{
	if (!emit_room(e, 2))
		return e->p;
	e->p[0] = op;
	e->p[1] = 0;
	e->p += 2;
	return e->p - 1;
}

u8 *emit_jrcxz_fwd(struct emit *e)
{
	return short_fwd(e, 0xe3);
}

u8 *emit_loop_fwd(struct emit *e)
{
	return short_fwd(e, 0xe2);
}

u8 *emit_jmp8_fwd(struct emit *e)
{
	return short_fwd(e, 0xeb);
}

void emit_patch8(struct emit *e, u8 *place)
{
	if (!e->full)
		*place = (u8)(e->p - (place + 1));
}
