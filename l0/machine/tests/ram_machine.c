/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine that is only RAM, for the tests of loaders and tables: this takes the place of machine.c. */
#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include "../../cpu/mmu.h"
#include "../../devices/irqchip.h"
#include "images.h"

void ram_machine_create(struct machine *m, u64 size)
{
	memset(m, 0, sizeof(*m));
	assert_int_equal(memory_init(&m->memory, size), 0);
	memset(m->memory.base, 0xa5, m->memory.low);
}

void ram_machine_destroy(struct machine *m)
{
	memory_destroy(&m->memory);
}

/* boot.c needs a TLB to tell; there is none here. */
void mmu_switch(struct vcpu *v, bool flush)
{
	assert_true(flush);
	assert_non_null(v);
}

void lapic_mmio_write(struct lapic *a, u32 offset, u32 value)
{
	(void)a;
	(void)offset;
	(void)value;
}

void vcpu_update_mode(struct vcpu *v)
{
	assert_non_null(v);
}

/* machine.c needs devices and a translator; loaders need only this of it. */
bool machine_write(struct machine *m, u64 gpa, const void *from, u64 n)
{
	if (n && !memory_range_is_ram(&m->memory, gpa, n))
		return false;
	memcpy(m->memory.base + gpa, from, n);
	return true;
}

bool machine_read(struct machine *m, u64 gpa, void *to, u64 n)
{
	if (n && !memory_range_is_ram(&m->memory, gpa, n))
		return false;
	memcpy(to, m->memory.base + gpa, n);
	return true;
}
