/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../cpu/vcpu.h"
#include "kvm.h"
#include "private.h"

#define KVM_SYNC (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

/* pages of private memory */
enum { PAGE_GDT, PAGE_IDT, PAGE_STUBS, PAGE_SYSCALL, PAGE_TSS, PAGE_STACK, PAGE_PDPT, PAGE_PD, PAGE_PT, PAGE_TABLES };

#define STUB_SIZE 16u
#define VECTORS 256u
#define HLT 0xf4

#define GDT_CS 0x08
#define GDT_TSS 0x10 /* two slots */
#define GDT_LIMIT 0x1f
#define TSS_LIMIT 0x67
#define TSS_RSP0 0x04
#define TSS_IST1 0x24
#define TSS_IO_MAP 0x66

#define TABLE_ENTRY 0x23ull /* present, writable, accessed; supervisor */
#define LEAF_ENTRY 0x63ull /* dirty, too */

static u64 linear_of(unsigned int page)
{
	return MONITOR_LINEAR + (u64)page * TABLE_SIZE;
}

#define STACK_TOP (linear_of(PAGE_STACK) + TABLE_SIZE)

static u8 *page_of(const struct monitor_cpu *c, unsigned int page)
{
	return c->tables.base + (size_t)page * TABLE_SIZE;
}

/* SDM vol. 3, "IDT Descriptors", "64-Bit TSS Descriptor", "Task Management in 64-bit Mode" */
static void write_tables(struct monitor_cpu *c)
{
	u64 *gdt = (u64 *)page_of(c, PAGE_GDT), *idt = (u64 *)page_of(c, PAGE_IDT), *table;
	u8 *tss = page_of(c, PAGE_TSS);
	u64 base = linear_of(PAGE_TSS), top = STACK_TOP;
	u16 io_map = TSS_LIMIT + 1; /* beyond the limit: no port is allowed */

	gdt[GDT_CS / 8] = 0x00af9b000000ffffull;
	gdt[GDT_TSS / 8] = TSS_LIMIT | (base & 0xffffff) << 16 | 0x8bull << 40 | (base >> 24 & 0xff) << 56;
	gdt[GDT_TSS / 8 + 1] = base >> 32;
	memcpy(tss + TSS_RSP0, &top, sizeof(top));
	memcpy(tss + TSS_IO_MAP, &io_map, sizeof(io_map));
	for (u64 i = 0; i < VECTORS; i++) {
		u64 stub = linear_of(PAGE_STUBS) + i * STUB_SIZE;

		page_of(c, PAGE_STUBS)[i * STUB_SIZE] = HLT;
		/* an interrupt gate of DPL 0 */
		idt[i * 2] = (stub & 0xffff) | GDT_CS << 16 | 0x8eull << 40 | (stub >> 16 & 0xffff) << 48;
		idt[i * 2 + 1] = stub >> 32;
	}
	page_of(c, PAGE_SYSCALL)[0] = HLT;
	table = (u64 *)page_of(c, PAGE_PDPT);
	table[0] = (c->tables.gpa + PAGE_PD * TABLE_SIZE) | TABLE_ENTRY;
	table = (u64 *)page_of(c, PAGE_PD);
	table[0] = (c->tables.gpa + PAGE_PT * TABLE_SIZE) | TABLE_ENTRY;
	table = (u64 *)page_of(c, PAGE_PT);
	for (u64 i = 0; i < PAGE_PDPT; i++)
		table[i] = (c->tables.gpa + i * TABLE_SIZE) | LEAF_ENTRY;
}

u64 monitor_syscall_linear(void)
{
	return linear_of(PAGE_SYSCALL);
}

const char *monitor_forget(struct monitor_cpu *c)
{
	return private_memory_forget(&c->tables, c->vm, MONITOR_SLOT_PRIVATE + c->index);
}

static const char *make_memory(struct monitor_cpu *c)
{
	struct tables *t = &c->tables;
	const char *failed = private_memory_make(t, c->vm, MONITOR_SLOT_PRIVATE + c->index,
						 MONITOR_GPA + c->index * MONITOR_SIZE, MONITOR_SIZE, PAGE_TABLES);

	if (failed)
		return failed;
	t->monitor = t->gpa + PAGE_PDPT * TABLE_SIZE;
	write_tables(c);
	return NULL;
}

#define MSR_PLATFORM_INFO 0xce
#define PLATFORM_INFO_CPUID_FAULT BIT(31)
#define MSR_MISC_FEATURES_ENABLES 0x140
#define MISC_FEATURES_CPUID_FAULT BIT(0)

/*
 * SYSCALL is off, and lands where it can be recognized if KVM leaves it on. CPUID faults, if KVM offers that (SDM vol. 2, "CPUID"). The
 * rest of the monitor's state: no interrupt is ever delivered, all at CPL 3 that CR4 can forbid is forbidden.
 */
static const char *make_state(struct monitor_cpu *c)
{
	struct kvm_sregs *s = &c->sregs;

	if (ioctl(c->vcpu, KVM_GET_SREGS, s))
		return "KVM_GET_SREGS";
	s->gdt = (struct kvm_dtable){ .base = linear_of(PAGE_GDT), .limit = GDT_LIMIT };
	s->idt = (struct kvm_dtable){ .base = linear_of(PAGE_IDT), .limit = VECTORS * 16 - 1 };
	s->tr = (struct kvm_segment){
		.selector = GDT_TSS, .type = 11, .present = 1, .base = linear_of(PAGE_TSS), .limit = TSS_LIMIT
	};
	s->ldt = (struct kvm_segment){ .unusable = 1 };
	s->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
	s->cr4 = CR4_TSD | CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	s->efer = EFER_LME | EFER_LMA | EFER_NX;
	if (!private_msr_set(c->vcpu, MSR_STAR, (u64)GDT_CS << 32 | (u64)GDT_CS << 48) ||
	    !private_msr_set(c->vcpu, MSR_LSTAR, linear_of(PAGE_SYSCALL)) ||
	    !private_msr_set(c->vcpu, MSR_CSTAR, linear_of(PAGE_SYSCALL)) ||
	    !private_msr_set(c->vcpu, MSR_FMASK, FLAG_TF | FLAG_IF | FLAG_DF | FLAG_AC | FLAG_NT))
		return "KVM_SET_MSRS";
	if (private_msr_set(c->vcpu, MSR_PLATFORM_INFO, PLATFORM_INFO_CPUID_FAULT))
		private_msr_set(c->vcpu, MSR_MISC_FEATURES_ENABLES, MISC_FEATURES_CPUID_FAULT);
	return NULL;
}

const char *monitor_cpu_open(struct monitor_cpu *c, int kvm, int vm, unsigned int index)
{
	const char *failed;
	bool umip = false;

	*c = (struct monitor_cpu){ .vm = vm, .index = index };
	failed = private_vcpu_open(kvm, vm, index, KVM_SYNC, &c->vcpu, &c->run, &c->run_size);
	if (!failed)
		failed = make_memory(c);
	if (!failed)
		failed = kvm_cpuid_all(kvm, c->vcpu, &umip);
	if (!failed)
		failed = make_state(c);
	if (umip)
		c->sregs.cr4 |= CR4_UMIP;
	return failed;
}

void monitor_cpu_close(struct monitor_cpu *c)
{
	private_vcpu_close(&c->vcpu, &c->run, c->run_size);
	private_memory_destroy(&c->tables);
}

void monitor_linux_segments(struct kvm_sregs *s, bool bits32)
{
	const struct kvm_segment data = {
		.selector = 0x2b, .type = 3, .present = 1, .dpl = 3, .s = 1, .db = 1, .g = 1, .limit = UINT32_MAX
	};
	const struct kvm_segment null = { .dpl = 3, .unusable = 1 };

	s->cs = (struct kvm_segment){ .selector = bits32 ? 0x23 : 0x33,
				      .type = 11,
				      .present = 1,
				      .dpl = 3,
				      .s = 1,
				      .l = !bits32,
				      .db = bits32,
				      .g = 1,
				      .limit = UINT32_MAX };
	s->ss = data;
	s->ds = s->es = s->fs = s->gs = bits32 ? data : null;
}

#define KERNEL_CODE 256 /* in PAGE_SYSCALL */

bool monitor_run_kernel(struct monitor_cpu *c, const u8 *code, size_t n, u64 rcx)
{
	struct kvm_run *run = c->run;
	struct kvm_sregs *s = &run->s.regs.sregs;
	struct space space = { 0 };
	u64 *root = table_new(&c->tables, &space.root);

	if (!root)
		return false;
	root[MONITOR_SLOT] = c->tables.monitor | TABLE_ENTRY;
	memcpy(page_of(c, PAGE_SYSCALL) + KERNEL_CODE, code, n);
	*s = c->sregs;
	s->cr3 = space.root;
	s->cs = (struct kvm_segment){
		.selector = GDT_CS, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1, .limit = UINT32_MAX
	};
	s->ss = s->ds = s->es = s->fs = s->gs = (struct kvm_segment){ .unusable = 1 };
	run->s.regs.regs = (struct kvm_regs){
		.rip = linear_of(PAGE_SYSCALL) + KERNEL_CODE, .rsp = STACK_TOP, .rflags = FLAG_1, .rcx = rcx
	};
	memset(&run->s.regs.events, 0, sizeof(run->s.regs.events));
	run->kvm_valid_regs = run->kvm_dirty_regs = KVM_SYNC;
	run->immediate_exit = 0;
	return !ioctl(c->vcpu, KVM_RUN, 0) && run->exit_reason == KVM_EXIT_HLT &&
	       run->s.regs.regs.rip == linear_of(PAGE_SYSCALL) + KERNEL_CODE + n;
}

/* The frame that an event has pushed, back into the registers: SDM vol. 3, "Stack Switching in IA-32e Mode" */
static void take_frame(struct monitor_cpu *c, struct left *left)
{
	struct kvm_regs *r = monitor_regs(c);
	const u64 *top = (const u64 *)page_of(c, PAGE_STACK + 1), *frame = top - 5;

	left->error = STACK_TOP - r->rsp == 48 ? (u32)frame[-1] : 0;
	r->rip = frame[0];
	left->cs = (u16)frame[1];
	r->rflags = frame[2];
	r->rsp = frame[3];
}

/*
 * Where LSTAR points nobody can be but by SYSCALL: CPL 3 can't fetch there. A KVM without VT may say that it tried to. (Code that
 * jumps there gets what SYSCALL would do, behind whatever RCX points to.)
 */
static bool at_syscall(struct kvm_regs *r, struct left *left)
{
	if (r->rip != linear_of(PAGE_SYSCALL) && r->rip != linear_of(PAGE_SYSCALL) + 1)
		return false;
	left->by = LEFT_SYSCALL;
	r->rip = r->rcx;
	r->rflags = r->r11;
	return true;
}

static void halted(struct monitor_cpu *c, struct left *left)
{
	struct kvm_regs *r = monitor_regs(c);
	u64 offset = r->rip - 1 - linear_of(PAGE_STUBS);

	left->cs = monitor_sregs(c)->cs.selector;
	if (offset < VECTORS * STUB_SIZE && offset % STUB_SIZE == 0) {
		left->by = LEFT_EVENT;
		left->vector = (u8)(offset / STUB_SIZE);
		take_frame(c, left);
		left->address = monitor_sregs(c)->cr2;
	}
	if (at_syscall(r, left))
		return;
	if (left->by != LEFT_EVENT) {
		left->by = LEFT_FAILED;
		left->what = "HLT where there is none";
	}
}

/* It was interrupted; maybe on its way to a stub. */
static void interrupted(struct monitor_cpu *c, struct left *left)
{
	const struct kvm_vcpu_events *e = &c->run->s.regs.events;

	left->by = LEFT_SIGNAL;
	left->cs = monitor_sregs(c)->cs.selector;
	if (monitor_sregs(c)->ss.dpl != 3) { /* in the stub, before its HLT */
		monitor_regs(c)->rip++;
		halted(c, left);
		return;
	}
	if (at_syscall(monitor_regs(c), left)) /* with the page fault for it on its way, or not yet */
		return;
	/*
	 * INT3 and INTO aren't reported, since the API has no place for their length: where the CPU delivers them RIP is still at the instruction, which
	 * comes again. A KVM without VT has gone on behind it already. The number stands there all the same.
	 */
	if (e->exception.injected || e->exception.pending ||
	    (c->without_vt && (e->exception.nr == VEC_BP || e->exception.nr == VEC_OF))) {
		left->by = LEFT_EVENT;
		left->vector = e->exception.nr;
		left->error = e->exception.has_error_code ? e->exception.error_code : 0;
		left->address = monitor_sregs(c)->cr2;
	}
}

void monitor_run(struct monitor_cpu *c, struct left *left)
{
	struct kvm_run *run = c->run;

	run->kvm_valid_regs = run->kvm_dirty_regs = KVM_SYNC;
	memset(&run->s.regs.events, 0, sizeof(run->s.regs.events)); /* nothing is on its way into the code */
	*left = (struct left){ .by = LEFT_FAILED };
	if (ioctl(c->vcpu, KVM_RUN, 0)) {
		if (errno == EINTR || errno == EAGAIN) {
			interrupted(c, left);
			return;
		}
		left->what = "KVM_RUN";
		left->number = errno;
		return;
	}
	switch (run->exit_reason) {
	case KVM_EXIT_HLT:
		halted(c, left);
		break;
	case KVM_EXIT_INTR:
		interrupted(c, left);
		break;
	default:
		left->what = kvm_exit_name(run->exit_reason);
		left->what = left->what ? left->what : "an exit unknown to turtles";
		left->number = (int)run->exit_reason;
	}
}
