/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for what translating fills, before it is needed. A host takes a microsecond to give a page, or several if it is a guest itself, and
 * that was a quarter of the time of translating. So a thread of the code cache touches a region's memory while the vCPUs fill the one
 * before it. It is at most one region ahead. Nothing depends on it: what isn't there in time comes by page faults, as it would without.
 */
#include "feed.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "cache.h"

/* A region is fed in so many steps, so that the first part of all of its tables is there early. */
#define STEPS 16

struct feed {
	pthread_t thread;
	struct bt *bt;
	sem_t wanted; /* so many regions */
	_Atomic bool stop;
};

/* Failures show as page faults. */
static void touch(const void *from, u64 bytes, int advice)
{
	u64 start = (u64)from & ~(u64)(PAGE_SIZE - 1), end = ((u64)from + bytes + PAGE_SIZE - 1) & ~(u64)(PAGE_SIZE - 1);

	(void)madvise((void *)start, end - start, advice);
}

/* Part `at` of a table */
static void step(const void *table, u64 bytes, unsigned int at)
{
	touch((const u8 *)table + bytes * at / STEPS, bytes / STEPS, MADV_POPULATE_WRITE);
}

/* Of code, in both views */
static void step_code(const struct bt *bt, const struct bt_area *a, unsigned int at)
{
	u64 bytes = a->end - a->start;

	step(bt->rw + a->start, bytes, at);
	touch(bt->rx + a->start + bytes * at / STEPS, bytes / STEPS, MADV_POPULATE_READ);
}

static void feed_region(struct feed *f, const struct bt_region *r)
{
	const struct bt *bt = f->bt;

	for (unsigned int at = 0; at < STEPS && !atomic_load(&f->stop); at++) {
		step_code(bt, &r->hot, at);
		step_code(bt, &r->cold, at);
		step(bt->blocks + r->first_block, r->block_max * sizeof(*bt->blocks), at);
		step(bt->maps + r->first_map, r->map_max * sizeof(*bt->maps), at);
		step(bt->notes + r->first_note, r->note_max * sizeof(*bt->notes), at);
	}
}

static void *feeder(void *arg)
{
	struct feed *f = arg;

	for (unsigned int i = 0; i < f->bt->regions; i++) {
		while (sem_wait(&f->wanted))
			;
		if (atomic_load(&f->stop))
			break;
		feed_region(f, &f->bt->region[i]);
	}
	return NULL;
}

struct feed *feed_create(struct bt *bt)
{
	struct feed *f = calloc(1, sizeof(*f));
	sigset_t all, old;
	int err;

	if (!f)
		return NULL;
	f->bt = bt;
	sem_init(&f->wanted, 0, 0);
	/* whatever signals there are, they are others' */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&f->thread, NULL, feeder, f);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err) {
		pthread_setname_np(f->thread, "feeder");
		return f;
	}
	sem_destroy(&f->wanted);
	free(f);
	return NULL;
}

void feed_destroy(struct feed *f)
{
	if (!f)
		return;
	atomic_store(&f->stop, true);
	sem_post(&f->wanted);
	pthread_join(f->thread, NULL);
	sem_destroy(&f->wanted);
	free(f);
}

void feed_next(struct feed *f)
{
	if (f)
		sem_post(&f->wanted);
}
