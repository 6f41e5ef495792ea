/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_gen.h"
#include <assert.h>
#include <string.h>
#include "fuzz_state.h"

#define POOL_ENTRIES 4
#define BODY_MAX 9 /* random items; what the shapes add keeps within FUZZ_ITEMS */

static struct fuzz_insn *append(struct fuzz_program *p)
{
	struct fuzz_insn *i = &p->items[p->count++];

	assert(p->count <= FUZZ_ITEMS);
	memset(i, 0, sizeof(*i));
	return i;
}

/* A piece of given bytes; what Zydis knows about it is filled in. */
static struct fuzz_insn *append_bytes(struct fuzz_context *c, struct fuzz_program *p, const u8 *bytes, unsigned int size)
{
	struct fuzz_insn *i = append(p);

	memcpy(i->bytes, bytes, size);
	i->size = size;
	if (!fuzz_insn_describe(c, i))
		i->illegal = i->stops = true;
	c->near &= ~i->writes;
	c->known &= ~i->writes;
	return i;
}

static void append_random(struct fuzz_context *c, struct fuzz_program *p, unsigned int n)
{
	while (n--)
		fuzz_insn_random(c, append(p));
}

/* bytes with a relative displacement of `relative` bytes at their end */
static void append_branch(struct fuzz_context *c, struct fuzz_program *p, const u8 *bytes, unsigned int size,
			  unsigned int relative, int target)
{
	struct fuzz_insn *i = append_bytes(c, p, bytes, size);

	i->kind = FUZZ_BRANCH;
	i->relative_size = relative;
	i->target = target;
	i->stops = i->mnemonic == ZYDIS_MNEMONIC_JMP || i->mnemonic == ZYDIS_MNEMONIC_CALL;
}

/* of the long forms of JMP, CALL, Jcc */
static unsigned int relative_bytes(const struct fuzz_context *c)
{
	return c->mode->bits == 16 ? 2 : 4;
}

/* Conditional or not, never backwards; the target is set when all items stand. */
static void append_forward(struct fuzz_context *c, struct fuzz_program *p)
{
	struct rng *r = &c->rng;
	u8 b[8], n = 0, cc = rng_below(r, 16), wide = relative_bytes(c);

	unsigned int kind = rng_below(r, 10);

	if (rng_chance(r, 6))
		b[n++] = rng_chance(r, 50) ? 0x2e : 0x3e; /* a hint */
	else if (kind > 1 && rng_chance(r, 4)) /* AMD: with F2 or F3, LOOPE and LOOPNE take their condition from the prefix */
		b[n++] = 0xf2; /* BND */
	switch (kind) {
	case 0: /* JRCXZ, JECXZ */
		if (rng_chance(r, 30))
			b[n++] = 0x67;
		b[n++] = 0xe3;
		b[n++] = 0;
		append_branch(c, p, b, n, 1, -1);
		break;
	case 1: /* LOOPNE, LOOPE, LOOP */
		if (rng_chance(r, 30))
			b[n++] = 0x67;
		b[n++] = 0xe0 + rng_below(r, 3);
		b[n++] = 0;
		append_branch(c, p, b, n, 1, -1);
		break;
	case 2:
		b[n++] = rng_chance(r, 50) ? 0xeb : 0xe9;
		memset(b + n, 0, 4);
		if (b[n - 1] == 0xeb)
			wide = 1;
		append_branch(c, p, b, n + wide, wide, -1);
		break;
	case 3:
	case 4:
	case 5: /* the long form */
		b[n++] = 0x0f;
		b[n++] = 0x80 + cc;
		memset(b + n, 0, 4);
		append_branch(c, p, b, n + wide, wide, -1);
		break;
	default:
		b[n++] = 0x70 + cc;
		b[n++] = 0;
		append_branch(c, p, b, n, 1, -1);
		break;
	}
}

/* MOV r32, imm32 */
static struct fuzz_insn *append_mov(struct fuzz_context *c, struct fuzz_program *p, u8 reg, u32 value)
{
	u8 b[7], n = 0;

	if (c->mode->bits == 16)
		b[n++] = 0x66;
	if (reg & 8)
		b[n++] = 0x41;
	b[n++] = 0xb8 + (reg & 7);
	memcpy(b + n, &value, 4);
	return append_bytes(c, p, b, n + 4);
}

/* count, body, and back: by LOOP, or by DEC and JNZ */
static void shape_loop(struct fuzz_context *c, struct fuzz_program *p, unsigned int n)
{
	struct rng *r = &c->rng;
	u8 reg = rng_below(r, c->mode->bits == 64 ? 16 : 8), b[6], size = 0;
	bool by_loop = rng_chance(r, 50) || reg == 4;
	u32 times = rng_chance(r, 90) ? 1 + rng_below(r, 5) : 20 + rng_below(r, 60);

	if (n > 7) /* within reach of a byte */
		n = 7;
	if (by_loop)
		reg = 1;
	append_mov(c, p, reg, times);
	c->keep |= BIT(reg);
	append_random(c, p, n);
	c->keep &= ~BIT(reg);
	if (by_loop) {
		b[0] = rng_chance(r, 60) ? 0xe2 : 0xe0 + rng_below(r, 2);
		b[1] = 0;
		append_branch(c, p, b, 2, 1, 1);
		return;
	}
	if (reg & 8)
		b[size++] = 0x41;
	b[size++] = 0xff;
	b[size++] = 0xc8 | (reg & 7);
	append_bytes(c, p, b, size);
	b[0] = 0x75;
	b[1] = 0;
	append_branch(c, p, b, 2, 1, 1);
}

/* call sub; ...; jmp end; sub: ...; ret */
static void shape_call(struct fuzz_context *c, struct fuzz_program *p, unsigned int n)
{
	static const u8 call[] = { 0xe8, 0, 0, 0, 0 }, jmp[] = { 0xe9, 0, 0, 0, 0 }, ret[] = { 0xc3 };
	struct rng *r = &c->rng;
	unsigned int jump, first = n / 2, wide = relative_bytes(c);
	u8 release[] = { 0xc2, 0, 0 };
	struct fuzz_insn *i;

	append_branch(c, p, call, 1 + wide, wide, 0);
	c->near |= BIT(4);
	append_random(c, p, first);
	jump = p->count;
	append_branch(c, p, jmp, 1 + wide, wide, 0);
	p->items[0].target = p->count;
	c->keep |= BIT(4);
	append_random(c, p, n - first);
	c->keep &= ~BIT(4);
	if (rng_chance(r, 40)) {
		release[1] = rng_below(r, 4) * 8;
		i = append_bytes(c, p, release, 3);
	} else {
		i = append_bytes(c, p, ret, 1);
	}
	i->stops = i->anywhere = true;
	p->items[jump].target = p->count;
}

/* JMP or CALL through memory, or through a register */
static void shape_indirect(struct fuzz_context *c, struct fuzz_program *p, unsigned int n)
{
	struct rng *r = &c->rng;
	u8 operation = rng_chance(r, 50) ? 4 : 2, b[8], size = 0;
	u8 reg = rng_below(r, c->mode->bits == 64 ? 16 : 8);
	struct fuzz_insn *i;
	unsigned int at;

	append_random(c, p, n / 2);
	if (rng_chance(r, 50)) {
		at = p->count;
		b[0] = 0x2e; /* the pool is in CS */
		b[1] = 0xff;
		b[2] = operation << 3 | (c->mode->bits == 16 ? 6 : 5);
		memset(b + 3, 0, 4);
		i = append_bytes(c, p, b, 3 + relative_bytes(c));
		i->kind = FUZZ_POOL;
		i->pointer_at = 3;
		i->target = 0;
		p->pool_count = 1;
	} else {
		if (reg == 4)
			reg = 0;
		i = append_mov(c, p, reg, 0);
		i->kind = FUZZ_ITEM;
		i->pointer_at = i->size - 4;
		at = p->count;
		if (reg & 8)
			b[size++] = 0x41;
		b[size++] = 0xff;
		b[size++] = 0xc0 | operation << 3 | (reg & 7);
		i = append_bytes(c, p, b, size);
	}
	c->near |= BIT(4);
	i->stops = i->anywhere = true;
	append_random(c, p, n - n / 2);
	n = at + 1 + rng_below(r, p->count - at);
	if (p->pool_count)
		p->pool[0] = n;
	else
		p->items[at - 1].target = n;
}

/* A ModRM byte and a 64-, 32- or 16-bit address: an operand at `offset` in DS. Returns the number of bytes. */
static unsigned int absolute(const struct fuzz_context *c, u8 *b, u8 reg, u64 offset)
{
	unsigned int n = 0;

	if (c->mode->bits == 16) {
		b[n++] = reg << 3 | 6;
		memcpy(b + n, &offset, 2);
		return n + 2;
	}
	b[n++] = reg << 3 | (c->mode->bits == 64 ? 4 : 5);
	if (c->mode->bits == 64)
		b[n++] = 0x25;
	memcpy(b + n, &offset, 4);
	return n + 4;
}

/* MOV [offset], 0 of 2 or 4 bytes, or with 64-bit code of 8 */
static void append_clear(struct fuzz_context *c, struct fuzz_program *p, u64 offset, unsigned int size)
{
	u8 b[16] = { 0 }, n = 0;

	if ((size == 2) != (c->mode->bits == 16))
		b[n++] = 0x66;
	if (size == 8)
		b[n++] = 0x48;
	b[n++] = 0xc7;
	n += absolute(c, b + n, 0, offset);
	append_bytes(c, p, b, n + (size == 2 ? 2 : 4))->clears = true;
}

static void append_clear_range(struct fuzz_context *c, struct fuzz_program *p, u64 from, u64 to)
{
	unsigned int size;

	for (; from < to; from += size) {
		size = to - from >= 8 && c->mode->bits == 64 ? 8 : to - from >= 4 ? 4 : 2;
		append_clear(c, p, from, size);
	}
}

/*
 * x87 and vector state to memory, and perhaps back. FIP, FDP, FOP are cleared there at once, since they aren't compared; so
 * is MXCSR_MASK, which is the CPU's, and XSTATE_BV, where CPUs differ in what they call initial.
 */
static void shape_save(struct fuzz_context *c, struct fuzz_program *p, unsigned int n)
{
	static const struct {
		u8 bytes[2], reg, restore[2], restore_reg;
		u8 alignment; /* of the operand: a power of two */
	} kinds[] = {
		{ { 0xd9 }, 6, { 0xd9 }, 4, 1 }, /* FNSTENV, FLDENV */
		{ { 0xdd }, 6, { 0xdd }, 4, 1 }, /* FNSAVE, FRSTOR */
		{ { 0x0f, 0xae }, 0, { 0x0f, 0xae }, 1, 16 }, /* FXSAVE, FXRSTOR */
		{ { 0x0f, 0xae }, 4, { 0x0f, 0xae }, 1, 64 }, /* XSAVE, FXRSTOR */
	};
	struct rng *r = &c->rng;
	unsigned int kind = rng_below(r, c->isa[ZYDIS_ISA_SET_XSAVE] ? 4 : 3), at, rest = n > 4 ? 2 : n / 2;
	/* in the first region, with room for XSAVE's 832 bytes */
	u64 base = 0x20001000 - c->mode->data_base, offset = base + rng_below(r, 0x3000);
	bool word = c->mode->bits == 16, wide = c->mode->bits == 64 && rng_chance(r, 40);
	u8 b[16] = { 0 };

	offset &= ~(u64)(kinds[kind].alignment - 1);
	append_random(c, p, rest);
	if (kind == 3) {
		append_mov(c, p, 0, 1 + rng_below(r, 7));
		append_mov(c, p, 2, 0);
	}
	at = 0;
	if (wide && kind > 1)
		b[at++] = 0x48;
	b[at++] = kinds[kind].bytes[0];
	if (kind > 1)
		b[at++] = kinds[kind].bytes[1];
	at += absolute(c, b + at, kinds[kind].reg, offset);
	append_bytes(c, p, b, at)->saves = true;
	if (kind < 2) {
		append_clear_range(c, p, offset + (word ? 6 : 12), offset + (word ? 14 : 28));
	} else {
		append_clear(c, p, offset + 6, 2);
		append_clear_range(c, p, offset + 8, offset + 24);
		append_clear(c, p, offset + 28, 4);
		if (kind == 3)
			append_clear(c, p, offset + 512, 4);
	}
	if (p->count + rest + 1 > FUZZ_ITEMS - 2 || rng_chance(r, 40))
		return;
	append_random(c, p, rest);
	at = 0;
	if (wide && kind > 1)
		b[at++] = 0x48;
	b[at++] = kinds[kind].restore[0];
	if (kind > 1)
		b[at++] = kinds[kind].restore[1];
	at += absolute(c, b + at, kinds[kind].restore_reg, offset);
	append_bytes(c, p, b, at);
}

/* things that end a program in a way of their own */
static void append_last(struct fuzz_context *c, struct fuzz_program *p)
{
	/* #UD in 64-bit mode: SDM vol. 2, "Opcode Maps", superscript i64. Far CALL and JMP stay out of 32-bit code. */
	static const u8 not_in_64[] = { 0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37,
					0x3f, 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd5, 0xd6, 0xea };
	struct rng *r = &c->rng;
	u8 b[16] = { 0 };
	unsigned int n;

	switch (rng_below(r, 6)) {
	case 0: /* INT n; 128 is Linux' system call */
		b[0] = 0xcd;
		do
			b[1] = rng_below(r, 256);
		while (b[1] == 128);
		append_bytes(c, p, b, 2)->stops = true;
		break;
	case 1: /* INT3, in one byte and in two. INT1: see incomparable() in fuzz_compare.c */
		b[0] = rng_chance(r, 50) ? 0xcd : 0xcc;
		b[1] = 3;
		append_bytes(c, p, b, b[0] == 0xcd ? 2 : 1)->stops = true;
		break;
	case 2: /* to where the stack says */
		b[0] = 0xc3;
		append_bytes(c, p, b, 1)->stops = true;
		break;
	case 3: /* longer than an instruction may be */
		n = 15;
		memset(b, rng_chance(r, 50) ? 0x66 : 0x3e, n);
		append_bytes(c, p, b, n);
		p->items[p->count - 1].illegal = p->items[p->count - 1].stops = true;
		break;
	case 4: /* INTO: 32-bit code */
		b[0] = 0xce;
		append_bytes(c, p, b, 1);
		break;
	default:
		b[0] = not_in_64[rng_below(r, sizeof(not_in_64))];
		if (c->mode->bits != 64)
			b[0] = 0xf4; /* HLT */
		append_bytes(c, p, b, c->mode->bits != 64 ? 1 : 8);
		p->items[p->count - 1].stops = true;
		break;
	}
}

static void set_forward_targets(struct fuzz_context *c, struct fuzz_program *p)
{
	unsigned int i, room;

	for (i = 0; i < p->count; i++) {
		struct fuzz_insn *insn = &p->items[i];

		if (insn->kind != FUZZ_BRANCH || insn->target >= 0)
			continue;
		room = p->count - i;
		if (insn->relative_size == 1 && room > 7)
			room = 7; /* 7 * 15 + 15 bytes are within reach of a byte */
		insn->target = i + 1 + rng_below(&c->rng, room);
	}
}

static void compose(struct fuzz_context *c, struct fuzz_program *p)
{
	struct rng *r = &c->rng;
	unsigned int n = rng_below(r, 100), shape = rng_below(r, 100), branches;

	n = n < 20 ? 1 : n < 75 ? 2 + rng_below(r, 3) : 5 + rng_below(r, BODY_MAX - 4);
	if (shape < 60) {
		append_random(c, p, n);
	} else if (shape < 80) {
		if (n > 7)
			n = 7;
		for (branches = 1 + rng_below(r, 3); branches; branches--) {
			append_random(c, p, n / 3 + rng_below(r, 2));
			append_forward(c, p);
		}
		append_random(c, p, n / 3 + 1);
	} else if (shape < 87) {
		shape_loop(c, p, n);
	} else if (shape < 93) {
		shape_call(c, p, n);
	} else if (shape < 98) {
		shape_indirect(c, p, n);
	} else {
		shape_save(c, p, n);
	}
	if (rng_chance(r, 3))
		append_last(c, p);
	set_forward_targets(c, p);
}

static u64 pool_address(const struct fuzz_program *p, const struct fuzz_case *c, unsigned int entry)
{
	unsigned int size = fuzz_mode(c)->bits / 8;

	return c->code_address + (p->offset[p->count] + 1u + size - 1) / size * size + entry * size;
}

/* Bytes to their places: a displacement of n bytes. */
static void store(u8 *to, u64 value, unsigned int n)
{
	memcpy(to, &value, n);
}

static void encode(const struct fuzz_program *p, struct fuzz_case *c)
{
	unsigned int i, n, size = fuzz_mode(c)->bits / 8;
	u64 base = fuzz_mode(c)->code_base, pool_end = pool_address(p, c, p->pool_count);

	memset(c->code, FUZZ_CODE_FILL, sizeof(c->code));
	for (i = 0; i < p->count; i++) {
		const struct fuzz_insn *insn = &p->items[i];
		u8 *to = c->code + p->offset[i];
		u64 next = c->code_address + p->offset[i + 1], target;

		memcpy(to, insn->bytes, insn->size);
		switch (insn->kind) {
		case FUZZ_PLAIN:
			if (insn->pointer_at)
				store(to + insn->pointer_at, insn->data - next, 4);
			break;
		case FUZZ_BRANCH:
			n = insn->relative_size;
			target = c->code_address + p->offset[insn->target];
			store(to + insn->size - n, target - next, n);
			break;
		case FUZZ_ITEM:
			store(to + insn->pointer_at, c->code_address + p->offset[insn->target] - base, 4);
			break;
		case FUZZ_POOL:
			target = pool_address(p, c, insn->target);
			store(to + insn->pointer_at, target - (size == 8 ? next : base), size == 2 ? 2 : 4);
			break;
		}
	}
	for (i = 0; i < p->pool_count; i++)
		store(c->code + (pool_address(p, c, i) - c->code_address),
		      c->code_address + p->offset[p->pool[i]] - base, size);
	c->code_size = (p->pool_count ? pool_end : c->code_address + p->offset[p->count] + 1) - c->code_address;
}

/*
 * Undefined flags at each item: a union over the ways that lead there, since which way is taken is not known here.
 */
static bool flow(struct fuzz_program *p, unsigned int *bad)
{
	bool changed = true;
	unsigned int i, to;

	memset(p->undefined, 0, sizeof(p->undefined));
	while (changed) {
		changed = false;
		for (i = 0; i < p->count; i++) {
			const struct fuzz_insn *insn = &p->items[i];
			u32 out = (p->undefined[i] & ~insn->flags.defined) | insn->flags.undefined;

			for (to = 0; to <= p->count; to++) {
				bool reached = (to == i + 1 && !insn->stops) || insn->anywhere ||
					       (insn->kind == FUZZ_BRANCH && insn->target == (int)to);

				if (reached && (out & ~p->undefined[to])) {
					p->undefined[to] |= out;
					changed = true;
				}
			}
		}
	}
	for (i = 0; i < p->count; i++) {
		if (p->undefined[i] & p->items[i].flags.tested) {
			*bad = i;
			return false;
		}
	}
	return true;
}

bool fuzz_layout(struct fuzz_program *p, struct fuzz_case *c, unsigned int *bad)
{
	unsigned int i, start = p->start;

	for (i = 0; i < p->count; i++)
		p->offset[i + 1] = p->offset[i] + p->items[i].size;
	if (p->at_end && p->count) {
		/* the region ends within the last instruction, or before it */
		start = FUZZ_CODE_PAGES * FUZZ_PAGE - p->offset[p->count - 1] - p->start % p->items[p->count - 1].size;
	} else if (start > FUZZ_CODE_PAGES * FUZZ_PAGE - FUZZ_CODE_MAX) {
		start = FUZZ_CODE_PAGES * FUZZ_PAGE - FUZZ_CODE_MAX;
	}
	c->code_address = FUZZ_CODE + start;
	c->mode = p->mode;
	c->in.rip = c->code_address - fuzz_mode(c)->code_base;
	encode(p, c);
	return flow(p, bad);
}

void fuzz_remove(struct fuzz_program *p, unsigned int n)
{
	unsigned int i;

	memmove(&p->items[n], &p->items[n + 1], (p->count - n - 1) * sizeof(p->items[0]));
	p->count--;
	for (i = 0; i < p->count; i++)
		if ((p->items[i].kind == FUZZ_BRANCH || p->items[i].kind == FUZZ_ITEM) && p->items[i].target > (int)n)
			p->items[i].target--;
	for (i = 0; i < p->pool_count; i++)
		if (p->pool[i] > (int)n)
			p->pool[i]--;
}

int fuzz_item_at(const struct fuzz_program *p, const struct fuzz_case *c, u64 rip)
{
	unsigned int i;

	for (i = 0; i <= p->count; i++)
		if (rip + fuzz_mode(c)->code_base == c->code_address + p->offset[i])
			return i;
	return -1;
}

void fuzz_generate(struct fuzz_context *context, u64 seed, u64 batch, u32 number, struct fuzz_program *program,
		   struct fuzz_case *c)
{
	struct rng *r = &context->rng;
	unsigned int bad;

	*r = rng_seed(seed, batch * FUZZ_BATCH + number);
	memset(program, 0, sizeof(*program));
	program->mode = context->mode_number;
	fuzz_registers(context, &c->in);
	compose(context, program);
	program->start = rng_below(r, FUZZ_CODE_PAGES * FUZZ_PAGE - FUZZ_CODE_MAX);
	if (rng_chance(r, 25)) /* across a page boundary */
		program->start = (program->start | 4095) - rng_below(r, 48);
	/*
	 * Where an opcode that doesn't exist ends, so how much of it is fetched, is the CPU's business. So is an instruction
	 * across the end of a 64 KiB segment in 16-bit code: the same CPU was seen to wrap around and not to.
	 */
	program->at_end = rng_chance(r, 1) && program->count && !program->items[program->count - 1].illegal &&
			  context->mode->bits != 16;
	while (!fuzz_layout(program, c, &bad))
		fuzz_remove(program, bad);
}
