/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts from a device's pin to a vCPU. GSI n drives IRQ n of the 8259 pair (n < 16) and pin n
 * of the I/O APIC (n < 24; GSI 0 drives pin 2, as MADT's override says).
 */
#ifndef L0_DEVICES_IRQCHIP_H
#define L0_DEVICES_IRQCHIP_H

#include "bus.h"

/* All of this, and the functions of clock.h's timers that devices arm, leave the guest's vector state alone. */

struct machine;
struct vcpu;
struct lapic;
struct irqchip;

#define IOAPIC_GPA 0xfec00000ull
#define IOAPIC_SIZE 0x1000ull
#define IOAPIC_PINS 24u

/* NULL: no memory */
struct irqchip *irqchip_create(struct machine *m); /* 8259s at 0x20, 0xa0, ELCR 0x4d0; I/O APIC at 0xfec00000 */
void irqchip_destroy(struct irqchip *c);
void irqchip_reset(struct irqchip *c); /* the lines are the devices' and keep their levels */
extern const struct bus_ops pic_master_ops, pic_slave_ops, pic_elcr_ops, ioapic_ops; /* dev: the struct irqchip */

/*
 * Level of a device's pin; any thread of the machine. An edge is a call with true, then false. true means that the
 * device asserts its interrupt, whatever polarity a redirection entry names. GSI 2 is the 8259s' cascade: nothing.
 */
void irqchip_set(struct irqchip *c, unsigned int gsi, bool level);

/*
 * From now on irqchip_set() is set(arg, ...) and nothing else: the engine brings its own interrupt controllers. Before the
 * vCPUs run.
 */
void irqchip_redirect(struct irqchip *c, void (*set)(void *arg, unsigned int gsi, bool level), void *arg);

/*
 * The vector that this vCPU should take now: from its local APIC, or from the 8259 through LVT LINT0
 * (ExtINT) or with the APIC disabled. -1 if there is none of enough priority.
 * irqchip_ack() takes it (INTA cycle).
 */
int irqchip_pending(struct vcpu *v);
int irqchip_ack(struct vcpu *v);

/* Is there a device's interrupt line that reaches this vCPU as NMI or INIT, whatever RFLAGS.IF says? */
bool irqchip_can_nmi(const struct vcpu *v);

/* Local APIC of one vCPU: xAPIC page at its base, x2APIC MSRs, timer with TSC-deadline. */
struct lapic *lapic_create(struct machine *m, struct vcpu *v);
void lapic_destroy(struct lapic *a);
void lapic_reset(struct lapic *a, bool init); /* init: INIT keeps the APIC ID and base */

u64 lapic_base(const struct lapic *a); /* IA32_APIC_BASE */
bool lapic_set_base(struct lapic *a, u64 value); /* false: #GP */
/* x2APIC MSR 0x800..0x8ff and IA32_TSC_DEADLINE; false: #GP */
/* A TSC deadline is kept as a time on the machine's clock: when v->tsc_offset changes it has to be written again. */
bool lapic_read_msr(struct lapic *a, u32 msr, u64 *value);
bool lapic_write_msr(struct lapic *a, u32 msr, u64 value);
/* TPR as CR8 sees it: bits 7:4 */
u8 lapic_get_cr8(const struct lapic *a);
void lapic_set_cr8(struct lapic *a, u8 cr8);
/* the xAPIC page, offset 0..0xfff: the bus sends the accessing vCPU's page here */
u32 lapic_mmio_read(struct lapic *a, u32 offset);
void lapic_mmio_write(struct lapic *a, u32 offset, u32 value);
#define LAPIC_TIMER_HZ 1000000000ull /* before the divide configuration; what CPUID leaf 15H has to say as ECX */
/* An interrupt message from another agent. */
void lapic_deliver(struct lapic *a, u8 delivery_mode, u8 vector, bool level_triggered);

#endif
