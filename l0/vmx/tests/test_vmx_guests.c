/* SPDX-License-Identifier: GPL-2.0-or-later */
/* L2s of other kinds than a 64-bit kernel, and their time: SDM vol. 3, "Unrestricted Guests", "Task Switches", "Time-Stamp Counter Offset". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lab.h"

#define VMCALL 0x0f, 0x01, 0xc1

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

#define SEGMENT(name, selector, base_, limit_, ar) \
	l.v12->guest_##name##_selector = (selector); \
	l.v12->guest_##name##_base = (base_); \
	l.v12->guest_##name##_limit = (limit_); \
	l.v12->guest_##name##_ar_bytes = (ar)

#define DATA_SEGMENTS(selector, base, limit, ar) \
	SEGMENT(ss, selector, base, limit, ar); \
	SEGMENT(ds, selector, base, limit, ar); \
	SEGMENT(es, selector, base, limit, ar); \
	SEGMENT(fs, selector, base, limit, ar); \
	SEGMENT(gs, selector, base, limit, ar)

static void unrestricted(void)
{
	l.v12->secondary_vm_exec_control |= (u32)(CTL_ept | CTL_unrestricted_guest);
	l.v12->vm_entry_controls &= (u32)~CTL_ia32e_mode_guest;
	l.v12->vm_entry_controls |= (u32)CTL_entry_load_efer;
	l.v12->vm_exit_controls |= (u32)(CTL_exit_load_efer | CTL_exit_save_efer);
	l.v12->guest_ia32_efer = 0;
	l.v12->guest_cr4 &= ~CR4_PCIDE;
	l.v12->guest_rflags = FLAG_1;
}

/* Real mode at LAB_L2_CODE: CS 0x4000 */
static void real_mode(void)
{
	unrestricted();
	l.v12->guest_cr0 = CR0_NE | CR0_ET;
	SEGMENT(cs, LAB_L2_CODE >> 4, LAB_L2_CODE, 0xffff, 0x9b);
	DATA_SEGMENTS(LAB_L2_DATA >> 4, LAB_L2_DATA, 0xffff, 0x93);
	l.v12->guest_idtr_base = 0;
	l.v12->guest_idtr_limit = 0x3ff;
	l.v12->guest_rip = 0;
	l.v12->guest_rsp = 0x800;
}

/* 16 bits of L2's code: lab_l2() puts it at guest RIP, which here is an offset */
static u32 run_real(const u8 *code, size_t n)
{
	assert_true(machine_write(&l.machine, LAB_L2_CODE, code, n));
	l.v12->guest_rip = 0;
	return lab_l2(&l, NULL, 0);
}
#define REAL(...) run_real((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static void real_mode_is_real_mode(void **state)
{
	(void)state;
	real_mode();
	/* mov %cs, %ax; mov (0x10), %bx; vmcall */
	lab_write(&l, LAB_L2_DATA + 0x10, 0x1234);
	assert_int_equal(REAL(0x8c, 0xc8, 0x8b, 0x1e, 0x10, 0x00, VMCALL), EXIT_REASON_VMCALL);
	assert_int_equal((u16)l.v->gpr[RAX], LAB_L2_CODE >> 4);
	assert_int_equal((u16)l.v->gpr[RBX], 0x1234);
	assert_int_equal(l.v12->guest_rip, 6);
	assert_int_equal(l.v12->guest_cr0, CR0_NE | CR0_ET);
	/* L1 is in 64-bit mode again */
	assert_int_equal(l.v->efer & EFER_LMA, EFER_LMA);
	assert_int_equal(l.v->cr0 & CR0_PG, CR0_PG);
}

static void real_mode_addresses_have_16_bits_in_exits(void **state)
{
	(void)state;
	real_mode();
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_unconditional_io_exiting;
	l.v->gpr[RDX] = 0x80;
	l.v->gpr[RSI] = 0x10020;
	assert_int_equal(REAL(0x6e), EXIT_REASON_IO_INSTRUCTION); /* outsb */
	assert_int_equal(l.v12->vmx_instruction_info & 0x38380, 3 << 15);
	assert_int_equal(l.v12->guest_linear_address, LAB_L2_DATA + 0x20);
	assert_int_equal(REAL(0x67, 0x26, 0x6e), EXIT_REASON_IO_INSTRUCTION); /* addr32 outsb from ES: beyond its limit */
	assert_int_equal(l.v12->guest_rip, 0);
}

static void an_exception_in_real_mode_goes_through_the_vectors_and_has_no_error_code(void **state)
{
	(void)state;
	real_mode();
	/* vector 0x21 to CS:0x100 */
	lab_write(&l, 0x21 * 4, 0x0100 | (LAB_L2_CODE >> 4) << 16);
	assert_true(machine_write(&l.machine, LAB_L2_CODE + 0x100, (const u8[]){ VMCALL }, 3));
	assert_int_equal(REAL(0xcd, 0x21), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->guest_rip, 0x100);
	assert_int_equal(l.v12->guest_rsp, 0x800 - 6);
	assert_int_equal(lab_read(&l, LAB_L2_DATA + 0x800 - 6) & 0xffffffff, 2 | (LAB_L2_CODE >> 4) << 16);
	/* #GP of an access over the limit, wanted by L1: no error code */
	l.v12->exception_bitmap = BIT(VEC_GP);
	l.v12->guest_rsp = 0x800;
	assert_int_equal(REAL(0x8b, 0x1e, 0xff, 0xff), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->vm_exit_intr_info, 0x8000030d);
}

#define L2_GDT (LAB_L2_DATA + 0x800)
enum { CODE = 0x08, DATA = 0x10, TSS = 0x18, OTHER_TSS = 0x20, GATE = 0x28 };

/* 32 bits without paging, with a GDT of its own that has two tasks */
static void protected_mode(void)
{
	static const u64 GDT[] = { 0,
				   0x00cf9b000000ffff,
				   0x00cf93000000ffff,
				   0x00008b0000000067 | LAB_TSS << 16,
				   0x0000890000000067 | (LAB_TSS + 0x100) << 16,
				   (u64)OTHER_TSS << 16 | 0x850000000000 };

	unrestricted();
	l.v12->guest_cr0 = CR0_NE | CR0_ET | CR0_PE;
	for (unsigned int i = 0; i < 6; i++)
		lab_write(&l, L2_GDT + 8 * i, GDT[i]);
	SEGMENT(cs, CODE, 0, ~0u, 0xc09b);
	DATA_SEGMENTS(DATA, 0, ~0u, 0xc093);
	SEGMENT(tr, TSS, LAB_TSS, 0x67, 0x8b);
	l.v12->guest_gdtr_base = L2_GDT;
	l.v12->guest_gdtr_limit = 0x2f;
	/* vector 0x20 is a task gate */
	l.v12->guest_idtr_base = LAB_L2_IDT;
	l.v12->guest_idtr_limit = 0x7ff;
	lab_write(&l, LAB_L2_IDT + 8 * 0x20, (u64)OTHER_TSS << 16 | 0x850000000000);
	lab_write(&l, LAB_TSS, OTHER_TSS); /* the task that IRET goes back to */
	l.v12->guest_rip = LAB_L2_CODE;
	l.v12->guest_rsp = LAB_L2_STACK;
}

static void task_switches_exit_with_their_source(void **state)
{
	(void)state;
	protected_mode();
	assert_int_equal(LAB_L2(&l, 0xea, 0, 0, 0, 0, OTHER_TSS, 0), EXIT_REASON_TASK_SWITCH); /* far JMP */
	assert_int_equal(l.v12->exit_qualification, OTHER_TSS | 2u << 30);
	assert_int_equal(l.v12->vm_exit_instruction_len, 7);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	assert_int_equal(LAB_L2(&l, 0x9a, 0, 0, 0, 0, GATE, 0), EXIT_REASON_TASK_SWITCH); /* far CALL of a gate */
	assert_int_equal(l.v12->exit_qualification, OTHER_TSS);
	l.v12->guest_rflags = FLAG_1 | FLAG_NT;
	lab_write(&l, L2_GDT + OTHER_TSS,
		  lab_read(&l, L2_GDT + OTHER_TSS) | 2ull << 40); /* busy, as the caller of a task is */
	assert_int_equal(LAB_L2(&l, 0xcf), EXIT_REASON_TASK_SWITCH);
	assert_int_equal(l.v12->exit_qualification, OTHER_TSS | 1u << 30);
	lab_write(&l, L2_GDT + OTHER_TSS, lab_read(&l, L2_GDT + OTHER_TSS) & ~(2ull << 40));
	l.v12->guest_rflags = FLAG_1;
	assert_int_equal(LAB_L2(&l, 0xcd, 0x20), EXIT_REASON_TASK_SWITCH);
	assert_int_equal(l.v12->exit_qualification, OTHER_TSS | 3u << 30);
	assert_int_equal(l.v12->idt_vectoring_info_field, 0x80000420);
	assert_int_equal(l.v12->vm_exit_instruction_len, 2);
	/* TR is the old task's */
	assert_int_equal(l.v12->guest_tr_selector, TSS);
}

static void l2_turns_paging_on_by_itself(void **state)
{
	(void)state;
	protected_mode();
	/* a page directory of one 4 MiB page, where it is */
	lab_write(&l, LAB_L2_DATA + 0x1000, 0xe7);
	/* mov $.., %eax; mov %eax, %cr3; mov %cr4, %eax; and $~PAE, %al; or $PSE, %al; mov %eax, %cr4; mov %cr0, %eax; or PG; ... */
	l.v12->guest_cr4 = (l.v12->guest_cr4 & ~CR4_PAE) | CR4_PSE;
	l.v->gpr[RAX] = LAB_L2_DATA + 0x1000;
	l.v->gpr[RCX] = CR0_PG | CR0_NE | CR0_ET | CR0_PE;
	l.v12->cpu_based_vm_exec_control &= (u32)~CTL_cr3_load_exiting;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x22, 0xd8, 0x0f, 0x22, 0xc1, 0xeb, 0x00, VMCALL), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->guest_cr0 & CR0_PG, CR0_PG);
	assert_int_equal(l.v12->guest_cr3, LAB_L2_DATA + 0x1000);
	assert_int_equal(l.v12->vm_entry_controls & CTL_ia32e_mode_guest, 0);
	/* and an address beyond that page is a page fault of L2's */
	l.v12->exception_bitmap = BIT(VEC_PF);
	l.v->gpr[RBX] = 0x400000;
	l.v12->guest_rip = LAB_L2_CODE;
	assert_int_equal(LAB_L2(&l, 0x8b, 0x03), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->exit_qualification, 0x400000);
}

static u64 tsc_of_l2(void)
{
	l.v12->guest_rip = LAB_L2_CODE;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x31, VMCALL), EXIT_REASON_VMCALL);
	return (u32)l.v->gpr[RAX] | l.v->gpr[RDX] << 32;
}

static void l2_has_a_time_of_its_own(void **state)
{
	const u64 slack = 10000000; /* what passes between two entries */
	u64 before = tsc_of_l2(), shifted, scaled;

	(void)state;
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_tsc_offsetting;
	l.v12->tsc_offset = 1ull << 40;
	shifted = tsc_of_l2();
	assert_in_range(shifted - (1ull << 40), before, before + slack);
	l.v12->tsc_offset = -before;
	assert_in_range(tsc_of_l2(), 0, slack);
	/* three times as fast, then the offset */
	l.v12->secondary_vm_exec_control |= (u32)CTL_tsc_scaling;
	l.v12->tsc_multiplier = 3ull << 48;
	l.v12->tsc_offset = 1ull << 50;
	scaled = tsc_of_l2() - (1ull << 50);
	assert_in_range(scaled, 3 * before, 3 * (before + slack));
	/* RDMSR of IA32_TIME_STAMP_COUNTER is the same time */
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_msr_bitmaps;
	l.v->gpr[RCX] = 0x10;
	l.v12->guest_rip = LAB_L2_CODE;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x32, VMCALL), EXIT_REASON_VMCALL);
	assert_in_range(((u32)l.v->gpr[RAX] | l.v->gpr[RDX] << 32) - (1ull << 50), scaled, scaled + 3 * slack);
}

/*
 * With the host's clock RDTSC and RDTSCP are translated code: the same time, the same exits with the registers as they were, and none of them
 * sees a time at which the preemption timer is over.
 */
static void l2_reads_its_time_without_leaving_translated_code(void **state)
{
	static const u8 READ_FOR_EVER[] = { 0x0f, 0x31, 0x48, 0x89, 0xc3, 0x49, 0x89, 0xd0, 0xeb, 0xf6 };
	const u64 slack = 10000000000ull; /* a busy host is slow */
	u64 before, now;

	(void)state;
	clock_init(&l.machine.clock, CLOCK_HOST);
	l.v12->pin_based_vm_exec_control &= (u32)~CTL_preemption_timer;
	l.v12->secondary_vm_exec_control |= (u32)CTL_enable_rdtscp;
	before = tsc_of_l2();
	assert_in_range(before, 1, slack);
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_tsc_offsetting;
	l.v12->tsc_offset = 1ull << 60;
	assert_in_range(tsc_of_l2() - (1ull << 60), before, before + slack);
	l.v12->secondary_vm_exec_control |= (u32)CTL_tsc_scaling;
	l.v12->tsc_multiplier = TSC_ONE;
	assert_in_range(tsc_of_l2() - (1ull << 60), before, before + slack);
	l.v12->tsc_multiplier = TSC_ONE << 4;
	assert_in_range(tsc_of_l2() - (1ull << 60), before << 4, (before + slack) << 4);
	l.v12->cpu_based_vm_exec_control &= (u32)~CTL_tsc_offsetting;
	l.v12->secondary_vm_exec_control &= (u32)~CTL_tsc_scaling;
	l.v->tsc_aux = 0x4711;
	l.v12->guest_rip = LAB_L2_CODE;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xf9, VMCALL), EXIT_REASON_VMCALL);
	assert_int_equal(l.v->gpr[RCX], 0x4711);

	/* rdtsc; mov rbx, rax; mov r8, rdx; jmp back */
	l.v12->pin_based_vm_exec_control |= (u32)CTL_preemption_timer;
	l.v12->vmx_preemption_timer_value = 10000;
	l.v12->guest_rip = LAB_L2_CODE;
	/* on a busy host it may be over before the first one */
	l.v->gpr[RAX] = l.v->gpr[RBX] = (u32)before;
	l.v->gpr[RDX] = l.v->gpr[R8] = before >> 32;
	assert_int_equal(lab_l2(&l, READ_FOR_EVER, sizeof(READ_FOR_EVER)), EXIT_REASON_PREEMPTION_TIMER);
	now = (u32)l.v->gpr[RAX] | l.v->gpr[RDX] << 32;
	assert_in_range(now, before, l.v->vmx->timer_start + (10000ull << PREEMPTION_TIMER_SHIFT) - 1);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	assert_int_equal(l.v->gpr[RBX], l.v->gpr[RAX]);
	assert_int_equal(l.v->gpr[R8], l.v->gpr[RDX]);

	/* the same translation, and an L1 that wants to see it */
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_rdtsc_exiting;
	l.v->gpr[RAX] = 1ull << 40;
	l.v->gpr[RDX] = 1ull << 41;
	l.v12->guest_rip = LAB_L2_CODE;
	assert_int_equal(lab_l2(&l, READ_FOR_EVER, sizeof(READ_FOR_EVER)), EXIT_REASON_RDTSC);
	assert_int_equal(l.v->gpr[RAX], 1ull << 40);
	assert_int_equal(l.v->gpr[RDX], 1ull << 41);
}

/* pause; jmp back */
static void a_loop_of_pause_exits_when_its_window_is_over(void **state)
{
	(void)state;
	l.v12->secondary_vm_exec_control |= (u32)CTL_pause_loop_exiting;
	l.v12->ple_gap = 1000;
	l.v12->ple_window = 5000;
	assert_int_equal(LAB_L2(&l, 0xf3, 0x90, 0xeb, 0xfc), EXIT_REASON_PAUSE_INSTRUCTION);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	/* a gap that is always over: never */
	l.v12->ple_gap = 0;
	l.v12->guest_rip = LAB_L2_CODE;
	assert_int_equal(LAB_L2(&l, 0xf3, 0x90, 0xeb, 0xfc), EXIT_REASON_PREEMPTION_TIMER);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void l2_that_runs_what_is_no_memory_is_told_so_and_l1_goes_on(void **state)
{
	static const u64 NO_MEMORY[] = { LAB_NOWHERE, 0xfec00000, 0xfee00000, LAB_RAM };

	(void)state;
	l.v12->exception_bitmap = BIT(VEC_UD);
	for (unsigned int i = 0; i < sizeof(NO_MEMORY) / sizeof(NO_MEMORY[0]); i++) {
		l.v->gpr[RAX] = NO_MEMORY[i];
		assert_int_equal(LAB_L2(&l, 0xff, 0xe0), EXIT_REASON_EXCEPTION_NMI); /* JMP RAX */
		assert_int_equal(l.v12->vm_exit_intr_info, 0x80000306);
		assert_int_equal(l.v12->guest_rip, NO_MEMORY[i]);
		l.v12->guest_rip = LAB_L2_CODE;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(real_mode_is_real_mode),
		T(real_mode_addresses_have_16_bits_in_exits),
		T(an_exception_in_real_mode_goes_through_the_vectors_and_has_no_error_code),
		T(task_switches_exit_with_their_source),
		T(l2_turns_paging_on_by_itself),
		T(l2_has_a_time_of_its_own),
		T(l2_reads_its_time_without_leaving_translated_code),
		T(a_loop_of_pause_exits_when_its_window_is_over),
		T(l2_that_runs_what_is_no_memory_is_told_so_and_l1_goes_on),
	};

	return LAB_GROUP("kinds of L2", tests);
}
