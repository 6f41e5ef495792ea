/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses of 64-bit code at constant offsets from FS' and GS' base. A kernel has the data of its CPU there and looks at it every few
 * instructions; a program that of its thread. The offsets are cut into ranges, the first ones that are met get a number, and the TLB has a place
 * for each (struct tlb_range): an access is found by its number, and only the base is compared.
 *
 *	mov   rcx, gs:range[n].read	1 - base
 *	mov   rdi, v->seg[GS].base
 *	lea   rcx, [rcx + rdi]		1 on a hit
 *	loop  cold			lower_check.c
 *	mov   rcx, gs:range[n].address
 *	op    [rcx + the offset in the range]
 *
 * The address isn't computed from anything, so that what is read there is there twice as fast as by a search in lower_mem.c.
 */
#include "lower.h"

#include "../machine/machine.h"

/* Ranges lie in a page each. Data of CPUs is a multiple of pages away from its offset; where that of threads begins may be anywhere. */
#define GS_SHIFT 12
#define FS_SHIFT 6
#define PER_SEGMENT (TLB_RANGES / 2)

static unsigned int shift_of(enum sreg seg)
{
	return seg == GS ? GS_SHIFT : FS_SHIFT;
}

/* Number of the range, -1: all numbers are taken */
static int number(struct bt *bt, enum sreg seg, s32 key)
{
	struct bt_ranges *r = &bt->ranges[seg == GS];
	unsigned int i;

	for (i = 0; i < r->count; i++)
		if (r->key[i] == key)
			return (int)(i + (seg == GS) * PER_SEGMENT);
	if (i == PER_SEGMENT)
		return -1;
	r->key[i] = key;
	r->count++;
	return (int)(i + (seg == GS) * PER_SEGMENT);
}

u64 range_start(const struct bt *bt, const struct vcpu *v, unsigned int n, u64 *base)
{
	enum sreg seg = n < PER_SEGMENT ? FS : GS;

	*base = v->seg[seg].base;
	return *base + ((u64)(s64)bt->ranges[seg == GS].key[n % PER_SEGMENT] << shift_of(seg));
}

bool range_in_page(unsigned int n, u64 start)
{
	return (start & 4095) + (1u << shift_of(n < PER_SEGMENT ? FS : GS)) <= PAGE_SIZE;
}

bool lower_range(struct lower *l, const struct operand *o, s32 bias, unsigned int size)
{
	enum sreg seg = (enum sreg)(o->segment - ZYDIS_REGISTER_ES);
	s64 disp = insn_constant(l->i, o) + bias;
	unsigned int shift;
	u64 base;
	int n;

	if (lower_must_not_split(l, l->i))
		return false;
	if (!l->cs64 || l->step || (l->mode & MODE_ALIGN) || (seg != FS && seg != GS) || l->i->z->address_width != 64 ||
	    o->base != ZYDIS_REGISTER_NONE || o->index != ZYDIS_REGISTER_NONE || disp != (s32)disp)
		return false;
	shift = shift_of(seg);
	if ((disp & ((1 << shift) - 1)) + size > 1u << shift)
		return false;
	n = number(l->bt, seg, (s32)(disp >> shift));
	/* as it is now, it would never be found */
	if (n < 0 || !range_in_page((unsigned int)n, range_start(l->bt, l->v, (unsigned int)n, &base)))
		return false;
	l->range = n;
	l->range_at = (s32)disp;
	return true;
}

static s32 offset_in_range(s32 at, unsigned int n)
{
	return at & ((1 << shift_of(n < PER_SEGMENT ? FS : GS)) - 1);
}

struct mem lower_range_mem(const struct lower *l)
{
	return MEM_BASE(TC, offset_in_range(l->range_at, (unsigned int)l->range));
}

static struct mem field(const struct lower *l, size_t offset)
{
	int view = (l->mode & MODE_VIEW_MASK) >> MODE_VIEW_SHIFT;

	return MEM_TLB((int)(offsetof(struct tlb, range) +
			     (view * TLB_RANGES + (unsigned int)l->range) * sizeof(struct tlb_range) + offset));
}

static struct mem base_of(unsigned int n)
{
	enum sreg seg = n < PER_SEGMENT ? FS : GS;

	return MEM_VCPU((int)(offsetof(struct vcpu, seg) + seg * sizeof(struct segment) + offsetof(struct segment, base)));
}

void lower_range_access(struct lower *l, unsigned int size, u32 rw, const struct enc *seq, int n)
{
	struct cold *c = lower_new_cold(l, COLD_RANGE);
	struct emit *e = &l->e;
	bool loops;
	int k;

	c->range = (u8)l->range;
	c->delta = l->range_at;
	c->desc = lower_desc(l) | size | rw;
	emit_load(e, 8, TC,
		  field(l, rw & DESC_WRITE ? offsetof(struct tlb_range, write) : offsetof(struct tlb_range, read)));
	emit_load(e, 8, TI, base_of(c->range));
	loops = lower_check_loops(l);
	emit_lea(e, 8, TC, MEM_BASE_INDEX(TC, TI, loops ? 0 : -1));
	lower_check(l, loops, c);
	emit_load(e, 8, TC, field(l, offsetof(struct tlb_range, address)));
	c->back = emit_rx(e);
	c->n = rw & DESC_WRITE ? (u8)n : 0;
	for (k = 0; k < n; k++) {
		emit_enc(e, &seq[k]);
		if (rw & DESC_WRITE)
			c->seq[k] = seq[k];
	}
	c->after = emit_rx(e);
	l->range = -1;
}

/* C finds the address, and enters the range for the next time. */
void lower_range_cold(struct lower *l, const struct cold *c)
{
	struct mem to_start = MEM_BASE_INDEX(TC, TA, -offset_in_range((s32)c->delta, c->range));
	struct emit *e = &l->e;
	u8 *plain;
	int k;

	emit_mov_imm(e, TA, (u64)c->delta);
	emit_load(e, 8, TI, base_of(c->range));
	emit_lea(e, 8, TA, MEM_BASE_INDEX(TA, TI, 0));
	emit_store_imm32(e, 4, MEM_VCPU(OFF(range_missed)), c->range + 1);
	emit_mov_imm(e, TC, c->desc);
	emit_call(e, l->bt->thunk.miss);
	plain = emit_jmp_fwd(e);
	if (c->desc & DESC_WRITE) {
		/* 5 bytes behind the call: the access goes through the bounce buffer */
		emit_lea(e, 8, TC, to_start);
		for (k = 0; k < c->n; k++)
			emit_enc(e, &c->seq[k]);
		emit_call(e, l->bt->thunk.commit);
		emit_jmp(e, c->after);
	}
	emit_patch32(e, plain);
	emit_lea(e, 8, TC, to_start);
	emit_jmp(e, c->back);
}
