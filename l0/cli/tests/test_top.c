/* SPDX-License-Identifier: GPL-2.0-or-later */
/* turtles top beside a run: on a terminal, in a pipe, and what becomes of it when the run ends. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../run/tests/program.h"

static struct program lab, top;
static char folder[] = "/tmp/test_top.XXXXXX", socket_path[64], args[512];

static void start_lab(void)
{
	snprintf(args, sizeof(args),
		 "run --control %s --kernel %s/bin/l1shim --cpu Skylake-Server,+vmx --memory 64 --timeout 60 --serial "
		 "null"
		 " --l1 two,hold --l1 one,append=rounds=100000000",
		 socket_path, program_guest());
	program_start(&lab, false, args);
	for (int i = 0; i < 4000 && access(socket_path, F_OK); i++)
		usleep(5000);
}

/* `turtles WORDS`, to its end: the exit code; its output is in top.output */
static int run(const char *format)
{
	snprintf(args, sizeof(args), format, socket_path);
	program_start(&top, false, args);
	return program_end(&top, 60);
}

static int set_up(void **state)
{
	char guest[256];

	(void)state;
	setenv("TERM", "vt100", 1);
	if (!mkdtemp(folder))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/s", folder);
	snprintf(guest, sizeof(guest), "%s/bin/l1shim", program_guest());
	if (access(guest, R_OK)) {
		printf("1..0 # SKIP no guest images: make guest\n");
		exit(0);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(folder);
}

static void a_terminal_shows_exits_and_obeys_keys(void **state)
{
	(void)state;
	start_lab();
	snprintf(args, sizeof(args), "top %s -s 0.2", socket_path);
	program_start(&top, true, args);
	assert_true(program_prints(&top, "VM-EXIT"));
	assert_true(program_prints(&top, "CPUID"));
	assert_true(program_prints(&top, "prelaunch"));
	program_type(&top, "l");
	assert_true(program_prints(&top, "level 1"));
	program_type(&top, "o");
	assert_true(program_prints(&top, "by total"));
	program_type(&top, "ghost\b\b\b\b");
	program_type(&top, "\n");
	assert_true(program_prints(&top, "L1 (nothing"));
	program_type(&top, "f(\n");
	assert_true(program_prints(&top, "'('"));
	program_type(&top, " ");
	program_type(&top, "fVMREAD\n");
	assert_true(program_prints(&top, "/VMREAD/"));
	program_type(&top, "h");
	assert_true(program_prints(&top, "any key goes on"));
	program_type(&top, " crzp");
	assert_true(program_prints(&top, "paused"));
	program_type(&top, "q");
	assert_int_equal(program_end(&top, 20), 0);
	assert_true(program_terminal_restored(&top));
	assert_int_equal(top.errors_size, 0);
	program_close(&top);
	kill(lab.pid, SIGTERM);
	assert_int_equal(program_end(&lab, 20), 128 + SIGTERM);
	program_close(&lab);
}

static void a_pipe_gets_tables_or_csv_and_the_runs_end_is_an_end(void **state)
{
	(void)state;
	start_lab();
	assert_int_equal(run("top %s -1 -s 0.2 -g one -f ^CPUID$"), 0);
	assert_non_null(strstr(top.output, "one      running"));
	assert_non_null(strstr(top.output, "one      L2 CPUID"));
	assert_null(strstr(top.output, "HLT"));
	program_close(&top);
	assert_int_equal(run("top %s --batch -c -s 0.2 --level 2 --sort name"), 0);
	assert_true(!strncmp(top.output, "time,l1,level,reason,", 21));
	assert_non_null(strstr(top.output, ",one,2,CPUID,"));
	program_close(&top);
	assert_int_equal(run("top %s"), 2); /* to a pipe nothing can be drawn */
	assert_int_equal(program_error_lines(&top), 1);
	program_close(&top);
	assert_int_equal(run("top %s -f ( -1"), 2);
	assert_int_equal(program_error_lines(&top), 1);
	program_close(&top);
	assert_int_equal(run("top %s --sort weight -1"), 2);
	assert_non_null(strstr(top.errors, "amplification"));
	program_close(&top);
	snprintf(args, sizeof(args), "top %s -l -s 0.1", socket_path);
	program_start(&top, false, args);
	assert_true(program_prints(&top, "VM-EXIT"));
	kill(lab.pid, SIGTERM);
	assert_int_equal(program_end(&lab, 20), 128 + SIGTERM);
	program_close(&lab);
	assert_int_equal(program_end(&top, 20), 0);
	assert_int_equal(top.errors_size, 0);
	program_close(&top);
	assert_int_equal(run("top %s -1"), 3);
	assert_int_equal(program_error_lines(&top), 1);
	program_close(&top);
	assert_int_equal(run("top /dev/null -1"), 3);
	program_close(&top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_terminal_shows_exits_and_obeys_keys),
		cmocka_unit_test(a_pipe_gets_tables_or_csv_and_the_runs_end_is_an_end),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
