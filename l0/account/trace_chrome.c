/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chrome's trace-event format, streamed: begin and end events in the order of time, so that nothing has to be kept. Slices of a track
 * nest:
 *
 *	L2 |-- L2 --||-- CPUID --------------------------||-- L2 ...      flow: from the exit, through the round, to L2
 *	L1           |-- CPUID --------------------------|
 *	             ...|-- VMREAD --||-- VMRESUME ------|
 *
 * A vCPU has these two. Outside a round nobody knows how long an exit of L1 took: it is an instant.
 */
#include "trace_chrome.h"

#include <inttypes.h>
#include <stdlib.h>

#include "trace_print.h"
#include "trace_stack.h"

enum { PROCESS = 1, L1_TRACK = 1, L2_TRACK = 2, TRACKS = 2 }; /* of the first vCPU; the next one's are TRACKS on */

struct slices {
	int first; /* vCPU * TRACKS */
	bool in_l2, in_round, in_exit; /* open ones: L2 runs; the round's two; an exit of L1 within it */
};

struct trace_export {
	FILE *to;
	const struct trace_reader *r;
	const char *comma;
	u64 last; /* ns of the last event */
	struct slices *on; /* the vCPU whose record it is */
	struct slices vcpu[];
};

static void string(FILE *to, const char *text)
{
	fputc('"', to);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(to, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			fprintf(to, "\\u%04x", *text);
		else
			fputc(*text, to);
	}
	fputc('"', to);
}

/* {"ph":...,"pid":...,"tid":...,"ts":...: the rest, and the brace, is the caller's */
static void event(struct trace_export *e, char phase, int track)
{
	fprintf(e->to, "%s{\"ph\":\"%c\",\"pid\":%d,\"tid\":%d,\"ts\":%" PRIu64 ".%03u", e->comma, phase, PROCESS,
		e->on->first + track, e->last / 1000, (unsigned int)(e->last % 1000));
	e->comma = ",\n";
}

static void end(struct trace_export *e, int track, bool *open)
{
	if (!*open)
		return;
	event(e, 'E', track);
	fputs("}", e->to);
	*open = false;
}

static void name(struct trace_export *e, const char *text, const char *category)
{
	fputs(",\"name\":", e->to);
	string(e->to, text);
	fprintf(e->to, ",\"cat\":\"%s\"", category);
}

static void args(struct trace_export *e, const struct trace_record *record)
{
	unsigned int frames = trace_frames(e->r, record);
	char text[TRACE_TEXT], function[TRACE_FUNCTION];

	trace_describe(e->r, record, text);
	fprintf(e->to, ",\"args\":{\"rip\":\"%#" PRIx64 "\",\"insns\":%" PRIu64 ",\"round\":%" PRIu64, record->rip,
		record->insns, record->round);
	if (*text) {
		fputs(",\"what\":", e->to);
		string(e->to, text);
	}
	for (unsigned int i = 0; i < frames; i++) {
		trace_function(e->r, record, i, function);
		fputs(i ? "," : ",\"stack\":[", e->to);
		string(e->to, function);
	}
	fputs(frames ? "]}}" : "}}", e->to);
}

static void begin_slice(struct trace_export *e, int track, const char *text, const char *category,
			const struct trace_record *record)
{
	event(e, 'B', track);
	name(e, text, category);
	args(e, record);
}

static void instant(struct trace_export *e, int track, const char *text, const char *category,
		    const struct trace_record *record)
{
	event(e, 'i', track);
	fputs(",\"s\":\"t\"", e->to);
	name(e, text, category);
	args(e, record);
}

/* 's' begins it, 't' is on its way, 'f' ends it: bound to the slice that is open there */
static void flow(struct trace_export *e, char phase, int track, u64 round)
{
	event(e, phase, track);
	name(e, "round", "round");
	/* rounds are numbered on each vCPU */
	fprintf(e->to, ",\"id\":%" PRIu64 "%s}", round * e->r->vcpus + (u64)(e->on - e->vcpu),
		phase == 'f' ? ",\"bp\":\"e\"" : "");
}

static void track_name(struct trace_export *e, int track, const char *kind, const char *text)
{
	fprintf(e->to, "%s{\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"name\":\"%s\",\"args\":{\"name\":", e->comma, PROCESS,
		track, kind);
	string(e->to, text);
	fputs("}}", e->to);
	e->comma = ",\n";
}

static void thread_name(struct trace_export *e, unsigned int vcpu, int track)
{
	char text[32];

	if (e->r->vcpus > 1)
		snprintf(text, sizeof(text), "vCPU %u L%d", vcpu, track);
	else
		snprintf(text, sizeof(text), "L%d", track);
	track_name(e, e->vcpu[vcpu].first + track, "thread_name", text);
}

static struct trace_export *begin(FILE *to, const struct trace_reader *r)
{
	struct trace_export *e = calloc(1, sizeof(*e) + r->vcpus * sizeof(e->vcpu[0]));

	if (!e)
		return NULL;
	e->to = to;
	e->r = r;
	e->comma = "";
	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", to);
	track_name(e, L1_TRACK, "process_name", r->machine);
	for (unsigned int i = 0; i < r->vcpus; i++) {
		e->vcpu[i].first = (int)i * TRACKS;
		thread_name(e, i, L1_TRACK);
		thread_name(e, i, L2_TRACK);
	}
	return e;
}

static void reflected(struct trace_export *e, const struct trace_record *record)
{
	const char *reason = trace_reason(e->r, record->reason);

	end(e, L1_TRACK, &e->on->in_exit);
	if (e->on->in_round) { /* the filter took the entry */
		end(e, L1_TRACK, &e->on->in_round);
		e->on->in_l2 = true;
	}
	end(e, L2_TRACK, &e->on->in_l2);
	begin_slice(e, L2_TRACK, reason, "exit", record);
	flow(e, 's', L2_TRACK, record->round);
	begin_slice(e, L1_TRACK, reason, "round", record);
	flow(e, 't', L1_TRACK, record->round);
	e->on->in_round = true;
}

static void entered(struct trace_export *e, const struct trace_record *record)
{
	bool of_round = e->on->in_round, waiting = e->on->in_round || e->on->in_l2;

	end(e, L1_TRACK, &e->on->in_exit);
	end(e, L1_TRACK, &e->on->in_round);
	end(e, L2_TRACK, &waiting);
	begin_slice(e, L2_TRACK, "L2", "run", record);
	if (of_round)
		flow(e, 'f', L2_TRACK, record->round);
	e->on->in_l2 = true;
}

static bool record_event(struct trace_export *e, const struct trace_record *record, char *error, size_t n)
{
	const char *reason = trace_reason(e->r, record->reason);
	u64 ns = trace_ns(e->r, record->time);

	(void)error, (void)n;
	e->on = &e->vcpu[record->vcpu];
	/* a damaged file may have any time; that of a track must not go back */
	e->last = ns > e->last ? ns : e->last;
	switch ((enum trace_kind)record->kind) {
	case TRACE_SERVED:
		if (record->level > 1) {
			instant(e, L2_TRACK, reason, "exit", record);
		} else if (e->on->in_round) {
			end(e, L1_TRACK, &e->on->in_exit);
			begin_slice(e, L1_TRACK, reason, "exit", record);
			e->on->in_exit = true;
		} else {
			instant(e, L1_TRACK, reason, "exit", record);
		}
		break;
	case TRACE_REFLECTED:
		reflected(e, record);
		break;
	case TRACE_ENTERED:
		entered(e, record);
		break;
	case TRACE_REFUSED:
		instant(e, L1_TRACK, "entry refused", "entry", record);
		break;
	default:
		instant(e, L1_TRACK, reason, "entry", record);
	}
	return true;
}

static void finish(struct trace_export *e)
{
	for (unsigned int i = 0; i < e->r->vcpus; i++) {
		bool waiting = e->vcpu[i].in_round || e->vcpu[i].in_l2;

		e->on = &e->vcpu[i];
		end(e, L1_TRACK, &e->on->in_exit);
		end(e, L1_TRACK, &e->on->in_round);
		end(e, L2_TRACK, &waiting);
	}
	fputs("\n]}\n", e->to);
	free(e);
}

const struct trace_exporter trace_chrome = { "chrome", begin, record_event, finish };
