/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>
#include "../clock.h"

struct shot {
	struct timer timer;
	struct clock *clock;
	char name;
	u64 again; /* ns until it arms itself again, 0: never */
};

static char fired[64];
static unsigned int fired_count;

static void shot_fired(void *arg)
{
	struct shot *s = arg;

	fired[fired_count++] = s->name;
	fired[fired_count] = 0;
	if (s->again)
		timer_arm(s->clock, &s->timer, clock_ns(s->clock) + s->again);
}

static void shot_init(struct shot *s, struct clock *c, char name)
{
	*s = (struct shot){ .clock = c, .name = name };
	timer_init(&s->timer, shot_fired, s);
	fired_count = 0;
	fired[0] = 0;
}

static u64 monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

static void instruction_clock_reads_only_its_source(void **state)
{
	struct clock c;

	(void)state;
	clock_init(&c, CLOCK_INSNS);
	assert_int_equal(c.tsc_hz, 1000000000);
	assert_int_equal(clock_ns(&c), 0);
	c.insns = 12345;
	assert_int_equal(clock_ns(&c), 12345);
	assert_int_equal(clock_tsc(&c), 12345);
	assert_int_equal(clock_tsc_to_ns(&c, 99), 99);
	c.insns = 3000000000;
	assert_int_equal(clock_wall_seconds(&c), 1767225603);
}

static u64 source_now(void *source)
{
	return ++*(u64 *)source;
}

static void instruction_clock_asks_for_the_exact_count(void **state)
{
	struct clock c;
	u64 count = 41;

	(void)state;
	clock_init(&c, CLOCK_INSNS);
	c.now = source_now;
	c.source = &count;
	assert_int_equal(clock_ns(&c), 42);
	assert_int_equal(clock_tsc(&c), 43);
}

static void host_clock_follows_monotonic(void **state)
{
	struct clock c;
	u64 ns, before, after, measured;
	struct timespec pause = { .tv_nsec = 200000000 };

	(void)state;
	clock_init(&c, CLOCK_HOST);
	assert_true(c.tsc_hz > 100000000);
	nanosleep(&pause, NULL);
	before = monotonic_ns();
	ns = clock_ns(&c);
	after = monotonic_ns();
	measured = (before + after) / 2 - c.start_ns;
	/* 100 ppm, and what the two looks are apart */
	assert_true(ns > measured - measured / 10000 - (after - before) - 2000);
	assert_true(ns < measured + measured / 10000 + (after - before) + 2000);
}

static void host_deadline_is_never_before_its_tick(void **state)
{
	struct clock c = { .kind = CLOCK_HOST, .tsc_hz = 2999999999ull };

	(void)state;
	for (u64 tsc = 1; tsc < UINT64_MAX / 7; tsc *= 7) {
		u64 ns = clock_tsc_to_ns(&c, tsc);

		assert_true(clock_scale(ns, c.tsc_hz) >= tsc);
		assert_true(clock_scale(ns - 1, c.tsc_hz) < tsc);
	}
	assert_true(clock_tsc_to_ns(&(struct clock){ .tsc_hz = 1 }, UINT64_MAX) == UINT64_MAX);
}

static void scaling_does_not_overflow(void **state)
{
	(void)state;
	assert_int_equal(clock_scale(1000000000, 1193182), 1193182);
	assert_true(clock_scale(UINT64_MAX, 10000000000ull) == UINT64_MAX);
	assert_int_equal(clock_unscale(1, 3), 333333334);
	assert_true(clock_unscale(UINT64_MAX, 1) == UINT64_MAX);
}

static void timers_fire_in_the_order_of_their_deadlines(void **state)
{
	struct clock c;
	struct shot a, b, d;

	(void)state;
	clock_init(&c, CLOCK_INSNS);
	shot_init(&a, &c, 'a');
	shot_init(&b, &c, 'b');
	shot_init(&d, &c, 'd');
	assert_true(timer_next(&c) == TIMER_OFF);
	timer_arm(&c, &a.timer, 30);
	timer_arm(&c, &b.timer, 10);
	timer_arm(&c, &d.timer, 30);
	assert_int_equal(timer_next(&c), 10);
	c.insns = 9;
	timer_run(&c);
	assert_string_equal(fired, "");
	c.insns = 30;
	timer_run(&c);
	assert_string_equal(fired, "bad");
	assert_true(timer_next(&c) == TIMER_OFF);
}

static void an_armed_timer_moves_and_a_cancelled_one_is_silent(void **state)
{
	struct clock c;
	struct shot a, b;

	(void)state;
	clock_init(&c, CLOCK_INSNS);
	shot_init(&a, &c, 'a');
	shot_init(&b, &c, 'b');
	timer_arm(&c, &a.timer, 10);
	timer_arm(&c, &b.timer, 20);
	timer_arm(&c, &a.timer, 30);
	assert_int_equal(timer_next(&c), 20);
	timer_cancel(&c, &b.timer);
	timer_cancel(&c, &b.timer);
	timer_arm(&c, &b.timer, TIMER_OFF);
	assert_int_equal(timer_next(&c), 30);
	c.insns = 100;
	timer_run(&c);
	assert_string_equal(fired, "a");
}

static void a_timer_may_arm_itself_again(void **state)
{
	struct clock c;
	struct shot a;

	(void)state;
	clock_init(&c, CLOCK_INSNS);
	shot_init(&a, &c, 'a');
	a.again = 10;
	timer_arm(&c, &a.timer, 5);
	c.insns = 7;
	timer_run(&c);
	assert_string_equal(fired, "a");
	assert_int_equal(timer_next(&c), 17);
	timer_cancel(&c, &a.timer);
}

static void count_call(void *arg)
{
	++*(unsigned int *)arg;
}

static void an_earlier_deadline_is_announced(void **state)
{
	struct clock c;
	struct shot a, b;
	unsigned int calls = 0;

	(void)state;
	clock_init(&c, CLOCK_INSNS);
	c.earlier = count_call;
	c.earlier_arg = &calls;
	shot_init(&a, &c, 'a');
	shot_init(&b, &c, 'b');
	timer_arm(&c, &a.timer, 20);
	assert_int_equal(calls, 1);
	timer_arm(&c, &b.timer, 30);
	assert_int_equal(calls, 1);
	timer_arm(&c, &b.timer, 10);
	assert_int_equal(calls, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instruction_clock_reads_only_its_source),
		cmocka_unit_test(instruction_clock_asks_for_the_exact_count),
		cmocka_unit_test(host_clock_follows_monotonic),
		cmocka_unit_test(host_deadline_is_never_before_its_tick),
		cmocka_unit_test(scaling_does_not_overflow),
		cmocka_unit_test(timers_fire_in_the_order_of_their_deadlines),
		cmocka_unit_test(an_armed_timer_moves_and_a_cancelled_one_is_silent),
		cmocka_unit_test(a_timer_may_arm_itself_again),
		cmocka_unit_test(an_earlier_deadline_is_announced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
