/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Usage: selfcheck [NAME]...: lines PASS: name, FAIL: name: why, SKIP: name: why. Exit code 1 if one fails. */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK_SECONDS 120 /* host time may pass slowly for a guest */

enum { RESULT_PASS, RESULT_FAIL, RESULT_SKIP };

static int report_fd;

/* The text to the parent, and out. */
static _Noreturn void report(int result, const char *text, size_t n)
{
	_exit(write(report_fd, text, n) == (ssize_t)n ? result : RESULT_FAIL);
}

#define REPORT(result) \
	do { \
		char text[200]; \
		va_list ap; \
		int n; \
\
		va_start(ap, format); \
		n = vsnprintf(text, sizeof(text), format, ap); \
		va_end(ap); \
		if (n > (int)sizeof(text) - 1) \
			n = (int)sizeof(text) - 1; \
		report(result, text, n > 0 ? (size_t)n : 0); \
	} while (0)

void fail(const char *format, ...)
{
	REPORT(RESULT_FAIL);
}

void skip(const char *format, ...)
{
	REPORT(RESULT_SKIP);
}

u64 monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

u32 next_random(u32 *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state;
}

static int run(const char *name, void (*check)(void))
{
	char text[256] = "";
	int fd[2], status;
	ssize_t n;
	pid_t child;

	if (pipe(fd) || fflush(stdout) || (child = fork()) < 0) {
		printf("FAIL: %s: can't start: %s\n", name, strerror(errno));
		return 1;
	}
	if (!child) {
		close(fd[0]);
		report_fd = fd[1];
		alarm(CHECK_SECONDS);
		check();
		_exit(RESULT_PASS);
	}
	close(fd[1]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	/* a grandchild may hold the pipe open: what the child wrote is there already */
	if (WIFEXITED(status) && WEXITSTATUS(status) != RESULT_PASS) {
		n = read(fd[0], text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
	} else if (WIFSIGNALED(status)) {
		snprintf(text, sizeof(text), "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	}
	close(fd[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == RESULT_PASS)
		printf("PASS: %s\n", name);
	else if (WIFEXITED(status) && WEXITSTATUS(status) == RESULT_SKIP)
		printf("SKIP: %s: %s\n", name, text);
	else
		printf("FAIL: %s: %s\n", name, text);
	return WIFSIGNALED(status) || (WEXITSTATUS(status) != RESULT_PASS && WEXITSTATUS(status) != RESULT_SKIP);
}

static const struct {
	const char *name;
	void (*check)(void);
} checks[] = {
#define CHECK_ROW(name) { #name, check_##name },
	CHECKS(CHECK_ROW)
#undef CHECK_ROW
};

int main(int argc, char **argv)
{
	int failed = 0, found = 0;

	/* process.c: what exec_passes_arguments_and_environment executes */
	if (argc == 3 && !strcmp(argv[1], "--exec-child")) {
		const char *value = getenv("CHECK");

		return !strcmp(argv[2], "an argument") && value && !strcmp(value, "value") ? 42 : 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned int i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		int wanted = argc < 2;

		for (int a = 1; a < argc; a++)
			wanted |= !strcmp(argv[a], checks[i].name);
		if (!wanted)
			continue;
		found++;
		failed += run(checks[i].name, checks[i].check);
	}
	if (!found)
		puts("FAIL: selfcheck: no check has such a name");
	return failed || !found;
}
