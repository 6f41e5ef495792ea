/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the manual wants, so that there is something to break. */
#include "vmxfuzz.h"

/* where things are for L2: linear and, with EPT, physical addresses */
#define L2_PML4 0x1000u
#define L2_PDPT 0x2000u
#define L2_PD 0x3000u
#define L2_PD32 0x4000u
#define L2_PAE 0x5000u
#define L2_GDT 0x6000u
#define L2_TSS 0x6800u
#define L2_TSS32 0x6a00u
#define L2_IDT64 0x7000u
#define L2_IDT32 0x8000u
#define L2_CODE 0x10000u
#define L2_HANDLERS 0x1f000u
#define L2_STACK 0x30000u

#define PT_ALL 0xe7u /* present, writable, user, accessed, dirty, large */
#define PT_TABLE 7u
#define EPT_ALL 0x437u /* readable, writable, executable for both modes, write-back */
#define EPT_LARGE 0x80u
#define EPT_TABLE 0x407u

/* selectors */
enum {
	CODE64 = 0x10,
	DATA = 0x18,
	CODE32 = 0x20,
	CODE64_USER = 0x2b,
	DATA_USER = 0x33,
	TSS = 0x40,
	TSS32 = 0x50,
	TASK_GATE = 0x58
};

#define PAT_RESET 0x0007040600070406ull
#define EFER_LONG 0xd01u
#define EFER_OTHER 0x801u

static u64 *l2(u32 at)
{
	return (u64 *)(L2_MEMORY + at);
}

static void identity(u64 *pml4, u64 *pdpt, u64 *pd, u32 *pd32, u64 *pae, u64 base, u64 offset)
{
	pml4[0] = ((u64)pdpt - offset) | PT_TABLE;
	pdpt[0] = ((u64)pd - offset) | PT_TABLE;
	pae[0] = ((u64)pd - offset) | 1;
	for (u32 i = 0; i < 4; i++)
		pd[i] = (base + i * 0x200000) | PT_ALL;
	for (u32 i = 0; i < 2; i++)
		pd32[i] = (u32)(base + i * 0x400000) | PT_ALL;
}

static void make_ept(void)
{
	static const u64 ELSEWHERE[] = {
		LAPIC, IOAPIC, 0xd0000000, RAM_END, 1ull << 40, (u64)arena->apic_access, (u64)arena->virtual_apic
	};
	u64(*ept)[512] = arena->ept;
	bool large = chance(1, 2);

	for (u32 i = 0; i < EPT_PAGES; i++)
		for (u32 k = 0; k < 512; k++)
			ept[i][k] = 0;
	ept[0][0] = (u64)ept[1] | EPT_TABLE;
	ept[1][0] = (u64)ept[2] | EPT_TABLE;
	for (u32 i = 0; i < 4; i++) {
		for (u32 k = 0; k < 512; k++)
			ept[3 + i][k] = (L2_MEMORY + i * 0x200000 + k * PAGE) | EPT_ALL;
		ept[2][i] = large && i < 3 ? (L2_MEMORY + i * 0x200000) | EPT_ALL | EPT_LARGE
					   : (u64)ept[3 + i] | EPT_TABLE;
	}
	for (u32 i = 0; i < sizeof(ELSEWHERE) / sizeof(ELSEWHERE[0]); i++)
		ept[6][500 + i] = ELSEWHERE[i] | 3; /* code there would be the end of the run */
}

static void make_descriptors(void)
{
	static const u64 GDT[] = { 0,
				   0,
				   0x00af9b000000ffff,
				   0x00cf93000000ffff,
				   0x00cf9b000000ffff,
				   0x00affb000000ffff,
				   0x00cff3000000ffff,
				   0,
				   0x0000890068000067,
				   0,
				   0x000089006a000067,
				   0x0000850000500000 };

	for (u32 i = 0; i < sizeof(GDT) / sizeof(GDT[0]); i++)
		l2(L2_GDT)[i] = GDT[i];
	for (u32 i = 0; i < 256; i++) {
		u32 to = L2_HANDLERS + i % 16 * 16;

		l2(L2_IDT64)[2 * i] = (to & 0xffff) | CODE64 << 16 | (to & 0xffff0000ull) << 32 | 0xee0000000000;
		l2(L2_IDT64)[2 * i + 1] = 0;
		l2(L2_IDT32)[i] = i % 13 == 12
					  ? (u64)TASK_GATE << 16 | 0xe50000000000
					  : (to & 0xffff) | CODE32 << 16 | (to & 0xffff0000ull) << 32 | 0xee0000000000;
		((u32 *)L2_MEMORY)[i] = 0x1000 << 16 | 0xf000;
	}
	for (u32 i = 0; i < 0x80; i++)
		l2(L2_TSS)[i] = L2_STACK; /* every stack there is, and no I/O map */
}

static void make_lists(void)
{
	static const u32 MSRS[] = { 0xc0000102, 0xc0000081, 0xc0000082, 0xc0000084, 0xc0000103, 0x277 };

	for (u32 l = 0; l < 3; l++)
		for (u32 i = 0; i < 256; i++) {
			u32 msr = MSRS[i % 6];

			arena->msr_list[l][2 * i] = msr;
			arena->msr_list[l][2 * i + 1] = msr == 0x277 ? PAT_RESET : i;
		}
	for (u32 i = 0; i < 512; i++)
		arena->eptp_list[i] = chance(3, 4) ? some_eptp() : random64();
	for (u32 i = 0; i < PAGE; i++) {
		arena->io_bitmap[0][i] = chance(15, 16) ? 0xff : 0;
		arena->io_bitmap[1][i] = chance(15, 16) ? 0xff : 0;
		arena->msr_bitmap[i] = (u8)random64();
		arena->vmread_bitmap[i] = arena->vmwrite_bitmap[i] = chance(1, 2) ? 0 : (u8)random64();
	}
}

void build_tables(void)
{
	for (u32 i = 0; i < 0x8000 / 8; i++)
		l2(0)[i] = 0;
	identity(l2(L2_PML4), l2(L2_PDPT), l2(L2_PD), (u32 *)l2(L2_PD32), l2(L2_PAE), 0, L2_MEMORY);
	identity(arena->paging[0], arena->paging[1], arena->paging[2], (u32 *)arena->paging[3], arena->paging[4],
		 L2_MEMORY, 0);
	make_ept();
	make_descriptors();
	make_lists();
}

u64 some_eptp(void)
{
	u64 eptp = (u64)arena->ept[0] | 0x1e | (chance(1, 2) ? 0x40 : 0);

	if (chance(1, 16))
		eptp ^= 1ull << below(64);
	if (chance(1, 16))
		eptp = (eptp & 4095) | some_page(true);
	return eptp;
}

/* What a capability MSR allows, with `wish` as far as it goes. */
static u32 allowed(u32 msr, u32 wish)
{
	u64 caps = rdmsr(msr, 0);

	return (u32)((wish | caps) & (caps >> 32));
}

struct controls {
	u64 pin, proc, proc2, exit, entry;
};

/* The manual's rules about what needs what. */
static void agree(struct controls *c)
{
	if (!(c->pin & CTL_nmi_exiting))
		c->pin &= ~CTL_virtual_nmis;
	if (!(c->pin & CTL_virtual_nmis))
		c->proc &= ~CTL_nmi_window_exiting;
	if (!(c->proc & CTL_tpr_shadow))
		c->proc2 &= ~(CTL_virtualize_x2apic_mode | CTL_apic_register_virtualization |
			      CTL_virtual_interrupt_delivery);
	if (c->proc2 & CTL_virtualize_x2apic_mode)
		c->proc2 &= ~CTL_virtualize_apic_accesses;
	if (!(c->proc2 & CTL_virtual_interrupt_delivery))
		c->pin &= ~CTL_posted_interrupts;
	if (!(c->proc2 & CTL_ept))
		c->proc2 &= ~(CTL_unrestricted_guest | CTL_pml | CTL_vm_functions | CTL_mode_based_execute |
			      CTL_ept_violation_ve);
	if (!(c->pin & CTL_preemption_timer))
		c->exit &= ~CTL_save_preemption_timer;
	if (c->pin & CTL_posted_interrupts)
		c->exit |= CTL_ack_interrupt_on_exit;
}

static struct controls choose(enum l2_mode mode)
{
	const u64 seldom = CTL_monitor_trap_flag | CTL_interrupt_window_exiting | CTL_nmi_window_exiting;
	struct controls c = {
		.pin = random64() | CTL_external_interrupt_exiting | CTL_nmi_exiting | CTL_preemption_timer,
		.proc = random64() | CTL_secondary_controls,
		.proc2 = random64(),
		.exit = random64() | CTL_host_address_space_size | CTL_exit_load_efer | CTL_exit_save_efer,
		.entry = random64() | CTL_entry_load_efer,
	};

	c.entry = mode <= COMPATIBILITY ? c.entry | CTL_ia32e_mode_guest : c.entry & ~CTL_ia32e_mode_guest;
	c.entry &= ~(CTL_entry_to_smm | CTL_deactivate_dual_monitor);
	if (chance(7, 8))
		c.proc &= ~seldom;
	if (chance(3, 4))
		c.proc |= CTL_unconditional_io_exiting;
	if (chance(3, 4) || mode >= UNPAGED)
		c.proc2 |= CTL_ept;
	if (mode >= UNPAGED)
		c.proc2 |= CTL_unrestricted_guest;
	c.pin = allowed(0x48d, (u32)c.pin);
	c.proc = allowed(0x48e, (u32)c.proc);
	c.proc2 = allowed(0x48b, (u32)c.proc2);
	c.exit = allowed(0x48f, (u32)c.exit);
	c.entry = allowed(0x490, (u32)c.entry);
	if (chance(63, 64))
		agree(&c);
	return c;
}

static void write_controls(const struct controls *c)
{
	vmwrite(VMCS_pin_based_vm_exec_control, c->pin);
	vmwrite(VMCS_cpu_based_vm_exec_control, c->proc);
	vmwrite(VMCS_secondary_vm_exec_control, c->proc2);
	vmwrite(VMCS_vm_exit_controls, c->exit);
	vmwrite(VMCS_vm_entry_controls, c->entry);
	vmwrite(VMCS_vm_function_control, rdmsr(0x491, 0));
	vmwrite(VMCS_exception_bitmap, chance(1, 2) ? 0 : random64());
	vmwrite(VMCS_page_fault_error_code_mask, below(32));
	vmwrite(VMCS_page_fault_error_code_match, below(32));
	vmwrite(VMCS_cr3_target_count, below(5));
	vmwrite(VMCS_cr3_target_value0, L2_PML4);
	vmwrite(VMCS_virtual_processor_id, 1 + below(3));
	vmwrite(VMCS_ept_pointer, some_eptp());
	vmwrite(VMCS_io_bitmap_a, (u64)arena->io_bitmap[0]);
	vmwrite(VMCS_io_bitmap_b, (u64)arena->io_bitmap[1]);
	vmwrite(VMCS_msr_bitmap, (u64)arena->msr_bitmap);
	vmwrite(VMCS_vmread_bitmap, (u64)arena->vmread_bitmap);
	vmwrite(VMCS_vmwrite_bitmap, (u64)arena->vmwrite_bitmap);
	vmwrite(VMCS_pml_address, (u64)arena->pml);
	vmwrite(VMCS_guest_pml_index, below(512));
	vmwrite(VMCS_eptp_list_address, (u64)arena->eptp_list);
	vmwrite(VMCS_virtual_apic_page_addr, (u64)arena->virtual_apic);
	vmwrite(VMCS_apic_access_addr, chance(1, 2) ? (u64)arena->apic_access : L2_MEMORY + 0x40000);
	vmwrite(VMCS_posted_intr_desc_addr, (u64)arena->posted);
	vmwrite(VMCS_posted_intr_nv, 0x30 + below(0x40));
	*(u32 *)(arena->virtual_apic + 0x80) = 0xf0; /* its TPR */
	vmwrite(VMCS_tpr_threshold, chance(1, 2) ? 0 : below(16));
	for (u32 i = 0; i < 4; i++)
		vmwrite(VMCS_eoi_exit_bitmap0 + 2 * i, random64());
	vmwrite(VMCS_ple_gap, 128);
	vmwrite(VMCS_ple_window, below(4096));
	vmwrite(VMCS_tsc_offset, random64());
	vmwrite(VMCS_tsc_multiplier, random64() | 1);
	vmwrite(VMCS_xss_exit_bitmap, random64());
	vmwrite(VMCS_vm_exit_msr_store_addr, (u64)arena->msr_list[0]);
	vmwrite(VMCS_vm_exit_msr_load_addr, (u64)arena->msr_list[1]);
	vmwrite(VMCS_vm_entry_msr_load_addr, (u64)arena->msr_list[2]);
	vmwrite(VMCS_vm_exit_msr_store_count, chance(1, 4) ? below(8) : 0);
	vmwrite(VMCS_vm_exit_msr_load_count, chance(1, 4) ? below(8) : 0);
	vmwrite(VMCS_vm_entry_msr_load_count, chance(1, 4) ? below(8) : 0);
	vmwrite(VMCS_cr0_guest_host_mask, chance(1, 2) ? 0 : random64());
	vmwrite(VMCS_cr4_guest_host_mask, chance(1, 2) ? 0 : random64());
	vmwrite(VMCS_cr0_read_shadow, random64());
	vmwrite(VMCS_cr4_read_shadow, random64());
}

void write_host(void)
{
	u64 cr0, cr3, cr4;

	__asm__ volatile("mov %%cr0, %0; mov %%cr3, %1; mov %%cr4, %2" : "=r"(cr0), "=r"(cr3), "=r"(cr4));
	vmwrite(VMCS_host_cr0, cr0);
	vmwrite(VMCS_host_cr3, cr3);
	vmwrite(VMCS_host_cr4, cr4);
	vmwrite(VMCS_host_cs_selector, L1_CODE);
	vmwrite(VMCS_host_ss_selector, L1_DATA);
	vmwrite(VMCS_host_ds_selector, L1_DATA);
	vmwrite(VMCS_host_es_selector, L1_DATA);
	vmwrite(VMCS_host_fs_selector, L1_DATA);
	vmwrite(VMCS_host_gs_selector, L1_DATA);
	vmwrite(VMCS_host_tr_selector, L1_TSS);
	vmwrite(VMCS_host_fs_base, 0);
	vmwrite(VMCS_host_gs_base, 0);
	vmwrite(VMCS_host_tr_base, 0);
	vmwrite(VMCS_host_gdtr_base, (u64)gdt);
	vmwrite(VMCS_host_idtr_base, (u64)l1_idt);
	vmwrite(VMCS_host_ia32_sysenter_cs, 0);
	vmwrite(VMCS_host_ia32_sysenter_esp, 0);
	vmwrite(VMCS_host_ia32_sysenter_eip, 0);
	vmwrite(VMCS_host_ia32_pat, PAT_RESET);
	vmwrite(VMCS_host_ia32_efer, EFER_LONG);
	vmwrite(VMCS_host_rsp, (u64)exit_stack);
	vmwrite(VMCS_host_rip, (u64)exit_entry);
}

static void segment(u32 n, u16 selector, u64 base, u32 limit, u32 ar)
{
	vmwrite(VMCS_guest_es_selector + 2 * n, selector);
	vmwrite(VMCS_guest_es_base + 2 * n, base);
	vmwrite(VMCS_guest_es_limit + 2 * n, limit);
	vmwrite(VMCS_guest_es_ar_bytes + 2 * n, ar);
}

static void write_segments(enum l2_mode mode)
{
	bool real = mode == REAL || mode == V8086, user = mode == LONG_USER;
	u16 code = mode == LONG ? CODE64 : user ? CODE64_USER : CODE32, data = user ? DATA_USER : DATA;

	for (u32 i = 0; i < 6; i++)
		if (real)
			segment(i,
				i == 1	 ? 0x1000
				: i == 2 ? 0x2000
					 : 0,
				i == 1	 ? 0x10000
				: i == 2 ? 0x20000
					 : 0,
				0xffff,
				mode == V8086 ? 0xf3
				: i == 1      ? 0x9b
					      : 0x93);
		else if (i == 1)
			segment(i, code, 0, ~0u, mode == LONG ? 0xa09b : user ? 0xa0fb : 0xc09b);
		else
			segment(i, data, 0, ~0u, user ? 0xc0f3 : 0xc093);
	segment(6, 0, 0, 0xffff, 0x10000);
	segment(7, TSS, L2_TSS, 0x67, 0x8b);
	vmwrite(VMCS_guest_gdtr_base, L2_GDT);
	vmwrite(VMCS_guest_gdtr_limit, 0x5f);
	vmwrite(VMCS_guest_idtr_base, mode == REAL ? 0 : mode <= COMPATIBILITY ? L2_IDT64 : L2_IDT32);
	vmwrite(VMCS_guest_idtr_limit, mode == REAL ? 0x3ff : mode <= COMPATIBILITY ? 0xfff : 0x7ff);
}

static u64 paging_root(enum l2_mode mode, bool ept)
{
	static const u32 WITH_EPT[] = { [PROTECTED] = L2_PD32, [V8086] = L2_PD32, [PAE] = L2_PAE };
	static const u8 WITHOUT[] = { [PROTECTED] = 3, [V8086] = 3, [PAE] = 4 };

	if (mode >= UNPAGED)
		return 0;
	if (mode <= COMPATIBILITY)
		return ept ? L2_PML4 : (u64)arena->paging[0];
	return ept ? WITH_EPT[mode] : (u64)arena->paging[WITHOUT[mode]];
}

static void write_guest(enum l2_mode mode, bool ept)
{
	const u64 pdpte = (ept ? L2_PD : (u64)arena->paging[2]) | 1;
	bool real = mode == REAL || mode == V8086;

	vmwrite(VMCS_guest_cr0, mode == REAL ? 0x30 : mode == UNPAGED ? 0x31 : 0x80010033);
	vmwrite(VMCS_guest_cr3, paging_root(mode, ept));
	vmwrite(VMCS_guest_cr4, 0x42690 | (mode <= COMPATIBILITY || mode == PAE ? 0x20 : 0));
	vmwrite(VMCS_guest_pdptr0, pdpte);
	for (u32 i = 1; i < 4; i++)
		vmwrite(VMCS_guest_pdptr0 + 2 * i, 0);
	vmwrite(VMCS_guest_ia32_efer, mode <= COMPATIBILITY ? EFER_LONG : EFER_OTHER);
	vmwrite(VMCS_guest_ia32_pat, PAT_RESET);
	vmwrite(VMCS_guest_ia32_debugctl, 0);
	vmwrite(VMCS_guest_dr7, chance(1, 8) ? 0x00d00403 | random64() % 0x400 : 0x400);
	vmwrite(VMCS_guest_rflags, 2 | (chance(1, 2) ? 0x200 : 0) | (chance(1, 4) ? 0x3000 : 0) |
					   (chance(1, 32) ? 0x100 : 0) | (mode == V8086 ? 0x20000 : 0));
	vmwrite(VMCS_guest_rip, (real ? 0 : L2_CODE) + below(0x400));
	vmwrite(VMCS_guest_rsp, real ? 0xfff0 : L2_STACK);
	vmwrite(VMCS_guest_sysenter_cs, CODE64);
	vmwrite(VMCS_guest_sysenter_esp, L2_STACK);
	vmwrite(VMCS_guest_sysenter_eip, L2_CODE);
	vmwrite(VMCS_guest_interruptibility_info, 0);
	vmwrite(VMCS_guest_activity_state, 0);
	vmwrite(VMCS_guest_pending_dbg_exceptions, 0);
	vmwrite(VMCS_guest_intr_status, chance(1, 2) ? 0 : random64());
	vmwrite(VMCS_vmcs_link_pointer, ~0ull);
	vmwrite(VMCS_vm_entry_intr_info_field, 0);
	write_segments(mode);
}

/* A shadow VMCS behind the link pointer, as an L1 has it whose L2 is a hypervisor. */
static void link(void)
{
	*(u32 *)arena->shadow = ((u32)rdmsr(0x480, 0) & 0x7fffffff) | 1u << 31;
	vmwrite(VMCS_vmcs_link_pointer, (u64)arena->shadow);
}

enum l2_mode build(void)
{
	enum l2_mode mode = (enum l2_mode)below(L2_MODES);
	struct controls c = choose(mode);

	write_controls(&c);
	write_host();
	write_guest(mode, c.proc2 & CTL_ept);
	if ((c.proc2 & CTL_vmcs_shadowing) && chance(3, 4))
		link();
	for (u32 i = 0; i < 16; i++)
		l2_gpr[i] = chance(1, 2) ? below(0x80000) : some_value(8);
	build_code(mode);
	return mode;
}
