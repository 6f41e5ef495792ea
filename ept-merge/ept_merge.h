/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EPT02 = EPT12 over EPT01: L1's own table, which translates for its guest, and L0's, which translates for L1, in one.
 *
 *	        EPT12 (L1 wrote it)          EPT01 (L0 wrote it)
 *	l2pa ---------------------> l1pa ---------------------> l0pa
 *	  |                                                      ^
 *	  +------------------------------------------------------+
 *	                EPT02 (built here, a cache)
 *
 * EPT02 starts empty and is filled by misses, one leaf a miss: walk EPT12 for l2pa, EPT01 for the l1pa that comes out,
 *
 *	page size    the smaller of the two leaves (and no larger than EPT02's format offers)
 *	rights       what both allow; write only if the dirty flag is set wherever dirty flags are in use
 *	memory type  see ept_merge_type()
 *	tables       all rights; only leaves restrict
 *
 * and enter it. Who has to handle a miss is the result: EPT12 refuses: L1. EPT01 refuses: L0. EPT12 is asked first, as on a
 * processor, so what both refuse is L1's.
 *
 * Read this before you change it: why EPT02 is right without watching L1 write its tables.
 *
 * EPT02 is what the SDM calls guest-physical mappings that a processor caches (vol. 3, "Caching Translation Information"),
 * and it keeps to the rules for those, no more and no less:
 *  - A mapping may be used until an INVEPT whose type and EPTP cover it, whatever L1 does to its tables meanwhile.
 *    L1 must execute INVEPT after it took rights away, changed a translation or cleared an accessed or dirty flag,
 *    if that is to be seen. So writes to EPT12 need no tracking.
 *  - What isn't present or is misconfigured is never cached. Misses aren't entered, each walks EPT12 anew:
 *    a hole that L1 fills is seen at once, without INVEPT.
 *  - A mapping that lacks a right proves nothing: a miss in EPT02 goes through EPT12 as it is now before it is reflected. L1
 *    sees only violations that its current tables produce, with the qualification that they produce; a processor
 *    may use newer entries at any time, so that is allowed as well.
 *  - "An EPT violation invalidates any guest-physical mappings that would be used to translate the guest-physical
 *    address that caused it": the leaf is dropped when a violation is reflected. L1 may then install another page
 *    without INVEPT, and its guest goes on with that one.
 *  - INVVPID, VM entries and exits, MOV to CR3 and EPTP switching invalidate no guest-physical mappings: EPT02 stays. They
 *    are the business of who caches linear or combined mappings (a TLB above this).
 *  - Accessed and dirty flags: a leaf is entered only by a walk that set the accessed flags on its way, and with write
 *    only after the dirty flag was set (and logged by PML, once). The first write through a clean leaf is a miss.
 *    Where EPT12 uses the flags, EPT02's format does: then guest paging-structure accesses need write in both.
 *
 * Large leaves. A leaf is as large as both tables have it at the time of the miss. When a smaller one has to be
 * entered below a large leaf of EPT02 (one of the tables was split), the large one gives way to an empty table and the rest
 * is filled by misses: it isn't copied, because what it says about the rest is the older truth. When a large one has to
 * be entered where EPT02 has a table, it replaces that table and all below it. Both are allowed at any time:
 * a cache may forget.
 *
 * EPT01 is L0's, and L0 knows when it changes: rights that it takes away must be removed here at once, for every
 * l2pa that leads there: ept_tree_remove_l1(). Each page of EPT02 remembers in which interval of L1 addresses its leaves
 * lie; a page whose interval touches the range loses all its leaves. That forgets too much and never too little. It was
 * chosen over a reverse map (memory and work in each fill, for an event that is rare: L0 seldom takes memory from L1) and
 * over dropping all trees (which makes the rare event expensive for all of L1's guests). EPT01 may add rights silently.
 */
#ifndef EPT_MERGE_EPT_MERGE_H
#define EPT_MERGE_EPT_MERGE_H

#include "ept_pool.h"
#include "ept_walk.h"

/* Who runs on the table is part of the type. */
struct ept12 {
	struct ept_space space;
};
struct ept01 {
	struct ept_space space;
};

enum ept_merge_result {
	EPT_MERGE_OK, /* translated (and, if it was a miss in EPT02, entered) */
	EPT_MERGE_L1, /* EPT12 doesn't allow it: reflect what .ept12 says (violation, misconfiguration, PML full) */
	EPT_MERGE_L0, /* EPT01 doesn't allow it at .l1 (device memory, or L0's own reasons), or EPT12 couldn't be walked */
	EPT_MERGE_POOL, /* allowed, but no page was free for EPT02: drop a tree and retry */
};

struct ept_merge {
	enum ept_merge_result result;
	/* valid with OK; with POOL as well, though not entered */
	l0pa to; /* of the address asked for */
	u8 shift; /* page size: 12, 21, 30 */
	u8 rights; /* EPT_RIGHT_*: what may be cached with it */
	u8 type;
	bool ipat;
	bool hit; /* found in EPT02; .l1, .ept12 and .ept01 aren't set */
	/*
	 * Valid if not a hit. With L0: if .ept12 is EPT_WALK_OK, .l1 is where L2's access goes and .ept01 says why
	 * it doesn't get there; accessed and dirty flags of EPT12 are set. Otherwise .ept12 is EPT_WALK_TABLE and .l1
	 * is the table of EPT12 that couldn't be had.
	 */
	l1pa l1;
	struct ept_walk ept12, ept01;
};

/*
 * The two walks without any EPT02: what a miss does, and the whole of it for an L0 that keeps no merged table. The memory
 * references are ept12.refs + ept01.refs: 8 where EPT12's tables are found by address, 24 where each of them is
 * translated through EPT01 (ept_through.h).
 * EPT01 sees read, write, fetch as asked; a guest paging-structure access that EPT12 counts as a write is one there as
 * well where EPT01 allows it, and a read where it doesn't. stats may not be NULL.
 */
enum ept_merge_result ept_merge_walk(const struct ept12 *ept12, const struct ept01 *ept01, l2pa from, u32 access,
				     struct ept_merge *m, struct ept_stats *stats);

/*
 * The memory type of a merged leaf. EPT01's type stands for what L1's memory is, as an MTRR does, EPT12's for what L1 makes of
 * it, as a PAT entry does: they combine like those (SDM vol. 3, "Effective Page-Level Memory Types"). If EPT01
 * ignores the PAT, it has decided alone. EPT12's ignore-PAT survives: L2's own PAT then has no say.
 */
u8 ept_merge_type(const struct ept_walk *ept12, const struct ept_walk *ept01, bool *ipat);

/* One EPT02. */
struct ept_tree {
	struct ept12 ept12;
	struct ept_space space; /* EPT02 itself, in EPT format, over pages of the pool */
	struct ept_pool *pool;
	struct ept_list pages; /* the root included */
	u32 root; /* EPT_POOL_NONE: not in use */
	/*
	 * Names the content: changes whenever mappings are removed that no TLB above may use any longer. Never
	 * 0, never used twice by trees of one cache. Tag TLB contexts with it, and don't enter one with an old tag.
	 */
	u64 generation;
	/*
	 * Goes up whenever a lookup that hit may miss or say something else: who remembers what lookups said forgets it then. Not touched by
	 * leaves that come where there was none.
	 */
	u64 changes;
	u64 used; /* for LRU */
	bool mbec; /* EPT12 has mode-based execute control */
};

/*
 * Start an EPT02 for `ept12` in pages of `pool`; features: EPT_HAS_2M, EPT_HAS_1G, what leaves it may have.
 * ept01_format: of the EPT01 that it will be filled from. false: no page is free.
 */
bool ept_tree_init(struct ept_tree *tree, struct ept_pool *pool, const struct ept12 *ept12,
		   const struct ept_format *ept01_format, u32 features);
/* Forget all leaves in constant time; the root stays. The caller changes the generation. */
void ept_tree_empty(struct ept_tree *tree);
/* Give back all pages. */
void ept_tree_destroy(struct ept_tree *tree);

/* Is it in EPT02? Only .to, .shift, .rights, .type, .ipat, .hit and .result are set, and only with true. */
bool ept_tree_lookup(const struct ept_tree *tree, l2pa from, u32 access, struct ept_merge *m);

/*
 * Handle a miss: walk, and enter. With EPT_MERGE_OK a lookup of the same access hits, but for one case: EPT12 counts a guest
 * paging-structure access as a write, and EPT01 has the page read-only. So take the translation from *m. Where
 * hardware walks EPT02, rights that lack ept_needed(&tree->space.format, access) are a miss for L0.
 * If a violation or misconfiguration is reflected, the leaf is dropped.
 */
enum ept_merge_result ept_tree_fill(struct ept_tree *tree, const struct ept01 *ept01, l2pa from, u32 access,
				    struct ept_merge *m);

/* Forget the leaf that translates `from`, if there is one. */
void ept_tree_drop(struct ept_tree *tree, l2pa from);

/*
 * EPT01 takes back bytes of L1's memory, or rights to it: forget every leaf that leads there. The caller changes
 * the generation.
 */
void ept_tree_remove_l1(struct ept_tree *tree, l1pa from, u64 bytes);

/* EPT02 as an EPTP, for hardware: write-back tables, four levels. */
u64 ept_tree_eptp(const struct ept_tree *tree);

#endif
