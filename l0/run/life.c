/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An L1's thread: the engine, and between two of its loops what a reset or a sleep of the machine needs. */
#include <stdio.h>
#include <string.h>

#include "../cpu/insn.h"
#include "../devices/acpi_pm.h"
#include "crash.h"
#include "l1.h"
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

/* ACPI S3: only the clock goes on, until it wakes the machine. False: the machine has stopped for good. */
static bool sleep_until_woken(struct l1 *l)
{
	struct machine *m = &l->machine;
	struct clock *c = &m->clock;

	machine_sleep(m);
	while (!acpi_pm_wakes(m->acpi_pm)) {
		u64 now = clock_ns(c), next = timer_next(c);

		if (atomic_load(&m->stop))
			return false;
		if (!acpi_pm_can_wake(m->acpi_pm)) {
			machine_stop(m, STOP_HALTED_FOREVER, EXIT_GUEST_FATAL,
				     "guest sleeps (ACPI S3) and has set no alarm of the clock: nothing can wake it");
			return false;
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
	return true;
}

/* The machine has stopped: can it go on from somewhere else? Then it is there. *faults: triple faults in a row */
static bool goes_on(struct l1 *l, unsigned int *faults)
{
	struct machine *m = &l->machine;
	int reason = atomic_load(&m->stop);
	enum machine_start start;
	char error[512];

	if (!stop_is_pause(reason) || (reason != STOP_SLEEP && m->no_reboot))
		return false;
	if (reason == STOP_SLEEP && !sleep_until_woken(l))
		return false;
	if (l->thread[0].v->activity == ACTIVITY_SHUTDOWN && ++*faults == TRIPLE_FAULTS_MAX) {
		machine_stop(m, STOP_TRIPLE_FAULT, EXIT_GUEST_FATAL,
			     "guest: triple fault, %d times in a row; last at rip %#llx", TRIPLE_FAULTS_MAX,
			     (unsigned long long)l->thread[0].v->rip);
		return false;
	}
	start = reason == STOP_SLEEP ? machine_wake(m, error, sizeof(error)) : machine_reset(m, error, sizeof(error));
	if (start == START_FAILED) {
		machine_stop(m, STOP_INTERNAL, 0, "reset: %s", error);
		return false;
	}
	if (start == START_RESUMED)
		*faults = 0;
	power_on(l);
	return true;
}

static void *other_main(void *arg)
{
	struct vcpu_thread *t = arg;
	struct machine *m = t->v->machine;
	const struct l1 *l = t->l1;
	int err = crash_thread_begin(t->v);

	if (err)
		machine_stop(m, STOP_INTERNAL, 0, "no alternate signal stack: %s", strerror(-err));
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
			machine_stop(&l->machine, STOP_INTERNAL, 0, "can't start a thread for vCPU %u: %s", i, strerror(-err));
			others = i - 1;
		}
	}
	l->engine->loop(&l->thread[0]);
	for (i = 1; i <= others; i++) {
		pthread_join(l->thread[i].thread, NULL);
		l->thread[i].thread = 0;
	}
}

void *l1_main(void *arg)
{
	struct l1 *l = arg;
	unsigned int faults = 0;
	int err = crash_thread_begin(l->thread[0].v);

	if (err)
		machine_stop(&l->machine, STOP_INTERNAL, 0, "no alternate signal stack: %s", strerror(-err));
	power_on(l);
	if (l->turns.count > 1)
		turns_begin(&l->turns);
	do
		run_vcpus(l);
	while (goes_on(l, &faults));
	if (!err)
		crash_thread_end();
	l->ended(l->ended_arg);
	return NULL;
}
