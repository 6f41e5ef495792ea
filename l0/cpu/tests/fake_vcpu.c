/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_vcpu.h"

#include <stdlib.h>
#include <string.h>
#include "../model.h"

static struct vcpu *vcpu;
static struct machine machine;
static struct cpu_model model;

static struct vcpu *fake_new(void)
{
	fake_done();
	memset(&machine, 0, sizeof(machine));
	memset(model.features, 0xff, sizeof(model.features));
	model.vendor = VENDOR_INTEL;
	model.phys_bits = 40;
	model.linear_bits = 48;
	machine.memory.base = calloc(1, MEM_SIZE);
	machine.memory.low = MEM_SIZE;
	vcpu = aligned_alloc(64, (sizeof(*vcpu) + 63) & ~63ul);
	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->machine = &machine;
	vcpu->model = &model;
	fault_none();
	without_host(false);
	return vcpu;
}

void fake_done(void)
{
	free(vcpu);
	free(machine.memory.base);
	vcpu = NULL;
	machine.memory.base = NULL;
}

u64 make_descriptor(u32 base, u32 limit, u32 ar)
{
	if (ar & AR_G)
		limit >>= 12;
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)(ar & 0xf0ff) << 40 |
	       (u64)(limit & 0xf0000) << 32 | (u64)(base & 0xff000000) << 32;
}

u64 make_gate(u16 selector, u32 offset, unsigned int type, unsigned int dpl, unsigned int count)
{
	return (offset & 0xffff) | (u64)selector << 16 | (u64)count << 32 | (u64)type << 40 | (u64)dpl << 45 | BIT(47) |
	       (u64)(offset & 0xffff0000) << 32;
}

u64 get(struct vcpu *v, u32 at, unsigned int size)
{
	u64 value = 0;

	memcpy(&value, v->machine->memory.base + at, size);
	return value;
}

void put(struct vcpu *v, u32 at, u64 value, unsigned int size)
{
	memcpy(v->machine->memory.base + at, &value, size);
}

void set_gdt(struct vcpu *v, u16 selector, u64 descriptor)
{
	put(v, GDT + (selector & ~7u), descriptor, 8);
}

void set_idt(struct vcpu *v, u8 vector, u64 gate)
{
	put(v, IDT + vector * 8, gate, 8);
}

void set_idt_long(struct vcpu *v, u8 vector, u64 gate)
{
	put(v, IDT + vector * 16, gate, 8);
	put(v, IDT + vector * 16 + 8, 0, 8);
}

void set_segment(struct vcpu *v, enum sreg seg, u16 selector)
{
	u64 d[2] = { get(v, GDT + (selector & ~7u), 8), 0 };

	descriptor_decode(d, false, selector, &v->seg[seg]);
}

struct vcpu *fake_real(void)
{
	struct vcpu *v = fake_new();
	unsigned int i;

	v->rflags = FLAG_1 | FLAG_IF;
	for (i = 0; i < 6; i++)
		v->seg[i] = (struct segment){ .limit = 0xffff, .ar = AR_DATA16 };
	v->seg[TR] = (struct segment){ .limit = 0xffff, .ar = 0x8b };
	v->seg[LDTR] = (struct segment){ .limit = 0xffff, .ar = 0x82 };
	v->idtr.limit = 0x3ff;
	v->gdtr.limit = 0xffff;
	v->seg[SS].sel = STACK0 >> 4;
	v->seg[SS].base = STACK0;
	v->gpr[RSP] = 0x1000;
	v->rip = CODE;
	v->dr[6] = DR6_FIXED;
	v->dr[7] = DR7_FIXED;
	vcpu_update_mode(v);
	return v;
}

static void write_gdt(struct vcpu *v)
{
	set_gdt(v, CODE0, make_descriptor(0, ~0u, AR_CODE32));
	set_gdt(v, DATA0, make_descriptor(0, ~0u, AR_DATA32));
	set_gdt(v, CODE3, make_descriptor(0, ~0u, AR_CODE32 | AR_DPL3));
	set_gdt(v, DATA3, make_descriptor(0, ~0u, AR_DATA32 | AR_DPL3));
	set_gdt(v, CODE3_64, make_descriptor(0, ~0u, AR_CODE64 | AR_DPL3));
	set_gdt(v, TSS_SEL, make_descriptor(TSS_A, 0x67, 0x8b));
	set_gdt(v, CONFORMING0, make_descriptor(0, ~0u, AR_CODE32 | AR_EXPAND_DOWN));
	set_gdt(v, CODE16, make_descriptor(0, 0xffff, AR_CODE16));
	set_gdt(v, DATA16, make_descriptor(0, 0xffff, AR_DATA16));
	set_gdt(v, ABSENT_DATA, make_descriptor(0, ~0u, AR_DATA32 & ~AR_P));
	set_gdt(v, ABSENT_CODE, make_descriptor(0, ~0u, AR_CODE32 & ~AR_P));
	set_gdt(v, READONLY, make_descriptor(0, ~0u, AR_DATA32 & ~AR_WRITABLE));
	set_gdt(v, EXEC_ONLY, make_descriptor(0, ~0u, AR_CODE32 & ~AR_WRITABLE));
	set_gdt(v, EXPAND_DOWN, make_descriptor(0, 0xfff, (AR_DATA32 | AR_EXPAND_DOWN) & ~AR_G));
	set_gdt(v, TSS_B_SEL, make_descriptor(TSS_B, 0x67, 0x89));
	set_gdt(v, TSS16_SEL, make_descriptor(TSS_B, 0x2b, 0x81));
	set_gdt(v, TASK_GATE_SEL, make_gate(TSS_B_SEL, 0, SYS_TASK_GATE, 0, 0));
	set_gdt(v, LDT_SEL, make_descriptor(LDT_AT, 0x1f, 0x82));
	set_gdt(v, CODE1, make_descriptor(0, ~0u, AR_CODE32 | AR_DPL1));
	set_gdt(v, DATA1, make_descriptor(0, ~0u, AR_DATA32 | AR_DPL1));
}

static void enter(struct vcpu *v, unsigned int cpl)
{
	unsigned int i;

	set_segment(v, CS, cpl == 3 ? CODE3 : cpl == 1 ? CODE1 : CODE0);
	for (i = 0; i < 6; i++)
		if (i != CS)
			set_segment(v, i, cpl == 3 ? DATA3 : cpl == 1 ? DATA1 : DATA0);
	v->cpl = cpl;
	v->gpr[RSP] = cpl ? STACK3 : STACK0 - 0x800;
}

struct vcpu *fake_protected(unsigned int cpl)
{
	struct vcpu *v = fake_real();
	unsigned int i;

	v->cr0 = CR0_PE | CR0_ET;
	v->gdtr = (struct dtable){ GDT, GDT_END - 1 };
	v->idtr = (struct dtable){ IDT, 0x7ff };
	write_gdt(v);
	set_segment(v, TR, TSS_SEL);
	segment_set_null(&v->seg[LDTR], 0, 0);
	put(v, TSS_A + 4, STACK0, 4);
	put(v, TSS_A + 8, DATA0, 2);
	put(v, TSS_A + 12, STACK0 - 0x400, 4);
	put(v, TSS_A + 16, DATA1, 2);
	put(v, TSS_A + 0x66, 0x68, 2); /* no I/O map */
	for (i = 0; i < 256; i++)
		set_idt(v, i, make_gate(CODE0, HANDLER + i, SYS_INT32, 3, 0));
	enter(v, cpl);
	vcpu_update_mode(v);
	return v;
}

struct vcpu *fake_v8086(unsigned int iopl)
{
	struct vcpu *v = fake_protected(3);
	unsigned int i;

	v->rflags |= FLAG_VM | (u64)iopl << 12;
	for (i = 0; i < 6; i++)
		segment_load_real(v, i, i == SS ? STACK3 >> 4 : i == CS ? CODE >> 4 : 0x1110 + i);
	v->gpr[RSP] = 0x1000;
	v->rip = 0x10;
	vcpu_update_mode(v);
	return v;
}

struct vcpu *fake_long(unsigned int cpl, bool compatibility)
{
	struct vcpu *v = fake_protected(cpl);
	unsigned int i;

	v->efer = EFER_LME | EFER_LMA | EFER_SCE;
	v->cr4 = CR4_PAE;
	set_gdt(v, CODE0, make_descriptor(0, ~0u, AR_CODE64));
	set_gdt(v, CONFORMING0, make_descriptor(0, ~0u, AR_CODE64 | AR_EXPAND_DOWN));
	set_gdt(v, TSS_SEL + 8, 0);
	set_gdt(v, TSS_B_SEL + 8, 0);
	set_gdt(v, LDT_SEL + 8, 0);
	v->idtr.limit = 0xfff;
	put(v, TSS_A + 4, STACK0, 8);
	put(v, TSS_A + 0x24, STACK_IST, 8);
	for (i = 0; i < 256; i++)
		set_idt_long(v, i, make_gate(CODE0, HANDLER + i, SYS_INT32, 3, 0));
	set_segment(v, CS, cpl == 0 ? CODE0 : compatibility ? CODE3 : CODE3_64);
	vcpu_update_mode(v);
	return v;
}

bool run(struct vcpu *v, insn_fn *fn, union insn_args a)
{
	v->next_rip = v->rip + 2;
	v->event.valid = false;
	if (_setjmp(v->unwind))
		return false;
	fn(v, a);
	v->rip = v->next_rip;
	return true;
}

bool deliver(struct vcpu *v)
{
	/* both the first call and every unwinding come here */
	(void)_setjmp(v->unwind);
	return event_deliver(v);
}

bool deliver_once(struct vcpu *v)
{
	if (_setjmp(v->unwind))
		return false;
	return event_deliver(v);
}

u32 fault_of(struct vcpu *v)
{
	if (!v->event.valid)
		return 0;
	return FAULT(v->event.vector, v->event.has_error ? v->event.error : 0);
}
