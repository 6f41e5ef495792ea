/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two 8259A interrupt controllers of a PC, the slave on input 2 of the master, with the edge/level
 * control registers of PCI chipsets. Datasheet: Intel 8259A; ELCR: Intel 82371.
 *
 * No lock in here: irqchip.c serializes all calls.
 */
#ifndef L0_DEVICES_PIC_H
#define L0_DEVICES_PIC_H

#include "bus.h"

#define PIC_MASTER_PORT 0x20
#define PIC_SLAVE_PORT 0xa0
#define PIC_ELCR_PORT 0x4d0
#define PIC_TIMER 0
#define PIC_CASCADE 2

enum pic_init { PIC_READY, PIC_WANTS_ICW2, PIC_WANTS_ICW3, PIC_WANTS_ICW4 };

/* One chip. Bit n of each mask is input n. */
struct pic_chip {
	u8 irr, isr, imr;
	u8 lines; /* levels of the inputs */
	u8 elcr; /* 1: level-triggered */
	u8 icw2; /* vector of input 0 */
	u8 lowest; /* the input of lowest priority: the next one has the highest */
	u8 init; /* enum pic_init */
	bool wants_icw4, single;
	bool auto_eoi, rotate_on_auto_eoi, special_fully_nested, special_mask;
	bool read_isr, poll;
};

struct pic {
	struct pic_chip chip[2]; /* master, slave */
};

void pic_reset(struct pic *p);
void pic_set(struct pic *p, unsigned int irq, bool level); /* irq 0..15, not PIC_CASCADE */
bool pic_output(const struct pic *p); /* level of the master's INT */
int pic_peek(const struct pic *p); /* the vector that pic_ack() would give, -1 if INT is low */
u8 pic_ack(struct pic *p); /* both INTA cycles: the vector, a spurious one if INT went low */

/* chip: 0 master, 1 slave; a1: address line A1, the higher of its two ports */
u8 pic_read(struct pic *p, unsigned int chip, bool a1);
void pic_write(struct pic *p, unsigned int chip, bool a1, u8 value);
u8 pic_elcr_read(const struct pic *p, unsigned int chip);
void pic_elcr_write(struct pic *p, unsigned int chip, u8 value);

#endif
