/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose time it is: the host thread that runs an L1's vCPUs is interrupted by its own CPU clock, and what it was at is counted. Sleep
 * isn't: a halted guest has no share. Samples come with the host kernel's tick, some hundred a second; one costs microseconds.
 */
#ifndef L0_RUN_PROFILE_H
#define L0_RUN_PROFILE_H

#include "../cpu/types.h"

/* name, kind, description: one list, from which the struct, the stats file and its documentation derive */
/* clang-format off */
#define PROFILE_STATS(S) \
	S(l2,        timed, "samples in translated code of L1's guests")                             \
	S(l1,        timed, "samples in translated code of L1")                                      \
	S(l0_for_l2, timed, "samples in L0 while a guest of L1 runs: TLB misses, translating, exits that L1 doesn't see") \
	S(l0_for_l1, timed, "samples in L0 while L1 runs: the same, devices, VMX instructions")      \
	S(switching, timed, "samples in L0 on the way from L2 to L1 or back: exits and entries, checks, the VMCS")
/* clang-format on */

struct profile_stats {
#define S(name, kind, text) u64 name;
	PROFILE_STATS(S)
#undef S
};

struct profile;

struct profile *profile_create(void); /* NULL: no memory */
void profile_destroy(struct profile *p);

/* The calling thread, on which crash_thread_begin() was called, is sampled from now on; 0 or -errno. */
int profile_begin(struct profile *p);
void profile_end(struct profile *p);

const struct profile_stats *profile_stats(const struct profile *p);

#endif
