/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../run/control.h"
#include "unix_socket.h"

/* What a greeting takes at most: who gets none would wait for ever, for a run that is stopped or has no room. */
#define GREETING_SECONDS 10

struct control_client {
	int fd;
	char *path;
	bool ended; /* the other side has closed */
	char *line; /* what has come of the next message */
	size_t size, room;
	json_t *events; /* an array: those that came while an answer was waited for */
};

void control_disconnect(struct control_client *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	json_decref(c->events);
	free(c->line);
	free(c->path);
	free(c);
}

int control_client_fd(const struct control_client *c)
{
	return c->fd;
}

static void no_greeting(const char *path, char *error, size_t n)
{
	snprintf(error, n, "%s: no greeting in %d seconds: the run is stopped (SIGSTOP), or has %d clients already",
		 path, GREETING_SECONDS, CONTROL_CLIENTS);
}

static bool make_room(struct control_client *c)
{
	char *grown;

	if (c->room - c->size >= 4096)
		return true;
	grown = realloc(c->line, c->room + 65536);
	if (!grown)
		return false;
	c->line = grown;
	c->room += 65536;
	return true;
}

/* The next message. NULL with *error, "" if the other side has closed. */
static json_t *receive(struct control_client *c, char *error, size_t n)
{
	size_t looked = 0;

	error[0] = '\0';
	for (;;) {
		char *end = c->size > looked ? memchr(c->line + looked, '\n', c->size - looked) : NULL;
		ssize_t got;

		if (end) {
			size_t length = (size_t)(end - c->line) + 1;
			json_error_t why;
			json_t *message = json_loadb(c->line, length, 0, &why);

			c->size -= length;
			memmove(c->line, c->line + length, c->size);
			if (!json_is_object(message)) {
				snprintf(error, n, "%s: that is no control socket of turtles: %s", c->path, why.text);
				json_decref(message);
				return NULL;
			}
			return message;
		}
		looked = c->size;
		if (!make_room(c)) {
			snprintf(error, n, "%s: not enough memory", c->path);
			return NULL;
		}
		got = recv(c->fd, c->line + c->size, c->room - c->size, 0);
		if (got < 0 && errno == EINTR)
			continue;
		c->ended = !got || (got < 0 && errno == ECONNRESET);
		if (got < 0 && errno == EAGAIN)
			no_greeting(c->path, error, n);
		else if (got < 0 && !c->ended)
			snprintf(error, n, "%s: %s", c->path, strerror(errno));
		if (got <= 0)
			return NULL;
		c->size += (size_t)got;
	}
}

static bool send_all(struct control_client *c, const char *text, size_t size, char *error, size_t n)
{
	while (size) {
		ssize_t done = send(c->fd, text, size, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			c->ended = errno == EPIPE || errno == ECONNRESET;
			snprintf(error, n, "%s: %s", c->path, strerror(errno));
			return false;
		}
		text += done;
		size -= (size_t)done;
	}
	return true;
}

json_t *control_call(struct control_client *c, const char *command, json_t *arguments, bool *refused, char *error,
		     size_t n)
{
	json_t *request = json_pack("{s:s, s:o*}", "execute", command, "arguments", arguments), *message;
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	size_t size = text ? strlen(text) : 0;
	bool sent;

	/* The NUL makes room for the line's end, which goes with it: who has got the command may be gone before more comes. */
	if (text)
		text[size++] = '\n';
	sent = text && send_all(c, text, size, error, n);
	*refused = false;
	json_decref(request);
	if (!text)
		snprintf(error, n, "%s: not enough memory, or a text that is no UTF-8", c->path);
	free(text);
	while (sent && (message = receive(c, error, n))) {
		json_t *value = json_incref(json_object_get(message, "return"));
		const char *why = json_string_value(json_object_get(json_object_get(message, "error"), "desc"));

		if (json_object_get(message, "event")) {
			json_array_append_new(c->events, message);
			continue;
		}
		*refused = why != NULL;
		if (!value)
			snprintf(error, n, "%s: %s", command, why ? why : "an answer that is none");
		json_decref(message);
		return value;
	}
	if (sent && !error[0])
		snprintf(error, n, "%s: %s: the lab has ended before it answered", c->path, command);
	return NULL;
}

bool control_ended(const struct control_client *c)
{
	return c->ended;
}

bool control_pending(const struct control_client *c)
{
	return json_array_size(c->events) > 0;
}

json_t *control_next_event(struct control_client *c, char *error, size_t n)
{
	json_t *event = json_incref(json_array_get(c->events, 0));

	error[0] = '\0';
	if (event) {
		json_array_remove(c->events, 0);
		return event;
	}
	event = receive(c, error, n);
	if (event && !json_object_get(event, "event")) {
		snprintf(error, n, "%s: an answer without a question", c->path);
		json_decref(event);
		return NULL;
	}
	return event;
}

struct control_client *control_connect(const char *path, char *error, size_t n)
{
	struct control_client *c = calloc(1, sizeof(*c));
	json_t *greeting, *done;
	bool refused;

	if (!c || !(c->path = strdup(path)) || !(c->events = json_array())) {
		snprintf(error, n, "%s: not enough memory", path);
		free(c ? c->path : NULL);
		free(c);
		return NULL;
	}
	c->fd = unix_connect(path, GREETING_SECONDS);
	if (c->fd == -EAGAIN) {
		no_greeting(path, error, n);
		goto fail;
	}
	if (c->fd < 0) {
		snprintf(error, n, "%s: %s; turtles run --control SOCKET makes one", path, strerror(-c->fd));
		goto fail;
	}
	greeting = receive(c, error, n);
	if (!json_object_get(greeting, "QMP")) {
		if (!error[0])
			snprintf(error, n, "%s: that is no control socket of turtles", path);
		json_decref(greeting);
		goto fail;
	}
	json_decref(greeting);
	done = control_call(c, "qmp_capabilities", NULL, &refused, error, n);
	if (!done)
		goto fail;
	json_decref(done);
	/* an answer may take as long as it likes: that of stop is there when the L1 stands still */
	unix_limit(c->fd, 0);
	return c;
fail:
	control_disconnect(c);
	return NULL;
}
