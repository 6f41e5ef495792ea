/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operands of the current instruction, in the words of a VM exit: SDM vol. 3, "Information for VM Exits Due to Instruction Execution". */
#ifndef L0_BT_DESCRIBE_H
#define L0_BT_DESCRIBE_H

#include "../cpu/vcpu.h"

struct bt_description {
	u32 info; /* instruction information: addressing form, segment, base, index, registers */
	u8 length; /* of the instruction, in bytes */
	u64 displacement; /* sign-extended; with RIP-relative addressing the address itself, as the exit qualification has it */
};

/*
 * Decode the instruction at v->rip again. bits 31:28 of info are ModRM.reg, bits 6:3 the register operand, if there is one. The caller
 * has parked the guest's vector state. False: its bytes aren't there any more.
 */
bool bt_describe(struct vcpu *v, struct bt_description *d);

#endif
