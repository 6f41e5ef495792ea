/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * APIC virtualization: SDM vol. 3, "APIC Virtualization and Virtual Interrupts".
 *
 *   apic.c         the virtual-APIC page: TPR, PPR, EOI and self-IPI virtualization, pending virtual interrupts, posted
 *                  interrupts, CR8 and the x2APIC MSRs
 *   apic_access.c  the APIC-access page: which accesses go to the virtual-APIC page, and which exit
 *
 * What an instruction of L2 wrote to the virtual-APIC page has its effect behind that instruction, as a trap: v->apic_due says
 * that one waits, and whoever completes an instruction or the delivery of an event calls vmx_apic_complete().
 *
 * Nothing else costs an L2 whose L1 uses none of this: v->apic_access and v->apic_due are 0 then.
 */
#ifndef L0_VMX_APIC_H
#define L0_VMX_APIC_H

#include "../cpu/vcpu.h"

struct vmx_apic {
	u8 rvi, svi; /* SDM: requesting virtual interrupt, servicing virtual interrupt */
	bool recognized; /* a pending virtual interrupt is */
	bool check_threshold; /* the entry is complete but for the exit that a TPR below the threshold causes */
	u16 offset; /* v->apic_due: where on the virtual-APIC page */
	u8 size; /* and of how many bytes */
};

/* VM entry, once nothing of it can fail any more; VM exit, with L2's state still in v. */
void vmx_apic_enter(struct vcpu *v);
void vmx_apic_leave(struct vcpu *v);

/* v->apic_due: an instruction or an event's delivery is complete that wrote to the virtual-APIC page. May exit. */
void vmx_apic_complete(struct vcpu *v);

/* A virtual interrupt waits for RFLAGS.IF. */
bool vmx_apic_recognized(const struct vcpu *v);
/* Takes it: the vector that L2 gets now through its IDT. */
u8 vmx_apic_take(struct vcpu *v);
/* Between two instructions of L2, once no event of the entry waits: the exit that check_threshold stands for. */
void vmx_apic_check_threshold(struct vcpu *v);
/* `vector` came from L1's interrupt controllers. Is it the notification that interrupts were posted? Then that's all. */
bool vmx_apic_notified(struct vcpu *v, u8 vector);

/* CR8 in the TPR shadow. Writing raises #GP(0) for more than 4 bits. */
u8 vmx_apic_get_cr8(const struct vcpu *v, u8 otherwise);
void vmx_apic_set_cr8(struct vcpu *v, u64 value);

/* RDMSR and WRMSR of 800H to 8FFH, if nothing exits. False: as without virtualization. Writing raises #GP(0). */
bool vmx_apic_rdmsr(struct vcpu *v, u32 msr, u64 *value);
bool vmx_apic_wrmsr(struct vcpu *v, u32 msr, u64 value);

/*
 * apic_access.c: a data access of L2 whose translation, L1-physical, is on the APIC-access page; see vmx_apic_page(). access: ACC_* of
 * mmu.h. Each exits unless the access is one that goes to the virtual-APIC page.
 */
/* n: bytes of the whole access; split: it reaches over the page's edge */
void vmx_apic_check(struct vcpu *v, u64 l1pa, size_t n, bool split, unsigned int access);
void vmx_apic_read(struct vcpu *v, u64 l1pa, u8 *to, unsigned int n);
void vmx_apic_write(struct vcpu *v, u64 l1pa, const u8 *from, unsigned int n);
/* An instruction fetch; an access to L2's paging structures through EPT */
_Noreturn void vmx_apic_fetch(struct vcpu *v, u64 l1pa);
_Noreturn void vmx_apic_physical(struct vcpu *v);

/* Is it the APIC-access page of the L2 that runs? */
static inline bool vmx_apic_page(const struct vcpu *v, u64 pa)
{
	return ((pa & ~4095ull) | 1) == v->apic_access;
}

#endif
