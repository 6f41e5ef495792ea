/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the first vCPU finds in its registers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include "../boot.h"
#include "../../cpu/mmu.h"

static unsigned int switches, updates;

void mmu_switch(struct vcpu *v, bool flush)
{
	assert_true(flush);
	assert_int_equal(updates, 0);
	assert_non_null(v);
	switches++;
}

void vcpu_update_mode(struct vcpu *v)
{
	assert_non_null(v);
	updates++;
}

static struct vcpu v;

static void apply(const struct boot_state *b)
{
	memset(&v, 0x5a, sizeof(v));
	/* what vcpu_reset() leaves, as far as the boot state builds on it */
	v.cr3 = v.cr4 = v.efer = 0;
	v.cr0 = CR0_ET | CR0_CD | CR0_NW;
	switches = updates = 0;
	boot_state_apply(b, &v);
	assert_int_equal(switches, 1);
	assert_int_equal(updates, 1);
	assert_int_equal(v.rflags, FLAG_1);
	assert_int_equal(v.cpl, 0);
	assert_int_equal(v.rip, b->rip);
	assert_memory_equal(v.gpr, b->gpr, sizeof(v.gpr));
}

/* Read a segment back out of the descriptor table, as the CPU would at a load. */
static void assert_descriptor(const u8 *gdt, const struct segment *s)
{
	u32 limit, ar;
	u64 d;

	memcpy(&d, gdt + s->sel, 8);
	limit = (u32)((d & 0xffff) | (d >> 32 & 0xf0000));
	ar = (u32)(d >> 40 & 0xf0ff);
	if (ar & AR_G)
		limit = limit << 12 | 0xfff;
	assert_int_equal(limit, s->limit);
	assert_int_equal(ar, s->ar);
	assert_int_equal((d >> 16 & 0xffffff) | (d >> 56 << 24), s->base);
}

static void assert_flat(enum boot_mode mode, u32 code_ar)
{
	u8 gdt[BOOT_GDT_SIZE];

	boot_gdt(mode, gdt);
	assert_int_equal(v.gdtr.base, 0x8000);
	assert_int_equal(v.gdtr.limit, BOOT_GDT_SIZE - 1);
	assert_int_equal(v.seg[CS].sel, 0x10);
	assert_int_equal(v.seg[CS].ar, code_ar);
	for (int i = ES; i <= GS; i++) {
		assert_int_equal(v.seg[i].base, 0);
		assert_int_equal(v.seg[i].limit, 0xffffffff);
		if (i != CS) {
			assert_int_equal(v.seg[i].sel, 0x18);
			assert_int_equal(v.seg[i].ar, 0xc093);
		}
		assert_descriptor(gdt, &v.seg[i]);
	}
	assert_int_equal(v.seg[TR].ar, 0x8b);
	assert_int_equal(v.seg[TR].limit, 0x67);
	assert_descriptor(gdt, &v.seg[TR]);
	assert_true(v.seg[LDTR].ar & AR_UNUSABLE);
}

static void protected_mode_is_flat_32_bit_without_paging(void **state)
{
	(void)state;
	apply(&(struct boot_state){ .mode = BOOT_PROTECTED, .rip = 0x100000, .gdt = 0x8000, .gpr = { [RBX] = 0x1234 } });
	assert_flat(BOOT_PROTECTED, 0xc09b);
	assert_int_equal(v.cr0, CR0_PE | CR0_ET);
	assert_int_equal(v.cr4, 0);
	assert_int_equal(v.efer, 0);
}

static void long_mode_has_paging_and_a_64_bit_code_segment(void **state)
{
	(void)state;
	apply(&(struct boot_state){ .mode = BOOT_LONG, .rip = 0x1000200, .gdt = 0x8000, .cr3 = 0x9000, .gpr = { [RSI] = 0x10000 } });
	assert_flat(BOOT_LONG, 0xa09b);
	assert_int_equal(v.cr0, CR0_PE | CR0_ET | CR0_PG);
	assert_int_equal(v.cr3, 0x9000);
	assert_int_equal(v.cr4, CR4_PAE);
	assert_int_equal(v.efer, EFER_LME | EFER_LMA);
}

static void real_mode_has_all_segments_at_the_given_one(void **state)
{
	(void)state;
	apply(&(struct boot_state){ .mode = BOOT_REAL, .rip = 0x7c00 & 0xf, .segment = 0x7c0 });
	for (int i = ES; i <= GS; i++) {
		assert_int_equal(v.seg[i].sel, 0x7c0);
		assert_int_equal(v.seg[i].base, 0x7c00);
		assert_int_equal(v.seg[i].limit, 0xffff);
		assert_int_equal(v.seg[i].ar, 0x93);
	}
	assert_int_equal(v.cr0 & (CR0_PE | CR0_PG), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(protected_mode_is_flat_32_bit_without_paging),
		cmocka_unit_test(long_mode_has_paging_and_a_64_bit_code_segment),
		cmocka_unit_test(real_mode_has_all_segments_at_the_given_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
