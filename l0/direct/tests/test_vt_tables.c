/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables for L2s on VT, in both formats, beside a model that is an array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../cpu/mmu.h"
#include "../vt.h"

#define PAGES 64u
#define GPA 0xe0000000ull
#define MIB2 BIT(21)

struct fixture {
	struct tables t;
	const struct vt_format *format;
	u64 root;
};

static void begin(struct fixture *f, const struct vt_format *format, u32 pages)
{
	*f = (struct fixture){ .t = { .gpa = GPA, .count = pages }, .format = format };
	f->t.base = calloc(pages, TABLE_SIZE);
	assert_non_null(f->t.base);
	assert_non_null(table_new(&f->t, &f->root));
}

static void end(struct fixture *f)
{
	free(f->t.base);
}

static enum space_result map(struct fixture *f, u64 from, u64 to, unsigned int shift, unsigned int rights)
{
	return vt_map(&f->t, f->format, f->root, from, to, shift, rights);
}

static unsigned int mapped(const struct fixture *f, u64 from)
{
	unsigned int shift;

	return vt_mapped(&f->t, f->format, f->root, from, &shift);
}

static unsigned int size(const struct fixture *f, u64 from)
{
	unsigned int shift;

	vt_mapped(&f->t, f->format, f->root, from, &shift);
	return shift;
}

/* The entry itself, as a processor walks to it */
static u64 walk(const struct fixture *f, u64 from)
{
	u64 table = f->root, e;

	for (unsigned int shift = 39;; shift -= 9) {
		e = ((u64 *)(f->t.base + (table - GPA)))[from >> shift & 511];
		if (!(e & 1) || shift == 12 || (shift == 21 && (e & BIT(7))))
			return e;
		table = e & 0x000ffffffffff000ull;
	}
}

/* SDM vol. 3, "Format of an EPT Page-Table Entry that Maps a 4-KByte Page" */
static void ept_entries_are_the_manuals(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, &VT_EPT, PAGES);
	assert_int_equal(map(&f, 0x7000, 0x123000, 12, ACC_READ), SPACE_DONE);
	assert_int_equal(walk(&f, 0x7000), 0x123000 | 6 << 3 | 1);
	assert_int_equal(map(&f, 0x8000, 0x124000, 12, ACC_READ | ACC_WRITE | ACC_EXEC), SPACE_DONE);
	assert_int_equal(walk(&f, 0x8000), 0x124000 | 6 << 3 | 7);
	assert_int_equal(map(&f, MIB2, 4 * MIB2, 21, ACC_READ | ACC_EXEC), SPACE_DONE);
	assert_int_equal(walk(&f, MIB2 + 0x5000), (4 * MIB2) | 6 << 3 | BIT(7) | 5);
	end(&f);
}

/* AMD's manual vol. 2, "Nested Paging": a user page, as every access of the guest's is one */
static void nested_paging_entries_are_the_manuals(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, &VT_NPT, PAGES);
	assert_int_equal(map(&f, 0x7000, 0x123000, 12, ACC_READ), SPACE_DONE);
	assert_int_equal(walk(&f, 0x7000), BIT(63) | 0x123000 | 0x65);
	assert_int_equal(map(&f, 0x8000, 0x124000, 12, ACC_READ | ACC_WRITE | ACC_EXEC), SPACE_DONE);
	assert_int_equal(walk(&f, 0x8000), 0x124000 | 0x67);
	assert_int_equal(map(&f, MIB2, 4 * MIB2, 21, ACC_READ | ACC_EXEC), SPACE_DONE);
	assert_int_equal(walk(&f, MIB2 + 0x5000), (4 * MIB2) | 0xe5);
	end(&f);
}

static void rights_come_and_stay(void **state)
{
	const struct vt_format *formats[] = { &VT_EPT, &VT_NPT };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fixture f;

		begin(&f, formats[i], PAGES);
		assert_int_equal(mapped(&f, 0x7000), 0);
		map(&f, 0x7000, 0x123000, 12, ACC_READ);
		assert_int_equal(mapped(&f, 0x7000), ACC_READ);
		map(&f, 0x7000, 0x123000, 12, ACC_READ | ACC_EXEC);
		assert_int_equal(mapped(&f, 0x7000), ACC_READ | ACC_EXEC);
		map(&f, 0x7000, 0x123000, 12, ACC_READ | ACC_WRITE);
		assert_int_equal(mapped(&f, 0x7000), ACC_READ | ACC_WRITE | ACC_EXEC);
		assert_int_equal(mapped(&f, 0x8000), 0);
		assert_int_equal(map(&f, 0x7000, 0x124000, 12, ACC_READ), SPACE_REDUCES);
		assert_int_equal(walk(&f, 0x7000) & 0xfffff000, 0x123000);
		end(&f);
	}
}

static void pages_of_two_sizes_dont_mix(void **state)
{
	const struct vt_format *formats[] = { &VT_EPT, &VT_NPT };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fixture f;

		begin(&f, formats[i], PAGES);
		assert_int_equal(map(&f, 2 * MIB2, 5 * MIB2, 21, ACC_READ | ACC_EXEC), SPACE_DONE);
		assert_int_equal(map(&f, 2 * MIB2 + 0x3000, 5 * MIB2 + 0x3000, 12, ACC_READ | ACC_WRITE), SPACE_REDUCES);
		for (u64 at = 0; at < MIB2; at += 4096) {
			assert_int_equal(size(&f, 2 * MIB2 + at), 21);
			assert_int_equal(mapped(&f, 2 * MIB2 + at), ACC_READ | ACC_EXEC);
		}
		assert_int_equal(map(&f, 3 * MIB2 + 0x3000, 6 * MIB2 + 0x3000, 12, ACC_READ | ACC_WRITE), SPACE_DONE);
		assert_int_equal(map(&f, 3 * MIB2, 6 * MIB2, 21, ACC_READ), SPACE_REDUCES);
		assert_int_equal(size(&f, 3 * MIB2 + 0x3000), 12);
		assert_int_equal(mapped(&f, 3 * MIB2 + 0x3000), ACC_READ | ACC_WRITE);
		assert_int_equal(mapped(&f, 3 * MIB2 + 0x4000), 0);
		end(&f);
	}
}

static void a_large_page_can_be_written_later(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, &VT_EPT, PAGES);
	map(&f, 0, MIB2, 21, ACC_READ | ACC_EXEC);
	assert_int_equal(map(&f, 0, MIB2, 21, ACC_READ | ACC_WRITE), SPACE_DONE);
	assert_int_equal(mapped(&f, 0x5000), ACC_READ | ACC_WRITE | ACC_EXEC);
	assert_int_equal(size(&f, 0x5000), 21);
	end(&f);
}

static void full_tables_change_nothing(void **state)
{
	struct fixture f;
	u8 before[6 * TABLE_SIZE];

	(void)state;
	begin(&f, &VT_EPT, 6);
	assert_int_equal(map(&f, 0, 0, 12, ACC_READ), SPACE_DONE);
	memcpy(before, f.t.base, sizeof(before));
	assert_int_equal(map(&f, BIT(40), 0x5000, 12, ACC_READ), SPACE_FULL);
	assert_memory_equal(before, f.t.base, sizeof(before));
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ept_entries_are_the_manuals),
		cmocka_unit_test(nested_paging_entries_are_the_manuals),
		cmocka_unit_test(rights_come_and_stay),
		cmocka_unit_test(pages_of_two_sizes_dont_mix),
		cmocka_unit_test(a_large_page_can_be_written_later),
		cmocka_unit_test(full_tables_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
