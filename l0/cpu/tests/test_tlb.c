/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What INVLPG drops: all that it must, against a list of what was entered, and little else. */
#include "cmocka_headers.h"
#include <stdlib.h>
#include "../../machine/memory.h"
#include "../mode.h"
#include "../tlb.h"

#define MIB (1ull << 20)
#define KERNEL 0xffff800000000000ull

static struct tlb *t;
static u8 page_bytes[1];

static int setup(void **state)
{
	(void)state;
	t = calloc(1, sizeof(*t));
	assert_non_null(t);
	tlb_init(t);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(t);
	return 0;
}

static bool holds(enum tlb_view view, u64 page)
{
	return t->view[view].read[tlb_index(page)] == tlb_tag(page);
}

static bool holds_code(enum jc_class class, u64 linear)
{
	return tlb_find_code(t, class, linear);
}

static void data(enum tlb_view view, u64 page, unsigned int shift)
{
	tlb_insert(t, view, page, page_bytes, ACC_READ | ACC_WRITE, shift, view == TLB_KERNEL);
}

static void code(enum jc_class class, u64 linear, unsigned int shift)
{
	tlb_insert_code(t, class, linear, page_bytes, shift, class == JC_KERNEL64);
}

static void one_page_goes_and_its_neighbours_stay(void **state)
{
	u64 page;

	(void)state;
	for (page = 0x400000; page < 0x410000; page += 4096) {
		data(TLB_USER, page, 12);
		data(TLB_KERNEL_AC, page, 12);
		code(JC_USER64, page + 0x10, 12);
	}
	tlb_flush_page(t, 0x405123);
	for (page = 0x400000; page < 0x410000; page += 4096) {
		assert_int_equal(holds(TLB_USER, page), page != 0x405000);
		assert_int_equal(holds(TLB_KERNEL_AC, page), page != 0x405000);
		assert_int_equal(holds_code(JC_USER64, page + 0x10), page != 0x405000);
	}
}

static void all_code_of_a_page_goes_however_much_there_is(void **state)
{
	(void)state;
	for (unsigned int n = 1; n < 40; n++) {
		tlb_flush(t);
		for (unsigned int i = 0; i < n; i++)
			code(i % 2 ? JC_USER64 : JC_OTHER, 0x400000 + i * 8, 12);
		tlb_flush_page(t, 0x400000);
		for (unsigned int i = 0; i < n; i++)
			assert_false(holds_code(i % 2 ? JC_USER64 : JC_OTHER, 0x400000 + i * 8));
	}
}

static void code_that_reaches_into_a_page_goes_with_it(void **state)
{
	(void)state;
	code(JC_USER64, 0x400ffe, 12);
	tlb_insert_code_end(t, JC_USER64, 0x400ffe, 0x401000, 12);
	tlb_flush_page(t, 0x401000);
	assert_false(holds_code(JC_USER64, 0x400ffe));
	/* from the top of 4 GiB to the bottom */
	code(JC_OTHER, 0xffffffff, 12);
	tlb_insert_code_end(t, JC_OTHER, 0xffffffff, 0, 12);
	tlb_flush_page(t, 0);
	assert_false(holds_code(JC_OTHER, 0xffffffff));
}

static void large_pages_go_as_a_whole(void **state)
{
	struct mmu_page page = { .gpa = 0x5000, .shift = 21 };

	(void)state;
	data(TLB_USER, 0x600000, 21);
	data(TLB_USER, 0x7ff000, 21);
	data(TLB_USER, 0x800000, 21);
	code(JC_USER64, 0x6ab123, 21);
	tlb_insert_code_page(t, 0x6cd000, &page, true);
	tlb_flush_page(t, 0x612345);
	assert_false(holds(TLB_USER, 0x600000));
	assert_false(holds(TLB_USER, 0x7ff000));
	assert_true(holds(TLB_USER, 0x800000));
	assert_false(holds_code(JC_USER64, 0x6ab123));
	assert_int_equal(code_page(t, 0x6cd000)->tag, 0);

	/* 4 MiB */
	data(TLB_KERNEL_AC, 0xc0001000, 22);
	tlb_flush_page(t, 0xc0300000);
	assert_false(holds(TLB_KERNEL_AC, 0xc0001000));

	/* 1 GiB */
	data(TLB_KERNEL, KERNEL + 5 * MIB, 30);
	tlb_flush_page(t, KERNEL + 900 * MIB);
	assert_false(holds(TLB_KERNEL, KERNEL + 5 * MIB));
}

static void the_other_half_keeps_its_code(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 20; i++) {
		code(JC_KERNEL64, KERNEL + i, 12);
		code(JC_USER64, 0x400000 + i, 12);
	}
	tlb_flush_page(t, 0x400000);
	assert_true(holds_code(JC_KERNEL64, KERNEL + 3));
	assert_false(holds_code(JC_USER64, 0x400003));
}

/* ---- at random, against a plain list ---- */

#define ENTRIES 600

static struct {
	u64 linear, second;
	u8 shift, kind; /* view, or TLB_VIEWS + class */
} list[ENTRIES];

static u64 random_state = 1;

static u64 draw(u64 n)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (random_state >> 33) % n;
}

static u64 large_page(u64 linear, unsigned int shift)
{
	return linear >> shift << shift;
}

static void nothing_that_invlpg_must_drop_is_ever_hit(void **state)
{
	static const u64 bases[] = { 0,		 0x400000, 0xc0000000, 0x7f0000000000, KERNEL, KERNEL + (64ull << 30),
				     ~0ull << 31 };
	/* never two sizes in one place: each 1 GiB has its own */
	static const u8 shifts[] = { 12, 12, 22, 21, 21, 12, 21 };
	unsigned int round, i, count = 0, survived = 0;

	(void)state;
	for (round = 0; round < 20000; round++) {
		unsigned int b = draw(7);
		u64 linear = bases[b] + draw(64) * (draw(2) ? 0x1000 : 0x101000) + draw(3);
		bool upper = linear >> 63;

		if (draw(8) && count < ENTRIES) {
			unsigned int kind = draw(TLB_VIEWS + JC_CLASSES);

			if (kind == TLB_USER || kind == TLB_VIEWS + JC_USER64)
				linear &= ~(1ull << 63), b = upper ? 3 : b;
			list[count].shift = shifts[b];
			list[count].kind = kind;
			list[count].linear = kind < TLB_VIEWS ? linear & ~4095ull : linear;
			list[count].second = 0;
			if (kind < TLB_VIEWS) {
				data(kind, linear & ~4095ull, shifts[b]);
			} else {
				code(kind - TLB_VIEWS, linear, shifts[b]);
				if (!draw(4)) {
					list[count].second = linear + 4096;
					tlb_insert_code_end(t, kind - TLB_VIEWS, linear, linear + 4096, shifts[b]);
				}
			}
			count++;
			continue;
		}
		if (!draw(20))
			tlb_flush_user(t);
		if (!draw(40)) {
			tlb_flush(t);
			count = 0;
		}
		tlb_flush_page(t, linear);
		for (i = 0; i < count; i++) {
			bool must = large_page(list[i].linear, list[i].shift) == large_page(linear, list[i].shift) ||
				    (list[i].second &&
				     large_page(list[i].second, list[i].shift) == large_page(linear, list[i].shift));
			bool there = list[i].kind < TLB_VIEWS ? holds(list[i].kind, list[i].linear)
							      : holds_code(list[i].kind - TLB_VIEWS, list[i].linear);

			assert_false(must && there);
			survived += there;
			if (!there || must)
				list[i--] = list[--count];
		}
	}
	assert_true(survived > 100000);
}

static bool finds(enum tlb_view view, unsigned int n, u64 base)
{
	return t->range[view][n].read + base == 1;
}

static bool stores(enum tlb_view view, unsigned int n, u64 base)
{
	return t->range[view][n].write + base == 1;
}

static void a_range_goes_with_its_page(void **state)
{
	(void)state;
	for (unsigned int n = 0; n < TLB_RANGES; n++) {
		data(TLB_USER, 0x400000 + n * 4096, 12);
		tlb_insert_range(t, TLB_USER, n, 0x500000, 0x400000 + n * 4096 + 64);
		data(TLB_KERNEL_AC, 0x400000 + n * 4096, 12);
		tlb_insert_range(t, TLB_KERNEL_AC, n, 0x500000, 0x400000 + n * 4096);
	}
	data(TLB_USER, 0x405000 + TLB_ENTRIES * 4096, 12); /* the view holds another page there */
	tlb_flush_page(t, 0x405123);
	for (unsigned int n = 0; n < TLB_RANGES; n++) {
		assert_int_equal(finds(TLB_USER, n, 0x500000), n != 5);
		assert_int_equal(stores(TLB_KERNEL_AC, n, 0x500000), n != 5);
	}
}

static void a_range_in_a_large_page_goes_with_all_of_it(void **state)
{
	(void)state;
	data(TLB_KERNEL, KERNEL + 0x3000, 21);
	tlb_insert_range(t, TLB_KERNEL, 3, KERNEL, KERNEL + 0x3000);
	assert_true(finds(TLB_KERNEL, 3, KERNEL));
	tlb_flush_page(t, KERNEL + MIB);
	assert_false(finds(TLB_KERNEL, 3, KERNEL));
	assert_false(stores(TLB_KERNEL, 3, KERNEL));
}

static void ranges_go_with_their_view(void **state)
{
	int view;

	(void)state;
	for (view = 0; view < TLB_VIEWS; view++) {
		data((enum tlb_view)view, KERNEL, 12);
		tlb_insert_range(t, (enum tlb_view)view, 100, KERNEL, KERNEL);
		assert_true(finds((enum tlb_view)view, 100, KERNEL));
	}
	tlb_flush_user(t);
	for (view = 0; view < TLB_VIEWS; view++)
		assert_int_equal(finds((enum tlb_view)view, 100, KERNEL), view == TLB_KERNEL);
	tlb_flush(t);
	assert_false(finds(TLB_KERNEL, 100, KERNEL));
}

static void a_range_offers_what_its_page_does(void **state)
{
	static u8 pages[3 * 4096];
	u8 *host = pages + 4096 - (uintptr_t)pages % 4096;

	(void)state;
	tlb_insert(t, TLB_USER, 0x400000, host, ACC_READ, 12, false);
	tlb_insert_range(t, TLB_USER, 0, 0x400000, 0x400000);
	assert_true(finds(TLB_USER, 0, 0x400000));
	assert_false(stores(TLB_USER, 0, 0x400000));
	tlb_insert_range(t, TLB_USER, 1, 0x500000, 0x500000); /* the view doesn't hold it */
	assert_false(finds(TLB_USER, 1, 0x500000));
	assert_false(stores(TLB_USER, 1, 0x500000));
	for (unsigned int way = 0; way < 2; way++) {
		tlb_insert(t, TLB_USER, 0x400000, host, ACC_READ | ACC_WRITE, 12, false);
		tlb_insert(t, TLB_USER, 0x401000, host + 4096, ACC_READ | ACC_WRITE, 12, false);
		tlb_insert_range(t, TLB_USER, 0, 0x400000, 0x400000);
		tlb_insert_range(t, TLB_USER, 1, 0x400000, 0x401fc0);
		assert_int_equal(t->range[TLB_USER][1].address, (u64)host + 0x1fc0);
		if (way)
			tlb_forbid_write(t, host + 4096);
		else
			tlb_forbid_write_at(t, host + 4096,
					    &(struct write_indexes){ .at = { (u16)(tlb_index(0x401000) + 1) } });
		assert_true(stores(TLB_USER, 0, 0x400000));
		assert_false(stores(TLB_USER, 1, 0x400000));
		assert_true(finds(TLB_USER, 1, 0x400000));
	}
}

/* What translated code makes of an entry: PEXT */
static u64 extract(u64 x, u64 mask)
{
	u64 y = 0;

	for (unsigned int bit = 0, n = 0; bit < 64; bit++)
		if (mask >> bit & 1)
			y |= (x >> bit & 1) << n++;
	return y;
}

/* Addresses that have the entry's index, canonical or not, within their page and across its end */
static void a_search_is_1_for_its_page_alone(void **state)
{
	const u64 index_mask = (u64)(TLB_ENTRIES - 1) << 12;

	(void)state;
	srand(7);
	for (unsigned int k = 0; k < 200000; k++) {
		unsigned int i = k < TLB_ENTRIES ? k : (unsigned int)rand() % TLB_ENTRIES;
		u64 page = ((u64)rand() << 42 ^ (u64)rand() << 20) & ~index_mask & ~4095ull, other;
		unsigned int size = 1u << rand() % 10, offset = (unsigned int)rand() % 4096;
		u64 last = offset + size - 1;

		page = (u64)((s64)(page << 16) >> 16) & ~index_mask;
		page |= (u64)i << 12;
		assert_int_equal(extract(tlb_tag(page) + page + last, TLB_PAGE_MASK) == 1, last < 4096);
		assert_true(extract(tlb_tag(page) + page + last, TLB_PAGE_MASK) >= 1);
		/* one bit, or many, elsewhere; and the page that an empty entry has the tag of, and its neighbours */
		other = page ^ (k % 2 ? BIT(25 + rand() % 39) : ((u64)rand() << 33 | BIT(25)));
		assert_true(extract(tlb_tag(page) + other + last, TLB_PAGE_MASK) > 1);
		assert_true(extract(tlb_invalid(i) + page + last, TLB_PAGE_MASK) > 1);
		assert_true(extract(tlb_invalid(i) + other + last, TLB_PAGE_MASK) > 1);
		other = ((4096 - tlb_invalid(i)) & ~index_mask) | (u64)i << 12;
		assert_true(extract(tlb_invalid(i) + other + last, TLB_PAGE_MASK) > 1);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static struct mmu_page page_at(u64 gpa, unsigned int shift, unsigned int run, bool global)
{
	return (struct mmu_page){
		.gpa = gpa, .shift = (u8)shift, .run = (u8)run, .rights = ACC_READ | ACC_WRITE, .global = global
	};
}

static bool second(unsigned int view, u64 linear, unsigned int rights, u64 gpa)
{
	struct mmu_page found;

	if (!stlb_find(&t->second, view, linear, rights, &found))
		return false;
	assert_int_equal(found.gpa, gpa);
	return true;
}

static void the_second_level_answers_as_the_walk_did(void **state)
{
	struct mmu_page p = page_at(0x123456, 12, 12, false), large = page_at(0x40234567, 21, 21, false);
	struct mmu_page read_only = p;

	(void)state;
	stlb_enter(&t->second, TLB_USER, 0x400456, &p);
	assert_true(second(TLB_USER, 0x400abc, ACC_READ | ACC_WRITE, 0x123abc));
	assert_false(second(TLB_KERNEL, 0x400abc, ACC_READ, 0));
	assert_false(second(TLB_USER, 0x401abc, ACC_READ, 0));
	assert_false(second(TLB_USER, 0x400abc, ACC_EXEC, 0));
	read_only.rights = ACC_READ;
	stlb_enter(&t->second, TLB_USER, 0x400456, &read_only);
	assert_false(second(TLB_USER, 0x400abc, ACC_WRITE, 0));
	assert_true(second(TLB_USER, 0x400abc, ACC_READ, 0x123abc));
	stlb_enter(&t->second, TLB_KERNEL, 0x7f0000634567, &large);
	assert_true(second(TLB_KERNEL, 0x7f0000600000, ACC_WRITE, 0x40200000));
	assert_true(second(TLB_KERNEL, 0x7f00007fffff, ACC_WRITE, 0x403fffff));
	assert_false(second(TLB_KERNEL, 0x7f0000800000, ACC_READ, 0));
}

static void a_flush_of_what_is_not_global_leaves_global_pages_of_the_upper_half(void **state)
{
	struct mmu_page global = page_at(0x1000, 12, 12, true), other = page_at(0x2000, 12, 12, false);

	(void)state;
	/* more often than there are numbers for generations */
	for (unsigned int i = 0; i < 5000; i++) {
		stlb_enter(&t->second, TLB_KERNEL, KERNEL, &global);
		stlb_enter(&t->second, TLB_USER, 0x5000, &global);
		stlb_enter(&t->second, TLB_USER, 0x6000, &other);
		assert_true(second(TLB_USER, 0x6000, ACC_READ, 0x2000));
		tlb_flush_user(t);
		assert_false(second(TLB_USER, 0x6000, ACC_READ, 0));
		assert_false(second(TLB_USER, 0x5000, ACC_READ, 0));
		stlb_enter(&t->second, TLB_KERNEL, KERNEL, &global);
		assert_true(second(TLB_KERNEL, KERNEL, ACC_READ, 0x1000));
	}
	tlb_flush_user(t);
	assert_true(second(TLB_KERNEL, KERNEL, ACC_READ, 0x1000));
	tlb_flush(t);
	assert_false(second(TLB_KERNEL, KERNEL, ACC_READ, 0));
}

static void kernel_data(u64 page, bool global)
{
	tlb_insert(t, TLB_KERNEL, page, page_bytes, ACC_READ | ACC_WRITE, 12, global);
}

static void few_pages_of_the_kernels_that_are_not_global_go_alone(void **state)
{
	const u64 code_at = KERNEL + 0x200010;
	unsigned int n;

	(void)state;
	for (n = 0; n <= TLB_NONGLOBAL_PAGES + 1; n++) {
		tlb_flush(t);
		kernel_data(KERNEL, true);
		code(JC_KERNEL64, code_at, 12);
		for (unsigned int i = 0; i < n; i++) {
			kernel_data((i & 1 ? KERNEL : 0) + 0x10000 + i * 4096, false);
			kernel_data((i & 1 ? KERNEL : 0) + 0x10000 + i * 4096, false); /* once more is no other page */
		}
		tlb_share_kernel(t, KERNEL);
		tlb_insert_range(t, TLB_KERNEL, 7, 0x1234, 0x10000);
		tlb_flush_user(t);
		for (unsigned int i = 0; i < n; i++)
			assert_false(holds(TLB_KERNEL, (i & 1 ? KERNEL : 0) + 0x10000 + i * 4096));
		assert_false(holds(TLB_KERNEL_AC, KERNEL));
		assert_int_equal(t->range[TLB_KERNEL][7].read, RANGE_INVALID);
		assert_int_equal(holds(TLB_KERNEL, KERNEL), n <= TLB_NONGLOBAL_PAGES);
		assert_int_equal(holds_code(JC_KERNEL64, code_at), n <= TLB_NONGLOBAL_PAGES);
		assert_false(t->kernel_in_lower);
	}
	tlb_flush(t);
	kernel_data(KERNEL, true);
	tlb_insert_code(t, JC_KERNEL64, code_at, page_bytes, 12, false);
	tlb_flush_user(t);
	assert_false(holds_code(JC_KERNEL64, code_at));
}

static void a_new_context_has_the_kernels_global_pages_alone(void **state)
{
	struct tlb *from = t;

	(void)state;
	kernel_data(KERNEL, true);
	kernel_data(KERNEL + 0x1000, false);
	kernel_data(0x5000, false);
	code(JC_KERNEL64, KERNEL + 0x200010, 12);
	from->jc_control = MODE_PE | MODE_SMAP;
	t = calloc(1, sizeof(*t));
	assert_non_null(t);
	tlb_init(t);
	tlb_inherit(t, from);
	assert_int_equal(t->jc_control, MODE_PE | MODE_SMAP);
	assert_true(holds(TLB_KERNEL, KERNEL));
	assert_true(holds_code(JC_KERNEL64, KERNEL + 0x200010));
	assert_false(holds(TLB_KERNEL, KERNEL + 0x1000));
	assert_false(holds(TLB_KERNEL, 0x5000));
	free(from);
}

/* As mmu.c enters pages: in both levels */
static void both(enum tlb_view view, u64 linear, unsigned int shift, unsigned int run)
{
	struct mmu_page p = page_at(linear & 0xfffffff, shift, run, false);

	stlb_enter(&t->second, view, linear, &p);
	data(view, linear & ~4095ull, shift);
}

static void invlpg_drops_pages_of_every_size_from_the_second_level(void **state)
{
	static const u8 shifts[] = { 12, 21, 22, 30 };
	u64 linear;

	(void)state;
	for (unsigned int k = 0; k < sizeof(shifts); k++)
		for (unsigned int small = 0; small < 2; small++) {
			u64 base = 0x40000000ull * (k + 3), size = 1ull << shifts[k],
			    end = size < 32 * MIB ? size : 32 * MIB;

			/* a large page of L2's may lie on small ones of L1's: all pieces of it go */
			for (linear = base; linear < base + end; linear += 0x7000)
				both(TLB_USER, linear, shifts[k], small ? 12 : shifts[k]);
			both(TLB_USER, base + end - 4096, shifts[k], small ? 12 : shifts[k]);
			tlb_flush_page(t, base + size / 2);
			for (linear = base; linear < base + end; linear += 0x7000)
				assert_false(second(TLB_USER, linear, ACC_READ, 0));
			assert_false(second(TLB_USER, base + end - 4096, ACC_READ, 0));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_search_is_1_for_its_page_alone),
		T(one_page_goes_and_its_neighbours_stay),
		T(all_code_of_a_page_goes_however_much_there_is),
		T(code_that_reaches_into_a_page_goes_with_it),
		T(large_pages_go_as_a_whole),
		T(the_other_half_keeps_its_code),
		T(nothing_that_invlpg_must_drop_is_ever_hit),
		T(the_second_level_answers_as_the_walk_did),
		T(a_flush_of_what_is_not_global_leaves_global_pages_of_the_upper_half),
		T(few_pages_of_the_kernels_that_are_not_global_go_alone),
		T(a_new_context_has_the_kernels_global_pages_alone),
		T(invlpg_drops_pages_of_every_size_from_the_second_level),
		T(a_range_goes_with_its_page),
		T(a_range_in_a_large_page_goes_with_all_of_it),
		T(ranges_go_with_their_view),
		T(a_range_offers_what_its_page_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
