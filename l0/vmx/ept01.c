/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ept01.h"

u64 *l0_page(const struct l0_tables *t, u64 pa)
{
	if (pa >= t->start && (pa - t->start) / PAGE_SIZE < t->count)
		return (u64 *)(t->pages + ((pa - t->start) & ~(PAGE_SIZE - 1)));
	return memory_range_is_ram(t->memory, pa & ~(PAGE_SIZE - 1), PAGE_SIZE)
		       ? (u64 *)(t->memory->base + (pa & ~(PAGE_SIZE - 1)))
		       : NULL;
}

static u64 *table(void *ctx, u64 pa, bool write, u32 *refs)
{
	(void)write;
	(void)refs;
	return l0_page(ctx, pa);
}

#define RWX (EPT_R | EPT_W | EPT_X)

/* Level of the largest leaf for what lies at `at`, with `bytes` to go */
static unsigned int leaf_level(u64 at, u64 bytes, u32 features)
{
	static const u32 needs[] = { [2] = EPT_HAS_2M, [3] = EPT_HAS_1G };
	unsigned int level;

	for (level = 3; level > 1; level--) {
		u64 size = BIT(ept_shift(level));

		if ((features & needs[level]) && !(at & (size - 1)) && bytes >= size)
			break;
	}
	return level;
}

/* Identity. used: pages of *t that are tables already; returns how many are then. */
static u64 map(struct l0_tables *t, u64 used, u64 from, u64 bytes, u32 features)
{
	u64 at, size;

	for (at = from; at < from + bytes; at += size) {
		unsigned int leaf = leaf_level(at, from + bytes - at, features), level;
		u64 *page = (u64 *)t->pages, *entry;

		for (level = EPT_TOP; level > leaf; level--) {
			entry = &page[ept_index(at, level)];
			if (!*entry)
				*entry = (t->start + PAGE_SIZE * used++) | RWX;
			page = l0_page(t, *entry & EPT_ADDRESS);
		}
		size = BIT(ept_shift(leaf));
		page[ept_index(at, leaf)] = at | RWX | EPT_WB << EPT_TYPE_SHIFT | (leaf > 1 ? EPT_PS : 0);
	}
	return used;
}

/* Tables of the last two levels for that much RAM */
static u64 small_tables(u64 bytes)
{
	return bytes / BIT(ept_shift(3)) + bytes / BIT(ept_shift(2)) + 2;
}

u64 ept01_pages(const struct memory *m, u32 features)
{
	/* a root and its table; RAM below the hole and above 4 GiB ends in the middle of a large page at most once each: two tables for either */
	u64 large = 6;

	return features & EPT_HAS_2M ? large : large + small_tables(m->low) + small_tables(m->high);
}

struct ept01 ept01_make(struct l0_tables *t, u32 features, u8 maxphyaddr)
{
	u64 used = 1; /* the root */

	used = map(t, used, 0, t->memory->low, features);
	map(t, used, MEMORY_HIGH_START, t->memory->high, features);
	return (struct ept01){ .space = {
				       .format = { .features = features, .maxphyaddr = maxphyaddr },
				       .root = t->start,
				       .ctx = t,
				       .table = table,
			       } };
}
