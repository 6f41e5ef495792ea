/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Port and memory-mapped I/O of one machine. Accesses are 1, 2, 4 (memory: also 8) bytes; a device
 * sees an access whole if it lies inside its range, otherwise it is split into bytes. Where nothing
 * answers, reads give all ones and writes vanish, as on a PC; both are counted per machine.
 */
#ifndef L0_DEVICES_BUS_H
#define L0_DEVICES_BUS_H

#include "../run/lock.h"

struct bus_ops {
	/* offset: bytes from the start of the range; size in bytes. Unused high bits of a result are 0. */
	u64 (*read)(void *dev, u64 offset, unsigned int size);
	void (*write)(void *dev, u64 offset, unsigned int size, u64 value);
	unsigned int width; /* widest access in bytes that the device takes; wider ones come as bytes. 0: any */
};

struct bus_range {
	u64 start, size;
	const struct bus_ops *ops;
	void *dev;
	const char *name;
};

/* One access as a guest made it, for a trace. */
struct bus_access {
	bool mmio, write;
	unsigned int size; /* bytes */
	u64 addr, value; /* value: what was read or written */
	const char *device; /* of the first byte; NULL: nobody's */
};

#define BUS_RANGES 64

struct bus {
	struct bus_range pio[BUS_RANGES], mmio[BUS_RANGES]; /* sorted by start */
	unsigned int pio_count, mmio_count;
	u64 unclaimed_pio, unclaimed_mmio;
	bool shared; /* several threads: an access, and a timer of a device, has all devices for itself */
	struct lock lock;
	void (*trace)(void *arg,
		      const struct bus_access *a); /* called after every access, in ordinary C; NULL: nobody looks */
	void *trace_arg;
};

/* Returns 0, or -EEXIST if the range overlaps another, -ENOSPC if the table is full. */
int bus_add_pio(struct bus *b, u16 start, u32 size, const struct bus_ops *ops, void *dev, const char *name);
int bus_add_mmio(struct bus *b, u64 start, u64 size, const struct bus_ops *ops, void *dev, const char *name);

/* An access to device memory that isn't on the bus: a vCPU's own local APIC. */
static inline void bus_trace_private(struct bus *b, const char *device, u64 gpa, unsigned int size, bool write, u64 value)
{
	if (__builtin_expect(b->trace != NULL, 0))
		b->trace(b->trace_arg,
			 &(struct bus_access){
				 .mmio = true, .write = write, .size = size, .addr = gpa, .value = value, .device = device });
}

/* Any thread: nothing happens on the bus meanwhile. Nests. */
static inline void bus_take(struct bus *b)
{
	if (b->shared)
		lock_take(&b->lock);
}

static inline void bus_give(struct bus *b)
{
	if (b->shared)
		lock_give(&b->lock);
}

u32 bus_pio_read(struct bus *b, u16 port, unsigned int size);
void bus_pio_write(struct bus *b, u16 port, unsigned int size, u32 value);
u64 bus_mmio_read(struct bus *b, u64 gpa, unsigned int size);
void bus_mmio_write(struct bus *b, u64 gpa, unsigned int size, u64 value);

#endif
