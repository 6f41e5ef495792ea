/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts that far transfers, event delivery and task switches are made of: see transfer.h. */
#include "transfer.h"

/*
 *  63       48 47 46 45 44 43  40 39  37 36   32 31      16 15      0
 * | offset hi | P| DPL | S| type | 0    | count | selector | offset  |   wide: offset 63:32 in the next quadword
 */
void gate_decode(const u64 descriptor[2], bool wide, struct gate *g)
{
	u64 d = descriptor[0];

	g->type = d >> 40 & 0x1f;
	g->dpl = d >> 45 & 3;
	g->present = d >> 47 & 1;
	g->count = d >> 32 & 0x1f;
	g->selector = d >> 16;
	g->offset = d & 0xffff;
	if (!gate_is_16bit(g))
		g->offset |= d >> 32 & 0xffff0000;
	if (wide)
		g->offset |= descriptor[1] << 32;
}

void stack_current(struct vcpu *v, struct stack *s)
{
	s->seg = &v->seg[SS];
	s->flat64 = vcpu_64bit(v);
	s->sp = v->gpr[RSP];
	s->mask = stack_mask(s->seg, s->flat64);
	s->access = mmu_data(v, 0);
	s->error = 0;
}

static u64 stack_linear(struct vcpu *v, const struct stack *s, u64 offset, unsigned int size, unsigned int access)
{
	u64 linear;

	if (!segment_allows(v, s->seg, s->flat64, offset & s->mask, size, access, &linear))
		raise_error(v, VEC_SS, s->error);
	if ((v->mode & MODE_ALIGN) && (s->access & ACC_USER) && (linear & (size - 1)))
		raise_error(v, VEC_AC, 0);
	return linear;
}

void stack_push(struct vcpu *v, struct stack *s, u64 value, unsigned int size)
{
	u64 linear = stack_linear(v, s, s->sp - size, size, ACC_WRITE);

	mmu_write(v, linear, value, size, ACC_WRITE | s->access);
	stack_move(s, -(u64)size);
}

u64 stack_peek(struct vcpu *v, const struct stack *s, u64 offset, unsigned int size)
{
	return mmu_read(v, stack_linear(v, s, s->sp + offset, size, ACC_READ), size, ACC_READ | s->access);
}

u64 stack_pop(struct vcpu *v, struct stack *s, unsigned int size)
{
	u64 value = stack_peek(v, s, 0, size);

	stack_move(s, size);
	return value;
}

void code_segment_fetch(struct vcpu *v, u16 selector, enum vector vector, struct segment *cs)
{
	descriptor_fetch(v, selector, false, vector, cs);
	if (!segment_is_code(cs))
		raise_error(v, vector, selector_error(selector));
	if (code_is_64bit(v, cs) && (cs->ar & AR_DB))
		raise_error(v, vector, selector_error(selector));
}

void code_check_rip(struct vcpu *v, const struct segment *cs, u64 rip)
{
	if (code_is_64bit(v, cs) ? !mmu_canonical(v, rip) : rip > cs->limit)
		raise_gp(v, 0);
}

void code_check_return(struct vcpu *v, const struct segment *cs)
{
	unsigned int rpl = cs->sel & 3, dpl = segment_dpl(cs);

	if (rpl < v->cpl || (segment_is_conforming(cs) ? dpl > rpl : dpl != rpl))
		raise_gp(v, selector_error(cs->sel));
	if (!(cs->ar & AR_P))
		raise_error(v, VEC_NP, selector_error(cs->sel));
}

void code_commit(struct vcpu *v, const struct segment *cs, unsigned int cpl, u64 rip)
{
	v->seg[CS] = *cs;
	v->seg[CS].sel = (cs->sel & ~3u) | cpl;
	v->cpl = cpl;
	v->next_rip = rip;
}

static u64 tss_read(struct vcpu *v, u32 offset, unsigned int size)
{
	if (offset + size - 1 > v->seg[TR].limit)
		raise_error(v, VEC_TS, selector_error(v->seg[TR].sel));
	return mmu_read(v, v->seg[TR].base + offset, size, ACC_SYSTEM_READ);
}

/* SDM vol. 3, "Task-State Segment (TSS)" and "64-Bit Mode TSS": where the stack pointers are */
#define TSS64_RSP(cpl) (4 + 8 * (cpl))
#define TSS64_IST(ist) (0x1c + 8 * (ist))
#define TSS32_ESP(cpl) (4 + 8 * (cpl))
#define TSS16_SP(cpl) (2 + 4 * (cpl))

void stack_inner(struct vcpu *v, unsigned int cpl, unsigned int ist, struct segment *ss, struct stack *s)
{
	u16 selector;

	s->seg = ss;
	s->access = ACC_IMPLICIT;
	s->flat64 = vcpu_long_mode(v);
	if (vcpu_long_mode(v)) {
		s->sp = tss_read(v, ist ? TSS64_IST(ist) : TSS64_RSP(cpl), 8);
		s->error = 0;
		segment_set_null(ss, cpl, cpl);
	} else if ((v->seg[TR].ar & AR_TYPE) == SYS_TSS32_BUSY) {
		/* the check covers both fields before either is read */
		selector = tss_read(v, TSS32_ESP(cpl) + 4, 2);
		s->sp = tss_read(v, TSS32_ESP(cpl), 4);
		stack_segment_fetch(v, selector, cpl, VEC_TS, ss);
		s->error = selector_error(selector);
	} else {
		selector = tss_read(v, TSS16_SP(cpl) + 2, 2);
		s->sp = tss_read(v, TSS16_SP(cpl), 2);
		stack_segment_fetch(v, selector, cpl, VEC_TS, ss);
		s->error = selector_error(selector);
	}
	s->mask = stack_mask(ss, s->flat64);
}

void segments_drop_inner(struct vcpu *v)
{
	static const u8 data[] = { ES, DS, FS, GS };
	unsigned int i;

	for (i = 0; i < sizeof(data); i++) {
		struct segment *s = &v->seg[data[i]];

		/* a null one keeps its base: FS and GS of 64-bit programs live by it */
		if ((s->ar & AR_UNUSABLE) || segment_is_conforming(s) || segment_dpl(s) >= v->cpl)
			continue;
		s->sel = 0;
		s->ar |= AR_UNUSABLE;
	}
}
