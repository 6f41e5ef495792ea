/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What processors promise each other, tried by threads that run at the same time, one a CPU: the order in which memory changes
 * (SDM vol. 3, "Memory Ordering"), locked operations wherever their operand lies, locks, code that one changes and another runs, and page
 * tables that one changes and another uses. A line PASS or FAIL for each, SUMMARY at the end; exit code 1 if something failed.
 *
 * Usage: litmus [ROUNDS], 200 without it. Wants two CPUs, four for what has four parties.
 */
#include "litmus.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int failed, passed;

void litmus_result(bool ok, const char *name, const char *format, ...)
{
	va_list args;

	printf("%s: %s", ok ? "PASS" : "FAIL", name);
	if (format) {
		printf(": ");
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
	}
	printf("\n");
	*(ok ? &passed : &failed) += 1;
}

/* Parties that wait in the kernel would start one after the other. */
static void meet(struct litmus *l)
{
	u32 now = atomic_load(&l->passed), spins = 0;

	if (atomic_fetch_add(&l->arrived, 1) + 1 == l->parties) {
		atomic_store(&l->arrived, 0);
		atomic_store(&l->passed, now + 1);
		return;
	}
	while (atomic_load(&l->passed) == now) {
		__builtin_ia32_pause();
		if (++spins % 20000 == 0)
			sched_yield();
	}
}

static void *party_main(void *arg)
{
	struct party *p = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(p->number % p->all->cpus, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (unsigned int i = 0; i < p->all->rounds; i++) {
		meet(p->all);
		p->all->play(p);
		meet(p->all);
		if (!p->number && p->all->judge)
			p->all->judge(p->all);
	}
	return NULL;
}

void litmus_play(struct litmus *l, unsigned int parties, void (*play)(struct party *p), void (*judge)(struct litmus *l))
{
	l->parties = parties;
	l->play = play;
	l->judge = judge;
	l->arrived = 0;
	for (unsigned int i = 0; i < parties; i++) {
		l->party[i] = (struct party){ .all = l, .number = i };
		if (pthread_create(&l->party[i].thread, NULL, party_main, &l->party[i])) {
			printf("FAIL: litmus: no thread\n");
			exit(1);
		}
	}
	for (unsigned int i = 0; i < parties; i++)
		pthread_join(l->party[i].thread, NULL);
}

void *litmus_pages(size_t n, int protection)
{
	void *p = mmap(NULL, n * 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		printf("FAIL: litmus: no memory\n");
		exit(1);
	}
	return p;
}

int main(int argc, char **argv)
{
	static struct litmus l;

	setvbuf(stdout, NULL, _IOLBF, 0);
	l.rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 200;
	l.cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	if (l.cpus < 2) {
		printf("SKIP: litmus: there is one CPU\n");
		return 77;
	}
	litmus_order(&l);
	litmus_locked(&l);
	litmus_lock(&l);
	litmus_code(&l);
	litmus_paging(&l);
	printf("SUMMARY: %d tests, %d unexpected failures\n", passed + failed, failed);
	return failed != 0;
}
