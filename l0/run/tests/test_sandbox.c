/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a sandboxed process can't do, and what it still can: each in a process of its own. */
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../account/output.h"
#include "../../cli/config.h"
#include "../keeper.h"
#include "../sandbox.h"

static char folder[] = "/tmp/test_sandbox.XXXXXX";
static char kernel[64], stats[64], trace[64], other[64], sock[64];
static struct run_config l1;
static struct lab_config lab;
static char no_sandbox[256]; /* why this host has none; "" */

static int set_up(void **state)
{
	int fd;
	struct sandbox *s;

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(kernel, sizeof(kernel), "%s/kernel", folder);
	snprintf(stats, sizeof(stats), "%s/stats", folder);
	snprintf(trace, sizeof(trace), "%s/trace", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	snprintf(sock, sizeof(sock), "%s/sock", folder);
	for (const char *const *name = (const char *const[]){ kernel, other, sock, NULL }; *name; name++) {
		fd = open(*name, O_CREAT | O_WRONLY, 0600);
		if (fd < 0 || write(fd, "text", 4) != 4)
			return -1;
		close(fd);
	}
	l1 = (struct run_config){ .name = "a", .kernel = kernel, .initrd = "/a,,b c,/d", .append = "" };
	snprintf(l1.exits.path, sizeof(l1.exits.path), "%s", trace);
	lab = (struct lab_config){ .l1 = &l1, .l1_count = 1, .stats = stats, .control = sock };
	s = sandbox_prepare(&lab, no_sandbox, sizeof(no_sandbox));
	if (s)
		no_sandbox[0] = '\0';
	sandbox_destroy(s);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(kernel);
	unlink(stats);
	unlink(trace);
	unlink(other);
	unlink(sock);
	return rmdir(folder);
}

/* 0 if all is well, else the number of what isn't */
typedef int (*in_sandbox)(void);

/* The exit code of a process that has entered a sandbox and then runs fn; -N: signal N killed it */
static int run(in_sandbox fn)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		char error[256];
		struct sandbox *s;

		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		for (int sig = 1; sig < 32; sig++)
			signal(sig, SIG_DFL);
		s = sandbox_prepare(&lab, error, sizeof(error));
		if (!s || sandbox_enter(s, false, error, sizeof(error)) != SANDBOX_ENTERED) {
			fprintf(stderr, "%s\n", error);
			_exit(255);
		}
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

#define skip_without_sandbox() \
	do { \
		if (no_sandbox[0]) { \
			print_message("no sandbox: %s\n", no_sandbox); \
			skip(); \
		} \
	} while (0)

/* The number of the first row that doesn't fail with `err` */
#define FAILS(number, call, err) \
	do { \
		errno = 0; \
		if ((long)(call) != -1 || errno != (err)) { \
			fprintf(stderr, "%s: errno %d\n", #call, errno); \
			return number; \
		} \
	} while (0)

static int opens_what_isnt_its(void)
{
	FAILS(1, open("/etc/passwd", O_RDONLY), EACCES);
	FAILS(2, open(other, O_RDONLY), EACCES);
	FAILS(3, open(other, O_WRONLY), EACCES);
	FAILS(4, open(kernel, O_RDWR), EACCES);
	FAILS(5, open(kernel, O_RDONLY | O_TRUNC), EACCES);
	FAILS(6, open(kernel, O_RDONLY | O_CREAT, 0600), EACCES);
	FAILS(7, open(folder, O_RDONLY | O_DIRECTORY), EACCES);
	FAILS(8, open(folder, O_TMPFILE | O_RDWR, 0600), EACCES);
	FAILS(9, open("/proc/self/mem", O_RDWR), EACCES);
	FAILS(10, open("/proc/1/maps", O_RDONLY), EACCES);
	FAILS(11, open("/dev/kvm", O_RDWR), EACCES); /* the L1's engine is bt */
	FAILS(12, openat(0, kernel, O_RDONLY), EACCES);
	FAILS(13, open((const char *)8, O_RDONLY), EFAULT);
	FAILS(14, syscall(SYS_openat2, AT_FDCWD, kernel, NULL, 0), EPERM);
	FAILS(15, rename(other, stats), EACCES);
	FAILS(16, rename(stats, other), EACCES);
	FAILS(17, unlink(kernel), EACCES);
	FAILS(18, unlink(other), EACCES);
	FAILS(19, mkdir("/tmp/x", 0700), EPERM);
	FAILS(20, link(kernel, stats), EPERM);
	FAILS(21, symlink(kernel, stats), EPERM);
	FAILS(22, chmod(kernel, 0777), EPERM);
	FAILS(23, truncate(kernel, 0), EPERM);
	FAILS(24, chdir("/"), EPERM);
	FAILS(25, open(sock, O_RDONLY), EACCES);
	return 0;
}

static void files_that_the_run_wasnt_given_are_out_of_reach(void **state)
{
	(void)state;
	skip_without_sandbox();
	assert_int_equal(run(opens_what_isnt_its), 0);
}

static int reaches_out(void)
{
	FAILS(1, socket(AF_UNIX, SOCK_STREAM, 0), EPERM);
	FAILS(2, socket(AF_INET, SOCK_STREAM, 0), EPERM);
	FAILS(3, socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0, 0 }), EPERM);
	FAILS(4, connect(0, NULL, 0), EPERM);
	FAILS(5, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), EPERM);
	FAILS(6, syscall(SYS_clone3, NULL, 0), ENOSYS);
	FAILS(7, kill(getppid(), 0), EPERM);
	FAILS(8, kill(-1, 0), EPERM);
	FAILS(9, syscall(SYS_tgkill, getppid(), getppid(), 0), EPERM);
	FAILS(10, syscall(SYS_pidfd_open, getppid(), 0), EPERM);
	FAILS(11, setpriority(PRIO_PROCESS, (id_t)getppid(), 5), EPERM);
	FAILS(12, sched_setaffinity(getppid(), 8, NULL), EPERM);
	FAILS(13, prctl(PR_SET_DUMPABLE, 1), EPERM);
	FAILS(14, ioctl(0, TIOCSTI, "x"), EPERM);
	FAILS(15, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0), EPERM);
	FAILS(16, syscall(SYS_shmget, 1, 4096, 0600), EPERM);
	FAILS(17, setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 10, 10 }), EPERM);
	FAILS(18, syscall(SYS_arch_prctl, ARCH_SET_FS, 0), EPERM);
	return 0;
}

/* On a host without FSGSBASE translated code's GS base is set so. */
static int sets_gs_base(void)
{
	static u64 words[2] = { 1, 0x5eed };
	u64 got;

	if (syscall(SYS_arch_prctl, ARCH_SET_GS, words))
		return 1;
	__asm__ volatile("mov %%gs:8, %0" : "=r"(got));
	return got == words[1] ? 0 : 2;
}

static void a_thread_sets_its_gs_base(void **state)
{
	(void)state;
	skip_without_sandbox();
	assert_int_equal(run(sets_gs_base), 0);
}

static void nobody_else_is_in_reach(void **state)
{
	(void)state;
	skip_without_sandbox();
	assert_int_equal(run(reaches_out), 0);
}

static int makes_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	FAILS(1, (long)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EPERM);
	FAILS(2, mprotect(page, 4096, PROT_READ | PROT_EXEC), EPERM);
	FAILS(3, mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), EPERM);
	FAILS(4, syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1), EPERM);
	return 0;
}

static void memory_doesnt_become_code(void **state)
{
	(void)state;
	skip_without_sandbox();
	assert_int_equal(run(makes_code), 0);
}

static int executes(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return 1;
}

static int traces(void)
{
	ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
	return 1;
}

static int starts_a_ring(void)
{
	syscall(SYS_io_uring_setup, 1, NULL);
	return 1;
}

static int filters_again(void)
{
	syscall(SYS_seccomp, 1, 0, NULL);
	return 1;
}

static void what_only_an_intruder_would_do_kills_the_process(void **state)
{
	static const in_sandbox DEEDS[] = { executes, traces, starts_a_ring, filters_again };

	(void)state;
	skip_without_sandbox();
	for (size_t i = 0; i < sizeof(DEEDS) / sizeof(DEEDS[0]); i++)
		assert_int_equal(run(DEEDS[i]), -SIGSYS);
}

static void *sets_flag(void *arg)
{
	pthread_setname_np(pthread_self(), "named");
	*(int *)arg = 1;
	return NULL;
}

static int does_its_work(void)
{
	char text[16] = "";
	struct output o;
	pthread_t thread;
	int done = 0, fd, kept;

	fd = open(kernel, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, 16) != 4 || strcmp(text, "text") || !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
		return 1;
	close(fd);
	kept = fd;
	if (pthread_create(&thread, NULL, sets_flag, &done) || pthread_setname_np(thread, "other") == EACCES ||
	    pthread_join(thread, NULL) || !done)
		return 2;
	/* a result, twice: it isn't there, then it is */
	for (int i = 0; i < 2; i++) {
		if (output_open(&o, stats))
			return 3;
		fputs("result", o.f);
		if (output_commit(&o))
			return 4;
	}
	fd = open(trace, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd != kept || write(fd, "x", 1) != 1 || posix_fallocate(fd, 0, 8192) || unlink(trace))
		return 5;
	if (mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
		return 6;
	if (unlink(sock))
		return 7;
	fd = open("/proc/self/smaps", O_RDONLY);
	if (fd < 0 || read(fd, text, 4) != 4)
		return 8;
	if (raise(SIGUSR1) && kill(getpid(), 0))
		return 9;
	free(malloc(100 << 20));
	return 0;
}

static int ignores_and_works(void)
{
	signal(SIGUSR1, SIG_IGN);
	return does_its_work();
}

static void what_a_run_needs_still_works(void **state)
{
	char text[16] = "";
	FILE *f;

	(void)state;
	skip_without_sandbox();
	assert_int_equal(run(ignores_and_works), 0);
	f = fopen(stats, "re");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_string_equal(text, "result");
	/* for the other tests */
	f = fopen(sock, "we");
	fclose(f);
}

static int before, after;

static void *tries(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&before, __ATOMIC_ACQUIRE))
		usleep(100);
	__atomic_store_n(&after, socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM ? 1 : 2, __ATOMIC_RELEASE);
	return NULL;
}

static void threads_that_were_there_before_are_in_it(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	skip_without_sandbox();
	pid = fork();
	if (!pid) {
		char error[256];
		struct sandbox *s = sandbox_prepare(&lab, error, sizeof(error));
		pthread_t thread;

		pthread_create(&thread, NULL, tries, NULL);
		if (sandbox_enter(s, false, error, sizeof(error)) != SANDBOX_ENTERED)
			_exit(99);
		__atomic_store_n(&before, 1, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
		_exit(after);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void the_keeper_knows_names_and_what_they_are_for(void **state)
{
	static const struct {
		const char *name;
		int flags;
		const char *to;
		bool allowed;
	} CASES[] = {
		{ "/K", O_RDONLY | O_CLOEXEC, NULL, true },
		{ "/K", O_RDWR, NULL, false },
		{ "/K", -1, NULL, false },
		{ "/K/", O_RDONLY, NULL, false },
		{ "/K2", O_RDONLY, NULL, false },
		{ "/a,b", O_RDONLY, NULL, true }, /* a module */
		{ "/d", O_RDONLY, NULL, true },
		{ "/a", O_RDONLY, NULL, false },
		{ "/S", O_WRONLY | O_CREAT | O_TRUNC, NULL, true },
		{ "/S.77.tmp", O_WRONLY | O_CREAT | O_TRUNC, NULL, true },
		{ "/S.78.tmp", O_WRONLY | O_CREAT, NULL, false },
		{ "/S.77.tmp", -1, "/S", true },
		{ "/S.77.tmp", -1, "/K", false },
		{ "/S.77.tmp", -1, "/T", false },
		{ "/S", -1, "/K", false },
		{ "/S.77.tmp", -1, NULL, true },
		{ "/T", O_RDWR | O_CREAT | O_EXCL, NULL, true },
		{ "/T.kallsyms", O_WRONLY | O_CREAT, NULL, true },
		{ "/T", -1, "/T.1", true }, /* the trace of an earlier life */
		{ "/T.kallsyms", -1, "/T.12.kallsyms", true },
		{ "/T", -1, "/T.1.kallsyms", false },
		{ "/T", -1, "/T.", false },
		{ "/T", -1, "/T.1x", false },
		{ "/T", -1, "/K", false },
		{ "/T.1", -1, "/T", false },
		{ "/T.1", O_WRONLY, NULL, false },
		{ "/S", -1, "/S.1", false },
		{ "/T", O_TMPFILE | O_RDWR, NULL, false },
		{ "/C", -1, NULL, true },
		{ "/C", O_RDWR, NULL, false },
		{ "/proc/self/smaps", O_RDONLY, NULL, true },
		{ "/proc/77/smaps", O_RDONLY, NULL, true },
		{ "/proc/78/smaps", O_RDONLY, NULL, false },
		{ "/proc/self/task/5/comm", O_RDWR, NULL, true },
		{ "/proc/77/task/5/comm", O_RDWR, NULL, true },
		{ "/proc/self/task/5/mem", O_RDWR, NULL, false },
		{ "/proc/self/task//comm", O_RDWR, NULL, false },
		{ "/proc/self/task/../comm", O_RDWR, NULL, false },
		{ "/proc/77/root/K", O_RDONLY, NULL, true },
		{ "/proc/78/root/K", O_RDONLY, NULL, false },
		{ "", O_RDONLY, NULL, false },
	};
	struct run_config one = { .name = "a", .kernel = "/K", .initrd = "/a,,b c,/d" };
	struct lab_config config = { .l1 = &one, .l1_count = 1, .stats = "/S", .control = "/C" };
	struct keeper_names *names;

	(void)state;
	strcpy(one.exits.path, "/T");
	names = keeper_names_create(&config);
	assert_non_null(names);
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		if (keeper_allows(names, 77, CASES[i].name, CASES[i].flags, CASES[i].to) != CASES[i].allowed)
			fail_msg("case %zu, %s", i, CASES[i].name);
	assert_false(keeper_allows(names, 77, "/dev/kvm", O_RDWR, NULL));
	keeper_names_destroy(names);
	one.engine = ENGINE_KVM;
	names = keeper_names_create(&config);
	assert_true(keeper_allows(names, 77, "/dev/kvm", O_RDWR | O_CLOEXEC, NULL));
	assert_false(keeper_allows(names, 77, "/dev/kvm", O_RDWR | O_CREAT, NULL));
	keeper_names_destroy(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_keeper_knows_names_and_what_they_are_for),
		cmocka_unit_test(files_that_the_run_wasnt_given_are_out_of_reach),
		cmocka_unit_test(nobody_else_is_in_reach),
		cmocka_unit_test(a_thread_sets_its_gs_base),
		cmocka_unit_test(memory_doesnt_become_code),
		cmocka_unit_test(what_only_an_intruder_would_do_kills_the_process),
		cmocka_unit_test(what_a_run_needs_still_works),
		cmocka_unit_test(threads_that_were_there_before_are_in_it),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
