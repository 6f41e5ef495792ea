/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sensitive.h"

#include <Zydis/Zydis.h>
#include <string.h>

#define ESCAPE 0x0f
#define XEND BIT(0xd5 - GROUP_0F01_FIRST)
#define XTEST BIT(0xd6 - GROUP_0F01_FIRST)

const struct sensitive_insn SENSITIVE_INSNS[SENSITIVE_COUNT] = {
#define S(name, second, regs, mods, when, ...) \
	[SENSITIVE_##name] = { #name, second, regs, mods, when, { __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }) },
	SENSITIVE(S)
#undef S
};

static bool modrm_matches(const struct sensitive_insn *i, unsigned int modrm)
{
	unsigned int mod = modrm >> 6 == 3 ? MOD_REG : MOD_MEM;

	return (i->mods & mod) && (i->regs >> (modrm >> 3 & 7) & 1);
}

void sensitive_set_make(struct sensitive_set *s, u32 rows, u64 group, bool one_byte_opcodes)
{
	u8 next = 1; /* third[0] is of 0F 01 */

	memset(s, 0, sizeof(*s));
	s->one_byte = one_byte_opcodes;
	s->second[0x01] = 2;
	s->tsx = group & XTEST;
	s->third[0][GROUP_0F01_FIRST / 64] = group & ~(XEND | XTEST);
	for (unsigned int i = 0; i < SENSITIVE_COUNT; i++) {
		const struct sensitive_insn *insn = &SENSITIVE_INSNS[i];
		u8 *second = &s->second[insn->second];

		if (!(rows >> i & 1))
			continue;
		if (!insn->regs) {
			*second = 1;
			continue;
		}
		if (*second == 1)
			continue;
		if (!*second)
			*second = 2 + next++;
		for (unsigned int modrm = 0; modrm < 256; modrm++)
			if (modrm_matches(insn, modrm))
				s->third[*second - 2][modrm / 64] |= BIT(modrm % 64);
	}
}

static bool matches(const struct sensitive_set *s, const u8 *code, size_t n)
{
	u8 kind;

	if (n < 2 || code[0] != ESCAPE)
		return false;
	kind = s->second[code[1]];
	return kind == 1 || (kind > 1 && n > 2 && (s->third[kind - 2][code[2] / 64] >> (code[2] % 64) & 1));
}

long sensitive_find(const struct sensitive_set *s, const u8 *code, size_t from, size_t n)
{
	for (const u8 *p = code + from; p < code + n && (p = memchr(p, ESCAPE, (size_t)(code + n - p))); p++)
		if (matches(s, p, (size_t)(code + n - p)))
			return p - code;
	return -1;
}

bool sensitive_tail(const struct sensitive_set *s, const u8 *code, size_t n)
{
	return code[n - 1] == ESCAPE || (n > 1 && code[n - 2] == ESCAPE && s->second[code[n - 1]] > 1);
}

/* Opcodes of one byte; those of two bytes are rows of the table. reg: ModRM.reg, if there is one */
static bool one_byte(u8 opcode, unsigned int reg)
{
	switch (opcode) {
	case 0x8c: /* MOV r/m, Sreg */
	case 0x8e: /* MOV Sreg, r/m */
	case 0x06: /* PUSH and POP of ES, CS, SS, DS, in 32-bit code */
	case 0x07:
	case 0x0e:
	case 0x16:
	case 0x17:
	case 0x1e:
	case 0x1f:
	case 0xc4: /* LES, LDS, in 32-bit code */
	case 0xc5:
	case 0x9a: /* far CALL and JMP, in 32-bit code */
	case 0xea:
	case 0xca: /* far RET, IRET */
	case 0xcb:
	case 0xcf:
	case 0x9d: /* POPF: NT is lost when an exception comes */
	case 0xcd: /* INT n: some n do something else */
		return true;
	case 0xff: /* far CALL and JMP */
		return reg == 3 || reg == 5;
	default:
		return false;
	}
}

/* SDM vol. 2, "Opmask Instruction Encoding": all of these are VEX.0F */
static bool on_opmasks(u8 opcode)
{
	return (opcode >= 0x41 && opcode <= 0x4b) || (opcode >= 0x90 && opcode <= 0x93) || opcode == 0x98 ||
	       opcode == 0x99;
}

static bool counts_avx512(const ZydisDecodedInstruction *i)
{
	if (i->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
		/* shifts and KUNPCK's kin are in 0F3A: 30 to 33 */
		return i->opcode_map == ZYDIS_OPCODE_MAP_0F
			       ? on_opmasks(i->opcode)
			       : i->opcode_map == ZYDIS_OPCODE_MAP_0F3A && i->opcode >= 0x30 && i->opcode <= 0x33;
	return i->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
}

static bool is_tsx(const ZydisDecodedInstruction *i)
{
	switch (i->mnemonic) {
	case ZYDIS_MNEMONIC_XBEGIN:
	case ZYDIS_MNEMONIC_XABORT:
	case ZYDIS_MNEMONIC_XEND:
	case ZYDIS_MNEMONIC_XTEST:
		return true;
	default:
		return false;
	}
}

static bool counts(const ZydisDecodedInstruction *i)
{
	return i->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && i->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
	       one_byte(i->opcode, i->raw.modrm.reg);
}

static bool is_prefix(u8 byte, bool bits64)
{
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64:
	case 0x65:
	case 0x66:
	case 0x67:
	case 0xf0:
	case 0xf2:
	case 0xf3:
		return true;
	default:
		return bits64 && (byte & 0xf0) == 0x40;
	}
}

/*
 * An instruction that goes on behind these n bytes: may it be one of them? Not if only its prefixes are here; that would be every tenth
 * page. VEX has the opcodes of LES and LDS in 64-bit code.
 */
static bool may_count(const u8 *code, size_t n, bool bits64)
{
	size_t i = 0;

	while (i < n && is_prefix(code[i], bits64))
		i++;
	if (i == n)
		return false;
	if (bits64 && (code[i] == 0xc4 || code[i] == 0xc5))
		return false;
	return one_byte(code[i], i + 1 < n ? code[i + 1] >> 3 & 7 : 3);
}

/* The same of AVX-512 in 64-bit code: it may be one as soon as the opcode isn't to be seen. */
static bool may_count_avx512(const u8 *code, size_t n)
{
	size_t i = 0;

	while (i < n && is_prefix(code[i], false))
		i++;
	if (i == n)
		return false;
	if (code[i] == 0xc5)
		return i + 2 >= n || on_opmasks(code[i + 2]);
	if (code[i] == 0xc4)
		return i + 3 >= n || on_opmasks(code[i + 3]) || (code[i + 3] >= 0x30 && code[i + 3] <= 0x33);
	return code[i] == 0x62;
}

struct decoding {
	const struct sensitive_set *set;
	const u8 *page;
	bool bits64;
	ZydisDecoder decoder;
	u64 seen[4096 / 64]; /* a bit for each offset where an instruction was seen to begin */
	unsigned int found; /* SENSITIVE_* */
};

static bool make_decoder(ZydisDecoder *d, unsigned int bits)
{
	if (!ZYAN_SUCCESS(ZydisDecoderInit(d, bits == 64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
					   bits == 64 ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32)))
		return false;
	/* lengths and opcodes are all that is asked for */
	return ZYAN_SUCCESS(ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE));
}

bool sensitive_leads_to_absent(const u8 page[4096], u16 start)
{
	unsigned int waiting[128], count = 1, next, target;
	u64 seen[4096 / 64] = { 0 };
	ZydisDecodedInstruction insn;
	ZydisDecoder decoder;
	ZyanStatus status;

	if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return true;
	waiting[0] = start;
	while (count) {
		for (unsigned int at = waiting[--count]; at < 4096 && !(seen[at / 64] >> (at % 64) & 1); at = next) {
			seen[at / 64] |= BIT(at % 64);
			status = ZydisDecoderDecodeInstruction(&decoder, NULL, page + at, 4096 - at, &insn);
			if (status == ZYDIS_STATUS_NO_MORE_DATA && may_count_avx512(page + at, 4096 - at))
				return true;
			if (!ZYAN_SUCCESS(status))
				break;
			if (counts_avx512(&insn) || is_tsx(&insn))
				return true;
			next = at + insn.length;
			target = insn.raw.imm[0].is_relative ? next + (unsigned int)insn.raw.imm[0].value.s : 4096;
			if (target < 4096) {
				if (count == sizeof(waiting) / sizeof(waiting[0]))
					return true; /* more than can be followed */
				waiting[count++] = target;
			}
			if (insn.meta.category == ZYDIS_CATEGORY_RET ||
			    insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR || insn.mnemonic == ZYDIS_MNEMONIC_UD2)
				break;
		}
	}
	return false;
}

unsigned int sensitive_length(const u8 *code, size_t n, unsigned int bits)
{
	ZydisDecodedInstruction insn;
	ZydisDecoder d;

	return make_decoder(&d, bits) && ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, code, n, &insn))
		       ? insn.length
		       : 0;
}

static bool begin(struct decoding *d, const struct sensitive_set *s, const u8 *page, unsigned int bits)
{
	memset(d, 0, sizeof(*d));
	d->set = s;
	d->page = page;
	d->bits64 = bits == 64;
	return make_decoder(&d->decoder, bits);
}

/* Where the instruction's opcode is: behind its prefixes */
static unsigned int opcode_at(const ZydisDecodedInstruction *i, unsigned int at)
{
	return at + i->raw.prefix_count;
}

static unsigned int found(bool counts, bool absent)
{
	return (counts ? SENSITIVE_FOUND : 0) | (absent ? SENSITIVE_ABSENT : 0);
}

/* The instruction at `at`: SENSITIVE_* of it. *next: where the next one begins */
static unsigned int look(const struct decoding *d, unsigned int at, unsigned int *next)
{
	ZydisDecodedInstruction insn;
	ZyanStatus status = ZydisDecoderDecodeInstruction(&d->decoder, NULL, d->page + at, 4096 - at, &insn);
	unsigned int opcode;

	*next = at + 1; /* no instruction: data */
	if (status == ZYDIS_STATUS_NO_MORE_DATA)
		return found(d->set->one_byte && may_count(d->page + at, 4096 - at, d->bits64),
			     d->set->avx512 && may_count_avx512(d->page + at, 4096 - at));
	if (status == ZYDIS_STATUS_ILLEGAL_LOCK) /* #UD, but not with all that a KVM interprets */
		return found(d->set->one_byte, false);
	if (!ZYAN_SUCCESS(status)) /* one that the decoder doesn't know */
		return found(matches(d->set, d->page + at, 4096 - at), false);
	*next = at + insn.length;
	opcode = opcode_at(&insn, at);
	return found(matches(d->set, d->page + opcode, 4096 - opcode) || (d->set->one_byte && counts(&insn)),
		     (d->set->avx512 && counts_avx512(&insn)) || (d->set->tsx && is_tsx(&insn)));
}

/* As it would run from `at` on, until it comes to where it has been. True: it comes to one of the set. */
static bool sweep(struct decoding *d, unsigned int at)
{
	unsigned int next;

	for (; at < 4096 && !(d->seen[at / 64] >> (at % 64) & 1); at = next) {
		d->seen[at / 64] |= BIT(at % 64);
		d->found |= look(d, at, &next);
		if (d->found & SENSITIVE_FOUND)
			return true;
	}
	return false;
}

/*
 * Wherever one begins to decode, one comes to where instructions really begin before long. So bytes are no instruction if no way from some
 * distance before them leads there.
 */
#define WAYS 16u
#define WAY_LENGTH 32u

static bool a_way_leads_to(const struct decoding *d, unsigned int target)
{
	for (unsigned int i = 0; i < WAYS; i++) {
		unsigned int at = target > WAY_LENGTH + i ? target - WAY_LENGTH - i : 0, next;
		ZydisDecodedInstruction insn;

		while (at < target) {
			bool known = ZYAN_SUCCESS(
				ZydisDecoderDecodeInstruction(&d->decoder, NULL, d->page + at, 4096 - at, &insn));

			next = known ? at + insn.length : at + 1;
			if (known && next > target && opcode_at(&insn, at) == target)
				next = target; /* there with prefixes */
			at = next;
		}
		if (at == target)
			return true;
	}
	return false;
}

unsigned int sensitive_page(const struct sensitive_set *s, const u8 page[4096], const u16 *starts, size_t count,
			    unsigned int bits)
{
	long at = sensitive_find(s, page, 0, 4096);
	struct decoding d;

	if (at < 0 && !s->one_byte && !s->avx512 && !s->tsx)
		return 0;
	if (!begin(&d, s, page, bits))
		return SENSITIVE_FOUND;
	for (size_t i = 0; i < count; i++)
		if (sweep(&d, starts[i]))
			return d.found;
	if (sweep(&d, 0))
		return d.found;
	for (; at >= 0; at = sensitive_find(s, page, (size_t)at + 1, 4096))
		if (a_way_leads_to(&d, (unsigned int)at))
			return d.found | SENSITIVE_FOUND;
	return d.found;
}
