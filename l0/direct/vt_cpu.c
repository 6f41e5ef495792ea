/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vCPU that enters L2s: its private memory, its state, a run. */
#include "vt.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm.h"
#include "monitor.h"
#include "private.h"

#define VT_SLOT (MONITOR_SLOT_PRIVATE + MONITOR_CPUS_MAX) /* memory slots from here on */
#define VT_VCPU MONITOR_CPUS_MAX /* KVM's numbers of vCPUs, too */

#define KVM_SYNC (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS)

#define GDT_CS 0x08
#define GDT_TSS 0x10 /* two slots */
#define GDT_LIMIT 0x1f
#define TSS_LIMIT 0x67
/* in VT_PAGE_DESCRIPTORS */
#define AT_IDT 0
#define AT_GDT 512
#define AT_TSS 1024
#define VECTOR_NMI 2

#define TABLE_ENTRY 0x23ull /* present, writable, accessed */
#define LARGE_LEAF 0xe3ull /* dirty and large, too */
#define LARGE_SIZE BIT(21)

#define MSR_FEATURE_CONTROL 0x3a
#define FEATURE_CONTROL_VMX 5 /* locked, VMXON outside SMX */
#define MSR_VM_HSAVE_PA 0xc0010117

#define TRIES 64 /* NMIs that don't bring it out */

/* Linear addresses are physical ones: all of it that the code needs is in one large page. */
static u64 linear_of(const struct vt_cpu *c, const u8 *code)
{
	return vt_page_gpa(c, VT_PAGE_CODE) + ((u64)code - (u64)vt_stub_begin);
}

static void write_memory(struct vt_cpu *c)
{
	u8 *descriptors = vt_page(c, VT_PAGE_DESCRIPTORS);
	u64 base = vt_page_gpa(c, VT_PAGE_DESCRIPTORS), nmi = linear_of(c, vt_stub_nmi), tss = base + AT_TSS;
	u64 *gdt = (u64 *)(descriptors + AT_GDT), *idt = (u64 *)(descriptors + AT_IDT);
	u64 *pml4 = (u64 *)vt_page(c, VT_PAGE_PML4), *pdpt = (u64 *)vt_page(c, VT_PAGE_PDPT);
	u64 *pd = (u64 *)vt_page(c, VT_PAGE_PD);

	memcpy(vt_page(c, VT_PAGE_CODE), vt_stub_begin, (size_t)((u64)vt_stub_end - (u64)vt_stub_begin));
	gdt[GDT_CS / 8] = 0x00af9b000000ffffull;
	gdt[GDT_TSS / 8] = TSS_LIMIT | (tss & 0xffffff) << 16 | 0x8bull << 40 | (tss >> 24 & 0xff) << 56;
	gdt[GDT_TSS / 8 + 1] = tss >> 32;
	/* an interrupt gate of DPL 0: SDM vol. 3, "64-Bit Mode IDT" */
	idt[VECTOR_NMI * 2] = (nmi & 0xffff) | GDT_CS << 16 | 0x8eull << 40 | (nmi >> 16 & 0xffff) << 48;
	idt[VECTOR_NMI * 2 + 1] = nmi >> 32;
	pml4[0] = vt_page_gpa(c, VT_PAGE_PDPT) | TABLE_ENTRY;
	pdpt[c->tables.gpa >> 30] = vt_page_gpa(c, VT_PAGE_PD) | TABLE_ENTRY;
	pd[c->tables.gpa / LARGE_SIZE % 512] = (c->tables.gpa & ~(LARGE_SIZE - 1)) | LARGE_LEAF;
	memset(vt_page(c, VT_PAGE_BITMAPS), 0xff, (VT_PAGE_TABLES - VT_PAGE_BITMAPS) * (size_t)TABLE_SIZE);
	c->exchange->region = vt_page_gpa(c, VT_PAGE_REGION);
	c->exchange->vmxon = vt_page_gpa(c, VT_PAGE_OWN);
}

const char *vt_cpu_forget(struct vt_cpu *c)
{
	return private_memory_forget(&c->tables, c->vm, VT_SLOT + c->index);
}

static const char *make_memory(struct vt_cpu *c)
{
	const char *failed = private_memory_make(&c->tables, c->vm, VT_SLOT + c->index, VT_GPA + c->index * VT_SIZE,
						 VT_SIZE, VT_PAGE_TABLES);

	if (failed)
		return failed;
	c->exchange = (struct vt_exchange *)vt_page(c, VT_PAGE_EXCHANGE);
	write_memory(c);
	return NULL;
}

static const char *make_state(struct vt_cpu *c)
{
	struct kvm_sregs *s = &c->sregs;
	u64 base = vt_page_gpa(c, VT_PAGE_DESCRIPTORS);

	if (ioctl(c->vcpu, KVM_GET_SREGS, s))
		return "KVM_GET_SREGS";
	s->gdt = (struct kvm_dtable){ .base = base + AT_GDT, .limit = GDT_LIMIT };
	s->idt = (struct kvm_dtable){ .base = base + AT_IDT, .limit = (VECTOR_NMI + 1) * 16 - 1 };
	s->tr = (struct kvm_segment){
		.selector = GDT_TSS, .type = 11, .present = 1, .base = base + AT_TSS, .limit = TSS_LIMIT
	};
	s->ldt = (struct kvm_segment){ .unusable = 1 };
	s->cs = (struct kvm_segment){
		.selector = GDT_CS, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1, .limit = UINT32_MAX
	};
	s->ss = s->ds = s->es = s->fs = s->gs = (struct kvm_segment){ .unusable = 1 };
	s->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	s->cr3 = vt_page_gpa(c, VT_PAGE_PML4);
	s->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | (c->kind == VT_VMX ? CR4_VMXE : 0);
	s->efer = EFER_LME | EFER_LMA | EFER_NX | (c->kind == VT_SVM ? EFER_SVME : 0);
	if (c->kind == VT_SVM)
		return private_msr_set(c->vcpu, MSR_VM_HSAVE_PA, vt_page_gpa(c, VT_PAGE_OWN)) ? NULL : "MSR VM_HSAVE_PA";
	if (!private_msr_set(c->vcpu, MSR_FEATURE_CONTROL, FEATURE_CONTROL_VMX))
		return "MSR IA32_FEATURE_CONTROL";
	for (u32 i = 0; i < VT_CAPS; i++) /* not every CPU has all */
		private_msr_get(c->vcpu, VT_CAP_FIRST + i, &c->caps[i]);
	*(u32 *)vt_page(c, VT_PAGE_OWN) = *(u32 *)vt_page(c, VT_PAGE_REGION) = (u32)c->caps[0] & INT32_MAX;
	return NULL;
}

/*
 * A KVM on SVM wants to see #UD before whoever entered the guest does, and would write VMMCALL over a VMCALL of L2's.
 */
static bool leave_hypercalls(const struct vt_cpu *c)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DISABLE_QUIRKS2, .args = { KVM_X86_QUIRK_FIX_HYPERCALL_INSN } };

	return c->kind == VT_VMX || !ioctl(c->vm, KVM_ENABLE_CAP, &cap);
}

const char *vt_cpu_open(struct vt_cpu *c, int kvm, int vm, unsigned int index)
{
	const char *failed;
	bool umip;

	*c = (struct vt_cpu){ .vm = vm, .vcpu = -1, .index = index };
	c->kind = kvm_cpuid_has_vmx(kvm) ? VT_VMX : VT_SVM;
	if (!leave_hypercalls(c))
		return "KVM_X86_QUIRK_FIX_HYPERCALL_INSN";
	failed = private_vcpu_open(kvm, vm, VT_VCPU + index, KVM_SYNC, &c->vcpu, &c->run, &c->run_size);
	if (!failed)
		failed = make_memory(c);
	if (!failed)
		failed = kvm_cpuid_all(kvm, c->vcpu, &umip);
	return failed ? failed : make_state(c);
}

void vt_cpu_close(struct vt_cpu *c)
{
	private_vcpu_close(&c->vcpu, &c->run, c->run_size);
	private_memory_destroy(&c->tables);
}

/* Is it in our code, and not in L2, that it was interrupted? L2 has other page tables. */
static bool in_stub(const struct vt_cpu *c)
{
	return c->run->s.regs.sregs.cr3 == c->sregs.cr3 && !(c->run->s.regs.sregs.cr0 & ~c->sregs.cr0) &&
	       c->run->s.regs.regs.rip - vt_page_gpa(c, VT_PAGE_CODE) < TABLE_SIZE;
}

/* VMX: in our code, on the way into L2 */
static bool before_entry(const struct vt_cpu *c)
{
	u64 rip = c->run->s.regs.regs.rip;

	return in_stub(c) && rip >= linear_of(c, vt_stub_vmx) && rip < linear_of(c, vt_stub_vmx_left) &&
	       c->exchange->result == VTX_NOT_YET;
}

static void start(struct vt_cpu *c, const u8 *code)
{
	struct kvm_run *run = c->run;

	c->exchange->result = VTX_NOT_YET;
	run->s.regs.regs = (struct kvm_regs){ .rip = linear_of(c, code),
					      .rsp = vt_page_gpa(c, VT_PAGE_EXCHANGE),
					      .rflags = FLAG_1 };
	run->kvm_valid_regs = KVM_SYNC;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
}

/* What KVM_RUN has returned 0 for */
static enum vt_ran halted(const struct vt_cpu *c, struct vt_failure *f)
{
	*f = (struct vt_failure){ .number = c->run->exit_reason, .lost = true };
	if (c->run->exit_reason != KVM_EXIT_HLT) {
		f->what = kvm_exit_name(c->run->exit_reason);
		f->what = f->what ? f->what : "an exit unknown to turtles";
		return VT_RAN_FAILED;
	}
	if (c->exchange->result == VTX_LEFT)
		return VT_RAN_LEFT;
	f->number = c->exchange->result;
	f->lost = false;
	f->what = c->exchange->result == VTX_NOT_YET	? "VMXON, VMCLEAR or VMPTRLD"
		  : c->exchange->result == VTX_NO_ENTRY ? "VMLAUNCH or VMRESUME"
							: "VMWRITE";
	return VT_RAN_FAILED;
}

static enum vt_ran run_failed(struct vt_failure *f, const char *what, bool lost)
{
	*f = (struct vt_failure){ .what = what, .number = (u64)errno, .lost = lost };
	return VT_RAN_FAILED;
}

/* Nothing of it can be half done: signals wait. */
static enum vt_ran begin(struct vt_cpu *c, struct vt_failure *f)
{
	start(c, vt_stub_vmx_begin);
	c->run->s.regs.sregs = c->sregs;
	c->run->kvm_dirty_regs = KVM_SYNC;
	for (int i = 0; ioctl(c->vcpu, KVM_RUN, 0); i++) {
		if ((errno != EINTR && errno != EAGAIN) || i == TRIES)
			return run_failed(f, "KVM_RUN", false);
		__atomic_store_n(&c->run->immediate_exit, 0, __ATOMIC_RELAXED);
	}
	return halted(c, f);
}

enum vt_ran vt_cpu_run(struct vt_cpu *c, struct vt_failure *f)
{
	enum vt_ran ran;

	if (c->kind == VT_VMX && !c->begun) {
		ran = begin(c, f);
		if (ran != VT_RAN_LEFT)
			return ran;
		c->begun = true;
		return VT_RAN_NOT; /* a signal may have been lost */
	}
	start(c, c->kind == VT_VMX ? vt_stub_vmx : vt_stub_svm);
	if (!c->begun) {
		c->run->s.regs.sregs = c->sregs;
		c->run->kvm_dirty_regs = KVM_SYNC;
		c->begun = true;
	}
	for (int i = 0; ioctl(c->vcpu, KVM_RUN, 0); i++) {
		if ((errno != EINTR && errno != EAGAIN) || i == TRIES)
			return run_failed(f, "KVM_RUN", true);
		/* out of L2 it comes by an NMI, and then at once */
		__atomic_store_n(&c->run->immediate_exit, 0, __ATOMIC_RELAXED);
		if (c->kind == VT_VMX && before_entry(c))
			return VT_RAN_NOT;
		if ((c->kind == VT_SVM || !in_stub(c)) && ioctl(c->vcpu, KVM_NMI, 0))
			return run_failed(f, "KVM_NMI", true);
	}
	return halted(c, f);
}
