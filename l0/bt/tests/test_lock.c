/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locked accesses across lines of the host's cache, where C has to do them: lower_lock.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "bt_bench.h"

#define CODE 0x10000u
#define A 0x200000u
#define LINE 64u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct bt_bench b;

/* [rbx], with RAX = 5 and RCX = 3; `after` of what was 5 */
static const struct {
	const char *text;
	u8 code[8], length, size;
	u64 after;
	bool locked;
} insns[] = {
	{ "lock add [rbx], ax", { 0xf0, 0x66, 0x01, 0x03 }, 4, 2, 10, true },
	{ "lock inc dword [rbx]", { 0xf0, 0xff, 0x03 }, 3, 4, 6, true },
	{ "lock xadd [rbx], rcx", { 0xf0, 0x48, 0x0f, 0xc1, 0x0b }, 5, 8, 8, true },
	{ "lock cmpxchg [rbx], ecx", { 0xf0, 0x0f, 0xb1, 0x0b }, 4, 4, 3, true },
	{ "lock bts dword [rbx], 7", { 0xf0, 0x0f, 0xba, 0x2b, 0x07 }, 5, 4, 0x85, true },
	{ "xchg [rbx], rcx", { 0x48, 0x87, 0x0b }, 3, 8, 3, true },
	{ "lock inc byte [rbx]", { 0xf0, 0xfe, 0x03 }, 3, 1, 6, true },
	{ "add [rbx], rax", { 0x48, 0x01, 0x03 }, 3, 8, 10, false },
	{ "mov [rbx], rcx", { 0x48, 0x89, 0x0b }, 3, 8, 3, false },
};

/* Once with what is at [rbx] being 5: how often C did it */
static u64 once(unsigned int k, u64 at)
{
	u64 before = b.v->bt->stats.across_lines, mask = insns[k].size == 8 ? ~0ull : BIT(8 * insns[k].size) - 1;

	bt_bench_write(&b, at, (0x1111111111111111 & ~mask) | 5);
	b.v->gpr[RAX] = 5;
	b.v->gpr[RCX] = 3;
	b.v->gpr[RBX] = at;
	b.v->rip = CODE;
	assert_false(bt_bench_run(&b, 2));
	if (bt_bench_read(&b, at) != ((0x1111111111111111 & ~mask) | insns[k].after))
		fail_msg("%s at %#llx", insns[k].text, (unsigned long long)at);
	return b.v->bt->stats.across_lines - before;
}

/* At all distances from a line's end, of lines that the soft TLB has and of one that it hasn't, in both forms of the check */
static void what_lies_across_lines_is_done_by_c(void **state)
{
	static const u8 jmp[] = { 0xeb, 0x00 };

	(void)state;
	for (unsigned int trap = 0; trap < 2; trap++)
		for (unsigned int loops = 0; loops < 2; loops++)
			for (unsigned int k = 0; k < COUNT(insns); k++) {
				u64 line = A + (trap * 2 + loops) * 0x10000 + k * 0x1000 + 0x400;

				b.bt->split_locks_trap = trap;
				b.bt->loops = loops;
				cache_flush(b.bt);
				assert_true(machine_write(&b.machine, CODE, insns[k].code, insns[k].length));
				assert_true(machine_write(&b.machine, CODE + insns[k].length, jmp, sizeof(jmp)));
				for (unsigned int at = LINE - 9; at <= LINE; at++)
					assert_int_equal(once(k, line + at), trap && insns[k].locked && at < LINE &&
										     at + insns[k].size > LINE);
			}
}

/* Two in one block, which would be a group: each is looked at by itself */
static void what_is_locked_is_in_no_group(void **state)
{
	static const u8 code[] = { 0xf0, 0xff, 0x03, /* lock inc dword [rbx] */
				   0xf0, 0xff, 0x43, 0x08, /* lock inc dword [rbx+8] */
				   0xeb, 0x00 };
	u64 before = b.v->bt->stats.across_lines;

	(void)state;
	b.bt->split_locks_trap = true;
	assert_true(machine_write(&b.machine, CODE + 0x1000, code, sizeof(code)));
	b.v->rip = CODE + 0x1000;
	b.v->gpr[RBX] = A + LINE - 10; /* ends at the line's 58th byte, and begins at its 62nd */
	bt_bench_write(&b, A + LINE - 10, 0);
	bt_bench_write(&b, A + LINE - 2, 0xffff);
	assert_false(bt_bench_run(&b, 3));
	assert_int_equal(bt_bench_read(&b, A + LINE - 10), 1);
	assert_int_equal(bt_bench_read(&b, A + LINE - 2), 0x10000);
	assert_int_equal(b.v->bt->stats.across_lines - before, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bt_bench_test(what_lies_across_lines_is_done_by_c, b),
		bt_bench_test(what_is_locked_is_in_no_group, b),
	};

	return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
