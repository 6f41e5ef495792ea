/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RAM and the map of it */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "../layout.h"
#include "../memory_map.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* The kernel says whether it could read there: no signal handler needed. */
static bool readable(const u8 *p)
{
	int pair[2];
	bool ok;

	assert_int_equal(pipe(pair), 0);
	ok = write(pair[1], p, 1) == 1;
	close(pair[0]);
	close(pair[1]);
	return ok;
}

static void ram_lies_at_base_plus_address_on_both_sides_of_the_hole(void **state)
{
	struct memory m;

	(void)state;
	assert_int_equal(memory_init(&m, 4 * GIB), 0);
	assert_int_equal(m.low, MEMORY_HOLE_START);
	assert_int_equal(m.high, GIB);
	assert_int_equal((uintptr_t)m.base % (2 * MIB), 0);
	m.base[0] = 1;
	m.base[MEMORY_HOLE_START - 1] = 2;
	m.base[MEMORY_HIGH_START] = 3;
	m.base[MEMORY_HIGH_START + GIB - 1] = 4;
	assert_false(readable(m.base + MEMORY_HOLE_START));
	assert_false(readable(m.base + MEMORY_HIGH_START - 1));
	assert_false(readable(m.base + MEMORY_HIGH_START + GIB));
	assert_ptr_equal(memory_host(&m, MEMORY_HIGH_START), m.base + MEMORY_HIGH_START);
	assert_null(memory_host(&m, MEMORY_HOLE_START));
	/* low and high don't share pages of the file */
	assert_int_equal(m.base[0], 1);
	assert_int_equal(m.base[MEMORY_HOLE_START - 1], 2);
	memory_destroy(&m);
}

static void all_of_it_can_be_touched_at_once(void **state)
{
	static u8 there[MEMORY_HOLE_START / PAGE_SIZE];
	struct memory m;
	u64 pages = 0;

	(void)state;
	assert_int_equal(memory_init(&m, 16 * MIB), 0);
	memory_touch(&m);
	assert_int_equal(mincore(m.base, m.low, there), 0);
	for (u64 i = 0; i < m.low / PAGE_SIZE; i++)
		pages += there[i] & 1;
	assert_int_equal(pages, m.low / PAGE_SIZE);
	assert_int_equal(m.base[m.low - 1], 0);
	memory_destroy(&m);
}

static void every_page_has_its_own_flags(void **state)
{
	struct memory m;

	(void)state;
	assert_int_equal(memory_init(&m, MEMORY_HOLE_START + 2 * PAGE_SIZE), 0);
	assert_ptr_equal(memory_flag(&m, 0), m.flags);
	assert_ptr_equal(memory_flag(&m, PAGE_SIZE + 5), m.flags + 1);
	assert_ptr_equal(memory_flag(&m, MEMORY_HIGH_START), m.flags + MEMORY_HOLE_START / PAGE_SIZE);
	*memory_flag(&m, MEMORY_HIGH_START + 2 * PAGE_SIZE - 1) = PAGE_CODE;
	assert_int_equal(m.flags[MEMORY_HOLE_START / PAGE_SIZE + 1], PAGE_CODE);
	memory_destroy(&m);
}

static void small_memory_has_no_high_part_and_an_end(void **state)
{
	struct memory m;

	(void)state;
	assert_int_equal(memory_init(&m, 16 * MIB), 0);
	assert_int_equal(m.low, 16 * MIB);
	assert_int_equal(m.high, 0);
	assert_true(readable(m.base + 16 * MIB - 1));
	assert_false(readable(m.base + 16 * MIB));
	assert_false(memory_is_ram(&m, 16 * MIB));
	assert_true(memory_range_is_ram(&m, 16 * MIB - 1, 1));
	assert_false(memory_range_is_ram(&m, 16 * MIB - 1, 2));
	assert_false(memory_range_is_ram(&m, 16 * MIB - 1, UINT64_MAX));
	memory_destroy(&m);
}

static void impossible_sizes_are_refused(void **state)
{
	struct memory m;

	(void)state;
	assert_int_equal(memory_init(&m, 0), -EINVAL);
	assert_int_equal(memory_init(&m, PAGE_SIZE + 1), -EINVAL);
	assert_int_equal(memory_init(&m, UINT64_MAX & ~(PAGE_SIZE - 1)), -ENOMEM);
	assert_int_equal(memory_init(&m, 1ull << 60), -ENOMEM);
	assert_null(m.base);
	/* may follow a failure */
	memory_destroy(&m);
}

static void assert_sorted(const struct memory_map_entry *map, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		assert_true(map[i].size > 0);
		if (i)
			assert_true(map[i - 1].start + map[i - 1].size <= map[i].start);
	}
}

static const struct memory_map_entry *find(const struct memory_map_entry *map, unsigned int n, u64 gpa)
{
	for (unsigned int i = 0; i < n; i++)
		if (gpa >= map[i].start && gpa - map[i].start < map[i].size)
			return &map[i];
	return NULL;
}

static void map_tells_ram_from_what_firmware_keeps(void **state)
{
	const struct {
		u64 gpa;
		u32 type; /* 0: not in the map */
	} rows[] = {
		{ 0, MEMORY_RAM },
		{ LAYOUT_EBDA - 1, MEMORY_RAM },
		{ LAYOUT_EBDA, MEMORY_RESERVED },
		{ 0x9ffff, MEMORY_RESERVED },
		{ 0xa0000, 0 },
		{ 0xeffff, 0 },
		{ 0xf0000, MEMORY_RESERVED },
		{ 0x100000, MEMORY_RAM },
		{ MEMORY_HOLE_START - LAYOUT_ACPI_SIZE - 1, MEMORY_RAM },
		{ MEMORY_HOLE_START - LAYOUT_ACPI_SIZE, MEMORY_ACPI },
		{ MEMORY_HOLE_START - 1, MEMORY_NVS },
		{ MEMORY_HOLE_START, 0 },
		{ 0xfec00000, MEMORY_RESERVED },
		{ 0xfee00fff, MEMORY_RESERVED },
		{ 0xffffffff, 0 },
		{ MEMORY_HIGH_START, MEMORY_RAM },
		{ MEMORY_HIGH_START + GIB - 1, MEMORY_RAM },
		{ MEMORY_HIGH_START + GIB, 0 },
	};
	struct memory_map_entry map[MEMORY_MAP_MAX];
	struct memory m = { .low = MEMORY_HOLE_START, .high = GIB };
	unsigned int n = memory_map_build(&m, map);

	(void)state;
	assert_sorted(map, n);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct memory_map_entry *e = find(map, n, rows[i].gpa);

		if ((e ? e->type : 0) != rows[i].type)
			fail_msg("0x%llx: expected type %u, got %u", (unsigned long long)rows[i].gpa, rows[i].type,
				 e ? e->type : 0);
	}
}

static void map_of_a_small_machine_has_no_high_entry(void **state)
{
	struct memory_map_entry map[MEMORY_MAP_MAX];
	struct memory m = { .low = 16 * MIB };
	unsigned int n = memory_map_build(&m, map);

	(void)state;
	assert_sorted(map, n);
	assert_true(map[n - 1].start < MEMORY_HIGH_START);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ram_lies_at_base_plus_address_on_both_sides_of_the_hole),
		cmocka_unit_test(all_of_it_can_be_touched_at_once),
		cmocka_unit_test(every_page_has_its_own_flags),
		cmocka_unit_test(small_memory_has_no_high_part_and_an_end),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(map_tells_ram_from_what_firmware_keeps),
		cmocka_unit_test(map_of_a_small_machine_has_no_high_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
