/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's interrupt controllers take the place of the machine's, wired in the same way (devices/irqchip.h): GSI n is input n
 * of the 8259 pair and pin n of the I/O APIC, but GSI 0 is pin 2.
 */
#include "kvm.h"

#include <stdio.h>
#include <sys/ioctl.h>

#include "../machine/machine.h"

#define PIC_INPUTS 16
#define PIC_CASCADE_INPUT 2
#define TIMER_GSI 0
#define TIMER_PIN 2

static void pass_level(struct direct *d, unsigned int gsi, bool level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	__atomic_fetch_add(&d->stats.irq_lines, 1, __ATOMIC_RELAXED);
	if (ioctl(d->vm, KVM_IRQ_LINE, &irq))
		machine_stop(d->thread->v->machine, STOP_INTERNAL, 0, "KVM: can't set interrupt line %u", gsi);
}

/* A serial port says what its line is at every access: only changes are worth a call. */
static void set_line(void *arg, unsigned int gsi, bool level)
{
	struct direct *d = arg;

	if (__atomic_exchange_n(&d->line[gsi], level, __ATOMIC_ACQ_REL) != level)
		pass_level(d, gsi, level);
}

static bool set_routing(struct direct *d)
{
	union {
		struct kvm_irq_routing table;
		u8 space[sizeof(struct kvm_irq_routing) + (PIC_INPUTS + IOAPIC_PINS) * sizeof(struct kvm_irq_routing_entry)];
	} r = { .space = { 0 } };

	for (u32 gsi = 0; gsi < IOAPIC_PINS; gsi++) {
		if (gsi == PIC_CASCADE_INPUT)
			continue;
		if (gsi < PIC_INPUTS)
			r.table.entries[r.table.nr++] = (struct kvm_irq_routing_entry){
				.gsi = gsi,
				.type = KVM_IRQ_ROUTING_IRQCHIP,
				.u.irqchip = { gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, gsi % 8 },
			};
		r.table.entries[r.table.nr++] = (struct kvm_irq_routing_entry){
			.gsi = gsi,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { KVM_IRQCHIP_IOAPIC, gsi == TIMER_GSI ? TIMER_PIN : gsi },
		};
	}
	return !ioctl(d->vm, KVM_SET_GSI_ROUTING, &r);
}

/* What KVM starts with is what a reset goes back to. */
static bool save_power_on(struct direct *d)
{
	for (u32 i = 0; i < KVM_CHIPS; i++) {
		d->chips[i].chip_id = i;
		if (ioctl(d->vm, KVM_GET_IRQCHIP, &d->chips[i]))
			return false;
	}
	return !d->pit || !ioctl(d->vm, KVM_GET_PIT2, &d->pit_state);
}

bool kvm_irqchip_reset(struct direct *d)
{
	for (u32 i = 0; i < KVM_CHIPS; i++)
		if (ioctl(d->vm, KVM_SET_IRQCHIP, &d->chips[i]))
			return false;
	/* the lines are the devices' and keep their levels */
	for (unsigned int gsi = 0; gsi < IOAPIC_PINS; gsi++) {
		pass_level(d, gsi, false);
		if (__atomic_load_n(&d->line[gsi], __ATOMIC_ACQUIRE))
			pass_level(d, gsi, true);
	}
	return !d->pit || !ioctl(d->vm, KVM_SET_PIT2, &d->pit_state);
}

int kvm_irqchip_create(struct direct *d, bool no_pit, char *error, size_t n)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(d->vm, KVM_CREATE_IRQCHIP, 0))
		return kvm_failed(d, "KVM_CREATE_IRQCHIP (interrupt controllers in the kernel)", error, n);
	if (!set_routing(d))
		return kvm_failed(d, "KVM_SET_GSI_ROUTING", error, n);
	if (!no_pit) {
		if (ioctl(d->vm, KVM_CREATE_PIT2, &pit))
			return kvm_failed(d, "KVM_CREATE_PIT2 (timer in the kernel)", error, n);
		d->pit = true;
	}
	if (!save_power_on(d))
		return kvm_failed(d, "KVM_GET_IRQCHIP", error, n);
	irqchip_redirect(d->thread->v->machine->irqchip, set_line, d);
	return 0;
}
