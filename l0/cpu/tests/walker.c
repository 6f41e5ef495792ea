/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "walker.h"
#include <string.h>
#include "../../machine/machine.h"
#include "../mmu.h"
#include "../model.h"

struct state {
	const struct vcpu *v;
	u64 linear;
	unsigned int access;
	bool writable, user, executable; /* so far */
	unsigned int key;
	struct walker_result *r;
};

static u64 bits(u64 value, unsigned int high, unsigned int low)
{
	return value >> low & ((2ull << (high - low)) - 1);
}

u64 walker_entry(const struct vcpu *v, u64 gpa, unsigned int size)
{
	const u8 *host = memory_host(&v->machine->memory, gpa);
	u64 value = 0;

	if (!host)
		return size == 4 ? 0xffffffff : ~0ull;
	memcpy(&value, host, size);
	return value;
}

static bool is_fetch(const struct state *s)
{
	return s->access & ACC_EXEC;
}

static bool is_write(const struct state *s)
{
	return s->access & ACC_WRITE;
}

static bool is_user(const struct state *s)
{
	return s->access & ACC_USER;
}

static bool fault(struct state *s, bool present, bool reserved, bool key)
{
	bool nxe = (s->v->efer & EFER_NX) && (s->v->cr4 & CR4_PAE);
	bool smep = s->v->cr4 & CR4_SMEP;

	s->r->ok = false;
	s->r->error = (u32)present | (is_write(s) ? 2u : 0) | (is_user(s) ? 4u : 0) | (u32)reserved << 3 |
		      (u32)(is_fetch(s) && (nxe || smep)) << 4 | (u32)key << 5;
	return false;
}

/* "Determination of Access Rights" as a tree of the SDM's bullets */
static bool access_allowed(const struct state *s, bool *key_violation)
{
	const struct vcpu *v = s->v;
	bool wp = v->cr0 & CR0_WP, smap = v->cr4 & CR4_SMAP, smep = v->cr4 & CR4_SMEP, ok;
	bool on = s->user ? v->cr4 & CR4_PKE : v->cr4 & CR4_PKS;
	bool keys = on && (v->efer & EFER_LMA) && !is_fetch(s);
	u32 rights = s->user ? v->pkru : v->pkrs;
	bool ad = rights >> (2 * s->key) & 1, wd = rights >> (2 * s->key + 1) & 1;

	*key_violation = keys && (ad || (wd && is_write(s) && ((s->user && is_user(s)) || wp)));
	if (is_fetch(s)) {
		if (is_user(s))
			ok = s->user && s->executable;
		else if (s->user)
			ok = !smep && s->executable;
		else
			ok = s->executable;
	} else if (is_user(s)) {
		ok = s->user && (s->writable || !is_write(s));
	} else if (s->user) {
		bool explicit_ac = !(s->access & ACC_IMPLICIT) && (v->rflags & FLAG_AC);

		ok = (!smap || explicit_ac) && (!is_write(s) || s->writable || !wp);
	} else {
		ok = !is_write(s) || s->writable || !wp;
	}
	return ok && !*key_violation;
}

static void add(struct state *s, u64 at, unsigned int size, u64 value)
{
	s->r->entry[s->r->entries].gpa = at;
	s->r->entry[s->r->entries].size = size;
	s->r->entry[s->r->entries].after = value;
	s->r->entries++;
}

static bool page(struct state *s, u64 entry, u64 frame, unsigned int shift)
{
	struct walker_result *r = s->r;
	bool key;

	s->key = (unsigned int)bits(entry, 62, 59);
	if (!access_allowed(s, &key))
		return fault(s, true, false, key);
	r->ok = true;
	r->gpa = frame + bits(s->linear, shift - 1, 0);
	r->shift = shift;
	r->global = bits(entry, 8, 8) && (s->v->cr4 & CR4_PGE);
	r->user = s->user;
	/* the same entry may serve as several levels: what is set is set in all of its uses */
	for (unsigned int i = 0; i < r->entries; i++) {
		u64 set = 0x20 | (i + 1 == r->entries && is_write(s) ? 0x40 : 0);

		for (unsigned int j = 0; j < r->entries; j++) {
			u64 distance = r->entry[i].gpa - r->entry[j].gpa;

			if (!distance && memory_is_ram(&s->v->machine->memory, r->entry[j].gpa))
				r->entry[j].after |= set;
		}
	}
	r->dirty = bits(r->entry[r->entries - 1].after, 6, 6);
	return true;
}

static void collect(struct state *s, u64 entry, bool wide)
{
	s->writable = s->writable && bits(entry, 1, 1);
	s->user = s->user && bits(entry, 2, 2);
	if (wide)
		s->executable = s->executable && !bits(entry, 63, 63);
}

/* what is reserved in every 8-byte entry */
static bool reserved_wide(const struct state *s, u64 entry)
{
	unsigned int m = s->v->model->phys_bits;

	if (m < 52 && bits(entry, 51, m))
		return true;
	if (!(s->v->efer & EFER_LMA) && bits(entry, 62, 52))
		return true;
	return bits(entry, 63, 63) && !(s->v->efer & EFER_NX);
}

static u64 address(const struct state *s, u64 entry, unsigned int low)
{
	return bits(entry, s->v->model->phys_bits - 1, low) << low;
}

/* level 1: page table ... level 5: PML5 */
static bool wide_table(struct state *s, u64 table, unsigned int level)
{
	unsigned int shift = 12 + 9 * (level - 1);
	u64 at = table + bits(s->linear, shift + 8, shift) * 8;
	u64 entry = walker_entry(s->v, at, 8);

	add(s, at, 8, entry);
	if (!bits(entry, 0, 0))
		return fault(s, false, false, false);
	if (reserved_wide(s, entry))
		return fault(s, true, true, false);
	collect(s, entry, true);
	if (level == 1)
		return page(s, entry, address(s, entry, 12), 12);
	if (bits(entry, 7, 7)) {
		if (level > 3 || (level == 3 && !model_has(s->v->model, FEATURE_PDPE1GB)))
			return fault(s, true, true, false);
		if (bits(entry, shift - 1, 13))
			return fault(s, true, true, false);
		return page(s, entry, address(s, entry, shift), shift);
	}
	return wide_table(s, address(s, entry, 12), level - 1);
}

static bool narrow_page_table(struct state *s, u64 table)
{
	u64 at = table + bits(s->linear, 21, 12) * 4;
	u64 entry = walker_entry(s->v, at, 4);

	add(s, at, 4, entry);
	if (!bits(entry, 0, 0))
		return fault(s, false, false, false);
	collect(s, entry, false);
	return page(s, entry, bits(entry, 31, 12) << 12, 12);
}

static bool narrow_directory(struct state *s, u64 table)
{
	u64 at = table + bits(s->linear, 31, 22) * 4;
	u64 entry = walker_entry(s->v, at, 4), frame;
	unsigned int m = s->v->model->phys_bits;

	add(s, at, 4, entry);
	if (!bits(entry, 0, 0))
		return fault(s, false, false, false);
	if (!(s->v->cr4 & CR4_PSE) || !bits(entry, 7, 7)) {
		collect(s, entry, false);
		return narrow_page_table(s, bits(entry, 31, 12) << 12);
	}
	frame = bits(entry, 31, 22) << 22;
	if (m > 40)
		m = 40;
	if (!model_has(s->v->model, FEATURE_PSE36)) {
		if (bits(entry, 21, 13))
			return fault(s, true, true, false);
	} else {
		if (bits(entry, 21, m - 19))
			return fault(s, true, true, false);
		frame |= bits(entry, m - 20, 13) << 32;
	}
	collect(s, entry, false);
	return page(s, entry, frame, 22);
}

static bool walk(struct state *s)
{
	const struct vcpu *v = s->v;

	if (!(v->cr4 & CR4_PAE))
		return narrow_directory(s, bits(v->cr3, 31, 12) << 12);
	if (!(v->efer & EFER_LMA)) {
		u64 pdpte = v->pdpte[bits(s->linear, 31, 30)];

		if (!bits(pdpte, 0, 0))
			return fault(s, false, false, false);
		return wide_table(s, address(s, pdpte, 12), 2);
	}
	return wide_table(s, address(s, v->cr3, 12), v->cr4 & CR4_LA57 ? 5 : 4);
}

void walker_walk(const struct vcpu *v, u64 linear, unsigned int access, struct walker_result *r)
{
	struct state s = {
		.v = v, .linear = linear, .access = access, .writable = true, .user = true, .executable = true, .r = r
	};

	memset(r, 0, sizeof(*r));
	walk(&s);
}

unsigned int walker_rights(const struct vcpu *v, u64 linear, unsigned int access)
{
	static const unsigned int kinds[] = { ACC_READ, ACC_WRITE, ACC_EXEC };
	unsigned int rights = 0, who = access & (ACC_USER | ACC_IMPLICIT);
	struct walker_result r;
	bool dirty;

	walker_walk(v, linear, access, &r);
	dirty = r.dirty;
	for (unsigned int i = 0; i < 3; i++) {
		walker_walk(v, linear, kinds[i] | who, &r);
		if (r.ok && (kinds[i] != ACC_WRITE || dirty))
			rights |= kinds[i];
	}
	return rights;
}
