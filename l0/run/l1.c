/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An L1's parts, put together and taken apart. */
#include "l1.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../cli/console.h"
#include "../cpu/insn.h"
#include "../direct/choose.h"
#include "../devices/devices.h"
#include "../devices/irqchip.h"
#include "../vmx/log.h"
#include "../vmx/vmx.h"
#include "crash.h"
#include "trace.h"

u64 l1_host_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void serial_out(void *ctx, u8 byte)
{
	struct l1_port *p = ctx;
	struct vcpu *v;

	if (console_put(p->l1->console, p->l1->console_port + p->index, byte, &p->l1->machine.stop))
		return;
	/* there is room for this instruction's bytes, not for a slice's */
	v = crash_thread_current();
	v->thread->full = p;
	vcpu_post(v, EV_STOP);
}

void l1_wait_for_reader(struct vcpu_thread *t)
{
	const struct l1_port *p = t->full;

	if (p && console_wait(p->l1->console, p->l1->console_port + p->index, &p->l1->machine.stop))
		t->full = NULL;
}

/* only bt counts: finish() of cli/options.c */
static u64 insns_now(void *source)
{
	const struct machine *m = source;
	u64 now = 0;

	for (unsigned int i = 0; i < m->vcpu_count; i++)
		now += vcpu_insns(m->vcpu[i]) + m->vcpu[i]->skipped_ns;
	return now;
}

/* A device has set a timer, on any vCPU's thread: the first one's runs it. */
static void wake_first(void *arg)
{
	const struct machine *m = arg;

	vcpu_post(m->vcpu[0], EV_TIMER);
}

/* 0 or -ENOMEM */
static int create_vcpu(struct l1 *l, unsigned int i)
{
	struct vcpu *v;

	if (vcpu_thread_create(&l->thread[i], &l->machine, i))
		return -ENOMEM;
	v = l->vcpu[i] = l->thread[i].v;
	l->thread[i].trace = l->config->trace;
	l->thread[i].pace = l->config->cap ? &l->pace : NULL;
	v->no_walk_cache = l->config->walk_cache == WALK_CACHE_OFF;
	v->apic = lapic_create(&l->machine, v);
	if (!v->apic || (model_has(&l->model, FEATURE_VMX) && !vmx_create(v, &l->config->vmx)))
		return -ENOMEM;
	return 0;
}

/* The CPU's model, as far as the clock and the engine can have it. */
static int prepare_model(struct l1 *l, char *error, size_t n)
{
	char why[512];

	if (model_parse(&l->model, l->config->cpu, error, n))
		return EXIT_USAGE;
	if (l->config->clock == CLOCK_INSNS)
		model_repeatable(&l->model);
	l->engine = engine_choose(l->config, &l->model, why, sizeof(why));
	if (why[0])
		fprintf(stderr, "turtles: %s: %s\n", l->config->name, why);
	return l->engine->prepare(&l->model, error, n);
}

static int create_machine(struct l1 *l, char *error, size_t n)
{
	const struct run_config *c = l->config;
	struct devices_config devices = { .no_pit = c->no_pit,
					  .no_irqchip = l->engine->own_irqchip,
					  .testdev = c->testdev };
	struct machine_config mc = {
		.name = c->name,
		.log = l->log,
		.memory = c->memory,
		.small_pages = c->huge_pages == HUGE_PAGES_OFF,
		.preallocate = c->preallocate,
		.model = &l->model,
		.vcpu = l->vcpu,
		.vcpu_count = c->vcpus,
		/* the instruction clock is one of all vCPUs, in an order that can be repeated */
		.parallel = c->vcpus > 1 && c->clock == CLOCK_HOST,
		.clock = c->clock,
		.devices = &devices,
		.load = { .kernel = c->kernel, .initrd = c->initrd, .cmdline = c->append },
		.no_reboot = c->no_reboot,
	};
	int err;

	if (c->debug_exit) {
		devices.debug_exit_iobase = c->debug_exit_iobase;
		devices.debug_exit_iosize = c->debug_exit_iosize;
	}
	devices.fw_cfg.cpus = c->vcpus;
	for (unsigned int i = 0; i < SERIAL_PORTS; i++) {
		l->port[i] = (struct l1_port){ l, i };
		if (c->serial[i].kind != SERIAL_NONE)
			devices.serial[i] = (struct serial_backend){ serial_out, &l->port[i] };
	}
	err = machine_create(&l->machine, &mc, error, n);
	if (err)
		return err == -EINVAL ? EXIT_USAGE : EXIT_HOST;
	l->model.tsc_hz = l->machine.clock.tsc_hz;
	l->model.vcpus = c->vcpus;
	return 0;
}

/* That of --trace: each vCPU has its own part of it. */
static int create_trace(struct l1 *l, char *error, size_t n)
{
	const struct run_config *c = l->config;
	const struct trace_run run = {
		.name = l->machine.name,
		.vcpus = c->vcpus,
		.counted = c->clock == CLOCK_INSNS,
		.start_tsc = l->machine.clock.start_tsc,
		.tsc_hz = l->machine.clock.tsc_hz,
		.kernel = c->kernel,
		.argc = c->argc,
		.argv = c->argv,
	};

	if (!c->exits.path[0])
		return 0;
	l->traces = traces_create(&c->exits, &run, error, n);
	for (unsigned int i = 0; i < c->vcpus && l->traces; i++)
		l->vcpu[i]->trace = traces_of(l->traces, i);
	return l->traces ? 0 : EXIT_HOST;
}

int l1_create(struct l1 *l, const struct run_config *c, FILE *log, char *error, size_t n)
{
	int code;

	*l = (struct l1){ .config = c, .log = log };
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->changed, NULL);
	code = prepare_model(l, error, n);
	if (!code)
		code = create_machine(l, error, n);
	if (code)
		return code;
	for (unsigned int i = 0; i < c->vcpus; i++)
		if (create_vcpu(l, i)) {
			snprintf(error, n, "%s: not enough memory for a vCPU", c->name);
			return EXIT_HOST;
		}
	l->turns = (struct turns){ .all = l->thread, .count = l->machine.parallel ? 1 : c->vcpus };
	if (c->trace & BIT(TRACE_BIT_io))
		l->machine.bus.trace = trace_io, l->machine.bus.trace_arg = &l->machine;
	l->machine.clock.source = &l->machine;
	l->machine.clock.now = insns_now;
	if (l->machine.parallel) {
		l->machine.clock.earlier = wake_first;
		l->machine.clock.earlier_arg = &l->machine;
	}
	code = create_trace(l, error, n);
	for (unsigned int i = 0; i < c->vcpus && !code; i++)
		code = l->engine->create(&l->thread[i], c, error, n);
	return code;
}

/* 0, or the errno that ended it early */
static int close_traces(struct l1 *l, u64 ticks, u64 ns)
{
	int err = l->traces ? traces_close(l->traces, ticks, ns) : 0;

	l->traces = NULL;
	for (unsigned int i = 0; i < l->config->vcpus; i++)
		if (l->vcpu[i])
			l->vcpu[i]->trace = NULL;
	return err;
}

void l1_destroy(struct l1 *l)
{
	unsigned int i = l->config->vcpus;

	close_traces(l, 0, 0);
	while (i--) {
		struct vcpu *v = l->thread[i].v;

		if (!v)
			continue;
		l->engine->destroy(&l->thread[i]);
		if (v->apic)
			lapic_destroy(v->apic);
		vmx_destroy(v);
		l->vcpu[i] = NULL;
		vcpu_thread_destroy(&l->thread[i]);
	}
	if (l->machine.name)
		machine_destroy(&l->machine);
	l->machine.name = NULL;
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
}

int l1_start(struct l1 *l)
{
	pace_init(&l->pace, l->config->cap);
	l->start_ns = l1_host_ns();
	return vcpu_thread_start(&l->thread[0], l1_main, l);
}

static void change(struct l1 *l, bool hold)
{
	pthread_mutex_lock(&l->lock);
	l->hold = hold;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

void l1_hold(struct l1 *l)
{
	change(l, true);
	machine_stop(&l->machine, STOP_HOLD, 0, NULL);
}

void l1_continue(struct l1 *l)
{
	change(l, false);
}

void l1_reset(struct l1 *l)
{
	l->reset_asked = true;
	machine_stop(&l->machine, STOP_RESET, 0, NULL);
	change(l, l->hold);
}

void l1_stop(struct l1 *l, enum stop_reason reason, int code, const char *why)
{
	machine_stop(&l->machine, reason, code, "%s", why);
	change(l, l->hold);
}

void l1_abort(struct l1 *l)
{
	const struct vcpu_thread *t = &l->thread[0];

	/* a thread whose vCPU is inside hasn't ended */
	for (unsigned int i = 0; l->machine.parallel && i < l->config->vcpus; i++)
		if (atomic_load(&l->vcpu[i]->inside) && (atomic_load(&t->v->inside) == 0 || l->vcpu[i]->alone))
			t = &l->thread[i];
	pthread_kill(t->thread, SIGABRT);
}

void l1_join(struct l1 *l)
{
	pthread_join(l->thread[0].thread, NULL);
	l->end_ns = l1_host_ns();
}

bool l1_end_account(struct l1 *l)
{
	u64 ticks = 0, ns = 0;

	for (unsigned int i = 0; i < l->config->vcpus && l->vcpu[i]->vmx; i++)
		rounds_end(&l->vcpu[i]->vmx->rounds);
	/* a tick is for all vCPUs what it is for the first one: numbers.c */
	if (l->vcpu[0]->vmx) {
		const struct rounds *rounds = &l->vcpu[0]->vmx->rounds;

		ticks = rounds->end_tsc - rounds->start_tsc;
		ns = rounds->end_ns - rounds->start_ns;
	}
	return !close_traces(l, ticks, ns);
}

int l1_exit_code(const struct l1 *l)
{
	switch (atomic_load(&l->machine.stop)) {
	case STOP_POWER_OFF:
	case STOP_RESET:
	case STOP_CPU_RESET:
		return EXIT_POWER_OFF;
	case STOP_INTERNAL:
		return EXIT_INTERNAL;
	default:
		return l->machine.stop_code;
	}
}

void l1_dump(struct l1 *l)
{
	for (unsigned int i = 0; i < l->config->vcpus; i++) {
		vcpu_dump(l->vcpu[i], machine_log(&l->machine));
		vmx_dump(l->vcpu[i], machine_log(&l->machine), "vmcs ");
	}
}

u64 l1_insns(const struct l1 *l)
{
	u64 n = 0;

	for (unsigned int i = 0; i < l->config->vcpus; i++)
		n += l->engine->insns(l->vcpu[i]);
	return n;
}

u64 l1_user_ns(const struct l1 *l)
{
	u64 first = 0;

	for (unsigned int i = 0; i < l->config->vcpus; i++) {
		u64 ns = __atomic_load_n(&l->thread[i].user_ns, __ATOMIC_RELAXED);

		if (ns && (!first || ns < first))
			first = ns;
	}
	/* the guest's clock has run since its machine was made, wall_ns since it was started */
	return first && l->machine.clock.kind == CLOCK_HOST ? first - l->start_ns : first;
}
