/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "../pic.h"
#include "fake_machine.h"

#define EOI 0x20
#define READ_IRR 0x0a
#define READ_ISR 0x0b
#define POLL 0x0c

static int setup(void **state)
{
	struct fake *f = fake_create(1);

	fake_program_pics(f);
	irqchip_set(f->m.irqchip, 0, false);
	/* without a local APIC INT is the CPU's INTR */
	lapic_set_base(f->v[0]->apic, 0xfee00000);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_destroy(*state);
	return 0;
}

static void pulse(struct fake *f, unsigned int gsi)
{
	irqchip_set(f->m.irqchip, gsi, true);
	irqchip_set(f->m.irqchip, gsi, false);
}

static int pending(struct fake *f)
{
	return irqchip_pending(f->v[0]);
}

static int ack(struct fake *f)
{
	return irqchip_ack(f->v[0]);
}

static u32 master(struct fake *f, u8 what)
{
	out8(f, 0x20, what);
	return in8(f, 0x20);
}

static void an_edge_is_posted_acknowledged_and_ended(void **state)
{
	struct fake *f = *state;

	fake_posted(f, 0, EV_INTR);
	assert_int_equal(pending(f), -1);
	pulse(f, 4);
	assert_true(fake_posted(f, 0, EV_INTR));
	assert_int_equal(pending(f), 0x24);
	assert_int_equal(master(f, READ_IRR), 0x10);
	assert_int_equal(ack(f), 0x24);
	assert_int_equal(master(f, READ_IRR), 0);
	assert_int_equal(master(f, READ_ISR), 0x10);
	assert_int_equal(pending(f), -1);
	out8(f, 0x20, EOI);
	assert_int_equal(master(f, READ_ISR), 0);
}

static void a_higher_input_nests_and_a_lower_one_waits(void **state)
{
	struct fake *f = *state;

	pulse(f, 4);
	assert_int_equal(ack(f), 0x24);
	pulse(f, 6);
	assert_int_equal(pending(f), -1);
	fake_posted(f, 0, EV_INTR);
	pulse(f, 1);
	assert_true(fake_posted(f, 0, EV_INTR));
	assert_int_equal(ack(f), 0x21);
	out8(f, 0x20, EOI); /* ends 1 */
	assert_int_equal(master(f, READ_ISR), 0x10);
	assert_int_equal(pending(f), -1);
	out8(f, 0x20, EOI);
	assert_true(fake_posted(f, 0, EV_INTR));
	assert_int_equal(pending(f), 0x26);
}

static void requests_behind_an_acknowledge_are_posted_again(void **state)
{
	struct fake *f = *state;

	out8(f, 0x20, 0x11); /* automatic EOI */
	out8(f, 0x21, 0x20);
	out8(f, 0x21, 4);
	out8(f, 0x21, 3);
	pulse(f, 3);
	pulse(f, 5);
	fake_posted(f, 0, EV_INTR);
	assert_int_equal(ack(f), 0x23);
	assert_true(fake_posted(f, 0, EV_INTR));
	assert_int_equal(ack(f), 0x25);
	assert_int_equal(pending(f), -1);
	assert_int_equal(master(f, READ_ISR), 0);
}

static void a_masked_input_waits_for_its_mask(void **state)
{
	struct fake *f = *state;

	out8(f, 0x21, 0x10);
	assert_int_equal(in8(f, 0x21), 0x10);
	pulse(f, 4);
	assert_int_equal(pending(f), -1);
	out8(f, 0x21, 0);
	assert_int_equal(pending(f), 0x24);
}

static void the_slave_interrupts_through_input_2(void **state)
{
	struct fake *f = *state;

	pulse(f, 12);
	assert_int_equal(master(f, READ_IRR), 0x04);
	assert_int_equal(pending(f), 0x2c);
	assert_int_equal(ack(f), 0x2c);
	assert_int_equal(master(f, READ_ISR), 0x04);
	out8(f, 0xa0, READ_ISR);
	assert_int_equal(in8(f, 0xa0), 0x10);
	/* a higher input of the slave is blocked at the master until both have ended */
	pulse(f, 8);
	assert_int_equal(pending(f), -1);
	out8(f, 0xa0, EOI);
	out8(f, 0x20, EOI);
	assert_int_equal(pending(f), 0x28);
}

static void special_fully_nested_lets_the_slave_nest(void **state)
{
	struct fake *f = *state;

	out8(f, 0x20, 0x11);
	out8(f, 0x21, 0x20);
	out8(f, 0x21, 4);
	out8(f, 0x21, 0x11);
	pulse(f, 12);
	assert_int_equal(ack(f), 0x2c);
	pulse(f, 8);
	assert_int_equal(ack(f), 0x28);
	pulse(f, 13);
	assert_int_equal(pending(f), -1);
}

static void a_request_that_vanishes_is_spurious(void **state)
{
	struct fake *f = *state;

	out8(f, 0x4d0, 0x20);
	assert_int_equal(in8(f, 0x4d0), 0x20);
	irqchip_set(f->m.irqchip, 5, true);
	assert_int_equal(pending(f), 0x25);
	irqchip_set(f->m.irqchip, 5, false);
	assert_int_equal(pending(f), -1);
	/* on the chip itself: no request, so input 7 without an in-service bit */
	struct pic p;

	pic_reset(&p);
	assert_int_equal(pic_ack(&p), 0x0f);
	assert_int_equal(p.chip[0].isr, 0);
}

static void a_level_comes_again_after_its_end(void **state)
{
	struct fake *f = *state;

	out8(f, 0x4d1, 0x08);
	irqchip_set(f->m.irqchip, 11, true);
	assert_int_equal(ack(f), 0x2b);
	out8(f, 0xa0, EOI);
	out8(f, 0x20, EOI);
	assert_int_equal(ack(f), 0x2b);
	irqchip_set(f->m.irqchip, 11, false);
	out8(f, 0xa0, EOI);
	out8(f, 0x20, EOI);
	assert_int_equal(pending(f), -1);
}

static void a_held_edge_comes_once(void **state)
{
	struct fake *f = *state;

	irqchip_set(f->m.irqchip, 3, true);
	irqchip_set(f->m.irqchip, 3, true);
	assert_int_equal(ack(f), 0x23);
	out8(f, 0x20, EOI);
	assert_int_equal(pending(f), -1);
	irqchip_set(f->m.irqchip, 3, false);
	irqchip_set(f->m.irqchip, 3, true);
	assert_int_equal(pending(f), 0x23);
}

static void wired_inputs_have_no_trigger_mode(void **state)
{
	struct fake *f = *state;

	out16(f, 0x4d0, 0xffff);
	assert_int_equal(in8(f, 0x4d0), 0xf8);
	assert_int_equal(in8(f, 0x4d1), 0xde);
}

static void rotation_moves_the_lowest_priority(void **state)
{
	struct fake *f = *state;

	pulse(f, 3);
	assert_int_equal(ack(f), 0x23);
	out8(f, 0x20, 0xa0); /* rotate on non-specific EOI: 3 is the lowest now */
	pulse(f, 3);
	pulse(f, 4);
	pulse(f, 1);
	assert_int_equal(ack(f), 0x24);
	out8(f, 0x20, 0x64); /* specific EOI of 4 */
	assert_int_equal(ack(f), 0x21);
	out8(f, 0x20, 0xe1); /* rotate on specific EOI */
	assert_int_equal(ack(f), 0x23);
	out8(f, 0x20, EOI);
	out8(f, 0x20, 0xc7); /* set priority: as after initialization */
	pulse(f, 6);
	pulse(f, 0);
	assert_int_equal(ack(f), 0x20);
}

static void rotation_in_automatic_eoi_mode(void **state)
{
	struct fake *f = *state;

	out8(f, 0x20, 0x11);
	out8(f, 0x21, 0x20);
	out8(f, 0x21, 4);
	out8(f, 0x21, 3);
	out8(f, 0x20, 0x80);
	pulse(f, 1);
	assert_int_equal(ack(f), 0x21);
	pulse(f, 1);
	pulse(f, 6);
	assert_int_equal(ack(f), 0x26);
	assert_int_equal(ack(f), 0x21);
}

static void special_mask_mode_opens_lower_inputs(void **state)
{
	struct fake *f = *state;

	pulse(f, 1);
	assert_int_equal(ack(f), 0x21);
	pulse(f, 6);
	assert_int_equal(pending(f), -1);
	out8(f, 0x21, 0x02);
	assert_int_equal(pending(f), -1);
	out8(f, 0x20, 0x68);
	assert_int_equal(pending(f), 0x26);
	out8(f, 0x20, 0x48);
	assert_int_equal(pending(f), -1);
}

static void a_poll_acknowledges(void **state)
{
	struct fake *f = *state;

	assert_int_equal(master(f, POLL), 0);
	pulse(f, 5);
	assert_int_equal(master(f, POLL), 0x85);
	assert_int_equal(master(f, READ_ISR), 0x20);
	assert_int_equal(pending(f), -1);
}

static void initialization_clears_masks_and_edges(void **state)
{
	struct fake *f = *state;

	pulse(f, 5);
	out8(f, 0x21, 0xff);
	out8(f, 0x20, 0x11);
	out8(f, 0x21, 0x40);
	out8(f, 0x21, 4);
	out8(f, 0x21, 1);
	assert_int_equal(in8(f, 0x21), 0);
	assert_int_equal(pending(f), -1);
	pulse(f, 5);
	assert_int_equal(pending(f), 0x45);
	irqchip_reset(f->m.irqchip);
	assert_int_equal(in8(f, 0x21), 0xfa); /* the timer and the slave */
	assert_int_equal(in8(f, 0xa1), 0xff);
	assert_int_equal(in8(f, 0x4d1), 0x02); /* the ACPI interrupt */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_edge_is_posted_acknowledged_and_ended),
		TEST(a_higher_input_nests_and_a_lower_one_waits),
		TEST(requests_behind_an_acknowledge_are_posted_again),
		TEST(a_masked_input_waits_for_its_mask),
		TEST(the_slave_interrupts_through_input_2),
		TEST(special_fully_nested_lets_the_slave_nest),
		TEST(a_request_that_vanishes_is_spurious),
		TEST(a_level_comes_again_after_its_end),
		TEST(a_held_edge_comes_once),
		TEST(wired_inputs_have_no_trigger_mode),
		TEST(rotation_moves_the_lowest_priority),
		TEST(rotation_in_automatic_eoi_mode),
		TEST(special_mask_mode_opens_lower_inputs),
		TEST(a_poll_acknowledges),
		TEST(initialization_clears_masks_and_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
