/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests share: two sets of tables in plain memory, a cache over them, and ways to map. */
#ifndef EPT_MERGE_TESTS_EPT_BENCH_H
#define EPT_MERGE_TESTS_EPT_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "../ept_cache.h"
#include "../ept_check.h"
#include "../ept_through.h"

#define TABLES 40u
#define POOL_PAGES 64u
#define TREES 4u

#define T12_L1 0x10000000ull /* EPT12's tables: where L1 has them */
#define T12_L0 0x30000000ull /* where L0 has them */
#define T01_L0 0x20000000ull /* EPT01's tables */
#define POOL_PA 0x70000000ull

#define RWX (EPT_R | EPT_W | EPT_X)
#define WB_TYPE ((u64)EPT_WB << EPT_TYPE_SHIFT)

#define LOAD (EPT_ACC_READ | EPT_ACC_LINEAR | EPT_ACC_FINAL)
#define STORE (EPT_ACC_WRITE | EPT_ACC_LINEAR | EPT_ACC_FINAL)
#define MODIFY (EPT_ACC_READ | EPT_ACC_WRITE | EPT_ACC_LINEAR | EPT_ACC_FINAL)
#define FETCH (EPT_ACC_EXEC | EPT_ACC_LINEAR | EPT_ACC_FINAL)
#define STRUCTURE (EPT_ACC_READ | EPT_ACC_LINEAR)

#define ALL_LEAVES (EPT_HAS_2M | EPT_HAS_1G)
#define ALL_FEATURES (EPT_HAS_EXEC_ONLY | ALL_LEAVES | EPT_HAS_AD | EPT_HAS_ADVANCED_INFO)

struct tables {
	u64 page[TABLES][EPT_ENTRIES] __attribute__((aligned(4096)));
	unsigned int used;
	u64 base; /* physical address of page[0], in its own level */
};

struct bench {
	struct tables t12, t01;
	u64 pool[POOL_PAGES][EPT_ENTRIES] __attribute__((aligned(4096)));
	struct ept_page descriptors[POOL_PAGES];
	struct ept_tree trees[TREES];
	struct ept12 ept12; /* tables by address; offered format and callbacks, root: page 0 */
	struct ept01 ept01; /* root: page 0 */
	struct ept_through through;
	struct ept_cache cache;
	u64 later; /* the table at this L1 address isn't to be had (all ones: every table is) */
	bool read_only; /* tables of EPT12 can't be written: NULL */
	u64 race_clear; /* entry value that another processor clears just before a flag is set; 0: none */
	u64 *race_at;
	unsigned int pml_room; /* entries left */
	u64 pml[64]; /* what was logged */
	unsigned int logged;
};

/* Empty tables, root is page 0 of each; 4 levels, everything offered, no A/D, no MBEC, MAXPHYADDR 46. */
void bench_init(struct bench *b);
/* The cache, over the tables as they are now. */
void bench_cache(struct bench *b, u32 pages, u32 trees);
/* EPTP of the table that starts in page `root`. */
u64 bench_eptp(const struct bench *b, unsigned int root, bool ad);
/* ept12 as the cache makes it: for walks without a tree. */
void bench_use(struct bench *b, bool ad, bool mbec);
/* Turn PML on for ept12; room: entries until it is full. */
void bench_pml(struct bench *b, unsigned int room);

/* The entry of `level` for `from`, tables above it made as needed (all rights). */
u64 *tables_entry(struct tables *t, unsigned int root, u64 from, unsigned int level);
/* Map `from` to `to` with a leaf of `level`; bits: rights, type ... */
void tables_map(struct tables *t, u64 from, u64 to, unsigned int level, u64 bits);

#endif
