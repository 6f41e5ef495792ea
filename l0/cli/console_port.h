/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A serial port's other side, inside the console: its rings and what it leads to. */
#ifndef L0_CLI_CONSOLE_PORT_H
#define L0_CLI_CONSOLE_PORT_H

#include <stdatomic.h>

#include "console.h"
#include "outlet.h"

#define RING_SIZE 65536u /* bytes, a power of two */
#define RING_SPARE 16384u /* of them: for vCPUs that have to leave, each in the middle of an instruction */
#define INPUT_SIZE 4096u

struct port {
	enum serial_kind kind;
	const char *name; /* of the L1; NULL: there is only one */
	unsigned int number; /* of the L1's ports, for messages */
	const char *path; /* SERIAL_UNIX */
	int in; /* -1: none, or no more */
	struct outlet out; /* the same */
	int listen; /* SERIAL_UNIX: who connects next; otherwise -1 */
	bool has_output; /* somebody reads what the guest writes, or may come to */
	bool shared; /* stdout is several ports': each line begins with its L1's name */
	bool terminal; /* `in` is one */
	bool hung_up; /* pty, socket: nobody is on the other side */
	bool dead; /* output fails: it is dropped from now on */
	_Atomic bool hurry; /* what has no room is dropped */
	_Atomic bool ended; /* its L1: nothing that is typed arrives */

	/* guest to host: head is moved by the guest's thread, tail by the console's */
	_Atomic u32 head, tail;
	u8 ring[RING_SIZE];

	/* host to guest: bytes that the machine hasn't taken yet */
	size_t pending;
	u8 input[INPUT_SIZE];
	bool pending_break; /* behind them */

	/* shared: */
	u32 seen; /* head when its lines were last looked for */
	u64 since; /* ms on the console's clock when a line without an end was first seen; 0: none */
};

/* Bytes that the guest has written and the console hasn't. */
static inline u32 port_waiting(const struct port *p)
{
	return p->head - p->tail;
}

/* Open what the specification names; standard_output is what leads there. 0 or -errno; nothing is open then. */
int port_open(struct port *p, const struct console_port *spec, const struct outlet *standard_output);
/* Standard streams stay open. */
void port_close(struct port *p);

/* A socket has been connected to: take it. */
void port_accept(struct port *p);
/* The other side has gone: wait for the next one. */
void port_hang_up(struct port *p);

/*
 * Lines of several ports on their way to one stream: a line is in one piece, behind the name of its L1. One that has no end yet is
 * held back for a moment, since a prompt has to be seen in the end.
 */
#define LINES_SIZE 16384u

struct lines {
	u32 size, done; /* bytes in text[]; of them written */
	unsigned int next; /* port that is asked first */
	struct port *open; /* whose line has no end yet; NULL: no line is open */
	int name_width; /* of the longest name */
	char text[LINES_SIZE];
};

/*
 * Take what is ready from the ports that share the stream. now: ms, any clock, not 0. all: lines without an end, too. Returns in how
 * many ms a held line will be ready, -1: none is held.
 */
int lines_take(struct lines *l, struct port *ports, unsigned int count, u64 now, bool all);

#endif
