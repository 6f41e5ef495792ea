/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "calendar.h"

#define DAY_SECONDS 86400
#define ERA_YEARS 400
#define ERA_DAYS 146097
#define EPOCH_DAY 719468 /* 1970-01-01, counted from 0000-03-01 */
#define EPOCH_WEEKDAY 4 /* a Thursday */

static s64 floor_div(s64 a, s64 b)
{
	s64 quotient = a / b;

	return a % b < 0 ? quotient - 1 : quotient;
}

/*
 * The year starts with March here, so that the leap day is its last one: the days before month m
 * (0 = March) are then (153 * m + 2) / 5.
 */
static unsigned int days_before_month(unsigned int month_from_march)
{
	return (153 * month_from_march + 2) / 5;
}

static s64 days_before_year(s64 year)
{
	return year * 365 + floor_div(year, 4) - floor_div(year, 100) + floor_div(year, 400);
}

struct date calendar_date(s64 seconds)
{
	s64 days = floor_div(seconds, DAY_SECONDS);
	unsigned int second = (unsigned int)(seconds - days * DAY_SECONDS);
	s64 since_march = days + EPOCH_DAY;
	s64 year = floor_div(since_march * ERA_YEARS, ERA_DAYS); /* at most one off */
	unsigned int day_of_year, month = 11;

	while (days_before_year(year) > since_march)
		year--;
	while (days_before_year(year + 1) <= since_march)
		year++;
	day_of_year = (unsigned int)(since_march - days_before_year(year));
	while (days_before_month(month) > day_of_year)
		month--;
	return (struct date){
		.year = month >= 10 ? year + 1 : year,
		.month = month >= 10 ? month - 9 : month + 3,
		.day = day_of_year - days_before_month(month) + 1,
		.weekday = (unsigned int)(days + EPOCH_WEEKDAY - floor_div(days + EPOCH_WEEKDAY, 7) * 7),
		.hour = second / 3600,
		.minute = second / 60 % 60,
		.second = second % 60,
	};
}

s64 calendar_seconds(const struct date *d)
{
	s64 months = d->year * 12 + d->month - 3; /* since March of year 0 */
	s64 year = floor_div(months, 12);
	unsigned int month = (unsigned int)(months - year * 12);
	s64 days = days_before_year(year) + days_before_month(month) + d->day - 1 - EPOCH_DAY;

	return days * DAY_SECONDS + d->hour * 3600 + d->minute * 60 + d->second;
}
