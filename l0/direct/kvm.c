/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole guest under /dev/kvm. KVM has CPU, local APIC, interrupt controllers and 8254; everything else is the machine's,
 * reached by KVM_EXIT_IO and KVM_EXIT_MMIO. One thread runs the vCPU and the machine's timers. What interrupts it is a signal
 * that carries the address of struct kvm_run, so that the handler can set immediate_exit: it doesn't matter whether the
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
#include <unistd.h>

#include "../cli/config.h"
#include "../cpu/model.h"
#include "../machine/machine.h"
#include "../run/engine.h"

#define KVM_DEVICE "/dev/kvm"
#define SIG_KICK SIGRTMIN
#define NS_PER_SECOND 1000000000ull
#define LOOK_NS NS_PER_SECOND /* how often to see whether the guest has halted for ever */

/* VT without unrestricted guests runs real mode with these pages; they lie in the hole below 4 GiB. */
#define IDENTITY_MAP_GPA 0xfffbc000ull
#define TSS_GPA 0xfffbd000ull

/* without the glibc that names it */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

int kvm_failed(const struct direct *d, const char *call, char *error, size_t n)
{
	snprintf(error, n, "%s: KVM: %s: %s", d->thread->v->machine->name, call, strerror(errno));
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

static bool add_memory(struct direct *d, u32 slot, u64 gpa, u64 size)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (u64)d->thread->v->machine->memory.base + gpa,
	};

	return !size || !ioctl(d->vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static int create_vm(struct direct *d, char *error, size_t n)
{
	const struct memory *memory = &d->thread->v->machine->memory;
	u64 identity = IDENTITY_MAP_GPA;

	d->kvm = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
	if (d->kvm < 0)
		return kvm_failed(d, KVM_DEVICE, error, n);
	d->vm = ioctl(d->kvm, KVM_CREATE_VM, 0);
	if (d->vm < 0)
		return kvm_failed(d, "KVM_CREATE_VM", error, n);
	if (ioctl(d->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity))
		return kvm_failed(d, "KVM_SET_IDENTITY_MAP_ADDR", error, n);
	if (ioctl(d->vm, KVM_SET_TSS_ADDR, TSS_GPA))
		return kvm_failed(d, "KVM_SET_TSS_ADDR", error, n);
	if (!add_memory(d, 0, 0, memory->low) || !add_memory(d, 1, MEMORY_HIGH_START, memory->high))
		return kvm_failed(d, "KVM_SET_USER_MEMORY_REGION", error, n);
	return 0;
}

static int create_vcpu(struct direct *d, char *error, size_t n)
{
	int size = ioctl(d->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	d->vcpu = ioctl(d->vm, KVM_CREATE_VCPU, (unsigned long)d->thread->v->index);
	if (d->vcpu < 0)
		return kvm_failed(d, "KVM_CREATE_VCPU", error, n);
	if (size < (int)sizeof(struct kvm_run))
		return kvm_failed(d, "KVM_GET_VCPU_MMAP_SIZE", error, n);
	d->run_size = (size_t)size;
	d->run = mmap(NULL, d->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, d->vcpu, 0);
	if (d->run == MAP_FAILED) {
		d->run = NULL;
		return kvm_failed(d, "mapping struct kvm_run", error, n);
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

static void kick(struct vcpu_thread *t)
{
	union sigval value = { .sival_ptr = t->direct->run };

	/* out of memory for signals: one without an address interrupts KVM_RUN as well, if it has begun */
	if (pthread_sigqueue(t->thread, SIG_KICK, value))
		pthread_kill(t->thread, SIG_KICK);
}

static int create(struct vcpu_thread *t, const struct run_config *c, char *error, size_t n)
{
	struct sigaction action = { .sa_sigaction = on_kick, .sa_flags = SA_SIGINFO };
	struct direct *d = calloc(1, sizeof(*d));
	int code;

	if (!d) {
		snprintf(error, n, "%s: not enough memory", c->name);
		return EXIT_HOST;
	}
	d->thread = t;
	d->kvm = d->vm = d->vcpu = -1;
	t->direct = d;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIG_KICK, &action, NULL))
		return kvm_failed(d, "sigaction", error, n);
	code = create_vm(d, error, n);
	if (!code)
		code = kvm_irqchip_create(d, c->no_pit, error, n);
	if (!code)
		code = create_vcpu(d, error, n);
	if (!code)
		t->kick = kick;
	return code;
}

static void destroy(struct vcpu_thread *t)
{
	struct direct *d = t->direct;

	if (!d)
		return;
	t->kick = NULL;
	if (d->run)
		munmap(d->run, d->run_size);
	if (d->vcpu >= 0)
		close(d->vcpu);
	if (d->vm >= 0)
		close(d->vm);
	if (d->kvm >= 0)
		close(d->kvm);
	free(d);
	t->direct = NULL;
}

static void power_on(struct vcpu_thread *t)
{
	struct direct *d = t->direct;
	const char *what = kvm_irqchip_reset(d) ? kvm_state_put(d) : "interrupt controllers";

	if (what)
		machine_stop(t->v->machine, STOP_INTERNAL, 0, "KVM: reset: can't set %s: %s", what, strerror(errno));
}

/*
 * HLT with interrupts off waits in the kernel, without a word. With one vCPU nothing but an NMI could end it, and no device of
 * ours sends one.
 */
static void look_for_halt(struct direct *d, u64 now)
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

static bool create_timer(struct direct *d)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
				  .sigev_signo = SIG_KICK,
				  .sigev_value.sival_ptr = d->run };

	event.sigev_notify_thread_id = gettid();
	d->armed = 0;
	return !timer_create(CLOCK_MONOTONIC, &event, &d->timer);
}

/* Run the machine's timers that are due, and have the signal sent for the next one. */
static void run_timers(struct direct *d)
{
	struct clock *c = &d->thread->v->machine->clock;
	u64 now = clock_ns(c), next;
	struct itimerspec t = { .it_value = { 0 } };

	if (timer_next(c) <= now)
		timer_run(c);
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

static void enter(struct direct *d)
{
	d->stats.runs++;
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
	struct direct *d = t->direct;
	struct machine *m = t->v->machine;

	if (!create_timer(d)) {
		machine_stop(m, STOP_INTERNAL, 0, "KVM: no timer: %s", strerror(errno));
		return;
	}
	for (;;) {
		__atomic_store_n(&d->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		atomic_store(&t->v->events, 0);
		if (atomic_load(&m->stop))
			break;
		run_timers(d);
		if (atomic_load(&m->stop))
			break;
		enter(d);
	}
	timer_delete(d->timer);
	/* The instruction that stopped the machine is completed by the next KVM_RUN, which then returns at once. */
	__atomic_store_n(&d->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	ioctl(d->vcpu, KVM_RUN, 0);
	kvm_state_get(d);
}

static u64 insns(const struct vcpu *v)
{
	(void)v;
	return 0;
}

static size_t stats(struct vcpu_thread *t, struct stat_values tables[ENGINE_TABLES])
{
	struct direct *d = t->direct;

	kvm_stats_read(d);
	tables[0] = STAT_VALUES(direct_stats_table, &d->stats);
	tables[1] = STAT_VALUES(kvm_stats_table, &d->kvm_stats);
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
	.insns = insns,
	.stats = stats,
};
