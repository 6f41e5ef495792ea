/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file with a result: it takes its name when it is complete, so that a reader never sees half of it. */
#ifndef L0_ACCOUNT_OUTPUT_H
#define L0_ACCOUNT_OUTPUT_H

#include <stdio.h>

struct output {
	FILE *f;
	char *target, *temporary; /* NULL: written to directly */
};

/*
 * A stream for `path`: to a new file beside it; directly if it is no regular file; NULL is standard output. Symbolic links are
 * followed. 0 or -errno.
 */
int output_open(struct output *o, const char *path);

/*
 * Could it be opened? Nothing is written, and what `path` is stays what it is: for a result that is made at the end of a long
 * run, before it. 0 or -errno.
 */
int output_try(const char *path);

/* Complete: the file gets its name. 0 or -errno, then what `path` was before is still there. */
int output_commit(struct output *o);

/* Leave nothing behind. */
void output_drop(struct output *o);

#endif
