/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that compute for a while without a system call, so that whoever runs user code in a way of its own does it to them, and then look
 * whether the world is still as the kernel has it.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096u
#define ROUNDS 12

/*
 * Who runs user code directly may do so page by page, and not where such instructions are: turtles does. What uses them is on pages of its own,
 * and so is the rest, which the C library's CPUIDs aren't far from.
 */
#define EXITS __attribute__((noinline, section("exits"), aligned(4096)))
#define COMPUTES __attribute__((noinline, section("computes")))

/* Some milliseconds, the same number each time */
static COMPUTES __attribute__((aligned(4096))) u64 compute(void)
{
	u64 x = 88172645463325252u;

	for (int i = 0; i < 1500000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	return x;
}

static u64 expected;

static COMPUTES void still_computes(void)
{
	if (!expected)
		expected = compute();
	else
		EXPECT(compute() == expected, "the same computation gives another number");
}

static sigjmp_buf back;

static void on_fault(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

/* Does this access fault? */
static COMPUTES bool faults(volatile u8 *p, bool write)
{
	struct sigaction action = { .sa_handler = on_fault }, old;
	bool faulted = true;

	sigaction(SIGSEGV, &action, &old);
	if (!sigsetjmp(back, 1)) {
		if (write)
			*p = 1;
		else
			(void)*p;
		faulted = false;
	}
	sigaction(SIGSEGV, &old, NULL);
	return faulted;
}

/* Pages come, change and go between two computations, each of which has used them. */
COMPUTES void check_mappings_change_under_computing_code(void)
{
	int fd = (int)MUST(memfd_create("pages", 0));
	u8 *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(p != MAP_FAILED, "no memory");
	MUST(ftruncate(fd, 2 * PAGE));
	MUST(pwrite(fd, "A", 1, 0));
	MUST(pwrite(fd, "B", 1, PAGE));
	for (int i = 0; i < ROUNDS; i++) {
		volatile u8 *v = p;

		/* the same address, one page of the file and then the other */
		EXPECT(mmap(p, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == p, "no mapping");
		EXPECT(v[0] == 'A', "the first page isn't there, round %d", i);
		still_computes();
		EXPECT(v[0] == 'A', "the first page isn't there any more, round %d", i);
		EXPECT(mmap(p, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, PAGE) == p, "no mapping");
		EXPECT(v[0] == 'B', "the first page is still there, round %d", i);
		/* rights that go */
		v[PAGE] = (u8)i;
		still_computes();
		v[PAGE]++;
		MUST(mprotect(p + PAGE, PAGE, PROT_READ));
		EXPECT(faults(p + PAGE, true), "a store where only loads are allowed, round %d", i);
		EXPECT(v[PAGE] == (u8)(i + 1), "a refused store has changed the page, round %d", i);
		MUST(mprotect(p + PAGE, PAGE, PROT_NONE));
		EXPECT(faults(p + PAGE, false), "a load where nothing is allowed, round %d", i);
		MUST(mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE));
		/* what was given back is zero when it comes again */
		v[2 * PAGE] = 1;
		still_computes();
		MUST(madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED));
		EXPECT(v[2 * PAGE] == 0, "a page that was given back still holds its byte, round %d", i);
		/* and what is unmapped is gone */
		v[3 * PAGE] = 1;
		still_computes();
		MUST(munmap(p + 3 * PAGE, PAGE));
		EXPECT(faults(p + 3 * PAGE, false), "an unmapped page is still there, round %d", i);
		EXPECT(mmap(p + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			    0) == p + 3 * PAGE,
		       "no mapping");
	}
}

/* fork() takes the right to write from both sides while both compute. */
COMPUTES void check_computing_processes_do_not_share_what_they_write(void)
{
	volatile u32 *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(p != MAP_FAILED, "no memory");
	for (u32 i = 0; i < ROUNDS; i++) {
		int status;
		pid_t child;

		*p = i;
		still_computes();
		child = (pid_t)MUST(fork());
		if (!child) {
			for (u32 k = 0; k < 3; k++) {
				*p += 1000;
				still_computes();
			}
			_exit(*p == i + 3000 ? 0 : 1);
		}
		*p += 1;
		still_computes();
		EXPECT(*p == i + 1, "the child's stores are seen, round %u: %u", i, *p);
		MUST(waitpid(child, &status, 0));
		EXPECT(!status, "the child's own stores aren't what it made of them, round %u", i);
		EXPECT(*p == i + 1, "the child's stores are seen, round %u: %u", i, *p);
	}
}

static volatile u8 *shared_page;
static _Atomic int wanted, seen;

/* Computes and looks at the page, without a system call, until it shows what was asked for. */
static COMPUTES void *looker(void *arg)
{
	(void)arg;
	for (int now = 1; now <= ROUNDS; now++) {
		while (wanted != now)
			;
		while (*shared_page != now)
			compute();
		seen = now;
	}
	return NULL;
}

/* A page that another thread puts in the place of one that is being looked at. With several CPUs that takes an interrupt to the looker's. */
COMPUTES void check_a_page_replaced_by_another_thread_is_seen(void)
{
	int fd = (int)MUST(memfd_create("pages", 0));
	pthread_t thread;

	MUST(ftruncate(fd, (ROUNDS + 1) * PAGE));
	for (int i = 0; i <= ROUNDS; i++) {
		u8 byte = (u8)i;

		MUST(pwrite(fd, &byte, 1, i * PAGE));
	}
	shared_page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	EXPECT(shared_page != MAP_FAILED, "no mapping");
	EXPECT(!pthread_create(&thread, NULL, looker, NULL), "no thread");
	for (int i = 1; i <= ROUNDS; i++) {
		u64 limit = monotonic_ns() + 10000000000u;

		wanted = i;
		compute();
		EXPECT(mmap((void *)shared_page, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, i * PAGE) == shared_page,
		       "no mapping");
		while (seen != i) {
			EXPECT(monotonic_ns() < limit, "page %d isn't seen", i);
			sched_yield();
		}
	}
	pthread_join(thread, NULL);
}

#define ARCH_SET_GS 0x1001
#define ARCH_GET_GS 0x1004

#define HWCAP2_FSGSBASE 2

/* by an instruction, if the kernel allows it: among code that computes */
static COMPUTES void set_gs(u64 base)
{
	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)) {
		MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, base));
		return;
	}
	still_computes();
	__asm__ volatile("wrgsbase %0" : : "r"(base));
	still_computes();
}

EXITS void check_segment_bases_and_selectors_stay_while_code_computes(void)
{
	static const u64 value[2] = { 0x1122334455667788u, 0x99aabbccddeeff00u };
	u32 cs, ss;

	__asm__("mov %%cs, %0\n\tmov %%ss, %1" : "=r"(cs), "=r"(ss));
	EXPECT(cs == 0x33 && ss == 0x2b, "CS is %#x, SS %#x", cs, ss);
	for (int i = 0; i < ROUNDS; i++) {
		u64 found = 0, base = 0;
		u32 es;

		if (i & 2)
			MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, &value[i & 1]));
		else
			set_gs((u64)&value[i & 1]);
		still_computes();
		__asm__ volatile("mov %%gs:0, %0" : "=r"(found));
		EXPECT(found == value[i & 1], "%%gs:0 is %#llx", (unsigned long long)found);
		MUST(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
		EXPECT(base == (u64)&value[i & 1], "the kernel has another base for GS: %#llx", (unsigned long long)base);
		/* user's data segment, then none again */
		__asm__ volatile("mov %0, %%es" : : "r"(0x2b));
		still_computes();
		__asm__ volatile("mov %%es, %0" : "=r"(es));
		EXPECT(es == 0x2b, "ES is %#x", es);
		__asm__ volatile("mov %0, %%es" : : "r"(0));
	}
}

static EXITS void vendor_of_cpuid(char vendor[13])
{
	u32 a, b, c, d;

	__cpuid(0, a, b, c, d);
	memcpy(vendor, &b, 4);
	memcpy(vendor + 4, &d, 4);
	memcpy(vendor + 8, &c, 4);
	vendor[12] = '\0';
}

/* Unprivileged instructions that show the machine: the kernel's, not one that is somewhere below. */
EXITS void check_what_computing_code_sees_is_the_kernels_machine(void)
{
	char line[256], vendor[13], kernels[64] = "";
	unsigned int cpu, node;
	FILE *f = fopen("/proc/cpuinfo", "re");
	cpu_set_t one;

	EXPECT(f, "no /proc/cpuinfo");
	while (fgets(line, sizeof(line), f) && sscanf(line, "vendor_id : %63s", kernels) != 1)
		;
	fclose(f);
	CPU_ZERO(&one);
	MUST(getcpu(&cpu, &node));
	CPU_SET(cpu, &one);
	MUST(sched_setaffinity(0, sizeof(one), &one));
	MUST(getcpu(&cpu, &node));
	for (int i = 0; i < ROUNDS; i++) {
		u32 limit = 0, aux = 0, low, high;
		u8 found;

		still_computes();
		vendor_of_cpuid(vendor);
		EXPECT(!strcmp(vendor, kernels), "CPUID says %s, the kernel %s", vendor, kernels);
		/* Linux keeps the number of the CPU, and its node from bit 12 on, in a segment's limit, and in TSC_AUX */
		__asm__ volatile("lsl %2, %0\n\tsetz %1" : "+r"(limit), "=r"(found) : "r"(0x7b));
		EXPECT(!found || (limit & 0xfff) == cpu, "the limit of segment 7bh says CPU %u, the kernel %u",
		       limit & 0xfff, cpu);
		__asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
		EXPECT((aux & 0xfff) == cpu, "RDTSCP says CPU %u, the kernel %u", aux & 0xfff, cpu);
	}
}

/* push rbx; xor eax, eax; cpuid or two NOPs; mov eax, imm32; mov edx, ebx; pop rbx; ret */
static const u8 numbered_code[] = { 0x53, 0x31, 0xc0, 0x90, 0x90, 0xb8, 0, 0, 0, 0, 0x89, 0xda, 0x5b, 0xc3 };
enum { CODE_CPUID = 3, CODE_NUMBER = 6 };

static COMPUTES u8 *code_page(void)
{
	u8 *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(p != MAP_FAILED, "no memory");
	return p;
}

static COMPUTES void write_code(u8 *p, bool cpuid)
{
	const u8 code[2] = { cpuid ? 0x0f : 0x90, cpuid ? 0xa2 : 0x90 };

	memcpy(p + CODE_CPUID, code, sizeof(code));
}

static COMPUTES void write_number(u8 *p, u32 number)
{
	memcpy(p + CODE_NUMBER, &number, sizeof(number));
}

static COMPUTES void runs_as_written(const u8 *p, u32 written, bool cpuid, const char vendor[13])
{
	u32 number, ebx;

	__asm__ volatile("call *%2" : "=a"(number), "=d"(ebx) : "r"(p) : "rcx", "memory", "cc");
	EXPECT(number == written, "the code says %u, %u was written", number, written);
	EXPECT(!cpuid || !memcmp(&ebx, vendor, 4), "CPUID says %#x, number %u", ebx, written);
}

/* Code on a page that may be written, which some run in one way and some in another: CPUID makes it an odd one. */
COMPUTES void check_code_with_and_without_cpuid_runs_as_written(void)
{
	u8 *p = code_page();
	char vendor[13];

	memcpy(p, numbered_code, sizeof(numbered_code));
	vendor_of_cpuid(vendor);
	for (u32 i = 0; i < 4 * ROUNDS; i++) {
		bool cpuid = i >> 1 & 1;

		write_number(p, i);
		if (i & 4)
			still_computes();
		write_code(p, cpuid);
		if (i % 3)
			still_computes();
		runs_as_written(p, i, cpuid, vendor);
		if (!(i & 1))
			still_computes();
		runs_as_written(p, i, cpuid, vendor);
	}
}

/* Each time on a page that was written before anything ran there. */
COMPUTES void check_code_on_fresh_pages_runs_as_written(void)
{
	char vendor[13];

	vendor_of_cpuid(vendor);
	for (u32 i = 0; i < 2 * ROUNDS; i++) {
		bool cpuid = i & 1;
		u8 *p = code_page();

		p[0] = 0;
		still_computes();
		memcpy(p, numbered_code, sizeof(numbered_code));
		write_code(p, cpuid);
		write_number(p, i);
		runs_as_written(p, i, cpuid, vendor);
		for (u32 k = 1; k < 4; k++) {
			still_computes();
			write_number(p, i + k);
			if (k == 2)
				still_computes();
			runs_as_written(p, i + k, cpuid, vendor);
		}
		MUST(munmap(p, PAGE));
	}
}

static void on_illegal(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

/* SDM vol. 1, "Managing State Using the XSAVE Feature Set": #UD without the state's bit in XCR0. Where the host has AVX-512, its own code wouldn't fault. */
#define XCR0_OPMASK (1u << 5)
#define XCR0_ZMM (3u << 6)

static EXITS u32 xcr0(void)
{
	u32 eax, ebx, ecx, edx, low = 0, high;

	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_OSXSAVE))
		__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

/* The instruction is on a page of its own, so that nothing beside it keeps that from running as all computing code does. */
static COMPUTES void is_illegal(const u8 *code, size_t n, const char *name)
{
	u8 *p = code_page();

	memcpy(p, code, n);
	p[n] = 0xc3; /* RET */
	if (sigsetjmp(back, 1))
		return;
	still_computes(); /* no system call between this and what follows */
	((void (*)(void))p)();
	fail("%s runs, and XCR0 doesn't have its state", name);
}

COMPUTES void check_instructions_that_xcr0_rules_out_fault(void)
{
	static const u8 KMOVW[] = { 0xc5, 0xf8, 0x92, 0xc8 }; /* kmovw k1, eax */
	static const u8 VPXORQ[] = { 0x62, 0xf1, 0xfd, 0x48, 0xef, 0xc0 }; /* vpxorq zmm0, zmm0, zmm0 */

	if (xcr0() & (XCR0_OPMASK | XCR0_ZMM))
		skip("the CPU has AVX-512");
	EXPECT(signal(SIGILL, on_illegal) != SIG_ERR, "signal: errno %d", errno);
	for (int i = 0; i < 4; i++) {
		is_illegal(KMOVW, sizeof(KMOVW), "KMOVW");
		is_illegal(VPXORQ, sizeof(VPXORQ), "VPXORQ");
	}
}

/*
 * A function with AVX-512 on the page of one without, as libraries have them. A laboratory that runs code natively may notice late: when the
 * first use is over.
 */
COMPUTES void check_instructions_that_xcr0_rules_out_fault_beside_others(void)
{
	static const u8 CODE[] = {
		0xc3, 0x62, 0xa3, 0xfd, 0x40, 0x25, 0xc0, 0xff, 0xc3
	}; /* ret; vpternlogq zmm16, zmm16, zmm16, 0xff; ret */
	u8 *volatile p = code_page();
	volatile int ran = 0;

	if (xcr0() & (XCR0_OPMASK | XCR0_ZMM))
		skip("the CPU has AVX-512");
	EXPECT(signal(SIGILL, on_illegal) != SIG_ERR, "signal: errno %d", errno);
	memcpy(p, CODE, sizeof(CODE));
	while (!sigsetjmp(back, 1)) {
		still_computes();
		((void (*)(void))p)();
		still_computes();
		((void (*)(void))(p + 1))();
		ran++;
		EXPECT(ran < 2, "VPTERNLOGQ of ZMM16 runs again and again, and XCR0 doesn't have its state");
	}
}
