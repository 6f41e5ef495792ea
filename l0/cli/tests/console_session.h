/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A console in a child process, with a guest that says "ready" and then does what its kind is, and the test at the other end of its
 * terminal or pipes. What doesn't come within some seconds fails the test.
 */
#ifndef L0_CLI_TESTS_CONSOLE_SESSION_H
#define L0_CLI_TESTS_CONSOLE_SESSION_H

#include <stddef.h>
#include <sys/types.h>
#include <termios.h>

#include "../config.h"

enum guest_kind {
	GUEST_ECHOES, /* what it gets */
	GUEST_IS_DEAF, /* takes no input */
	GUEST_CRASHES, /* the other three: at the first key */
	GUEST_ABORTS,
	GUEST_EXITS,
	GUEST_TALKS, /* byte i is i * 7 >> 3 */
	GUEST_TALKS_AND_FALLS,
	GUEST_SHARES, /* two: session_said[] first, a line at each key, then they echo; one that gets "E" ends */
};

struct session_line {
	unsigned int port;
	const char *text, *want;
};

#define SESSION_LINES 7
extern const struct session_line session_said[SESSION_LINES];

#define SESSION_STDIO ((struct serial_spec){ SERIAL_STDIO, NULL })
#define SESSIONS_SECONDS 300 /* a test program has so long */

struct session {
	pid_t pid;
	int fd; /* our end: of the terminal, or to read from the child */
	int in; /* to write to it; -1: closed */
	int err; /* its stderr */
	struct termios before;
};

/* The controlling terminal of a session of its own is its port. Our slave end stays open: the terminal outlives the child, to be looked at. */
struct session session_on_terminal(enum guest_kind kind);
/* bytes: what GUEST_TALKS has to say */
struct session session_on_pipes(enum guest_kind kind, struct serial_spec spec, size_t bytes);
/* What a child is, for tests that make its standard streams themselves */
_Noreturn void session_child(enum guest_kind kind, struct serial_spec spec, size_t bytes);

/* Read until `text` has come, and nothing behind it. */
void session_wait_for(int fd, const char *text);
void session_type(const struct session *s, const char *keys, size_t n);
void session_same_settings(const struct termios *a, const struct termios *b);
/* Wait for the child's end: by a signal if want_signal, else with that exit code; and its terminal is as before. */
void session_ends_with(const struct session *s, bool terminal, int want_exit, int want_signal);

#endif
