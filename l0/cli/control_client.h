/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other side of the control socket (run/control.h). Every call waits for its answer. */
#ifndef L0_CLI_CONTROL_CLIENT_H
#define L0_CLI_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

struct control_client;

/* Connect and negotiate. NULL with one line in error[0..n-1]. */
struct control_client *control_connect(const char *path, char *error, size_t n);
void control_disconnect(struct control_client *c); /* NULL is fine */

/* For poll(): readable when an event has come, or the end. */
int control_client_fd(const struct control_client *c);

/*
 * Execute a command; takes `arguments` over (NULL: none). The value of "return", the caller's. Or NULL with one line in error[0..n-1] and
 * *refused: the lab says no, and the connection is as good as before. Events that come meanwhile are kept for control_next_event().
 */
json_t *control_call(struct control_client *c, const char *command, json_t *arguments, bool *refused, char *error,
		     size_t n);

/* After a NULL: was it because the other side has closed? */
bool control_ended(const struct control_client *c);

/* Is there an event that has come already? */
bool control_pending(const struct control_client *c);

/* The next event, the caller's. NULL: the lab has ended, or what came is no event (then *error isn't ""). */
json_t *control_next_event(struct control_client *c, char *error, size_t n);

#endif
