/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../cpu/mmu.h"
#include "kvm.h"
#include "probe_internal.h"

const char *const KVM_CLASS_NAMES[] = {
	[KVM_ABSENT] = "absent",
	[KVM_UNUSABLE] = "not usable",
	[KVM_WITHOUT_VT] = "without VT",
	[KVM_WITH_VT] = "with VT",
};

static u64 host_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static void say(char *to, size_t n, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void say(char *to, size_t n, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(to, n, format, args);
	va_end(args);
}

void probe_give_code(struct probe *p, const u8 *code, size_t n, bool bits32, u64 cr4, u64 rcx)
{
	struct kvm_sregs *s = monitor_sregs(&p->cpu);

	memset(p->code, 0xf4, 64); /* HLT: #GP */
	memcpy(p->code, code, n);
	*s = p->cpu.sregs;
	s->cr3 = p->space.root;
	s->cr4 |= cr4;
	monitor_linux_segments(s, bits32);
	*monitor_regs(&p->cpu) = (struct kvm_regs){
		.rip = CODE_LINEAR, .rsp = DATA_LINEAR + TABLE_SIZE - 256, .rflags = FLAG_1 | FLAG_IF, .rcx = rcx
	};
	p->cpu.run->immediate_exit = 0;
}

/* Run n bytes of user code; false: KVM can't. */
static bool run(struct probe *p, const u8 *code, size_t n, bool bits32, u64 cr4, u64 rcx)
{
	probe_give_code(p, code, n, bits32, cr4, rcx);
	do
		monitor_run(&p->cpu, &p->left);
	while (p->left.by == LEFT_SIGNAL); /* somebody else's */
	return p->left.by != LEFT_FAILED;
}

#define RUN(p, bits32, cr4, ...) \
	run(p, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }), bits32, cr4, 0)

/* It left as if `vector` had come up at its byte `at`. */
static bool left_at(struct probe *p, u64 at, int vector)
{
	return p->left.by == LEFT_EVENT && monitor_regs(&p->cpu)->rip == CODE_LINEAR + at &&
	       (vector < 0 || p->left.vector == vector);
}

void probe_close(struct probe *p)
{
	monitor_cpu_close(&p->cpu);
	if (p->vm >= 0)
		close(p->vm);
	if (p->kvm >= 0)
		close(p->kvm);
}

static bool unusable(struct probe *p, const char *what, int err)
{
	p->result->class = KVM_UNUSABLE;
	say(p->result->why, sizeof(p->result->why), "%s: %s", what, strerror(err));
	probe_close(p);
	return false;
}

static bool map_page(struct probe *p, u64 linear, u8 **host, u64 *gpa, unsigned int rights)
{
	*host = (u8 *)table_new(&p->cpu.tables, gpa);
	return *host && space_map(&p->cpu.tables, &p->space, linear, *gpa, 12, rights, 12) == SPACE_DONE;
}

bool probe_open(struct probe *p)
{
	const char *failed;
	int version;

	p->vm = p->cpu.vcpu = -1;
	p->kvm = open(p->path, O_RDWR | O_CLOEXEC);
	if (p->kvm < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO)) {
		p->result->class = KVM_ABSENT;
		say(p->result->why, sizeof(p->result->why), "%s: %s", p->path, strerror(errno));
		return false;
	}
	if (p->kvm < 0)
		return unusable(p, p->path, errno);
	version = ioctl(p->kvm, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		return unusable(p, "KVM_GET_API_VERSION", version < 0 ? errno : EPROTO);
	p->vm = ioctl(p->kvm, KVM_CREATE_VM, 0);
	if (p->vm < 0)
		return unusable(p, "KVM_CREATE_VM", errno);
	failed = monitor_cpu_open(&p->cpu, p->kvm, p->vm, 0);
	if (failed)
		return unusable(p, failed, errno);
	if (!map_page(p, CODE_LINEAR, &p->code, &p->code_gpa, ACC_READ | ACC_EXEC) ||
	    !map_page(p, DATA_LINEAR, &p->data, &p->data_gpa, ACC_READ | ACC_WRITE))
		return unusable(p, "page tables", ENOMEM);
	return true;
}

/* Speed: ns a turn, from two runs of different length, so that what getting there costs falls out. */

#define TURNS_SHORT 16u
#define TURNS_LONG 1040u /* others on the host cost a run tens of microseconds: less a turn than SLOW_MIN_NS */
#define TRIES 3
#define DOUBTS 4
#define DOUBT_US 20000

/* cli; dec ecx; jnz; hlt */
static const u8 KERNEL_LOOP[] = { 0xfa, 0xff, 0xc9, 0x75, 0xfb, 0xf4 };
const u8 PROBE_LOOP[PROBE_LOOP_SIZE] = { 0xff, 0xc9, 0x75, 0xfc, 0x0f, 0x0b };

static bool kernel_turns(struct probe *p, u64 turns)
{
	return monitor_run_kernel(&p->cpu, KERNEL_LOOP, sizeof(KERNEL_LOOP), turns);
}

static bool user64_turns(struct probe *p, u64 turns)
{
	return run(p, PROBE_LOOP, sizeof(PROBE_LOOP), false, 0, turns) && left_at(p, PROBE_LOOP_END, VEC_UD);
}

static bool user32_turns(struct probe *p, u64 turns)
{
	return run(p, PROBE_LOOP, sizeof(PROBE_LOOP), true, 0, turns) && left_at(p, PROBE_LOOP_END, VEC_UD);
}

void probe_native_loop(u64 turns)
{
	__asm__ volatile("1: dec %%ecx\n jnz 1b" : "+c"(turns) : : "cc");
}

static bool host_turns(struct probe *p, u64 turns)
{
	(void)p;
	probe_native_loop(turns);
	return true;
}

static bool timed(struct probe *p, bool (*turns)(struct probe *, u64), u64 n, u64 *best)
{
	u64 start = host_ns(), ns;

	if (!turns(p, n))
		return false;
	ns = host_ns() - start;
	*best = ns < *best ? ns : *best;
	return true;
}

/* Of the best of a few tries: the host may be busy, and the first one finds everything cold. Negative: it doesn't run at all. */
static double ns_a_turn(struct probe *p, bool (*turns)(struct probe *, u64), u64 from, u64 to)
{
	u64 short_run = UINT64_MAX, long_run = UINT64_MAX;

	for (int i = 0; i < TRIES; i++)
		if (!timed(p, turns, from, &short_run) || !timed(p, turns, to, &long_run))
			return -1;
	return long_run < short_run ? 0 : (double)(long_run - short_run) / (double)(to - from);
}

/*
 * Interpreting takes a KVM a microsecond or more, and at the least a hundred times what the CPU takes. Where turtles is a guest itself
 * its own loop is as slow as that of its guests.
 */
#define SLOW_FACTOR 50
#define SLOW_MIN_NS 200.0
#define LONG_RUN 200000u

static bool is_fast(double ns, double host)
{
	return ns >= 0 && ns < SLOW_MIN_NS + SLOW_FACTOR * host;
}

static bool native(double ns, double host)
{
	return ns >= 0 && ns < 10 * host + 1;
}

bool kvm_probe_doubts(double ns, double host)
{
	return is_fast(ns, host) && !native(ns, host);
}

/* Fast in a short run may be luck; a long one says how fast. One that others had the CPU in is made again, somewhat later. */
static double measure(struct probe *p, bool (*turns)(struct probe *, u64))
{
	double host = p->result->host_ns, ns;

	for (int i = 0;; i++) {
		ns = ns_a_turn(p, turns, TURNS_SHORT, TURNS_LONG);
		if (is_fast(ns, host))
			ns = ns_a_turn(p, turns, TURNS_SHORT, LONG_RUN);
		if (!kvm_probe_doubts(ns, host) || i == DOUBTS)
			return ns;
		usleep(DOUBT_US);
	}
}

static void find_class(struct probe *p)
{
	struct kvm_probe *r = p->result;
	double user64, user32;

	r->host_ns = ns_a_turn(p, host_turns, TURNS_SHORT, LONG_RUN);
	r->kernel_ns = measure(p, kernel_turns);
	user64 = measure(p, user64_turns);
	user32 = measure(p, user32_turns);
	r->user64 = native(user64, r->host_ns);
	r->user32 = native(user32, r->host_ns);
	r->user_ns = r->user64 || !r->user32 ? user64 : user32;
	if (native(r->kernel_ns, r->host_ns)) {
		r->class = KVM_WITH_VT;
		say(r->why, sizeof(r->why), "a loop at CPL 0 takes %.2f ns a turn, %.2f ns in this process",
		    r->kernel_ns, r->host_ns);
		return;
	}
	r->class = r->user64 || r->user32 ? KVM_WITHOUT_VT : KVM_UNUSABLE;
	if (r->kernel_ns < 0)
		say(r->why, sizeof(r->why), "code at CPL 0 doesn't come to its end (%s)",
		    p->cpu.run->exit_reason == KVM_EXIT_HLT ? "it stops elsewhere"
							    : kvm_exit_name(p->cpu.run->exit_reason));
	else
		say(r->why, sizeof(r->why),
		    "a loop takes %.0f ns a turn at CPL 0, %.2f ns at CPL 3, %.2f ns in this process", r->kernel_ns,
		    user64, r->host_ns);
}

/* Every one of these has to come back at the instruction, whatever the vector: they have opcodes of one byte, or nobody could do without. */
static const struct {
	const char *name;
	u8 code[8];
} MUST_FAULT[] = {
	{ "UD2", { 0x0f, 0x0b } },
	{ "CLI", { 0xfa } },
	{ "STI", { 0xfb } },
	{ "HLT", { 0xf4 } },
	{ "IN", { 0xec } },
	{ "OUT", { 0xee } },
	{ "INT 80h", { 0xcd, 0x80 } },
	{ "MOV from CR0", { 0x0f, 0x20, 0xc0 } },
	{ "MOV from DR0", { 0x0f, 0x21, 0xc0 } },
	{ "RDMSR", { 0x0f, 0x32 } },
	{ "INVLPG", { 0x0f, 0x01, 0x38 } },
	{ "DIV by zero", { 0xf7, 0xf5 } }, /* ebp */
	{ "a load from nowhere", { 0x8b, 0x45, 0x00 } }, /* [rbp] */
	{ "a store to nowhere", { 0x89, 0x45, 0x00 } },
};

/* *what: the first thing that isn't as it has to be */
static bool user_code_comes_back(struct probe *p, bool bits32, const char **what)
{
	for (size_t i = 0; i < sizeof(MUST_FAULT) / sizeof(MUST_FAULT[0]); i++) {
		*what = MUST_FAULT[i].name;
		if (!run(p, MUST_FAULT[i].code, sizeof(MUST_FAULT[i].code), bits32, 0, 0) || !left_at(p, 0, -1))
			return false;
	}
	*what = "a page fault's address or error code";
	if (!left_at(p, 0, VEC_PF) || p->left.address || p->left.error != (PFEC_W | PFEC_U))
		return false;
	*what = "a page without the right to execute";
	if (!RUN(p, bits32, 0, 0xb8, 0x00, 0x10, 0x01, 0x00, 0xff, 0xe0) /* mov eax, DATA_LINEAR; jmp rax */
	    || p->left.by != LEFT_EVENT || monitor_regs(&p->cpu)->rip != DATA_LINEAR || p->left.vector != VEC_PF)
		return false;
	*what = "a store to a page without the right to write";
	if (!RUN(p, bits32, 0, 0xa2, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00) || !left_at(p, 0, VEC_PF))
		return false;
	/* traps: user.c takes INT3 back by looking at the bytes before it */
	*what = "INT3";
	if (!RUN(p, bits32, 0, 0xcc) || p->left.by != LEFT_EVENT || (!left_at(p, 0, -1) && !(left_at(p, 1, VEC_BP))))
		return false;
	*what = "INT1";
	if (!RUN(p, bits32, 0, 0xf1) || (!left_at(p, 0, -1) && !left_at(p, 1, VEC_DB)))
		return false;
	*what = "RFLAGS.TF";
	if (!RUN(p, bits32, 0, 0x9c, 0x80, 0x4c, 0x24, 0x01, 0x01, 0x9d, 0x90,
		 0x90) /* pushf; or byte [rsp + 1], 1; popf; nop */
	    || !left_at(p, 8, VEC_DB))
		return false;
	*what = "SYSCALL";
	if (!RUN(p, bits32, 0, 0x0f, 0x05))
		return false;
	if (!bits32)
		p->result->follows_syscall = left_at(p, 0, VEC_UD);
	return left_at(p, 0, VEC_UD) ||
	       (!bits32 && p->left.by == LEFT_SYSCALL && monitor_regs(&p->cpu)->rip == CODE_LINEAR + 2 &&
		(monitor_regs(&p->cpu)->rflags & ~FLAG_RF) == (FLAG_1 | FLAG_IF));
}

/* LAR succeeds for each selector that CPL 3 could load, or call: there should be none. ecx is 3, 7, ..., 0xffff. */
static bool loads_segments(struct probe *p)
{
	bool found = !RUN(p, false, 0, 0xb9, 0x03, 0x00, 0x00, 0x00, /* mov ecx, 3 */
			  0x0f, 0x02, 0xc1, /* 1: lar eax, ecx */
			  0x74, 0x0a, /* jz 2f */
			  0x83, 0xc1, 0x04, /* add ecx, 4 */
			  0x81, 0xf9, 0x00, 0x00, 0x01, 0x00, /* cmp ecx, 10000h */
			  0x72, 0xf0, /* jb 1b */
			  0x0f, 0x0b); /* 2: ud2 */

	return found || monitor_regs(&p->cpu)->rcx < 0x10000;
}

static bool follows_xcr0(struct probe *p)
{
	static const u64 TRIED[] = { 7, 3 };
	struct kvm_xcrs x = { .nr_xcrs = 1 };

	for (size_t i = 0; i < sizeof(TRIED) / sizeof(TRIED[0]); i++) {
		x.xcrs[0].value = TRIED[i];
		if (ioctl(p->cpu.vcpu, KVM_SET_XCRS, &x))
			return false;
		if (!RUN(p, false, CR4_OSXSAVE, 0x0f, 0x01, 0xd0, 0x0f, 0x0b) || !left_at(p, 3, VEC_UD) ||
		    monitor_regs(&p->cpu)->rax != TRIED[i])
			return false;
	}
	return true;
}

/* Translations: what is new is seen, what is old is forgotten, by the means that tables.h relies on. */
static bool translations_follow(struct probe *p, const char **what)
{
	const u8 load[] = { 0x8a, 0x06, 0x0f, 0x0b }; /* mov al, [rsi]; ud2, with rsi from rcx */
	const u8 program[] = { 0x48, 0x89, 0xce, load[0], load[1], load[2], load[3] };
	struct tables *t = &p->cpu.tables;
	struct space old = p->space, *s = &p->space;
	u64 linear = 0x40000000, a, b;
	u8 *page_a = (u8 *)table_new(t, &a), *page_b = (u8 *)table_new(t, &b);

	*what = "page tables";
	if (!page_a || !page_b)
		return false;
	*page_a = 1;
	*page_b = 2;
#define LOADS(value) \
	(run(p, program, sizeof(program), false, 0, linear) && left_at(p, 5, VEC_UD) && \
	 (u8)monitor_regs(&p->cpu)->rax == (value))
	*what = "an entry that is new";
	if (!run(p, program, sizeof(program), false, 0, linear) || !left_at(p, 3, VEC_PF) ||
	    space_map(t, s, linear, a, 12, ACC_READ, 12) != SPACE_DONE || !LOADS(1))
		return false;
	*what = "new page tables";
	*s = (struct space){ 0 };
	if (space_map(t, s, CODE_LINEAR, p->code_gpa, 12, ACC_READ | ACC_EXEC, 12) != SPACE_DONE ||
	    space_map(t, s, DATA_LINEAR, p->data_gpa, 12, ACC_READ | ACC_WRITE, 12) != SPACE_DONE ||
	    space_map(t, s, linear, b, 12, ACC_READ, 12) != SPACE_DONE || !LOADS(2))
		return false;
	*what = "old page tables again";
	*s = old;
	if (!LOADS(1))
		return false;
#undef LOADS
	return true;
}

/* Which of 0F 01 C0 to FF are instructions here at all */
static u64 find_group(struct probe *p)
{
	u64 group = 0;

	for (unsigned int i = 0; i < 64; i++) {
		const u8 code[] = { 0x0f, 0x01, (u8)(GROUP_0F01_FIRST + i), 0x0f, 0x0b };

		if (!run(p, code, sizeof(code), false, 0, 0) || !left_at(p, 0, VEC_UD))
			group |= BIT(i);
	}
	return group;
}

static void find_sensitive(struct probe *p)
{
	struct kvm_probe *r = p->result;

	r->segments = loads_segments(p);
	r->follows_xcr0 = follows_xcr0(p);
	r->follows_fsgsbase = RUN(p, false, 0, 0xf3, 0x48, 0x0f, 0xae, 0xc0, 0x0f, 0x0b) && left_at(p, 0, VEC_UD);
	r->group = find_group(p);
	for (unsigned int i = 0; i < SENSITIVE_COUNT; i++) {
		const struct sensitive_insn *insn = &SENSITIVE_INSNS[i];
		bool counts = insn->when == WHEN_ALWAYS;

		if (insn->when == WHEN_SEGMENTS)
			counts = r->segments;
		else if (insn->when == WHEN_LEAKS) {
			u8 code[sizeof(insn->code) + 2] = { 0 };

			memcpy(code, insn->code, insn->length);
			code[insn->length] = 0x0f; /* UD2 */
			code[insn->length + 1] = 0x0b;
			counts = !run(p, code, insn->length + 2u, false, 0, 0) || !left_at(p, 0, -1);
		}
		if (counts)
			r->sensitive |= (u32)BIT(i);
	}
}

/* What doesn't come back, by name */
static void list_leaks(const struct kvm_probe *r, char *to, size_t n)
{
	size_t used = 0;

	to[0] = '\0';
	for (unsigned int i = 0; i < SENSITIVE_COUNT && used < n; i++)
		if (SENSITIVE_INSNS[i].when == WHEN_LEAKS && (r->sensitive >> i & 1))
			used += (size_t)snprintf(to + used, n - used, "%s%s", used ? ", " : "", SENSITIVE_INSNS[i].name);
	if (r->segments && used < n)
		snprintf(to + used, n - used, "%ssegment registers", used ? ", " : "");
}

static void find_user(struct probe *p)
{
	struct kvm_probe *r = p->result;
	const char *what = "";
	char leaks[96];

	if (!r->user64) {
		r->user32 = false;
		say(r->user_why, sizeof(r->user_why), "64-bit user code takes %.0f ns a turn", r->user_ns);
		return;
	}
	if (!user_code_comes_back(p, false, &what)) {
		r->user64 = r->user32 = false;
		say(r->user_why, sizeof(r->user_why), "%s doesn't end KVM_RUN as it should (vector %u, rip %+lld)",
		    what, p->left.vector, (long long)(monitor_regs(&p->cpu)->rip - CODE_LINEAR));
		return;
	}
	if (r->user32)
		r->user32 = user_code_comes_back(p, true, &what);
	find_sensitive(p);
	if (!translations_follow(p, &what)) {
		r->user64 = r->user32 = false;
		say(r->user_why, sizeof(r->user_why), "KVM doesn't follow page tables: %s", what);
		return;
	}
	list_leaks(r, leaks, sizeof(leaks));
	say(r->user_why, sizeof(r->user_why), "user code runs at %.2f ns a turn%s%s%s", r->user_ns,
	    r->user32 ? "" : ", but not 32-bit code", leaks[0] ? "; pages are translated that hold " : "", leaks);
}

static void find_nesting(struct probe *p)
{
	struct kvm_probe *r = p->result;
	bool cpuid = kvm_cpuid_nests(p->kvm), state = ioctl(p->kvm, KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE) > 0;

	r->offers_vt = cpuid && state;
	r->nests = r->class == KVM_WITH_VT && r->offers_vt;
	if (r->nests)
		say(r->nests_why, sizeof(r->nests_why), "it offers VMX or SVM, and KVM_CAP_NESTED_STATE");
	else if (r->offers_vt)
		say(r->nests_why, sizeof(r->nests_why), "it offers VMX or SVM, but has no VT itself");
	else
		say(r->nests_why, sizeof(r->nests_why), "it doesn't offer %s",
		    cpuid ? "KVM_CAP_NESTED_STATE" : "VMX or SVM");
}

void kvm_probe_file(struct kvm_probe *result, const char *path)
{
	struct probe p = { .result = result, .path = path };
	u64 start = host_ns();

	*result = (struct kvm_probe){ .class = KVM_ABSENT };
	if (probe_open(&p)) {
		find_class(&p);
		find_user(&p);
		find_nesting(&p);
		probe_close(&p);
	} else {
		say(result->nests_why, sizeof(result->nests_why), "%s", result->why);
		say(result->user_why, sizeof(result->user_why), "%s", result->why);
	}
	result->ns = host_ns() - start;
}

void kvm_probe(struct kvm_probe *result)
{
	kvm_probe_file(result, KVM_DEVICE);
}
