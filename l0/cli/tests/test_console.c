/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console from outside: each test runs it in a child process, on a pseudo-terminal or on pipes, with a guest that
 * sends back what it gets.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "console_session.h"

static void keys_reach_the_guest_raw_and_once(void **state)
{
	struct session s = session_on_terminal(GUEST_ECHOES);

	(void)state;
	session_wait_for(s.fd, "ready\r\n");
	/* Ctrl-C, Ctrl-Z, Ctrl-S, carriage return: all just bytes; Ctrl-A twice is one */
	session_type(&s, "a\x03\x1a\x13\r\x01\x01z", 8);
	session_wait_for(s.fd, "a\x03\x1a\x13\r\x01z");
	session_type(&s, "\x01x", 2);
	session_ends_with(&s, true, 0, 0);
}

static void ctrl_a_x_quits_even_a_guest_that_takes_no_input(void **state)
{
	struct session s = session_on_terminal(GUEST_IS_DEAF);
	char paste[2000];

	(void)state;
	memset(paste, 'p', sizeof(paste));
	session_wait_for(s.fd, "ready");
	for (int i = 0; i < 5; i++) {
		session_type(&s, paste, sizeof(paste));
		usleep(20000);
	}
	session_type(&s, "\x01x", 2);
	session_ends_with(&s, true, 0, 0);
}

static void ctrl_a_h_explains_and_ctrl_a_b_breaks(void **state)
{
	struct session s = session_on_terminal(GUEST_ECHOES);

	(void)state;
	session_wait_for(s.fd, "ready");
	session_type(&s,
		     "\x01h\x01"
		     "b",
		     4);
	session_wait_for(s.err, "Ctrl-A x");
	usleep(50000);
	session_type(&s, "\x01x", 2);
	session_ends_with(&s, true, 50, 0); /* the break was offered until it was taken */
}

static void signals_end_the_run_with_128_and_their_number(void **state)
{
	static const int SIGNALS[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

	(void)state;
	for (size_t i = 0; i < sizeof(SIGNALS) / sizeof(SIGNALS[0]); i++) {
		struct session s = session_on_terminal(GUEST_ECHOES);

		session_wait_for(s.fd, "ready");
		kill(s.pid, SIGNALS[i]);
		session_ends_with(&s, true, 128 + SIGNALS[i], 0);
	}
}

static void a_crash_gives_the_terminal_back(void **state)
{
	struct session s;

	(void)state;
#ifndef __SANITIZE_ADDRESS__ /* which has a handler of its own */
	s = session_on_terminal(GUEST_CRASHES);
	session_wait_for(s.fd, "ready");
	session_type(&s, "!", 1);
	session_ends_with(&s, true, 0, SIGSEGV);
#endif
	s = session_on_terminal(GUEST_ABORTS);
	session_wait_for(s.fd, "ready");
	session_type(&s, "!", 1);
	session_ends_with(&s, true, 0, SIGABRT);
	s = session_on_terminal(GUEST_EXITS);
	session_wait_for(s.fd, "ready");
	session_type(&s, "!", 1);
	session_ends_with(&s, true, 7, 0);
}

static void a_stop_gives_the_terminal_back_until_it_goes_on(void **state)
{
	struct session s = session_on_terminal(GUEST_ECHOES);
	struct termios t;
	int status;

	(void)state;
	session_wait_for(s.fd, "ready");
	kill(s.pid, SIGTSTP);
	assert_int_equal(waitpid(s.pid, &status, WUNTRACED), s.pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(tcgetattr(s.fd, &t), 0);
	session_same_settings(&t, &s.before);
	kill(s.pid, SIGCONT);
	for (int i = 0; i < 1000 && (t.c_lflag & ICANON); i++) {
		usleep(1000);
		assert_int_equal(tcgetattr(s.fd, &t), 0);
	}
	assert_false(t.c_lflag & ICANON);
	session_type(&s, "again", 5);
	session_wait_for(s.fd, "again");
	session_type(&s, "\x01x", 2);
	session_ends_with(&s, true, 0, 0);
}

static void a_job_in_the_background_leaves_the_terminal_alone(void **state)
{
	struct session s;
	struct termios t;
	char name[64];
	int slave, status, err[2];
	pid_t leader;

	(void)state;
	s.fd = s.in = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(s.fd >= 0 && !grantpt(s.fd) && !unlockpt(s.fd) && !ptsname_r(s.fd, name, sizeof(name)));
	slave = open(name, O_RDWR | O_NOCTTY);
	assert_int_equal(tcgetattr(slave, &s.before), 0);
	assert_int_equal(pipe(err), 0);
	leader = fork();
	if (!leader) {
		/* a shell: the terminal is its own, the job is in another group */
		setsid();
		ioctl(slave, TIOCSCTTY, 0);
		s.pid = fork();
		if (!s.pid) {
			setpgid(0, 0);
			dup2(slave, 0);
			dup2(slave, 1);
			session_child(GUEST_ECHOES, SESSION_STDIO, 0);
		}
		usleep(300000);
		kill(s.pid, SIGTERM);
		waitpid(s.pid, &status, WUNTRACED);
		_exit(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM ? 0 : 1);
	}
	session_wait_for(s.fd, "ready");
	usleep(100000);
	assert_int_equal(tcgetattr(s.fd, &t), 0);
	session_same_settings(&t, &s.before);
	assert_int_equal(waitpid(leader, &status, 0), leader);
	assert_int_equal(status, 0);
	close(slave);
	close(s.fd);
}

static void a_pipe_is_data_and_its_end_is_no_quit(void **state)
{
	struct session s = session_on_pipes(GUEST_ECHOES, SESSION_STDIO, 0);

	(void)state;
	session_type(&s, "one\x01x\x03two", 9);
	session_wait_for(s.fd, "ready\none\x01x\x03two");
	close(s.in);
	s.in = -1;
	usleep(100000);
	assert_int_equal(waitpid(s.pid, NULL, WNOHANG), 0);
	kill(s.pid, SIGTERM);
	session_ends_with(&s, false, 128 + SIGTERM, 0);
}

static void a_long_input_arrives_whole(void **state)
{
	struct session s = session_on_pipes(GUEST_ECHOES, SESSION_STDIO, 0);
	char out[20001], in[20000];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(out) - 1; i++)
		out[i] = (char)('a' + i % 26);
	session_wait_for(s.fd, "ready\n");
	session_type(&s, out, sizeof(in));
	while (n < sizeof(in)) {
		ssize_t r = read(s.fd, in + n, sizeof(in) - n);

		assert_true(r > 0);
		n += (size_t)r;
	}
	assert_memory_equal(in, out, sizeof(in));
	kill(s.pid, SIGTERM);
	session_ends_with(&s, false, 128 + SIGTERM, 0);
}

static void a_file_that_cant_be_opened_is_named(void **state)
{
	struct session s = session_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_FILE, "/nonexistent/file" }, 0);

	(void)state;
	session_wait_for(s.err, "could not open /nonexistent/file: No such file or directory\n");
	session_ends_with(&s, false, 99, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_reach_the_guest_raw_and_once),
		cmocka_unit_test(ctrl_a_x_quits_even_a_guest_that_takes_no_input),
		cmocka_unit_test(ctrl_a_h_explains_and_ctrl_a_b_breaks),
		cmocka_unit_test(signals_end_the_run_with_128_and_their_number),
		cmocka_unit_test(a_crash_gives_the_terminal_back),
		cmocka_unit_test(a_stop_gives_the_terminal_back_until_it_goes_on),
		cmocka_unit_test(a_job_in_the_background_leaves_the_terminal_alone),
		cmocka_unit_test(a_pipe_is_data_and_its_end_is_no_quit),
		cmocka_unit_test(a_long_input_arrives_whole),
		cmocka_unit_test(a_file_that_cant_be_opened_is_named),
	};

	alarm(SESSIONS_SECONDS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
