/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exits by level and reason, and what L1 makes of each exit of L2.
 *
 * A round begins with an exit of L2 that L1 gets to see and ends with L1's next successful VM entry. On hardware every exit of
 * L1 within it is a full exit to L0: how many there are is the round's amplification. L0 here need not leave translated code
 * for all of them; they are counted all the same, where the instruction is done that would have exited.
 *
 * What counts as an exit of L1: VMX instructions, CPUID, XSETBV, I/O, HLT, RDMSR and WRMSR, and accesses to device memory
 * (EPT_VIOLATION). Not the MSRs that the kernel's KVM lets its guests have without an exit, nor interrupts that arrive for L1.
 *
 * One writer, the vCPU's thread, and it waits for nobody: a number is stored in one piece, and a row whose numbers have to fit each other
 * has a version, odd while they don't. Whoever else wants to look while the vCPU runs takes a copy, rounds_copy(), which reads a row
 * again if its version has moved. Stores are releases and loads acquires, so that neither moves past the version's: plain moves on this
 * CPU, and two more of them a round.
 */
#ifndef L0_ACCOUNT_ROUNDS_H
#define L0_ACCOUNT_ROUNDS_H

#include <stdbool.h>

#include "../../vmcs-shadow/entry_checks.h"
#include "../../vmcs-shadow/vmcs_fields.h"
#include "../cpu/types.h"
#include "../vmx/exits.h"

struct round_row {
	u64 count; /* exits of L2 that L1 got */
	u64 ended; /* rounds that ended with an entry: what the sums below are over */
	u64 tsc, insns; /* sums over these rounds: ticks of the host's TSC, guest instructions (L1's) */
	u64 tsc_min, tsc_max; /* of a single one; 0: none has ended */
	u64 version; /* of what is above */
	u64 l1[VM_EXIT_REASONS]; /* exits of L1 in them, and in the one that is under way */
};

struct rounds {
	struct round_row row[VM_EXIT_REASONS]; /* by L2's exit reason */
	u64 l1[VM_EXIT_REASONS]; /* all exits of L1, in rounds or not */
	u64 l2_own[VM_EXIT_REASONS]; /* exits of L2 that L0 served without L1 */
	u64 vmread[VMCS_FIELD_COUNT], vmwrite[VMCS_FIELD_COUNT]; /* L1's, by field */
	u64 vmcs_callouts; /* VMREAD and VMWRITE of L1 that left translated code */
	u64 failed[VMX_CHECK_COUNT]; /* VMLAUNCH and VMRESUME that didn't get into L2, by the check that said so */
	enum vmx_check first_failed; /* the check of the first one; VMX_CHECK_OK: none failed */

	struct round_row *open; /* of the round under way; NULL: none is */
	u64 open_tsc, open_insns;
	u64 number; /* of the last round that began; the first is 1 */
	bool untimed; /* loaded from a file that has no time */
	u64 start_tsc, start_ns; /* one moment by two clocks, */
	u64 end_tsc, end_ns; /* and another: what a tick is; 0: now */
};

/* For one writer */
static inline void count_one(u64 *number)
{
	__atomic_store_n(number, *number + 1, __ATOMIC_RELAXED);
}

/* rounds_report.c */
void rounds_init(struct rounds *r);
/* The run is over: from now on a tick is what it was up to now, whenever the rounds are reported. */
void rounds_end(struct rounds *r);

/* What `from` is now, though its vCPU runs. No round is open in the copy. */
void rounds_copy(struct rounds *to, const struct rounds *from);

/* Another vCPU's to these; they have begun and ended together. */
void rounds_add(struct rounds *to, const struct rounds *from);

/* L2 has exited to L1. tsc: the host's; insns: guest instructions retired so far. */
void rounds_reflect_at(struct rounds *r, unsigned int reason, u64 tsc, u64 insns);
/* L1 has entered L2. */
void rounds_enter_at(struct rounds *r, u64 tsc, u64 insns);

/* The same, now. */
void rounds_reflect(struct rounds *r, unsigned int reason, u64 insns);
void rounds_enter(struct rounds *r, u64 insns);

/* So many ticks of the host's TSC up to now are nobody's: the machine was held. */
void rounds_stood_still(struct rounds *r, u64 ticks);

/* A check of VM entry failed. */
static inline void rounds_failed(struct rounds *r, enum vmx_check check)
{
	count_one(&r->failed[check]);
	if (r->first_failed == VMX_CHECK_OK)
		r->first_failed = check;
}

static inline void rounds_exit(struct rounds *r, bool l2, unsigned int reason)
{
	if (l2) {
		count_one(&r->l2_own[reason]);
		return;
	}
	count_one(&r->l1[reason]);
	if (r->open)
		count_one(&r->open->l1[reason]);
}

#endif
