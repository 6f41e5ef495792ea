/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of the control socket: one list, from which their dispatch and `turtles help control` come. */
#include "lab_control.h"

#include <stdio.h>
#include <string.h>

#include "../cli/console.h"
#include "../cli/values.h"
#include "control.h"
#include "guest.h"
#include "version.h"

#define HAS_ENDED "it has ended; start it"

struct request {
	struct lab *lab;
	struct guest *guest; /* argument "l1"; NULL: it isn't there */
	struct control_error *error;
	u64 *wait;
};

/* Members of the loop's body: all L1s that the request is about. */
#define FOR_GUESTS(r, g) \
	for (struct guest *g = (r)->lab->guest; g < (r)->lab->guest + (r)->lab->count; g++) \
		if (!(r)->guest || (r)->guest == g)

static json_t *refuse(const struct request *r, const char *text)
{
	r->error->class = "GenericError";
	snprintf(r->error->text, sizeof(r->error->text), "%s", text);
	return NULL;
}

/* The L1 that the request is about, if it is about one: what is to be done to it would be forgotten. */
static bool has_ended(const struct request *r)
{
	return r->guest && (!r->guest->running || r->guest->ended);
}

static json_t *query_version(struct request *r)
{
	(void)r;
	return json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "major", VERSION_MAJOR, "minor", VERSION_MINOR, "micro",
			 VERSION_MICRO, "package", "turtles " VERSION);
}

static json_t *query_commands(struct request *r)
{
	json_t *list = json_array();

	(void)r;
	json_array_append_new(list, json_pack("{s:s}", "name", "qmp_capabilities"));
	for (size_t i = 0; i < CONTROL_COMMAND_COUNT; i++)
		json_array_append_new(list, json_pack("{s:s}", "name", CONTROL_COMMANDS[i].name));
	return list;
}

static bool runs(const struct guest *g)
{
	return !strcmp(guest_status(g), "running");
}

static json_t *guest_object(const struct guest *g)
{
	json_t *object = json_pack("{s:s, s:s, s:b, s:i, s:I, s:I}", "name", g->config->name, "status", guest_status(g),
				   "running", runs(g), "vcpus", (int)g->config->vcpus, "memory",
				   (json_int_t)g->config->memory, "starts", (json_int_t)g->starts);

	if (g->code >= 0)
		json_object_set_new(object, "exit-code", json_integer(g->code));
	if (g->code >= 0 && g->end[0])
		json_object_set_new(object, "end", json_string(g->end));
	return object;
}

/* Of several: running if one is, paused if one could be */
static const char *status_of_all(const struct lab *lab)
{
	const char *status = guest_status(lab->guest);

	for (unsigned int i = 1; i < lab->count; i++) {
		const char *other = guest_status(&lab->guest[i]);

		if (!strcmp(other, "running") ||
		    (lab->guest[i].running && !lab->guest[i].ended && strcmp(status, "running")))
			status = other;
	}
	return status;
}

static json_t *query_status(struct request *r)
{
	const char *status = r->guest ? guest_status(r->guest) : status_of_all(r->lab);

	return json_pack("{s:s, s:b, s:b}", "status", status, "singlestep", 0, "running", !strcmp(status, "running"));
}

static json_t *query_l1s(struct request *r)
{
	json_t *list = json_array();

	FOR_GUESTS(r, g)
	json_array_append_new(list, guest_object(g));
	return list;
}

static json_t *query_stats(struct request *r)
{
	json_t *stats = lab_stats(r->lab, r->guest);

	return stats ? stats : refuse(r, "not enough memory for the stats");
}

static json_t *stop(struct request *r)
{
	if (has_ended(r))
		return refuse(r, HAS_ENDED);
	FOR_GUESTS(r, g)
	if (guest_hold(g))
		*r->wait |= BIT(g->number);
	return json_object();
}

static json_t *cont(struct request *r)
{
	if (has_ended(r))
		return refuse(r, HAS_ENDED);
	FOR_GUESTS(r, g)
	guest_continue(g);
	return json_object();
}

static json_t *system_reset(struct request *r)
{
	if (has_ended(r))
		return refuse(r, HAS_ENDED);
	FOR_GUESTS(r, g)
	guest_reset(g);
	return json_object();
}

static json_t *quit(struct request *r)
{
	if (!r->guest)
		lab_quit(r->lab, CAUSE_CONTROL, EXIT_POWER_OFF, "");
	else
		guest_stop(r->guest, CAUSE_CONTROL, STOP_QUIT, EXIT_POWER_OFF, "");
	return json_object();
}

static json_t *start(struct request *r)
{
	struct guest *g = r->guest;
	char error[200];

	if (!g)
		return refuse(r, "Parameter 'l1' is missing");
	if (r->lab->quitting)
		return refuse(r, "the run is about to end");
	if (g->running)
		return refuse(r, "it hasn't ended yet");
	g->hold = g->config->held;
	if (guest_create(g, error, sizeof(error)) || guest_start(g, error, sizeof(error)))
		return refuse(r, error);
	control_event(r->lab->control, "START", json_pack("{s:s}", "l1", g->config->name));
	return json_object();
}

/* clang-format off */
const struct control_command CONTROL_COMMANDS[] = {
	{ "query-status",   query_status,   "[l1]", "running, paused, suspended, prelaunch, shutdown, guest-panicked, internal-error; of all L1s:"
						    " running if one is" },
	{ "query-l1s",      query_l1s,      "[l1]", "each L1: name, status, vcpus, memory, how often it was started, how it has ended" },
	{ "query-stats",    query_stats,    "[l1]", "the object of --stats, as of now (QEMU's command of that name gives another)" },
	{ "stop",           stop,           "[l1]", "stand still, clock and all; answered when it does" },
	{ "cont",           cont,           "[l1]", "go on; the first time, too, after -S" },
	{ "system_reset",   system_reset,   "[l1]", "the machine's reset line; with --no-reboot the L1's end" },
	{ "quit",           quit,           "[l1]", "the end of the run, or of one L1" },
	{ "start",          start,          "l1",   "build an L1 anew that has ended, and power it on; its --trace until then is kept as FILE.1, FILE.2, ..." },
	{ "query-version",  query_version,  "",     "the program's" },
	{ "query-commands", query_commands, "",     "these" },
};
/* clang-format on */
const size_t CONTROL_COMMAND_COUNT = sizeof(CONTROL_COMMANDS) / sizeof(CONTROL_COMMANDS[0]);

static struct guest *find(struct lab *lab, const char *name)
{
	for (unsigned int i = 0; i < lab->count; i++)
		if (!strcmp(lab->guest[i].config->name, name))
			return &lab->guest[i];
	return NULL;
}

/* False with *error */
static bool take_arguments(struct request *r, const struct control_command *c, const json_t *arguments)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)arguments, key, value)
	{
		if (!strstr(c->arguments, "l1") || strcmp(key, "l1")) {
			r->error->class = "GenericError";
			snprintf(r->error->text, sizeof(r->error->text), "Parameter '%.60s' is unexpected", key);
			return false;
		}
		if (!json_is_string(value)) {
			refuse(r, "Invalid parameter type for 'l1', expected: string");
			return false;
		}
		r->guest = find(r->lab, json_string_value(value));
		if (!r->guest) {
			r->error->class = "DeviceNotFound";
			snprintf(r->error->text, sizeof(r->error->text), "L1 '%.60s' not found; query-l1s lists them",
				 json_string_value(value));
			return false;
		}
	}
	return true;
}

json_t *lab_execute(void *lab, const char *command, const json_t *arguments, struct control_error *error, u64 *wait)
{
	struct request r = { .lab = lab, .error = error, .wait = wait };

	for (size_t i = 0; i < CONTROL_COMMAND_COUNT; i++)
		if (!strcmp(CONTROL_COMMANDS[i].name, command))
			return take_arguments(&r, &CONTROL_COMMANDS[i], arguments) ? CONTROL_COMMANDS[i].run(&r) : NULL;
	error->class = "CommandNotFound";
	snprintf(error->text, sizeof(error->text), "The command %.60s has not been found; query-commands lists them",
		 command);
	return NULL;
}

void control_commands_print(FILE *to)
{
	for (size_t i = 0; i < CONTROL_COMMAND_COUNT; i++)
		fprintf(to, "%-16s %-5s %s\n", CONTROL_COMMANDS[i].name, CONTROL_COMMANDS[i].arguments,
			CONTROL_COMMANDS[i].text);
}
