/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each check of a VM entry fails, by its own name, when its condition is broken in a VMCS that passes. */
#include "cmocka_headers.h"
#include <stdio.h>
#include <string.h>
#include "golden.h"
#include "vmcs-shadow/msr_lists.h"

/* clang-format off */

/* T(check, what makes a VMCS that passes, what breaks it): v is the VMCS, g the struct golden. */
#define BAD_PAGE(T, field, prepare) \
	T(field##_aligned, prepare, v->field |= 0x800) \
	T(field##_width,   prepare, v->field |= 1ull << 40)

#define BAD_LIST(T, addr, count) \
	T(addr##_aligned, v->count = 1, v->addr = 8) \
	T(addr##_width,   v->count = 1, v->addr = 1ull << 40) \
	T(addr##_end,     v->count = 1; v->addr = (1ull << 40) - 16, v->count = 2)

#define EVENT(type, vector) (0x80000000u | (type) << 8 | (vector))

#define CONTROL_CASES(T) \
	T(pin_controls_reserved, , v->pin_based_vm_exec_control |= 1u << 8) \
	T(pin_controls_reserved, , v->pin_based_vm_exec_control &= ~2u) \
	T(primary_controls_reserved, , v->cpu_based_vm_exec_control |= 1u << 17) \
	T(primary_controls_reserved, , v->cpu_based_vm_exec_control &= ~(1u << 26)) \
	T(secondary_controls_reserved, , v->secondary_vm_exec_control |= 1u << 15) \
	T(cr3_target_count_limit, v->cr3_target_count = 4, v->cr3_target_count = 5) \
	BAD_PAGE(T, io_bitmap_a, ) \
	BAD_PAGE(T, io_bitmap_b, ) \
	BAD_PAGE(T, msr_bitmap, ) \
	BAD_PAGE(T, virtual_apic_page_addr, ) \
	T(tpr_threshold_reserved, , v->tpr_threshold |= 0x10) \
	T(tpr_threshold_above_vtpr, v->tpr_threshold = 5, v->tpr_threshold = 6) \
	T(tpr_threshold_above_vtpr, , g->vtpr = 0x2f) \
	T(x2apic_mode_without_tpr_shadow, v->cpu_based_vm_exec_control &= ~(uint32_t)CTL_tpr_shadow, \
	  v->secondary_vm_exec_control |= CTL_virtualize_x2apic_mode) \
	T(apic_registers_without_tpr_shadow, v->cpu_based_vm_exec_control &= ~(uint32_t)CTL_tpr_shadow, \
	  v->secondary_vm_exec_control |= CTL_apic_register_virtualization) \
	T(interrupt_delivery_without_tpr_shadow, v->cpu_based_vm_exec_control &= ~(uint32_t)CTL_tpr_shadow, \
	  v->secondary_vm_exec_control |= CTL_virtual_interrupt_delivery) \
	T(virtual_nmis_without_nmi_exiting, , v->pin_based_vm_exec_control &= ~(uint32_t)CTL_nmi_exiting) \
	T(nmi_window_without_virtual_nmis, v->cpu_based_vm_exec_control |= CTL_nmi_window_exiting, \
	  v->pin_based_vm_exec_control &= ~(uint32_t)CTL_virtual_nmis) \
	BAD_PAGE(T, apic_access_addr, golden_apicv(g)) \
	T(x2apic_mode_with_apic_accesses, golden_apicv(g), v->secondary_vm_exec_control |= CTL_virtualize_x2apic_mode) \
	T(interrupt_delivery_without_interrupt_exiting, golden_apicv(g), \
	  v->pin_based_vm_exec_control &= ~(uint32_t)CTL_external_interrupt_exiting) \
	T(posted_without_interrupt_delivery, golden_apicv(g), \
	  v->secondary_vm_exec_control &= ~(uint32_t)CTL_virtual_interrupt_delivery) \
	T(posted_without_acknowledge, golden_apicv(g), v->vm_exit_controls &= ~(uint32_t)CTL_ack_interrupt_on_exit) \
	T(posted_vector, golden_apicv(g), v->posted_intr_nv |= 0x100) \
	T(posted_descriptor_aligned, golden_apicv(g), v->posted_intr_desc_addr |= 0x20) \
	T(posted_descriptor_width, golden_apicv(g), v->posted_intr_desc_addr |= 1ull << 40) \
	T(vpid_zero, , v->virtual_processor_id = 0) \
	T(eptp_memory_type, , v->ept_pointer ^= 1) \
	T(eptp_memory_type, vmx_caps_set(&g->caps, "vmx-ept-uc", false), v->ept_pointer &= ~7ull) \
	T(eptp_walk_length, , v->ept_pointer ^= 1 << 3) \
	T(eptp_walk_length, , v->ept_pointer ^= 7 << 3) \
	T(eptp_accessed_dirty, v->secondary_vm_exec_control &= ~(uint32_t)CTL_pml, \
	  vmx_caps_set(&g->caps, "vmx-eptad", false)) \
	T(eptp_reserved, , v->ept_pointer |= 0x80) \
	T(eptp_width, , v->ept_pointer |= 1ull << 40) \
	T(pml_without_ept, v->vm_function_control = 0, v->secondary_vm_exec_control &= ~(uint32_t)CTL_ept) \
	BAD_PAGE(T, pml_address, ) \
	T(unrestricted_guest_without_ept, golden_unrestricted(g); v->secondary_vm_exec_control &= ~(uint32_t)CTL_pml, \
	  v->secondary_vm_exec_control &= ~(uint32_t)CTL_ept) \
	T(mode_based_execute_without_ept, v->secondary_vm_exec_control &= ~(uint32_t)CTL_pml; \
	  v->secondary_vm_exec_control |= CTL_mode_based_execute, v->secondary_vm_exec_control &= ~(uint32_t)CTL_ept) \
	T(vm_functions_reserved, , v->vm_function_control |= 2) \
	T(vm_functions_reserved, , v->vm_function_control |= 1ull << 63) \
	T(eptp_switching_without_ept, v->secondary_vm_exec_control &= ~(uint32_t)CTL_pml, \
	  v->secondary_vm_exec_control &= ~(uint32_t)CTL_ept) \
	BAD_PAGE(T, eptp_list_address, ) \
	BAD_PAGE(T, vmread_bitmap, v->secondary_vm_exec_control |= CTL_vmcs_shadowing) \
	BAD_PAGE(T, vmwrite_bitmap, v->secondary_vm_exec_control |= CTL_vmcs_shadowing) \
	BAD_PAGE(T, ve_information_address, golden_offer_all(g); v->secondary_vm_exec_control |= CTL_ept_violation_ve) \
	T(exit_controls_reserved, , v->vm_exit_controls |= 1u << 31) \
	T(exit_controls_reserved, , v->vm_exit_controls &= ~1u) \
	T(save_timer_without_timer, , v->pin_based_vm_exec_control &= ~(uint32_t)CTL_preemption_timer) \
	BAD_LIST(T, vm_exit_msr_store_addr, vm_exit_msr_store_count) \
	BAD_LIST(T, vm_exit_msr_load_addr, vm_exit_msr_load_count) \
	T(entry_controls_reserved, , v->vm_entry_controls |= 1u << 17) \
	T(entry_controls_reserved, , v->vm_entry_controls &= ~(1u << 12)) \
	T(event_type_reserved, v->vm_entry_intr_info_field = EVENT(0, 32), v->vm_entry_intr_info_field = EVENT(1, 32)) \
	T(event_type_reserved, v->vm_entry_intr_info_field = EVENT(7, 0), vmx_caps_set(&g->caps, "vmx-mtf", false)) \
	T(event_nmi_vector, v->vm_entry_intr_info_field = EVENT(2, 2), v->vm_entry_intr_info_field = EVENT(2, 3)) \
	T(event_exception_vector, v->vm_entry_intr_info_field = EVENT(3, 31), v->vm_entry_intr_info_field = EVENT(3, 32)) \
	T(event_other_vector, v->vm_entry_intr_info_field = EVENT(7, 0), v->vm_entry_intr_info_field = EVENT(7, 1)) \
	T(event_error_code_mode, golden_unrestricted(g); v->vm_entry_intr_info_field = EVENT(3, 13), \
	  v->vm_entry_intr_info_field = EVENT(3, 13) | 0x800) \
	T(event_error_code_type, v->vm_entry_intr_info_field = EVENT(0, 13), v->vm_entry_intr_info_field = EVENT(0, 13) | 0x800) \
	T(event_error_code_vector, v->vm_entry_intr_info_field = EVENT(3, 6), v->vm_entry_intr_info_field = EVENT(3, 6) | 0x800) \
	T(event_error_code_missing, v->vm_entry_intr_info_field = EVENT(3, 13) | 0x800, v->vm_entry_intr_info_field = EVENT(3, 13)) \
	T(event_error_code_missing, v->vm_entry_intr_info_field = EVENT(3, 17) | 0x800, v->vm_entry_intr_info_field = EVENT(3, 17)) \
	T(event_reserved, v->vm_entry_intr_info_field = EVENT(0, 32), v->vm_entry_intr_info_field = EVENT(0, 32) | 0x1000) \
	T(event_error_code_reserved, v->vm_entry_intr_info_field = EVENT(3, 13) | 0x800; v->vm_entry_exception_error_code = 0xffff, \
	  v->vm_entry_exception_error_code = 0x10000) \
	T(event_length_limit, v->vm_entry_intr_info_field = EVENT(4, 0x80); v->vm_entry_instruction_len = 15, \
	  v->vm_entry_instruction_len = 16) \
	T(event_length_limit, v->vm_entry_intr_info_field = EVENT(6, 3); v->vm_entry_instruction_len = 1, \
	  v->vm_entry_instruction_len = 0x100) \
	T(event_length_zero, v->vm_entry_intr_info_field = EVENT(5, 1), vmx_caps_set(&g->caps, "vmx-zero-len-inject", false)) \
	BAD_LIST(T, vm_entry_msr_load_addr, vm_entry_msr_load_count) \
	T(entry_to_smm_outside_smm, golden_offer_all(g); golden_smm(g); v->vm_entry_controls |= CTL_entry_to_smm, g->e.smm = false) \
	T(deactivate_dual_monitor_outside_smm, golden_offer_all(g); golden_smm(g); v->vm_entry_controls |= CTL_deactivate_dual_monitor, \
	  g->e.smm = false) \
	T(entry_to_smm_and_deactivate, golden_offer_all(g); golden_smm(g); v->vm_entry_controls |= CTL_entry_to_smm, \
	  v->vm_entry_controls |= CTL_deactivate_dual_monitor)

#define HOST_SELECTOR(T, seg) T(host_##seg##_selector_flags, , v->host_##seg##_selector |= 1 + (#seg[0] & 1) * 3)
#define HOST_BASE(T, reg) T(host_##reg##_base_canonical, , v->host_##reg##_base ^= 1ull << 60)

#define HOST_CASES(T) \
	T(host_cr0_fixed, , v->host_cr0 &= ~0x20ull) \
	T(host_cr0_fixed, , v->host_cr0 |= 1ull << 32) \
	T(host_cr4_fixed, , v->host_cr4 &= ~0x2000ull) \
	T(host_cr4_fixed, , v->host_cr4 |= 1 << 15) \
	T(host_cr3_width, , v->host_cr3 |= 1ull << 40) \
	T(host_sysenter_esp_canonical, , v->host_ia32_sysenter_esp = 1ull << 47) \
	T(host_sysenter_eip_canonical, , v->host_ia32_sysenter_eip = 1ull << 63) \
	T(host_perf_global_ctrl_reserved, golden_offer_all(g); v->vm_exit_controls |= CTL_exit_load_perf_global_ctrl, \
	  v->host_ia32_perf_global_ctrl = 0x10) \
	T(host_pat_types, , v->host_ia32_pat ^= 4) \
	T(host_pat_types, , v->host_ia32_pat |= 1ull << 63) \
	T(host_efer_reserved, , v->host_ia32_efer |= 2) \
	T(host_efer_lma, , v->host_ia32_efer &= ~0x400ull) \
	T(host_efer_lme, , v->host_ia32_efer &= ~0x100ull) \
	T(host_efer_lme, golden_legacy_host(g), v->host_ia32_efer |= 0x100) \
	HOST_SELECTOR(T, cs) HOST_SELECTOR(T, ss) HOST_SELECTOR(T, ds) HOST_SELECTOR(T, es) \
	HOST_SELECTOR(T, fs) HOST_SELECTOR(T, gs) HOST_SELECTOR(T, tr) \
	T(host_cs_selector_null, , v->host_cs_selector = 0) \
	T(host_tr_selector_null, , v->host_tr_selector = 0) \
	T(host_ss_selector_null, golden_legacy_host(g), v->host_ss_selector = 0) \
	HOST_BASE(T, fs) HOST_BASE(T, gs) HOST_BASE(T, gdtr) HOST_BASE(T, idtr) HOST_BASE(T, tr) \
	T(ia32e_guest_outside_ia32e, golden_legacy_host(g), v->vm_entry_controls |= CTL_ia32e_mode_guest) \
	T(host_size_64_outside_ia32e, golden_protected(g), g->e.long_mode = false) \
	T(host_size_32_in_ia32e, golden_legacy_host(g), g->e.long_mode = true) \
	T(host_size_32_pcide, golden_legacy_host(g), v->host_cr4 |= 1 << 17) \
	T(host_size_32_rip, golden_legacy_host(g), v->host_rip |= 1ull << 32) \
	T(host_size_64_pae, , v->host_cr4 &= ~0x20ull) \
	T(host_size_64_rip, , v->host_rip ^= 1ull << 62)

#define GUEST_TABLE(T, reg) \
	T(guest_##reg##_base_canonical, , v->guest_##reg##_base ^= 1ull << 50) \
	T(guest_##reg##_limit_high, , v->guest_##reg##_limit |= 0x10000)

#define GUEST_CASES(T) \
	T(guest_cr0_fixed, golden_protected(g), v->guest_cr0 &= ~0x80000000ull) \
	T(guest_cr0_fixed, golden_unrestricted(g), v->guest_cr0 &= ~0x20ull) \
	T(guest_cr0_fixed, , v->guest_cr0 |= 1ull << 40) \
	T(guest_cr0_pg_without_pe, golden_unrestricted(g), v->guest_cr0 |= 0x80000000) \
	T(guest_cr4_fixed, , v->guest_cr4 &= ~0x2000ull) \
	T(guest_cr4_fixed, , v->guest_cr4 |= 1ull << 63) \
	T(guest_debugctl_reserved, , v->guest_ia32_debugctl = 4) \
	T(ia32e_guest_without_paging, v->secondary_vm_exec_control |= CTL_unrestricted_guest, v->guest_cr0 &= ~0x80000000ull) \
	T(ia32e_guest_without_pae, , v->guest_cr4 &= ~0x20ull) \
	T(guest_pcide_without_ia32e, golden_protected(g), v->guest_cr4 |= 1 << 17) \
	T(guest_cr3_width, , v->guest_cr3 |= 1ull << 63) \
	T(guest_dr7_high, , v->guest_dr7 |= 1ull << 32) \
	T(guest_sysenter_esp_canonical, , v->guest_sysenter_esp = 1ull << 47) \
	T(guest_sysenter_eip_canonical, , v->guest_sysenter_eip = 1ull << 48) \
	T(guest_perf_global_ctrl_reserved, golden_offer_all(g); v->vm_entry_controls |= CTL_entry_load_perf_global_ctrl, \
	  v->guest_ia32_perf_global_ctrl = 1ull << 40) \
	T(guest_pat_types, , v->guest_ia32_pat = 0x0300) \
	T(guest_pat_types, , v->guest_ia32_pat = 0x08) \
	T(guest_efer_reserved, , v->guest_ia32_efer |= 1 << 12) \
	T(guest_efer_lma, golden_protected(g), v->guest_ia32_efer |= 0x400) \
	T(guest_efer_lme, , v->guest_ia32_efer &= ~0x100ull) \
	T(guest_bndcfgs_reserved, golden_offer_all(g); v->vm_entry_controls |= CTL_load_bndcfgs, v->guest_ia32_bndcfgs = 4) \
	T(guest_bndcfgs_canonical, golden_offer_all(g); v->vm_entry_controls |= CTL_load_bndcfgs, \
	  v->guest_ia32_bndcfgs = 1ull << 47) \
	GUEST_TABLE(T, gdtr) GUEST_TABLE(T, idtr) \
	T(guest_rip_32, golden_protected(g), v->guest_rip |= 1ull << 32) \
	T(guest_rip_32, v->guest_cs_ar_bytes = 0xc09b; v->guest_rip = 0, v->guest_rip = 1ull << 47) \
	T(guest_rip_64, v->guest_rip = 1ull << 47, v->guest_rip = 1ull << 48) \
	T(guest_rip_64, v->guest_rip = 0xffff000000000000, v->guest_rip = 0xfffe000000000000) \
	T(guest_rflags_reserved, , v->guest_rflags |= 8) \
	T(guest_rflags_reserved, , v->guest_rflags |= 0x8000) \
	T(guest_rflags_reserved, , v->guest_rflags |= 1ull << 22) \
	T(guest_rflags_one, , v->guest_rflags &= ~2ull) \
	T(guest_rflags_vm, golden_v86(g), v->vm_entry_controls |= CTL_ia32e_mode_guest; v->guest_cr4 |= 0x20; v->guest_ia32_efer = 0xd01) \
	T(guest_rflags_vm, golden_v86(g); v->secondary_vm_exec_control |= CTL_unrestricted_guest, v->guest_cr0 &= ~0x80000001ull) \
	T(guest_rflags_if, v->vm_entry_intr_info_field = EVENT(0, 0x30), v->guest_rflags = 2) \
	T(activity_range, , v->guest_activity_state = 4) \
	T(activity_supported, v->guest_activity_state = 3, vmx_caps_set(&g->caps, "vmx-activity-wait-sipi", false)) \
	T(activity_supported, v->guest_activity_state = 1, vmx_caps_set(&g->caps, "vmx-activity-hlt", false)) \
	T(activity_supported, v->guest_activity_state = 2, vmx_caps_set(&g->caps, "vmx-activity-shutdown", false)) \
	T(activity_hlt_dpl, v->guest_cs_selector = 0x13; v->guest_ss_selector = 0x1b; v->guest_cs_ar_bytes = 0xa0fb; \
	  v->guest_ss_ar_bytes = 0xc0f3, v->guest_activity_state = 1) \
	T(activity_blocking, v->guest_interruptibility_info = 1, v->guest_activity_state = 1) \
	T(activity_blocking, v->guest_activity_state = 2, v->guest_interruptibility_info = 2) \
	T(activity_event, v->vm_entry_intr_info_field = EVENT(3, 1); v->guest_activity_state = 1, v->vm_entry_intr_info_field = EVENT(3, 3)) \
	T(activity_event, v->vm_entry_intr_info_field = EVENT(3, 18); v->guest_activity_state = 2, v->vm_entry_intr_info_field = EVENT(0, 50)) \
	T(activity_event, v->guest_activity_state = 3, v->vm_entry_intr_info_field = EVENT(2, 2)) \
	T(activity_sipi_to_smm, golden_offer_all(g); golden_smm(g); v->vm_entry_controls |= CTL_entry_to_smm, v->guest_activity_state = 3) \
	T(interruptibility_reserved, , v->guest_interruptibility_info = 0x20) \
	T(interruptibility_sti_and_mov_ss, v->guest_interruptibility_info = 1, v->guest_interruptibility_info = 3) \
	T(interruptibility_sti_without_if, v->guest_interruptibility_info = 1, v->guest_rflags = 2) \
	T(interrupt_blocked_by_sti, v->guest_interruptibility_info = 1, v->vm_entry_intr_info_field = EVENT(0, 50)) \
	T(interrupt_blocked_by_mov_ss, v->guest_interruptibility_info = 2, v->vm_entry_intr_info_field = EVENT(0, 50)) \
	T(nmi_blocked_by_mov_ss, v->guest_interruptibility_info = 2, v->vm_entry_intr_info_field = EVENT(2, 2)) \
	T(smi_blocked_outside_smm, , v->guest_interruptibility_info = 4) \
	T(smi_unblocked_to_smm, golden_offer_all(g); golden_smm(g); v->vm_entry_controls |= CTL_entry_to_smm, v->guest_interruptibility_info = 0) \
	T(virtual_nmi_blocked, v->guest_interruptibility_info = 8, v->vm_entry_intr_info_field = EVENT(2, 2)) \
	T(enclave_blocked_by_mov_ss, g->caps.cpu.sgx = true; v->guest_interruptibility_info = 0x10, v->guest_interruptibility_info = 0x12) \
	T(enclave_without_sgx, , v->guest_interruptibility_info = 0x10) \
	T(pending_debug_reserved, v->guest_pending_dbg_exceptions = 0x500f, v->guest_pending_dbg_exceptions = 0x10) \
	T(pending_debug_reserved, , v->guest_pending_dbg_exceptions = 0x2000) \
	T(pending_debug_reserved, , v->guest_pending_dbg_exceptions = 0x8000) \
	T(pending_debug_reserved, , v->guest_pending_dbg_exceptions = 1ull << 63) \
	T(pending_debug_bs_missing, v->guest_interruptibility_info = 1, v->guest_rflags |= 0x100) \
	T(pending_debug_bs_unexpected, v->guest_activity_state = 1, v->guest_pending_dbg_exceptions = 0x4000) \
	T(pending_debug_bs_unexpected, v->guest_interruptibility_info = 2; v->guest_rflags |= 0x100; v->guest_pending_dbg_exceptions = 0x4000, \
	  v->guest_ia32_debugctl = 2) \
	T(pending_debug_rtm_bits, g->caps.cpu.rtm = true; v->guest_pending_dbg_exceptions = 0x11000, v->guest_pending_dbg_exceptions = 0x11001) \
	T(pending_debug_rtm_bits, g->caps.cpu.rtm = true, v->guest_pending_dbg_exceptions = 0x10000) \
	T(pending_debug_rtm_unsupported, , v->guest_pending_dbg_exceptions = 0x11000) \
	T(pending_debug_rtm_mov_ss, g->caps.cpu.rtm = true; v->guest_pending_dbg_exceptions = 0x11000, v->guest_interruptibility_info = 2) \
	T(nmi_blocked_by_sti, g->caps.cpu.sti_blocks_nmi = true; v->guest_interruptibility_info = 1, v->vm_entry_intr_info_field = EVENT(2, 2)) \
	T(link_pointer_aligned, v->vmcs_link_pointer = GOLDEN_LINK, v->vmcs_link_pointer |= 0x10) \
	T(link_pointer_width, v->vmcs_link_pointer = GOLDEN_LINK, v->vmcs_link_pointer |= 1ull << 40) \
	T(link_revision, v->vmcs_link_pointer = GOLDEN_LINK, g->link ^= 1) \
	T(link_shadow, v->vmcs_link_pointer = GOLDEN_LINK, g->link ^= 0x80000000) \
	T(link_shadow, v->vmcs_link_pointer = GOLDEN_LINK; g->link |= 0x80000000; v->secondary_vm_exec_control |= CTL_vmcs_shadowing, \
	  v->secondary_vm_exec_control &= ~(uint32_t)CTL_vmcs_shadowing) \
	T(link_current, v->vmcs_link_pointer = GOLDEN_LINK, g->e.current_vmcs = GOLDEN_LINK) \
	T(link_executive, golden_offer_all(g); golden_smm(g), v->executive_vmcs_pointer = GOLDEN_LINK) \
	T(guest_pdpte0_reserved, golden_pae(g), v->guest_pdptr0 |= 2) \
	T(guest_pdpte1_reserved, golden_pae(g), v->guest_pdptr1 |= 0x100) \
	T(guest_pdpte2_reserved, golden_pae(g); v->guest_pdptr2 = 0x1e6, v->guest_pdptr2 |= 1) \
	T(guest_pdpte3_reserved, golden_pae(g), v->guest_pdptr3 |= 1ull << 40) \
	T(guest_pdpte3_reserved, golden_pae(g); v->secondary_vm_exec_control = 0, g->pdpte[3] |= 0x20)

/* the registers that are usable in the golden VMCS */
#define SEGMENT(T, seg) \
	T(guest_##seg##_base_v86, golden_v86(g), v->guest_##seg##_base ^= 0x10) \
	T(guest_##seg##_limit_v86, golden_v86(g), v->guest_##seg##_limit = 0xfffff) \
	T(guest_##seg##_rights_v86, golden_v86(g), v->guest_##seg##_ar_bytes = 0x93) \
	T(guest_##seg##_system, , v->guest_##seg##_ar_bytes &= ~0x10u) \
	T(guest_##seg##_present, , v->guest_##seg##_ar_bytes &= ~0x80u) \
	T(guest_##seg##_reserved_low, , v->guest_##seg##_ar_bytes |= 0x400) \
	T(guest_##seg##_reserved_high, , v->guest_##seg##_ar_bytes |= 0x20000) \
	T(guest_##seg##_granularity_bytes, , v->guest_##seg##_limit &= ~1u) \
	T(guest_##seg##_granularity_pages, , v->guest_##seg##_ar_bytes &= ~0x8000u)

#define DATA_SEGMENT(T, seg) \
	SEGMENT(T, seg) \
	T(guest_##seg##_accessed, , v->guest_##seg##_ar_bytes &= ~1u) \
	T(guest_##seg##_readable, v->guest_##seg##_ar_bytes |= 0xb, v->guest_##seg##_ar_bytes &= ~2u) \
	T(guest_##seg##_dpl, , v->guest_##seg##_selector |= 3)

#define SYSTEM_SEGMENT(T, seg, prepare) \
	T(guest_##seg##_selector_ti, prepare, v->guest_##seg##_selector |= 4) \
	T(guest_##seg##_base_canonical, prepare, v->guest_##seg##_base ^= 1ull << 63) \
	T(guest_##seg##_system, prepare, v->guest_##seg##_ar_bytes |= 0x10) \
	T(guest_##seg##_present, prepare, v->guest_##seg##_ar_bytes &= ~0x80u) \
	T(guest_##seg##_reserved_low, prepare, v->guest_##seg##_ar_bytes |= 0x100) \
	T(guest_##seg##_reserved_high, prepare, v->guest_##seg##_ar_bytes |= 0x80000000) \
	T(guest_##seg##_granularity_bytes, prepare, v->guest_##seg##_ar_bytes |= 0x8000) \
	T(guest_##seg##_granularity_pages, prepare, v->guest_##seg##_limit = 0xffffffff)

#define LDT v->guest_ldtr_ar_bytes = 0x82; v->guest_ldtr_limit = 0x67

#define SEGMENT_CASES(T) \
	SEGMENT(T, cs) SEGMENT(T, ss) DATA_SEGMENT(T, ds) DATA_SEGMENT(T, es) DATA_SEGMENT(T, fs) DATA_SEGMENT(T, gs) \
	SYSTEM_SEGMENT(T, tr, ) SYSTEM_SEGMENT(T, ldtr, LDT) \
	T(guest_ss_selector_rpl, v->guest_ss_ar_bytes = 0xc093, v->guest_cs_selector |= 1) \
	T(guest_fs_base_canonical, , v->guest_fs_base = 1ull << 47) \
	T(guest_gs_base_canonical, v->guest_gs_ar_bytes = 0x10000, v->guest_gs_base = 1ull << 47) \
	T(guest_cs_base_high, , v->guest_cs_base = 1ull << 32) \
	T(guest_ss_base_high, , v->guest_ss_base = 1ull << 32) \
	T(guest_ds_base_high, , v->guest_ds_base = 1ull << 32) \
	T(guest_es_base_high, v->guest_es_ar_bytes = 0x10000; v->guest_es_base = 1ull << 32, v->guest_es_ar_bytes = 0xc093) \
	T(guest_cs_type, golden_protected(g), v->guest_cs_ar_bytes = 0xc093) \
	T(guest_cs_type, golden_protected(g), v->guest_cs_ar_bytes = 0xc09a) \
	T(guest_ss_type, v->guest_ss_ar_bytes = 0xc097, v->guest_ss_ar_bytes = 0xc091) \
	T(guest_ss_type, , v->guest_ss_ar_bytes = 0xc09b) \
	T(guest_cs_dpl_data, golden_unrestricted(g), v->guest_cs_ar_bytes |= 0x20) \
	T(guest_cs_dpl_nonconforming, , v->guest_cs_ar_bytes |= 0x60) \
	T(guest_cs_dpl_conforming, v->guest_cs_ar_bytes |= 0x4, v->guest_cs_ar_bytes |= 0x20) \
	T(guest_ss_dpl_rpl, v->guest_cs_ar_bytes |= 4, v->guest_ss_ar_bytes |= 0x20) \
	T(guest_ss_dpl_zero, golden_unrestricted(g), v->guest_ss_ar_bytes |= 0x20) \
	T(guest_cs_default_size, , v->guest_cs_ar_bytes |= 0x4000) \
	T(guest_tr_type, , v->guest_tr_ar_bytes = 0x83) \
	T(guest_tr_type, golden_protected(g); v->guest_tr_ar_bytes = 0x83, v->guest_tr_ar_bytes = 0x89) \
	T(guest_tr_unusable, , v->guest_tr_ar_bytes |= 0x10000) \
	T(guest_ldtr_type, LDT, v->guest_ldtr_ar_bytes = 0x83)

#define CASES(T) CONTROL_CASES(T) HOST_CASES(T) GUEST_CASES(T) SEGMENT_CASES(T)

/* clang-format on */

/* A row that another one always comes before: IA-32e mode guest with a 32-bit host fails either because the processor is in
 * IA-32e mode, and the host would not be, or because it is not, and the guest would be. */
static const enum vmx_check shadowed[] = { VMX_CHECK_host_size_32_ia32e_guest };

static void report(const char *what, int line, enum vmx_check got, enum vmx_check expected)
{
	print_message("line %d: %s: got %s, expected %s\n", line, what, got ? vmx_check_name(got) : "none",
		      expected ? vmx_check_name(expected) : "none");
}

static void each_check_fails_by_its_own_name(void **state)
{
	static bool seen[VMX_CHECK_COUNT];
	static struct golden golden;
	struct golden *g = &golden;
	struct vmcs *v = &g->v;
	unsigned wrong = 0;
	unsigned cases = 0;
	enum vmx_check got;

	(void)state;
#define T(check, prepare, broken) \
	golden_init(g); \
	prepare; \
	got = vmx_check_entry(&g->e, VMCS_ALL_GROUPS); \
	if (got != VMX_CHECK_OK) { \
		report(#check ", prepared: " #prepare, cases, got, VMX_CHECK_OK); \
		wrong++; \
	} \
	broken; \
	got = vmx_check_entry(&g->e, VMCS_ALL_GROUPS); \
	if (got != VMX_CHECK_##check) { \
		report(#check ", broken: " #broken, cases, got, VMX_CHECK_##check); \
		wrong++; \
	} \
	seen[VMX_CHECK_##check] = true; \
	cases++;
	CASES(T)
#undef T
	for (unsigned i = 0; i < sizeof(shadowed) / sizeof(shadowed[0]); i++)
		seen[shadowed[i]] = true;
	for (unsigned check = 1; check < VMX_CHECK_COUNT; check++)
		if (!seen[check]) {
			print_message("no case for %s\n", vmx_check_name(check));
			wrong++;
		}
	print_message("%u cases for %u checks\n", cases, VMX_CHECK_COUNT - 1);
	assert_int_equal(wrong, 0);
}

static void the_golden_guests_pass(void **state)
{
	static void (*const variants[])(struct golden *) = { golden_protected,	  golden_pae,	golden_v86,
							     golden_unrestricted, golden_apicv, golden_legacy_host };
	static struct golden g;

	(void)state;
	golden_init(&g);
	assert_int_equal(vmx_check_entry(&g.e, VMCS_ALL_GROUPS), VMX_CHECK_OK);
	for (unsigned i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		golden_init(&g);
		variants[i](&g);
		assert_int_equal(vmx_check_entry(&g.e, VMCS_ALL_GROUPS), VMX_CHECK_OK);
	}
	golden_init(&g);
	golden_offer_all(&g);
	golden_smm(&g);
	assert_int_equal(vmx_check_entry(&g.e, VMCS_ALL_GROUPS), VMX_CHECK_OK);
}

static void classes_and_qualifications_are_the_manuals(void **state)
{
	(void)state;
	assert_int_equal(vmx_check_class(VMX_CHECK_OK), VMX_ENTRY_OK);
	assert_int_equal(vmx_check_class(VMX_CHECK_pin_controls_reserved), VMX_ENTRY_CONTROLS);
	assert_int_equal(vmx_check_class(VMX_CHECK_entry_to_smm_and_deactivate), VMX_ENTRY_CONTROLS);
	assert_int_equal(vmx_check_class(VMX_CHECK_host_cr0_fixed), VMX_ENTRY_HOST);
	assert_int_equal(vmx_check_class(VMX_CHECK_host_size_64_rip), VMX_ENTRY_HOST);
	assert_int_equal(vmx_check_class(VMX_CHECK_guest_cr0_fixed), VMX_ENTRY_GUEST);
	assert_int_equal(vmx_check_class(VMX_CHECK_guest_pdpte3_reserved), VMX_ENTRY_GUEST);
	assert_int_equal(vmx_check_class(VMX_CHECK_COUNT), VMX_ENTRY_OK);
	assert_int_equal(vmx_check_qualification(VMX_CHECK_guest_cr0_fixed), 0);
	assert_int_equal(vmx_check_qualification(VMX_CHECK_guest_pdpte0_reserved), 2);
	assert_int_equal(vmx_check_qualification(VMX_CHECK_nmi_blocked_by_sti), 3);
	assert_int_equal(vmx_check_qualification(VMX_CHECK_link_current), 4);
	assert_string_equal(vmx_check_section(VMX_CHECK_guest_cs_type), "Checks on Guest Segment Registers");
	assert_null(vmx_check_name(VMX_CHECK_OK));
	assert_null(vmx_check_name(VMX_CHECK_COUNT));
}

static void keep_line(void *arg, const char *text)
{
	snprintf(arg, 300, "%s", text);
}

static void a_failed_check_is_described_with_its_values(void **state)
{
	static struct golden g;
	char line[300];

	(void)state;
	golden_init(&g);
	g.v.virtual_processor_id = 0;
	vmx_check_describe(vmx_check_entry(&g.e, VMCS_ALL_GROUPS), &g.v, keep_line, line);
	assert_string_equal(line, "vpid_zero: the VPID must not be 0000H if enable VPID is 1: virtual_processor_id=0x0 "
				  "secondary_vm_exec_control=0x2202a");
	for (unsigned check = 1; check < VMX_CHECK_COUNT; check++) {
		assert_non_null(vmx_check_text(check));
		assert_non_null(vmx_check_condition(check));
		assert_int_not_equal(vmx_check_groups(check), 0);
		vmx_check_describe(check, &g.v, keep_line, line);
		assert_true(strlen(line) < sizeof(line) - 1);
	}
}

static void msr_list_entries_that_a_transition_refuses(void **state)
{
	static const struct {
		struct vmx_msr_entry entry;
		bool x2apic, smm, load, store;
	} rows[] = {
		{ { 0x10, 0, 0 }, false, false, true, true },
		{ { 0x10, 1, 0 }, false, false, false, false },
		{ { 0xc0000100, 0, 0 }, false, false, false, true },
		{ { 0xc0000101, 0, 0 }, false, false, false, true },
		{ { 0x808, 0, 0 }, false, false, true, true },
		{ { 0x808, 0, 0 }, true, false, false, false },
		{ { 0x9b, 0, 0 }, false, false, false, true },
		{ { 0x9e, 0, 0 }, false, false, false, false },
		{ { 0x9e, 0, 0 }, false, true, false, true },
		{ { 0x79, 0, 0 }, false, false, false, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(vmx_msr_may_load(&rows[i].entry, rows[i].x2apic, rows[i].smm), rows[i].load);
		assert_int_equal(vmx_msr_may_store(&rows[i].entry, rows[i].x2apic, rows[i].smm), rows[i].store);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_golden_guests_pass),
		cmocka_unit_test(each_check_fails_by_its_own_name),
		cmocka_unit_test(classes_and_qualifications_are_the_manuals),
		cmocka_unit_test(a_failed_check_is_described_with_its_values),
		cmocka_unit_test(msr_list_entries_that_a_transition_refuses),
	};

	return cmocka_run_group_tests_name("entry_checks", tests, NULL, NULL);
}
