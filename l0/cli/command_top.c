/* SPDX-License-Identifier: GPL-2.0-or-later */
/* turtles top SOCKET: exits of a run as they happen, after perf kvm stat live and kvm_stat. */
#include "commands.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../machine/machine.h"
#include "control_client.h"
#include "top_screen.h"
#include "top_table.h"
#include "values.h"

#define LOG_WIDTH 110

struct config {
	struct top_view view;
	bool once, log, csv, timestamps, help;
	const char *file; /* NULL: standard output */
};

/* SIGHUP asks for a new file: a handler has nowhere else to say it. */
static volatile sig_atomic_t reopen;

static void on_hangup(int signal)
{
	(void)signal;
	reopen = 1;
}

static int set_once(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->once = true;
	return 0;
}

static int set_log(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->log = true;
	return 0;
}

static int set_file(void *config, const char *arg, char *error, size_t n)
{
	if (!*arg) {
		snprintf(error, n, "needs FILE, not an empty string");
		return -EINVAL;
	}
	((struct config *)config)->log = true;
	((struct config *)config)->file = arg;
	return 0;
}

static int set_csv(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->csv = true;
	return 0;
}

static int set_timestamps(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->timestamps = true;
	return 0;
}

static int set_interval(void *config, const char *arg, char *error, size_t n)
{
	u64 ns;

	if (!value_seconds(arg, &ns) || ns < 100000000) {
		snprintf(error, n, "'%s' is no number of seconds, 0.1 at least", arg);
		return -EINVAL;
	}
	((struct config *)config)->view.interval = (double)ns / 1e9;
	return 0;
}

static int set_filter(void *config, const char *arg, char *error, size_t n)
{
	return top_view_filter(&((struct config *)config)->view, arg, error, n);
}

static int set_l1(void *config, const char *arg, char *error, size_t n)
{
	(void)error, (void)n;
	((struct config *)config)->view.filter.l1 = arg;
	return 0;
}

static int set_level(void *config, const char *arg, char *error, size_t n)
{
	u64 level;

	if (!value_number(arg, 2, &level) || !level) {
		snprintf(error, n, "'%s' is no level: 1, or 2 for all that runs under an L1", arg);
		return -EINVAL;
	}
	((struct config *)config)->view.filter.level = (unsigned int)level;
	return 0;
}

static int set_order(void *config, const char *arg, char *error, size_t n)
{
	size_t used = (size_t)snprintf(error, n, "'%.40s' is none of:", arg);

	for (enum top_order o = 0; o < TOP_ORDERS; o++) {
		if (!strcmp(top_order_name(o), arg)) {
			((struct config *)config)->view.order = o;
			return 0;
		}
		used += (size_t)snprintf(error + used, n - used, " %s", top_order_name(o));
	}
	return -EINVAL;
}

static int set_idle(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->view.filter.idle = true;
	return 0;
}

static int set_help(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->help = true;
	return 0;
}

static const struct command_option OPTIONS_OF_TOP[] = {
	/* clang-format off */
	{ "once",        '1', NULL,      "print the table of one interval, and end", set_once },
	{ "batch",       'b', NULL,      "the same", set_once },
	{ "log",         'l', NULL,      "print a table each interval, to the run's end", set_log },
	{ "log-to-file", 'L', "FILE",    "the same, to a file; SIGHUP begins a new one of that name", set_file },
	{ "csv",         'c', NULL,      "with those: CSV, a row for each L1, level and reason; what is counted in each interval", set_csv },
	{ "timestamps",  'T', NULL,      "with those: say when; CSV always does", set_timestamps },
	{ "set-delay",   's', "SECONDS", "the interval; without the option 1", set_interval },
	{ "filter",      'f', "REGEX",   "exit reasons that match", set_filter },
	{ "l1",          'g', "NAME",    "one L1", set_l1 },
	{ "level",       0,   "LEVEL",   "exits of L1s alone: 1; of their guests, 2", set_level },
	{ "sort",        'o', "ORDER",   "rate, total, time, mean, max, amplification or name", set_order },
	{ "zero",        'z', NULL,      "with rows that have no exits", set_idle },
	{ "help",        'h', NULL,      "print this", set_help },
	/* clang-format on */
};

const struct command_help TOP_HELP = {
	.usage = "turtles top SOCKET [OPTION]...",
	.brief = "a live view of a run's exits",
	.text = "show the exits of the run whose --control is SOCKET as they happen: total since the L1s' start, rate, "
		"share of the time, "
		"mean, instructions and amplification in the last interval, the shortest and the longest round since "
		"the L1's start; keys: "
		"h lists them",
	.options = OPTIONS_OF_TOP,
	.count = sizeof(OPTIONS_OF_TOP) / sizeof(OPTIONS_OF_TOP[0]),
};

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* A look into looks->now; the one of before is looks->before. False: the run has ended, or *error isn't "". */
static bool look(struct control_client *c, struct top_looks *looks, char *error, size_t n)
{
	struct top_sample sample;
	json_t *stats, *event;
	bool refused, ok;
	char why[256];

	stats = control_call(c, "query-stats", NULL, &refused, error, n);
	if (!stats) {
		/* a run that ends in the middle of a question has simply ended */
		if (control_ended(c))
			error[0] = '\0';
		return false;
	}
	error[0] = '\0';
	ok = top_sample_load(&sample, stats, now_ns(), why, sizeof(why));
	json_decref(stats);
	/* events are for others; they must not pile up */
	while (control_pending(c) && (event = control_next_event(c, why, sizeof(why))))
		json_decref(event);
	if (!ok) {
		snprintf(error, n, "%s", why);
		return false;
	}
	top_sample_free(&looks->before);
	looks->before = looks->now;
	looks->now = sample;
	return true;
}

static void nap(u64 until)
{
	u64 now = now_ns(), rest = until > now ? until - now : 0;

	nanosleep(&(struct timespec){ .tv_sec = (time_t)(rest / 1000000000), .tv_nsec = (long)(rest % 1000000000) },
		  NULL);
}

static void print_csv(FILE *to, const struct top_row *rows, size_t n)
{
	struct timespec t;
	char when[40];

	clock_gettime(CLOCK_REALTIME, &t);
	snprintf(when, sizeof(when), "%lld.%03ld", (long long)t.tv_sec, t.tv_nsec / 1000000);
	for (size_t i = 0; i < n; i++)
		top_csv_row(to, when, &rows[i]);
}

static void print_table(FILE *to, const struct config *c, const struct top_looks *looks, const struct top_row *rows,
			size_t n)
{
	double seconds = (double)(looks->now.ns - looks->before.ns) / 1e9;
	struct top_sums sums = top_sums(rows, n, seconds);
	char buffer[TOP_LINE];

	if (c->timestamps) {
		time_t t = time(NULL);
		struct tm tm;

		strftime(buffer, sizeof(buffer), "%Y-%m-%d %H:%M:%S", localtime_r(&t, &tm));
		fprintf(to, "%s\n", buffer);
	}
	for (unsigned int i = 0; i < looks->now.count; i++)
		fprintf(to, "%s\n", top_l1_line(buffer, &looks->now.l1[i], &looks->before, seconds));
	fprintf(to, "\n%s\n", top_heading(buffer, LOG_WIDTH));
	for (size_t i = 0; i < n; i++)
		fprintf(to, "%s\n", top_line(buffer, LOG_WIDTH, &rows[i], &sums));
	fputc('\n', to);
}

/* False: nobody takes the output, which is told. */
static bool print(FILE *to, const struct config *c, const struct top_looks *looks)
{
	struct top_row *rows;
	size_t n = top_rows(&looks->base, &looks->before, &looks->now, &c->view.filter, c->view.order, &rows);

	if (c->csv)
		print_csv(to, rows, n);
	else
		print_table(to, c, looks, rows, n);
	free(rows);
	if (!fflush(to) && !ferror(to))
		return true;
	fprintf(stderr, "turtles: top: %s: %s\n", c->file ? c->file : "standard output", strerror(errno));
	return false;
}

static FILE *open_log(const struct config *c)
{
	FILE *to = c->file ? fopen(c->file, "ae") : stdout;

	reopen = 0;
	if (!to)
		fprintf(stderr, "turtles: top: %s: %s\n", c->file, strerror(errno));
	else if (c->csv && (!c->file || !ftell(to)))
		top_csv_heading(to);
	return to;
}

static int run_log(struct control_client *client, const struct config *c, struct top_looks *looks)
{
	u64 next = now_ns(), interval = (u64)(c->view.interval * 1e9);
	FILE *to = open_log(c);
	char error[512] = "";
	int code = EXIT_POWER_OFF;

	while (to && !code) {
		next += interval;
		/* SIGHUP cuts it short */
		while (now_ns() < next && !reopen)
			nap(next);
		if (reopen && c->file) {
			fclose(to);
			to = open_log(c);
			continue;
		}
		if (!look(client, looks, error, sizeof(error)))
			break;
		if (!print(to, c, looks))
			code = EXIT_HOST;
		if (c->once)
			break;
	}
	if (to && to != stdout)
		fclose(to);
	if (error[0])
		fprintf(stderr, "turtles: top: %s\n", error);
	return !to || error[0] ? EXIT_HOST : code;
}

static int run_screen(struct control_client *client, struct config *c, struct top_looks *looks, const char *where)
{
	u64 next = now_ns();
	enum top_wish wish = TOP_GO_ON;
	char error[512] = "";
	bool there = true;

	if (!top_screen_begin(error, sizeof(error))) {
		fprintf(stderr, "turtles: top: %s\n", error);
		return EXIT_USAGE;
	}
	while (there && wish != TOP_QUIT) {
		u64 now = now_ns();

		if (now >= next) {
			next = now + (u64)(c->view.interval * 1e9);
			there = c->view.paused || look(client, looks, error, sizeof(error));
			continue;
		}
		top_screen_draw(&c->view, looks, where);
		wish = top_screen_keys(&c->view, (int)((next - now) / 1000000) + 1);
		if (wish == TOP_RESET) {
			top_sample_free(&looks->base);
			looks->base = looks->now;
			looks->now = (struct top_sample){ .ns = now_ns() };
			there = look(client, looks, error, sizeof(error));
		}
		/* an interval that has become shorter counts from now */
		if (next > now_ns() + (u64)(c->view.interval * 1e9))
			next = now_ns();
	}
	top_screen_end();
	if (error[0])
		fprintf(stderr, "turtles: top: %s\n", error);
	else if (!there)
		printf("turtles: top: the run has ended\n");
	return error[0] ? EXIT_HOST : EXIT_POWER_OFF;
}

int command_top(int argc, char **argv)
{
	struct config c = { .view = { .interval = 1 } };
	struct sigaction hangup = { .sa_handler = on_hangup };
	struct top_looks looks = { .base = { .count = 0 } };
	struct control_client *client;
	char error[512];
	int words, code;

	signal(SIGPIPE, SIG_DFL);
	if (command_parse(&TOP_HELP, argc, argv, &c, &words, error, sizeof(error))) {
		fprintf(stderr, "turtles: %s\n", error);
		return EXIT_USAGE;
	}
	if (c.help) {
		command_print_help(stdout, &TOP_HELP);
		printf("\nKeys:\n");
		printf("%s\n", TOP_KEYS);
		return EXIT_POWER_OFF;
	}
	if (words != 1) {
		fputs("turtles: top: say which run: turtles top SOCKET; turtles run --control SOCKET makes one\n",
		      stderr);
		return EXIT_USAGE;
	}
	client = control_connect(argv[1], error, sizeof(error));
	if (!client) {
		fprintf(stderr, "turtles: top: %s\n", error);
		return EXIT_HOST;
	}
	if (c.file)
		sigaction(SIGHUP, &hangup, NULL);
	if (!look(client, &looks, error, sizeof(error))) {
		fprintf(stderr, "turtles: top: %s\n", error[0] ? error : "the run has ended");
		code = EXIT_HOST;
	} else if (c.once || c.log || c.csv) {
		code = run_log(client, &c, &looks);
	} else {
		code = run_screen(client, &c, &looks, argv[1]);
	}
	top_sample_free(&looks.base);
	top_sample_free(&looks.before);
	top_sample_free(&looks.now);
	top_view_filter(&c.view, "", error, sizeof(error));
	control_disconnect(client);
	return code;
}
