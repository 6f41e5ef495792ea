/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "top_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../vmx/vmx.h"
#include "rounds_load.h"

void top_sample_free(struct top_sample *s)
{
	free(s->l1);
	*s = (struct top_sample){ .l1 = NULL };
}

static void copy_text(char *to, size_t n, const json_t *value)
{
	const char *text = json_string_value(value);

	snprintf(to, n, "%s", text ? text : "?");
}

static u64 number(const json_t *object, const char *key)
{
	return (u64)json_integer_value(json_object_get(object, key));
}

bool top_sample_load(struct top_sample *s, const json_t *stats, u64 ns, char *error, size_t n)
{
	const json_t *l1s = json_object_get(stats, "l1");
	size_t count = json_array_size(l1s);

	*s = (struct top_sample){ .ns = ns, .count = (unsigned int)count };
	if (!json_is_array(l1s)) {
		snprintf(error, n, "the stats have no L1s");
		return false;
	}
	s->l1 = calloc(count + 1, sizeof(s->l1[0]));
	if (!s->l1) {
		snprintf(error, n, "not enough memory");
		s->count = 0;
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *machine = json_array_get(l1s, i), *vmx = json_object_get(machine, "vmx");
		struct top_l1 *l = &s->l1[i];

		copy_text(l->name, sizeof(l->name), json_object_get(machine, "name"));
		copy_text(l->status, sizeof(l->status), json_object_get(machine, "status"));
		l->starts = number(json_object_get(machine, "life"), "starts");
		l->insns = number(json_object_get(machine, "life"), "insns");
		l->vmx = vmx != NULL;
		if (vmx && !rounds_load(&l->rounds, vmx, error, n)) {
			top_sample_free(s);
			return false;
		}
	}
	return true;
}

/* The same life of the same L1 in an older sample; NULL: it isn't there */
static const struct rounds *older(const struct top_sample *s, const struct top_l1 *l)
{
	for (unsigned int i = 0; i < s->count; i++)
		if (!strcmp(s->l1[i].name, l->name) && s->l1[i].starts == l->starts)
			return &s->l1[i].rounds;
	return NULL;
}

static u64 sum(const u64 *counts)
{
	u64 total = 0;

	for (unsigned int i = 0; i < VM_EXIT_REASONS; i++)
		total += counts[i];
	return total;
}

static u64 exits(const struct rounds *r, unsigned int level, unsigned int reason)
{
	if (!r)
		return 0;
	return level == 1 ? r->l1[reason] : r->row[reason].count + r->l2_own[reason];
}

/* Of two readings of what only grows; what was timed is scaled anew each time, and may lose a few ns. */
static u64 since(u64 now, u64 then)
{
	return now > then ? now - then : 0;
}

static struct top_row make(const struct top_l1 *l, const struct rounds *base, const struct rounds *before,
			   unsigned int level, unsigned int reason)
{
	const struct round_row *now = &l->rounds.row[reason], *then = before ? &before->row[reason] : NULL;
	u64 all = exits(&l->rounds, level, reason);
	struct top_row row = {
		.l1 = l->name,
		.level = level,
		.reason = reason,
		.total = since(all, exits(base, level, reason)),
		.count = since(all, exits(before, level, reason)),
	};

	if (level == 1)
		return row;
	row.rounds = since(now->ended, then ? then->ended : 0);
	row.ns = since(now->tsc, then ? then->tsc : 0);
	row.insns = since(now->insns, then ? then->insns : 0);
	row.l1_exits = since(sum(now->l1), then ? sum(then->l1) : 0);
	row.ns_min = now->tsc_min;
	row.ns_max = now->tsc_max;
	row.timed = !l->rounds.untimed;
	return row;
}

double top_mean_ns(const struct top_row *r)
{
	return r->rounds ? (double)r->ns / (double)r->rounds : 0;
}

double top_amplification(const struct top_row *r)
{
	return r->rounds ? 1 + (double)r->l1_exits / (double)r->rounds : 0;
}

static bool wanted(const struct top_filter *f, const struct top_row *row)
{
	return (f->idle || row->total) && (!f->level || f->level == row->level) && (!f->l1 || !strcmp(f->l1, row->l1)) &&
	       (!f->reason || !regexec(f->reason, vmx_exit_name(row->reason), 0, NULL, 0));
}

static double key(const struct top_row *r, enum top_order order)
{
	switch (order) {
	case TOP_BY_RATE:
		return (double)r->count;
	case TOP_BY_TOTAL:
		return (double)r->total;
	case TOP_BY_TIME:
		return (double)r->ns;
	case TOP_BY_MEAN:
		return top_mean_ns(r);
	case TOP_BY_MAX:
		return (double)r->ns_max;
	case TOP_BY_AMPLIFICATION:
		return top_amplification(r);
	default:
		return 0;
	}
}

/* What is equal in the order is sorted by total, then by name: no row jumps without a reason. */
static int compare(const void *x, const void *y, void *arg)
{
	const struct top_row *a = x, *b = y;
	enum top_order order = *(enum top_order *)arg;
	double ka = key(a, order), kb = key(b, order);
	int names = strcmp(a->l1, b->l1);

	if (ka != kb)
		return ka < kb ? 1 : -1;
	if (order != TOP_BY_NAME && a->total != b->total)
		return a->total < b->total ? 1 : -1;
	if (names)
		return names;
	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	return strcmp(vmx_exit_name(a->reason), vmx_exit_name(b->reason));
}

size_t top_rows(const struct top_sample *base, const struct top_sample *before, const struct top_sample *now,
		const struct top_filter *filter, enum top_order order, struct top_row **rows)
{
	size_t n = 0;

	*rows = malloc(sizeof(**rows) * (now->count * 2 * VM_EXIT_REASONS + 1));
	for (unsigned int i = 0; *rows && i < now->count; i++) {
		const struct top_l1 *l = &now->l1[i];

		for (unsigned int level = 1; l->vmx && level <= 2; level++)
			for (unsigned int reason = 0; reason < VM_EXIT_REASONS; reason++) {
				if (!vmx_exit_name(reason))
					continue;
				(*rows)[n] = make(l, older(base, l), older(before, l), level, reason);
				n += wanted(filter, &(*rows)[n]);
			}
	}
	if (*rows)
		qsort_r(*rows, n, sizeof(**rows), compare, &order);
	return n;
}

const char *top_order_name(enum top_order order)
{
	static const char *const NAMES[TOP_ORDERS] = {
		[TOP_BY_RATE] = "rate", [TOP_BY_TOTAL] = "total", [TOP_BY_TIME] = "time",
		[TOP_BY_MEAN] = "mean", [TOP_BY_MAX] = "max",	  [TOP_BY_AMPLIFICATION] = "amplification",
		[TOP_BY_NAME] = "name",
	};

	return NAMES[order];
}
