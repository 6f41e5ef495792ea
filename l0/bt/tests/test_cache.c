/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocks: how they are found, chained, dropped. Nothing is run. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "../../cpu/mode.h"
#include "bt_bench.h"

#define A 0x10000u
#define B 0x10100u
#define OTHER_PAGE 0x20000u

static const u8 jmp_to_b[] = { 0xe9, 0xfb, 0x00, 0x00, 0x00 }; /* at A */
static const u8 ret[] = { 0xc3 };

static int setup(void **state)
{
	static struct bt_bench b; /* the tests run one after the other */

	bt_bench_create(&b, 1 << 20);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	bt_bench_destroy(*state);
	return 0;
}

/* the block's first exit */
static u32 aimed_at(struct bt_bench *b, const struct bt_block *block)
{
	u32 patch = exit_patch(block, 0);
	s32 rel;

	memcpy(&rel, b->bt->rw + patch, 4);
	return patch + 4 + (u32)rel;
}

static u32 index_of(struct bt_bench *b, const struct bt_block *block)
{
	return (u32)(block - b->bt->blocks);
}

static void a_block_is_found_by_physical_address_and_mode(void **state)
{
	struct bt_bench *b = *state;
	struct bt_block *block = bt_bench_translate(b, A, ret, sizeof(ret));

	assert_ptr_equal(cache_find(b->bt, A, UINT64_MAX, b->v->mode), block);
	assert_null(cache_find(b->bt, A + 1, UINT64_MAX, b->v->mode));
	assert_null(cache_find(b->bt, A, UINT64_MAX, b->v->mode ^ MODE_CPL3));
}

static void a_jump_within_the_page_is_chained_and_undone_when_its_target_is_dropped(void **state)
{
	struct bt_bench *b = *state;
	struct bt_block *from = bt_bench_translate(b, A, jmp_to_b, sizeof(jmp_to_b));
	struct bt_block *to = bt_bench_translate(b, B, ret, sizeof(ret));
	struct bt_exit *x = &from->exit[0];

	assert_int_not_equal(x->patch, 0);
	assert_int_equal(aimed_at(b, from), exit_stub(from, 0));
	cache_chain(b->bt, index_of(b, from) * 2, to);
	assert_int_equal(aimed_at(b, from), block_direct(to));
	assert_int_equal(to->incoming, index_of(b, from) * 2);
	cache_drop(b->bt, to);
	assert_int_equal(aimed_at(b, from), exit_stub(from, 0));
	assert_int_equal(x->target, BLOCK_NONE);
	assert_null(cache_find(b->bt, B, UINT64_MAX, b->v->mode));
	/* whoever still has its address is sent to the lookup */
	assert_int_equal(b->bt->rw[to->code], 0xe9);
	assert_true(from->valid);
}

static void dropping_the_source_leaves_the_target_without_it(void **state)
{
	struct bt_bench *b = *state;
	struct bt_block *from = bt_bench_translate(b, A, jmp_to_b, sizeof(jmp_to_b));
	struct bt_block *to = bt_bench_translate(b, B, ret, sizeof(ret));

	cache_chain(b->bt, index_of(b, from) * 2, to);
	cache_drop(b->bt, from);
	assert_int_equal(to->incoming, BLOCK_NONE);
	assert_true(to->valid);
}

static void a_jump_to_another_page_is_not_chained(void **state)
{
	static const u8 far_away[] = { 0xe9, 0x00, 0x10, 0x00, 0x00 };
	struct bt_bench *b = *state;
	struct bt_block *from = bt_bench_translate(b, A, far_away, sizeof(far_away));

	assert_int_equal(from->exit[0].patch, 0);
}

static void a_write_drops_what_it_overlaps_and_nothing_else(void **state)
{
	struct bt_bench *b = *state;
	struct bt_block *first = bt_bench_translate(b, A, jmp_to_b, sizeof(jmp_to_b));
	struct bt_block *second = bt_bench_translate(b, B, ret, sizeof(ret));
	struct bt_block *third = bt_bench_translate(b, OTHER_PAGE, ret, sizeof(ret));
	_Atomic u8 *flag = memory_flag(&b->machine.memory, A);

	assert_true(*flag & PAGE_CODE);
	assert_false(cache_written(b->bt, A + sizeof(jmp_to_b), 8, (u64)cache_rx(b->bt, first->code)));
	assert_true(first->valid && second->valid);
	assert_true(cache_written(b->bt, A + sizeof(jmp_to_b) - 1, 1, (u64)cache_rx(b->bt, first->cold)));
	assert_false(first->valid);
	assert_true(second->valid && third->valid);
	assert_true(*flag & PAGE_CODE);
	cache_written(b->bt, B - 4, 5, 0);
	assert_false(second->valid);
	assert_false(*flag & PAGE_CODE);
	assert_true(third->valid);
}

static void data_beside_code_that_keeps_being_written_costs_the_page_its_code(void **state)
{
	struct bt_bench *b = *state;
	struct bt_block *block = bt_bench_translate(b, A, ret, sizeof(ret));
	unsigned int writes = 0;

	while (block->valid && writes < 1000) {
		cache_written(b->bt, A + 0x800, 8, 0);
		writes++;
	}
	assert_in_range(writes, 2, 100);
	assert_false(*memory_flag(&b->machine.memory, A) & PAGE_CODE);
}

static void a_new_block_forbids_direct_stores_to_its_page(void **state)
{
	struct bt_bench *b = *state;
	unsigned int i = tlb_index(A);
	struct tlb_arrays *a = &b->v->tlb->view[TLB_KERNEL];

	assert_non_null(mmu_host(b->v, A, ACC_READ | ACC_WRITE));
	assert_int_equal(a->write[i], tlb_tag(A));
	bt_bench_translate(b, A, ret, sizeof(ret));
	assert_int_equal(a->write[i], tlb_invalid(i));
	assert_int_equal(a->read[i], tlb_tag(A));
	assert_null(mmu_host(b->v, A, ACC_READ | ACC_WRITE));
	cache_drop(b->bt, cache_find(b->bt, A, UINT64_MAX, b->v->mode));
	assert_non_null(mmu_host(b->v, A, ACC_READ | ACC_WRITE));
}

#define TABLES 0x100000u
#define ALIASES 0x400000u /* where page tables have many addresses for OTHER_PAGE */
#define LEAF 0x63u /* present, writable, accessed, dirty */

static void map_aliases(struct bt_bench *b, unsigned int n)
{
	bt_bench_write(b, TABLES, (TABLES + 0x1000) | LEAF);
	bt_bench_write(b, TABLES + 0x1000, (TABLES + 0x2000) | LEAF);
	bt_bench_write(b, TABLES + 0x2000 + 8ull * (ALIASES >> 21), (TABLES + 0x3000) | LEAF);
	for (unsigned int i = 0; i < n; i++)
		bt_bench_write(b, TABLES + 0x3000 + 8ull * i, OTHER_PAGE | LEAF);
	b->v->cr0 |= CR0_PG;
	b->v->cr4 |= CR4_PAE;
	b->v->cr3 = TABLES;
	vcpu_update_mode(b->v);
}

static void a_page_is_written_directly_by_none_of_its_addresses_any_more(void **state)
{
	static const unsigned int counts[] = { 1, WRITE_INDEXES - 1, WRITE_INDEXES, WRITE_INDEXES + 1, 3 * WRITE_INDEXES };
	struct bt_bench *b = *state;
	struct tlb_arrays *a = &b->v->tlb->view[TLB_KERNEL];

	map_aliases(b, 3 * WRITE_INDEXES);
	for (unsigned int k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
		for (unsigned int i = 0; i < counts[k]; i++) {
			u64 linear = ALIASES + i * PAGE_SIZE;

			assert_non_null(mmu_host(b->v, linear, ACC_READ | ACC_WRITE));
			assert_int_equal(a->write[tlb_index(linear)], tlb_tag(linear));
		}
		bt_forbid_writes(&b->machine, OTHER_PAGE);
		for (unsigned int i = 0; i < counts[k]; i++) {
			unsigned int index = tlb_index(ALIASES + i * PAGE_SIZE);

			assert_int_equal(a->write[index], tlb_invalid(index));
			assert_int_equal(a->read[index], tlb_tag(ALIASES + i * PAGE_SIZE));
		}
	}
}

static void host_addresses_lead_back_to_the_guests_instruction(void **state)
{
	static const u8 code[] = { 0x48, 0x01, 0xd8, 0x48, 0x8b, 0x07, 0x90, 0xc3 }; /* add, mov, nop, ret */
	struct bt_bench *b = *state;
	struct bt_block *block = bt_bench_translate(b, A, code, sizeof(code));
	u64 direct = (u64)b->bt->rx + block_direct(block);

	assert_int_equal(block->insns, 4);
	assert_ptr_equal(cache_by_host(b->bt, direct), block);
	assert_ptr_equal(cache_by_host(b->bt, (u64)b->bt->rx + block_end(block) - 1), block);
	assert_null(cache_by_host(b->bt, (u64)b->bt->rx + 1));
	assert_int_equal(cache_insn_at(b->bt, block, direct + b->bt->maps[block->map + 1].host), 1);
	assert_int_equal(b->bt->maps[block->map + 1].guest, 3);
	/* the budget is taken before the addition: nothing is counted yet at it, all from it on later */
	assert_int_equal(block->check_at, 0);
	assert_int_equal(block_uncounted(block, 1), 3);
}

/* Each 16 bytes from A on: a jump */
static void fill_memory(struct bt_bench *b)
{
	for (u64 at = A; at < b->machine.memory.low; at += 16)
		memcpy(b->machine.memory.base + at, jmp_to_b, sizeof(jmp_to_b));
}

/* Blocks of one jump each from *at on, until the region is full. */
static void fill_region(struct bt_bench *b, u64 *at)
{
	u64 unwatched;

	do {
		assert_true(*at < b->machine.memory.low);
		*at += 16;
	} while (translate(b->v, *at - 16, *at - 16, TRANSLATE_BLOCK, b->v->mode, &unwatched));
	*at -= 16;
}

/* Each is in its lists and is found by the host's address, or is gone altogether. */
static unsigned int blocks_in_order(struct bt_bench *b, u64 from, u64 to)
{
	unsigned int found = 0;

	for (u64 at = from; at < to; at += 16) {
		struct bt_block *block = cache_find(b->bt, at, UINT64_MAX, b->v->mode);
		u16 offsets[PAGE_SIZE / 16];
		size_t n = bt_block_starts(b->bt, at, offsets, PAGE_SIZE / 16), k = 0;

		while (k < n && offsets[k] != (at & 4095))
			k++;
		assert_int_equal(k < n, block != NULL);
		if (!block)
			continue;
		found++;
		assert_true(block->valid);
		assert_int_equal(block->phys, at);
		assert_ptr_equal(cache_by_host(b->bt, (u64)b->bt->rx + block->code), block);
		for (unsigned int i = 0; i < 2; i++)
			assert_true(block->exit[i].target == BLOCK_NONE || b->bt->blocks[block->exit[i].target].valid);
	}
	return found;
}

static void a_full_cache_loses_one_region_at_a_time(void **state)
{
	struct bt_bench *b = *state;
	u64 at = A, in_all = 0, emptied = b->bt->emptied;
	const struct bt_region *last;

	fill_memory(b);
	assert_int_equal(b->bt->regions, 2);
	fill_region(b, &at);
	cache_make_room(b->bt);
	assert_int_equal(b->bt->emptied, emptied);
	fill_region(b, &at);
	in_all = (at - A) / 16;
	assert_int_equal(blocks_in_order(b, A, at), in_all);
	/* a chain from a block that stays to one that goes, and the other way round */
	cache_chain(b->bt, index_of(b, cache_find(b->bt, at - 16, UINT64_MAX, b->v->mode)) * 2,
		    cache_find(b->bt, A, UINT64_MAX, b->v->mode));
	cache_chain(b->bt, index_of(b, cache_find(b->bt, A, UINT64_MAX, b->v->mode)) * 2,
		    cache_find(b->bt, at - 16, UINT64_MAX, b->v->mode));
	last = b->bt->open;
	for (unsigned int i = 0; i < 6; i++) {
		u64 before = at;

		cache_make_room(b->bt);
		assert_ptr_not_equal(b->bt->open, last);
		assert_int_equal(b->bt->open->blocks, 0);
		last = b->bt->open;
		assert_true(b->bt->emptied > emptied);
		assert_in_range(blocks_in_order(b, A, at), in_all / 3, 2 * in_all / 3);
		fill_region(b, &at);
		assert_int_equal(blocks_in_order(b, before, at), (at - before) / 16);
	}
	assert_int_equal(b->bt->stats.evictions, 6);
	assert_int_equal(b->bt->stats.invalidated, 0);
}

static void a_full_cache_is_emptied_and_used_again(void **state)
{
	struct bt_bench *b = *state;
	u64 at = A, unwatched;

	fill_memory(b);
	fill_region(b, &at);
	cache_flush(b->bt);
	assert_null(cache_find(b->bt, A, UINT64_MAX, b->v->mode));
	assert_false(*memory_flag(&b->machine.memory, A) & PAGE_CODE);
	assert_non_null(translate(b->v, A, A, TRANSLATE_BLOCK, b->v->mode, &unwatched));
}

static void every_bad_target_misses_an_empty_jump_cache(void **state)
{
	struct bt_bench *b = *state;
	const struct jump_cache *jc = &b->v->tlb->jc[JC_KERNEL64];
	unsigned int i;

	for (i = 0; i < JC_ENTRIES; i++) {
		assert_int_not_equal(jc_index(1 - jc->entry[i].tag), i);
		assert_int_not_equal(jc_second(jc_index(1 - jc->entry[i].tag)), i);
	}
	for (i = 0; i < TLB_ENTRIES; i++) {
		u64 page = 4096 - b->v->tlb->view[TLB_USER].read[i];

		assert_int_not_equal(tlb_index(page), i);
		assert_int_not_equal(tlb_index(page - PAGE_SIZE), i);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_block_is_found_by_physical_address_and_mode),
		TEST(a_jump_within_the_page_is_chained_and_undone_when_its_target_is_dropped),
		TEST(dropping_the_source_leaves_the_target_without_it),
		TEST(a_jump_to_another_page_is_not_chained),
		TEST(a_write_drops_what_it_overlaps_and_nothing_else),
		TEST(data_beside_code_that_keeps_being_written_costs_the_page_its_code),
		TEST(a_new_block_forbids_direct_stores_to_its_page),
		TEST(a_page_is_written_directly_by_none_of_its_addresses_any_more),
		TEST(host_addresses_lead_back_to_the_guests_instruction),
		TEST(a_full_cache_loses_one_region_at_a_time),
		TEST(a_full_cache_is_emptied_and_used_again),
		TEST(every_bad_target_misses_an_empty_jump_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
