/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_machine.h"

#define LEVEL 0x8000u
#define LOGICAL 0x800u
#define REMOTE_IRR 0x4000u
#define MASKED 0x10000u

static int setup(void **state)
{
	struct fake *f = fake_create(3);

	for (unsigned int n = 0; n < 3; n++)
		lapic_mmio_write(f->v[n]->apic, 0xf0, 0x1ff);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_destroy(*state);
	return 0;
}

static u32 get(struct fake *f, u8 reg)
{
	bus_mmio_write(&f->m.bus, IOAPIC_GPA, 4, reg);
	return (u32)bus_mmio_read(&f->m.bus, IOAPIC_GPA + 0x10, 4);
}

static void set(struct fake *f, u8 reg, u32 value)
{
	bus_mmio_write(&f->m.bus, IOAPIC_GPA, 4, reg);
	bus_mmio_write(&f->m.bus, IOAPIC_GPA + 0x10, 4, value);
}

static void redirect(struct fake *f, unsigned int pin, u8 dest, u32 low)
{
	set(f, (u8)(0x11 + 2 * pin), (u32)dest << 24);
	set(f, (u8)(0x10 + 2 * pin), low);
}

static u32 entry(struct fake *f, unsigned int pin)
{
	return get(f, (u8)(0x10 + 2 * pin));
}

static void line(struct fake *f, unsigned int gsi, bool level)
{
	irqchip_set(f->m.irqchip, gsi, level);
}

static int pending(struct fake *f, unsigned int n)
{
	return irqchip_pending(f->v[n]);
}

static void eoi(struct fake *f, unsigned int n)
{
	lapic_mmio_write(f->v[n]->apic, 0xb0, 0);
}

static void registers_are_those_of_version_0x20(void **state)
{
	struct fake *f = *state;

	assert_int_equal(get(f, 1), 0x170020);
	set(f, 1, 0);
	assert_int_equal(get(f, 1), 0x170020);
	set(f, 0, 0xffffffff);
	assert_int_equal(get(f, 0), 0x0f000000);
	assert_int_equal(get(f, 2), 0x0f000000);
	for (unsigned int pin = 0; pin < 24; pin++)
		assert_int_equal(entry(f, pin), MASKED);
	set(f, 0x3e, 0xffffffff);
	assert_int_equal(get(f, 0x3e), 0x1afff); /* not delivery status, not remote IRR */
	assert_int_equal(get(f, 0x40), 0);
}

static void an_edge_sends_once(void **state)
{
	struct fake *f = *state;

	redirect(f, 14, 0, 0x76);
	line(f, 14, true);
	assert_int_equal(pending(f, 0), 0x76);
	assert_int_equal(irqchip_ack(f->v[0]), 0x76);
	eoi(f, 0);
	line(f, 14, true);
	assert_int_equal(pending(f, 0), -1);
	line(f, 14, false);
	line(f, 14, true);
	assert_int_equal(pending(f, 0), 0x76);
	assert_int_equal(entry(f, 14), 0x76);
}

static void a_level_holds_remote_irr_until_its_eoi(void **state)
{
	struct fake *f = *state;

	redirect(f, 14, 0, LEVEL | 0x77);
	line(f, 14, true);
	assert_int_equal(entry(f, 14), LEVEL | REMOTE_IRR | 0x77);
	assert_int_equal(irqchip_ack(f->v[0]), 0x77);
	assert_int_equal(lapic_mmio_read(f->v[0]->apic, 0x180 + 0x30), 1u << 23); /* TMR */
	line(f, 14, false);
	line(f, 14, true);
	assert_int_equal(pending(f, 0), -1);
	eoi(f, 0);
	assert_int_equal(irqchip_ack(f->v[0]), 0x77); /* asserted: comes again */
	line(f, 14, false);
	eoi(f, 0);
	assert_int_equal(pending(f, 0), -1);
	assert_int_equal(entry(f, 14), LEVEL | 0x77);
	/* the same vector as an edge clears TMR */
	redirect(f, 14, 0, 0x77);
	line(f, 14, true);
	assert_int_equal(lapic_mmio_read(f->v[0]->apic, 0x180 + 0x30), 0);
}

static void a_masked_edge_is_lost_and_a_masked_level_waits(void **state)
{
	struct fake *f = *state;

	redirect(f, 14, 0, MASKED | 0x81);
	redirect(f, 15, 0, MASKED | LEVEL | 0x82);
	line(f, 14, true);
	line(f, 15, true);
	assert_int_equal(pending(f, 0), -1);
	redirect(f, 14, 0, 0x81);
	assert_int_equal(pending(f, 0), -1);
	redirect(f, 15, 0, LEVEL | 0x82);
	assert_int_equal(pending(f, 0), 0x82);
}

static void masking_in_service_delays_the_next(void **state)
{
	struct fake *f = *state;

	redirect(f, 14, 0, LEVEL | 0x83);
	line(f, 14, true);
	irqchip_ack(f->v[0]);
	redirect(f, 14, 0, MASKED | LEVEL | 0x83);
	assert_int_equal(entry(f, 14), MASKED | REMOTE_IRR | LEVEL | 0x83);
	eoi(f, 0);
	assert_int_equal(entry(f, 14), MASKED | LEVEL | 0x83);
	assert_int_equal(pending(f, 0), -1);
	redirect(f, 14, 0, LEVEL | 0x83);
	assert_int_equal(pending(f, 0), 0x83);
}

static void a_new_destination_still_gets_its_eoi(void **state)
{
	struct fake *f = *state;

	redirect(f, 13, 0, LEVEL | 0x64);
	line(f, 13, true);
	assert_int_equal(irqchip_ack(f->v[0]), 0x64);
	line(f, 13, false);
	set(f, 0x11 + 2 * 13, 1u << 24);
	assert_int_equal(entry(f, 13), REMOTE_IRR | LEVEL | 0x64);
	eoi(f, 0);
	assert_int_equal(entry(f, 13), LEVEL | 0x64);
}

static void an_edge_has_no_remote_irr(void **state)
{
	struct fake *f = *state;

	redirect(f, 14, 0, LEVEL | 0x85);
	line(f, 14, true);
	irqchip_ack(f->v[0]);
	line(f, 14, false);
	redirect(f, 14, 0, 0x85);
	assert_int_equal(entry(f, 14), 0x85);
	redirect(f, 14, 0, LEVEL | 0x95);
	line(f, 14, true);
	assert_int_equal(pending(f, 0), 0x95);
}

static void eoi_broadcast_can_be_suppressed(void **state)
{
	struct fake *f = *state;

	assert_int_equal(lapic_mmio_read(f->v[0]->apic, 0x30) >> 24 & 1, 1);
	lapic_mmio_write(f->v[0]->apic, 0xf0, 0x11ff);
	redirect(f, 14, 0, LEVEL | 0x84);
	line(f, 14, true);
	irqchip_ack(f->v[0]);
	line(f, 14, false);
	eoi(f, 0);
	assert_int_equal(entry(f, 14), REMOTE_IRR | LEVEL | 0x84);
	bus_mmio_write(&f->m.bus, IOAPIC_GPA + 0x40, 4, 0x83);
	assert_int_equal(entry(f, 14), REMOTE_IRR | LEVEL | 0x84);
	bus_mmio_write(&f->m.bus, IOAPIC_GPA + 0x40, 4, 0x84);
	assert_int_equal(entry(f, 14), LEVEL | 0x84);
}

static void destinations_are_physical_or_logical(void **state)
{
	struct fake *f = *state;

	for (unsigned int n = 0; n < 3; n++)
		lapic_mmio_write(f->v[n]->apic, 0xd0, 1u << (24 + n));
	redirect(f, 5, 1, 0x51);
	line(f, 5, true);
	assert_int_equal(pending(f, 1), 0x51);
	assert_int_equal(pending(f, 0), -1);
	redirect(f, 6, 5, LOGICAL | 0x61);
	line(f, 6, true);
	assert_int_equal(pending(f, 0), 0x61);
	assert_int_equal(pending(f, 1), 0x51);
	assert_int_equal(pending(f, 2), 0x61);
	redirect(f, 7, 0xff, 0x71);
	line(f, 7, true);
	for (unsigned int n = 0; n < 3; n++)
		assert_int_equal(pending(f, n), 0x71);
}

static void lowest_priority_picks_one(void **state)
{
	struct fake *f = *state;

	for (unsigned int n = 0; n < 3; n++)
		lapic_mmio_write(f->v[n]->apic, 0xd0, 1u << (24 + n));
	lapic_set_cr8(f->v[0]->apic, 3);
	lapic_set_cr8(f->v[1]->apic, 2);
	lapic_set_cr8(f->v[2]->apic, 2);
	redirect(f, 5, 7, LOGICAL | 0x100 | 0x91);
	line(f, 5, true);
	assert_int_equal(pending(f, 0), -1);
	assert_int_equal(pending(f, 1), 0x91);
	assert_int_equal(pending(f, 2), -1);
}

static void other_modes_reach_the_cpu(void **state)
{
	struct fake *f = *state;

	redirect(f, 5, 1, 0x400);
	line(f, 5, true);
	assert_true(fake_posted(f, 1, EV_NMI));
	redirect(f, 6, 1, LEVEL | 0x500);
	line(f, 6, true);
	assert_true(fake_posted(f, 1, EV_INIT));
	assert_int_equal(entry(f, 6), LEVEL | 0x500);
}

static void nobody_there_leaves_no_remote_irr(void **state)
{
	struct fake *f = *state;

	redirect(f, 5, 9, LEVEL | 0x51);
	line(f, 5, true);
	assert_int_equal(entry(f, 5), LEVEL | 0x51);
	redirect(f, 5, 0, LEVEL | 0x51);
	assert_int_equal(pending(f, 0), 0x51);
}

static void the_timer_is_on_pin_2_and_the_8259s_on_pin_0(void **state)
{
	struct fake *f = *state;

	line(f, 0, false);
	redirect(f, 2, 0, 0x42);
	line(f, 2, true); /* the cascade: no device's */
	assert_int_equal(pending(f, 0), -1);
	line(f, 0, true);
	assert_int_equal(irqchip_ack(f->v[0]), 0x42);
	eoi(f, 0);
	fake_program_pics(f);
	out8(f, 0x21, 0xfd);
	redirect(f, 0, 0, 0x700); /* ExtINT */
	line(f, 1, true);
	assert_int_equal(pending(f, 0), 0x21);
	assert_int_equal(irqchip_ack(f->v[0]), 0x21);
	assert_int_equal(pending(f, 0), -1);
}

static void the_testdev_drives_lines(void **state)
{
	struct fake *f = *state;

	redirect(f, 20, 0, LEVEL | 0xa0);
	out8(f, 0x2000 + 20, 1);
	assert_int_equal(pending(f, 0), 0xa0);
	devices_reset(&f->m);
	redirect(f, 20, 0, LEVEL | 0xa1);
	irqchip_ack(f->v[0]);
	eoi(f, 0);
	assert_int_equal(pending(f, 0), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers_are_those_of_version_0x20),
		TEST(an_edge_sends_once),
		TEST(a_level_holds_remote_irr_until_its_eoi),
		TEST(a_masked_edge_is_lost_and_a_masked_level_waits),
		TEST(masking_in_service_delays_the_next),
		TEST(a_new_destination_still_gets_its_eoi),
		TEST(an_edge_has_no_remote_irr),
		TEST(eoi_broadcast_can_be_suppressed),
		TEST(destinations_are_physical_or_logical),
		TEST(lowest_priority_picks_one),
		TEST(other_modes_reach_the_cpu),
		TEST(nobody_there_leaves_no_remote_irr),
		TEST(the_timer_is_on_pin_2_and_the_8259s_on_pin_0),
		TEST(the_testdev_drives_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
