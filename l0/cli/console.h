/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's side of the guests' serial ports: standard input and output, files, pseudo-terminals, sockets.
 *
 * One thread does all the work: it takes what the guest wrote out of a ring for each port and writes it, reads what the
 * user types, and takes the signals that ask for an end, so that nothing of ours runs in a signal handler. It waits
 * for no reader (outlet.h): that one would hold up all others, and the signals. A vCPU never waits for a slow terminal unless a ring is full. Nothing that the guest wrote is lost while its reader is there.
 *
 * Several ports on standard output, those of several L1s, share it by lines, each behind the name of its L1. One of them gets what is
 * typed: the first one, until Ctrl-A n or its end.
 *
 * Process-wide effects, between console_create() and console_destroy(): SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP and
 * SIGCONT are blocked in the calling thread, hence in every thread that it creates later; SIGPIPE is ignored; the
 * terminal may be raw (terminal.h).
 */
#ifndef L0_CLI_CONSOLE_H
#define L0_CLI_CONSOLE_H

#include "config.h"

/* clang-format off */
#define CONSOLE_KEYS \
	"Ctrl-A x       quit\n" \
	"Ctrl-A h       print these keys\n" \
	"Ctrl-A b       send a break condition (Linux: a magic SysRq)\n" \
	"Ctrl-A n       what is typed goes to the next L1, where several share the terminal\n" \
	"Ctrl-A Ctrl-A  send Ctrl-A to the guest\n" \
	"They work on a terminal only; input from a pipe or a file goes to the guest byte for byte, to the first of several.\n"
/* clang-format on */

struct console;

struct console_port {
	struct serial_spec serial;
	const char *name; /* of its L1; NULL: there is no other. Outlives the console */
	unsigned int number; /* of its L1's ports, from 0 */
};

/* What the console asks of the machines; called on the console's thread. Ports are numbered as console_create() got them. */
struct console_hooks {
	/* Input for a port, n > 0 bytes. Returns how many were taken; the rest is offered again soon. */
	size_t (*input)(void *arg, unsigned int port, const u8 *data, size_t n);
	/*
	 * The run should end: the user (exit_code EXIT_POWER_OFF) or signal N (128 + N); port is CONSOLE_ALL, why is NULL. Or an L1
	 * should, since its port's back end can't take output any more (EXIT_HOST; `why` is the one line about it, valid until
	 * console_destroy()); CONSOLE_ALL if that was the back end of several.
	 * Asked a second time by the user or a signal, the console ends the process.
	 */
	void (*quit)(void *arg, unsigned int port, int exit_code, const char *why);
	void *arg;
	/* A break condition on the line. False: offer it again soon. NULL: there is no such thing. */
	bool (*send_break)(void *arg, unsigned int port);
};

#define CONSOLE_ALL UINT32_MAX

/*
 * Open the back ends and start the thread; call it before any other thread is created. NULL with one line in
 * err[0..n-1] if one can't be opened.
 */
struct console *console_create(const struct console_port *ports, unsigned int count, const struct console_hooks *hooks,
			       char *err, size_t n);

/*
 * From now on don't wait for readers of a port (CONSOLE_ALL: any) that don't read (a pipe to a stopped program): what has no room is
 * dropped, and console_destroy() gives up after a second in which nothing could be written. For an L1 that has to end;
 * done by itself when the user or a signal asks for the end. hurry false: wait again.
 */
void console_hurry(struct console *c, unsigned int port, bool hurry);

/* The port's L1 has ended, or has been started again: somebody else gets what is typed. */
void console_ended(struct console *c, unsigned int port, bool ended);

/* Write everything out, end the thread, give the terminal back. NULL is fine. */
void console_destroy(struct console *c);

/*
 * A byte from the guest's port; one thread at a time for each port. If there is no room the call waits for the reader, until *leave
 * isn't 0 (NULL: without end). Then it takes the byte all the same and returns false: the guest's next instruction has to wait for
 * console_wait().
 */
bool console_put(struct console *c, unsigned int port, u8 byte, const _Atomic int *leave);

/* Wait until nothing lies in the port's ring that there was no room for. False: *leave came first. Any thread. */
bool console_wait(struct console *c, unsigned int port, const _Atomic int *leave);

/* For a crash handler: terminal back, then what the rings hold as far as it can be written within a second. Async-signal-safe. */
void console_crash(struct console *c);

#endif
