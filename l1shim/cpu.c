/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptor tables: just enough for what VMX wants to see, and for exceptions to end the run with a line. */
#include "shim.h"

#define GATE_INTERRUPT 0x8e00
#define DESCRIPTOR_TSS 0x890000000000ull /* available 64-bit TSS, present */
#define PIC_MASTER_MASK 0x21
#define PIC_SLAVE_MASK 0xa1
#define VECTORS 256
#define EXCEPTIONS 32
#define STUB_SIZE 16

/* what start.S's stubs leave on the stack */
struct exception {
	u64 vector, pushed[3]; /* RIP first, or the error code and then RIP */
};
void on_exception(const struct exception *e);

extern u64 gdt[];
extern u8 exception_stubs[];
static u32 tss[26];
static struct __attribute__((packed)) {
	u16 low, selector, type, middle;
	u32 high, reserved;
} idt[VECTORS];

void idt_set(unsigned int vector, void (*handler)(void))
{
	u64 to = (u64)handler;

	idt[vector].low = (u16)to;
	idt[vector].middle = (u16)(to >> 16);
	idt[vector].high = (u32)(to >> 32);
	idt[vector].selector = SEG_CODE;
	idt[vector].type = GATE_INTERRUPT;
}

u64 tss_base(void)
{
	return (u64)tss;
}

/* SDM vol. 3, "Checks on Host Segment and Descriptor-Table Registers": an L1 has a TSS, used or not. */
void cpu_init(void)
{
	const struct table_register idtr = { sizeof(idt) - 1, (u64)idt };
	u64 base = tss_base();

	gdt[SEG_TSS / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | DESCRIPTOR_TSS | (base >> 24 & 0xff) << 56;
	gdt[SEG_TSS / 8 + 1] = base >> 32;
	__asm__ volatile("ltr %w0" : : "r"(SEG_TSS));
	for (unsigned int i = 0; i < EXCEPTIONS; i++)
		idt_set(i, (void (*)(void))(exception_stubs + (u64)i * STUB_SIZE));
	__asm__ volatile("lidt %0" : : "m"(idtr));
	/* the interrupts that a firmware has left on */
	out8(PIC_MASTER_MASK, 0xff);
	out8(PIC_SLAVE_MASK, 0xff);
}

void on_exception(const struct exception *e)
{
	say("l1shim: exception %lu; on the stack 0x%lx, 0x%lx, 0x%lx\n", e->vector, e->pushed[0], e->pushed[1],
	    e->pushed[2]);
	end(FAILED);
}
