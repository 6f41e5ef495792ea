/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "naive.h"

static bool bit(u64 value, unsigned int n)
{
	return value >> n & 1;
}

static u64 bits(u64 value, unsigned int high, unsigned int low)
{
	return value >> low & ((2ull << (high - low)) - 1);
}

bool naive_present(const struct ept_format *f, u64 entry)
{
	return bits(entry, 2, 0) || ((f->features & EPT_USES_MBEC) && bit(entry, 10));
}

bool naive_maps_page(const struct ept_format *f, unsigned int level, u64 entry)
{
	switch (level) {
	case 1:
		return true;
	case 2:
		return bit(entry, 7) && (f->features & EPT_HAS_2M);
	case 3:
		return bit(entry, 7) && (f->features & EPT_HAS_1G);
	default:
		return false;
	}
}

/* "EPT Misconfigurations" */
bool naive_misconfigured(const struct ept_format *f, unsigned int level, u64 entry)
{
	bool page = naive_maps_page(f, level, entry);

	if (!naive_present(f, entry))
		return false;
	/* "Bit 0 of the entry is clear and bit 1 is set" */
	if (!bit(entry, 0) && bit(entry, 1))
		return true;
	/* "the processor does not support execute-only translations and" ... */
	if (!(f->features & EPT_HAS_EXEC_ONLY)) {
		if (!bit(entry, 0) && bit(entry, 2))
			return true;
		if ((f->features & EPT_USES_MBEC) && !bit(entry, 0) && bit(entry, 10))
			return true;
	}
	/* "A reserved bit is set." */
	if (f->maxphyaddr < 52 && bits(entry, 51, f->maxphyaddr))
		return true;
	switch (level) {
	case 4:
		if (bits(entry, 7, 3))
			return true;
		break;
	case 3:
		if (page ? bits(entry, 29, 12) : bits(entry, 7, 3))
			return true;
		break;
	case 2:
		if (page ? bits(entry, 20, 12) : bits(entry, 7, 3))
			return true;
		break;
	}
	/* "The entry is the last one used and the value of bits 5:3 is 2, 3, or 7" */
	return page && (bits(entry, 5, 3) == 2 || bits(entry, 5, 3) == 3 || bits(entry, 5, 3) == 7);
}

static void refuse(const struct ept_space *s, u32 access, struct naive *n)
{
	bool linear = access & EPT_ACC_LINEAR, final = linear && (access & EPT_ACC_FINAL);
	u32 q = access & 7;

	if (linear && !final && (s->format.features & EPT_USES_AD))
		q |= 3;
	if (n->readable)
		q |= 0x8;
	if (n->writable)
		q |= 0x10;
	if (n->execute_s)
		q |= 0x20;
	if (n->execute_u && (s->format.features & EPT_USES_MBEC))
		q |= 0x40;
	if (linear)
		q |= 0x80;
	if (final)
		q |= 0x100;
	if (final && (s->format.features & EPT_HAS_ADVANCED_INFO))
		q |= access & 0xe00;
	q |= access & 0x1000;
	n->what = NAIVE_VIOLATION;
	n->qualification = q;
}

static void step(const struct ept_space *s, unsigned int level, u64 table, u64 from, u32 access, struct naive *n)
{
	const struct ept_format *f = &s->format;
	bool mbec = f->features & EPT_USES_MBEC, ad = f->features & EPT_USES_AD;
	bool structure = (access & EPT_ACC_LINEAR) && !(access & EPT_ACC_FINAL), refused;
	u32 refs = 0;
	const u64 *page = s->table(s->ctx, table, false, &refs);
	u64 entry = page ? page[bits(from, 11 + 9 * level, 3 + 9 * level)] : ~0ull;

	if (!naive_present(f, entry)) {
		n->readable = n->writable = n->execute_s = n->execute_u = false;
		refuse(s, access, n);
		return;
	}
	if (naive_misconfigured(f, level, entry)) {
		n->what = NAIVE_MISCONFIG;
		return;
	}
	n->readable &= bit(entry, 0);
	n->writable &= bit(entry, 1);
	n->execute_s &= bit(entry, 2);
	n->execute_u &= bit(entry, mbec ? 10 : 2);
	n->accessed &= bit(entry, 8) || !ad;
	if (!naive_maps_page(f, level, entry)) {
		step(s, level - 1, bits(entry, 51, 12) << 12, from, access, n);
		return;
	}
	refused = (access & EPT_ACC_READ) && !n->readable;
	refused |= ((access & EPT_ACC_WRITE) || (structure && ad)) && !n->writable;
	refused |= (access & EPT_ACC_EXEC) && !(access & EPT_ACC_USER ? n->execute_u : n->execute_s);
	if (refused) {
		refuse(s, access, n);
		return;
	}
	n->what = NAIVE_TRANSLATES;
	n->page_size = level == 1 ? 4096 : level == 2 ? 2 << 20 : 1 << 30;
	n->to = bits(entry, 51, 12) * 4096 + from % n->page_size;
	n->type = bits(entry, 5, 3);
	n->ipat = bit(entry, 6);
	n->dirty = bit(entry, 9) || !ad;
}

struct naive naive_walk(const struct ept_space *s, u64 from, u32 access)
{
	struct naive n = { 0 };

	n.readable = n.writable = n.execute_s = n.execute_u = n.accessed = true;
	step(s, 4, s->root, from, access, &n);
	return n;
}
