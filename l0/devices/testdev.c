/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "testdev.h"

#include <stdlib.h>
#include <string.h>

#include "../machine/machine.h"

struct testdev {
	struct machine *machine;
	u8 echo[4];
	u32 lines; /* bit n: GSI n is asserted by us */
	u8 mmio[TESTDEV_MMIO_SIZE];
};

static u64 bytes_read(const u8 *bytes, unsigned int size)
{
	u64 value = 0;

	memcpy(&value, bytes, size);
	return value;
}

static u64 echo_read(void *dev, u64 offset, unsigned int size)
{
	struct testdev *t = dev;

	return bytes_read(t->echo + offset, size);
}

static void echo_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct testdev *t = dev;

	memcpy(t->echo + offset, &value, size);
}

/* All that a guest could see of the new mapping is time: nothing is to be done. */
static void flush_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	(void)dev;
	(void)offset;
	(void)size;
	(void)value;
}

static u64 nothing_read(void *dev, u64 offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0;
}

static void irq_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct testdev *t = dev;

	(void)size;
	if (value)
		t->lines |= (u32)BIT(offset);
	else
		t->lines &= (u32)~BIT(offset);
	irqchip_set(t->machine->irqchip, (unsigned int)offset, value);
}

static u64 mmio_read(void *dev, u64 offset, unsigned int size)
{
	struct testdev *t = dev;

	return bytes_read(t->mmio + offset, size);
}

static void mmio_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct testdev *t = dev;

	memcpy(t->mmio + offset, &value, size);
}

const struct bus_ops testdev_echo_ops = { .read = echo_read, .write = echo_write };
const struct bus_ops testdev_flush_ops = { .read = nothing_read, .write = flush_write };
const struct bus_ops testdev_irq_ops = { .read = nothing_read, .write = irq_write, .width = 1 };
const struct bus_ops testdev_mmio_ops = { .read = mmio_read, .write = mmio_write };

void testdev_reset(struct testdev *t)
{
	for (unsigned int gsi = 0; gsi < TESTDEV_IRQ_COUNT; gsi++)
		if (t->lines & BIT(gsi))
			irqchip_set(t->machine->irqchip, gsi, false);
	t->lines = 0;
	memset(t->echo, 0, sizeof(t->echo));
	memset(t->mmio, 0, sizeof(t->mmio));
}

struct testdev *testdev_create(struct machine *m)
{
	struct testdev *t = calloc(1, sizeof(*t));

	if (t)
		t->machine = m;
	return t;
}

void testdev_destroy(struct testdev *t)
{
	free(t);
}
