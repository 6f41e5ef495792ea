/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of nano share: the list of the operations, and how a kernel without a kernel is written. */
#ifndef WORKLOADS_NANO_NANO_H
#define WORKLOADS_NANO_NANO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

/*
 *   name     ops=NAME on the command line; op_NAME(n) does it n times
 *   always   without being named: the operations that Adams and Agesen compare a translator with hardware by
 *   needs    NULL, or what says why it can't be done here
 *
 * The others are those that hypervisors are compared by, at each level: a call to the hypervisor, a port and memory of a device
 * (pc-testdev, which is the VMM's), the TSC deadline timer and the end of an interrupt by MSRs of the x2APIC, another MSR, an
 * invalid instruction, and an interrupt for another CPU that halts. The last ones have exits that those don't: a bit of CR0, a register
 * of a local APIC in memory that no CPU answers by itself, an interrupt that waits for RFLAGS.IF.
 */
/* clang-format off */
#define OPS(O) \
	O(loop,    true,  NULL) \
	O(syscall, true,  NULL) \
	O(in,      true,  NULL) \
	O(cr8wr,   true,  NULL) \
	O(callret, true,  NULL) \
	O(pgfault, true,  NULL) \
	O(divzero, true,  NULL) \
	O(ptemod,  true,  NULL) \
	O(rdtsc,   true,  NULL) \
	O(cpuid,   false, NULL) \
	O(vmcall,  false, lacks_vmcall) \
	O(pio,     false, NULL) \
	O(mmio,    false, NULL) \
	O(timer,   false, lacks_x2apic) \
	O(eoi,     false, lacks_x2apic) \
	O(rdmsr,   false, NULL) \
	O(ud,      false, NULL) \
	O(ipi,     false, lacks_second_cpu) \
	O(cr0,     false, NULL) \
	O(apic,    false, NULL) \
	O(window,  false, lacks_pic)
/* clang-format on */

#define O(name, ...) void op_##name(u64 n);
OPS(O)
#undef O

/* NULL: it can be done */
const char *lacks_vmcall(void);
const char *lacks_x2apic(void);
const char *lacks_second_cpu(void);
const char *lacks_pic(void);

void ops_prepare(void); /* page tables, system calls */
void idt_prepare(void); /* on each CPU */
void apic_prepare(void); /* on each CPU, where there is an x2APIC */
void apic_pass_pic(void); /* the 8259's interrupts come through */
void gate(unsigned int vector, void (*handler)(void));

#define VECTOR_IPI 0x40
#define VECTOR_TIMER 0x41
#define MSR_APIC_BASE 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC_EOI 0x80b
#define MSR_X2APIC_SVR 0x80f
#define MSR_X2APIC_ICR 0x830
#define MSR_X2APIC_LVT_TIMER 0x832
#define MSR_X2APIC_LVT_LINT0 0x835

static inline void out8(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u64 rdtsc(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

static inline u64 rdmsr(u32 msr)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

struct cpuid {
	u32 a, b, c, d;
};

static inline struct cpuid cpuid(u32 leaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
	return r;
}

#endif
