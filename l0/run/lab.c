/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread of the lab: it owns all L1s, and waits for what concerns them. What other threads want of it (the console's: a quit; an
 * L1's: its end) they leave in the struct, and wake it. Only this thread creates, joins and destroys L1s and writes the stats, so
 * none of that needs a lock; one per L1 keeps the console's thread off a machine that isn't there.
 */
#include "lab.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../account/output.h"
#include "../account/stats.h"
#include "../cli/console.h"
#include "../devices/devices.h"
#include "control.h"
#include "crash.h"
#include "guest.h"
#include "place.h"
#include "sandbox.h"

void lab_wake(struct lab *lab)
{
	u64 one = 1;

	/* full means that a wake-up is already under way */
	while (write(lab->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

bool lab_has_several(const struct lab *lab)
{
	return lab->count > 1;
}

unsigned int lab_running(const struct lab *lab)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < lab->count; i++)
		n += lab->guest[i].running;
	return n;
}

/* What the console's thread calls */

static struct guest *guest_of_port(struct lab *lab, unsigned int port)
{
	return &lab->guest[port / SERIAL_PORTS];
}

static size_t console_input(void *arg, unsigned int port, const u8 *data, size_t n)
{
	struct guest *g = guest_of_port(arg, port);
	struct serial *serial;

	pthread_mutex_lock(&g->lock);
	serial = g->reachable ? g->l1.machine.serial[port % SERIAL_PORTS] : NULL;
	if (serial)
		n = serial_input(serial, data, n);
	pthread_mutex_unlock(&g->lock);
	return n;
}

static bool console_break(void *arg, unsigned int port)
{
	struct guest *g = guest_of_port(arg, port);
	struct serial *serial;
	bool done;

	pthread_mutex_lock(&g->lock);
	serial = g->reachable ? g->l1.machine.serial[port % SERIAL_PORTS] : NULL;
	done = !serial || serial_input_break(serial);
	pthread_mutex_unlock(&g->lock);
	return done;
}

static void console_quit(void *arg, unsigned int port, int exit_code, const char *why)
{
	struct lab *lab = arg;

	pthread_mutex_lock(&lab->lock);
	/* the end of all is not forgotten for the end of one */
	if (!lab->quit.asked || port == CONSOLE_ALL) {
		lab->quit = (struct quit){ .asked = true, .port = port, .code = exit_code };
		snprintf(lab->quit.why, sizeof(lab->quit.why), "%s", why ? why : "");
	}
	pthread_mutex_unlock(&lab->lock);
	lab_wake(lab);
}

/* What the lab's thread does */

static bool is_guest_memory(const struct lab *lab, u64 address)
{
	for (unsigned int i = 0; i < lab->count; i++) {
		const struct memory *m = &lab->guest[i].l1.machine.memory;

		if (lab->guest[i].created && address >= (u64)m->base &&
		    address < (u64)m->base + MEMORY_HIGH_START + m->high)
			return true;
	}
	return false;
}

u64 lab_resident(const struct lab *lab)
{
	unsigned long long from, to, kib;
	FILE *f = fopen("/proc/self/smaps", "re");
	bool skip = false;
	char line[256];
	u64 total = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		/* the code cache is ours, once: its other view is for running it */
		if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
			skip = is_guest_memory(lab, from) || (strstr(line, " r-xs ") && strstr(line, "memfd:"));
		else if (!skip && sscanf(line, "Rss: %llu kB", &kib) == 1)
			total += kib << 10;
	}
	fclose(f);
	return total;
}

/* The numbers of all L1s as they are now, or of one; machines has lab->count elements. */
static struct stats_doc report(struct lab *lab, const struct guest *only, struct stats_machine *machines, u64 rss)
{
	struct stats_doc doc = {
		.argc = lab->config->argc,
		.argv = lab->config->argv,
		.counted_only = true,
		.run = { .wall_ns = l1_host_ns() - lab->start_ns, .rss_bytes = rss },
		.machines = machines,
	};

	for (unsigned int i = 0; i < lab->count; i++) {
		struct guest *g = &lab->guest[i];

		if (g->created && l1_numbers_take(&g->numbers, &g->l1, g->starts))
			guest_say(g, "not enough memory for the stats");
		doc.counted_only &= g->config->clock == CLOCK_INSNS;
		doc.run.insns += g->numbers.life.insns;
		if (g->numbers.life.user_ns && (!doc.run.user_ns || g->numbers.life.user_ns < doc.run.user_ns))
			doc.run.user_ns = g->numbers.life.user_ns;
		if (only && only != g)
			continue;
		machines[doc.machine_count++] = (struct stats_machine){
			.name = g->config->name,
			.status = guest_status(g),
			.exit_code = g->code,
			.end = g->end,
			.engine = g->numbers.engine,
			.counted_only = g->config->clock == CLOCK_INSNS,
			.tables = g->numbers.tables,
			.count = g->numbers.count,
			.rounds = g->numbers.rounds,
		};
	}
	return doc;
}

json_t *lab_stats(struct lab *lab, const struct guest *only)
{
	struct stats_machine machines[L1_MAX];
	struct stats_doc doc = report(lab, only, machines, lab_resident(lab));

	return stats_json(&doc);
}

static int write_stats(struct lab *lab, u64 rss)
{
	struct stats_machine machines[L1_MAX];
	struct stats_doc doc;
	char error[512];

	if (!lab->config->stats)
		return 0;
	doc = report(lab, NULL, machines, rss);
	if (stats_write(lab->config->stats, &doc, error, sizeof(error))) {
		fprintf(stderr, "turtles: %s\n", error);
		return EXIT_HOST;
	}
	return 0;
}

static void print_summary(struct lab *lab)
{
	struct stats_machine machines[L1_MAX];
	struct stats_doc doc = report(lab, NULL, machines, lab->rss);

	stats_summary(stderr, &doc);
}

static void guest_timeout(struct guest *g)
{
	char why[128];

	snprintf(why, sizeof(why), "timeout: the guest still runs after %llu.%03llu s",
		 (unsigned long long)(g->config->timeout_ns / 1000000000),
		 (unsigned long long)(g->config->timeout_ns / 1000000 % 1000));
	g->deadline = 0;
	guest_stop(g, CAUSE_HOST, STOP_TIMEOUT, EXIT_TIMEOUT, why);
}

void lab_quit(struct lab *lab, enum cause cause, int code, const char *why)
{
	lab->quitting = true;
	for (unsigned int i = 0; i < lab->count; i++)
		guest_stop(&lab->guest[i], cause, STOP_QUIT, code, why);
}

/* What the console's thread has asked for. */
static void quit(struct lab *lab)
{
	struct quit q;

	pthread_mutex_lock(&lab->lock);
	q = lab->quit;
	lab->quit.asked = false;
	pthread_mutex_unlock(&lab->lock);
	if (!q.asked)
		return;
	if (q.port != CONSOLE_ALL) {
		guest_stop(guest_of_port(lab, q.port), CAUSE_HOST, STOP_QUIT, q.code, q.why);
		return;
	}
	if (q.code >= 128)
		lab->signal_code = q.code;
	lab_quit(lab, q.why[0] ? CAUSE_HOST : q.code ? CAUSE_SIGNAL : CAUSE_USER, q.code, q.why);
}

/* The report would come from a vCPU's thread, and it may be that none is alive to give it. */
static void guest_hangs(struct guest *g)
{
	guest_say(g, "internal error: it was told to end, and still hasn't half a minute later");
	g->overdue = 0;
	l1_abort(&g->l1);
}

/* L1s whose time is over end. Returns in how many ms the next one's will be, -1: none has a limit. */
static int deadlines(struct lab *lab)
{
	u64 now = l1_host_ns(), next = UINT64_MAX;

	for (unsigned int i = 0; i < lab->count; i++) {
		struct guest *g = &lab->guest[i];

		if (g->running && g->deadline && now >= g->deadline)
			guest_timeout(g);
		if (g->running && !g->ended && g->overdue && now >= g->overdue)
			guest_hangs(g);
		if (g->running && g->deadline && g->deadline < next)
			next = g->deadline;
		if (g->running && !g->ended && g->overdue && g->overdue < next)
			next = g->overdue;
	}
	if (next == UINT64_MAX)
		return -1;
	return (next - now) / 1000000 < 3600000 ? (int)((next - now + 999999) / 1000000) : 3600000;
}

static void on_signal(struct lab *lab)
{
	if (signal_wait_read(&lab->signals))
		write_stats(lab, lab_resident(lab));
}

/* L1s that have ended are concluded. False: that was the last one, which is still to be, when its console has been written out. */
static bool conclude(struct lab *lab)
{
	bool stays = lab->config->no_shutdown && !lab->quitting;

	for (unsigned int i = 0; i < lab->count; i++) {
		struct guest *g = &lab->guest[i];

		if (!g->running)
			continue;
		guest_listen(g);
		if (!g->ended)
			continue;
		if (lab_running(lab) == 1 && !stays)
			return false;
		guest_conclude(g);
	}
	return lab_running(lab) || stays;
}

static void wait_for_end(struct lab *lab)
{
	struct pollfd fds[2 + CONTROL_FDS] = { { .fd = lab->wake, .events = POLLIN },
					       { .fd = lab->signals.fd, .events = POLLIN } };

	while (conclude(lab)) {
		unsigned int n = lab->control ? control_fds(lab->control, fds + 2) : 0;
		u64 count;

		if (poll(fds, 2 + n, deadlines(lab)) <= 0)
			continue;
		if (fds[0].revents && read(lab->wake, &count, sizeof(count)) == sizeof(count))
			quit(lab);
		if (fds[1].revents)
			on_signal(lab);
		if (n)
			control_serve(lab->control, fds + 2);
	}
}

static int exit_code(const struct lab *lab)
{
	int code = EXIT_POWER_OFF;

	if (lab->signal_code)
		return lab->signal_code;
	for (unsigned int i = 0; i < lab->count; i++) {
		if (lab->guest[i].code == EXIT_INTERNAL)
			return EXIT_INTERNAL;
		if (!code && lab->guest[i].code > 0)
			code = lab->guest[i].code;
	}
	return code;
}

static int create_console(struct lab *lab)
{
	const struct console_hooks hooks = {
		.input = console_input, .send_break = console_break, .quit = console_quit, .arg = lab
	};
	struct console_port ports[L1_MAX * SERIAL_PORTS];
	char error[512];

	for (unsigned int i = 0; i < lab->count * SERIAL_PORTS; i++) {
		const struct run_config *c = lab->guest[i / SERIAL_PORTS].config;

		ports[i] = (struct console_port){
			.serial = c->serial[i % SERIAL_PORTS],
			.name = lab_has_several(lab) ? c->name : NULL,
			.number = i % SERIAL_PORTS,
		};
	}
	lab->console = console_create(ports, lab->count * SERIAL_PORTS, &hooks, error, sizeof(error));
	if (!lab->console)
		fprintf(stderr, "turtles: %s\n", error);
	return lab->console ? 0 : EXIT_HOST;
}

/* At the end, when it is written, all that was measured would be lost with a name that can't be. */
static int try_stats(const struct lab *lab)
{
	int err = lab->config->stats ? output_try(lab->config->stats) : 0;

	if (err)
		fprintf(stderr, "turtles: stats: could not write %s: %s\n", lab->config->stats, strerror(-err));
	return err ? EXIT_HOST : 0;
}

static int create_control(struct lab *lab)
{
	char error[512];

	if (!lab->config->control)
		return 0;
	lab->control = control_create(lab->config->control, lab_execute, lab, error, sizeof(error));
	if (!lab->control)
		fprintf(stderr, "turtles: %s\n", error);
	return lab->control ? 0 : EXIT_HOST;
}

static bool uses_kvm(const struct lab *lab)
{
	for (unsigned int i = 0; i < lab->count; i++)
		if (lab->guest[i].l1.engine != &engine_bt)
			return true;
	return false;
}

/* Where it is refused the run goes on without. 0, or an exit code after a line on stderr. */
static int enter_sandbox(struct lab *lab)
{
	char error[256];

	if (!lab->sandbox)
		return 0;
	switch (sandbox_enter(lab->sandbox, uses_kvm(lab), error, sizeof(error))) {
	case SANDBOX_ENTERED:
		break;
	case SANDBOX_REFUSED:
		fprintf(stderr, "turtles: no sandbox: %s\n", error);
		sandbox_destroy(lab->sandbox);
		lab->sandbox = NULL;
		break;
	case SANDBOX_WITHOUT_KEEPER:
		fprintf(stderr, "turtles: sandbox: %s\n", error);
		return EXIT_HOST;
	}
	return 0;
}

/* From the machines' power-on to the last one's end. */
static int run(struct lab *lab)
{
	char error[512];
	int code = create_console(lab);

	if (code)
		return code;
	crash_install(lab->console);
	code = enter_sandbox(lab);
	if (code) {
		crash_install(NULL);
		console_destroy(lab->console);
		lab->console = NULL;
		return code;
	}
	lab->start_ns = l1_host_ns();
	for (unsigned int i = 0; i < lab->count && !code; i++) {
		code = guest_start(&lab->guest[i], error, sizeof(error));
		if (code)
			fprintf(stderr, "turtles: %s\n", error);
	}
	/* those that have started end with the one that couldn't */
	if (code)
		lab_quit(lab, CAUSE_HOST, code, "");
	wait_for_end(lab);
	console_destroy(lab->console);
	lab->console = NULL;
	for (unsigned int i = 0; i < lab->count; i++)
		if (lab->guest[i].running)
			guest_conclude(&lab->guest[i]);
	code = exit_code(lab);
	if (write_stats(lab, lab->rss) && !code)
		code = EXIT_HOST;
	if (lab->config->summary)
		print_summary(lab);
	crash_install(NULL);
	return code;
}

/* most: what the L1 with the largest shares has; base: this process's nice value */
static void weigh(struct guest *g, unsigned int most, int base)
{
	unsigned int counts_as;
	char text[128];

	g->nice = pace_nice(g->config->shares, most, base, &counts_as);
	if (counts_as == g->config->shares)
		return;
	snprintf(text, sizeof(text), "--shares: %u beside %u can't be: nice values end at 19, so it counts as %u",
		 g->config->shares, most, counts_as);
	guest_say(g, text);
}

/* Where the L1s' threads run and what they weigh. 0, or an exit code after a line on stderr. */
static int place(struct lab *lab)
{
	unsigned int vcpus[L1_MAX], most = 1, all = 0;
	cpu_set_t cpus;
	char error[256], warning[256];
	int base = getpriority(PRIO_PROCESS, 0);

	for (unsigned int i = 0; i < lab->count; i++) {
		vcpus[i] = lab->config->l1[i].vcpus;
		all += vcpus[i];
		most = lab->config->l1[i].shares > most ? lab->config->l1[i].shares : most;
	}
	for (unsigned int i = 0; i < lab->count; i++)
		weigh(&lab->guest[i], most, base);
	/* one that binds to few may be crowded where others aren't: PAUSE costs a little more there, and is right */
	lab->crowded = sched_getaffinity(0, sizeof(cpus), &cpus) || all > (unsigned int)CPU_COUNT(&cpus) ||
		       lab->config->place;
	if (!lab->config->place)
		return 0;
	lab->place = place_create(lab->config->place, lab->count, vcpus, NULL, error, sizeof(error), warning,
				  sizeof(warning));
	if (!lab->place || warning[0])
		fprintf(stderr, "turtles: %s\n", lab->place ? warning : error);
	return lab->place ? 0 : EXIT_HOST;
}

/* Without one a run is what it is with --sandbox off, which is told. */
static void create_sandbox(struct lab *lab)
{
	char error[256];

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return; /* sanitizers look at the process from the outside */
#endif
	if (lab->config->sandbox == SANDBOX_OFF)
		return;
	sandbox_close_inherited();
	lab->sandbox = sandbox_prepare(lab->config, error, sizeof(error));
	if (!lab->sandbox)
		fprintf(stderr, "turtles: no sandbox: %s\n", error);
}

/* False: a line on stderr says why. */
static bool prepare(struct lab *lab)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_mutex_init(&lab->lock, NULL);
	lab->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	lab->guest = calloc(lab->count, sizeof(lab->guest[0]));
	if (lab->wake < 0 || !lab->guest || !signal_wait_open(&lab->signals, &set)) {
		fprintf(stderr, "turtles: the run can't begin: %s\n", strerror(errno));
		return false;
	}
	for (unsigned int i = 0; i < lab->count; i++)
		guest_init(&lab->guest[i], lab, i);
	return true;
}

static void release(struct lab *lab)
{
	control_destroy(lab->control);
	place_destroy(lab->place);
	for (unsigned int i = 0; lab->guest && i < lab->count; i++)
		guest_release(&lab->guest[i]);
	free(lab->guest);
	signal_wait_close(&lab->signals);
	if (lab->wake >= 0)
		close(lab->wake);
	pthread_mutex_destroy(&lab->lock);
	sandbox_destroy(lab->sandbox);
}

int lab_run(const struct lab_config *config)
{
	struct lab lab = { .config = config, .count = config->l1_count, .wake = -1, .signals.fd = -1 };
	char error[512];
	int code;

	create_sandbox(&lab);
	code = prepare(&lab) ? place(&lab) : EXIT_HOST;
	if (!code)
		code = try_stats(&lab);
	if (!code)
		code = create_control(&lab);
	for (unsigned int i = 0; i < lab.count && !code; i++) {
		code = guest_create(&lab.guest[i], error, sizeof(error));
		if (code)
			fprintf(stderr, "turtles: %s\n", error);
	}
	if (!code)
		code = run(&lab);
	release(&lab);
	return code;
}
