/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pic.h"

/* inputs whose trigger mode is wired: timer, keyboard, cascade; RTC, coprocessor */
static const u8 elcr_writable[2] = { 0xf8, 0xde };

/*
 * What firmware leaves behind: the ACPI interrupt, IRQ 9, is level-triggered. There is no firmware
 * here that could program it.
 */
static const u8 elcr_after_firmware[2] = { 0x00, 0x02 };

#define ICW1_INIT BIT(4)
#define ICW1_SINGLE BIT(1)
#define ICW1_ICW4 BIT(0)
#define ICW4_SFNM BIT(4)
#define ICW4_AEOI BIT(1)
#define OCW3 BIT(3) /* else OCW2 */
#define OCW3_ESMM BIT(6)
#define OCW3_SMM BIT(5)
#define OCW3_POLL BIT(2)
#define OCW3_RR BIT(1)
#define OCW3_RIS BIT(0)

#define SPURIOUS_INPUT 7
#define NO_INPUT (-1)

/* The input of highest priority in `mask`. */
static int chip_highest(const struct pic_chip *c, u8 mask)
{
	for (int i = 1; i <= 8; i++) {
		int input = (c->lowest + i) & 7;

		if (mask & BIT(input))
			return input;
	}
	return NO_INPUT;
}

static unsigned int chip_rank(const struct pic_chip *c, int input)
{
	return (unsigned int)(input - c->lowest - 1) & 7;
}

/* The input that INT is raised for. */
static int chip_pending(const struct pic_chip *c, bool master)
{
	u8 in_service = c->isr;
	int input = chip_highest(c, c->irr & (u8)~c->imr);
	int serving;

	if (input == NO_INPUT)
		return NO_INPUT;
	/* in special mask mode a masked input in service doesn't block others */
	if (c->special_mask)
		in_service &= (u8)~c->imr;
	serving = chip_highest(c, in_service);
	if (serving == NO_INPUT || chip_rank(c, input) < chip_rank(c, serving))
		return input;
	/* special fully nested: the slave may interrupt while the master serves the slave */
	if (master && c->special_fully_nested && input == serving && input == PIC_CASCADE)
		return input;
	return NO_INPUT;
}

static bool chip_is_level(const struct pic_chip *c, unsigned int input)
{
	return c->elcr & BIT(input);
}

/*
 * An edge stays latched when the line falls before INTA. A real 8259A would give a spurious
 * interrupt then; but a device's edge is a call with true, then false (irqchip.h), so it must last.
 */
static void chip_set(struct pic_chip *c, unsigned int input, bool level)
{
	u8 bit = BIT(input);

	if (level) {
		if (chip_is_level(c, input) || !(c->lines & bit))
			c->irr |= bit;
		c->lines |= bit;
	} else {
		if (chip_is_level(c, input))
			c->irr &= (u8)~bit;
		c->lines &= (u8)~bit;
	}
}

/* The slave's INT is input 2 of the master, which takes it as a level: it drops when the slave has nothing more. */
static void pic_cascade(struct pic *p)
{
	struct pic_chip *master = &p->chip[0];

	if (master->single)
		return;
	if (chip_pending(&p->chip[1], false) != NO_INPUT)
		master->irr |= BIT(PIC_CASCADE);
	else
		master->irr &= (u8)~BIT(PIC_CASCADE);
}

void pic_set(struct pic *p, unsigned int irq, bool level)
{
	chip_set(&p->chip[irq / 8], irq % 8, level);
	pic_cascade(p);
}

bool pic_output(const struct pic *p)
{
	return chip_pending(&p->chip[0], true) != NO_INPUT;
}

static int slave_input(const struct pic *p)
{
	int input = chip_pending(&p->chip[1], false);

	return input == NO_INPUT ? SPURIOUS_INPUT : input;
}

static bool is_cascade(const struct pic *p, int input)
{
	return input == PIC_CASCADE && !p->chip[0].single;
}

int pic_peek(const struct pic *p)
{
	int input = chip_pending(&p->chip[0], true);

	if (input == NO_INPUT)
		return -1;
	if (is_cascade(p, input))
		return p->chip[1].icw2 + slave_input(p);
	return p->chip[0].icw2 + input;
}

/* INTA of one chip: the input is in service from now on. A spurious one isn't. */
static int chip_ack(struct pic_chip *c, bool master)
{
	int input = chip_pending(c, master);
	u8 bit;

	if (input == NO_INPUT)
		return SPURIOUS_INPUT;
	bit = BIT(input);
	if (!chip_is_level(c, (unsigned int)input))
		c->irr &= (u8)~bit;
	if (!c->auto_eoi)
		c->isr |= bit;
	else if (c->rotate_on_auto_eoi)
		c->lowest = (u8)input;
	return input;
}

u8 pic_ack(struct pic *p)
{
	bool was_pending = pic_output(p);
	int input = chip_ack(&p->chip[0], true);
	u8 vector;

	if (was_pending && is_cascade(p, input))
		vector = (u8)(p->chip[1].icw2 + chip_ack(&p->chip[1], false));
	else
		vector = (u8)(p->chip[0].icw2 + input);
	pic_cascade(p);
	return vector;
}

static void chip_end_of_interrupt(struct pic_chip *c, int input, bool rotate)
{
	if (input == NO_INPUT)
		return;
	c->isr &= (u8)~BIT(input);
	if (rotate)
		c->lowest = (u8)input;
}

/* The input that a non-specific EOI ends. */
static int chip_serving(const struct pic_chip *c)
{
	return chip_highest(c, c->special_mask ? c->isr & (u8)~c->imr : c->isr);
}

static void chip_write_icw1(struct pic_chip *c, u8 value)
{
	/* bit 3, LTIM, does nothing where there is an ELCR */
	c->irr = c->lines & c->elcr;
	c->isr = 0;
	c->imr = 0;
	c->lowest = 7;
	c->special_mask = false;
	c->read_isr = false;
	c->poll = false;
	c->auto_eoi = false;
	c->rotate_on_auto_eoi = false;
	c->special_fully_nested = false;
	c->single = value & ICW1_SINGLE;
	c->wants_icw4 = value & ICW1_ICW4;
	c->init = PIC_WANTS_ICW2;
}

static void chip_write_ocw2(struct pic_chip *c, u8 value)
{
	int input = value & 7;

	switch (value >> 5) {
	case 0: /* rotate in automatic EOI mode: clear */
		c->rotate_on_auto_eoi = false;
		break;
	case 1: /* non-specific EOI */
		chip_end_of_interrupt(c, chip_serving(c), false);
		break;
	case 2: /* no operation */
		break;
	case 3: /* specific EOI */
		chip_end_of_interrupt(c, input, false);
		break;
	case 4: /* rotate in automatic EOI mode: set */
		c->rotate_on_auto_eoi = true;
		break;
	case 5: /* rotate on non-specific EOI */
		chip_end_of_interrupt(c, chip_serving(c), true);
		break;
	case 6: /* set priority */
		c->lowest = (u8)input;
		break;
	case 7: /* rotate on specific EOI */
		chip_end_of_interrupt(c, input, true);
		break;
	}
}

static void chip_write_ocw3(struct pic_chip *c, u8 value)
{
	if (value & OCW3_POLL)
		c->poll = true;
	if (value & OCW3_RR)
		c->read_isr = value & OCW3_RIS;
	if (value & OCW3_ESMM)
		c->special_mask = value & OCW3_SMM;
}

static void chip_write_data(struct pic_chip *c, u8 value)
{
	switch (c->init) {
	case PIC_READY: /* OCW1 */
		c->imr = value;
		break;
	case PIC_WANTS_ICW2:
		c->icw2 = value & 0xf8;
		if (!c->single)
			c->init = PIC_WANTS_ICW3;
		else
			c->init = c->wants_icw4 ? PIC_WANTS_ICW4 : PIC_READY;
		break;
	case PIC_WANTS_ICW3: /* which input is the slave's: a PC is wired in one way only */
		c->init = c->wants_icw4 ? PIC_WANTS_ICW4 : PIC_READY;
		break;
	case PIC_WANTS_ICW4: /* buffered mode has no effect; an x86 never runs it in MCS-80 mode */
		c->special_fully_nested = value & ICW4_SFNM;
		c->auto_eoi = value & ICW4_AEOI;
		c->init = PIC_READY;
		break;
	}
}

void pic_write(struct pic *p, unsigned int chip, bool a1, u8 value)
{
	struct pic_chip *c = &p->chip[chip];

	if (a1)
		chip_write_data(c, value);
	else if (value & ICW1_INIT)
		chip_write_icw1(c, value);
	else if (value & OCW3)
		chip_write_ocw3(c, value);
	else
		chip_write_ocw2(c, value);
	pic_cascade(p);
}

/* After a poll command the next read takes the interrupt as INTA does. */
static u8 pic_poll(struct pic *p, unsigned int chip)
{
	struct pic_chip *c = &p->chip[chip];
	int input = chip_pending(c, chip == 0);

	c->poll = false;
	if (input == NO_INPUT)
		return 0;
	chip_ack(c, chip == 0);
	pic_cascade(p);
	return (u8)(0x80 | input);
}

u8 pic_read(struct pic *p, unsigned int chip, bool a1)
{
	const struct pic_chip *c = &p->chip[chip];

	if (c->poll)
		return pic_poll(p, chip);
	if (a1)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

u8 pic_elcr_read(const struct pic *p, unsigned int chip)
{
	return p->chip[chip].elcr;
}

void pic_elcr_write(struct pic *p, unsigned int chip, u8 value)
{
	struct pic_chip *c = &p->chip[chip];

	c->elcr = value & elcr_writable[chip];
	/* a level-triggered input requests while its line is high, and only then */
	c->irr = (u8)((c->irr & ~c->elcr) | (c->lines & c->elcr));
	pic_cascade(p);
}

/* As firmware leaves them: the timer ticks, all other inputs are masked. The lines are the devices' and stay. */
void pic_reset(struct pic *p)
{
	for (unsigned int chip = 0; chip < 2; chip++) {
		struct pic_chip *c = &p->chip[chip];

		c->elcr = elcr_after_firmware[chip];
		chip_write_icw1(c, 0);
		c->init = PIC_READY;
		c->icw2 = chip ? 0x70 : 0x08;
		c->imr = chip ? 0xff : (u8) ~(BIT(PIC_TIMER) | BIT(PIC_CASCADE));
	}
	pic_cascade(p);
}
