/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options that stand in a list, "key=value,key=value,...", or in a file: those that can be said of one L1. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

int option_set_flag(struct option_parse *p, const struct option *o, const char *value)
{
	void *config = o->group == GROUP_LAB ? (void *)p->lab : p->config;

	if (!value || !strcmp(value, "on"))
		return o->set(p, o, NULL);
	if (strcmp(value, "off"))
		return option_error(p, "'%s' is neither on nor off", value);
	if (option_kind(o) != OPTION_FLAG)
		return option_error(p, "can't be undone");
	*(bool *)((char *)config + o->field) = false;
	return 0;
}

int option_of_l1(struct option_parse *p, const char *key, const char *value)
{
	const struct option *o = option_find(key);

	p->spelled = key;
	if (!o)
		return option_error(p, "no option of an L1's; see turtles --help");
	if (o->group == GROUP_REFUSED)
		return o->set(p, o, NULL);
	if (o->group >= GROUP_LAB)
		return option_error(p, "can't be said of one L1: it is about all of the run");
	if (!o->arg)
		return option_set_flag(p, o, value);
	if (!value)
		return option_error(p, "needs %s", o->arg);
	return o->set(p, o, value);
}

/* "a,memory=1G": the first word, if it stands alone, is the name, also where QEMU has an option that is called so. */
static bool is_name(const char *word)
{
	const struct option *o = option_find(word);

	if (!o || (o->ours && !strcmp(o->ours, word)))
		return !o;
	return o->arg || o->group >= GROUP_LAB;
}

int options_of_l1(struct option_parse *p, const char *list)
{
	int err = 0;

	for (bool first = true; *list && !err; first = false) {
		char *item = malloc(strlen(list) + 1), *value;
		const char *text;
		size_t n = 0;

		p->spelled = "--l1";
		if (!item)
			return option_error(p, "not enough memory");
		/* ",," is a comma of the value's */
		while (*list && (*list != ',' || list[1] == ',')) {
			list += *list == ',';
			item[n++] = *list++;
		}
		list += *list == ',';
		text = lab_text(p, item, n);
		free(item);
		if (!text)
			return -EINVAL;
		value = strchr(text, '=');
		if (value)
			*value++ = '\0';
		if (first && !value && is_name(text))
			err = option_of_l1(p, "name", text);
		else
			err = option_of_l1(p, text, value);
	}
	return err;
}
