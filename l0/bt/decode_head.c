/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SDM vol. 2, "Instruction Format" and "Opcode Map". */
#include "decode_head.h"

#include <string.h>

/* Of an opcode byte */
#define MODRM BIT(0)
#define REG BIT(1) /* ModRM.reg is a general register and nothing else */
#define RM BIT(2) /* so is ModRM.rm, if it is a register */
#define REG8 (REG | BIT(3)) /* one of 8 bits: without REX 4 to 7 are AH to BH, which are left in */
#define RM8 (RM | BIT(4))
#define NO_MEMORY BIT(5) /* ModRM.mod means nothing */
#define PREFIX BIT(6)
#define AS_IT_IS \
	BIT(7) /* the registers of a memory operand are left in: a segment prefix may decide what they mean, or VEX has a part of them */

#define BYTE_REG BIT(3)
#define BYTE_RM BIT(4)

#define ALU(op) \
	[op] = MODRM | REG8 | RM8, [(op) + 1] = MODRM | REG | RM, [(op) + 2] = MODRM | REG8 | RM8, \
	[(op) + 3] = MODRM | REG | RM

static const u8 one_byte[256] = {
	ALU(0x00),
	ALU(0x08),
	ALU(0x10),
	ALU(0x18),
	ALU(0x20),
	ALU(0x28),
	ALU(0x30),
	ALU(0x38),
	[0x26] = PREFIX | AS_IT_IS,
	[0x2e] = PREFIX | AS_IT_IS,
	[0x36] = PREFIX | AS_IT_IS,
	[0x3e] = PREFIX | AS_IT_IS,
	[0x64 ... 0x67] = PREFIX,
	[0xf0] = PREFIX,
	[0xf2 ... 0xf3] = PREFIX,
	[0x62] = MODRM,
	[0x63] = MODRM | REG | RM,
	[0x69] = MODRM | REG | RM,
	[0x6b] = MODRM | REG | RM,
	[0x80] = MODRM | RM8,
	[0x81] = MODRM | RM,
	[0x82] = MODRM,
	[0x83] = MODRM | RM,
	[0x84] = MODRM | REG8 | RM8,
	[0x85] = MODRM | REG | RM,
	[0x86] = MODRM | REG8 | RM8,
	[0x87] = MODRM | REG | RM,
	[0x88] = MODRM | REG8 | RM8,
	[0x89] = MODRM | REG | RM,
	[0x8a] = MODRM | REG8 | RM8,
	[0x8b] = MODRM | REG | RM,
	[0x8c] = MODRM,
	[0x8d] = MODRM | REG,
	[0x8e ... 0x8f] = MODRM,
	[0xc0] = MODRM | RM8,
	[0xc1] = MODRM | RM,
	[0xc4 ... 0xc5] = MODRM, /* where it isn't VEX */
	[0xc6 ... 0xc7] = MODRM, /* F8 is XABORT, XBEGIN */
	[0xd0] = MODRM | RM8,
	[0xd1] = MODRM | RM,
	[0xd2] = MODRM | RM8,
	[0xd3] = MODRM | RM,
	[0xd8 ... 0xdf] = MODRM,
	[0xf6] = MODRM | RM8,
	[0xf7] = MODRM | RM,
	[0xfe] = MODRM | RM8,
	[0xff] = MODRM | RM,
};

/* behind 0F */
static const u8 two_bytes[256] = {
	[0x00 ... 0x03] = MODRM,
	[0x0d] = MODRM,
	[0x10 ... 0x1f] = MODRM,
	[0x20 ... 0x23] = MODRM | NO_MEMORY,
	[0x28 ... 0x2f] = MODRM,
	[0x40 ... 0x4f] = MODRM | REG | RM,
	[0x50 ... 0x76] = MODRM,
	[0x78 ... 0x7f] = MODRM,
	[0x90 ... 0x9f] = MODRM | RM8,
	[0xa3] = MODRM | REG | RM,
	[0xa4 ... 0xa5] = MODRM | REG | RM,
	[0xab] = MODRM | REG | RM,
	[0xac ... 0xad] = MODRM | REG | RM,
	[0xae] = MODRM,
	[0xaf] = MODRM | REG | RM,
	[0xb0] = MODRM | REG8 | RM8,
	[0xb1] = MODRM | REG | RM,
	[0xb2] = MODRM,
	[0xb3] = MODRM | REG | RM,
	[0xb4 ... 0xb5] = MODRM,
	[0xb6] = MODRM | REG | RM8,
	[0xb7] = MODRM | REG | RM,
	[0xb8] = MODRM | REG | RM,
	[0xb9] = MODRM,
	[0xba] = MODRM | RM,
	[0xbb] = MODRM | REG | RM,
	[0xbc ... 0xbd] = MODRM | REG | RM,
	[0xbe] = MODRM | REG | RM8,
	[0xbf] = MODRM | REG | RM,
	[0xc0] = MODRM | REG8 | RM8,
	[0xc1] = MODRM | REG | RM,
	[0xc2] = MODRM,
	[0xc3] = MODRM | REG,
	[0xc4 ... 0xc7] = MODRM,
	[0xd0 ... 0xff] = MODRM,
};

struct parts {
	unsigned int length;
	unsigned int modrm; /* where it is */
	u8 flags; /* of the opcode; AS_IT_IS of a prefix */
	u8 rex; /* 0: none */
	unsigned int rex_at;
	bool asize16;
};

/* Prefixes and opcode. A VEX prefix is one of more bytes. */
static bool parse(struct parts *p, const u8 *bytes, bool long64)
{
	unsigned int n = 0;
	u8 flags = one_byte[bytes[0]], left = 0;

	for (; flags & PREFIX; flags = one_byte[bytes[++n]]) {
		left |= flags & AS_IT_IS;
		p->asize16 ^= bytes[n] == 0x67;
		if (n == HEAD_MAX)
			return false;
	}
	p->rex = 0;
	if (long64 && (bytes[n] & 0xf0) == 0x40) {
		p->rex_at = n;
		p->rex = bytes[n++];
		flags = one_byte[bytes[n]];
		if (flags & PREFIX)
			return false;
	}
	if (bytes[n] == 0x0f) {
		flags = two_bytes[bytes[++n]];
		if (bytes[n] == 0x38 || bytes[n] == 0x3a) {
			flags = MODRM;
			n++;
		} else if (bytes[n] == 0x0f) {
			return false; /* 3DNow!: the opcode comes last */
		}
	} else if (long64 && (bytes[n] == 0xc4 || bytes[n] == 0xc5)) {
		bool map_0f = bytes[n] == 0xc5 || (bytes[n + 1] & 31) == 1;

		n += bytes[n] == 0xc5 ? 2 : 3;
		flags = map_0f && bytes[n] == 0x77 ? 0 : MODRM | AS_IT_IS; /* VZEROALL, VZEROUPPER */
	}
	p->flags = flags | left;
	p->length = p->modrm = n + 1;
	return true;
}

static bool has_memory(const struct parts *p, u8 modrm)
{
	return modrm < 0xc0 && !(p->flags & NO_MEMORY);
}

/* Those of 8 bits without REX stay if they are, or may be, AH to BH. */
static bool is_number(const struct parts *p, u8 byte, u8 n)
{
	return !(p->flags & byte) || p->rex || n < 4;
}

static void take_out(struct head *h, const struct parts *p, const u8 *bytes)
{
	u8 m = bytes[p->modrm], rm = m & 7, reg = m >> 3 & 7, rex = p->rex;
	u16 out = 0; /* of ModRM and SIB */

	if ((p->flags & REG) && is_number(p, BYTE_REG, reg)) {
		h->out |= HEAD_REG;
		h->reg = reg | (rex & 4) << 1;
		rex &= ~4;
		out |= 0x38;
	}
	if (!has_memory(p, m)) {
		if ((p->flags & RM) && is_number(p, BYTE_RM, rm)) {
			h->out |= HEAD_RM;
			h->rm = rm | (rex & 1) << 3;
			rex &= ~1;
			out |= 7;
		}
	} else if (!(p->flags & AS_IT_IS)) {
		u8 sib = bytes[p->modrm + 1], index = (sib >> 3 & 7) | (rex & 2) << 2;
		u8 base = rm == 4 ? sib & 7 : rm;

		if (base != 5 || m >= 0x40) { /* else RIP, or none */
			h->out |= HEAD_BASE;
			h->rm = base | (rex & 1) << 3;
			out |= rm == 4 ? 7 << 8 : 7;
		}
		if (rm == 4 && index != 4) {
			h->out |= HEAD_INDEX;
			h->index = index;
			out |= 0x38 << 8;
		}
		rex &= ~3;
	}
	h->bytes &= ~((u64)out << 8 * p->modrm);
	if (h->out & HEAD_INDEX)
		h->bytes |= 8ull << (8 * p->modrm + 8);
	if (p->rex)
		h->bytes ^= (u64)(rex ^ p->rex) << 8 * p->rex_at;
}

bool head_of(struct head *h, const u8 *bytes, bool long64, bool asize16)
{
	struct parts p = { .asize16 = asize16 };

	if (!parse(&p, bytes, long64))
		return false;
	if (p.flags & MODRM) {
		u8 m = bytes[p.modrm];

		p.length++;
		p.length += has_memory(&p, m) && (m & 7) == 4 && (long64 || !p.asize16);
	}
	if (p.length > HEAD_MAX)
		return false;
	memcpy(&h->bytes, bytes, 8);
	if (p.length < 8)
		h->bytes &= (1ull << 8 * p.length) - 1;
	h->length = (u8)p.length;
	h->out = 0;
	if (long64 && (p.flags & MODRM))
		take_out(h, &p, bytes);
	return true;
}
