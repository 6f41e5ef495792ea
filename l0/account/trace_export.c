/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exports that are tables and sums; trace_chrome.c is the other. */
#include "trace_export.h"

#include <inttypes.h>
#include <stdlib.h>

#include "../vmx/vmx.h"
#include "rounds_report.h"
#include "trace_chrome.h"
#include "trace_collapsed.h"
#include "trace_print.h"

struct trace_export {
	FILE *to;
	const struct trace_reader *r;
	struct rounds *rounds; /* stats */
};

static struct trace_export *begin(FILE *to, const struct trace_reader *r)
{
	struct trace_export *e = calloc(1, sizeof(*e));

	if (e) {
		e->to = to;
		e->r = r;
	}
	return e;
}

static struct trace_export *stats_begin(FILE *to, const struct trace_reader *r)
{
	struct trace_export *e = begin(to, r);

	if (e)
		e->rounds = trace_rounds(r);
	if (e && !e->rounds) {
		free(e);
		return NULL;
	}
	return e;
}

static bool count(struct trace_export *e, const struct trace_record *record, char *error, size_t n)
{
	return trace_count(e->r, e->rounds, record, error, n);
}

static struct trace_export *csv_begin(FILE *to, const struct trace_reader *r)
{
	fputs("l1,vcpu,level,event,reason,round,round_reason,time_ns,insns,rip,qualification,info,data,done,text\n", to);
	return begin(to, r);
}

/* RFC 4180: in quotes, quotes twice */
static void csv_text(FILE *to, const char *text)
{
	fputc('"', to);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', to);
		fputc(*text, to);
	}
	fputc('"', to);
}

static bool csv_record(struct trace_export *e, const struct trace_record *record, char *error, size_t n)
{
	bool has_reason = record->kind != TRACE_ENTERED && record->kind != TRACE_REFUSED;
	char text[TRACE_TEXT];

	(void)error, (void)n;
	csv_text(e->to, e->r->machine);
	fprintf(e->to, ",%u,%u,%s,", record->vcpu, record->level, trace_event(record));
	if (has_reason)
		csv_text(e->to, trace_reason(e->r, record->reason));
	fprintf(e->to, ",%" PRIu64 ",", record->round);
	if (record->round && e->r->open_reason)
		csv_text(e->to, trace_reason(e->r, e->r->open_reason - 1));
	trace_describe(e->r, record, text);
	fprintf(e->to, ",%" PRIu64 ",%" PRIu64 ",%#" PRIx64 ",%#" PRIx64 ",%#" PRIx64 ",%#" PRIx64 ",%d,",
		trace_ns(e->r, record->time), record->insns, record->rip, record->qualification, record->info,
		record->data, record->flags & TRACE_DONE);
	csv_text(e->to, text);
	fputc('\n', e->to);
	return true;
}

static void csv_end(struct trace_export *e)
{
	free(e);
}

static void stats_end(struct trace_export *e)
{
	const struct trace_header *h = &e->r->header;
	json_t *root;

	trace_sum(e->r, e->rounds);
	root = json_pack("{s:i, s:O?, s:{s:O?}, s:[{s:s, s:o}]}", "schema", 1, "host",
			 json_object_get(e->r->text, "host"), "run", "command", json_object_get(e->r->text, "command"),
			 "l1", "name", e->r->machine, "vmx", rounds_json(e->rounds, h->clock == TRACE_INSNS));
	if (root)
		json_dumpf(root, e->to, JSON_INDENT(2));
	fputc('\n', e->to);
	json_decref(root);
	free(e->rounds);
	free(e);
}

static const struct trace_exporter CSV = { "csv", csv_begin, csv_record, csv_end };
static const struct trace_exporter STATS = { "stats", stats_begin, count, stats_end };

const struct trace_exporter *const TRACE_EXPORTERS[] = { &trace_chrome, &CSV, &trace_collapsed, &STATS, NULL };
