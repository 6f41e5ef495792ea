/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stack_orc.h"

#include "../cpu/vcpu.h"

/* registers that an entry names */
enum {
	ORC_UNDEFINED,
	ORC_PREVIOUS_SP,
	ORC_DX,
	ORC_DI,
	ORC_BP,
	ORC_SP,
	ORC_R10,
	ORC_R13,
	ORC_BP_INDIRECT,
	ORC_SP_INDIRECT
};
enum { ORC_CALL, ORC_REGS, ORC_REGS_PARTIAL };

/* struct pt_regs: fifteen registers, the error code, and from PT_RIP on what an interrupt pushes */
enum { PT_BP = 4 * 8, PT_RIP = 16 * 8, PT_CS = 17 * 8, PT_SP = 19 * 8 };

#define STEP 64 /* entries: how far apart those are that are looked at */

/* relative numbers to addresses */
static bool code_of(struct stack_reader *r, u64 ip, u32 n, u64 *pc)
{
	s32 relative;

	ip += 4ull * n;
	if (!stack_read(r, ip, &relative, sizeof(relative)))
		return false;
	*pc = ip + (u64)(s64)relative;
	return true;
}

bool orc_open(struct stack_reader *r, u64 ip, u64 entries, u32 count, u64 max, struct orc_table *t)
{
	u32 step = count < 64 * STEP ? 1 : STEP;
	struct orc_entry last_entry;
	u64 last = 0;

	*t = (struct orc_table){ .ip = ip, .entries = entries, .count = count };
	if (count < 2 || ip % 4 || entries % 2 || !code_of(r, ip, 0, &t->first) || !code_of(r, ip, count - 1, &t->end) ||
	    !stack_read(r, entries + (u64)(count - 1) * sizeof(last_entry), &last_entry, sizeof(last_entry)))
		return false;
	if (t->end <= t->first || t->end - t->first > max)
		return false;
	for (u32 i = 0; i < count; i += step) {
		u64 pc;

		if (!code_of(r, ip, i, &pc) || pc < last || pc > t->end || pc - ip < 4ull * count)
			return false;
		last = pc;
	}
	return true;
}

bool orc_find(struct stack_reader *r, const struct orc_table *t, u64 pc, struct orc_entry *e, u64 *code)
{
	u32 low = 0, high = t->count; /* code of low <= pc, code of high > pc */

	if (pc < t->first || pc >= t->end)
		return false;
	*code = t->first;
	while (high - low > 1) {
		u32 middle = low + (high - low) / 2;
		u64 at;

		if (!code_of(r, t->ip, middle, &at))
			return false;
		if (at <= pc) {
			low = middle;
			*code = at;
		} else {
			high = middle;
		}
	}
	return stack_read(r, t->entries + (u64)low * sizeof(*e), e, sizeof(*e));
}

bool orc_by_rbp(const struct orc_entry *e)
{
	return (e->bits & 15) == ORC_BP;
}

static bool previous_sp(struct stack_reader *r, const struct orc_entry *e, const struct stack_regs *regs, u64 *sp)
{
	const u64 offset = (u64)(s64)e->sp_offset;

	switch (e->bits & 15) {
	case ORC_SP:
		*sp = regs->gpr[RSP] + offset;
		return true;
	case ORC_BP:
		*sp = regs->gpr[RBP] + offset;
		return true;
	case ORC_SP_INDIRECT:
		if (!stack_read64(r, regs->gpr[RSP], sp))
			return false;
		*sp += offset;
		return true;
	case ORC_BP_INDIRECT:
		return stack_read64(r, regs->gpr[RBP] + offset, sp);
	case ORC_DX:
		*sp = regs->gpr[RDX];
		return true;
	case ORC_DI:
		*sp = regs->gpr[RDI];
		return true;
	case ORC_R10:
		*sp = regs->gpr[R10];
		return true;
	case ORC_R13:
		*sp = regs->gpr[R13];
		return true;
	}
	return false;
}

bool orc_step(struct stack_reader *r, const struct orc_entry *e, struct stack_regs *regs, bool *exact)
{
	const unsigned int type = e->bits >> 8 & 3;
	u64 sp, rip, cs, bp = regs->gpr[RBP];

	if (e->bits >> 10 & 1 || !previous_sp(r, e, regs, &sp) || sp % 8)
		return false;
	switch (type) {
	case ORC_CALL:
		if (!stack_read64(r, sp - 8, &rip))
			return false;
		*exact = false;
		break;
	case ORC_REGS:
	case ORC_REGS_PARTIAL:
		if (type == ORC_REGS_PARTIAL)
			sp -= PT_RIP;
		/* an interrupt of user mode: its stack isn't the kernel's */
		if (!stack_read64(r, sp + PT_RIP, &rip) || !stack_read64(r, sp + PT_CS, &cs) || cs & 3)
			return false;
		if (type == ORC_REGS && !stack_read64(r, sp + PT_BP, &bp))
			return false;
		if (!stack_read64(r, sp + PT_SP, &sp))
			return false;
		*exact = true;
		break;
	default:
		return false;
	}
	switch (e->bits >> 4 & 15) {
	case ORC_UNDEFINED:
		break;
	case ORC_PREVIOUS_SP:
		if (!stack_read64(r, sp + (u64)(s64)e->bp_offset, &bp))
			return false;
		break;
	case ORC_BP:
		if (!stack_read64(r, regs->gpr[RBP] + (u64)(s64)e->bp_offset, &bp))
			return false;
		break;
	default:
		return false;
	}
	/* A stack only shrinks on the way to a caller; kernels have several, and interrupts switch between them. */
	if (!*exact && (e->bits & 15) == ORC_SP && sp <= regs->gpr[RSP])
		return false;
	regs->gpr[RBP] = bp;
	regs->gpr[RSP] = sp;
	regs->rip = rip;
	return true;
}
