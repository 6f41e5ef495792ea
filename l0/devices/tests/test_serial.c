/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <string.h>
#include "fake_machine.h"

#define COM1 0x3f8
#define DATA (COM1 + 0)
#define IER (COM1 + 1)
#define IIR (COM1 + 2)
#define FCR (COM1 + 2)
#define LCR (COM1 + 3)
#define MCR (COM1 + 4)
#define LSR (COM1 + 5)
#define MSR (COM1 + 6)

#define MCR_ON 0x0b /* DTR, RTS, OUT2 */
#define LOOP 0x10

static int setup(void **state)
{
	struct fake *f = fake_create(1);

	fake_program_pics(f);
	out8(f, 0x21, 0xe7); /* IRQ 3 and 4 */
	lapic_set_base(f->v[0]->apic, 0xfee00000);
	out8(f, MCR, MCR_ON);
	in8(f, MSR);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_destroy(*state);
	return 0;
}

static bool interrupted(struct fake *f)
{
	if (irqchip_pending(f->v[0]) != 0x24)
		return false;
	irqchip_ack(f->v[0]);
	out8(f, 0x20, 0x20);
	return true;
}

static void type(struct fake *f, const char *text)
{
	assert_int_equal(serial_input(f->m.serial[0], (const u8 *)text, strlen(text)), strlen(text));
	assert_true(fake_posted(f, 0, EV_TIMER));
	timer_run(&f->m.clock);
}

static void output_goes_to_the_back_end(void **state)
{
	struct fake *f = *state;

	assert_int_equal(in8(f, LSR), 0x60);
	out8(f, DATA, 'h');
	out8(f, DATA, 'i');
	assert_int_equal(f->output_count, 2);
	assert_memory_equal(f->output, "hi", 2);
	assert_int_equal(in8(f, LSR), 0x60);
}

static void the_divisor_latch_hides_data_and_ier(void **state)
{
	struct fake *f = *state;

	out8(f, IER, 0x0f);
	out8(f, LCR, 0x83);
	out8(f, DATA, 0x34);
	out8(f, IER, 0x12);
	assert_int_equal(in8(f, DATA), 0x34);
	assert_int_equal(in8(f, IER), 0x12);
	assert_int_equal(f->output_count, 0);
	out8(f, LCR, 0x03);
	assert_int_equal(in8(f, LCR), 0x03);
	assert_int_equal(in8(f, IER), 0x0f);
	out8(f, COM1 + 7, 0x5a);
	assert_int_equal(in8(f, COM1 + 7), 0x5a);
}

static void the_transmit_interrupt_comes_with_enabling_and_writing(void **state)
{
	struct fake *f = *state;

	assert_int_equal(in8(f, IIR), 0x01);
	out8(f, IER, 0x02);
	assert_true(interrupted(f));
	assert_int_equal(in8(f, IIR), 0x02);
	assert_int_equal(in8(f, IIR), 0x01);
	assert_false(interrupted(f));
	out8(f, DATA, 'x');
	assert_true(interrupted(f));
	out8(f, DATA, 'y'); /* without a look at IIR: still a new edge */
	assert_true(interrupted(f));
	out8(f, IER, 0x00);
	assert_int_equal(in8(f, IIR), 0x01);
}

static void the_interrupt_goes_through_out2(void **state)
{
	struct fake *f = *state;

	out8(f, MCR, 0x03);
	out8(f, IER, 0x02);
	assert_false(interrupted(f));
	out8(f, MCR, 0x0b);
	assert_true(interrupted(f));
}

static void input_without_fifos_is_one_byte_at_a_time(void **state)
{
	struct fake *f = *state;

	out8(f, IER, 0x01);
	type(f, "abc");
	assert_true(interrupted(f));
	assert_int_equal(in8(f, IIR), 0x04);
	assert_int_equal(in8(f, LSR), 0x61);
	assert_int_equal(in8(f, DATA), 'a');
	assert_int_equal(in8(f, DATA), 'b');
	assert_int_equal(in8(f, DATA), 'c');
	assert_int_equal(in8(f, LSR), 0x60);
	assert_int_equal(in8(f, DATA), 'c');
	assert_int_equal(in8(f, IIR), 0x01);
}

static void the_fifo_interrupts_at_its_trigger_or_after_a_timeout(void **state)
{
	struct fake *f = *state;

	out8(f, LCR, 0x83);
	out8(f, DATA, 1); /* 115200 */
	out8(f, IER, 0);
	out8(f, LCR, 0x03);
	out8(f, FCR, 0x81); /* trigger 8 */
	out8(f, IER, 0x01);
	assert_int_equal(in8(f, IIR), 0xc1);
	type(f, "1234567");
	assert_false(interrupted(f));
	fake_advance(f, 300000);
	assert_false(interrupted(f));
	fake_advance(f, 60000); /* four characters of ten bits: 347 us */
	assert_true(interrupted(f));
	assert_int_equal(in8(f, IIR), 0xcc);
	assert_int_equal(in8(f, DATA), '1');
	assert_int_equal(in8(f, IIR), 0xc1);
	type(f, "89");
	assert_true(interrupted(f));
	assert_int_equal(in8(f, IIR), 0xc4);
	for (int c = '2'; c <= '9'; c++)
		assert_int_equal(in8(f, DATA), c);
	assert_int_equal(in8(f, IIR), 0xc1);
	fake_advance(f, 1000000);
	assert_int_equal(in8(f, IIR), 0xc1);
}

static void input_waits_and_is_never_dropped(void **state)
{
	struct fake *f = *state;
	u8 bytes[5000];
	size_t taken;

	out8(f, FCR, 0x01);
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (u8)(i * 7);
	taken = serial_input(f->m.serial[0], bytes, sizeof(bytes));
	assert_int_equal(taken, 4096);
	assert_int_equal(serial_input(f->m.serial[0], bytes, 1), 0);
	timer_run(&f->m.clock);
	taken += serial_input(f->m.serial[0], bytes + taken, sizeof(bytes) - taken);
	assert_int_equal(taken, 4112);
	for (unsigned int i = 0; i < taken; i++) {
		assert_int_equal(in8(f, LSR), 0x61);
		assert_int_equal(in8(f, DATA), bytes[i]);
	}
	assert_int_equal(in8(f, LSR), 0x60);
}

static void the_line_is_silent_until_rts_or_the_receive_interrupt(void **state)
{
	struct fake *f = *state;

	out8(f, MCR, 0);
	type(f, "k");
	assert_int_equal(in8(f, LSR), 0x60);
	out8(f, FCR, 0x07); /* a driver's reset loses nothing */
	out8(f, MCR, 0x02);
	assert_int_equal(in8(f, LSR), 0x61);
	assert_int_equal(in8(f, DATA), 'k');
	out8(f, MCR, 0);
	type(f, "l");
	out8(f, IER, 1);
	assert_int_equal(in8(f, DATA), 'l');
	/* the machine's reset isn't the terminal's */
	out8(f, IER, 0);
	type(f, "m");
	devices_reset(&f->m);
	out8(f, MCR, 0x02);
	assert_int_equal(in8(f, DATA), 'm');
}

static void resetting_the_fifo_empties_it(void **state)
{
	struct fake *f = *state;

	out8(f, FCR, 0x01);
	type(f, "abc");
	out8(f, FCR, 0x03);
	assert_int_equal(in8(f, LSR), 0x60);
	type(f, "d");
	out8(f, FCR, 0x00);
	assert_int_equal(in8(f, LSR), 0x60);
	assert_int_equal(in8(f, IIR), 0x01);
}

static void loopback_returns_data_and_modem_lines(void **state)
{
	struct fake *f = *state;

	out8(f, FCR, 0x01);
	out8(f, MCR, LOOP);
	in8(f, MSR);
	assert_int_equal(in8(f, MSR), 0x00);
	out8(f, MCR, LOOP | 0x0a); /* RTS, OUT2 */
	assert_int_equal(in8(f, MSR), 0x90 | 0x09);
	assert_int_equal(in8(f, MSR), 0x90);
	out8(f, MCR, LOOP | 0x04); /* OUT1: the ring indicator */
	assert_int_equal(in8(f, MSR), 0x40 | 0x09);
	out8(f, MCR, LOOP); /* its end counts */
	assert_int_equal(in8(f, MSR), 0x04);
	for (unsigned int i = 0; i < 18; i++)
		out8(f, DATA, (u8)i);
	assert_int_equal(f->output_count, 0);
	assert_int_equal(in8(f, LSR), 0x63); /* overrun */
	assert_int_equal(in8(f, LSR), 0x61);
	for (unsigned int i = 0; i < 16; i++)
		assert_int_equal(in8(f, DATA), i);
	assert_int_equal(in8(f, LSR), 0x60);
	type(f, "x"); /* the line isn't heard */
	assert_int_equal(in8(f, LSR), 0x60);
	out8(f, LCR, 0x43);
	assert_int_equal(in8(f, LSR), 0xf1); /* a break */
	assert_int_equal(in8(f, DATA), 0);
	out8(f, LCR, 0x03);
	out8(f, MCR, MCR_ON);
	assert_int_equal(in8(f, DATA), 'x');
	assert_int_equal(in8(f, MSR) & 0xf0, 0xb0);
}

static void sources_have_their_priorities(void **state)
{
	struct fake *f = *state;

	out8(f, IER, 0x0f);
	out8(f, MCR, LOOP | MCR_ON); /* CTS, DSR stay, RI stays, DCD stays: no delta */
	out8(f, MCR, LOOP | 0x08); /* CTS and DSR fall */
	out8(f, DATA, 1);
	out8(f, DATA, 2); /* overrun */
	assert_int_equal(in8(f, IIR), 0x06);
	assert_int_equal(in8(f, LSR), 0x63);
	assert_int_equal(in8(f, IIR), 0x04);
	assert_int_equal(in8(f, DATA), 2);
	assert_int_equal(in8(f, IIR), 0x02);
	assert_int_equal(in8(f, IIR), 0x00);
	assert_int_equal(in8(f, MSR) & 0x0f, 0x03);
	assert_int_equal(in8(f, IIR), 0x01);
}

static void a_break_is_an_error_of_its_character(void **state)
{
	struct fake *f = *state;

	out8(f, FCR, 0x01);
	out8(f, IER, 0x05);
	type(f, "a");
	assert_true(serial_input_break(f->m.serial[0]));
	timer_run(&f->m.clock);
	assert_int_equal(in8(f, LSR), 0xe1); /* in the FIFO, but not the next one */
	assert_int_equal(in8(f, DATA), 'a');
	assert_int_equal(in8(f, IIR), 0xc6);
	assert_int_equal(in8(f, LSR), 0xf1);
	assert_int_equal(in8(f, DATA), 0);
	assert_int_equal(in8(f, LSR), 0x60);
}

#define BYTES 100000u

static void *typist(void *arg)
{
	struct fake *f = arg;

	for (unsigned int i = 0; i < BYTES;) {
		u8 byte = (u8)(i ^ i >> 8);

		i += (unsigned int)serial_input(f->m.serial[0], &byte, 1);
	}
	return NULL;
}

static void another_thread_may_type(void **state)
{
	struct fake *f = *state;
	pthread_t thread;

	out8(f, FCR, 0x01);
	assert_int_equal(pthread_create(&thread, NULL, typist, f), 0);
	for (unsigned int i = 0; i < BYTES;) {
		timer_run(&f->m.clock);
		if (in8(f, LSR) & 1) {
			assert_int_equal(in8(f, DATA), (u8)(i ^ i >> 8));
			i++;
		}
	}
	pthread_join(thread, NULL);
}

static void ports_that_share_an_interrupt_dont_release_it(void **state)
{
	struct fake *f = *state;
	struct serial_backend nowhere = { NULL, NULL };
	struct serial *com3 = serial_create(&f->m, 2, &nowhere);

	out8(f, 0x4d0, 0x10); /* a level: what is released is gone */
	out8(f, IER, 0x02);
	serial_ops.read(com3, 5, 1);
	serial_reset(com3);
	assert_true(interrupted(f));
	serial_destroy(com3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(output_goes_to_the_back_end),
		TEST(the_divisor_latch_hides_data_and_ier),
		TEST(the_transmit_interrupt_comes_with_enabling_and_writing),
		TEST(the_interrupt_goes_through_out2),
		TEST(input_without_fifos_is_one_byte_at_a_time),
		TEST(the_fifo_interrupts_at_its_trigger_or_after_a_timeout),
		TEST(input_waits_and_is_never_dropped),
		TEST(the_line_is_silent_until_rts_or_the_receive_interrupt),
		TEST(resetting_the_fifo_empties_it),
		TEST(loopback_returns_data_and_modem_lines),
		TEST(sources_have_their_priorities),
		TEST(a_break_is_an_error_of_its_character),
		TEST(another_thread_may_type),
		TEST(ports_that_share_an_interrupt_dont_release_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
