/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an L1 has counted up to a moment: a copy, which stays when the L1 is gone. */
#ifndef L0_RUN_NUMBERS_H
#define L0_RUN_NUMBERS_H

#include "../account/rounds.h"
#include "../account/stats.h"
#include "engine.h"

struct l1;

struct l1_numbers {
	const char *engine; /* whose they are; NULL: there are none */
	struct life_stats life;
	struct stat_values tables[1 + ENGINE_TABLES]; /* life's, then the engine's */
	u64 *values[ENGINE_TABLES]; /* owned */
	size_t count; /* of tables */
	struct rounds *rounds; /* of all vCPUs, owned; NULL without VMX */
	struct rounds *one; /* of a single one, while they are added */
};

/*
 * Copy the L1's numbers as they are now, into zeros or what was there before. The L1's owner, at any time between create and destroy; its
 * vCPUs may run. 0 or -ENOMEM; then there are no numbers.
 */
int l1_numbers_take(struct l1_numbers *n, struct l1 *l, u64 starts);
void l1_numbers_free(struct l1_numbers *n);

#endif
