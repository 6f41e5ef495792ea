/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ept_merge.h"

/* MTRR type down, PAT type across: SDM vol. 3, "Effective Page-Level Memory Types" */
/* clang-format off */
static const u8 effective_type[EPT_WB + 1][EPT_WB + 1] = {
	/*            UC                    WC                    WT                    WP                    WB */
	[EPT_UC] = { [EPT_UC] = EPT_UC, [EPT_WC] = EPT_WC, [EPT_WT] = EPT_UC, [EPT_WP] = EPT_UC, [EPT_WB] = EPT_UC },
	[EPT_WC] = { [EPT_UC] = EPT_UC, [EPT_WC] = EPT_WC, [EPT_WT] = EPT_UC, [EPT_WP] = EPT_UC, [EPT_WB] = EPT_WC },
	[EPT_WT] = { [EPT_UC] = EPT_UC, [EPT_WC] = EPT_WC, [EPT_WT] = EPT_WT, [EPT_WP] = EPT_WP, [EPT_WB] = EPT_WT },
	[EPT_WP] = { [EPT_UC] = EPT_UC, [EPT_WC] = EPT_WC, [EPT_WT] = EPT_WT, [EPT_WP] = EPT_WP, [EPT_WB] = EPT_WP },
	[EPT_WB] = { [EPT_UC] = EPT_UC, [EPT_WC] = EPT_WC, [EPT_WT] = EPT_WT, [EPT_WP] = EPT_WP, [EPT_WB] = EPT_WB },
};
/* clang-format on */

u8 ept_merge_type(const struct ept_walk *ept12, const struct ept_walk *ept01, bool *ipat)
{
	*ipat = ept01->ipat || ept12->ipat;
	return ept01->ipat ? ept01->type : effective_type[ept01->type][ept12->type];
}

/* The rights that may be kept without another walk. */
static u32 lasting_rights(const struct ept_walk *w)
{
	return w->dirty ? w->rights : w->rights & ~EPT_RIGHT_W;
}

/* L2's access as L1's memory sees it: no guest of L1 has tables here, so no access is one to a paging structure. */
static void walk01(const struct ept12 *ept12, const struct ept01 *ept01, u32 access, struct ept_merge *m)
{
	u32 asked = (access & (EPT_ACC_READ | EPT_ACC_WRITE | EPT_ACC_EXEC | EPT_ACC_USER | EPT_ACC_PROBE)) |
		    EPT_ACC_LINEAR | EPT_ACC_FINAL;
	bool more = ept_needed(&ept12->space.format, access) & EPT_RIGHT_W & ~access;
	u32 refs;

	if (more && ept_walk(&ept01->space, m->l1.v, asked | EPT_ACC_WRITE, &m->ept01) != EPT_WALK_VIOLATION)
		return;
	refs = more ? m->ept01.refs : 0;
	ept_walk(&ept01->space, m->l1.v, asked, &m->ept01);
	m->ept01.refs += refs;
}

static void count12(struct ept_stats *stats, const struct ept_walk *w)
{
	stats->walks12++;
	stats->refs12 += w->refs;
	stats->l1_violations += w->result == EPT_WALK_VIOLATION;
	stats->l1_misconfigs += w->result == EPT_WALK_MISCONFIG;
	stats->l1_pml_full += w->result == EPT_WALK_PML_FULL;
	stats->l0_misses += w->result == EPT_WALK_TABLE;
}

enum ept_merge_result ept_merge_walk(const struct ept12 *ept12, const struct ept01 *ept01, l2pa from, u32 access,
				     struct ept_merge *m, struct ept_stats *stats)
{
	m->hit = false;
	ept_walk(&ept12->space, from.v, access, &m->ept12);
	count12(stats, &m->ept12);
	switch (m->ept12.result) {
	case EPT_WALK_OK:
		break;
	case EPT_WALK_TABLE:
		m->l1.v = m->ept12.table;
		return m->result = EPT_MERGE_L0;
	case EPT_WALK_VIOLATION:
	case EPT_WALK_MISCONFIG:
	case EPT_WALK_PML_FULL:
		return m->result = EPT_MERGE_L1;
	}
	m->l1.v = m->ept12.to;
	walk01(ept12, ept01, access, m);
	stats->walks01++;
	stats->refs01 += m->ept01.refs;
	if (m->ept01.result != EPT_WALK_OK) {
		stats->l0_misses++;
		return m->result = EPT_MERGE_L0;
	}
	m->to.v = m->ept01.to;
	m->shift = m->ept12.shift < m->ept01.shift ? m->ept12.shift : m->ept01.shift;
	m->rights = lasting_rights(&m->ept12) & lasting_rights(&m->ept01);
	m->type = ept_merge_type(&m->ept12, &m->ept01, &m->ipat);
	return m->result = EPT_MERGE_OK;
}

/* A page of the pool, for ept_walk(). */
static u64 *pool_table(void *ctx, u64 pa, bool write, u32 *refs)
{
	const struct ept_pool *pool = ctx;
	u32 index = ept_pool_index(pool, pa);

	(void)write;
	(void)refs;
	return index == EPT_POOL_NONE ? NULL : ept_pool_host(pool, index);
}

bool ept_tree_init(struct ept_tree *tree, struct ept_pool *pool, const struct ept12 *ept12,
		   const struct ept_format *ept01_format, u32 features)
{
	u32 both = ept12->space.format.features | ept01_format->features;

	tree->pages = EPT_LIST_EMPTY;
	tree->pool = pool;
	tree->root = ept_pool_take(pool, &tree->pages, EPT_TOP);
	if (tree->root == EPT_POOL_NONE)
		return false;
	tree->changes++;
	tree->ept12 = *ept12;
	tree->mbec = ept12->space.format.features & EPT_USES_MBEC;
	tree->space.format.features = EPT_HAS_EXEC_ONLY | (features & (EPT_HAS_2M | EPT_HAS_1G)) |
				      (both & EPT_USES_MBEC) | (ept12->space.format.features & EPT_USES_AD);
	tree->space.format.maxphyaddr = 52;
	tree->space.root = ept_pool_pa(pool, tree->root);
	tree->space.ctx = pool;
	tree->space.table = pool_table;
	tree->space.pml_ready = NULL;
	tree->space.pml_log = NULL;
	return true;
}

void ept_tree_empty(struct ept_tree *tree)
{
	u32 root;

	tree->changes++;
	/* There are pages as soon as the old ones are back. */
	ept_pool_give_all(tree->pool, &tree->pages);
	root = ept_pool_take(tree->pool, &tree->pages, EPT_TOP);
	tree->root = root;
	tree->space.root = ept_pool_pa(tree->pool, root);
}

void ept_tree_destroy(struct ept_tree *tree)
{
	tree->changes++;
	ept_pool_give_all(tree->pool, &tree->pages);
	tree->root = EPT_POOL_NONE;
}

u64 ept_tree_eptp(const struct ept_tree *tree)
{
	u64 ad = tree->space.format.features & EPT_USES_AD ? EPTP_AD : 0;

	return tree->space.root | (u64)(EPT_TOP - 1) << EPTP_LENGTH_SHIFT | EPT_WB | ad;
}

/* The page that a table entry of EPT02 refers to. */
static u32 child_of(const struct ept_tree *tree, u64 entry)
{
	return ept_pool_index(tree->pool, entry & EPT_ADDRESS);
}

/*
 * The leaf or hole of EPT02 where `from` ends; *level: of its table. Every entry was made here, so there is
 * nothing to classify: what is in a table above the last and isn't a large leaf is a table, if it is anything.
 */
static u64 *last_entry(const struct ept_tree *tree, l2pa from, unsigned int *level, u32 *refs)
{
	u32 page = tree->root;
	u64 *entry;

	for (*level = EPT_TOP;; --*level) {
		entry = &ept_pool_host(tree->pool, page)[ept_index(from.v, *level)];
		++*refs;
		if (!*entry || *level == 1 || (*entry & EPT_PS))
			return entry;
		page = child_of(tree, *entry);
	}
}

bool ept_tree_lookup(const struct ept_tree *tree, l2pa from, u32 access, struct ept_merge *m)
{
	u32 needed = ept_needed(&tree->space.format, access), rights, refs = 0;
	struct ept_stats *stats = tree->pool->stats;
	unsigned int level;
	u64 entry;

	if (from.v >> EPT_ADDRESS_BITS)
		return false;
	/* Flags in EPT02 were set when the leaf was entered: nothing is left to update. */
	entry = *last_entry(tree, from, &level, &refs);
	stats->walks02++;
	stats->refs02 += refs;
	rights = ept_rights(&tree->space.format, entry);
	if (!entry || (needed & ~rights))
		return false;
	stats->hits++;
	m->rights = rights;
	m->shift = ept_shift(level);
	m->to.v = (entry & EPT_ADDRESS & ~(BIT(m->shift) - 1)) | (from.v & (BIT(m->shift) - 1));
	m->type = (entry & EPT_TYPE_MASK) >> EPT_TYPE_SHIFT;
	m->ipat = entry & EPT_IPAT;
	m->hit = true;
	m->result = EPT_MERGE_OK;
	return true;
}

static u64 rights_bits(const struct ept_tree *tree, u32 rights)
{
	u64 bits = rights & 7;

	if ((tree->space.format.features & EPT_USES_MBEC) && (rights & EPT_RIGHT_XU))
		bits |= EPT_XU;
	return bits;
}

static u64 leaf_entry(const struct ept_tree *tree, const struct ept_merge *m, unsigned int shift)
{
	u64 entry = m->to.v & ~(BIT(shift) - 1);

	entry |= rights_bits(tree, m->rights) | (u64)m->type << EPT_TYPE_SHIFT | EPT_A;
	if (m->rights & EPT_RIGHT_W)
		entry |= EPT_D;
	if (m->ipat)
		entry |= EPT_IPAT;
	if (shift > 12)
		entry |= EPT_PS;
	return entry;
}

static u64 table_entry(const struct ept_tree *tree, u32 index)
{
	return ept_pool_pa(tree->pool, index) | rights_bits(tree, EPT_RIGHTS_ALL) | EPT_A;
}

static enum ept_kind kind_of(const struct ept_tree *tree, unsigned int level, u64 entry)
{
	return ept_classify(&tree->space.format, level, entry, NULL);
}

/* Give back the table `index` of `level` and all below it: depth first, without recursion. */
static void give_subtree(struct ept_tree *tree, u32 index, unsigned int level)
{
	u32 page[EPT_TOP + 1], at[EPT_TOP + 1];
	unsigned int top = level;
	u64 entry;

	page[level] = index;
	at[level] = 0;
	while (level <= top) {
		if (level == 1 || at[level] == EPT_ENTRIES) {
			ept_pool_give(tree->pool, &tree->pages, page[level]);
			level++;
			continue;
		}
		entry = ept_pool_host(tree->pool, page[level])[at[level]++];
		if (kind_of(tree, level, entry) != EPT_TABLE)
			continue;
		level--;
		page[level] = child_of(tree, entry);
		at[level] = 0;
	}
}

static void note_l1(struct ept_pool *pool, u32 index, l1pa l1, unsigned int shift)
{
	struct ept_page *p = &pool->pages[index];
	u64 from = l1.v & ~(BIT(shift) - 1), to = l1.v | (BIT(shift) - 1);

	if (from < p->from.v)
		p->from.v = from;
	if (to > p->to.v)
		p->to.v = to;
}

/* The largest leaf that EPT02 may have for a page of this size. */
static unsigned int offered_shift(const struct ept_tree *tree, unsigned int shift)
{
	if (shift == 30 && !(tree->space.format.features & EPT_HAS_1G))
		shift = 21;
	if (shift == 21 && !(tree->space.format.features & EPT_HAS_2M))
		shift = 12;
	return shift;
}

static void store(u64 *entry, u64 value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

/* Tables on the way are made as needed. false: the pool is empty; what was made is an empty table and does no harm. */
static bool enter(struct ept_tree *tree, l2pa from, const struct ept_merge *m)
{
	unsigned int shift = offered_shift(tree, m->shift), level = EPT_TOP;
	struct ept_stats *stats = tree->pool->stats;
	u32 page = tree->root, child;
	enum ept_kind kind;
	u64 *entry, old;

	for (;; level--) {
		entry = &ept_pool_host(tree->pool, page)[ept_index(from.v, level)];
		old = *entry;
		kind = kind_of(tree, level, old);
		if (ept_shift(level) == shift)
			break;
		if (kind == EPT_TABLE) {
			page = child_of(tree, old);
			continue;
		}
		child = ept_pool_take(tree->pool, &tree->pages, level - 1);
		if (child == EPT_POOL_NONE) {
			stats->pool_exhausted++;
			return false;
		}
		if (kind == EPT_LEAF) {
			stats->splits++;
			tree->changes++;
		}
		store(entry, table_entry(tree, child));
		page = child;
	}
	tree->changes += kind != EPT_HOLE;
	store(entry, leaf_entry(tree, m, shift));
	note_l1(tree->pool, page, m->l1, shift);
	if (kind == EPT_TABLE) {
		stats->remerges++;
		give_subtree(tree, child_of(tree, old), level - 1);
	}
	stats->fills_4k += shift == 12;
	stats->fills_2m += shift == 21;
	stats->fills_1g += shift == 30;
	return true;
}

enum ept_merge_result ept_tree_fill(struct ept_tree *tree, const struct ept01 *ept01, l2pa from, u32 access,
				    struct ept_merge *m)
{
	ept_merge_walk(&tree->ept12, ept01, from, access, m, tree->pool->stats);
	/* A probe left the flags alone, so nothing may be kept that depends on them; nor does it reflect anything. */
	if (access & EPT_ACC_PROBE)
		return m->result;
	if (m->result == EPT_MERGE_L1 && m->ept12.result != EPT_WALK_PML_FULL)
		ept_tree_drop(tree, from);
	/* A leaf without any right would be a hole; only an access that asks for none ends there. */
	if (m->result == EPT_MERGE_OK && m->rights && !enter(tree, from, m))
		m->result = EPT_MERGE_POOL;
	return m->result;
}

void ept_tree_drop(struct ept_tree *tree, l2pa from)
{
	unsigned int level;
	u32 refs = 0;
	u64 *entry;

	if (from.v >> EPT_ADDRESS_BITS)
		return;
	entry = last_entry(tree, from, &level, &refs);
	if (*entry) {
		store(entry, 0);
		tree->changes++;
		tree->pool->stats->dropped++;
	}
}

/* All leaves of one page; tables below it stay. */
static void clear_leaves(const struct ept_tree *tree, u32 index)
{
	struct ept_page *p = &tree->pool->pages[index];
	u64 *page = ept_pool_host(tree->pool, index);
	u32 i;

	for (i = 0; i < EPT_ENTRIES; i++)
		if (kind_of(tree, p->level, page[i]) == EPT_LEAF)
			store(&page[i], 0);
	p->from.v = ~0ull;
	p->to.v = 0;
}

void ept_tree_remove_l1(struct ept_tree *tree, l1pa from, u64 bytes)
{
	u64 last = from.v + bytes - 1;
	const struct ept_page *p;
	u32 index;

	if (!bytes)
		return;
	if (last < from.v)
		last = ~0ull;
	for (index = tree->pages.first; index != EPT_POOL_NONE; index = p->next) {
		p = &tree->pool->pages[index];
		if (p->from.v > last || p->to.v < from.v)
			continue;
		clear_leaves(tree, index);
		tree->changes++;
		tree->pool->stats->tables_cleared++;
	}
}
