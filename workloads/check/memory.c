/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *map(size_t n, int protection)
{
	void *p = mmap(NULL, n, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(p != MAP_FAILED, "mmap: errno %d", errno);
	return p;
}

void check_fresh_pages_are_zero_and_keep_what_is_written(void)
{
	const size_t n = 48 << 20;
	u64 *p = map(n, PROT_READ | PROT_WRITE);

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < n / 8; i += 509)
			EXPECT(!p[i], "round %d: word %zu is %#llx, not zero", round, i, (unsigned long long)p[i]);
		for (size_t i = 0; i < n / 8; i += 509)
			p[i] = i * 0x9e3779b97f4a7c15;
		for (size_t i = 0; i < n / 8; i += 509)
			EXPECT(p[i] == i * 0x9e3779b97f4a7c15, "round %d: word %zu is %#llx", round, i,
			       (unsigned long long)p[i]);
		MUST(madvise(p, n, MADV_DONTNEED));
	}
}

static sigjmp_buf back;
static volatile int faults;

static void on_segv(int sig)
{
	(void)sig;
	faults++;
	siglongjmp(back, 1);
}

static int store_faults(volatile u8 *p)
{
	if (sigsetjmp(back, 1))
		return 1;
	*p = 1;
	return 0;
}

static int load_faults(volatile u8 *p)
{
	if (sigsetjmp(back, 1))
		return 1;
	(void)*p;
	return 0;
}

static int call_faults(u8 *p)
{
	if (sigsetjmp(back, 1))
		return 1;
	((void (*)(void))(uintptr_t)p)();
	return 0;
}

void check_protections_are_enforced(void)
{
	u8 *p = map(4096, PROT_READ | PROT_WRITE);

	signal(SIGSEGV, on_segv);
	*p = 0xc3; /* RET */
	for (int i = 0; i < 200; i++) {
		EXPECT(!load_faults(p) && !store_faults(p + 1), "round %d: a readable and writable page faults", i);
		EXPECT(call_faults(p), "round %d: a page without PROT_EXEC is executed", i);
		MUST(mprotect(p, 4096, PROT_READ));
		EXPECT(!load_faults(p) && store_faults(p + 1), "round %d: PROT_READ is wrong", i);
		MUST(mprotect(p, 4096, PROT_READ | PROT_EXEC));
		EXPECT(!call_faults(p) && store_faults(p + 1), "round %d: PROT_EXEC is wrong", i);
		MUST(mprotect(p, 4096, PROT_NONE));
		EXPECT(load_faults(p) && store_faults(p + 1) && call_faults(p), "round %d: PROT_NONE is wrong", i);
		MUST(mprotect(p, 4096, PROT_READ | PROT_WRITE));
	}
	EXPECT(faults == 200 * 6, "%d faults instead of %d", faults, 200 * 6);
}

/* mov $value, %eax; ret */
static void write_function(u8 *p, u32 value)
{
	p[0] = 0xb8;
	memcpy(p + 1, &value, 4);
	p[5] = 0xc3;
	__asm__ volatile("" : : : "memory");
}

static u32 call_function(u8 *p)
{
	return ((u32(*)(void))(uintptr_t)p)();
}

void check_code_written_over_runs_as_written(void)
{
	u8 *p = map(8192, PROT_READ | PROT_WRITE | PROT_EXEC);

	for (u32 i = 0; i < 3000; i++) {
		/* in one page, and across two */
		write_function(p + 100, i);
		EXPECT(call_function(p + 100) == i, "write %u: %#x", i, call_function(p + 100));
		write_function(p + 4093, ~i);
		EXPECT(call_function(p + 4093) == ~i, "write %u across pages: %#x", i, call_function(p + 4093));
	}
	/* an instruction that changes the one behind it in the same block: mov $7, %al; movb $42, imm of next; mov $?, %al */
	static const u8 SELF[] = {
		0xc6, 0x05, 0x01, 0x00, 0x00, 0x00, 42, /* movb $42, 1(%rip): the byte behind the next opcode */
		0xb8, 0,    0,	  0,	0, /* mov $0, %eax */
		0xc3,
	};
	for (int i = 0; i < 100; i++) {
		memcpy(p + 200, SELF, sizeof(SELF));
		EXPECT(call_function(p + 200) == 42, "self-modified code returned %u", call_function(p + 200));
	}
}

void check_code_written_through_another_mapping_runs_as_written(void)
{
	int fd = (int)MUST(memfd_create("code", 0));
	u8 *write, *run;

	MUST(ftruncate(fd, 4096));
	write = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	run = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	EXPECT(write != MAP_FAILED && run != MAP_FAILED, "mmap: errno %d", errno);
	for (u32 i = 0; i < 2000; i++) {
		write_function(write, i);
		EXPECT(call_function(run) == i, "store %u: %#x", i, call_function(run));
		write_function(write, 0);
		EXPECT(pwrite(fd, "\xb8\x55\x55\x55\x55\xc3", 6, 0) == 6, "pwrite");
		EXPECT(call_function(run) == 0x55555555, "system call %u: %#x", i, call_function(run));
	}
}
