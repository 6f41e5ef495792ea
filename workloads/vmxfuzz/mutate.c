/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was right becomes something else. */
#include "vmxfuzz.h"

u64 some_page(bool written)
{
	static const u64 ELSEWHERE[] = { LAPIC,
					 IOAPIC,
					 0xd0000000,
					 0xfffff000,
					 RAM_END,
					 RAM_END - PAGE,
					 0xa0000,
					 0xf0000,
					 0x100000000,
					 1ull << 45,
					 (1ull << 46) - PAGE,
					 1ull << 46,
					 1ull << 52,
					 1ull << 63,
					 ~0ull << 12,
					 0 };

	switch (below(8)) {
	case 0:
		return ELSEWHERE[below(sizeof(ELSEWHERE) / sizeof(ELSEWHERE[0]))];
	case 1:
		return random64() & ~4095ull;
	case 2:
		return ARENA + below(sizeof(struct pages)); /* not aligned */
	case 3:
		return L2_MEMORY + (below(L2_SIZE) & ~4095u);
	case 4:
		if (!written || (brutal && chance(1, 8)))
			return 0x100000 + below(64) * PAGE;
		return L2_MEMORY + below(64) * PAGE;
	default:
		return ARENA + below(sizeof(struct pages) / PAGE) * PAGE;
	}
}

u64 some_value(u32 bytes)
{
	static const u64 VALUES[] = {
		0,	     1,		 2,	     0xff,	 0x1000,     0x7fff,	       0xffff,
		0x10000,     0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32, (1ull << 47) - 1, 1ull << 47,
		~0ull << 47, ~0ull,	 1ull << 63, ~0ull >> 1
	};
	u64 value;

	switch (below(4)) {
	case 0:
		value = VALUES[below(sizeof(VALUES) / sizeof(VALUES[0]))];
		break;
	case 1:
		value = random64();
		break;
	case 2:
		value = 1ull << below(8 * bytes);
		break;
	default:
		value = some_page(true);
		break;
	}
	return value;
}

static const u16 FIELDS[] = {
#define F(name, enc, ...) enc,
	VMCS_FIELDS(F)
#undef F
};
#define FIELD_COUNT (sizeof(FIELDS) / sizeof(FIELDS[0]))

/* What leads into memory, or says how much of it. */
static const u16 POINTERS[] = { VMCS_io_bitmap_a,
				VMCS_io_bitmap_b,
				VMCS_msr_bitmap,
				VMCS_vm_exit_msr_store_addr,
				VMCS_vm_exit_msr_load_addr,
				VMCS_vm_entry_msr_load_addr,
				VMCS_pml_address,
				VMCS_virtual_apic_page_addr,
				VMCS_apic_access_addr,
				VMCS_posted_intr_desc_addr,
				VMCS_ept_pointer,
				VMCS_eptp_list_address,
				VMCS_vmread_bitmap,
				VMCS_vmwrite_bitmap,
				VMCS_vmcs_link_pointer,
				VMCS_guest_cr3,
				VMCS_guest_pdptr0,
				VMCS_guest_gdtr_base,
				VMCS_guest_idtr_base,
				VMCS_guest_pml_index,
				VMCS_guest_tr_base };

void mutate_field(void)
{
	u64 field, value;

	switch (below(4)) {
	case 0:
		field = POINTERS[below(sizeof(POINTERS) / sizeof(POINTERS[0]))];
		vmwrite(field, some_page(true));
		return;
	case 1: {
		static const u16 STATE[] = { VMCS_guest_activity_state, VMCS_guest_interruptibility_info,
					     VMCS_guest_pending_dbg_exceptions, VMCS_guest_rflags };

		field = STATE[below(4)];
		value = vmget(field);
		vmwrite(field, field == VMCS_guest_activity_state ? below(4) : value ^ 1ull << below(20));
		return;
	}
	default:
		field = FIELDS[below(FIELD_COUNT)];
		if (VMCS_TYPE(field) == VMCS_HOST && !chance(1, brutal ? 4 : 32))
			return;
		value = chance(1, 2) ? vmget(field) ^ 1ull << below(8 * VMCS_BYTES(field))
				     : some_value(VMCS_BYTES(field));
		vmwrite(field | (chance(1, 16) ? 1 : 0), value);
		return;
	}
}

static void mutate_ept(void)
{
	u64 *entry = &arena->ept[below(7)][chance(1, 2) ? below(8) : below(512)];

	switch (below(6)) {
	case 0:
		*entry = 0;
		break;
	case 1:
		*entry ^= 1ull << below(64);
		break;
	case 2: /* a table in itself, or in another */
		*entry = (u64)arena->ept[below(EPT_PAGES)] | below(8);
		break;
	case 3:
		*entry = some_page(true) | below(4096);
		if ((*entry & ((1ull << 46) - PAGE)) >= RAM_END && !brutal)
			*entry &= ~4ull; /* running code there would be the end of the run */
		break;
	case 4:
		*entry = (*entry & ~7ull) | below(8);
		break;
	default: /* memory types, the bit for large pages, accessed, dirty */
		*entry ^= below(128) << 3;
		break;
	}
}

void mutate_memory(void)
{
	u32 *word;

	switch (below(10)) {
	case 0:
	case 1:
	case 2:
		mutate_ept();
		break;
	case 3: /* a VMCS behind VMX's back: what then holds the manual doesn't say */
		if (tidy)
			break;
		word = (u32 *)arena->vmcs[below(VMCS_COUNT)];
		word[chance(1, 4) ? below(4) : below(300)] ^= 1u << below(32);
		break;
	case 4:
		*(u32 *)arena->shadow ^= 1u << below(32);
		break;
	case 5:
		arena->msr_list[below(3)][below(16)] = chance(1, 2) ? some_value(8) : 0x800 + below(0x100);
		break;
	case 6: {
		static const u32 FIRST[] = { 0,	    0x10,  0x170,      0x200,	   0x2ff, 0x38f,
					     0x480, 0x800, 0xc0000080, 0xc0000100, 0x1d9 };

		arena->msr_list[below(3)][2 * below(8)] = FIRST[below(11)] + below(16);
		break;
	}
	case 7:
		((u64 *)L2_MEMORY)[below(0x9000 / 8)] ^= 1ull << below(64);
		break;
	case 8:
		((u32 *)arena->virtual_apic)[4 * below(64)] = (u32)some_value(4);
		break;
	default:
		arena->posted[below(8)] = random64();
		arena->eptp_list[below(16)] = some_eptp();
		break;
	}
}

void inject(void)
{
	static const u32 PLAUSIBLE[] = { 0x80000030, 0x80000202, 0x80000b0d, 0x80000b0e, 0x80000b0a, 0x80000b0b,
					 0x80000306, 0x80000301, 0x80000312, 0x80000480, 0x80000501, 0x80000603,
					 0x80000604, 0x80000700, 0x80000b08, 0x80000300 };
	u32 word = PLAUSIBLE[below(sizeof(PLAUSIBLE) / sizeof(PLAUSIBLE[0]))];

	if (chance(1, 8))
		word = (u32)random64() | (chance(7, 8) ? 1u << 31 : 0);
	vmwrite(VMCS_vm_entry_intr_info_field, word);
	vmwrite(VMCS_vm_entry_exception_error_code, chance(1, 2) ? 0 : below(0x10000));
	vmwrite(VMCS_vm_entry_instruction_len, 1 + below(chance(1, 8) ? 17 : 3));
}

void watchdog(void)
{
	vmwrite(VMCS_pin_based_vm_exec_control, vmget(VMCS_pin_based_vm_exec_control) | CTL_preemption_timer |
							CTL_external_interrupt_exiting | CTL_nmi_exiting);
	vmwrite(VMCS_vmx_preemption_timer_value, chance(1, 32) ? 0 : 1 + below(chance(1, 4) ? 1000 : 60));
	if (vmget(VMCS_guest_activity_state) == 3)
		vmwrite(VMCS_guest_activity_state, 0); /* no timer ends that */
	if (!chance(1, brutal ? 300 : 4000))
		write_host();
	if (!chance(1, brutal ? 300 : 4000)) { /* a list that is wrong is the end of L1 */
		vmwrite(VMCS_vm_exit_msr_store_addr, (u64)arena->msr_list[0]);
		vmwrite(VMCS_vm_exit_msr_load_addr, (u64)arena->msr_list[1]);
		vmwrite(VMCS_vm_exit_msr_store_count, 0);
		vmwrite(VMCS_vm_exit_msr_load_count, 0);
	}
}
