/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include "loader.h"

bool elf_probe(const u8 *head, u64 n)
{
	return n >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG);
}

static int check_header(struct loader *l, unsigned int data, unsigned int type, unsigned int machine)
{
	const char *path = l->kernel.path;

	if (data != ELFDATA2LSB)
		return load_error(l, -EINVAL, "%s: offset 0x%x: ELF data encoding %u isn't little-endian (1)", path,
				  EI_DATA, data);
	if (type != ET_EXEC && type != ET_DYN)
		return load_error(l, -EINVAL, "%s: offset 0x10: ELF type %u isn't an executable (2 or 3); link it first",
				  path, type);
	if (machine != EM_386 && machine != EM_X86_64)
		return load_error(l, -EINVAL, "%s: offset 0x12: ELF machine %u isn't x86 (3 or 62)", path, machine);
	return 0;
}

int elf_open(struct loader *l, struct elf *e)
{
	unsigned char ident[EI_NIDENT];
	unsigned int need;
	int err = image_read(l, &l->kernel, 0, ident, sizeof(ident), "the ELF identification");

	if (err)
		return err;
	if (ident[EI_CLASS] == ELFCLASS32) {
		Elf32_Ehdr h;

		err = image_read(l, &l->kernel, 0, &h, sizeof(h), "the ELF header");
		if (!err)
			err = check_header(l, ident[EI_DATA], h.e_type, h.e_machine);
		if (err)
			return err;
		*e = (struct elf){ .entry = h.e_entry, .phoff = h.e_phoff, .phentsize = h.e_phentsize, .phnum = h.e_phnum };
		need = sizeof(Elf32_Phdr);
	} else if (ident[EI_CLASS] == ELFCLASS64) {
		Elf64_Ehdr h;

		err = image_read(l, &l->kernel, 0, &h, sizeof(h), "the ELF header");
		if (!err)
			err = check_header(l, ident[EI_DATA], h.e_type, h.e_machine);
		if (err)
			return err;
		*e = (struct elf){
			.entry = h.e_entry, .phoff = h.e_phoff, .phentsize = h.e_phentsize, .phnum = h.e_phnum, .is64 = true
		};
		need = sizeof(Elf64_Phdr);
	} else {
		return load_error(l, -EINVAL, "%s: offset 0x%x: ELF class %u is neither 32-bit (1) nor 64-bit (2)",
				  l->kernel.path, EI_CLASS, ident[EI_CLASS]);
	}
	if (e->phentsize < need)
		return load_error(l, -EINVAL, "%s: ELF header: program headers of %u bytes, at least %u are needed",
				  l->kernel.path, e->phentsize, need);
	if (!e->phnum || e->phnum == PN_XNUM)
		return load_error(l, -EINVAL, "%s: ELF header: %u program headers; nothing can be loaded",
				  l->kernel.path, e->phnum);
	if (e->phoff > l->kernel.size || (u64)e->phentsize * e->phnum > l->kernel.size - e->phoff)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%" PRIx64
				  ": the table of %u program headers ends behind the end of the file (0x%" PRIx64
				  " bytes); is it truncated?",
				  l->kernel.path, e->phoff, e->phnum, l->kernel.size);
	return 0;
}

int elf_segment(struct loader *l, const struct elf *e, unsigned int n, struct elf_segment *s)
{
	/* elf_open() saw that the whole table lies inside the file */
	u64 at = e->phoff + (u64)n * e->phentsize;
	int err;

	if (e->is64) {
		Elf64_Phdr p;

		err = image_read(l, &l->kernel, at, &p, sizeof(p), "a program header");
		if (err)
			return err;
		*s = (struct elf_segment){ p.p_type,  p.p_flags,  p.p_offset, p.p_vaddr,
					   p.p_paddr, p.p_filesz, p.p_memsz,  p.p_align };
	} else {
		Elf32_Phdr p;

		err = image_read(l, &l->kernel, at, &p, sizeof(p), "a program header");
		if (err)
			return err;
		*s = (struct elf_segment){ p.p_type,  p.p_flags,  p.p_offset, p.p_vaddr,
					   p.p_paddr, p.p_filesz, p.p_memsz,  p.p_align };
	}
	return 0;
}

static int load_segment(struct loader *l, unsigned int n, const struct elf_segment *s)
{
	const char *path = l->kernel.path;
	int err;

	if (s->filesz > s->memsz)
		return load_error(l, -EINVAL,
				  "%s: program header %u: 0x%" PRIx64 " bytes in the file but only 0x%" PRIx64
				  " in memory",
				  path, n, s->filesz, s->memsz);
	if (s->offset > l->kernel.size || s->filesz > l->kernel.size - s->offset)
		return load_error(l, -EINVAL,
				  "%s: program header %u: offset 0x%" PRIx64 ", 0x%" PRIx64
				  " bytes, ends behind the end of the file (0x%" PRIx64 " bytes); is it truncated?",
				  path, n, s->offset, s->filesz, l->kernel.size);
	err = place_at(l, s->paddr, s->memsz, "an ELF segment");
	if (!err)
		err = load_file(l, &l->kernel, s->offset, s->paddr, s->filesz, "an ELF segment");
	return err ? err : load_zeros(l, s->paddr + s->filesz, s->memsz - s->filesz);
}

int elf_load(struct loader *l, const struct elf *e, u64 *end)
{
	unsigned int loaded = 0;

	*end = 0;
	for (unsigned int n = 0; n < e->phnum; n++) {
		struct elf_segment s;
		int err = elf_segment(l, e, n, &s);

		if (err)
			return err;
		if (s.type != PT_LOAD || !s.memsz)
			continue;
		if (++loaded > LOAD_SEGMENTS_MAX)
			return load_error(l, -EINVAL, "%s: program header %u: more than %d segments to load",
					  l->kernel.path, n, LOAD_SEGMENTS_MAX);
		err = load_segment(l, n, &s);
		if (err)
			return err;
		if (s.paddr + s.memsz > *end)
			*end = s.paddr + s.memsz;
	}
	if (!loaded)
		return load_error(l, -EINVAL, "%s: none of the %u program headers is a segment to load", l->kernel.path,
				  e->phnum);
	return 0;
}

int elf_entry(struct loader *l, const struct elf *e, u64 *entry)
{
	u64 at = e->entry;

	/* Kernels linked at a high virtual address may name the entry point by that address. */
	for (unsigned int n = 0; n < e->phnum; n++) {
		struct elf_segment s;
		int err = elf_segment(l, e, n, &s);

		if (err)
			return err;
		if (s.type == PT_LOAD && e->entry >= s.vaddr && e->entry - s.vaddr < s.memsz) {
			at = e->entry - s.vaddr + s.paddr;
			break;
		}
	}
	if (at >= LOAD_4G || !place_taken(l, at))
		return load_error(l, -EINVAL,
				  "%s: ELF header: entry point 0x%" PRIx64 " lies in no loaded segment below 4 GiB",
				  l->kernel.path, e->entry);
	*entry = at;
	return 0;
}
