/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a program in real mode finds in the first megabyte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include "../../devices/pic.h"
#include "../../devices/rtc.h"
#include "../../devices/serial.h"
#include "../firmware.h"
#include "../layout.h"
#include "images.h"

/* in the place of devices/serial.c, which would bring all devices with it */
const struct serial_location serial_location[SERIAL_COUNT] = { { 0x3f8, 4 }, { 0x2f8, 3 }, { 0x3e8, 4 }, { 0x2e8, 3 } };

static struct machine m;
static u8 cmos[128], cmos_index;
static unsigned int ended[2];

static u64 cmos_read(void *dev, u64 offset, unsigned int size)
{
	(void)dev;
	(void)size;
	return offset ? cmos[cmos_index] : 0xff;
}

static void cmos_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	(void)dev;
	(void)size;
	if (offset)
		cmos[cmos_index] = (u8)value;
	else
		cmos_index = value & 0x7f;
}

static void pic_write_port(void *dev, u64 offset, unsigned int size, u64 value)
{
	(void)size;
	assert_int_equal(offset, 0);
	assert_int_equal(value, 0x20);
	++*(unsigned int *)dev;
}

static const struct bus_ops cmos_ops = { .read = cmos_read, .write = cmos_write };
static const struct bus_ops end_ops = { .read = cmos_read, .write = pic_write_port };

static int setup(void **state)
{
	(void)state;
	ram_machine_create(&m, 32ull << 20);
	memset(cmos, 0, sizeof(cmos));
	ended[0] = ended[1] = 0;
	assert_int_equal(bus_add_pio(&m.bus, RTC_PORT, 2, &cmos_ops, NULL, "cmos"), 0);
	assert_int_equal(bus_add_pio(&m.bus, PIC_MASTER_PORT, 2, &end_ops, &ended[0], "master"), 0);
	assert_int_equal(bus_add_pio(&m.bus, PIC_SLAVE_PORT, 2, &end_ops, &ended[1], "slave"), 0);
	m.serial[0] = m.serial[1] = (struct serial *)&m;
	assert_int_equal(firmware_build(&m), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ram_machine_destroy(&m);
	return 0;
}

static u32 number(u32 gpa, unsigned int size)
{
	u32 v = 0;

	memcpy(&v, m.memory.base + gpa, size);
	return v;
}

/* where a vector leads to */
static const u8 *handler(u8 vector)
{
	u32 target = number(vector * 4u, 4), linear = (target >> 16 << 4) + (target & 0xffff);

	assert_int_equal(target >> 16, 0xf000);
	assert_in_range(linear, LAYOUT_FIRMWARE, LAYOUT_BIOS_END - 17);
	return m.memory.base + linear;
}

static void every_vector_leads_to_a_handler(void **state)
{
	const u8 iret = 0xcf, master[] = { 0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf },
		 slave[] = { 0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, 0xcf };

	(void)state;
	for (unsigned int i = 0; i < 256; i++) {
		const u8 *code = handler((u8)i);

		if (i >= 9 && i <= 15)
			assert_memory_equal(code, master, sizeof(master));
		else if (i >= 0x70 && i <= 0x77)
			assert_memory_equal(code, slave, sizeof(slave));
	}
	assert_memory_equal(handler(0), &iret, 1);
	assert_memory_equal(handler(0x1c), &iret, 1);
}

static void the_timers_jump_over_midnight_lands_on_int_1ch(void **state)
{
	const u8 *code = handler(8);
	unsigned int i = 0;

	(void)state;
	while (code[i] != 0x72)
		i++;
	assert_in_range(i, 0, 32);
	assert_int_equal(code[i + 2 + code[i + 1]], 0xcd);
	assert_int_equal(code[i + 2 + code[i + 1] + 1], 0x1c);
}

static void the_reset_vector_jumps_to_code_that_resets_the_cpu(void **state)
{
	u32 linear = (number(0xffff3, 2) << 4) + number(0xffff1, 2);

	(void)state;
	assert_int_equal(number(0xffff0, 1), 0xea);
	assert_int_equal(number(0xffffe, 1), 0xfc);
	assert_memory_equal(m.memory.base + linear, "\xfa\xb0\xfe\xe6\x64\xf4\xeb\xfd", 8);
}

static void the_data_area_describes_the_machine(void **state)
{
	(void)state;
	assert_int_equal(number(0x400, 4), 0x02f803f8);
	assert_int_equal(number(0x404, 4), 0);
	assert_int_equal(number(0x410, 2), 2 << 9 | 2);
	assert_int_equal(number(0x413, 2), 639);
	assert_int_equal(number(0x40e, 2), 0x9fc0);
	assert_int_equal(number(0x9fc00, 2), 1);
	assert_int_equal(number(0x46c, 4), 0);
}

static void a_reset_goes_on_where_shutdown_codes_5_and_10_say(void **state)
{
	static const u8 codes[] = { 0, 5, 9, 10, 0xff };
	struct boot_state b;

	(void)state;
	for (unsigned int i = 0; i < sizeof(codes); i++) {
		bool resumes = codes[i] == 5 || codes[i] == 10;

		memcpy(m.memory.base + 0x467, "\x34\x12\x00\x10", 4);
		cmos[15] = codes[i];
		ended[0] = ended[1] = 0;
		assert_int_equal(firmware_resume(&m, &b), resumes);
		assert_int_equal(cmos[15], 0);
		assert_int_equal(ended[0], codes[i] == 5);
		assert_int_equal(ended[1], codes[i] == 5);
		if (!resumes)
			continue;
		assert_int_equal(b.mode, BOOT_REAL);
		assert_int_equal(b.segment, 0x1000);
		assert_int_equal(b.rip, 0x1234);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_vector_leads_to_a_handler),
		TEST(the_timers_jump_over_midnight_lands_on_int_1ch),
		TEST(the_reset_vector_jumps_to_code_that_resets_the_cpu),
		TEST(the_data_area_describes_the_machine),
		TEST(a_reset_goes_on_where_shutdown_codes_5_and_10_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
