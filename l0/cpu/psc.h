/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A paging-structure cache, one for each TLB context (cpu/tlb.h): where the last table of a walk is, so that a miss of both TLBs
 * reads one entry instead of four, and in L2 goes through EPT twice instead of five times.
 *
 * SDM vol. 3, "Caches for Paging Structures", and "Operations that Invalidate TLBs and Paging-Structure Caches": what drops anything of a
 * context drops all that is held here, through the functions of tlb.h alone. A translation that isn't there, or a right that is
 * missing, is never taken from it: the walk starts again from the root, since a fault invalidates what led to it.
 */
#ifndef L0_CPU_PSC_H
#define L0_CPU_PSC_H

#include "types.h"

#define PSC_ENTRIES 256
#define PSC_SHIFT 21 /* linear addresses that one entry serves: a table of 512 pages */

struct psc_entry {
	u64 region; /* linear >> PSC_SHIFT */
	u64 age; /* the cache's, or the entry is empty */
	u64 table; /* guest-physical address of the table, for L2 that of L2 */
	u8 *host; /* the same in L0 */
	u64 allows; /* PTE_W and PTE_U of the levels above */
	bool nx;
};

struct psc {
	u64 age; /* never 0 */
	struct psc_entry entry[PSC_ENTRIES];
};

static inline void psc_flush(struct psc *p)
{
	p->age++;
}

static inline struct psc_entry *psc_slot(struct psc *p, u64 linear)
{
	return &p->entry[(linear >> PSC_SHIFT ^ linear >> (PSC_SHIFT + 9)) % PSC_ENTRIES];
}

/* NULL: not here */
static inline const struct psc_entry *psc_find(struct psc *p, u64 linear)
{
	const struct psc_entry *e = psc_slot(p, linear);

	return e->age == p->age && e->region == linear >> PSC_SHIFT ? e : NULL;
}

#endif
