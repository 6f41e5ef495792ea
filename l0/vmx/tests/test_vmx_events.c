/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events on their way into L2 and out of it: SDM vol. 3, "Event Injection", "Information for VM Exits That Occur During Event
 * Delivery", "Other Causes of VM Exits", "VMX-Preemption Timer", "Monitor Trap Flag", "Loading MSRs", "Saving MSRs".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lab.h"

#define UNMAPPED (1ull << 40)
#define ICR 0xfee00300ull
#define ICR_NMI 0x00004400u /* to APIC ID 0 */
#define ICR_SELF_31 0x00044031u /* vector 0x31 to itself */

static struct lab l;

static int setup(void **state)
{
	(void)state;
	lab_init(&l, NULL);
	lab_vmcs(&l);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_destroy(&l);
	return 0;
}

static void again(void)
{
	l.v12->guest_rip = LAB_L2_CODE;
	l.v12->guest_rsp = LAB_L2_STACK;
	l.v12->guest_rflags = FLAG_1;
	l.v12->guest_interruptibility_info = 0;
	l.v12->guest_activity_state = 0;
}

static u64 pushed(unsigned int n)
{
	return lab_read(&l, l.v12->guest_rsp + 8 * n);
}

static void every_event_is_delivered_through_the_idt(void **state)
{
	static const struct {
		u32 word, length;
		u8 vector, pushes_error, behind; /* behind: how far RIP on the stack is from guest RIP */
	} ROWS[] = {
		{ 0x80000030, 0, 0x30, 0, 0 }, /* external interrupt */
		{ 0x80000202, 0, 2, 0, 0 }, /* NMI */
		{ 0x80000306, 0, 6, 0, 0 }, /* exceptions */
		{ 0x80000b0d, 0, 13, 1, 0 },   { 0x80000b0e, 0, 14, 1, 0 },
		{ 0x80000301, 0, 1, 0, 0 },    { 0x80000480, 2, 0x80, 0, 2 }, /* INT n */
		{ 0x80000480, 5, 0x80, 0, 5 }, { 0x80000501, 1, 1, 0, 1 }, /* INT1 */
		{ 0x80000603, 1, 3, 0, 1 }, /* INT3 */
		{ 0x80000604, 1, 4, 0, 1 }, /* INTO */
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		again();
		l.v12->guest_rflags = FLAG_1 | FLAG_IF;
		l.v12->vm_entry_intr_info_field = ROWS[i].word;
		l.v12->vm_entry_exception_error_code = 0x1238;
		l.v12->vm_entry_instruction_len = ROWS[i].length;
		l.v12->exception_bitmap = ~0u; /* isn't asked */
		l.v->cr2 = 0x4321;
		l.v->dr[6] = DR6_FIXED;
		assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_VMCALL);
		assert_int_equal(l.v12->guest_rip, LAB_L2_HANDLERS + 16 * ROWS[i].vector);
		assert_int_equal(l.v12->guest_rsp, LAB_L2_STACK - 40 - 8 * ROWS[i].pushes_error);
		if (ROWS[i].pushes_error)
			assert_int_equal(pushed(0), 0x1238);
		assert_int_equal(pushed(ROWS[i].pushes_error), LAB_L2_CODE + ROWS[i].behind);
		assert_int_equal(pushed(ROWS[i].pushes_error + 2), FLAG_1 | FLAG_IF);
		assert_int_equal(l.v12->guest_rflags & FLAG_IF, 0);
		/* it was one event, which the exit marks as done, and is the same as no other */
		assert_int_equal(l.v12->vm_entry_intr_info_field, ROWS[i].word & ~(u32)INTR_VALID);
		assert_int_equal(l.v12->idt_vectoring_info_field & (u32)INTR_VALID, 0);
		assert_int_equal(l.v->cr2, 0x4321);
		assert_int_equal(l.v->dr[6], DR6_FIXED);
		/* an NMI blocks others until IRET */
		assert_int_equal(l.v12->guest_interruptibility_info, ROWS[i].vector == 2 ? BLOCKING_BY_NMI : 0);
		l.v->nmi_blocked = false;
	}
}

static void an_event_wakes_l2_from_hlt(void **state)
{
	(void)state;
	again();
	l.v12->guest_activity_state = 1;
	l.v12->guest_rflags = FLAG_1 | FLAG_IF;
	l.v12->vm_entry_intr_info_field = 0x80000030;
	assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->guest_activity_state, 0);
	/* without one it stays there, until the timer */
	again();
	l.v12->guest_activity_state = 1;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xc1), EXIT_REASON_PREEMPTION_TIMER);
	assert_int_equal(l.v12->guest_activity_state, 1);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
}

static void a_fault_in_delivery_tells_what_was_delivered(void **state)
{
	(void)state;
	l.v12->guest_idtr_base = UNMAPPED;
	l.v12->exception_bitmap = BIT(VEC_PF);
	/* injected */
	again();
	l.v12->vm_entry_intr_info_field = 0x80000b0d;
	l.v12->vm_entry_exception_error_code = 0x10;
	assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->vm_exit_intr_info, 0x80000b0e);
	assert_int_equal(l.v12->exit_qualification, UNMAPPED + 13 * 16);
	assert_int_equal(l.v12->idt_vectoring_info_field, 0x80000b0d);
	assert_int_equal(l.v12->idt_vectoring_error_code, 0x10);
	/* INT 0x21 of L2's own */
	again();
	assert_int_equal(LAB_L2(&l, 0xcd, 0x21), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->vm_exit_intr_info, 0x80000b0e);
	assert_int_equal(l.v12->idt_vectoring_info_field, 0x80000421);
	assert_int_equal(l.v12->vm_exit_instruction_len, 2);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	/* INT3, INT1 */
	again();
	assert_int_equal(LAB_L2(&l, 0xcc), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->idt_vectoring_info_field, 0x80000603);
	assert_int_equal(l.v12->vm_exit_instruction_len, 1);
	again();
	assert_int_equal(LAB_L2(&l, 0xf1), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->idt_vectoring_info_field, 0x80000501);
	/* an exception that the bitmap doesn't want: what it makes of the fault is a double fault, which isn't wanted either */
	l.v12->exception_bitmap = 0;
	again();
	assert_int_equal(LAB_L2(&l, 0x0f, 0x0b), EXIT_REASON_TRIPLE_FAULT);
	/* and a double fault, if that is */
	l.v12->exception_bitmap = BIT(VEC_DF);
	again();
	l.v->gpr[RAX] = UNMAPPED;
	assert_int_equal(LAB_L2(&l, 0x8b, 0x00), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->vm_exit_intr_info, 0x80000b08);
	assert_int_equal(l.v12->vm_exit_intr_error_code, 0);
}

static void an_ept_violation_in_delivery_does_so_too(void **state)
{
	(void)state;
	l.v12->secondary_vm_exec_control |= (u32)CTL_ept;
	lab_write(&l, LAB_EPT + 0x2000 + 8 * (0x800000 >> 21), 0);
	l.v12->guest_idtr_base = 0x800000;
	again();
	assert_int_equal(LAB_L2(&l, 0xcd, 0x21), EXIT_REASON_EPT_VIOLATION);
	assert_int_equal(l.v12->guest_physical_address, 0x800000 + 0x21 * 16);
	assert_int_equal(l.v12->guest_linear_address, 0x800000 + 0x21 * 16);
	assert_int_equal(l.v12->exit_qualification & 0x1ff, 0x181); /* a read, of a linear address, its translation */
	assert_int_equal(l.v12->idt_vectoring_info_field, 0x80000421);
	assert_int_equal(l.v12->vm_exit_instruction_len, 2);
}

static void the_interrupt_window_opens_with_if_and_behind_sti(void **state)
{
	(void)state;
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_interrupt_window_exiting;
	again();
	l.v12->guest_rflags = FLAG_1 | FLAG_IF;
	assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_INTERRUPT_WINDOW);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	/* blocking by STI and by MOV SS: one instruction later */
	for (u32 blocked = BLOCKING_BY_STI; blocked <= BLOCKING_BY_MOV_SS; blocked++) {
		again();
		l.v12->guest_rflags = FLAG_1 | FLAG_IF;
		l.v12->guest_interruptibility_info = blocked;
		assert_int_equal(LAB_L2(&l, 0x90, 0x90), EXIT_REASON_INTERRUPT_WINDOW);
		assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 1);
		assert_int_equal(l.v12->guest_interruptibility_info, 0);
	}
	/* nop; sti; nop; nop */
	again();
	assert_int_equal(LAB_L2(&l, 0x90, 0xfb, 0x90, 0x90), EXIT_REASON_INTERRUPT_WINDOW);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 3);
	/* from HLT, too */
	again();
	l.v12->guest_rflags = FLAG_1 | FLAG_IF;
	l.v12->guest_activity_state = 1;
	assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_INTERRUPT_WINDOW);
}

/* An IRET frame on L2's stack, to RIP `to` */
static void iret_frame(u64 to)
{
	const u64 FRAME[] = { to, LAB_CS, FLAG_1, LAB_L2_STACK, LAB_DS };

	l.v12->guest_rsp = LAB_L2_STACK - sizeof(FRAME);
	for (unsigned int i = 0; i < 5; i++)
		lab_write(&l, LAB_L2_STACK - sizeof(FRAME) + 8 * i, FRAME[i]);
}

static void the_nmi_window_opens_with_iret(void **state)
{
	(void)state;
	l.v12->pin_based_vm_exec_control |= (u32)(CTL_nmi_exiting | CTL_virtual_nmis);
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_nmi_window_exiting;
	again();
	assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_NMI_WINDOW);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	again();
	l.v12->guest_interruptibility_info = BLOCKING_BY_NMI;
	iret_frame(LAB_L2_CODE + 0x80);
	assert_int_equal(LAB_L2(&l, 0x90, 0x48, 0xcf), EXIT_REASON_NMI_WINDOW);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 0x80);
	assert_int_equal(l.v12->guest_interruptibility_info, 0);
	/* L1's own blocking is another */
	assert_false(l.v->nmi_blocked);
	again();
	l.v12->guest_interruptibility_info = BLOCKING_BY_NMI;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->guest_interruptibility_info, BLOCKING_BY_NMI);
	assert_false(l.v->nmi_blocked);
}

/* mov %ecx, (%rbx): L2 has the local APIC in its pages */
#define WRITE_ICR 0x89, 0x0b
#define NEXT_BLOCK 0xeb, 0x00 /* jmp: interrupts are seen between blocks */

static void icr(u32 command)
{
	l.v->gpr[RBX] = ICR;
	l.v->gpr[RCX] = command;
}

static void enable_apic(void)
{
	l.v->gpr[RBX] = 0xfee000f0;
	l.v->gpr[RCX] = 0x1ff;
	assert_int_equal(LAB_RUN(&l, WRITE_ICR), LAB_DONE);
}

static void an_nmi_exits_or_is_l2s(void **state)
{
	(void)state;
	enable_apic();
	again();
	icr(ICR_NMI);
	assert_int_equal(LAB_L2(&l, WRITE_ICR, NEXT_BLOCK, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->guest_rip, LAB_L2_HANDLERS + 16 * VEC_NMI);
	assert_int_equal(l.v12->guest_interruptibility_info, BLOCKING_BY_NMI);
	l.v->nmi_blocked = false;
	l.v12->pin_based_vm_exec_control |= (u32)CTL_nmi_exiting;
	again();
	icr(ICR_NMI);
	assert_int_equal(LAB_L2(&l, WRITE_ICR, NEXT_BLOCK, 0x0f, 0x01, 0xc1), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->vm_exit_intr_info, 0x80000202);
	assert_int_equal(l.v12->guest_interruptibility_info, 0);
	/* the exit is its delivery: no other until L1's IRET */
	assert_true(l.v->nmi_blocked);
}

static void an_external_interrupt_exits_or_is_l2s(void **state)
{
	(void)state;
	enable_apic();
	/* not asked for: as without VMX */
	again();
	l.v12->guest_rflags = FLAG_1 | FLAG_IF;
	icr(ICR_SELF_31);
	assert_int_equal(LAB_L2(&l, WRITE_ICR, NEXT_BLOCK, 0xf4), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->guest_rip, LAB_L2_HANDLERS + 16 * 0x31);
	l.v->gpr[RBX] = 0xfee000b0; /* EOI */
	assert_int_equal(LAB_RUN(&l, WRITE_ICR), LAB_DONE);
	/* asked for: whatever IF says, and it stays pending */
	l.v12->pin_based_vm_exec_control |= (u32)CTL_external_interrupt_exiting;
	again();
	icr(ICR_SELF_31);
	assert_int_equal(LAB_L2(&l, WRITE_ICR, NEXT_BLOCK, 0xf4), EXIT_REASON_EXTERNAL_INTERRUPT);
	assert_int_equal(l.v12->vm_exit_intr_info & (u32)INTR_VALID, 0);
	/* still there for the next entry, which with "acknowledge" takes it */
	l.v12->vm_exit_controls |= (u32)CTL_ack_interrupt_on_exit;
	again();
	assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_EXTERNAL_INTERRUPT);
	assert_int_equal(l.v12->vm_exit_intr_info, 0x80000031);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	again();
	assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
}

static void the_preemption_timer_counts_and_is_saved_if_asked(void **state)
{
	(void)state;
	again();
	l.v12->vmx_preemption_timer_value = 0;
	assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_PREEMPTION_TIMER);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	/* jmp . */
	again();
	l.v12->vmx_preemption_timer_value = 100;
	assert_int_equal(LAB_L2(&l, 0xeb, 0xfe), EXIT_REASON_PREEMPTION_TIMER);
	assert_int_equal(l.v12->vmx_preemption_timer_value, 100);
	l.v12->vm_exit_controls |= (u32)CTL_save_preemption_timer;
	again();
	assert_int_equal(LAB_L2(&l, 0xeb, 0xfe), EXIT_REASON_PREEMPTION_TIMER);
	assert_int_equal(l.v12->vmx_preemption_timer_value, 0);
	/* a loop of some 4000 instructions, then VMCALL: some of it is left, and less than there was */
	again();
	l.v12->vmx_preemption_timer_value = 100000;
	l.v->gpr[RCX] = 2000;
	assert_int_equal(LAB_L2(&l, 0xff, 0xc9, 0x75, 0xfc, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
	assert_in_range(l.v12->vmx_preemption_timer_value, 1, 99999);
	/* without the control there is none */
	l.v12->pin_based_vm_exec_control &= (u32)~CTL_preemption_timer;
	l.v12->vm_exit_controls &= (u32)~CTL_save_preemption_timer;
	l.v12->vmx_preemption_timer_value = 0;
	again();
	assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
}

/* A handler whose first instruction faults: no instruction of L2 ever ends. */
static void the_preemption_timer_ends_faults_without_end(void **state)
{
	(void)state;
	lab_write(&l, LAB_L2_IDT + 16 * VEC_UD,
		  LAB_CS << 16 | (LAB_L2_CODE & 0xffff) | (LAB_L2_CODE >> 16) << 48 | 0x8e0000000000);
	again();
	/* each fault pushes 40 bytes: give the stack room in the pages that are mapped */
	l.v12->guest_rsp = 0xf00000;
	l.v12->vmx_preemption_timer_value = 100;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x0b), EXIT_REASON_PREEMPTION_TIMER);
}

static void the_monitor_trap_comes_after_one_instruction(void **state)
{
	(void)state;
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_monitor_trap_flag;
	again();
	assert_int_equal(LAB_L2(&l, 0x90, 0x90), EXIT_REASON_MONITOR_TRAP_FLAG);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 1);
	/* in a chain of jumps */
	again();
	assert_int_equal(LAB_L2(&l, 0xeb, 0x02, 0x90, 0x90, 0xeb, 0x02), EXIT_REASON_MONITOR_TRAP_FLAG);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 4);
	assert_int_equal(lab_resume(&l), EXIT_REASON_MONITOR_TRAP_FLAG);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 8);
	/* an injected event is delivered, then it comes */
	again();
	l.v12->vm_entry_intr_info_field = 0x80000306;
	assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_MONITOR_TRAP_FLAG);
	assert_int_equal(l.v12->guest_rip, LAB_L2_HANDLERS + 16 * VEC_UD);
	/* an instruction that exits itself, exits itself */
	again();
	assert_int_equal(LAB_L2(&l, 0x0f, 0xa2), EXIT_REASON_CPUID);
}

static void a_monitor_trap_can_be_injected(void **state)
{
	(void)state;
	again();
	l.v12->vm_entry_intr_info_field = 0x80000700;
	assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_MONITOR_TRAP_FLAG);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
}

static void a_pending_debug_exception_comes_first(void **state)
{
	(void)state;
	again();
	l.v12->exception_bitmap = BIT(VEC_DB);
	l.v12->guest_rflags = FLAG_1 | FLAG_TF;
	l.v12->guest_pending_dbg_exceptions = BIT(14);
	assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->vm_exit_intr_info, 0x80000301);
	assert_int_equal(l.v12->exit_qualification, BIT(14));
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	assert_int_equal(l.v12->guest_pending_dbg_exceptions, 0);
}

static void entry(unsigned int list, unsigned int n, u32 msr, u64 value)
{
	lab_write(&l, LAB_LISTS + 0x1000 * list + 16 * n, msr);
	lab_write(&l, LAB_LISTS + 0x1000 * list + 16 * n + 8, value);
}

static void msr_lists_are_stored_and_loaded(void **state)
{
	(void)state;
	entry(0, 0, MSR_LSTAR, 0);
	entry(0, 1, MSR_STAR, 0);
	entry(1, 0, MSR_LSTAR, 0x1111);
	entry(2, 0, MSR_LSTAR, 0x2222);
	entry(2, 1, MSR_STAR, 0x3333);
	l.v12->vm_exit_msr_store_count = 2;
	l.v12->vm_exit_msr_load_count = 1;
	l.v12->vm_entry_msr_load_count = 2;
	/* mov $MSR_LSTAR, %ecx; rdmsr; vmcall */
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_msr_bitmaps;
	again();
	assert_int_equal(LAB_L2(&l, 0xb9, 0x82, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
	assert_int_equal((u32)l.v->gpr[RAX], 0x2222);
	assert_int_equal(lab_read(&l, LAB_LISTS + 8), 0x2222);
	assert_int_equal(lab_read(&l, LAB_LISTS + 24), 0x3333);
	assert_int_equal(l.v->lstar, 0x1111);
	assert_int_equal(l.v->star, 0x3333);
}

static void an_entry_that_can_not_be_loaded_fails_the_entry(void **state)
{
	static const struct {
		u32 msr, reserved;
		u64 value;
	} BAD[] = {
		{ MSR_FS_BASE, 0, 0 }, { MSR_GS_BASE, 0, 0 },	     { 0x808, 0, 0 }, /* an x2APIC register */
		{ MSR_LSTAR, 1, 0 },   { MSR_LSTAR, 0, 1ull << 63 }, { 0x12345, 0, 0 }, { MSR_EFER, 0, ~0ull },
		{ 0x480, 0, 0 }, /* IA32_VMX_BASIC can't be written */
	};

	(void)state;
	entry(2, 0, MSR_LSTAR, 0x2222);
	for (unsigned int i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		entry(2, 1, BAD[i].msr, BAD[i].value);
		lab_write(&l, LAB_LISTS + 0x2000 + 16, BAD[i].msr | (u64)BAD[i].reserved << 32);
		l.v12->vm_entry_msr_load_count = 2;
		again();
		l.v12->guest_interruptibility_info = i % 2 ? BLOCKING_BY_NMI : 0;
		l.v->nmi_blocked = i % 4 > 1;
		assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xc1), EXIT_REASON_MSR_LOAD_FAIL | VM_EXIT_FAILED_ENTRY);
		assert_int_equal(l.v12->exit_qualification, 2);
		assert_int_equal(l.v12->launched, VMCS_CLEAR);
		assert_int_equal(l.v->lstar, 0x2222); /* what came before it stays */
		/* the processor is L1's again */
		assert_int_equal(l.v->nmi_blocked, i % 4 > 1);
		assert_int_equal(l.v->cr3, LAB_TABLES);
		assert_int_equal(l.v->gpr[RSP], LAB_STACK);
	}
}

/* SDM vol. 3, "VMX Aborts": the end of L1, with its number in the region. */
static void an_exit_whose_lists_are_wrong_is_a_vmx_abort(void **state)
{
	(void)state;
	entry(0, 0, 0x12345, 0);
	l.v12->vm_exit_msr_store_count = 1;
	again();
	l.v12->launched = VMCS_CLEAR;
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, 0xc2), LAB_STOPPED);
	assert_non_null(strstr(l.machine.stop_text, "VMX abort 1"));
	assert_int_equal(l.v12->abort, 1);
	lab_destroy(&l);
	setup(NULL);
	entry(1, 0, MSR_FS_BASE, 0);
	l.v12->vm_exit_msr_load_count = 1;
	l.v12->launched = VMCS_CLEAR;
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, 0xc2), LAB_STOPPED);
	assert_non_null(strstr(l.machine.stop_text, "VMX abort 4"));
	assert_int_equal(l.v12->abort, 4);
}

/* A reset while L2 runs: the timer of its entry is no longer on the clock. */
static void a_reset_in_l2_takes_its_timer_away(void **state)
{
	(void)state;
	again();
	l.v12->vm_exit_msr_store_count = 0;
	l.v12->vmx_preemption_timer_value = 10000000;
	/* mov $0xfe, %al; out %al, $0x64: the keyboard controller resets the CPU */
	l.v12->launched = VMCS_CLEAR;
	assert_true(machine_write(&l.machine, LAB_L2_CODE, (const u8[]){ 0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe }, 6));
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, 0xc2), LAB_STOPPED);
	assert_true(l.v->in_l2);
	assert_true(timer_next(&l.machine.clock) != TIMER_OFF);
	assert_true(l.v->vmx->timer.deadline != TIMER_OFF);
	vcpu_reset(l.v, false);
	assert_int_equal(l.v->vmx->timer.deadline, TIMER_OFF);
	assert_false(l.v->in_l2);
	assert_false(l.v->vmx->on);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_event_is_delivered_through_the_idt),
		T(an_event_wakes_l2_from_hlt),
		T(a_fault_in_delivery_tells_what_was_delivered),
		T(an_ept_violation_in_delivery_does_so_too),
		T(the_interrupt_window_opens_with_if_and_behind_sti),
		T(the_nmi_window_opens_with_iret),
		T(an_nmi_exits_or_is_l2s),
		T(an_external_interrupt_exits_or_is_l2s),
		T(the_preemption_timer_counts_and_is_saved_if_asked),
		T(the_preemption_timer_ends_faults_without_end),
		T(the_monitor_trap_comes_after_one_instruction),
		T(a_monitor_trap_can_be_injected),
		T(a_pending_debug_exception_comes_first),
		T(msr_lists_are_stored_and_loaded),
		T(an_entry_that_can_not_be_loaded_fails_the_entry),
		T(an_exit_whose_lists_are_wrong_is_a_vmx_abort),
		T(a_reset_in_l2_takes_its_timer_away),
	};

	return LAB_GROUP("events of L2", tests);
}
