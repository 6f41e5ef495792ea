/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder share. */
#ifndef L0_VMX_INTERNAL_H
#define L0_VMX_INTERNAL_H

#include "../bt/bt.h"
#include "../cpu/insn.h"
#include "../cpu/mmu.h"
#include "../machine/machine.h"
#include "../../vmcs-shadow/entry_checks.h"
#include "../../vmcs-shadow/vmx_caps.h"
#include "vmx.h"

/* SDM vol. 3, "VM-Entry Controls for Event Injection", "Information for VM Exits Due to Vectored Events" */
#define INTR_VALID BIT(31)
#define INTR_ERROR BIT(11)
#define INTR_NMI_UNBLOCKED BIT(12)
#define INTR_TYPE_SHIFT 8
enum intr_type {
	INTR_EXTERNAL = 0,
	INTR_NMI = 2,
	INTR_HARDWARE = 3,
	INTR_SOFTWARE = 4,
	INTR_PRIVILEGED_SOFTWARE = 5,
	INTR_SOFTWARE_EXCEPTION = 6,
	INTR_OTHER = 7
};

#define BLOCKING_BY_STI BIT(0)
#define BLOCKING_BY_MOV_SS BIT(1)
#define BLOCKING_BY_SMI BIT(2)
#define BLOCKING_BY_NMI BIT(3)

/* SDM vol. 3, "VM-Instruction Error Numbers" */
/* clang-format off */
#define VM_INSN_ERRORS(E) \
	E(VMCALL_IN_ROOT, 1)            E(VMCLEAR_BAD_ADDRESS, 2)        E(VMCLEAR_VMXON_POINTER, 3) \
	E(VMLAUNCH_NOT_CLEAR, 4)        E(VMRESUME_NOT_LAUNCHED, 5)      E(ENTRY_BAD_CONTROLS, 7) \
	E(ENTRY_BAD_HOST, 8)            E(VMPTRLD_BAD_ADDRESS, 9)        E(VMPTRLD_VMXON_POINTER, 10) \
	E(VMPTRLD_BAD_REVISION, 11)     E(UNSUPPORTED_COMPONENT, 12)     E(READ_ONLY_COMPONENT, 13) \
	E(VMXON_IN_ROOT, 15)            E(ENTRY_MOV_SS, 26)              E(BAD_INVEPT_INVVPID, 28)
/* clang-format on */
enum vm_insn_error {
#define E(name, number) VMERR_##name = (number),
	VM_INSN_ERRORS(E)
#undef E
};

#define PREEMPTION_TIMER_SHIFT 5 /* the timer counts at the TSC's rate divided by 32, as on a Skylake */

#define VMCS_REVISION 0x74757231u /* ours: "tur1"; bit 31 is clear */

/* RFLAGS as the SDM's VMsucceed, VMfailInvalid, VMfailValid */
void vmx_succeed(struct vcpu *v);
void vmx_fail_invalid(struct vcpu *v);
void vmx_fail_valid(struct vcpu *v, enum vm_insn_error error);
void vmx_fail(struct vcpu *v, enum vm_insn_error error); /* Valid if there is a current VMCS */

/* 4 KiB page of L1's memory; NULL if it isn't RAM */
static inline void *l1_page(const struct vcpu *v, u64 l1pa)
{
	return memory_range_is_ram(&v->machine->memory, l1pa & ~4095ull, PAGE_SIZE)
		       ? v->machine->memory.base + (l1pa & ~4095ull)
		       : NULL;
}

/* n bytes within a page of L1's RAM have been written: there may be code. */
static inline void l1_written(const struct vcpu *v, u64 l1pa, u64 n)
{
	if (*memory_flag(&v->machine->memory, l1pa) & PAGE_WATCHED)
		bt_phys_written(v->machine, l1pa, n);
}

/* Another current VMCS, or VMPTR_NONE */
void vmx_set_current(struct vcpu *v, u64 pa);

/* nested_mmu.c. v->vmx has its capabilities; NULL: no memory. */
struct vmx_mmu *vmx_mmu_create(struct vcpu *v);
void vmx_mmu_destroy(struct vmx_mmu *m);
/* L2's EPT pointer is another: an entry, EPTP switching */
void vmx_mmu_select(struct vcpu *v);
/* INVEPT: the EPT pointer's, or all */
void vmx_mmu_invalidate(struct vcpu *v, u64 eptp, bool all);

bool vmx_eptp_valid(const struct vcpu *v, u64 eptp);

/* MSR lists; the index of the first entry that can't be done plus one, 0 if all went well */
unsigned int vmx_msr_load(struct vcpu *v, u64 list, u32 count);
unsigned int vmx_msr_store(struct vcpu *v, u64 list, u32 count);

/* activity.c: an INIT signal that was blocked may not be any more. */
void vmx_unblock_init(struct vcpu *v);

/* entry.c, exit.c: the VMX-preemption timer */
void vmx_timer_start(struct vcpu *v);
void vmx_timer_stop(struct vcpu *v);

/* count.c: an exit (the entry's that failed, too), an entry, a check that an entry failed, L1's VMREAD or VMWRITE that is done */
void vmx_count_exit(struct vcpu *v, const struct vmx_exit_info *e);
void vmx_count_entry(struct vcpu *v);
void vmx_count_refused(struct vcpu *v, enum vmx_check check);
void vmx_count_access(struct vcpu *v, bool write, const struct vmcs_field *f, u64 value);
/* The field that the VMREAD or VMWRITE under way names, whether there is one or not. */
void vmx_trace_field(struct vcpu *v, u64 encoding);

/* One event's VM-entry or exit word from and to a struct event. */
u32 vmx_event_word(const struct vcpu *v, const struct event *e);

#endif
