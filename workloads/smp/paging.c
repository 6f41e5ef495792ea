/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SDM vol. 3, "Propagation of Paging-Structure Changes to Multiple Processors": once a kernel has taken a page away, or the right to write
 * to it, and has told the other processors, none of them writes there any more.
 */
#include "litmus.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TURNS 20

static volatile u64 *page;
static volatile bool over;
static u64 late, written, faults;
static int fd; /* two pages of a file, one of them at `page`, both of them at `both` */

/* Page n of the file at `page` */
static void map(int n)
{
	if (mmap((void *)page, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 4096 * n) == MAP_FAILED)
		abort();
}
static u8 *both;
static __thread sigjmp_buf again;

static void on_fault(int signal)
{
	(void)signal;
	siglongjmp(again, 1);
}

static void write_and_protect(struct party *p)
{
	if (p->number) {
		volatile u64 n = 0;

		if (sigsetjmp(again, 1))
			faults++;
		while (!over)
			*page = ++n;
		return;
	}
	for (int i = 0; i < TURNS; i++) {
		u64 first;

		mprotect((void *)page, 4096, PROT_READ);
		first = *page;
		for (int k = 0; k < 2000; k++)
			late += *page != first;
		written += first != 0;
		mprotect((void *)page, 4096, PROT_READ | PROT_WRITE);
		for (int k = 0; k < 2000; k++)
			__builtin_ia32_pause();
	}
	over = true;
}

static void go_on(struct litmus *l)
{
	(void)l;
	over = false;
}

static void write_and_replace(struct party *p)
{
	if (p->number) {
		volatile u64 n = 0;

		if (sigsetjmp(again, 1))
			faults++;
		while (!over)
			*page = ++n;
		return;
	}
	for (int i = 0; i < TURNS; i++) {
		volatile u64 *aside = (u64 *)(both + 4096 * (i & 1)); /* the page that is there now */
		u64 first;

		map(~i & 1);
		first = *aside;
		for (int k = 0; k < 2000; k++)
			late += *aside != first;
		written += first != 0;
		*aside = 0;
		for (int k = 0; k < 2000; k++)
			__builtin_ia32_pause();
	}
	over = true;
}

static void paging(struct litmus *l, const char *name, void (*play)(struct party *p))
{
	late = written = faults = 0;
	over = false;
	page = litmus_pages(1, PROT_READ | PROT_WRITE);
	map(0);
	litmus_play(l, 2, play, go_on);
	litmus_result(!late, name, "%llu late writes; %llu times there was one before, %llu faults",
		      (unsigned long long)late, (unsigned long long)written, (unsigned long long)faults);
	munmap((void *)page, 4096);
}

void litmus_paging(struct litmus *l)
{
	struct sigaction sa = { .sa_handler = on_fault }, old;

	fd = memfd_create("pages", 0);
	if (fd < 0 || ftruncate(fd, 8192)) {
		litmus_result(false, "paging", "no memfd");
		return;
	}
	both = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	sigaction(SIGSEGV, &sa, &old);
	paging(l, "paging: a_page_is_write_protected", write_and_protect);
	paging(l, "paging: a_page_is_replaced", write_and_replace);
	sigaction(SIGSEGV, &old, NULL);
	munmap(both, 8192);
	close(fd);
}
