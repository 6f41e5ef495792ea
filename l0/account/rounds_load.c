/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rounds_load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../vmx/vmx.h"

#define SCHEMA 1

json_t *stats_load(const char *path, bool *host_error, char *error, size_t n)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	json_t *root, *schema;
	json_error_t why;

	*host_error = !f;
	if (!f) {
		snprintf(error, n, "%s: %s", path, strerror(errno));
		return NULL;
	}
	errno = 0;
	root = json_loadf(f, 0, &why);
	*host_error = ferror(f);
	if (*host_error)
		snprintf(error, n, "%s: %s", path, strerror(errno ? errno : EIO));
	if (f != stdin)
		fclose(f);
	if (*host_error) {
		json_decref(root);
		return NULL;
	}
	if (!root) {
		/* the library's text may quote what it found there, and that may be anything */
		for (char *s = why.text; *s; s++)
			if (*s < ' ' || *s > '~')
				*s = '?';
		snprintf(error, n, "%s: no JSON, or cut short: line %d: %s", path, why.line, why.text);
		return NULL;
	}
	schema = json_object_get(root, "schema");
	if (json_integer_value(schema) == SCHEMA && json_is_array(json_object_get(root, "l1")))
		return root;
	if (json_is_integer(schema) && json_integer_value(schema) != SCHEMA)
		snprintf(error, n, "%s: stats of schema %lld; this turtles reads %d", path,
			 (long long)json_integer_value(schema), SCHEMA);
	else
		snprintf(error, n, "%s: not a stats file of turtles", path);
	json_decref(root);
	return NULL;
}

struct load {
	char *error;
	size_t n;
	bool failed;
};

static void fail(struct load *l, const char *what, const char *name)
{
	if (!l->failed)
		snprintf(l->error, l->n, "%s: %.100s", what, name);
	l->failed = true;
}

static u64 number(struct load *l, const char *name, const json_t *value)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0) {
		fail(l, "not a number", name);
		return 0;
	}
	return (u64)json_integer_value(value);
}

/* {"CPUID": 12, ...}: `find` has the index of a name, `count` if there is none */
static void numbers(struct load *l, const json_t *object, const char *what, u64 *counts, unsigned int count,
		    unsigned int (*find)(const char *name))
{
	const char *name;
	json_t *value;

	if (!json_is_object(object)) {
		fail(l, "missing", what);
		return;
	}
	json_object_foreach((json_t *)object, name, value)
	{
		unsigned int i = find(name);

		if (i >= count)
			fail(l, what, name);
		else
			counts[i] = number(l, name, value);
	}
}

static unsigned int find_reason(const char *name)
{
	return vmx_exit_find(name, strlen(name));
}

static unsigned int find_field(const char *name)
{
	unsigned int i = 0;

	while (i < VMCS_FIELD_COUNT && strcmp(vmcs_name(vmcs_fields[i].encoding), name))
		i++;
	return i;
}

static unsigned int find_check(const char *name)
{
	unsigned int i = VMX_CHECK_OK + 1;

	while (i < VMX_CHECK_COUNT && strcmp(vmx_check_name((enum vmx_check)i), name))
		i++;
	return i;
}

static void load_row(struct load *l, struct rounds *r, const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "reason"));
	unsigned int reason = name ? find_reason(name) : VM_EXIT_REASONS;
	const json_t *ns = json_object_get(object, "ns");
	struct round_row *row;

	if (reason == VM_EXIT_REASONS) {
		fail(l, "an unknown exit reason", name ? name : "none");
		return;
	}
	row = &r->row[reason];
	row->count = number(l, "count", json_object_get(object, "count"));
	row->ended = number(l, "rounds", json_object_get(object, "rounds"));
	row->insns = number(l, "insns", json_object_get(object, "insns"));
	if (ns)
		row->tsc = number(l, "ns", ns);
	else
		r->untimed = true;
	/* files of the first turtles don't have them */
	if (json_object_get(object, "ns_min")) {
		row->tsc_min = number(l, "ns_min", json_object_get(object, "ns_min"));
		row->tsc_max = number(l, "ns_max", json_object_get(object, "ns_max"));
	}
	numbers(l, json_object_get(object, "l1_exits"), "an unknown exit reason", row->l1, VM_EXIT_REASONS, find_reason);
}

bool rounds_load(struct rounds *r, const json_t *vmx, char *error, size_t n)
{
	static const char REASON[] = "an unknown exit reason", FIELD[] = "an unknown VMCS field",
			  CHECK[] = "an unknown check of VM entry";
	struct load l = { .error = error, .n = n };
	const json_t *rows = json_object_get(vmx, "rounds");
	const char *first = json_string_value(json_object_get(vmx, "first_failed_entry"));

	*r = (struct rounds){ .end_tsc = 1, .end_ns = 1 }; /* a tick is a nanosecond */
	if (!json_is_array(rows))
		fail(&l, "missing", "rounds");
	for (size_t i = 0; i < json_array_size(rows); i++)
		load_row(&l, r, json_array_get(rows, i));
	numbers(&l, json_object_get(vmx, "l1_exits"), REASON, r->l1, VM_EXIT_REASONS, find_reason);
	numbers(&l, json_object_get(vmx, "l2_exits_without_l1"), REASON, r->l2_own, VM_EXIT_REASONS, find_reason);
	numbers(&l, json_object_get(vmx, "vmread"), FIELD, r->vmread, VMCS_FIELD_COUNT, find_field);
	numbers(&l, json_object_get(vmx, "vmwrite"), FIELD, r->vmwrite, VMCS_FIELD_COUNT, find_field);
	r->vmcs_callouts = number(&l, "vmcs_callouts", json_object_get(vmx, "vmcs_callouts"));
	numbers(&l, json_object_get(vmx, "failed_entries"), CHECK, r->failed, VMX_CHECK_COUNT, find_check);
	if (first && find_check(first) == VMX_CHECK_COUNT)
		fail(&l, CHECK, first);
	else if (first)
		r->first_failed = (enum vmx_check)find_check(first);
	return !l.failed;
}
