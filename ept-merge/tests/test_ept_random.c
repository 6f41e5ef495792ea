/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random pairs of tables, random accesses, random edits. L1 edits EPT12 with and without INVEPT: each edit makes a version,
 * and what EPT02 answers must be what the naive walk finds
 *  - on a miss, in the tables as they are now: translation, rights, type, or the violation and its qualification;
 *  - on a hit, in some version since the last INVEPT (or reflected violation) for that EPTP and page.
 * L0 edits EPT01, which must be seen at once, always.
 *
 * All addresses have indices 0, 1 or 511 at each level: few enough that accesses meet.
 */
#include "ept_bench.h"
#include <string.h>
#include "naive.h"

#define WORLDS 200
#define STEPS 1500
#define ROOTS 2u /* of EPT12: pages 0 and 1 */
#define PAGES12 14u
#define VERSIONS 12u
#define ADDRESSES 81u /* 3 indices, 4 levels */

static const unsigned int indices[3] = { 0, 1, 511 };
static const unsigned int level12[PAGES12] = { 4, 4, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1 };

struct version {
	u64 page[PAGES12][EPT_ENTRIES];
};

static struct bench f;
static struct version versions[VERSIONS];
static unsigned int now; /* versions[now] is what L1 wrote last */
static unsigned int since[ROOTS][ADDRESSES]; /* oldest version that may still be cached */
static struct {
	unsigned int level;
	u64 base;
} place01[TABLES]; /* where in L1's memory a table of EPT01 is */
static bool usual_ad, usual_mbec; /* of this world's EPTPs */
static unsigned int favourites[8]; /* addresses that are used often */
static u64 seed;
static struct {
	unsigned int hits, misses, stale_hits, violations, misconfigs, l0, edits, removals, checks, sizes[3], remembered;
} seen;

static u64 random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull;
}

static unsigned int below(unsigned int n)
{
	return (random64() >> 33) % n;
}

static bool percent(unsigned int p)
{
	return below(100) < p;
}

static u64 address(unsigned int number)
{
	u64 a = 0;
	unsigned int level;

	for (level = 1; level <= 4; level++, number /= 3)
		a |= (u64)indices[number % 3] << ept_shift(level);
	return a;
}

static u64 random_rights(void)
{
	static const u64 sets[] = { 1, 3, 4, 5, 7, EPT_XU, EPT_XU | 1, EPT_XU | 3, EPT_XU | 4 };

	return percent(90) ? RWX | EPT_XU : sets[below(9)];
}

static u64 random_flags(void)
{
	u64 r = random64();

	return (r & 7 ? 0 : EPT_A) | (r & 0x38 ? 0 : EPT_D) | (r & 0x1c0 ? 0 : EPT_SUPPRESS_VE);
}

static u64 random_leaf(unsigned int level, u64 to)
{
	static const u8 types[] = { EPT_UC, EPT_WC, EPT_WT, EPT_WP, EPT_WB };

	to &= ~(BIT(ept_shift(level)) - 1) & (BIT(48) - 1);
	to |= random_rights();
	to |= (u64)types[below(5)] << 3;
	to |= random_flags();
	if (percent(20))
		to |= EPT_IPAT;
	if (level > 1 || percent(10))
		to |= EPT_PS;
	return to;
}

static u64 random12(unsigned int level)
{
	unsigned int p, kind = below(100);

	if (kind < 6)
		return random64() & ~(RWX | EPT_XU);
	if (kind < 7)
		return random64() >> level * 9; /* anything at all */
	if (kind < 8)
		return 0xdead0000 | random_rights(); /* no table there */
	if (level == 1 || (level < 4 && kind < 45))
		return random_leaf(level, address(below(ADDRESSES)));
	do
		p = below(PAGES12);
	while (level12[p] != level - 1 && !percent(1));
	return (T12_L1 + p * EPT_PAGE_SIZE) | random_rights();
}

/* A proper tree: the range that an entry stands for is known, as L0 knows it. */
static u64 random01(unsigned int level, u64 base, bool grow)
{
	unsigned int kind = below(100), i, p;

	if (kind < 5)
		return 0;
	if (level == 1 || !grow || (level < 4 && kind < 35))
		return level == 4 ? 0 : random_leaf(level, random64());
	p = f.t01.used++;
	assert_true(p < TABLES);
	place01[p].level = level - 1;
	place01[p].base = base;
	for (i = 0; i < 3; i++)
		f.t01.page[p][indices[i]] = random01(level - 1, base + ((u64)indices[i] << ept_shift(level - 1)), true);
	return (T01_L0 + p * EPT_PAGE_SIZE) | random_rights();
}

static void remember(void)
{
	memcpy(versions[now].page, f.t12.page, sizeof(versions[now].page));
}

static void forget(unsigned int root)
{
	unsigned int i;

	for (i = 0; i < ADDRESSES; i++)
		since[root][i] = now;
}

static void make_world(void)
{
	unsigned int p, i, pages;

	bench_init(&f);
	f.t12.used = PAGES12;
	f.ept12.space.format.maxphyaddr = f.ept01.space.format.maxphyaddr = percent(80) ? 48 : 52;
	f.ept12.space.format.features = EPT_HAS_AD | ALL_LEAVES;
	if (percent(70))
		f.ept12.space.format.features |= EPT_HAS_EXEC_ONLY;
	if (percent(50))
		f.ept12.space.format.features |= EPT_HAS_ADVANCED_INFO;
	if (percent(15))
		f.ept12.space.format.features &= ~(u32)EPT_HAS_1G;
	if (percent(30))
		f.ept01.space.format.features |= EPT_USES_AD;
	if (percent(30))
		f.ept01.space.format.features |= EPT_USES_MBEC;
	for (p = 0; p < PAGES12; p++)
		for (i = 0; i < 3; i++)
			f.t12.page[p][indices[i]] = random12(level12[p]);
	place01[0].level = 4;
	for (i = 0; i < 3; i++)
		f.t01.page[0][indices[i]] = random01(4, (u64)indices[i] << 39, true);
	pages = percent(30) ? 4 + below(8) : POOL_PAGES;
	bench_cache(&f, pages, 1 + below(TREES));
	f.cache.features = percent(70) ? ALL_LEAVES : below(2) * EPT_HAS_2M;
	usual_ad = percent(50);
	usual_mbec = percent(30);
	for (i = 0; i < 8; i++)
		favourites[i] = below(ADDRESSES);
	now = 0;
	remember();
	forget(0);
	forget(1);
}

static void l1_invalidates(void)
{
	unsigned int i, root = below(ROOTS);

	if (now + 1 < VERSIONS && percent(60)) {
		ept_cache_invalidate(&f.cache, bench_eptp(&f, root, percent(50)));
		forget(root);
		return;
	}
	ept_cache_invalidate_all(&f.cache);
	now = 0;
	remember();
	for (i = 0; i < ROOTS; i++)
		forget(i);
}

static void l1_edits(void)
{
	unsigned int p = below(PAGES12);
	u64 *entry = &f.t12.page[p][indices[below(3)]];

	if (now + 1 == VERSIONS)
		l1_invalidates();
	switch (below(4)) {
	case 0:
		*entry &= ~(EPT_A | EPT_D);
		break;
	case 1:
		*entry = (*entry & ~(RWX | EPT_XU)) | random_rights();
		break;
	default:
		*entry = random12(level12[p]);
	}
	now++;
	remember();
	seen.edits++;
	if (percent(20))
		l1_invalidates();
}

static void l0_edits(void)
{
	unsigned int p = below(f.t01.used), i = indices[below(3)], level = place01[p].level;
	u64 *entry = &f.t01.page[p][i], at = place01[p].base + ((u64)i << ept_shift(level));
	bool hole = !(*entry & (RWX | EPT_XU)); /* nothing to take away */

	if (percent(50) && !hole)
		*entry = (*entry & ~(RWX | EPT_XU)) | random_rights();
	else
		*entry = random01(level, at, false);
	if (hole && percent(50))
		return;
	ept_cache_remove_l1(&f.cache, (l1pa){ at }, BIT(ept_shift(level)));
	seen.removals++;
}

static u64 *version_table(void *ctx, u64 pa, bool write, u32 *refs)
{
	struct version *v = ctx;

	(void)write;
	(void)refs;
	if (pa - T12_L1 < PAGES12 * EPT_PAGE_SIZE)
		return v->page[(pa - T12_L1) / EPT_PAGE_SIZE];
	/* what no version changes */
	return pa - T12_L1 < TABLES * EPT_PAGE_SIZE ? f.t12.page[(pa - T12_L1) / EPT_PAGE_SIZE] : NULL;
}

static u32 rights_of(const struct naive *n)
{
	return n->readable | n->writable << 1 | n->execute_s << 2 | n->execute_u << 3;
}

static unsigned int type_of(const struct naive *n12, const struct naive *n01)
{
	struct ept_walk w12 = { .type = n12->type, .ipat = n12->ipat }, w01 = { .type = n01->type, .ipat = n01->ipat };
	bool ipat;
	unsigned int type = ept_merge_type(&w12, &w01, &ipat);

	return type | ipat << 3;
}

/* Could `m`, a hit, come from the tables as `s` has them? */
static bool explains(const struct ept_space *s, u64 from, u32 access, u32 access01, const struct ept_merge *m)
{
	struct naive n12 = naive_walk(s, from, access), n01;

	if (n12.what != NAIVE_TRANSLATES)
		return false;
	n01 = naive_walk(&f.ept01.space, n12.to, access01);
	if (n01.what != NAIVE_TRANSLATES || n01.to != m->to.v)
		return false;
	if (m->rights & ~(rights_of(&n12) & rights_of(&n01)))
		return false;
	return BIT(m->shift) <= n12.page_size && BIT(m->shift) <= n01.page_size &&
	       type_of(&n12, &n01) == (m->type | (unsigned int)m->ipat << 3);
}

static void check_hit(const struct ept_space *s, unsigned int root, unsigned int number, u64 from, u32 access,
		      u32 access01, const struct ept_merge *m)
{
	struct ept_space old = *s;
	unsigned int v;

	seen.hits++;
	if (explains(s, from, access, access01, m)) {
		if (since[root][number] == now && (m->rights & EPT_RIGHT_W))
			assert_true(naive_walk(s, from, access).dirty);
		return;
	}
	seen.stale_hits++;
	old.table = version_table;
	for (v = since[root][number]; v < now; v++) {
		old.ctx = &versions[v];
		if (explains(&old, from, access, access01, m))
			return;
	}
	fail_msg("no version since %u explains %#llx -> %#llx rights %u", since[root][number], (unsigned long long)from,
		 (unsigned long long)m->to.v, m->rights);
}

static void check_miss(const struct ept_space *s, u64 from, u32 access, u32 access01, const struct ept_merge *m)
{
	struct naive n12 = naive_walk(s, from, access), n01 = naive_walk(&f.ept01.space, n12.to, access01);
	u32 rights = rights_of(&n12) & rights_of(&n01);
	u64 size = n12.page_size < n01.page_size ? n12.page_size : n01.page_size;

	seen.misses++;
	assert_int_equal(n12.what, NAIVE_TRANSLATES);
	assert_int_equal(n01.what, NAIVE_TRANSLATES);
	assert_int_equal(m->to.v, n01.to);
	assert_int_equal(BIT(m->shift), size);
	seen.sizes[(m->shift - 12) / 9]++;
	if (!n12.dirty || !n01.dirty)
		rights &= ~EPT_RIGHT_W;
	assert_int_equal(m->rights, rights);
	assert_int_equal(m->type | (unsigned int)m->ipat << 3, type_of(&n12, &n01));
	if (access & EPT_ACC_PROBE)
		return;
	assert_true(n12.accessed && n01.accessed);
	if (ept_needed(&s->format, access) & EPT_RIGHT_W)
		assert_true(n12.dirty);
	if (access & EPT_ACC_WRITE)
		assert_true(n01.dirty);
}

/* What lookups said, and the tree's changes at that time: as long as there are no more it says the same, for all of a 2 MiB piece. */
#define REMEMBERED 32
static struct {
	struct ept_tree *tree; /* NULL: nothing */
	u64 changes, from;
	u32 access;
	struct ept_merge m;
} remembered[REMEMBERED];

static void note_hit(struct ept_tree *tree, u64 from, u32 access, const struct ept_merge *m)
{
	unsigned int i = below(REMEMBERED);

	remembered[i].tree = tree;
	remembered[i].changes = tree->changes;
	remembered[i].from = from;
	remembered[i].access = access;
	remembered[i].m = *m;
}

static void check_remembered(void)
{
	for (unsigned int i = 0; i < REMEMBERED; i++) {
		const struct ept_merge *old = &remembered[i].m;
		struct ept_merge m;
		u64 other;

		if (!remembered[i].tree || remembered[i].changes != remembered[i].tree->changes)
			continue;
		other = below(old->shift > 12 ? 1 << 21 : 1 << 12);
		assert_true(ept_tree_lookup(remembered[i].tree, (l2pa){ remembered[i].from ^ other },
					    remembered[i].access, &m));
		assert_int_equal(m.to.v, old->to.v ^ other);
		assert_int_equal(m.shift, old->shift);
		assert_int_equal(m.rights, old->rights);
		assert_int_equal(m.type, old->type);
		assert_int_equal(m.ipat, old->ipat);
		seen.remembered++;
	}
}

static u32 random_access(u32 access)
{
	if (percent(40))
		access |= EPT_ACC_USER;
	if (percent(20))
		access |= EPT_ACC_PAGE_NX;
	if (percent(5))
		access |= EPT_ACC_PROBE;
	return access;
}

static void l2_accesses(void)
{
	static const u32 accesses[] = { LOAD,	   LOAD,	 STORE,
					STORE,	   FETCH,	 MODIFY,
					STRUCTURE, EPT_ACC_READ, EPT_ACC_WRITE | EPT_ACC_LINEAR };
	unsigned int root = below(ROOTS), number = percent(70) ? favourites[below(8)] : below(ADDRESSES);
	u64 from = address(number) + below(4096);
	u32 access = random_access(accesses[below(9)]);
	u32 access01 = (access & (7 | EPT_ACC_USER)) | EPT_ACC_LINEAR | EPT_ACC_FINAL;
	bool ad = usual_ad ^ percent(5), mbec = usual_mbec ^ percent(5);
	struct ept_tree *tree = ept_cache_find(&f.cache, bench_eptp(&f, root, ad), mbec);
	struct ept_space s = ept_space_at(&f.ept12.space, bench_eptp(&f, root, ad), mbec);
	struct naive before = naive_walk(&s, from, access);
	struct ept_merge m;

	switch (ept_cache_translate(&f.cache, tree, (l2pa){ from }, access, &m)) {
	case EPT_MERGE_OK:
		if (m.hit) {
			check_hit(&s, root, number, from, access, access01, &m);
			note_hit(tree, from, access, &m);
		} else {
			check_miss(&s, from, access, access01, &m);
		}
		break;
	case EPT_MERGE_L1:
		if (before.what == NAIVE_MISCONFIG) {
			assert_int_equal(m.ept12.result, EPT_WALK_MISCONFIG);
			seen.misconfigs++;
			break;
		}
		assert_int_equal(before.what, NAIVE_VIOLATION);
		assert_int_equal(m.ept12.result, EPT_WALK_VIOLATION);
		assert_int_equal(m.ept12.qualification, before.qualification);
		seen.violations++;
		if (!(access & EPT_ACC_PROBE))
			since[root][number] = now;
		break;
	case EPT_MERGE_L0:
		assert_int_equal(before.what, NAIVE_TRANSLATES);
		assert_int_equal(m.l1.v, before.to);
		assert_int_not_equal(naive_walk(&f.ept01.space, before.to, access01).what, NAIVE_TRANSLATES);
		seen.l0++;
		break;
	case EPT_MERGE_POOL:
		fail_msg("the cache has to make room");
	}
}

static bool report(void *ctx, const struct ept_difference *d)
{
	const struct ept_tree *tree = ctx;

	fail_msg("%s: %#llx level %u entry %#llx expected %#llx got %#llx (root %#llx)", ept_difference_text(d->kind),
		 (unsigned long long)d->at.v, d->level, (unsigned long long)d->entry, (unsigned long long)d->expected,
		 (unsigned long long)d->got, (unsigned long long)tree->ept12.space.root);
	return false;
}

static bool stale(void *ctx, l2pa from, u64 bytes)
{
	const struct ept_tree *tree = ctx;
	unsigned int i, root = (tree->ept12.space.root - T12_L1) / EPT_PAGE_SIZE;

	for (i = 0; i < ADDRESSES; i++)
		if (address(i) - from.v < bytes && since[root][i] != now)
			return true;
	return false;
}

static void check_trees(void)
{
	u32 i, pages = 0;

	for (i = 0; i < f.cache.count; i++) {
		struct ept_tree *tree = &f.cache.trees[i];
		struct ept_check c = { .ctx = tree, .report = report, .stale = stale };

		if (tree->root == EPT_POOL_NONE)
			continue;
		assert_true(ept_check(tree, &f.ept01, &c));
		assert_int_equal(c.tables, tree->pages.count);
		pages += tree->pages.count;
		seen.checks += c.leaves - c.skipped;
	}
	assert_int_equal(pages + f.cache.pool.free.count, f.cache.pool.count);
	assert_int_equal(f.cache.stats.pool_pages, pages);
}

static void ept02_answers_as_the_manual_allows(void **state)
{
	unsigned int world, step;

	(void)state;
	for (world = 0; world < WORLDS; world++) {
		seed = 0x9e3779b97f4a7c15ull * (world + 1);
		make_world();
		memset(remembered, 0, sizeof(remembered));
		for (step = 0; step < STEPS; step++) {
			if (percent(3))
				l1_edits();
			if (percent(2))
				l0_edits();
			check_remembered();
			l2_accesses();
			if (step % 8 == 0)
				check_trees();
		}
		check_trees();
	}
	/* the test tests something */
	print_message("%u hits, %u of them of older versions, %u misses (%u %u %u by size), %u violations, %u "
		      "misconfigurations, "
		      "%u for L0, %u edits, %u removals, %u leaves checked\n",
		      seen.hits, seen.stale_hits, seen.misses, seen.sizes[0], seen.sizes[1], seen.sizes[2],
		      seen.violations, seen.misconfigs, seen.l0, seen.edits, seen.removals, seen.checks);
	assert_true(seen.hits > 5000 && seen.misses > 5000 && seen.stale_hits > 50 && seen.violations > 5000);
	assert_true(seen.remembered > 5000);
	assert_true(seen.misconfigs > 500 && seen.l0 > 500 && seen.checks > 5000);
	assert_true(seen.sizes[0] > 500 && seen.sizes[1] > 100 && seen.sizes[2] > 100);
}

/* Tables and EPTPs of pure noise: nothing but an answer is expected, and no harm. */
static void noise_does_no_harm(void **state)
{
	unsigned int world, step, i, p;
	struct ept_merge m;

	(void)state;
	for (world = 0; world < 200; world++) {
		seed = 0xdeadbeefcafef00dull * (world + 1);
		make_world();
		for (p = 0; p < PAGES12; p++)
			for (i = 0; i < EPT_ENTRIES; i++) {
				u64 noise = random64(), table = T12_L1 + (noise >> 58) * EPT_PAGE_SIZE;

				f.t12.page[p][i] = percent(50) ? (noise & 0x7f8) | 7 | table : noise;
			}
		for (step = 0; step < 200; step++) {
			u64 r = random64(), from = random64() >> (r & 31), range = random64();
			unsigned int root = below(PAGES12);
			u64 eptp = percent(90) ? bench_eptp(&f, root, r & BIT(40)) : range;
			struct ept_tree *tree = ept_cache_find(&f.cache, eptp, r & BIT(41));

			ept_cache_translate(&f.cache, tree, (l2pa){ from }, r >> 5, &m);
			if (percent(5))
				ept_cache_invalidate(&f.cache, range);
			if (percent(5))
				ept_cache_remove_l1(&f.cache, (l1pa){ range >> (r >> 58) }, from);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ept02_answers_as_the_manual_allows),
		cmocka_unit_test(noise_does_no_harm),
	};

	return cmocka_run_group_tests_name("ept_random", tests, NULL, NULL);
}
