/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * L2's physical memory: SDM vol. 3, "The Extended Page Table Mechanism (EPT)".
 *
 *	L2-physical                    L1-physical
 *	0 .. PAYLOAD_MEMORY         -> L2_MEMORY on, in 2 MiB pages where they are offered
 *	PAYLOAD_WINDOW, 1 GiB       -> nothing, until L2 touches a page: then one page, the same for all
 *	PAYLOAD_APIC                -> a page of L1's, for the experiment that is about it (vmcs.c)
 */
#include "shim.h"

#define LARGE_SHIFT 21
#define PAGE_SHIFT 12
#define ROOT_SHIFT 39
#define TABLE_ENTRIES 512

#define EPT_RWX 7ull
#define EPT_LARGE BIT(7)
#define EPT_WRITE_BACK (6ull << 3)
/* The EPT pointer has the same type in its low bits */
#define EPTP_WRITE_BACK 6ull
#define EPTP_4_LEVELS (3ull << 3)
#define EPTP_ACCESSED_DIRTY BIT(6)

#define WINDOW_FRAME (L2_MEMORY + PAYLOAD_MEMORY - PAGE)
#define INVALIDATE_ONE 1ull
#define INVALIDATE_ALL 2ull

typedef u64 table[TABLE_ENTRIES];

/* root, PDPT, one directory and PAYLOAD_MEMORY's tables, the window's directory, the APIC's directory and table */
#define POOL (3 + PAYLOAD_MEMORY / (PAGE * TABLE_ENTRIES) + 3)
static __attribute__((aligned(PAGE))) table pool[POOL];
static unsigned int used;
static u64 pointer;
static u64 *const window = (u64 *)WINDOW_TABLES;

static u64 *new_table(void)
{
	if (used == POOL) {
		say("l1shim: ept.c: more tables than POOL says\n");
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
			*entry = (u64)new_table() | EPT_RWX;
		t = (u64 *)(*entry & -PAGE);
	}
}

void ept_map(u64 l2, u64 l1, u64 size)
{
	bool large = size != PAGE;

	*entry_of(l2, large ? LARGE_SHIFT : PAGE_SHIFT) = l1 | EPT_WRITE_BACK | EPT_RWX | (large ? EPT_LARGE : 0);
}

/* One store: a page that was not present is in no TLB. SDM vol. 3, "Guidelines for Use of the INVEPT Instruction" */
void ept_map_window(u64 l2)
{
	window[(l2 - PAYLOAD_WINDOW) / PAGE] = WINDOW_FRAME | EPT_WRITE_BACK | EPT_RWX;
}

/* Everything that was derived from EPTs, and linear translations with it */
static void invalidate(void)
{
	const u64 descriptor[2] = { pointer, 0 };
	u64 type = caps_has(VMX_invept_all_context) ? INVALIDATE_ALL : INVALIDATE_ONE;
	bool failed;

	__asm__ volatile("invept %1, %2" : "=@ccbe"(failed) : "m"(descriptor), "r"(type) : "memory");
	if (failed)
		vm_failed("INVEPT", "descriptor");
}

void ept_clear_window(void)
{
	zero_bytes(window, WINDOW_PAGES * sizeof(*window));
	invalidate();
}

u64 ept_create(void)
{
	u64 size = shim.options.large && caps_has(VMX_ept_2mb) ? BIT(LARGE_SHIFT) : PAGE;

	used = 0;
	new_table();
	for (u64 at = 0; at < PAYLOAD_MEMORY; at += size)
		ept_map(at, L2_MEMORY + at, size);
	for (u64 at = 0; at < PAYLOAD_WINDOW_SIZE; at += BIT(LARGE_SHIFT))
		*entry_of(PAYLOAD_WINDOW + at, LARGE_SHIFT) = (WINDOW_TABLES + at / PAGE * sizeof(u64)) | EPT_RWX;
	pointer = (u64)pool[0] | EPTP_WRITE_BACK | EPTP_4_LEVELS;
	if (shim.options.ad && caps_has(VMX_ept_accessed_dirty))
		pointer |= EPTP_ACCESSED_DIRTY;
	ept_clear_window();
	return pointer;
}
