/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vt.h"

#include "../cpu/mmu.h"
#include "../machine/memory.h"

#define ENTRY_P BIT(0)
#define ENTRY_W BIT(1)
#define ENTRY_ADDRESS 0x000ffffffffff000ull
#define ENTRY_LARGE \
	BIT(7) /* with a small page it is something else that nobody uses here: bit 7 is clear in both formats */
#define TOP_SHIFT 39
#define LARGE_SHIFT 21

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

static u64 leaf(const struct vt_format *f, u64 to, unsigned int rights)
{
	return (to & ENTRY_ADDRESS) | f->leaf | (rights & ACC_WRITE ? f->write : 0) |
	       (rights & ACC_EXEC ? f->exec : f->no_exec);
}

static unsigned int rights_of(const struct vt_format *f, u64 entry)
{
	return ACC_READ | (entry & f->write ? ACC_WRITE : 0) |
	       ((f->exec ? entry & f->exec : !(entry & f->no_exec)) ? ACC_EXEC : 0);
}

enum space_result vt_map(struct tables *t, const struct vt_format *f, u64 root, u64 from, u64 to, unsigned int shift,
			 unsigned int rights)
{
	u64 *table = table_at(t, root), *e, gpa = 0, large = shift == LARGE_SHIFT ? ENTRY_LARGE : 0;

	/* a table for each level at the most: then nothing is half done */
	if (t->next + 3 > t->count)
		return SPACE_FULL;
	for (unsigned int level = TOP_SHIFT;; level -= 9) {
		e = &table[from >> level & 511];
		if (level == shift)
			break;
		if (!(*e & ENTRY_P)) {
			table = table_new(t, &gpa);
			*e = gpa | f->table;
			continue;
		}
		if (level == LARGE_SHIFT && (*e & ENTRY_LARGE))
			return SPACE_REDUCES;
		table = table_at(t, *e & ENTRY_ADDRESS);
	}
	if (*e & ENTRY_P) {
		if (((*e ^ to) & ENTRY_ADDRESS) || (*e & ENTRY_LARGE) != large)
			return SPACE_REDUCES;
		rights |= rights_of(f, *e);
	}
	__atomic_store_n(e, leaf(f, to, rights) | large, __ATOMIC_RELEASE);
	return SPACE_DONE;
}

unsigned int vt_mapped(const struct tables *t, const struct vt_format *f, u64 root, u64 from, unsigned int *shift)
{
	const u64 *table = table_at(t, root), *e;

	for (*shift = TOP_SHIFT;; *shift -= 9) {
		e = &table[from >> *shift & 511];
		if (!(*e & ENTRY_P))
			return 0;
		if (*shift == 12 || (*shift == LARGE_SHIFT && (*e & ENTRY_LARGE)))
			return rights_of(f, *e);
		table = table_at(t, *e & ENTRY_ADDRESS);
	}
}
