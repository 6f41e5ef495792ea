/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's CPU as a fuzz target: starts fuzz-native (fuzz_executor.c) and hands it batches. */
#include <cpuid.h>
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "fuzz_executor.h"

#define ERROR_SIZE 200
#define BATCH_SECONDS 60 /* longer than FUZZ_BATCH cases that all have to be stopped */

struct native {
	struct fuzz_target target;
	struct fuzz_shared *shared;
	pid_t pid;
	u32 number; /* of the last batch */
	bool interpreted;
};

static void wait_done(struct native *n)
{
	struct timespec patience = { 1, 0 };
	int status, seconds = 0;
	u32 done;

	while ((done = __atomic_load_n(&n->shared->done, __ATOMIC_ACQUIRE)) != n->number) {
		if (syscall(SYS_futex, &n->shared->done, FUTEX_WAIT, done, &patience, NULL, 0) == 0 || errno != ETIMEDOUT)
			continue;
		if (waitpid(n->pid, &status, WNOHANG) == n->pid) {
			/* nothing that a case does may end the executor: the fuzzer itself is wrong */
			fprintf(stderr, "fuzz: the native executor ended (status %#x)\n", status);
			abort();
		}
		if (++seconds == BATCH_SECONDS) {
			fprintf(stderr, "fuzz: the native executor hangs\n");
			abort();
		}
	}
}

static void native_start(struct fuzz_target *t, const struct fuzz_batch *batch)
{
	struct native *n = (struct native *)t;

	memcpy(n->shared->batch.memory, batch->memory, sizeof(batch->memory));
	memcpy(n->shared->batch.cases, batch->cases, batch->count * sizeof(batch->cases[0]));
	n->shared->batch.count = batch->count;
	__atomic_store_n(&n->shared->requested, ++n->number, __ATOMIC_RELEASE);
	syscall(SYS_futex, &n->shared->requested, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static const struct fuzz_result *native_finish(struct fuzz_target *t)
{
	struct native *n = (struct native *)t;

	wait_done(n);
	for (u32 i = 0; i < n->shared->batch.count; i++)
		n->shared->results[i].interpreted = n->interpreted;
	return n->shared->results;
}

#define VEC_BP 3
#define VEC_GP 13
#define NOT_CANONICAL 0x7af68ccbca6a6
#define INT_1B 0x1b

/*
 * INT3 with an RSP that isn't canonical, and INT n that nobody may execute, by the SDM alone: hypervisors without VT have been seen to
 * raise other exceptions there.
 */
static bool is_interpreted(struct native *n, struct fuzz_batch *batch)
{
	static const struct {
		u8 code[2], size;
		u64 rsp;
		u32 vector, error;
	} known[] = {
		{ { 0xcc }, 1, NOT_CANONICAL, VEC_BP, 0 },
		{ { 0xcd, INT_1B }, 2, 0, VEC_GP, INT_1B << 3 | 2 },
	};
	const u16 fcw = 0x37f;
	const u32 mxcsr = 0x1f80;
	const struct fuzz_result *r;

	memset(batch, 0, sizeof(*batch));
	for (; batch->count < sizeof(known) / sizeof(known[0]); batch->count++) {
		struct fuzz_case *c = &batch->cases[batch->count];

		c->in = (struct fuzz_state){ .rip = FUZZ_CODE, .rflags = FUZZ_RFLAGS_SET };
		c->in.gpr[4] = known[batch->count].rsp;
		memcpy(c->in.xsave, &fcw, sizeof(fcw));
		memcpy(c->in.xsave + 24, &mxcsr, sizeof(mxcsr));
		c->code_address = FUZZ_CODE;
		c->code_size = known[batch->count].size;
		memcpy(c->code, known[batch->count].code, c->code_size);
		c->mode = FUZZ_MODE_flat64;
	}
	native_start(&n->target, batch);
	r = native_finish(&n->target);
	for (u32 i = 0; i < batch->count; i++)
		if (r[i].status != FUZZ_EXCEPTION || r[i].vector != known[i].vector || r[i].error != known[i].error)
			return true;
	return false;
}

static void native_cpuid(struct fuzz_target *t, u32 leaf, u32 subleaf, u32 out[4])
{
	struct native *n = (struct native *)t;

	memset(out, 0, 4 * sizeof(*out));
	__get_cpuid_count(leaf, subleaf, &out[0], &out[1], &out[2], &out[3]);
	if (leaf == 7 && subleaf == 0 && !n->shared->fsgsbase)
		out[1] &= ~1u; /* FSGSBASE: the CPU has it, the kernel doesn't allow it */
}

static void native_destroy(struct fuzz_target *t)
{
	struct native *n = (struct native *)t;

	if (n->pid > 0) {
		kill(n->pid, SIGKILL);
		waitpid(n->pid, NULL, 0);
	}
	if (n->shared)
		munmap(n->shared, sizeof(*n->shared));
	free(n);
}

static pid_t spawn(const char *executor, int fd)
{
	char *const argv[] = { (char *)executor, NULL };
	char *const envp[] = { NULL };
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(30);
	if (fd == FUZZ_EXECUTOR_FD ? 0 : dup2(fd, FUZZ_EXECUTOR_FD) < 0)
		_exit(31);
	execve(executor, argv, envp);
	_exit(32);
}

struct fuzz_target *fuzz_native_create(const char *executor, char *error)
{
	struct native *n = calloc(1, sizeof(*n));
	struct timespec pause = { 0, 1000000 };
	struct fuzz_batch *first;
	int fd, status, i;

	if (!n) {
		snprintf(error, ERROR_SIZE, "no memory");
		return NULL;
	}
	n->target = (struct fuzz_target){ "native",	native_start,	native_finish,
					  native_cpuid, native_destroy, BIT(FUZZ_MODE_COUNT) - 1,
					  NULL };
	/* no MFD_CLOEXEC: where the descriptor happens to be FUZZ_EXECUTOR_FD already, nothing duplicates it */
	fd = memfd_create("fuzz", 0);
	if (fd < 0 || ftruncate(fd, sizeof(*n->shared)) < 0)
		goto fail;
	n->shared = mmap(NULL, sizeof(*n->shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (n->shared == MAP_FAILED) {
		n->shared = NULL;
		goto fail;
	}
	n->shared->done = ~0u; /* until the executor is ready and says 0 */
	n->pid = spawn(executor, fd);
	if (n->pid < 0)
		goto fail;
	close(fd);
	for (i = 0; __atomic_load_n(&n->shared->done, __ATOMIC_ACQUIRE); i++) {
		if (waitpid(n->pid, &status, WNOHANG) == n->pid) {
			snprintf(error, ERROR_SIZE, "%s can't start: status %#x", executor, status);
			n->pid = 0;
			native_destroy(&n->target);
			return NULL;
		}
		if (i == 10000) {
			snprintf(error, ERROR_SIZE, "%s doesn't answer", executor);
			native_destroy(&n->target);
			return NULL;
		}
		nanosleep(&pause, NULL);
	}
	n->target.modes = n->shared->modes;
	first = aligned_alloc(_Alignof(struct fuzz_batch), sizeof(*first));
	if (!first) {
		snprintf(error, ERROR_SIZE, "no memory");
		native_destroy(&n->target);
		return NULL;
	}
	n->interpreted = is_interpreted(n, first);
	free(first);
	return &n->target;
fail:
	snprintf(error, ERROR_SIZE, "native executor: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	native_destroy(&n->target);
	return NULL;
}
