/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include "../bt/bt.h"
#include "../cpu/model.h"
#include "../devices/acpi_pm.h"
#include "../devices/devices.h"
#include "acpi.h"
#include "firmware.h"
#include "memory_map.h"

static int fail(char *error, size_t n, int err, const char *format, ...) __attribute__((format(printf, 4, 5)));

static int fail(char *error, size_t n, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, n, format, args);
	va_end(args);
	return err;
}

/* RAM and swap; 0 if the host doesn't say */
static u64 host_memory(void)
{
	struct sysinfo s;

	return sysinfo(&s) ? 0 : ((u64)s.totalram + s.totalswap) * s.mem_unit;
}

static int check_config(const struct machine_config *c, char *error, size_t n)
{
	const u64 mib = 1 << 20;
	u64 host = host_memory(), limit = 1ull << c->model->phys_bits;

	if (c->memory < MACHINE_MEMORY_MIN)
		return fail(error, n, -EINVAL,
			    "%s: %" PRIu64 " bytes of memory are too few; give at least %" PRIu64 " MiB (-m)", c->name,
			    c->memory, (u64)MACHINE_MEMORY_MIN / mib);
	if (c->memory % PAGE_SIZE)
		return fail(error, n, -EINVAL, "%s: %" PRIu64 " bytes of memory aren't a multiple of %u", c->name,
			    c->memory, (unsigned int)PAGE_SIZE);
	/* RAM that doesn't fit below the hole starts at 4 GiB */
	if (c->memory > MEMORY_HOLE_START && c->memory - MEMORY_HOLE_START > limit - MEMORY_HIGH_START)
		return fail(error, n, -EINVAL,
			    "%s: %" PRIu64 " MiB of memory don't fit the %u physical address bits of CPU %s", c->name,
			    c->memory / mib, c->model->phys_bits, c->model->name);
	if (host && c->memory > host)
		return fail(error, n, -EINVAL,
			    "%s: %" PRIu64 " MiB of memory, but this host has only %" PRIu64
			    " MiB with swap; give less (-m)",
			    c->name, c->memory / mib, host / mib);
	if (!c->vcpu_count || c->vcpu_count > MACHINE_VCPUS_MAX)
		return fail(error, n, -EINVAL, "%s: %u vCPUs; give 1 to %d (-smp)", c->name, c->vcpu_count,
			    MACHINE_VCPUS_MAX);
	return 0;
}

/* The memory map once more, for guests that ask the firmware configuration device. */
static int publish_memory_map(struct machine *m)
{
	struct memory_map_entry map[MEMORY_MAP_MAX];
	unsigned int n = memory_map_build(&m->memory, map);

	return fw_cfg_add_file(m->fw_cfg, "etc/e820", map, (u32)(n * sizeof(map[0])));
}

/* Firmware's work and the boot loader's. */
static int boot(struct machine *m, char *error, size_t n)
{
	int err = firmware_build(m);

	if (err)
		return fail(error, n, err, "%s: can't write the interrupt vectors: %s", m->name, strerror(-err));
	err = acpi_build(m);
	if (err)
		return fail(error, n, err, "%s: can't build the ACPI tables for %u vCPUs: %s", m->name, m->vcpu_count,
			    strerror(-err));
	return load_kernel(m, &m->load, &m->boot, error, n);
}

int machine_create(struct machine *m, const struct machine_config *c, char *error, size_t n)
{
	int err = check_config(c, error, n);

	if (err)
		return err;
	memset(m, 0, sizeof(*m));
	m->name = c->name;
	m->log = c->log;
	m->model = c->model;
	m->vcpu = c->vcpu;
	m->vcpu_count = c->vcpu_count;
	m->load = c->load;
	m->no_reboot = c->no_reboot;
	m->parallel = m->bus.shared = c->parallel;
	clock_init(&m->clock, c->clock);
	err = memory_init(&m->memory, c->memory);
	if (err)
		return fail(error, n, err, "%s: can't get %" PRIu64 " MiB of memory: %s", m->name, c->memory >> 20,
			    strerror(-err));
	if (c->small_pages)
		memory_small_pages(&m->memory);
	if (c->preallocate)
		memory_touch(&m->memory);
	err = devices_create(m, c->devices);
	if (err) {
		memory_destroy(&m->memory);
		return fail(error, n, err, "%s: can't create the devices: %s", m->name, strerror(-err));
	}
	err = publish_memory_map(m);
	if (err)
		fail(error, n, err, "%s: can't publish the memory map: %s", m->name, strerror(-err));
	else
		err = boot(m, error, n);
	if (err)
		machine_destroy(m);
	return err;
}

void machine_destroy(struct machine *m)
{
	devices_destroy(m);
	memory_destroy(&m->memory);
}

/* The vCPUs have stopped for a pause: let them run again. Returns the pause, or STOP_NONE if an end has taken its place. */
static enum stop_reason end_pause(struct machine *m)
{
	int reason = atomic_load(&m->stop), claim = reason;

	if (!stop_is_pause(reason))
		return STOP_NONE;
	/* In this order: whoever claims in between finds the claim free and publishes after us. */
	if (!atomic_compare_exchange_strong(&m->stop, &reason, STOP_NONE))
		return STOP_NONE;
	atomic_compare_exchange_strong(&m->stop_claim, &claim, STOP_NONE);
	return reason;
}

static enum machine_start start_kernel(struct machine *m, char *error, size_t n)
{
	devices_reset(m);
	return boot(m, error, n) ? START_FAILED : START_KERNEL;
}

enum machine_start machine_reset(struct machine *m, char *error, size_t n)
{
	if (end_pause(m) == STOP_CPU_RESET && firmware_resume(m, &m->boot))
		return START_RESUMED;
	return start_kernel(m, error, n);
}

void machine_continue(struct machine *m)
{
	int reason = STOP_HOLD, claim = STOP_HOLD;

	if (atomic_compare_exchange_strong(&m->stop, &reason, STOP_NONE))
		atomic_compare_exchange_strong(&m->stop_claim, &claim, STOP_NONE);
}

void machine_sleep(struct machine *m)
{
	end_pause(m);
	devices_sleep(m);
}

enum machine_start machine_wake(struct machine *m, char *error, size_t n)
{
	u32 vector;

	acpi_pm_wake(m->acpi_pm);
	vector = acpi_waking_vector(m);
	if (!vector)
		return start_kernel(m, error, n);
	m->boot = (struct boot_state){ .mode = BOOT_REAL, .segment = (u16)(vector >> 4), .rip = vector & 0xf };
	return START_RESUMED;
}

/* Which stop gives way to which: to those with a higher rank */
static int rank(int reason)
{
	return reason == STOP_NONE ? 0 : reason == STOP_HOLD ? 1 : stop_is_pause(reason) ? 2 : 3;
}

static bool claim_stop(struct machine *m, int reason)
{
	int held = STOP_NONE;

	while (!atomic_compare_exchange_weak(&m->stop_claim, &held, reason))
		if (rank(held) >= rank(reason))
			return false;
	return true;
}

void machine_stop(struct machine *m, enum stop_reason reason, int code, const char *format, ...)
{
	if (!claim_stop(m, reason))
		return;
	if (stop_is_pause(reason)) {
		/* Whoever took the claim away from us has published, or will. */
		int published = STOP_NONE;

		while (rank(published) < rank(reason) && !atomic_compare_exchange_weak(&m->stop, &published, reason))
			;
	} else {
		m->stop_code = code;
		m->stop_text[0] = 0;
		if (format) {
			va_list args;

			va_start(args, format);
			vsnprintf(m->stop_text, sizeof(m->stop_text), format, args);
			va_end(args);
		}
		atomic_store(&m->stop, (int)reason);
	}
	for (unsigned int i = 0; i < m->vcpu_count; i++)
		if (m->vcpu && m->vcpu[i])
			vcpu_post(m->vcpu[i], EV_STOP);
}

bool machine_read(struct machine *m, u64 gpa, void *to, u64 n)
{
	if (!n)
		return true;
	if (!memory_range_is_ram(&m->memory, gpa, n))
		return false;
	memcpy(to, m->memory.base + gpa, n);
	return true;
}

bool machine_write(struct machine *m, u64 gpa, const void *from, u64 n)
{
	if (!n)
		return true;
	if (!memory_range_is_ram(&m->memory, gpa, n))
		return false;
	memcpy(m->memory.base + gpa, from, n);
	/* without a translator there is no translation to drop */
	if (m->bt)
		bt_phys_written(m, gpa, n);
	return true;
}
