/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread of the lab: it owns all L1s, and waits for what concerns them. What other threads want of it (the console's: a quit; an
 * L1's: its end) they leave in the struct, and wake it. Only this thread creates, joins and destroys L1s and writes the stats, so
 * none of that needs a lock; one per L1 keeps the console's thread off a machine that isn't there.
 */
#include "lab.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../account/stats.h"
#include "../cli/console.h"
#include "../devices/devices.h"
#include "crash.h"
#include "l1.h"
#include "numbers.h"

/* One of the L1s, there or not */
struct guest {
	struct lab *lab;
	const struct run_config *config;
	unsigned int number;
	struct l1 l1;
	bool created; /* l1_destroy() is to be called */
	pthread_mutex_t lock; /* of `reachable` */
	bool reachable; /* the console's thread may use l1.machine */
	bool running; /* from its start to l1_join() */
	_Atomic bool done; /* its thread has come to its end */
	u64 starts;
	u64 deadline; /* CLOCK_MONOTONIC; 0: none */
	int code; /* exit code; -1: it hasn't ended yet */
	char end[256]; /* one line about its end, or "" */
	struct l1_numbers numbers; /* as of its end, or of the last look */
};

/* The console's thread asks for an end. */
struct quit {
	bool asked;
	unsigned int port; /* CONSOLE_ALL: of all L1s */
	int code;
	char why[160];
};

struct lab {
	const struct lab_config *config;
	struct guest *guest;
	unsigned int count;
	struct console *console;
	int wake, signals; /* eventfd, signalfd */
	pthread_mutex_t lock; /* of `quit` */
	struct quit quit;
	int signal_code; /* 128 + N: signal N has asked for the end; 0: none has */
	u64 start_ns;
	u64 rss; /* as of the last L1's end */
};

static void wake(struct lab *lab)
{
	u64 one = 1;

	/* full means that a wake-up is already under way */
	while (write(lab->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static bool several(const struct lab *lab)
{
	return lab->count > 1;
}

/* One line about an L1; its name is in front if there are others. */
static void say(const struct guest *g, const char *text)
{
	if (several(g->lab))
		fprintf(stderr, "turtles: %s: %s\n", g->config->name, text);
	else
		fprintf(stderr, "turtles: %s\n", text);
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
	wake(lab);
}

static void set_reachable(struct guest *g, bool reachable)
{
	pthread_mutex_lock(&g->lock);
	g->reachable = reachable;
	pthread_mutex_unlock(&g->lock);
}

/* What an L1's thread calls */

static void guest_done(void *arg)
{
	struct guest *g = arg;

	g->done = true;
	wake(g->lab);
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

/* All but guest memory: the code cache is ours. 0 where the host doesn't say */
static u64 resident(const struct lab *lab)
{
	unsigned long long from, to, kib;
	FILE *f = fopen("/proc/self/smaps", "re");
	bool guest = false;
	char line[256];
	u64 total = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
			guest = is_guest_memory(lab, from);
		else if (!guest && sscanf(line, "Rss: %llu kB", &kib) == 1)
			total += kib << 10;
	}
	fclose(f);
	return total;
}

static const char *status(const struct guest *g)
{
	if (g->code < 0)
		return "running";
	return g->code == EXIT_INTERNAL	     ? "internal-error"
	       : g->code == EXIT_GUEST_FATAL ? "guest-panicked"
					     : "shutdown";
}

/* The numbers of all L1s as they are now; machines has lab->count elements. */
static struct stats_doc report(struct lab *lab, struct stats_machine *machines, u64 rss)
{
	struct stats_doc doc = {
		.argc = lab->config->argc,
		.argv = lab->config->argv,
		.counted_only = true,
		.run = { .wall_ns = l1_host_ns() - lab->start_ns, .rss_bytes = rss },
		.machines = machines,
		.machine_count = lab->count,
	};

	for (unsigned int i = 0; i < lab->count; i++) {
		struct guest *g = &lab->guest[i];

		if (g->created && l1_numbers_take(&g->numbers, &g->l1, g->starts))
			say(g, "not enough memory for the stats");
		machines[i] = (struct stats_machine){
			.name = g->config->name,
			.status = status(g),
			.exit_code = g->code,
			.end = g->end,
			.counted_only = g->config->clock == CLOCK_INSNS,
			.tables = g->numbers.tables,
			.count = g->numbers.count,
			.rounds = g->numbers.rounds,
		};
		doc.counted_only &= g->config->clock == CLOCK_INSNS;
		doc.run.insns += g->numbers.life.insns;
		if (g->numbers.life.user_ns && (!doc.run.user_ns || g->numbers.life.user_ns < doc.run.user_ns))
			doc.run.user_ns = g->numbers.life.user_ns;
	}
	return doc;
}

static int write_stats(struct lab *lab, u64 rss)
{
	struct stats_machine machines[L1_MAX];
	struct stats_doc doc;
	char error[512];

	if (!lab->config->stats)
		return 0;
	doc = report(lab, machines, rss);
	if (stats_write(lab->config->stats, &doc, error, sizeof(error))) {
		fprintf(stderr, "turtles: %s\n", error);
		return EXIT_HOST;
	}
	return 0;
}

static void print_summary(struct lab *lab)
{
	struct stats_machine machines[L1_MAX];
	struct stats_doc doc = report(lab, machines, lab->rss);

	stats_summary(stderr, &doc);
}

/* Build it, up to power-on. 0, or an exit code after a line on stderr. */
static int guest_create(struct guest *g)
{
	char error[512];
	int code = l1_create(&g->l1, g->config, error, sizeof(error));

	if (code) {
		fprintf(stderr, "turtles: %s\n", error);
		l1_destroy(&g->l1);
		return code;
	}
	g->created = true;
	g->l1.ended = guest_done;
	g->l1.ended_arg = g;
	g->l1.console_port = g->number * SERIAL_PORTS;
	return 0;
}

static void guest_destroy(struct guest *g)
{
	set_reachable(g, false);
	if (g->created)
		l1_destroy(&g->l1);
	g->created = false;
}

static int guest_start(struct guest *g)
{
	char text[128];
	int err;

	g->l1.console = g->lab->console;
	g->done = false;
	g->starts++;
	err = l1_start(&g->l1);
	if (err) {
		snprintf(text, sizeof(text), "can't start a thread for vCPU 0: %s", strerror(-err));
		say(g, text);
		g->code = EXIT_HOST;
		return EXIT_HOST;
	}
	g->running = true;
	g->deadline = g->config->timeout_ns ? g->l1.start_ns + g->config->timeout_ns : 0;
	set_reachable(g, true);
	return 0;
}

/* It has to end: nobody waits for its console's readers any more. */
static void guest_stop(struct guest *g, enum stop_reason reason, int code, const char *why)
{
	if (!g->running)
		return;
	machine_stop(&g->l1.machine, reason, code, "%s", why);
	for (unsigned int i = 0; i < SERIAL_PORTS; i++)
		console_hurry(g->lab->console, g->number * SERIAL_PORTS + i, true);
}

static void guest_timeout(struct guest *g)
{
	char why[128];

	snprintf(why, sizeof(why), "timeout: the guest still runs after %llu.%03llu s",
		 (unsigned long long)(g->config->timeout_ns / 1000000000),
		 (unsigned long long)(g->config->timeout_ns / 1000000 % 1000));
	g->deadline = 0;
	guest_stop(g, STOP_TIMEOUT, EXIT_TIMEOUT, why);
}

/* What an L1 leaves, after its end: its exit code, a line, its numbers. Then its memory is given back. */
static void guest_conclude(struct guest *g)
{
	char text[300];

	l1_join(&g->l1);
	g->running = false;
	g->code = l1_exit_code(&g->l1);
	snprintf(g->end, sizeof(g->end), "%s", g->l1.machine.stop_text);
	if (!l1_end_account(&g->l1) && !g->code)
		g->code = EXIT_HOST;
	if (g->end[0])
		say(g, g->end);
	if (several(g->lab)) {
		snprintf(text, sizeof(text), "has ended with exit code %d", g->code);
		say(g, text);
	}
	if (g->config->dump_on_exit)
		l1_dump(&g->l1);
	if (l1_numbers_take(&g->numbers, &g->l1, g->starts))
		say(g, "not enough memory for the stats");
	g->lab->rss = resident(g->lab);
	guest_destroy(g);
}

static unsigned int running(const struct lab *lab)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < lab->count; i++)
		n += lab->guest[i].running;
	return n;
}

static void quit(struct lab *lab)
{
	struct quit q;

	pthread_mutex_lock(&lab->lock);
	q = lab->quit;
	lab->quit.asked = false;
	pthread_mutex_unlock(&lab->lock);
	if (!q.asked)
		return;
	if (q.port == CONSOLE_ALL && q.code >= 128)
		lab->signal_code = q.code;
	for (unsigned int i = 0; i < lab->count; i++)
		if (q.port == CONSOLE_ALL || q.port / SERIAL_PORTS == i)
			guest_stop(&lab->guest[i], STOP_QUIT, q.code, q.why);
}

/* L1s whose time is over end. Returns in how many ms the next one's will be, -1: none has a limit. */
static int deadlines(struct lab *lab)
{
	u64 now = l1_host_ns(), next = UINT64_MAX;

	for (unsigned int i = 0; i < lab->count; i++) {
		struct guest *g = &lab->guest[i];

		if (g->running && g->deadline && now >= g->deadline)
			guest_timeout(g);
		if (g->running && g->deadline && g->deadline < next)
			next = g->deadline;
	}
	if (next == UINT64_MAX)
		return -1;
	return (next - now) / 1000000 < 3600000 ? (int)((next - now + 999999) / 1000000) : 3600000;
}

static void on_signal(struct lab *lab)
{
	struct signalfd_siginfo info;

	if (read(lab->signals, &info, sizeof(info)) == sizeof(info))
		write_stats(lab, resident(lab));
}

/* Until the last one has come to its end; that is still to be concluded, when its console has been written out. */
static void wait_for_end(struct lab *lab)
{
	struct pollfd fds[] = { { .fd = lab->wake, .events = POLLIN }, { .fd = lab->signals, .events = POLLIN } };

	for (;;) {
		u64 count;

		for (unsigned int i = 0; i < lab->count; i++) {
			struct guest *g = &lab->guest[i];

			if (!g->running || !g->done)
				continue;
			if (running(lab) == 1)
				return;
			guest_conclude(g);
		}
		if (poll(fds, 2, deadlines(lab)) <= 0)
			continue;
		if (fds[0].revents && read(lab->wake, &count, sizeof(count)) == sizeof(count))
			quit(lab);
		if (fds[1].revents)
			on_signal(lab);
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
			.name = several(lab) ? c->name : NULL,
			.number = i % SERIAL_PORTS,
		};
	}
	lab->console = console_create(ports, lab->count * SERIAL_PORTS, &hooks, error, sizeof(error));
	if (!lab->console)
		fprintf(stderr, "turtles: %s\n", error);
	return lab->console ? 0 : EXIT_HOST;
}

/* From the machines' power-on to the last one's end. */
static int run(struct lab *lab)
{
	int code = create_console(lab);

	if (code)
		return code;
	crash_install(lab->console);
	lab->start_ns = l1_host_ns();
	for (unsigned int i = 0; i < lab->count && !code; i++)
		code = guest_start(&lab->guest[i]);
	/* those that have started end with the one that couldn't */
	for (unsigned int i = 0; i < lab->count && code; i++)
		guest_stop(&lab->guest[i], STOP_QUIT, code, "");
	if (running(lab))
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

/* False: a line on stderr says why. */
static bool prepare(struct lab *lab)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_mutex_init(&lab->lock, NULL);
	lab->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	lab->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	lab->guest = calloc(lab->count, sizeof(lab->guest[0]));
	if (lab->wake < 0 || lab->signals < 0 || !lab->guest) {
		fprintf(stderr, "turtles: the run can't begin: %s\n", strerror(errno));
		return false;
	}
	for (unsigned int i = 0; i < lab->count; i++) {
		struct guest *g = &lab->guest[i];

		g->lab = lab;
		g->config = &lab->config->l1[i];
		g->number = i;
		g->code = -1;
		pthread_mutex_init(&g->lock, NULL);
	}
	return true;
}

static void release(struct lab *lab)
{
	for (unsigned int i = 0; lab->guest && i < lab->count; i++) {
		guest_destroy(&lab->guest[i]);
		l1_numbers_free(&lab->guest[i].numbers);
		pthread_mutex_destroy(&lab->guest[i].lock);
	}
	free(lab->guest);
	if (lab->signals >= 0)
		close(lab->signals);
	if (lab->wake >= 0)
		close(lab->wake);
	pthread_mutex_destroy(&lab->lock);
}

int lab_run(const struct lab_config *config)
{
	struct lab lab = { .config = config, .count = config->l1_count };
	int code = prepare(&lab) ? 0 : EXIT_HOST;

	for (unsigned int i = 0; i < lab.count && !code; i++)
		code = guest_create(&lab.guest[i]);
	if (!code)
		code = run(&lab);
	release(&lab);
	return code;
}
