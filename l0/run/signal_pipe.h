/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signals as something to poll. Not by signalfd(2): each signal of the process, to whatever thread, wakes whoever polls one, and vCPUs get
 * hundreds a second, whose threads pay for that. A thread in sigwaitinfo(2) is woken by its own.
 */
#ifndef L0_RUN_SIGNAL_PIPE_H
#define L0_RUN_SIGNAL_PIPE_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

struct signal_pipe {
	int fd; /* to poll: something has come; -1: closed */
	int write;
	pthread_t thread;
	sigset_t set;
};

/* The caller has blocked `set`, in all threads that there are. False: nothing is open; errno. */
bool signal_pipe_open(struct signal_pipe *p, const sigset_t *set);

/* The next signal that came; 0: none. Doesn't wait. */
int signal_pipe_read(struct signal_pipe *p);

/* Idempotent. */
void signal_pipe_close(struct signal_pipe *p);

#endif
