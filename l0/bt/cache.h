/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The code cache: blocks, where they come from, where they jump to.
 *
 * A block is keyed by the guest-physical address of its first byte and the mode it was translated for. Its code
 * doesn't know the linear address it runs at: that is v->rip_base plus an offset in the page. So a block is good in every
 * address space that maps its page, and it is dropped only when the page's bytes change.
 *
 *   indirect entry   RSI = linear address of the block: sets rip_base        (jump cache, jumps into other pages)
 *   direct entry     rip_base is right already                               (chained jumps within the page)
 *   ...              code; its cold parts (TLB misses, exits) lie elsewhere, so that what runs lies close together
 *
 * Jumps into another page go through the jump cache, which knows where that page is in this address space. But if the guest maps 2 MiB as one
 * piece, as it does a kernel's code, all of them are where one of them is: so blocks of such pages are others than those of small pages
 * (MODE_WHOLE), only they lead to one another, and among them JMP and CALL are chained from page to page. What the guest does to
 * the mapping empties the jump cache, which is the way in.
 *
 * Stale blocks: all chained jumps to them are undone and their indirect entry becomes a jump to the lookup, so that
 * nothing has to search the jump caches. Their bytes stay until their region is emptied.
 *
 * The cache is filled region by region. When all are full, one of them is emptied, by chance: with any order a guest that goes round in
 * a little more code than there is room for would never find what it needs next.
 *
 * Several vCPUs may run at once (machine.parallel), and share the cache:
 *  - Whoever makes, chains or drops blocks holds bt->lock. Looking one up needs no lock: a block's place in its list is
 *    written last, and what is unlinked can still be walked through.
 *  - Code that others may be running is changed by single stores within eight aligned bytes, so that they see the old jump or the new one.
 *  - Pages with code: no TLB entry writes there, so each store comes to C, which drops the blocks it overlaps and stores under the
 *    lock; and a translation reads the page's bytes under it. So whoever sees the new bytes finds no translation of the old ones. That
 *    a page becomes one of these (cache_watch()) takes being alone (run/gate.h): nobody is between a TLB hit and its store.
 *  - A region, or the whole cache, is emptied by one who is alone: nobody is in translated code.
 *  - A vCPU that is in a dropped block goes on to its next exit, as a CPU goes on with what it has fetched already.
 */
#ifndef L0_BT_CACHE_H
#define L0_BT_CACHE_H

#include "../cpu/mode.h"
#include "../machine/machine.h"
#include "bt.h"
#include "emit.h"
#include "gs_base.h"

#define BLOCK_NONE 0 /* that place in bt->blocks is nobody's: tables and lists are empty as the host gives them */
#define BLOCK_MAX_INSNS 64
#define SINGLE_ROOM (8u << 10) /* for one instruction of each vCPU: cache_new_single() */
#define HASH_BITS 19
#define TWIN_BITS 18

struct bt_exit {
	u32 target; /* block, BLOCK_NONE while not chained */
	u32 next, prev; /* other exits chained to the same target: 2 * block + exit */
	u16 patch; /* of the rel32 to aim at the target, from the block's code on; 0: this exit can't be chained */
	u16 stub; /* what the rel32 points at while not chained, from the cold parts on */
	u16 delta; /* target's linear address - rip_base, or EXIT_FAR: the target is in another page, and TA has its address */
} __attribute__((packed, aligned(2)));

#define EXIT_FAR UINT16_MAX
#define WHOLE_SHIFT 21 /* MODE_WHOLE */

/* where in host code each guest instruction begins: for faults that the host's CPU finds */
struct bt_insn_map {
	u16 host; /* from the direct entry */
	u16 guest; /* offset in the page */
};

/* There is one for five guest instructions or so: what it takes is what the host has to give when a guest boots. */
struct bt_block {
	u64 phys; /* of the first byte */
	u32 page2; /* number of the second page if an instruction crosses into it, else PAGE2_NONE */
	u32 mode;
	u32 hash_next;
	u32 twin, twin_next; /* hash of how its bytes begin, other blocks that do so: copy.c */
	u32 note; /* first index in bt->notes */
	u32 page_next[2]; /* other blocks of the first, second page */
	u32 code; /* cache offset: indirect entry */
	u32 cold; /* its cold parts, in another place */
	u32 map; /* first index in bt->maps; `insns` entries */
	u32 incoming; /* first exit chained to this block */
	u16 size, cold_size; /* bytes of host code */
	u16 len; /* guest bytes */
	u16 leaves; /* displacements that lead out of their area; 0: no other block can be made from this one */
	u8 insns;
	u8 check_at; /* the budget is taken just before this instruction: see translate.c */
	u8 direct; /* direct entry, from the indirect one on */
	bool valid : 1, single : 1, by_level : 1;
	bool looked_up : 1; /* one of its exits was never to be chained: cache_never_chain() */
	struct bt_exit exit[2];
};

#define PAGE2_NONE UINT32_MAX
_Static_assert(sizeof(struct bt_block) == 104, "no holes");

/* Cache offsets */
static inline u32 block_direct(const struct bt_block *b)
{
	return b->code + b->direct;
}

static inline u32 block_end(const struct bt_block *b)
{
	return b->code + b->size;
}

static inline u32 block_cold_end(const struct bt_block *b)
{
	return b->cold + b->cold_size;
}

static inline u32 exit_patch(const struct bt_block *b, unsigned int exit)
{
	return b->code + b->exit[exit].patch;
}

static inline u32 exit_stub(const struct bt_block *b, unsigned int exit)
{
	return b->cold + b->exit[exit].stub;
}

/* How many low bits of linear addresses are the same in all that the block may be chained to */
static inline unsigned int block_shift(const struct bt_block *b)
{
	return b->mode & MODE_WHOLE ? WHOLE_SHIFT : 12;
}

static inline bool block_crosses(const struct bt_block *b)
{
	return b->page2 != PAGE2_NONE;
}

/*
 * Besides a number of bytes, what a jump that faults has to undo: LOOP's rCX of n bits. FALLS: it is no jump, or one that isn't
 * taken (exit 1 of a block), so that the instruction is complete and the next one faults. Odd, as no push or pop is.
 */
enum { UNDO_COUNT16 = 1, UNDO_COUNT32 = 3, UNDO_COUNT64 = 5, UNDO_FALLS = 7 };

struct translate_scratch;

#define REGIONS_MAX 16
#define REGION_MIN (512u << 10)

/* A part of the code cache, and of the tables of blocks and instructions. All numbers are indices of the whole. */
struct bt_region {
	struct bt_area {
		u64 start, used, end; /* cache offsets */
	} hot, cold; /* what runs all the time, what doesn't; cold is right behind hot */
	u32 first_block, block_max;
	_Atomic u32 blocks; /* so many from the first one on */
	u32 first_map, map_max, maps;
	u32 first_note, note_max, notes;
	bool was_half_full; /* at some time */
};

/* What is known of a page of guest memory while there is code from it */
struct bt_page {
	u32 blocks; /* first block * 2 + which of its pages, BLOCK_NONE */
	u16 slow_writes; /* stores beside the code since it was translated */
};

/* Ranges of offsets from a segment's base: lower_range.c. What makes the number is the range's place, and the segment's. */
struct bt_ranges {
	unsigned int count;
	s32 key[TLB_RANGES / 2];
};

struct bt {
	struct machine *machine;
	int fd;
	u8 *rw, *rx; /* two views of the same memory: never both writable and executable */
	size_t size;
	struct feed *feed;
	u64 singles; /* cache offset of the vCPUs' single instructions, SINGLE_ROOM each; before it are the thunks, behind it the regions */
	struct bt_region region[REGIONS_MAX];
	unsigned int regions;
	struct bt_region *open; /* the one that is being filled */
	u64 random; /* which one is emptied next; the same for every run */
	u64 emptied; /* so often has a region been, or all of them */
	u64 watched; /* so often has a page become one whose stores are noticed */
	struct lock lock; /* machine.parallel */
	struct bt_block *blocks; /* from 1 on; the first ones are the single instructions */
	u32 block_max; /* of the array */
	struct bt_insn_map *maps;
	u32 map_max;
	u16 *notes; /* of what blocks can be made from: copy.c */
	u32 note_max;
	u32 vain, not_looked; /* copy.c: searches since one found something, as far as they count; how often there was none */
	u32 *twins; /* first block by struct bt_block.twin */
	u32 *hash;
	struct bt_page *pages; /* by packed page number */
	struct thunks {
		u8 *enter, *exit, *miss, *commit, *callout, *group, *segment, *chain, *dropped, *budget, *fault, *step;
		u8 *jc_miss[JC_CLASSES], *lookup[JC_OTHER], *lookup_far[JC_OTHER]; /* by class */
		u8 *syscall[JC_OTHER], *sysret; /* by the class that is entered; JC_USER64: none */
	} thunk;
	struct bt_ranges ranges[2]; /* of FS, of GS; they only get more */
	struct translate_scratch *scratch;
	bool loops; /* LOOP is a fast instruction of this host: lower_check.c. Blocks may have either form */
	bool split_locks_trap; /* what is locked must not lie across lines of the host's cache: lower_lock.c */
	enum gs_base_way gs_way;
	const void *nowhere; /* GS_BASE_LOST: as much as a TLB takes, and none of it is memory */
	bool trace; /* --trace translate */
	u64 start_ns, start_tsc, translate_tsc; /* stats.translate_ns, by the host's TSC */
	struct bt_stats stats; /* what is counted under the lock; the rest is in struct bt_vcpu */
};

#define BT_RECENT 32

struct bt_vcpu {
	struct bt *bt;
	s32 fixup; /* see bt_uncounted() */
	bool single; /* the next block is one instruction, kept out of the hash (self-modifying code) */
	struct tlb *gs; /* what the host's GS base points at */
	/* the access of the current instruction that can't be a plain host access */
	u64 bounce_linear;
	u32 bounce_size;
	u32 bounce_at; /* offset in bounce[]: what is aligned stays it; what must not lie across cache lines doesn't */
	s32 bounce_uncounted; /* of the instruction whose store rt_commit() does */
	_Alignas(64) u8 bounce[192];
	u64 fault_vector, fault_rip_host; /* from the signal handler */
	u64 recent[BT_RECENT];
	u32 recent_next;
	struct bt_stats stats;
};

static inline void bt_lock(struct bt *bt)
{
	if (bt->machine->parallel)
		lock_take(&bt->lock);
}

static inline void bt_unlock(struct bt *bt)
{
	if (bt->machine->parallel)
		lock_give(&bt->lock);
}

/* cache.c */
struct bt_block *cache_find(struct bt *bt, u64 phys, u64 phys2, u32 mode);
/* For the first time, the region that is being filled is. */
bool cache_is_half_full(struct bt *bt);
struct bt_block *cache_new(struct bt *bt); /* NULL: full, call cache_make_room() and begin anew */
/* The vCPU's block for a single instruction, in a place of its own. The last one goes: it has run, and nobody leads to it. */
struct bt_block *cache_new_single(struct bt *bt, unsigned int vcpu);
void cache_add(struct bt *bt, struct bt_block *b); /* into hash and page lists; watches the page */
/* From now on stores to the page must be noticed. Alone. */
void cache_watch(struct bt *bt, u64 gpa);
void cache_chain(struct bt *bt, u32 from_exit, struct bt_block *to);
/* The exit's target can't be chained as it crosses into another page: from now on it is looked up in the jump cache of its mode. */
void cache_never_chain(struct bt *bt, u32 from_exit, u32 mode);
void cache_drop(struct bt *bt, struct bt_block *b);
/* The region is full: go on in another one. Alone. */
void cache_make_room(struct bt *bt);
void cache_flush(struct bt *bt); /* alone */
/* Drop the blocks that [gpa, gpa + n) overlaps. True if the one that host_pc is in was among them; 0: none is. */
bool cache_written(struct bt *bt, u64 gpa, u64 n, u64 host_pc);
/* Aim the 32-bit displacement at cache offset `patch` at another one, while others may run it. */
void cache_aim(struct bt *bt, u32 patch, u32 target);
struct bt_block *cache_by_host(struct bt *bt, u64 host_pc);
/* The instruction of b that host_pc, not in a cold part, belongs to: its index. */
u32 cache_insn_at(const struct bt *bt, const struct bt_block *b, u64 host_pc);

/*
 * What has to be added to the budget if instruction `index` of b doesn't complete: those that were counted and not run, or, before
 * the block's budget was taken, less those that were run and not counted.
 */
static inline s32 block_uncounted(const struct bt_block *b, u32 index)
{
	return index < b->check_at ? -(s32)index : (s32)(b->insns - index);
}

/*
 * A block's indirect entry: LEA RCX, [RSI - offset of the block in its page], in its longest form. A dropped block's becomes a jump
 * (cache_drop()), and who is behind this instruction must not notice.
 */
#define ENTRY_BYTES 7
static inline void cache_entry(u8 *p, u32 offset)
{
	p[0] = 0x48;
	p[1] = 0x8d;
	p[2] = 0x8e;
	*(guest_u32 *)(p + 3) = -offset;
}

static inline u8 *cache_rx(const struct bt *bt, u32 offset)
{
	return bt->rx + offset;
}

static inline u32 cache_index(const struct bt *bt, const struct bt_block *b)
{
	return (u32)(b - bt->blocks);
}

/* copy.c, under bt->lock */

/* b is new, in one page and no single instruction: others can be made from it. by_level: those of its level. */
void copy_may(struct bt *bt, struct bt_block *b, const struct emit_leaves *leaves, bool by_level);
/* Its region is about to be emptied. */
void copy_no_more(struct bt *bt, struct bt_block *b);
/* The block at `phys` for this mode, made from another one with the same bytes. NULL: translate it. */
struct bt_block *copy_block(struct bt *bt, u64 phys, u32 mode);

/* thunks.c */
/* TA = linear address: go there if the jump cache has it. Returns the place of the jump (rel32) that is taken otherwise. */
u8 *emit_jump_cache(struct emit *e, enum jc_class class, bool loops);
u64 thunks_emit(struct bt *bt); /* returns the cache offset of their end */

/*
 * translate.c: translate the block at linear address v->code_base + v->rip, which is at `phys`; raises #PF of the fetch of what it has in a
 * second page. NULL: cache full, or
 * *unwatched is the physical address of a page that cache_watch() has to be called for first. The caller has parked the guest's
 * vector state, as this is ordinary C, and holds bt->lock.
 */
enum translation { TRANSLATE_BLOCK, TRANSLATE_SINGLE, TRANSLATE_UNGROUPED };
struct bt_block *translate(struct vcpu *v, u64 linear, u64 phys, enum translation kind, u32 mode, u64 *unwatched);

int translate_create(struct bt *bt); /* 0 or -ENOMEM */
void translate_destroy(struct bt *bt);

/* lower_range.c: where range n begins, linear, and from which base */
u64 range_start(const struct bt *bt, const struct vcpu *v, unsigned int n, u64 *base);
bool range_in_page(unsigned int n, u64 start);

/* runtime.c: the jump cache that a block of this mode uses */
enum jc_class jc_class_of(u32 mode);

/* runtime.c: called by thunks */
u64 rt_miss(struct vcpu *v, u64 linear, u32 desc);
void rt_commit(struct vcpu *v);
u8 *rt_callout(struct vcpu *v, u64 desc, u64 args, void *fn);
u8 *rt_group(struct vcpu *v, u64 linear, u32 desc, u32 span);
u64 rt_segment(struct vcpu *v, u64 offset, u32 desc);
u8 *rt_chain(struct vcpu *v, u32 exit, u64 far);
u8 *rt_jc_miss(struct vcpu *v, u64 linear, u32 desc);
u8 *rt_budget(struct vcpu *v, u32 offset, u32 insns);
u8 *rt_fault(struct vcpu *v);
u8 *rt_step(struct vcpu *v, u64 linear, u32 desc);

/*
 * What a slow path needs to know of its instruction, in 32 bits:
 *   0..6 operand size in bytes, 7 SS-relative (#SS instead of #GP), 8 write, 9 read,
 *   10 the operand must be aligned to its size (#GP), 11 an x87 instruction that waits: a pending #MF comes first,
 *   12..23 offset of the instruction in its page, 24..31 block_uncounted() of it, signed
 */
#define DESC_SIZE(d) ((d)&127)
#define DESC_SS BIT(7)
#define DESC_WRITE BIT(8)
#define DESC_READ BIT(9)
#define DESC_ALIGNED BIT(10)
#define DESC_X87 BIT(11)
#define DESC_OFFSET(d) (((d) >> 12) & 4095)
#define DESC_UNCOUNTED(d) ((s32)(d) >> 24)
/* callouts: bits 0..3 length of the instruction, 4 the block ends here */
#define DESC_END BIT(4)
/* 5: a REP in its block's middle, which goes on behind it if the string is done and the block still there: args.imm is its number */
#define DESC_STRING BIT(5)
/* jc_miss: bits 0..11 bytes to add to SP to undo the instruction's stack change if the target is bad, biased by 2048 */
/* segment: 0..6 size, 8 write, 9 read as above; bits 10..11 and 7: segment number's bits 0..2 */
#define DESC_SEG(s) ((((s)&3u) << 10) | ((s) >> 2 << 7))
#define DESC_SEG_OF(d) (((d) >> 10 & 3) | (((d) >> 7 & 1) << 2))

#endif
