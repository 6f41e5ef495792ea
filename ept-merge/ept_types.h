/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Integer names, and one type for each address space, so that a mixed-up level doesn't compile.
 *
 * A level is (who wrote the table, who runs on it): EPT12 takes an l2pa to an l1pa, EPT01 an l1pa to an l0pa, EPT02 an
 * l2pa to an l0pa. What an l0pa is, the user of the library decides: a machine address, or an offset in a memory file.
 */
#ifndef EPT_MERGE_EPT_TYPES_H
#define EPT_MERGE_EPT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#ifndef BIT
#define BIT(n) (1ull << (n))
#endif

typedef struct {
	u64 v;
} l2pa; /* physical address as the guest of L1 sees it */
typedef struct {
	u64 v;
} l1pa; /* physical address as L1 sees it */
typedef struct {
	u64 v;
} l0pa; /* address in L0's memory */

#endif
