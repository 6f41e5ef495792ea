/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_machine.h"

#include <stdlib.h>
#include <string.h>

void vcpu_post(struct vcpu *v, u32 events)
{
	atomic_fetch_or(&v->events, events);
}

void machine_stop(struct machine *m, enum stop_reason reason, int code, const char *format, ...)
{
	(void)format;
	if (m->stop)
		return;
	m->stop = reason;
	m->stop_code = code;
}

bool machine_read(struct machine *m, u64 gpa, void *to, u64 n)
{
	if (gpa >= FAKE_RAM || n > FAKE_RAM - gpa)
		return false;
	memcpy(to, m->memory.base + gpa, n);
	return true;
}

bool machine_write(struct machine *m, u64 gpa, const void *from, u64 n)
{
	if (gpa >= FAKE_RAM || n > FAKE_RAM - gpa)
		return false;
	memcpy(m->memory.base + gpa, from, n);
	return true;
}

static void com1_write(void *ctx, u8 byte)
{
	struct fake *f = ctx;

	assert_true(f->output_count < sizeof(f->output));
	f->output[f->output_count++] = byte;
}

static void com2_write(void *ctx, u8 byte)
{
	(void)ctx;
	(void)byte;
}

static void model_add(struct cpu_model *model, enum feature feature)
{
	model->features[feature / 64] |= BIT(feature % 64);
}

struct fake *fake_create(unsigned int vcpus)
{
	struct fake *f = calloc(1, sizeof(*f));
	struct devices_config config = {
		.serial = { { com1_write, f }, { com2_write, f } },
		.debug_exit_iobase = 0xf4,
		.debug_exit_iosize = 4,
		.testdev = true,
		.fw_cfg = { .cpus = (u16)vcpus, .cmdline = "console=ttyS0" },
	};

	assert_non_null(f);
	model_add(&f->model, FEATURE_X2APIC);
	model_add(&f->model, FEATURE_TSC_DEADLINE);
	f->model.phys_bits = 36;
	clock_init(&f->m.clock, CLOCK_INSNS);
	f->m.memory.base = f->ram;
	f->m.memory.low = 64 << 20;
	f->m.vcpu = f->v;
	f->m.vcpu_count = vcpus;
	for (unsigned int i = 0; i < vcpus; i++) {
		f->v[i] = aligned_alloc(64, (sizeof(struct vcpu) + 63) & ~63ul);
		assert_non_null(f->v[i]);
		memset(f->v[i], 0, sizeof(struct vcpu));
		f->v[i]->index = i;
		f->v[i]->machine = &f->m;
		f->v[i]->model = &f->model;
	}
	assert_int_equal(devices_create(&f->m, &config), 0);
	for (unsigned int i = 0; i < vcpus; i++) {
		f->v[i]->apic = lapic_create(&f->m, f->v[i]);
		assert_non_null(f->v[i]->apic);
	}
	return f;
}

void fake_destroy(struct fake *f)
{
	for (unsigned int i = 0; i < f->m.vcpu_count; i++) {
		lapic_destroy(f->v[i]->apic);
		free(f->v[i]);
	}
	devices_destroy(&f->m);
	assert_null(f->m.clock.timers.first);
	free(f);
}

void fake_advance(struct fake *f, u64 ns)
{
	struct clock *c = &f->m.clock;
	u64 end = c->insns + ns;

	while (timer_next(c) <= end) {
		if (timer_next(c) > c->insns)
			c->insns = timer_next(c);
		timer_run(c);
	}
	c->insns = end;
}

u32 in8(struct fake *f, u16 port)
{
	return bus_pio_read(&f->m.bus, port, 1);
}

u32 in32(struct fake *f, u16 port)
{
	return bus_pio_read(&f->m.bus, port, 4);
}

void out8(struct fake *f, u16 port, u8 value)
{
	bus_pio_write(&f->m.bus, port, 1, value);
}

void out16(struct fake *f, u16 port, u16 value)
{
	bus_pio_write(&f->m.bus, port, 2, value);
}

void out32(struct fake *f, u16 port, u32 value)
{
	bus_pio_write(&f->m.bus, port, 4, value);
}

bool fake_posted(struct fake *f, unsigned int n, u32 events)
{
	return (atomic_fetch_and(&f->v[n]->events, ~events) & events) == events;
}

void fake_program_pics(struct fake *f)
{
	for (unsigned int chip = 0; chip < 2; chip++) {
		u16 port = chip ? 0xa0 : 0x20;

		out8(f, port, 0x11);
		out8(f, port + 1, chip ? 0x28 : 0x20);
		out8(f, port + 1, chip ? 2 : 4);
		out8(f, port + 1, 0x01);
		out8(f, port + 1, 0);
	}
}
