/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions of CPL 3 whose result isn't the code's own business: they show or change what L0 keeps from a guest, or a vmcs12 may want to
 * see them. Where one of them comes back as an exception, user code that holds it can run directly. Where it doesn't (and some never do:
 * Robin and Irvine, "Analysis of the Intel Pentium's Ability to Support a Secure Virtual Machine Monitor", USENIX Security 2000) a page that
 * holds it is left to the translator.
 *
 * Most of them are two-byte opcodes, 0F and a second byte, some with a ModRM byte. So a page is searched for
 * these bytes, at any offset; and since they are in every eighth page of common programs, most often as part of other instructions
 * (74 0F 31 C0 is JZ +15; XOR EAX, EAX), what is found is decoded as code runs. What neither the translator nor a linear decoding has ever come
 * to as an instruction is taken for none: code that jumps into the middle of its own instructions to read, say, the TSC isn't noticed,
 * and sees the host's. Other one-byte opcodes that don't come back rule out running directly at all (probe.h).
 *
 * Instructions of features that guests aren't offered and this host has all the same (AVX-512, TSX) are looked for apart, as *absent* ones: they
 * show nothing but that they are there, and libraries have them beside what they use instead.
 */
#ifndef L0_DIRECT_SENSITIVE_H
#define L0_DIRECT_SENSITIVE_H

#include <stddef.h>

#include "../cpu/types.h"

/* When a row counts */
enum sensitive_when {
	WHEN_ALWAYS, /* it never comes back */
	WHEN_LEAKS, /* the probe has seen that it doesn't */
	WHEN_SEGMENTS, /* CPL 3 can load segment registers from what isn't the guest's */
};

#define MOD_MEM 1u
#define MOD_REG 2u
#define MOD_ANY 3u

/* name, second byte of the opcode, ModRM.reg (a bit for each; 0: no ModRM byte looked at), ModRM.mod, when, code to try it with */
/* clang-format off */
#define SENSITIVE(S) \
	S(cpuid,         0xa2, 0x00, MOD_ANY, WHEN_LEAKS,    0x0f, 0xa2)                   \
	S(rdtsc,         0x31, 0x00, MOD_ANY, WHEN_LEAKS,    0x0f, 0x31)                   \
	S(rdpmc,         0x33, 0x00, MOD_ANY, WHEN_LEAKS,    0x0f, 0x33)                   \
	S(sysenter,      0x34, 0x00, MOD_ANY, WHEN_LEAKS,    0x0f, 0x34)                   \
	S(sldt,          0x00, 0x01, MOD_ANY, WHEN_LEAKS,    0x0f, 0x00, 0xc0)             \
	S(str,           0x00, 0x02, MOD_ANY, WHEN_LEAKS,    0x0f, 0x00, 0xc8)             \
	S(sgdt,          0x01, 0x01, MOD_MEM, WHEN_LEAKS,    0x0f, 0x01, 0x44, 0x24, 0xe0) \
	S(sidt,          0x01, 0x02, MOD_MEM, WHEN_LEAKS,    0x0f, 0x01, 0x4c, 0x24, 0xe0) \
	S(smsw,          0x01, 0x10, MOD_ANY, WHEN_LEAKS,    0x0f, 0x01, 0xe0)             \
	S(lar,           0x02, 0x00, MOD_ANY, WHEN_ALWAYS,   0)                            \
	S(lsl,           0x03, 0x00, MOD_ANY, WHEN_ALWAYS,   0)                            \
	S(verr_verw,     0x00, 0x30, MOD_ANY, WHEN_ALWAYS,   0)                            \
	/* misaligned: a KVM that interprets what is #GP runs them all the same */ \
	S(fxsave,        0xae, 0x01, MOD_MEM, WHEN_LEAKS,    0x0f, 0xae, 0x84, 0x24, 0x01, 0xfc, 0xff, 0xff) \
	S(fxrstor,       0xae, 0x02, MOD_MEM, WHEN_LEAKS,    0x0f, 0xae, 0x8c, 0x24, 0x01, 0xfc, 0xff, 0xff) \
	/* a vmcs12 may want RDRAND and RDSEED; RDPID shows TSC_AUX */ \
	S(rdrand_rdpid,  0xc7, 0xc0, MOD_REG, WHEN_ALWAYS,   0)                            \
	/* XCR0 may have PKRU, which is L0's own business */ \
	S(xsave,         0xae, 0x70, MOD_MEM, WHEN_ALWAYS,   0)                            \
	S(xsavec,        0xc7, 0x38, MOD_MEM, WHEN_ALWAYS,   0)                            \
	S(push_fs,       0xa0, 0x00, MOD_ANY, WHEN_SEGMENTS, 0)                            \
	S(pop_fs,        0xa1, 0x00, MOD_ANY, WHEN_SEGMENTS, 0)                            \
	S(push_gs,       0xa8, 0x00, MOD_ANY, WHEN_SEGMENTS, 0)                            \
	S(pop_gs,        0xa9, 0x00, MOD_ANY, WHEN_SEGMENTS, 0)                            \
	S(lss,           0xb2, 0x00, MOD_ANY, WHEN_SEGMENTS, 0)                            \
	S(lfs,           0xb4, 0x00, MOD_ANY, WHEN_SEGMENTS, 0)                            \
	S(lgs,           0xb5, 0x00, MOD_ANY, WHEN_SEGMENTS, 0)
/* clang-format on */

enum sensitive {
#define S(name, ...) SENSITIVE_##name,
	SENSITIVE(S)
#undef S
		SENSITIVE_COUNT
};

struct sensitive_insn {
	const char *name;
	u8 second, regs, mods;
	enum sensitive_when when;
	u8 code[8]; /* WHEN_LEAKS */
	u8 length; /* of code */
};

extern const struct sensitive_insn SENSITIVE_INSNS[SENSITIVE_COUNT];

/*
 * 0F 01 with a register's ModRM byte, C0 to FF, is an instruction each: VMCALL, VMMCALL, XGETBV, RDPKRU, RDTSCP, RDPRU, MONITORX, ... A bit for
 * each that isn't #UD here; bit 0 is C0.
 */
#define GROUP_0F01_FIRST 0xc0u

/* What to search for: made once, from what counts */
struct sensitive_set {
	u8 second[256]; /* 0: no row, 1: any third byte, 2 + n: third[n] */
	u64 third[8][4]; /* by ModRM byte, a bit each */
	bool avx512; /* AVX-512 is looked for, too: the host has it, and its XCR0 in force */
	bool tsx; /* and XBEGIN, XABORT, XEND, XTEST: XTEST isn't #UD here */
	bool one_byte; /* moves from and to segment registers, far transfers, POPF, INT n, a wrong LOCK: which only decoding finds */
};

/* avx512 is false after it. rows: a bit for each enum sensitive that counts; group: of 0F 01, as above; one_byte: as in the struct, where the host has no VT */
void sensitive_set_make(struct sensitive_set *s, u32 rows, u64 group, bool one_byte);

/* The first place in [code + from, code + n) where one of the byte sequences begins, -1: there is none. Not one-byte opcodes. */
long sensitive_find(const struct sensitive_set *s, const u8 *code, size_t from, size_t n);

/* Do its last bytes begin one that might go on behind them? */
bool sensitive_tail(const struct sensitive_set *s, const u8 *code, size_t n);

/* Bytes of two neighbours that sensitive_find() has to see for what lies in both: this many from each */
#define SENSITIVE_STRADDLE 2u

/* What a page holds, as bits: one of the set's instructions; an absent one */
#define SENSITIVE_FOUND BIT(0)
#define SENSITIVE_ABSENT BIT(1)

/*
 * What does the page hold? starts: offsets where instructions begin, as far as is known. bits: 64 or 32. What goes on in the
 * next page is sensitive_tail()'s business, but for one-byte opcodes and absent ones. SENSITIVE_ABSENT may be missing beside SENSITIVE_FOUND.
 */
unsigned int sensitive_page(const struct sensitive_set *s, const u8 page[4096], const u16 *starts, size_t count,
			    unsigned int bits);

/*
 * Does 64-bit code that begins at `start` lead to an absent instruction, as far as its branches tell and without a way out of the page? For a page with
 * SENSITIVE_ABSENT.
 */
bool sensitive_leads_to_absent(const u8 page[4096], u16 start);

/* Bytes of the instruction that code[0..n-1] begins with; 0: it isn't one, or not whole. bits: 64 or 32 */
unsigned int sensitive_length(const u8 *code, size_t n, unsigned int bits);

#endif
