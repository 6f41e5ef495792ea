/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pseudo-random numbers for the fuzzer: the same seed gives the same cases on every host. Xorshift (Marsaglia). */
#ifndef L0_BT_TESTS_FUZZ_RANDOM_H
#define L0_BT_TESTS_FUZZ_RANDOM_H

#include "../../cpu/types.h"

struct rng {
	u64 s;
};

static inline u64 rng_next(struct rng *r)
{
	u64 x = r->s;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	r->s = x;
	/* the low bits of a plain xorshift are the weak ones */
	return x * 0x9e3779b97f4a7c15ull >> 8 ^ x << 24;
}

/* Two numbers make one stream: neighbours must not give similar streams. */
static inline struct rng rng_seed(u64 a, u64 b)
{
	struct rng r = { (a + 1) * 0xd1342543de82ef95ull ^ (b + 1) * 0xaf251af3b0f025b5ull };
	int i;

	if (!r.s)
		r.s = 1;
	for (i = 0; i < 4; i++)
		rng_next(&r);
	return r;
}

/* 0 .. n - 1 */
static inline u32 rng_below(struct rng *r, u32 n)
{
	return (rng_next(r) >> 16 & 0xffffffff) * n >> 32;
}

static inline bool rng_chance(struct rng *r, u32 percent)
{
	return rng_below(r, 100) < percent;
}

#endif
