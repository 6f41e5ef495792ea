/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static void handle(int sig, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction a = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	MUST(sigaction(sig, &a, NULL));
}

static atomic_int arrived;

static void on_queued(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	atomic_fetch_add(&arrived, info->si_value.sival_int);
}

void check_signals_arrive_once_each(void)
{
	const int n = 200;
	pid_t parent = getpid();
	int status;
	sigset_t none;

	handle(SIGRTMIN, on_queued);
	if (!MUST(fork())) {
		for (int i = 1; i <= n; i++)
			while (sigqueue(parent, SIGRTMIN, (union sigval){ .sival_int = i }) && errno == EAGAIN)
				usleep(100);
		_exit(0);
	}
	while (waitpid(-1, &status, 0) < 0 && errno == EINTR)
		;
	sigemptyset(&none);
	for (int i = 0; i < 1000 && arrived < n * (n + 1) / 2; i++)
		usleep(1000);
	EXPECT(!status && arrived == n * (n + 1) / 2, "sum %d instead of %d, status %#x", arrived, n * (n + 1) / 2,
	       status);
}

/* a fault as the handler saw it */
static struct {
	sigjmp_buf back;
	int signal, code;
	void *address;
	greg_t rip, trap, error;
} seen;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	seen.signal = sig;
	seen.code = info->si_code;
	seen.address = info->si_addr;
	seen.rip = u->uc_mcontext.gregs[REG_RIP];
	seen.trap = u->uc_mcontext.gregs[REG_TRAPNO];
	seen.error = u->uc_mcontext.gregs[REG_ERR];
	siglongjmp(seen.back, 1);
}

static void want(const char *what, int sig, int code, greg_t trap)
{
	EXPECT(seen.signal == sig && seen.code == code && seen.trap == trap,
	       "%s: signal %d, code %d, trap %d instead of %d, %d, %d", what, seen.signal, seen.code, (int)seen.trap,
	       sig, code, (int)trap);
}

#define FAULT(code_) \
	do { \
		memset(&seen.signal, 0, sizeof(seen) - offsetof(typeof(seen), signal)); \
		if (!sigsetjmp(seen.back, 1)) { \
			code_; \
		} \
	} while (0)

void check_faults_tell_what_and_where(void)
{
	static const int SIGNALS[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	u8 *volatile page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };

	EXPECT(page != MAP_FAILED && stack.ss_sp, "no memory");
	MUST(sigaltstack(&stack, NULL));
	for (unsigned int i = 0; i < sizeof(SIGNALS) / sizeof(SIGNALS[0]); i++)
		handle(SIGNALS[i], on_fault);
	for (int round = 0; round < 20; round++) {
		FAULT(*(volatile u8 *)(page + 100) = 1);
		want("store to a read-only page", SIGSEGV, SEGV_ACCERR, 14);
		EXPECT(seen.address == page + 100 && (seen.error & 6) == 6, "address %p instead of %p, error %#x",
		       seen.address, (void *)(page + 100), (unsigned int)seen.error);
		MUST(munmap(page + 4096, 4096));
		/* across the boundary: the address is the first byte that can't be read */
		FAULT(*(volatile u64 *)(page + 4092));
		want("load across the end", SIGSEGV, SEGV_MAPERR, 14);
		EXPECT(seen.address == page + 4096, "address %p instead of %p", seen.address, (void *)(page + 4096));
		FAULT(*(volatile u8 *)0x8000000000000000);
		want("non-canonical address", SIGSEGV, SI_KERNEL, 13);
		FAULT(__asm__ volatile("xor %%edx, %%edx\n mov $7, %%eax\n idivl %%edx" : : : "eax", "edx", "cc"));
		want("division by zero", SIGFPE, FPE_INTDIV, 0);
		EXPECT(seen.address == (void *)seen.rip, "si_addr isn't the instruction's");
		FAULT(__asm__ volatile("ud2"));
		want("UD2", SIGILL, ILL_ILLOPN, 6);
		EXPECT(*(u8 *)seen.rip == 0x0f, "rip isn't at UD2");
		FAULT(__asm__ volatile("int3"));
		want("INT3", SIGTRAP, SI_KERNEL, 3);
		FAULT(__asm__ volatile("hlt"));
		want("HLT in user mode", SIGSEGV, SI_KERNEL, 13);
		page = mmap(page, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		EXPECT(page != MAP_FAILED, "mmap: errno %d", errno);
	}
}

static atomic_int traps;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info, (void)context;
	atomic_fetch_add(&traps, 1);
}

void check_a_trap_flag_stops_after_one_instruction(void)
{
	handle(SIGTRAP, on_trap);
	/* traps behind each of the three NOPs, PUSHF, AND and POPF: TF as it was when the instruction began */
	__asm__ volatile("sub $128, %%rsp\n"
			 "pushf\n orq $0x100, (%%rsp)\n popf\n"
			 "nop\n nop\n nop\n"
			 "pushf\n andq $~0x100, (%%rsp)\n popf\n"
			 "add $128, %%rsp\n"
			 :
			 :
			 : "cc", "memory");
	EXPECT(traps == 6, "%d traps instead of 6", traps);
}

static void on_clobber(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info, (void)context;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n movdqa %%xmm0, %%xmm7\n movdqa %%xmm0, %%xmm15\n"
			 "fninit\n fld1\n fldpi\n"
			 :
			 :
			 : "xmm0", "xmm7", "xmm15", "memory");
	atomic_fetch_add(&arrived, 1);
}

void check_handlers_leave_vector_registers_alone(void)
{
	static const u64 PATTERN[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };
	long double want_st = 1234.5678L, got_st;
	u64 got[3][2];

	handle(SIGUSR1, on_clobber);
	for (int i = 0; i < 100; i++) {
		long pid = getpid(), result;

		/* kill(pid, SIGUSR1) with patterns in the registers: the handler runs before it returns */
		__asm__ volatile("fldt %6\n movdqu %5, %%xmm0\n movdqa %%xmm0, %%xmm7\n movdqa %%xmm0, %%xmm15\n"
				 "mov $62, %%eax\n syscall\n"
				 "movdqu %%xmm0, %1\n movdqu %%xmm7, %2\n movdqu %%xmm15, %3\n fstpt %4\n"
				 : "=&a"(result), "=m"(got[0]), "=m"(got[1]), "=m"(got[2]), "=m"(got_st)
				 : "m"(PATTERN), "m"(want_st), "D"(pid), "S"((long)SIGUSR1)
				 : "rcx", "r11", "xmm0", "xmm7", "xmm15", "memory");
		EXPECT(!result, "kill: %ld", result);
		for (int r = 0; r < 3; r++)
			EXPECT(!memcmp(got[r], PATTERN, 16), "register %d of round %d changed", r, i);
		EXPECT(got_st == want_st, "ST0 changed in round %d", i);
	}
	EXPECT(arrived == 100, "%d signals instead of 100", arrived);
}
