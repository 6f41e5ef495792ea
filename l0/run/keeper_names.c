/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which names the keeper knows, and what each is good for. */
#include "keeper.h"

#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../cli/config.h"

struct name {
	struct name *next;
	enum keeper_use use;
	char text[];
};

struct keeper_names {
	struct name *first;
	bool failed; /* no memory */
};

static void add(struct keeper_names *names, enum keeper_use use, const char *text)
{
	struct name *name;

	if (!text || !*text)
		return;
	name = malloc(sizeof(*name) + strlen(text) + 1);
	names->failed |= !name;
	if (!name)
		return;
	name->use = use;
	strcpy(name->text, text);
	name->next = names->first;
	names->first = name;
}

/* As it is written, and as realpath() finds it now or will once it is there. */
static void add_result(struct keeper_names *names, enum keeper_use use, const char *text, const char *suffix)
{
	char name[PATH_MAX + 16], real[PATH_MAX], *slash;

	if (!text || !*text || strlen(text) >= PATH_MAX)
		return;
	snprintf(name, sizeof(name), "%s%s", text, suffix);
	add(names, use, name);
	if (realpath(text, real)) {
		snprintf(name, sizeof(name), "%s%s", real, suffix);
		add(names, use, name);
		return;
	}
	snprintf(name, sizeof(name), "%s", text);
	slash = strrchr(name, '/');
	if (slash)
		*slash = '\0';
	if (realpath(!slash ? "." : slash == name ? "/" : name, real)) {
		snprintf(name, sizeof(name), "%s%s%s%s", real, real[1] ? "/" : "", slash ? slash + 1 : text, suffix);
		add(names, use, name);
	}
}

/* "FILE ARGS,FILE ARGS": the files; ",," is a comma. It may be one name as well. */
static void add_modules(struct keeper_names *names, const char *list)
{
	char name[PATH_MAX];

	add(names, KEEP_READ, list);
	while (list && *list) {
		size_t n = 0;
		bool arguments = false;

		while (*list && (*list != ',' || list[1] == ',')) {
			list += *list == ',';
			arguments |= *list == ' ';
			if (!arguments && n < sizeof(name) - 1)
				name[n++] = *list;
			list++;
		}
		list += *list == ',';
		name[n] = '\0';
		add(names, KEEP_READ, name);
	}
}

static void add_l1(struct keeper_names *names, const struct run_config *c)
{
	add(names, KEEP_READ, c->kernel);
	add_modules(names, c->initrd);
	add_result(names, KEEP_TRACE, c->exits.path, "");
	add_result(names, KEEP_RESULT, c->exits.path, TRACE_SYMBOLS);
	for (unsigned int i = 0; i < SERIAL_PORTS; i++)
		if (c->serial[i].kind == SERIAL_UNIX)
			add(names, KEEP_REMOVE, c->serial[i].path);
	if (c->engine != ENGINE_BT)
		add(names, KEEP_DEVICE, "/dev/kvm");
}

/* For dl_iterate_phdr(): a library by the name that it was loaded by, and by the one that the kernel shows */
static int add_library(struct dl_phdr_info *info, size_t size, void *names)
{
	char real[PATH_MAX];

	(void)size;
	add(names, KEEP_READ, info->dlpi_name);
	if (*info->dlpi_name && realpath(info->dlpi_name, real))
		add(names, KEEP_READ, real);
	return 0;
}

struct keeper_names *keeper_names_create(const struct lab_config *config)
{
	/* what the stats say of the host and of us; what a crash's backtrace is made from */
	static const char *const READ[] = { "/proc/cpuinfo", "/proc/stat", "/sys/devices/system/cpu/online",
					    "/proc/self/smaps", "/proc/self/maps" };
	struct keeper_names *names = calloc(1, sizeof(*names));
	char program[PATH_MAX];
	ssize_t n;

	if (!names)
		return NULL;
	for (size_t i = 0; i < sizeof(READ) / sizeof(READ[0]); i++)
		add(names, KEEP_READ, READ[i]);
	dl_iterate_phdr(add_library, names);
	n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	if (n > 0) {
		program[n] = '\0';
		add(names, KEEP_READ, program);
	}
	add_result(names, KEEP_RESULT, config->stats, "");
	add(names, KEEP_REMOVE, config->control);
	for (unsigned int i = 0; i < config->l1_count; i++)
		add_l1(names, &config->l1[i]);
	if (!names->failed)
		return names;
	keeper_names_destroy(names);
	return NULL;
}

void keeper_names_destroy(struct keeper_names *names)
{
	while (names && names->first) {
		struct name *name = names->first;

		names->first = name->next;
		free(name);
	}
	free(names);
}

/* "/proc/PID/task/N/comm", where a thread's name is written */
static bool is_thread_name(const char *name)
{
	size_t n;

	if (strncmp(name, "/proc/self/task/", 16))
		return false;
	n = strspn(name + 16, "0123456789");
	return n && !strcmp(name + 16 + n, "/comm");
}

/* The temporary file of a result: output.h */
static bool is_temporary(const char *name, const char *result, pid_t pid)
{
	char suffix[32];
	size_t n = strlen(result);

	snprintf(suffix, sizeof(suffix), ".%d.tmp", (int)pid);
	return !strncmp(name, result, n) && !strcmp(name + n, suffix);
}

/* FILE becomes FILE.N, or FILE.kallsyms FILE.N.kallsyms */
static bool keeps_trace(const char *name, const char *trace, const char *to)
{
	size_t n = strlen(trace);

	return !strncmp(name, trace, n) && (!name[n] || !strcmp(name + n, TRACE_SYMBOLS)) &&
	       trace_is_kept(to, trace, name + n);
}

/* The asking process may call itself by its number, and what it sees as the root by its own name: libunwind does. */
static const char *without_pid(const char *name, pid_t pid, char buffer[PATH_MAX])
{
	char own[32];
	int n = snprintf(own, sizeof(own), "/proc/%d/root/", (int)pid);

	if (!strncmp(name, own, (size_t)n))
		return name + n - 1;
	n = snprintf(own, sizeof(own), "/proc/%d/", (int)pid);

	if (strncmp(name, own, (size_t)n))
		return name;
	snprintf(buffer, PATH_MAX, "/proc/self/%s", name + n);
	return buffer;
}

static bool allows(const struct name *known, pid_t pid, const char *name, int flags, const char *to)
{
	const bool reads = flags >= 0 && (flags & O_ACCMODE) == O_RDONLY &&
			   !(flags & (O_CREAT | O_TRUNC | O_TMPFILE | O_PATH));
	const bool makes = flags >= 0 && (flags & (O_CREAT | O_TRUNC));
	const bool same = !strcmp(known->text, name);

	if ((flags & O_TMPFILE) == O_TMPFILE && flags >= 0)
		return false;
	switch (known->use) {
	case KEEP_READ:
		return same && reads;
	case KEEP_DEVICE:
		return same && flags >= 0 && !makes;
	case KEEP_TRACE:
		if (to && keeps_trace(name, known->text, to))
			return true;
		/* fallthrough */
	case KEEP_RESULT:
		if (to)
			return is_temporary(name, known->text, pid) && !strcmp(known->text, to);
		return same || is_temporary(name, known->text, pid);
	case KEEP_REMOVE:
		return same && flags < 0 && !to;
	}
	return false;
}

bool keeper_allows(const struct keeper_names *names, pid_t pid, const char *name, int flags, const char *to)
{
	char buffer[PATH_MAX];

	name = without_pid(name, pid, buffer);
	if (is_thread_name(name) && flags >= 0 && !(flags & (O_CREAT | O_TRUNC)) && !to)
		return true;
	for (const struct name *known = names->first; known; known = known->next)
		if (allows(known, pid, name, flags, to))
			return true;
	return false;
}
