/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A trace's file: made, extended, closed. None of it is on a hot path. */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../vmcs-shadow/entry_checks.h"
#include "../vmx/exits.h"
#include "host.h"
#include "stacks.h"

#define STEP (8ull << 20) /* bytes: a tenth of a second of the busiest guest */
#define PAGE 4096ull

static json_t *reasons(void)
{
	json_t *object = json_object();

#define X(number, name) json_object_set_new(object, #name, json_integer(number));
	VM_EXITS(X)
#undef X
	return object;
}

static json_t *checks(void)
{
	json_t *object = json_object();

	for (unsigned int i = VMX_CHECK_OK + 1; i < VMX_CHECK_COUNT; i++)
		json_object_set_new(object, vmx_check_name((enum vmx_check)i), json_integer(i));
	return object;
}

/* The header with its text, in whole pages; *size: bytes. NULL: no memory */
static struct trace_header *header(const struct trace *t, const struct trace_run *run, u64 *size)
{
	json_t *root = json_pack("{s:s, s:o, s:o, s:o, s:o}", "name", run->name, "reasons", reasons(), "checks",
				 checks(), "host", host_json(), "command", command_json(run->argc, run->argv));
	struct trace_header *h = NULL;
	char *text;

	if (t->every)
		json_object_set_new(root, "stacks", json_integer((json_int_t)t->every));
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	if (text) {
		*size = (sizeof(*h) + strlen(text) + PAGE - 1) & ~(PAGE - 1);
		h = calloc(1, *size);
	}
	if (h) {
		*h = (struct trace_header){
			.magic = TRACE_MAGIC,
			.version = TRACE_VERSION,
			.header_size = (u32)*size,
			.record_size = sizeof(struct trace_record),
			.text_size = (u32)strlen(text),
			.clock = run->counted ? TRACE_INSNS : TRACE_HOST,
			.ticks = run->counted ? 1 : run->tsc_hz,
			.ns = run->counted ? 1 : 1000000000,
		};
		for (unsigned int i = 0; i < TRACE_REASONS / 64; i++)
			h->reasons[i] = t->filtered ? t->reasons[i] : UINT64_MAX;
		memcpy(h + 1, text, strlen(text));
	}
	free(text);
	json_decref(root);
	return h;
}

/*
 * A new file that has the name from now on. Symbolic links are followed. What the name stood for until now is not written
 * over: another run may have it mapped, and would get a SIGBUS.
 */
static int new_file(const char *path, char **real)
{
	struct stat st;
	int fd;

	*real = realpath(path, NULL);
	if (!*real)
		*real = strdup(path);
	if (!*real)
		return -ENOMEM;
	if (!stat(*real, &st)) {
		if (!S_ISREG(st.st_mode))
			return -ENODEV;
		if (unlink(*real))
			return -errno;
	}
	fd = open(*real, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const void *data, size_t n)
{
	const char *from = data;

	while (n) {
		ssize_t done = write(fd, from, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? errno : ENOSPC;
		from += done;
		n -= (size_t)done;
	}
	return 0;
}

static void release(struct trace *t)
{
	if (t->before)
		munmap(t->before, t->before_size);
	if (t->step)
		munmap(t->step, t->step_size);
	if (t->header)
		munmap(t->header, PAGE);
	if (t->fd >= 0)
		close(t->fd);
	stacks_destroy(t->stacks);
	free(t->path);
	free(t);
}

/* Of a Linux guest's symbols; NULL: no memory */
static char *symbols_path(const struct trace *t)
{
	char *path;

	return asprintf(&path, "%s.kallsyms", t->path) < 0 ? NULL : path;
}

struct trace *trace_create(const struct trace_options *o, const struct trace_run *run, char *error, size_t n)
{
	struct trace *t = calloc(1, sizeof(*t));
	struct trace_header *h = NULL;
	void *map;
	int err = ENOMEM;

	if (!t)
		goto fail;
	t->fd = -1;
	t->start = run->start_tsc;
	t->counted = run->counted;
	t->limit = o->limit ? o->limit : UINT64_MAX;
	for (unsigned int i = 0; i < TRACE_REASONS / 64; i++) {
		t->reasons[i] = o->reasons[i];
		t->filtered |= o->reasons[i] != 0;
	}
	if (o->stacks) {
		t->every = o->stacks;
		t->stacks = stacks_create(run->kernel);
		if (!t->stacks)
			goto fail;
	}
	h = header(t, run, &t->size);
	if (!h)
		goto fail;
	/* A file that may not grow (ulimit -f) is as good as a full disk, and no reason to die. */
	signal(SIGXFSZ, SIG_IGN);
	t->fd = new_file(o->path, &t->path);
	if (t->fd < 0) {
		err = -t->fd;
		goto fail;
	}
	/* those of an earlier run would be wrong: a kernel is never twice at one place */
	if (t->stacks) {
		char *symbols = symbols_path(t);

		if (symbols)
			unlink(symbols);
		free(symbols);
	}
	err = write_all(t->fd, h, t->size);
	if (err)
		goto fail;
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	if (map == MAP_FAILED) {
		err = errno;
		goto fail;
	}
	t->header = map;
	free(h);
	return t;
fail:
	if (err == ENODEV)
		snprintf(error, n, "trace: %s: not a regular file: a trace is written through a mapping", o->path);
	else
		snprintf(error, n, "trace: %s: %s", o->path, strerror(err));
	free(h);
	if (t)
		release(t);
	return NULL;
}

/* Records up to now */
static u64 count(const struct trace *t)
{
	return t->records + (t->step ? (u64)(t->next - (struct trace_record *)t->step) : 0);
}

static bool give_up(struct trace *t, int error)
{
	t->error = error;
	t->limit = 0;
	if (error)
		fprintf(stderr, "turtles: trace: %s: %s: the trace ends with %llu records, the guest goes on\n",
			t->path, strerror(error), (unsigned long long)count(t));
	else
		fprintf(stderr, "turtles: trace: %s: its limit is reached with %llu records, the guest goes on\n",
			t->path, (unsigned long long)count(t));
	t->header->state = error ? TRACE_NO_SPACE : TRACE_LIMIT;
	t->header->records = count(t);
	return false;
}

bool trace_extend(struct trace *t)
{
	u64 step = t->limit > t->size ? t->limit - t->size : 0;
	void *map;
	int err;

	if (!t->limit)
		return false;
	/* mappings begin at pages; the last step of a limited file may end anywhere */
	step = (step < STEP ? step : STEP) / sizeof(struct trace_record) * sizeof(struct trace_record);
	if (!step)
		return give_up(t, 0);
	err = posix_fallocate(t->fd, (off_t)t->size, (off_t)step);
	if (err)
		return give_up(t, err);
	map = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, (off_t)t->size);
	if (map == MAP_FAILED)
		return give_up(t, errno);
	t->records = count(t);
	if (t->before) {
		if ((u8 *)t->access >= (u8 *)t->before && (u8 *)t->access < (u8 *)t->before + t->before_size)
			t->access = NULL;
		munmap(t->before, t->before_size);
	}
	t->before = t->step;
	t->before_size = t->step_size;
	t->step = map;
	t->step_size = step;
	t->size += step;
	t->next = map;
	t->end = (struct trace_record *)map + step / sizeof(struct trace_record);
	return true;
}

int trace_close(struct trace *t, u64 ticks, u64 ns)
{
	u64 records = count(t), size = t->header->header_size + records * sizeof(struct trace_record);
	char *symbols = t->stacks ? symbols_path(t) : NULL;
	int err = t->error;

	if (!t->counted && ticks) {
		t->header->ticks = ticks;
		t->header->ns = ns;
	}
	if (t->header->state == TRACE_OPEN)
		t->header->state = TRACE_COMPLETE;
	t->header->records = records;
	/* what is cut off is zeros; if it stays, readers see the end all the same */
	if (ftruncate(t->fd, (off_t)size) && !err)
		err = errno;
	if (symbols) {
		int failed = stacks_save_symbols(t->stacks, symbols);

		if (failed) {
			fprintf(stderr, "turtles: trace: %s: %s\n", symbols, strerror(-failed));
			err = err ? err : -failed;
		}
		free(symbols);
	}
	release(t);
	return err;
}
