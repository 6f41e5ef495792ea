/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The translator, with user code that runs directly beside it; and the choice among all engines. */
#include "choose.h"

#include <stdio.h>
#include <string.h>

#include "../cli/config.h"
#include "../cpu/model.h"
#include "../machine/machine.h"
#include "direct.h"
#include "probe.h"
#include "stats.h"

static int prepare(struct cpu_model *model, char *error, size_t n)
{
	return engine_bt.prepare(model, error, n);
}

/* Emulated VT is slower than the translator: only if the user says so. */
static bool l2s_on_vt(const struct run_config *c, const struct kvm_probe *p)
{
	return c->l2_vt == L2_VT_ON ? p->offers_vt : c->l2_vt == L2_VT_AUTO && p->nests;
}

static int create(struct vcpu_thread *t, const struct run_config *c, char *error, size_t n)
{
	int code = engine_bt.create(t, c, error, n);
	struct kvm_probe p = { .user64 = true };

	if (code)
		return code;
	if (!t->v->index)
		kvm_probe(&p); /* the machine's, kept with its first vCPU */
	if (!p.user64) {
		snprintf(error, n, "--engine direct: /dev/kvm is %s: %s", KVM_CLASS_NAMES[p.class],
			 p.class == KVM_WITH_VT || p.class == KVM_WITHOUT_VT ? p.user_why : p.why);
		return EXIT_HOST;
	}
	if (c->l2_vt == L2_VT_ON && !t->v->index && t->v->vmx && !p.offers_vt)
		fprintf(stderr, "turtles: %s: --l2-vt: L2s are translated but for their user code: %s\n",
			t->v->machine->name, p.nests_why);
	return direct_create(t->v, &p, c->direct == DIRECT_EAGER, l2s_on_vt(c, &p), error, n);
}

static void destroy(struct vcpu_thread *t)
{
	direct_destroy(t->v);
	engine_bt.destroy(t);
}

static void loop(struct vcpu_thread *t)
{
	engine_bt.loop(t);
}

static void resumed(struct vcpu_thread *t, u64 ticks)
{
	engine_bt.resumed(t, ticks);
}

static u64 insns(const struct vcpu *v)
{
	return engine_bt.insns(v);
}

static size_t stats(struct vcpu_thread *t, struct stat_values tables[ENGINE_TABLES])
{
	size_t n = engine_bt.stats(t, tables);

	direct_stats_sum(t->v->machine, direct_stats_totals(t->v->machine));
	tables[n] = STAT_VALUES(direct_stats_table, direct_stats_totals(t->v->machine));
	return n + 1;
}

const struct engine engine_direct = {
	.name = "direct",
	.prepare = prepare,
	.create = create,
	.destroy = destroy,
	.loop = loop,
	.resumed = resumed,
	.insns = insns,
	.stats = stats,
};

static const struct engine *const ENGINES[] = {
	[ENGINE_BT] = &engine_bt,
	[ENGINE_DIRECT] = &engine_direct,
	[ENGINE_KVM] = &engine_kvm,
};

const char *engine_needs_translator(const struct run_config *c, const struct cpu_model *model)
{
	if (c->exits.path[0] || c->trace || c->profile)
		return "a trace or a profile of the guest is wanted";
	if (c->cap)
		return "the guest has a cap, which KVM doesn't know";
	if (c->kernel_irqchip && !strcmp(c->kernel_irqchip, "off"))
		return "the interrupt controllers are to be L0's, not KVM's";
	if (model_has(model, FEATURE_VMX))
		return "the guest may be a hypervisor, whose exits are to be counted";
	return NULL;
}

const struct engine *engine_choose(const struct run_config *c, const struct cpu_model *model, char *why, size_t n)
{
	const char *reason = engine_needs_translator(c, model);
	struct kvm_probe p;

	why[0] = '\0';
	if (c->engine != ENGINE_AUTO)
		return ENGINES[c->engine];
	if (c->clock == CLOCK_INSNS) {
		snprintf(why, n, "engine bt: --clock insns counts translated instructions");
		return &engine_bt;
	}
	kvm_probe(&p);
	if (p.class == KVM_WITH_VT && !reason) {
		snprintf(why, n, "engine kvm: /dev/kvm is with VT (%s), and the guest is no hypervisor", p.why);
		return &engine_kvm;
	}
	if (p.user64) {
		snprintf(why, n, "engine direct: /dev/kvm is %s: %s%s%s%s", KVM_CLASS_NAMES[p.class], p.user_why,
			 p.class == KVM_WITH_VT ? "; not kvm: " : "", p.class == KVM_WITH_VT ? reason : "",
			 l2s_on_vt(c, &p) ? "; it nests: L2s run on VT" : "");
		return &engine_direct;
	}
	snprintf(why, n, "engine bt: /dev/kvm is %s: %s", KVM_CLASS_NAMES[p.class],
		 p.class == KVM_WITH_VT || p.class == KVM_WITHOUT_VT ? p.user_why : p.why);
	return &engine_bt;
}
