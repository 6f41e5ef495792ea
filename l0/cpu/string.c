/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * String instructions: SDM vol. 2 under each name and "REP/REPE/REPZ/REPNE/REPNZ".
 *
 * Each has a *step*: one element through mmu_read() and mmu_write(), exact in every respect. REP forms of MOVS and STOS, and forward
 * ones of CMPS and SCAS, take *bulk* steps where both sides are plain memory: as many elements as lie before the next page end, segment
 * limit or wrap of the address size, done by the host's own instruction of the same element size and direction (so overlap means what it
 * means on hardware).
 *
 * Registers are written after each step, so a fault leaves them at the iteration that faulted; the flags of a repeated CMPS or SCAS when it
 * ends, as the SDM has it for faults and Intel's processors for all that interrupts one. A
 * REP stops early, with next_rip at itself, when it has done a bounded amount of work, when
 * something waits to be noticed (but STRING_SHORT), and after each iteration when single-stepped. RF is set then, as
 * the SDM's "Resume Flag" says for what interrupts an unfinished string instruction.
 */
#include "../vmx/vmx.h"
#include "io.h"
#include "transfer.h"

/* the bound on the work of one call; v->events is looked at after each bulk step and every LOOK_STEPS plain ones */
#define BULK_BYTES 65536u
#define SLOW_STEPS 4096u
#define LOOK_STEPS 64u

enum rep { REP_NONE, REP_E, REP_NE };

struct string {
	struct vcpu *v;
	union insn_args a;
	u64 mask; /* of RCX, RSI, RDI: the address size */
	u64 stride; /* size, or -size */
	u64 flags; /* FLAG_ARITH of the last comparison */
	unsigned int size;
	bool flat64, down;
};

struct string_op {
	void (*step)(struct string *s);
	u64 (*bulk)(struct string *s, u8 *dest, u8 *source, u64 n);
	u8 source; /* ACC_READ if it goes through seg:rSI */
	u8 dest; /* ACC_READ or ACC_WRITE if it goes through ES:rDI */
	u8 max_size;
	bool compares; /* REPE and REPNE look at ZF */
	bool clears_empty; /* see string_empty() */
};

static void string_start(struct string *s, struct vcpu *v, union insn_args a, unsigned int max_size)
{
	s->v = v;
	s->a = a;
	/* port I/O has no 64-bit form, whatever REX.W says */
	s->size = a.size > max_size ? max_size : a.size;
	s->mask = a.asize == 2 ? ~0ull : (1ull << (16u << a.asize)) - 1;
	s->down = v->rflags & FLAG_DF;
	s->stride = s->down ? -(u64)s->size : s->size;
	s->flat64 = vcpu_64bit(v);
	s->flags = 0;
}

static u64 element_mask(const struct string *s)
{
	return s->size == 8 ? ~0ull : (1ull << s->size * 8) - 1;
}

static void set_register(struct string *s, enum gpr reg, u64 value)
{
	s->v->gpr[reg] = stack_merge(s->v->gpr[reg], value, s->mask);
}

static void advance(struct string *s, enum gpr reg, u64 elements)
{
	set_register(s, reg, s->v->gpr[reg] + elements * s->stride);
}

static u64 source_linear(struct string *s)
{
	return segment_linear(s->v, s->a.seg, s->v->gpr[RSI] & s->mask, s->size, ACC_READ);
}

static u64 dest_linear(struct string *s, unsigned int access)
{
	return segment_linear(s->v, ES, s->v->gpr[RDI] & s->mask, s->size, access);
}

static u64 source_read(struct string *s)
{
	return mmu_read(s->v, source_linear(s), s->size, mmu_data(s->v, ACC_READ));
}

static u64 dest_read(struct string *s)
{
	return mmu_read(s->v, dest_linear(s, ACC_READ), s->size, mmu_data(s->v, ACC_READ));
}

static void dest_write(struct string *s, u64 value)
{
	mmu_write(s->v, dest_linear(s, ACC_WRITE), value, s->size, mmu_data(s->v, ACC_WRITE));
}

/* The flags of a - b. */
static void compare(struct string *s, u64 a, u64 b)
{
	unsigned int sign = s->size * 8 - 1;
	u64 mask = element_mask(s), r, flags;

	a &= mask;
	b &= mask;
	r = (a - b) & mask;
	flags = a < b ? FLAG_CF : 0;
	flags |= __builtin_parity((u8)r) ? 0 : FLAG_PF;
	flags |= (a ^ b ^ r) & FLAG_AF;
	flags |= r ? 0 : FLAG_ZF;
	flags |= r >> sign ? FLAG_SF : 0;
	flags |= ((a ^ b) & (a ^ r)) >> sign ? FLAG_OF : 0;
	s->flags = flags;
}

static void commit_flags(struct string *s, const struct string_op *op)
{
	if (op->compares)
		s->v->rflags = (s->v->rflags & ~FLAG_ARITH) | s->flags;
}

/* steps: one element each */

static void movs_step(struct string *s)
{
	dest_write(s, source_read(s));
	advance(s, RSI, 1);
	advance(s, RDI, 1);
}

static void stos_step(struct string *s)
{
	dest_write(s, s->v->gpr[RAX]);
	advance(s, RDI, 1);
}

static void lods_step(struct string *s)
{
	u64 value = source_read(s);

	if (s->size == 1)
		s->v->gpr[RAX] = (s->v->gpr[RAX] & ~0xffull) | value;
	else
		gpr_write(s->v, RAX, value, s->size);
	advance(s, RSI, 1);
}

static void cmps_step(struct string *s)
{
	u64 a = source_read(s), b = dest_read(s);

	compare(s, a, b);
	advance(s, RSI, 1);
	advance(s, RDI, 1);
}

static void scas_step(struct string *s)
{
	compare(s, s->v->gpr[RAX], dest_read(s));
	advance(s, RDI, 1);
}

/* For a VM exit, which comes before the checks of limit and alignment. */
static u64 io_linear(const struct string *s, enum sreg seg, enum gpr offset)
{
	u64 base = s->flat64 && seg != FS && seg != GS ? 0 : s->v->seg[seg].base;
	u64 linear = base + (s->v->gpr[offset] & s->mask);

	return s->flat64 ? linear : (u32)linear;
}

static void ins_step(struct string *s)
{
	struct vcpu *v = s->v;
	u64 linear;

	io_check(v, v->gpr[RDX], s->size);
	vmx_before_io(v, (u16)v->gpr[RDX],
		      &(struct vmx_io){ .size = (u8)s->size,
					.in = true,
					.string = true,
					.rep = s->a.rep != 0,
					.asize = s->a.asize,
					.seg = ES,
					.linear = io_linear(s, ES, RDI) });
	linear = dest_linear(s, ACC_WRITE);
	/* a fault must come before the device is read */
	mmu_check(v, linear, s->size, mmu_data(v, ACC_WRITE));
	mmu_write(v, linear, io_read(v, v->gpr[RDX], s->size), s->size, mmu_data(v, ACC_WRITE));
	advance(s, RDI, 1);
}

static void outs_step(struct string *s)
{
	struct vcpu *v = s->v;

	io_check(v, v->gpr[RDX], s->size);
	vmx_before_io(v, (u16)v->gpr[RDX],
		      &(struct vmx_io){ .size = (u8)s->size,
					.string = true,
					.rep = s->a.rep != 0,
					.asize = s->a.asize,
					.seg = s->a.seg,
					.linear = io_linear(s, s->a.seg, RSI) });
	io_write(v, v->gpr[RDX], s->size, source_read(s));
	advance(s, RSI, 1);
}

/* bulk steps: `n` elements at most; the number done, at least one */

/* The host's flags after CMPS or SCAS, without touching the stack's red zone. */
#define FLAGS_TO_AX "lahf\n\tseto %%al"

static void take_flags(struct string *s, u16 ax)
{
	s->flags = (ax >> 8 & (FLAG_ARITH & 0xff)) | (ax & 1 ? FLAG_OF : 0);
}

#define BY_SIZE(DO) \
	switch (s->size) { \
	case 1: \
		DO("b") break; \
	case 2: \
		DO("w") break; \
	case 4: \
		DO("l") break; \
	default: \
		DO("q") break; \
	}

static u64 movs_bulk(struct string *s, u8 *dest, u8 *source, u64 n)
{
	u64 count = n;

	if (s->down) {
#define DO(suffix) \
	asm volatile("std\n\trep movs" suffix "\n\tcld" : "+D"(dest), "+S"(source), "+c"(count) : : "memory", "cc");
		BY_SIZE(DO)
#undef DO
		return n;
	}
#define DO(suffix) asm volatile("rep movs" suffix : "+D"(dest), "+S"(source), "+c"(count) : : "memory");
	BY_SIZE(DO)
#undef DO
	return n;
}

static u64 stos_bulk(struct string *s, u8 *dest, u8 *source, u64 n)
{
	u64 count = n, value = s->v->gpr[RAX];

	(void)source;
	if (s->down) {
#define DO(suffix) \
	asm volatile("std\n\trep stos" suffix "\n\tcld" : "+D"(dest), "+c"(count) : "a"(value) : "memory", "cc");
		BY_SIZE(DO)
#undef DO
		return n;
	}
#define DO(suffix) asm volatile("rep stos" suffix : "+D"(dest), "+c"(count) : "a"(value) : "memory");
	BY_SIZE(DO)
#undef DO
	return n;
}

static u64 cmps_bulk(struct string *s, u8 *dest, u8 *source, u64 n)
{
	u64 count = n, ax;

#define DO(suffix) \
	if (s->a.rep == REP_E) \
		asm volatile("repe cmps" suffix "\n\t" FLAGS_TO_AX \
			     : "+D"(dest), "+S"(source), "+c"(count), "=a"(ax) \
			     : \
			     : "memory", "cc"); \
	else \
		asm volatile("repne cmps" suffix "\n\t" FLAGS_TO_AX \
			     : "+D"(dest), "+S"(source), "+c"(count), "=a"(ax) \
			     : \
			     : "memory", "cc");
	BY_SIZE(DO)
#undef DO
	take_flags(s, ax);
	return n - count;
}

static u64 scas_bulk(struct string *s, u8 *dest, u8 *source, u64 n)
{
	u64 count = n, ax = s->v->gpr[RAX];

	(void)source;
#define DO(suffix) \
	if (s->a.rep == REP_E) \
		asm volatile("repe scas" suffix "\n\t" FLAGS_TO_AX \
			     : "+D"(dest), "+c"(count), "+a"(ax) \
			     : \
			     : "memory", "cc"); \
	else \
		asm volatile("repne scas" suffix "\n\t" FLAGS_TO_AX \
			     : "+D"(dest), "+c"(count), "+a"(ax) \
			     : \
			     : "memory", "cc");
	BY_SIZE(DO)
#undef DO
	take_flags(s, ax);
	return n - count;
}

/*
 * One side of a bulk step: shortens *n to the elements before the next page end, limit or wrap.
 * False: the next element needs a plain step.
 */
static bool bulk_side(struct string *s, const struct segment *seg, u64 offset, unsigned int access, u64 *n, u64 *linear)
{
	u64 room, lowest;

	offset &= s->mask;
	if (!segment_allows(s->v, seg, s->flat64, offset, s->size, access, linear))
		return false;
	if (s->down) {
		/* as many elements as have their first byte in the page, this one being in it whole */
		room = (*linear & 4095) + s->size <= 4096 ? (*linear & 4095) / s->size + 1 : 0;
		if (room < *n)
			*n = room;
		if (*n && (*n - 1) * s->size > offset)
			*n = 0;
		return *n &&
		       segment_allows(s->v, seg, s->flat64, offset - (*n - 1) * s->size, *n * s->size, access, &lowest);
	}
	room = (4096 - (*linear & 4095)) / s->size;
	if (room < *n)
		*n = room;
	/* mask - offset can't overflow, mask - offset + 1 could */
	if (*n && *n * s->size - 1 > s->mask - offset)
		*n = 0;
	return *n && segment_allows(s->v, seg, s->flat64, offset, *n * s->size, access, linear);
}

/* Elements done, 0 if a plain step must do the next one. */
static u64 string_bulk(struct string *s, const struct string_op *op, u64 n)
{
	struct vcpu *v = s->v;
	u64 from = 0, to = 0, done;
	u8 *source = NULL, *dest = NULL;

	if (op->source && !bulk_side(s, &v->seg[s->a.seg], v->gpr[RSI], op->source, &n, &from))
		return 0;
	if (op->dest && !bulk_side(s, &v->seg[ES], v->gpr[RDI], op->dest, &n, &to))
		return 0;
	if (op->source) {
		source = mmu_host(v, from, mmu_data(v, op->source));
		if (!source)
			return 0;
	}
	dest = mmu_host(v, to, mmu_data(v, op->dest));
	if (!dest)
		return 0;
	/* the second look may have moved what the first one found */
	if (source && source != mmu_host(v, from, mmu_data(v, op->source)))
		return 0;
	done = op->bulk(s, dest, source, n);
	if (op->source)
		advance(s, RSI, done);
	advance(s, RDI, done);
	return done;
}

/*
 * REP with a count of 0 and a 32-bit address size in 64-bit mode: the count's upper half is cleared all the same,
 * and for MOVS and STOS those of the pointers, as Intel's processors do.
 */
static void string_empty(struct string *s, const struct string_op *op)
{
	if (s->mask != 0xffffffff)
		return;
	set_register(s, RCX, 0);
	if (!op->clears_empty)
		return;
	if (op->source)
		set_register(s, RSI, s->v->gpr[RSI]);
	set_register(s, RDI, s->v->gpr[RDI]);
}

static bool string_ended(const struct string *s, const struct string_op *op)
{
	if (!(s->v->gpr[RCX] & s->mask))
		return true;
	if (!op->compares)
		return false;
	return !(s->flags & FLAG_ZF) == (s->a.rep == REP_E);
}

static void string_run(struct vcpu *v, union insn_args a, const struct string_op *op)
{
	u64 bytes = 0, steps = 0, count, n;
	struct string s;
	bool fast, all;

	string_start(&s, v, a, op->max_size);
	if (a.rep == REP_NONE) {
		op->step(&s);
		commit_flags(&s, op);
		return;
	}
	if (!(v->gpr[RCX] & s.mask)) {
		string_empty(&s, op);
		v->rflags &= ~FLAG_RF;
		return;
	}
	all = (v->gpr[RCX] & s.mask) < STRING_SHORT;
	fast = op->bulk && !(s.down && op->compares) && !(v->rflags & FLAG_TF) && !(v->mode & MODE_ALIGN);
	for (;;) {
		count = v->gpr[RCX] & s.mask;
		n = (BULK_BYTES - bytes) / s.size;
		n = fast && count > 1 ? string_bulk(&s, op, count < n ? count : n) : 0;
		if (n) {
			bytes += n * s.size;
		} else {
			op->step(&s);
			n = 1;
			steps++;
		}
		set_register(&s, RCX, count - n);
		if (string_ended(&s, op)) {
			commit_flags(&s, op);
			v->rflags &= ~FLAG_RF;
			return;
		}
		if (bytes >= BULK_BYTES || steps >= SLOW_STEPS || (v->rflags & FLAG_TF) || v->pending_db || v->apic_due)
			break;
		if (!all && (n > 1 || steps % LOOK_STEPS == 0) && atomic_load_explicit(&v->events, memory_order_relaxed))
			break;
	}
	v->rflags |= FLAG_RF;
	v->next_rip = v->rip;
}

/* clang-format off */
#define STRING_OPS(X) \
	/* name  bulk        source    dest       max  compares clears_empty */ \
	X(movs, movs_bulk,  ACC_READ, ACC_WRITE, 8,   false,   true) \
	X(stos, stos_bulk,  0,        ACC_WRITE, 8,   false,   true) \
	X(lods, NULL,       ACC_READ, 0,         8,   false,   false) \
	X(cmps, cmps_bulk,  ACC_READ, ACC_READ,  8,   true,    false) \
	X(scas, scas_bulk,  0,        ACC_READ,  8,   true,    false) \
	X(ins,  NULL,       0,        ACC_WRITE, 4,   false,   false) \
	X(outs, NULL,       ACC_READ, 0,         4,   false,   false)
/* clang-format on */

#define X(name, bulk, source, dest, max, compares, clears_empty) \
	void insn_##name(struct vcpu *v, union insn_args a) \
	{ \
		static const struct string_op op = { name##_step, bulk, source, dest, max, compares, clears_empty }; \
\
		string_run(v, a, &op); \
	}
STRING_OPS(X)
#undef X
