/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole guest under /dev/kvm. KVM has CPU, local APIC, interrupt controllers and 8254; everything else is the machine's,
 * reached by KVM_EXIT_IO and KVM_EXIT_MMIO. Each vCPU has a thread; the first one's runs the machine's timers as well. What
 * interrupts a thread is a signal that carries the address of struct kvm_run, so that the handler can set immediate_exit: it doesn't matter whether the
 * signal comes in KVM_RUN or just before it. The loop clears immediate_exit first and looks for work second.
 */
#include "kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../cli/config.h"
#include "../cpu/model.h"
#include "../machine/machine.h"
#include "../run/engine.h"

#define KVM_DEVICE "/dev/kvm"
#define NS_PER_SECOND 1000000000ull
#define LOOK_NS NS_PER_SECOND /* how often to see whether the guest has halted for ever */

/* VT without unrestricted guests runs real mode with these pages; they lie in the hole below 4 GiB. */
#define IDENTITY_MAP_GPA 0xfffbc000ull
#define TSS_GPA 0xfffbd000ull

/* without the glibc that names it */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

int kvm_failed(const struct kvm_machine *m, const char *call, char *error, size_t n)
{
	snprintf(error, n, "%s: KVM: %s: %s", m->machine->name, call, strerror(errno));
	return EXIT_HOST;
}

static int prepare(struct cpu_model *model, char *error, size_t n)
{
	static const struct {
		int number;
		const char *name;
	} NEEDED[] = {
		{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
		{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
		{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
		{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
		{ KVM_CAP_XSAVE, "KVM_CAP_XSAVE" },
		{ KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS" },
		{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	};
	int kvm = open(KVM_DEVICE, O_RDWR | O_CLOEXEC), code = 0;

	if (kvm < 0) {
		snprintf(error, n, "--engine kvm: %s: %s", KVM_DEVICE, strerror(errno));
		return EXIT_HOST;
	}
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		snprintf(error, n, "--engine kvm: %s is not version %d of the KVM API", KVM_DEVICE, KVM_API_VERSION);
		code = EXIT_HOST;
	}
	for (size_t i = 0; !code && i < sizeof(NEEDED) / sizeof(NEEDED[0]); i++) {
		if (ioctl(kvm, KVM_CHECK_EXTENSION, NEEDED[i].number) > 0)
			continue;
		snprintf(error, n, "--engine kvm: the host's KVM lacks %s", NEEDED[i].name);
		code = EXIT_HOST;
	}
	if (!code)
		code = kvm_cpuid_restrict(kvm, model, error, n);
	close(kvm);
	return code;
}

static bool add_memory(struct kvm_machine *m, u32 slot, u64 gpa, u64 size)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (u64)m->machine->memory.base + gpa,
	};

	return !size || !ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static int create_vm(struct kvm_machine *m, char *error, size_t n)
{
	const struct memory *memory = &m->machine->memory;
	u64 identity = IDENTITY_MAP_GPA;

	m->kvm = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
	if (m->kvm < 0)
		return kvm_failed(m, KVM_DEVICE, error, n);
	m->vm = ioctl(m->kvm, KVM_CREATE_VM, 0);
	if (m->vm < 0)
		return kvm_failed(m, "KVM_CREATE_VM", error, n);
	if (ioctl(m->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity))
		return kvm_failed(m, "KVM_SET_IDENTITY_MAP_ADDR", error, n);
	if (ioctl(m->vm, KVM_SET_TSS_ADDR, TSS_GPA))
		return kvm_failed(m, "KVM_SET_TSS_ADDR", error, n);
	if (!add_memory(m, 0, 0, memory->low) || !add_memory(m, 1, MEMORY_HIGH_START, memory->high))
		return kvm_failed(m, "KVM_SET_USER_MEMORY_REGION", error, n);
	return 0;
}

static int create_vcpu(struct kvm_vcpu *d, char *error, size_t n)
{
	int size = ioctl(d->machine->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	d->vcpu = ioctl(d->machine->vm, KVM_CREATE_VCPU, (unsigned long)d->thread->v->index);
	if (d->vcpu < 0)
		return kvm_failed(d->machine, "KVM_CREATE_VCPU", error, n);
	d->counters = ioctl(d->vcpu, KVM_GET_STATS_FD, NULL); /* a KVM that has none can run guests as well */
	if (size < (int)sizeof(struct kvm_run))
		return kvm_failed(d->machine, "KVM_GET_VCPU_MMAP_SIZE", error, n);
	d->run_size = (size_t)size;
	d->run = mmap(NULL, d->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, d->vcpu, 0);
	if (d->run == MAP_FAILED) {
		d->run = NULL;
		return kvm_failed(d->machine, "mapping struct kvm_run", error, n);
	}
	return kvm_cpuid_set(d, error, n);
}

static void on_kick(int signal, siginfo_t *info, void *context)
{
	struct kvm_run *run = info->si_value.sival_ptr;

	(void)signal;
	(void)context;
	/* another process's signal has no address of ours */
	if (info->si_code == SI_TIMER || (info->si_code == SI_QUEUE && info->si_pid == getpid()))
		__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_RELAXED);
}

int kvm_catch_kicks(void)
{
	struct sigaction action = { .sa_sigaction = on_kick, .sa_flags = SA_SIGINFO };

	sigemptyset(&action.sa_mask);
	return sigaction(SIG_KICK, &action, NULL);
}

static void kick(struct vcpu_thread *t)
{
	const struct kvm_vcpu *d = t->kvm;
	siginfo_t info = { .si_code = SI_QUEUE };

	info.si_pid = getpid();
	info.si_value.sival_ptr = d->run;
	/* Not pthread_sigqueue(): the thread may have ended. Out of memory for signals: one without an address interrupts KVM_RUN, too. */
	if (syscall(SYS_rt_tgsigqueueinfo, getpid(), d->tid, SIG_KICK, &info) && errno == EAGAIN)
		syscall(SYS_tgkill, getpid(), d->tid, SIG_KICK);
}

static struct kvm_machine *create_machine(struct machine *machine)
{
	struct kvm_machine *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->machine = machine;
	m->kvm = m->vm = -1;
	return m;
}

static void destroy_machine(struct kvm_machine *m)
{
	if (m->vm >= 0)
		close(m->vm);
	if (m->kvm >= 0)
		close(m->kvm);
	free(m);
}

static int power_up(struct kvm_machine *m, const struct run_config *c, char *error, size_t n)
{
	int code;

	if (kvm_catch_kicks())
		return kvm_failed(m, "sigaction", error, n);
	code = create_vm(m, error, n);
	if (!code)
		code = kvm_irqchip_create(m, c->no_pit, error, n);
	return code;
}

static int create(struct vcpu_thread *t, const struct run_config *c, char *error, size_t n)
{
	struct machine *machine = t->v->machine;
	struct kvm_vcpu *d = calloc(1, sizeof(*d));
	int code = 0;

	if (d)
		d->machine = t->v->index ? machine->vcpu[0]->thread->kvm->machine : create_machine(machine);
	if (!d || !d->machine) {
		free(d);
		snprintf(error, n, "%s: not enough memory", c->name);
		return EXIT_HOST;
	}
	d->thread = t;
	d->vcpu = d->counters = -1;
	t->kvm = d;
	if (!t->v->index)
		code = power_up(d->machine, c, error, n);
	if (!code)
		code = create_vcpu(d, error, n);
	if (!code)
		t->kick = kick;
	return code;
}

/* The first vCPU comes last. */
static void destroy(struct vcpu_thread *t)
{
	struct kvm_vcpu *d = t->kvm;

	if (!d)
		return;
	t->kick = NULL;
	if (d->run)
		munmap(d->run, d->run_size);
	if (d->counters >= 0)
		close(d->counters);
	if (d->vcpu >= 0)
		close(d->vcpu);
	if (!t->v->index)
		destroy_machine(d->machine);
	free(d);
	t->kvm = NULL;
}

static void power_on(struct vcpu_thread *t)
{
	struct kvm_machine *m = t->kvm->machine;
	const char *what = kvm_irqchip_reset(m) ? NULL : "interrupt controllers";

	for (unsigned int i = 0; i < m->machine->vcpu_count && !what; i++)
		what = kvm_state_put(m->machine->vcpu[i]->thread->kvm);
	if (what)
		machine_stop(m->machine, STOP_INTERNAL, 0, "KVM: reset: can't set %s: %s", what, strerror(errno));
}

/*
 * HLT with interrupts off waits in the kernel, without a word. With one vCPU nothing but an NMI could end it, and no device of
 * ours sends one.
 */
static void look_for_halt(struct kvm_vcpu *d, u64 now)
{
	struct vcpu *v = d->thread->v;
	struct kvm_mp_state mp;
	struct kvm_regs regs;

	if (now < d->look)
		return;
	d->look = now + LOOK_NS;
	if (ioctl(d->vcpu, KVM_GET_MP_STATE, &mp) || mp.mp_state != KVM_MP_STATE_HALTED || v->machine->vcpu_count > 1)
		return;
	if (!ioctl(d->vcpu, KVM_GET_REGS, &regs) && !(regs.rflags & FLAG_IF))
		machine_stop(v->machine, STOP_HALTED_FOREVER, EXIT_GUEST_FATAL,
			     "guest halted with interrupts off at rip %#llx: nothing can wake it",
			     (unsigned long long)regs.rip);
}

static bool create_timer(struct kvm_vcpu *d)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
				  .sigev_signo = SIG_KICK,
				  .sigev_value.sival_ptr = d->run };

	event.sigev_notify_thread_id = gettid();
	d->armed = 0;
	return !timer_create(CLOCK_MONOTONIC, &event, &d->timer);
}

/* Run the machine's timers that are due, and have the signal sent for the next one. */
static void run_timers(struct kvm_vcpu *d)
{
	struct clock *c = &d->thread->v->machine->clock;
	u64 now = clock_ns(c), next;
	struct itimerspec t = { .it_value = { 0 } };

	if (timer_next(c) <= now) {
		bus_take(&d->thread->v->machine->bus);
		timer_run(c);
		bus_give(&d->thread->v->machine->bus);
	}
	look_for_halt(d, now);
	next = timer_next(c);
	if (next > d->look)
		next = d->look;
	if (next == d->armed)
		return;
	now = clock_ns(c);
	t.it_value.tv_sec = next > now ? (time_t)((next - now) / NS_PER_SECOND) : 0;
	t.it_value.tv_nsec = next > now ? (long)((next - now) % NS_PER_SECOND) : 1;
	timer_settime(d->timer, 0, &t, NULL);
	d->armed = next;
}

static void enter(struct kvm_vcpu *d)
{
	count_one(&d->stats.runs);
	if (!ioctl(d->vcpu, KVM_RUN, 0)) {
		kvm_exit(d);
	} else if (errno == EINTR || errno == EAGAIN) {
		kvm_exit_interrupted(d);
		d->armed = 0; /* the host's clock may be a little ahead of the TSC: set it again if it came too early */
	} else {
		machine_stop(d->thread->v->machine, STOP_INTERNAL, 0, "KVM_RUN: %s", strerror(errno));
	}
}

static void loop(struct vcpu_thread *t)
{
	struct kvm_vcpu *d = t->kvm;
	struct vcpu *v = t->v;
	struct machine *m = v->machine;

	d->tid = gettid();
	if (!v->index && !create_timer(d)) {
		machine_stop(m, STOP_INTERNAL, 0, "KVM: no timer: %s", strerror(errno));
		return;
	}
	for (;;) {
		__atomic_store_n(&d->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		atomic_store(&v->events, 0);
		if (atomic_load(&m->stop))
			break;
		if (!v->index)
			run_timers(d);
		if (atomic_load(&m->stop))
			break;
		enter(d);
	}
	if (!v->index)
		timer_delete(d->timer);
	/* The instruction that stopped the machine is completed by the next KVM_RUN, which then returns at once. */
	__atomic_store_n(&d->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	ioctl(d->vcpu, KVM_RUN, 0);
	kvm_state_get(d);
}

static void resumed(struct vcpu_thread *t, u64 ticks)
{
	if (!kvm_tsc_stood_still(t->kvm, ticks))
		machine_stop(t->v->machine, STOP_INTERNAL, 0, "KVM: can't set back the TSC: %s", strerror(errno));
}

static u64 insns(const struct vcpu *v)
{
	(void)v;
	return 0;
}

/* of all vCPUs */
static size_t stats(struct vcpu_thread *t, struct stat_values tables[ENGINE_TABLES])
{
	struct kvm_machine *m = t->kvm->machine;
	u64 *sum = (u64 *)&m->stats;

	m->stats = (struct kvm_exit_stats){ .irq_lines = __atomic_load_n(&m->irq_lines, __ATOMIC_RELAXED) };
	m->kvm_stats = (struct kvm_stats){ 0 };
	for (unsigned int i = 0; i < m->machine->vcpu_count; i++) {
		const struct kvm_vcpu *d = m->machine->vcpu[i]->thread->kvm;
		const u64 *of = (const u64 *)&d->stats;

		for (size_t k = 0; k < sizeof(d->stats) / sizeof(u64); k++)
			sum[k] += __atomic_load_n(&of[k], __ATOMIC_RELAXED);
		kvm_stats_add(d, &m->kvm_stats);
	}
	tables[0] = STAT_VALUES(kvm_exit_stats_table, &m->stats);
	tables[1] = STAT_VALUES(kvm_stats_table, &m->kvm_stats);
	return 2;
}

const struct engine engine_kvm = {
	.name = "kvm",
	.own_irqchip = true,
	.prepare = prepare,
	.create = create,
	.destroy = destroy,
	.power_on = power_on,
	.loop = loop,
	.resumed = resumed,
	.insns = insns,
	.stats = stats,
};
