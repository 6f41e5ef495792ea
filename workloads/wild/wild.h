/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guests share. 32-bit protected mode, flat, no paging, interrupts off; nothing of a C library. */
#ifndef WORKLOADS_WILD_WILD_H
#define WORKLOADS_WILD_WILD_H

#include <stdbool.h>
#include <stdint.h>

#include "guests.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define RAM_END ((u32)WILD_MEMORY_MIB << 20)
#define PLAYGROUND 0x1000000u /* RAM from here up to nearly RAM_END is for guests to do with as they like */
#define PAGE 4096u

#define LAPIC 0xfee00000u
#define IOAPIC 0xfec00000u
#define HOLE 0xc0000000u

/* start.S's segments */
#define CODE32 0x08
#define DATA32 0x10
#define CODE32_USER 0x1b
#define DATA32_USER 0x23
#define CODE16 0x28
#define CODE16_USER 0x33
#define CODE64 0x38
#define CODE64_USER 0x4b
#define TSS64 0x50
extern u64 gdt[];

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

static inline u16 in16(u16 port)
{
	u16 value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline u32 in32(u16 port)
{
	u32 value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* memory that the compiler knows nothing of */
#define MEM8(a) (*(volatile u8 *)(a))
#define MEM16(a) (*(volatile u16 *)(a))
#define MEM32(a) (*(volatile u32 *)(a))
#define MEM64(a) (*(volatile u64 *)(a))

struct __attribute__((packed)) table_register {
	u16 limit;
	u32 base;
};

/* End the run. */
_Noreturn void finish(u8 value);
#define PASS() finish(WILD_PASS)
/* condition: what L0 owes to the guest */
#define EXPECT(condition) \
	do { \
		if (!(condition)) \
			fail(#condition); \
	} while (0)
_Noreturn void fail(const char *what);

void print(const char *text);
void print_hex(u32 value);

/* 32 bits that are the same in every run with the same seed: the number behind the guest's name, if there is one; never 0 */
u32 garbage(void);

/*
 * An IDT whose every vector comes to trap_stubs in start.S. What then happens: `trap` is called with the vector, and the frame of the
 * interrupted code, which it may change. Without install_traps() there is no IDT at all.
 */
struct frame {
	u32 edi, esi, ebp, esp_unused, ebx, edx, ecx, eax;
	u32 vector, error;
	u32 eip, cs, eflags;
};
void install_traps(void (*trap)(struct frame *f));
void set_gate(u8 vector, void (*entry)(void));

/*
 * An IDT for interrupts alone, of every vector, also those where exceptions bring an error code. They stay off until the guest wants
 * the next one: a line that nobody lowers would leave it no time.
 */
void ignore_interrupts(void);

/* A non-maskable interrupt every `count` ticks of the PIT, whatever the interrupt flag. */
void ioapic_nmi_every(u16 count);

/* Jump there and come back by its RET. */
static inline u32 call(u32 address)
{
	u32 result;

	__asm__ volatile("call *%1" : "=a"(result) : "r"(address) : "ecx", "edx", "memory", "cc");
	return result;
}

#define GUEST_DECLARE(name, options, code, text) void guest_##name(void);
WILD_GUESTS(GUEST_DECLARE)
#undef GUEST_DECLARE

#endif
