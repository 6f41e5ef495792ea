/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operations, each a loop around itself. */
#include "nano.h"

#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084
#define FAULTING 0x3fe00000ul /* the last page of the directory is taken away: nothing is there */
#define TABLE_OF_ONES 0x3fc00000ul /* and the one before it becomes 4 KiB pages */
#define PAGE_FLAGS 7
#define GATE_INTERRUPT 0x8e00
#define TESTDEV_PORT 0xe0
#define TESTDEV_MEMORY 0xff000000ul
#define CPUID_1_ECX_X2APIC (1u << 21)
#define APIC_BASE_ENABLED_X2APIC 0xc00
#define SVR_ENABLED 0x1ff
#define LVT_TSC_DEADLINE (2u << 17)
#define LVT_EXTINT 0x700
#define APIC_MEMORY 0xfee00000ul
#define APIC_LVT_LINT0 0x350
#define APIC_TIMER_CURRENT 0x390
#define APIC_BASE_ENABLED 0x800
#define CR0_AM 0x40000
#define FAR_AWAY (1ull << 40) /* ticks: the timer is set and never fires */

void syscall_entry(void);
void fault_entry(void);
void divide_entry(void);
void timer_entry(void);
void just_ret(void);
void vmcall_refused(void);
extern u64 directory[512], pdpt[512];

volatile u8 refused; /* set by vmcall_refused */
static u64 page_table[512] __attribute__((aligned(4096)));
static u64 directory_of_devices[512] __attribute__((aligned(4096)));
static struct __attribute__((packed)) {
	u16 low, selector, type, middle;
	u32 high, reserved;
} idt[VECTOR_TIMER + 1];

void op_loop(u64 n)
{
	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(n));
}

void op_in(u64 n)
{
	__asm__ volatile("1: inb $0x80, %%al\n\tdec %0\n\tjnz 1b" : "+r"(n) : : "eax");
}

void op_cr8wr(u64 n)
{
	__asm__ volatile("1: mov %1, %%cr8\n\tdec %0\n\tjnz 1b" : "+r"(n) : "r"(0ul));
}

void op_callret(u64 n)
{
	__asm__ volatile("1: call just_ret\n\tdec %0\n\tjnz 1b" : "+r"(n) : : "memory");
}

void op_pgfault(u64 n)
{
	/* two bytes */
	__asm__ volatile("1: movb (%%rdi), %%al\n\tdec %0\n\tjnz 1b" : "+r"(n) : "D"(FAULTING) : "eax", "memory");
}

void op_divzero(u64 n)
{
	/* two bytes */
	__asm__ volatile("1: divl %%ecx\n\tdec %0\n\tjnz 1b" : "+r"(n) : "c"(0) : "eax", "edx", "memory");
}

/* A bit that the CPU leaves to software, in an entry that is in use: what a shadow page table has to follow */
void op_ptemod(u64 n)
{
	volatile u8 *page = (volatile u8 *)TABLE_OF_ONES;

	(void)*page;
	__asm__ volatile("1: xorq $0x200, %1\n\tdec %0\n\tjnz 1b" : "+r"(n), "+m"(page_table[0]));
}

void op_rdtsc(u64 n)
{
	__asm__ volatile("1: rdtsc\n\tdec %0\n\tjnz 1b" : "+r"(n) : : "eax", "edx");
}

void op_cpuid(u64 n)
{
	__asm__ volatile("1: xor %%eax, %%eax\n\tcpuid\n\tdec %0\n\tjnz 1b" : "+r"(n) : : "eax", "ebx", "ecx", "edx");
}

/* the number of no call: the hypervisor says so and does nothing */
void op_vmcall(u64 n)
{
	__asm__ volatile("1: mov $-1, %%rax\n\tvmcall\n\tdec %0\n\tjnz 1b"
			 : "+r"(n)
			 :
			 : "rax", "rbx", "rcx", "rdx", "rsi", "memory");
}

void op_pio(u64 n)
{
	__asm__ volatile("1: outb %%al, %1\n\tdec %0\n\tjnz 1b" : "+r"(n) : "N"(TESTDEV_PORT), "a"(0));
}

void op_mmio(u64 n)
{
	__asm__ volatile("1: movl %%eax, (%1)\n\tdec %0\n\tjnz 1b" : "+r"(n) : "r"(TESTDEV_MEMORY), "a"(0) : "memory");
}

void op_timer(u64 n)
{
	wrmsr(MSR_X2APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
	while (n--)
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + FAR_AWAY);
	wrmsr(MSR_TSC_DEADLINE, 0);
}

void op_eoi(u64 n)
{
	while (n--)
		wrmsr(MSR_X2APIC_EOI, 0);
}

void op_rdmsr(u64 n)
{
	while (n--)
		rdmsr(MSR_APIC_BASE);
}

void op_ud(u64 n)
{
	/* two bytes */
	__asm__ volatile("1: ud2\n\tdec %0\n\tjnz 1b" : "+r"(n) : : "memory");
}

/* A bit that matters to nobody here: there is no CPL 3 with RFLAGS.AC. */
void op_cr0(u64 n)
{
	u64 cr0;

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	__asm__ volatile("1: xor %2, %0\n\tmov %0, %%cr0\n\tdec %1\n\tjnz 1b" : "+r"(cr0), "+r"(n) : "i"(CR0_AM));
}

/*
 * The timer's current count isn't among the registers that a CPU reads from a virtual-APIC page, SDM vol. 3, "Virtualizing Reads from the
 * APIC-Access Page". An x2APIC's registers aren't in memory: it is left for that time, through the disabled state.
 */
void op_apic(u64 n)
{
	bool x2apic = !lacks_x2apic();
	u64 base = rdmsr(MSR_APIC_BASE) & ~(u64)APIC_BASE_ENABLED_X2APIC;

	if (x2apic) {
		wrmsr(MSR_APIC_BASE, base);
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLED);
	}
	__asm__ volatile("1: movl (%1), %%eax\n\tdec %0\n\tjnz 1b"
			 : "+r"(n)
			 : "r"(APIC_MEMORY + APIC_TIMER_CURRENT)
			 : "eax", "memory");
	if (x2apic)
		apic_prepare();
}

const char *lacks_x2apic(void)
{
	return cpuid(1).c & CPUID_1_ECX_X2APIC ? NULL : "the CPU has no x2APIC";
}

/* A #UD: nobody is below whom one could call. */
const char *lacks_vmcall(void)
{
	gate(6, vmcall_refused);
	op_vmcall(1);
	gate(6, divide_entry);
	return refused ? "there is no hypervisor below" : NULL;
}

void gate(unsigned int vector, void (*handler)(void))
{
	u64 to = (u64)handler;

	idt[vector].low = (u16)to;
	idt[vector].middle = (u16)(to >> 16);
	idt[vector].high = (u32)(to >> 32);
	idt[vector].selector = 8;
	idt[vector].type = GATE_INTERRUPT;
}

void idt_prepare(void)
{
	const struct __attribute__((packed)) {
		u16 limit;
		u64 base;
	} idtr = { sizeof(idt) - 1, (u64)idt };

	__asm__ volatile("lidt %0" : : "m"(idtr));
}

void apic_prepare(void)
{
	if (lacks_x2apic())
		return;
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLED_X2APIC);
	wrmsr(MSR_X2APIC_SVR, SVR_ENABLED);
}

void apic_pass_pic(void)
{
	if (lacks_x2apic())
		*(volatile u32 *)(APIC_MEMORY + APIC_LVT_LINT0) = LVT_EXTINT;
	else
		wrmsr(MSR_X2APIC_LVT_LINT0, LVT_EXTINT);
}

void ops_prepare(void)
{
	gate(0, divide_entry);
	gate(6, divide_entry); /* #UD: the same */
	gate(14, fault_entry);
	gate(VECTOR_TIMER, timer_entry);
	wrmsr(MSR_STAR, 0x0010000800000000);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_FMASK, 0);
	for (u64 i = 0; i < 512; i++) {
		page_table[i] = (i << 12) | PAGE_FLAGS;
		directory_of_devices[i] = (0xc0000000 + (i << 21)) | PAGE_FLAGS | 0x80;
	}
	directory[TABLE_OF_ONES >> 21] = (u64)page_table | PAGE_FLAGS;
	directory[FAULTING >> 21] = 0;
	pdpt[3] = (u64)directory_of_devices | PAGE_FLAGS;
	__asm__ volatile("mov %%cr3, %%rax\n\tmov %%rax, %%cr3" : : : "rax", "memory");
}
