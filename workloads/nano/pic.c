/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An interrupt that waits until the CPU takes interrupts again: a hypervisor asks for an exit at that moment. It comes by the 8259, for what
 * comes by a local APIC may be delivered without one, SDM vol. 3, "Virtual-Interrupt Delivery"; and its source is the first serial port,
 * which asks for one as soon as it is told that it may, having nothing to send.
 */
#include "nano.h"

#define SERIAL_IER 0x3f9
#define SERIAL_MCR 0x3fc
#define IER_TRANSMITTER_EMPTY 2
#define MCR_INTERRUPTS 0xb /* OUT2: the line is connected; and DTR, RTS */
#define PIC_COMMAND 0x20
#define PIC_DATA 0x21
#define PIC_FIRST 0x20
#define PIC_SERIAL 4
#define PATIENCE 1000000

void pic_entry(void);

volatile u64 pic_interrupts; /* counted by pic_entry */

/* 8259A, "Initialization Command Words": edges, two of them, not in 8080 mode; then all but the serial port's are masked */
static void pic_prepare(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	gate(PIC_FIRST + PIC_SERIAL, pic_entry);
	out8(PIC_COMMAND, 0x11);
	out8(PIC_DATA, PIC_FIRST);
	out8(PIC_DATA, 1 << 2);
	out8(PIC_DATA, 1);
	out8(PIC_DATA, (u8) ~(1u << PIC_SERIAL));
	apic_pass_pic();
	out8(SERIAL_MCR, MCR_INTERRUPTS);
}

/* False: it never came. */
static bool one(void)
{
	u64 seen = pic_interrupts, patience = PATIENCE;

	out8(SERIAL_IER, IER_TRANSMITTER_EMPTY); /* pending from here on */
	__asm__ volatile("sti" : : : "memory");
	while (pic_interrupts == seen && --patience)
		__asm__ volatile("nop");
	__asm__ volatile("cli" : : : "memory");
	return pic_interrupts != seen;
}

const char *lacks_pic(void)
{
	pic_prepare();
	return one() ? NULL : "no interrupt comes by the 8259";
}

void op_window(u64 n)
{
	while (n--)
		one();
}
