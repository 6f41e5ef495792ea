/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the controllers are wired together:
 *
 *   GSI n --+-- 8259s, input n (n < 16) -- INT --+-- LINT0 of every local APIC
 *           |                                    +-- I/O APIC pin 0
 *           +-- I/O APIC, pin n (GSI 0: pin 2) -- messages -- local APICs
 *
 * One lock for the 8259s and the I/O APIC. Under it local APICs are only sent messages, which takes no
 * lock; a local APIC calls back (EOI) without it.
 */
#include "irqchip.h"

#include <stdlib.h>

#include "../cpu/vcpu.h"
#include "../machine/machine.h"
#include "ioapic.h"
#include "lapic.h"
#include "pic.h"

#define PIC_INPUTS 16
#define TIMER_GSI 0
#define TIMER_PIN 2
#define PIC_OUTPUT_PIN 0

struct irqchip {
	struct machine *machine;
	struct pic pic;
	struct ioapic ioapic;
	bool locked;
	bool intr; /* the 8259s' INT, as it was last passed on */
	void (*set)(void *arg, unsigned int gsi, bool level); /* irqchip_redirect(); NULL: these controllers */
	void *set_arg;
};

static void irqchip_lock(struct irqchip *c)
{
	while (__atomic_exchange_n(&c->locked, true, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static void irqchip_unlock(struct irqchip *c)
{
	__atomic_store_n(&c->locked, false, __ATOMIC_RELEASE);
}

static void irqchip_pass_intr(struct irqchip *c, bool level)
{
	struct machine *m = c->machine;

	if (c->intr == level)
		return;
	__atomic_store_n(&c->intr, level, __ATOMIC_RELEASE);
	/* while the devices are created there are no vCPUs yet */
	for (unsigned int i = 0; i < m->vcpu_count; i++)
		if (m->vcpu[i] && m->vcpu[i]->apic)
			lapic_lint(m->vcpu[i]->apic, 0, level);
	ioapic_set(&c->ioapic, PIC_OUTPUT_PIN, level);
}

void irqchip_set(struct irqchip *c, unsigned int gsi, bool level)
{
	if (gsi == PIC_CASCADE || gsi >= IOAPIC_PINS)
		return;
	if (c->set) {
		c->set(c->set_arg, gsi, level);
		return;
	}
	irqchip_lock(c);
	if (gsi < PIC_INPUTS) {
		pic_set(&c->pic, gsi, level);
		irqchip_pass_intr(c, pic_output(&c->pic));
	}
	ioapic_set(&c->ioapic, gsi == TIMER_GSI ? TIMER_PIN : gsi, level);
	irqchip_unlock(c);
}

void irqchip_redirect(struct irqchip *c, void (*set)(void *arg, unsigned int gsi, bool level), void *arg)
{
	c->set_arg = arg;
	c->set = set;
}

void irqchip_eoi(struct irqchip *c, u8 vector)
{
	irqchip_lock(c);
	ioapic_eoi(&c->ioapic, vector);
	irqchip_unlock(c);
}

/* The 8259s interrupt this vCPU now. An external interrupt has no priority that could hold it back. */
static bool irqchip_extint(const struct vcpu *v)
{
	return __atomic_load_n(&v->machine->irqchip->intr, __ATOMIC_ACQUIRE) && lapic_takes_extint(v->apic);
}

int irqchip_pending(struct vcpu *v)
{
	struct irqchip *c = v->machine->irqchip;
	int vector;

	if (!irqchip_extint(v))
		return lapic_pending(v->apic);
	irqchip_lock(c);
	vector = pic_peek(&c->pic);
	irqchip_unlock(c);
	return vector >= 0 ? vector : lapic_pending(v->apic);
}

int irqchip_ack(struct vcpu *v)
{
	struct irqchip *c = v->machine->irqchip;
	int vector;

	if (!irqchip_extint(v)) {
		vector = lapic_pending(v->apic);
		if (vector >= 0)
			lapic_take(v->apic, (u8)vector);
		return vector;
	}
	irqchip_lock(c);
	atomic_store(&v->apic->extint, false);
	vector = pic_ack(&c->pic);
	/* INT falls with every acknowledge, so that another request is a new edge */
	irqchip_pass_intr(c, false);
	irqchip_pass_intr(c, pic_output(&c->pic));
	irqchip_unlock(c);
	return vector;
}

bool irqchip_can_nmi(const struct vcpu *v)
{
	/* of the local APIC's own pins only LINT0 is wired to anything */
	u32 lint0 = v->apic->lvt[LVT_LINT0], mode = lint0 >> LVT_MODE_SHIFT & 7;

	if (lapic_enabled(v->apic) && !(lint0 & LVT_MASKED) && (mode == APIC_NMI || mode == APIC_INIT))
		return true;
	return ioapic_can_nmi(&v->machine->irqchip->ioapic);
}

static u64 pic_port_read(struct irqchip *c, unsigned int chip, u64 offset)
{
	u8 value;

	irqchip_lock(c);
	value = pic_read(&c->pic, chip, offset);
	irqchip_pass_intr(c, pic_output(&c->pic)); /* a poll acknowledges */
	irqchip_unlock(c);
	return value;
}

static void pic_port_write(struct irqchip *c, unsigned int chip, u64 offset, u64 value)
{
	irqchip_lock(c);
	pic_write(&c->pic, chip, offset, (u8)value);
	irqchip_pass_intr(c, pic_output(&c->pic));
	irqchip_unlock(c);
}

static u64 pic_master_read(void *dev, u64 offset, unsigned int size)
{
	(void)size;
	return pic_port_read(dev, 0, offset);
}

static void pic_master_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	(void)size;
	pic_port_write(dev, 0, offset, value);
}

static u64 pic_slave_read(void *dev, u64 offset, unsigned int size)
{
	(void)size;
	return pic_port_read(dev, 1, offset);
}

static void pic_slave_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	(void)size;
	pic_port_write(dev, 1, offset, value);
}

static u64 elcr_read(void *dev, u64 offset, unsigned int size)
{
	struct irqchip *c = dev;

	(void)size;
	return pic_elcr_read(&c->pic, (unsigned int)offset);
}

static void elcr_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct irqchip *c = dev;

	(void)size;
	irqchip_lock(c);
	pic_elcr_write(&c->pic, (unsigned int)offset, (u8)value);
	irqchip_pass_intr(c, pic_output(&c->pic));
	irqchip_unlock(c);
}

static u64 ioapic_mmio_read(void *dev, u64 offset, unsigned int size)
{
	struct irqchip *c = dev;
	u32 value;

	(void)size;
	irqchip_lock(c);
	value = ioapic_read(&c->ioapic, (u32)offset);
	irqchip_unlock(c);
	return value;
}

static void ioapic_mmio_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct irqchip *c = dev;

	(void)size;
	irqchip_lock(c);
	ioapic_write(&c->ioapic, (u32)offset, (u32)value);
	irqchip_unlock(c);
}

const struct bus_ops pic_master_ops = { .read = pic_master_read, .write = pic_master_write, .width = 1 };
const struct bus_ops pic_slave_ops = { .read = pic_slave_read, .write = pic_slave_write, .width = 1 };
const struct bus_ops pic_elcr_ops = { .read = elcr_read, .write = elcr_write, .width = 1 };
const struct bus_ops ioapic_ops = { .read = ioapic_mmio_read, .write = ioapic_mmio_write };

void irqchip_reset(struct irqchip *c)
{
	irqchip_lock(c);
	pic_reset(&c->pic);
	ioapic_reset(&c->ioapic);
	irqchip_pass_intr(c, pic_output(&c->pic));
	irqchip_unlock(c);
}

struct irqchip *irqchip_create(struct machine *m)
{
	struct irqchip *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->machine = m;
	c->ioapic.machine = m;
	irqchip_reset(c);
	return c;
}

void irqchip_destroy(struct irqchip *c)
{
	free(c);
}
