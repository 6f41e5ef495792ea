/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random bytes as code, in 64-, 32- and 16-bit segments, with and without privilege. Whatever stops it, an exception or the NMI
 * that comes all the time, lands in random.S, which dives in again somewhere else. Nothing is protected from it: it may well
 * destroy what it runs on, which ends in a triple fault or worse.
 */
#include "wild.h"

#define TABLES 0x300000u /* page tables: PML4, PDPT, page directory */
#define STATE 0x200000u /* random.S's: see there */
#define DIVES 20000u
#define CODE_SIZE 0x10000u

#define PTE_PRESENT_WRITE_USER 7u
#define PTE_LARGE 0x80u
#define GATE64_IST1 0x8e01u /* interrupt gate, stack IST1 */
#define TSS_RSP0 4
#define TSS_IST1 36
#define TSS_SIZE 104u
#define DESCRIPTOR_TSS 0x890000000000ull

extern u8 random_dive[];
_Noreturn void random_start(u32 tables);

static u8 tss[TSS_SIZE];
static struct __attribute__((packed)) {
	u16 low, selector;
	u16 type;
	u16 middle;
	u32 high, reserved;
} idt64[256];

static void make_tables(void)
{
	for (u32 i = 0; i < 3 * PAGE; i += 4)
		MEM32(TABLES + i) = 0;
	MEM32(TABLES) = (TABLES + PAGE) | PTE_PRESENT_WRITE_USER;
	MEM32(TABLES + PAGE) = (TABLES + 2 * PAGE) | PTE_PRESENT_WRITE_USER;
	/* RAM alone: code elsewhere would end the run */
	for (u32 i = 0; i < RAM_END >> 21; i++)
		MEM32(TABLES + 2 * PAGE + 8 * i) = i << 21 | PTE_LARGE | PTE_PRESENT_WRITE_USER;
}

static void make_gates(void)
{
	const struct table_register idtr = { sizeof(idt64) - 1, (u32)idt64 };
	u32 to = (u32)random_dive;

	for (u32 i = 0; i < 256; i++) {
		idt64[i].low = (u16)to;
		idt64[i].selector = CODE64;
		idt64[i].type = GATE64_IST1;
		idt64[i].middle = (u16)(to >> 16);
	}
	*(volatile u32 *)(tss + TSS_RSP0) = STATE + PAGE;
	*(volatile u32 *)(tss + TSS_IST1) = STATE + PAGE;
	to = (u32)tss;
	gdt[TSS64 / 8] = (TSS_SIZE - 1) | (u64)(to & 0xffffff) << 16 | DESCRIPTOR_TSS | (u64)(to >> 24) << 56;
	__asm__ volatile("lidt %0" : : "m"(idtr));
}

void guest_runs_random_code(void)
{
	for (u32 i = 0; i < CODE_SIZE + 16; i++)
		MEM8(PLAYGROUND + i) = (u8)(garbage() >> 11);
	MEM32(STATE) = DIVES;
	MEM32(STATE + 8) = garbage();
	MEM32(STATE + 12) = garbage();
	make_tables();
	make_gates();
	ioapic_nmi_every(0); /* random.S says how often */
	random_start(TABLES);
}
