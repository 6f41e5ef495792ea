/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs that run nothing but user code: CPL 3, 64-bit mode or compatibility mode, through page tables that L0 makes (tables.h). Around that
 * code stands as little as there can be, in private memory of each vCPU:
 *
 *	GDT		CS and TSS of the monitor, no segment that CPL 3 could load
 *	IDT		256 gates that CPL 3 can't call, each to
 *	256 stubs	HLT, which ends KVM_RUN; and one more, for SYSCALL
 *	TSS, a stack	where the CPU puts what it interrupted; no port may be used
 *	page tables
 *
 * So everything that isn't the code's own business ends KVM_RUN and is known by its vector, with the registers as they were before the
 * instruction, by nothing but what the SDM says of events in 64-bit mode (vol. 3, "Interrupt and Exception Handling"). Nothing at
 * CPL 0 ever runs but that HLT. Which instructions don't come back that way is for probe.h to find out.
 */
#ifndef L0_DIRECT_MONITOR_H
#define L0_DIRECT_MONITOR_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <sys/types.h>

#include "tables.h"

/* Private memory is in the hole below 4 GiB that no guest's RAM is in (machine/memory.h). */
#define MONITOR_GPA 0xc0000000ull
#define MONITOR_SIZE (32ull << 20) /* a vCPU's; it takes memory when it is first used */
#define MONITOR_CPUS_MAX 16

#define MONITOR_SLOT_PRIVATE 8u /* memory slots from here on: one for each vCPU; those below are the owner's */

struct monitor_cpu {
	int vm, vcpu; /* file descriptors; vm is the owner's. -1: none */
	unsigned int index;
	struct kvm_run *run;
	size_t run_size;
	struct tables tables; /* private memory: the monitor's own pages, then those for page tables */
	bool without_vt; /* the owner says: KVM does itself what INT3 and INTO do */
	struct kvm_sregs sregs; /* at the start of each run, but for what depends on the code: segments, CR3, some bits of CR4 */
};

enum left_by {
	LEFT_SIGNAL, /* immediate_exit, or a signal */
	LEFT_EVENT, /* an exception: `vector` */
	LEFT_SYSCALL, /* SYSCALL has been executed: rip is behind it, RCX and R11 are what it left there */
	LEFT_FAILED, /* KVM can't run this: `what` */
};

struct left {
	enum left_by by;
	u8 vector;
	u32 error; /* LEFT_EVENT: the error code, if the vector has one */
	u64 address; /* #PF: CR2 */
	u16 cs; /* selector of the code that was left */
	const char *what; /* LEFT_FAILED: a name of KVM's exit reason or of a call; static */
	int number; /* LEFT_FAILED: exit reason, or errno */
};

/*
 * A vCPU of `vm` with its private memory in slot MONITOR_SLOT_PRIVATE + index. NULL, or what failed; errno is its reason.
 * monitor_cpu_close() follows in any case.
 */
const char *monitor_cpu_open(struct monitor_cpu *c, int kvm, int vm, unsigned int index);
void monitor_cpu_close(struct monitor_cpu *c);

/* What the next run starts with; after it, what the code has left there: cs, rip, rflags, rsp and ss of the code, not of a stub. */
static inline struct kvm_regs *monitor_regs(struct monitor_cpu *c)
{
	return &c->run->s.regs.regs;
}

static inline struct kvm_sregs *monitor_sregs(struct monitor_cpu *c)
{
	return &c->run->s.regs.sregs;
}

/*
 * Run from monitor_regs() and monitor_sregs() until something happens. The caller has cleared immediate_exit before it looked whether to
 * run at all.
 */
void monitor_run(struct monitor_cpu *c, struct left *left);

/*
 * n bytes of code at CPL 0, which end with HLT, with `rcx` in RCX; what KVM makes of that is the question. False: it didn't come to its
 * end.
 */
bool monitor_run_kernel(struct monitor_cpu *c, const u8 *code, size_t n, u64 rcx);

/* CS, SS and the others as Linux has them for a 64-bit program: 0x33, 0x2b, null. 32-bit: CS 0x23, all others 0x2b. */
void monitor_linux_segments(struct kvm_sregs *s, bool bits32);

/* Where SYSCALL leads */
u64 monitor_syscall_linear(void);

/* KVM forgets all that it has read in the vCPU's page tables; all of them are free. NULL, or what failed. */
const char *monitor_forget(struct monitor_cpu *c);

#endif
