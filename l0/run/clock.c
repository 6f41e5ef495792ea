/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host time is read with RDTSC alone, so that looking at the clock costs nothing noticeable and
 * needs no libc while the guest's vector state is live. What makes that right is the TSC's
 * frequency, found once: what CPUID says, if a short measurement agrees, otherwise a longer
 * measurement. Other invariants:
 *  - mul_div() rounds down, so clock_ns() >= clock_tsc_to_ns(t) implies clock_tsc() >= t.
 *  - A list of timers is locked: any thread may arm one, one thread runs them, and a timer's
 *    function is called without the lock.
 */
#include "clock.h"

#include <cpuid.h>
#include <time.h>

#define NS_PER_SECOND 1000000000ull

/* 2026-01-01 00:00:00 UTC, where the instruction clock's calendar starts */
#define CLOCK_INSNS_EPOCH 1767225600ull

#define CALIBRATE_SHORT_NS 2000000ull
#define CALIBRATE_LONG_NS 20000000ull
#define CALIBRATE_TOLERANCE 5000 /* one part in: what CPUID says may differ this much from the short measurement */

/* a * b / c rounded down, with the 128-bit product; UINT64_MAX if the result doesn't fit */
static u64 mul_div(u64 a, u64 b, u64 c)
{
	u64 low, high, quotient, rest;

	__asm__("mulq %3" : "=a"(low), "=d"(high) : "0"(a), "rm"(b) : "cc");
	if (high >= c)
		return UINT64_MAX;
	__asm__("divq %4" : "=a"(quotient), "=d"(rest) : "0"(low), "1"(high), "rm"(c) : "cc");
	return quotient;
}

/* the same, rounded up */
static u64 mul_div_up(u64 a, u64 b, u64 c)
{
	u64 low, high, quotient, rest;

	__asm__("mulq %3" : "=a"(low), "=d"(high) : "0"(a), "rm"(b) : "cc");
	if (high >= c)
		return UINT64_MAX;
	__asm__("divq %4" : "=a"(quotient), "=d"(rest) : "0"(low), "1"(high), "rm"(c) : "cc");
	return quotient + (rest && quotient != UINT64_MAX);
}

u64 clock_scale(u64 ns, u64 hz)
{
	return mul_div(ns, hz, NS_PER_SECOND);
}

u64 clock_unscale(u64 ticks, u64 hz)
{
	return mul_div_up(ticks, NS_PER_SECOND, hz);
}

static u64 host_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (u64)t.tv_sec * NS_PER_SECOND + (u64)t.tv_nsec;
}

/* CLOCK_MONOTONIC and the TSC at one moment: of several tries the one that was interrupted least */
static void host_sample(u64 *ns, u64 *tsc)
{
	u64 best = UINT64_MAX;

	for (int i = 0; i < 8; i++) {
		u64 before = __builtin_ia32_rdtsc();
		u64 now = host_ns(CLOCK_MONOTONIC);
		u64 after = __builtin_ia32_rdtsc();

		if (after - before < best) {
			best = after - before;
			*ns = now;
			*tsc = before + best / 2;
		}
	}
}

/* Measure until duration_ns after (start_ns, start_tsc). */
static u64 tsc_measure(u64 start_ns, u64 start_tsc, u64 duration_ns)
{
	u64 ns, tsc;

	do
		host_sample(&ns, &tsc);
	while (ns - start_ns < duration_ns);
	return mul_div(tsc - start_tsc, NS_PER_SECOND, ns - start_ns);
}

/* What CPUID says, 0 if it says nothing: SDM vol. 2, "CPUID", leaf 15H; leaf 40000010H is the hypervisors' custom. */
static u64 tsc_hz_from_cpuid(void)
{
	u32 eax, ebx, ecx, edx;

	if (__get_cpuid(0x15, &eax, &ebx, &ecx, &edx) && eax && ebx && ecx)
		return mul_div(ecx, ebx, eax);
	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & BIT(31))) {
		__cpuid(0x40000000, eax, ebx, ecx, edx);
		if (eax >= 0x40000010 && eax < 0x40010000) {
			__cpuid(0x40000010, eax, ebx, ecx, edx);
			return eax * 1000ull;
		}
	}
	return 0;
}

static u64 tsc_hz_of_host(u64 start_ns, u64 start_tsc)
{
	u64 told = tsc_hz_from_cpuid();

	if (told) {
		u64 measured = tsc_measure(start_ns, start_tsc, CALIBRATE_SHORT_NS);
		u64 apart = told > measured ? told - measured : measured - told;

		if (apart < told / CALIBRATE_TOLERANCE)
			return told;
	}
	return tsc_measure(start_ns, start_tsc, CALIBRATE_LONG_NS);
}

void clock_init(struct clock *c, enum clock_kind kind)
{
	*c = (struct clock){ .kind = kind };
	if (kind == CLOCK_INSNS) {
		c->tsc_hz = NS_PER_SECOND;
		return;
	}
	host_sample(&c->start_ns, &c->start_tsc);
	c->tsc_hz = tsc_hz_of_host(c->start_ns, c->start_tsc);
}

void clock_stood_still(struct clock *c, u64 ticks)
{
	if (c->kind != CLOCK_HOST)
		return;
	c->start_tsc += ticks;
	c->start_ns += mul_div(ticks, NS_PER_SECOND, c->tsc_hz);
}

u64 clock_tsc(struct clock *c)
{
	if (c->kind == CLOCK_HOST)
		return __builtin_ia32_rdtsc() - c->start_tsc;
	if (c->now)
		c->insns = c->now(c->source);
	return c->insns;
}

u64 clock_ns(struct clock *c)
{
	u64 ticks = clock_tsc(c);

	return c->kind == CLOCK_HOST ? mul_div(ticks, NS_PER_SECOND, c->tsc_hz) : ticks;
}

u64 clock_tsc_to_ns(struct clock *c, u64 tsc)
{
	return c->kind == CLOCK_HOST ? mul_div_up(tsc, NS_PER_SECOND, c->tsc_hz) : tsc;
}

u64 clock_wall_seconds(struct clock *c)
{
	if (c->kind == CLOCK_HOST)
		return host_ns(CLOCK_REALTIME) / NS_PER_SECOND;
	return CLOCK_INSNS_EPOCH + clock_ns(c) / NS_PER_SECOND;
}

static void timers_lock(struct timers *l)
{
	while (__atomic_exchange_n(&l->locked, true, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static void timers_unlock(struct timers *l)
{
	__atomic_store_n(&l->locked, false, __ATOMIC_RELEASE);
}

void timer_init(struct timer *t, void (*fn)(void *arg), void *arg)
{
	*t = (struct timer){ .deadline = TIMER_OFF, .fn = fn, .arg = arg };
}

static struct timers *list_of(struct clock *c, const struct timer *t)
{
	return t->own ? t->own : &c->timers;
}

static void timer_remove(struct timers *l, struct timer *t)
{
	struct timer **at = &l->first;

	if (t->deadline == TIMER_OFF)
		return;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->deadline = TIMER_OFF;
}

void timer_arm(struct clock *c, struct timer *t, u64 deadline)
{
	struct timers *l = list_of(c, t);
	struct timer **at = &l->first;
	bool first;

	timers_lock(l);
	timer_remove(l, t);
	if (deadline == TIMER_OFF) {
		timers_unlock(l);
		return;
	}
	/* behind its equals: timers of one moment fire in the order in which they were armed */
	while (*at && (*at)->deadline <= deadline)
		at = &(*at)->next;
	t->deadline = deadline;
	t->next = *at;
	*at = t;
	first = l->first == t;
	timers_unlock(l);
	if (first && c->earlier && !t->own)
		c->earlier(c->earlier_arg);
}

void timer_cancel(struct clock *c, struct timer *t)
{
	struct timers *l = list_of(c, t);

	timers_lock(l);
	timer_remove(l, t);
	timers_unlock(l);
}

u64 timers_next(struct timers *l)
{
	u64 deadline;

	timers_lock(l);
	deadline = l->first ? l->first->deadline : TIMER_OFF;
	timers_unlock(l);
	return deadline;
}

u64 timer_next(struct clock *c)
{
	return timers_next(&c->timers);
}

/* `now` is read once: a timer that re-arms itself for a later moment isn't chased. */
void timers_run(struct clock *c, struct timers *l)
{
	u64 now = clock_ns(c);

	for (;;) {
		struct timer *t;

		timers_lock(l);
		t = l->first;
		if (!t || t->deadline > now) {
			timers_unlock(l);
			return;
		}
		l->first = t->next;
		t->deadline = TIMER_OFF;
		timers_unlock(l);
		t->fn(t->arg);
	}
}

void timer_run(struct clock *c)
{
	timers_run(c, &c->timers);
}
