/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pages that trees of EPT02 are made of. The caller gives them, physically contiguous for whoever reads
 * the tables (hardware, or ept_walk()), and a descriptor for each. Pages of one tree are on one list, so a tree is emptied
 * in constant time.
 */
#ifndef EPT_MERGE_EPT_POOL_H
#define EPT_MERGE_EPT_POOL_H

#include "ept_format.h"
#include "ept_stats.h"

#define EPT_POOL_NONE 0xffffffffu

/* One page's descriptor. */
struct ept_page {
	u32 next, prev; /* on the list of a tree or of free pages: index, or EPT_POOL_NONE */
	/* Leaves of this page map L1 addresses in here: never smaller than the truth. from > to: no leaves */
	l1pa from, to; /* first and last byte */
	u8 level; /* of the table in this page */
};

struct ept_list {
	u32 first, last;
	u32 count;
};

struct ept_pool {
	u64 *base; /* host address of the first page */
	u64 pa; /* physical address of the first page, as entries spell it */
	struct ept_page *pages;
	u32 count;
	struct ept_list free;
	struct ept_stats *stats;
};

/* base: count * 4096 bytes, 4 KiB aligned. pages: count descriptors. Both stay the caller's and need no content. */
void ept_pool_init(struct ept_pool *pool, void *base, u64 pa, struct ept_page *pages, u32 count, struct ept_stats *stats);

/* A zeroed page for a table of `level`, put on `list`; EPT_POOL_NONE if none is free. */
u32 ept_pool_take(struct ept_pool *pool, struct ept_list *list, unsigned int level);
/* Take page `index` off `list` and give it back. */
void ept_pool_give(struct ept_pool *pool, struct ept_list *list, u32 index);
/* Give back everything on `list`, in constant time. */
void ept_pool_give_all(struct ept_pool *pool, struct ept_list *list);

static inline u64 *ept_pool_host(const struct ept_pool *pool, u32 index)
{
	return pool->base + (u64)index * EPT_ENTRIES;
}

static inline u64 ept_pool_pa(const struct ept_pool *pool, u32 index)
{
	return pool->pa + index * EPT_PAGE_SIZE;
}

/* EPT_POOL_NONE if no page of the pool is at `pa` */
static inline u32 ept_pool_index(const struct ept_pool *pool, u64 pa)
{
	u64 index = (pa - pool->pa) / EPT_PAGE_SIZE;

	return pa >= pool->pa && index < pool->count ? (u32)index : EPT_POOL_NONE;
}

#define EPT_LIST_EMPTY ((struct ept_list){ EPT_POOL_NONE, EPT_POOL_NONE, 0 })

#endif
