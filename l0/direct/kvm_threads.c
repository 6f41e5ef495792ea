/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The threads of a machine's other vCPUs. They outlive resets, so that whoever posts something to a vCPU always finds its thread:
 * between two loops they wait here.
 */
#include "kvm.h"

#include <errno.h>

#include "../machine/machine.h"
#include "../run/crash.h"

static void *thread_main(void *arg)
{
	struct direct *d = arg;
	struct kvm_threads *t = &d->machine->threads;
	bool report = !crash_thread_begin(d->thread->v);
	u64 turn = 0;
	bool quit;

	for (;;) {
		pthread_mutex_lock(&t->lock);
		while (!t->quit && t->turn == turn)
			pthread_cond_wait(&t->change, &t->lock);
		turn = t->turn;
		quit = t->quit;
		pthread_mutex_unlock(&t->lock);
		if (quit)
			break;
		kvm_vcpu_loop(d);
		pthread_mutex_lock(&t->lock);
		t->running--;
		pthread_cond_broadcast(&t->change);
		pthread_mutex_unlock(&t->lock);
	}
	if (report)
		crash_thread_end();
	return NULL;
}

bool kvm_threads_begin(struct kvm_machine *m)
{
	struct kvm_threads *t = &m->threads;

	while (t->started + 1 < m->machine->vcpu_count) {
		struct vcpu_thread *of = m->machine->vcpu[t->started + 1]->thread;
		int err = vcpu_thread_start(of, thread_main, of->direct);

		if (err) {
			errno = -err;
			return false;
		}
		t->started++;
	}
	pthread_mutex_lock(&t->lock);
	t->turn++;
	t->running = t->started;
	pthread_cond_broadcast(&t->change);
	pthread_mutex_unlock(&t->lock);
	return true;
}

void kvm_threads_wait(struct kvm_machine *m)
{
	struct kvm_threads *t = &m->threads;

	pthread_mutex_lock(&t->lock);
	while (t->running)
		pthread_cond_wait(&t->change, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

void kvm_threads_end(struct kvm_machine *m)
{
	struct kvm_threads *t = &m->threads;

	pthread_mutex_lock(&t->lock);
	t->quit = true;
	pthread_cond_broadcast(&t->change);
	pthread_mutex_unlock(&t->lock);
	for (; t->started; t->started--)
		pthread_join(m->machine->vcpu[t->started]->thread->thread, NULL);
}
