/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apic.h"

#include "../bt/bt.h"
#include "../devices/irqchip.h"
#include "internal.h"

/* page offsets: SDM vol. 3, "Virtualized APIC Registers" */
#define VAPIC_TPR 0x80u
#define VAPIC_PPR 0xa0u
#define VAPIC_EOI 0xb0u
#define VAPIC_ISR 0x100u
#define VAPIC_IRR 0x200u
#define VAPIC_ICR 0x300u
#define VAPIC_ICR_HIGH 0x310u
#define VAPIC_SELF_IPI 0x3f0u /* as an MSR only */

#define MSR_OFFSET(msr) (((msr)&0xff) << 4)

/* ICR: what self-IPI virtualization wants. Shorthand "self"; edge, fixed, nothing reserved, a vector from 16 on */
#define ICR_RESERVED 0xfff33000u
#define ICR_SHORTHAND 0x000c0000u
#define ICR_SELF 0x00040000u
#define ICR_LEVEL_TRIGGERED BIT(15)
#define ICR_MODE 0x700u
#define ICR_CLASS 0xf0u

/* posted-interrupt descriptor: 256 requests, then the outstanding-notification bit */
#define POSTED_WORDS 4
#define POSTED_ON_WORD 4

static u8 *page(const struct vcpu *v)
{
	return l1_page(v, v->vmx->v02.virtual_apic_page_addr);
}

static u32 get(const struct vcpu *v, unsigned int offset)
{
	const u8 *p = page(v);

	return p ? __atomic_load_n((const u32 *)(p + offset), __ATOMIC_RELAXED) : UINT32_MAX;
}

static void set(struct vcpu *v, unsigned int offset, u32 value)
{
	u8 *p = page(v);

	if (p)
		__atomic_store_n((u32 *)(p + offset), value, __ATOMIC_RELAXED);
}

/* Bits of VISR and VIRR: 32 of them at the start of each 16 bytes */
static void change_bit(struct vcpu *v, unsigned int base, u8 vector, bool one)
{
	u32 bit = (u32)BIT(vector % 32), offset = base + vector / 32u * 16;
	u8 *p = page(v);

	if (!p)
		return;
	if (one)
		__atomic_fetch_or((u32 *)(p + offset), bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and((u32 *)(p + offset), ~bit, __ATOMIC_RELAXED);
}

static u8 highest(const struct vcpu *v, unsigned int base)
{
	int i;

	if (!page(v))
		return 0;
	for (i = 7; i >= 0; i--) {
		u32 word = get(v, base + (unsigned int)i * 16);

		if (word)
			return (u8)(i * 32 + 31 - __builtin_clz(word));
	}
	return 0;
}

/* "PPR Virtualization" */
static void virtualize_ppr(struct vcpu *v)
{
	u32 vtpr = get(v, VAPIC_TPR) & 0xff, svi = v->vmx->apic.svi;

	set(v, VAPIC_PPR, (vtpr & 0xf0) >= (svi & 0xf0) ? vtpr : svi & 0xf0);
}

/* "Evaluation of Pending Virtual Interrupts" */
static void evaluate(struct vcpu *v)
{
	struct vmx_apic *a = &v->vmx->apic;

	a->recognized = !has_interrupt_window_exiting(&v->vmx->v02) && (a->rvi & 0xf0u) > (get(v, VAPIC_PPR) & 0xf0);
	if (a->recognized)
		v->intr_wait = true; /* translated code is left as soon as L2 takes interrupts */
}

/* "TPR Virtualization" */
static void virtualize_tpr(struct vcpu *v)
{
	const struct vmcs *c = &v->vmx->v02;

	if (has_virtual_interrupt_delivery(c)) {
		virtualize_ppr(v);
		evaluate(v);
	} else if ((get(v, VAPIC_TPR) >> 4 & 15) < (c->tpr_threshold & 15)) {
		vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_TPR_BELOW_THRESHOLD });
	}
}

static bool eoi_exits(const struct vmcs *c, u8 vector)
{
	const u64 bitmap[4] = { c->eoi_exit_bitmap0, c->eoi_exit_bitmap1, c->eoi_exit_bitmap2, c->eoi_exit_bitmap3 };

	return bitmap[vector / 64] >> vector % 64 & 1;
}

/* "EOI Virtualization" */
static void virtualize_eoi(struct vcpu *v)
{
	struct vmx_apic *a = &v->vmx->apic;
	u8 vector = a->svi;

	change_bit(v, VAPIC_ISR, vector, false);
	a->svi = highest(v, VAPIC_ISR);
	virtualize_ppr(v);
	if (eoi_exits(&v->vmx->v02, vector))
		vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_EOI_INDUCED, .qualification = vector });
	evaluate(v);
}

/* "Self-IPI Virtualization" */
static void virtualize_self_ipi(struct vcpu *v, u8 vector)
{
	struct vmx_apic *a = &v->vmx->apic;

	change_bit(v, VAPIC_IRR, vector, true);
	if (vector > a->rvi)
		a->rvi = vector;
	evaluate(v);
}

static bool is_self_ipi(u32 icr)
{
	return !(icr & (ICR_RESERVED | ICR_LEVEL_TRIGGERED | ICR_MODE)) && (icr & ICR_SHORTHAND) == ICR_SELF &&
	       (icr & ICR_CLASS);
}

static _Noreturn void write_exit(struct vcpu *v, unsigned int offset)
{
	vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_APIC_WRITE, .qualification = offset });
}

/* "APIC-Write Emulation"; the same for what CR8 and MSRs have written */
void vmx_apic_complete(struct vcpu *v)
{
	bool delivers = has_virtual_interrupt_delivery(&v->vmx->v02);
	unsigned int offset = v->vmx->apic.offset;
	u32 value;

	v->apic_due = false;
	switch (offset) {
	case VAPIC_TPR:
		set(v, VAPIC_TPR, get(v, VAPIC_TPR) & 0xff);
		virtualize_tpr(v);
		return;
	case VAPIC_EOI:
		if (!delivers)
			break;
		set(v, VAPIC_EOI, 0);
		virtualize_eoi(v);
		return;
	case VAPIC_ICR:
		value = get(v, VAPIC_ICR);
		if (!delivers || !is_self_ipi(value))
			break;
		virtualize_self_ipi(v, (u8)value);
		return;
	case VAPIC_ICR_HIGH ... VAPIC_ICR_HIGH + 3:
		set(v, VAPIC_ICR_HIGH, get(v, VAPIC_ICR_HIGH) & 0xff000000);
		return;
	case VAPIC_SELF_IPI:
		value = get(v, VAPIC_SELF_IPI);
		if (!(value & ICR_CLASS))
			break;
		virtualize_self_ipi(v, (u8)value);
		return;
	default:
		break;
	}
	write_exit(v, offset);
}

void vmx_apic_enter(struct vcpu *v)
{
	struct vmx_apic *a = &v->vmx->apic;
	const struct vmcs *c = &v->vmx->v02;

	v->apic_access = has_virtualize_apic_accesses(c) ? c->apic_access_addr | 1 : 0;
	a->recognized = a->check_threshold = false;
	if (!has_tpr_shadow(c))
		return;
	if (page(v) && (*memory_flag(&v->machine->memory, c->virtual_apic_page_addr) & PAGE_WATCHED))
		bt_phys_written(v->machine, c->virtual_apic_page_addr,
				PAGE_SIZE); /* it will be, behind the translator's back */
	if (has_virtual_interrupt_delivery(c)) {
		a->rvi = (u8)c->guest_intr_status;
		a->svi = (u8)(c->guest_intr_status >> 8);
		virtualize_ppr(v);
		evaluate(v);
	} else {
		/* otherwise it was a check of the entry's */
		a->check_threshold = v->apic_access;
	}
}

void vmx_apic_leave(struct vcpu *v)
{
	struct vmx *x = v->vmx;

	v->apic_access = 0;
	v->apic_due = false;
	/* in both: the next entry copies it from L1's memory only if L1 has written it */
	if (has_virtual_interrupt_delivery(&x->v02))
		x->v12->guest_intr_status = x->v02.guest_intr_status = (u16)(x->apic.rvi | x->apic.svi << 8);
}

void vmx_apic_check_threshold(struct vcpu *v)
{
	v->vmx->apic.check_threshold = false;
	if (v->activity <= ACTIVITY_HLT)
		virtualize_tpr(v);
}

bool vmx_apic_recognized(const struct vcpu *v)
{
	const struct vmx *x = v->vmx;

	return has_virtual_interrupt_delivery(&x->v02) && x->apic.recognized;
}

/* "Virtual-Interrupt Delivery" */
u8 vmx_apic_take(struct vcpu *v)
{
	struct vmx_apic *a = &v->vmx->apic;
	u8 vector = a->rvi;

	change_bit(v, VAPIC_ISR, vector, true);
	a->svi = vector;
	set(v, VAPIC_PPR, vector & 0xf0);
	change_bit(v, VAPIC_IRR, vector, false);
	a->rvi = highest(v, VAPIC_IRR);
	a->recognized = false;
	return vector;
}

/* "Posted-Interrupt Processing" */
bool vmx_apic_notified(struct vcpu *v, u8 vector)
{
	struct vmx_apic *a = &v->vmx->apic;
	const struct vmcs *c = &v->vmx->v02;
	u64 *descriptor;
	unsigned int i;

	if (!has_posted_interrupts(c) || vector != c->posted_intr_nv)
		return false;
	descriptor = l1_page(v, c->posted_intr_desc_addr);
	if (descriptor) {
		descriptor += (c->posted_intr_desc_addr & 4095) / sizeof(u64);
		__atomic_fetch_and(&descriptor[POSTED_ON_WORD], ~1ull, __ATOMIC_SEQ_CST);
	}
	lapic_mmio_write(v->apic, VAPIC_EOI, 0);
	for (i = 0; descriptor && i < POSTED_WORDS; i++) {
		u64 requests = __atomic_exchange_n(&descriptor[i], 0, __ATOMIC_SEQ_CST);

		while (requests) {
			u8 bit = (u8)(i * 64 + __builtin_ctzll(requests));

			change_bit(v, VAPIC_IRR, bit, true);
			if (bit > a->rvi)
				a->rvi = bit;
			requests &= requests - 1;
		}
	}
	evaluate(v);
	return true;
}

/* The instruction has written to the page; the rest when it is complete. */
static void due(struct vcpu *v, unsigned int offset, u8 size)
{
	v->vmx->apic.offset = (u16)offset;
	v->vmx->apic.size = size;
	v->apic_due = true;
}

/* "Virtualizing CR8-Based TPR Accesses" */
u8 vmx_apic_get_cr8(const struct vcpu *v, u8 otherwise)
{
	return page(v) ? get(v, VAPIC_TPR) >> 4 & 15 : otherwise;
}

void vmx_apic_set_cr8(struct vcpu *v, u64 value)
{
	if (value >> 4)
		raise_gp(v, 0);
	set(v, VAPIC_TPR, (u32)value << 4);
	due(v, VAPIC_TPR, 4);
}

/* "Virtualizing MSR-Based APIC Accesses" */
bool vmx_apic_rdmsr(struct vcpu *v, u32 msr, u64 *value)
{
	const struct vmcs *c = &v->vmx->v02;
	unsigned int offset = MSR_OFFSET(msr);

	if (!has_virtualize_x2apic_mode(c) || (offset != VAPIC_TPR && !has_apic_register_virtualization(c)))
		return false;
	*value = get(v, offset) | (u64)get(v, offset + 4) << 32;
	return true;
}

bool vmx_apic_wrmsr(struct vcpu *v, u32 msr, u64 value)
{
	const struct vmcs *c = &v->vmx->v02;
	unsigned int offset = MSR_OFFSET(msr);

	if (!has_virtualize_x2apic_mode(c))
		return false;
	if (offset != VAPIC_TPR &&
	    !(has_virtual_interrupt_delivery(c) && (offset == VAPIC_EOI || offset == VAPIC_SELF_IPI)))
		return false;
	if (value & (offset == VAPIC_EOI ? ~0ull : ~0xffull))
		raise_gp(v, 0);
	set(v, offset, (u32)value);
	set(v, offset + 4, 0);
	due(v, offset, 8);
	return true;
}
