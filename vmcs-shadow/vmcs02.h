/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmcs02: the effective state that an engine runs L2 with, merged from vmcs01 (how L0 runs the L1) and vmcs12 (what the
 * L1 asks for its L2). It is a struct vmcs because it has the same fields; no processor ever loads it. The rule column
 * of vmcs_fields.h says for each field how it is made.
 *
 * What L0 does in L1's name (APIC virtualization, PML, VMCS shadowing for L2, EPTP switching) works on L1's own tables,
 * so those addresses come through unchanged, as L1-physical ones. What L0 puts its own in the place of (EPT, VPID,
 * MSR and I/O bitmaps, MSR lists, exit controls) is vmcs01's.
 *
 * vmcs01's guest state has to hold L1's current debug registers and MSRs of group GUEST_MSR when the entry begins: L2
 * goes on with those that its entry does not load.
 *
 * Order of use: VMPTRLD: vmcs02_all_changed(). VMWRITE: vmcs12_note_write(). VMLAUNCH and VMRESUME: vmcs_copy() of the changed
 * groups from L1's memory, entry checks, vmcs02_fill(). Exit to L1: vmcs12_save(), vmcs_copy() of what that says
 * back to L1's memory.
 */
#ifndef VMCS_SHADOW_VMCS02_H
#define VMCS_SHADOW_VMCS02_H

#include <stdint.h>
#include "vmcs_fields.h"
#include "vmx_caps.h"

/* One vmcs02 and what it lacks: the groups (VMCS_IN()) of vmcs12 or vmcs01 written since the last fill. A translator
 * that writes fields in place sets the bit of the field's group here, one OR with a constant. */
struct vmcs02_changes {
	uint32_t groups;
};

enum vmcs02_mode {
	VMCS02_CHANGED, /* copy and merge the changed groups */
	VMCS02_FULL, /* all of them, always: what the other mode is measured against */
};

static inline void vmcs02_all_changed(struct vmcs02_changes *changes)
{
	changes->groups = VMCS_ALL_GROUPS;
}

/* A field of vmcs12 was written by VMWRITE's operand @encoding, or the same field of vmcs01 by L0. What is no field
 * changes nothing. */
static inline void vmcs12_note_write(struct vmcs02_changes *changes, uint64_t encoding)
{
	const struct vmcs_field *field = vmcs_find(encoding);

	if (field)
		changes->groups |= 1u << field->group;
}

/* What the fill has to redo: @groups and all that depends on them. */
uint32_t vmcs02_groups_after(uint32_t groups);

/* Makes vmcs02, and clears @changes. All that v12 says has passed the entry checks; v12 must not be L1's memory.
 * Returns how many fields were written. */
unsigned vmcs02_fill(struct vmcs *v02, const struct vmcs *v01, const struct vmcs *v12, struct vmcs02_changes *changes,
		     enum vmcs02_mode mode);

/* Exit to L1: SDM vol. 3, "Saving Guest State" and "Recording VM-Exit Information and Updating VM-entry Control Fields".
 * The exit information of v02 and the guest state of the groups @ran (those that L2 may have changed; VMCS_ALL_GROUPS is
 * always right) go to v12; the injected event is taken back from both. @changes gets the groups in which v02 is no
 * longer what a fill would make of v12. Adds the number of written fields to @fields (may be NULL). Returns the groups of
 * v12 that were written. */
uint32_t vmcs12_save(struct vmcs *v12, struct vmcs *v02, const struct vmcs *v01, const struct vmx_caps *caps,
		     uint32_t ran, struct vmcs02_changes *changes, unsigned *fields);

/* A failed entry: SDM vol. 3, "VM-Entry Failures During or After Loading Guest State". Only these are written:
 * the reason (33, 34 or 41; bit 31 is added) and the qualification. Returns the groups of v12 that were written. */
uint32_t vmcs12_entry_failed(struct vmcs *v12, uint32_t reason, uint64_t qualification);

/* What L2 reads from a control register, and what L1's VMCS has for it: for tests and for L0's own MOV from CR. */
uint64_t vmcs12_visible_cr0(const struct vmcs *v12);
uint64_t vmcs12_visible_cr4(const struct vmcs *v12);

/* (@tsc * @multiplier) >> 48, SDM vol. 3, "Time-Stamp Counter Offsetting" */
#define TSC_ONE (1ull << 48) /* the multiplier that changes nothing */
uint64_t vmcs_scale_tsc(uint64_t tsc, uint64_t multiplier);

#endif
