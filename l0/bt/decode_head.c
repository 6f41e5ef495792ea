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

struct opcode {
	u8 flags; /* AS_IT_IS also of a prefix */
	u8 end; /* bytes up to it */
	u8 rex, rex_at; /* 0: none */
	bool asize16;
};

/* Prefixes and opcode. A VEX prefix is one of more bytes. */
static inline bool find_opcode(struct opcode *o, const u8 *bytes, bool long64)
{
	unsigned int n = 0;
	u8 byte = bytes[0], flags = one_byte[byte], left = 0;

	while (flags & PREFIX) {
		left |= flags & AS_IT_IS;
		o->asize16 ^= byte == 0x67;
		if (++n == HEAD_MAX)
			return false;
		byte = bytes[n];
		flags = one_byte[byte];
	}
	if (long64 && (byte & 0xf0) == 0x40) {
		o->rex = byte;
		o->rex_at = (u8)n;
		byte = bytes[++n];
		flags = one_byte[byte];
		if (flags & PREFIX)
			return false;
	}
	if (byte == 0x0f) {
		byte = bytes[++n];
		flags = two_bytes[byte];
		if (byte == 0x38 || byte == 0x3a) {
			flags = MODRM;
			n++;
		} else if (byte == 0x0f) {
			return false; /* 3DNow!: the opcode comes last */
		}
	} else if ((byte & 0xfe) == 0xc4 && long64) {
		bool map_0f = byte == 0xc5 || (bytes[n + 1] & 31) == 1;

		n += byte == 0xc5 ? 2 : 3;
		flags = map_0f && bytes[n] == 0x77 ? 0 : MODRM | AS_IT_IS; /* VZEROALL, VZEROUPPER */
	}
	o->flags = flags | left;
	o->end = (u8)(n + 1);
	return true;
}

/* Those of 8 bits without REX stay if they are, or may be, AH to BH. */
static inline bool is_number(const struct opcode *o, u8 byte, u8 n)
{
	return !(o->flags & byte) || o->rex || n < 4;
}

/* The address of a memory operand. `modrm`: that and SIB. Returns REX without what that says of it. */
static inline u8 take_out_memory(struct head *h, u8 end, u16 modrm, u8 rex)
{
	u8 mod = modrm >> 6 & 3, rm = modrm & 7, base = rm, index = 4;
	bool sib = rm == 4;

	h->scale = 0;
	if (sib) {
		base = modrm >> 8 & 7;
		index = (modrm >> 11 & 7) | (rex & 2) << 2;
	}
	h->index = index;
	if (index == 4)
		h->index = HEAD_NONE;
	else
		h->scale = (u8)(1 << (modrm >> 14));
	h->disp_size = mod == 2 ? 4 : mod;
	h->base = base | (rex & 1) << 3;
	if (base == 5 && mod == 0) {
		h->disp_size = 4;
		h->base = sib ? HEAD_NONE : HEAD_RIP;
	}
	h->disp_at = end + 1 + sib;
	h->extra = sib + h->disp_size;
	return rex & ~3;
}

/* Of ModRM and what follows, in 64-bit mode */
static inline void take_out(struct head *h, const struct opcode *o, u16 modrm, bool memory)
{
	u8 rm = modrm & 7, reg = modrm >> 3 & 7, rex = o->rex, bits = 0;

	if ((o->flags & REG) && is_number(o, BYTE_REG, reg)) {
		h->out = HEAD_REG;
		h->reg = reg | (rex & 4) << 1;
		rex &= ~4;
		bits = 0x38;
	}
	if (!memory) {
		if ((o->flags & RM) && is_number(o, BYTE_RM, rm)) {
			h->out |= HEAD_RM;
			h->rm = rm | (rex & 1) << 3;
			rex &= ~1;
			bits |= 7;
		}
	} else if (!(o->flags & AS_IT_IS)) {
		h->out |= HEAD_MEMORY;
		rex = take_out_memory(h, o->end, modrm, rex);
		h->length = o->end + 1;
		bits |= 0xc7;
	}
	h->bytes &= ~((u64)bits << 8 * o->end);
	h->bytes ^= (u64)(rex ^ o->rex) << 8 * o->rex_at;
}

bool head_of(struct head *h, const u8 *bytes, bool long64, bool asize16)
{
	struct opcode o = { .asize16 = asize16 };
	bool memory = false;
	u16 modrm = 0;

	if (!find_opcode(&o, bytes, long64) || o.end + (o.flags & MODRM) > HEAD_MAX)
		return false;
	h->length = o.end;
	h->out = 0;
	h->extra = 0;
	memcpy(&h->bytes, bytes, 8);
	if (o.flags & MODRM) {
		memcpy(&modrm, bytes + o.end, 2);
		memory = (modrm & 0xc0) != 0xc0 && !(o.flags & NO_MEMORY);
		h->length += 1 + (memory && (modrm & 7) == 4 && (long64 || !o.asize16));
		if (long64)
			take_out(h, &o, modrm, memory);
	}
	if (h->length > HEAD_MAX)
		return false;
	h->bytes &= ~0ull >> (64 - 8 * h->length);
	return true;
}
