/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stacks.h"

#include <stdlib.h>
#include <string.h>

#include "../cpu/mmu.h"
#include "../machine/machine.h"
#include "elf_view.h"
#include "output.h"
#include "stack_dwarf.h"
#include "stack_linux.h"
#include "trace.h"

struct stacks {
	struct stack_reader reader; /* ctx: the vCPU */
	struct stack_dwarf *dwarf;
	struct stack_linux *kernel;
};

static const u8 *guest_page(void *ctx, u64 linear)
{
	struct vcpu *v = ctx;
	struct mmu_page page;
	u32 error;

	if (!mmu_canonical(v, linear) || !mmu_probe(v, linear, ACC_READ, &page, &error))
		return NULL;
	return memory_host(&v->machine->memory, page.gpa & ~(STACK_PAGE - 1));
}

/* Where an ELF file says that its .eh_frame_hdr will be */
static void find_eh_frame(struct stacks *s, const char *kernel)
{
	u64 text = UINT64_MAX, end = 0, header = 0;
	struct elf_view e;
	char error[256];

	/* a kernel of another kind, or none that can be read: whoever boots it says so */
	if (elf_view_open(&e, kernel, error, sizeof(error)))
		return;
	for (unsigned int i = 0; i < e.segments; i++) {
		const Elf64_Phdr *p = &e.segment[i];

		if (p->p_type == PT_GNU_EH_FRAME)
			header = p->p_vaddr;
		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		text = p->p_vaddr < text ? p->p_vaddr : text;
		end = p->p_vaddr + p->p_memsz > end ? p->p_vaddr + p->p_memsz : end;
	}
	if (header && text < end)
		stack_dwarf_code(s->dwarf, text, end, header);
	elf_view_close(&e);
}

struct stacks *stacks_create(const char *kernel)
{
	struct stacks *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->reader.page = guest_page;
	s->dwarf = stack_dwarf_create(&s->reader);
	s->kernel = stack_linux_create(&s->reader);
	if (!s->dwarf || !s->kernel) {
		stacks_destroy(s);
		return NULL;
	}
	if (kernel)
		find_eh_frame(s, kernel);
	return s;
}

void stacks_destroy(struct stacks *s)
{
	if (!s)
		return;
	stack_linux_destroy(s->kernel);
	stack_dwarf_destroy(s->dwarf);
	free(s);
}

unsigned int stacks_take(struct stacks *s, struct vcpu *v, u64 pc[STACK_DEPTH])
{
	struct stack_regs regs = { .rip = v->rip };
	unsigned int n;

	if (!vcpu_64bit(v) || v->cpl == 3)
		return 0;
	memcpy(regs.gpr, v->gpr, sizeof(regs.gpr));
	s->reader.ctx = v;
	stack_reader_reset(&s->reader);
	if (stack_linux_unwind(s->kernel, &regs, pc, STACK_DEPTH, &n))
		return n;
	return stack_dwarf_unwind(s->dwarf, &regs, pc, STACK_DEPTH);
}

bool stacks_has_symbols(const struct stacks *s)
{
	return stack_linux_found(s->kernel);
}

int stacks_save_symbols(struct stacks *s, const char *path)
{
	struct output o;
	int err = output_open(&o, path);

	if (err)
		return err;
	stack_linux_symbols(s->kernel, o.f);
	return output_commit(&o);
}

void trace_stack(struct vcpu *v)
{
	struct trace *t = v->trace;
	u64 pc[STACK_DEPTH];
	unsigned int n, i = 0;

	if (t->wait) {
		t->wait--;
		return;
	}
	t->wait = t->every - 1;
	vcpu_fpu_park(v);
	n = stacks_take(t->stacks, v, pc);
	do {
		unsigned int part = n - i < TRACE_STACK_ADDRESSES ? n - i : TRACE_STACK_ADDRESSES;
		struct trace_stack *r;

		if (t->next == t->end && !trace_extend(t))
			return;
		r = (struct trace_stack *)t->next++;
		memcpy(r->pc, pc + i, part * sizeof(*pc));
		r->count = (u8)part;
		r->vcpu = (u8)v->index;
		/* last: see vmx/count.c */
		__atomic_store_n(&r->kind, (u8)TRACE_STACK, __ATOMIC_RELEASE);
		i += part;
	} while (i < n);
}
