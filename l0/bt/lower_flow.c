/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Near control transfers. Far ones are callouts. */
#include "lower.h"

/* A jump cuts the instruction pointer to 16 bits: operand size 16, which 64-bit mode has not (Intel ignores 66h there). */
static bool ip16(const struct lower *l)
{
	return !l->cs64 && l->i->z->operand_width == 16;
}

/* IP in TA (zero-extended) to linear; TC lost. jump: not just the instruction behind. */
static void ip_to_linear(struct lower *l, bool jump)
{
	struct emit *e = &l->e;

	if (jump && ip16(l))
		emit_mov_rr(e, 2, TA, TA);
	if (l->cs64)
		return;
	if (l->mode & MODE_FLAT_CS) {
		emit_mov_rr(e, 4, TA, TA);
		return;
	}
	emit_load(e, 8, TC, MEM_VCPU(OFF(code_base)));
	emit_lea(e, 4, TA, MEM_BASE_INDEX(TA, TC, 0));
}

/* linear address rip_base + delta as IP into reg; TC lost unless 64-bit or flat */
static void ip_of(struct lower *l, u8 reg, s64 delta)
{
	struct emit *e = &l->e;

	emit_load(e, 8, reg, MEM_VCPU(OFF(rip_base)));
	if (delta == (s32)delta) {
		emit_lea(e, l->cs64 ? 8 : 4, reg, MEM_BASE(reg, delta));
	} else {
		emit_mov_imm(e, TC, delta);
		emit_lea(e, 8, reg, MEM_BASE_INDEX(reg, TC, 0));
	}
	if (l->cs64 || (l->mode & MODE_FLAT_CS))
		return;
	/* minus code_base without flags: plus its complement, plus one */
	emit_load(e, 8, TC, MEM_VCPU(OFF(code_base)));
	emit_enc(e, &(struct enc){ .w = true, .op = 0xf7, .reg = 2, .rm = TC });
	emit_lea(e, 4, reg, MEM_BASE_INDEX(reg, TC, 1));
}

static s64 next_delta(const struct lower *l)
{
	return (s64)l->i->offset + l->i->length;
}

/* The target is where a jump leads, not what follows the block. */
static bool is_jump(const struct lower *l, s64 delta)
{
	return l->i->z->branch_type != ZYDIS_BRANCH_TYPE_NONE && delta != next_delta(l);
}

/* TA = linear address of a jump's target */
static void target_linear(struct lower *l, s64 delta)
{
	ip_of(l, TA, delta);
	ip_to_linear(l, is_jump(l, delta));
}

static s64 branch_delta(const struct lower *l)
{
	return (s64)l->i->offset + l->i->length + l->i->imm[0];
}

/* Within the page the target's physical address is known as long as this block lives. */
static bool chainable(const struct lower *l, s64 delta)
{
	return !l->step && delta >= 0 && delta < 4096 && (l->mode & MODE_FLAT_CS) && !(is_jump(l, delta) && ip16(l)) &&
	       !block_crosses(l->b);
}

static u32 cache_offset(const struct lower *l, const u8 *rw)
{
	return rw - l->bt->rw;
}

static u32 miss_desc(const struct lower *l, int undo)
{
	return (lower_desc(l) & ~0xfffu) | (u32)(undo + 2048);
}

/* emit_jump_cache(), whose code is the same each time */
static u8 *search_jump_cache(struct lower *l, enum jc_class class)
{
	struct jump_search *s = &l->jump_search[class];
	struct emit *e = &l->e;
	u8 *start = e->p, *from;

	if (s->length && emit_room(e, JUMP_SEARCH_MAX)) {
		memcpy(start, s->code, JUMP_SEARCH_MAX);
		e->p += s->length;
		return start + s->from_at;
	}
	from = emit_jump_cache(e, class, l->bt->loops);
	if (!e->full && e->p - start <= JUMP_SEARCH_MAX) {
		s->length = (u8)(e->p - start);
		s->from_at = (u8)(from - start);
		memcpy(s->code, start, s->length);
	}
	return from;
}

/* TA = linear address of the target: look it up and go there. */
void lower_jump_cache(struct lower *l, int undo)
{
	struct emit *e = &l->e;
	struct cold *c;

	if (l->step) {
		emit_mov_imm(e, TC, miss_desc(l, undo));
		emit_jmp(e, l->bt->thunk.step);
		return;
	}
	c = lower_new_cold(l, COLD_JC_MISS);
	c->from = search_jump_cache(l, jc_class_of(l->mode));
	c->desc = miss_desc(l, undo);
}

/* The same for all that is mapped with it, as one piece of a large page. */
static bool chainable_far(const struct lower *l, s64 delta)
{
	u64 to = (l->b->phys & ~4095ull) + (u64)delta;

	return !l->step && (l->b->mode & MODE_WHOLE) && !((to ^ l->b->phys) >> WHOLE_SHIFT) &&
	       (l->mode & MODE_FLAT_CS) && !(is_jump(l, delta) && ip16(l)) && !block_crosses(l->b);
}

/* Bytes of an exit: the target's address, a jump with what aligns it; or the search of the jump cache */
#define EXIT_CHAINED 8
#define EXIT_CHAINED_FAR 28
#define EXIT_LOOKUP 68

static unsigned int exit_bytes(const struct lower *l, s64 delta)
{
	return chainable(l, delta) ? EXIT_CHAINED : chainable_far(l, delta) ? EXIT_CHAINED_FAR : EXIT_LOOKUP;
}

unsigned int lower_exit_bytes(const struct lower *l)
{
	const struct insn *i = l->i;

	if (!(i->rule->flags & RULE_END) || i->rule->fn == lower_jcc)
		return exit_bytes(l, next_delta(l));
	if (i->rule->fn == lower_jmp || i->rule->fn == lower_call)
		return i->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? exit_bytes(l, branch_delta(l)) : EXIT_LOOKUP;
	return i->rule->fn == lower_ret ? EXIT_LOOKUP : 0;
}

static void chain_from(struct lower *l, int exit, u16 delta, u8 *place)
{
	struct cold *c = lower_new_cold(l, COLD_CHAIN);

	l->b->exit[exit].delta = delta;
	l->b->exit[exit].patch = (u16)(cache_offset(l, place) - l->b->code);
	c->from = place;
	c->exit = (u8)exit;
}

static void exit_undo(struct lower *l, int exit, s64 delta, int undo)
{
	if (chainable(l, delta)) {
		chain_from(l, exit, (u16)delta, emit_jmp_patched(&l->e));
		return;
	}
	target_linear(l, delta);
	if (chainable_far(l, delta)) {
		chain_from(l, exit, EXIT_FAR, emit_jmp_patched(&l->e));
		return;
	}
	lower_jump_cache(l, undo);
}

void lower_exit(struct lower *l, int exit, s64 delta)
{
	exit_undo(l, exit, delta, exit ? UNDO_FALLS : 0);
}

void lower_exit_cold(struct lower *l, struct cold *c)
{
	target_linear(l, c->delta);
	lower_jump_cache(l, c->undo);
}

/* A conditional jump's rel32 at `place` leads to rip_base + delta. */
static void exit_from_undo(struct lower *l, int exit, s64 delta, u8 *place, int undo)
{
	struct cold *c;

	if (chainable(l, delta)) {
		chain_from(l, exit, (u16)delta, place);
		return;
	}
	c = lower_new_cold(l, COLD_JUMP);
	c->from = place;
	c->delta = delta;
	c->exit = (u8)exit;
	c->undo = undo;
}

static void exit_from(struct lower *l, int exit, s64 delta, u8 *place)
{
	exit_from_undo(l, exit, delta, place, exit ? UNDO_FALLS : 0);
}

void lower_jcc(struct lower *l)
{
	exit_from(l, 0, branch_delta(l), emit_jcc_patched(&l->e, l->i->z->opcode & 15));
	lower_exit(l, 1, next_delta(l));
}

/* value of the operand of an indirect JMP or CALL into TA, zero-extended */
static void read_target(struct lower *l)
{
	const struct operand *o = &l->i->op[0];
	unsigned int size = l->cs64 ? 8 : l->i->z->operand_width / 8;
	struct emit *e = &l->e;
	u8 a;

	if (o->type == ZYDIS_OPERAND_TYPE_REGISTER) {
		emit_mov_rr(e, size, TA, lower_get(l, lower_gpr(o->reg), TA));
		return;
	}
	a = lower_linear(l, o, 0, size, DESC_READ);
	lower_access(l, a, size, DESC_READ | (lower_is_ss(o) ? DESC_SS : 0),
		     &(struct enc){ .op = size == 2 ? 0xb7 : 0x8b,
				    .map = size == 2,
				    .w = size == 8,
				    .reg = TA,
				    .is_mem = true,
				    .mem = lower_host_mem(l, a) },
		     1);
}

void lower_jmp(struct lower *l)
{
	if (l->i->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		lower_exit(l, 0, branch_delta(l));
		return;
	}
	read_target(l);
	ip_to_linear(l, true);
	lower_jump_cache(l, 0);
}

static void push_return(struct lower *l)
{
	unsigned int size = l->cs64 ? 8 : l->i->z->operand_width / 8;
	s32 next = next_delta(l);
	struct emit *e = &l->e;

	if (l->cs64) {
		u8 a = lower_stack_address(l, -8, 8, DESC_WRITE);
		struct enc seq[3] = {
			{ .op = 0x8b, .w = true, .reg = TI, .is_mem = true, .mem = MEM_VCPU(OFF(rip_base)) },
			{ .op = 0x8d, .w = true, .reg = TI, .is_mem = true, .mem = MEM_BASE(TI, next) },
			{ .op = 0x89, .w = true, .reg = TI, .is_mem = true, .mem = lower_host_mem(l, a) },
		};

		lower_access(l, a, 8, DESC_WRITE | DESC_SS, seq, 3);
		lower_sp_add(l, -8);
		return;
	}
	ip_of(l, TI, next);
	if (size == 2)
		emit_mov_rr(e, 2, TI, TI);
	emit_store(e, 8, MEM_VCPU(OFF(scratch[0])), TI);
	lower_push_reg(l, size, H_NONE, false, 0);
}

/* The end of CS may be in reach: SDM vol. 2, "CALL" looks at the limit before it pushes. */
static bool near_limit(const struct lower *l)
{
	return l->step && !(l->mode & MODE_FLAT_CS);
}

void lower_call(struct lower *l)
{
	unsigned int size = l->cs64 ? 8 : l->i->z->operand_width / 8;
	struct emit *e = &l->e;

	if (l->i->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		if (near_limit(l)) {
			ip_of(l, TA, branch_delta(l));
			if (size == 2)
				emit_mov_rr(e, 2, TA, TA);
			emit_store(e, 8, MEM_VCPU(OFF(scratch[1])), TA);
			lower_check_ip(l);
		}
		push_return(l);
		exit_undo(l, 0, branch_delta(l), (int)size);
		return;
	}
	read_target(l);
	emit_store(e, 8, MEM_VCPU(OFF(scratch[1])), TA);
	if (near_limit(l))
		lower_check_ip(l);
	push_return(l);
	emit_load(e, 8, TA, MEM_VCPU(OFF(scratch[1])));
	ip_to_linear(l, true);
	lower_jump_cache(l, (int)size);
}

void lower_ret(struct lower *l)
{
	unsigned int size = l->cs64 ? 8 : l->i->z->operand_width / 8;
	unsigned int release = l->i->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? (u64)l->i->imm[0] : 0;
	struct emit *e = &l->e;
	u8 a = lower_stack_address(l, 0, size, DESC_READ);
	int undo = -(int)(size + release);

	/* TI keeps it where moving the stack pointer needs TA */
	u8 to = l->cs64 ? TA : TI;

	lower_access(l, a, size, DESC_READ | DESC_SS,
		     &(struct enc){ .op = size == 2 ? 0xb7 : 0x8b,
				    .map = size == 2,
				    .w = size == 8,
				    .reg = to,
				    .is_mem = true,
				    .mem = lower_host_mem(l, a) },
		     1);
	lower_sp_add(l, size + release);
	emit_mov_rr(e, 8, TA, to);
	ip_to_linear(l, true);
	/* Beyond the field's range only the (non-canonical) fault's RSP would be off: such a RET goes without undo. */
	lower_jump_cache(l, undo < -2048 ? 0 : undo);
}

/* rCX of the address size into TC */
static void counter(struct lower *l)
{
	unsigned int bytes = l->i->z->address_width / 8;

	emit_mov_rr(&l->e, bytes, TC, guest_reg_home[RCX]);
}

void lower_jcxz(struct lower *l)
{
	struct emit *e = &l->e;
	u8 *taken;

	counter(l);
	taken = emit_jrcxz_fwd(e);
	exit_from(l, 1, next_delta(l), emit_jmp_patched(e));
	emit_patch8(e, taken);
	exit_from(l, 0, branch_delta(l), emit_jmp_patched(e));
}

/* LOOP, LOOPE, LOOPNE: the counter changes, flags don't */
void lower_loop(struct lower *l)
{
	unsigned int bytes = l->i->z->address_width / 8;
	int undo = bytes == 2 ? UNDO_COUNT16 : bytes == 4 ? UNDO_COUNT32 : UNDO_COUNT64;
	u8 cx = guest_reg_home[RCX];
	struct emit *e = &l->e;
	u8 *zero;

	if (bytes == 2) {
		emit_lea(e, 4, TC, MEM_BASE(cx, -1));
		emit_op_rr(e, 0x89, 2, TC, cx);
	} else {
		emit_lea(e, bytes, cx, MEM_BASE(cx, -1));
	}
	counter(l);
	zero = emit_jrcxz_fwd(e);
	switch (l->i->z->mnemonic) {
	case ZYDIS_MNEMONIC_LOOPE:
		exit_from_undo(l, 0, branch_delta(l), emit_jcc_patched(e, 4), undo);
		break;
	case ZYDIS_MNEMONIC_LOOPNE:
		exit_from_undo(l, 0, branch_delta(l), emit_jcc_patched(e, 5), undo);
		break;
	default:
		exit_from_undo(l, 0, branch_delta(l), emit_jmp_patched(e), undo);
	}
	emit_patch8(e, zero);
	exit_from(l, 1, next_delta(l), emit_jmp_patched(e));
}
