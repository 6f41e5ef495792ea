/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console from outside: each test runs it in a child process, on a pseudo-terminal or on pipes, with a guest that
 * sends back what it gets.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "../console.h"
#include "../unix_socket.h"

#define SECONDS_MAX 20 /* for anything that should happen at once */

/* The child: a machine whose guest echoes, and says "ready" first. */

static struct {
	struct console *console;
	_Atomic bool ready; /* one thread at a time may write to a port: the echo comes behind "ready" */
	_Atomic int code; /* of the quit hook, -1 before */
	const char *why;
	bool deaf; /* takes no input */
	_Atomic bool heard; /* something was typed */
	_Atomic int breaks;
} guest;

static size_t echo(void *arg, unsigned int port, const u8 *data, size_t n)
{
	(void)arg;
	if (!guest.ready)
		return 0;
	guest.heard = n > 0;
	if (guest.deaf)
		return 0;
	/* a few at a time: the rest has to be offered again */
	n = n > 7 ? 7 : n;
	for (size_t i = 0; i < n; i++)
		console_put(guest.console, port, data[i], NULL);
	return n;
}

static void quit(void *arg, unsigned int port, int code, const char *why)
{
	(void)arg, (void)port;
	guest.why = why;
	guest.code = code;
}

static bool take_break(void *arg, unsigned int port)
{
	(void)arg, (void)port;
	return ++guest.breaks > 2;
}

static void put_text(const char *text)
{
	while (*text)
		console_put(guest.console, 0, (u8)*text++, NULL);
}

/* Two guests that share the stream, and interrupt each other; what is typed says when. */
static const struct {
	unsigned int port;
	const char *text, *want;
} SAID[] = {
	{ 0, "one\n", "a   | one\n" },	   { 1, "two\nprompt> ", "long| two\nlong| prompt> " },
	{ 0, "half", "\na   | half" },	   { 0, " whole\r\n", " whole\r\n" },
	{ 1, "ls\n", "long| ls\n" },	   { 0, "\n", "a   | \n" },
	{ 1, "unended", "long| unended" },
};

static size_t hear(void *arg, unsigned int port, const u8 *data, size_t n)
{
	if (guest.ready && data[0] == 'E') {
		console_ended(guest.console, port, true);
		return 1;
	}
	if (guest.ready)
		return echo(arg, port, data, n);
	guest.heard = true;
	return 1;
}

static void wait_until_heard(void)
{
	while (!guest.heard)
		usleep(500);
	guest.heard = false;
}

static void share(void)
{
	for (size_t i = 0; i < sizeof(SAID) / sizeof(SAID[0]); i++) {
		wait_until_heard();
		for (const char *s = SAID[i].text; *s; s++)
			console_put(guest.console, SAID[i].port, (u8)*s, NULL);
	}
	wait_until_heard();
}

enum guest_kind {
	GUEST_ECHOES,
	GUEST_IS_DEAF,
	GUEST_CRASHES,
	GUEST_ABORTS,
	GUEST_EXITS,
	GUEST_TALKS,
	GUEST_TALKS_AND_FALLS,
	GUEST_SHARES
};

static _Noreturn void child(enum guest_kind kind, struct serial_spec spec, size_t bytes)
{
	const struct console_hooks hooks = { kind == GUEST_SHARES ? hear : echo, quit, NULL, take_break };
	const bool two = kind == GUEST_SHARES;
	const struct console_port ports[] = { { .serial = spec, .name = two ? "a" : NULL },
					      { .serial = spec, .name = "long" } };
	char error[200];

	/* not the test's handlers, and no core file */
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* nothing is left of a test that fails */
	guest.code = -1;
	guest.deaf = kind == GUEST_IS_DEAF;
	guest.console = console_create(ports, 1 + two, &hooks, error, sizeof(error));
	if (!guest.console) {
		fprintf(stderr, "%s\n", error);
		_exit(99);
	}
	if (two)
		share();
	put_text("ready\n");
	guest.ready = true;
	/* not before what it said has been written: a key says so */
	while ((kind == GUEST_CRASHES || kind == GUEST_ABORTS || kind == GUEST_EXITS) && !guest.heard)
		usleep(500);
	if (kind == GUEST_CRASHES)
		raise(SIGSEGV);
	if (kind == GUEST_ABORTS)
		abort();
	if (kind == GUEST_EXITS)
		exit(7);
	if (kind == GUEST_TALKS || kind == GUEST_TALKS_AND_FALLS) {
		for (size_t i = 0; i < bytes && guest.code < 0; i++)
			console_put(guest.console, 0, (u8)(i * 7 >> 3), NULL);
	}
	if (kind == GUEST_TALKS_AND_FALLS) {
		usleep(100000); /* what there is room for is written */
		console_crash(guest.console);
		_exit(5);
	}
	if (kind != GUEST_TALKS) {
		while (guest.code < 0)
			usleep(500);
	}
	if (guest.code < 0)
		guest.code = 0;
	if (guest.why)
		fprintf(stderr, "%s\n", guest.why);
	console_destroy(guest.console);
	_exit(guest.code + (guest.breaks == 3 ? 50 : 0));
}

/* The parent. */

static const struct serial_spec STDIO = { SERIAL_STDIO, NULL };

struct session {
	pid_t pid;
	int fd; /* our end: of the terminal, or to read from the child */
	int in; /* to write to it */
	int err; /* its stderr */
	struct termios before;
};

static struct session start_on_terminal(enum guest_kind kind)
{
	struct session s;
	char name[64];
	int slave, err[2];

	s.fd = s.in = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(s.fd >= 0 && !grantpt(s.fd) && !unlockpt(s.fd) && !ptsname_r(s.fd, name, sizeof(name)));
	assert_int_equal(pipe(err), 0);
	slave = open(name, O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	assert_int_equal(tcgetattr(slave, &s.before), 0);
	s.pid = fork();
	assert_true(s.pid >= 0);
	if (!s.pid) {
		setsid();
		ioctl(slave, TIOCSCTTY, 0);
		dup2(slave, 0);
		dup2(slave, 1);
		dup2(err[1], 2);
		child(kind, STDIO, 1 << 30);
	}
	/* our own slave end stays open: the terminal must outlive the child to be looked at */
	close(err[1]);
	s.err = err[0];
	return s;
}

static struct session start_on_pipes(enum guest_kind kind, struct serial_spec spec, size_t bytes)
{
	struct session s;
	int in[2], out[2], err[2];

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(err), 0);
	s.pid = fork();
	assert_true(s.pid >= 0);
	if (!s.pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		close(in[1]);
		close(out[0]);
		close(err[0]);
		child(kind, spec, bytes);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	s.in = in[1];
	s.fd = out[0];
	s.err = err[0];
	return s;
}

/* Read until `text` has come, and nothing behind it, or fail. */
static void wait_for(int fd, const char *text)
{
	char got[4096] = "";
	size_t n = 0;

	while (!strstr(got, text)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t r;

		if (poll(&p, 1, SECONDS_MAX * 1000) != 1)
			fail_msg("'%s' didn't come, only '%s'", text, got);
		r = n < sizeof(got) - 1 ? read(fd, got + n, 1) : 0;
		if (r <= 0)
			fail_msg("end before '%s', after '%s'", text, got);
		if (!got[n])
			got[n] = '0';
		got[++n] = '\0';
	}
}

static void type(const struct session *s, const char *keys, size_t n)
{
	assert_int_equal(write(s->in, keys, n), n);
}

static void assert_same_settings(const struct termios *a, const struct termios *b)
{
	assert_int_equal(a->c_iflag, b->c_iflag);
	assert_int_equal(a->c_oflag, b->c_oflag);
	assert_int_equal(a->c_cflag, b->c_cflag);
	assert_int_equal(a->c_lflag, b->c_lflag);
	assert_memory_equal(a->c_cc, b->c_cc, sizeof(a->c_cc));
}

/* Wait for the child's end, and check its status and that the terminal is as before. */
static void ends_with(const struct session *s, bool terminal, int want_exit, int want_signal)
{
	struct termios after;
	int status, waited = 0;

	while (waitpid(s->pid, &status, WNOHANG) == 0) {
		usleep(10000);
		if (++waited > SECONDS_MAX * 100) {
			kill(s->pid, SIGKILL);
			fail_msg("the console didn't end");
		}
	}
	if (want_signal)
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == want_signal);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != want_exit)
		fail_msg("status %#x instead of exit code %d", status, want_exit);
	if (terminal) {
		assert_int_equal(tcgetattr(s->fd, &after), 0);
		assert_same_settings(&after, &s->before);
	}
	close(s->fd);
	if (s->in != s->fd && s->in >= 0)
		close(s->in);
	close(s->err);
}

static void keys_reach_the_guest_raw_and_once(void **state)
{
	struct session s = start_on_terminal(GUEST_ECHOES);

	(void)state;
	wait_for(s.fd, "ready\r\n");
	/* Ctrl-C, Ctrl-Z, Ctrl-S, carriage return: all just bytes; Ctrl-A twice is one */
	type(&s, "a\x03\x1a\x13\r\x01\x01z", 8);
	wait_for(s.fd, "a\x03\x1a\x13\r\x01z");
	type(&s, "\x01x", 2);
	ends_with(&s, true, 0, 0);
}

static void ctrl_a_x_quits_even_a_guest_that_takes_no_input(void **state)
{
	struct session s = start_on_terminal(GUEST_IS_DEAF);
	char paste[2000];

	(void)state;
	memset(paste, 'p', sizeof(paste));
	wait_for(s.fd, "ready");
	for (int i = 0; i < 5; i++) {
		type(&s, paste, sizeof(paste));
		usleep(20000);
	}
	type(&s, "\x01x", 2);
	ends_with(&s, true, 0, 0);
}

static void ctrl_a_h_explains_and_ctrl_a_b_breaks(void **state)
{
	struct session s = start_on_terminal(GUEST_ECHOES);

	(void)state;
	wait_for(s.fd, "ready");
	type(&s,
	     "\x01h\x01"
	     "b",
	     4);
	wait_for(s.err, "Ctrl-A x");
	usleep(50000);
	type(&s, "\x01x", 2);
	ends_with(&s, true, 50, 0); /* the break was offered until it was taken */
}

static void signals_end_the_run_with_128_and_their_number(void **state)
{
	static const int SIGNALS[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

	(void)state;
	for (size_t i = 0; i < sizeof(SIGNALS) / sizeof(SIGNALS[0]); i++) {
		struct session s = start_on_terminal(GUEST_ECHOES);

		wait_for(s.fd, "ready");
		kill(s.pid, SIGNALS[i]);
		ends_with(&s, true, 128 + SIGNALS[i], 0);
	}
}

static void a_crash_gives_the_terminal_back(void **state)
{
	struct session s;

	(void)state;
#ifndef __SANITIZE_ADDRESS__ /* which has a handler of its own */
	s = start_on_terminal(GUEST_CRASHES);
	wait_for(s.fd, "ready");
	type(&s, "!", 1);
	ends_with(&s, true, 0, SIGSEGV);
#endif
	s = start_on_terminal(GUEST_ABORTS);
	wait_for(s.fd, "ready");
	type(&s, "!", 1);
	ends_with(&s, true, 0, SIGABRT);
	s = start_on_terminal(GUEST_EXITS);
	wait_for(s.fd, "ready");
	type(&s, "!", 1);
	ends_with(&s, true, 7, 0);
}

static void a_stop_gives_the_terminal_back_until_it_goes_on(void **state)
{
	struct session s = start_on_terminal(GUEST_ECHOES);
	struct termios t;
	int status;

	(void)state;
	wait_for(s.fd, "ready");
	kill(s.pid, SIGTSTP);
	assert_int_equal(waitpid(s.pid, &status, WUNTRACED), s.pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(tcgetattr(s.fd, &t), 0);
	assert_same_settings(&t, &s.before);
	kill(s.pid, SIGCONT);
	for (int i = 0; i < 1000 && (t.c_lflag & ICANON); i++) {
		usleep(1000);
		assert_int_equal(tcgetattr(s.fd, &t), 0);
	}
	assert_false(t.c_lflag & ICANON);
	type(&s, "again", 5);
	wait_for(s.fd, "again");
	type(&s, "\x01x", 2);
	ends_with(&s, true, 0, 0);
}

static void a_pipe_is_data_and_its_end_is_no_quit(void **state)
{
	struct session s = start_on_pipes(GUEST_ECHOES, STDIO, 0);

	(void)state;
	type(&s, "one\x01x\x03two", 9);
	wait_for(s.fd, "ready\none\x01x\x03two");
	close(s.in);
	s.in = -1;
	usleep(100000);
	assert_int_equal(waitpid(s.pid, NULL, WNOHANG), 0);
	kill(s.pid, SIGTERM);
	ends_with(&s, false, 128 + SIGTERM, 0);
}

static void a_long_input_arrives_whole(void **state)
{
	struct session s = start_on_pipes(GUEST_ECHOES, STDIO, 0);
	char out[20001], in[20000];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(out) - 1; i++)
		out[i] = (char)('a' + i % 26);
	wait_for(s.fd, "ready\n");
	type(&s, out, sizeof(in));
	while (n < sizeof(in)) {
		ssize_t r = read(s.fd, in + n, sizeof(in) - n);

		assert_true(r > 0);
		n += (size_t)r;
	}
	assert_memory_equal(in, out, sizeof(in));
	kill(s.pid, SIGTERM);
	ends_with(&s, false, 128 + SIGTERM, 0);
}

static void output_to_a_slow_reader_is_not_lost(void **state)
{
	const size_t bytes = 1 << 20;
	struct session s = start_on_pipes(GUEST_TALKS, STDIO, bytes);
	u8 block[4096];
	size_t at = 0;
	ssize_t n;

	(void)state;
	wait_for(s.fd, "ready\n");
	usleep(1500000); /* longer than a reader may sleep who is in a hurry */
	while ((n = read(s.fd, block, sizeof(block))) > 0) {
		for (ssize_t i = 0; i < n; i++, at++)
			if (block[i] != (u8)(at * 7 >> 3))
				fail_msg("byte %zu is %#x", at, block[i]);
		if (at < bytes / 8)
			usleep(1000);
	}
	assert_int_equal(at, bytes);
	ends_with(&s, false, 0, 0);
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
		child(GUEST_TALKS, STDIO, bytes);
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
	ends_with(&s, false, 0, 0);
}

static void a_reader_that_goes_away_ends_the_run_with_one_line(void **state)
{
	struct session s = start_on_pipes(GUEST_TALKS, STDIO, 1 << 30);

	(void)state;
	wait_for(s.fd, "ready");
	close(s.fd);
	s.fd = open("/dev/null", O_RDONLY);
	wait_for(s.err, "serial port 0: Broken pipe\n");
	ends_with(&s, false, 3, 0);
}

static void a_full_disk_ends_the_run_with_one_line(void **state)
{
	struct session s = start_on_pipes(GUEST_TALKS, (struct serial_spec){ SERIAL_FILE, "/dev/full" }, 1 << 30);

	(void)state;
	wait_for(s.err, "serial port 0: No space left on device\n");
	ends_with(&s, false, 3, 0);
}

static void a_signal_ends_a_run_whose_reader_sleeps(void **state)
{
	struct session s = start_on_pipes(GUEST_TALKS, STDIO, 1 << 30);

	(void)state;
	wait_for(s.fd, "ready");
	usleep(200000);
	kill(s.pid, SIGTERM);
	ends_with(&s, false, 128 + SIGTERM, 0);
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
		child(kind, STDIO, bytes);
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
		wait_for(s.fd, "ready");
		usleep(200000);
		flags = fcntl(ends[1], F_GETFL);
		assert_false(flags & O_NONBLOCK); /* the shell has it, too */
		kill(s.pid, SIGTERM);
		ends_with(&s, false, 128 + SIGTERM, 0);
		close(ends[1]);
	}
}

static void nor_for_one_of_a_pty(void **state)
{
	struct session s = start_on_pipes(GUEST_TALKS, (struct serial_spec){ SERIAL_PTY, NULL }, 1 << 30);
	char name[128];
	int fd;

	(void)state;
	read_pty_name(&s, name, sizeof(name));
	usleep(200000); /* more waits for him than he has room for */
	fd = open(name, O_RDWR | O_NOCTTY);
	assert_true(fd >= 0);
	usleep(400000);
	kill(s.pid, SIGTERM);
	ends_with(&s, false, 128 + SIGTERM, 0);
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
		ends_with(&s, false, 5, 0);
		close(ends[1]);
	}
}

static void a_file_that_cant_be_opened_is_named(void **state)
{
	struct session s = start_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_FILE, "/nonexistent/file" }, 0);

	(void)state;
	wait_for(s.err, "could not open /nonexistent/file: No such file or directory\n");
	ends_with(&s, false, 99, 0);
}

static void a_pty_keeps_output_until_somebody_opens_it(void **state)
{
	struct session s = start_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_PTY, NULL }, 0);
	char name[128];
	int fd;

	(void)state;
	read_pty_name(&s, name, sizeof(name));
	usleep(300000);
	for (int round = 0; round < 2; round++) {
		fd = open(name, O_RDWR | O_NOCTTY);
		assert_true(fd >= 0);
		if (!round)
			wait_for(fd, "ready\n"); /* raw: no carriage return was added */
		assert_int_equal(write(fd, "hello\r", 6), 6);
		wait_for(fd, "hello\r");
		close(fd);
		usleep(150000);
	}
	kill(s.pid, SIGTERM);
	ends_with(&s, false, 128 + SIGTERM, 0);
}

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
	wait_for(s->fd, want);
}

/* A session of GUEST_SHARES that has said it all */
static void hear_all(const struct session *s, bool terminal)
{
	for (size_t i = 0; i < sizeof(SAID) / sizeof(SAID[0]); i++) {
		type(s, "!", 1);
		wait_for_text(s, terminal, SAID[i].want);
	}
	type(s, "!", 1);
	wait_for_text(s, terminal, "\na   | ready\n");
}

static void ports_that_share_a_stream_do_so_by_lines(void **state)
{
	struct session s = start_on_pipes(GUEST_SHARES, STDIO, 0);

	(void)state;
	hear_all(&s, false);
	type(&s, "typed", 5);
	wait_for(s.fd, "a   | typed");
	kill(s.pid, SIGTERM);
	ends_with(&s, false, 128 + SIGTERM, 0);
}

static void ctrl_a_n_types_to_the_next_one(void **state)
{
	struct session s = start_on_terminal(GUEST_SHARES);

	(void)state;
	/* not before it is raw: it would be flushed */
	for (struct termios t = s.before; t.c_lflag & ICANON; usleep(1000))
		assert_int_equal(tcgetattr(s.fd, &t), 0);
	hear_all(&s, true);
	type(&s, "x", 1);
	wait_for(s.fd, "a   | x");
	type(&s, "\x01n", 2);
	wait_for(s.err, "goes to long");
	type(&s, "y", 1);
	wait_for(s.fd, "long| y");
	type(&s, "\x01nz", 3);
	wait_for(s.fd, "a   | z");
	type(&s, "\x01x", 2);
	ends_with(&s, true, 0, 0);
}

static void what_is_typed_leaves_one_that_has_ended(void **state)
{
	struct session s = start_on_terminal(GUEST_SHARES);

	(void)state;
	for (struct termios t = s.before; t.c_lflag & ICANON; usleep(1000))
		assert_int_equal(tcgetattr(s.fd, &t), 0);
	hear_all(&s, true);
	type(&s, "E", 1);
	wait_for(s.err, "\nturtles: what is typed goes to long\n");
	type(&s, "x", 1);
	wait_for(s.fd, "long| x");
	type(&s, "\x01n", 2);
	wait_for(s.err, "\nturtles: what is typed goes to long\n");
	type(&s, "y", 1);
	wait_for(s.fd, "y");
	type(&s, "E", 1);
	usleep(50000);
	type(&s, "\x01n", 2);
	wait_for(s.err, "\nturtles: what is typed goes nowhere: all have ended\n");
	type(&s, "\x01x", 2);
	ends_with(&s, true, 0, 0);
}

static void a_shared_stream_that_nobody_reads_ends_all(void **state)
{
	struct session s = start_on_pipes(GUEST_SHARES, STDIO, 0);

	(void)state;
	type(&s, "!", 1);
	wait_for(s.fd, "one");
	close(s.fd);
	s.fd = open("/dev/null", O_RDONLY);
	for (size_t i = 1; i <= sizeof(SAID) / sizeof(SAID[0]); i++) {
		type(&s, "!", 1);
		usleep(50000);
	}
	wait_for(s.err, "serial ports: Broken pipe\n");
	ends_with(&s, false, 3, 0);
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
	s = start_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_UNIX, path }, 0);
	fd = connect_to(path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	wait_for(fd, "ready\n"); /* kept for the first one */
	assert_int_equal(write(fd, "hello", 5), 5);
	wait_for(fd, "hello");
	second = connect_to(path); /* has to wait */
	assert_int_equal(write(second, "later", 5), 5);
	assert_int_equal(write(fd, "first", 5), 5);
	wait_for(fd, "first");
	close(fd);
	wait_for(second, "later");
	/* one that dies with unread output */
	assert_int_equal(write(second, "unread", 6), 6);
	usleep(100000);
	close(second);
	third = connect_to(path);
	assert_int_equal(write(third, "again", 5), 5);
	wait_for(third, "again");
	kill(s.pid, SIGTERM);
	ends_with(&s, false, 128 + SIGTERM, 0);
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
	s = start_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_UNIX, path }, 0);
	close(connect_to(path));
	other = start_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_UNIX, path }, 0);
	wait_for(other.err, "Address already in use\n");
	ends_with(&other, false, 99, 0);
	kill(s.pid, SIGKILL);
	ends_with(&s, false, 0, SIGKILL);
	s = start_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_UNIX, path }, 0);
	fd = connect_to(path);
	wait_for(fd, "ready");
	close(fd);
	kill(s.pid, SIGTERM);
	ends_with(&s, false, 128 + SIGTERM, 0);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	s = start_on_pipes(GUEST_ECHOES, (struct serial_spec){ SERIAL_UNIX, file }, 0);
	wait_for(s.err, "Address already in use\n");
	ends_with(&s, false, 99, 0);
	assert_int_equal(unlink(file), 0);
	rmdir(folder);
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
			child(GUEST_ECHOES, STDIO, 0);
		}
		usleep(300000);
		kill(s.pid, SIGTERM);
		waitpid(s.pid, &status, WUNTRACED);
		_exit(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM ? 0 : 1);
	}
	wait_for(s.fd, "ready");
	usleep(100000);
	assert_int_equal(tcgetattr(s.fd, &t), 0);
	assert_same_settings(&t, &s.before);
	assert_int_equal(waitpid(leader, &status, 0), leader);
	assert_int_equal(status, 0);
	close(slave);
	close(s.fd);
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
		cmocka_unit_test(output_to_a_slow_reader_is_not_lost),
		cmocka_unit_test(a_nonblocking_pipe_loses_nothing),
		cmocka_unit_test(a_reader_that_goes_away_ends_the_run_with_one_line),
		cmocka_unit_test(a_full_disk_ends_the_run_with_one_line),
		cmocka_unit_test(a_signal_ends_a_run_whose_reader_sleeps),
		cmocka_unit_test(nobody_waits_for_a_reader_who_sleeps),
		cmocka_unit_test(nor_for_one_of_a_pty),
		cmocka_unit_test(a_crash_doesnt_wait_for_long),
		cmocka_unit_test(a_file_that_cant_be_opened_is_named),
		cmocka_unit_test(a_pty_keeps_output_until_somebody_opens_it),
		cmocka_unit_test(ports_that_share_a_stream_do_so_by_lines),
		cmocka_unit_test(ctrl_a_n_types_to_the_next_one),
		cmocka_unit_test(what_is_typed_leaves_one_that_has_ended),
		cmocka_unit_test(a_shared_stream_that_nobody_reads_ends_all),
		cmocka_unit_test(a_socket_serves_one_client_after_the_other),
		cmocka_unit_test(a_socket_of_a_run_that_was_killed_is_replaced_and_no_other_file),
	};

	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
