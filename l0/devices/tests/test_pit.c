/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "../pit.h"
#include "fake_machine.h"

static int setup(void **state)
{
	struct fake *f = fake_create(1);

	fake_program_pics(f);
	lapic_set_base(f->v[0]->apic, 0xfee00000);
	out8(f, 0x61, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_destroy(*state);
	return 0;
}

/* Program a channel: access both bytes. */
static void program(struct fake *f, unsigned int channel, unsigned int mode, u16 count)
{
	out8(f, 0x43, (u8)(channel << 6 | 0x30 | mode << 1));
	out8(f, (u16)(0x40 + channel), (u8)count);
	out8(f, (u16)(0x40 + channel), (u8)(count >> 8));
}

/* To the first moment at which the PIT has done n more ticks since the machine started. */
static void ticks(struct fake *f, u64 n)
{
	u64 now = clock_scale(clock_ns(&f->m.clock), PIT_HZ);

	fake_advance(f, clock_unscale(now + n, PIT_HZ) - clock_ns(&f->m.clock));
}

static u32 count(struct fake *f, unsigned int channel)
{
	u32 low;

	out8(f, 0x43, (u8)(channel << 6));
	low = in8(f, (u16)(0x40 + channel));
	return low | in8(f, (u16)(0x40 + channel)) << 8;
}

static bool output2(struct fake *f)
{
	return in8(f, 0x61) & 0x20;
}

/* Timer interrupts within n ticks, each taken at once. */
static unsigned int interrupts(struct fake *f, u64 n)
{
	unsigned int taken = 0;

	for (; n; n--) {
		ticks(f, 1);
		if (irqchip_pending(f->v[0]) == 0x20) {
			irqchip_ack(f->v[0]);
			out8(f, 0x20, 0x20);
			taken++;
		}
	}
	return taken;
}

static void drain(struct fake *f)
{
	while (irqchip_pending(f->v[0]) >= 0) {
		irqchip_ack(f->v[0]);
		out8(f, 0x20, 0x20);
	}
}

static void mode_0_interrupts_once_at_the_terminal_count(void **state)
{
	struct fake *f = *state;

	program(f, 0, 0, 100);
	drain(f);
	assert_int_equal(count(f, 0), 100);
	assert_int_equal(interrupts(f, 99), 0);
	assert_int_equal(count(f, 0), 1);
	assert_int_equal(interrupts(f, 1), 1);
	assert_int_equal(interrupts(f, 300), 0);
	assert_int_equal(count(f, 0), 0xffff & -300);
	out8(f, 0x40, 50); /* half a count stops and lowers */
	assert_int_equal(interrupts(f, 100), 0);
	out8(f, 0x40, 0);
	assert_int_equal(interrupts(f, 50), 1);
}

static void mode_2_interrupts_every_period(void **state)
{
	struct fake *f = *state;

	program(f, 0, 2, 1000);
	drain(f);
	assert_int_equal(count(f, 0), 1000);
	ticks(f, 1);
	assert_int_equal(count(f, 0), 999);
	ticks(f, 998);
	assert_int_equal(count(f, 0), 1);
	assert_int_equal(interrupts(f, 1), 1);
	assert_int_equal(count(f, 0), 1000);
	assert_int_equal(interrupts(f, 5000), 5);
}

static void mode_2_takes_a_new_count_at_the_end_of_a_period(void **state)
{
	struct fake *f = *state;

	program(f, 0, 2, 1000);
	drain(f);
	ticks(f, 2100);
	drain(f);
	out8(f, 0x40, 100);
	out8(f, 0x40, 0);
	assert_int_equal(count(f, 0), 900);
	assert_int_equal(interrupts(f, 899), 0);
	assert_int_equal(interrupts(f, 1), 1);
	assert_int_equal(count(f, 0), 100);
	assert_int_equal(interrupts(f, 500), 5);
}

static void mode_2_is_low_in_the_last_tick(void **state)
{
	struct fake *f = *state;

	program(f, 2, 2, 10);
	for (unsigned int i = 0; i < 30; i++) {
		assert_int_equal(output2(f), i % 10 != 9);
		ticks(f, 1);
	}
}

static void mode_3_is_a_square_wave(void **state)
{
	struct fake *f = *state;

	program(f, 2, 3, 10);
	for (unsigned int i = 0; i < 30; i++) {
		assert_int_equal(output2(f), i % 10 < 5);
		assert_int_equal(count(f, 2), 10 - i % 5 * 2);
		ticks(f, 1);
	}
	program(f, 0, 3, 0);
	drain(f);
	assert_int_equal(interrupts(f, 65536), 1);
}

static void mode_4_strobes_once(void **state)
{
	struct fake *f = *state;

	program(f, 2, 4, 10);
	for (unsigned int i = 0; i < 30; i++) {
		assert_int_equal(output2(f), i != 10);
		ticks(f, 1);
	}
	program(f, 0, 4, 10);
	drain(f);
	assert_int_equal(interrupts(f, 10), 0);
	assert_int_equal(interrupts(f, 1), 1);
	assert_int_equal(interrupts(f, 100000), 0);
}

static void modes_1_and_5_start_with_the_gate(void **state)
{
	struct fake *f = *state;

	program(f, 2, 1, 10);
	ticks(f, 20);
	assert_true(output2(f));
	out8(f, 0x61, 0);
	out8(f, 0x61, 1);
	assert_false(output2(f));
	ticks(f, 9);
	assert_false(output2(f));
	out8(f, 0x61, 0);
	out8(f, 0x61, 1); /* again, from the start */
	ticks(f, 9);
	assert_false(output2(f));
	ticks(f, 1);
	assert_true(output2(f));
	program(f, 2, 5, 10);
	out8(f, 0x61, 0);
	out8(f, 0x61, 1);
	ticks(f, 9);
	assert_true(output2(f));
	ticks(f, 1);
	assert_false(output2(f));
	ticks(f, 1);
	assert_true(output2(f));
}

static void the_gate_stops_counting(void **state)
{
	struct fake *f = *state;

	out8(f, 0x61, 0);
	program(f, 2, 0, 100);
	ticks(f, 1000);
	assert_int_equal(count(f, 2), 100);
	assert_false(output2(f));
	out8(f, 0x61, 1);
	ticks(f, 40);
	out8(f, 0x61, 0);
	ticks(f, 1000);
	assert_int_equal(count(f, 2), 60);
	out8(f, 0x61, 1);
	ticks(f, 59);
	assert_false(output2(f));
	ticks(f, 1);
	assert_true(output2(f));
	/* in modes 2 and 3 a rising gate starts the period anew */
	program(f, 2, 2, 100);
	ticks(f, 30);
	out8(f, 0x61, 0);
	assert_true(output2(f));
	out8(f, 0x61, 1);
	assert_int_equal(count(f, 2), 100);
}

static void read_back_latches_status_and_count(void **state)
{
	struct fake *f = *state;

	program(f, 2, 0, 1000);
	ticks(f, 100);
	out8(f, 0x43, 0xc8); /* both, channel 2 */
	ticks(f, 100);
	assert_int_equal(in8(f, 0x42), 0x30);
	assert_int_equal(in8(f, 0x42) | in8(f, 0x42) << 8, 900);
	assert_int_equal(count(f, 2), 800);
	out8(f, 0x43, 0xb0);
	out8(f, 0x43, 0xe8);
	assert_int_equal(in8(f, 0x42), 0x70); /* null count */
	out8(f, 0x43, 0x94); /* low byte only, mode 2 */
	out8(f, 0x42, 77);
	assert_int_equal(in8(f, 0x42), 77);
	out8(f, 0x43, 0xe8);
	assert_int_equal(in8(f, 0x42), 0x94);
}

static void bcd_counts_in_decimal(void **state)
{
	struct fake *f = *state;

	out8(f, 0x43, 0xb1);
	out8(f, 0x42, 0x00);
	out8(f, 0x42, 0x10); /* 1000 */
	ticks(f, 1);
	assert_int_equal(count(f, 2), 0x0999);
	ticks(f, 1000);
	assert_int_equal(count(f, 2), 0x9999);
}

static void the_refresh_bit_toggles(void **state)
{
	struct fake *f = *state;
	unsigned int changes = 0;
	u32 last = in8(f, 0x61) & 0x10;

	for (unsigned int i = 0; i < 1000; i++) {
		fake_advance(f, 1000);
		changes += (in8(f, 0x61) & 0x10) != last;
		last = in8(f, 0x61) & 0x10;
	}
	assert_in_range(changes, 60, 70);
}

static void late_looks_lose_ticks_not_time(void **state)
{
	struct fake *f = *state;

	program(f, 0, 2, 1000);
	drain(f);
	f->m.clock.insns += clock_unscale(5300, PIT_HZ);
	timer_run(&f->m.clock);
	assert_int_equal(interrupts(f, 690), 1);
	assert_int_equal(interrupts(f, 20), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mode_0_interrupts_once_at_the_terminal_count),
		TEST(mode_2_interrupts_every_period),
		TEST(mode_2_takes_a_new_count_at_the_end_of_a_period),
		TEST(mode_2_is_low_in_the_last_tick),
		TEST(mode_3_is_a_square_wave),
		TEST(mode_4_strobes_once),
		TEST(modes_1_and_5_start_with_the_gate),
		TEST(the_gate_stops_counting),
		TEST(read_back_latches_status_and_count),
		TEST(bcd_counts_in_decimal),
		TEST(the_refresh_bit_toggles),
		TEST(late_looks_lose_ticks_not_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
