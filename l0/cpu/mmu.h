/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory by linear address: SDM vol. 3, "Paging".
 *
 * mmu_walk() is the one page walk: all modes, every permission bit. The others go through the soft
 * TLB (cpu/tlb.h) first. Every function that can fault raises (never returns) unless its name says try.
 */
#ifndef L0_CPU_MMU_H
#define L0_CPU_MMU_H

#include "vcpu.h"

#define ACC_READ BIT(0)
#define ACC_WRITE BIT(1)
#define ACC_EXEC BIT(2)
#define ACC_USER BIT(3) /* a user-mode access: CPL 3 and not implicit */
#define ACC_IMPLICIT BIT(4) /* an implicit supervisor access: GDT, IDT, TSS; SMAP ignores RFLAGS.AC */

/* an explicit data access of the current instruction */
static inline unsigned int mmu_data(const struct vcpu *v, unsigned int access)
{
	return access | (v->cpl == 3 ? ACC_USER : 0);
}

/* A successful walk. `rights` are the ACC_READ|WRITE|EXEC that the same privilege would be granted
 * without another walk: WRITE only if the dirty bit is set already. */
struct mmu_page {
	u64 gpa; /* of the address asked for, in bytes */
	u8 shift; /* of the guest's page: 12, 21, 22 or 30 */
	u8 run; /* this many low bits of the address stay as they are: shift, or less where L1's EPT has smaller pages */
	u8 rights;
	bool global;
	bool user; /* U/S is set at every level */
};

/*
 * Walk the guest's tables for `linear`, set accessed and dirty bits as the access demands.
 * Returns true and fills *page, or false and fills *error with the #PF error code.
 * Without paging: identity.
 */
bool mmu_walk(struct vcpu *v, u64 linear, unsigned int access, struct mmu_page *page, u32 *error);

/* Like mmu_walk() without touching accessed or dirty bits: for debuggers and dumps. */
bool mmu_probe(struct vcpu *v, u64 linear, unsigned int access, struct mmu_page *page, u32 *error);

/*
 * Ahead of any access: the 4 KiB page at `linear`, if its table is in the paging-structure cache (cpu/psc.h) and a read by who `access`
 * says needs no flag set and no exit. True and *page as mmu_walk() makes it, or false.
 */
bool mmu_peek(struct vcpu *v, u64 linear, unsigned int access, struct mmu_page *page);

/* The same for a read by user code in a page of the guest's that is larger than 4 KiB, by a walk of all levels; false for any other. */
bool mmu_peek_large(struct vcpu *v, u64 linear, struct mmu_page *page);

/* size 1, 2, 4, 8 bytes, any alignment, page crossing and devices included; raise #PF */
u64 mmu_read(struct vcpu *v, u64 linear, unsigned int size, unsigned int access);
void mmu_write(struct vcpu *v, u64 linear, u64 value, unsigned int size, unsigned int access);

/* n bytes, any n; all pages are checked before the first byte moves */
void mmu_read_bytes(struct vcpu *v, u64 linear, void *to, size_t n, unsigned int access);
void mmu_write_bytes(struct vcpu *v, u64 linear, const void *from, size_t n, unsigned int access);

/* Raise what a later access of n bytes would raise. */
void mmu_check(struct vcpu *v, u64 linear, size_t n, unsigned int access);

/*
 * An access of n bytes, all in one page, of an L2 whose v->apic_access isn't 0: does it go to the virtual APIC? Raises #PF, and exits if
 * L1 wants to see it.
 */
bool mmu_apic_access(struct vcpu *v, u64 linear, size_t n, unsigned int access);

/*
 * Host address of `linear` if the whole page may be accessed directly (RAM, not watched, no
 * breakpoint on it, not an APIC-access page); NULL if it must go through mmu_read()/mmu_write(). Raises #PF.
 * Valid up to the end of the page and until the next TLB flush.
 */
u8 *mmu_host(struct vcpu *v, u64 linear, unsigned int access);

/* canonical at the current paging width: SDM vol. 1, "Canonical Addressing" */
static inline bool mmu_canonical(const struct vcpu *v, u64 linear)
{
	unsigned int s = v->cr4 & CR4_LA57 ? 7 : 16;

	return (u64)((s64)(linear << s) >> s) == linear;
}

/*
 * The same without any effect that a guest could see: no fault, no flag set, no exit. NULL also if it would take one. access: with ACC_WRITE
 * for reading and writing.
 */
u8 *mmu_try(struct vcpu *v, u64 linear, unsigned int access);

/* TLB maintenance: what the SDM's "Invalidation of TLBs" demands of each instruction */
void mmu_flush_all(struct vcpu *v); /* global pages too, every PCID */
void mmu_flush_page(struct vcpu *v, u64 linear); /* INVLPG */
void mmu_flush_pcid(struct vcpu *v, u16 pcid); /* that PCID's non-global entries */
void mmu_flush_pcid_page(struct vcpu *v, u16 pcid, u64 linear); /* INVPCID type 0 */
void mmu_flush_nonglobal(struct vcpu *v); /* every PCID */
/* INVEPT, INVVPID: what is cached of L2's translations through that EPT pointer (4 KiB aligned), with that VPID */
void mmu_flush_nested(struct vcpu *v, u64 eptp, bool any_eptp, u16 vpid, bool any_vpid);
/* CR3 was written (or a VM entry/exit changed address space): select the context for the PCID. */
void mmu_switch(struct vcpu *v, bool flush);

#endif
