/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../values.h"

static void numbers_are_decimal_or_hexadecimal_and_nothing_else(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		u64 value;
	} CASES[] = {
		/* clang-format off */
		{ "0", true, 0 },
		{ "244", true, 244 },
		{ "0xf4", true, 0xf4 },
		{ "0XF4", true, 0xf4 },
		{ "65535", true, 65535 },
		{ "65536", false, 0 },
		{ "", false, 0 },
		{ "0x", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "1f", false, 0 },
		{ "99999999999999999999999999", false, 0 },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		u64 value = 0;
		bool ok = value_number(CASES[i].text, 0xffff, &value);

		if (ok != CASES[i].ok || (ok && value != CASES[i].value))
			fail_msg("'%s' gives %d, %llu", CASES[i].text, ok, (unsigned long long)value);
	}
}

static void sizes_are_in_mib_unless_a_suffix_says_otherwise(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		u64 value;
	} CASES[] = {
		/* clang-format off */
		{ "128", true, 128ull << 20 },
		{ "64k", true, 64ull << 10 },
		{ "64K", true, 64ull << 10 },
		{ "512M", true, 512ull << 20 },
		{ "512MiB", true, 512ull << 20 },
		{ "2GB", true, 2ull << 30 },
		{ "4g", true, 4ull << 30 },
		{ "1T", true, 1ull << 40 },
		{ "16777215T", true, 16777215ull << 40 },
		{ "16777216T", false, 0 },
		{ "1.5G", false, 0 },
		{ "G", false, 0 },
		{ "1x", false, 0 },
		{ "1GiBs", false, 0 },
		{ "1Gi", false, 0 },
		{ "-1", false, 0 },
		{ "", false, 0 },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		u64 value = 0;
		bool ok = value_size(CASES[i].text, &value);

		if (ok != CASES[i].ok || (ok && value != CASES[i].value))
			fail_msg("'%s' gives %d, %llu", CASES[i].text, ok, (unsigned long long)value);
	}
}

static void seconds_may_have_a_fraction(void **state)
{
	u64 ns;

	(void)state;
	assert_true(value_seconds("90", &ns) && ns == 90000000000);
	assert_true(value_seconds("0.5", &ns) && ns == 500000000);
	assert_true(value_seconds("1.0000000019", &ns) && ns == 1000000001);
	assert_true(value_seconds("0", &ns) && ns == 0);
	assert_false(value_seconds("", &ns));
	assert_false(value_seconds(".5", &ns));
	assert_false(value_seconds("1.", &ns));
	assert_false(value_seconds("1e3", &ns));
	assert_false(value_seconds("inf", &ns));
	assert_false(value_seconds("-1", &ns));
	assert_false(value_seconds("18446744073709551615", &ns));
	assert_false(value_seconds("18446744073709551616", &ns));
}

static void pairs_end_at_single_commas(void **state)
{
	const char *list = "pc,accel=tcg,file=a,,b,last=";
	struct value_pair p;

	(void)state;
	assert_true(value_next_pair(&list, &p));
	assert_string_equal(p.key, "pc");
	assert_false(p.has_value);
	assert_true(value_next_pair(&list, &p));
	assert_string_equal(p.key, "accel");
	assert_string_equal(p.value, "tcg");
	assert_true(value_next_pair(&list, &p));
	assert_string_equal(p.key, "file");
	assert_string_equal(p.value, "a,b");
	assert_true(value_next_pair(&list, &p));
	assert_string_equal(p.key, "last");
	assert_true(p.has_value);
	assert_string_equal(p.value, "");
	assert_false(value_next_pair(&list, &p));
}

static void overlong_pairs_are_cut_inside_their_bounds(void **state)
{
	static char text[2000];
	const char *list = text;
	struct value_pair p;

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = i == 900 ? '=' : 'x';
	assert_true(value_next_pair(&list, &p));
	assert_int_equal(p.key[sizeof(p.key) - 1], 0);
	assert_int_equal(p.value[sizeof(p.value) - 1], 0);
	assert_false(value_next_pair(&list, &p));
}

static void a_word_is_found_whole_or_not_at_all(void **state)
{
	(void)state;
	assert_true(value_is_one_of("b", "a b c"));
	assert_true(value_is_one_of("c", "a b c"));
	assert_false(value_is_one_of("ab", "abc a b"));
	assert_false(value_is_one_of("", "a b"));
	assert_false(value_is_one_of("a", NULL));
	assert_false(value_is_one_of("a b", "a b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_decimal_or_hexadecimal_and_nothing_else),
		cmocka_unit_test(sizes_are_in_mib_unless_a_suffix_says_otherwise),
		cmocka_unit_test(seconds_may_have_a_fraction),
		cmocka_unit_test(pairs_end_at_single_commas),
		cmocka_unit_test(overlong_pairs_are_cut_inside_their_bounds),
		cmocka_unit_test(a_word_is_found_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
