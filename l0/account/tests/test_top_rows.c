/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of `turtles top` from looks at a run, and their text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../cli/top_table.h"
#include "../rounds_report.h"
#include "../stats.h"
#include "../top_rows.h"

/* Two L1s, a and b, that have done `n` of everything */
static struct top_sample look_at(u64 n, u64 starts_of_b)
{
	static struct rounds rounds[2];
	struct life_stats life[2] = { { .starts = 1, .insns = 1000000 * n }, { .starts = starts_of_b, .insns = n } };
	struct stat_values values[2] = { STAT_VALUES(life_stats_table, &life[0]),
					 STAT_VALUES(life_stats_table, &life[1]) };
	struct stats_machine machines[2] = {
		{ .name = "a", .status = "running", .exit_code = -1, .tables = &values[0], .count = 1, .rounds = &rounds[0] },
		{ .name = "b", .status = "paused", .exit_code = -1, .tables = &values[1], .count = 1, .rounds = &rounds[1] },
	};
	struct stats_doc doc = { .machines = machines, .machine_count = 2 };
	struct top_sample s;
	char error[256];
	json_t *json;

	for (int i = 0; i < 2; i++) {
		rounds[i] = (struct rounds){ .end_tsc = 1000, .end_ns = 1000 };
		for (u64 k = 0; k < n; k++) {
			rounds_reflect_at(&rounds[i], EXIT_REASON_CPUID, k * 10000, 0);
			rounds_exit(&rounds[i], false, EXIT_REASON_VMREAD);
			rounds_exit(&rounds[i], false, EXIT_REASON_VMRESUME);
			rounds_enter_at(&rounds[i], k * 10000 + (i ? 4000 : 2000), 50);
			rounds_exit(&rounds[i], true, EXIT_REASON_MSR_READ);
		}
	}
	json = stats_json(&doc);
	if (!top_sample_load(&s, json, n * 1000000000, error, sizeof(error)))
		fail_msg("%s", error);
	json_decref(json);
	return s;
}

static const struct top_row *find(const struct top_row *rows, size_t n, const char *l1, unsigned int level,
				  unsigned int reason)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(rows[i].l1, l1) && rows[i].level == level && rows[i].reason == reason)
			return &rows[i];
	fail_msg("no row of L%u in %s", level, l1);
	return NULL;
}

static void a_row_has_what_passed_between_two_looks(void **state)
{
	struct top_sample base = look_at(2, 1), before = look_at(5, 1), now = look_at(9, 2);
	const struct top_filter all = { .level = 0 };
	struct top_row *rows;
	size_t n = top_rows(&base, &before, &now, &all, TOP_BY_RATE, &rows);
	const struct top_row *row;

	(void)state;
	assert_int_equal(n, 8);
	row = find(rows, n, "a", 2, EXIT_REASON_CPUID);
	assert_int_equal(row->total, 7);
	assert_int_equal(row->count, 4);
	assert_int_equal(row->rounds, 4);
	assert_int_equal(row->ns, 8000);
	assert_int_equal(row->insns, 200);
	assert_int_equal(row->l1_exits, 8);
	assert_int_equal(row->ns_min, 2000);
	assert_true(top_mean_ns(row) == 2000 && top_amplification(row) == 3);
	row = find(rows, n, "a", 2, EXIT_REASON_MSR_READ); /* L1 doesn't see it */
	assert_int_equal(row->count, 4);
	assert_int_equal(row->rounds, 0);
	row = find(rows, n, "a", 1, EXIT_REASON_VMREAD);
	assert_int_equal(row->count, 4);
	/* b was started anew: all that it has is new */
	row = find(rows, n, "b", 2, EXIT_REASON_CPUID);
	assert_int_equal(row->total, 9);
	assert_int_equal(row->count, 9);
	assert_int_equal(row->ns, 36000);
	free(rows);
	top_sample_free(&base);
	top_sample_free(&before);
	top_sample_free(&now);
}

static void filters_and_orders_do_as_they_say(void **state)
{
	struct top_sample none = { .count = 0 }, now = look_at(3, 1);
	struct top_filter filter = { .l1 = "b" };
	struct top_row *rows;
	regex_t regex;
	size_t n;

	(void)state;
	n = top_rows(&none, &none, &now, &filter, TOP_BY_NAME, &rows);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(rows[i].l1, "b");
	free(rows);
	filter = (struct top_filter){ .level = 1 };
	n = top_rows(&none, &none, &now, &filter, TOP_BY_TOTAL, &rows);
	assert_int_equal(n, 4);
	free(rows);
	assert_int_equal(regcomp(&regex, "^msr|cpu", REG_EXTENDED | REG_ICASE | REG_NOSUB), 0);
	filter = (struct top_filter){ .reason = &regex };
	n = top_rows(&none, &none, &now, &filter, TOP_BY_TIME, &rows);
	assert_int_equal(n, 4);
	assert_string_equal(rows[0].l1, "b"); /* its rounds are longer */
	assert_true(rows[0].ns > rows[1].ns);
	free(rows);
	regfree(&regex);
	filter = (struct top_filter){ .idle = true, .level = 2, .l1 = "a" };
	n = top_rows(&now, &now, &now, &filter, TOP_BY_RATE, &rows);
	assert_true(n > 50);
	assert_int_equal(rows[0].total, 0);
	free(rows);
	filter.idle = false;
	assert_int_equal(top_rows(&now, &now, &now, &filter, TOP_BY_RATE, &rows), 0);
	free(rows);
	top_sample_free(&now);
}

static void a_line_is_never_wider_than_the_screen(void **state)
{
	struct top_sample none = { .count = 0 }, now = look_at(3, 1);
	const struct top_filter all = { .level = 0 };
	struct top_row *rows;
	size_t n = top_rows(&none, &none, &now, &all, TOP_BY_RATE, &rows);
	struct top_sums sums = top_sums(rows, n, 3);
	char heading[TOP_LINE], line[TOP_LINE];

	(void)state;
	for (unsigned int width = 1; width < 300; width++) {
		top_heading(heading, width);
		for (size_t i = 0; i < n; i++) {
			top_line(line, width, &rows[i], &sums);
			assert_true(strlen(line) <= width && strlen(line) == strlen(heading));
		}
	}
	assert_null(strstr(top_heading(heading, 80), "Min us"));
	assert_non_null(strstr(top_heading(heading, 80), "Mean us"));
	assert_non_null(strstr(top_heading(heading, 130), "Insns"));
	/* of 12 exits of each kind at each place; b's rounds are two thirds of the time */
	top_line(line, 130, find(rows, n, "b", 2, EXIT_REASON_CPUID), &sums);
	assert_non_null(strstr(line, "66.7"));
	assert_non_null(strstr(line, "12.5"));
	assert_non_null(strstr(line, "4.00"));
	free(rows);
	top_sample_free(&now);
}

static void csv_has_no_number_where_there_is_none(void **state)
{
	struct top_row row = { .l1 = "a,\"b\"", .level = 1, .reason = EXIT_REASON_CPUID, .total = 5, .count = 2 };
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	top_csv_heading(to);
	top_csv_row(to, "1.5", &row);
	row = (struct top_row){ .l1 = "a", .level = 2, .reason = EXIT_REASON_HLT, .rounds = 1, .ns = 7, .insns = 3 };
	top_csv_row(to, NULL, &row);
	row.timed = true;
	top_csv_row(to, NULL, &row);
	fclose(to);
	assert_string_equal(text, "time,l1,level,reason,total,count,rounds,ns,ns_min,ns_max,insns,l1_exits\n"
				  "1.5,\"a,\"\"b\"\"\",1,CPUID,5,2,,,,,,\n"
				  ",a,2,HLT,0,0,1,,,,3,0\n"
				  ",a,2,HLT,0,0,1,7,0,0,3,0\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_has_what_passed_between_two_looks),
		cmocka_unit_test(filters_and_orders_do_as_they_say),
		cmocka_unit_test(a_line_is_never_wider_than_the_screen),
		cmocka_unit_test(csv_has_no_number_where_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
