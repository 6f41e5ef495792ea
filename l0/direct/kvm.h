/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine that runs a whole guest by /dev/kvm: what its files share. The rest of L0 sees engine_kvm only
 * (run/engine.h); nobody outside this folder includes <linux/kvm.h>.
 *
 *	kvm.c          the engine: VM, memory, a vCPU's run loop
 *	kvm_exits.c    what an exit means
 *	kvm_irqchip.c  KVM's interrupt controllers and 8254, and our devices' lines
 *	kvm_cpuid.c    the CPU model, cut down to what KVM offers
 *	kvm_state.c    struct vcpu to KVM and back
 *	kvm_stats.c    KVM's own counters
 */
#ifndef L0_DIRECT_KVM_H
#define L0_DIRECT_KVM_H

#include <linux/kvm.h>
#include <time.h>

#include "../account/rounds.h"
#include "../cpu/vcpu.h"
#include "../devices/irqchip.h"
#include "../run/loop.h"
#include "stats.h"

#define KVM_CHIPS 3 /* master and slave 8259, I/O APIC */

/* A machine's share; its first vCPU's struct kvm_vcpu creates and destroys it. */
struct kvm_machine {
	struct machine *machine;
	int kvm, vm; /* file descriptors, -1: none */
	bool pit; /* KVM's 8254 exists */
	bool line[IOAPIC_PINS]; /* levels of our devices' pins, as KVM was told */
	u64 irq_lines; /* how often KVM was told */
	struct kvm_irqchip chips[KVM_CHIPS]; /* at power-on */
	struct kvm_pit_state2 pit_state; /* the same */
	/* sums over the vCPUs, as of the last look */
	struct kvm_exit_stats stats;
	struct kvm_stats kvm_stats;
};

/* A vCPU's share */
struct kvm_vcpu {
	struct vcpu_thread *thread;
	struct kvm_machine *machine;
	int vcpu; /* file descriptor, -1: none */
	int counters; /* the same, KVM's counters; got while nobody runs the vCPU, since the call for it would wait until somebody doesn't */
	struct kvm_run *run;
	size_t run_size;
	_Atomic pid_t tid; /* of the thread that is in its loop or was the last one; others read it to kick it */
	/* of the first vCPU: */
	timer_t timer; /* in its loop only: wakes the thread for the machine's timers */
	u64 armed; /* ns on the machine's clock that `timer` was set for; 0: not set */
	u64 look; /* ns at which to see whether the guest has halted for ever */
	struct kvm_exit_stats stats; /* its thread counts, by count_one(); others read */
};

/*
 * What interrupts a thread in KVM_RUN: its value is the address of struct kvm_run, whose immediate_exit the handler sets. 0, or -1 with
 * errno.
 */
#define SIG_KICK SIGRTMIN
int kvm_catch_kicks(void);

/* Between struct vcpu and KVM: kvm_state.c */
void kvm_regs_put(const struct vcpu *v, struct kvm_regs *r);
void kvm_regs_get(struct vcpu *v, const struct kvm_regs *r);
struct kvm_segment kvm_segment(const struct segment *s);
struct segment kvm_segment_back(const struct kvm_segment *s);

/* The failed call, the machine and strerror(errno) in one line; always EXIT_HOST. */
int kvm_failed(const struct kvm_machine *m, const char *call, char *error, size_t n);

/* Interrupt controllers, 8254 unless no_pit, routing, irqchip_set()'s target. 0, or EXIT_HOST with a line in `error`. */
int kvm_irqchip_create(struct kvm_machine *m, bool no_pit, char *error, size_t n);
bool kvm_irqchip_reset(struct kvm_machine *m); /* false: errno */

/* engine.h's prepare(), with /dev/kvm open. */
int kvm_cpuid_restrict(int kvm, struct cpu_model *model, char *error, size_t n);
int kvm_cpuid_set(struct kvm_vcpu *d, char *error, size_t n); /* KVM_SET_CPUID2; 0 or EXIT_HOST */
/* All that this KVM can do, for a vCPU of ours. NULL, or what failed; errno is its reason. *umip: CR4.UMIP may be set. */
const char *kvm_cpuid_all(int kvm, int vcpu, bool *umip);
/* Does KVM offer VMX or SVM to its guests? */
bool kvm_cpuid_nests(int kvm);
bool kvm_cpuid_has_vmx(int kvm); /* VMX */

/* All state between *d->thread->v and KVM. NULL, or what failed; errno is its reason. */
const char *kvm_state_put(struct kvm_vcpu *d);
const char *kvm_state_get(struct kvm_vcpu *d);
/* Take so many ticks off the guest's TSC. False with errno. A kernel before 5.16 can't: there the TSC goes on while a machine is held. */
bool kvm_tsc_stood_still(struct kvm_vcpu *d, u64 ticks);

/* Add KVM's counters of the vCPU to *to; those that KVM doesn't have stay as they are. Any thread. */
void kvm_stats_add(const struct kvm_vcpu *d, struct kvm_stats *to);

/* Do what KVM_RUN returned for; stops the machine if nobody can. Counts it. */
void kvm_exit(struct kvm_vcpu *d);
void kvm_exit_interrupted(struct kvm_vcpu *d); /* the same for KVM_RUN's EINTR */
const char *kvm_exit_name(u32 reason); /* NULL: not in the list */

#endif
