/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What unwinders read: a guest's memory by linear address, without a trace in the guest, and registers. Whatever addresses a
 * guest has in its registers and on its stack, a read fails or it doesn't; nothing faults.
 */
#ifndef L0_ACCOUNT_STACK_READER_H
#define L0_ACCOUNT_STACK_READER_H

#include <stddef.h>

#include "../cpu/types.h"

#define STACK_PAGE 4096ull
#define STACK_PAGES 64 /* remembered at a time; a power of two */
#define STACK_READS (1u << 25) /* from one reset to the next: a guest's tables may be made to keep us busy for ever */
#define STACK_DEPTH 63 /* return addresses of one stack at most: what nine records hold */

struct stack_reader {
	/* Host address of the 4 KiB page at a linear address; NULL: there is none, or it is no RAM. */
	const u8 *(*page)(void *ctx, u64 linear);
	void *ctx;
	u32 left; /* reads */
	struct {
		u64 linear; /* plus 1; 0: empty */
		const u8 *host;
	} pages[STACK_PAGES];
};

/* by the numbers of instruction encodings, as v->gpr */
struct stack_regs {
	u64 gpr[16];
	u64 rip;
};

/* Before the first read. Forget the pages: the guest has run since, its tables may be others. */
void stack_reader_reset(struct stack_reader *r);

/* n bytes; false: some of them can't be read, or there were STACK_READS already; *to is undefined. */
bool stack_read(struct stack_reader *r, u64 linear, void *to, size_t n);

/* Where a page's bytes are in the host; NULL as for a read. Valid until the guest runs. */
const u8 *stack_page(struct stack_reader *r, u64 linear);

static inline bool stack_read64(struct stack_reader *r, u64 linear, u64 *value)
{
	return stack_read(r, linear, value, sizeof(*value));
}

#endif
