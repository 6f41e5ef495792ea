/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An instruction's head: the bytes before its displacement and its immediates, prefixes, opcode, ModRM and SIB. It says what the instruction
 * is, how many bytes follow and what those mean. In 64-bit mode, general registers that are nothing but numbers in ModRM, SIB and REX are taken
 * out, and all that says where an operand in memory is: one head stands for `mov rax, [rbx + 8]` and `mov r9, [r14 + rcx * 4]`.
 */
#ifndef L0_BT_DECODE_HEAD_H
#define L0_BT_DECODE_HEAD_H

#include "../cpu/types.h"

#define HEAD_MAX 7
/* Bytes that head_of() and whoever reads the constants behind a head may read */
#define HEAD_READS 24

/* Registers that were taken out */
#define HEAD_REG BIT(0) /* ModRM.reg */
#define HEAD_RM BIT(1) /* ModRM.rm, a register */
#define HEAD_MEMORY BIT(2) /* a memory operand's address: ModRM.mod and rm, SIB, displacement */

#define HEAD_NONE 0xff
#define HEAD_RIP 0xfe

struct head {
	u64 bytes; /* 0 behind them, and where something was taken out */
	u8 length; /* without SIB if that was taken out */
	u8 out; /* HEAD_REG ... */
	u8 reg, rm; /* numbers of registers, 0 to 15 */
	/* of the memory operand */
	u8 base, index; /* HEAD_NONE, HEAD_RIP */
	u8 scale; /* 0, 1, 2, 4, 8 */
	u8 disp_at, disp_size;
	u8 extra; /* bytes of SIB and displacement */
};

/*
 * False: nothing that can be told so. long64: 64-bit mode. asize16: addresses have 16 bits but for a prefix 67. What it says of an instruction
 * that there isn't is of no use, nor harm: whoever decodes it compares the length.
 */
bool head_of(struct head *h, const u8 *bytes, bool long64, bool asize16);

#endif
