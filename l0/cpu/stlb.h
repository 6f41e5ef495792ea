/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second level of the soft TLB, one for each context (cpu/tlb.h): what a miss of the first level looks at before it walks the
 * guest's tables. The first level is direct-mapped and holds 4 KiB pieces, so two buffers that are a multiple of its size apart
 * throw each other out; this one is set-associative, holds large pages whole, and costs the same for a guest of any depth.
 *
 * It is dropped by the same events, through the functions of tlb.h alone. An entry carries the number of its generation, so that
 * emptying takes no time: one number for global entries, one for the others.
 */
#ifndef L0_CPU_STLB_H
#define L0_CPU_STLB_H

#include "types.h"

struct mmu_page;

#define STLB_WAYS 4
#define STLB_SMALL_SETS 4096 /* 4 KiB pages */
#define STLB_LARGE_SETS 64 /* 2 MiB pieces of larger pages */

struct stlb_entry {
	/* 63:12 the page's linear address; 1:0 view; 4:2 ACC_READ|WRITE|EXEC; 6:5 size of the guest's page; 7 global */
	u64 tag;
	u64 to; /* 51:12 guest-physical address; 11:0 generation */
};

struct stlb {
	u16 global, nonglobal; /* generations: 1..4095, 0 is none's */
	u16 last; /* the newest of all */
	u8 victim; /* way of the next entry */
	struct stlb_entry small[STLB_SMALL_SETS][STLB_WAYS];
	struct stlb_entry large[STLB_LARGE_SETS][STLB_WAYS];
};

void stlb_flush(struct stlb *s);
void stlb_flush_nonglobal(struct stlb *s);
/* The 4 KiB page at `page`, in every view; and the 2 MiB piece that `linear` lies in. */
void stlb_drop_page(struct stlb *s, u64 page);
void stlb_drop_piece(struct stlb *s, u64 linear);

/*
 * The page of `linear` in `view`, if it is here and allows `rights` (ACC_READ|WRITE|EXEC): *page is as mmu_walk() made it, but
 * for `user`. view: enum tlb_view.
 */
bool stlb_find(const struct stlb *s, unsigned int view, u64 linear, unsigned int rights, struct mmu_page *page);
void stlb_enter(struct stlb *s, unsigned int view, u64 linear, const struct mmu_page *page);

#endif
