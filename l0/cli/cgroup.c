/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first line of a file in the cgroup's folder. False: there is none. */
static bool first_line(const char *folder, const char *name, char *line, size_t n)
{
	char path[PATH_MAX + 64];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "re");
	ok = f && fgets(line, (int)n, f);
	if (f)
		fclose(f);
	return ok;
}

static void limit_cpus(struct cgroup_limits *l, double quota, double period)
{
	if (quota > 0 && period > 0 && (!l->cpus || quota / period < l->cpus))
		l->cpus = quota / period;
}

static void limit_memory(struct cgroup_limits *l, u64 bytes)
{
	if (bytes && (!l->memory || bytes < l->memory))
		l->memory = bytes;
}

/* "max" is 0 */
static void look_v2(const char *folder, struct cgroup_limits *l)
{
	char line[128], *period;

	if (first_line(folder, "cpu.max", line, sizeof(line))) {
		period = strchr(line, ' ');
		limit_cpus(l, strtod(line, NULL), period ? strtod(period, NULL) : 100000);
	}
	if (first_line(folder, "memory.max", line, sizeof(line)))
		limit_memory(l, strtoull(line, NULL, 10));
}

/* no limit is -1 */
static void look_cpu(const char *folder, struct cgroup_limits *l)
{
	char quota[128], period[128];

	if (first_line(folder, "cpu.cfs_quota_us", quota, sizeof(quota)) &&
	    first_line(folder, "cpu.cfs_period_us", period, sizeof(period)))
		limit_cpus(l, strtod(quota, NULL), strtod(period, NULL));
}

/* no limit is more than there can be */
static void look_memory(const char *folder, struct cgroup_limits *l)
{
	char line[128];

	if (first_line(folder, "memory.limit_in_bytes", line, sizeof(line)))
		limit_memory(l, strtoull(line, NULL, 10));
}

/* The hierarchies, as /proc/self/cgroup calls them: the unified one has no name. */
static const struct {
	const char *controller, *mounted;
	void (*look)(const char *folder, struct cgroup_limits *l);
} HIERARCHIES[] = {
	{ "", "", look_v2 },
	{ "cpu", "/cpu", look_cpu },
	{ "memory", "/memory", look_memory },
};

/* "cpu,cpuacct" */
static bool has_name(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (;;) {
		if (strcspn(list, ",") == n && !strncmp(list, name, n))
			return true;
		list = strchr(list, ',');
		if (!list)
			return false;
		list++;
	}
}

/* From the process's cgroup up to the top: where the path isn't one that is seen here, as in a container, only the top is there. */
static void look_up(const char *top, const char *path, void (*look)(const char *folder, struct cgroup_limits *l),
		    struct cgroup_limits *l)
{
	char folder[PATH_MAX];
	int n = snprintf(folder, sizeof(folder), "%s%s", top, path);

	if (n < 0 || (size_t)n >= sizeof(folder))
		return;
	look(folder, l);
	while (strlen(folder) > strlen(top)) {
		*strrchr(folder, '/') = '\0';
		look(folder, l);
	}
}

struct cgroup_limits cgroup_limits(const char *self, const char *root)
{
	struct cgroup_limits l = { .cpus = 0 };
	FILE *f = fopen(self, "re");
	char line[PATH_MAX], top[PATH_MAX];

	/* number:names:path */
	while (f && fgets(line, sizeof(line), f)) {
		char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;

		if (!path || path[1] != '/')
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		for (size_t i = 0; i < sizeof(HIERARCHIES) / sizeof(HIERARCHIES[0]); i++) {
			if (!has_name(names + 1, HIERARCHIES[i].controller))
				continue;
			snprintf(top, sizeof(top), "%s%s", root, HIERARCHIES[i].mounted);
			look_up(top, path, HIERARCHIES[i].look, &l);
		}
	}
	if (f)
		fclose(f);
	return l;
}
