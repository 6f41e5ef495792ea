/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ept_through.h"

u64 *ept_through_table(void *ctx, u64 l1, bool write, u32 *refs)
{
	struct ept_through *t = ctx;
	const struct ept_space *s = &t->ept01->space;
	struct ept_walk w;

	if (ept_walk(s, l1, write ? EPT_ACC_WRITE : EPT_ACC_READ, &w) != EPT_WALK_OK) {
		t->why = w;
		*refs += w.refs;
		return EPT_TABLE_LATER;
	}
	*refs += w.refs;
	return s->table(s->ctx, w.to & EPT_ADDRESS, write, refs);
}
