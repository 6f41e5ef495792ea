/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The effective configuration as a file of --config: what config_file.c reads, the other way round. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "../vmx/vmx.h"
#include "options.h"

static json_t *kib(u64 bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%lluK", (unsigned long long)(bytes >> 10));
	return json_string(text);
}

static json_t *memory(const struct run_config *c)
{
	return kib(c->memory);
}

static json_t *code_cache(const struct run_config *c)
{
	return kib(c->code_cache);
}

static json_t *vcpus(const struct run_config *c)
{
	return json_integer(c->vcpus);
}

static json_t *machine(const struct run_config *c)
{
	return json_sprintf("pc%s%s%s", c->no_pit ? ",pit=off" : "", c->kernel_irqchip ? ",kernel-irqchip=" : "",
			    c->kernel_irqchip ? c->kernel_irqchip : "");
}

static json_t *device(const struct run_config *c)
{
	json_t *list = json_array();
	char text[64];

	if (c->testdev)
		json_array_append_new(list, json_string("pc-testdev"));
	if (c->debug_exit) {
		snprintf(text, sizeof(text), "isa-debug-exit,iobase=%#x,iosize=%u", c->debug_exit_iobase,
			 c->debug_exit_iosize);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *name(const struct run_config *c)
{
	return json_string(c->name);
}

static json_t *serial(const struct run_config *c)
{
	static const char *const KINDS[] = {
		[SERIAL_NONE] = "none",	 [SERIAL_NULL] = "null", [SERIAL_STDIO] = "stdio",
		[SERIAL_FILE] = "file:", [SERIAL_PTY] = "pty",	 [SERIAL_UNIX] = "unix:",
	};
	json_t *list = json_array();

	for (unsigned int i = 0; i < SERIAL_PORTS; i++)
		json_array_append_new(list, json_sprintf("%s%s", KINDS[c->serial[i].kind],
							 c->serial[i].path ? c->serial[i].path : ""));
	return list;
}

static json_t *shares(const struct run_config *c)
{
	return json_integer(c->shares);
}

static json_t *cap(const struct run_config *c)
{
	return json_integer(c->cap);
}

/* NULL: there is no limit */
static json_t *timeout(const struct run_config *c)
{
	return c->timeout_ns ? json_sprintf("%llu.%09llu", (unsigned long long)(c->timeout_ns / 1000000000),
					    (unsigned long long)(c->timeout_ns % 1000000000))
			     : NULL;
}

/* FILE with its commas doubled, and what follows it */
static json_t *trace(const struct run_config *c)
{
	const struct trace_options *t = &c->exits;
	char text[2 * sizeof(t->path) + 2048];
	size_t n = 0;
	bool any = false;

	if (!t->path[0])
		return NULL;
	for (const char *s = t->path; *s; s++) {
		if (*s == ',')
			text[n++] = ',';
		text[n++] = *s;
	}
	for (unsigned int reason = 0; reason < TRACE_REASONS; reason++) {
		if (!trace_wants(t->reasons, reason))
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", any ? ":" : ",reasons=", vmx_exit_name(reason));
		any = true;
	}
	if (t->limit)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",limit=%lluK", (unsigned long long)(t->limit >> 10));
	if (t->stacks)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",stacks=%llu", (unsigned long long)t->stacks);
	return json_stringn(text, n);
}

static json_t *trace_log(const struct run_config *c)
{
#define TRACE_NAME(name, text) #name,
	static const char *const NAMES[] = { TRACE_AREAS(TRACE_NAME) };
#undef TRACE_NAME
	json_t *list = json_array();

	for (unsigned int i = 0; i < TRACE_AREA_COUNT; i++)
		if (c->trace >> i & 1)
			json_array_append_new(list, json_string(NAMES[i]));
	return list;
}

/* Options that have no field of their own */
static const struct {
	const char *name;
	json_t *(*get)(const struct run_config *c);
} OTHERS[] = {
	{ "memory", memory }, { "vcpus", vcpus },   { "machine", machine },	{ "device", device },
	{ "name", name },     { "serial", serial }, { "timeout", timeout },	{ "shares", shares },
	{ "cap", cap },	      { "trace", trace },   { "trace-log", trace_log }, { "code-cache", code_cache },
};

static json_t *word(const char *words, unsigned int i)
{
	while (i--) {
		words += strcspn(words, " ");
		words += strspn(words, " ");
	}
	return json_stringn(words, strcspn(words, " "));
}

/* NULL: nothing is to be said */
static json_t *option_value(const struct option *o, const void *config)
{
	const char *at = (const char *)config + o->field, *text;
	unsigned int number;

	switch (option_kind(o)) {
	case OPTION_TEXT:
		memcpy(&text, at, sizeof(text));
		return text ? json_string(text) : NULL;
	case OPTION_FLAG:
		return json_boolean(*(const bool *)at);
	case OPTION_WORD:
		memcpy(&number, at, sizeof(number));
		return word(o->allowed, number);
	case OPTION_OTHER:
		break;
	}
	for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++)
		if (!strcmp(OTHERS[i].name, o->ours))
			return OTHERS[i].get(config);
	return NULL;
}

/* All options of an L1's or of the lab's. NULL: a text is no UTF-8, or no memory */
static json_t *options_object(bool lab, const void *config)
{
	json_t *object = json_object();
	const char *text;

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *o = &OPTIONS[i];
		json_t *value;

		if (!o->ours || o->group >= GROUP_HELP || (o->group == GROUP_LAB) != lab)
			continue;
		if (lab && (o->field == offsetof(struct lab_config, config_file) || option_kind(o) == OPTION_OTHER))
			continue;
		value = option_value(o, config);
		if (value) {
			json_object_set_new(object, o->ours, value);
			continue;
		}
		memcpy(&text, (const char *)config + o->field, sizeof(text));
		if (option_kind(o) == OPTION_TEXT && text) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

json_t *config_json(const struct lab_config *lab)
{
	json_t *object = options_object(true, lab), *l1s = json_array();
	int err = 0;

	if (lab->place)
		err = json_object_set_new(object, "place", json_string(lab->place));
	if (lab->control && !err)
		err = json_object_set_new(object, "control", json_string(lab->control));
	for (unsigned int i = 0; i < lab->l1_count && !err; i++)
		err = json_array_append_new(l1s, options_object(false, &lab->l1[i]));
	if (!err)
		err = json_object_set(object, "l1", l1s);
	json_decref(l1s);
	if (!err)
		return object;
	json_decref(object);
	return NULL;
}
