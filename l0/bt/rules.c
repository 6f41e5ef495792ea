/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which instruction is lowered how. Whatever isn't named in RULES and belongs to an instruction set that the CPU model
 * offers is plain: the host executes it. Whatever belongs to no such set is #UD.
 */
#include "lower.h"

#include "../cpu/model.h"
#include "../machine/machine.h"

/* instruction set (Zydis' name), what gates it in the mode, CPU feature that must be offered */
enum gate { GATE_NONE, GATE_X87, GATE_MMX, GATE_SSE, GATE_AVX };

#define ALWAYS FEATURE_FPU /* every model has it */

/* clang-format off */
#define ISA_SETS(X) \
	X(I86,           NONE, ALWAYS)    X(I186,          NONE, ALWAYS)    X(I286REAL,      NONE, ALWAYS) \
	X(I286PROTECTED, NONE, ALWAYS)    X(I386,          NONE, ALWAYS)    X(I486,          NONE, ALWAYS) \
	X(I486REAL,      NONE, ALWAYS)    X(PENTIUMREAL,   NONE, ALWAYS)    X(PPRO,          NONE, ALWAYS) \
	X(FAT_NOP,       NONE, ALWAYS)    X(PAUSE,         NONE, ALWAYS)    X(RDPMC,         NONE, ALWAYS) \
	X(PREFETCH_NOP,  NONE, ALWAYS)    X(SSE_PREFETCH,  NONE, ALWAYS)    X(PREFETCHWT1,   NONE, ALWAYS) \
	X(CMOV,          NONE, CMOV)      X(LONGMODE,      NONE, LM)        X(LAHF,          NONE, LAHF_LM) \
	X(X87,           X87,  FPU)       X(FCMOV,         X87,  CMOV)      X(SSE3X87,       X87,  PNI) \
	X(PENTIUMMMX,    MMX,  MMX)       X(SSE2MMX,       MMX,  SSE2)      X(SSSE3MMX,      MMX,  SSSE3) \
	X(SSE,           SSE,  SSE)       X(SSEMXCSR,      SSE,  SSE)       X(SSE2,          SSE,  SSE2) \
	X(SSE3,          SSE,  PNI)       X(SSSE3,         SSE,  SSSE3)     X(SSE4,          SSE,  SSE4_1) \
	X(SSE42,         SSE,  SSE4_2)    X(AES,           SSE,  AES)       X(PCLMULQDQ,     SSE,  PCLMULQDQ) \
	X(SHA,           SSE,  SHA_NI)    X(GFNI,          SSE,  GFNI) \
	X(FXSAVE,        NONE, FXSR)      X(FXSAVE64,      NONE, FXSR) \
	X(AVX,           AVX,  AVX)       X(AVX2,          AVX,  AVX2)      X(AVX2GATHER,    AVX,  AVX2) \
	X(AVXAES,        AVX,  AES)       X(AVX_GFNI,      AVX,  GFNI)      X(AVX_VNNI,      AVX,  AVX_VNNI) \
	X(F16C,          AVX,  F16C)      X(FMA,           AVX,  FMA)       X(VAES,          AVX,  VAES) \
	X(VPCLMULQDQ,    AVX,  VPCLMULQDQ) \
	X(BMI1,          NONE, BMI1)      X(BMI2,          NONE, BMI2)      X(LZCNT,         NONE, ABM) \
	X(POPCNT,        NONE, POPCNT)    X(MOVBE,         NONE, MOVBE)     X(ADOX_ADCX,     NONE, ADX) \
	X(CMPXCHG16B,    NONE, CX16)      X(CLFSH,         NONE, CLFLUSH)   X(CLFLUSHOPT,    NONE, CLFLUSHOPT) \
	X(CLWB,          NONE, CLWB)      X(RDRAND,        NONE, RDRAND)    X(RDSEED,        NONE, RDSEED) \
	X(RDTSCP,        NONE, RDTSCP)    X(RDPID,         NONE, RDPID)     X(RDWRFSGS,      NONE, FSGSBASE) \
	X(INVPCID,       NONE, INVPCID)   X(SMAP,          NONE, SMAP)      X(PKU,           NONE, PKU) \
	X(XSAVE,         NONE, XSAVE)     X(XSAVEOPT,      NONE, XSAVEOPT)  X(XSAVEC,        NONE, XSAVEC) \
	X(XSAVES,        NONE, XSAVES)    X(MONITOR,       NONE, MONITOR)   X(VTX,           NONE, VMX) \
	X(VMFUNC,        NONE, VMX)
/* clang-format on */

#define FEATURE_ALWAYS FEATURE_FPU

static const struct {
	bool known;
	u8 gate;
	u16 feature;
} isa_sets[ZYDIS_ISA_SET_MAX_VALUE + 1] = {
#define X(isa, gate, feature) [ZYDIS_ISA_SET_##isa] = { true, GATE_##gate, FEATURE_##feature },
	ISA_SETS(X)
#undef X
};

#define N(m) ZYDIS_MNEMONIC_##m

/* mnemonic, lowering, flags: done by the host or built from host instructions */
/* clang-format off */
#define INLINE_RULES(X) \
	X(JMP, jmp, RULE_END | RULE_OPERAND) X(CALL, call, RULE_END | RULE_STACK) X(RET, ret, RULE_END | RULE_STACK) \
	X(JB, jcc, RULE_END)        X(JBE, jcc, RULE_END)       X(JL, jcc, RULE_END)        X(JLE, jcc, RULE_END) \
	X(JNB, jcc, RULE_END)       X(JNBE, jcc, RULE_END)      X(JNL, jcc, RULE_END)       X(JNLE, jcc, RULE_END) \
	X(JNO, jcc, RULE_END)       X(JNP, jcc, RULE_END)       X(JNS, jcc, RULE_END)       X(JNZ, jcc, RULE_END) \
	X(JO, jcc, RULE_END)        X(JP, jcc, RULE_END)        X(JS, jcc, RULE_END)        X(JZ, jcc, RULE_END) \
	X(JCXZ, jcxz, RULE_END)     X(JECXZ, jcxz, RULE_END)    X(JRCXZ, jcxz, RULE_END) \
	X(LOOP, loop, RULE_END)     X(LOOPE, loop, RULE_END)    X(LOOPNE, loop, RULE_END) \
	X(PUSH, push, RULE_STACK)   X(POP, pop, RULE_STACK)     X(LEAVE, leave, RULE_STACK) \
	X(MOV, mov, RULE_OPERAND)   X(LEA, lea, 0)              X(BSWAP, bswap, 0)          X(XCHG, xchg, RULE_OPERAND) \
	X(INC, inc_dec, RULE_OPERAND) X(DEC, inc_dec, RULE_OPERAND) X(XLAT, xlat, 0) \
	X(BT, bit, RULE_OPERAND) X(BTS, bit, RULE_OPERAND) X(BTR, bit, RULE_OPERAND) X(BTC, bit, RULE_OPERAND) \
	X(SHL, shift, RULE_OPERAND) X(SHR, shift, RULE_OPERAND) X(SAR, shift, RULE_OPERAND) X(ROL, shift, RULE_OPERAND) \
	X(ROR, shift, RULE_OPERAND) X(RCL, shift, RULE_OPERAND) X(RCR, shift, RULE_OPERAND) X(SHLD, shift, RULE_OPERAND) \
	X(SHRD, shift, RULE_OPERAND) X(CMPXCHG8B, cmpxchg16, RULE_OPERAND) X(CMPXCHG16B, cmpxchg16, RULE_OPERAND) \
	X(NOP, nop, 0)              X(PREFETCH, nop, 0)         X(PREFETCHNTA, nop, 0)      X(PREFETCHT0, nop, 0) \
	X(PREFETCHT1, nop, 0)       X(PREFETCHT2, nop, 0)       X(PREFETCHW, nop, 0)        X(PREFETCHWT1, nop, 0) \
	X(CLFLUSH, flush, 0)        X(CLFLUSHOPT, flush, 0)     X(CLWB, flush, 0) \
	X(CLI, cli, 0)              X(STI, sti, RULE_NEXT_ENDS) X(CLD, cld, 0)              X(STD, std, 0) \
	X(MASKMOVQ, maskmov_di, 0)  X(MASKMOVDQU, maskmov_di, 0) X(VMASKMOVDQU, maskmov_di, 0) \
	X(PCMPISTRI, string_index, 0) X(PCMPESTRI, string_index, 0) X(VPCMPISTRI, string_index, 0) X(VPCMPESTRI, string_index, 0) \
	X(VMASKMOVPS, vmaskmov, 0)  X(VMASKMOVPD, vmaskmov, 0)  X(VPMASKMOVD, vmaskmov, 0)  X(VPMASKMOVQ, vmaskmov, 0) \
	X(VGATHERDPS, gather, 0)    X(VGATHERDPD, gather, 0)    X(VGATHERQPS, gather, 0)    X(VGATHERQPD, gather, 0) \
	X(VPGATHERDD, gather, 0)    X(VPGATHERDQ, gather, 0)    X(VPGATHERQD, gather, 0)    X(VPGATHERQQ, gather, 0) \
	X(UD0, ud, RULE_END)        X(UD1, ud, RULE_END)        X(UD2, ud, RULE_END) \
	X(RSM, ud, RULE_END)        /* there is no SMM */

/* mnemonic, function of cpu/insn.h, flags: done in C. Whoever writes memory or changes the mode ends the block. */
#define CALLOUT_RULES(X) \
	X(LDS, load_far, RULE_END)   X(LES, load_far, RULE_END)   X(LSS, load_far, RULE_END)   X(LFS, load_far, RULE_END) \
	X(LGS, load_far, RULE_END) \
	X(LGDT, lgdt, RULE_END)      X(LIDT, lidt, RULE_END)      X(SGDT, sgdt, RULE_END)      X(SIDT, sidt, RULE_END) \
	X(LLDT, lldt, RULE_END)      X(LTR, ltr, RULE_END)        X(SLDT, sldt, RULE_END)      X(STR, str, RULE_END) \
	X(LAR, lar, 0)               X(LSL, lsl, 0)               X(VERR, verr, 0)             X(VERW, verw, 0) \
	X(ARPL, arpl, RULE_END)      X(SWAPGS, swapgs, RULE_END) \
	X(RDFSBASE, rdfsbase, RULE_WIDE) X(RDGSBASE, rdgsbase, RULE_WIDE) X(WRFSBASE, wrfsbase, RULE_WIDE) X(WRGSBASE, wrgsbase, RULE_WIDE) \
	X(IRET, iret, RULE_END)      X(IRETD, iret, RULE_END)     X(IRETQ, iret, RULE_END) \
	X(INT, int_n, RULE_END)      X(INT3, int3, RULE_END)      X(INTO, into, RULE_END)      X(INT1, int1, RULE_END) \
	X(SYSCALL, syscall, RULE_END | RULE_WIDE) X(SYSRET, sysret, RULE_END | RULE_WIDE) \
	X(SYSENTER, sysenter, RULE_END | RULE_WIDE) X(SYSEXIT, sysexit, RULE_END | RULE_WIDE) \
	X(BOUND, bound, 0) \
	X(PUSHF, pushf, RULE_END)    X(PUSHFD, pushf, RULE_END)   X(PUSHFQ, pushf, RULE_END) \
	X(POPF, popf, RULE_END)      X(POPFD, popf, RULE_END)     X(POPFQ, popf, RULE_END) \
	X(PUSHA, pusha, RULE_END)    X(PUSHAD, pusha, RULE_END)   X(POPA, popa, 0)             X(POPAD, popa, 0) \
	X(ENTER, enter, RULE_END) \
	X(AAA, aaa, 0)  X(AAS, aas, 0)  X(DAA, daa, 0)  X(DAS, das, 0)  X(AAM, aam, 0)  X(AAD, aad, 0)  X(SALC, salc, 0) \
	X(MOVSB, movs, RULE_END)     X(MOVSW, movs, RULE_END)     X(MOVSQ, movs, RULE_END) \
	X(CMPSB, cmps, RULE_END)     X(CMPSW, cmps, RULE_END)     X(CMPSQ, cmps, RULE_END) \
	X(STOSB, stos, RULE_END)     X(STOSW, stos, RULE_END)     X(STOSD, stos, RULE_END)     X(STOSQ, stos, RULE_END) \
	X(LODSB, lods, RULE_END)     X(LODSW, lods, RULE_END)     X(LODSD, lods, RULE_END)     X(LODSQ, lods, RULE_END) \
	X(SCASB, scas, RULE_END)     X(SCASW, scas, RULE_END)     X(SCASD, scas, RULE_END)     X(SCASQ, scas, RULE_END) \
	X(INSB, ins, RULE_END)       X(INSW, ins, RULE_END)       X(INSD, ins, RULE_END) \
	X(OUTSB, outs, RULE_END)     X(OUTSW, outs, RULE_END)     X(OUTSD, outs, RULE_END) \
	X(IN, in, RULE_END)          X(OUT, out, RULE_END) \
	X(LMSW, lmsw, RULE_END)      X(SMSW, smsw, RULE_END)      X(CLTS, clts, RULE_END) \
	X(INVLPG, invlpg, RULE_END)  X(INVPCID, invpcid, RULE_END) \
	X(WBINVD, wbinvd, 0)         X(INVD, invd, 0) \
	X(HLT, hlt, RULE_END)        X(MONITOR, monitor, 0)       X(MWAIT, mwait, RULE_END)    X(PAUSE, pause, RULE_END) \
	X(XGETBV, xgetbv, 0)         X(XSETBV, xsetbv, RULE_END)  X(RDPKRU, rdpkru, 0)         X(WRPKRU, wrpkru, RULE_END) \
	X(RDMSR, rdmsr, 0)           X(WRMSR, wrmsr, RULE_END)    X(RDTSC, rdtsc, 0)           X(RDTSCP, rdtscp, 0) \
	X(RDPMC, rdpmc, 0)           X(RDPID, rdpid, 0)           X(CPUID, cpuid, 0) \
	X(STAC, stac, RULE_END)      X(CLAC, clac, RULE_END) \
	X(VMXON, vmxon, RULE_END)    X(VMXOFF, vmxoff, RULE_END)  X(VMCLEAR, vmclear, RULE_END) X(VMPTRLD, vmptrld, RULE_END) \
	X(VMPTRST, vmptrst, RULE_END) X(VMREAD, vmread, RULE_END) X(VMLAUNCH, vmlaunch, RULE_END) \
	X(VMRESUME, vmresume, RULE_END) X(VMCALL, vmcall, RULE_END) X(VMFUNC, vmfunc, RULE_END) X(INVEPT, invept, RULE_END) \
	X(INVVPID, invvpid, RULE_END) \
	X(FNSTENV, fnstenv, RULE_END) X(FNSAVE, fnsave, RULE_END) \
	X(FXSAVE, fxsave, RULE_END | RULE_WIDE)     X(FXSAVE64, fxsave, RULE_END | RULE_WIDE) \
	X(FXRSTOR, fxrstor, RULE_END | RULE_WIDE)   X(FXRSTOR64, fxrstor, RULE_END | RULE_WIDE) \
	X(XSAVE, xsave, RULE_END | RULE_WIDE)       X(XSAVE64, xsave, RULE_END | RULE_WIDE) \
	X(XSAVEC, xsavec, RULE_END | RULE_WIDE)     X(XSAVEC64, xsavec, RULE_END | RULE_WIDE) \
	X(XSAVEOPT, xsaveopt, RULE_END | RULE_WIDE) X(XSAVEOPT64, xsaveopt, RULE_END | RULE_WIDE) \
	X(XSAVES, xsaves, RULE_END | RULE_WIDE)     X(XSAVES64, xsaves, RULE_END | RULE_WIDE) \
	X(XRSTOR, xrstor, RULE_END | RULE_WIDE)     X(XRSTOR64, xrstor, RULE_END | RULE_WIDE) \
	X(XRSTORS, xrstors, RULE_END | RULE_WIDE)   X(XRSTORS64, xrstors, RULE_END | RULE_WIDE)
/* clang-format on */

static const struct lower_rule rules[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
#define X(name, how, flag) [N(name)] = { .fn = lower_##how, .flags = (flag) },
	INLINE_RULES(X)
#undef X
#define X(name, how, flag) [N(name)] = { .fn = lower_callout, .callout = insn_##how, .flags = (flag) },
		CALLOUT_RULES(X)
#undef X
};

static const struct lower_rule rule_plain = { .fn = lower_plain, .flags = RULE_OPERAND };
static const struct lower_rule rule_ud = { .fn = lower_ud, .flags = RULE_END };
static const struct lower_rule rule_nm = { .fn = lower_nm, .flags = RULE_END };
static const struct lower_rule rule_syscall = { .fn = lower_syscall,
						.callout = insn_syscall,
						.flags = RULE_END | RULE_WIDE };
static const struct lower_rule rule_sysret = { .fn = lower_sysret, .callout = insn_sysret, .flags = RULE_END | RULE_WIDE };
static const struct lower_rule rule_swapgs = { .fn = lower_swapgs };
static const struct lower_rule rule_pushf = { .fn = lower_pushf };
static const struct lower_rule rule_rdtsc = { .fn = lower_rdtsc };
static const struct lower_rule rule_rdtsc_l2 = { .fn = lower_rdtsc_l2, .callout = insn_rdtsc };
static const struct lower_rule rule_rdtscp_l2 = { .fn = lower_rdtsc_l2, .callout = insn_rdtscp };
static const struct lower_rule rule_stac_clac = { .fn = lower_stac_clac, .flags = RULE_END };
static const struct lower_rule rule_vmread = { .fn = lower_vmread, .callout = insn_vmread };
static const struct lower_rule rule_vmwrite = { .fn = lower_vmwrite, .callout = insn_vmwrite };
static const struct lower_rule rule_mov_from_sreg_to_register = { .fn = lower_mov_from_sreg };
static const struct lower_rule rule_rdrand = { .fn = lower_callout, .callout = insn_rdrand };
static const struct lower_rule rule_rdseed = { .fn = lower_callout, .callout = insn_rdseed };
static const struct lower_rule rule_mov_imm = { .fn = lower_mov_imm };
static const struct lower_rule rule_mov_moffs = { .fn = lower_mov_moffs };
static const struct lower_rule rule_mov_to_sreg = { .fn = lower_callout, .callout = insn_mov_to_sreg, .flags = RULE_END };
static const struct lower_rule rule_mov_from_sreg = { .fn = lower_callout,
						      .callout = insn_mov_from_sreg,
						      .flags = RULE_END };
static const struct lower_rule rule_push_sreg = { .fn = lower_callout, .callout = insn_push_sreg, .flags = RULE_END };
static const struct lower_rule rule_pop_sreg = { .fn = lower_callout, .callout = insn_pop_sreg, .flags = RULE_END };
static const struct lower_rule rule_mov_to_cr = { .fn = lower_callout, .callout = insn_mov_to_cr, .flags = RULE_END };
static const struct lower_rule rule_mov_from_cr = { .fn = lower_callout, .callout = insn_mov_from_cr };
static const struct lower_rule rule_mov_to_dr = { .fn = lower_callout, .callout = insn_mov_to_dr, .flags = RULE_END };
static const struct lower_rule rule_mov_from_dr = { .fn = lower_callout, .callout = insn_mov_from_dr };
static const struct lower_rule rule_jmp_far = { .fn = lower_callout, .callout = insn_jmp_far, .flags = RULE_END };
static const struct lower_rule rule_call_far = { .fn = lower_callout, .callout = insn_call_far, .flags = RULE_END };
static const struct lower_rule rule_ret_far = { .fn = lower_callout, .callout = insn_ret_far, .flags = RULE_END };
static const struct lower_rule rule_cli = { .fn = lower_callout, .callout = insn_cli, .flags = RULE_END };
static const struct lower_rule rule_sti = { .fn = lower_callout, .callout = insn_sti, .flags = RULE_END };
static const struct lower_rule rule_movsd = { .fn = lower_callout, .callout = insn_movs, .flags = RULE_END };
static const struct lower_rule rule_cmpsd = { .fn = lower_callout, .callout = insn_cmps, .flags = RULE_END };

static const struct lower_rule rule_rep_movs = { .fn = lower_rep_movs, .callout = insn_movs };
static const struct lower_rule rule_rep_stos = { .fn = lower_rep_stos, .callout = insn_stos };

static bool is_sreg(const struct operand *o)
{
	return operand_is_reg(o) && reg_is_segment(o->reg);
}

static const struct lower_rule *rule_mov(const struct insn *i)
{
	u8 op = i->z->opcode;

	if (i->z->opcode_map == ZYDIS_OPCODE_MAP_0F) {
		switch (op) {
		case 0x20:
			return &rule_mov_from_cr;
		case 0x21:
			return &rule_mov_from_dr;
		case 0x22:
			return &rule_mov_to_cr;
		case 0x23:
			return &rule_mov_to_dr;
		}
		return &rule_ud;
	}
	if (op == 0x8e)
		return &rule_mov_to_sreg;
	if (op == 0x8c)
		return i->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER && i->op[1].reg <= ZYDIS_REGISTER_GS
			       ? &rule_mov_from_sreg_to_register
			       : &rule_mov_from_sreg;
	if (op >= 0xa0 && op <= 0xa3)
		return &rule_mov_moffs;
	if (op >= 0xb0 && op <= 0xbf)
		return &rule_mov_imm;
	return &rules[N(MOV)];
}

/* Whom a rule is for, and whether finding it took more than the CPU model */
struct who {
	const struct vcpu *v;
	bool asked;
};

static u32 mode(struct who *w)
{
	w->asked = true;
	return w->v->mode;
}

static bool at_cpl0(struct who *w)
{
	w->asked = true;
	return w->v->cpl == 0;
}

static bool of_host_clock(struct who *w)
{
	w->asked = true;
	return w->v->machine->clock.kind == CLOCK_HOST;
}

/* lower_string.c has it: no segments with a base, no other address size, none of what looks at each iteration */
static bool is_plain_rep(struct who *w, const struct decoded *z)
{
	return (mode(w) & MODE_CS_MASK) == MODE_CS64 && !(mode(w) & (MODE_ALIGN | MODE_TF | MODE_BREAK | MODE_MTF)) &&
	       z->address_width == 64 && (z->attributes & ZYDIS_ATTRIB_HAS_REP) &&
	       !(z->attributes & (ZYDIS_ATTRIB_HAS_SEGMENT_FS | ZYDIS_ATTRIB_HAS_SEGMENT_GS));
}

static const struct lower_rule *rule_by_mnemonic(struct who *w, const struct insn *i)
{
	const struct decoded *z = i->z;
	bool far = z->branch_type == ZYDIS_BRANCH_TYPE_FAR;

	switch (z->mnemonic) {
	case N(MOV):
		return rule_mov(i);
	case N(PUSH):
		return is_sreg(&i->op[0]) ? &rule_push_sreg : &rules[N(PUSH)];
	case N(POP):
		return is_sreg(&i->op[0]) ? &rule_pop_sreg : &rules[N(POP)];
	case N(JMP):
		return far ? &rule_jmp_far : &rules[N(JMP)];
	case N(CALL):
		return far ? &rule_call_far : &rules[N(CALL)];
	case N(RET):
		return far ? &rule_ret_far : &rules[N(RET)];
	case N(RDRAND):
		return mode(w) & MODE_L2 ? &rule_rdrand : &rule_plain;
	case N(RDSEED):
		return mode(w) & MODE_L2 ? &rule_rdseed : &rule_plain;
	case N(CLI):
		return mode(w) & MODE_SLOW_IF ? &rule_cli : &rules[N(CLI)];
	case N(STI):
		return mode(w) & (MODE_SLOW_IF | MODE_TF | MODE_BREAK | MODE_MTF) ? &rule_sti : &rules[N(STI)];
	case N(SWAPGS):
		return (mode(w) & MODE_CS_MASK) == MODE_CS64 && at_cpl0(w) ? &rule_swapgs : &rules[N(SWAPGS)];
	case N(PUSHF):
	case N(PUSHFD):
	case N(PUSHFQ):
		return mode(w) & MODE_VM86 ? &rules[z->mnemonic] : &rule_pushf;
	case N(RDTSC):
	case N(RDTSCP):
		if (!of_host_clock(w) || (mode(w) & MODE_TSD))
			return &rules[z->mnemonic];
		if (!(mode(w) & MODE_L2))
			return &rule_rdtsc;
		return z->mnemonic == N(RDTSC) ? &rule_rdtsc_l2 : &rule_rdtscp_l2;
	case N(STAC):
	case N(CLAC):
		return (mode(w) & MODE_SMAP) && at_cpl0(w) && !(mode(w) & (MODE_TF | MODE_BREAK | MODE_MTF))
			       ? &rule_stac_clac
			       : &rules[z->mnemonic];
	case N(VMREAD):
		w->asked = true; /* lower_vmx.c does */
		return i->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER ? &rule_vmread : &rules[N(VMREAD)];
	case N(VMWRITE):
		w->asked = true;
		return &rule_vmwrite;
	case N(MOVSB):
	case N(MOVSW):
	case N(MOVSQ):
		return is_plain_rep(w, z) ? &rule_rep_movs : &rules[z->mnemonic];
	case N(MOVSD): /* the string instruction, or SSE2's */
		if (z->category != ZYDIS_CATEGORY_STRINGOP)
			return &rule_plain;
		return is_plain_rep(w, z) ? &rule_rep_movs : &rule_movsd;
	case N(STOSB):
	case N(STOSW):
	case N(STOSD):
	case N(STOSQ):
		return is_plain_rep(w, z) ? &rule_rep_stos : &rules[z->mnemonic];
	case N(CMPSD):
		return z->category == ZYDIS_CATEGORY_STRINGOP ? &rule_cmpsd : &rule_plain;
	default:
		return rules[z->mnemonic].fn ? &rules[z->mnemonic] : &rule_plain;
	}
}

/* Came with SSE and don't touch its state: CR0 and CR4 say nothing of them. SDM vol. 1, "Exceptions ... OSFXSR" */
static bool touches_no_vector(const struct decoded *z)
{
	switch (z->mnemonic) {
	case N(SFENCE):
	case N(LFENCE):
	case N(MFENCE):
	case N(MOVNTI):
	case N(CRC32):
		return true;
	default:
		return false;
	}
}

static const struct lower_rule *find_rule(struct who *w, const struct insn *i)
{
	const struct decoded *z = i->z;
	unsigned int isa = z->isa_set;

	if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY && z->encoding != ZYDIS_INSTRUCTION_ENCODING_VEX)
		return &rule_ud;
	if (z->mnemonic == N(SYSCALL))
		return jc_class_of(mode(w)) == JC_USER64 ? &rule_syscall : &rules[z->mnemonic];
	if (z->mnemonic == N(SYSRET))
		return z->rex_w && at_cpl0(w) && jc_class_of(mode(w)) != JC_OTHER ? &rule_sysret : &rules[z->mnemonic];
	if (!isa_sets[isa].known || !model_has(w->v->model, isa_sets[isa].feature))
		return &rule_ud;
	switch (touches_no_vector(z) ? GATE_NONE : isa_sets[isa].gate) {
	case GATE_X87:
		if (z->mnemonic == N(FWAIT)) {
			if (mode(w) & MODE_WAIT_TRAP)
				return &rule_nm;
		} else if (mode(w) & MODE_FPU_TRAP) {
			return &rule_nm;
		}
		break;
	case GATE_MMX:
		if (mode(w) & MODE_EM)
			return &rule_ud;
		if (mode(w) & MODE_TS)
			return &rule_nm;
		break;
	case GATE_SSE:
		if (mode(w) & MODE_NO_SSE)
			return &rule_ud;
		if (mode(w) & MODE_TS)
			return &rule_nm;
		break;
	case GATE_AVX:
		if (mode(w) & MODE_NO_AVX)
			return &rule_ud;
		if (mode(w) & MODE_TS)
			return &rule_nm;
		break;
	default:
		break;
	}
	return rule_by_mnemonic(w, i);
}

const struct lower_rule *lower_rule_for(const struct vcpu *v, const struct insn *i)
{
	struct who w = { .v = v };
	const struct lower_rule *r;

	if (i->z->rule)
		return i->z->rule;
	r = find_rule(&w, i);
	if (!w.asked)
		i->z->rule = r;
	return r;
}

bool lower_by_level(const struct insn *i)
{
	if (i->z->rule)
		return false; /* whatever the mode */
	switch (i->z->mnemonic) {
	case N(RDRAND):
	case N(RDSEED):
	case N(RDTSC):
	case N(RDTSCP):
	case N(STAC): /* its code has the mode in it */
	case N(CLAC):
	case N(VMREAD):
	case N(VMWRITE):
		return true;
	default:
		return false;
	}
}

/* Two more rules are needed wherever the block ends behind STI: translate.c. */
const struct lower_rule *lower_rule_sti_alone(void)
{
	return &rule_sti;
}

const struct lower_rule *lower_rule_too_long(void)
{
	static const struct lower_rule rule = { .fn = lower_gp, .flags = RULE_END };

	return &rule;
}
