/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ept_bench.h"
#include <string.h>

static u64 *find(struct tables *t, u64 base, u64 pa)
{
	return pa >= base && pa < base + TABLES * EPT_PAGE_SIZE ? t->page[(pa - base) / EPT_PAGE_SIZE] : NULL;
}

static u64 *table12(void *ctx, u64 pa, bool write, u32 *refs)
{
	struct bench *b = ctx;

	(void)refs;
	if (pa == b->later)
		return EPT_TABLE_LATER;
	if (write && b->read_only)
		return NULL;
	if (write && b->race_at && *b->race_at == b->race_clear) {
		*b->race_at = 0;
		b->race_at = NULL;
	}
	return find(&b->t12, T12_L1, pa);
}

static u64 *table01(void *ctx, u64 pa, bool write, u32 *refs)
{
	struct bench *b = ctx;
	u64 *page = find(&b->t01, T01_L0, pa);

	(void)write;
	(void)refs;
	return page ? page : find(&b->t12, T12_L0, pa);
}

static bool pml_ready(void *ctx)
{
	const struct bench *b = ctx;

	return b->pml_room > 0;
}

static void pml_log(void *ctx, u64 from)
{
	struct bench *b = ctx;

	b->pml_room--;
	b->pml[b->logged++ % 64] = from;
}

void bench_init(struct bench *b)
{
	struct ept_format offered = { ALL_FEATURES, 46 };

	memset(b, 0, sizeof(*b));
	b->t12.used = b->t01.used = 1;
	b->t12.base = T12_L1;
	b->t01.base = T01_L0;
	b->later = ~0ull;
	b->ept12.space = (struct ept_space){ offered, T12_L1, b, table12, NULL, NULL };
	b->ept01.space = (struct ept_space){ offered, T01_L0, b, table01, NULL, NULL };
	b->through.ept01 = &b->ept01;
}

void bench_cache(struct bench *b, u32 pages, u32 trees)
{
	struct ept_cache_memory m = { b->pool, POOL_PA, b->descriptors, pages, b->trees, trees };

	/* what was there must not matter */
	memset(b->pool, 0xa5, sizeof(b->pool));
	memset(b->descriptors, 0x5a, sizeof(b->descriptors));
	memset(b->trees, 0x77, sizeof(b->trees));
	assert_true(ept_cache_init(&b->cache, &m, &b->ept12, &b->ept01, ALL_LEAVES));
}

u64 bench_eptp(const struct bench *b, unsigned int root, bool ad)
{
	return (b->t12.base + root * EPT_PAGE_SIZE) | 3 << EPTP_LENGTH_SHIFT | EPT_WB | (ad ? EPTP_AD : 0);
}

void bench_use(struct bench *b, bool ad, bool mbec)
{
	b->ept12.space = ept_space_at(&b->ept12.space, bench_eptp(b, 0, ad), mbec);
}

void bench_pml(struct bench *b, unsigned int room)
{
	b->pml_room = room;
	b->ept12.space.pml_ready = pml_ready;
	b->ept12.space.pml_log = pml_log;
}

u64 *tables_entry(struct tables *t, unsigned int root, u64 from, unsigned int level)
{
	u64 *page = t->page[root], *entry;
	unsigned int l;

	for (l = EPT_TOP;; l--) {
		entry = &page[ept_index(from, l)];
		if (l == level)
			return entry;
		if (!(*entry & RWX)) {
			assert_true(t->used < TABLES);
			*entry = (t->base + t->used++ * EPT_PAGE_SIZE) | RWX | EPT_XU;
		}
		page = t->page[((*entry & EPT_ADDRESS) - t->base) / EPT_PAGE_SIZE];
	}
}

void tables_map(struct tables *t, u64 from, u64 to, unsigned int level, u64 bits)
{
	*tables_entry(t, 0, from, level) = to | bits | (level > 1 ? EPT_PS : 0);
}
