/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads that play a round together, again and again, and somebody who judges it. */
#ifndef WORKLOADS_SMP_LITMUS_H
#define WORKLOADS_SMP_LITMUS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PARTIES_MAX 4

struct litmus;

struct party {
	struct litmus *all;
	unsigned int number;
	pthread_t thread;
};

struct litmus {
	unsigned int rounds, cpus, parties;
	void (*play)(struct party *p); /* on every party's thread, at the same time */
	void (*judge)(struct litmus *l); /* on one, when all have played; may be NULL */
	_Atomic u32 arrived, passed; /* where parties meet */
	struct party party[PARTIES_MAX];
};

void litmus_play(struct litmus *l, unsigned int parties, void (*play)(struct party *p), void (*judge)(struct litmus *l));
void litmus_result(bool ok, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* n pages of zeros; ends the program if there are none. protection: PROT_* */
void *litmus_pages(size_t n, int protection);

void litmus_order(struct litmus *l);
void litmus_locked(struct litmus *l);
void litmus_lock(struct litmus *l);
void litmus_code(struct litmus *l);
void litmus_paging(struct litmus *l);

#endif
