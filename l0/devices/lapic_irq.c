/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accepting, ranking and ending interrupts: SDM vol. 3, "Handling Interrupts" and "Local Vector Table". */
#include "../cpu/vcpu.h"
#include "../machine/machine.h"
#include "lapic.h"

#define VECTOR_FIRST 16 /* what lies below is an illegal vector */

static int highest_bit(u32 word, int index)
{
	return index * 32 + 31 - __builtin_clz(word);
}

static int isr_highest(const struct lapic *a)
{
	for (int i = 7; i >= 0; i--)
		if (a->isr[i])
			return highest_bit(a->isr[i], i);
	return -1;
}

static int irr_highest(const struct lapic *a)
{
	for (int i = 7; i >= 0; i--) {
		u32 word = atomic_load_explicit(&a->irr[i], memory_order_acquire);

		if (word)
			return highest_bit(word, i);
	}
	return -1;
}

u32 lapic_ppr(const struct lapic *a)
{
	int vector = isr_highest(a);
	u32 serving = vector < 0 ? 0 : (u32)vector & 0xf0;

	return (a->tpr & 0xf0) >= serving ? a->tpr : serving;
}

int lapic_pending(const struct lapic *a)
{
	int vector = irr_highest(a);

	if (vector < 0 || !lapic_enabled(a) || ((u32)vector & 0xf0) <= (lapic_ppr(a) & 0xf0))
		return -1;
	return vector;
}

void lapic_take(struct lapic *a, u8 vector)
{
	u32 bit = (u32)BIT(vector % 32);

	atomic_fetch_and_explicit(&a->irr[vector / 32], ~bit, memory_order_acq_rel);
	a->isr[vector / 32] |= bit;
}

void lapic_notify(struct lapic *a)
{
	if (lapic_pending(a) >= 0)
		vcpu_post(a->vcpu, EV_INTR);
}

/* A message of this mode gets further than the bus. Software disable stops what goes through IRR, and nothing else. */
bool lapic_accepts(const struct lapic *a, u8 mode)
{
	if (!lapic_enabled(a))
		return false;
	return (mode != APIC_FIXED && mode != APIC_LOWEST) || (a->svr & SVR_ENABLE);
}

/*
 * An error interrupt comes with the first error after a write to ESR. An illegal vector in the error's
 * own LVT entry is one more error, and no interrupt.
 */
void lapic_error(struct lapic *a, u32 error)
{
	u32 entry;

	if (atomic_fetch_or(&a->errors, error))
		return;
	entry = atomic_load(&a->lvt[LVT_ERROR]);
	if (entry & LVT_MASKED)
		return;
	if ((entry & LVT_VECTOR) < VECTOR_FIRST)
		atomic_fetch_or(&a->errors, ESR_RECEIVE_VECTOR);
	else
		lapic_deliver(a, APIC_FIXED, entry & LVT_VECTOR, false);
}

/* TMR before IRR: whoever sees the request sees its trigger mode. */
static void lapic_accept(struct lapic *a, u8 vector, bool level)
{
	u32 bit = (u32)BIT(vector % 32);

	if (vector < VECTOR_FIRST) {
		lapic_error(a, ESR_RECEIVE_VECTOR);
		return;
	}
	if (level)
		atomic_fetch_or(&a->tmr[vector / 32], bit);
	else
		atomic_fetch_and(&a->tmr[vector / 32], ~bit);
	atomic_fetch_or(&a->irr[vector / 32], bit);
	vcpu_post(a->vcpu, EV_INTR);
}

static void post_nmi(struct lapic *a)
{
	atomic_fetch_add(&a->vcpu->nmis, 1);
	vcpu_post(a->vcpu, EV_NMI);
}

void lapic_deliver(struct lapic *a, u8 delivery_mode, u8 vector, bool level_triggered)
{
	if (!lapic_accepts(a, delivery_mode))
		return;
	switch (delivery_mode) {
	case APIC_FIXED:
	case APIC_LOWEST:
		lapic_accept(a, vector, level_triggered);
		break;
	case APIC_SMI: /* there is no system management mode: as if its handler did nothing */
		break;
	case APIC_NMI:
		post_nmi(a);
		break;
	case APIC_INIT:
		vcpu_post(a->vcpu, EV_INIT);
		break;
	case APIC_SIPI:
		atomic_store(&a->vcpu->sipi_vector, vector);
		vcpu_post(a->vcpu, EV_SIPI);
		break;
	case APIC_EXTINT:
		atomic_store(&a->extint, true);
		vcpu_post(a->vcpu, EV_INTR);
		break;
	default: /* 3, reserved: nobody accepts it */
		break;
	}
}

void lapic_lvt_deliver(struct lapic *a, enum lvt entry)
{
	u32 value = atomic_load(&a->lvt[entry]);

	if (!(value & LVT_MASKED))
		lapic_deliver(a, value >> LVT_MODE_SHIFT & 7, value & LVT_VECTOR, false);
}

static bool lint_is_level_fixed(u32 entry)
{
	return (entry & LVT_LEVEL) && (entry >> LVT_MODE_SHIFT & 7) == APIC_FIXED;
}

/* A level-triggered fixed interrupt is sent again after its EOI, as long as the pin is asserted. */
static void lint_service_level(struct lapic *a, enum lvt lint)
{
	u32 entry = atomic_load(&a->lvt[lint]);

	if (entry & (LVT_MASKED | LVT_REMOTE_IRR) || !lapic_accepts(a, APIC_FIXED))
		return;
	atomic_fetch_or(&a->lvt[lint], (u32)LVT_REMOTE_IRR);
	lapic_accept(a, entry & LVT_VECTOR, true);
}

static void lint_eoi(struct lapic *a, unsigned int pin, u8 vector)
{
	enum lvt lint = LVT_LINT0 + pin;
	u32 entry = atomic_load(&a->lvt[lint]);

	if (!(entry & LVT_REMOTE_IRR) || (entry & LVT_VECTOR) != vector)
		return;
	atomic_fetch_and(&a->lvt[lint], ~(u32)LVT_REMOTE_IRR);
	if (atomic_load(&a->lint) & BIT(pin))
		lint_service_level(a, lint);
}

void lapic_lint(struct lapic *a, unsigned int pin, bool level)
{
	u32 bit = (u32)BIT(pin);
	u32 was = level ? atomic_fetch_or(&a->lint, bit) : atomic_fetch_and(&a->lint, ~bit);
	u32 entry = atomic_load(&a->lvt[LVT_LINT0 + pin]);

	if (!level || (was & bit))
		return;
	if (!lapic_enabled(a) && pin) /* the pins are INTR and NMI then */
		post_nmi(a);
	else if (!lapic_enabled(a))
		vcpu_post(a->vcpu, EV_INTR);
	else if (lint_is_level_fixed(entry))
		lint_service_level(a, LVT_LINT0 + pin);
	else if ((entry >> LVT_MODE_SHIFT & 7) == APIC_EXTINT)
		vcpu_post(a->vcpu, EV_INTR); /* asks the 8259s while the pin is asserted: lapic_takes_extint() */
	else
		lapic_lvt_deliver(a, LVT_LINT0 + pin);
}

/* A level has its effect when its entry becomes unmasked; an edge that came before is lost. */
void lapic_lint_unmasked(struct lapic *a, unsigned int pin)
{
	u32 entry = atomic_load(&a->lvt[LVT_LINT0 + pin]);

	if (!(atomic_load(&a->lint) & BIT(pin)))
		return;
	if (lint_is_level_fixed(entry))
		lint_service_level(a, LVT_LINT0 + pin);
	else if (lapic_takes_extint(a))
		vcpu_post(a->vcpu, EV_INTR);
}

bool lapic_takes_extint(const struct lapic *a)
{
	u32 entry = atomic_load(&a->lvt[LVT_LINT0]);

	if (!lapic_enabled(a) || atomic_load(&a->extint))
		return true;
	return !(entry & LVT_MASKED) && (entry >> LVT_MODE_SHIFT & 7) == APIC_EXTINT;
}

void lapic_eoi(struct lapic *a)
{
	int vector = isr_highest(a);

	if (vector < 0)
		return;
	a->isr[vector / 32] &= ~(u32)BIT(vector % 32);
	if (atomic_load(&a->tmr[vector / 32]) & BIT(vector % 32)) {
		lint_eoi(a, 0, (u8)vector);
		lint_eoi(a, 1, (u8)vector);
		if (!(a->svr & SVR_NO_EOI_BROADCAST))
			irqchip_eoi(a->machine->irqchip, (u8)vector);
	}
	lapic_notify(a);
}
