/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows for entry_checks.h: SDM vol. 3, "Checks on VMX Controls". */
#ifndef VMCS_SHADOW_CHECKS_CONTROLS_H
#define VMCS_SHADOW_CHECKS_CONTROLS_H

/* clang-format off */

/* an address of a page that a control @of brings in */
#define CHECK_PAGE(C, field, of, control) \
	C(field##_aligned, ON2(field, control), "bits 11:0 of the address must be 0", \
	  IF(of, !(v->field & 0xfff))) \
	C(field##_width, ON2(field, control), "the address should not set any bits beyond the physical-address width", \
	  IF(of, fits_width(c, v->field)))

/* a list of MSRs */
#define CHECK_MSR_LIST(C, addr, count) \
	C(addr##_aligned, ON2(addr, count), "the lower 4 bits of the address must be 0", \
	  IF(v->count, !(v->addr & 0xf))) \
	C(addr##_width, ON2(addr, count), "the address should not set any bits beyond the physical-address width", \
	  IF(v->count, fits_width(c, v->addr))) \
	C(addr##_end, ON2(addr, count), "the address of the last byte should not set any bits beyond the physical-address width", \
	  IF(v->count, fits_width(c, v->addr + (uint64_t)v->count * 16 - 1)))

#define CHECKS_execution_controls(C) \
	C(pin_controls_reserved, ON1(pin_based_vm_exec_control), \
	  "reserved bits in the pin-based VM-execution controls must be set properly", \
	  control_fits(c, VMX_WORD_PIN, v->pin_based_vm_exec_control)) \
	C(primary_controls_reserved, ON1(cpu_based_vm_exec_control), \
	  "reserved bits in the primary processor-based VM-execution controls must be set properly", \
	  control_fits(c, VMX_WORD_PROC, v->cpu_based_vm_exec_control)) \
	C(secondary_controls_reserved, ON2(secondary_vm_exec_control, cpu_based_vm_exec_control), \
	  "reserved bits in the secondary processor-based VM-execution controls must be cleared", \
	  IF(has_secondary_controls(v), control_fits(c, VMX_WORD_PROC2, v->secondary_vm_exec_control))) \
	C(cr3_target_count_limit, ON1(cr3_target_count), \
	  "the CR3-target count must not be greater than the number of values supported", \
	  v->cr3_target_count <= vmx_caps_cr3_targets(c)) \
	CHECK_PAGE(C, io_bitmap_a, has_io_bitmaps(v), cpu_based_vm_exec_control) \
	CHECK_PAGE(C, io_bitmap_b, has_io_bitmaps(v), cpu_based_vm_exec_control) \
	CHECK_PAGE(C, msr_bitmap, has_msr_bitmaps(v), cpu_based_vm_exec_control) \
	CHECK_PAGE(C, virtual_apic_page_addr, has_tpr_shadow(v), cpu_based_vm_exec_control) \
	C(tpr_threshold_reserved, ON3(tpr_threshold, cpu_based_vm_exec_control, secondary_vm_exec_control), \
	  "with TPR shadow and no virtual-interrupt delivery, bits 31:4 of the TPR threshold must be 0", \
	  IF(has_tpr_shadow(v) && !has_virtual_interrupt_delivery(v), v->tpr_threshold <= 0xf)) \
	C(x2apic_mode_without_tpr_shadow, ON2(secondary_vm_exec_control, cpu_based_vm_exec_control), \
	  "virtualize x2APIC mode must be 0 if use TPR shadow is 0", \
	  IF(has_virtualize_x2apic_mode(v), has_tpr_shadow(v))) \
	C(apic_registers_without_tpr_shadow, ON2(secondary_vm_exec_control, cpu_based_vm_exec_control), \
	  "APIC-register virtualization must be 0 if use TPR shadow is 0", \
	  IF(has_apic_register_virtualization(v), has_tpr_shadow(v))) \
	C(interrupt_delivery_without_tpr_shadow, ON2(secondary_vm_exec_control, cpu_based_vm_exec_control), \
	  "virtual-interrupt delivery must be 0 if use TPR shadow is 0", \
	  IF(has_virtual_interrupt_delivery(v), has_tpr_shadow(v))) \
	C(virtual_nmis_without_nmi_exiting, ON1(pin_based_vm_exec_control), \
	  "virtual NMIs must be 0 if NMI exiting is 0", \
	  IF(has_virtual_nmis(v), has_nmi_exiting(v))) \
	C(nmi_window_without_virtual_nmis, ON2(cpu_based_vm_exec_control, pin_based_vm_exec_control), \
	  "NMI-window exiting must be 0 if virtual NMIs is 0", \
	  IF(has_nmi_window_exiting(v), has_virtual_nmis(v))) \
	CHECK_PAGE(C, apic_access_addr, has_virtualize_apic_accesses(v), secondary_vm_exec_control) \
	C(x2apic_mode_with_apic_accesses, ON1(secondary_vm_exec_control), \
	  "virtualize APIC accesses must be 0 if virtualize x2APIC mode is 1", \
	  IF(has_virtualize_x2apic_mode(v), !has_virtualize_apic_accesses(v))) \
	C(interrupt_delivery_without_interrupt_exiting, ON2(secondary_vm_exec_control, pin_based_vm_exec_control), \
	  "external-interrupt exiting must be 1 if virtual-interrupt delivery is 1", \
	  IF(has_virtual_interrupt_delivery(v), has_external_interrupt_exiting(v))) \
	C(posted_without_interrupt_delivery, ON2(pin_based_vm_exec_control, secondary_vm_exec_control), \
	  "virtual-interrupt delivery must be 1 if process posted interrupts is 1", \
	  IF(has_posted_interrupts(v), has_virtual_interrupt_delivery(v))) \
	C(posted_without_acknowledge, ON2(pin_based_vm_exec_control, vm_exit_controls), \
	  "acknowledge interrupt on exit must be 1 if process posted interrupts is 1", \
	  IF(has_posted_interrupts(v), has_ack_interrupt_on_exit(v))) \
	C(posted_vector, ON2(posted_intr_nv, pin_based_vm_exec_control), \
	  "the posted-interrupt notification vector must be in the range 0 to 255", \
	  IF(has_posted_interrupts(v), v->posted_intr_nv <= 255)) \
	C(posted_descriptor_aligned, ON2(posted_intr_desc_addr, pin_based_vm_exec_control), \
	  "bits 5:0 of the posted-interrupt descriptor address must be 0", \
	  IF(has_posted_interrupts(v), !(v->posted_intr_desc_addr & 0x3f))) \
	C(posted_descriptor_width, ON2(posted_intr_desc_addr, pin_based_vm_exec_control), \
	  "the posted-interrupt descriptor address should not set any bits beyond the physical-address width", \
	  IF(has_posted_interrupts(v), fits_width(c, v->posted_intr_desc_addr))) \
	C(vpid_zero, ON2(virtual_processor_id, secondary_vm_exec_control), \
	  "the VPID must not be 0000H if enable VPID is 1", \
	  IF(has_vpid(v), v->virtual_processor_id)) \
	C(eptp_memory_type, ON2(ept_pointer, secondary_vm_exec_control), \
	  "the EPT memory type must be one that the processor supports", \
	  IF(has_ept(v), eptp_memory_type_ok(c, v->ept_pointer))) \
	C(eptp_walk_length, ON2(ept_pointer, secondary_vm_exec_control), \
	  "bits 5:3 must be 1 less than an EPT page-walk length that the processor supports", \
	  IF(has_ept(v), eptp_walk_length_ok(c, v->ept_pointer))) \
	C(eptp_accessed_dirty, ON2(ept_pointer, secondary_vm_exec_control), \
	  "bit 6 must be 0 if the processor does not support accessed and dirty flags for EPT", \
	  IF(has_ept(v) && (v->ept_pointer & 0x40), offers_ept_accessed_dirty(c))) \
	C(eptp_reserved, ON2(ept_pointer, secondary_vm_exec_control), \
	  "reserved bits 11:7 of the EPTP must be 0", \
	  IF(has_ept(v), !(v->ept_pointer & 0xf80))) \
	C(eptp_width, ON2(ept_pointer, secondary_vm_exec_control), \
	  "bits of the EPTP beyond the physical-address width must be 0", \
	  IF(has_ept(v), fits_width(c, v->ept_pointer))) \
	C(pml_without_ept, ON1(secondary_vm_exec_control), \
	  "enable EPT must be 1 if enable PML is 1", \
	  IF(has_pml(v), has_ept(v))) \
	CHECK_PAGE(C, pml_address, has_pml(v), secondary_vm_exec_control) \
	C(unrestricted_guest_without_ept, ON1(secondary_vm_exec_control), \
	  "enable EPT must be 1 if unrestricted guest is 1", \
	  IF(has_unrestricted_guest(v), has_ept(v))) \
	C(mode_based_execute_without_ept, ON1(secondary_vm_exec_control), \
	  "enable EPT must be 1 if mode-based execute control for EPT is 1", \
	  IF(has_mode_based_execute(v), has_ept(v))) \
	C(vm_functions_reserved, ON2(vm_function_control, secondary_vm_exec_control), \
	  "reserved bits in the VM-function controls must be clear", \
	  IF(has_vm_functions(v), !(v->vm_function_control & ~c->vmfunc))) \
	C(eptp_switching_without_ept, ON2(vm_function_control, secondary_vm_exec_control), \
	  "enable EPT must be 1 if EPTP switching is 1", \
	  IF(has_eptp_switching(v), has_ept(v))) \
	CHECK_PAGE(C, eptp_list_address, has_eptp_switching(v), vm_function_control) \
	CHECK_PAGE(C, vmread_bitmap, has_vmcs_shadowing(v), secondary_vm_exec_control) \
	CHECK_PAGE(C, vmwrite_bitmap, has_vmcs_shadowing(v), secondary_vm_exec_control) \
	CHECK_PAGE(C, ve_information_address, has_ept_violation_ve(v), secondary_vm_exec_control)

#define CHECKS_exit_controls(C) \
	C(exit_controls_reserved, ON1(vm_exit_controls), \
	  "reserved bits in the VM-exit controls must be set properly", \
	  control_fits(c, VMX_WORD_EXIT, v->vm_exit_controls)) \
	C(save_timer_without_timer, ON2(vm_exit_controls, pin_based_vm_exec_control), \
	  "save VMX-preemption timer value must be 0 if activate VMX-preemption timer is 0", \
	  IF(has_save_preemption_timer(v), has_preemption_timer(v))) \
	CHECK_MSR_LIST(C, vm_exit_msr_store_addr, vm_exit_msr_store_count) \
	CHECK_MSR_LIST(C, vm_exit_msr_load_addr, vm_exit_msr_load_count)

#define CHECKS_entry_controls(C) \
	C(entry_controls_reserved, ON1(vm_entry_controls), \
	  "reserved bits in the VM-entry controls must be set properly", \
	  control_fits(c, VMX_WORD_ENTRY, v->vm_entry_controls)) \
	C(event_type_reserved, ON1(vm_entry_intr_info_field), \
	  "the interruption type must not be 1, nor 7 on a processor without monitor trap flag", \
	  IF(injects(v), event_type(v) != 1 && IF(event_type(v) == EVENT_OTHER, offers_monitor_trap_flag(c)))) \
	C(event_nmi_vector, ON1(vm_entry_intr_info_field), \
	  "if the interruption type is NMI, the vector is 2", \
	  IF(injects_type(v, EVENT_NMI), event_vector(v) == 2)) \
	C(event_exception_vector, ON1(vm_entry_intr_info_field), \
	  "if the interruption type is hardware exception, the vector is at most 31", \
	  IF(injects_type(v, EVENT_HARD), event_vector(v) <= 31)) \
	C(event_other_vector, ON1(vm_entry_intr_info_field), \
	  "if the interruption type is other event, the vector is 0 (pending MTF VM exit)", \
	  IF(injects_type(v, EVENT_OTHER), event_vector(v) == 0)) \
	C(event_error_code_mode, ON3(vm_entry_intr_info_field, guest_cr0, secondary_vm_exec_control), \
	  "deliver error code is 1 only if unrestricted guest is 0 or CR0.PE is 1", \
	  IF(injects_error(v), may_have_error(v))) \
	C(event_error_code_type, ON1(vm_entry_intr_info_field), \
	  "deliver error code is 1 only if the interruption type is hardware exception", \
	  IF(injects_error(v), event_type(v) == EVENT_HARD)) \
	C(event_error_code_vector, ON1(vm_entry_intr_info_field), \
	  "deliver error code is 1 only if the vector is that of an exception with an error code", \
	  IF(injects_error(v) && !offers_any_error_code(c), vector_has_error(event_vector(v)))) \
	C(event_error_code_missing, ON3(vm_entry_intr_info_field, guest_cr0, secondary_vm_exec_control), \
	  "deliver error code is 1 for an exception that delivers an error code", \
	  IF(injects_type(v, EVENT_HARD) && may_have_error(v) && vector_has_error(event_vector(v)) && \
	     !offers_any_error_code(c), injects_error(v))) \
	C(event_reserved, ON1(vm_entry_intr_info_field), \
	  "reserved bits 30:12 of the interruption information are 0", \
	  IF(injects(v), !(v->vm_entry_intr_info_field & 0x7ffff000))) \
	C(event_error_code_reserved, ON2(vm_entry_exception_error_code, vm_entry_intr_info_field), \
	  "bits 31:16 of the exception error code are 0 if deliver error code is 1", \
	  IF(injects_error(v), !(v->vm_entry_exception_error_code >> 16))) \
	C(event_length_limit, ON2(vm_entry_instruction_len, vm_entry_intr_info_field), \
	  "the instruction length of a software interrupt or exception is at most 15", \
	  IF(injects_software(v), v->vm_entry_instruction_len <= 15)) \
	C(event_length_zero, ON2(vm_entry_instruction_len, vm_entry_intr_info_field), \
	  "the instruction length 0 is allowed only if IA32_VMX_MISC[30] is 1", \
	  IF(injects_software(v) && !v->vm_entry_instruction_len, offers_zero_length_injection(c))) \
	CHECK_MSR_LIST(C, vm_entry_msr_load_addr, vm_entry_msr_load_count) \
	C(entry_to_smm_outside_smm, ON1(vm_entry_controls), \
	  "entry to SMM must be 0 if the processor is not in SMM", \
	  IF(has_entry_to_smm(v), e->smm)) \
	C(deactivate_dual_monitor_outside_smm, ON1(vm_entry_controls), \
	  "deactivate dual-monitor treatment must be 0 if the processor is not in SMM", \
	  IF(has_deactivate_dual_monitor(v), e->smm)) \
	C(entry_to_smm_and_deactivate, ON1(vm_entry_controls), \
	  "entry to SMM and deactivate dual-monitor treatment cannot both be 1", \
	  !(has_entry_to_smm(v) && has_deactivate_dual_monitor(v)))

/* The last of the execution controls' checks, apart because it reads memory: it may come out differently with an
 * unchanged VMCS. */
#define CHECKS_virtual_tpr(C) \
	C(tpr_threshold_above_vtpr, ON4(tpr_threshold, virtual_apic_page_addr, cpu_based_vm_exec_control, secondary_vm_exec_control), \
	  "the TPR threshold should not be greater than bits 7:4 of VTPR", \
	  IF(has_tpr_shadow(v) && !has_virtualize_apic_accesses(v) && !has_virtual_interrupt_delivery(v), \
	     (v->tpr_threshold & 0xf) <= (e->read(e->arg, v->virtual_apic_page_addr + 0x80, 1) >> 4 & 0xf)))

/* clang-format on */

#endif
