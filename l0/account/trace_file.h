/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of `turtles run --trace FILE`, written by trace.h and read by trace_read.h. With one vCPU it is
 *
 *	struct trace_header | JSON text | zeros up to header_size | struct trace_record ... | zeros
 *
 * and with several, behind header_size, pieces of one size, of which the last may be shorter. A piece is one vCPU's, that of its first
 * record, and holds records in their order, then zeros; a vCPU's pieces are in their order, too. Who wants the order of time merges.
 *
 * Numbers are little-endian, as on the hosts there are. The JSON text names what the records only number, so that a turtles that
 * knows other exit reasons or checks can read the file, and says what ran where:
 *
 *	{ "name": machine, "reasons": { "CPUID": 10, ... }, "checks": { name: number, ... }, "stacks": N, "vcpus": N,
 *	  "piece": bytes, "host": { ... }, "command": [ ... ] }
 *
 * "stacks" is there if every Nth exit of L1 has its stack: records of kind TRACE_STACK behind its own. Without it there are none. "vcpus" and "piece" are there with several
 * vCPUs.
 *
 * With --clock insns two runs with the same input differ in "host" and "command" at most.
 *
 * What is behind the last record is zeros, and no record's first byte is zero: a file whose writer was killed, or a piece, ends where
 * a record begins with zero. One that was closed says how many records it has, and what happened.
 */
#ifndef L0_ACCOUNT_TRACE_FILE_H
#define L0_ACCOUNT_TRACE_FILE_H

#include <stddef.h>

#include "../cpu/types.h"

#define TRACE_MAGIC "TURTLES\x01" /* 8 bytes; the last can't be in a text */
/* Another version: records or header mean something else; what is only added is no new one. */
#define TRACE_VERSION 1 /* one vCPU */
#define TRACE_VERSION_PIECES 2 /* several */
#define TRACE_VCPUS 256 /* at most: a record's vcpu is a byte */

/* Exit reasons that a file can have: basic reasons are numbered by the SDM, which is at 78. */
#define TRACE_REASONS 128

enum trace_clock { TRACE_HOST, TRACE_INSNS }; /* --clock */

enum trace_state {
	TRACE_OPEN, /* being written, or its writer was killed */
	TRACE_COMPLETE,
	TRACE_LIMIT, /* limit=SIZE was reached: the run went on */
	TRACE_NO_SPACE, /* the disk was full: the run went on */
};

struct trace_header {
	char magic[8];
	u32 version;
	u32 header_size; /* bytes: where the first record is */
	u32 record_size; /* bytes; more than struct trace_record has: what is behind it may be ignored */
	u32 text_size; /* bytes of JSON text behind this struct */
	u32 clock; /* enum trace_clock */
	u32 state; /* enum trace_state */
	u64 ticks, ns; /* so many ticks of a record's time are so many nanoseconds; exact only when state isn't TRACE_OPEN */
	u64 records; /* how many there are; 0 until the file is closed, but that one of one vCPU has it when its state isn't TRACE_OPEN */
	u64 reasons[TRACE_REASONS / 64]; /* the filter at record time: bit n is reason n; all ones: none */
};

/* What happened. kind is no number of another meaning ever: readers refuse what they don't know. */
/* clang-format off */
#define TRACE_KINDS(K) /* name, tracepoint of Linux' KVM that says the same */ \
	K(SERVED,    "kvm_exit")                    /* an exit of L1, or one of L2 that L1 doesn't get to see: L0 does it */ \
	K(REFLECTED, "kvm_nested_vmexit")           /* an exit of L2 to L1: a round begins */ \
	K(ENTERED,   "kvm_entry")                   /* L1 has entered L2: the round ends */ \
	K(REFUSED,   "kvm_nested_vmenter_failed")   /* VMLAUNCH or VMRESUME failed a check: info is its number */ \
	K(FAILED,    "kvm_nested_vmexit_inject")    /* the VM exit of an entry that failed; bit 31 of reason is set */
/* clang-format on */

enum trace_kind {
	TRACE_END, /* no record */
#define K(name, tracepoint) TRACE_##name,
	TRACE_KINDS(K)
#undef K
		TRACE_KIND_COUNT,
};

#define TRACE_DONE 1 /* flags: VMREAD or VMWRITE has succeeded, data is the value */

struct trace_record {
	u8 kind; /* enum trace_kind */
	u8 level; /* who exited or was entered: 1; 2: whatever runs under L1, an L3 too */
	u8 vcpu;
	u8 flags;
	u32 reason; /* basic exit reason; TRACE_ENTERED, TRACE_REFUSED: 0 */
	/* ticks since power-on: TRACE_HOST of the host's TSC, TRACE_INSNS instructions of all vCPUs and time spent halted, in ns */
	u64 time;
	u64 insns; /* guest instructions retired so far by the vCPU */
	u64 rip; /* of the exiting instruction; TRACE_ENTERED: L2's */
	u64 round; /* number of the vCPU's round that this belongs to, from 1; 0: none is open */
	u64 qualification; /* as a VMCS has it, where L0 or the SDM knows one */
	/*
	 * EPT_VIOLATION, EPT_MISCONFIG: guest-physical address; VMREAD, VMWRITE: field encoding; CPUID: leaf, subleaf << 32;
	 * MSR_READ, MSR_WRITE: the MSR; XSETBV: ECX; VMCALL: RAX; TRACE_REFUSED: the check; others: guest-linear address
	 */
	u64 info;
	/*
	 * VMREAD, VMWRITE: the value, with TRACE_DONE; MSR_WRITE, XSETBV: EDX:EAX; OUT: the value; EXCEPTION_NMI,
	 * EXTERNAL_INTERRUPT: interruption information, error code << 32; TRACE_ENTERED: the same of the injected event; others of
	 * L2: the same of the event that was being delivered
	 */
	u64 data;
};

/*
 * The calls in L1 that led to the exit in the record before, in one of these or several; one with count 0 has none: nobody called,
 * or there is no way to find out.
 */
#define TRACE_STACK 0x80 /* kind */
#define TRACE_STACK_ADDRESSES 7

struct trace_stack {
	u8 kind; /* TRACE_STACK */
	u8 count; /* of pc[] that are used */
	u8 vcpu;
	u8 unused[5];
	u64 pc[TRACE_STACK_ADDRESSES]; /* return addresses, innermost first */
};

_Static_assert(sizeof(struct trace_header) == 72 && sizeof(struct trace_record) == 64 &&
		       sizeof(struct trace_stack) == sizeof(struct trace_record) &&
		       offsetof(struct trace_stack, vcpu) == offsetof(struct trace_record, vcpu),
	       "the file's layout has no holes");

/* Is a reason in a filter's bits? Wanted are records of such reasons, and those in a round that such a reason has opened. */
static inline bool trace_wants(const u64 *reasons, unsigned int reason)
{
	return reason < TRACE_REASONS && (reasons[reason / 64] >> reason % 64 & 1);
}

#endif
