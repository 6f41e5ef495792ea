/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An L1's thread: the engine, and between two of its loops what a reset or a sleep of the machine needs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "../cpu/insn.h"
#include "../devices/acpi_pm.h"
#include "../vmx/vmx.h"
#include "crash.h"
#include "l1.h"
#include "place.h"
#include "sleep.h"

/* A guest that only triple-faults would be reset for ever. */
#define TRIPLE_FAULTS_MAX 3

static void power_on(struct l1 *l)
{
	for (unsigned int i = 0; i < l->config->vcpus; i++)
		vcpu_reset(l->vcpu[i], false);
	for (unsigned int i = 1; i < l->config->vcpus; i++)
		boot_firmware(l->vcpu[i]);
	boot_state_apply(&l->machine.boot, l->vcpu[0]);
	if (l->engine->power_on)
		l->engine->power_on(&l->thread[0]);
}

/* The machine has stood still: no clock of its own has gone on. */
static void stood_still(struct l1 *l, u64 ticks)
{
	clock_stood_still(&l->machine.clock, ticks);
	for (unsigned int i = 0; i < l->config->vcpus; i++) {
		if (l->vcpu[i]->vmx)
			rounds_stood_still(&l->vcpu[i]->vmx->rounds, ticks);
		if (l->engine->resumed)
			l->engine->resumed(&l->thread[i], ticks);
	}
}

/* If the owner wants the machine to stand still: until he doesn't any more, or it has to stop for another reason. */
static void hold(struct l1 *l)
{
	u64 start = __builtin_ia32_rdtsc();

	pthread_mutex_lock(&l->lock);
	if (!l->hold) {
		pthread_mutex_unlock(&l->lock);
		return;
	}
	l->tell(l->tell_arg, L1_HELD);
	while (l->hold && !atomic_load(&l->machine.stop))
		pthread_cond_wait(&l->changed, &l->lock);
	pthread_mutex_unlock(&l->lock);
	stood_still(l, __builtin_ia32_rdtsc() - start);
}

/*
 * ACPI S3: only the clock goes on, until it wakes the machine. STOP_SLEEP: it has; otherwise what the machine has stopped for
 * meanwhile: an end, or a reset.
 */
static int sleep_until_woken(struct l1 *l)
{
	struct machine *m = &l->machine;
	struct clock *c = &m->clock;

	machine_sleep(m);
	l->tell(l->tell_arg, L1_SUSPENDED);
	while (!acpi_pm_wakes(m->acpi_pm)) {
		u64 now = clock_ns(c), next = timer_next(c);
		int reason = atomic_load(&m->stop);

		if (reason == STOP_HOLD) {
			machine_continue(m);
			hold(l);
			continue;
		}
		if (reason)
			return reason;
		if (!acpi_pm_can_wake(m->acpi_pm)) {
			machine_stop(m, STOP_HALTED_FOREVER, EXIT_GUEST_FATAL,
				     "guest sleeps (ACPI S3) and has set no alarm of the clock: nothing can wake it");
			continue;
		}
		for (unsigned int i = 0; i < m->vcpu_count; i++)
			atomic_store(&m->vcpu[i]->events, 0); /* whom they were for has lost its power */
		if (next <= now)
			timer_run(c);
		else if (c->kind == CLOCK_INSNS)
			l->thread[0].v->skipped_ns += next - now;
		else
			sleep_until(&l->thread[0], next);
	}
	l->tell(l->tell_arg, L1_WOKEN);
	return STOP_SLEEP;
}

/* The machine was reset, or sleeps: start it again. False: it can't go on. *faults: triple faults in a row */
static bool start_again(struct l1 *l, int reason, unsigned int *faults)
{
	struct machine *m = &l->machine;
	enum machine_start start;
	char error[512];

	if (reason == STOP_SLEEP)
		reason = sleep_until_woken(l);
	if (!stop_is_pause(reason) || (reason != STOP_SLEEP && m->no_reboot))
		return false;
	if (l->thread[0].v->activity == ACTIVITY_SHUTDOWN && ++*faults == TRIPLE_FAULTS_MAX) {
		machine_stop(m, STOP_TRIPLE_FAULT, EXIT_GUEST_FATAL,
			     "guest: triple fault, %d times in a row; last at rip %#llx", TRIPLE_FAULTS_MAX,
			     (unsigned long long)l->thread[0].v->rip);
		return false;
	}
	if (reason != STOP_SLEEP) {
		bool asked = atomic_exchange(&l->reset_asked, false);

		l->tell(l->tell_arg, asked ? L1_RESET_BY_OWNER : L1_RESET_BY_GUEST);
	}
	start = reason == STOP_SLEEP ? machine_wake(m, error, sizeof(error)) : machine_reset(m, error, sizeof(error));
	if (start == START_FAILED) {
		machine_stop(m, STOP_HOST, EXIT_HOST, "reset: %s", error);
		return false;
	}
	if (start == START_RESUMED)
		*faults = 0;
	power_on(l);
	return true;
}

/* A vCPU's host thread: where it runs, and how much it counts beside others. What the host refuses is told and done without. */
static void begin_thread(const struct l1 *l, unsigned int vcpu)
{
	int err = place_bind_thread(l->place, l->number, vcpu);
	char where[128];

	if (err) {
		place_text(l->place, l->number, vcpu, where, sizeof(where));
		fprintf(stderr, "turtles: %s: vCPU %u can't be bound to PU %s: %s: it runs anywhere\n", l->config->name,
			vcpu, where, strerror(-err));
	}
	/* 0: the calling thread. Threads that it starts have its value already, and must not ask for less. */
	errno = 0;
	if (l->nice != getpriority(PRIO_PROCESS, 0) && setpriority(PRIO_PROCESS, 0, l->nice))
		fprintf(stderr, "turtles: %s: vCPU %u has no weight of its own: %s\n", l->config->name, vcpu,
			strerror(errno));
}

static void *other_main(void *arg)
{
	struct vcpu_thread *t = arg;
	struct machine *m = t->v->machine;
	const struct l1 *l = t->l1;
	int err = crash_thread_begin(t->v);

	if (err)
		machine_stop(m, STOP_HOST, EXIT_HOST, "no alternate signal stack: %s", strerror(-err));
	begin_thread(l, t->v->index);
	l1_wait_for_reader(t);
	l->engine->loop(t);
	if (!err)
		crash_thread_end();
	return NULL;
}

/* All vCPUs until the machine stops, each on its thread: this is the first one's. */
static void run_vcpus(struct l1 *l)
{
	unsigned int others = l->machine.parallel ? l->config->vcpus - 1 : 0, i;

	for (i = 1; i <= others; i++) {
		int err;

		l->thread[i].l1 = l;
		err = vcpu_thread_start(&l->thread[i], other_main, &l->thread[i]);
		if (err) {
			machine_stop(&l->machine, STOP_HOST, EXIT_HOST, "can't start a thread for vCPU %u: %s", i,
				     strerror(-err));
			others = i - 1;
		}
	}
	for (i = 0; i < (l->machine.parallel ? 1 : l->config->vcpus); i++)
		l1_wait_for_reader(&l->thread[i]);
	l->engine->loop(&l->thread[0]);
	for (i = 1; i <= others; i++)
		pthread_join(l->thread[i].thread, NULL);
}

/* The machine has stopped: can it go on? Then it is where it does. */
static bool goes_on(struct l1 *l, unsigned int *faults)
{
	struct machine *m = &l->machine;
	int reason = atomic_load(&m->stop);

	if (!stop_is_pause(reason))
		return false;
	if (reason == STOP_HOLD)
		machine_continue(m);
	else if (!start_again(l, reason, faults))
		return false;
	/* one that came while another pause was under way was refused */
	if (atomic_load(&l->reset_asked))
		machine_stop(m, STOP_RESET, 0, NULL);
	hold(l);
	return true;
}

void *l1_main(void *arg)
{
	struct l1 *l = arg;
	unsigned int faults = 0;
	int err = crash_thread_begin(l->thread[0].v);

	if (err)
		machine_stop(&l->machine, STOP_HOST, EXIT_HOST, "no alternate signal stack: %s", strerror(-err));
	begin_thread(l, 0);
	power_on(l);
	if (l->turns.count > 1)
		turns_begin(&l->turns);
	hold(l);
	do
		run_vcpus(l);
	while (goes_on(l, &faults));
	if (!err)
		crash_thread_end();
	l->tell(l->tell_arg, L1_ENDED);
	return NULL;
}
