/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's x87, SSE and AVX state: either live in the host's registers (v->fpu_live) or in v->xsave,
 * in XSAVE's standard format. It moves as a whole, with the host's XSAVE64 and XRSTOR64; where L0 needs
 * single fields, it takes an image. SDM vol. 1, "Managing State Using the XSAVE Feature Set".
 */
#ifndef L0_CPU_FPU_H
#define L0_CPU_FPU_H

#include "vcpu.h"

/* state components: bits of XCR0, XSTATE_BV, XCOMP_BV */
#define XSTATE_X87 BIT(0)
#define XSTATE_SSE BIT(1)
#define XSTATE_AVX BIT(2)
#define XSTATE_PKRU BIT(9)
/* what the host's registers hold for the guest; PKRU is L0's own business: v->pkru */
#define XSTATE_HOST (XSTATE_X87 | XSTATE_SSE | XSTATE_AVX)
#define XSTATE_AVX512 \
	(BIT(5) | BIT(6) | BIT(7)) /* opmasks, upper halves of ZMM0 to 15, ZMM16 to 31: no guest has them */
#define XCOMP_COMPACTED BIT(63)

#define XSAVE_HEADER 512 /* bytes from the start of an XSAVE area */
#define XSAVE_EXTENDED 576
#define XSAVE_AVX_SIZE 256
#define XSAVE_PKRU_OFFSET 832 /* standard format: as CPUID leaf 0xd tells the guest */
#define XSAVE_PKRU_SIZE 8

#define FCW_INIT 0x37f /* after FNINIT, and XRSTOR's initial configuration */
#define MXCSR_INIT 0x1f80

/* XSAVE area without extended components, and AVX where the standard format has it */
struct fpu_image {
	u16 fcw, fsw;
	u8 ftw; /* abridged: one bit for each register */
	u8 reserved;
	u16 fop;
	u64 fip, fdp;
	u32 mxcsr, mxcsr_mask;
	u8 st[8][16];
	u8 xmm[16][16];
	u8 unused[96];
	u64 xstate_bv, xcomp_bv, header[6];
	u8 ymm_high[16][16];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct fpu_image) == XSAVE_EXTENDED + XSAVE_AVX_SIZE, "XSAVE's standard format");
_Static_assert(offsetof(struct fpu_image, xmm) == 160, "XSAVE's legacy region");
_Static_assert(offsetof(struct fpu_image, xstate_bv) == XSAVE_HEADER, "XSAVE's header");

/* memcpy() and memset(0) of n bytes, a multiple of 8: of areas of half a KiB in one go */
static inline void fpu_move(void *to, const void *from, size_t n)
{
	n /= 8;
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static inline void fpu_zero(void *to, size_t n)
{
	n /= 8;
	__asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(0ull) : "memory");
}

/*
 * ThreadSanitizer's own calls, which are all over the C code, use vector registers. With it the thunks park the guest's state before
 * they call C and load it behind that (bt/thunks.c), so that C never has it in the host's registers.
 */
#ifdef __SANITIZE_THREAD__
#define FPU_MAY_BE_LIVE __attribute__((no_sanitize_thread))
#else
#define FPU_MAY_BE_LIVE
#endif

/* v->xsave into the host's registers; idempotent. What vcpu_fpu_park() undoes. */
void vcpu_fpu_load_now(struct vcpu *v);

/* Translated code is about to go on. */
static inline void vcpu_fpu_load(struct vcpu *v)
{
#ifdef __SANITIZE_THREAD__
	(void)v;
#else
	vcpu_fpu_load_now(v);
#endif
}

/*
 * A copy of the guest's state, wherever it is. Components that are in their initial configuration have
 * their bit clear in xstate_bv, and their bytes hold that configuration. x87's instruction and data
 * pointers are 0: the host's would be addresses in the code cache.
 */
void fpu_get(const struct vcpu *v, struct fpu_image *image);

/*
 * The reverse: all of xstate_bv is taken from *image, the rest becomes initial. image->mxcsr must have no reserved bit
 * (fpu_mxcsr_mask()); it is taken whatever xstate_bv says.
 */
void fpu_set(struct vcpu *v, struct fpu_image *image);

/* The bits of MXCSR that this CPU has, as the vCPU's own image says if it was ever saved, which is sooner done */
u32 fpu_mxcsr_mask_of(const struct vcpu *v);

/* The bits of MXCSR that this CPU has: SDM vol. 1, "Guidelines for Writing to the MXCSR Register" */
u32 fpu_mxcsr_mask(void);

#endif
