/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest-physical memory of one machine: RAM mapped so that host = base + gpa below and above the PCI hole; what lies
 * between is reserved and not accessible. It is anonymous memory, which hosts back with large pages sooner than files.
 *
 *   0 .. low            RAM (at most MEMORY_HOLE_START)
 *   HOLE_START .. 4 GiB devices: PCI, I/O APIC 0xfec00000, local APIC 0xfee00000
 *   4 GiB .. 4 GiB+high RAM
 *
 * 0xa0000..0xfffff is RAM as well, reserved in the memory map (firmware tables live there).
 */
#ifndef L0_MACHINE_MEMORY_H
#define L0_MACHINE_MEMORY_H

#include "../cpu/types.h"

#define MEMORY_HOLE_START 0xc0000000ull
#define MEMORY_HIGH_START 0x100000000ull
#define PAGE_SIZE 4096ull

/* per 4 KiB page of RAM: memory->flags[gpa >> 12] */
#define PAGE_CODE BIT(0) /* holds translated code: writes must be noticed */
/* direct/: was searched for instructions that may not run directly; and they must be, too. It holds one; its end may begin one; it holds an absent one. */
#define PAGE_SCANNED BIT(1)
#define PAGE_SENSITIVE BIT(2)
#define PAGE_TAIL BIT(3)
#define PAGE_ABSENT BIT(4)
#define PAGE_SCAN_RESULT (PAGE_SCANNED | PAGE_SENSITIVE | PAGE_TAIL | PAGE_ABSENT)
#define PAGE_WATCHED (PAGE_CODE | PAGE_SCANNED)

/*
 * Where soft TLBs have or had entries that may write a page directly: indexes + 1, then 0; several vCPUs add some. A page comes to be known by
 * many addresses: of its L1's kernel and programs, of its guest's while it boots and behind that.
 */
#define WRITE_INDEXES 16
#define WRITE_INDEX_MANY UINT16_MAX /* the last one: there were others */
struct write_indexes {
	_Atomic u16 at[WRITE_INDEXES];
};

struct memory {
	u8 *base; /* host address of guest-physical 0 */
	u64 low, high; /* bytes */
	bool small_pages; /* memory_small_pages() was called */
	struct write_indexes *writes; /* per page. Owned by the translator; NULL without it */
	_Atomic u8 *flags; /* one byte a page, low and high packed: memory_flag(). vCPUs at once, bits of several owners */
};

/* size: bytes of RAM, a multiple of 4 KiB. Returns 0 or -errno. */
int memory_init(struct memory *m, u64 size);
void memory_destroy(struct memory *m);
/* Before the first byte is touched: the host shall back RAM with 4 KiB pages, also where it would give larger ones. */
void memory_small_pages(struct memory *m);
/* All of it becomes the host's own memory now, as a first write would make it page by page. */
void memory_touch(struct memory *m);

static inline bool memory_is_ram(const struct memory *m, u64 gpa)
{
	return gpa < m->low || gpa - MEMORY_HIGH_START < m->high;
}

/* n bytes of RAM from gpa on, none of them outside RAM */
static inline bool memory_range_is_ram(const struct memory *m, u64 gpa, u64 n)
{
	return (gpa < m->low && n <= m->low - gpa) ||
	       (gpa - MEMORY_HIGH_START < m->high && n <= m->high - (gpa - MEMORY_HIGH_START));
}

/* NULL if gpa isn't RAM */
static inline u8 *memory_host(const struct memory *m, u64 gpa)
{
	return memory_is_ram(m, gpa) ? m->base + gpa : NULL;
}

static inline _Atomic u8 *memory_flag(const struct memory *m, u64 gpa)
{
	u64 page = gpa >= MEMORY_HIGH_START ? (gpa - MEMORY_HIGH_START + m->low) >> 12 : gpa >> 12;

	return &m->flags[page];
}

#endif
