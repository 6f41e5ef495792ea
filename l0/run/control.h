/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: a UNIX socket that speaks JSON in QMP's forms, to many clients at once.
 *
 *	-> {"QMP": {"version": {"qemu": {"major": 0, "minor": 1, "micro": 0}, "package": "turtles 0.1.0"}, "capabilities": []}}
 *	<- {"execute": "qmp_capabilities"}
 *	-> {"return": {}}
 *	<- {"execute": "stop", "arguments": {"l1": "a"}, "id": 7}
 *	-> {"event": "STOP", "data": {"l1": "a"}, "timestamp": {"seconds": 1767225600, "microseconds": 4711}}
 *	-> {"return": {}, "id": 7}
 *
 * A client is served in the order of its commands, and may close its sending side before it has read the answers. One that sends
 * nonsense is told so; one that doesn't read what it asked for isn't listened to, and is dropped when events pile up for it as
 * well. All of it happens on the lab's thread, which never waits for a client.
 *
 * What the commands do is in lab_control.c.
 */
#ifndef L0_RUN_CONTROL_H
#define L0_RUN_CONTROL_H

#include <jansson.h>
#include <poll.h>

#include "../cpu/types.h"

struct control;

#define CONTROL_CLIENTS 32 /* at once; others wait to be accepted */
#define CONTROL_FDS (1 + CONTROL_CLIENTS)

/* QMP's classes of errors */
struct control_error {
	const char *class;
	char text[256];
};

/*
 * A command: the value of its "return", or NULL with *error. `arguments` is an object, or NULL. *wait: bits of what the answer has to wait
 * for, until control_done() has named them all; 0 is there already.
 */
typedef json_t *(*control_execute)(void *arg, const char *command, const json_t *arguments, struct control_error *error,
				   u64 *wait);

/* Listen at `path`. NULL with one line in error[0..n-1]. */
struct control *control_create(const char *path, control_execute execute, void *arg, char *error, size_t n);

/* Give clients a moment to take what waits for them, and close. NULL is fine. */
void control_destroy(struct control *c);

/* What to wait for: fills at most CONTROL_FDS, returns how many. Then what came of it. */
unsigned int control_fds(struct control *c, struct pollfd *fds);
void control_serve(struct control *c, const struct pollfd *fds);

/* To all clients that have negotiated; takes `data` over. NULL is fine for c. */
void control_event(struct control *c, const char *event, json_t *data);

/* Answers that wait for these bits wait for them no more. */
void control_done(struct control *c, u64 bits);

#endif
