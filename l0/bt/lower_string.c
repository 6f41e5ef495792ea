/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * REP MOVS and REP STOS of 64-bit code that stay within a page: a kernel clears and copies its structures with them, a few dozen bytes at a
 * time. For STOS, RDI and RCX being the guest's:
 *
 *	mov   rcx, v->rflags; pext rcx, rcx, gs:df_mask		not backwards
 *	pext  rdi, RCX, gs:string_mask				and less than 512 elements
 *	lea   rcx, [rcx + rdi + 1]; loop cold
 *	lea   rsi, [RDI + RCX * size - 1]			the last byte, in the page of the first
 *	pext  rdi, RDI, gs:index_mask				from here on as in lower_mem.c
 *	...
 *	rep   stos
 *	lea   RDI, [RDI + RCX * size]; mov RCX, 0
 *
 * All others, and all that isn't plain memory, are for C, which the cold part calls. Nothing but the guest's own state may tell the two ways
 * apart, with the instruction clock: so the block goes on behind the instruction either way.
 */
#include "lower.h"

/* What is behind the last byte: [g + RCX * size + disp] */
static struct mem last_byte(u8 g, unsigned int size, s32 disp)
{
	return (struct mem){
		.base = guest_reg_home[g], .index = guest_reg_home[RCX], .scale = size == 8 ? 3 : size / 2, .disp = disp
	};
}

static struct cold *new_cold(struct lower *l)
{
	struct cold *c = lower_new_cold(l, COLD_CALLOUT);

	c->n = (u8)l->at;
	return c;
}

static void check_count(struct lower *l)
{
	struct cold *c = new_cold(l);
	struct emit *e = &l->e;
	bool loops;

	emit_load(e, 8, TC, MEM_VCPU(OFF(rflags)));
	emit_pext(e, TC, TC, MEM_TLB(TLB_OFF(df_mask)));
	emit_pext(e, TI, guest_reg_home[RCX], MEM_TLB(TLB_OFF(string_mask)));
	loops = lower_check_loops(l); /* too large a number for lower_check_is_one() */
	emit_lea(e, 8, TC, MEM_BASE_INDEX(TC, TI, loops));
	lower_check(l, loops, c);
}

/* TI = host address of what guest register g points at, for all of RCX elements */
static void find(struct lower *l, u8 g, unsigned int size, bool write)
{
	int view = (l->mode & MODE_VIEW_MASK) >> MODE_VIEW_SHIFT;
	struct cold *c = new_cold(l);
	struct emit *e = &l->e;
	bool near;

	emit_lea(e, 8, TA, last_byte(g, size, -1));
	emit_pext(e, TI, guest_reg_home[g], MEM_TLB(TLB_OFF(index_mask)));
	emit_load(e, 8, TC, MEM_TLB_INDEXED(TI, write ? VIEW_OFF(view, write) : VIEW_OFF(view, read)));
	near = lower_check_near(l);
	emit_lea(e, 8, TC, MEM_BASE_INDEX(TC, TA, near ? 0 : -4096));
	emit_pext(e, TC, TC, MEM_TLB(TLB_OFF(page_mask)));
	if (near)
		lower_check_is_one(l);
	lower_check(l, near, c);
	emit_load(e, 8, TI, MEM_TLB_INDEXED(TI, VIEW_OFF(view, addend)));
	emit_lea(e, 8, TI, MEM_BASE_INDEX(TI, guest_reg_home[g], 0));
}

static void rep(struct lower *l, u8 op, unsigned int size)
{
	struct emit *e = &l->e;

	emit_mov_rr(e, 8, TC, guest_reg_home[RCX]);
	if (size == 2)
		emit8(e, 0x66);
	emit8(e, 0xf3);
	if (size == 8)
		emit8(e, 0x48);
	emit8(e, size == 1 ? op : op + 1);
}

static unsigned int element_size(const struct insn *i)
{
	return i->z->opcode & 1 ? i->z->operand_width / 8 : 1;
}

/* The cold parts from the first one on come back here. */
static void done(struct lower *l, unsigned int first)
{
	for (unsigned int k = first; k < l->cold_count; k++)
		if (l->cold[k].kind == COLD_CALLOUT)
			l->cold[k].after = emit_rx(&l->e);
}

void lower_rep_stos(struct lower *l)
{
	unsigned int size = element_size(l->i), first = l->cold_count;
	struct emit *e = &l->e;

	check_count(l);
	find(l, RDI, size, true);
	rep(l, 0xaa, size);
	emit_lea(e, 8, guest_reg_home[RDI], last_byte(RDI, size, 0));
	emit_mov_imm(e, guest_reg_home[RCX], 0);
	done(l, first);
}

void lower_rep_movs(struct lower *l)
{
	unsigned int size = element_size(l->i), first = l->cold_count;
	struct emit *e = &l->e;

	check_count(l);
	find(l, RSI, size, false);
	emit_store(e, 8, MEM_VCPU(OFF(scratch[0])), TI);
	find(l, RDI, size, true);
	emit_load(e, 8, TA, MEM_VCPU(OFF(scratch[0])));
	rep(l, 0xa4, size);
	emit_lea(e, 8, guest_reg_home[RDI], last_byte(RDI, size, 0));
	emit_lea(e, 8, guest_reg_home[RSI], last_byte(RSI, size, 0));
	emit_mov_imm(e, guest_reg_home[RCX], 0);
	done(l, first);
}
