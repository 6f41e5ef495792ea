/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SDM vol. 3, "APIC Virtualization and Virtual Interrupts", but for the APIC-access page: test_vmx_apic_access.c. */
#include "apic_lab.h"

#define STI 0xfb
#define NOP 0x90
#define HLT 0xf4
#define VMCALL 0x0f, 0x01, 0xc1
#define MOV_TO_CR8 0x44, 0x0f, 0x22, 0xc0 /* mov cr8, rax */
#define WRMSR 0x0f, 0x30
#define RDMSR 0x0f, 0x32

#define EXTERNAL BIT(31) /* an event of type external interrupt */
#define MARK_FAULT 0xfa017fa017fa017full /* rdmsr(): an exception */

static struct lab l;

static int setup(void **state)
{
	(void)state;
	apic_lab(&l);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_destroy(&l);
	return 0;
}

static void assert_status(u8 rvi, u8 svi)
{
	assert_int_equal(l.v12->guest_intr_status & 0xff, rvi);
	assert_int_equal(l.v12->guest_intr_status >> 8, svi);
}

/* L2 at its code again, with interrupts on or off */
static void restart(bool interrupts)
{
	l.v12->guest_rip = LAB_L2_CODE;
	l.v12->guest_rsp = LAB_L2_STACK;
	l.v12->guest_rflags = FLAG_1 | (interrupts ? FLAG_IF : 0);
	l.v12->guest_interruptibility_info = 0;
	l.v12->guest_activity_state = ACTIVITY_ACTIVE;
}

static void tpr_below_the_threshold_exits_behind_the_instruction(void **state)
{
	(void)state;
	apic_controls(&l, CTL_tpr_shadow, CTL_virtualize_apic_accesses);
	l.v12->tpr_threshold = 5;
	vapic_set(&l, TPR, 0x50);
	l.v->gpr[RAX] = 5;
	assert_int_equal(LAB_L2(&l, NOP, MOV_TO_CR8, VMCALL), EXIT_REASON_VMCALL);
	assert_int_equal(vapic(&l, TPR), 0x50);
	restart(false);
	l.v->gpr[RAX] = 4;
	assert_int_equal(LAB_L2(&l, NOP, MOV_TO_CR8, VMCALL), EXIT_REASON_TPR_BELOW_THRESHOLD);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 5);
	assert_int_equal(vapic(&l, TPR), 0x40);
	/* the same by the page; the upper bytes are cleared */
	vapic_set(&l, TPR, 0x60);
	l.v->gpr[RAX] = 0x12345678;
	assert_int_equal(apic_store(&l, APIC_PAGE + TPR, 4), EXIT_REASON_VMCALL);
	assert_int_equal(vapic(&l, TPR), 0x78);
	l.v->gpr[RAX] = 0x4f;
	assert_int_equal(apic_store(&l, APIC_PAGE + TPR, 1), EXIT_REASON_TPR_BELOW_THRESHOLD);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 2);
	assert_int_equal(vapic(&l, TPR), 0x4f);
	/* no more than four bits in CR8 */
	vapic_set(&l, TPR, 0x60);
	restart(false);
	l.v->gpr[RAX] = 0x10;
	assert_interrupted(&l, LAB_L2(&l, MOV_TO_CR8), VEC_GP);
	assert_int_equal(vapic(&l, TPR), 0x60);
}

static void tpr_below_the_threshold_exits_at_once_on_entry(void **state)
{
	(void)state;
	apic_controls(&l, CTL_tpr_shadow, CTL_virtualize_apic_accesses);
	l.v12->tpr_threshold = 5;
	vapic_set(&l, TPR, 0x4f);
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_TPR_BELOW_THRESHOLD);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	/* out of HLT, too; it stays the activity state */
	l.v12->guest_activity_state = ACTIVITY_HLT;
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_TPR_BELOW_THRESHOLD);
	assert_int_equal(l.v12->guest_activity_state, ACTIVITY_HLT);
	/* behind the event that the entry injects */
	restart(true);
	l.v12->vm_entry_intr_info_field = (u32)(EXTERNAL | 0x77);
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_TPR_BELOW_THRESHOLD);
	assert_int_equal(l.v12->guest_rip, LAB_L2_HANDLERS + 16 * 0x77);
	assert_int_equal(l.v12->idt_vectoring_info_field, 0);
	/* before the preemption timer; not from the states that it doesn't reach */
	restart(false);
	l.v12->vmx_preemption_timer_value = 0;
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_TPR_BELOW_THRESHOLD);
	l.v12->guest_activity_state = ACTIVITY_SHUTDOWN;
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_PREEMPTION_TIMER);
	/* without an APIC-access page it is the entry that fails */
	restart(false);
	l.v12->secondary_vm_exec_control = 0;
	assert_int_equal(LAB_L2(&l, NOP), LAB_FAILED + VMERR_ENTRY_BAD_CONTROLS);
	vapic_set(&l, TPR, 0x50);
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_PREEMPTION_TIMER);
}

static void a_virtual_interrupt_of_higher_priority_is_delivered_on_entry(void **state)
{
	(void)state;
	apic_delivery(&l);
	vapic_set(&l, TPR, 0x33);
	apic_status(&l, 0x51, 0x41);
	vapic_set_bit(&l, IRR, 0x24);
	restart(true);
	assert_interrupted(&l, LAB_L2(&l, NOP), 0x51);
	assert_status(0x24, 0x51);
	assert_true(vapic_bit(&l, ISR, 0x51));
	assert_true(vapic_bit(&l, ISR, 0x41));
	assert_false(vapic_bit(&l, IRR, 0x51));
	assert_true(vapic_bit(&l, IRR, 0x24));
	assert_int_equal(vapic(&l, PPR), 0x50);
	assert_int_equal(lab_read(&l, LAB_L2_STACK - 40), LAB_L2_CODE);
}

static void equal_priority_waits(void **state)
{
	static const struct {
		u8 tpr, svi, rvi, ppr;
		bool delivered;
	} CASES[] = {
		{ 0, 0, 0x10, 0, true },	  { 0x1f, 0, 0x10, 0x1f, false },    { 0x1f, 0, 0x1f, 0x1f, false },
		{ 0x1f, 0, 0x20, 0x1f, true },	  { 0, 0x51, 0x5f, 0x50, false },    { 0x4f, 0x51, 0x60, 0x50, true },
		{ 0x5f, 0x51, 0x60, 0x5f, true }, { 0x61, 0x51, 0x6f, 0x61, false }, { 0xff, 0, 0xff, 0xff, false },
		{ 0xef, 0xe0, 0xff, 0xef, true }, { 0x5c, 0x51, 0x5f, 0x5c, false },
	};

	(void)state;
	apic_delivery(&l);
	for (unsigned int i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		u32 reason;

		memset(memory_host(&l.machine.memory, LAB_VAPIC), 0, 4096);
		vapic_set(&l, PPR, 0xffffffff);
		vapic_set(&l, TPR, CASES[i].tpr);
		apic_status(&l, CASES[i].rvi, CASES[i].svi);
		restart(true);
		reason = LAB_L2(&l, VMCALL);
		if (CASES[i].delivered) {
			assert_interrupted(&l, reason, CASES[i].rvi);
			assert_int_equal(vapic(&l, PPR), CASES[i].rvi & 0xf0);
		} else {
			assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
			assert_status(CASES[i].rvi, CASES[i].svi);
			assert_int_equal(vapic(&l, PPR), CASES[i].ppr);
		}
	}
}

static void it_waits_for_the_flag_and_the_shadows_of_sti_and_mov_ss(void **state)
{
	(void)state;
	apic_delivery(&l);
	apic_status(&l, 0x51, 0);
	restart(false);
	/* nop; sti; nop; nop */
	assert_interrupted(&l, LAB_L2(&l, NOP, STI, NOP, NOP), 0x51);
	assert_int_equal(lab_read(&l, LAB_L2_STACK - 40), LAB_L2_CODE + 3);
	apic_status(&l, 0x51, 0);
	restart(true);
	l.v12->guest_interruptibility_info = BLOCKING_BY_MOV_SS;
	assert_interrupted(&l, LAB_L2(&l, NOP, NOP), 0x51);
	assert_int_equal(lab_read(&l, LAB_L2_STACK - 40), LAB_L2_CODE + 1);
	/* popfq switches interrupts on without one */
	apic_status(&l, 0x51, 0);
	restart(false);
	lab_write(&l, LAB_L2_STACK - 8, FLAG_1 | FLAG_IF);
	l.v12->guest_rsp = LAB_L2_STACK - 8;
	assert_interrupted(&l, LAB_L2(&l, 0x9d, NOP), 0x51);
	assert_int_equal(lab_read(&l, LAB_L2_STACK - 40), LAB_L2_CODE + 1);
}

static void it_follows_the_event_that_the_entry_injects(void **state)
{
	(void)state;
	apic_delivery(&l);
	apic_status(&l, 0x51, 0);
	restart(true);
	l.v12->vm_entry_intr_info_field = (u32)(BIT(31) | 3 << 8 | VEC_BR);
	/* the handler of #BR has an interrupt gate */
	assert_interrupted(&l, LAB_L2(&l, NOP), VEC_BR);
	assert_status(0x51, 0);
}

static void interrupt_window_exiting_keeps_it_from_being_recognized(void **state)
{
	(void)state;
	apic_delivery(&l);
	apic_controls(&l, CTL_interrupt_window_exiting, 0);
	apic_status(&l, 0x51, 0);
	restart(true);
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_INTERRUPT_WINDOW);
	assert_status(0x51, 0);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
}

static void it_wakes_from_hlt(void **state)
{
	(void)state;
	apic_delivery(&l);
	apic_status(&l, 0x51, 0);
	restart(true);
	l.v12->guest_activity_state = ACTIVITY_HLT;
	assert_interrupted(&l, LAB_L2(&l, NOP), 0x51);
	assert_int_equal(l.v12->guest_activity_state, ACTIVITY_ACTIVE);
	/* with interrupts off it doesn't, and neither from shutdown */
	apic_status(&l, 0x51, 0);
	restart(false);
	l.v12->guest_activity_state = ACTIVITY_HLT;
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_PREEMPTION_TIMER);
	assert_int_equal(l.v12->guest_activity_state, ACTIVITY_HLT);
	restart(true);
	l.v12->guest_activity_state = ACTIVITY_SHUTDOWN;
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_PREEMPTION_TIMER);
	/* sti; hlt: between the two nothing is lost */
	restart(false);
	assert_interrupted(&l, LAB_L2(&l, STI, HLT, NOP), 0x51);
	assert_int_equal(lab_read(&l, LAB_L2_STACK - 40), LAB_L2_CODE + 2);
}

static void nmis_come_before_it_and_external_interrupts_behind(void **state)
{
	(void)state;
	apic_delivery(&l);
	apic_status(&l, 0x51, 0);
	restart(true);
	l.v12->pin_based_vm_exec_control |= (u32)CTL_nmi_exiting;
	l.v->nmi_blocked = true;
	apic_message(&l, MESSAGE_NMI, 0);
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	assert_status(0x51, 0);
	l.v->nmi_blocked = false;
	apic_message(&l, MESSAGE_FIXED, 0x99);
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_EXTERNAL_INTERRUPT);
	assert_int_equal(l.v12->guest_rip, LAB_L2_HANDLERS + 16 * 0x51);
	assert_status(0, 0x51);
}

static void lowering_the_tpr_lets_it_through(void **state)
{
	(void)state;
	apic_delivery(&l);
	apic_controls(&l, 0, CTL_virtualize_apic_accesses);
	vapic_set(&l, TPR, 0x60);
	apic_status(&l, 0x51, 0);
	restart(true);
	l.v->gpr[RAX] = 4;
	assert_interrupted(&l, LAB_L2(&l, NOP, MOV_TO_CR8, NOP), 0x51);
	assert_int_equal(lab_read(&l, LAB_L2_STACK - 40), LAB_L2_CODE + 5);
	/* by the page, in the middle of a block: mov [rbx], eax */
	memset(memory_host(&l.machine.memory, LAB_VAPIC), 0, 4096);
	vapic_set(&l, TPR, 0x60);
	apic_status(&l, 0x51, 0);
	restart(true);
	l.v->gpr[RBX] = APIC_PAGE + TPR;
	l.v->gpr[RAX] = 0x4f;
	assert_interrupted(&l, LAB_L2(&l, NOP, 0x89, 0x03, NOP, NOP), 0x51);
	assert_int_equal(lab_read(&l, LAB_L2_STACK - 40), LAB_L2_CODE + 3);
	/* the threshold means nothing here */
	restart(false);
	l.v12->tpr_threshold = 15;
	assert_int_equal(apic_store(&l, APIC_PAGE + TPR, 4), EXIT_REASON_VMCALL);
	assert_int_equal(vapic(&l, PPR), 0x50);
}

static void an_eoi_ends_the_interrupt_in_service(void **state)
{
	(void)state;
	apic_delivery(&l);
	apic_controls(&l, 0, CTL_virtualize_apic_accesses);
	apic_status(&l, 0, 0x51);
	vapic_set_bit(&l, ISR, 0x43);
	l.v->gpr[RAX] = 0xffffffff;
	assert_int_equal(apic_store(&l, APIC_PAGE + EOI, 4), EXIT_REASON_VMCALL);
	assert_status(0, 0x43);
	assert_false(vapic_bit(&l, ISR, 0x51));
	assert_int_equal(vapic(&l, PPR), 0x40);
	assert_int_equal(vapic(&l, EOI), 0);
	/* another one has waited for it */
	apic_status(&l, 0x4f, 0x43);
	restart(true);
	assert_interrupted(&l, LAB_L2(&l, 0x89, 0x03, NOP), 0x4f);
	assert_status(0, 0x4f);
	assert_int_equal(vapic(&l, PPR), 0x40);
	/* nothing in service: no bit of the page changes but VEOI and VPPR */
	memset(memory_host(&l.machine.memory, LAB_VAPIC), 0, 4096);
	apic_status(&l, 0, 0);
	restart(false);
	assert_int_equal(apic_store(&l, APIC_PAGE + EOI, 4), EXIT_REASON_VMCALL);
	assert_status(0, 0);
}

static void the_eoi_exit_bitmap_makes_an_eoi_exit(void **state)
{
	static const u8 VECTORS[] = { 0x10, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff };

	(void)state;
	apic_delivery(&l);
	apic_controls(&l, CTL_msr_bitmaps, CTL_virtualize_x2apic_mode);
	for (unsigned int i = 0; i < sizeof(VECTORS); i++) {
		u64 *bitmap[] = { &l.v12->eoi_exit_bitmap0, &l.v12->eoi_exit_bitmap1, &l.v12->eoi_exit_bitmap2,
				  &l.v12->eoi_exit_bitmap3 };

		for (unsigned int exits = 0; exits < 2; exits++) {
			u64 bit = BIT(VECTORS[i] % 64);

			for (unsigned int k = 0; k < 4; k++)
				*bitmap[k] = 0;
			*bitmap[VECTORS[i] / 64] = exits ? bit : ~bit;
			apic_status(&l, 0, VECTORS[i]);
			restart(false);
			l.v->gpr[RCX] = 0x80b;
			l.v->gpr[RAX] = l.v->gpr[RDX] = 0;
			assert_int_equal(LAB_L2(&l, WRMSR, VMCALL), exits ? EXIT_REASON_EOI_INDUCED : EXIT_REASON_VMCALL);
			assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 2);
			if (exits)
				assert_int_equal(l.v12->exit_qualification, VECTORS[i]);
			assert_status(0, 0);
			assert_false(vapic_bit(&l, ISR, VECTORS[i]));
		}
	}
}

static void an_ipi_to_itself_is_virtualized(void **state)
{
	static const struct {
		u32 icr;
		bool self;
	} CASES[] = {
		{ 0x40051, true },  { 0x440ff, true },	{ 0x40010, true },  { 0x4000f, false },	   { 0x00051, false },
		{ 0x80051, false }, { 0xc0051, false }, { 0x48051, false }, { 0x40151, false },	   { 0x40451, false },
		{ 0x41051, false }, { 0x42051, false }, { 0x50051, false }, { 0x80040051, false },
	};

	(void)state;
	apic_delivery(&l);
	apic_controls(&l, 0, CTL_virtualize_apic_accesses);
	for (unsigned int i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		u8 vector = (u8)CASES[i].icr;
		u32 reason;

		memset(memory_host(&l.machine.memory, LAB_VAPIC), 0, 4096);
		apic_status(&l, 0, 0);
		restart(true);
		l.v->gpr[RBX] = APIC_PAGE + ICR;
		l.v->gpr[RAX] = CASES[i].icr;
		reason = LAB_L2(&l, 0x89, 0x03, NOP, VMCALL);
		if (CASES[i].self && CASES[i].icr != 0x440ff) {
			assert_interrupted(&l, reason, vector);
			assert_int_equal(lab_read(&l, LAB_L2_STACK - 40), LAB_L2_CODE + 2);
			assert_status(0, vector);
		} else if (!CASES[i].self) {
			assert_int_equal(reason, EXIT_REASON_APIC_WRITE);
			assert_int_equal(l.v12->exit_qualification, ICR);
			assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 2);
			assert_status(0, 0);
		}
	}
	/* the highest request is RVI */
	memset(memory_host(&l.machine.memory, LAB_VAPIC), 0, 4096);
	apic_status(&l, 0x61, 0);
	restart(false);
	l.v->gpr[RAX] = 0x40051;
	assert_int_equal(apic_store(&l, APIC_PAGE + ICR, 4), EXIT_REASON_VMCALL);
	assert_status(0x61, 0);
	assert_true(vapic_bit(&l, IRR, 0x51));
}

static u32 wrmsr(u32 msr, u64 value)
{
	restart(false);
	l.v->gpr[RCX] = msr;
	l.v->gpr[RAX] = (u32)value;
	l.v->gpr[RDX] = value >> 32;
	return LAB_L2(&l, WRMSR, VMCALL);
}

static u64 rdmsr(u32 msr)
{
	restart(false);
	l.v->gpr[RCX] = msr;
	assert_int_equal(LAB_L2(&l, RDMSR, VMCALL), EXIT_REASON_VMCALL);
	if (l.v12->guest_rip != LAB_L2_CODE + 2)
		return MARK_FAULT;
	return (u32)l.v->gpr[RAX] | l.v->gpr[RDX] << 32;
}

static void the_x2apic_msrs_are_on_the_page(void **state)
{
	(void)state;
	apic_controls(&l, CTL_tpr_shadow | CTL_msr_bitmaps, CTL_virtualize_x2apic_mode);
	/* the local APIC is in xAPIC mode, where the MSRs don't exist: the TPR does all the same */
	lab_write(&l, LAB_VAPIC + TPR, 0x1122334455667788);
	assert_int_equal(rdmsr(0x808), 0x1122334455667788);
	assert_int_equal(rdmsr(0x802), MARK_FAULT);
	assert_interrupted(&l, wrmsr(0x80b, 0), VEC_GP);
	assert_int_equal(wrmsr(0x808, 0x75), EXIT_REASON_VMCALL);
	assert_int_equal(lab_read(&l, LAB_VAPIC + TPR), 0x75);
	assert_interrupted(&l, wrmsr(0x808, 0x100), VEC_GP);
	assert_interrupted(&l, wrmsr(0x808, BIT(32)), VEC_GP);
	assert_int_equal(lab_read(&l, LAB_VAPIC + TPR), 0x75);
	l.v12->tpr_threshold = 7;
	assert_int_equal(wrmsr(0x808, 0x6f), EXIT_REASON_TPR_BELOW_THRESHOLD);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 2);
	l.v12->tpr_threshold = 0;

	apic_controls(&l, 0, CTL_apic_register_virtualization);
	for (u32 msr = 0x800; msr <= 0x8ff; msr++) {
		lab_write(&l, LAB_VAPIC + (msr & 0xff) * 16, msr * 0x100000001ull);
		assert_int_equal(rdmsr(msr), msr * 0x100000001ull);
	}
	vapic_set(&l, TPR, 0);
	/* writing is another matter */
	assert_interrupted(&l, wrmsr(0x80f, 0x1ff), VEC_GP);

	apic_delivery(&l);
	assert_int_equal(wrmsr(0x80b, 0), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 2);
	assert_interrupted(&l, wrmsr(0x80b, 1), VEC_GP);
	memset(memory_host(&l.machine.memory, LAB_VAPIC), 0, 4096);
	apic_status(&l, 0, 0);
	assert_int_equal(wrmsr(0x83f, 0x51), EXIT_REASON_VMCALL);
	assert_status(0x51, 0);
	assert_true(vapic_bit(&l, IRR, 0x51));
	assert_interrupted(&l, wrmsr(0x83f, 0x151), VEC_GP);
	assert_int_equal(wrmsr(0x83f, 0xf), EXIT_REASON_APIC_WRITE);
	assert_int_equal(l.v12->exit_qualification, SELF_IPI);
	assert_int_equal(lab_read(&l, LAB_VAPIC + SELF_IPI), 0xf);
	/* the bitmap comes first */
	*(u8 *)memory_host(&l.machine.memory, l.v12->msr_bitmap + 0x808 / 8) = 1;
	restart(false);
	l.v->gpr[RCX] = 0x808;
	assert_int_equal(LAB_L2(&l, RDMSR), EXIT_REASON_MSR_READ);
}

static void posted_interrupts_are_taken_over_without_an_exit(void **state)
{
	u64 descriptor[5] = { 0, BIT(0x41 - 0x40) | BIT(0x7f - 0x40), 0, BIT(63), 0xff };

	(void)state;
	apic_delivery(&l);
	l.v12->pin_based_vm_exec_control |= (u32)CTL_posted_interrupts;
	l.v12->vm_exit_controls |= (u32)CTL_ack_interrupt_on_exit;
	apic_status(&l, 0x51, 0);
	restart(true);
	for (unsigned int i = 0; i < 5; i++)
		lab_write(&l, APIC_POSTED + 8 * i, descriptor[i]);
	apic_message(&l, MESSAGE_FIXED, APIC_NOTIFICATION);
	/* RVI is one that came with the entry: it is taken before the notification */
	assert_interrupted(&l, LAB_L2(&l, NOP, NOP), 0x51);
	assert_status(0xff, 0x51);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(lab_read(&l, APIC_POSTED + 8 * i), 0);
	assert_int_equal(lab_read(&l, APIC_POSTED + 32), 0xfe);
	assert_true(vapic_bit(&l, IRR, 0x41));
	assert_true(vapic_bit(&l, IRR, 0x7f));
	assert_true(vapic_bit(&l, IRR, 0xff));
	/* L1's local APIC has it neither pending nor in service */
	assert_int_equal(irqchip_pending(l.v), -1);
	assert_int_equal(lapic_mmio_read(l.v->apic, 0xa0), 0);
	restart(true);
	assert_interrupted(&l, LAB_L2(&l, NOP, NOP), 0xff);
	assert_status(0x7f, 0xff);
	/* any other vector exits */
	restart(false);
	apic_message(&l, MESSAGE_FIXED, APIC_NOTIFICATION - 1);
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_EXTERNAL_INTERRUPT);
	assert_int_equal(l.v12->vm_exit_intr_info, EXTERNAL | (APIC_NOTIFICATION - 1));
}

static void a_posted_interrupt_wakes_from_hlt(void **state)
{
	(void)state;
	apic_delivery(&l);
	l.v12->pin_based_vm_exec_control |= (u32)CTL_posted_interrupts;
	l.v12->vm_exit_controls |= (u32)CTL_ack_interrupt_on_exit;
	restart(true);
	lab_write(&l, APIC_POSTED, BIT(0x35));
	apic_message_in(&l, 1000, MESSAGE_FIXED, APIC_NOTIFICATION);
	assert_interrupted(&l, LAB_L2(&l, HLT, NOP), 0x35);
	assert_int_equal(lab_read(&l, LAB_L2_STACK - 40), LAB_L2_CODE + 1);
	/* one that posts nothing of enough priority doesn't */
	restart(true);
	apic_message_in(&l, 1000, MESSAGE_FIXED, APIC_NOTIFICATION);
	assert_int_equal(LAB_L2(&l, HLT, NOP), EXIT_REASON_PREEMPTION_TIMER);
	assert_int_equal(l.v12->guest_activity_state, ACTIVITY_HLT);
	assert_int_equal(irqchip_pending(l.v), -1);
}

static void a_fault_of_its_delivery_exits_with_the_vector(void **state)
{
	(void)state;
	apic_delivery(&l);
	apic_status(&l, 0x51, 0);
	restart(true);
	l.v12->guest_idtr_limit = 0x1ff;
	l.v12->exception_bitmap = BIT(VEC_GP);
	assert_int_equal(LAB_L2(&l, NOP), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->idt_vectoring_info_field, EXTERNAL | 0x51);
	/* it is in service already */
	assert_status(0, 0x51);
	assert_true(vapic_bit(&l, ISR, 0x51));
}

static void a_page_outside_ram_reads_as_ones_and_keeps_nothing(void **state)
{
	(void)state;
	apic_controls(&l, CTL_tpr_shadow | CTL_msr_bitmaps,
		      CTL_virtualize_x2apic_mode | CTL_apic_register_virtualization);
	l.v12->virtual_apic_page_addr = LAB_NOWHERE;
	assert_int_equal(rdmsr(0x808), ~0ull);
	assert_int_equal(wrmsr(0x808, 0x11), EXIT_REASON_VMCALL);
	apic_delivery(&l);
	l.v12->pin_based_vm_exec_control |= (u32)CTL_posted_interrupts;
	l.v12->vm_exit_controls |= (u32)CTL_ack_interrupt_on_exit;
	l.v12->posted_intr_desc_addr = LAB_NOWHERE;
	l.v12->guest_intr_status = 0xffff;
	apic_message(&l, MESSAGE_FIXED, APIC_NOTIFICATION);
	assert_int_equal(wrmsr(0x80b, 0), EXIT_REASON_VMCALL);
	assert_int_equal(irqchip_pending(l.v), -1);
}

static void these_features_are_offered(void **state)
{
	static const char *const NAMES[] = { "vmx-flexpriority",   "vmx-apicv-xapic",	    "vmx-apicv-x2apic",
					     "vmx-apicv-register", "vmx-apicv-vid",	    "vmx-posted-intr",
					     "vmx-activity-hlt",   "vmx-activity-shutdown", "vmx-activity-wait-sipi" };

	(void)state;
	for (unsigned int i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
		assert_true(vmx_feature_done(NAMES[i]));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest TESTS[] = {
		T(tpr_below_the_threshold_exits_behind_the_instruction),
		T(tpr_below_the_threshold_exits_at_once_on_entry),
		T(a_virtual_interrupt_of_higher_priority_is_delivered_on_entry),
		T(equal_priority_waits),
		T(it_waits_for_the_flag_and_the_shadows_of_sti_and_mov_ss),
		T(it_follows_the_event_that_the_entry_injects),
		T(interrupt_window_exiting_keeps_it_from_being_recognized),
		T(it_wakes_from_hlt),
		T(nmis_come_before_it_and_external_interrupts_behind),
		T(lowering_the_tpr_lets_it_through),
		T(an_eoi_ends_the_interrupt_in_service),
		T(the_eoi_exit_bitmap_makes_an_eoi_exit),
		T(an_ipi_to_itself_is_virtualized),
		T(the_x2apic_msrs_are_on_the_page),
		T(posted_interrupts_are_taken_over_without_an_exit),
		T(a_posted_interrupt_wakes_from_hlt),
		T(a_fault_of_its_delivery_exits_with_the_vector),
		T(a_page_outside_ram_reads_as_ones_and_keeps_nothing),
		T(these_features_are_offered),
	};
#undef T

	return LAB_GROUP("the virtual APIC", TESTS);
}
