/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ept_pool.h"

static void push(struct ept_pool *pool, struct ept_list *list, u32 index)
{
	struct ept_page *p = &pool->pages[index];

	p->prev = EPT_POOL_NONE;
	p->next = list->first;
	if (list->first != EPT_POOL_NONE)
		pool->pages[list->first].prev = index;
	else
		list->last = index;
	list->first = index;
	list->count++;
}

static void unlink_page(struct ept_pool *pool, struct ept_list *list, u32 index)
{
	struct ept_page *p = &pool->pages[index];

	if (p->prev != EPT_POOL_NONE)
		pool->pages[p->prev].next = p->next;
	else
		list->first = p->next;
	if (p->next != EPT_POOL_NONE)
		pool->pages[p->next].prev = p->prev;
	else
		list->last = p->prev;
	list->count--;
}

static void count_used(struct ept_pool *pool)
{
	u64 used = pool->count - pool->free.count;

	pool->stats->pool_pages = used;
	if (used > pool->stats->pool_pages_peak)
		pool->stats->pool_pages_peak = used;
}

void ept_pool_init(struct ept_pool *pool, void *base, u64 pa, struct ept_page *pages, u32 count, struct ept_stats *stats)
{
	u32 i;

	pool->base = base;
	pool->pa = pa;
	pool->pages = pages;
	pool->count = count;
	pool->free = EPT_LIST_EMPTY;
	pool->stats = stats;
	for (i = count; i-- > 0;)
		push(pool, &pool->free, i);
	count_used(pool);
}

u32 ept_pool_take(struct ept_pool *pool, struct ept_list *list, unsigned int level)
{
	u32 i, index = pool->free.first;
	u64 *page;

	if (index == EPT_POOL_NONE)
		return EPT_POOL_NONE;
	unlink_page(pool, &pool->free, index);
	push(pool, list, index);
	page = ept_pool_host(pool, index);
	/* Atomic stores: no compiler makes a call to memset() of them, which might use vector registers. */
	for (i = 0; i < EPT_ENTRIES; i++)
		__atomic_store_n(&page[i], 0, __ATOMIC_RELAXED);
	pool->pages[index].from.v = ~0ull;
	pool->pages[index].to.v = 0;
	pool->pages[index].level = level;
	count_used(pool);
	return index;
}

void ept_pool_give(struct ept_pool *pool, struct ept_list *list, u32 index)
{
	unlink_page(pool, list, index);
	push(pool, &pool->free, index);
	count_used(pool);
}

void ept_pool_give_all(struct ept_pool *pool, struct ept_list *list)
{
	if (list->first == EPT_POOL_NONE)
		return;
	pool->pages[list->last].next = pool->free.first;
	if (pool->free.first != EPT_POOL_NONE)
		pool->pages[pool->free.first].prev = list->last;
	else
		pool->free.last = list->last;
	pool->free.first = list->first;
	pool->free.count += list->count;
	*list = EPT_LIST_EMPTY;
	count_used(pool);
}
