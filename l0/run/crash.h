/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of the host: those that a guest's instruction earned go to the translator; all others are ours, and end the
 * process with a report that says where L0 was and what the guest was doing.
 */
#ifndef L0_RUN_CRASH_H
#define L0_RUN_CRASH_H

struct vcpu;
struct console;

/* Once in the process: signals have no other way to know. console: what to restore first; may be NULL. */
void crash_install(struct console *console);
/* The calling thread runs v: alternate signal stack, and whom a fault belongs to. */
int crash_thread_begin(struct vcpu *v);
/* The thread goes on with another vCPU. */
void crash_thread_vcpu(struct vcpu *v);
/* The vCPU that the thread runs, for signal handlers; NULL: none. */
struct vcpu *crash_thread_current(void);
void crash_thread_end(void);

#endif
