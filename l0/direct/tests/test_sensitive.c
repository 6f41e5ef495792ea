/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "../../cpu/tests/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "../sensitive.h"

#define ALL (BIT(SENSITIVE_COUNT) - 1)

static struct sensitive_set all;

static int setup(void **state)
{
	(void)state;
	sensitive_set_make(&all, ALL, true);
	return 0;
}

#define FINDS(set, ...) sensitive_find(set, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static void each_row_is_found_alone(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < SENSITIVE_COUNT; i++) {
		const struct sensitive_insn *insn = &SENSITIVE_INSNS[i];
		unsigned int found = 0, expected = 0;
		struct sensitive_set set;

		sensitive_set_make(&set, (u32)BIT(i), false);
		for (unsigned int second = 0; second < 256; second++)
			for (unsigned int third = 0; third < 256; third++) {
				bool is = second == insn->second &&
					  (!insn->regs || ((insn->regs >> (third >> 3 & 7) & 1) &&
							   (insn->mods & (third >= 0xc0 ? MOD_REG : MOD_MEM))));

				/* 90 is a NOP, and no opcode's second byte here; another 0F would begin another one */
				if (second == 0x0f || third == 0x0f)
					continue;
				expected += is;
				found += FINDS(&set, 0x90, 0x0f, (u8)second, (u8)third, 0x90);
			}
		if (found != expected)
			fail_msg("%s: %u of %u found", insn->name, found, expected);
	}
}

static void known_instructions_are_found(void **state)
{
	(void)state;
	assert_true(FINDS(&all, 0x0f, 0xa2)); /* cpuid */
	assert_true(FINDS(&all, 0x48, 0x0f, 0x31)); /* rdtsc */
	assert_true(FINDS(&all, 0x0f, 0x01, 0xf9)); /* rdtscp */
	assert_true(FINDS(&all, 0x0f, 0x01, 0xd0)); /* xgetbv */
	assert_true(FINDS(&all, 0x0f, 0x01, 0xc1)); /* vmcall */
	assert_true(FINDS(&all, 0x0f, 0x01, 0xd9)); /* vmmcall */
	assert_true(FINDS(&all, 0xf3, 0x0f, 0xc7, 0xf8)); /* rdpid eax */
	assert_true(FINDS(&all, 0x48, 0x0f, 0xc7, 0xf0)); /* rdrand rax */
	assert_true(FINDS(&all, 0x0f, 0x03, 0xc1)); /* lsl */
	assert_true(FINDS(&all, 0x0f, 0x00, 0xe0)); /* verr */
	assert_true(FINDS(&all, 0x48, 0x0f, 0xc7, 0x24, 0x24)); /* xsavec */
	/* inside of another one: mov eax, 0xa20f */
	assert_true(FINDS(&all, 0xb8, 0x0f, 0xa2, 0x00, 0x00));
}

static void ordinary_code_is_not_found(void **state)
{
	(void)state;
	assert_false(FINDS(&all, 0x0f, 0x1f, 0x44, 0x00, 0x00)); /* nop */
	assert_false(FINDS(&all, 0x0f, 0xb6, 0xc0)); /* movzx */
	assert_false(FINDS(&all, 0x0f, 0x84, 0x00, 0x01, 0x00, 0x00)); /* jz */
	assert_false(FINDS(&all, 0xf0, 0x48, 0x0f, 0xc7, 0x0e)); /* cmpxchg16b [rsi] */
	assert_false(FINDS(&all, 0x0f, 0xae, 0xf0)); /* mfence */
	assert_false(FINDS(&all, 0x0f, 0xae, 0x5c, 0x24, 0xfc)); /* stmxcsr */
}

static void what_goes_on_in_the_next_page_is_known(void **state)
{
	const u8 half[] = { 0x90, 0x0f }, two[] = { 0x0f, 0x01 }, done[] = { 0x0f, 0x0b }, other[] = { 0x90, 0x90 };

	(void)state;
	assert_true(sensitive_tail(&all, half, 2));
	assert_true(sensitive_tail(&all, two, 2));
	assert_false(sensitive_tail(&all, done, 2));
	assert_false(sensitive_tail(&all, other, 2));
}

static void any_two_neighbours_together_are_found_as_one(void **state)
{
	unsigned int found = 0;

	(void)state;
	srand(1);
	for (unsigned int i = 0; i < 200000; i++) {
		u8 bytes[8], middle[2 * SENSITIVE_STRADDLE];
		unsigned int cut = 4;
		bool whole, parts;

		for (unsigned int k = 0; k < sizeof(bytes); k++)
			bytes[k] = rand() % 3 ? (u8)rand() : (u8[]){ 0x0f, 0x01, 0xc7, 0xae, 0xa2 }[rand() % 5];
		memcpy(middle, bytes + cut - SENSITIVE_STRADDLE, sizeof(middle));
		whole = sensitive_find(&all, bytes, sizeof(bytes));
		parts = sensitive_find(&all, bytes, cut) || sensitive_find(&all, bytes + cut, sizeof(bytes) - cut) ||
			(sensitive_tail(&all, bytes, cut) && sensitive_find(&all, middle, sizeof(middle)));
		assert_int_equal(whole, parts);
		found += whole;
	}
	assert_in_range(found, 1000, 199000);
}

static bool segments_in(const u8 *code, size_t n, unsigned int bits)
{
	static u8 page[4096];
	const u16 start = 0;

	memset(page, 0x90, sizeof(page));
	memcpy(page, code, n);
	return sensitive_segments(page, &start, 1, bits);
}

#define SEGMENTS(bits, ...) segments_in((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }), bits)

static void segment_registers_are_found_where_code_runs(void **state)
{
	(void)state;
	assert_true(SEGMENTS(64, 0x8c, 0xd8)); /* mov eax, ds */
	assert_true(SEGMENTS(64, 0x8e, 0xe0)); /* mov fs, eax */
	assert_true(SEGMENTS(64, 0x48, 0xcb)); /* far ret */
	assert_true(SEGMENTS(64, 0x48, 0xcf)); /* iretq */
	assert_true(SEGMENTS(64, 0xff, 0x2e)); /* far jmp [rsi] */
	assert_true(SEGMENTS(32, 0x1f)); /* pop ds */
	assert_true(SEGMENTS(32, 0xea, 0, 0, 0, 0, 0x33, 0)); /* far jmp */
	assert_true(SEGMENTS(32, 0xc5, 0x00)); /* lds */
	assert_false(SEGMENTS(64, 0x89, 0x8c, 0x24, 0x8e, 0x00, 0x00, 0x00)); /* mov [rsp + 8eh], ecx */
	assert_false(SEGMENTS(64, 0x0f, 0x8c, 0x8e, 0xd8, 0x00, 0x00)); /* jl */
	assert_false(SEGMENTS(64, 0xc5, 0xf8, 0x77)); /* vzeroupper */
	assert_false(SEGMENTS(64, 0xff, 0xe0, 0xff, 0x10)); /* jmp rax; call [rax] */
	assert_false(SEGMENTS(64, 0xc3)); /* ret */
}

static void an_instruction_cut_by_the_pages_end_counts_if_it_may_be_one(void **state)
{
	static u8 page[4096];
	const u16 start = 0;

	(void)state;
	memset(page, 0x90, sizeof(page));
	page[4095] = 0x8e;
	assert_true(sensitive_segments(page, &start, 1, 64));
	page[4095] = 0x48; /* a prefix */
	page[4094] = 0x90;
	assert_false(sensitive_segments(page, &start, 1, 64));
}

static void code_is_seen_from_each_of_its_starts(void **state)
{
	static u8 page[4096];
	const u16 one[] = { 0 }, both[] = { 0, 1 };

	(void)state;
	memset(page, 0x90, sizeof(page));
	memcpy(page, (const u8[]){ 0xb8, 0x8e, 0xd8, 0x90, 0x90 },
	       5); /* mov eax, 9090d88eh; from its second byte: mov ds, eax */
	assert_false(sensitive_segments(page, one, 1, 64));
	assert_true(sensitive_segments(page, both, 2, 64));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_found_alone),
		cmocka_unit_test(known_instructions_are_found),
		cmocka_unit_test(ordinary_code_is_not_found),
		cmocka_unit_test(what_goes_on_in_the_next_page_is_known),
		cmocka_unit_test(any_two_neighbours_together_are_found_as_one),
		cmocka_unit_test(segment_registers_are_found_where_code_runs),
		cmocka_unit_test(an_instruction_cut_by_the_pages_end_counts_if_it_may_be_one),
		cmocka_unit_test(code_is_seen_from_each_of_its_starts),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
