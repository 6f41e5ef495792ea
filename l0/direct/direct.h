/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * User code of L1 and of L2, and whole L2s on VT, that run directly, by /dev/kvm, beside the translator: what the rest of L0 sees (--engine direct).
 *
 * In a slice's place a vCPU in user mode runs natively, in a VM of L0's own (monitor.h), until something happens that isn't the code's own
 * business: then it is back at that instruction, all state in *v, and the translator does the rest. What runs so isn't counted in
 * instructions. rule.h says which code may run directly, user_policy.h when it does.
 *
 *	user.c         in, out, and why it is out
 *	user_memory.c  address spaces: filled from the guest's tables, dropped with the soft TLB
 *	user_code.c    pages that hold instructions which don't come back
 *	user_policy.h  does it pay?
 *	vt.h           L2s on the host's VT, kernel and all, where KVM nests
 */
#ifndef L0_DIRECT_DIRECT_H
#define L0_DIRECT_DIRECT_H

#include "../cpu/vcpu.h"

struct machine;
struct direct_machine;
struct direct_vcpu;
struct direct_stats;
struct kvm_probe;

/*
 * With the first vCPU of the machine, whose translator exists. `p` says that user code can run directly. 0, or the process's exit code with
 * one line in error[0..n-1]. eager: not only when it pays. l2_vt: L2s run on VT, which
 * /dev/kvm offers. Destroyed with its vCPU, the first one last.
 */
int direct_create(struct vcpu *v, const struct kvm_probe *p, bool eager, bool l2_vt, char *error, size_t n);
void direct_destroy(struct vcpu *v);

/*
 * The vCPU's loop, between two guest instructions: run directly if that is allowed and pays, until `deadline` (ns on the machine's
 * clock; TIMER_OFF) at the latest. False, with nothing done: translate. What L2's tables want to say goes to L1 by v->unwind.
 */
bool direct_run(struct vcpu *v, u64 deadline);

/* Another thread, or a signal handler: v->thread, if it runs directly, looks around. */
void direct_kick(const struct vcpu *v);
/* Is it guest code that v's thread is running right now? For its own signal handlers. */
bool direct_is_inside(const struct vcpu *v);

/* Nobody else runs: the page at gpa begins to hold translated code, so nothing may write there unnoticed. */
void direct_page_watched(struct machine *m, u64 gpa);
/* A page with PAGE_SCANNED is about to be written: after this it isn't run directly by anybody, as it is. */
void direct_page_written(struct machine *m, u64 gpa);

/* All vCPUs of the machine together */
void direct_stats_sum(const struct machine *m, struct direct_stats *to);
/* A place for that, the machine's own */
struct direct_stats *direct_stats_totals(const struct machine *m);

#endif
