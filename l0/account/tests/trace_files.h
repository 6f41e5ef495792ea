/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of trace files: one is made in a folder of its own, filled, and read. */
#ifndef L0_ACCOUNT_TESTS_TRACE_FILES_H
#define L0_ACCOUNT_TESTS_TRACE_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../vmx/vmx.h"
#include "../trace.h"
#include "../trace_read.h"

static char folder[] = "/tmp/turtles-trace-XXXXXX", path[64];
static char *argv[] = { "turtles", "run", "--kernel", "K\xff" };
static struct trace_run run = {
	.vcpus = 1, .name = "m\"1\"", .counted = true, .start_tsc = 1000, .tsc_hz = 2000000000, .argc = 4, .argv = argv
};
static struct trace_options options;
static char error[512];

static inline int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/trace", folder);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static inline struct traces *create_for(unsigned int vcpus)
{
	struct trace_run several = run;
	struct traces *ts;

	several.vcpus = vcpus;
	snprintf(options.path, sizeof(options.path), "%s", path);
	ts = traces_create(&options, &several, error, sizeof(error));
	if (!ts)
		fail_msg("%s", error);
	return ts;
}

static inline bool append(struct trace *t, struct trace_record record)
{
	if (t->next == t->end && !trace_extend(t))
		return false;
	*t->next++ = record;
	return true;
}

static inline struct trace_record served(u32 reason, u64 n)
{
	return (struct trace_record){ .kind = TRACE_SERVED, .level = 1, .reason = reason, .time = n, .insns = n, .rip = n };
}

static inline void open_trace(struct trace_reader *r)
{
	if (trace_read_open(r, path, error, sizeof(error)))
		fail_msg("%s", error);
}

/* Records in the file; what the reader complains about is in `error`. */
static inline u64 count_records(bool *bad)
{
	struct trace_reader r;
	struct trace_record record;
	u64 n = 0;

	open_trace(&r);
	while (trace_read(&r, &record))
		n++;
	error[0] = '\0';
	trace_complaint(&r, error, sizeof(error), bad);
	trace_read_close(&r);
	return n;
}

#endif
