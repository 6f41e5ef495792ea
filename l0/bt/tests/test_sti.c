/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An interrupt that waits for STI is due right behind the instruction after it (SDM vol. 2, "STI"): translated code is left there, neither
 * earlier nor later, with all flags and with as many instructions counted as were run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "../../cpu/mode.h"
#include "bt_bench.h"

#define CODE 0x10000u
#define INSNS 1000
#define FLAGS (FLAG_1 | FLAG_CF | FLAG_ZF | FLAG_SF)

static struct bt_bench b;

/* Run `code` with these flags until it is left at `rip`, after so many instructions */
static void left_at(const u8 *code, size_t n, u64 rflags, bool waits, u64 rip, s64 insns)
{
	assert_true(machine_write(&b.machine, CODE, code, n));
	b.v->rip = CODE;
	b.v->rflags = rflags;
	b.v->intr_wait = waits;
	b.v->intr_shadow = 0;
	assert_false(bt_bench_run(&b, INSNS));
	assert_int_equal(b.v->rip, CODE + rip);
	assert_int_equal(INSNS - 1 - vcpu_budget(b.v), insns);
	assert_int_equal(b.v->intr_shadow, 0);
}

/* nop; sti; nop; cmp eax, eax; nop; jmp . */
static const u8 AFTER_NOP[] = { 0x90, 0xfb, 0x90, 0x39, 0xc0, 0x90, 0xeb, 0xfe };

static void behind_the_next_instruction(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		left_at(AFTER_NOP, sizeof(AFTER_NOP), FLAGS, true, 3, 3);
		assert_int_equal(b.v->rflags, FLAGS | FLAG_IF);
	}
}

/* cmp eax, eax; sti; sub eax, eax; nop; jmp . : the block takes its budget before the first one, or before the one behind STI */
static const u8 AFTER_CMP[] = { 0x39, 0xc0, 0xfb, 0x29, 0xc0, 0x90, 0xeb, 0xfe };

static void the_budget_is_what_was_run(void **state)
{
	(void)state;
	left_at(AFTER_CMP, sizeof(AFTER_CMP), FLAG_1, true, 5, 3);
	left_at(AFTER_CMP + 2, sizeof(AFTER_CMP) - 2, FLAG_1, true, 3, 2);
	assert_int_equal(b.v->rflags, FLAG_1 | FLAG_IF | FLAG_ZF | FLAG_PF);
}

/* sti; sti; cmp eax, eax; jmp . : only an STI that changes IF casts a shadow */
static const u8 TWICE[] = { 0xfb, 0xfb, 0x39, 0xc0, 0xeb, 0xfe };

static void a_second_sti_casts_no_shadow(void **state)
{
	(void)state;
	left_at(TWICE, sizeof(TWICE), FLAG_1, true, 2, 2);
}

static void without_one_it_goes_on(void **state)
{
	(void)state;
	left_at(AFTER_NOP, sizeof(AFTER_NOP), FLAGS, false, 6, INSNS);
	assert_true(b.v->rflags & FLAG_IF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bt_bench_test(behind_the_next_instruction, b),
		bt_bench_test(the_budget_is_what_was_run, b),
		bt_bench_test(a_second_sti_casts_no_shadow, b),
		bt_bench_test(without_one_it_goes_on, b),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
