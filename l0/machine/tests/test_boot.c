/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the first vCPU finds in its registers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include "../boot.h"
#include "../../cpu/mmu.h"
#include "../../cpu/model.h"
#include "../../devices/irqchip.h"

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

static u32 lapic[0x400 / 4];

void lapic_mmio_write(struct lapic *a, u32 offset, u32 value)
{
	assert_ptr_equal(a, lapic);
	assert_in_range(offset, 0, sizeof(lapic) - 4);
	lapic[offset / 4] = value;
}

static const struct cpu_model model = { .phys_bits = 40 };
static struct vcpu v;

static void apply(const struct boot_state *b)
{
	memset(&v, 0x5a, sizeof(v));
	/* what vcpu_reset() leaves, as far as the boot state builds on it */
	v.cr3 = v.cr4 = v.efer = 0;
	v.cr0 = CR0_ET | CR0_CD | CR0_NW;
	v.index = 0;
	v.model = &model;
	v.apic = (struct lapic *)lapic;
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
	apply(&(struct boot_state){
		.mode = BOOT_LONG, .rip = 0x1000200, .gdt = 0x8000, .cr3 = 0x9000, .gpr = { [RSI] = 0x10000 } });
	assert_flat(BOOT_LONG, 0xa09b);
	assert_int_equal(v.cr0, CR0_PE | CR0_ET | CR0_PG);
	assert_int_equal(v.cr3, 0x9000);
	assert_int_equal(v.cr4, CR4_PAE);
	assert_int_equal(v.efer, EFER_LME | EFER_LMA);
}

static void real_mode_starts_in_the_given_code_segment(void **state)
{
	(void)state;
	apply(&(struct boot_state){ .mode = BOOT_REAL, .rip = 0x7c00 & 0xf, .segment = 0x7c0 });
	for (int i = ES; i <= GS; i++) {
		assert_int_equal(v.seg[i].sel, i == CS ? 0x7c0 : 0);
		assert_int_equal(v.seg[i].base, i == CS ? 0x7c00 : 0);
		assert_int_equal(v.seg[i].limit, 0xffff);
		assert_int_equal(v.seg[i].ar, 0x93);
	}
	assert_int_equal(v.cr0 & (CR0_PE | CR0_PG), 0);
}

/* effective type of an address, as the SDM's "MTRR Precedences" has it for one variable range */
static u8 memory_type(u64 gpa)
{
	if (!(v.mtrr_def_type & BIT(11)))
		return 0;
	if (gpa < 0x80000)
		return v.mtrr_fixed[0] >> gpa / 0x10000 * 8 & 0xff;
	if (gpa < 0xc0000)
		return v.mtrr_fixed[1 + (gpa - 0x80000) / 0x20000] >> (gpa & 0x1ffff) / 0x4000 * 8 & 0xff;
	if (gpa < 0x100000)
		return v.mtrr_fixed[3 + (gpa - 0xc0000) / 0x8000] >> (gpa & 0x7fff) / 0x1000 * 8 & 0xff;
	if ((v.mtrr_mask[0] & BIT(11)) && !((gpa ^ v.mtrr_base[0]) & v.mtrr_mask[0] & ~0xfffull))
		return v.mtrr_base[0] & 0xff;
	return v.mtrr_def_type & 0xff;
}

static void firmware_made_ram_write_back_and_devices_uncached(void **state)
{
	const struct {
		u64 gpa;
		u8 type;
	} rows[] = {
		{ 0, 6 },	   { 0x9f000, 6 },     { 0xa0000, 0 },	   { 0xbf000, 0 },    { 0xc0000, 6 },
		{ 0xff000, 6 },	   { 0x100000, 6 },    { 0xbffff000, 6 },  { 0xc0000000, 0 }, { 0xfee00000, 0 },
		{ 0xfffff000, 0 }, { 0x100000000, 6 }, { 0x1c0000000, 6 },
	};

	(void)state;
	apply(&(struct boot_state){ .mode = BOOT_PROTECTED });
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (memory_type(rows[i].gpa) != rows[i].type)
			fail_msg("0x%llx: expected type %u, got %u", (unsigned long long)rows[i].gpa, rows[i].type,
				 memory_type(rows[i].gpa));
}

static void firmware_left_the_local_apic_in_virtual_wire_mode(void **state)
{
	(void)state;
	apply(&(struct boot_state){ .mode = BOOT_PROTECTED });
	assert_int_equal(lapic[0xf0 / 4], 0x1ff);
	assert_int_equal(lapic[0x350 / 4], 0x700);
	assert_int_equal(lapic[0x360 / 4], 0x400);
}

static void other_cpus_get_the_memory_types_alone(void **state)
{
	(void)state;
	memset(&v, 0x5a, sizeof(v));
	memset(lapic, 0, sizeof(lapic));
	v.index = 1;
	v.model = &model;
	v.apic = (struct lapic *)lapic;
	boot_firmware(&v);
	assert_int_equal(memory_type(0x100000), 6);
	assert_int_equal(memory_type(0xfee00000), 0);
	assert_int_equal(lapic[0x350 / 4], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(protected_mode_is_flat_32_bit_without_paging),
		cmocka_unit_test(long_mode_has_paging_and_a_64_bit_code_segment),
		cmocka_unit_test(real_mode_starts_in_the_given_code_segment),
		cmocka_unit_test(firmware_made_ram_write_back_and_devices_uncached),
		cmocka_unit_test(firmware_left_the_local_apic_in_virtual_wire_mode),
		cmocka_unit_test(other_cpus_get_the_memory_types_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
