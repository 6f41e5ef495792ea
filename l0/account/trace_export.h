/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A trace in the formats of other tools. Each is fed the wanted records in turn.
 *
 *	chrome     Chrome's trace events as JSON, which Perfetto and chrome://tracing open: a process for the L1, tracks for L1 and L2 on each
 *	           vCPU, and on them what ran: L2 between an entry and an exit; on L1's track a slice for each round, in it a slice from each
 *	           exit of L1 to the next. A flow leads from L2's exit through the round to L2 again.
 *	csv        one row a record, its numbers in columns
 *	collapsed  stacks and how often, as flame graph tools want them: "L2;CPUID;VMREAD 70", with L1's functions between the
 *	           round's reason and the exit's where the trace has them; or how long: r->weight. With several vCPUs the first
 *	           frame is the vCPU: "vCPU 1;L2;CPUID;VMREAD 70"
 *	stats      what --stats would say of the rounds
 */
#ifndef L0_ACCOUNT_TRACE_EXPORT_H
#define L0_ACCOUNT_TRACE_EXPORT_H

#include "trace_read.h"

struct trace_export; /* one under way */

struct trace_exporter {
	const char *name;
	struct trace_export *(*begin)(FILE *to, const struct trace_reader *r); /* NULL: no memory */
	/* False: with one line in error[0..n-1] it can't go on. */
	bool (*record)(struct trace_export *e, const struct trace_record *record, char *error, size_t n);
	void (*end)(struct trace_export *e); /* completes the text */
};

/* by name; NULL ends the list */
extern const struct trace_exporter *const TRACE_EXPORTERS[];

#endif
