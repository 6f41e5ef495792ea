/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The trees of EPT02 of one logical processor of L1, found again by EPTP when L1 switches back to one.
 *
 * One cache for each vCPU: INVEPT concerns the logical processor that executes it, so there is no lock here and no other
 * vCPU to tell. Only ept_cache_remove_l1() concerns all of them, and who changes EPT01 stops them anyway.
 *
 * Key and scope (SDM vol. 3, "Caching Translation Information", "Operations that Invalidate Cached Mappings"):
 *  - Mappings are tagged by bits 51:12 of the EPTP. A tree is keyed by these bits and by what changes the meaning of the
 *    table: page-walk length, A/D flags, mode-based execute control. The memory type (bits 2:0) is that of accesses to the
 *    tables and makes no difference.
 *  - INVEPT single-context invalidates what is tagged with bits 51:12 of its operand: all trees with that address,
 *    whatever the rest of their key. All-context: all trees. A violation likewise drops its leaf in each tree of the address.
 *  - INVVPID (individual address, single context, all contexts, retaining globals) and VM transitions without VPID concern
 *    linear and combined mappings only: a TLB above this, never a tree.
 *
 * A TLB above this tags its contexts with ept_tree.generation. It may keep what it took from a tree until the
 * generation changes, and a context with another generation is dead: evicted trees never come back under an old number.
 * INVEPT(EPTP) without a tree of that EPTP therefore leaves nothing behind that could be used again.
 *
 * Trees and pages are taken from the least recently used tree when they run out, from the current one when it is alone.
 * A guest that touches n MiB in 4 KiB pages needs n/2 pages and a few; in 2 MiB pages one for each GiB.
 */
#ifndef EPT_MERGE_EPT_CACHE_H
#define EPT_MERGE_EPT_CACHE_H

#include "ept_merge.h"

/* a root and one table of each lower level: enough for any single translation */
#define EPT_CACHE_MIN_PAGES ((u32)EPT_TOP)

struct ept_cache {
	struct ept_pool pool;
	struct ept_tree *trees;
	u32 count;
	struct ept12 offered; /* callbacks and format for L1's tables; root and EPT_USES_* come from EPTP and control */
	struct ept01 ept01;
	u32 features; /* leaves that EPT02 may have: EPT_HAS_2M, EPT_HAS_1G */
	u64 generation, clock;
	struct ept_stats stats;
};

struct ept_cache_memory {
	void *pages; /* page_count * 4096 bytes, 4 KiB aligned; at least EPT_CACHE_MIN_PAGES */
	u64 pages_pa; /* their physical address: what EPT02's table entries hold */
	struct ept_page *descriptors; /* page_count */
	u32 page_count;
	struct ept_tree *trees; /* tree_count, at least 1 */
	u32 tree_count;
};

/* All memory stays the caller's; its content doesn't matter. false: too little memory. */
bool ept_cache_init(struct ept_cache *cache, const struct ept_cache_memory *memory, const struct ept12 *offered,
		    const struct ept01 *ept01, u32 features);

/*
 * The tree for L1's `eptp` (valid: ept_eptp_valid()), mbec: the VM-execution control. Made if there is none, which may evict
 * another: earlier results of this function aren't to be used any longer.
 */
struct ept_tree *ept_cache_find(struct ept_cache *cache, u64 eptp, bool mbec);

/*
 * Translate for L2, which runs on `tree`: out of EPT02, or by a walk that is entered there. Never EPT_MERGE_POOL: trees make
 * room as needed. With EPT_MERGE_L1 after a violation the caller drops its own combined mapping of the linear address.
 */
enum ept_merge_result ept_cache_translate(struct ept_cache *cache, struct ept_tree *tree, l2pa from, u32 access,
					  struct ept_merge *m);

/* INVEPT type 1 with this EPTP, and type 2. New generations; trees stay findable. */
void ept_cache_invalidate(struct ept_cache *cache, u64 eptp);
void ept_cache_invalidate_all(struct ept_cache *cache);

/*
 * EPT01 changed: `bytes` of L1's memory from `from` on are gone, moved, or allow less. Call it after the change, while L1
 * and its guests don't run. New generations for all trees.
 */
void ept_cache_remove_l1(struct ept_cache *cache, l1pa from, u64 bytes);

#endif
