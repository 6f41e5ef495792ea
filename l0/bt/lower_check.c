/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "Go on if RCX is 1, else to the cold part", without touching flags: what every memory access ends its search of the soft TLB with.
 *
 *	loop  near		JRCXZ instead:	lea    rcx, [rcx - 1]	(part of what computed RCX)
 *	...					jrcxz  hit
 *						jmp    cold
 *					hit:	...
 *
 * LOOP falls through if what it has decremented is 0, and JRCXZ jumps. A branch that isn't taken needs no entry in a CPU's branch target
 * buffer, of which a kernel's memory accesses are a multiple; but Intel's CPUs are slow with LOOP, so they get the other form.
 *
 * LOOP reaches 127 bytes. Its jump to the cold part stands behind the block's last jump, or in the gap of a JRCXZ form further on, or, if
 * there is neither in time, behind a jump over it. Where that was guessed wrong the block is emitted again without LOOP.
 */
#include "lower.h"

#define REACH 127
/* A pending LOOP this many bytes back makes the next access a JRCXZ form, and this many a jump over the gap: */
#define GAP_IN_ACCESS 64
#define GAP_BEFORE_INSN 76
/* What the block's last instruction takes at the most before its way out: an access up to its LOOP, from there on */
#define TAIL_SEARCH 40
#define TAIL_ACCESS 36

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

bool lower_check_loops(const struct lower *l)
{
	return l->bt->loops && !l->no_loops && l->near_count < NEAR_MAX &&
	       !(l->near_count && since_oldest(l) > GAP_IN_ACCESS);
}

void lower_check_again(struct lower *l, u8 *place, struct cold *c)
{
	l->near[l->near_count++] = (struct near){ .place = place, .cold = (u16)(c - l->cold) };
}

void lower_check(struct lower *l, bool loops, struct cold *c)
{
	struct emit *e = &l->e;
	u8 *hit;

	if (loops) {
		lower_check_again(l, emit_loop_fwd(e), c);
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
