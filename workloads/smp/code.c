/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SDM vol. 3, "Handling Self- and Cross-Modifying Code": code that one processor writes and another runs, once that has been told and has
 * executed a serializing instruction. Written in place, and through another mapping of the same page, as kernels do.
 */
#include "litmus.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VERSIONS 40 /* in a round */

static u8 *writable, *executable; /* the same memory */
static volatile u32 told, done;
static u64 stale, wrong;

/* mov eax, imm32; ret: the immediate is aligned, so that it changes as a whole */
static void put(u8 *at, u32 value)
{
	at[0] = 0xb8;
	*(volatile u32 *)(at + 1) = value;
	at[5] = 0xc3;
}

#define AT 0x103 /* + 1 is a multiple of 4 */

static void serialize(void)
{
	u32 a = 0, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
}

static u32 run(u32 at)
{
	return ((u32(*)(void))(executable + at))();
}

static void change_and_run(struct party *p)
{
	if (!p->number) {
		for (u32 i = 1; i <= VERSIONS; i++) {
			*(volatile u32 *)(writable + AT + 1) = i;
			told = i;
			while (done != i)
				__builtin_ia32_pause();
		}
		return;
	}
	for (u32 last = 0; last != VERSIONS;) {
		u32 now = told, got;

		if (now == last) {
			(void)run(AT);
			continue;
		}
		serialize();
		got = run(AT);
		stale += got < now;
		wrong += got > VERSIONS;
		last = done = now;
	}
}

/* Another function each time, in a page that the other has run code of: nothing that it knows may stand for it. */
static void write_and_call(struct party *p)
{
	if (!p->number) {
		for (u32 i = 1; i <= VERSIONS; i++) {
			u32 at = AT + 16 * (i % 100);

			put(writable + at, i);
			told = i;
			while (done != i)
				__builtin_ia32_pause();
			memset(writable + at, 0xcc, 6);
		}
		return;
	}
	for (u32 last = 0; last != VERSIONS;) {
		u32 now = told;

		if (now == last) {
			__builtin_ia32_pause();
			continue;
		}
		serialize();
		stale += run(AT + 16 * (now % 100)) != now;
		last = done = now;
	}
}

static void judge(struct litmus *l)
{
	(void)l;
	told = done = 0;
	put(writable + AT, 0);
}

/* A byte of INT3 isn't tried: it takes a handler. A jump of two bytes that is turned on and off, as kernels' static keys are. */
static void flip(struct party *p)
{
	static const u16 jump = 0x07eb, nop = 0x9066;
	u8 *at = writable + 0x800;

	if (!p->number) {
		for (u32 i = 1; i <= VERSIONS; i++) {
			*(volatile u16 *)at = i & 1 ? jump : nop;
			told = i;
			while (done != i)
				__builtin_ia32_pause();
		}
		return;
	}
	for (u32 last = 0; last != VERSIONS;) {
		u32 now = told;

		if (now == last) {
			u32 got = run(0x800);

			wrong += got != 1 && got != 2;
			continue;
		}
		serialize();
		stale += run(0x800) != (now & 1 ? 2 : 1);
		last = done = now;
	}
}

static void both(struct litmus *l, const char *how)
{
	char name[80];
	static const struct {
		const char *name;
		void (*play)(struct party *p);
	} GAMES[] = { { "an_immediate", change_and_run }, { "a_new_function", write_and_call }, { "a_jump", flip } };
	/* a nop, or a jump to the second mov; mov eax, 1; jmp behind it; mov eax, 2; ret */
	static const u8 key[] = { 0x66, 0x90, 0xb8, 1, 0, 0, 0, 0xeb, 0x05, 0xb8, 2, 0, 0, 0, 0xc3 };

	for (unsigned int i = 0; i < 3; i++) {
		memset(writable, 0xcc, 4096);
		memcpy(writable + 0x800, key, sizeof(key));
		stale = wrong = 0;
		judge(l);
		litmus_play(l, 2, GAMES[i].play, judge);
		strcpy(name, "code: ");
		strcat(name, GAMES[i].name);
		strcat(name, how);
		litmus_result(!stale && !wrong, name, "%llu stale, %llu wrong", (unsigned long long)stale,
			      (unsigned long long)wrong);
	}
}

void litmus_code(struct litmus *l)
{
	int fd = memfd_create("code", 0);

	writable = executable = litmus_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
	both(l, "_changed_in_place");
	munmap(writable, 4096);
	if (fd < 0 || ftruncate(fd, 4096))
		return;
	writable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	executable = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	close(fd);
	if (writable == MAP_FAILED || executable == MAP_FAILED)
		return;
	both(l, "_changed_through_another_mapping");
	munmap(writable, 4096);
	munmap(executable, 4096);
}
