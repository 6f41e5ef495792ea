/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single operations of a kernel, without a kernel: the nanobenchmarks by which Adams and Agesen compare a translator with hardware.
 * For each a line `row NAME ROUNDS CYCLES min CYCLES`: TSC cycles of one operation, the median of the batches and the least, the
 * loop around it included: the row loop is that alone. Ends by 0x10 to isa-debug-exit.
 */
#include <stdint.h>

#define SERIAL 0x3f8
#define DEBUG_EXIT 0xf4
#define BATCHES 21
#define ROUNDS 20000
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084
#define FAULTING 0x3fe00000ul /* the last page of the directory is taken away: nothing is there */
#define TABLE_OF_ONES 0x3fc00000ul /* and the one before it becomes 4 KiB pages */
#define PAGE_FLAGS 7
#define GATE_INTERRUPT 0x8e00

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

void nano_main(void);
void op_syscall(u64 n);
void syscall_entry(void);
void fault_entry(void);
void divide_entry(void);
void just_ret(void);
extern u64 directory[512];

static u64 page_table[512] __attribute__((aligned(4096)));
static struct __attribute__((packed)) {
	u16 low, selector, type, middle;
	u32 high, reserved;
} idt[15];

static void out8(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static u64 rdtsc(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

static void wrmsr(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)));
}

static void put(const char *s)
{
	while (*s)
		out8(SERIAL, (u8)*s++);
}

static void put_number(u64 value)
{
	char text[21] = "", *p = text + sizeof(text) - 1;

	do
		*--p = (char)('0' + value % 10);
	while (value /= 10);
	put(p);
}

static void op_loop(u64 n)
{
	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(n));
}

static void op_in(u64 n)
{
	__asm__ volatile("1: inb $0x80, %%al\n\tdec %0\n\tjnz 1b" : "+r"(n) : : "eax");
}

static void op_cr8wr(u64 n)
{
	__asm__ volatile("1: mov %1, %%cr8\n\tdec %0\n\tjnz 1b" : "+r"(n) : "r"(0ul));
}

static void op_callret(u64 n)
{
	__asm__ volatile("1: call just_ret\n\tdec %0\n\tjnz 1b" : "+r"(n) : : "memory");
}

static void op_pgfault(u64 n)
{
	/* two bytes */
	__asm__ volatile("1: movb (%%rdi), %%al\n\tdec %0\n\tjnz 1b" : "+r"(n) : "D"(FAULTING) : "eax", "memory");
}

static void op_divzero(u64 n)
{
	/* two bytes */
	__asm__ volatile("1: divl %%ecx\n\tdec %0\n\tjnz 1b" : "+r"(n) : "c"(0) : "eax", "edx", "memory");
}

/* A bit that the CPU leaves to software, in an entry that is in use: what a shadow page table has to follow */
static void op_ptemod(u64 n)
{
	volatile u8 *page = (volatile u8 *)TABLE_OF_ONES;

	(void)*page;
	__asm__ volatile("1: xorq $0x200, %1\n\tdec %0\n\tjnz 1b" : "+r"(n), "+m"(page_table[0]));
}

static void op_rdtsc(u64 n)
{
	__asm__ volatile("1: rdtsc\n\tdec %0\n\tjnz 1b" : "+r"(n) : : "eax", "edx");
}

static const struct {
	const char *name;
	void (*run)(u64 n);
} ops[] = {
	{ "loop", op_loop },	   { "syscall", op_syscall }, { "in", op_in },
	{ "cr8wr", op_cr8wr },	   { "callret", op_callret }, { "pgfault", op_pgfault },
	{ "divzero", op_divzero }, { "ptemod", op_ptemod },   { "rdtsc", op_rdtsc },
};

static void gate(unsigned int vector, void (*handler)(void))
{
	u64 to = (u64)handler;

	idt[vector].low = (u16)to;
	idt[vector].middle = (u16)(to >> 16);
	idt[vector].high = (u32)(to >> 32);
	idt[vector].selector = 8;
	idt[vector].type = GATE_INTERRUPT;
}

static void measure(unsigned int op)
{
	static u64 cycles[BATCHES];

	ops[op].run(ROUNDS);
	for (unsigned int i = 0; i < BATCHES; i++) {
		u64 start = rdtsc(), mine;
		unsigned int j = i;

		ops[op].run(ROUNDS);
		mine = rdtsc() - start;
		for (; j && cycles[j - 1] > mine; j--)
			cycles[j] = cycles[j - 1];
		cycles[j] = mine;
	}
	put("row ");
	put(ops[op].name);
	put(" ");
	put_number((u64)BATCHES * ROUNDS);
	put(" ");
	put_number(cycles[BATCHES / 2] / ROUNDS);
	put(" min ");
	put_number(cycles[0] / ROUNDS);
	put("\r\n");
}

void nano_main(void)
{
	const struct __attribute__((packed)) {
		u16 limit;
		u64 base;
	} idtr = { sizeof(idt) - 1, (u64)idt };

	gate(0, divide_entry);
	gate(14, fault_entry);
	__asm__ volatile("lidt %0" : : "m"(idtr));
	wrmsr(MSR_STAR, 0x0010000800000000);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_FMASK, 0);
	for (u64 i = 0; i < 512; i++)
		page_table[i] = (i << 12) | PAGE_FLAGS;
	directory[TABLE_OF_ONES >> 21] = (u64)page_table | PAGE_FLAGS;
	directory[FAULTING >> 21] = 0;
	__asm__ volatile("mov %%cr3, %%rax\n\tmov %%rax, %%cr3" : : : "rax", "memory");
	for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		measure(i);
	out8(DEBUG_EXIT, 0x10);
	for (;;)
		__asm__ volatile("hlt");
}
