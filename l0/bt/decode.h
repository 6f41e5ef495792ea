/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest bytes to instructions: Zydis, of whose answer the part that lowering needs is kept, and a table of what it has decoded. Code
 * repeats itself: but for registers, displacements and immediates (decode_head.h) nearly all instructions of a kernel are in the table.
 */
#ifndef L0_BT_DECODE_H
#define L0_BT_DECODE_H

#include <Zydis/Zydis.h>
#include "emit.h"

struct cpu_model;
struct decode;

#define BYTES_MAX 15 /* of an instruction. SDM vol. 2, "Instruction Format" */

struct lower_rule;

/* What its constant is: 0, the displacement, the first or second immediate, 1 */
enum operand_from { FROM_NONE, FROM_DISP, FROM_IMM0, FROM_IMM1, FROM_ONE };

#define NO_OPERAND 0xff

/* The names are Zydis'. */
struct operand {
	u8 type, encoding, actions, visibility; /* ZydisOperandType, ... */
	u8 from; /* enum operand_from: insn_constant() */
	u8 scale; /* 0, 1, 2, 4, 8 */
	u16 segment; /* a far pointer's selector, too */
	union {
		u16 reg; /* ZydisRegister, as are those of the memory operand */
		u16 base;
	};
	u16 index;
	u16 size; /* bits */
};

struct bytes_at {
	u8 offset;
	u8 size : 7;
	bool is_signed : 1;
};

/*
 * What the head says, but for registers and where memory operands are: length, disp and imm are of one without SIB and displacement then. All
 * of it is looked at for each instruction, and hardly ever in the host's caches: so it is small.
 */
struct decoded {
	u64 attributes;
	/* The translator's, which knows what depends on the mode. NULL: that does, or wasn't asked yet */
	const struct lower_rule *rule;
	u8 enc[16]; /* prefixes and opcode for the host: how a struct enc begins, insn_enc() */
	u16 mnemonic, isa_set;
	u8 length, operand_width, address_width, operand_count, operand_count_visible;
	u8 encoding, opcode, opcode_map, branch_type, category;
	/* Of ModRM; VEX' and REX' bits are apart. Of no meaning where operands have them, which is of general registers */
	u8 mod, reg, rm;
	u8 memory; /* the only memory operand among the visible ones; NO_OPERAND */
	u8 reg_at, rm_at; /* operands that are the registers in ModRM's fields; NO_OPERAND */
	u16 written; /* operands that are general registers and written: a bit for each */
	bool high_byte : 1; /* AH, CH, DH or BH is among them */
	bool alu : 1; /* all of the status flags come from registers and constants alone */
	bool general : 1; /* of no operands but general registers in ModRM, accumulators, constants and `memory` */
	bool plain_address : 1; /* `memory` has an address of 64 bits, and is neither in FS nor GS */
	bool rex_w : 1, rex_r : 1, rex_b : 1;
	bool vex_w : 1, vex_l : 1, vex_r : 1, vex_b : 1; /* R and B as they stand there: inverted */
	struct bytes_at disp, imm[2];
};

struct insn {
	struct decoded *z; /* until the next decode_begin() */
	s64 disp; /* 0 if there is none */
	s64 imm[2]; /* sign-extended if the instruction does that; a far pointer's offset is the first */
	u8 imm_bytes[8];
	struct operand op[ZYDIS_MAX_OPERAND_COUNT];
	const struct lower_rule *rule; /* this, `offset` and `bytes` are the translator's */
	u16 offset; /* of its first byte in the page */
	u8 length;
	u8 bytes[BYTES_MAX]; /* for --trace */
};

/* A memory operand's displacement; an immediate */
static inline s64 insn_constant(const struct insn *i, const struct operand *o)
{
	switch (o->from) {
	case FROM_DISP:
		return i->disp;
	case FROM_IMM0:
		return i->imm[0];
	case FROM_IMM1:
		return i->imm[1];
	default:
		return o->from == FROM_ONE;
	}
}

_Static_assert(offsetof(struct enc, mem) == sizeof(((struct decoded *)0)->enc), "all before it");

/* Prefixes, opcode, immediates for the host; ModRM's fields are the caller's. */
static inline struct enc insn_enc(const struct insn *i)
{
	struct enc c;

	memcpy(&c, i->z->enc, sizeof(i->z->enc));
	c.mem = (struct mem){ 0 };
	memcpy(c.imm, i->imm_bytes, sizeof(c.imm));
	return c;
}

/* Registers by class: a range each */
static inline bool reg_in(unsigned int r, unsigned int first, unsigned int last)
{
	return r - first <= last - first;
}

static inline bool reg_is_gpr(unsigned int r)
{
	_Static_assert(ZYDIS_REGISTER_R15 - ZYDIS_REGISTER_AL == 20 + 3 * 16 - 1,
		       "general registers are next to each other");
	return reg_in(r, ZYDIS_REGISTER_AL, ZYDIS_REGISTER_R15);
}

static inline bool reg_is_byte(unsigned int r)
{
	return reg_in(r, ZYDIS_REGISTER_AL, ZYDIS_REGISTER_R15B);
}

static inline bool lower_high_byte(unsigned int r)
{
	return reg_in(r, ZYDIS_REGISTER_AH, ZYDIS_REGISTER_BH);
}

/* Guest register: number 0..15; of any width (high bytes: see lower_high_byte()) */
static inline u8 lower_gpr(unsigned int r)
{
	if (r >= ZYDIS_REGISTER_AX)
		return (r - ZYDIS_REGISTER_AX) & 15;
	return (u8)(r - (r <= ZYDIS_REGISTER_BL ? ZYDIS_REGISTER_AL : ZYDIS_REGISTER_AH));
}

static inline bool reg_is_word(unsigned int r)
{
	return reg_in(r, ZYDIS_REGISTER_AX, ZYDIS_REGISTER_R15W);
}

static inline bool reg_is_segment(unsigned int r)
{
	return reg_in(r, ZYDIS_REGISTER_ES, ZYDIS_REGISTER_GS);
}

static inline bool reg_is_x87_or_mmx(unsigned int r)
{
	_Static_assert(ZYDIS_REGISTER_MM0 == ZYDIS_REGISTER_ST7 + 4, "only x87's control registers lie between");
	return reg_in(r, ZYDIS_REGISTER_ST0, ZYDIS_REGISTER_ST7) || reg_in(r, ZYDIS_REGISTER_MM0, ZYDIS_REGISTER_MM7);
}

static inline bool reg_is_xmm_or_ymm(unsigned int r)
{
	return reg_in(r, ZYDIS_REGISTER_XMM0, ZYDIS_REGISTER_YMM31);
}

/* Its number, if it is an x87, MMX or vector register */
static inline u8 reg_number(unsigned int r)
{
	_Static_assert(ZYDIS_REGISTER_YMM0 == ZYDIS_REGISTER_XMM0 + 32, "two classes of 32");
	if (reg_is_xmm_or_ymm(r))
		return (r - ZYDIS_REGISTER_XMM0) & 31;
	return (u8)(r - (r <= ZYDIS_REGISTER_ST7 ? ZYDIS_REGISTER_ST0 : ZYDIS_REGISTER_MM0));
}

static inline bool operand_is_reg(const struct operand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_REGISTER;
}

static inline bool operand_is_gpr(const struct operand *o)
{
	return operand_is_reg(o) && reg_is_gpr(o->reg);
}

static inline bool operand_writes(const struct operand *o)
{
	return o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}

/* NULL: no memory. `model` outlives it. */
struct decode *decode_create(const struct cpu_model *model);
void decode_destroy(struct decode *d);

/* The code that follows is of this vCPU's mode (cpu/mode.h). */
void decode_begin(struct decode *d, u32 mode);

enum decode_result {
	DECODE_OK,
	DECODE_UNDEFINED, /* it is UD2 */
	DECODE_TOO_LONG, /* more than BYTES_MAX */
	DECODE_MORE, /* n bytes aren't all of it: nothing in *i */
};

/*
 * The instruction at `bytes`, of which n may be read, into *i but for what is the translator's: DECODE_MORE only if n < BYTES_MAX. At the most
 * DECODE_MAX between two decode_begin(). decode_known() is without a library's code (cpu/vcpu.h); where it is false nothing is known yet, and
 * decode_insn() asks the library.
 */
#define DECODE_MAX 64
bool decode_known(struct decode *d, struct insn *i, const u8 *bytes, unsigned int n);
enum decode_result decode_insn(struct decode *d, struct insn *i, const u8 *bytes, unsigned int n);

/* In Intel's syntax, as it would be at linear address `at`; "?" if it is no instruction. */
void decode_text(const struct decode *d, const u8 bytes[BYTES_MAX], u64 at, char *text, size_t size);

#endif
