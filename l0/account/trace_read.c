/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../vmx/vmx.h"

#define TEXT_MAX (16u << 20) /* bytes of a header: nobody's command line is longer */
#define RECORD_MAX 4096u

static int fail(const struct trace_reader *r, int err, char *error, size_t n, const char *what)
{
	snprintf(error, n, "%s: %s", r->path, what);
	return err;
}

static int not_a_trace(const struct trace_reader *r, char *error, size_t n)
{
	return fail(r, -EINVAL, error, n, "not a trace of turtles, or its header is damaged");
}

static bool header_ok(const struct trace_header *h)
{
	return h->header_size >= sizeof(*h) && h->header_size <= TEXT_MAX &&
	       h->text_size <= h->header_size - sizeof(*h) && h->record_size >= sizeof(struct trace_record) &&
	       h->record_size <= RECORD_MAX && h->clock <= TRACE_INSNS && h->state <= TRACE_NO_SPACE && h->ticks &&
	       h->ns;
}

static void names(struct trace_reader *r)
{
	json_t *reasons = json_object_get(r->text, "reasons"), *value;
	const char *name = json_string_value(json_object_get(r->text, "name"));
	const char *key;

	r->machine = name ? name : "?";
	for (unsigned int i = 0; i < TRACE_REASONS; i++) {
		snprintf(r->unnamed[i], sizeof(r->unnamed[i]), "reason %u", i);
		r->reason_names[i] = r->unnamed[i];
	}
	r->every = json_integer_value(json_object_get(r->text, "stacks")) > 0
			   ? (u64)json_integer_value(json_object_get(r->text, "stacks"))
			   : 0;
	json_object_foreach(reasons, key, value)
	{
		json_int_t number = json_integer_value(value);

		if (json_is_integer(value) && number >= 0 && number < TRACE_REASONS)
			r->reason_names[number] = key;
	}
}

/* The text, and up to the first record */
static int read_text(struct trace_reader *r, char *error, size_t n)
{
	size_t size = r->header.header_size - sizeof(r->header);
	char *text = malloc(size + 1);
	json_error_t why;

	if (!text)
		return fail(r, -ENOMEM, error, n, strerror(ENOMEM));
	if (fread(text, 1, size, r->f) != size) {
		free(text);
		return ferror(r->f) ? fail(r, -EIO, error, n, strerror(EIO))
				    : fail(r, -EINVAL, error, n, "the file ends within the header");
	}
	r->text = json_loadb(text, r->header.text_size, 0, &why);
	free(text);
	if (!json_is_object(r->text))
		return not_a_trace(r, error, n);
	names(r);
	return 0;
}

int trace_read_open(struct trace_reader *r, const char *path, char *error, size_t n)
{
	struct trace_header *h = &r->header;
	size_t got;
	int err;

	*r = (struct trace_reader){ .path = path };
	if (!strcmp(path, "-")) {
		r->path = "standard input";
		r->f = stdin;
	} else {
		r->f = fopen(path, "re");
	}
	if (!r->f)
		return fail(r, -errno, error, n, strerror(errno));
	errno = 0;
	got = fread(h, 1, sizeof(*h), r->f);
	if (got != sizeof(*h) && ferror(r->f)) { /* a directory */
		err = fail(r, errno ? -errno : -EIO, error, n, strerror(errno ? errno : EIO));
	} else if (got < sizeof(h->magic) + sizeof(h->version) || memcmp(h->magic, TRACE_MAGIC, sizeof(h->magic))) {
		err = not_a_trace(r, error, n);
	} else if (h->version != TRACE_VERSION) {
		char text[128];

		snprintf(text, sizeof(text), "a trace of version %" PRIu32 "; this turtles reads version %d",
			 h->version, TRACE_VERSION);
		err = fail(r, -EINVAL, error, n, text);
	} else if (got != sizeof(*h)) {
		err = fail(r, -EINVAL, error, n, "the file ends within the header");
	} else if (!header_ok(h)) {
		err = not_a_trace(r, error, n);
	} else {
		err = read_text(r, error, n);
	}
	if (!err) {
		r->raw = malloc(h->record_size);
		if (!r->raw)
			err = fail(r, -ENOMEM, error, n, strerror(ENOMEM));
	}
	if (err)
		trace_read_close(r);
	return err;
}

void trace_read_close(struct trace_reader *r)
{
	if (r->f && r->f != stdin)
		fclose(r->f);
	json_decref(r->text);
	free(r->raw);
	r->f = NULL;
	r->text = NULL;
	r->raw = NULL;
}

static bool all_zero(const u8 *p, size_t n)
{
	while (n && !*p)
		p++, n--;
	return !n;
}

static bool makes_sense(const struct trace_reader *r, const struct trace_record *record)
{
	if (record->kind == TRACE_STACK)
		return r->every && ((const struct trace_stack *)record)->count <= TRACE_STACK_ADDRESSES;
	if (record->kind >= TRACE_KIND_COUNT || record->level < 1 || record->level > 2)
		return false;
	return (record->reason & 0x7fffffff) < TRACE_REASONS;
}

static bool read_any(struct trace_reader *r, struct trace_record *record)
{
	const struct trace_header *h = &r->header;

	while (!r->at_end) {
		size_t got;

		if (h->state != TRACE_OPEN && r->records == h->records)
			break; /* what is behind that is not a record's */
		got = fread(r->raw, 1, h->record_size, r->f);
		if (got != h->record_size) {
			r->cut = (got && !all_zero(r->raw, got)) || h->state != TRACE_OPEN;
			break;
		}
		memcpy(record, r->raw, sizeof(*record));
		if (record->kind == TRACE_END && h->state == TRACE_OPEN && all_zero(r->raw, h->record_size))
			break;
		r->records++;
		if (record->kind != TRACE_END && makes_sense(r, record))
			return true;
		if (!r->damaged++)
			r->first_damaged = r->records;
	}
	r->at_end = true;
	return false;
}

static void add_stack(struct trace_reader *r, const struct trace_record *record)
{
	struct trace_stack part;

	memcpy(&part, record, sizeof(part));
	r->has_stack = true;
	for (unsigned int i = 0; i < part.count && r->stack_count < STACK_DEPTH; i++)
		r->stack[r->stack_count++] = part.pc[i];
}

bool trace_read(struct trace_reader *r, struct trace_record *record)
{
	r->has_stack = false;
	r->stack_count = 0;
	/* a stack without its record, which is damaged, is nobody's */
	while (!r->has_ahead && read_any(r, &r->ahead))
		r->has_ahead = r->ahead.kind != TRACE_STACK;
	if (!r->has_ahead)
		return false;
	*record = r->ahead;
	r->has_ahead = false;
	while (!r->has_ahead && read_any(r, &r->ahead)) {
		r->has_ahead = r->ahead.kind != TRACE_STACK;
		if (!r->has_ahead)
			add_stack(r, &r->ahead);
	}
	if (r->entered)
		r->open_reason = 0;
	r->entered = record->kind == TRACE_ENTERED;
	if (record->kind == TRACE_REFLECTED)
		r->open_reason = (record->reason & 0xffff) + 1;
	return true;
}

size_t trace_complaint(const struct trace_reader *r, char *text, size_t n, bool *bad)
{
	const struct trace_header *h = &r->header;

	*bad = r->damaged || r->cut || ferror(r->f);
	if (ferror(r->f))
		return (size_t)snprintf(text, n, "%s: can't be read behind record %" PRIu64, r->path, r->records);
	if (r->damaged)
		return (size_t)snprintf(text, n,
					"%s: %" PRIu64 " of %" PRIu64
					" records are damaged, the first is number %" PRIu64 "; they are left out%s",
					r->path, r->damaged, r->records, r->first_damaged,
					r->cut ? "; the file is cut short, too" : "");
	if (r->cut && h->state != TRACE_OPEN)
		return (size_t)snprintf(text, n, "%s: the file is cut short: %" PRIu64 " of %" PRIu64 " records",
					r->path, r->records, h->records);
	if (r->cut)
		return (size_t)snprintf(text, n, "%s: the file is cut short behind record %" PRIu64, r->path, r->records);
	switch ((enum trace_state)h->state) {
	case TRACE_OPEN:
		return (size_t)snprintf(text, n, "%s: the run was killed or still goes on: %" PRIu64 " records up to now",
					r->path, r->records);
	case TRACE_LIMIT:
		return (size_t)snprintf(text, n,
					"%s: the trace ended at its limit, with %" PRIu64 " records; the run went on",
					r->path, r->records);
	case TRACE_NO_SPACE:
		return (size_t)snprintf(text, n,
					"%s: the trace ended when the disk was full, with %" PRIu64
					" records; the run went on",
					r->path, r->records);
	case TRACE_COMPLETE:
		break;
	}
	return 0;
}

const char *trace_reason(const struct trace_reader *r, u32 reason)
{
	u32 basic = reason & 0xffff;

	return basic < TRACE_REASONS ? r->reason_names[basic] : "?";
}

u64 trace_ns(const struct trace_reader *r, u64 ticks)
{
	return (u64)((unsigned __int128)ticks * r->header.ns / r->header.ticks);
}

bool trace_filter_reason(const struct trace_reader *r, struct trace_filter *filter, const char *name, size_t n)
{
	filter->by_reason = true;
	for (unsigned int i = 0; i < TRACE_REASONS; i++)
		if (strlen(r->reason_names[i]) == n && !memcmp(r->reason_names[i], name, n)) {
			filter->reasons[i / 64] |= BIT(i % 64);
			return true;
		}
	return false;
}

bool trace_filtered(const struct trace_reader *r, struct trace_filter *filter, const struct trace_record *record)
{
	unsigned int open = filter->open_reason;
	bool by_reason;
	u64 ns;

	if (record->kind == TRACE_REFLECTED)
		open = filter->open_reason = (record->reason & 0xffff) + 1;
	else if (record->kind == TRACE_ENTERED)
		filter->open_reason = 0;
	by_reason = (record->kind != TRACE_ENTERED && record->kind != TRACE_REFUSED &&
		     trace_wants(filter->reasons, record->reason & 0xffff)) ||
		    (open && trace_wants(filter->reasons, open - 1));
	if (filter->by_reason && !by_reason)
		return false;
	if (filter->level && record->level != filter->level)
		return false;
	if (filter->round_last && (record->round < filter->round_first || record->round > filter->round_last))
		return false;
	if (!filter->from_ns && !filter->to_ns)
		return true;
	ns = trace_ns(r, record->time);
	return ns >= filter->from_ns && (!filter->to_ns || ns <= filter->to_ns);
}

/* The reason by this turtles' numbers: the file's name decides. VM_EXIT_REASONS: there is none. */
static unsigned int own_reason(const struct trace_reader *r, u32 reason)
{
	const char *name = trace_reason(r, reason), *own = vmx_exit_name(reason & 0xffff);

	/* numbers are the SDM's: they agree */
	return own && !strcmp(name, own) ? reason & 0xffff : vmx_exit_find(name, strlen(name));
}

const char *trace_check_name(const struct trace_reader *r, u64 number)
{
	json_t *value;
	const char *key;

	json_object_foreach(json_object_get(r->text, "checks"), key,
			    value) if (json_is_integer(value) &&
				       json_integer_value(value) == (json_int_t)number) return key;
	return NULL;
}

/* The same for a check of VM entry; VMX_CHECK_OK: there is none. */
static enum vmx_check own_check(const struct trace_reader *r, u64 number)
{
	const char *name = trace_check_name(r, number);

	for (unsigned int i = VMX_CHECK_OK + 1; name && i < VMX_CHECK_COUNT; i++)
		if (!strcmp(name, vmx_check_name((enum vmx_check)i)))
			return (enum vmx_check)i;
	return VMX_CHECK_OK;
}

bool trace_count(const struct trace_reader *r, struct rounds *rounds, const struct trace_record *record, char *error,
		 size_t n)
{
	const struct vmcs_field *field;
	unsigned int reason = 0;
	enum vmx_check check;

	if (!rounds->end_tsc) {
		rounds->end_tsc = r->header.ticks;
		rounds->end_ns = r->header.ns;
	}
	if (record->kind == TRACE_SERVED || record->kind == TRACE_REFLECTED) {
		reason = own_reason(r, record->reason);
		if (reason == VM_EXIT_REASONS) {
			snprintf(error, n,
				 "%s: %s is no exit reason that this turtles can count; --export csv has it all",
				 r->path, trace_reason(r, record->reason));
			return false;
		}
	}
	switch ((enum trace_kind)record->kind) {
	case TRACE_SERVED:
		rounds_exit(rounds, record->level > 1, reason);
		rounds->vmcs_callouts += record->level == 1 &&
					 (reason == EXIT_REASON_VMREAD || reason == EXIT_REASON_VMWRITE);
		field = record->flags & TRACE_DONE && record->level == 1 ? vmcs_find(record->info) : NULL;
		if (field && reason == EXIT_REASON_VMREAD)
			rounds->vmread[field - vmcs_fields]++;
		else if (field && reason == EXIT_REASON_VMWRITE)
			rounds->vmwrite[field - vmcs_fields]++;
		break;
	case TRACE_REFLECTED:
		rounds_reflect_at(rounds, reason, record->time, record->insns);
		break;
	case TRACE_ENTERED:
		rounds_enter_at(rounds, record->time, record->insns);
		break;
	case TRACE_REFUSED:
		check = own_check(r, record->info);
		if (check == VMX_CHECK_OK) {
			snprintf(error, n, "%s: check %" PRIu64 " of VM entry is none that this turtles knows", r->path,
				 record->info);
			return false;
		}
		rounds_failed(rounds, check);
		break;
	default:
		break;
	}
	return true;
}
