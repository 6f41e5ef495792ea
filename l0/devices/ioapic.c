/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ioapic.h"
#include "lapic.h"

#define IOREGSEL 0x00
#define IOWIN 0x10
#define IOEOI 0x40

#define REG_ID 0x00
#define REG_VERSION 0x01
#define REG_ARBITRATION 0x02
#define REG_REDIRECTION 0x10

#define IOAPIC_VERSION 0x20 /* with EOI register */

/* a redirection entry */
#define RED_VECTOR 0xffull
#define RED_MODE_SHIFT 8
#define RED_LOGICAL BIT(11)
#define RED_REMOTE_IRR BIT(14)
#define RED_LEVEL BIT(15)
#define RED_MASKED BIT(16)
#define RED_DEST_SHIFT 56
/* polarity (bit 13) is stored and has no effect: see irqchip_set(); delivery status (12) is always idle */
#define RED_WRITABLE \
	(0xffull << RED_DEST_SHIFT | RED_MASKED | RED_LEVEL | BIT(13) | RED_LOGICAL | 7ull << RED_MODE_SHIFT | \
	 RED_VECTOR)

static void ioapic_send(struct ioapic *io, unsigned int pin)
{
	u64 *entry = &io->redirection[pin];
	struct apic_message message = {
		.dest = (u32)(*entry >> RED_DEST_SHIFT),
		.logical = *entry & RED_LOGICAL,
		.mode = *entry >> RED_MODE_SHIFT & 7,
		.vector = *entry & RED_VECTOR,
		.level = *entry & RED_LEVEL,
	};
	bool maskable = message.mode == APIC_FIXED || message.mode == APIC_LOWEST;

	/* only fixed and lowest-priority interrupts have an EOI; the other modes ignore the trigger mode */
	if (apic_route(io->machine, &message, NULL) && maskable && message.level)
		*entry |= RED_REMOTE_IRR;
}

/* A level-triggered pin sends as long as it is asserted and the last one was ended. */
static void ioapic_service_level(struct ioapic *io, unsigned int pin)
{
	u64 entry = io->redirection[pin];

	if ((io->lines & BIT(pin)) && (entry & RED_LEVEL) && !(entry & (RED_MASKED | RED_REMOTE_IRR)))
		ioapic_send(io, pin);
}

void ioapic_set(struct ioapic *io, unsigned int pin, bool level)
{
	bool was = io->lines & BIT(pin);

	if (!level) {
		io->lines &= (u32)~BIT(pin);
		return;
	}
	io->lines |= (u32)BIT(pin);
	/* an edge on a masked pin is lost, as the datasheet says */
	if (io->redirection[pin] & RED_LEVEL)
		ioapic_service_level(io, pin);
	else if (!was && !(io->redirection[pin] & RED_MASKED))
		ioapic_send(io, pin);
}

bool ioapic_can_nmi(const struct ioapic *io)
{
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 entry = io->redirection[pin], mode = entry >> RED_MODE_SHIFT & 7;

		if (!(entry & RED_MASKED) && (mode == APIC_NMI || mode == APIC_INIT))
			return true;
	}
	return false;
}

void ioapic_eoi(struct ioapic *io, u8 vector)
{
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 *entry = &io->redirection[pin];

		if ((*entry & RED_VECTOR) != vector || !(*entry & RED_REMOTE_IRR))
			continue;
		*entry &= ~RED_REMOTE_IRR;
		ioapic_service_level(io, pin);
	}
}

static u32 ioapic_read_register(const struct ioapic *io)
{
	unsigned int pin = (io->select - REG_REDIRECTION) / 2;

	switch (io->select) {
	case REG_ID:
	case REG_ARBITRATION:
		return (u32)io->id << 24;
	case REG_VERSION:
		return (IOAPIC_PINS - 1) << 16 | IOAPIC_VERSION;
	}
	if (io->select < REG_REDIRECTION || pin >= IOAPIC_PINS)
		return 0; /* reserved */
	return (u32)(io->redirection[pin] >> (io->select & 1 ? 32 : 0));
}

static void ioapic_write_redirection(struct ioapic *io, unsigned int pin, bool high, u32 value)
{
	u64 *entry = &io->redirection[pin];
	u64 half = high ? 0xffffffffull << 32 : 0xffffffffull;
	u64 mask = RED_WRITABLE & half;

	*entry = (*entry & ~mask) | (((u64)value << (high ? 32 : 0)) & mask);
	/* Remote IRR means nothing for an edge, and must not block the pin when it becomes a level again. */
	if (!(*entry & RED_LEVEL))
		*entry &= ~RED_REMOTE_IRR;
	ioapic_service_level(io, pin);
}

static void ioapic_write_register(struct ioapic *io, u32 value)
{
	unsigned int pin = (io->select - REG_REDIRECTION) / 2;

	if (io->select == REG_ID)
		io->id = value >> 24 & 0xf;
	else if (io->select >= REG_REDIRECTION && pin < IOAPIC_PINS)
		ioapic_write_redirection(io, pin, io->select & 1, value);
}

u32 ioapic_read(struct ioapic *io, u32 offset)
{
	switch (offset) {
	case IOREGSEL:
		return io->select;
	case IOWIN:
		return ioapic_read_register(io);
	}
	return 0;
}

void ioapic_write(struct ioapic *io, u32 offset, u32 value)
{
	switch (offset) {
	case IOREGSEL:
		io->select = value & 0xff;
		break;
	case IOWIN:
		ioapic_write_register(io, value);
		break;
	case IOEOI:
		ioapic_eoi(io, value & 0xff);
		break;
	}
}

void ioapic_reset(struct ioapic *io)
{
	io->select = 0;
	io->id = 0;
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		io->redirection[pin] = RED_MASKED;
}
