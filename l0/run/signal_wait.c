/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "signal_wait.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SIG_END (SIGRTMIN + 1) /* to the thread alone */

/* The bits first: who is woken by the descriptor finds them. */
static void note(struct signal_wait *w, uint64_t bits)
{
	atomic_fetch_or(&w->come, bits);
	eventfd_write(w->fd, 1);
}

static void *wait_for_signals(void *arg)
{
	struct signal_wait *w = arg;
	int signal;

	while ((signal = sigwaitinfo(&w->set, NULL)) != SIG_END)
		if (signal > 0)
			note(w, 1ull << signal);
	return NULL;
}

bool signal_wait_open(struct signal_wait *w, const sigset_t *set)
{
	sigset_t all, before;
	int result;

	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		return false;
	w->come = 0;
	w->set = *set;
	sigaddset(&w->set, SIG_END);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&w->thread, NULL, wait_for_signals, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!result)
		return true;
	close(w->fd);
	w->fd = -1;
	errno = result;
	return false;
}

int signal_wait_read(struct signal_wait *w)
{
	eventfd_t count;
	uint64_t come;
	int signal;

	eventfd_read(w->fd, &count);
	come = atomic_exchange(&w->come, 0);
	if (!come)
		return 0;
	signal = __builtin_ctzll(come);
	come &= come - 1;
	if (come)
		note(w, come);
	return signal;
}

void signal_wait_close(struct signal_wait *w)
{
	if (w->fd < 0)
		return;
	pthread_kill(w->thread, SIG_END);
	pthread_join(w->thread, NULL);
	close(w->fd);
	w->fd = -1;
}
