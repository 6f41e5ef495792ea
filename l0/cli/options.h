/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of `turtles run`, in our spelling and in QEMU's. OPTIONS is the only list: the parser, --help and
 * the man page come from it. Parsing has no side effects: no file is looked at, nothing is printed.
 */
#ifndef L0_CLI_OPTIONS_H
#define L0_CLI_OPTIONS_H

#include "config.h"

/* what the command line asks for: help on one subject goes before a run */
enum cli_action {
	ACTION_RUN,
	ACTION_HELP,
	ACTION_VERSION,
	ACTION_LIST_CPUS,
	ACTION_LIST_DEVICES,
	ACTION_LIST_MACHINES,
	ACTION_LIST_ACCELERATORS,
};

/* how --help and the man page arrange the options */
enum option_group {
	GROUP_MACHINE,
	GROUP_CONSOLE,
	GROUP_RUN,
	GROUP_RESULT,
	GROUP_HELP,
	GROUP_QUIET, /* QEMU's, accepted: no difference here */
	GROUP_REFUSED, /* QEMU's, refused: wrong to ignore */
	GROUP_COUNT,
};

struct option_parse;

struct option {
	enum option_group group;
	const char *ours; /* without dashes; NULL: only QEMU has it */
	const char *qemu; /* without dashes, several apart by spaces; NULL: only we have it */
	const char *arg; /* what the argument is called; NULL: the option takes none */
	int (*set)(struct option_parse *p, const struct option *o, const char *arg);
	size_t field; /* set_string(), set_true(): offset in struct run_config */
	const char *allowed; /* set_allowed(): the arguments that are fine, apart by spaces */
	const char *help; /* what it does; GROUP_REFUSED: why it is refused */
};

extern const struct option OPTIONS[];
extern const size_t OPTION_COUNT;

/* -device, and its help */
struct device_option {
	const char *name, *bus, *help;
	int (*set)(struct option_parse *p, const char *properties);
};

extern const struct device_option DEVICES[];
extern const size_t DEVICE_COUNT;

/* What a handler of the table works on; `spelled` is the option as the user wrote it. */
struct option_parse {
	struct run_config *config;
	enum cli_action action;
	unsigned int serials; /* --serial seen so far */
	bool nodefaults;
	const char *kernel_irqchip; /* -machine kernel-irqchip: on, off; NULL: not said */
	const char *spelled;
	char *error;
	size_t error_size;
};

/*
 * Parse argv[1..argc-1], options only, into *config (overwritten, defaults first). Returns 0 with *action set, or
 * -EINVAL with one line in `error` that names the option as it was spelled.
 */
int options_parse(int argc, char **argv, struct run_config *config, enum cli_action *action, char *error,
		  size_t error_size);

/* One line into p->error, the spelled option in front. Always -EINVAL. */
int option_error(struct option_parse *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
