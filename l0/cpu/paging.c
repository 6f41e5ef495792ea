/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page walk. A format is an array of levels, root first; one loop serves all of them:
 *
 *   32-bit    CR3 -> PD[10] -> PT[10]                      4-byte entries, 4 MiB pages
 *   PAE       PDPTE register[2] -> PD[9] -> PT[9]          2 MiB pages
 *   4-level   CR3 -> PML4[9] -> PDPT[9] -> PD[9] -> PT[9]  1 GiB and 2 MiB pages
 *   5-level   CR3 -> PML5[9] -> ... as above
 *
 * A walk is done in three steps, as the SDM separates them: find the leaf (not present and reserved bits
 * fault at once); ask whether the access is allowed by the rights of all levels together; only then set
 * accessed and dirty bits, each with a compare-and-exchange against the entry that was used, and start
 * over if another vCPU was faster. Nothing is kept between two walks.
 *
 * SDM vol. 3, "Paging".
 */
#include "paging.h"
#include "../machine/machine.h"
#include "../vmx/apic.h"
#include "../vmx/vmx.h"
#include "mmu.h"
#include "model.h"
#include "tlb.h"

#define PTE_P BIT(0)
#define PTE_W BIT(1)
#define PTE_U BIT(2)
#define PTE_A BIT(5)
#define PTE_D BIT(6)
#define PTE_PS BIT(7)
#define PTE_G BIT(8)
#define PTE_NX BIT(63)
#define PTE_KEY_SHIFT 59
#define PTE_ADDRESS 0x000ffffffffff000ull /* before it is cut to MAXPHYADDR */

#define MAX_LEVELS 5

/* when an entry of this level may map a page */
enum leaf_rule {
	LEAF_NEVER, /* PS is reserved */
	LEAF_ALWAYS, /* the last level: bit 7 is PAT */
	LEAF_PS,
	LEAF_PS_1G, /* PS, if the model has 1 GiB pages; reserved otherwise */
	LEAF_PS_PSE, /* PS, if CR4.PSE; ignored otherwise */
};

struct level {
	u8 shift; /* of the linear address: where this level's index begins */
	u8 bits; /* of the index */
	u8 leaf; /* enum leaf_rule */
};

struct format {
	u8 entry_size; /* in bytes */
	u8 count;
	struct level level[MAX_LEVELS];
};

static const struct format formats[PAGING_MODES] = {
	[PAGING_32BIT] = { 4, 2, { { 22, 10, LEAF_PS_PSE }, { 12, 10, LEAF_ALWAYS } } },
	[PAGING_PAE] = { 8, 2, { { 21, 9, LEAF_PS }, { 12, 9, LEAF_ALWAYS } } },
	[PAGING_4LEVEL] = { 8,
			    4,
			    { { 39, 9, LEAF_NEVER }, { 30, 9, LEAF_PS_1G }, { 21, 9, LEAF_PS }, { 12, 9, LEAF_ALWAYS } } },
	[PAGING_5LEVEL] = { 8,
			    5,
			    { { 48, 9, LEAF_NEVER },
			      { 39, 9, LEAF_NEVER },
			      { 30, 9, LEAF_PS_1G },
			      { 21, 9, LEAF_PS },
			      { 12, 9, LEAF_ALWAYS } } },
};

struct entry {
	u64 gpa;
	void *host; /* NULL: not in RAM */
	u64 value;
};

struct walk {
	enum paging_mode mode;
	const struct format *format;
	struct entry entry[MAX_LEVELS];
	unsigned int first; /* entry that the walk began with: what comes before it was in the paging-structure cache */
	unsigned int depth; /* entries used, these included; the last of them is the leaf */
	u64 allows; /* PTE_W and PTE_U: set at every level */
	bool nx; /* at some level */
	u64 leaf; /* the last entry's value */
};

/*
 * Where the walker finds a table entry: the only place that turns the guest-physical address of a
 * table into memory. In VMX non-root operation with EPT that takes a walk of its own, which may exit to L1. Outside of RAM
 * nothing answers, and a read gives all ones.
 */
static void *entry_host(struct vcpu *v, u64 gpa, unsigned int access, u64 linear, unsigned int how)
{
	struct nested_page n;

	if (vmx_uses_ept(v)) {
		if (!vmx_nested_walk(v, gpa, access, linear, how, &n))
			return NULL;
		gpa = n.l1pa;
		if (!(how & NESTED_PROBE) && vmx_apic_page(v, gpa))
			vmx_apic_physical(v);
	}
	return memory_host(&v->machine->memory, gpa);
}

static u64 entry_load(const void *host, unsigned int size)
{
	if (size == 4)
		return host ? __atomic_load_n((const u32 *)host, __ATOMIC_RELAXED) : UINT32_MAX;
	return host ? __atomic_load_n((const u64 *)host, __ATOMIC_RELAXED) : UINT64_MAX;
}

/* false: the entry isn't what it was when it was used */
static bool entry_set(struct entry *e, unsigned int size, u64 set)
{
	u64 old = e->value;
	u32 old32 = (u32)old;

	if ((old & set) == set || !e->host)
		return true;
	e->value |= set;
	if (size == 4)
		return __atomic_compare_exchange_n((u32 *)e->host, &old32, old32 | (u32)set, false, __ATOMIC_SEQ_CST,
						   __ATOMIC_RELAXED);
	return __atomic_compare_exchange_n((u64 *)e->host, &old, old | set, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static u64 physical_mask(const struct vcpu *v)
{
	return BIT(v->model->phys_bits) - 1;
}

static bool entry_is_leaf(const struct vcpu *v, const struct level *l, u64 value)
{
	switch ((enum leaf_rule)l->leaf) {
	case LEAF_ALWAYS:
		return true;
	case LEAF_PS:
		return value & PTE_PS;
	case LEAF_PS_1G:
		return (value & PTE_PS) && model_has(v->model, FEATURE_PDPE1GB);
	case LEAF_PS_PSE:
		return (value & PTE_PS) && (v->cr4 & CR4_PSE);
	case LEAF_NEVER:
		break;
	}
	return false;
}

/* Bits 20:13 of a 4-MiB page's PDE are address bits 39:32 as far as MAXPHYADDR goes: "PSE-36 Mechanism". */
static u64 pse36_address_bits(const struct vcpu *v)
{
	unsigned int bits = v->model->phys_bits > 40 ? 8 : v->model->phys_bits - 32;

	return model_has(v->model, FEATURE_PSE36) ? (BIT(bits) - 1) << 13 : 0;
}

static u64 entry_reserved(const struct vcpu *v, const struct walk *w, const struct level *l, u64 value)
{
	bool leaf = entry_is_leaf(v, l, value);
	u64 reserved;

	if (w->mode == PAGING_32BIT)
		return leaf && l->shift == 22 ? 0x3fe000 & ~pse36_address_bits(v) : 0;

	reserved = PTE_ADDRESS & ~physical_mask(v);
	if (w->mode == PAGING_PAE)
		reserved |= 0x7ff0000000000000ull;
	if (!(v->efer & EFER_NX))
		reserved |= PTE_NX;
	if (l->leaf == LEAF_NEVER || (l->leaf == LEAF_PS_1G && !leaf))
		reserved |= PTE_PS;
	if (leaf && l->shift > 12) /* between PAT in bit 12 and the page's number */
		reserved |= (BIT(l->shift) - 1) & ~(BIT(13) - 1);
	return reserved;
}

static u64 leaf_address(const struct vcpu *v, const struct walk *w, u64 linear)
{
	const struct level *l = &w->format->level[w->depth - 1];
	u64 offset = linear & (BIT(l->shift) - 1);
	u64 value = w->leaf;

	if (w->mode == PAGING_32BIT && l->shift == 22)
		return (value & 0xffc00000) | (value & pse36_address_bits(v)) << 19 | offset;
	return (value & PTE_ADDRESS & physical_mask(v) & ~(BIT(l->shift) - 1)) | offset;
}

/* The number of the first table, in bytes; false: PAE paging with a PDPTE that isn't present. */
static bool walk_root(const struct vcpu *v, const struct walk *w, u64 linear, u64 *table)
{
	u64 root = v->cr3;

	if (w->mode == PAGING_PAE) {
		root = v->pdpte[linear >> 30 & 3];
		if (!(root & PTE_P))
			return false;
	}
	*table = root & PTE_ADDRESS & physical_mask(v);
	return true;
}

/* 32-bit tables serve 4 MiB, and are rare. What --mmu walk counts is the whole walk. */
static bool psc_used(const struct vcpu *v, const struct walk *w)
{
	return w->mode != PAGING_32BIT && !v->no_walk_cache && !(v->in_l2 && v->vmx->modes.mmu == NESTED_MMU_WALK);
}

/* Begin with the last table, if it is known where that is. */
static bool walk_from_cache(struct vcpu *v, struct walk *w, u64 linear, u64 *table)
{
	const struct psc_entry *c = psc_used(v, w) ? psc_find(&v->tlb->psc, linear) : NULL;

	if (!c)
		return false;
	w->allows = c->allows;
	w->nx = c->nx;
	w->first = w->format->count - 1;
	w->entry[w->first].host = c->host + (linear >> 12 & 511) * 8;
	*table = c->table;
	return true;
}

/* The walk that has been finished went through tables of all levels, in RAM. */
static void walk_to_cache(struct vcpu *v, const struct walk *w, u64 linear)
{
	const struct entry *last = &w->entry[w->depth - 1];
	u64 allows = PTE_W | PTE_U;
	bool nx = false;

	if (w->depth != w->format->count || w->first || !last->host || !psc_used(v, w))
		return;
	for (unsigned int i = 0; i + 1 < w->depth; i++) {
		if (!w->entry[i].host)
			return;
		allows &= w->entry[i].value;
		nx |= w->entry[i].value >> 63;
	}
	*psc_slot(&v->tlb->psc, linear) = (struct psc_entry){
		.region = linear >> PSC_SHIFT,
		.age = v->tlb->psc.age,
		.table = last->gpa & ~4095ull,
		.host = (u8 *)((u64)last->host & ~4095ull),
		.allows = allows,
		.nx = nx,
	};
}

/* Find the leaf, from the root or with what is known of the levels above. false: *error has P and RSVD as they must be. */
static bool walk_find(struct vcpu *v, struct walk *w, u64 linear, unsigned int how, bool from_cache, u32 *error)
{
	bool known;
	u64 table;

	w->allows = PTE_W | PTE_U;
	w->nx = false;
	w->leaf = 0;
	w->first = 0;
	*error = 0;
	known = from_cache && walk_from_cache(v, w, linear, &table);
	if (!known && !walk_root(v, w, linear, &table))
		return false;
	for (w->depth = w->first; w->depth < w->format->count;) {
		const struct level *l = &w->format->level[w->depth];
		struct entry *e = &w->entry[w->depth++];
		u64 index = linear >> l->shift & (BIT(l->bits) - 1);

		e->gpa = table + index * w->format->entry_size;
		if (!known)
			e->host = entry_host(v, e->gpa, ACC_READ, linear, how);
		e->value = entry_load(e->host, w->format->entry_size);
		if (!(e->value & PTE_P))
			return false;
		if (e->value & entry_reserved(v, w, l, e->value)) {
			*error = PFEC_P | PFEC_RSVD;
			return false;
		}
		w->allows &= e->value;
		w->nx |= e->value >> 63;
		w->leaf = e->value;
		if (entry_is_leaf(v, l, e->value))
			return true;
		table = e->value & PTE_ADDRESS & physical_mask(v);
	}
	return true;
}

/* SDM vol. 3, "Protection Keys": does the page's key forbid this data access? */
static bool key_forbids(const struct vcpu *v, const struct walk *w, unsigned int access)
{
	bool user_page = w->allows & PTE_U;
	unsigned int rights;

	if (w->mode < PAGING_4LEVEL || !(v->cr4 & (user_page ? CR4_PKE : CR4_PKS)) || (access & ACC_EXEC))
		return false;
	rights = (user_page ? v->pkru : v->pkrs) >> (w->leaf >> PTE_KEY_SHIFT & 15) * 2;
	if (rights & 1)
		return true;
	return (rights & 2) && (access & ACC_WRITE) && ((user_page && (access & ACC_USER)) || (v->cr0 & CR0_WP));
}

/* SDM vol. 3, "Determination of Access Rights" */
static bool allowed(const struct vcpu *v, const struct walk *w, unsigned int access)
{
	bool user_page = w->allows & PTE_U;

	if (key_forbids(v, w, access))
		return false;
	if ((access & ACC_EXEC) && w->nx)
		return false;
	if (access & ACC_USER)
		return user_page && (!(access & ACC_WRITE) || (w->allows & PTE_W));

	if (user_page && (access & ACC_EXEC) && (v->cr4 & CR4_SMEP))
		return false;
	if (user_page && (access & (ACC_READ | ACC_WRITE)) && (v->cr4 & CR4_SMAP) &&
	    ((access & ACC_IMPLICIT) || !(v->rflags & FLAG_AC)))
		return false;
	return !(access & ACC_WRITE) || (w->allows & PTE_W) || !(v->cr0 & CR0_WP);
}

/* false: a table changed under the walk */
static bool walk_mark(struct vcpu *v, struct walk *w, u64 linear, unsigned int access)
{
	for (unsigned int i = w->first; i < w->depth; i++) {
		u64 set = PTE_A;

		if (i + 1 == w->depth && (access & ACC_WRITE))
			set |= PTE_D;
		/* L1 may have made the table read-only for L2 */
		if (v->in_l2 && (w->entry[i].value & set) != set)
			entry_host(v, w->entry[i].gpa, ACC_READ | ACC_WRITE, linear, 0);
		if (!entry_set(&w->entry[i], w->format->entry_size, set))
			return false;
		w->leaf = w->entry[i].value;
	}
	return true;
}

static void fill_page(const struct vcpu *v, const struct walk *w, u64 linear, unsigned int access, struct mmu_page *page)
{
	unsigned int who = access & (ACC_USER | ACC_IMPLICIT);
	u64 leaf = w->leaf;

	page->gpa = leaf_address(v, w, linear);
	page->shift = page->run = w->format->level[w->depth - 1].shift;
	page->global = (leaf & PTE_G) && (v->cr4 & CR4_PGE);
	page->user = w->allows & PTE_U;
	page->rights = 0;
	if (allowed(v, w, who | ACC_READ))
		page->rights |= ACC_READ;
	if ((leaf & PTE_D) && allowed(v, w, who | ACC_WRITE))
		page->rights |= ACC_WRITE;
	if (allowed(v, w, who | ACC_EXEC))
		page->rights |= ACC_EXEC;
}

/* The bits of a page-fault error code that describe the access: SDM vol. 3, "Page-Fault Exceptions". */
static u32 error_of_access(const struct vcpu *v, enum paging_mode mode, unsigned int access)
{
	bool nx = mode != PAGING_32BIT && (v->efer & EFER_NX);
	u32 error = 0;

	if (access & ACC_WRITE)
		error |= PFEC_W;
	if (access & ACC_USER)
		error |= PFEC_U;
	if ((access & ACC_EXEC) && (nx || (v->cr4 & CR4_SMEP)))
		error |= PFEC_I;
	return error;
}

/* The page that was found is L2's: where it is for L1, and what L1 allows. False only for a probe. */
static bool nested(struct vcpu *v, u64 linear, unsigned int access, unsigned int how, struct mmu_page *page, u32 *error)
{
	struct nested_page n;

	if (!vmx_uses_ept(v))
		return true;
	if (page->user || !(v->cr0 & CR0_PG))
		how |= NESTED_USER;
	if (!vmx_nested_walk(v, page->gpa, access, linear, how | NESTED_FINAL, &n)) {
		*error = 0;
		return false;
	}
	page->gpa = n.l1pa;
	page->rights &= n.rights;
	if (n.shift < page->run)
		page->run = n.shift;
	return true;
}

/* nested(), and no instruction comes from the APIC-access page. */
static bool finish(struct vcpu *v, u64 linear, unsigned int access, unsigned int how, struct mmu_page *page, u32 *error)
{
	if (!nested(v, linear, access, how, page, error))
		return false;
	if ((access & ACC_EXEC) && !(how & NESTED_PROBE) && vmx_apic_page(v, page->gpa))
		vmx_apic_fetch(v, page->gpa);
	return true;
}

static void count(struct vcpu *v, const struct walk *w)
{
	v->walks[v->in_l2]++;
	v->walk_refs[v->in_l2] += w->depth - w->first;
}

static bool walk(struct vcpu *v, u64 linear, unsigned int access, bool mark, struct mmu_page *page, u32 *error)
{
	unsigned int how = mark ? 0 : NESTED_PROBE;
	bool from_cache = true;
	struct walk w;

	w.mode = paging_mode(v);
	if (w.mode == PAGING_NONE) {
		*page = (struct mmu_page){
			.gpa = linear,
			.shift = 12,
			.run = 12,
			.rights = ACC_READ | ACC_WRITE | ACC_EXEC,
		};
		return finish(v, linear, access, how, page, error);
	}
	w.format = &formats[w.mode];
	do {
		bool found = walk_find(v, &w, linear, how, from_cache, error);

		if (w.first && (!found || !allowed(v, &w, access))) {
			from_cache = false;
			found = walk_find(v, &w, linear, how, false, error);
		}
		if (!found) {
			*error |= error_of_access(v, w.mode, access);
			return false;
		}
		if (!allowed(v, &w, access)) {
			*error = PFEC_P | error_of_access(v, w.mode, access);
			if (key_forbids(v, &w, access))
				*error |= PFEC_PK;
			return false;
		}
	} while (mark && !walk_mark(v, &w, linear, access));
	if (mark)
		walk_to_cache(v, &w, linear);
	count(v, &w);
	fill_page(v, &w, linear, access, page);
	return finish(v, linear, access, how, page, error);
}

bool mmu_walk(struct vcpu *v, u64 linear, unsigned int access, struct mmu_page *page, u32 *error)
{
	return walk(v, linear, access, true, page, error);
}

bool mmu_probe(struct vcpu *v, u64 linear, unsigned int access, struct mmu_page *page, u32 *error)
{
	return walk(v, linear, access, false, page, error);
}

/* No flag is left to be set in EPT12 either: EPT02 has only what a walk has marked. */
#define PEEK (NESTED_PROBE | NESTED_ENTERED)

bool mmu_peek(struct vcpu *v, u64 linear, unsigned int access, struct mmu_page *page)
{
	unsigned int who = access & (ACC_USER | ACC_IMPLICIT);
	struct walk w = { .mode = paging_mode(v) };
	u32 error;

	if (w.mode == PAGING_NONE)
		return false;
	w.format = &formats[w.mode];
	if (!psc_used(v, &w) || !psc_find(&v->tlb->psc, linear) || !walk_find(v, &w, linear, PEEK, true, &error))
		return false;
	if (!(w.leaf & PTE_A) || !allowed(v, &w, who | ACC_READ))
		return false;
	fill_page(v, &w, linear, who | ACC_READ, page);
	return finish(v, linear, who | ACC_READ, PEEK, page, &error);
}

bool mmu_peek_large(struct vcpu *v, u64 linear, struct mmu_page *page)
{
	struct walk w = { .mode = paging_mode(v) };
	u32 error;

	if (w.mode == PAGING_NONE)
		return false;
	w.format = &formats[w.mode];
	if (!psc_used(v, &w) || !walk_find(v, &w, linear, PEEK, false, &error) || w.depth == w.format->count)
		return false;
	for (unsigned int i = 0; i < w.depth; i++)
		if (!(w.entry[i].value & PTE_A))
			return false;
	if (!allowed(v, &w, ACC_USER | ACC_READ))
		return false;
	fill_page(v, &w, linear, ACC_USER | ACC_READ, page);
	return finish(v, linear, ACC_USER | ACC_READ, PEEK, page, &error);
}

bool paging_read_pdptes(struct vcpu *v, u64 cr3, u64 pdpte[4])
{
	const u64 reserved = 0x1e6 | (~physical_mask(v) & ~(BIT(12) - 1));

	for (unsigned int i = 0; i < 4; i++) {
		pdpte[i] = entry_load(entry_host(v, (cr3 & 0xffffffe0) + i * 8, ACC_READ, 0, NESTED_PDPTE), 8);
		if ((pdpte[i] & PTE_P) && (pdpte[i] & reserved))
			return false;
	}
	return true;
}
