/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accesses that share a search of the TLB (group.c): each reads and writes its own bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "bt_bench.h"

#define CODE 0x10000u
#define A 0x200000u
#define B 0x240000u

static struct bt_bench b;

static int setup(void **state)
{
	(void)state;
	bt_bench_create(&b, 0);
	for (u64 i = 0; i < 0x2000; i += 8) {
		u64 value = 0x1000000 + i;

		assert_true(machine_write(&b.machine, A + i, &value, sizeof(value)));
	}
	b.v->gpr[RSI] = A;
	b.v->gpr[RDI] = B;
	b.v->gpr[RSP] = B + 0x8000;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bt_bench_destroy(&b);
	return 0;
}

static u64 at_a(u64 offset)
{
	return 0x1000000 + offset;
}

struct searches {
	u64 misses, group_misses, ungrouped;
};

/* The code and a jump behind it, so many instructions with that; what C was asked for */
static struct searches run(const u8 *code, size_t n, s64 insns)
{
	static const u8 end[] = { 0xeb, 0x00, 0x90, 0xcc };
	struct bt_stats before = b.v->bt->stats, *s = &b.v->bt->stats;

	assert_true(machine_write(&b.machine, CODE, code, n));
	assert_true(machine_write(&b.machine, CODE + n, end, sizeof(end)));
	b.v->rip = CODE;
	assert_false(bt_bench_run(&b, insns));
	assert_int_equal(b.v->rip, CODE + n + 2);
	return (struct searches){ s->tlb_misses - before.tlb_misses, s->group_misses - before.group_misses,
				  s->ungrouped - before.ungrouped };
}

/* How many searches there are in the block's code */
static unsigned int searches_of_block(void)
{
	const struct bt_block *block = cache_find(b.bt, CODE, UINT64_MAX, b.v->mode);
	unsigned int n = 0;
	char text[8192];

	assert_non_null(block);
	bt_bench_disassemble(&b, block_direct(block), block_end(block), text, sizeof(text));
	for (const char *at = text; (at = strstr(at, "INDEX_MASK")); at++)
		n++;
	return n;
}

#define RUN(insns, ...) run((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }), insns)

static void a_sum_of_two_registers_is_one_search(void **state)
{
	struct searches s;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		b.v->gpr[RAX] = 0x80 + i * 0x40;
		s = RUN(9, 0x48, 0x8b, 0x4c, 0x06, 0x10, /* mov rcx, [rsi + rax + 0x10] */
			0x48, 0x8b, 0x54, 0x06, 0x20, /* mov rdx, [rsi + rax + 0x20] */
			0x48, 0x8b, 0x1c, 0x06, /* mov rbx, [rsi + rax] */
			0x4c, 0x8b, 0x74, 0x06, 0x38, /* mov r14, [rsi + rax + 0x38] */
			0x48, 0x89, 0x4c, 0x07, 0x10, /* mov [rdi + rax + 0x10], rcx */
			0x48, 0x89, 0x54, 0x07, 0x20, /* ... */
			0x48, 0x89, 0x1c, 0x07, 0x4c, 0x89, 0x74, 0x07, 0x38);
		/* where a page is touched for the first time a group doesn't do it */
		assert_int_equal(s.ungrouped, !i);
		assert_int_equal(searches_of_block(), 2);
		for (u64 k = 0; k < 0x40; k += 8) {
			bool copied = k == 0 || k == 0x10 || k == 0x20 || k == 0x38;

			assert_int_equal(bt_bench_read(&b, B + b.v->gpr[RAX] + k), copied ? at_a(b.v->gpr[RAX] + k) : 0);
		}
	}
}

static void constants_move_an_index_by_its_scale(void **state)
{
	(void)state;
	b.v->gpr[RAX] = 4;
	RUN(6, 0x48, 0x8b, 0x0c, 0xc6, /* mov rcx, [rsi + rax*8] */
	    0x48, 0x8d, 0x40, 0x03, /* lea rax, [rax + 3] */
	    0x48, 0x8b, 0x14, 0xc6, /* mov rdx, [rsi + rax*8] */
	    0x48, 0x8d, 0x76, 0x08, /* lea rsi, [rsi + 8] */
	    0x48, 0x8b, 0x5c, 0xc6, 0xe0); /* mov rbx, [rsi + rax*8 - 0x20] */
	assert_int_equal(searches_of_block(), 1);
	assert_int_equal(b.v->gpr[RCX], at_a(4 * 8));
	assert_int_equal(b.v->gpr[RDX], at_a(7 * 8));
	assert_int_equal(b.v->gpr[RBX], at_a(7 * 8 + 8 - 0x20));
}

static void another_index_base_or_scale_is_another_address(void **state)
{
	(void)state;
	b.v->gpr[RAX] = 0x20;
	b.v->gpr[RBP] = 8;
	RUN(7, 0x48, 0x8b, 0x0c, 0x06, /* mov rcx, [rsi + rax] */
	    0x48, 0x8d, 0x04, 0x28, /* lea rax, [rax + rbp] */
	    0x48, 0x8b, 0x14, 0x06, /* mov rdx, [rsi + rax] */
	    0x48, 0x8b, 0x1c, 0x46, /* mov rbx, [rsi + rax*2] */
	    0x48, 0x8d, 0x34, 0x2e, /* lea rsi, [rsi + rbp] */
	    0x4c, 0x8b, 0x04, 0x06); /* mov r8, [rsi + rax] */
	assert_int_equal(searches_of_block(), 4);
	assert_int_equal(b.v->gpr[RCX], at_a(0x20));
	assert_int_equal(b.v->gpr[RDX], at_a(0x28));
	assert_int_equal(b.v->gpr[RBX], at_a(0x50));
	assert_int_equal(b.v->gpr[R8], at_a(0x30));
}

static void an_index_may_be_what_was_read_and_live_in_memory(void **state)
{
	(void)state;
	b.v->gpr[R14] = A;
	b.v->gpr[R15] = 2;
	RUN(4, 0x4b, 0x8b, 0x0c, 0xfe, /* mov rcx, [r14 + r15*8] */
	    0x4f, 0x8b, 0x7c, 0xfe, 0x08, /* mov r15, [r14 + r15*8 + 8] */
	    0x4b, 0x8d, 0x14, 0xfe); /* lea rdx, [r14 + r15*8] */
	assert_int_equal(b.v->gpr[RCX], at_a(0x10));
	assert_int_equal(b.v->gpr[R15], at_a(0x18));
	assert_int_equal(b.v->gpr[RDX], A + at_a(0x18) * 8);
}

static void an_index_without_a_base(void **state)
{
	(void)state;
	b.v->gpr[RAX] = A / 8;
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(RUN(3, 0x48, 0x8b, 0x0c, 0xc5, 0x10, 0x00, 0x00, 0x00, /* mov rcx, [rax*8 + 0x10] */
				     0x48, 0x8b, 0x14, 0xc5, 0x30, 0x00, 0x00, 0x00) /* mov rdx, [rax*8 + 0x30] */
					 .ungrouped,
				 !i);
	assert_int_equal(searches_of_block(), 1);
	assert_int_equal(b.v->gpr[RCX], at_a(0x10));
	assert_int_equal(b.v->gpr[RDX], at_a(0x30));
}

static void variables_beside_each_other(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		b.v->gpr[RCX] = b.v->gpr[RDX] = 0;
		RUN(4, 0x48, 0x8b, 0x0d, 0x19, 0x00, 0x1f, 0x00, /* at CODE: mov rcx, [A + 0x20] */
		    0x48, 0x8b, 0x15, 0x22, 0x00, 0x1f, 0x00, /* mov rdx, [A + 0x30] */
		    0x48, 0x89, 0x0d, 0x2b, 0x00, 0x1f, 0x00); /* mov [A + 0x40], rcx */
		assert_int_equal(b.v->gpr[RCX], at_a(0x20));
		assert_int_equal(b.v->gpr[RDX], at_a(0x30));
		assert_int_equal(bt_bench_read(&b, A + 0x40), at_a(0x20));
	}
	assert_int_equal(searches_of_block(), 1);
}

static void a_group_across_pages_is_done_one_by_one(void **state)
{
	struct searches s;

	(void)state;
	b.v->gpr[RAX] = 0xfe0;
	s = RUN(5, 0x48, 0x8b, 0x0c, 0x06, /* mov rcx, [rsi + rax] */
		0x48, 0x8b, 0x54, 0x06, 0x1c, /* mov rdx, [rsi + rax + 0x1c] */
		0x48, 0x8b, 0x5c, 0x06, 0x30, /* mov rbx, [rsi + rax + 0x30] */
		0x48, 0x89, 0x4c, 0x06, 0x38); /* mov [rsi + rax + 0x38], rcx */
	assert_int_equal(s.ungrouped, 1);
	assert_int_equal(b.v->gpr[RCX], at_a(0xfe0));
	assert_int_equal(b.v->gpr[RDX], at_a(0xff8) >> 32 | at_a(0x1000) << 32);
	assert_int_equal(b.v->gpr[RBX], at_a(0x1010));
	assert_int_equal(bt_bench_read(&b, A + 0x1018), at_a(0xfe0));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_sum_of_two_registers_is_one_search),
		T(constants_move_an_index_by_its_scale),
		T(another_index_base_or_scale_is_another_address),
		T(an_index_may_be_what_was_read_and_live_in_memory),
		T(an_index_without_a_base),
		T(variables_beside_each_other),
		T(a_group_across_pages_is_done_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
