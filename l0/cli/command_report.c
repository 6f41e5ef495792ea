/* SPDX-License-Identifier: GPL-2.0-or-later */
/* turtles report STATS...: the table of --summary from stats files. */
#include "commands.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../account/output.h"
#include "../account/rounds_load.h"
#include "../account/rounds_report.h"
#include "../machine/machine.h"

struct config {
	const char *output; /* NULL: standard output */
	bool help;
};

static int set_output(void *config, const char *arg, char *error, size_t n)
{
	if (!*arg) {
		snprintf(error, n, "needs FILE, not an empty string");
		return -EINVAL;
	}
	((struct config *)config)->output = arg;
	return 0;
}

static int set_help(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->help = true;
	return 0;
}

static const struct command_option OPTIONS_OF_REPORT[] = {
	/* clang-format off */
	{ "output", 'o', "FILE", "write there, not to standard output", set_output },
	{ "help",   'h', NULL,   "print this", set_help },
	/* clang-format on */
};

const struct command_help REPORT_HELP = {
	.usage = "turtles report STATS...",
	.brief = "what exits cost, from files of --stats",
	.text = "print what exits cost, from files of turtles run --stats; '-' is standard input",
	.options = OPTIONS_OF_REPORT,
	.count = sizeof(OPTIONS_OF_REPORT) / sizeof(OPTIONS_OF_REPORT[0]),
};

/* One file: a table for each L1 with VMX. The exit code; others are printed nevertheless. */
static int report(FILE *to, const char *path, bool heading, struct rounds *rounds)
{
	char error[512], why[256];
	const json_t *machines;
	bool host_error, any = false;
	json_t *root = stats_load(path, &host_error, error, sizeof(error));
	int code = EXIT_POWER_OFF;

	if (!root) {
		fprintf(stderr, "turtles: %s\n", error);
		return host_error ? EXIT_HOST : EXIT_USAGE;
	}
	machines = json_object_get(root, "l1");
	for (size_t i = 0; i < json_array_size(machines); i++) {
		const json_t *machine = json_array_get(machines, i), *vmx = json_object_get(machine, "vmx");
		const char *name = json_string_value(json_object_get(machine, "name"));

		if (!vmx)
			continue;
		any = true;
		if (!rounds_load(rounds, vmx, why, sizeof(why))) {
			fprintf(stderr, "turtles: %s: %s\n", path, why);
			code = EXIT_USAGE;
			continue;
		}
		if (heading || json_array_size(machines) > 1)
			fprintf(to, "== %s: %s\n", path, name ? name : "?");
		rounds_print(to, rounds);
	}
	if (!any) {
		fprintf(stderr, "turtles: %s: no L1 in it had VMX (--cpu MODEL,+vmx): it has no rounds\n", path);
		code = EXIT_USAGE;
	}
	json_decref(root);
	return code;
}

int command_report(int argc, char **argv)
{
	struct config c = { .output = NULL };
	int words, err, code = EXIT_POWER_OFF;
	struct rounds *rounds;
	struct output o;
	char error[512];

	signal(SIGPIPE, SIG_DFL);
	if (command_parse(&REPORT_HELP, argc, argv, &c, &words, error, sizeof(error))) {
		fprintf(stderr, "turtles: %s\n", error);
		return EXIT_USAGE;
	}
	if (c.help) {
		command_print_help(stdout, &REPORT_HELP);
		return EXIT_POWER_OFF;
	}
	if (!words) {
		fputs("turtles: report: say which files: turtles report STATS...; turtles run --stats writes them\n",
		      stderr);
		return EXIT_USAGE;
	}
	rounds = malloc(sizeof(*rounds));
	err = rounds ? output_open(&o, c.output) : -ENOMEM;
	if (!err) {
		for (int i = 1; i <= words; i++) {
			int one = report(o.f, argv[i], words > 1, rounds);

			code = code ? code : one;
		}
		err = output_commit(&o);
	}
	free(rounds);
	if (err) {
		fprintf(stderr, "turtles: %s: %s\n", c.output ? c.output : "standard output", strerror(-err));
		return EXIT_HOST;
	}
	return code;
}
