/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vCPU's thread: translated code in slices, and between them what interrupts a CPU. */
#ifndef L0_RUN_LOOP_H
#define L0_RUN_LOOP_H

#include <pthread.h>
#include "../cpu/vcpu.h"
#include "clock.h"

struct bt_totals;
struct kvm_vcpu;
struct l1;
struct l1_port;
struct profile;
struct pace;
struct turns;

struct vcpu_thread {
	struct vcpu *v;
	void *stack; /* holds *v, too */
	size_t stack_size;
	pthread_t thread; /* for who has started it and joins it */
	void *_Atomic self; /* __builtin_thread_pointer() of the thread; NULL: none runs */
	void *(*fn)(void *); /* what it runs */
	void *arg;
	struct timers timers; /* of the vCPU, where each has its thread */
	pthread_mutex_t lock; /* for sleeping in HLT */
	pthread_cond_t wake;
	const struct l1 *l1; /* a vCPU's but the first, while it runs: life.c */
	const struct l1_port *full; /* where its last byte had no room when the machine had to stop: l1_wait_for_reader(); NULL: nowhere */
	u32 trace; /* BIT(TRACE_BIT_*) of cli/config.h */
	u64 user_ns; /* the host's CLOCK_MONOTONIC when CPL 3 was first seen, 0 before; with the instruction clock that one */
	/* Another thread has posted something: get the vCPU out of the guest. NULL: it looks often enough by itself. */
	void (*kick)(struct vcpu_thread *t);
	/* With others on one host thread: turns.h. NULL: alone */
	struct turns *turns;
	void *resume; /* the end of the stack while another one has its turn */
	void *fake_stack; /* AddressSanitizer's */
	bool idle; /* halted as of its last turn */
	struct kvm_vcpu *kvm; /* the engine for /dev/kvm: direct/kvm.h */
	struct bt_totals *totals; /* engine_bt.c; of the first vCPU only */
	struct pace *pace; /* the L1's cap; NULL: none */
	u64 paid_tsc, paid_cpu_ns; /* pace.c: the last look, by the host's TSC and by the thread's CPU time */
	struct profile *profile; /* of the first vCPU only; NULL: nobody wants to know */
};

/* Memory for a vCPU inside the stack of its future thread; reset to power-on by the caller. 0 or -errno. */
int vcpu_thread_create(struct vcpu_thread *t, struct machine *m, unsigned int index);
void vcpu_thread_destroy(struct vcpu_thread *t);

/* Start `fn` on the thread whose stack holds the vCPU. */
int vcpu_thread_start(struct vcpu_thread *t, void *(*fn)(void *), void *arg);

/* Run the vCPU until its machine stops; on its own thread. */
void vcpu_loop(struct vcpu_thread *t);

/* Guest instructions that the vCPU has retired up to now; on its own thread, or when it is stopped. */
u64 vcpu_insns(const struct vcpu *v);
/* The same as of its last slice, which is over when it is stopped; any thread. */
u64 vcpu_insns_so_far(const struct vcpu *v);

#endif
