/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const void *elf_view_at(const struct elf_view *e, u64 offset, u64 n)
{
	if (offset > e->size || n > e->size - offset || offset % 8)
		return NULL;
	return e->data + offset;
}

static bool parse(struct elf_view *e)
{
	const Elf64_Ehdr *h = elf_view_at(e, 0, sizeof(*h));

	if (!h || memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64)
		return false;
	e->header = h;
	if (h->e_phnum && h->e_phentsize == sizeof(*e->segment))
		e->segment = elf_view_at(e, h->e_phoff, (u64)h->e_phnum * sizeof(*e->segment));
	if (h->e_shnum && h->e_shentsize == sizeof(*e->section))
		e->section = elf_view_at(e, h->e_shoff, (u64)h->e_shnum * sizeof(*e->section));
	e->segments = e->segment ? h->e_phnum : 0;
	e->sections = e->section ? h->e_shnum : 0;
	return true;
}

int elf_view_open(struct elf_view *e, const char *path, char *error, size_t n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	struct stat st;
	void *map;

	*e = (struct elf_view){ .size = 0 };
	if (fd < 0 || fstat(fd, &st)) {
		err = -errno;
	} else if (!S_ISREG(st.st_mode) || !st.st_size) {
		err = -EINVAL;
	} else {
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map == MAP_FAILED) {
			err = -errno;
		} else {
			e->data = map;
			e->size = (u64)st.st_size;
		}
	}
	if (fd >= 0)
		close(fd);
	if (!err && !parse(e)) {
		elf_view_close(e);
		err = -EINVAL;
	}
	if (err)
		snprintf(error, n, "%s: %s", path, err == -EINVAL ? "not a 64-bit ELF file for x86" : strerror(-err));
	return err;
}

void elf_view_close(struct elf_view *e)
{
	if (e->data)
		munmap((void *)e->data, e->size);
	*e = (struct elf_view){ .size = 0 };
}
