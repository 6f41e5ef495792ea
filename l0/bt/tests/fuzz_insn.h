/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One random instruction: bytes with an instruction's structure (prefixes, opcode maps, ModRM, SIB, displacement,
 * immediate), accepted if Zydis decodes them to something that is on offer and stays in the sandbox.
 */
#ifndef L0_BT_TESTS_FUZZ_INSN_H
#define L0_BT_TESTS_FUZZ_INSN_H

#include <Zydis/Zydis.h>
#include "fuzz_random.h"
#include "fuzz_target.h"

/* Flags as masks: RFLAGS' bits; x87's condition codes C0..C3 at FUZZ_FPU_SHIFT. */
#define FUZZ_FPU_SHIFT 24

/* What an instruction does to the flags: undefined flags after it are (before & ~defined) | undefined. */
struct fuzz_flags {
	u32 tested; /* its result depends on them */
	u32 defined; /* it always gives them a value that the manual specifies */
	u32 undefined; /* it may leave anything in them */
};

enum fuzz_kind {
	FUZZ_PLAIN, /* at pointer_at, unless it's 0: a RIP-relative displacement that refers to `data` */
	FUZZ_BRANCH, /* the last relative_size bytes are relative to the next instruction and lead to item `target` */
	FUZZ_ITEM, /* at pointer_at: 4 bytes, the offset of item `target` in CS */
	FUZZ_POOL, /* at pointer_at: where entry `target` of the pool stands: RIP-relative in 64-bit code, else its offset */
};

struct fuzz_insn {
	u8 bytes[16];
	u8 size; /* bytes */
	u8 kind; /* enum fuzz_kind */
	u8 relative_size;
	u8 pointer_at;
	s8 target; /* index of an item or of the pool; the number of items: the end */
	bool illegal; /* must raise #UD (or #GP for its length) */
	bool gather; /* a fault leaves part of it done: SDM vol. 2, "VGATHERDPS" */
	bool wide; /* has a memory operand of 16 bytes or more */
	bool saves; /* stores something that isn't compared */
	bool clears; /* removes it: both or none */
	bool stops; /* the next item isn't reached from here */
	bool anywhere; /* may go to every item */
	u64 data;
	u16 mnemonic; /* ZydisMnemonic */
	u16 writes; /* GPRs, by their number */
	struct fuzz_flags flags;
};

/* What is known while a sequence is made up. */
struct fuzz_context {
	struct rng rng;
	ZydisDecoder decoder;
	unsigned int mode_number; /* FUZZ_MODE_* */
	const struct fuzz_mode *mode;
	bool isa[ZYDIS_ISA_SET_MAX_VALUE + 1];
	u64 gpr[16]; /* where `known` has their bit: value at this point */
	u16 known;
	u16 near; /* still points close to where it pointed at the beginning */
	u16 keep; /* must not be written: loop counters */
	u64 fs_base, gs_base;
};

/* Both sides' CPUID decide what is on offer. */
void fuzz_context_init(struct fuzz_context *c, struct fuzz_target *a, struct fuzz_target *b);
/* FUZZ_MODE_* */
void fuzz_context_mode(struct fuzz_context *c, unsigned int mode);
/* General registers that the mode can name, as a set. */
static inline u16 fuzz_gprs(const struct fuzz_context *c)
{
	return c->mode->bits == 64 ? 0xffff : 0xff;
}

/* A decoder for the code of a mode. */
void fuzz_decoder(ZydisDecoder *d, const struct fuzz_mode *mode);

/* Makes up an instruction and notes in the context what it overwrites. */
void fuzz_insn_random(struct fuzz_context *c, struct fuzz_insn *insn);

/* Fill in what Zydis knows of insn->bytes: mnemonic, flags, writes. False: doesn't decode. */
bool fuzz_insn_describe(struct fuzz_context *c, struct fuzz_insn *insn);

/* Offset of an operand in a segment that holds `what`: mostly accessible, often close to the end of a page. */
enum fuzz_what { FUZZ_DATA, FUZZ_STACK, FUZZ_CODE_DATA };
u64 fuzz_address(struct fuzz_context *c, enum fuzz_what what);

/* fuzz_flags.c: SDM vol. 2, "Flags Affected" of each instruction. See there for what is taken from Zydis. */
void fuzz_flags_of(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands, struct fuzz_flags *flags);

#endif
