/* SPDX-License-Identifier: GPL-2.0-or-later */
/* L2 in a VMCS of the host's: SDM vol. 3, "Virtual-Machine Control Structures", "VM Entries", "VM Exits". */
#include "vt.h"

#include <string.h>

#include "../cpu/mmu.h"
#include "../vmx/vmx.h"

/* Bits that are the same everywhere are asked for by what the SDM says of them, so what may be 0 is 0 unless it stands here. */

/* clang-format off */
#define WORDS(W) /* field, its capability MSR from VT_CAP_FIRST on, what is always asked for */ \
	W(pin_based_vm_exec_control, 0x0d, CTL_external_interrupt_exiting | CTL_nmi_exiting | CTL_virtual_nmis) \
	W(cpu_based_vm_exec_control, 0x0e, CTL_hlt_exiting | CTL_mwait_exiting | CTL_rdpmc_exiting | CTL_rdtsc_exiting | \
	  CTL_cr8_load_exiting | CTL_cr8_store_exiting | CTL_mov_dr_exiting | CTL_unconditional_io_exiting | \
	  CTL_monitor_exiting | CTL_secondary_controls) \
	W(secondary_vm_exec_control, 0x0b, CTL_ept | CTL_wbinvd_exiting) \
	W(vm_exit_controls,          0x0f, CTL_save_debug_controls | CTL_host_address_space_size | CTL_exit_save_efer | CTL_exit_load_efer | \
	  CTL_exit_load_pat) \
	W(vm_entry_controls,         0x10, CTL_load_debug_controls | CTL_entry_load_efer | CTL_entry_load_pat)

/* Bits that are asked for where vmcs12 has them: it wants to see something that L0 doesn't need to, or L2 has an instruction */
#define PROC_FROM_12 (CTL_invlpg_exiting | CTL_cr3_load_exiting | CTL_cr3_store_exiting | CTL_pause_exiting)
#define PROC2_FROM_12 (CTL_descriptor_table_exiting | CTL_enable_rdtscp | CTL_rdrand_exiting | CTL_enable_invpcid | \
	CTL_rdseed_exiting | CTL_enable_xsaves)

/* Every segment register */
#define SEGMENT(F, name) F(guest_##name##_selector) F(guest_##name##_base) F(guest_##name##_limit) F(guest_##name##_ar_bytes)
#define SEGMENTS(F) SEGMENT(F, es) SEGMENT(F, cs) SEGMENT(F, ss) SEGMENT(F, ds) SEGMENT(F, fs) SEGMENT(F, gs) SEGMENT(F, ldtr) \
	SEGMENT(F, tr) F(guest_gdtr_base) F(guest_gdtr_limit) F(guest_idtr_base) F(guest_idtr_limit)

/* What L2 may have changed when it leaves */
#define TAKEN(F) F(guest_rip) F(guest_rsp) F(guest_rflags) F(guest_cr3) F(guest_interruptibility_info) SEGMENTS(F)

#define INFO(F) F(vm_exit_reason) F(exit_qualification) F(guest_linear_address) F(guest_physical_address) F(vm_exit_intr_info) \
	F(vm_instruction_error)

#define GIVEN(F) TAKEN(F) \
	F(pin_based_vm_exec_control) F(cpu_based_vm_exec_control) F(secondary_vm_exec_control) F(vm_exit_controls) F(vm_entry_controls) \
	F(exception_bitmap) F(page_fault_error_code_mask) F(page_fault_error_code_match) \
	F(cr0_guest_host_mask) F(cr4_guest_host_mask) F(cr0_read_shadow) F(cr4_read_shadow) F(cr3_target_count) \
	F(ept_pointer) F(vmcs_link_pointer) F(vm_entry_intr_info_field) F(vm_entry_msr_load_count) F(vm_exit_msr_load_count) \
	F(vm_exit_msr_store_count) F(guest_cr0) F(guest_cr4) F(guest_ia32_debugctl) F(guest_ia32_pat) F(guest_ia32_efer) F(guest_dr7) \
	F(guest_sysenter_cs) F(guest_sysenter_esp) F(guest_sysenter_eip) F(guest_activity_state) F(guest_pending_dbg_exceptions) \
	F(host_cr0) F(host_cr3) F(host_cr4) F(host_ia32_efer) F(host_ia32_pat) F(host_rsp) F(host_rip) F(host_cs_selector) F(host_ss_selector) \
	F(host_ds_selector) F(host_es_selector) F(host_fs_selector) F(host_gs_selector) F(host_tr_selector) F(host_tr_base) \
	F(host_gdtr_base) F(host_idtr_base) F(host_fs_base) F(host_gs_base)
/* clang-format on */

enum {
#define F(field) GIVEN_##field,
	GIVEN(F) GIVEN_COUNT
#undef F
};
enum {
#define F(field) READ_##field,
	INFO(F) TAKEN(F) READ_COUNT
#undef F
};
_Static_assert(GIVEN_COUNT <= VTX_WRITE_MAX && READ_COUNT <= VTX_READ_MAX, "they fit into a page");

#define CAP_BASIC 0
#define CAP_CR4_FIXED1 9
#define BLOCKED_BY_NMI BIT(3)
#define PAT_POWER_ON 0x0007040600070406ull
#define EPTP_WB_4_LEVELS (6 | 3 << 3)

static const char *begin(struct vt_cpu *c, struct vt_vmx *x)
{
	struct vmcs *m = &x->now;

	if (!(c->caps[CAP_BASIC] & CTL_true_controls))
		return "IA32_VMX_BASIC says nothing of CR3 accesses that don't exit";
#define W(field, cap, always) \
	if ((always) & ~(c->caps[cap] >> 32)) \
		return "the host's VT lacks a bit of " #field;
	WORDS(W)
#undef W
	memset(x, 0, sizeof(*x));
	m->vmcs_link_pointer = UINT64_MAX;
	m->host_cr0 = c->sregs.cr0;
	m->host_cr3 = c->sregs.cr3;
	m->host_cr4 = c->sregs.cr4;
	m->host_ia32_efer = c->sregs.efer;
	m->host_ia32_pat = PAT_POWER_ON;
	m->host_rsp = vt_page_gpa(c, VT_PAGE_EXCHANGE);
	m->host_rip = vt_page_gpa(c, VT_PAGE_CODE) + ((u64)vt_stub_vmx_left - (u64)vt_stub_begin);
	m->host_cs_selector = c->sregs.cs.selector;
	m->host_tr_selector = c->sregs.tr.selector;
	m->host_tr_base = c->sregs.tr.base;
	m->host_gdtr_base = c->sregs.gdt.base;
	m->host_idtr_base = c->sregs.idt.base;
	return NULL;
}

static u64 cr4_allowed(const struct vt_cpu *c)
{
	return c->caps[CAP_CR4_FIXED1];
}

/* SDM vol. 3, App. A.3 to A.5: low half: bits that have to be 1; high half: that may be */
static u32 word(u64 cap, u64 want)
{
	return ((u32)want | (u32)cap) & (u32)(cap >> 32);
}

static void controls(const struct vt_cpu *c, struct vmcs *m, const struct vcpu *v, const struct vt_wishes *w)
{
	const struct vmcs *m12 = &v->vmx->v02;
	u64 proc = m12->cpu_based_vm_exec_control & PROC_FROM_12;
	u64 proc2 = m12->secondary_vm_exec_control & PROC2_FROM_12;
	u64 entry = v->efer & EFER_LMA ? CTL_ia32e_mode_guest : 0;

	if (has_pause_loop_exiting(m12))
		proc |= CTL_pause_exiting;
	if (w->interrupt_window)
		proc |= CTL_interrupt_window_exiting;
	if (w->nmi_window)
		proc |= CTL_nmi_window_exiting;
	const struct {
		u64 pin_based_vm_exec_control, cpu_based_vm_exec_control, secondary_vm_exec_control, vm_exit_controls,
			vm_entry_controls;
	} more = { 0, proc, proc2, 0, entry };
#define W(field, cap, always) m->field = word(c->caps[cap], (always) | more.field);
	WORDS(W)
#undef W
}

static void list_writes(struct vt_cpu *c, struct vt_vmx *x)
{
	struct vt_exchange *e = c->exchange;
	unsigned int n = 0;

#define F(field) \
	if (!x->valid || x->now.field != x->known.field) { \
		e->write[n].encoding = VMCS_##field; \
		e->write[n++].value = x->now.field; \
	}
	GIVEN(F)
#undef F
	e->write_count = n;
	x->valid = false; /* until L2 has left: of a run that is interrupted earlier all, some or none of them are written */
}

static void list_reads(struct vt_cpu *c)
{
	struct vt_exchange *e = c->exchange;
	unsigned int n = 0;

#define F(field) e->read[n++].encoding = VMCS_##field;
	INFO(F)
	TAKEN(F)
#undef F
	e->read_count = n;
}

static void give(struct vt_cpu *c, struct vt_vmx *x, const struct vcpu *v, const struct vt_wishes *w)
{
	const struct vmcs *m12 = &v->vmx->v02;
	struct vmcs *m = &x->now;

	memcpy(c->exchange->gpr, v->gpr, sizeof(v->gpr));
	c->exchange->cr2 = v->cr2;
	controls(c, m, v, w);
	m->ept_pointer = w->root | EPTP_WB_4_LEVELS;
	/* an instruction that one of the two CPUs hasn't; debug exceptions are rare, machine checks the host's */
	m->exception_bitmap = m12->exception_bitmap | BIT(VEC_UD) | BIT(VEC_DB) | BIT(VEC_MC);
	m->page_fault_error_code_mask = m12->page_fault_error_code_mask;
	m->page_fault_error_code_match = m12->page_fault_error_code_match;
	m->cr0_guest_host_mask = m->cr4_guest_host_mask = UINT64_MAX;
	m->cr0_read_shadow = (v->cr0 & ~m12->cr0_guest_host_mask) | (m12->cr0_read_shadow & m12->cr0_guest_host_mask);
	m->cr4_read_shadow = (v->cr4 & ~m12->cr4_guest_host_mask) | (m12->cr4_read_shadow & m12->cr4_guest_host_mask);
	m->guest_cr0 = v->cr0 | CR0_NE;
	m->guest_cr3 = v->cr3;
	m->guest_cr4 = v->cr4 | CR4_VMXE;
	m->guest_rip = v->rip;
	m->guest_rsp = v->gpr[RSP];
	m->guest_rflags = v->rflags;
	vmx_save_segments(v, m);
	m->guest_dr7 = v->dr[7];
	m->guest_ia32_debugctl = 0;
	m->guest_ia32_pat = v->pat;
	m->guest_ia32_efer = v->efer;
	m->guest_sysenter_cs = (u32)v->sysenter_cs;
	m->guest_sysenter_esp = v->sysenter_esp;
	m->guest_sysenter_eip = v->sysenter_eip;
	m->guest_interruptibility_info = v->nmi_blocked ? BLOCKED_BY_NMI : 0;
	list_writes(c, x);
	list_reads(c);
}

static void go_on(struct vt_cpu *c, struct vt_vmx *x, const struct vt_wishes *w)
{
	x->now.ept_pointer = w->root | EPTP_WB_4_LEVELS;
	list_writes(c, x);
}

/* SDM vol. 3, "Exit Qualification for EPT Violations" */
static void violation(const struct vmcs *m, struct vt_exit *e)
{
	u64 q = m->exit_qualification;

	e->kind = VT_EXIT_VIOLATION;
	e->gpa = m->guest_physical_address;
	e->linear = q & BIT(7) ? m->guest_linear_address : 0;
	e->access = (q & BIT(0) ? ACC_READ : 0) | (q & BIT(1) ? ACC_WRITE : 0) | (q & BIT(2) ? ACC_EXEC : 0);
	e->how = q & BIT(8) ? NESTED_FINAL : 0;
}

static void left(struct vt_cpu *c, struct vt_vmx *x, struct vt_exit *e)
{
	struct vmcs *m = &x->now;
	unsigned int n = 0;

	c->exchange->launched = 1;
	x->known = x->now;
	x->valid = true;
#define F(field) m->field = (VMCS_C_TYPE(VMCS_##field))c->exchange->read[n++].value;
	INFO(F)
	TAKEN(F)
#undef F
#define F(field) x->known.field = m->field;
	TAKEN(F)
#undef F
	*e = (struct vt_exit){ .kind = VT_EXIT_INSN, .reason = m->vm_exit_reason & 0xffff };
	if (m->vm_exit_reason & VM_EXIT_FAILED_ENTRY) {
		e->kind = VT_EXIT_FAILED;
		e->what = "an entry with invalid guest state; qualification";
		e->number = m->exit_qualification;
		return;
	}
	switch (e->reason) {
	case EXIT_REASON_EPT_VIOLATION:
		violation(m, e);
		break;
	case EXIT_REASON_EXCEPTION_NMI:
		if ((m->vm_exit_intr_info >> 8 & 7) == 2)
			e->kind = VT_EXIT_KICK;
		break;
	case EXIT_REASON_EXTERNAL_INTERRUPT:
		e->kind = VT_EXIT_KICK;
		break;
	case EXIT_REASON_INTERRUPT_WINDOW:
	case EXIT_REASON_NMI_WINDOW:
		e->kind = VT_EXIT_WINDOW;
		break;
	}
}

static void take(struct vt_cpu *c, const struct vt_vmx *x, struct vcpu *v)
{
	const struct vmcs *m = &x->now;

	memcpy(v->gpr, c->exchange->gpr, sizeof(v->gpr));
	v->gpr[RSP] = m->guest_rsp;
	v->rip = m->guest_rip;
	v->rflags = m->guest_rflags | FLAG_1;
	v->cr2 = c->exchange->cr2;
	v->cr3 = m->guest_cr3;
	vmx_load_segments(v, m);
	v->nmi_blocked = m->guest_interruptibility_info & BLOCKED_BY_NMI;
	v->intr_shadow = m->guest_interruptibility_info & (SHADOW_STI | SHADOW_MOV_SS);
}

const struct vt_backend vt_backend_vmx = {
	.format = &VT_EPT, .begin = begin, .cr4_allowed = cr4_allowed, .give = give, .go_on = go_on, .left = left, .take = take
};
