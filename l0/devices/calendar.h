/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seconds since 1970 to a date of the Gregorian calendar and back, UTC, without leap seconds. */
#ifndef L0_DEVICES_CALENDAR_H
#define L0_DEVICES_CALENDAR_H

#include "../cpu/types.h"

struct date {
	s64 year;
	unsigned int month, day; /* 1.. */
	unsigned int weekday; /* 0: Sunday */
	unsigned int hour, minute, second;
};

struct date calendar_date(s64 seconds);
/* Fields beyond their range carry on: day 32 of January is the first of February. `weekday` is not looked at. */
s64 calendar_seconds(const struct date *d);

#endif
