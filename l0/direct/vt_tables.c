/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vt.h"

#include "../cpu/mmu.h"

#define ENTRY_P BIT(0)
#define ENTRY_W BIT(1)
#define ENTRY_ADDRESS 0x000ffffffffff000ull
#define TOP_SHIFT 39

/* SDM vol. 3, "The Extended Page Table Mechanism": bits 0 to 2 are read, write, execute; the memory type of a leaf, write-back */
const struct vt_format VT_EPT = { .table = 7, .leaf = 1 | 6 << 3, .write = ENTRY_W, .exec = BIT(2) };
/* AMD's manual vol. 2, "Nested Paging": ordinary entries, every access is one of user mode; accessed and dirty from the start */
const struct vt_format VT_NPT = {
	.table = 7 | BIT(5), .leaf = ENTRY_P | BIT(2) | BIT(5) | BIT(6), .write = ENTRY_W, .no_exec = BIT(63)
};

static u64 *table_at(const struct tables *t, u64 gpa)
{
	return (u64 *)(t->base + (gpa - t->gpa));
}

enum space_result vt_map(struct tables *t, const struct vt_format *f, u64 root, u64 from, u64 to, unsigned int rights)
{
	u64 *table = table_at(t, root), *e, gpa = 0, want;

	/* a table for each level at the most: then nothing is half done */
	if (t->next + 3 > t->count)
		return SPACE_FULL;
	for (unsigned int level = TOP_SHIFT;; level -= 9) {
		e = &table[from >> level & 511];
		if (level == 12)
			break;
		if (*e & ENTRY_P) {
			table = table_at(t, *e & ENTRY_ADDRESS);
			continue;
		}
		table = table_new(t, &gpa);
		*e = gpa | f->table;
	}
	want = (to & ENTRY_ADDRESS) | f->leaf | (rights & ACC_WRITE ? f->write : 0) |
	       (rights & ACC_EXEC ? f->exec : f->no_exec);
	if (*e & ENTRY_P) {
		if ((*e ^ want) & ENTRY_ADDRESS)
			return SPACE_REDUCES;
		want |= *e & (f->write | f->exec);
		want &= ~(f->no_exec & ~*e);
	}
	__atomic_store_n(e, want, __ATOMIC_RELEASE);
	return SPACE_DONE;
}

unsigned int vt_mapped(const struct tables *t, const struct vt_format *f, u64 root, u64 from)
{
	const u64 *table = table_at(t, root), *e;

	for (unsigned int level = TOP_SHIFT;; level -= 9) {
		e = &table[from >> level & 511];
		if (!(*e & ENTRY_P))
			return 0;
		if (level == 12)
			break;
		table = table_at(t, *e & ENTRY_ADDRESS);
	}
	return ACC_READ | (*e & f->write ? ACC_WRITE : 0) |
	       ((f->exec ? *e & f->exec : !(*e & f->no_exec)) ? ACC_EXEC : 0);
}
