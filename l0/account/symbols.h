/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of a guest's functions, for addresses in a trace: from System.map, what /proc/kallsyms says, and ELF files. */
#ifndef L0_ACCOUNT_SYMBOLS_H
#define L0_ACCOUNT_SYMBOLS_H

#include <stdio.h>

#include "../cpu/types.h"

struct symbols;

struct symbol {
	const char *name;
	const char *module; /* of the kernel; NULL: none */
	u64 offset; /* bytes from the function's start to the address */
};

struct symbols *symbols_create(void); /* NULL: no memory */
void symbols_destroy(struct symbols *s);

/*
 * FILE or FILE@ADDRESS. ADDRESS, for ELF files: where its first section with code was at run time, as /sys/module/NAME/sections/.text
 * says of a module; without it the code was where it was linked to. Returns 0, or -errno (-EINVAL: it has no symbols) with one line in
 * error[0..n-1].
 */
int symbols_add(struct symbols *s, const char *file, char *error, size_t n);

/* One function; module may be NULL. False: no memory */
bool symbols_add_one(struct symbols *s, u64 address, char type, const char *name, const char *module);

/* After the last one was added, and before symbols_find(). */
void symbols_sort(struct symbols *s);

/* All of them as lines of /proc/kallsyms, in the order of their addresses once they are sorted. */
void symbols_print(const struct symbols *s, FILE *to);

/* The function at an address; false: it is in none. s may be NULL. */
bool symbols_find(const struct symbols *s, u64 address, struct symbol *found);

#endif
