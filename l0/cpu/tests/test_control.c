/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control, debug and extended control registers as tables of transitions; what each does to the TLB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "../../devices/irqchip.h"
#include "../control.h"
#include "../fpu.h"
#include "vcpu_bench.h"

#define OPERAND RBX
#define ALL_COMPONENTS (XSTATE_X87 | XSTATE_SSE | XSTATE_AVX | XSTATE_PKRU)

static struct bench f;

static int setup(void **state)
{
	(void)state;
	bench_init(&f, "max");
	bench_set_feature(&f, FEATURE_AVX, true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bench_destroy(&f);
	return 0;
}

static int to_cr(unsigned int cr, u64 value, u32 *error)
{
	f.v->gpr[OPERAND] = value;
	return bench_run(&f, insn_mov_to_cr, (union insn_args){ .reg = cr, .rm = OPERAND, .is_reg = 1, .size = 8 },
			 error);
}

static u64 from_cr(unsigned int cr)
{
	union insn_args a = { .reg = cr, .rm = OPERAND, .is_reg = 1, .size = 8 };

	assert_int_equal(bench_run(&f, insn_mov_from_cr, a, NULL), RUNS_OK);
	return f.v->gpr[OPERAND];
}

/* error: a pointer, since it is written while the first argument is evaluated */
static void expect_gp(int vector, const u32 *error, unsigned int row)
{
	if (vector != VEC_GP || *error)
		fail_msg("row %u: vector %d error %x, expected #GP(0)", row, vector, *error);
}

static void expect_ok(int vector, unsigned int row)
{
	if (vector != RUNS_OK)
		fail_msg("row %u: vector %d, expected none", row, vector);
}

/* MOV's operand is only as wide as the mode */
static void set_cr0(struct vcpu *v, union insn_args a)
{
	control_set_cr0(v, a.raw);
}

static void cr0_transitions_follow_the_sdm(void **state)
{
	const u64 base = CR0_PE | CR0_ET;
	const struct {
		u64 cr0, cr4, efer;
		u32 cs_ar, tr_type;
		u64 value;
		bool ok;
		u64 cr0_after, efer_after;
	} row[] = {
		/* ET is always set, undefined bits of 31:0 never */
		{ base, 0, 0, AR_DB, 11, CR0_PE | CR0_MP | BIT(8), true, base | CR0_MP, 0 },
		{ base, 0, 0, AR_DB, 11, base | BIT(32), false, 0, 0 },
		{ base, 0, 0, AR_DB, 11, CR0_PG, false, 0, 0 },
		{ base, 0, 0, AR_DB, 11, base | CR0_NW, false, 0, 0 },
		{ base, 0, 0, AR_DB, 11, base | CR0_CD, true, base | CR0_CD, 0 },
		{ base, 0, 0, AR_DB, 11, base | CR0_NW | CR0_CD, true, base | CR0_NW | CR0_CD, 0 },
		{ base, 0, 0, AR_DB, 11, CR0_ET, true, CR0_ET, 0 },
		/* paging on: LMA follows LME */
		{ base, 0, 0, AR_DB, 11, base | CR0_PG, true, base | CR0_PG, 0 },
		{ base, CR4_PAE, EFER_LME, AR_DB, 11, base | CR0_PG, true, base | CR0_PG, EFER_LME | EFER_LMA },
		{ base, 0, EFER_LME, AR_DB, 11, base | CR0_PG, false, 0, 0 },
		{ base, CR4_PAE, EFER_LME, AR_L, 11, base | CR0_PG, false, 0, 0 },
		{ base, CR4_PAE, EFER_LME, AR_DB, 3, base | CR0_PG, false, 0, 0 },
		{ base, CR4_PAE, EFER_LME, AR_DB, 1, base | CR0_PG, false, 0, 0 },
		/* paging off: not from 64-bit code, not with PCIDs */
		{ base | CR0_PG, CR4_PAE, EFER_LME | EFER_LMA, AR_DB, 11, base, true, base, EFER_LME },
		{ base | CR0_PG, CR4_PAE, EFER_LME | EFER_LMA, AR_L, 11, base, false, 0, 0 },
		{ base | CR0_PG, CR4_PAE | CR4_PCIDE, EFER_LME | EFER_LMA, AR_DB, 11, base, false, 0, 0 },
		{ base | CR0_PG, CR4_PAE, EFER_LME | EFER_LMA, AR_L, 11, base | CR0_PG | CR0_WP, true,
		  base | CR0_PG | CR0_WP, EFER_LME | EFER_LMA },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct vcpu *v = f.v;
		u32 error = 0;
		int vector;

		v->cr0 = row[i].cr0;
		v->cr3 = 0;
		v->cr4 = row[i].cr4;
		v->efer = row[i].efer;
		v->seg[CS].ar = (v->seg[CS].ar & ~(AR_L | AR_DB)) | row[i].cs_ar;
		v->seg[TR].ar = (v->seg[TR].ar & ~AR_TYPE) | row[i].tr_type;
		vector = bench_run(&f, set_cr0, (union insn_args){ .raw = row[i].value }, &error);
		if (row[i].ok) {
			expect_ok(vector, i);
			assert_int_equal(v->cr0, row[i].cr0_after);
			assert_int_equal(v->efer, row[i].efer_after);
		} else {
			expect_gp(vector, &error, i);
			assert_int_equal(v->cr0, row[i].cr0);
			assert_int_equal(v->efer, row[i].efer);
		}
	}
}

static void cr4_transitions_follow_the_sdm(void **state)
{
	const u64 lma = EFER_LME | EFER_LMA, pg = CR0_PE | CR0_ET | CR0_PG;
	const struct {
		u64 cr4, efer, cr3, value;
		bool ok;
	} row[] = {
		{ CR4_PAE, lma, 0, CR4_PAE | CR4_PGE | CR4_OSFXSR, true },
		{ CR4_PAE, lma, 0, CR4_PGE, false }, /* PAE can't be cleared in long mode */
		{ CR4_PAE, lma, 0x1000, CR4_PAE | CR4_PCIDE, true },
		{ CR4_PAE, lma, 0x1001, CR4_PAE | CR4_PCIDE, false }, /* CR3[11:0] not zero */
		{ CR4_PAE | CR4_PCIDE, lma, 0x1001, CR4_PAE | CR4_PCIDE | CR4_SMEP, true },
		{ CR4_PAE | CR4_PCIDE, lma, 0x1001, CR4_PAE, true },
		{ 0, 0, 0, CR4_PCIDE, false }, /* not in long mode */
		{ CR4_PAE, lma, 0, CR4_PAE | CR4_LA57, false }, /* not while LMA */
		{ CR4_PAE, lma, 0, CR4_PAE | CR4_VMXE, false }, /* the model has none */
		{ CR4_PAE, lma, 0, CR4_PAE | CR4_SMXE, false },
		{ CR4_PAE, lma, 0, CR4_PAE | BIT(15), false },
		{ CR4_PAE, lma, 0, CR4_PAE | BIT(23), false },
		{ CR4_PAE, lma, 0, CR4_PAE | BIT(32), false },
		{ CR4_PAE, lma, 0, CR4_PAE | BIT(63), false },
	};

	(void)state;
	bench_set_feature(&f, FEATURE_LA57, true);
	bench_long_mode(&f);
	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		u32 error = 0;
		int vector;

		f.v->cr0 = pg;
		f.v->cr4 = row[i].cr4;
		f.v->efer = row[i].efer;
		f.v->cr3 = row[i].cr3;
		vector = to_cr(4, row[i].value, &error);
		if (row[i].ok) {
			expect_ok(vector, i);
			assert_int_equal(f.v->cr4, row[i].value);
		} else {
			expect_gp(vector, &error, i);
			assert_int_equal(f.v->cr4, row[i].cr4);
		}
	}
}

static void cr4_offers_what_the_model_has(void **state)
{
	static const struct {
		enum feature feature;
		u64 bit;
	} row[] = {
		{ FEATURE_SMEP, CR4_SMEP }, { FEATURE_SMAP, CR4_SMAP },		{ FEATURE_PKU, CR4_PKE },
		{ FEATURE_PKS, CR4_PKS },   { FEATURE_UMIP, CR4_UMIP },		{ FEATURE_XSAVE, CR4_OSXSAVE },
		{ FEATURE_PGE, CR4_PGE },   { FEATURE_FSGSBASE, CR4_FSGSBASE }, { FEATURE_PCID, CR4_PCIDE },
		{ FEATURE_DE, CR4_DE },
	};

	(void)state;
	bench_long_mode(&f);
	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		u32 error;

		bench_set_feature(&f, row[i].feature, true);
		expect_ok(to_cr(4, CR4_PAE | row[i].bit, &error), i);
		expect_ok(to_cr(4, CR4_PAE, &error), i);
		bench_set_feature(&f, row[i].feature, false);
		expect_gp(to_cr(4, CR4_PAE | row[i].bit, &error), &error, i);
	}
}

static void cr3_checks_its_reserved_bits(void **state)
{
	u32 error;

	(void)state;
	bench_long_mode(&f);
	f.model.phys_bits = 46;
	expect_ok(to_cr(3, 0x1fff, &error), 0);
	assert_int_equal(from_cr(3), 0x1fff);
	for (unsigned int bit = 46; bit < 64; bit++)
		expect_gp(to_cr(3, 0x1000 | BIT(bit), &error), &error, bit);
	f.v->cr4 |= CR4_PCIDE;
	expect_ok(to_cr(3, 0x1005 | CR3_NOFLUSH, &error), 1);
	assert_int_equal(from_cr(3), 0x1005); /* the bit isn't stored */
	expect_gp(to_cr(3, 0x1005 | BIT(62), &error), &error, 2);
}

static void pae_paging_loads_its_pdptes(void **state)
{
	struct vcpu *v = f.v;
	u32 error;

	(void)state;
	v->cr4 = CR4_PAE;
	for (unsigned int i = 0; i < 4; i++) {
		bench_write(&f, 0x5000 + i * 8, 0x6001 + i * 0x1000);
		bench_write(&f, 0x5020 + i * 8, 0x8007); /* W and U are reserved */
	}
	/* not paging: nothing is loaded, nothing checked */
	expect_ok(to_cr(3, 0x5020, &error), 0);
	expect_gp(to_cr(0, v->cr0 | CR0_PG, &error), &error, 1);
	assert_false(v->cr0 & CR0_PG);
	expect_ok(to_cr(3, 0x5000, &error), 2);
	expect_ok(to_cr(0, v->cr0 | CR0_PG, &error), 3);
	assert_int_equal(v->pdpte[3], 0x9001);
	expect_gp(to_cr(3, 0x5020, &error), &error, 4);
	assert_int_equal(v->cr3, 0x5000);
	assert_int_equal(v->pdpte[3], 0x9001);
	/* memory alone changes nothing until the next load */
	bench_write(&f, 0x5018, 0xa001);
	assert_int_equal(v->pdpte[3], 0x9001);
	expect_ok(to_cr(4, CR4_PAE | CR4_PGE, &error), 5);
	assert_int_equal(v->pdpte[3], 0xa001);
	bench_write(&f, 0x5018, 0xa003);
	expect_gp(to_cr(4, CR4_PAE, &error), &error, 6);
	expect_ok(to_cr(4, CR4_PAE | CR4_PGE | CR4_DE, &error), 7); /* DE loads none */
}

static void only_some_control_registers_exist(void **state)
{
	u32 error;

	(void)state;
	bench_long_mode(&f);
	for (unsigned int cr = 0; cr < 16; cr++) {
		union insn_args a = { .reg = cr, .rm = OPERAND, .is_reg = 1, .size = 8 };
		bool exists = cr == 0 || cr == 2 || cr == 3 || cr == 4 || cr == 8;

		assert_int_equal(bench_run(&f, insn_mov_from_cr, a, &error), exists ? RUNS_OK : VEC_UD);
		if (!exists)
			assert_int_equal(bench_run(&f, insn_mov_to_cr, a, &error), VEC_UD);
	}
	expect_ok(to_cr(8, 0xb, &error), 0);
	assert_int_equal(lapic_get_cr8(f.v->apic), 0xb);
	assert_int_equal(from_cr(8), 0xb);
	expect_gp(to_cr(8, 0x10, &error), &error, 1);
}

static void system_instructions_are_privileged(void **state)
{
	static insn_fn *const fns[] = { insn_mov_to_cr, insn_mov_from_cr, insn_mov_to_dr, insn_mov_from_dr,
					insn_clts,	insn_invlpg,	  insn_wbinvd,	  insn_invd,
					insn_hlt,	insn_invpcid,	  insn_rdmsr,	  insn_wrmsr };
	u32 error;

	(void)state;
	bench_long_mode(&f);
	for (unsigned int cpl = 1; cpl < 4; cpl++) {
		bench_set_cpl(&f, cpl);
		for (unsigned int i = 0; i < sizeof(fns) / sizeof(fns[0]); i++)
			expect_gp(bench_run(&f, fns[i], (union insn_args){ .seg = DS }, &error), &error, i);
		/* LMSW: #GP; SMSW: only with UMIP */
		expect_gp(bench_run(&f, insn_lmsw, (union insn_args){ .is_reg = 1 }, &error), &error, 100);
		f.v->cr4 &= ~CR4_UMIP;
		assert_int_equal(bench_run(&f, insn_smsw, (union insn_args){ .is_reg = 1, .size = 4 }, &error), RUNS_OK);
		f.v->cr4 |= CR4_UMIP;
		expect_gp(bench_run(&f, insn_smsw, (union insn_args){ .is_reg = 1, .size = 4 }, &error), &error, 101);
	}
}

static void lmsw_sets_pe_but_never_clears_it(void **state)
{
	struct vcpu *v = f.v;
	union insn_args a = { .rm = OPERAND, .is_reg = 1 };

	(void)state;
	v->gpr[OPERAND] = CR0_MP | CR0_TS | 0xffff0000;
	assert_int_equal(bench_run(&f, insn_lmsw, a, NULL), RUNS_OK);
	assert_int_equal(v->cr0, CR0_PE | CR0_ET | CR0_MP | CR0_TS);
	v->cr0 = CR0_ET;
	v->gpr[OPERAND] = CR0_PE;
	assert_int_equal(bench_run(&f, insn_lmsw, a, NULL), RUNS_OK);
	assert_int_equal(v->cr0, CR0_PE | CR0_ET);
	assert_int_equal(bench_run(&f, insn_clts, a, NULL), RUNS_OK);
}

static void smsw_is_16_bits_wide_in_memory(void **state)
{
	struct vcpu *v = f.v;

	(void)state;
	v->cr0 |= CR0_WP;
	v->gpr[OPERAND] = ~0ull;
	assert_int_equal(bench_run(&f, insn_smsw, (union insn_args){ .rm = OPERAND, .is_reg = 1, .size = 2 }, NULL),
			 RUNS_OK);
	assert_int_equal(v->gpr[OPERAND], 0xffffffffffff0000 | (CR0_PE | CR0_ET));
	assert_int_equal(bench_run(&f, insn_smsw, (union insn_args){ .rm = OPERAND, .is_reg = 1, .size = 4 }, NULL),
			 RUNS_OK);
	assert_int_equal(v->gpr[OPERAND], v->cr0);
	bench_write(&f, 0x8000, ~0ull);
	v->ea = 0x8000;
	assert_int_equal(bench_run(&f, insn_smsw, (union insn_args){ .seg = DS, .size = 4 }, NULL), RUNS_OK);
	assert_int_equal(bench_read(&f, 0x8000), 0xffffffffffff0000 | (CR0_PE | CR0_ET));
}

static int to_dr(unsigned int dr, u64 value)
{
	f.v->gpr[OPERAND] = value;
	return bench_run(&f, insn_mov_to_dr, (union insn_args){ .reg = dr, .rm = OPERAND, .is_reg = 1 }, NULL);
}

static u64 from_dr(unsigned int dr)
{
	union insn_args a = { .reg = dr, .rm = OPERAND, .is_reg = 1 };

	assert_int_equal(bench_run(&f, insn_mov_from_dr, a, NULL), RUNS_OK);
	return f.v->gpr[OPERAND];
}

static void debug_registers_keep_their_fixed_bits(void **state)
{
	(void)state;
	bench_long_mode(&f);
	assert_int_equal(to_dr(0, 0xdeadbeefcafef00dull), RUNS_OK);
	assert_int_equal(from_dr(0), 0xdeadbeefcafef00dull);
	assert_int_equal(to_dr(6, 0xffffffff), RUNS_OK);
	assert_int_equal(from_dr(6), DR6_FIXED | 0xe00f);
	assert_int_equal(to_dr(6, 0), RUNS_OK);
	assert_int_equal(from_dr(6), DR6_FIXED);
	assert_int_equal(to_dr(7, 0xffffffff & ~DR7_GD), RUNS_OK);
	assert_int_equal(from_dr(7), 0xffff07ff);
	assert_int_equal(to_dr(7, 0), RUNS_OK);
	assert_int_equal(from_dr(7), DR7_FIXED);
	assert_int_equal(to_dr(6, BIT(32)), VEC_GP);
	assert_int_equal(to_dr(7, BIT(32)), VEC_GP);
	assert_int_equal(to_dr(8, 0), VEC_UD);
}

static void dr4_and_dr5_are_aliases_without_debugging_extensions(void **state)
{
	(void)state;
	bench_long_mode(&f);
	assert_int_equal(to_dr(5, 0x400), RUNS_OK);
	assert_int_equal(to_dr(4, 1), RUNS_OK);
	assert_int_equal(from_dr(6), DR6_FIXED | 1);
	assert_int_equal(from_dr(4), DR6_FIXED | 1);
	f.v->cr4 |= CR4_DE;
	assert_int_equal(to_dr(4, 0), VEC_UD);
	assert_int_equal(to_dr(5, 0), VEC_UD);
}

static void general_detect_raises_db_before_the_access(void **state)
{
	(void)state;
	bench_long_mode(&f);
	f.v->dr[7] |= DR7_GD;
	assert_int_equal(to_dr(0, 5), VEC_DB);
	assert_int_equal(f.v->dr[0], 0);
	assert_true(f.v->pending_db & DR6_BD);
	/* privilege and existence come first */
	f.v->pending_db = 0;
	f.v->cr4 |= CR4_DE;
	assert_int_equal(to_dr(4, 5), VEC_UD);
	bench_set_cpl(&f, 3);
	assert_int_equal(to_dr(0, 5), VEC_GP);
	assert_int_equal(f.v->pending_db, 0);
}

/* supervisor page, not global, and a global one */
#define PLAIN_PAGE 0x10000ull
#define GLOBAL_PAGE 0x210000ull

static void fill_tlb(void)
{
	if (_setjmp(f.v->unwind))
		fail_msg("an access to fill the TLB faulted");
	mmu_read(f.v, PLAIN_PAGE, 8, ACC_READ);
	mmu_read(f.v, GLOBAL_PAGE, 8, ACC_READ);
	assert_true(bench_in_tlb(&f, PLAIN_PAGE));
	assert_true(bench_in_tlb(&f, GLOBAL_PAGE));
}

static void expect_flushed(bool plain, bool global, const char *what)
{
	if (plain && bench_in_tlb(&f, PLAIN_PAGE))
		fail_msg("%s: the page is still in the TLB", what);
	if (global && bench_in_tlb(&f, GLOBAL_PAGE))
		fail_msg("%s: the global page is still in the TLB", what);
}

static void paging_with_a_global_page(void)
{
	bench_long_mode(&f);
	f.v->cr4 |= CR4_PGE;
	bench_write(&f, 0x3000, 0x000000 | 0x83); /* supervisor pages: TLB_KERNEL keeps global ones */
	bench_write(&f, 0x3008, 0x200000 | 0x183);
	mmu_flush_all(f.v);
}

static void writes_that_change_translations_empty_the_tlb(void **state)
{
	static const u64 cr4_bits[] = { CR4_PGE, CR4_PSE, CR4_SMEP, CR4_SMAP, CR4_PKE, CR4_PKS, CR4_PCIDE };

	(void)state;
	paging_with_a_global_page();
	fill_tlb();
	to_cr(3, f.v->cr3, NULL);
	expect_flushed(true, false, "CR3");
	fill_tlb();
	to_cr(0, f.v->cr0 ^ CR0_WP, NULL);
	expect_flushed(true, true, "CR0.WP");
	for (unsigned int i = 0; i < sizeof(cr4_bits) / sizeof(cr4_bits[0]); i++) {
		for (unsigned int twice = 0; twice < 2; twice++) {
			fill_tlb();
			assert_int_equal(to_cr(4, f.v->cr4 ^ cr4_bits[i], NULL), RUNS_OK);
			expect_flushed(true, true, "CR4");
		}
	}
	fill_tlb();
	assert_true(msr_write(f.v, MSR_EFER, f.v->efer ^ EFER_NX));
	expect_flushed(true, true, "EFER.NXE");
	f.v->cr4 |= CR4_PKE;
	fill_tlb();
	f.v->gpr[RAX] = 4;
	f.v->gpr[RCX] = f.v->gpr[RDX] = 0;
	assert_int_equal(bench_run(&f, insn_wrpkru, (union insn_args){ 0 }, NULL), RUNS_OK);
	expect_flushed(true, true, "PKRU");
	f.v->cr4 |= CR4_PKS;
	fill_tlb();
	assert_true(msr_write(f.v, MSR_PKRS, 4));
	expect_flushed(true, true, "PKRS");
}

static void a_cr3_write_with_the_noflush_bit_keeps_both_contexts(void **state)
{
	u64 root;

	(void)state;
	paging_with_a_global_page();
	root = f.v->cr3;
	assert_int_equal(to_cr(4, f.v->cr4 | CR4_PCIDE, NULL), RUNS_OK);
	assert_int_equal(to_cr(3, root | 1, NULL), RUNS_OK);
	fill_tlb();
	assert_int_equal(to_cr(3, root | 2, NULL), RUNS_OK);
	assert_false(bench_in_tlb(&f, PLAIN_PAGE));
	assert_int_equal(to_cr(3, root | 1 | CR3_NOFLUSH, NULL), RUNS_OK);
	assert_true(bench_in_tlb(&f, PLAIN_PAGE));
	assert_int_equal(to_cr(3, root | 1, NULL), RUNS_OK);
	assert_false(bench_in_tlb(&f, PLAIN_PAGE));
}

static int invpcid(u64 type, u64 low, u64 high)
{
	bench_write(&f, 0x7000, low);
	bench_write(&f, 0x7008, high);
	f.v->gpr[OPERAND] = type;
	f.v->ea = 0x7000;
	return bench_run(&f, insn_invpcid, (union insn_args){ .reg = OPERAND, .seg = DS, .size = 8 }, NULL);
}

static void invpcid_checks_its_descriptor_and_flushes_by_type(void **state)
{
	(void)state;
	paging_with_a_global_page();
	assert_int_equal(invpcid(4, 0, 0), VEC_GP);
	assert_int_equal(invpcid(2, 0x1000, 0), VEC_GP);
	assert_int_equal(invpcid(0, 1, 0), VEC_GP); /* a PCID without CR4.PCIDE */
	assert_int_equal(invpcid(1, 1, 0), VEC_GP);
	assert_int_equal(invpcid(2, 1, 0), RUNS_OK);
	assert_int_equal(invpcid(0, 0, 0x800000000000), VEC_GP);
	assert_int_equal(invpcid(1, 0, 0x800000000000), RUNS_OK);
	fill_tlb();
	assert_int_equal(invpcid(0, 0, PLAIN_PAGE), RUNS_OK);
	expect_flushed(true, false, "INVPCID 0");
	fill_tlb();
	assert_int_equal(invpcid(1, 0, 0), RUNS_OK);
	expect_flushed(true, false, "INVPCID 1");
	fill_tlb();
	assert_int_equal(invpcid(2, 0, 0), RUNS_OK);
	expect_flushed(true, true, "INVPCID 2");
	fill_tlb();
	assert_int_equal(invpcid(3, 0, 0), RUNS_OK);
	expect_flushed(true, false, "INVPCID 3");
	bench_set_feature(&f, FEATURE_INVPCID, false);
	assert_int_equal(invpcid(2, 0, 0), VEC_UD);
}

static void invlpg_takes_global_pages_and_ignores_bad_addresses(void **state)
{
	(void)state;
	paging_with_a_global_page();
	fill_tlb();
	f.v->ea = GLOBAL_PAGE + 5;
	assert_int_equal(bench_run(&f, insn_invlpg, (union insn_args){ .seg = DS }, NULL), RUNS_OK);
	expect_flushed(false, true, "INVLPG");
	f.v->ea = 0x8000000000000000ull;
	assert_int_equal(bench_run(&f, insn_invlpg, (union insn_args){ .seg = DS }, NULL), RUNS_OK);
	assert_int_equal(bench_run(&f, insn_invlpg, (union insn_args){ .is_reg = 1 }, NULL), VEC_UD);
}

static int xsetbv(u32 number, u64 value)
{
	f.v->gpr[RCX] = number;
	f.v->gpr[RAX] = (u32)value;
	f.v->gpr[RDX] = value >> 32;
	return bench_run(&f, insn_xsetbv, (union insn_args){ 0 }, NULL);
}

static void xcr0_takes_only_complete_offered_states(void **state)
{
	(void)state;
	assert_int_equal(xsetbv(0, XSTATE_X87), VEC_UD); /* without CR4.OSXSAVE */
	f.v->cr4 |= CR4_OSXSAVE;
	assert_int_equal(xsetbv(0, ALL_COMPONENTS), RUNS_OK);
	assert_int_equal(f.v->xcr0, ALL_COMPONENTS);
	assert_int_equal(xsetbv(0, XSTATE_SSE), VEC_GP);
	assert_int_equal(xsetbv(0, XSTATE_X87 | XSTATE_AVX), VEC_GP);
	assert_int_equal(xsetbv(0, XSTATE_X87 | BIT(5)), VEC_GP);
	assert_int_equal(xsetbv(0, XSTATE_X87 | BIT(62)), VEC_GP);
	assert_int_equal(xsetbv(1, XSTATE_X87), VEC_GP);
	bench_set_cpl(&f, 3);
	assert_int_equal(xsetbv(0, XSTATE_X87), VEC_GP);
	f.v->gpr[RCX] = 0;
	assert_int_equal(bench_run(&f, insn_xgetbv, (union insn_args){ 0 }, NULL), RUNS_OK);
	assert_int_equal(f.v->gpr[RAX], ALL_COMPONENTS);
	f.v->gpr[RCX] = 2;
	assert_int_equal(bench_run(&f, insn_xgetbv, (union insn_args){ 0 }, NULL), VEC_GP);
}

static void pkru_needs_cr4_pke_and_zero_registers(void **state)
{
	struct vcpu *v = f.v;

	(void)state;
	v->gpr[RAX] = 0x55555554;
	assert_int_equal(bench_run(&f, insn_wrpkru, (union insn_args){ 0 }, NULL), VEC_UD);
	assert_int_equal(bench_run(&f, insn_rdpkru, (union insn_args){ 0 }, NULL), VEC_UD);
	v->cr4 |= CR4_PKE;
	assert_int_equal(bench_run(&f, insn_wrpkru, (union insn_args){ 0 }, NULL), RUNS_OK);
	v->gpr[RDX] = 7;
	assert_int_equal(bench_run(&f, insn_rdpkru, (union insn_args){ 0 }, NULL), RUNS_OK);
	assert_int_equal(v->gpr[RAX], 0x55555554);
	assert_int_equal(v->gpr[RDX], 0);
	v->gpr[RCX] = 1;
	assert_int_equal(bench_run(&f, insn_rdpkru, (union insn_args){ 0 }, NULL), VEC_GP);
	v->gpr[RCX] = 0;
	v->gpr[RDX] = 1;
	assert_int_equal(bench_run(&f, insn_wrpkru, (union insn_args){ 0 }, NULL), VEC_GP);
}

static void monitor_and_mwait_exist_only_when_offered(void **state)
{
	struct vcpu *v = f.v;
	union insn_args a = { .seg = DS, .asize = 1 };

	(void)state;
	assert_int_equal(bench_run(&f, insn_monitor, a, NULL), VEC_UD);
	assert_int_equal(bench_run(&f, insn_mwait, a, NULL), VEC_UD);
	bench_set_feature(&f, FEATURE_MONITOR, true);
	v->misc_enable = MISC_ENABLE_RESET;
	assert_int_equal(bench_run(&f, insn_monitor, a, NULL), RUNS_OK);
	assert_int_equal(bench_run(&f, insn_mwait, a, NULL), RUNS_OK);
	v->gpr[RCX] = 1;
	assert_int_equal(bench_run(&f, insn_mwait, a, NULL), VEC_GP);
	bench_set_cpl(&f, 3);
	assert_int_equal(bench_run(&f, insn_mwait, a, NULL), VEC_UD);
}

static void hlt_stops_the_vcpu(void **state)
{
	(void)state;
	assert_int_equal(bench_run(&f, insn_hlt, (union insn_args){ 0 }, NULL), RUNS_OK);
	assert_int_equal(f.v->activity, ACTIVITY_HLT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(cr0_transitions_follow_the_sdm),
		T(cr4_transitions_follow_the_sdm),
		T(cr4_offers_what_the_model_has),
		T(cr3_checks_its_reserved_bits),
		T(pae_paging_loads_its_pdptes),
		T(only_some_control_registers_exist),
		T(system_instructions_are_privileged),
		T(lmsw_sets_pe_but_never_clears_it),
		T(smsw_is_16_bits_wide_in_memory),
		T(debug_registers_keep_their_fixed_bits),
		T(dr4_and_dr5_are_aliases_without_debugging_extensions),
		T(general_detect_raises_db_before_the_access),
		T(writes_that_change_translations_empty_the_tlb),
		T(a_cr3_write_with_the_noflush_bit_keeps_both_contexts),
		T(invpcid_checks_its_descriptor_and_flushes_by_type),
		T(invlpg_takes_global_pages_and_ignores_bad_addresses),
		T(xcr0_takes_only_complete_offered_states),
		T(pkru_needs_cr4_pke_and_zero_registers),
		T(monitor_and_mwait_exist_only_when_offered),
		T(hlt_stops_the_vcpu),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
