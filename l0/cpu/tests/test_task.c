/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmocka_headers.h"
#include "fake_vcpu.h"

#define ARGS(...) ((union insn_args){ __VA_ARGS__ })
#define STACK_B 0x60000u

static union insn_args far_to(u16 selector)
{
	return ARGS(.size = 4, .is_reg = 1, .reg = selector & 0xff, .rm = selector >> 8);
}

/* a 32-bit TSS at TSS_B; GPR n holds 0x1000 + n */
static void write_tss32(struct vcpu *v, u64 flags)
{
	static const u16 sreg[6] = { DATA0, CODE0, DATA0, DATA0, 0, 0 };
	unsigned int i;

	put(v, TSS_B + 0x20, HANDLER, 4);
	put(v, TSS_B + 0x24, flags, 4);
	for (i = 0; i < 8; i++)
		put(v, TSS_B + 0x28 + i * 4, i == RSP ? STACK_B : 0x1000 + i, 4);
	for (i = 0; i < 6; i++)
		put(v, TSS_B + 0x48 + i * 4, sreg[i], 2);
	put(v, TSS_B + 0x60, LDT_SEL, 2);
}

static bool busy(struct vcpu *v, u16 selector)
{
	return get(v, GDT + selector + 5, 1) & 2;
}

static void call_and_iret_make_a_round_trip(void **state)
{
	static const u16 through[] = { TSS_B_SEL, TASK_GATE_SEL };
	unsigned int i, k;

	(void)state;
	for (k = 0; k < 2; k++) {
		struct vcpu *v = fake_protected(0);

		write_tss32(v, FLAG_1 | FLAG_CF);
		for (i = 0; i < 8; i++)
			v->gpr[i] = i == RSP ? STACK0 - 0x800 : 0x2000 + i;
		v->dr[7] |= 0x3ff;
		assert_true(run(v, insn_call_far, far_to(through[k])));
		assert_int_equal(v->rip, HANDLER);
		assert_int_equal(v->rflags, FLAG_1 | FLAG_CF | FLAG_NT);
		assert_int_equal(v->gpr[RDI], 0x1007);
		assert_int_equal(v->gpr[RSP], STACK_B);
		assert_int_equal(v->seg[TR].sel, TSS_B_SEL);
		assert_int_equal(v->seg[TR].ar & AR_TYPE, SYS_TSS32_BUSY);
		assert_int_equal(v->seg[LDTR].base, LDT_AT);
		assert_int_equal(v->seg[FS].ar & AR_UNUSABLE, AR_UNUSABLE);
		assert_int_equal(v->cr0 & CR0_TS, CR0_TS);
		assert_int_equal(v->dr[7] & 0x3ff, 0x2aa);
		assert_int_equal(get(v, TSS_B, 2), TSS_SEL);
		assert_true(busy(v, TSS_SEL) && busy(v, TSS_B_SEL));
		assert_int_equal(get(v, TSS_A + 0x20, 4), CODE + 2);
		assert_int_equal(get(v, TSS_A + 0x28 + 4 * RSI, 4), 0x2006);
		assert_int_equal(get(v, TSS_A + 0x4c, 2), CODE0);

		v->gpr[RDI] = 0x5555;
		assert_true(run(v, insn_iret, ARGS(.size = 4)));
		assert_int_equal(v->rip, CODE + 2);
		assert_int_equal(v->gpr[RSI], 0x2006);
		assert_int_equal(v->seg[TR].sel, TSS_SEL);
		assert_int_equal(v->rflags & FLAG_NT, 0);
		assert_int_equal(get(v, TSS_B + 0x24, 4) & FLAG_NT, 0);
		assert_int_equal(get(v, TSS_B + 0x28 + 4 * RDI, 4), 0x5555);
		assert_true(busy(v, TSS_SEL));
		assert_false(busy(v, TSS_B_SEL));
	}
}

static void jump_frees_the_old_task_and_nests_nothing(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	write_tss32(v, FLAG_1);
	put(v, TSS_B, 0xeeee, 2);
	assert_true(run(v, insn_jmp_far, far_to(TSS_B_SEL)));
	assert_false(busy(v, TSS_SEL));
	assert_true(busy(v, TSS_B_SEL));
	assert_int_equal(v->rflags & FLAG_NT, 0);
	assert_int_equal(get(v, TSS_B, 2), 0xeeee);
}

static void exception_through_a_task_gate_pushes_its_error_in_the_new_task(void **state)
{
	struct vcpu *v = fake_protected(3);

	(void)state;
	write_tss32(v, FLAG_1);
	set_idt(v, VEC_GP, make_gate(TSS_B_SEL, 0, SYS_TASK_GATE, 0, 0));
	v->event = (struct event){ .valid = true, .vector = VEC_GP, .has_error = true, .error = 0x77 };
	assert_true(deliver(v));
	assert_int_equal(v->rip, HANDLER);
	assert_int_equal(v->cpl, 0);
	assert_int_equal(v->gpr[RSP], STACK_B - 4);
	assert_int_equal(get(v, STACK_B - 4, 4), 0x77);
	assert_int_equal(get(v, TSS_A + 0x20, 4), CODE);
	assert_int_equal(get(v, TSS_A + 0x4c, 2), CODE3);
}

static void int_n_through_a_task_gate_returns_behind_itself(void **state)
{
	struct vcpu *v = fake_protected(3);

	(void)state;
	write_tss32(v, FLAG_1);
	set_idt(v, 0x80, make_gate(TSS_B_SEL, 0, SYS_TASK_GATE, 3, 0));
	assert_false(run(v, insn_int_n, ARGS(.imm = 0x80)));
	assert_true(deliver(v));
	assert_int_equal(get(v, TSS_A + 0x20, 4), CODE + 2);
	assert_int_equal(v->rflags & FLAG_NT, FLAG_NT);
}

static void task_of_16_bits_has_no_fs_gs_and_word_registers(void **state)
{
	static const u16 sreg[4] = { DATA0, CODE16, DATA16, DATA0 };
	struct vcpu *v = fake_protected(0);
	unsigned int i;

	(void)state;
	put(v, TSS_B + 0x0e, 0x1234, 2);
	put(v, TSS_B + 0x10, FLAG_1 | FLAG_ZF, 2);
	for (i = 0; i < 8; i++)
		put(v, TSS_B + 0x12 + 2 * i, 0x3000 + i, 2);
	for (i = 0; i < 4; i++)
		put(v, TSS_B + 0x22 + 2 * i, sreg[i], 2);
	assert_true(run(v, insn_call_far, far_to(TSS16_SEL)));
	assert_int_equal(v->rip, 0x1234);
	assert_int_equal(v->gpr[RBX], 0x3003);
	assert_int_equal(v->seg[CS].sel, CODE16);
	assert_int_equal(v->seg[FS].ar & AR_UNUSABLE, AR_UNUSABLE);
	assert_int_equal(v->seg[TR].ar & AR_TYPE, SYS_TSS16_BUSY);
	assert_true(run(v, insn_iret, ARGS(.size = 2)));
	assert_int_equal(v->rip, CODE + 2);
	assert_int_equal(get(v, TSS_B + 0x0e, 2), 0x1236);
}

static void task_may_be_a_v8086_one(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	write_tss32(v, FLAG_1 | FLAG_VM);
	assert_true(run(v, insn_jmp_far, far_to(TSS_B_SEL)));
	assert_true(vcpu_v8086(v));
	assert_int_equal(v->cpl, 3);
	assert_int_equal(v->seg[CS].base, CODE0 << 4);
	assert_int_equal(v->seg[SS].ar, 0xf3);
}

static void trap_bit_leaves_a_debug_trap_pending(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	write_tss32(v, FLAG_1);
	put(v, TSS_B + 0x64, 1, 2);
	assert_true(run(v, insn_jmp_far, far_to(TSS_B_SEL)));
	assert_int_equal(v->pending_db, DR6_BT);
}

/* Refused in the old task: nothing has changed there. */
static void bad_tss_descriptors_fault_in_the_old_task(void **state)
{
	static const struct {
		u32 limit, ar;
		bool iret;
		enum vector vector;
	} c[] = {
		{ 0x67, 0x8b, false, VEC_GP }, { 0x67, 0x09, false, VEC_NP }, { 0x66, 0x89, false, VEC_TS },
		{ 0x67, 0x89, true, VEC_TS },  { 0x67, 0x82, true, VEC_TS },  { 0x2a, 0x81, false, VEC_TS },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct vcpu *v = fake_protected(0);

		write_tss32(v, FLAG_1);
		set_gdt(v, TSS_B_SEL, make_descriptor(TSS_B, c[i].limit, c[i].ar));
		put(v, TSS_A, TSS_B_SEL, 2);
		if (c[i].iret)
			v->rflags |= FLAG_NT;
		assert_false(
			run(v, c[i].iret ? insn_iret : insn_call_far, c[i].iret ? ARGS(.size = 4) : far_to(TSS_B_SEL)));
		assert_int_equal(fault_of(v), FAULT(c[i].vector, TSS_B_SEL));
		assert_int_equal(v->seg[TR].sel, TSS_SEL);
		assert_int_equal(v->rip, CODE);
		assert_true(busy(v, TSS_SEL));
	}
}

/* Found later: the fault belongs to the new task. */
static void bad_segments_fault_in_the_new_task(void **state)
{
	static const struct {
		u8 offset;
		u16 selector;
		u32 fault;
	} c[] = {
		{ 0x60, DATA0, FAULT(VEC_TS, DATA0) },
		{ 0x60, LDT_SEL | 4, FAULT(VEC_TS, LDT_SEL | 4) },
		{ 0x4c, 0, FAULT(VEC_TS, 0) },
		{ 0x4c, DATA0, FAULT(VEC_TS, DATA0) },
		{ 0x4c, CODE0 | 3, FAULT(VEC_TS, CODE0) },
		{ 0x4c, ABSENT_CODE, FAULT(VEC_NP, ABSENT_CODE) },
		{ 0x50, 0, FAULT(VEC_TS, 0) },
		{ 0x50, DATA3, FAULT(VEC_TS, DATA3 & ~3) },
		{ 0x50, ABSENT_DATA, FAULT(VEC_SS, ABSENT_DATA) },
		{ 0x48, EXEC_ONLY, FAULT(VEC_TS, EXEC_ONLY) },
		{ 0x54, ABSENT_DATA, FAULT(VEC_NP, ABSENT_DATA) },
		{ 0x58, 0x1000, FAULT(VEC_TS, 0x1000) },
		{ 0x5c, DATA0 | 3, FAULT(VEC_TS, DATA0) },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct vcpu *v = fake_protected(0);

		write_tss32(v, FLAG_1);
		put(v, TSS_B + c[i].offset, c[i].selector, 2);
		assert_false(run(v, insn_call_far, far_to(TSS_B_SEL)));
		assert_int_equal(fault_of(v), c[i].fault);
		assert_int_equal(v->seg[TR].sel, TSS_B_SEL);
		assert_int_equal(v->rip, HANDLER);
		assert_int_equal(v->gpr[RDI], 0x1007);
	}
}

static void unwritable_tss_faults_before_anything_is_saved(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	write_tss32(v, FLAG_1);
	fault_on(TSS_B, 0x10, ACC_WRITE);
	assert_false(run(v, insn_call_far, far_to(TSS_B_SEL)));
	assert_int_equal(v->event.vector, VEC_PF);
	assert_int_equal(get(v, TSS_A + 0x20, 4), 0);
	assert_int_equal(v->seg[TR].sel, TSS_SEL);
	assert_false(busy(v, TSS_B_SEL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_and_iret_make_a_round_trip),
		cmocka_unit_test(jump_frees_the_old_task_and_nests_nothing),
		cmocka_unit_test(exception_through_a_task_gate_pushes_its_error_in_the_new_task),
		cmocka_unit_test(int_n_through_a_task_gate_returns_behind_itself),
		cmocka_unit_test(task_of_16_bits_has_no_fs_gs_and_word_registers),
		cmocka_unit_test(task_may_be_a_v8086_one),
		cmocka_unit_test(trap_bit_leaves_a_debug_trap_pending),
		cmocka_unit_test(bad_tss_descriptors_fault_in_the_old_task),
		cmocka_unit_test(bad_segments_fault_in_the_new_task),
		cmocka_unit_test(unwritable_tss_faults_before_anything_is_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
