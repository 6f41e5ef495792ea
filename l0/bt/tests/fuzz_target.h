/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The differential fuzzer's contract: what a case is, and what runs it.
 *
 * A case is a piece of user-mode code with the whole register state before it. A target (the host's
 * CPU, turtles, one that is wrong on purpose) runs it until the first exception and says what it
 * left behind: registers, memory, and the exception. A case that runs to its end hits an INT3, so an
 * exception there always is. Both sides see the same linear addresses, selectors and RFLAGS.
 *
 * Cases come in batches with one memory image. A target restores the image between two cases.
 * This header is also read by the native executor, which has no C library: keep it free of includes.
 */
#ifndef L0_BT_TESTS_FUZZ_TARGET_H
#define L0_BT_TESTS_FUZZ_TARGET_H

#include "../../cpu/types.h"

/*
 * The linear address space of a case: nothing else is mapped for user mode, so that the pages between are guards.
 * Code stands in `code`, the rest of which is filled with INT3; it is not part of the image.
 *
 *   name      address      pages  writable
 */
/* clang-format off */
#define FUZZ_REGIONS(X) \
	X(data,    0x20001000,  4,     1) /* ends at a guard */ \
	X(rodata,  0x20006000,  1,     0) /* between guards */ \
	X(mixed,   0x20008000,  1,     1) /* ends at a read-only page */ \
	X(romixed, 0x20009000,  1,     0) \
	X(stack,   0x30001000,  3,     1)
/* clang-format on */

#define FUZZ_CODE 0x10000000ull
#define FUZZ_CODE_PAGES 16
#define FUZZ_CODE_END (FUZZ_CODE + FUZZ_CODE_PAGES * FUZZ_PAGE)
#define FUZZ_PAGE 4096ull
#define FUZZ_CODE_FILL 0xcc

enum {
#define X(name, address, pages, writable) FUZZ_FIRST_##name, FUZZ_LAST_##name = FUZZ_FIRST_##name + (pages)-1,
	FUZZ_REGIONS(X)
#undef X
		FUZZ_PAGES,
};

struct fuzz_region {
	const char *name;
	u64 address;
	unsigned int first; /* index of its first page in an image */
	unsigned int pages;
	bool writable;
};

#define FUZZ_REGION_COUNT 5
#define FUZZ_REGION_TABLE_ROW(name, address, pages, writable) { #name, address, FUZZ_FIRST_##name, pages, writable },

/* the selectors that Linux gives its processes */
#define FUZZ_CS64 0x33
#define FUZZ_CS32 0x23
#define FUZZ_DS 0x2b

/*
 * Segments with a base and a limit, in an LDT. Where a limit isn't at a region's end, operands cross it.
 *
 *   name      selector  base        limit    code  expand-down  D/B
 */
/* clang-format off */
#define FUZZ_LDT(X) \
	X(code16,  0x07,     0x10000000, 0xffff,  1,    0,           0) \
	X(code32,  0x0f,     0x0fffd000, 0x12fff, 1,    0,           1) \
	X(data,    0x17,     0x20000000, 0x9ff7,  0,    0,           0) \
	X(down,    0x1f,     0x20000000, 0x17ff,  0,    1,           0) /* 0x1800 to 0xffff */ \
	X(stack16, 0x27,     0x30000000, 0xffff,  0,    0,           0) \
	X(stack32, 0x2f,     0x2ffff000, 0x4ff7,  0,    0,           1)
/* clang-format on */

struct fuzz_segment {
	u16 selector;
	u32 base, limit;
	bool code, expand_down, big;
};

static const struct fuzz_segment fuzz_ldt[] = {
#define X(name, selector, base, limit, code, expand_down, big) { selector, base, limit, code, expand_down, big },
	FUZZ_LDT(X)
#undef X
};

#define FUZZ_LDT_ENTRIES (sizeof(fuzz_ldt) / sizeof(fuzz_ldt[0]))

/*
 * What a case's code runs as. The bases are those of the segments.
 *
 *   name      bits  stack  CS          SS       DS       ES        code base    stack base   data base
 */
/* clang-format off */
#define FUZZ_MODES(X) \
	X(flat64,  64,   64,    FUZZ_CS64,  FUZZ_DS, FUZZ_DS, FUZZ_DS,  0,           0,           0) \
	X(flat32,  32,   32,    FUZZ_CS32,  FUZZ_DS, FUZZ_DS, FUZZ_DS,  0,           0,           0) \
	X(seg32,   32,   32,    0x0f,       0x2f,    0x17,    0x1f,     0x0fffd000,  0x2ffff000,  0x20000000) \
	X(seg32_stack16, 32, 16, 0x0f,      0x27,    0x17,    0x17,     0x0fffd000,  0x30000000,  0x20000000) \
	X(seg16,   16,   16,    0x07,       0x27,    0x17,    0x1f,     0x10000000,  0x30000000,  0x20000000) \
	X(seg16_stack32, 16, 32, 0x07,      0x2f,    0x17,    0x17,     0x10000000,  0x2ffff000,  0x20000000) \
	/* as Linux starts 64-bit programs */ \
	X(null64,  64,   64,    FUZZ_CS64,  FUZZ_DS, 0,       0,        0,           0,           0)
/* clang-format on */

struct fuzz_mode {
	const char *name;
	u8 bits, stack_bits;
	u16 cs, ss, ds, es;
	u32 code_base, stack_base, data_base;
};

static const struct fuzz_mode fuzz_modes[] = {
#define X(name, ...) { #name, __VA_ARGS__ },
	FUZZ_MODES(X)
#undef X
};

#define FUZZ_MODE_COUNT (sizeof(fuzz_modes) / sizeof(fuzz_modes[0]))
enum {
#define X(name, ...) FUZZ_MODE_##name,
	FUZZ_MODES(X)
#undef X
};

/* RFLAGS bits that a case starts with besides FUZZ_RFLAGS_SET, which are always set */
#define FUZZ_RFLAGS_FREE (0xcd5ull | BIT(8) | BIT(18)) /* OF DF SF ZF AF PF CF, TF, AC */
#define FUZZ_RFLAGS_SET (BIT(1) | BIT(9)) /* IF */

/* XSAVE's standard format, components 0 to 2: SDM vol. 1, "XSAVE Area" */
#define FUZZ_XSAVE_SIZE 832
#define FUZZ_XSAVE_HEADER 512
#define FUZZ_XSAVE_YMM 576

struct fuzz_state {
	_Alignas(64) u8 xsave[FUZZ_XSAVE_SIZE];
	u64 gpr[16]; /* in the order of their encoding */
	u64 rip;
	u64 rflags;
	u64 fs_base, gs_base;
	u16 cs, ss, ds, es; /* results only; what a case starts with is in its mode */
};

#define FUZZ_CODE_MAX 320

struct fuzz_case {
	struct fuzz_state in; /* rip is the first instruction: an offset in CS, as in results */
	u64 code_address; /* linear */
	u16 code_size; /* bytes; what lies behind FUZZ_CODE_END is cut off */
	u8 mode; /* FUZZ_MODE_* */
	u8 code[FUZZ_CODE_MAX];
};

static inline const struct fuzz_mode *fuzz_mode(const struct fuzz_case *c)
{
	return &fuzz_modes[c->mode];
}

#define FUZZ_BATCH 64

struct fuzz_batch {
	_Alignas(4096) u8 memory[FUZZ_PAGES][4096];
	u32 first, count; /* cases below `first` are not run: their results mean nothing */
	struct fuzz_case cases[FUZZ_BATCH];
};

enum fuzz_status {
	FUZZ_EXCEPTION, /* vector, error, cr2 say which */
	FUZZ_TIMEOUT, /* still running after a time in which every case should end */
	FUZZ_VOID, /* left the sandbox (a system call): nothing can be compared */
	FUZZ_BROKEN, /* the target failed: `why` */
};

struct fuzz_result {
	struct fuzz_state out;
	u32 status; /* enum fuzz_status */
	u32 vector, error; /* error is 0 where the vector has none */
	u64 cr2; /* #PF only */
	bool interpreted; /* by the host's CPU, below which a hypervisor interprets some of it, and not as a CPU does */
	bool direct; /* some of it ran by /dev/kvm: without VT that interprets a few things, and not as a CPU does */
	u32 dirty; /* bit n: page n of the image changed and stands in memory[n] */
	char why[120];
	_Alignas(64) u8 memory[FUZZ_PAGES][4096];
};

/*
 * start() may return before the batch has run (and run it in another process); finish() waits. Between the two the
 * batch must not change. One batch at a time.
 */
struct fuzz_target {
	const char *name;
	void (*start)(struct fuzz_target *t, const struct fuzz_batch *batch);
	/* results of batch->count cases; they stay valid until the next start() */
	const struct fuzz_result *(*finish)(struct fuzz_target *t);
	/* CPUID as a program sees it there. out: EAX EBX ECX EDX */
	void (*cpuid)(struct fuzz_target *t, u32 leaf, u32 subleaf, u32 out[4]);
	void (*destroy)(struct fuzz_target *t);
	unsigned int modes; /* set of FUZZ_MODE_* that it can run */
	/* where to note the number of the case before it is run, or NULL; for targets that may crash */
	volatile u32 *progress;
};

/* Each returns NULL with one line in `error` (at least 200 bytes). */

/* The host's CPU. `executor` is the path of the program fuzz-native. */
struct fuzz_target *fuzz_native_create(const char *executor, char *error);

/* Passes everything to `inner`, but spoils the result of a case that executes the instruction named `mnemonic` (Zydis'
 * spelling) and ends normally: flips one bit of a register. Owns `inner`. */
struct fuzz_target *fuzz_broken_create(struct fuzz_target *inner, const char *mnemonic, char *error);

/* turtles: a machine with one vCPU, the translator and CPL 3 */
struct fuzz_target *fuzz_bt_create(char *error);

/* The same, and what may run directly (direct/) does: the kernel's programs, mode null64, where KVM has no VT. */
struct fuzz_target *fuzz_direct_create(char *error);

/* What `create` creates, in a process of its own: if that ends or hangs, the case is FUZZ_BROKEN, and the next has a new process. */
struct fuzz_target *fuzz_remote_create(struct fuzz_target *(*create)(char *error), char *error);

#endif
