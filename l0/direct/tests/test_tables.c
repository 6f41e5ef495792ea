/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "../../cpu/tests/cmocka_headers.h"

#include <stdlib.h>

#include "../../cpu/mmu.h"
#include "../tables.h"

#define PAGES 64u
#define GPA 0xc0000000ull
#define RW (ACC_READ | ACC_WRITE)
#define RX (ACC_READ | ACC_EXEC)

static struct tables t;
static struct space s;

static int setup(void **state)
{
	(void)state;
	t = (struct tables){
		.base = aligned_alloc(TABLE_SIZE, PAGES * TABLE_SIZE), .gpa = GPA, .count = PAGES, .monitor = GPA
	};
	s = (struct space){ 0 };
	return t.base ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(t.base);
	return 0;
}

static void assert_maps(u64 linear, u64 gpa, unsigned int shift, unsigned int rights)
{
	unsigned int found;
	u64 e = space_entry(&t, &s, linear, &found);

	assert_true(e);
	assert_int_equal(found, shift);
	assert_int_equal(entry_gpa(e, shift), gpa);
	assert_int_equal(entry_rights(e), rights);
}

static void what_is_mapped_is_found_and_nothing_else(void **state)
{
	unsigned int shift;

	(void)state;
	assert_int_equal(space_entry(&t, &s, 0x400000, &shift), 0);
	assert_int_equal(space_map(&t, &s, 0x400000, 0x1000, 12, RX, 12), SPACE_DONE);
	assert_int_equal(space_map(&t, &s, 0x7fffffffe000, 0x2000, 12, RW, 12), SPACE_DONE);
	assert_int_equal(space_map(&t, &s, 0x40000000, 0x600000, 21, RW, 21), SPACE_DONE);
	assert_maps(0x400123, 0x1000, 12, RX);
	assert_maps(0x7fffffffefff, 0x2000, 12, RW);
	assert_maps(0x401fff00 & ~0ull, 0x600000, 21, RW);
	assert_int_equal(space_entry(&t, &s, 0x401000, &shift), 0);
	assert_int_equal(space_entry(&t, &s, 0x3ff000, &shift), 0);
	assert_true(space_has_region(&t, &s, 0x5fffff));
	assert_false(space_has_region(&t, &s, 0x600000));
}

static void every_root_has_the_monitor(void **state)
{
	const u64 *root;

	(void)state;
	assert_int_equal(space_map(&t, &s, 0, 0x1000, 12, RW, 12), SPACE_DONE);
	root = (const u64 *)(t.base + (s.root - GPA));
	assert_int_equal(root[MONITOR_SLOT] & ~0xfffull, t.monitor);
	assert_int_equal(root[MONITOR_SLOT] & 4, 0); /* not for CPL 3 */
}

static void rights_are_added_in_place_and_never_taken(void **state)
{
	u64 root;

	(void)state;
	assert_int_equal(space_map(&t, &s, 0x1000, 0x5000, 12, ACC_READ, 12), SPACE_DONE);
	root = s.root;
	assert_int_equal(space_map(&t, &s, 0x1000, 0x5000, 12, RW, 12), SPACE_DONE);
	assert_maps(0x1000, 0x5000, 12, RW);
	assert_int_equal(space_map(&t, &s, 0x1000, 0x5000, 12, RW | ACC_EXEC, 12), SPACE_DONE);
	assert_int_equal(space_map(&t, &s, 0x1000, 0x5000, 12, RX, 12), SPACE_REDUCES);
	assert_int_equal(space_map(&t, &s, 0x1000, 0x5000, 12, RW, 12), SPACE_REDUCES);
	assert_int_equal(space_map(&t, &s, 0x1000, 0x6000, 12, RW | ACC_EXEC, 12), SPACE_REDUCES);
	assert_int_equal(space_map(&t, &s, 0x0, 0x0, 21, RW | ACC_EXEC, 21), SPACE_REDUCES);
	assert_maps(0x1000, 0x5000, 12, RW | ACC_EXEC);
	assert_int_equal(s.root, root);
}

static void a_small_page_does_not_go_into_a_large_one(void **state)
{
	(void)state;
	assert_int_equal(space_map(&t, &s, 0x200000, 0x400000, 21, RW, 21), SPACE_DONE);
	assert_int_equal(space_map(&t, &s, 0x201000, 0x401000, 12, RX, 21), SPACE_REDUCES);
}

/* SDM vol. 3, "Operations that Invalidate TLBs and Paging-Structure Caches": INVLPG drops all of a page, however large */
static void invlpg_concerns_all_pieces_of_a_page(void **state)
{
	(void)state;
	assert_int_equal(space_map(&t, &s, 0x1000, 0x5000, 12, RW, 12), SPACE_DONE);
	assert_true(space_holds(&t, &s, 0x1fff));
	assert_false(space_holds(&t, &s, 0x2000));
	/* a piece of a 2 MiB page */
	assert_int_equal(space_map(&t, &s, 0x201000, 0x401000, 12, RW, 21), SPACE_DONE);
	assert_true(space_holds(&t, &s, 0x3ff000));
	assert_false(space_holds(&t, &s, 0x400000));
	/* of a 4 MiB page */
	assert_int_equal(space_map(&t, &s, 0x801000, 0x801000, 12, RW, 22), SPACE_DONE);
	assert_true(space_holds(&t, &s, 0xa00000));
	assert_false(space_holds(&t, &s, 0xc00000));
	/* of a 1 GiB page: everything */
	assert_int_equal(space_map(&t, &s, 0x40000000, 0x40000000, 21, RW, 30), SPACE_DONE);
	assert_true(space_holds(&t, &s, 0x7fe00000));
}

static void a_full_pool_changes_nothing(void **state)
{
	enum space_result r = SPACE_DONE;
	unsigned int shift, n;
	u32 next;

	(void)state;
	for (n = 0; r == SPACE_DONE; n++)
		r = space_map(&t, &s, (u64)n << 39, 0x1000, 12, RW, 12);
	assert_int_equal(r, SPACE_FULL);
	next = t.next;
	assert_int_equal(space_map(&t, &s, (u64)n << 39, 0x1000, 12, RW, 12), SPACE_FULL);
	assert_int_equal(t.next, next);
	assert_int_equal(space_entry(&t, &s, (u64)(n - 1) << 39, &shift), 0);
	assert_maps((u64)(n - 2) << 39, 0x1000, 12, RW);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_mapped_is_found_and_nothing_else),	 TEST(every_root_has_the_monitor),
		TEST(rights_are_added_in_place_and_never_taken), TEST(a_small_page_does_not_go_into_a_large_one),
		TEST(invlpg_concerns_all_pieces_of_a_page),	 TEST(a_full_pool_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
