/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm.h"

#include <stdio.h>

#include "../cpu/insn.h"
#include "../machine/machine.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* the struct's counters are in the order of the list */
enum {
#define INDEX(name, kind, text) INDEX_##name,
	KVM_EXITS(INDEX)
#undef INDEX
};

static const struct {
	const char *name;
	u32 counter;
} exits[] = {
#define ROW(name, kind, text) [KVM_EXIT_##name] = { #name, INDEX_##name },
	KVM_EXITS(ROW)
#undef ROW
};

const char *kvm_exit_name(u32 reason)
{
	return reason < ROWS(exits) ? exits[reason].name : NULL;
}

static void count(struct kvm_vcpu *d, u32 reason)
{
	count_one(kvm_exit_name(reason) ? (u64 *)&d->stats + exits[reason].counter : &d->stats.others);
}

/* `count` items of `size` bytes for one port: IN, OUT, and their string forms */
static void exit_io(struct kvm_vcpu *d)
{
	struct bus *bus = &d->thread->v->machine->bus;
	u8 *data = (u8 *)d->run + d->run->io.data_offset;
	unsigned int size = d->run->io.size;
	u16 port = d->run->io.port;

	for (u32 i = 0; i < d->run->io.count; i++, data += size) {
		u32 value = 0;

		if (d->run->io.direction == KVM_EXIT_IO_IN)
			value = bus_pio_read(bus, port, size);
		for (unsigned int b = 0; b < size; b++) {
			if (d->run->io.direction == KVM_EXIT_IO_IN)
				data[b] = (u8)(value >> b * 8);
			else
				value |= (u32)data[b] << b * 8;
		}
		if (d->run->io.direction == KVM_EXIT_IO_OUT)
			bus_pio_write(bus, port, size, value);
	}
}

/* KVM cuts accesses at 8 bytes and at page boundaries: what is left may have any length. */
static void exit_mmio(struct kvm_vcpu *d)
{
	struct bus *bus = &d->thread->v->machine->bus;
	unsigned int n = d->run->mmio.len, size;

	for (unsigned int at = 0; at < n; at += size) {
		u64 gpa = d->run->mmio.phys_addr + at, value = 0;

		size = n - at >= 8 ? 8 : n - at >= 4 ? 4 : n - at >= 2 ? 2 : 1;
		if (!d->run->mmio.is_write)
			value = bus_mmio_read(bus, gpa, size);
		for (unsigned int b = 0; b < size; b++) {
			if (!d->run->mmio.is_write)
				d->run->mmio.data[at + b] = (u8)(value >> b * 8);
			else
				value |= (u64)d->run->mmio.data[at + b] << b * 8;
		}
		if (d->run->mmio.is_write)
			bus_mmio_write(bus, gpa, size, value);
	}
}

static void exit_shutdown(struct kvm_vcpu *d)
{
	struct vcpu *v = d->thread->v;

	kvm_state_get(d);
	v->activity = ACTIVITY_SHUTDOWN;
	if (v->machine->no_reboot)
		machine_stop(v->machine, STOP_TRIPLE_FAULT, EXIT_GUEST_FATAL, "guest: triple fault at rip %#llx",
			     (unsigned long long)v->rip);
	else
		machine_stop(v->machine, STOP_CPU_RESET, 0, NULL);
}

/* What KVM says of an exit that shouldn't be. */
static void describe(const struct kvm_run *run, char *text, size_t n)
{
	int used = 0;

	text[0] = '\0';
	switch (run->exit_reason) {
	case KVM_EXIT_UNKNOWN:
		snprintf(text, n, ", VM exit reason %#llx", (unsigned long long)run->hw.hardware_exit_reason);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(text, n, ", VM entry failed with exit reason %#llx",
			 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		used = snprintf(text, n, ", suberror %u, data", run->internal.suberror);
		for (u32 i = 0; i < run->internal.ndata && i < ROWS(run->internal.data) && (size_t)used < n; i++)
			used += snprintf(text + used, n - (size_t)used, " %#llx",
					 (unsigned long long)run->internal.data[i]);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		snprintf(text, n, ", event %u", run->system_event.type);
		break;
	default:
		break;
	}
}

/* Nobody asked KVM for this exit, or it is KVM's word that it can't go on. */
static void exit_unhandled(struct kvm_vcpu *d)
{
	const char *name = kvm_exit_name(d->run->exit_reason);
	struct vcpu *v = d->thread->v;
	char text[160];

	describe(d->run, text, sizeof(text));
	kvm_state_get(d);
	machine_stop(v->machine, STOP_INTERNAL, 0, "KVM: exit %s (%u)%s, rip %#llx", name ? name : "unknown to turtles",
		     d->run->exit_reason, text, (unsigned long long)v->rip);
	vcpu_dump(v, machine_log(v->machine));
}

void kvm_exit(struct kvm_vcpu *d)
{
	count(d, d->run->exit_reason);
	switch (d->run->exit_reason) {
	case KVM_EXIT_IO:
		exit_io(d);
		break;
	case KVM_EXIT_MMIO:
		exit_mmio(d);
		break;
	case KVM_EXIT_SHUTDOWN:
		exit_shutdown(d);
		break;
	case KVM_EXIT_INTR:
		break;
	default:
		exit_unhandled(d);
	}
}

void kvm_exit_interrupted(struct kvm_vcpu *d)
{
	count(d, KVM_EXIT_INTR);
}
