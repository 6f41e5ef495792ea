/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host instructions into the code cache. Nothing here knows of guests.
 *
 * Bytes are written through the writable view and run in the executable one; `delta` leads from the
 * first to the second. Running over `end` sets `full` and writes nothing more: the caller checks once.
 */
#ifndef L0_BT_EMIT_H
#define L0_BT_EMIT_H

#include <string.h>
#include "regs.h"

/* Displacements that lead out of the area they lie in: whoever moves the code changes them. More than fit are counted, but not kept. */
#define EMIT_LEAVES_MAX 512
struct emit_leaves {
	u32 n;
	u8 *first, *second; /* where the two areas of the code begin; the second one is behind the first */
	u16 at[EMIT_LEAVES_MAX]; /* offsets in the first area, or with EMIT_SECOND in the other one */
};

#define EMIT_SECOND BIT(15)

struct emit {
	u8 *p, *end; /* writable view */
	s64 delta; /* executable - writable */
	struct emit_leaves *leaves; /* NULL: nobody will move this code */
	bool full;
};

/* A memory operand of the host. base H_NONE: disp32 alone. gs: segment override. */
struct mem {
	u8 base, index, scale; /* scale: 0..3 */
	bool gs;
	s32 disp;
};

/* One host instruction, encoding left open: 32 bytes, as it is copied a lot. */
struct enc {
	bool p66, lock, w, vex, l, force_rex;
	u8 rep; /* 0, 0xf2, 0xf3 */
	u8 map; /* 0: one byte, 1: 0f, 2: 0f 38, 3: 0f 3a */
	u8 op;
	u8 reg; /* ModRM.reg, 0..15 */
	u8 vvvv; /* VEX only, 0..15 */
	bool is_mem, no_modrm;
	u8 rm; /* register when !is_mem, 0..15 */
	u8 imm_len;
	struct mem mem;
	u8 imm[8];
};

_Static_assert(sizeof(struct enc) == 32, "no holes");

void emit_enc(struct emit *e, const struct enc *i);

static inline u8 *emit_rx(const struct emit *e)
{
	return e->p + e->delta;
}

static inline bool emit_room(struct emit *e, size_t n)
{
	if ((size_t)(e->end - e->p) < n)
		e->full = true;
	return !e->full;
}

static inline void emit8(struct emit *e, u8 b)
{
	if (emit_room(e, 1))
		*e->p++ = b;
}

static inline void emit32(struct emit *e, u32 x)
{
	if (emit_room(e, 4)) {
		memcpy(e->p, &x, 4);
		e->p += 4;
	}
}

static inline void emit64(struct emit *e, u64 x)
{
	if (emit_room(e, 8)) {
		memcpy(e->p, &x, 8);
		e->p += 8;
	}
}

#define MEM_VCPU(off) ((struct mem){ .base = H_RSP, .index = H_NONE, .disp = (off) + RSP_BELOW })
#define MEM_STACK(off) ((struct mem){ .base = H_RSP, .index = H_NONE, .disp = (off) })
#define MEM_TLB(off) ((struct mem){ .base = H_NONE, .index = H_NONE, .disp = (off), .gs = true })
#define MEM_TLB_INDEXED(i, off) ((struct mem){ .base = H_NONE, .index = (i), .scale = 3, .disp = (off), .gs = true })
#define MEM_BASE(b, d) ((struct mem){ .base = (b), .index = H_NONE, .disp = (d) })
#define MEM_BASE_INDEX(b, i, d) ((struct mem){ .base = (b), .index = (i), .disp = (d) })

/* bytes: operand size 1, 2, 4, 8 */
void emit_op_rm(struct emit *e, u8 op, unsigned int bytes, u8 reg,
		struct mem m); /* op is the 16/32/64-bit form; byte: op - 1 */
void emit_op_rr(struct emit *e, u8 op, unsigned int bytes, u8 reg, u8 rm);
/*
 * emit_load(e, bytes, reg, mem), 8 and 16 bits zero-extended; emit_store(e, bytes, mem, reg); emit_lea(e, bytes, reg, mem);
 * emit_pext(e, to, from, mask); emit_mov_imm(e, reg, imm) in the shortest form; emit_rel32(e, op, target), one byte of opcode and the
 * distance to an executable address; emit_patch32(e, place), emit_patch32_there(e, place), below: emit_inline.h, and what it leaves
 */
void emit_any_load(struct emit *e, unsigned int bytes, u8 reg, struct mem m);
void emit_any_lea(struct emit *e, unsigned int bytes, u8 reg, struct mem m);
void emit_any_pext(struct emit *e, u8 to, u8 from, struct mem mask);
void emit_any_mov_imm(struct emit *e, u8 reg, u64 imm);
void emit_mov_rr(struct emit *e, unsigned int bytes, u8 to, u8 from); /* 4: zero-extends; 1, 2: MOVZX */
void emit_store_imm32(struct emit *e, unsigned int bytes, struct mem m, s32 imm); /* 4 or 8 bytes, sign-extended */
void emit_rorx(struct emit *e, u8 to, u8 from, u8 count); /* 64 bits */
void emit_pdep(struct emit *e, u8 to, u8 from, struct mem mask); /* 64 bits */

/* control flow; targets are executable addresses */
void emit_jmp(struct emit *e, const u8 *target);
void emit_call(struct emit *e, const u8 *target);
void emit_jmp_mem(struct emit *e, struct mem m);
void emit_jmp_reg(struct emit *e, u8 reg);
void emit_call_reg(struct emit *e, u8 reg);

/* Forward references: returns the place of the displacement (writable view); emit_patch*() aims it at e->p. */
u8 *emit_jmp_fwd(struct emit *e);
u8 *emit_jcc_fwd(struct emit *e, u8 cc);
/* The same where another thread may run the jump while its displacement is changed: that lies within eight aligned bytes. */
u8 *emit_jmp_patched(struct emit *e);
u8 *emit_jcc_patched(struct emit *e, u8 cc);
/* with an 8-bit displacement */
u8 *emit_jrcxz_fwd(struct emit *e);
u8 *emit_loop_fwd(struct emit *e);
u8 *emit_jmp8_fwd(struct emit *e);
void emit_patch8(struct emit *e, u8 *place);

#include "emit_inline.h"

#endif
