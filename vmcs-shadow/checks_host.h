/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows for entry_checks.h: SDM vol. 3, "Checks on the Host-State Area". */
#ifndef VMCS_SHADOW_CHECKS_HOST_H
#define VMCS_SHADOW_CHECKS_HOST_H

/* clang-format off */

#define CHECKS_host_registers(C) \
	C(host_cr0_fixed, ON1(host_cr0), \
	  "CR0 must not set any bit to a value not supported in VMX operation", \
	  fixed_ok(v->host_cr0, c->cr0_fixed0, c->cr0_fixed1)) \
	C(host_cr4_fixed, ON1(host_cr4), \
	  "CR4 must not set any bit to a value not supported in VMX operation", \
	  fixed_ok(v->host_cr4, c->cr4_fixed0, c->cr4_fixed1)) \
	C(host_cr3_width, ON1(host_cr3), \
	  "bits of CR3 beyond the physical-address width must be 0", \
	  fits_width(c, v->host_cr3)) \
	C(host_sysenter_esp_canonical, ON1(host_ia32_sysenter_esp), \
	  "IA32_SYSENTER_ESP must contain a canonical address", \
	  canonical(c, v->host_ia32_sysenter_esp)) \
	C(host_sysenter_eip_canonical, ON1(host_ia32_sysenter_eip), \
	  "IA32_SYSENTER_EIP must contain a canonical address", \
	  canonical(c, v->host_ia32_sysenter_eip)) \
	C(host_perf_global_ctrl_reserved, ON2(host_ia32_perf_global_ctrl, vm_exit_controls), \
	  "reserved bits of IA32_PERF_GLOBAL_CTRL must be 0 if the exit loads it", \
	  IF(has_exit_load_perf_global_ctrl(v), !(v->host_ia32_perf_global_ctrl & ~c->cpu.perf_global_ctrl_allowed))) \
	C(host_pat_types, ON2(host_ia32_pat, vm_exit_controls), \
	  "each byte of IA32_PAT must be 0, 1, 4, 5, 6 or 7 if the exit loads it", \
	  IF(has_exit_load_pat(v), pat_ok(v->host_ia32_pat))) \
	C(host_efer_reserved, ON2(host_ia32_efer, vm_exit_controls), \
	  "reserved bits of IA32_EFER must be 0 if the exit loads it", \
	  IF(has_exit_load_efer(v), !(v->host_ia32_efer & ~c->cpu.efer_allowed))) \
	C(host_efer_lma, ON2(host_ia32_efer, vm_exit_controls), \
	  "LMA must be the host address-space size if the exit loads IA32_EFER", \
	  IF(has_exit_load_efer(v), !(v->host_ia32_efer & EFER_LMA) == !has_host_address_space_size(v))) \
	C(host_efer_lme, ON2(host_ia32_efer, vm_exit_controls), \
	  "LME must be the host address-space size if the exit loads IA32_EFER", \
	  IF(has_exit_load_efer(v), !(v->host_ia32_efer & EFER_LME) == !has_host_address_space_size(v)))

#define CHECK_HOST_SELECTOR(C, seg) \
	C(host_##seg##_selector_flags, ON1(host_##seg##_selector), \
	  "RPL and TI of the selector must be 0", \
	  !(v->host_##seg##_selector & 7))

#define CHECK_HOST_BASE(C, reg) \
	C(host_##reg##_base_canonical, ON1(host_##reg##_base), \
	  "the base address must be canonical", \
	  canonical(c, v->host_##reg##_base))

#define CHECKS_host_segments(C) \
	CHECK_HOST_SELECTOR(C, cs) \
	CHECK_HOST_SELECTOR(C, ss) \
	CHECK_HOST_SELECTOR(C, ds) \
	CHECK_HOST_SELECTOR(C, es) \
	CHECK_HOST_SELECTOR(C, fs) \
	CHECK_HOST_SELECTOR(C, gs) \
	CHECK_HOST_SELECTOR(C, tr) \
	C(host_cs_selector_null, ON1(host_cs_selector), \
	  "the selector of CS cannot be 0000H", \
	  v->host_cs_selector) \
	C(host_tr_selector_null, ON1(host_tr_selector), \
	  "the selector of TR cannot be 0000H", \
	  v->host_tr_selector) \
	C(host_ss_selector_null, ON2(host_ss_selector, vm_exit_controls), \
	  "the selector of SS cannot be 0000H if host address-space size is 0", \
	  IF(!has_host_address_space_size(v), v->host_ss_selector)) \
	CHECK_HOST_BASE(C, fs) \
	CHECK_HOST_BASE(C, gs) \
	CHECK_HOST_BASE(C, gdtr) \
	CHECK_HOST_BASE(C, idtr) \
	CHECK_HOST_BASE(C, tr)

#define CHECKS_address_space(C) \
	C(ia32e_guest_outside_ia32e, ON1(vm_entry_controls), \
	  "IA-32e mode guest must be 0 if the processor is outside IA-32e mode", \
	  IF(!e->long_mode, !has_ia32e_mode_guest(v))) \
	C(host_size_64_outside_ia32e, ON1(vm_exit_controls), \
	  "host address-space size must be 0 if the processor is outside IA-32e mode", \
	  IF(!e->long_mode, !has_host_address_space_size(v))) \
	C(host_size_32_in_ia32e, ON1(vm_exit_controls), \
	  "host address-space size must be 1 if the processor is in IA-32e mode", \
	  IF(e->long_mode, has_host_address_space_size(v))) \
	C(host_size_32_ia32e_guest, ON2(vm_exit_controls, vm_entry_controls), \
	  "IA-32e mode guest must be 0 if host address-space size is 0", \
	  IF(!has_host_address_space_size(v), !has_ia32e_mode_guest(v))) \
	C(host_size_32_pcide, ON2(vm_exit_controls, host_cr4), \
	  "CR4.PCIDE must be 0 if host address-space size is 0", \
	  IF(!has_host_address_space_size(v), !(v->host_cr4 & CR4_PCIDE))) \
	C(host_size_32_rip, ON2(vm_exit_controls, host_rip), \
	  "bits 63:32 of RIP must be 0 if host address-space size is 0", \
	  IF(!has_host_address_space_size(v), !(v->host_rip >> 32))) \
	C(host_size_64_pae, ON2(vm_exit_controls, host_cr4), \
	  "CR4.PAE must be 1 if host address-space size is 1", \
	  IF(has_host_address_space_size(v), v->host_cr4 & CR4_PAE)) \
	C(host_size_64_rip, ON2(vm_exit_controls, host_rip), \
	  "RIP must contain a canonical address if host address-space size is 1", \
	  IF(has_host_address_space_size(v), canonical(c, v->host_rip)))

/* clang-format on */

#endif
