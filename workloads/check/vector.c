/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vector state under switches between processes: each holds patterns of its own in all registers, gives the CPU away in
 * the middle of an assembly block, and looks whether they are still there.
 */
#include "check.h"

#include <cpuid.h>
#include <errno.h>
#include <fenv.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 6
#define ROUNDS 300

/* Run `work` in several processes at once; each gets its number. */
static void in_processes(void (*work)(u32 number))
{
	int status;

	for (u32 i = 0; i < PROCESSES; i++) {
		if (!MUST(fork())) {
			work(i);
			_exit(0);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		MUST(wait(&status));
		EXPECT(!status || WIFEXITED(status), "a process got signal %d", WTERMSIG(status));
		/* what it had to say, it has said with fail() */
		if (status)
			_exit(WEXITSTATUS(status));
	}
}

static void fill(void *to, size_t n, u32 seed)
{
	u8 *bytes = to;

	for (size_t i = 0; i < n; i++)
		bytes[i] = (u8)(next_random(&seed) >> 24);
}

static void x87_work(u32 number)
{
	u8 want[8][16] = { { 0 } }, got[8][16] = { { 0 } };

	for (u32 round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < 8; i++) {
			long double value = (long double)(number * 1000003 + round * 101 + (u32)i) / 7;

			memcpy(want[i], &value, 10);
		}
		__asm__ volatile("fldt 0x70(%0)\n fldt 0x60(%0)\n fldt 0x50(%0)\n fldt 0x40(%0)\n"
				 "fldt 0x30(%0)\n fldt 0x20(%0)\n fldt 0x10(%0)\n fldt (%0)\n"
				 "mov $24, %%eax\n syscall\n" /* sched_yield */
				 "fstpt (%1)\n fstpt 0x10(%1)\n fstpt 0x20(%1)\n fstpt 0x30(%1)\n"
				 "fstpt 0x40(%1)\n fstpt 0x50(%1)\n fstpt 0x60(%1)\n fstpt 0x70(%1)\n"
				 :
				 : "r"(want), "r"(got)
				 : "rax", "rcx", "r11", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",
				   "st(7)", "memory");
		for (int i = 0; i < 8; i++)
			EXPECT(!memcmp(want[i], got[i], 10), "process %u, round %u: ST%d changed", number, round, i);
	}
}

void check_x87_of_several_processes_stays_apart(void)
{
	in_processes(x87_work);
}

#define EACH_OF_16(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

static void sse_work(u32 number)
{
	u8 want[16][16], got[16][16];

	for (u32 round = 0; round < ROUNDS; round++) {
		fill(want, sizeof(want), number * 7919 + round);
#define LOAD(n) "movdqu " #n "*16(%0), %%xmm" #n "\n"
#define STORE(n) "movdqu %%xmm" #n ", " #n "*16(%1)\n"
		__asm__ volatile(EACH_OF_16(LOAD) "mov $24, %%eax\n syscall\n" EACH_OF_16(STORE)
				 :
				 : "r"(want), "r"(got)
				 : "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
				   "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#undef LOAD
#undef STORE
		for (int i = 0; i < 16; i++)
			EXPECT(!memcmp(want[i], got[i], 16), "process %u, round %u: XMM%d changed", number, round, i);
	}
}

void check_sse_of_several_processes_stays_apart(void)
{
	in_processes(sse_work);
}

/* Not all processes use the upper halves: they must be zero where nobody wrote them. */
static void avx_work(u32 number)
{
	u8 want[16][32], got[16][32];

	for (u32 round = 0; round < ROUNDS; round++) {
		int upper = number != 2 && round % 17;

		fill(want, sizeof(want), number * 104729 + round);
		if (!upper)
			for (int i = 0; i < 16; i++)
				memset(want[i] + 16, 0, 16);
#define LOAD(n) "vmovdqu " #n "*32(%0), %%ymm" #n "\n"
#define LOAD_LOW(n) "vmovdqu " #n "*32(%0), %%xmm" #n "\n"
#define STORE(n) "vmovdqu %%ymm" #n ", " #n "*32(%1)\n"
#define BLOCK(load) \
	__asm__ volatile(EACH_OF_16(load) "mov $24, %%eax\n syscall\n" EACH_OF_16(STORE) "vzeroupper\n" \
			 : \
			 : "r"(want), "r"(got) \
			 : "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", \
			   "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")
		if (upper)
			BLOCK(LOAD);
		else
			BLOCK(LOAD_LOW);
#undef LOAD
#undef LOAD_LOW
#undef STORE
#undef BLOCK
		for (int i = 0; i < 16; i++)
			EXPECT(!memcmp(want[i], got[i], 32), "process %u, round %u: YMM%d changed", number, round, i);
	}
}

void check_avx_of_several_processes_stays_apart(void)
{
	u32 eax, ebx, ecx, edx, xcr0_low, xcr0_high;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE) || !(ecx & bit_AVX))
		skip("the CPU has no AVX");
	__asm__ volatile("xgetbv" : "=a"(xcr0_low), "=d"(xcr0_high) : "c"(0));
	EXPECT((xcr0_low & 7) == 7, "AVX is offered, but XCR0 is %#x", xcr0_low);
	in_processes(avx_work);
}

/* One third, rounded each way, in SSE and in x87 arithmetic */
static void rounding_work(u32 number)
{
	static const int MODES[] = { FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO };
	volatile double one = 1, three = 3, sum;
	volatile long double lone = -1, lthree = 3, lsum;
	double want;
	long double lwant;

	EXPECT(!fesetround(MODES[number % 4]), "fesetround");
	want = one / three;
	lwant = lone / lthree;
	for (u32 round = 0; round < ROUNDS; round++) {
		sched_yield();
		sum = one / three;
		lsum = lone / lthree;
		EXPECT(sum == want && lsum == lwant && fegetround() == MODES[number % 4],
		       "process %u, round %u: rounding changed", number, round);
	}
	/* 1/3 rounds down to nearest, so upward is the only one that differs; -1/3 the other way */
	fesetround(FE_UPWARD);
	sum = one / three;
	EXPECT((sum == want) == (number % 4 == 2), "process %u: 1/3 has been rounded wrongly", number);
}

void check_rounding_modes_of_several_processes_stay_apart(void)
{
	in_processes(rounding_work);
}

/* A long computation in x87 and SSE at once, interrupted by a timer, comes out as it does undisturbed. */
static void compute(double *sum, long double *lsum)
{
	volatile double x = 0.5;
	volatile long double y = 0.25L;
	double s = 0;
	long double t = 0;

	for (int i = 1; i < 300000; i++) {
		s += x / i + x * i * 1e-9;
		t += y / i - y * i * 1e-12L;
	}
	*sum = s;
	*lsum = t;
}

static void on_alarm(int sig)
{
	volatile double noise = sig;

	noise = noise / 3;
}

static void compute_work(u32 number)
{
	struct itimerval often = { .it_interval = { .tv_usec = 1100 }, .it_value = { .tv_usec = 1100 } };
	double first, again;
	long double lfirst, lagain;

	(void)number;
	compute(&first, &lfirst);
	signal(SIGALRM, on_alarm);
	MUST(setitimer(ITIMER_REAL, &often, NULL));
	for (int i = 0; i < 5; i++) {
		compute(&again, &lagain);
		EXPECT(first == again && lfirst == lagain, "process %u: sums %.17g and %.17g", number, first, again);
	}
}

void check_floating_point_sums_are_the_same_when_interrupted(void)
{
	in_processes(compute_work);
}
