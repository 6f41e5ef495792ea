/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pace.h"

#include <time.h>

#include "../cpu/fpu.h"
#include "../machine/machine.h"
#include "gate.h"
#include "loop.h"
#include "turns.h"

#define LOOK_TICKS (1ull << 21) /* of the host's TSC: a millisecond or less */
#define BURST_NS 100000000 /* time whose budget can be saved up: a nap that the host makes longer loses nothing */
#define NAP_MAX_NS 20000000 /* so that a stop isn't late by more */
#define NICE_MAX 19

static u64 read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

void pace_init(struct pace *p, unsigned int percent)
{
	p->percent = percent;
	p->budget = 0;
	p->filled = read_clock(CLOCK_MONOTONIC);
}

/* What has become of the budget after `used` ns of CPU time */
static s64 pay(struct pace *p, u64 used)
{
	u64 now = read_clock(CLOCK_MONOTONIC), then = atomic_load(&p->filled);
	s64 most = (s64)BURST_NS * p->percent / 100, budget;

	/* one of several threads fills */
	if (now > then && atomic_compare_exchange_strong(&p->filled, &then, now)) {
		u64 passed = now - then < BURST_NS ? now - then : BURST_NS;

		budget = atomic_fetch_add(&p->budget, (s64)(passed * p->percent / 100)) +
			 (s64)(passed * p->percent / 100);
		if (budget > most)
			atomic_fetch_sub(&p->budget, budget - most);
	}
	return atomic_fetch_sub(&p->budget, (s64)used) - (s64)used;
}

static void nap(u64 ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = (long)(ns < NAP_MAX_NS ? ns : NAP_MAX_NS) }, NULL);
}

void pace(struct vcpu_thread *t)
{
	struct vcpu *v = t->v;
	struct pace *p = t->pace;
	u64 tsc = __builtin_ia32_rdtsc(), cpu;
	s64 budget;

	if (t->turns)
		t = t->turns->all; /* whose thread it is */
	if (tsc - t->paid_tsc < LOOK_TICKS)
		return;
	vcpu_fpu_park(v);
	cpu = read_clock(CLOCK_THREAD_CPUTIME_ID);
	/* a thread that begins has used what it needed to begin */
	budget = pay(p, t->paid_cpu_ns && cpu > t->paid_cpu_ns ? cpu - t->paid_cpu_ns : 0);
	t->paid_cpu_ns = cpu;
	if (budget < 0) {
		gate_out(v);
		while (budget < 0 && !atomic_load(&v->machine->stop)) {
			nap((u64)-budget * 100 / p->percent + 1000);
			budget = pay(p, 0);
		}
		gate_in(v);
	}
	t->paid_tsc = __builtin_ia32_rdtsc();
}

/* The kernel's weights: 1024 / 1.25^nice */
int pace_nice(unsigned int shares, unsigned int most, int base, unsigned int *counts_as)
{
	u64 ratio = (u64)most * 1000000 / shares;
	int nice = base;

	/* to the nearest step: half of one is a factor of sqrt(1.25) */
	while (ratio > 1118034 && nice < NICE_MAX) {
		ratio = ratio * 4 / 5;
		nice++;
	}
	*counts_as = ratio > 1118034 ? (unsigned int)((shares * ratio + 500000) / 1000000) : shares;
	return nice;
}
