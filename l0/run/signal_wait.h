/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signals as something to poll. Not by signalfd(2): each signal of the process, to whatever thread, wakes whoever polls one, and vCPUs get
 * hundreds a second, whose threads pay for that. A thread in sigwaitinfo(2) is woken by its own.
 */
#ifndef L0_RUN_SIGNAL_WAIT_H
#define L0_RUN_SIGNAL_WAIT_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct signal_wait {
	int fd; /* eventfd, to poll: something has come; -1: closed */
	_Atomic uint64_t come; /* bit n: signal n */
	pthread_t thread;
	sigset_t set;
};

/* The caller has blocked `set` (signals below 64) in all threads that there are. False: nothing is open; errno. */
bool signal_wait_open(struct signal_wait *w, const sigset_t *set);

/* The next signal that came, the lowest first; 0: none. Doesn't wait. */
int signal_wait_read(struct signal_wait *w);

/* Idempotent. */
void signal_wait_close(struct signal_wait *w);

#endif
