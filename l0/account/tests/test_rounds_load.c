/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rounds_json() and stats_write() wrote is read back, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../vmx/vmx.h"
#include "../rounds_load.h"
#include "../rounds_report.h"
#include "../stats.h"

static char path[] = "/tmp/turtles-stats-XXXXXX", error[512];

static int set_up(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

/* All that can be counted, at random */
static struct rounds *random_rounds(void)
{
	struct rounds *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->end_tsc = r->end_ns = 1;
	for (unsigned int i = 0; i < 200; i++) {
		unsigned int l2 = (unsigned int)random() % VM_EXIT_REASONS, l1 = (unsigned int)random() % VM_EXIT_REASONS;

		if (!vmx_exit_name(l2) || !vmx_exit_name(l1))
			continue;
		rounds_reflect_at(r, l2, i * 100, i * 10);
		rounds_exit(r, false, l1);
		if (i % 7)
			rounds_enter_at(r, i * 100 + l1, i * 10 + l2);
		rounds_exit(r, true, l1);
		rounds_failed(r, (enum vmx_check)(1 + l1));
		r->vmread[(unsigned int)random() % VMCS_FIELD_COUNT]++;
		r->vmwrite[(unsigned int)random() % VMCS_FIELD_COUNT] += 3;
		r->vmcs_callouts++;
	}
	return r;
}

static json_t *loaded_again(json_t *vmx, bool counted)
{
	struct rounds *r = calloc(1, sizeof(*r));
	json_t *again;

	assert_non_null(r);
	if (!rounds_load(r, vmx, error, sizeof(error)))
		fail_msg("%s", error);
	assert_int_equal(r->untimed, counted);
	again = rounds_json(r, counted);
	free(r);
	return again;
}

static void what_was_written_is_read_back(void **state)
{
	(void)state;
	srandom(1);
	for (int i = 0; i < 20; i++) {
		struct rounds *r = random_rounds();
		json_t *vmx = rounds_json(r, i % 2), *again = loaded_again(vmx, i % 2);

		assert_true(json_array_size(json_object_get(vmx, "rounds")) > 10);
		assert_true(json_is_string(json_object_get(vmx, "first_failed_entry")));
		assert_true(json_equal(vmx, again));
		json_decref(vmx);
		json_decref(again);
		free(r);
	}
}

/* Each member of the object, as something that it isn't, and not there */
static void what_isnt_as_it_was_written_is_refused(void **state)
{
	static const char *const MAY_MISS[] = { "first_failed_entry" };
	struct rounds *r = random_rounds(), *into = calloc(1, sizeof(*into));
	json_t *vmx = rounds_json(r, false), *value, *row = json_array_get(json_object_get(vmx, "rounds"), 0);
	const char *key;

	(void)state;
	assert_non_null(into);
	json_object_foreach(vmx, key, value)
	{
		json_t *copy = json_deep_copy(vmx);

		json_object_set_new(copy, key, json_string("no"));
		assert_false(rounds_load(into, copy, error, sizeof(error)));
		assert_true(error[0] && !strchr(error, '\n'));
		json_object_del(copy, key);
		assert_int_equal(rounds_load(into, copy, error, sizeof(error)), !strcmp(key, MAY_MISS[0]));
		json_decref(copy);
		if (!json_is_object(value))
			continue;
		copy = json_deep_copy(vmx);
		json_object_set_new(json_object_get(copy, key), "FOO", json_integer(1));
		assert_false(rounds_load(into, copy, error, sizeof(error)));
		assert_non_null(strstr(error, "FOO"));
		json_decref(copy);
	}
	json_object_foreach(row, key, value)
	{
		json_t *copy = json_deep_copy(vmx);

		json_object_set_new(json_array_get(json_object_get(copy, "rounds"), 0), key, json_real(1.5));
		assert_false(rounds_load(into, copy, error, sizeof(error)));
		json_decref(copy);
	}
	json_object_set_new(row, "count", json_integer(-1));
	assert_false(rounds_load(into, vmx, error, sizeof(error)));
	assert_false(rounds_load(into, NULL, error, sizeof(error)));
	json_decref(vmx);
	free(into);
	free(r);
}

static void no_damage_of_a_stats_file_harms(void **state)
{
	struct rounds *r = random_rounds(), *into = calloc(1, sizeof(*into));
	struct stats_machine machine = { .name = "a", .status = "running", .exit_code = -1, .rounds = r };
	struct stats_doc doc = { .machines = &machine, .machine_count = 1 };
	static char text[65536], copy[65536];
	unsigned int refused = 0;
	size_t size;
	FILE *f;

	(void)state;
	assert_non_null(into);
	assert_int_equal(stats_write(path, &doc, error, sizeof(error)), 0);
	f = fopen(path, "re");
	assert_non_null(f);
	size = fread(text, 1, sizeof(text), f);
	fclose(f);
	assert_in_range(size, 1000, sizeof(text) - 1);
	for (unsigned int i = 0; i < 600; i++) {
		size_t n = i % 3 ? size : (size_t)random() % size;
		bool host_error;
		json_t *root;

		memcpy(copy, text, size);
		for (unsigned int flips = i % 3; flips; flips--)
			copy[(size_t)random() % size] ^= (char)(1 << random() % 8);
		unlink(path);
		f = fopen(path, "we");
		assert_non_null(f);
		fwrite(copy, 1, n, f);
		fclose(f);
		root = stats_load(path, &host_error, error, sizeof(error));
		assert_false(host_error);
		if (!root) {
			assert_true(strstr(error, path) && !strchr(error, '\n'));
			refused++;
			continue;
		}
		rounds_load(into, json_object_get(json_array_get(json_object_get(root, "l1"), 0), "vmx"), error,
			    sizeof(error));
		json_decref(root);
	}
	assert_in_range(refused, 200, 599);
	free(into);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read_back),
		cmocka_unit_test(what_isnt_as_it_was_written_is_refused),
		cmocka_unit_test(no_damage_of_a_stats_file_harms),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
