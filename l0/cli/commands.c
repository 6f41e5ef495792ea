/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "help.h"

const struct command_help *const COMMAND_HELPS[] = { &TRACE_HELP, &REPORT_HELP, &CTL_HELP, &TOP_HELP, &DOCTOR_HELP };
const size_t COMMAND_HELP_COUNT = sizeof(COMMAND_HELPS) / sizeof(COMMAND_HELPS[0]);

static const struct command_option *find(const struct command_help *help, const char *word, size_t n)
{
	for (size_t i = 0; i < help->count; i++) {
		const struct command_option *o = &help->options[i];

		if ((n == strlen(o->name) && !memcmp(o->name, word, n)) || (o->letter && n == 1 && *word == o->letter))
			return o;
	}
	return NULL;
}

int command_parse(const struct command_help *help, int argc, char **argv, void *config, int *words, char *error, size_t n)
{
	bool options = true;

	*words = 0;
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i], *name = word, *arg = NULL;
		const struct command_option *o;
		size_t length;
		char why[256];

		if (!options || word[0] != '-' || !word[1]) {
			argv[++*words] = argv[i];
			continue;
		}
		if (!strcmp(word, "--")) {
			options = false;
			continue;
		}
		/* one dash and two are the same, as for turtles run */
		name += word[1] == '-' ? 2 : 1;
		length = strcspn(name, "=");
		if (name[length])
			arg = name + length + 1;
		o = find(help, name, length);
		if (!o) {
			snprintf(error, n, "%s: unknown option; see turtles %s --help", word, argv[0]);
			return -EINVAL;
		}
		if ((!o->arg && arg) || (o->arg && !arg && i + 1 >= argc)) {
			snprintf(error, n, o->arg ? "%s: needs %s" : "%s: takes no value", word, o->arg);
			return -EINVAL;
		}
		if (o->arg && !arg)
			arg = argv[++i];
		if (o->set(config, arg, why, sizeof(why))) {
			snprintf(error, n, "--%s: %s", o->name, why);
			return -EINVAL;
		}
	}
	return 0;
}

void command_option_spelling(const struct command_option *o, char *text, size_t n)
{
	const char *space = o->arg ? " " : "", *arg = o->arg ? o->arg : "";

	if (o->letter)
		snprintf(text, n, "--%s%s%s, -%c%s%s", o->name, space, arg, o->letter, space, arg);
	else
		snprintf(text, n, "--%s%s%s", o->name, space, arg);
}

void command_print_help(FILE *to, const struct command_help *help)
{
	char text[64];

	fprintf(to, "%s\n", help->usage);
	help_wrap(to, 8, help->text);
	fputc('\n', to);
	for (size_t i = 0; i < help->count; i++) {
		command_option_spelling(&help->options[i], text, sizeof(text));
		fprintf(to, "  %s\n", text);
		help_wrap(to, 8, help->options[i].help);
	}
}
