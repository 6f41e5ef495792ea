/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmocka_headers.h"
#include "fake_vcpu.h"

#define ARGS(...) ((union insn_args){ __VA_ARGS__ })

static u64 szp(u8 result)
{
	unsigned int ones = 0, i;

	for (i = 0; i < 8; i++)
		ones += result >> i & 1;
	return (result ? 0 : FLAG_ZF) | (result & 0x80 ? FLAG_SF : 0) | (ones & 1 ? 0 : FLAG_PF);
}

/* SDM vol. 2, "DAA": Operation, line by line */
static u64 daa_reference(u8 *al, bool af, bool cf)
{
	u8 old_al = *al;
	bool old_cf = cf;

	/* CF is set twice there; the second time counts */
	if ((*al & 0xf) > 9 || af) {
		*al += 6;
		af = true;
	} else {
		af = false;
	}
	if (old_al > 0x99 || old_cf) {
		*al += 0x60;
		cf = true;
	} else {
		cf = false;
	}
	return szp(*al) | (af ? FLAG_AF : 0) | (cf ? FLAG_CF : 0);
}

/* SDM vol. 2, "DAS": likewise; note the missing ELSE at its end */
static u64 das_reference(u8 *al, bool af, bool cf)
{
	u8 old_al = *al;
	bool old_cf = cf;

	cf = false;
	if ((*al & 0xf) > 9 || af) {
		cf = old_cf || *al < 6;
		*al -= 6;
		af = true;
	} else {
		af = false;
	}
	if (old_al > 0x99 || old_cf) {
		*al -= 0x60;
		cf = true;
	}
	return szp(*al) | (af ? FLAG_AF : 0) | (cf ? FLAG_CF : 0);
}

static void daa_and_das_match_the_operation_section_for_every_input(void **state)
{
	struct vcpu *v = fake_protected(0);
	unsigned int al, flags, das;

	(void)state;
	for (das = 0; das < 2; das++)
		for (al = 0; al < 256; al++)
			for (flags = 0; flags < 4; flags++) {
				bool af = flags & 1, cf = flags & 2;
				u8 want = al;
				u64 want_flags = das ? das_reference(&want, af, cf) : daa_reference(&want, af, cf);

				v->gpr[RAX] = 0xabcdef00 | al;
				v->rflags = FLAG_1 | FLAG_IF | (af ? FLAG_AF : 0) | (cf ? FLAG_CF : 0);
				assert_true(run(v, das ? insn_das : insn_daa, ARGS(.size = 1)));
				assert_int_equal(v->gpr[RAX], 0xabcdef00 | want);
				assert_int_equal(v->rflags, FLAG_1 | FLAG_IF | want_flags);
			}
}

static void aaa_and_aas_match_the_operation_section_for_every_input(void **state)
{
	struct vcpu *v = fake_protected(0);
	unsigned int ax, af, aas;

	(void)state;
	for (aas = 0; aas < 2; aas++)
		for (ax = 0; ax < 65536; ax += 1 + (ax & 0xff) / 255 * 0x1300)
			for (af = 0; af < 2; af++) {
				bool adjust = (ax & 0xf) > 9 || af;
				u16 want = ax;

				if (adjust && aas) {
					want -= 6;
					want -= 0x100;
				} else if (adjust) {
					want += 0x106;
				}
				want &= 0xff0f;
				v->gpr[RAX] = 0x770000 | ax;
				v->rflags = FLAG_1 | (af ? FLAG_AF : FLAG_CF);
				assert_true(run(v, aas ? insn_aas : insn_aaa, ARGS(.size = 1)));
				assert_int_equal(v->gpr[RAX], 0x770000 | want);
				assert_int_equal(v->rflags & (FLAG_AF | FLAG_CF), adjust ? FLAG_AF | FLAG_CF : 0);
			}
}

static void aam_and_aad_work_in_every_base_and_aam_0_divides_by_zero(void **state)
{
	struct vcpu *v = fake_protected(0);
	unsigned int base, al;

	(void)state;
	for (base = 1; base < 256; base++)
		for (al = 0; al < 256; al += 5) {
			v->gpr[RAX] = 0x12340000 | al;
			assert_true(run(v, insn_aam, ARGS(.imm = base)));
			assert_int_equal(v->gpr[RAX], 0x12340000 | al / base << 8 | al % base);
			assert_int_equal(v->rflags & (FLAG_ZF | FLAG_SF | FLAG_PF), szp(al % base));
			assert_true(run(v, insn_aad, ARGS(.imm = base)));
			assert_int_equal(v->gpr[RAX], 0x12340000 | al);
			assert_int_equal(v->rflags & (FLAG_ZF | FLAG_SF | FLAG_PF), szp(al));
		}
	assert_false(run(v, insn_aam, ARGS(.imm = 0)));
	assert_int_equal(fault_of(v), FAULT(VEC_DE, 0));
}

static void salc_copies_carry(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	v->gpr[RAX] = 0x1234;
	v->rflags |= FLAG_CF;
	assert_true(run(v, insn_salc, ARGS(.size = 1)));
	assert_int_equal(v->gpr[RAX], 0x12ff);
	v->rflags &= ~FLAG_CF;
	assert_true(run(v, insn_salc, ARGS(.size = 1)));
	assert_int_equal(v->gpr[RAX], 0x1200);
}

static void none_of_them_is_a_64_bit_instruction(void **state)
{
	static insn_fn *const fn[] = { insn_pusha, insn_popa, insn_aaa,	 insn_aas,  insn_daa,	insn_das,
				       insn_aam,   insn_aad,  insn_salc, insn_into, insn_bound, insn_arpl };
	struct vcpu *v = fake_long(3, false);
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(fn) / sizeof(fn[0]); i++) {
		assert_false(run(v, fn[i], ARGS(.size = 4, .is_reg = 1, .imm = 10)));
		assert_int_equal(fault_of(v), FAULT(VEC_UD, 0));
	}
}

static void pusha_and_popa_skip_sp(void **state)
{
	unsigned int size, i;

	(void)state;
	for (size = 2; size <= 4; size += 2) {
		struct vcpu *v = fake_protected(0);
		u64 sp = v->gpr[RSP];

		for (i = 0; i < 8; i++)
			if (i != RSP)
				v->gpr[i] = 0x11110000 + i;
		assert_true(run(v, insn_pusha, ARGS(.size = size)));
		assert_int_equal(v->gpr[RSP], sp - 8 * size);
		assert_int_equal(get(v, sp - size, 2), RAX);
		assert_int_equal(get(v, sp - 5 * size, size), size == 2 ? sp & 0xffff : sp);
		assert_int_equal(get(v, sp - 8 * size, 2), RDI);
		for (i = 0; i < 8; i++)
			if (i != RSP)
				v->gpr[i] = 0x22222222;
		assert_true(run(v, insn_popa, ARGS(.size = size)));
		assert_int_equal(v->gpr[RSP], sp);
		for (i = 0; i < 8; i++)
			if (i != RSP)
				assert_int_equal(v->gpr[i], (size == 2 ? 0x22220000 : 0x11110000) + i);
	}
}

static void pusha_and_popa_that_fault_change_no_register(void **state)
{
	struct vcpu *v = fake_protected(0);
	u64 sp = v->gpr[RSP];

	(void)state;
	v->gpr[RAX] = 0x55;
	fault_on(sp - 20, 4, ACC_WRITE);
	assert_false(run(v, insn_pusha, ARGS(.size = 4)));
	assert_int_equal(v->gpr[RSP], sp);
	fault_on(sp + 28, 4, ACC_READ);
	assert_false(run(v, insn_popa, ARGS(.size = 4)));
	assert_int_equal(v->gpr[RSP], sp);
	assert_int_equal(v->gpr[RAX], 0x55);
}

static void enter_builds_a_display(void **state)
{
	struct vcpu *v = fake_protected(0);
	u64 sp = v->gpr[RSP], bp = STACK3;

	(void)state;
	v->gpr[RBP] = bp;
	put(v, bp - 4, 0xaaaa, 4);
	put(v, bp - 8, 0xbbbb, 4);
	assert_true(run(v, insn_enter, ARGS(.size = 4, .imm = 3 << 16 | 0x20)));
	assert_int_equal(get(v, sp - 4, 4), bp);
	assert_int_equal(get(v, sp - 8, 4), 0xaaaa);
	assert_int_equal(get(v, sp - 12, 4), 0xbbbb);
	assert_int_equal(get(v, sp - 16, 4), sp - 4);
	assert_int_equal(v->gpr[RBP], sp - 4);
	assert_int_equal(v->gpr[RSP], sp - 16 - 0x20);
}

static void enter_touches_the_new_top_and_faults_precisely(void **state)
{
	struct vcpu *v = fake_long(0, false);
	u64 sp = v->gpr[RSP];

	(void)state;
	v->gpr[RBP] = STACK3;
	fault_on(sp - 0x1000, 0x100, ACC_WRITE);
	assert_false(run(v, insn_enter, ARGS(.size = 8, .imm = 0xff8)));
	assert_int_equal(v->gpr[RSP], sp);
	assert_int_equal(v->gpr[RBP], STACK3);
	fault_none();
	assert_true(run(v, insn_enter, ARGS(.size = 8, .imm = 0xff8)));
	assert_int_equal(v->gpr[RSP], sp - 0x1000);
	assert_int_equal(v->gpr[RBP], sp - 8);
	assert_int_equal(get(v, sp - 8, 8), STACK3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(daa_and_das_match_the_operation_section_for_every_input),
		cmocka_unit_test(aaa_and_aas_match_the_operation_section_for_every_input),
		cmocka_unit_test(aam_and_aad_work_in_every_base_and_aam_0_divides_by_zero),
		cmocka_unit_test(salc_copies_carry),
		cmocka_unit_test(none_of_them_is_a_64_bit_instruction),
		cmocka_unit_test(pusha_and_popa_skip_sp),
		cmocka_unit_test(pusha_and_popa_that_fault_change_no_register),
		cmocka_unit_test(enter_builds_a_display),
		cmocka_unit_test(enter_touches_the_new_top_and_faults_precisely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
