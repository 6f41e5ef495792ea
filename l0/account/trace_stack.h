/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A record's call stack as text. */
#ifndef L0_ACCOUNT_TRACE_STACK_H
#define L0_ACCOUNT_TRACE_STACK_H

#include "trace_read.h"

#define TRACE_FUNCTION 256 /* bytes that a function's name has at most here */

/*
 * The frames of the record that was read last: 0 is the exiting instruction's, the others are the callers', outermost last. 0: it has no
 * stack, and no symbols are loaded that could name the instruction.
 */
unsigned int trace_frames(const struct trace_reader *r, const struct trace_record *record);

/* The function of a frame: its name; its address if no symbol is known. */
void trace_function(const struct trace_reader *r, const struct trace_record *record, unsigned int frame,
		    char text[TRACE_FUNCTION]);

/* A line for each frame in the manner of perf script: "\tffffffffc05a816a vmx_handle_exit+0x1a [kvm_intel]" */
void trace_print_stack(FILE *to, const struct trace_reader *r, const struct trace_record *record);

#endif
