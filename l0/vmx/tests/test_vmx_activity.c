/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Activity states on entry, what reaches them, and INIT: SDM vol. 3, "Activity State", "Other Causes of VM Exits". */
#include "apic_lab.h"

#define NOP 0x90
#define HLT 0xf4
#define VMCALL 0x0f, 0x01, 0xc1
#define VMLAUNCH 0x0f, 0x01, 0xc2
#define VMXOFF 0x0f, 0x01, 0xc4

#define NMI_INFO (BIT(31) | 2 << 8 | VEC_NMI)

static struct lab l;

static int setup(void **state)
{
	(void)state;
	apic_lab(&l);
	l.v12->pin_based_vm_exec_control |= (u32)(CTL_external_interrupt_exiting | CTL_nmi_exiting);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_destroy(&l);
	return 0;
}

/* L2 in this state; all it has are instructions that end it. */
static u32 enter_in(enum activity activity, bool interrupts)
{
	l.v12->guest_rip = LAB_L2_CODE;
	l.v12->guest_rsp = LAB_L2_STACK;
	l.v12->guest_rflags = FLAG_1 | (interrupts ? FLAG_IF : 0);
	l.v12->guest_activity_state = activity;
	return LAB_L2(&l, NOP, VMCALL);
}

static void assert_still(enum activity activity)
{
	assert_int_equal(l.v12->guest_activity_state, activity);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
}

static void an_external_interrupt_exits_from_hlt_and_hlt_is_saved(void **state)
{
	(void)state;
	apic_message_in(&l, 1000, MESSAGE_FIXED, 0x99);
	assert_int_equal(enter_in(ACTIVITY_HLT, false), EXIT_REASON_EXTERNAL_INTERRUPT);
	assert_still(ACTIVITY_HLT);
	assert_int_equal(irqchip_ack(l.v), 0x99);
	lapic_mmio_write(l.v->apic, EOI, 0);
	/* L2's own: it halts with interrupts off */
	l.v12->guest_activity_state = ACTIVITY_ACTIVE;
	apic_message_in(&l, 1000, MESSAGE_FIXED, 0x99);
	assert_int_equal(LAB_L2(&l, HLT), EXIT_REASON_EXTERNAL_INTERRUPT);
	assert_int_equal(l.v12->guest_activity_state, ACTIVITY_HLT);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 1);
}

static void an_external_interrupt_that_does_not_exit_wakes_from_hlt(void **state)
{
	(void)state;
	l.v12->pin_based_vm_exec_control &= (u32)~CTL_external_interrupt_exiting;
	apic_message_in(&l, 1000, MESSAGE_FIXED, 0x99);
	assert_interrupted(&l, enter_in(ACTIVITY_HLT, true), 0x99);
	assert_int_equal(l.v12->guest_activity_state, ACTIVITY_ACTIVE);
}

static void shutdown_blocks_external_interrupts(void **state)
{
	(void)state;
	apic_message_in(&l, 1000, MESSAGE_FIXED, 0x99);
	assert_int_equal(enter_in(ACTIVITY_SHUTDOWN, true), EXIT_REASON_PREEMPTION_TIMER);
	assert_still(ACTIVITY_SHUTDOWN);
	/* it has stayed pending */
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, false), EXIT_REASON_EXTERNAL_INTERRUPT);
}

static void an_nmi_exits_from_shutdown_or_ends_it(void **state)
{
	(void)state;
	apic_message_in(&l, 1000, MESSAGE_NMI, 0);
	assert_int_equal(enter_in(ACTIVITY_SHUTDOWN, true), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->vm_exit_intr_info, NMI_INFO);
	assert_still(ACTIVITY_SHUTDOWN);
	l.v->nmi_blocked = false;
	l.v12->pin_based_vm_exec_control &= (u32)~CTL_nmi_exiting;
	apic_message_in(&l, 1000, MESSAGE_NMI, 0);
	assert_interrupted(&l, enter_in(ACTIVITY_SHUTDOWN, true), VEC_NMI);
	assert_int_equal(l.v12->guest_activity_state, ACTIVITY_ACTIVE);
	/* an interrupt that has waited since comes next */
	l.v12->guest_interruptibility_info = 0;
	apic_message(&l, MESSAGE_FIXED, 0x99);
	apic_message_in(&l, 100000, MESSAGE_NMI, 0);
	assert_int_equal(enter_in(ACTIVITY_SHUTDOWN, true), EXIT_REASON_EXTERNAL_INTERRUPT);
	assert_int_equal(l.v12->guest_rip, LAB_L2_HANDLERS + 16 * VEC_NMI);
}

static void an_injected_nmi_ends_shutdown_and_nothing_else_may_be_injected(void **state)
{
	(void)state;
	l.v12->vm_entry_intr_info_field = NMI_INFO;
	assert_interrupted(&l, enter_in(ACTIVITY_SHUTDOWN, true), VEC_NMI);
	l.v12->guest_interruptibility_info = 0;
	l.v12->vm_entry_intr_info_field = (u32)(BIT(31) | 0x40);
	assert_int_equal(enter_in(ACTIVITY_SHUTDOWN, true), EXIT_REASON_INVALID_STATE | VM_EXIT_FAILED_ENTRY);
	l.v12->vm_entry_intr_info_field = NMI_INFO;
	assert_int_equal(enter_in(ACTIVITY_WAIT_SIPI, true), EXIT_REASON_INVALID_STATE | VM_EXIT_FAILED_ENTRY);
}

static void a_pending_debug_exception_does_not_end_shutdown(void **state)
{
	(void)state;
	l.v12->guest_pending_dbg_exceptions = BIT(0) | BIT(12);
	assert_int_equal(enter_in(ACTIVITY_SHUTDOWN, true), EXIT_REASON_PREEMPTION_TIMER);
	assert_int_equal(l.v12->guest_pending_dbg_exceptions, BIT(0) | BIT(12));
	assert_still(ACTIVITY_SHUTDOWN);
	/* but HLT */
	assert_interrupted(&l, enter_in(ACTIVITY_HLT, true), VEC_DB);
}

static void the_nmi_window_opens_in_shutdown_and_the_interrupt_window_does_not(void **state)
{
	(void)state;
	apic_controls(&l, CTL_interrupt_window_exiting, 0);
	assert_int_equal(enter_in(ACTIVITY_SHUTDOWN, true), EXIT_REASON_PREEMPTION_TIMER);
	assert_int_equal(enter_in(ACTIVITY_HLT, true), EXIT_REASON_INTERRUPT_WINDOW);
	assert_still(ACTIVITY_HLT);
	l.v12->pin_based_vm_exec_control |= (u32)CTL_virtual_nmis;
	apic_controls(&l, CTL_nmi_window_exiting, 0);
	assert_int_equal(enter_in(ACTIVITY_SHUTDOWN, true), EXIT_REASON_NMI_WINDOW);
	assert_still(ACTIVITY_SHUTDOWN);
}

static void a_triple_fault_exits_from_the_active_state(void **state)
{
	(void)state;
	l.v12->guest_idtr_limit = 0;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x0b), EXIT_REASON_TRIPLE_FAULT);
	assert_still(ACTIVITY_ACTIVE);
	assert_int_equal(l.v12->idt_vectoring_info_field & BIT(31), 0);
}

static void a_start_up_signal_exits_from_wait_for_sipi_with_its_vector(void **state)
{
	(void)state;
	apic_message_in(&l, 1000, MESSAGE_SIPI, 0x9a);
	assert_int_equal(enter_in(ACTIVITY_WAIT_SIPI, true), EXIT_REASON_SIPI_SIGNAL);
	assert_int_equal(l.v12->exit_qualification, 0x9a);
	assert_still(ACTIVITY_WAIT_SIPI);
	/* elsewhere nobody notices */
	apic_message_in(&l, 1000, MESSAGE_SIPI, 0x9a);
	assert_int_equal(enter_in(ACTIVITY_HLT, true), EXIT_REASON_PREEMPTION_TIMER);
	apic_message(&l, MESSAGE_SIPI, 0x9a);
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_VMCALL);
}

/* L1 gets an NMI on top of the exit: the reason of that. */
static u32 exit_before_nmi(void)
{
	vmcs02_all_changed(&l.v->vmx->changes);
	l.v12->launched = VMCS_CLEAR;
	l.v12->guest_rip = LAB_L2_CODE;
	l.v->nmi_blocked = true;
	apic_message(&l, MESSAGE_NMI, 0);
	assert_int_equal(LAB_RUN(&l, VMLAUNCH), VEC_NMI);
	assert_int_equal(lab_read(&l, LAB_STACK - 40), LAB_EXIT);
	l.v->gpr[RSP] = LAB_STACK;
	return l.v12->vm_exit_reason;
}

static void nothing_else_reaches_wait_for_sipi(void **state)
{
	(void)state;
	/* the preemption timer ends long before, the windows are open */
	apic_controls(&l, CTL_interrupt_window_exiting | CTL_nmi_window_exiting, 0);
	l.v12->pin_based_vm_exec_control |= (u32)CTL_virtual_nmis;
	l.v12->vmx_preemption_timer_value = 1;
	l.v12->guest_pending_dbg_exceptions = BIT(0) | BIT(12);
	l.v12->guest_activity_state = ACTIVITY_WAIT_SIPI;
	l.v12->guest_rflags = FLAG_1 | FLAG_IF;
	apic_message(&l, MESSAGE_FIXED, 0x99);
	apic_message(&l, MESSAGE_INIT, 0);
	apic_message_in(&l, 100000, MESSAGE_SIPI, 0x12);
	assert_int_equal(exit_before_nmi(), EXIT_REASON_SIPI_SIGNAL);
	assert_int_equal(l.v12->exit_qualification, 0x12);
	assert_still(ACTIVITY_WAIT_SIPI);
	/* all of it is still there, one after the other */
	l.v12->guest_pending_dbg_exceptions = 0;
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_INIT_SIGNAL);
	l.v12->vmx_preemption_timer_value = 0;
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_PREEMPTION_TIMER);
	l.v12->vmx_preemption_timer_value = 1000;
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_NMI_WINDOW);
	l.v12->cpu_based_vm_exec_control &= (u32)~CTL_nmi_window_exiting;
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_INTERRUPT_WINDOW);
	l.v12->cpu_based_vm_exec_control &= (u32)~CTL_interrupt_window_exiting;
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_EXTERNAL_INTERRUPT);
}

static void an_init_signal_exits_and_changes_nothing(void **state)
{
	static const enum activity STATES[] = { ACTIVITY_ACTIVE, ACTIVITY_HLT, ACTIVITY_SHUTDOWN };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		l.v->gpr[RSI] = 0x1234567890;
		apic_message_in(&l, 1000, MESSAGE_INIT, 0);
		if (STATES[i] == ACTIVITY_ACTIVE) {
			l.v12->guest_rip = LAB_L2_CODE;
			assert_int_equal(LAB_L2(&l, 0xeb, 0xfe), EXIT_REASON_INIT_SIGNAL); /* jmp $ */
		} else {
			assert_int_equal(enter_in(STATES[i], true), EXIT_REASON_INIT_SIGNAL);
		}
		assert_still(STATES[i]);
		assert_int_equal(l.v->gpr[RSI], 0x1234567890);
	}
}

static void init_is_blocked_in_root_operation_until_vmxoff(void **state)
{
	(void)state;
	apic_message(&l, MESSAGE_INIT, 0);
	assert_int_equal(LAB_RUN(&l, NOP, NOP), LAB_DONE);
	/* the next entry lets it through, once */
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_INIT_SIGNAL);
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_VMCALL);
	apic_message(&l, MESSAGE_INIT, 0);
	assert_int_equal(LAB_RUN(&l, NOP, NOP), LAB_DONE);
	/* the first processor of a machine starts again at the reset vector */
	assert_int_equal(LAB_RUN(&l, VMXOFF, NOP, NOP), LAB_STOPPED);
	assert_int_equal(atomic_load(&l.machine.stop), STOP_CPU_RESET);
}

static void the_monitor_trap_and_the_timer_come_before_nmis(void **state)
{
	(void)state;
	apic_message(&l, MESSAGE_FIXED, 0x99);
	l.v12->vmx_preemption_timer_value = 0;
	l.v12->vm_entry_intr_info_field = (u32)(BIT(31) | 7 << 8);
	assert_int_equal(exit_before_nmi(), EXIT_REASON_MONITOR_TRAP_FLAG);
	assert_int_equal(exit_before_nmi(), EXIT_REASON_PREEMPTION_TIMER);
	l.v12->vmx_preemption_timer_value = 1000;
	l.v->nmi_blocked = true;
	apic_message(&l, MESSAGE_NMI, 0);
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_EXCEPTION_NMI);
	assert_true(l.v->nmi_blocked);
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_EXTERNAL_INTERRUPT);
}

static void an_nmi_that_is_blocked_does_not_exit_without_virtual_nmis(void **state)
{
	(void)state;
	l.v->nmi_blocked = true;
	apic_message(&l, MESSAGE_NMI, 0);
	l.v12->guest_interruptibility_info = BLOCKING_BY_NMI;
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_VMCALL);
	/* with them, blocking is about something else, and not L1's afterwards */
	l.v12->pin_based_vm_exec_control |= (u32)CTL_virtual_nmis;
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->guest_interruptibility_info, BLOCKING_BY_NMI);
	assert_true(l.v->nmi_blocked);
	assert_int_equal(enter_in(ACTIVITY_ACTIVE, true), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->guest_interruptibility_info, BLOCKING_BY_NMI);
	assert_false(l.v->nmi_blocked);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest TESTS[] = {
		T(an_external_interrupt_exits_from_hlt_and_hlt_is_saved),
		T(an_external_interrupt_that_does_not_exit_wakes_from_hlt),
		T(shutdown_blocks_external_interrupts),
		T(an_nmi_exits_from_shutdown_or_ends_it),
		T(an_injected_nmi_ends_shutdown_and_nothing_else_may_be_injected),
		T(a_pending_debug_exception_does_not_end_shutdown),
		T(the_nmi_window_opens_in_shutdown_and_the_interrupt_window_does_not),
		T(a_triple_fault_exits_from_the_active_state),
		T(a_start_up_signal_exits_from_wait_for_sipi_with_its_vector),
		T(nothing_else_reaches_wait_for_sipi),
		T(an_init_signal_exits_and_changes_nothing),
		T(init_is_blocked_in_root_operation_until_vmxoff),
		T(the_monitor_trap_and_the_timer_come_before_nmis),
		T(an_nmi_that_is_blocked_does_not_exit_without_virtual_nmis),
	};
#undef T

	return LAB_GROUP("activity states", TESTS);
}
