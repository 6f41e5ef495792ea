/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU's state between struct vcpu and KVM. struct vcpu is where resets, loaders and dumps work; while the guest runs, KVM
 * has the state and the fields are stale.
 */
#include "kvm.h"

#include <string.h>
#include <sys/ioctl.h>

#include "../cpu/fpu.h"
#include "../cpu/insn.h"
#include "../cpu/model.h"
#include "../cpu/msr.h"
#include "../devices/irqchip.h"

void kvm_regs_get(struct vcpu *v, const struct kvm_regs *r)
{
	const u64 gpr[16] = {
		[RAX] = r->rax, [RCX] = r->rcx, [RDX] = r->rdx, [RBX] = r->rbx, [RSP] = r->rsp, [RBP] = r->rbp,
		[RSI] = r->rsi, [RDI] = r->rdi, [R8] = r->r8,	[R9] = r->r9,	[R10] = r->r10, [R11] = r->r11,
		[R12] = r->r12, [R13] = r->r13, [R14] = r->r14, [R15] = r->r15,
	};

	memcpy(v->gpr, gpr, sizeof(gpr));
	v->rip = r->rip;
	v->rflags = r->rflags;
}

void kvm_regs_put(const struct vcpu *v, struct kvm_regs *r)
{
	const u64 *gpr = v->gpr;

	*r = (struct kvm_regs){
		.rax = gpr[RAX],
		.rcx = gpr[RCX],
		.rdx = gpr[RDX],
		.rbx = gpr[RBX],
		.rsp = gpr[RSP],
		.rbp = gpr[RBP],
		.rsi = gpr[RSI],
		.rdi = gpr[RDI],
		.r8 = gpr[R8],
		.r9 = gpr[R9],
		.r10 = gpr[R10],
		.r11 = gpr[R11],
		.r12 = gpr[R12],
		.r13 = gpr[R13],
		.r14 = gpr[R14],
		.r15 = gpr[R15],
		.rip = v->rip,
		.rflags = v->rflags,
	};
}

struct segment kvm_segment_back(const struct kvm_segment *s)
{
	struct segment to = { .base = s->base, .limit = s->limit, .sel = s->selector };

	to.ar = s->type | (s->s ? AR_S : 0) | (u32)s->dpl << AR_DPL_SHIFT | (s->present ? AR_P : 0) |
		(s->avl ? BIT(12) : 0) | (s->l ? AR_L : 0) | (s->db ? AR_DB : 0) | (s->g ? AR_G : 0) |
		(s->unusable ? AR_UNUSABLE : 0);
	return to;
}

struct kvm_segment kvm_segment(const struct segment *s)
{
	return (struct kvm_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->sel,
		.type = s->ar & AR_TYPE,
		.present = !!(s->ar & AR_P),
		.dpl = s->ar >> AR_DPL_SHIFT & 3,
		.db = !!(s->ar & AR_DB),
		.s = !!(s->ar & AR_S),
		.l = !!(s->ar & AR_L),
		.g = !!(s->ar & AR_G),
		.avl = s->ar >> 12 & 1,
		.unusable = !!(s->ar & AR_UNUSABLE),
	};
}

static void get_sregs(struct vcpu *v, const struct kvm_sregs *s)
{
	const struct kvm_segment *seg[SREG_COUNT] = { &s->es, &s->cs, &s->ss, &s->ds, &s->fs, &s->gs, &s->ldt, &s->tr };

	for (int i = 0; i < SREG_COUNT; i++)
		v->seg[i] = kvm_segment_back(seg[i]);
	v->gdtr = (struct dtable){ s->gdt.base, s->gdt.limit };
	v->idtr = (struct dtable){ s->idt.base, s->idt.limit };
	v->cr0 = s->cr0;
	v->cr2 = s->cr2;
	v->cr3 = s->cr3;
	v->cr4 = s->cr4;
	v->efer = s->efer;
	v->cpl = v->seg[SS].ar >> AR_DPL_SHIFT & 3;
}

static void put_sregs(const struct vcpu *v, struct kvm_sregs *s)
{
	struct kvm_segment *seg[SREG_COUNT] = { &s->es, &s->cs, &s->ss, &s->ds, &s->fs, &s->gs, &s->ldt, &s->tr };

	*s = (struct kvm_sregs){
		.gdt = { .base = v->gdtr.base, .limit = v->gdtr.limit },
		.idt = { .base = v->idtr.base, .limit = v->idtr.limit },
		.cr0 = v->cr0,
		.cr2 = v->cr2,
		.cr3 = v->cr3,
		.cr4 = v->cr4,
		.cr8 = lapic_get_cr8(v->apic),
		.efer = v->efer,
		.apic_base = lapic_base(v->apic),
	};
	for (int i = 0; i < SREG_COUNT; i++)
		*seg[i] = kvm_segment(&v->seg[i]);
}

/* The registers of the local APIC that hold more than zero or more than KVM's business after a reset */
static const u16 APIC_REGS[] = { 0x20, 0x80, 0xd0, 0xe0, 0xf0, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3e0 };

static void put_lapic(const struct vcpu *v, struct kvm_lapic_state *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < sizeof(APIC_REGS) / sizeof(APIC_REGS[0]); i++) {
		u32 value = lapic_mmio_read(v->apic, APIC_REGS[i]);

		memcpy(s->regs + APIC_REGS[i], &value, sizeof(value));
	}
}

/* First and last number: ranges of MSRs that move. The TSC goes on through a reset. */
static const struct {
	u32 first, last;
} MOVING_MSRS[] = {
	{ MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL },
	{ MSR_TSC_ADJUST, MSR_TSC_ADJUST },
	{ MSR_SPEC_CTRL, MSR_SPEC_CTRL },
	{ MSR_SYSENTER_CS, MSR_SYSENTER_EIP },
	{ MSR_MISC_ENABLE, MSR_MISC_ENABLE },
	{ MSR_MTRR_PHYS_FIRST, MSR_MTRR_PHYS_LAST },
	{ MSR_MTRR_FIX64K, MSR_MTRR_FIX64K },
	{ MSR_MTRR_FIX16K_FIRST, MSR_MTRR_FIX16K_LAST },
	{ MSR_MTRR_FIX4K_FIRST, MSR_MTRR_FIX4K_LAST },
	{ MSR_PAT, MSR_PAT },
	{ MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE },
	{ MSR_XSS, MSR_XSS },
	{ MSR_STAR, MSR_FMASK },
	{ MSR_KERNEL_GS_BASE, MSR_KERNEL_GS_BASE },
	{ MSR_TSC_AUX, MSR_TSC_AUX },
};

#define MSRS_MAX 64

union msr_list {
	struct kvm_msrs list;
	u8 space[sizeof(struct kvm_msrs) + MSRS_MAX * sizeof(struct kvm_msr_entry)];
};

/* Those of the list that the model has, with the values of *v. */
static void list_msrs(struct vcpu *v, union msr_list *l)
{
	l->list.nmsrs = l->list.pad = 0;
	for (size_t i = 0; i < sizeof(MOVING_MSRS) / sizeof(MOVING_MSRS[0]); i++)
		for (u32 msr = MOVING_MSRS[i].first; msr <= MOVING_MSRS[i].last && l->list.nmsrs < MSRS_MAX; msr++) {
			struct kvm_msr_entry *e = &l->list.entries[l->list.nmsrs];
			u64 value;

			if (!msr_read(v, msr, &value))
				continue;
			*e = (struct kvm_msr_entry){ .index = msr, .data = value };
			l->list.nmsrs++;
		}
}

/* Both ioctls stop at the first MSR that KVM doesn't want and return how many went well. */
static const char *msr_failed(const union msr_list *l, int done)
{
	const char *name = done >= 0 && (u32)done < l->list.nmsrs ? msr_name(l->list.entries[done].index) : NULL;

	return name ? name : "its MSRs";
}

const char *kvm_state_put(struct kvm_vcpu *d)
{
	struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW };
	struct vcpu *v = d->thread->v;
	struct kvm_mp_state mp = {
		.mp_state = v->activity == ACTIVITY_WAIT_SIPI ? KVM_MP_STATE_INIT_RECEIVED : KVM_MP_STATE_RUNNABLE,
	};
	struct kvm_debugregs debug = { .dr6 = v->dr[6], .dr7 = v->dr[7] };
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };
	struct kvm_xsave xsave = { .region = { 0 } };
	struct kvm_lapic_state lapic;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	union msr_list msrs;
	int done;

	kvm_regs_put(v, &regs);
	put_sregs(v, &sregs);
	put_lapic(v, &lapic);
	list_msrs(v, &msrs);
	memcpy(debug.db, v->dr, sizeof(debug.db));
	memcpy(xsave.region, v->xsave, sizeof(v->xsave));
	xcrs.xcrs[0].value = v->xcr0;
	if (ioctl(d->vcpu, KVM_SET_SREGS, &sregs))
		return "its system registers";
	if (ioctl(d->vcpu, KVM_SET_REGS, &regs))
		return "its registers";
	if (ioctl(d->vcpu, KVM_SET_XSAVE, &xsave))
		return "its vector state";
	if (model_has(v->model, FEATURE_XSAVE) && ioctl(d->vcpu, KVM_SET_XCRS, &xcrs))
		return "XCR0";
	if (ioctl(d->vcpu, KVM_SET_DEBUGREGS, &debug))
		return "its debug registers";
	done = ioctl(d->vcpu, KVM_SET_MSRS, &msrs.list);
	if (done != (int)msrs.list.nmsrs)
		return msr_failed(&msrs, done);
	if (ioctl(d->vcpu, KVM_SET_LAPIC, &lapic))
		return "its local APIC";
	if (ioctl(d->vcpu, KVM_SET_VCPU_EVENTS, &events))
		return "its pending events";
	if (ioctl(d->vcpu, KVM_SET_MP_STATE, &mp))
		return "its activity";
	return NULL;
}

const char *kvm_state_get(struct kvm_vcpu *d)
{
	struct vcpu *v = d->thread->v;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;
	struct kvm_xsave xsave;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_regs regs;
	union msr_list msrs;
	int done;

	if (ioctl(d->vcpu, KVM_GET_REGS, &regs))
		return "its registers";
	if (ioctl(d->vcpu, KVM_GET_SREGS, &sregs))
		return "its system registers";
	kvm_regs_get(v, &regs);
	get_sregs(v, &sregs);
	if (ioctl(d->vcpu, KVM_GET_XSAVE, &xsave))
		return "its vector state";
	memcpy(v->xsave, xsave.region, sizeof(v->xsave));
	if (!ioctl(d->vcpu, KVM_GET_XCRS, &xcrs) && xcrs.nr_xcrs)
		v->xcr0 = xcrs.xcrs[0].value;
	if (ioctl(d->vcpu, KVM_GET_DEBUGREGS, &debug))
		return "its debug registers";
	memcpy(v->dr, debug.db, sizeof(debug.db));
	v->dr[6] = debug.dr6;
	v->dr[7] = debug.dr7;
	if (ioctl(d->vcpu, KVM_GET_VCPU_EVENTS, &events))
		return "its pending events";
	v->nmi_blocked = events.nmi.masked;
	v->intr_shadow = events.interrupt.shadow;
	list_msrs(v, &msrs);
	done = ioctl(d->vcpu, KVM_GET_MSRS, &msrs.list);
	for (int i = 0; i < done; i++)
		msr_write(v, msrs.list.entries[i].index, msrs.list.entries[i].data); /* those that only we write stay */
	vcpu_update_mode(v);
	return done == (int)msrs.list.nmsrs ? NULL : msr_failed(&msrs, done);
}

/*
 * By the offset: KVM takes a write of the TSC itself for an attempt to bring several vCPUs together if it is less than a second away
 * from what it expects, and doesn't do it.
 */
bool kvm_tsc_stood_still(struct kvm_vcpu *d, u64 ticks)
{
	u64 offset;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (u64)&offset };

	if (ioctl(d->vcpu, KVM_HAS_DEVICE_ATTR, &attr))
		return true;
	if (ioctl(d->vcpu, KVM_GET_DEVICE_ATTR, &attr))
		return false;
	offset -= ticks;
	return !ioctl(d->vcpu, KVM_SET_DEVICE_ATTR, &attr);
}
