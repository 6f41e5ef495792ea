/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of `turtles top` as text: for the screen, for a log, as CSV. */
#ifndef L0_CLI_TOP_TABLE_H
#define L0_CLI_TOP_TABLE_H

#include "../account/top_rows.h"

/* What every row is a share of, and how long the interval was. */
struct top_sums {
	u64 total, count, ns;
	double seconds;
};

struct top_sums top_sums(const struct top_row *rows, size_t n, double seconds);

/*
 * A heading, a row, as a line of at most `width` columns without newline: what doesn't fit is left out as a whole, the least important
 * column first. buffer: TOP_LINE bytes; returned.
 */
#define TOP_LINE 256
const char *top_heading(char *buffer, unsigned int width);
const char *top_line(char *buffer, unsigned int width, const struct top_row *r, const struct top_sums *sums);

/* One line about an L1 between two looks: its name, its status, instructions a second */
const char *top_l1_line(char *buffer, const struct top_l1 *l, const struct top_sample *before, double seconds);

/* Long form: a row for each L1, level and reason; `time` is a text, or NULL */
void top_csv_heading(FILE *to);
void top_csv_row(FILE *to, const char *time, const struct top_row *r);

#endif
