/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "../calendar.h"
#include "fake_machine.h"

#define SECOND 1000000000ull
#define MS 1000000ull

static u32 get(struct fake *f, u8 reg)
{
	out8(f, 0x70, reg);
	return in8(f, 0x71);
}

static void set(struct fake *f, u8 reg, u8 value)
{
	out8(f, 0x70, reg);
	out8(f, 0x71, value);
}

static int setup(void **state)
{
	struct fake *f = fake_create(1);

	fake_program_pics(f);
	out8(f, 0x21, 0xfb); /* not the timer */
	lapic_set_base(f->v[0]->apic, 0xfee00000);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_destroy(*state);
	return 0;
}

/* Take the interrupt if there is one. */
static bool interrupted(struct fake *f)
{
	if (irqchip_pending(f->v[0]) != 0x28)
		return false;
	irqchip_ack(f->v[0]);
	out8(f, 0xa0, 0x20);
	out8(f, 0x20, 0x20);
	return true;
}

static void assert_time(struct fake *f, u32 hour, u32 minute, u32 second)
{
	assert_int_equal(get(f, 4), hour);
	assert_int_equal(get(f, 2), minute);
	assert_int_equal(get(f, 0), second);
}

static void dates_convert_both_ways(void **state)
{
	struct date d = calendar_date(951782399);

	(void)state;
	assert_int_equal(d.year, 2000);
	assert_int_equal(d.month, 2);
	assert_int_equal(d.day, 28);
	assert_int_equal(d.hour, 23);
	assert_int_equal(d.weekday, 1);
	d = calendar_date(951782400);
	assert_int_equal(d.day, 29);
	d = calendar_date(-1);
	assert_int_equal(d.year, 1969);
	assert_int_equal(d.month, 12);
	assert_int_equal(d.day, 31);
	assert_int_equal(d.weekday, 3);
	for (s64 day = -800000; day < 800000; day += 37) {
		d = calendar_date(day * 86400 + 4711);
		assert_true(calendar_seconds(&d) == day * 86400 + 4711);
		assert_in_range(d.month, 1, 12);
		assert_in_range(d.day, 1, 31);
	}
	d = (struct date){ .year = 2023, .month = 2, .day = 31 };
	assert_int_equal(calendar_date(calendar_seconds(&d)).month, 3);
}

static void time_starts_at_the_clocks_date_and_goes_on(void **state)
{
	struct fake *f = *state;

	assert_int_equal(get(f, 0x32), 0x20);
	assert_int_equal(get(f, 9), 0x26);
	assert_int_equal(get(f, 8), 1);
	assert_int_equal(get(f, 7), 1);
	assert_int_equal(get(f, 6), 5); /* Thursday */
	assert_time(f, 0, 0, 0);
	fake_advance(f, 61 * SECOND);
	assert_time(f, 0, 1, 1);
	fake_advance(f, 86399 * SECOND);
	assert_int_equal(get(f, 7), 2);
	assert_time(f, 0, 1, 0);
}

static void formats_are_bcd_or_binary_12_or_24(void **state)
{
	struct fake *f = *state;

	fake_advance(f, (23 * 3600 + 59 * 60 + 58) * SECOND);
	assert_time(f, 0x23, 0x59, 0x58);
	set(f, 11, 0x06);
	assert_time(f, 23, 59, 58);
	set(f, 11, 0x04);
	assert_time(f, 0x80 | 11, 59, 58);
	set(f, 11, 0x00);
	assert_time(f, 0x80 | 0x11, 0x59, 0x58);
	fake_advance(f, 2 * SECOND);
	assert_time(f, 0x12, 0, 0); /* midnight */
	fake_advance(f, 12 * 3600 * SECOND);
	assert_time(f, 0x80 | 0x12, 0, 0); /* noon */
	set(f, 4, 0x07);
	set(f, 11, 0x02);
	assert_time(f, 0x07, 0, 0);
}

static void setting_holds_the_clock(void **state)
{
	struct fake *f = *state;

	fake_advance(f, SECOND / 4);
	set(f, 11, 0x82);
	fake_advance(f, 10 * SECOND);
	assert_time(f, 0, 0, 0);
	set(f, 0, 0x58);
	set(f, 2, 0x59);
	set(f, 4, 0x23);
	set(f, 7, 0x28);
	set(f, 8, 0x02);
	set(f, 9, 0x24);
	set(f, 0x32, 0x20);
	assert_int_equal(get(f, 0), 0x58);
	set(f, 11, 0x02);
	fake_advance(f, SECOND / 2); /* the divider went on: half a second more to the boundary */
	assert_time(f, 0x23, 0x59, 0x58);
	fake_advance(f, SECOND / 4);
	assert_time(f, 0x23, 0x59, 0x59);
	fake_advance(f, SECOND);
	assert_time(f, 0, 0, 0);
	assert_int_equal(get(f, 7), 0x29);
	assert_int_equal(get(f, 8), 0x02);
}

static void a_divider_reset_starts_half_a_second_before_the_update(void **state)
{
	struct fake *f = *state;

	set(f, 10, 0x70);
	fake_advance(f, 5 * SECOND + 123456789);
	assert_time(f, 0, 0, 0);
	set(f, 0, 0x30);
	set(f, 10, 0x26);
	assert_time(f, 0, 0, 0x30);
	fake_advance(f, SECOND / 2 - MS);
	assert_time(f, 0, 0, 0x30);
	fake_advance(f, MS);
	assert_time(f, 0, 0, 0x31);
	fake_advance(f, SECOND);
	assert_time(f, 0, 0, 0x32);
}

static void uip_warns_of_the_update(void **state)
{
	struct fake *f = *state;

	assert_int_equal(get(f, 10), 0x26);
	fake_advance(f, SECOND - 3 * MS);
	assert_int_equal(get(f, 10), 0x26);
	fake_advance(f, MS);
	assert_int_equal(get(f, 10), 0xa6);
	fake_advance(f, 2 * MS);
	assert_int_equal(get(f, 10), 0x26);
	set(f, 11, 0x82);
	fake_advance(f, SECOND - MS);
	assert_int_equal(get(f, 10), 0x26);
}

static void the_update_interrupts_until_c_is_read(void **state)
{
	struct fake *f = *state;

	set(f, 11, 0x12);
	get(f, 12);
	assert_false(interrupted(f));
	fake_advance(f, SECOND);
	assert_true(interrupted(f));
	fake_advance(f, 5 * SECOND);
	assert_false(interrupted(f));
	assert_int_equal(get(f, 12) & 0x90, 0x90);
	assert_int_equal(get(f, 12), 0);
	fake_advance(f, SECOND);
	assert_true(interrupted(f));
}

static void the_periodic_rate_is_that_of_register_a(void **state)
{
	struct fake *f = *state;
	unsigned int n = 0;

	set(f, 11, 0x42);
	get(f, 12);
	for (unsigned int i = 0; i < 10000; i++) {
		fake_advance(f, SECOND / 10000);
		if (interrupted(f)) {
			n++;
			get(f, 12);
		}
	}
	assert_in_range(n, 1023, 1025);
	set(f, 10, 0x20);
	get(f, 12);
	fake_advance(f, SECOND);
	assert_false(interrupted(f));
	set(f, 10, 0x2f);
	get(f, 12);
	fake_advance(f, SECOND / 2);
	assert_true(interrupted(f));
}

static void the_alarm_matches_and_its_wildcards_match_all(void **state)
{
	struct fake *f = *state;

	set(f, 1, 0x05);
	set(f, 3, 0x01);
	set(f, 5, 0x00);
	set(f, 11, 0x22);
	get(f, 12);
	fake_advance(f, 65 * SECOND - MS);
	assert_false(interrupted(f));
	fake_advance(f, MS);
	assert_true(interrupted(f));
	assert_int_equal(get(f, 12) & 0xa0, 0xa0);
	fake_advance(f, 3600 * SECOND);
	assert_false(interrupted(f));
	set(f, 3, 0xff);
	set(f, 5, 0xc0);
	get(f, 12);
	fake_advance(f, 59 * SECOND);
	assert_false(interrupted(f));
	fake_advance(f, SECOND);
	assert_true(interrupted(f));
	set(f, 1, 0x7f); /* no second is that */
	get(f, 12);
	fake_advance(f, 86400 * SECOND);
	assert_false(interrupted(f));
}

static void flags_without_interrupts_can_be_polled(void **state)
{
	struct fake *f = *state;

	get(f, 12);
	fake_advance(f, SECOND);
	assert_int_equal(get(f, 12), 0x50);
	assert_int_equal(get(f, 12), 0);
}

static void cmos_remembers_and_tells_the_memory_size(void **state)
{
	struct fake *f = *state;

	assert_int_equal(get(f, 0x15) | get(f, 0x16) << 8, 640);
	assert_int_equal(get(f, 0x17) | get(f, 0x18) << 8, 63 * 1024);
	assert_int_equal(get(f, 0x30) | get(f, 0x31) << 8, 63 * 1024);
	assert_int_equal(get(f, 0x34) | get(f, 0x35) << 8, 48 * 16);
	assert_int_equal(get(f, 0x5b) | get(f, 0x5c) << 8 | get(f, 0x5d) << 16, 0);
	assert_int_equal(get(f, 13), 0x80);
	set(f, 0x8f, 0x0a); /* bit 7 is NMI's */
	assert_int_equal(get(f, 0x0f), 0x0a);
	set(f, 11, 0x72);
	devices_reset(&f->m);
	assert_int_equal(get(f, 0x0f), 0x0a);
	assert_int_equal(get(f, 11), 0x02);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_convert_both_ways),
		TEST(time_starts_at_the_clocks_date_and_goes_on),
		TEST(formats_are_bcd_or_binary_12_or_24),
		TEST(setting_holds_the_clock),
		TEST(a_divider_reset_starts_half_a_second_before_the_update),
		TEST(uip_warns_of_the_update),
		TEST(the_update_interrupts_until_c_is_read),
		TEST(the_periodic_rate_is_that_of_register_a),
		TEST(the_alarm_matches_and_its_wildcards_match_all),
		TEST(flags_without_interrupts_can_be_polled),
		TEST(cmos_remembers_and_tells_the_memory_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
