/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the walker (paging.c) shares with the instructions that load its roots. */
#ifndef L0_CPU_PAGING_H
#define L0_CPU_PAGING_H

#include "vcpu.h"

enum paging_mode { PAGING_NONE, PAGING_32BIT, PAGING_PAE, PAGING_4LEVEL, PAGING_5LEVEL, PAGING_MODES };

/* SDM vol. 3, "Paging Modes and Control Bits"; of these values, not of the vCPU's */
static inline enum paging_mode paging_mode_of(u64 cr0, u64 cr4, u64 efer)
{
	if (!(cr0 & CR0_PG))
		return PAGING_NONE;
	if (!(cr4 & CR4_PAE))
		return PAGING_32BIT;
	if (!(efer & EFER_LMA))
		return PAGING_PAE;
	return cr4 & CR4_LA57 ? PAGING_5LEVEL : PAGING_4LEVEL;
}

static inline enum paging_mode paging_mode(const struct vcpu *v)
{
	return paging_mode_of(v->cr0, v->cr4, v->efer);
}

/*
 * PAE paging: read the four PDPTEs that cr3 points at. False: one of them is present and has a
 * reserved bit, which is #GP(0) for the instruction that wanted them. SDM vol. 3, "PDPTE Registers".
 */
bool paging_read_pdptes(struct vcpu *v, u64 cr3, u64 pdpte[4]);

#endif
