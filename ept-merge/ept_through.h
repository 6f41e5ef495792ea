/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An EPT12 whose tables are reached as hardware reaches them: each through EPT01. With it a walk of EPT12 and EPT01 is
 * three-dimensional and counts like one: 4 tables * (4 + 1) + 4 = 24 references for an l2pa, and 4 * (24 + 1) + 24 =
 * 124 for a linear address that L2 maps with four levels.
 */
#ifndef EPT_MERGE_EPT_THROUGH_H
#define EPT_MERGE_EPT_THROUGH_H

#include "ept_merge.h"

struct ept_through {
	const struct ept01 *ept01; /* its table() has to find every page of L0's memory, L1's RAM included */
	struct ept_walk why; /* the walk of EPT01 that failed when a table of EPT12 wasn't to be had */
};

/*
 * ept_space.table and .ctx of an EPT12 that is reached through *t. Where EPT01 doesn't allow it, the walk ends with
 * EPT_WALK_TABLE: whether that is memory of L1 that is away, or no memory at all, L0 alone knows. In the second
 * case it reflects what a table of all ones gives, a misconfiguration.
 */
u64 *ept_through_table(void *t, u64 l1, bool write, u32 *refs);

#endif
