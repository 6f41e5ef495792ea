/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-native: runs the fuzzer's cases on the host's CPU.
 *
 * A process of its own, without a C library, so that a case can neither touch the fuzzer's memory nor find anything
 * mapped that the guest doesn't have: below 4 GiB there are only the fuzzer's regions.
 *
 * All of it happens in a signal handler. A case ends with an exception, always; the kernel then shows the whole register
 * state in the signal frame. The handler copies that to the result, writes the next case's state into the same
 * frame and returns, and the kernel loads it. So there is no trampoline whose own registers could leak into a case, and RSP,
 * FS and GS are the case's like any other register (nothing here uses thread-local storage).
 *
 * Wild jumps may reach bytes that make a system call: seccomp turns every call that doesn't come from this program's own
 * text into a SIGSYS, and the case is void. A case that doesn't end is stopped by a timer.
 */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <asm/signal.h>
#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>
#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/time.h>
#include "fuzz_executor.h"

#define AT_HWCAP2 26
#define HWCAP2_FSGSBASE BIT(1)
#define TICK_US 20000
#define TICKS 3 /* a case that is interrupted by so many ticks doesn't end */

static const struct fuzz_region regions[] = { FUZZ_REGIONS(FUZZ_REGION_TABLE_ROW) };

static struct fuzz_shared *shared;
static u8 signal_stack[65536] __attribute__((aligned(64)));
static int current = -1; /* the case that runs */
static u32 serving; /* number of the batch that runs */
static unsigned int ticks;

/* all in this program: addressed relative to RIP, so that it needs no relocation */
#pragma GCC visibility push(hidden)
void executor_main(u64 *stack);
void executor_signal(int sig, siginfo_t *info, struct ucontext *uc);
void executor_entry(void);
void executor_restorer(void);
/* what the compiler may call */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);

extern char __executable_start[], etext[];
#pragma GCC visibility pop

/*
 * Handlers are entered with the case's RFLAGS, but for DF and TF: alignment checks off, and what would otherwise
 * leak into the next case (the kernel restores neither NT nor ID).
 */
__asm__(".text\n"
	".globl _start, executor_entry, executor_restorer\n"
	"_start:\n"
	"	movq %rsp, %rdi\n"
	"	andq $-16, %rsp\n"
	"	call executor_main\n"
	"	ud2\n"
	"executor_entry:\n"
	"	pushfq\n"
	"	andl $~((1 << 18) | (1 << 14) | (1 << 21)), (%rsp)\n"
	"	popfq\n"
	"	jmp executor_signal\n"
	"executor_restorer:\n"
	"	movl $15, %eax\n"
	"	syscall\n");

void *memcpy(void *to, const void *from, size_t n)
{
	void *r = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return r;
}

void *memset(void *to, int value, size_t n)
{
	void *r = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
	return r;
}

static long call(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

static _Noreturn void die(int code)
{
	for (;;)
		call(__NR_exit_group, code, 0, 0, 0, 0, 0);
}

/* does not return on failure: the fuzzer sees the exit code */
static void must(long result, int code)
{
	if (result < 0)
		die(code);
}

static void *map(u64 address, u64 size, int prot, int flags, int fd, u64 offset, int code)
{
	long r = call(__NR_mmap, address, size, prot, flags, fd, offset);

	must(r < 0 && r > -4096 ? r : 0, code);
	return (void *)r;
}

static bool same_page(const void *a, const void *b)
{
	const u64 *x = a, *y = b;
	unsigned int i;

	for (i = 0; i < FUZZ_PAGE / 8; i += 4)
		if ((x[i] ^ y[i]) | (x[i + 1] ^ y[i + 1]) | (x[i + 2] ^ y[i + 2]) | (x[i + 3] ^ y[i + 3]))
			return false;
	return true;
}

static u8 *case_code(const struct fuzz_case *c)
{
	return &shared->code[0][0] + (c->code_address - FUZZ_CODE);
}

static unsigned int case_code_size(const struct fuzz_case *c)
{
	return c->code_size < FUZZ_CODE_END - c->code_address ? c->code_size : FUZZ_CODE_END - c->code_address;
}

/* Changed pages to the result (if there is one) and the image back in place. */
static void collect_memory(struct fuzz_result *r)
{
	unsigned int i, p;

	for (i = 0; i < FUZZ_REGION_COUNT; i++) {
		const struct fuzz_region *region = &regions[i];

		for (p = 0; region->writable && p < region->pages; p++) {
			u8 *live = (u8 *)(region->address + p * FUZZ_PAGE);
			u8 *image = shared->batch.memory[region->first + p];

			if (same_page(live, image))
				continue;
			if (r) {
				memcpy(r->memory[region->first + p], live, FUZZ_PAGE);
				r->dirty |= 1u << (region->first + p);
			}
			memcpy(live, image, FUZZ_PAGE);
		}
	}
}

static void collect(int sig, const struct sigcontext_64 *s)
{
	const struct fuzz_case *c = &shared->batch.cases[current];
	struct fuzz_result *r = &shared->results[current];
	struct fuzz_state *out = &r->out;

	r->status = sig == SIGSYS ? FUZZ_VOID : sig == SIGVTALRM ? FUZZ_TIMEOUT : FUZZ_EXCEPTION;
	r->vector = s->trapno;
	r->error = s->err;
	r->cr2 = s->cr2;
	r->dirty = 0;
	out->gpr[0] = s->ax;
	out->gpr[1] = s->cx;
	out->gpr[2] = s->dx;
	out->gpr[3] = s->bx;
	out->gpr[4] = s->sp;
	out->gpr[5] = s->bp;
	out->gpr[6] = s->si;
	out->gpr[7] = s->di;
	out->gpr[8] = s->r8;
	out->gpr[9] = s->r9;
	out->gpr[10] = s->r10;
	out->gpr[11] = s->r11;
	out->gpr[12] = s->r12;
	out->gpr[13] = s->r13;
	out->gpr[14] = s->r14;
	out->gpr[15] = s->r15;
	out->rip = s->ip;
	out->rflags = s->flags;
	out->cs = s->cs;
	out->ss = s->ss;
	__asm__ volatile("mov %%ds, %0\n\tmov %%es, %1" : "=r"(out->ds), "=r"(out->es));
	memcpy(out->xsave, (const void *)s->fpstate, FUZZ_XSAVE_SIZE);
	if (shared->fsgsbase) {
		__asm__ volatile("rdfsbase %0" : "=r"(out->fs_base));
		__asm__ volatile("rdgsbase %0" : "=r"(out->gs_base));
	} else {
		out->fs_base = c->in.fs_base;
		out->gs_base = c->in.gs_base;
	}
	collect_memory(r);
	memset(case_code(c), FUZZ_CODE_FILL, case_code_size(c));
}

static void load(struct sigcontext_64 *s)
{
	const struct fuzz_case *c = &shared->batch.cases[current];
	const struct fuzz_state *in = &c->in;
	u8 *fp = (u8 *)s->fpstate;
	u64 *components = (u64 *)(fp + FUZZ_XSAVE_HEADER);

	memcpy(case_code(c), c->code, case_code_size(c));
	s->ax = in->gpr[0];
	s->cx = in->gpr[1];
	s->dx = in->gpr[2];
	s->bx = in->gpr[3];
	s->sp = in->gpr[4];
	s->bp = in->gpr[5];
	s->si = in->gpr[6];
	s->di = in->gpr[7];
	s->r8 = in->gpr[8];
	s->r9 = in->gpr[9];
	s->r10 = in->gpr[10];
	s->r11 = in->gpr[11];
	s->r12 = in->gpr[12];
	s->r13 = in->gpr[13];
	s->r14 = in->gpr[14];
	s->r15 = in->gpr[15];
	s->ip = in->rip;
	s->flags = in->rflags;
	s->cs = fuzz_mode(c)->cs;
	s->ss = fuzz_mode(c)->ss;
	/* the kernel keeps these as they are; 64-bit code doesn't use them */
	__asm__ volatile("mov %0, %%ds\n\tmov %1, %%es" : : "r"((u32)fuzz_mode(c)->ds), "r"((u32)fuzz_mode(c)->es));
	/* behind byte 416 the kernel keeps notes of its own */
	memcpy(fp, in->xsave, 416);
	memcpy(fp + FUZZ_XSAVE_YMM, in->xsave + FUZZ_XSAVE_YMM, FUZZ_XSAVE_SIZE - FUZZ_XSAVE_YMM);
	components[0] = 7; /* x87, SSE, AVX from the frame, the rest as after reset */
	if (shared->fsgsbase) {
		__asm__ volatile("wrfsbase %0" : : "r"(in->fs_base));
		__asm__ volatile("wrgsbase %0" : : "r"(in->gs_base));
	} else {
		call(__NR_arch_prctl, ARCH_SET_FS, in->fs_base, 0, 0, 0, 0);
		call(__NR_arch_prctl, ARCH_SET_GS, in->gs_base, 0, 0, 0, 0);
	}
	ticks = 0;
}

static void next_batch(void)
{
	u32 requested;

	__atomic_store_n(&shared->done, serving, __ATOMIC_RELEASE);
	call(__NR_futex, (u64)&shared->done, FUTEX_WAKE, 1, 0, 0, 0);
	for (;;) {
		requested = __atomic_load_n(&shared->requested, __ATOMIC_ACQUIRE);
		if (requested != serving && shared->batch.count)
			break;
		call(__NR_futex, (u64)&shared->requested, FUTEX_WAIT, requested, 0, 0, 0);
	}
	serving = requested;
	collect_memory(NULL);
}

void executor_signal(int sig, siginfo_t *info, struct ucontext *uc)
{
	struct sigcontext_64 *s = (void *)&uc->uc_mcontext;

	(void)info;
	if (sig == SIGVTALRM && (current < 0 || ++ticks < TICKS))
		return;
	if (current >= 0)
		collect(sig, s);
	if (current < 0 || ++current == (int)shared->batch.count) {
		next_batch();
		current = 0;
	}
	load(s);
}

static void seccomp(void)
{
	u64 first = (u64)__executable_start, end = (u64)etext;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, first >> 32, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (u32)first, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (u32)end, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	must(call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0), 20);
	must(call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, (u64)&program, 0, 0, 0), 21);
}

static void set_ldt(void)
{
	unsigned int i;

	for (i = 0; i < FUZZ_LDT_ENTRIES; i++) {
		const struct fuzz_segment *s = &fuzz_ldt[i];
		struct user_desc d = {
			.entry_number = s->selector >> 3,
			.base_addr = s->base,
			.limit = s->limit,
			.seg_32bit = s->big,
			.contents = s->code	     ? MODIFY_LDT_CONTENTS_CODE
				    : s->expand_down ? MODIFY_LDT_CONTENTS_STACK
						     : MODIFY_LDT_CONTENTS_DATA,
			.useable = 1,
		};

		call(__NR_modify_ldt, 0x11 /* write */, (u64)&d, sizeof(d), 0, 0, 0);
	}
}

/* There are kernels without LDTs, kernels that run no 32-bit code, and hypervisors that take an LDT and load none: LAR sees what is there. */
static bool can_load(u16 selector)
{
	bool there;
	u32 rights;

	__asm__("lar %2, %0" : "=r"(rights), "=@ccz"(there) : "r"((u32)selector));
	return there || selector <= 3;
}

static u32 modes_here(void)
{
	u32 modes = 0, i;

	for (i = 0; i < FUZZ_MODE_COUNT; i++) {
		const struct fuzz_mode *m = &fuzz_modes[i];

		if (can_load(m->cs) && can_load(m->ss) && can_load(m->ds) && can_load(m->es))
			modes |= BIT(i);
	}
	return modes;
}

static void handle(int sig)
{
	struct {
		void (*handler)(void);
		u64 flags;
		void (*restorer)(void);
		u64 mask;
	} action = { executor_entry, SA_SIGINFO | SA_ONSTACK | SA_RESTORER, executor_restorer, ~0ull };

	must(call(__NR_rt_sigaction, sig, (u64)&action, 0, 8, 0, 0), 22);
}

static u64 auxiliary(u64 *stack, u64 type)
{
	u64 *p = stack + 1 + *stack + 1; /* argc, argv, NULL */

	while (*p++) /* the environment */
		;
	for (; *p; p += 2)
		if (*p == type)
			return p[1];
	return 0;
}

void executor_main(u64 *stack)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGVTALRM };
	struct __kernel_old_itimerval timer = { { 0, TICK_US }, { 0, TICK_US } };
	stack_t alt = { signal_stack, 0, sizeof(signal_stack) };
	unsigned int i;

	shared = map(0, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, FUZZ_EXECUTOR_FD, 0, 10);
	memset(shared->code, FUZZ_CODE_FILL, sizeof(shared->code));
	map(FUZZ_CODE, FUZZ_CODE_PAGES * FUZZ_PAGE, PROT_READ | PROT_EXEC,
	    MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, FUZZ_EXECUTOR_FD, (u64)shared->code - (u64)shared, 11);
	for (i = 0; i < FUZZ_REGION_COUNT; i++) {
		const struct fuzz_region *r = &regions[i];

		if (r->writable)
			map(r->address, r->pages * FUZZ_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0, 12);
		else
			map(r->address, r->pages * FUZZ_PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE,
			    FUZZ_EXECUTOR_FD, (u64)shared->batch.memory[r->first] - (u64)shared, 13);
	}
	shared->fsgsbase = auxiliary(stack, AT_HWCAP2) & HWCAP2_FSGSBASE;
	set_ldt();
	shared->modes = modes_here();
	must(call(__NR_sigaltstack, (u64)&alt, 0, 0, 0, 0, 0), 14);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		handle(signals[i]);
	must(call(__NR_setitimer, 1 /* ITIMER_VIRTUAL */, (u64)&timer, 0, 0, 0, 0), 15);
	seccomp();
	__asm__ volatile("int3"); /* into executor_signal(), for good */
	die(16);
}
