/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * L2's physical addresses: through L1's EPT (EPT12) and L0's (EPT01). With --mmu merge what comes out is kept in EPT02; with walk
 * both tables are walked each time, and each table of EPT12 is found through EPT01.
 */
#include "internal.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "../../ept-merge/ept_cache.h"
#include "../../ept-merge/ept_through.h"
#include "../cpu/model.h"
#include "../cpu/tlb.h"
#include "ept01.h"
#include "nested_tlb.h"

#define TABLES_START BIT(51) /* beyond the 48 bits that EPT01 translates */
#define L0_MAXPHYADDR 52
#define TREES 32

struct vmx_mmu {
	struct ept01 ept01;
	struct ept12 ept12; /* of the current entry, as --mmu walk sees it */
	struct ept_through through;
	struct ept_cache cache;
	struct ept_tree *tree; /* EPT02 of the current entry */
	struct l0_tables tables;
	struct ept_page *descriptors;
	struct ept_tree trees[TREES];
	struct nested_tlb tlb;
};

bool vmx_uses_ept(const struct vcpu *v)
{
	return v->in_l2 && has_ept(&v->vmx->v02);
}

static u64 *table(void *ctx, u64 pa, bool write, u32 *refs)
{
	const struct vcpu *v = ctx;

	(void)write;
	(void)refs;
	return l1_page(v, pa);
}

/* SDM vol. 3, "Page-Modification Logging": 512 entries, filled from the last to the first */
static bool pml_ready(void *ctx)
{
	const struct vcpu *v = ctx;
	const struct vmcs *c = &v->vmx->v02;

	return !has_pml(c) || c->guest_pml_index < 512;
}

static void pml_log(void *ctx, u64 from)
{
	struct vcpu *v = ctx;
	struct vmcs *c = &v->vmx->v02;
	u64 *page;

	if (!has_pml(c))
		return;
	page = l1_page(v, c->pml_address);
	if (page) {
		page[c->guest_pml_index] = from & ~4095ull;
		l1_written(v, (c->pml_address & ~4095ull) + c->guest_pml_index * 8ull, 8);
	}
	c->guest_pml_index--;
}

static struct ept_format offered_format(const struct vmx_caps *caps)
{
	return (struct ept_format){
		.features = (offers_ept_execute_only(caps) ? EPT_HAS_EXEC_ONLY : 0) |
			    (offers_ept_2mb(caps) ? EPT_HAS_2M : 0) | (offers_ept_1gb(caps) ? EPT_HAS_1G : 0) |
			    (offers_ept_accessed_dirty(caps) ? EPT_HAS_AD : 0),
		.maxphyaddr = caps->cpu.physical_bits,
	};
}

bool vmx_eptp_valid(const struct vcpu *v, u64 eptp)
{
	struct ept_format f = offered_format(&v->vmx->caps);

	return ept_eptp_valid(&f, eptp);
}

const struct ept_stats *vmx_ept_stats(const struct vmx *x)
{
	return &x->mmu->cache.stats;
}

/*
 * Pages for EPT02: enough to map all of L1's memory twice in 4 KiB pages, and then some for trees that share it. They take
 * memory when they are first used.
 */
static u64 pool_pages(const struct memory *m)
{
	return (m->low + m->high) / (EPT_ENTRIES * PAGE_SIZE) * 2 + 1024;
}

struct vmx_mmu *vmx_mmu_create(struct vcpu *v)
{
	const struct memory *memory = &v->machine->memory;
	struct vmx_mmu *m = calloc(1, sizeof(*m));
	u64 pages = pool_pages(memory);
	/* L0's own pages are as large as the host backs L1's memory */
	u32 features = memory->small_pages ? 0 : EPT_HAS_2M | EPT_HAS_1G;
	u64 own = ept01_pages(memory, features);
	struct ept12 offered;

	if (!m)
		return NULL;
	m->tables = (struct l0_tables){ .memory = memory, .start = TABLES_START, .count = own + pages };
	m->tables.pages = mmap(NULL, m->tables.count * PAGE_SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	m->descriptors = calloc(pages, sizeof(*m->descriptors));
	if (m->tables.pages == MAP_FAILED || !m->descriptors) {
		vmx_mmu_destroy(m);
		return NULL;
	}
	m->ept01 = ept01_make(&m->tables, features, L0_MAXPHYADDR);
	offered.space = (struct ept_space){
		.format = offered_format(&v->vmx->caps), .ctx = v, .table = table, .pml_ready = pml_ready, .pml_log = pml_log
	};
	ept_cache_init(&m->cache,
		       &(struct ept_cache_memory){ .pages = m->tables.pages + own * PAGE_SIZE,
						   .pages_pa = TABLES_START + own * PAGE_SIZE,
						   .descriptors = m->descriptors,
						   .page_count = (u32)pages,
						   .trees = m->trees,
						   .tree_count = TREES },
		       &offered, &m->ept01, EPT_HAS_2M | EPT_HAS_1G);
	m->through.ept01 = &m->ept01;
	return m;
}

void vmx_mmu_destroy(struct vmx_mmu *m)
{
	if (m->tables.pages != MAP_FAILED)
		munmap(m->tables.pages, m->tables.count * PAGE_SIZE);
	free(m->descriptors);
	free(m);
}

/* PML's callbacks get the vCPU, EPT12's tables are found through EPT01. */
static u64 *table_through(void *ctx, u64 pa, bool write, u32 *refs)
{
	const struct vcpu *v = ctx;

	return ept_through_table(&v->vmx->mmu->through, pa, write, refs);
}

void vmx_mmu_select(struct vcpu *v)
{
	const struct vmcs *c = &v->vmx->v02;
	struct vmx_mmu *m = v->vmx->mmu;

	if (!has_ept(c))
		return;
	if (v->vmx->modes.mmu == NESTED_MMU_MERGE) {
		m->tree = ept_cache_find(&m->cache, c->ept_pointer, has_mode_based_execute(c));
		return;
	}
	m->ept12.space = ept_space_at(&m->cache.offered.space, c->ept_pointer, has_mode_based_execute(c));
	m->ept12.space.table = table_through;
}

void vmx_mmu_invalidate(struct vcpu *v, u64 eptp, bool all)
{
	struct ept_cache *cache = &v->vmx->mmu->cache;

	v->vmx->invalidations++;
	if (all)
		ept_cache_invalidate_all(cache);
	else
		ept_cache_invalidate(cache, eptp);
}

static _Noreturn void refused(struct vcpu *v, const struct ept_walk *w, u64 address, u64 linear, unsigned int how)
{
	struct vmx_exit_info e = { .physical = address };

	switch (w->result) {
	case EPT_WALK_PML_FULL:
		e = (struct vmx_exit_info){ .reason = EXIT_REASON_PML_FULL };
		break;
	case EPT_WALK_VIOLATION:
		e.reason = EXIT_REASON_EPT_VIOLATION;
		e.qualification = w->qualification;
		e.linear = linear;
		/*
		 * "... invalidates any guest-physical mappings (associated with the current EP4TA) that would be used to translate the
		 * guest-physical address", and "any combined mappings that would be used to translate the linear address"
		 */
		tlb_note_dropped(&v->vmx->violated, address);
		if (!(how & NESTED_PDPTE))
			tlb_flush_page(v->tlb, linear);
		break;
	default: /* a table that isn't in RAM reads as all ones */
		e.reason = EXIT_REASON_EPT_MISCONFIG;
	}
	vmx_exit(v, &e);
}

static u32 access_bits(unsigned int access, unsigned int how)
{
	u32 bits = how & NESTED_PDPTE ? 0 : EPT_ACC_LINEAR;

	if (how & NESTED_FINAL)
		bits |= EPT_ACC_FINAL;
	if (how & NESTED_USER)
		bits |= EPT_ACC_USER;
	if (how & NESTED_PROBE)
		bits |= EPT_ACC_PROBE;
	if (access & ACC_WRITE)
		return bits | EPT_ACC_WRITE | (access & ACC_READ ? EPT_ACC_READ : 0);
	return bits | (access & ACC_EXEC ? EPT_ACC_EXEC : EPT_ACC_READ);
}

static u32 number_of(const struct vmx_mmu *m)
{
	return (u32)(m->tree - m->trees);
}

static u8 access_rights(u32 rights, bool user)
{
	return (u8)((rights & EPT_RIGHT_R ? ACC_READ : 0) | (rights & EPT_RIGHT_W ? ACC_WRITE : 0) |
		    (rights & (user ? EPT_RIGHT_XU : EPT_RIGHT_XS) ? ACC_EXEC : 0));
}

/* False: EPT02 has to be asked, or it has to look at EPT12 again. */
static bool found_before(struct vcpu *v, u64 address, unsigned int access, unsigned int how, struct nested_page *page)
{
	struct vmx_mmu *m = v->vmx->mmu;
	const struct nested_tlb_entry *e;
	unsigned int wanted = access & (ACC_READ | ACC_WRITE | ACC_EXEC), rights;

	if (!m->tree || (how & NESTED_PDPTE) || ((access & ACC_WRITE) && has_pml(&v->vmx->v02)))
		return false;
	e = nested_tlb_find(&m->tlb, address, number_of(m), m->tree->changes);
	if (!e)
		return false;
	rights = e->rights[!!(how & NESTED_USER)];
	if ((wanted & ~rights) || !(e->structures || (how & NESTED_FINAL)))
		return false;
	page->l1pa = e->l1pa + (address & (BIT(e->shift > 12 ? NESTED_PIECE : 12) - 1));
	page->shift = e->shift;
	page->rights = (u8)rights;
	m->cache.stats.found_before++;
	return true;
}

/* What EPT02 has answered */
static void remember(struct vcpu *v, u64 address, const struct ept_merge *merge)
{
	struct vmx_mmu *m = v->vmx->mmu;
	bool large = merge->shift > 12;
	u64 inside = BIT(large ? NESTED_PIECE : 12) - 1;
	u32 needed = ept_needed(&m->tree->space.format, EPT_ACC_READ | EPT_ACC_LINEAR);

	*(large ? nested_tlb_large(&m->tlb, address) : nested_tlb_small(&m->tlb, address)) = (struct nested_tlb_entry){
		.tag = (address & ~inside) | number_of(m),
		.changes = m->tree->changes,
		.l1pa = merge->to.v & ~inside,
		.shift = merge->shift,
		.rights = { access_rights(merge->rights, false), access_rights(merge->rights, true) },
		.structures = !(needed & ~merge->rights),
	};
}

bool vmx_nested_walk(struct vcpu *v, u64 address, unsigned int access, u64 linear, unsigned int how,
		     struct nested_page *page)
{
	struct vmx_mmu *m = v->vmx->mmu;
	u32 bits = access_bits(access, how), rights;
	l2pa from = { address };
	struct ept_merge merge;

	if (found_before(v, address, access, how, page))
		return true;
	/*
	 * EPT02 may stay behind dirty flags that L1 clears until INVEPT. Processors look at the leaf again as soon as the
	 * combined mapping is gone, and L1s that log page modifications rely on it.
	 */
	if ((bits & EPT_ACC_WRITE) && v->vmx->modes.mmu == NESTED_MMU_MERGE && has_pml(&v->vmx->v02))
		ept_tree_drop(m->tree, from);
	if (v->vmx->modes.mmu == NESTED_MMU_MERGE)
		ept_cache_translate(&m->cache, m->tree, from, bits, &merge);
	else
		ept_merge_walk(&m->ept12, &m->ept01, from, bits, &merge, &m->cache.stats);
	if ((how & NESTED_ENTERED) && !(merge.result == EPT_MERGE_OK && merge.hit))
		return false;
	if (merge.result == EPT_MERGE_OK) {
		page->l1pa = merge.to.v; /* EPT01 is an identity */
		page->shift = merge.shift;
		rights = merge.rights;
		if (merge.hit && !v->no_walk_cache)
			remember(v, address, &merge);
	} else if (merge.result == EPT_MERGE_L0 && merge.ept12.result == EPT_WALK_OK) {
		page->l1pa = merge.l1.v; /* a device of L1's, or nothing */
		page->shift = 12;
		rights = merge.ept12.rights;
	} else {
		if (how & (NESTED_PROBE | NESTED_QUIET))
			return false;
		refused(v, &merge.ept12, address, linear, how);
	}
	page->rights = access_rights(rights, how & NESTED_USER);
	return true;
}
