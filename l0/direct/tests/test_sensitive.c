/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "../../cpu/tests/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "../sensitive.h"

#define ALL (BIT(SENSITIVE_COUNT) - 1)
#define XEND 0xd5u
#define XTEST 0xd6u /* as on a CPU without TSX: #UD */
#define GROUP (~BIT(XTEST - GROUP_0F01_FIRST))

static struct sensitive_set all;

static int setup(void **state)
{
	(void)state;
	sensitive_set_make(&all, ALL, GROUP, true);
	return 0;
}

#define FINDS(set, ...) (sensitive_find(set, (const u8[]){ __VA_ARGS__ }, 0, sizeof((const u8[]){ __VA_ARGS__ })) >= 0)

static void each_row_is_found_alone(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < SENSITIVE_COUNT; i++) {
		const struct sensitive_insn *insn = &SENSITIVE_INSNS[i];
		unsigned int found = 0, expected = 0;
		struct sensitive_set set;

		sensitive_set_make(&set, (u32)BIT(i), 0, false);
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

static void the_group_is_found_as_it_is_here(void **state)
{
	struct sensitive_set set;

	(void)state;
	sensitive_set_make(&set, 0, GROUP, false);
	for (unsigned int modrm = 0; modrm < 256; modrm++)
		assert_int_equal(FINDS(&set, 0x0f, 0x01, (u8)modrm),
				 modrm >= GROUP_0F01_FIRST && modrm != XTEST && modrm != XEND);
}

/* n bytes of code at `at` of a page of NOPs */
static unsigned int page_holds(const struct sensitive_set *set, unsigned int at, const u8 *code, size_t n)
{
	u8 page[4096];

	memset(page, 0x90, sizeof(page));
	memcpy(page + at, code, n);
	return sensitive_page(set, page, NULL, 0, 64);
}

#define IN_PAGE(set, at, ...) page_holds(set, at, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static void avx512_is_found_where_it_counts(void **state)
{
	struct sensitive_set none, set, cpuid;

	(void)state;
	sensitive_set_make(&none, 0, 0, false);
	set = none;
	set.avx512 = true;
	assert_int_equal(IN_PAGE(&set, 100, 0x62, 0xf1, 0xfd, 0x48, 0xef, 0xc0),
			 SENSITIVE_ABSENT); /* vpxorq zmm0, zmm0, zmm0 */
	assert_int_equal(IN_PAGE(&set, 100, 0xc5, 0xf8, 0x92, 0xc8), SENSITIVE_ABSENT); /* kmovw k1, eax */
	assert_int_equal(IN_PAGE(&set, 100, 0xc5, 0xf4, 0x42, 0xd3), SENSITIVE_ABSENT); /* kandnw k2, k1, k3 */
	assert_int_equal(IN_PAGE(&set, 100, 0xc4, 0xe3, 0xf9, 0x32, 0xd1, 0x03), SENSITIVE_ABSENT); /* kshiftlw k2, k1, 3 */
	assert_false(IN_PAGE(&none, 100, 0xc5, 0xf8, 0x92, 0xc8));
	/* AVX, as guests have it */
	assert_false(IN_PAGE(&set, 100, 0xc5, 0xf8, 0x57, 0xc0)); /* vxorps xmm0, xmm0, xmm0 */
	assert_false(IN_PAGE(&set, 100, 0xc4, 0xe3, 0x7d, 0x38, 0xc1, 0x01)); /* vinserti128 */
	assert_false(IN_PAGE(&set, 100, 0xb8, 0x62, 0x62, 0x62, 0x62)); /* mov eax, 0x62626262 */
	/* beside others: those are looked for behind it, too */
	assert_int_equal(IN_PAGE(&set, 100, 0x62, 0xf1, 0xfd, 0x48, 0xef, 0xc0, 0x0f, 0xa2), SENSITIVE_ABSENT);
	sensitive_set_make(&cpuid, BIT(SENSITIVE_cpuid), 0, false);
	cpuid.avx512 = true;
	assert_int_equal(IN_PAGE(&cpuid, 100, 0x62, 0xf1, 0xfd, 0x48, 0xef, 0xc0, 0x0f, 0xa2),
			 SENSITIVE_ABSENT | SENSITIVE_FOUND);
	/* across the page's end: as soon as it may be one */
	assert_int_equal(IN_PAGE(&set, 4094, 0x62, 0xf1), SENSITIVE_ABSENT);
	assert_int_equal(IN_PAGE(&set, 4093, 0xc5, 0xf8, 0x92), SENSITIVE_ABSENT);
	assert_false(IN_PAGE(&set, 4093, 0xc5, 0xf8, 0x57));
	assert_int_equal(IN_PAGE(&set, 4094, 0xc5, 0xf8), SENSITIVE_ABSENT);
}

/* Code at offset 100 of a page that has VPXORQ at 200; entered there */
static bool leads(const u8 *code, size_t n)
{
	u8 of[4096];

	memset(of, 0x90, sizeof(of));
	memcpy(of + 100, code, n);
	memcpy(of + 200, (const u8[]){ 0xc3, 0x62, 0xf1, 0xfd, 0x48, 0xef, 0xc0 }, 7);
	return sensitive_leads_to_absent(of, 100);
}

#define LEADS(...) leads((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

/* XTEST is what tells a host with TSX: on one without all four are #UD, and nobody looks for them. */
static void tsx_is_looked_for_where_the_host_has_it(void **state)
{
	static const u8 insns[][6] = { { 0xc7, 0xf8 }, { 0xc6, 0xf8 }, { 0x0f, 0x01, 0xd5 }, { 0x0f, 0x01, 0xd6 } };
	struct sensitive_set without, with;
	u8 page[4096];

	(void)state;
	sensitive_set_make(&without, 0, 0, false);
	sensitive_set_make(&with, 0, BIT(XTEST - GROUP_0F01_FIRST) | BIT(XEND - GROUP_0F01_FIRST), false);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(page_holds(&with, 100, insns[i], 6), SENSITIVE_ABSENT);
		assert_false(page_holds(&without, 100, insns[i], 6));
		assert_int_equal(sensitive_find(&with, insns[i], 0, 6), -1);
		memset(page, 0x90, sizeof(page));
		memcpy(page + 100, insns[i], 6);
		assert_true(sensitive_leads_to_absent(page, 50));
		page[60] = 0xc3; /* RET */
		assert_false(sensitive_leads_to_absent(page, 50));
	}
	assert_false(IN_PAGE(&with, 100, 0xc7, 0xc0, 0, 0, 0, 0)); /* mov eax, 0 */
}

static void code_leads_to_avx512_where_its_branches_do(void **state)
{
	u8 of[4096];

	(void)state;
	assert_false(LEADS(0xc3)); /* ret */
	assert_false(LEADS(0x90)); /* to the RET at 200 */
	assert_true(LEADS(0xeb, 99)); /* jmp 201 */
	assert_false(LEADS(0xeb, 98));
	assert_true(LEADS(0xe9, 96, 0, 0, 0));
	assert_true(LEADS(0xe8, 96, 0, 0, 0, 0xc3)); /* call 201; ret */
	assert_true(LEADS(0x74, 99, 0xc3)); /* je 201; ret */
	assert_true(LEADS(0x0f, 0x84, 95, 0, 0, 0, 0xc3));
	assert_true(LEADS(0xe3, 99, 0xc3)); /* jrcxz 201; ret */
	assert_true(LEADS(0x74, 0xfe, 0xeb, 97)); /* a loop to itself, then jmp 201 */
	assert_false(LEADS(0xff, 0xe0)); /* jmp rax: nothing to be seen */
	assert_true(LEADS(0xff, 0xd0, 0xeb, 97)); /* call rax; jmp 201 */
	assert_false(LEADS(0xe9, 0, 16, 0, 0)); /* to another page, and before this one */
	assert_false(LEADS(0xe9, 0, 0xf0, 0xff, 0xff));
	assert_false(LEADS(0x0f, 0x0b)); /* ud2 */
	assert_true(LEADS(0xc5, 0xf8, 0x92, 0xc8)); /* kmovw k1, eax */
	/* more branches than it follows, and an end that may be one */
	memset(of, 0x90, sizeof(of));
	for (unsigned int i = 0; i < 1000; i++)
		memcpy(of + 2 * i, (const u8[]){ 0x75, 0x7e }, 2);
	assert_true(sensitive_leads_to_absent(of, 0));
	memset(of, 0x90, sizeof(of));
	memcpy(of + 4094, (const u8[]){ 0x62, 0xf1 }, 2);
	assert_true(sensitive_leads_to_absent(of, 0));
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
		whole = sensitive_find(&all, bytes, 0, sizeof(bytes)) >= 0;
		parts = sensitive_find(&all, bytes, 0, cut) >= 0 ||
			sensitive_find(&all, bytes, cut, sizeof(bytes)) >= 0 ||
			(sensitive_tail(&all, bytes, cut) && sensitive_find(&all, middle, 0, sizeof(middle)) >= 0);
		assert_int_equal(whole, parts);
		found += whole;
	}
	assert_in_range(found, 1000, 199000);
}

static u8 page[4096];

/* Code at the start of a page of NOPs */
static bool page_with(const u8 *code, size_t n, unsigned int bits)
{
	const u16 start = 0;

	memset(page, 0x90, sizeof(page));
	memcpy(page, code, n);
	return sensitive_page(&all, page, &start, 1, bits);
}

#define PAGE(bits, ...) page_with((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }), bits)

static void instructions_count_and_parts_of_others_do_not(void **state)
{
	(void)state;
	assert_true(PAGE(64, 0x0f, 0xa2)); /* cpuid */
	assert_true(PAGE(64, 0x66, 0x48, 0x0f, 0x31)); /* rdtsc behind prefixes */
	assert_false(PAGE(64, 0x74, 0x0f, 0x31, 0xc0)); /* jz +15; xor eax, eax */
	assert_false(PAGE(64, 0x0f, 0x84, 0x0f, 0x02, 0x00, 0x00)); /* jz +20fh */
	assert_false(PAGE(64, 0x0f, 0x01, 0xd6)); /* xtest, which is #UD here */
	assert_true(PAGE(64, 0x0f, 0x01, 0xd4)); /* vmfunc, which isn't */
}

static void segment_registers_are_found_where_code_runs(void **state)
{
	(void)state;
	assert_true(PAGE(64, 0x8c, 0xd8)); /* mov eax, ds */
	assert_true(PAGE(64, 0x8e, 0xe0)); /* mov fs, eax */
	assert_true(PAGE(64, 0x48, 0xcb)); /* far ret */
	assert_true(PAGE(64, 0x48, 0xcf)); /* iretq */
	assert_true(PAGE(64, 0xff, 0x2e)); /* far jmp [rsi] */
	assert_true(PAGE(64, 0x0f, 0xa1)); /* pop fs */
	assert_true(PAGE(32, 0x1f)); /* pop ds */
	assert_true(PAGE(32, 0xea, 0, 0, 0, 0, 0x33, 0)); /* far jmp */
	assert_true(PAGE(32, 0xc5, 0x00)); /* lds */
	assert_false(PAGE(64, 0x89, 0x8c, 0x24, 0x8e, 0x00, 0x00, 0x00)); /* mov [rsp + 8eh], ecx */
	assert_false(PAGE(64, 0x0f, 0x8c, 0x8e, 0xd8, 0x00, 0x00)); /* jl */
	assert_false(PAGE(64, 0xc5, 0xf8, 0x77)); /* vzeroupper */
	assert_false(PAGE(64, 0xff, 0xe0, 0xff, 0x10)); /* jmp rax; call [rax] */
	assert_false(PAGE(64, 0xc3)); /* ret */
}

static void what_a_kvm_without_vt_does_in_its_own_way_is_found(void **state)
{
	(void)state;
	assert_true(PAGE(64, 0x9d)); /* popf */
	assert_true(PAGE(32, 0x66, 0x9d));
	assert_true(PAGE(64, 0xcd, 0x80)); /* int 80h */
	assert_true(PAGE(64, 0xf0, 0x0f, 0x19, 0x00)); /* lock nop [rax] */
	assert_false(PAGE(64, 0xf0, 0x01, 0x00)); /* lock add [rax], eax */
	assert_false(PAGE(64, 0x83, 0xc0, 0x9d, 0x04, 0xcd)); /* add eax, -99; add al, -51 */
	assert_false(PAGE(64, 0x9c)); /* pushf */
	assert_false(PAGE(64, 0xcc)); /* int3 */
}

static void lengths_are_those_of_the_mode(void **state)
{
	const u8 mov[] = { 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, cut[] = { 0x0f, 0x84, 0 }, none[] = { 0x06, 0x06 };

	(void)state;
	assert_int_equal(sensitive_length(mov, sizeof(mov), 64), 10); /* mov rax, imm64 */
	assert_int_equal(sensitive_length(mov, sizeof(mov), 32), 1); /* dec eax */
	assert_int_equal(sensitive_length(cut, sizeof(cut), 64), 0);
	assert_int_equal(sensitive_length(none, sizeof(none), 64), 0);
}

static void one_cut_by_the_pages_end_counts_if_it_may_be_one(void **state)
{
	const u16 start = 0;

	(void)state;
	memset(page, 0x90, sizeof(page));
	page[4095] = 0x8e; /* mov to a segment register */
	assert_true(sensitive_page(&all, page, &start, 1, 64));
	page[4095] = 0xe8; /* call */
	assert_false(sensitive_page(&all, page, &start, 1, 64));
	page[4095] = 0x48; /* a prefix alone */
	assert_false(sensitive_page(&all, page, &start, 1, 64));
}

static void code_is_seen_from_each_of_its_starts(void **state)
{
	const u16 one[] = { 0 }, both[] = { 0, 1 };

	(void)state;
	memset(page, 0x90, sizeof(page));
	memcpy(page, (const u8[]){ 0xb8, 0x0f, 0xa2, 0x90, 0x90 }, 5); /* mov eax, 9090a20fh; from its second byte: cpuid */
	assert_false(sensitive_page(&all, page, one, 1, 64));
	assert_true(sensitive_page(&all, page, both, 2, 64));
}

/* Data just in front of it leads the sweep astray; it is found nearly always all the same. */
static void code_behind_data_is_found(void **state)
{
	const u16 start = 0;
	unsigned int found = 0;

	(void)state;
	srand(2);
	for (unsigned int i = 0; i < 1000; i++) {
		memset(page, 0x90, sizeof(page));
		for (unsigned int k = 0; k < 64; k++)
			page[1000 + k] = (u8)rand() | 1; /* no 0F, no 8C, 8E */
		memcpy(page + 1064, (const u8[]){ 0x55, 0x48, 0x89, 0xe5, 0x31, 0xc0, 0x0f, 0xa2, 0x5d, 0xc3 }, 10);
		found += sensitive_page(&all, page, &start, 1, 64);
	}
	assert_in_range(found, 900, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_found_alone),
		cmocka_unit_test(the_group_is_found_as_it_is_here),
		cmocka_unit_test(avx512_is_found_where_it_counts),
		cmocka_unit_test(tsx_is_looked_for_where_the_host_has_it),
		cmocka_unit_test(code_leads_to_avx512_where_its_branches_do),
		cmocka_unit_test(known_instructions_are_found),
		cmocka_unit_test(ordinary_code_is_not_found),
		cmocka_unit_test(what_goes_on_in_the_next_page_is_known),
		cmocka_unit_test(any_two_neighbours_together_are_found_as_one),
		cmocka_unit_test(instructions_count_and_parts_of_others_do_not),
		cmocka_unit_test(segment_registers_are_found_where_code_runs),
		cmocka_unit_test(what_a_kvm_without_vt_does_in_its_own_way_is_found),
		cmocka_unit_test(lengths_are_those_of_the_mode),
		cmocka_unit_test(one_cut_by_the_pages_end_counts_if_it_may_be_one),
		cmocka_unit_test(code_is_seen_from_each_of_its_starts),
		cmocka_unit_test(code_behind_data_is_found),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
