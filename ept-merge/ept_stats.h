/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The library's counters: one list, from which the struct, a stats file and its documentation derive. */
#ifndef EPT_MERGE_EPT_STATS_H
#define EPT_MERGE_EPT_STATS_H

#include "ept_types.h"

/* name, kind, description */
/* clang-format off */
#define EPT_STATS(S) \
	S(hits,             counted, "translations found in EPT02")                                          \
	S(found_before,     counted, "translations that their user remembers from EPT02, as --walk-cache lets it") \
	S(fills_4k,         counted, "4 KiB pages entered into EPT02")                                       \
	S(fills_2m,         counted, "2 MiB pages entered into EPT02")                                       \
	S(fills_1g,         counted, "1 GiB pages entered into EPT02")                                       \
	S(walks02,          counted, "walks of EPT02")                                                       \
	S(walks12,          counted, "walks of EPT12")                                                       \
	S(walks01,          counted, "walks of EPT01, without those for reaching tables of EPT12")           \
	S(refs02,           counted, "entries of EPT02 read by walks")                                       \
	S(refs12,           counted, "entries read by walks of EPT12, those for reaching its tables included") \
	S(refs01,           counted, "entries of EPT01 read by walks of EPT01")                              \
	S(l1_violations,    counted, "misses that are L1's: EPT violations through EPT12")                   \
	S(l1_misconfigs,    counted, "misses that are L1's: EPT misconfigurations in EPT12")                 \
	S(l1_pml_full,      counted, "misses that are L1's: its page-modification log is full")              \
	S(l0_misses,        counted, "misses that are L0's: EPT01 doesn't allow the access, or a table isn't to be had") \
	S(dropped,          counted, "leaves of EPT02 removed because a violation was reflected there")      \
	S(splits,           counted, "large leaves of EPT02 that gave way to a table")                       \
	S(remerges,         counted, "tables of EPT02 that gave way to a large leaf")                        \
	S(invept_single,    counted, "single-context invalidations")                                         \
	S(invept_all,       counted, "all-context invalidations")                                            \
	S(trees_emptied,    counted, "trees emptied by invalidations")                                       \
	S(trees_found,      counted, "switches to an EPTP whose tree was there")                             \
	S(trees_made,       counted, "switches to an EPTP that had no tree")                                 \
	S(trees_evicted,    counted, "trees dropped for another one: no tree or no page was free")           \
	S(l1_removals,      counted, "ranges of L1's memory that EPT01 took back")                           \
	S(tables_cleared,   counted, "tables of EPT02 whose leaves were removed for that")                   \
	S(pool_exhausted,   counted, "fills that found the pool empty")                                      \
	S(pool_pages,       counted, "pages of the pool in use now")                                         \
	S(pool_pages_peak,  counted, "pages of the pool in use at most")
/* clang-format on */

struct ept_stats {
#define S(name, kind, text) u64 name;
	EPT_STATS(S)
#undef S
};

#endif
