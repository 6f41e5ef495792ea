/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MC146818 real-time clock with 128 bytes of CMOS memory at 0x70; its interrupt is GSI 8. Starts with
 * the machine's wall-clock time in UTC and goes on with the machine's clock. Motorola MC146818A datasheet.
 */
#ifndef L0_DEVICES_RTC_H
#define L0_DEVICES_RTC_H

#include "bus.h"

struct machine;
struct rtc;

#define RTC_PORT 0x70
#define RTC_GSI 8
#define RTC_CENTURY 0x32 /* for the FADT */

/* low, high: bytes of RAM below 4 GiB (from 0 on) and above, for those who ask CMOS for them. NULL: no memory */
struct rtc *rtc_create(struct machine *m, u64 low, u64 high);
void rtc_destroy(struct rtc *r);
void rtc_reset(struct rtc *r); /* time and CMOS memory go on, as with a battery */
/* Will an alarm interrupt come if nobody touches the clock any more? */
bool rtc_alarm_is_set(const struct rtc *r);
extern const struct bus_ops rtc_ops; /* dev: the struct rtc */

#endif
