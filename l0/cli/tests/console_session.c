/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "console_session.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../console.h"

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

const struct session_line session_said[SESSION_LINES] = {
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
	for (size_t i = 0; i < SESSION_LINES; i++) {
		wait_until_heard();
		for (const char *s = session_said[i].text; *s; s++)
			console_put(guest.console, session_said[i].port, (u8)*s, NULL);
	}
	wait_until_heard();
}

_Noreturn void session_child(enum guest_kind kind, struct serial_spec spec, size_t bytes)
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

struct session session_on_terminal(enum guest_kind kind)
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
		session_child(kind, SESSION_STDIO, 1 << 30);
	}
	close(err[1]);
	s.err = err[0];
	return s;
}

struct session session_on_pipes(enum guest_kind kind, struct serial_spec spec, size_t bytes)
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
		session_child(kind, spec, bytes);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	s.in = in[1];
	s.fd = out[0];
	s.err = err[0];
	return s;
}

void session_wait_for(int fd, const char *text)
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

void session_type(const struct session *s, const char *keys, size_t n)
{
	assert_int_equal(write(s->in, keys, n), n);
}

void session_same_settings(const struct termios *a, const struct termios *b)
{
	assert_int_equal(a->c_iflag, b->c_iflag);
	assert_int_equal(a->c_oflag, b->c_oflag);
	assert_int_equal(a->c_cflag, b->c_cflag);
	assert_int_equal(a->c_lflag, b->c_lflag);
	assert_memory_equal(a->c_cc, b->c_cc, sizeof(a->c_cc));
}

void session_ends_with(const struct session *s, bool terminal, int want_exit, int want_signal)
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
		session_same_settings(&after, &s->before);
	}
	close(s->fd);
	if (s->in != s->fd && s->in >= 0)
		close(s->in);
	close(s->err);
}
