/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest is told about its memory. One table, which E820, multiboot, PVH and fw_cfg give to
 * the guest in their own wrappings.
 */
#ifndef L0_MACHINE_MEMORY_MAP_H
#define L0_MACHINE_MEMORY_MAP_H

#include "memory.h"

/* ACPI specification, "Address Range Types" */
enum memory_type {
	MEMORY_RAM = 1,
	MEMORY_RESERVED = 2,
	MEMORY_ACPI = 3, /* tables; RAM once the guest has read them */
	MEMORY_NVS = 4,
};

/* as E820 lays it out: 20 bytes */
struct memory_map_entry {
	u64 start, size; /* bytes */
	u32 type; /* enum memory_type */
} __attribute__((packed));

#define MEMORY_MAP_MAX 16

/* Fill map[], sorted by start, no overlaps, no empty entries. Returns how many entries there are. */
unsigned int memory_map_build(const struct memory *m, struct memory_map_entry map[MEMORY_MAP_MAX]);

#endif
