/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ept_check.h"

/* What a table says about one address; read naively, entry by entry. */
struct reading {
	bool translates;
	u64 to;
	unsigned int shift;
	u32 rights;
	bool accessed, dirty, ipat;
	u8 type;
};

static bool uses(const struct ept_space *s, u32 feature)
{
	return s->format.features & feature;
}

/* SDM vol. 3, "EPT Misconfigurations", for a present entry; leaf: it maps a page */
static bool entry_is_wrong(const struct ept_space *s, unsigned int level, u64 entry, bool leaf)
{
	bool r = entry & 1, w = entry & 2;
	unsigned int bit, type = entry >> 3 & 7;

	if (w && !r)
		return true;
	if (!r && !uses(s, EPT_HAS_EXEC_ONLY))
		return true;
	for (bit = s->format.maxphyaddr; bit < 52; bit++)
		if (entry >> bit & 1)
			return true;
	if (!leaf)
		return entry >> 3 & 31;
	for (bit = 12; level > 1 && bit < 12 + 9 * (level - 1); bit++)
		if (entry >> bit & 1)
			return true;
	return type == 2 || type == 3 || type == 7;
}

static void read_table(const struct ept_space *s, u64 from, struct reading *r)
{
	u64 table = s->root, entry = 0, offset;
	unsigned int level;
	u64 *page;
	u32 refs = 0;
	bool leaf, xu;

	r->translates = false;
	r->rights = 15;
	r->accessed = true;
	for (level = 4; level >= 1; level--) {
		page = s->table(s->ctx, table, false, &refs);
		if (!page || page == EPT_TABLE_LATER)
			return;
		entry = page[from >> (3 + 9 * level) & 511];
		xu = uses(s, EPT_USES_MBEC) ? entry >> 10 & 1 : entry >> 2 & 1;
		if (!(entry & 7) && !(uses(s, EPT_USES_MBEC) && xu))
			return;
		leaf = level == 1 || (level == 2 && (entry & 128) && uses(s, EPT_HAS_2M)) ||
		       (level == 3 && (entry & 128) && uses(s, EPT_HAS_1G));
		if (entry_is_wrong(s, level, entry, leaf))
			return;
		r->rights &= (u32)(entry & 7) | (xu ? 8 : 0);
		if (!(entry & 256))
			r->accessed = false;
		if (leaf)
			break;
		table = entry & 0xffffffffff000;
	}
	offset = (1ull << (3 + 9 * level)) - 1;
	r->translates = true;
	r->shift = 3 + 9 * level;
	r->to = (entry & 0xffffffffff000 & ~offset) | (from & offset);
	r->dirty = entry & 512;
	r->type = entry >> 3 & 7;
	r->ipat = entry >> 6 & 1;
	if (!uses(s, EPT_USES_AD))
		r->accessed = r->dirty = true;
}

/* MTRR type and PAT type, in the words of the table's notes instead of the table. */
static u8 stronger(u8 mtrr, u8 pat)
{
	if (pat == EPT_UC || pat == EPT_WC)
		return pat;
	if (mtrr == EPT_UC)
		return EPT_UC;
	if (mtrr == EPT_WC)
		return pat == EPT_WB ? EPT_WC : EPT_UC;
	return pat == EPT_WB ? mtrr : pat;
}

/* Where the check is. */
struct cursor {
	const struct ept_tree *tree;
	const struct ept01 *ept01;
	struct ept_check *c;
	l2pa at;
	unsigned int level;
	u64 entry;
};

/* false: the caller wants no more */
static bool differs(const struct cursor *k, enum ept_difference_kind kind, u64 expected, u64 got)
{
	struct ept_difference d = { kind, k->at, k->level, k->entry, expected, got };

	k->c->differences++;
	return k->c->report(k->c->ctx, &d);
}

static bool check_leaf(const struct cursor *k)
{
	const struct ept_space *s = &k->tree->space;
	unsigned int shift = 3 + 9 * k->level, smaller;
	u64 to = k->entry & 0xffffffffff000 & ~((1ull << shift) - 1);
	struct reading r12, r01;
	u32 rights = k->entry & 7;
	u8 type, got_type = k->entry >> 3 & 15;

	if (k->c->stale && k->c->stale(k->c->ctx, k->at, 1ull << shift)) {
		k->c->skipped++;
		return true;
	}
	read_table(&k->tree->ept12.space, k->at.v, &r12);
	if (!r12.translates)
		return differs(k, EPT_DIFFERS_EPT12, 0, to);
	read_table(&k->ept01->space, r12.to, &r01);
	if (!r01.translates)
		return differs(k, EPT_DIFFERS_EPT01, r12.to, to);
	smaller = r12.shift < r01.shift ? r12.shift : r01.shift;
	if (shift > smaller && !differs(k, EPT_DIFFERS_SIZE, smaller, shift))
		return false;
	if (to != r01.to && !differs(k, EPT_DIFFERS_ADDRESS, r01.to, to))
		return false;
	rights |= (uses(s, EPT_USES_MBEC) ? k->entry >> 10 & 1 : k->entry >> 2 & 1) << 3;
	if ((rights & ~(r12.rights & r01.rights)) && !differs(k, EPT_DIFFERS_RIGHTS, r12.rights & r01.rights, rights))
		return false;
	if ((rights & 2) && !(r12.dirty && r01.dirty) && !differs(k, EPT_DIFFERS_DIRTY, 0, rights))
		return false;
	if (!(r12.accessed && r01.accessed) && !differs(k, EPT_DIFFERS_ACCESSED, 1, 0))
		return false;
	type = r01.ipat ? r01.type : stronger(r01.type, r12.type);
	type |= (r01.ipat || r12.ipat) << 3;
	return type == got_type || differs(k, EPT_DIFFERS_TYPE, type, got_type);
}

bool ept_check(const struct ept_tree *tree, const struct ept01 *ept01, struct ept_check *c)
{
	const struct ept_space *s = &tree->space;
	struct cursor k = { tree, ept01, c, { 0 }, 4, 0 };
	u64 table[5], present = 7 | (uses(s, EPT_USES_MBEC) ? 1024 : 0);
	unsigned int index[5] = { 0 };
	u32 refs = 0;
	u64 *page;
	bool leaf;

	c->tables = c->leaves = c->skipped = c->differences = 0;
	table[4] = s->root;
	while (k.level <= 4) {
		if (index[k.level] == 512) {
			k.level++;
			continue;
		}
		page = s->table(s->ctx, table[k.level], false, &refs);
		if (!page) {
			if (!differs(&k, EPT_DIFFERS_TABLE, 0, table[k.level]))
				return false;
			k.level++;
			continue;
		}
		c->tables += index[k.level] == 0;
		k.entry = page[index[k.level]];
		k.at.v &= ~((1ull << (12 + 9 * k.level)) - 1);
		k.at.v |= (u64)index[k.level]++ << (3 + 9 * k.level);
		if (!(k.entry & present))
			continue;
		leaf = k.level == 1 || (k.level < 4 && (k.entry & 128));
		if (entry_is_wrong(s, k.level, k.entry, leaf)) {
			if (!differs(&k, EPT_DIFFERS_ENTRY, 0, k.entry))
				return false;
		} else if (leaf) {
			c->leaves++;
			if (!check_leaf(&k))
				return false;
		} else {
			k.level--;
			table[k.level] = k.entry & 0xffffffffff000;
			index[k.level] = 0;
		}
	}
	return !c->differences;
}

const char *ept_difference_text(enum ept_difference_kind kind)
{
	static const char *const texts[] = {
#define D(name, text) text,
		EPT_DIFFERENCES(D)
#undef D
	};

	return (unsigned int)kind < sizeof(texts) / sizeof(texts[0]) ? texts[kind] : "unknown";
}
