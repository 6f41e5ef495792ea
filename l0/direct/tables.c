/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tables.h"

#include <string.h>

#include "../cpu/mmu.h"

#define ENTRY_P BIT(0)
#define ENTRY_W BIT(1)
#define ENTRY_U BIT(2)
#define ENTRY_A BIT(5)
#define ENTRY_D BIT(6)
#define ENTRY_PS BIT(7)
#define ENTRY_NX BIT(63)
#define ENTRY_ADDRESS 0x000ffffffffff000ull
/* ignored by the CPU. Of a table: it has a piece of a guest's page that is larger than 4 KiB */
#define ENTRY_PIECES BIT(9)

#define TOP_SHIFT 39
#define LARGE_SHIFT 21
#define LARGE_SIZE BIT(LARGE_SHIFT)

static u64 *table_at(const struct tables *t, u64 gpa)
{
	return (u64 *)(t->base + (gpa - t->gpa));
}

u64 *table_new(struct tables *t, u64 *gpa)
{
	u64 *page;

	if (t->next == t->count)
		return NULL;
	*gpa = t->gpa + (u64)t->next++ * TABLE_SIZE;
	page = table_at(t, *gpa);
	memset(page, 0, TABLE_SIZE);
	return page;
}

static u64 *entry_of(u64 *table, u64 linear, unsigned int shift)
{
	return &table[linear >> shift & 511];
}

unsigned int entry_rights(u64 entry)
{
	return ACC_READ | (entry & ENTRY_W ? ACC_WRITE : 0) | (entry & ENTRY_NX ? 0 : ACC_EXEC);
}

u64 entry_gpa(u64 entry, unsigned int shift)
{
	return entry & ENTRY_ADDRESS & ~(BIT(shift) - 1);
}

/* The entry of `linear` at level `shift`; NULL: a table on the way is missing, or a large page is in it. */
static u64 *find(const struct tables *t, const struct space *s, u64 linear, unsigned int shift)
{
	u64 *table, *e;

	if (!s->root)
		return NULL;
	table = table_at(t, s->root);
	for (unsigned int level = TOP_SHIFT;; level -= 9) {
		e = entry_of(table, linear, level);
		if (level == shift)
			return e;
		if (!(*e & ENTRY_P) || (*e & ENTRY_PS))
			return NULL;
		table = table_at(t, *e & ENTRY_ADDRESS);
	}
}

u64 *space_leaf(const struct tables *t, const struct space *s, u64 linear)
{
	return find(t, s, linear, 12);
}

u64 space_entry(const struct tables *t, const struct space *s, u64 linear, unsigned int *shift)
{
	const u64 *e = find(t, s, linear, LARGE_SHIFT);

	*shift = LARGE_SHIFT;
	if (!e || !(*e & ENTRY_P))
		return 0;
	if (*e & ENTRY_PS)
		return *e;
	*shift = 12;
	e = find(t, s, linear, 12);
	return *e & ENTRY_P ? *e : 0;
}

bool space_has_region(const struct tables *t, const struct space *s, u64 linear)
{
	const u64 *e = find(t, s, linear, LARGE_SHIFT);

	return e && (*e & ENTRY_P);
}

/* in the 2 MiB around `linear` */
static bool holds(const struct tables *t, const struct space *s, u64 linear)
{
	const u64 *e = find(t, s, linear, LARGE_SHIFT);

	if (!e || !(*e & ENTRY_P))
		return false;
	if (*e & (ENTRY_PS | ENTRY_PIECES))
		return true;
	return *find(t, s, linear, 12) & ENTRY_P;
}

bool space_holds(const struct tables *t, const struct space *s, u64 linear)
{
	return s->has_1g || holds(t, s, linear) || (s->has_4m && holds(t, s, linear ^ LARGE_SIZE));
}

bool space_begin(struct tables *t, struct space *s)
{
	u64 *root;

	if (s->root)
		return true;
	root = table_new(t, &s->root);
	if (!root) {
		s->root = 0;
		return false;
	}
	root[MONITOR_SLOT] = t->monitor | ENTRY_P | ENTRY_W | ENTRY_A;
	return true;
}

/* The entry of `linear` at level `shift`, with the tables above it. NULL: *result says why. */
static u64 *make(struct tables *t, struct space *s, u64 linear, unsigned int shift, enum space_result *result)
{
	u64 *table, *e, gpa = 0;

	*result = SPACE_FULL;
	/* a table for each level at the most: then nothing is half done */
	if (t->next + 4 > t->count || !space_begin(t, s))
		return NULL;
	table = table_at(t, s->root);
	for (unsigned int level = TOP_SHIFT;; level -= 9) {
		e = entry_of(table, linear, level);
		if (level == shift)
			return e;
		if (*e & ENTRY_PS) {
			*result = SPACE_REDUCES;
			return NULL;
		}
		if (!(*e & ENTRY_P)) {
			table = table_new(t, &gpa);
			*e = gpa | ENTRY_P | ENTRY_W | ENTRY_U | ENTRY_A;
		} else {
			table = table_at(t, *e & ENTRY_ADDRESS);
		}
	}
}

enum space_result space_map(struct tables *t, struct space *s, u64 linear, u64 gpa, unsigned int shift,
			    unsigned int rights, unsigned int guest_shift)
{
	/* dirty from the start: whether the guest's page is, ACC_WRITE says */
	u64 want = (gpa & ENTRY_ADDRESS & ~(BIT(shift) - 1)) | ENTRY_P | ENTRY_U | ENTRY_A | ENTRY_D;
	enum space_result result;
	u64 *e, *above;

	want |= (rights & ACC_WRITE ? ENTRY_W : 0) | (rights & ACC_EXEC ? 0 : ENTRY_NX) | (shift == 12 ? 0 : ENTRY_PS);
	e = make(t, s, linear, shift, &result);
	if (!e)
		return result;
	if (*e & ENTRY_P) {
		u64 changed = (*e ^ want) & ~(ENTRY_W | ENTRY_NX);

		if (changed || ((*e & ~want) & ENTRY_W) || ((want & ~*e) & ENTRY_NX))
			return SPACE_REDUCES;
	}
	__atomic_store_n(e, want, __ATOMIC_RELEASE);
	if (guest_shift > 12 && shift == 12) {
		above = find(t, s, linear, LARGE_SHIFT);
		*above |= ENTRY_PIECES;
	}
	s->has_1g |= guest_shift == 30;
	s->has_4m |= guest_shift == 22;
	return SPACE_DONE;
}
