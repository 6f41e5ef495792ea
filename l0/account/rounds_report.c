/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rounds_report.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

static const char *const names[VM_EXIT_REASONS] = {
#define X(number, name) [number] = #name,
	VM_EXITS(X)
#undef X
};

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

void rounds_init(struct rounds *r)
{
	r->start_tsc = __rdtsc();
	r->start_ns = now_ns();
}

void rounds_end(struct rounds *r)
{
	r->end_tsc = __rdtsc();
	r->end_ns = now_ns();
}

/* nanoseconds in a tick */
static double tick_ns(const struct rounds *r)
{
	u64 ticks = (r->end_tsc ? r->end_tsc : __rdtsc()) - r->start_tsc;
	u64 ns = (r->end_tsc ? r->end_ns : now_ns()) - r->start_ns;

	return ticks ? (double)ns / (double)ticks : 0;
}

static u64 sum_of(const u64 *counts, unsigned int n)
{
	u64 total = 0;

	while (n--)
		total += counts[n];
	return total;
}

static u64 sum(const u64 *counts)
{
	return sum_of(counts, VM_EXIT_REASONS);
}

bool rounds_any(const struct rounds *r)
{
	if (r->first_failed != VMX_CHECK_OK)
		return true;
	for (unsigned int i = 0; i < VM_EXIT_REASONS; i++)
		if (r->row[i].count)
			return true;
	return false;
}

/* {"CPUID": 12, ...}, reasons that never occurred left out */
static json_t *reasons(const u64 *counts)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < VM_EXIT_REASONS; i++)
		if (counts[i])
			json_object_set_new(object, names[i], json_integer((json_int_t)counts[i]));
	return object;
}

static json_t *fields(const u64 *counts)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		if (counts[i])
			json_object_set_new(object, vmcs_name(vmcs_fields[i].encoding),
					    json_integer((json_int_t)counts[i]));
	return object;
}

static json_t *checks(const u64 *counts)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < VMX_CHECK_COUNT; i++)
		if (counts[i])
			json_object_set_new(object, vmx_check_name((enum vmx_check)i),
					    json_integer((json_int_t)counts[i]));
	return object;
}

static void set_ns(json_t *object, const char *key, u64 ticks, double tick)
{
	json_object_set_new(object, key, json_integer((json_int_t)((double)ticks * tick)));
}

json_t *rounds_json(const struct rounds *r, bool counted)
{
	json_t *rows = json_array();
	double tick = tick_ns(r);

	for (unsigned int i = 0; i < VM_EXIT_REASONS; i++) {
		const struct round_row *row = &r->row[i];
		json_t *object;

		if (!row->count)
			continue;
		object = json_pack("{s:s, s:I, s:I, s:I, s:o}", "reason", names[i], "count", (json_int_t)row->count,
				   "rounds", (json_int_t)row->ended, "insns", (json_int_t)row->insns, "l1_exits",
				   reasons(row->l1));
		if (!counted) {
			set_ns(object, "ns", row->tsc, tick);
			set_ns(object, "ns_min", row->tsc_min, tick);
			set_ns(object, "ns_max", row->tsc_max, tick);
		}
		json_array_append_new(rows, object);
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:s?}", "rounds", rows, "l1_exits", reasons(r->l1),
			 "l2_exits_without_l1", reasons(r->l2_own), "vmread", fields(r->vmread), "vmwrite",
			 fields(r->vmwrite), "vmcs_callouts", (json_int_t)r->vmcs_callouts, "failed_entries",
			 checks(r->failed), "first_failed_entry", vmx_check_name(r->first_failed));
}

/* The reasons with a count, the most frequent first. Returns how many. */
static unsigned int by_count(const u64 *counts, unsigned int *reasons_by_count)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < VM_EXIT_REASONS; i++) {
		unsigned int at = n;

		if (!counts[i])
			continue;
		for (; at > 0 && counts[reasons_by_count[at - 1]] < counts[i]; at--)
			reasons_by_count[at] = reasons_by_count[at - 1];
		reasons_by_count[at] = i;
		n++;
	}
	return n;
}

/* "EPT_VIOLATION" in two lines of a heading: how much of it is in the upper one */
static int upper_half(const char *name)
{
	const char *last = strlen(name) > 9 ? strrchr(name, '_') : NULL;

	return last ? (int)(last - name) + 1 : 0;
}

static int column_width(const char *name)
{
	int upper = upper_half(name), lower = (int)strlen(name) - upper;

	return 2 + (upper > lower ? upper : lower > 6 ? lower : 6);
}

static void print_mean(FILE *to, int width, u64 count, u64 rounds)
{
	if (count)
		fprintf(to, "%*.2f", width, (double)count / (double)rounds);
	else
		fprintf(to, "%*s", width, "-");
}

/* tick: its nanoseconds; negative: no time is known */
static void print_row(FILE *to, const char *name, u64 count, const struct round_row *row, double tick)
{
	double n = (double)row->ended;

	fprintf(to, "%-20s %11" PRIu64 " %11" PRIu64, name, count, row->count);
	if (row->ended && tick >= 0)
		fprintf(to, " %11.2f", (double)row->tsc * tick / n / 1000);
	else
		fprintf(to, " %11s", "-");
	if (row->ended)
		fprintf(to, " %11.0f %15.2f\n", (double)row->insns / n, 1 + (double)sum(row->l1) / n);
	else
		fprintf(to, " %11s %15s\n", "-", "-");
}

/* Exits of L1 in a round: a line for each exit of L2, a column for each exit of L1; what doesn't fit into LINE is "others". */
static void print_l1(FILE *to, const struct rounds *r, const struct round_row *all, const unsigned int *lines,
		     unsigned int line_count)
{
	enum { LINE = 100, NAME = 20, OTHERS = 8 };
	unsigned int columns[VM_EXIT_REASONS], n = by_count(all->l1, columns), shown = 0;
	int width = NAME + OTHERS;

	for (; shown < n && width + column_width(names[columns[shown]]) <= LINE; shown++)
		width += column_width(names[columns[shown]]);

	fprintf(to, "\n%-*s", NAME, "exits of L1 in a");
	for (unsigned int i = 0; i < shown; i++)
		fprintf(to, "%*.*s", column_width(names[columns[i]]), upper_half(names[columns[i]]), names[columns[i]]);
	fprintf(to, "\n%-*s", NAME, "round opened by");
	for (unsigned int i = 0; i < shown; i++)
		fprintf(to, "%*s", column_width(names[columns[i]]), names[columns[i]] + upper_half(names[columns[i]]));
	fprintf(to, "%*s\n", OTHERS, "others");
	for (unsigned int i = 0; i <= line_count; i++) {
		const struct round_row *row = i < line_count ? &r->row[lines[i]] : all;
		u64 others = sum(row->l1);

		if (!row->ended)
			continue;
		fprintf(to, "%-*s", NAME, i < line_count ? names[lines[i]] : "all");
		for (unsigned int j = 0; j < shown; j++) {
			print_mean(to, column_width(names[columns[j]]), row->l1[columns[j]], row->ended);
			others -= row->l1[columns[j]];
		}
		print_mean(to, OTHERS, others, row->ended);
		fputc('\n', to);
	}
}

void rounds_print(FILE *to, const struct rounds *r)
{
	u64 counts[VM_EXIT_REASONS];
	unsigned int lines[VM_EXIT_REASONS], n;
	struct round_row all = { 0 };
	double tick = r->untimed ? -1 : tick_ns(r);

	for (unsigned int i = 0; i < VM_EXIT_REASONS; i++) {
		const struct round_row *row = &r->row[i];

		counts[i] = row->count + r->l2_own[i];
		all.count += row->count;
		all.ended += row->ended;
		all.tsc += row->tsc;
		all.insns += row->insns;
		for (unsigned int j = 0; j < VM_EXIT_REASONS; j++)
			all.l1[j] += row->l1[j];
	}
	n = by_count(counts, lines);

	fputs("\nWhat L2's exits cost. A reflected exit opens a round, which lasts until L1 enters L2 again; us and "
	      "insns\n"
	      "are L1's in it. Amplification: the exits that a round is in all, itself and L1's own.\n\n",
	      to);
	fprintf(to, "%-20s %11s %11s %11s %11s %15s\n", "exit of L2", "count", "reflected", "us a round", "insns",
		"amplification");
	for (unsigned int i = 0; i < n; i++)
		print_row(to, names[lines[i]], counts[lines[i]], &r->row[lines[i]], tick);
	print_row(to, "all", sum(counts), &all, tick);
	if (all.ended)
		print_l1(to, r, &all, lines, n);
	fprintf(to, "\nexits of L1 in all: %" PRIu64 ", in rounds: %" PRIu64 "\n", sum(r->l1), sum(all.l1));
	if (r->first_failed != VMX_CHECK_OK)
		fprintf(to, "entries that failed: %" PRIu64 ", the first by %s: %s\n", sum_of(r->failed, VMX_CHECK_COUNT),
			vmx_check_name(r->first_failed), vmx_check_text(r->first_failed));
}

static u64 get(const u64 *number)
{
	return __atomic_load_n(number, __ATOMIC_ACQUIRE);
}

static void copy(u64 *to, const u64 *from, unsigned int n)
{
	while (n--)
		to[n] = get(&from[n]);
}

static void copy_row(struct round_row *to, const struct round_row *from)
{
	u64 version;

	/* a writer needs some ns for a row, and writes to one each us at most */
	do {
		version = get(&from->version);
		to->count = get(&from->count);
		to->ended = get(&from->ended);
		to->tsc = get(&from->tsc);
		to->insns = get(&from->insns);
		to->tsc_min = get(&from->tsc_min);
		to->tsc_max = get(&from->tsc_max);
	} while ((version & 1) || get(&from->version) != version);
	to->version = 0;
	copy(to->l1, from->l1, VM_EXIT_REASONS);
}

void rounds_copy(struct rounds *to, const struct rounds *from)
{
	*to = (struct rounds){
		.vmcs_callouts = get(&from->vmcs_callouts),
		.first_failed = __atomic_load_n(&from->first_failed, __ATOMIC_ACQUIRE),
		.start_tsc = from->start_tsc,
		.start_ns = from->start_ns,
		.end_tsc = from->end_tsc,
		.end_ns = from->end_ns,
	};
	for (unsigned int i = 0; i < VM_EXIT_REASONS; i++)
		copy_row(&to->row[i], &from->row[i]);
	copy(to->l1, from->l1, VM_EXIT_REASONS);
	copy(to->l2_own, from->l2_own, VM_EXIT_REASONS);
	copy(to->vmread, from->vmread, VMCS_FIELD_COUNT);
	copy(to->vmwrite, from->vmwrite, VMCS_FIELD_COUNT);
	copy(to->failed, from->failed, VMX_CHECK_COUNT);
}

/* Of two rows, one of which may have no round. */
static void add_extremes(struct round_row *to, const struct round_row *from)
{
	if (from->ended && (!to->ended || from->tsc_min < to->tsc_min))
		to->tsc_min = from->tsc_min;
	if (from->tsc_max > to->tsc_max)
		to->tsc_max = from->tsc_max;
}

static void add(u64 *to, const u64 *from, unsigned int n)
{
	while (n--)
		to[n] += from[n];
}

void rounds_add(struct rounds *to, const struct rounds *from)
{
	for (unsigned int i = 0; i < VM_EXIT_REASONS; i++) {
		add_extremes(&to->row[i], &from->row[i]);
		to->row[i].count += from->row[i].count;
		to->row[i].ended += from->row[i].ended;
		to->row[i].tsc += from->row[i].tsc;
		to->row[i].insns += from->row[i].insns;
		add(to->row[i].l1, from->row[i].l1, VM_EXIT_REASONS);
	}
	add(to->l1, from->l1, VM_EXIT_REASONS);
	add(to->l2_own, from->l2_own, VM_EXIT_REASONS);
	add(to->vmread, from->vmread, VMCS_FIELD_COUNT);
	add(to->vmwrite, from->vmwrite, VMCS_FIELD_COUNT);
	add(to->failed, from->failed, VMX_CHECK_COUNT);
	to->vmcs_callouts += from->vmcs_callouts;
	if (to->first_failed == VMX_CHECK_OK)
		to->first_failed = from->first_failed;
}
