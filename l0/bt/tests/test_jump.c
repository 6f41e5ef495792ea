/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jumps into another page, through the jump cache: they stay where the code runs, wherever that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "../../cpu/mmu.h"
#include "bt_bench.h"

#define TABLES 0x1000u /* PML4, PDPT, a page directory */
#define CODE 0x10000u
#define TARGET 0x13040u
#define UPPER 0xffff800000000000ull
#define GIB 0x40000000ull
#define ALIASES 3u /* of all memory, a GiB each; the last one is in the lower half */

static struct bt_bench b;

static u64 alias(unsigned int i)
{
	return i == ALIASES - 1 ? 0 : UPPER + i * GIB;
}

static int setup(void **state)
{
	u64 i;

	(void)state;
	bt_bench_create(&b, 0);
	bt_bench_write(&b, TABLES, (TABLES + 0x1000) | 0x23);
	bt_bench_write(&b, TABLES + 8 * 256, (TABLES + 0x1000) | 0x23);
	for (i = 0; i < ALIASES; i++)
		bt_bench_write(&b, TABLES + 0x1000 + 8 * i, (TABLES + 0x2000) | 0x23);
	for (i = 0; i < 8; i++)
		bt_bench_write(&b, TABLES + 0x2000 + 8 * i, i << 21 | 0xe3);
	b.v->cr3 = TABLES;
	b.v->cr4 |= CR4_PAE;
	b.v->cr0 |= CR0_PG | CR0_WP;
	mmu_switch(b.v, true);
	vcpu_update_mode(b.v);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bt_bench_destroy(&b);
	return 0;
}

static void put(u64 at, const u8 *code, size_t n)
{
	assert_true(machine_write(&b.machine, at, code, n));
}

/* From CODE on in that alias, so many instructions, to where they lead: how often C was asked for the way */
static u64 run(unsigned int i, s64 insns, u64 to)
{
	u64 before = b.v->bt->stats.jc_misses;

	b.v->rip = alias(i) + CODE;
	assert_false(bt_bench_run(&b, insns));
	assert_int_equal(b.v->rip, alias(i) + to);
	return b.v->bt->stats.jc_misses - before;
}

/* Translated where `first` is, then run there and elsewhere: twice, and then nobody asks. (All aliases have the same two places.) */
static void from_everywhere(unsigned int first, s64 insns, u64 to)
{
	for (unsigned int other = 0; other < ALIASES; other++) {
		u64 misses = 0;

		cache_flush(b.bt);
		for (unsigned int round = 0; round < 3; round++)
			misses = run(first, insns, to) + run(other, insns, to);
		assert_int_equal(misses, 0);
	}
}

static void a_jump_stays_in_its_alias(void **state)
{
	static const u8 code[] = { 0xe9, 0x3b, 0x30, 0x00, 0x00 }; /* jmp TARGET */
	static const u8 target[] = { 0xeb, 0x00, 0x90, 0xcc };

	(void)state;
	put(CODE, code, sizeof(code));
	put(TARGET, target, sizeof(target));
	for (unsigned int i = 0; i < ALIASES; i++)
		from_everywhere(i, 2, TARGET + 2);
}

static void a_call_and_its_return_stay_there_too(void **state)
{
	static const u8 code[] = { 0xe8, 0x3b, 0x30, 0x00, 0x00, 0xeb, 0x00, 0x90, 0xcc }; /* call TARGET; jmp */
	static const u8 target[] = { 0xc3 };

	(void)state;
	b.v->gpr[RSP] = 0x8000;
	put(CODE, code, sizeof(code));
	put(TARGET, target, sizeof(target));
	for (unsigned int i = 0; i < ALIASES; i++)
		from_everywhere(i, 3, CODE + 7);
	assert_int_equal(b.v->gpr[RSP], 0x8000);
}

static void a_branch_stays_there_taken_or_not(void **state)
{
	static const u8 taken[] = { 0xf9, 0x0f, 0x82, 0x39, 0x30, 0x00, 0x00 }; /* stc; jc TARGET */
	static const u8 not_taken[] = { 0xf9, 0x0f, 0x83, 0x39, 0x30, 0x00, 0x00, 0xeb, 0x00, 0x90, 0xcc };
	static const u8 target[] = { 0xeb, 0x00, 0x90, 0xcc };

	(void)state;
	put(TARGET, target, sizeof(target));
	put(CODE, taken, sizeof(taken));
	from_everywhere(0, 3, TARGET + 2);
	put(CODE, not_taken, sizeof(not_taken));
	from_everywhere(1, 3, CODE + 9);
}

/* Both places of the target are somebody else's: then it is looked for, and found. */
static void a_target_without_a_place_is_found(void **state)
{
	static const u8 code[] = { 0xff, 0xe0 }; /* jmp rax */
	static const u8 target[] = { 0xeb, 0x00, 0x90, 0xcc };
	struct jump_cache *jc = &b.v->tlb->jc[JC_KERNEL64];
	unsigned int index = jc_index(UPPER + TARGET);

	(void)state;
	b.v->gpr[RAX] = UPPER + TARGET;
	put(CODE, code, sizeof(code));
	put(TARGET, target, sizeof(target));
	run(0, 2, TARGET + 2);
	/* where it would be is another, it is in the second place */
	jc->entry[jc_second(index)].tag = jc->entry[index].tag;
	jc->entry[jc_second(index)].target = jc->entry[index].target;
	jc->entry[index].tag = jc_invalid(index);
	assert_int_equal(run(0, 2, TARGET + 2), 0);
	jc->entry[jc_second(index)].tag = jc_invalid(jc_second(index));
	assert_int_equal(run(0, 2, TARGET + 2), 1);
	assert_int_equal(run(0, 2, TARGET + 2), 0);
}

static void forget_place(unsigned int alias_number, u64 target)
{
	struct jump_cache *jc = &b.v->tlb->jc[JC_KERNEL64];
	unsigned int index = jc_index(alias(alias_number) + target);

	jc->entry[index].tag = jc_invalid(index);
	jc->entry[jc_second(index)].tag = jc_invalid(jc_second(index));
}

static const u8 JMP[] = { 0xe9, 0x3b, 0x30, 0x00, 0x00 }; /* to TARGET, from CODE */
static const u8 LOOP_HERE[] = { 0xeb, 0x00, 0x90, 0xcc };

/* Where both are in one large page nobody has to be asked, and no place in the jump cache is needed. */
static void a_jump_within_a_large_page_is_direct(void **state)
{
	(void)state;
	put(CODE, JMP, sizeof(JMP));
	put(TARGET, LOOP_HERE, sizeof(LOOP_HERE));
	for (unsigned int i = 0; i < 2; i++) {
		run(i, 2, TARGET + 2);
		forget_place(i, TARGET);
		assert_int_equal(run(i, 2, TARGET + 2), 0);
	}
	/* from one large page into the next one: by the jump cache */
	put(0x1ff000, (const u8[]){ 0xe9, 0xfb, 0x0f, 0x00, 0x00 }, 5); /* jmp 0x200000 */
	put(0x200000, LOOP_HERE, sizeof(LOOP_HERE));
	for (unsigned int round = 0; round < 2; round++) {
		b.v->rip = UPPER + 0x1ff000;
		assert_false(bt_bench_run(&b, 2));
		assert_int_equal(b.v->rip, UPPER + 0x200002);
		forget_place(0, 0x200000);
	}
	assert_true(b.v->bt->stats.jc_misses > 0);
}

/* The large page is gone, and the pages in its place are others: known code of the old one goes nowhere else. */
static void small_pages_in_its_place_are_seen(void **state)
{
	static const u8 other[] = { 0x90, 0xeb, 0x00, 0x90, 0xcc };
	u64 table = TABLES + 0x3000;

	(void)state;
	put(CODE, JMP, sizeof(JMP));
	put(TARGET, LOOP_HERE, sizeof(LOOP_HERE));
	put(TARGET + 0x400000, other, sizeof(other));
	run(0, 2, TARGET + 2);
	run(0, 2, TARGET + 2);
	for (u64 i = 0; i < 512; i++)
		bt_bench_write(&b, table + 8 * i, (i == TARGET >> 12 ? TARGET + 0x400000 : i << 12) | 0x63);
	bt_bench_write(&b, TABLES + 0x2000, table | 0x23);
	mmu_flush_page(b.v, UPPER + CODE);
	run(0, 3, TARGET + 3);
	run(0, 3, TARGET + 3);
	/* the code at CODE is known in both ways now, and in either the way from it is the right one */
	bt_bench_write(&b, TABLES + 0x2000, 0xe3);
	mmu_flush_page(b.v, UPPER + CODE);
	run(0, 2, TARGET + 2);
	run(0, 2, TARGET + 2);
}

/* Who is dropped is left by all ways that lead to it. */
static void code_that_is_written_is_left_from_other_pages(void **state)
{
	static const u8 other[] = { 0x90, 0xeb, 0x00, 0x90, 0xcc };

	(void)state;
	put(CODE, JMP, sizeof(JMP));
	put(CODE + 0x1000, (const u8[]){ 0xe9, 0x3b, 0x20, 0x00, 0x00 }, 5); /* the same target */
	put(TARGET, LOOP_HERE, sizeof(LOOP_HERE));
	for (unsigned int round = 0; round < 2; round++) {
		run(0, 2, TARGET + 2);
		b.v->rip = UPPER + CODE + 0x1000;
		assert_false(bt_bench_run(&b, 2));
		assert_int_equal(b.v->rip, UPPER + TARGET + 2);
	}
	put(TARGET, other, sizeof(other));
	cache_written(b.bt, TARGET, sizeof(other), 0);
	run(0, 3, TARGET + 3);
	b.v->rip = UPPER + CODE + 0x1000;
	assert_false(bt_bench_run(&b, 3));
	assert_int_equal(b.v->rip, UPPER + TARGET + 3);
}

/* mov rax, [rbx]; mov rcx, [rbx + 8]; jmp: the two are searched for together, but here they are in two pages */
static void a_block_without_groups_is_chained_too(void **state)
{
	static const u8 code[] = { 0x48, 0x8b, 0x03, 0x48, 0x8b, 0x4b, 0x08, 0xeb, 0x00, 0x90, 0xcc };
	const struct bt_block *block;

	(void)state;
	put(CODE, code, sizeof(code));
	b.v->gpr[RBX] = UPPER + 0x20ff8;
	for (unsigned int round = 0; round < 3; round++)
		run(0, 3, CODE + 9);
	block = cache_find(b.bt, CODE, UINT64_MAX, b.v->mode | MODE_UNGROUPED | MODE_WHOLE);
	assert_non_null(block);
	assert_int_not_equal(block->exit[0].target, BLOCK_NONE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* What SSE instructions do depends on control registers, and a jump cache knows addresses alone. */
static void code_of_another_mode_is_not_where_a_jump_leads(void **state)
{
	static const u8 code[] = {
		0x0f, 0x22, 0xc0, 0x0f, 0x28, 0xc1, 0xeb, 0x00, 0x90, 0xcc
	}; /* mov cr0, rax; movaps xmm0, xmm1; jmp */
	u64 cr0 = b.v->cr0;

	(void)state;
	put(CODE, code, sizeof(code));
	for (unsigned int round = 0; round < 3; round++) {
		b.v->rip = CODE;
		b.v->gpr[RAX] = cr0 | CR0_TS;
		assert_true(bt_bench_run(&b, 3));
		assert_int_equal(b.v->event.vector, VEC_NM);
		assert_int_equal(b.v->rip, CODE + 3);
		b.v->gpr[RAX] = cr0;
		run(ALIASES - 1, 3, CODE + 8);
	}
}

/* Every copy from and to a program stands between them. */
static void a_block_behind_stac_is_chained(void **state)
{
	static const u8 code[] = { 0x0f, 0x01, 0xcb, 0x90, 0x0f, 0x01, 0xca, 0xeb, 0x00, 0x90, 0xcc }; /* stac; nop; clac; jmp */
	const struct bt_block *stac, *clac;

	(void)state;
	put(CODE, code, sizeof(code));
	for (unsigned int round = 0; round < 3; round++)
		run(0, 4, CODE + 9);
	stac = cache_find(b.bt, CODE, UINT64_MAX, b.v->mode | MODE_WHOLE);
	assert_non_null(stac);
	assert_int_not_equal(stac->exit[1].target, BLOCK_NONE);
	clac = &b.bt->blocks[stac->exit[1].target];
	assert_int_equal(clac->phys, CODE + 3);
	assert_int_equal((clac->mode & MODE_VIEW_MASK) >> MODE_VIEW_SHIFT, TLB_KERNEL_AC);
	assert_int_not_equal(clac->exit[1].target, BLOCK_NONE);
	assert_int_equal(b.bt->blocks[clac->exit[1].target].mode, stac->mode);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_jump_stays_in_its_alias),
		T(a_call_and_its_return_stay_there_too),
		T(a_branch_stays_there_taken_or_not),
		T(a_target_without_a_place_is_found),
		T(a_jump_within_a_large_page_is_direct),
		T(a_block_without_groups_is_chained_too),
		T(small_pages_in_its_place_are_seen),
		T(code_that_is_written_is_left_from_other_pages),
		T(code_of_another_mode_is_not_where_a_jump_leads),
		T(a_block_behind_stac_is_chained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
