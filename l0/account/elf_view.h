/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A 64-bit ELF file for x86, mapped: what lies in the file is within the mapping, whatever the file says. */
#ifndef L0_ACCOUNT_ELF_VIEW_H
#define L0_ACCOUNT_ELF_VIEW_H

#include <elf.h>
#include <stddef.h>

#include "../cpu/types.h"

struct elf_view {
	const u8 *data;
	u64 size;
	const Elf64_Ehdr *header;
	const Elf64_Phdr *segment;
	const Elf64_Shdr *section;
	unsigned int segments, sections;
};

/* Returns 0, or -errno (-EINVAL: no such ELF file) with one line in error[0..n-1]. */
int elf_view_open(struct elf_view *e, const char *path, char *error, size_t n);
void elf_view_close(struct elf_view *e);

/* n bytes at offset; NULL: the file has not so many, or they aren't aligned to 8 */
const void *elf_view_at(const struct elf_view *e, u64 offset, u64 n);

#endif
