/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vcpu_bench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include "../../devices/irqchip.h"
#include "../fpu.h"
#include "../tlb.h"

#define PML4 0x1000ull /* the identity map of bench_long_mode() */
#define PDPT 0x2000ull
#define PD 0x3000ull

static u64 now(void *source)
{
	return ((struct bench *)source)->now;
}

static void set_segment(struct segment *s, u32 type, unsigned int dpl, u32 flags)
{
	*s = (struct segment){
		.limit = UINT32_MAX,
		.ar = type | AR_S | AR_P | AR_G | dpl << AR_DPL_SHIFT | flags,
		.sel = 8 | dpl,
	};
}

void bench_init(struct bench *f, const char *spec)
{
	struct machine *m = &f->machine;
	char error[128];
	struct vcpu *v;

	memset(f, 0, sizeof(*f));
	if (model_parse(&f->model, spec, error, sizeof(error)))
		fail_msg("%s", error);
	assert_int_equal(memory_init(&m->memory, BENCH_RAM), 0);
	clock_init(&m->clock, CLOCK_INSNS);
	m->clock.source = f;
	m->clock.now = now;
	m->model = &f->model;

	v = aligned_alloc(64, sizeof(*v));
	assert_non_null(v);
	memset(v, 0, sizeof(*v));
	f->v = v;
	v->machine = m;
	v->model = &f->model;
	v->tlbs = tlb_contexts_create();
	assert_non_null(v->tlbs);
	v->apic = lapic_create(m, v);
	assert_non_null(v->apic);

	v->rflags = FLAG_1;
	v->cr0 = CR0_PE | CR0_ET;
	v->xcr0 = XSTATE_X87;
	v->dr[6] = DR6_FIXED;
	v->dr[7] = DR7_FIXED;
	((struct fpu_image *)v->xsave)->fcw = FCW_INIT;
	((struct fpu_image *)v->xsave)->mxcsr = MXCSR_INIT;
	set_segment(&v->seg[CS], 0xb, 0, AR_DB);
	set_segment(&v->seg[SS], 3, 0, AR_DB);
	set_segment(&v->seg[DS], 3, 0, AR_DB);
	v->seg[ES] = v->seg[FS] = v->seg[GS] = v->seg[DS];
	v->seg[TR] = (struct segment){ .limit = 0x67, .ar = 0xb | AR_P };
	mmu_switch(v, true);
	vcpu_update_mode(v);
}

void bench_destroy(struct bench *f)
{
	lapic_destroy(f->v->apic);
	tlb_contexts_destroy(f->v->tlbs);
	free(f->v);
	memory_destroy(&f->machine.memory);
}

void bench_long_mode(struct bench *f)
{
	struct vcpu *v = f->v;

	bench_write(f, PML4, PDPT | 7);
	bench_write(f, PDPT, PD | 7);
	bench_write(f, PD, 0x000000 | 0x87);
	bench_write(f, PD + 8, 0x200000 | 0x87);
	v->cr0 |= CR0_PG;
	v->cr3 = PML4;
	v->cr4 |= CR4_PAE;
	v->efer |= EFER_LME | EFER_LMA;
	bench_set_code64(f, true);
	mmu_flush_all(v);
}

void bench_set_cpl(struct bench *f, unsigned int cpl)
{
	struct vcpu *v = f->v;
	u32 mode = v->seg[CS].ar & (AR_L | AR_DB);

	set_segment(&v->seg[CS], 0xb, cpl, mode);
	set_segment(&v->seg[SS], 3, cpl, AR_DB);
	vcpu_update_mode(v);
}

void bench_set_code64(struct bench *f, bool code64)
{
	struct vcpu *v = f->v;

	set_segment(&v->seg[CS], 0xb, v->cpl, code64 ? AR_L : AR_DB);
	vcpu_update_mode(v);
}

void bench_set_feature(struct bench *f, enum feature feature, bool on)
{
	u64 *word = &f->model.features[feature / 64];

	*word = on ? *word | BIT(feature % 64) : *word & ~BIT(feature % 64);
}

u64 bench_read(struct bench *f, u64 gpa)
{
	u64 value;

	memcpy(&value, memory_host(&f->machine.memory, gpa), sizeof(value));
	return value;
}

void bench_write(struct bench *f, u64 gpa, u64 value)
{
	memcpy(memory_host(&f->machine.memory, gpa), &value, sizeof(value));
}

BENCH_LIVE int bench_run(struct bench *f, insn_fn *fn, union insn_args a, u32 *error)
{
	struct vcpu *v = f->v;

	v->event.valid = false;
	if (!_setjmp(v->unwind)) {
		fn(v, a);
		return RUNS_OK;
	}
	assert_true(v->event.valid);
	v->event.valid = false;
	if (error)
		*error = v->event.has_error ? v->event.error : ~0u;
	return v->event.vector;
}

bool bench_in_tlb(struct bench *f, u64 linear)
{
	const struct vcpu *v = f->v;
	const struct tlb_arrays *a = &v->tlb->view[tlb_view(v, ACC_READ)];

	return a->read[tlb_index(linear)] == tlb_tag(linear & ~4095ull);
}
