/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A random case: a short program, its registers, and which flags the manual leaves undefined at each of its
 * instructions. A case depends on the seed, its batch and its number alone.
 */
#ifndef L0_BT_TESTS_FUZZ_GEN_H
#define L0_BT_TESTS_FUZZ_GEN_H

#include "fuzz_insn.h"

#define FUZZ_ITEMS 16

/*
 * Items in the order of their addresses; an INT3 follows. Behind that, a pool of addresses for indirect branches: each of the
 * code's size, holding the offset of an item in CS.
 */
struct fuzz_program {
	struct fuzz_insn items[FUZZ_ITEMS];
	u8 count;
	u8 mode; /* FUZZ_MODE_* */
	bool at_end; /* the last instruction is cut off by the end of the code region */
	u16 start; /* preferred offset of the first instruction in the code region */
	s8 pool[4]; /* items that the pool's entries point to */
	u8 pool_count;

	/* made by fuzz_layout() */
	u16 offset[FUZZ_ITEMS + 1]; /* of each item and of the end in the code */
	u32 undefined[FUZZ_ITEMS + 1]; /* flags that may hold anything when the item is reached */
};

/* Makes up program and input state and lays the program out in c->code. */
void fuzz_generate(struct fuzz_context *context, u64 seed, u64 batch, u32 number, struct fuzz_program *program,
		   struct fuzz_case *c);

/*
 * Addresses for the items, displacements of branches, undefined flags. False, with the offender in *bad, if an instruction
 * looks at a flag that is undefined there.
 */
bool fuzz_layout(struct fuzz_program *p, struct fuzz_case *c, unsigned int *bad);

/* The program without item n, branches to it going to its successor. */
void fuzz_remove(struct fuzz_program *p, unsigned int n);

/* Number of the item at a code address, count for the end, -1 if there is none. */
int fuzz_item_at(const struct fuzz_program *p, const struct fuzz_case *c, u64 rip);

#endif
