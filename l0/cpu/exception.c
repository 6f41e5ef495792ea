/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Raising exceptions, and delivering them and interrupts: SDM vol. 3, "Interrupt and Exception
 * Handling", SDM vol. 2, "INT n".
 *
 * raise_*() records what is to be delivered in v->event and leaves the instruction. The run loop
 * calls event_deliver(), which moves it to v->delivering while the IDT, the descriptors and the
 * stacks are walked. A fault on that way comes back to raise_*(), which sees v->delivering and
 * combines: deliver the second, or a double fault, or shut down. In the last case nothing is left
 * in v->event, v->activity is ACTIVITY_SHUTDOWN and event_deliver() returns false.
 */
#include "transfer.h"

#include "../vmx/apic.h"
#include "../vmx/vmx.h"

#define IDT_ERROR 2u /* error code: the index is a vector */

enum fault_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

/* SDM vol. 3, "Interrupt 8 - Double Fault Exception": interrupts and INT n are benign whatever their vector */
static enum fault_class event_class(const struct event *e)
{
	if (e->external || e->software || e->icebp)
		return BENIGN;
	switch (e->vector) {
	case VEC_DE:
	case VEC_TS:
	case VEC_NP:
	case VEC_SS:
	case VEC_GP:
		return CONTRIBUTORY;
	case VEC_PF:
		return PAGE_FAULT;
	case VEC_DF:
		return DOUBLE_FAULT;
	default:
		return BENIGN;
	}
}

/* Faults whose handler sees RF set, so that an instruction breakpoint isn't met twice. */
static bool event_is_fault(const struct vcpu *v, const struct event *e)
{
	if (e->external || e->software || e->icebp)
		return false;
	switch (e->vector) {
	case VEC_DB:
		return v->pending_db & DR6_BD;
	case VEC_NMI:
	case VEC_BP:
	case VEC_OF:
	case VEC_DF:
	case VEC_MC:
		return false;
	default:
		return true;
	}
}

static _Noreturn void unwind(struct vcpu *v)
{
	longjmp(v->unwind, UNWIND_EVENT); /* not _longjmp(): ThreadSanitizer would keep the frames that are left */
}

void event_raise(struct vcpu *v, const struct event *e)
{
	enum fault_class second = event_class(e), first;

	v->event = *e;
	if (e->vector == VEC_PF)
		v->event.address = v->fault_address;
	v->vectoring = v->delivering;
	/* An instruction that faults has met no data breakpoint. One that MOV SS has held off stays. */
	if (e->vector != VEC_DB && event_is_fault(v, e) && !(v->intr_shadow & SHADOW_MOV_SS))
		v->pending_db &= ~DR6_BREAKPOINTS;
	/* SDM vol. 3, "Exceptions" of "Other Causes of VM Exits": L1 gets the second fault before a double fault is made of it */
	if (!v->delivering.valid || (v->in_l2 && vmx_wants_exception(v, &v->event)))
		unwind(v);
	first = event_class(&v->delivering);
	if (first == DOUBLE_FAULT && second != BENIGN) {
		v->event.valid = false;
		if (v->in_l2)
			vmx_on_triple_fault(v);
		v->delivering.valid = false;
		v->activity = ACTIVITY_SHUTDOWN;
	} else if ((first == CONTRIBUTORY && second == CONTRIBUTORY) || (first == PAGE_FAULT && second != BENIGN)) {
		/* the second fault isn't delivered, but CR2 shows it */
		if (e->vector == VEC_PF)
			v->cr2 = v->fault_address;
		v->event = (struct event){ .valid = true, .vector = VEC_DF, .has_error = true };
	}
	unwind(v);
}

void raise_exception(struct vcpu *v, enum vector vector)
{
	event_raise(v, &(struct event){ .valid = true, .vector = vector });
}

void raise_error(struct vcpu *v, enum vector vector, u32 error)
{
	/* EXT: the cause is an event from outside the program, not its own INT n */
	if (v->delivering.valid && !v->delivering.software && vector >= VEC_TS && vector <= VEC_GP)
		error |= 1;
	event_raise(v, &(struct event){ .valid = true, .vector = vector, .has_error = true, .error = error });
}

void raise_page_fault(struct vcpu *v, u64 linear, u32 error)
{
	/* CR2 changes when the fault is delivered: in VMX non-root operation it may cause a VM exit, which leaves CR2 alone. */
	v->fault_address = linear;
	raise_error(v, VEC_PF, error);
}

u64 event_return_rip(const struct vcpu *v, const struct event *e)
{
	u64 rip = v->rip + (e->software || e->icebp ? e->len : 0);

	return vcpu_64bit(v) ? rip : (u32)rip;
}

/*
 * #DB tells its causes in DR6 and switches off the protection of the debug registers. INT1 has none of its own, but takes
 * along a data breakpoint that MOV SS has held off.
 */
static void enter_debug_handler(struct vcpu *v, const struct event *e)
{
	if (!e->icebp)
		v->dr[6] &= ~DR6_BREAKPOINTS;
	v->dr[6] |= DR6_FIXED | v->pending_db;
	v->pending_db = 0;
	v->dr[7] &= ~DR7_GD;
}

static void deliver_real(struct vcpu *v, const struct event *e)
{
	u64 vector_at = v->idtr.base + e->vector * 4u;
	struct stack s;
	u32 target;

	if (e->vector * 4u + 3 > v->idtr.limit)
		raise_gp(v, 0);
	target = mmu_read(v, vector_at, 4, ACC_SYSTEM_READ);
	stack_current(v, &s);
	stack_push(v, &s, v->rflags, 2);
	stack_push(v, &s, v->seg[CS].sel, 2);
	stack_push(v, &s, event_return_rip(v, e), 2);
	v->gpr[RSP] = s.sp;
	v->rflags &= ~(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF);
	segment_load_real(v, CS, target >> 16);
	v->rip = target & 0xffff;
}

static u64 flags_in_handler(const struct vcpu *v, const struct gate *g)
{
	u64 flags = v->rflags & ~(FLAG_TF | FLAG_VM | FLAG_RF | FLAG_NT);

	return g->type & 1 ? flags : flags & ~FLAG_IF;
}

/* The IDT's gate for *e, of one of `types`; raises as INT n does. */
static void gate_fetch(struct vcpu *v, const struct event *e, bool wide, u32 types, struct gate *g)
{
	u32 size = wide ? 16 : 8, error = e->vector * 8u + IDT_ERROR;
	u64 at = v->idtr.base + e->vector * size, d[2] = { 0, 0 };

	if (e->vector * size + size - 1 > v->idtr.limit)
		raise_gp(v, error);
	d[0] = mmu_read(v, at, 8, ACC_SYSTEM_READ);
	if (wide)
		d[1] = mmu_read(v, at + 8, 8, ACC_SYSTEM_READ);
	gate_decode(d, wide, g);
	if (!(types & BIT(g->type)))
		raise_gp(v, error);
	if (e->software && g->dpl < v->cpl)
		raise_gp(v, error);
	if (!g->present)
		raise_error(v, VEC_NP, error);
}

static void push_segments_v8086(struct vcpu *v, struct stack *s, unsigned int size)
{
	stack_push(v, s, v->seg[GS].sel, size);
	stack_push(v, s, v->seg[FS].sel, size);
	stack_push(v, s, v->seg[DS].sel, size);
	stack_push(v, s, v->seg[ES].sel, size);
}

static void drop_segments_v8086(struct vcpu *v)
{
	segment_set_null(&v->seg[GS], 0, 0);
	segment_set_null(&v->seg[FS], 0, 0);
	segment_set_null(&v->seg[DS], 0, 0);
	segment_set_null(&v->seg[ES], 0, 0);
}

static void task_gate(struct vcpu *v, const struct event *e, u16 selector)
{
	task_switch(v, selector, TASK_GATE, e->has_error, e->error);
}

#define GATES_LEGACY (BIT(SYS_TASK_GATE) | BIT(SYS_INT16) | BIT(SYS_TRAP16) | BIT(SYS_INT32) | BIT(SYS_TRAP32))
#define GATES_LONG (BIT(SYS_INT32) | BIT(SYS_TRAP32))

static void deliver_legacy(struct vcpu *v, const struct event *e, u64 flags)
{
	struct segment cs, ss;
	struct stack s;
	struct gate g;
	unsigned int size, cpl;
	bool inner;

	gate_fetch(v, e, false, GATES_LEGACY, &g);
	if (g.type == SYS_TASK_GATE) {
		task_gate(v, e, g.selector);
		return;
	}
	code_segment_fetch(v, g.selector, VEC_GP, &cs);
	if (segment_dpl(&cs) > v->cpl)
		raise_gp(v, selector_error(g.selector));
	if (!(cs.ar & AR_P))
		raise_error(v, VEC_NP, selector_error(g.selector));
	inner = !segment_is_conforming(&cs) && segment_dpl(&cs) < v->cpl;
	cpl = inner ? segment_dpl(&cs) : v->cpl;
	/* virtual-8086 mode is left to CPL 0 only */
	if (vcpu_v8086(v) && (!inner || cpl != 0))
		raise_gp(v, selector_error(g.selector));

	size = gate_is_16bit(&g) ? 2 : 4;
	if (inner) {
		stack_inner(v, cpl, 0, &ss, &s);
		if (vcpu_v8086(v))
			push_segments_v8086(v, &s, size);
		stack_push(v, &s, v->seg[SS].sel, size);
		stack_push(v, &s, v->gpr[RSP], size);
	} else {
		stack_current(v, &s);
	}
	stack_push(v, &s, flags, size);
	stack_push(v, &s, v->seg[CS].sel, size);
	stack_push(v, &s, event_return_rip(v, e), size);
	if (e->has_error)
		stack_push(v, &s, e->error, size);
	code_check_rip(v, &cs, g.offset);
	descriptor_set_accessed(v, &cs);
	if (inner) {
		descriptor_set_accessed(v, &ss);
		if (vcpu_v8086(v))
			drop_segments_v8086(v);
		v->seg[SS] = ss;
	}
	v->gpr[RSP] = s.sp;
	v->rflags = flags_in_handler(v, &g);
	code_commit(v, &cs, cpl, g.offset);
	v->rip = v->next_rip;
}

/* n quadwords, the first at `at`. The frame is 16-byte aligned or 8 off, so it rarely crosses a page. */
static void write_frame(struct vcpu *v, u64 at, const u64 *frame, unsigned int n, unsigned int access)
{
	u8 *host = (at & 4095) + n * 8 <= 4096 ? mmu_host(v, at, access) : NULL;
	unsigned int i;

	if (!host) {
		mmu_write_bytes(v, at, frame, n * 8, access);
		return;
	}
	for (i = 0; i < n; i++)
		__atomic_store_n((u64 *)host + i, frame[i], __ATOMIC_RELAXED);
}

static void deliver_long(struct vcpu *v, const struct event *e, u64 flags)
{
	unsigned int cpl, n = 6, skip = e->has_error ? 0 : 1, access;
	struct segment cs, ss;
	struct stack s;
	struct gate g;
	u64 sp, frame[6];
	bool inner;

	gate_fetch(v, e, true, GATES_LONG, &g);
	code_segment_fetch(v, g.selector, VEC_GP, &cs);
	if (!(cs.ar & AR_L) || segment_dpl(&cs) > v->cpl)
		raise_gp(v, selector_error(g.selector));
	if (!(cs.ar & AR_P))
		raise_error(v, VEC_NP, selector_error(g.selector));
	inner = !segment_is_conforming(&cs) && segment_dpl(&cs) < v->cpl;
	cpl = inner ? segment_dpl(&cs) : v->cpl;

	sp = v->gpr[RSP];
	if (inner || (g.count & 7)) {
		stack_inner(v, cpl, g.count & 7, &ss, &s);
		sp = s.sp;
	}
	access = ACC_WRITE | (inner ? ACC_IMPLICIT : mmu_data(v, 0));
	frame[0] = e->error;
	frame[1] = event_return_rip(v, e);
	frame[2] = v->seg[CS].sel;
	frame[3] = flags;
	frame[4] = v->gpr[RSP];
	frame[5] = v->seg[SS].sel;
	n -= skip;
	sp = (sp & ~15ull) - n * 8;
	if (!mmu_canonical(v, sp) || !mmu_canonical(v, sp + n * 8 - 1))
		raise_error(v, VEC_SS, 0);
	write_frame(v, sp, frame + skip, n, access);
	code_check_rip(v, &cs, g.offset);
	descriptor_set_accessed(v, &cs);

	if (inner)
		v->seg[SS] = ss;
	v->gpr[RSP] = sp;
	v->rflags = flags_in_handler(v, &g);
	code_commit(v, &cs, cpl, g.offset);
	v->rip = v->next_rip;
}

bool event_deliver(struct vcpu *v)
{
	struct event *e = &v->delivering;
	u64 flags = v->rflags;

	if (!v->event.valid)
		return v->activity != ACTIVITY_SHUTDOWN;
	*e = v->event;
	v->event.valid = false;
	v->activity = ACTIVITY_ACTIVE;
	if (v->in_l2)
		vmx_on_exception(v);
	if (e->vector == VEC_PF && !e->external && !e->software)
		v->cr2 = e->address;
	/* What a VM entry injects leaves RFLAGS.RF and the debug registers as L1 has set them. */
	if (!e->injected && event_is_fault(v, e))
		flags |= FLAG_RF;
	if (e->vector == VEC_DB && !e->external && !e->software && !e->injected)
		enter_debug_handler(v, e);

	if (!vcpu_protected(v))
		deliver_real(v, e);
	else if (vcpu_long_mode(v))
		deliver_long(v, e, flags);
	else
		deliver_legacy(v, e, flags);
	e->valid = false;
	v->vectoring.valid = false;
	v->intr_shadow = 0;
	if (v->mode & MODE_MTF)
		v->vmx->step_pending = true;
	vcpu_update_mode(v);
	if (v->apic_due)
		vmx_apic_complete(v);
	return true;
}

bool event_interrupt(struct vcpu *v, u8 vector)
{
	v->event = (struct event){ .valid = true, .external = true, .vector = vector };
	return event_deliver(v);
}

bool event_nmi(struct vcpu *v)
{
	v->event = (struct event){ .valid = true, .external = true, .vector = VEC_NMI };
	v->nmi_blocked = true;
	return event_deliver(v);
}
