/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus.h"

#include <errno.h>

static u64 size_mask(unsigned int size)
{
	return size >= 8 ? UINT64_MAX : BIT(size * 8) - 1;
}

static int bus_add(struct bus_range *table, unsigned int *count, const struct bus_range *range)
{
	unsigned int at = 0, i;

	if (*count == BUS_RANGES)
		return -ENOSPC;
	while (at < *count && table[at].start < range->start)
		at++;
	if (at < *count && range->size > table[at].start - range->start)
		return -EEXIST;
	if (at && table[at - 1].size > range->start - table[at - 1].start)
		return -EEXIST;
	for (i = *count; i > at; i--)
		table[i] = table[i - 1];
	table[at] = *range;
	++*count;
	return 0;
}

int bus_add_pio(struct bus *b, u16 start, u32 size, const struct bus_ops *ops, void *dev, const char *name)
{
	struct bus_range range = { .start = start, .size = size, .ops = ops, .dev = dev, .name = name };

	return bus_add(b->pio, &b->pio_count, &range);
}

int bus_add_mmio(struct bus *b, u64 start, u64 size, const struct bus_ops *ops, void *dev, const char *name)
{
	struct bus_range range = { .start = start, .size = size, .ops = ops, .dev = dev, .name = name };

	return bus_add(b->mmio, &b->mmio_count, &range);
}

/* The last range that starts at or below addr, -1 if none does. */
static int bus_below(const struct bus_range *table, unsigned int count, u64 addr)
{
	unsigned int low = 0, high = count;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (table[middle].start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return (int)low - 1;
}

enum bus_hit { BUS_NONE, BUS_WHOLE, BUS_PART };

/* Who answers n bytes from addr on: *range is set for BUS_WHOLE. */
static enum bus_hit bus_find(const struct bus_range *table, unsigned int count, u64 addr, unsigned int n,
			     const struct bus_range **range)
{
	int i = bus_below(table, count, addr);

	if (i >= 0 && addr - table[i].start < table[i].size) {
		*range = &table[i];
		if (table[i].ops->width && n > table[i].ops->width)
			return BUS_PART;
		return table[i].size - (addr - table[i].start) >= n ? BUS_WHOLE : BUS_PART;
	}
	if ((unsigned int)(i + 1) < count && table[i + 1].start - addr < n)
		return BUS_PART;
	return BUS_NONE;
}

/* Counters are shared by the machine's threads and only ever added to. */
static void bus_count(u64 *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* addr_mask: where the address space wraps */
static u64 bus_read(const struct bus_range *table, unsigned int count, u64 *unclaimed, u64 addr_mask, u64 addr,
		    unsigned int size)
{
	const struct bus_range *range;
	u64 value = 0;

	switch (bus_find(table, count, addr, size, &range)) {
	case BUS_WHOLE:
		return range->ops->read(range->dev, addr - range->start, size) & size_mask(size);
	case BUS_NONE:
		bus_count(unclaimed);
		return size_mask(size);
	case BUS_PART:
		break;
	}
	for (unsigned int i = 0; i < size; i++)
		value |= bus_read(table, count, unclaimed, addr_mask, (addr + i) & addr_mask, 1) << (i * 8);
	return value;
}

static void bus_write(const struct bus_range *table, unsigned int count, u64 *unclaimed, u64 addr_mask, u64 addr,
		      unsigned int size, u64 value)
{
	const struct bus_range *range;

	switch (bus_find(table, count, addr, size, &range)) {
	case BUS_WHOLE:
		range->ops->write(range->dev, addr - range->start, size, value & size_mask(size));
		return;
	case BUS_NONE:
		bus_count(unclaimed);
		return;
	case BUS_PART:
		break;
	}
	for (unsigned int i = 0; i < size; i++)
		bus_write(table, count, unclaimed, addr_mask, (addr + i) & addr_mask, 1, value >> (i * 8) & 0xff);
}

static void bus_trace(const struct bus *b, bool mmio, bool write, u64 addr, unsigned int size, u64 value)
{
	const struct bus_range *table = mmio ? b->mmio : b->pio;
	int i = bus_below(table, mmio ? b->mmio_count : b->pio_count, addr);
	struct bus_access a = {
		.mmio = mmio, .write = write, .size = size, .addr = addr, .value = value & size_mask(size)
	};

	if (i >= 0 && addr - table[i].start < table[i].size)
		a.device = table[i].name;
	b->trace(b->trace_arg, &a);
}

static bool bus_traced(const struct bus *b)
{
	return __builtin_expect(b->trace != NULL, 0);
}

u32 bus_pio_read(struct bus *b, u16 port, unsigned int size)
{
	u32 value;

	bus_take(b);
	value = (u32)bus_read(b->pio, b->pio_count, &b->unclaimed_pio, 0xffff, port, size);
	bus_give(b);
	if (bus_traced(b))
		bus_trace(b, false, false, port, size, value);
	return value;
}

void bus_pio_write(struct bus *b, u16 port, unsigned int size, u32 value)
{
	bus_take(b);
	bus_write(b->pio, b->pio_count, &b->unclaimed_pio, 0xffff, port, size, value);
	bus_give(b);
	if (bus_traced(b))
		bus_trace(b, false, true, port, size, value);
}

u64 bus_mmio_read(struct bus *b, u64 gpa, unsigned int size)
{
	u64 value;

	bus_take(b);
	value = bus_read(b->mmio, b->mmio_count, &b->unclaimed_mmio, UINT64_MAX, gpa, size);
	bus_give(b);
	if (bus_traced(b))
		bus_trace(b, true, false, gpa, size, value);
	return value;
}

void bus_mmio_write(struct bus *b, u64 gpa, unsigned int size, u64 value)
{
	bus_take(b);
	bus_write(b->mmio, b->mmio_count, &b->unclaimed_mmio, UINT64_MAX, gpa, size, value);
	bus_give(b);
	if (bus_traced(b))
		bus_trace(b, true, true, gpa, size, value);
}
