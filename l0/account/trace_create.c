/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A trace's file: made, extended, closed. None of it is on a hot path. */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
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

#define PIECE_ALONE (8ull << 20) /* bytes: a tenth of a second of the busiest guest */
#define PIECE (2ull << 20) /* with several vCPUs: what each leaves empty at the end is half of that */
#define PAGE 4096ull

struct traces {
	struct trace_header *header;
	pthread_mutex_t lock; /* of what follows: held once in some thousand records */
	u64 size; /* bytes of the file up to the end of the last piece */
	u64 limit; /* bytes; 0: the trace has ended */
	int error; /* errno that ended the trace; 0: none */
	int fd;
	char *path;
	u64 piece; /* bytes of a piece; the last one may be shorter */
	unsigned int vcpus;
	struct trace trace[];
};

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
static struct trace_header *header(const struct traces *ts, const struct trace_run *run, u64 *size)
{
	json_t *root = json_pack("{s:s, s:o, s:o, s:o, s:o}", "name", run->name, "reasons", reasons(), "checks",
				 checks(), "host", host_json(), "command", command_json(run->argc, run->argv));
	const struct trace *t = ts->trace;
	struct trace_header *h = NULL;
	char *text;

	if (ts->vcpus > 1) {
		json_object_set_new(root, "vcpus", json_integer(ts->vcpus));
		json_object_set_new(root, "piece", json_integer((json_int_t)ts->piece));
	}
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
			.version = ts->vcpus > 1 ? TRACE_VERSION_PIECES : TRACE_VERSION,
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

static void release(struct traces *ts)
{
	for (unsigned int i = 0; i < ts->vcpus; i++) {
		struct trace *t = &ts->trace[i];

		if (t->before)
			munmap(t->before, t->before_size);
		if (t->piece)
			munmap(t->piece, t->piece_size);
		stacks_destroy(t->stacks);
	}
	if (ts->header)
		munmap(ts->header, PAGE);
	if (ts->fd >= 0)
		close(ts->fd);
	pthread_mutex_destroy(&ts->lock);
	free(ts->path);
	free(ts);
}

/* Of a Linux guest's symbols; NULL: no memory */
static char *symbols_path(const struct traces *ts)
{
	char *path;

	return asprintf(&path, "%s" TRACE_SYMBOLS, ts->path) < 0 ? NULL : path;
}

/* Every vCPU gets some of a small limit. */
static u64 piece_size(const struct trace_options *o, unsigned int vcpus)
{
	u64 some = o->limit / (4 * vcpus) / PAGE * PAGE;

	if (vcpus == 1)
		return PIECE_ALONE;
	return !o->limit || some > PIECE ? PIECE : some < PAGE ? PAGE : some;
}

/* 0 or -ENOMEM */
static int prepare(struct trace *t, struct traces *ts, const struct trace_options *o, const struct trace_run *run)
{
	t->of = ts;
	t->start = run->start_tsc;
	t->counted = run->counted;
	for (unsigned int i = 0; i < TRACE_REASONS / 64; i++) {
		t->reasons[i] = o->reasons[i];
		t->filtered |= o->reasons[i] != 0;
	}
	t->every = o->stacks;
	if (o->stacks)
		t->stacks = stacks_create(run->kernel);
	return o->stacks && !t->stacks ? -ENOMEM : 0;
}

struct traces *traces_create(const struct trace_options *o, const struct trace_run *run, char *error, size_t n)
{
	struct traces *ts = calloc(1, sizeof(*ts) + run->vcpus * sizeof(ts->trace[0]));
	struct trace_header *h = NULL;
	void *map;
	int err = ENOMEM;

	if (!ts)
		goto fail;
	pthread_mutex_init(&ts->lock, NULL);
	ts->fd = -1;
	ts->vcpus = run->vcpus;
	ts->limit = o->limit ? o->limit : UINT64_MAX;
	ts->piece = piece_size(o, run->vcpus);
	for (unsigned int i = 0; i < run->vcpus; i++)
		if (prepare(&ts->trace[i], ts, o, run))
			goto fail;
	h = header(ts, run, &ts->size);
	if (!h)
		goto fail;
	/* A file that may not grow (ulimit -f) is as good as a full disk, and no reason to die. */
	signal(SIGXFSZ, SIG_IGN);
	ts->fd = new_file(o->path, &ts->path);
	if (ts->fd < 0) {
		err = -ts->fd;
		goto fail;
	}
	/* those of an earlier run would be wrong: a kernel is never twice at one place */
	if (o->stacks) {
		char *symbols = symbols_path(ts);

		if (symbols)
			unlink(symbols);
		free(symbols);
	}
	err = write_all(ts->fd, h, ts->size);
	if (err)
		goto fail;
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ts->fd, 0);
	if (map == MAP_FAILED) {
		err = errno;
		goto fail;
	}
	ts->header = map;
	free(h);
	return ts;
fail:
	if (err == ENODEV)
		snprintf(error, n, "trace: %s: not a regular file: a trace is written through a mapping", o->path);
	else
		snprintf(error, n, "trace: %s: %s", o->path, strerror(err));
	free(h);
	if (ts)
		release(ts);
	return NULL;
}

/* What is called real.N is of an earlier run, and replaced. */
static int keep(const char *real, u64 number, const char *suffix)
{
	char *from = NULL, *to = NULL;
	int err = 0;

	if (asprintf(&from, "%s%s", real, suffix) < 0)
		from = NULL;
	if (asprintf(&to, "%s.%llu%s", real, (unsigned long long)number, suffix) < 0)
		to = NULL;
	if (!from || !to)
		err = -ENOMEM;
	else if (rename(from, to))
		err = errno == ENOENT ? 0 : -errno;
	free(from);
	free(to);
	return err;
}

int trace_keep(const char *path, u64 number)
{
	char *real = realpath(path, NULL);
	int err = real ? keep(real, number, "") : errno == ENOENT ? 0 : -errno;

	if (real && !err)
		err = keep(real, number, TRACE_SYMBOLS);
	free(real);
	return err;
}

bool trace_is_kept(const char *name, const char *path, const char *suffix)
{
	size_t n = strlen(path), digits;

	if (strncmp(name, path, n) || name[n] != '.')
		return false;
	digits = strspn(name + n + 1, "0123456789");
	return digits && !strcmp(name + n + 1 + digits, suffix);
}

struct trace *traces_of(struct traces *ts, unsigned int index)
{
	return &ts->trace[index];
}

/* Bytes of the mapped piece that have records */
static u64 used(const struct trace *t)
{
	return t->piece ? (u64)((u8 *)t->next - (u8 *)t->piece) : 0;
}

static u64 count(const struct trace *t)
{
	return t->records + used(t) / sizeof(struct trace_record);
}

/* The lock is held. Other vCPUs fill the pieces that they have. */
static bool give_up(const struct trace *t, int error)
{
	struct traces *ts = t->of;
	char records[64] = "";

	ts->error = error;
	ts->limit = 0;
	if (ts->vcpus == 1) {
		snprintf(records, sizeof(records), " with %llu records", (unsigned long long)count(t));
		ts->header->records = count(t);
	}
	if (error)
		fprintf(stderr, "turtles: trace: %s: %s: the trace ends%s, the guest goes on\n", ts->path,
			strerror(error), records);
	else
		fprintf(stderr, "turtles: trace: %s: its limit is reached%s, the guest goes on\n", ts->path, records);
	ts->header->state = error ? TRACE_NO_SPACE : TRACE_LIMIT;
	return false;
}

/* The next piece of the file, *size bytes at *at. NULL: none */
static void *claim(const struct trace *t, u64 *at, u64 *size)
{
	struct traces *ts = t->of;
	void *map;
	int err;

	if (!ts->limit)
		return NULL;
	*size = ts->limit > ts->size ? ts->limit - ts->size : 0;
	/* mappings begin at pages; the last piece of a limited file may end anywhere */
	*size = (*size < ts->piece ? *size : ts->piece) / sizeof(struct trace_record) * sizeof(struct trace_record);
	if (!*size) {
		give_up(t, 0);
		return NULL;
	}
	*at = ts->size;
	err = posix_fallocate(ts->fd, (off_t)*at, (off_t)*size);
	if (err) {
		give_up(t, err);
		return NULL;
	}
	map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, ts->fd, (off_t)*at);
	if (map == MAP_FAILED) {
		give_up(t, errno);
		return NULL;
	}
	ts->size += *size;
	return map;
}

bool trace_extend(struct trace *t)
{
	u64 at, size;
	void *map;

	pthread_mutex_lock(&t->of->lock);
	map = claim(t, &at, &size);
	pthread_mutex_unlock(&t->of->lock);
	if (!map)
		return false;
	t->records = count(t);
	if (t->before) {
		if ((u8 *)t->access >= (u8 *)t->before && (u8 *)t->access < (u8 *)t->before + t->before_size)
			t->access = NULL;
		munmap(t->before, t->before_size);
	}
	t->before = t->piece;
	t->before_size = t->piece_size;
	t->piece = map;
	t->piece_at = at;
	t->piece_size = size;
	t->next = map;
	t->end = (struct trace_record *)map + size / sizeof(struct trace_record);
	return true;
}

/* Each vCPU has found them by itself, or not: those of the first that has. 0, or an errno that was told. */
static int save_symbols(const struct traces *ts)
{
	char *path = symbols_path(ts);
	int err = path ? 0 : -ENOMEM;

	for (unsigned int i = 0; i < ts->vcpus && !err; i++) {
		if (!stacks_has_symbols(ts->trace[i].stacks))
			continue;
		err = stacks_save_symbols(ts->trace[i].stacks, path);
		break;
	}
	if (err)
		fprintf(stderr, "turtles: trace: %s" TRACE_SYMBOLS ": %s\n", ts->path, strerror(-err));
	free(path);
	return -err;
}

int traces_close(struct traces *ts, u64 ticks, u64 ns)
{
	u64 records = 0, end = ts->header->header_size;
	int err = ts->error;

	if (!ts->trace[0].counted && ticks) {
		ts->header->ticks = ticks;
		ts->header->ns = ns;
	}
	for (unsigned int i = 0; i < ts->vcpus; i++) {
		const struct trace *t = &ts->trace[i];

		records += count(t);
		if (t->piece && t->piece_at + used(t) > end)
			end = t->piece_at + used(t);
	}
	ts->header->records = records;
	if (ts->header->state == TRACE_OPEN)
		ts->header->state = TRACE_COMPLETE;
	/* what is cut off is zeros; if it stays, readers see the end all the same */
	if (ftruncate(ts->fd, (off_t)end) && !err)
		err = errno;
	if (ts->trace[0].stacks) {
		int failed = save_symbols(ts);

		err = err ? err : failed;
	}
	release(ts);
	return err;
}
