/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an L1 can get wrong about memory: regions, tables, bitmaps and lists that are in devices, beyond RAM, in each other. L1 gets the
 * failure that the manual has for it; where the manual's processor would read from a bus, nobody answers: all ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lab.h"

#define PAGE 4096ull
#define WIDTH 46 /* of physical addresses, on a Skylake server */
#define EPT_ALL 0x37ull
#define LARGE 0x80ull
#define AT 0x800000ull /* a page of 2 MiB, whose entry in EPT's directory is tried */
#define VMCALL 0x0f, 0x01, 0xc1
#define FAILED_ENTRY(reason) (EXIT_REASON_##reason | VM_EXIT_FAILED_ENTRY)

/* no memory: a hole, the local APIC, the I/O APIC, right behind RAM, the end of the 32-bit space, the last page there is */
static const u64 NO_RAM[] = { LAB_NOWHERE, 0xfee00000, 0xfec00000, LAB_RAM, 0xfffff000, BIT(WIDTH) - PAGE };
/* addresses that no page has */
static const u64 NO_PAGE[] = { 1, LAB_BITMAPS + 0x800, BIT(WIDTH), BIT(63), ~0ull, ~0ull << 12 };
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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
}

static void regions_where_no_memory_is(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < COUNT(NO_RAM); i++) {
		assert_int_equal(lab_vmptrld(&l, NO_RAM[i]), 11);
		assert_int_equal(lab_vmclear(&l, NO_RAM[i]), 0); /* it looks at no revision */
	}
	for (unsigned int i = 0; i < COUNT(NO_PAGE); i++) {
		assert_int_equal(lab_vmptrld(&l, NO_PAGE[i]), 9);
		assert_int_equal(lab_vmclear(&l, NO_PAGE[i]), 2);
	}
	assert_int_equal(l.v->vmx->current, LAB_VMCS);
	/* the last page of RAM is as good as any */
	lab_write(&l, LAB_RAM - PAGE, VMCS_REVISION);
	assert_int_equal(lab_vmptrld(&l, LAB_RAM - PAGE), 0);
}

static void every_wrong_bit_of_a_revision(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 31; bit++) {
		lab_write(&l, LAB_VMCS2, VMCS_REVISION ^ BIT(bit));
		assert_int_equal(lab_vmptrld(&l, LAB_VMCS2), 11);
	}
}

static void set(u64 encoding, u64 value)
{
	vmcs_set(l.v12, vmcs_find(encoding), encoding, value);
}

/* Addresses in the controls: what no page has is error 7; where no memory is, is as good as any. */
static void addresses_in_the_controls_are_checked(void **state)
{
	const struct {
		u64 field, proc, proc2;
	} ROWS[] = {
		{ VMCS_io_bitmap_a, CTL_io_bitmaps, 0 },
		{ VMCS_io_bitmap_b, CTL_io_bitmaps, 0 },
		{ VMCS_msr_bitmap, CTL_msr_bitmaps, 0 },
		{ VMCS_virtual_apic_page_addr, CTL_tpr_shadow, 0 },
		{ VMCS_apic_access_addr, 0, CTL_virtualize_apic_accesses },
		{ VMCS_pml_address, 0, CTL_ept | CTL_pml },
		{ VMCS_eptp_list_address, 0, CTL_ept | CTL_vm_functions },
		{ VMCS_vmread_bitmap, 0, CTL_vmcs_shadowing },
		{ VMCS_vmwrite_bitmap, 0, CTL_vmcs_shadowing },
	};
	u32 proc = l.v12->cpu_based_vm_exec_control;

	(void)state;
	l.v12->vm_function_control = CTL_eptp_switching;
	for (unsigned int i = 0; i < COUNT(ROWS); i++) {
		u64 good = vmcs_get(l.v12, vmcs_find(ROWS[i].field), ROWS[i].field);

		l.v12->cpu_based_vm_exec_control = proc | (u32)ROWS[i].proc;
		l.v12->secondary_vm_exec_control = (u32)ROWS[i].proc2;
		for (unsigned int k = 0; k < COUNT(NO_PAGE); k++) {
			again();
			set(ROWS[i].field, NO_PAGE[k]);
			assert_int_equal(LAB_L2(&l, VMCALL), LAB_FAILED + 7);
		}
		for (unsigned int k = 0; k < COUNT(NO_RAM); k++) {
			again();
			set(ROWS[i].field, NO_RAM[k]);
			assert_int_equal(LAB_L2(&l, VMCALL), EXIT_REASON_VMCALL);
		}
		set(ROWS[i].field, good);
	}
}

static void addresses_of_msr_lists_are_checked(void **state)
{
	const u64 ROWS[][2] = { { VMCS_vm_exit_msr_store_addr, VMCS_vm_exit_msr_store_count },
				{ VMCS_vm_exit_msr_load_addr, VMCS_vm_exit_msr_load_count },
				{ VMCS_vm_entry_msr_load_addr, VMCS_vm_entry_msr_load_count } };
	const u64 BAD[] = { LAB_LISTS + 8, BIT(WIDTH), BIT(WIDTH) - 16, ~0ull };

	(void)state;
	for (unsigned int i = 0; i < COUNT(ROWS); i++) {
		for (unsigned int k = 0; k < COUNT(BAD); k++) {
			set(ROWS[i][0], BAD[k]);
			set(ROWS[i][1], 2); /* of BIT(WIDTH) - 16 the second is too high */
			again();
			assert_int_equal(LAB_L2(&l, VMCALL), LAB_FAILED + 7);
			set(ROWS[i][1], 0); /* nothing of it is used */
			again();
			assert_int_equal(LAB_L2(&l, VMCALL), EXIT_REASON_VMCALL);
		}
		set(ROWS[i][0], LAB_LISTS);
	}
	/* lists where no memory is: an index of all ones, and reserved bits that aren't 0 */
	l.v12->vm_entry_msr_load_addr = LAB_NOWHERE;
	l.v12->vm_entry_msr_load_count = 3;
	again();
	assert_int_equal(LAB_L2(&l, VMCALL), FAILED_ENTRY(MSR_LOAD_FAIL));
	assert_int_equal(l.v12->exit_qualification, 1);
	/* one that begins in RAM and goes over its end */
	lab_write(&l, LAB_RAM - 16, MSR_LSTAR);
	lab_write(&l, LAB_RAM - 8, 0);
	l.v12->vm_entry_msr_load_addr = LAB_RAM - 16;
	again();
	assert_int_equal(LAB_L2(&l, VMCALL), FAILED_ENTRY(MSR_LOAD_FAIL));
	assert_int_equal(l.v12->exit_qualification, 2);
	/* one that is longer than it may be: the first that is too much fails */
	for (unsigned int i = 0; i < 520; i++) {
		lab_write(&l, AT + 16 * i, MSR_LSTAR);
		lab_write(&l, AT + 16 * i + 8, 0);
	}
	l.v12->vm_entry_msr_load_addr = AT;
	l.v12->vm_entry_msr_load_count = 512;
	again();
	assert_int_equal(LAB_L2(&l, VMCALL), EXIT_REASON_VMCALL);
	l.v12->vm_entry_msr_load_count = 0xffffff;
	again();
	assert_int_equal(LAB_L2(&l, VMCALL), FAILED_ENTRY(MSR_LOAD_FAIL));
	assert_int_equal(l.v12->exit_qualification, 513);
	l.v12->vm_entry_msr_load_count = 0;
	l.v12->vm_exit_msr_store_addr = LAB_NOWHERE;
	l.v12->vm_exit_msr_store_count = 1;
	again();
	l.v12->launched = VMCS_CLEAR;
	vmcs02_all_changed(&l.v->vmx->changes);
	assert_int_equal(LAB_RUN(&l, 0x0f, 0x01, 0xc2), LAB_STOPPED);
	assert_non_null(strstr(l.machine.stop_text, "VMX abort 1"));
}

/* An exit stores into a list that L1 has run as code, and L1 runs it again. */
static void an_msr_list_that_is_code_is_the_code_that_was_stored(void **state)
{
	const u64 entry = LAB_CODE + 0x800, code = entry + 8, push_1_pop_rax = 0xc358016a, push_2_pop_rax = 0xc358026a;
	const u8 call[] = { 0xe8, (u8)(code - LAB_CODE - 5), (u8)((code - LAB_CODE - 5) >> 8), 0, 0 };

	(void)state;
	lab_write(&l, entry, MSR_SYSENTER_EIP);
	lab_write(&l, code, push_1_pop_rax);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(lab_run(&l, call, sizeof(call)), LAB_DONE);
		assert_int_equal(l.v->gpr[RAX], 1);
	}
	l.v12->guest_sysenter_eip = push_2_pop_rax;
	l.v12->vm_exit_msr_store_addr = entry;
	l.v12->vm_exit_msr_store_count = 1;
	again();
	assert_int_equal(LAB_L2(&l, VMCALL), EXIT_REASON_VMCALL);
	assert_int_equal(lab_read(&l, code), push_2_pop_rax);
	assert_int_equal(lab_run(&l, call, sizeof(call)), LAB_DONE);
	assert_int_equal(l.v->gpr[RAX], 2);
}

/* Nobody answers: every bit is set, and everything exits. */
static void bitmaps_where_no_memory_is_are_all_ones(void **state)
{
	(void)state;
	l.v12->cpu_based_vm_exec_control |= (u32)(CTL_io_bitmaps | CTL_msr_bitmaps);
	l.v12->secondary_vm_exec_control |= (u32)CTL_vmcs_shadowing;
	lab_write(&l, LAB_VMCS2, VMCS_REVISION | VMCS_SHADOW_BIT);
	l.v12->vmcs_link_pointer = LAB_VMCS2;
	l.v->gpr[RDX] = 0x80;
	l.v->gpr[RCX] = MSR_LSTAR;
	l.v->gpr[RAX] = VMCS_guest_rip;
	for (unsigned int i = 0; i <= COUNT(NO_RAM); i++) {
		bool ones = i < COUNT(NO_RAM); /* the last round has memory, and zeros */
		u64 page = ones ? NO_RAM[i] : LAB_BITMAPS;

		l.v12->io_bitmap_a = l.v12->msr_bitmap = l.v12->vmread_bitmap = l.v12->vmwrite_bitmap = page;
		again();
		assert_int_equal(LAB_L2(&l, 0xec, VMCALL), ones ? EXIT_REASON_IO_INSTRUCTION : EXIT_REASON_VMCALL);
		again();
		l.v->gpr[RAX] = VMCS_guest_rip;
		assert_int_equal(LAB_L2(&l, 0x0f, 0x78, 0xc3, VMCALL), ones ? EXIT_REASON_VMREAD : EXIT_REASON_VMCALL);
		again();
		assert_int_equal(LAB_L2(&l, 0x0f, 0x79, 0xc3, VMCALL), ones ? EXIT_REASON_VMWRITE : EXIT_REASON_VMCALL);
		again();
		assert_int_equal(LAB_L2(&l, 0x0f, 0x32, VMCALL), ones ? EXIT_REASON_MSR_READ : EXIT_REASON_VMCALL);
	}
}

static void link_pointers_to_what_is_no_vmcs(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < COUNT(NO_PAGE); i++) {
		if (NO_PAGE[i] == ~0ull) /* there is none: allowed */
			continue;
		l.v12->vmcs_link_pointer = NO_PAGE[i];
		again();
		assert_int_equal(LAB_L2(&l, VMCALL), FAILED_ENTRY(INVALID_STATE));
		assert_int_equal(l.v12->exit_qualification, 4);
	}
	for (unsigned int i = 0; i < COUNT(NO_RAM); i++) {
		l.v12->vmcs_link_pointer = NO_RAM[i];
		again();
		assert_int_equal(LAB_L2(&l, VMCALL), FAILED_ENTRY(INVALID_STATE));
		assert_int_equal(l.v12->exit_qualification, 4);
	}
	/* the current VMCS; one with another revision */
	l.v12->vmcs_link_pointer = LAB_VMCS;
	again();
	assert_int_equal(LAB_L2(&l, VMCALL), FAILED_ENTRY(INVALID_STATE));
	assert_int_equal(l.v12->exit_qualification, 4);
	l.v12->vmcs_link_pointer = LAB_L2_DATA;
	again();
	assert_int_equal(LAB_L2(&l, VMCALL), FAILED_ENTRY(INVALID_STATE));
	assert_int_equal(l.v12->exit_qualification, 4);
	/* bit 31 says what "VMCS shadowing" says */
	l.v12->vmcs_link_pointer = LAB_VMCS2;
	for (u32 shadow = 0; shadow < 2; shadow++)
		for (u32 control = 0; control < 2; control++) {
			lab_write(&l, LAB_VMCS2, VMCS_REVISION | (shadow ? VMCS_SHADOW_BIT : 0));
			l.v12->secondary_vm_exec_control = control ? (u32)CTL_vmcs_shadowing : 0;
			again();
			assert_int_equal(LAB_L2(&l, VMCALL),
					 shadow == control ? EXIT_REASON_VMCALL : FAILED_ENTRY(INVALID_STATE));
		}
}

/* With VMCS shadowing L2 reads and writes the one behind the link pointer, and nothing but its fields. */
static void a_shadow_vmcs_is_reached_and_can_be_missing(void **state)
{
	struct vmcs *shadow = (struct vmcs *)memory_host(&l.machine.memory, LAB_VMCS2);

	(void)state;
	l.v12->secondary_vm_exec_control |= (u32)CTL_vmcs_shadowing;
	/* no link: VMfailInvalid for L2 */
	again();
	l.v->gpr[RAX] = VMCS_guest_rip;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x78, 0xc3, VMCALL), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->guest_rflags & (FLAG_CF | FLAG_ZF), FLAG_CF);
	lab_write(&l, LAB_VMCS2, VMCS_REVISION | VMCS_SHADOW_BIT);
	l.v12->vmcs_link_pointer = LAB_VMCS2;
	shadow->guest_rip = 0x1122334455667788;
	again();
	l.v->gpr[RAX] = VMCS_guest_rip;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x78, 0xc3, VMCALL), EXIT_REASON_VMCALL);
	assert_int_equal(l.v->gpr[RBX], 0x1122334455667788);
	assert_int_equal(l.v12->guest_rflags & FLAG_ARITH, 0);
	again();
	l.v->gpr[RBX] = 0x99;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x79, 0xc3, VMCALL), EXIT_REASON_VMCALL);
	assert_int_equal(shadow->guest_rip, 0x99);
	/* a field that isn't there: the bitmap lets it through, and L2 gets VMfailValid */
	again();
	l.v->gpr[RAX] = 0x6ffe;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x78, 0xc3, VMCALL), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->guest_rflags & FLAG_ARITH, FLAG_ZF);
	/* beyond the bitmap: an exit */
	again();
	l.v->gpr[RAX] = 0x8000;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x78, 0xc3, VMCALL), EXIT_REASON_VMREAD);
}

static void an_eptp_that_can_not_be(void **state)
{
	const u64 good = LAB_EPT | 3 << 3 | 6;
	const u64 BAD[] = { good ^ 7,	    good ^ 6 ^ 1,      good ^ 1 << 3,  good | BIT(7),
			    good | BIT(11), good | BIT(WIDTH), good | BIT(63), ~0ull };

	(void)state;
	l.v12->secondary_vm_exec_control |= (u32)CTL_ept;
	for (unsigned int i = 0; i < COUNT(BAD); i++) {
		l.v12->ept_pointer = BAD[i];
		again();
		assert_int_equal(LAB_L2(&l, VMCALL), LAB_FAILED + 7);
	}
	l.v12->ept_pointer = good;
	again();
	assert_int_equal(LAB_L2(&l, VMCALL), EXIT_REASON_VMCALL);
}

/* All ones as an entry of a table: reserved bits are set. */
static void ept_tables_where_no_memory_is(void **state)
{
	(void)state;
	l.v12->secondary_vm_exec_control |= (u32)CTL_ept;
	for (unsigned int i = 0; i < COUNT(NO_RAM); i++) {
		l.v12->ept_pointer = NO_RAM[i] | 3 << 3 | 6;
		again();
		assert_int_equal(LAB_L2(&l, VMCALL), EXIT_REASON_EPT_MISCONFIG);
		assert_int_equal(l.v12->guest_physical_address, LAB_TABLES); /* where L2's own walk begins */
	}
	/* the VMCS itself as a table: its revision is no entry */
	l.v12->ept_pointer = LAB_VMCS | 3 << 3 | 6;
	again();
	assert_int_equal(LAB_L2(&l, VMCALL), EXIT_REASON_EPT_MISCONFIG);
}

static void an_ept_that_points_to_itself(void **state)
{
	(void)state;
	l.v12->secondary_vm_exec_control |= (u32)CTL_ept;
	for (unsigned int i = 0; i < 512; i++)
		lab_write(&l, LAB_EPT + 8 * i, 0);
	lab_write(&l, LAB_EPT, LAB_EPT | 7);
	/* four times the same table: entry 0, 0, 0, and that of the page, which there is none of */
	again();
	assert_int_equal(LAB_L2(&l, VMCALL), EXIT_REASON_EPT_VIOLATION);
	assert_int_equal(l.v12->exit_qualification & 0x1bf, 0x81); /* a read, for a linear address, of a table of L2's */
	assert_int_equal(l.v12->guest_physical_address, LAB_TABLES);
	/* pages of L2's, with the table in their midst, writable */
	for (unsigned int i = 1; i < 512; i++)
		lab_write(&l, LAB_EPT + 8 * i, i * PAGE | EPT_ALL);
	assert_int_equal(lab_invept(&l, 2, 0), 0);
	again();
	assert_int_equal(LAB_L2(&l, VMCALL), EXIT_REASON_VMCALL);
	/* L2 takes its stack's page away and uses it: mov %rax, (%rbx); push %rax; vmcall */
	again();
	l.v->gpr[RAX] = 0;
	l.v->gpr[RBX] = 8 * (LAB_L2_STACK / PAGE - 1);
	assert_int_equal(LAB_L2(&l, 0x48, 0x89, 0x03, 0x50, VMCALL), EXIT_REASON_EPT_VIOLATION);
	assert_int_equal(l.v12->guest_physical_address, LAB_L2_STACK - 8);
	assert_int_equal(lab_read(&l, LAB_EPT + l.v->gpr[RBX]), 0);
}

static void entries_of_ept_that_mean_something_else(void **state)
{
	static const struct {
		u64 entry;
		bool write;
		u32 reason;
		u64 qualification;
	} ROWS[] = {
		{ 0, false, EXIT_REASON_EPT_VIOLATION, 0x181 },
		{ 0, true, EXIT_REASON_EPT_VIOLATION, 0x182 },
		{ AT | LARGE | 6 << 3 | 1, true, EXIT_REASON_EPT_VIOLATION, 0x18a }, /* read-only */
		{ AT | LARGE | 6 << 3 | 4, false, EXIT_REASON_EPT_VIOLATION, 0x1a1 }, /* execute-only */
		{ AT | LARGE | 6 << 3 | 5, true, EXIT_REASON_EPT_VIOLATION, 0x1aa },
		{ AT | LARGE | 6 << 3 | 2, false, EXIT_REASON_EPT_MISCONFIG, 0 }, /* writable, not readable */
		{ AT | LARGE | 6 << 3 | 6, false, EXIT_REASON_EPT_MISCONFIG, 0 },
		{ AT | LARGE | 2 << 3 | 7, false, EXIT_REASON_EPT_MISCONFIG, 0 }, /* memory types that there aren't */
		{ AT | LARGE | 3 << 3 | 7, false, EXIT_REASON_EPT_MISCONFIG, 0 },
		{ AT | LARGE | 7 << 3 | 7, false, EXIT_REASON_EPT_MISCONFIG, 0 },
		{ AT | LARGE | 6 << 3 | 7 | PAGE, false, EXIT_REASON_EPT_MISCONFIG, 0 }, /* reserved in a large page */
		{ AT | LARGE | 6 << 3 | 7 | BIT(WIDTH), false, EXIT_REASON_EPT_MISCONFIG, 0 },
		{ LAB_EPT | 7 | 1 << 3, false, EXIT_REASON_EPT_MISCONFIG, 0 }, /* reserved in a table */
		{ AT | LARGE | 6 << 3 | 7, true, EXIT_REASON_VMCALL, 0 },
		{ AT | LARGE | 0 << 3 | 7, false, EXIT_REASON_VMCALL, 0 }, /* uncacheable */
		{ LAB_NOWHERE | LARGE | 6 << 3 | 7, false, EXIT_REASON_VMCALL, 0 }, /* nothing there */
		{ LAB_NOWHERE | LARGE | 6 << 3 | 7, true, EXIT_REASON_VMCALL, 0 },
		{ 0xfee00000 | LARGE | 0 << 3 | 7, false, EXIT_REASON_VMCALL, 0 }, /* a device */
		{ BIT(WIDTH) - 0x200000 + (LARGE | 6 << 3 | 7), true, EXIT_REASON_VMCALL, 0 },
	};

	(void)state;
	l.v12->secondary_vm_exec_control |= (u32)CTL_ept;
	for (unsigned int i = 0; i < COUNT(ROWS); i++) {
		lab_write(&l, LAB_EPT + 0x2000 + 8 * (AT >> 21), ROWS[i].entry);
		assert_int_equal(lab_invept(&l, 2, 0), 0);
		again();
		l.v->gpr[RAX] = 0x5555;
		l.v->gpr[RBX] = AT;
		/* mov (%rbx), %eax, or the other way round */
		assert_int_equal(LAB_L2(&l, ROWS[i].write ? 0x89 : 0x8b, 0x03, VMCALL), ROWS[i].reason);
		if (ROWS[i].reason == EXIT_REASON_VMCALL) {
			if ((ROWS[i].entry & ~0xfffull) == LAB_NOWHERE && !ROWS[i].write)
				assert_int_equal(l.v->gpr[RAX], 0xffffffff);
			continue;
		}
		assert_int_equal(l.v12->guest_physical_address, AT);
		assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
		if (ROWS[i].reason == EXIT_REASON_EPT_VIOLATION) {
			assert_int_equal(l.v12->exit_qualification & 0x1bf, ROWS[i].qualification);
			assert_int_equal(l.v12->guest_linear_address, AT);
		}
	}
}

static void execute_only_is_a_feature(void **state)
{
	(void)state;
	lab_destroy(&l);
	lab_init(&l, "Skylake-Server,+vmx,-vmx-ept-execonly");
	lab_ept(&l);
	lab_write(&l, LAB_EPT + 0x2000 + 8 * (AT >> 21), AT | LARGE | 6 << 3 | 4);
	again();
	l.v->gpr[RBX] = AT;
	assert_int_equal(LAB_L2(&l, 0x8b, 0x03), EXIT_REASON_EPT_MISCONFIG);
}

static void eptp_lists_where_no_memory_is(void **state)
{
	(void)state;
	l.v12->secondary_vm_exec_control |= (u32)(CTL_ept | CTL_vm_functions);
	l.v12->vm_function_control = CTL_eptp_switching;
	for (unsigned int i = 0; i < COUNT(NO_RAM); i++) {
		l.v12->eptp_list_address = NO_RAM[i];
		again();
		l.v->gpr[RAX] = l.v->gpr[RCX] = 0;
		assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xd4, VMCALL), EXIT_REASON_VMFUNC);
		assert_int_equal(l.v12->vm_exit_instruction_len, 3);
	}
	/* a list with one good entry among others; numbers beyond it */
	l.v12->eptp_list_address = LAB_L2_DATA & ~(PAGE - 1);
	lab_write(&l, LAB_L2_DATA + 8 * 5, LAB_EPT | 3 << 3 | 6);
	lab_write(&l, LAB_L2_DATA + 8 * 6, LAB_EPT);
	for (u64 n = 4; n <= 512; n += n == 6 ? 506 : 1) {
		again();
		l.v->gpr[RAX] = 0;
		l.v->gpr[RCX] = n;
		assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xd4, VMCALL), n == 5 ? EXIT_REASON_VMCALL : EXIT_REASON_VMFUNC);
	}
	again();
	l.v->gpr[RAX] = 1; /* there is no such function */
	l.v->gpr[RCX] = 5;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xd4, VMCALL), EXIT_REASON_VMFUNC);
}

static void a_log_of_modified_pages_where_no_memory_is(void **state)
{
	(void)state;
	l.v12->secondary_vm_exec_control |= (u32)(CTL_ept | CTL_pml);
	for (unsigned int i = 0; i <= COUNT(NO_RAM); i++) {
		lab_write(&l, LAB_EPT + 0x2000 + 8 * (AT >> 21), AT | LARGE | EPT_ALL);
		l.v12->ept_pointer = LAB_EPT | 0x40 | 3 << 3 | 6;
		l.v12->pml_address = i < COUNT(NO_RAM) ? NO_RAM[i] : LAB_BITMAPS;
		l.v12->guest_pml_index = 511;
		assert_int_equal(lab_invept(&l, 2, 0), 0);
		again();
		l.v->gpr[RBX] = AT;
		assert_int_equal(LAB_L2(&l, 0x89, 0x03, VMCALL), EXIT_REASON_VMCALL);
		assert_in_range(l.v12->guest_pml_index, 500, 510);
		assert_true(lab_read(&l, LAB_EPT + 0x2000 + 8 * (AT >> 21)) & BIT(9)); /* dirty */
	}
	assert_int_equal(lab_read(&l, LAB_BITMAPS + 8 * (l.v12->guest_pml_index + 1u)), AT);
}

/* L2 has its own VMCS in its pages, and fills it with zeros. What the entry took stays in force. */
static void an_l2_that_writes_over_its_vmcs(void **state)
{
	(void)state;
	again();
	l.v->gpr[RDI] = LAB_VMCS;
	l.v->gpr[RCX] = 1024;
	l.v->gpr[RAX] = 0;
	assert_int_equal(LAB_L2(&l, 0xf3, 0xab, VMCALL), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 2);
	assert_int_equal(l.v->cr3, LAB_TABLES);
	/* L1 can see to it that it has a VMCS again */
	lab_write(&l, LAB_VMCS, VMCS_REVISION);
	assert_int_equal(lab_vmclear(&l, LAB_VMCS), 0);
	assert_int_equal(lab_vmptrld(&l, LAB_VMCS), 0);
}

static void an_l2_whose_page_tables_are_nowhere(void **state)
{
	(void)state;
	l.v12->exception_bitmap = BIT(VEC_PF);
	for (unsigned int i = 0; i < COUNT(NO_RAM); i++) {
		l.v12->guest_cr3 = NO_RAM[i];
		again();
		assert_int_equal(LAB_L2(&l, VMCALL), EXIT_REASON_EXCEPTION_NMI);
		assert_int_equal(l.v12->vm_exit_intr_info, 0x80000b0e);
		assert_int_equal(l.v12->vm_exit_intr_error_code, 0x19); /* present, a reserved bit, a fetch */
		assert_int_equal(l.v12->exit_qualification, LAB_L2_CODE);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(regions_where_no_memory_is),
		T(every_wrong_bit_of_a_revision),
		T(addresses_in_the_controls_are_checked),
		T(addresses_of_msr_lists_are_checked),
		T(an_msr_list_that_is_code_is_the_code_that_was_stored),
		T(bitmaps_where_no_memory_is_are_all_ones),
		T(link_pointers_to_what_is_no_vmcs),
		T(a_shadow_vmcs_is_reached_and_can_be_missing),
		T(an_eptp_that_can_not_be),
		T(ept_tables_where_no_memory_is),
		T(an_ept_that_points_to_itself),
		T(entries_of_ept_that_mean_something_else),
		T(execute_only_is_a_feature),
		T(eptp_lists_where_no_memory_is),
		T(a_log_of_modified_pages_where_no_memory_is),
		T(an_l2_that_writes_over_its_vmcs),
		T(an_l2_whose_page_tables_are_nowhere),
	};

	return LAB_GROUP("malformed VMX", tests);
}
