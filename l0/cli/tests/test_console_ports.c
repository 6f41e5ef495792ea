/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several ports on one stream, and ports on sockets. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "../unix_socket.h"
#include "console_session.h"

/* A terminal has a carriage return before each newline. */
static void wait_for_text(const struct session *s, bool terminal, const char *text)
{
	char want[200];
	size_t n = 0;

	for (; *text; text++) {
		if (terminal && *text == '\n')
			want[n++] = '\r';
		want[n++] = *text;
	}
	want[n] = '\0';
	session_wait_for(s->fd, want);
}

/* A session of GUEST_SHARES says it all. */
static void hear_all(const struct session *s, bool terminal)
{
	for (size_t i = 0; i < SESSION_LINES; i++) {
		session_type(s, "!", 1);
		wait_for_text(s, terminal, session_said[i].want);
	}
	session_type(s, "!", 1);
	wait_for_text(s, terminal, "\na   | ready\n");
}

/* Not before it is raw: what is typed would be flushed. */
static struct session share_a_terminal(void)
{
	struct session s = session_on_terminal(GUEST_SHARES);

	for (struct termios t = s.before; t.c_lflag & ICANON; usleep(1000))
		assert_int_equal(tcgetattr(s.fd, &t), 0);
	hear_all(&s, true);
	return s;
}

static void ports_that_share_a_stream_do_so_by_lines(void **state)
{
	struct session s = session_on_pipes(GUEST_SHARES, SESSION_STDIO, 0);

	(void)state;
	hear_all(&s, false);
	session_type(&s, "typed", 5);
	session_wait_for(s.fd, "a   | typed");
	kill(s.pid, SIGTERM);
	session_ends_with(&s, false, 128 + SIGTERM, 0);
}

static void ctrl_a_n_types_to_the_next_one(void **state)
{
	struct session s = share_a_terminal();

	(void)state;
	session_type(&s, "x", 1);
	session_wait_for(s.fd, "a   | x");
	session_type(&s, "\x01n", 2);
	session_wait_for(s.err, "goes to long");
	session_type(&s, "y", 1);
	session_wait_for(s.fd, "long| y");
	session_type(&s, "\x01nz", 3);
	session_wait_for(s.fd, "a   | z");
	session_type(&s, "\x01x", 2);
	session_ends_with(&s, true, 0, 0);
}

static void what_is_typed_leaves_one_that_has_ended(void **state)
{
	struct session s = share_a_terminal();

	(void)state;
	session_type(&s, "E", 1);
	session_wait_for(s.err, "\nturtles: what is typed goes to long\n");
	session_type(&s, "x", 1);
	session_wait_for(s.fd, "long| x");
	session_type(&s, "\x01n", 2);
	session_wait_for(s.err, "\nturtles: what is typed goes to long\n");
	session_type(&s, "y", 1);
	session_wait_for(s.fd, "y");
	session_type(&s, "E", 1);
	usleep(50000);
	session_type(&s, "\x01n", 2);
	session_wait_for(s.err, "\nturtles: what is typed goes nowhere: all have ended\n");
	session_type(&s, "\x01x", 2);
	session_ends_with(&s, true, 0, 0);
}

static void a_shared_stream_that_nobody_reads_ends_all(void **state)
{
	struct session s = session_on_pipes(GUEST_SHARES, SESSION_STDIO, 0);

	(void)state;
	session_type(&s, "!", 1);
	session_wait_for(s.fd, "one");
	close(s.fd);
	s.fd = open("/dev/null", O_RDONLY);
	for (size_t i = 1; i <= SESSION_LINES; i++) {
		session_type(&s, "!", 1);
		usleep(50000);
	}
	session_wait_for(s.err, "serial ports: Broken pipe\n");
	session_ends_with(&s, false, 3, 0);
}

static int connect_to(const char *path)
{
	int fd = -1;

	for (int i = 0; i < 1000 && fd < 0; i++, usleep(5000))
		fd = unix_connect(path, 0);
	assert_true(fd >= 0);
	return fd;
}

static void a_socket_serves_one_client_after_the_other(void **state)
{
	char folder[] = "/tmp/test_console.XXXXXX", path[64];
	struct session s;
	struct stat st;
	int fd, second, third;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	s = session_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_UNIX, path }, 0);
	fd = connect_to(path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	session_wait_for(fd, "ready\n"); /* kept for the first one */
	assert_int_equal(write(fd, "hello", 5), 5);
	session_wait_for(fd, "hello");
	second = connect_to(path); /* has to wait */
	assert_int_equal(write(second, "later", 5), 5);
	assert_int_equal(write(fd, "first", 5), 5);
	session_wait_for(fd, "first");
	close(fd);
	session_wait_for(second, "later");
	/* one that dies with unread output */
	assert_int_equal(write(second, "unread", 6), 6);
	usleep(100000);
	close(second);
	third = connect_to(path);
	assert_int_equal(write(third, "again", 5), 5);
	session_wait_for(third, "again");
	kill(s.pid, SIGTERM);
	session_ends_with(&s, false, 128 + SIGTERM, 0);
	close(third);
	assert_int_equal(stat(path, &st), -1);
	rmdir(folder);
}

static void a_socket_of_a_run_that_was_killed_is_replaced_and_no_other_file(void **state)
{
	char folder[] = "/tmp/test_console.XXXXXX", path[64], file[64];
	struct session s, other;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(file, sizeof(file), "%s/file", folder);
	s = session_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_UNIX, path }, 0);
	close(connect_to(path));
	other = session_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_UNIX, path }, 0);
	session_wait_for(other.err, "Address already in use\n");
	session_ends_with(&other, false, 99, 0);
	kill(s.pid, SIGKILL);
	session_ends_with(&s, false, 0, SIGKILL);
	s = session_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_UNIX, path }, 0);
	fd = connect_to(path);
	session_wait_for(fd, "ready");
	close(fd);
	kill(s.pid, SIGTERM);
	session_ends_with(&s, false, 128 + SIGTERM, 0);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	s = session_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_UNIX, file }, 0);
	session_wait_for(s.err, "Address already in use\n");
	session_ends_with(&s, false, 99, 0);
	assert_int_equal(unlink(file), 0);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_that_share_a_stream_do_so_by_lines),
		cmocka_unit_test(ctrl_a_n_types_to_the_next_one),
		cmocka_unit_test(what_is_typed_leaves_one_that_has_ended),
		cmocka_unit_test(a_shared_stream_that_nobody_reads_ends_all),
		cmocka_unit_test(a_socket_serves_one_client_after_the_other),
		cmocka_unit_test(a_socket_of_a_run_that_was_killed_is_replaced_and_no_other_file),
	};

	alarm(SESSIONS_SECONDS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
