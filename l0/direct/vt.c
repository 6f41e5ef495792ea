/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In, out, memory. The vCPU's own thread; the guest's vector state is parked. */
#include "vt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../cpu/mmu.h"
#include "../machine/machine.h"
#include "../vmx/apic.h"
#include "../vmx/vmx.h"
#include "private.h"
#include "user.h"

#define REGION BIT(21)
#define AROUND_WRITE (64 * PAGE_SIZE) /* pages near one that is written which become writable with it */

/* Memory */

static void give_up_all(struct vt_vcpu *t)
{
	memset(t->roots, 0, sizeof(t->roots));
}

static bool forget(struct direct_vcpu *d)
{
	d->stats.vt_forgets++;
	give_up_all(d->vt);
	return !vt_cpu_forget(&d->vt->cpu);
}

/* Is something mapped that L1 was told an EPT violation of? It may have put another page there, without INVEPT. */
static bool violated(const struct vt_vcpu *t, const struct tlb_dropped *pages)
{
	unsigned int shift;

	if (pages->count > TLB_DROPPED_PAGES)
		return true;
	for (unsigned int i = 0; i < pages->count; i++)
		for (unsigned int k = 0; k < VT_ROOTS; k++)
			if (t->roots[k].root &&
			    vt_mapped(&t->cpu.tables, t->backend->format, t->roots[k].root, pages->page[i], &shift))
				return true;
	return false;
}

/* The tables of L2's EPT pointer, without what is no longer so; 0: KVM has failed. */
static u64 root_current(struct direct_vcpu *d)
{
	struct vt_vcpu *t = d->vt;
	struct vmx *x = d->v->vmx;
	u64 epoch = atomic_load(&d->machine->epoch);
	struct vt_root *r;

	if (t->epoch != epoch || t->invalidations != x->invalidations || violated(t, &x->violated))
		give_up_all(t);
	x->violated.count = 0;
	t->epoch = epoch;
	t->invalidations = x->invalidations;
	for (unsigned int i = 0; i < VT_ROOTS; i++)
		if (t->roots[i].root && t->roots[i].eptp == x->v02.ept_pointer)
			return t->roots[i].root;
	r = &t->roots[t->roots_next++ % VT_ROOTS];
	d->stats.vt_spaces++;
	*r = (struct vt_root){ .eptp = x->v02.ept_pointer };
	if (table_new(&t->cpu.tables, &r->root))
		return r->root;
	if (!forget(d))
		return 0;
	*r = (struct vt_root){ .eptp = x->v02.ept_pointer };
	return table_new(&t->cpu.tables, &r->root) ? r->root : 0;
}

static bool unwatched(const struct memory *m, u64 gpa)
{
	return !(*memory_flag(m, gpa) & PAGE_WATCHED);
}

/* Is it memory that L2 may reach by itself? */
static bool mappable(const struct vcpu *v, const struct nested_page *page)
{
	return memory_is_ram(&v->machine->memory, page->l1pa) && !vmx_apic_page(v, page->l1pa) &&
	       (page->rights & ACC_READ);
}

/* One mappable page that a walk has found: `rights` at the most */
static enum space_result map_page(struct direct_vcpu *d, u64 root, u64 from, const struct nested_page *page,
				  unsigned int rights)
{
	const struct memory *m = &d->machine->machine->memory;
	u64 gpa = page->l1pa & ~(PAGE_SIZE - 1);
	enum space_result result;

	rights &= page->rights;
	if (!unwatched(m, gpa))
		rights &= ~(unsigned int)ACC_WRITE;
	if (rights & ACC_WRITE)
		d->machine->writable[memory_flag(m, gpa) - m->flags] = 1;
	result = vt_map(&d->vt->cpu.tables, d->vt->backend->format, root, from & ~(PAGE_SIZE - 1), gpa, 12, rights);
	if (result == SPACE_DONE)
		d->stats.vt_pages++;
	return result;
}

static bool region_unwatched(const struct memory *m, u64 gpa)
{
	for (u64 at = gpa; at < gpa + REGION; at += PAGE_SIZE)
		if (!unwatched(m, at))
			return false;
	return true;
}

/* All 2 MiB that are one piece for L1 and for us. False: not so, or not for this access. */
static bool map_large(struct direct_vcpu *d, u64 root, u64 from, const struct nested_page *page, unsigned int access)
{
	const struct memory *m = &d->machine->machine->memory;
	u64 at = from & ~(REGION - 1), gpa = page->l1pa & ~(REGION - 1);
	unsigned int rights = page->rights & (ACC_READ | ACC_EXEC | (access & ACC_WRITE));

	if (page->shift < 21 || ((page->l1pa ^ from) & (REGION - 1) & ~(PAGE_SIZE - 1)) ||
	    !memory_range_is_ram(m, gpa, REGION) || !(page->rights & ACC_READ))
		return false;
	if (d->v->apic_access && (d->v->apic_access & ~(PAGE_SIZE - 1)) - gpa < REGION)
		return false;
	/* or it would have to be split for the first page that is written */
	if (!region_unwatched(m, gpa))
		return false;
	if (access & ACC_WRITE)
		memset(d->machine->writable + (memory_flag(m, gpa) - m->flags), 1, REGION / PAGE_SIZE);
	if (vt_map(&d->vt->cpu.tables, d->vt->backend->format, root, at, gpa, 21, rights) != SPACE_DONE)
		return false;
	d->stats.vt_large_pages++;
	return true;
}

/* Pages near `from` of which L1's tables allow as much without a mark being set */
static void map_around(struct direct_vcpu *d, u64 root, u64 from, unsigned int access)
{
	u64 bytes = access & ACC_WRITE ? AROUND_WRITE : REGION, first = from & ~(bytes - 1);
	unsigned int rights = ACC_READ | ACC_EXEC | (access & ACC_WRITE);
	const struct vt_format *format = d->vt->backend->format;
	struct nested_page page;

	for (u64 at = first; at < first + bytes; at += PAGE_SIZE) {
		unsigned int shift, has = vt_mapped(&d->vt->cpu.tables, format, root, at, &shift);

		if ((access & ACC_WRITE) ? has & ACC_WRITE : has)
			continue;
		if (vmx_nested_walk(d->v, at, ACC_READ | (access & ACC_WRITE), 0, NESTED_FINAL | NESTED_PROBE, &page) &&
		    mappable(d->v, &page) && map_page(d, root, at, &page, rights) == SPACE_FULL)
			return;
	}
}

/* All but vector registers, which cost a call */
static void take_registers(struct direct_vcpu *d)
{
	struct vt_vcpu *t = d->vt;
	struct vcpu *v = d->v;

	t->backend->take(&t->cpu, &t->vmx, v);
	if (t->cpu.kind == VT_VMX && private_msr_get(t->cpu.vcpu, MSR_KERNEL_GS_BASE, &v->kernel_gs_base))
		t->msrs.kernel_gs_base = v->kernel_gs_base;
	vcpu_update_mode(v);
}

/*
 * All of L2's state into *v. The CPU's caches of its own page tables are its own, the soft TLB's of them are old: L2 may have executed INVLPG
 * or MOV CR3.
 */
static void take(struct direct_vcpu *d)
{
	struct vcpu *v = d->v;

	if (d->taken)
		return;
	d->taken = true;
	take_registers(d);
	vector_state_take(&d->vt->vector, v, d->vt->cpu.vcpu);
	v->user_seen |= v->cpl == 3;
	mmu_switch(v, false);
	mmu_flush_nested(v, v->vmx->v02.ept_pointer & ~4095ull, false, 0, true);
}

static void settle(struct direct_vcpu *d, bool interrupted)
{
	struct vt_vcpu *t = d->vt;
	u64 ns = run_timer_now() - d->start_ns;

	/* The host's VT may be one that is emulated itself. What its shortest stay took was the way in and out. */
	if (d->entered && (!t->cost_ns || ns < t->cost_ns))
		t->cost_ns = ns;
	d->stats.vt_ns += ns;
	policy_learn(&t->policy, ns, t->cost_ns, interrupted, d->v->insns);
}

/*
 * L2 has touched a page that isn't mapped, or not for this. True: now it is. False: the translator executes the instruction, and finds that
 * L1's tables don't allow it, or a device, or a page of which stores have to be noticed.
 */
static bool fill(struct direct_vcpu *d, u64 *root, const struct vt_exit *e)
{
	const struct vt_format *format = d->vt->backend->format;
	unsigned int rights = ACC_READ | ACC_EXEC | (e->access & ACC_WRITE), shift;
	struct nested_page page;
	enum space_result result;

	if (!vmx_nested_walk(d->v, e->gpa, e->access, e->linear, e->how | NESTED_QUIET, &page) ||
	    (e->access & ~page.rights & (ACC_READ | ACC_WRITE | ACC_EXEC)))
		return false;
	if (!mappable(d->v, &page))
		return false;
	if (map_large(d, *root, e->gpa, &page, e->access)) {
		d->stats.vt_violations++;
		return true;
	}
	result = map_page(d, *root, e->gpa, &page, rights);
	if (result == SPACE_FULL) {
		if (!forget(d))
			return false;
		*root = root_current(d);
		return *root && map_page(d, *root, e->gpa, &page, rights) == SPACE_DONE;
	}
	if (result == SPACE_REDUCES) {
		give_up_all(d->vt); /* L1 has put another page there */
		return false;
	}
	/* a page of which stores have to be noticed */
	if (e->access & ~vt_mapped(&d->vt->cpu.tables, format, *root, e->gpa, &shift))
		return false;
	map_around(d, *root, e->gpa, e->access);
	d->stats.vt_violations++;
	return true;
}

/* In and out */

static bool give_msrs(struct vt_vcpu *t, const struct vcpu *v)
{
	struct vt_msrs now = { v->star, v->lstar, v->cstar, v->fmask, v->kernel_gs_base, v->tsc_aux };
	bool ok = true;

#define GIVE(field, index) \
	if (!t->msrs_known || now.field != t->msrs.field) \
	ok &= private_msr_set(t->cpu.vcpu, index, now.field)
	if (t->cpu.kind == VT_VMX) { /* a VMCB has the others */
		GIVE(star, MSR_STAR);
		GIVE(lstar, MSR_LSTAR);
		GIVE(cstar, MSR_CSTAR);
		GIVE(fmask, MSR_FMASK);
		GIVE(kernel_gs_base, MSR_KERNEL_GS_BASE);
	}
	if (!t->msrs_known || now.tsc_aux != t->msrs.tsc_aux)
		private_msr_set(t->cpu.vcpu, MSR_TSC_AUX,
				now.tsc_aux); /* a CPU without RDTSCP has none, and no RDPID either */
#undef GIVE
	t->msrs = now;
	t->msrs_known = ok;
	return ok;
}

static void failed(struct direct_vcpu *d, const char *what, u64 number)
{
	d->stats.failures++;
	if (!atomic_exchange(&d->machine->broken, true))
		fprintf(stderr, "turtles: %s: L2s and user code are translated from now on: %s (%llu)\n",
			d->v->machine->name, what, (unsigned long long)number);
}

static void wishes(struct vt_wishes *w, const struct vcpu *v)
{
	w->interrupt_window = v->intr_wait || vmx_waits(v);
	w->nmi_window = v->nmi_blocked && (v->nmi_wait || v->nmi_window);
}

/* Once in L2 and out of it; e->kind is VT_EXIT_KICK if it didn't get there. */
static void run_once(struct direct_vcpu *d, struct vt_exit *e)
{
	struct vt_vcpu *t = d->vt;
	struct vt_failure f = { .lost = false };
	enum vt_ran ran = VT_RAN_NOT;

	atomic_store(&d->running, t->cpu.run);
	atomic_store(&d->inside, 1);
	if (direct_may_go_on(d, t->epoch)) {
		d->stats.vt_kvm_runs++;
		ran = vt_cpu_run(&t->cpu, &f);
	}
	atomic_store(&d->inside, 0);
	*e = (struct vt_exit){ .kind = VT_EXIT_KICK };
	switch (ran) {
	case VT_RAN_NOT:
		break;
	case VT_RAN_LEFT:
		t->backend->left(&t->cpu, &t->vmx, e);
		d->entered = true;
		break;
	case VT_RAN_FAILED:
		*e = (struct vt_exit){ .kind = VT_EXIT_FAILED, .what = f.what, .number = f.number };
		if (f.lost)
			machine_stop(d->v->machine, STOP_INTERNAL, 0,
				     "direct: L2 on VT: %s (%llu), and its registers are lost", f.what,
				     (unsigned long long)f.number);
		break;
	}
}

static void count(struct direct_vcpu *d, const struct vt_exit *e)
{
	switch (e->kind) {
	case VT_EXIT_VIOLATION:
		d->stats.vt_left_memory++;
		break;
	case VT_EXIT_KICK:
		d->stats.vt_left_interrupts++;
		break;
	case VT_EXIT_WINDOW:
		d->stats.vt_left_windows++;
		break;
	case VT_EXIT_INSN:
		d->stats.vt_left_insns++;
		break;
	case VT_EXIT_FAILED:
		failed(d, e->what, e->number);
		break;
	}
}

bool vt_run(struct direct_vcpu *d, u64 rest_ns)
{
	struct vt_vcpu *t = d->vt;
	struct vcpu *v = d->v;
	struct vt_wishes w;
	struct vt_exit e;
	const char *what;

	atomic_store(&d->tid, gettid());
	d->start_ns = run_timer_now();
	w.root = root_current(d);
	if (!w.root || !run_timer_make(&t->timer, t->cpu.run)) {
		failed(d, w.root ? "timer_create" : "KVM_SET_USER_MEMORY_REGION", (u64)errno);
		return false;
	}
	what = vector_state_give(&t->vector, v, t->cpu.vcpu);
	if (!what && !give_msrs(t, v))
		what = "KVM_SET_MSRS";
	if (what) {
		failed(d, what, (u64)errno);
		return false;
	}
	wishes(&w, v);
	t->backend->give(&t->cpu, &t->vmx, v, &w);
	__atomic_store_n(&t->cpu.run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	run_timer_set(&t->timer, rest_ns);
	d->stats.vt_runs++;
	d->taken = true; /* until L2 has run */
	d->entered = false;
	for (;;) {
		run_once(d, &e);
		if (d->entered)
			d->taken = false;
		if (e.kind != VT_EXIT_VIOLATION || !fill(d, &w.root, &e))
			break;
		t->backend->go_on(&t->cpu, &t->vmx, &w);
	}
	if (d->entered)
		take(d);
	d->translate = e.kind == VT_EXIT_VIOLATION || e.kind == VT_EXIT_INSN;
	count(d, &e);
	settle(d, e.kind == VT_EXIT_KICK || e.kind == VT_EXIT_WINDOW);
	t->since = v->insns;
	return true;
}

/* Making it */

const char *vt_create(struct direct_vcpu *d)
{
	struct vt_vcpu *t = aligned_alloc(64, (sizeof(*t) + 63) & ~63ull);
	const char *what;

	if (!t)
		return "memory";
	memset(t, 0, sizeof(*t));
	t->cpu.vcpu = -1;
	d->vt = t;
	policy_init(&t->policy);
	what = vt_cpu_open(&t->cpu, d->machine->kvm, d->machine->vm, d->v->index);
	t->backend = t->cpu.kind == VT_VMX ? &vt_backend_vmx : &vt_backend_svm;
	if (!what)
		what = t->backend->begin(&t->cpu, &t->vmx);
	if (what) {
		vt_destroy(d);
		return what;
	}
	t->cr4_allowed = t->backend->cr4_allowed(&t->cpu);
	t->vector.pkru_at = vector_state_pkru_offset();
	if (!t->vector.pkru_at)
		t->cr4_allowed &= ~CR4_PKE;
	return NULL;
}

void vt_destroy(struct direct_vcpu *d)
{
	if (!d->vt)
		return;
	run_timer_destroy(&d->vt->timer);
	vt_cpu_close(&d->vt->cpu);
	free(d->vt);
	d->vt = NULL;
}
