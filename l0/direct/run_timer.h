/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A timer that interrupts KVM_RUN on the thread that runs a vCPU directly. */
#ifndef L0_DIRECT_RUN_TIMER_H
#define L0_DIRECT_RUN_TIMER_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "../cpu/types.h"

struct kvm_run;

/* Zeroed: none */
struct run_timer {
	pid_t tid; /* of the thread that has made it; 0: none */
	timer_t timer;
	u64 until; /* CLOCK_MONOTONIC: when it was last told to fire; 0: never */
};

u64 run_timer_now(void);
/* For the calling thread; it may be another one after a reset. False: errno */
bool run_timer_make(struct run_timer *t, struct kvm_run *run);
/* In ns; once run->immediate_exit is 0. One that fires earlier does as well: it isn't set anew each time. */
void run_timer_set(struct run_timer *t, u64 ns);
void run_timer_destroy(struct run_timer *t);

#endif
