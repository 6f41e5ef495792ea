/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../account/stats.h"
#include "../cli/config.h"
#include "../cli/console.h"
#include "../cpu/insn.h"
#include "../cpu/model.h"
#include "../devices/acpi_pm.h"
#include "../devices/devices.h"
#include "../devices/irqchip.h"
#include "../machine/machine.h"
#include "../vmx/log.h"
#include "../vmx/vmx.h"
#include "crash.h"
#include "engine.h"
#include "loop.h"
#include "trace.h"
#include "sleep.h"
#include "turns.h"

/* A guest that only triple-faults would be reset for ever. */
#define TRIPLE_FAULTS_MAX 3

/* the end of the vCPU's thread, for the thread that waits for signals */
#define SIG_DONE SIGUSR2

struct port {
	struct run *run;
	unsigned int index;
};

struct run {
	const struct run_config *config;
	const struct engine *engine;
	struct cpu_model model;
	struct machine machine;
	struct vcpu *vcpu[VCPUS_MAX];
	struct vcpu_thread thread[VCPUS_MAX];
	struct turns turns;
	struct rounds rounds; /* of all vCPUs, when there are several */
	struct console *console;
	struct port port[SERIAL_PORTS];
	pthread_t main;
	u64 start_ns, end_ns;
};

static u64 host_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void serial_out(void *ctx, u8 byte)
{
	struct port *p = ctx;

	console_put(p->run->console, p->index, byte);
}

static size_t console_input(void *arg, unsigned int port, const u8 *data, size_t n)
{
	struct run *r = arg;

	return r->machine.serial[port] ? serial_input(r->machine.serial[port], data, n) : n;
}

static bool console_break(void *arg, unsigned int port)
{
	struct run *r = arg;

	return !r->machine.serial[port] || serial_input_break(r->machine.serial[port]);
}

static void console_quit(void *arg, int exit_code, const char *why)
{
	struct run *r = arg;

	machine_stop(&r->machine, STOP_QUIT, exit_code, "%s", why ? why : "");
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

static u64 resident(const struct machine *m)
{
	u64 total = 0, shared = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	unsigned long long kib;

	/* All but guest memory: the code cache is ours. */
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Rss: %llu kB", &kib) == 1)
			total = kib << 10;
	}
	fclose(f);
	f = fopen("/proc/self/smaps", "r");
	if (f) {
		bool guest = false;
		unsigned long long from, to;

		while (fgets(line, sizeof(line), f)) {
			if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
				guest = from >= (u64)m->memory.base &&
					from < (u64)m->memory.base + MEMORY_HIGH_START + m->memory.high;
			else if (guest && sscanf(line, "Rss: %llu kB", &kib) == 1)
				shared += kib << 10;
		}
		fclose(f);
	}
	return total > shared ? total - shared : 0;
}

struct report {
	struct stat_values tables[ENGINE_TABLES];
	struct stats_machine machine;
	struct stats_doc doc;
};

static u64 all_insns(const struct run *r)
{
	u64 n = 0;

	for (unsigned int i = 0; i < r->config->vcpus; i++)
		n += r->engine->insns(r->vcpu[i]);
	return n;
}

static u64 first_user_ns(const struct run *r)
{
	u64 first = 0;

	for (unsigned int i = 0; i < r->config->vcpus; i++)
		if (r->thread[i].user_ns && (!first || r->thread[i].user_ns < first))
			first = r->thread[i].user_ns;
	return first;
}

/* NULL without VMX */
static const struct rounds *all_rounds(struct run *r)
{
	if (!r->vcpu[0]->vmx)
		return NULL;
	if (r->config->vcpus == 1)
		return &r->vcpu[0]->vmx->rounds;
	r->rounds = r->vcpu[0]->vmx->rounds;
	for (unsigned int i = 1; i < r->config->vcpus; i++)
		rounds_add(&r->rounds, &r->vcpu[i]->vmx->rounds);
	return &r->rounds;
}

static void fill_report(struct run *r, struct report *report)
{
	const struct run_config *c = r->config;
	size_t tables = r->engine->stats(&r->thread[0], report->tables);

	report->machine = (struct stats_machine){
		.name = r->machine.name, .tables = report->tables, .count = tables, .rounds = all_rounds(r)
	};
	report->doc = (struct stats_doc){
		.argc = c->argc,
		.argv = c->argv,
		.counted_only = c->clock == CLOCK_INSNS,
		.run = {
			.insns = all_insns(r),
			.wall_ns = (r->end_ns ? r->end_ns : host_ns()) - r->start_ns,
			.user_ns = first_user_ns(r),
			.rss_bytes = resident(&r->machine),
		},
		.machines = &report->machine,
		.machine_count = 1,
	};
}

static int write_stats(struct run *r)
{
	struct report report;
	char error[512];

	if (!r->config->stats)
		return 0;
	fill_report(r, &report);
	if (stats_write(r->config->stats, &report.doc, error, sizeof(error))) {
		fprintf(stderr, "turtles: %s\n", error);
		return EXIT_HOST;
	}
	return 0;
}

/* What was counted up to now is what the stats, the summary and the trace say. False: the trace isn't whole. */
static bool end_of_account(struct run *r)
{
	u64 ticks = 0, ns = 0;
	int err = 0;

	for (unsigned int i = 0; i < r->config->vcpus && r->vcpu[i]->vmx; i++) {
		struct rounds *rounds = &r->vcpu[i]->vmx->rounds;

		rounds_end(rounds);
		ticks = rounds->end_tsc - rounds->start_tsc;
		ns = rounds->end_ns - rounds->start_ns;
	}
	if (r->vcpu[0]->trace)
		err = trace_close(r->vcpu[0]->trace, ticks, ns);
	r->vcpu[0]->trace = NULL;
	return !err;
}

static void power_on(struct run *r)
{
	for (unsigned int i = 0; i < r->config->vcpus; i++)
		vcpu_reset(r->vcpu[i], false);
	for (unsigned int i = 1; i < r->config->vcpus; i++)
		boot_firmware(r->vcpu[i]);
	boot_state_apply(&r->machine.boot, r->vcpu[0]);
	if (r->engine->power_on)
		r->engine->power_on(&r->thread[0]);
}

/* ACPI S3: only the clock goes on, until it wakes the machine. False: the machine has stopped for good. */
static bool sleep_until_woken(struct run *r)
{
	struct machine *m = &r->machine;
	struct clock *c = &m->clock;

	machine_sleep(m);
	while (!acpi_pm_wakes(m->acpi_pm)) {
		u64 now = clock_ns(c), next = timer_next(c);

		if (atomic_load(&m->stop))
			return false;
		if (!acpi_pm_can_wake(m->acpi_pm)) {
			machine_stop(m, STOP_HALTED_FOREVER, EXIT_GUEST_FATAL,
				     "guest sleeps (ACPI S3) and has set no alarm of the clock: nothing can wake it");
			return false;
		}
		for (unsigned int i = 0; i < m->vcpu_count; i++)
			atomic_store(&m->vcpu[i]->events, 0); /* whom they were for has lost its power */
		if (next <= now)
			timer_run(c);
		else if (c->kind == CLOCK_INSNS)
			r->thread[0].v->skipped_ns += next - now;
		else
			sleep_until(&r->thread[0], next);
	}
	return true;
}

static void *vcpu_main(void *arg)
{
	struct run *r = arg;
	struct machine *m = &r->machine;
	unsigned int faults = 0;
	char error[512];
	int err = crash_thread_begin(r->thread[0].v);

	if (err)
		machine_stop(m, STOP_INTERNAL, 0, "no alternate signal stack: %s", strerror(-err));
	power_on(r);
	if (r->turns.count > 1)
		turns_begin(&r->turns);
	for (;;) {
		enum machine_start start;
		int reason;

		r->engine->loop(&r->thread[0]);
		reason = atomic_load(&m->stop);
		if (!stop_is_pause(reason) || (reason != STOP_SLEEP && m->no_reboot))
			break;
		if (reason == STOP_SLEEP && !sleep_until_woken(r))
			break;
		if (r->thread[0].v->activity == ACTIVITY_SHUTDOWN && ++faults == TRIPLE_FAULTS_MAX) {
			machine_stop(m, STOP_TRIPLE_FAULT, EXIT_GUEST_FATAL,
				     "guest: triple fault, %d times in a row; last at rip %#llx", TRIPLE_FAULTS_MAX,
				     (unsigned long long)r->thread[0].v->rip);
			break;
		}
		start = reason == STOP_SLEEP ? machine_wake(m, error, sizeof(error))
					     : machine_reset(m, error, sizeof(error));
		if (start == START_FAILED) {
			machine_stop(m, STOP_INTERNAL, 0, "reset: %s", error);
			break;
		}
		if (start == START_RESUMED)
			faults = 0;
		power_on(r);
	}
	if (!err)
		crash_thread_end();
	pthread_kill(r->main, SIG_DONE);
	return NULL;
}

/* Signals and the time limit, until the vCPU is done. */
static void wait_for_end(struct run *r)
{
	u64 deadline = r->config->timeout_ns ? r->start_ns + r->config->timeout_ns : 0;
	struct timespec t;
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIG_DONE);
	for (;;) {
		u64 now = host_ns(), rest = 3600ull * 1000000000;

		if (deadline && now >= deadline) {
			machine_stop(&r->machine, STOP_TIMEOUT, EXIT_TIMEOUT,
				     "timeout: the guest still runs after %llu.%03llu s",
				     (unsigned long long)(r->config->timeout_ns / 1000000000),
				     (unsigned long long)(r->config->timeout_ns / 1000000 % 1000));
			console_hurry(r->console);
			deadline = 0;
		} else if (deadline) {
			rest = deadline - now;
		}
		t = (struct timespec){ .tv_sec = rest / 1000000000, .tv_nsec = rest % 1000000000 };
		signal = sigtimedwait(&set, NULL, &t);
		if (signal == SIG_DONE)
			return;
		if (signal == SIGUSR1)
			write_stats(r);
	}
}

static int exit_code(struct run *r)
{
	struct machine *m = &r->machine;
	int code = m->stop_code;

	switch (atomic_load(&m->stop)) {
	case STOP_POWER_OFF:
	case STOP_RESET:
	case STOP_CPU_RESET:
		code = EXIT_POWER_OFF;
		break;
	case STOP_INTERNAL:
		code = EXIT_INTERNAL;
		break;
	default:
		break;
	}
	if (m->stop_text[0])
		fprintf(stderr, "turtles: %s\n", m->stop_text);
	return code;
}

/* 0 or -ENOMEM */
static int create_vcpu(struct run *r, unsigned int i)
{
	struct vcpu *v;

	if (vcpu_thread_create(&r->thread[i], &r->machine, i))
		return -ENOMEM;
	v = r->vcpu[i] = r->thread[i].v;
	r->thread[i].trace = r->config->trace;
	v->apic = lapic_create(&r->machine, v);
	if (!v->apic || (model_has(&r->model, FEATURE_VMX) && !vmx_create(v, &r->config->vmx)))
		return -ENOMEM;
	return 0;
}

static int start(struct run *r, char *error, size_t n)
{
	const struct run_config *c = r->config;
	struct devices_config devices = { .no_pit = c->no_pit,
					  .no_irqchip = r->engine->own_irqchip,
					  .testdev = c->testdev };
	struct machine_config mc = {
		.name = c->name,
		.memory = c->memory,
		.small_pages = c->huge_pages == HUGE_PAGES_OFF,
		.model = &r->model,
		.vcpu = r->vcpu,
		.vcpu_count = c->vcpus,
		.clock = c->clock,
		.devices = &devices,
		.load = { .kernel = c->kernel, .initrd = c->initrd, .cmdline = c->append },
		.no_reboot = c->no_reboot,
	};
	unsigned int i;
	int err;

	if (c->debug_exit) {
		devices.debug_exit_iobase = c->debug_exit_iobase;
		devices.debug_exit_iosize = c->debug_exit_iosize;
	}
	devices.fw_cfg.cpus = c->vcpus;
	for (i = 0; i < SERIAL_PORTS; i++) {
		r->port[i] = (struct port){ r, i };
		if (c->serial[i].kind != SERIAL_NONE)
			devices.serial[i] = (struct serial_backend){ serial_out, &r->port[i] };
	}
	err = machine_create(&r->machine, &mc, error, n);
	if (err)
		return err == -EINVAL ? EXIT_USAGE : EXIT_HOST;
	r->model.tsc_hz = r->machine.clock.tsc_hz;
	r->model.vcpus = c->vcpus;
	for (i = 0; i < c->vcpus; i++) {
		err = create_vcpu(r, i);
		if (err)
			goto no_memory;
	}
	r->turns = (struct turns){ .all = r->thread, .count = c->vcpus };
	if (c->trace & BIT(TRACE_BIT_io))
		r->machine.bus.trace = trace_io;
	r->machine.clock.source = &r->machine;
	r->machine.clock.now = insns_now;
	if (c->exits.path[0]) {
		const struct trace_run run = {
			.name = r->machine.name,
			.counted = c->clock == CLOCK_INSNS,
			.start_tsc = r->machine.clock.start_tsc,
			.tsc_hz = r->machine.clock.tsc_hz,
			.kernel = c->kernel,
			.argc = c->argc,
			.argv = c->argv,
		};

		r->thread[0].v->trace = trace_create(&c->exits, &run, error, n);
		if (!r->thread[0].v->trace)
			return EXIT_HOST;
	}
	for (i = 0, err = 0; i < c->vcpus && !err; i++)
		err = r->engine->create(&r->thread[i], c, error, n);
	return err;
no_memory:
	snprintf(error, n, "%s: not enough memory for a vCPU", c->name);
	return EXIT_HOST;
}

static void end(struct run *r)
{
	unsigned int i = r->config->vcpus;

	while (i--) {
		struct vcpu *v = r->thread[i].v;

		if (!v)
			continue;
		r->engine->destroy(&r->thread[i]);
		if (v->trace)
			trace_close(v->trace, 0, 0);
		if (v->apic)
			lapic_destroy(v->apic);
		vmx_destroy(v);
		r->vcpu[i] = NULL;
		vcpu_thread_destroy(&r->thread[i]);
	}
	if (r->machine.name)
		machine_destroy(&r->machine);
}

static void dump(struct vcpu *v)
{
	vcpu_dump(v, stderr);
	vmx_dump(v, stderr, "vmcs ");
}

static const struct engine *const ENGINES[] = { [ENGINE_BT] = &engine_bt, [ENGINE_KVM] = &engine_kvm };

int run_vm(const struct run_config *config)
{
	struct run r = { .config = config, .engine = ENGINES[config->engine], .main = pthread_self() };
	struct console_hooks hooks = {
		.input = console_input, .send_break = console_break, .quit = console_quit, .arg = &r
	};
	char error[512];
	sigset_t set;
	int code, err;

	if (model_parse(&r.model, config->cpu, error, sizeof(error))) {
		fprintf(stderr, "turtles: %s\n", error);
		return EXIT_USAGE;
	}
	if (config->clock == CLOCK_INSNS)
		model_repeatable(&r.model);
	code = r.engine->prepare(&r.model, error, sizeof(error));
	if (code) {
		fprintf(stderr, "turtles: %s\n", error);
		return code;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIG_DONE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	code = start(&r, error, sizeof(error));
	if (code) {
		fprintf(stderr, "turtles: %s\n", error);
		end(&r);
		return code;
	}
	r.console = console_create(config->serial, &hooks, error, sizeof(error));
	if (!r.console) {
		fprintf(stderr, "turtles: %s\n", error);
		end(&r);
		return EXIT_HOST;
	}
	crash_install(r.console);
	r.start_ns = host_ns();
	err = vcpu_thread_start(&r.thread[0], vcpu_main, &r);
	if (err) {
		fprintf(stderr, "turtles: can't start a thread for vCPU 0: %s\n", strerror(-err));
		code = EXIT_HOST;
	} else {
		wait_for_end(&r);
		pthread_join(r.thread[0].thread, NULL);
		r.end_ns = host_ns();
	}
	console_destroy(r.console);
	if (!err) {
		code = exit_code(&r);
		if (!end_of_account(&r) && !code)
			code = EXIT_HOST;
		if (config->dump_on_exit)
			for (unsigned int i = 0; i < config->vcpus; i++)
				dump(r.vcpu[i]);
		if (write_stats(&r) && !code)
			code = EXIT_HOST;
		if (config->summary) {
			struct report report;

			fill_report(&r, &report);
			stats_summary(stderr, &report.doc);
		}
	}
	crash_install(NULL);
	end(&r);
	return code;
}
