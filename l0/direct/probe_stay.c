/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stays of user code on /dev/kvm, with nothing of a guest around them. */
#include <stdlib.h>

#include "kvm.h"
#include "probe_internal.h"
#include "run_timer.h"

#define ROUNDS 7
#define LOOP_NS 20000000u
#define TRY_TURNS 1000000u

struct stay_loop {
	struct probe *probe;
	struct run_timer timer;
	u64 turns;
};

static u64 natively(u64 turns)
{
	u64 start = run_timer_now();

	probe_native_loop(turns);
	return run_timer_now() - start;
}

/* ns that the loop takes if KVM_RUN is ended every `period` ns; 0: never. *returns: how often it was. 0: KVM has failed. */
static u64 on_kvm(struct stay_loop *l, u64 period, u64 *returns)
{
	struct probe *p = l->probe;
	u64 start = run_timer_now();

	*returns = 0;
	probe_give_code(p, PROBE_LOOP, sizeof(PROBE_LOOP), false, 0, l->turns);
	for (;;) {
		if (period)
			run_timer_set(&l->timer, period);
		monitor_run(&p->cpu, &p->left);
		if (p->left.by != LEFT_SIGNAL)
			break;
		__atomic_store_n(&p->cpu.run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		++*returns;
	}
	return p->left.by == LEFT_EVENT && p->left.vector == VEC_UD ? run_timer_now() - start : 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double v[ROUNDS])
{
	qsort(v, ROUNDS, sizeof(*v), compare);
	return v[ROUNDS / 2];
}

/* The four follow one another in each round, since the host has other things to do as well. */
static bool rounds(struct stay_loop *l, struct kvm_stay *s)
{
	double whole[ROUNDS], every_4ms[ROUNDS], every_2ms[ROUNDS], back[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		u64 none, fours, twos, native = natively(l->turns), k = on_kvm(l, 0, &none),
				       k4 = on_kvm(l, 4000000, &fours), k2 = on_kvm(l, 2000000, &twos);

		if (!k || !k4 || !k2 || !twos)
			return false;
		whole[i] = (double)k / (double)native;
		every_4ms[i] = (double)k4 / (double)native;
		every_2ms[i] = (double)k2 / (double)native;
		back[i] = ((double)k2 - (double)k) / 1e3 / (double)twos;
	}
	*s = (struct kvm_stay){ median(whole), median(every_4ms), median(every_2ms), median(back) };
	return true;
}

bool kvm_measure_stay(struct kvm_stay *s)
{
	struct kvm_probe result = { 0 };
	struct probe p = { .result = &result, .path = KVM_DEVICE };
	struct stay_loop l = { .probe = &p };
	u64 least = UINT64_MAX;
	bool done;

	if (kvm_catch_kicks() || !probe_open(&p))
		return false;
	/* the shortest: a loop that others had the CPU in would be over before a timer ends it */
	for (int i = 0; i < ROUNDS; i++) {
		u64 ns = natively(TRY_TURNS);

		least = ns < least ? ns : least;
	}
	l.turns = TRY_TURNS * (u64)LOOP_NS / least;
	done = run_timer_make(&l.timer, p.cpu.run) && rounds(&l, s);
	run_timer_destroy(&l.timer);
	probe_close(&p);
	return done;
}
