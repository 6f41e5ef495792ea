/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every guest of workloads/wild on a terminal: the exit code and the line that its row promises, nothing else on stderr,
 * no hang, no crash, and the terminal as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../l0/run/tests/program.h"
#include "../wild/guests.h"

#define SECONDS_MAX 120 /* a machine with sanitizers, and busy */
#define SEEDS 8

struct row {
	const char *name, *options, *says;
	int code;
};

/* What it does nobody knows. It may end in any way but by a fault of L0's own. */
static void does_no_harm(const struct row *row)
{
	static struct program p;
	char guest[64];

	for (int seed = 1; seed <= SEEDS; seed++) {
		int code;

		snprintf(guest, sizeof(guest), "%s,%d", row->name, seed);
		program_start_guest(&p, true, guest, row->options);
		code = program_end(&p, SECONDS_MAX);
		if (code < 0 || program_error_lines(&p) > 1 || (p.errors_size && strncmp(p.errors, "turtles: ", 9)) ||
		    strstr(p.errors, "internal error"))
			fail_msg("seed %d: exit code %d, stderr: %s", seed, code, p.errors);
		assert_true(program_terminal_restored(&p));
		program_close(&p);
	}
}

static void meets_its_end(void **state)
{
	static struct program p;
	const struct row *row = *state;
	int code;

	if (row->code == WILD_ANY) {
		does_no_harm(row);
		return;
	}
	program_start_guest(&p, true, row->name, row->options ? row->options : "");
	code = program_end(&p, SECONDS_MAX);
	if (code != row->code)
		fail_msg("exit code %d instead of %d; stderr: %s; console: %.300s", code, row->code, p.errors, p.output);
	if (row->says ? !strstr(p.errors, row->says) || program_error_lines(&p) != 1 : p.errors_size != 0)
		fail_msg("stderr: %s", p.errors);
	assert_true(program_terminal_restored(&p));
	program_close(&p);
}

int main(void)
{
	static struct row rows[] = {
#define ROW(name_, options_, code_, says_) { .name = #name_, .options = (options_), .says = (says_), .code = (code_) },
		WILD_GUESTS(ROW)
#undef ROW
	};
	enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
	struct CMUnitTest tests[ROWS];
	static char names[ROWS][80];

	for (int i = 0; i < ROWS; i++) {
		snprintf(names[i], sizeof(names[i]), "a_guest_that_%s", rows[i].name);
		tests[i] = (struct CMUnitTest){ .name = names[i], .test_func = meets_its_end, .initial_state = &rows[i] };
	}
	return cmocka_run_group_tests_name("wild guests", tests, NULL, NULL);
}
