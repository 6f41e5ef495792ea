/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operands and encodings that lowering functions share: from the guest's instruction to one for the host. */
#ifndef L0_BT_LOWER_OPERAND_H
#define L0_BT_LOWER_OPERAND_H

#include "lower.h"

/* DESC_READ, DESC_WRITE, DESC_SS of a memory operand */
u32 lower_rw(const struct operand *o);

/* a guest GPR in an operand of the instruction, and where the host has it for the time being */
struct slot {
	const struct operand *o;
	u8 g, host;
	bool temp; /* host is a temporary: load before, store after */
	bool loaded; /* by another operand */
};

void lower_slot_load(struct lower *l, const struct slot *s);
void lower_slot_store(struct lower *l, const struct slot *s);
/* The load as an item of an access' sequence. */
struct enc lower_slot_load_enc(const struct slot *s);
/* SPL, BPL, SIL, DIL and up as `o` is encoded: a byte register that only a REX prefix names */
bool lower_needs_rex(const struct operand *o, u8 host);

#endif
