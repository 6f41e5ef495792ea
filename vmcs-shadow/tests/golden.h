/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A processor, its capabilities, a little memory, and a VMCS that passes every check: what tests start from. */
#ifndef VMCS_SHADOW_TESTS_GOLDEN_H
#define VMCS_SHADOW_TESTS_GOLDEN_H

#include "vmcs-shadow/entry_checks.h"

struct golden {
	struct vmcs v;
	struct vmx_caps caps;
	struct vmx_entry e;
	/* the L1's memory: what is at these addresses; all bits 1 elsewhere */
	uint8_t vtpr;
	uint32_t link;
	uint64_t pdpte[4];
};

#define GOLDEN_REVISION 0x1234567u
#define GOLDEN_VAPIC 0x13000ull
#define GOLDEN_LINK 0x17000ull
#define GOLDEN_CR3 0x19060ull /* PDPTEs are 32-byte aligned, and no more */
#define GOLDEN_CURRENT 0x1f000ull

/* A 64-bit guest of a 64-bit host with most features in use. */
void golden_init(struct golden *g);

/* Offers everything that the tables know, also what they don't offer by themselves. */
void golden_offer_all(struct golden *g);

/* Other guests, on top of golden_init(). Each passes. */
void golden_protected(struct golden *g); /* 32-bit protected mode, no PAE */
void golden_pae(struct golden *g); /* 32-bit protected mode with PAE, PDPTEs from the VMCS */
void golden_v86(struct golden *g); /* virtual-8086 mode */
void golden_unrestricted(struct golden *g); /* real mode */
void golden_apicv(struct golden *g); /* virtual-interrupt delivery and posted interrupts */
void golden_legacy_host(struct golden *g); /* a 32-bit host, outside IA-32e mode */
void golden_smm(struct golden *g); /* in SMM, not leaving it; needs golden_offer_all() */

#endif
