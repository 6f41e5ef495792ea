/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "../stats.h"

#define DEMO_STATS(S) \
	S(blocks, counted, "blocks") \
	S(insns, counted, "instructions") \
	S(translate_ns, timed, "nanoseconds") \
	S(guess, modelled, "from a model")

struct demo_stats {
	DEMO_STATS(STAT_FIELD)
};
STAT_TABLE(demo_table, "bt", "for this test", DEMO_STATS);

static char folder[] = "/tmp/test_stats.XXXXXX";
static char path[64];

static char *argv[] = { "turtles", "-append", "a \"b\"", "\xff" };
static struct demo_stats demo[2] = { { 10, 200, 3000, 5 }, { 1, 20, 300, UINT64_MAX } };
static struct stat_values values[2];
static struct stats_machine machines[2];
static struct stats_doc doc;

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/stats", folder);
	for (int i = 0; i < 2; i++) {
		values[i] = STAT_VALUES(demo_table, &demo[i]);
		machines[i] = (struct stats_machine){
			.name = i ? "b" : "a",
			.status = i ? "shutdown" : "running",
			.exit_code = i ? 33 : -1,
			.end = "",
			.tables = &values[i],
			.count = 1,
		};
	}
	doc = (struct stats_doc){
		.argc = 4,
		.argv = argv,
		.run = { .insns = 1000000, .wall_ns = 2000000000, .user_ns = 1500000000 },
		.machines = machines,
		.machine_count = 2,
	};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static json_t *written(void)
{
	char error[256];
	json_t *root;

	if (stats_write(path, &doc, error, sizeof(error)))
		fail_msg("%s", error);
	root = json_load_file(path, 0, NULL);
	assert_non_null(root);
	return root;
}

static void the_file_holds_every_number_under_its_table(void **state)
{
	json_t *root = written(), *a;
	json_int_t schema, insns, blocks, guess;
	const char *name;

	(void)state;
	assert_int_equal(json_unpack(root, "{s:I, s:{s:I}, s:[o,o]}", "schema", &schema, "run", "insns", &insns, "l1",
				     &a, &a),
			 0);
	assert_int_equal(schema, 1);
	assert_int_equal(insns, 1000000);
	assert_int_equal(json_unpack(a, "{s:s, s:{s:I, s:I}}", "name", &name, "bt", "blocks", &blocks, "guess", &guess),
			 0);
	assert_string_equal(name, "b");
	assert_int_equal(json_integer_value(json_object_get(a, "exit_code")), 33);
	assert_null(json_object_get(a, "end"));
	assert_null(json_object_get(json_array_get(json_object_get(root, "l1"), 0), "exit_code"));
	assert_int_equal(blocks, 1);
	assert_true(guess == INT64_MAX); /* JSON readers have no more */
	assert_true(json_is_string(json_object_get(json_object_get(root, "host"), "cpu")));
	assert_int_equal(json_array_size(json_object_get(json_object_get(root, "run"), "command")), 4);
	json_decref(root);
}

static void with_the_instruction_clock_only_counted_numbers_are_written(void **state)
{
	json_t *root, *bt;

	(void)state;
	doc.counted_only = machines[0].counted_only = true;
	root = written();
	doc.counted_only = machines[0].counted_only = false;
	bt = json_object_get(json_array_get(json_object_get(root, "l1"), 0), "bt");
	assert_int_equal(json_object_size(bt), 2);
	assert_null(json_object_get(bt, "translate_ns"));
	assert_null(json_object_get(json_object_get(root, "run"), "wall_ns"));
	bt = json_object_get(json_array_get(json_object_get(root, "l1"), 1), "bt");
	assert_non_null(json_object_get(bt, "translate_ns")); /* that one's clock is another */
	json_decref(root);
}

static void a_symbolic_link_is_followed_and_stays(void **state)
{
	char link[80], error[256];
	struct stat st;

	(void)state;
	snprintf(link, sizeof(link), "%s/link", folder);
	json_decref(written());
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(stats_write(link, &doc, error, sizeof(error)), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(link);
}

static void a_device_is_written_to_and_not_replaced(void **state)
{
	struct stat st;
	char error[256];

	(void)state;
	assert_int_equal(stats_write("/dev/null", &doc, error, sizeof(error)), 0);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
}

static void a_file_that_cant_be_written_gives_one_line(void **state)
{
	char error[256] = "";

	(void)state;
	assert_true(stats_write("/nonexistent/stats", &doc, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "/nonexistent/stats"));
	assert_null(strchr(error, '\n'));
	assert_true(stats_write("/dev/full", &doc, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "No space"));
}

static void get_sums_over_machines(void **state)
{
	(void)state;
	assert_int_equal(stats_get(&doc, "bt", "blocks"), 11);
	assert_int_equal(stats_get(&doc, "run", "wall_ns"), 2000000000);
	assert_int_equal(stats_get(&doc, "bt", "nothing"), 0);
	assert_int_equal(stats_get(&doc, "nothing", "blocks"), 0);
}

static void the_summary_divides_what_it_says_it_divides(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	assert_non_null(f);
	stats_summary(f, &doc);
	fclose(f);
	assert_non_null(strstr(text, "user space              1.50 s"));
	assert_non_null(strstr(text, "per second         0.5 M"));
	assert_non_null(strstr(text, "an instruction             15 ns")); /* 3300 ns, 220 instructions */
	assert_non_null(strstr(text, "a block                   300 ns"));
	free(text);
}

static void every_table_says_what_its_numbers_are(void **state)
{
	(void)state;
	for (const struct stat_table *const *t = STAT_TABLES; *t; t++) {
		assert_true((*t)->count > 0);
		for (size_t i = 0; i < (*t)->count; i++) {
			assert_true((*t)->stats[i].text[0]);
			for (size_t j = 0; j < i; j++)
				assert_string_not_equal((*t)->stats[i].name, (*t)->stats[j].name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_holds_every_number_under_its_table),
		cmocka_unit_test(with_the_instruction_clock_only_counted_numbers_are_written),
		cmocka_unit_test(a_symbolic_link_is_followed_and_stays),
		cmocka_unit_test(a_device_is_written_to_and_not_replaced),
		cmocka_unit_test(a_file_that_cant_be_written_gives_one_line),
		cmocka_unit_test(get_sums_over_machines),
		cmocka_unit_test(the_summary_divides_what_it_says_it_divides),
		cmocka_unit_test(every_table_says_what_its_numbers_are),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
