/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "run_timer.h"

#include <signal.h>
#include <unistd.h>

#include "kvm.h"

#define NS_PER_SECOND 1000000000ull

/* without the glibc that names it */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

u64 run_timer_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * NS_PER_SECOND + (u64)t.tv_nsec;
}

bool run_timer_make(struct run_timer *t, struct kvm_run *run)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIG_KICK, .sigev_value.sival_ptr = run };
	pid_t tid = gettid();

	if (t->tid == tid)
		return true;
	run_timer_destroy(t);
	event.sigev_notify_thread_id = tid;
	if (timer_create(CLOCK_MONOTONIC, &event, &t->timer))
		return false;
	t->tid = tid;
	return true;
}

void run_timer_set(struct run_timer *t, u64 ns)
{
	u64 now = run_timer_now();
	struct itimerspec spec = { .it_value = { .tv_sec = (time_t)(ns / NS_PER_SECOND),
						 .tv_nsec = (long)(ns % NS_PER_SECOND) } };

	if (t->until > now && t->until <= now + ns)
		return;
	timer_settime(t->timer, 0, &spec, NULL);
	t->until = now + ns;
}

void run_timer_destroy(struct run_timer *t)
{
	if (t->tid)
		timer_delete(t->timer);
	*t = (struct run_timer){ 0 };
}
