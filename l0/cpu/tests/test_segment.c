/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmocka_headers.h"
#include "fake_vcpu.h"

#define ARGS(...) ((union insn_args){ __VA_ARGS__ })

static bool load(struct vcpu *v, enum sreg seg, u16 selector)
{
	v->gpr[RAX] = selector;
	return run(v, insn_mov_to_sreg, ARGS(.size = 2, .is_reg = 1, .reg = seg, .rm = RAX));
}

static void loads_are_refused_as_the_sdm_says(void **state)
{
	static const struct {
		u8 cpl, seg;
		u16 selector;
		u32 fault;
	} c[] = {
		{ 0, DS, DATA0, 0 },
		{ 0, DS, 0, 0 },
		{ 3, ES, 3, 0 },
		{ 0, DS, DATA3, 0 },
		{ 0, DS, DATA0 | 3, FAULT(VEC_GP, DATA0) },
		{ 3, DS, DATA0, FAULT(VEC_GP, DATA0) },
		{ 3, DS, CONFORMING0 | 3, 0 },
		{ 0, DS, CODE0, 0 },
		{ 0, DS, EXEC_ONLY, FAULT(VEC_GP, EXEC_ONLY) },
		{ 0, DS, READONLY, 0 },
		{ 0, DS, ABSENT_DATA, FAULT(VEC_NP, ABSENT_DATA) },
		{ 0, DS, TSS_SEL, FAULT(VEC_GP, TSS_SEL) },
		{ 0, DS, 0x1000, FAULT(VEC_GP, 0x1000) },
		{ 0, DS, 0x0c, FAULT(VEC_GP, 0x0c) },
		{ 0, SS, DATA0, 0 },
		{ 0, SS, 0, FAULT(VEC_GP, 0) },
		{ 0, SS, DATA3, FAULT(VEC_GP, DATA3 & ~3) },
		{ 3, SS, DATA3 & ~3, FAULT(VEC_GP, DATA3 & ~3) },
		{ 3, SS, DATA3, 0 },
		{ 0, SS, READONLY, FAULT(VEC_GP, READONLY) },
		{ 0, SS, CODE0, FAULT(VEC_GP, CODE0) },
		{ 0, SS, ABSENT_DATA, FAULT(VEC_SS, ABSENT_DATA) },
		{ 0, CS, CODE0, FAULT(VEC_UD, 0) },
		{ 0, 6, DATA0, FAULT(VEC_UD, 0) },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct vcpu *v = fake_protected(c[i].cpl);
		struct segment before = v->seg[c[i].seg];
		bool ok = load(v, c[i].seg, c[i].selector);

		assert_int_equal(fault_of(v), c[i].fault);
		assert_int_equal(v->seg[c[i].seg].sel, ok ? c[i].selector : before.sel);
		assert_int_equal(v->intr_shadow, ok && c[i].seg == SS ? SHADOW_MOV_SS : 0);
		if (ok && c[i].selector < 4)
			assert_int_equal(v->seg[c[i].seg].ar & AR_UNUSABLE, AR_UNUSABLE);
	}
}

static void loading_sets_the_accessed_bit_in_memory(void **state)
{
	unsigned int slow;

	(void)state;
	for (slow = 0; slow < 2; slow++) {
		struct vcpu *v = fake_protected(0);

		without_host(slow);
		set_gdt(v, FREE, make_descriptor(0x12345678, 0xabcde, AR_DATA16 & ~AR_ACCESSED));
		assert_true(load(v, FS, FREE));
		assert_int_equal(get(v, GDT + FREE + 5, 1), 0x93);
		assert_int_equal(v->seg[FS].base, 0x12345678);
		assert_int_equal(v->seg[FS].limit, 0xabcde);
		assert_int_equal(v->seg[FS].ar, AR_DATA16);
		/* one that has it is not written */
		fault_on(GDT, 0x1000, ACC_WRITE);
		assert_true(load(v, GS, FREE));
	}
}

static void selectors_of_the_ldt_are_found_there(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	put(v, LDT_AT + 8, make_descriptor(0x1000, ~0u, AR_DATA32), 8);
	v->gpr[RBX] = LDT_SEL;
	assert_true(run(v, insn_lldt, ARGS(.size = 2, .is_reg = 1, .rm = RBX)));
	assert_true(load(v, DS, 0x0c));
	assert_int_equal(v->seg[DS].base, 0x1000);
	assert_false(load(v, DS, 0x24));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0x24));
}

static void null_ss_is_for_64_bit_mode_below_cpl_3(void **state)
{
	struct vcpu *v = fake_long(0, false);

	(void)state;
	assert_true(load(v, SS, 0));
	assert_int_equal(v->cpl, 0);
	assert_false(load(v, SS, 3));
	v = fake_long(3, false);
	assert_false(load(v, SS, 3));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
}

static void real_mode_keeps_the_limit_and_v8086_does_not(void **state)
{
	struct vcpu *v = fake_real();

	(void)state;
	v->seg[DS].limit = ~0u;
	v->seg[DS].ar = AR_DATA32;
	assert_true(load(v, DS, 0x1234));
	assert_int_equal(v->seg[DS].base, 0x12340);
	assert_int_equal(v->seg[DS].limit, ~0u);
	v = fake_v8086(0);
	assert_true(load(v, DS, 0xffff));
	assert_int_equal(v->seg[DS].base, 0xffff0);
	assert_int_equal(v->seg[DS].limit, 0xffff);
	assert_int_equal(v->seg[DS].ar, 0xf3);
}

struct access {
	enum sreg seg;
	u64 offset;
	unsigned int n, kind;
};

static u64 linear;
static struct access wanted;

static void check_access(struct vcpu *v, union insn_args a)
{
	(void)a;
	linear = segment_linear(v, wanted.seg, wanted.offset, wanted.n, wanted.kind);
}

static u32 access_fault(struct vcpu *v, enum sreg seg, u64 offset, unsigned int n, unsigned int kind)
{
	wanted = (struct access){ seg, offset, n, kind };
	run(v, check_access, ARGS(.raw = 0));
	return fault_of(v);
}

static void limits_and_types_are_checked_outside_64_bit_mode(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	set_segment(v, ES, DATA16);
	assert_int_equal(access_fault(v, ES, 0xfffc, 4, ACC_READ), 0);
	assert_int_equal(access_fault(v, ES, 0xfffd, 4, ACC_READ), FAULT(VEC_GP, 0));
	assert_int_equal(access_fault(v, DS, 0xfffffffd, 4, ACC_READ), FAULT(VEC_GP, 0));
	assert_int_equal(access_fault(v, CS, 0, 4, ACC_WRITE), FAULT(VEC_GP, 0));
	assert_int_equal(access_fault(v, CS, 0, 4, ACC_READ), 0);
	set_segment(v, ES, EXEC_ONLY);
	assert_int_equal(access_fault(v, ES, 0, 4, ACC_READ), FAULT(VEC_GP, 0));
	set_segment(v, ES, READONLY);
	assert_int_equal(access_fault(v, ES, 0, 4, ACC_READ), 0);
	assert_int_equal(access_fault(v, ES, 0, 4, ACC_WRITE), FAULT(VEC_GP, 0));
	set_segment(v, ES, EXPAND_DOWN);
	assert_int_equal(access_fault(v, ES, 0xfff, 1, ACC_READ), FAULT(VEC_GP, 0));
	assert_int_equal(access_fault(v, ES, 0x1000, 1, ACC_WRITE), 0);
	assert_int_equal(access_fault(v, ES, 0xfffffffc, 4, ACC_WRITE), 0);
	assert_int_equal(access_fault(v, ES, 0xfffffffd, 4, ACC_WRITE), FAULT(VEC_GP, 0));
	set_segment(v, SS, DATA16);
	assert_int_equal(access_fault(v, SS, 0xffff, 2, ACC_READ), FAULT(VEC_SS, 0));
	assert_true(load(v, ES, 0));
	assert_int_equal(access_fault(v, ES, 0, 1, ACC_READ), FAULT(VEC_GP, 0));
	/* base + offset wraps at 4 GiB */
	v->seg[FS].base = 0xfffff000;
	assert_int_equal(access_fault(v, FS, 0x2000, 4, ACC_READ), 0);
	assert_int_equal(linear, 0x1000);
}

static void canonical_form_and_fs_gs_bases_count_in_64_bit_mode(void **state)
{
	struct vcpu *v = fake_long(0, false);

	(void)state;
	v->seg[DS].base = 0x5000;
	v->seg[FS].base = 0x7f0000000000;
	assert_int_equal(access_fault(v, DS, 0x1000, 8, ACC_WRITE), 0);
	assert_int_equal(linear, 0x1000);
	assert_int_equal(access_fault(v, FS, 0x1000, 8, ACC_WRITE), 0);
	assert_int_equal(linear, 0x7f0000001000);
	assert_int_equal(access_fault(v, DS, 0x7ffffffffff9, 8, ACC_READ), FAULT(VEC_GP, 0));
	assert_int_equal(access_fault(v, SS, 0x800000000000, 8, ACC_READ), FAULT(VEC_SS, 0));
	assert_int_equal(access_fault(v, FS, 0x10000000000, 1, ACC_READ), FAULT(VEC_GP, 0));
	assert_int_equal(access_fault(v, CS, 0, 8, ACC_WRITE), 0);
}

static void misaligned_user_accesses_raise_ac_when_asked(void **state)
{
	struct vcpu *v = fake_protected(3);

	(void)state;
	v->cr0 |= CR0_AM;
	v->rflags |= FLAG_AC;
	vcpu_update_mode(v);
	assert_int_equal(access_fault(v, DS, 2, 4, ACC_READ), FAULT(VEC_AC, 0));
	assert_int_equal(access_fault(v, DS, 2, 2, ACC_READ), 0);
	v->rflags &= ~FLAG_AC;
	vcpu_update_mode(v);
	assert_int_equal(access_fault(v, DS, 2, 4, ACC_READ), 0);
}

static void push_and_pop_of_segments_follow_the_operand_size(void **state)
{
	struct vcpu *v = fake_protected(0);
	u64 sp = v->gpr[RSP];

	(void)state;
	put(v, sp - 4, 0xeeeeeeee, 4);
	assert_true(run(v, insn_push_sreg, ARGS(.size = 4, .reg = DS)));
	assert_int_equal(get(v, sp - 4, 4), DATA0);
	assert_int_equal(v->gpr[RSP], sp - 4);
	assert_true(run(v, insn_pop_sreg, ARGS(.size = 4, .reg = ES)));
	assert_int_equal(v->gpr[RSP], sp);
	assert_false(v->intr_shadow);
	put(v, sp, DATA0, 2);
	assert_true(run(v, insn_pop_sreg, ARGS(.size = 2, .reg = SS)));
	assert_int_equal(v->gpr[RSP], sp + 2);
	assert_int_equal(v->intr_shadow, SHADOW_MOV_SS);
	put(v, sp + 2, 0x1000, 4);
	assert_false(run(v, insn_pop_sreg, ARGS(.size = 4, .reg = ES)));
	assert_int_equal(v->gpr[RSP], sp + 2);
}

static void far_pointers_load_a_segment_and_a_register(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	v->ea = DATA;
	put(v, DATA, 0x12345678, 4);
	put(v, DATA + 4, DATA0, 2);
	v->gpr[RBX] = ~0ull;
	assert_true(run(v, insn_load_far, ARGS(.size = 4, .seg = DS, .reg = RBX, .imm = SS)));
	assert_int_equal(v->gpr[RBX], 0x12345678);
	assert_int_equal(v->seg[SS].sel, DATA0);
	assert_false(v->intr_shadow);
	put(v, DATA + 4, 0x1000, 2);
	v->gpr[RBX] = 1;
	assert_false(run(v, insn_load_far, ARGS(.size = 4, .seg = DS, .reg = RBX, .imm = ES)));
	assert_int_equal(v->gpr[RBX], 1);
}

static void descriptor_tables_load_24_32_or_64_bits_of_base(void **state)
{
	static const struct {
		u8 size;
		u64 base;
	} c[] = { { 2, 0x445566 }, { 4, 0x33445566 } };
	struct vcpu *v;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		v = fake_protected(0);
		v->ea = DATA;
		put(v, DATA, 0xffff334455661234, 8);
		assert_true(run(v, insn_lidt, ARGS(.size = c[i].size, .seg = DS)));
		assert_int_equal(v->idtr.limit, 0x1234);
		assert_int_equal(v->idtr.base, c[i].base);
		v->ea = DATA + 0x100;
		assert_true(run(v, insn_sidt, ARGS(.size = c[i].size, .seg = DS)));
		assert_int_equal(get(v, DATA + 0x102, 4), c[i].base);
	}
	v = fake_long(0, false);
	v->ea = DATA;
	put(v, DATA, 0xffff, 2);
	put(v, DATA + 2, 0x800000000000, 8);
	assert_false(run(v, insn_lgdt, ARGS(.size = 8, .seg = DS)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
	put(v, DATA + 2, 0xffff800000000000, 8);
	assert_true(run(v, insn_lgdt, ARGS(.size = 8, .seg = DS)));
	assert_int_equal(v->gdtr.base, 0xffff800000000000);
	v = fake_protected(3);
	v->ea = DATA;
	assert_false(run(v, insn_lgdt, ARGS(.size = 4, .seg = DS)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
}

static void umip_keeps_system_selectors_from_users(void **state)
{
	static insn_fn *const fn[] = { insn_sgdt, insn_sidt, insn_sldt, insn_str };
	unsigned int i, umip;

	(void)state;
	for (i = 0; i < 4; i++)
		for (umip = 0; umip < 2; umip++) {
			struct vcpu *v = fake_protected(3);

			v->cr4 = umip ? CR4_UMIP : 0;
			v->ea = DATA;
			assert_int_equal(run(v, fn[i], ARGS(.size = 4, .seg = DS)), !umip);
			assert_int_equal(fault_of(v), umip ? FAULT(VEC_GP, 0) : 0);
		}
}

static void ltr_and_lldt_check_their_descriptors(void **state)
{
	static const struct {
		bool ltr;
		u16 selector;
		u32 ar, fault;
	} c[] = {
		{ true, FREE, 0x89, 0 },
		{ true, FREE, 0x81, 0 },
		{ true, FREE, 0x8b, FAULT(VEC_GP, FREE) },
		{ true, FREE, 0x82, FAULT(VEC_GP, FREE) },
		{ true, FREE, 0x09, FAULT(VEC_NP, FREE) },
		{ true, FREE | 4, 0x89, FAULT(VEC_GP, FREE | 4) },
		{ true, 0, 0x89, FAULT(VEC_GP, 0) },
		{ false, FREE, 0x82, 0 },
		{ false, 0, 0, 0 },
		{ false, FREE, 0x89, FAULT(VEC_GP, FREE) },
		{ false, FREE, 0x02, FAULT(VEC_NP, FREE) },
		{ false, FREE | 4, 0x82, FAULT(VEC_GP, FREE | 4) },
	};
	struct vcpu *v;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		v = fake_protected(0);
		set_gdt(v, FREE, make_descriptor(TSS_B, 0x67, c[i].ar));
		v->gpr[RAX] = c[i].selector;
		run(v, c[i].ltr ? insn_ltr : insn_lldt, ARGS(.size = 2, .is_reg = 1, .rm = RAX));
		assert_int_equal(fault_of(v), c[i].fault);
		if (c[i].ltr && !c[i].fault) {
			assert_int_equal(get(v, GDT + FREE + 5, 1), c[i].ar | 2);
			assert_int_equal(v->seg[TR].ar & AR_TYPE, (c[i].ar & 15) | 2);
		}
	}
	/* IA-32e mode: 16 bytes, canonical, and no 16-bit TSS */
	v = fake_long(0, false);
	v->gpr[RAX] = FREE;
	set_gdt(v, FREE, make_descriptor(0x1000, 0x67, 0x89));
	set_gdt(v, FREE + 8, 0xffff8000);
	assert_true(run(v, insn_ltr, ARGS(.size = 2, .is_reg = 1, .rm = RAX)));
	assert_int_equal(v->seg[TR].base, 0xffff800000001000);
	set_gdt(v, FREE, make_descriptor(0x1000, 0x67, 0x89));
	set_gdt(v, FREE + 8, 0x8000);
	assert_false(run(v, insn_ltr, ARGS(.size = 2, .is_reg = 1, .rm = RAX)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, FREE));
	set_gdt(v, FREE, make_descriptor(0x1000, 0x67, 0x81));
	set_gdt(v, FREE + 8, 0);
	assert_false(run(v, insn_ltr, ARGS(.size = 2, .is_reg = 1, .rm = RAX)));
	v = fake_v8086(3);
	assert_false(run(v, insn_ltr, ARGS(.size = 2, .is_reg = 1, .rm = RAX)));
	assert_int_equal(fault_of(v), FAULT(VEC_UD, 0));
}

/* SDM vol. 2, "LAR", "LSL": which system types are valid, by mode */
static void lar_and_lsl_accept_the_types_of_their_tables(void **state)
{
	static const u16 lar[2] = { 0x1a3e, 0x1a04 }, lsl[2] = { 0x0a0e, 0x0a04 };
	unsigned int type, wide;

	(void)state;
	for (wide = 0; wide < 2; wide++)
		for (type = 0; type < 16; type++) {
			struct vcpu *v = wide ? fake_long(0, false) : fake_protected(0);
			bool want;

			set_gdt(v, FREE, make_descriptor(0, 0x67fff, 0x80 | AR_G | type));
			v->gpr[RAX] = FREE;
			v->gpr[RBX] = 0x77;
			want = lar[wide] >> type & 1;
			assert_true(run(v, insn_lar, ARGS(.size = 4, .is_reg = 1, .reg = RBX, .rm = RAX)));
			assert_int_equal(!!(v->rflags & FLAG_ZF), want);
			assert_int_equal(v->gpr[RBX] & 0xf0ff00, want ? 0x808000u | type << 8 : 0);
			v->gpr[RBX] = 0x77;
			want = lsl[wide] >> type & 1;
			assert_true(run(v, insn_lsl, ARGS(.size = 4, .is_reg = 1, .reg = RBX, .rm = RAX)));
			assert_int_equal(!!(v->rflags & FLAG_ZF), want);
			assert_int_equal(v->gpr[RBX], want ? 0x67fff : 0x77);
		}
}

static void verr_and_verw_tell_what_a_load_and_an_access_would_do(void **state)
{
	static const struct {
		u8 cpl;
		u16 selector;
		bool read, write;
	} c[] = {
		{ 0, DATA0, true, true },	 { 0, READONLY, true, false }, { 0, EXEC_ONLY, false, false },
		{ 0, CODE0, true, false },	 { 3, DATA0, false, false },   { 0, DATA0 | 3, false, false },
		{ 3, CONFORMING0, true, false }, { 0, 0, false, false },       { 0, 0x1000, false, false },
		{ 0, TSS_SEL, false, false },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct vcpu *v = fake_protected(c[i].cpl);

		v->gpr[RAX] = c[i].selector;
		assert_true(run(v, insn_verr, ARGS(.size = 2, .is_reg = 1, .rm = RAX)));
		assert_int_equal(!!(v->rflags & FLAG_ZF), c[i].read);
		assert_true(run(v, insn_verw, ARGS(.size = 2, .is_reg = 1, .rm = RAX)));
		assert_int_equal(!!(v->rflags & FLAG_ZF), c[i].write);
	}
}

static void arpl_raises_rpl_only(void **state)
{
	struct vcpu *v = fake_protected(3);

	(void)state;
	v->gpr[RAX] = 0x1001;
	v->gpr[RBX] = 2;
	assert_true(run(v, insn_arpl, ARGS(.size = 2, .is_reg = 1, .rm = RAX, .reg = RBX)));
	assert_int_equal(v->gpr[RAX], 0x1002);
	assert_int_equal(v->rflags & FLAG_ZF, FLAG_ZF);
	v->gpr[RBX] = 1;
	assert_true(run(v, insn_arpl, ARGS(.size = 2, .is_reg = 1, .rm = RAX, .reg = RBX)));
	assert_int_equal(v->gpr[RAX], 0x1002);
	assert_int_equal(v->rflags & FLAG_ZF, 0);
}

static void bases_are_swapped_read_and_written(void **state)
{
	struct vcpu *v = fake_long(0, false);

	(void)state;
	v->seg[GS].base = 1;
	v->kernel_gs_base = 2;
	assert_true(run(v, insn_swapgs, ARGS(.size = 8)));
	assert_int_equal(v->seg[GS].base, 2);
	assert_int_equal(v->kernel_gs_base, 1);
	assert_false(run(v, insn_rdgsbase, ARGS(.size = 8, .rm = RAX)));
	assert_int_equal(fault_of(v), FAULT(VEC_UD, 0));
	v->cr4 |= CR4_FSGSBASE;
	v->gpr[RCX] = 0x7fff12345678;
	assert_true(run(v, insn_wrfsbase, ARGS(.size = 8, .rm = RCX)));
	assert_true(run(v, insn_rdfsbase, ARGS(.size = 4, .rm = RAX)));
	assert_int_equal(v->gpr[RAX], 0x12345678);
	v->gpr[RCX] = 0x800000000000;
	assert_false(run(v, insn_wrgsbase, ARGS(.size = 8, .rm = RCX)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
	v = fake_long(3, false);
	assert_false(run(v, insn_swapgs, ARGS(.size = 8)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_are_refused_as_the_sdm_says),
		cmocka_unit_test(loading_sets_the_accessed_bit_in_memory),
		cmocka_unit_test(selectors_of_the_ldt_are_found_there),
		cmocka_unit_test(null_ss_is_for_64_bit_mode_below_cpl_3),
		cmocka_unit_test(real_mode_keeps_the_limit_and_v8086_does_not),
		cmocka_unit_test(limits_and_types_are_checked_outside_64_bit_mode),
		cmocka_unit_test(canonical_form_and_fs_gs_bases_count_in_64_bit_mode),
		cmocka_unit_test(misaligned_user_accesses_raise_ac_when_asked),
		cmocka_unit_test(push_and_pop_of_segments_follow_the_operand_size),
		cmocka_unit_test(far_pointers_load_a_segment_and_a_register),
		cmocka_unit_test(descriptor_tables_load_24_32_or_64_bits_of_base),
		cmocka_unit_test(umip_keeps_system_selectors_from_users),
		cmocka_unit_test(ltr_and_lldt_check_their_descriptors),
		cmocka_unit_test(lar_and_lsl_accept_the_types_of_their_tables),
		cmocka_unit_test(verr_and_verw_tell_what_a_load_and_an_access_would_do),
		cmocka_unit_test(arpl_raises_rpl_only),
		cmocka_unit_test(bases_are_swapped_read_and_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
