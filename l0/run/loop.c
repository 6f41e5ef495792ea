/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vCPU loop. One turn: deliver what is to be delivered, see who wants the CPU, run a slice.
 *
 * Compiled without vector registers: between two slices the guest's stay where they are, unless a timer or a device
 * has to run.
 */
#include "loop.h"

#include <sys/syscall.h>

#include "../bt/bt.h"
#include "../cli/config.h"
#include "../cpu/fpu.h"
#include "../cpu/insn.h"
#include "../devices/irqchip.h"
#include "../direct/direct.h"
#include "../machine/machine.h"
#include "../vmx/vmx.h"
#include "gate.h"
#include "pace.h"
#include "sleep.h"
#include "trace.h"
#include "turns.h"

/*
 * Guest instructions between two looks at the clock and at events from other threads: a few microseconds, so that an
 * interrupt is late by no more than that, and the look costs less than a percent.
 */
#define SLICE_MAX 16384
#define SLICE_MIN 64

u64 vcpu_insns(const struct vcpu *v)
{
	s64 budget = vcpu_budget(v);

	if (v->budget_held != BUDGET_NOT_HELD)
		budget += v->budget_held + 1;
	return v->insns + (u64)(v->slice - budget_without_kicks(budget) - bt_uncounted(v));
}

u64 vcpu_insns_so_far(const struct vcpu *v)
{
	return __atomic_load_n(&v->insns, __ATOMIC_RELAXED);
}

/* The slice is over, or was left in its middle: its count goes to the total. */
static void end_slice(struct vcpu *v)
{
	bt_unwound(v);
	gate_reopen(v);
	vcpu_settle(v);
	/* in one piece: others look at it while the vCPU runs (vcpu_insns_so_far()) */
	__atomic_store_n(&v->insns, v->insns + (u64)(v->slice - vcpu_budget(v)), __ATOMIC_RELAXED);
	v->slice = 0;
	vcpu_set_budget(v, 0);
}

_Noreturn void vcpu_restart(struct vcpu *v)
{
	longjmp(v->unwind, UNWIND_RESTART);
}

/* Those that this thread runs: where vCPUs have threads of their own, the machine's are the first one's. */
static u64 next_timer(const struct vcpu *v)
{
	u64 own = v->timers ? timers_next(v->timers) : TIMER_OFF, machines;

	if (v->timers && v->index)
		return own;
	machines = timer_next(&v->machine->clock);
	return machines < own ? machines : own;
}

static void run_timers(struct vcpu *v)
{
	struct machine *m = v->machine;
	u64 next = next_timer(v);

	if (next == TIMER_OFF || next > clock_ns(&m->clock))
		return;
	vcpu_fpu_park(v);
	if (v->timers)
		timers_run(&m->clock, v->timers);
	if (v->timers && v->index)
		return;
	bus_take(&m->bus);
	timer_run(&m->clock);
	bus_give(&m->bus);
}

static s64 slice(struct vcpu *v)
{
	struct clock *c = &v->machine->clock;
	u64 next = next_timer(v), now, n = SLICE_MAX;

	if (next == TIMER_OFF)
		return n;
	now = clock_ns(c);
	if (next <= now)
		return 1;
	if (c->kind == CLOCK_INSNS)
		return next - now < n ? (s64)(next - now) : (s64)n;
	/* Some instructions take tens of nanoseconds, so a deadline is neared in ever smaller steps. */
	if ((next - now) / 16 >= n)
		return n;
	return (next - now) / 16 > SLICE_MIN ? (s64)((next - now) / 16) : SLICE_MIN;
}

static void init_or_sipi(struct vcpu *v, u32 events)
{
	events = vmx_on_signals(v, events);
	vcpu_fpu_park(v);
	if ((events & EV_INIT) && !v->index) {
		/* The first vCPU would start at the reset vector, in firmware. */
		machine_stop(v->machine, STOP_CPU_RESET, 0, NULL);
	} else if (events & EV_INIT) {
		vcpu_reset(v, true);
		v->activity = ACTIVITY_WAIT_SIPI;
	}
	if ((events & EV_SIPI) && v->activity == ACTIVITY_WAIT_SIPI) {
		segment_load_real(v, CS, (u16)(v->sipi_vector << 8));
		v->rip = 0;
		v->activity = ACTIVITY_ACTIVE;
		vcpu_update_mode(v);
	}
}

/* Something else goes first. */
static void look_again(struct vcpu *v, u32 events)
{
	if (events & EV_INTR)
		vcpu_post(v, EV_INTR);
}

static bool accept(struct vcpu *v, int vector)
{
	v->interrupts++;
	if (v->thread->trace & BIT(TRACE_BIT_interrupt)) {
		vcpu_fpu_park(v);
		trace_interrupt(v, vector);
	}
	return event_interrupt(v, (u8)vector);
}

/* NMI, then virtual, then external interrupts: SDM vol. 3, "Priority Among Concurrent Events". False: triple fault. */
static bool interrupts(struct vcpu *v, u32 events)
{
	int vector;

	if (v->nmi_wait && v->in_l2)
		vmx_on_nmi(v);
	if (v->nmi_wait && !v->nmi_blocked && !v->intr_shadow) {
		/* shutdown has held interrupts off */
		look_again(v, v->activity == ACTIVITY_SHUTDOWN ? EV_INTR : events);
		v->nmi_wait--;
		v->interrupts++;
		return event_nmi(v);
	}
	if (v->activity == ACTIVITY_SHUTDOWN)
		return true;
	if (v->in_l2) {
		vector = vmx_interrupt_window(v);
		if (vector >= 0) {
			look_again(v, events);
			return accept(v, vector);
		}
	}
	if (!(events & EV_INTR) && !v->intr_wait)
		return true;
	if (v->intr_wait && !v->in_l2 && !(events & EV_INTR) && (!(v->rflags & FLAG_IF) || v->intr_shadow))
		return true;
	vector = irqchip_pending(v);
	v->intr_wait = vector >= 0;
	/* The same sender may have sent an NMI before what has come since the events were taken: its turn is first. */
	if (vector >= 0 && (atomic_load(&v->events) & EV_NMI)) {
		look_again(v, EV_INTR);
		return true;
	}
	if (v->in_l2 && vector >= 0 && vmx_on_interrupt(v)) {
		v->intr_wait = false;
		return true;
	}
	if (vector < 0 || !(v->rflags & FLAG_IF) || v->intr_shadow)
		return true;
	vector = irqchip_ack(v);
	v->intr_wait = irqchip_pending(v) >= 0;
	if (vector < 0)
		return true;
	return accept(v, vector);
}

static void halted(struct vcpu_thread *t)
{
	struct vcpu *v = t->v;
	struct clock *c = &v->machine->clock;
	u64 next = next_timer(v), now;

	if (t->turns) {
		t->idle = true;
		if (turn_take(t)) {
			t->idle = false;
			return;
		}
		t->idle = false;
	}
	vcpu_fpu_park(v);
	if (!(v->rflags & FLAG_IF) && v->activity == ACTIVITY_HLT && !sleep_can_wake(v)) {
		machine_stop(v->machine, STOP_HALTED_FOREVER, EXIT_GUEST_FATAL,
			     "guest halted with interrupts off at rip %#llx: nothing can wake it",
			     (unsigned long long)v->rip);
		return;
	}
	if (c->kind == CLOCK_INSNS) {
		now = clock_ns(c);
		if (next != TIMER_OFF) {
			if (next > now)
				v->skipped_ns += next - now;
			return;
		}
	}
	sleep_until(t, next);
}

static void triple_fault(struct vcpu *v)
{
	vcpu_fpu_park(v);
	if (v->machine->no_reboot)
		machine_stop(v->machine, STOP_TRIPLE_FAULT, EXIT_GUEST_FATAL, "guest: triple fault at rip %#llx",
			     (unsigned long long)v->rip);
	else
		machine_stop(v->machine, STOP_CPU_RESET, 0, NULL);
}

/*
 * It has executed PAUSE: it waits for what another vCPU has to do, the holder of a lock, say, and that one may wait for this very CPU of
 * the host's. By hand, since the guest's vector state is in the host's registers.
 */
static void give_way(struct vcpu *v)
{
	long result;

	v->waits = false;
	__asm__ volatile("syscall" : "=a"(result) : "0"(SYS_sched_yield) : "rcx", "r11", "memory");
}

void vcpu_loop(struct vcpu_thread *t)
{
	struct vcpu *v = t->v;

	/* Guest faults come back here from anywhere. */
	(void)_setjmp(v->unwind);
	gate_in(v);
	while (!atomic_load_explicit(&v->machine->stop, memory_order_relaxed)) {
		u32 events;

		end_slice(v);
		gate_pass(v);
		if (v->user_seen && !t->user_ns)
			__atomic_store_n(&t->user_ns, v->machine->clock.start_ns + clock_ns(&v->machine->clock),
					 __ATOMIC_RELAXED);
		if (v->event.valid) {
			v->exceptions++;
			/* It takes time: a handler that faults at once would otherwise make the instruction clock stand still. */
			v->skipped_ns++;
			if (t->trace & BIT(TRACE_BIT_exception)) {
				vcpu_fpu_park(v);
				trace_exception(v);
			}
			if (!event_deliver(v))
				triple_fault(v);
			continue;
		}
		if (v->activity == ACTIVITY_SHUTDOWN && !v->in_l2) {
			triple_fault(v);
			continue;
		}
		v->delivering.valid = v->vectoring.valid = false;
		run_timers(v);
		if (v->in_l2 && v->vmx->apic.check_threshold)
			vmx_apic_check_threshold(v);
		events = atomic_exchange_explicit(&v->events, 0, memory_order_acquire);
		if (events & EV_NMI)
			vcpu_count_nmis(v);
		if (events & (EV_INIT | EV_SIPI))
			init_or_sipi(v, events);
		if (v->in_l2)
			vmx_poll(v);
		if (v->activity != ACTIVITY_WAIT_SIPI && !interrupts(v, events)) {
			triple_fault(v);
			continue;
		}
		if (v->in_l2)
			v->intr_wait |= vmx_waits(v);
		if (v->activity == ACTIVITY_HLT && v->intr_wait && (v->rflags & FLAG_IF)) {
			v->activity = ACTIVITY_ACTIVE; /* accepted in the next turn */
			continue;
		}
		if (v->activity != ACTIVITY_ACTIVE) {
			halted(t);
			continue;
		}
		if (t->pace)
			pace(t);
		v->slice = slice(v);
		vcpu_set_budget(v, v->slice);
		if (!v->direct || !direct_run(v, next_timer(v)))
			bt_run(v);
		if (v->waits)
			give_way(v);
		if (t->turns) {
			end_slice(v);
			turn_take(t);
		}
	}
	end_slice(v);
	vcpu_fpu_park(v);
	gate_out(v);
}
