/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where guest state lives while translated code runs.
 *
 *   host RSP          struct vcpu, less RSP_BELOW (its thread's stack continues below that)
 *   host GS base      struct tlb of the current address space
 *   host EFLAGS       the guest's arithmetic flags; always, between any two host instructions that
 *                     belong to different guest instructions. Everything that the translator adds
 *                     is built from MOV, LEA, PEXT, SHRX, LOOP and JRCXZ, which leave flags alone.
 *   RCX, RSI, RDI     free within one guest instruction: TC, TA (address), TI (index)
 *   x87, XMM, YMM     the guest's, number for number
 *   the other 12      guest GPRs as below; guest R10, R11, R14, R15 stay in vcpu->gpr[]
 *
 * RAX, RDX, RBX and RBP are themselves, so MUL, DIV, CWD, CMPXCHG, LAHF need no moves; RCX, RSI and
 * RDI are the temporaries because none of them needs a REX prefix, which AH..BH can't stand.
 */
#ifndef L0_BT_REGS_H
#define L0_BT_REGS_H

#include <stddef.h>
#include "../cpu/tlb.h"

enum host_reg {
	H_RAX,
	H_RCX,
	H_RDX,
	H_RBX,
	H_RSP,
	H_RBP,
	H_RSI,
	H_RDI,
	H_R8,
	H_R9,
	H_R10,
	H_R11,
	H_R12,
	H_R13,
	H_R14,
	H_R15
};

#define TC H_RCX
#define TA H_RSI
#define TI H_RDI
#define H_NONE 0xff

/* Aligned as the ABI wants it for calls; and a shift count: as struct vcpu begins a cache line, RSP's lowest six bits are RSP_COUNT. */
#define RSP_BELOW 16
#define RSP_COUNT (64 - RSP_BELOW)

/* guest register, host register (H_NONE: in vcpu->gpr[]) */
/* clang-format off */
#define GUEST_REGS(X) \
	X(RAX, H_RAX)  X(RCX, H_R10)  X(RDX, H_RDX)  X(RBX, H_RBX) \
	X(RSP, H_R11)  X(RBP, H_RBP)  X(RSI, H_R14)  X(RDI, H_R15) \
	X(R8,  H_R8)   X(R9,  H_R9)   X(R10, H_NONE) X(R11, H_NONE) \
	X(R12, H_R12)  X(R13, H_R13)  X(R14, H_NONE) X(R15, H_NONE)
/* clang-format on */

static const u8 guest_reg_home[16] = {
#define X(g, h) [g] = h,
	GUEST_REGS(X)
#undef X
};

#define OFF_GPR(r) ((int)(offsetof(struct vcpu, gpr) + 8 * (r)))
#define OFF(field) ((int)offsetof(struct vcpu, field))
#define TLB_OFF(field) ((int)offsetof(struct tlb, field))
#define VIEW_OFF(view, array) \
	((int)(offsetof(struct tlb, view) + (view) * sizeof(struct tlb_arrays) + offsetof(struct tlb_arrays, array)))

_Static_assert(offsetof(struct vcpu, gpr) == 0, "translated code reaches gpr[] with one byte of displacement");

#endif
