/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collapsed stacks: a line for each that there is, with its weight. Each exit is in one of them. */
#include "trace_collapsed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "trace_stack.h"

#define LINE (TRACE_FUNCTION * (STACK_DEPTH + 5)) /* bytes */

struct trace_export {
	FILE *to;
	const struct trace_reader *r;
	json_t *weights; /* by line */
	char line[LINE];
};

static struct trace_export *begin(FILE *to, const struct trace_reader *r)
{
	struct trace_export *e = malloc(sizeof(*e));

	if (!e)
		return NULL;
	e->to = to;
	e->r = r;
	e->weights = json_object();
	if (!e->weights) {
		free(e);
		return NULL;
	}
	return e;
}

/* how much of the run an exit stands for: itself, or what passed from there to the next record of its round */
static u64 weight(const struct trace_reader *r, const struct trace_record *record)
{
	const struct trace_record *next = r->next;

	if (r->weight == TRACE_WEIGHT_COUNT)
		return 1;
	/*
	 * What L1 does outside of rounds is none of an exit's, and of other rounds than those that were to be recorded not all is known.
	 * The numbers of a damaged file may be any.
	 */
	if (!record->round || !r->open_reason || !next || next->round != record->round || next->time < record->time ||
	    next->insns < record->insns)
		return 0;
	return r->weight == TRACE_WEIGHT_INSNS ? next->insns - record->insns
					       : trace_ns(r, next->time) - trace_ns(r, record->time);
}

static void add(struct trace_export *e, const char *text)
{
	size_t n = strlen(e->line);

	snprintf(e->line + n, sizeof(e->line) - n, "%s%s", n ? ";" : "", text);
}

static bool record_line(struct trace_export *e, const struct trace_record *record, char *error, size_t n)
{
	const struct trace_reader *r = e->r;
	unsigned int frames = trace_frames(r, record);
	char function[TRACE_FUNCTION];
	u64 w = weight(r, record);
	json_t *sum;

	if ((record->kind != TRACE_SERVED && record->kind != TRACE_REFLECTED) || !w)
		return true;
	/* of those that are to be looked at by their stacks, only the chosen ones have any */
	if (r->every > 1 && record->level == 1 && !r->has_stack)
		return true;
	e->line[0] = '\0';
	if (r->vcpus > 1) {
		snprintf(function, sizeof(function), "vCPU %u", record->vcpu);
		add(e, function);
	}
	if (record->level == 1 && record->round && r->open_reason) {
		add(e, "L2");
		add(e, trace_reason(r, r->open_reason - 1));
	} else {
		add(e, record->level > 1 ? "L2" : "L1");
	}
	while (frames) {
		trace_function(r, record, --frames, function);
		add(e, function);
	}
	add(e, trace_reason(r, record->reason));
	sum = json_object_get(e->weights, e->line);
	if (sum ? json_integer_set(sum, json_integer_value(sum) + (json_int_t)w)
		: json_object_set_new_nocheck(e->weights, e->line, json_integer((json_int_t)w))) {
		snprintf(error, n, "%s: not enough memory", r->path);
		return false;
	}
	return true;
}

static void end(struct trace_export *e)
{
	const char *line;
	json_t *sum;

	json_object_foreach(e->weights, line, sum)
	{
		fprintf(e->to, "%s %" JSON_INTEGER_FORMAT "\n", line, json_integer_value(sum));
	}
	json_decref(e->weights);
	free(e);
}

const struct trace_exporter trace_collapsed = { "collapsed", begin, record_line, end };
