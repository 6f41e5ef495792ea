/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that describes a whole run, for --config:
 *
 *	{ "stats": "lab.json", "cpu": "Skylake-Server,+vmx", "timeout": 60,
 *	  "l1": [ { "name": "a", "kernel": "vmlinuz", "append": "console=ttyS0", "no-reboot": true },
 *	          { "name": "b", "kernel": "l1shim", "serial": ["file:b.console", "pty"], "memory": "64M" } ] }
 *
 * A key is an option's name, a value what would be its argument: a string or a number; true and false for what takes none;
 * an array for what can be said several times. What is said outside "l1" of an L1's options is said for all of them.
 * The command line counts more than all of it: options.h.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "options.h"

/* 0 with *file, or as config_file_load() */
static int read_file(struct option_parse *p, const char *path, json_t **file)
{
	json_error_t error;
	struct stat st;
	FILE *f = fopen(path, "re");
	int err = f ? 0 : -errno;

	/* which can be opened, and is then an empty file to jansson */
	if (f && !fstat(fileno(f), &st) && S_ISDIR(st.st_mode)) {
		option_error(p, "%s: %s", path, strerror(EISDIR));
		err = -EINVAL;
	} else if (f) {
		*file = json_loadf(f, JSON_REJECT_DUPLICATES, &error);
		err = *file ? 0
		      : ferror(f)
			      ? -EIO
			      : option_error(p, "%s: line %d, column %d: %s", path, error.line, error.column, error.text);
	}
	if (err && err != -EINVAL)
		option_error(p, "%s: %s", path, strerror(-err));
	if (f)
		fclose(f);
	return err;
}

int config_file_load(struct option_parse *p, const char *path, json_t **object)
{
	json_t *file = NULL, *l1s, *l1;
	size_t i;
	int err = read_file(p, path, &file);

	if (err)
		return err;
	l1s = json_object_get(file, "l1");
	if (!json_is_object(file) || (l1s && (!json_is_array(l1s) || !json_array_size(l1s)))) {
		option_error(p, "%s: %s", path,
			     l1s ? "\"l1\" is an array of objects, one for each L1"
				 : "not a JSON object that describes a run");
		goto fail;
	}
	json_array_foreach(l1s, i, l1)
	{
		if (!json_is_object(l1)) {
			option_error(p, "%s: l1[%zu] is no object", path, i);
			goto fail;
		}
	}
	*object = file;
	return 0;
fail:
	json_decref(file);
	return -EINVAL;
}

typedef int (*apply_fn)(struct option_parse *p, const char *key, const char *value);

static int apply_text(struct option_parse *p, apply_fn apply, const char *key, const char *text)
{
	/* a handler may keep it */
	const char *kept = lab_text(p, text, strlen(text));

	return kept ? apply(p, key, kept) : -EINVAL;
}

static int apply_value(struct option_parse *p, apply_fn apply, const char *key, const json_t *value)
{
	char number[64];
	size_t i;
	json_t *element;
	int err = 0;

	p->spelled = key;
	switch (json_typeof(value)) {
	case JSON_STRING:
		if (strlen(json_string_value(value)) != json_string_length(value))
			return option_error(p, "has a NUL character in it");
		return apply_text(p, apply, key, json_string_value(value));
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
		return apply_text(p, apply, key, number);
	case JSON_REAL:
		snprintf(number, sizeof(number), "%.9f", json_real_value(value));
		return apply_text(p, apply, key, number);
	case JSON_TRUE:
		return apply(p, key, "on");
	case JSON_FALSE:
		return apply(p, key, "off");
	case JSON_ARRAY:
		json_array_foreach(value, i, element)
		{
			if (json_is_array(element))
				return option_error(p, "an array in an array");
			err = err ? err : apply_value(p, apply, key, element);
		}
		return err;
	default:
		return option_error(p, "takes a string, a number, true or false, or an array of them");
	}
}

static int of_lab(struct option_parse *p, const char *key, const char *value)
{
	const struct option *o = option_find(key);

	if (o && o->group == GROUP_HELP)
		return option_error(p, "is for the command line");
	if (!o || o->group != GROUP_LAB)
		return option_of_l1(p, key, value);
	if (o->field == offsetof(struct lab_config, config_file))
		return option_error(p, "a file can't name another one");
	return o->arg ? o->set(p, o, value) : option_set_flag(p, o, value);
}

static int apply_object(struct option_parse *p, apply_fn apply, const json_t *object)
{
	const char *key;
	json_t *value;
	int err = 0;

	json_object_foreach((json_t *)object, key, value)
	{
		if (apply == of_lab && !strcmp(key, "l1"))
			continue;
		err = apply_value(p, apply, key, value);
		if (err)
			break;
	}
	return err;
}

int config_file_common(struct option_parse *p, const json_t *file)
{
	char where[80];

	snprintf(where, sizeof(where), "%.70s: ", p->lab->config_file);
	p->where = where;
	return apply_object(p, of_lab, file);
}

unsigned int config_file_l1s(const json_t *file)
{
	return (unsigned int)json_array_size(json_object_get(file, "l1"));
}

int config_file_l1(struct option_parse *p, const json_t *file, unsigned int i)
{
	return apply_object(p, option_of_l1, json_array_get(json_object_get(file, "l1"), i));
}
