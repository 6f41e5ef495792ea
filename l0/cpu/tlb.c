/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tlb.h"

#include "../machine/memory.h"
#include "insn.h"

#include <sys/mman.h>

_Static_assert(sizeof(struct tlb_used) % 8 == 0, "copied in eights");
_Static_assert(TLB_ENTRIES <= UINT16_MAX + 1, "tlb_used.slot is 16 bits wide");
_Static_assert(JC_CLASSES *JC_ENTRIES <= UINT16_MAX + 1, "tlb_exec.slot is 16 bits wide");

/* Inline: memset() of the C library may use vector registers, which hold the guest's state. */
static void fill64(u64 *p, u64 value, size_t n)
{
	__asm__ volatile("rep stosq" : "+D"(p), "+c"(n) : "a"(value) : "memory");
}

static void copy64(u64 *to, const u64 *from, size_t n)
{
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void note_used(struct tlb_used *u, unsigned int slot)
{
	if (u->count < USED_MAX)
		u->slot[u->count] = (u16)slot;
	if (u->count <= USED_MAX)
		u->count++;
}

/* The lowest of a set, which isn't in it any more */
static unsigned int take_bit(u64 *set)
{
	unsigned int bit = (unsigned int)__builtin_ctzll(*set);

	*set &= *set - 1;
	return bit;
}

static void flush_ranges(struct tlb *t, enum tlb_view view)
{
	unsigned int word;

	for (word = 0; word < TLB_RANGES / 64; word++) {
		u64 *used = &t->range_used[view][word];

		while (*used) {
			struct tlb_range *r = &t->range[view][word * 64 + take_bit(used)];

			r->read = r->write = RANGE_INVALID;
		}
	}
}

static u64 range_page_bit(u64 page)
{
	return 1ull << (page >> 12 & 63);
}

static void drop_ranges(struct tlb *t, u64 page)
{
	unsigned int view, word;

	if (!(t->range_pages & range_page_bit(page)))
		return;
	for (view = 0; view < TLB_VIEWS; view++)
		for (word = 0; word < TLB_RANGES / 64; word++) {
			u64 used = t->range_used[view][word];

			while (used) {
				struct tlb_range *r = &t->range[view][word * 64 + take_bit(&used)];

				if (r->page == page)
					r->read = r->write = RANGE_INVALID;
			}
		}
}

static void flush_view(struct tlb *t, enum tlb_view view)
{
	struct tlb_arrays *a = &t->view[view];
	struct tlb_used *u = &t->view_used[view];
	u32 i;

	flush_ranges(t, view);
	if (u->count > USED_MAX) {
		for (i = 0; i < TLB_ENTRIES; i++)
			a->read[i] = a->write[i] = tlb_invalid(i);
	} else {
		for (i = 0; i < u->count; i++)
			a->read[u->slot[i]] = a->write[u->slot[i]] = tlb_invalid(u->slot[i]);
	}
	u->count = 0;
}

static void flush_jc(struct tlb *t, enum jc_class class)
{
	struct tlb_used *u = &t->jc_used[class];
	struct jump_entry *entry = t->jc[class].entry;
	u32 i;

	if (u->count > USED_MAX) {
		for (i = 0; i < JC_ENTRIES; i++)
			entry[i].tag = jc_invalid(i);
	} else {
		for (i = 0; i < u->count; i++)
			entry[u->slot[i]].tag = jc_invalid(u->slot[i]);
	}
	u->count = 0;
}

static void flush_code_pages(struct tlb *t)
{
	unsigned int i;

	for (i = 0; i < CODE_PAGES; i++)
		t->code_page[i].tag = 0;
}

void tlb_flush_code(struct tlb *t)
{
	int class;

	for (class = 0; class < JC_CLASSES; class ++)
		flush_jc(t, class);
	t->held[0].exec_age++;
	t->held[1].exec_age++;
	flush_code_pages(t);
}

static void forget_large(struct tlb_held *h)
{
	fill64(h->large_1g, 0, 4);
	h->has_4m = false;
	h->large_age++;
}

void tlb_flush(struct tlb *t)
{
	int view;

	t->dropped.count = TLB_DROPPED_PAGES + 1;
	stlb_flush(&t->second);
	psc_flush(&t->psc);
	if (t->empty)
		return;
	for (view = 0; view < TLB_VIEWS; view++)
		flush_view(t, view);
	t->range_pages = 0;
	tlb_flush_code(t);
	forget_large(&t->held[0]);
	forget_large(&t->held[1]);
	t->nonglobal_kernel = 0;
	t->kernel_in_lower = false;
	t->global_in_lower = false;
	t->empty = true;
}

#define LARGE_PAGE (2ul << 20)
#define GUARD 4096ul /* on both sides: it is a mapping of its own in the host's accounts, too */
#define CONTEXTS_BYTES ((sizeof(struct tlb) * TLB_CONTEXTS + 4095) & ~4095ul)

struct tlb *tlb_contexts_create(void)
{
	size_t bytes = CONTEXTS_BYTES + 2 * LARGE_PAGE;
	u8 *all = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *p, *end;

	if (all == MAP_FAILED)
		return NULL;
	p = (u8 *)(((uintptr_t)all + LARGE_PAGE) & ~(LARGE_PAGE - 1));
	end = p + CONTEXTS_BYTES + GUARD;
	if (p - GUARD != all)
		munmap(all, p - GUARD - all);
	munmap(end, all + bytes - end);
	if (mprotect(p, CONTEXTS_BYTES, PROT_READ | PROT_WRITE) < 0) {
		munmap(p - GUARD, CONTEXTS_BYTES + 2 * GUARD);
		return NULL;
	}
	/* a hint: every access of the guest's is looked up there */
	(void)madvise(p, CONTEXTS_BYTES, MADV_HUGEPAGE);
	return (struct tlb *)p;
}

void tlb_contexts_destroy(struct tlb *t)
{
	if (t)
		munmap((u8 *)t - GUARD, CONTEXTS_BYTES + 2 * GUARD);
}

void tlb_init(struct tlb *t)
{
	int i;

	t->index_mask = (u64)(TLB_ENTRIES - 1) << 12;
	t->page_mask = TLB_PAGE_MASK;
	t->sign_mask = BIT(63);
	t->arith_mask = FLAG_ARITH;
	t->pushf_mask = ~(FLAG_ARITH | FLAG_RF | FLAG_VM);
	t->df_mask = FLAG_DF;
	t->line_mask = ~63ull;
	t->string_mask = ~(STRING_SHORT - 1ull);
	t->jc_mask = 2 * (JC_ENTRIES - 1);
	t->jc_wrap = 2 * JC_ENTRIES - 1;
	for (i = 0; i < 4; i++)
		t->bit_mask[i] = (8u << i) - 1;
	for (i = 0; i < TLB_VIEWS; i++) {
		t->view_used[i].count = USED_MAX + 1;
		fill64(t->range_used[i], ~0ull, TLB_RANGES / 64);
	}
	for (i = 0; i < JC_CLASSES; i++)
		t->jc_used[i].count = USED_MAX + 1;
	t->empty = false;
	tlb_flush(t);
}

/* In the first level */
static void drop_data(struct tlb *t, u64 page)
{
	unsigned int view, i = tlb_index(page);

	for (view = 0; view < TLB_VIEWS; view++) {
		struct tlb_arrays *a = &t->view[view];

		if (a->read[i] == tlb_tag(page))
			a->read[i] = tlb_invalid(i);
		if (a->write[i] == tlb_tag(page))
			a->write[i] = tlb_invalid(i);
	}
	drop_ranges(t, page);
}

/* If there are few: what is left of TLB_KERNEL is global. */
static void drop_nonglobal_kernel(struct tlb *t)
{
	u32 i;

	for (i = 0; i < t->nonglobal_kernel; i++)
		drop_data(t, t->nonglobal_page[i]);
	t->nonglobal_kernel = 0;
	t->kernel_in_lower &= t->global_in_lower;
}

static void note_nonglobal_kernel(struct tlb *t, u64 page)
{
	u32 i;

	for (i = 0; i < t->nonglobal_kernel && i < TLB_NONGLOBAL_PAGES; i++)
		if (t->nonglobal_page[i] == page)
			return;
	if (i < TLB_NONGLOBAL_PAGES)
		t->nonglobal_page[i] = page;
	if (t->nonglobal_kernel <= TLB_NONGLOBAL_PAGES)
		t->nonglobal_kernel++;
}

void tlb_flush_user(struct tlb *t)
{
	unsigned int i;

	t->dropped.count = TLB_DROPPED_PAGES + 1;
	if (t->nonglobal_kernel > TLB_NONGLOBAL_PAGES) {
		tlb_flush(t);
		return;
	}
	drop_nonglobal_kernel(t);
	stlb_flush_nonglobal(&t->second);
	psc_flush(&t->psc);
	flush_view(t, TLB_USER);
	flush_view(t, TLB_KERNEL_AC);
	flush_jc(t, JC_USER64);
	flush_jc(t, JC_KERNEL_AC64);
	flush_jc(t, JC_OTHER);
	if (!t->kernel_in_lower) { /* nothing of the lower half is left */
		forget_large(&t->held[0]);
		t->held[0].exec_age++;
	}
	for (i = 0; i < CODE_PAGES; i++)
		if (!t->code_page[i].global)
			t->code_page[i].tag = 0;
}

static bool test_bit(const u64 *set, unsigned int bit)
{
	return set[bit / 64] >> (bit % 64) & 1;
}

static void set_bit(u64 *set, unsigned int bit)
{
	set[bit / 64] |= 1ull << (bit % 64);
}

static unsigned int hash_1g(u64 linear)
{
	return (linear >> 30 ^ linear >> 38) & 255;
}

static struct tlb_held *held(struct tlb *t, u64 linear)
{
	return &t->held[linear >> 63];
}

static struct tlb_large *large_of(struct tlb_held *h, u64 linear)
{
	return &h->large[(linear >> 21 ^ linear >> 30) % LARGE_REGIONS];
}

static struct tlb_exec *exec_of(struct tlb_held *h, u64 linear)
{
	return &h->exec[(linear >> 12 ^ linear >> 21) % EXEC_PAGES];
}

#define REGION_SIZE (1ull << 21)

static void note_large(struct tlb *t, u64 linear, unsigned int shift)
{
	struct tlb_held *h = held(t, linear);
	u64 region = linear & ~(REGION_SIZE - 1);
	unsigned int page = (linear - region) >> 12;
	struct tlb_large *l = large_of(h, linear);

	if (shift >= 30)
		set_bit(h->large_1g, hash_1g(linear));
	if (shift <= 12 || shift >= 30)
		return;
	h->has_4m |= shift == 22;
	if (l->age != h->large_age)
		*l = (struct tlb_large){ region, h->large_age, page, page };
	if (l->region != region)
		l->region = HELD_MANY;
	if (page < l->first)
		l->first = page;
	if (page > l->last)
		l->last = page;
}

/* The page at `linear` has code in this slot. */
static void note_exec(struct tlb *t, u64 linear, unsigned int slot)
{
	struct tlb_held *h = held(t, linear);
	struct tlb_exec *e = exec_of(h, linear);
	u64 page = linear & ~4095ull;
	unsigned int i;

	if (e->age != h->exec_age)
		*e = (struct tlb_exec){ .page = page, .age = h->exec_age };
	if (e->page != page)
		e->page = HELD_MANY;
	for (i = 0; i < e->count && i < EXEC_SLOTS; i++)
		if (e->slot[i] == slot)
			return;
	if (i < EXEC_SLOTS)
		e->slot[i] = slot;
	if (e->count <= EXEC_SLOTS)
		e->count++;
}

/* The jump cache, as far as it can hold code of linear's half. */
static void flush_code_of_half(struct tlb *t, u64 linear)
{
	flush_jc(t, JC_USER64);
	flush_jc(t, JC_KERNEL_AC64);
	flush_jc(t, JC_OTHER);
	if (linear >> 63 || t->kernel_in_lower)
		flush_jc(t, JC_KERNEL64);
	held(t, linear)->exec_age++;
	flush_code_pages(t);
}

static void drop_code(struct tlb *t, u64 page)
{
	struct tlb_held *h = held(t, page);
	struct tlb_exec *e = exec_of(h, page);
	struct code_page *c = code_page(t, page);
	unsigned int i;

	if ((c->tag & ~4095ull) == page)
		c->tag = 0;
	if (e->age != h->exec_age || (e->page != page && e->page != HELD_MANY))
		return;
	if (e->count > EXEC_SLOTS) {
		flush_code_of_half(t, page);
		return;
	}
	for (i = 0; i < e->count; i++)
		t->jc[e->slot[i] / JC_ENTRIES].entry[e->slot[i] % JC_ENTRIES].tag = jc_invalid(e->slot[i] % JC_ENTRIES);
	e->age--;
}

static void drop_page(struct tlb *t, u64 page)
{
	drop_data(t, page);
	stlb_drop_page(&t->second, page);
	drop_code(t, page);
}

/* What is held of a large page that `linear` may be in. */
static void drop_region(struct tlb *t, u64 linear)
{
	struct tlb_held *h = held(t, linear);
	struct tlb_large *l = large_of(h, linear);
	u64 region = linear & ~(REGION_SIZE - 1);
	unsigned int page;

	stlb_drop_piece(&t->second, linear);
	if (l->age != h->large_age || (l->region != region && l->region != HELD_MANY))
		return;
	for (page = l->first; page <= l->last; page++)
		drop_page(t, region + page * 4096);
	if (l->region == region)
		l->age--;
}

void tlb_flush_page(struct tlb *t, u64 linear)
{
	const struct tlb_held *h = held(t, linear);

	tlb_note_dropped(&t->dropped, linear);
	if (test_bit(h->large_1g, hash_1g(linear))) {
		tlb_flush(t);
		return;
	}
	psc_flush(&t->psc);
	drop_page(t, linear & ~4095ull);
	drop_region(t, linear);
	if (h->has_4m)
		drop_region(t, linear ^ REGION_SIZE);
}

void tlb_insert(struct tlb *t, enum tlb_view view, u64 page, u8 *host, unsigned int rights, unsigned int shift,
		bool global)
{
	struct tlb_arrays *a = &t->view[view];
	unsigned int i = tlb_index(page);

	if (a->read[i] == tlb_invalid(i) && a->write[i] == tlb_invalid(i))
		note_used(&t->view_used[view], i);
	a->read[i] = rights & ACC_READ ? tlb_tag(page) : tlb_invalid(i);
	a->write[i] = rights & ACC_WRITE ? tlb_tag(page) : tlb_invalid(i);
	a->addend[i] = (u64)host - page;
	t->empty = false;
	note_large(t, page, shift);
	t->global_in_lower |= global && !(page >> 63);
	if (view == TLB_KERNEL) {
		if (!global)
			note_nonglobal_kernel(t, page);
		t->kernel_in_lower |= !(page >> 63);
	}
}

void tlb_insert_range(struct tlb *t, enum tlb_view view, unsigned int n, u64 base, u64 linear)
{
	const struct tlb_arrays *a = &t->view[view];
	u64 page = linear & ~4095ull;
	unsigned int i = tlb_index(page);
	bool read = a->read[i] == tlb_tag(page), write = a->write[i] == tlb_tag(page);

	t->range[view][n] = (struct tlb_range){
		.read = read ? 1 - base : RANGE_INVALID,
		.write = write ? 1 - base : RANGE_INVALID,
		.address = a->addend[i] + linear,
		.page = page,
	};
	set_bit(t->range_used[view], n);
	t->range_pages |= range_page_bit(page);
}

void tlb_share_kernel(struct tlb *t, u64 page)
{
	const struct tlb_arrays *k = &t->view[TLB_KERNEL];
	struct tlb_arrays *a = &t->view[TLB_KERNEL_AC];
	unsigned int i = tlb_index(page);

	if (a->read[i] == tlb_invalid(i) && a->write[i] == tlb_invalid(i))
		note_used(&t->view_used[TLB_KERNEL_AC], i);
	a->read[i] = k->read[i];
	a->write[i] = k->write[i];
	a->addend[i] = k->addend[i];
}

u64 tlb_find_code(const struct tlb *t, enum jc_class class, u64 linear)
{
	const struct jump_cache *jc = &t->jc[class];
	unsigned int i = jc_index(linear);

	if (jc->entry[i].tag == jc_tag(linear))
		return jc->entry[i].target;
	i = jc_second(i);
	return jc->entry[i].tag == jc_tag(linear) ? jc->entry[i].target : 0;
}

static void forget_at(struct jump_cache *jc, unsigned int i, u64 linear)
{
	if (jc->entry[i].tag == jc_tag(linear))
		jc->entry[i].tag = jc_invalid(i);
}

void tlb_forget_code(struct tlb *t, enum jc_class class, u64 linear)
{
	forget_at(&t->jc[class], jc_index(linear), linear);
	forget_at(&t->jc[class], jc_second(jc_index(linear)), linear);
}

/* Where something else will be: it goes to its other place. Not what may cross into a second page, of which only note_exec() knows. */
static void move_aside(struct tlb *t, enum jc_class class, unsigned int i)
{
	struct jump_cache *jc = &t->jc[class];
	unsigned int second = jc_second(i);
	u64 linear = 1 - jc->entry[i].tag;

	if ((linear & 4095) > 4096 - 15)
		return;
	if (jc->entry[second].tag == jc_invalid(second))
		note_used(&t->jc_used[class], second);
	jc->entry[second] = jc->entry[i];
	note_exec(t, linear, class * JC_ENTRIES + second);
}

void tlb_insert_code(struct tlb *t, enum jc_class class, u64 linear, const u8 *code, unsigned int shift, bool global)
{
	struct jump_cache *jc = &t->jc[class];
	unsigned int i = jc_index(linear);

	forget_at(jc, jc_second(i), linear);
	if (jc->entry[i].tag == jc_invalid(i))
		note_used(&t->jc_used[class], i);
	else if (jc->entry[i].tag != jc_tag(linear))
		move_aside(t, class, i);
	jc->entry[i] = (struct jump_entry){ .tag = jc_tag(linear), .target = (u64)code };
	t->empty = false;
	note_exec(t, linear, class * JC_ENTRIES + i);
	note_large(t, linear, shift);
	t->global_in_lower |= global && !(linear >> 63);
	if (class == JC_KERNEL64) {
		if (!global)
			t->nonglobal_kernel = TLB_NONGLOBAL_PAGES + 1;
		t->kernel_in_lower |= !(linear >> 63);
	}
}

void tlb_insert_code_end(struct tlb *t, enum jc_class class, u64 linear, u64 second, unsigned int shift)
{
	note_exec(t, second, class * JC_ENTRIES + jc_index(linear));
	note_large(t, second, shift);
}

void tlb_insert_code_page(struct tlb *t, u64 linear, const struct mmu_page *page, bool user)
{
	*code_page(t, linear) = (struct code_page){
		(linear & ~4095ull) | 1, page->gpa & ~4095ull, page->shift, page->run, user, page->global
	};
	t->empty = false;
	t->global_in_lower |= page->global && !(linear >> 63);
	note_large(t, linear, page->shift);
}

static void inherit_view(struct tlb *t, const struct tlb *from)
{
	const struct tlb_arrays *old = &from->view[TLB_KERNEL];
	const struct tlb_used *u = &from->view_used[TLB_KERNEL];
	struct tlb_arrays *a = &t->view[TLB_KERNEL];
	u32 i, k;

	if (u->count > USED_MAX) {
		copy64(a->read, old->read, sizeof(*a) / 8);
	} else {
		for (k = 0; k < u->count; k++) {
			i = u->slot[k];
			a->read[i] = old->read[i];
			a->write[i] = old->write[i];
			a->addend[i] = old->addend[i];
		}
	}
	copy64((u64 *)&t->view_used[TLB_KERNEL], (const u64 *)u, sizeof(*u) / 8);
}

static void inherit_code(struct tlb *t, const struct tlb *from)
{
	const struct jump_cache *old = &from->jc[JC_KERNEL64];
	const struct tlb_used *u = &from->jc_used[JC_KERNEL64];
	struct jump_cache *jc = &t->jc[JC_KERNEL64];
	u32 i, k;

	if (u->count > USED_MAX) {
		copy64(&jc->entry[0].tag, &old->entry[0].tag, sizeof(*jc) / 8);
	} else {
		for (k = 0; k < u->count; k++) {
			i = u->slot[k];
			jc->entry[i] = old->entry[i];
		}
	}
	copy64((u64 *)&t->jc_used[JC_KERNEL64], (const u64 *)u, sizeof(*u) / 8);
}

void tlb_inherit(struct tlb *t, const struct tlb *from)
{
	if (from->nonglobal_kernel > TLB_NONGLOBAL_PAGES)
		return;
	inherit_view(t, from);
	inherit_code(t, from);
	t->jc_control = from->jc_control; /* of what is there, whatever the write of CR4 that led here makes of the mode */
	copy64((u64 *)t->held, (const u64 *)from->held, sizeof(t->held) / 8);
	t->kernel_in_lower = from->kernel_in_lower;
	t->global_in_lower = from->global_in_lower;
	t->nonglobal_kernel = from->nonglobal_kernel;
	copy64(t->nonglobal_page, from->nonglobal_page, TLB_NONGLOBAL_PAGES);
	drop_nonglobal_kernel(t);
	t->empty = false;
}

static void forbid_write(struct tlb_arrays *a, const u8 *host, unsigned int i)
{
	if (a->write[i] != tlb_invalid(i) && a->write[i] == tlb_tag((u64)host - a->addend[i]))
		a->write[i] = tlb_invalid(i);
}

/* host: the start of a page */
static void forbid_range_writes(struct tlb *t, enum tlb_view view, const u8 *host)
{
	unsigned int word;

	for (word = 0; word < TLB_RANGES / 64; word++) {
		u64 used = t->range_used[view][word];

		while (used) {
			struct tlb_range *r = &t->range[view][word * 64 + take_bit(&used)];

			if (r->address - (u64)host < 4096)
				r->write = RANGE_INVALID;
		}
	}
}

void tlb_forbid_write_at(struct tlb *t, const u8 *host, const struct write_indexes *w)
{
	unsigned int view, i;

	if (t->empty)
		return;
	for (view = 0; view < TLB_VIEWS; view++) {
		forbid_range_writes(t, view, host);
		for (i = 0; i < WRITE_INDEXES && w->at[i]; i++)
			forbid_write(&t->view[view], host, w->at[i] - 1u);
	}
}

void tlb_forbid_write(struct tlb *t, const u8 *host)
{
	unsigned int view, i;

	for (view = 0; view < TLB_VIEWS; view++) {
		forbid_range_writes(t, view, host);
		for (i = 0; t->view_used[view].count && i < TLB_ENTRIES; i++)
			forbid_write(&t->view[view], host, i);
	}
}
