/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rounds.h"

#include <x86intrin.h>

static inline void put(u64 *number, u64 value)
{
	__atomic_store_n(number, value, __ATOMIC_RELEASE);
}

void rounds_reflect_at(struct rounds *r, unsigned int reason, u64 tsc, u64 insns)
{
	r->number++;
	r->open = &r->row[reason];
	count_one(&r->open->count);
	r->open_tsc = tsc;
	r->open_insns = insns;
}

void rounds_enter_at(struct rounds *r, u64 tsc, u64 insns)
{
	struct round_row *row = r->open;

	if (!row)
		return;
	tsc -= r->open_tsc;
	__atomic_store_n(&row->version, row->version + 1, __ATOMIC_RELAXED);
	if (tsc < row->tsc_min || !row->ended)
		put(&row->tsc_min, tsc);
	if (tsc > row->tsc_max)
		put(&row->tsc_max, tsc);
	put(&row->ended, row->ended + 1);
	put(&row->tsc, row->tsc + tsc);
	put(&row->insns, row->insns + insns - r->open_insns);
	put(&row->version, row->version + 1);
	r->open = NULL;
}

void rounds_stood_still(struct rounds *r, u64 ticks)
{
	r->open_tsc += ticks;
}

void rounds_reflect(struct rounds *r, unsigned int reason, u64 insns)
{
	rounds_reflect_at(r, reason, __rdtsc(), insns);
}

void rounds_enter(struct rounds *r, u64 insns)
{
	rounds_enter_at(r, __rdtsc(), insns);
}
