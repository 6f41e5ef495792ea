/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../account/output.h"
#include "../machine/machine.h"
#include "options.h"

/* The name as it is from the current folder. False: no memory */
static bool place(struct lab_config *lab, const char **name)
{
	char path[PATH_MAX];
	int n;

	if (!*name || **name == '/')
		return true;
	n = snprintf(path, sizeof(path), "%s/%s", lab->directory, *name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	*name = lab_config_text(lab, path, (size_t)n);
	return *name != NULL;
}

static bool place_all(struct lab_config *lab)
{
	bool ok = place(lab, &lab->stats) && place(lab, &lab->control);

	for (unsigned int i = 0; i < lab->l1_count && ok; i++) {
		struct run_config *c = &lab->l1[i];
		const char *trace = c->exits.path;

		for (unsigned int j = 0; j < SERIAL_PORTS && ok; j++)
			ok = place(lab, &c->serial[j].path);
		if (!ok || !*trace)
			continue;
		ok = place(lab, &trace);
		if (trace != c->exits.path)
			snprintf(c->exits.path, sizeof(c->exits.path), "%s", ok ? trace : "");
	}
	return ok;
}

static int write_config(const struct lab_config *lab, char *error, size_t n)
{
	json_t *config = config_json(lab);
	char *text = config ? json_dumps(config, JSON_INDENT(2)) : NULL, path[PATH_MAX];
	struct output o;
	int err;

	json_decref(config);
	if (!text) {
		snprintf(error, n, "%s/config.json: a text of the configuration isn't UTF-8, or memory is short",
			 lab->directory);
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "%s/config.json", lab->directory);
	err = output_open(&o, path);
	if (!err) {
		fputs(text, o.f);
		fputc('\n', o.f);
		err = output_commit(&o);
	}
	free(text);
	if (err)
		snprintf(error, n, "%s: %s", path, strerror(-err));
	return err ? EXIT_HOST : 0;
}

int directory_prepare(struct lab_config *lab, char *error, size_t n)
{
	int code;

	if (!lab->directory)
		return 0;
	if (mkdir(lab->directory, 0777) && errno != EEXIST) {
		snprintf(error, n, "--directory: %s: %s", lab->directory, strerror(errno));
		return EXIT_HOST;
	}
	code = write_config(lab, error, n);
	if (!code && !place_all(lab)) {
		snprintf(error, n, "--directory: %s: the name is too long, or memory is short", lab->directory);
		code = EXIT_USAGE;
	}
	return code;
}
