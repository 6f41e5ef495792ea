/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmocka_headers.h"
#include "fake_vcpu.h"

static void raise_now(struct vcpu *v, union insn_args a)
{
	if (a.size)
		raise_error(v, a.imm, 0x10);
	raise_exception(v, a.imm);
}

static void cause(struct vcpu *v, enum vector vector, bool error)
{
	assert_false(run(v, raise_now, (union insn_args){ .imm = vector, .size = error }));
}

static void real_mode_pushes_three_words_and_no_error_code(void **state)
{
	struct vcpu *v = fake_real();

	(void)state;
	put(v, VEC_GP * 4, 0x12345678, 4);
	v->rflags |= FLAG_CF | FLAG_TF;
	cause(v, VEC_GP, true);
	assert_true(deliver(v));
	assert_int_equal(v->gpr[RSP], 0xffa);
	assert_int_equal(get(v, STACK0 + 0xffa, 2), CODE);
	assert_int_equal(get(v, STACK0 + 0xffc, 2), 0);
	assert_int_equal(get(v, STACK0 + 0xffe, 2), FLAG_1 | FLAG_IF | FLAG_CF | FLAG_TF);
	assert_int_equal(v->seg[CS].sel, 0x1234);
	assert_int_equal(v->seg[CS].base, 0x12340);
	assert_int_equal(v->rip, 0x5678);
	assert_int_equal(v->rflags, FLAG_1 | FLAG_CF);
	assert_false(v->delivering.valid);
}

static void real_mode_without_a_vector_table_shuts_down(void **state)
{
	struct vcpu *v = fake_real();

	(void)state;
	v->idtr.limit = 3;
	cause(v, VEC_UD, false);
	assert_false(deliver(v));
	assert_int_equal(v->activity, ACTIVITY_SHUTDOWN);
	assert_false(v->event.valid);
}

static void protected_fault_at_same_privilege_pushes_eflags_with_rf(void **state)
{
	struct vcpu *v = fake_protected(0);
	u64 sp = v->gpr[RSP];

	(void)state;
	cause(v, VEC_GP, true);
	assert_true(deliver(v));
	assert_int_equal(v->gpr[RSP], sp - 16);
	assert_int_equal(get(v, sp - 16, 4), 0x10);
	assert_int_equal(get(v, sp - 12, 4), CODE);
	assert_int_equal(get(v, sp - 8, 4), CODE0);
	assert_int_equal(get(v, sp - 4, 4), FLAG_1 | FLAG_IF | FLAG_RF);
	assert_int_equal(v->rip, HANDLER + VEC_GP);
	assert_int_equal(v->rflags, FLAG_1);
}

static void protected_interrupt_from_user_switches_the_stack(void **state)
{
	struct vcpu *v = fake_protected(3);

	(void)state;
	set_gdt(v, DATA0, make_descriptor(0, ~0u, AR_DATA32 & ~AR_ACCESSED));
	assert_true(event_interrupt(v, 0x40));
	assert_int_equal(v->gpr[RSP], STACK0 - 20);
	assert_int_equal(get(v, STACK0 - 20, 4), CODE);
	assert_int_equal(get(v, STACK0 - 16, 4), CODE3);
	assert_int_equal(get(v, STACK0 - 12, 4), FLAG_1 | FLAG_IF);
	assert_int_equal(get(v, STACK0 - 8, 4), STACK3);
	assert_int_equal(get(v, STACK0 - 4, 4), DATA3);
	assert_int_equal(v->cpl, 0);
	assert_int_equal(v->seg[CS].sel, CODE0);
	assert_int_equal(v->seg[SS].sel, DATA0);
	assert_int_equal(get(v, GDT + DATA0 + 5, 1) & 1, 1);
	assert_int_equal(v->rflags & FLAG_IF, 0);
}

static void trap_gate_leaves_if_alone_and_16_bit_gate_pushes_words(void **state)
{
	struct vcpu *v = fake_protected(3);

	(void)state;
	set_idt(v, 0x41, make_gate(CODE0, 0xdead8000, SYS_TRAP16, 3, 0));
	assert_true(event_interrupt(v, 0x41));
	assert_int_equal(v->gpr[RSP], STACK0 - 10);
	assert_int_equal(get(v, STACK0 - 10, 2), CODE);
	assert_int_equal(get(v, STACK0 - 2, 2), DATA3);
	assert_int_equal(v->rip, 0x8000);
	assert_int_equal(v->rflags & FLAG_IF, FLAG_IF);
}

static void conforming_handler_keeps_cpl_and_stack(void **state)
{
	struct vcpu *v = fake_protected(3);

	(void)state;
	set_idt(v, 0x42, make_gate(CONFORMING0, HANDLER, SYS_INT32, 3, 0));
	assert_true(event_interrupt(v, 0x42));
	assert_int_equal(v->cpl, 3);
	assert_int_equal(v->seg[CS].sel, CONFORMING0 | 3);
	assert_int_equal(v->gpr[RSP], STACK3 - 12);
}

static void leaving_v8086_pushes_and_clears_data_segments(void **state)
{
	struct vcpu *v = fake_v8086(3);

	(void)state;
	assert_true(event_interrupt(v, 0x43));
	assert_int_equal(v->gpr[RSP], STACK0 - 36);
	assert_int_equal(get(v, STACK0 - 4, 4), 0x1110 + GS);
	assert_int_equal(get(v, STACK0 - 8, 4), 0x1110 + FS);
	assert_int_equal(get(v, STACK0 - 12, 4), 0x1110 + DS);
	assert_int_equal(get(v, STACK0 - 16, 4), 0x1110 + ES);
	assert_int_equal(get(v, STACK0 - 20, 4), STACK3 >> 4);
	assert_int_equal(get(v, STACK0 - 24, 4), 0x1000);
	assert_int_equal(get(v, STACK0 - 28, 4) & FLAG_VM, FLAG_VM);
	assert_int_equal(get(v, STACK0 - 32, 4), CODE >> 4);
	assert_int_equal(get(v, STACK0 - 36, 4), 0x10);
	assert_false(vcpu_v8086(v));
	assert_int_equal(v->cpl, 0);
	assert_int_equal(v->seg[DS].ar & AR_UNUSABLE, AR_UNUSABLE);
	assert_int_equal(v->seg[DS].sel, 0);
}

static void v8086_can_only_be_left_to_cpl_0(void **state)
{
	static const u16 bad[] = { CODE1, CODE3, CONFORMING0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct vcpu *v = fake_v8086(3);

		set_idt(v, 0x43, make_gate(bad[i], HANDLER, SYS_INT32, 3, 0));
		assert_true(deliver((v->event = (struct event){ .valid = true, .external = true, .vector = 0x43 }, v)));
		assert_int_equal(v->rip, HANDLER + VEC_GP);
		assert_int_equal(get(v, v->gpr[RSP], 4), selector_error(bad[i]) | 1);
	}
}

static void long_mode_aligns_the_stack_and_pushes_ss_rsp_always(void **state)
{
	struct vcpu *v = fake_long(0, false);

	(void)state;
	v->gpr[RSP] = STACK0 - 3;
	assert_true(event_interrupt(v, 0x44));
	assert_int_equal(v->gpr[RSP], STACK0 - 16 - 40);
	assert_int_equal(get(v, v->gpr[RSP], 8), CODE);
	assert_int_equal(get(v, v->gpr[RSP] + 8, 8), CODE0);
	assert_int_equal(get(v, v->gpr[RSP] + 24, 8), STACK0 - 3);
	assert_int_equal(get(v, v->gpr[RSP] + 32, 8), DATA0);
	assert_int_equal(v->seg[SS].sel, DATA0);
}

static void long_mode_from_user_takes_rsp0_and_a_null_ss(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct vcpu *v = fake_long(3, i & 1);

		without_host(i & 2);
		cause(v, VEC_GP, true);
		assert_true(deliver(v));
		assert_int_equal(v->gpr[RSP], STACK0 - 48);
		assert_int_equal(get(v, STACK0 - 48, 8), 0x10);
		assert_int_equal(get(v, STACK0 - 40, 8), CODE);
		assert_int_equal(get(v, STACK0 - 32, 8), i & 1 ? CODE3 : CODE3_64);
		assert_int_equal(get(v, STACK0 - 24, 8), FLAG_1 | FLAG_IF | FLAG_RF);
		assert_int_equal(get(v, STACK0 - 16, 8), STACK3);
		assert_int_equal(get(v, STACK0 - 8, 8), DATA3);
		assert_int_equal(v->seg[SS].sel, 0);
		assert_int_equal(v->seg[SS].ar & AR_UNUSABLE, AR_UNUSABLE);
		assert_int_equal(v->cpl, 0);
		assert_true(vcpu_64bit(v));
	}
}

static void long_mode_takes_the_ist_at_any_privilege(void **state)
{
	unsigned int cpl;

	(void)state;
	for (cpl = 0; cpl <= 3; cpl += 3) {
		struct vcpu *v = fake_long(cpl, false);

		set_idt_long(v, VEC_NMI, make_gate(CODE0, HANDLER, SYS_INT32, 0, 1));
		assert_true(event_nmi(v));
		assert_true(v->nmi_blocked);
		assert_int_equal(v->gpr[RSP], STACK_IST - 40);
		assert_int_equal(v->seg[SS].sel, cpl ? 0 : DATA0);
	}
}

/* What a gate or its target can be refused for: vector, error code without EXT */
static void bad_gates_raise_what_int_n_says(void **state)
{
	static const struct {
		u64 gate;
		enum vector vector;
		u32 error;
	} bad[] = {
		{ 0, VEC_GP, 0x50 * 8 + 2 },
		{ BIT(47) | 0x9ull << 40, VEC_GP, 0x50 * 8 + 2 },
		{ BIT(47) | 0x1eull << 40, VEC_GP, 0x50 * 8 + 2 },
		{ 3ull << 45 | 0xeull << 40 | CODE0 << 16, VEC_NP, 0x50 * 8 + 2 },
		{ BIT(47) | 0xeull << 40 | CODE0 << 16, VEC_GP, 0x50 * 8 + 2 }, /* DPL 0 */
		{ BIT(47) | 0x6eull << 40, VEC_GP, 0 }, /* null selector */
		{ BIT(47) | 0x6eull << 40 | 0x1000 << 16, VEC_GP, 0x1000 },
		{ BIT(47) | 0x6eull << 40 | DATA0 << 16, VEC_GP, DATA0 },
		{ BIT(47) | 0x6eull << 40 | ABSENT_CODE << 16, VEC_NP, ABSENT_CODE },
		{ BIT(47) | 0x6eull << 40 | CODE16 << 16 | 0x1ull << 48, VEC_GP, 0 }, /* beyond the limit */
	};
	unsigned int i, external;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (external = 0; external < 2; external++) {
			struct vcpu *v = fake_protected(3);
			struct event e = {
				.valid = true, .vector = 0x50, .software = !external, .external = external, .len = 2
			};

			set_idt(v, 0x50, bad[i].gate);
			v->event = e;
			/* an interrupt isn't asked for the gate's DPL */
			if (i == 4 && external)
				continue;
			assert_false(deliver_once(v));
			assert_int_equal(fault_of(v), FAULT(bad[i].vector, bad[i].error | external));
			assert_int_equal(v->rip, CODE);
			assert_int_equal(v->gpr[RSP], STACK3);
			assert_int_equal(v->cpl, 3);
		}
	}
}

static void bad_inner_stacks_raise_ts_or_ss(void **state)
{
	static const struct {
		u16 ss;
		enum vector vector;
		u32 error;
	} bad[] = {
		{ 0, VEC_TS, 0 },
		{ 0x1000, VEC_TS, 0x1000 },
		{ DATA0 | 3, VEC_TS, DATA0 },
		{ DATA3 & ~3, VEC_TS, DATA3 & ~3 },
		{ CODE0, VEC_TS, CODE0 },
		{ READONLY, VEC_TS, READONLY },
		{ ABSENT_DATA, VEC_SS, ABSENT_DATA },
		{ EXPAND_DOWN, 0, 0 },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vcpu *v = fake_protected(3);

		put(v, TSS_A + 8, bad[i].ss, 2);
		v->event = (struct event){ .valid = true, .vector = 0x20, .software = true, .len = 2 };
		deliver_once(v);
		assert_int_equal(fault_of(v), bad[i].vector ? FAULT(bad[i].vector, bad[i].error) : 0);
	}
}

static void short_tss_raises_ts_with_its_selector(void **state)
{
	struct vcpu *v = fake_protected(3);

	(void)state;
	v->seg[TR].limit = 8;
	v->event = (struct event){ .valid = true, .vector = 0x20, .external = true };
	deliver_once(v);
	assert_int_equal(fault_of(v), FAULT(VEC_TS, TSS_SEL | 1));
}

static void non_canonical_stack_or_handler_is_refused_in_long_mode(void **state)
{
	struct vcpu *v = fake_long(3, false);

	(void)state;
	put(v, TSS_A + 4, 0x900000000000, 8);
	v->event = (struct event){ .valid = true, .vector = 0x20, .software = true };
	deliver_once(v);
	assert_int_equal(fault_of(v), FAULT(VEC_SS, 0));

	v = fake_long(3, false);
	put(v, IDT + 0x20 * 16 + 8, 0x8000, 8);
	v->event = (struct event){ .valid = true, .vector = 0x20, .external = true };
	deliver_once(v);
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 1));
}

/* SDM vol. 3, table "Conditions for Generating a Double Fault" */
static void second_fault_during_delivery_is_combined_as_the_table_says(void **state)
{
	enum { SECOND, DOUBLE, SHUTDOWN };
	static const struct {
		struct event first;
		u8 benign, contributory, page_fault;
	} row[] = {
		{ { .valid = true, .vector = VEC_UD }, SECOND, SECOND, SECOND },
		{ { .valid = true, .vector = VEC_AC, .has_error = true }, SECOND, SECOND, SECOND },
		{ { .valid = true, .vector = VEC_NMI, .external = true }, SECOND, SECOND, SECOND },
		{ { .valid = true, .vector = VEC_GP, .external = true }, SECOND, SECOND, SECOND },
		{ { .valid = true, .vector = VEC_PF, .software = true }, SECOND, SECOND, SECOND },
		{ { .valid = true, .vector = VEC_DB, .icebp = true }, SECOND, SECOND, SECOND },
		{ { .valid = true, .vector = VEC_DE }, SECOND, DOUBLE, SECOND },
		{ { .valid = true, .vector = VEC_TS, .has_error = true }, SECOND, DOUBLE, SECOND },
		{ { .valid = true, .vector = VEC_NP, .has_error = true }, SECOND, DOUBLE, SECOND },
		{ { .valid = true, .vector = VEC_SS, .has_error = true }, SECOND, DOUBLE, SECOND },
		{ { .valid = true, .vector = VEC_GP, .has_error = true }, SECOND, DOUBLE, SECOND },
		{ { .valid = true, .vector = VEC_PF, .has_error = true }, SECOND, DOUBLE, DOUBLE },
		{ { .valid = true, .vector = VEC_DF, .has_error = true }, SECOND, SHUTDOWN, SHUTDOWN },
	};
	static const enum vector second[] = { VEC_AC, VEC_NP, VEC_PF };
	unsigned int i, k;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		for (k = 0; k < 3; k++) {
			struct vcpu *v = fake_protected(0);
			unsigned int want = k == 0 ? row[i].benign : k == 1 ? row[i].contributory : row[i].page_fault;

			v->delivering = row[i].first;
			cause(v, second[k], true);
			assert_int_equal(v->activity, want == SHUTDOWN ? ACTIVITY_SHUTDOWN : ACTIVITY_ACTIVE);
			assert_int_equal(v->event.valid, want != SHUTDOWN);
			if (want == SECOND)
				assert_int_equal(v->event.vector, second[k]);
			if (want == DOUBLE)
				assert_int_equal(fault_of(v), FAULT(VEC_DF, 0));
		}
	}
}

static void page_fault_while_delivering_a_page_fault_is_a_double_fault(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	set_idt(v, VEC_DF, make_gate(CODE0, HANDLER + 0x100, SYS_INT32, 0, 0));
	fault_on(IDT + VEC_PF * 8, 8, ACC_READ);
	cause(v, VEC_PF, true);
	assert_true(deliver(v));
	assert_int_equal(v->rip, HANDLER + 0x100);
	assert_int_equal(get(v, v->gpr[RSP], 4), 0);
	assert_int_equal(v->cr2, IDT + VEC_PF * 8);
}

static void unreachable_double_fault_handler_shuts_down(void **state)
{
	struct vcpu *v = fake_protected(3);

	(void)state;
	fault_on(STACK0 - 64, 64, ACC_WRITE);
	cause(v, VEC_GP, true);
	assert_false(deliver(v));
	assert_int_equal(v->activity, ACTIVITY_SHUTDOWN);
	assert_int_equal(v->rip, CODE);
	assert_int_equal(v->cpl, 3);
	assert_false(event_deliver(v));
}

static void failed_delivery_changes_no_register(void **state)
{
	struct vcpu *v = fake_long(3, false);

	(void)state;
	fault_on(STACK0 - 64, 64, ACC_WRITE);
	v->event = (struct event){ .valid = true, .vector = 0x20, .external = true };
	deliver_once(v);
	assert_int_equal(fault_of(v), FAULT(VEC_PF, PFEC_W));
	assert_int_equal(v->gpr[RSP], STACK3);
	assert_int_equal(v->seg[CS].sel, CODE3_64);
	assert_int_equal(v->rflags, FLAG_1 | FLAG_IF);
}

static void debug_exception_fills_dr6_and_clears_gd(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	v->dr[6] = DR6_FIXED | 3;
	v->dr[7] |= DR7_GD;
	v->pending_db = DR6_BS | 8;
	cause(v, VEC_DB, false);
	assert_true(deliver(v));
	assert_int_equal(v->dr[6], DR6_FIXED | DR6_BS | 8);
	assert_int_equal(v->dr[7], DR7_FIXED);
	assert_int_equal(v->pending_db, 0);
	/* a trap: RF isn't set for it, as it is for the fault of a protected debug register */
	assert_int_equal(get(v, v->gpr[RSP] + 8, 4) & FLAG_RF, 0);

	v = fake_protected(0);
	v->pending_db = DR6_BD;
	cause(v, VEC_DB, false);
	assert_true(deliver(v));
	assert_int_equal(get(v, v->gpr[RSP] + 8, 4) & FLAG_RF, FLAG_RF);
}

static void int1_takes_along_a_breakpoint_that_mov_ss_held_off(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	v->dr[6] = DR6_FIXED | DR6_BS;
	v->pending_db = 2;
	v->intr_shadow = SHADOW_MOV_SS;
	assert_false(run(v, insn_int1, (union insn_args){ .raw = 0 }));
	assert_true(deliver(v));
	assert_int_equal(v->dr[6], DR6_FIXED | DR6_BS | 2);
	assert_int_equal(v->pending_db, 0);
}

static void faulting_instruction_has_met_no_breakpoint_but_mov_ss_before_it_has(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	v->pending_db = 2;
	assert_false(run(v, insn_ud, (union insn_args){ .raw = 0 }));
	assert_int_equal(v->pending_db, 0);
	v->pending_db = 2;
	v->intr_shadow = SHADOW_MOV_SS;
	assert_false(run(v, insn_ud, (union insn_args){ .raw = 0 }));
	assert_int_equal(v->pending_db, 2);
	/* INT n is complete when it is delivered */
	v->intr_shadow = 0;
	assert_false(run(v, insn_int3, (union insn_args){ .raw = 0 }));
	assert_int_equal(v->pending_db, 2);
}

static void interrupt_ends_hlt_and_the_shadow(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	v->activity = ACTIVITY_HLT;
	v->intr_shadow = SHADOW_STI;
	assert_true(event_interrupt(v, 0x30));
	assert_int_equal(v->activity, ACTIVITY_ACTIVE);
	assert_false(v->intr_shadow);
}

static void int_n_returns_behind_itself_and_int1_ignores_dpl(void **state)
{
	struct vcpu *v = fake_protected(3);

	(void)state;
	assert_false(run(v, insn_int_n, (union insn_args){ .imm = 0x80 }));
	assert_true(deliver(v));
	assert_int_equal(get(v, v->gpr[RSP], 4), CODE + 2);
	assert_int_equal(get(v, v->gpr[RSP] + 8, 4), FLAG_1 | FLAG_IF);

	v = fake_protected(3);
	set_idt(v, VEC_DB, make_gate(CODE0, HANDLER, SYS_INT32, 0, 0));
	assert_false(run(v, insn_int1, (union insn_args){ .raw = 0 }));
	assert_true(deliver(v));
	assert_int_equal(v->rip, HANDLER);
	assert_int_equal(get(v, v->gpr[RSP], 4), CODE + 2);
}

static void int_n_in_v8086_depends_on_iopl_vme_and_redirection(void **state)
{
	/* IOPL, VME, redirection bit: 0 #GP, 1 protected handler, 2 8086 handler */
	static const u8 want[2][2][2] = { { { 0, 0 }, { 2, 0 } }, { { 1, 1 }, { 2, 1 } } };
	unsigned int high, vme, bit;

	(void)state;
	for (high = 0; high < 2; high++)
		for (vme = 0; vme < 2; vme++)
			for (bit = 0; bit < 2; bit++) {
				struct vcpu *v = fake_v8086(high ? 3 : 0);
				bool done;

				v->seg[TR].limit = 0xff;
				put(v, TSS_A + 0x66, 0x88, 2);
				put(v, TSS_A + 0x68 + 0x21 / 8, bit << (0x21 % 8), 1);
				put(v, 0x21 * 4, 0x02000300, 4);
				v->cr4 = vme ? CR4_VME : 0;
				v->rflags |= FLAG_VIF;
				done = run(v, insn_int_n, (union insn_args){ .imm = 0x21 });
				assert_int_equal(done, want[high][vme][bit] == 2);
				if (done) {
					assert_int_equal(v->rip, 0x300);
					assert_int_equal(v->seg[CS].base, 0x2000);
					assert_int_equal(v->rflags & (high ? FLAG_IF : FLAG_VIF), 0);
					assert_int_equal(v->rflags & (high ? FLAG_VIF : FLAG_IF),
							 high ? FLAG_VIF : FLAG_IF);
					assert_int_equal(get(v, STACK3 + 0xffe, 2) & (FLAG_IF | FLAG_IOPL),
							 FLAG_IF | FLAG_IOPL);
					assert_int_equal(get(v, STACK3 + 0xffa, 2), 0x12);
				} else {
					assert_int_equal(v->event.vector, want[high][vme][bit] ? 0x21 : VEC_GP);
				}
			}
}

static void into_and_bound_fault_only_when_they_should(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	assert_true(run(v, insn_into, (union insn_args){ .raw = 0 }));
	v->rflags |= FLAG_OF;
	assert_false(run(v, insn_into, (union insn_args){ .raw = 0 }));
	assert_int_equal(v->event.vector, VEC_OF);
	put(v, DATA, (u32)-5, 4);
	put(v, DATA + 4, 7, 4);
	v->ea = DATA;
	v->gpr[RCX] = (u32)-5;
	assert_true(run(v, insn_bound, (union insn_args){ .size = 4, .seg = DS, .reg = RCX }));
	v->gpr[RCX] = 7;
	assert_true(run(v, insn_bound, (union insn_args){ .size = 4, .seg = DS, .reg = RCX }));
	v->gpr[RCX] = 8;
	assert_false(run(v, insn_bound, (union insn_args){ .size = 4, .seg = DS, .reg = RCX }));
	assert_int_equal(fault_of(v), FAULT(VEC_BR, 0));
	assert_false(run(v, insn_ud, (union insn_args){ .raw = 0 }));
	assert_int_equal(fault_of(v), FAULT(VEC_UD, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_mode_pushes_three_words_and_no_error_code),
		cmocka_unit_test(real_mode_without_a_vector_table_shuts_down),
		cmocka_unit_test(protected_fault_at_same_privilege_pushes_eflags_with_rf),
		cmocka_unit_test(protected_interrupt_from_user_switches_the_stack),
		cmocka_unit_test(trap_gate_leaves_if_alone_and_16_bit_gate_pushes_words),
		cmocka_unit_test(conforming_handler_keeps_cpl_and_stack),
		cmocka_unit_test(leaving_v8086_pushes_and_clears_data_segments),
		cmocka_unit_test(v8086_can_only_be_left_to_cpl_0),
		cmocka_unit_test(long_mode_aligns_the_stack_and_pushes_ss_rsp_always),
		cmocka_unit_test(long_mode_from_user_takes_rsp0_and_a_null_ss),
		cmocka_unit_test(long_mode_takes_the_ist_at_any_privilege),
		cmocka_unit_test(bad_gates_raise_what_int_n_says),
		cmocka_unit_test(bad_inner_stacks_raise_ts_or_ss),
		cmocka_unit_test(short_tss_raises_ts_with_its_selector),
		cmocka_unit_test(non_canonical_stack_or_handler_is_refused_in_long_mode),
		cmocka_unit_test(second_fault_during_delivery_is_combined_as_the_table_says),
		cmocka_unit_test(page_fault_while_delivering_a_page_fault_is_a_double_fault),
		cmocka_unit_test(unreachable_double_fault_handler_shuts_down),
		cmocka_unit_test(failed_delivery_changes_no_register),
		cmocka_unit_test(debug_exception_fills_dr6_and_clears_gd),
		cmocka_unit_test(int1_takes_along_a_breakpoint_that_mov_ss_held_off),
		cmocka_unit_test(faulting_instruction_has_met_no_breakpoint_but_mov_ss_before_it_has),
		cmocka_unit_test(interrupt_ends_hlt_and_the_shadow),
		cmocka_unit_test(int_n_returns_behind_itself_and_int1_ignores_dpl),
		cmocka_unit_test(int_n_in_v8086_depends_on_iopl_vme_and_redirection),
		cmocka_unit_test(into_and_bound_fault_only_when_they_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
