/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fixed code between translated code and C. Emitted into the code cache's start so that a call from any block
 * reaches it with a 32-bit displacement. In all of it RSP is as regs.h says, less what was pushed.
 */
#include "thunks.h"

#include "../cpu/fpu.h"

#define VOLATILE_HOST_REGS (BIT(H_RAX) | BIT(H_RDX) | BIT(H_R8) | BIT(H_R9) | BIT(H_R10) | BIT(H_R11))

static void save_gprs(struct emit *e, int pushed)
{
#define X(g, h) \
	if (h != H_NONE) \
		emit_store(e, 8, MEM_VCPU(OFF_GPR(g) + pushed), h);
	GUEST_REGS(X)
#undef X
}

static void load_gprs(struct emit *e, int pushed, u64 which)
{
#define X(g, h) \
	if (h != H_NONE && (which >> h & 1)) \
		emit_load(e, 8, h, MEM_VCPU(OFF_GPR(g) + pushed));
	GUEST_REGS(X)
#undef X
}

/* guest's arithmetic flags from EFLAGS into v->rflags; uses RAX, RDX (saved before) */
static void save_flags(struct emit *e, int pushed)
{
	emit8(e, 0x9c); /* pushfq */
	emit8(e, 0x58); /* pop rax */
	emit8(e, 0x25); /* and eax, FLAG_ARITH */
	emit32(e, FLAG_ARITH);
	emit_load(e, 8, H_RDX, MEM_VCPU(OFF(rflags) + pushed));
	emit_enc(e, &(struct enc){ .w = true, .op = 0x81, .reg = 4, .rm = H_RDX }); /* and rdx, ~FLAG_ARITH */
	emit32(e, (u32)~FLAG_ARITH);
	emit_op_rr(e, 0x09, 8, H_RAX, H_RDX); /* or rdx, rax */
	emit_store(e, 8, MEM_VCPU(OFF(rflags) + pushed), H_RDX);
}

/* and back: SAHF for five of them, an addition that overflows for OF; uses RAX. POPFQ costs five times as much. */
static void load_flags(struct emit *e, int pushed)
{
	emit_load(e, 1, H_RAX, MEM_VCPU(OFF(rflags) + 1 + pushed));
	emit8(e, 0x24); /* and al, 8: OF */
	emit8(e, 8);
	emit8(e, 0x04); /* add al, 0x78: 8 + 0x78 overflows */
	emit8(e, 0x78);
	emit_enc(e, &(struct enc){ .op = 0x8a, .reg = 4, .is_mem = true, .mem = MEM_VCPU(OFF(rflags) + pushed) }); /* mov ah, [] */
	emit8(e, 0x9e); /* sahf */
}

static void push_pop(struct emit *e, u8 op, u8 reg)
{
	if (reg & 8)
		emit8(e, 0x41);
	emit8(e, op | (reg & 7));
}

static void call(struct emit *e, const void *fn)
{
	emit_mov_imm(e, H_RAX, (u64)fn);
	emit_call_reg(e, H_RAX);
}

/* call C with RDI = v; RSP must be 16-byte aligned here */
static void call_c(struct emit *e, const void *fn)
{
#ifdef __SANITIZE_THREAD__ /* cpu/fpu.h */
	static const u8 arguments[] = { H_RDI, H_RSI, H_RDX, H_RCX };
	int i;

	for (i = 0; i < 4; i++)
		push_pop(e, 0x50, arguments[i]);
	call(e, vcpu_fpu_park);
	for (i = 3; i >= 0; i--)
		push_pop(e, 0x58, arguments[i]);
	push_pop(e, 0x50, H_RDI);
	push_pop(e, 0x50, H_RDI);
	call(e, fn);
	push_pop(e, 0x58, H_RDI);
	push_pop(e, 0x58, H_RDI);
	push_pop(e, 0x50, H_RAX);
	push_pop(e, 0x50, H_RAX);
	call(e, vcpu_fpu_load_now);
	push_pop(e, 0x58, H_RAX);
	push_pop(e, 0x58, H_RAX);
#else
	call(e, fn);
#endif
}

static void adjust_rsp(struct emit *e, int n)
{
	emit_lea(e, 8, H_RSP, MEM_STACK(n));
}

/* everything from v, then to the address in RAX: an indirect entry (its linear address in scratch[3]), or `exit` */
static void resume(struct emit *e)
{
	emit_mov_rr(e, 8, TC, H_RAX);
	load_flags(e, 0);
	load_gprs(e, 0, ~0ull);
	emit_load(e, 8, TA, MEM_VCPU(OFF(scratch[3])));
	emit_jmp_reg(e, TC);
}

u8 *thunk_begin(struct emit *e)
{
	while ((u64)emit_rx(e) & 15)
		emit8(e, 0xcc);
	return emit_rx(e);
}

static const u8 callee_saved[] = { H_RBX, H_RBP, H_R12, H_R13, H_R14, H_R15 };

/* void enter(struct vcpu *v, u8 *code); returns through `exit` */
static void emit_enter_exit(struct emit *e, struct thunks *t)
{
	int i, n = sizeof(callee_saved);

	t->enter = thunk_begin(e);
	for (i = 0; i < n; i++)
		push_pop(e, 0x50, callee_saved[i]);
	emit_store(e, 8, MEM_BASE(H_RDI, OFF(host_rsp)), H_RSP);
	emit_lea(e, 8, H_RSP, MEM_BASE(H_RDI, -RSP_BELOW));
	emit_mov_rr(e, 8, H_RAX, H_RSI);
#ifdef __SANITIZE_THREAD__
	push_pop(e, 0x50, H_RAX);
	push_pop(e, 0x50, H_RAX);
	call(e, vcpu_fpu_load_now);
	push_pop(e, 0x58, H_RAX);
	push_pop(e, 0x58, H_RAX);
#endif
	resume(e);

	t->exit = thunk_begin(e);
#ifdef __SANITIZE_THREAD__
	emit_lea(e, 8, H_RDI, MEM_VCPU(0));
	call(e, vcpu_fpu_park);
#endif
	emit_load(e, 8, H_RSP, MEM_VCPU(OFF(host_rsp)));
	for (i = n - 1; i >= 0; i--)
		push_pop(e, 0x58, callee_saved[i]);
	emit8(e, 0xfc); /* cld */
	emit8(e, 0xc3);
}

/*
 * RSI = linear address, ECX = desc -> RCX = what to add to the linear address to get a host address; RSI kept, RDI lost.
 * If the access goes through the bounce buffer, returns 5 bytes further on.
 */
static void emit_miss(struct emit *e, struct thunks *t)
{
	u8 *plain;

	t->miss = thunk_begin(e);
	save_gprs(e, 8);
	save_flags(e, 8);
	emit_store(e, 8, MEM_VCPU(OFF(kept[0]) + 8), TA);
	emit_mov_rr(e, 4, H_RDX, TC);
	emit_lea(e, 8, H_RDI, MEM_VCPU(8));
	adjust_rsp(e, -8);
	call_c(e, rt_miss);
	adjust_rsp(e, 8);
	emit_mov_rr(e, 8, TC, H_RAX);
	emit_enc(e, &(struct enc){
			    .op = 0x80, .reg = 7, .is_mem = true, .mem = MEM_VCPU(OFF(bounce) + 8), .imm_len = 1 }); /* cmp [], 0 */
	plain = emit_jcc_fwd(e, 4);
	emit_enc(e,
		 &(struct enc){
			 .w = true, .op = 0x83, .reg = 0, .is_mem = true, .mem = MEM_STACK(0), .imm_len = 1, .imm = { 5 } });
	emit_patch32(e, plain);
	load_flags(e, 8);
	load_gprs(e, 8, VOLATILE_HOST_REGS);
	emit_load(e, 8, TA, MEM_VCPU(OFF(kept[0]) + 8));
	emit8(e, 0xc3);
}

/* The bounced store was done into the buffer: bring it to its place. All registers kept. */
static void emit_commit(struct emit *e, struct thunks *t)
{
	t->commit = thunk_begin(e);
	save_gprs(e, 8);
	save_flags(e, 8);
	emit_store(e, 8, MEM_VCPU(OFF(kept[0]) + 8), TA);
	emit_store(e, 8, MEM_VCPU(OFF(kept[1]) + 8), TI);
	emit_store(e, 8, MEM_VCPU(OFF(kept[2]) + 8), TC);
	emit_lea(e, 8, H_RDI, MEM_VCPU(8));
	adjust_rsp(e, -8);
	call_c(e, rt_commit);
	adjust_rsp(e, 8);
	load_flags(e, 8);
	load_gprs(e, 8, VOLATILE_HOST_REGS);
	emit_load(e, 8, TA, MEM_VCPU(OFF(kept[0]) + 8));
	emit_load(e, 8, TI, MEM_VCPU(OFF(kept[1]) + 8));
	emit_load(e, 8, TC, MEM_VCPU(OFF(kept[2]) + 8));
	emit8(e, 0xc3);
}

/* RSI = offset in a segment, ECX = desc -> RSI = linear address; RCX, RDI lost */
static void emit_segment(struct emit *e, struct thunks *t)
{
	t->segment = thunk_begin(e);
	save_gprs(e, 8);
	save_flags(e, 8);
	emit_mov_rr(e, 4, H_RDX, TC);
	emit_lea(e, 8, H_RDI, MEM_VCPU(8));
	adjust_rsp(e, -8);
	call_c(e, rt_segment);
	adjust_rsp(e, 8);
	emit_mov_rr(e, 8, TA, H_RAX);
	load_flags(e, 8);
	load_gprs(e, 8, VOLATILE_HOST_REGS);
	emit8(e, 0xc3);
}

/* RDI = function, RCX = its arguments, RSI = desc. Returns to the block, or not: then everything is reloaded. */
static void emit_callout(struct emit *e, struct thunks *t)
{
	u8 *stay;

	t->callout = thunk_begin(e);
	save_gprs(e, 8);
	save_flags(e, 8);
	emit_mov_rr(e, 8, H_RDX, TC);
	emit_mov_rr(e, 8, TC, TI);
	emit_lea(e, 8, H_RDI, MEM_VCPU(8));
	adjust_rsp(e, -8);
	call_c(e, rt_callout);
	adjust_rsp(e, 8);
	emit_op_rr(e, 0x85, 8, H_RAX, H_RAX);
	stay = emit_jcc_fwd(e, 4);
	adjust_rsp(e, 8);
	resume(e);
	emit_patch32(e, stay);
	load_flags(e, 8);
	load_gprs(e, 8, ~0ull);
	emit8(e, 0xc3);
}

/*
 * RSI = linear address, ECX = desc, EDI = span of a group -> RCX = its distance; RSI kept, RDI lost. Or not back: the rest of the block runs
 * elsewhere.
 */
static void emit_group(struct emit *e, struct thunks *t)
{
	u8 *stay;

	t->group = thunk_begin(e);
	save_gprs(e, 8);
	save_flags(e, 8);
	emit_store(e, 8, MEM_VCPU(OFF(kept[0]) + 8), TA);
	emit_mov_rr(e, 4, H_RDX, TC);
	emit_mov_rr(e, 4, TC, TI);
	emit_lea(e, 8, H_RDI, MEM_VCPU(8));
	adjust_rsp(e, -8);
	call_c(e, rt_group);
	adjust_rsp(e, 8);
	emit_op_rr(e, 0x85, 8, H_RAX, H_RAX);
	stay = emit_jcc_fwd(e, 4);
	adjust_rsp(e, 8);
	resume(e);
	emit_patch32(e, stay);
	load_flags(e, 8);
	load_gprs(e, 8, VOLATILE_HOST_REGS);
	emit_load(e, 8, TA, MEM_VCPU(OFF(kept[0]) + 8));
	emit_load(e, 8, TC, MEM_VCPU(OFF(kept[1]) + 8));
	emit8(e, 0xc3);
}

/* Jumped to, with up to two arguments in RSI and RCX (as `first`, `second` say): C decides where to go on. */
static u8 *emit_leave(struct emit *e, const void *fn, u8 first, u8 second)
{
	u8 *entry = thunk_begin(e);

	save_gprs(e, 0);
	save_flags(e, 0);
	if (second != H_NONE)
		emit_mov_rr(e, 8, H_RDX, second);
	if (first != H_NONE)
		emit_mov_rr(e, 8, H_RSI, first);
	emit_lea(e, 8, H_RDI, MEM_VCPU(0));
	call_c(e, fn);
	resume(e);
	return entry;
}

#define JC_OFF(class, field) \
	((int)(offsetof(struct tlb, jc) + (class) * sizeof(struct jump_cache) + offsetof(struct jump_entry, field)))

/* TI = index times two, TA = linear address: go there if this place of the jump cache has it. Returns the place of the jump that is taken otherwise. */
static u8 *emit_probe(struct emit *e, enum jc_class class, bool loops)
{
	u8 *hit, *miss;

	emit_load(e, 8, TC, MEM_TLB_INDEXED(TI, JC_OFF(class, tag)));
	emit_lea(e, 8, TC, MEM_BASE_INDEX(TC, TA, loops ? 0 : -1));
	/* as lower_check() does it */
	if (loops) {
		miss = emit_loop_fwd(e);
		emit_jmp_mem(e, MEM_TLB_INDEXED(TI, JC_OFF(class, target)));
		emit_patch8(e, miss);
		return emit_jmp_fwd(e);
	}
	hit = emit_jrcxz_fwd(e);
	miss = emit_jmp_fwd(e);
	emit_patch8(e, hit);
	emit_jmp_mem(e, MEM_TLB_INDEXED(TI, JC_OFF(class, target)));
	return miss;
}

u8 *emit_jump_cache(struct emit *e, enum jc_class class, bool loops)
{
	/* jc_index(), times two */
	emit_rorx(e, TI, TA, 9);
	emit_lea(e, 8, TI, MEM_BASE_INDEX(TI, TA, 0));
	emit_pdep(e, TI, TI, MEM_TLB(TLB_OFF(jc_mask)));
	return emit_probe(e, class, loops);
}

/*
 * emit_jump_cache() has missed, with the index in TI: the other place, or C. TC says what C needs to know. The jump cache for other modes
 * is emptied when the mode changes, which only C looks at.
 */
static u8 *emit_jc_miss(struct emit *e, const u8 *to_c, enum jc_class class, bool loops)
{
	u8 *entry = thunk_begin(e);

	if (class == JC_OTHER) {
		emit_jmp(e, to_c);
		return entry;
	}
	emit_store(e, 8, MEM_VCPU(OFF(scratch[2])), TC);
	emit_lea(e, 8, TI, MEM_BASE(TI, JC_ENTRIES)); /* jc_second(), times two */
	emit_pext(e, TI, TI, MEM_TLB(TLB_OFF(jc_wrap)));
	emit_patch32(e, emit_probe(e, class, loops));
	emit_load(e, 8, TC, MEM_VCPU(OFF(scratch[2])));
	emit_jmp(e, to_c);
	return entry;
}

/* ECX = where to jump in the current page, in 64-bit mode */
static u8 *emit_lookup(struct emit *e, const struct thunks *t, enum jc_class class, bool loops)
{
	u8 *entry = thunk_begin(e);

	emit_load(e, 8, TA, MEM_VCPU(OFF(rip_base)));
	emit_lea(e, 8, TA, MEM_BASE_INDEX(TA, TC, 0));
	emit_patch32(e, emit_jump_cache(e, class, loops));
	emit_mov_imm(e, TC, UNDO_FALLS + 2048);
	emit_jmp(e, t->jc_miss[class]);
	return entry;
}

/* TA = where to jump */
static u8 *emit_lookup_far(struct emit *e, const struct thunks *t, enum jc_class class, bool loops)
{
	u8 *entry = thunk_begin(e);

	emit_patch32(e, emit_jump_cache(e, class, loops));
	emit_mov_imm(e, TC, UNDO_FALLS + 2048);
	emit_jmp(e, t->jc_miss[class]);
	return entry;
}

u64 thunks_emit(struct bt *bt)
{
	struct emit e = { .p = bt->rw, .end = bt->rw + 16384, .delta = bt->rx - bt->rw };
	struct thunks *t = &bt->thunk;
	enum jc_class class;
	u8 *to_c;

	emit64(&e, 0xcccccccccccccccc); /* offset 0 is nobody's */
	emit_enter_exit(&e, t);
	emit_miss(&e, t);
	emit_commit(&e, t);
	emit_segment(&e, t);
	emit_callout(&e, t);
	emit_group(&e, t);
	t->chain = emit_leave(&e, rt_chain, TC, TA);
	to_c = emit_leave(&e, rt_jc_miss, TA, TC);
	for (class = 0; class < JC_CLASSES; class ++)
		t->jc_miss[class] = emit_jc_miss(&e, to_c, class, bt->loops);
	/* a dropped block's entry leads here; the lookup takes desc 0 as "no stack change to undo". XOR would touch flags. */
	t->dropped = thunk_begin(&e);
	emit8(&e, 0xb8 | TC);
	emit32(&e, 0);
	emit_jmp(&e, to_c);
	t->budget = emit_leave(&e, rt_budget, TA, TI);
	t->fault = emit_leave(&e, rt_fault, H_NONE, H_NONE);
	t->step = emit_leave(&e, rt_step, TA, TC);
	for (class = 0; class < JC_OTHER; class ++) {
		t->lookup[class] = emit_lookup(&e, t, class, bt->loops);
		t->lookup_far[class] = emit_lookup_far(&e, t, class, bt->loops);
	}
	thunks_emit_syscall(&e, bt);
	thunk_begin(&e);
	return (u64)(e.p - bt->rw);
}
