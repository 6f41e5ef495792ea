/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One block: fetch, decode, lower, emit. A block ends at a control transfer, at an instruction whose C function may
 * change what the following code depends on, at the page's end and after BLOCK_MAX_INSNS. An instruction that crosses into the
 * next page is a block of its own.
 */
#include "lower.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "../cpu/model.h"
#include "../machine/machine.h"

struct translate_scratch {
	struct decode *decode;
	struct lower lower;
};

/* room that one block may need at most in each area: a block of stores with segment checks is far below */
#define BLOCK_ROOM (32u << 10)

static bool has_room(const struct bt_area *a)
{
	return a->end - a->used >= BLOCK_ROOM;
}

/* Where the block goes: its code, its cold parts */
struct places {
	struct emit hot, cold;
};

static struct emit emit_at(const struct bt *bt, u64 from, u64 to)
{
	to = to < from + BLOCK_ROOM ? to : from + BLOCK_ROOM;
	return (struct emit){
		.p = bt->rw + from, .end = bt->rw + to, .delta = bt->rx - bt->rw, .leaves = &bt->scratch->lower.leaves
	};
}

static struct places places_for(const struct bt *bt, const struct bt_block *single)
{
	const struct bt_region *r = bt->open;

	if (single)
		return (struct places){ emit_at(bt, single->code, single->code + SINGLE_ROOM / 2),
					emit_at(bt, single->code + SINGLE_ROOM / 2, single->code + SINGLE_ROOM) };
	return (struct places){ emit_at(bt, r->hot.used, r->hot.end), emit_at(bt, r->cold.used, r->cold.end) };
}

/* Bytes of guest code at `linear`, from one page or two. */
struct fetch {
	const u8 *host; /* of the first page, from `linear` on */
	unsigned int left; /* in the first page */
	u64 phys, phys2;
	u8 joined[32]; /* end of the first page and start of the second */
};

static const u8 *ram_page(struct vcpu *v, u64 gpa)
{
	return memory_host(&v->machine->memory, gpa);
}

/*
 * Code outside RAM has no bytes to cache: the SDM leaves it undefined, we stop the machine with a clear line. An L2 must not end its L1:
 * it fetches all ones, which is no instruction.
 */
static _Noreturn void fetch_outside_ram(struct vcpu *v, u64 linear, u64 gpa)
{
	if (v->in_l2)
		raise_ud(v);
	vcpu_fpu_park(v);
	machine_stop(v->machine, STOP_GUEST_FATAL,
		     EXIT_GUEST_FATAL, "guest runs code at %#llx (physical %#llx), which is device memory or nothing: use --dump-on-exit to see how it got there",
		     (unsigned long long)linear, (unsigned long long)gpa);
	vcpu_restart(v);
}

/* SDM vol. 3, "Limit Checking": an instruction that crosses the end of CS is #GP(0) */
static bool beyond_limit(const struct vcpu *v, unsigned int length)
{
	return !(v->mode & MODE_FLAT_CS) && v->rip + length - 1 > v->seg[CS].limit;
}

/* The instruction at `bytes`, of which there are n, and its rule. False: it needs the second page; last: there is none. */
static inline __attribute__((always_inline)) bool decode_one(struct lower *l, struct insn *i, const u8 *bytes,
							     unsigned int n, bool single, bool last)
{
	enum decode_result r = DECODE_OK;

	if (!decode_known(l->bt->scratch->decode, i, bytes, n)) {
		vcpu_fpu_park(l->v);
		r = decode_insn(l->bt->scratch->decode, i, bytes, n);
	}
	if (r == DECODE_MORE && !last)
		return false;
	if (l->bt->trace) {
		memset(i->bytes, 0, sizeof(i->bytes));
		memcpy(i->bytes, bytes, n < BYTES_MAX ? n : BYTES_MAX);
	}
	i->rule = lower_rule_for(l->v, i);
	if (r == DECODE_TOO_LONG || (single && beyond_limit(l->v, i->length)))
		i->rule = lower_rule_too_long();
	return true;
}

static unsigned int decode_block(struct lower *l, struct fetch *f, u64 linear, bool single)
{
	unsigned int n = 0, max = single || l->step ? 1 : BLOCK_MAX_INSNS, at = 0;
	struct vcpu *v = l->v;
	bool sti = false;

	decode_begin(l->bt->scratch->decode, l->mode);
	while (n < max && at < f->left) {
		struct insn *i = &l->insn[n];

		i->offset = (linear & 4095) + at;
		if (!decode_one(l, i, f->host + at, f->left - at, single, false)) {
			struct mmu_page page;
			u64 second = (linear | 4095) + 1;
			unsigned int k, rest = f->left - at;
			const u8 *p;
			u32 error;

			if (n) {
				l->own = true;
				break; /* a block of its own, next time */
			}
			if (!l->cs64)
				second = (u32)second;
			if (single && beyond_limit(v, rest + 1))
				raise_gp(v, 0); /* before any page fault */
			if (!mmu_walk(v, second, mmu_data(v, ACC_EXEC), &page, &error))
				raise_page_fault(v, second, error);
			p = ram_page(v, page.gpa);
			if (!p)
				fetch_outside_ram(v, second, page.gpa);
			for (k = 0; k < rest; k++)
				f->joined[k] = f->host[at + k];
			for (k = 0; k < 16; k++)
				f->joined[rest + k] = p[k];
			decode_one(l, i, f->joined, rest + 16, single, true);
			f->phys2 = page.gpa;
			n++;
			at += i->length;
			break;
		}
		at += i->length;
		n++;
		l->by_level |= lower_by_level(i);
		if ((i->rule->flags & RULE_END) || sti)
			break;
		sti = i->rule->flags & RULE_NEXT_ENDS;
	}
	/* STI holds interrupts off until the next instruction is done: that must be in the block, or C must know. */
	if (l->insn[n - 1].rule->flags & RULE_NEXT_ENDS)
		l->insn[n - 1].rule = lower_rule_sti_alone();
	l->b->len = at;
	return n;
}

/*
 * Every block takes its instructions from the budget and leaves if that is used up. A subtraction and a conditional jump would do,
 * but for the guest's flags; so they stand where the flags are about to be overwritten anyway, before an instruction that works on
 * registers alone: if the block is left there, it is left behind that instruction. Where there is none, the prologue does it with
 * instructions that leave the flags alone.
 */
static bool check_here(const struct lower *l, unsigned int k)
{
	return l->insn[k].z->alu && !l->step && !(l->insn[k].rule->flags & RULE_END);
}

static u8 find_check(const struct lower *l)
{
	unsigned int k;

	for (k = 0; k < l->count; k++)
		if (check_here(l, k))
			return k;
	return 0;
}

static void check_before(struct lower *l)
{
	struct emit *e = &l->e;

	emit_enc(e, &(struct enc){ .w = true,
				   .op = 0x83,
				   .reg = 5,
				   .is_mem = true,
				   .mem = MEM_VCPU(OFF(budget)),
				   .imm_len = 1,
				   .imm = { (u8)l->count } });
	lower_new_cold(l, COLD_BUDGET_AFTER)->from = emit_jcc_fwd(e, 8);
}

static void prologue(struct lower *l)
{
	struct emit *e = &l->e;
	struct cold *c;
	bool near;

	/* RSI = linear address of the block */
	l->b->code = e->p - l->bt->rw;
	if (emit_room(e, ENTRY_BYTES)) {
		cache_entry(e->p, l->insn[0].offset);
		e->p += ENTRY_BYTES;
	}
	emit_store(e, 8, MEM_VCPU(OFF(rip_base)), TC);

	l->b->direct = (u8)(e->p - l->bt->rw - l->b->code);
	if (l->b->check_at)
		return;
	if (check_here(l, 0)) {
		check_before(l);
		return;
	}
	near = lower_check_near(l);
	c = lower_new_cold(l, COLD_BUDGET);
	emit_load(e, 8, TC, MEM_VCPU(OFF(budget)));
	emit_lea(e, 8, TI, MEM_BASE(TC, -(s32)l->count));
	if (near)
		emit_enc(e, &(struct enc){ .w = true, .op = 0xf7, .reg = 2, .rm = TC }); /* not rcx */
	emit_pext(e, TC, TC, MEM_TLB(TLB_OFF(sign_mask)));
	emit_store(e, 8, MEM_VCPU(OFF(budget)), TI);
	lower_check(l, near, c);
}

static u32 e_offset(const struct lower *l)
{
	return l->e.p - l->bt->rw;
}

static void lower_all(struct lower *l, const struct places *p)
{
	struct bt *bt = l->bt;
	const struct insn *last = &l->insn[l->count - 1];
	unsigned int k;

	l->e = p->hot;

	l->cold_count = l->near_count = l->at = 0;
	l->leaves.n = 0;
	l->leaves.first = p->hot.p;
	l->leaves.second = p->cold.p;
	l->out_of_reach = false;
	l->now = l->range = -1;
	l->disp = 0;
	l->tc_at = NULL;
	prologue(l);
	for (k = 0; k < l->count; k++) {
		l->at = k;
		l->i = &l->insn[k];
		bt->maps[l->b->map + k] = (struct bt_insn_map){ .host = e_offset(l) - block_direct(l->b),
								.guest = l->i->offset };
		lower_check_reach(l);
		if (k && k == l->b->check_at)
			check_before(l);
		l->i->rule->fn(l);
	}
	/* Control transfers have left. A callout that ends the block never returns here. */
	if (!(last->rule->flags & RULE_END))
		lower_exit(l, 1, (s64)last->offset + last->length);
	lower_check_end(l);
	l->b->size = (u16)(e_offset(l) - l->b->code);
	if (l->e.full)
		return;
	l->e = p->cold;
	l->b->cold = e_offset(l);
	lower_cold(l);
	l->b->cold_size = (u16)(e_offset(l) - l->b->cold);
}

/* One line for the block, one for each instruction, as --trace translate promises. */
static void trace_block(const struct lower *l, u64 linear)
{
	char text[128];
	unsigned int k;

	fprintf(machine_log(l->v->machine),
		"translate: linear=%#llx phys=%#llx mode=%#x insns=%u host=%#x+%u cold=%#x+%u\n",
		(unsigned long long)linear, (unsigned long long)l->b->phys, l->mode, l->count, l->b->code,
		(unsigned int)l->b->size, l->b->cold, (unsigned int)l->b->cold_size);
	for (k = 0; k < l->count; k++) {
		const struct insn *i = &l->insn[k];

		decode_text(l->bt->scratch->decode, i->bytes, (linear & ~4095ull) + i->offset, text, sizeof(text));
		fprintf(machine_log(l->v->machine), "  %llx: %s\n",
			(unsigned long long)((linear & ~4095ull) + i->offset), text);
	}
}

/* Stores to the page are noticed, or will be once the block is there: nobody else runs. */
static bool watched(struct vcpu *v, u64 gpa, u64 *unwatched)
{
	if (!v->machine->parallel || (*memory_flag(&v->machine->memory, gpa) & PAGE_CODE))
		return true;
	*unwatched = gpa;
	return false;
}

struct bt_block *translate(struct vcpu *v, u64 linear, u64 phys, enum translation kind, u32 mode, u64 *unwatched)
{
	bool single = kind == TRANSLATE_SINGLE;
	struct bt *bt = v->bt->bt;
	struct lower *l = &bt->scratch->lower;
	struct fetch f = { .phys2 = UINT64_MAX };
	struct places places;
	struct bt_block *b;

	*unwatched = UINT64_MAX;
	if (bt->trace)
		vcpu_fpu_park(v);
	f.host = ram_page(v, phys);
	if (!f.host)
		fetch_outside_ram(v, linear, phys);
	if (!watched(v, phys, unwatched))
		return NULL;
	b = single ? cache_new_single(bt, v->index) : cache_new(bt);
	if (!b || (!single && !(has_room(&bt->open->hot) && has_room(&bt->open->cold))))
		return NULL;
	f.phys = phys;
	f.left = PAGE_SIZE - (linear & 4095);

	l->v = v;
	l->bt = bt;
	l->b = b;
	l->mode = v->mode;
	l->cs64 = (v->mode & MODE_CS_MASK) == MODE_CS64;
	l->step = single || (v->mode & (MODE_TF | MODE_BREAK | MODE_MTF));
	l->own = single;
	l->by_level = false;
	l->count = decode_block(l, &f, linear, single);
	if (f.phys2 != UINT64_MAX && !watched(v, f.phys2, unwatched))
		return NULL;
	places = places_for(bt, single ? b : NULL);
	b->phys = f.phys;
	b->page2 = f.phys2 == UINT64_MAX ? PAGE2_NONE : (u32)(f.phys2 >> 12);
	b->mode = mode;
	b->insns = l->count;
	b->single = single;
	b->check_at = find_check(l);
	l->no_near = false;
	l->ungrouped = kind == TRANSLATE_UNGROUPED;
	lower_groups(l);
	lower_all(l, &places);
	if (l->out_of_reach) {
		l->no_near = true;
		lower_all(l, &places);
	}
	if (l->e.full)
		return NULL;
	if (!l->own && f.phys2 == UINT64_MAX)
		copy_may(bt, b, &l->leaves, l->by_level);
	cache_add(bt, b);
	if (bt->trace)
		trace_block(l, linear);
	return b;
}

int translate_create(struct bt *bt)
{
	bt->scratch = calloc(1, sizeof(*bt->scratch));
	if (!bt->scratch)
		return -ENOMEM;
	bt->scratch->decode = decode_create(bt->machine->model);
	return bt->scratch->decode ? 0 : -ENOMEM;
}

void translate_destroy(struct bt *bt)
{
	if (bt->scratch)
		decode_destroy(bt->scratch->decode);
	free(bt->scratch);
	bt->scratch = NULL;
}
