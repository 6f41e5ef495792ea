/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A target in a process of its own. What a guest does must never end L0; when it does, that is a mismatch like
 * any other, to be minimised and printed, so the fuzzer has to outlive it.
 */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "fuzz_target.h"

#define ERROR_SIZE 200
#define CASE_SECONDS 5 /* far longer than a target gives a case that doesn't end */

enum command { RUN, CPUID };

struct channel {
	sem_t go, done;
	u32 command; /* enum command */
	volatile u32 progress;
	u32 leaf, subleaf, out[4];
	char error[ERROR_SIZE]; /* of the creation */
	bool created;
	struct fuzz_batch batch;
	struct fuzz_result results[FUZZ_BATCH];
};

struct remote {
	struct fuzz_target target;
	struct fuzz_target *(*create)(char *error);
	struct channel *c;
	pid_t pid;
	int log; /* the process's stderr */
};

/* The other process. Ends when it is killed. */
static _Noreturn void serve(struct remote *r)
{
	struct channel *c = r->c;
	struct fuzz_target *t = r->create(c->error);

	c->created = t;
	sem_post(&c->done);
	if (!t)
		_exit(0);
	t->progress = &c->progress;
	for (;;) {
		while (sem_wait(&c->go))
			;
		if (c->command == CPUID) {
			t->cpuid(t, c->leaf, c->subleaf, c->out);
		} else {
			const struct fuzz_result *results;

			t->start(t, &c->batch);
			results = t->finish(t);
			memcpy(&c->results[c->batch.first], &results[c->batch.first],
			       (c->batch.count - c->batch.first) * sizeof(*results));
		}
		sem_post(&c->done);
	}
}

static bool spawn(struct remote *r)
{
	pid_t parent = getpid();

	sem_init(&r->c->go, 1, 0);
	sem_init(&r->c->done, 1, 0);
	r->c->created = false;
	if (ftruncate(r->log, 0) < 0 || lseek(r->log, 0, SEEK_SET) < 0)
		return false;
	fflush(NULL);
	r->pid = fork();
	if (r->pid)
		return r->pid > 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || dup2(r->log, STDERR_FILENO) < 0)
		_exit(30);
	serve(r);
}

static void reap(struct remote *r)
{
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	r->pid = 0;
}

/* True when the process has answered. False, with what became of it, if it has ended or hangs. */
static bool wait_done(struct remote *r, char *why, size_t size)
{
	unsigned int tenths = 0;
	u32 progress = r->c->progress;
	struct timespec until;
	int status;

	for (;;) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 100000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (sem_timedwait(&r->c->done, &until) == 0)
			return true;
		if (errno == ETIMEDOUT && waitpid(r->pid, &status, WNOHANG) == r->pid) {
			ssize_t n;

			r->pid = 0;
			n = snprintf(why, size, WIFSIGNALED(status) ? "signal %d: " : "exit code %d: ",
				     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
			size -= n + 1;
			why += n;
			n = pread(r->log, why, size, 0);
			why[n > 0 ? n : 0] = 0;
			why[strcspn(why, "\n")] = 0;
			return false;
		}
		tenths = r->c->progress == progress ? tenths + 1 : 0;
		progress = r->c->progress;
		if (tenths == CASE_SECONDS * 10) {
			reap(r);
			snprintf(why, size, "hangs");
			return false;
		}
	}
}

static bool start_process(struct remote *r, char *error)
{
	char why[120];

	if (!spawn(r)) {
		snprintf(error, ERROR_SIZE, "fork: %s", strerror(errno));
		return false;
	}
	if (!wait_done(r, why, sizeof(why))) {
		snprintf(error, ERROR_SIZE, "%s", why);
		return false;
	}
	if (!r->c->created) {
		snprintf(error, ERROR_SIZE, "%s", r->c->error);
		reap(r);
		return false;
	}
	return true;
}

/* it worked once */
static void restart_process(struct remote *r)
{
	char error[ERROR_SIZE];

	if (!start_process(r, error)) {
		fprintf(stderr, "fuzz: %s\n", error);
		abort();
	}
}

static void remote_start(struct fuzz_target *t, const struct fuzz_batch *batch)
{
	struct remote *r = (struct remote *)t;

	memcpy(r->c->batch.memory, batch->memory, sizeof(batch->memory));
	memcpy(r->c->batch.cases, batch->cases, batch->count * sizeof(batch->cases[0]));
	r->c->batch.first = 0;
	r->c->batch.count = batch->count;
	r->c->command = RUN;
	sem_post(&r->c->go);
}

static const struct fuzz_result *remote_finish(struct fuzz_target *t)
{
	struct remote *r = (struct remote *)t;
	struct channel *c = r->c;
	char why[sizeof(c->results[0].why)];

	while (!wait_done(r, why, sizeof(why))) {
		u32 n = c->progress, i;

		restart_process(r);
		/* what the dead process had done is lost with it: again up to there, and on behind it */
		for (i = c->batch.first; i <= n; i++) {
			memset(&c->results[i], 0, offsetof(struct fuzz_result, memory));
			c->results[i].status = FUZZ_BROKEN;
		}
		snprintf(c->results[n].why, sizeof(c->results[n].why), "%s", why);
		if (n > c->batch.first) {
			u32 first = c->batch.first, count = c->batch.count;

			c->batch.count = n;
			sem_post(&c->go);
			if (!wait_done(r, why, sizeof(why)))
				restart_process(r); /* not the same twice: those cases stay broken */
			c->batch.first = first;
			c->batch.count = count;
		}
		c->batch.first = n + 1;
		if (c->batch.first == c->batch.count)
			break;
		sem_post(&c->go);
	}
	return c->results;
}

static void remote_cpuid(struct fuzz_target *t, u32 leaf, u32 subleaf, u32 out[4])
{
	struct remote *r = (struct remote *)t;
	char why[120];

	r->c->leaf = leaf;
	r->c->subleaf = subleaf;
	r->c->command = CPUID;
	sem_post(&r->c->go);
	if (!wait_done(r, why, sizeof(why))) {
		fprintf(stderr, "fuzz: %s\n", why);
		abort();
	}
	memcpy(out, r->c->out, sizeof(r->c->out));
}

static void remote_destroy(struct fuzz_target *t)
{
	struct remote *r = (struct remote *)t;

	if (r->pid > 0)
		reap(r);
	if (r->c)
		munmap(r->c, sizeof(*r->c));
	if (r->log >= 0)
		close(r->log);
	free(r);
}

struct fuzz_target *fuzz_remote_create(struct fuzz_target *(*create)(char *error), char *error)
{
	struct remote *r = calloc(1, sizeof(*r));

	if (!r) {
		snprintf(error, ERROR_SIZE, "no memory");
		return NULL;
	}
	r->target = (struct fuzz_target){ "turtles",	remote_start,	remote_finish,
					  remote_cpuid, remote_destroy, BIT(FUZZ_MODE_COUNT) - 1,
					  NULL };
	r->create = create;
	r->log = memfd_create("fuzz-log", MFD_CLOEXEC);
	r->c = mmap(NULL, sizeof(*r->c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->c == MAP_FAILED)
		r->c = NULL;
	if (!r->c || r->log < 0) {
		snprintf(error, ERROR_SIZE, "memory for the other process: %s", strerror(errno));
		remote_destroy(&r->target);
		return NULL;
	}
	if (!start_process(r, error)) {
		remote_destroy(&r->target);
		return NULL;
	}
	return &r->target;
}
