/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What L2 sees at its physical addresses:
 *
 *	L2-physical                    L1-physical
 *	0 .. PAYLOAD_MEMORY         -> L2_MEMORY on, in 2 MiB pages where that is possible
 *	PAYLOAD_WINDOW, 1 GiB       -> nothing, until L2 touches a page: then one page, the same for all
 *	PAYLOAD_APIC                -> a page of L1's, for the experiment that is about it (vmcs.c)
 *
 * With EPT these are the tables of the SDM's vol. 3, "The Extended Page Table Mechanism (EPT)". Without it L1 shadows
 * L2's page tables: they say that linear addresses are physical ones, so what L2 runs with says what the EPT would. Even
 * the entries are alike, SDM vol. 3, "4-Level Paging": bits 2:0 permit everything in both formats, bit 7 is a large page.
 */
#include "shim.h"

#define LARGE_SHIFT 21
#define PAGE_SHIFT 12
#define ROOT_SHIFT 39
#define TABLE_ENTRIES 512

#define ENTRY_ALL 7ull
#define ENTRY_LARGE BIT(7)
#define EPT_WRITE_BACK (6ull << 3) /* those bits of a page-table entry want to be 0 */
/* The EPT pointer has the same type in its low bits */
#define EPTP_WRITE_BACK 6ull
#define EPTP_4_LEVELS (3ull << 3)
#define EPTP_ACCESSED_DIRTY BIT(6)

#define WINDOW_FRAME (L2_MEMORY + PAYLOAD_MEMORY - PAGE)
#define INVEPT_ONE 1ull
#define INVEPT_ALL 2ull
#define INVVPID_ALL 2ull

typedef u64 table[TABLE_ENTRIES];

/* root, PDPT, one directory and PAYLOAD_MEMORY's tables, the window's directory, the APIC's directory and table */
#define POOL (3 + PAYLOAD_MEMORY / (PAGE * TABLE_ENTRIES) + 3)
static __attribute__((aligned(PAGE))) table pool[POOL];
static unsigned int used;
static u64 pointer, leaf;
static u64 *const window = (u64 *)WINDOW_TABLES;

static u64 *new_table(void)
{
	if (used == POOL) {
		say("l1shim: memory.c: more tables than POOL says\n");
		end(FAILED);
	}
	zero_bytes(pool[used], PAGE);
	return pool[used++];
}

/* The entry for an address in the table whose entries stand for 1 << shift bytes; tables on the way are made. */
static u64 *entry_of(u64 l2, unsigned int shift)
{
	u64 *t = pool[0];

	for (unsigned int level = ROOT_SHIFT;; level -= 9) {
		u64 *entry = &t[l2 >> level & (TABLE_ENTRIES - 1)];

		if (level == shift)
			return entry;
		if (!*entry)
			*entry = (u64)new_table() | ENTRY_ALL;
		t = (u64 *)(*entry & -PAGE);
	}
}

void memory_map(u64 l2, u64 l1, u64 size)
{
	if (size == PAGE)
		*entry_of(l2, PAGE_SHIFT) = l1 | leaf;
	else
		*entry_of(l2, LARGE_SHIFT) = l1 | leaf | ENTRY_LARGE;
}

/* One store: what was not present is in no TLB. SDM vol. 3, "Information That May Be Cached" */
void memory_map_window(u64 l2)
{
	window[(l2 - PAYLOAD_WINDOW) / PAGE] = WINDOW_FRAME | leaf;
}

/* All that was derived from the tables. Without a VPID each entry and each exit forgets linear translations by itself. */
static void invalidate(void)
{
	const u64 tables[2] = { pointer, 0 }, any[2] = { 0, 0 };
	u64 type = caps_has(VMX_invept_all_context) ? INVEPT_ALL : INVEPT_ONE;
	bool failed = false;

	if (shim.ept)
		__asm__ volatile("invept %1, %2" : "=@ccbe"(failed) : "m"(tables), "r"(type) : "memory");
	if (failed)
		vm_failed("INVEPT", "descriptor");
	if (shim.vpid)
		__asm__ volatile("invvpid %1, %2" : "=@ccbe"(failed) : "m"(any), "r"(INVVPID_ALL) : "memory");
	if (failed)
		vm_failed("INVVPID", "descriptor");
}

void memory_clear_window(void)
{
	zero_bytes(window, WINDOW_PAGES * sizeof(*window));
	invalidate();
}

u64 memory_create(void)
{
	u64 size = shim.large ? BIT(LARGE_SHIFT) : PAGE;

	used = 0;
	leaf = ENTRY_ALL | (shim.ept ? EPT_WRITE_BACK : 0);
	pointer = (u64)new_table();
	if (shim.ept)
		pointer |= EPTP_WRITE_BACK | EPTP_4_LEVELS | (shim.ad ? EPTP_ACCESSED_DIRTY : 0);
	for (u64 at = 0; at < PAYLOAD_MEMORY; at += size)
		memory_map(at, L2_MEMORY + at, size);
	for (u64 at = 0; at < PAYLOAD_WINDOW_SIZE; at += BIT(LARGE_SHIFT))
		*entry_of(PAYLOAD_WINDOW + at, LARGE_SHIFT) = (WINDOW_TABLES + at / PAGE * sizeof(u64)) | ENTRY_ALL;
	memory_clear_window();
	return pointer;
}
