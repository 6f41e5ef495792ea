/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host instructions that translated code is full of. Nearly always their registers are constants where they are emitted (a place in struct
 * vcpu or in the TLB): then the compiler leaves a few stores of what comes out here, else emit.c does the same. SDM vol. 2, "Instruction
 * Format". Part of emit.h.
 */
#ifndef L0_BT_EMIT_INLINE_H
#define L0_BT_EMIT_INLINE_H

#include "emit.h"

#define EMIT_INLINE static inline __attribute__((always_inline))

/* Beyond the longest instruction by what is stored behind its end: four bytes of displacement, eight of an immediate */
#define ENC_ROOM 32

/* ModRM, SIB and displacement; field: ModRM.reg without REX.R */
EMIT_INLINE u8 *emit_modrm(u8 *p, u8 field, const struct mem *m)
{
	u8 reg = (field & 7) << 3, base = m->base & 7, sib, mod;

	sib = m->scale << 6 | (m->index == H_NONE ? 4 : m->index & 7) << 3;
	if (m->base == H_NONE) {
		/* SIB without base: disp32, absolute or GS-relative (not RIP-relative) */
		p[0] = reg | 4;
		p[1] = sib | 5;
		memcpy(p + 2, &m->disp, 4);
		return p + 6;
	}
	if (m->disp == 0 && base != 5)
		mod = 0;
	else if (m->disp == (s8)m->disp)
		mod = 1;
	else
		mod = 2;
	if (m->index == H_NONE && base != 4) {
		*p++ = mod << 6 | reg | base;
	} else {
		p[0] = mod << 6 | reg | 4;
		p[1] = sib | base;
		p += 2;
	}
	memcpy(p, &m->disp, 4);
	return p + (mod == 2 ? 4 : mod);
}

/* Number 8 to 15; H_NONE isn't. */
EMIT_INLINE bool emit_is_extended(u8 reg)
{
	return reg >> 3 == 1;
}

EMIT_INLINE bool emit_needs_rex(unsigned int bytes, u8 reg)
{
	return bytes == 1 && reg >= 4;
}

/* One opcode byte and a memory operand */
EMIT_INLINE void emit_op_mem(struct emit *e, u8 op, unsigned int bytes, u8 reg, const struct mem *m, bool force_rex)
{
	u8 rex = (bytes == 8) << 3 | emit_is_extended(reg) << 2 | emit_is_extended(m->index) << 1 |
		 emit_is_extended(m->base);
	u8 *p = e->p;

	if (!emit_room(e, ENC_ROOM))
		return;
	if (m->gs)
		*p++ = 0x65;
	if (bytes == 2)
		*p++ = 0x66;
	if (rex || force_rex)
		*p++ = 0x40 | rex;
	*p++ = op;
	e->p = emit_modrm(p, reg, m);
}

/* VEX.LZ.F3.0F38.W1 F5 /r */
EMIT_INLINE void emit_pext_mem(struct emit *e, u8 to, u8 from, const struct mem *mask)
{
	u8 *p = e->p;

	if (!emit_room(e, ENC_ROOM))
		return;
	if (mask->gs)
		*p++ = 0x65;
	p[0] = 0xc4;
	p[1] = (!emit_is_extended(to)) << 7 | (!emit_is_extended(mask->index)) << 6 |
	       (!emit_is_extended(mask->base)) << 5 | 2;
	p[2] = 0x80 | (~from & 15) << 3 | 2;
	p[3] = 0xf5;
	e->p = emit_modrm(p + 4, to, mask);
}

#define EMIT_FOLDS(m) (__builtin_constant_p((m).base) && __builtin_constant_p((m).index))

EMIT_INLINE void emit_load(struct emit *e, unsigned int bytes, u8 reg, struct mem m)
{
	if (EMIT_FOLDS(m) && __builtin_constant_p(bytes) && bytes >= 4)
		emit_op_mem(e, 0x8b, bytes, reg, &m, false);
	else
		emit_any_load(e, bytes, reg, m);
}

EMIT_INLINE void emit_store(struct emit *e, unsigned int bytes, struct mem m, u8 reg)
{
	if (EMIT_FOLDS(m) && __builtin_constant_p(bytes) && bytes >= 4)
		emit_op_mem(e, 0x89, bytes, reg, &m, false);
	else
		emit_op_rm(e, 0x89, bytes, reg, m);
}

EMIT_INLINE void emit_lea(struct emit *e, unsigned int bytes, u8 reg, struct mem m)
{
	if (EMIT_FOLDS(m))
		emit_op_mem(e, 0x8d, bytes, reg, &m, false);
	else
		emit_any_lea(e, bytes, reg, m);
}

EMIT_INLINE void emit_pext(struct emit *e, u8 to, u8 from, struct mem mask)
{
	if (EMIT_FOLDS(mask))
		emit_pext_mem(e, to, from, &mask);
	else
		emit_any_pext(e, to, from, mask);
}

EMIT_INLINE void emit_mov_imm(struct emit *e, u8 reg, u64 imm)
{
	u8 *p = e->p;

	if (imm > UINT32_MAX || reg >= 8) {
		emit_any_mov_imm(e, reg, imm);
		return;
	}
	if (!emit_room(e, 5))
		return;
	p[0] = 0xb8 | reg;
	memcpy(p + 1, &imm, 4);
	e->p = p + 5;
}

EMIT_INLINE void emit_note_leave(struct emit *e, const u8 *place)
{
	struct emit_leaves *l = e->leaves;

	if (l && l->n++ < EMIT_LEAVES_MAX)
		l->at[l->n - 1] = place < l->second ? (u16)(place - l->first) : (u16)(place - l->second) | EMIT_SECOND;
}

/* One opcode byte and the distance to `target` */
EMIT_INLINE void emit_rel32(struct emit *e, u8 op, const u8 *target)
{
	u8 *p = e->p;
	u32 rel;

	if (!emit_room(e, 5))
		return;
	rel = (u32)(target - (emit_rx(e) + 5));
	p[0] = op;
	memcpy(p + 1, &rel, 4);
	emit_note_leave(e, p + 1);
	e->p = p + 5;
}

EMIT_INLINE void emit_patch32(struct emit *e, u8 *place)
{
	u32 rel = (u32)(e->p - (place + 4));

	if (!e->full)
		memcpy(place, &rel, 4);
}

/* The same of a jump in another area */
EMIT_INLINE void emit_patch32_there(struct emit *e, u8 *place)
{
	emit_note_leave(e, place);
	emit_patch32(e, place);
}

#endif
