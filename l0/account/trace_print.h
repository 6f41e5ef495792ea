/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A trace's records as text. */
#ifndef L0_ACCOUNT_TRACE_PRINT_H
#define L0_ACCOUNT_TRACE_PRINT_H

#include "trace_read.h"

#define TRACE_TEXT 256 /* bytes that trace_describe() needs at most */

/*
 * What the exit or entry was about, in words: "out 1 byte to port 0x3f8: 0x41". "" if there is nothing to say beyond the
 * reason. SDM vol. 3, "Basic VM-Exit Information".
 */
void trace_describe(const struct trace_reader *r, const struct trace_record *record, char text[TRACE_TEXT]);

/* KVM's tracepoint for the kind of record: "kvm_exit", ... */
const char *trace_event(const struct trace_record *record);

/*
 * One line in the manner of perf script, and those of trace_print_stack():
 *	a L2     0.123456789: kvm_nested_vmexit: reason CPUID rip 0x... insns 123 round 4 | leaf 0x1 subleaf 0x0
 * With several vCPUs the record's is behind the level: "a L2 [001]     0.123456789: ...".
 */
void trace_print(FILE *to, const struct trace_reader *r, const struct trace_record *record);

#endif
