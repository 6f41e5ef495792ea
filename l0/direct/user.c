/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In, out, and why it is out. The vCPU's own thread; the guest's vector state is parked. */
#include "user.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../cpu/fpu.h"
#include "../cpu/insn.h"
#include "../cpu/mmu.h"
#include "../cpu/mode.h"
#include "../machine/machine.h"
#include "kvm.h"
#include "user_internal.h"
#include "vt.h"

#define KVM_DEVICE "/dev/kvm"

/* CR4 bits that user code sees and that are the guest's */
#define CR4_GUESTS (CR4_FSGSBASE | CR4_OSXSAVE | CR4_OSXMMEXCPT)

/* Registers */

static bool is_32bit(const struct vcpu *v)
{
	return (v->mode & MODE_CS_MASK) != MODE_CS64;
}

static void give_segments(const struct vcpu *v, struct kvm_sregs *s)
{
	s->es = kvm_segment(&v->seg[ES]);
	s->cs = kvm_segment(&v->seg[CS]);
	s->ss = kvm_segment(&v->seg[SS]);
	s->ds = kvm_segment(&v->seg[DS]);
	s->fs = kvm_segment(&v->seg[FS]);
	s->gs = kvm_segment(&v->seg[GS]);
}

static void give_sregs(struct direct_vcpu *d, u64 root)
{
	const struct vcpu *v = d->v;
	struct kvm_sregs *s = monitor_sregs(&d->cpu);

	*s = d->cpu.sregs;
	s->cr3 = root;
	s->cr4 = (s->cr4 & ~CR4_GUESTS) | (v->cr4 & CR4_GUESTS);
	give_segments(v, s);
}

/* After a stub: CPL 3 again. What CPL 3 could change stays. */
static void give_sregs_again(struct direct_vcpu *d, u64 root)
{
	struct kvm_sregs *s = monitor_sregs(&d->cpu), before = *s;

	give_sregs(d, root);
	s->ds = before.ds;
	s->es = before.es;
	s->fs = before.fs;
	s->gs = before.gs;
}

/* A null selector clears the base on the CPUs that guests are offered, and leaves it on some that they run on. */
static void take_segment(struct vcpu *v, enum sreg i, const struct kvm_segment *from)
{
	struct segment new = kvm_segment_back(from);

	if ((new.sel & ~3u) == 0 && (v->seg[i].sel & ~3u) != 0)
		new.base = 0;
	v->seg[i] = new;
}

#define FLAGS_TAKEN (FLAG_ARITH | FLAG_DF | FLAG_TF | FLAG_AC | FLAG_NT | FLAG_ID)

/*
 * Code that guests aren't offered, and that this host's KVM lets through: what it has left in registers that no guest has is gone already, and
 * it gets what it should have got from now on.
 */
static void avx512_used(struct direct_vcpu *d)
{
	struct direct_machine *dm = d->machine;

	d->stats.avx512_used++;
	if (atomic_exchange(&dm->absent_is_ud, true))
		return;
	atomic_fetch_add(&dm->epoch, 1);
	fprintf(stderr, "turtles: %s: a program uses AVX-512, which CPUID doesn't show it: pages with AVX-512 are translated from now on\n",
		dm->machine->name);
}

void user_take_state(struct direct_vcpu *d)
{
	const struct kvm_sregs *s = monitor_sregs(&d->cpu);
	struct kvm_regs *r = monitor_regs(&d->cpu);
	struct vcpu *v = d->v;

	if (d->taken)
		return;
	d->taken = true;
	r->rflags = (v->rflags & ~(FLAGS_TAKEN | FLAG_RF)) | (r->rflags & FLAGS_TAKEN);
	kvm_regs_get(v, r);
	take_segment(v, DS, &s->ds);
	take_segment(v, ES, &s->es);
	take_segment(v, FS, &s->fs);
	take_segment(v, GS, &s->gs);
	if (vector_state_take(&d->vector, v, d->cpu.vcpu))
		avx512_used(d);
	vcpu_update_mode(v);
}

/* Segment registers: does code read what KVM was told? */

/* mov ebx, cs; mov ecx, ss; mov edx, ds; mov esi, es; mov edi, fs; mov ebp, gs; ud2: in both modes */
static const u8 READ_SEGMENTS[] = { 0x8c, 0xcb, 0x8c, 0xd1, 0x8c, 0xda, 0x8c, 0xc6, 0x8c, 0xe7, 0x8c, 0xed, 0x0f, 0x0b };
#define TRY_LINEAR 0x10000ull

static bool try_segments(struct direct_vcpu *d)
{
	struct kvm_regs *r = monitor_regs(&d->cpu);
	const struct segment *seg = d->v->seg;
	struct left left;

	d->stats.segments_tried++;
	*r = (struct kvm_regs){ .rip = TRY_LINEAR, .rsp = TRY_LINEAR + 2048, .rflags = FLAG_1 | FLAG_IF };
	give_sregs(d, d->try.root);
	/* to its end, whoever wants the vCPU: the answer is kept */
	do {
		__atomic_store_n(&d->cpu.run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		monitor_run(&d->cpu, &left);
	} while (left.by == LEFT_SIGNAL);
	return left.by == LEFT_EVENT && r->rip == TRY_LINEAR + sizeof(READ_SEGMENTS) - 2 &&
	       (u16)r->rbx == seg[CS].sel && (u16)r->rcx == seg[SS].sel && (u16)r->rdx == seg[DS].sel &&
	       (u16)r->rsi == seg[ES].sel && (u16)r->rdi == seg[FS].sel && (u16)r->rbp == seg[GS].sel;
}

static bool segments_fit(struct direct_vcpu *d)
{
	const struct vcpu *v = d->v;
	struct tried_segments *t, key = { .bits32 = is_32bit(v), .valid = true };

	for (int i = 0; i < 6; i++)
		key.sel[i] = v->seg[i].sel;
	for (unsigned int i = 0; i < TRIED_SEGMENTS; i++) {
		t = &d->tried[i];
		if (t->valid && t->bits32 == key.bits32 && !memcmp(t->sel, key.sel, sizeof(key.sel)))
			return t->fits;
	}
	t = &d->tried[d->tried_next++ % TRIED_SEGMENTS];
	*t = key;
	t->fits = try_segments(d);
	return t->fits;
}

static bool make_try(struct direct_vcpu *d)
{
	struct tables *t = &d->cpu.tables;
	u64 gpa;
	u8 *page = (u8 *)table_new(t, &gpa);

	if (!page || space_map(t, &d->try, TRY_LINEAR, gpa, 12, ACC_READ | ACC_EXEC, 12) != SPACE_DONE)
		return false;
	memcpy(page, READ_SEGMENTS, sizeof(READ_SEGMENTS));
	t->first = t->next; /* these stay */
	return true;
}

/* In and out */

bool direct_may_go_on(const struct direct_vcpu *d, u64 epoch)
{
	const struct vcpu *v = d->v;
	struct machine *m = v->machine;

	return !atomic_load(&v->events) && !atomic_load(&m->stop) && !atomic_load(&m->gate.closed) &&
	       atomic_load(&d->machine->epoch) == epoch;
}

static void run_once(struct direct_vcpu *d)
{
	atomic_store(&d->running, d->cpu.run);
	atomic_store(&d->inside, 1);
	if (direct_may_go_on(d, d->epoch)) {
		u64 start = run_timer_now(), ns;

		d->stats.kvm_runs++;
		monitor_run(&d->cpu, &d->left);
		ns = run_timer_now() - start;
		d->inside_ns += ns;
		d->entries++;
		/* one that an exception of the code has ended has been all the way, so the shortest is what the way takes */
		if (d->left.by == LEFT_EVENT && (!d->entry_ns || ns < d->entry_ns))
			d->entry_ns = ns;
	} else {
		d->left = (struct left){ .by = LEFT_SIGNAL };
	}
	atomic_store(&d->inside, 0);
}

static unsigned int access_of(u32 error)
{
	return error & PFEC_W ? ACC_WRITE : error & PFEC_I ? ACC_EXEC : ACC_READ;
}

/* It goes from one new page to the next, as programs do that are large or have just begun. What was mapped is there the next time. */
static bool gets_nowhere(struct direct_vcpu *d)
{
	u64 ns = run_timer_now() - d->start_ns;

	if (d->machine->eager || policy_pays(d->entries, ns, user_cost(d, ns)))
		return false;
	d->stats.left_faults++;
	return true;
}

/* A page fault is over: go on. False: it is the translator's. */
static bool answered(struct direct_vcpu *d, struct user_space *u)
{
	unsigned int access = access_of(d->left.error);
	u64 address = d->left.address;
	bool again = d->fault == (address | 1);

	d->fault = address | 1;
	if (user_mapped(d, u, address, access))
		return !again; /* a TLB that remembers less rights; once */
	if (!user_fill(d, u, address, access)) {
		if (access == ACC_EXEC)
			d->stats.left_code++;
		else
			d->stats.left_faults++;
		return false;
	}
	d->stats.faults++;
	return true;
}

/* n bytes of code at `linear`; false: they can't be read */
static bool code_at(struct direct_vcpu *d, u64 linear, u8 *to, unsigned int n)
{
	struct mmu_page page;
	u32 error;

	for (unsigned int i = 0; i < n; i++) {
		const u8 *host;

		if (!mmu_probe(d->v, linear + i, ACC_EXEC | ACC_USER, &page, &error))
			return false;
		host = memory_host(&d->v->machine->memory, page.gpa);
		if (!host)
			return false;
		to[i] = *host;
	}
	return true;
}

/* SYSCALL goes back to its first byte: it clobbers nothing that it wouldn't clobber again. */
static void undo_syscall(struct direct_vcpu *d)
{
	struct vcpu *v = d->v;
	u8 code[2];

	d->stats.left_syscalls++;
	if (code_at(d, v->rip - 2, code, 2) && code[0] == 0x0f && code[1] == 0x05)
		v->rip -= 2;
	else
		v->rip = monitor_syscall_linear(); /* it wasn't one: it went there itself */
}

/*
 * Traps that left rip behind their instruction: INT3 and INT 3, INTO, INT1. A single step stays: its trap is all that is left
 * to do. SDM vol. 3, "Exception Classifications".
 */
static void undo_trap(struct direct_vcpu *d)
{
	struct vcpu *v = d->v;
	u8 before = 0, at = 0;

	d->stats.left_exceptions++;
	code_at(d, v->code_base + v->rip - 1, &before, 1);
	switch (d->left.vector) {
	case VEC_BP:
		v->rip -= before == 0xcc ? 1 : 2;
		break;
	case VEC_OF:
		v->rip -= 1;
		break;
	case VEC_DB:
		if (v->rflags & FLAG_TF) {
			v->pending_db |= DR6_BS;
			break;
		}
		code_at(d, v->code_base + v->rip, &at, 1);
		if (at != 0xf1 && before == 0xf1)
			v->rip -= 1;
		break;
	default:
		break;
	}
}

static void failed(struct direct_vcpu *d, const char *what, int number)
{
	struct machine *m = d->v->machine;

	d->stats.failures++;
	if (!atomic_exchange(&d->machine->broken, true))
		fprintf(stderr, "turtles: %s: user code is translated from now on: %s (%d)\n", m->name, what, number);
}

/* The run is over: all is in *v, and what happened last is the translator's. */
static void finish(struct direct_vcpu *d)
{
	bool lost = d->left.by == LEFT_FAILED && monitor_sregs(&d->cpu)->ss.dpl != 3;

	if (lost) {
		machine_stop(d->v->machine, STOP_INTERNAL, 0, "direct: %s (%d), and the registers are lost",
			     d->left.what, d->left.number);
		return;
	}
	user_take_state(d);
	d->translate = d->left.by != LEFT_SIGNAL;
	if (d->translate)
		d->since = d->v->insns;
	switch (d->left.by) {
	case LEFT_SIGNAL:
		d->stats.left_interrupts++;
		break;
	case LEFT_SYSCALL:
		undo_syscall(d);
		break;
	case LEFT_EVENT:
		if (d->left.vector != VEC_PF)
			undo_trap(d);
		break;
	case LEFT_FAILED:
		failed(d, d->left.what, d->left.number);
		break;
	}
}

bool user_run(struct direct_vcpu *d, u64 rest_ns)
{
	struct vcpu *v = d->v;
	struct user_space *u;
	const char *what;

	d->taken = true;
	atomic_store(&d->tid, gettid());
	if (!run_timer_make(&d->timer, d->cpu.run)) {
		failed(d, "timer_create", errno);
		return false;
	}
	if (!segments_fit(d)) {
		d->stats.not_segments++;
		return false;
	}
	d->start_ns = run_timer_now();
	d->inside_ns = 0;
	d->entries = 0;
	u = user_space_current(d);
	if (!u)
		return false;
	/* The first instruction's page: without it there is nothing to gain. */
	if (!user_mapped(d, u, v->code_base + v->rip, ACC_EXEC) && !user_fill(d, u, v->code_base + v->rip, ACC_EXEC)) {
		policy_unfit(d->policy);
		d->since = v->insns;
		return false;
	}
	u = user_space_current(d); /* filling may have needed a new one */
	if (!u)
		return false;
	what = vector_state_give(&d->vector, v, d->cpu.vcpu);
	if (what) {
		failed(d, what, errno);
		return false;
	}
	kvm_regs_put(v, monitor_regs(&d->cpu));
	give_sregs(d, u->space.root);
	__atomic_store_n(&d->cpu.run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	run_timer_set(&d->timer, rest_ns);
	d->stats.runs++;
	d->stats.runs_l2 += v->in_l2;
	d->taken = false;
	d->fault = 0;
	for (;;) {
		run_once(d);
		if (d->left.by != LEFT_EVENT || d->left.vector != VEC_PF || !answered(d, u))
			break;
		if (gets_nowhere(d))
			break;
		if (d->taken) { /* filling has looked at all of it */
			what = vector_state_give(&d->vector, v, d->cpu.vcpu);
			if (what) {
				failed(d, what, errno);
				break;
			}
			d->taken = false;
		}
		u = user_space_current(d);
		if (!u || !rule_stack_fits(d->v, monitor_regs(&d->cpu)->rsp))
			break;
		give_sregs_again(d, u->space.root);
	}
	finish(d);
	user_settle(d, run_timer_now(), d->left.by == LEFT_SIGNAL);
	d->returning = d->left.by == LEFT_SIGNAL && !d->policy->patience ? RETURN_SLICES : 0;
	return true;
}

/* Making it */

static int create_failed(const struct vcpu *v, const char *what, char *error, size_t n)
{
	snprintf(error, n, "%s: --engine direct: %s: %s", v->machine->name, what, strerror(errno));
	return EXIT_HOST;
}

static bool add_memory(const struct direct_machine *m, u32 slot, u64 gpa, u64 size)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (u64)m->machine->memory.base + gpa,
	};

	return !size || !ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static u64 ram_pages(const struct machine *m)
{
	return (m->memory.low + m->memory.high) / PAGE_SIZE;
}

/* NULL, or what failed; errno */
static const char *create_machine(struct direct_machine *dm, struct machine *m, const struct kvm_probe *p)
{
	dm->machine = m;
	dm->kvm = dm->vm = -1;
	dm->host = (struct rule_host){ .user32 = p->user32,
				       .follows_syscall = p->follows_syscall,
				       .follows_xcr0 = p->follows_xcr0,
				       .follows_fsgsbase = p->follows_fsgsbase };
	sensitive_set_make(&dm->sensitive, p->sensitive, p->group, p->segments);
	dm->sensitive.avx512 = !p->follows_xcr0 && __builtin_cpu_supports("avx512f");
	dm->writable = mmap(NULL, ram_pages(m), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			    0);
	if (dm->writable == MAP_FAILED) {
		dm->writable = NULL;
		return "mmap";
	}
	if (kvm_catch_kicks())
		return "sigaction";
	dm->kvm = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
	if (dm->kvm < 0)
		return KVM_DEVICE;
	dm->vm = ioctl(dm->kvm, KVM_CREATE_VM, 0);
	if (dm->vm < 0)
		return "KVM_CREATE_VM";
	if (!add_memory(dm, 0, 0, m->memory.low) || !add_memory(dm, 1, MEMORY_HIGH_START, m->memory.high))
		return "KVM_SET_USER_MEMORY_REGION";
	return NULL;
}

static void destroy_machine(struct direct_machine *dm)
{
	if (dm->vm >= 0)
		close(dm->vm);
	if (dm->kvm >= 0)
		close(dm->kvm);
	if (dm->writable)
		munmap(dm->writable, ram_pages(dm->machine));
	dm->machine->direct = NULL;
	free(dm);
}

int direct_create(struct vcpu *v, const struct kvm_probe *p, bool eager, bool l2_vt, char *error, size_t n)
{
	struct direct_vcpu *d = aligned_alloc(64, (sizeof(*d) + 63) & ~63ull);
	const char *what = NULL;

	if (!d)
		return create_failed(v, "memory", error, n);
	memset(d, 0, sizeof(*d));
	d->v = v;
	d->cpu.vcpu = -1;
	v->direct = d;
	if (!v->index) {
		v->machine->direct = calloc(1, sizeof(*v->machine->direct));
		if (!v->machine->direct) {
			v->machine->direct = NULL;
			return create_failed(v, "memory", error, n);
		}
		what = create_machine(v->machine->direct, v->machine, p);
		v->machine->direct->eager = eager;
		atomic_store(&v->machine->direct->absent_is_ud, eager); /* tests compare with what the translator says */
	}
	d->machine = v->machine->direct;
	if (!what)
		what = monitor_cpu_open(&d->cpu, d->machine->kvm, d->machine->vm, v->index);
	d->cpu.without_vt = p->class == KVM_WITHOUT_VT;
	if (!what && !make_try(d))
		what = "page tables";
	if (!v->index)
		d->machine->vt = l2_vt && v->vmx;
	if (!what && d->machine->vt) {
		const char *lacks = vt_create(d);

		if (lacks) {
			fprintf(stderr, "turtles: %s: L2s are translated but for their user code: VT doesn't do: %s\n",
				v->machine->name, lacks);
			d->machine->vt = false;
		}
	}
	return what ? create_failed(v, what, error, n) : 0;
}

void direct_destroy(struct vcpu *v)
{
	struct direct_vcpu *d = v->direct;

	if (!d)
		return;
	vt_destroy(d);
	monitor_cpu_close(&d->cpu);
	run_timer_destroy(&d->timer);
	v->direct = NULL;
	free(d);
	if (!v->index && v->machine->direct)
		destroy_machine(v->machine->direct);
}

struct direct_stats *direct_stats_totals(const struct machine *m)
{
	return &m->direct->totals;
}

void direct_stats_sum(const struct machine *m, struct direct_stats *to)
{
	u64 *sum = (u64 *)to;

	*to = (struct direct_stats){ 0 };
	for (unsigned int i = 0; i < m->vcpu_count; i++) {
		const u64 *of = m->vcpu[i]->direct ? (const u64 *)&m->vcpu[i]->direct->stats : NULL;

		for (size_t k = 0; of && k < sizeof(*to) / sizeof(u64); k++)
			sum[k] += of[k];
	}
}
