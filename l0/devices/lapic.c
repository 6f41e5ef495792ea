/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lapic.h"

#include <stdlib.h>

#include "../cpu/model.h"
#include "../cpu/vcpu.h"
#include "../machine/machine.h"

/* version 0x14, 6 LVT entries, EOI broadcasts can be suppressed */
#define LAPIC_VERSION (BIT(24) | (LVT_COUNT - 1) << 16 | 0x14)

#define R 1u
#define W 2u
#define RW (R | W)

/*
 * SDM vol. 3, "Local APIC Register Address Map" and "Local APIC Register Address Map Supported by
 * x2APIC". Register n is at 16 * n in the xAPIC page and MSR 800H + n. Where neither column has an
 * access the address is reserved. Bits: those that WRMSR accepts; ones elsewhere raise #GP.
 */
/* clang-format off */
#define LAPIC_REGS(F) \
	/* name         first last  xapic x2apic bits */ \
	F(ID,           0x02, 0x02, RW, R,  0) \
	F(VERSION,      0x03, 0x03, R,  R,  0) \
	F(TPR,          0x08, 0x08, RW, RW, 0xff) \
	F(APR,          0x09, 0x09, R,  0,  0) \
	F(PPR,          0x0a, 0x0a, R,  R,  0) \
	F(EOI,          0x0b, 0x0b, W,  W,  0) \
	F(RRD,          0x0c, 0x0c, R,  0,  0) \
	F(LDR,          0x0d, 0x0d, RW, R,  0) \
	F(DFR,          0x0e, 0x0e, RW, 0,  0) \
	F(SVR,          0x0f, 0x0f, RW, RW, 0x13ff) \
	F(ISR,          0x10, 0x17, R,  R,  0) \
	F(TMR,          0x18, 0x1f, R,  R,  0) \
	F(IRR,          0x20, 0x27, R,  R,  0) \
	F(ESR,          0x28, 0x28, RW, RW, 0) \
	F(ICR,          0x30, 0x30, RW, RW, 0xffffffff000cdfff) \
	F(ICR_HIGH,     0x31, 0x31, RW, 0,  0) \
	F(TIMER,        0x32, 0x32, RW, RW, 0x710ff) \
	F(THERMAL,      0x33, 0x33, RW, RW, 0x117ff) \
	F(PERFORMANCE,  0x34, 0x34, RW, RW, 0x117ff) \
	F(LINT0,        0x35, 0x35, RW, RW, 0x1f7ff) \
	F(LINT1,        0x36, 0x36, RW, RW, 0x1f7ff) \
	F(ERROR,        0x37, 0x37, RW, RW, 0x110ff) \
	F(INITIAL,      0x38, 0x38, RW, RW, 0xffffffff) \
	F(CURRENT,      0x39, 0x39, R,  R,  0) \
	F(DIVIDE,       0x3e, 0x3e, RW, RW, 0xb) \
	F(SELF_IPI,     0x3f, 0x3f, 0,  W,  0xff)

#define REG_ENUM(name, first, last, xapic, x2apic, bits) REG_##name = first, REG_##name##_LAST = last,
enum lapic_reg { LAPIC_REGS(REG_ENUM) REG_COUNT = 0x40 };
#undef REG_ENUM

#define REG_ACCESS(name, first, last, xapic, x2apic, bits) [first ... last] = { xapic, x2apic, bits },
static const struct {
	u8 xapic, x2apic;
	u64 bits;
} reg_access[REG_COUNT] = { LAPIC_REGS(REG_ACCESS) };
#undef REG_ACCESS
/* clang-format on */

/* of an LVT entry: bits that software can't set (delivery status, remote IRR) */
#define LVT_READ_ONLY (BIT(12) | LVT_REMOTE_IRR)
#define SVR_BITS 0x13ffu
#define ICR_BITS 0x000ccfffu /* delivery status, bit 12, reads as idle */
#define XAPIC_HIGH 0xff000000u
#define DFR_ONES 0x0fffffffu

/* the register is writable by software in its LVT entry */
static u32 lvt_bits(const struct lapic *a, unsigned int reg)
{
	u32 bits = (u32)reg_access[reg].bits;

	if (reg == REG_TIMER && !a->has_deadline)
		bits &= (u32)~LVT_TIMER_DEADLINE;
	return bits;
}

static u32 lapic_read_reg(struct lapic *a, unsigned int reg)
{
	switch (reg) {
	case REG_ID:
		return lapic_x2apic(a) ? lapic_id(a) : lapic_id(a) << 24;
	case REG_VERSION:
		return LAPIC_VERSION;
	case REG_TPR:
		return a->tpr;
	case REG_PPR:
		return lapic_ppr(a);
	case REG_LDR:
		return lapic_x2apic(a) ? lapic_x2apic_ldr(a) : a->ldr;
	case REG_DFR:
		return a->dfr;
	case REG_SVR:
		return a->svr;
	case REG_ISR ... REG_ISR_LAST:
		return a->isr[reg - REG_ISR];
	case REG_TMR ... REG_TMR_LAST:
		return atomic_load(&a->tmr[reg - REG_TMR]);
	case REG_IRR ... REG_IRR_LAST:
		return atomic_load(&a->irr[reg - REG_IRR]);
	case REG_ESR:
		return a->esr;
	case REG_ICR:
		return a->icr_low;
	case REG_ICR_HIGH:
		return a->icr_high;
	case REG_TIMER ... REG_ERROR:
		return atomic_load(&a->lvt[reg - REG_TIMER]);
	case REG_INITIAL:
		return a->initial_count;
	case REG_CURRENT:
		return lapic_timer_current(a);
	case REG_DIVIDE:
		return a->divide_configuration;
	default: /* APR and RRD are for processors before the Pentium 4; EOI and self IPI have no value */
		return 0;
	}
}

static void lapic_write_lvt(struct lapic *a, unsigned int reg, u32 value)
{
	enum lvt entry = reg - REG_TIMER;
	enum lapic_timer_mode mode = lapic_timer_mode(a);
	u32 old = atomic_load(&a->lvt[entry]);

	value &= lvt_bits(a, reg) & (u32)~LVT_READ_ONLY;
	if (!(a->svr & SVR_ENABLE))
		value |= LVT_MASKED;
	/* remote IRR is a level-triggered interrupt's; an entry that stops being one has none */
	if (value & LVT_LEVEL)
		value |= old & LVT_REMOTE_IRR;
	atomic_store(&a->lvt[entry], value);
	if (entry == LVT_TIMER)
		lapic_timer_mode_changed(a, mode);
	if (entry == LVT_LINT0 || entry == LVT_LINT1)
		lapic_lint_unmasked(a, entry - LVT_LINT0);
}

/* SDM vol. 3, "Local APIC State After It Has Been Software Disabled" */
static void lapic_write_svr(struct lapic *a, u32 value)
{
	a->svr = value & SVR_BITS;
	if (a->svr & SVR_ENABLE)
		return;
	for (unsigned int i = 0; i < LVT_COUNT; i++)
		atomic_fetch_or(&a->lvt[i], (u32)LVT_MASKED);
}

static void lapic_write_reg(struct lapic *a, unsigned int reg, u32 value)
{
	switch (reg) {
	case REG_ID: /* software may, on the processors that SDM vol. 3, "Local APIC ID", says it of */
		a->id = value >> 24;
		break;
	case REG_TPR:
		a->tpr = value & 0xff;
		lapic_notify(a);
		break;
	case REG_EOI:
		lapic_eoi(a);
		break;
	case REG_LDR:
		a->ldr = value & XAPIC_HIGH;
		break;
	case REG_DFR:
		a->dfr = value | DFR_ONES;
		break;
	case REG_SVR:
		lapic_write_svr(a, value);
		break;
	case REG_ESR: /* whatever is written: the errors so far become visible, the next one interrupts again */
		a->esr = atomic_exchange(&a->errors, 0);
		break;
	case REG_ICR:
		a->icr_low = value & ICR_BITS;
		lapic_icr_written(a);
		break;
	case REG_ICR_HIGH:
		a->icr_high = value & XAPIC_HIGH;
		break;
	case REG_TIMER ... REG_ERROR:
		lapic_write_lvt(a, reg, value);
		break;
	case REG_INITIAL:
		if (lapic_timer_mode(a) == TIMER_DEADLINE)
			break;
		a->initial_count = value;
		lapic_timer_start(a);
		break;
	case REG_DIVIDE:
		lapic_timer_set_divide(a, value);
		break;
	case REG_SELF_IPI:
		lapic_self_ipi(a, value & 0xff);
		break;
	}
}

/* A register is the aligned 4 bytes at the start of its 16; what else is accessed is undefined: zeros here. */
u32 lapic_mmio_read(struct lapic *a, u32 offset)
{
	unsigned int reg = offset >> 4 & 0xff;

	if (offset & 0xc)
		return 0;
	if (reg >= REG_COUNT || !reg_access[reg].xapic) {
		lapic_error(a, ESR_REGISTER);
		return 0;
	}
	return lapic_read_reg(a, reg) >> (offset & 3) * 8;
}

void lapic_mmio_write(struct lapic *a, u32 offset, u32 value)
{
	unsigned int reg = offset >> 4 & 0xff;

	if (offset & 0xf)
		return;
	if (reg >= REG_COUNT || !reg_access[reg].xapic) {
		lapic_error(a, ESR_REGISTER);
		return;
	}
	if (reg_access[reg].xapic & W)
		lapic_write_reg(a, reg, value);
}

bool lapic_read_msr(struct lapic *a, u32 msr, u64 *value)
{
	unsigned int reg = msr - MSR_X2APIC_FIRST;

	if (msr == MSR_TSC_DEADLINE) {
		*value = lapic_timer_get_deadline(a);
		return a->has_deadline;
	}
	if (!lapic_x2apic(a) || reg >= REG_COUNT || !(reg_access[reg].x2apic & R))
		return false;
	*value = lapic_read_reg(a, reg);
	if (reg == REG_ICR)
		*value |= (u64)a->icr_high << 32;
	return true;
}

bool lapic_write_msr(struct lapic *a, u32 msr, u64 value)
{
	unsigned int reg = msr - MSR_X2APIC_FIRST;
	u64 bits;

	if (msr == MSR_TSC_DEADLINE) {
		if (a->has_deadline)
			lapic_timer_set_deadline(a, value);
		return a->has_deadline;
	}
	if (!lapic_x2apic(a) || reg >= REG_COUNT || !(reg_access[reg].x2apic & W))
		return false;
	bits = reg >= REG_TIMER && reg <= REG_ERROR ? lvt_bits(a, reg) : reg_access[reg].bits;
	if (value & ~bits)
		return false;
	if (reg == REG_ICR)
		a->icr_high = (u32)(value >> 32);
	lapic_write_reg(a, reg, (u32)value);
	return true;
}

u8 lapic_get_cr8(const struct lapic *a)
{
	return (u8)(a->tpr >> 4);
}

void lapic_set_cr8(struct lapic *a, u8 cr8)
{
	a->tpr = (u32)(cr8 & 0xf) << 4;
	lapic_notify(a);
}

u64 lapic_base(const struct lapic *a)
{
	return a->base;
}

/* All registers but TPR: SDM vol. 3, "Local APIC State After Power-Up or Reset" */
static void lapic_reset_registers(struct lapic *a)
{
	a->ldr = 0;
	a->dfr = ~0u;
	a->svr = 0xff;
	a->esr = 0;
	a->icr_low = 0;
	a->icr_high = 0;
	atomic_store(&a->errors, 0);
	atomic_store(&a->extint, false);
	for (unsigned int i = 0; i < 8; i++) {
		atomic_store(&a->isr[i], 0);
		atomic_store(&a->irr[i], 0);
		atomic_store(&a->tmr[i], 0);
	}
	for (unsigned int i = 0; i < LVT_COUNT; i++)
		atomic_store(&a->lvt[i], (u32)LVT_MASKED);
	lapic_timer_reset(a);
}

/*
 * SDM vol. 3, "x2APIC State Transitions": out of x2APIC mode only by way of disabled, into it only
 * from xAPIC mode, and never EXTD without EN.
 */
static bool base_transition_allowed(u64 old, u64 new)
{
	old &= APIC_BASE_MODE;
	new &= APIC_BASE_MODE;
	switch (new) {
	case 0:
		return true;
	case APIC_BASE_EN:
		return old != APIC_BASE_MODE;
	case APIC_BASE_MODE:
		return old != 0;
	default:
		return false;
	}
}

bool lapic_set_base(struct lapic *a, u64 value)
{
	u64 old = a->base;

	if ((value & a->base_reserved) || !base_transition_allowed(old, value))
		return false;
	a->base = value;
	if ((old ^ value) & APIC_BASE_EN & ~value) {
		/* Disabled: "prior initialization may be lost". TPR stays: CR8 goes on working. */
		lapic_reset_registers(a);
		a->id = a->vcpu->index;
	} else if ((old ^ value) & APIC_BASE_EXTD) {
		a->icr_high = 0;
	}
	/* disabled, the pins reach the CPU directly: the 8259s may have been waiting */
	if (!lapic_enabled(a) && (atomic_load(&a->lint) & BIT(0)))
		vcpu_post(a->vcpu, EV_INTR);
	return true;
}

void lapic_reset(struct lapic *a, bool init)
{
	if (!init) {
		a->id = a->vcpu->index;
		a->base = APIC_BASE_DEFAULT | APIC_BASE_EN | (a->vcpu->index ? 0 : APIC_BASE_BSP);
	}
	a->tpr = 0;
	lapic_reset_registers(a);
}

struct lapic *lapic_create(struct machine *m, struct vcpu *v)
{
	struct lapic *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->machine = m;
	a->vcpu = v;
	a->has_x2apic = model_has(v->model, FEATURE_X2APIC);
	a->has_deadline = model_has(v->model, FEATURE_TSC_DEADLINE);
	a->base_reserved = ~((BIT(v->model->phys_bits) - 1) & ~0xfffull) & ~(APIC_BASE_BSP | APIC_BASE_EN);
	if (a->has_x2apic)
		a->base_reserved &= ~APIC_BASE_EXTD;
	lapic_timer_init(a);
	lapic_reset(a, false);
	return a;
}

void lapic_destroy(struct lapic *a)
{
	if (!a)
		return;
	timer_cancel(&a->machine->clock, &a->timer);
	free(a);
}
