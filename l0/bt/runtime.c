/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What translated code calls. On entry the thunk has put gpr[] and rflags into *v; each function sets rip. The guest's
 * vector state is still in the host's registers; whoever parks it loads it again before going back.
 */
#include "cache.h"
#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "../cpu/fpu.h"
#include "../cpu/insn.h"
#include "../cpu/mode.h"
#include "../machine/machine.h"
#include "../run/gate.h"
#include "../vmx/apic.h"
#include "../vmx/vmx.h"

static void gs_base_fails(struct vcpu *v)
{
	vcpu_fpu_park(v);
	machine_stop(v->machine, STOP_HOST, EXIT_HOST,
		     "bt: arch_prctl(ARCH_SET_GS) fails, without which nothing can run here: %s", strerror(errno));
}

/* Host GS base: the TLB of the current address space. False: the machine stops. */
static bool select_tlb(struct vcpu *v)
{
	struct bt_vcpu *b = v->bt;

	if (b->gs == v->tlb)
		return true;
	b->stats.tlb_switches += b->gs != NULL;
	b->gs = v->tlb;
	if (gs_base_set(b->bt->gs_way, v->tlb))
		return true;
	gs_base_fails(v);
	return false;
}

void bt_resumed(struct vcpu *v)
{
	struct bt_vcpu *b = v->bt;

	b->gs = NULL;
	if (b->bt->gs_way == GS_BASE_LOST && !gs_base_default(b->bt->nowhere))
		gs_base_fails(v);
}

/* The mode of a class is told by MODE_CONTROL and the level: who jumps there by its jump cache has no other way to know it. */
enum jc_class jc_class_of(u32 mode)
{
	if ((mode & MODE_CS_MASK) != MODE_CS64 ||
	    (mode & (MODE_TF | MODE_BREAK | MODE_ALIGN | MODE_MTF | MODE_TSD | MODE_CPL12)))
		return JC_OTHER;
	if ((mode & MODE_CPL3) && !(mode & MODE_SLOW_IF))
		return JC_OTHER;
	return (enum jc_class)((mode & MODE_VIEW_MASK) >> MODE_VIEW_SHIFT);
}

_Static_assert((int)JC_USER64 == (int)TLB_USER && (int)JC_KERNEL64 == (int)TLB_KERNEL &&
		       (int)JC_KERNEL_AC64 == (int)TLB_KERNEL_AC,
	       "jump cache classes begin with the views");

static u64 wrap(const struct vcpu *v, u64 linear)
{
	return (v->mode & MODE_CS_MASK) == MODE_CS64 ? linear : (u32)linear;
}

/* v->rip of an instruction at `offset` in the current page */
static void set_rip(struct vcpu *v, u32 offset)
{
	v->rip = wrap(v, v->rip_base + offset - v->code_base);
	if ((v->mode & MODE_CS_MASK) == MODE_CS16 && (v->mode & (MODE_VM86 | MODE_PE)) != MODE_PE)
		v->rip = (u16)v->rip;
}

/* SDM vol. 3, "Instruction-Breakpoint Exception Condition": a fault, before the instruction */
static void check_breakpoints(struct vcpu *v, u64 linear)
{
	int i;

	if ((v->rflags & FLAG_RF) || (v->intr_shadow & SHADOW_MOV_SS))
		return;
	for (i = 0; i < 4; i++)
		if ((v->dr[7] >> (2 * i) & 3) && (v->dr[7] >> (16 + 4 * i) & 3) == 0 && v->dr[i] == linear)
			v->pending_db |= BIT(i);
	if (v->pending_db)
		raise_exception(v, VEC_DB);
}

/* Where the code at `linear` is: from the context's code pages, or by a walk; raises its fault. */
static void find_page(struct vcpu *v, u64 linear, struct mmu_page *page)
{
	const struct code_page *c = code_page(v->tlb, linear);
	bool user = v->cpl == 3;
	u32 error;

	if (c->tag == ((linear & ~4095ull) | 1) && c->user == user) {
		page->gpa = c->phys | (linear & 4095);
		page->shift = c->shift;
		page->run = c->run;
		page->global = c->global;
		return;
	}
	if (!mmu_walk(v, linear, mmu_data(v, ACC_EXEC), page, &error))
		raise_page_fault(v, linear, error);
	tlb_insert_code_page(v->tlb, linear, page, user);
}

static u32 mode_of(const struct vcpu *v, enum translation kind, const struct mmu_page *page)
{
	u32 whole = kind != TRANSLATE_SINGLE && page->shift >= WHOLE_SHIFT && page->run >= WHOLE_SHIFT ? MODE_WHOLE : 0;

	return v->mode | (kind == TRANSLATE_UNGROUPED ? MODE_UNGROUPED : 0) | whole;
}

/* Another vCPU may have made it meanwhile, or there is one to copy. */
static struct bt_block *made(struct vcpu *v, u64 phys, u64 phys2, u32 mode)
{
	struct bt *bt = v->bt->bt;
	struct bt_block *b = v->machine->parallel ? cache_find(bt, phys, phys2, mode) : NULL;

	return b ? b : copy_block(bt, phys, mode);
}

/*
 * A block that isn't in the cache, or is by now: another vCPU may be faster. NULL: the machine has been stopped. An exception or
 * exit leaves with the lock; bt_unwound() gives it back.
 */
static struct bt_block *make(struct vcpu *v, u64 linear, enum translation kind, u64 phys, u64 phys2, u32 mode)
{
	struct bt *bt = v->bt->bt;
	const struct bt_region *open;
	struct bt_block *b;
	u64 unwatched, emptied, start;
	bool flushed = false;

	for (;;) {
		bt_lock(bt);
		emptied = bt->emptied;
		open = bt->open;
		start = __builtin_ia32_rdtsc();
		if (cache_is_half_full(bt)) {
			vcpu_fpu_park(v);
			feed_next(bt->feed);
		}
		b = kind == TRANSLATE_SINGLE ? NULL : made(v, phys, phys2, mode);
		if (!b)
			b = translate(v, linear, phys, kind, mode, &unwatched);
		if (b)
			bt->translate_tsc += __builtin_ia32_rdtsc() - start;
		bt_unlock(bt);
		if (b)
			return b;
		if (unwatched == UINT64_MAX && flushed)
			break;
		vcpu_fpu_park(v);
		gate_alone(v);
		if (unwatched != UINT64_MAX)
			cache_watch(bt, unwatched);
		else if (open == bt->open && emptied == bt->emptied) /* nobody else has, meanwhile */
			cache_make_room(bt);
		flushed |= unwatched == UINT64_MAX;
		gate_open(v);
	}
	vcpu_fpu_park(v);
	machine_stop(v->machine, STOP_INTERNAL, 0, "bt: one block does not fit into an empty code cache of %zu bytes",
		     bt->size);
	return NULL;
}

/* The block at v->rip: its indirect entry. Raises the fetch's faults. */
static u8 *find(struct vcpu *v, u64 linear, enum translation kind)
{
	struct bt *bt = v->bt->bt;
	enum jc_class class = jc_class_of(v->mode);
	struct mmu_page page, second = { .shift = 12 };
	struct bt_block *b;
	u32 error, mode;
	u64 phys2 = UINT64_MAX;

	find_page(v, linear, &page);
	mode = mode_of(v, kind, &page);
	v->bt->stats.lookups++;
	/* 15 bytes from here could reach the next page: its translation is part of the key of a crossing block. */
	if ((linear & 4095) > 4096 - 15 &&
	    mmu_probe(v, wrap(v, (linear | 4095) + 1), mmu_data(v, ACC_EXEC), &second, &error))
		phys2 = second.gpa;
	b = kind == TRANSLATE_SINGLE ? NULL : cache_find(bt, page.gpa, phys2, mode);
	if (!b) {
		b = make(v, linear, kind, page.gpa, phys2, mode);
		if (!b)
			return bt->thunk.exit;
	}
	if (kind == TRANSLATE_BLOCK)
		tlb_insert_code(v->tlb, class, linear, cache_rx(bt, b->code), page.shift, page.global);
	if (kind == TRANSLATE_BLOCK && block_crosses(b))
		tlb_insert_code_end(v->tlb, class, linear, wrap(v, (linear | 4095) + 1), second.shift);
	return cache_rx(bt, b->code);
}

/*
 * Code close to the end of a segment runs one instruction at a time, in blocks that nobody else finds: whether it is inside the
 * limit depends on this CS, and blocks don't know theirs.
 */
#define LIMIT_MARGIN (BLOCK_MAX_INSNS * 15)

static bool near_limit(const struct vcpu *v)
{
	return !(v->mode & MODE_FLAT_CS) && v->rip + LIMIT_MARGIN > v->seg[CS].limit;
}

/* Whatever changes control registers or the context leads to C, so no jump cache is asked before this. */
static void forget_other_modes(struct vcpu *v)
{
	tlb_flush_code(v->tlb);
	v->tlb->jc_other_mode = v->mode;
	v->tlb->jc_control = v->mode & MODE_CONTROL;
}

/*
 * Where to go on at v->rip: translated code, or out to the run loop. look: if something waits for the vCPU. Not where jumps come that only
 * miss a cache: the block that they lead to looks by its budget (vcpu_leave_soon()), as it would for a hit, and with the instruction clock
 * there has to be no difference.
 */
static u8 *go_on(struct vcpu *v, bool look)
{
	struct bt_vcpu *b = v->bt;
	enum jc_class class;
	bool single;
	u64 linear;
	u8 *code;

	if (v->pending_db && !(v->intr_shadow & SHADOW_MOV_SS))
		raise_exception(v, VEC_DB);
	if (look && !v->intr_shadow &&
	    (atomic_load_explicit(&v->events, memory_order_relaxed) || (v->intr_wait && (v->rflags & FLAG_IF)) ||
	     ((v->nmi_wait || v->nmi_window) && !v->nmi_blocked)))
		return b->bt->thunk.exit;
	if (v->activity != ACTIVITY_ACTIVE)
		return b->bt->thunk.exit;
	linear = wrap(v, v->code_base + v->rip);
	if (!(v->mode & MODE_FLAT_CS) && v->rip > v->seg[CS].limit)
		raise_gp(v, 0);
	if ((v->mode & MODE_CS_MASK) == MODE_CS64 && !mmu_canonical(v, linear))
		raise_gp(v, 0);
	if (v->mode & MODE_BREAK)
		check_breakpoints(v, linear);
	else
		v->rflags &= ~FLAG_RF;
	if (!select_tlb(v))
		return b->bt->thunk.exit;
	class = jc_class_of(v->mode);
	if ((class == JC_OTHER && v->tlb->jc_other_mode != v->mode) || v->tlb->jc_control != (v->mode & MODE_CONTROL))
		forget_other_modes(v);
	single = b->single || v->intr_shadow || near_limit(v);
	b->single = false;
	v->scratch[3] = linear;
	code = single ? NULL : (u8 *)tlb_find_code(v->tlb, class, linear);
	if (!code)
		code = find(v, linear, single ? TRANSLATE_SINGLE : TRANSLATE_BLOCK);
	b->recent[b->recent_next++ % BT_RECENT] = linear;
	vcpu_fpu_load(v);
	return code;
}

static u8 *next(struct vcpu *v)
{
	return go_on(v, true);
}

/*
 * The block whose entry is `code`, where `from` jumps to within its page: found by its address and mode, but for one that reaches into the
 * next page. The jump cache may still have another page's code for the linear address: then it isn't the page that `from` is in. STAC and
 * CLAC at its end have changed the mode, always to the same.
 */
static struct bt_block *target_of(struct vcpu *v, const struct bt_block *from, u64 linear, const u8 *code)
{
	u64 low = BIT(block_shift(from)) - 1;
	u32 mode = v->mode | (from->mode & MODE_WHOLE);
	struct bt *bt = v->bt->bt;
	struct bt_block *to = cache_find(bt, (from->phys & ~low) | (linear & low), UINT64_MAX, mode);

	if (to && cache_rx(bt, to->code) == code)
		return to;
	to = cache_by_host(bt, (u64)code);
	return to && to->mode == mode && !((to->phys ^ from->phys) & ~low) ? to : NULL;
}

/* All that `to` reaches into is where `from` knows its way. */
static bool within(const struct bt_block *from, const struct bt_block *to)
{
	return !block_crosses(to) || !((((u64)to->page2 << 12) ^ from->phys) >> block_shift(from));
}

u8 *rt_chain(struct vcpu *v, u32 id, u64 far)
{
	struct bt *bt = v->bt->bt;
	struct bt_block *from = &bt->blocks[id >> 1], *to;
	struct bt_exit *x = &from->exit[id & 1];
	u64 emptied, linear, page = v->rip_base;
	u8 *code;

	bt_lock(bt);
	emptied = bt->emptied;
	linear = x->delta == EXIT_FAR ? far : wrap(v, v->rip_base + x->delta);
	bt_unlock(bt);
	v->rip = wrap(v, linear - v->code_base);
	code = go_on(v, false);
	if (code == bt->thunk.exit)
		return code;
	bt_lock(bt);
	to = from->valid && emptied == bt->emptied && !((linear ^ page) >> block_shift(from))
		     ? target_of(v, from, linear, code)
		     : NULL;
	if (to && !to->single && to->valid) {
		if (within(from, to))
			cache_chain(bt, id, to);
		else
			cache_never_chain(bt, id, v->mode);
	}
	bt_unlock(bt);
	return code;
}

/* what a jump has done to the stack pointer or rCX already: lower_jump_cache() */
static void undo_jump(struct vcpu *v, int undo)
{
	u64 sp = v->gpr[RSP] + (u64)(s64)undo;

	switch (undo) {
	case UNDO_COUNT16:
		v->gpr[RCX] = (v->gpr[RCX] & ~0xffffull) | (u16)(v->gpr[RCX] + 1);
		return;
	case UNDO_COUNT32:
		v->gpr[RCX] = (u32)(v->gpr[RCX] + 1);
		return;
	case UNDO_COUNT64:
		v->gpr[RCX]++;
		return;
	default:
		break;
	}
	if ((v->mode & MODE_CS_MASK) == MODE_CS64)
		v->gpr[RSP] = sp;
	else if (v->mode & MODE_SS32)
		v->gpr[RSP] = (u32)sp;
	else
		v->gpr[RSP] = (v->gpr[RSP] & ~0xffffull) | (u16)sp;
}

/* A jump to a non-canonical address or beyond CS' limit faults itself, so it hasn't changed anything. */
static void check_target(struct vcpu *v, u64 linear, u32 desc)
{
	int undo = (int)(desc & 4095) - 2048;
	bool bad;

	if (!desc || undo == UNDO_FALLS)
		return;
	if ((v->mode & MODE_CS_MASK) == MODE_CS64)
		bad = !mmu_canonical(v, linear);
	else
		bad = !(v->mode & MODE_FLAT_CS) && wrap(v, linear - v->code_base) > v->seg[CS].limit;
	if (!bad)
		return;
	v->bt->fixup = 1;
	set_rip(v, DESC_OFFSET(desc));
	undo_jump(v, undo);
	raise_gp(v, 0);
}

u8 *rt_jc_miss(struct vcpu *v, u64 linear, u32 desc)
{
	v->bt->stats.jc_misses++;
	linear = wrap(v, linear);
	check_target(v, linear, desc);
	if (!desc) /* from the entry of a dropped block: the jump cache led there */
		tlb_forget_code(v->tlb, jc_class_of(v->mode), linear);
	v->rip = wrap(v, linear - v->code_base);
	return go_on(v, false);
}

/* A single-step block has run its instruction. */
u8 *rt_step(struct vcpu *v, u64 linear, u32 desc)
{
	linear = wrap(v, linear);
	check_target(v, linear, desc);
	v->rip = wrap(v, linear - v->code_base);
	v->intr_shadow = 0;
	v->rflags &= ~FLAG_RF;
	if (v->mode & MODE_TF)
		v->pending_db |= DR6_BS;
	if (v->apic_due)
		vmx_apic_complete(v);
	if (v->mode & MODE_MTF)
		vmx_on_step(v);
	return next(v);
}

u8 *rt_budget(struct vcpu *v, u32 offset, u32 insns)
{
	vcpu_set_budget(v, vcpu_budget(v) + insns);
	set_rip(v, offset);
	return v->bt->bt->thunk.exit;
}

/*
 * Is fn followed by a single-step trap? TF counts as it was before the instruction; but SYSCALL lets the kernel mask it, and
 * SYSRET completes the SYSCALL.
 */
static bool single_step(const struct vcpu *v, const void *fn, bool tf)
{
	if (v->intr_shadow & SHADOW_MOV_SS)
		return false;
	if (fn == (void *)insn_syscall || fn == (void *)insn_sysret)
		return v->rflags & FLAG_TF;
	return tf && ((v->rflags & FLAG_TF) || fn == (void *)insn_popf || fn == (void *)insn_iret);
}

/* The block that has done this string instruction */
static const struct bt_block *string_block(const struct bt *bt, u64 args)
{
	return &bt->blocks[(union insn_args){ .raw = args }.imm];
}

u8 *rt_callout(struct vcpu *v, u64 desc, u64 args, void *fn)
{
	struct bt_vcpu *b = v->bt;
	bool tf = v->rflags & FLAG_TF;
	u8 shadow = v->intr_shadow;
	u64 at;

	b->stats.callouts++;
	b->fixup = DESC_UNCOUNTED(desc);
	set_rip(v, DESC_OFFSET(desc));
	at = v->rip;
	v->next_rip = wrap(v, at + (desc & 15));
	((insn_fn *)fn)(v, (union insn_args){ .raw = args });
	v->rip = v->next_rip;
	b->fixup = 0;
	if (!(desc & DESC_END)) {
		/* STI that casts a shadow: an interrupt is waiting */
		bool leaves = v->apic_due || v->intr_shadow != shadow;

		if (desc & DESC_STRING)
			leaves |= v->rip == at || !string_block(b->bt, args)->valid;
		if (!leaves) {
			vcpu_fpu_load(v);
			return NULL;
		}
		vcpu_set_budget(v, vcpu_budget(v) + DESC_UNCOUNTED(desc) -
					   1); /* the block is left in its middle, behind this instruction */
	}
	v->intr_shadow &= ~shadow; /* one that this instruction has cast stays */
	/* RF lasts until an instruction is complete; IRET has just loaded it, and a REP that will go on isn't complete. */
	if (fn != (void *)insn_iret && v->rip != at)
		v->rflags &= ~FLAG_RF;
	if (single_step(v, fn, tf))
		v->pending_db |= DR6_BS;
	if (v->apic_due)
		vmx_apic_complete(v);
	if (v->mode & MODE_MTF)
		vmx_on_step(v);
	return next(v);
}

/*
 * A group's page isn't in the first level of the TLB, or the group goes beyond its end. NULL: v->kept[1] is the distance. Otherwise
 * where the rest of the block goes on.
 */
u8 *rt_group(struct vcpu *v, u64 linear, u32 desc, u32 span)
{
	unsigned int access = mmu_data(v, span >> 31 ? ACC_READ | ACC_WRITE : ACC_READ), size = span & 0xffff;
	struct bt_vcpu *b = v->bt;
	u8 *host = NULL;

	b->stats.group_misses++;
	if ((linear & 4095) + size <= PAGE_SIZE)
		host = mmu_try(v, linear, access);
	if (host) {
		v->kept[1] = (u64)host - linear;
		return NULL;
	}
	b->stats.ungrouped++;
	set_rip(v, DESC_OFFSET(desc));
	vcpu_set_budget(v, vcpu_budget(v) + DESC_UNCOUNTED(desc));
	v->scratch[3] = v->rip;
	host = find(v, v->rip, TRANSLATE_UNGROUPED);
	vcpu_fpu_load(v);
	return host;
}

u64 rt_segment(struct vcpu *v, u64 offset, u32 desc)
{
	unsigned int access = (desc & DESC_READ ? ACC_READ : 0) | (desc & DESC_WRITE ? ACC_WRITE : 0);
	u64 linear;

	v->bt->fixup = DESC_UNCOUNTED(desc);
	set_rip(v, DESC_OFFSET(desc));
	linear = segment_linear(v, DESC_SEG_OF(desc), offset, DESC_SIZE(desc), access);
	v->bt->fixup = 0;
	return linear;
}

static bool is_last(const struct bt *bt, const struct bt_block *b, u32 offset)
{
	return bt->maps[b->map + b->insns - 1].guest == offset;
}

/* Stores to a page with translated code: drop what they overlap first, so that what runs next is translated anew. */
static void write_to_code(struct vcpu *v, u64 linear, unsigned int size, unsigned int access, u64 host_pc, u32 offset)
{
	struct bt *bt = v->bt->bt;
	struct mmu_page page;
	bool hit;
	u32 error;

	while (size) {
		unsigned int k = 4096 - (linear & 4095);

		k = k < size ? k : size;
		hit = false;
		if (mmu_walk(v, linear, access, &page, &error) && memory_is_ram(&v->machine->memory, page.gpa) &&
		    (*memory_flag(&v->machine->memory, page.gpa) & PAGE_WATCHED)) {
			bt_lock(bt);
			hit = cache_written(bt, page.gpa, k, host_pc);
			bt_unlock(bt);
		}
		if (hit && !is_last(bt, cache_by_host(bt, host_pc), offset)) {
			/* The block has changed behind this instruction: do it again alone, then look at the new bytes. */
			v->bt->single = true;
			vcpu_restart(v);
		}
		linear = wrap(v, linear + k);
		size -= k;
	}
}

/* SDM vol. 3, "Interrupt 17 - Alignment Check Exception": far pointers to 4, 80-bit operands to 8, x87 environments to 4 */
static bool misaligned(u64 linear, unsigned int size)
{
	switch (size) {
	case 6:
	case 14:
	case 28:
	case 94:
	case 108:
		return linear & (size == 14 || size == 94 ? 1 : 3);
	case 10:
		return linear & 7;
	case 32:
		return linear & 15;
	default:
		return linear & (size - 1);
	}
}

/* A store to L2's virtual APIC has its effect behind the instruction: that is done alone, so that its end is seen. */
static void write_to_apic(struct vcpu *v, u64 linear, unsigned int size, unsigned int access, u64 host_pc)
{
	const struct bt_block *current;

	if (!mmu_apic_access(v, linear, size, access))
		return;
	current = cache_by_host(v->bt->bt, host_pc);
	if (current && current->single)
		return;
	v->bt->single = true;
	vcpu_restart(v);
}

static bool x87_pending(const struct vcpu *v)
{
	struct fpu_image f;

	fpu_get(v, &f);
	return f.fsw & 0x80;
}

/*
 * An instruction that reads and writes its operand, which it can't do on the memory itself. If it is a locked one, no other vCPU may come in
 * between: rt_commit() opens the gate again.
 */
static void alone_with_memory(struct vcpu *v)
{
	const struct bt *bt = v->bt->bt;
	u64 emptied = bt->emptied, watched = bt->watched;

	gate_alone(v);
	/* the code that has called us is gone, or one of its groups may be in a page that isn't to be written unnoticed any more */
	if (emptied != bt->emptied || watched != bt->watched)
		vcpu_restart(v);
}

/* The page of an access in range n has just been found. */
static void enter_range(struct vcpu *v, unsigned int n)
{
	u64 base, start = range_start(v->bt->bt, v, n, &base);

	if (range_in_page(n, start))
		tlb_insert_range(v->tlb, (v->mode & MODE_VIEW_MASK) >> MODE_VIEW_SHIFT, n, base, start);
}

/* Reads and writes an operand that lies across lines of the host's cache, where that is to be avoided. Locked, or one whose page was just missed. */
static bool is_across_lines(const struct bt *bt, u64 linear, unsigned int size, u32 desc)
{
	return bt->split_locks_trap && (desc & DESC_READ) && (desc & DESC_WRITE) && (linear & 63) + size > 64;
}

u64 rt_miss(struct vcpu *v, u64 linear, u32 desc)
{
	struct bt_vcpu *b = v->bt;
	struct bt *bt = b->bt;
	unsigned int size = DESC_SIZE(desc);
	unsigned int access = mmu_data(v, (desc & DESC_READ ? ACC_READ : 0) | (desc & DESC_WRITE ? ACC_WRITE : 0));
	u64 return_to = ((u64 *)v)[-RSP_BELOW / 8 - 1];
	bool split = (linear & 4095) + size > 4096;
	bool across = is_across_lines(bt, linear, size, desc);
	u32 range = v->range_missed;
	u8 *host;

	v->range_missed = 0;
	b->stats.tlb_misses++;
	b->fixup = DESC_UNCOUNTED(desc);
	set_rip(v, DESC_OFFSET(desc));
	v->bounce = 0;
	if ((desc & DESC_X87) && x87_pending(v))
		raise_exception(v, VEC_MF);
	if ((v->mode & MODE_CS_MASK) == MODE_CS64 && !(mmu_canonical(v, linear) && mmu_canonical(v, linear + size - 1)))
		raise_error(v, desc & DESC_SS ? VEC_SS : VEC_GP, 0);
	/* the top of a flat 32-bit segment doesn't wrap to its bottom */
	if ((v->mode & MODE_CS_MASK) != MODE_CS64 && linear + size - 1 > UINT32_MAX)
		raise_error(v, desc & DESC_SS ? VEC_SS : VEC_GP, 0);
	if ((desc & DESC_ALIGNED) && (linear & (size - 1)))
		raise_gp(v, 0); /* before any page fault */
	if ((v->mode & MODE_ALIGN) && misaligned(linear, size))
		raise_error(v, VEC_AC, 0);
	if (!split) {
		host = mmu_host(v, linear, access);
		if (host) {
			if (range)
				enter_range(v, range - 1);
			b->stats.tlb_fills++;
			if (!across) {
				b->fixup = 0;
				return (u64)host - linear;
			}
		}
	} else {
		b->stats.split++;
		mmu_check(v, linear, size, access);
	}
	if ((access & ACC_WRITE) && v->apic_access && !split)
		write_to_apic(v, linear, size, access, return_to);
	if (access & ACC_WRITE) {
		write_to_code(v, linear, size, access, return_to, DESC_OFFSET(desc));
		if (!split && !across && (host = mmu_host(v, linear, access))) {
			b->fixup = 0;
			return (u64)host - linear;
		}
	}
	if ((desc & DESC_READ) && (desc & DESC_WRITE) && v->machine->parallel)
		alone_with_memory(v);
	b->bounce_at = across ? 0 : linear & 63;
	host = b->bounce + b->bounce_at;
	if (access & ACC_READ) {
		if (across)
			b->stats.across_lines++;
		else if (!split)
			b->stats.mmio++;
		mmu_read_bytes(v, linear, host, size, access & ~ACC_WRITE);
	}
	if (access & ACC_WRITE) {
		b->bounce_linear = linear;
		b->bounce_size = size;
		b->bounce_uncounted = b->fixup;
		v->bounce = 1;
	}
	b->fixup = 0;
	vcpu_fpu_load(v);
	return (u64)host - linear;
}

void rt_commit(struct vcpu *v)
{
	struct bt_vcpu *b = v->bt;

	b->fixup = b->bounce_uncounted; /* a device may look at the clock */
	mmu_write_bytes(v, b->bounce_linear, b->bounce + b->bounce_at, b->bounce_size, mmu_data(v, ACC_WRITE));
	b->fixup = 0;
	if (v->alone)
		gate_open(v);
	vcpu_fpu_load(v);
}

/* The host's CPU found a fault in a guest instruction: bt_signal() sent us here. */
u8 *rt_fault(struct vcpu *v)
{
	struct bt_vcpu *b = v->bt;
	struct bt_block *block = cache_by_host(b->bt, b->fault_rip_host);
	u32 index = cache_insn_at(b->bt, block, b->fault_rip_host);

	set_rip(v, b->bt->maps[block->map + index].guest);
	b->fixup = block_uncounted(block, index);
	if (b->fault_vector == VEC_GP)
		raise_gp(v, 0);
	if (b->fault_vector == VEC_XM && !(v->cr4 & CR4_OSXMMEXCPT))
		raise_ud(v);
	raise_exception(v, b->fault_vector);
}

u64 bt_signal(struct vcpu *v, unsigned int trap, u64 host_pc)
{
	struct bt_vcpu *b = v->bt;

	if (trap == VEC_PF && b->bt->gs_way == GS_BASE_LOST && gs_base_found_lost(b->gs)) {
		b->stats.gs_base_lost += v->machine->clock.kind ==
					 CLOCK_HOST; /* by chance, which --clock insns has none of */
		return host_pc;
	}
	if (!cache_by_host(b->bt, host_pc))
		return 0;
	switch (trap) {
	case VEC_DE:
	case VEC_MF:
	case VEC_XM:
	case VEC_GP: /* an operand that MOVAPS and its like want aligned */
	case VEC_UD: /* prefixes that the decoder lets pass and the CPU doesn't: 66 0F 77, 66 0F C3 */
		break;
	default:
		return 0;
	}
	b->fault_rip_host = host_pc;
	b->fault_vector = trap;
	return (u64)b->bt->thunk.fault;
}

bool bt_is_code(const struct vcpu *v, u64 host_pc)
{
	const struct bt *bt = v->bt->bt;

	return host_pc - (u64)bt->rx < bt->size;
}

void bt_run(struct vcpu *v)
{
	struct bt *bt = v->bt->bt;
	u8 *code;

	/* The thread may have slept, yielded, or been in KVM: this is less than a signal. */
	if (bt->gs_way == GS_BASE_LOST && v->bt->gs)
		gs_base_set(GS_BASE_LOST, v->bt->gs);
	code = next(v);
	v->bt->stats.slices++;
	if (code != bt->thunk.exit)
		((void (*)(struct vcpu *, u8 *))bt->thunk.enter)(v, code);
}

int bt_uncounted(const struct vcpu *v)
{
	return v->bt->fixup;
}

void bt_unwound(struct vcpu *v)
{
	vcpu_set_budget(v, vcpu_budget(v) + v->bt->fixup);
	v->bt->fixup = 0;
	if (v->machine->parallel)
		lock_drop(&v->bt->bt->lock);
}

unsigned int bt_recent(const struct vcpu *v, u64 *linear, unsigned int n)
{
	const struct bt_vcpu *b = v->bt;
	unsigned int i;

	for (i = 0; i < n && i < BT_RECENT && i < b->recent_next; i++)
		linear[i] = b->recent[(b->recent_next - 1 - i) % BT_RECENT];
	return i;
}

int bt_vcpu_create(struct bt *bt, struct vcpu *v)
{
	struct bt_vcpu *b;

	if (bt_host_missing())
		return -ENOTSUP;
	b = aligned_alloc(64, sizeof(*b));
	if (!b)
		return -ENOMEM;
	__builtin_memset(b, 0, sizeof(*b));
	b->bt = bt;
	v->bt = b;
	return 0;
}

void bt_vcpu_destroy(struct vcpu *v)
{
	free(v->bt);
	v->bt = NULL;
}
