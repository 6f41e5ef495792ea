/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcs02 from vmcs01 and vmcs12: rules, merges, change tracking, what an exit writes back. */
#include "cmocka_headers.h"
#include <string.h>
#include "golden.h"
#include "vmcs-shadow/vmcs02.h"

static uint64_t seed;

static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1d;
}

static unsigned below(unsigned n)
{
	return (unsigned)(random64() >> 33) % n;
}

static void randomize(struct vmcs *v)
{
	for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++)
		vmcs_set(v, &vmcs_fields[id], vmcs_fields[id].encoding, random64());
}

static uint64_t get(const struct vmcs *v, const struct vmcs_field *field)
{
	return vmcs_get(v, field, field->encoding);
}

static unsigned fill(struct vmcs *v02, const struct vmcs *v01, const struct vmcs *v12)
{
	struct vmcs02_changes changes = { 0 };

	return vmcs02_fill(v02, v01, v12, &changes, VMCS02_FULL);
}

static void each_field_is_filled_as_its_rule_says(void **state)
{
	static struct vmcs v01, v12, v02;

	(void)state;
	seed = 1;
	for (unsigned round = 0; round < 100; round++) {
		unsigned written = 0;

		randomize(&v01);
		randomize(&v12);
		memset(&v02, 0x77, sizeof(v02));
		written = fill(&v02, &v01, &v12);
		for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++) {
			const struct vmcs_field *field = &vmcs_fields[id];

			switch (field->rule) {
			case FROM_12:
				assert_int_equal(get(&v02, field), get(&v12, field));
				written--;
				break;
			case OURS:
				assert_int_equal(get(&v02, field), get(&v01, field));
				written--;
				break;
			case MERGE:
				written--;
				break;
			default:
				assert_int_equal(get(&v02, field), 0x7777777777777777 >> (64 - 8 * field->bytes));
				break;
			}
		}
		assert_int_equal(written, 0);
	}
}

static void filling_what_changed_comes_to_the_same_as_filling_all(void **state)
{
	static struct vmcs v01, v12, full, changed;
	struct vmcs02_changes changes;
	unsigned copied = 0;
	unsigned all = 0;

	(void)state;
	seed = 2;
	randomize(&v01);
	randomize(&v12);
	vmcs02_all_changed(&changes);
	assert_int_equal(vmcs02_fill(&changed, &v01, &v12, &changes, VMCS02_CHANGED), fill(&full, &v01, &v12));
	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned n = below(4); n; n--) {
			const struct vmcs_field *field = &vmcs_fields[below(VMCS_FIELD_COUNT)];
			struct vmcs *v = below(4) ? &v12 : &v01;
			uint64_t encoding = field->encoding |
					    (field->bytes == 8 && VMCS_WIDTH(field->encoding) == VMCS_64 && below(2));

			vmcs_set(v, field, encoding, below(2) ? random64() : get(v, field) ^ 1ull << below(32));
			vmcs12_note_write(&changes, encoding);
		}
		all += fill(&full, &v01, &v12);
		copied += vmcs02_fill(&changed, &v01, &v12, &changes, VMCS02_CHANGED);
		assert_int_equal(changes.groups, 0);
		assert_memory_equal(&full, &changed, sizeof(full));
	}
	print_message("random writes: %u fields instead of %u\n", copied, all);
	assert_true(copied * 2 < all);
}

static void an_ordinary_round_copies_few_fields(void **state)
{
	static struct golden g;
	static struct vmcs v01, v02;
	struct vmcs02_changes changes;
	unsigned saved = 0;
	unsigned all;

	(void)state;
	golden_init(&g);
	vmcs02_all_changed(&changes);
	all = vmcs02_fill(&v02, &v01, &g.v, &changes, VMCS02_CHANGED);
	/* a CPUID: L2 ran on, exits, L1 moves RIP and clears blocking */
	v02.guest_rip += 2;
	v02.vm_exit_reason = 10;
	vmcs12_save(&g.v, &v02, &v01, &g.caps, VMCS_IN(GUEST_REGS) | VMCS_IN(GUEST_STATE), &changes, &saved);
	assert_int_equal(g.v.vm_exit_reason, 10);
	vmcs12_note_write(&changes, VMCS_guest_rip);
	vmcs12_note_write(&changes, VMCS_guest_interruptibility_info);
	assert_in_range(vmcs02_fill(&v02, &v01, &g.v, &changes, VMCS02_CHANGED), 1, 12);
	assert_in_range(saved, 1, 30);
	assert_in_range(all, 100, VMCS_FIELD_COUNT);
}

static void what_is_no_field_changes_nothing(void **state)
{
	struct vmcs02_changes changes = { 0 };

	(void)state;
	vmcs12_note_write(&changes, 0x5555);
	vmcs12_note_write(&changes, ~0ull);
	assert_int_equal(changes.groups, 0);
	assert_int_equal(vmcs02_groups_after(VMCS_IN(HOST)), VMCS_IN(HOST));
	assert_true(vmcs02_groups_after(VMCS_IN(CONTROLS)) & VMCS_IN(TSC));
	assert_true(vmcs02_groups_after(VMCS_IN(GUEST_CR)) & VMCS_IN(CR_MASKS));
}

static void controls_are_merged_as_their_column_says(void **state)
{
	static struct vmcs v01, v12, v02;

	(void)state;
	v01.cpu_based_vm_exec_control = CTL_secondary_controls | CTL_interrupt_window_exiting | CTL_msr_bitmaps;
	v01.secondary_vm_exec_control = CTL_ept | CTL_enable_rdtscp | CTL_enable_xsaves;
	v12.cpu_based_vm_exec_control = CTL_secondary_controls | CTL_hlt_exiting | CTL_tpr_shadow | CTL_msr_bitmaps;
	v12.secondary_vm_exec_control = CTL_vpid | CTL_enable_rdtscp | CTL_unrestricted_guest | CTL_wbinvd_exiting;
	v12.pin_based_vm_exec_control = 0x16 | CTL_virtual_nmis;
	v01.pin_based_vm_exec_control = 0x16 | CTL_external_interrupt_exiting;
	fill(&v02, &v01, &v12);
	assert_int_equal(v02.cpu_based_vm_exec_control, CTL_secondary_controls | CTL_interrupt_window_exiting |
								CTL_hlt_exiting | CTL_tpr_shadow | CTL_msr_bitmaps);
	assert_int_equal(v02.secondary_vm_exec_control,
			 CTL_ept | CTL_enable_rdtscp | CTL_unrestricted_guest | CTL_wbinvd_exiting);
	assert_int_equal(v02.pin_based_vm_exec_control, 0x16 | CTL_virtual_nmis | CTL_external_interrupt_exiting);
	/* one level without MSR bitmaps sees every MSR; one without secondary controls has none of them */
	v12.cpu_based_vm_exec_control = CTL_hlt_exiting;
	fill(&v02, &v01, &v12);
	assert_false(has_msr_bitmaps(&v02));
	assert_int_equal(v02.secondary_vm_exec_control, CTL_ept);
}

static void io_exits_if_either_level_wants_it(void **state)
{
	static const uint32_t wishes[] = { 0, CTL_unconditional_io_exiting, CTL_io_bitmaps,
					   CTL_io_bitmaps | CTL_unconditional_io_exiting };
	static struct vmcs v01, v12, v02;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		for (unsigned j = 0; j < 4; j++) {
			v01.cpu_based_vm_exec_control = wishes[i];
			v12.cpu_based_vm_exec_control = wishes[j];
			fill(&v02, &v01, &v12);
			assert_int_equal(has_unconditional_io_exiting(&v02), i == 1 || j == 1);
			assert_int_equal(has_io_bitmaps(&v02), i != 1 && j != 1 && (i | j));
		}
}

static bool page_fault_exits(const struct vmcs *v, uint32_t code)
{
	return ((code & v->page_fault_error_code_mask) == v->page_fault_error_code_match) ==
	       (v->exception_bitmap >> 14 & 1);
}

static void page_faults_exit_if_either_level_wants_them(void **state)
{
	static struct vmcs v01, v12, v02;
	unsigned exact = 0;

	(void)state;
	for (unsigned n = 0; n < 1 << 14; n++) {
		bool same = true;

		v01.exception_bitmap = (n & 1) << 14 | 1 << 3;
		v01.page_fault_error_code_mask = n >> 1 & 7;
		v01.page_fault_error_code_match = n >> 4 & 7;
		v12.exception_bitmap = (n >> 7 & 1) << 14 | 1 << 6;
		v12.page_fault_error_code_mask = n >> 8 & 7;
		v12.page_fault_error_code_match = n >> 11 & 7;
		fill(&v02, &v01, &v12);
		assert_int_equal(v02.exception_bitmap & ~(1u << 14), 1 << 3 | 1 << 6);
		for (uint32_t code = 0; code < 8; code++) {
			bool wanted = page_fault_exits(&v01, code) || page_fault_exits(&v12, code);

			if (wanted)
				assert_true(page_fault_exits(&v02, code));
			same = same && wanted == page_fault_exits(&v02, code);
		}
		exact += same;
		if (!(v01.exception_bitmap & 1 << 14) && !v01.page_fault_error_code_mask &&
		    !v01.page_fault_error_code_match)
			assert_true(same);
	}
	assert_true(exact > 1 << 12);
}

static void tsc_of_l2_is_that_of_l1_scaled_and_moved(void **state)
{
	static struct vmcs v01, v12, v02;

	(void)state;
	seed = 3;
	for (unsigned round = 0; round < 10000; round++) {
		uint64_t tsc = random64() >> 16;
		uint64_t l1, l2, direct;

		v01.cpu_based_vm_exec_control = v12.cpu_based_vm_exec_control = CTL_secondary_controls;
		v01.secondary_vm_exec_control = below(2) ? CTL_tsc_scaling : 0;
		v12.secondary_vm_exec_control = below(2) ? CTL_tsc_scaling : 0;
		v01.cpu_based_vm_exec_control |= below(4) ? CTL_tsc_offsetting : 0;
		v12.cpu_based_vm_exec_control |= below(4) ? CTL_tsc_offsetting : 0;
		v01.tsc_multiplier = (1ull << 46) + (random64() >> 14);
		v12.tsc_multiplier = (1ull << 46) + (random64() >> 14);
		v01.tsc_offset = below(2) ? random64() >> 17 : -(random64() >> 17);
		v12.tsc_offset = below(2) ? random64() >> 17 : -(random64() >> 17);
		fill(&v02, &v01, &v12);
		l1 = tsc;
		if (has_tsc_offsetting(&v01) && has_tsc_scaling(&v01))
			l1 = vmcs_scale_tsc(l1, v01.tsc_multiplier);
		if (has_tsc_offsetting(&v01))
			l1 += v01.tsc_offset;
		l2 = l1;
		if ((int64_t)l1 < 0)
			continue; /* a TSC of L1 that has wrapped around */
		if (has_tsc_offsetting(&v12) && has_tsc_scaling(&v12))
			l2 = vmcs_scale_tsc(l2, v12.tsc_multiplier);
		if (has_tsc_offsetting(&v12))
			l2 += v12.tsc_offset;
		direct = vmcs_scale_tsc(tsc, v02.tsc_multiplier) + v02.tsc_offset;
		/* each product rounds down once */
		assert_in_range(l2 - direct + 16, 0, 32);
		if (!has_tsc_offsetting(&v12))
			assert_int_equal(direct, l1);
	}
}

static void control_registers_read_as_l1_says_and_are_owned_by_either(void **state)
{
	static struct vmcs v01, v12, v02;

	(void)state;
	v01.cr0_guest_host_mask = 0x8;
	v12.cr0_guest_host_mask = 0x80000001;
	v12.cr0_read_shadow = 0x00000001;
	v12.guest_cr0 = 0x8000003b;
	fill(&v02, &v01, &v12);
	assert_int_equal(v02.cr0_guest_host_mask, 0x80000009);
	assert_int_equal(v02.cr0_read_shadow, 0x3b);
	assert_int_equal(v02.cr3_target_count, 0);
	v12.cr3_target_count = 2;
	fill(&v02, &v01, &v12);
	assert_int_equal(v02.cr3_target_count, 2);
	v01.cpu_based_vm_exec_control = CTL_cr3_load_exiting;
	fill(&v02, &v01, &v12);
	assert_int_equal(v02.cr3_target_count, 0);
}

static void msrs_that_the_entry_does_not_load_stay_l1s(void **state)
{
	static struct vmcs v01, v12, v02;

	(void)state;
	v01.guest_ia32_efer = 0xd01;
	v01.guest_ia32_pat = 1;
	v01.guest_dr7 = 0x401;
	v12.guest_ia32_efer = 0x801;
	v12.guest_ia32_pat = 6;
	v12.guest_dr7 = 0x400;
	v12.guest_cr0 = 0x80000001;
	fill(&v02, &v01, &v12);
	assert_int_equal(v02.guest_ia32_efer, 0x801); /* not an IA-32e mode guest */
	assert_int_equal(v02.guest_ia32_pat, 1);
	assert_int_equal(v02.guest_dr7, 0x401);
	v12.guest_cr0 = 0x1;
	fill(&v02, &v01, &v12);
	assert_int_equal(v02.guest_ia32_efer, 0x901); /* without paging LME is not touched */
	v12.vm_entry_controls = CTL_entry_load_efer | CTL_entry_load_pat | CTL_load_debug_controls;
	fill(&v02, &v01, &v12);
	assert_int_equal(v02.guest_ia32_efer, 0x801);
	assert_int_equal(v02.guest_ia32_pat, 6);
	assert_int_equal(v02.guest_dr7, 0x400);
}

static void run_l2(struct vmcs *v02, const struct vmcs *v12)
{
	for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++) {
		const struct vmcs_field *field = &vmcs_fields[id];
		bool runs = field->group == VMCS_GROUP_GUEST_REGS || field->group == VMCS_GROUP_GUEST_SEG ||
			    field->group == VMCS_GROUP_GUEST_CR || field->group == VMCS_GROUP_GUEST_MSR ||
			    field->group == VMCS_GROUP_GUEST_STATE || field->group == VMCS_GROUP_EXIT_INFO;

		if (id >= VMCS_ID_guest_pdptr0 && id <= VMCS_ID_guest_pdptr3)
			runs = has_ept(v12);
		/* no exit writes these, and L2 can't change them */
		if (id == VMCS_ID_vmcs_link_pointer || id == VMCS_ID_guest_smbase || id == VMCS_ID_guest_sysenter_cs)
			runs = false;
		if (id == VMCS_ID_guest_ia32_bndcfgs)
			runs = false;
		if (id == VMCS_ID_vmx_preemption_timer_value)
			runs = has_preemption_timer(v12);
		if (id == VMCS_ID_guest_pml_index)
			runs = has_pml(v12);
		if (runs)
			vmcs_set(v02, field, field->encoding, random64());
	}
	if (has_virtual_interrupt_delivery(v12))
		v02->guest_intr_status = (uint16_t)random64();
}

static void after_an_exit_the_next_fill_knows_what_to_restore(void **state)
{
	static struct golden g;
	static struct vmcs v01, v12, v02, full;
	struct vmcs02_changes changes;

	(void)state;
	golden_init(&g);
	seed = 4;
	for (unsigned round = 0; round < 5000; round++) {
		uint32_t written;
		struct vmcs before;

		randomize(&v01);
		randomize(&v12);
		vmcs02_all_changed(&changes);
		vmcs02_fill(&v02, &v01, &v12, &changes, VMCS02_CHANGED);
		run_l2(&v02, &v12);
		before = v12;
		written = vmcs12_save(&v12, &v02, &v01, &g.caps, VMCS_ALL_GROUPS, &changes, NULL);
		/* it says what it wrote */
		for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++)
			if (get(&before, &vmcs_fields[id]) != get(&v12, &vmcs_fields[id]))
				assert_true(written & 1u << vmcs_fields[id].group);
		assert_int_equal(v12.vm_instruction_error, before.vm_instruction_error);
		assert_int_equal(v12.vm_exit_reason, v02.vm_exit_reason);
		assert_int_equal(v12.guest_rip, v02.guest_rip);
		assert_int_equal(v12.guest_tr_ar_bytes, v02.guest_tr_ar_bytes);
		assert_int_equal(v12.vm_entry_intr_info_field >> 31, 0);
		assert_int_equal(v12.guest_dr7, has_save_debug_controls(&v12) ? v02.guest_dr7 : before.guest_dr7);
		assert_int_equal(v12.vmx_preemption_timer_value, has_save_preemption_timer(&v12)
									 ? v02.vmx_preemption_timer_value
									 : before.vmx_preemption_timer_value);
		assert_int_equal(has_ia32e_mode_guest(&v12), v02.guest_ia32_efer >> 10 & 1);
		full = v02;
		fill(&full, &v01, &v12);
		vmcs02_fill(&v02, &v01, &v12, &changes, VMCS02_CHANGED);
		for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++)
			if (get(&full, &vmcs_fields[id]) != get(&v02, &vmcs_fields[id]))
				fail_msg("%s is not restored", vmcs_name(vmcs_fields[id].encoding));
	}
}

static void bits_of_cr0_come_back_from_their_owner(void **state)
{
	static struct golden g;
	static struct vmcs v01, v12, v02;
	struct vmcs02_changes changes = { 0 };

	(void)state;
	golden_init(&g);
	v01.cr0_guest_host_mask = 0x0f;
	v12.cr0_guest_host_mask = 0x33;
	v12.guest_cr0 = 0x55;
	v02.guest_cr0 = 0xaa;
	v02.cr0_read_shadow = 0x0c;
	vmcs12_save(&v12, &v02, &v01, &g.caps, VMCS_ALL_GROUPS, &changes, NULL);
	/* bits 7:6 are L2's, 5:4 and 1:0 L1's, 3:2 only L0's */
	assert_int_equal(v12.guest_cr0, 0x80 | 0x11 | 0x0c);
}

static void a_failed_entry_writes_reason_and_qualification_only(void **state)
{
	static struct vmcs v12, before;

	(void)state;
	seed = 5;
	randomize(&v12);
	before = v12;
	assert_int_equal(vmcs12_entry_failed(&v12, 33, 4), VMCS_IN(EXIT_INFO));
	assert_int_equal(v12.vm_exit_reason, 0x80000021);
	assert_int_equal(v12.exit_qualification, 4);
	before.vm_exit_reason = v12.vm_exit_reason;
	before.exit_qualification = 4;
	assert_memory_equal(&v12, &before, sizeof(v12));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_field_is_filled_as_its_rule_says),
		cmocka_unit_test(filling_what_changed_comes_to_the_same_as_filling_all),
		cmocka_unit_test(an_ordinary_round_copies_few_fields),
		cmocka_unit_test(what_is_no_field_changes_nothing),
		cmocka_unit_test(controls_are_merged_as_their_column_says),
		cmocka_unit_test(io_exits_if_either_level_wants_it),
		cmocka_unit_test(page_faults_exit_if_either_level_wants_them),
		cmocka_unit_test(tsc_of_l2_is_that_of_l1_scaled_and_moved),
		cmocka_unit_test(control_registers_read_as_l1_says_and_are_owned_by_either),
		cmocka_unit_test(msrs_that_the_entry_does_not_load_stay_l1s),
		cmocka_unit_test(after_an_exit_the_next_fill_knows_what_to_restore),
		cmocka_unit_test(bits_of_cr0_come_back_from_their_owner),
		cmocka_unit_test(a_failed_entry_writes_reason_and_qualification_only),
	};

	return cmocka_run_group_tests_name("vmcs02", tests, NULL, NULL);
}
