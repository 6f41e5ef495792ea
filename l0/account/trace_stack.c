/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace_stack.h"

#include <inttypes.h>

#include "symbols.h"

unsigned int trace_frames(const struct trace_reader *r, const struct trace_record *record)
{
	if (record->kind != TRACE_SERVED || record->level != 1)
		return 0;
	return r->has_stack ? r->stack_count + 1 : r->symbols != NULL;
}

/* A return address may be that of the next function, if the call never returns: what is meant is the call. */
static bool symbol_of(const struct trace_reader *r, const struct trace_record *record, unsigned int frame,
		      struct symbol *s)
{
	if (!frame)
		return symbols_find(r->symbols, record->rip, s);
	if (!symbols_find(r->symbols, r->stack[frame - 1] - 1, s))
		return false;
	s->offset++;
	return true;
}

static u64 address_of(const struct trace_reader *r, const struct trace_record *record, unsigned int frame)
{
	return frame ? r->stack[frame - 1] : record->rip;
}

void trace_function(const struct trace_reader *r, const struct trace_record *record, unsigned int frame,
		    char text[TRACE_FUNCTION])
{
	struct symbol s;

	if (symbol_of(r, record, frame, &s))
		snprintf(text, TRACE_FUNCTION, "%s", s.name);
	else
		snprintf(text, TRACE_FUNCTION, "%#" PRIx64, address_of(r, record, frame));
}

void trace_print_stack(FILE *to, const struct trace_reader *r, const struct trace_record *record)
{
	unsigned int frames = trace_frames(r, record);

	for (unsigned int i = 0; i < frames; i++) {
		struct symbol s;

		fprintf(to, "\t%16" PRIx64, address_of(r, record, i));
		if (symbol_of(r, record, i, &s))
			fprintf(to, " %s+%#" PRIx64 "%s%s%s", s.name, s.offset, s.module ? " [" : "",
				s.module ? s.module : "", s.module ? "]" : "");
		fputc('\n', to);
	}
}
