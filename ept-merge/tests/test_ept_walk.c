/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walker over hand-built tables: translations, violations with their qualification, A/D flags, PML, tables that lie. */
#include "ept_bench.h"
#include "naive.h"

#define FROM 0x8040201000ull /* index 1 at every level */

static struct bench f;
static struct ept_walk w;

static int setup(void **state)
{
	(void)state;
	bench_init(&f);
	return 0;
}

static enum ept_walk_result walk(u64 from, u32 access)
{
	return ept_walk(&f.ept12.space, from, access, &w);
}

static u64 *entry(unsigned int level)
{
	return tables_entry(&f.t12, 0, FROM, level);
}

static void each_leaf_size_translates(void **state)
{
	static const u64 to[] = { 0, 0x123456000, 0x123400000, 0x140000000 };
	unsigned int level;

	(void)state;
	for (level = 1; level <= 3; level++) {
		u64 offset = BIT(ept_shift(level)) - 0x123;

		setup(NULL);
		tables_map(&f.t12, FROM & ~(BIT(ept_shift(level)) - 1), to[level], level, RWX | WB_TYPE | EPT_IPAT);
		assert_int_equal(walk((FROM & ~(BIT(ept_shift(level)) - 1)) + offset, LOAD), EPT_WALK_OK);
		assert_int_equal(w.to, to[level] + offset);
		assert_int_equal(w.shift, ept_shift(level));
		assert_int_equal(w.rights, EPT_RIGHTS_ALL);
		assert_int_equal(w.type, EPT_WB);
		assert_true(w.ipat);
		assert_true(w.dirty);
		assert_int_equal(w.level, level);
		assert_int_equal(w.refs, 5 - level);
	}
}

static void rights_of_all_levels_are_anded_and_the_access_judged_as_the_manual_says(void **state)
{
	static const u32 accesses[] = { LOAD, STORE, FETCH, FETCH | EPT_ACC_USER, MODIFY, STRUCTURE, EPT_ACC_READ };
	static const u64 sets[] = { 1, 3, 4, 5, 7, EPT_XU, EPT_XU | 1, EPT_XU | 3, EPT_XU | 4, EPT_XU | 7 };
	unsigned int leaf, level, a, i, features, counts[2] = { 0 };

	(void)state;
	for (features = 0; features < 4; features++)
		for (leaf = 1; leaf <= 3; leaf++)
			for (level = leaf; level <= 4; level++)
				for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
					for (a = 0; a < sizeof(accesses) / sizeof(accesses[0]); a++) {
						struct naive n;

						setup(NULL);
						bench_use(&f, features & 1, features & 2);
						tables_map(&f.t12, FROM & ~(BIT(ept_shift(leaf)) - 1), 0, leaf,
							   RWX | EPT_XU | WB_TYPE);
						*entry(level) = (*entry(level) & ~(RWX | EPT_XU)) | sets[i];
						n = naive_walk(&f.ept12.space, FROM, accesses[a]);
						assert_int_not_equal(n.what, NAIVE_MISCONFIG);
						assert_int_equal(walk(FROM, accesses[a]), n.what == NAIVE_VIOLATION
												  ? EPT_WALK_VIOLATION
												  : EPT_WALK_OK);
						if (n.what == NAIVE_VIOLATION)
							assert_int_equal(w.qualification, n.qualification);
						else
							assert_int_equal(w.rights, n.readable | n.writable << 1 |
											   n.execute_s << 2 |
											   n.execute_u << 3);
						counts[n.what]++;
					}
	assert_true(counts[0] > 200 && counts[1] > 200);
}

static void a_violation_has_the_qualification_of_its_row(void **state)
{
	/* clang-format off */
	static const struct {
		bool ad, mbec;
		u64 upper, leaf; /* rights in the PDE and in the PTE */
		u32 access, qualification;
	} rows[] = {
		/* hole */
		{ 0, 0, 7, 0, LOAD,                                    0x181 },
		{ 0, 0, 7, 0, STORE,                                   0x182 },
		{ 0, 0, 7, 0, FETCH,                                   0x184 },
		{ 0, 0, 0, 7, LOAD,                                    0x181 },
		/* a leaf without the right */
		{ 0, 0, 7, 1, STORE,                                   0x18a },
		{ 0, 0, 7, 3, FETCH,                                   0x19c },
		{ 0, 0, 7, 4, LOAD,                                    0x1a1 },
		{ 0, 0, 7, 4, MODIFY,                            0x1a3 },
		{ 0, 0, 7, 5, STORE,                                   0x1aa },
		/* what upper entries take away is missing below */
		{ 0, 0, 4, 7, LOAD,                                    0x1a1 },
		{ 0, 0, 1, 6 | 1, STORE,                               0x18a },
		{ 0, 0, 3, 5, STORE,                                   0x18a },
		/* guest paging structures: with A/D flags they are writes, and both bits are set */
		{ 0, 0, 7, 4, STRUCTURE,                               0x0a1 },
		{ 1, 0, 7, 1, STRUCTURE,                               0x08b },
		{ 1, 0, 7, 0, STRUCTURE,                               0x083 },
		{ 1, 0, 7, 1, EPT_ACC_WRITE | EPT_ACC_LINEAR,          0x08b },
		{ 1, 0, 7, 1, STORE,                                   0x18a },
		{ 0, 0, 7, 1, EPT_ACC_WRITE | EPT_ACC_LINEAR,          0x08a },
		/* PDPTEs loaded by MOV to CR: no linear address, and a read in any case */
		{ 0, 0, 7, 4, EPT_ACC_READ,                            0x021 },
		{ 1, 0, 7, 0, EPT_ACC_READ,                            0x001 },
		/* FINAL and advanced information mean nothing without a linear address */
		{ 0, 0, 7, 0, EPT_ACC_READ | EPT_ACC_FINAL | EPT_ACC_USER, 0x001 },
		/* advanced information, NMI unblocking */
		{ 0, 0, 7, 0, LOAD | EPT_ACC_USER,                     0x381 },
		{ 0, 0, 7, 0, LOAD | EPT_ACC_PAGE_WRITE | EPT_ACC_PAGE_NX, 0xd81 },
		{ 0, 0, 7, 0, STRUCTURE | EPT_ACC_USER | EPT_ACC_PAGE_NX, 0x081 },
		{ 0, 0, 7, 0, LOAD | EPT_ACC_NMI_UNBLOCKING,           0x1181 },
		{ 0, 0, 7, 0, LOAD | EPT_ACC_PROBE,                    0x181 },
		/* mode-based execute control */
		{ 0, 1, 7 | EPT_XU, 3 | EPT_XU, FETCH,                 0x1dc },
		{ 0, 1, 7 | EPT_XU, 7, FETCH | EPT_ACC_USER,           0x3bc },
		{ 0, 1, 7 | EPT_XU, EPT_XU, LOAD,                      0x1c1 },
		{ 0, 1, 7, 7 | EPT_XU, FETCH | EPT_ACC_USER,           0x3bc },
		/* without it bit 10 is ignored and bit 6 stays clear */
		{ 0, 0, 7, 1 | EPT_XU, STORE,                          0x18a },
	};
	/* clang-format on */
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setup(NULL);
		bench_use(&f, rows[i].ad, rows[i].mbec);
		tables_map(&f.t12, FROM, 0x5000, 1, rows[i].leaf);
		*entry(2) = (*entry(2) & ~(RWX | EPT_XU)) | rows[i].upper;
		if (walk(FROM, rows[i].access) != EPT_WALK_VIOLATION || w.qualification != rows[i].qualification)
			fail_msg("row %u: result %d, qualification %#x, expected %#x", i, w.result, w.qualification,
				 rows[i].qualification);
		assert_int_equal(naive_walk(&f.ept12.space, FROM, rows[i].access).qualification, rows[i].qualification);
	}
}

static void advanced_information_is_absent_where_it_is_not_offered(void **state)
{
	(void)state;
	f.ept12.space.format.features &= ~(u32)EPT_HAS_ADVANCED_INFO;
	assert_int_equal(walk(FROM, LOAD | EPT_ACC_USER | EPT_ACC_PAGE_NX), EPT_WALK_VIOLATION);
	assert_int_equal(w.qualification, 0x181);
}

static void a_misconfiguration_below_a_missing_right_is_still_a_misconfiguration(void **state)
{
	(void)state;
	tables_map(&f.t12, FROM, 0x5000, 1, RWX | 3 << 3);
	*entry(3) &= ~(EPT_W | EPT_X);
	assert_int_equal(walk(FROM, STORE), EPT_WALK_MISCONFIG);
	assert_int_equal(w.why, EPT_MISCONFIG_MEMORY_TYPE);
	assert_int_equal(w.level, 1);
	assert_int_equal(w.entry, 0x5000 | RWX | 3 << 3);
	/* a hole above it hides it */
	*entry(3) &= ~RWX;
	assert_int_equal(walk(FROM, STORE), EPT_WALK_VIOLATION);
	assert_int_equal(w.level, 3);
}

static void each_misconfiguration_is_found_at_each_level(void **state)
{
	unsigned int level;

	(void)state;
	for (level = 1; level <= 4; level++) {
		setup(NULL);
		tables_map(&f.t12, FROM, 0x5000, 1, RWX | WB_TYPE);
		*entry(level) |= BIT(46);
		assert_int_equal(walk(FROM, LOAD), EPT_WALK_MISCONFIG);
		assert_int_equal(w.why, EPT_MISCONFIG_RESERVED);
		assert_int_equal(w.level, level);
	}
}

static void suppress_ve_is_that_of_the_hole_or_of_the_leaf(void **state)
{
	(void)state;
	tables_map(&f.t12, FROM, 0x5000, 1, EPT_R | EPT_SUPPRESS_VE);
	walk(FROM, STORE);
	assert_true(w.suppress_ve);
	*entry(1) = EPT_SUPPRESS_VE;
	walk(FROM, STORE);
	assert_true(w.suppress_ve);
	*entry(1) = 0x5000 | EPT_R;
	*entry(2) |= EPT_SUPPRESS_VE; /* ignored there */
	walk(FROM, STORE);
	assert_false(w.suppress_ve);
}

static void tables_outside_memory_read_as_all_ones_and_are_misconfigured(void **state)
{
	unsigned int level;

	(void)state;
	for (level = 2; level <= 4; level++) {
		setup(NULL);
		tables_map(&f.t12, FROM, 0x5000, 1, RWX | WB_TYPE);
		*entry(level) = 0xdead0000 | RWX;
		assert_int_equal(walk(FROM, LOAD), EPT_WALK_MISCONFIG);
		assert_int_equal(w.level, level - 1);
		assert_int_equal(w.table, 0xdead0000);
	}
	f.ept12.space.root = 0xdead0000;
	assert_int_equal(walk(FROM, LOAD), EPT_WALK_MISCONFIG);
	/* with every address bit valid too */
	f.ept12.space.format.maxphyaddr = 52;
	assert_int_equal(walk(FROM, LOAD), EPT_WALK_MISCONFIG);
}

static void a_table_that_l0_must_bring_in_first_ends_the_walk(void **state)
{
	(void)state;
	tables_map(&f.t12, FROM, 0x5000, 1, RWX | WB_TYPE);
	f.later = T12_L1 + 2 * EPT_PAGE_SIZE;
	assert_int_equal(walk(FROM, LOAD), EPT_WALK_TABLE);
	assert_int_equal(w.table, f.later);
}

static void an_address_beyond_48_bits_is_a_hole(void **state)
{
	(void)state;
	tables_map(&f.t12, 0, 0x5000, 1, RWX | WB_TYPE);
	assert_int_equal(walk(BIT(48), LOAD), EPT_WALK_VIOLATION);
	assert_int_equal(w.qualification, 0x181);
	assert_int_equal(w.refs, 0);
}

static void a_table_that_points_to_itself_is_walked_like_any_other(void **state)
{
	(void)state;
	bench_use(&f, true, false);
	/* entry 1 of the root is PML4E, PDPTE, PDE and PTE of FROM at once */
	f.t12.page[0][1] = T12_L1 | RWX;
	assert_int_equal(walk(FROM + 8, LOAD), EPT_WALK_OK);
	assert_int_equal(w.to, T12_L1 + 8);
	assert_int_equal(w.type, EPT_UC);
	assert_int_equal(f.t12.page[0][1], T12_L1 | RWX | EPT_A);
	bench_pml(&f, 5);
	assert_int_equal(walk(FROM + 8, STORE), EPT_WALK_OK);
	assert_int_equal(f.t12.page[0][1], T12_L1 | RWX | EPT_A | EPT_D);
	assert_int_equal(f.logged, 1);
}

static void accessed_and_dirty_flags_are_set_at_the_levels_that_have_them(void **state)
{
	unsigned int leaf, level;

	(void)state;
	for (leaf = 1; leaf <= 3; leaf++) {
		setup(NULL);
		bench_use(&f, true, false);
		tables_map(&f.t12, FROM & ~(BIT(ept_shift(leaf)) - 1), 0, leaf, RWX | WB_TYPE);
		assert_int_equal(walk(FROM, LOAD), EPT_WALK_OK);
		assert_false(w.dirty);
		for (level = leaf; level <= 4; level++)
			assert_int_equal(*entry(level) & (EPT_A | EPT_D), EPT_A);
		assert_int_equal(walk(FROM, STORE), EPT_WALK_OK);
		assert_true(w.dirty);
		for (level = leaf; level <= 4; level++)
			assert_int_equal(*entry(level) & (EPT_A | EPT_D), level == leaf ? EPT_A | EPT_D : EPT_A);
		/* a read finds it dirty */
		assert_int_equal(walk(FROM, LOAD), EPT_WALK_OK);
		assert_true(w.dirty);
	}
}

static void without_eptp_bit_6_no_flag_is_set_and_with_a_probe_neither(void **state)
{
	struct tables before;

	(void)state;
	tables_map(&f.t12, FROM, 0x5000, 1, RWX | WB_TYPE);
	before = f.t12;
	assert_int_equal(walk(FROM, STORE), EPT_WALK_OK);
	assert_memory_equal(&before, &f.t12, sizeof(before));
	bench_use(&f, true, false);
	bench_pml(&f, 5);
	assert_int_equal(walk(FROM, STORE | EPT_ACC_PROBE), EPT_WALK_OK);
	assert_false(w.dirty);
	assert_memory_equal(&before, &f.t12, sizeof(before));
	assert_int_equal(f.logged, 0);
}

static void a_refused_access_leaves_no_flag(void **state)
{
	struct tables before;

	(void)state;
	bench_use(&f, true, false);
	tables_map(&f.t12, FROM, 0x5000, 1, EPT_R | WB_TYPE);
	before = f.t12;
	assert_int_equal(walk(FROM, STORE), EPT_WALK_VIOLATION);
	assert_memory_equal(&before, &f.t12, sizeof(before));
}

static void reading_a_guest_paging_structure_sets_dirty_but_a_pdpte_load_does_not(void **state)
{
	(void)state;
	bench_use(&f, true, false);
	bench_pml(&f, 5);
	tables_map(&f.t12, FROM, 0x5000, 1, RWX | WB_TYPE);
	assert_int_equal(walk(FROM, EPT_ACC_READ), EPT_WALK_OK);
	assert_int_equal(*entry(1) & EPT_D, 0);
	assert_int_equal(f.logged, 0);
	assert_int_equal(walk(FROM, STRUCTURE), EPT_WALK_OK);
	assert_int_equal(*entry(1) & EPT_D, EPT_D);
	assert_int_equal(f.logged, 1);
}

static void pml_logs_the_page_once_and_a_full_log_changes_nothing(void **state)
{
	struct tables before;

	(void)state;
	bench_use(&f, true, false);
	bench_pml(&f, 1);
	tables_map(&f.t12, FROM & ~0x1fffffull, 0, 2, RWX | WB_TYPE);
	assert_int_equal(walk(FROM + 0x3123, STORE), EPT_WALK_OK);
	assert_int_equal(f.logged, 1);
	assert_int_equal(f.pml[0], FROM + 0x3000); /* the page that was written, not the leaf's first */
	assert_int_equal(walk(FROM + 0x4000, STORE), EPT_WALK_OK); /* full, but nothing to set */
	assert_int_equal(f.logged, 1);
	*entry(2) &= ~EPT_D;
	before = f.t12;
	assert_int_equal(walk(FROM, STORE), EPT_WALK_PML_FULL);
	assert_memory_equal(&before, &f.t12, sizeof(before));
	/* an accessed flag alone asks as well */
	*entry(4) &= ~EPT_A;
	assert_int_equal(walk(FROM, LOAD), EPT_WALK_PML_FULL);
	f.pml_room = 1;
	assert_int_equal(walk(FROM, LOAD), EPT_WALK_OK);
	assert_int_equal(f.logged, 1);
}

static void flags_in_tables_that_cannot_be_written_are_lost_and_the_walk_goes_on(void **state)
{
	(void)state;
	bench_use(&f, true, false);
	tables_map(&f.t12, FROM, 0x5000, 1, RWX | WB_TYPE);
	f.read_only = true;
	assert_int_equal(walk(FROM, STORE), EPT_WALK_OK);
	assert_true(w.dirty);
	assert_int_equal(*entry(1), 0x5000 | RWX | WB_TYPE);
}

static void an_entry_cleared_by_another_processor_gets_no_flag(void **state)
{
	(void)state;
	bench_use(&f, true, false);
	bench_pml(&f, 5);
	tables_map(&f.t12, FROM, 0x5000, 1, RWX | WB_TYPE);
	f.race_at = entry(1);
	f.race_clear = *f.race_at;
	assert_int_equal(walk(FROM, STORE), EPT_WALK_VIOLATION);
	assert_int_equal(*entry(1), 0);
	assert_int_equal(f.logged, 0);
}

static void what_is_needed_follows_access_and_format(void **state)
{
	struct ept_format plain = { ALL_FEATURES, 46 }, ad = { ALL_FEATURES | EPT_USES_AD, 46 };

	(void)state;
	assert_int_equal(ept_needed(&plain, LOAD), EPT_RIGHT_R);
	assert_int_equal(ept_needed(&plain, STORE), EPT_RIGHT_W);
	assert_int_equal(ept_needed(&plain, FETCH), EPT_RIGHT_XS);
	assert_int_equal(ept_needed(&plain, FETCH | EPT_ACC_USER), EPT_RIGHT_XU);
	assert_int_equal(ept_needed(&plain, STRUCTURE), EPT_RIGHT_R);
	assert_int_equal(ept_needed(&ad, STRUCTURE), EPT_RIGHT_R | EPT_RIGHT_W);
	assert_int_equal(ept_needed(&ad, EPT_ACC_READ), EPT_RIGHT_R);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_leaf_size_translates, setup),
		cmocka_unit_test_setup(rights_of_all_levels_are_anded_and_the_access_judged_as_the_manual_says, setup),
		cmocka_unit_test_setup(a_violation_has_the_qualification_of_its_row, setup),
		cmocka_unit_test_setup(advanced_information_is_absent_where_it_is_not_offered, setup),
		cmocka_unit_test_setup(a_misconfiguration_below_a_missing_right_is_still_a_misconfiguration, setup),
		cmocka_unit_test_setup(each_misconfiguration_is_found_at_each_level, setup),
		cmocka_unit_test_setup(suppress_ve_is_that_of_the_hole_or_of_the_leaf, setup),
		cmocka_unit_test_setup(tables_outside_memory_read_as_all_ones_and_are_misconfigured, setup),
		cmocka_unit_test_setup(a_table_that_l0_must_bring_in_first_ends_the_walk, setup),
		cmocka_unit_test_setup(an_address_beyond_48_bits_is_a_hole, setup),
		cmocka_unit_test_setup(a_table_that_points_to_itself_is_walked_like_any_other, setup),
		cmocka_unit_test_setup(accessed_and_dirty_flags_are_set_at_the_levels_that_have_them, setup),
		cmocka_unit_test_setup(without_eptp_bit_6_no_flag_is_set_and_with_a_probe_neither, setup),
		cmocka_unit_test_setup(a_refused_access_leaves_no_flag, setup),
		cmocka_unit_test_setup(reading_a_guest_paging_structure_sets_dirty_but_a_pdpte_load_does_not, setup),
		cmocka_unit_test_setup(pml_logs_the_page_once_and_a_full_log_changes_nothing, setup),
		cmocka_unit_test_setup(flags_in_tables_that_cannot_be_written_are_lost_and_the_walk_goes_on, setup),
		cmocka_unit_test_setup(an_entry_cleared_by_another_processor_gets_no_flag, setup),
		cmocka_unit_test_setup(what_is_needed_follows_access_and_format, setup),
	};

	return cmocka_run_group_tests_name("ept_walk", tests, NULL, NULL);
}
