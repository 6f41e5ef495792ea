/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions that C has no words for, each as a function of its name. */
#ifndef L1SHIM_X86_H
#define L1SHIM_X86_H

#include <stdbool.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define BIT(n) (1ull << (n))
#define PAGE 4096ull

/* start.S's segments */
#define SEG_CODE 0x08
#define SEG_DATA 0x10
#define SEG_TSS 0x18

#define CR4_VMXE BIT(13)
#define MSR_FEATURE_CONTROL 0x3a
#define FEATURE_CONTROL_LOCK BIT(0)
#define FEATURE_CONTROL_VMXON BIT(2) /* outside SMX */

static inline void out8(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out16(u16 port, u16 value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(u16 port, u32 value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 in8(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline u64 rdmsr(u32 msr)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)));
}

static inline u32 cpuid_ecx(u32 leaf)
{
	u32 eax = leaf, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ecx;
}

static inline u64 rdtsc(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (u64)high << 32 | low;
}

/* read_cr0() and so on */
#define X86_CR(n) \
	static inline u64 read_cr##n(void) \
	{ \
		u64 value; \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(value)); \
		return value; \
	} \
	static inline void write_cr##n(u64 value) \
	{ \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory"); \
	}
X86_CR(0)
X86_CR(3)
X86_CR(4)
#undef X86_CR

/* What LGDT and LIDT take */
struct __attribute__((packed)) table_register {
	u16 limit;
	u64 base;
};

static inline void copy_bytes(void *to, const void *from, u64 n)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static inline void zero_bytes(void *to, u64 n)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
}

#endif
