/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bitmaps that decide which instruction exits. A bit that is set means an exit; a whole bitmap that is missing (NULL)
 * means an exit for everything. SDM vol. 3, "VM-Execution Control Fields".
 */
#ifndef VMCS_SHADOW_BITMAPS_H
#define VMCS_SHADOW_BITMAPS_H

#include <stdbool.h>
#include <stdint.h>

#define VMCS_BITMAP_BYTES 4096u

/* A VMREAD or VMWRITE bitmap: does an access by @encoding, the instruction's register operand, exit? */
bool vmcs_bitmap_exits(const uint8_t *bitmap, uint64_t encoding);

/* The pair of bitmaps that an L0 gives an L1 by the shadow column; 4096 bytes each. High halves follow their field.
 * What is no field exits, so that L0 can fail it; so does a field that @exists (may be NULL) denies. */
void vmcs_bitmaps_fill(uint8_t *vmread, uint8_t *vmwrite, bool (*exists)(const void *arg, uint64_t encoding),
		       const void *arg);

/* An MSR bitmap: does RDMSR or WRMSR of @msr exit? MSRs outside both ranges always do. */
bool msr_bitmap_exits(const uint8_t *bitmap, uint32_t msr, bool write);

/* I/O bitmaps A (ports 0 to 7fff) and B: does an access of 1, 2 or 4 bytes exit? One that wraps around port ffff does. */
bool io_bitmaps_exit(const uint8_t *a, const uint8_t *b, uint16_t port, unsigned bytes);

/* One page: what either level wants to see. NULL as @bitmap01 or @bitmap12 is a level that wants to see nothing. */
void bitmap_merge(uint8_t *bitmap02, const uint8_t *bitmap01, const uint8_t *bitmap12);

#endif
