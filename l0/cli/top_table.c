/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "top_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../vmx/vmx.h"

struct top_sums top_sums(const struct top_row *rows, size_t n, double seconds)
{
	struct top_sums sums = { .seconds = seconds };

	for (size_t i = 0; i < n; i++) {
		sums.total += rows[i].total;
		sums.count += rows[i].count;
		sums.ns += rows[i].ns;
	}
	return sums;
}

#define CELL 32

static void put_count(char *cell, double value)
{
	if (value >= 1e10)
		snprintf(cell, CELL, "%.1fG", value / 1e9);
	else
		snprintf(cell, CELL, "%.0f", value);
}

static void put_share(char *cell, u64 part, u64 whole)
{
	if (whole)
		snprintf(cell, CELL, "%.1f", 100.0 * (double)part / (double)whole);
	else
		snprintf(cell, CELL, "-");
}

static void put_us(char *cell, const struct top_row *r, bool known, double ns)
{
	if (r->timed && known)
		snprintf(cell, CELL, "%.2f", ns / 1000);
	else
		snprintf(cell, CELL, "-");
}

static void l1(char *cell, const struct top_row *r, const struct top_sums *s)
{
	(void)s;
	snprintf(cell, CELL, "%s", r->l1);
}

static void level(char *cell, const struct top_row *r, const struct top_sums *s)
{
	(void)s;
	snprintf(cell, CELL, "L%u", r->level);
}

static void reason(char *cell, const struct top_row *r, const struct top_sums *s)
{
	(void)s;
	snprintf(cell, CELL, "%s", vmx_exit_name(r->reason));
}

static void total(char *cell, const struct top_row *r, const struct top_sums *s)
{
	(void)s;
	put_count(cell, (double)r->total);
}

static void share(char *cell, const struct top_row *r, const struct top_sums *s)
{
	put_share(cell, r->total, s->total);
}

static void rate(char *cell, const struct top_row *r, const struct top_sums *s)
{
	put_count(cell, s->seconds > 0 ? (double)r->count / s->seconds : 0);
}

static void time_share(char *cell, const struct top_row *r, const struct top_sums *s)
{
	put_share(cell, r->ns, r->timed ? s->ns : 0);
}

static void shortest(char *cell, const struct top_row *r, const struct top_sums *s)
{
	(void)s;
	put_us(cell, r, r->ns_max, (double)r->ns_min);
}

static void longest(char *cell, const struct top_row *r, const struct top_sums *s)
{
	(void)s;
	put_us(cell, r, r->ns_max, (double)r->ns_max);
}

static void mean(char *cell, const struct top_row *r, const struct top_sums *s)
{
	(void)s;
	put_us(cell, r, r->rounds, top_mean_ns(r));
}

static void insns(char *cell, const struct top_row *r, const struct top_sums *s)
{
	(void)s;
	if (r->rounds)
		put_count(cell, (double)r->insns / (double)r->rounds);
	else
		snprintf(cell, CELL, "-");
}

static void amplification(char *cell, const struct top_row *r, const struct top_sums *s)
{
	(void)s;
	if (r->rounds)
		snprintf(cell, CELL, "%.2f", top_amplification(r));
	else
		snprintf(cell, CELL, "-");
}

/* title, width (negative: to the left), how soon it is left out on a narrow screen: the highest first; 0 never */
static const struct column {
	const char *title;
	int width;
	unsigned int expendable;
	void (*put)(char *cell, const struct top_row *r, const struct top_sums *s);
} COLUMNS[] = {
	/* clang-format off */
	{ "L1",       -8,  0, l1 },
	{ "",         -2,  0, level },
	{ "VM-EXIT",  -22, 0, reason },
	{ "Total",    10,  0, total },
	{ "Total%",   6,   4, share },
	{ "Cur/s",    9,   0, rate },
	{ "Time%",    6,   1, time_share },
	{ "Mean us",  9,   2, mean },
	{ "Min us",   8,   5, shortest },
	{ "Max us",   10,  6, longest },
	{ "Insns",    8,   7, insns },
	{ "Amplif.",  8,   3, amplification },
	/* clang-format on */
};

#define COLUMN_COUNT (sizeof(COLUMNS) / sizeof(COLUMNS[0]))

/* The columns that fit: those less expendable than the result */
static unsigned int limit_for(unsigned int width)
{
	unsigned int limit = COLUMN_COUNT;

	for (;; limit--) {
		unsigned int all = 0;

		for (size_t i = 0; i < COLUMN_COUNT; i++)
			if (COLUMNS[i].expendable < limit)
				all += 1 + (unsigned int)(COLUMNS[i].width < 0 ? -COLUMNS[i].width : COLUMNS[i].width);
		if (all - 1 <= width || limit == 1)
			return limit;
	}
}

/* A row; NULL: the heading */
static const char *line(char *buffer, unsigned int width, const struct top_row *r, const struct top_sums *sums)
{
	unsigned int limit = limit_for(width);
	size_t n = 0;

	buffer[0] = '\0';
	for (size_t i = 0; i < COLUMN_COUNT && n < TOP_LINE; i++) {
		char cell[CELL];

		if (COLUMNS[i].expendable >= limit)
			continue;
		snprintf(cell, sizeof(cell), "%s", COLUMNS[i].title);
		if (r)
			COLUMNS[i].put(cell, r, sums);
		n += (size_t)snprintf(buffer + n, TOP_LINE - n, "%s%*s", n ? " " : "", COLUMNS[i].width, cell);
	}
	if (width < TOP_LINE - 1)
		buffer[width] = '\0';
	return buffer;
}

const char *top_heading(char *buffer, unsigned int width)
{
	return line(buffer, width, NULL, NULL);
}

const char *top_line(char *buffer, unsigned int width, const struct top_row *r, const struct top_sums *sums)
{
	return line(buffer, width, r, sums);
}

const char *top_l1_line(char *buffer, const struct top_l1 *l, const struct top_sample *before, double seconds)
{
	u64 then = 0;

	for (unsigned int i = 0; i < before->count; i++)
		if (!strcmp(before->l1[i].name, l->name) && before->l1[i].starts == l->starts)
			then = before->l1[i].insns;
	snprintf(buffer, TOP_LINE, "%-8s %-14s %9.1f M instructions/s%s", l->name, l->status,
		 seconds > 0 && l->insns > then ? (double)(l->insns - then) / seconds / 1e6 : 0,
		 l->vmx ? "" : "  (no VMX: it has no exits)");
	return buffer;
}

void top_csv_heading(FILE *to)
{
	fputs("time,l1,level,reason,total,count,rounds,ns,ns_min,ns_max,insns,l1_exits\n", to);
}

/* A name as CSV has it, RFC 4180 */
static void csv_text(FILE *to, const char *text)
{
	if (!strpbrk(text, ",\"\n")) {
		fputs(text, to);
		return;
	}
	fputc('"', to);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', to);
		fputc(*text, to);
	}
	fputc('"', to);
}

static void csv_number(FILE *to, bool known, u64 value)
{
	if (known)
		fprintf(to, ",%" PRIu64, value);
	else
		fputc(',', to);
}

void top_csv_row(FILE *to, const char *time, const struct top_row *r)
{
	bool rounds = r->level > 1;

	fprintf(to, "%s,", time ? time : "");
	csv_text(to, r->l1);
	fprintf(to, ",%u,%s", r->level, vmx_exit_name(r->reason));
	csv_number(to, true, r->total);
	csv_number(to, true, r->count);
	csv_number(to, rounds, r->rounds);
	csv_number(to, rounds && r->timed, r->ns);
	csv_number(to, rounds && r->timed, r->ns_min);
	csv_number(to, rounds && r->timed, r->ns_max);
	csv_number(to, rounds, r->insns);
	csv_number(to, rounds, r->l1_exits);
	fputc('\n', to);
}
