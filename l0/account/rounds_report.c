/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rounds_report.h"

#include <inttypes.h>
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

/* nanoseconds in a tick */
static double tick_ns(const struct rounds *r)
{
	u64 ticks = __rdtsc() - r->start_tsc;

	return ticks ? (double)(now_ns() - r->start_ns) / (double)ticks : 0;
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

json_t *rounds_json(const struct rounds *r, bool counted)
{
	json_t *rows = json_array();

	for (unsigned int i = 0; i < VM_EXIT_REASONS; i++) {
		const struct round_row *row = &r->row[i];
		json_t *object;

		if (!row->count)
			continue;
		object = json_pack("{s:s, s:I, s:I, s:I, s:o}", "reason", names[i], "count", (json_int_t)row->count,
				   "rounds", (json_int_t)row->ended, "insns", (json_int_t)row->insns, "l1_exits",
				   reasons(row->l1));
		if (!counted)
			json_object_set_new(object, "ns", json_integer((json_int_t)((double)row->tsc * tick_ns(r))));
		json_array_append_new(rows, object);
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "rounds", rows, "l1_exits", reasons(r->l1),
			 "l2_exits_without_l1", reasons(r->l2_own), "vmread", fields(r->vmread), "vmwrite",
			 fields(r->vmwrite), "failed_entries", checks(r->failed));
}

/* "VMREAD 12.0, VMWRITE 5.0, ...": the most frequent first */
static void print_l1(FILE *to, const struct round_row *row)
{
	bool done[VM_EXIT_REASONS] = { false }, any = false;

	for (;;) {
		unsigned int most = VM_EXIT_REASONS;

		for (unsigned int i = 0; i < VM_EXIT_REASONS; i++)
			if (row->l1[i] && !done[i] && (most == VM_EXIT_REASONS || row->l1[i] > row->l1[most]))
				most = i;
		if (most == VM_EXIT_REASONS)
			break;
		done[most] = true;
		fprintf(to, "%s%s %.2f", any ? ", " : "", names[most],
			(double)row->l1[most] / (double)(row->ended ? row->ended : 1));
		any = true;
	}
	fputc('\n', to);
}

void rounds_print(FILE *to, const struct rounds *r)
{
	bool done[VM_EXIT_REASONS] = { false };
	u64 reflected = 0;

	fprintf(to, "%-22s %9s %8s %9s %8s  %s\n", "exit of L2 to L1", "count", "us", "insns", "L1 exits",
		"of these, a round");
	for (;;) {
		unsigned int most = VM_EXIT_REASONS;
		const struct round_row *row;
		double n;

		for (unsigned int i = 0; i < VM_EXIT_REASONS; i++)
			if (r->row[i].count && !done[i] &&
			    (most == VM_EXIT_REASONS || r->row[i].count > r->row[most].count))
				most = i;
		if (most == VM_EXIT_REASONS)
			break;
		done[most] = true;
		row = &r->row[most];
		reflected += row->count;
		n = row->ended ? (double)row->ended : 1;
		fprintf(to, "%-22s %9" PRIu64 " %8.2f %9.0f %8.2f  ", names[most], row->count,
			(double)row->tsc * tick_ns(r) / n / 1000, (double)row->insns / n, (double)sum(row->l1) / n);
		print_l1(to, row);
	}
	fprintf(to, "%-22s %9" PRIu64 "\n", "all", reflected);
	fprintf(to, "exits of L2 without L1 %9" PRIu64 "\n", sum(r->l2_own));
	fprintf(to, "exits of L1            %9" PRIu64 "\n", sum(r->l1));
	if (r->first_failed != VMX_CHECK_OK)
		fprintf(to, "entries that failed    %9" PRIu64 "  the first by %s: %s\n",
			sum_of(r->failed, VMX_CHECK_COUNT), vmx_check_name(r->first_failed),
			vmx_check_text(r->first_failed));
}
