/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef L0_ACCOUNT_ROUNDS_REPORT_H
#define L0_ACCOUNT_ROUNDS_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "rounds.h"

/* False: no entry was tried that got as far as the checks. */
bool rounds_any(const struct rounds *r);

/* For the stats file: a new reference, NULL without memory. counted: nothing that was timed. */
json_t *rounds_json(const struct rounds *r, bool counted);

/*
 * The tables of --summary, lines of at most 110 characters: for each exit of L2 its count, how many were reflected, and what a
 * round takes: microseconds, instructions of L1, exits in all; then L1's exits in a round by their reason.
 */
void rounds_print(FILE *to, const struct rounds *r);

#endif
