/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stats files, read back for `turtles report`. */
#ifndef L0_ACCOUNT_ROUNDS_LOAD_H
#define L0_ACCOUNT_ROUNDS_LOAD_H

#include <jansson.h>

#include "rounds.h"

/*
 * A stats file's JSON: a new reference, or NULL with one line in error[0..n-1]: it can't be read, or isn't of the schema that
 * this turtles writes. *host_error: the file can't be read at all, through no fault of its contents.
 */
json_t *stats_load(const char *path, bool *host_error, char *error, size_t n);

/*
 * The object "vmx" that rounds_json() wrote, into *r (overwritten). False with what is wrong in error[0..n-1]: a reason, field or
 * check that this turtles doesn't know, or a number that is none.
 */
bool rounds_load(struct rounds *r, const json_t *vmx, char *error, size_t n);

#endif
