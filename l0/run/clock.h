/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine's time. Host clock: nanoseconds of CLOCK_MONOTONIC and the host's TSC, both from the
 * start of the machine. Instruction clock: one guest instruction is one nanosecond and one TSC tick
 * (1 GHz); a halted vCPU jumps to the next deadline; nothing is read from the host.
 *
 * Timers are intrusive and fire between two guest instructions: the machine's on the thread of vCPU 0, those of a vCPU (its local
 * APIC's, VMX's) on its own, if it has one.
 */
#ifndef L0_RUN_CLOCK_H
#define L0_RUN_CLOCK_H

#include "../cpu/types.h"

enum clock_kind { CLOCK_HOST, CLOCK_INSNS };

struct timer {
	u64 deadline; /* ns on the machine's clock; TIMER_OFF when not armed */
	void (*fn)(void *arg);
	void *arg;
	struct timer *next;
	struct timers *own; /* the list that it is armed in; NULL: the machine's */
};

/* Sorted by deadline */
struct timers {
	struct timer *first;
	bool locked; /* held for a few instructions */
};

#define TIMER_OFF UINT64_MAX

struct clock {
	enum clock_kind kind;
	u64 start_ns, start_tsc; /* host: at clock_init() */
	u64 tsc_hz; /* ticks of the guest's TSC a second */
	u64 insns; /* CLOCK_INSNS: ns passed as of the last look; see clock_sync */
	struct timers timers; /* the machine's */
	void *source; /* CLOCK_INSNS: argument of now() */
	u64 (*now)(void *source); /* CLOCK_INSNS: exact instruction count at this moment, skipped time included */
	/* Called by timer_arm(), on its thread, when the machine's next deadline became earlier; may be NULL. Whoever computed
	 * how long translated code may run from timer_next() computes it again. */
	void (*earlier)(void *arg);
	void *earlier_arg;
};

void clock_init(struct clock *c, enum clock_kind kind);
/* Host clock: it has stood still for so many ticks of the host's TSC up to now. No vCPU and no device runs. */
void clock_stood_still(struct clock *c, u64 ticks);
u64 clock_ns(struct clock *c); /* ns since the start of the machine, less what it stood still */
u64 clock_tsc(struct clock *c); /* guest TSC ticks, before a vCPU's tsc_offset */
u64 clock_tsc_to_ns(struct clock *c, u64 tsc); /* ns at which clock_tsc() reaches tsc, rounded up */
/* What a counter of `hz` reaches in `ns`, rounded down; ns in which it reaches `ticks`, rounded up. UINT64_MAX: never. */
u64 clock_scale(u64 ns, u64 hz);
u64 clock_unscale(u64 ticks, u64 hz);
/* wall-clock seconds since 1970 for the RTC; a fixed date with CLOCK_INSNS */
u64 clock_wall_seconds(struct clock *c);

/* Arming, cancelling and timer_next() are for any thread. timer_arm() moves a timer that is armed already. */
void timer_init(struct timer *t, void (*fn)(void *arg), void *arg);
/* deadline in ns on the machine's clock; one in the past fires at the next look */
void timer_arm(struct clock *c, struct timer *t, u64 deadline);
void timer_cancel(struct clock *c, struct timer *t);
/* ns of the next deadline, TIMER_OFF if none */
u64 timer_next(struct clock *c);
/* Fire everything due. */
void timer_run(struct clock *c);
/* The same with a vCPU's list */
u64 timers_next(struct timers *l);
void timers_run(struct clock *c, struct timers *l);

#endif
