/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INT n and its kin, BOUND, UD, and IRET: SDM vol. 2 under each name. */
#include "transfer.h"

#define TSS_IO_MAP_BASE 0x66

static struct event software_event(const struct vcpu *v, u8 vector)
{
	return (struct event){
		.valid = true,
		.software = true,
		.vector = vector,
		.len = v->next_rip - v->rip,
	};
}

/*
 * SDM vol. 3, "Virtual-8086 Mode Extensions": the redirection bitmap, 32 bytes below the TSS's I/O map.
 * A clear bit leaves the interrupt to the 8086 program's own vector table.
 */
static bool redirected_to_8086(struct vcpu *v, u8 vector)
{
	const struct segment *tr = &v->seg[TR];
	u32 at;

	if (!(v->cr4 & CR4_VME) || (tr->ar & AR_UNUSABLE) || (tr->ar & AR_TYPE) != SYS_TSS32_BUSY ||
	    tr->limit < TSS_IO_MAP_BASE + 1)
		return false;
	at = mmu_read(v, tr->base + TSS_IO_MAP_BASE, 2, ACC_SYSTEM_READ) - 32u + vector / 8u;
	if (at > tr->limit)
		return false;
	return !(mmu_read(v, tr->base + at, 1, ACC_SYSTEM_READ) >> (vector % 8) & 1);
}

/* With IOPL below 3, VIF stands for IF and the program sees IOPL 3. */
static void int_in_8086(struct vcpu *v, u8 vector)
{
	bool virtual_if = vcpu_iopl(v) < 3;
	u64 flags = v->rflags;
	struct stack s;
	u32 target;

	if (virtual_if) {
		flags |= FLAG_IOPL | FLAG_IF;
		if (!(v->rflags & FLAG_VIF))
			flags &= ~FLAG_IF;
	}
	target = mmu_read(v, vector * 4u, 4, mmu_data(v, ACC_READ));
	stack_current(v, &s);
	stack_push(v, &s, flags & ~FLAG_NT, 2);
	stack_push(v, &s, v->seg[CS].sel, 2);
	stack_push(v, &s, v->next_rip, 2);
	v->gpr[RSP] = s.sp;
	v->rflags &= ~(FLAG_TF | FLAG_NT | FLAG_RF | (virtual_if ? FLAG_VIF : FLAG_IF));
	segment_load_real(v, CS, target >> 16);
	v->next_rip = target & 0xffff;
	vcpu_update_mode(v);
}

void insn_int_n(struct vcpu *v, union insn_args a)
{
	struct event e = software_event(v, a.imm);

	if (vcpu_v8086(v)) {
		if (redirected_to_8086(v, a.imm)) {
			int_in_8086(v, a.imm);
			return;
		}
		if (vcpu_iopl(v) < 3)
			raise_gp(v, 0);
	}
	event_raise(v, &e);
}

void insn_int3(struct vcpu *v, union insn_args a)
{
	struct event e = software_event(v, VEC_BP);

	(void)a;
	event_raise(v, &e);
}

void insn_into(struct vcpu *v, union insn_args a)
{
	struct event e = software_event(v, VEC_OF);

	(void)a;
	if (vcpu_64bit(v))
		raise_ud(v);
	if (v->rflags & FLAG_OF)
		event_raise(v, &e);
}

void insn_int1(struct vcpu *v, union insn_args a)
{
	struct event e = software_event(v, VEC_DB);

	(void)a;
	e.software = false;
	e.icebp = true;
	event_raise(v, &e);
}

void insn_ud(struct vcpu *v, union insn_args a)
{
	(void)a;
	raise_ud(v);
}

void insn_bound(struct vcpu *v, union insn_args a)
{
	s64 index, low, high;
	u64 linear;

	if (a.is_reg || vcpu_64bit(v))
		raise_ud(v);
	linear = segment_linear(v, a.seg, v->ea, a.size * 2u, ACC_READ);
	low = mmu_read(v, linear, a.size, mmu_data(v, ACC_READ));
	high = mmu_read(v, linear + a.size, a.size, mmu_data(v, ACC_READ));
	index = v->gpr[a.reg];
	if (a.size == 2) {
		low = (s16)low;
		high = (s16)high;
		index = (s16)index;
	} else {
		low = (s32)low;
		high = (s32)high;
		index = (s32)index;
	}
	if (index < low || index > high)
		raise_exception(v, VEC_BR);
}

/* what IRET takes from the image of a frame, before CPL and IOPL widen it */
#define IRET_FLAGS (FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT)
#define IRET_FLAGS_UPPER (FLAG_RF | FLAG_AC | FLAG_ID) /* operand size 32 and 64 */

static u64 merge_flags(u64 old, u64 image, u64 mask)
{
	return (old & ~mask) | (image & mask) | FLAG_1;
}

/* Real mode, and virtual-8086 mode with IOPL 3: IOPL can be changed in real mode only. */
static void iret_8086(struct vcpu *v, unsigned int size)
{
	u64 mask = IRET_FLAGS | FLAG_IF | (vcpu_v8086(v) ? 0 : FLAG_IOPL), rip, flags;
	u32 limit = vcpu_v8086(v) ? 0xffff : v->seg[CS].limit;
	struct stack s;
	u16 cs;

	stack_current(v, &s);
	rip = stack_pop(v, &s, size);
	cs = stack_pop(v, &s, size);
	flags = stack_pop(v, &s, size);
	if (rip > limit)
		raise_gp(v, 0);
	if (size == 4)
		mask |= IRET_FLAGS_UPPER;
	else
		v->rflags &= ~FLAG_RF;
	v->gpr[RSP] = s.sp;
	v->rflags = merge_flags(v->rflags, flags, mask);
	segment_load_real(v, CS, cs);
	v->next_rip = rip;
}

/* SDM vol. 3, "Virtual-8086 Mode Extensions": a 16-bit IRET below IOPL 3 works on VIF. */
static void iret_8086_vme(struct vcpu *v)
{
	u64 rip, flags;
	struct stack s;
	u16 cs;

	stack_current(v, &s);
	rip = stack_pop(v, &s, 2);
	cs = stack_pop(v, &s, 2);
	flags = stack_pop(v, &s, 2);
	if ((flags & FLAG_TF) || ((v->rflags & FLAG_VIP) && (flags & FLAG_IF)))
		raise_gp(v, 0);
	v->gpr[RSP] = s.sp;
	v->rflags = merge_flags(v->rflags & ~FLAG_RF, flags, IRET_FLAGS);
	v->rflags = flags & FLAG_IF ? v->rflags | FLAG_VIF : v->rflags & ~FLAG_VIF;
	segment_load_real(v, CS, cs);
	v->next_rip = rip;
}

struct frame {
	u64 rip, flags, sp;
	u16 cs, ss;
};

static void iret_to_v8086(struct vcpu *v, struct stack *s, const struct frame *f)
{
	u32 sp = stack_pop(v, s, 4);
	u16 ss = stack_pop(v, s, 4);
	u16 es = stack_pop(v, s, 4);
	u16 ds = stack_pop(v, s, 4);
	u16 fs = stack_pop(v, s, 4);
	u16 gs = stack_pop(v, s, 4);

	if (f->rip > 0xffff)
		raise_gp(v, 0);
	v->rflags = merge_flags(v->rflags, f->flags,
				IRET_FLAGS | IRET_FLAGS_UPPER | FLAG_IF | FLAG_IOPL | FLAG_VM | FLAG_VIF | FLAG_VIP);
	v->cpl = 3;
	v->gpr[RSP] = sp;
	segment_load_real(v, CS, f->cs);
	segment_load_real(v, SS, ss);
	segment_load_real(v, ES, es);
	segment_load_real(v, DS, ds);
	segment_load_real(v, FS, fs);
	segment_load_real(v, GS, gs);
	v->next_rip = f->rip;
}

/* The flags that the CPL before the return may change. */
static void iret_flags(struct vcpu *v, u64 image, unsigned int size)
{
	u64 mask = IRET_FLAGS;

	if (size > 2)
		mask |= IRET_FLAGS_UPPER;
	if (v->cpl <= vcpu_iopl(v))
		mask |= FLAG_IF;
	if (v->cpl == 0)
		mask |= FLAG_IOPL | (size > 2 ? FLAG_VIF | FLAG_VIP : 0);
	v->rflags = merge_flags(v->rflags & ~FLAG_RF, image, mask);
}

/* A return that changes SS:SP: to an outer level, and every one from 64-bit mode. */
static void iret_with_stack(struct vcpu *v, const struct frame *f, struct segment *cs, unsigned int size)
{
	unsigned int cpl = f->cs & 3;
	bool to64 = code_is_64bit(v, cs), outer = cpl > v->cpl;
	struct segment ss;

	if (!(f->ss & ~3u) && to64 && cpl != 3 && (f->ss & 3u) == cpl) {
		segment_set_null(&ss, f->ss, cpl);
	} else {
		stack_segment_fetch(v, f->ss, cpl, VEC_GP, &ss);
		descriptor_set_accessed(v, &ss);
	}
	code_check_rip(v, cs, f->rip);
	descriptor_set_accessed(v, cs);
	iret_flags(v, f->flags, size);
	v->seg[SS] = ss;
	v->gpr[RSP] = stack_merge(v->gpr[RSP], f->sp, stack_mask(&ss, to64));
	code_commit(v, cs, cpl, f->rip);
	if (outer)
		segments_drop_inner(v);
}

static void iret_same(struct vcpu *v, const struct frame *f, struct segment *cs, const struct stack *s, unsigned int size)
{
	code_check_rip(v, cs, f->rip);
	descriptor_set_accessed(v, cs);
	iret_flags(v, f->flags, size);
	v->gpr[RSP] = stack_merge(v->gpr[RSP], s->sp, stack_mask(&v->seg[SS], code_is_64bit(v, cs)));
	code_commit(v, cs, v->cpl, f->rip);
}

/* The frame of a 64-bit IRETQ, mostly within one page. */
static void read_frame64(struct vcpu *v, struct stack *s, struct frame *f)
{
	unsigned int access = ACC_READ | s->access;
	u64 at = s->sp, q[5];
	const u64 *host = NULL;
	unsigned int i;

	if (!(at & 7) && (at & 4095) <= 4096 - sizeof(q) && mmu_canonical(v, at))
		host = (const u64 *)mmu_host(v, at, access);
	for (i = 0; i < 5; i++)
		q[i] = host ? __atomic_load_n(host + i, __ATOMIC_RELAXED) : stack_pop(v, s, 8);
	f->rip = q[0];
	f->cs = q[1];
	f->flags = q[2];
	f->sp = q[3];
	f->ss = q[4];
}

static void iret_protected(struct vcpu *v, unsigned int size)
{
	bool from64 = vcpu_64bit(v);
	struct segment cs;
	struct stack s;
	struct frame f;

	stack_current(v, &s);
	if (from64 && size == 8) {
		read_frame64(v, &s, &f);
	} else {
		f.rip = stack_pop(v, &s, size);
		f.cs = stack_pop(v, &s, size);
		f.flags = stack_pop(v, &s, size);
		if (from64) {
			f.sp = stack_pop(v, &s, size);
			f.ss = stack_pop(v, &s, size);
		}
	}
	if (!vcpu_long_mode(v) && v->cpl == 0 && size == 4 && (f.flags & FLAG_VM)) {
		iret_to_v8086(v, &s, &f);
		return;
	}
	code_segment_fetch(v, f.cs, VEC_GP, &cs);
	code_check_return(v, &cs);
	if (!from64 && (f.cs & 3u) == v->cpl) {
		iret_same(v, &f, &cs, &s, size);
		return;
	}
	if (!from64) {
		f.sp = stack_pop(v, &s, size);
		f.ss = stack_pop(v, &s, size);
	}
	iret_with_stack(v, &f, &cs, size);
}

void insn_iret(struct vcpu *v, union insn_args a)
{
	/* also by one that faults: SDM vol. 3, "Handling Multiple NMIs" */
	if (v->nmi_blocked)
		vcpu_count_nmis(v);
	v->nmi_blocked = false;
	if (!vcpu_protected(v)) {
		iret_8086(v, a.size);
	} else if (vcpu_v8086(v)) {
		if (vcpu_iopl(v) == 3)
			iret_8086(v, a.size);
		else if ((v->cr4 & CR4_VME) && a.size == 2)
			iret_8086_vme(v);
		else
			raise_gp(v, 0);
	} else if (v->rflags & FLAG_NT) {
		if (vcpu_long_mode(v))
			raise_gp(v, 0);
		task_switch(v, mmu_read(v, v->seg[TR].base, 2, ACC_SYSTEM_READ), TASK_IRET, false, 0);
	} else {
		iret_protected(v, a.size);
	}
	vcpu_update_mode(v);
}
