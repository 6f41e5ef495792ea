/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What registers and memory hold before a case: values at which instructions behave differently. */
#include "fuzz_state.h"
#include <string.h>

/* 64 bits: small, a power of two or near one, all ones from some bit on, or anything */
u64 fuzz_integer(struct rng *r)
{
	u64 x = rng_next(r);

	switch (rng_below(r, 8)) {
	case 0:
		return 0;
	case 1:
		return (s64)rng_below(r, 3) - 1;
	case 2:
		return rng_below(r, 256);
	case 3:
		return BIT(rng_below(r, 64)) + rng_below(r, 3) - 1;
	case 4:
		return (s64)x >> rng_below(r, 64);
	case 5:
		return x >> rng_below(r, 64);
	default:
		return x;
	}
}

/* `bits` of exponent and `fraction` of fraction: SDM vol. 1, "Floating-Point Format" */
static u64 floating(struct rng *r, unsigned int bits, unsigned int fraction)
{
	u64 all = BIT(bits) - 1, f = rng_next(r) & (BIT(fraction) - 1), e;

	switch (rng_below(r, 12)) {
	case 0: /* zero */
		e = f = 0;
		break;
	case 1: /* infinity */
		e = all;
		f = 0;
		break;
	case 2: /* NaN, quiet or signalling */
		e = all;
		f |= 1;
		break;
	case 3: /* denormal */
		e = 0;
		break;
	case 4: /* close to overflow or underflow */
		e = rng_chance(r, 50) ? all - 1 - rng_below(r, 3) : 1 + rng_below(r, 3);
		break;
	case 5: /* a whole number */
		e = (all >> 1) + rng_below(r, bits * 3);
		f &= ~(BIT(fraction) - 1) >> rng_below(r, 6) & (BIT(fraction) - 1);
		break;
	default: /* ordinary */
		e = (all >> 1) - 10 + rng_below(r, 20);
		break;
	}
	return (u64)rng_below(r, 2) << (bits + fraction) | e << fraction | f;
}

/* n bytes, a multiple of 16, of one kind of data */
void fuzz_data(struct rng *r, u8 *to, unsigned int n)
{
	unsigned int kind = rng_below(r, 8), i;
	u64 x[2];

	for (i = 0; i < n; i += 16) {
		switch (kind) {
		case 0: /* also what CMPXCHG finds */
			x[0] = x[1] = 0;
			break;
		case 1: /* single */
			x[0] = floating(r, 8, 23) | floating(r, 8, 23) << 32;
			x[1] = floating(r, 8, 23) | floating(r, 8, 23) << 32;
			break;
		case 2: /* double */
			x[0] = floating(r, 11, 52);
			x[1] = floating(r, 11, 52);
			break;
		case 3: /* double extended, twice as wide as it is stored here */
			x[0] = rng_next(r) | (rng_chance(r, 95) ? BIT(63) : 0);
			x[1] = rng_below(r, 2) << 15 | (0x3fff - 40 + rng_below(r, 80));
			break;
		case 4: /* indexes: doublewords or quadwords */
			x[0] = rng_below(r, 128) | (u64)rng_below(r, 128) << (rng_chance(r, 50) ? 32 : 0);
			x[1] = rng_below(r, 128) | (u64)rng_below(r, 128) << (rng_chance(r, 50) ? 32 : 0);
			break;
		case 5:
			x[0] = fuzz_integer(r);
			x[1] = fuzz_integer(r);
			break;
		case 6: /* MXCSR and FCW that may be loaded, RFLAGS without TF */
			x[0] = 0x1f80 | rng_below(r, 4) << 13 | (u64)(rng_below(r, 0x1000) & ~0x700u) << 32;
			x[1] = 0x037f | rng_below(r, 16) << 8 | (u64)rng_below(r, 0x10000) << 32;
			break;
		default:
			x[0] = rng_next(r);
			x[1] = rng_next(r);
			break;
		}
		memcpy(to + i, x, 16);
	}
}

void fuzz_memory(u64 seed, u64 batch, u8 memory[FUZZ_PAGES][4096])
{
	struct rng r = rng_seed(seed, ~batch);
	unsigned int i;

	for (i = 0; i < FUZZ_PAGES * FUZZ_PAGE; i += 64)
		fuzz_data(&r, &memory[0][0] + i, 64);
}

/* SDM vol. 1, "x87 FPU Control Word", "x87 FPU Status Word" */
static void x87(struct rng *r, u8 *area)
{
	u16 control = 0x037f, status, i;
	u8 tags = rng_next(r);

	if (rng_chance(r, 30)) {
		static const u8 precision[] = { 0, 2, 3 };

		control = 0x40 | precision[rng_below(r, 3)] << 8 | rng_below(r, 4) << 10;
		control |= rng_chance(r, 75) ? 0x3f : rng_below(r, 64);
	}
	status = rng_below(r, 8) << 11 | (rng_next(r) & 0x4700);
	if (rng_chance(r, 20)) /* flags of masked exceptions only: nothing is pending */
		status |= rng_next(r) & control & 0x3f;
	if (rng_chance(r, 50))
		tags = rng_chance(r, 60) ? 0xff : 0;
	memcpy(area, &control, 2);
	memcpy(area + 2, &status, 2);
	area[4] = tags;
	for (i = 0; i < 8; i++) {
		u8 *st = area + 32 + i * 16;
		u64 significand = rng_next(r) | BIT(63);
		u16 exponent = (0x3fff - 30 + rng_below(r, 60)) | rng_below(r, 2) << 15;

		switch (rng_below(r, 12)) {
		case 0: /* zero, denormal */
			exponent &= 0x8000;
			significand = rng_chance(r, 50) ? 0 : significand & ~BIT(63);
			break;
		case 1: /* infinity, NaN */
			exponent |= 0x7fff;
			significand = rng_chance(r, 50) ? BIT(63) : significand;
			break;
		case 2: /* what MMX leaves behind */
			exponent = 0xffff;
			significand = fuzz_integer(r);
			break;
		case 3: /* unsupported formats included */
			exponent = rng_next(r);
			significand = rng_next(r);
			break;
		case 4: /* a whole number */
			significand &= ~0ull << (40 + rng_below(r, 24));
			break;
		}
		memcpy(st, &significand, 8);
		memcpy(st + 8, &exponent, 2);
	}
}

static void vectors(struct rng *r, u8 *xsave)
{
	u32 mxcsr = 0x1f80;
	u64 components = 7;
	unsigned int i;

	if (rng_chance(r, 30)) {
		mxcsr = rng_below(r, 4) << 13 | rng_below(r, 64) | (rng_chance(r, 15) ? BIT(15) : 0) |
			(rng_chance(r, 15) ? BIT(6) : 0);
		mxcsr |= rng_chance(r, 70) ? 0x1f80 : rng_below(r, 64) << 7;
	}
	memcpy(xsave + 24, &mxcsr, 4);
	for (i = 0; i < 16; i++) {
		fuzz_data(r, xsave + 160 + i * 16, 16);
		if (rng_chance(r, 70))
			fuzz_data(r, xsave + FUZZ_XSAVE_YMM + i * 16, 16);
	}
	memcpy(xsave + FUZZ_XSAVE_HEADER, &components, 8);
}

static u64 stack_address(struct fuzz_context *c)
{
	static const struct fuzz_region regions[] = { FUZZ_REGIONS(FUZZ_REGION_TABLE_ROW) };
	const struct fuzz_region *stack = &regions[FUZZ_REGION_COUNT - 1];
	struct rng *r = &c->rng;
	u64 offset = 256 + rng_below(r, stack->pages * FUZZ_PAGE - 512);

	if (rng_chance(r, 5)) /* the first page's beginning, the last one's end */
		offset = rng_chance(r, 50) ? rng_below(r, 16) : stack->pages * FUZZ_PAGE - rng_below(r, 16);
	else if (rng_chance(r, 10)) /* a page boundary */
		offset = FUZZ_PAGE + rng_below(r, 16) - 8;
	return stack->address - c->mode->stack_base + (rng_chance(r, 92) ? offset & ~7ull : offset);
}

void fuzz_registers(struct fuzz_context *c, struct fuzz_state *s)
{
	struct rng *r = &c->rng;
	unsigned int i;

	memset(s, 0, sizeof(*s));
	c->near = 0;
	for (i = 0; i < 16; i++) {
		u32 n = rng_below(r, 100);

		if (i == 6 || i == 7) /* RSI, RDI: string instructions */
			n = n * 6 / 10;
		if (i == 1 && rng_chance(r, 60)) /* RCX: counts */
			n = 50;
		if (i == 4) {
			s->gpr[i] = n < 97 ? stack_address(c) : fuzz_integer(r);
			c->near |= n < 97 ? BIT(i) : 0;
		} else if (n < 45) {
			s->gpr[i] = i == 5 && rng_chance(r, 50) ? stack_address(c) : fuzz_address(c, FUZZ_DATA);
			c->near |= BIT(i);
		} else if (n < 65) {
			s->gpr[i] = rng_below(r, rng_chance(r, 80) ? 40 : 300);
		} else {
			s->gpr[i] = fuzz_integer(r);
		}
		if (c->mode->bits != 64)
			s->gpr[i] = (u32)s->gpr[i];
		/* 16-bit code and stacks ignore the upper half, mostly */
		if ((c->mode->bits == 16 || (i == 4 && c->mode->stack_bits == 16)) && rng_chance(r, 30))
			s->gpr[i] |= (u64)rng_below(r, 0x10000) << 16;
		c->gpr[i] = s->gpr[i];
	}
	c->known = 0xffff;
	c->keep = 0;
	s->rflags = FUZZ_RFLAGS_SET | (rng_next(r) & 0x8d5);
	if (rng_chance(r, 12))
		s->rflags |= BIT(10); /* DF */
	if (rng_chance(r, 2))
		s->rflags |= BIT(8); /* TF */
	if (rng_chance(r, 1))
		s->rflags |= BIT(18); /* AC */
	/* other code: FS and GS are null there, and so is their base */
	s->fs_base = c->mode->bits != 64 ? 0 : rng_below(r, 4) * 64;
	s->gs_base = c->mode->bits != 64 ? 0 : rng_below(r, 3) * 4096;
	c->fs_base = s->fs_base;
	c->gs_base = s->gs_base;
	x87(r, s->xsave);
	vectors(r, s->xsave);
}
