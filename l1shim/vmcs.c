/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMCS whose guest looks like its host: SDM vol. 3, "Virtual-Machine Control Structures". L2 is to L1 what a child is to its
 * parent after fork(): a copy of the image, page tables and descriptor tables at the same addresses, so that registers
 * with addresses in them have the same values, and only RIP and RSP differ.
 */
#include "shim.h"

#define BASIC_REVISION 0x7fffffffull
#define RFLAGS_FIXED 2
#define DR7_FIXED 0x400
#define NO_LINK UINT64_MAX
#define VPID 1
#define LIMIT_FLAT 0xffffffff
#define TPR_THRESHOLD 1
#define APIC_TPR 0x80
#define EXCEPTIONS_ALL 0xffffffff

/* SDM vol. 3, "Guest Register State": access rights */
#define RIGHTS_CODE 0xa09b
#define RIGHTS_DATA 0xc093
#define RIGHTS_TSS 0x8b
#define RIGHTS_UNUSABLE 0x10000

static __attribute__((aligned(PAGE))) u32 region[PAGE / 4];
static __attribute__((aligned(PAGE))) u8 apic_page[PAGE];

const char *field_name(unsigned int id)
{
	static const char *const names[VMCS_FIELD_COUNT] = {
#define F(name, ...) [VMCS_ID_##name] = #name,
		VMCS_FIELDS(F)
#undef F
	};

	return names[id];
}

/* SDM vol. 3, "Conventions": VMfail; what VM_INSTRUCTION_ERROR says may itself fail to be read. */
void vm_failed(const char *instruction, const char *field)
{
	u64 error = 0;

	__asm__ volatile("vmread %1, %0" : "+r"(error) : "r"((u64)VMCS_vm_instruction_error) : "cc");
	say("l1shim: %s failed: %s, VM-instruction error %lu\n", instruction, field, error);
	end(FAILED);
}

static void load_region(void)
{
	u64 address = (u64)region;
	bool failed;

	region[0] = (u32)(shim.ability[VMX_WORD_BASIC] & BASIC_REVISION);
	__asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(address) : "memory");
	if (failed)
		vm_failed("VMCLEAR", "region");
	__asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(address) : "memory");
	if (failed)
		vm_failed("VMPTRLD", "region");
}

static void write_controls(const struct payload *p, u64 memory)
{
	caps_reset();
	for (unsigned int i = 0; i < 2; i++)
		if (p->controls[i] != VMX_ALWAYS)
			caps_want(p->controls[i]);
	vmwrite(pin_based_vm_exec_control, shim.control[VMX_WORD_PIN]);
	vmwrite(cpu_based_vm_exec_control, shim.control[VMX_WORD_PROC]);
	vmwrite(vm_exit_controls, shim.control[VMX_WORD_EXIT]);
	vmwrite(vm_entry_controls, shim.control[VMX_WORD_ENTRY]);
	if (caps_has(VMX_secondary_controls))
		vmwrite(secondary_vm_exec_control, shim.control[VMX_WORD_PROC2]);
	if (shim.ept)
		vmwrite(ept_pointer, memory);
	if (shim.vpid)
		vmwrite(virtual_processor_id, VPID);
	vmwrite(exception_bitmap, EXCEPTIONS_ALL); /* those that an experiment is about, and any other ends the run */
	vmwrite(page_fault_error_code_mask, 0);
	vmwrite(page_fault_error_code_match, 0);
	vmwrite(cr3_target_count, 0);
	vmwrite(cr0_guest_host_mask, 0);
	vmwrite(cr4_guest_host_mask, 0);
	vmwrite(vm_exit_msr_store_count, 0);
	vmwrite(vm_exit_msr_load_count, 0);
	vmwrite(vm_entry_msr_load_count, 0);
	vmwrite(vm_entry_intr_info_field, 0);

	if (caps_has(VMX_preemption_timer))
		vmwrite(vmx_preemption_timer_value, shim.options.timer);
	if (p->controls[0] == VMX_tpr_shadow) {
		vmwrite(virtual_apic_page_addr, (u64)apic_page);
		vmwrite(tpr_threshold, TPR_THRESHOLD);
	}
	if (p->controls[0] == VMX_virtualize_apic_accesses) {
		vmwrite(apic_access_addr, (u64)apic_page);
		memory_map(PAYLOAD_APIC, (u64)apic_page, PAGE);
	}
}

/* A register that has a guest and a host field of one value */
#define BOTH(name, value) \
	do { \
		vmwrite(guest_##name, value); \
		vmwrite(host_##name, value); \
	} while (0)

#define SEGMENT(name, selector, base, limit, rights) \
	do { \
		vmwrite(guest_##name##_selector, selector); \
		vmwrite(guest_##name##_base, base); \
		vmwrite(guest_##name##_limit, limit); \
		vmwrite(guest_##name##_ar_bytes, rights); \
	} while (0)

static void write_state(const struct payload *p, u64 memory)
{
	struct table_register gdtr, idtr;

	__asm__ volatile("sgdt %0; sidt %1" : "=m"(gdtr), "=m"(idtr));
	BOTH(cr0, read_cr0());
	BOTH(cr4, read_cr4());
	vmwrite(guest_cr3, shim.ept ? read_cr3() : memory);
	vmwrite(host_cr3, read_cr3());
	BOTH(gdtr_base, gdtr.base);
	BOTH(idtr_base, idtr.base);
	vmwrite(guest_gdtr_limit, gdtr.limit);
	vmwrite(guest_idtr_limit, idtr.limit);

	SEGMENT(cs, SEG_CODE, 0, LIMIT_FLAT, RIGHTS_CODE);
	SEGMENT(ss, SEG_DATA, 0, LIMIT_FLAT, RIGHTS_DATA);
	SEGMENT(ds, SEG_DATA, 0, LIMIT_FLAT, RIGHTS_DATA);
	SEGMENT(es, SEG_DATA, 0, LIMIT_FLAT, RIGHTS_DATA);
	SEGMENT(fs, SEG_DATA, 0, LIMIT_FLAT, RIGHTS_DATA);
	SEGMENT(gs, SEG_DATA, 0, LIMIT_FLAT, RIGHTS_DATA);
	SEGMENT(tr, SEG_TSS, tss_base(), 0x67, RIGHTS_TSS);
	SEGMENT(ldtr, 0, 0, 0, RIGHTS_UNUSABLE);
	vmwrite(host_cs_selector, SEG_CODE);
	vmwrite(host_ss_selector, SEG_DATA);
	vmwrite(host_ds_selector, SEG_DATA);
	vmwrite(host_es_selector, SEG_DATA);
	vmwrite(host_fs_selector, SEG_DATA);
	vmwrite(host_gs_selector, SEG_DATA);
	vmwrite(host_tr_selector, SEG_TSS);
	vmwrite(host_fs_base, 0);
	vmwrite(host_gs_base, 0);
	vmwrite(host_tr_base, tss_base());

	vmwrite(guest_ia32_debugctl, 0);
	vmwrite(guest_dr7, DR7_FIXED);
	vmwrite(guest_sysenter_cs, 0);
	vmwrite(guest_sysenter_esp, 0);
	vmwrite(guest_sysenter_eip, 0);
	vmwrite(host_ia32_sysenter_cs, 0);
	vmwrite(host_ia32_sysenter_esp, 0);
	vmwrite(host_ia32_sysenter_eip, 0);
	vmwrite(vmcs_link_pointer, NO_LINK);
	vmwrite(guest_activity_state, 0);
	vmwrite(guest_interruptibility_info, 0);
	vmwrite(guest_pending_dbg_exceptions, 0);

	vmwrite(guest_rflags, RFLAGS_FIXED);
	vmwrite(guest_rip, (u64)p->l2);
	vmwrite(guest_rsp, (u64)l2_stack_end - 8); /* as if called */
	vmwrite(host_rip, (u64)l2_exit);
	vmwrite(host_rsp, (u64)exit_stack_end);
}

void vmcs_set_virtual_tpr(u8 value)
{
	apic_page[APIC_TPR] = value;
}

void vmcs_create(const struct payload *p)
{
	u64 memory = memory_create();

	load_region();
	write_controls(p, memory);
	write_state(p, memory);
}
