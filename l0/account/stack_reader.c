/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stack_reader.h"

#include <string.h>

void stack_reader_reset(struct stack_reader *r)
{
	memset(r->pages, 0, sizeof(r->pages));
	r->left = STACK_READS;
}

const u8 *stack_page(struct stack_reader *r, u64 linear)
{
	u64 page = linear & ~(STACK_PAGE - 1);
	unsigned int slot = page / STACK_PAGE % STACK_PAGES;

	if (r->pages[slot].linear != page + 1) {
		r->pages[slot].host = r->page(r->ctx, page);
		r->pages[slot].linear = page + 1;
	}
	return r->pages[slot].host;
}

bool stack_read(struct stack_reader *r, u64 linear, void *to, size_t n)
{
	if (!r->left)
		return false;
	r->left--;
	while (n) {
		const u8 *host = stack_page(r, linear);
		size_t offset = linear & (STACK_PAGE - 1), part = STACK_PAGE - offset;

		if (!host)
			return false;
		part = part < n ? part : n;
		memcpy(to, host + offset, part);
		to = (u8 *)to + part;
		linear += part;
		n -= part;
	}
	return true;
}
