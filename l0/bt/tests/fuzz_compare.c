/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_compare.h"
#include <inttypes.h>
#include <string.h>

#define USER_END 0x7ffffffff000ull /* of Linux with 4-level paging */

/* where the two are looked at: `visit` is told about every difference and says whether to go on */
struct comparison {
	const struct fuzz_program *p;
	const struct fuzz_case *c;
	const struct fuzz_result *reference, *subject;
	int item; /* at which the reference stopped: fuzz_item_at() */
	bool (*visit)(void *arg, const char *name, const u8 *expected, const u8 *found, const u8 *mask, unsigned int n);
	void *arg;
	bool stop;
};

#define VEC_DB 1
#define VEC_BP 3
#define VEC_OF 4
#define VEC_UD 6
#define VEC_SS 12
#define VEC_GP 13
#define VEC_PF 14
#define VEC_AC 17
#define VEC_XM 19

#define ARITHMETIC 0x8d5 /* CF, PF, AF, ZF, SF, OF */
#define RFLAGS_NT BIT(14)

static const char *const gpr_names[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					 "r8",	"r9",  "r10", "r11", "r12", "r13", "r14", "r15" };

static bool canonical(u64 address)
{
	return (u64)((s64)(address << 16) >> 16) == address;
}

static u32 mxcsr_of(const struct fuzz_state *s)
{
	u32 x;

	memcpy(&x, s->xsave + 24, 4);
	return x;
}

static bool is_limit_fault(const struct fuzz_result *r)
{
	return r->vector == VEC_SS || r->vector == VEC_GP;
}

static bool is_access_fault(const struct fuzz_result *r)
{
	return is_limit_fault(r) || r->vector == VEC_PF || r->vector == VEC_AC;
}

/* operands have up to 512 bytes */
static bool is_fault_at_top(const struct fuzz_result *r)
{
	return r->vector == VEC_PF && r->cr2 >= 0x100000000 - 512 && r->cr2 < 0x100000000;
}

static bool in_code(const struct fuzz_case *c, u64 rip)
{
	u64 linear = fuzz_mode(c)->code_base + rip;

	return linear >= FUZZ_CODE && linear < FUZZ_CODE_END;
}

/* ZYDIS_MNEMONIC_INVALID: none of ours */
static ZydisMnemonic mnemonic_of(const struct comparison *x, int item)
{
	return item >= 0 && item < x->p->count ? x->p->items[item].mnemonic : ZYDIS_MNEMONIC_INVALID;
}

/* Of the one that r stopped at */
static ZydisMnemonic mnemonic_at(const struct comparison *x, const struct fuzz_result *r)
{
	return mnemonic_of(x, fuzz_item_at(x->p, x->c, r->out.rip));
}

static bool is_masked_move(const struct comparison *x)
{
	switch (mnemonic_of(x, x->item)) {
	case ZYDIS_MNEMONIC_MASKMOVQ:
	case ZYDIS_MNEMONIC_MASKMOVDQU:
	case ZYDIS_MNEMONIC_VMASKMOVDQU:
	case ZYDIS_MNEMONIC_VMASKMOVPS:
	case ZYDIS_MNEMONIC_VMASKMOVPD:
	case ZYDIS_MNEMONIC_VPMASKMOVD:
	case ZYDIS_MNEMONIC_VPMASKMOVQ:
		return true;
	default:
		return false;
	}
}

/* It stopped at an instruction with a memory operand of 16 bytes or more. */
static bool is_wide_at(const struct comparison *x, const struct fuzz_result *r)
{
	int item = fuzz_item_at(x->p, x->c, r->out.rip);

	return item >= 0 && item < x->p->count && x->p->items[item].wide;
}

/* AMD CPUs have been seen to take a LOOP once and then let it fault, with nothing wrong about it, where it ends at CS' limit. */
static bool is_loop_at_end(const struct comparison *x)
{
	const u32 limit = 0x12fff; /* FUZZ_LDT: code32 */

	if (x->item < 0 || x->item >= x->p->count || fuzz_mode(x->c)->bits != 32 || !fuzz_mode(x->c)->code_base)
		return false;
	return x->p->items[x->item].mnemonic == ZYDIS_MNEMONIC_LOOP && x->reference->out.rip + 2 == limit + 1;
}

static bool is_x87_memory(ZydisMnemonic mnemonic)
{
	switch (mnemonic) {
	case ZYDIS_MNEMONIC_FSTP:
	case ZYDIS_MNEMONIC_FBSTP:
	case ZYDIS_MNEMONIC_FRSTOR:
	case ZYDIS_MNEMONIC_FLDENV:
	case ZYDIS_MNEMONIC_FNSAVE:
	case ZYDIS_MNEMONIC_FNSTENV:
		return true;
	default:
		return false;
	}
}

static bool is_x87_memory_at(const struct comparison *x)
{
	return is_x87_memory(mnemonic_of(x, x->item));
}

/*
 * An x87 store that raises an unmasked exception and whose operand isn't there: Intel's CPUs don't look at the operand then, AMD's do. The SDM
 * has both in one class of priorities: vol. 3, "Priority Among Concurrent Events".
 */
static bool is_x87_store_with_two_faults(const struct comparison *x)
{
	u16 fcw;

	memcpy(&fcw, x->subject->out.xsave, 2);
	if (!is_access_fault(x->subject) || (fcw & 0x3f) == 0x3f)
		return false;
	switch (mnemonic_at(x, x->subject)) {
	case ZYDIS_MNEMONIC_FST:
	case ZYDIS_MNEMONIC_FSTP:
	case ZYDIS_MNEMONIC_FIST:
	case ZYDIS_MNEMONIC_FISTP:
	case ZYDIS_MNEMONIC_FISTTP:
	case ZYDIS_MNEMONIC_FBSTP:
		return true;
	default:
		return false;
	}
}

/* CMPS has two memory operands. Whose fault comes first if both have one is up to the CPU: AMD's differ among themselves. */
static bool is_cmps_with_two_faults(const struct comparison *x)
{
	const struct fuzz_result *r = x->reference, *s = x->subject;

	/* also one within bytes that were to be another instruction, which the host has and Zydis hasn't */
	u64 at = fuzz_mode(x->c)->code_base + r->out.rip - x->c->code_address;

	if (r->out.rip != s->out.rip || x->item >= x->p->count)
		return false;
	if (x->item < 0 && (at >= x->c->code_size || (x->c->code[at] | 1) != 0xa7))
		return false;
	switch (x->item < 0 ? ZYDIS_MNEMONIC_CMPSB : x->p->items[x->item].mnemonic) {
	case ZYDIS_MNEMONIC_CMPSB:
	case ZYDIS_MNEMONIC_CMPSW:
	case ZYDIS_MNEMONIC_CMPSD:
	case ZYDIS_MNEMONIC_CMPSQ:
		return is_access_fault(r) && is_access_fault(s) && (r->vector != s->vector || r->cr2 != s->cr2);
	default:
		return false;
	}
}

/* What guests see is an Intel CPU. Where only AMD's are known to differ from the SDM, an Intel host is compared all the same. */
static bool host_is_intel(void)
{
	return __builtin_cpu_is("intel");
}

/* SDM vol. 2, "SHA1MSG1" and others: exceptions of type 4, a misaligned operand is #GP. AMD's CPUs take it. */
static bool is_misaligned_sha(const struct comparison *x)
{
	if (host_is_intel() || x->subject->vector != VEC_GP)
		return false;
	switch (mnemonic_at(x, x->subject)) {
	case ZYDIS_MNEMONIC_SHA1MSG1:
	case ZYDIS_MNEMONIC_SHA1MSG2:
	case ZYDIS_MNEMONIC_SHA1NEXTE:
	case ZYDIS_MNEMONIC_SHA1RNDS4:
	case ZYDIS_MNEMONIC_SHA256MSG1:
	case ZYDIS_MNEMONIC_SHA256MSG2:
	case ZYDIS_MNEMONIC_SHA256RNDS2:
		return true;
	default:
		return false;
	}
}

/* F3 90 with REX.B: for Intel's CPUs PAUSE (SDM vol. 2, "PAUSE", has no condition), for AMD's XCHG R8, rAX. */
static bool has_pause_with_rex_b(const struct comparison *x)
{
	if (host_is_intel())
		return false;
	for (int i = 0; i < x->p->count; i++) {
		const struct fuzz_insn *item = &x->p->items[i];

		if (item->mnemonic == ZYDIS_MNEMONIC_PAUSE && (item->bytes[item->size - 2] & 0xf1) == 0x41)
			return true;
	}
	return false;
}

/* LOCK makes VERW illegal. AMD's microcode has given that a second purpose, and lets it pass. */
static bool is_locked_verw(const struct comparison *x)
{
	int item = fuzz_item_at(x->p, x->c, x->subject->out.rip);
	bool lock = false;
	const u8 *b;

	if (x->subject->vector != VEC_UD || item < 0 || item >= x->p->count)
		return false;
	for (b = x->p->items[item].bytes; *b != 0x0f && b < x->p->items[item].bytes + 12; b++)
		lock |= *b == 0xf0;
	return lock && b[1] == 0 && (b[2] >> 3 & 7) == 5;
}

/*
 * SLDT, STR, SGDT, SIDT, SMSW are generated by nobody, but may be in the middle of something else: with UMIP Linux does them for its
 * programs where the CPU raises #GP.
 */
static bool is_umip(const struct comparison *x)
{
	u64 at = x->subject->out.rip + fuzz_mode(x->c)->code_base - x->c->code_address;
	const u8 *b = x->c->code, *end = b + x->c->code_size;

	if (x->subject->vector != VEC_GP || at >= x->c->code_size)
		return false;
	for (b += at; b + 2 < end; b++) {
		unsigned int reg = b[2] >> 3 & 7;

		if (b[0] == 0x0f)
			return (b[1] == 0 && reg < 2) || (b[1] == 1 && (reg < 2 || reg == 4));
		if (b[0] != 0x66 && b[0] != 0x67 && (b[0] & 0xfe) != 0x64 && (b[0] & 0xe7) != 0x26 &&
		    (b[0] & 0xf0) != 0x40)
			return false;
	}
	return false;
}

/* VEX instructions of AVX-512 (KAND to KTEST): the host may have them, the guest hasn't. */
static bool is_opmask(const struct comparison *x)
{
	int item = fuzz_item_at(x->p, x->c, x->subject->out.rip);
	const u8 *bytes;
	u8 opcode;

	if (x->subject->vector != VEC_UD || item < 0 || item >= x->p->count)
		return false;
	for (bytes = x->p->items[item].bytes;
	     *bytes == 0x67 || *bytes == 0x64 || *bytes == 0x65 || (*bytes & 0xe7) == 0x26;)
		bytes++;
	if (bytes[0] != 0xc5 && bytes[0] != 0xc4)
		return false;
	opcode = bytes[0] == 0xc5 ? bytes[2] : bytes[3];
	return (opcode >= 0x41 && opcode <= 0x4b) || (opcode >= 0x90 && opcode <= 0x93) || opcode == 0x98 ||
	       opcode == 0x99 || (opcode >= 0x30 && opcode <= 0x33);
}

/* The reference stopped at one of our instructions: this one. */
static bool stopped_at(const struct comparison *x, ZydisMnemonic mnemonic)
{
	return mnemonic_of(x, x->item) == mnemonic;
}

/* SDM vol. 2, "ENTER": a 16-bit stack writes BP alone, whatever the operand's size. AMD writes EBP if that is 32 bits. */
static bool has_enter_on_16_bits(const struct comparison *x)
{
	unsigned int i;

	if (fuzz_mode(x->c)->stack_bits != 16)
		return false;
	for (i = 0; i < x->p->count; i++)
		if (x->p->items[i].mnemonic == ZYDIS_MNEMONIC_ENTER)
			return true;
	return false;
}

/*
 * REP MOVS and STOS with 32-bit addresses in 64-bit code, in a loop: ECX is 0 from the second time on. Intel's CPUs clear the upper halves of
 * the pointers then, the SDM and AMD leave them.
 */
static bool has_empty_rep(const struct comparison *x)
{
	int rep = -1;

	if (fuzz_mode(x->c)->bits != 64)
		return false;
	for (int i = 0; i < x->p->count; i++) {
		const struct fuzz_insn *item = &x->p->items[i];
		const u8 *b = item->bytes;
		bool repeats = false, addresses32 = false;

		/* from here it may be executed again */
		if (rep >= 0 &&
		    ((item->kind == FUZZ_BRANCH && item->target <= rep) || item->mnemonic == ZYDIS_MNEMONIC_RET))
			return true;
		for (; *b == 0xf2 || *b == 0xf3 || *b == 0x67 || *b == 0x66 || (*b & 0xf0) == 0x40; b++) {
			repeats |= *b == 0xf2 || *b == 0xf3;
			addresses32 |= *b == 0x67;
		}
		if (repeats && addresses32 && (*b == 0xa4 || *b == 0xa5 || *b == 0xaa || *b == 0xab))
			rep = i;
	}
	return false;
}

/* The same instructions and all others with REP, in their first element: Intel's CPUs have cleared the upper halves when that faults. */
static bool is_faulting_rep_32(const struct comparison *x)
{
	const u8 *b, *end;
	bool repeats = false, addresses32 = false;

	if (fuzz_mode(x->c)->bits != 64 || !is_access_fault(x->reference) || x->item < 0 || x->item >= x->p->count)
		return false;
	b = x->p->items[x->item].bytes;
	for (end = b + x->p->items[x->item].size;
	     b < end && (*b == 0xf2 || *b == 0xf3 || *b == 0x67 || *b == 0x66 || (*b & 0xf0) == 0x40); b++) {
		repeats |= *b == 0xf2 || *b == 0xf3;
		addresses32 |= *b == 0x67;
	}
	return repeats && addresses32 && b < end && ((*b >= 0xa4 && *b <= 0xa7) || (*b >= 0xaa && *b <= 0xaf));
}

/* SDM vol. 2, "MOVSX/MOVSXD": with an operand size of 16 it reads 16 bits. AMD's CPUs read 32. */
static bool is_movsxd_16(const struct comparison *x)
{
	return !host_is_intel() && stopped_at(x, ZYDIS_MNEMONIC_MOVSXD) && is_access_fault(x->reference);
}

/*
 * Ends of the reference that can't be held against the subject. The host may be an AMD CPU, but what the guest sees is
 * an Intel one: where the two manuals disagree, nothing is to be learnt.
 */
static const char *incomparable(const struct comparison *x)
{
	const struct fuzz_result *r = x->reference, *s = x->subject;

	if (r->status == FUZZ_TIMEOUT)
		return "doesn't end";
	if (r->status == FUZZ_VOID)
		return "made a system call";
	/* AMD reports a branch to a non-canonical address at its target, Intel at the branch: SDM vol. 2, "JMP", "RET" */
	if (!canonical(r->out.rip))
		return "branch to a non-canonical address";
	/* the same with a segment's limit */
	if (is_limit_fault(r) && fuzz_mode(x->c)->code_base && !in_code(x->c, r->out.rip))
		return "branch beyond the limit of CS";
	if (r->vector == VEC_XM && is_access_fault(s) && stopped_at(x, ZYDIS_MNEMONIC_VCVTPS2PH))
		return "VCVTPS2PH with an exception and a fault";
	if (is_x87_store_with_two_faults(x))
		return "x87 store with an exception and a fault";
	/* with 16-bit addresses the parts of a large x87 operand may wrap, each on its own */
	if (fuzz_mode(x->c)->bits == 16 && is_limit_fault(s) && is_x87_memory(mnemonic_at(x, s)))
		return "x87 operand across 64 KiB";
	/* SDM vol. 3 doesn't say so of faults, but Intel's CPUs have moved what comes before a page's end or a limit */
	if ((is_limit_fault(r) || (r->vector == VEC_PF && !(r->cr2 & 4095))) &&
	    (stopped_at(x, ZYDIS_MNEMONIC_FSTP) || stopped_at(x, ZYDIS_MNEMONIC_FBSTP) ||
	     stopped_at(x, ZYDIS_MNEMONIC_FRSTOR)))
		return "x87 operand that faults behind its beginning";
	/* SDM vol. 2, "CALL", looks at the target first. Intel's CPUs push first. */
	if (stopped_at(x, ZYDIS_MNEMONIC_CALL) && s->vector == VEC_GP && is_access_fault(r) &&
	    fuzz_mode(x->c)->code_base && r->out.rip == s->out.rip)
		return "CALL beyond the limit of CS";
	if (is_faulting_rep_32(x))
		return "REP with 32-bit addresses that faults";
	if (is_movsxd_16(x))
		return "MOVSXD of 16 bits";
	if (is_cmps_with_two_faults(x))
		return "CMPS whose operands both fault";
	if (is_misaligned_sha(x))
		return "alignment of SHA's operands";
	if (has_pause_with_rex_b(x))
		return "PAUSE with REX.B";
	if (is_locked_verw(x))
		return "VERW with LOCK";
	/* an x87 environment has fields of two sizes, and no manual says which alignment it is checked for */
	if (is_x87_memory_at(x) && (r->vector == VEC_AC || s->vector == VEC_AC))
		return "alignment check of an x87 environment";
	if (is_umip(x))
		return "SLDT and others, done by the kernel";
	if (is_opmask(x))
		return "AVX-512's opmask instructions";
	/* INT1: hypervisors with an AMD CPU under them inject its #DB with RIP not advanced */
	if (r->vector == VEC_DB && !(x->c->in.rflags & BIT(8)) && !(r->out.rflags & BIT(8)))
		return "INT1";
	/* a single step may end between a gather's elements: SDM vol. 2, "VGATHERDPS" */
	if (r->vector == VEC_DB && x->item >= 0 && x->item < x->p->count && x->p->items[x->item].gather)
		return "single step within a gather";
	/* whether operands of 16 bytes and more are checked is the CPU's choice: SDM vol. 2, "MOVUPS" and others */
	if ((r->vector == VEC_AC && is_wide_at(x, r)) || (s->vector == VEC_AC && is_wide_at(x, s)))
		return "alignment check of a wide operand";
	/* Intel's CPUs don't check this one's either */
	if (s->vector == VEC_AC && mnemonic_at(x, s) == ZYDIS_MNEMONIC_VCVTPS2PH)
		return "alignment check of VCVTPS2PH";
	/* an operand across 4 GiB in a segment with that limit may or may not fault: SDM vol. 3, "Limit Checking" */
	if (fuzz_mode(x->c)->bits != 64 &&
	    ((is_limit_fault(r) && is_fault_at_top(s)) || (is_fault_at_top(r) && is_limit_fault(s)) ||
	     (r->vector == VEC_AC && is_limit_fault(s) && !fuzz_mode(x->c)->code_base)))
		return "operand across 4 GiB";
	/* misaligned and not canonical, relative to RSP or RBP: no manual says which comes first */
	if (r->vector == VEC_GP && s->vector == VEC_SS && is_wide_at(x, r))
		return "two faults of one access";
	/* whether bytes that are masked out count: SDM vol. 2, "MASKMOVDQU" */
	if (is_masked_move(x) && (is_limit_fault(r) || is_limit_fault(s)) && r->vector != s->vector)
		return "limit and MASKMOV";
	if (is_loop_at_end(x) && is_limit_fault(r))
		return "LOOP at the end of CS";
	/* AMD looks at the first page of a large x87 operand before it comes to the limit: SDM vol. 3, 3.1 has segmentation first */
	if (is_x87_memory_at(x) && r->vector == VEC_PF && is_limit_fault(s))
		return "limit and page of an x87 operand";
	/* a KVM without VT interprets what runs with this RSP (gpr[4]): TZCNT as BSF, and without alignment checks */
	if (s->direct && !canonical(r->out.gpr[4]))
		return "RSP that isn't canonical";
	/* that its pages were mapped one after the other shows: SDM vol. 2 has the write at the new RSP tried when all is pushed */
	if (s->direct && r->vector == VEC_PF && stopped_at(x, ZYDIS_MNEMONIC_ENTER))
		return "what ENTER pushes before it faults";
	if (has_enter_on_16_bits(x))
		return "EBP after ENTER";
	if (has_empty_rep(x))
		return "REP of nothing with 32-bit addresses";
	/* FIP and the like are still in memory */
	if (x->item >= 0 && x->item < x->p->count && x->p->items[x->item].clears)
		return "stopped before it was cleared";
	/* AMD: MXCSR.MM (misaligned exception mask); reserved on Intel */
	if (mxcsr_of(&r->out) & BIT(17))
		return "MXCSR.MM";
	return NULL;
}

/* What differs where the host itself may not have done what a CPU does: is_interpreted() in fuzz_native.c */
static bool is_the_hypervisors(const struct comparison *x)
{
	if (!x->reference->interpreted)
		return false;
	return !canonical(x->c->in.gpr[4]) || !canonical(x->reference->out.gpr[4]) ||
	       mnemonic_at(x, x->subject) == ZYDIS_MNEMONIC_INT ||
	       ((x->reference->out.rflags ^ x->subject->out.rflags) & RFLAGS_NT); /* lost in an interrupt of the host's */
}

static void look(struct comparison *x, const char *name, const void *expected, const void *found, const void *mask,
		 unsigned int n)
{
	const u8 *a = expected, *b = found, *m = mask;
	unsigned int i;

	if (x->stop || !memcmp(a, b, n))
		return;
	for (i = 0; i < n; i++) {
		if ((a[i] ^ b[i]) & (m ? m[i] : 0xff)) {
			x->stop = !x->visit(x->arg, name, a, b, m, n);
			return;
		}
	}
}

static void look_number(struct comparison *x, const char *name, u64 expected, u64 found, u64 mask)
{
	look(x, name, &expected, &found, &mask, 8);
}

/* Components that XSAVE calls initial may hold anything in the image: SDM vol. 1, "XSAVE Area". */
static void normalize(const struct fuzz_state *s, u8 *xsave)
{
	static const u8 empty_x87[32] = { 0x7f, 0x03 };
	u64 components;
	u32 mxcsr = mxcsr_of(s);

	memcpy(xsave, s->xsave, FUZZ_XSAVE_SIZE);
	memcpy(&components, xsave + FUZZ_XSAVE_HEADER, 8);
	if (!(components & 1)) {
		memcpy(xsave, empty_x87, 24);
		memset(xsave + 32, 0, 128);
	}
	if (!(components & 2))
		memset(xsave + 160, 0, 256);
	if (!(components & 4))
		memset(xsave + FUZZ_XSAVE_YMM, 0, 256);
	memcpy(xsave + 24, &mxcsr, 4);
}

/* Vector registers that a faulting gather leaves in a state of the CPU's choice: bit n is register n. */
static u32 gather_registers(const struct comparison *x)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	ZydisDecoder decoder;
	u32 set = 0;
	unsigned int i;

	if (x->item < 0 || x->item >= x->p->count || !x->p->items[x->item].gather)
		return 0;
	fuzz_decoder(&decoder, fuzz_mode(x->c));
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, x->p->items[x->item].bytes, 15, &z, operands)))
		return 0;
	for (i = 0; i < z.operand_count; i++)
		if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    (operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			set |= BIT(ZydisRegisterGetId(operands[i].reg.value));
	return set;
}

/* Reads its operand in several pieces, in an order of the CPU's choice: a page fault tells one of their addresses. */
static bool reads_pieces(const struct comparison *x)
{
	return stopped_at(x, ZYDIS_MNEMONIC_FLDENV) || stopped_at(x, ZYDIS_MNEMONIC_FRSTOR) ||
	       stopped_at(x, ZYDIS_MNEMONIC_FXRSTOR) || stopped_at(x, ZYDIS_MNEMONIC_FXRSTOR64);
}

/* An MMX store that faults has made the transition to MMX already: TOP is 0 on Intel's CPUs; of AMD's MASKMOVQ all registers are valid, too. */
static bool is_faulting_mmx_store(const struct comparison *x)
{
	return is_access_fault(x->reference) &&
	       (stopped_at(x, ZYDIS_MNEMONIC_MASKMOVQ) || stopped_at(x, ZYDIS_MNEMONIC_MOVNTQ) ||
		stopped_at(x, ZYDIS_MNEMONIC_MOVQ) || stopped_at(x, ZYDIS_MNEMONIC_MOVD));
}

static void compare_x87(struct comparison *x, const u8 *a, const u8 *b, u32 undefined)
{
	u32 fpu = undefined >> FUZZ_FPU_SHIFT;
	u16 status_mask = ~((fpu & 7) << 8 | (fpu & 8) << 11); /* C0 to C2, C3 */
	unsigned int i;
	char name[16];

	if (is_faulting_mmx_store(x))
		return;
	look(x, "fcw", a, b, NULL, 2);
	look(x, "fsw", a + 2, b + 2, &status_mask, 2);
	look(x, "ftw", a + 4, b + 4, NULL, 1);
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "st%u", i);
		look(x, name, a + 32 + i * 16, b + 32 + i * 16, NULL, 10);
	}
}

static void compare_vectors(struct comparison *x, u32 undefined)
{
	u8 a[FUZZ_XSAVE_SIZE], b[FUZZ_XSAVE_SIZE];
	u32 skip = gather_registers(x);
	unsigned int i;
	char name[16];

	normalize(&x->reference->out, a);
	normalize(&x->subject->out, b);
	compare_x87(x, a, b, undefined);
	/* Intel: one whose store faults has raised its flags */
	if (!(stopped_at(x, ZYDIS_MNEMONIC_VCVTPS2PH) && is_access_fault(x->reference)))
		look(x, "mxcsr", a + 24, b + 24, NULL, 4);
	for (i = 0; i < (fuzz_mode(x->c)->bits != 64 ? 8u : 16u); i++) {
		if (skip & BIT(i))
			continue;
		snprintf(name, sizeof(name), "xmm%u", i);
		look(x, name, a + 160 + i * 16, b + 160 + i * 16, NULL, 16);
		snprintf(name, sizeof(name), "ymm%u high", i);
		look(x, name, a + FUZZ_XSAVE_YMM + i * 16, b + FUZZ_XSAVE_YMM + i * 16, NULL, 16);
	}
}

static void compare_memory(struct comparison *x, u8 memory[FUZZ_PAGES][4096])
{
	static const struct fuzz_region regions[] = { FUZZ_REGIONS(FUZZ_REGION_TABLE_ROW) };
	unsigned int i, page, at;
	char name[32];

	for (i = 0; i < FUZZ_REGION_COUNT; i++) {
		for (page = regions[i].first; page < regions[i].first + regions[i].pages; page++) {
			const u8 *a = x->reference->dirty & BIT(page) ? x->reference->memory[page] : memory[page];
			const u8 *b = x->subject->dirty & BIT(page) ? x->subject->memory[page] : memory[page];

			if (a == b || !memcmp(a, b, FUZZ_PAGE))
				continue;
			for (at = 0; at < FUZZ_PAGE; at += 16) {
				snprintf(name, sizeof(name), "[%#" PRIx64 "]",
					 (u64)(regions[i].address + (page - regions[i].first) * FUZZ_PAGE + at));
				look(x, name, a + at, b + at, NULL, 16);
			}
		}
	}
}

/* A page fault of a masked move: at its first byte, or at the first one that the mask has. No manual says which. */
static bool is_near_of_masked_move(const struct comparison *x)
{
	return is_masked_move(x) && x->reference->cr2 - x->subject->cr2 + 31 < 63;
}

/* SDM vol. 2, "REP": what was interrupted has the flags of before it. AMD's have those of the last comparison. */
static bool is_interrupted_comparison(const struct comparison *x)
{
	switch (mnemonic_of(x, x->item)) {
	case ZYDIS_MNEMONIC_CMPSB:
	case ZYDIS_MNEMONIC_CMPSW:
	case ZYDIS_MNEMONIC_CMPSD:
	case ZYDIS_MNEMONIC_CMPSQ:
	case ZYDIS_MNEMONIC_SCASB:
	case ZYDIS_MNEMONIC_SCASW:
	case ZYDIS_MNEMONIC_SCASD:
	case ZYDIS_MNEMONIC_SCASQ:
		return true;
	default:
		return false;
	}
}

static u32 undefined_flags(const struct comparison *x)
{
	u32 all = 0;
	unsigned int i;

	if (!host_is_intel() && is_interrupted_comparison(x))
		return x->p->undefined[x->item] | ARITHMETIC;
	if (x->item >= 0)
		return x->p->undefined[x->item];
	/* it stopped where no instruction of ours begins, e.g. at the target of a wild jump */
	for (i = 0; i <= x->p->count; i++)
		all |= x->p->undefined[i];
	return all;
}

static void compare_all(struct comparison *x, u8 memory[FUZZ_PAGES][4096])
{
	const struct fuzz_result *r = x->reference, *s = x->subject;
	const struct fuzz_state *a = &r->out, *b = &s->out;
	u64 width = fuzz_mode(x->c)->bits != 64 ? 0xffffffff : ~0ull, error_mask = ~0ull;
	u32 undefined;
	unsigned int i;

	undefined = undefined_flags(x);
	look_number(x, "status", r->status, s->status, ~0ull);
	look_number(x, "vector", r->vector, s->vector, ~0ull);
	/* Linux says "protection" for each address above user space, mapped or not */
	if (r->vector == VEC_PF && (r->cr2 >= USER_END || is_near_of_masked_move(x)))
		error_mask &= ~1ull;
	look_number(x, "error code", r->error, s->error, error_mask);
	if (r->vector == VEC_PF && !reads_pieces(x) && !is_near_of_masked_move(x))
		look_number(x, "cr2", r->cr2, s->cr2, ~0ull);
	look_number(x, "rip", a->rip, b->rip, width);
	/* AMD: a POPA that faults has loaded what it read before */
	for (i = stopped_at(x, ZYDIS_MNEMONIC_POPA) || stopped_at(x, ZYDIS_MNEMONIC_POPAD) ? 16 : 0;
	     i < (fuzz_mode(x->c)->bits != 64 ? 8u : 16u); i++)
		look_number(x, gpr_names[i], a->gpr[i], b->gpr[i], width);
	/* RF is part of how an exception is delivered, not of what the code did */
	look_number(x, "rflags", a->rflags, b->rflags, 0x3e7fd5 & ~(u64)(undefined & 0xffffff) & ~BIT(16));
	look_number(x, "cs", a->cs, b->cs, ~0ull);
	look_number(x, "ss", a->ss, b->ss, ~0ull);
	look_number(x, "ds", a->ds, b->ds, ~0ull);
	look_number(x, "es", a->es, b->es, ~0ull);
	if (fuzz_mode(x->c)->bits == 64) {
		look_number(x, "fs base", a->fs_base, b->fs_base, ~0ull);
		look_number(x, "gs base", a->gs_base, b->gs_base, ~0ull);
	}
	compare_vectors(x, undefined);
	compare_memory(x, memory);
}

static bool remember_first(void *arg, const char *name, const u8 *expected, const u8 *found, const u8 *mask,
			   unsigned int n)
{
	(void)expected;
	(void)found;
	(void)mask;
	(void)n;
	snprintf(arg, 32, "%s", name);
	return false;
}

/* The item, -1 within one. The traps of INT3 and INTO: RIP is behind it, and for INT 3 and INT 4 nothing is said but that. */
static int ended_at(const struct fuzz_program *p, const struct fuzz_case *c, const struct fuzz_result *r)
{
	return fuzz_item_at(p, c, r->vector == VEC_BP || r->vector == VEC_OF ? r->out.rip - 1 : r->out.rip);
}

enum fuzz_verdict fuzz_compare(const struct fuzz_program *p, const struct fuzz_case *c, u8 memory[FUZZ_PAGES][4096],
			       const struct fuzz_result *reference, const struct fuzz_result *subject, char *first)
{
	char name[32] = "";
	struct comparison x = { p, c, reference, subject, -1, remember_first, first ? first : name, false };

	x.item = ended_at(p, c, reference);
	if (incomparable(&x))
		return FUZZ_INCOMPARABLE;
	compare_all(&x, memory);
	if (x.stop && is_the_hypervisors(&x))
		return FUZZ_INCOMPARABLE;
	return x.stop ? FUZZ_DIFFERENT : FUZZ_SAME;
}

static void print_bytes(FILE *to, const u8 *b, unsigned int n)
{
	while (n--)
		fprintf(to, "%02x", b[n]);
}

/* little-endian numbers, the highest byte first; the last column has a 1 for every bit that differs and counts */
#define LINES_MAX 24

struct printing {
	FILE *to;
	unsigned int lines;
};

static bool print_one(void *arg, const char *name, const u8 *expected, const u8 *found, const u8 *mask, unsigned int n)
{
	struct printing *printing = arg;
	FILE *to = printing->to;
	u8 bits[16];
	unsigned int i;

	if (printing->lines++ == LINES_MAX) {
		fprintf(to, "  and more\n");
		return false;
	}
	for (i = 0; i < n; i++)
		bits[i] = (expected[i] ^ found[i]) & (mask ? mask[i] : 0xff);
	fprintf(to, "  %-14s expected ", name);
	print_bytes(to, expected, n);
	fprintf(to, " found ");
	print_bytes(to, found, n);
	fprintf(to, " bits ");
	print_bytes(to, bits, n);
	fputc('\n', to);
	return true;
}

void fuzz_print_differences(FILE *to, const struct fuzz_program *p, const struct fuzz_case *c,
			    u8 memory[FUZZ_PAGES][4096], const struct fuzz_result *reference,
			    const struct fuzz_result *subject)
{
	struct printing printing = { to, 0 };
	struct comparison x = { p, c, reference, subject, -1, print_one, &printing, false };

	x.item = ended_at(p, c, reference);
	fprintf(to, "  expected: vector %u error %#x cr2 %#" PRIx64 " at rip %#" PRIx64 "\n", reference->vector,
		reference->error, reference->vector == VEC_PF ? reference->cr2 : 0, reference->out.rip);
	fprintf(to, "  found:    vector %u error %#x cr2 %#" PRIx64 " at rip %#" PRIx64 "\n", subject->vector,
		subject->error, subject->vector == VEC_PF ? subject->cr2 : 0, subject->out.rip);
	if (subject->status == FUZZ_BROKEN)
		fprintf(to, "  found: %s\n", subject->why);
	else if (subject->status == FUZZ_TIMEOUT)
		fprintf(to, "  found: doesn't end\n");
	compare_all(&x, memory);
}

static void print_instruction(FILE *to, const struct fuzz_program *p, const struct fuzz_case *c, unsigned int n)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	u64 rip = c->code_address + p->offset[n] - fuzz_mode(c)->code_base;
	const u8 *bytes = c->code + p->offset[n];
	unsigned int size = p->items[n].size, i;
	ZydisDecodedInstruction z;
	ZydisFormatter formatter;
	ZydisDecoder decoder;
	char text[128] = "(not an instruction)";

	ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
	fuzz_decoder(&decoder, fuzz_mode(c));
	if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, size, &z, operands)))
		ZydisFormatterFormatInstruction(&formatter, &z, operands, z.operand_count_visible, text, sizeof(text),
						rip, NULL);
	fprintf(to, "  %8" PRIx64 ": ", rip);
	for (i = 0; i < size; i++)
		fprintf(to, "%02x ", bytes[i]);
	fprintf(to, "%*s%s\n", i < 10 ? (int)(10 - i) * 3 : 0, "", text);
}

void fuzz_print_case(FILE *to, const struct fuzz_program *p, const struct fuzz_case *c)
{
	unsigned int i, column = 0;
	u16 fcw, fsw;

	fprintf(to, "  code: %s\n", fuzz_mode(c)->name);
	for (i = 0; i < p->count; i++)
		print_instruction(to, p, c, i);
	memcpy(&fcw, c->in.xsave, 2);
	memcpy(&fsw, c->in.xsave + 2, 2);
	fprintf(to, "  rflags %#" PRIx64 " fcw %#x fsw %#x ftw %#x mxcsr %#x fs %#" PRIx64 " gs %#" PRIx64 "\n",
		c->in.rflags, fcw, fsw, c->in.xsave[4], mxcsr_of(&c->in), c->in.fs_base, c->in.gs_base);
	for (i = 0; i < 16; i++)
		if (c->in.gpr[i])
			fprintf(to, "%s%s %#" PRIx64,
				column++ % 6 ? " "
				: column > 1 ? "\n  "
					     : "  ",
				gpr_names[i], c->in.gpr[i]);
	if (column)
		fputc('\n', to);
	for (i = 0; i < 32; i++) {
		static const u8 zero[16];
		const u8 *value = c->in.xsave + (i < 16 ? 160 + i * 16 : FUZZ_XSAVE_YMM + (i - 16) * 16);

		if (!memcmp(value, zero, 16))
			continue;
		fprintf(to, "  %s%u%s ", i < 16 ? "xmm" : "ymm", i & 15, i < 16 ? "" : " high");
		print_bytes(to, value, 16);
		fputc('\n', to);
	}
}
