/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What programs do, in nine rows: run in a guest, in a guest's guest or on the host, it prints a line
 * `row NAME NS` for each: the median over PASSES passes of the wall time of one unit of work. Each pass checks its
 * result; a wrong one ends the program with `FAIL: NAME: ...` and exit code 1.
 *
 * Rows that make a guest exit to its hypervisor run only if they are named, as root: cpuid, port, fresh. So do pages, clock, and single
 * operations that have a price without an operating system, too: callret, rdtsc, divzero and segv (a signal each), forkwait.
 *
 * With units=N the rows int, sort, matmul, memcpy, chase and pages do N units at a time, without looking at the clock in between, and say
 * what one took: what gets going slowly has time for that. NAME=N says so of one row.
 *
 * Usage: rows [units=N] [NAME[=N]]...
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define PASSES 5
#define UNITS_MAX 10000

typedef uint64_t u64;
typedef uint32_t u32;

static u32 units;

/* keeps the compiler from seeing through a value */
#define OPAQUE(x) __asm__ volatile("" : "+r"(x) : : "memory")

/*
 * turtles runs user code directly page by page, and leaves pages with instructions like CPUID to its translator. The C library has
 * some of these, and so have rows; what computes is on pages of its own.
 */
#define COMPUTES __attribute__((noinline, section("computes")))
#define EXITS __attribute__((noinline, section("exits"), aligned(4096)))

static _Noreturn void wrong(const char *row, const char *what)
{
	printf("FAIL: %s: %s\n", row, what);
	exit(1);
}

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static u32 next_random(u32 *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state;
}

/*
 * n bytes, touched, so that no page fault falls into a row that doesn't measure them; in large pages also where a kernel wants to be asked,
 * as far as it has them
 */
static void *memory(size_t n)
{
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		wrong("memory", "mmap failed");
	madvise(p, n, MADV_HUGEPAGE);
	for (size_t i = 0; i < n; i += 4096)
		p[i] = 0;
	return p;
}

/* 1 M dependent integer steps */
static COMPUTES __attribute__((aligned(4096))) u64 row_int(void)
{
	u64 x, wrong_sums = 0, start = now();

	for (u32 unit = 0; unit < units; unit++) {
		x = 88172645463325252u;
		OPAQUE(x);
		for (int i = 0; i < 1000000; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
		}
		wrong_sums += x != 7290476056423008982u;
	}
	start = now() - start;
	if (wrong_sums)
		wrong("int", "wrong sum");
	return start / (units ? units : 1);
}

static COMPUTES int compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return (x > y) - (x < y);
}

/* qsort of 128 Ki words */
static COMPUTES u64 row_sort(void)
{
	enum { N = 128 * 1024 };
	u32 *all = memory((size_t)units * N * sizeof(*all)), *v = all, seed = 1, sum = 0;
	u64 start;

	for (u32 unit = 0; unit < units; unit++, v += N, seed = 1)
		for (int i = 0; i < N; i++)
			sum += v[i] = next_random(&seed);
	start = now();
	for (u32 unit = 0; unit < units; unit++)
		qsort(all + (size_t)unit * N, N, sizeof(*v), compare);
	start = now() - start;
	v = all;
	for (u32 unit = 0; unit < units; unit++, v += N)
		for (int i = 0; i < N; i++) {
			sum -= v[i];
			if (i && v[i - 1] > v[i])
				wrong("sort", "not sorted");
		}
	if (sum)
		wrong("sort", "words changed");
	munmap(all, (size_t)units * N * sizeof(*v));
	return start / (units ? units : 1);
}

/* 128x128 doubles */
static COMPUTES u64 row_matmul(void)
{
	enum { N = 128 };
	static double a[N][N], b[N][N], c[N][N];
	u64 start;

	/* small integers: every order of summation is exact */
	for (int i = 0; i < N; i++) {
		for (int j = 0; j < N; j++) {
			a[i][j] = (i * 7 + j) % 13 - 6;
			b[i][j] = (i + j * 5) % 11 - 5;
			c[i][j] = 0;
		}
	}
	start = now();
	for (u32 unit = 0; unit < units; unit++)
		for (int i = 0; i < N; i++)
			for (int k = 0; k < N; k++)
				for (int j = 0; j < N; j++)
					c[i][j] += a[i][k] * b[k][j];
	start = now() - start;
	for (int i = 0; i < N; i += 31) {
		for (int j = 0; j < N; j += 17) {
			long sum = 0;

			for (int k = 0; k < N; k++)
				sum += (long)((i * 7 + k) % 13 - 6) * ((k + j * 5) % 11 - 5);
			if (c[i][j] != (double)sum * units)
				wrong("matmul", "wrong product");
		}
	}
	return start / (units ? units : 1);
}

/* By its own loop: the C library chooses among several, by what CPUID says of make and caches. n: a multiple of 64 */
static COMPUTES void copy(void *to, const void *from, size_t n)
{
	typedef u64 vector __attribute__((vector_size(16), aligned(16)));
	const vector *f = from;
	vector *t = to;

	for (size_t i = 0; i < n / sizeof(*t); i += 4) {
		vector a = f[i], b = f[i + 1], c = f[i + 2], d = f[i + 3];

		t[i] = a;
		t[i + 1] = b;
		t[i + 2] = c;
		t[i + 3] = d;
		OPAQUE(t); /* or it would be a call of memcpy() after all */
	}
}

/* 16 MiB */
static COMPUTES u64 row_memcpy(void)
{
	const size_t n = 16 << 20;
	unsigned char *from = memory(n), *to = memory(n);
	u64 start;

	for (size_t i = 0; i < n; i += 4093)
		from[i] = (unsigned char)(i >> 4);
	start = now();
	for (u32 unit = 0; unit < units; unit++) {
		copy(to, from, n);
	}
	start = now() - start;
	if (memcmp(from, to, n))
		wrong("memcpy", "copy differs");
	munmap(from, n);
	munmap(to, n);
	return start / (units ? units : 1);
}

/* 1 M dependent loads in 4 MiB */
static COMPUTES u64 row_chase(void)
{
	enum { N = (4 << 20) / sizeof(u32) };
	u32 *next = memory(N * sizeof(*next)), at = 0, seed = 7;
	u64 start;

	for (u32 i = 0; i < N; i++)
		next[i] = i;
	/* Sattolo: one cycle through all */
	for (u32 i = N - 1; i > 0; i--) {
		u32 j = next_random(&seed) % i, t = next[i];

		next[i] = next[j];
		next[j] = t;
	}
	start = now();
	for (u32 unit = 0; unit < units; unit++) {
		for (int i = 0; i < 1000000; i++)
			at = next[at];
		OPAQUE(at);
	}
	start = now() - start;
	/* N steps make the cycle whole */
	for (u64 i = units * 1000000ull; i % N; i++)
		at = next[at];
	if (at)
		wrong("chase", "not a cycle");
	munmap(next, N * sizeof(*next));
	return start / (units ? units : 1);
}

/* 100 k getppid */
static u64 row_syscall(void)
{
	u64 start = now();
	long parent = 0;

	for (int i = 0; i < 100000; i++)
		parent |= syscall(SYS_getppid);
	start = now() - start;
	if (parent != getppid())
		wrong("syscall", "wrong process ID");
	return start;
}

/* 100 times fork, exit, wait */
static u64 row_fork(void)
{
	u64 start = now();

	for (int i = 0; i < 100; i++) {
		int status;
		pid_t child = fork();

		if (!child)
			_exit(i);
		if (child < 0 || waitpid(child, &status, 0) != child || status != i << 8)
			wrong("fork", "wrong exit status");
	}
	return now() - start;
}

/* 10 k ping-pongs of two processes */
static u64 row_pipe(void)
{
	int there[2], back[2], status;
	u32 value;
	u64 start;
	pid_t child;

	if (pipe(there) || pipe(back))
		wrong("pipe", "no pipe");
	child = fork();
	if (!child) {
		close(there[1]);
		while (read(there[0], &value, sizeof(value)) == sizeof(value)) {
			value = ~value;
			if (write(back[1], &value, sizeof(value)) != sizeof(value))
				_exit(1);
		}
		_exit(0);
	}
	start = now();
	for (u32 i = 0; i < 10000; i++) {
		value = i;
		if (write(there[1], &value, sizeof(value)) != sizeof(value) ||
		    read(back[0], &value, sizeof(value)) != sizeof(value) || value != ~i)
			wrong("pipe", "wrong answer");
	}
	start = now() - start;
	close(there[0]);
	close(there[1]);
	close(back[0]);
	close(back[1]);
	if (waitpid(child, &status, 0) != child || status)
		wrong("pipe", "child failed");
	return start;
}

/* 10 k fresh pages. Compilers load before they store, which is two faults a page: the zero page, and its copy. */
static u64 row_fault(void)
{
	const size_t n = 10000 * 4096;
	unsigned char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int sum = 0;
	u64 start;

	if (p == MAP_FAILED || madvise(p, n, MADV_NOHUGEPAGE))
		wrong("fault", "mmap failed");
	start = now();
	for (size_t i = 0; i < n; i += 4096) {
		p[i] = 1;
		sum += p[i + 1];
	}
	start = now() - start;
	if (sum)
		wrong("fault", "fresh memory isn't zero");
	munmap(p, n);
	return start;
}

/* 10 k CPUID: every hypervisor has to answer it */
static EXITS u64 row_cpuid(void)
{
	u32 vendor = 0, a, b, c, d;
	u64 start;

	__asm__ volatile("cpuid" : "=a"(a), "=b"(vendor), "=c"(c), "=d"(d) : "a"(0), "c"(0));
	start = now();
	for (int i = 0; i < 10000; i++) {
		__asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0), "c"(0));
		if (b != vendor)
			wrong("cpuid", "the vendor changed");
	}
	return now() - start;
}

/* 1 k writes to the port of the POST codes: the hypervisor's user space has it, if anybody */
static u64 row_port(void)
{
	u64 start;

	if (ioperm(0x80, 1, 1))
		wrong("port", "no permission for port 0x80");
	start = now();
	for (int i = 0; i < 1000; i++)
		outb((unsigned char)i, 0x80);
	return now() - start;
}

/*
 * 1 k pages of RAM that nobody has touched since power-on, so that the hypervisor has yet to find memory for them. The kernel
 * must have been told to leave them alone (memmap=SIZE$ADDRESS), and rows.fresh=ADDRESS on its command line says where they start.
 */
static u64 row_fresh(void)
{
	enum { PAGES = 1000, PAGE = 4096 };
	static off_t next;
	char line[4096] = "", *at;
	ssize_t n;
	volatile unsigned char *p;
	unsigned int sum = 0;
	int fd;
	u64 start;

	if (!next) {
		fd = open("/proc/cmdline", O_RDONLY);
		n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
		close(fd);
		at = n < 0 ? NULL : strstr(line, "rows.fresh=");
		if (!at)
			wrong("fresh", "no rows.fresh= on the kernel's command line");
		next = (off_t)strtoull(strchr(at, '=') + 1, NULL, 0);
	}
	fd = open("/dev/mem", O_RDWR);
	p = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, next);
	if (fd < 0 || p == MAP_FAILED)
		wrong("fresh", "can't map /dev/mem");
	close(fd);
	next += (off_t)PAGES * PAGE;
	start = now();
	for (size_t i = 0; i < (size_t)PAGES * PAGE; i += PAGE) {
		p[i] = 1;
		sum += p[i + 1];
	}
	start = now() - start;
	if (sum)
		wrong("fresh", "fresh memory isn't zero");
	munmap((void *)p, (size_t)PAGES * PAGE);
	return start;
}

/* 64 Ki dependent loads, each in another page of 64 MiB: every one is beyond what a TLB holds */
static COMPUTES u64 row_pages(void)
{
	enum { PAGES = 16384, WORDS = 4096 / sizeof(u32), STEPS = 4 * PAGES };
	u32 *p = mmap(NULL, (size_t)PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), at = 0,
	    seed = 11;
	u64 start;

	if (p == MAP_FAILED || madvise(p, (size_t)PAGES * 4096, MADV_NOHUGEPAGE))
		wrong("pages", "mmap failed");

		/*
		 * Sattolo again. A word at the same place of each page, or at places in the pages' order, would share a few sets of the host's caches
		 * with the others wherever pages lie in order, and the row would say how they lie: so it is at a random one.
		 */
#define WORD(page) p[(size_t)(page)*WORDS + ((page)*2654435761u >> 22)]
	for (u32 i = 0; i < PAGES; i++)
		WORD(i) = i;
	for (u32 i = PAGES - 1; i > 0; i--) {
		u32 j = next_random(&seed) % i, t = WORD(i);

		WORD(i) = WORD(j);
		WORD(j) = t;
	}
	start = now();
	for (u32 unit = 0; unit < units; unit++)
		for (int i = 0; i < STEPS; i++)
			at = WORD(at);
	start = now() - start;
#undef WORD
	if (at)
		wrong("pages", "not a cycle");
	munmap(p, (size_t)PAGES * 4096);
	return start / (units ? units : 1);
}

/* 1 M calls of a function that does nothing */
static __attribute__((noinline)) void nothing(void)
{
	__asm__ volatile("");
}

static u64 row_callret(void)
{
	u64 start = now();

	for (int i = 0; i < 1000000; i++)
		nothing();
	return now() - start;
}

/* 1 M RDTSC */
static EXITS u64 row_rdtsc(void)
{
	u64 start = now(), first = __builtin_ia32_rdtsc(), last = first;

	for (int i = 0; i < 1000000; i++)
		last = __builtin_ia32_rdtsc();
	start = now() - start;
	if (last <= first)
		wrong("rdtsc", "it stands still");
	return start;
}

/* The faulting instructions have two bytes. */
static void step_over(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void on(int signal)
{
	struct sigaction sa = { .sa_sigaction = step_over, .sa_flags = SA_SIGINFO };

	sigaction(signal, &sa, NULL);
}

/* 10 k divisions by zero, and their signals */
static u64 row_divzero(void)
{
	u64 start;

	on(SIGFPE);
	start = now();
	for (int i = 0; i < 10000; i++)
		__asm__ volatile("divl %%ecx" : : "a"(1), "c"(0), "d"(0) : "cc");
	return now() - start;
}

/* 10 k loads from where nothing is, and their signals */
static u64 row_segv(void)
{
	void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u64 start;

	if (page == MAP_FAILED)
		wrong("segv", "mmap failed");
	on(SIGSEGV);
	start = now();
	for (int i = 0; i < 10000; i++)
		__asm__ volatile("movb (%%rdi), %%al" : : "D"(page) : "eax", "memory");
	start = now() - start;
	munmap(page, 4096);
	return start;
}

/* 2 k times fork, exit, wait: Adams and Agesen's forkwait does it 40 k times */
static u64 row_forkwait(void)
{
	u64 start = now();

	for (int i = 0; i < 20; i++)
		row_fork();
	return now() - start;
}

/* no work: the clock itself, for who wants to compare it with another level's */
static u64 row_clock(void)
{
	return now();
}

#define ROWS(R) R(int) R(sort) R(matmul) R(memcpy) R(chase) R(syscall) R(fork) R(pipe) R(fault)
#define NAMED_ROWS(R) R(cpuid) R(port) R(fresh) R(pages) R(clock) R(callret) R(rdtsc) R(divzero) R(segv) R(forkwait)
#define ROW(name) { #name, row_##name, true },
#define NAMED_ROW(name) { #name, row_##name, false },

static const struct {
	const char *name;
	u64 (*run)(void);
	bool always; /* without being named */
} rows[] = { ROWS(ROW) NAMED_ROWS(NAMED_ROW) };

static int compare_times(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return (x > y) - (x < y);
}

static u32 checked(u32 n)
{
	if (!n || n > UNITS_MAX)
		wrong("units", "1 to 10000");
	return n;
}

/* How many units of a row are to be done at a time; 0: it isn't to be run */
static u32 chosen(size_t row, u32 usual, int names, char **name)
{
	size_t n = strlen(rows[row].name);
	u32 own;

	for (int i = 0; i < names; i++) {
		if (strncmp(name[i], rows[row].name, n))
			continue;
		if (!name[i][n])
			return usual;
		if (sscanf(name[i] + n, "=%u", &own) == 1)
			return checked(own);
	}
	return !names && rows[row].always ? usual : 0;
}

int main(int argc, char **argv)
{
	u32 usual = 1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	argc--, argv++;
	if (argc && sscanf(argv[0], "units=%u", &usual) == 1)
		argc--, argv++;
	checked(usual);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		u64 times[PASSES];

		units = chosen(i, usual, argc, argv);
		if (!units)
			continue;
		for (int pass = 0; pass < PASSES; pass++)
			times[pass] = rows[i].run();
		qsort(times, PASSES, sizeof(times[0]), compare_times);
		printf("row %s %llu\n", rows[i].name, (unsigned long long)times[PASSES / 2]);
	}
	return 0;
}
