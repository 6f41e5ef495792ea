/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user and a script see of a run: keys, signals, the time limit, pipes, stats, dump, trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../../workloads/wild/guests.h"
#include "program.h"

#define SECONDS_MAX 60

static struct program p;

static int teardown(void **state)
{
	(void)state;
	program_close(&p);
	return 0;
}

static void assert_end(int code)
{
	int got = program_end(&p, SECONDS_MAX);

	if (got != code)
		fail_msg("exit code %d instead of %d; stderr: %s; console: %.300s", got, code, p.errors, p.output);
}

/* One line on stderr that says `text`. */
static void assert_said(const char *text)
{
	if (!strstr(p.errors, text) || program_error_lines(&p) != 1)
		fail_msg("stderr: %s", p.errors);
}

static void keys_reach_the_guest_and_ctrl_a_x_quits(void **state)
{
	(void)state;
	program_start_guest(&p, true, "echoes", "");
	assert_true(program_prints(&p, "ready"));
	program_wait_raw(&p);
	program_type(&p, "hello\x03\x1a\x1c");
	assert_true(program_prints(&p, "hello\x03\x1a\x1c"));
	program_type(&p, "\x01\x01");
	assert_true(program_prints(&p, "\x1c\x01"));
	program_type(&p, "\x01h");
	assert_true(program_complains(&p, "Ctrl-A x"));
	program_type(&p, "\x01x");
	assert_end(0);
	assert_true(program_terminal_restored(&p));
}

static void what_is_typed_goes_to_the_next_l1_when_one_ends(void **state)
{
	(void)state;
	program_start_guest(&p, true, "resets", "--no-reboot --l1 a --l1 b,append=echoes --l1 c,append=spins");
	assert_true(
		program_complains(&p, "turtles: a: has ended with exit code 0\n\nturtles: what is typed goes to b\n"));
	program_wait_raw(&p);
	program_type(&p, "hello\n");
	assert_true(program_prints(&p, "b| hello"));
	program_type(&p, "\x01x");
	assert_end(0);
	/* the end of all is no reason to go on to another */
	assert_null(strstr(p.errors, "goes to c"));
}

static void ctrl_a_x_quits_a_guest_that_hears_nothing(void **state)
{
	static const char *const GUESTS[] = {
		"spins",	   "halts_with_all_interrupts_masked", "drowns_in_interrupts",
		"resets_for_ever", "spins_in_one_rep_instruction",     "floods_the_console"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(GUESTS) / sizeof(GUESTS[0]); i++) {
		program_start_guest(&p, true, GUESTS[i], "");
		program_wait_raw(&p);
		program_type(&p, "\x01x");
		assert_end(0);
		assert_int_equal(p.errors_size, 0);
		assert_true(program_terminal_restored(&p));
		if (i + 1 < sizeof(GUESTS) / sizeof(GUESTS[0]))
			program_close(&p);
	}
}

static void signals_end_the_run_with_their_number(void **state)
{
	static const int SIGNALS[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };

	(void)state;
	for (size_t i = 0; i < sizeof(SIGNALS) / sizeof(SIGNALS[0]); i++) {
		program_start_guest(&p, true, "spins", "");
		program_wait_raw(&p);
		kill(p.pid, SIGNALS[i]);
		assert_end(128 + SIGNALS[i]);
		assert_true(program_terminal_restored(&p));
		if (i + 1 < sizeof(SIGNALS) / sizeof(SIGNALS[0]))
			program_close(&p);
	}
}

static void the_time_limit_ends_the_run_with_124(void **state)
{
	(void)state;
	program_start_guest(&p, true, "spins", "--timeout 0.25");
	assert_end(124);
	assert_said("timeout: the guest still runs after 0.250 s");
	assert_true(program_terminal_restored(&p));
}

static void a_pipe_carries_input_and_output_byte_for_byte(void **state)
{
	char all[256];
	size_t n = 0;

	(void)state;
	program_start_guest(&p, false, "echoes", "");
	assert_true(program_prints(&p, "ready\n"));
	/* Ctrl-A is a byte as any other here; bytes above 127, too */
	for (int c = 1; c < 256; c++)
		all[n++] = (char)c;
	all[n] = 0;
	program_type(&p, all);
	assert_true(program_prints(&p, all));
	kill(p.pid, SIGTERM);
	assert_end(128 + SIGTERM);
}

static void input_that_ends_does_not_end_the_run(void **state)
{
	(void)state;
	program_start_guest(&p, false, "echoes", "--timeout 0.5");
	assert_true(program_prints(&p, "ready\n"));
	close(p.in);
	p.in = open("/dev/null", O_RDONLY);
	assert_end(124);
}

static void a_reader_that_goes_away_ends_the_run(void **state)
{
	(void)state;
	program_start_guest(&p, false, "floods_the_console", "");
	assert_true(program_prints(&p, "XYZ."));
	program_close_output(&p);
	assert_end(3);
	assert_said("Broken pipe");
}

static void a_full_disk_ends_the_run(void **state)
{
	(void)state;
	program_start_guest(&p, false, "floods_the_console", "--serial file:/dev/full");
	assert_end(3);
	assert_said("No space left on device");
}

static void a_serial_port_can_be_a_file(void **state)
{
	char path[] = "/tmp/turtles-test-XXXXXX", args[128], text[64] = "";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	snprintf(args, sizeof(args), "--timeout 0.5 --serial file:%s", path);
	program_start_guest(&p, false, "echoes", args);
	assert_end(124);
	assert_int_equal(p.output_size, 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "ready\n");
	close(fd);
	unlink(path);
}

static void a_serial_port_can_be_a_pty_of_its_own(void **state)
{
	char name[64], got[16];
	int fd;

	(void)state;
	program_start_guest(&p, false, "echoes", "--serial pty");
	assert_true(program_complains(&p, "\n"));
	assert_int_equal(sscanf(p.errors, "turtles: serial port 0 is %63s", name), 1);
	fd = open(name, O_RDWR | O_NOCTTY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	/* what the guest said before may have been dropped: nobody listened */
	do {
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		assert_int_equal(poll(&wait, 1, SECONDS_MAX * 1000), 1);
		assert_int_equal(read(fd, got, 1), 1);
	} while (got[0] != 'x');
	close(fd);
	kill(p.pid, SIGTERM);
	assert_end(128 + SIGTERM);
}

/* run.insns of the stats at `path`; -1: no stats there */
static json_int_t insns_of(const char *path)
{
	json_t *stats = json_load_file(path, 0, NULL);
	json_t *insns = json_object_get(json_object_get(stats, "run"), "insns");
	json_int_t n = json_is_integer(insns) ? json_integer_value(insns) : -1;

	json_decref(stats);
	return n;
}

static void sigusr1_writes_the_stats_of_a_running_guest(void **state)
{
	char folder[] = "/tmp/turtles-test-XXXXXX", path[64], args[128];
	json_int_t first = -1;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/stats", folder);
	snprintf(args, sizeof(args), "--stats %s", path);
	program_start_guest(&p, true, "spins", args);
	program_wait_raw(&p);
	/* the file comes into being as a whole */
	for (int i = 0; i < 1000 && first <= 0; i++) {
		kill(p.pid, SIGUSR1);
		usleep(10000);
		first = insns_of(path);
	}
	assert_true(first > 0);
	kill(p.pid, SIGTERM);
	assert_end(128 + SIGTERM);
	assert_true(insns_of(path) > first);
	assert_int_equal(p.errors_size, 0);
	unlink(path);
	rmdir(folder);
}

/* Samples of a guest that only spins; -1: no profile in the stats at `path` */
static json_int_t samples(const char *path, const char *owner)
{
	json_t *stats = json_load_file(path, 0, NULL);
	json_t *l1 = json_array_get(json_object_get(stats, "l1"), 0);
	json_t *number = json_object_get(json_object_get(l1, "profile"), owner);
	json_int_t n = json_is_integer(number) ? json_integer_value(number) : -1;

	json_decref(stats);
	return n;
}

static void a_guest_that_spins_has_the_time_for_itself(void **state)
{
	char folder[] = "/tmp/turtles-test-XXXXXX", path[64], args[128];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/stats", folder);
	snprintf(args, sizeof(args), "--profile --timeout 0.5 --stats %s", path);
	program_start_guest(&p, false, "spins", args);
	assert_end(124);
	assert_true(samples(path, "l1") > 2 && samples(path, "l1") > samples(path, "l0_for_l1"));
	assert_int_equal(samples(path, "l2"), 0);
	assert_int_equal(samples(path, "switching"), 0);
	snprintf(args, sizeof(args), "--timeout 0.1 --stats %s", path);
	program_close(&p);
	program_start_guest(&p, false, "spins", args);
	assert_end(124);
	assert_int_equal(samples(path, "l1"), -1);
	unlink(path);
	rmdir(folder);
}

static void stats_that_cannot_be_written_are_told(void **state)
{
	(void)state;
	program_start_guest(&p, false, "resets", "--no-reboot --stats /nonexistent/stats");
	assert_end(3);
	assert_said("/nonexistent/stats");
}

static void dump_on_exit_shows_the_registers_whatever_ended_the_run(void **state)
{
	static const struct {
		const char *guest, *args;
		int code;
	} ENDS[] = { { "resets", "--no-reboot", 0 },
		     { "triple_faults", "--no-reboot", 4 },
		     { "spins", "--timeout 0.2", 124 } };

	(void)state;
	for (size_t i = 0; i < sizeof(ENDS) / sizeof(ENDS[0]); i++) {
		char args[64];

		snprintf(args, sizeof(args), "%s --dump-on-exit", ENDS[i].args);
		program_start_guest(&p, true, ENDS[i].guest, args);
		assert_end(ENDS[i].code);
		for (const char *const *name =
			     (const char *const[]){ "rax=", "r15=", "rip=", "cs sel=", "gdtr base=", "cr0=", NULL };
		     *name; name++)
			if (!strstr(p.errors, *name))
				fail_msg("no %s in: %s", *name, p.errors);
		assert_true(program_terminal_restored(&p));
		if (i + 1 < sizeof(ENDS) / sizeof(ENDS[0]))
			program_close(&p);
	}
}

/* "area: key=value key=value ..." */
static bool is_event(const char *line, const char *area)
{
	size_t n = strlen(area);

	if (strncmp(line, area, n) || strncmp(line + n, ": ", 2))
		return false;
	for (const char *s = line + n + 2; *s && *s != '\n'; s += *s == ' ') {
		const char *key = s;

		while (islower((unsigned char)*s) || isdigit((unsigned char)*s))
			s++;
		if (s == key || *s++ != '=' || *s == ' ' || *s == '\n')
			return false;
		s += strcspn(s, " \n");
	}
	return true;
}

/* Lines of `area`; all others are of no area, or the instructions below a block. */
static unsigned int count_events(const char *area)
{
	unsigned int n = 0;

	for (const char *line = p.errors; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		/* the last line may be cut off where the buffer ends */
		if (!strchr(line, '\n'))
			break;
		if (is_event(line, area))
			n++;
		else if (strncmp(line, "  ", 2) || strcmp(area, "translate"))
			fail_msg("not an event: %.120s", line);
	}
	return n;
}

static void each_area_of_the_trace_log_shows_its_events(void **state)
{
	static const struct {
		const char *area, *guest, *has;
	} AREAS[] = {
		{ "translate", "steps_every_instruction", " insns=" },
		{ "exception", "steps_every_instruction", "exception: vector=1 error=0 rip=0x" },
		{ "interrupt", "storms_itself_with_interrupts", "interrupt: vector=64 rip=0x" },
		{ "io", "reads_every_port", "io: space=port op=read addr=0x3f8 size=1 value=" },
		{ "io", "storms_itself_with_interrupts",
		  "io: space=memory op=write addr=0xfee000f0 size=4 value=0x1ff device=lapic\n" },
		{ "io", "storms_itself_with_interrupts",
		  "io: space=port op=write addr=0x20 size=1 value=0x11 device=pic-master\n" },
		{ "io", "reads_every_port", "io: space=port op=read addr=0x1 size=2 value=0xffff device=none\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(AREAS) / sizeof(AREAS[0]); i++) {
		char args[64];

		snprintf(args, sizeof(args), "--clock insns --trace-log %s", AREAS[i].area);
		program_start_guest(&p, false, AREAS[i].guest, args);
		assert_end(WILD_EXIT(WILD_PASS));
		if (!strstr(p.errors, AREAS[i].has))
			fail_msg("no \"%s\" in the trace of %s: %.2000s", AREAS[i].has, AREAS[i].guest, p.errors);
		assert_true(count_events(AREAS[i].area) > 10);
		if (i + 1 < sizeof(AREAS) / sizeof(AREAS[0]))
			program_close(&p);
	}
}

/* The thread of vCPU 0, by the name that it has for the kernel; 0: not yet there */
static pid_t vcpu_thread_of(pid_t pid)
{
	char path[300], name[32];
	struct dirent *task;
	pid_t found = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	assert_non_null(tasks);
	while (!found && (task = readdir(tasks))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)pid, task->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && !strcmp(name, "vcpu0\n"))
			found = (pid_t)atoi(task->d_name);
		fclose(f);
	}
	closedir(tasks);
	return found;
}

/* Faults that are nobody's but L0's: a signal that no instruction of the guest explains. */
static void a_crash_is_reported_with_a_backtrace_and_the_guest(void **state)
{
	static const struct {
		const char *guest, *says;
		int signal;
	} CRASHES[] = {
		{ "spins", "guest a, vcpu 0x0: rip 0x10", SIGSEGV }, /* in translated code */
		{ "halts_with_all_interrupts_masked", " sleep_until+0x", SIGSEGV }, /* in C */
		{ "halts_with_all_interrupts_masked", "guest a, vcpu 0x0: rip 0x10", SIGBUS },
		{ "echoes", "last blocks: 0x10", SIGABRT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(CRASHES) / sizeof(CRASHES[0]); i++) {
		pid_t thread;

		program_start_guest(&p, true, CRASHES[i].guest, "");
		assert_true(program_prints(&p, "ready"));
		usleep(100000); /* until the guest is in its loop */
		/* a thread that ends meanwhile may hide the next one from who reads the folder */
		for (int tries = 0; !(thread = vcpu_thread_of(p.pid)) && tries < 100; tries++)
			usleep(10000);
		assert_true(thread);
		assert_int_equal(syscall(SYS_tgkill, p.pid, thread, CRASHES[i].signal), 0);
		assert_end(5);
		if (strncmp(p.errors, "turtles: internal error: SIG", 28) || !strstr(p.errors, CRASHES[i].says))
			fail_msg("no \"%s\" in: %s", CRASHES[i].says, p.errors);
		assert_true(program_terminal_restored(&p));
		if (i + 1 < sizeof(CRASHES) / sizeof(CRASHES[0]))
			program_close(&p);
	}
}

static void the_summary_comes_last(void **state)
{
	(void)state;
	program_start_guest(&p, false, "keeps_data_beside_its_code", "--summary");
	assert_end(WILD_EXIT(WILD_PASS));
	assert_non_null(strstr(p.errors, "guest instructions per second"));
	assert_non_null(strstr(p.errors, "share spent in translating"));
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		T(keys_reach_the_guest_and_ctrl_a_x_quits),
		T(what_is_typed_goes_to_the_next_l1_when_one_ends),
		T(ctrl_a_x_quits_a_guest_that_hears_nothing),
		T(signals_end_the_run_with_their_number),
		T(the_time_limit_ends_the_run_with_124),
		T(a_pipe_carries_input_and_output_byte_for_byte),
		T(input_that_ends_does_not_end_the_run),
		T(a_reader_that_goes_away_ends_the_run),
		T(a_full_disk_ends_the_run),
		T(a_serial_port_can_be_a_file),
		T(a_serial_port_can_be_a_pty_of_its_own),
		T(sigusr1_writes_the_stats_of_a_running_guest),
		T(a_guest_that_spins_has_the_time_for_itself),
		T(stats_that_cannot_be_written_are_told),
		T(dump_on_exit_shows_the_registers_whatever_ended_the_run),
		T(each_area_of_the_trace_log_shows_its_events),
		T(a_crash_is_reported_with_a_backtrace_and_the_guest),
		T(the_summary_comes_last),
	};
#undef T

	return cmocka_run_group_tests_name("the program", tests, NULL, NULL);
}
