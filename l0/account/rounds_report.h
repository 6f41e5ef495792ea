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

/* The table of --summary: for each exit of L2 its count, and for a round the time, L1's instructions and L1's exits. */
void rounds_print(FILE *to, const struct rounds *r);

#endif
