/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vector instructions that touch memory element by element: their masked-out elements must not fault, so an access as a
 * whole only does where it hits the TLB within one page.
 */
#ifndef L0_BT_VECTOR_H
#define L0_BT_VECTOR_H

#include "../cpu/insn.h"

union vector_args {
	u64 raw;
	struct {
		u8 reg, mask; /* vector register numbers: data; mask (sign bits) */
		u8 index, scale; /* gather: index register; 1, 2, 4, 8 */
		u8 element, index_size; /* bytes: 4, 8 */
		u8 count; /* elements */
		u8 store : 1, wide : 1, seg : 3, addr32 : 1; /* wide: YMM; seg: enum sreg, as in insn_args */
	};
};

/* VMASKMOVPS/PD, VPMASKMOVD/Q: v->ea is the effective address */
insn_fn vector_maskmov;
/* VGATHER*, VPGATHER*: v->ea is base plus displacement */
insn_fn vector_gather;

#endif
