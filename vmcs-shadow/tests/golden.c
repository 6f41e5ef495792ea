/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <string.h>
#include "golden.h"

static uint64_t read_memory(void *arg, uint64_t address, unsigned bytes)
{
	const struct golden *g = arg;

	if (bytes == 1 && address == GOLDEN_VAPIC + 0x80)
		return g->vtpr;
	if (bytes == 4 && address == GOLDEN_LINK)
		return g->link;
	if (bytes == 8 && address >= GOLDEN_CR3 && address < GOLDEN_CR3 + sizeof(g->pdpte))
		return g->pdpte[(address - GOLDEN_CR3) / 8];
	return bytes == 8 ? ~0ull : ~0ull >> (64 - 8 * bytes);
}

void golden_offer_all(struct golden *g)
{
	memset(g->caps.wanted, 0xff, sizeof(g->caps.wanted));
	assert(vmx_caps_set(&g->caps, "vmx-ept", true));
}

static void segments(struct vmcs *v, uint32_t code, uint32_t data)
{
	v->guest_cs_selector = 0x10;
	v->guest_ss_selector = v->guest_ds_selector = v->guest_es_selector = 0x18;
	v->guest_fs_selector = v->guest_gs_selector = 0;
	v->guest_tr_selector = 0x40;
	v->guest_ldtr_selector = 0;
	v->guest_cs_limit = v->guest_ss_limit = v->guest_ds_limit = v->guest_es_limit = 0xffffffff;
	v->guest_fs_limit = v->guest_gs_limit = 0xffffffff;
	v->guest_cs_base = v->guest_ss_base = v->guest_ds_base = v->guest_es_base = 0;
	v->guest_fs_base = v->guest_gs_base = 0;
	v->guest_cs_ar_bytes = code;
	v->guest_ss_ar_bytes = v->guest_ds_ar_bytes = v->guest_es_ar_bytes = data;
	v->guest_fs_ar_bytes = v->guest_gs_ar_bytes = data;
	v->guest_tr_base = 0x8000;
	v->guest_tr_limit = 0x67;
	v->guest_tr_ar_bytes = 0x8b;
	v->guest_ldtr_ar_bytes = 0x10000;
}

void golden_init(struct golden *g)
{
	static const struct vmx_cpu cpu = {
		.revision = GOLDEN_REVISION,
		.physical_bits = 40,
		.linear_bits = 48,
		.timer_shift = 5,
		.cr4_allowed = 0x3727ff,
		.efer_allowed = 0xd01,
		.debugctl_allowed = 0xffc3,
		.perf_global_ctrl_allowed = 0x70000000f,
	};
	struct vmcs *v = &g->v;

	memset(g, 0, sizeof(*g));
	vmx_caps_init(&g->caps, &cpu);
	g->e = (struct vmx_entry){
		.v = v,
		.caps = &g->caps,
		.current_vmcs = GOLDEN_CURRENT,
		.long_mode = true,
		.read = read_memory,
		.arg = g,
	};
	g->vtpr = 0x50;
	g->link = GOLDEN_REVISION;

	v->revision = GOLDEN_REVISION;
	v->pin_based_vm_exec_control = 0x16 | CTL_external_interrupt_exiting | CTL_nmi_exiting | CTL_virtual_nmis |
				       CTL_preemption_timer;
	v->cpu_based_vm_exec_control = 0x401e172 | CTL_hlt_exiting | CTL_tsc_offsetting | CTL_tpr_shadow |
				       CTL_io_bitmaps | CTL_msr_bitmaps | CTL_secondary_controls;
	v->secondary_vm_exec_control = CTL_ept | CTL_vpid | CTL_enable_rdtscp | CTL_pml | CTL_vm_functions;
	v->vm_exit_controls = 0x36dff | CTL_host_address_space_size | CTL_ack_interrupt_on_exit | CTL_exit_load_pat |
			      CTL_exit_load_efer | CTL_exit_save_efer | CTL_save_preemption_timer;
	v->vm_entry_controls = 0x11ff | CTL_ia32e_mode_guest | CTL_entry_load_pat | CTL_entry_load_efer;
	v->vm_function_control = CTL_eptp_switching;
	v->virtual_processor_id = 7;
	v->io_bitmap_a = 0x10000;
	v->io_bitmap_b = 0x11000;
	v->msr_bitmap = 0x12000;
	v->virtual_apic_page_addr = GOLDEN_VAPIC;
	v->tpr_threshold = 3;
	v->ept_pointer = 0x14000 | 0x40 | 3 << 3 | 6;
	v->pml_address = 0x15000;
	v->eptp_list_address = 0x16000;
	v->vmcs_link_pointer = ~0ull;

	v->host_cr0 = 0x80050033;
	v->host_cr3 = 0x1000;
	v->host_cr4 = 0x26b0 | 1 << 17;
	v->host_ia32_efer = 0xd01;
	v->host_ia32_pat = 0x0007040600070406;
	v->host_cs_selector = 0x10;
	v->host_ss_selector = 0x18;
	v->host_tr_selector = 0x40;
	v->host_fs_base = 0x7f0000000000;
	v->host_gs_base = 0xffff888000000000;
	v->host_tr_base = v->host_gdtr_base = v->host_idtr_base = 0xfffffe0000000000;
	v->host_ia32_sysenter_esp = v->host_ia32_sysenter_eip = 0xffffffff81000000;
	v->host_rip = 0xffffffff81000000;

	v->guest_cr0 = 0x80050033;
	v->guest_cr3 = GOLDEN_CR3;
	v->guest_cr4 = 0x26b0;
	v->guest_ia32_efer = 0xd01;
	v->guest_ia32_pat = 0x0007040600070406;
	v->guest_dr7 = 0x400;
	segments(v, 0xa09b, 0xc093);
	v->guest_gdtr_base = v->guest_idtr_base = 0xfffffe0000001000;
	v->guest_gdtr_limit = 0x7f;
	v->guest_idtr_limit = 0xfff;
	v->guest_rip = 0xffffffff81000000;
	v->guest_rsp = 0xffffc90000000000;
	v->guest_rflags = 0x202;
}

void golden_protected(struct golden *g)
{
	struct vmcs *v = &g->v;

	v->vm_entry_controls &= ~(uint32_t)CTL_ia32e_mode_guest;
	v->guest_ia32_efer = 0x801;
	v->guest_cr4 = 0x2690;
	segments(v, 0xc09b, 0xc093);
	v->guest_rip = 0xc0100000;
}

void golden_pae(struct golden *g)
{
	golden_protected(g);
	g->v.guest_cr4 |= 0x20;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t pdpte = 0x30001 + 0x1000 * i;

		g->pdpte[i] = pdpte;
		*(&g->v.guest_pdptr0 + i) = pdpte;
	}
}

void golden_v86(struct golden *g)
{
	struct vmcs *v = &g->v;

	golden_protected(g);
	v->guest_rflags |= 1 << 17;
	v->guest_rip = 0x1234;
#define V86(seg, sel) \
	v->guest_##seg##_selector = (sel); \
	v->guest_##seg##_base = (sel) << 4; \
	v->guest_##seg##_limit = 0xffff; \
	v->guest_##seg##_ar_bytes = 0xf3;
	V86(cs, 0x1003) V86(ss, 0x2001) V86(ds, 0xf000) V86(es, 0xffff) V86(fs, 0) V86(gs, 0x40)
#undef V86
}

void golden_unrestricted(struct golden *g)
{
	struct vmcs *v = &g->v;

	golden_protected(g);
	v->secondary_vm_exec_control |= CTL_unrestricted_guest;
	v->guest_cr0 = 0x30;
	v->guest_ia32_efer = 0;
	segments(v, 0x93, 0x93);
	v->guest_cs_selector = 0xf000;
	v->guest_cs_base = 0xffff0000;
	v->guest_cs_limit = v->guest_ss_limit = v->guest_ds_limit = v->guest_es_limit = 0xffff;
	v->guest_fs_limit = v->guest_gs_limit = 0xffff;
	v->guest_rip = 0xfff0;
	v->guest_rflags = 2;
}

void golden_apicv(struct golden *g)
{
	struct vmcs *v = &g->v;

	v->secondary_vm_exec_control |= CTL_virtualize_apic_accesses | CTL_apic_register_virtualization |
					CTL_virtual_interrupt_delivery;
	v->pin_based_vm_exec_control |= CTL_posted_interrupts;
	v->apic_access_addr = 0xfee00000;
	v->posted_intr_nv = 0xf2;
	v->posted_intr_desc_addr = 0x18040;
}

void golden_legacy_host(struct golden *g)
{
	struct vmcs *v = &g->v;

	golden_protected(g);
	g->e.long_mode = false;
	v->vm_exit_controls &= ~(uint32_t)CTL_host_address_space_size;
	v->host_ia32_efer = 0x801;
	v->host_cr4 &= ~(1ull << 17);
	v->host_rip = 0xc1000000;
}

void golden_smm(struct golden *g)
{
	g->e.smm = true;
	g->v.executive_vmcs_pointer = 0x1e000;
	g->v.vmcs_link_pointer = GOLDEN_LINK;
	g->v.guest_interruptibility_info |= 4;
}
