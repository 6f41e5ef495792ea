/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the local APIC; what others need is in irqchip.h. SDM vol. 3, "Advanced Programmable
 * Interrupt Controller (APIC)".
 *
 *   lapic.c        registers as the xAPIC page and the x2APIC MSRs show them, IA32_APIC_BASE, reset
 *   lapic_irq.c    accepting, ranking and ending interrupts; LINT pins; errors
 *   lapic_route.c  the interrupt command register, and who a message is for
 *   lapic_timer.c  the timer
 *
 * Threads: what other agents reach (IRR, TMR, LVT, the errors not yet shown in ESR, what routes messages) is atomic. All
 * else belongs to the vCPU's thread, on which its timer's function runs as well.
 */
#ifndef L0_DEVICES_LAPIC_H
#define L0_DEVICES_LAPIC_H

#include <stdatomic.h>
#include "../run/clock.h"
#include "irqchip.h"

/* delivery modes */
#define APIC_FIXED 0u
#define APIC_LOWEST 1u
#define APIC_SMI 2u
#define APIC_NMI 4u
#define APIC_INIT 5u
#define APIC_SIPI 6u
#define APIC_EXTINT 7u

#define APIC_BASE_BSP BIT(8)
#define APIC_BASE_EXTD BIT(10)
#define APIC_BASE_EN BIT(11)
#define APIC_BASE_MODE (APIC_BASE_EN | APIC_BASE_EXTD)
#define APIC_BASE_DEFAULT 0xfee00000ull

#define SVR_ENABLE BIT(8)
#define SVR_NO_EOI_BROADCAST BIT(12)

#define LVT_VECTOR 0xffu
#define LVT_MODE_SHIFT 8
#define LVT_REMOTE_IRR BIT(14)
#define LVT_LEVEL BIT(15)
#define LVT_MASKED BIT(16)
#define LVT_TIMER_SHIFT 17
#define LVT_TIMER_DEADLINE BIT(18)

enum lapic_timer_mode { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE };

/* in the order of their registers */
enum lvt { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

#define ESR_SEND_VECTOR BIT(5)
#define ESR_RECEIVE_VECTOR BIT(6)
#define ESR_REGISTER BIT(7)

struct lapic {
	struct machine *machine;
	struct vcpu *vcpu;
	bool has_x2apic, has_deadline; /* CPUID */
	u64 base_reserved;

	_Atomic u64 base; /* IA32_APIC_BASE */
	_Atomic u32 id, tpr, ldr, dfr, svr; /* id: in xAPIC mode. Others look at them when they send a message */
	u32 esr;
	u32 icr_low, icr_high; /* icr_high: the destination, in the layout of the current mode */
	_Atomic u32 isr[8];
	_Atomic u32 irr[8], tmr[8];
	_Atomic u32 lvt[LVT_COUNT];
	_Atomic u32 errors; /* ESR_* since ESR was last written */
	_Atomic bool extint; /* an ExtINT message came that the 8259s have still to be asked about */
	_Atomic u32 lint; /* bit n: pin LINTn is asserted */

	u32 initial_count, divide_configuration;
	bool counting; /* one-shot and periodic */
	u64 timer_end; /* counting: ns at which the count reaches 0 */
	u64 tsc_deadline;
	struct timer timer;
};

static inline bool lapic_enabled(const struct lapic *a)
{
	return a->base & APIC_BASE_EN;
}

static inline bool lapic_x2apic(const struct lapic *a)
{
	return a->base & APIC_BASE_EXTD;
}

/* lapic_irq.c */
int lapic_pending(const struct lapic *a); /* the vector in IRR that is above the processor priority, or -1 */
void lapic_take(struct lapic *a, u8 vector); /* from IRR to ISR */
void lapic_notify(struct lapic *a); /* EV_INTR if there is something to take */
void lapic_eoi(struct lapic *a);
u32 lapic_ppr(const struct lapic *a);
bool lapic_accepts(const struct lapic *a, u8 mode); /* would lapic_deliver() do anything? */
void lapic_error(struct lapic *a, u32 error); /* ESR_* */
void lapic_lvt_deliver(struct lapic *a, enum lvt entry); /* unless masked */
void lapic_lint(struct lapic *a, unsigned int pin, bool level); /* level of LINT0, LINT1; any thread */
void lapic_lint_unmasked(struct lapic *a, unsigned int pin); /* LVT LINTn was written */
bool lapic_takes_extint(const struct lapic *a); /* does the 8259s' INT reach the CPU? */

/* lapic_route.c */
struct apic_message {
	u32 dest;
	bool logical; /* destination mode */
	bool wide; /* dest has 32 bits: sent in x2APIC mode */
	u8 mode; /* delivery mode */
	u8 vector;
	bool level;
};
u32 lapic_id(const struct lapic *a); /* 8 bits, or 32 in x2APIC mode */
u32 lapic_x2apic_ldr(const struct lapic *a);
/* Deliver to everyone it is for, but `except` (may be NULL). Returns whether anybody accepted it. */
bool apic_route(struct machine *m, const struct apic_message *message, const struct lapic *except);
void lapic_icr_written(struct lapic *a);
void lapic_self_ipi(struct lapic *a, u8 vector);

/* lapic_timer.c */
void lapic_timer_init(struct lapic *a);
void lapic_timer_reset(struct lapic *a);
enum lapic_timer_mode lapic_timer_mode(const struct lapic *a);
void lapic_timer_mode_changed(struct lapic *a, enum lapic_timer_mode old);
void lapic_timer_start(struct lapic *a); /* initial_count was written */
void lapic_timer_set_divide(struct lapic *a, u32 value);
u32 lapic_timer_current(struct lapic *a);
u64 lapic_timer_get_deadline(const struct lapic *a);
void lapic_timer_set_deadline(struct lapic *a, u64 tsc);

/* irqchip.c: the broadcast of an EOI to the I/O APIC */
void irqchip_eoi(struct irqchip *c, u8 vector);

#endif
