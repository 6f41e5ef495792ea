/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of a trace's file as bytes, vCPU by vCPU: where the next one of each is. With one vCPU the file may be a pipe; with several
 * their pieces are looked for, so that what comes through a pipe is put into a temporary file first.
 */
#ifndef L0_ACCOUNT_TRACE_SOURCE_H
#define L0_ACCOUNT_TRACE_SOURCE_H

#include <stdio.h>

#include "trace_file.h"

struct trace_place;

struct trace_source {
	FILE *f; /* the caller's, or the temporary file */
	FILE *own; /* the temporary file; NULL: none */
	u64 header_size, size; /* of the file, bytes */
	u32 record_size;
	u64 piece; /* bytes; 0: the records are one sequence */
	unsigned int vcpus;
	struct trace_place *place; /* by vCPU */
	int error; /* errno: it can't be read any further; 0: none */
};

/*
 * f: open, read up to the end of the header h. vcpus: 1..TRACE_VCPUS; piece: a multiple of the record's size, 0 with one vCPU. Returns 0
 * or -errno.
 */
int trace_source_open(struct trace_source *s, FILE *f, const struct trace_header *h, unsigned int vcpus, u64 piece);
void trace_source_close(struct trace_source *s);

/* A vCPU's next record into raw[0..record_size-1]. Returns the bytes that there are; fewer than a record has: the file ends. */
size_t trace_source_next(struct trace_source *s, unsigned int vcpu, u8 *raw);

bool trace_all_zero(const u8 *p, size_t n);

#endif
