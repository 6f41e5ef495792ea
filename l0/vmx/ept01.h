/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EPT01: L0's own table for an L1. An L0-physical address is an offset from the host address of L1's memory, so L1's
 * RAM is where L1 has it; beyond every L1's memory lie the pages that L0's tables are made of.
 */
#ifndef L0_VMX_EPT01_H
#define L0_VMX_EPT01_H

#include "../../ept-merge/ept_merge.h"
#include "../machine/memory.h"

/* Pages that EPT01's tables need at most, with the features of ept01_make() */
u64 ept01_pages(const struct memory *m, u32 features);

struct l0_tables {
	const struct memory *memory; /* L1's */
	u64 start; /* L0-physical address of the first page of `pages` */
	u8 *pages; /* EPT01, then the pool of EPT02 */
	u64 count;
};

/* Host address of the page at an L0-physical address, L1's RAM or a table; NULL for what is neither. */
u64 *l0_page(const struct l0_tables *t, u64 pa);

/*
 * Make EPT01 in the first ept01_pages() pages of *t, which are zero: L1's RAM with all rights, write-back, in pages as large as
 * `features` (EPT_HAS_2M, EPT_HAS_1G) has them; device memory and what is nothing are holes. maxphyaddr: bits.
 */
struct ept01 ept01_make(struct l0_tables *t, u32 features, u8 maxphyaddr);

#endif
