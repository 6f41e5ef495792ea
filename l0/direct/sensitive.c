/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sensitive.h"

#include <Zydis/Zydis.h>
#include <string.h>

#define ESCAPE 0x0f

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

void sensitive_set_make(struct sensitive_set *s, u32 rows, bool segments)
{
	u8 next = 0;

	memset(s, 0, sizeof(*s));
	s->segments = segments;
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

bool sensitive_find(const struct sensitive_set *s, const u8 *code, size_t n)
{
	const u8 *end = code + n, *p = code;

	while (p < end && (p = memchr(p, ESCAPE, (size_t)(end - p)))) {
		u8 kind;

		p++;
		if (p == end)
			break;
		kind = s->second[*p];
		if (kind == 1)
			return true;
		if (kind > 1 && p + 1 < end && (s->third[kind - 2][p[1] / 64] >> (p[1] % 64) & 1))
			return true;
	}
	return false;
}

bool sensitive_tail(const struct sensitive_set *s, const u8 *code, size_t n)
{
	return code[n - 1] == ESCAPE || (n > 1 && code[n - 2] == ESCAPE && s->second[code[n - 1]] > 1);
}

/* Opcodes of one byte; those of two bytes are rows of the table. */
static bool touches_segments(const ZydisDecodedInstruction *i)
{
	if (i->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || i->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return false;
	switch (i->opcode) {
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
		return true;
	case 0xff: /* far CALL and JMP */
		return i->raw.modrm.reg == 3 || i->raw.modrm.reg == 5;
	default:
		return false;
	}
}

/* The same of an instruction that goes on behind these n bytes: it may be. */
static bool may_touch_segments(const u8 *code, size_t n)
{
	static const u8 OPCODES[] = { 0x8c, 0x8e, 0xc4, 0xc5, 0x9a, 0xea, 0xca, 0xff };

	for (size_t i = 0; i < n; i++)
		if (memchr(OPCODES, code[i], sizeof(OPCODES)))
			return true;
	return false;
}

bool sensitive_segments(const u8 page[4096], const u16 *starts, size_t count, unsigned int bits)
{
	u64 seen[4096 / 64] = { 0 };
	ZydisDecoder decoder;
	ZydisDecodedInstruction insn;
	ZyanStatus status;

	if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder,
					   bits == 64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
					   bits == 64 ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32)))
		return true;
	/* lengths and opcodes are all that is asked for */
	ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE);
	for (size_t i = 0; i < count; i++) {
		unsigned int at = starts[i];

		while (at < 4096 && !(seen[at / 64] >> (at % 64) & 1)) {
			seen[at / 64] |= BIT(at % 64);
			status = ZydisDecoderDecodeInstruction(&decoder, NULL, page + at, 4096 - at, &insn);
			if (status == ZYDIS_STATUS_NO_MORE_DATA && may_touch_segments(page + at, 4096 - at))
				return true;
			if (!ZYAN_SUCCESS(status)) {
				at++; /* no instruction: data */
				continue;
			}
			if (touches_segments(&insn))
				return true;
			at += insn.length;
		}
	}
	return false;
}
