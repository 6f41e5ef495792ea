/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a trace: from a file or a pipe, record by record, whatever is in it. What a damaged or shortened file has lost is left
 * out, counted, and told by trace_complaint(). Records come in the order of time, those of one moment by their vCPUs' numbers.
 */
#ifndef L0_ACCOUNT_TRACE_READ_H
#define L0_ACCOUNT_TRACE_READ_H

#include <jansson.h>
#include <stdio.h>

#include "rounds.h"
#include "stack_reader.h"
#include "trace_file.h"
#include "trace_source.h"

struct symbols;

enum trace_weight { TRACE_WEIGHT_COUNT, TRACE_WEIGHT_NS, TRACE_WEIGHT_INSNS };

/* Where the reading of a vCPU's records is */
struct trace_cursor {
	bool has_ahead, at_end;
	struct trace_record ahead; /* its next record */
	unsigned int open_reason; /* of the round that is open before that, plus 1; 0: none, or unknown */
};

struct trace_reader {
	const char *path; /* as given; "-": standard input */
	FILE *f;
	struct trace_header header;
	json_t *text; /* the header's JSON object */
	const char *machine; /* "?" if the header doesn't say */
	const char *reason_names[TRACE_REASONS]; /* the file's own; "reason N" where it has none */
	char unnamed[TRACE_REASONS][12];
	unsigned int vcpus;
	struct trace_source source;
	struct trace_cursor *cursor; /* by vCPU */
	u8 *raw; /* one record as the file has it */

	u64 records; /* read so far, damaged ones included */
	u64 damaged, first_damaged; /* how many, and the number of the first, from 1 */
	bool cut; /* the file ends within a record, or has fewer than the header says */

	/* What trace_read() knows besides of the record that it read last */
	u64 every; /* of so many exits of L1 one has its stack; 0: none has */
	bool has_stack; /* it is one of them */
	unsigned int stack_count;
	u64 stack[STACK_DEPTH]; /* return addresses, innermost first */
	unsigned int open_reason; /* of its vCPU's round, if it is in one, plus 1; 0: it isn't, or unknown */
	const struct trace_record *next; /* its vCPU's next one; NULL: it was the last */

	/* The caller's, for those who print */
	const struct symbols *symbols; /* NULL: addresses stay numbers */
	enum trace_weight weight; /* of --export collapsed */
};

/* Returns 0, or a negative errno (-EINVAL: not a trace, or none that this turtles can read) and one line in error[0..n-1]. */
int trace_read_open(struct trace_reader *r, const char *path, char *error, size_t n);
void trace_read_close(struct trace_reader *r);

/* The next record that makes sense; false at the end. */
bool trace_read(struct trace_reader *r, struct trace_record *record);

/*
 * At the end: one line without line end if the file isn't what its writer completed. Returns its length; 0: nothing to say.
 * *bad: the file is damaged or cut short, not only that of a run that was killed or still goes on.
 */
size_t trace_complaint(const struct trace_reader *r, char *text, size_t n, bool *bad);

/* r->reason_names, for a record's reason */
const char *trace_reason(const struct trace_reader *r, u32 reason);

/* The file's name of a check of VM entry; NULL: it has none */
const char *trace_check_name(const struct trace_reader *r, u64 number);

/* ns of a record's time */
u64 trace_ns(const struct trace_reader *r, u64 ticks);

/* Which records are wanted; all zero: every one. */
struct trace_filter {
	bool by_reason;
	u64 reasons[TRACE_REASONS / 64]; /* with by_reason: exits of these reasons, and the rounds that they open */
	unsigned int level; /* 0: any */
	u64 round_first, round_last; /* 0, 0: any */
	u64 from_ns, to_ns; /* to_ns 0: no end */
	bool by_vcpu;
	unsigned int vcpu; /* with by_vcpu */
};

/* Set a bit of filter->reasons by the file's own name. False: the file has no such reason. */
bool trace_filter_reason(const struct trace_reader *r, struct trace_filter *filter, const char *name, size_t n);

/* Of the record that was read last: is it wanted? */
bool trace_filtered(const struct trace_reader *r, const struct trace_filter *filter, const struct trace_record *record);

/* Rounds for trace_count(), all zero, one for each vCPU; to be freed. NULL: no memory */
struct rounds *trace_rounds(const struct trace_reader *r);

/*
 * The rounds as the run itself counted them, from records in turn, by vCPU; of VMREAD and VMWRITE those that were exits, which all are
 * with --vmcs-access trap. Returns false with one line in error[0..n-1] for what this turtles has no name for.
 */
bool trace_count(const struct trace_reader *r, struct rounds *rounds, const struct trace_record *record, char *error,
		 size_t n);

/* At the end: those of all vCPUs are added up in the first one's. */
void trace_sum(const struct trace_reader *r, struct rounds *rounds);

#endif
