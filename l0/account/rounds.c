/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rounds.h"

#include <x86intrin.h>

void rounds_reflect_at(struct rounds *r, unsigned int reason, u64 tsc, u64 insns)
{
	r->number++;
	r->open = &r->row[reason];
	r->open->count++;
	r->open_tsc = tsc;
	r->open_insns = insns;
}

void rounds_enter_at(struct rounds *r, u64 tsc, u64 insns)
{
	struct round_row *row = r->open;

	if (!row)
		return;
	row->ended++;
	row->tsc += tsc - r->open_tsc;
	row->insns += insns - r->open_insns;
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
