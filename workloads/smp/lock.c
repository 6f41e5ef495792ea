/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lock that is handed from one processor to the next in the order in which they came: whoever's turn it is has to run, or all of them
 * stand still. Where there are fewer processors than it seems, as under a hypervisor, that is up to who shares them out; PAUSE in the
 * loops of those who wait says that they could do without (SDM vol. 2, "PAUSE").
 */
#include "litmus.h"

#include <time.h>

#define SECOND 1000000000ull
#define PLAY_NS (SECOND / 2)

static _Atomic u32 next, turn;
static u64 shared, handed,
	end; /* under the lock: times that it was taken, and by another one than the last; CLOCK_MONOTONIC */
static struct party *last;
static _Atomic u64 all;
static bool with_pause;

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * SECOND + (u64)t.tv_nsec;
}

static void take_and_give(struct party *p)
{
	u64 times = 0;

	while (now() < end) {
		u32 mine = atomic_fetch_add(&next, 1);

		while (atomic_load(&turn) != mine)
			if (with_pause)
				__builtin_ia32_pause();
		shared++;
		handed += last != p;
		last = p;
		times++;
		atomic_store(&turn, mine + 1);
	}
	atomic_fetch_add(&all, times);
}

/* How often the lock was given to another one, a second */
static u64 play(struct litmus *l, unsigned int parties)
{
	u64 start = now();

	shared = handed = 0;
	last = NULL;
	atomic_store(&all, 0);
	end = start + PLAY_NS;
	litmus_play(l, parties, take_and_give, NULL);
	return handed * SECOND / (now() - start);
}

void litmus_lock(struct litmus *l)
{
	unsigned int parties = l->cpus < PARTIES_MAX ? l->cpus : PARTIES_MAX, rounds = l->rounds;
	u64 silent, polite;
	bool whole;

	l->rounds = 1;
	silent = play(l, parties);
	whole = shared == atomic_load(&all);
	with_pause = true;
	polite = play(l, parties);
	l->rounds = rounds;
	litmus_result(whole && shared == atomic_load(&all), "lock: a_ticket_lock_is_handed_on",
		      "%llu times a second with PAUSE, %llu without", (unsigned long long)polite,
		      (unsigned long long)silent);
}
