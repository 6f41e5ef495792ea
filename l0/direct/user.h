/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of direct.h share. */
#ifndef L0_DIRECT_USER_H
#define L0_DIRECT_USER_H

#include <linux/kvm.h>
#include <time.h>

#include "../cpu/tlb.h"
#include "direct.h"
#include "monitor.h"
#include "probe.h"
#include "rule.h"
#include "run_timer.h"
#include "stats.h"
#include "user_policy.h"
#include "vector_state.h"

struct direct_machine {
	struct machine *machine;
	int kvm, vm; /* file descriptors; -1: none */
	struct rule_host host;
	struct sensitive_set sensitive;
	/* A byte for each page of RAM, as memory->flags: some space lets it be written. Bytes alone, since several vCPUs set them. */
	u8 *writable;
	_Atomic u64 epoch; /* changes when every space of every vCPU has to go */
	bool eager; /* whenever it is allowed, for tests */
	/*
	 * Pages with absent instructions (sensitive.h) are translated, where those are #UD. As long as this is false only where the code that is
	 * about to run leads to one: libraries have a version of each string function for each CPU on the same pages, and choose by CPUID. Once
	 * somebody was seen to have used AVX-512, it is true.
	 */
	_Atomic bool absent_is_ud;
	bool vt; /* L2s run on VT: vt.h */
	struct direct_stats totals; /* as of the last look */
	_Atomic bool broken; /* KVM has failed once: no more of it */
};

/* One for each context of the soft TLB */
struct user_space {
	struct space space;
	u64 small[4]; /* 2 MiB regions + 1 that are mapped by 4 KiB pages only: code was in one */
	u8 small_next;
};

/* Selectors that were tried: does code read back what it was given? */
struct tried_segments {
	u16 sel[6]; /* ES..GS */
	bool valid, bits32, fits;
};
#define TRIED_SEGMENTS 16

struct direct_vcpu {
	struct vcpu *v;
	struct direct_machine *machine;
	struct monitor_cpu cpu;
	struct user_space spaces[TLB_CONTEXTS];
	struct user_policies policies;
	u64 epoch; /* the machine's, as of the last look */
	_Atomic u32 inside; /* in KVM_RUN, or about to be */
	struct kvm_run *_Atomic running; /* whose run that is; set before `inside` */
	_Atomic pid_t tid; /* of the thread that runs it, or was the last one */
	struct run_timer timer;
	u64 since; /* v->insns when the code that runs now was first seen to be in user mode */
	u8 returning; /* so many slices are short ones: user_general.c */
	bool translate; /* the next slice has to be translated: something waits that only the translator can do */
	u64 entry_ns; /* what an entry costs, as far as is known; 0: it isn't */
	struct tried_segments tried[TRIED_SEGMENTS];
	u8 tried_next;
	struct space try; /* for that */
	struct vector_state vector;
	struct vt_vcpu *vt; /* vt.h; NULL: L2s don't run on VT */
	/* of the current run: */
	struct user_policy *policy; /* of the code that runs */
	bool taken; /* all state is in *v */
	bool entered; /* L2 has run on VT */
	u64 start_ns; /* CLOCK_MONOTONIC */
	u64 unwound_ns; /* the same: it may be left by v->unwind, or was, and isn't accounted for; 0: not so */
	u64 inside_ns; /* of that in KVM_RUN, in so many entries */
	u32 entries;
	struct left left;
	u64 fault; /* the last page fault's address + 1, to see that there is progress */
	struct direct_stats stats;
};

/* user_memory.c */

/* The space of v->tlb, without what was invalidated since. NULL: KVM has failed. */
struct user_space *user_space_current(struct direct_vcpu *d);
/* Is `linear` mapped with these rights (ACC_*)? */
bool user_mapped(const struct direct_vcpu *d, const struct user_space *u, u64 linear, unsigned int access);
/*
 * Map the page at `linear`, for an access (ACC_READ, ACC_WRITE or ACC_EXEC) that is going to happen, and some that are near. May take all
 * state into *v and leave by v->unwind. False: this access is for the translator.
 */
bool user_fill(struct direct_vcpu *d, struct user_space *u, u64 linear, unsigned int access);

/* user_code.c: may what is mapped executable on the page at gpa run directly, beginning at `linear`? Is alone for a moment if it wasn't looked at. */
bool user_code_fits(struct direct_vcpu *d, const struct user_space *u, u64 linear, u64 gpa);

/*
 * user.c: nobody wants the vCPU's thread, and no space of it was dropped since that epoch. After d->inside was set: whoever comes later sees that.
 */
bool direct_may_go_on(const struct direct_vcpu *d, u64 epoch);
/* All state into *v; idempotent */
void user_take_state(struct direct_vcpu *d);

/* user_general.c */

/* ns of the first `ns` of the current run that went into coming in, and into what L0 did meanwhile */
u64 user_cost(const struct direct_vcpu *d, u64 ns);
/* The run was over at `now`: account for it. interrupted: something from outside has ended it. */
void user_settle(struct direct_vcpu *d, u64 now, bool interrupted);

#endif
