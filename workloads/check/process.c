/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

void check_forks_return_every_exit_status(void)
{
	enum { N = 128 };
	pid_t child[N];
	int status;

	for (int i = 0; i < N; i++) {
		child[i] = (pid_t)MUST(fork());
		if (!child[i])
			_exit(i);
	}
	for (int i = N - 1; i >= 0; i--) {
		MUST(waitpid(child[i], &status, 0));
		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == i, "child %d: status %#x", i, status);
	}
}

/* Every process has two children down to depth 0; its exit status is the number of leaves. */
static int tree(int depth)
{
	int sum = 0, status;

	if (!depth)
		return 1;
	for (int i = 0; i < 2; i++) {
		if (!MUST(fork()))
			_exit(tree(depth - 1));
	}
	for (int i = 0; i < 2; i++) {
		MUST(wait(&status));
		EXPECT(WIFEXITED(status), "status %#x at depth %d", status, depth);
		sum += WEXITSTATUS(status);
	}
	return sum;
}

void check_a_tree_of_processes_adds_up(void)
{
	int leaves = tree(6);

	EXPECT(leaves == 64, "%d leaves instead of 64", leaves);
}

void check_exec_passes_arguments_and_environment(void)
{
	for (int i = 0; i < 10; i++) {
		int status;
		pid_t child = (pid_t)MUST(fork());

		if (!child) {
			char *argv[] = { "selfcheck", "--exec-child", "an argument", NULL };
			char *envp[] = { "CHECK=value", NULL };

			execve("/proc/self/exe", argv, envp);
			_exit(errno == ENOENT ? 77 : 1);
		}
		MUST(waitpid(child, &status, 0));
		if (WEXITSTATUS(status) == 77)
			skip("/proc is not mounted");
		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status %#x", status);
	}
}

void check_fork_copies_memory_on_write(void)
{
	enum { WORDS = 1 << 18 };
	u32 *private = mmap(NULL, WORDS * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u32 *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	EXPECT(private != MAP_FAILED && shared != MAP_FAILED, "mmap: errno %d", errno);
	for (u32 i = 0; i < WORDS; i++)
	private[i] = i;
	if (!MUST(fork())) {
		for (u32 i = 0; i < WORDS; i++)
		private[i] ^= 0xffffffff;
		for (u32 i = 0; i < WORDS; i++)
			EXPECT(private[i] == ~i, "the child's word %u is %#x", i, private[i]);
		*shared = 77;
		_exit(0);
	}
	MUST(wait(&status));
	EXPECT(!status, "status %#x", status);
	EXPECT(*shared == 77, "shared memory isn't shared");
	for (u32 i = 0; i < WORDS; i++)
		EXPECT(private[i] == i, "the parent's word %u is %#x", i, private[i]);
}

static void send_all(int fd, u32 seed, size_t n)
{
	u8 block[1000];

	while (n) {
		size_t part = 1 + next_random(&seed) % sizeof(block);

		if (part > n)
			part = n;
		memset(block, (int)(n & 0xff), part);
		EXPECT(write(fd, block, part) == (ssize_t)part, "short write");
		n -= part;
	}
}

static void carry(int in, int out)
{
	const size_t n = 1 << 20;
	u64 sum[2] = { 0, 0 };
	u8 block[4096];
	size_t left = n, got = 0;
	u32 seed = 5;
	ssize_t r;

	if (!MUST(fork())) {
		close(in);
		send_all(out, seed, n);
		_exit(0);
	}
	close(out);
	while ((r = MUST(read(in, block, sizeof(block)))) > 0) {
		for (ssize_t i = 0; i < r; i++)
			sum[0] += block[i];
		got += (size_t)r;
	}
	while (left) {
		size_t part = 1 + next_random(&seed) % 1000;

		if (part > left)
			part = left;
		sum[1] += (left & 0xff) * part;
		left -= part;
	}
	EXPECT(got == n && sum[0] == sum[1], "%zu bytes, sum %llu instead of %llu", got, (unsigned long long)sum[0],
	       (unsigned long long)sum[1]);
	MUST(wait(NULL));
	close(in);
}

void check_pipes_and_sockets_carry_every_byte(void)
{
	int fd[2];

	MUST(pipe(fd));
	carry(fd[0], fd[1]);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	carry(fd[0], fd[1]);
}

static struct {
	pthread_mutex_t lock;
	u64 locked, atomic;
} counter = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *count(void *arg)
{
	static __thread u64 mine;

	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&counter.lock);
		counter.locked++;
		pthread_mutex_unlock(&counter.lock);
		__atomic_fetch_add(&counter.atomic, 1, __ATOMIC_SEQ_CST);
		mine++;
	}
	*(u64 *)arg = mine;
	return NULL;
}

void check_threads_count_under_a_lock(void)
{
	enum { N = 6 };
	pthread_t thread[N];
	u64 each[N];

	for (int i = 0; i < N; i++)
		EXPECT(!pthread_create(&thread[i], NULL, count, &each[i]), "can't create thread %d", i);
	for (int i = 0; i < N; i++) {
		EXPECT(!pthread_join(thread[i], NULL), "can't join thread %d", i);
		EXPECT(each[i] == 20000, "thread %d counted %llu", i, (unsigned long long)each[i]);
	}
	EXPECT(counter.locked == N * 20000 && counter.atomic == N * 20000, "%llu and %llu instead of %d",
	       (unsigned long long)counter.locked, (unsigned long long)counter.atomic, N * 20000);
}

static u64 step(pid_t child, int number)
{
	int status;

	MUST(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL));
	MUST(waitpid(child, &status, 0));
	EXPECT(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "status %#x in step %d", status, number);
	return (u64)ptrace(PTRACE_PEEKUSER, child, offsetof(struct user, regs.rip), NULL);
}

void check_a_tracer_sees_every_single_step(void)
{
	const int turns = 50;
	u64 loop, at = 0;
	int status;
	pid_t child = (pid_t)MUST(fork());

	if (!child) {
		long n = turns;

		MUST(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
		__asm__ volatile("int3\n1: dec %0\n jnz 1b\n int3" : "+r"(n) : : "cc", "memory");
		_exit(0);
	}
	MUST(waitpid(child, &status, 0));
	EXPECT(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "status %#x instead of the first INT3's", status);
	loop = (u64)ptrace(PTRACE_PEEKUSER, child, offsetof(struct user, regs.rip), NULL);
	for (int i = 0; i < turns; i++) {
		at = step(child, i);
		EXPECT(at > loop && at < loop + 8, "DEC steps from %#llx to %#llx", (unsigned long long)loop,
		       (unsigned long long)at);
		at = step(child, i);
		EXPECT((at == loop) == (i < turns - 1), "JNZ steps to %#llx in turn %d", (unsigned long long)at, i);
	}
	EXPECT(step(child, turns) == at + 1, "the second INT3 isn't where the loop ended");
	MUST(ptrace(PTRACE_CONT, child, NULL, NULL));
	MUST(waitpid(child, &status, 0));
	EXPECT(WIFEXITED(status) && !WEXITSTATUS(status), "status %#x at the end", status);
}

/* SDM vol. 3, "Debug Control Register (DR7)", "Debug Status Register (DR6)" */
#define DR7_ENABLE(n) (1ul << (n)*2)
#define DR7_KIND(n, rw, length) ((unsigned long)((length) << 2 | (rw)) << (16 + (n)*4))
#define EXECUTE 0u
#define WRITE 1u
#define EIGHT_BYTES 2u

static struct {
	volatile u64 before, watched, after;
} words;

/* Computes for a millisecond or so, then stores. The address of the instruction behind the store is `stored`. */
static __attribute__((noinline)) u64 compute_and_store(u64 x)
{
	for (int i = 0; i < 300000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		words.before = x;
	}
	__asm__ volatile("mov %1, %0\n"
			 ".globl stored\nstored:"
			 : "=m"(words.watched)
			 : "r"(x));
	words.after = x;
	return x;
}

extern const char stored[];

static void set_debug_register(pid_t child, unsigned int n, unsigned long value)
{
	const size_t at = offsetof(struct user, u_debugreg) + n * sizeof(unsigned long);

	if (ptrace(PTRACE_POKEUSER, child, at, value) == -1)
		skip("this kernel doesn't let a tracer set DR%u: errno %d", n, errno);
}

/* Goes on to the next stop, which has to be at `rip` for breakpoint n. */
static void stops_at(pid_t child, unsigned int n, u64 rip, const char *what)
{
	const size_t dr6 = offsetof(struct user, u_debugreg) + 6 * sizeof(unsigned long);
	siginfo_t info;
	u64 at, status6;
	int status;

	MUST(ptrace(PTRACE_CONT, child, NULL, NULL));
	MUST(waitpid(child, &status, 0));
	EXPECT(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "status %#x instead of %s", status, what);
	MUST(ptrace(PTRACE_GETSIGINFO, child, NULL, &info));
	at = (u64)ptrace(PTRACE_PEEKUSER, child, offsetof(struct user, regs.rip), NULL);
	status6 = (u64)ptrace(PTRACE_PEEKUSER, child, dr6, NULL);
	EXPECT(at == rip, "%s stops at %#llx instead of %#llx", what, (unsigned long long)at, (unsigned long long)rip);
	EXPECT(info.si_code == TRAP_HWBKPT && (status6 & 15) == 1u << n, "%s: code %d, DR6 %#llx", what, info.si_code,
	       (unsigned long long)status6);
	MUST(ptrace(PTRACE_POKEUSER, child, dr6, 0));
}

void check_breakpoints_of_the_cpu_stop_a_computing_program(void)
{
	const u64 seed = 88172645463325252u;
	pid_t child, other = (pid_t)MUST(fork());
	int status;

	/* one that nobody traces and that runs in turn with it: its debug registers are other ones */
	if (!other) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			compute_and_store(seed);
	}
	child = (pid_t)MUST(fork());
	if (!child) {
		u64 x = seed;

		MUST(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
		raise(SIGSTOP);
		for (int i = 0; i < 4; i++)
			x = compute_and_store(x);
		_exit(words.after == x && words.watched == x ? 0 : 1);
	}
	MUST(waitpid(child, &status, 0));
	EXPECT(WIFSTOPPED(status), "status %#x instead of a stop", status);
	set_debug_register(child, 0, (unsigned long)&words.watched);
	set_debug_register(child, 1, (unsigned long)compute_and_store);
	set_debug_register(child, 7, DR7_ENABLE(0) | DR7_KIND(0, WRITE, EIGHT_BYTES));
	stops_at(child, 0, (u64)stored, "a store to a watched word");
	set_debug_register(child, 7,
			   DR7_ENABLE(0) | DR7_KIND(0, WRITE, EIGHT_BYTES) | DR7_ENABLE(1) | DR7_KIND(1, EXECUTE, 0u));
	stops_at(child, 1, (u64)compute_and_store, "a breakpoint on a function");
	stops_at(child, 0, (u64)stored, "the store behind it");
	set_debug_register(child, 7, 0);
	MUST(ptrace(PTRACE_CONT, child, NULL, NULL));
	MUST(waitpid(child, &status, 0));
	EXPECT(WIFEXITED(status) && !WEXITSTATUS(status), "status %#x at the end", status);
	kill(other, SIGKILL);
	MUST(waitpid(other, &status, 0));
}
