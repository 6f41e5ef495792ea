/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest.h"

#include <stdio.h>
#include <string.h>

#include "../cli/console.h"
#include "control.h"
#include "named_lines.h"
#include "place.h"

void guest_say(const struct guest *g, const char *text)
{
	if (lab_has_several(g->lab))
		fprintf(stderr, "turtles: %s: %s\n", g->config->name, text);
	else
		fprintf(stderr, "turtles: %s\n", text);
}

void guest_init(struct guest *g, struct lab *lab, unsigned int number)
{
	g->lab = lab;
	g->config = &lab->config->l1[number];
	g->number = number;
	g->code = -1;
	g->hold = g->config->held;
	pthread_mutex_init(&g->lock, NULL);
	if (lab_has_several(lab))
		g->log = named_lines(g->config->name);
}

static void set_reachable(struct guest *g, bool reachable)
{
	pthread_mutex_lock(&g->lock);
	g->reachable = reachable;
	pthread_mutex_unlock(&g->lock);
	for (unsigned int i = 0; i < SERIAL_PORTS && g->lab->console; i++)
		console_ended(g->lab->console, g->number * SERIAL_PORTS + i, !reachable);
}

static void destroy(struct guest *g)
{
	set_reachable(g, false);
	if (g->created)
		l1_destroy(&g->l1);
	g->created = false;
}

void guest_release(struct guest *g)
{
	destroy(g);
	l1_numbers_free(&g->numbers);
	pthread_mutex_destroy(&g->lock);
	if (g->log)
		fclose(g->log);
}

/* On the L1's thread */
static void tell(void *arg, enum l1_event event)
{
	struct guest *g = arg;
	/* of what a guest can do without end not all is kept */
	unsigned int room = event == L1_ENDED || event == L1_HELD ? TOLD_MAX : TOLD_MAX / 2;

	pthread_mutex_lock(&g->lock);
	if (g->told_count < room)
		g->told[g->told_count++] = event;
	pthread_mutex_unlock(&g->lock);
	lab_wake(g->lab);
}

/* Its RAM near its vCPUs. Not to have it there is no reason not to run. */
static void bind_memory(const struct guest *g)
{
	const struct memory *m = &g->l1.machine.memory;
	int err = place_bind_memory(g->lab->place, g->number, m->base, m->low);
	char text[128];

	if (!err && m->high)
		err = place_bind_memory(g->lab->place, g->number, m->base + MEMORY_HIGH_START, m->high);
	if (!err)
		return;
	snprintf(text, sizeof(text), "its memory can't be placed: %s", strerror(-err));
	guest_say(g, text);
}

/* Of several L1s it is said which one can't be built; some parts know it by themselves. */
static void name_error(const struct guest *g, char *error, size_t n)
{
	size_t length = strlen(g->config->name);
	char text[512];

	if (!lab_has_several(g->lab) || (!strncmp(error, g->config->name, length) && error[length] == ':'))
		return;
	snprintf(text, sizeof(text), "%s: %s", g->config->name, error);
	snprintf(error, n, "%s", text);
}

/* The trace of its last life, which is what somebody wants to read who starts it again: create_trace() would replace it. */
static int keep_trace(struct guest *g, char *error, size_t n)
{
	const char *path = g->config->exits.path;
	int err;

	if (!path[0] || g->traced == g->starts)
		return 0;
	err = trace_keep(path, g->starts);
	if (err) {
		snprintf(error, n, "trace: %s can't be kept as %s.%llu: %s", path, path, (unsigned long long)g->starts,
			 strerror(-err));
		return EXIT_HOST;
	}
	g->traced = g->starts;
	return 0;
}

int guest_create(struct guest *g, char *error, size_t n)
{
	int code = keep_trace(g, error, n);

	if (code) {
		name_error(g, error, n);
		return code;
	}
	code = l1_create(&g->l1, g->config, g->log, error, n);
	if (code) {
		l1_destroy(&g->l1);
		name_error(g, error, n);
		return code;
	}
	g->created = true;
	g->l1.tell = tell;
	g->l1.tell_arg = g;
	g->l1.console_port = g->number * SERIAL_PORTS;
	g->l1.place = g->lab->place;
	g->l1.number = g->number;
	g->l1.nice = g->nice;
	g->l1.machine.crowded = g->lab->crowded;
	bind_memory(g);
	return 0;
}

static void hurry(const struct guest *g, bool on)
{
	for (unsigned int i = 0; i < SERIAL_PORTS; i++)
		console_hurry(g->lab->console, g->number * SERIAL_PORTS + i, on);
}

int guest_start(struct guest *g, char *error, size_t n)
{
	int err;

	g->l1.console = g->lab->console;
	g->l1.hold = g->hold;
	g->told_count = 0;
	g->ended = g->held = g->suspended = false;
	g->fresh = g->hold;
	g->cause = CAUSE_NONE;
	g->end[0] = '\0';
	hurry(g, false);
	/* before it runs: what is typed as soon as it has said something is for it */
	set_reachable(g, true);
	err = l1_start(&g->l1);
	if (err) {
		snprintf(error, n, "%s: can't start a thread for vCPU 0: %s", g->config->name, strerror(-err));
		destroy(g);
		g->code = EXIT_HOST;
		return EXIT_HOST;
	}
	g->starts++;
	g->code = -1;
	g->running = true;
	g->overdue = 0;
	g->deadline = g->config->timeout_ns ? g->l1.start_ns + g->config->timeout_ns : 0;
	return 0;
}

bool guest_hold(struct guest *g)
{
	bool was = g->hold;

	g->hold = true;
	if (!g->running || g->ended || g->held)
		return false;
	if (!was)
		l1_hold(&g->l1);
	return true;
}

static void event(const struct guest *g, const char *name)
{
	control_event(g->lab->control, name, json_pack("{s:s}", "l1", g->config->name));
}

void guest_continue(struct guest *g)
{
	bool was = g->hold;

	guest_listen(g);
	g->hold = g->held = g->fresh = false;
	if (!g->running || g->ended || !was)
		return;
	l1_continue(&g->l1);
	event(g, "RESUME");
}

void guest_reset(struct guest *g)
{
	if (g->running && !g->ended)
		l1_reset(&g->l1);
}

void guest_stop(struct guest *g, enum cause cause, enum stop_reason reason, int code, const char *why)
{
	if (!g->running || g->ended)
		return;
	if (!g->cause)
		g->cause = cause;
	if (!g->overdue)
		g->overdue = l1_host_ns() + GUEST_END_NS;
	l1_stop(&g->l1, reason, code, why);
	hurry(g, true);
}

static const char *shutdown_reason(const struct guest *g)
{
	static const char *const BY_CAUSE[] = {
		[CAUSE_SIGNAL] = "host-signal", [CAUSE_USER] = "host-ui", [CAUSE_CONTROL] = "host-qmp-quit", [CAUSE_HOST] = "host-error"
	};

	switch (atomic_load(&g->l1.machine.stop)) {
	case STOP_POWER_OFF:
	case STOP_DEBUG_EXIT:
		return "guest-shutdown";
	case STOP_RESET:
	case STOP_CPU_RESET:
		return g->l1.reset_asked ? "host-qmp-system-reset" : "guest-reset";
	case STOP_TRIPLE_FAULT:
	case STOP_HALTED_FOREVER:
	case STOP_GUEST_FATAL:
		return "guest-panic";
	case STOP_INTERNAL:
		return "host-error";
	default:
		return g->cause ? BY_CAUSE[g->cause] : "host-error";
	}
}

static void say_shutdown(struct guest *g)
{
	const char *reason = shutdown_reason(g);
	const char *text = g->l1.machine.stop_text;

	if (!strcmp(reason, "guest-panic"))
		control_event(g->lab->control, "GUEST_PANICKED",
			      json_pack("{s:s, s:s}", "l1", g->config->name, "action", "poweroff"));
	control_event(g->lab->control, "SHUTDOWN",
		      json_pack("{s:s, s:b, s:s, s:i, s:s*}", "l1", g->config->name, "guest",
				!strncmp(reason, "guest-", 6), "reason", reason, "exit-code", l1_exit_code(&g->l1),
				"text", text[0] ? text : NULL));
}

static void told(struct guest *g, enum l1_event what)
{
	switch (what) {
	case L1_ENDED:
		g->ended = true;
		g->held = g->suspended = false;
		say_shutdown(g);
		control_done(g->lab->control, BIT(g->number));
		break;
	case L1_HELD:
		/* it may have been told to go on meanwhile, and one that is reset while it stands still says so again */
		if (g->hold && !g->held && !g->fresh)
			event(g, "STOP");
		g->held = g->hold;
		control_done(g->lab->control, BIT(g->number));
		break;
	case L1_RESET_BY_GUEST:
	case L1_RESET_BY_OWNER:
		g->suspended = false;
		control_event(g->lab->control, "RESET",
			      json_pack("{s:s, s:b, s:s}", "l1", g->config->name, "guest", what == L1_RESET_BY_GUEST,
					"reason", what == L1_RESET_BY_GUEST ? "guest-reset" : "host-qmp-system-reset"));
		break;
	case L1_SUSPENDED:
		g->suspended = true;
		event(g, "SUSPEND");
		break;
	case L1_WOKEN:
		g->suspended = false;
		event(g, "WAKEUP");
		break;
	}
}

void guest_listen(struct guest *g)
{
	enum l1_event all[TOLD_MAX];
	unsigned int n;

	pthread_mutex_lock(&g->lock);
	n = g->told_count;
	memcpy(all, g->told, sizeof(all[0]) * n);
	g->told_count = 0;
	pthread_mutex_unlock(&g->lock);
	for (unsigned int i = 0; i < n; i++)
		told(g, all[i]);
}

void guest_conclude(struct guest *g)
{
	char text[64];

	l1_join(&g->l1);
	g->running = false;
	g->code = l1_exit_code(&g->l1);
	snprintf(g->end, sizeof(g->end), "%s", g->l1.machine.stop_text);
	if (!l1_end_account(&g->l1) && !g->code)
		g->code = EXIT_HOST;
	if (g->end[0])
		guest_say(g, g->end);
	if (lab_has_several(g->lab)) {
		snprintf(text, sizeof(text), "has ended with exit code %d", g->code);
		guest_say(g, text);
	}
	if (g->config->dump_on_exit)
		l1_dump(&g->l1);
	if (l1_numbers_take(&g->numbers, &g->l1, g->starts))
		guest_say(g, "not enough memory for the stats");
	g->lab->rss = lab_resident(g->lab);
	destroy(g);
}

const char *guest_status(const struct guest *g)
{
	if (g->running && !g->ended)
		return g->held ? (g->fresh ? "prelaunch" : "paused") : g->suspended ? "suspended" : "running";
	if (g->code < 0 && !g->ended)
		return "prelaunch";
	return g->code == EXIT_INTERNAL	     ? "internal-error"
	       : g->code == EXIT_GUEST_FATAL ? "guest-panicked"
					     : "shutdown";
}
