/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_engine.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "fuzz_compare.h"
#include "fuzz_state.h"

#define SIGNATURES 1024

struct engine {
	const struct fuzz_options *o;
	struct fuzz_totals *totals;
	struct fuzz_target *reference, *subject;
	struct fuzz_context context;
	struct fuzz_batch batch, single;
	struct fuzz_program programs[FUZZ_BATCH];
	struct fuzz_result expected, found; /* of the last case that was run alone */
	struct fuzz_result first_expected[FUZZ_BATCH], first_found[FUZZ_BATCH]; /* of cases that differ */
	u64 signatures[SIGNATURES];
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static unsigned int choose_mode(struct rng *r, unsigned int modes)
{
	unsigned int n, others = modes & ~BIT(FUZZ_MODE_flat64);

	if (!others || (modes != others && rng_chance(r, 60)))
		return FUZZ_MODE_flat64;
	for (n = rng_below(r, __builtin_popcount(others)); n; n--)
		others &= others - 1;
	return __builtin_ctz(others);
}

static void make_batch(struct engine *e, u64 number)
{
	unsigned int i;

	fuzz_memory(e->o->seed, number, e->batch.memory);
	e->batch.count = FUZZ_BATCH;
	for (i = 0; i < FUZZ_BATCH; i++) {
		struct rng r = rng_seed(~e->o->seed, number * FUZZ_BATCH + i);

		fuzz_context_mode(&e->context, choose_mode(&r, e->o->modes & e->reference->modes & e->subject->modes));
		fuzz_generate(&e->context, e->o->seed, number, i, &e->programs[i], &e->batch.cases[i]);
	}
	if (e->o->only >= 0) {
		e->batch.cases[0] = e->batch.cases[e->o->only];
		e->programs[0] = e->programs[e->o->only];
		e->batch.count = 1;
	}
}

/* Runs e->single's one case on both; results in e->expected and e->found. */
static enum fuzz_verdict run_single(struct engine *e, const struct fuzz_program *p, char *first)
{
	e->single.count = 1;
	e->reference->start(e->reference, &e->single);
	e->expected = *e->reference->finish(e->reference);
	e->subject->start(e->subject, &e->single);
	e->found = *e->subject->finish(e->subject);
	return fuzz_compare(p, &e->single.cases[0], e->single.memory, &e->expected, &e->found, first);
}

static bool still_differs(struct engine *e, const struct fuzz_program *p, const struct fuzz_case *c)
{
	e->single.cases[0] = *c;
	return run_single(e, p, NULL) == FUZZ_DIFFERENT;
}

/* What clears may only go when nothing is left to clear. */
static bool is_needed(const struct fuzz_program *p, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (p->items[i].saves)
			return p->items[n].clears;
	return false;
}

static void drop_items(struct engine *e, struct fuzz_program *p, struct fuzz_case *c)
{
	unsigned int i, bad;
	bool dropped = true;

	while (dropped) {
		dropped = false;
		for (i = p->count; i-- > 0;) {
			struct fuzz_program shorter = *p;
			struct fuzz_case trial = *c;

			if (is_needed(p, i))
				continue;
			fuzz_remove(&shorter, i);
			if (!fuzz_layout(&shorter, &trial, &bad) || !still_differs(e, &shorter, &trial))
				continue;
			*p = shorter;
			*c = trial;
			dropped = true;
		}
	}
}

/* n bytes of the input state to zero, if it makes no difference */
static void try_zero(struct engine *e, const struct fuzz_program *p, struct fuzz_case *c, void *field, unsigned int n)
{
	u8 before[16];

	memcpy(before, field, n);
	memset(field, 0, n);
	if (memcmp(before, field, n) && !still_differs(e, p, c))
		memcpy(field, before, n);
}

static void simplify_state(struct engine *e, const struct fuzz_program *p, struct fuzz_case *c)
{
	static const u8 fresh[5] = { 0x7f, 0x03 };
	struct fuzz_case trial;
	unsigned int i;

	for (i = 0; i < 16; i++)
		try_zero(e, p, c, &c->in.gpr[i], 8);
	for (i = 0; i < 16; i++) {
		try_zero(e, p, c, c->in.xsave + FUZZ_XSAVE_YMM + i * 16, 16);
		try_zero(e, p, c, c->in.xsave + 160 + i * 16, 16);
	}
	for (i = 0; i < 8; i++)
		try_zero(e, p, c, c->in.xsave + 32 + i * 16, 10);
	try_zero(e, p, c, &c->in.fs_base, 16);
	trial = *c;
	memcpy(trial.in.xsave, fresh, sizeof(fresh));
	if (still_differs(e, p, &trial))
		*c = trial;
	trial = *c;
	trial.in.rflags = FUZZ_RFLAGS_SET;
	if (still_differs(e, p, &trial))
		*c = trial;
}

/* what makes two mismatches the same for a reader: the instructions and the first thing that differs */
static bool is_new(struct engine *e, const struct fuzz_program *p, const char *first)
{
	u64 hash = 0xcbf29ce484222325ull;
	unsigned int i;

	for (i = 0; i < p->count; i++)
		hash = (hash ^ p->items[i].mnemonic) * 0x100000001b3ull;
	/* registers are alike, memory addresses are alike */
	for (i = 0; first[i] && (first[i] < '0' || first[i] > '9'); i++)
		hash = (hash ^ (u8)first[i]) * 0x100000001b3ull;
	for (i = 0; i < SIGNATURES; i++) {
		if (e->signatures[i] == hash)
			return false;
		if (!e->signatures[i]) {
			e->signatures[i] = hash;
			return true;
		}
	}
	return false;
}

static void report(struct engine *e, u64 number, unsigned int n)
{
	struct fuzz_program p = e->programs[n];
	struct fuzz_case c = e->batch.cases[n];
	char first[32] = "";
	FILE *out = e->o->out;

	e->totals->mismatches++;
	if (e->totals->distinct >= e->o->reports)
		return;
	memcpy(e->single.memory, e->batch.memory, sizeof(e->single.memory));
	if (!still_differs(e, &p, &c)) {
		/* only with what other cases of the batch left behind: show what was seen */
		e->totals->distinct++;
		fprintf(out, "\nmismatch: seed %" PRIu64 " batch %" PRIu64 " case %u, not when run alone\n", e->o->seed,
			number, n);
		fuzz_print_case(out, &p, &c);
		fuzz_print_differences(out, &p, &c, e->batch.memory, &e->first_expected[n], &e->first_found[n]);
		return;
	}
	drop_items(e, &p, &c);
	simplify_state(e, &p, &c);
	e->single.cases[0] = c;
	run_single(e, &p, first);
	if (!is_new(e, &p, first))
		return;
	e->totals->distinct++;
	fprintf(out, "\nmismatch: seed %" PRIu64 " batch %" PRIu64 " case %u\n", e->o->seed, number, n);
	fuzz_print_case(out, &p, &c);
	fuzz_print_differences(out, &p, &c, e->single.memory, &e->expected, &e->found);
}

static void judge(struct engine *e, u64 number)
{
	const struct fuzz_result *expected, *found;
	bool differs[FUZZ_BATCH] = { false };
	struct fuzz_totals *t = e->totals;
	unsigned int i;

	/* both at the same time, where the reference is another process */
	e->reference->start(e->reference, &e->batch);
	e->subject->start(e->subject, &e->batch);
	found = e->subject->finish(e->subject);
	expected = e->reference->finish(e->reference);
	for (i = 0; i < e->batch.count; i++) {
		const struct fuzz_result *r = &expected[i];

		t->cases++;
		t->instructions += e->programs[i].count;
		t->direct += found[i].direct;
		switch (fuzz_compare(&e->programs[i], &e->batch.cases[i], e->batch.memory, r, &found[i], NULL)) {
		case FUZZ_INCOMPARABLE:
			t->incomparable++;
			continue;
		case FUZZ_DIFFERENT:
			differs[i] = true;
			e->first_expected[i] = *r;
			e->first_found[i] = found[i];
			break;
		case FUZZ_SAME:
			break;
		}
		if (r->vector == 3 &&
		    fuzz_item_at(&e->programs[i], &e->batch.cases[i], r->out.rip - 1) == e->programs[i].count)
			t->ended++;
		else if (r->vector < FUZZ_VECTORS)
			t->exceptions[r->vector]++;
	}
	/* from here on `expected` and `found` are gone: minimising runs other cases */
	for (i = 0; i < e->batch.count; i++)
		if (differs[i])
			report(e, number, i);
}

static void say_left_out(const struct engine *e, unsigned int can)
{
	unsigned int i, out = e->o->modes & ~can;

	if (out)
		fprintf(e->o->out, "fuzz: left out, %s or %s can't run them:", e->reference->name, e->subject->name);
	for (i = 0; i < FUZZ_MODE_COUNT; i++)
		if (out & BIT(i))
			fprintf(e->o->out, " %s", fuzz_modes[i].name);
	if (out)
		fputc('\n', e->o->out);
}

void fuzz_run(struct fuzz_target *reference, struct fuzz_target *subject, const struct fuzz_options *o,
	      struct fuzz_totals *totals)
{
	struct engine *e = aligned_alloc(4096, (sizeof(*e) + 4095) & ~4095ul);
	double start = now();
	u64 number = o->first;

	memset(totals, 0, sizeof(*totals));
	if (!e) {
		fprintf(stderr, "fuzz: no memory\n");
		abort();
	}
	memset(e, 0, sizeof(*e));
	e->o = o;
	e->totals = totals;
	e->reference = reference;
	e->subject = subject;
	fuzz_context_init(&e->context, reference, subject);
	say_left_out(e, reference->modes & subject->modes);
	do {
		make_batch(e, number);
		judge(e, number++);
	} while ((!o->cases || totals->cases < o->cases) && (!o->seconds || now() - start < o->seconds));
	totals->seconds = now() - start;
	free(e);
}

void fuzz_print_totals(const struct fuzz_totals *t, const struct fuzz_options *o, const char *subject)
{
	unsigned int i;

	fprintf(o->out,
		"fuzz: %s: seed %" PRIu64 ": %" PRIu64 " cases, %" PRIu64 " instructions, %.0f cases a second; %" PRIu64
		" ended,",
		subject, o->seed, t->cases, t->instructions, t->cases / t->seconds, t->ended);
	for (i = 0; i < FUZZ_VECTORS; i++)
		if (t->exceptions[i])
			fprintf(o->out, " %" PRIu64 " vector %u,", t->exceptions[i], i);
	if (t->direct)
		fprintf(o->out, " %" PRIu64 " directly,", t->direct);
	fprintf(o->out, " %" PRIu64 " incomparable\nfuzz: %s: %" PRIu64 " mismatches\n", t->incomparable, subject,
		t->mismatches);
}
