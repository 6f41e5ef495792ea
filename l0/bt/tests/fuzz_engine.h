/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fuzzer's loop: generate, run on both targets, compare, minimise and report what differs. */
#ifndef L0_BT_TESTS_FUZZ_ENGINE_H
#define L0_BT_TESTS_FUZZ_ENGINE_H

#include <stdio.h>
#include "fuzz_target.h"

struct fuzz_options {
	u64 seed;
	u64 first; /* batch to begin with */
	u64 cases; /* stop after so many, 0: no limit; rounded up to a whole batch */
	unsigned int seconds; /* stop after so long, 0: no limit */
	unsigned int modes; /* set of FUZZ_MODE_*; with others, 64-bit code is 60 % of the cases */
	unsigned int reports; /* different mismatches to print; more are only counted */
	int only; /* this case of each batch alone, -1: all */
	FILE *out;
};

#define FUZZ_VECTORS 32

struct fuzz_totals {
	u64 cases, instructions; /* instructions: in the programs, not executed */
	u64 ended; /* cases that reached their end */
	u64 exceptions[FUZZ_VECTORS]; /* others, by vector */
	u64 direct; /* cases that the subject ran by /dev/kvm, part of them at least */
	u64 incomparable;
	u64 mismatches;
	unsigned int distinct; /* mismatches that differ in their instructions or in what differs */
	double seconds;
};

/* The two have to share one of the modes at least; those of `o` that they don't are named, and left out. */
void fuzz_run(struct fuzz_target *reference, struct fuzz_target *subject, const struct fuzz_options *o,
	      struct fuzz_totals *totals);

/* Two lines. */
void fuzz_print_totals(const struct fuzz_totals *t, const struct fuzz_options *o, const char *subject);

#endif
