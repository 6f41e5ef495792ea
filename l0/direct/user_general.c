/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may run while the guest's vector state is in the host's registers. */
#include <signal.h>
#include <sys/syscall.h>

#include "../cpu/fpu.h"
#include "../machine/machine.h"
#include "../vmx/vmx.h"
#include "user.h"
#include "kvm.h"
#include "user_internal.h"
#include "vt.h"

static long syscall4(long number, long a, long b, long c, const void *d)
{
	register const void *r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}

/* A signal with the address of struct kvm_run, as timers send it; if there is no memory for that, one that only interrupts. */
static void interrupt(const struct direct_vcpu *d)
{
	siginfo_t info;
	long pid = syscall4(SYS_getpid, 0, 0, 0, NULL), tid = atomic_load(&d->tid);

	fpu_zero(&info, sizeof(info));
	info.si_code = SI_QUEUE;
	info.si_pid = (pid_t)pid;
	info.si_value.sival_ptr = atomic_load(&d->running);
	if (syscall4(SYS_rt_tgsigqueueinfo, pid, tid, SIG_KICK, &info))
		syscall4(SYS_tgkill, pid, tid, SIG_KICK, NULL);
}

void direct_kick(const struct vcpu *v)
{
	const struct direct_vcpu *d = v->direct;

	if (atomic_load(&d->inside))
		interrupt(d);
}

bool direct_is_inside(const struct vcpu *v)
{
	return v->direct && atomic_load(&v->direct->inside);
}

static u8 *writable(const struct direct_machine *dm, u64 gpa)
{
	const struct memory *m = &dm->machine->memory;

	return &dm->writable[memory_flag(m, gpa) - m->flags];
}

void direct_page_watched(struct machine *m, u64 gpa)
{
	struct direct_machine *dm = m->direct;

	if (!*writable(dm, gpa))
		return;
	*writable(dm, gpa) = 0;
	atomic_fetch_add(&dm->epoch, 1);
}

/* More than leaving takes: it is sent again only if it was lost. */
#define TURNS_A_SIGNAL 4096

void direct_page_written(struct machine *m, u64 gpa)
{
	*memory_flag(&m->memory, gpa) &= (u8)~PAGE_SCAN_RESULT;
	atomic_fetch_add(&m->direct->epoch, 1);
	/* Whoever comes in from now on sees the new epoch. */
	for (unsigned int i = 0; i < m->vcpu_count; i++) {
		const struct direct_vcpu *d = m->vcpu[i]->direct;

		/*
		 * One signal, as a rule. Several would keep it from leaving: they queue up, each is handled before KVM_RUN's caller goes on, and more come
		 * meanwhile.
		 */
		for (u32 turn = 0; d && atomic_load(&d->inside); turn++) {
			if (turn % TURNS_A_SIGNAL == 0)
				interrupt(d);
			syscall4(SYS_sched_yield, 0, 0, 0, NULL);
		}
	}
}

static void count_refused(struct direct_stats *s, enum rule rule)
{
	switch (rule) {
	case RULE_segments:
		s->not_segments++;
		break;
	case RULE_mode:
		s->not_mode++;
		break;
	case RULE_debugging:
		s->not_debugging++;
		break;
	default:
		s->not_others++;
	}
}

u64 user_cost(const struct direct_vcpu *d, u64 ns)
{
	return (ns > d->inside_ns ? ns - d->inside_ns : 0) + d->entries * d->entry_ns;
}

void user_settle(struct direct_vcpu *d, u64 now, bool interrupted)
{
	u64 ns = now - d->start_ns;

	d->stats.ns += ns;
	policy_learn(d->policy, ns, user_cost(d, ns), interrupted, d->v->insns);
	d->unwound_ns = 0;
}

#define EAGER_SLICE 64 /* instructions */

/* In ns; 0: something is due, or soon enough that going in doesn't pay. */
static u64 time_until(const struct direct_vcpu *d, u64 deadline)
{
	u64 now = clock_ns(&d->v->machine->clock), rest = DIRECT_LONGEST_NS;

	if (deadline == TIMER_OFF)
		return rest;
	if (deadline <= now || (!d->machine->eager && deadline < now + STAY_MIN_NS))
		return 0;
	return deadline - now < rest ? deadline - now : rest;
}

/*
 * An interrupt has ended a stay of code that runs directly as soon as it can: what the kernel does now is short, and the rest of a whole slice
 * would be that code, translated.
 */
static void shorten_slice(struct direct_vcpu *d)
{
	struct vcpu *v = d->v;

	if (!d->returning)
		return;
	d->returning--;
	if (v->slice > RETURN_SLICE) {
		v->slice = RETURN_SLICE;
		vcpu_set_budget(v, v->slice);
	}
}

bool direct_run(struct vcpu *v, u64 deadline)
{
	struct direct_vcpu *d = v->direct;
	u64 rest;
	bool vt = !d->translate && vt_may_run(d);
	enum rule rule;

	if (d->unwound_ns)
		user_settle(d, d->unwound_ns, false);
	if (v->kernel_seen) {
		v->kernel_seen = false;
		d->since = v->insns;
	}
	if ((v->cpl != 3 && !vt) || d->translate) {
		d->translate = false;
		if (d->machine->eager && v->slice > EAGER_SLICE) {
			v->slice = EAGER_SLICE;
			vcpu_set_budget(v, v->slice);
		}
		shorten_slice(d);
		return false;
	}
	d->returning = 0;
	d->policy = policy_of(&d->policies, v->cr3, v->in_l2 ? v->vmx->v02.ept_pointer : 0);
	if (!vt && ((!d->machine->eager && !policy_go(d->policy, v->insns, d->since)) || v->intr_shadow ||
		    v->pending_db || atomic_load(&d->machine->broken)))
		return false;
	rest = time_until(d, deadline);
	if (!rest)
		return false;
	if (vt) {
		vcpu_fpu_park(v);
		return vt_run(d, rest);
	}
	rule = rule_decide(v, &d->machine->host, 0);
	if (rule != RULE_DIRECT) {
		count_refused(&d->stats, rule);
		return false;
	}
	vcpu_fpu_park(v);
	return user_run(d, rest);
}
