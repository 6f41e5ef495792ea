/* SPDX-License-Identifier: GPL-2.0-or-later */
/* L2 in a VMCB of the host's: AMD's manual vol. 2, "Secure Virtual Machine", and its appendix "VMCB Layout". */
#include "vt.h"

#include <cpuid.h>
#include <string.h>

#include "../cpu/mmu.h"
#include "../vmx/vmx.h"

struct vmcb_segment {
	u16 selector, attrib;
	u32 limit;
	u64 base;
};

struct vmcb {
	u16 cr_read, cr_write, dr_read, dr_write; /* 000h: intercepts */
	u32 exceptions, insns1, insns2, insns3;
	u8 reserved1[0x40 - 0x18];
	u64 iopm, msrpm, tsc_offset; /* 040h */
	u32 asid;
	u8 tlb_control, reserved2[3];
	u32 int_ctl, int_vector; /* 060h */
	u64 int_shadow, exit_code, exit_info1, exit_info2, exit_int_info, np_enable; /* 068h */
	u8 reserved3[0xa8 - 0x98];
	u64 event, n_cr3, lbr, clean, next_rip; /* 0a8h */
	u8 reserved4[0x400 - 0xd0];
	struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr; /* 400h: the state save area */
	u8 reserved5[0x4cb - 0x4a0];
	u8 cpl;
	u32 reserved6;
	u64 efer; /* 4d0h */
	u8 reserved7[0x548 - 0x4d8];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip; /* 548h */
	u8 reserved8[0x5d8 - 0x580];
	u64 rsp, ssp[3], rax, star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip,
		cr2; /* 5d8h */
	u8 reserved9[0x668 - 0x648];
	u64 pat, debugctl; /* 668h */
};
#define AT(field, offset) _Static_assert(offsetof(struct vmcb, field) == (offset), "where the manual has it")
AT(iopm, 0x40);
AT(int_ctl, 0x60);
AT(np_enable, 0x90);
AT(n_cr3, 0xb0);
AT(es, 0x400);
AT(cpl, 0x4cb);
AT(efer, 0x4d0);
AT(cr4, 0x548);
AT(rsp, 0x5d8);
AT(cr2, 0x640);
AT(pat, 0x668);

/* Intercepts: bits of insns1 and insns2 */
#define ON_INTR BIT(0)
#define ON_NMI BIT(1)
#define ON_SMI BIT(2)
#define ON_INIT BIT(3)
#define ON_VINTR BIT(4)
#define ON_DTABLES (0xffull << 6) /* reads and writes of IDTR, GDTR, LDTR, TR */
#define ON_RDTSC BIT(14)
#define ON_RDPMC BIT(15)
#define ON_CPUID BIT(18)
#define ON_RSM BIT(19)
#define ON_IRET BIT(20)
#define ON_INVD BIT(22)
#define ON_PAUSE BIT(23)
#define ON_HLT BIT(24)
#define ON_INVLPG BIT(25)
#define ON_INVLPGA BIT(26)
#define ON_IO BIT(27)
#define ON_MSR BIT(28)
#define ON_TASK_SWITCH BIT(29)
#define ON_FERR BIT(30)
#define ON_SHUTDOWN BIT(31)
#define ALWAYS1 \
	(ON_INTR | ON_NMI | ON_SMI | ON_INIT | ON_RDTSC | ON_RDPMC | ON_CPUID | ON_RSM | ON_INVD | ON_HLT | \
	 ON_INVLPGA | ON_IO | ON_MSR | ON_TASK_SWITCH | ON_FERR | ON_SHUTDOWN)
/* VMRUN, VMMCALL, VMLOAD, VMSAVE, STGI, CLGI, SKINIT, RDTSCP, ICEBP, WBINVD, MONITOR, MWAIT (both), XSETBV */
#define ALWAYS2 0x3fffu

#define INT_VIRQ BIT(8)
#define INT_PRIORITY (0xfull << 16)
#define INT_IGNORE_TPR BIT(20)
#define INT_MASKING BIT(24)

#define TLB_FLUSH 1
#define ASID 1

#define EXIT_INTR 0x60
#define EXIT_NMI 0x61
#define EXIT_VINTR 0x64
#define EXIT_NPF 0x400
#define EXIT_INVALID UINT64_MAX

#define NPF_FINAL BIT(32)

static struct vmcb *vmcb(const struct vt_cpu *c)
{
	return (struct vmcb *)vt_page(c, VT_PAGE_REGION);
}

/* CPUID Fn8000_000A */
#define LEAF_SVM 0x8000000au
#define SVM_NP BIT(0)

static const char *begin(struct vt_cpu *c, struct vt_vmx *x)
{
	struct vmcb *b = vmcb(c);
	u32 eax, ebx, ecx, edx;

	(void)x;
	if (!__get_cpuid(LEAF_SVM, &eax, &ebx, &ecx, &edx) || !(edx & SVM_NP))
		return "the host's SVM has no nested paging";
	memset(b, 0, sizeof(*b));
	b->dr_read = b->dr_write = UINT16_MAX;
	b->insns2 = ALWAYS2;
	b->msrpm = vt_page_gpa(c, VT_PAGE_BITMAPS);
	b->iopm = vt_page_gpa(c, VT_PAGE_BITMAPS + 2);
	b->asid = ASID;
	b->np_enable = 1;
	return NULL;
}

/* AMD's manual vol. 3, "Fn0000_0007_x0", "Fn0000_0001": what a bit of CR4 needs */
static u64 cr4_allowed(const struct vt_cpu *c)
{
	u64 allowed = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE |
		      CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_VMXE; /* the last isn't given to it */
	u32 eax, ebx, ecx, edx;

	(void)c;
	__cpuid(1, eax, ebx, ecx, edx);
	allowed |= (ecx & BIT(17) ? CR4_PCIDE : 0) | (ecx & BIT(26) ? CR4_OSXSAVE : 0);
	if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
		allowed |= (ebx & BIT(0) ? CR4_FSGSBASE : 0) | (ebx & BIT(7) ? CR4_SMEP : 0) |
			   (ebx & BIT(20) ? CR4_SMAP : 0) | (ecx & BIT(2) ? CR4_UMIP : 0) | (ecx & BIT(3) ? CR4_PKE : 0);
	return allowed;
}

/* Attributes are a VMCS's access rights without the gap: AMD's manual vol. 2, "Segment State in the VMCB" */
static struct vmcb_segment segment(const struct segment *s)
{
	u16 attrib = (u16)((s->ar & 0xff) | (s->ar >> 4 & 0xf00));

	return (struct vmcb_segment){
		.selector = s->sel, .attrib = s->ar & AR_UNUSABLE ? 0 : attrib, .limit = s->limit, .base = s->base
	};
}

static struct segment segment_back(const struct vmcb_segment *s)
{
	u32 ar = (s->attrib & 0xffu) | (s->attrib & 0xf00u) << 4;

	return (struct segment){
		.sel = s->selector, .ar = ar & AR_P ? ar : ar | AR_UNUSABLE, .limit = s->limit, .base = s->base
	};
}

static void intercepts(struct vmcb *b, const struct vcpu *v, const struct vt_wishes *w)
{
	const struct vmcs *m = &v->vmx->v02;
	u64 cr0 = m->cr0_guest_host_mask & (m->cr0_read_shadow ^ v->cr0);
	u64 cr4 = (m->cr4_guest_host_mask & (m->cr4_read_shadow ^ v->cr4)) | (v->cr4 & CR4_VMXE);

	b->cr_read = (u16)(BIT(8) | (cr0 ? BIT(0) : 0) | (has_cr3_store_exiting(m) ? BIT(3) : 0) | (cr4 ? BIT(4) : 0));
	b->cr_write = (u16)(BIT(0) | BIT(4) | BIT(8) | (has_cr3_load_exiting(m) ? BIT(3) : 0));
	b->exceptions = m->exception_bitmap | BIT(VEC_UD) | BIT(VEC_DB) | BIT(VEC_MC);
	/* a page fault that L1 may want, by its error code: the translator looks */
	if (m->page_fault_error_code_mask || m->page_fault_error_code_match)
		b->exceptions |= BIT(VEC_PF);
	b->insns1 = (u32)(ALWAYS1 | (has_descriptor_table_exiting(m) ? ON_DTABLES : 0) |
			  (has_pause_exiting(m) || has_pause_loop_exiting(m) ? ON_PAUSE : 0) |
			  (has_invlpg_exiting(m) ? ON_INVLPG : 0) | (w->interrupt_window ? ON_VINTR : 0) |
			  (v->nmi_blocked ? ON_IRET : 0)); /* IRET ends it */
}

static void wish(struct vmcb *b, const struct vt_wishes *w)
{
	b->n_cr3 = w->root;
	b->int_ctl = (u32)(INT_MASKING | (w->interrupt_window ? INT_VIRQ | INT_PRIORITY | INT_IGNORE_TPR : 0));
	b->tlb_control = TLB_FLUSH;
	b->clean = 0;
}

static void give(struct vt_cpu *c, struct vt_vmx *x, const struct vcpu *v, const struct vt_wishes *w)
{
	struct vmcb *b = vmcb(c);

	(void)x;
	memcpy(c->exchange->gpr, v->gpr, sizeof(v->gpr));
	intercepts(b, v, w);
	wish(b, w);
	b->es = segment(&v->seg[ES]);
	b->cs = segment(&v->seg[CS]);
	b->ss = segment(&v->seg[SS]);
	b->ds = segment(&v->seg[DS]);
	b->fs = segment(&v->seg[FS]);
	b->gs = segment(&v->seg[GS]);
	b->ldtr = segment(&v->seg[LDTR]);
	b->tr = segment(&v->seg[TR]);
	b->gdtr = (struct vmcb_segment){ .base = v->gdtr.base, .limit = v->gdtr.limit };
	b->idtr = (struct vmcb_segment){ .base = v->idtr.base, .limit = v->idtr.limit };
	b->cpl = v->cpl;
	b->efer = v->efer | EFER_SVME;
	b->cr0 = v->cr0;
	b->cr2 = v->cr2;
	b->cr3 = v->cr3;
	b->cr4 = v->cr4 & ~CR4_VMXE;
	b->dr6 = v->dr[6];
	b->dr7 = v->dr[7];
	b->rflags = v->rflags;
	b->rip = v->rip;
	b->rsp = v->gpr[RSP];
	b->rax = v->gpr[RAX];
	b->star = v->star;
	b->lstar = v->lstar;
	b->cstar = v->cstar;
	b->sfmask = v->fmask;
	b->kernel_gs_base = v->kernel_gs_base;
	b->sysenter_cs = v->sysenter_cs;
	b->sysenter_esp = v->sysenter_esp;
	b->sysenter_eip = v->sysenter_eip;
	b->pat = v->pat;
	b->int_shadow = 0;
	b->event = 0;
}

static void go_on(struct vt_cpu *c, struct vt_vmx *x, const struct vt_wishes *w)
{
	(void)x;
	wish(vmcb(c), w);
}

/* The error code is a page fault's: AMD's manual vol. 2, "Nested versus Guest Page Faults, Fault Ordering" */
static void violation(const struct vmcb *b, struct vt_exit *e)
{
	u64 code = b->exit_info1;

	e->kind = VT_EXIT_VIOLATION;
	e->gpa = b->exit_info2;
	e->access = code & PFEC_W ? ACC_WRITE : code & PFEC_I ? ACC_EXEC : ACC_READ;
	e->how = code & NPF_FINAL ? NESTED_FINAL : 0;
}

static void left(struct vt_cpu *c, struct vt_vmx *x, struct vt_exit *e)
{
	const struct vmcb *b = vmcb(c);

	(void)x;
	*e = (struct vt_exit){ .kind = VT_EXIT_INSN, .reason = (u32)b->exit_code };
	switch (b->exit_code) {
	case EXIT_NPF:
		violation(b, e);
		break;
	case EXIT_INTR:
	case EXIT_NMI:
		e->kind = VT_EXIT_KICK;
		break;
	case EXIT_VINTR:
		e->kind = VT_EXIT_WINDOW;
		break;
	case EXIT_INVALID:
		e->kind = VT_EXIT_FAILED;
		e->what = "VMRUN with invalid state";
		break;
	}
}

static void take(struct vt_cpu *c, const struct vt_vmx *x, struct vcpu *v)
{
	const struct vmcb *b = vmcb(c);

	(void)x;
	memcpy(v->gpr, c->exchange->gpr, sizeof(v->gpr));
	v->gpr[RSP] = b->rsp;
	v->gpr[RAX] = b->rax;
	v->rip = b->rip;
	v->rflags = b->rflags | FLAG_1;
	v->cr2 = b->cr2;
	v->cr3 = b->cr3;
	v->seg[ES] = segment_back(&b->es);
	v->seg[CS] = segment_back(&b->cs);
	v->seg[SS] = segment_back(&b->ss);
	v->seg[DS] = segment_back(&b->ds);
	v->seg[FS] = segment_back(&b->fs);
	v->seg[GS] = segment_back(&b->gs);
	v->seg[LDTR] = segment_back(&b->ldtr);
	v->seg[TR] = segment_back(&b->tr);
	/* a VMCS's SS has its DPL even when it is unusable, and there the vCPU's privilege level stands */
	v->seg[SS].ar = (v->seg[SS].ar & ~(3u << AR_DPL_SHIFT)) | (u32)b->cpl << AR_DPL_SHIFT;
	v->gdtr = (struct dtable){ b->gdtr.base, (u16)b->gdtr.limit };
	v->idtr = (struct dtable){ b->idtr.base, (u16)b->idtr.limit };
	v->kernel_gs_base = b->kernel_gs_base;
	v->intr_shadow = b->int_shadow & 1 ? SHADOW_STI : 0;
}

const struct vt_backend vt_backend_svm = {
	.format = &VT_NPT, .begin = begin, .cr4_allowed = cr4_allowed, .give = give, .go_on = go_on, .left = left, .take = take
};
