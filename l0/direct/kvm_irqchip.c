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

static void pass_level(struct kvm_machine *m, unsigned int gsi, bool level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	__atomic_fetch_add(&m->irq_lines, 1, __ATOMIC_RELAXED);
	if (ioctl(m->vm, KVM_IRQ_LINE, &irq))
		machine_stop(m->machine, STOP_INTERNAL, 0, "KVM: can't set interrupt line %u", gsi);
}

/* A serial port says what its line is at every access: only changes are worth a call. */
static void set_line(void *arg, unsigned int gsi, bool level)
{
	struct kvm_machine *m = arg;

	if (__atomic_exchange_n(&m->line[gsi], level, __ATOMIC_ACQ_REL) != level)
		pass_level(m, gsi, level);
}

static bool set_routing(struct kvm_machine *m)
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
	return !ioctl(m->vm, KVM_SET_GSI_ROUTING, &r);
}

/* What KVM starts with is what a reset goes back to. */
static bool save_power_on(struct kvm_machine *m)
{
	for (u32 i = 0; i < KVM_CHIPS; i++) {
		m->chips[i].chip_id = i;
		if (ioctl(m->vm, KVM_GET_IRQCHIP, &m->chips[i]))
			return false;
	}
	return !m->pit || !ioctl(m->vm, KVM_GET_PIT2, &m->pit_state);
}

bool kvm_irqchip_reset(struct kvm_machine *m)
{
	for (u32 i = 0; i < KVM_CHIPS; i++)
		if (ioctl(m->vm, KVM_SET_IRQCHIP, &m->chips[i]))
			return false;
	/* the lines are the devices' and keep their levels */
	for (unsigned int gsi = 0; gsi < IOAPIC_PINS; gsi++) {
		pass_level(m, gsi, false);
		if (__atomic_load_n(&m->line[gsi], __ATOMIC_ACQUIRE))
			pass_level(m, gsi, true);
	}
	return !m->pit || !ioctl(m->vm, KVM_SET_PIT2, &m->pit_state);
}

int kvm_irqchip_create(struct kvm_machine *m, bool no_pit, char *error, size_t n)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(m->vm, KVM_CREATE_IRQCHIP, 0))
		return kvm_failed(m, "KVM_CREATE_IRQCHIP (interrupt controllers in the kernel)", error, n);
	if (!set_routing(m))
		return kvm_failed(m, "KVM_SET_GSI_ROUTING", error, n);
	if (!no_pit) {
		if (ioctl(m->vm, KVM_CREATE_PIT2, &pit))
			return kvm_failed(m, "KVM_CREATE_PIT2 (timer in the kernel)", error, n);
		m->pit = true;
	}
	if (!save_power_on(m))
		return kvm_failed(m, "KVM_GET_IRQCHIP", error, n);
	irqchip_redirect(m->machine->irqchip, set_line, m);
	return 0;
}
