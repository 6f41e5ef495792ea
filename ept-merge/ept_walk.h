/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one walker, over any EPT: SDM vol. 3, "EPT Translation Mechanism", "EPT-Induced VM Exits", "Accessed and Dirty
 * Flags for EPT", "Page-Modification Logging".
 *
 * Rights are ANDed over the levels and judged at the end: an entry that lacks a right doesn't end the walk, so a
 * misconfigured entry below it is still found, as the manual orders it. A hole does end it, and has no rights.
 * Every entry is read once, atomically: what other processors write meanwhile is seen or not, never half.
 */
#ifndef EPT_MERGE_EPT_WALK_H
#define EPT_MERGE_EPT_WALK_H

#include "ept_format.h"

/*
 * An access. The numbers are those of the exit qualification (SDM vol. 3, "Exit Qualification for EPT Violations"): what
 * the walker can't know from the tables the caller says here, and it is handed through.
 *
 *	load, store, fetch       READ, WRITE, EXEC | LINEAR | FINAL | USER ...
 *	guest paging structure   READ (or WRITE: its accessed or dirty flag) | LINEAR
 *	PDPTEs by MOV to CR      READ
 */
#define EPT_ACC_READ BIT(0)
#define EPT_ACC_WRITE BIT(1)
#define EPT_ACC_EXEC BIT(2)
#define EPT_ACC_LINEAR BIT(7) /* there is a guest linear address */
#define EPT_ACC_FINAL BIT(8) /* and the access is to its translation, not to a paging structure */
#define EPT_ACC_USER BIT(9) /* a user-mode linear address: U/S set at every level, or no paging */
#define EPT_ACC_PAGE_WRITE BIT(10) /* guest paging makes it a read/write page */
#define EPT_ACC_PAGE_NX BIT(11) /* guest paging makes it an execute-disable page */
#define EPT_ACC_NMI_UNBLOCKING BIT(12) /* by IRET */
#define EPT_ACC_PROBE BIT(31) /* never in a qualification: leave accessed and dirty flags alone */

/* What ept_space.table returns if L0 has to act before the page can be used: the walk ends with EPT_WALK_TABLE. */
#define EPT_TABLE_LATER ((u64 *)1)

/* One EPT: where it starts, its format, and how to reach its pages. */
struct ept_space {
	struct ept_format format;
	u64 root; /* physical address of the PML4 */
	void *ctx; /* for the callbacks */
	/*
	 * Host address of the 4 KiB page at `pa` (of the table's own level, aligned). `write` says that accessed or dirty
	 * flags are about to be written. NULL: no RAM there. It reads as all ones, which is a misconfiguration at every
	 * level, and a write is lost, as on a bus where nobody answers. EPT_TABLE_LATER: see above.
	 * Memory references that finding the page took are added to *refs.
	 */
	u64 *(*table)(void *ctx, u64 pa, bool write, u32 *refs);
	/*
	 * Page-modification logging; NULL without. Called before any accessed or dirty flag is set: false if the PML
	 * index is out of range, and the walk ends with EPT_WALK_PML_FULL, flags untouched.
	 */
	bool (*pml_ready)(void *ctx);
	/* A dirty flag went from 0 to 1: log this guest-physical address (4 KiB aligned). */
	void (*pml_log)(void *ctx, u64 from);
};

enum ept_walk_result {
	EPT_WALK_OK,
	EPT_WALK_VIOLATION,
	EPT_WALK_MISCONFIG,
	EPT_WALK_PML_FULL,
	EPT_WALK_TABLE, /* the table at `table` isn't to be had now: L0's business */
};

struct ept_walk {
	enum ept_walk_result result;
	u32 refs; /* entries read, and what table() added */
	/* valid with EPT_WALK_OK */
	u64 to; /* translation of the address asked for */
	u8 type; /* enum ept_type of the leaf */
	bool ipat;
	bool dirty; /* writes need no further walk: the dirty flag is set, or isn't in use */
	u8 shift; /* page size: 12, 21, 30 */
	/* valid with EPT_WALK_OK and EPT_WALK_VIOLATION */
	u8 rights; /* EPT_RIGHT_*, ANDed over the levels; 0 with a hole */
	/* valid with EPT_WALK_VIOLATION */
	bool suppress_ve; /* of the entry that decided; with false the violation is convertible */
	u32 qualification;
	/* where the walk ended, always */
	u8 level;
	enum ept_misconfig why;
	u64 table; /* physical address of the table of that level */
	u64 entry;
};

/*
 * Translate `from`, set accessed and dirty flags as the access demands (only if it is allowed: a walk that ends in a
 * violation or misconfiguration leaves no trace). Returns w->result.
 */
enum ept_walk_result ept_walk(const struct ept_space *s, u64 from, u32 access, struct ept_walk *w);

/* `offered` (callbacks, and the format that the processor offers), pointed at the table of `eptp`. */
static inline struct ept_space ept_space_at(const struct ept_space *offered, u64 eptp, bool mbec)
{
	struct ept_space s = *offered;

	s.format = ept_format_of(offered->format, eptp, mbec);
	s.root = eptp & EPT_ADDRESS;
	return s;
}

/* The rights (EPT_RIGHT_*) that an access needs in a table of this format. */
u32 ept_needed(const struct ept_format *format, u32 access);

#endif
