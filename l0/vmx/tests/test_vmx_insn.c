/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How VMX instructions fail: SDM vol. 3, "VMX Instruction Reference", "VM Instruction Error Numbers". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lab.h"

static struct lab l;

static int setup(void **state)
{
	(void)state;
	lab_init(&l, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_destroy(&l);
	return 0;
}

static void another(const char *spec)
{
	lab_destroy(&l);
	lab_init(&l, spec);
}

/* Every VMX instruction with [rbx] or registers as operands. In root operation only the first 11 exist. */
static const struct {
	const char *name;
	u8 code[6], size;
} INSNS[] = {
	{ "vmclear", { 0x66, 0x0f, 0xc7, 0x33 }, 4 },
	{ "vmptrld", { 0x0f, 0xc7, 0x33 }, 3 },
	{ "vmptrst", { 0x0f, 0xc7, 0x3b }, 3 },
	{ "vmread", { 0x0f, 0x78, 0xc1 }, 3 },
	{ "vmwrite", { 0x0f, 0x79, 0xc1 }, 3 },
	{ "vmlaunch", { 0x0f, 0x01, 0xc2 }, 3 },
	{ "vmresume", { 0x0f, 0x01, 0xc3 }, 3 },
	{ "vmxoff", { 0x0f, 0x01, 0xc4 }, 3 },
	{ "vmcall", { 0x0f, 0x01, 0xc1 }, 3 },
	{ "invept", { 0x66, 0x0f, 0x38, 0x80, 0x03 }, 5 },
	{ "invvpid", { 0x66, 0x0f, 0x38, 0x81, 0x03 }, 5 },
	{ "vmfunc", { 0x0f, 0x01, 0xd4 }, 3 },
	{ "vmxon", { 0xf3, 0x0f, 0xc7, 0x33 }, 4 },
};
enum { ROOT_INSNS = 11, ALL_INSNS = sizeof(INSNS) / sizeof(INSNS[0]) };

static void expect(unsigned int i, int vector)
{
	int got;

	l.v->gpr[RBX] = LAB_OPERAND;
	l.v->gpr[RAX] = 0;
	got = lab_run(&l, INSNS[i].code, INSNS[i].size);
	if (got != vector)
		fail_msg("%s: %d instead of %d", INSNS[i].name, got, vector);
	l.v->gpr[RSP] = LAB_STACK;
}

static void outside_vmx_operation_they_are_undefined(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ALL_INSNS - 1; i++)
		expect(i, VEC_UD);
	/* VMXON alone is there, if CR4 says so */
	l.v->cr4 &= ~CR4_VMXE;
	expect(ALL_INSNS - 1, VEC_UD);
}

static void without_vmx_they_are_undefined(void **state)
{
	(void)state;
	another("Skylake-Server");
	l.v->cr4 &= ~CR4_VMXE;
	for (unsigned int i = 0; i < ALL_INSNS; i++)
		expect(i, VEC_UD);
}

static void in_compatibility_mode_they_are_undefined(void **state)
{
	(void)state;
	lab_vmcs(&l);
	for (unsigned int i = 0; i < ALL_INSNS; i++) {
		l.v->seg[CS].ar = 0xc09b;
		l.v->seg[CS].sel = LAB_CS32;
		expect(i, VEC_UD);
	}
}

static void user(void)
{
	l.v->seg[CS] = (struct segment){ .limit = ~0u, .ar = 0xa0fb, .sel = LAB_CS3 };
	l.v->seg[SS] = l.v->seg[DS] = (struct segment){ .limit = ~0u, .ar = 0xc0f3, .sel = LAB_DS3 };
	l.v->cpl = 3;
}

static void with_less_privilege_they_are_protected(void **state)
{
	(void)state;
	user();
	expect(ALL_INSNS - 1, VEC_GP); /* VMXON outside VMX operation */
	for (unsigned int i = 0; i < ALL_INSNS; i++) {
		bool undefined = !strcmp(INSNS[i].name, "vmfunc");

		if (i == 0) {
			l.v->seg[CS] = (struct segment){ .limit = ~0u, .ar = 0xa09b, .sel = LAB_CS };
			l.v->seg[SS] = (struct segment){ .limit = ~0u, .ar = 0xc093, .sel = LAB_DS };
			l.v->cpl = 0;
			lab_vmcs(&l);
		}
		user();
		expect(i, undefined ? VEC_UD : VEC_GP);
		/* the instruction's own fault, not one of the HLT behind it */
		assert_int_equal(lab_read(&l, LAB_STACK - (undefined ? 40 : 40)), LAB_CODE);
	}
}

static void vmxon_wants_a_region_with_its_revision(void **state)
{
	static const u64 BAD[] = { LAB_VMXON + 8, LAB_VMXON + 0x800, 1ull << 46, 1ull << 63,
				   LAB_NOWHERE,	  LAB_L2_DATA,	     0xfee00000 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
		assert_int_equal(lab_vmxon(&l, BAD[i]), LAB_INVALID);
	lab_write(&l, LAB_VMXON, VMCS_REVISION | VMCS_SHADOW_BIT);
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), LAB_INVALID);
	lab_write(&l, LAB_VMXON, VMCS_REVISION);
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	/* a second time: there is no current VMCS to hold the number, then there is */
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), LAB_INVALID);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS), 0);
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 15);
}

static void vmxon_wants_the_bits_of_cr0_that_vmx_fixes(void **state)
{
	(void)state;
	l.v->cr0 &= ~CR0_NE;
	expect(ALL_INSNS - 1, VEC_GP);
	l.v->cr0 |= CR0_NE;
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	/* and then they can't be changed: MOV to CR0, CR4 from RAX */
	l.v->gpr[RAX] = l.v->cr0 & ~CR0_NE;
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x22, 0xc0), VEC_GP);
	l.v->gpr[RAX] = l.v->cr4 & ~CR4_VMXE;
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x22, 0xe0), VEC_GP);
}

static void vmclear_refuses_what_is_no_region(void **state)
{
	(void)state;
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	assert_int_equal(lab_vmclear(&l, LAB_VMCS + 1), LAB_INVALID);
	assert_int_equal(lab_vmclear(&l, LAB_VMXON), LAB_INVALID);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS), 0);
	assert_int_equal(lab_vmclear(&l, LAB_VMCS + 1), 2);
	assert_int_equal(lab_vmclear(&l, 1ull << 46), 2);
	assert_int_equal(lab_vmclear(&l, LAB_VMXON), 3);
}

static void vmclear_makes_a_vmcs_clear_and_not_current(void **state)
{
	u64 value;

	(void)state;
	lab_vmcs(&l);
	assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->launched, VMCS_LAUNCHED);
	assert_int_equal(lab_vmclear(&l, LAB_VMCS2), 0);
	assert_int_equal(lab_vmread(&l, VMCS_guest_rip, &value), 0);
	assert_int_equal(value, LAB_L2_CODE);
	assert_int_equal(lab_vmclear(&l, LAB_VMCS), 0);
	assert_int_equal(l.v12->launched, VMCS_CLEAR);
	assert_int_equal(lab_vmread(&l, VMCS_guest_rip, &value), LAB_INVALID);
}

static void vmptrld_refuses_what_is_no_vmcs(void **state)
{
	(void)state;
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS + 0x10), LAB_INVALID);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS), 0);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS + 0x10), 9);
	assert_int_equal(lab_vmptrld(&l, ~0ull << 12), 9);
	assert_int_equal(lab_vmptrld(&l, LAB_VMXON), 10);
	assert_int_equal(lab_vmptrld(&l, LAB_L2_DATA), 11);
	/* and the one that was current still is */
	lab_write(&l, LAB_OPERAND, 0);
	l.v->gpr[RBX] = LAB_OPERAND;
	assert_int_equal(LAB_RUN(&l, 0x0f, 0xc7, 0x3b), LAB_DONE); /* VMPTRST */
	assert_int_equal(lab_read(&l, LAB_OPERAND), LAB_VMCS);
}

static void a_shadow_vmcs_needs_vmcs_shadowing(void **state)
{
	(void)state;
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	lab_write(&l, LAB_VMCS2, VMCS_REVISION | VMCS_SHADOW_BIT);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS2), 0);
	/* but it can't be entered: VMfailInvalid */
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, 0xc2), LAB_DONE);
	assert_int_equal(lab_outcome(&l), LAB_INVALID);
	another("Skylake-Server,+vmx,-vmx-shadow-vmcs");
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS), 0);
	lab_write(&l, LAB_VMCS2, VMCS_REVISION | VMCS_SHADOW_BIT);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS2), 11);
}

static void vmptrst_stores_all_ones_if_there_is_none(void **state)
{
	(void)state;
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	l.v->gpr[RBX] = LAB_OPERAND;
	assert_int_equal(LAB_RUN(&l, 0x0f, 0xc7, 0x3b), LAB_DONE);
	assert_int_equal(lab_outcome(&l), 0);
	assert_int_equal(lab_read(&l, LAB_OPERAND), ~0ull);
}

static void fields_that_are_not_there_can_not_be_reached(void **state)
{
	static const u64 BAD[] = { 0x681e | 1, 0x681e | 1ull << 32, 0x7ffe, 0x1000,
				   0xffffffff, 0x6822 | 1ull << 63, 0x8000 };
	u64 value;

	(void)state;
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	assert_int_equal(lab_vmread(&l, VMCS_guest_rip, &value), LAB_INVALID);
	assert_int_equal(lab_vmwrite(&l, VMCS_guest_rip, 0), LAB_INVALID);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS), 0);
	for (unsigned int i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		assert_int_equal(lab_vmread(&l, BAD[i], &value), 12);
		assert_int_equal(lab_vmwrite(&l, BAD[i], 0), 12);
	}
	/* a field without its feature is none */
	assert_int_equal(lab_vmread(&l, VMCS_tsc_multiplier, &value), 0);
	another("Skylake-Server,+vmx,-vmx-tsc-scaling");
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS), 0);
	assert_int_equal(lab_vmread(&l, VMCS_tsc_multiplier, &value), 12);
}

static void every_field_keeps_what_is_written(void **state)
{
	(void)state;
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS), 0);
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		const struct vmcs_field *f = &vmcs_fields[i];
		u64 ones = f->bytes == 8 ? ~0ull : BIT(8 * f->bytes) - 1, value;
		int outcome = vmx_caps_has_field(&l.v->vmx->caps, f) ? 0 : 12;

		assert_int_equal(lab_vmwrite(&l, f->encoding, 0x123456789abcdef0), outcome);
		assert_int_equal(lab_vmread(&l, f->encoding, &value), outcome);
		if (outcome)
			continue;
		assert_int_equal(value, 0x123456789abcdef0 & ones);
		if (VMCS_WIDTH(f->encoding) != VMCS_64)
			continue;
		assert_int_equal(lab_vmwrite(&l, VMCS_HIGH(f->encoding), 0xfedcba9876543210), 0);
		assert_int_equal(lab_vmread(&l, VMCS_HIGH(f->encoding), &value), 0);
		assert_int_equal(value, 0x76543210);
		assert_int_equal(lab_vmread(&l, f->encoding, &value), 0);
		assert_int_equal(value, 0x765432109abcdef0);
	}
}

static void exit_information_can_be_read_only(void **state)
{
	u64 value;

	(void)state;
	another("Skylake-Server,+vmx,-vmx-vmwrite-vmexit-fields");
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS), 0);
	assert_int_equal(lab_vmwrite(&l, VMCS_vm_exit_reason, 1), 13);
	assert_int_equal(lab_vmread(&l, VMCS_vm_instruction_error, &value), 0);
	assert_int_equal(value, 13);
}

static void a_fault_of_the_operand_changes_nothing(void **state)
{
	static const u8 MEMORY[][6] = { { 0x0f, 0xc7, 0x33 },
					{ 0x66, 0x0f, 0xc7, 0x33 },
					{ 0x0f, 0xc7, 0x3b },
					{ 0x66, 0x0f, 0x38, 0x80, 0x03 },
					{ 0x66, 0x0f, 0x38, 0x81, 0x03 },
					{ 0x0f, 0x78, 0x03 },
					{ 0x0f, 0x79, 0x03 } };
	static const u8 SIZES[] = { 3, 4, 3, 5, 5, 3, 3 };

	(void)state;
	lab_vmcs(&l);
	for (unsigned int i = 0; i < 7; i++) {
		l.v->gpr[RAX] = i == 5 || i == 6 ? VMCS_guest_rip : 1;
		l.v->gpr[RBX] = 1ull << 40; /* not mapped */
		l.v->gpr[RSP] = LAB_STACK;
		assert_int_equal(lab_run(&l, MEMORY[i], SIZES[i]), VEC_PF);
		assert_int_equal(l.v->cr2, 1ull << 40);
		l.v->gpr[RBX] = 1ull << 63; /* not canonical */
		l.v->gpr[RSP] = LAB_STACK;
		assert_int_equal(lab_run(&l, MEMORY[i], SIZES[i]), VEC_GP);
	}
	assert_int_equal(l.v->vmx->current, LAB_VMCS);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
}

static void entries_fail_before_they_begin(void **state)
{
	(void)state;
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	for (u8 op = 0xc2; op <= 0xc3; op++) {
		assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, op), LAB_DONE);
		assert_int_equal(lab_outcome(&l), LAB_INVALID); /* no VMCS is current */
	}
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, 0xc4), LAB_DONE); /* VMXOFF */
	lab_vmcs(&l);
	assert_int_equal(lab_resume(&l), LAB_FAILED + 5);
	assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, 0xc2), LAB_DONE);
	assert_int_equal(lab_outcome(&l), 4);
	/* MOV SS, then VMRESUME */
	l.v->gpr[RAX] = LAB_DS;
	assert_int_equal(LAB_RUN(&l, 0x8e, 0xd0, 0x0f, 0x01, 0xc3), LAB_DONE);
	assert_int_equal(lab_outcome(&l), 26);
	assert_int_equal(l.v12->launched, VMCS_LAUNCHED);
}

static void a_failed_entry_leaves_the_launch_state_alone(void **state)
{
	(void)state;
	lab_vmcs(&l);
	l.v12->pin_based_vm_exec_control = 0;
	assert_int_equal(LAB_L2(&l, 0xf4), LAB_FAILED + 7);
	l.v12->pin_based_vm_exec_control = (u32)(0x16 | CTL_preemption_timer);
	l.v12->host_cr0 = 0;
	assert_int_equal(LAB_L2(&l, 0xf4), LAB_FAILED + 8);
	l.v12->host_cr0 = l.v->cr0;
	l.v12->guest_rflags = 0;
	l.v12->vm_exit_intr_info = 0x12345678;
	l.v12->vm_entry_intr_info_field = 0x80000306;
	assert_int_equal(LAB_L2(&l, 0xf4), EXIT_REASON_INVALID_STATE | VM_EXIT_FAILED_ENTRY);
	assert_int_equal(l.v12->exit_qualification, 0);
	assert_int_equal(l.v12->launched, VMCS_CLEAR);
	/* only reason and qualification are written; the event stays valid */
	assert_int_equal(l.v12->vm_exit_intr_info, 0x12345678);
	assert_int_equal(l.v12->vm_entry_intr_info_field, 0x80000306);
}

static void vmcall_in_root_operation_and_vmfunc(void **state)
{
	(void)state;
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, 0xc1), LAB_DONE);
	assert_int_equal(lab_outcome(&l), LAB_INVALID);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS), 0);
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, 0xc1), LAB_DONE);
	assert_int_equal(lab_outcome(&l), 1);
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, 0xd4), VEC_UD);
}

static void invept_knows_two_types_and_valid_eptps(void **state)
{
	const u64 eptp = LAB_EPT | 3 << 3 | 6;

	(void)state;
	lab_vmcs(&l);
	assert_int_equal(lab_invept(&l, 0, eptp), 28);
	assert_int_equal(lab_invept(&l, 1, eptp), 0);
	assert_int_equal(lab_invept(&l, 2, eptp), 0);
	assert_int_equal(lab_invept(&l, 3, eptp), 28);
	assert_int_equal(lab_invept(&l, 1ull << 32 | 1, eptp), 28);
	/* single-context: an EPTP with which an entry would fail; all-context: it isn't looked at */
	assert_int_equal(lab_invept(&l, 1, LAB_EPT), 28);
	assert_int_equal(lab_invept(&l, 1, eptp | 1ull << 50), 28);
	assert_int_equal(lab_invept(&l, 2, ~0ull), 0);
	another("Skylake-Server,+vmx,-vmx-invept-single-context");
	lab_vmcs(&l);
	assert_int_equal(lab_invept(&l, 1, eptp), 28);
	assert_int_equal(lab_invept(&l, 2, eptp), 0);
}

static void invvpid_knows_four_types(void **state)
{
	(void)state;
	lab_vmcs(&l);
	for (u64 type = 0; type < 4; type++) {
		assert_int_equal(lab_invvpid(&l, type, 1, 0x1000), 0);
		assert_int_equal(lab_invvpid(&l, type, 0, 0x1000), type == 2 ? 0 : 28);
		assert_int_equal(lab_invvpid(&l, type, 1, 1ull << 47), type == 0 ? 28 : 0);
		assert_int_equal(lab_invvpid(&l, type, 0x10001, 0x1000), 28);
	}
	assert_int_equal(lab_invvpid(&l, 4, 1, 0x1000), 28);
	assert_int_equal(lab_invvpid(&l, 1ull << 40, 1, 0x1000), 28);
	another("Skylake-Server,+vmx,-vmx-invvpid-single-addr,-vmx-invvpid-single-context-noglobals");
	lab_vmcs(&l);
	assert_int_equal(lab_invvpid(&l, 0, 1, 0x1000), 28);
	assert_int_equal(lab_invvpid(&l, 1, 1, 0x1000), 0);
	assert_int_equal(lab_invvpid(&l, 2, 1, 0x1000), 0);
	assert_int_equal(lab_invvpid(&l, 3, 1, 0x1000), 28);
}

static void vmxoff_forgets_the_current_vmcs(void **state)
{
	u64 value;

	(void)state;
	lab_vmcs(&l);
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, 0xc4), LAB_DONE);
	assert_int_equal(lab_outcome(&l), 0);
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, 0xc4), VEC_UD);
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	assert_int_equal(lab_vmread(&l, VMCS_guest_rip, &value), LAB_INVALID);
}

static void success_and_failure_set_all_six_flags(void **state)
{
	(void)state;
	l.v->rflags |= FLAG_ARITH;
	assert_int_equal(lab_vmxon(&l, LAB_VMXON), 0);
	assert_int_equal(l.v->rflags & FLAG_ARITH, 0);
	l.v->rflags |= FLAG_ARITH;
	assert_int_equal(lab_vmptrld(&l, 1), LAB_INVALID);
	assert_int_equal(l.v->rflags & FLAG_ARITH, FLAG_CF);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS), 0);
	l.v->rflags |= FLAG_ARITH;
	assert_int_equal(lab_vmptrld(&l, 1), 9);
	assert_int_equal(l.v->rflags & FLAG_ARITH, FLAG_ZF);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(outside_vmx_operation_they_are_undefined),
		T(without_vmx_they_are_undefined),
		T(in_compatibility_mode_they_are_undefined),
		T(with_less_privilege_they_are_protected),
		T(vmxon_wants_a_region_with_its_revision),
		T(vmxon_wants_the_bits_of_cr0_that_vmx_fixes),
		T(vmclear_refuses_what_is_no_region),
		T(vmclear_makes_a_vmcs_clear_and_not_current),
		T(vmptrld_refuses_what_is_no_vmcs),
		T(a_shadow_vmcs_needs_vmcs_shadowing),
		T(vmptrst_stores_all_ones_if_there_is_none),
		T(fields_that_are_not_there_can_not_be_reached),
		T(every_field_keeps_what_is_written),
		T(exit_information_can_be_read_only),
		T(a_fault_of_the_operand_changes_nothing),
		T(entries_fail_before_they_begin),
		T(a_failed_entry_leaves_the_launch_state_alone),
		T(vmcall_in_root_operation_and_vmfunc),
		T(invept_knows_two_types_and_valid_eptps),
		T(invvpid_knows_four_types),
		T(vmxoff_forgets_the_current_vmcs),
		T(success_and_failure_set_all_six_flags),
	};

	return LAB_GROUP("VMX instructions", tests);
}
