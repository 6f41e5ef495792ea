/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The subcommands besides run. Their options are in tables, from which help and the man page come. */
#ifndef L0_CLI_COMMANDS_H
#define L0_CLI_COMMANDS_H

#include <stddef.h>
#include <stdio.h>

/* argv[0] is the subcommand's name. The program's exit code; messages on stderr. */
int command_trace(int argc, char **argv);
int command_report(int argc, char **argv);
int command_ctl(int argc, char **argv);
int command_top(int argc, char **argv);
int command_doctor(int argc, char **argv);

struct command_option {
	const char *name; /* without dashes */
	char letter; /* "-o"; 0: none */
	const char *arg; /* what the argument is called; NULL: takes none */
	const char *help;
	int (*set)(void *config, const char *arg, char *error, size_t n); /* 0, or -EINVAL with one line that has no name */
};

struct command_help {
	const char *usage, *brief, *text; /* "turtles trace FILE [OPTION]...": for --help's list, for its own */
	const struct command_option *options;
	size_t count;
};

extern const struct command_help TRACE_HELP, REPORT_HELP, CTL_HELP, TOP_HELP, DOCTOR_HELP;

/* All of them */
extern const struct command_help *const COMMAND_HELPS[];
extern const size_t COMMAND_HELP_COUNT;

/*
 * Take the options off argv[1..argc-1]; what is none stays in argv[1..*words], in its order. "--" ends the options. 0, or -EINVAL
 * with one line in error[0..n-1].
 */
int command_parse(const struct command_help *help, int argc, char **argv, void *config, int *words, char *error,
		  size_t n);

/* "--output FILE, -o FILE" */
void command_option_spelling(const struct command_option *o, char *text, size_t n);

void command_print_help(FILE *to, const struct command_help *help);

#endif
