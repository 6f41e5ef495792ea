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

/* vCPUs and pieces, as the version has them. False: they make no sense. */
static bool shape(struct trace_reader *r, u64 *piece)
{
	json_int_t vcpus = json_integer_value(json_object_get(r->text, "vcpus"));
	json_int_t size = json_integer_value(json_object_get(r->text, "piece"));

	r->vcpus = 1;
	*piece = 0;
	if (r->header.version == TRACE_VERSION)
		return true;
	if (vcpus < 1 || vcpus > TRACE_VCPUS || size <= 0 || size % r->header.record_size)
		return false;
	r->vcpus = (unsigned int)vcpus;
	*piece = (u64)size;
	return true;
}

static int begin_reading(struct trace_reader *r, char *error, size_t n)
{
	u64 piece;
	int err;

	if (!shape(r, &piece))
		return not_a_trace(r, error, n);
	r->raw = malloc(r->header.record_size);
	r->cursor = calloc(r->vcpus, sizeof(*r->cursor));
	err = r->raw && r->cursor ? trace_source_open(&r->source, r->f, &r->header, r->vcpus, piece) : -ENOMEM;
	return err ? fail(r, err, error, n, strerror(-err)) : 0;
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
	} else if (h->version != TRACE_VERSION && h->version != TRACE_VERSION_PIECES) {
		char text[128];

		snprintf(text, sizeof(text), "a trace of version %" PRIu32 "; this turtles reads versions %d and %d",
			 h->version, TRACE_VERSION, TRACE_VERSION_PIECES);
		err = fail(r, -EINVAL, error, n, text);
	} else if (got != sizeof(*h)) {
		err = fail(r, -EINVAL, error, n, "the file ends within the header");
	} else if (!header_ok(h)) {
		err = not_a_trace(r, error, n);
	} else {
		err = read_text(r, error, n);
	}
	if (!err)
		err = begin_reading(r, error, n);
	if (err)
		trace_read_close(r);
	return err;
}

void trace_read_close(struct trace_reader *r)
{
	if (r->f && r->f != stdin)
		fclose(r->f);
	trace_source_close(&r->source);
	json_decref(r->text);
	free(r->raw);
	free(r->cursor);
	r->f = NULL;
	r->text = NULL;
	r->raw = NULL;
	r->cursor = NULL;
}

static bool makes_sense(const struct trace_reader *r, unsigned int vcpu, const struct trace_record *record)
{
	if (record->vcpu != vcpu)
		return false;
	if (record->kind == TRACE_STACK)
		return r->every && ((const struct trace_stack *)record)->count <= TRACE_STACK_ADDRESSES;
	if (record->kind >= TRACE_KIND_COUNT || record->level < 1 || record->level > 2)
		return false;
	return (record->reason & 0x7fffffff) < TRACE_REASONS;
}

/* Does the header say how many records there are? */
static bool counted(const struct trace_header *h)
{
	return h->version == TRACE_VERSION ? h->state != TRACE_OPEN : h->records || h->state == TRACE_COMPLETE;
}

static bool read_any(struct trace_reader *r, unsigned int vcpu, struct trace_record *record)
{
	const struct trace_header *h = &r->header;

	while (!r->cursor[vcpu].at_end) {
		size_t got;

		if (counted(h) && r->records == h->records)
			break; /* what is behind that is not a record's */
		got = trace_source_next(&r->source, vcpu, r->raw);
		if (got != h->record_size) {
			r->cut |= got && !trace_all_zero(r->raw, got);
			break;
		}
		memcpy(record, r->raw, sizeof(*record));
		if (record->kind == TRACE_END && !counted(h) && trace_all_zero(r->raw, h->record_size))
			break;
		r->records++;
		if (record->kind != TRACE_END && makes_sense(r, vcpu, record))
			return true;
		if (!r->damaged++)
			r->first_damaged = r->records;
	}
	r->cursor[vcpu].at_end = true;
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

/* The vCPU whose next record is the earliest; NULL: none has any. */
static struct trace_cursor *earliest(struct trace_reader *r)
{
	struct trace_cursor *first = NULL;

	for (unsigned int i = 0; i < r->vcpus; i++) {
		struct trace_cursor *c = &r->cursor[i];

		/* a stack without its record, which is damaged, is nobody's */
		while (!c->has_ahead && read_any(r, i, &c->ahead))
			c->has_ahead = c->ahead.kind != TRACE_STACK;
		if (c->has_ahead && (!first || c->ahead.time < first->ahead.time))
			first = c;
	}
	return first;
}

bool trace_read(struct trace_reader *r, struct trace_record *record)
{
	struct trace_cursor *c = earliest(r);

	r->has_stack = false;
	r->stack_count = 0;
	r->next = NULL;
	if (!c) {
		r->cut |= counted(&r->header) && r->records != r->header.records;
		return false;
	}
	*record = c->ahead;
	c->has_ahead = false;
	while (!c->has_ahead && read_any(r, record->vcpu, &c->ahead)) {
		c->has_ahead = c->ahead.kind != TRACE_STACK;
		if (!c->has_ahead)
			add_stack(r, &c->ahead);
	}
	if (c->has_ahead)
		r->next = &c->ahead;
	if (record->kind == TRACE_REFLECTED)
		c->open_reason = (record->reason & 0xffff) + 1;
	r->open_reason = c->open_reason;
	if (record->kind == TRACE_ENTERED)
		c->open_reason = 0;
	return true;
}

size_t trace_complaint(const struct trace_reader *r, char *text, size_t n, bool *bad)
{
	const struct trace_header *h = &r->header;

	*bad = r->damaged || r->cut || ferror(r->f) || r->source.error;
	if (ferror(r->f) || r->source.error)
		return (size_t)snprintf(text, n, "%s: can't be read behind record %" PRIu64, r->path, r->records);
	if (r->damaged)
		return (size_t)snprintf(text, n,
					"%s: %" PRIu64 " of %" PRIu64
					" records are damaged, the first is number %" PRIu64 "; they are left out%s",
					r->path, r->damaged, r->records, r->first_damaged,
					r->cut ? "; the file is cut short, too" : "");
	if (r->cut && counted(h))
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

bool trace_filtered(const struct trace_reader *r, const struct trace_filter *filter, const struct trace_record *record)
{
	unsigned int open = r->open_reason;
	bool by_reason;
	u64 ns;

	if (filter->by_vcpu && record->vcpu != filter->vcpu)
		return false;
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

struct rounds *trace_rounds(const struct trace_reader *r)
{
	return calloc(r->vcpus, sizeof(struct rounds));
}

void trace_sum(const struct trace_reader *r, struct rounds *rounds)
{
	for (unsigned int i = 1; i < r->vcpus; i++)
		rounds_add(rounds, &rounds[i]);
	if (!rounds->end_tsc) { /* no record of its own */
		rounds->end_tsc = r->header.ticks;
		rounds->end_ns = r->header.ns;
	}
}

bool trace_count(const struct trace_reader *r, struct rounds *rounds, const struct trace_record *record, char *error,
		 size_t n)
{
	const struct vmcs_field *field;
	unsigned int reason = 0;
	enum vmx_check check;

	rounds += record->vcpu;
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
