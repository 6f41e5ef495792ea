/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What runs a guest's instructions. All else of a run is the same for every engine: the machine, its devices and its
 * console, the time limit, resets, stats, exit codes. run.c calls the engine, never the reverse.
 */
#ifndef L0_RUN_ENGINE_H
#define L0_RUN_ENGINE_H

#include "../account/stats.h"
#include "loop.h"

struct run_config;
struct cpu_model;

#define ENGINE_TABLES 5

struct engine {
	const char *name; /* as --engine spells it */
	bool own_irqchip; /* brings 8259s, I/O APIC, 8254 and local APICs: the machine's are not on its bus */
	/*
	 * Before the machine is created: can this host do it? May take features out of the model that the user didn't ask
	 * for. Returns 0, or the process's exit code with one line in `error`.
	 */
	int (*prepare)(struct cpu_model *model, char *error, size_t n);
	/*
	 * The machine and the vCPU (with its local APIC) exist; called by the thread that will call destroy(). Results as
	 * with prepare(); destroy() follows after a failure, too, and then also if create() was never called.
	 */
	int (*create)(struct vcpu_thread *t, const struct run_config *c, char *error, size_t n);
	void (*destroy)(struct vcpu_thread *t);
	/* The vCPU's thread, after each reset: *v has the state to start from, m's devices are reset. NULL: *v is all there is. */
	void (*power_on)(struct vcpu_thread *t);
	/*
	 * The vCPU's thread, before loop() goes on with a machine that was held: its host clock has stood still for so many ticks of the
	 * host's TSC. NULL: nobody but the clock knows the time.
	 */
	void (*resumed)(struct vcpu_thread *t, u64 ticks);
	/* The vCPU's thread: run until the machine stops. Then *v holds the guest's state. */
	void (*loop)(struct vcpu_thread *t);
	/* Guest instructions so far, 0 if nobody counts; any thread. */
	u64 (*insns)(const struct vcpu *v);
	/* The engine's numbers, one table or more; any thread, the values stay valid until the next call. Returns how many tables. */
	size_t (*stats)(struct vcpu_thread *t, struct stat_values tables[ENGINE_TABLES]);
};

extern const struct engine engine_bt; /* run/engine_bt.c */
extern const struct engine engine_direct; /* direct/engine_direct.c */
extern const struct engine engine_kvm; /* direct/kvm.c */

#endif
