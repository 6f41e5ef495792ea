/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several vCPUs of one machine on one host thread, in turns: each has its own stack, and gives way after every slice, in HLT and
 * in PAUSE. Only one runs at a time, so all they share (memory, code cache, devices) is in order by itself, and with
 * the instruction clock a run with several vCPUs is as repeatable as with one.
 */
#ifndef L0_RUN_TURNS_H
#define L0_RUN_TURNS_H

#include "loop.h"

struct turns {
	struct vcpu_thread *all; /* by vCPU number; the first one's stack is the host thread's */
	unsigned int count;
	unsigned int current;
};

/* On the first vCPU's host thread, before its loop: the others' loops begin at their first turn. */
void turns_begin(struct turns *t);

/*
 * Give way: returns when it is this vCPU's turn again. Between two guest instructions, all state in *v. False, at once: no other
 * vCPU has anything to do.
 */
bool turn_take(struct vcpu_thread *t);

/* vCPU `v` has nothing to do until something is posted to it. */
bool turn_idle(const struct vcpu_thread *t);

#endif
