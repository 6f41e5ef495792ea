/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmocka_headers.h"
#include "fake_vcpu.h"

#define ARGS(...) ((union insn_args){ __VA_ARGS__ })
#define ALL_FLAGS 0x3f7fd7ull

/* SDM vol. 2, "POPF": table "Effect of POPF/POPFD on the EFLAGS Register": who, operand size; what changes */
#define LOW (FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT)
#define HIGH (FLAG_AC | FLAG_ID)

enum who { REAL, CPL0, CPL1_IOPL0, CPL3_IOPL0, CPL3_IOPL3, V86_IOPL3, V86_IOPL0, V86_VME };

static const struct {
	enum who who;
	u8 size;
	bool gp;
	u64 changes;
} popf_rows[] = {
	{ REAL, 2, false, LOW | FLAG_IF | FLAG_IOPL },
	{ REAL, 4, false, LOW | FLAG_IF | FLAG_IOPL | HIGH },
	{ CPL0, 2, false, LOW | FLAG_IF | FLAG_IOPL },
	{ CPL0, 4, false, LOW | FLAG_IF | FLAG_IOPL | HIGH },
	{ CPL1_IOPL0, 4, false, LOW | HIGH },
	{ CPL3_IOPL0, 2, false, LOW },
	{ CPL3_IOPL0, 4, false, LOW | HIGH },
	{ CPL3_IOPL3, 2, false, LOW | FLAG_IF },
	{ CPL3_IOPL3, 4, false, LOW | FLAG_IF | HIGH },
	{ V86_IOPL3, 2, false, LOW | FLAG_IF },
	{ V86_IOPL3, 4, false, LOW | FLAG_IF | HIGH },
	{ V86_IOPL0, 2, true, 0 },
	{ V86_IOPL0, 4, true, 0 },
	{ V86_VME, 4, true, 0 },
};

static struct vcpu *as(enum who who)
{
	struct vcpu *v;

	switch (who) {
	case REAL:
		v = fake_real();
		break;
	case CPL0:
		v = fake_protected(0);
		break;
	case CPL1_IOPL0:
		v = fake_protected(1);
		break;
	case CPL3_IOPL0:
		v = fake_protected(3);
		break;
	case CPL3_IOPL3:
		v = fake_protected(3);
		v->rflags |= FLAG_IOPL;
		break;
	case V86_IOPL3:
		v = fake_v8086(3);
		break;
	default:
		v = fake_v8086(0);
		if (who == V86_VME)
			v->cr4 |= CR4_VME;
	}
	v->rflags &= ~FLAG_IF;
	return v;
}

static void popf_changes_what_its_table_says(void **state)
{
	unsigned int i, ones;

	(void)state;
	for (i = 0; i < sizeof(popf_rows) / sizeof(popf_rows[0]); i++)
		for (ones = 0; ones < 2; ones++) {
			struct vcpu *v = as(popf_rows[i].who);
			u64 keep, want, sp = v->gpr[RSP], changes = popf_rows[i].changes;

			/* start from the opposite, VIF and VIP and RF set so that their fate shows */
			v->rflags = (v->rflags & (FLAG_VM | FLAG_IOPL)) | FLAG_1 | FLAG_RF | FLAG_VIF | FLAG_VIP;
			if (!ones)
				v->rflags |= changes & ~FLAG_IOPL;
			keep = v->rflags & ~FLAG_RF & ~changes;
			want = keep | (ones ? changes : 0);
			put(v, v->seg[SS].base + sp, ones ? ALL_FLAGS : 0, 4);
			if (popf_rows[i].gp) {
				assert_false(run(v, insn_popf, ARGS(.size = popf_rows[i].size)));
				assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
				assert_int_equal(v->gpr[RSP], sp);
				continue;
			}
			assert_true(run(v, insn_popf, ARGS(.size = popf_rows[i].size)));
			assert_int_equal(v->rflags, want);
			assert_int_equal(v->gpr[RSP], sp + popf_rows[i].size);
			assert_int_equal(!!(v->mode & MODE_TF), ones);
		}
}

static void popf_with_vme_works_on_vif(void **state)
{
	static const struct {
		u64 image;
		bool vip, gp;
	} c[] = {
		{ FLAG_IF | FLAG_CF, false, false },
		{ FLAG_CF, false, false },
		{ FLAG_CF, true, false },
		{ FLAG_IF, true, true },
		{ FLAG_TF, false, true },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct vcpu *v = as(V86_VME);
		u64 vip = c[i].vip ? FLAG_VIP : 0;

		v->rflags |= vip;
		put(v, STACK3 + 0x1000, c[i].image | FLAG_IOPL, 2);
		assert_int_equal(run(v, insn_popf, ARGS(.size = 2)), !c[i].gp);
		if (!c[i].gp)
			assert_int_equal(v->rflags, FLAG_1 | FLAG_VM | vip | (c[i].image & FLAG_CF) |
							    (c[i].image & FLAG_IF ? FLAG_VIF : 0));
	}
}

static void pushf_shows_vif_as_if_with_vme_and_hides_rf_and_vm(void **state)
{
	struct vcpu *v = as(CPL0);

	(void)state;
	v->rflags = FLAG_1 | FLAG_RF | FLAG_IF | FLAG_ID;
	assert_true(run(v, insn_pushf, ARGS(.size = 4)));
	assert_int_equal(get(v, v->gpr[RSP], 4), FLAG_1 | FLAG_IF | FLAG_ID);
	v = as(V86_IOPL3);
	assert_true(run(v, insn_pushf, ARGS(.size = 4)));
	assert_int_equal(get(v, STACK3 + 0xffc, 4), FLAG_1 | FLAG_IOPL);
	v = as(V86_VME);
	v->rflags |= FLAG_VIF;
	assert_true(run(v, insn_pushf, ARGS(.size = 2)));
	assert_int_equal(get(v, STACK3 + 0xffe, 2), FLAG_1 | FLAG_IOPL | FLAG_IF);
	assert_false(run(v, insn_pushf, ARGS(.size = 4)));
	v = as(V86_IOPL0);
	assert_false(run(v, insn_pushf, ARGS(.size = 2)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
}

/* SDM vol. 2, "CLI", "STI": decision tables. 'i' IF, 'v' VIF, 'g' #GP */
static void cli_and_sti_choose_if_vif_or_gp(void **state)
{
	static const struct {
		enum who who;
		bool pvi, vip;
		char cli, sti;
	} c[] = {
		{ REAL, false, false, 'i', 'i' },      { CPL0, false, false, 'i', 'i' },
		{ CPL1_IOPL0, true, false, 'g', 'g' }, { CPL3_IOPL0, false, false, 'g', 'g' },
		{ CPL3_IOPL0, true, false, 'v', 'v' }, { CPL3_IOPL0, true, true, 'v', 'g' },
		{ CPL3_IOPL3, true, true, 'i', 'i' },  { V86_IOPL3, false, true, 'i', 'i' },
		{ V86_IOPL0, true, false, 'g', 'g' },  { V86_VME, false, false, 'v', 'v' },
		{ V86_VME, false, true, 'v', 'g' },
	};
	unsigned int i, set;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++)
		for (set = 0; set < 2; set++) {
			struct vcpu *v = as(c[i].who);
			char want = set ? c[i].sti : c[i].cli;
			u64 flag = want == 'i' ? FLAG_IF : want == 'v' ? FLAG_VIF : 0, before;

			if (c[i].pvi)
				v->cr4 |= CR4_PVI;
			v->rflags = set ? v->rflags : v->rflags | FLAG_IF | FLAG_VIF;
			v->rflags |= c[i].vip ? FLAG_VIP : 0;
			before = v->rflags;
			assert_int_equal(run(v, set ? insn_sti : insn_cli, ARGS(.size = 1)), want != 'g');
			assert_int_equal(v->rflags, set ? before | flag : before & ~flag);
			assert_int_equal(v->intr_shadow, set && want == 'i' ? SHADOW_STI : 0);
		}
}

static void sti_with_if_set_casts_no_shadow(void **state)
{
	struct vcpu *v = as(CPL0);

	(void)state;
	v->rflags |= FLAG_IF;
	assert_true(run(v, insn_sti, ARGS(.size = 1)));
	assert_false(v->intr_shadow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(popf_changes_what_its_table_says),
		cmocka_unit_test(popf_with_vme_works_on_vif),
		cmocka_unit_test(pushf_shows_vif_as_if_with_vme_and_hides_rf_and_vm),
		cmocka_unit_test(cli_and_sti_choose_if_vif_or_gp),
		cmocka_unit_test(sti_with_if_set_casts_no_shadow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
