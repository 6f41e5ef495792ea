/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ORC, the unwind tables of Linux kernels without frame pointers (CONFIG_UNWINDER_ORC), as of Linux 5.12 to 6.3:
 *
 *	.orc_unwind_ip   s32 each: where the code is, relative to the number's own address; ascending
 *	.orc_unwind      6 bytes each, how to find the caller's frame from there up to the next one's code
 *
 *	   15      11  10   9  8   7     4  3     0
 *	+-----------+-----+------+--------+--------+  s16 offset of the caller's stack pointer, s16 offset of its RBP, and this
 *	|  unused   | end | type | rbp in | rsp in |
 *	+-----------+-----+------+--------+--------+
 *
 *	rsp in       the caller's stack pointer is that register plus the offset; or is in memory there
 *	rbp in       0: unchanged; else it was saved relative to the caller's stack pointer, or to RBP
 *	type         call: the return address is below the caller's stack pointer. Registers: a whole or, with only what an
 *	             interrupt pushes, partial struct pt_regs is there
 *	end          nobody called this
 */
#ifndef L0_ACCOUNT_STACK_ORC_H
#define L0_ACCOUNT_STACK_ORC_H

#include "stack_reader.h"

struct orc_entry {
	s16 sp_offset, bp_offset;
	u16 bits;
};

_Static_assert(sizeof(struct orc_entry) == 6, "as in the tables");

struct orc_table {
	u64 ip, entries; /* linear addresses in the guest */
	u32 count;
	u64 first, end; /* the code that it is about */
};

/*
 * Is there a table with these addresses? Then *t is complete: it is sorted, its code is outside of it and at most max bytes long.
 * Of a long one every 64th entry is looked at.
 */
bool orc_open(struct stack_reader *r, u64 ip, u64 entries, u32 count, u64 max, struct orc_table *t);

/* The last entry whose code isn't behind pc, and where that code begins. False: none. */
bool orc_find(struct stack_reader *r, const struct orc_table *t, u64 pc, struct orc_entry *e, u64 *code);

/* Is it about code? Where there is none, tables have entries without a stack pointer. */
static inline bool orc_says(const struct orc_entry *e)
{
	return e->bits & 15;
}

/* Is the caller's stack pointer sp_offset above RBP? */
bool orc_by_rbp(const struct orc_entry *e);

/*
 * From a frame to its caller's: *regs are changed. False: there is none, or it isn't to be found. *exact: regs->rip isn't a
 * return address, but where an interrupt came: orc_find() wants it as it is, and a return address minus 1.
 */
bool orc_step(struct stack_reader *r, const struct orc_entry *e, struct stack_regs *regs, bool *exact);

#endif
