/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crash.h"

#define UNW_LOCAL_ONLY
#include <errno.h>
#include <libunwind.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "../bt/bt.h"
#include "../bt/regs.h"
#include "../cli/console.h"
#include "../machine/machine.h"

#define ALTSTACK (64u << 10)

/* SS_AUTODISARM: the guest's stack pointer is never the host's, but a nested signal must not find "already there" either */
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

/* A signal handler is handed nothing else: the process's console and the thread's vCPU have to be found. */
static struct console *crash_console;
static __thread struct vcpu *crash_vcpu;
static __thread void *crash_stack;

/* only write(2): anything else may be what crashed */
static void say(const char *s)
{
	ssize_t n = write(STDERR_FILENO, s, strlen(s));

	(void)n;
}

static void say_hex(const char *name, u64 x)
{
	char text[19] = "0x", *p = text + 2;
	int shift = 60;

	while (shift && !(x >> shift & 15))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[x >> shift & 15];
	*p = 0;
	say(name);
	say(text);
}

static void backtrace(ucontext_t *context)
{
	char name[128];
	unw_cursor_t cursor;
	unw_word_t ip, offset;
	int depth = 0;

	if (unw_init_local2(&cursor, context, UNW_INIT_SIGNAL_FRAME))
		return;
	do {
		unw_get_reg(&cursor, UNW_REG_IP, &ip);
		say_hex("  ", ip);
		if (!unw_get_proc_name(&cursor, name, sizeof(name), &offset)) {
			say(" ");
			say(name);
			say_hex("+", offset);
		}
		say("\n");
	} while (++depth < 48 && unw_step(&cursor) > 0);
}

static void report(int signal, siginfo_t *info, ucontext_t *context)
{
	struct vcpu *v = crash_vcpu;
	u64 recent[8];
	unsigned int i, n;

	say("turtles: internal error: ");
	say(signal == SIGSEGV  ? "SIGSEGV"
	    : signal == SIGBUS ? "SIGBUS"
	    : signal == SIGFPE ? "SIGFPE"
	    : signal == SIGILL ? "SIGILL"
			       : "SIGABRT");
	say_hex(" at ", context->uc_mcontext.gregs[REG_RIP]);
	say_hex(", address ", (u64)info->si_addr);
	say("; please report it with what follows\n");
	backtrace(context);
	if (!v || !v->bt)
		return;
	say("guest ");
	say(v->machine->name);
	say_hex(", vcpu ", v->index);
	say_hex(": rip ", v->rip);
	say_hex(", page ", v->rip_base);
	say_hex(", mode ", v->mode);
	say_hex(", cr3 ", v->cr3);
	say_hex(", cpl ", v->cpl);
	say("\nlast blocks:");
	n = bt_recent(v, recent, 8);
	for (i = 0; i < n; i++)
		say_hex(" ", recent[i]);
	say("\n");
}

static void on_fault(int signal, siginfo_t *info, void *arg)
{
	ucontext_t *context = arg;
	struct vcpu *v = crash_vcpu;
	greg_t *regs = context->uc_mcontext.gregs;

	/* si_code: a signal that somebody sent is no fault, and the number of the trap is an old one */
	if (v && info->si_code > 0 && (u64)regs[REG_RSP] == (u64)v - RSP_BELOW) {
		u64 to = bt_signal(v, regs[REG_TRAPNO], regs[REG_RIP]);

		if (to) {
			regs[REG_RIP] = to;
			return;
		}
	}
	if (crash_console)
		console_crash(crash_console);
	report(signal, info, context);
	_exit(EXIT_INTERNAL);
}

void crash_install(struct console *console)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	unsigned int i;

	crash_console = console;
	sigemptyset(&sa.sa_mask);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
}

int crash_thread_begin(struct vcpu *v)
{
	stack_t s = { .ss_size = ALTSTACK, .ss_flags = SS_AUTODISARM };

	crash_stack = mmap(NULL, ALTSTACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (crash_stack == MAP_FAILED)
		return -ENOMEM;
	s.ss_sp = crash_stack;
	if (sigaltstack(&s, NULL))
		return -errno;
	crash_vcpu = v;
	return 0;
}

void crash_thread_vcpu(struct vcpu *v)
{
	crash_vcpu = v;
}

struct vcpu *crash_thread_current(void)
{
	return crash_vcpu;
}

void crash_thread_end(void)
{
	stack_t s = { .ss_flags = SS_DISABLE };

	crash_vcpu = NULL;
	sigaltstack(&s, NULL);
	munmap(crash_stack, ALTSTACK);
}
