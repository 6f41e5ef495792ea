/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does it pay to run this code directly? Getting in and out costs tens of microseconds, as much as the translator needs for tens of
 * thousands of instructions. So code proves itself: it has to stay in user mode for as many translated instructions as going in and
 * out is worth; and once it has gone in, how long it stays says how much the next time.
 */
#ifndef L0_DIRECT_USER_POLICY_H
#define L0_DIRECT_USER_POLICY_H

#include "../cpu/types.h"

struct user_policy {
	u64 patience; /* instructions to be translated first; 0: the first slice decides */
	u64 pause, not_before; /* when patience was at its end several times: instructions, and vcpu->insns when they are over */
};

#define PATIENCE_START 50000u
#define PATIENCE_MAX \
	(PATIENCE_START << 4) /* less than what a kernel with 250 ticks a second lets pass between two of them, or it would be for ever */

#define PAUSE_MAX \
	(64u << 20) /* so what never pays costs less than a hundredth: a way in and out for a tenth of a second of translated code */

#define STAY_GOOD_NS 300000u /* several times what it costs */
#define STAY_BAD_NS 100000u /* less than it costs, or little more */
#define STAY_MIN_NS 150000u /* not if a timer would end it earlier */

static inline void policy_init(struct user_policy *p)
{
	p->patience = PATIENCE_START;
}

/* Of the address spaces that were seen last: a process's ways are its own, whatever context of the soft TLB its kernel gives it. */
#define POLICY_SPACES_BITS 6
#define POLICY_SPACES (1u << POLICY_SPACES_BITS)
struct user_policies {
	u64 key[POLICY_SPACES];
	struct user_policy policy[POLICY_SPACES];
};

/* ept_pointer: an L2's; 0: it is L1's own. */
static inline struct user_policy *policy_of(struct user_policies *all, u64 cr3, u64 ept_pointer)
{
	u64 key = BIT(63) | ((cr3 & ~4095ull) + (ept_pointer >> 12)),
	    i = key * 0x9e3779b97f4a7c15ull >> (64 - POLICY_SPACES_BITS);

	if (all->key[i] != key) {
		all->key[i] = key;
		all->policy[i] = (struct user_policy){ 0 };
		policy_init(&all->policy[i]);
	}
	return &all->policy[i];
}

/* insns: vcpu->insns; since: as it was when the code came to user mode, or was last back from a stay */
static inline bool policy_go(const struct user_policy *p, u64 insns, u64 since)
{
	return insns - since >= p->patience && insns >= p->not_before;
}

/* Its next instruction was on a page that can't run directly: which says nothing of the rest, but to ask at every slice would be too often. */
static inline void policy_unfit(struct user_policy *p)
{
	if (p->patience < PATIENCE_START)
		p->patience = PATIENCE_START;
}

#define ENTRIES_FREE 4

/* It is in for ns and has come in `entries` times, which cost so much: may it go on? */
static inline bool policy_pays(u32 entries, u64 ns, u64 cost)
{
	return entries < ENTRIES_FREE || ns >= 3 * cost;
}

/*
 * It ran for ns, of which `cost` went into getting in and out, as far as that is known (0: it isn't; the constants above are for the CPUs of
 * today); interrupted: something from outside ended it, which says nothing against it. insns: vcpu->insns
 */
static inline void policy_learn(struct user_policy *p, u64 ns, u64 cost, bool interrupted, u64 insns)
{
	u64 good = 8 * cost > STAY_GOOD_NS ? 8 * cost : STAY_GOOD_NS,
	    bad = 3 * cost > STAY_BAD_NS ? 3 * cost : STAY_BAD_NS;

	if (ns >= good) {
		p->patience = interrupted ? 0 : PATIENCE_START;
		p->pause = 0;
		return;
	}
	if (interrupted || ns >= bad)
		return;
	if (p->patience < PATIENCE_MAX) {
		p->patience = p->patience < PATIENCE_START ? PATIENCE_START : p->patience * 2;
		return;
	}
	p->pause = p->pause ? 2 * p->pause : PATIENCE_MAX;
	if (p->pause > PAUSE_MAX)
		p->pause = PAUSE_MAX;
	p->not_before = insns + p->pause;
}

#endif
