/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMCS, once. Width, type and index are in a field's encoding (SDM vol. 3, "Field Encoding in VMCS"), so nobody
 * writes them down: enum, layout, lookup, names, dump, bitmaps, the fill of vmcs02 and the tests are all derived.
 *
 *   name      the SDM's name as the Linux kernel spells it, in lower case
 *   need      the feature (vmx_controls.h) that makes the field exist; without it VMREAD and VMWRITE fail with error 12.
 *             A field whose feature is not offered is known here and does not exist for an L1.
 *   shadow    may L1 reach it without an exit? SH_NO, SH_RO (VMREAD only), SH_RW
 *   rule      how L2's effective value (vmcs02) is made; each rule is a FILL_<rule> macro in vmcs02.c
 *               FROM_12    what L1 wrote
 *               MERGE      merge_<name>() of vmcs01 and vmcs12
 *               OURS       vmcs01's: what L0 puts in the place of L1's (tables, lists, tags)
 *               EXIT_INFO  written by the exit, never by the entry
 *               HOST_12    becomes L1's state at the exit
 *   g         the change-tracking group, from the list that the row stands in
 *
 * Shadow classes. The measure is what an L1 of KVM's or Xen's kind touches while it handles an ordinary exit of its L2.
 * All exit information is SH_RO: it is read on every exit, and written only by an L1 that is itself being tested or that
 * runs an L3. SH_RW is what is written on many exits and means nothing outside vmcs12 until the next entry: the
 * instruction pointer, the event to inject, interruptibility, the CR0/CR3/CR4 and RSP that emulation changes, the
 * processor controls (interrupt window on and off), the two access-rights fields that tell CPL and mode, the exception
 * bitmap, FS and GS of the host (rewritten at every task switch of the VMM), the timer, the TPR threshold. All others are
 * SH_NO: addresses and setup that change seldom, whose exits cost nothing in sum.
 */
#ifndef VMCS_SHADOW_VMCS_FIELDS_H
#define VMCS_SHADOW_VMCS_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vmx_controls.h"

/* clang-format off */

/* Groups: what changes together is tracked and copied together.
 *   group        made anew also when these change   text */
#define VMCS_GROUPS(G, F) \
	G(F, CONTROLS,    0,                                         "VM-execution controls") \
	G(F, TRANSITION,  0,                                         "VM-exit and VM-entry controls") \
	G(F, SETUP,       0,                                         "addresses and parameters that are set once") \
	G(F, EXCEPTIONS,  0,                                         "exception bitmap and page-fault filter") \
	G(F, TSC,         VMCS_IN(CONTROLS),                         "TSC offset and multiplier") \
	G(F, CR_MASKS,    VMCS_IN(GUEST_CR),                         "CR0 and CR4 masks and shadows, CR3 targets") \
	G(F, APIC,        0,                                         "APIC virtualization and posted interrupts") \
	G(F, EVENT,       0,                                         "the event that the entry injects") \
	G(F, MSR_LISTS,   0,                                         "MSR lists") \
	G(F, GUEST_REGS,  0,                                         "guest RIP, RSP, RFLAGS") \
	G(F, GUEST_CR,    0,                                         "guest control registers and PDPTEs") \
	G(F, GUEST_SEG,   0,                                         "guest segment and descriptor-table registers") \
	G(F, GUEST_MSR,   VMCS_IN(TRANSITION) | VMCS_IN(GUEST_CR),   "guest MSRs and DR7") \
	G(F, GUEST_STATE, 0,                                         "guest non-register state") \
	G(F, HOST,        0,                                         "host state") \
	G(F, EXIT_INFO,   0,                                         "exit information") \
	G(F, OTHER_INFO,  0,                                         "read-only fields that an ordinary exit leaves alone")

#define VMCS_FIELDS_CONTROLS(F, g) /* name  encoding  need  shadow  rule */ \
	F(pin_based_vm_exec_control,      0x4000, ALWAYS, SH_NO, MERGE, g) \
	F(cpu_based_vm_exec_control,      0x4002, ALWAYS, SH_RW, MERGE, g) \
	F(secondary_vm_exec_control,      0x401e, secondary_controls, SH_NO, MERGE, g) \
	F(vm_function_control,            0x2018, vm_functions, SH_NO, FROM_12, g) \
	F(ple_gap,                        0x4020, pause_loop_exiting, SH_NO, MERGE, g) \
	F(ple_window,                     0x4022, pause_loop_exiting, SH_NO, MERGE, g) \
	F(encls_exiting_bitmap,           0x202e, encls_exiting, SH_NO, MERGE, g) \
	F(cr3_target_count,               0x400a, ALWAYS, SH_NO, MERGE, g)

#define VMCS_FIELDS_TRANSITION(F, g) \
	F(vm_exit_controls,               0x400c, ALWAYS, SH_NO, OURS, g) \
	F(vm_entry_controls,              0x4012, ALWAYS, SH_RW, FROM_12, g)

#define VMCS_FIELDS_SETUP(F, g) \
	F(virtual_processor_id,           0x0000, vpid, SH_NO, OURS, g) \
	F(eptp_index,                     0x0004, ept_violation_ve, SH_NO, FROM_12, g) \
	F(io_bitmap_a,                    0x2000, io_bitmaps, SH_NO, OURS, g) \
	F(io_bitmap_b,                    0x2002, io_bitmaps, SH_NO, OURS, g) \
	F(msr_bitmap,                     0x2004, msr_bitmaps, SH_NO, OURS, g) \
	F(executive_vmcs_pointer,         0x200c, ALWAYS, SH_NO, FROM_12, g) \
	F(pml_address,                    0x200e, pml, SH_NO, FROM_12, g) \
	F(ept_pointer,                    0x201a, ept, SH_NO, OURS, g) \
	F(eptp_list_address,              0x2024, eptp_switching, SH_NO, FROM_12, g) \
	F(vmread_bitmap,                  0x2026, vmcs_shadowing, SH_NO, FROM_12, g) \
	F(vmwrite_bitmap,                 0x2028, vmcs_shadowing, SH_NO, FROM_12, g) \
	F(ve_information_address,         0x202a, ept_violation_ve, SH_NO, FROM_12, g) \
	F(xss_exit_bitmap,                0x202c, enable_xsaves, SH_NO, MERGE, g)

#define VMCS_FIELDS_EXCEPTIONS(F, g) \
	F(exception_bitmap,               0x4004, ALWAYS, SH_RW, MERGE, g) \
	F(page_fault_error_code_mask,     0x4006, ALWAYS, SH_NO, MERGE, g) \
	F(page_fault_error_code_match,    0x4008, ALWAYS, SH_NO, MERGE, g)

#define VMCS_FIELDS_TSC(F, g) \
	F(tsc_offset,                     0x2010, tsc_offsetting, SH_NO, MERGE, g) \
	F(tsc_multiplier,                 0x2032, tsc_scaling, SH_NO, MERGE, g)

#define VMCS_FIELDS_CR_MASKS(F, g) \
	F(cr0_guest_host_mask,            0x6000, ALWAYS, SH_RW, MERGE, g) \
	F(cr4_guest_host_mask,            0x6002, ALWAYS, SH_RW, MERGE, g) \
	F(cr0_read_shadow,                0x6004, ALWAYS, SH_RW, MERGE, g) \
	F(cr4_read_shadow,                0x6006, ALWAYS, SH_RW, MERGE, g) \
	F(cr3_target_value0,              0x6008, ALWAYS, SH_NO, FROM_12, g) \
	F(cr3_target_value1,              0x600a, ALWAYS, SH_NO, FROM_12, g) \
	F(cr3_target_value2,              0x600c, ALWAYS, SH_NO, FROM_12, g) \
	F(cr3_target_value3,              0x600e, ALWAYS, SH_NO, FROM_12, g)

#define VMCS_FIELDS_APIC(F, g) \
	F(posted_intr_nv,                 0x0002, posted_interrupts, SH_NO, FROM_12, g) \
	F(guest_intr_status,              0x0810, virtual_interrupt_delivery, SH_RW, FROM_12, g) \
	F(virtual_apic_page_addr,         0x2012, tpr_shadow, SH_NO, FROM_12, g) \
	F(apic_access_addr,               0x2014, virtualize_apic_accesses, SH_NO, FROM_12, g) \
	F(posted_intr_desc_addr,          0x2016, posted_interrupts, SH_NO, FROM_12, g) \
	F(eoi_exit_bitmap0,               0x201c, virtual_interrupt_delivery, SH_NO, FROM_12, g) \
	F(eoi_exit_bitmap1,               0x201e, virtual_interrupt_delivery, SH_NO, FROM_12, g) \
	F(eoi_exit_bitmap2,               0x2020, virtual_interrupt_delivery, SH_NO, FROM_12, g) \
	F(eoi_exit_bitmap3,               0x2022, virtual_interrupt_delivery, SH_NO, FROM_12, g) \
	F(tpr_threshold,                  0x401c, tpr_shadow, SH_RW, FROM_12, g)

#define VMCS_FIELDS_EVENT(F, g) \
	F(vm_entry_intr_info_field,       0x4016, ALWAYS, SH_RW, FROM_12, g) \
	F(vm_entry_exception_error_code,  0x4018, ALWAYS, SH_RW, FROM_12, g) \
	F(vm_entry_instruction_len,       0x401a, ALWAYS, SH_RW, FROM_12, g)

#define VMCS_FIELDS_MSR_LISTS(F, g) \
	F(vm_exit_msr_store_addr,         0x2006, ALWAYS, SH_NO, OURS, g) \
	F(vm_exit_msr_load_addr,          0x2008, ALWAYS, SH_NO, OURS, g) \
	F(vm_entry_msr_load_addr,         0x200a, ALWAYS, SH_NO, OURS, g) \
	F(vm_exit_msr_store_count,        0x400e, ALWAYS, SH_NO, OURS, g) \
	F(vm_exit_msr_load_count,         0x4010, ALWAYS, SH_NO, OURS, g) \
	F(vm_entry_msr_load_count,        0x4014, ALWAYS, SH_NO, OURS, g)

#define VMCS_FIELDS_GUEST_REGS(F, g) \
	F(guest_rip,                      0x681e, ALWAYS, SH_RW, FROM_12, g) \
	F(guest_rsp,                      0x681c, ALWAYS, SH_RW, FROM_12, g) \
	F(guest_rflags,                   0x6820, ALWAYS, SH_RW, FROM_12, g)

#define VMCS_FIELDS_GUEST_CR(F, g) \
	F(guest_cr0,                      0x6800, ALWAYS, SH_RW, FROM_12, g) \
	F(guest_cr3,                      0x6802, ALWAYS, SH_RW, FROM_12, g) \
	F(guest_cr4,                      0x6804, ALWAYS, SH_RW, FROM_12, g) \
	F(guest_pdptr0,                   0x280a, ept, SH_NO, FROM_12, g) \
	F(guest_pdptr1,                   0x280c, ept, SH_NO, FROM_12, g) \
	F(guest_pdptr2,                   0x280e, ept, SH_NO, FROM_12, g) \
	F(guest_pdptr3,                   0x2810, ept, SH_NO, FROM_12, g)

#define VMCS_FIELDS_GUEST_SEG(F, g) \
	F(guest_es_base,                  0x6806, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_cs_base,                  0x6808, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_ss_base,                  0x680a, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_ds_base,                  0x680c, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_fs_base,                  0x680e, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_gs_base,                  0x6810, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_ldtr_base,                0x6812, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_tr_base,                  0x6814, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_gdtr_base,                0x6816, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_idtr_base,                0x6818, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_es_limit,                 0x4800, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_cs_limit,                 0x4802, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_ss_limit,                 0x4804, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_ds_limit,                 0x4806, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_fs_limit,                 0x4808, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_gs_limit,                 0x480a, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_ldtr_limit,               0x480c, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_tr_limit,                 0x480e, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_gdtr_limit,               0x4810, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_idtr_limit,               0x4812, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_es_ar_bytes,              0x4814, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_cs_ar_bytes,              0x4816, ALWAYS, SH_RW, FROM_12, g) \
	F(guest_ss_ar_bytes,              0x4818, ALWAYS, SH_RW, FROM_12, g) \
	F(guest_ds_ar_bytes,              0x481a, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_fs_ar_bytes,              0x481c, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_gs_ar_bytes,              0x481e, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_ldtr_ar_bytes,            0x4820, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_tr_ar_bytes,              0x4822, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_es_selector,              0x0800, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_cs_selector,              0x0802, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_ss_selector,              0x0804, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_ds_selector,              0x0806, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_fs_selector,              0x0808, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_gs_selector,              0x080a, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_ldtr_selector,            0x080c, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_tr_selector,              0x080e, ALWAYS, SH_NO, FROM_12, g)

#define VMCS_FIELDS_GUEST_MSR(F, g) \
	F(guest_ia32_debugctl,            0x2802, ALWAYS, SH_NO, MERGE, g) \
	F(guest_ia32_pat,                 0x2804, entry_load_pat, SH_NO, MERGE, g) \
	F(guest_ia32_efer,                0x2806, entry_load_efer, SH_NO, MERGE, g) \
	F(guest_ia32_perf_global_ctrl,    0x2808, entry_load_perf_global_ctrl, SH_NO, MERGE, g) \
	F(guest_ia32_bndcfgs,             0x2812, load_bndcfgs, SH_NO, MERGE, g) \
	F(guest_dr7,                      0x681a, ALWAYS, SH_NO, MERGE, g) \
	F(guest_sysenter_esp,             0x6824, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_sysenter_eip,             0x6826, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_sysenter_cs,              0x482a, ALWAYS, SH_NO, FROM_12, g)

#define VMCS_FIELDS_GUEST_STATE(F, g) \
	F(vmcs_link_pointer,              0x2800, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_pending_dbg_exceptions,   0x6822, ALWAYS, SH_NO, FROM_12, g) \
	F(guest_interruptibility_info,    0x4824, ALWAYS, SH_RW, FROM_12, g) \
	F(guest_activity_state,           0x4826, ALWAYS, SH_RW, FROM_12, g) \
	F(guest_smbase,                   0x4828, ALWAYS, SH_NO, FROM_12, g) \
	F(vmx_preemption_timer_value,     0x482e, preemption_timer, SH_RW, FROM_12, g) \
	F(guest_pml_index,                0x0812, pml, SH_RW, FROM_12, g)

#define VMCS_FIELDS_HOST(F, g) \
	F(host_ia32_pat,                  0x2c00, exit_load_pat, SH_NO, HOST_12, g) \
	F(host_ia32_efer,                 0x2c02, exit_load_efer, SH_NO, HOST_12, g) \
	F(host_ia32_perf_global_ctrl,     0x2c04, exit_load_perf_global_ctrl, SH_NO, HOST_12, g) \
	F(host_cr0,                       0x6c00, ALWAYS, SH_NO, HOST_12, g) \
	F(host_cr3,                       0x6c02, ALWAYS, SH_NO, HOST_12, g) \
	F(host_cr4,                       0x6c04, ALWAYS, SH_NO, HOST_12, g) \
	F(host_fs_base,                   0x6c06, ALWAYS, SH_RW, HOST_12, g) \
	F(host_gs_base,                   0x6c08, ALWAYS, SH_RW, HOST_12, g) \
	F(host_tr_base,                   0x6c0a, ALWAYS, SH_NO, HOST_12, g) \
	F(host_gdtr_base,                 0x6c0c, ALWAYS, SH_NO, HOST_12, g) \
	F(host_idtr_base,                 0x6c0e, ALWAYS, SH_NO, HOST_12, g) \
	F(host_ia32_sysenter_esp,         0x6c10, ALWAYS, SH_NO, HOST_12, g) \
	F(host_ia32_sysenter_eip,         0x6c12, ALWAYS, SH_NO, HOST_12, g) \
	F(host_rsp,                       0x6c14, ALWAYS, SH_NO, HOST_12, g) \
	F(host_rip,                       0x6c16, ALWAYS, SH_NO, HOST_12, g) \
	F(host_ia32_sysenter_cs,          0x4c00, ALWAYS, SH_NO, HOST_12, g) \
	F(host_es_selector,               0x0c00, ALWAYS, SH_NO, HOST_12, g) \
	F(host_cs_selector,               0x0c02, ALWAYS, SH_NO, HOST_12, g) \
	F(host_ss_selector,               0x0c04, ALWAYS, SH_NO, HOST_12, g) \
	F(host_ds_selector,               0x0c06, ALWAYS, SH_NO, HOST_12, g) \
	F(host_fs_selector,               0x0c08, ALWAYS, SH_RW, HOST_12, g) \
	F(host_gs_selector,               0x0c0a, ALWAYS, SH_RW, HOST_12, g) \
	F(host_tr_selector,               0x0c0c, ALWAYS, SH_NO, HOST_12, g)

#define VMCS_FIELDS_EXIT_INFO(F, g) \
	F(exit_qualification,             0x6400, ALWAYS, SH_RO, EXIT_INFO, g) \
	F(guest_linear_address,           0x640a, ALWAYS, SH_RO, EXIT_INFO, g) \
	F(guest_physical_address,         0x2400, ept, SH_RO, EXIT_INFO, g) \
	F(vm_exit_reason,                 0x4402, ALWAYS, SH_RO, EXIT_INFO, g) \
	F(vm_exit_intr_info,              0x4404, ALWAYS, SH_RO, EXIT_INFO, g) \
	F(vm_exit_intr_error_code,        0x4406, ALWAYS, SH_RO, EXIT_INFO, g) \
	F(idt_vectoring_info_field,       0x4408, ALWAYS, SH_RO, EXIT_INFO, g) \
	F(idt_vectoring_error_code,       0x440a, ALWAYS, SH_RO, EXIT_INFO, g) \
	F(vm_exit_instruction_len,        0x440c, ALWAYS, SH_RO, EXIT_INFO, g) \
	F(vmx_instruction_info,           0x440e, ALWAYS, SH_RO, EXIT_INFO, g)

#define VMCS_FIELDS_OTHER_INFO(F, g) \
	F(vm_instruction_error,           0x4400, ALWAYS, SH_RO, EXIT_INFO, g) \
	F(io_rcx,                         0x6402, ALWAYS, SH_RO, EXIT_INFO, g) \
	F(io_rsi,                         0x6404, ALWAYS, SH_RO, EXIT_INFO, g) \
	F(io_rdi,                         0x6406, ALWAYS, SH_RO, EXIT_INFO, g) \
	F(io_rip,                         0x6408, ALWAYS, SH_RO, EXIT_INFO, g)

/* clang-format on */

#define VMCS_FIELDS_OF(F, group, after, text) VMCS_FIELDS_##group(F, group)
#define VMCS_FIELDS(F) VMCS_GROUPS(VMCS_FIELDS_OF, F)

enum vmcs_group {
#define G(F, group, after, text) VMCS_GROUP_##group,
	VMCS_GROUPS(G, _)
#undef G
		VMCS_GROUP_COUNT,
};
#define VMCS_IN(group) (1u << VMCS_GROUP_##group)
#define VMCS_ALL_GROUPS ((1u << VMCS_GROUP_COUNT) - 1)

enum vmcs_shadow_class { SH_NO, SH_RO, SH_RW };
enum vmcs02_rule { FROM_12, MERGE, OURS, EXIT_INFO, HOST_12 };

/* VMCS_guest_rip: the encoding (of the full access; VMCS_HIGH() is that of bits 63:32 of a 64-bit field) */
enum vmcs_encoding {
#define F(name, enc, ...) VMCS_##name = (enc),
	VMCS_FIELDS(F)
#undef F
};
#define VMCS_HIGH(enc) ((enc) | 1u)

/* SDM vol. 3, "Structure of VMCS Component Encoding" */
enum vmcs_width { VMCS_16, VMCS_64, VMCS_32, VMCS_NATURAL };
enum vmcs_type { VMCS_CONTROL, VMCS_READ_ONLY, VMCS_GUEST, VMCS_HOST };
#define VMCS_WIDTH(enc) ((enc) >> 13 & 3)
#define VMCS_TYPE(enc) ((enc) >> 10 & 3)
#define VMCS_INDEX(enc) ((enc) >> 1 & 0x1ff)
#define VMCS_BYTES(enc) (VMCS_WIDTH(enc) == VMCS_16 ? 2 : VMCS_WIDTH(enc) == VMCS_32 ? 4 : 8)
#define VMCS_C_TYPE(enc) \
	__typeof__(__builtin_choose_expr(VMCS_BYTES(enc) == 2, (uint16_t)0, \
					 __builtin_choose_expr(VMCS_BYTES(enc) == 4, (uint32_t)0, (uint64_t)0)))

/* What an L1 finds in the first bytes of its region is architecture; the rest is ours: fields lie at offsets that
 * are compile-time constants, in their own width, so that a VMREAD is one zero-extending load and a VMWRITE one store.
 * An L1's memory holds this: whoever reads it must not trust it to stay the same, see vmcs_copy(). */
struct vmcs {
	uint32_t revision; /* bits 30:0 the revision identifier, bit 31 marks a shadow VMCS */
	uint32_t abort; /* the VMX-abort indicator */
	uint32_t launched; /* launch state: VMCS_CLEAR or VMCS_LAUNCHED */
	uint32_t reserved;
#define F(name, enc, ...) VMCS_C_TYPE(enc) name;
	VMCS_FIELDS(F)
#undef F
};

#define VMCS_REGION 4096u
#define VMCS_SHADOW_BIT 0x80000000u
enum { VMCS_CLEAR, VMCS_LAUNCHED };
_Static_assert(sizeof(struct vmcs) <= VMCS_REGION, "the VMCS fits in an L1's page");

/* VMCS_OFFSET(guest_rip): where the field lies in the region. */
#define VMCS_OFFSET(name) offsetof(struct vmcs, name)

enum vmcs_field_id {
#define F(name, ...) VMCS_ID_##name,
	VMCS_FIELDS(F)
#undef F
		VMCS_FIELD_COUNT,
};

struct vmcs_field {
	uint16_t encoding;
	uint16_t offset; /* in struct vmcs */
	uint8_t bytes; /* 2, 4 or 8 */
	uint8_t need; /* enum vmx_feature, VMX_ALWAYS */
	uint8_t shadow; /* enum vmcs_shadow_class */
	uint8_t rule; /* enum vmcs02_rule */
	uint8_t group; /* enum vmcs_group */
};

/* Indexed by enum vmcs_field_id. */
extern const struct vmcs_field vmcs_fields[VMCS_FIELD_COUNT];

/* 1 + enum vmcs_field_id by width, type and index; 0 where no field is. For translators: see vmcs_find(). */
#define VMCS_INDEX_LIMIT 64
#define VMCS_SLOT(enc) (VMCS_WIDTH(enc) << 8 | VMCS_TYPE(enc) << 6 | VMCS_INDEX(enc))
extern const uint8_t vmcs_slots[4 * 4 * VMCS_INDEX_LIMIT];

/* The field of an encoding as VMREAD and VMWRITE get it (64 bits; any of bits 63:32 makes it no field's), full or
 * high access; NULL for none. Whether an L1 has the field is vmx_caps_has_field()'s to say. */
static inline const struct vmcs_field *vmcs_find(uint64_t encoding)
{
	unsigned slot;

	/* bits 31:15 and 12 are reserved; only 64-bit fields have a high half */
	if (encoding & ~0x6fffull || VMCS_INDEX(encoding) >= VMCS_INDEX_LIMIT)
		return NULL;
	if ((encoding & 1) && VMCS_WIDTH(encoding) != VMCS_64)
		return NULL;
	slot = vmcs_slots[VMCS_SLOT(encoding)];
	return slot ? &vmcs_fields[slot - 1] : NULL;
}

static inline bool vmcs_read_only(const struct vmcs_field *field)
{
	return VMCS_TYPE(field->encoding) == VMCS_READ_ONLY;
}

/* A field's value, zero-extended. @encoding tells full from high access and must be one of @field's. */
uint64_t vmcs_get(const struct vmcs *vmcs, const struct vmcs_field *field, uint64_t encoding);

/* The same for writing: bits beyond the field's width are dropped; a high access leaves bits 31:0 alone. */
void vmcs_set(struct vmcs *vmcs, const struct vmcs_field *field, uint64_t encoding, uint64_t value);

/* Copies the fields of @groups (VMCS_IN()), reading each once. Returns how many fields that were.
 * This is how a VMCS in an L1's memory is brought to where the L1 can't change it between check and use. */
unsigned vmcs_copy(struct vmcs *to, const struct vmcs *from, uint32_t groups);

/* Names: of a field by encoding (a high access has the field's), of a group; NULL for what does not exist. */
const char *vmcs_name(uint64_t encoding);
const char *vmcs_group_name(unsigned group);
const char *vmcs_group_text(unsigned group);

/* Calls @emit for each field in table order with its value. */
void vmcs_dump(const struct vmcs *vmcs,
	       void (*emit)(void *arg, const struct vmcs_field *field, const char *name, uint64_t value), void *arg);

/* The table as documentation: a line of text per call, in Markdown, without line end. */
void vmcs_document(void (*line)(void *arg, const char *text), void *arg);

#endif
