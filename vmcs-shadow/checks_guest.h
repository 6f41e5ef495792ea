/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows for entry_checks.h: SDM vol. 3, "Checks on the Guest State Area", but for the segment registers. */
#ifndef VMCS_SHADOW_CHECKS_GUEST_H
#define VMCS_SHADOW_CHECKS_GUEST_H

/* clang-format off */

#define CHECKS_guest_registers(C) \
	C(guest_cr0_fixed, ON2(guest_cr0, secondary_vm_exec_control), \
	  "CR0 must not set any bit to a value not supported in VMX operation; PE and PG are free for an unrestricted guest", \
	  fixed_ok(v->guest_cr0, has_unrestricted_guest(v) ? c->cr0_fixed0 & ~(CR0_PE | CR0_PG) : c->cr0_fixed0, \
		   c->cr0_fixed1)) \
	C(guest_cr0_pg_without_pe, ON1(guest_cr0), \
	  "if CR0.PG is 1, CR0.PE must also be 1", \
	  IF(v->guest_cr0 & CR0_PG, v->guest_cr0 & CR0_PE)) \
	C(guest_cr4_fixed, ON1(guest_cr4), \
	  "CR4 must not set any bit to a value not supported in VMX operation", \
	  fixed_ok(v->guest_cr4, c->cr4_fixed0, c->cr4_fixed1)) \
	C(guest_debugctl_reserved, ON2(guest_ia32_debugctl, vm_entry_controls), \
	  "reserved bits of IA32_DEBUGCTL must be 0 if load debug controls is 1", \
	  IF(has_load_debug_controls(v), !(v->guest_ia32_debugctl & ~c->cpu.debugctl_allowed))) \
	C(ia32e_guest_without_paging, ON2(guest_cr0, vm_entry_controls), \
	  "CR0.PG must be 1 if IA-32e mode guest is 1", \
	  IF(has_ia32e_mode_guest(v), v->guest_cr0 & CR0_PG)) \
	C(ia32e_guest_without_pae, ON2(guest_cr4, vm_entry_controls), \
	  "CR4.PAE must be 1 if IA-32e mode guest is 1", \
	  IF(has_ia32e_mode_guest(v), v->guest_cr4 & CR4_PAE)) \
	C(guest_pcide_without_ia32e, ON2(guest_cr4, vm_entry_controls), \
	  "CR4.PCIDE must be 0 if IA-32e mode guest is 0", \
	  IF(!has_ia32e_mode_guest(v), !(v->guest_cr4 & CR4_PCIDE))) \
	C(guest_cr3_width, ON1(guest_cr3), \
	  "bits of CR3 beyond the physical-address width must be 0", \
	  fits_width(c, v->guest_cr3)) \
	C(guest_dr7_high, ON2(guest_dr7, vm_entry_controls), \
	  "bits 63:32 of DR7 must be 0 if load debug controls is 1", \
	  IF(has_load_debug_controls(v), !(v->guest_dr7 >> 32))) \
	C(guest_sysenter_esp_canonical, ON1(guest_sysenter_esp), \
	  "IA32_SYSENTER_ESP must contain a canonical address", \
	  canonical(c, v->guest_sysenter_esp)) \
	C(guest_sysenter_eip_canonical, ON1(guest_sysenter_eip), \
	  "IA32_SYSENTER_EIP must contain a canonical address", \
	  canonical(c, v->guest_sysenter_eip)) \
	C(guest_perf_global_ctrl_reserved, ON2(guest_ia32_perf_global_ctrl, vm_entry_controls), \
	  "reserved bits of IA32_PERF_GLOBAL_CTRL must be 0 if the entry loads it", \
	  IF(has_entry_load_perf_global_ctrl(v), !(v->guest_ia32_perf_global_ctrl & ~c->cpu.perf_global_ctrl_allowed))) \
	C(guest_pat_types, ON2(guest_ia32_pat, vm_entry_controls), \
	  "each byte of IA32_PAT must be 0, 1, 4, 5, 6 or 7 if the entry loads it", \
	  IF(has_entry_load_pat(v), pat_ok(v->guest_ia32_pat))) \
	C(guest_efer_reserved, ON2(guest_ia32_efer, vm_entry_controls), \
	  "reserved bits of IA32_EFER must be 0 if the entry loads it", \
	  IF(has_entry_load_efer(v), !(v->guest_ia32_efer & ~c->cpu.efer_allowed))) \
	C(guest_efer_lma, ON2(guest_ia32_efer, vm_entry_controls), \
	  "LMA must equal IA-32e mode guest if the entry loads IA32_EFER", \
	  IF(has_entry_load_efer(v), !(v->guest_ia32_efer & EFER_LMA) == !has_ia32e_mode_guest(v))) \
	C(guest_efer_lme, ON3(guest_ia32_efer, guest_cr0, vm_entry_controls), \
	  "LME must equal LMA if CR0.PG is 1 and the entry loads IA32_EFER", \
	  IF(has_entry_load_efer(v) && (v->guest_cr0 & CR0_PG), !(v->guest_ia32_efer & EFER_LMA) == !(v->guest_ia32_efer & EFER_LME))) \
	C(guest_bndcfgs_reserved, ON2(guest_ia32_bndcfgs, vm_entry_controls), \
	  "reserved bits 11:2 of IA32_BNDCFGS must be 0 if the entry loads it", \
	  IF(has_load_bndcfgs(v), !(v->guest_ia32_bndcfgs & 0xffc))) \
	C(guest_bndcfgs_canonical, ON2(guest_ia32_bndcfgs, vm_entry_controls), \
	  "the linear address in bits 63:12 of IA32_BNDCFGS must be canonical if the entry loads it", \
	  IF(has_load_bndcfgs(v), canonical(c, v->guest_ia32_bndcfgs & ~0xfffull)))

#define CHECK_GUEST_TABLE(C, reg) \
	C(guest_##reg##_base_canonical, ON1(guest_##reg##_base), \
	  "the base address must be canonical", \
	  canonical(c, v->guest_##reg##_base)) \
	C(guest_##reg##_limit_high, ON1(guest_##reg##_limit), \
	  "bits 31:16 of the limit must be 0", \
	  !(v->guest_##reg##_limit >> 16))

#define CHECKS_guest_tables(C) \
	CHECK_GUEST_TABLE(C, gdtr) \
	CHECK_GUEST_TABLE(C, idtr)

#define CHECKS_guest_rip(C) \
	C(guest_rip_32, ON3(guest_rip, vm_entry_controls, guest_cs_ar_bytes), \
	  "bits 63:32 of RIP must be 0 outside 64-bit mode", \
	  IF(!(has_ia32e_mode_guest(v) && (v->guest_cs_ar_bytes & AR_L)), !(v->guest_rip >> 32))) \
	C(guest_rip_64, ON3(guest_rip, vm_entry_controls, guest_cs_ar_bytes), \
	  "bits of RIP from the linear-address width up must be identical in 64-bit mode", \
	  IF(has_ia32e_mode_guest(v) && (v->guest_cs_ar_bytes & AR_L), rip_ok(c, v->guest_rip))) \
	C(guest_rflags_reserved, ON1(guest_rflags), \
	  "reserved bits 63:22, 15, 5 and 3 of RFLAGS must be 0", \
	  !(v->guest_rflags & 0xffffffffffc08028)) \
	C(guest_rflags_one, ON1(guest_rflags), \
	  "reserved bit 1 of RFLAGS must be 1", \
	  v->guest_rflags & 2) \
	C(guest_rflags_vm, ON3(guest_rflags, vm_entry_controls, guest_cr0), \
	  "RFLAGS.VM must be 0 if IA-32e mode guest is 1 or CR0.PE is 0", \
	  IF(has_ia32e_mode_guest(v) || !(v->guest_cr0 & CR0_PE), !(v->guest_rflags & FLAG_VM))) \
	C(guest_rflags_if, ON2(guest_rflags, vm_entry_intr_info_field), \
	  "RFLAGS.IF must be 1 if an external interrupt is injected", \
	  IF(injects_type(v, EVENT_INTERRUPT), v->guest_rflags & FLAG_IF))

#define CHECKS_guest_state(C) \
	C(activity_range, ON1(guest_activity_state), \
	  "the activity state must be in the range 0 to 3", \
	  v->guest_activity_state <= ACTIVITY_WAIT_FOR_SIPI) \
	C(activity_supported, ON1(guest_activity_state), \
	  "the activity state must be one that the processor supports", \
	  activity_supported(c, v->guest_activity_state)) \
	C(activity_hlt_dpl, ON2(guest_activity_state, guest_ss_ar_bytes), \
	  "the activity state must not be HLT if the DPL of SS is not 0", \
	  IF(v->guest_activity_state == ACTIVITY_HLT, !AR_DPL(v->guest_ss_ar_bytes))) \
	C(activity_blocking, ON2(guest_activity_state, guest_interruptibility_info), \
	  "the activity state must be active with blocking by STI or by MOV SS", \
	  IF(v->guest_interruptibility_info & (BLOCKED_STI | BLOCKED_MOV_SS), v->guest_activity_state == ACTIVITY_ACTIVE)) \
	C(activity_event, ON2(guest_activity_state, vm_entry_intr_info_field), \
	  "the activity state must be one in which the injected event is allowed", \
	  IF(injects(v), activity_allows_event(v))) \
	C(activity_sipi_to_smm, ON2(guest_activity_state, vm_entry_controls), \
	  "the activity state must not be wait-for-SIPI if entry to SMM is 1", \
	  IF(has_entry_to_smm(v), v->guest_activity_state != ACTIVITY_WAIT_FOR_SIPI)) \
	C(interruptibility_reserved, ON1(guest_interruptibility_info), \
	  "reserved bits 31:5 of the interruptibility state must be 0", \
	  !(v->guest_interruptibility_info >> 5)) \
	C(interruptibility_sti_and_mov_ss, ON1(guest_interruptibility_info), \
	  "blocking by STI and blocking by MOV SS must not both be 1", \
	  !blocked(v, BLOCKED_STI) || !blocked(v, BLOCKED_MOV_SS)) \
	C(interruptibility_sti_without_if, ON2(guest_interruptibility_info, guest_rflags), \
	  "blocking by STI must be 0 if RFLAGS.IF is 0", \
	  IF(blocked(v, BLOCKED_STI), v->guest_rflags & FLAG_IF)) \
	C(interrupt_blocked_by_sti, ON2(guest_interruptibility_info, vm_entry_intr_info_field), \
	  "blocking by STI must be 0 if an external interrupt is injected", \
	  IF(injects_type(v, EVENT_INTERRUPT), !blocked(v, BLOCKED_STI))) \
	C(interrupt_blocked_by_mov_ss, ON2(guest_interruptibility_info, vm_entry_intr_info_field), \
	  "blocking by MOV SS must be 0 if an external interrupt is injected", \
	  IF(injects_type(v, EVENT_INTERRUPT), !blocked(v, BLOCKED_MOV_SS))) \
	C(nmi_blocked_by_mov_ss, ON2(guest_interruptibility_info, vm_entry_intr_info_field), \
	  "blocking by MOV SS must be 0 if an NMI is injected", \
	  IF(injects_type(v, EVENT_NMI), !blocked(v, BLOCKED_MOV_SS))) \
	C(smi_blocked_outside_smm, ON1(guest_interruptibility_info), \
	  "blocking by SMI must be 0 if the processor is not in SMM", \
	  IF(!e->smm, !blocked(v, BLOCKED_SMI))) \
	C(smi_unblocked_to_smm, ON2(guest_interruptibility_info, vm_entry_controls), \
	  "blocking by SMI must be 1 if entry to SMM is 1", \
	  IF(has_entry_to_smm(v), blocked(v, BLOCKED_SMI))) \
	C(virtual_nmi_blocked, ON3(guest_interruptibility_info, vm_entry_intr_info_field, pin_based_vm_exec_control), \
	  "blocking by NMI must be 0 if an NMI is injected and virtual NMIs is 1", \
	  IF(injects_type(v, EVENT_NMI) && has_virtual_nmis(v), !blocked(v, BLOCKED_NMI))) \
	C(enclave_blocked_by_mov_ss, ON1(guest_interruptibility_info), \
	  "blocking by MOV SS must be 0 with enclave interruption", \
	  IF(blocked(v, ENCLAVE_INTERRUPTED), !blocked(v, BLOCKED_MOV_SS))) \
	C(enclave_without_sgx, ON1(guest_interruptibility_info), \
	  "enclave interruption must be 0 if the processor does not support SGX", \
	  IF(blocked(v, ENCLAVE_INTERRUPTED), c->cpu.sgx)) \
	C(pending_debug_reserved, ON1(guest_pending_dbg_exceptions), \
	  "reserved bits 63:17, 15, 13 and 11:4 of the pending debug exceptions must be 0", \
	  !(v->guest_pending_dbg_exceptions & 0xfffffffffffeaff0)) \
	C(pending_debug_bs_missing, ON5(guest_pending_dbg_exceptions, guest_interruptibility_info, guest_activity_state, guest_rflags, guest_ia32_debugctl), \
	  "with blocking by STI or MOV SS, or in HLT, BS must be 1 if TF is 1 and BTF is 0", \
	  IF(holds_single_step(v) && single_steps(v), v->guest_pending_dbg_exceptions & PENDING_BS)) \
	C(pending_debug_bs_unexpected, ON5(guest_pending_dbg_exceptions, guest_interruptibility_info, guest_activity_state, guest_rflags, guest_ia32_debugctl), \
	  "with blocking by STI or MOV SS, or in HLT, BS must be 0 if TF is 0 or BTF is 1", \
	  IF(holds_single_step(v) && !single_steps(v), !(v->guest_pending_dbg_exceptions & PENDING_BS))) \
	C(pending_debug_rtm_bits, ON1(guest_pending_dbg_exceptions), \
	  "if RTM is 1, bit 12 must be 1 and bits 11:0, 15:13 and 63:17 must be 0", \
	  IF(v->guest_pending_dbg_exceptions & PENDING_RTM, \
	     v->guest_pending_dbg_exceptions == (PENDING_RTM | PENDING_ENABLED))) \
	C(pending_debug_rtm_unsupported, ON1(guest_pending_dbg_exceptions), \
	  "RTM must be 0 if the processor does not support RTM", \
	  IF(v->guest_pending_dbg_exceptions & PENDING_RTM, c->cpu.rtm)) \
	C(pending_debug_rtm_mov_ss, ON2(guest_pending_dbg_exceptions, guest_interruptibility_info), \
	  "if RTM is 1, blocking by MOV SS must be 0", \
	  IF(v->guest_pending_dbg_exceptions & PENDING_RTM, !blocked(v, BLOCKED_MOV_SS)))

/* The SDM lets a processor require this one; it has a qualification of its own. */
#define CHECKS_guest_nmi(C) \
	C(nmi_blocked_by_sti, ON2(guest_interruptibility_info, vm_entry_intr_info_field), \
	  "blocking by STI must be 0 if an NMI is injected, on a processor that requires it", \
	  IF(injects_type(v, EVENT_NMI) && c->cpu.sti_blocks_nmi, !blocked(v, BLOCKED_STI)))

#define CHECKS_guest_link(C) \
	C(link_pointer_aligned, ON1(vmcs_link_pointer), \
	  "bits 11:0 of the VMCS link pointer must be 0", \
	  IF(linked(v), !(v->vmcs_link_pointer & 0xfff))) \
	C(link_pointer_width, ON1(vmcs_link_pointer), \
	  "bits of the VMCS link pointer beyond the physical-address width must be 0", \
	  IF(linked(v), fits_width(c, v->vmcs_link_pointer))) \
	C(link_revision, ON1(vmcs_link_pointer), \
	  "bits 30:0 in memory at the VMCS link pointer must contain the VMCS revision identifier", \
	  IF(linked(v), (link_word(e) & ~VMCS_SHADOW_BIT) == c->cpu.revision)) \
	C(link_shadow, ON2(vmcs_link_pointer, secondary_vm_exec_control), \
	  "bit 31 in memory at the VMCS link pointer must contain the setting of VMCS shadowing", \
	  IF(linked(v), !(link_word(e) & VMCS_SHADOW_BIT) == !has_vmcs_shadowing(v))) \
	C(link_current, ON2(vmcs_link_pointer, vm_entry_controls), \
	  "the VMCS link pointer must not be the current-VMCS pointer", \
	  IF(linked(v) && (!e->smm || has_entry_to_smm(v)), v->vmcs_link_pointer != e->current_vmcs)) \
	C(link_executive, ON3(vmcs_link_pointer, executive_vmcs_pointer, vm_entry_controls), \
	  "in SMM, the VMCS link pointer must not be the executive-VMCS pointer", \
	  IF(linked(v) && e->smm && !has_entry_to_smm(v), v->vmcs_link_pointer != v->executive_vmcs_pointer))

#define CHECK_PDPTE(C, n) \
	C(guest_pdpte##n##_reserved, ON5(guest_pdptr##n, guest_cr0, guest_cr3, guest_cr4, secondary_vm_exec_control), \
	  "reserved bits of a present PDPTE must be 0 if the guest uses PAE paging", \
	  IF(pae_paging(v), pdpte_ok(c, has_ept(v) ? v->guest_pdptr##n : pdpte_in_memory(e, n))))

#define CHECKS_guest_pdptes(C) \
	CHECK_PDPTE(C, 0) \
	CHECK_PDPTE(C, 1) \
	CHECK_PDPTE(C, 2) \
	CHECK_PDPTE(C, 3)

/* clang-format on */

#endif
