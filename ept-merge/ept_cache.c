/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ept_cache.h"

static bool in_use(const struct ept_tree *tree)
{
	return tree->root != EPT_POOL_NONE;
}

bool ept_cache_init(struct ept_cache *cache, const struct ept_cache_memory *memory, const struct ept12 *offered,
		    const struct ept01 *ept01, u32 features)
{
	u32 i;

	if (memory->page_count < EPT_CACHE_MIN_PAGES || memory->page_count == EPT_POOL_NONE || !memory->tree_count)
		return false;
	cache->stats = (struct ept_stats){ 0 };
	ept_pool_init(&cache->pool, memory->pages, memory->pages_pa, memory->descriptors, memory->page_count,
		      &cache->stats);
	cache->trees = memory->trees;
	cache->count = memory->tree_count;
	cache->offered = *offered;
	cache->ept01 = *ept01;
	cache->features = features;
	cache->generation = 0;
	cache->clock = 0;
	for (i = 0; i < cache->count; i++)
		cache->trees[i].root = EPT_POOL_NONE;
	return true;
}

static bool same_tables(const struct ept_tree *tree, u64 eptp)
{
	return tree->ept12.space.root == (eptp & EPT_ADDRESS);
}

/* The walk length is four levels for every valid EPTP, so it isn't compared. */
static bool same_key(const struct ept_tree *tree, u64 eptp, bool mbec)
{
	bool ad = tree->ept12.space.format.features & EPT_USES_AD;

	return same_tables(tree, eptp) && ad == !!(eptp & EPTP_AD) && tree->mbec == mbec;
}

/* Least recently used, not `keep`; NULL if there is no other. */
static struct ept_tree *oldest(struct ept_cache *cache, const struct ept_tree *keep)
{
	struct ept_tree *found = NULL;
	u32 i;

	for (i = 0; i < cache->count; i++) {
		struct ept_tree *tree = &cache->trees[i];

		if (in_use(tree) && tree != keep && (!found || tree->used < found->used))
			found = tree;
	}
	return found;
}

/* false: nothing but `keep` is in use */
static bool evict(struct ept_cache *cache, const struct ept_tree *keep)
{
	struct ept_tree *tree = oldest(cache, keep);

	if (!tree)
		return false;
	ept_tree_destroy(tree);
	cache->stats.trees_evicted++;
	return true;
}

static struct ept_tree *unused(struct ept_cache *cache)
{
	u32 i;

	for (i = 0; i < cache->count; i++)
		if (!in_use(&cache->trees[i]))
			return &cache->trees[i];
	return NULL;
}

struct ept_tree *ept_cache_find(struct ept_cache *cache, u64 eptp, bool mbec)
{
	struct ept_tree *tree;
	struct ept12 ept12;
	u32 i;

	for (i = 0; i < cache->count; i++) {
		tree = &cache->trees[i];
		if (in_use(tree) && same_key(tree, eptp, mbec)) {
			cache->stats.trees_found++;
			tree->used = ++cache->clock;
			return tree;
		}
	}
	ept12.space = ept_space_at(&cache->offered.space, eptp, mbec);
	/* Ends: without any tree, all are unused and all pages free, of which there are enough. */
	while (!(tree = unused(cache)) ||
	       !ept_tree_init(tree, &cache->pool, &ept12, &cache->ept01.space.format, cache->features))
		evict(cache, NULL);
	cache->stats.trees_made++;
	tree->generation = ++cache->generation;
	tree->used = ++cache->clock;
	return tree;
}

/* "associated with the current EPTP's address": also in trees that differ in the rest of the key */
static void drop_elsewhere(struct ept_cache *cache, const struct ept_tree *tree, l2pa from)
{
	u32 i;

	for (i = 0; i < cache->count; i++)
		if (&cache->trees[i] != tree && in_use(&cache->trees[i]) &&
		    same_tables(&cache->trees[i], tree->ept12.space.root))
			ept_tree_drop(&cache->trees[i], from);
}

static void empty(struct ept_cache *cache, struct ept_tree *tree)
{
	ept_tree_empty(tree);
	tree->generation = ++cache->generation;
}

enum ept_merge_result ept_cache_translate(struct ept_cache *cache, struct ept_tree *tree, l2pa from, u32 access,
					  struct ept_merge *m)
{
	if (ept_tree_lookup(tree, from, access, m))
		return m->result;
	/* Ends: once the tree is alone and empty, there are pages enough. */
	while (ept_tree_fill(tree, &cache->ept01, from, access, m) == EPT_MERGE_POOL)
		if (!evict(cache, tree))
			empty(cache, tree);
	if (m->result == EPT_MERGE_L1 && m->ept12.result == EPT_WALK_VIOLATION && !(access & EPT_ACC_PROBE))
		drop_elsewhere(cache, tree, from);
	return m->result;
}

void ept_cache_invalidate(struct ept_cache *cache, u64 eptp)
{
	u32 i;

	cache->stats.invept_single++;
	for (i = 0; i < cache->count; i++) {
		if (in_use(&cache->trees[i]) && same_tables(&cache->trees[i], eptp)) {
			empty(cache, &cache->trees[i]);
			cache->stats.trees_emptied++;
		}
	}
}

void ept_cache_invalidate_all(struct ept_cache *cache)
{
	u32 i;

	cache->stats.invept_all++;
	for (i = 0; i < cache->count; i++) {
		if (in_use(&cache->trees[i])) {
			empty(cache, &cache->trees[i]);
			cache->stats.trees_emptied++;
		}
	}
}

void ept_cache_remove_l1(struct ept_cache *cache, l1pa from, u64 bytes)
{
	u32 i;

	cache->stats.l1_removals++;
	for (i = 0; i < cache->count; i++) {
		if (in_use(&cache->trees[i])) {
			ept_tree_remove_l1(&cache->trees[i], from, bytes);
			/* Also without a leaf removed: TLBs may hold what EPT02 has forgotten already. */
			cache->trees[i].generation = ++cache->generation;
		}
	}
}
