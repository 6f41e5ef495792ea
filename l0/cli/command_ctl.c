/* SPDX-License-Identifier: GPL-2.0-or-later */
/* turtles ctl SOCKET [COMMAND [ARGUMENT=VALUE]...]: one command of the control socket, and events. */
#include "commands.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "../machine/machine.h"
#include "control_client.h"

struct config {
	bool events, help;
};

static int set_events(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->events = true;
	return 0;
}

static int set_help(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->help = true;
	return 0;
}

static const struct command_option OPTIONS_OF_CTL[] = {
	/* clang-format off */
	{ "events", 'e', NULL, "then print events, one a line, until the run ends", set_events },
	{ "help",   'h', NULL, "print this", set_help },
	/* clang-format on */
};

const struct command_help CTL_HELP = {
	.usage = "turtles ctl SOCKET [COMMAND [ARGUMENT=VALUE]...]",
	.brief = "tell a run what to do",
	.text = "give a command to the run whose --control is SOCKET, and print what it answers, as JSON; turtles help "
		"control lists the "
		"commands; without one: query-l1s",
	.options = OPTIONS_OF_CTL,
	.count = sizeof(OPTIONS_OF_CTL) / sizeof(OPTIONS_OF_CTL[0]),
};

/* "l1=a" ...; NULL with a line on stderr */
static json_t *arguments(char **words, int count)
{
	json_t *object = json_object();

	for (int i = 0; i < count; i++) {
		char *value = strchr(words[i], '=');

		if (!value) {
			fprintf(stderr, "turtles: ctl: '%s' is no ARGUMENT=VALUE\n", words[i]);
			json_decref(object);
			return NULL;
		}
		*value++ = '\0';
		if (json_object_get(object, words[i])) {
			fprintf(stderr, "turtles: ctl: '%s' is said twice\n", words[i]);
			json_decref(object);
			return NULL;
		}
		if (json_object_set_new(object, words[i], json_string(value))) {
			fprintf(stderr, "turtles: ctl: %s: not UTF-8\n", words[i]);
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static int print_events(struct control_client *c)
{
	char error[512];
	json_t *event;

	while ((event = control_next_event(c, error, sizeof(error)))) {
		json_dumpf(event, stdout, JSON_COMPACT);
		json_decref(event);
		putchar('\n');
		if (fflush(stdout)) {
			perror("turtles: standard output");
			return EXIT_HOST;
		}
	}
	if (!error[0])
		return EXIT_POWER_OFF;
	fprintf(stderr, "turtles: ctl: %s\n", error);
	return EXIT_HOST;
}

static int run(struct control_client *c, const char *command, json_t *args)
{
	char error[512];
	bool refused;
	json_t *answer = control_call(c, command, args, &refused, error, sizeof(error));

	if (!answer) {
		fprintf(stderr, "turtles: ctl: %s\n", error);
		return refused ? EXIT_USAGE : EXIT_HOST;
	}
	if (!json_is_object(answer) || json_object_size(answer)) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(answer);
	if (!fflush(stdout))
		return EXIT_POWER_OFF;
	perror("turtles: standard output");
	return EXIT_HOST;
}

int command_ctl(int argc, char **argv)
{
	struct config config = { .events = false };
	struct control_client *c;
	char error[512];
	json_t *args;
	int words, code;

	signal(SIGPIPE, SIG_DFL);
	if (command_parse(&CTL_HELP, argc, argv, &config, &words, error, sizeof(error))) {
		fprintf(stderr, "turtles: %s\n", error);
		return EXIT_USAGE;
	}
	if (config.help) {
		command_print_help(stdout, &CTL_HELP);
		return EXIT_POWER_OFF;
	}
	if (!words) {
		fputs("turtles: ctl: say which run: turtles ctl SOCKET COMMAND; turtles run --control SOCKET makes "
		      "one\n",
		      stderr);
		return EXIT_USAGE;
	}
	args = arguments(argv + 3, words - 2 > 0 ? words - 2 : 0);
	if (!args)
		return EXIT_USAGE;
	c = control_connect(argv[1], error, sizeof(error));
	if (!c) {
		fprintf(stderr, "turtles: ctl: %s\n", error);
		json_decref(args);
		return EXIT_HOST;
	}
	if (words < 2 && config.events) {
		json_decref(args);
		code = EXIT_POWER_OFF;
	} else {
		code = run(c, words < 2 ? "query-l1s" : argv[2], args);
	}
	if (!code && config.events)
		code = print_events(c);
	control_disconnect(c);
	return code;
}
