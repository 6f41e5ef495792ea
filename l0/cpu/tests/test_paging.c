/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page walk, twice: hand-built tables with each rule of its own, and a comparison with a second
 * walker (walker.c), written from the SDM's text, on tables of random entries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "../paging.h"
#include "vcpu_bench.h"
#include "walker.h"

/* leaf and table entries */
#define P 1ull
#define W 2ull
#define U 4ull
#define A 0x20ull
#define D 0x40ull
#define PS 0x80ull
#define G 0x100ull
#define NX BIT(63)
#define KEY(k) ((u64)(k) << 59)

#define ROOT 0x10000ull /* one table a level from here on, 4 KiB apart */
#define TABLE(level) (ROOT + (level)*0x1000ull)

static struct bench f;

static int setup(void **state)
{
	(void)state;
	bench_init(&f, "max");
	f.model.phys_bits = 46;
	f.v->no_walk_cache = true; /* tables change between two walks, and nobody executes INVLPG */
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bench_destroy(&f);
	return 0;
}

static void paging(u64 cr0, u64 cr4, u64 efer)
{
	f.v->cr0 = CR0_PE | CR0_ET | CR0_PG | cr0;
	f.v->cr4 = cr4;
	f.v->efer = efer;
	f.v->cr3 = ROOT;
}

#define LINEAR4 0x0000123456789abcull
#define FRAME 0x1234000ull

/* 4-level: index of LINEAR4 at the level that begins at bit `shift` */
static u64 slot(unsigned int level, unsigned int shift, u64 linear)
{
	return TABLE(level) + (linear >> shift & 511) * 8;
}

static void map4(u64 linear, u64 upper, u64 leaf)
{
	bench_write(&f, slot(0, 39, linear), TABLE(1) | upper);
	bench_write(&f, slot(1, 30, linear), TABLE(2) | upper);
	bench_write(&f, slot(2, 21, linear), TABLE(3) | upper);
	bench_write(&f, slot(3, 12, linear), leaf);
}

static void check_ok(u64 linear, unsigned int access, u64 gpa, unsigned int shift)
{
	struct mmu_page page;
	u32 error = 0;

	if (!mmu_walk(f.v, linear, access, &page, &error))
		fail_msg("access %x: unexpected fault, error %x", access, error);
	assert_int_equal(page.gpa, gpa);
	assert_int_equal(page.shift, shift);
}

static void check_fault(u64 linear, unsigned int access, u32 expected)
{
	struct mmu_page page;
	u32 error = ~0u;

	if (mmu_walk(f.v, linear, access, &page, &error))
		fail_msg("access %x: no fault, error %x expected", access, expected);
	if (error != expected)
		fail_msg("access %x: error %x, expected %x", access, error, expected);
}

static void without_paging_addresses_are_identical(void **state)
{
	(void)state;
	check_ok(0x12345678, ACC_READ | ACC_WRITE, 0x12345678, 12);
}

static void four_levels_lead_to_a_4k_page(void **state)
{
	(void)state;
	paging(CR0_WP, CR4_PAE, EFER_LME | EFER_LMA);
	map4(LINEAR4, P | W | U, FRAME | P | W | U);
	check_ok(LINEAR4, ACC_READ, FRAME | (LINEAR4 & 0xfff), 12);
	check_ok(LINEAR4, ACC_WRITE | ACC_USER, FRAME | (LINEAR4 & 0xfff), 12);
	check_fault(LINEAR4 + 0x1000, ACC_READ, 0);
	check_fault(LINEAR4 + BIT(39), ACC_WRITE | ACC_USER, PFEC_W | PFEC_U);
}

static void four_levels_have_2m_and_1g_pages(void **state)
{
	(void)state;
	paging(0, CR4_PAE, EFER_LME | EFER_LMA);
	map4(LINEAR4, P | W, 0);
	bench_write(&f, slot(2, 21, LINEAR4), 0x40000000 | P | PS);
	check_ok(LINEAR4, ACC_READ, 0x40000000 | (LINEAR4 & 0x1fffff), 21);
	bench_write(&f, slot(1, 30, LINEAR4), 0x80000000 | P | PS);
	check_ok(LINEAR4, ACC_READ, 0x80000000 | (LINEAR4 & 0x3fffffff), 30);
	bench_set_feature(&f, FEATURE_PDPE1GB, false);
	check_fault(LINEAR4, ACC_READ, PFEC_P | PFEC_RSVD);
}

static void five_levels_lead_to_a_4k_page(void **state)
{
	const u64 linear = 0x00ab123456789abcull;

	(void)state;
	paging(0, CR4_PAE | CR4_LA57, EFER_LME | EFER_LMA);
	bench_write(&f, slot(0, 48, linear), TABLE(1) | P);
	bench_write(&f, slot(1, 39, linear), TABLE(2) | P);
	bench_write(&f, slot(2, 30, linear), TABLE(3) | P);
	bench_write(&f, slot(3, 21, linear), TABLE(4) | P);
	bench_write(&f, slot(4, 12, linear), FRAME | P);
	check_ok(linear, ACC_READ, FRAME | 0xabc, 12);
	bench_write(&f, slot(0, 48, linear), TABLE(1) | P | PS);
	check_fault(linear, ACC_READ, PFEC_P | PFEC_RSVD);
}

static void pae_starts_from_the_pdpte_registers(void **state)
{
	const u64 linear = 0xc0345678;

	(void)state;
	paging(0, CR4_PAE, EFER_NX);
	f.v->pdpte[3] = TABLE(0) | P;
	bench_write(&f, TABLE(0) + (linear >> 21 & 511) * 8, TABLE(1) | P | W);
	bench_write(&f, TABLE(1) + (linear >> 12 & 511) * 8, FRAME | P | W | NX);
	check_ok(linear, ACC_WRITE, FRAME | 0x678, 12);
	check_fault(linear, ACC_EXEC, PFEC_P | PFEC_I);
	check_fault(0x80345678, ACC_READ, 0);
	bench_write(&f, TABLE(0) + (linear >> 21 & 511) * 8, 0x600000 | P | PS | W);
	check_ok(linear, ACC_WRITE, 0x600000 | (linear & 0x1fffff), 21);
	/* bits 62:52 are reserved here, unlike in 4-level paging */
	bench_write(&f, TABLE(0) + (linear >> 21 & 511) * 8, 0x600000 | P | PS | W | BIT(52));
	check_fault(linear, ACC_WRITE, PFEC_P | PFEC_RSVD | PFEC_W);
}

static void write32(u64 gpa, u32 value)
{
	memcpy(memory_host(&f.machine.memory, gpa), &value, sizeof(value));
}

static void two_levels_have_4k_and_4m_pages(void **state)
{
	const u64 linear = 0xc0345678;

	(void)state;
	paging(0, 0, 0);
	write32(TABLE(0) + (linear >> 22) * 4, TABLE(1) | P | W | PS);
	write32(TABLE(1) + (linear >> 12 & 1023) * 4, FRAME | P | W);
	check_ok(linear, ACC_WRITE, FRAME | 0x678, 12); /* without CR4.PSE, PS is ignored */
	f.v->cr4 = CR4_PSE;
	write32(TABLE(0) + (linear >> 22) * 4, 0x00800000 | P | PS | 0x1fe000);
	check_ok(linear, ACC_READ, 0xff00800000ull | (linear & 0x3fffff), 22);
	write32(TABLE(0) + (linear >> 22) * 4, 0x00800000 | P | PS | BIT(21));
	check_fault(linear, ACC_READ, PFEC_P | PFEC_RSVD);
	f.model.phys_bits = 36;
	write32(TABLE(0) + (linear >> 22) * 4, 0x00800000 | P | PS | BIT(16));
	check_ok(linear, ACC_READ, 0x800800000ull | (linear & 0x3fffff), 22);
	write32(TABLE(0) + (linear >> 22) * 4, 0x00800000 | P | PS | BIT(17));
	check_fault(linear, ACC_READ, PFEC_P | PFEC_RSVD);
}

/* One row for each rule: rights of the upper levels and of the leaf, how the CPU is set up, what happens. */
static void every_permission_bit_is_obeyed(void **state)
{
	const u64 long_mode = EFER_LME | EFER_LMA;
	const u64 nx = long_mode | EFER_NX;
	const struct {
		u64 upper, leaf, cr0, cr4, efer, rflags;
		u32 keys; /* PKRU or PKRS */
		unsigned int access;
		int error; /* -1: none */
	} row[] = {
		/* user accesses need U at every level, and W to write */
		{ P | W | U, P | W | U, 0, 0, long_mode, 0, 0, ACC_READ | ACC_USER, -1 },
		{ P | W | U, P | W, 0, 0, long_mode, 0, 0, ACC_READ | ACC_USER, PFEC_P | PFEC_U },
		{ P | W, P | W | U, 0, 0, long_mode, 0, 0, ACC_READ | ACC_USER, PFEC_P | PFEC_U },
		{ P | W | U, P | U, 0, 0, long_mode, 0, 0, ACC_WRITE | ACC_USER, PFEC_P | PFEC_U | PFEC_W },
		{ P | U, P | W | U, 0, 0, long_mode, 0, 0, ACC_WRITE | ACC_USER, PFEC_P | PFEC_U | PFEC_W },
		/* WP */
		{ P | W, P, 0, 0, long_mode, 0, 0, ACC_WRITE, -1 },
		{ P | W, P, CR0_WP, 0, long_mode, 0, 0, ACC_WRITE, PFEC_P | PFEC_W },
		{ P, P | W, CR0_WP, 0, long_mode, 0, 0, ACC_WRITE, PFEC_P | PFEC_W },
		{ P | W, P | W, CR0_WP, 0, long_mode, 0, 0, ACC_WRITE, -1 },
		/* NX: reserved without EFER.NXE; the I bit of the error code only with NXE or SMEP */
		{ P | W, P | NX, 0, 0, nx, 0, 0, ACC_EXEC, PFEC_P | PFEC_I },
		{ P | W, P | NX, 0, 0, nx, 0, 0, ACC_READ, -1 },
		{ P | W | NX, P, 0, 0, nx, 0, 0, ACC_EXEC, PFEC_P | PFEC_I },
		{ P | W, P | NX, 0, 0, long_mode, 0, 0, ACC_READ, PFEC_P | PFEC_RSVD },
		{ P | W, P | NX, 0, 0, long_mode, 0, 0, ACC_EXEC, PFEC_P | PFEC_RSVD },
		{ P | W, P, 0, 0, long_mode, 0, 0, ACC_EXEC | ACC_USER, PFEC_P | PFEC_U },
		{ P | W, P, 0, 0, nx, 0, 0, ACC_EXEC | ACC_USER, PFEC_P | PFEC_U | PFEC_I },
		{ P | W, P, 0, CR4_SMEP, long_mode, 0, 0, ACC_EXEC | ACC_USER, PFEC_P | PFEC_U | PFEC_I },
		/* SMEP: a page is a user page only if U is set at every level */
		{ P | W | U, P | U, 0, CR4_SMEP, long_mode, 0, 0, ACC_EXEC, PFEC_P | PFEC_I },
		{ P | W, P | U, 0, CR4_SMEP, long_mode, 0, 0, ACC_EXEC, -1 },
		{ P | W | U, P | U, 0, 0, long_mode, 0, 0, ACC_EXEC, -1 },
		/* SMAP: AC lets explicit accesses through, never implicit ones */
		{ P | W | U, P | U, 0, CR4_SMAP, long_mode, 0, 0, ACC_READ, PFEC_P },
		{ P | W | U, P | W | U, 0, CR4_SMAP, long_mode, 0, 0, ACC_WRITE, PFEC_P | PFEC_W },
		{ P | W | U, P | U, 0, CR4_SMAP, long_mode, FLAG_AC, 0, ACC_READ, -1 },
		{ P | W | U, P | U, 0, CR4_SMAP, long_mode, FLAG_AC, 0, ACC_READ | ACC_IMPLICIT, PFEC_P },
		{ P | W | U, P | U, 0, CR4_SMAP, long_mode, 0, 0, ACC_EXEC, -1 },
		{ P | W | U, P | U, 0, CR4_SMAP, long_mode, 0, 0, ACC_READ | ACC_USER, -1 },
		{ P | W, P | U, 0, CR4_SMAP, long_mode, 0, 0, ACC_READ, -1 },
		/* protection keys: user pages, data accesses; WD stops the supervisor only with WP */
		{ P | W | U, P | U | KEY(3), 0, CR4_PKE, nx, 0, 1 << 6, ACC_READ, PFEC_P | PFEC_PK },
		{ P | W | U, P | U | KEY(3), 0, CR4_PKE, nx, 0, 1 << 6, ACC_READ | ACC_USER, PFEC_P | PFEC_PK | PFEC_U },
		{ P | W | U, P | U | KEY(3), 0, CR4_PKE, nx, 0, 1 << 6, ACC_EXEC | ACC_USER, -1 },
		{ P | W | U, P | U | KEY(3), 0, 0, nx, 0, 1 << 6, ACC_READ, -1 },
		{ P | W, P | KEY(3), 0, CR4_PKE, nx, 0, 1 << 6, ACC_READ, -1 },
		{ P | W | U, P | W | U | KEY(3), 0, CR4_PKE, nx, 0, 2 << 6, ACC_WRITE, -1 },
		{ P | W | U, P | W | U | KEY(3), CR0_WP, CR4_PKE, nx, 0, 2 << 6, ACC_WRITE, PFEC_P | PFEC_W | PFEC_PK },
		{ P | W | U, P | W | U | KEY(3), 0, CR4_PKE, nx, 0, 2 << 6, ACC_WRITE | ACC_USER,
		  PFEC_P | PFEC_W | PFEC_U | PFEC_PK },
		{ P | W | U, P | W | U | KEY(3), CR0_WP, CR4_PKE, nx, 0, 2 << 6, ACC_READ | ACC_USER, -1 },
		{ P | W | U, P | W | U | KEY(2), CR0_WP, CR4_PKE, nx, 0, 3 << 6, ACC_WRITE | ACC_USER, -1 },
		/* those of supervisor pages have a register and an enable bit of their own */
		{ P | W | U, P | KEY(3), 0, CR4_PKS, nx, 0, 1 << 6, ACC_READ, PFEC_P | PFEC_PK },
		{ P | W | U, P | KEY(3), 0, CR4_PKS, nx, 0, 1 << 6, ACC_EXEC, -1 },
		{ P | W | U, P | KEY(3), 0, CR4_PKE, nx, 0, 1 << 6, ACC_READ, -1 },
		{ P | W | U, P | U | KEY(3), 0, CR4_PKS, nx, 0, 1 << 6, ACC_READ, -1 },
		{ P | W | U, P | W | KEY(3), 0, CR4_PKS, nx, 0, 2 << 6, ACC_WRITE, -1 },
		{ P | W | U, P | W | KEY(3), CR0_WP, CR4_PKS, nx, 0, 2 << 6, ACC_WRITE, PFEC_P | PFEC_W | PFEC_PK },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct mmu_page page;
		u32 error = ~0u;
		int got;

		paging(row[i].cr0, CR4_PAE | row[i].cr4, row[i].efer);
		f.v->rflags = FLAG_1 | row[i].rflags;
		f.v->pkru = row[i].cr4 & CR4_PKS ? 0 : row[i].keys;
		f.v->pkrs = row[i].cr4 & CR4_PKS ? row[i].keys : 0;
		map4(LINEAR4, row[i].upper, FRAME | row[i].leaf);
		got = mmu_walk(f.v, LINEAR4, row[i].access, &page, &error) ? -1 : (int)error;
		if (got != row[i].error)
			fail_msg("row %u: got %d, expected %d", i, got, row[i].error);
	}
}

static void accessed_and_dirty_are_set_only_by_allowed_accesses(void **state)
{
	(void)state;
	paging(CR0_WP, CR4_PAE, EFER_LME | EFER_LMA);
	map4(LINEAR4, P | W | U, FRAME | P);
	check_fault(LINEAR4, ACC_WRITE, PFEC_P | PFEC_W);
	assert_int_equal(bench_read(&f, slot(3, 12, LINEAR4)), FRAME | P);
	assert_int_equal(bench_read(&f, slot(0, 39, LINEAR4)), TABLE(1) | P | W | U);

	check_ok(LINEAR4, ACC_READ, FRAME | 0xabc, 12);
	assert_int_equal(bench_read(&f, slot(3, 12, LINEAR4)), FRAME | P | A);
	assert_int_equal(bench_read(&f, slot(0, 39, LINEAR4)), TABLE(1) | P | W | U | A);
	assert_int_equal(bench_read(&f, slot(2, 21, LINEAR4)), TABLE(3) | P | W | U | A);

	bench_write(&f, slot(3, 12, LINEAR4), FRAME | P | W);
	check_ok(LINEAR4, ACC_WRITE, FRAME | 0xabc, 12);
	assert_int_equal(bench_read(&f, slot(3, 12, LINEAR4)), FRAME | P | W | A | D);
	assert_int_equal(bench_read(&f, slot(2, 21, LINEAR4)), TABLE(3) | P | W | U | A);
}

static void a_probe_leaves_the_tables_alone(void **state)
{
	struct mmu_page page;
	u32 error;

	(void)state;
	paging(0, CR4_PAE, EFER_LME | EFER_LMA);
	map4(LINEAR4, P | W, FRAME | P | W);
	assert_true(mmu_probe(f.v, LINEAR4, ACC_WRITE, &page, &error));
	assert_int_equal(page.gpa, FRAME | 0xabc);
	assert_int_equal(bench_read(&f, slot(3, 12, LINEAR4)), FRAME | P | W);
}

static void rights_offer_writes_only_on_dirty_pages(void **state)
{
	struct mmu_page page;
	u32 error;

	(void)state;
	paging(CR0_WP, CR4_PAE | CR4_PGE, EFER_LME | EFER_LMA | EFER_NX);
	map4(LINEAR4, P | W | U, FRAME | P | W | U | NX | G);
	assert_true(mmu_walk(f.v, LINEAR4, ACC_READ, &page, &error));
	assert_int_equal(page.rights, ACC_READ);
	assert_true(page.global && page.user);
	assert_true(mmu_walk(f.v, LINEAR4, ACC_WRITE, &page, &error));
	assert_int_equal(page.rights, ACC_READ | ACC_WRITE);
	f.v->cr4 &= ~CR4_PGE;
	assert_true(mmu_walk(f.v, LINEAR4, ACC_READ, &page, &error));
	assert_false(page.global);
}

static void reserved_bits_fault_at_every_level(void **state)
{
	static const u8 shift[] = { 39, 30, 21, 12 };

	(void)state;
	paging(0, CR4_PAE, EFER_LME | EFER_LMA);
	for (unsigned int level = 0; level < 4; level++) {
		for (unsigned int bit = 46; bit < 52; bit++) {
			u64 at = slot(level, shift[level], LINEAR4);

			map4(LINEAR4, P | W, FRAME | P);
			bench_write(&f, at, bench_read(&f, at) | BIT(bit));
			check_fault(LINEAR4, ACC_READ, PFEC_P | PFEC_RSVD);
			/* not present: nothing else counts */
			bench_write(&f, at, bench_read(&f, at) & ~P);
			check_fault(LINEAR4, ACC_READ, 0);
		}
	}
	map4(LINEAR4, P | W, FRAME | P | BIT(52)); /* ignored */
	check_ok(LINEAR4, ACC_READ, FRAME | 0xabc, 12);
	bench_write(&f, slot(2, 21, LINEAR4), 0x200000 | P | PS | BIT(13));
	check_fault(LINEAR4, ACC_READ, PFEC_P | PFEC_RSVD);
	bench_write(&f, slot(2, 21, LINEAR4), 0x200000 | P | PS | BIT(12)); /* PAT */
	check_ok(LINEAR4, ACC_READ, 0x200000 | (LINEAR4 & 0x1fffff), 21);
	bench_write(&f, slot(1, 30, LINEAR4), 0x40000000 | P | PS | BIT(29));
	check_fault(LINEAR4, ACC_READ, PFEC_P | PFEC_RSVD);
	bench_write(&f, slot(0, 39, LINEAR4), TABLE(1) | P | PS);
	check_fault(LINEAR4, ACC_READ, PFEC_P | PFEC_RSVD);
}

static void tables_outside_of_ram_read_as_ones(void **state)
{
	(void)state;
	paging(0, CR4_PAE, EFER_LME | EFER_LMA);
	map4(LINEAR4, P | W, FRAME | P);
	bench_write(&f, slot(2, 21, LINEAR4), 0xd0000000 | P);
	check_fault(LINEAR4, ACC_READ, PFEC_P | PFEC_RSVD);
	f.v->cr3 = 0xfee00000;
	check_fault(LINEAR4, ACC_WRITE, PFEC_P | PFEC_RSVD | PFEC_W);
}

static void pdptes_with_reserved_bits_are_refused(void **state)
{
	u64 pdpte[4];

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		bench_write(&f, ROOT + i * 8, 0);
	assert_true(paging_read_pdptes(f.v, ROOT | 0x18, pdpte));
	for (unsigned int bit = 1; bit < 64; bit++) {
		bool reserved = bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= 46;

		bench_write(&f, ROOT + 16, BIT(bit) | P);
		assert_int_equal(paging_read_pdptes(f.v, ROOT, pdpte), !reserved);
		bench_write(&f, ROOT + 16, BIT(bit));
		assert_true(paging_read_pdptes(f.v, ROOT, pdpte));
	}
	assert_false(paging_read_pdptes(f.v, 0xd0000000, pdpte));
}

/* tables full of random entries in a small memory: mostly present, mostly pointing back into it */
#define POOL_PAGES 64u

static u64 random_entry(u64 *seed, bool wide)
{
	u64 r = bench_random(seed), e = (r & 0xfff) | (bench_random(seed) % POOL_PAGES) << 12;

	if (bench_random(seed) % 16)
		e |= P;
	if (bench_random(seed) % 4)
		e |= U;
	if (bench_random(seed) % 4)
		e |= W;
	if (bench_random(seed) % 3)
		e &= ~PS;
	if (bench_random(seed) % 2) /* alignment of a large page: no reserved bits */
		e &= ~0x3fffe000ull;
	if (!wide)
		return (u32)(e | (r >> 32 & 0xffc00000) * !(r >> 20 & 3));
	if (!(bench_random(seed) % 3))
		e |= r & 0x7ff0000000000000ull;
	if (!(bench_random(seed) % 8))
		e |= NX;
	if (!(bench_random(seed) % 32))
		e |= BIT(bench_random(seed) % 64);
	return e;
}

static void randomize_pool(u64 *seed, bool wide)
{
	for (u64 at = 0; at < POOL_PAGES << 12; at += 8) {
		u64 value = random_entry(seed, wide);

		if (!wide)
			value |= random_entry(seed, wide) << 32;
		bench_write(&f, at, value);
	}
}

static void randomize_cpu(u64 *seed, unsigned int mode)
{
	struct vcpu *v = f.v;
	u64 r = bench_random(seed);

	v->cr0 = CR0_PE | CR0_ET | CR0_PG | (r & CR0_WP);
	v->cr4 = r >> 8 & (CR4_PGE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_PKS | CR4_PSE);
	v->efer = r >> 24 & EFER_NX;
	if (mode >= PAGING_PAE)
		v->cr4 |= CR4_PAE;
	if (mode >= PAGING_4LEVEL)
		v->efer |= EFER_LME | EFER_LMA;
	if (mode == PAGING_5LEVEL)
		v->cr4 |= CR4_LA57;
	v->rflags = FLAG_1 | (r >> 32 & FLAG_AC);
	v->pkru = (u32)bench_random(seed);
	v->pkrs = (u32)bench_random(seed);
	v->cr3 = bench_random(seed) % POOL_PAGES << 12;
	for (unsigned int i = 0; i < 4; i++)
		v->pdpte[i] = bench_random(seed) % POOL_PAGES << 12 | (bench_random(seed) % 8 != 0);
	f.model.phys_bits = (u8)(36 + bench_random(seed) % 17);
	bench_set_feature(&f, FEATURE_PDPE1GB, bench_random(seed) & 1);
	bench_set_feature(&f, FEATURE_PSE36, bench_random(seed) & 1);
}

static u64 pool_hash(void)
{
	const u8 *base = memory_host(&f.machine.memory, 0);
	u64 hash = 1469598103934665603ull, word;

	for (u64 at = 0; at < POOL_PAGES << 12; at += 8) {
		memcpy(&word, base + at, 8);
		hash = (hash ^ word) * 1099511628211ull;
		hash ^= hash >> 29;
	}
	return hash;
}

static void compare_once(u64 *seed, unsigned int mode, unsigned int *walks, unsigned int *hits)
{
	static const unsigned int kinds[] = { ACC_READ,
					      ACC_WRITE,
					      ACC_EXEC,
					      ACC_READ | ACC_USER,
					      ACC_WRITE | ACC_USER,
					      ACC_EXEC | ACC_USER,
					      ACC_READ | ACC_IMPLICIT,
					      ACC_WRITE | ACC_IMPLICIT };
	u64 linear = mode >= PAGING_4LEVEL ? bench_random(seed) : (u32)bench_random(seed);
	unsigned int access = kinds[bench_random(seed) % 8];
	struct mmu_page page = { 0 };
	struct walker_result expected;
	u64 before;
	u32 error = 0;
	bool ok;

	walker_walk(f.v, linear, access, &expected);
	before = *walks % 16 ? 0 : pool_hash();
	ok = mmu_probe(f.v, linear, access, &page, &error);
	if (before && pool_hash() != before)
		fail_msg("a probe changed a table");
	if (ok != expected.ok || (!ok && error != expected.error))
		fail_msg("mode %u, linear %llx, access %x: %d/%x, expected %d/%x", mode, (unsigned long long)linear,
			 access, ok, error, expected.ok, expected.error);

	ok = mmu_walk(f.v, linear, access, &page, &error);
	assert_int_equal(ok, expected.ok);
	for (unsigned int i = 0; i < expected.entries; i++)
		if (walker_entry(f.v, expected.entry[i].gpa, expected.entry[i].size) != expected.entry[i].after)
			fail_msg("mode %u, linear %llx, access %x: entry %u isn't marked as it should be", mode,
				 (unsigned long long)linear, access, i);
	if (ok) {
		assert_int_equal(page.gpa, expected.gpa);
		assert_int_equal(page.shift, expected.shift);
		assert_int_equal(page.global, expected.global);
		assert_int_equal(page.user, expected.user);
		assert_int_equal(page.rights, walker_rights(f.v, linear, access));
		(*hits)++;
	}
	(*walks)++;
}

static void random_tables_are_walked_as_the_other_walker_does(void **state)
{
	u64 seed = 0x9e3779b97f4a7c15ull;

	(void)state;
	for (unsigned int mode = PAGING_32BIT; mode < PAGING_MODES; mode++) {
		unsigned int walks = 0, hits = 0;

		for (unsigned int round = 0; round < 40; round++) {
			randomize_pool(&seed, mode != PAGING_32BIT);
			for (unsigned int cpu = 0; cpu < 50; cpu++) {
				randomize_cpu(&seed, mode);
				assert_int_equal(paging_mode(f.v), mode);
				f.v->no_walk_cache = cpu % 2;
				mmu_flush_all(f.v);
				for (unsigned int i = 0; i < 50; i++)
					compare_once(&seed, mode, &walks, &hits);
			}
		}
		/* both outcomes were seen often */
		assert_true(hits > walks / 50 && hits < walks);
	}
}

/* ---- the paging-structure cache ---- */

#define OTHER 0x60000ull /* another page table */

/* Two page tables: the one in use has no page at LINEAR4 + 0x1000, OTHER has one for both. */
static void two_tables(void)
{
	paging(CR0_WP, CR4_PAE, EFER_LME | EFER_LMA);
	f.v->no_walk_cache = false;
	map4(LINEAR4, P | W | U | A, FRAME | P | W | U | A | D);
	bench_write(&f, OTHER + (LINEAR4 >> 12 & 511) * 8, (FRAME + 0x100000) | P | W | U | A | D);
	bench_write(&f, OTHER + ((LINEAR4 >> 12 & 511) + 1) * 8, (FRAME + 0x101000) | P | W | U | A | D);
}

static void other_table(void)
{
	bench_write(&f, slot(2, 21, LINEAR4), OTHER | P | W | U | A);
}

#define OFFSET4 (LINEAR4 & 0xfff)

static void a_walk_begins_with_the_cached_table(void **state)
{
	(void)state;
	two_tables();
	check_ok(LINEAR4, ACC_READ, FRAME | OFFSET4, 12);
	other_table();
	check_ok(LINEAR4, ACC_READ, FRAME | OFFSET4, 12);
	f.v->no_walk_cache = true;
	check_ok(LINEAR4, ACC_READ, (FRAME + 0x100000) | OFFSET4, 12);
}

static void what_drops_a_page_drops_the_cached_table(void **state)
{
	(void)state;
	for (int how = 0; how < 6; how++) {
		two_tables();
		mmu_flush_all(f.v);
		check_ok(LINEAR4, ACC_READ, FRAME | OFFSET4, 12);
		other_table();
		switch (how) {
		case 0:
			mmu_flush_page(f.v, 0x5000); /* "regardless of the linear addresses to which they correspond" */
			break;
		case 1:
			mmu_flush_all(f.v);
			break;
		case 2:
			mmu_flush_nonglobal(f.v);
			break;
		case 3:
			mmu_switch(f.v, true); /* MOV to CR3 */
			break;
		case 4:
			mmu_flush_pcid(f.v, 0);
			break;
		case 5:
			mmu_flush_pcid_page(f.v, 0, 0x5000);
			break;
		}
		check_ok(LINEAR4, ACC_READ, (FRAME + 0x100000) | OFFSET4, 12);
	}
}

static void no_fault_comes_from_a_cached_table(void **state)
{
	struct mmu_page page;

	(void)state;
	two_tables();
	check_ok(LINEAR4, ACC_READ, FRAME | OFFSET4, 12);
	check_fault(LINEAR4 + 0x1000, ACC_READ, 0);
	other_table();
	check_ok(LINEAR4 + 0x1000, ACC_READ, (FRAME + 0x101000) | OFFSET4, 12);
	/* a right that the levels above give meanwhile */
	two_tables();
	mmu_flush_all(f.v);
	bench_write(&f, slot(2, 21, LINEAR4), TABLE(3) | P | U | A);
	check_ok(LINEAR4, ACC_READ, FRAME | OFFSET4, 12);
	check_fault(LINEAR4, ACC_WRITE, PFEC_P | PFEC_W);
	bench_write(&f, slot(2, 21, LINEAR4), TABLE(3) | P | W | U | A);
	check_ok(LINEAR4, ACC_WRITE, FRAME | OFFSET4, 12);
	assert_false(mmu_peek(f.v, LINEAR4 + 0x1000, ACC_READ, &page));
}

static void a_peek_takes_what_needs_no_flag(void **state)
{
	struct mmu_page page;
	u64 at = slot(3, 12, LINEAR4);

	(void)state;
	two_tables();
	assert_false(mmu_peek(f.v, LINEAR4, ACC_READ, &page)); /* the table isn't known yet */
	check_ok(LINEAR4, ACC_READ, FRAME | OFFSET4, 12);
	assert_true(mmu_peek(f.v, LINEAR4, ACC_READ, &page));
	assert_int_equal(page.gpa, FRAME | OFFSET4);
	assert_int_equal(page.rights, ACC_READ | ACC_WRITE | ACC_EXEC);
	bench_write(&f, at, FRAME | P | W | U | A);
	assert_true(mmu_peek(f.v, LINEAR4, ACC_READ, &page));
	assert_int_equal(page.rights, ACC_READ | ACC_EXEC);
	bench_write(&f, at, FRAME | P | W | U | D);
	assert_false(mmu_peek(f.v, LINEAR4, ACC_READ, &page));
	bench_write(&f, at, FRAME | P | W | A | D);
	assert_false(mmu_peek(f.v, LINEAR4, ACC_READ | ACC_USER, &page));
	assert_int_equal(bench_read(&f, at), FRAME | P | W | A | D);
}

#define LARGE_FRAME 0x1200000ull

static void a_peek_at_large_pages_takes_what_needs_no_flag(void **state)
{
	struct mmu_page page;
	u64 at = slot(2, 21, LINEAR4), large = LARGE_FRAME | P | W | U | PS;

	(void)state;
	two_tables();
	check_ok(LINEAR4, ACC_READ, FRAME | OFFSET4, 12);
	assert_false(mmu_peek_large(f.v, LINEAR4, &page)); /* of 4 KiB */
	bench_write(&f, at, large | A | D);
	assert_true(mmu_peek_large(f.v, LINEAR4, &page));
	assert_int_equal(page.gpa, LARGE_FRAME | (LINEAR4 & 0x1fffff));
	assert_int_equal(page.shift, 21);
	assert_int_equal(page.rights, ACC_READ | ACC_WRITE | ACC_EXEC);
	bench_write(&f, at, large | A);
	assert_true(mmu_peek_large(f.v, LINEAR4, &page));
	assert_int_equal(page.rights, ACC_READ | ACC_EXEC);
	bench_write(&f, at, large | D);
	assert_false(mmu_peek_large(f.v, LINEAR4, &page));
	bench_write(&f, at, (large | A | D) & ~U);
	assert_false(mmu_peek_large(f.v, LINEAR4, &page));
	bench_write(&f, at, large | A | D);
	bench_write(&f, slot(1, 30, LINEAR4), TABLE(2) | P | W | U);
	assert_false(mmu_peek_large(f.v, LINEAR4, &page));
	bench_write(&f, slot(1, 30, LINEAR4), 0);
	assert_false(mmu_peek_large(f.v, LINEAR4, &page));
	assert_int_equal(bench_read(&f, at), large | A | D);
}

static u64 seen_by(u16 pcid, u64 linear)
{
	f.v->cr3 = ROOT | pcid;
	mmu_switch(f.v, false);
	return (u64)(mmu_host(f.v, linear, ACC_READ) - f.machine.memory.base);
}

/* SDM vol. 3, "Operations that Invalidate TLBs and Paging-Structure Caches": INVLPG */
static void invlpg_drops_global_pages_of_every_pcid_and_leaves_processes_the_others(void **state)
{
	static const u64 LINEARS[] = { LINEAR4 & ~0xfffull, 0xffff923456789000ull };
	const u64 old = 0x100000, new = 0x101000;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		u64 at = LINEARS[i & 1], rest = P | W | U | A | D | (i & 2 ? G : 0);

		paging(CR0_WP, CR4_PAE | CR4_PGE | CR4_PCIDE, EFER_LME | EFER_LMA);
		mmu_flush_all(f.v);
		map4(at, P | W | U | A, old | rest);
		assert_int_equal(seen_by(1, at), old);
		assert_int_equal(seen_by(2, at), old);
		bench_write(&f, slot(3, 12, at), new | rest);
		assert_int_equal(seen_by(2, at), old);
		mmu_flush_page(f.v, at);
		assert_int_equal(seen_by(2, at), new);
		/* in the upper half it may stay, and doesn't */
		assert_int_equal(seen_by(1, at), i == 0 ? old : new);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(without_paging_addresses_are_identical),
		T(four_levels_lead_to_a_4k_page),
		T(four_levels_have_2m_and_1g_pages),
		T(five_levels_lead_to_a_4k_page),
		T(pae_starts_from_the_pdpte_registers),
		T(two_levels_have_4k_and_4m_pages),
		T(every_permission_bit_is_obeyed),
		T(accessed_and_dirty_are_set_only_by_allowed_accesses),
		T(a_probe_leaves_the_tables_alone),
		T(rights_offer_writes_only_on_dirty_pages),
		T(reserved_bits_fault_at_every_level),
		T(tables_outside_of_ram_read_as_ones),
		T(pdptes_with_reserved_bits_are_refused),
		T(random_tables_are_walked_as_the_other_walker_does),
		T(a_walk_begins_with_the_cached_table),
		T(what_drops_a_page_drops_the_cached_table),
		T(no_fault_comes_from_a_cached_table),
		T(a_peek_takes_what_needs_no_flag),
		T(a_peek_at_large_pages_takes_what_needs_no_flag),
		T(invlpg_drops_global_pages_of_every_pcid_and_leaves_processes_the_others),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
