/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "Go on if RCX is 1, else to the cold part", without touching flags: what every memory access ends its search of the soft TLB with.
 *
 *	loop  near	on Intel's CPUs:	lea   rcx, [rcx - 2]	or where none is near:	lea   rcx, [rcx - 1]	(part of what
 *	...					shrx  rcx, rcx, rsp				jrcxz hit		computed RCX)
 *						jrcxz near					jmp   cold
 *						...					hit:	...
 *
 * A branch that isn't taken needs no entry in a CPU's branch target buffer, of which a kernel's memory accesses are a multiple. LOOP falls
 * through if what it has decremented is 0. Intel's CPUs are slow with it, so they get a JRCXZ that falls through: of what RCX can be, below
 * 2^RSP_COUNT, only 1 is negative less 2, and RSP's lowest bits (regs.h) shift all others to 0.
 *
 * Both reach 127 bytes. Their jump to the cold part stands behind the block's last jump, or in the gap of the third form further on, or, if
 * there is neither in time, behind a jump over it. Where that was guessed wrong the block is emitted again with nothing but the third form.
 */
#include "lower.h"

_Static_assert(__builtin_popcountll(TLB_PAGE_MASK) <= RSP_COUNT, "see lower_check_is_one()");
_Static_assert(RSP_BELOW % 16 == 0, "calls of C");

#define REACH 127
/* One that waits for its jump, this many bytes back, makes the next access one of the third form, and this many a jump over the gap: */
#define GAP_IN_ACCESS 64
#define GAP_BEFORE_INSN 76
/* What the block's last instruction takes at the most before its way out: an access up to its LOOP or JRCXZ, from there on */
#define TAIL_SEARCH 40
#define IS_ONE_BYTES 9 /* lower_check_is_one() */
#define TAIL_ACCESS 36

static unsigned int gap_in_access(const struct lower *l)
{
	return GAP_IN_ACCESS - (l->bt->loops ? 0 : IS_ONE_BYTES);
}

static unsigned int since_oldest(const struct lower *l)
{
	return (unsigned int)(l->e.p - l->near[0].place);
}

static void place_near(struct lower *l)
{
	struct emit *e = &l->e;
	unsigned int i;

	for (i = 0; i < l->near_count; i++) {
		if (e->p - (l->near[i].place + 1) > REACH)
			l->out_of_reach = true;
		else
			emit_patch8(e, l->near[i].place);
		l->cold[l->near[i].cold].from = emit_jmp_fwd(e);
	}
	l->near_count = 0;
}

bool lower_check_near(const struct lower *l)
{
	return !l->no_near && l->near_count < NEAR_MAX && !(l->near_count && since_oldest(l) > gap_in_access(l));
}

bool lower_check_loops(const struct lower *l)
{
	return l->bt->loops && lower_check_near(l);
}

void lower_check_is_one(struct lower *l)
{
	if (l->bt->loops)
		return;
	emit_lea(&l->e, 8, TC, MEM_BASE(TC, -2));
	/* shrx rcx, rcx, rsp */
	emit_enc(&l->e,
		 &(struct enc){
			 .vex = true, .rep = 0xf2, .w = true, .map = 2, .op = 0xf7, .reg = TC, .vvvv = H_RSP, .rm = TC });
}

void lower_check_again(struct lower *l, u8 *place, struct cold *c)
{
	l->near[l->near_count++] = (struct near){ .place = place, .cold = (u16)(c - l->cold) };
}

void lower_check(struct lower *l, bool near, struct cold *c)
{
	struct emit *e = &l->e;
	u8 *hit;

	if (near) {
		lower_check_again(l, l->bt->loops ? emit_loop_fwd(e) : emit_jrcxz_fwd(e), c);
		return;
	}
	hit = emit_jrcxz_fwd(e);
	c->from = emit_jmp_fwd(e);
	place_near(l);
	emit_patch8(e, hit);
}

/* Bytes from here to behind the block's last jump, if the current instruction is the last one */
static unsigned int tail(const struct lower *l)
{
	const struct group_use *u = &l->use[l->at];
	unsigned int n;

	if (l->at + 1 < l->count)
		return 0;
	n = lower_exit_bytes(l);
	if ((l->i->rule->flags & RULE_STACK) || l->i->z->memory != NO_OPERAND)
		n += u->group >= 0 && !u->first ? TAIL_ACCESS : TAIL_SEARCH + TAIL_ACCESS;
	n += l->bt->loops ? 0 : IS_ONE_BYTES;
	return n;
}

void lower_check_reach(struct lower *l)
{
	u8 *over;

	if (!l->near_count || (since_oldest(l) <= GAP_BEFORE_INSN && since_oldest(l) + tail(l) <= REACH))
		return;
	over = emit_jmp8_fwd(&l->e);
	place_near(l);
	emit_patch8(&l->e, over);
}

void lower_check_end(struct lower *l)
{
	place_near(l);
}
