/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SDM vol. 3, "Examples Illustrating the Memory-Ordering Principles": under each name what is seen by whom, and what never is. */
#include "litmus.h"

#define SLOTS 2048 /* of a round: parties meet in some of them */

/* Of two locations, each in a line of its own, and of what each party has read */
static struct slot {
	u32 x __attribute__((aligned(64)));
	u32 y __attribute__((aligned(64)));
	u32 read[PARTIES_MAX][2] __attribute__((aligned(64)));
} slots[SLOTS];

static u64 seen[2]; /* outcomes: [0] that are allowed and need two at the same time, [1] that may not be */

static inline void store(u32 *at, u32 value)
{
	__asm__ volatile("mov %1, %0" : "=m"(*at) : "r"(value) : "memory");
}

static inline u32 load(const u32 *at)
{
	u32 value;

	__asm__ volatile("mov %1, %0" : "=r"(value) : "m"(*at) : "memory");
	return value;
}

static inline void exchange(u32 *at, u32 value)
{
	__asm__ volatile("xchg %1, %0" : "+m"(*at), "+r"(value) : : "memory");
}

static void again(struct litmus *l)
{
	(void)l;
	for (int i = 0; i < SLOTS; i++)
		slots[i] = (struct slot){ 0 };
	__sync_synchronize();
}

/* "Neither Loads Nor Stores Are Reordered with Like Operations" */
static void message(struct party *p)
{
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &slots[i];

		if (p->number) {
			s->read[1][0] = load(&s->y);
			s->read[1][1] = load(&s->x);
		} else {
			store(&s->x, 1);
			store(&s->y, 1);
		}
	}
}

static void judge_message(struct litmus *l)
{
	for (int i = 0; i < SLOTS; i++) {
		seen[0] += !slots[i].read[1][0] && slots[i].read[1][1];
		seen[1] += slots[i].read[1][0] && !slots[i].read[1][1];
	}
	again(l);
}

/* "Stores Are Not Reordered With Earlier Loads" */
static void buffering_of_loads(struct party *p)
{
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &slots[i];

		s->read[p->number][0] = load(p->number ? &s->y : &s->x);
		store(p->number ? &s->x : &s->y, 1);
	}
}

static void judge_loads(struct litmus *l)
{
	for (int i = 0; i < SLOTS; i++) {
		seen[0] += slots[i].read[0][0] != slots[i].read[1][0];
		seen[1] += slots[i].read[0][0] && slots[i].read[1][0];
	}
	again(l);
}

/* "Loads May Be Reordered with Earlier Stores to Different Locations" */
static void buffering_of_stores(struct party *p)
{
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &slots[i];

		store(p->number ? &s->y : &s->x, 1);
		s->read[p->number][0] = load(p->number ? &s->x : &s->y);
	}
}

static void judge_stores_allowed(struct litmus *l)
{
	for (int i = 0; i < SLOTS; i++)
		seen[0] += !slots[i].read[0][0] && !slots[i].read[1][0];
	again(l);
}

/* "Loads and Stores Are Not Reordered with Locked Instructions" */
static void locked_stores(struct party *p)
{
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &slots[i];

		exchange(p->number ? &s->y : &s->x, 1);
		s->read[p->number][0] = load(p->number ? &s->x : &s->y);
	}
}

static void fenced_stores(struct party *p)
{
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &slots[i];

		store(p->number ? &s->y : &s->x, 1);
		__asm__ volatile("mfence" : : : "memory");
		s->read[p->number][0] = load(p->number ? &s->x : &s->y);
	}
}

static void judge_stores_forbidden(struct litmus *l)
{
	for (int i = 0; i < SLOTS; i++) {
		seen[0] += slots[i].read[0][0] != slots[i].read[1][0];
		seen[1] += !slots[i].read[0][0] && !slots[i].read[1][0];
	}
	again(l);
}

/* "Stores Are Seen in a Consistent Order by Other Processors" */
static void two_readers(struct party *p)
{
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &slots[i];

		switch (p->number) {
		case 0:
			store(&s->x, 1);
			break;
		case 1:
			store(&s->y, 1);
			break;
		case 2:
			s->read[2][0] = load(&s->x);
			s->read[2][1] = load(&s->y);
			break;
		default:
			s->read[3][0] = load(&s->y);
			s->read[3][1] = load(&s->x);
		}
	}
}

static void judge_readers(struct litmus *l)
{
	for (int i = 0; i < SLOTS; i++) {
		bool first = slots[i].read[2][0] && !slots[i].read[2][1],
		     second = slots[i].read[3][0] && !slots[i].read[3][1];

		seen[0] += first != second;
		seen[1] += first && second;
	}
	again(l);
}

static void order(struct litmus *l, const char *name, unsigned int parties, void (*play)(struct party *),
		  void (*judge)(struct litmus *))
{
	seen[0] = seen[1] = 0;
	again(l);
	litmus_play(l, parties, play, judge);
	litmus_result(!seen[1], name, "%llu that must not be, %llu that need two at once", (unsigned long long)seen[1],
		      (unsigned long long)seen[0]);
}

void litmus_order(struct litmus *l)
{
	order(l, "order: message_passing", 2, message, judge_message);
	order(l, "order: load_buffering", 2, buffering_of_loads, judge_loads);
	order(l, "order: store_buffering", 2, buffering_of_stores, judge_stores_allowed);
	order(l, "order: store_buffering_with_xchg", 2, locked_stores, judge_stores_forbidden);
	order(l, "order: store_buffering_with_mfence", 2, fenced_stores, judge_stores_forbidden);
	if (l->cpus >= 4)
		order(l, "order: independent_readers_of_independent_writes", 4, two_readers, judge_readers);
}
