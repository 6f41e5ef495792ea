/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "../bus.h"

struct probe {
	u64 offset, value;
	unsigned int size, calls;
};

static u64 probe_read(void *dev, u64 offset, unsigned int size)
{
	struct probe *p = dev;

	p->offset = offset;
	p->size = size;
	p->calls++;
	return 0x1122334455667788ull >> offset * 8;
}

static void probe_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct probe *p = dev;

	p->offset = offset;
	p->size = size;
	p->value = value;
	p->calls++;
}

static const struct bus_ops probe_ops = { .read = probe_read, .write = probe_write };
static const struct bus_ops byte_ops = { .read = probe_read, .write = probe_write, .width = 1 };

static void ranges_must_not_overlap(void **state)
{
	struct bus b = { 0 };

	(void)state;
	assert_int_equal(bus_add_pio(&b, 0x100, 8, &probe_ops, NULL, "a"), 0);
	assert_int_equal(bus_add_pio(&b, 0x107, 1, &probe_ops, NULL, "b"), -EEXIST);
	assert_int_equal(bus_add_pio(&b, 0xff, 2, &probe_ops, NULL, "c"), -EEXIST);
	assert_int_equal(bus_add_pio(&b, 0x80, 0x200, &probe_ops, NULL, "d"), -EEXIST);
	assert_int_equal(bus_add_pio(&b, 0x100, 8, &probe_ops, NULL, "e"), -EEXIST);
	assert_int_equal(bus_add_pio(&b, 0x108, 1, &probe_ops, NULL, "f"), 0);
	assert_int_equal(bus_add_pio(&b, 0xf8, 8, &probe_ops, NULL, "g"), 0);
	assert_int_equal(b.pio_count, 3);
	assert_int_equal(b.pio[0].start, 0xf8);
	assert_int_equal(b.pio[2].start, 0x108);
}

static void a_full_table_refuses(void **state)
{
	struct bus b = { 0 };

	(void)state;
	for (u32 i = 0; i < BUS_RANGES; i++)
		assert_int_equal(bus_add_mmio(&b, 0x10000 - i * 16, 16, &probe_ops, NULL, "x"), 0);
	assert_int_equal(bus_add_mmio(&b, 0, 16, &probe_ops, NULL, "y"), -ENOSPC);
}

static void an_access_inside_a_range_arrives_whole(void **state)
{
	struct bus b = { 0 };
	struct probe p = { 0 };

	(void)state;
	bus_add_mmio(&b, 0xfec00000, 0x1000, &probe_ops, &p, "p");
	assert_int_equal(bus_mmio_read(&b, 0xfec00000, 4), 0x55667788);
	assert_int_equal(p.size, 4);
	bus_mmio_write(&b, 0xfec00010, 8, 0x123456789abcdef0);
	assert_int_equal(p.offset, 0x10);
	assert_int_equal(p.value, 0x123456789abcdef0);
	bus_mmio_write(&b, 0xfec00010, 2, 0x123456);
	assert_int_equal(p.value, 0x3456);
}

static void nothing_there_reads_as_ones_and_is_counted(void **state)
{
	struct bus b = { 0 };

	(void)state;
	assert_int_equal(bus_pio_read(&b, 0x1234, 1), 0xff);
	assert_int_equal(bus_pio_read(&b, 0x1234, 4), 0xffffffff);
	bus_pio_write(&b, 0x1234, 2, 0);
	assert_true(bus_mmio_read(&b, 0xd0000000, 8) == UINT64_MAX);
	assert_int_equal(b.unclaimed_pio, 3);
	assert_int_equal(b.unclaimed_mmio, 1);
}

static void an_access_across_an_end_is_split_into_bytes(void **state)
{
	struct bus b = { 0 };
	struct probe p = { 0 };

	(void)state;
	bus_add_pio(&b, 0x101, 2, &probe_ops, &p, "p");
	assert_int_equal(bus_pio_read(&b, 0x100, 4), 0xff7788ff);
	assert_int_equal(p.calls, 2);
	assert_int_equal(p.size, 1);
	bus_pio_write(&b, 0x102, 2, 0xabcd);
	assert_int_equal(p.offset, 1);
	assert_int_equal(p.value, 0xcd);
}

static void a_byte_wide_device_gets_bytes(void **state)
{
	struct bus b = { 0 };
	struct probe p = { 0 };

	(void)state;
	bus_add_pio(&b, 0x40, 4, &byte_ops, &p, "p");
	assert_int_equal(bus_pio_read(&b, 0x40, 4), 0x55667788);
	assert_int_equal(p.calls, 4);
}

static void ports_wrap_at_64_k(void **state)
{
	struct bus b = { 0 };
	struct probe p = { 0 };

	(void)state;
	bus_add_pio(&b, 0, 1, &probe_ops, &p, "low");
	bus_add_pio(&b, 0xffff, 1, &probe_ops, &p, "high");
	assert_int_equal(bus_pio_read(&b, 0xffff, 2), 0x8888);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_must_not_overlap),
		cmocka_unit_test(a_full_table_refuses),
		cmocka_unit_test(an_access_inside_a_range_arrives_whole),
		cmocka_unit_test(nothing_there_reads_as_ones_and_is_counted),
		cmocka_unit_test(an_access_across_an_end_is_split_into_bytes),
		cmocka_unit_test(a_byte_wide_device_gets_bytes),
		cmocka_unit_test(ports_wrap_at_64_k),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
