/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is this EPT02 what EPT12 and EPT01 say? A second opinion: it shares the format's bit names with the rest of the library, but
 * neither its classification of entries nor its walker. For tests, and for whoever debugs an L0.
 *
 * Only what is in EPT02 is looked at: what isn't there will be a miss, which is never wrong.
 */
#ifndef EPT_MERGE_EPT_CHECK_H
#define EPT_MERGE_EPT_CHECK_H

#include "ept_merge.h"

/* clang-format off */
#define EPT_DIFFERENCES(D) \
	D(TABLE,     "EPT02: a table lies outside the pool")                           \
	D(ENTRY,     "EPT02: an entry is neither table, leaf nor hole")                \
	D(EPT12,     "EPT12 doesn't translate this address")                           \
	D(EPT01,     "EPT01 doesn't translate the L1 address")                         \
	D(SIZE,      "the leaf is larger than that of EPT12 or EPT01")                 \
	D(ADDRESS,   "another address than EPT12 and EPT01 give")                      \
	D(RIGHTS,    "rights that EPT12 and EPT01 don't both give")                    \
	D(DIRTY,     "writable, though a dirty flag in use is clear")                  \
	D(ACCESSED,  "an accessed flag in use is clear on the way")                    \
	D(TYPE,      "another memory type or ignore-PAT than EPT12 and EPT01 give")
/* clang-format on */

enum ept_difference_kind {
#define D(name, text) EPT_DIFFERS_##name,
	EPT_DIFFERENCES(D)
#undef D
};

struct ept_difference {
	enum ept_difference_kind kind;
	l2pa at; /* first address of the entry */
	unsigned int level;
	u64 entry; /* in EPT02 */
	u64 expected, got; /* what differs: address, rights (EPT_RIGHT_*), page shift, type | ipat << 3 */
};

struct ept_check {
	void *ctx;
	/* Called for each difference; false: stop. */
	bool (*report)(void *ctx, const struct ept_difference *d);
	/* May this leaf be older than the tables, because L1 changed them and no INVEPT came since? NULL: none may. */
	bool (*stale)(void *ctx, l2pa from, u64 bytes);
	u64 tables, leaves, skipped, differences; /* out */
};

/* true: no difference. Every leaf of the tree is looked at, but those that may be stale. Nothing is written to any table. */
bool ept_check(const struct ept_tree *tree, const struct ept01 *ept01, struct ept_check *c);

const char *ept_difference_text(enum ept_difference_kind kind);

#endif
