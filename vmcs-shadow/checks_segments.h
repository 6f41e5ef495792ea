/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows for entry_checks.h: SDM vol. 3, "Checks on Guest Segment Registers". */
#ifndef VMCS_SHADOW_CHECKS_SEGMENTS_H
#define VMCS_SHADOW_CHECKS_SEGMENTS_H

/* clang-format off */

#define CHECK_V86(C, seg) \
	C(guest_##seg##_base_v86, ON3(guest_##seg##_base, guest_##seg##_selector, guest_rflags), \
	  "in virtual-8086 mode the base address must be the selector times 16", \
	  IF(virtual_8086(v), v->guest_##seg##_base == (uint64_t)v->guest_##seg##_selector << 4)) \
	C(guest_##seg##_limit_v86, ON2(guest_##seg##_limit, guest_rflags), \
	  "in virtual-8086 mode the limit must be 0000FFFFH", \
	  IF(virtual_8086(v), v->guest_##seg##_limit == 0xffff)) \
	C(guest_##seg##_rights_v86, ON2(guest_##seg##_ar_bytes, guest_rflags), \
	  "in virtual-8086 mode the access rights must be 000000F3H", \
	  IF(virtual_8086(v), AR(seg) == 0xf3))

#define CHECK_BASE_CANONICAL(C, seg) \
	C(guest_##seg##_base_canonical, ON2(guest_##seg##_base, guest_##seg##_ar_bytes), \
	  "the base address must be canonical", \
	  IF(BASE_COUNTS_##seg, canonical(c, v->guest_##seg##_base)))

#define CHECK_BASE_HIGH(C, seg) \
	C(guest_##seg##_base_high, ON2(guest_##seg##_base, guest_##seg##_ar_bytes), \
	  "bits 63:32 of the base address must be 0", \
	  IF(COUNTS_##seg, !(v->guest_##seg##_base >> 32)))

/* bits that are the same for each code and data register outside virtual-8086 mode */
#define CHECK_CODE_OR_DATA(C, seg) \
	C(guest_##seg##_system, ON2(guest_##seg##_ar_bytes, guest_rflags), \
	  "S must be 1", \
	  IF(!virtual_8086(v) && COUNTS_##seg, AR(seg) & AR_S)) \
	C(guest_##seg##_present, ON2(guest_##seg##_ar_bytes, guest_rflags), \
	  "P must be 1", \
	  IF(!virtual_8086(v) && COUNTS_##seg, AR(seg) & AR_P)) \
	C(guest_##seg##_reserved_low, ON2(guest_##seg##_ar_bytes, guest_rflags), \
	  "reserved bits 11:8 of the access rights must be 0", \
	  IF(!virtual_8086(v) && COUNTS_##seg, !(AR(seg) & 0xf00))) \
	C(guest_##seg##_reserved_high, ON2(guest_##seg##_ar_bytes, guest_rflags), \
	  "reserved bits 31:17 of the access rights must be 0", \
	  IF(!virtual_8086(v) && COUNTS_##seg, !(AR(seg) >> 17))) \
	C(guest_##seg##_granularity_bytes, ON3(guest_##seg##_ar_bytes, guest_##seg##_limit, guest_rflags), \
	  "G must be 0 if any bit of limit bits 11:0 is 0", \
	  IF(!virtual_8086(v) && COUNTS_##seg, granularity_bytes_ok(AR(seg), v->guest_##seg##_limit))) \
	C(guest_##seg##_granularity_pages, ON3(guest_##seg##_ar_bytes, guest_##seg##_limit, guest_rflags), \
	  "G must be 1 if any bit of limit bits 31:20 is 1", \
	  IF(!virtual_8086(v) && COUNTS_##seg, granularity_pages_ok(AR(seg), v->guest_##seg##_limit)))

#define CHECK_DATA(C, seg) \
	C(guest_##seg##_accessed, ON2(guest_##seg##_ar_bytes, guest_rflags), \
	  "bit 0 of the type must be 1 (accessed)", \
	  IF(!virtual_8086(v) && USABLE(seg), AR(seg) & 1)) \
	C(guest_##seg##_readable, ON2(guest_##seg##_ar_bytes, guest_rflags), \
	  "if bit 3 of the type is 1 (code), bit 1 must be 1 (readable)", \
	  IF(!virtual_8086(v) && USABLE(seg) && (AR(seg) & 8), AR(seg) & 2)) \
	C(guest_##seg##_dpl, ON4(guest_##seg##_ar_bytes, guest_##seg##_selector, guest_rflags, secondary_vm_exec_control), \
	  "the DPL of data or non-conforming code cannot be less than the RPL, unless the guest is unrestricted", \
	  IF(!virtual_8086(v) && !has_unrestricted_guest(v) && USABLE(seg) && AR_TYPE(AR(seg)) <= 11, \
	     AR_DPL(AR(seg)) >= RPL(v->guest_##seg##_selector)))

/* TR, and LDTR if it is usable: in every mode */
#define CHECK_SYSTEM(C, seg) \
	C(guest_##seg##_system, ON1(guest_##seg##_ar_bytes), \
	  "S must be 0", \
	  IF(COUNTS_##seg, !(AR(seg) & AR_S))) \
	C(guest_##seg##_present, ON1(guest_##seg##_ar_bytes), \
	  "P must be 1", \
	  IF(COUNTS_##seg, AR(seg) & AR_P)) \
	C(guest_##seg##_reserved_low, ON1(guest_##seg##_ar_bytes), \
	  "reserved bits 11:8 of the access rights must be 0", \
	  IF(COUNTS_##seg, !(AR(seg) & 0xf00))) \
	C(guest_##seg##_reserved_high, ON1(guest_##seg##_ar_bytes), \
	  "reserved bits 31:17 of the access rights must be 0", \
	  IF(COUNTS_##seg, !(AR(seg) >> 17))) \
	C(guest_##seg##_granularity_bytes, ON2(guest_##seg##_ar_bytes, guest_##seg##_limit), \
	  "G must be 0 if any bit of limit bits 11:0 is 0", \
	  IF(COUNTS_##seg, granularity_bytes_ok(AR(seg), v->guest_##seg##_limit))) \
	C(guest_##seg##_granularity_pages, ON2(guest_##seg##_ar_bytes, guest_##seg##_limit), \
	  "G must be 1 if any bit of limit bits 31:20 is 1", \
	  IF(COUNTS_##seg, granularity_pages_ok(AR(seg), v->guest_##seg##_limit)))

#define CHECKS_guest_segments(C) \
	C(guest_tr_selector_ti, ON1(guest_tr_selector), \
	  "TI of the selector must be 0", \
	  !(v->guest_tr_selector & 4)) \
	C(guest_ldtr_selector_ti, ON2(guest_ldtr_selector, guest_ldtr_ar_bytes), \
	  "TI of the selector must be 0 if LDTR is usable", \
	  IF(USABLE(ldtr), !(v->guest_ldtr_selector & 4))) \
	C(guest_ss_selector_rpl, ON4(guest_ss_selector, guest_cs_selector, guest_rflags, secondary_vm_exec_control), \
	  "the RPL of SS must equal the RPL of CS outside virtual-8086 mode, unless the guest is unrestricted", \
	  IF(!virtual_8086(v) && !has_unrestricted_guest(v), RPL(v->guest_ss_selector) == RPL(v->guest_cs_selector))) \
	CHECK_V86(C, cs) \
	CHECK_V86(C, ss) \
	CHECK_V86(C, ds) \
	CHECK_V86(C, es) \
	CHECK_V86(C, fs) \
	CHECK_V86(C, gs) \
	CHECK_BASE_CANONICAL(C, tr) \
	CHECK_BASE_CANONICAL(C, fs) \
	CHECK_BASE_CANONICAL(C, gs) \
	CHECK_BASE_CANONICAL(C, ldtr) \
	CHECK_BASE_HIGH(C, cs) \
	CHECK_BASE_HIGH(C, ss) \
	CHECK_BASE_HIGH(C, ds) \
	CHECK_BASE_HIGH(C, es) \
	C(guest_cs_type, ON3(guest_cs_ar_bytes, guest_rflags, secondary_vm_exec_control), \
	  "the type of CS must be 9, 11, 13 or 15 (accessed code), or 3 for an unrestricted guest", \
	  IF(!virtual_8086(v), cs_type_ok(AR_TYPE(AR(cs)), has_unrestricted_guest(v)))) \
	C(guest_ss_type, ON2(guest_ss_ar_bytes, guest_rflags), \
	  "the type of SS must be 3 or 7 (read/write, accessed data)", \
	  IF(!virtual_8086(v) && USABLE(ss), AR_TYPE(AR(ss)) == 3 || AR_TYPE(AR(ss)) == 7)) \
	C(guest_cs_dpl_data, ON2(guest_cs_ar_bytes, guest_rflags), \
	  "the DPL of CS must be 0 if its type is 3", \
	  IF(!virtual_8086(v) && AR_TYPE(AR(cs)) == 3, !AR_DPL(AR(cs)))) \
	C(guest_cs_dpl_nonconforming, ON3(guest_cs_ar_bytes, guest_ss_ar_bytes, guest_rflags), \
	  "the DPL of CS must equal the DPL of SS if CS is non-conforming code", \
	  IF(!virtual_8086(v) && (AR_TYPE(AR(cs)) == 9 || AR_TYPE(AR(cs)) == 11), AR_DPL(AR(cs)) == AR_DPL(AR(ss)))) \
	C(guest_cs_dpl_conforming, ON3(guest_cs_ar_bytes, guest_ss_ar_bytes, guest_rflags), \
	  "the DPL of CS cannot be greater than the DPL of SS if CS is conforming code", \
	  IF(!virtual_8086(v) && (AR_TYPE(AR(cs)) == 13 || AR_TYPE(AR(cs)) == 15), AR_DPL(AR(cs)) <= AR_DPL(AR(ss)))) \
	C(guest_ss_dpl_rpl, ON4(guest_ss_ar_bytes, guest_ss_selector, guest_rflags, secondary_vm_exec_control), \
	  "the DPL of SS must equal the RPL of its selector, unless the guest is unrestricted", \
	  IF(!virtual_8086(v) && !has_unrestricted_guest(v), AR_DPL(AR(ss)) == RPL(v->guest_ss_selector))) \
	C(guest_ss_dpl_zero, ON4(guest_ss_ar_bytes, guest_cs_ar_bytes, guest_cr0, guest_rflags), \
	  "the DPL of SS must be 0 if the type of CS is 3 or CR0.PE is 0", \
	  IF(!virtual_8086(v) && (AR_TYPE(AR(cs)) == 3 || !(v->guest_cr0 & CR0_PE)), !AR_DPL(AR(ss)))) \
	CHECK_DATA(C, ds) \
	CHECK_DATA(C, es) \
	CHECK_DATA(C, fs) \
	CHECK_DATA(C, gs) \
	CHECK_CODE_OR_DATA(C, cs) \
	CHECK_CODE_OR_DATA(C, ss) \
	CHECK_CODE_OR_DATA(C, ds) \
	CHECK_CODE_OR_DATA(C, es) \
	CHECK_CODE_OR_DATA(C, fs) \
	CHECK_CODE_OR_DATA(C, gs) \
	C(guest_cs_default_size, ON3(guest_cs_ar_bytes, vm_entry_controls, guest_rflags), \
	  "D/B of CS must be 0 if the guest will be in IA-32e mode and L is 1", \
	  IF(!virtual_8086(v) && has_ia32e_mode_guest(v) && (AR(cs) & AR_L), !(AR(cs) & AR_DB))) \
	C(guest_tr_type, ON2(guest_tr_ar_bytes, vm_entry_controls), \
	  "the type of TR must be 11 (busy TSS), or 3 (busy 16-bit TSS) outside IA-32e mode", \
	  AR_TYPE(AR(tr)) == 11 || (AR_TYPE(AR(tr)) == 3 && !has_ia32e_mode_guest(v))) \
	C(guest_tr_unusable, ON1(guest_tr_ar_bytes), \
	  "TR must be usable", \
	  USABLE(tr)) \
	CHECK_SYSTEM(C, tr) \
	C(guest_ldtr_type, ON1(guest_ldtr_ar_bytes), \
	  "the type of LDTR must be 2 (LDT)", \
	  IF(USABLE(ldtr), AR_TYPE(AR(ldtr)) == 2)) \
	CHECK_SYSTEM(C, ldtr)

/* clang-format on */

#endif
