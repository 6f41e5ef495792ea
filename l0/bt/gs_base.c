/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gs_base.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define HWCAP2_FSGSBASE BIT(1)
#define STRUCTURED_EBX_FSGSBASE BIT(0) /* CPUID.(EAX=07H,ECX=0) */

static const void *read_base(void)
{
	const void *base;

	__asm__ volatile("rdgsbase %0" : "=r"(base));
	return base;
}

static void write_base(const void *base)
{
	__asm__ volatile("wrgsbase %0" : : "r"(base));
}

static bool call(const void *base)
{
	return !syscall(SYS_arch_prctl, ARCH_SET_GS, base);
}

#define WRGSBASE_BYTES 5

/* WRGSBASE is no instruction here: it comes to its end, and RAX says so. */
static void on_ud(int signal, siginfo_t *info, void *arg)
{
	greg_t *regs = ((ucontext_t *)arg)->uc_mcontext.gregs;

	(void)signal;
	(void)info;
	regs[REG_RIP] += WRGSBASE_BYTES;
	regs[REG_RAX] = 0;
}

static bool executes(const void *base)
{
	struct sigaction sa = { .sa_sigaction = on_ud, .sa_flags = SA_SIGINFO | SA_ONSTACK }, before;
	u32 eax, ebx, ecx, edx;
	u64 rax = (u64)base;

	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(ebx & STRUCTURED_EBX_FSGSBASE) ||
	    sigaction(SIGILL, &sa, &before))
		return false;
	__asm__ volatile("wrgsbase %0" : "+a"(rax) : : "memory");
	sigaction(SIGILL, &before, NULL);
	return rax;
}

/* After a sleep, in which others had the CPU, the base is where it was or where arch_prctl(2) has set it: nowhere else. */
static bool is_lost_as_expected(void)
{
	static const u64 by_call, by_insn;
	const void *base;

	if (!call(&by_call) || !executes(&by_insn))
		return false;
	nanosleep(&(struct timespec){ .tv_nsec = 1000 }, NULL);
	base = read_base();
	return base == &by_call || base == &by_insn;
}

static enum gs_base_way find_way(void)
{
	enum gs_base_way way;

	if (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)
		return GS_BASE_KEPT;
	if (is_lost_as_expected())
		way = GS_BASE_LOST;
	else
		way = call(NULL) ? GS_BASE_CALL : GS_BASE_NONE;
	call(NULL);
	return way;
}

enum gs_base_way gs_base_way(void)
{
	static _Atomic int known =
		-1; /* a fact of this host; a sandboxed process couldn't find it out again without a risk for its other threads */

	if (atomic_load(&known) < 0)
		atomic_store(&known, (int)find_way());
	return (enum gs_base_way)atomic_load(&known);
}

bool gs_base_set(enum gs_base_way way, const void *base)
{
	if (way == GS_BASE_CALL)
		return call(base);
	write_base(base);
	return true;
}

bool gs_base_default(const void *nowhere)
{
	static __thread const void *is;

	if (is == nowhere)
		return true;
	if (!call(nowhere))
		return false;
	is = nowhere;
	return true;
}

bool gs_base_found_lost(const void *base)
{
	if (read_base() == base)
		return false;
	write_base(base);
	return true;
}
