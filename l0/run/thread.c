/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread of a vCPU and its stack:
 *
 *	stack ............................... stack + size
 *	| C called by translated code | vcpu | run loop |
 *
 * Translated code runs with RSP at the vCPU, so the C functions that it calls have the lower part, and all of it is one
 * stack to the host: longjmp() from below to above, unwinders and sanitizers see nothing unusual.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "../bt/bt.h"
#include "../cpu/mmu.h"
#include "../cpu/tlb.h"
#include "../devices/irqchip.h"
#include "../machine/machine.h"
#include "gate.h"
#include "sleep.h"
#include "turns.h"

#define STACK_BELOW (1u << 20)
#ifdef __SANITIZE_THREAD__
#define STACK_ABOVE (8u << 20) /* the C library puts thread-local storage there, and ThreadSanitizer has a lot of it */
#else
#define STACK_ABOVE (512u << 10)
#endif

int vcpu_thread_create(struct vcpu_thread *t, struct machine *m, unsigned int index)
{
	pthread_condattr_t attr;
	struct vcpu *v;

	memset(t, 0, sizeof(*t));
	t->stack_size = STACK_BELOW + STACK_ABOVE;
	t->stack = mmap(NULL, t->stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (t->stack == MAP_FAILED)
		return -ENOMEM;
	/* a guard page: overflow is a crash report, not silent damage */
	mprotect(t->stack, 4096, PROT_NONE);
	v = t->v = (struct vcpu *)((u8 *)t->stack + STACK_BELOW);
	v->index = index;
	v->machine = m;
	v->model = m->model;
	v->budget_held = BUDGET_NOT_HELD;
	v->timers = m->parallel ? &t->timers : NULL;
	v->tlbs = tlb_contexts_create();
	if (!v->tlbs) {
		munmap(t->stack, t->stack_size);
		return -ENOMEM;
	}
	tlb_init(v->tlbs);
	v->tlb_count = 1;
	v->tlb = v->tlbs;
	v->tlb->key = 1;
	v->thread = t;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

void vcpu_thread_destroy(struct vcpu_thread *t)
{
	if (!t->v)
		return;
	tlb_contexts_destroy(t->v->tlbs);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	munmap(t->stack, t->stack_size);
	t->v = NULL;
}

static void *begin(void *arg)
{
	struct vcpu_thread *t = arg;
	void *result;

	atomic_store(&t->self, __builtin_thread_pointer());
	result = t->fn(t->arg);
	atomic_store(&t->self, NULL);
	return result;
}

int vcpu_thread_start(struct vcpu_thread *t, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	char name[16];
	int err;

	t->fn = fn;
	t->arg = arg;
	pthread_attr_init(&attr);
	err = pthread_attr_setstack(&attr, t->stack, t->stack_size);
	if (!err)
		err = pthread_create(&t->thread, &attr, begin, t);
	pthread_attr_destroy(&attr);
	if (err)
		return -err;
	/* for debuggers and top */
	snprintf(name, sizeof(name), "vcpu%u", t->v->index);
	pthread_setname_np(t->thread, name);
	return 0;
}

void vcpu_post(struct vcpu *v, u32 events)
{
	struct vcpu_thread *t = v->thread;
	void *self;

	atomic_fetch_or_explicit(&v->events, events, memory_order_release);
	if (!t)
		return;
	if (t->turns)
		t = t->turns->all; /* whose host thread it is */
	self = atomic_load(&t->self);
	if (self == __builtin_thread_pointer()) {
		vcpu_leave_soon(v);
		return;
	}
	pthread_mutex_lock(&t->lock);
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	if (t->kick && self)
		t->kick(t);
	else if (v->timers || v->direct)
		vcpu_kick(v);
}

/* to the vCPU, or to one of those that it takes turns with */
static bool posted(const struct vcpu *v, const struct vcpu_thread *t)
{
	if (!t->turns)
		return atomic_load_explicit(&v->events, memory_order_acquire);
	for (unsigned int i = 0; i < t->turns->count; i++)
		if (atomic_load_explicit(&t->turns->all[i].v->events, memory_order_acquire))
			return true;
	return false;
}

void sleep_until(struct vcpu_thread *t, u64 deadline)
{
	struct vcpu *v = t->v;
	struct timespec until;

	if (deadline != TIMER_OFF) {
		u64 now = clock_ns(&v->machine->clock), rest = deadline > now ? deadline - now : 0;

		clock_gettime(CLOCK_MONOTONIC, &until);
		rest += until.tv_nsec;
		until.tv_sec += rest / 1000000000;
		until.tv_nsec = rest % 1000000000;
	}
	if (t->turns)
		t = t->turns->all;
	gate_out(v);
	pthread_mutex_lock(&t->lock);
	while (!posted(v, t) && !atomic_load(&v->machine->stop)) {
		if (deadline == TIMER_OFF) {
			pthread_cond_wait(&t->wake, &t->lock);
		} else if (pthread_cond_timedwait(&t->wake, &t->lock, &until) == ETIMEDOUT) {
			break;
		}
	}
	pthread_mutex_unlock(&t->lock);
	gate_in(v);
}

/* With one vCPU only a device's NMI could. */
bool sleep_can_wake(const struct vcpu *v)
{
	return (v->nmi_wait && !v->nmi_blocked) || v->in_l2 || (atomic_load(&v->events) & (EV_NMI | EV_INIT | EV_STOP)) ||
	       irqchip_can_nmi(v) || v->machine->vcpu_count > 1;
}
