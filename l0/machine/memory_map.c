/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory_map.h"
#include "layout.h"

/* 0xa0000..0xeffff is absent, as on a PC: the display's window and option ROMs. */
/* clang-format off */
#define MEMORY_MAP(R) /* start               end                              type */ \
	R(0,                  LAYOUT_EBDA,                     MEMORY_RAM)      \
	R(LAYOUT_EBDA,        LAYOUT_EBDA_END,                 MEMORY_RESERVED) \
	R(LAYOUT_BIOS,        LAYOUT_BIOS_END,                 MEMORY_RESERVED) \
	R(LAYOUT_BIOS_END,    layout_acpi(m),                  MEMORY_RAM)      \
	R(layout_acpi(m),     layout_nvs(m),                   MEMORY_ACPI)     \
	R(layout_nvs(m),      m->low,                          MEMORY_NVS)      \
	R(LAYOUT_IOAPIC,      LAYOUT_IOAPIC + PAGE_SIZE,       MEMORY_RESERVED) \
	R(LAYOUT_LAPIC,       LAYOUT_LAPIC + PAGE_SIZE,        MEMORY_RESERVED) \
	R(MEMORY_HIGH_START,  MEMORY_HIGH_START + m->high,     MEMORY_RAM)
/* clang-format on */

#define COUNT_ROW(start, end, type) +1
_Static_assert(MEMORY_MAP(COUNT_ROW) <= MEMORY_MAP_MAX, "MEMORY_MAP_MAX is too small");

unsigned int memory_map_build(const struct memory *m, struct memory_map_entry map[MEMORY_MAP_MAX])
{
	unsigned int n = 0;

#define ADD_ROW(from, to, what) \
	if ((to) > (from)) \
		map[n++] = (struct memory_map_entry){ .start = (from), .size = (to) - (from), .type = (what) };
	MEMORY_MAP(ADD_ROW)
#undef ADD_ROW
	return n;
}
