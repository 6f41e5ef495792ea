/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SDM vol. 3, "APIC Timer". One tick before the divider is one nanosecond, so that no rounding comes
 * between the count and the machine's clock. While it counts, timer_end says it all: the current
 * count is computed from it when somebody reads it.
 */
#include "../cpu/vcpu.h"
#include "../machine/machine.h"
#include "lapic.h"

_Static_assert(LAPIC_TIMER_HZ == 1000000000ull, "one tick is one ns below");

/* ns per count */
static u64 timer_divider(const struct lapic *a)
{
	u32 code = (a->divide_configuration >> 1 & 4) | (a->divide_configuration & 3);

	return code == 7 ? 1 : 2ull << code;
}

static u64 timer_period(const struct lapic *a)
{
	return a->initial_count * timer_divider(a);
}

enum lapic_timer_mode lapic_timer_mode(const struct lapic *a)
{
	switch (atomic_load(&a->lvt[LVT_TIMER]) >> LVT_TIMER_SHIFT & 3) {
	case 1:
		return TIMER_PERIODIC;
	case 2:
		return TIMER_DEADLINE;
	default: /* 3 is reserved */
		return TIMER_ONE_SHOT;
	}
}

static void timer_off(struct lapic *a)
{
	a->counting = false;
	a->tsc_deadline = 0;
	timer_cancel(&a->machine->clock, &a->timer);
}

static void timer_count_until(struct lapic *a, u64 end)
{
	a->counting = true;
	a->timer_end = end;
	timer_arm(&a->machine->clock, &a->timer, end);
}

/* The first end of a period after `now`: periods that nobody looked at are one interrupt. */
static u64 timer_next_end(const struct lapic *a, u64 now)
{
	u64 period = timer_period(a);

	return a->timer_end + ((now - a->timer_end) / period + 1) * period;
}

static void timer_fired(void *arg)
{
	struct lapic *a = arg;

	switch (lapic_timer_mode(a)) {
	case TIMER_DEADLINE:
		a->tsc_deadline = 0;
		break;
	case TIMER_PERIODIC:
		if (a->initial_count) {
			timer_count_until(a, timer_next_end(a, clock_ns(&a->machine->clock)));
			break;
		}
		a->counting = false;
		break;
	case TIMER_ONE_SHOT:
		a->counting = false;
		break;
	}
	lapic_lvt_deliver(a, LVT_TIMER);
}

void lapic_timer_init(struct lapic *a)
{
	timer_init(&a->timer, timer_fired, a);
	a->timer.own = a->vcpu->timers;
}

void lapic_timer_reset(struct lapic *a)
{
	timer_off(a);
	a->initial_count = 0;
	a->divide_configuration = 0;
}

/* One-shot and periodic share a count that goes on; to and from TSC-deadline the timer is disarmed. */
void lapic_timer_mode_changed(struct lapic *a, enum lapic_timer_mode old)
{
	enum lapic_timer_mode new = lapic_timer_mode(a);

	if (old != new && (old == TIMER_DEADLINE || new == TIMER_DEADLINE))
		timer_off(a);
}

void lapic_timer_start(struct lapic *a)
{
	if (a->initial_count)
		timer_count_until(a, clock_ns(&a->machine->clock) + timer_period(a));
	else
		timer_off(a);
}

u32 lapic_timer_current(struct lapic *a)
{
	u64 now = clock_ns(&a->machine->clock), end = a->timer_end, divider = timer_divider(a);

	if (!a->counting)
		return 0;
	if (now >= end) { /* timer_fired() is due */
		if (lapic_timer_mode(a) != TIMER_PERIODIC || !a->initial_count)
			return 0;
		end = timer_next_end(a, now);
	}
	return (u32)((end - now + divider - 1) / divider);
}

void lapic_timer_set_divide(struct lapic *a, u32 value)
{
	u32 left = lapic_timer_current(a);

	a->divide_configuration = value & 0xb;
	if (left)
		timer_count_until(a, clock_ns(&a->machine->clock) + left * timer_divider(a));
}

u64 lapic_timer_get_deadline(const struct lapic *a)
{
	return a->tsc_deadline;
}

void lapic_timer_set_deadline(struct lapic *a, u64 tsc)
{
	struct clock *c = &a->machine->clock;
	u64 now, guest_now, at;

	if (lapic_timer_mode(a) != TIMER_DEADLINE)
		return;
	timer_off(a);
	if (!tsc)
		return;
	a->tsc_deadline = tsc;
	now = clock_tsc(c);
	guest_now = now + a->vcpu->tsc_offset;
	if (tsc <= guest_now) {
		timer_fired(a);
		return;
	}
	at = now + (tsc - guest_now);
	if (at > now) /* else it lies beyond the end of time */
		timer_arm(c, &a->timer, clock_tsc_to_ns(c, at));
}
