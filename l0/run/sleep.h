/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sleeping in HLT, and being woken by other threads. */
#ifndef L0_RUN_SLEEP_H
#define L0_RUN_SLEEP_H

#include "loop.h"

/* Sleep until an event is posted or the machine's clock reaches `deadline` (ns; TIMER_OFF: never). */
void sleep_until(struct vcpu_thread *t, u64 deadline);

/* With RFLAGS.IF clear: is there anything that could end HLT (an NMI on its way)? */
bool sleep_can_wake(const struct vcpu *v);

#endif
