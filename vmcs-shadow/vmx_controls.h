/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every VMX control and capability bit, once. From these rows come: the capability MSRs (vmx_caps.h), the questions
 * has_<token>(vmcs) and offers_<token>(caps), the masks CTL_<token>, the merge of control words (vmcs02.c), the check of
 * reserved bits (entry_checks.h) and the names that a user writes to cut an offer down (QEMU's -cpu names where it has one).
 *
 *   word     the control word or capability MSR that the bit is in: a row of VMX_WORDS
 *   token    the SDM's name in lower case
 *   setting  what the feature allows: ONE, the bit may be 1; ZERO, the bit may be 0 (it is one of the default1 class)
 *   offer    YES, or NO: known here, checked here, and not offered to an L1 (the processor modelled is a Skylake server;
 *            what that lacks, or what the machine around this library does not model, says NO)
 *   merge    the bit of vmcs02: EITHER level's, BOTH levels', only L1's wish (FROM_12), only L0's (FROM_01)
 *   needs    features without which this one is not offered: NEED0, NEED1(a), NEED2(a, b)
 */
#ifndef VMCS_SHADOW_VMX_CONTROLS_H
#define VMCS_SHADOW_VMX_CONTROLS_H

#include <stdint.h>

/* clang-format off */

/* SDM vol. 3, "VMX Capability Reporting Facility"
 *   word       field of the VMCS              bits of the default1 class */
#define VMX_CONTROL_WORDS(W) \
	W(PIN,      pin_based_vm_exec_control,     0x00000016) \
	W(PROC,     cpu_based_vm_exec_control,     0x0401e172) \
	W(PROC2,    secondary_vm_exec_control,     0x00000000) \
	W(EXIT,     vm_exit_controls,              0x00036dff) \
	W(ENTRY,    vm_entry_controls,             0x000011ff)

/* word, token, bit, setting, offer, merge, needs, name */
#define VMX_CONTROLS(C) \
	C(PIN,   external_interrupt_exiting,    0, ONE,  YES, EITHER,  NEED0, "vmx-intr-exit") \
	C(PIN,   nmi_exiting,                   3, ONE,  YES, EITHER,  NEED0, "vmx-nmi-exit") \
	C(PIN,   virtual_nmis,                  5, ONE,  YES, FROM_12, NEED1(nmi_exiting), "vmx-vnmi") \
	C(PIN,   preemption_timer,              6, ONE,  YES, EITHER,  NEED0, "vmx-preemption-timer") \
	C(PIN,   posted_interrupts,             7, ONE,  YES, FROM_12, NEED2(virtual_interrupt_delivery, ack_interrupt_on_exit), "vmx-posted-intr") \
	C(PROC,  interrupt_window_exiting,      2, ONE,  YES, EITHER,  NEED0, "vmx-vintr-pending") \
	C(PROC,  tsc_offsetting,                3, ONE,  YES, EITHER,  NEED0, "vmx-tsc-offset") \
	C(PROC,  hlt_exiting,                   7, ONE,  YES, EITHER,  NEED0, "vmx-hlt-exit") \
	C(PROC,  invlpg_exiting,                9, ONE,  YES, EITHER,  NEED0, "vmx-invlpg-exit") \
	C(PROC,  mwait_exiting,                10, ONE,  YES, EITHER,  NEED0, "vmx-mwait-exit") \
	C(PROC,  rdpmc_exiting,                11, ONE,  YES, EITHER,  NEED0, "vmx-rdpmc-exit") \
	C(PROC,  rdtsc_exiting,                12, ONE,  YES, EITHER,  NEED0, "vmx-rdtsc-exit") \
	C(PROC,  cr3_load_exiting,             15, ZERO, YES, EITHER,  NEED1(true_controls), "vmx-cr3-load-noexit") \
	C(PROC,  cr3_store_exiting,            16, ZERO, YES, EITHER,  NEED1(true_controls), "vmx-cr3-store-noexit") \
	C(PROC,  cr8_load_exiting,             19, ONE,  YES, EITHER,  NEED0, "vmx-cr8-load-exit") \
	C(PROC,  cr8_store_exiting,            20, ONE,  YES, EITHER,  NEED0, "vmx-cr8-store-exit") \
	C(PROC,  tpr_shadow,                   21, ONE,  YES, FROM_12, NEED0, "vmx-flexpriority") \
	C(PROC,  nmi_window_exiting,           22, ONE,  YES, EITHER,  NEED1(virtual_nmis), "vmx-vnmi-pending") \
	C(PROC,  mov_dr_exiting,               23, ONE,  YES, EITHER,  NEED0, "vmx-movdr-exit") \
	C(PROC,  unconditional_io_exiting,     24, ONE,  YES, EITHER,  NEED0, "vmx-io-exit") \
	C(PROC,  io_bitmaps,                   25, ONE,  YES, EITHER,  NEED0, "vmx-io-bitmap") \
	C(PROC,  monitor_trap_flag,            27, ONE,  YES, EITHER,  NEED0, "vmx-mtf") \
	C(PROC,  msr_bitmaps,                  28, ONE,  YES, BOTH,    NEED0, "vmx-msr-bitmap") \
	C(PROC,  monitor_exiting,              29, ONE,  YES, EITHER,  NEED0, "vmx-monitor-exit") \
	C(PROC,  pause_exiting,                30, ONE,  YES, EITHER,  NEED0, "vmx-pause-exit") \
	C(PROC,  secondary_controls,           31, ONE,  YES, EITHER,  NEED0, "vmx-secondary-ctls") \
	C(PROC2, virtualize_apic_accesses,      0, ONE,  YES, FROM_12, NEED0, "vmx-apicv-xapic") \
	C(PROC2, ept,                           1, ONE,  YES, FROM_01, NEED0, "vmx-ept") \
	C(PROC2, descriptor_table_exiting,      2, ONE,  YES, EITHER,  NEED0, "vmx-desc-exit") \
	C(PROC2, enable_rdtscp,                 3, ONE,  YES, BOTH,    NEED0, "vmx-rdtscp-exit") \
	C(PROC2, virtualize_x2apic_mode,        4, ONE,  YES, FROM_12, NEED1(tpr_shadow), "vmx-apicv-x2apic") \
	C(PROC2, vpid,                          5, ONE,  YES, FROM_01, NEED0, "vmx-vpid") \
	C(PROC2, wbinvd_exiting,                6, ONE,  YES, EITHER,  NEED0, "vmx-wbinvd-exit") \
	C(PROC2, unrestricted_guest,            7, ONE,  YES, FROM_12, NEED2(ept, store_lma), "vmx-unrestricted-guest") \
	C(PROC2, apic_register_virtualization,  8, ONE,  YES, FROM_12, NEED1(tpr_shadow), "vmx-apicv-register") \
	C(PROC2, virtual_interrupt_delivery,    9, ONE,  YES, FROM_12, NEED2(tpr_shadow, external_interrupt_exiting), "vmx-apicv-vid") \
	C(PROC2, pause_loop_exiting,           10, ONE,  YES, EITHER,  NEED0, "vmx-ple") \
	C(PROC2, rdrand_exiting,               11, ONE,  YES, EITHER,  NEED0, "vmx-rdrand-exit") \
	C(PROC2, enable_invpcid,               12, ONE,  YES, BOTH,    NEED0, "vmx-invpcid-exit") \
	C(PROC2, vm_functions,                 13, ONE,  YES, FROM_12, NEED0, "vmx-vmfunc") \
	C(PROC2, vmcs_shadowing,               14, ONE,  YES, FROM_12, NEED0, "vmx-shadow-vmcs") \
	C(PROC2, encls_exiting,                15, ONE,  NO,  EITHER,  NEED0, "vmx-encls-exit") \
	C(PROC2, rdseed_exiting,               16, ONE,  YES, EITHER,  NEED0, "vmx-rdseed-exit") \
	C(PROC2, pml,                          17, ONE,  YES, FROM_12, NEED2(ept, ept_accessed_dirty), "vmx-pml") \
	C(PROC2, ept_violation_ve,             18, ONE,  NO,  FROM_12, NEED1(ept), "vmx-ept-violation-ve") \
	C(PROC2, enable_xsaves,                20, ONE,  YES, BOTH,    NEED0, "vmx-xsaves") \
	C(PROC2, mode_based_execute,           22, ONE,  YES, FROM_12, NEED1(ept), "vmx-mbec") \
	C(PROC2, tsc_scaling,                  25, ONE,  YES, EITHER,  NEED1(tsc_offsetting), "vmx-tsc-scaling") \
	C(EXIT,  save_debug_controls,           2, ZERO, YES, FROM_01, NEED1(true_controls), "vmx-exit-nosave-debugctl") \
	C(EXIT,  host_address_space_size,       9, ONE,  YES, FROM_01, NEED0, "vmx-exit-host-64bit") \
	C(EXIT,  exit_load_perf_global_ctrl,   12, ONE,  NO,  FROM_01, NEED0, "vmx-exit-load-perf-global-ctrl") \
	C(EXIT,  ack_interrupt_on_exit,        15, ONE,  YES, FROM_01, NEED0, "vmx-exit-ack-intr") \
	C(EXIT,  exit_save_pat,                18, ONE,  YES, FROM_01, NEED0, "vmx-exit-save-pat") \
	C(EXIT,  exit_load_pat,                19, ONE,  YES, FROM_01, NEED0, "vmx-exit-load-pat") \
	C(EXIT,  exit_save_efer,               20, ONE,  YES, FROM_01, NEED0, "vmx-exit-save-efer") \
	C(EXIT,  exit_load_efer,               21, ONE,  YES, FROM_01, NEED0, "vmx-exit-load-efer") \
	C(EXIT,  save_preemption_timer,        22, ONE,  YES, FROM_01, NEED1(preemption_timer), "vmx-exit-save-preemption-timer") \
	C(EXIT,  clear_bndcfgs,                23, ONE,  NO,  FROM_01, NEED0, "vmx-exit-clear-bndcfgs") \
	C(ENTRY, load_debug_controls,           2, ZERO, YES, FROM_12, NEED1(true_controls), "vmx-entry-noload-debugctl") \
	C(ENTRY, ia32e_mode_guest,              9, ONE,  YES, FROM_12, NEED0, "vmx-entry-ia32e-mode") \
	C(ENTRY, entry_to_smm,                 10, ONE,  NO,  FROM_12, NEED0, "vmx-entry-to-smm") \
	C(ENTRY, deactivate_dual_monitor,      11, ONE,  NO,  FROM_12, NEED0, "vmx-entry-deactivate-dual-monitor") \
	C(ENTRY, entry_load_perf_global_ctrl,  13, ONE,  NO,  FROM_12, NEED0, "vmx-entry-load-perf-global-ctrl") \
	C(ENTRY, entry_load_pat,               14, ONE,  YES, FROM_12, NEED0, "vmx-entry-load-pat") \
	C(ENTRY, entry_load_efer,              15, ONE,  YES, FROM_12, NEED0, "vmx-entry-load-efer") \
	C(ENTRY, load_bndcfgs,                 16, ONE,  NO,  FROM_12, NEED0, "vmx-entry-load-bndcfgs")

/* Bits of IA32_VMX_VMFUNC, _BASIC, _MISC and _EPT_VPID_CAP: the same columns without a merge.
 * The SDM names INVVPID's types in prose; QEMU's names for bits 41 and 43 say "invept", these don't. */
#define VMX_ABILITIES(A) \
	A(VMFUNC, eptp_switching,               0, YES, NEED2(vm_functions, ept), "vmx-eptp-switching") \
	A(BASIC, ins_outs_info,                54, YES, NEED0, "vmx-ins-outs") \
	A(BASIC, true_controls,                55, YES, NEED0, "vmx-true-ctls") \
	A(BASIC, any_error_code,               56, NO,  NEED0, "vmx-any-errcode") \
	A(MISC,  store_lma,                     5, YES, NEED0, "vmx-store-lma") \
	A(MISC,  activity_hlt,                  6, YES, NEED0, "vmx-activity-hlt") \
	A(MISC,  activity_shutdown,             7, YES, NEED0, "vmx-activity-shutdown") \
	A(MISC,  activity_wait_for_sipi,        8, YES, NEED0, "vmx-activity-wait-sipi") \
	A(MISC,  vmwrite_exit_info,            29, YES, NEED0, "vmx-vmwrite-vmexit-fields") \
	A(MISC,  zero_length_injection,        30, YES, NEED0, "vmx-zero-len-inject") \
	A(EPT_VPID, ept_execute_only,           0, YES, NEED1(ept), "vmx-ept-execonly") \
	A(EPT_VPID, ept_page_walk_4,            6, YES, NEED1(ept), "vmx-page-walk-4") \
	A(EPT_VPID, ept_page_walk_5,            7, NO,  NEED1(ept), "vmx-page-walk-5") \
	A(EPT_VPID, ept_memory_uc,              8, YES, NEED1(ept), "vmx-ept-uc") \
	A(EPT_VPID, ept_memory_wb,             14, YES, NEED1(ept), "vmx-ept-wb") \
	A(EPT_VPID, ept_2mb,                   16, YES, NEED1(ept), "vmx-ept-2mb") \
	A(EPT_VPID, ept_1gb,                   17, YES, NEED1(ept), "vmx-ept-1gb") \
	A(EPT_VPID, invept,                    20, YES, NEED1(ept), "vmx-invept") \
	A(EPT_VPID, ept_accessed_dirty,        21, YES, NEED1(ept), "vmx-eptad") \
	A(EPT_VPID, ept_advanced_exit_info,    22, NO,  NEED1(ept), "vmx-ept-advanced-exitinfo") \
	A(EPT_VPID, invept_single_context,     25, YES, NEED1(invept), "vmx-invept-single-context") \
	A(EPT_VPID, invept_all_context,        26, YES, NEED1(invept), "vmx-invept-all-context") \
	A(EPT_VPID, invvpid,                   32, YES, NEED1(vpid), "vmx-invvpid") \
	A(EPT_VPID, invvpid_single_address,    40, YES, NEED1(invvpid), "vmx-invvpid-single-addr") \
	A(EPT_VPID, invvpid_single_context,    41, YES, NEED1(invvpid), "vmx-invvpid-single-context") \
	A(EPT_VPID, invvpid_all_context,       42, YES, NEED1(invvpid), "vmx-invvpid-all-context") \
	A(EPT_VPID, invvpid_retaining_globals, 43, YES, NEED1(invvpid), "vmx-invvpid-single-context-noglobals")

/* clang-format on */

enum vmx_feature {
#define C(word, token, ...) VMX_##token,
#define A(word, token, ...) VMX_##token,
	VMX_CONTROLS(C) VMX_ABILITIES(A)
#undef A
#undef C
		VMX_FEATURES,
	VMX_ALWAYS = VMX_FEATURES, /* no feature is needed */
};

enum vmx_word {
#define W(word, field, default1) VMX_WORD_##word,
	VMX_CONTROL_WORDS(W)
#undef W
		VMX_CONTROL_WORD_COUNT,
	VMX_WORD_VMFUNC = VMX_CONTROL_WORD_COUNT,
	VMX_WORD_BASIC,
	VMX_WORD_MISC,
	VMX_WORD_EPT_VPID,
	VMX_WORD_COUNT,
};

/* The mask of a bit in its word. */
#define C(word, token, bit, ...) static const uint64_t CTL_##token = 1ull << (bit);
#define A(word, token, bit, ...) static const uint64_t CTL_##token = 1ull << (bit);
VMX_CONTROLS(C)
VMX_ABILITIES(A)
#undef A
#undef C

#endif
