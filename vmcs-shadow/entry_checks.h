/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checks of SDM vol. 3, "VM Entries", on the contents of a VMCS: one named row each, in the manual's order, with
 * its sentence, the fields it is about and its condition. Not here: what VMLAUNCH and VMRESUME check themselves (current
 * VMCS, launch state, blocking by MOV SS), and the loading of MSRs.
 *
 * A row is C(name, fields, text, condition that must hold). In a condition v is the VMCS, c the capabilities, e the
 * struct vmx_entry; IF(a, b) is "if a then b"; the other words are in entry_rules.h.
 */
#ifndef VMCS_SHADOW_ENTRY_CHECKS_H
#define VMCS_SHADOW_ENTRY_CHECKS_H

#include <stdbool.h>
#include <stdint.h>
#include "checks_controls.h"
#include "checks_guest.h"
#include "checks_host.h"
#include "checks_segments.h"
#include "vmcs_fields.h"
#include "vmx_caps.h"

/* What an entry is made from. */
struct vmx_entry {
	const struct vmcs *v; /* vmcs12; not L1's memory, where it could change between two checks */
	const struct vmx_caps *caps;
	uint64_t current_vmcs; /* the current-VMCS pointer */
	bool long_mode; /* IA32_EFER.LMA when the entry begins */
	bool smm; /* the processor is in SMM */
	/* Reads 1, 4 or 8 bytes of the L1's physical memory, little-endian. The address is within the physical-address
	 * width and naturally aligned; for what is no memory the callee returns what a bus would, all bits 1. */
	uint64_t (*read)(void *arg, uint64_t address, unsigned bytes);
	void *arg;
};

/* What a failed check means for the L1. */
enum vmx_check_class {
	VMX_ENTRY_OK,
	VMX_ENTRY_CONTROLS, /* VMfailValid(7) */
	VMX_ENTRY_HOST, /* VMfailValid(8) */
	VMX_ENTRY_GUEST, /* exit reason 33 with vmx_check_qualification() */
};

/* clang-format off */

/* The manual's sections, in the order in which they are checked.
 *   when: CHANGED, the outcome depends on the VMCS alone (and on facts in struct vmx_entry that hardly ever change);
 *         ALWAYS, also on memory or on the mode of the L1
 *
 *   section            class     qualification  when     title */
#define VMX_CHECK_SECTIONS(S) \
	S(execution_controls, CONTROLS, 0, CHANGED, "VM-Execution Control Fields") \
	S(virtual_tpr,        CONTROLS, 0, ALWAYS,  "VM-Execution Control Fields") \
	S(exit_controls,      CONTROLS, 0, CHANGED, "VM-Exit Control Fields") \
	S(entry_controls,     CONTROLS, 0, CHANGED, "VM-Entry Control Fields") \
	S(host_registers,     HOST,     0, CHANGED, "Checks on Host Control Registers, MSRs, and SSP") \
	S(host_segments,      HOST,     0, CHANGED, "Checks on Host Segment and Descriptor-Table Registers") \
	S(address_space,      HOST,     0, ALWAYS,  "Checks Related to Address-Space Size") \
	S(guest_registers,    GUEST,    0, CHANGED, "Checks on Guest Control Registers, Debug Registers, and MSRs") \
	S(guest_segments,     GUEST,    0, CHANGED, "Checks on Guest Segment Registers") \
	S(guest_tables,       GUEST,    0, CHANGED, "Checks on Guest Descriptor-Table Registers") \
	S(guest_rip,          GUEST,    0, CHANGED, "Checks on Guest RIP, RFLAGS, and SSP") \
	S(guest_state,        GUEST,    0, CHANGED, "Checks on Guest Non-Register State") \
	S(guest_nmi,          GUEST,    3, CHANGED, "Checks on Guest Non-Register State") \
	S(guest_link,         GUEST,    4, ALWAYS,  "Checks on Guest Non-Register State") \
	S(guest_pdptes,       GUEST,    2, ALWAYS,  "Checks on Guest Page-Directory-Pointer-Table Entries")

/* clang-format on */

enum vmx_check {
	VMX_CHECK_OK,
#define C(name, ...) VMX_CHECK_##name,
#define S(section, ...) CHECKS_##section(C)
	VMX_CHECK_SECTIONS(S)
#undef S
#undef C
		VMX_CHECK_COUNT,
};

/* All checks in order; the first that fails, or VMX_CHECK_OK.
 * @changed: the groups (VMCS_IN()) that may have changed since the same VMCS last passed with the same capabilities;
 * sections that look at none of them are left out. VMCS_ALL_GROUPS is always right. What vmcs12_save() wrote is the state of
 * a processor and needs no new check by itself, but an L0 that wants to find its own mistakes passes those groups as well. */
enum vmx_check vmx_check_entry(const struct vmx_entry *e, uint32_t changed);

enum vmx_check_class vmx_check_class(enum vmx_check check);

/* The exit qualification of a failed guest-state check. */
uint64_t vmx_check_qualification(enum vmx_check check);

/* The row's name, the manual's section title, sentence, and the condition as it stands in the source. NULL for
 * VMX_CHECK_OK and beyond. */
const char *vmx_check_name(enum vmx_check check);
const char *vmx_check_section(enum vmx_check check);
const char *vmx_check_text(enum vmx_check check);
const char *vmx_check_condition(enum vmx_check check);

/* The groups that a check looks at. */
uint32_t vmx_check_groups(enum vmx_check check);

/* Calls @emit for each field that the check is about, with its value in @v. */
void vmx_check_fields(enum vmx_check check, const struct vmcs *v,
		      void (*emit)(void *arg, const char *name, uint64_t value), void *arg);

/* One line for a log: name, sentence, fields with values. */
void vmx_check_describe(enum vmx_check check, const struct vmcs *v, void (*line)(void *arg, const char *text), void *arg);

#endif
