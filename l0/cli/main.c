/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program: subcommands by name; options alone mean `run`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../cpu/model.h"
#include "../machine/machine.h"
#include "../run/lab.h"
#include "commands.h"
#include "help.h"
#include "options.h"

/* What was printed on stdout has to have arrived. */
static int printed(void)
{
	if (!fflush(stdout))
		return EXIT_POWER_OFF;
	perror("turtles: standard output");
	return EXIT_HOST;
}

/* argv[0] is the subcommand, or the program if there is none */
static int command_run(int argc, char **argv)
{
	static const struct {
		enum cli_action action;
		void (*print)(FILE *to);
	} LISTS[] = {
		{ ACTION_HELP, help_options },		 { ACTION_VERSION, help_version },
		{ ACTION_LIST_CPUS, model_list },	 { ACTION_LIST_DEVICES, help_devices },
		{ ACTION_LIST_MACHINES, help_machines }, { ACTION_LIST_ACCELERATORS, help_accelerators },
	};
	struct lab_config lab;
	enum cli_action action;
	char error[512];
	int code, err = options_parse(argc, argv, &lab, &action, error, sizeof(error));

	if (err) {
		fprintf(stderr, "turtles: %s\n", error);
		code = err == -EINVAL ? EXIT_USAGE : EXIT_HOST;
	} else if (action == ACTION_RUN) {
		code = directory_prepare(&lab, error, sizeof(error));
		if (code)
			fprintf(stderr, "turtles: %s\n", error);
		else
			code = lab_run(&lab);
	} else {
		for (size_t i = 0; i < sizeof(LISTS) / sizeof(LISTS[0]); i++)
			if (LISTS[i].action == action)
				LISTS[i].print(stdout);
		code = printed();
	}
	lab_config_free(&lab);
	return code;
}

static int command_help(int argc, char **argv)
{
	if (argc <= 2 && help_subject(stdout, argc == 2 ? argv[1] : NULL))
		return printed();
	fputs("turtles: help is about one of: ", stderr);
	help_subject_names(stderr);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} COMMANDS[] = {
	{ "run", command_run }, { "trace", command_trace },   { "report", command_report }, { "ctl", command_ctl },
	{ "top", command_top }, { "doctor", command_doctor }, { "help", command_help },
};

/* A standard stream that is closed would be the first thing that is opened: a socket of ours, say, with the guest's output in it. */
static bool streams_are_there(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	if (!streams_are_there()) {
		perror("turtles: a standard stream is closed, and /dev/null can't be opened");
		return EXIT_HOST;
	}
	if (argc > 1 && argv[1][0] == '-')
		return command_run(argc, argv);
	for (size_t i = 0; argc > 1 && i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++)
		if (!strcmp(COMMANDS[i].name, argv[1]))
			return COMMANDS[i].run(argc - 1, argv + 1);
	if (argc > 1)
		fprintf(stderr, "turtles: '%s' is no command: ", argv[1]);
	else
		fputs("turtles: say what to do: ", stderr);
	fputs("turtles run --kernel FILE ..., or turtles --help\n", stderr);
	return EXIT_USAGE;
}
