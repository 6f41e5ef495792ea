/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stats: numbers in tables, each with a name, a kind and a description, written as one JSON object.
 *
 * Whoever has numbers writes a list, and derives from it the struct that counts and the table that describes:
 *
 *	#define BT_STATS(S) \
 *		S(blocks, counted, "blocks translated") \
 *		...
 *	struct bt_stats { BT_STATS(STAT_FIELD) };
 *	STAT_TABLE(bt_stats_table, "bt", "the translator", BT_STATS);     in tables.c
 *
 * and adds the table to STAT_TABLES there, which `turtles help stats` prints. STAT_VALUES() binds a struct to its table.
 */
#ifndef L0_ACCOUNT_STATS_H
#define L0_ACCOUNT_STATS_H

#include <stdio.h>

#include "../cpu/types.h"

/* A number of one kind never stands in a column with numbers of another. */
enum stat_kind {
	STAT_counted, /* exact: the same in two runs with --clock insns */
	STAT_timed, /* measured on the host: its clock, its memory */
	STAT_modelled, /* computed from a cost model */
};

struct stat_info {
	const char *name;
	enum stat_kind kind;
	const char *text;
};

struct stat_table {
	const char *key; /* of the JSON object that holds these numbers */
	const char *text; /* what the table is about */
	const struct stat_info *stats;
	size_t count;
};

#define STAT_FIELD(name, kind, text) u64 name;
#define STAT_ROW(name, kind, text) { #name, STAT_##kind, text },
#define STAT_TABLE(table, key, text, LIST) \
	static const struct stat_info table##_rows[] = { LIST(STAT_ROW) }; \
	const struct stat_table table = { key, text, table##_rows, sizeof(table##_rows) / sizeof(table##_rows[0]) }

/* numbers in the order of their table */
struct stat_values {
	const struct stat_table *table;
	const u64 *values;
};

/* `stats` points to a struct of STAT_FIELDs and nothing else */
#define STAT_VALUES(table, stats) ((struct stat_values){ &(table), (const u64 *)(stats) })

/* what belongs to the run and not to one machine */
/* clang-format off */
#define RUN_STATS(S) \
	S(insns,     counted, "guest instructions retired, all vCPUs of all machines") \
	S(wall_ns,   timed,   "from power-on to the end of the run") \
	S(user_ns,   timed,   "from power-on to the first guest instruction at CPL 3; 0: there was none") \
	S(rss_bytes, timed,   "resident memory of turtles at the end, guest memory not included")
/* clang-format on */

struct run_stats {
	RUN_STATS(STAT_FIELD)
};

/* clang-format off */
#define LIFE_STATS(S) \
	S(starts,  counted, "how often it was started; what else stands here is of the last time") \
	S(insns,   counted, "guest instructions retired, all vCPUs")                              \
	S(wall_ns, timed,   "from power-on to its end, or to now")                                \
	S(user_ns, timed,   "from power-on to the first guest instruction at CPL 3; 0: there was none")
/* clang-format on */

struct life_stats {
	LIFE_STATS(STAT_FIELD)
};
extern const struct stat_table run_stats_table, life_stats_table, bt_stats_table, ept_merge_stats_table,
	vmcs_stats_table, profile_stats_table, direct_stats_table, kvm_exit_stats_table, kvm_stats_table;

/* every table there is; NULL ends the list */
extern const struct stat_table *const STAT_TABLES[];

/* one L1's numbers: an object in the array "l1" */
struct rounds;

struct stats_machine {
	const char *name;
	const char *status; /* as QMP's query-status calls it */
	int exit_code; /* of its run; -1: it goes on */
	const char *end; /* one line about its end; "": there is nothing to say */
	const char *engine; /* that it has, also where it was chosen; NULL: none yet */
	bool counted_only; /* its clock is --clock insns: leave out what two equal runs wouldn't have in common */
	const struct stat_values *tables;
	size_t count;
	const struct rounds *rounds; /* of an L1 that is offered VMX; otherwise NULL */
};

struct stats_doc {
	int argc; /* the command line */
	char **argv;
	bool counted_only; /* all L1s are */
	struct run_stats run;
	const struct stats_machine *machines;
	size_t machine_count;
};

/* The document; the caller's. NULL: no memory */
struct json_t;
struct json_t *stats_json(const struct stats_doc *doc);

/*
 * Write the document to `path`: to a new file beside it that takes its place when it is complete, so that a reader
 * never sees half of it; directly if `path` is no regular file. Returns 0, or -errno with one line in err[0..n-1].
 */
int stats_write(const char *path, const struct stats_doc *doc, char *err, size_t n);

/* One number, of the run (key "run") or the sum over all machines; 0 if no table `key` has `name`. */
u64 stats_get(const struct stats_doc *doc, const char *key, const char *name);

/*
 * The short summary of --summary. What it says of the translator comes from the table "bt": blocks, insns,
 * translate_ns. Of "direct", "kvm_exits" and "kvm" it shows every number that isn't zero; if L2 has run, the table of
 * its exits (rounds_report.h).
 */
void stats_summary(FILE *to, const struct stats_doc *doc);

/* `turtles help stats`: every number of STAT_TABLES with its kind and description. */
void stats_describe(FILE *to);

#endif
