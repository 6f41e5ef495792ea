/* SPDX-License-Identifier: GPL-2.0-or-later */
/* turtles trace FILE: what --trace has written, as lines, as a table, or for other tools. */
#include "commands.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../account/output.h"
#include "../account/rounds_report.h"
#include "../account/symbols.h"
#include "../account/trace_export.h"
#include "../account/trace_print.h"
#include "../machine/machine.h"
#include "values.h"

struct config {
	struct trace_filter filter;
	const char *reasons; /* "CPUID:HLT"; NULL: all */
	const char *output; /* NULL: standard output */
	const struct trace_exporter *exporter; /* NULL: lines */
	struct symbols *symbols; /* NULL: none are loaded */
	enum trace_weight weight;
	bool summary, help;
};

static int set_reason(void *config, const char *arg, char *error, size_t n)
{
	(void)error, (void)n;
	((struct config *)config)->reasons = arg;
	return 0;
}

static int set_level(void *config, const char *arg, char *error, size_t n)
{
	u64 level;

	if (!value_number(arg, 2, &level) || !level) {
		snprintf(error, n, "'%s' is no level: 1 or 2", arg);
		return -EINVAL;
	}
	((struct config *)config)->filter.level = (unsigned int)level;
	return 0;
}

static int set_vcpu(void *config, const char *arg, char *error, size_t n)
{
	struct trace_filter *f = &((struct config *)config)->filter;
	u64 vcpu;

	if (!value_number(arg, TRACE_VCPUS - 1, &vcpu)) {
		snprintf(error, n, "'%s' is no vCPU: a number, from 0", arg);
		return -EINVAL;
	}
	f->by_vcpu = true;
	f->vcpu = (unsigned int)vcpu;
	return 0;
}

/* N or N-M */
static int set_round(void *config, const char *arg, char *error, size_t n)
{
	struct trace_filter *f = &((struct config *)config)->filter;
	const char *dash = strchr(arg, '-');
	char first[32];

	snprintf(first, sizeof(first), "%.*s", (int)(dash ? dash - arg : (long)strlen(arg)), arg);
	if (!value_number(first, UINT64_MAX, &f->round_first) ||
	    !value_number(dash ? dash + 1 : first, UINT64_MAX, &f->round_last) || !f->round_first ||
	    f->round_last < f->round_first) {
		snprintf(error, n, "'%s' is no round: N, or N-M; the first is 1", arg);
		return -EINVAL;
	}
	return 0;
}

static int set_time(u64 *ns, const char *arg, char *error, size_t n)
{
	if (value_seconds(arg, ns))
		return 0;
	snprintf(error, n, "'%s' is no number of seconds", arg);
	return -EINVAL;
}

static int set_from(void *config, const char *arg, char *error, size_t n)
{
	return set_time(&((struct config *)config)->filter.from_ns, arg, error, n);
}

static int set_to(void *config, const char *arg, char *error, size_t n)
{
	return set_time(&((struct config *)config)->filter.to_ns, arg, error, n);
}

static int set_summary(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->summary = true;
	return 0;
}

static int set_export(void *config, const char *arg, char *error, size_t n)
{
	for (const struct trace_exporter *const *e = TRACE_EXPORTERS; *e; e++) {
		if (strcmp((*e)->name, arg))
			continue;
		((struct config *)config)->exporter = *e;
		return 0;
	}
	snprintf(error, n, "'%s' is no format:", arg);
	for (const struct trace_exporter *const *e = TRACE_EXPORTERS; *e; e++) {
		strncat(error, e == TRACE_EXPORTERS ? " " : ", ", n - strlen(error) - 1);
		strncat(error, (*e)->name, n - strlen(error) - 1);
	}
	return -EINVAL;
}

static int set_weight(void *config, const char *arg, char *error, size_t n)
{
	static const char *const NAMES[] = {
		[TRACE_WEIGHT_COUNT] = "count", [TRACE_WEIGHT_NS] = "ns", [TRACE_WEIGHT_INSNS] = "insns"
	};

	for (unsigned int i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++)
		if (!strcmp(arg, NAMES[i])) {
			((struct config *)config)->weight = (enum trace_weight)i;
			return 0;
		}
	snprintf(error, n, "'%s' is no weight: count, ns or insns", arg);
	return -EINVAL;
}

static int set_symbols(void *config, const char *arg, char *error, size_t n)
{
	struct config *c = config;

	if (!c->symbols)
		c->symbols = symbols_create();
	if (!c->symbols) {
		snprintf(error, n, "not enough memory");
		return -EINVAL;
	}
	return symbols_add(c->symbols, arg, error, n) ? -EINVAL : 0;
}

static int set_output(void *config, const char *arg, char *error, size_t n)
{
	if (!*arg) {
		snprintf(error, n, "needs FILE, not an empty string");
		return -EINVAL;
	}
	((struct config *)config)->output = arg;
	return 0;
}

static int set_help(void *config, const char *arg, char *error, size_t n)
{
	(void)arg, (void)error, (void)n;
	((struct config *)config)->help = true;
	return 0;
}

static const struct command_option OPTIONS_OF_TRACE[] = {
	/* clang-format off */
	{ "reason",  0,   "REASONS", "REASON:REASON...: exits of these reasons, and the whole rounds that they open", set_reason },
	{ "level",   0,   "N",       "1: exits of L1; 2: exits of L2, and entries", set_level },
	{ "vcpu",    0,   "N",       "this vCPU's, from 0", set_vcpu },
	{ "round",   0,   "N",       "N or N-M: these rounds; each vCPU numbers its own", set_round },
	{ "from",    0,   "SECONDS", "what happened at this time since power-on or later", set_from },
	{ "to",      0,   "SECONDS", "what happened up to this time", set_to },
	{ "summary", 0,   NULL,      "instead of lines the table that turtles run --summary ends with, of the chosen records", set_summary },
	{ "export",  0,   "FORMAT",  "chrome: JSON for Perfetto and chrome://tracing; csv: a row each; collapsed: stacks for flame graphs; "
	                             "stats: JSON as of --stats", set_export },
	{ "weight",  0,   "WHAT",    "of --export collapsed: count: exits, if not given; ns or insns: what passed until the round's next exit "
	                             "or its end", set_weight },
	{ "symbols", 0,   "FILE",    "names for L1's functions, also several times: TRACE.kallsyms, which a run with stacks of a Linux guest leaves at its end, "
	                             "/proc/kallsyms of L1, System.map, or FILE[@ADDRESS]: an ELF file, and where its code was", set_symbols },
	{ "output",  'o', "FILE",    "write there, not to standard output", set_output },
	{ "help",    'h', NULL,      "print this", set_help },
	/* clang-format on */
};

const struct command_help TRACE_HELP = {
	.usage = "turtles trace FILE [OPTION]...",
	.brief = "read what --trace has recorded",
	.text = "print what turtles run --trace FILE has recorded, a line each; '-' is standard input",
	.options = OPTIONS_OF_TRACE,
	.count = sizeof(OPTIONS_OF_TRACE) / sizeof(OPTIONS_OF_TRACE[0]),
};

/* the file's own names: it may have reasons that this turtles doesn't know */
static bool choose_reasons(const struct trace_reader *r, struct config *c)
{
	for (const char *s = c->reasons; s && *s;) {
		size_t n = strcspn(s, ":");

		if (!trace_filter_reason(r, &c->filter, s, n)) {
			fprintf(stderr, "turtles: --reason: '%.*s' is no exit reason; see turtles help reasons\n",
				(int)n, s);
			return false;
		}
		s += n;
		s += *s == ':';
	}
	return true;
}

/* False with one line in error: it can't go on. */
static bool all_records(struct trace_reader *r, struct config *c, FILE *to, char *error, size_t n)
{
	struct rounds *rounds = c->summary ? trace_rounds(r) : NULL;
	struct trace_export *e = c->exporter && !c->summary ? c->exporter->begin(to, r) : NULL;
	struct trace_record record;
	bool ok = true;

	if ((c->summary && !rounds) || (c->exporter && !c->summary && !e)) {
		snprintf(error, n, "%s: not enough memory", r->path);
		return false;
	}
	while (ok && !ferror(to) && trace_read(r, &record)) {
		if (!trace_filtered(r, &c->filter, &record))
			continue;
		if (rounds)
			ok = trace_count(r, rounds, &record, error, n);
		else if (e)
			ok = c->exporter->record(e, &record, error, n);
		else
			trace_print(to, r, &record);
	}
	if (e)
		c->exporter->end(e);
	if (rounds && ok) {
		trace_sum(r, rounds);
		rounds->untimed = r->header.clock == TRACE_INSNS;
		rounds_print(to, rounds);
	}
	free(rounds);
	return ok;
}

static int print(struct trace_reader *r, struct config *c)
{
	char error[512];
	struct output o;
	bool bad, ok;
	int err = output_open(&o, c->output);

	if (err) {
		fprintf(stderr, "turtles: %s: %s\n", c->output, strerror(-err));
		return EXIT_HOST;
	}
	ok = all_records(r, c, o.f, error, sizeof(error));
	if (!ok) {
		output_drop(&o);
		fprintf(stderr, "turtles: %s\n", error);
		return EXIT_USAGE;
	}
	err = output_commit(&o);
	if (err) {
		fprintf(stderr, "turtles: %s: %s\n", c->output ? c->output : "standard output", strerror(-err));
		return EXIT_HOST;
	}
	if (!trace_complaint(r, error, sizeof(error), &bad))
		return EXIT_POWER_OFF;
	fprintf(stderr, "turtles: %s\n", error);
	return bad ? EXIT_USAGE : EXIT_POWER_OFF;
}

/* The exit code; what the options have asked for is *c. */
static int trace(int argc, char **argv, struct config *c)
{
	struct trace_reader r;
	char error[512];
	int words, code, err;

	/* `turtles trace FILE | head` ends quietly, whatever started it */
	signal(SIGPIPE, SIG_DFL);
	if (command_parse(&TRACE_HELP, argc, argv, c, &words, error, sizeof(error))) {
		fprintf(stderr, "turtles: %s\n", error);
		return EXIT_USAGE;
	}
	if (c->help) {
		command_print_help(stdout, &TRACE_HELP);
		return EXIT_POWER_OFF;
	}
	if (words != 1 || (c->summary && c->exporter)) {
		fprintf(stderr, "turtles: trace: %s\n",
			words != 1 ? "say which file: turtles trace FILE; see turtles trace --help"
				   : "--summary and --export: one of them");
		return EXIT_USAGE;
	}
	err = trace_read_open(&r, argv[1], error, sizeof(error));
	if (err) {
		fprintf(stderr, "turtles: %s\n", error);
		return err == -EINVAL ? EXIT_USAGE : EXIT_HOST;
	}
	if (c->symbols)
		symbols_sort(c->symbols);
	r.symbols = c->symbols;
	r.weight = c->weight;
	if (c->filter.by_vcpu && c->filter.vcpu >= r.vcpus) {
		fprintf(stderr, "turtles: --vcpu: %s has vCPUs 0 to %u\n", r.path, r.vcpus - 1);
		code = EXIT_USAGE;
	} else {
		code = choose_reasons(&r, c) ? print(&r, c) : EXIT_USAGE;
	}
	trace_read_close(&r);
	return code;
}

int command_trace(int argc, char **argv)
{
	struct config c = { .reasons = NULL };
	int code = trace(argc, argv, &c);

	symbols_destroy(c.symbols);
	return code;
}
