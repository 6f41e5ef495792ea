/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The code cache's memory, which a thread touches one region ahead. */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../cpu/fpu.h"
#include "../feed.h"
#include "bt_bench.h"

#define PATIENCE 1000 /* naps of 10 ms */

static int setup(void **state)
{
	static struct bt_bench b; /* the tests run one after the other */

	bt_bench_create(&b, 16 << 20);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	bt_bench_destroy(*state);
	return 0;
}

/* All pages of [p, p + n) are in memory. */
static bool resident(const void *p, u64 n)
{
	u64 from = (u64)p & ~(PAGE_SIZE - 1ull), to = ((u64)p + n + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1ull);

	for (u64 at = from; at < to; at += PAGE_SIZE) {
		unsigned char there = 0;

		assert_int_equal(mincore((void *)at, PAGE_SIZE, &there), 0);
		if (!(there & 1))
			return false;
	}
	return true;
}

static bool fed(const struct bt *bt, const struct bt_region *r)
{
	return resident(bt->rw + r->hot.start, r->cold.end - r->hot.start) &&
	       resident(bt->blocks + r->first_block, r->block_max * sizeof(*bt->blocks)) &&
	       resident(bt->maps + r->first_map, r->map_max * sizeof(*bt->maps)) &&
	       resident(bt->notes + r->first_note, r->note_max * sizeof(*bt->notes));
}

static bool fed_soon(const struct bt *bt, const struct bt_region *r)
{
	for (int i = 0; i < PATIENCE; i++) {
		if (fed(bt, r))
			return true;
		usleep(10000);
	}
	return false;
}

static void the_first_region_has_memory_without_being_used(void **state)
{
	struct bt_bench *b = *state;
	struct bt *bt = b->bt;

	assert_true(fed_soon(bt, &bt->region[0]));
	assert_false(resident(bt->rw + bt->region[1].cold.start, PAGE_SIZE));
}

static void the_next_one_gets_it_when_one_is_half_full(void **state)
{
	struct bt_bench *b = *state;
	struct bt *bt = b->bt;
	struct bt_region *r = bt->open;

	assert_false(cache_is_half_full(bt));
	r->hot.used = r->hot.end;
	assert_true(cache_is_half_full(bt));
	assert_false(cache_is_half_full(bt));
	feed_next(bt->feed);
	assert_true(fed_soon(bt, &bt->region[1]));
	assert_false(resident(bt->rw + bt->region[2].cold.start, PAGE_SIZE));
}

static void more_is_asked_for_than_there_are_regions(void **state)
{
	struct bt_bench *b = *state;

	for (unsigned int i = 0; i < b->bt->regions + 2; i++)
		feed_next(b->bt->feed);
	assert_true(fed_soon(b->bt, &b->bt->region[b->bt->regions - 1]));
}

/* It costs more than translating a short block does to put the guest's vector state away and to get it back. */
static void translating_known_instructions_leaves_vector_state_where_it_is(void **state)
{
	static const u8 code[] = { 0x48, 0x89, 0xc3, 0x48, 0x8b, 0x4f, 0x08, 0xc3 }; /* mov rbx, rax; mov rcx, [rdi + 8]; ret */
	struct bt_bench *b = *state;

	vcpu_fpu_load_now(b->v);
	bt_bench_translate(b, 0x10000, code, sizeof(code));
	vcpu_fpu_load_now(b->v);
	bt_bench_translate(b, 0x20000, code, sizeof(code));
	assert_true(b->v->fpu_live);
	vcpu_fpu_park(b->v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(the_first_region_has_memory_without_being_used),
		T(the_next_one_gets_it_when_one_is_half_full),
		T(more_is_asked_for_than_there_are_regions),
		T(translating_known_instructions_leaves_vector_state_where_it_is),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
