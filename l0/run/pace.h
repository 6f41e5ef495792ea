/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An L1's cap: so many percent of a host CPU, all its vCPUs together. Each vCPU's thread pays for the CPU time that it has used, from a
 * budget that time fills; who finds it overdrawn sleeps until it isn't. The guest sees time pass, as on a CPU that others use, too.
 *
 * Weights (--shares) are the host scheduler's business: nice values, a factor of 1.25 for each step. That is at most 12 % off, holds only
 * where threads compete, and costs nothing; what it can't do is this.
 */
#ifndef L0_RUN_PACE_H
#define L0_RUN_PACE_H

#include <stdatomic.h>

#include "../cpu/types.h"

struct vcpu_thread;

struct pace {
	unsigned int percent;
	_Atomic s64 budget; /* ns of CPU time */
	_Atomic u64 filled; /* CLOCK_MONOTONIC, ns: up to when */
};

void pace_init(struct pace *p, unsigned int percent);

/* The vCPU's thread, between two guest instructions, all state in *v; often. t->pace isn't NULL. */
void pace(struct vcpu_thread *t);

/*
 * The nice value for an L1 with `shares`, where the most that one has is `most` and the process's own is `base`. *counts_as: `shares`, or
 * what it counts as because nice values end at 19.
 */
int pace_nice(unsigned int shares, unsigned int most, int base, unsigned int *counts_as);

#endif
