/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readers of a console that are slow, asleep or gone: nothing is lost that they might want, and nobody else waits for them. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "console_session.h"

static void output_to_a_slow_reader_is_not_lost(void **state)
{
	const size_t bytes = 1 << 20;
	struct session s = session_on_pipes(GUEST_TALKS, SESSION_STDIO, bytes);
	u8 block[4096];
	size_t at = 0;
	ssize_t n;

	(void)state;
	session_wait_for(s.fd, "ready\n");
	usleep(1500000); /* longer than a reader may sleep who is in a hurry */
	while ((n = read(s.fd, block, sizeof(block))) > 0) {
		for (ssize_t i = 0; i < n; i++, at++)
			if (block[i] != (u8)(at * 7 >> 3))
				fail_msg("byte %zu is %#x", at, block[i]);
		if (at < bytes / 8)
			usleep(1000);
	}
	assert_int_equal(at, bytes);
	session_ends_with(&s, false, 0, 0);
}

static void a_nonblocking_pipe_loses_nothing(void **state)
{
	const size_t bytes = 300000;
	struct session s;
	u8 block[4096];
	size_t at = 0;
	ssize_t n;
	int out[2], err[2];

	(void)state;
	assert_int_equal(pipe2(out, O_NONBLOCK), 0);
	assert_int_equal(pipe(err), 0);
	s.pid = fork();
	if (!s.pid) {
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(out[1], 1);
		close(out[0]);
		session_child(GUEST_TALKS, SESSION_STDIO, bytes);
	}
	close(out[1]);
	close(err[1]);
	s.fd = out[0];
	s.in = -1;
	s.err = err[0];
	while ((n = read(s.fd, block, sizeof(block))) != 0) {
		if (n > 0)
			at += (size_t)n;
		else
			usleep(2000);
	}
	assert_int_equal(at, bytes + 6);
	session_ends_with(&s, false, 0, 0);
}

static void a_reader_that_goes_away_ends_the_run_with_one_line(void **state)
{
	struct session s = session_on_pipes(GUEST_TALKS, SESSION_STDIO, 1 << 30);

	(void)state;
	session_wait_for(s.fd, "ready");
	close(s.fd);
	s.fd = open("/dev/null", O_RDONLY);
	session_wait_for(s.err, "serial port 0: Broken pipe\n");
	session_ends_with(&s, false, 3, 0);
}

static void a_full_disk_ends_the_run_with_one_line(void **state)
{
	struct session s = session_on_pipes(GUEST_TALKS, (struct serial_spec){ SERIAL_FILE, "/dev/full" }, 1 << 30);

	(void)state;
	session_wait_for(s.err, "serial port 0: No space left on device\n");
	session_ends_with(&s, false, 3, 0);
}

static void a_signal_ends_a_run_whose_reader_sleeps(void **state)
{
	struct session s = session_on_pipes(GUEST_TALKS, SESSION_STDIO, 1 << 30);

	(void)state;
	session_wait_for(s.fd, "ready");
	usleep(200000);
	kill(s.pid, SIGTERM);
	session_ends_with(&s, false, 128 + SIGTERM, 0);
}

/* Standard output of which nobody reads more than its beginning: one end is the guest's */
static void make_terminal(int ends[2])
{
	char name[64];

	ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(ends[0] >= 0 && !grantpt(ends[0]) && !unlockpt(ends[0]) && !ptsname_r(ends[0], name, sizeof(name)));
	ends[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(ends[1] >= 0);
}

static void make_terminal_the_wrong_way_round(int ends[2])
{
	struct termios t;
	int other[2];

	make_terminal(other);
	ends[0] = other[1];
	ends[1] = other[0];
	assert_int_equal(tcgetattr(ends[0], &t), 0);
	cfmakeraw(&t);
	assert_int_equal(tcsetattr(ends[0], TCSANOW, &t), 0);
}

static void make_sockets(int ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static void make_pipe(int ends[2])
{
	assert_int_equal(pipe(ends), 0);
}

static struct session start_with_output(const int ends[2], enum guest_kind kind, size_t bytes)
{
	struct session s = { .fd = ends[0], .in = -1 };
	int err[2];

	assert_int_equal(pipe(err), 0);
	s.err = err[0];
	s.pid = fork();
	assert_true(s.pid >= 0);
	if (!s.pid) {
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(ends[1], 1);
		dup2(err[1], 2);
		session_child(kind, SESSION_STDIO, bytes);
	}
	close(err[1]);
	return s;
}

/* The thread that would wait for him takes the signals, and serves all other ports. */
static void nobody_waits_for_a_reader_who_sleeps(void **state)
{
	static void (*const MAKE[])(int ends[2]) = { make_terminal, make_terminal_the_wrong_way_round, make_sockets };

	(void)state;
	for (size_t i = 0; i < sizeof(MAKE) / sizeof(MAKE[0]); i++) {
		int ends[2], flags;
		struct session s;

		MAKE[i](ends);
		s = start_with_output(ends, GUEST_TALKS, 1 << 30);
		session_wait_for(s.fd, "ready");
		usleep(200000);
		flags = fcntl(ends[1], F_GETFL);
		assert_false(flags & O_NONBLOCK); /* the shell has it, too */
		kill(s.pid, SIGTERM);
		session_ends_with(&s, false, 128 + SIGTERM, 0);
		close(ends[1]);
	}
}

static void read_pty_name(const struct session *s, char *name, size_t size)
{
	ssize_t n = read(s->err, name, size - 1);
	char *at;

	assert_true(n > 0);
	name[n] = '\0';
	at = strstr(name, "/dev/");
	assert_non_null(at);
	at[strcspn(at, "\n")] = '\0';
	memmove(name, at, strlen(at) + 1);
}

static void nor_for_one_of_a_pty(void **state)
{
	struct session s = session_on_pipes(GUEST_TALKS, (struct serial_spec){ SERIAL_PTY, NULL }, 1 << 30);
	char name[128];
	int fd;

	(void)state;
	read_pty_name(&s, name, sizeof(name));
	usleep(200000); /* more waits for him than he has room for */
	fd = open(name, O_RDWR | O_NOCTTY);
	assert_true(fd >= 0);
	usleep(400000);
	kill(s.pid, SIGTERM);
	session_ends_with(&s, false, 128 + SIGTERM, 0);
	close(fd);
}

static void a_crash_doesnt_wait_for_long(void **state)
{
	static void (*const MAKE[])(int ends[2]) = { make_terminal, make_pipe };

	(void)state;
	for (size_t i = 0; i < sizeof(MAKE) / sizeof(MAKE[0]); i++) {
		int ends[2];
		struct session s;

		MAKE[i](ends);
		s = start_with_output(ends, GUEST_TALKS_AND_FALLS, 60000);
		session_ends_with(&s, false, 5, 0);
		close(ends[1]);
	}
}

static void a_pty_keeps_output_until_somebody_opens_it(void **state)
{
	struct session s = session_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_PTY, NULL }, 0);
	char name[128];
	int fd;

	(void)state;
	read_pty_name(&s, name, sizeof(name));
	usleep(300000);
	for (int round = 0; round < 2; round++) {
		fd = open(name, O_RDWR | O_NOCTTY);
		assert_true(fd >= 0);
		if (!round)
			session_wait_for(fd, "ready\n"); /* raw: no carriage return was added */
		assert_int_equal(write(fd, "hello\r", 6), 6);
		session_wait_for(fd, "hello\r");
		close(fd);
		usleep(150000);
	}
	kill(s.pid, SIGTERM);
	session_ends_with(&s, false, 128 + SIGTERM, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_to_a_slow_reader_is_not_lost),
		cmocka_unit_test(a_nonblocking_pipe_loses_nothing),
		cmocka_unit_test(a_reader_that_goes_away_ends_the_run_with_one_line),
		cmocka_unit_test(a_full_disk_ends_the_run_with_one_line),
		cmocka_unit_test(a_signal_ends_a_run_whose_reader_sleeps),
		cmocka_unit_test(nobody_waits_for_a_reader_who_sleeps),
		cmocka_unit_test(nor_for_one_of_a_pty),
		cmocka_unit_test(a_crash_doesnt_wait_for_long),
		cmocka_unit_test(a_pty_keeps_output_until_somebody_opens_it),
	};

	alarm(SESSIONS_SECONDS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
