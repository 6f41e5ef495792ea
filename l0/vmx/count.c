/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exits and entries as they happen: into the rounds, and a record each into the trace. */
#include "internal.h"

#include <x86intrin.h>

#include "../account/stacks.h"
#include "../account/trace.h"
#include "../run/loop.h"

/* What differs from record to record; the rest is the vCPU's. */
struct what {
	enum trace_kind kind;
	u8 level;
	u32 reason;
	u64 qualification, info, data;
};

/* A record of this moment; NULL if none is wanted or no room is left. */
static struct trace_record *record(struct vcpu *v, u64 tsc, u64 insns, const struct what *w)
{
	const struct rounds *rounds = v->vmx ? &v->vmx->rounds : NULL;
	const struct round_row *open = rounds ? rounds->open : NULL;
	struct trace *t = v->trace;
	struct trace_record *r;

	if (t->filtered && w->kind != TRACE_REFUSED && w->kind != TRACE_FAILED &&
	    !(w->kind != TRACE_ENTERED && trace_wants(t->reasons, w->reason & 0xffff)) &&
	    !(open && trace_wants(t->reasons, (unsigned int)(open - rounds->row))))
		return NULL;
	if (__builtin_expect(t->next == t->end, 0)) {
		vcpu_fpu_park(v);
		if (!trace_extend(t))
			return NULL;
	}
	r = t->next++;
	r->time = t->counted ? clock_ns(&v->machine->clock) : tsc - t->start;
	r->insns = insns;
	r->rip = v->rip;
	r->round = open ? rounds->number : 0;
	r->qualification = w->qualification;
	r->info = w->info;
	r->data = w->data;
	r->flags = 0;
	r->vcpu = (u8)v->index;
	r->level = w->level;
	r->reason = w->reason;
	/* last: whatever kills this process now, a record that has a kind is whole */
	__atomic_store_n(&r->kind, (u8)w->kind, __ATOMIC_RELEASE);
	return r;
}

static u64 edx_eax(const struct vcpu *v)
{
	return (u32)v->gpr[RAX] | v->gpr[RDX] << 32;
}

/* What the instructions that exit without a qualification were about: their operands are in registers. */
static void operands(const struct vcpu *v, struct what *w)
{
	switch (w->reason) {
	case EXIT_REASON_CPUID:
		w->info = (u32)v->gpr[RAX] | v->gpr[RCX] << 32;
		break;
	case EXIT_REASON_MSR_READ:
		w->info = (u32)v->gpr[RCX];
		break;
	case EXIT_REASON_MSR_WRITE:
	case EXIT_REASON_XSETBV:
		w->info = (u32)v->gpr[RCX];
		w->data = edx_eax(v);
		break;
	case EXIT_REASON_VMCALL:
		w->info = v->gpr[RAX];
		break;
	case EXIT_REASON_IO_INSTRUCTION:
		/* OUT, no string: see SDM vol. 3, "Exit Qualification for I/O Instructions" */
		if (!(w->qualification & (BIT(3) | BIT(4))))
			w->data = v->gpr[RAX] & (BIT(8 * ((w->qualification & 7) + 1)) - 1);
		break;
	}
}

void vmx_trace_served(struct vcpu *v, unsigned int reason, u64 qualification, u64 info)
{
	struct what w = {
		.kind = TRACE_SERVED,
		.level = v->in_l2 ? 2 : 1,
		.reason = reason,
		.qualification = qualification,
		.info = info,
	};
	struct trace_record *r;

	operands(v, &w);
	r = record(v, v->trace->counted ? 0 : __rdtsc(), vcpu_insns(v), &w);
	if (reason == EXIT_REASON_VMREAD || reason == EXIT_REASON_VMWRITE)
		v->trace->access = r;
	if (__builtin_expect(v->trace->stacks && r && w.level == 1, 0))
		trace_stack(v);
}

/* The record of the VMREAD or VMWRITE under way; NULL: that is no exit, or not recorded. */
static struct trace_record *access_record(const struct vcpu *v)
{
	struct trace_record *r = v->trace ? v->trace->access : NULL;

	return r && r->insns == vcpu_insns(v) ? r : NULL;
}

void vmx_trace_field(struct vcpu *v, u64 encoding)
{
	struct trace_record *r = access_record(v);

	if (r)
		r->info = encoding;
}

void vmx_count_access(struct vcpu *v, bool write, const struct vmcs_field *f, u64 value)
{
	struct rounds *rounds = &v->vmx->rounds;
	struct trace_record *r = access_record(v);

	if (write)
		count_one(&rounds->vmwrite[f - vmcs_fields]);
	else
		count_one(&rounds->vmread[f - vmcs_fields]);
	if (!r)
		return;
	r->data = value;
	r->flags |= TRACE_DONE;
}

void vmx_count_exit(struct vcpu *v, const struct vmx_exit_info *e)
{
	const struct event *vectoring = v->delivering.valid ? &v->delivering : &v->vectoring;
	struct what w = {
		.kind = e->reason & VM_EXIT_FAILED_ENTRY ? TRACE_FAILED : TRACE_REFLECTED,
		.level = 2,
		.reason = e->reason,
		.qualification = e->qualification,
		.info = e->linear,
	};
	u64 tsc = __rdtsc(), insns = vcpu_insns(v);

	if (w.kind == TRACE_REFLECTED)
		rounds_reflect_at(&v->vmx->rounds, e->reason & 0xffff, tsc, insns);
	if (!v->trace)
		return;
	if (vectoring->valid)
		w.data = vmx_event_word(v, vectoring) | (u64)vectoring->error << 32;
	switch (e->reason) {
	case EXIT_REASON_EXCEPTION_NMI:
	case EXIT_REASON_EXTERNAL_INTERRUPT:
		w.data = e->intr_info | (u64)e->intr_error << 32;
		break;
	case EXIT_REASON_EPT_VIOLATION:
	case EXIT_REASON_EPT_MISCONFIG:
		w.info = e->physical;
		break;
	default:
		operands(v, &w);
	}
	record(v, tsc, insns, &w);
}

void vmx_count_entry(struct vcpu *v)
{
	const struct vmcs *c = &v->vmx->v02;
	u64 tsc = __rdtsc(), insns = vcpu_insns(v);
	struct what w = { .kind = TRACE_ENTERED, .level = 2 };

	if (v->trace) {
		if (c->vm_entry_intr_info_field & INTR_VALID)
			w.data = c->vm_entry_intr_info_field | (u64)c->vm_entry_exception_error_code << 32;
		record(v, tsc, insns, &w);
	}
	rounds_enter_at(&v->vmx->rounds, tsc, insns);
}

void vmx_count_refused(struct vcpu *v, enum vmx_check check)
{
	struct what w = {
		.kind = TRACE_REFUSED, .level = 1, .qualification = vmx_check_qualification(check), .info = check
	};

	rounds_failed(&v->vmx->rounds, check);
	if (v->trace)
		record(v, __rdtsc(), vcpu_insns(v), &w);
}
