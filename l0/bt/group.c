/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which accesses of a block are looked up in the soft TLB together: those at constant distances from what one register, or the sum of
 * two, held at some time, or from RIP: a few words on the stack, the fields of a structure, an array's elements, variables. The first of a group searches for the
 * page of all of them, from the lowest byte to the highest, and leaves the distance to host memory in v->group[]; the others take it from
 * there and check nothing:
 *
 *	push rbx	lea  rsi, [rsp - 24]; a search as in lower_mem.c, of 24 bytes; mov v->group[0], rcx; mov [rsi + rcx + 16], rbx
 *	push rbp	mov  [rsp + rcx - 8], rbp
 *	push r12	mov  [rsp + rcx - 8], r12
 *
 * That is right for as long as one block runs: what takes a translation away from a running vCPU is either an instruction that ends
 * the block, or done by C, where groups end, or waits for the vCPU to leave translated code (run/gate.h).
 *
 * No access may raise the fault of a later one, set a flag for it, or be done where another has to be bounced. So if the first one's
 * search fails, C looks whether there is a page for all that needs nothing else (rt_group()); if not, the rest of the block runs in a
 * translation without groups.
 */
#include "lower_operand.h"

#define SPAN_MAX 64 /* bytes from the lowest to the highest of a group */
#define VERSIONS_MAX 120
#define SUMS_MAX 16
#define NO_GROUP 0xff

/* What a register holds is a version and a distance from it: a copy, or an addition of a constant, keeps the version. */
struct value {
	u8 version;
	s32 delta;
};

/* An address of two registers: the sum of their versions has one, too. Version 0: no base */
struct sum {
	u8 base, index, scale, version;
};

struct analysis {
	struct lower *l;
	struct value gpr[16];
	unsigned int versions, sums;
	struct sum sum[SUMS_MAX];
	u8 page; /* version of the block's page: what RIP is counted from */
	u8 open[VERSIONS_MAX + 1]; /* group of a version, NO_GROUP */
};

/* There are more writes of registers than versions: the last one stands for them all, and has no group. */
static u8 new_version(struct analysis *a)
{
	if (a->versions < VERSIONS_MAX)
		a->open[++a->versions] = NO_GROUP;
	return (u8)a->versions;
}

static void new_value(struct analysis *a, u8 g)
{
	a->gpr[g] = (struct value){ .version = new_version(a) };
}

static u8 version_of_sum(struct analysis *a, u8 base, u8 index, u8 scale)
{
	unsigned int k;

	if (base == VERSIONS_MAX || index == VERSIONS_MAX)
		return VERSIONS_MAX;
	for (k = 0; k < a->sums; k++)
		if (a->sum[k].base == base && a->sum[k].index == index && a->sum[k].scale == scale)
			return a->sum[k].version;
	if (k == SUMS_MAX)
		return VERSIONS_MAX;
	a->sum[a->sums++] = (struct sum){ base, index, scale, new_version(a) };
	return a->sum[k].version;
}

/* What the address of instruction i's operand m is, but for its displacement */
static struct value address(struct analysis *a, const struct insn *i, const struct operand *m)
{
	struct value v = { 0 }, index;

	if (m->base == ZYDIS_REGISTER_RIP)
		return (struct value){ .version = a->page, .delta = i->offset + i->length };
	if (m->base != ZYDIS_REGISTER_NONE)
		v = a->gpr[lower_gpr(m->base)];
	if (m->index == ZYDIS_REGISTER_NONE)
		return v;
	index = a->gpr[lower_gpr(m->index)];
	v.delta += index.delta * m->scale; /* both far below 2^31 / 16: derived() */
	v.version = version_of_sum(a, v.version, index.version, m->scale);
	return v;
}

static void close_all(struct analysis *a)
{
	memset(a->open, NO_GROUP, a->versions + 1u);
}

static bool fits(const struct group *g, s32 from, s32 to)
{
	s32 lo = from < g->lo ? from : g->lo, hi = to > g->hi ? to : g->hi;

	return hi - lo <= SPAN_MAX;
}

/* Instruction k accesses `size` bytes at `disp` from v. */
static void note(struct analysis *a, unsigned int k, struct value v, s64 disp, unsigned int size, bool write, bool stack)
{
	struct lower *l = a->l;
	s64 at = v.delta + disp;
	struct group *g;
	u8 *open = &a->open[v.version];

	if (v.version == VERSIONS_MAX || at < INT32_MIN / 2 || at > INT32_MAX / 2)
		return;
	if (*open == NO_GROUP || !fits(&l->group[*open], (s32)at, (s32)at + (s32)size)) {
		if (l->groups == BLOCK_MAX_INSNS)
			return;
		*open = (u8)l->groups++;
		l->group[*open] = (struct group){ .lo = (s32)at, .hi = (s32)(at + size), .slot = NO_GROUP };
	}
	g = &l->group[*open];
	g->lo = at < g->lo ? (s32)at : g->lo;
	g->hi = at + size > g->hi ? (s32)(at + size) : g->hi;
	g->write |= write;
	g->members++;
	l->use[k] = (struct group_use){ .group = (s8)*open, .at = (s32)at, .stack = stack };
}

/* The memory operand of an instruction whose lowering asks lower_linear() for it once; NULL: there is none, or it isn't registers + displacement */
static const struct operand *operand(const struct insn *i)
{
	const struct operand *m;

	if (!(i->rule->flags & RULE_OPERAND) || !i->z->plain_address)
		return NULL;
	/* what BT accesses with a register as offset is anywhere */
	if (i->rule->fn == lower_bit && operand_is_reg(&i->op[1]))
		return NULL;
	m = &i->op[i->z->memory];
	return m->base != ZYDIS_REGISTER_NONE || m->index != ZYDIS_REGISTER_NONE ? m : NULL;
}

/* Registers that instruction i writes get new values; `but`: not this one (16: none). */
static void written(struct analysis *a, const struct insn *i, unsigned int but)
{
	for (unsigned int left = i->z->written; left; left &= left - 1) {
		u8 g = lower_gpr(i->op[__builtin_ctz(left)].reg);

		if (g != but)
			new_value(a, g);
	}
}

static void move_sp(struct analysis *a, s32 n)
{
	a->gpr[RSP].delta += n;
}

static bool is_gpr64(const struct operand *o)
{
	return operand_is_gpr(o) && o->size == 64;
}

/* ADD and SUB of a constant, LEA, MOV: the same version of another register, or further on. False: not of that kind. */
static bool derived(struct analysis *a, const struct insn *i)
{
	const struct operand *to = &i->op[0], *from = &i->op[1];
	struct value v;
	s64 delta;

	if (i->z->operand_count_visible != 2 || !is_gpr64(to))
		return false;
	switch (i->z->mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
		if (from->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
			return false;
		v = a->gpr[lower_gpr(to->reg)];
		delta = i->z->mnemonic == ZYDIS_MNEMONIC_ADD ? insn_constant(i, from) : -insn_constant(i, from);
		break;
	case ZYDIS_MNEMONIC_LEA:
		if (i->z->address_width != 64 || from->index != ZYDIS_REGISTER_NONE ||
		    from->base == ZYDIS_REGISTER_NONE || from->base == ZYDIS_REGISTER_RIP)
			return false;
		v = a->gpr[lower_gpr(from->base)];
		delta = insn_constant(i, from);
		break;
	case ZYDIS_MNEMONIC_MOV:
		if (!is_gpr64(from))
			return false;
		v = a->gpr[lower_gpr(from->reg)];
		delta = 0;
		break;
	default:
		return false;
	}
	delta += v.delta;
	if (delta < INT32_MIN / 32 || delta > INT32_MAX / 32)
		return false;
	a->gpr[lower_gpr(to->reg)] = (struct value){ .version = v.version, .delta = (s32)delta };
	return true;
}

/* What the stack instructions do. False: it is none of them. */
static bool stack(struct analysis *a, unsigned int k)
{
	const struct insn *i = &a->l->insn[k];
	unsigned int size = i->z->operand_width / 8;

	if (!(i->rule->flags & RULE_STACK))
		return false;
	if (i->rule->fn == lower_push) {
		note(a, k, a->gpr[RSP], -(s32)size, size, true, true);
		move_sp(a, -(s32)size);
	} else if (i->rule->fn == lower_pop) {
		note(a, k, a->gpr[RSP], 0, size, false, true);
		move_sp(a, (s32)size);
		written(a, i, i->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER && lower_gpr(i->op[0].reg) == RSP ? 16 : RSP);
	} else if (i->rule->fn == lower_call) {
		note(a, k, a->gpr[RSP], -8, 8, true, true);
	} else if (i->rule->fn == lower_ret) {
		note(a, k, a->gpr[RSP], 0, 8, false, true);
	} else { /* LEAVE */
		note(a, k, a->gpr[RBP], 0, size, false, true);
		a->gpr[RSP] = a->gpr[RBP];
		move_sp(a, (s32)size);
		new_value(a, RBP);
	}
	return true;
}

static void look_at(struct analysis *a, unsigned int k)
{
	const struct insn *i = &a->l->insn[k];
	const struct operand *m;

	if (i->rule->callout) {
		close_all(a);
		written(a, i, 16);
		return;
	}
	if (stack(a, k))
		return;
	m = operand(i);
	if (m && !lower_must_not_split(a->l, i))
		note(a, k, address(a, i, m), insn_constant(i, m), m->size / 8,
		     m->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE, false);
	if (!derived(a, i))
		written(a, i, 16);
}

/* One alone is no group; and there are only so many places. */
static void choose(struct lower *l)
{
	bool begun[BLOCK_MAX_INSNS] = { false };
	unsigned int k, slots = 0;

	for (k = 0; k < l->count; k++) {
		struct group_use *u = &l->use[k];
		struct group *g;

		if (u->group < 0)
			continue;
		g = &l->group[u->group];
		if (g->members > 1 && g->slot == NO_GROUP && slots < VCPU_GROUPS)
			g->slot = (u8)slots++;
		if (g->slot == NO_GROUP) {
			u->group = -1;
			continue;
		}
		u->first = !begun[u->group];
		begun[u->group] = true;
	}
}

void lower_groups(struct lower *l)
{
	unsigned int k, accesses = 0;
	struct analysis a;

	l->groups = 0;
	for (k = 0; k < l->count; k++) {
		l->use[k].group = -1;
		accesses += (l->insn[k].rule->flags & RULE_STACK) || operand(&l->insn[k]);
	}
	if (!l->cs64 || l->step || (l->mode & MODE_ALIGN) || l->ungrouped || accesses < 2)
		return;
	a.l = l;
	a.versions = a.sums = 0;
	close_all(&a);
	for (k = 0; k < 16; k++)
		new_value(&a, (u8)k);
	a.page = new_version(&a);
	for (k = 0; k < l->count; k++)
		look_at(&a, k);
	choose(l);
}
