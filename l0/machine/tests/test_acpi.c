/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI tables as a guest finds them: from "RSD PTR " on. test_acpi DIR also writes them there, for a disassembler. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../devices/acpi_pm.h"
#include "../../devices/serial.h"
#include "../acpi.h"
#include "../aml.h"
#include "../layout.h"
#include "images.h"

#define RAM (32ull << 20)
#define VCPUS 3

/* in the place of devices/serial.c, which would bring all devices with it */
const struct serial_location serial_location[SERIAL_COUNT] = { { 0x3f8, 4 }, { 0x2f8, 3 }, { 0x3e8, 4 }, { 0x2e8, 3 } };

static struct machine m;
static const char *dump_dir;

static const u8 *at(u64 gpa)
{
	assert_true(memory_is_ram(&m.memory, gpa));
	return m.memory.base + gpa;
}

static u64 number(u64 gpa, unsigned int size)
{
	u64 v = 0;

	memcpy(&v, at(gpa), size);
	return v;
}

static void assert_sum(u64 gpa, u64 n)
{
	u8 sum = 0;

	for (u64 i = 0; i < n; i++)
		sum += *at(gpa + i);
	assert_int_equal(sum, 0);
}

static u64 find_rsdp(void)
{
	for (u64 gpa = 0xe0000; gpa < 0x100000; gpa += 16)
		if (!memcmp(at(gpa), "RSD PTR ", 8))
			return gpa;
	fail_msg("no RSDP");
	return 0;
}

/* by signature, through the root table with entries of `width` bytes */
static u64 find_table(const char *signature, unsigned int width)
{
	u64 rsdp = find_rsdp(), root = number(rsdp + (width == 8 ? 24 : 16), width);

	for (u64 i = 36; i < number(root + 4, 4); i += width)
		if (!memcmp(at(number(root + i, width)), signature, 4))
			return number(root + i, width);
	fail_msg("no %s", signature);
	return 0;
}

static void assert_table(u64 gpa, const char *signature)
{
	assert_memory_equal(at(gpa), signature, 4);
	assert_in_range(number(gpa + 4, 4), 36, LAYOUT_ACPI_SIZE);
	assert_sum(gpa, number(gpa + 4, 4));
	assert_in_range(gpa, layout_acpi(&m.memory), layout_nvs(&m.memory) - number(gpa + 4, 4));
	if (dump_dir) {
		char path[4096];
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s.aml", dump_dir, signature);
		f = fopen(path, "wb");
		assert_non_null(f);
		assert_int_equal(fwrite(at(gpa), 1, number(gpa + 4, 4), f), number(gpa + 4, 4));
		fclose(f);
	}
}

static void every_table_has_a_good_checksum_and_both_roots_name_it(void **state)
{
	u64 rsdp = find_rsdp(), fadt = find_table("FACP", 8), facs = number(fadt + 36, 4);

	(void)state;
	assert_sum(rsdp, 20);
	assert_sum(rsdp, 36);
	assert_int_equal(*at(rsdp + 15), 2);
	assert_table(number(rsdp + 16, 4), "RSDT");
	assert_table(number(rsdp + 24, 8), "XSDT");
	assert_table(fadt, "FACP");
	assert_table(find_table("APIC", 8), "APIC");
	assert_table(number(fadt + 40, 4), "DSDT");
	assert_int_equal(find_table("FACP", 4), fadt);
	assert_int_equal(find_table("APIC", 4), find_table("APIC", 8));
	assert_memory_equal(at(facs), "FACS", 4);
	assert_int_equal(facs % 64, 0);
	assert_int_equal(facs, layout_nvs(&m.memory));
	assert_int_equal(number(LAYOUT_EBDA_POINTER, 2) << 4, LAYOUT_EBDA);
}

static void fadt_names_the_devices_ports(void **state)
{
	u64 f = find_table("FACP", 8);

	(void)state;
	assert_int_equal(number(f + 4, 4), 268);
	assert_int_equal(number(f + 46, 2), ACPI_SCI_GSI);
	assert_int_equal(number(f + 48, 4), 0); /* SMI_CMD: ACPI mode is always on */
	assert_int_equal(number(f + 56, 4), 0x600);
	assert_int_equal(number(f + 64, 4), 0x604);
	assert_int_equal(number(f + 76, 4), 0x608);
	assert_int_equal(number(f + 132, 8), 0);
	assert_int_equal(number(f + 140, 8), number(f + 40, 4));
	assert_int_equal(number(f + 116, 1), 1); /* RESET_REG: I/O */
	assert_int_equal(number(f + 120, 8), 0xcf9);
	assert_int_equal(number(f + 128, 1), 6);
	assert_true(number(f + 112, 4) & BIT(10));
	assert_false(number(f + 112, 4) & BIT(20)); /* HW_REDUCED_ACPI */
	assert_int_equal(number(f + 152, 8), 0x600);
	assert_int_equal(number(f + 176, 8), 0x604);
	assert_int_equal(number(f + 212, 8), 0x608);
}

static void madt_lists_processors_ioapic_and_overrides(void **state)
{
	static const u8 rest[] = {
		1, 12, 0,    0, 0x00, 0x00, 0xc0, 0xfe, 0,    0, 0, 0, /* I/O APIC */
		2, 10, 0,    0, 2,    0,    0,	  0,	0,    0, /* IRQ 0 is GSI 2 */
		2, 10, 0,    9, 9,    0,    0,	  0,	0x0d, 0, /* SCI: level, active high */
		4, 6,  0xff, 0, 0,    1, /* LINT1 is NMI */
	};
	u64 t = find_table("APIC", 8);

	(void)state;
	assert_int_equal(number(t + 36, 4), 0xfee00000);
	assert_int_equal(number(t + 40, 4), 1);
	for (u8 i = 0; i < VCPUS; i++) {
		const u8 lapic[] = { 0, 8, i, i, 1, 0, 0, 0 };

		assert_memory_equal(at(t + 44 + i * 8u), lapic, 8);
	}
	assert_int_equal(number(t + 4, 4), 44 + VCPUS * 8 + sizeof(rest));
	assert_memory_equal(at(t + 44 + VCPUS * 8), rest, sizeof(rest));
}

static void facs_says_where_to_wake_up(void **state)
{
	u64 facs = number(find_table("FACP", 8) + 36, 4);
	u32 vector = 0x9a123;

	(void)state;
	assert_int_equal(number(facs + 4, 4), 64);
	assert_int_equal(number(facs + 32, 1), 0); /* only that of 32 bits counts */
	assert_int_equal(acpi_waking_vector(&m), 0);
	assert_true(machine_write(&m, facs + 12, &vector, 4));
	assert_int_equal(acpi_waking_vector(&m), vector);
	vector = 0x100000; /* not for real mode */
	assert_true(machine_write(&m, facs + 12, &vector, 4));
	assert_int_equal(acpi_waking_vector(&m), 0);
}

static bool contains(const u8 *p, size_t n, const void *what, size_t k)
{
	for (size_t i = 0; i + k <= n; i++)
		if (!memcmp(p + i, what, k))
			return true;
	return false;
}

static void dsdt_has_sleep_states_and_only_the_serial_ports_of_the_machine(void **state)
{
	u64 dsdt = number(find_table("FACP", 8) + 40, 4);
	size_t n = number(dsdt + 4, 4);
	/* Name (\_S5, Package (4) {... */
	const u8 s5[] = { 0x08, '\\', '_', 'S', '5', '_', 0x12 };

	(void)state;
	assert_true(contains(at(dsdt), n, s5, sizeof(s5)));
	/* Name (\_S3, Package (4) {1, 0, 0, 0}) */
	assert_true(contains(at(dsdt), n, "\x08\\_S3_\x12\x06\x04\x01\x00\x00\x00", 13));
	assert_true(contains(at(dsdt), n, "COM1", 4));
	assert_false(contains(at(dsdt), n, "COM2", 4));
	assert_true(contains(at(dsdt), n, "C002", 4));
	assert_false(contains(at(dsdt), n, "C003", 4));
	/* EISAID ("PNP0501") */
	assert_true(contains(at(dsdt), n, "\x0c\x41\xd0\x05\x01", 5));
}

static void too_many_vcpus_for_the_area_are_an_error(void **state)
{
	struct machine many = m;

	(void)state;
	many.vcpu_count = 255;
	assert_int_equal(acpi_build(&many), 0);
	many.vcpu_count = 4000;
	assert_true(acpi_build(&many) < 0);
	assert_int_equal(acpi_build(&m), 0);
}

/* ACPI specification, "Package Length Encoding": at each border one more byte */
static void package_lengths_grow_with_their_contents(void **state)
{
	const struct {
		size_t contents; /* behind the 4 bytes of the name */
		u8 encoded[4];
		size_t bytes;
	} rows[] = {
		{ 0, { 0x05 }, 1 },
		{ 58, { 0x3f }, 1 },
		{ 59, { 0x41, 0x04 }, 2 },
		{ 4089, { 0x4f, 0xff }, 2 },
		{ 4090, { 0x81, 0x00, 0x01 }, 3 },
	};
	static u8 buffer[8192];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct aml a;

		aml_init(&a, buffer, sizeof(buffer));
		aml_scope(&a, "\\AB");
		/* the root's character is part of the contents */
		a.at--;
		for (size_t n = 0; n < rows[i].contents; n++)
			aml_integer(&a, 0);
		aml_end(&a);
		assert_false(a.overflow);
		assert_memory_equal(buffer + 1, rows[i].encoded, rows[i].bytes);
		assert_int_equal(a.at, 1 + rows[i].bytes + 4 + rows[i].contents);
	}
}

static void aml_that_does_not_fit_says_so_and_writes_nothing_outside(void **state)
{
	u8 buffer[64];

	(void)state;
	for (size_t size = 0; size < 40; size++) {
		struct aml a;

		memset(buffer, 0x77, sizeof(buffer));
		aml_init(&a, buffer, size);
		aml_device(&a, "DEV");
		aml_name(&a, "_CRS");
		aml_resources(&a);
		aml_res_io(&a, 0x3f8, 8);
		aml_res_irq(&a, 4);
		aml_resources_end(&a);
		aml_end(&a);
		for (size_t i = size; i < sizeof(buffer); i++)
			assert_int_equal(buffer[i], 0x77);
		/* 2 opcode, 1 length, 4 name, 5 Name, 1 Buffer, 1 length, 3 count, 8 + 3 + 2 resources */
		assert_int_equal(a.overflow, size < 30);
	}
}

static int setup(void **state)
{
	(void)state;
	ram_machine_create(&m, RAM);
	m.vcpu_count = VCPUS;
	/* present or not is all that is asked */
	m.serial[0] = (struct serial *)&m;
	return acpi_build(&m);
}

static int teardown(void **state)
{
	(void)state;
	ram_machine_destroy(&m);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_table_has_a_good_checksum_and_both_roots_name_it),
		cmocka_unit_test(fadt_names_the_devices_ports),
		cmocka_unit_test(madt_lists_processors_ioapic_and_overrides),
		cmocka_unit_test(facs_says_where_to_wake_up),
		cmocka_unit_test(dsdt_has_sleep_states_and_only_the_serial_ports_of_the_machine),
		cmocka_unit_test(too_many_vcpus_for_the_area_are_an_error),
		cmocka_unit_test(package_lengths_grow_with_their_contents),
		cmocka_unit_test(aml_that_does_not_fit_says_so_and_writes_nothing_outside),
	};

	if (argc > 1)
		dump_dir = argv[1];
	return cmocka_run_group_tests(tests, setup, teardown);
}
