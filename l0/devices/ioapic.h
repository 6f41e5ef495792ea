/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O APIC: 24 redirection entries behind an index and a data register (Intel 82093AA datasheet), and
 * the EOI register of version 0x20. No lock in here: irqchip.c serializes all calls.
 */
#ifndef L0_DEVICES_IOAPIC_H
#define L0_DEVICES_IOAPIC_H

#include "irqchip.h"

struct ioapic {
	struct machine *machine;
	u8 select, id;
	u32 lines; /* bit n: pin n is asserted */
	u64 redirection[IOAPIC_PINS];
};

void ioapic_reset(struct ioapic *io);
void ioapic_set(struct ioapic *io, unsigned int pin, bool level);
bool ioapic_can_nmi(const struct ioapic *io); /* an unmasked entry sends NMI or INIT */
void ioapic_eoi(struct ioapic *io, u8 vector); /* a local APIC ended a level-triggered interrupt */
u32 ioapic_read(struct ioapic *io, u32 offset); /* offset: bytes from the start of its page */
void ioapic_write(struct ioapic *io, u32 offset, u32 value);

#endif
