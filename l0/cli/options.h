/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of `turtles run`, in our spelling and in QEMU's. OPTIONS is the only list: the parser, --help,
 * the man page, the keys of --l1 and of a file of --config come from it. Parsing has no side effects: no file but that of --config
 * is looked at, nothing is printed.
 *
 * An option of an L1's is looked for in this order, the last one that says something counts:
 *	the file's, said for all    the file's array "l1"    the command line's, said for all    --l1
 * A file is there to be varied, also one that --directory has written, which says everything of every L1: what is said beside --config is
 * meant. What can be said several times adds up, but for --serial, whose ports are those of the last one of these places that names any.
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
	GROUP_LAB, /* what belongs to no single L1; those above can be said of one */
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
	size_t field; /* what option_kind() says: offset in struct run_config; GROUP_LAB: in struct lab_config */
	const char *allowed; /* set_allowed(), set_word(): the arguments that are fine, apart by spaces */
	const char *help; /* what it does; GROUP_REFUSED: why it is refused */
};

extern const struct option OPTIONS[];
extern const size_t OPTION_COUNT;

/* What an option's field holds */
enum option_kind {
	OPTION_TEXT, /* const char * */
	OPTION_FLAG, /* bool */
	OPTION_WORD, /* an enum: which one of `allowed` */
	OPTION_OTHER, /* the option has no field */
};

enum option_kind option_kind(const struct option *o);

/* -device, and its help */
struct device_option {
	const char *name, *bus, *help;
	int (*set)(struct option_parse *p, const char *properties);
};

extern const struct device_option DEVICES[];
extern const size_t DEVICE_COUNT;

/* One L1's options as far as they have been read. Plain: a copy begins another L1. */
struct l1_options {
	struct run_config config;
	unsigned int serials; /* --serial seen so far */
	unsigned int serial_layer; /* where they were seen: what is said elsewhere replaces them */
	bool nodefaults;
};

/* What a handler of the table works on; `spelled` is the option as the user wrote it. */
struct option_parse {
	struct lab_config *lab;
	struct l1_options *l1;
	struct run_config *config; /* l1's */
	unsigned int layer; /* which of the places on top */
	enum cli_action action;
	const char *where; /* "lab.json: l1[1]: ", in front of messages; "" on the command line */
	const char *spelled;
	char *error;
	size_t error_size;
};

/*
 * Parse argv[1..argc-1], options only, into *lab (overwritten, defaults first). Returns 0 with *action set, or
 * -EINVAL with one line in `error` that names the option as it was spelled; another -errno if the file of --config can't be read.
 * lab_config_free() follows in any case.
 */
int options_parse(int argc, char **argv, struct lab_config *lab, enum cli_action *action, char *error, size_t error_size);

/* The row that a name without dashes belongs to, in our spelling or QEMU's; NULL: none */
const struct option *option_find(const char *name);

/*
 * lab_options.c: options that stand in a list or in a file. key: without dashes; value: NULL if only the key is there. 0 or -EINVAL
 * with p->error filled.
 */
int option_of_l1(struct option_parse *p, const char *key, const char *value);
/* An option that takes no argument, said with one, on or off: only what sets a bool can be undone. NULL: on */
int option_set_flag(struct option_parse *p, const struct option *o, const char *value);
/* The argument of --l1 */
int options_of_l1(struct option_parse *p, const char *list);

/*
 * config_file.c: a file of --config; layer by layer. config_file_load(): 0 with *file, the caller's; -EINVAL: it isn't what it should be,
 * another -errno: it can't be read; both with p->error filled.
 */
struct json_t;
int config_file_load(struct option_parse *p, const char *path, struct json_t **file);
int config_file_common(struct option_parse *p, const struct json_t *file);
unsigned int config_file_l1s(const struct json_t *file);
int config_file_l1(struct option_parse *p, const struct json_t *file, unsigned int i);

/*
 * config_json.c: what was asked for, defaults filled in, in the form of a file of --config; the caller's. NULL: a text is no UTF-8, or there
 * is no memory.
 */
struct json_t *config_json(const struct lab_config *lab);

/*
 * directory.c: with --directory, make it, write the effective configuration to its config.json, and have all that is written with a
 * relative name written there. 0, or an exit code with one line in error[0..n-1].
 */
int directory_prepare(struct lab_config *lab, char *error, size_t n);

/* A copy that lives as long as the lab's configuration; NULL: no memory (p->error says so). */
const char *lab_text(struct option_parse *p, const char *text, size_t n);
const char *lab_config_text(struct lab_config *lab, const char *text, size_t n);

/* One line into p->error, the spelled option in front. Always -EINVAL. */
int option_error(struct option_parse *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
