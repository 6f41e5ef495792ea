/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../cli/unix_socket.h"
#include "version.h"

#define REQUEST_MAX (64u << 10) /* bytes of one command */
#define UNREAD_MAX (256u << 10) /* bytes that a client hasn't read: it isn't listened to until it has */
#define QUEUE_MAX (1u << 20) /* the same: it is dropped when there is one more event */
#define FAREWELL_MS 500 /* at the end, for those who still read */

struct client {
	int fd; /* -1: none */
	bool negotiated; /* qmp_capabilities */
	bool closing; /* it has sent all that it will; it goes when it has its answers */

	/* a command that isn't complete yet */
	char *in;
	size_t in_size;
	unsigned int depth; /* of brackets */
	bool string, escape; /* within a string, behind a backslash in it */
	bool garbage; /* too long, or no object: skip to the end of the line */
	/* bytes behind a command whose answer has to be on its way first */
	char *later;
	size_t later_size;

	u64 wait; /* what the answer waits for */
	json_t *answer;

	char *out;
	size_t out_size, out_done;
};

struct control {
	int fd;
	char *path;
	control_execute execute;
	void *arg;
	bool full; /* no more files can be opened: don't accept until something else has happened */
	struct client client[CONTROL_CLIENTS];
};

static void drop(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->in);
	free(c->later);
	free(c->out);
	json_decref(c->answer);
	*c = (struct client){ .fd = -1 };
}

static size_t unread(const struct client *c)
{
	return c->out_size - c->out_done;
}

static void flush(struct client *c)
{
	while (unread(c)) {
		ssize_t n = send(c->fd, c->out + c->out_done, unread(c), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			drop(c);
			return;
		}
		if (n < 0)
			return;
		c->out_done += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_size = c->out_done = 0;
}

/* Takes the message over. A client for which there is no memory is dropped: it would wait for ever. */
static void say(struct client *c, json_t *message)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL, *grown = NULL;
	size_t n = text ? strlen(text) : 0;

	json_decref(message);
	if (text && c->out_done) {
		memmove(c->out, c->out + c->out_done, unread(c));
		c->out_size -= c->out_done;
		c->out_done = 0;
	}
	if (text)
		grown = realloc(c->out, c->out_size + n + 2);
	if (!grown) {
		free(text);
		drop(c);
		return;
	}
	c->out = grown;
	memcpy(c->out + c->out_size, text, n);
	memcpy(c->out + c->out_size + n, "\r\n", 2);
	c->out_size += n + 2;
	free(text);
	flush(c);
}

static void fail(struct control_error *e, const char *class, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void fail(struct control_error *e, const char *class, const char *format, ...)
{
	va_list args;

	e->class = class;
	va_start(args, format);
	vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
}

static json_t *error_message(const struct control_error *e, json_t *id)
{
	return json_pack("{s:{s:s, s:s}, s:O*}", "error", "class", e->class, "desc", e->text, "id", id);
}

static json_t *greeting(void)
{
	return json_pack("{s:{s:{s:{s:i, s:i, s:i}, s:s}, s:[]}}", "QMP", "version", "qemu", "major", VERSION_MAJOR,
			 "minor", VERSION_MINOR, "micro", VERSION_MICRO, "package", "turtles " VERSION, "capabilities");
}

/* A request's form, as QMP has it; NULL with *e. */
static const char *check_request(const json_t *request, struct control_error *e)
{
	static const char GENERIC[] = "GenericError";
	const json_t *execute = json_object_get(request, "execute");
	const char *key;
	json_t *value;

	if (!json_is_object(request)) {
		fail(e, GENERIC, "QMP input must be a JSON object");
		return NULL;
	}
	json_object_foreach((json_t *)request, key, value)
	{
		if (strcmp(key, "execute") && strcmp(key, "arguments") && strcmp(key, "id")) {
			fail(e, GENERIC, "QMP input member '%.60s' is unexpected", key);
			return NULL;
		}
	}
	if (!execute) {
		fail(e, GENERIC, "QMP input lacks member 'execute'");
		return NULL;
	}
	if (!json_is_string(execute)) {
		fail(e, GENERIC, "QMP input member 'execute' must be a string");
		return NULL;
	}
	value = json_object_get(request, "arguments");
	if (value && !json_is_object(value)) {
		fail(e, GENERIC, "QMP input member 'arguments' must be an object");
		return NULL;
	}
	return json_string_value(execute);
}

/* {"enable": []}: there are none that could be */
static bool check_capabilities(const json_t *arguments, struct control_error *e)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)arguments, key, value)
	{
		if (strcmp(key, "enable"))
			fail(e, "GenericError", "Parameter '%.60s' is unexpected", key);
		else if (!json_is_array(value))
			fail(e, "GenericError", "Invalid parameter type for 'enable', expected: array");
		else if (json_array_size(value))
			fail(e, "GenericError", "capabilities that are not available were asked for");
		else
			continue;
		return false;
	}
	return true;
}

/* The value of "return", or NULL with *e */
static json_t *run_command(struct control *control, struct client *c, const json_t *request, struct control_error *e)
{
	const char *command = check_request(request, e);
	bool negotiates;

	if (!command)
		return NULL;
	negotiates = !strcmp(command, "qmp_capabilities");
	if (!c->negotiated && !negotiates) {
		fail(e, "CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'");
		return NULL;
	}
	if (c->negotiated && negotiates) {
		fail(e, "CommandNotFound", "Capabilities negotiation is already complete, command ignored");
		return NULL;
	}
	if (negotiates) {
		c->negotiated = check_capabilities(json_object_get(request, "arguments"), e);
		return c->negotiated ? json_object() : NULL;
	}
	return control->execute(control->arg, command, json_object_get(request, "arguments"), e, &c->wait);
}

static void serve(struct control *control, struct client *c, const char *text, size_t n)
{
	struct control_error e = { .class = "GenericError" };
	json_error_t why;
	json_t *request = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why), *id, *answer;

	if (!request) {
		fail(&e, "GenericError", "JSON parse error, %s", why.text);
		say(c, error_message(&e, NULL));
		return;
	}
	id = json_incref(json_object_get(request, "id"));
	answer = run_command(control, c, request, &e);
	json_decref(request);
	answer = answer ? json_pack("{s:o, s:O*}", "return", answer, "id", id) : error_message(&e, id);
	json_decref(id);
	if (c->wait)
		c->answer = answer;
	else
		say(c, answer);
}

static void refuse(struct client *c, const char *why)
{
	struct control_error e;

	fail(&e, "GenericError", "%s", why);
	say(c, error_message(&e, NULL));
}

/* Where in the command that is read one more byte leads: true, to its end. */
static bool scan(struct client *c, char byte)
{
	if (c->escape) {
		c->escape = false;
	} else if (c->string) {
		c->escape = byte == '\\';
		c->string = byte != '"';
	} else if (byte == '"') {
		c->string = true;
	} else if (byte == '{' || byte == '[') {
		c->depth++;
	} else if (byte == '}' || byte == ']') {
		c->depth -= c->depth > 0;
		return !c->depth;
	}
	/* what is no object ends with its line, as a string does that has no end */
	return byte == '\n' && (!c->depth || c->string);
}

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void restart(struct client *c)
{
	c->in_size = c->depth = 0;
	c->string = c->escape = false;
}

/* It gets no more answers before those that it has are on their way. */
static bool has_to_wait(const struct client *c)
{
	return c->wait || unread(c) >= UNREAD_MAX;
}

/* Bytes of commands, in whatever pieces they come. Returns how many were used: all, unless the client has to wait or is gone. */
static size_t take(struct control *control, struct client *c, const char *data, size_t n)
{
	size_t i;

	for (i = 0; i < n && c->fd >= 0 && !has_to_wait(c); i++) {
		if (c->garbage) {
			c->garbage = data[i] != '\n';
			continue;
		}
		if (!c->in_size && is_space(data[i]))
			continue;
		if (!c->in)
			c->in = malloc(REQUEST_MAX);
		if (!c->in) {
			drop(c);
			break;
		}
		if (c->in_size == REQUEST_MAX) {
			restart(c);
			c->garbage = data[i] != '\n';
			refuse(c, "JSON token size limit exceeded: a command has 64 KiB at most");
			continue;
		}
		c->in[c->in_size++] = data[i];
		if (scan(c, data[i])) {
			size_t size = c->in_size;
			bool object = c->in[0] == '{' || c->in[0] == '[';

			restart(c);
			/* nonsense that begins in the middle of a line has nothing worth reading behind it */
			c->garbage = !object && data[i] != '\n';
			serve(control, c, c->in, size);
		}
	}
	return i;
}

static bool keep_for_later(struct client *c, const char *data, size_t n)
{
	char *grown = n ? realloc(c->later, c->later_size + n) : NULL;

	if (!n)
		return true;
	if (!grown)
		return false;
	memcpy(grown + c->later_size, data, n);
	c->later = grown;
	c->later_size += n;
	return true;
}

/* What had to wait for an answer. */
static void take_later(struct control *control, struct client *c)
{
	char *data = c->later;
	size_t n = c->later_size, used;

	if (!n || has_to_wait(c))
		return;
	c->later = NULL;
	c->later_size = 0;
	used = take(control, c, data, n);
	if (c->fd >= 0 && !keep_for_later(c, data + used, n - used))
		drop(c);
	free(data);
}

static void receive(struct control *control, struct client *c)
{
	char data[4096];
	ssize_t n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);
	size_t used;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		drop(c);
		return;
	}
	if (!n) {
		/* a command that has no end is one that is wrong */
		if (c->in_size && !c->garbage)
			refuse(c, "JSON parse error, the input ends within a command");
		c->closing = true;
		return;
	}
	used = take(control, c, data, (size_t)n);
	if (c->fd >= 0 && !keep_for_later(c, data + used, (size_t)n - used))
		drop(c);
}

static void accept_one(struct control *control)
{
	struct client *c = control->client;
	int fd;

	while (c < control->client + CONTROL_CLIENTS && c->fd >= 0)
		c++;
	if (c == control->client + CONTROL_CLIENTS)
		return;
	fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	control->full = fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
	if (fd < 0)
		return;
	*c = (struct client){ .fd = fd };
	say(c, greeting());
}

struct control *control_create(const char *path, control_execute execute, void *arg, char *error, size_t n)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c || !(c->path = strdup(path))) {
		snprintf(error, n, "control: %s: %s", path, strerror(ENOMEM));
		free(c);
		return NULL;
	}
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		c->client[i].fd = -1;
	c->execute = execute;
	c->arg = arg;
	c->fd = unix_listen(path);
	if (c->fd < 0) {
		snprintf(error, n, "control: could not listen at %s: %s", path, strerror(-c->fd));
		free(c->path);
		free(c);
		return NULL;
	}
	return c;
}

void control_destroy(struct control *c)
{
	struct timespec t;
	u64 end;

	if (!c)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	end = (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000 + FAREWELL_MS;
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &c->client[i];

		/* what it waited for won't come any more */
		if (client->fd >= 0 && client->answer) {
			say(client, client->answer);
			client->answer = NULL;
		}
		while (client->fd >= 0 && unread(client)) {
			struct pollfd fd = { .fd = client->fd, .events = POLLOUT };
			u64 now;

			clock_gettime(CLOCK_MONOTONIC, &t);
			now = (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
			if (now >= end || poll(&fd, 1, (int)(end - now)) <= 0)
				break;
			flush(client);
		}
		drop(client);
	}
	close(c->fd);
	unlink(c->path);
	free(c->path);
	free(c);
}

unsigned int control_fds(struct control *c, struct pollfd *fds)
{
	bool room = false;

	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		const struct client *client = &c->client[i];
		short events = 0;

		room |= client->fd < 0;
		if (!client->closing && !client->later_size && !has_to_wait(client))
			events |= POLLIN;
		if (unread(client))
			events |= POLLOUT;
		fds[1 + i] = (struct pollfd){ .fd = client->fd, .events = events };
	}
	fds[0] = (struct pollfd){ .fd = room && !c->full ? c->fd : -1, .events = POLLIN };
	return CONTROL_FDS;
}

void control_serve(struct control *c, const struct pollfd *fds)
{
	c->full = false;
	if (fds[0].revents)
		accept_one(c);
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &c->client[i];
		short revents = fds[1 + i].revents;

		if (client->fd < 0 || client->fd != fds[1 + i].fd)
			continue;
		if (revents & POLLOUT)
			flush(client);
		take_later(c, client);
		if (client->fd >= 0 && (revents & POLLIN))
			receive(c, client);
		else if (client->fd >= 0 && (revents & (POLLERR | POLLHUP)))
			drop(client); /* nobody is there to be answered */
		if (client->fd >= 0 && client->closing && !client->wait && !client->later_size && !unread(client))
			drop(client);
	}
}

void control_event(struct control *c, const char *event, json_t *data)
{
	struct timespec now;
	json_t *message;

	if (!c) {
		json_decref(data);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	message = json_pack("{s:s, s:o, s:{s:I, s:I}}", "event", event, "data", data, "timestamp", "seconds",
			    (json_int_t)now.tv_sec, "microseconds", (json_int_t)(now.tv_nsec / 1000));
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &c->client[i];

		if (client->fd < 0 || !client->negotiated)
			continue;
		if (unread(client) > QUEUE_MAX)
			drop(client);
		else
			say(client, json_incref(message));
	}
	json_decref(message);
}

void control_done(struct control *c, u64 bits)
{
	if (!c)
		return;
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &c->client[i];
		json_t *answer = client->answer;

		client->wait &= ~bits;
		if (client->wait || !answer)
			continue;
		client->answer = NULL;
		say(client, answer);
		take_later(c, client);
	}
}
