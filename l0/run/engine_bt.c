/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The translator as an engine. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ept-merge/ept_stats.h"
#include "../bt/bt.h"
#include "../cli/config.h"
#include "../machine/machine.h"
#include "../vmx/vmx.h"
#include "profile.h"

/* The numbers of all vCPUs as one */
struct bt_totals {
	struct bt_stats bt;
	struct ept_stats ept;
	struct vmcs_stats vmcs;
};

static int prepare(struct cpu_model *model, char *error, size_t n)
{
	(void)model;
	if (!bt_host_missing())
		return 0;
	snprintf(error, n, "this host's CPU lacks %s, which translated code needs; a CPU of x86-64-v3 has it",
		 bt_host_missing());
	return EXIT_HOST;
}

static int create(struct vcpu_thread *t, const struct run_config *c, char *error, size_t n)
{
	struct machine *m = t->v->machine;

	if (!m->bt)
		m->bt = bt_create(m, c->code_cache); /* with the first vCPU */
	if (m->bt)
		bt_trace(m->bt, c->trace >> TRACE_BIT_translate & 1);
	if (!t->v->index)
		t->totals = calloc(1, sizeof(*t->totals));
	if (!t->v->index && c->profile)
		t->profile = profile_create();
	if (!m->vcpu[0]->thread->totals || (c->profile && !m->vcpu[0]->thread->profile) || !m->bt ||
	    bt_vcpu_create(m->bt, t->v)) {
		snprintf(error, n, "%s: not enough memory for a code cache", c->name);
		return EXIT_HOST;
	}
	return 0;
}

static void destroy(struct vcpu_thread *t)
{
	struct machine *m = t->v->machine;

	if (t->v->bt)
		bt_vcpu_destroy(t->v);
	if (t->v->index)
		return;
	free(t->totals);
	profile_destroy(t->profile);
	bt_destroy(m->bt); /* with the last one */
	m->bt = NULL;
}

/* on the vCPU's thread, a new one after each pause; or on that of the first vCPU, which runs the others, too */
static void loop(struct vcpu_thread *t)
{
	int err = t->profile ? profile_begin(t->profile) : 0;

	if (err) {
		machine_stop(t->v->machine, STOP_HOST, EXIT_HOST, "--profile: no timer: %s", strerror(-err));
		return;
	}
	bt_resumed(t->v);
	vcpu_loop(t);
	if (t->profile)
		profile_end(t->profile);
}

static void resumed(struct vcpu_thread *t, u64 ticks)
{
	struct machine *m = t->v->machine;

	/* one code cache for all vCPUs */
	if (!t->v->index && ticks && m->clock.kind == CLOCK_HOST)
		bt_clock_moved(m->bt);
}

COUNTERS_RACE static void add(u64 *to, const void *from, size_t bytes)
{
	const u64 *f = from;

	for (size_t i = 0; i < bytes / sizeof(u64); i++)
		to[i] += f[i];
}

/* of all vCPUs */
COUNTERS_RACE static size_t stats(struct vcpu_thread *t, struct stat_values tables[ENGINE_TABLES])
{
	const struct machine *m = t->v->machine;
	struct bt_totals *all = t->totals;
	struct bt_stats *s = &all->bt;
	size_t n = 0;

	*all = (struct bt_totals){ 0 };
	bt_stats(m->bt, s);
	for (unsigned int i = 0; i < m->vcpu_count; i++) {
		const struct vcpu *v = m->vcpu[i];

		s->stlb_hits += v->stlb_hits;
		s->walks += v->walks[0];
		s->walk_refs += v->walk_refs[0];
		s->l2_walks += v->walks[1];
		s->l2_walk_refs += v->walk_refs[1];
		s->tlb_flushes += v->tlb_flushes;
		s->exceptions += v->exceptions;
		s->interrupts += v->interrupts;
		if (!v->vmx)
			continue;
		add((u64 *)&all->ept, vmx_ept_stats(v->vmx), sizeof(all->ept));
		add((u64 *)&all->vmcs, &v->vmx->stats, sizeof(all->vmcs));
	}
	tables[n++] = STAT_VALUES(bt_stats_table, s);
	if (t->v->vmx) {
		tables[n++] = STAT_VALUES(ept_merge_stats_table, &all->ept);
		tables[n++] = STAT_VALUES(vmcs_stats_table, &all->vmcs);
	}
	if (t->profile)
		tables[n++] = STAT_VALUES(profile_stats_table, profile_stats(t->profile));
	return n;
}

const struct engine engine_bt = {
	.name = "bt",
	.prepare = prepare,
	.create = create,
	.destroy = destroy,
	.loop = loop,
	.resumed = resumed,
	.insns = vcpu_insns_so_far,
	.stats = stats,
};
