/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which flags an instruction leaves undefined: SDM vol. 2, "Flags Affected" and "FPU Flags Affected" of each
 * instruction. Zydis' tables carry that section for most instructions; where the manual says otherwise, or has a condition
 * that a table can't express, it stands here.
 *
 * Nothing gets into these tables because two CPUs were seen to differ.
 */
#include "fuzz_insn.h"

#define C ((u32)ZYDIS_CPUFLAG_CF)
#define P ((u32)ZYDIS_CPUFLAG_PF)
#define A ((u32)ZYDIS_CPUFLAG_AF)
#define Z ((u32)ZYDIS_CPUFLAG_ZF)
#define S ((u32)ZYDIS_CPUFLAG_SF)
#define O ((u32)ZYDIS_CPUFLAG_OF)
#define C0123 ((u32)(ZYDIS_FPUFLAG_C0 | ZYDIS_FPUFLAG_C1 | ZYDIS_FPUFLAG_C2 | ZYDIS_FPUFLAG_C3) << FUZZ_FPU_SHIFT)

/* Rows replace what Zydis says. */
/* clang-format off */
#define CORRECTIONS(X) /* mnemonic, tested, defined, undefined, what the manual says */ \
	X(SBB,    C, C|P|A|Z|S|O, 0,  "the OF, SF, ZF, AF, PF, and CF flags are set according to the result") \
	X(BEXTR,  0, C|Z|O, A|S|P,    "ZF is updated based on the result; CF and OF are cleared; AF, SF, PF are undefined") \
	X(VPTEST, 0, C|P|A|Z|S|O, 0,  "the OF, AF, PF, SF flags are cleared") \
	X(VTESTPS, 0, C|P|A|Z|S|O, 0, "the OF, AF, PF, SF flags are cleared") \
	X(VTESTPD, 0, C|P|A|Z|S|O, 0, "the OF, AF, PF, SF flags are cleared") \
	X(FNSTSW, C0123, 0, C0123,    "stores them; afterwards they are undefined") \
	X(FNOP,   0, 0, C0123,        "C0, C1, C2, C3 undefined")
/* clang-format on */

struct correction {
	u16 mnemonic;
	struct fuzz_flags flags;
};

static const struct correction corrections[] = {
#define X(name, t, d, u, why) { ZYDIS_MNEMONIC_##name, { t, d, u } },
	CORRECTIONS(X)
#undef X
};

/*
 * Shifts and rotates: SDM vol. 2, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD".
 *   masked count 0   no flag changes
 *   count 1          OF is defined
 *   count above 1    OF is undefined
 *   a shift by more than 0 leaves AF undefined; SHL and SHR by the operand's size or more leave CF undefined
 *   rotates change CF and OF only
 * A count in CL is not known here: undefined is what might be, defined what is so with every count.
 */
static bool shift_flags(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands, struct fuzz_flags *f)
{
	bool rotate = false, cf_may_be_lost = false;
	unsigned int count_operand = 1, count;
	u32 changed;

	switch (insn->mnemonic) {
	case ZYDIS_MNEMONIC_ROL:
	case ZYDIS_MNEMONIC_ROR:
	case ZYDIS_MNEMONIC_RCL:
	case ZYDIS_MNEMONIC_RCR:
		rotate = true;
		break;
	case ZYDIS_MNEMONIC_SHL:
	case ZYDIS_MNEMONIC_SHR:
		cf_may_be_lost = true;
		break;
	case ZYDIS_MNEMONIC_SAR:
		break;
	case ZYDIS_MNEMONIC_SHLD:
	case ZYDIS_MNEMONIC_SHRD:
		count_operand = 2;
		break;
	default:
		return false;
	}
	changed = rotate ? C | O : C | P | Z | S | O | A;
	if (operands[count_operand].type != ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		f->defined = 0;
		f->undefined = O | (rotate ? 0 : A) | (cf_may_be_lost && insn->operand_width < 32 ? C : 0);
		return true;
	}
	count = operands[count_operand].imm.value.u & (insn->operand_width == 64 ? 63 : 31);
	f->undefined = 0;
	if (count > 1)
		f->undefined |= O;
	if (count && !rotate)
		f->undefined |= A;
	if (cf_may_be_lost && count >= insn->operand_width)
		f->undefined |= C;
	f->defined = count ? changed & ~f->undefined : 0;
	/* RCL and RCR of small operands take the count modulo 9 or 17: the carry may stay */
	if (rotate && insn->operand_width < 32)
		f->defined &= ~C;
	return true;
}

void fuzz_flags_of(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands, struct fuzz_flags *flags)
{
	const ZydisAccessedFlags *cpu = insn->cpu_flags, *fpu = insn->fpu_flags;
	unsigned int i;

	*flags = (struct fuzz_flags){ 0 };
	for (i = 0; i < sizeof(corrections) / sizeof(corrections[0]); i++) {
		if (corrections[i].mnemonic == insn->mnemonic) {
			*flags = corrections[i].flags;
			return;
		}
	}
	if (cpu) {
		flags->tested = cpu->tested;
		flags->undefined = cpu->undefined;
		flags->defined = (cpu->modified | cpu->set_0 | cpu->set_1) & ~cpu->undefined;
	}
	if (fpu) {
		flags->tested |= (u32)fpu->tested << FUZZ_FPU_SHIFT;
		flags->undefined |= (u32)fpu->undefined << FUZZ_FPU_SHIFT;
		flags->defined |= (u32)((fpu->modified | fpu->set_0 | fpu->set_1) & ~fpu->undefined) << FUZZ_FPU_SHIFT;
	}
	if (shift_flags(insn, operands, flags))
		return;
	/* a repeated CMPS or SCAS with a count of 0 changes nothing */
	if (insn->meta.category == ZYDIS_CATEGORY_STRINGOP &&
	    insn->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
		flags->defined = 0;
}
