/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tlb.h"

/* Inline: memset() of the C library may use vector registers, which hold the guest's state. */
static void fill64(u64 *p, u64 value, size_t n)
{
	__asm__ volatile("rep stosq" : "+D"(p), "+c"(n) : "a"(value) : "memory");
}

static void copy64(u64 *to, const u64 *from, size_t n)
{
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void flush_view(struct tlb *t, enum tlb_view view)
{
	struct tlb_arrays *a = &t->view[view];

	if (!t->filled[view])
		return;
	fill64(a->read, TLB_INVALID, TLB_ENTRIES);
	fill64(a->write, TLB_INVALID, TLB_ENTRIES);
	a->read[0] = a->write[0] = tlb_invalid(0);
	a->read[TLB_ENTRIES - 1] = a->write[TLB_ENTRIES - 1] = tlb_invalid(TLB_ENTRIES - 1);
	t->filled[view] = false;
}

static void flush_jc(struct tlb *t, enum jc_class class)
{
	if (!t->jc_filled[class])
		return;
	fill64(t->jc[class].tag, TLB_INVALID, JC_ENTRIES);
	t->jc[class].tag[0] = jc_invalid(0);
	t->jc_filled[class] = false;
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

	for (class = 0; class < JC_CLASSES; class++)
		flush_jc(t, class);
	fill64(t->set[0].exec_pages, 0, 64);
	fill64(t->set[1].exec_pages, 0, 64);
	flush_code_pages(t);
}

void tlb_flush(struct tlb *t)
{
	int view;

	for (view = 0; view < TLB_VIEWS; view++)
		flush_view(t, view);
	tlb_flush_code(t);
	fill64((u64 *)t->set, 0, sizeof(t->set) / 8);
	t->has_nonglobal_kernel = false;
	t->kernel_in_lower = false;
}

void tlb_init(struct tlb *t)
{
	int i;

	t->index_mask = (u64)(TLB_ENTRIES - 1) << 12;
	t->page_mask = ~4095ull;
	t->sign_mask = BIT(63);
	t->arith_mask = FLAG_ARITH;
	t->pushf_mask = ~(FLAG_ARITH | FLAG_RF | FLAG_VM);
	t->jc_mask = JC_ENTRIES - 1;
	for (i = 0; i < 4; i++)
		t->bit_mask[i] = (8u << i) - 1;
	for (i = 0; i < TLB_VIEWS; i++)
		t->filled[i] = true;
	for (i = 0; i < JC_CLASSES; i++)
		t->jc_filled[i] = true;
	tlb_flush(t);
}

void tlb_flush_user(struct tlb *t)
{
	unsigned int i;

	if (t->has_nonglobal_kernel) {
		tlb_flush(t);
		return;
	}
	flush_view(t, TLB_USER);
	flush_view(t, TLB_KERNEL_AC);
	flush_jc(t, JC_USER64);
	flush_jc(t, JC_KERNEL_AC64);
	flush_jc(t, JC_OTHER);
	if (!t->kernel_in_lower) /* nothing of the lower half is left */
		fill64((u64 *)&t->set[0], 0, sizeof(t->set[0]) / 8);
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

static unsigned int hash_2m(u64 linear)
{
	return (linear >> 21 ^ linear >> 31) & 1023;
}

static unsigned int hash_1g(u64 linear)
{
	return (linear >> 30 ^ linear >> 38) & 255;
}

static unsigned int hash_exec(u64 linear)
{
	return (linear >> 12 ^ linear >> 24) & 4095;
}

static void drop_region(struct tlb *t, u64 linear, u64 size)
{
	u64 first = linear & ~(size - 1);
	unsigned int i, view;

	for (view = 0; view < TLB_VIEWS; view++) {
		struct tlb_arrays *a = &t->view[view];

		if (!t->filled[view])
			continue;
		for (i = 0; i < TLB_ENTRIES; i++) {
			if (-a->read[i] - first < size)
				a->read[i] = tlb_invalid(i);
			if (-a->write[i] - first < size)
				a->write[i] = tlb_invalid(i);
		}
	}
}

static struct tlb_sets *sets(struct tlb *t, u64 linear)
{
	return &t->set[linear >> 63];
}

/* The jump cache, as far as it can hold code of linear's half. */
static void flush_code_of_half(struct tlb *t, u64 linear)
{
	flush_jc(t, JC_USER64);
	flush_jc(t, JC_KERNEL_AC64);
	flush_jc(t, JC_OTHER);
	if (linear >> 63 || t->kernel_in_lower)
		flush_jc(t, JC_KERNEL64);
	fill64(sets(t, linear)->exec_pages, 0, 64);
	flush_code_pages(t);
}

void tlb_flush_page(struct tlb *t, u64 linear)
{
	unsigned int view, i = tlb_index(linear);
	const struct tlb_sets *held = sets(t, linear);
	u64 page = linear & ~4095ull;

	if (test_bit(held->large_1g, hash_1g(linear))) {
		tlb_flush(t);
		return;
	}
	if (test_bit(held->large_2m, hash_2m(linear))) {
		drop_region(t, linear, 1ull << 22); /* 4 MiB pages of 32-bit paging as well */
		flush_code_of_half(t, linear);
		return;
	}
	for (view = 0; view < TLB_VIEWS; view++) {
		if (t->view[view].read[i] == -page)
			t->view[view].read[i] = tlb_invalid(i);
		if (t->view[view].write[i] == -page)
			t->view[view].write[i] = tlb_invalid(i);
	}
	if (test_bit(held->exec_pages, hash_exec(linear)))
		flush_code_of_half(t, linear);
}

static void note_large(struct tlb *t, u64 linear, unsigned int shift)
{
	if (shift >= 30)
		set_bit(sets(t, linear)->large_1g, hash_1g(linear));
	else if (shift > 12)
		set_bit(sets(t, linear)->large_2m, hash_2m(linear));
}

void tlb_insert(struct tlb *t, enum tlb_view view, u64 page, u8 *host, unsigned int rights, unsigned int shift, bool global)
{
	struct tlb_arrays *a = &t->view[view];
	unsigned int i = tlb_index(page);

	a->read[i] = rights & ACC_READ ? -page : tlb_invalid(i);
	a->write[i] = rights & ACC_WRITE ? -page : tlb_invalid(i);
	a->addend[i] = (u64)host - page;
	t->filled[view] = true;
	note_large(t, page, shift);
	if (view == TLB_KERNEL) {
		t->has_nonglobal_kernel |= !global;
		t->kernel_in_lower |= !(page >> 63);
	}
}

void tlb_insert_code(struct tlb *t, enum jc_class class, u64 linear, const u8 *code, unsigned int shift, bool global)
{
	struct jump_cache *jc = &t->jc[class];
	unsigned int i = jc_index(linear);

	jc->tag[i] = -linear;
	jc->target[i] = (u64)code;
	t->jc_filled[class] = true;
	set_bit(sets(t, linear)->exec_pages, hash_exec(linear));
	note_large(t, linear, shift);
	if (class == JC_KERNEL64) {
		t->has_nonglobal_kernel |= !global;
		t->kernel_in_lower |= !(linear >> 63);
	}
}

void tlb_inherit(struct tlb *t, const struct tlb *from)
{
	if (from->has_nonglobal_kernel)
		return;
	copy64(t->view[TLB_KERNEL].read, from->view[TLB_KERNEL].read, sizeof(struct tlb_arrays) / 8);
	copy64(t->jc[JC_KERNEL64].tag, from->jc[JC_KERNEL64].tag, sizeof(struct jump_cache) / 8);
	copy64((u64 *)t->set, (const u64 *)from->set, sizeof(t->set) / 8);
	t->kernel_in_lower = from->kernel_in_lower;
	t->filled[TLB_KERNEL] = t->jc_filled[JC_KERNEL64] = true;
}

void tlb_forbid_write_at(struct tlb *t, const u8 *host, unsigned int i)
{
	unsigned int view;

	for (view = 0; view < TLB_VIEWS; view++) {
		struct tlb_arrays *a = &t->view[view];

		/* stored: write = -P, addend = host - P */
		if (a->write[i] != tlb_invalid(i) && a->addend[i] - a->write[i] == (u64)host)
			a->write[i] = tlb_invalid(i);
	}
}

void tlb_forbid_write(struct tlb *t, const u8 *host)
{
	unsigned int i;

	for (i = 0; i < TLB_ENTRIES; i++)
		tlb_forbid_write_at(t, host, i);
}
