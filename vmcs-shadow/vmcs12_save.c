/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an exit to L1 writes into vmcs12. */
#include "vmcs02.h"

#define EVENT_VALID 0x80000000u
#define ENTRY_FAILURE 0x80000000u
#define EFER_LMA (1ull << 10)

/* Counts what it copies. */
#define SAVE(name) \
	do { \
		v12->name = v02->name; \
		(*fields)++; \
	} while (0)

/* Bits that L2 owns are as L2 left them. L1's own have not changed since the entry: L2's attempt would have been an exit.
 * A bit that only L0 owns is what L2 believes it to be. */
static uint64_t saved_cr(uint64_t cr02, uint64_t shadow02, uint64_t cr12, uint64_t mask01, uint64_t mask12)
{
	return (cr02 & ~(mask01 | mask12)) | (cr12 & mask12) | (shadow02 & mask01 & ~mask12);
}

static void save_cr(struct vmcs *v12, const struct vmcs *v02, const struct vmcs *v01, unsigned *fields)
{
	v12->guest_cr0 = saved_cr(v02->guest_cr0, v02->cr0_read_shadow, v12->guest_cr0, v01->cr0_guest_host_mask,
				  v12->cr0_guest_host_mask);
	v12->guest_cr4 = saved_cr(v02->guest_cr4, v02->cr4_read_shadow, v12->guest_cr4, v01->cr4_guest_host_mask,
				  v12->cr4_guest_host_mask);
	*fields += 2;
	SAVE(guest_cr3);
	if (has_ept(v12)) {
		SAVE(guest_pdptr0);
		SAVE(guest_pdptr1);
		SAVE(guest_pdptr2);
		SAVE(guest_pdptr3);
	}
}

/* Returns whether the next entry gives L2 anything else than what it had: a value that is not both saved and loaded. */
static bool save_msrs(struct vmcs *v12, const struct vmcs *v02, const struct vmx_caps *caps, unsigned *fields)
{
	SAVE(guest_sysenter_cs);
	SAVE(guest_sysenter_esp);
	SAVE(guest_sysenter_eip);
	if (has_save_debug_controls(v12)) {
		SAVE(guest_dr7);
		SAVE(guest_ia32_debugctl);
	}
	if (has_exit_save_pat(v12))
		SAVE(guest_ia32_pat);
	if (has_exit_save_efer(v12))
		SAVE(guest_ia32_efer);
	/* saved by any exit of a processor that has the field */
	if (offers_load_bndcfgs(caps))
		SAVE(guest_ia32_bndcfgs);
	/* no control of this processor saves IA32_PERF_GLOBAL_CTRL */
	return !(has_save_debug_controls(v12) && has_load_debug_controls(v12)) ||
	       !(has_exit_save_pat(v12) && has_entry_load_pat(v12)) ||
	       !(has_exit_save_efer(v12) && has_entry_load_efer(v12)) || has_entry_load_perf_global_ctrl(v12) ||
	       (offers_load_bndcfgs(caps) && !has_load_bndcfgs(v12));
}

/* As save_msrs(). */
static bool save_state(struct vmcs *v12, const struct vmcs *v02, unsigned *fields)
{
	SAVE(guest_interruptibility_info);
	SAVE(guest_activity_state);
	SAVE(guest_pending_dbg_exceptions);
	if (has_pml(v12))
		SAVE(guest_pml_index);
	if (has_save_preemption_timer(v12))
		SAVE(vmx_preemption_timer_value);
	return has_preemption_timer(v12) && !has_save_preemption_timer(v12);
}

uint32_t vmcs12_save(struct vmcs *v12, struct vmcs *v02, const struct vmcs *v01, const struct vmx_caps *caps,
		     uint32_t ran, struct vmcs02_changes *changes, unsigned *count)
{
	uint32_t written = VMCS_IN(EXIT_INFO) | VMCS_IN(EVENT);
	unsigned ignored = 0;
	unsigned *fields = count ? count : &ignored;

	*fields += vmcs_copy(v12, v02, VMCS_IN(EXIT_INFO) | (ran & (VMCS_IN(GUEST_REGS) | VMCS_IN(GUEST_SEG))));
	written |= ran & (VMCS_IN(GUEST_REGS) | VMCS_IN(GUEST_SEG) | VMCS_IN(GUEST_CR) | VMCS_IN(GUEST_MSR) |
			  VMCS_IN(GUEST_STATE));
	if (ran & VMCS_IN(GUEST_CR)) {
		save_cr(v12, v02, v01, fields);
		/* the read shadows of vmcs02 also show what L1 doesn't own, and where L0 owns a bit, or where L2's processor
		 * changed one of L1's, vmcs02 has it differently: the next fill makes these anew */
		if (v12->guest_cr0 != v02->guest_cr0 || v12->guest_cr4 != v02->guest_cr4)
			changes->groups |= VMCS_IN(GUEST_CR);
		changes->groups |= VMCS_IN(CR_MASKS);
	}
	if (ran & VMCS_IN(GUEST_MSR) && save_msrs(v12, v02, caps, fields))
		changes->groups |= VMCS_IN(GUEST_MSR);
	if (ran & VMCS_IN(GUEST_STATE) && save_state(v12, v02, fields))
		changes->groups |= VMCS_IN(GUEST_STATE);
	if (ran & VMCS_IN(APIC) && has_virtual_interrupt_delivery(v12)) {
		SAVE(guest_intr_status);
		written |= VMCS_IN(APIC);
	}

	/* SDM vol. 3, "Recording VM-Exit Information": the event was injected, once */
	v12->vm_entry_intr_info_field &= ~EVENT_VALID;
	v02->vm_entry_intr_info_field &= ~EVENT_VALID;
	(*fields)++;

	/* the mode that L2 was in becomes the mode of the next entry, on a processor that says so in IA32_VMX_MISC */
	if (offers_store_lma(caps) && ran & VMCS_IN(GUEST_MSR)) {
		uint32_t mode = v02->guest_ia32_efer & EFER_LMA ? (uint32_t)CTL_ia32e_mode_guest : 0;

		v12->vm_entry_controls = (v12->vm_entry_controls & ~(uint32_t)CTL_ia32e_mode_guest) | mode;
		v02->vm_entry_controls = v12->vm_entry_controls;
		(*fields)++;
		written |= VMCS_IN(TRANSITION);
	}
	return written;
}

uint32_t vmcs12_entry_failed(struct vmcs *v12, uint32_t reason, uint64_t qualification)
{
	v12->vm_exit_reason = reason | ENTRY_FAILURE;
	v12->exit_qualification = qualification;
	return VMCS_IN(EXIT_INFO);
}
