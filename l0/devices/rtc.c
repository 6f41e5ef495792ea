/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time isn't counted: the clock's second boundaries are at `phase` plus whole seconds of the machine's
 * clock, and the date is computed when a guest reads it. While the guest holds the clock (SET, or the
 * divider in reset) the registers are bytes that it writes; they become a date when it lets go.
 *
 * Flags of register C are found when somebody looks: what would have set them between `seen` and
 * now. A timer is armed only while an enabled interrupt can come.
 */
#include "rtc.h"

#include <stdlib.h>

#include "../machine/machine.h"
#include "acpi_pm.h"
#include "calendar.h"
#include "irqchip.h"

#define NS_PER_SECOND 1000000000ull

enum rtc_register {
	RTC_SECONDS,
	RTC_SECONDS_ALARM,
	RTC_MINUTES,
	RTC_MINUTES_ALARM,
	RTC_HOURS,
	RTC_HOURS_ALARM,
	RTC_WEEKDAY,
	RTC_DAY,
	RTC_MONTH,
	RTC_YEAR,
	RTC_A,
	RTC_B,
	RTC_C,
	RTC_D,
	CMOS_SIZE = 128,
};

#define A_UIP BIT(7)
#define A_DIVIDER 0x70u
#define A_DIVIDER_32KHZ 0x20u
#define A_RATE 0x0fu
#define A_FIRMWARE 0x26 /* 32 kHz, 1024 Hz */
#define B_SET BIT(7)
#define B_PIE BIT(6)
#define B_AIE BIT(5)
#define B_UIE BIT(4)
#define B_SQWE BIT(3)
#define B_BINARY BIT(2)
#define B_24H BIT(1)
#define C_IRQF BIT(7)
#define C_PF BIT(6)
#define C_AF BIT(5)
#define C_UF BIT(4)
#define C_FLAGS (C_PF | C_AF | C_UF)
#define D_VALID BIT(7) /* the battery is fine */

#define HOURS_PM BIT(7)
#define ALARM_ANY 0xc0u /* both bits: every value matches */

/* from UIP's rise to the new second: 244 us of warning and 1984 us of update */
#define UPDATE_NS 2228000ull
/* out of divider reset the first update comes half a second later */
#define DIVIDER_RESET_NS (NS_PER_SECOND / 2)

struct rtc {
	struct machine *machine;
	u8 index;
	u8 cmos[CMOS_SIZE]; /* the date's registers: valid while the clock is held */
	u64 phase; /* ns of a second boundary, not in the future while the clock runs */
	s64 seconds; /* since 1970, from that boundary on */
	u64 seen; /* ns up to which register C is right */
	struct timer timer;
};

static bool divider_runs(const struct rtc *r)
{
	return (r->cmos[RTC_A] & A_DIVIDER) == A_DIVIDER_32KHZ;
}

static bool clock_runs(const struct rtc *r)
{
	return divider_runs(r) && !(r->cmos[RTC_B] & B_SET);
}

static u64 rtc_ns(struct rtc *r)
{
	return clock_ns(&r->machine->clock);
}

static s64 seconds_at(const struct rtc *r, u64 ns)
{
	return ns < r->phase ? r->seconds - 1 : r->seconds + (s64)((ns - r->phase) / NS_PER_SECOND);
}

static u64 ns_of_second(const struct rtc *r, s64 second)
{
	return r->phase + (u64)(second - r->seconds) * NS_PER_SECOND;
}

/* ---- the registers' formats ---- */

static u8 encode(const struct rtc *r, unsigned int value)
{
	return (u8)(r->cmos[RTC_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static unsigned int decode(const struct rtc *r, u8 value)
{
	return r->cmos[RTC_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 0xf);
}

static u8 encode_hour(const struct rtc *r, unsigned int hour)
{
	if (r->cmos[RTC_B] & B_24H)
		return encode(r, hour);
	return encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOURS_PM : 0);
}

static unsigned int decode_hour(const struct rtc *r, u8 value)
{
	if (r->cmos[RTC_B] & B_24H)
		return decode(r, value);
	return decode(r, value & 0x7f) % 12 + (value & HOURS_PM ? 12 : 0);
}

static bool is_date_register(u8 index)
{
	switch (index) {
	case RTC_SECONDS:
	case RTC_MINUTES:
	case RTC_HOURS:
	case RTC_WEEKDAY ... RTC_YEAR:
	case RTC_CENTURY:
		return true;
	}
	return false;
}

static void date_to_registers(struct rtc *r, s64 seconds)
{
	struct date d = calendar_date(seconds);

	r->cmos[RTC_SECONDS] = encode(r, d.second);
	r->cmos[RTC_MINUTES] = encode(r, d.minute);
	r->cmos[RTC_HOURS] = encode_hour(r, d.hour);
	r->cmos[RTC_WEEKDAY] = encode(r, d.weekday + 1);
	r->cmos[RTC_DAY] = encode(r, d.day);
	r->cmos[RTC_MONTH] = encode(r, d.month);
	r->cmos[RTC_YEAR] = encode(r, (unsigned int)(d.year % 100));
	r->cmos[RTC_CENTURY] = encode(r, (unsigned int)(d.year / 100 % 100));
}

/* The weekday follows from the date: a guest that writes another one doesn't see it again. */
static s64 registers_to_date(const struct rtc *r)
{
	struct date d = {
		.year = decode(r, r->cmos[RTC_CENTURY]) * 100 + decode(r, r->cmos[RTC_YEAR]),
		.month = decode(r, r->cmos[RTC_MONTH]),
		.day = decode(r, r->cmos[RTC_DAY]),
		.hour = decode_hour(r, r->cmos[RTC_HOURS]),
		.minute = decode(r, r->cmos[RTC_MINUTES]),
		.second = decode(r, r->cmos[RTC_SECONDS]),
	};

	return calendar_seconds(&d);
}

/* ---- interrupts ---- */

static bool alarm_field(const struct rtc *r, enum rtc_register alarm, unsigned int value)
{
	u8 wanted = r->cmos[alarm];

	if ((wanted & ALARM_ANY) == ALARM_ANY)
		return true;
	return wanted == (alarm == RTC_HOURS_ALARM ? encode_hour(r, value) : encode(r, value));
}

/* The first second after `after` whose time of day matches the alarm; INT64_MAX if no time does. */
static s64 alarm_next(const struct rtc *r, s64 after)
{
	s64 second = after + 1, end = after + 2 * 86400;

	while (second < end) {
		struct date d = calendar_date(second);

		if (!alarm_field(r, RTC_HOURS_ALARM, d.hour))
			second += 3600 - (s64)(d.minute * 60 + d.second);
		else if (!alarm_field(r, RTC_MINUTES_ALARM, d.minute))
			second += 60 - (s64)d.second;
		else if (!alarm_field(r, RTC_SECONDS_ALARM, d.second))
			second++;
		else
			return second;
	}
	return INT64_MAX;
}

/* ns between periodic interrupts, 0 if there are none */
static u64 period_ns(const struct rtc *r)
{
	unsigned int rate = r->cmos[RTC_A] & A_RATE;

	if (!rate || !divider_runs(r))
		return 0;
	if (rate < 3) /* rates 1 and 2 are 8 and 9 again */
		rate += 7;
	return clock_unscale(1ull << (rate - 1), 32768);
}

static void rtc_update_line(struct rtc *r)
{
	bool level = r->cmos[RTC_C] & r->cmos[RTC_B] & C_FLAGS;

	if (level)
		r->cmos[RTC_C] |= C_IRQF;
	irqchip_set(r->machine->irqchip, RTC_GSI, level);
	acpi_pm_rtc_alarm(r->machine->acpi_pm, r->cmos[RTC_C] & r->cmos[RTC_B] & C_AF);
}

bool rtc_alarm_is_set(const struct rtc *r)
{
	return (r->cmos[RTC_B] & (u8)~r->cmos[RTC_C] & B_AIE) && clock_runs(r) &&
	       alarm_next(r, seconds_at(r, r->seen)) != INT64_MAX;
}

/* Set the flags whose events lie in (seen, now]. */
static void rtc_catch_up(struct rtc *r, u64 now)
{
	u64 period = period_ns(r);

	if (period && now / period != r->seen / period)
		r->cmos[RTC_C] |= C_PF;
	if (clock_runs(r) && seconds_at(r, now) != seconds_at(r, r->seen)) {
		r->cmos[RTC_C] |= C_UF;
		if (alarm_next(r, seconds_at(r, r->seen)) <= seconds_at(r, now))
			r->cmos[RTC_C] |= C_AF;
	}
	r->seen = now;
	rtc_update_line(r);
}

/* When something that is enabled and not flagged yet happens next. */
static void rtc_schedule(struct rtc *r)
{
	u8 waiting = r->cmos[RTC_B] & (u8)~r->cmos[RTC_C];
	u64 period = period_ns(r), next = TIMER_OFF, at;
	s64 second = seconds_at(r, r->seen), alarm;

	if ((waiting & B_PIE) && period)
		next = (r->seen / period + 1) * period;
	if ((waiting & B_UIE) && clock_runs(r)) {
		at = ns_of_second(r, second + 1);
		next = at < next ? at : next;
	}
	if ((waiting & B_AIE) && clock_runs(r)) {
		alarm = alarm_next(r, second);
		at = alarm == INT64_MAX ? TIMER_OFF : ns_of_second(r, alarm);
		next = at < next ? at : next;
	}
	if (next == TIMER_OFF)
		timer_cancel(&r->machine->clock, &r->timer);
	else
		timer_arm(&r->machine->clock, &r->timer, next);
}

static void rtc_fired(void *arg)
{
	struct rtc *r = arg;

	rtc_catch_up(r, rtc_ns(r));
	rtc_schedule(r);
}

/* ---- the ports ---- */

static bool update_in_progress(const struct rtc *r, u64 now)
{
	return clock_runs(r) && ns_of_second(r, seconds_at(r, now) + 1) - now <= UPDATE_NS;
}

static u8 rtc_read_register(struct rtc *r, u64 now)
{
	u8 value;

	switch (r->index) {
	case RTC_A:
		return r->cmos[RTC_A] | (update_in_progress(r, now) ? A_UIP : 0);
	case RTC_C:
		value = r->cmos[RTC_C];
		r->cmos[RTC_C] = 0;
		rtc_update_line(r);
		rtc_schedule(r);
		return value;
	}
	if (is_date_register(r->index) && clock_runs(r))
		date_to_registers(r, seconds_at(r, now));
	return r->cmos[r->index];
}

/* A or B was written: the clock may stop, go on, or change its format. */
static void rtc_write_control(struct rtc *r, u8 value, u64 now)
{
	bool ran = clock_runs(r), divider_ran = divider_runs(r);

	if (r->index == RTC_A) {
		if (ran)
			date_to_registers(r, seconds_at(r, now));
		r->cmos[RTC_A] = value & (u8)~A_UIP;
	} else {
		if (value & B_SET) /* as the datasheet says */
			value &= (u8)~B_UIE;
		/* a change of format on the run doesn't change the time */
		if (ran && (value & B_SET))
			date_to_registers(r, seconds_at(r, now));
		r->cmos[RTC_B] = value;
		if (ran && !(value & B_SET))
			return;
	}
	if (!divider_ran && divider_runs(r))
		r->phase = now + NS_PER_SECOND - DIVIDER_RESET_NS;
	else if (divider_ran) /* SET stops the registers, not the divider */
		r->phase = now < r->phase ? r->phase : now - (now - r->phase) % NS_PER_SECOND;
	if (ran || clock_runs(r))
		r->seconds = registers_to_date(r) + (now < r->phase);
}

static void rtc_write_register(struct rtc *r, u8 value, u64 now)
{
	switch (r->index) {
	case RTC_A:
	case RTC_B:
		rtc_write_control(r, value, now);
		return;
	case RTC_C:
	case RTC_D:
		return;
	}
	if (!is_date_register(r->index) || !clock_runs(r)) {
		r->cmos[r->index] = value;
		return;
	}
	date_to_registers(r, seconds_at(r, now));
	r->cmos[r->index] = value;
	r->seconds += registers_to_date(r) - seconds_at(r, now);
}

static u64 rtc_read(void *dev, u64 offset, unsigned int size)
{
	struct rtc *r = dev;
	u64 now = rtc_ns(r);

	(void)size;
	if (!offset) /* the index can't be read */
		return 0xff;
	rtc_catch_up(r, now);
	return rtc_read_register(r, now);
}

/* Bit 7 of the index would mask NMI; nothing on this board raises one. */
static void rtc_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct rtc *r = dev;
	u64 now = rtc_ns(r);

	(void)size;
	if (!offset) {
		r->index = value & (CMOS_SIZE - 1);
		return;
	}
	rtc_catch_up(r, now);
	rtc_write_register(r, (u8)value, now);
	rtc_update_line(r);
	rtc_schedule(r);
}

const struct bus_ops rtc_ops = { .read = rtc_read, .write = rtc_write, .width = 1 };

void rtc_reset(struct rtc *r)
{
	rtc_catch_up(r, rtc_ns(r));
	r->index = 0;
	r->cmos[RTC_B] &= (u8) ~(B_PIE | B_AIE | B_UIE | B_SQWE);
	r->cmos[RTC_C] = 0;
	rtc_update_line(r);
	rtc_schedule(r);
}

static void cmos_set16(struct rtc *r, u8 index, u64 value)
{
	if (value > 0xffff)
		value = 0xffff;
	r->cmos[index] = (u8)value;
	r->cmos[index + 1] = (u8)(value >> 8);
}

#define CMOS_BASE_KB 0x15
#define CMOS_EXTENDED_KB 0x17
#define CMOS_EXTENDED_KB_COPY 0x30
#define CMOS_ABOVE_16M 0x34 /* in 64 KiB */
#define CMOS_ABOVE_4G 0x5b /* in 64 KiB, three bytes */

static void cmos_memory(struct rtc *r, u64 low, u64 high)
{
	u64 extended = low > (1 << 20) ? (low - (1 << 20)) >> 10 : 0;

	cmos_set16(r, CMOS_BASE_KB, 640);
	cmos_set16(r, CMOS_EXTENDED_KB, extended);
	cmos_set16(r, CMOS_EXTENDED_KB_COPY, extended);
	cmos_set16(r, CMOS_ABOVE_16M, low > (16 << 20) ? (low - (16 << 20)) >> 16 : 0);
	r->cmos[CMOS_ABOVE_4G] = (u8)(high >> 16);
	r->cmos[CMOS_ABOVE_4G + 1] = (u8)(high >> 24);
	r->cmos[CMOS_ABOVE_4G + 2] = (u8)(high >> 32);
}

struct rtc *rtc_create(struct machine *m, u64 low, u64 high)
{
	struct rtc *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->machine = m;
	r->phase = r->seen = rtc_ns(r);
	r->seconds = (s64)clock_wall_seconds(&m->clock);
	r->cmos[RTC_A] = A_FIRMWARE;
	r->cmos[RTC_B] = B_24H;
	r->cmos[RTC_D] = D_VALID;
	cmos_memory(r, low, high);
	timer_init(&r->timer, rtc_fired, r);
	return r;
}

void rtc_destroy(struct rtc *r)
{
	if (!r)
		return;
	timer_cancel(&r->machine->clock, &r->timer);
	free(r);
}
