/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SDM vol. 3, "Virtualizing Memory-Mapped APIC Accesses". */
#include "apic_lab.h"
#include "../../cpu/model.h"

static struct lab l;

static int setup(void **state)
{
	(void)state;
	apic_lab(&l);
	apic_controls(&l, 0, CTL_virtualize_apic_accesses);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_destroy(&l);
	return 0;
}

static void without_a_tpr_shadow_every_access_exits(void **state)
{
	static const unsigned int OFFSETS[] = { 0, 0x20, TPR, 0x84, EOI, ICR, 0xff8 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(OFFSETS) / sizeof(OFFSETS[0]); i++)
		for (unsigned int size = 1; size <= 8; size *= 2) {
			unsigned int n = size == 2 || size == 8 ? 3 : 2;

			l.v->gpr[RAX] = 0x1234;
			assert_apic_access(&l, apic_load(&l, APIC_PAGE + OFFSETS[i], size), READ, OFFSETS[i], n);
			assert_int_equal(l.v->gpr[RAX], 0x1234);
			assert_apic_access(&l, apic_store(&l, APIC_PAGE + OFFSETS[i], size), WRITE, OFFSETS[i], n);
			assert_int_equal(lab_read(&l, APIC_PAGE + (OFFSETS[i] & ~7u)), APIC_MARK);
		}
	/* or rax, [rbx]; or [rbx], eax; push rax */
	l.v->gpr[RBX] = APIC_PAGE + TPR;
	assert_apic_access(&l, LAB_L2(&l, 0x48, 0x0b, 0x03), READ, TPR, 3);
	assert_apic_access(&l, LAB_L2(&l, 0x09, 0x03), WRITE, TPR, 2);
	l.v12->guest_rsp = APIC_PAGE + 0x88;
	assert_apic_access(&l, LAB_L2(&l, 0x50), WRITE, TPR, 1);
	assert_int_equal(l.v12->guest_rsp, APIC_PAGE + 0x88);
}

static void its_neighbours_are_memory_and_what_crosses_the_edge_exits(void **state)
{
	(void)state;
	apic_controls(&l, CTL_tpr_shadow, CTL_apic_register_virtualization);
	lab_write(&l, APIC_PAGE + 4096, 0x1122334455667788);
	lab_write(&l, APIC_PAGE - 8, 0x8877665544332211);
	assert_int_equal(apic_load(&l, APIC_PAGE + 4096, 8), EXIT_REASON_VMCALL);
	assert_int_equal(l.v->gpr[RAX], 0x1122334455667788);
	assert_int_equal(apic_load(&l, APIC_PAGE - 8, 8), EXIT_REASON_VMCALL);
	assert_int_equal(l.v->gpr[RAX], 0x8877665544332211);
	/* one byte of it is on the page before */
	assert_apic_access(&l, apic_load(&l, APIC_PAGE - 1, 4), READ, 0, 2);
	assert_apic_access(&l, apic_store(&l, APIC_PAGE - 1, 4), WRITE, 0, 2);
	assert_int_equal(lab_read(&l, APIC_PAGE - 8), 0x8877665544332211);
	assert_apic_access(&l, apic_load(&l, APIC_PAGE + 0xfff, 2), READ, 0xfff, 3);
	/* what was found as memory before it became the APIC-access page, and the other way round */
	l.v12->secondary_vm_exec_control &= (u32)~CTL_virtualize_apic_accesses;
	l.v12->tpr_threshold = 0;
	assert_int_equal(apic_load(&l, APIC_PAGE, 8), EXIT_REASON_VMCALL);
	assert_int_equal(l.v->gpr[RAX], APIC_MARK);
	apic_controls(&l, 0, CTL_virtualize_apic_accesses);
	assert_apic_access(&l, apic_load(&l, APIC_PAGE, 8), READ, 0, 3);
}

static void l1_itself_sees_plain_memory(void **state)
{
	(void)state;
	assert_apic_access(&l, apic_load(&l, APIC_PAGE + TPR, 4), READ, TPR, 2);
	l.v->gpr[RBX] = APIC_PAGE + TPR;
	assert_int_equal(LAB_RUN(&l, 0x48, 0x8b, 0x03), LAB_DONE);
	assert_int_equal(l.v->gpr[RAX], APIC_MARK);
}

static void instructions_are_not_fetched_from_it(void **state)
{
	static const u8 NOP = 0x90;

	(void)state;
	/* jmp rbx */
	l.v->gpr[RBX] = APIC_PAGE + 0x123;
	assert_int_equal(LAB_L2(&l, 0xff, 0xe3), EXIT_REASON_APIC_ACCESS);
	assert_int_equal(l.v12->exit_qualification, 0x123 | FETCH << 12);
	assert_int_equal(l.v12->guest_rip, APIC_PAGE + 0x123);
	/* an instruction whose end is there: mov eax, imm32 */
	l.v12->guest_rip = LAB_L2_CODE;
	l.v->gpr[RBX] = APIC_PAGE - 1;
	assert_true(machine_write(&l.machine, APIC_PAGE - 1, (const u8[]){ 0xb8 }, 1));
	assert_int_equal(LAB_L2(&l, 0xff, 0xe3), EXIT_REASON_APIC_ACCESS);
	assert_int_equal(l.v12->exit_qualification, FETCH << 12);
	assert_int_equal(l.v12->guest_rip, APIC_PAGE - 1);
	/* code runs into it */
	assert_true(machine_write(&l.machine, APIC_PAGE - 1, &NOP, 1));
	l.v12->guest_rip = LAB_L2_CODE;
	assert_int_equal(LAB_L2(&l, 0xff, 0xe3), EXIT_REASON_APIC_ACCESS);
	assert_int_equal(l.v12->exit_qualification, FETCH << 12);
	assert_int_equal(l.v12->guest_rip, APIC_PAGE);
}

static void the_delivery_of_an_event_exits_with_the_event(void **state)
{
	(void)state;
	/* int 0x31 with a stack that ends there */
	l.v12->guest_rsp = APIC_PAGE + 0x100;
	assert_apic_access(&l, LAB_L2(&l, 0xcd, 0x31), EVENT, 0xd8, 2);
	assert_int_equal(l.v12->idt_vectoring_info_field, BIT(31) | 4 << 8 | 0x31);
	/* an IDT there */
	l.v12->guest_rsp = LAB_L2_STACK;
	l.v12->guest_idtr_base = APIC_PAGE;
	assert_apic_access(&l, LAB_L2(&l, 0x0f, 0x0b), EVENT, 16 * VEC_UD, 0);
	assert_int_equal(l.v12->idt_vectoring_info_field, BIT(31) | 3 << 8 | VEC_UD);
	/* injected */
	l.v12->vm_entry_intr_info_field = (u32)(BIT(31) | 0x40);
	l.v12->guest_rflags |= FLAG_IF;
	assert_apic_access(&l, LAB_L2(&l, 0x90), EVENT, 16 * 0x40 & 4095, 0);
	assert_int_equal(l.v12->idt_vectoring_info_field, BIT(31) | 0x40);
}

static void page_faults_come_first_and_accessed_flags_are_set(void **state)
{
	const u64 pd = LAB_TABLES + 0x2000;
	u64 entry;

	(void)state;
	entry = lab_read(&l, pd);
	/* L2's page directory is its own here: 4 KiB pages for the first 2 MiB */
	for (unsigned int i = 0; i < 512; i++)
		lab_write(&l, 0x70000 + 8 * i, (u64)i << 12 | 0x67);
	lab_write(&l, pd, 0x70000 | 7);
	lab_write(&l, 0x70000 + 8 * (APIC_PAGE >> 12), APIC_PAGE | 0); /* not present */
	l.v12->exception_bitmap = BIT(VEC_PF);
	assert_int_equal(apic_load(&l, APIC_PAGE + TPR, 4), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->exit_qualification, APIC_PAGE + TPR);
	lab_write(&l, 0x70000 + 8 * (APIC_PAGE >> 12), APIC_PAGE | 1); /* read-only */
	assert_apic_access(&l, apic_load(&l, APIC_PAGE + TPR, 4), READ, TPR, 2);
	assert_int_equal(lab_read(&l, 0x70000 + 8 * (APIC_PAGE >> 12)), APIC_PAGE | 0x21);
	assert_int_equal(apic_store(&l, APIC_PAGE + TPR, 4), EXIT_REASON_EXCEPTION_NMI);
	lab_write(&l, 0x70000 + 8 * (APIC_PAGE >> 12), APIC_PAGE | 3);
	assert_apic_access(&l, apic_store(&l, APIC_PAGE + TPR, 4), WRITE, TPR, 2);
	assert_int_equal(lab_read(&l, 0x70000 + 8 * (APIC_PAGE >> 12)), APIC_PAGE | 0x63);
	lab_write(&l, pd, entry);
}

static void paging_structures_of_l2_there_exit_with_ept(void **state)
{
	(void)state;
	l.v12->secondary_vm_exec_control |= (u32)CTL_ept;
	memcpy(memory_host(&l.machine.memory, APIC_PAGE), memory_host(&l.machine.memory, LAB_TABLES), 4096);
	l.v12->guest_cr3 = APIC_PAGE;
	assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_APIC_ACCESS);
	assert_int_equal(l.v12->exit_qualification >> 12, PHYSICAL);
	/* and while an event is delivered */
	l.v12->vm_entry_intr_info_field = (u32)(BIT(31) | 3 << 8 | VEC_UD);
	assert_int_equal(LAB_L2(&l, 0x90), EXIT_REASON_APIC_ACCESS);
	assert_int_equal(l.v12->exit_qualification >> 12, PHYSICAL_EVENT);
	assert_int_equal(l.v12->idt_vectoring_info_field, BIT(31) | 3 << 8 | VEC_UD);
	/* without EPT these are physical accesses, which don't exit here */
	l.v12->secondary_vm_exec_control &= (u32)~CTL_ept;
	l.v12->guest_rip = LAB_L2_CODE;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
}

static void through_ept_the_page_is_found_by_where_it_is_in_l1(void **state)
{
	(void)state;
	l.v12->secondary_vm_exec_control |= (u32)CTL_ept;
	assert_apic_access(&l, apic_load(&l, APIC_PAGE + TPR, 4), READ, TPR, 2);
	/* L2's second 2 MiB are L1's first */
	lab_write(&l, LAB_EPT + 0x2000 + 8, 0xb7);
	assert_apic_access(&l, apic_load(&l, 0x200000 + APIC_PAGE + TPR, 4), READ, TPR, 2);
	lab_write(&l, 0x200000 + APIC_PAGE, 0x12345678);
	lab_write(&l, LAB_EPT + 0x2000 + 8, 0x200000 | 0xb7);
}

static void check_one(unsigned int offset, unsigned int size, bool delivery, bool registers)
{
	bool reads = apic_goes_to_page(offset, size, false, delivery, registers);
	u64 mask = size == 8 ? ~0ull : BIT(8 * size) - 1, seen;
	unsigned int n = size == 2 || size == 8 ? 3 : 2;
	u32 reason;

	l.v->gpr[RAX] = 0x1111111111111111;
	lab_write(&l, LAB_VAPIC + (offset & ~7u), 0x8081828384858687);
	reason = apic_load(&l, APIC_PAGE + offset, size);
	if (!reads) {
		assert_apic_access(&l, reason, READ, offset, n);
		assert_int_equal(l.v->gpr[RAX], 0x1111111111111111);
	} else {
		assert_int_equal(reason, EXIT_REASON_VMCALL);
		memcpy(&seen, memory_host(&l.machine.memory, LAB_VAPIC + offset), 8);
		assert_int_equal(l.v->gpr[RAX] & mask, seen & mask);
	}
	/* what becomes of a write that is virtualized is another test's */
	if (apic_goes_to_page(offset, size, true, delivery, registers))
		return;
	assert_apic_access(&l, apic_store(&l, APIC_PAGE + offset, size), WRITE, offset, n);
	if ((offset & ~7u) != PPR) /* that VM entry writes */
		assert_int_equal(lab_read(&l, LAB_VAPIC + (offset & ~7u)), 0x8081828384858687);
	assert_int_equal(lab_read(&l, APIC_PAGE + (offset & ~7u)), APIC_MARK);
}

static void check_all(bool delivery, bool registers)
{
	static const u8 IN_BLOCK[] = { 0, 1, 2, 3, 4, 12 };

	for (unsigned int block = 0; block < 0x420; block += 16)
		for (unsigned int i = 0; i < sizeof(IN_BLOCK); i++)
			for (unsigned int size = 1; size <= 8; size *= 2)
				check_one(block + IN_BLOCK[i], size, delivery, registers);
}

static void with_a_tpr_shadow_the_tpr_is_virtualized(void **state)
{
	(void)state;
	apic_controls(&l, CTL_tpr_shadow, 0);
	check_all(false, false);
}

static void with_virtual_interrupt_delivery_eoi_and_icr_are_too(void **state)
{
	(void)state;
	apic_delivery(&l);
	check_all(true, false);
}

static void with_apic_register_virtualization_a_list_of_registers_is(void **state)
{
	(void)state;
	apic_controls(&l, CTL_tpr_shadow, CTL_apic_register_virtualization);
	check_all(false, true);
}

static void a_write_that_nothing_virtualizes_exits_behind_its_instruction(void **state)
{
	static const unsigned int OFFSETS[] = { 0x20,  0x81, EOI,   0xb2,  0xd0,  0xe3,	 0xf0,
						0x280, ICR,  0x301, 0x320, 0x370, 0x380, 0x3e0 };

	(void)state;
	apic_controls(&l, CTL_tpr_shadow, CTL_apic_register_virtualization);
	for (unsigned int i = 0; i < sizeof(OFFSETS) / sizeof(OFFSETS[0]); i++) {
		unsigned int size = OFFSETS[i] & 3 ? 1 : 4;

		l.v->gpr[RAX] = 0x87654321;
		vapic_set(&l, OFFSETS[i] & ~3u, 0);
		assert_int_equal(apic_store(&l, APIC_PAGE + OFFSETS[i], size), EXIT_REASON_APIC_WRITE);
		assert_int_equal(l.v12->exit_qualification, OFFSETS[i]);
		assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 2);
		assert_int_equal(vapic(&l, OFFSETS[i] & ~3u), size == 4 ? 0x87654321 : 0x21u << 8 * (OFFSETS[i] & 3));
	}
	/* but for the upper half of the ICR, of which only the destination is kept */
	assert_int_equal(apic_store(&l, APIC_PAGE + ICR_HIGH, 4), EXIT_REASON_VMCALL);
	assert_int_equal(vapic(&l, ICR_HIGH), 0x87000000);
}

/* in the middle of a block, by an instruction that reads and writes, by string instructions */
static void every_instruction_that_writes_is_followed_by_its_exit(void **state)
{
	(void)state;
	apic_controls(&l, CTL_tpr_shadow, CTL_apic_register_virtualization);
	l.v->gpr[RBX] = APIC_PAGE + 0xf0;
	l.v->gpr[RAX] = 1;
	vapic_set(&l, 0xf0, 0x100);
	/* nop; or [rbx], eax; inc eax */
	assert_int_equal(LAB_L2(&l, 0x90, 0x09, 0x03, 0xff, 0xc0), EXIT_REASON_APIC_WRITE);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 3);
	assert_int_equal(vapic(&l, 0xf0), 0x101);
	assert_int_equal(l.v->gpr[RAX], 1);
	/* xchg [rbx], eax */
	l.v12->guest_rip = LAB_L2_CODE;
	assert_int_equal(LAB_L2(&l, 0x87, 0x03), EXIT_REASON_APIC_WRITE);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 2);
	assert_int_equal(vapic(&l, 0xf0), 1);
	assert_int_equal(l.v->gpr[RAX], 0x101);
	/* rep stosd: one iteration, and RCX says how many are left */
	l.v->gpr[RDI] = APIC_PAGE + 0xf0;
	l.v->gpr[RCX] = 3;
	l.v12->guest_rip = LAB_L2_CODE;
	assert_int_equal(LAB_L2(&l, 0xf3, 0xab), EXIT_REASON_APIC_WRITE);
	assert_int_equal(l.v12->exit_qualification, 0xf0);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	assert_int_equal(l.v->gpr[RCX], 2);
	assert_int_equal(vapic(&l, 0xf0), 0x101);
	assert_apic_access(&l, lab_resume(&l), WRITE, 0xf4, 2);
	/* movsd from one register to another */
	l.v->gpr[RSI] = APIC_PAGE + 0x20;
	l.v->gpr[RDI] = APIC_PAGE + 0xd0;
	vapic_set(&l, 0x20, 0x7000000);
	l.v12->guest_rip = LAB_L2_CODE;
	assert_int_equal(LAB_L2(&l, 0xa5), EXIT_REASON_APIC_WRITE);
	assert_int_equal(vapic(&l, 0xd0), 0x7000000);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 1);
}

static void one_operation_writes_one_register(void **state)
{
	(void)state;
	if (!model_has(&l.model, FEATURE_AVX2))
		skip();
	apic_controls(&l, CTL_tpr_shadow, CTL_apic_register_virtualization);
	/* vmovdqu ymm1, [rsi]; vpmaskmovd [rbx], ymm1, ymm1: the first and the fifth doubleword, which are 16 bytes apart */
	for (unsigned int i = 0; i < 4; i++)
		lab_write(&l, LAB_L2_DATA + 8 * i, i % 2 ? 0 : 0x80000000);
	vapic_set(&l, 0xd0, 0);
	vapic_set(&l, 0xe0, 0);
	l.v->gpr[RSI] = LAB_L2_DATA;
	l.v->gpr[RBX] = APIC_PAGE + 0xd0;
	assert_int_equal(LAB_L2(&l, 0xc5, 0xfe, 0x6f, 0x0e, 0xc4, 0xe2, 0x75, 0x8e, 0x0b), EXIT_REASON_APIC_ACCESS);
	assert_int_equal(l.v12->exit_qualification, 0xe0 | WRITE << 12);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 4);
	/* the first has been written, but nothing follows from it */
	assert_int_equal(vapic(&l, 0xd0), 0x80000000);
	assert_int_equal(vapic(&l, 0xe0), 0);
	/* one doubleword alone */
	lab_write(&l, LAB_L2_DATA + 16, 0);
	l.v12->guest_rip = LAB_L2_CODE;
	assert_int_equal(LAB_L2(&l, 0xc5, 0xfe, 0x6f, 0x0e, 0xc4, 0xe2, 0x75, 0x8e, 0x0b), EXIT_REASON_APIC_WRITE);
	assert_int_equal(l.v12->exit_qualification, 0xd0);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 9);
}

static void a_single_step_trap_waits_behind_the_exit(void **state)
{
	(void)state;
	apic_controls(&l, CTL_tpr_shadow, CTL_apic_register_virtualization);
	l.v12->guest_rflags |= FLAG_TF;
	assert_int_equal(apic_store(&l, APIC_PAGE + 0xf0, 4), EXIT_REASON_APIC_WRITE);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 2);
	assert_int_equal(l.v12->guest_pending_dbg_exceptions, BIT(14));
	/* and so does the monitor trap flag's */
	l.v12->guest_rflags = FLAG_1;
	l.v12->guest_pending_dbg_exceptions = 0;
	apic_controls(&l, CTL_monitor_trap_flag, 0);
	assert_int_equal(apic_store(&l, APIC_PAGE + 0xf0, 4), EXIT_REASON_APIC_WRITE);
	assert_int_equal(apic_store(&l, APIC_PAGE + ICR_HIGH, 4), EXIT_REASON_MONITOR_TRAP_FLAG);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest TESTS[] = {
		T(without_a_tpr_shadow_every_access_exits),
		T(its_neighbours_are_memory_and_what_crosses_the_edge_exits),
		T(l1_itself_sees_plain_memory),
		T(instructions_are_not_fetched_from_it),
		T(the_delivery_of_an_event_exits_with_the_event),
		T(page_faults_come_first_and_accessed_flags_are_set),
		T(paging_structures_of_l2_there_exit_with_ept),
		T(through_ept_the_page_is_found_by_where_it_is_in_l1),
		T(with_a_tpr_shadow_the_tpr_is_virtualized),
		T(with_virtual_interrupt_delivery_eoi_and_icr_are_too),
		T(with_apic_register_virtualization_a_list_of_registers_is),
		T(a_write_that_nothing_virtualizes_exits_behind_its_instruction),
		T(every_instruction_that_writes_is_followed_by_its_exit),
		T(one_operation_writes_one_register),
		T(a_single_step_trap_waits_behind_the_exit),
	};
#undef T

	return LAB_GROUP("the APIC-access page", TESTS);
}
