/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where firmware would have put things in guest-physical memory. The one place for these addresses:
 * the memory map, the ACPI tables and the loaders derive from them.
 */
#ifndef L0_MACHINE_LAYOUT_H
#define L0_MACHINE_LAYOUT_H

#include "../devices/irqchip.h"
#include "../devices/lapic.h"
#include "memory.h"

#define LAYOUT_EBDA_POINTER 0x40eull /* BIOS data area: segment of the EBDA, 2 bytes */
#define LAYOUT_EBDA 0x9fc00ull /* end of conventional memory */
#define LAYOUT_EBDA_END 0xa0000ull
#define LAYOUT_BIOS 0xf0000ull /* searched for "RSD PTR " */
#define LAYOUT_RSDP LAYOUT_BIOS
#define LAYOUT_FIRMWARE 0xfe000ull /* its code; the reset vector is the segment's end */
#define LAYOUT_BIOS_END 0x100000ull
#define LAYOUT_IOAPIC IOAPIC_GPA
#define LAYOUT_LAPIC APIC_BASE_DEFAULT
#define LAYOUT_PCI_END LAYOUT_IOAPIC /* PCI memory: MEMORY_HOLE_START up to here */

/* Loaders put their small structures here if the kernel leaves room: above what real-mode code
 * is fond of, below the 64 KiB under the EBDA in which hypervisors put their trampolines. */
#define LAYOUT_BOOT_AREA 0x10000ull
#define LAYOUT_BOOT_AREA_END 0x8f000ull

/* The top of low RAM: ACPI tables, then the FACS, which stays the firmware's. */
#define LAYOUT_ACPI_SIZE 0x10000ull
#define LAYOUT_NVS_SIZE 0x1000ull

static inline u64 layout_acpi(const struct memory *m)
{
	return m->low - LAYOUT_ACPI_SIZE;
}

static inline u64 layout_nvs(const struct memory *m)
{
	return m->low - LAYOUT_NVS_SIZE;
}

#endif
