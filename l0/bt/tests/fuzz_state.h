/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What registers and memory hold before a case. */
#ifndef L0_BT_TESTS_FUZZ_STATE_H
#define L0_BT_TESTS_FUZZ_STATE_H

#include "fuzz_insn.h"

u64 fuzz_integer(struct rng *r);
void fuzz_data(struct rng *r, u8 *to, unsigned int n);

/* A batch's memory image. */
void fuzz_memory(u64 seed, u64 batch, u8 memory[FUZZ_PAGES][4096]);

/* All registers but RIP; tells the context what it may know of them. */
void fuzz_registers(struct fuzz_context *c, struct fuzz_state *s);

#endif
