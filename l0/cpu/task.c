/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SDM vol. 3, "Task Switching". What can be refused is checked before the old task is saved; what is
 * found wrong later (segments of the new task, its LDT and CR3) faults *in the new task*, with
 * its registers already loaded and the rest of its selectors in place, but unusable.
 */
#include "transfer.h"

#include "../vmx/vmx.h"

/* Offsets in a TSS: SDM vol. 3, "32-Bit Task-State Segment (TSS)", "16-Bit Task-State Segment (TSS)" */
struct tss_layout {
	u8 gpr_size; /* of IP, FLAGS and GPRs, and of a selector's slot */
	u8 ip, flags, gpr; /* GPRs in the order of their numbers */
	u8 sreg; /* ES, CS, SS, DS, and with 32 bits FS, GS */
	u8 sregs;
	u8 ldt;
	u8 size; /* the least that a TSS may have, in bytes */
};

static const struct tss_layout layout16 = { 2, 0x0e, 0x10, 0x12, 0x22, 4, 0x2a, 0x2c };
static const struct tss_layout layout32 = { 4, 0x20, 0x24, 0x28, 0x48, 6, 0x60, 0x68 };

#define TSS_LINK 0
#define TSS32_CR3 0x1c
#define TSS32_TRAP 0x64
#define DR7_LOCAL 0x155ull /* L0..L3, LE */

#define TASK_FLAGS \
	(FLAG_ARITH | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_RF | FLAG_VM | FLAG_AC | FLAG_VIF | \
	 FLAG_VIP | FLAG_ID)

/* what the new TSS says, read as a whole before anything changes */
struct task {
	u64 ip, flags, gpr[8];
	u32 cr3;
	u16 sreg[6], ldt;
	bool trap;
};

static const struct tss_layout *tss_layout(const struct segment *tss)
{
	return tss->ar & 8 ? &layout32 : &layout16;
}

static u64 tss_get(struct vcpu *v, const struct segment *tss, unsigned int offset, unsigned int size)
{
	return mmu_read(v, (u32)(tss->base + offset), size, ACC_SYSTEM_READ);
}

static void tss_put(struct vcpu *v, const struct segment *tss, unsigned int offset, u64 value, unsigned int size)
{
	mmu_write(v, (u32)(tss->base + offset), value, size, ACC_SYSTEM_WRITE);
}

static void tss_fetch(struct vcpu *v, u16 selector, enum task_source source, struct segment *tss)
{
	enum vector vector = source == TASK_IRET ? VEC_TS : VEC_GP;
	u32 type;

	if (!(selector & ~3u) || (selector & 4))
		raise_error(v, vector, selector_error(selector));
	descriptor_fetch(v, selector, false, vector, tss);
	type = tss->ar & (AR_S | AR_TYPE);
	if (source == TASK_IRET ? type != SYS_TSS16_BUSY && type != SYS_TSS32_BUSY
				: type != SYS_TSS16 && type != SYS_TSS32)
		raise_error(v, vector, selector_error(selector));
	if (!(tss->ar & AR_P))
		raise_error(v, VEC_NP, selector_error(selector));
	if (tss->limit < tss_layout(tss)->size - 1u)
		raise_error(v, VEC_TS, selector_error(selector));
}

static void task_read(struct vcpu *v, const struct segment *tss, struct task *t)
{
	const struct tss_layout *l = tss_layout(tss);
	unsigned int i;

	t->ip = tss_get(v, tss, l->ip, l->gpr_size);
	t->flags = tss_get(v, tss, l->flags, l->gpr_size);
	for (i = 0; i < 8; i++)
		t->gpr[i] = tss_get(v, tss, l->gpr + i * l->gpr_size, l->gpr_size);
	for (i = 0; i < 6; i++)
		t->sreg[i] = i < l->sregs ? tss_get(v, tss, l->sreg + i * l->gpr_size, 2) : 0;
	t->ldt = tss_get(v, tss, l->ldt, 2);
	t->cr3 = 0;
	t->trap = false;
	if (l == &layout32) {
		t->cr3 = tss_get(v, tss, TSS32_CR3, 4);
		t->trap = tss_get(v, tss, TSS32_TRAP, 2) & 1;
	}
}

static void task_save(struct vcpu *v, const struct segment *tss, u64 ip, u64 flags)
{
	const struct tss_layout *l = tss_layout(tss);
	unsigned int i;

	tss_put(v, tss, l->ip, ip, l->gpr_size);
	tss_put(v, tss, l->flags, flags, l->gpr_size);
	for (i = 0; i < 8; i++)
		tss_put(v, tss, l->gpr + i * l->gpr_size, v->gpr[i], l->gpr_size);
	for (i = 0; i < l->sregs; i++)
		tss_put(v, tss, l->sreg + i * l->gpr_size, v->seg[i].sel, 2);
}

/* TR, CR0.TS, registers, selectors: nothing here raises. */
static void task_load(struct vcpu *v, const struct segment *tss, const struct task *t)
{
	unsigned int i;

	v->seg[TR] = *tss;
	v->seg[TR].ar |= SYS_BUSY;
	v->cr0 |= CR0_TS;
	v->dr[7] &= ~DR7_LOCAL;
	v->rip = t->ip;
	v->next_rip = t->ip;
	v->rflags = (t->flags & TASK_FLAGS) | FLAG_1;
	for (i = 0; i < 8; i++)
		v->gpr[i] = t->gpr[i];
	for (i = 0; i < 6; i++)
		segment_set_null(&v->seg[i], t->sreg[i], 0);
	segment_set_null(&v->seg[LDTR], t->ldt, 0);
	v->cpl = t->flags & FLAG_VM ? 3 : t->sreg[CS] & 3;
	/* an unusable CS is a 32-bit one until its descriptor is known */
	v->seg[CS].ar |= AR_S | AR_CODE;
	v->seg[SS].ar |= (u32)v->cpl << AR_DPL_SHIFT;
	vcpu_update_mode(v);
}

static void load_ldt(struct vcpu *v, u16 selector)
{
	struct segment s;

	if (!(selector & ~3u))
		return;
	if (selector & 4)
		raise_error(v, VEC_TS, selector_error(selector));
	descriptor_fetch(v, selector, false, VEC_TS, &s);
	if ((s.ar & (AR_S | AR_TYPE)) != SYS_LDT || !(s.ar & AR_P))
		raise_error(v, VEC_TS, selector_error(selector));
	v->seg[LDTR] = s;
}

static void load_cs(struct vcpu *v, u16 selector)
{
	unsigned int rpl = selector & 3, dpl;
	struct segment s;

	code_segment_fetch(v, selector, VEC_TS, &s);
	dpl = segment_dpl(&s);
	if (segment_is_conforming(&s) ? dpl > rpl : dpl != rpl)
		raise_error(v, VEC_TS, selector_error(selector));
	if (!(s.ar & AR_P))
		raise_error(v, VEC_NP, selector_error(selector));
	descriptor_set_accessed(v, &s);
	v->seg[CS] = s;
}

static void load_ss(struct vcpu *v, u16 selector)
{
	struct segment s;

	stack_segment_fetch(v, selector, v->cpl, VEC_TS, &s);
	descriptor_set_accessed(v, &s);
	v->seg[SS] = s;
}

static void load_data(struct vcpu *v, enum sreg seg, u16 selector)
{
	struct segment s;

	if (!(selector & ~3u))
		return;
	data_segment_fetch(v, selector, v->cpl, VEC_TS, &s);
	descriptor_set_accessed(v, &s);
	v->seg[seg] = s;
}

static void task_load_segments(struct vcpu *v, const struct task *t)
{
	static const u8 data[] = { ES, DS, FS, GS };
	unsigned int i;

	if (vcpu_v8086(v)) {
		load_ldt(v, t->ldt);
		for (i = 0; i < 6; i++)
			segment_load_real(v, i, t->sreg[i]);
		return;
	}
	load_ldt(v, t->ldt);
	load_cs(v, t->sreg[CS]);
	load_ss(v, t->sreg[SS]);
	for (i = 0; i < sizeof(data); i++)
		load_data(v, data[i], t->sreg[data[i]]);
}

void task_switch(struct vcpu *v, u16 selector, enum task_source source, bool has_error, u32 error)
{
	struct segment old = v->seg[TR], new;
	bool nested = source == TASK_CALL || source == TASK_GATE;
	u64 ip = source == TASK_GATE ? event_return_rip(v, &v->delivering) : v->next_rip;
	u64 flags = source == TASK_IRET ? v->rflags & ~FLAG_NT : v->rflags;
	struct stack s;
	struct task t;

	if (v->in_l2)
		vmx_on_task_switch(v, selector, source);
	tss_fetch(v, selector, source, &new);
	if (old.limit < tss_layout(&old)->size - 1u)
		raise_error(v, VEC_TS, selector_error(old.sel));
	mmu_check(v, old.base, tss_layout(&old)->size, ACC_SYSTEM_WRITE);
	mmu_check(v, new.base, tss_layout(&new)->size, nested ? ACC_SYSTEM_WRITE : ACC_SYSTEM_READ);
	task_read(v, &new, &t);

	if (!nested)
		descriptor_set_busy(v, old.sel, false);
	task_save(v, &old, ip, flags);
	if (nested) {
		tss_put(v, &new, TSS_LINK, old.sel, 2);
		t.flags |= FLAG_NT;
	}
	if (source != TASK_IRET)
		descriptor_set_busy(v, selector, true);
	task_load(v, &new, &t);

	if ((v->cr0 & CR0_PG) && tss_layout(&new) == &layout32)
		control_set_cr3(v, t.cr3);
	task_load_segments(v, &t);
	vcpu_update_mode(v);
	if (t.trap)
		v->pending_db |= DR6_BT;
	if (has_error) {
		stack_current(v, &s);
		stack_push(v, &s, error, tss_layout(&new)->gpr_size);
		v->gpr[RSP] = s.sp;
	}
	code_check_rip(v, &v->seg[CS], v->rip);
}
