/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small devices, and all of them together. */
#include <errno.h>
#include "../reset_port.h"
#include "../testdev.h"
#include "fake_machine.h"

static int setup(void **state)
{
	*state = fake_create(1);
	return 0;
}

static int teardown(void **state)
{
	fake_destroy(*state);
	return 0;
}

/* ---- resets ---- */

static void assert_resets(struct fake *f)
{
	assert_int_equal(f->m.stop, STOP_CPU_RESET);
	f->m.stop = STOP_NONE;
}

static void the_keyboard_controller_resets(void **state)
{
	struct fake *f = *state;

	out8(f, 0x64, 0xff);
	assert_int_equal(f->m.stop, STOP_NONE);
	out8(f, 0x64, 0xfe);
	assert_resets(f);
	out8(f, 0x64, 0xd0);
	assert_int_equal(in8(f, 0x60), 0xcf);
	out8(f, 0x64, 0xd1);
	out8(f, 0x60, 0xce);
	assert_resets(f);
}

static void port_92_and_cf9_reset_with_a_rising_bit(void **state)
{
	struct fake *f = *state;

	out8(f, 0x92, 0x03);
	assert_resets(f);
	out8(f, 0x92, 0x03);
	assert_int_equal(f->m.stop, STOP_NONE);
	out8(f, 0x92, in8(f, 0x92) & 0xfe);
	out8(f, 0x92, in8(f, 0x92) | 1);
	assert_resets(f);
	out8(f, 0xcf9, 0x02);
	assert_int_equal(in8(f, 0xcf9), 0x02);
	assert_int_equal(f->m.stop, STOP_NONE);
	out8(f, 0xcf9, 0);
	out8(f, 0xcf9, RESET_VALUE & ~2);
	assert_resets(f);
	out8(f, 0xcf9, 0);
	out8(f, 0xcf9, RESET_VALUE);
	assert_int_equal(f->m.stop, STOP_RESET);
	f->m.stop = STOP_NONE;
	out32(f, 0xcf8, 0xffffffff); /* PCI's address register, not ours */
	assert_int_equal(f->m.stop, STOP_NONE);
}

static void only_a_reset_of_everything_clears_the_bit_of_port_92(void **state)
{
	struct fake *f = *state;

	out8(f, 0x92, 0x03);
	devices_reset(&f->m);
	assert_int_equal(in8(f, 0x92), 3);
	f->m.stop = STOP_NONE;
	out8(f, 0xcf9, RESET_VALUE);
	devices_reset(&f->m);
	assert_int_equal(in8(f, 0x92), 2);
}

static void the_a20_gate_reads_back(void **state)
{
	struct fake *f = *state;

	assert_int_equal(in8(f, 0x92), 2);
	out8(f, 0x64, 0xdd);
	assert_int_equal(in8(f, 0x92), 0);
	out8(f, 0x64, 0xdf);
	assert_int_equal(in8(f, 0x92), 2);
	out8(f, 0x64, 0xd1);
	out8(f, 0x60, 0xdd);
	out8(f, 0x64, 0xd0);
	assert_int_equal(in8(f, 0x60), 0xcd);
	out8(f, 0x92, 2);
	out8(f, 0x64, 0xd0);
	assert_int_equal(in8(f, 0x60), 0xcf);
}

static void a_driver_finds_a_controller_without_devices(void **state)
{
	struct fake *f = *state;

	fake_program_pics(f);
	out8(f, 0x21, 0xfd);
	lapic_set_base(f->v[0]->apic, 0xfee00000);
	assert_int_equal(in8(f, 0x64) & 3, 0);
	out8(f, 0x64, 0xaa);
	assert_int_equal(in8(f, 0x64) & 1, 1);
	assert_int_equal(in8(f, 0x60), 0x55);
	out8(f, 0x64, 0x60);
	out8(f, 0x60, 0x01);
	out8(f, 0x64, 0x20);
	assert_int_equal(irqchip_pending(f->v[0]), 0x21);
	assert_int_equal(in8(f, 0x60), 0x01);
	out8(f, 0x64, 0xd3); /* auxiliary loop: the answer isn't auxiliary data */
	out8(f, 0x60, 0x5a);
	assert_int_equal(in8(f, 0x64) & 0x21, 0x01);
	in8(f, 0x60);
	out8(f, 0x64, 0xa9);
	assert_int_equal(in8(f, 0x60), 0x01);
	out8(f, 0x64, 0xab);
	assert_int_equal(in8(f, 0x60), 0x00);
	out8(f, 0x60, 0xf2); /* identify, keyboard! */
	assert_int_equal(in8(f, 0x64) & 0x41, 0x41);
	assert_int_equal(in8(f, 0x60), 0xfe);
	assert_int_equal(in8(f, 0x64) & 0x41, 0);
	out8(f, 0x64, 0x99); /* unknown: no answer */
	assert_int_equal(in8(f, 0x64) & 1, 0);
}

/* ---- PCI ---- */

static u32 config(struct fake *f, u32 device, u32 reg)
{
	out32(f, 0xcf8, 0x80000000 | device << 11 | reg);
	return in32(f, 0xcfc);
}

static void two_bridges_answer_and_nobody_else(void **state)
{
	struct fake *f = *state;

	assert_int_equal(config(f, 0, 0), 0x12378086);
	assert_int_equal(config(f, 0, 8) >> 16, 0x0600);
	assert_int_equal(config(f, 1, 0), 0x70008086);
	assert_int_equal(config(f, 1, 8) >> 16, 0x0601);
	assert_int_equal(config(f, 2, 0), 0xffffffff);
	assert_int_equal(config(f, 32, 0), 0xffffffff); /* bus 1 */
	out32(f, 0xcf8, 0x80000100); /* function 1 */
	assert_int_equal(in32(f, 0xcfc), 0xffffffff);
	out32(f, 0xcf8, 0);
	assert_int_equal(in32(f, 0xcfc), 0xffffffff);
	config(f, 0, 0);
	assert_int_equal(bus_pio_read(&f->m.bus, 0xcfe, 2), 0x1237);
	assert_int_equal(in8(f, 0xcfd), 0x80);
	/* base addresses: none */
	config(f, 0, 0x10);
	out32(f, 0xcfc, 0xffffffff);
	assert_int_equal(in32(f, 0xcfc), 0);
	config(f, 1, 0x60);
	out8(f, 0xcfd, 0x0b);
	assert_int_equal(in32(f, 0xcfc), 0x80800b80);
	devices_reset(&f->m);
	assert_int_equal(config(f, 1, 0x60), 0x80808080);
}

static void the_address_register_takes_dwords_only(void **state)
{
	struct fake *f = *state;

	out8(f, 0xcfb, 0x01);
	assert_int_equal(in32(f, 0xcf8), 0);
	out32(f, 0xcf8, 0x80000000);
	assert_int_equal(in32(f, 0xcf8), 0x80000000);
	out16(f, 0xcf8, 0x1234);
	assert_int_equal(in32(f, 0xcf8), 0x80000000);
}

/* ---- testdev, debug exit, port 0x80 ---- */

static void the_testdev_echoes(void **state)
{
	struct fake *f = *state;

	out32(f, 0xe0, 0x12345678);
	assert_int_equal(in32(f, 0xe0), 0x12345678);
	out16(f, 0xe0, 0x9999);
	assert_int_equal(in32(f, 0xe0), 0x12349999);
	assert_int_equal(in8(f, 0xe3), 0x12);
	out32(f, 0xe4, 0x1000);
	bus_mmio_write(&f->m.bus, TESTDEV_MMIO_GPA + 8, 8, 0x1122334455667788);
	assert_int_equal(bus_mmio_read(&f->m.bus, TESTDEV_MMIO_GPA + 10, 2), 0x5566);
	assert_true(bus_mmio_read(&f->m.bus, TESTDEV_MMIO_GPA + 8, 8) == 0x1122334455667788);
	bus_mmio_write(&f->m.bus, TESTDEV_MMIO_GPA + 0xffff, 1, 0xab);
	assert_int_equal(bus_mmio_read(&f->m.bus, TESTDEV_MMIO_GPA + 0xffff, 2), 0xffab);
	devices_reset(&f->m);
	assert_int_equal(in32(f, 0xe0), 0);
}

static void debug_exit_stops_with_an_odd_code(void **state)
{
	struct fake *f = *state;

	assert_int_equal(in32(f, 0xf4), 0);
	out32(f, 0xf4, 21);
	assert_int_equal(f->m.stop, STOP_DEBUG_EXIT);
	assert_int_equal(f->m.stop_code, 43);
}

static void quiet_ports_are_claimed(void **state)
{
	struct fake *f = *state;

	out8(f, 0x80, 0x42);
	assert_int_equal(in8(f, 0x87), 0xff);
	assert_int_equal(f->m.bus.unclaimed_pio, 0);
}

/* ---- all together ---- */

static void a_conflict_leaves_nothing_behind(void **state)
{
	struct machine m = { .name = "x" };
	struct devices_config c = { .debug_exit_iobase = 0x3d, .debug_exit_iosize = 4 };

	(void)state;
	clock_init(&m.clock, CLOCK_INSNS);
	assert_int_equal(devices_create(&m, &c), -EEXIST);
	assert_null(m.irqchip);
	assert_null(m.pit);
	assert_null(m.clock.timers.first);
	assert_int_equal(m.bus.pio_count, 0);
	c.debug_exit_iosize = 0;
	assert_int_equal(devices_create(&m, &c), 0);
	assert_null(m.debug_exit);
	assert_null(m.testdev);
	assert_null(m.serial[0]);
	assert_int_equal(bus_pio_read(&m.bus, 0x3fd, 1), 0xff);
	assert_int_equal(bus_pio_read(&m.bus, 0xe0, 1), 0xff);
	assert_non_null(m.pit);
	devices_destroy(&m);
	devices_destroy(&m);
	c.no_pit = true;
	assert_int_equal(devices_create(&m, &c), 0);
	devices_reset(&m);
	assert_null(m.pit);
	assert_int_equal(bus_pio_read(&m.bus, 0x40, 1), 0xff);
	devices_destroy(&m);
}

/* No access, however odd, may do more than a device's own business. */
static void random_accesses_are_harmless(void **state)
{
	struct fake *f = *state;
	u32 seed = 1;

	for (unsigned int i = 0; i < 300000; i++) {
		u32 value, how;
		u64 at;

		seed = seed * 1664525 + 1013904223;
		how = seed >> 8;
		seed = seed * 1664525 + 1013904223;
		value = seed ^ seed >> 16;
		/* half of them where devices are */
		at = how & 1 ? f->m.bus.pio[value % f->m.bus.pio_count].start + (how >> 1) % 8 : value & 0xffff;
		/* not the back end of this test: it takes 256 bytes */
		if (how & 2)
			bus_pio_read(&f->m.bus, (u16)at, 1u << (how >> 2) % 3);
		else if (at < 0x3f0 || at > 0x3f8)
			bus_pio_write(&f->m.bus, (u16)at, 1u << (how >> 2) % 3, value);
		at = how & 4 ? IOAPIC_GPA + value % 0x50 : TESTDEV_MMIO_GPA + value % 0x10004;
		bus_mmio_write(&f->m.bus, at, 1u << (how >> 3) % 4, (u64)value << 20 | how);
		bus_mmio_read(&f->m.bus, at, 1u << (how >> 3) % 4);
		lapic_mmio_write(f->v[0]->apic, value & 0xfff, how);
		lapic_mmio_read(f->v[0]->apic, how & 0xfff);
		irqchip_ack(f->v[0]);
		f->m.clock.insns += value % 100000;
		timer_run(&f->m.clock);
	}
	assert_true(f->m.bus.unclaimed_pio > 10000);
	devices_reset(&f->m);
	assert_int_equal(f->output_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_keyboard_controller_resets),
		TEST(port_92_and_cf9_reset_with_a_rising_bit),
		TEST(only_a_reset_of_everything_clears_the_bit_of_port_92),
		TEST(the_a20_gate_reads_back),
		TEST(a_driver_finds_a_controller_without_devices),
		TEST(two_bridges_answer_and_nobody_else),
		TEST(the_address_register_takes_dwords_only),
		TEST(the_testdev_echoes),
		TEST(debug_exit_stops_with_an_odd_code),
		TEST(quiet_ports_are_claimed),
		cmocka_unit_test(a_conflict_leaves_nothing_behind),
		TEST(random_accesses_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
