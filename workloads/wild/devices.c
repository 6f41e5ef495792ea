/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that are asked for what nobody would ask them. */
#include "wild.h"

#define PIC_MASTER 0x20
#define PIC_SLAVE 0xa0
#define PIT_COMMAND 0x43
#define PIT_CHANNEL0 0x40
#define PM1_CONTROL 0x604
#define PM1_SLP_EN 0x2000
#define S5_TYPE 0 /* of \_S5: soft off */
#define S3_TYPE 1 /* of \_S3: suspend to memory */
#define APIC_SPURIOUS (LAPIC + 0xf0)
#define APIC_EOI (LAPIC + 0xb0)
#define APIC_ICR_LOW (LAPIC + 0x300)
#define APIC_TIMER_LVT (LAPIC + 0x320)
#define APIC_TIMER_COUNT (LAPIC + 0x380)
#define APIC_TIMER_DIVIDE (LAPIC + 0x3e0)
#define TIMER_PERIODIC 0x20000
#define EXTERNAL_VECTOR 0x20
#define TIMER_VECTOR 0x40

void guest_reads_every_port(void)
{
	u32 sum = 0;

	for (u32 port = 0; port < 0x10000; port++) {
		sum += in8((u16)port);
		sum += in16((u16)port);
		sum += in32((u16)port);
	}
	/* where nothing is, all lines are high; the last access goes over the end */
	EXPECT(in32(0x9000) == 0xffffffff && in32(0xfffe) == 0xffffffff);
	EXPECT(sum);
	PASS();
}

/* What ends or restarts the machine isn't garbage but a request: the keyboard controller, port A, sleep control, reset, debug exit. */
static bool ends_the_run(u32 port, u32 size)
{
	static const struct {
		u16 first, last;
	} ENDS[] = { { 0x60, 0x64 },   { 0x92, 0x92 },	 { WILD_DEBUG_EXIT, WILD_DEBUG_EXIT + 3 },
		     { 0x510, 0x51b }, { 0x604, 0x605 }, { 0xcf8, 0xcff } };

	for (u32 i = 0; i < sizeof(ENDS) / sizeof(ENDS[0]); i++)
		if (port <= ENDS[i].last && port + size > ENDS[i].first)
			return true;
	return port + size > 0x10000;
}

static void write_garbage(u16 port)
{
	switch (garbage() % 3) {
	case 0:
		if (!ends_the_run(port, 1))
			out8(port, (u8)garbage());
		break;
	case 1:
		if (!ends_the_run(port, 2))
			out16(port, (u16)garbage());
		break;
	default:
		if (!ends_the_run(port, 4))
			out32(port, garbage());
	}
}

/* With interrupts on: whatever comes is ignored. */
void guest_writes_garbage_to_ports(void)
{
	static const u16 DEVICES[] = { 0x20, 0x40, 0x60, 0x70, 0xa0, 0x2e8, 0x2f8, 0x3e8, 0x3f8, 0x4d0, 0x600, 0x620 };

	ignore_interrupts();
	for (u32 i = 0; i < 200000; i++) {
		write_garbage((u16)(DEVICES[garbage() % (sizeof(DEVICES) / sizeof(DEVICES[0]))] + garbage() % 16));
		if (i % 64 == 0)
			__asm__ volatile("sti");
	}
	for (u32 port = 0; port < 0x10000; port++)
		write_garbage((u16)port);
	PASS();
}

void guest_reads_and_writes_the_holes(void)
{
	static const u32 HOLES[] = { RAM_END,	    0x80000000,	  HOLE,		0xe0000000, IOAPIC - PAGE,
				     IOAPIC + PAGE, LAPIC - PAGE, LAPIC + PAGE, 0xfffff000 };

	__asm__ volatile("fninit");
	for (u32 i = 0; i < sizeof(HOLES) / sizeof(HOLES[0]); i++)
		for (u32 offset = 0; offset < PAGE - 8; offset += 3) {
			u32 at = HOLES[i] + offset;

			MEM8(at) = (u8)garbage();
			MEM16(at) = (u16)garbage();
			MEM32(at) = garbage();
			__asm__ volatile("lock xaddl %0, (%1)" : : "r"(garbage()), "r"(at) : "memory");
			__asm__ volatile("fldpi; fstpt (%0)" : : "r"(at) : "memory");
			EXPECT(MEM8(at) == 0xff && MEM16(at) == 0xffff && MEM32(at) == 0xffffffff);
		}
	PASS();
}

/* Every register, every width, every offset; but for ICR, which would send INIT to this CPU. */
void guest_writes_garbage_to_the_apics(void)
{
	ignore_interrupts();
	for (u32 i = 0; i < 200000; i++) {
		u32 at = (garbage() & 1 ? LAPIC : IOAPIC) + garbage() % (PAGE - 4);

		if (at + 4 > APIC_ICR_LOW && at < APIC_ICR_LOW + 4)
			continue;
		switch (garbage() % 4) {
		case 0:
			MEM8(at) = (u8)garbage();
			break;
		case 1:
			MEM16(at) = (u16)garbage();
			break;
		case 2:
			(void)MEM32(at);
			break;
		default:
			MEM32(at) = garbage();
		}
		if (i % 64 == 0)
			__asm__ volatile("sti");
	}
	PASS();
}

void guest_accesses_across_the_end_of_ram(void)
{
	MEM32(RAM_END - 4) = 0x11223344;
	EXPECT(MEM32(RAM_END - 2) == 0xffff1122);
	EXPECT(MEM64(RAM_END - 4) == 0xffffffff11223344);
	MEM32(RAM_END - 1) = 0xa5a5a5a5;
	EXPECT(MEM32(RAM_END - 4) == 0xa5223344);
	/* and the end of the address space, whose other side is address 0 */
	(void)MEM32(0xfffffffc);
	PASS();
}

static volatile u32 storms;

static void storm(struct frame *f)
{
	storms++;
	if (f->vector == TIMER_VECTOR)
		MEM32(APIC_EOI) = 0;
	else
		out8(PIC_MASTER, 0x20);
}

static void pit_every(u16 count)
{
	out8(PIT_COMMAND, 0x34);
	out8(PIT_CHANNEL0, (u8)count);
	out8(PIT_CHANNEL0, count >> 8);
}

void ioapic_nmi_every(u16 count)
{
	MEM32(IOAPIC) = 0x10 + 2 * 2 + 1;
	MEM32(IOAPIC + 0x10) = 0; /* to APIC ID 0 */
	MEM32(IOAPIC) = 0x10 + 2 * 2;
	MEM32(IOAPIC + 0x10) = 0x400; /* edge, NMI */
	pit_every(count);
}

static void start_pit(u16 count)
{
	install_traps(storm);
	out8(PIC_MASTER, 0x11);
	out8(PIC_MASTER + 1, EXTERNAL_VECTOR);
	out8(PIC_MASTER + 1, 4);
	out8(PIC_MASTER + 1, 1);
	out8(PIC_MASTER + 1, 0xfe);
	pit_every(count);
}

/* Two timers, every few hundred instructions. */
void guest_storms_itself_with_interrupts(void)
{
	start_pit(2);
	MEM32(APIC_SPURIOUS) = 0x1ff;
	MEM32(APIC_TIMER_DIVIDE) = 0xb;
	MEM32(APIC_TIMER_LVT) = TIMER_PERIODIC | TIMER_VECTOR;
	MEM32(APIC_TIMER_COUNT) = 500;
	__asm__ volatile("sti");
	for (volatile u32 i = 0; i < 20000; i++)
		;
	__asm__ volatile("cli");
	EXPECT(storms > 100);
	PASS();
}

/* A handler that takes longer than the time to the next interrupt. Whoever waits for the program it interrupts waits for ever. */
void guest_drowns_in_interrupts(void)
{
	start_pit(2);
	for (;;)
		__asm__ volatile("sti");
}

/* Of the eight types of sleep the tables name two. The others do nothing. */
void guest_asks_acpi_for_unknown_sleep(void)
{
	for (u16 type = 0; type < 8; type++)
		if (type != S5_TYPE && type != S3_TYPE)
			out16(PM1_CONTROL, (u16)(PM1_SLP_EN | type << 10));
	PASS();
}

void guest_sleeps_without_an_alarm(void)
{
	out16(PM1_CONTROL, PM1_SLP_EN | S3_TYPE << 10);
	fail("nobody sleeps");
}
