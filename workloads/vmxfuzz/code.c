/* SPDX-License-Identifier: GPL-2.0-or-later */
/* L2's code: instructions that a hypervisor cares for, with operands of all kinds, and bytes that are anything. */
#include "vmxfuzz.h"

#define CODE (L2_MEMORY + 0x10000)
#define CODE_SIZE 0x800u
#define HANDLERS (L2_MEMORY + 0x1f000)
#define DATA_SIZE 0x80000u

/* what follows the opcode */
enum operand {
	NONE,
	REG, /* ModRM with registers */
	MEM, /* ModRM with memory, or a register */
	IMM8,
	IMM32,
	CONTROL, /* ModRM of MOV CR and MOV DR */
};

static const struct insn {
	u8 length, opcode[4], operand;
	u8 reg; /* of ModRM, for a group; 8: any */
} INSNS[] = {
	/* clang-format off */
	{ 2, { 0x0f, 0xa2 }, NONE, 0 },             /* CPUID */
	{ 2, { 0x0f, 0x31 }, NONE, 0 },             /* RDTSC */
	{ 3, { 0x0f, 0x01, 0xf9 }, NONE, 0 },       /* RDTSCP */
	{ 1, { 0xf4 }, NONE, 0 },                   /* HLT */
	{ 2, { 0x0f, 0x08 }, NONE, 0 },             /* INVD */
	{ 2, { 0x0f, 0x09 }, NONE, 0 },             /* WBINVD */
	{ 3, { 0x0f, 0x01, 0xc1 }, NONE, 0 },       /* VMCALL */
	{ 3, { 0x0f, 0x01, 0xd4 }, NONE, 0 },       /* VMFUNC */
	{ 3, { 0x0f, 0x01, 0xc2 }, NONE, 0 },       /* VMLAUNCH */
	{ 3, { 0x0f, 0x01, 0xc3 }, NONE, 0 },       /* VMRESUME */
	{ 3, { 0x0f, 0x01, 0xc4 }, NONE, 0 },       /* VMXOFF */
	{ 2, { 0x0f, 0x32 }, NONE, 0 },             /* RDMSR */
	{ 2, { 0x0f, 0x30 }, NONE, 0 },             /* WRMSR */
	{ 2, { 0x0f, 0x33 }, NONE, 0 },             /* RDPMC */
	{ 2, { 0x0f, 0x20 }, CONTROL, 0 },          /* MOV from CR */
	{ 2, { 0x0f, 0x22 }, CONTROL, 0 },          /* MOV to CR */
	{ 3, { 0x44, 0x0f, 0x20 }, CONTROL, 0 },    /* CR8 in 64-bit mode */
	{ 3, { 0x44, 0x0f, 0x22 }, CONTROL, 0 },
	{ 2, { 0x0f, 0x21 }, CONTROL, 0 },          /* MOV from DR */
	{ 2, { 0x0f, 0x23 }, CONTROL, 0 },          /* MOV to DR */
	{ 2, { 0x0f, 0x06 }, NONE, 0 },             /* CLTS */
	{ 2, { 0x0f, 0x01 }, MEM, 6 },              /* LMSW */
	{ 2, { 0x0f, 0x01 }, MEM, 4 },              /* SMSW */
	{ 1, { 0xe4 }, IMM8, 0 }, { 1, { 0xe5 }, IMM8, 0 }, { 1, { 0xe6 }, IMM8, 0 }, { 1, { 0xe7 }, IMM8, 0 },
	{ 1, { 0xec }, NONE, 0 }, { 1, { 0xed }, NONE, 0 }, { 1, { 0xee }, NONE, 0 }, { 1, { 0xef }, NONE, 0 },
	{ 1, { 0x6c }, NONE, 0 }, { 1, { 0x6d }, NONE, 0 }, { 1, { 0x6e }, NONE, 0 }, { 1, { 0x6f }, NONE, 0 },
	{ 2, { 0xf3, 0x6c }, NONE, 0 }, { 2, { 0xf3, 0x6f }, NONE, 0 },
	{ 1, { 0xa4 }, NONE, 0 }, { 2, { 0xf3, 0xa5 }, NONE, 0 }, { 2, { 0xf3, 0xab }, NONE, 0 }, { 2, { 0xf3, 0xa6 }, NONE, 0 },
	{ 2, { 0x0f, 0x01 }, MEM, 0 }, { 2, { 0x0f, 0x01 }, MEM, 1 }, /* SGDT, SIDT */
	{ 2, { 0x0f, 0x01 }, MEM, 2 }, { 2, { 0x0f, 0x01 }, MEM, 3 }, /* LGDT, LIDT */
	{ 2, { 0x0f, 0x01 }, MEM, 7 },              /* INVLPG */
	{ 2, { 0x0f, 0x00 }, MEM, 8 },              /* SLDT, STR, LLDT, LTR, VERR, VERW */
	{ 3, { 0x0f, 0x01, 0xc8 }, NONE, 0 },       /* MONITOR */
	{ 3, { 0x0f, 0x01, 0xc9 }, NONE, 0 },       /* MWAIT */
	{ 2, { 0xf3, 0x90 }, NONE, 0 },             /* PAUSE */
	{ 3, { 0x0f, 0x01, 0xd0 }, NONE, 0 },       /* XGETBV */
	{ 3, { 0x0f, 0x01, 0xd1 }, NONE, 0 },       /* XSETBV */
	{ 2, { 0x0f, 0xc7 }, REG, 6 }, { 2, { 0x0f, 0xc7 }, REG, 7 }, /* RDRAND, RDSEED */
	{ 2, { 0x0f, 0xc7 }, MEM, 8 },              /* XSAVES, XRSTORS, VMPTRLD, VMPTRST, CMPXCHG8B ... */
	{ 3, { 0x66, 0x0f, 0xc7 }, MEM, 6 },        /* VMCLEAR */
	{ 3, { 0xf3, 0x0f, 0xc7 }, MEM, 6 },        /* VMXON */
	{ 2, { 0x0f, 0x78 }, MEM, 8 }, { 2, { 0x0f, 0x79 }, MEM, 8 }, /* VMREAD, VMWRITE */
	{ 4, { 0x66, 0x0f, 0x38, 0x80 }, MEM, 8 },  /* INVEPT */
	{ 4, { 0x66, 0x0f, 0x38, 0x81 }, MEM, 8 },  /* INVVPID */
	{ 4, { 0x66, 0x0f, 0x38, 0x82 }, MEM, 8 },  /* INVPCID */
	{ 2, { 0x0f, 0xae }, MEM, 8 },              /* FXSAVE, XSAVE, XRSTOR, fences ... */
	{ 1, { 0xcd }, IMM8, 0 }, { 1, { 0xcc }, NONE, 0 }, { 1, { 0xce }, NONE, 0 }, { 1, { 0xf1 }, NONE, 0 },
	{ 1, { 0xcf }, NONE, 0 }, { 2, { 0x48, 0xcf }, NONE, 0 }, { 1, { 0xcb }, NONE, 0 },
	{ 1, { 0xff }, MEM, 8 },                    /* INC ... far CALL and JMP, PUSH */
	{ 7, { 0xea }, NONE, 0 },                   /* far JMP; the rest of it is added below */
	{ 1, { 0xfa }, NONE, 0 }, { 1, { 0xfb }, NONE, 0 }, { 1, { 0x9c }, NONE, 0 }, { 1, { 0x9d }, NONE, 0 },
	{ 1, { 0x8e }, MEM, 2 }, { 1, { 0x17 }, NONE, 0 }, { 1, { 0x8e }, MEM, 8 },
	{ 3, { 0x0f, 0x01, 0xf8 }, NONE, 0 },       /* SWAPGS */
	{ 2, { 0x0f, 0x05 }, NONE, 0 }, { 2, { 0x0f, 0x34 }, NONE, 0 }, { 2, { 0x0f, 0x35 }, NONE, 0 }, { 2, { 0x0f, 0x07 }, NONE, 0 },
	{ 2, { 0x0f, 0x0b }, NONE, 0 },             /* UD2 */
	{ 1, { 0x88 }, MEM, 8 }, { 1, { 0x89 }, MEM, 8 }, { 1, { 0x8b }, MEM, 8 }, { 1, { 0x01 }, MEM, 8 },
	{ 2, { 0xf0, 0x01 }, MEM, 8 }, { 2, { 0x0f, 0xb1 }, MEM, 8 },
	{ 1, { 0xb8 }, IMM32, 0 }, { 1, { 0xb9 }, IMM32, 0 }, { 1, { 0xba }, IMM32, 0 }, { 1, { 0xbf }, IMM32, 0 },
	{ 2, { 0x0f, 0x6f }, MEM, 8 }, { 2, { 0x0f, 0x11 }, MEM, 8 }, { 1, { 0xdd }, MEM, 8 }, { 1, { 0x9b }, NONE, 0 },
	{ 1, { 0xeb }, IMM8, 0 }, { 1, { 0x75 }, IMM8, 0 }, { 1, { 0xe2 }, IMM8, 0 }, { 1, { 0xe8 }, IMM32, 0 },
	/* clang-format on */
};

static u8 *put(u8 *at, u64 value, u32 bytes)
{
	while (bytes--) {
		*at++ = (u8)value;
		value >>= 8;
	}
	return at;
}

/* An address of L2's: its data, its tables, its code, what only EPT knows, or anything */
static u32 some_address(void)
{
	static const u16 APIC[] = { 0x20,  0x30,  0x80,	 0xb0,	0xd0,  0xe0,  0xf0,
				    0x100, 0x280, 0x300, 0x310, 0x320, 0x380, 0x3e0 };

	switch (below(9)) {
	case 0:
		return below(0x20000);
	case 8: /* one of these pages may be the APIC-access page */
		return (chance(1, 2) ? 0x40000 : 0x7f9000) + APIC[below(sizeof(APIC) / sizeof(APIC[0]))];
	case 1:
		return 0x7f4000 + below(7) * 0x1000 + below(0x400);
	case 2:
		return (u32)random64();
	default:
		return 0x40000 + below(DATA_SIZE);
	}
}

static u8 *put_memory(u8 *at, u32 reg, bool narrow)
{
	if (chance(1, 4)) /* a register, or memory at what a register says */
		return put(at, (reg & 7) << 3 | below(8) | (chance(1, 2) ? 0xc0 : 0), 1);
	if (narrow) {
		at = put(at, (reg & 7) << 3 | 6, 1);
		return put(at, some_address(), 2);
	}
	at = put(at, (reg & 7) << 3 | 4, 1);
	at = put(at, 0x25, 1); /* SIB: no base, no index */
	return put(at, some_address(), 4);
}

/* MSRs that VMX has an opinion on: x2APIC's, those of the VMCS, of bitmaps' both halves and of neither */
static u32 some_msr(void)
{
	static const u32 MSRS[] = { 0x802,	0x808,	    0x80b,	0x80d,	0x80f,	   0x830, 0x832, 0x838,
				    0x83f,	0x10,	    0x1b,	0x3a,	0x3b,	   0x174, 0x176, 0x1a0,
				    0x1d9,	0x277,	    0x2ff,	0x480,	0x491,	   0x6e0, 0xda0, 0xc0000080,
				    0xc0000082, 0xc0000101, 0xc0000103, 0x2000, 0x40000000 };

	return chance(1, 8) ? (u32)random64() & 0xc0001fff : MSRS[below(sizeof(MSRS) / sizeof(MSRS[0]))];
}

static u8 *put_insn(u8 *at, const struct insn *i, bool narrow)
{
	static const u8 PREFIXES[] = { 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x64, 0x48, 0x4c, 0x49 };
	u32 reg = i->reg < 8 ? i->reg : below(8);

	if (chance(1, 10))
		at = put(at, PREFIXES[below(sizeof(PREFIXES))], 1);
	if (i->length == 7) { /* far JMP: a segment, a TSS, a task gate */
		static const u16 SELECTORS[] = { 0x10, 0x18, 0x20, 0x2b, 0x40, 0x50, 0x58, 0x1000 };

		at = put(at, i->opcode[0], 1);
		at = put(at, 0x10000 + below(CODE_SIZE), narrow ? 2 : 4);
		return put(at, SELECTORS[below(8)], 2);
	}
	for (u32 n = 0; n < i->length; n++)
		*at++ = i->opcode[n];
	switch ((enum operand)i->operand) {
	case NONE:
		return at;
	case REG:
		return put(at, 0xc0 | reg << 3 | below(8), 1);
	case MEM:
		return put_memory(at, reg, narrow);
	case IMM8:
		return put(at, random64(), 1);
	case IMM32:
		if (i->opcode[0] == 0xb9 && chance(1, 2)) {
			at = put(at, some_msr(), narrow ? 2 : 4);
			return put(at, chance(1, 2) ? 0x320f : 0x300f, 2); /* RDMSR, WRMSR */
		}
		return put(at,
			   chance(1, 2)	  ? some_address()
			   : chance(1, 2) ? below(0x1000)
					  : random64(),
			   narrow ? 2 : 4);
	case CONTROL:
		return put(at, 0xc0 | below(5) << 3 | below(8), 1);
	}
	return at;
}

void build_code(enum l2_mode mode)
{
	static const u8 HANDLER[][4] = {
		{ 0x48, 0xcf }, { 0xcf }, { 0x0f, 0x01, 0xc1 }, { 0xf4 }, { 0x83, 0xc4, 0x08, 0xcf }
	};
	const bool narrow = mode == REAL || mode == V8086;
	u32 wild = chance(1, 4) ? 8 : 1; /* of 16: bytes that are anything */
	u8 *at = (u8 *)CODE;

	while (at < (u8 *)CODE + CODE_SIZE) {
		if (chance(wild, 16))
			at = put(at, random64(), 1 + below(8));
		else
			at = put_insn(at, &INSNS[below(sizeof(INSNS) / sizeof(INSNS[0]))], narrow);
	}
	for (u32 i = 0; i < 16; i++)
		put((u8 *)HANDLERS + 16 * i, *(const u32 *)HANDLER[below(5)], 4);
}
