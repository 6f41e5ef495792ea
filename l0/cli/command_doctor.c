/* SPDX-License-Identifier: GPL-2.0-or-later */
/* turtles doctor: what this host can do, and what turtles does with it. */
#include "doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../machine/machine.h"
#include "../run/version.h"
#include "commands.h"
#include "help.h"

#define SCHEMA 1

struct config {
	bool json, help;
};

static int set_json(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->json = true;
	return 0;
}

static int set_help(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->help = true;
	return 0;
}

static const struct command_option OPTIONS_OF_DOCTOR[] = {
	/* clang-format off */
	{ "json", 'j', NULL, "as one JSON object", set_json },
	{ "help", 'h', NULL, "print this", set_help },
	/* clang-format on */
};

const struct command_help DOCTOR_HELP = {
	.usage = "turtles doctor [--json]",
	.brief = "what this host can do",
	.text = "say what this host can do and what turtles makes of it, each with its reason; exit code 3 if no guest "
		"can run",
	.options = OPTIONS_OF_DOCTOR,
	.count = sizeof(OPTIONS_OF_DOCTOR) / sizeof(OPTIONS_OF_DOCTOR[0]),
};

static const struct {
	const char *word, *mark;
} VERDICTS[] = {
	[VERDICT_GOOD] = { "good", "+" },
	[VERDICT_LIMITED] = { "limited", "-" },
	[VERDICT_BAD] = { "bad", "!" },
	[VERDICT_FACT] = { "fact", " " },
};

void doctor_add(struct doctor *d, const char *group, const char *name, enum verdict verdict, json_t *value,
		const char *format, ...)
{
	va_list args;
	char text[512];

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	d->bad |= verdict == VERDICT_BAD;
	json_array_append_new(d->findings,
			      json_pack("{s:s, s:s, s:s, s:o, s:s}", "group", group, "name", name, "verdict",
					VERDICTS[verdict].word, "value", value ? value : json_null(), "text", text));
}

static const char *mark(const char *verdict)
{
	for (size_t i = 0; i < sizeof(VERDICTS) / sizeof(VERDICTS[0]); i++)
		if (!strcmp(VERDICTS[i].word, verdict))
			return VERDICTS[i].mark;
	return "?";
}

static void print(const struct doctor *d)
{
	const char *last = "";
	json_t *finding;
	size_t i;

	json_array_foreach(d->findings, i, finding)
	{
		const char *group, *name, *verdict, *text;

		json_unpack(finding, "{s:s, s:s, s:s, s:s}", "group", &group, "name", &name, "verdict", &verdict,
			    "text", &text);
		if (strcmp(group, last))
			printf("%s%s\n", *last ? "\n" : "", group);
		printf("  %s %-17s ", mark(verdict), name);
		/* the first line stands behind the name */
		help_wrap_at(stdout, 22, text);
		last = group;
	}
	printf("\n%s\n", d->bad ? "Guests can't run here: see what is marked with '!'." : "Guests can run here.");
}

static int print_json(const struct doctor *d)
{
	json_t *root = json_pack("{s:i, s:s, s:b, s:O}", "schema", SCHEMA, "version", VERSION, "runs_guests", !d->bad,
				 "findings", d->findings);
	int err = !root || json_dumpf(root, stdout, JSON_INDENT(2));

	json_decref(root);
	putchar('\n');
	return err;
}

int command_doctor(int argc, char **argv)
{
	struct config c = { .json = false };
	struct doctor d = { .findings = json_array() };
	char error[256];
	int words;

	if (command_parse(&DOCTOR_HELP, argc, argv, &c, &words, error, sizeof(error)) || words) {
		fprintf(stderr, "turtles: %s\n", words ? "doctor: takes no words" : error);
		json_decref(d.findings);
		return EXIT_USAGE;
	}
	if (c.help) {
		command_print_help(stdout, &DOCTOR_HELP);
		json_decref(d.findings);
		return EXIT_POWER_OFF;
	}
	doctor_cpu(&d);
	doctor_kvm(&d);
	doctor_host(&d);
	if (c.json)
		print_json(&d);
	else
		print(&d);
	json_decref(d.findings);
	if (fflush(stdout)) {
		perror("turtles: standard output");
		return EXIT_HOST;
	}
	return d.bad ? EXIT_HOST : EXIT_POWER_OFF;
}
