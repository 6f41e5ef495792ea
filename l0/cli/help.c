/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "help.h"

#include <stdlib.h>
#include <string.h>

#include "../account/stats.h"
#include "../cpu/model.h"
#include "../machine/machine.h"
#include "../run/lab_control.h"
#include "../run/version.h"
#include "../vmx/exits.h"
#include "commands.h"
#include "console.h"
#include "options.h"

#define WIDTH 100 /* columns of --help */

/* Titles of enum option_group in --help and in the man page; GROUP_QUIET and GROUP_REFUSED have their own form. */
static const char *const GROUP_TITLES[GROUP_COUNT] = {
	[GROUP_MACHINE] = "The machine",     [GROUP_CONSOLE] = "Its console",	 [GROUP_RUN] = "How it runs",
	[GROUP_RESULT] = "What is reported", [GROUP_LAB] = "The run as a whole", [GROUP_HELP] = "Help",
};

static const struct {
	int code;
	const char *number, *text;
} EXIT_CODES[] = {
	/* clang-format off */
	{ EXIT_POWER_OFF,   NULL, "the guest powered off or, with --no-reboot, reset the machine; or the user quit with Ctrl-A x" },
	{ -1, "(V << 1) | 1",     "the guest wrote V to the port of isa-debug-exit" },
	{ EXIT_USAGE,       NULL, "the command line is wrong, or a file that it names is not what it should be" },
	{ EXIT_HOST,        NULL, "the host can't: a file can't be read, memory is short, nobody takes the console's output" },
	{ EXIT_GUEST_FATAL, NULL, "the guest can't go on: triple fault, halted for ever, a jump to what isn't memory" },
	{ EXIT_INTERNAL,    NULL, "a bug in turtles; a backtrace with the guest's state is on stderr" },
	{ EXIT_TIMEOUT,     NULL, "--timeout passed" },
	{ -1, "128 + N",          "signal N ended the run" },
	{ -1, "several L1s",      "128 + N as above; otherwise 5 if one ended so; otherwise the first one's that isn't 0" },
	/* clang-format on */
};

static void exit_number(char *text, size_t n, size_t i)
{
	if (EXIT_CODES[i].number)
		snprintf(text, n, "%s", EXIT_CODES[i].number);
	else
		snprintf(text, n, "%d", EXIT_CODES[i].code);
}

void help_wrap(FILE *to, unsigned int indent, const char *text)
{
	fprintf(to, "%*s", (int)indent, "");
	help_wrap_at(to, indent, text);
}

void help_wrap_at(FILE *to, unsigned int indent, const char *text)
{
	unsigned int column = indent;

	while (*text) {
		unsigned int n = (unsigned int)strcspn(text, " ");

		if (column > indent && column + 1 + n > WIDTH) {
			fprintf(to, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			column += (unsigned int)fprintf(to, " ");
		}
		column += (unsigned int)fprintf(to, "%.*s", (int)n, text);
		text += n;
		text += *text == ' ';
	}
	fputc('\n', to);
}

/* The options of GROUP_QUIET take few arguments: show them, apart by bars, in place of the argument's name. */
static void show_allowed(struct option *o, char *text, size_t n)
{
	if (o->group != GROUP_QUIET || !o->allowed)
		return;
	snprintf(text, n, "%s", o->allowed);
	for (char *s = text; *s; s++)
		if (*s == ' ')
			*s = '|';
	o->arg = text;
}

/* Each spelling of an option with its argument, ours first. */
static void spellings(FILE *to, const struct option *o, const char *before, const char *after)
{
	const char *comma = "", *s = o->qemu;

	if (o->ours) {
		fprintf(to, "%s--%s%s%s%s", before, o->ours, after, o->arg ? " " : "", o->arg ? o->arg : "");
		comma = ", ";
	}
	while (s && *s) {
		int n = (int)strcspn(s, " ");

		/* "--help, -help": one spelling with one dash or two */
		if (!o->ours || (size_t)n != strlen(o->ours) || strncmp(s, o->ours, (size_t)n)) {
			fprintf(to, "%s%s-%.*s%s%s%s", comma, before, n, s, after, o->arg ? " " : "",
				o->arg ? o->arg : "");
			comma = ", ";
		}
		s += n;
		s += *s == ' ';
	}
}

void help_version(FILE *to)
{
	fputs("turtles hypervisor version " VERSION " (understands QEMU's spellings)\n", to);
}

static void usage(FILE *to)
{
	fputs("\nturtles [run] --kernel FILE [OPTION]...    boot a guest\n", to);
	for (size_t i = 0; i < COMMAND_HELP_COUNT; i++)
		fprintf(to, "%-42s %s\n", COMMAND_HELPS[i]->usage, COMMAND_HELPS[i]->brief);
	fputs("turtles help [SUBJECT]                     ", to);
	help_subject_names(to);
	fputs("\n\nThe guest's first serial port is the terminal; Ctrl-A x quits, Ctrl-A h lists the keys.\n"
	      "Every option can be written with one dash or two, ours also as --option=value.\n",
	      to);
}

void help_options(FILE *to)
{
	help_version(to);
	usage(to);
	for (int group = 0; group < GROUP_COUNT; group++) {
		if (!GROUP_TITLES[group])
			continue;
		fprintf(to, "\n%s:\n", GROUP_TITLES[group]);
		for (size_t i = 0; i < OPTION_COUNT; i++) {
			if ((int)OPTIONS[i].group != group)
				continue;
			fputs("  ", to);
			spellings(to, &OPTIONS[i], "", "");
			fputc('\n', to);
			help_wrap(to, 8, OPTIONS[i].help);
		}
	}
	fputs("\nAccepted, since they make no difference here (values in lower case: only these):\n", to);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		struct option o = OPTIONS[i];
		char allowed[128];

		if (o.group != GROUP_QUIET)
			continue;
		show_allowed(&o, allowed, sizeof(allowed));
		fputs("  ", to);
		spellings(to, &o, "", "");
		fputc('\n', to);
	}
	fputs("\nRefused because they would be wrong to ignore:\n", to);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (OPTIONS[i].group != GROUP_REFUSED)
			continue;
		fputs("  ", to);
		spellings(to, &OPTIONS[i], "", "");
		fputc('\n', to);
		help_wrap(to, 8, OPTIONS[i].help);
	}
	fputs("\nExit codes: turtles help exit\n", to);
}

static void print_exit_codes(FILE *to)
{
	char number[16];

	for (size_t i = 0; i < sizeof(EXIT_CODES) / sizeof(EXIT_CODES[0]); i++) {
		exit_number(number, sizeof(number), i);
		fprintf(to, "%-14s %s\n", number, EXIT_CODES[i].text);
	}
}

static void print_trace_areas(FILE *to)
{
#define TRACE_LINE(name, text) fprintf(to, "%-12s %s\n", #name, text);
	TRACE_AREAS(TRACE_LINE)
#undef TRACE_LINE
	fputs("\nThe FILE of --trace, which turtles trace reads, has all exits from an L1's power-on to its end. When "
	      "the control\n"
	      "socket's start builds the L1 anew, the first life's becomes FILE.1, the second's FILE.2, ..., and FILE "
	      "is the last one's.\n",
	      to);
}

static void print_reasons(FILE *to)
{
#define REASON_LINE(number, name) fprintf(to, "%2u %s\n", (unsigned int)(number), #name);
	VM_EXITS(REASON_LINE)
#undef REASON_LINE
}

static void print_keys(FILE *to)
{
	fputs(CONSOLE_KEYS, to);
}

static const struct {
	const char *name, *text;
	void (*print)(FILE *to);
} SUBJECTS[] = {
	{ "options", "the options of turtles run", help_options },
	{ "keys", "keys on the console", print_keys },
	{ "cpu", "the CPU models", model_list },
	{ "stats", "every number in the file of --stats", stats_describe },
	{ "trace", "what --trace-log can show, and what --trace leaves", print_trace_areas },
	{ "reasons", "the exit reasons, as the Linux kernel spells them", print_reasons },
	{ "control", "the commands of the control socket", control_commands_print },
	{ "exit", "the exit codes", print_exit_codes },
	{ "man", "the man page's source", help_man },
};

void help_subject_names(FILE *to)
{
	for (size_t i = 0; i < sizeof(SUBJECTS) / sizeof(SUBJECTS[0]); i++)
		fprintf(to, "%s%s", i ? ", " : "", SUBJECTS[i].name);
}

bool help_subject(FILE *to, const char *subject)
{
	for (size_t i = 0; i < sizeof(SUBJECTS) / sizeof(SUBJECTS[0]); i++) {
		if (strcmp(SUBJECTS[i].name, subject ? subject : "options"))
			continue;
		SUBJECTS[i].print(to);
		return true;
	}
	return false;
}

void help_devices(FILE *to)
{
	for (size_t i = 0; i < DEVICE_COUNT; i++)
		fprintf(to, "name \"%s\", bus %s, desc \"%s\"\n", DEVICES[i].name, DEVICES[i].bus, DEVICES[i].help);
}

void help_machines(FILE *to)
{
	fputs("Supported machines are:\n"
	      "pc                   a PC with serial ports and timers, no disk, no network, no display (default)\n",
	      to);
}

void help_accelerators(FILE *to)
{
	fputs("Accelerators supported by turtles:\ntcg\nkvm\n", to);
}

/* Text for roff: a backslash and a leading dot or quote would be commands, a dash a hyphen. */
static void roff(FILE *to, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", to);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", to);
		else if (*text == '-')
			fputs("\\-", to);
		else
			fputc(*text, to);
	}
}

static void roff_option(FILE *to, const struct option *o)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	spellings(f, o, "", "");
	fclose(f);
	fputs(".TP\n.B ", to);
	roff(to, text);
	fputc('\n', to);
	free(text);
	if (!o->help)
		return;
	roff(to, o->help);
	fputc('\n', to);
}

static void roff_command(FILE *to, const struct command_help *help)
{
	fputs(".SH ", to);
	roff(to, help->usage);
	fputc('\n', to);
	roff(to, help->text);
	fputs(".\n", to);
	for (size_t i = 0; i < help->count; i++) {
		char text[64];

		command_option_spelling(&help->options[i], text, sizeof(text));
		fputs(".TP\n.B ", to);
		roff(to, text);
		fputc('\n', to);
		roff(to, help->options[i].help);
		fputc('\n', to);
	}
}

void help_man(FILE *to)
{
	char number[16];

	fputs(".TH TURTLES 1 \"\" \"turtles " VERSION "\"\n"
	      ".SH NAME\nturtles \\- run an unmodified guest PC by binary translation\n"
	      ".SH SYNOPSIS\n.B turtles\n[\\fBrun\\fR] \\fB\\-\\-kernel\\fR \\fIFILE\\fR [\\fIOPTION\\fR]...\n.br\n"
	      ".B turtles trace\\fR|\\fBreport\\fR|\\fBctl\\fR|\\fBtop\\fR|\\fBdoctor\\fR ...\n.br\n"
	      ".B turtles help\n[\\fISUBJECT\\fR]\n"
	      ".SH DESCRIPTION\n"
	      "turtles is a hypervisor in user space. A binary translator runs the code of a whole guest PC, whatever\n"
	      "its CPU mode, on any x86\\-64 Linux host: it needs no virtualization hardware, no kernel module and no\n"
	      "privilege. The guest's serial port is the terminal.\n.PP\n"
	      "Every option can be written with one dash or two. The spellings of QEMU are understood.\n",
	      to);
	for (int group = 0; group < GROUP_COUNT; group++) {
		if (GROUP_TITLES[group])
			fprintf(to, ".SH OPTIONS: %s\n", GROUP_TITLES[group]);
		else
			fprintf(to, ".SH OPTIONS: QEMU's, %s\n",
				group == GROUP_QUIET ? "accepted without effect" : "refused");
		for (size_t i = 0; i < OPTION_COUNT; i++) {
			struct option o = OPTIONS[i];
			char allowed[128];

			if ((int)o.group != group)
				continue;
			show_allowed(&o, allowed, sizeof(allowed));
			roff_option(to, &o);
		}
	}
	for (size_t i = 0; i < COMMAND_HELP_COUNT; i++)
		roff_command(to, COMMAND_HELPS[i]);
	fputs(".SH KEYS\n.nf\n", to);
	roff(to, CONSOLE_KEYS);
	fputs(".fi\n.SH EXIT STATUS\n", to);
	for (size_t i = 0; i < sizeof(EXIT_CODES) / sizeof(EXIT_CODES[0]); i++) {
		exit_number(number, sizeof(number), i);
		fprintf(to, ".TP\n.B %s\n", number);
		roff(to, EXIT_CODES[i].text);
		fputc('\n', to);
	}
	fputs(".SH SEE ALSO\n.BR qemu\\-system\\-x86_64 (1)\n", to);
}
