/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power on, reset, stop, DMA. Devices, translator and vCPUs are played by this file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <cmocka.h>
#include "../../bt/bt.h"
#include "../../cpu/mmu.h"
#include "../../cpu/model.h"
#include "../../devices/acpi_pm.h"
#include "../../devices/devices.h"
#include "../layout.h"
#include "../machine.h"
#include "images.h"

#define MIB (1ull << 20)

static int create_result;
static unsigned int created, destroyed, resets, sleeps, wakes, posts, published;
static u64 written_gpa, written_n;

int devices_create(struct machine *m, const struct devices_config *c)
{
	assert_non_null(m->memory.base);
	(void)c;
	created += !create_result;
	m->fw_cfg = (struct fw_cfg *)m;
	return create_result;
}

const struct serial_location serial_location[SERIAL_COUNT];

int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data, u32 size)
{
	assert_non_null(f);
	assert_string_equal(name, "etc/e820");
	assert_non_null(data);
	assert_int_equal(size % 20, 0);
	published += size;
	return 0;
}

void devices_destroy(struct machine *m)
{
	assert_non_null(m->memory.base);
	destroyed++;
}

void devices_reset(struct machine *m)
{
	assert_non_null(m->memory.base);
	resets++;
}

void devices_sleep(struct machine *m)
{
	assert_non_null(m->memory.base);
	sleeps++;
}

void acpi_pm_wake(struct acpi_pm *p)
{
	(void)p;
	wakes++;
}

void bt_phys_written(struct machine *m, u64 gpa, u64 n)
{
	assert_non_null(m->bt);
	written_gpa = gpa;
	written_n = n;
}

void vcpu_post(struct vcpu *v, u32 events)
{
	assert_int_equal(events, EV_STOP);
	(void)v;
	__atomic_fetch_add(&posts, 1, __ATOMIC_RELAXED);
}

void clock_init(struct clock *c, enum clock_kind kind)
{
	c->kind = kind;
}

void mmu_switch(struct vcpu *v, bool flush)
{
	(void)v;
	(void)flush;
}

void lapic_mmio_write(struct lapic *a, u32 offset, u32 value)
{
	(void)a;
	(void)offset;
	(void)value;
}

void vcpu_update_mode(struct vcpu *v)
{
	(void)v;
}

static const struct cpu_model model = { .name = "test", .phys_bits = 36, .linear_bits = 48 };
static struct vcpu *vcpus[2];
static struct test_image image;
static struct machine m;
static char error[256];

static struct machine_config config(void)
{
	return (struct machine_config){ .name = "a",
					.memory = 32 * MIB,
					.model = &model,
					.vcpu = vcpus,
					.vcpu_count = 2,
					.load = { .kernel = image.path } };
}

static int setup(void **state)
{
	(void)state;
	image_init(&image);
	build_multiboot_elf32(&image);
	image_publish(&image);
	create_result = 0;
	created = destroyed = resets = sleeps = wakes = posts = published = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	image_free(&image);
	return 0;
}

static void create(void)
{
	struct machine_config c = config();

	if (machine_create(&m, &c, error, sizeof(error)))
		fail_msg("%s", error);
}

static void power_on_leaves_tables_and_kernel_in_memory(void **state)
{
	(void)state;
	create();
	assert_memory_equal(m.memory.base + LAYOUT_RSDP, "RSD PTR ", 8);
	assert_memory_equal(m.memory.base + TEST_LOAD, image.bytes + TEST_TEXT, TEST_TEXT_SIZE);
	assert_int_equal(m.boot.mode, BOOT_PROTECTED);
	assert_int_equal(m.boot.rip, TEST_ENTRY);
	assert_int_equal(m.stop, STOP_NONE);
	assert_true(published > 0);
	machine_destroy(&m);
	assert_int_equal(destroyed, 1);
}

static void impossible_configurations_are_refused_with_one_line(void **state)
{
	const struct {
		u64 memory;
		unsigned int vcpus;
		const char *text;
	} rows[] = {
		{ 0, 1, "give at least 16 MiB" },
		{ 16 * MIB - PAGE_SIZE, 1, "give at least 16 MiB" },
		{ 16 * MIB + 1, 1, "aren't a multiple of 4096" },
		{ 64ull << 30, 1, "don't fit the 36 physical address bits of CPU test" },
		{ UINT64_MAX & ~0xfffull, 1, "don't fit" },
		{ 32 * MIB, 0, "0 vCPUs" },
		{ 32 * MIB, 256, "256 vCPUs" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct machine_config c = config();

		c.memory = rows[i].memory;
		c.vcpu_count = rows[i].vcpus;
		assert_int_equal(machine_create(&m, &c, error, sizeof(error)), -EINVAL);
		if (!strstr(error, rows[i].text))
			fail_msg("expected \"%s\", got \"%s\"", rows[i].text, error);
	}
	assert_int_equal(created, 0);
}

static void more_memory_than_the_host_has_is_refused(void **state)
{
	struct cpu_model wide = model;
	struct machine_config c = config();

	(void)state;
	wide.phys_bits = 52;
	c.model = &wide;
	c.memory = 1ull << 50;
	assert_int_equal(machine_create(&m, &c, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "this host has only"));
}

static void failures_leave_nothing_behind(void **state)
{
	struct machine_config c = config();

	(void)state;
	create_result = -ENOSPC;
	assert_int_equal(machine_create(&m, &c, error, sizeof(error)), -ENOSPC);
	assert_string_equal(error, "a: can't create the devices: No space left on device");
	assert_int_equal(destroyed, 0);
	create_result = 0;
	c.load.kernel = "/nonexistent";
	assert_int_equal(machine_create(&m, &c, error, sizeof(error)), -ENOENT);
	assert_int_equal(destroyed, 1);
}

static void reset_loads_again_and_keeps_the_rest_of_memory(void **state)
{
	(void)state;
	create();
	m.memory.base[5 * MIB] = 0x77;
	m.memory.base[TEST_LOAD + 5] ^= 0xff;
	m.memory.base[TEST_LOAD + TEST_TEXT_SIZE] = 1;
	memset(m.memory.base + LAYOUT_RSDP, 0, 8);
	machine_stop(&m, STOP_RESET, 0, NULL);
	assert_int_equal(m.stop, STOP_RESET);
	assert_int_equal(machine_reset(&m, error, sizeof(error)), START_KERNEL);
	assert_int_equal(resets, 1);
	assert_int_equal(m.stop, STOP_NONE);
	assert_int_equal(m.memory.base[5 * MIB], 0x77);
	assert_memory_equal(m.memory.base + TEST_LOAD, image.bytes + TEST_TEXT, TEST_TEXT_SIZE);
	assert_int_equal(m.memory.base[TEST_LOAD + TEST_TEXT_SIZE], 0);
	assert_memory_equal(m.memory.base + LAYOUT_RSDP, "RSD PTR ", 8);
	/* and may stop once more */
	machine_stop(&m, STOP_POWER_OFF, 0, NULL);
	assert_int_equal(m.stop, STOP_POWER_OFF);
	machine_destroy(&m);
}

static void first_stop_wins_and_wakes_every_vcpu_that_exists(void **state)
{
	static struct vcpu v;

	(void)state;
	create();
	vcpus[1] = &v;
	machine_stop(&m, STOP_GUEST_FATAL, 4, "at 0x%x", 0x1234);
	machine_stop(&m, STOP_QUIT, 0, NULL);
	machine_stop(&m, STOP_RESET, 0, NULL);
	assert_int_equal(m.stop, STOP_GUEST_FATAL);
	assert_int_equal(m.stop_code, 4);
	assert_string_equal(m.stop_text, "at 0x1234");
	assert_int_equal(posts, 1);
	vcpus[1] = NULL;
	machine_destroy(&m);
}

static void reset_gives_way_to_an_end_and_does_not_undo_it(void **state)
{
	(void)state;
	create();
	machine_stop(&m, STOP_RESET, 0, NULL);
	machine_stop(&m, STOP_QUIT, 7, NULL);
	assert_int_equal(m.stop, STOP_QUIT);
	assert_int_equal(m.stop_code, 7);
	assert_int_equal(machine_reset(&m, error, sizeof(error)), START_KERNEL);
	assert_int_equal(m.stop, STOP_QUIT);
	machine_destroy(&m);
}

static u64 shutdown_code(void *dev, u64 offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0xa;
}

static void cmos_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	(void)dev;
	(void)offset;
	(void)size;
	(void)value;
}

static void only_a_reset_of_the_cpu_goes_on_where_the_guest_says(void **state)
{
	static const struct bus_ops ops = { .read = shutdown_code, .write = cmos_write };

	(void)state;
	create();
	assert_int_equal(bus_add_pio(&m.bus, 0x70, 2, &ops, &m, "cmos"), 0);
	memcpy(m.memory.base + 0x467, "\x34\x12\x00\x10", 4);
	machine_stop(&m, STOP_CPU_RESET, 0, NULL);
	machine_stop(&m, STOP_RESET, 0, NULL); /* the first pause stays */
	assert_int_equal(machine_reset(&m, error, sizeof(error)), START_RESUMED);
	assert_int_equal(m.boot.mode, BOOT_REAL);
	assert_int_equal(m.boot.segment, 0x1000);
	assert_int_equal(m.boot.rip, 0x1234);
	assert_int_equal(resets, 0);
	assert_int_equal(m.stop, STOP_NONE);
	machine_stop(&m, STOP_RESET, 0, NULL);
	assert_int_equal(machine_reset(&m, error, sizeof(error)), START_KERNEL);
	assert_int_equal(resets, 1);
	assert_int_equal(m.boot.mode, BOOT_PROTECTED);
	machine_destroy(&m);
}

static void sleeping_machine_wakes_in_real_mode_or_starts_anew(void **state)
{
	u32 vector = 0x12345;

	(void)state;
	create();
	machine_stop(&m, STOP_SLEEP, 0, NULL);
	assert_int_equal(m.stop, STOP_SLEEP);
	machine_sleep(&m);
	assert_int_equal(m.stop, STOP_NONE);
	assert_int_equal(sleeps, 1);
	assert_true(machine_write(&m, layout_nvs(&m.memory) + 12, &vector, 4));
	assert_int_equal(machine_wake(&m, error, sizeof(error)), START_RESUMED);
	assert_int_equal(wakes, 1);
	assert_int_equal(m.boot.mode, BOOT_REAL);
	assert_int_equal(m.boot.segment, 0x1234);
	assert_int_equal(m.boot.rip, 5);
	assert_int_equal(resets, 0);
	vector = 0;
	assert_true(machine_write(&m, layout_nvs(&m.memory) + 12, &vector, 4));
	assert_int_equal(machine_wake(&m, error, sizeof(error)), START_KERNEL);
	assert_int_equal(resets, 1);
	assert_int_equal(m.boot.rip, TEST_ENTRY);
	/* an end while asleep stays */
	machine_stop(&m, STOP_SLEEP, 0, NULL);
	machine_stop(&m, STOP_QUIT, 0, NULL);
	machine_sleep(&m);
	assert_int_equal(m.stop, STOP_QUIT);
	machine_destroy(&m);
}

static void *stopper(void *arg)
{
	int n = (int)(intptr_t)arg;

	machine_stop(&m, n % 2 ? STOP_GUEST_FATAL : STOP_RESET, n, "thread %d", n);
	return NULL;
}

static void stops_from_many_threads_leave_one_whole_reason(void **state)
{
	(void)state;
	create();
	for (int round = 0; round < 50; round++) {
		pthread_t t[8];
		char expected[32];

		m.stop = m.stop_claim = STOP_NONE;
		for (int i = 0; i < 8; i++)
			assert_int_equal(pthread_create(&t[i], NULL, stopper, (void *)(intptr_t)i), 0);
		for (int i = 0; i < 8; i++)
			pthread_join(t[i], NULL);
		assert_int_equal(m.stop, STOP_GUEST_FATAL);
		snprintf(expected, sizeof(expected), "thread %d", m.stop_code);
		assert_string_equal(m.stop_text, expected);
	}
	machine_destroy(&m);
}

static void dma_reaches_ram_only_and_drops_translations(void **state)
{
	u8 bytes[16] = { 1, 2, 3 };

	(void)state;
	create();
	written_n = 0;
	assert_true(machine_write(&m, 0x300000, bytes, 16));
	assert_int_equal(written_n, 0);
	m.bt = (struct bt *)&m;
	assert_true(machine_write(&m, 32 * MIB - 16, bytes, 16));
	assert_int_equal(written_gpa, 32 * MIB - 16);
	assert_int_equal(written_n, 16);
	memset(bytes, 0, sizeof(bytes));
	assert_true(machine_read(&m, 32 * MIB - 16, bytes, 16));
	assert_int_equal(bytes[2], 3);
	written_n = 0;
	assert_false(machine_write(&m, 32 * MIB - 15, bytes, 16));
	assert_false(machine_read(&m, 32 * MIB - 15, bytes, 16));
	assert_false(machine_write(&m, MEMORY_HOLE_START, bytes, 1));
	assert_false(machine_read(&m, UINT64_MAX, bytes, 2));
	assert_true(machine_write(&m, UINT64_MAX, bytes, 0));
	assert_int_equal(written_n, 0);
	machine_destroy(&m);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(power_on_leaves_tables_and_kernel_in_memory),
		T(impossible_configurations_are_refused_with_one_line),
		T(more_memory_than_the_host_has_is_refused),
		T(failures_leave_nothing_behind),
		T(reset_loads_again_and_keeps_the_rest_of_memory),
		T(first_stop_wins_and_wakes_every_vcpu_that_exists),
		T(reset_gives_way_to_an_end_and_does_not_undo_it),
		T(only_a_reset_of_the_cpu_goes_on_where_the_guest_says),
		T(sleeping_machine_wakes_in_real_mode_or_starts_anew),
		T(stops_from_many_threads_leave_one_whole_reason),
		T(dma_reaches_ram_only_and_drops_translations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
