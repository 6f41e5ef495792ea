/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing a trace: trace_file.h says what is in it, vmx/count.c what is recorded when.
 *
 * Records are stored into a mapping of the file, not into a ring that somebody drains. What a round costs is 64 bytes into the page
 * cache and a minor fault each 64 records: no system call, no copy, no second thread on hosts where the vCPU has the only
 * core. The kernel has a record as soon as it is stored, so that killing turtles, or a crash of it, loses none: those are the
 * records that one wants to see. The file grows in big steps whose blocks are reserved, so that a full disk is an error of
 * one call and no SIGBUS later; the few pages behind the last record are cut off at the end. Only somebody who shortens the file
 * while it is written can still harm the run: a second run with the same FILE makes a new one.
 *
 * A vCPU's trace has one writer, its thread: no atomics, no lock. The file is one, and each vCPU has pieces of it to itself: trace_extend()
 * maps the next one, behind all that there are. One piece stays mapped behind the one that is written.
 */
#ifndef L0_ACCOUNT_TRACE_H
#define L0_ACCOUNT_TRACE_H

#include <limits.h>

#include "trace_file.h"

struct stacks;

/* --trace FILE[,reasons=R:R...][,limit=SIZE][,stacks=all|N] */
struct trace_options {
	char path[PATH_MAX]; /* "": no trace */
	u64 reasons[TRACE_REASONS / 64]; /* see trace_wants(); all zero: every record */
	u64 limit; /* bytes of the file; 0: none */
	u64 stacks; /* every so manieth exit of L1 has its stack, on each vCPU; 0: none has */
};

struct traces;

struct trace { /* a vCPU's */
	struct trace_record *next, *end; /* where the next record goes, in the mapped piece */
	struct trace_record *access; /* of the last VMREAD or VMWRITE; NULL: it isn't recorded. In a piece that is mapped */
	u64 start; /* TSC at the machine's start */
	bool counted; /* --clock insns: time is instructions */
	bool filtered;
	u64 reasons[TRACE_REASONS / 64];
	struct stacks *stacks; /* stacks.h; NULL: none are wanted */
	u64 every, wait; /* with stacks: the next one is that of the exit after this many */

	/* trace_create.c's */
	struct traces *of;
	void *piece, *before; /* mapped: the one that is written, the one before it; NULL: none */
	u64 piece_at; /* where it is in the file */
	u64 piece_size, before_size; /* bytes */
	u64 records; /* in pieces before the mapped one */
};

/* What the file's header says of the run. */
struct trace_run {
	const char *name; /* of the machine */
	unsigned int vcpus;
	bool counted; /* --clock insns */
	u64 start_tsc, tsc_hz; /* the host's TSC at the machine's start, and how fast it is */
	const char *kernel; /* the guest's, a file */
	int argc;
	char **argv;
};

/*
 * A new file at o->path: a regular file there is replaced, not written over, for it may be the trace of a run that still
 * writes. Returns NULL with one line in error[0..n-1].
 */
struct traces *traces_create(const struct trace_options *o, const struct trace_run *run, char *error, size_t n);

#define TRACE_SYMBOLS ".kallsyms" /* behind the file's name: its guest's symbols */

/*
 * The file at `path`, which is complete, becomes path.N, and path.kallsyms path.N.kallsyms: the next traces_create() doesn't replace it. 0 or
 * -errno; it is no error if the file isn't there any more.
 */
int trace_keep(const char *path, u64 number);
/* Is `name` a name that trace_keep() gives to path with `suffix` ("" or TRACE_SYMBOLS)? By the names alone. */
bool trace_is_kept(const char *name, const char *path, const char *suffix);

/* That of vCPU `index` */
struct trace *traces_of(struct traces *ts, unsigned int index);

/*
 * The mapped piece is full: map the next one. False if there is none: the limit is reached or the disk is full, which is
 * told on stderr; then t->next == t->end for good. Plain C: the guest's vector state has to be parked.
 */
bool trace_extend(struct trace *t);

/*
 * Complete the header, cut the file to its records, unmap and free. With stacks of a Linux guest its symbols are left in FILE.kallsyms.
 * The vCPUs' threads are done. ticks, ns: the exact pair for the header, not used with --clock insns. Returns 0, or the errno that
 * ended the trace early (a limit is none).
 */
int traces_close(struct traces *ts, u64 ticks, u64 ns);

#endif
