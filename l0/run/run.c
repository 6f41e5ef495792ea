/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../cli/console.h"
#include "../devices/devices.h"
#include "crash.h"
#include "l1.h"

/* the end of the L1's thread, for the thread that waits for signals */
#define SIG_DONE SIGUSR2

struct run {
	const struct run_config *config;
	struct l1 l1;
	struct console *console;
	pthread_t main;
};

static size_t console_input(void *arg, unsigned int port, const u8 *data, size_t n)
{
	struct machine *m = &((struct run *)arg)->l1.machine;

	return m->serial[port] ? serial_input(m->serial[port], data, n) : n;
}

static bool console_break(void *arg, unsigned int port)
{
	struct machine *m = &((struct run *)arg)->l1.machine;

	return !m->serial[port] || serial_input_break(m->serial[port]);
}

static void console_quit(void *arg, int exit_code, const char *why)
{
	struct run *r = arg;

	machine_stop(&r->l1.machine, STOP_QUIT, exit_code, "%s", why ? why : "");
}

static void l1_ended(void *arg)
{
	pthread_kill(((struct run *)arg)->main, SIG_DONE);
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

static struct stats_doc report(struct run *r, struct stats_machine *machine)
{
	const struct run_config *c = r->config;
	struct l1 *l = &r->l1;

	*machine = l1_report(l);
	return (struct stats_doc){
		.argc = c->argc,
		.argv = c->argv,
		.counted_only = c->clock == CLOCK_INSNS,
		.run = {
			.insns = l1_insns(l),
			.wall_ns = (l->end_ns ? l->end_ns : l1_host_ns()) - l->start_ns,
			.user_ns = l1_user_ns(l),
			.rss_bytes = resident(&l->machine),
		},
		.machines = machine,
		.machine_count = 1,
	};
}

static int write_stats(struct run *r)
{
	struct stats_machine machine;
	struct stats_doc doc;
	char error[512];

	if (!r->config->stats)
		return 0;
	doc = report(r, &machine);
	if (stats_write(r->config->stats, &doc, error, sizeof(error))) {
		fprintf(stderr, "turtles: %s\n", error);
		return EXIT_HOST;
	}
	return 0;
}

static void print_summary(struct run *r)
{
	struct stats_machine machine;
	struct stats_doc doc = report(r, &machine);

	stats_summary(stderr, &doc);
}

/* Signals and the time limit, until the L1 is done. */
static void wait_for_end(struct run *r)
{
	u64 deadline = r->config->timeout_ns ? r->l1.start_ns + r->config->timeout_ns : 0;
	struct timespec t;
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIG_DONE);
	for (;;) {
		u64 now = l1_host_ns(), rest = 3600ull * 1000000000;

		if (deadline && now >= deadline) {
			machine_stop(&r->l1.machine, STOP_TIMEOUT, EXIT_TIMEOUT,
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

/* What the L1 leaves, after its end. Returns the exit code. */
static int conclude(struct run *r)
{
	int code = l1_exit_code(&r->l1);

	if (r->l1.machine.stop_text[0])
		fprintf(stderr, "turtles: %s\n", r->l1.machine.stop_text);
	if (!l1_end_account(&r->l1) && !code)
		code = EXIT_HOST;
	if (r->config->dump_on_exit)
		l1_dump(&r->l1);
	if (write_stats(r) && !code)
		code = EXIT_HOST;
	if (r->config->summary)
		print_summary(r);
	return code;
}

int run_vm(const struct run_config *config)
{
	struct run r = { .config = config, .main = pthread_self() };
	struct console_hooks hooks = {
		.input = console_input, .send_break = console_break, .quit = console_quit, .arg = &r
	};
	char error[512];
	sigset_t set;
	int code, err;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIG_DONE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	code = l1_create(&r.l1, config, error, sizeof(error));
	if (code)
		goto fail;
	r.l1.ended = l1_ended;
	r.l1.ended_arg = &r;
	r.console = r.l1.console = console_create(config->serial, &hooks, error, sizeof(error));
	if (!r.console) {
		code = EXIT_HOST;
		goto fail;
	}
	crash_install(r.console);
	err = l1_start(&r.l1);
	if (err) {
		fprintf(stderr, "turtles: can't start a thread for vCPU 0: %s\n", strerror(-err));
		code = EXIT_HOST;
	} else {
		wait_for_end(&r);
		l1_join(&r.l1);
	}
	console_destroy(r.console);
	if (!err)
		code = conclude(&r);
	crash_install(NULL);
	l1_destroy(&r.l1);
	return code;
fail:
	fprintf(stderr, "turtles: %s\n", error);
	l1_destroy(&r.l1);
	return code;
}
