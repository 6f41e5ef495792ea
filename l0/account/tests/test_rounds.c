/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../rounds_report.h"

static struct rounds *fresh(void)
{
	struct rounds *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	rounds_init(r);
	return r;
}

static json_int_t number(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

/* Exits of L1 between an exit of L2 and the next entry belong to the exit; what comes outside belongs to none. */
static void a_round_has_the_exits_within_it(void **state)
{
	struct rounds *r = fresh();
	json_t *root, *row, *l1;

	(void)state;
	rounds_exit(r, false, EXIT_REASON_CPUID);
	rounds_enter(r, 50);
	for (int i = 0; i < 3; i++) {
		rounds_reflect(r, EXIT_REASON_CPUID, 100);
		rounds_exit(r, false, EXIT_REASON_VMREAD);
		rounds_exit(r, false, EXIT_REASON_VMREAD);
		rounds_exit(r, false, EXIT_REASON_VMRESUME);
		rounds_enter(r, 130);
		rounds_exit(r, true, EXIT_REASON_MSR_READ);
	}
	rounds_reflect(r, EXIT_REASON_HLT, 200);

	root = rounds_json(r, true);
	assert_int_equal(json_array_size(json_object_get(root, "rounds")), 2);
	row = json_array_get(json_object_get(root, "rounds"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "reason")), "CPUID");
	assert_int_equal(number(row, "count"), 3);
	assert_int_equal(number(row, "rounds"), 3);
	assert_int_equal(number(row, "insns"), 90);
	assert_null(json_object_get(row, "ns"));
	l1 = json_object_get(row, "l1_exits");
	assert_int_equal(json_object_size(l1), 2);
	assert_int_equal(number(l1, "VMREAD"), 6);
	assert_int_equal(number(l1, "VMRESUME"), 3);
	/* a round that the machine's end cut off has a count and no sums */
	row = json_array_get(json_object_get(root, "rounds"), 1);
	assert_string_equal(json_string_value(json_object_get(row, "reason")), "HLT");
	assert_int_equal(number(row, "count"), 1);
	assert_int_equal(number(row, "rounds"), 0);
	assert_int_equal(number(json_object_get(root, "l1_exits"), "CPUID"), 1);
	assert_int_equal(number(json_object_get(root, "l1_exits"), "VMREAD"), 6);
	assert_int_equal(number(json_object_get(root, "l2_exits_without_l1"), "MSR_READ"), 3);
	json_decref(root);
	free(r);
}

static void fields_have_their_names(void **state)
{
	struct rounds *r = fresh();
	json_t *root;

	(void)state;
	r->vmread[VMCS_ID_guest_rip] = 4;
	r->vmwrite[VMCS_ID_guest_rip] = 2;
	r->failed[VMX_CHECK_OK + 1] = 5;
	root = rounds_json(r, true);
	assert_int_equal(number(json_object_get(root, "vmread"), "guest_rip"), 4);
	assert_int_equal(number(json_object_get(root, "vmwrite"), "guest_rip"), 2);
	assert_int_equal(json_object_size(json_object_get(root, "vmread")), 1);
	assert_int_equal(
		number(json_object_get(root, "failed_entries"), vmx_check_name((enum vmx_check)(VMX_CHECK_OK + 1))), 5);
	json_decref(root);
	free(r);
}

static void the_summary_says_how_many_entries_failed_and_why_the_first(void **state)
{
	struct rounds *r = fresh();
	char *text = NULL, expected[64];
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	assert_false(rounds_any(r));
	rounds_failed(r, VMX_CHECK_OK + 2);
	rounds_failed(r, VMX_CHECK_OK + 1);
	rounds_failed(r, VMX_CHECK_OK + 2);
	assert_true(rounds_any(r));
	rounds_print(to, r);
	fclose(to);
	snprintf(expected, sizeof(expected),
		 "entries that failed: 3, the first by %s: ", vmx_check_name(VMX_CHECK_OK + 2));
	assert_non_null(strstr(text, expected));
	free(text);
	free(r);
}

static void time_is_left_out_where_only_counts_are_wanted(void **state)
{
	struct rounds *r = fresh();
	json_t *root;

	(void)state;
	rounds_reflect(r, EXIT_REASON_VMCALL, 0);
	rounds_enter(r, 1);
	root = rounds_json(r, false);
	assert_true(number(json_array_get(json_object_get(root, "rounds"), 0), "ns") >= 0);
	json_decref(root);
	free(r);
}

/* a line of the report that begins with key, after the first that begins with from; NULL: none */
static char *line_of(char *text, const char *from, const char *key, char *line, size_t size)
{
	char *at = strstr(text, from);

	for (; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (!strncmp(at, key, strlen(key))) {
			snprintf(line, size, "%.*s", (int)strcspn(at, "\n"), at);
			return line;
		}
	return NULL;
}

/* Every exit of L2 has its line, whether L1 gets to see it or not; with L1 exits by reason, no line too long for a terminal. */
static void the_report_has_a_line_for_every_exit_and_fits_a_terminal(void **state)
{
	struct rounds *r = fresh();
	char *text = NULL, line[256], name[64];
	unsigned long count, reflected;
	double us, insns, amplification;
	size_t size;
	FILE *to;

	(void)state;
	for (unsigned int reason = 0; reason < VM_EXIT_REASONS; reason++)
		rounds_exit(r, false, reason);
	for (int i = 0; i < 4; i++) {
		rounds_reflect(r, EXIT_REASON_TPR_BELOW_THRESHOLD, 100);
		for (unsigned int reason = 0; reason < VM_EXIT_REASONS; reason++)
			if (reason <= EXIT_REASON_SIPI_SIGNAL || reason == EXIT_REASON_VMREAD ||
			    reason == EXIT_REASON_PREEMPTION_TIMER)
				rounds_exit(r, false, reason);
		rounds_exit(r, false, EXIT_REASON_VMREAD);
		rounds_enter(r, 130);
	}
	rounds_exit(r, true, EXIT_REASON_TPR_BELOW_THRESHOLD);
	for (int i = 0; i < 9; i++)
		rounds_exit(r, true, EXIT_REASON_MSR_READ);
	rounds_reflect(r, EXIT_REASON_HLT, 200); /* cut off by the machine's end */

	to = open_memstream(&text, &size);
	assert_non_null(to);
	rounds_print(to, r);
	fclose(to);
	for (char *at = text; *at; at += strcspn(at, "\n") + 1)
		assert_true(strcspn(at, "\n") <= 110);

	assert_non_null(line_of(text, "exit of L2", "TPR_BELOW_THRESHOLD", line, sizeof(line)));
	assert_int_equal(sscanf(line, "%63s %lu %lu %lf %lf %lf", name, &count, &reflected, &us, &insns, &amplification),
			 6);
	assert_int_equal(count, 5);
	assert_int_equal(reflected, 4);
	assert_true(insns == 30);
	assert_true(amplification == 1 + 5 + 2 + 1);
	assert_non_null(line_of(text, "exit of L2", "MSR_READ", line, sizeof(line)));
	assert_int_equal(sscanf(line, "%63s %lu %lu", name, &count, &reflected), 3);
	assert_int_equal(count, 9);
	assert_int_equal(reflected, 0);
	assert_non_null(line_of(text, "exit of L2", "HLT", line, sizeof(line)));
	assert_non_null(line_of(text, "exit of L2", "all", line, sizeof(line)));
	assert_int_equal(sscanf(line, "%63s %lu %lu", name, &count, &reflected), 3);
	assert_int_equal(count, 15);
	assert_int_equal(reflected, 5);

	/* the most frequent exit of L1 has the first column */
	assert_non_null(line_of(text, "exits of L1 in a", "TPR_BELOW_THRESHOLD", line, sizeof(line)));
	assert_int_equal(sscanf(line, "%63s %lf", name, &us), 2);
	assert_true(us == 2);
	assert_null(line_of(text, "exits of L1 in a", "HLT", line, sizeof(line)));
	free(text);
	free(r);
}

static void the_shortest_and_the_longest_round_are_known(void **state)
{
	struct rounds *r = fresh(), *other = fresh();
	const struct round_row *row = &r->row[EXIT_REASON_CPUID];

	(void)state;
	assert_int_equal(row->tsc_min, 0);
	for (u64 i = 0; i < 5; i++) {
		rounds_reflect_at(r, EXIT_REASON_CPUID, 1000 * i, 0);
		rounds_enter_at(r, 1000 * i + 50 + (i * 3 % 5) * 10, 0);
	}
	assert_int_equal(row->tsc_min, 50);
	assert_int_equal(row->tsc_max, 90);
	rounds_add(r, other); /* where there was none */
	assert_int_equal(row->tsc_min, 50);
	rounds_reflect_at(other, EXIT_REASON_CPUID, 0, 0);
	rounds_enter_at(other, 7, 0);
	rounds_add(r, other);
	assert_int_equal(row->tsc_min, 7);
	assert_int_equal(row->tsc_max, 90);
	/* what the machine stood still isn't in a round */
	rounds_reflect_at(r, EXIT_REASON_HLT, 100, 0);
	rounds_stood_still(r, 1000000);
	rounds_enter_at(r, 1000130, 0);
	assert_int_equal(r->row[EXIT_REASON_HLT].tsc_max, 30);
	free(other);
	free(r);
}

static void *rounds_without_end(void *arg)
{
	struct rounds *r = arg;
	const bool *stop = (bool *)(r + 1);

	for (u64 i = 0; !__atomic_load_n(stop, __ATOMIC_RELAXED); i++) {
		rounds_reflect_at(r, EXIT_REASON_CPUID, 1000 * i, 10 * i);
		rounds_exit(r, false, EXIT_REASON_VMREAD);
		/* each tick is three instructions */
		rounds_enter_at(r, 1000 * i + 10 + i % 7, 10 * i + 3 * (10 + i % 7));
	}
	return NULL;
}

/* A vCPU never waits, and what somebody else sees of a row fits together. */
static void a_copy_has_rows_whose_numbers_belong_together(void **state)
{
	struct rounds *r = calloc(2, sizeof(*r)), *seen = calloc(1, sizeof(*seen));
	const struct round_row *row = &seen->row[EXIT_REASON_CPUID];
	bool *stop = (bool *)(r + 1);
	u64 last = 0, moves = 0;
	pthread_t writer;

	(void)state;
	assert_true(r && seen);
	assert_int_equal(pthread_create(&writer, NULL, rounds_without_end, r), 0);
	for (int i = 0; i < 20000 || moves < 100; i++) {
		rounds_copy(seen, r);
		assert_true(row->ended >= last && row->count >= row->ended);
		assert_true(row->insns == 3 * row->tsc);
		assert_true(row->tsc >= row->tsc_min * row->ended && row->tsc <= row->tsc_max * row->ended);
		assert_true(row->ended < 7 || (row->tsc_min == 10 && row->tsc_max == 16));
		moves += row->ended != last;
		last = row->ended;
	}
	__atomic_store_n(stop, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	free(seen);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shortest_and_the_longest_round_are_known),
		cmocka_unit_test(a_copy_has_rows_whose_numbers_belong_together),
		cmocka_unit_test(a_round_has_the_exits_within_it),
		cmocka_unit_test(fields_have_their_names),
		cmocka_unit_test(the_summary_says_how_many_entries_failed_and_why_the_first),
		cmocka_unit_test(time_is_left_out_where_only_counts_are_wanted),
		cmocka_unit_test(the_report_has_a_line_for_every_exit_and_fits_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
