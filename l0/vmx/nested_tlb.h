/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * L2-physical pages whose translation EPT02 has had, in front of it: a miss of L2's TLB asks for one to five of them, and a guest
 * has its page tables and what it works on in few large pages. SDM vol. 3, "Information That May Be Cached", calls them guest-physical mappings.
 *
 * What is here is in EPT02 as well, so nothing but EPT02's changes has to be followed: an entry counts as long as its tree hasn't changed
 * (ept_tree.changes).
 */
#ifndef L0_VMX_NESTED_TLB_H
#define L0_VMX_NESTED_TLB_H

#include "../cpu/mmu.h"

#define NESTED_TLB_LARGE 64 /* 2 MiB pieces of large pages */
#define NESTED_TLB_SMALL 512 /* 4 KiB pages */

struct nested_tlb_entry {
	u64 tag; /* its L2-physical address, and the tree's number below bit 12 */
	u64 changes; /* the tree's when this was entered */
	u64 l1pa; /* of the page, or of the piece */
	u8 shift; /* of the page in EPT02 */
	u8 rights[2]; /* ACC_READ|WRITE|EXEC: supervisor's, user's */
	bool structures; /* L2's page tables may be there: a walk may read them without another look at EPT02 */
};

struct nested_tlb {
	struct nested_tlb_entry large[NESTED_TLB_LARGE], small[NESTED_TLB_SMALL];
};

#define NESTED_PIECE 21

static inline struct nested_tlb_entry *nested_tlb_large(struct nested_tlb *t, u64 address)
{
	return &t->large[(address >> NESTED_PIECE) % NESTED_TLB_LARGE];
}

static inline struct nested_tlb_entry *nested_tlb_small(struct nested_tlb *t, u64 address)
{
	return &t->small[(address >> 12) % NESTED_TLB_SMALL];
}

static inline u64 nested_tlb_tag(u64 address, unsigned int shift, u32 tree)
{
	return (address & ~(BIT(shift) - 1)) | tree;
}

/* tree: its number, below 4096. NULL: not here */
static inline const struct nested_tlb_entry *nested_tlb_find(struct nested_tlb *t, u64 address, u32 tree, u64 changes)
{
	const struct nested_tlb_entry *e = nested_tlb_large(t, address);

	if (e->tag == nested_tlb_tag(address, NESTED_PIECE, tree) && e->changes == changes)
		return e;
	e = nested_tlb_small(t, address);
	return e->tag == nested_tlb_tag(address, 12, tree) && e->changes == changes ? e : NULL;
}

#endif
