/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "oracle.h"

/* The processor, as its MSRs describe it. */
struct machine {
	uint64_t pin, proc, proc2, exit, entry; /* allowed settings: low half must be 1, high half may be 1 */
	uint64_t basic, misc, ept, vmfunc, cr0_0, cr0_1, cr4_0, cr4_1;
	int width;
	const struct vmx_cpu *cpu;
};

static uint64_t msr_or_0(const struct vmx_entry *e, uint32_t true_msr, uint32_t msr)
{
	uint64_t value = 0;

	if (true_msr && vmx_caps_msr(e->caps, true_msr, &value))
		return value;
	return vmx_caps_msr(e->caps, msr, &value) ? value : 0;
}

static struct machine machine_of(const struct vmx_entry *e)
{
	return (struct machine){
		.pin = msr_or_0(e, 0x48d, 0x481),
		.proc = msr_or_0(e, 0x48e, 0x482),
		.proc2 = msr_or_0(e, 0, 0x48b),
		.exit = msr_or_0(e, 0x48f, 0x483),
		.entry = msr_or_0(e, 0x490, 0x484),
		.basic = msr_or_0(e, 0, 0x480),
		.misc = msr_or_0(e, 0, 0x485),
		.ept = msr_or_0(e, 0, 0x48c),
		.vmfunc = msr_or_0(e, 0, 0x491),
		.cr0_0 = msr_or_0(e, 0, 0x486),
		.cr0_1 = msr_or_0(e, 0, 0x487),
		.cr4_0 = msr_or_0(e, 0, 0x488),
		.cr4_1 = msr_or_0(e, 0, 0x489),
		.width = e->caps->cpu.physical_bits,
		.cpu = &e->caps->cpu,
	};
}

static int bit(uint64_t value, int n)
{
	return (int)(value >> n & 1);
}

/* bits high..low of a value */
static uint64_t field(uint64_t value, int high, int low)
{
	value >>= low;
	return high - low == 63 ? value : value & ((2ull << (high - low)) - 1);
}

static int bad_settings(uint64_t msr, uint32_t value)
{
	for (int i = 0; i < 32; i++) {
		if (bit(msr, i) && !bit(value, i))
			return 1;
		if (!bit(msr, 32 + i) && bit(value, i))
			return 1;
	}
	return 0;
}

static int bad_page(const struct machine *m, uint64_t address)
{
	return field(address, 11, 0) != 0 || field(address, 63, m->width) != 0;
}

static int noncanonical(uint64_t address)
{
	uint64_t top = field(address, 63, 47);

	return top != 0 && top != 0x1ffff;
}

static int bad_pat(uint64_t pat)
{
	for (int i = 0; i < 8; i++) {
		switch (field(pat, i * 8 + 7, i * 8)) {
		case 0:
		case 1:
		case 4:
		case 5:
		case 6:
		case 7:
			break;
		default:
			return 1;
		}
	}
	return 0;
}

static uint32_t secondary(const struct vmcs *v)
{
	return bit(v->cpu_based_vm_exec_control, 31) ? v->secondary_vm_exec_control : 0;
}

static int bad_execution_controls(const struct vmx_entry *e, const struct machine *m)
{
	const struct vmcs *v = e->v;
	uint32_t pin = v->pin_based_vm_exec_control;
	uint32_t proc = v->cpu_based_vm_exec_control;
	uint32_t proc2 = secondary(v);
	int tpr_shadow = bit(proc, 21);
	int apic_accesses = bit(proc2, 0);
	int ept = bit(proc2, 1);
	int vid = bit(proc2, 9);

	if (bad_settings(m->pin, pin) || bad_settings(m->proc, proc))
		return 1;
	if (bit(proc, 31) && bad_settings(m->proc2, proc2))
		return 1;
	if (v->cr3_target_count > field(m->misc, 24, 16))
		return 1;
	if (bit(proc, 25) && (bad_page(m, v->io_bitmap_a) || bad_page(m, v->io_bitmap_b)))
		return 1;
	if (bit(proc, 28) && bad_page(m, v->msr_bitmap))
		return 1;
	if (tpr_shadow) {
		if (bad_page(m, v->virtual_apic_page_addr))
			return 1;
		if (!vid && field(v->tpr_threshold, 31, 4))
			return 1;
		if (!vid && !apic_accesses) {
			uint8_t vtpr = (uint8_t)e->read(e->arg, v->virtual_apic_page_addr + 0x80, 1);

			if (field(v->tpr_threshold, 3, 0) > field(vtpr, 7, 4))
				return 1;
		}
	} else if (bit(proc2, 4) || bit(proc2, 8) || vid) {
		return 1;
	}
	if (!bit(pin, 3) && bit(pin, 5))
		return 1;
	if (!bit(pin, 5) && bit(proc, 22))
		return 1;
	if (apic_accesses && bad_page(m, v->apic_access_addr))
		return 1;
	if (bit(proc2, 4) && apic_accesses)
		return 1;
	if (vid && !bit(pin, 0))
		return 1;
	if (bit(pin, 7)) {
		if (!vid || !bit(v->vm_exit_controls, 15))
			return 1;
		if (field(v->posted_intr_nv, 15, 8))
			return 1;
		if (field(v->posted_intr_desc_addr, 5, 0) || field(v->posted_intr_desc_addr, 63, m->width))
			return 1;
	}
	if (bit(proc2, 5) && v->virtual_processor_id == 0)
		return 1;
	if (ept) {
		uint64_t eptp = v->ept_pointer;
		uint64_t type = field(eptp, 2, 0);
		uint64_t length = field(eptp, 5, 3) + 1;

		if (!(type == 0 && bit(m->ept, 8)) && !(type == 6 && bit(m->ept, 14)))
			return 1;
		if (!(length == 4 && bit(m->ept, 6)) && !(length == 5 && bit(m->ept, 7)))
			return 1;
		if (bit(eptp, 6) && !bit(m->ept, 21))
			return 1;
		if (field(eptp, 11, 7) || field(eptp, 63, m->width))
			return 1;
	}
	if (bit(proc2, 17) && (!ept || bad_page(m, v->pml_address)))
		return 1;
	if ((bit(proc2, 7) || bit(proc2, 22)) && !ept)
		return 1;
	if (bit(proc2, 13)) {
		for (int i = 0; i < 64; i++)
			if (bit(v->vm_function_control, i) && !bit(m->vmfunc, i))
				return 1;
		if (bit(v->vm_function_control, 0) && (!ept || bad_page(m, v->eptp_list_address)))
			return 1;
	}
	if (bit(proc2, 14) && (bad_page(m, v->vmread_bitmap) || bad_page(m, v->vmwrite_bitmap)))
		return 1;
	if (bit(proc2, 18) && bad_page(m, v->ve_information_address))
		return 1;
	return 0;
}

static int bad_list(const struct machine *m, uint64_t address, uint32_t count)
{
	unsigned __int128 last = (unsigned __int128)address + (unsigned __int128)count * 16 - 1;

	if (count == 0)
		return 0;
	return field(address, 3, 0) || field(address, 63, m->width) || last >> m->width;
}

static int bad_exit_controls(const struct vmcs *v, const struct machine *m)
{
	if (bad_settings(m->exit, v->vm_exit_controls))
		return 1;
	if (!bit(v->pin_based_vm_exec_control, 6) && bit(v->vm_exit_controls, 22))
		return 1;
	return bad_list(m, v->vm_exit_msr_store_addr, v->vm_exit_msr_store_count) ||
	       bad_list(m, v->vm_exit_msr_load_addr, v->vm_exit_msr_load_count);
}

static int bad_injection(const struct vmcs *v, const struct machine *m)
{
	uint32_t info = v->vm_entry_intr_info_field;
	unsigned vector = (unsigned)field(info, 7, 0);
	unsigned type = (unsigned)field(info, 10, 8);
	int has_code = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
	int unrestricted = bit(secondary(v), 7);
	int mode_ok = !unrestricted || bit(v->guest_cr0, 0);

	if (!bit(info, 31))
		return 0;
	if (type == 1 || (type == 7 && !bit(m->proc, 32 + 27)))
		return 1;
	if ((type == 2 && vector != 2) || (type == 3 && vector > 31) || (type == 7 && vector != 0))
		return 1;
	if (bit(m->basic, 56)) {
		if (bit(info, 11) && !(mode_ok && type == 3))
			return 1;
	} else if (bit(info, 11) != (mode_ok && type == 3 && has_code)) {
		return 1;
	}
	if (field(info, 30, 12))
		return 1;
	if (bit(info, 11) && field(v->vm_entry_exception_error_code, 31, 16))
		return 1;
	if (type >= 4 && type <= 6) {
		if (v->vm_entry_instruction_len > 15)
			return 1;
		if (v->vm_entry_instruction_len == 0 && !bit(m->misc, 30))
			return 1;
	}
	return 0;
}

static int bad_entry_controls(const struct vmx_entry *e, const struct machine *m)
{
	const struct vmcs *v = e->v;
	uint32_t entry = v->vm_entry_controls;

	if (bad_settings(m->entry, entry) || bad_injection(v, m))
		return 1;
	if (bad_list(m, v->vm_entry_msr_load_addr, v->vm_entry_msr_load_count))
		return 1;
	if (!e->smm && (bit(entry, 10) || bit(entry, 11)))
		return 1;
	return bit(entry, 10) && bit(entry, 11);
}

static int bad_cr(uint64_t cr, uint64_t fixed0, uint64_t fixed1)
{
	for (int i = 0; i < 64; i++)
		if ((bit(fixed0, i) && !bit(cr, i)) || (!bit(fixed1, i) && bit(cr, i)))
			return 1;
	return 0;
}

static int bad_host_state(const struct vmx_entry *e, const struct machine *m)
{
	const struct vmcs *v = e->v;
	uint32_t exit = v->vm_exit_controls;
	int host64 = bit(exit, 9);
	int guest64 = bit(v->vm_entry_controls, 9);
	uint16_t selectors[] = { v->host_cs_selector, v->host_ss_selector, v->host_ds_selector, v->host_es_selector,
				 v->host_fs_selector, v->host_gs_selector, v->host_tr_selector };
	uint64_t addresses[] = { v->host_ia32_sysenter_esp, v->host_ia32_sysenter_eip, v->host_fs_base, v->host_gs_base,
				 v->host_gdtr_base,	    v->host_idtr_base,	       v->host_tr_base };

	if (bad_cr(v->host_cr0, m->cr0_0, m->cr0_1) || bad_cr(v->host_cr4, m->cr4_0, m->cr4_1))
		return 1;
	if (field(v->host_cr3, 63, m->width))
		return 1;
	for (unsigned i = 0; i < 7; i++)
		if (noncanonical(addresses[i]) || field(selectors[i], 2, 0))
			return 1;
	if (bit(exit, 12) && (v->host_ia32_perf_global_ctrl & ~m->cpu->perf_global_ctrl_allowed))
		return 1;
	if (bit(exit, 19) && bad_pat(v->host_ia32_pat))
		return 1;
	if (bit(exit, 21)) {
		if (v->host_ia32_efer & ~m->cpu->efer_allowed)
			return 1;
		if (bit(v->host_ia32_efer, 8) != host64 || bit(v->host_ia32_efer, 10) != host64)
			return 1;
	}
	if (v->host_cs_selector == 0 || v->host_tr_selector == 0 || (!host64 && v->host_ss_selector == 0))
		return 1;
	if (!e->long_mode && (guest64 || host64))
		return 1;
	if (e->long_mode && !host64)
		return 1;
	if (!host64)
		return guest64 || bit(v->host_cr4, 17) || field(v->host_rip, 63, 32);
	return !bit(v->host_cr4, 5) || noncanonical(v->host_rip);
}

static int bad_guest_registers(const struct vmcs *v, const struct machine *m)
{
	uint32_t entry = v->vm_entry_controls;
	int guest64 = bit(entry, 9);
	uint64_t fixed0 = m->cr0_0;

	if (bit(secondary(v), 7))
		fixed0 &= ~0x80000001ull;
	if (bad_cr(v->guest_cr0, fixed0, m->cr0_1) || bad_cr(v->guest_cr4, m->cr4_0, m->cr4_1))
		return 1;
	if (bit(v->guest_cr0, 31) && !bit(v->guest_cr0, 0))
		return 1;
	if (bit(entry, 2) && ((v->guest_ia32_debugctl & ~m->cpu->debugctl_allowed) || field(v->guest_dr7, 63, 32)))
		return 1;
	if (guest64 && !(bit(v->guest_cr0, 31) && bit(v->guest_cr4, 5)))
		return 1;
	if (!guest64 && bit(v->guest_cr4, 17))
		return 1;
	if (field(v->guest_cr3, 63, m->width))
		return 1;
	if (noncanonical(v->guest_sysenter_esp) || noncanonical(v->guest_sysenter_eip))
		return 1;
	if (bit(entry, 13) && (v->guest_ia32_perf_global_ctrl & ~m->cpu->perf_global_ctrl_allowed))
		return 1;
	if (bit(entry, 14) && bad_pat(v->guest_ia32_pat))
		return 1;
	if (bit(entry, 15)) {
		uint64_t efer = v->guest_ia32_efer;

		if (efer & ~m->cpu->efer_allowed)
			return 1;
		if (bit(efer, 10) != guest64 || (bit(v->guest_cr0, 31) && bit(efer, 10) != bit(efer, 8)))
			return 1;
	}
	if (bit(entry, 16) &&
	    (field(v->guest_ia32_bndcfgs, 11, 2) || noncanonical(field(v->guest_ia32_bndcfgs, 63, 12) << 12)))
		return 1;
	return 0;
}

struct segment {
	char name; /* c s d e f g, t TR, l LDTR */
	uint16_t selector;
	uint64_t base;
	uint32_t limit, ar;
};

static int bad_granularity(const struct segment *s)
{
	int g = bit(s->ar, 15);

	if (field(s->limit, 11, 0) != 0xfff && g)
		return 1;
	return field(s->limit, 31, 20) != 0 && !g;
}

static int bad_segment(const struct vmcs *v, const struct segment *s)
{
	uint32_t ar = s->ar;
	int usable = !bit(ar, 16);
	int unrestricted = bit(secondary(v), 7);
	int v86 = bit(v->guest_rflags, 17);
	int guest64 = bit(v->vm_entry_controls, 9);
	unsigned type = (unsigned)field(ar, 3, 0);
	unsigned dpl = (unsigned)field(ar, 6, 5);
	unsigned ss_dpl = (unsigned)field(v->guest_ss_ar_bytes, 6, 5);
	unsigned cs_type = (unsigned)field(v->guest_cs_ar_bytes, 3, 0);
	int system = s->name == 't' || s->name == 'l';

	/* selectors */
	if (s->name == 't' && bit(s->selector, 2))
		return 1;
	if (s->name == 'l' && usable && bit(s->selector, 2))
		return 1;
	if (s->name == 's' && !v86 && !unrestricted && field(s->selector, 1, 0) != field(v->guest_cs_selector, 1, 0))
		return 1;

	/* base addresses */
	if (v86 && !system && s->base != (uint64_t)s->selector * 16)
		return 1;
	switch (s->name) {
	case 't':
	case 'f':
	case 'g':
		if (noncanonical(s->base))
			return 1;
		break;
	case 'l':
		if (usable && noncanonical(s->base))
			return 1;
		break;
	case 'c':
		if (field(s->base, 63, 32))
			return 1;
		break;
	default:
		if (usable && field(s->base, 63, 32))
			return 1;
	}

	/* limits and access rights in virtual-8086 mode */
	if (v86 && !system)
		return s->limit != 0xffff || ar != 0xf3;

	/* access rights */
	if (s->name == 't') {
		if (type != 11 && (guest64 || type != 3))
			return 1;
		return bit(ar, 4) || !bit(ar, 7) || field(ar, 11, 8) || bad_granularity(s) || !usable ||
		       field(ar, 31, 17);
	}
	if (s->name == 'l')
		return usable && (type != 2 || bit(ar, 4) || !bit(ar, 7) || field(ar, 11, 8) || bad_granularity(s) ||
				  field(ar, 31, 17));
	switch (s->name) {
	case 'c':
		switch (type) {
		case 3:
			if (!unrestricted || dpl != 0)
				return 1;
			break;
		case 9:
		case 11:
			if (dpl != ss_dpl)
				return 1;
			break;
		case 13:
		case 15:
			if (dpl > ss_dpl)
				return 1;
			break;
		default:
			return 1;
		}
		if (guest64 && bit(ar, 13) && bit(ar, 14))
			return 1;
		break;
	case 's':
		if (usable && type != 3 && type != 7)
			return 1;
		if (!unrestricted && dpl != field(s->selector, 1, 0))
			return 1;
		if ((cs_type == 3 || !bit(v->guest_cr0, 0)) && dpl != 0)
			return 1;
		break;
	default:
		if (usable && !bit(type, 0))
			return 1;
		if (usable && bit(type, 3) && !bit(type, 1))
			return 1;
		if (!unrestricted && usable && type <= 11 && dpl < field(s->selector, 1, 0))
			return 1;
	}
	if (s->name != 'c' && !usable)
		return 0;
	return !bit(ar, 4) || !bit(ar, 7) || field(ar, 11, 8) || bad_granularity(s) || field(ar, 31, 17);
}

static int bad_segments(const struct vmcs *v)
{
	const struct segment all[] = {
#define SEGMENT(letter, reg) \
	{ letter, v->guest_##reg##_selector, v->guest_##reg##_base, v->guest_##reg##_limit, v->guest_##reg##_ar_bytes }
		SEGMENT('c', cs), SEGMENT('s', ss), SEGMENT('d', ds), SEGMENT('e', es),
		SEGMENT('f', fs), SEGMENT('g', gs), SEGMENT('t', tr), SEGMENT('l', ldtr),
#undef SEGMENT
	};

	for (unsigned i = 0; i < 8; i++)
		if (bad_segment(v, &all[i]))
			return 1;
	return 0;
}

static int bad_tables_rip_rflags(const struct vmcs *v)
{
	int guest64 = bit(v->vm_entry_controls, 9);
	uint64_t rflags = v->guest_rflags;

	if (noncanonical(v->guest_gdtr_base) || noncanonical(v->guest_idtr_base))
		return 1;
	if (field(v->guest_gdtr_limit, 31, 16) || field(v->guest_idtr_limit, 31, 16))
		return 1;
	if (!guest64 || !bit(v->guest_cs_ar_bytes, 13)) {
		if (field(v->guest_rip, 63, 32))
			return 1;
	} else if (field(v->guest_rip, 63, 48) != 0 && field(v->guest_rip, 63, 48) != 0xffff) {
		return 1;
	}
	if (field(rflags, 63, 22) || bit(rflags, 15) || bit(rflags, 5) || bit(rflags, 3) || !bit(rflags, 1))
		return 1;
	if ((guest64 || !bit(v->guest_cr0, 0)) && bit(rflags, 17))
		return 1;
	if (bit(v->vm_entry_intr_info_field, 31) && field(v->vm_entry_intr_info_field, 10, 8) == 0 && !bit(rflags, 9))
		return 1;
	return 0;
}

static int bad_activity(const struct vmcs *v, const struct machine *m)
{
	uint32_t state = v->guest_activity_state;
	uint32_t info = v->vm_entry_intr_info_field;
	unsigned vector = (unsigned)field(info, 7, 0);
	unsigned type = (unsigned)field(info, 10, 8);

	if (state > 3 || (state > 0 && !bit(m->misc, 5 + (int)state)))
		return 1;
	if (state == 1 && field(v->guest_ss_ar_bytes, 6, 5))
		return 1;
	if (field(v->guest_interruptibility_info, 1, 0) && state != 0)
		return 1;
	if (bit(info, 31) && state != 0) {
		int nmi = type == 2;
		int machine_check = type == 3 && vector == 18;
		int ok = 0;

		if (state == 1)
			ok = type == 0 || nmi || machine_check || (type == 3 && vector == 1) ||
			     (type == 7 && vector == 0);
		if (state == 2)
			ok = nmi || machine_check;
		if (!ok)
			return 1;
	}
	return bit(v->vm_entry_controls, 10) && state == 3;
}

static int bad_interruptibility(const struct vmx_entry *e)
{
	const struct vmcs *v = e->v;
	uint32_t state = v->guest_interruptibility_info;
	int sti = bit(state, 0);
	int mov_ss = bit(state, 1);
	int smi = bit(state, 2);
	uint32_t info = v->vm_entry_intr_info_field;
	int interrupt = bit(info, 31) && field(info, 10, 8) == 0;
	int nmi = bit(info, 31) && field(info, 10, 8) == 2;

	if (field(state, 31, 5))
		return 1;
	if (sti && mov_ss)
		return 1;
	if (sti && !bit(v->guest_rflags, 9))
		return 1;
	if (interrupt && (sti || mov_ss))
		return 1;
	if (nmi && mov_ss)
		return 1;
	if (smi && !e->smm)
		return 1;
	if (bit(v->vm_entry_controls, 10) && !smi)
		return 1;
	if (bit(v->pin_based_vm_exec_control, 5) && nmi && bit(state, 3))
		return 1;
	return bit(state, 4) && (mov_ss || !e->caps->cpu.sgx);
}

static int bad_pending_debug(const struct vmcs *v, const struct machine *m)
{
	uint64_t pending = v->guest_pending_dbg_exceptions;
	int stepping = bit(v->guest_rflags, 8) && !bit(v->guest_ia32_debugctl, 1);

	if (field(pending, 11, 4) || bit(pending, 13) || bit(pending, 15) || field(pending, 63, 17))
		return 1;
	if (field(v->guest_interruptibility_info, 1, 0) || v->guest_activity_state == 1)
		if (bit(pending, 14) != stepping)
			return 1;
	if (bit(pending, 16)) {
		if (field(pending, 11, 0) || field(pending, 15, 13) || field(pending, 63, 17) || !bit(pending, 12))
			return 1;
		if (!m->cpu->rtm || bit(v->guest_interruptibility_info, 1))
			return 1;
	}
	return 0;
}

static int bad_link(const struct vmx_entry *e, const struct machine *m)
{
	uint64_t link = e->v->vmcs_link_pointer;
	int to_smm = bit(e->v->vm_entry_controls, 10);
	uint32_t word;

	if (link == ~0ull)
		return 0;
	if (bad_page(m, link))
		return 1;
	word = (uint32_t)e->read(e->arg, link, 4);
	if (field(word, 30, 0) != field(m->basic, 30, 0))
		return 1;
	if (bit(word, 31) != bit(secondary(e->v), 14))
		return 1;
	if (!e->smm || to_smm)
		return link == e->current_vmcs;
	return link == e->v->executive_vmcs_pointer;
}

static int bad_pdptes(const struct vmx_entry *e, const struct machine *m)
{
	const struct vmcs *v = e->v;
	const uint64_t saved[] = { v->guest_pdptr0, v->guest_pdptr1, v->guest_pdptr2, v->guest_pdptr3 };

	if (!bit(v->guest_cr0, 31) || !bit(v->guest_cr4, 5) || bit(v->vm_entry_controls, 9))
		return 0;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t pdpte = saved[i];

		if (!bit(secondary(v), 1))
			pdpte = e->read(e->arg, (field(v->guest_cr3, 31, 5) << 5) + i * 8, 8);
		if (bit(pdpte, 0) && (field(pdpte, 2, 1) || field(pdpte, 8, 5) || field(pdpte, 63, m->width)))
			return 1;
	}
	return 0;
}

struct verdict oracle(const struct vmx_entry *e)
{
	const struct vmcs *v = e->v;
	struct machine m = machine_of(e);
	uint32_t info = v->vm_entry_intr_info_field;

	if (bad_execution_controls(e, &m) || bad_exit_controls(v, &m) || bad_entry_controls(e, &m))
		return (struct verdict){ 7, 0 };
	if (bad_host_state(e, &m))
		return (struct verdict){ 8, 0 };
	if (bad_guest_registers(v, &m) || bad_segments(v) || bad_tables_rip_rflags(v) || bad_activity(v, &m) ||
	    bad_interruptibility(e) || bad_pending_debug(v, &m))
		return (struct verdict){ 33, 0 };
	/* some processors want no blocking by STI when an NMI is injected */
	if (m.cpu->sti_blocks_nmi && bit(info, 31) && field(info, 10, 8) == 2 && bit(v->guest_interruptibility_info, 0))
		return (struct verdict){ 33, 3 };
	if (bad_link(e, &m))
		return (struct verdict){ 33, 4 };
	if (bad_pdptes(e, &m))
		return (struct verdict){ 33, 2 };
	return (struct verdict){ 0, 0 };
}
