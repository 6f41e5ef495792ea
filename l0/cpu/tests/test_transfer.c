/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmocka_headers.h"
#include "fake_vcpu.h"
#include "../model.h"

#define ARGS(...) ((union insn_args){ __VA_ARGS__ })

static union insn_args far_to(u16 selector, u32 offset, unsigned int size)
{
	return ARGS(.size = size, .is_reg = 1, .reg = selector & 0xff, .rm = selector >> 8, .imm = offset);
}

/* five or three values of `size` upwards from sp */
static void put_frame(struct vcpu *v, unsigned int size, u64 rip, u16 cs, u64 flags, u64 sp, u16 ss)
{
	u64 value[5] = { rip, cs, flags, sp, ss };
	u32 at = v->seg[SS].base + v->gpr[RSP];
	unsigned int i;

	for (i = 0; i < 5; i++)
		put(v, at + i * size, value[i], size);
}

static void real_mode_far_transfers_go_round(void **state)
{
	struct vcpu *v = fake_real();

	(void)state;
	assert_true(run(v, insn_call_far, far_to(0x1234, 0x10, 2)));
	assert_int_equal(v->seg[CS].base, 0x12340);
	assert_int_equal(v->rip, 0x10);
	assert_int_equal(get(v, STACK0 + 0xffc, 2), CODE + 2);
	assert_true(run(v, insn_ret_far, ARGS(.size = 2, .imm = 6)));
	assert_int_equal(v->seg[CS].base, 0);
	assert_int_equal(v->rip, CODE + 2);
	assert_int_equal(v->gpr[RSP], 0x1006);
	assert_false(run(v, insn_jmp_far, far_to(0x1234, 0x10000, 4)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
}

static void direct_jumps_are_refused_as_the_sdm_says(void **state)
{
	static const struct {
		u16 selector;
		u8 cpl;
		u32 fault;
	} c[] = {
		{ CODE0, 0, 0 },
		{ CODE0 | 3, 0, FAULT(VEC_GP, CODE0) },
		{ CODE3, 0, FAULT(VEC_GP, CODE3 & ~3) },
		{ CODE3, 3, 0 },
		{ CODE0, 3, FAULT(VEC_GP, CODE0) },
		{ CONFORMING0, 3, 0 },
		{ CONFORMING0 | 3, 0, 0 },
		{ DATA0, 0, FAULT(VEC_GP, DATA0) },
		{ ABSENT_CODE, 0, FAULT(VEC_NP, ABSENT_CODE) },
		{ 0, 0, FAULT(VEC_GP, 0) },
		{ 3, 0, FAULT(VEC_GP, 0) },
		{ 0x1000, 0, FAULT(VEC_GP, 0x1000) },
		{ 0x0c, 0, FAULT(VEC_GP, 0x0c) }, /* no LDT */
		{ LDT_SEL, 0, FAULT(VEC_GP, LDT_SEL) },
		{ TSS_SEL, 0, FAULT(VEC_GP, TSS_SEL) }, /* busy */
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct vcpu *v = fake_protected(c[i].cpl);
		bool ok = run(v, insn_jmp_far, far_to(c[i].selector, 0x9000, 4));

		assert_int_equal(fault_of(v), c[i].fault);
		assert_int_equal(v->rip, ok ? 0x9000 : CODE);
		if (ok) {
			assert_int_equal(v->seg[CS].sel, (c[i].selector & ~3) | c[i].cpl);
			assert_int_equal(v->cpl, c[i].cpl);
		}
	}
}

static void far_call_through_memory_pushes_and_returns(void **state)
{
	struct vcpu *v = fake_protected(0);
	u64 sp = v->gpr[RSP];

	(void)state;
	put(v, DATA, 0x9000, 4);
	put(v, DATA + 4, CODE16, 2);
	v->ea = DATA;
	assert_true(run(v, insn_call_far, ARGS(.size = 4, .seg = DS)));
	assert_int_equal(v->rip, 0x9000);
	assert_int_equal(v->seg[CS].sel, CODE16);
	assert_int_equal(v->mode & MODE_CS_MASK, MODE_CS16);
	assert_int_equal(get(v, sp - 8, 4), CODE + 2);
	assert_int_equal(get(v, sp - 4, 4), CODE0);
	assert_true(run(v, insn_ret_far, ARGS(.size = 4)));
	assert_int_equal(v->rip, CODE + 2);
	assert_int_equal(v->gpr[RSP], sp);
	assert_int_equal(v->mode & MODE_CS_MASK, MODE_CS32);
}

static void call_gate_switches_stack_and_copies_parameters(void **state)
{
	unsigned int wide;

	(void)state;
	for (wide = 0; wide < 2; wide++) {
		struct vcpu *v = fake_protected(3);
		unsigned int n = wide ? 4 : 2, type = wide ? SYS_CALL32 : SYS_CALL16;

		set_gdt(v, GATE, make_gate(CODE0, HANDLER, type, 3, 2));
		put(v, STACK3, 0x1111, n);
		put(v, STACK3 + n, 0x2222, n);
		assert_true(run(v, insn_call_far, far_to(GATE | 3, 0xffff, n)));
		assert_int_equal(v->rip, HANDLER);
		assert_int_equal(v->cpl, 0);
		assert_int_equal(v->seg[CS].sel, CODE0);
		assert_int_equal(v->seg[SS].sel, DATA0);
		assert_int_equal(v->gpr[RSP], STACK0 - 6 * n);
		assert_int_equal(get(v, STACK0 - n, n), DATA3);
		assert_int_equal(get(v, STACK0 - 2 * n, n), STACK3 & (wide ? ~0u : 0xffff));
		assert_int_equal(get(v, STACK0 - 3 * n, n), 0x2222);
		assert_int_equal(get(v, STACK0 - 4 * n, n), 0x1111);
		assert_int_equal(get(v, STACK0 - 5 * n, n), CODE3);
		assert_int_equal(get(v, STACK0 - 6 * n, n), CODE + 2);

		/* and back: parameters released from both stacks, data segments of CPL 0 dropped */
		set_segment(v, ES, DATA0);
		assert_true(run(v, insn_ret_far, ARGS(.size = n, .imm = 2 * n)));
		assert_int_equal(v->rip, CODE + 2);
		assert_int_equal(v->cpl, 3);
		assert_int_equal(v->gpr[RSP], (wide ? STACK3 : STACK3 & 0xffff) + 2 * n);
		assert_int_equal(v->seg[ES].sel, 0);
		assert_int_equal(v->seg[ES].ar & AR_UNUSABLE, AR_UNUSABLE);
		assert_int_equal(v->seg[DS].sel, DATA3);
	}
}

static void call_gates_are_refused_as_the_sdm_says(void **state)
{
	static const struct {
		u64 gate;
		u16 selector;
		bool call;
		u32 fault;
	} c[] = {
		{ (u64)SYS_CALL32 << 40 | BIT(47) | CODE0 << 16 | 0x9000, GATE, true, FAULT(VEC_GP, GATE) },
		{ (u64)SYS_CALL32 << 40 | 3ull << 45 | CODE0 << 16, GATE, true, FAULT(VEC_NP, GATE) },
		{ (u64)SYS_CALL32 << 40 | BIT(47) | 3ull << 45, GATE, true, FAULT(VEC_GP, 0) },
		{ (u64)SYS_CALL32 << 40 | BIT(47) | 3ull << 45 | DATA0 << 16, GATE, true, FAULT(VEC_GP, DATA0) },
		{ (u64)SYS_CALL32 << 40 | BIT(47) | 3ull << 45 | ABSENT_CODE << 16, GATE, true,
		  FAULT(VEC_NP, ABSENT_CODE) },
		{ (u64)SYS_CALL32 << 40 | BIT(47) | 3ull << 45 | CODE0 << 16, GATE, false, FAULT(VEC_GP, CODE0) },
		{ (u64)SYS_CALL32 << 40 | BIT(47) | 3ull << 45 | CODE16 << 16 | 1ull << 48, GATE, true, FAULT(VEC_GP, 0) },
		{ (u64)SYS_CALL32 << 40 | BIT(47) | 3ull << 45 | CONFORMING0 << 16, GATE, false, 0 },
		{ (u64)SYS_CALL32 << 40 | BIT(47) | 3ull << 45 | (u64)CODE3 << 16, GATE, false, 0 },
		{ (u64)SYS_INT32 << 40 | BIT(47) | 3ull << 45, GATE, true, FAULT(VEC_GP, GATE) },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct vcpu *v = fake_protected(3);

		set_gdt(v, GATE, c[i].gate);
		run(v, c[i].call ? insn_call_far : insn_jmp_far, far_to(c[i].selector, 0, 4));
		assert_int_equal(fault_of(v), c[i].fault);
		assert_int_equal(v->cpl, 3);
		assert_int_equal(v->gpr[RSP], STACK3);
	}
}

static void long_mode_call_gate_is_16_bytes_and_pushes_quadwords(void **state)
{
	struct vcpu *v = fake_long(3, false);

	(void)state;
	set_gdt(v, GATE, make_gate(CODE0, HANDLER, SYS_CALL32, 3, 0));
	set_gdt(v, GATE + 8, 0);
	put(v, DATA + 4, GATE, 2);
	v->ea = DATA;
	assert_true(run(v, insn_call_far, ARGS(.size = 4, .seg = DS)));
	assert_int_equal(v->gpr[RSP], STACK0 - 32);
	assert_int_equal(get(v, STACK0 - 32, 8), CODE + 2);
	assert_int_equal(get(v, STACK0 - 24, 8), CODE3_64);
	assert_int_equal(get(v, STACK0 - 16, 8), STACK3);
	assert_int_equal(get(v, STACK0 - 8, 8), DATA3);
	assert_int_equal(v->seg[SS].ar & AR_UNUSABLE, AR_UNUSABLE);
	assert_int_equal(v->cpl, 0);
	assert_true(run(v, insn_ret_far, ARGS(.size = 8)));
	assert_int_equal(v->cpl, 3);
	assert_int_equal(v->gpr[RSP], STACK3);
	assert_int_equal(v->seg[CS].sel, CODE3_64);

	/* an upper half that looks like a descriptor */
	set_gdt(v, GATE + 8, (u64)SYS_CALL32 << 40);
	assert_false(run(v, insn_call_far, ARGS(.size = 4, .seg = DS)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, GATE));
	/* neither tasks nor 16-bit gates */
	put(v, DATA + 4, TASK_GATE_SEL, 2);
	assert_false(run(v, insn_call_far, ARGS(.size = 4, .seg = DS)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, TASK_GATE_SEL));
}

static void iret_restores_flags_by_cpl_and_iopl(void **state)
{
	unsigned int cpl, iopl, size;
	const u64 all = 0x3f7fd7;

	(void)state;
	for (cpl = 0; cpl <= 3; cpl += 3)
		for (iopl = 0; iopl <= 3; iopl += 3)
			for (size = 2; size <= 4; size += 2) {
				struct vcpu *v = fake_protected(cpl);
				u64 want = FLAG_1 | FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT;

				v->rflags = FLAG_1 | (u64)iopl << 12;
				put_frame(v, size, 0x100, cpl ? CODE3 : CODE0, all & ~FLAG_VM, 0, 0);
				assert_true(run(v, insn_iret, ARGS(.size = size)));
				if (size == 4)
					want |= FLAG_RF | FLAG_AC | FLAG_ID;
				want |= cpl <= iopl ? FLAG_IF : 0;
				want |= cpl == 0 ? FLAG_IOPL | (size == 4 ? FLAG_VIF | FLAG_VIP : 0) : (u64)iopl << 12;
				assert_int_equal(v->rflags, want);
			}
}

static void iret_to_outer_privilege_loads_ss_sp_and_drops_segments(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	put_frame(v, 4, 0x9000, CODE3, FLAG_1 | FLAG_IF, STACK3, DATA3);
	assert_true(run(v, insn_iret, ARGS(.size = 4)));
	assert_int_equal(v->cpl, 3);
	assert_int_equal(v->rip, 0x9000);
	assert_int_equal(v->gpr[RSP], STACK3);
	assert_int_equal(v->seg[SS].sel, DATA3);
	assert_int_equal(v->seg[DS].sel, 0);
	assert_int_equal(v->seg[GS].ar & AR_UNUSABLE, AR_UNUSABLE);
	assert_int_equal(v->mode & MODE_CPL3, MODE_CPL3);
}

static void bad_iret_frames_raise_and_change_nothing(void **state)
{
	static const struct {
		u16 cs, ss;
		u32 rip, fault;
	} c[] = {
		{ 0, DATA3, 0, FAULT(VEC_GP, 0) },
		{ 0x1000, DATA3, 0, FAULT(VEC_GP, 0x1000) },
		{ DATA3, DATA3, 0, FAULT(VEC_GP, DATA3 & ~3) },
		{ CODE0 | 3, DATA3, 0, FAULT(VEC_GP, CODE0) }, /* DPL < RPL */
		{ ABSENT_CODE, DATA3, 0, FAULT(VEC_NP, ABSENT_CODE) },
		{ CODE3, 0, 0, FAULT(VEC_GP, 0) },
		{ CODE3, DATA0, 0, FAULT(VEC_GP, DATA0) },
		{ CODE3, DATA3 & ~3, 0, FAULT(VEC_GP, DATA3 & ~3) },
		{ CODE3, CODE3, 0, FAULT(VEC_GP, CODE3 & ~3) },
		{ CODE16, 0, 0x10000, FAULT(VEC_GP, 0) },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct vcpu *v = fake_protected(0);
		u64 sp = v->gpr[RSP], flags = v->rflags;

		put_frame(v, 4, c[i].rip, c[i].cs, 0xfff, STACK3, c[i].ss);
		v->nmi_blocked = true;
		assert_false(run(v, insn_iret, ARGS(.size = 4)));
		assert_int_equal(fault_of(v), c[i].fault);
		assert_int_equal(v->gpr[RSP], sp);
		assert_int_equal(v->rflags, flags);
		assert_int_equal(v->cpl, 0);
		/* NMIs are unblocked even so */
		assert_false(v->nmi_blocked);
	}
}

static void iret_enters_and_leaves_v8086(void **state)
{
	static const u16 segments[] = { STACK3 >> 4, 0x1111, 0x2222, 0x3333, 0x4444 };
	struct vcpu *v = fake_protected(0);
	unsigned int i;

	(void)state;
	put_frame(v, 4, 0x10, CODE >> 4, FLAG_1 | FLAG_IF | FLAG_VM | FLAG_IOPL, 0x1000, 0);
	for (i = 0; i < 5; i++)
		put(v, v->gpr[RSP] + 16 + i * 4, segments[i], 4);
	assert_true(run(v, insn_iret, ARGS(.size = 4)));
	assert_true(vcpu_v8086(v));
	assert_int_equal(v->cpl, 3);
	assert_int_equal(v->seg[CS].base, CODE);
	assert_int_equal(v->seg[ES].sel, 0x1111);
	assert_int_equal(v->seg[DS].sel, 0x2222);
	assert_int_equal(v->seg[FS].sel, 0x3333);
	assert_int_equal(v->seg[GS].base, 0x44440);
	assert_int_equal(v->seg[SS].base, STACK3);
	assert_int_equal(v->seg[SS].ar, 0xf3);
	assert_int_equal(v->seg[SS].limit, 0xffff);
	assert_int_equal(v->rflags, FLAG_1 | FLAG_IF | FLAG_VM | FLAG_IOPL);
	assert_int_equal(v->mode & MODE_VM86, MODE_VM86);

	/* within it IRET keeps IOPL */
	put_frame(v, 2, 0x20, 0x900, 0, 0, 0);
	assert_true(run(v, insn_iret, ARGS(.size = 2)));
	assert_int_equal(v->rip, 0x20);
	assert_int_equal(v->rflags, FLAG_1 | FLAG_VM | FLAG_IOPL);
}

static void iret_in_v8086_below_iopl_3_needs_vme(void **state)
{
	struct vcpu *v = fake_v8086(0);

	(void)state;
	put_frame(v, 2, 0x20, 0x900, FLAG_IF | FLAG_CF, 0, 0);
	assert_false(run(v, insn_iret, ARGS(.size = 2)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
	v->cr4 = CR4_VME;
	v->rflags &= ~FLAG_IF;
	assert_true(run(v, insn_iret, ARGS(.size = 2)));
	assert_int_equal(v->rflags, FLAG_1 | FLAG_VM | FLAG_VIF | FLAG_CF);

	v = fake_v8086(0);
	v->cr4 = CR4_VME;
	v->rflags |= FLAG_VIP;
	put_frame(v, 2, 0x20, 0x900, FLAG_IF, 0, 0);
	assert_false(run(v, insn_iret, ARGS(.size = 2)));
	put_frame(v, 2, 0x20, 0x900, FLAG_TF, 0, 0);
	assert_false(run(v, insn_iret, ARGS(.size = 2)));
}

static void iretq_returns_to_64_bit_and_compatibility_code(void **state)
{
	unsigned int compatibility, slow;

	(void)state;
	for (compatibility = 0; compatibility < 2; compatibility++)
		for (slow = 0; slow < 2; slow++) {
			struct vcpu *v = fake_long(0, false);

			without_host(slow);
			v->seg[GS].base = 0x123456789a;
			segment_set_null(&v->seg[FS], 0, 0);
			v->seg[FS].base = 0x7f0000001000;
			put_frame(v, 8, 0x9000, compatibility ? CODE3 : CODE3_64, FLAG_1 | FLAG_IF, STACK3 + 3, DATA3);
			assert_true(run(v, insn_iret, ARGS(.size = 8)));
			assert_int_equal(v->cpl, 3);
			assert_int_equal(v->gpr[RSP], STACK3 + 3);
			assert_int_equal(vcpu_64bit(v), !compatibility);
			assert_int_equal(v->seg[SS].sel, DATA3);
			assert_int_equal(v->seg[DS].sel, 0);
			assert_int_equal(v->seg[FS].base, 0x7f0000001000);
		}
}

static void iretq_to_same_level_takes_a_null_ss_below_cpl_3_only(void **state)
{
	struct vcpu *v = fake_long(0, false);

	(void)state;
	put_frame(v, 8, 0x9000, CODE0, FLAG_1, STACK3, 0);
	assert_true(run(v, insn_iret, ARGS(.size = 8)));
	assert_int_equal(v->gpr[RSP], STACK3);
	assert_int_equal(v->seg[SS].ar & AR_UNUSABLE, AR_UNUSABLE);
	put_frame(v, 8, 0x9000, CODE3_64, FLAG_1, STACK3, 3);
	assert_false(run(v, insn_iret, ARGS(.size = 8)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
	put_frame(v, 8, 0x800000000000, CODE3_64, FLAG_1, STACK3, DATA3);
	assert_false(run(v, insn_iret, ARGS(.size = 8)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
	v->rflags |= FLAG_NT;
	assert_false(run(v, insn_iret, ARGS(.size = 8)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
}

static void iret_to_a_16_bit_stack_leaves_the_upper_sp_alone(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	set_gdt(v, FREE, make_descriptor(0, 0xffff, AR_DATA16 | AR_DPL3));
	put_frame(v, 4, 0x9000, CODE3, FLAG_1, 0xaaaa1234, FREE | 3);
	assert_true(run(v, insn_iret, ARGS(.size = 4)));
	assert_int_equal(v->gpr[RSP], ((STACK0 - 0x800) & 0xffff0000) | 0x1234);
}

static void syscall_and_sysret_go_round(void **state)
{
	struct vcpu *v = fake_long(3, false);

	(void)state;
	v->star = (u64)CODE0 << 32 | 0x13ull << 48;
	v->lstar = 0xffffffff81000000;
	v->fmask = FLAG_IF | FLAG_CF;
	v->rflags |= FLAG_CF;
	assert_true(run(v, insn_syscall, ARGS(.size = 8)));
	assert_int_equal(v->rip, 0xffffffff81000000);
	assert_int_equal(v->gpr[RCX], CODE + 2);
	assert_int_equal(v->gpr[R11], FLAG_1 | FLAG_IF | FLAG_CF);
	assert_int_equal(v->rflags, FLAG_1);
	assert_int_equal(v->cpl, 0);
	assert_int_equal(v->seg[CS].sel, CODE0);
	assert_int_equal(v->seg[CS].ar, 0xa09b);
	assert_int_equal(v->seg[SS].sel, CODE0 + 8);
	assert_int_equal(v->seg[SS].ar, 0xc093);
	v->gpr[R11] |= FLAG_RF | FLAG_VM;
	assert_true(run(v, insn_sysret, ARGS(.size = 8)));
	assert_int_equal(v->rip, CODE + 2);
	assert_int_equal(v->rflags, FLAG_1 | FLAG_IF | FLAG_CF);
	assert_int_equal(v->cpl, 3);
	assert_int_equal(v->seg[CS].sel, 0x23);
	assert_int_equal(v->seg[CS].ar, 0xa0fb);
	assert_int_equal(v->seg[SS].sel, 0x1b);
	assert_int_equal(v->seg[SS].ar, 0xc0f3);
}

static void syscall_and_sysret_fault_as_on_intel(void **state)
{
	struct vcpu *v = fake_long(3, true);

	(void)state;
	assert_false(run(v, insn_syscall, ARGS(.size = 4)));
	assert_int_equal(fault_of(v), FAULT(VEC_UD, 0));
	v = fake_long(0, false);
	v->gpr[RCX] = 0x800000000000;
	assert_false(run(v, insn_sysret, ARGS(.size = 8)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
	assert_int_equal(v->cpl, 0);
	assert_true(run(v, insn_sysret, ARGS(.size = 4)));
	assert_int_equal(v->rip, 0);
	assert_int_equal(v->seg[CS].ar, 0xc0fb);
	v = fake_long(3, false);
	assert_false(run(v, insn_sysret, ARGS(.size = 8)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
	v->efer &= ~EFER_SCE;
	assert_false(run(v, insn_syscall, ARGS(.size = 8)));
	assert_int_equal(fault_of(v), FAULT(VEC_UD, 0));
}

static void make_amd(struct vcpu *v)
{
	((struct cpu_model *)v->model)->vendor = VENDOR_AMD;
}

static void syscall_and_sysret_of_amd_work_in_compatibility_mode(void **state)
{
	struct vcpu *v = fake_long(3, true);

	(void)state;
	make_amd(v);
	v->star = (u64)CODE0 << 32 | 0x13ull << 48;
	v->cstar = 0xffffffff81000000;
	v->fmask = FLAG_IF;
	assert_true(run(v, insn_syscall, ARGS(.size = 4)));
	assert_int_equal(v->rip, 0xffffffff81000000);
	assert_int_equal(v->gpr[RCX], CODE + 2);
	assert_int_equal(v->gpr[R11], FLAG_1 | FLAG_IF);
	assert_int_equal(v->rflags, FLAG_1);
	assert_int_equal(v->seg[CS].ar, 0xa09b);
	/* only SS's selector is loaded */
	v->seg[SS].base = 0x5000;
	v->seg[SS].limit = 0x1234;
	v->seg[SS].ar = 0x93;
	assert_true(run(v, insn_sysret, ARGS(.size = 4)));
	assert_int_equal(v->rip, CODE + 2);
	assert_int_equal(v->cpl, 3);
	assert_int_equal(v->seg[CS].sel, 0x13);
	assert_int_equal(v->seg[CS].ar, 0xc0fb);
	assert_int_equal(v->seg[SS].sel, 0x1b);
	assert_int_equal(v->seg[SS].base, 0x5000);
	assert_int_equal(v->seg[SS].limit, 0x1234);
	assert_int_equal(v->seg[SS].ar, 0xf3);

	/* a bad address is found at the target */
	v = fake_long(0, false);
	make_amd(v);
	v->gpr[RCX] = 0x800000000000;
	v->gpr[R11] = FLAG_1;
	assert_true(run(v, insn_sysret, ARGS(.size = 8)));
	assert_int_equal(v->rip, 0x800000000000);
	assert_int_equal(v->cpl, 3);
}

static void syscall_and_sysret_of_amd_work_in_legacy_mode(void **state)
{
	struct vcpu *v = fake_protected(3);

	(void)state;
	make_amd(v);
	v->efer = EFER_SCE;
	v->star = (u64)CODE0 << 32 | 0x13ull << 48 | 0x12345678;
	v->fmask = FLAG_CF;
	v->rflags |= FLAG_CF;
	v->gpr[R11] = 7;
	assert_true(run(v, insn_syscall, ARGS(.size = 4)));
	assert_int_equal(v->rip, 0x12345678);
	assert_int_equal(v->gpr[RCX], CODE + 2);
	assert_int_equal(v->gpr[R11], 7);
	assert_int_equal(v->rflags, FLAG_1 | FLAG_CF);
	assert_int_equal(v->cpl, 0);
	assert_int_equal(v->seg[CS].ar, 0xc09b);
	assert_true(run(v, insn_sysret, ARGS(.size = 4)));
	assert_int_equal(v->rip, CODE + 2);
	assert_int_equal(v->rflags, FLAG_1 | FLAG_CF | FLAG_IF);
	assert_int_equal(v->cpl, 3);
	v->efer = 0;
	assert_false(run(v, insn_syscall, ARGS(.size = 4)));
	assert_int_equal(fault_of(v), FAULT(VEC_UD, 0));
}

static void sysenter_of_amd_is_for_legacy_mode_only(void **state)
{
	struct vcpu *v = fake_long(3, true);

	(void)state;
	make_amd(v);
	v->sysenter_cs = CODE0;
	assert_false(run(v, insn_sysenter, ARGS(.size = 4)));
	assert_int_equal(fault_of(v), FAULT(VEC_UD, 0));
	v = fake_long(0, false);
	make_amd(v);
	v->sysenter_cs = CODE0;
	assert_false(run(v, insn_sysexit, ARGS(.size = 8)));
	assert_int_equal(fault_of(v), FAULT(VEC_UD, 0));
	v = fake_protected(3);
	make_amd(v);
	v->sysenter_cs = CODE0;
	v->sysenter_eip = 0x8000;
	assert_true(run(v, insn_sysenter, ARGS(.size = 4)));
	assert_int_equal(v->rip, 0x8000);
}

static void sysenter_and_sysexit_go_round(void **state)
{
	struct vcpu *v = fake_protected(3);

	(void)state;
	assert_false(run(v, insn_sysenter, ARGS(.size = 4)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
	v->sysenter_cs = CODE0 | 3;
	v->sysenter_esp = 0x1ffffff00;
	v->sysenter_eip = 0x9000;
	assert_true(run(v, insn_sysenter, ARGS(.size = 4)));
	assert_int_equal(v->gpr[RSP], 0xffffff00);
	assert_int_equal(v->rip, 0x9000);
	assert_int_equal(v->cpl, 0);
	assert_int_equal(v->seg[CS].sel, CODE0);
	assert_int_equal(v->seg[CS].ar, 0xc09b);
	assert_int_equal(v->rflags & FLAG_IF, 0);
	v->gpr[RCX] = STACK3;
	v->gpr[RDX] = CODE;
	assert_true(run(v, insn_sysexit, ARGS(.size = 4)));
	assert_int_equal(v->cpl, 3);
	assert_int_equal(v->seg[CS].sel, CODE3);
	assert_int_equal(v->seg[SS].sel, DATA3);
	assert_int_equal(v->gpr[RSP], STACK3);
	assert_false(run(v, insn_sysexit, ARGS(.size = 4)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_mode_far_transfers_go_round),
		cmocka_unit_test(direct_jumps_are_refused_as_the_sdm_says),
		cmocka_unit_test(far_call_through_memory_pushes_and_returns),
		cmocka_unit_test(call_gate_switches_stack_and_copies_parameters),
		cmocka_unit_test(call_gates_are_refused_as_the_sdm_says),
		cmocka_unit_test(long_mode_call_gate_is_16_bytes_and_pushes_quadwords),
		cmocka_unit_test(iret_restores_flags_by_cpl_and_iopl),
		cmocka_unit_test(iret_to_outer_privilege_loads_ss_sp_and_drops_segments),
		cmocka_unit_test(bad_iret_frames_raise_and_change_nothing),
		cmocka_unit_test(iret_enters_and_leaves_v8086),
		cmocka_unit_test(iret_in_v8086_below_iopl_3_needs_vme),
		cmocka_unit_test(iretq_returns_to_64_bit_and_compatibility_code),
		cmocka_unit_test(iretq_to_same_level_takes_a_null_ss_below_cpl_3_only),
		cmocka_unit_test(iret_to_a_16_bit_stack_leaves_the_upper_sp_alone),
		cmocka_unit_test(syscall_and_sysret_go_round),
		cmocka_unit_test(syscall_and_sysret_fault_as_on_intel),
		cmocka_unit_test(syscall_and_sysret_of_amd_work_in_compatibility_mode),
		cmocka_unit_test(syscall_and_sysret_of_amd_work_in_legacy_mode),
		cmocka_unit_test(sysenter_of_amd_is_for_legacy_mode_only),
		cmocka_unit_test(sysenter_and_sysexit_go_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
