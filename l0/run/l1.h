/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One L1: its machine, its vCPUs and their threads, its life from power-on to its end. Nothing in here knows of another L1:
 * whoever has several (lab.h) has one struct for each.
 *
 * Two kinds of threads meet here. The owner creates, starts, joins and destroys, and is the only one who reports. The L1's own thread,
 * that of its first vCPU, runs the engine and does what a reset or a sleep of the machine needs (life.c).
 */
#ifndef L0_RUN_L1_H
#define L0_RUN_L1_H

#include "../cli/config.h"
#include "../cpu/model.h"
#include "../machine/machine.h"
#include "engine.h"
#include "loop.h"
#include "pace.h"
#include "turns.h"

struct console;
struct l1;
struct place;
struct traces;

/* What happens to an L1, for its owner */
enum l1_event {
	L1_ENDED, /* the last thing that its thread does: l1_join() won't wait any more */
	L1_HELD, /* it stands still since l1_hold() */
	L1_RESET_BY_GUEST,
	L1_RESET_BY_OWNER,
	L1_SUSPENDED, /* ACPI S3 */
	L1_WOKEN,
};

struct l1_port {
	struct l1 *l1;
	unsigned int index;
};

struct l1 {
	const struct run_config *config;
	const struct engine *engine;
	FILE *log; /* as in struct machine */
	struct cpu_model model;
	struct machine machine;
	struct vcpu *vcpu[VCPUS_MAX];
	struct vcpu_thread thread[VCPUS_MAX];
	struct turns turns;
	struct console *console; /* the serial ports' other side: before l1_start() */
	unsigned int console_port; /* what the console calls the first of them */
	struct l1_port port[SERIAL_PORTS];
	void (*tell)(void *arg, enum l1_event event); /* on the L1's thread; it doesn't wait for anybody */
	void *tell_arg;
	pthread_mutex_t lock; /* of `hold` */
	pthread_cond_t changed; /* `hold`, or machine.stop */
	bool hold; /* l1_hold() */
	_Atomic bool reset_asked; /* l1_reset() */
	const struct place *place; /* where its threads run; NULL: anywhere. With its number there: before l1_start() */
	unsigned int number;
	int nice; /* of its threads; 0 is what the process has, if nobody has said otherwise */
	struct pace pace; /* with a cap */
	struct traces *traces; /* --trace; NULL: none */
	u64 start_ns, end_ns; /* CLOCK_MONOTONIC; end_ns: 0 while it runs */
};

/*
 * Build what `c` describes, up to power-on; *c, its strings and log outlive the L1. Returns 0, or the process's exit code with one
 * line in error[0..n-1]; l1_destroy() follows in any case.
 */
int l1_create(struct l1 *l, const struct run_config *c, FILE *log, char *error, size_t n);
void l1_destroy(struct l1 *l);

/* Power on: the L1's thread runs. tell and tell_arg are set, and hold if it is to stand still at its first instruction. 0 or -errno. */
int l1_start(struct l1 *l);

/*
 * Between l1_start() and l1_join(): it is to stand still, L1_HELD says when it does, or L1_ENDED; its clock does, too. It may go on. As the
 * machine's reset line. It is to end: machine_stop()'s arguments.
 */
void l1_hold(struct l1 *l);
void l1_continue(struct l1 *l);
void l1_reset(struct l1 *l);
void l1_stop(struct l1 *l, enum stop_reason reason, int code, const char *why);
/*
 * It was to end and doesn't: a defect of L0's. The process ends with the report of crash.h, of the vCPU for which all others wait as far as
 * can be seen. The report comes from that vCPU's thread, a moment after this has returned.
 */
void l1_abort(struct l1 *l);

/* After L1_ENDED, or before: nothing of it runs any more. */
void l1_join(struct l1 *l);

/* After l1_join(): what was counted up to now is what stats, summary and trace say. False: the trace isn't whole. */
bool l1_end_account(struct l1 *l);

/* After l1_join(): the exit code of its run, as README lists them. */
int l1_exit_code(const struct l1 *l);

/* After l1_join(): all registers, and a hypervisor's VMCS, on stderr. */
void l1_dump(struct l1 *l);

/* The owner's thread, at any time between create and destroy. */
u64 l1_insns(const struct l1 *l);
u64 l1_user_ns(const struct l1 *l);

/*
 * The L1's threads, before a vCPU goes on: the machine may have had to stop while it waited for a reader of a serial port, and then it
 * waits again, but not if the machine has to stop again.
 */
void l1_wait_for_reader(struct vcpu_thread *t);

/* life.c: the L1's thread. arg: its struct l1 */
void *l1_main(void *arg);

/* CLOCK_MONOTONIC */
u64 l1_host_ns(void);

#endif
