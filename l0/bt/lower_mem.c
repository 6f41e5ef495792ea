/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory operands. What a soft-TLB hit costs, for the address in A:
 *
 *	pext  rdi, A, gs:index_mask	index
 *	mov   rcx, gs:read[rdi]		4096 - page
 *	lea   rcx, [rcx + A + size-1]	4096 + last byte's distance from the page's start
 *	pext  rcx, rcx, gs:page_mask	1 if that is below 4096
 *	loop  cold			lower_check.c
 *	mov   rcx, gs:addend[rdi]
 *	op    [A + rcx]
 */
#include "lower.h"

u32 lower_desc(const struct lower *l)
{
	return (u32)l->i->offset << 12 | (u32)block_uncounted(l->b, l->at) << 24;
}

u8 lower_get(struct lower *l, u8 g, u8 temp)
{
	if (guest_reg_home[g] != H_NONE)
		return guest_reg_home[g];
	emit_load(&l->e, 8, temp, MEM_VCPU(OFF_GPR(g)));
	return temp;
}

void lower_set(struct lower *l, u8 g, unsigned int bytes, u8 from)
{
	if (guest_reg_home[g] != H_NONE) {
		emit_mov_rr(&l->e, bytes, guest_reg_home[g], from);
		return;
	}
	if (bytes == 4)
		emit_mov_rr(&l->e, 4, from, from);
	emit_store(&l->e, 8, MEM_VCPU(OFF_GPR(g)), from);
}

static enum sreg sreg_of(const struct operand *o)
{
	return (enum sreg)(o->segment - ZYDIS_REGISTER_ES);
}

bool lower_is_ss(const struct operand *o)
{
	return o->segment == ZYDIS_REGISTER_SS;
}

struct mem lower_host_mem(const struct lower *l, u8 areg)
{
	return l->range >= 0 ? lower_range_mem(l) : MEM_BASE_INDEX(areg, TC, l->disp);
}

void lower_tc_kept(struct lower *l, const u8 *from)
{
	if (l->tc_at == from)
		l->tc_at = l->e.p;
}

/*
 * The access of the current instruction that is in a group is about to be lowered: base + disp, base being a guest's register. Where the
 * group's search begins: in a register, with the operand at l->disp from there. Not the first: the base itself will do.
 */
static u8 begin_grouped(struct lower *l, u8 base, s32 disp)
{
	const struct group_use *u = &l->use[l->at];
	const struct group *g = &l->group[u->group];
	const u8 *from = l->e.p;
	u8 reg = lower_get(l, base, TA);

	lower_tc_kept(l, from);
	l->now = u->group;
	l->now_first = u->first;
	if (!u->first) {
		l->disp = disp;
		return reg;
	}
	l->disp = u->at - g->lo;
	if (disp == l->disp)
		return reg;
	emit_lea(&l->e, 8, TA, MEM_BASE(reg, disp - l->disp));
	return TA;
}

u8 lower_group_address(struct lower *l, u8 base, s32 disp)
{
	const struct group_use *u = &l->use[l->at];

	if (u->group >= 0 && u->stack)
		return begin_grouped(l, base, disp);
	if (!disp)
		return lower_get(l, base, TA);
	emit_lea(&l->e, 8, TA, MEM_BASE(lower_get(l, base, TA), disp));
	return TA;
}

/* Where it is computed, and the loads of registers that live in memory: TA and TI, if `to` isn't another register. */
static u8 offset_to(struct lower *l, const struct operand *o, s32 bias, u8 to, unsigned int bytes)
{
	struct emit *e = &l->e;
	unsigned int asize = l->i->z->address_width / 8;
	s64 disp = insn_constant(l->i, o) + bias;
	struct mem m = { .base = H_NONE, .index = H_NONE };

	if (o->base == ZYDIS_REGISTER_RIP || o->base == ZYDIS_REGISTER_EIP) {
		s64 delta = l->i->offset + l->i->length + disp;

		bytes = o->base == ZYDIS_REGISTER_EIP ? 4 : bytes;
		emit_load(e, 8, TA, MEM_VCPU(OFF(rip_base)));
		if (delta == (s32)delta) {
			emit_lea(e, bytes, to, MEM_BASE(TA, delta));
		} else {
			emit_mov_imm(e, TI, delta);
			emit_lea(e, bytes, to, MEM_BASE_INDEX(TA, TI, 0));
		}
		return to;
	}
	if (o->base != ZYDIS_REGISTER_NONE)
		m.base = lower_get(l, lower_gpr(o->base), TA);
	if (o->index != ZYDIS_REGISTER_NONE) {
		m.index = lower_get(l, lower_gpr(o->index), TI);
		m.scale = o->scale == 8 ? 3 : o->scale / 2;
	}
	if (m.base == H_NONE && m.index == H_NONE) {
		emit_mov_imm(e, to, asize == 8 && bytes == 8 ? (u64)disp : asize == 2 ? (u16)disp : (u32)disp);
		return to;
	}
	if (asize == 8 && m.index == H_NONE && disp == 0) {
		if (to == TA)
			return m.base;
		emit_mov_rr(e, bytes, to, m.base);
		return to;
	}
	/* the bias may carry it over the edge only at 32-bit address sizes, which wrap */
	m.disp = (s32)disp;
	if (m.index != H_NONE && m.scale == 0 && m.base == H_NONE) {
		m.base = m.index;
		m.index = H_NONE;
	}
	if (asize != 8 && m.index == H_NONE && disp == 0) {
		emit_mov_rr(e, asize, to, m.base);
		return to;
	}
	emit_lea(e, asize == 8 ? bytes : 4, to, m);
	if (asize == 2)
		emit_mov_rr(e, 2, to, to);
	return to;
}

u8 lower_offset(struct lower *l, const struct operand *o, s32 bias)
{
	return offset_to(l, o, bias, TA, 8);
}

void lower_offset_to(struct lower *l, const struct operand *o, u8 to, unsigned int bytes)
{
	offset_to(l, o, 0, to, bytes);
}

static bool seg_flat(const struct lower *l, enum sreg seg)
{
	switch (seg) {
	case ES:
		return l->mode & MODE_FLAT_ES;
	case SS:
		return l->mode & MODE_FLAT_SS;
	case DS:
		return l->mode & MODE_FLAT_DS;
	default:
		/* CS as data: readable only if its type says so. FS and GS have bases. */
		return l->cs64 && seg == CS;
	}
}

bool lower_is_flat(const struct lower *l, const struct operand *o)
{
	return l->cs64 || seg_flat(l, sreg_of(o));
}

void lower_segment(struct lower *l, enum sreg seg, unsigned int size, u32 rw)
{
	struct emit *e = &l->e;

	if (seg_flat(l, seg))
		return;
	if (l->cs64) {
		emit_load(e, 8, TI,
			  MEM_VCPU((int)(offsetof(struct vcpu, seg) + seg * sizeof(struct segment) +
					 offsetof(struct segment, base))));
		emit_lea(e, 8, TA, MEM_BASE_INDEX(TA, TI, 0));
		return;
	}
	emit_mov_imm(e, TC, (lower_desc(l) & ~0xfffu) | size | (rw & (DESC_READ | DESC_WRITE)) | DESC_SEG(seg));
	emit_call(e, l->bt->thunk.segment);
}

/* begin_grouped() for an address that isn't in a register: it is computed for each access. */
static u8 begin_sum(struct lower *l, const struct operand *o, s32 bias)
{
	const struct group_use *u = &l->use[l->at];
	const u8 *from = l->e.p;

	l->disp = u->first ? u->at - l->group[u->group].lo : 0;
	l->now = u->group;
	l->now_first = u->first;
	lower_offset(l, o, bias - l->disp);
	lower_tc_kept(l, from);
	return TA;
}

u8 lower_linear(struct lower *l, const struct operand *o, s32 bias, unsigned int size, u32 rw)
{
	enum sreg seg = sreg_of(o);
	u8 a;

	if (l->use[l->at].group >= 0 && !l->use[l->at].stack && o->index == ZYDIS_REGISTER_NONE &&
	    o->base != ZYDIS_REGISTER_RIP)
		return begin_grouped(l, lower_gpr(o->base), (s32)insn_constant(l->i, o) + bias);
	if (l->use[l->at].group >= 0 && !l->use[l->at].stack)
		return begin_sum(l, o, bias);
	if (lower_range(l, o, bias, size))
		return H_NONE;
	a = lower_offset(l, o, bias);
	if (seg_flat(l, seg))
		return a;
	emit_mov_rr(&l->e, 8, TA, a);
	lower_segment(l, seg, size, rw);
	return TA;
}

/* One that is like an earlier one but for its size. */
static bool search_again(struct lower *l, const struct search *s, unsigned int size, struct cold *c)
{
	struct emit *e = &l->e;

	if (!s->length || !emit_room(e, SEARCH_MAX))
		return false;
	memcpy(e->p, s->code, SEARCH_MAX);
	e->p[s->size_at] = (u8)(size - 1);
	lower_check_again(l, e->p + s->check_at, c);
	e->p += s->length;
	return true;
}

/* The search: 4096 + size - 1 bytes from TA's page on are one page, and TC becomes the distance to it. */
static void search(struct lower *l, u8 areg, unsigned int size, bool write, struct cold *c)
{
	int view = (l->mode & MODE_VIEW_MASK) >> MODE_VIEW_SHIFT;
	bool near = lower_check_near(l), same = near && size - 2 < 126; /* one byte of displacement */
	struct search *s = &l->search[view][write][areg];
	struct emit *e = &l->e;
	u8 *start = e->p, *end_of_lea, *end_of_check;

	if (same && search_again(l, s, size, c))
		return;
	emit_pext(e, TI, areg, MEM_TLB(TLB_OFF(index_mask)));
	emit_load(e, 8, TC, MEM_TLB_INDEXED(TI, write ? VIEW_OFF(view, write) : VIEW_OFF(view, read)));
	emit_lea(e, 8, TC, MEM_BASE_INDEX(areg, TC, (s32)size - 1 - (near ? 0 : 4096)));
	end_of_lea = e->p;
	emit_pext(e, TC, TC, MEM_TLB(TLB_OFF(page_mask)));
	if (near)
		lower_check_is_one(l);
	lower_check(l, near, c);
	end_of_check = e->p;
	emit_load(e, 8, TC, MEM_TLB_INDEXED(TI, VIEW_OFF(view, addend)));
	if (!same || e->full || e->p - start > SEARCH_MAX)
		return;
	s->length = (u8)(e->p - start);
	s->size_at = (u8)(end_of_lea - 1 - start);
	s->check_at = (u8)(end_of_check - 1 - start);
	memcpy(s->code, start, s->length);
}

static bool uses_tc(const struct enc *seq, int n)
{
	for (int k = 0; k < n; k++)
		if (seq[k].reg == TC || (!seq[k].is_mem && seq[k].rm == TC))
			return true;
	return false;
}

/* TC is the group's distance: by a search if this is its first access. */
static void access_grouped(struct lower *l, u8 areg, const struct enc *seq, int n)
{
	const struct group *g = &l->group[l->now];
	struct mem slot = MEM_VCPU((int)(offsetof(struct vcpu, group) + 8 * g->slot));
	struct emit *e = &l->e;
	struct cold *c;

	if (l->now_first) {
		c = lower_new_cold(l, COLD_GROUP);
		c->areg = areg;
		c->desc = lower_desc(l);
		c->span = (u32)(g->hi - g->lo) | (g->write ? 1u << 31 : 0);
		search(l, areg, (unsigned int)(g->hi - g->lo), g->write, c);
		c->back = emit_rx(e);
		emit_store(e, 8, slot, TC);
	} else if (l->tc_group != l->now || l->tc_at != e->p) {
		emit_load(e, 8, TC, slot);
	}
	for (int k = 0; k < n; k++)
		emit_enc(e, &seq[k]);
	l->tc_group = l->now;
	l->tc_at = uses_tc(seq, n) ? NULL : e->p;
	l->now = -1;
	l->disp = 0;
}

void lower_access(struct lower *l, u8 areg, unsigned int size, u32 rw, const struct enc *seq, int n)
{
	struct emit *e = &l->e;
	struct cold *c, *split;
	int k;

	if (l->now >= 0) {
		access_grouped(l, areg, seq, n);
		return;
	}
	if (l->range >= 0) {
		lower_range_access(l, size, rw, seq, n);
		return;
	}
	split = lower_must_not_split(l, l->i) ? lower_check_split(l, areg, size) : NULL;
	c = lower_new_cold(l, COLD_ACCESS);
	c->areg = areg;
	c->desc = lower_desc(l) | size | rw;
	if (!((l->mode & MODE_ALIGN) && size > 1))
		search(l, areg, size, rw & DESC_WRITE, c);
	else
		c->from = emit_jmp_fwd(e);
	c->back = emit_rx(e);
	for (k = 0; k < n; k++)
		emit_enc(e, &seq[k]);
	if (rw & DESC_WRITE) {
		c->n = n;
		for (k = 0; k < n; k++)
			c->seq[k] = seq[k];
	} else {
		c->n = 0;
	}
	c->after = emit_rx(e);
	if (split)
		lower_same_cold(split, c);
}
