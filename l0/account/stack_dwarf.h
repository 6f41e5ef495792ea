/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unwinding by libunwind over a guest's memory: by .eh_frame where the guest's ELF file has it loaded together with
 * .eh_frame_hdr (ld --eh-frame-hdr; program header PT_GNU_EH_FRAME), by frame pointers where it doesn't say anything of the code: then
 * the caller of a function that has set up no frame is left out.
 */
#ifndef L0_ACCOUNT_STACK_DWARF_H
#define L0_ACCOUNT_STACK_DWARF_H

#include "stack_reader.h"

struct stack_dwarf;

/* r stays the caller's. NULL: no memory */
struct stack_dwarf *stack_dwarf_create(struct stack_reader *r);
void stack_dwarf_destroy(struct stack_dwarf *d);

/*
 * The guest's code at text..text_end is described by the .eh_frame_hdr at linear address header; what can't be read there when it
 * is needed is as if it weren't there.
 */
void stack_dwarf_code(struct stack_dwarf *d, u64 text, u64 text_end, u64 header);

/* The return addresses of the frame in *regs, innermost first, in pc[0..n-1]; returns how many. */
unsigned int stack_dwarf_unwind(struct stack_dwarf *d, const struct stack_regs *regs, u64 *pc, unsigned int n);

#endif
