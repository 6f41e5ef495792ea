/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The translator's counters: one list, from which the struct, the stats file and its documentation derive. */
#ifndef L0_BT_STATS_H
#define L0_BT_STATS_H

#include "../cpu/types.h"

/* name, kind, description */
/* clang-format off */
#define BT_STATS(S) \
	S(blocks,          counted, "blocks translated")                                                \
	S(insns,           counted, "guest instructions translated, not executed")                     \
	S(copied,          counted, "of these: taken from blocks with the same bytes")                 \
	S(guest_bytes,     counted, "bytes of guest code translated")                                  \
	S(host_bytes,      counted, "bytes of host code emitted, slow paths included")                 \
	S(translate_ns,    timed,   "nanoseconds spent in translating, all in")                        \
	S(lookups,         counted, "blocks looked up by physical address")                            \
	S(chained,         counted, "direct jumps patched to their target")                            \
	S(jc_misses,       counted, "indirect or page-crossing jumps not found in the jump cache")     \
	S(callouts,        counted, "instructions done in C")                                          \
	S(tlb_misses,      counted, "data accesses that left the inline path")                         \
	S(stlb_hits,       counted, "of these and of C's accesses: translations found in the soft TLB's second level")  \
	S(walks,           counted, "walks of L1's page tables, for data and for code, that found a page") \
	S(walk_refs,       counted, "entries that these read")                                         \
	S(l2_walks,        counted, "the same of page tables of L1's guests")                          \
	S(l2_walk_refs,    counted, "entries that these read; what EPT adds to find each is in ept_merge") \
	S(tlb_fills,       counted, "entries put into the soft TLB")                                   \
	S(tlb_flushes,     counted, "times that soft TLBs were emptied, entirely or of all but global entries") \
	S(tlb_switches,    counted, "changes of address space without emptying")                       \
	S(gs_base_lost,    counted, "times that the host's kernel had lost the GS base when another thread had the CPU; with --clock insns 0") \
	S(group_misses,    counted, "accesses looked up together that weren't found so")                  \
	S(ungrouped,       counted, "of these: blocks left for a translation without groups")             \
	S(mmio,            counted, "accesses to device memory")                                       \
	S(split,           counted, "accesses across a page boundary")                                 \
	S(across_lines,    counted, "accesses across the host's cache lines, done in C since they are locked, or may be, and that is costly here") \
	S(code_writes,     counted, "stores to pages that hold translated code")                       \
	S(invalidated,     counted, "blocks dropped because their code was written")                   \
	S(evictions,       counted, "times a part of the code cache was emptied because all of it was full")   \
	S(slices,          counted, "entries into translated code from the run loop")                  \
	S(exceptions,      counted, "exceptions delivered to the guest")                               \
	S(interrupts,      counted, "interrupts delivered to the guest")
/* clang-format on */

struct bt_stats {
#define S(name, kind, text) u64 name;
	BT_STATS(S)
#undef S
};

#endif
