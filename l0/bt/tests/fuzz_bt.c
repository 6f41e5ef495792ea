/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * turtles as a fuzz target: a machine without devices, whose kernel is nothing but page tables, a GDT with Linux' selectors, an
 * IDT, and a handler for each vector that is never run: a case ends when its exception has been delivered, and what
 * the delivery left on the kernel's stack is the result.
 *
 * The vCPU has a thread of its own (run/loop.h says why); batches are handed to it.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../cpu/fpu.h"
#include "../../cpu/insn.h"
#include "../../cpu/mmu.h"
#include "../../cpu/model.h"
#include "../cache.h"
#include "../../machine/machine.h"
#include "../../run/crash.h"
#include "../../run/loop.h"
#include "../../direct/direct.h"
#include "../../direct/probe.h"
#include "../../direct/stats.h"
#include "../bt.h"
#include "fuzz_bt_loop.h"
#include "fuzz_target.h"

#define ERROR_SIZE 200
#define MEMORY (16ull << 20)
/* small, so that a run fills it often */
#define CODE_CACHE (4u << 20)

/* guest-physical addresses */
#define GPA_TABLES 0x10000ull /* page tables, as many as are needed */
#define GPA_GDT 0x40000ull
#define GPA_IDT 0x41000ull
#define GPA_TSS 0x42000ull
#define GPA_STACK 0x44000ull /* its end */
#define GPA_LDT 0x44000ull
#define GPA_KERNEL_END 0x45000ull
#define GPA_CODE 0x100000ull
#define GPA_IMAGE 0x200000ull
/* the kernel's pages, by linear address; handlers are addresses in a page that isn't there */
#define KERNEL 0xffff800000000000ull
#define HANDLERS (KERNEL + 0x100000)
#define HANDLER_SIZE 16

#define PTE_P BIT(0)
#define PTE_W BIT(1)
#define PTE_U BIT(2)
#define PTE_NX BIT(63)

#define KERNEL_CS 0x10
#define KERNEL_SS 0x18
#define TSS 0x40
#define LDT 0x50 /* in the GDT nobody looks for it */

struct turtles {
	struct fuzz_target target;
	struct machine machine;
	struct cpu_model model;
	struct vcpu_thread thread;
	u64 next_table;
	bool thread_runs;
	sem_t go, done;
	const struct fuzz_batch *batch; /* NULL: the thread ends */
	int thread_error;
	struct fuzz_result results[FUZZ_BATCH];
};

static const struct fuzz_region regions[] = { FUZZ_REGIONS(FUZZ_REGION_TABLE_ROW) };

static u64 *table(struct turtles *t, u64 gpa)
{
	return (u64 *)(t->machine.memory.base + gpa);
}

/* One 4 KiB page: SDM vol. 3, "4-Level Paging". The upper levels permit everything. */
static void map_page(struct turtles *t, u64 linear, u64 gpa, u64 rights)
{
	u64 *entry = table(t, GPA_TABLES);
	int level;

	for (level = 3; level > 0; level--) {
		entry += linear >> (12 + 9 * level) & 511;
		if (!*entry) {
			*entry = t->next_table | PTE_P | PTE_W | PTE_U;
			t->next_table += FUZZ_PAGE;
		}
		entry = table(t, *entry & 0xffffffffff000);
	}
	entry[linear >> 12 & 511] = gpa | rights | PTE_P;
}

static u64 image_gpa(unsigned int page)
{
	return GPA_IMAGE + page * FUZZ_PAGE;
}

static void map_all(struct turtles *t)
{
	unsigned int i, page;
	u64 gpa;

	t->next_table = GPA_TABLES + FUZZ_PAGE;
	for (gpa = GPA_GDT; gpa < GPA_KERNEL_END; gpa += FUZZ_PAGE)
		map_page(t, KERNEL + gpa, gpa, PTE_W | PTE_NX);
	for (i = 0; i < FUZZ_CODE_PAGES; i++)
		map_page(t, FUZZ_CODE + i * FUZZ_PAGE, GPA_CODE + i * FUZZ_PAGE, PTE_U);
	for (i = 0; i < FUZZ_REGION_COUNT; i++)
		for (page = 0; page < regions[i].pages; page++)
			map_page(t, regions[i].address + page * FUZZ_PAGE, image_gpa(regions[i].first + page),
				 PTE_U | PTE_NX | (regions[i].writable ? PTE_W : 0));
}

/* access rights as in struct segment: SDM vol. 3, "Segment Descriptors" */
#define AR_CODE64 (AR_G | AR_L | AR_P | AR_S | 0xb)
#define AR_CODE32 (AR_G | AR_DB | AR_P | AR_S | 0xb)
#define AR_DATA32 (AR_G | AR_DB | AR_P | AR_S | 0x3)
#define AR_USER (3u << AR_DPL_SHIFT)
#define AR_BUSY_TSS (AR_P | 0xb)
#define AR_LDT (AR_P | 0x2)

static u64 flat_descriptor(u32 ar)
{
	return 0x000f00000000ffff | (u64)(ar & 0xf0ff) << 40;
}

static u32 ldt_rights(const struct fuzz_segment *s)
{
	return AR_P | AR_S | AR_USER | (s->big ? AR_DB : 0) | (s->code ? 0xb : s->expand_down ? 0x7 : 0x3);
}

static void write_ldt(struct turtles *t)
{
	u64 *ldt = table(t, GPA_LDT);
	unsigned int i;

	for (i = 0; i < FUZZ_LDT_ENTRIES; i++) {
		const struct fuzz_segment *s = &fuzz_ldt[i];

		ldt[s->selector / 8] = (s->limit & 0xffff) | (u64)(s->base & 0xffffff) << 16 |
				       (u64)(ldt_rights(s) & 0xf0ff) << 40 | (u64)(s->limit >> 16) << 48 |
				       (u64)(s->base >> 24) << 56;
	}
}

static void write_tables(struct turtles *t)
{
	u64 *gdt = table(t, GPA_GDT), *idt = table(t, GPA_IDT), tss = KERNEL + GPA_TSS, stack = KERNEL + GPA_STACK;
	const u16 no_ports = 0x68;
	unsigned int i;

	gdt[KERNEL_CS / 8] = flat_descriptor(AR_CODE64);
	gdt[KERNEL_SS / 8] = flat_descriptor(AR_DATA32);
	gdt[FUZZ_CS32 / 8] = flat_descriptor(AR_CODE32 | AR_USER);
	gdt[FUZZ_DS / 8] = flat_descriptor(AR_DATA32 | AR_USER);
	gdt[FUZZ_CS64 / 8] = flat_descriptor(AR_CODE64 | AR_USER);
	gdt[TSS / 8] = 0x67 | (tss & 0xffffff) << 16 | (u64)AR_BUSY_TSS << 40 | (tss >> 24 & 0xff) << 56;
	gdt[TSS / 8 + 1] = tss >> 32;
	/* interrupt gates; INT3 and INTO may be used by user code, as with Linux */
	for (i = 0; i < 256; i++) {
		u64 handler = HANDLERS + i * HANDLER_SIZE, dpl = i == VEC_BP || i == VEC_OF ? 3 : 0;

		idt[2 * i] = (handler & 0xffff) | KERNEL_CS << 16 | (0x8e00 | dpl << 13) << 32 |
			     (handler >> 16 & 0xffff) << 48;
		idt[2 * i + 1] = handler >> 32;
	}
	memcpy((u8 *)table(t, GPA_TSS) + 4, &stack, 8); /* RSP0 */
	memcpy((u8 *)table(t, GPA_TSS) + 0x66, &no_ports, 2); /* an I/O map behind the limit permits nothing */
}

/* all but what a case loads */
static void init_vcpu(struct turtles *t)
{
	struct vcpu *v = t->thread.v;

	vcpu_reset(v, false);
	v->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
	v->cr3 = GPA_TABLES;
	v->cr4 = CR4_DE | CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE | CR4_UMIP |
		 CR4_SMEP | CR4_SMAP;
	v->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;
	v->xcr0 = XSTATE_HOST;
	v->gdtr = (struct dtable){ KERNEL + GPA_GDT, TSS + 15 };
	v->idtr = (struct dtable){ KERNEL + GPA_IDT, 4095 };
	v->seg[LDTR] = (struct segment){
		.base = KERNEL + GPA_LDT, .limit = FUZZ_LDT_ENTRIES * 8 - 1, .ar = AR_LDT, .sel = LDT
	};
	v->seg[TR] = (struct segment){ .base = KERNEL + GPA_TSS, .limit = 0x67, .ar = AR_BUSY_TSS, .sel = TSS };
	mmu_flush_all(v);
}

static struct segment user_segment(u16 selector)
{
	struct segment s = { .limit = 0xffffffff, .sel = selector };
	unsigned int i;

	switch (selector) {
	case FUZZ_CS64:
		s.ar = AR_CODE64 | AR_USER;
		return s;
	case FUZZ_CS32:
		s.ar = AR_CODE32 | AR_USER;
		return s;
	case FUZZ_DS:
		s.ar = AR_DATA32 | AR_USER;
		return s;
	}
	if (!selector)
		return (struct segment){ .ar = AR_UNUSABLE };
	for (i = 0; i < FUZZ_LDT_ENTRIES; i++) {
		if (fuzz_ldt[i].selector == selector) {
			s.base = fuzz_ldt[i].base;
			s.limit = fuzz_ldt[i].limit;
			s.ar = ldt_rights(&fuzz_ldt[i]);
		}
	}
	return s;
}

static void load_case(struct turtles *t, const struct fuzz_case *c)
{
	struct vcpu *v = t->thread.v;
	struct fpu_image image;

	_Static_assert(sizeof(image) == FUZZ_XSAVE_SIZE, "the same format");
	memcpy(v->gpr, c->in.gpr, sizeof(v->gpr));
	v->rip = c->in.rip;
	v->rflags = c->in.rflags;
	v->seg[CS] = user_segment(fuzz_mode(c)->cs);
	v->seg[SS] = user_segment(fuzz_mode(c)->ss);
	v->seg[DS] = user_segment(fuzz_mode(c)->ds);
	v->seg[ES] = user_segment(fuzz_mode(c)->es);
	v->seg[FS] = (struct segment){ .base = c->in.fs_base, .ar = AR_UNUSABLE };
	v->seg[GS] = (struct segment){ .base = c->in.gs_base, .ar = AR_UNUSABLE };
	v->cpl = 3;
	v->cr2 = 0;
	v->activity = ACTIVITY_ACTIVE;
	v->intr_shadow = 0;
	v->pending_db = 0;
	v->event.valid = v->delivering.valid = false;
	vcpu_update_mode(v);
	memcpy(&image, c->in.xsave, sizeof(image));
	fpu_set(v, &image);
}

static bool has_error_code(u32 vector)
{
	return vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) || vector == VEC_AC;
}

/* What the exception's delivery pushed: SDM vol. 3, "64-Bit Mode Stack Frame". */
static void read_frame(struct turtles *t, struct fuzz_result *r)
{
	struct vcpu *v = t->thread.v;
	const u64 *frame;

	r->vector = (v->rip - HANDLERS) / HANDLER_SIZE;
	r->error = 0;
	r->cr2 = v->cr2;
	if (v->rip < HANDLERS || r->vector > 255 || v->gpr[RSP] >= KERNEL + GPA_STACK ||
	    v->gpr[RSP] < KERNEL + GPA_STACK - FUZZ_PAGE) {
		r->status = FUZZ_BROKEN;
		snprintf(r->why, sizeof(r->why), "delivery to rip %#llx with rsp %#llx", (unsigned long long)v->rip,
			 (unsigned long long)v->gpr[RSP]);
		return;
	}
	frame = table(t, v->gpr[RSP] - KERNEL);
	if (has_error_code(r->vector))
		r->error = *frame++;
	r->out.rip = frame[0];
	r->out.cs = frame[1];
	r->out.rflags = frame[2];
	r->out.gpr[RSP] = frame[3];
	r->out.ss = frame[4];
}

static void collect(struct turtles *t, enum fuzz_bt_end end, struct fuzz_result *r)
{
	struct vcpu *v = t->thread.v;
	struct fpu_image image;

	r->status = FUZZ_EXCEPTION;
	r->vector = r->error = 0;
	r->cr2 = 0;
	memcpy(r->out.gpr, v->gpr, sizeof(v->gpr));
	r->out.rip = v->rip;
	r->out.rflags = v->rflags;
	r->out.cs = v->seg[CS].sel;
	r->out.ss = v->seg[SS].sel;
	r->out.ds = v->seg[DS].sel;
	r->out.es = v->seg[ES].sel;
	r->out.fs_base = v->seg[FS].base;
	r->out.gs_base = v->seg[GS].base;
	fpu_get(v, &image);
	memcpy(r->out.xsave, &image, sizeof(image));
	switch (end) {
	case FUZZ_BT_HANDLER:
		read_frame(t, r);
		break;
	case FUZZ_BT_ENDLESS:
		r->status = FUZZ_TIMEOUT;
		break;
	case FUZZ_BT_TRIPLE_FAULT:
		r->status = FUZZ_BROKEN;
		snprintf(r->why, sizeof(r->why), "triple fault");
		break;
	case FUZZ_BT_INACTIVE:
		r->status = FUZZ_BROKEN;
		snprintf(r->why, sizeof(r->why), "halted in user mode");
		break;
	}
}

/* Changed pages to the result (if there is one), and the image back in place. */
static void restore_memory(struct turtles *t, struct fuzz_result *r)
{
	unsigned int page;

	if (r)
		r->dirty = 0;
	for (page = 0; page < FUZZ_PAGES; page++) {
		u8 *live = memory_host(&t->machine.memory, image_gpa(page));

		if (!memcmp(live, t->batch->memory[page], FUZZ_PAGE))
			continue;
		if (r) {
			memcpy(r->memory[page], live, FUZZ_PAGE);
			r->dirty |= 1u << page;
		}
		memcpy(live, t->batch->memory[page], FUZZ_PAGE);
	}
}

/* How often code has run directly */
static u64 direct_runs(const struct turtles *t)
{
	struct direct_stats s;

	if (!t->thread.v->direct)
		return 0;
	direct_stats_sum(&t->machine, &s);
	return s.runs;
}

static void run_case(struct turtles *t, const struct fuzz_case *c, unsigned int number, struct fuzz_result *r)
{
	u64 gpa = GPA_CODE + (c->code_address - FUZZ_CODE);
	u64 size = FUZZ_CODE_END - c->code_address < c->code_size ? FUZZ_CODE_END - c->code_address : c->code_size;
	u8 fill[FUZZ_CODE_MAX];
	unsigned int runs = number % 4 == 3 ? 2 : 1; /* a second time: translated already, TLB warm */
	u64 before = direct_runs(t);

	machine_write(&t->machine, gpa, c->code, size);
	if (number % 8 == 0)
		mmu_flush_all(t->thread.v);
	while (runs--) {
		load_case(t, c);
		collect(t, fuzz_bt_loop(t->thread.v), r);
		restore_memory(t, r);
	}
	r->direct = direct_runs(t) != before;
	memset(fill, FUZZ_CODE_FILL, sizeof(fill));
	machine_write(&t->machine, gpa, fill, size);
}

static void *vcpu_main(void *arg)
{
	struct turtles *t = arg;
	unsigned int i;

	t->thread_error = crash_thread_begin(t->thread.v);
	init_vcpu(t);
	for (;;) {
		sem_post(&t->done);
		while (sem_wait(&t->go))
			;
		if (!t->batch)
			break;
		restore_memory(t, NULL);
		for (i = t->batch->first; i < t->batch->count; i++) {
			if (t->target.progress)
				*t->target.progress = i;
			t->machine.bt->loops = i / 4 % 2; /* both forms, on every host */
			run_case(t, &t->batch->cases[i], i, &t->results[i]);
		}
	}
	if (!t->thread_error)
		crash_thread_end();
	return NULL;
}

static void turtles_start(struct fuzz_target *target, const struct fuzz_batch *batch)
{
	struct turtles *t = (struct turtles *)target;

	t->batch = batch;
	sem_post(&t->go);
}

static const struct fuzz_result *turtles_finish(struct fuzz_target *target)
{
	struct turtles *t = (struct turtles *)target;

	while (sem_wait(&t->done))
		;
	return t->results;
}

static void turtles_cpuid(struct fuzz_target *target, u32 leaf, u32 subleaf, u32 out[4])
{
	model_cpuid(((struct turtles *)target)->thread.v, leaf, subleaf, out);
}

static void turtles_destroy(struct fuzz_target *target)
{
	struct turtles *t = (struct turtles *)target;

	if (t->thread_runs) {
		turtles_start(target, NULL);
		pthread_join(t->thread.thread, NULL);
	}
	if (t->thread.v)
		direct_destroy(t->thread.v);
	if (t->thread.v && t->thread.v->bt)
		bt_vcpu_destroy(t->thread.v);
	if (t->machine.bt)
		bt_destroy(t->machine.bt);
	vcpu_thread_destroy(&t->thread);
	if (t->machine.memory.base)
		memory_destroy(&t->machine.memory);
	crash_install(NULL);
	free(t);
}

static int create_direct(struct turtles *t, char *error)
{
	struct kvm_probe p;

	kvm_probe(&p);
	if (p.user64)
		return direct_create(t->thread.v, &p, true, false, error, ERROR_SIZE);
	snprintf(error, ERROR_SIZE, "user code can't run directly: %.160s", p.user_why);
	return -ENOTSUP;
}

static int create(struct turtles *t, bool direct, char *error)
{
	struct machine *m = &t->machine;
	int err = model_parse(&t->model, "max", error, ERROR_SIZE);

	if (err)
		return err;
	m->name = "fuzz";
	m->model = &t->model;
	m->vcpu_count = t->model.vcpus = 1;
	err = memory_init(&m->memory, MEMORY);
	if (err)
		return err;
	clock_init(&m->clock, CLOCK_HOST);
	t->model.tsc_hz = m->clock.tsc_hz;
	memset(memory_host(&m->memory, GPA_CODE), FUZZ_CODE_FILL, FUZZ_CODE_PAGES * FUZZ_PAGE);
	map_all(t);
	write_tables(t);
	write_ldt(t);
	err = vcpu_thread_create(&t->thread, m, 0);
	if (err)
		return err;
	m->vcpu = &t->thread.v;
	m->bt = bt_create(m, CODE_CACHE);
	if (!m->bt)
		return -ENOMEM;
	err = bt_vcpu_create(m->bt, t->thread.v);
	if (!err && direct)
		err = create_direct(t, error);
	if (err)
		return err;
	crash_install(NULL);
	err = vcpu_thread_start(&t->thread, vcpu_main, t);
	if (err)
		return err;
	t->thread_runs = true;
	turtles_finish(&t->target); /* its registers are set */
	return t->thread_error;
}

static struct fuzz_target *create_target(const char *name, bool direct, char *error)
{
	struct turtles *t = aligned_alloc(64, (sizeof(*t) + 63) & ~63ul);
	int err;

	if (!t) {
		snprintf(error, ERROR_SIZE, "no memory");
		return NULL;
	}
	memset(t, 0, sizeof(*t));
	t->target = (struct fuzz_target){ name,		 turtles_start,	  turtles_finish,
					  turtles_cpuid, turtles_destroy, BIT(FUZZ_MODE_COUNT) - 1,
					  NULL };
	sem_init(&t->go, 0, 0);
	sem_init(&t->done, 0, 0);
	*error = 0;
	err = create(t, direct, error);
	if (err) {
		if (!*error)
			snprintf(error, ERROR_SIZE, "turtles: %s", strerror(-err));
		turtles_destroy(&t->target);
		return NULL;
	}
	return &t->target;
}

struct fuzz_target *fuzz_bt_create(char *error)
{
	return create_target("turtles", false, error);
}

struct fuzz_target *fuzz_direct_create(char *error)
{
	return create_target("direct", true, error);
}
