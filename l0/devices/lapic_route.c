/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who a message is for: SDM vol. 3, "Issuing Interprocessor Interrupts" and "Determining IPI Destination". */
#include "../cpu/vcpu.h"
#include "../machine/machine.h"
#include "lapic.h"

#define ICR_VECTOR 0xffu
#define ICR_MODE_SHIFT 8
#define ICR_LOGICAL BIT(11)
#define ICR_ASSERT BIT(14)
#define ICR_LEVEL BIT(15)
#define ICR_SHORTHAND_SHIFT 18

enum icr_shorthand { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

#define BROADCAST_8 0xffu
#define BROADCAST_32 0xffffffffu

#define DFR_CLUSTER 0u /* bits 31:28; flat is all ones */

u32 lapic_id(const struct lapic *a)
{
	return lapic_x2apic(a) ? a->vcpu->index : a->id;
}

/* SDM vol. 3, "Deriving Logical x2APIC ID from the Local x2APIC ID" */
u32 lapic_x2apic_ldr(const struct lapic *a)
{
	u32 id = a->vcpu->index;

	return (id >> 4) << 16 | (u32)BIT(id & 0xf);
}

static bool match_logical(const struct lapic *a, u32 dest)
{
	u32 ldr = a->ldr >> 24;

	if (lapic_x2apic(a)) {
		u32 own = lapic_x2apic_ldr(a);

		return dest >> 16 == own >> 16 && (dest & own & 0xffff);
	}
	if (dest > 0xff)
		return false;
	if (a->dfr >> 28 == DFR_CLUSTER)
		return dest >> 4 == ldr >> 4 && (dest & ldr & 0xf);
	return dest & ldr;
}

static bool lapic_match(const struct lapic *a, const struct apic_message *message)
{
	if (message->dest == (message->wide ? BROADCAST_32 : BROADCAST_8))
		return true;
	return message->logical ? match_logical(a, message->dest) : lapic_id(a) == message->dest;
}

/* Of those that match, the one of lowest processor priority; of equals the one of lowest number. */
static struct lapic *route_lowest(struct machine *m, const struct apic_message *message, const struct lapic *except)
{
	struct lapic *best = NULL;

	for (unsigned int i = 0; i < m->vcpu_count; i++) {
		struct lapic *a = m->vcpu[i]->apic;

		if (a == except || !lapic_accepts(a, APIC_LOWEST) || !lapic_match(a, message))
			continue;
		if (!best || lapic_ppr(a) < lapic_ppr(best))
			best = a;
	}
	return best;
}

bool apic_route(struct machine *m, const struct apic_message *message, const struct lapic *except)
{
	bool accepted = false;

	if (message->mode == APIC_LOWEST) {
		struct lapic *a = route_lowest(m, message, except);

		if (a)
			lapic_deliver(a, APIC_LOWEST, message->vector, message->level);
		return a;
	}
	for (unsigned int i = 0; i < m->vcpu_count; i++) {
		struct lapic *a = m->vcpu[i]->apic;

		if (a == except || !lapic_accepts(a, message->mode) || !lapic_match(a, message))
			continue;
		lapic_deliver(a, message->mode, message->vector, message->level);
		accepted = true;
	}
	return accepted;
}

void lapic_icr_written(struct lapic *a)
{
	u32 icr = a->icr_low;
	bool wide = lapic_x2apic(a);
	struct apic_message message = {
		.dest = wide ? a->icr_high : a->icr_high >> 24,
		.logical = icr & ICR_LOGICAL,
		.wide = wide,
		.mode = icr >> ICR_MODE_SHIFT & 7,
		.vector = icr & ICR_VECTOR,
	};
	enum icr_shorthand shorthand = icr >> ICR_SHORTHAND_SHIFT & 3;

	/* INIT level de-assert synchronized arbitration IDs on processors before the Pentium 4: no longer sent. */
	if (message.mode == APIC_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT))
		return;
	if ((message.mode == APIC_FIXED || message.mode == APIC_LOWEST) && message.vector < 16) {
		lapic_error(a, ESR_SEND_VECTOR);
		return;
	}
	switch (shorthand) {
	case SHORTHAND_NONE:
		apic_route(a->machine, &message, NULL);
		break;
	case SHORTHAND_SELF:
		lapic_deliver(a, message.mode, message.vector, false);
		break;
	case SHORTHAND_ALL:
	case SHORTHAND_OTHERS:
		message.dest = BROADCAST_32;
		message.wide = true;
		apic_route(a->machine, &message, shorthand == SHORTHAND_OTHERS ? a : NULL);
		break;
	}
}

void lapic_self_ipi(struct lapic *a, u8 vector)
{
	if (vector < 16)
		lapic_error(a, ESR_SEND_VECTOR);
	else
		lapic_deliver(a, APIC_FIXED, vector, false);
}
