/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FXSAVE and XSAVE: round trips, the bytes that must stay, every #GP; once with the state parked, once live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "../fpu.h"
#include "vcpu_bench.h"

#define AREA 0x20000ull /* 64-byte aligned, identity-mapped */
#define AREA_SIZE 1024u
#define FILL 0xa5

static struct bench f;

static int setup(void **state)
{
	(void)state;
	bench_init(&f, "max");
	bench_set_feature(&f, FEATURE_AVX, true);
	bench_long_mode(&f);
	f.v->cr4 |= CR4_OSFXSR | CR4_OSXSAVE | CR4_PKE;
	f.v->xcr0 = XSTATE_HOST | XSTATE_PKRU;
	f.v->ea = AREA;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	f.v->fpu_live = false;
	bench_destroy(&f);
	return 0;
}

static u8 *area(void)
{
	return memory_host(&f.machine.memory, AREA);
}

static struct fpu_image *area_image(void)
{
	return (struct fpu_image *)area();
}

BENCH_LIVE static int run(insn_fn *fn, u64 mask, bool live)
{
	union insn_args a = { .seg = DS, .size = 8 };
	int vector;

	f.v->gpr[RAX] = (u32)mask;
	f.v->gpr[RDX] = mask >> 32;
	if (live)
		vcpu_fpu_load(f.v);
	vector = bench_run(&f, fn, a, NULL);
	vcpu_fpu_park(f.v);
	return vector;
}

/* a state in which each byte is its own */
static void distinct_state(u8 seed)
{
	struct fpu_image *i = (struct fpu_image *)f.v->xsave;

	vcpu_fpu_park(f.v);
	memset(f.v->xsave, 0, sizeof(f.v->xsave));
	i->fcw = 0x27f;
	i->fsw = 0x3800;
	i->ftw = 0x80;
	i->mxcsr = 0x1fa0;
	i->xstate_bv = XSTATE_HOST;
	for (unsigned int r = 0; r < 8; r++)
		for (unsigned int b = 0; b < 10; b++)
			i->st[r][b] = (u8)(seed + r * 16 + b);
	for (unsigned int r = 0; r < 16; r++)
		for (unsigned int b = 0; b < 16; b++) {
			i->xmm[r][b] = (u8)(seed + 64 + r * 16 + b);
			i->ymm_high[r][b] = (u8)(seed + 31 + r * 17 + b * 3);
		}
	f.v->pkru = 0x01010100u * seed + 4;
}

static void expect_state(const struct fpu_image *expected, const char *what)
{
	struct fpu_image got;

	fpu_get(f.v, &got);
	if (got.fcw != expected->fcw || got.fsw != expected->fsw || got.ftw != expected->ftw ||
	    got.mxcsr != expected->mxcsr)
		fail_msg("%s: control words %04x %04x %02x %x, expected %04x %04x %02x %x", what, got.fcw, got.fsw,
			 got.ftw, got.mxcsr, expected->fcw, expected->fsw, expected->ftw, expected->mxcsr);
	assert_memory_equal(got.st, expected->st, sizeof(got.st));
	assert_memory_equal(got.xmm, expected->xmm, sizeof(got.xmm));
	assert_memory_equal(got.ymm_high, expected->ymm_high, sizeof(got.ymm_high));
}

BENCH_LIVE static void parking_and_loading_keep_the_state(void **state)
{
	struct fpu_image before;
	u32 mxcsr;

	(void)state;
	distinct_state(3);
	fpu_get(f.v, &before);
	vcpu_fpu_load(f.v);
	assert_true(f.v->fpu_live);
	fpu_zero(f.v->xsave, sizeof(f.v->xsave)); /* it's in the registers now */
	vcpu_fpu_park(f.v);
	assert_false(f.v->fpu_live);
	__asm__("stmxcsr %0" : "=m"(mxcsr));
	assert_int_equal(mxcsr, MXCSR_INIT);
	expect_state(&before, "park");
}

struct pair {
	const char *name;
	insn_fn *save, *restore;
};

static const struct pair pairs[] = {
	{ "xsave", insn_xsave, insn_xrstor },
	{ "xsaveopt", insn_xsaveopt, insn_xrstor },
	{ "xsavec", insn_xsavec, insn_xrstor },
	{ "xsaves", insn_xsaves, insn_xrstors },
};

static void every_pair_restores_what_it_saved(void **state)
{
	(void)state;
	for (unsigned int p = 0; p < sizeof(pairs) / sizeof(pairs[0]); p++) {
		for (unsigned int live = 0; live < 2; live++) {
			struct fpu_image before;
			u32 pkru;

			distinct_state(7);
			fpu_get(f.v, &before);
			pkru = f.v->pkru;
			memset(area(), 0, AREA_SIZE);
			assert_int_equal(run(pairs[p].save, ~0ull, live), RUNS_OK);
			distinct_state(99);
			assert_int_equal(run(pairs[p].restore, ~0ull, live), RUNS_OK);
			expect_state(&before, pairs[p].name);
			assert_int_equal(f.v->pkru, pkru);
		}
	}
}

static void initial_components_come_back_as_initial(void **state)
{
	static const struct fpu_image init = { .fcw = FCW_INIT, .mxcsr = MXCSR_INIT };

	(void)state;
	for (unsigned int p = 0; p < sizeof(pairs) / sizeof(pairs[0]); p++) {
		for (unsigned int live = 0; live < 2; live++) {
			vcpu_fpu_park(f.v);
			memcpy(f.v->xsave, &init, sizeof(init));
			f.v->pkru = 0;
			memset(area(), 0, AREA_SIZE);
			assert_int_equal(run(pairs[p].save, ~0ull, live), RUNS_OK);
			distinct_state(99);
			assert_int_equal(run(pairs[p].restore, ~0ull, live), RUNS_OK);
			expect_state(&init, pairs[p].name);
			assert_int_equal(f.v->pkru, 0);
		}
	}
}

/* the bytes of the area that an instruction may write, for components in use */
static void expect_untouched(const char *what, const u8 *may_write)
{
	for (unsigned int i = 0; i < AREA_SIZE; i++)
		if (!may_write[i] && area()[i] != FILL)
			fail_msg("%s: byte %u was written", what, i);
}

static void saves_touch_only_the_bytes_they_should(void **state)
{
	static const struct {
		const char *name;
		insn_fn *save;
		u64 mask;
		bool code64;
		struct {
			u16 start, end;
		} run[5];
	} row[] = {
		{ "fxsave", insn_fxsave, 0, true, { { 0, 416 } } },
		{ "fxsave outside 64-bit mode", insn_fxsave, 0, false, { { 0, 288 } } },
		{ "xsave x87", insn_xsave, 1, true, { { 0, 24 }, { 32, 160 }, { 512, 520 } } },
		{ "xsave sse", insn_xsave, 2, true, { { 24, 32 }, { 160, 416 }, { 512, 520 } } },
		{ "xsave sse outside 64-bit mode", insn_xsave, 2, false, { { 24, 32 }, { 160, 288 }, { 512, 520 } } },
		{ "xsave avx", insn_xsave, 4, true, { { 24, 32 }, { 512, 520 }, { 576, 832 } } },
		{ "xsave avx outside 64-bit mode", insn_xsave, 4, false, { { 24, 32 }, { 512, 520 }, { 576, 704 } } },
		{ "xsave pkru", insn_xsave, 0x200, true, { { 512, 520 }, { 832, 840 } } },
		{ "xsavec avx", insn_xsavec, 4, true, { { 512, 528 }, { 576, 832 } } },
		{ "xsavec pkru", insn_xsavec, 0x200, true, { { 512, 528 }, { 576, 584 } } },
		{ "xsaves avx pkru", insn_xsaves, 0x204, true, { { 512, 528 }, { 576, 840 } } },
		{ "xsavec sse", insn_xsavec, 2, true, { { 24, 32 }, { 160, 416 }, { 512, 528 } } },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		u8 may_write[AREA_SIZE] = { 0 };

		bench_set_code64(&f, row[i].code64);
		distinct_state(11);
		memset(area(), FILL, AREA_SIZE);
		assert_int_equal(run(row[i].save, row[i].mask, i & 1), RUNS_OK);
		for (unsigned int r = 0; r < 5; r++)
			memset(may_write + row[i].run[r].start, 1, row[i].run[r].end - row[i].run[r].start);
		expect_untouched(row[i].name, may_write);
	}
}

static void xsave_changes_only_requested_bits_of_xstate_bv(void **state)
{
	(void)state;
	distinct_state(5);
	memset(area(), 0, AREA_SIZE);
	area_image()->xstate_bv = 0x8000000000000204ull;
	assert_int_equal(run(insn_xsave, XSTATE_X87, false), RUNS_OK);
	assert_int_equal(area_image()->xstate_bv, 0x8000000000000205ull);
	f.v->pkru = 0;
	assert_int_equal(run(insn_xsave, XSTATE_PKRU, false), RUNS_OK);
	assert_int_equal(area_image()->xstate_bv, 0x8000000000000005ull);
	assert_int_equal(run(insn_xsavec, XSTATE_X87 | XSTATE_PKRU, false), RUNS_OK);
	assert_int_equal(area_image()->xstate_bv, XSTATE_X87);
	assert_int_equal(area_image()->xcomp_bv, XCOMP_COMPACTED | XSTATE_X87 | XSTATE_PKRU);
}

BENCH_LIVE static void no_host_address_is_saved(void **state)
{
	static const u64 zero[2];

	(void)state;
	vcpu_fpu_park(f.v);
	distinct_state(1);
	vcpu_fpu_load(f.v);
	__asm__ volatile("fninit; fld1; fldz; fdivrp"); /* an exception: the pointers are set on every CPU */
	f.v->gpr[RAX] = 7;
	f.v->gpr[RDX] = 0;
	assert_int_equal(bench_run(&f, insn_xsave, (union insn_args){ .seg = DS, .size = 8 }, NULL), RUNS_OK);
	vcpu_fpu_park(f.v);
	assert_memory_equal(area() + 8, zero, 16);
	assert_int_equal(area_image()->fsw & 4, 4);
}

static void bad_headers_raise_gp_and_load_nothing(void **state)
{
	static const struct {
		const char *name;
		insn_fn *restore;
		u64 xstate_bv, xcomp_bv, header[6];
	} row[] = {
		{ "unknown component", insn_xrstor, BIT(5), 0, { 0 } },
		{ "bit 63 of XSTATE_BV", insn_xrstor, BIT(63) | 1, 0, { 0 } },
		{ "XCOMP_BV without bit 63", insn_xrstor, 1, 1, { 0 } },
		{ "bytes 23:16", insn_xrstor, 1, 0, { 1 } },
		{ "compacted: unknown component", insn_xrstor, 1, XCOMP_COMPACTED | BIT(5) | 1, { 0 } },
		{ "compacted: not in XCOMP_BV", insn_xrstor, 2, XCOMP_COMPACTED | 1, { 0 } },
		{ "compacted: bytes 23:16", insn_xrstor, 1, XCOMP_COMPACTED | 1, { 1 } },
		{ "compacted: byte 63", insn_xrstor, 1, XCOMP_COMPACTED | 1, { 0, 0, 0, 0, 0, BIT(56) } },
		{ "XRSTORS: standard format", insn_xrstors, 1, 0, { 0 } },
		{ "XRSTORS: unknown component", insn_xrstors, 1, XCOMP_COMPACTED | BIT(8) | 1, { 0 } },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct fpu_image before;

		distinct_state(21);
		fpu_get(f.v, &before);
		memset(area(), 0, AREA_SIZE);
		area_image()->mxcsr = MXCSR_INIT;
		area_image()->xstate_bv = row[i].xstate_bv;
		area_image()->xcomp_bv = row[i].xcomp_bv;
		memcpy(area_image()->header, row[i].header, sizeof(row[i].header));
		if (run(row[i].restore, ~0ull, i & 1) != VEC_GP)
			fail_msg("%s: no #GP", row[i].name);
		expect_state(&before, row[i].name);
	}
	/* bytes 63:24 don't count in the standard format */
	memset(area(), 0, AREA_SIZE);
	area_image()->mxcsr = MXCSR_INIT;
	area_image()->header[3] = ~0ull;
	assert_int_equal(run(insn_xrstor, ~0ull, false), RUNS_OK);
}

static void reserved_mxcsr_bits_raise_gp_where_mxcsr_is_loaded(void **state)
{
	(void)state;
	distinct_state(2);
	memset(area(), 0, AREA_SIZE);
	area_image()->mxcsr = BIT(16);
	assert_int_equal(run(insn_fxrstor, 0, false), VEC_GP);
	assert_int_equal(run(insn_xrstor, XSTATE_X87, false), RUNS_OK);
	assert_int_equal(run(insn_xrstor, XSTATE_SSE, false), VEC_GP); /* whatever XSTATE_BV says */
	assert_int_equal(run(insn_xrstor, XSTATE_AVX, false), VEC_GP);
	area_image()->xcomp_bv = XCOMP_COMPACTED | XSTATE_SSE | XSTATE_AVX;
	assert_int_equal(run(insn_xrstor, XSTATE_SSE, false), RUNS_OK); /* initial: not loaded */
	area_image()->xstate_bv = XSTATE_SSE;
	assert_int_equal(run(insn_xrstor, XSTATE_AVX, false), RUNS_OK);
	assert_int_equal(run(insn_xrstor, XSTATE_SSE, false), VEC_GP);
}

static void registers_beyond_the_mode_stay(void **state)
{
	struct fpu_image before, after;

	(void)state;
	distinct_state(33);
	fpu_get(f.v, &before);
	bench_set_code64(&f, false);
	memset(area(), 0, AREA_SIZE);
	area_image()->mxcsr = MXCSR_INIT;
	area_image()->xstate_bv = XSTATE_SSE; /* loaded as zeros; AVX made initial */
	assert_int_equal(run(insn_xrstor, XSTATE_SSE | XSTATE_AVX, true), RUNS_OK);
	fpu_get(f.v, &after);
	memset(before.xmm, 0, 8 * 16);
	memset(before.ymm_high, 0, 8 * 16);
	assert_memory_equal(after.xmm, before.xmm, sizeof(after.xmm));
	assert_memory_equal(after.ymm_high, before.ymm_high, sizeof(after.ymm_high));
}

static void fxrstor_restores_what_fxsave_saved(void **state)
{
	(void)state;
	for (unsigned int live = 0; live < 2; live++) {
		struct fpu_image before, after;

		distinct_state(7);
		fpu_get(f.v, &before);
		memset(area(), 0, AREA_SIZE);
		assert_int_equal(run(insn_fxsave, 0, live), RUNS_OK);
		distinct_state(99);
		fpu_get(f.v, &after);
		memcpy(before.ymm_high, after.ymm_high, sizeof(after.ymm_high)); /* FXRSTOR doesn't reach them */
		assert_int_equal(run(insn_fxrstor, 0, live), RUNS_OK);
		expect_state(&before, "fxrstor");
	}
}

static void conditions_come_before_the_memory_operand(void **state)
{
	static insn_fn *const xsaves[] = { insn_xsave,	insn_xsaveopt, insn_xsavec,
					   insn_xsaves, insn_xrstor,   insn_xrstors };
	struct vcpu *v = f.v;

	(void)state;
	v->ea = 0x8000000000000000ull; /* not canonical: #GP, if it is looked at */
	for (unsigned int i = 0; i < 6; i++) {
		v->cr0 &= ~CR0_TS;
		assert_int_equal(run(xsaves[i], ~0ull, false), VEC_GP);
		v->cr0 |= CR0_TS;
		assert_int_equal(run(xsaves[i], ~0ull, false), VEC_NM);
		v->cr4 &= ~CR4_OSXSAVE;
		assert_int_equal(run(xsaves[i], ~0ull, false), VEC_UD);
		v->cr4 |= CR4_OSXSAVE;
	}
	assert_int_equal(run(insn_fxsave, 0, false), VEC_NM);
	v->cr0 = (v->cr0 & ~CR0_TS) | CR0_EM;
	assert_int_equal(run(insn_fxrstor, 0, false), VEC_NM);
	v->cr0 &= ~CR0_EM;
	v->ea = AREA + 8;
	assert_int_equal(run(insn_fxsave, 0, false), VEC_GP);
	v->ea = AREA + 16;
	assert_int_equal(run(insn_fxsave, 0, false), RUNS_OK);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(run(xsaves[i], ~0ull, false), VEC_GP);
	v->ea = AREA;
	bench_set_cpl(&f, 3);
	memset(area(), 0, AREA_SIZE);
	assert_int_equal(run(insn_xsaves, ~0ull, false), VEC_GP);
	assert_int_equal(run(insn_xrstors, ~0ull, false), VEC_GP);
	assert_int_equal(run(insn_xsave, ~0ull, false), RUNS_OK);
	bench_set_feature(&f, FEATURE_XSAVES, false);
	bench_set_feature(&f, FEATURE_XSAVEC, false);
	bench_set_feature(&f, FEATURE_XSAVEOPT, false);
	assert_int_equal(run(insn_xsaves, ~0ull, false), VEC_UD);
	assert_int_equal(run(insn_xsavec, ~0ull, false), VEC_UD);
	assert_int_equal(run(insn_xsaveopt, ~0ull, false), VEC_UD);
	area_image()->xcomp_bv = XCOMP_COMPACTED; /* the format goes with XSAVEC */
	assert_int_equal(run(insn_xrstor, ~0ull, false), VEC_GP);
}

static void xgetbv_1_tells_what_is_in_use(void **state)
{
	struct vcpu *v = f.v;

	(void)state;
	distinct_state(9);
	v->gpr[RCX] = 1;
	assert_int_equal(run(insn_xgetbv, 0, false), RUNS_OK);
	assert_int_equal(v->gpr[RAX], XSTATE_HOST | XSTATE_PKRU);
	v->pkru = 0;
	assert_int_equal(run(insn_xgetbv, 0, true), RUNS_OK);
	assert_int_equal(v->gpr[RAX], XSTATE_HOST);
	v->xcr0 = XSTATE_X87;
	assert_int_equal(run(insn_xgetbv, 0, false), RUNS_OK);
	assert_int_equal(v->gpr[RAX], XSTATE_X87);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(parking_and_loading_keep_the_state),
		T(every_pair_restores_what_it_saved),
		T(initial_components_come_back_as_initial),
		T(saves_touch_only_the_bytes_they_should),
		T(xsave_changes_only_requested_bits_of_xstate_bv),
		T(no_host_address_is_saved),
		T(bad_headers_raise_gp_and_load_nothing),
		T(reserved_mxcsr_bits_raise_gp_where_mxcsr_is_loaded),
		T(registers_beyond_the_mode_stay),
		T(fxrstor_restores_what_fxsave_saved),
		T(conditions_come_before_the_memory_operand),
		T(xgetbv_1_tells_what_is_in_use),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
