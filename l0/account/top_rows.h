/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `turtles top` shows: exits by L1, level and reason, between two looks at the stats of a run. Level 2 is whatever runs under an L1;
 * its exits have rounds (rounds.h), those of L1 only a count.
 */
#ifndef L0_ACCOUNT_TOP_ROWS_H
#define L0_ACCOUNT_TOP_ROWS_H

#include <jansson.h>
#include <regex.h>

#include "rounds.h"

struct top_l1 {
	char name[64], status[24];
	u64 starts, insns;
	bool vmx; /* it was offered VMX: it has rounds */
	struct rounds rounds; /* a tick is a nanosecond */
};

/* One look */
struct top_sample {
	u64 ns; /* when, on the looker's clock */
	unsigned int count;
	struct top_l1 *l1;
};

/* From a document of query-stats. False with one line in error[0..n-1]; the sample is empty then. */
bool top_sample_load(struct top_sample *s, const json_t *stats, u64 ns, char *error, size_t n);
void top_sample_free(struct top_sample *s);

struct top_row {
	const char *l1; /* the newer sample's */
	unsigned int level, reason;
	u64 total; /* exits since `base` */
	u64 count; /* since `before`; so are all that follow */
	u64 rounds; /* that have ended */
	u64 ns, insns, l1_exits; /* sums over them */
	u64 ns_min, ns_max; /* of one round, since the L1's start */
	bool timed;
};

enum top_order {
	TOP_BY_RATE,
	TOP_BY_TOTAL,
	TOP_BY_TIME,
	TOP_BY_MEAN,
	TOP_BY_MAX,
	TOP_BY_AMPLIFICATION,
	TOP_BY_NAME,
	TOP_ORDERS
};

struct top_filter {
	const regex_t *reason; /* NULL: any */
	const char *l1; /* name; NULL: any */
	unsigned int level; /* 0: any */
	bool idle; /* with rows that have had no exit since `base` */
};

/*
 * The rows, first what comes first in the order. An L1 that was started anew, or that an older sample doesn't have, counts from zero
 * there. The caller frees *rows. Returns how many; with *rows NULL there was no memory.
 */
size_t top_rows(const struct top_sample *base, const struct top_sample *before, const struct top_sample *now,
		const struct top_filter *filter, enum top_order order, struct top_row **rows);

/* Mean of a round in ns, exits in a round: 0 if none has ended */
double top_mean_ns(const struct top_row *r);
double top_amplification(const struct top_row *r);

const char *top_order_name(enum top_order order);

#endif
