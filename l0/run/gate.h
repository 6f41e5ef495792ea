/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the vCPUs of a machine meet that run on threads of their own (machine.parallel).
 *
 * A vCPU is *inside* while it may touch guest memory or the code cache: in its loop, in translated code, in what that calls. It is
 * outside while it sleeps, and for a moment after each slice if somebody waits for that. One vCPU can be *alone*: then all others are
 * outside and stay there, and what it does to shared state they find done. That is for what is rare and can't be done to a
 * running vCPU: a page of RAM begins to hold translated code, so that no TLB entry may write there any longer; the code cache is
 * emptied; a locked access that can't be a host instruction on the memory itself.
 *
 * Where a machine has one thread nobody else is there, and every function below is a test of a flag.
 */
#ifndef L0_RUN_GATE_H
#define L0_RUN_GATE_H

#include "../machine/machine.h"
#include "../cpu/vcpu.h"

/* A vCPU's thread, when nothing of the guest is under way: in and out. gate_in() waits while another vCPU is alone. */
void gate_in(struct vcpu *v);
void gate_out(struct vcpu *v);

/* Between two guest instructions, all state in *v: let go first who waits to be alone. */
static inline void gate_pass(struct vcpu *v)
{
	if (!v->machine->parallel || !atomic_load_explicit(&v->machine->gate.closed, memory_order_relaxed))
		return;
	gate_out(v);
	gate_in(v);
}

/*
 * Be alone, from inside; nests. Not while holding a lock that vCPUs take inside. Others may have been alone before it was this
 * one's turn: what was known of shared state isn't, any more.
 */
void gate_alone(struct vcpu *v);
void gate_open(struct vcpu *v);
/* All of it that is still in force: for who left by longjmp() */
void gate_reopen(struct vcpu *v);

#endif
