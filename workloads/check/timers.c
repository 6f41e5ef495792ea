/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time, to 1 %. A busy host may stop a guest for a while at any point, which makes single sleeps late: what must hold
 * then is that clocks agree with each other, and that the best of several sleeps is right.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
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

void check_sleeps_are_as_long_as_asked(void)
{
	static const u32 LENGTHS[] = { 50, 100, 200 };

	for (u32 i = 0; i < sizeof(LENGTHS) / sizeof(LENGTHS[0]); i++) {
		struct timespec t = { .tv_nsec = (long)LENGTHS[i] * MS };
		u64 want = (u64)t.tv_nsec, best = UINT64_MAX;

		for (int n = 0; n < 20 && (n < 3 || !within_1_percent(best, want)); n++) {
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
	u64 start = monotonic_ns(), total = 0, ticks, took;

	MUST(timerfd_settime(fd, 0, &every, NULL));
	while (total < 500) {
		EXPECT(read(fd, &ticks, sizeof(ticks)) == sizeof(ticks), "timerfd: errno %d", errno);
		total += ticks;
	}
	took = monotonic_ns() - start;
	EXPECT(took >= total * 2 * MS, "%llu ticks came in %llu ns: too early", (unsigned long long)total,
	       (unsigned long long)took);
	EXPECT(within_1_percent(total * 2 * MS, took), "%llu ticks of 2 ms in %llu ns", (unsigned long long)total,
	       (unsigned long long)took);
}

/* Wait for the RTC's seconds to change: ns of CLOCK_MONOTONIC at that moment, and the seconds of the day. */
static u64 rtc_edge(int fd, int *seconds)
{
	struct rtc_time first, t;
	u64 deadline = monotonic_ns() + 5ull * SECOND;

	MUST(ioctl(fd, RTC_RD_TIME, &first));
	do {
		const struct timespec pause = { .tv_nsec = MS };

		nanosleep(&pause, NULL);
		MUST(ioctl(fd, RTC_RD_TIME, &t));
		EXPECT(monotonic_ns() < deadline, "the RTC stands still");
	} while (t.tm_sec == first.tm_sec);
	*seconds = (t.tm_hour * 60 + t.tm_min) * 60 + t.tm_sec;
	return monotonic_ns();
}

void check_the_monotonic_clock_agrees_with_the_rtc(void)
{
	int fd = open("/dev/rtc0", O_RDONLY), from, to, seconds;
	u64 start, took;

	if (fd < 0)
		skip("no /dev/rtc0");
	start = rtc_edge(fd, &from);
	do
		took = rtc_edge(fd, &to) - start;
	while ((seconds = (to - from + 86400) % 86400) < 3);
	EXPECT(within_1_percent(took, (u64)seconds * SECOND), "%d seconds of the RTC were %llu ns", seconds,
	       (unsigned long long)took);
}

void check_the_tsc_is_steady_against_the_monotonic_clock(void)
{
	u64 rate[4];

	for (int i = 0; i < 4; i++) {
		const struct timespec t = { .tv_nsec = 100 * MS };
		u64 tsc = __rdtsc(), start = monotonic_ns();

		/* half of them asleep, half of them at work */
		if (i & 1)
			nanosleep(&t, NULL);
		else
			while (monotonic_ns() - start < 100 * MS)
				;
		rate[i] = (__rdtsc() - tsc) * 1000000 / (monotonic_ns() - start);
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
