/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiles a source tree, file after file, as kernbench does with the kernel: a process for each program of the compiler, page faults,
 * files read and written, and much computing.
 *
 * Usage: compile [passes=N] [files=N] FOLDER: FOLDER/list names files below FOLDER, one a line, and FOLDER/flags the options of gcc, one
 * a line. It is done passes times (3) and prints
 *   row compile.first NS    wall time of the first pass, which finds nothing in any cache
 *   row compile NS          wall time of the others, the median
 *   row compile.cpu NS      CPU time of these, the compiler's and the kernel's for it, the median
 *   check compile HASH      of all object files: the same wherever it runs, or something is wrong there
 * What doesn't compile ends it with `FAIL: compile: ...` and exit code 1.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMPILER "/usr/bin/gcc"
#define LINES 512
#define PASSES 32

typedef uint64_t u64;

static char object[64];

static _Noreturn void wrong(const char *what, const char *of)
{
	printf("FAIL: compile: %s: %s\n", of, what);
	unlink(object);
	exit(1);
}

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static u64 cpu_of_children(void)
{
	struct rusage r;

	getrusage(RUSAGE_CHILDREN, &r);
	return (u64)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000000u +
	       (u64)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000u;
}

/* The lines of a file, at most max; returns how many */
static size_t lines_of(const char *path, char **lines, size_t max)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0, n = 0;

	if (!f)
		wrong("can't be read", path);
	while (n < max && getline(&line, &room, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		if (*line)
			lines[n++] = strdup(line);
	}
	free(line);
	fclose(f);
	return n;
}

/* FNV-1a, over all object files */
static u64 hash_of(const char *path, u64 hash)
{
	FILE *f = fopen(path, "rb");
	int c;

	if (!f)
		wrong("no object file", path);
	while ((c = getc(f)) != EOF)
		hash = (hash ^ (u64)c) * 0x100000001b3u;
	fclose(f);
	return hash;
}

static void compile(char **arguments, const char *source)
{
	int status;
	pid_t child = fork();

	if (!child) {
		execv(COMPILER, arguments);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		wrong("no process", source);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		wrong("doesn't compile", source);
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return (x > y) - (x < y);
}

static u64 median(u64 *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

int main(int argc, char **argv)
{
	static char *sources[LINES], *flags[LINES], *arguments[LINES + 8];
	u64 wall[PASSES], cpu[PASSES];
	const char *folder = NULL;
	size_t passes = 3, files = LINES, count, n = 0;
	u64 hash = 0, first = 0;
	size_t source;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
		if (sscanf(argv[i], "passes=%zu", &passes) != 1 && sscanf(argv[i], "files=%zu", &files) != 1)
			folder = argv[i];
	if (!folder || passes < 1 || passes > PASSES || chdir(folder)) {
		fprintf(stderr, "usage: compile [passes=N] [files=N] FOLDER\n");
		return 2;
	}
	snprintf(object, sizeof(object), "/tmp/compile-%d.o", (int)getpid());
	setenv("PATH", "/usr/bin:/bin", 1);
	count = lines_of("list", sources, files < LINES ? files : LINES);
	arguments[n++] = (char *)"gcc";
	for (size_t i = 0, all = lines_of("flags", flags, LINES); i < all; i++)
		arguments[n++] = flags[i];
	arguments[n++] = (char *)"-c";
	arguments[n++] = (char *)"-o";
	arguments[n++] = object;
	source = n;
	for (size_t pass = 0; pass < passes; pass++) {
		u64 start = now(), before = cpu_of_children(), hashing = 0;

		hash = 0xcbf29ce484222325u;
		for (size_t i = 0; i < count; i++) {
			arguments[source] = sources[i];
			compile(arguments, sources[i]);
			hashing -= now();
			hash = hash_of(object, hash);
			hashing += now();
		}
		if (pass && hash != first)
			wrong("another result than in the first pass", "the list");
		first = hash;
		wall[pass] = now() - start - hashing;
		cpu[pass] = cpu_of_children() - before;
	}
	unlink(object);
	printf("row compile.first %llu\n", (unsigned long long)wall[0]);
	if (passes > 1) {
		printf("row compile %llu\n", (unsigned long long)median(wall + 1, passes - 1));
		printf("row compile.cpu %llu\n", (unsigned long long)median(cpu + 1, passes - 1));
	}
	printf("check compile %016llx\n", (unsigned long long)hash);
	return 0;
}
