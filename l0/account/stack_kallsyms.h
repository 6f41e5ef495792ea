/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of symbols that a Linux kernel has of itself (CONFIG_KALLSYMS, for data CONFIG_KALLSYMS_ALL), found in its memory by
 * what it looks like. As scripts/kallsyms of Linux 4.20 to 6.3 lays it out, each part at a multiple of 8:
 *
 *	offsets        s32 for each symbol: negative: base - 1 - offset is its address; else the address itself, of a per-CPU variable
 *	relative base  u64
 *	count          u32
 *	names          for each symbol its length in bytes (from 128 on in two, 7 bits each), and so many numbers of tokens
 *	markers        u32 for each 256th symbol: where its name is
 *	order          3 bytes for each symbol, by name; since 6.2, and in later ones of 6.1
 *	token table    256 strings, each with a NUL; a name's strings in a row are the symbol's type and its name
 *	token index    u16 for each token: where its string is
 *
 * The last part is looked for: 256 ascending numbers that fit to as many strings in front of them; from there it goes backwards.
 */
#ifndef L0_ACCOUNT_STACK_KALLSYMS_H
#define L0_ACCOUNT_STACK_KALLSYMS_H

#include "stack_reader.h"

#define KALLSYMS_NAME 512 /* bytes, NUL included */

/* Called for each symbol. False: that's enough. */
typedef bool kallsyms_symbol(void *ctx, u64 address, char type, const char *name);

/* Look in from..to; false: there is no such table, or a part of it can't be read, or fn() has returned false. */
bool kallsyms_read(struct stack_reader *r, u64 from, u64 to, kallsyms_symbol *fn, void *ctx);

#endif
