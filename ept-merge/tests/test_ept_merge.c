/* SPDX-License-Identifier: GPL-2.0-or-later */
/* EPT02 out of EPT12 and EPT01: sizes, rights, types, flags, who handles a miss, what is forgotten when. */
#include "ept_bench.h"

#define FROM 0x8040201000ull /* l2pa, index 1 at every level */
#define MIDDLE 0x4000000000ull /* l1pa, aligned to everything */
#define TO 0x80000000ull /* l0pa, aligned to 1 GiB */

static struct bench f;
static struct ept_merge m;
static struct ept_tree *tree;
static struct ept_check c;

static bool report(void *ctx, const struct ept_difference *d)
{
	(void)ctx;
	(void)d;
	return true;
}

static int setup(void **state)
{
	(void)state;
	bench_init(&f);
	bench_cache(&f, POOL_PAGES, TREES);
	tree = ept_cache_find(&f.cache, bench_eptp(&f, 0, false), false);
	c = (struct ept_check){ .report = report };
	return 0;
}

static void use(bool ad, bool mbec)
{
	tree = ept_cache_find(&f.cache, bench_eptp(&f, 0, ad), mbec);
}

static u64 base(unsigned int level)
{
	return FROM & ~(BIT(ept_shift(level)) - 1);
}

/* FROM by a leaf of each table; the leaf of EPT12 maps to MIDDLE, so offsets stay aligned */
static void map(unsigned int level12, u64 bits12, unsigned int level01, u64 bits01)
{
	u64 l1 = MIDDLE + (FROM & (BIT(ept_shift(level12)) - 1)), mask = BIT(ept_shift(level01)) - 1;

	tables_map(&f.t12, base(level12), MIDDLE, level12, bits12);
	tables_map(&f.t01, l1 & ~mask, TO, level01, bits01);
}

static enum ept_merge_result translate(u64 from, u32 access)
{
	return ept_cache_translate(&f.cache, tree, (l2pa){ from }, access, &m);
}

static void assert_checked(void)
{
	bool same = ept_check(tree, &f.ept01, &c);

	assert_true(same);
	assert_int_equal(c.skipped, 0);
}

static void the_smaller_page_size_is_entered(void **state)
{
	unsigned int l12, l01;

	(void)state;
	for (l12 = 1; l12 <= 3; l12++)
		for (l01 = 1; l01 <= 3; l01++) {
			unsigned int smaller = l12 < l01 ? l12 : l01;
			u64 l1 = MIDDLE + (FROM & (BIT(ept_shift(l12)) - 1));
			u64 to = TO + (l1 & (BIT(ept_shift(l01)) - 1)) + 0x10;

			setup(NULL);
			map(l12, RWX | WB_TYPE, l01, RWX | WB_TYPE);
			assert_int_equal(translate(FROM + 0x10, LOAD), EPT_MERGE_OK);
			assert_false(m.hit);
			assert_int_equal(m.to.v, to);
			assert_int_equal(m.l1.v, l1 + 0x10);
			assert_int_equal(m.shift, ept_shift(smaller));
			assert_int_equal(translate(FROM + 0x10, STORE), EPT_MERGE_OK);
			assert_true(m.hit);
			assert_int_equal(m.to.v, to);
			assert_int_equal(m.shift, ept_shift(smaller));
			assert_int_equal(f.cache.stats.fills_4k, smaller == 1);
			assert_int_equal(f.cache.stats.fills_2m, smaller == 2);
			assert_int_equal(f.cache.stats.fills_1g, smaller == 3);
			assert_int_equal(f.cache.stats.pool_pages, 5 - smaller);
			assert_checked();
			assert_int_equal(c.leaves, 1);
		}
}

static void pages_larger_than_ept02_may_have_are_entered_in_pieces(void **state)
{
	(void)state;
	f.cache.features = EPT_HAS_2M;
	ept_tree_destroy(tree);
	use(false, false);
	map(3, RWX | WB_TYPE, 3, RWX | WB_TYPE);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	assert_int_equal(f.cache.stats.fills_2m, 1);
	ept_tree_destroy(tree);
	f.cache.features = 0;
	use(false, false);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	assert_int_equal(f.cache.stats.fills_4k, 1);
	assert_checked();
}

static void rights_are_what_both_levels_give_for_every_pair(void **state)
{
	static const u64 sets[] = { 1, 3, 4, 5, 7, EPT_XU, EPT_XU | 1, EPT_XU | 3, EPT_XU | 4, EPT_XU | 7 };
	static const u32 accesses[] = { LOAD, STORE, FETCH, FETCH | EPT_ACC_USER };
	unsigned int i, j, a, modes, l12, l01, seen[3] = { 0 };

	(void)state;
	for (modes = 0; modes < 4; modes++)
		for (l12 = 1; l12 <= 3; l12++)
			for (l01 = 1; l01 <= 3; l01++)
				for (i = 0; i < 10; i++)
					for (j = 0; j < 10; j++)
						for (a = 0; a < 4; a++) {
							bool mbec12 = modes & 1, mbec01 = modes & 2;
							u32 r12 = (sets[i] & 7) |
								  (mbec12 ? sets[i] >> 10 & 1 : sets[i] >> 2 & 1) << 3;
							u32 r01 = (sets[j] & 7) |
								  (mbec01 ? sets[j] >> 10 & 1 : sets[j] >> 2 & 1) << 3;
							u32 need = a == 3 ? 8 : 1u << a;
							enum ept_merge_result want = EPT_MERGE_OK;

							bench_init(&f);
							if (mbec01)
								f.ept01.space.format.features |= EPT_USES_MBEC;
							bench_cache(&f, 8, 1);
							use(false, mbec12);
							map(l12, sets[i] | WB_TYPE, l01, sets[j] | WB_TYPE);
							if (!(r12 & need))
								want = EPT_MERGE_L1;
							else if (!(r01 & need))
								want = EPT_MERGE_L0;
							assert_int_equal(translate(FROM, accesses[a]), want);
							seen[want]++;
							if (want != EPT_MERGE_OK)
								continue;
							assert_int_equal(m.rights, r12 & r01);
							assert_int_equal(translate(FROM, accesses[a]), EPT_MERGE_OK);
							assert_true(m.hit);
							assert_int_equal(m.rights, r12 & r01);
							assert_checked();
						}
	for (i = 0; i < 3; i++)
		assert_true(seen[i] > 500);
}

static void memory_types_combine_like_mtrr_and_pat(void **state)
{
	static const u8 types[] = { EPT_UC, EPT_WC, EPT_WT, EPT_WP, EPT_WB };
	/* EPT01 down, EPT12 across */
	static const u8 want[5][5] = {
		{ EPT_UC, EPT_WC, EPT_UC, EPT_UC, EPT_UC }, { EPT_UC, EPT_WC, EPT_UC, EPT_UC, EPT_WC },
		{ EPT_UC, EPT_WC, EPT_WT, EPT_WP, EPT_WT }, { EPT_UC, EPT_WC, EPT_WT, EPT_WP, EPT_WP },
		{ EPT_UC, EPT_WC, EPT_WT, EPT_WP, EPT_WB },
	};
	unsigned int i, j, ipat;

	(void)state;
	for (i = 0; i < 5; i++)
		for (j = 0; j < 5; j++)
			for (ipat = 0; ipat < 4; ipat++) {
				setup(NULL);
				map(1, RWX | (u64)types[j] << 3 | (ipat & 1 ? EPT_IPAT : 0), 1,
				    RWX | (u64)types[i] << 3 | (ipat & 2 ? EPT_IPAT : 0));
				assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
				assert_int_equal(m.type, ipat & 2 ? types[i] : want[i][j]);
				assert_int_equal(m.ipat, ipat != 0);
				assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
				assert_true(m.hit);
				assert_int_equal(m.type, ipat & 2 ? types[i] : want[i][j]);
				assert_int_equal(m.ipat, ipat != 0);
				assert_checked();
			}
}

static void pages_of_which_no_right_is_left_are_not_entered(void **state)
{
	(void)state;
	map(1, EPT_R | WB_TYPE, 1, EPT_X | WB_TYPE);
	assert_int_equal(translate(FROM, EPT_ACC_LINEAR), EPT_MERGE_OK);
	assert_int_equal(m.rights, 0);
	assert_int_equal(f.cache.stats.pool_pages, 1);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_L0);
	assert_int_equal(translate(FROM, FETCH), EPT_MERGE_L1);
}

static void a_hole_in_ept12_is_for_l1_and_one_in_ept01_for_l0(void **state)
{
	(void)state;
	assert_int_equal(translate(FROM, STORE), EPT_MERGE_L1);
	assert_int_equal(m.ept12.result, EPT_WALK_VIOLATION);
	assert_int_equal(m.ept12.qualification, 0x182);
	tables_map(&f.t12, FROM, MIDDLE, 1, RWX | WB_TYPE);
	assert_int_equal(translate(FROM + 4, STORE), EPT_MERGE_L0);
	assert_int_equal(m.ept12.result, EPT_WALK_OK);
	assert_int_equal(m.ept01.result, EPT_WALK_VIOLATION);
	assert_int_equal(m.l1.v, MIDDLE + 4);
	/* an access that needs no right finds a hole all the same */
	assert_int_equal(translate(0, EPT_ACC_LINEAR), EPT_MERGE_L1);
	/* neither was remembered */
	tables_map(&f.t01, MIDDLE, TO, 1, RWX | WB_TYPE);
	assert_int_equal(translate(FROM + 4, STORE), EPT_MERGE_OK);
	assert_int_equal(f.cache.stats.l1_violations, 2);
	assert_int_equal(f.cache.stats.l0_misses, 1);
}

static void misconfigurations_are_for_l1_in_ept12_and_for_l0_in_ept01(void **state)
{
	(void)state;
	map(1, RWX | 2 << 3, 1, RWX | 2 << 3);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_L1);
	assert_int_equal(m.ept12.result, EPT_WALK_MISCONFIG);
	map(1, RWX | WB_TYPE, 1, RWX | 2 << 3);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_L0);
	assert_int_equal(m.ept01.result, EPT_WALK_MISCONFIG);
	f.later = T12_L1;
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_L0);
	assert_int_equal(m.ept12.result, EPT_WALK_TABLE);
	assert_int_equal(m.l1.v, T12_L1);
}

static void a_right_that_l1_adds_is_seen_without_invept_and_one_it_takes_after_invept(void **state)
{
	(void)state;
	map(1, EPT_R | WB_TYPE, 1, RWX | WB_TYPE);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	map(1, EPT_R | EPT_W | WB_TYPE, 1, RWX | WB_TYPE);
	assert_int_equal(translate(FROM, STORE), EPT_MERGE_OK);
	map(1, EPT_R | WB_TYPE, 1, RWX | WB_TYPE);
	assert_int_equal(translate(FROM, STORE), EPT_MERGE_OK); /* still cached, as on a processor */
	ept_cache_invalidate(&f.cache, bench_eptp(&f, 0, false));
	assert_int_equal(translate(FROM, STORE), EPT_MERGE_L1);
	assert_int_equal(m.ept12.qualification, 0x18a);
}

static void a_reflected_violation_forgets_the_leaf(void **state)
{
	(void)state;
	map(1, EPT_R | WB_TYPE, 2, RWX | WB_TYPE);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	assert_int_equal(translate(FROM, STORE), EPT_MERGE_L1);
	assert_int_equal(f.cache.stats.dropped, 1);
	/* L1 gives it another page, without INVEPT: a read must not find the old one */
	tables_map(&f.t12, FROM, MIDDLE + 0x5000, 1, RWX | WB_TYPE);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	assert_int_equal(m.to.v, TO + 0x5000);
	assert_checked();
}

/* Those of EPT02's leaf for FROM: set in advance, so that hardware has nothing to update there. */
static u64 flags02(void)
{
	struct ept_walk w;

	assert_int_equal(ept_walk(&tree->space, FROM, LOAD | EPT_ACC_PROBE, &w), EPT_WALK_OK);
	return w.entry & (EPT_A | EPT_D);
}

static void ept12_dirty_flags_are_exact_and_pml_logs_each_page_once(void **state)
{
	u64 *pte;

	(void)state;
	bench_pml(&f, 10);
	bench_cache(&f, POOL_PAGES, TREES);
	use(true, false);
	map(1, RWX | WB_TYPE, 2, RWX | WB_TYPE);
	pte = tables_entry(&f.t12, 0, FROM, 1);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	assert_int_equal(m.rights, EPT_RIGHTS_ALL & ~EPT_RIGHT_W);
	assert_int_equal(*pte & (EPT_A | EPT_D), EPT_A);
	assert_int_equal(flags02(), EPT_A);
	assert_checked();
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	assert_true(m.hit);
	assert_int_equal(translate(FROM + 8, STORE), EPT_MERGE_OK);
	assert_false(m.hit); /* the first write is a miss */
	assert_int_equal(m.rights, EPT_RIGHTS_ALL);
	assert_int_equal(*pte & (EPT_A | EPT_D), EPT_A | EPT_D);
	assert_int_equal(f.logged, 1);
	assert_int_equal(f.pml[0], FROM);
	assert_int_equal(translate(FROM + 8, STORE), EPT_MERGE_OK);
	assert_true(m.hit);
	assert_int_equal(flags02(), EPT_A | EPT_D);
	/* L1 clears the flags: seen after INVEPT */
	*pte &= ~(EPT_A | EPT_D);
	assert_int_equal(translate(FROM + 8, STORE), EPT_MERGE_OK);
	assert_int_equal(f.logged, 1);
	ept_cache_invalidate_all(&f.cache);
	f.pml_room = 0;
	assert_int_equal(translate(FROM + 8, STORE), EPT_MERGE_L1);
	assert_int_equal(m.ept12.result, EPT_WALK_PML_FULL);
	f.pml_room = 1;
	assert_int_equal(translate(FROM + 8, STORE), EPT_MERGE_OK);
	assert_int_equal(f.logged, 2);
	assert_checked();
}

static void reading_guest_paging_structures_with_ad_flags_dirties_them(void **state)
{
	(void)state;
	use(true, false);
	map(1, RWX | WB_TYPE, 1, RWX | WB_TYPE);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	assert_int_equal(translate(FROM, STRUCTURE), EPT_MERGE_OK);
	assert_false(m.hit);
	assert_int_equal(*tables_entry(&f.t12, 0, FROM, 1) & EPT_D, EPT_D);
	assert_int_equal(translate(FROM, STRUCTURE), EPT_MERGE_OK);
	assert_true(m.hit);
	/* read-only for L0: it works as a read, each time by a walk */
	ept_cache_invalidate_all(&f.cache);
	map(1, RWX | WB_TYPE, 1, EPT_R | WB_TYPE);
	assert_int_equal(translate(FROM, STRUCTURE), EPT_MERGE_OK);
	assert_int_equal(translate(FROM, STRUCTURE), EPT_MERGE_OK);
	assert_false(m.hit);
	assert_int_equal(m.rights, EPT_RIGHT_R);
	assert_int_equal(m.ept01.refs, 8); /* it was asked twice */
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	assert_true(m.hit);
	/* where EPT01 has dirty flags too, they are set, so that the next one is a hit */
	f.ept01.space.format.features |= EPT_USES_AD;
	bench_cache(&f, POOL_PAGES, TREES);
	use(true, false);
	map(1, RWX | WB_TYPE, 1, RWX | WB_TYPE);
	assert_int_equal(translate(FROM, STRUCTURE), EPT_MERGE_OK);
	assert_int_equal(m.rights, EPT_RIGHTS_ALL);
	assert_int_equal(m.ept01.refs, 4);
	assert_int_equal(translate(FROM, STRUCTURE), EPT_MERGE_OK);
	assert_true(m.hit);
}

static void ept01_dirty_flags_are_tracked_in_the_same_way(void **state)
{
	(void)state;
	f.ept01.space.format.features |= EPT_USES_AD;
	bench_cache(&f, POOL_PAGES, TREES);
	use(false, false);
	map(2, RWX | WB_TYPE, 1, RWX | WB_TYPE);
	tables_map(&f.t01, MIDDLE + 0x1000, TO, 1, RWX | WB_TYPE);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	assert_int_equal(*tables_entry(&f.t01, 0, MIDDLE + 0x1000, 1) & (EPT_A | EPT_D), EPT_A);
	assert_int_equal(translate(FROM, STORE), EPT_MERGE_OK);
	assert_false(m.hit);
	assert_int_equal(*tables_entry(&f.t01, 0, MIDDLE + 0x1000, 1) & (EPT_A | EPT_D), EPT_A | EPT_D);
	assert_checked();
}

static void a_probe_enters_nothing_and_drops_nothing(void **state)
{
	(void)state;
	map(1, EPT_R | WB_TYPE, 1, RWX | WB_TYPE);
	assert_int_equal(translate(FROM, LOAD | EPT_ACC_PROBE), EPT_MERGE_OK);
	assert_int_equal(f.cache.stats.pool_pages, 1);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	assert_int_equal(translate(FROM, STORE | EPT_ACC_PROBE), EPT_MERGE_L1);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	assert_true(m.hit);
}

static void a_large_leaf_gives_way_when_a_table_was_split_and_comes_back_when_it_was_joined(void **state)
{
	u64 *pde;

	(void)state;
	map(2, EPT_R | WB_TYPE, 2, RWX | WB_TYPE);
	assert_int_equal(translate(FROM, LOAD), EPT_MERGE_OK);
	assert_int_equal(f.cache.stats.fills_2m, 1);
	/* L1 splits its page without INVEPT and makes one piece writable */
	pde = tables_entry(&f.t12, 0, FROM, 2);
	*pde = 0;
	tables_map(&f.t12, FROM, MIDDLE + 0x1000, 1, EPT_R | EPT_W | WB_TYPE);
	assert_int_equal(translate(FROM, STORE), EPT_MERGE_OK);
	assert_int_equal(f.cache.stats.splits, 1);
	assert_int_equal(f.cache.stats.fills_4k, 1);
	assert_int_equal(f.cache.stats.pool_pages, 4);
	assert_checked();
	assert_int_equal(c.leaves, 1);
	/* and joins it again */
	*pde = MIDDLE | RWX | WB_TYPE | EPT_PS;
	assert_int_equal(translate(FROM, FETCH), EPT_MERGE_OK);
	assert_int_equal(f.cache.stats.remerges, 1);
	assert_int_equal(f.cache.stats.pool_pages, 3);
	assert_checked();
	assert_int_equal(c.leaves, 1);
}

static void a_whole_subtree_is_given_back_when_a_1_gib_leaf_replaces_it(void **state)
{
	unsigned int i;
	u64 *pdpte;

	(void)state;
	for (i = 0; i < 20; i++)
		tables_map(&f.t12, base(3) + i * 0x200000ull, MIDDLE + i * 0x1000ull, 1, EPT_R | WB_TYPE);
	tables_map(&f.t01, MIDDLE, TO, 3, RWX | WB_TYPE);
	for (i = 0; i < 20; i++)
		assert_int_equal(translate(base(3) + i * 0x200000ull, LOAD), EPT_MERGE_OK);
	assert_int_equal(f.cache.stats.pool_pages, 3 + 20);
	pdpte = tables_entry(&f.t12, 0, FROM, 3);
	*pdpte = MIDDLE | RWX | WB_TYPE | EPT_PS;
	assert_int_equal(translate(base(3), STORE), EPT_MERGE_OK);
	assert_int_equal(f.cache.stats.fills_1g, 1);
	assert_int_equal(f.cache.stats.pool_pages, 2);
	assert_int_equal(tree->pages.count, 2);
	assert_checked();
}

static void what_ept01_takes_back_is_removed_wherever_it_is_mapped(void **state)
{
	u64 old;

	(void)state;
	/* one L1 page at two L2 addresses, another page far away, and a large page */
	tables_map(&f.t01, MIDDLE, TO, 2, RWX | WB_TYPE);
	tables_map(&f.t01, MIDDLE + 0x40000000, TO + 0x40000000, 2, RWX | WB_TYPE);
	tables_map(&f.t12, FROM, MIDDLE + 0x3000, 1, RWX | WB_TYPE);
	tables_map(&f.t12, FROM + BIT(39), MIDDLE + 0x3000, 1, RWX | WB_TYPE);
	tables_map(&f.t12, FROM + BIT(30), MIDDLE + 0x40003000, 1, RWX | WB_TYPE);
	tables_map(&f.t12, 0, MIDDLE, 2, RWX | WB_TYPE);
	assert_int_equal(translate(FROM, STORE), EPT_MERGE_OK);
	assert_int_equal(translate(FROM + BIT(39), STORE), EPT_MERGE_OK);
	assert_int_equal(translate(FROM + BIT(30), STORE), EPT_MERGE_OK);
	assert_int_equal(translate(0x3000, STORE), EPT_MERGE_OK);
	old = tree->generation;
	*tables_entry(&f.t01, 0, MIDDLE, 2) = 0;
	tables_map(&f.t01, MIDDLE + 0x3000, TO + 0x3000, 1, EPT_R | WB_TYPE);
	ept_cache_remove_l1(&f.cache, (l1pa){ MIDDLE + 0x3000 }, 0x1000);
	assert_int_not_equal(tree->generation, old);
	assert_int_equal(f.cache.stats.tables_cleared, 3);
	assert_checked();
	assert_int_equal(translate(FROM, STORE), EPT_MERGE_L0);
	assert_int_equal(translate(FROM + BIT(39), STORE), EPT_MERGE_L0);
	assert_int_equal(translate(0x3000, STORE), EPT_MERGE_L0);
	assert_int_equal(translate(0x3000, LOAD), EPT_MERGE_OK);
	assert_int_equal(translate(FROM + BIT(30), STORE), EPT_MERGE_OK);
	assert_true(m.hit);
	/* ranges of nothing and of everything */
	ept_cache_remove_l1(&f.cache, (l1pa){ MIDDLE }, 0);
	assert_int_equal(translate(FROM + BIT(30), STORE), EPT_MERGE_OK);
	assert_true(m.hit);
	ept_cache_remove_l1(&f.cache, (l1pa){ 0x1000 }, ~0ull);
	assert_int_equal(translate(FROM + BIT(30), STORE), EPT_MERGE_OK);
	assert_false(m.hit);
}

static void a_three_dimensional_walk_takes_24_references_and_124_for_a_linear_address(void **state)
{
	unsigned int level, refs = 0;
	u64 table = 0x1000;

	(void)state;
	/* L2's four tables and its page at l2pa 0x1000.., L1's tables where EPT01 maps them */
	for (level = 0; level <= 4; level++)
		tables_map(&f.t12, table + level * 0x1000, MIDDLE + level * 0x1000, 1, RWX | WB_TYPE);
	tables_map(&f.t01, MIDDLE, TO, 1, RWX | WB_TYPE);
	for (level = 0; level <= 4; level++)
		tables_map(&f.t01, MIDDLE + level * 0x1000, TO + level * 0x1000, 1, RWX | WB_TYPE);
	for (level = 0; level < TABLES; level++)
		tables_map(&f.t01, T12_L1 + level * 0x1000, T12_L0 + level * 0x1000, 1, RWX | WB_TYPE);
	/* found by address: 4 + 4 */
	assert_int_equal(ept_merge_walk(&f.ept12, &f.ept01, (l2pa){ table }, LOAD, &m, &f.cache.stats), EPT_MERGE_OK);
	assert_int_equal(m.ept12.refs + m.ept01.refs, 8);
	f.ept12.space.table = ept_through_table;
	f.ept12.space.ctx = &f.through;
	for (level = 4; level >= 1; level--) {
		assert_int_equal(ept_merge_walk(&f.ept12, &f.ept01, (l2pa){ table }, STRUCTURE, &m, &f.cache.stats),
				 EPT_MERGE_OK);
		assert_int_equal(m.ept12.refs + m.ept01.refs, 24);
		refs += m.ept12.refs + m.ept01.refs + 1; /* L2's own entry */
		table += 0x1000;
	}
	assert_int_equal(ept_merge_walk(&f.ept12, &f.ept01, (l2pa){ table }, LOAD, &m, &f.cache.stats), EPT_MERGE_OK);
	assert_int_equal(m.to.v, TO + 0x4000);
	refs += m.ept12.refs + m.ept01.refs;
	assert_int_equal(refs, 124);
	/* out of EPT02: 4 */
	assert_int_equal(translate(table, LOAD), EPT_MERGE_OK);
	f.cache.stats.refs02 = 0;
	assert_int_equal(translate(table, LOAD), EPT_MERGE_OK);
	assert_true(m.hit);
	assert_int_equal(f.cache.stats.refs02, 4);
}

static void a_table_of_l1_that_ept01_does_not_map_or_has_read_only_is_l0s_business(void **state)
{
	(void)state;
	map(1, RWX | WB_TYPE, 1, RWX | WB_TYPE);
	f.ept12.space.table = ept_through_table;
	f.ept12.space.ctx = &f.through;
	bench_use(&f, true, false);
	assert_int_equal(ept_merge_walk(&f.ept12, &f.ept01, (l2pa){ FROM }, LOAD, &m, &f.cache.stats), EPT_MERGE_L0);
	assert_int_equal(m.ept12.result, EPT_WALK_TABLE);
	assert_int_equal(m.l1.v, T12_L1);
	assert_int_equal(f.through.why.result, EPT_WALK_VIOLATION);
	tables_map(&f.t01, T12_L1 & ~0x1fffffull, T12_L0 & ~0x1fffffull, 2, EPT_R | WB_TYPE);
	assert_int_equal(ept_merge_walk(&f.ept12, &f.ept01, (l2pa){ FROM }, LOAD, &m, &f.cache.stats), EPT_MERGE_L0);
	assert_int_equal(m.ept12.result, EPT_WALK_TABLE); /* the accessed flag can't be written */
	*tables_entry(&f.t01, 0, T12_L1, 2) |= EPT_W;
	assert_int_equal(ept_merge_walk(&f.ept12, &f.ept01, (l2pa){ FROM }, LOAD, &m, &f.cache.stats), EPT_MERGE_OK);
	assert_int_equal(*tables_entry(&f.t12, 0, FROM, 1) & EPT_A, EPT_A);
}

static void ept12_that_maps_its_own_tables_is_merged_like_any_other(void **state)
{
	(void)state;
	use(true, false);
	f.t12.page[0][1] = T12_L1 | RWX;
	tables_map(&f.t01, T12_L1, T12_L0, 1, RWX | WB_TYPE);
	assert_int_equal(translate(FROM + 8, STORE), EPT_MERGE_OK);
	assert_int_equal(m.to.v, T12_L0 + 8);
	assert_checked();
}

static void ept02_as_an_eptp_is_valid(void **state)
{
	struct ept_format any = { ALL_FEATURES, 46 };

	(void)state;
	assert_true(ept_eptp_valid(&any, ept_tree_eptp(tree)));
	assert_int_equal(ept_tree_eptp(tree) & EPTP_AD, 0);
	use(true, false);
	assert_int_equal(ept_tree_eptp(tree) & EPTP_AD, EPTP_AD);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_smaller_page_size_is_entered, setup),
		cmocka_unit_test_setup(pages_larger_than_ept02_may_have_are_entered_in_pieces, setup),
		cmocka_unit_test_setup(rights_are_what_both_levels_give_for_every_pair, setup),
		cmocka_unit_test_setup(memory_types_combine_like_mtrr_and_pat, setup),
		cmocka_unit_test_setup(pages_of_which_no_right_is_left_are_not_entered, setup),
		cmocka_unit_test_setup(a_hole_in_ept12_is_for_l1_and_one_in_ept01_for_l0, setup),
		cmocka_unit_test_setup(misconfigurations_are_for_l1_in_ept12_and_for_l0_in_ept01, setup),
		cmocka_unit_test_setup(a_right_that_l1_adds_is_seen_without_invept_and_one_it_takes_after_invept, setup),
		cmocka_unit_test_setup(a_reflected_violation_forgets_the_leaf, setup),
		cmocka_unit_test_setup(ept12_dirty_flags_are_exact_and_pml_logs_each_page_once, setup),
		cmocka_unit_test_setup(reading_guest_paging_structures_with_ad_flags_dirties_them, setup),
		cmocka_unit_test_setup(ept01_dirty_flags_are_tracked_in_the_same_way, setup),
		cmocka_unit_test_setup(a_probe_enters_nothing_and_drops_nothing, setup),
		cmocka_unit_test_setup(a_large_leaf_gives_way_when_a_table_was_split_and_comes_back_when_it_was_joined,
				       setup),
		cmocka_unit_test_setup(a_whole_subtree_is_given_back_when_a_1_gib_leaf_replaces_it, setup),
		cmocka_unit_test_setup(what_ept01_takes_back_is_removed_wherever_it_is_mapped, setup),
		cmocka_unit_test_setup(a_three_dimensional_walk_takes_24_references_and_124_for_a_linear_address, setup),
		cmocka_unit_test_setup(a_table_of_l1_that_ept01_does_not_map_or_has_read_only_is_l0s_business, setup),
		cmocka_unit_test_setup(ept12_that_maps_its_own_tables_is_merged_like_any_other, setup),
		cmocka_unit_test_setup(ept02_as_an_eptp_is_valid, setup),
	};

	return cmocka_run_group_tests_name("ept_merge", tests, NULL, NULL);
}
