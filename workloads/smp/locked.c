/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SDM vol. 3, "Locked Atomic Operations": nothing gets lost, wherever the operand lies: in a line, across two, across two pages, and beside
 * code that runs. And what is atomic without LOCK is read whole.
 */
#include "litmus.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define TURNS 399 /* no multiple of 256 comes out for a byte */

typedef unsigned __int128 u128;

static u8 *operand;
static u32 (*code)(void); /* in the operand's page, or NULL */
static u64 wrong;

static void call(void)
{
	if (code && code() != 7)
		__sync_fetch_and_add(&wrong, 1);
}

#define LOCKED(name, insn) \
	static void name(struct party *p) \
	{ \
		(void)p; \
		for (int i = 0; i < TURNS; i++) { \
			insn; \
			if (!(i & 63)) \
				call(); \
		} \
	}

LOCKED(inc_b, __asm__ volatile("lock incb %0" : "+m"(*operand)))
LOCKED(inc_w, __asm__ volatile("lock incw %0" : "+m"(*(u16 *)operand)))
LOCKED(add_l, __asm__ volatile("lock addl $1, %0" : "+m"(*(u32 *)operand)))
LOCKED(add_q, __asm__ volatile("lock addq $1, %0" : "+m"(*(u64 *)operand)))
LOCKED(xadd_q, u64 one = 1; __asm__ volatile("lock xaddq %1, %0" : "+m"(*(u64 *)operand), "+r"(one)))

/* One more than *old if that is what is there; otherwise *old is what is */
static bool try_cmpxchg_l(u32 *old)
{
	u32 next = *old + 1;
	u8 ok = 0;

	__asm__ volatile("lock cmpxchgl %3, %0; sete %2"
			 : "+m"(*(u32 *)operand), "+a"(*old), "+q"(ok)
			 : "r"(next)
			 : "memory");
	return ok;
}

static void cmpxchg_l(struct party *p)
{
	(void)p;
	for (int i = 0; i < TURNS; i++) {
		u32 old = *(volatile u32 *)operand;

		while (!try_cmpxchg_l(&old))
			;
		if (!(i & 63))
			call();
	}
}

static bool try_cmpxchg_16b(u64 *low, u64 *high)
{
	u64 next_low = *low + 1, next_high = *high + 3;
	u8 ok = 0;

	__asm__ volatile("lock cmpxchg16b %0; sete %3"
			 : "+m"(*(u128 *)operand), "+a"(*low), "+d"(*high), "+q"(ok)
			 : "b"(next_low), "c"(next_high)
			 : "memory");
	return ok;
}

static void cmpxchg_16b(struct party *p)
{
	(void)p;
	for (int i = 0; i < TURNS; i++) {
		u64 low = 0, high = 0;

		while (!try_cmpxchg_16b(&low, &high))
			;
		if (!(i & 63))
			call();
	}
}

static bool try_bts(u64 *word)
{
	u8 taken = 0;

	__asm__ volatile("lock btsq $5, %0; setc %1" : "+m"(*word), "+q"(taken) : : "memory");
	return !taken;
}

/* A lock of one bit around a counter that isn't locked */
static void bts_lock(struct party *p)
{
	u64 *word = (u64 *)operand;
	volatile u64 *counter = (u64 *)operand + 1;

	(void)p;
	for (int i = 0; i < TURNS; i++) {
		while (!try_bts(word))
			__builtin_ia32_pause();
		*counter = *counter + 1;
		__asm__ volatile("lock btrq $5, %0" : "+m"(*word) : : "memory");
		if (!(i & 63))
			call();
	}
}

static const struct {
	const char *name;
	void (*play)(struct party *p);
	unsigned int size; /* of the operand */
	bool aligned; /* it must be */
	unsigned int counter; /* bytes from the operand to what counts */
} OPERATIONS[] = {
	{ "lock_inc_byte", inc_b, 1, true, 0 },		 { "lock_inc_word", inc_w, 2, false, 0 },
	{ "lock_add_long", add_l, 4, false, 0 },	 { "lock_add_quad", add_q, 8, false, 0 },
	{ "lock_xadd_quad", xadd_q, 8, false, 0 },	 { "lock_cmpxchg_long", cmpxchg_l, 4, false, 0 },
	{ "lock_cmpxchg16b", cmpxchg_16b, 16, true, 0 }, { "lock_bts", bts_lock, 8, false, 8 },
};

/* 2 for a 1-byte counter ... */
static u64 limit(unsigned int size)
{
	return size >= 8 ? ~0ull : (1ull << 8 * size) - 1;
}

static void locked(struct litmus *l, const char *where, u8 *at, u32 (*function)(void), bool aligned)
{
	unsigned int parties = l->cpus < PARTIES_MAX ? l->cpus : PARTIES_MAX;
	char name[96];

	for (unsigned int i = 0; i < sizeof(OPERATIONS) / sizeof(OPERATIONS[0]); i++) {
		unsigned int n = OPERATIONS[i].size;
		u64 expected = (u64)parties * TURNS * l->rounds, found = 0;

		if (OPERATIONS[i].aligned && !aligned)
			continue;
		operand = aligned ? at : at - n / 2;
		code = function;
		wrong = 0;
		memset(operand, 0, n + OPERATIONS[i].counter);
		litmus_play(l, parties, OPERATIONS[i].play, NULL);
		if (OPERATIONS[i].counter)
			n = 8;
		memcpy(&found, operand + OPERATIONS[i].counter, n < 8 ? n : 8);
		expected &= limit(n);
		snprintf(name, sizeof(name), "locked: %s_%s", OPERATIONS[i].name, where);
		litmus_result(found == expected && !wrong, name, "%llu of %llu, %llu wrong calls",
			      (unsigned long long)found, (unsigned long long)expected, (unsigned long long)wrong);
	}
}

static u64 torn;

static void whole(struct party *p)
{
	volatile u64 *at = (u64 *)operand;

	for (int i = 0; i < TURNS; i++) {
		u64 value = *at;

		if (p->number & 1)
			*at = i & 1 ? ~0ull : 0;
		if (value && value != ~0ull)
			__sync_fetch_and_add(&torn, 1);
		if (!(i & 63))
			call();
	}
}

static void read_whole(struct litmus *l, const char *name, u8 *at, u32 (*function)(void))
{
	operand = at;
	code = function;
	wrong = torn = 0;
	memset(at, 0, 8);
	litmus_play(l, 2, whole, NULL);
	litmus_result(!torn && !wrong, name, "%llu torn", (unsigned long long)torn);
}

void litmus_locked(struct litmus *l)
{
	u8 *plain = litmus_pages(3, PROT_READ | PROT_WRITE), *mixed = litmus_pages(3, PROT_READ | PROT_WRITE | PROT_EXEC);
	/* mov eax, 7; ret */
	static const u8 seven[] = { 0xb8, 7, 0, 0, 0, 0xc3 };

	memcpy(mixed + 0x800, seven, sizeof(seven));
	memcpy(mixed + 0x1800, seven, sizeof(seven));
	locked(l, "in_a_line", plain + 0x100, NULL, true);
	locked(l, "across_lines", plain + 0x140, NULL, false);
	locked(l, "across_pages", plain + 0x1000, NULL, false);
	locked(l, "beside_code", mixed + 0x100, (u32(*)(void))(mixed + 0x800), true);
	locked(l, "across_pages_with_code", mixed + 0x1000, (u32(*)(void))(mixed + 0x1800), false);
	read_whole(l, "locked: quadwords_are_whole", plain + 0x200, NULL);
	read_whole(l, "locked: quadwords_beside_code_are_whole", mixed + 0x200, (u32(*)(void))(mixed + 0x800));
	munmap(plain, 3 * 4096);
	munmap(mixed, 3 * 4096);
}
