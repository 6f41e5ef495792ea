/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host code for a few dozen guest instructions, so that a change of code quality is a change of this file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "bt_bench.h"

#define CODE 0x10000u

/* the hit path of a load and a store at the address in register a */
#define HIT(a, array, last) \
	"pext rdi, " a ", INDEX_MASK; mov rcx, " array "; lea rcx, [" a "+rcx*1" last \
	"]; pext rcx, rcx, PAGE_MASK; loop; mov rcx, ADDEND; "

static const struct {
	const char *bytes, *host;
} vectors[] = {
#include "vectors.inc"
};

static size_t parse(const char *hex, u8 *code)
{
	unsigned int byte;
	size_t n = 0;
	int used;

	while (sscanf(hex, "%x%n", &byte, &used) == 1) {
		code[n++] = (u8)byte;
		hex += used;
	}
	return n;
}

static void host_code_is_as_good_as_it_was(void **state)
{
	unsigned int k, bad = 0;
	struct bt_bench b;

	(void)state;
	bt_bench_create(&b, 0);
	for (k = 0; k < sizeof(vectors) / sizeof(vectors[0]); k++) {
		u8 code[32];
		size_t n = parse(vectors[k].bytes, code);
		struct bt_block *block;
		char text[2048];

		/* an INT3 behind it ends the block; the instruction's host code lies between the two in the map */
		code[n++] = 0xcc;
		block = bt_bench_translate(&b, CODE, code, n);
		if (block->insns == 2)
			bt_bench_disassemble(&b, block_direct(block) + b.bt->maps[block->map].host,
					     block_direct(block) + b.bt->maps[block->map + 1].host, text, sizeof(text));
		else
			snprintf(text, sizeof(text), "(%u instructions)", block->insns);
		if (strcmp(text, vectors[k].host)) {
			print_error("%s\n  expected: %s\n  got:      %s\n", vectors[k].bytes, vectors[k].host, text);
			bad++;
		}
	}
	bt_bench_destroy(&b);
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_code_is_as_good_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
