/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every row of msr.h: what it reads as, what may be written, what is #GP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "../msr.h"
#include "vcpu_bench.h"

#define NONCANONICAL 0x8000000000000000ull
#define ADDRESS64 0x123456789abcull
#define PAT_RESET 0x0007040600070406ull

static struct bench f;

static int setup(void **state)
{
	(void)state;
	bench_init(&f, "max");
	f.model.phys_bits = 46;
	bench_long_mode(&f);
	f.v->pat = PAT_RESET;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bench_destroy(&f);
	return 0;
}

static bool reads(u32 msr, u64 expected)
{
	u64 value = ~0ull;

	if (!msr_read(f.v, msr, &value))
		return false;
	if (value != expected)
		fail_msg("MSR %x (%s): read %llx, expected %llx", msr, msr_name(msr), (unsigned long long)value,
			 (unsigned long long)expected);
	return true;
}

static void written_values_are_read_back(void **state)
{
	static const struct {
		u32 msr;
		u64 value;
	} row[] = {
		{ MSR_SYSENTER_CS, 0x1234 },
		{ MSR_SYSENTER_ESP, ADDRESS64 },
		{ MSR_SYSENTER_EIP, ADDRESS64 },
		{ MSR_PAT, 0x07070707 },
		{ MSR_PAT, 0x0001040506070100 },
		{ MSR_FS_BASE, ADDRESS64 },
		{ MSR_GS_BASE, ADDRESS64 },
		{ MSR_KERNEL_GS_BASE, 0xffff800000000000 },
		{ MSR_LSTAR, ADDRESS64 },
		{ MSR_CSTAR, ADDRESS64 },
		{ MSR_STAR, 0x0123456789abcdef },
		{ MSR_FMASK, 0xffffffff },
		{ MSR_TSC_AUX, 0x12345678 },
		{ MSR_PKRS, 0x80000001 },
		{ MSR_DEBUGCTL, DEBUGCTL_BTF },
		{ MSR_SPEC_CTRL, 1 },
		{ MSR_XSS, 0 },
		{ MSR_MTRR_DEF_TYPE, 0xc06 },
		{ MSR_MTRR_PHYS_FIRST, 0x3fffffff0006 & ~0xf00ull },
		{ MSR_MTRR_PHYS_FIRST + 1, 0x3ffff0000800 },
		{ MSR_MTRR_PHYS_LAST, 0x3ffff0000800 },
		{ MSR_MTRR_FIX64K, 0x0606060606060606 },
		{ MSR_MTRR_FIX16K_LAST, 0x0001040506000104 },
		{ MSR_MTRR_FIX4K_LAST, 0x0505050505050505 },
		{ MSR_MISC_ENABLE, 0x400c51809 },
		{ MSR_TSC_ADJUST, 0x1000 },
		{ MSR_MCG_STATUS, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		if (!msr_write(f.v, row[i].msr, row[i].value))
			fail_msg("row %u: #GP", i);
		assert_true(reads(row[i].msr, row[i].value));
	}
	/* the arrays behind the ranges don't overlap */
	for (u32 msr = MSR_MTRR_PHYS_FIRST; msr <= MSR_MTRR_PHYS_LAST; msr++)
		assert_true(msr_write(f.v, msr, (u64)msr << 12));
	assert_true(msr_write(f.v, MSR_MTRR_FIX64K, 0));
	assert_true(msr_write(f.v, MSR_MTRR_FIX16K_FIRST, 0x01));
	assert_true(msr_write(f.v, MSR_MTRR_FIX16K_LAST, 0x04));
	for (u32 msr = MSR_MTRR_FIX4K_FIRST; msr <= MSR_MTRR_FIX4K_LAST; msr++)
		assert_true(msr_write(f.v, msr, (u64)0x05 << (msr - MSR_MTRR_FIX4K_FIRST) * 8));
	for (u32 msr = MSR_MTRR_PHYS_FIRST; msr <= MSR_MTRR_PHYS_LAST; msr++)
		assert_true(reads(msr, (u64)msr << 12));
	assert_true(reads(MSR_MTRR_FIX64K, 0));
	assert_true(reads(MSR_MTRR_FIX16K_FIRST, 0x01));
	assert_true(reads(MSR_MTRR_FIX16K_LAST, 0x04));
	for (u32 msr = MSR_MTRR_FIX4K_FIRST; msr <= MSR_MTRR_FIX4K_LAST; msr++)
		assert_true(reads(msr, (u64)0x05 << (msr - MSR_MTRR_FIX4K_FIRST) * 8));
}

static void bad_values_are_refused_and_change_nothing(void **state)
{
	static const struct {
		u32 msr;
		u64 value;
	} row[] = {
		{ MSR_SYSENTER_ESP, NONCANONICAL },
		{ MSR_SYSENTER_EIP, NONCANONICAL },
		{ MSR_FS_BASE, NONCANONICAL },
		{ MSR_GS_BASE, 0x0000800000000000 },
		{ MSR_KERNEL_GS_BASE, NONCANONICAL },
		{ MSR_LSTAR, NONCANONICAL },
		{ MSR_CSTAR, NONCANONICAL },
		{ MSR_FMASK, BIT(32) },
		{ MSR_TSC_AUX, BIT(32) },
		{ MSR_PKRS, BIT(32) },
		{ MSR_PAT, 2 },
		{ MSR_PAT, 3 << 8 },
		{ MSR_PAT, 8ull << 56 },
		{ MSR_XSS, BIT(8) },
		{ MSR_DEBUGCTL, BIT(6) },
		{ MSR_SPEC_CTRL, BIT(7) },
		{ MSR_MTRR_DEF_TYPE, 2 },
		{ MSR_MTRR_DEF_TYPE, 7 },
		{ MSR_MTRR_DEF_TYPE, 0x1006 },
		{ MSR_MTRR_PHYS_FIRST, 7 },
		{ MSR_MTRR_PHYS_FIRST, 0x106 },
		{ MSR_MTRR_PHYS_FIRST, BIT(46) },
		{ MSR_MTRR_PHYS_FIRST + 1, BIT(10) },
		{ MSR_MTRR_PHYS_FIRST + 1, BIT(46) },
		{ MSR_MTRR_FIX64K, 7 },
		{ MSR_MTRRCAP, 0 },
		{ MSR_MCG_CAP, 0 },
		{ MSR_MCG_STATUS, 1 },
		{ MSR_ARCH_CAPABILITIES, 0 },
		{ MSR_PLATFORM_INFO, 0 },
		{ MSR_SMI_COUNT, 0 },
		{ MSR_MISC_ENABLE, BIT(1) },
		{ MSR_MISC_ENABLE, BIT(33) },
		{ MSR_PRED_CMD, 2 },
		{ MSR_APIC_BASE, BIT(46) },
		{ MSR_EFER, EFER_LME | EFER_LMA | BIT(12) },
		{ MSR_EFER, 0 }, /* LME can't be cleared while paging */
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		u64 before = 0, after = 0;
		bool readable = msr_read(f.v, row[i].msr, &before);

		if (msr_write(f.v, row[i].msr, row[i].value))
			fail_msg("row %u: no #GP", i);
		assert_int_equal(msr_read(f.v, row[i].msr, &after), readable);
		assert_int_equal(before, after);
	}
}

static void fixed_msrs_read_as_the_table_says(void **state)
{
	(void)state;
	f.model.tsc_hz = 2600000000;
	assert_true(reads(MSR_MTRRCAP, 0x508));
	assert_true(reads(MSR_MCG_CAP, 0));
	assert_true(reads(MSR_BIOS_SIGN_ID, MICROCODE_REVISION << 32));
	assert_true(msr_write(f.v, MSR_BIOS_SIGN_ID, 0));
	assert_true(reads(MSR_BIOS_SIGN_ID, MICROCODE_REVISION << 32));
	assert_true(reads(MSR_PLATFORM_INFO, 26 << 8));
	assert_true(reads(MSR_SMI_COUNT, 0));
	assert_false(reads(MSR_PRED_CMD, 0));
	assert_true(msr_write(f.v, MSR_PRED_CMD, 1));
}

static void unknown_msrs_raise_gp(void **state)
{
	/* performance counters, LBRs, machine-check banks, KVM's and AMD's own */
	static const u32 unknown[] = { 0,     0xc1,  0x122, 0x140, 0x17b, 0x186,      0x1c9,	  0x1db,      0x309,
				       0x345, 0x38f, 0x400, 0x492, 0x900, 0x4b564d00, 0xc0000104, 0xc0010015, 0xffffffff };

	(void)state;
	for (unsigned int i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		u64 value;
		u32 error;

		assert_null(msr_name(unknown[i]));
		assert_false(msr_read(f.v, unknown[i], &value));
		assert_false(msr_write(f.v, unknown[i], 0));
		f.v->gpr[RCX] = unknown[i];
		assert_int_equal(bench_run(&f, insn_rdmsr, (union insn_args){ 0 }, &error), VEC_GP);
		assert_int_equal(error, 0);
		assert_int_equal(bench_run(&f, insn_wrmsr, (union insn_args){ 0 }, &error), VEC_GP);
	}
}

static void msrs_go_with_the_vendor(void **state)
{
	static const u32 intel[] = { MSR_PLATFORM_ID, MSR_SMI_COUNT, MSR_PLATFORM_INFO, MSR_MISC_ENABLE };
	u64 value;

	(void)state;
	assert_false(msr_read(f.v, MSR_SYSCFG, &value));
	assert_false(msr_read(f.v, MSR_PERF_FIRST, &value));
	f.model.vendor = VENDOR_AMD;
	for (unsigned int i = 0; i < sizeof(intel) / sizeof(intel[0]); i++)
		assert_false(msr_read(f.v, intel[i], &value));
	assert_true(reads(MSR_SYSCFG, 0));
	assert_true(reads(MSR_BIOS_SIGN_ID, 0));
	for (u32 msr = MSR_PERF_FIRST; msr <= MSR_PERF_LAST; msr++) {
		assert_true(reads(msr, 0));
		assert_true(msr_write(f.v, msr, 0));
		assert_false(msr_write(f.v, msr, BIT(22)));
	}
	assert_true(msr_write(f.v, MSR_SYSENTER_ESP, ADDRESS64));
	assert_true(reads(MSR_SYSENTER_ESP, (u32)ADDRESS64));
	assert_true(msr_write(f.v, MSR_SYSENTER_EIP, NONCANONICAL));
}

static void msrs_go_with_their_feature(void **state)
{
	static const struct {
		u32 msr;
		enum feature feature;
	} row[] = {
		{ MSR_TSC_ADJUST, FEATURE_TSC_ADJUST },
		{ MSR_TSC_AUX, FEATURE_RDTSCP },
		{ MSR_XSS, FEATURE_XSAVES },
		{ MSR_SPEC_CTRL, FEATURE_SPEC_CTRL },
		{ MSR_LSTAR, FEATURE_LM },
		{ MSR_PAT, FEATURE_PAT },
		{ MSR_MTRRCAP, FEATURE_MTRR },
		{ MSR_ARCH_CAPABILITIES, FEATURE_ARCH_CAPABILITIES },
		{ MSR_FEATURE_CONTROL, FEATURE_VMX },
		{ MSR_TSC_DEADLINE, FEATURE_TSC_DEADLINE },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		u64 value;

		bench_set_feature(&f, row[i].feature, true);
		assert_true(msr_read(f.v, row[i].msr, &value));
		bench_set_feature(&f, row[i].feature, false);
		assert_false(msr_read(f.v, row[i].msr, &value));
		assert_false(msr_write(f.v, row[i].msr, 0));
	}
}

static void efer_keeps_lma_and_guards_lme(void **state)
{
	const u64 lma = EFER_LME | EFER_LMA;

	(void)state;
	assert_true(msr_write(f.v, MSR_EFER, EFER_LME | EFER_SCE | EFER_NX)); /* LMA isn't the writer's */
	assert_true(reads(MSR_EFER, lma | EFER_SCE | EFER_NX));
	f.v->cr0 &= ~CR0_PG;
	f.v->efer = 0;
	assert_true(msr_write(f.v, MSR_EFER, EFER_LME | EFER_LMA));
	assert_true(reads(MSR_EFER, EFER_LME));
	assert_true(msr_write(f.v, MSR_EFER, 0));
	bench_set_feature(&f, FEATURE_NX, false);
	assert_false(msr_write(f.v, MSR_EFER, EFER_NX));
	bench_set_feature(&f, FEATURE_LM, false);
	assert_false(msr_write(f.v, MSR_EFER, EFER_LME));
}

static void apic_base_moves_between_modes_only_where_allowed(void **state)
{
	const u64 base = 0xfee00000, enable = BIT(11), x2apic = BIT(10), bsp = BIT(8);

	(void)state;
	assert_true(reads(MSR_APIC_BASE, base | enable | bsp));
	assert_true(msr_write(f.v, MSR_APIC_BASE, base | enable | x2apic | bsp));
	assert_true(msr_write(f.v, MSR_X2APIC_FIRST + 8, 0x20)); /* TPR */
	assert_true(reads(MSR_X2APIC_FIRST + 8, 0x20));
	assert_false(msr_write(f.v, MSR_APIC_BASE, base | enable | bsp)); /* only through disabled */
	assert_true(msr_write(f.v, MSR_APIC_BASE, base | bsp));
	bench_set_feature(&f, FEATURE_X2APIC, false);
	assert_true(msr_write(f.v, MSR_APIC_BASE, base | enable | bsp));
	assert_false(msr_write(f.v, MSR_APIC_BASE, base | enable | x2apic | bsp));
}

static void tsc_and_tsc_adjust_move_together(void **state)
{
	u64 value;

	(void)state;
	f.now = 1000;
	assert_int_equal(msr_tsc(f.v), 1000);
	assert_true(msr_write(f.v, MSR_TSC, 5000));
	assert_true(reads(MSR_TSC_ADJUST, 4000));
	assert_true(reads(MSR_TSC, 5000));
	assert_true(msr_write(f.v, MSR_TSC_ADJUST, (u64)-500));
	assert_true(reads(MSR_TSC, 500));
	f.now += 10;
	assert_true(msr_read(f.v, MSR_TSC, &value));
	assert_int_equal(value, 510);
}

static void rdtsc_and_rdtscp_obey_tsd(void **state)
{
	struct vcpu *v = f.v;
	union insn_args a = { .rm = RBX };

	(void)state;
	f.now = 0x123456789a;
	v->tsc_aux = 7;
	for (unsigned int cpl = 0; cpl < 4; cpl += 3) {
		bench_set_cpl(&f, cpl);
		v->cr4 &= ~CR4_TSD;
		assert_int_equal(bench_run(&f, insn_rdtsc, a, NULL), RUNS_OK);
		assert_int_equal(v->gpr[RAX], 0x3456789a);
		assert_int_equal(v->gpr[RDX], 0x12);
		v->cr4 |= CR4_TSD;
		assert_int_equal(bench_run(&f, insn_rdtsc, a, NULL), cpl ? VEC_GP : RUNS_OK);
		assert_int_equal(bench_run(&f, insn_rdtscp, a, NULL), cpl ? VEC_GP : RUNS_OK);
	}
	assert_int_equal(v->gpr[RCX], 7);
	assert_int_equal(bench_run(&f, insn_rdpid, a, NULL), RUNS_OK);
	assert_int_equal(v->gpr[RBX], 7);
	assert_int_equal(bench_run(&f, insn_rdpmc, a, NULL), VEC_GP);
	bench_set_feature(&f, FEATURE_RDTSCP, false);
	bench_set_feature(&f, FEATURE_RDPID, false);
	assert_int_equal(bench_run(&f, insn_rdtscp, a, NULL), VEC_UD);
	assert_int_equal(bench_run(&f, insn_rdpid, a, NULL), VEC_UD);
}

static void rdmsr_splits_the_value_into_two_registers(void **state)
{
	struct vcpu *v = f.v;

	(void)state;
	v->gpr[RCX] = 0xffffffff00000000ull | MSR_STAR;
	v->gpr[RAX] = 0xffffffff89abcdefull;
	v->gpr[RDX] = 0xffffffff01234567ull;
	assert_int_equal(bench_run(&f, insn_wrmsr, (union insn_args){ 0 }, NULL), RUNS_OK);
	assert_int_equal(v->star, 0x0123456789abcdefull);
	assert_int_equal(bench_run(&f, insn_rdmsr, (union insn_args){ 0 }, NULL), RUNS_OK);
	assert_int_equal(v->gpr[RAX], 0x89abcdef);
	assert_int_equal(v->gpr[RDX], 0x01234567);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(written_values_are_read_back),
		T(bad_values_are_refused_and_change_nothing),
		T(fixed_msrs_read_as_the_table_says),
		T(unknown_msrs_raise_gp),
		T(msrs_go_with_the_vendor),
		T(msrs_go_with_their_feature),
		T(efer_keeps_lma_and_guards_lme),
		T(apic_base_moves_between_modes_only_where_allowed),
		T(tsc_and_tsc_adjust_move_together),
		T(rdtsc_and_rdtscp_obey_tsd),
		T(rdmsr_splits_the_value_into_two_registers),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
