/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that are to run directly: searched once for instructions that don't come back by themselves (sensitive.h), and from then on
 * watched, so that what was found stays true.
 */
#include "user.h"

#include <string.h>

#include "../bt/bt.h"
#include "../cpu/mmu.h"
#include "../cpu/mode.h"
#include "../machine/machine.h"
#include "../run/gate.h"

#define STARTS_MAX 512u

/* Nobody else runs, and no store goes to the page unnoticed. */
static u8 look(struct direct_vcpu *d, u64 gpa, u16 entered_at)
{
	struct direct_machine *dm = d->machine;
	const u8 *code = dm->machine->memory.base + gpa;
	u16 starts[STARTS_MAX];
	u8 flag = PAGE_SCANNED;
	unsigned int found;
	size_t n;

	d->stats.scanned++;
	starts[0] = entered_at;
	n = 1 + bt_block_starts(dm->machine->bt, gpa, starts + 1, STARTS_MAX - 1);
	found = sensitive_page(&dm->sensitive, code, starts, n, 64);
	if (dm->host.user32)
		found |= sensitive_page(&dm->sensitive, code, starts, n, 32);
	if (found & SENSITIVE_FOUND)
		flag |= PAGE_SENSITIVE;
	else if (sensitive_tail(&dm->sensitive, code, PAGE_SIZE))
		flag |= PAGE_TAIL;
	if (found & SENSITIVE_ABSENT)
		flag |= PAGE_ABSENT;
	d->stats.scanned_found += !!(found & SENSITIVE_FOUND);
	d->stats.scanned_absent += !!(found & SENSITIVE_ABSENT);
	return flag;
}

#define INSN_MAX 15u

/*
 * Where the code that comes to `linear`, on the page at gpa, begins an instruction there: behind the one that it is in, if that begins on the
 * page before.
 */
static u16 entry(struct direct_vcpu *d, u64 linear, u64 gpa)
{
	struct vcpu *v = d->v;
	u64 rip = v->code_base + (d->taken ? v->rip : monitor_regs(&d->cpu)->rip), before = linear - rip;
	u8 code[2 * INSN_MAX];
	struct mmu_page page;
	unsigned int length;

	if ((linear & 4095) || rip >= linear || before >= INSN_MAX || !mmu_peek(v, rip, ACC_READ | ACC_USER, &page) ||
	    !memory_is_ram(&v->machine->memory, page.gpa))
		return (u16)(linear & 4095);
	memcpy(code, v->machine->memory.base + page.gpa, before);
	memcpy(code + before, v->machine->memory.base + gpa, INSN_MAX);
	length = sensitive_length(code, INSN_MAX, (v->mode & MODE_CS_MASK) == MODE_CS64 ? 64 : 32);
	return (u16)(length > before ? length - before : 0);
}

static void scan(struct direct_vcpu *d, u64 gpa, u16 entered_at)
{
	struct memory *m = &d->machine->machine->memory;

	gate_alone(d->v);
	if (!(*memory_flag(m, gpa) & PAGE_SCANNED)) {
		bt_forbid_writes(d->machine->machine, gpa);
		*memory_flag(m, gpa) |= look(d, gpa, entered_at);
	}
	gate_open(d->v);
}

/* The page at `gpa` and the one that follows it in the space have no such instruction across their border. */
static bool border_fits(const struct direct_machine *dm, u64 gpa, u64 next_gpa)
{
	const u8 *base = dm->machine->memory.base;
	u8 bytes[2 * SENSITIVE_STRADDLE];

	memcpy(bytes, base + gpa + PAGE_SIZE - SENSITIVE_STRADDLE, SENSITIVE_STRADDLE);
	memcpy(bytes + SENSITIVE_STRADDLE, base + next_gpa, SENSITIVE_STRADDLE);
	return sensitive_find(&dm->sensitive, bytes, 0, sizeof(bytes)) < 0;
}

/* Where the page of `linear` is, if it may be executed */
static bool executable(const struct direct_vcpu *d, const struct user_space *u, u64 linear, u64 *gpa)
{
	unsigned int shift;
	u64 e = space_entry(&d->cpu.tables, &u->space, linear, &shift);

	if (!e || !(entry_rights(e) & ACC_EXEC))
		return false;
	*gpa = entry_gpa(e, 12);
	return true;
}

bool user_code_fits(struct direct_vcpu *d, const struct user_space *u, u64 linear, u64 gpa)
{
	const struct memory *m = &d->machine->machine->memory;
	u64 page = linear & ~4095ull, neighbour;
	u16 entered_at = 0;
	u8 flag;

	gpa &= ~4095ull;
	flag = *memory_flag(m, gpa);
	if (!(flag & PAGE_SCANNED) || (flag & PAGE_ABSENT)) {
		entered_at = entry(d, linear, gpa);
		if (!(flag & PAGE_SCANNED))
			scan(d, gpa, entered_at);
		flag = *memory_flag(m, gpa);
	}
	if ((flag & (PAGE_SCANNED | PAGE_SENSITIVE)) != PAGE_SCANNED)
		return false;
	if ((flag & PAGE_ABSENT) &&
	    (atomic_load(&d->machine->absent_is_ud) || sensitive_leads_to_absent(m->base + gpa, entered_at)))
		return false;
	if ((flag & PAGE_TAIL) && executable(d, u, page + PAGE_SIZE, &neighbour) &&
	    !border_fits(d->machine, gpa, neighbour))
		return false;
	return !executable(d, u, page - PAGE_SIZE, &neighbour) || !(*memory_flag(m, neighbour) & PAGE_TAIL) ||
	       border_fits(d->machine, neighbour, gpa);
}
