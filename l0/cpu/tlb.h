/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The soft TLB. Translated code reads these arrays (through GS, see bt/regs.h), so their layout is
 * part of the code generator.
 *
 * One struct tlb is the translations of one address space: (level, EPTP, VPID, PCID). A CR3 write
 * with the no-flush bit, a VM exit or a VM entry selects another one and empties none. Within it
 * there is a *view* for each kind of privilege, so that CPL changes select arrays, too.
 *
 *   entry of page P in a view:   read[i]  = 4096 - P  if loads may go directly, else tlb_invalid(i)
 *                                write[i] = 4096 - P  if stores may
 *                                addend[i] = host address of P's page - P
 *   with P = linear & ~4095 and i = PEXT(linear, index_mask). Stored negated: one LEA adds the
 *   address of the operand's last byte to it, and the sum divided by 4096 is 1 exactly on a hit, flags untouched.
 */
#ifndef L0_CPU_TLB_H
#define L0_CPU_TLB_H

#include "mmu.h"
#include "psc.h"
#include "stlb.h"

struct write_indexes;

#define TLB_BITS 13
#define TLB_ENTRIES (1u << TLB_BITS)
static inline u64 tlb_tag(u64 page)
{
	return 4096 - page;
}

/*
 * What a search looks at of its sum, which is 1 in these bits for what lies in the page, and more for all else: the two lowest bits of the page,
 * for what reaches into the next one, and what isn't index, for other pages. They are few enough for a shift by RSP_COUNT (bt/regs.h).
 */
#define TLB_PAGE_MASK (~(((u64)TLB_ENTRIES << 12) - 1) | 0x3000)

/*
 * An entry that nothing hits. It is the tag of some page Q, and a guest may well try Q (non-canonical as it is): so Q's index is, by its two
 * lowest bits, that of an entry before.
 */
static inline u64 tlb_invalid(unsigned int index)
{
	return 0x4000000000001000ull - ((index - 1) & 3) * 0x1000;
}

/* who is asking */
enum tlb_view {
	TLB_USER, /* CPL 3 */
	TLB_KERNEL, /* CPL < 3; user pages are not reachable: SMAP on and AC clear */
	TLB_KERNEL_AC, /* CPL < 3; user pages are reachable */
	TLB_VIEWS,
};

struct tlb_arrays {
	u64 read[TLB_ENTRIES];
	u64 write[TLB_ENTRIES];
	u64 addend[TLB_ENTRIES];
};

/*
 * Where accesses at constant offsets from FS' and GS' base go: a kernel's data of each CPU, a program's of each thread. What such a range of
 * offsets is, and which number it has, is the translator's (bt/lower_range.c); here is where it lies for one base. A copy of what the view
 * held when it was entered, and goes when that does.
 *
 *   read = 1 - base if loads may go directly, write the same for stores; the sum with the base is 1 on a hit
 */
#define TLB_RANGES 128
struct tlb_range {
	u64 read, write;
	u64 address; /* host address of offset 0 of the range */
	u64 page; /* linear */
};

#define RANGE_INVALID 0x4000000000000001ull /* a base that would hit isn't canonical */

/*
 * jump cache: linear address of code to its translation. Same trick: the sum of address and tag is 1 on a hit. What isn't where its index
 * says may be in the other half, where what was there before goes: two places for each.
 */
#define JC_BITS 14
#define JC_ENTRIES (1u << JC_BITS)

enum jc_class { JC_USER64, JC_KERNEL64, JC_KERNEL_AC64, JC_OTHER, JC_CLASSES };

/* Side by side, so that a jump reads one line of the host's cache */
struct jump_cache {
	struct jump_entry {
		u64 tag;
		u64 target; /* host address in the code cache */
	} entry[JC_ENTRIES];
};

/* Entries of an array that were written since it was empty: to empty it again, and to copy it */
#define USED_MAX 2046 /* with its count a multiple of 8 bytes */
struct tlb_used {
	u32 count; /* USED_MAX + 1: more than there is room for */
	u16 slot[USED_MAX];
};

#define CODE_PAGES 256

/* What was dropped of a context since somebody who follows it (direct/) has looked: single pages, or more */
#define TLB_DROPPED_PAGES 8u
struct tlb_dropped {
	u32 count; /* TLB_DROPPED_PAGES + 1: anything */
	u64 page[TLB_DROPPED_PAGES];
};

static inline void tlb_note_dropped(struct tlb_dropped *d, u64 page)
{
	if (d->count < TLB_DROPPED_PAGES)
		d->page[d->count++] = page;
	else
		d->count = TLB_DROPPED_PAGES + 1;
}

/*
 * So that INVLPG finds what it has to drop without searching for it. Direct-mapped tables; a place that two things want
 * stands for both, and then dropping one drops more. All may name what isn't held any more, never less than what is.
 * An entry counts if its age is the table's: a new age empties a table.
 */
#define LARGE_REGIONS 256
#define EXEC_PAGES 512
#define EXEC_SLOTS 5

struct tlb_held {
	u64 large_1g[4]; /* Bloom filter: 1 GiB pages of which fragments are held */
	bool has_4m; /* some are of 4 MiB pages: INVLPG must look at both halves */
	u32 large_age, exec_age;
	/* fragments of larger pages, by 2 MiB of linear address */
	struct tlb_large {
		u64 region; /* its first byte; HELD_MANY: several */
		u32 age;
		u16 first, last; /* pages of the region: 0..511 */
	} large[LARGE_REGIONS];
	/* pages that the jump caches hold code of */
	struct tlb_exec {
		u64 page; /* HELD_MANY: several */
		u32 age;
		u16 count; /* EXEC_SLOTS + 1: more than there is room for */
		u16 slot[EXEC_SLOTS]; /* class * JC_ENTRIES + index */
	} exec[EXEC_PAGES];
};

#define HELD_MANY 1ull

/* Where the next miss would be of who goes through memory in order: mmu.c */
#define TLB_STREAMS 4
struct tlb_streams {
	u64 next[TLB_STREAMS]; /* page; 0 is as good as none */
	u8 victim;
};

/*
 * Kernels map themselves as global, but for few pages, and these for a short time (where Linux writes to code that runs, for one). A flush of
 * what isn't global then drops them one by one, and leaves the kernel's translations and jump cache as they are.
 */
#define TLB_NONGLOBAL_PAGES 15u

struct tlb {
	/* constants for translated code, which has no register to hold them */
	u64 index_mask; /* bits of a linear address that make the index */
	u64 page_mask; /* TLB_PAGE_MASK */
	u64 sign_mask; /* bit 63 */
	u64 jc_mask; /* PDEP: the lowest JC_BITS of a hash, times two: an index in words of 8 bytes */
	u64 jc_wrap; /* PEXT: such an index is below 2 * JC_ENTRIES */
	u64 arith_mask, pushf_mask; /* FLAG_ARITH; what PUSHF takes from v->rflags */
	u64 df_mask; /* EFLAGS.DF */
	u64 string_mask; /* bits of RCX that make a string too long for lower_string.c */
	u64 line_mask; /* ~63: of an address within a line of the host's cache, what is beyond it */
	u64 bit_mask[4]; /* 7, 15, 31, 63: bit offsets within an operand */

	struct tlb_arrays view[TLB_VIEWS];
	_Alignas(64) struct jump_cache jc[JC_CLASSES];
	u32 jc_other_mode; /* mode that jc[JC_OTHER] is filled for */
	u32 jc_control; /* MODE_CONTROL that all of jc[] is filled for */

	/* where code pages are: what a miss of the jump cache would walk for. tag = linear page | 1, 0: empty */
	struct code_page {
		u64 tag, phys;
		u8 shift, run;
		bool user, global;
	} code_page[CODE_PAGES];

	struct tlb_used view_used[TLB_VIEWS], jc_used[JC_CLASSES];
	bool empty; /* nothing was entered since the context was emptied */
	/* pages in TLB_KERNEL that aren't global; TLB_NONGLOBAL_PAGES + 1: more, or code in its jump cache */
	u32 nonglobal_kernel;
	u64 nonglobal_page[TLB_NONGLOBAL_PAGES];
	u64 key, eptp; /* address space: mmu.c */
	u64 used; /* for choosing a victim */
	/* One for each half of the address space: processes come and go in the lower, kernels stay in the upper. */
	struct tlb_held held[2];
	bool kernel_in_lower; /* TLB_KERNEL or its jump cache holds something of the lower half */
	bool global_in_lower; /* something of the lower half is global */
	struct tlb_dropped dropped;
	struct stlb second;
	struct psc psc;
	struct tlb_streams streams[TLB_VIEWS]; /* never emptied: where misses were stays true */
	struct tlb_range range[TLB_VIEWS][TLB_RANGES];
	u64 range_used[TLB_VIEWS][TLB_RANGES / 64];
	u64 range_pages; /* Bloom filter of their pages */
};

#define TLB_CONTEXTS 12

/* Memory for TLB_CONTEXTS contexts, of which none is initialized: their first use costs the memory. NULL: there is none */
struct tlb *tlb_contexts_create(void);
void tlb_contexts_destroy(struct tlb *t);
void tlb_init(struct tlb *t);
/* Empty a context: nothing of it hits any more. */
void tlb_flush(struct tlb *t);
void tlb_flush_user(struct tlb *t); /* what isn't global: all but TLB_KERNEL, and that too if it holds much that isn't */
void tlb_flush_page(struct tlb *t, u64 linear);
void tlb_flush_code(struct tlb *t); /* jump cache only */
/* Take over the global entries of another context of the same level. */
void tlb_inherit(struct tlb *t, const struct tlb *from);
/* Enter a page: host address of its first byte; rights as mmu_walk() gave them. */
void tlb_insert(struct tlb *t, enum tlb_view view, u64 page, u8 *host, unsigned int rights, unsigned int shift,
		bool global);
/* Enter range n, which begins at `linear` and lies in one page, for a segment's base: as far as the view holds that page. */
void tlb_insert_range(struct tlb *t, enum tlb_view view, unsigned int n, u64 base, u64 linear);
/* What TLB_KERNEL holds of a page is TLB_KERNEL_AC's, too. */
void tlb_share_kernel(struct tlb *t, u64 page);
/* Enter a translation into the jump cache of `class`. */
void tlb_insert_code(struct tlb *t, enum jc_class class, u64 linear, const u8 *code, unsigned int shift, bool global);
/* The translation of code at `linear` if the jump cache has it; 0 */
u64 tlb_find_code(const struct tlb *t, enum jc_class class, u64 linear);
/* Not any more */
void tlb_forget_code(struct tlb *t, enum jc_class class, u64 linear);
/* It reaches into the page at `second`, too. */
void tlb_insert_code_end(struct tlb *t, enum jc_class class, u64 linear, u64 second, unsigned int shift);
/* Remember where the code page of `linear` is, for code_page(). */
void tlb_insert_code_page(struct tlb *t, u64 linear, const struct mmu_page *page, bool user);
/* No direct stores to the RAM page at `host` any more. */
void tlb_forbid_write(struct tlb *t, const u8 *host);
/* The same where only these entries of each view can hold it. */
void tlb_forbid_write_at(struct tlb *t, const u8 *host, const struct write_indexes *w);

/* Index of a jump cache entry; translated code computes the same. The page takes part: code has its favourite offsets. */
static inline unsigned int jc_index(u64 linear)
{
	return (linear + (linear >> 9 | linear << 55)) & (JC_ENTRIES - 1);
}

static inline u64 jc_tag(u64 linear)
{
	return 1 - linear;
}

/* As tlb_invalid(): the tag of an address that has index 0, and may be looked for in the middle, too */
#define JC_INVALID 0x4000000000000001ull

static inline u64 jc_invalid(unsigned int index)
{
	return index % (JC_ENTRIES / 2) == 0 ? JC_INVALID - 1 : JC_INVALID;
}

static inline unsigned int jc_second(unsigned int index)
{
	return index ^ JC_ENTRIES / 2;
}

static inline struct code_page *code_page(struct tlb *t, u64 linear)
{
	return &t->code_page[(linear >> 12 ^ linear >> 20) % CODE_PAGES];
}

static inline unsigned int tlb_index(u64 linear)
{
	return (linear >> 12) & (TLB_ENTRIES - 1);
}

static inline enum tlb_view tlb_view(const struct vcpu *v, unsigned int access)
{
	if (access & ACC_USER)
		return TLB_USER;
	if ((v->cr4 & CR4_SMAP) && ((access & ACC_IMPLICIT) || !(v->rflags & FLAG_AC)))
		return TLB_KERNEL;
	return TLB_KERNEL_AC;
}

#endif
