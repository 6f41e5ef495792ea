/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "profile.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "../bt/bt.h"
#include "../direct/direct.h"
#include "../vmx/vmx.h"
#include "crash.h"

#define INTERVAL_NS 1000000 /* of CPU time; a host whose tick is longer makes it longer */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct profile {
	struct profile_stats stats;
	timer_t timer;
};

/* In a signal handler: nothing but looking. */
static u64 *owner(struct profile_stats *s, const struct vcpu *v, u64 host_pc)
{
	if (v->vmx && v->vmx->switching)
		return &s->switching;
	if ((v->bt && bt_is_code(v, host_pc)) || direct_is_inside(v))
		return v->in_l2 ? &s->l2 : &s->l1;
	return v->in_l2 ? &s->l0_for_l2 : &s->l0_for_l1;
}

static void on_tick(int signal, siginfo_t *info, void *arg)
{
	const ucontext_t *context = arg;
	struct profile *p = info->si_value.sival_ptr;
	const struct vcpu *v = crash_thread_current();

	(void)signal;
	/* one that somebody sent has no pointer of ours */
	if (info->si_code == SI_TIMER && v)
		++*owner(&p->stats, v, (u64)context->uc_mcontext.gregs[REG_RIP]);
}

struct profile *profile_create(void)
{
	return calloc(1, sizeof(struct profile));
}

void profile_destroy(struct profile *p)
{
	free(p);
}

int profile_begin(struct profile *p)
{
	struct sigaction sa = { .sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF };
	const struct itimerspec every = { .it_interval.tv_nsec = INTERVAL_NS, .it_value.tv_nsec = INTERVAL_NS };

	sigemptyset(&sa.sa_mask);
	event.sigev_value.sival_ptr = p;
	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	if (sigaction(SIGPROF, &sa, NULL) || timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &p->timer))
		return -errno;
	if (timer_settime(p->timer, 0, &every, NULL)) {
		int err = errno;

		timer_delete(p->timer);
		return -err;
	}
	return 0;
}

void profile_end(struct profile *p)
{
	timer_delete(p->timer);
}

const struct profile_stats *profile_stats(const struct profile *p)
{
	return &p->stats;
}
