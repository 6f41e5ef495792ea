/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time, to 1 %. A busy host may stop a guest for a while at any point, and a busy guest a process: what must hold then is that nothing is
 * early, that clocks agree with each other, and that of many sleeps one is right. So a moment is looked at from both sides, before and
 * after: it was between them, however far apart they are.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define MS 1000000u
#define SECOND 1000000000u

/* |a - b| at most 1 % of b */
static int within_1_percent(u64 a, u64 b)
{
	return (a > b ? a - b : b - a) <= b / 100;
}

/* Between two times of CLOCK_MONOTONIC, ns */
struct moment {
	u64 after, before;
};

#define TRY_NS (10ull * SECOND) /* so long a sleep gets chances to be right */

void check_sleeps_are_as_long_as_asked(void)
{
	static const u32 LENGTHS[] = { 50, 100, 200 };
	const struct sched_param first = { .sched_priority = 1 };

	/* before the guest's other processes, where that is allowed */
	sched_setscheduler(0, SCHED_FIFO, &first);
	for (u32 i = 0; i < sizeof(LENGTHS) / sizeof(LENGTHS[0]); i++) {
		struct timespec t = { .tv_nsec = (long)LENGTHS[i] * MS };
		u64 want = (u64)t.tv_nsec, best = UINT64_MAX, begin = monotonic_ns();

		for (int n = 0; n < 3 || (!within_1_percent(best, want) && monotonic_ns() - begin < TRY_NS); n++) {
			u64 start = monotonic_ns(), took;

			nanosleep(&t, NULL);
			took = monotonic_ns() - start;
			EXPECT(took >= want, "a sleep of %llu ns took %llu", (unsigned long long)want,
			       (unsigned long long)took);
			best = took < best ? took : best;
		}
		EXPECT(within_1_percent(best, want), "the best sleep of %llu ns took %llu", (unsigned long long)want,
		       (unsigned long long)best);
	}
}

void check_a_periodic_timer_keeps_count(void)
{
	const struct itimerspec every = { { .tv_nsec = 2 * MS }, { .tv_nsec = 2 * MS } };
	int fd = (int)MUST(timerfd_create(CLOCK_MONOTONIC, 0));
	u64 start = monotonic_ns(), set, total = 0, ticks;
	struct moment counted;

	MUST(timerfd_settime(fd, 0, &every, NULL));
	set = monotonic_ns();
	do {
		counted.after = monotonic_ns();
		EXPECT(read(fd, &ticks, sizeof(ticks)) == sizeof(ticks), "timerfd: errno %d", errno);
		counted.before = monotonic_ns();
		total += ticks;
		EXPECT(total * 2 * MS <= counted.before - start, "%llu ticks of 2 ms came in %llu ns: too early",
		       (unsigned long long)total, (unsigned long long)(counted.before - start));
	} while (total < 500);
	counted.after = counted.after > set ? counted.after - set : 0;
	EXPECT(total * 2 * MS + total * 2 * MS / 100 >= counted.after, "%llu ticks of 2 ms in %llu ns",
	       (unsigned long long)total, (unsigned long long)counted.after);
}

/* Wait for the RTC's seconds to change: when that was, and the seconds of the day. */
static struct moment rtc_edge(int fd, int *seconds)
{
	u64 deadline = monotonic_ns() + 20ull * SECOND;
	struct moment edge = { .after = monotonic_ns() };
	struct rtc_time first, t;

	MUST(ioctl(fd, RTC_RD_TIME, &first));
	for (;;) {
		const struct timespec pause = { .tv_nsec = MS };
		u64 now = monotonic_ns();

		EXPECT(now < deadline, "the RTC stands still");
		MUST(ioctl(fd, RTC_RD_TIME, &t));
		if (t.tm_sec != first.tm_sec)
			break;
		edge.after = now;
		nanosleep(&pause, NULL);
	}
	edge.before = monotonic_ns();
	*seconds = (t.tm_hour * 60 + t.tm_min) * 60 + t.tm_sec;
	return edge;
}

void check_the_monotonic_clock_agrees_with_the_rtc(void)
{
	int fd = open("/dev/rtc0", O_RDONLY), from, to, seconds;
	struct moment start, end;
	u64 least, most, want;

	if (fd < 0)
		skip("no /dev/rtc0");
	start = rtc_edge(fd, &from);
	do
		end = rtc_edge(fd, &to);
	while ((seconds = (to - from + 86400) % 86400) < 3);
	least = end.after > start.before ? end.after - start.before : 0;
	most = end.before - start.after;
	want = (u64)seconds * SECOND;
	EXPECT(least <= want + want / 100 && most >= want - want / 100, "%d seconds of the RTC were %llu to %llu ns",
	       seconds, (unsigned long long)least, (unsigned long long)most);
}

/* The TSC and CLOCK_MONOTONIC at one moment: nothing came between the looks at them that would be worth mentioning. */
static u64 tsc_and_ns(u64 *ns)
{
	u64 start = monotonic_ns(), tsc, after;

	do {
		*ns = monotonic_ns();
		tsc = __rdtsc();
		after = monotonic_ns();
		EXPECT(after - start < TRY_NS, "no two looks at the clock are within 100 us");
	} while (after - *ns > MS / 10);
	return tsc;
}

void check_the_tsc_is_steady_against_the_monotonic_clock(void)
{
	u64 rate[4];

	for (int i = 0; i < 4; i++) {
		const struct timespec t = { .tv_nsec = 100 * MS };
		u64 start, end, tsc = tsc_and_ns(&start);

		/* half of them asleep, half of them at work */
		if (i & 1)
			nanosleep(&t, NULL);
		else
			while (monotonic_ns() - start < 100 * MS)
				;
		tsc = tsc_and_ns(&end) - tsc;
		rate[i] = tsc * 1000000 / (end - start);
		EXPECT(within_1_percent(rate[i], rate[0]), "TSC ticks in a ms: %llu, then %llu",
		       (unsigned long long)rate[0], (unsigned long long)rate[i]);
	}
	EXPECT(rate[0], "the TSC stands still");
}

void check_clocks_never_go_back(void)
{
	static const clockid_t CLOCKS[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME };
	u64 last[3] = { 0 }, last_tsc = 0;

	for (int i = 0; i < 20000; i++) {
		u64 tsc = __rdtsc();

		EXPECT(tsc >= last_tsc, "the TSC went back");
		last_tsc = tsc;
		for (int c = 0; c < 3; c++) {
			struct timespec t;
			u64 ns;

			MUST(clock_gettime(CLOCKS[c], &t));
			ns = (u64)t.tv_sec * SECOND + (u64)t.tv_nsec;
			EXPECT(ns >= last[c], "clock %d went back by %llu ns", (int)CLOCKS[c],
			       (unsigned long long)(last[c] - ns));
			last[c] = ns;
		}
	}
}
