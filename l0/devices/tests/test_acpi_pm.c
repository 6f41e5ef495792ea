/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "../acpi_pm.h"
#include "fake_machine.h"

#define STATUS ACPI_PM1_EVENT_PORT
#define ENABLE (ACPI_PM1_EVENT_PORT + 2)

static int setup(void **state)
{
	struct fake *f = fake_create(1);

	fake_program_pics(f);
	out8(f, 0x21, 0xfb);
	lapic_set_base(f->v[0]->apic, 0xfee00000);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_destroy(*state);
	return 0;
}

static u32 in16(struct fake *f, u16 port)
{
	return bus_pio_read(&f->m.bus, port, 2);
}

static void the_timer_counts_24_bits_at_its_rate(void **state)
{
	struct fake *f = *state;
	u32 start = in32(f, ACPI_PM_TIMER_PORT);

	fake_advance(f, 1000000000);
	assert_int_equal(in32(f, ACPI_PM_TIMER_PORT) - start, 3579545);
	fake_advance(f, 4000000000);
	assert_int_equal(in32(f, ACPI_PM_TIMER_PORT), (5 * 3579545) & 0xffffff);
	out32(f, ACPI_PM_TIMER_PORT, 0);
	assert_int_equal(in32(f, ACPI_PM_TIMER_PORT), (5 * 3579545) & 0xffffff);
}

static void the_timers_top_bit_interrupts_as_a_level(void **state)
{
	struct fake *f = *state;

	out16(f, ENABLE, 1);
	fake_advance(f, 2343000000);
	assert_int_equal(in16(f, STATUS), 0);
	assert_int_equal(irqchip_pending(f->v[0]), -1);
	fake_advance(f, 1000000);
	assert_int_equal(irqchip_ack(f->v[0]), 0x29);
	assert_int_equal(in16(f, STATUS), 1);
	out8(f, 0xa0, 0x20);
	out8(f, 0x20, 0x20);
	assert_int_equal(irqchip_pending(f->v[0]), 0x29); /* not cleared yet */
	out16(f, STATUS, 0xffff);
	assert_int_equal(in16(f, STATUS), 0);
	assert_int_equal(irqchip_pending(f->v[0]), -1);
	fake_advance(f, 2344000000);
	assert_int_equal(irqchip_pending(f->v[0]), 0x29);
}

static void the_status_is_right_without_an_interrupt(void **state)
{
	struct fake *f = *state;

	fake_advance(f, 2344000000);
	assert_int_equal(in32(f, STATUS), 1);
	out16(f, STATUS, 0xfffe); /* ones clear their own bit */
	out16(f, ENABLE, 0);
	assert_int_equal(in32(f, STATUS), 1);
	out32(f, STATUS, 0x07210000 | 1);
	assert_int_equal(in32(f, STATUS), 0x07210000);
	out8(f, ENABLE, 0);
	assert_int_equal(in16(f, ENABLE), 0x0700);
}

static void control_is_in_acpi_mode_for_good(void **state)
{
	struct fake *f = *state;

	assert_int_equal(in16(f, ACPI_PM1_CONTROL_PORT), 1);
	out16(f, ACPI_PM1_CONTROL_PORT, 0x1c02);
	assert_int_equal(in16(f, ACPI_PM1_CONTROL_PORT), 0x1c03);
}

static void s5_powers_off_and_s3_sleeps(void **state)
{
	struct fake *f = *state;

	out16(f, ACPI_PM1_CONTROL_PORT, 1 << 13 | 2 << 10); /* no \_Sx names it */
	assert_int_equal(f->m.stop, STOP_NONE);
	out16(f, ACPI_PM1_CONTROL_PORT, ACPI_S3_TYPE << 10);
	assert_int_equal(f->m.stop, STOP_NONE);
	out16(f, ACPI_PM1_CONTROL_PORT, 1 << 13 | ACPI_S3_TYPE << 10);
	assert_int_equal(f->m.stop, STOP_SLEEP);
	f->m.stop = STOP_NONE;
	out16(f, ACPI_PM1_CONTROL_PORT, ACPI_S5_TYPE << 10);
	assert_int_equal(f->m.stop, STOP_NONE);
	out16(f, ACPI_PM1_CONTROL_PORT, 1 << 13 | ACPI_S5_TYPE << 10);
	assert_int_equal(f->m.stop, STOP_POWER_OFF);
	assert_int_equal(f->m.stop_code, 0);
}

static void cmos(struct fake *f, u8 index, u8 value)
{
	out8(f, 0x70, index);
	out8(f, 0x71, value);
}

static void set_alarm(struct fake *f)
{
	cmos(f, 1, 0xc0);
	cmos(f, 3, 0xc0);
	cmos(f, 5, 0xc0);
	cmos(f, 11, 0x22);
}

static void the_clocks_alarm_wakes_if_it_is_enabled_in_both_places(void **state)
{
	struct fake *f = *state;

	assert_false(acpi_pm_can_wake(f->m.acpi_pm));
	out16(f, ENABLE, 0x400);
	assert_false(acpi_pm_can_wake(f->m.acpi_pm));
	set_alarm(f);
	assert_true(acpi_pm_can_wake(f->m.acpi_pm));
	assert_false(acpi_pm_wakes(f->m.acpi_pm));
	fake_advance(f, 1000000000);
	assert_int_equal(in16(f, STATUS) & 0x8400, 0x400);
	assert_true(acpi_pm_wakes(f->m.acpi_pm));
	out16(f, ENABLE, 0);
	assert_false(acpi_pm_wakes(f->m.acpi_pm) || acpi_pm_can_wake(f->m.acpi_pm));
	/* as long as the clock asserts its interrupt there is no other event */
	out16(f, STATUS, 0x400);
	out16(f, ENABLE, 0x400);
	fake_advance(f, 1000000000);
	assert_int_equal(in16(f, STATUS) & 0x8400, 0);
	assert_false(acpi_pm_can_wake(f->m.acpi_pm));
	out8(f, 0x70, 12);
	in8(f, 0x71);
	fake_advance(f, 1000000000);
	assert_int_equal(in16(f, STATUS) & 0x8400, 0x400);
	acpi_pm_wake(f->m.acpi_pm);
	assert_int_equal(in16(f, STATUS) & 0x8400, 0x8400);
	out16(f, STATUS, 0x8000);
	assert_int_equal(in16(f, STATUS) & 0x8400, 0x400);
}

static void sleep_takes_power_from_all_but_the_clock(void **state)
{
	struct fake *f = *state;

	out16(f, ENABLE, 0x400);
	set_alarm(f);
	out8(f, 0x3f9, 5);
	devices_sleep(&f->m);
	assert_int_equal(in8(f, 0x3f9), 0);
	assert_int_equal(in8(f, 0x21), 0xfa);
	fake_advance(f, 1000000000);
	assert_true(acpi_pm_wakes(f->m.acpi_pm));
	devices_reset(&f->m);
	assert_false(acpi_pm_wakes(f->m.acpi_pm));
}

static void general_purpose_events_never_happen(void **state)
{
	struct fake *f = *state;

	out16(f, ACPI_GPE0_PORT, 0xffff);
	out16(f, ACPI_GPE0_PORT + 2, 0x1234);
	assert_int_equal(in32(f, ACPI_GPE0_PORT), 0x12340000);
	devices_reset(&f->m);
	assert_int_equal(in32(f, ACPI_GPE0_PORT), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_timer_counts_24_bits_at_its_rate),
		TEST(the_timers_top_bit_interrupts_as_a_level),
		TEST(the_status_is_right_without_an_interrupt),
		TEST(control_is_in_acpi_mode_for_good),
		TEST(s5_powers_off_and_s3_sleeps),
		TEST(the_clocks_alarm_wakes_if_it_is_enabled_in_both_places),
		TEST(sleep_takes_power_from_all_but_the_clock),
		TEST(general_purpose_events_never_happen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
