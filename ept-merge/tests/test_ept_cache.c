/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trees by EPTP, INVEPT's scopes, eviction, an exhausted pool; and the checker, which must find what is planted. */
#include "ept_bench.h"

#define MIDDLE 0x4000000000ull
#define TO 0x80000000ull

static struct bench f;
static struct ept_merge m;

static int setup(void **state)
{
	unsigned int i;

	(void)state;
	bench_init(&f);
	bench_cache(&f, POOL_PAGES, TREES);
	/* roots 1..7 for different L2s, all with the same page at 0 */
	f.t12.used = 8;
	for (i = 0; i < 8; i++)
		*tables_entry(&f.t12, i, 0, 1) = MIDDLE | RWX | WB_TYPE;
	tables_map(&f.t01, MIDDLE, TO, 3, RWX | WB_TYPE);
	return 0;
}

static struct ept_tree *find(unsigned int root)
{
	return ept_cache_find(&f.cache, bench_eptp(&f, root, false), false);
}

static bool hits(struct ept_tree *tree, u64 from)
{
	assert_int_equal(ept_cache_translate(&f.cache, tree, (l2pa){ from }, LOAD, &m), EPT_MERGE_OK);
	return m.hit;
}

static void an_eptp_used_before_finds_its_tree_and_its_pages(void **state)
{
	struct ept_tree *a = find(0), *b;
	u64 generation = a->generation;

	(void)state;
	assert_false(hits(a, 0));
	b = find(1);
	assert_ptr_not_equal(a, b);
	assert_int_not_equal(a->generation, b->generation);
	assert_false(hits(b, 0));
	assert_ptr_equal(find(0), a);
	assert_int_equal(a->generation, generation);
	assert_true(hits(a, 0));
	assert_int_equal(f.cache.stats.trees_made, 2);
	assert_int_equal(f.cache.stats.trees_found, 1);
}

static void the_memory_type_of_an_eptp_makes_no_other_tree_but_ad_and_mbec_do(void **state)
{
	struct ept_tree *a = find(0);

	(void)state;
	assert_ptr_equal(ept_cache_find(&f.cache, bench_eptp(&f, 0, false) & ~EPTP_TYPE, false), a);
	assert_ptr_not_equal(ept_cache_find(&f.cache, bench_eptp(&f, 0, true), false), a);
	assert_ptr_not_equal(ept_cache_find(&f.cache, bench_eptp(&f, 0, false), true), a);
	assert_int_equal(f.cache.stats.trees_made, 3);
}

static void the_least_recently_used_tree_makes_room(void **state)
{
	unsigned int i;
	u64 old[TREES];

	(void)state;
	for (i = 0; i < TREES; i++) {
		assert_false(hits(find(i), 0));
		old[i] = find(i)->generation;
	}
	find(0); /* 1 is the oldest now */
	assert_false(hits(find(TREES), 0));
	assert_int_equal(f.cache.stats.trees_evicted, 1);
	for (i = 0; i <= TREES; i++)
		if (i != 1)
			assert_true(hits(find(i), 0));
	assert_false(hits(find(1), 0));
	assert_int_not_equal(find(1)->generation, old[1]);
}

static void single_context_invept_empties_every_tree_of_the_address_and_no_other(void **state)
{
	struct ept_tree *a = find(0), *ad = ept_cache_find(&f.cache, bench_eptp(&f, 0, true), false), *b = find(1);
	struct ept_tree *mbec = ept_cache_find(&f.cache, bench_eptp(&f, 0, false), true);
	u64 ga = a->generation, gad = ad->generation, gb = b->generation;

	(void)state;
	*tables_entry(&f.t12, 0, 0, 1) |= EPT_XU;
	assert_false(hits(a, 0) || hits(ad, 0) || hits(b, 0) || hits(mbec, 0));
	ept_cache_invalidate(&f.cache, bench_eptp(&f, 0, false));
	assert_true(hits(b, 0));
	assert_false(hits(a, 0) || hits(ad, 0) || hits(mbec, 0));
	assert_true(a->generation != ga && ad->generation != gad && b->generation == gb);
	assert_int_equal(f.cache.stats.trees_emptied, 3);
	/* an EPTP without a tree */
	ept_cache_invalidate(&f.cache, 0x5000);
	assert_true(hits(a, 0));
	ept_cache_invalidate_all(&f.cache);
	assert_false(hits(a, 0) || hits(ad, 0) || hits(b, 0) || hits(mbec, 0));
	assert_int_equal(f.cache.stats.invept_single, 2);
	assert_int_equal(f.cache.stats.invept_all, 1);
	assert_ptr_equal(find(0), a);
}

static void a_violation_is_forgotten_in_each_tree_of_the_address(void **state)
{
	struct ept_tree *a = find(0), *ad = ept_cache_find(&f.cache, bench_eptp(&f, 0, true), false);

	(void)state;
	*tables_entry(&f.t12, 0, 0, 1) = MIDDLE | EPT_R | WB_TYPE;
	assert_false(hits(a, 0) || hits(ad, 0));
	assert_int_equal(ept_cache_translate(&f.cache, ad, (l2pa){ 0 }, STORE, &m), EPT_MERGE_L1);
	assert_int_equal(f.cache.stats.dropped, 2);
	*tables_entry(&f.t12, 0, 0, 1) = (MIDDLE + 0x1000) | EPT_R | WB_TYPE;
	assert_false(hits(a, 0) || hits(ad, 0));
	assert_int_equal(m.to.v, TO + 0x1000);
}

static void a_full_pool_evicts_other_trees_first_and_then_starts_anew(void **state)
{
	struct ept_tree *a, *b;
	unsigned int i;
	u64 generation;

	(void)state;
	bench_cache(&f, 8, TREES);
	for (i = 0; i < 8; i++)
		tables_map(&f.t12, i * BIT(21), MIDDLE, 1, RWX | WB_TYPE);
	b = find(1);
	assert_false(hits(b, 0)); /* 4 pages */
	a = find(0);
	generation = a->generation;
	assert_false(hits(a, 0)); /* 4 pages */
	assert_int_equal(f.cache.stats.trees_evicted, 0);
	assert_false(hits(a, BIT(21)));
	assert_int_equal(f.cache.stats.trees_evicted, 1);
	assert_true(hits(a, 0) && hits(a, BIT(21)));
	for (i = 2; i < 5; i++)
		assert_false(hits(a, i * BIT(21)));
	assert_true(hits(a, 0));
	assert_int_equal(f.cache.stats.pool_pages, 8);
	assert_int_equal(a->generation, generation);
	assert_false(hits(a, 5 * BIT(21)));
	assert_int_not_equal(a->generation, generation);
	assert_int_equal(f.cache.stats.pool_pages, 4);
	assert_int_equal(f.cache.stats.pool_pages_peak, 8);
	assert_true(f.cache.stats.pool_exhausted >= 2);
	assert_true(hits(a, 5 * BIT(21)));
	assert_false(hits(a, 0));
}

static void the_smallest_pool_and_one_tree_translate_everything(void **state)
{
	unsigned int i, round;

	(void)state;
	bench_cache(&f, EPT_CACHE_MIN_PAGES, 1);
	for (round = 0; round < 3; round++)
		for (i = 0; i < 8; i++) {
			assert_false(hits(find(i), 0));
			assert_true(hits(find(i), 0));
		}
}

static void too_little_memory_is_refused(void **state)
{
	struct ept_cache_memory few = { f.pool, POOL_PA, f.descriptors, EPT_CACHE_MIN_PAGES - 1, f.trees, 1 };
	struct ept_cache_memory none = { f.pool, POOL_PA, f.descriptors, POOL_PAGES, f.trees, 0 };

	(void)state;
	assert_false(ept_cache_init(&f.cache, &few, &f.ept12, &f.ept01, 0));
	assert_false(ept_cache_init(&f.cache, &none, &f.ept12, &f.ept01, 0));
}

static void a_tree_alone_says_when_the_pool_is_empty_and_still_translates(void **state)
{
	struct ept_tree *a;

	(void)state;
	bench_cache(&f, 4, TREES);
	tables_map(&f.t12, BIT(21), MIDDLE + 0x7000, 1, RWX | WB_TYPE);
	a = find(0);
	assert_int_equal(ept_tree_fill(a, &f.ept01, (l2pa){ 0 }, LOAD, &m), EPT_MERGE_OK);
	assert_int_equal(ept_tree_fill(a, &f.ept01, (l2pa){ BIT(21) }, LOAD, &m), EPT_MERGE_POOL);
	assert_int_equal(m.to.v, TO + 0x7000);
	assert_false(ept_tree_lookup(a, (l2pa){ BIT(21) }, LOAD, &m));
	assert_true(ept_tree_lookup(a, (l2pa){ 0 }, LOAD, &m));
}

static void every_page_comes_back_to_the_pool(void **state)
{
	struct ept_list list = EPT_LIST_EMPTY, other = EPT_LIST_EMPTY;
	u32 i, taken[POOL_PAGES];

	(void)state;
	for (i = 0; i < POOL_PAGES; i++) {
		taken[i] = ept_pool_take(&f.cache.pool, i % 3 ? &list : &other, 1);
		assert_int_not_equal(taken[i], EPT_POOL_NONE);
		assert_int_equal(ept_pool_index(&f.cache.pool, ept_pool_pa(&f.cache.pool, taken[i])), taken[i]);
	}
	assert_int_equal(ept_pool_take(&f.cache.pool, &list, 1), EPT_POOL_NONE);
	for (i = 0; i < POOL_PAGES; i += 3)
		ept_pool_give(&f.cache.pool, &other, taken[i]);
	assert_int_equal(other.count, 0);
	ept_pool_give_all(&f.cache.pool, &other);
	ept_pool_give_all(&f.cache.pool, &list);
	assert_int_equal(f.cache.stats.pool_pages, 0);
	assert_int_equal(f.cache.pool.free.count, POOL_PAGES);
	for (i = 0; i < POOL_PAGES; i++)
		assert_int_not_equal(ept_pool_take(&f.cache.pool, &list, 1), EPT_POOL_NONE);
	assert_int_equal(ept_pool_index(&f.cache.pool, POOL_PA - 4096), EPT_POOL_NONE);
	assert_int_equal(ept_pool_index(&f.cache.pool, POOL_PA + POOL_PAGES * 4096), EPT_POOL_NONE);
}

static struct ept_difference found;

static bool report(void *ctx, const struct ept_difference *d)
{
	(void)ctx;
	found = *d;
	return false;
}

static bool stale(void *ctx, l2pa from, u64 bytes)
{
	const u64 *edited = ctx;

	return from.v <= *edited && *edited - from.v < bytes;
}

/* The leaf of EPT02 for address 0. */
static u64 *leaf02(const struct ept_tree *tree)
{
	u64 *page = ept_pool_host(tree->pool, tree->root);
	unsigned int level;

	for (level = 4; level > 1; level--)
		page = ept_pool_host(tree->pool, ept_pool_index(tree->pool, page[0] & EPT_ADDRESS));
	return &page[0];
}

static void the_checker_finds_each_kind_of_difference(void **state)
{
	struct ept_check c = { .report = report };
	unsigned int kind, seen = 0;

	(void)state;
	for (kind = 0; kind <= EPT_DIFFERS_TYPE; kind++) {
		struct ept_tree *tree;
		u64 *pte12, *leaf;

		setup(NULL);
		f.ept01.space.format.features |= EPT_USES_AD;
		bench_cache(&f, POOL_PAGES, TREES);
		tree = ept_cache_find(&f.cache, bench_eptp(&f, 0, true), false);
		pte12 = tables_entry(&f.t12, 0, 0, 1);
		*pte12 = MIDDLE | EPT_R | EPT_W | WB_TYPE;
		assert_int_equal(ept_cache_translate(&f.cache, tree, (l2pa){ 0 }, STORE, &m), EPT_MERGE_OK);
		assert_true(ept_check(tree, &f.ept01, &c));
		assert_int_equal(c.leaves, 1);
		assert_int_equal(c.tables, 4);
		leaf = leaf02(tree);
		switch ((enum ept_difference_kind)kind) {
		case EPT_DIFFERS_TABLE:
			ept_pool_host(tree->pool, tree->root)[0] = 0x1000 | RWX;
			break;
		case EPT_DIFFERS_ENTRY:
			*leaf = (*leaf & ~EPT_TYPE_MASK) | 7 << 3;
			break;
		case EPT_DIFFERS_EPT12:
			*pte12 = 0;
			break;
		case EPT_DIFFERS_EPT01:
			f.t01.page[0][ept_index(MIDDLE, 4)] = 0;
			break;
		case EPT_DIFFERS_SIZE:
			ept_pool_host(tree->pool, ept_pool_index(tree->pool, ept_pool_host(tree->pool, tree->root)[0] &
										     EPT_ADDRESS))[0] = TO | EPT_R |
													EPT_W |
													WB_TYPE | EPT_PS;
			break;
		case EPT_DIFFERS_ADDRESS:
			*leaf += 0x1000;
			break;
		case EPT_DIFFERS_RIGHTS:
			*leaf |= EPT_X;
			break;
		case EPT_DIFFERS_DIRTY:
			*pte12 &= ~EPT_D;
			break;
		case EPT_DIFFERS_ACCESSED:
			f.t01.page[0][ept_index(MIDDLE, 4)] &= ~EPT_A;
			break;
		case EPT_DIFFERS_TYPE:
			*leaf |= EPT_IPAT;
			break;
		}
		assert_false(ept_check(tree, &f.ept01, &c));
		assert_int_equal(found.kind, kind);
		assert_string_not_equal(ept_difference_text(found.kind), "unknown");
		seen++;
	}
	assert_int_equal(seen, 10);
	assert_string_equal(ept_difference_text((enum ept_difference_kind)99), "unknown");
}

static void leaves_that_may_be_stale_are_not_compared(void **state)
{
	u64 edited = 0x10;
	struct ept_check c = { .ctx = &edited, .report = report, .stale = stale };
	struct ept_tree *tree = find(0);

	(void)state;
	assert_false(hits(tree, 0));
	*tables_entry(&f.t12, 0, 0, 1) = 0;
	assert_true(ept_check(tree, &f.ept01, &c));
	assert_int_equal(c.skipped, 1);
	edited = 0x1000;
	assert_false(ept_check(tree, &f.ept01, &c));
	assert_int_equal(found.kind, EPT_DIFFERS_EPT12);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_eptp_used_before_finds_its_tree_and_its_pages, setup),
		cmocka_unit_test_setup(the_memory_type_of_an_eptp_makes_no_other_tree_but_ad_and_mbec_do, setup),
		cmocka_unit_test_setup(the_least_recently_used_tree_makes_room, setup),
		cmocka_unit_test_setup(single_context_invept_empties_every_tree_of_the_address_and_no_other, setup),
		cmocka_unit_test_setup(a_violation_is_forgotten_in_each_tree_of_the_address, setup),
		cmocka_unit_test_setup(a_full_pool_evicts_other_trees_first_and_then_starts_anew, setup),
		cmocka_unit_test_setup(the_smallest_pool_and_one_tree_translate_everything, setup),
		cmocka_unit_test_setup(too_little_memory_is_refused, setup),
		cmocka_unit_test_setup(a_tree_alone_says_when_the_pool_is_empty_and_still_translates, setup),
		cmocka_unit_test_setup(every_page_comes_back_to_the_pool, setup),
		cmocka_unit_test_setup(the_checker_finds_each_kind_of_difference, setup),
		cmocka_unit_test_setup(leaves_that_may_be_stale_are_not_compared, setup),
	};

	return cmocka_run_group_tests_name("ept_cache", tests, NULL, NULL);
}
