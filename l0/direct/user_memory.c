/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address spaces of user code that runs directly. One for each context of the soft TLB (cpu/tlb.h), and in the same relation to the guest's
 * tables: it holds what a walk has found, with the rights that need no other walk, so what may be accessed is marked accessed and what may
 * be written is marked dirty; and what drops something of a context drops it here, before the next run.
 *
 * A space is given up as a whole when anything in it goes, since KVM doesn't see changes (tables.h). So it has to be filled fast: a page
 * fault brings its neighbours with it, as far as they need nothing but to be read.
 */
#include "user.h"

#include <string.h>

#include "../cpu/mmu.h"
#include "../machine/machine.h"
#include "../vmx/apic.h"
#include "../vmx/vmx.h"

#define REGION BIT(21)

static u64 page_index(const struct memory *m, u64 gpa)
{
	return (u64)(memory_flag(m, gpa) - m->flags);
}

static void give_up(struct user_space *u)
{
	u->space = (struct space){ 0 };
}

static void give_up_all(struct direct_vcpu *d)
{
	for (unsigned int i = 0; i < TLB_CONTEXTS; i++)
		give_up(&d->spaces[i]);
}

static bool forget(struct direct_vcpu *d)
{
	d->stats.forgets++;
	give_up_all(d);
	return !monitor_forget(&d->cpu);
}

/* What the soft TLB has dropped since the last time. */
static void follow_tlb(const struct direct_vcpu *d, struct user_space *u, struct tlb_dropped *dropped)
{
	bool gone = dropped->count > TLB_DROPPED_PAGES;

	for (unsigned int i = 0; i < dropped->count && !gone; i++)
		gone = space_holds(&d->cpu.tables, &u->space, dropped->page[i]);
	dropped->count = 0;
	if (gone)
		give_up(u);
}

struct user_space *user_space_current(struct direct_vcpu *d)
{
	struct user_space *u = &d->spaces[d->v->tlb - d->v->tlbs];
	u64 epoch = atomic_load(&d->machine->epoch);

	if (d->epoch != epoch) {
		give_up_all(d);
		d->epoch = epoch;
	}
	follow_tlb(d, u, &d->v->tlb->dropped);
	if (u->space.root)
		return u;
	d->stats.spaces++;
	if (space_begin(&d->cpu.tables, &u->space))
		return u;
	return forget(d) && space_begin(&d->cpu.tables, &u->space) ? u : NULL;
}

bool user_mapped(const struct direct_vcpu *d, const struct user_space *u, u64 linear, unsigned int access)
{
	unsigned int shift;
	u64 e = space_entry(&d->cpu.tables, &u->space, linear, &shift);

	return e && !(access & ~entry_rights(e));
}

/* Linear addresses that user code can have in a space of ours */
static bool mappable(u64 linear)
{
	return linear >> 47 == 0;
}

/* In a region where code was found beside data: by 4 KiB pages from now on, so that only the code's are looked at. */
static bool is_small(const struct user_space *u, u64 linear)
{
	for (unsigned int i = 0; i < sizeof(u->small) / sizeof(u->small[0]); i++)
		if (u->small[i] == (linear & ~(REGION - 1)) + 1)
			return true;
	return false;
}

static void make_small(struct user_space *u, u64 linear)
{
	u->small[u->small_next++ % (sizeof(u->small) / sizeof(u->small[0]))] = (linear & ~(REGION - 1)) + 1;
}

/* May stores go to this page unnoticed, as far as L0 is concerned? */
static bool unwatched(const struct memory *m, u64 gpa, u64 pages)
{
	const _Atomic u8 *flag = memory_flag(m, gpa);

	for (u64 i = 0; i < pages; i++)
		if (flag[i] & PAGE_WATCHED)
			return false;
	return true;
}

static void note_writable(struct direct_vcpu *d, u64 gpa, u64 pages)
{
	memset(d->machine->writable + page_index(&d->machine->machine->memory, gpa), 1, pages);
}

/* One 4 KiB page that a walk has found. rights: what it may have at the most */
static enum space_result map_small(struct direct_vcpu *d, struct user_space *u, u64 linear, const struct mmu_page *page,
				   unsigned int rights)
{
	struct memory *m = &d->machine->machine->memory;
	u64 at = linear & ~4095ull, gpa = page->gpa & ~4095ull;
	enum space_result result;

	rights &= page->rights | ACC_EXEC;
	if ((rights & ACC_WRITE) && !unwatched(m, gpa, 1))
		rights &= ~ACC_WRITE;
	if (rights & ACC_WRITE)
		note_writable(d, gpa, 1);
	result = space_map(&d->cpu.tables, &u->space, at, gpa, 12, rights | ACC_READ, page->shift);
	if (result == SPACE_DONE)
		d->stats.pages++;
	return result;
}

/* All 2 MiB that are one piece for the guest and for us: only data. False: not so. */
static bool map_large(struct direct_vcpu *d, struct user_space *u, u64 linear, const struct mmu_page *page)
{
	struct memory *m = &d->machine->machine->memory;
	u64 at = linear & ~(REGION - 1), gpa = page->gpa & ~(REGION - 1);
	unsigned int rights = page->rights & (ACC_READ | ACC_WRITE);

	if (page->run < 21 || (page->gpa & (REGION - 1)) != (linear & (REGION - 1)) ||
	    !memory_range_is_ram(m, gpa, REGION) || is_small(u, linear))
		return false;
	if (d->v->apic_access && (d->v->apic_access & ~4095ull) - gpa < REGION)
		return false;
	if ((rights & ACC_WRITE) && !unwatched(m, gpa, REGION / PAGE_SIZE))
		return false;
	if (rights & ACC_WRITE)
		note_writable(d, gpa, REGION / PAGE_SIZE);
	if (space_map(&d->cpu.tables, &u->space, at, gpa, 21, rights, page->shift) != SPACE_DONE)
		return false;
	d->stats.large_pages++;
	return true;
}

static bool usable(const struct vcpu *v, const struct mmu_page *page)
{
	return memory_is_ram(&v->machine->memory, page->gpa) && !vmx_apic_page(v, page->gpa);
}

/* Pages near `linear` that aren't mapped yet and need nothing done to them: data, and code that was looked at already. */
static void map_around(struct direct_vcpu *d, struct user_space *u, u64 linear, u64 bytes)
{
	const struct memory *m = &d->machine->machine->memory;
	u64 from = linear & ~(bytes - 1);
	struct mmu_page page;
	unsigned int shift;

	for (u64 at = from; at < from + bytes; at += PAGE_SIZE) {
		unsigned int rights = ACC_READ | ACC_WRITE;

		if (space_entry(&d->cpu.tables, &u->space, at, &shift) ||
		    !mmu_peek(d->v, at, ACC_READ | ACC_USER, &page) || !usable(d->v, &page))
			continue;
		if ((page.rights & ACC_EXEC) && (*memory_flag(m, page.gpa) & PAGE_SCAN_RESULT) == PAGE_SCANNED &&
		    user_code_fits(d, u, at, page.gpa))
			rights = ACC_READ | ACC_EXEC;
		if (map_small(d, u, at, &page, rights) != SPACE_DONE)
			return;
	}
}

#define LARGE_AROUND 64 /* 2 MiB regions to either side */

/*
 * Memory that a program computes in comes in large pages that lie side by side, and each fault costs what a stay costs. Pages that aren't dirty
 * stay out: the first store would take them apart.
 */
static void map_large_around(struct direct_vcpu *d, struct user_space *u, u64 linear)
{
	struct mmu_page page;

	for (int step = -1; step <= 1; step += 2) {
		u64 at = linear & ~(REGION - 1);

		for (int i = 0; i < LARGE_AROUND; i++) {
			at += (u64)step * REGION;
			if (!mappable(at) || space_has_region(&d->cpu.tables, &u->space, at) ||
			    !mmu_peek_large(d->v, at, &page) || !(page.rights & ACC_WRITE) || !usable(d->v, &page) ||
			    !map_large(d, u, at, &page))
				break;
		}
	}
}

/* A walk that sets accessed and dirty flags; in L2 it may have to tell L1, for which all state has to be in *v. */
static bool walk(struct direct_vcpu *d, u64 linear, unsigned int access, struct mmu_page *page)
{
	u32 error;
	bool found;

	if (!d->v->in_l2)
		return mmu_walk(d->v, linear, access | ACC_USER, page, &error);
	user_take_state(d);
	d->translate = true; /* if it doesn't come back */
	d->unwound_ns = run_timer_now();
	found = mmu_walk(d->v, linear, access | ACC_USER, page, &error);
	d->unwound_ns = 0;
	return found;
}

#define AROUND_FIRST (64 * PAGE_SIZE)

bool user_fill(struct direct_vcpu *d, struct user_space *u, u64 linear, unsigned int access)
{
	bool known, execute = access == ACC_EXEC;
	enum space_result result;
	struct mmu_page page;
	unsigned int shift;

	if (!mappable(linear))
		return false;
	/* a read without marks is what L2's tables allow without an exit */
	if (!mmu_peek(d->v, linear, ACC_READ | ACC_USER, &page) || (access & ~page.rights))
		if (!walk(d, linear, access, &page))
			return false;
	if (!usable(d->v, &page) || (access & ~page.rights))
		return false;
	if (access == ACC_WRITE && !unwatched(&d->machine->machine->memory, page.gpa, 1))
		return false;
	if (execute && !user_code_fits(d, u, linear, page.gpa))
		return false;
	known = space_has_region(&d->cpu.tables, &u->space, linear);
	if (!execute && !known && map_large(d, u, linear, &page)) {
		map_large_around(d, u, linear);
		return true;
	}
	result = map_small(d, u, linear, &page,
			   execute		 ? ACC_EXEC
			   : access == ACC_WRITE ? ACC_WRITE
						 : page.rights & ACC_WRITE);
	if (result == SPACE_REDUCES) {
		if (space_entry(&d->cpu.tables, &u->space, linear, &shift) && shift == 21)
			make_small(u, linear);
		give_up(u);
	}
	if (result != SPACE_DONE) {
		if (result == SPACE_FULL && !forget(d))
			return false;
		u = user_space_current(d); /* into what takes its place */
		return u && map_small(d, u, linear, &page, execute ? ACC_EXEC : ACC_WRITE) == SPACE_DONE;
	}
	map_around(d, u, linear, known ? REGION : AROUND_FIRST);
	return true;
}
