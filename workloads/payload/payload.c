/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs of payloads.h. L1 only counts and steps over: no register changes, nothing is really read or written. */
#include "payloads.h"

#define PAGE 4096
#define PORT 0x80
#define MSR_PAT 0x277
#define VECTOR_UD 6

/* keeps the compiler from leaving out what nobody reads */
#define USED(x) __asm__ volatile("" : : "r"(x))

void l2_cpuid(void)
{
	uint32_t eax, ecx, ebx, edx;

	for (;;)
		__asm__ volatile("cpuid" : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx) : "a"(0), "c"(0));
}

void l2_vmcall(void)
{
	for (;;)
		__asm__ volatile("vmcall");
}

/* The next page each time; where the window ends, L1 has long taken its first page away again. */
void l2_touch(void)
{
	for (;;)
		for (uint64_t at = PAYLOAD_WINDOW; at < PAYLOAD_WINDOW + PAYLOAD_WINDOW_SIZE; at += PAGE)
			*(volatile uint32_t *)at = 1;
}

void l2_out(void)
{
	for (;;)
		__asm__ volatile("outb %%al, %%dx" : : "a"(0), "d"(PORT));
}

void l2_in(void)
{
	uint8_t value;

	for (;;)
		__asm__ volatile("inb %%dx, %%al" : "=a"(value) : "d"(PORT));
}

void l2_rdmsr(void)
{
	uint32_t low, high;

	for (;;)
		__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(MSR_PAT));
}

void l2_wrmsr(void)
{
	for (;;)
		__asm__ volatile("wrmsr" : : "a"(0), "d"(0), "c"(MSR_PAT));
}

void l2_rdtsc(void)
{
	uint32_t low, high;

	for (;;)
		__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
}

void l2_hlt(void)
{
	for (;;)
		__asm__ volatile("hlt");
}

void l2_pause(void)
{
	for (;;)
		__asm__ volatile("pause");
}

/* 4 bytes: MOV to CR8 from RAX has a REX prefix */
void l2_cr8(void)
{
	for (;;)
		__asm__ volatile("mov %%rax, %%cr8" : : "a"(0ull));
}

/* L1 sees the #UD first and gives it back, as one that debugs or emulates would. */
void ud_handler(void);
__asm__("ud_handler:\n"
	"addq $2, (%rsp)\n" /* over the UD2 */
	"iretq");

void l2_ud(void)
{
	idt_set(VECTOR_UD, ud_handler);
	for (;;)
		__asm__ volatile("ud2");
}

static void spin(void)
{
	for (;;)
		__asm__ volatile("");
}

void l2_mtf(void)
{
	spin();
}

void l2_timer(void)
{
	spin();
}

/* The exit doesn't depend on RFLAGS.IF, SDM vol. 3, "External-Interrupt Exiting", but Bochs 3.0 thinks that it does. */
void l2_interrupt(void)
{
	__asm__ volatile("sti");
	spin();
}

/* L1 has raised the virtual task priority to the threshold: 0 lies below it. */
void l2_tpr(void)
{
	l2_cr8();
}

/* 2 bytes: the address in a register */
void l2_apic(void)
{
	uint32_t value;

	for (;;)
		__asm__ volatile("movl (%%rdi), %%eax" : "=a"(value) : "D"(PAYLOAD_APIC + 0x20));
}

/* Nothing here can exit. Marsaglia, "Xorshift RNGs" */
__attribute__((noinline)) void work_loop(uint64_t steps)
{
	uint64_t x = 88172645463325252u;

	while (steps--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	USED(x);
}

/* Loads from all over the arena: each may miss the TLB, whose miss costs L2 two walks in one. */
__attribute__((noinline)) void work_memory(uint64_t steps)
{
	volatile const uint64_t *arena = (volatile const uint64_t *)PAYLOAD_ARENA;
	uint64_t at = 1, sum = 0;

	while (steps--) {
		at = at * 6364136223846793005u + 1442695040888963407u;
		sum += arena[at >> 32 & (PAYLOAD_ARENA_SIZE / 8 - 1)];
	}
	USED(sum);
}

/* RDTSC where nobody wants to see it */
__attribute__((noinline)) void work_tsc(uint64_t steps)
{
	uint32_t low, high;

	while (steps--)
		__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
}

/*
 * With page tables of its own, in 4 KiB pages, each step makes the processor forget its translations and reads a byte of another
 * page: walks of four levels, and nothing that would shorten them.
 */
#define ENTRIES 512
#define WALKED (PAYLOAD_MEMORY / PAGE / ENTRIES) /* last-level tables for all of L2's memory */
static uint64_t walk_tables[3 + WALKED][ENTRIES] __attribute__((aligned(PAGE)));

static uint64_t walk_root(void)
{
	for (uint64_t i = 0; i < 2; i++)
		walk_tables[i][0] = (uint64_t)walk_tables[i + 1] | 3;
	for (uint64_t i = 0; i < WALKED; i++) {
		walk_tables[2][i] = (uint64_t)walk_tables[3 + i] | 3;
		for (uint64_t j = 0; j < ENTRIES; j++)
			walk_tables[3 + i][j] = (i * ENTRIES + j) * PAGE | 3;
	}
	return (uint64_t)walk_tables[0];
}

__attribute__((noinline)) void work_walk(uint64_t steps)
{
	volatile const uint8_t *arena = (volatile const uint8_t *)PAYLOAD_ARENA;
	uint64_t before, root = walk_root();

	__asm__ volatile("mov %%cr3, %0" : "=r"(before));
	for (uint64_t i = 0; i < steps; i++) {
		__asm__ volatile("mov %0, %%cr3" : : "r"(root) : "memory");
		(void)arena[i % (PAYLOAD_ARENA_SIZE / PAGE) * PAGE];
	}
	__asm__ volatile("mov %0, %%cr3" : : "r"(before) : "memory");
}

static void work_rounds(void (*work)(uint64_t steps))
{
	for (;;) {
		work(payload_steps());
		__asm__ volatile("vmcall");
	}
}

void l2_loop(void)
{
	work_rounds(work_loop);
}

void l2_memory(void)
{
	work_rounds(work_memory);
}

void l2_tsc(void)
{
	work_rounds(work_tsc);
}

void l2_walk(void)
{
	work_rounds(work_walk);
}

void l2_module(void)
{
	((void (*)(void))PAYLOAD_MODULE)();
}
