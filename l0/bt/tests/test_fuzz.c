/* SPDX-License-Identifier: GPL-2.0-or-later */
/* turtles against the host's CPU, and first the fuzzer against itself: a test that can't fail proves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../../direct/probe.h"
#include "fuzz_engine.h"
#include "fuzz_gen.h"
#include "fuzz_state.h"

#define SEED 20260101
#define ONLY_64 BIT(FUZZ_MODE_flat64)
#define ALL_MODES (unsigned int)(BIT(FUZZ_MODE_COUNT) - 1)

static struct fuzz_target *native(void)
{
	char path[PATH_MAX], error[200];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	struct fuzz_target *t;

	assert_true(n > 0);
	path[n] = 0;
	strcpy(strrchr(path, '/'), "/fuzz-native");
	t = fuzz_native_create(path, error);
	if (!t) {
		print_error("%s\n", error);
		exit(1);
	}
	return t;
}

/* Returns what was printed; the caller frees it. Inlined, its `text` is what gcc 12 takes the callers' strchr() to point at. */
static __attribute__((noinline)) char *run(struct fuzz_target *reference, struct fuzz_target *subject,
					   struct fuzz_options o, struct fuzz_totals *totals)
{
	char *text = NULL;
	size_t size = 0;

	o.out = open_memstream(&text, &size);
	fuzz_run(reference, subject, &o, totals);
	fuzz_print_totals(totals, &o, subject->name);
	fclose(o.out);
	return text;
}

static void the_host_agrees_with_itself(void **state)
{
	struct fuzz_options o = { .seed = SEED, .cases = 20000, .modes = ALL_MODES, .reports = 3, .only = -1 };
	struct fuzz_target *a = native(), *b = native();
	struct fuzz_totals totals;
	char *text;

	(void)state;
	text = run(a, b, o, &totals);
	if (totals.mismatches)
		fail_msg("%s", text);
	/* most cases run to their end, and all kinds of exceptions come up */
	assert_true(totals.ended > totals.cases / 2);
	assert_true(totals.exceptions[0] && totals.exceptions[6] && totals.exceptions[13] && totals.exceptions[14]);
	assert_true(totals.incomparable < totals.cases / 100);
	free(text);
	a->destroy(a);
	b->destroy(b);
}

static void finds_and_minimises(const char *mnemonic)
{
	struct fuzz_options o = { .seed = SEED, .cases = 20000, .modes = ONLY_64, .reports = 1, .only = -1 };
	struct fuzz_target *a = native(), *b;
	struct fuzz_totals totals;
	char *text, *first, error[200];

	b = fuzz_broken_create(native(), mnemonic, error);
	assert_non_null(b);
	text = run(a, b, o, &totals);
	assert_true(totals.mismatches > 0);
	assert_int_equal(totals.distinct, 1);
	/* the report: header, mode, and then the instruction as the only one left, before the registers */
	first = strstr(text, "code: flat64\n");
	assert_non_null(first);
	first = strchr(first, '\n') + 1;
	assert_non_null(strstr(first, mnemonic));
	assert_true(strstr(first, mnemonic) < strchr(first, '\n'));
	assert_ptr_equal(strstr(first, "  rflags"), strchr(first, '\n') + 1);
	assert_non_null(strstr(text, "bits 0000000000000004"));
	free(text);
	a->destroy(a);
	b->destroy(b);
}

static void a_wrong_instruction_is_found_and_minimised(void **state)
{
	(void)state;
	finds_and_minimises("adcx");
	finds_and_minimises("vpaddd");
	finds_and_minimises("fpatan");
}

static void everything_is_offered(struct fuzz_target *t, u32 leaf, u32 subleaf, u32 out[4])
{
	(void)t;
	(void)leaf;
	(void)subleaf;
	memset(out, 0xff, 16);
}

static void the_same_seed_makes_the_same_cases(void **state)
{
	struct fuzz_target t = { .cpuid = everything_is_offered };
	static struct fuzz_case a, b;
	struct fuzz_program p, q;
	struct fuzz_context c;
	unsigned int i;

	(void)state;
	fuzz_context_init(&c, &t, &t);
	fuzz_context_mode(&c, FUZZ_MODE_flat64);
	for (i = 0; i < 1000; i++) {
		memset(&a, 0, sizeof(a));
		memset(&b, 0, sizeof(b));
		fuzz_generate(&c, SEED, 7, i, &p, &a);
		/* nothing of the case before is left in the context */
		fuzz_generate(&c, SEED + 1, 7, i, &q, &b);
		assert_memory_not_equal(&a, &b, sizeof(a));
		fuzz_generate(&c, SEED, 7, i, &q, &b);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

/* as many different instructions as there are: a generator that lost a map or a prefix would show here */
static void the_generator_reaches_most_instructions(void **state)
{
	struct fuzz_target t = { .cpuid = everything_is_offered };
	static bool seen[ZYDIS_MNEMONIC_MAX_VALUE + 1];
	unsigned int n = 0, i;
	struct fuzz_context c;
	struct fuzz_insn insn;

	(void)state;
	fuzz_context_init(&c, &t, &t);
	fuzz_context_mode(&c, FUZZ_MODE_flat64);
	c.rng = rng_seed(SEED, 0);
	for (i = 0; i < 300000; i++) {
		c.known = c.near = 0xffff;
		fuzz_insn_random(&c, &insn);
		seen[insn.mnemonic] = true;
	}
	for (i = 1; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++)
		n += seen[i];
	assert_true(n > 800);
}

static struct fuzz_flags flags_of(const char *bytes, unsigned int size)
{
	struct fuzz_context c = { 0 };
	struct fuzz_insn insn = { .size = size };

	fuzz_context_mode(&c, FUZZ_MODE_flat64);
	memcpy(insn.bytes, bytes, size);
	assert_true(fuzz_insn_describe(&c, &insn));
	return insn.flags;
}

#define CF BIT(0)
#define PF BIT(2)
#define AF BIT(4)
#define ZF BIT(6)
#define SF BIT(7)
#define OF BIT(11)
#define UNDEFINED(bytes) flags_of(bytes, sizeof(bytes) - 1).undefined

static void undefined_flags_are_the_manuals(void **state)
{
	(void)state;
	assert_int_equal(UNDEFINED("\x01\xc0"), 0); /* add eax, eax */
	assert_int_equal(UNDEFINED("\x19\xc0"), 0); /* sbb eax, eax */
	assert_int_equal(UNDEFINED("\x21\xc0"), AF); /* and eax, eax */
	assert_int_equal(UNDEFINED("\xf7\xe0"), SF | ZF | AF | PF); /* mul eax */
	assert_int_equal(UNDEFINED("\xf7\xf0"), CF | PF | AF | ZF | SF | OF); /* div eax */
	assert_int_equal(UNDEFINED("\xd1\xe0"), AF); /* shl eax, 1 */
	assert_int_equal(UNDEFINED("\xc1\xe0\x20"), 0); /* shl eax, 32: nothing happens */
	assert_int_equal(UNDEFINED("\xc1\xe0\x02"), AF | OF); /* shl eax, 2 */
	assert_int_equal(UNDEFINED("\xc0\xe0\x08"), AF | OF | CF); /* shl al, 8 */
	assert_int_equal(UNDEFINED("\xc0\xf8\x08"), AF | OF); /* sar al, 8 */
	assert_int_equal(UNDEFINED("\xd3\xe0"), AF | OF); /* shl eax, cl */
	assert_int_equal(UNDEFINED("\xd2\xe0"), AF | OF | CF); /* shl al, cl */
	assert_int_equal(UNDEFINED("\xd1\xc0"), 0); /* rol eax, 1 */
	assert_int_equal(UNDEFINED("\xd3\xc0"), OF); /* rol eax, cl */
	assert_int_equal(UNDEFINED("\x0f\xa3\xc0"), OF | SF | AF | PF); /* bt eax, eax */
	assert_int_equal(UNDEFINED("\x0f\xbc\xc0"), CF | OF | SF | AF | PF); /* bsf eax, eax */
	/* with a count that may be 0, the flags before it stay where they are */
	assert_int_equal(flags_of("\xd3\xe0", 2).defined, 0);
	assert_int_equal(flags_of("\xf3\xa6", 2).defined, 0);
}

static void turtles_agrees_with_the_host(void **state)
{
	/* 64-bit code first and most; then the rest of the modes */
	static const struct {
		unsigned int modes, cases;
	} parts[] = { { ONLY_64, 200000 }, { ALL_MODES & ~ONLY_64, 100000 } };
	struct fuzz_options o = { .seed = SEED, .reports = 10, .only = -1 };
	unsigned int i;
	char error[200];

	(void)state;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct fuzz_target *a = native(), *b = fuzz_remote_create(fuzz_bt_create, error);
		struct fuzz_totals totals;
		char *text;

		if (!b) {
			print_error("%s\n", error);
			exit(1);
		}
		o.modes = parts[i].modes;
		o.cases = parts[i].cases;
		text = run(a, b, o, &totals);
		if (totals.mismatches)
			fail_msg("%s", text);
		print_message("%s", text);
		free(text);
		a->destroy(a);
		b->destroy(b);
	}
}

/* The third leg: the host's CPU, the translator, and user code that runs by /dev/kvm. */
static void user_code_that_runs_directly_agrees_with_the_host(void **state)
{
	struct fuzz_options o = { .seed = SEED, .cases = 30000, .modes = BIT(FUZZ_MODE_null64), .reports = 10, .only = -1 };
	struct fuzz_totals totals;
	struct fuzz_target *a, *b;
	struct kvm_probe p;
	char error[200];
	char *text;

	(void)state;
	kvm_probe(&p);
	if (!p.user64) {
		print_message("%s\n", p.user_why);
		skip();
	}
	a = native();
	b = fuzz_remote_create(fuzz_direct_create, error);
	if (!b) {
		fail_msg("%s", error);
		return;
	}
	b->name = "direct";
	text = run(a, b, o, &totals);
	if (totals.mismatches) {
		fputs(text, stderr); /* all of it: a message of cmocka's has an end */
		fail_msg("%llu mismatches", (unsigned long long)totals.mismatches);
	}
	print_message("%s", text);
	assert_true(totals.direct > totals.cases / 2);
	free(text);
	a->destroy(a);
	b->destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(undefined_flags_are_the_manuals),
		cmocka_unit_test(the_same_seed_makes_the_same_cases),
		cmocka_unit_test(the_generator_reaches_most_instructions),
		cmocka_unit_test(the_host_agrees_with_itself),
		cmocka_unit_test(a_wrong_instruction_is_found_and_minimised),
		cmocka_unit_test(turtles_agrees_with_the_host),
		cmocka_unit_test(user_code_that_runs_directly_agrees_with_the_host),
	};

	return cmocka_run_group_tests_name("fuzz", tests, NULL, NULL);
}
