/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ept_walk.h"

/* SDM: "processor accesses to guest paging-structure entries are treated as writes" if A/D flags are in use. PDPTEs that
 * MOV to CR loads have no linear address and stay reads. */
static u32 effective(const struct ept_format *format, u32 access)
{
	bool structure = (access & EPT_ACC_LINEAR) && !(access & EPT_ACC_FINAL);

	return structure && (format->features & EPT_USES_AD) ? access | EPT_ACC_READ | EPT_ACC_WRITE : access;
}

u32 ept_needed(const struct ept_format *format, u32 access)
{
	u32 e = effective(format, access), needed = e & (EPT_ACC_READ | EPT_ACC_WRITE);

	if (e & EPT_ACC_EXEC)
		needed |= e & EPT_ACC_USER ? EPT_RIGHT_XU : EPT_RIGHT_XS;
	return needed;
}

static u32 qualification(const struct ept_format *format, u32 access, u32 rights)
{
	u32 q = effective(format, access) & (EPT_ACC_READ | EPT_ACC_WRITE | EPT_ACC_EXEC);

	q |= access & (EPT_ACC_LINEAR | EPT_ACC_NMI_UNBLOCKING);
	if (access & EPT_ACC_LINEAR)
		q |= access & EPT_ACC_FINAL;
	if ((q & EPT_ACC_FINAL) && (format->features & EPT_HAS_ADVANCED_INFO))
		q |= access & (EPT_ACC_USER | EPT_ACC_PAGE_WRITE | EPT_ACC_PAGE_NX);
	/* bit 6 is undefined without mode-based execute control: 0 here */
	if (!(format->features & EPT_USES_MBEC))
		rights &= ~EPT_RIGHT_XU;
	return q | rights << 3;
}

/* A walk with what is needed to write the flags back. */
struct path {
	u64 table[EPT_TOP + 1]; /* physical address, by level */
	u64 entry[EPT_TOP + 1];
};

static enum ept_walk_result end(struct ept_walk *w, enum ept_walk_result result)
{
	w->result = result;
	return result;
}

static enum ept_walk_result violation(const struct ept_space *s, u32 access, struct ept_walk *w)
{
	w->qualification = qualification(&s->format, access, w->rights);
	w->suppress_ve = w->entry & EPT_SUPPRESS_VE;
	return end(w, EPT_WALK_VIOLATION);
}

/* The tables as they are, without any flag set. */
static enum ept_walk_result descend(const struct ept_space *s, u64 from, u32 access, struct ept_walk *w, struct path *path)
{
	u32 needed = ept_needed(&s->format, access);
	u64 table = s->root;
	const u64 *page;
	enum ept_kind kind;

	w->rights = EPT_RIGHTS_ALL;
	for (w->level = EPT_TOP;; w->level--) {
		w->table = table;
		page = s->table(s->ctx, table, false, &w->refs);
		if (page == EPT_TABLE_LATER)
			return end(w, EPT_WALK_TABLE);
		w->entry = page ? __atomic_load_n(&page[ept_index(from, w->level)], __ATOMIC_ACQUIRE) : ~0ull;
		w->refs++;
		path->table[w->level] = table;
		path->entry[w->level] = w->entry;
		kind = ept_classify(&s->format, w->level, w->entry, &w->why);
		if (kind == EPT_MISCONFIG)
			return end(w, EPT_WALK_MISCONFIG);
		if (kind == EPT_HOLE) {
			w->rights = 0;
			return violation(s, access, w);
		}
		w->rights &= ept_rights(&s->format, w->entry);
		if (kind == EPT_LEAF)
			break;
		table = w->entry & EPT_ADDRESS;
	}
	if (needed & ~w->rights)
		return violation(s, access, w);
	w->shift = ept_shift(w->level);
	w->to = (w->entry & EPT_ADDRESS & ~(BIT(w->shift) - 1)) | (from & (BIT(w->shift) - 1));
	w->type = (w->entry & EPT_TYPE_MASK) >> EPT_TYPE_SHIFT;
	w->ipat = w->entry & EPT_IPAT;
	w->dirty = !(s->format.features & EPT_USES_AD) || (w->entry & EPT_D);
	return end(w, EPT_WALK_OK);
}

enum flag_result { FLAG_SET, FLAG_RACE, FLAG_LATER };

/*
 * Set `flags` in the entry of `level` if it still is what the walk saw. Compare-exchange and not a plain OR: an entry
 * that somebody cleared meanwhile must not get flags, and one that somebody changed wasn't used for this translation.
 */
static enum flag_result set_flags(const struct ept_space *s, u64 from, unsigned int level, struct path *path, u64 flags,
				  u32 *refs)
{
	u64 old = path->entry[level];
	u64 *page = s->table(s->ctx, path->table[level], true, refs);

	if (page == EPT_TABLE_LATER)
		return FLAG_LATER;
	if (page && !__atomic_compare_exchange_n(&page[ept_index(from, level)], &old, old | flags, false,
						 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return FLAG_RACE;
	return FLAG_SET;
}

/* Accessed flags from the top, the leaf's last, so that a dirty flag is never set but by a walk that is then finished. */
static enum flag_result update(const struct ept_space *s, u64 from, bool write, struct ept_walk *w, struct path *path)
{
	unsigned int level;
	enum flag_result r;
	u64 flags;

	for (level = EPT_TOP; level >= w->level; level--) {
		flags = EPT_A | (write && level == w->level ? EPT_D : 0);
		if (!(flags & ~path->entry[level]))
			continue;
		r = set_flags(s, from, level, path, flags, &w->refs);
		if (r != FLAG_SET) {
			w->table = path->table[level];
			return r;
		}
	}
	return FLAG_SET;
}

static bool flags_missing(const struct ept_walk *w, const struct path *path, bool write)
{
	unsigned int level;
	u64 all = EPT_A;

	for (level = EPT_TOP; level >= w->level; level--)
		all &= path->entry[level];
	return !(all & EPT_A) || (write && !w->dirty);
}

enum ept_walk_result ept_walk(const struct ept_space *s, u64 from, u32 access, struct ept_walk *w)
{
	bool flags = (s->format.features & EPT_USES_AD) && !(access & EPT_ACC_PROBE);
	bool write = effective(&s->format, access) & EPT_ACC_WRITE;
	struct path path;

	w->refs = 0;
	w->entry = 0;
	w->table = s->root;
	w->level = EPT_TOP;
	w->why = EPT_MISCONFIG_NONE;
	/* No processor with four levels makes such an address; a caller that does finds nothing there. */
	if (from >> EPT_ADDRESS_BITS) {
		w->rights = 0;
		return violation(s, access, w);
	}
	/*
	 * Repeated only when another processor changed an entry between read and exchange (or when tables overlap and one
	 * flag changed two entries): somebody got on, and each round sets flags that stay set.
	 */
	for (;;) {
		if (descend(s, from, access, w, &path) != EPT_WALK_OK)
			return w->result;
		if (!flags || !flags_missing(w, &path, write))
			return w->result;
		if (s->pml_ready && !s->pml_ready(s->ctx))
			return end(w, EPT_WALK_PML_FULL);
		switch (update(s, from, write, w, &path)) {
		case FLAG_RACE:
			continue;
		case FLAG_LATER:
			return end(w, EPT_WALK_TABLE);
		case FLAG_SET:
			break;
		}
		if (write && !w->dirty && s->pml_log)
			s->pml_log(s->ctx, from & ~(EPT_PAGE_SIZE - 1));
		w->dirty |= write;
		return w->result;
	}
}
