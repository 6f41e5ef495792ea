/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PVH direct boot: an ELF file says in a note where to enter in 32-bit protected mode, with EBX
 * pointing to struct hvm_start_info (Xen's public header arch-x86/hvm/start_info.h, "x86/HVM direct boot ABI").
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include "layout.h"
#include "loader.h"

#define NOTE_PHYS32_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define START_MAGIC 0x336ec578u
#define NOTES_MAX 0x10000u /* bytes in one PT_NOTE: far more than any kernel has */

struct start_info {
	u32 magic, version, flags, nr_modules;
	u64 modlist, cmdline, rsdp, memmap;
	u32 memmap_entries, reserved;
};

struct start_module {
	u64 start, size, cmdline, reserved;
};

struct start_memory {
	u64 start, size;
	u32 type, reserved;
};

_Static_assert(sizeof(struct start_info) == 56 && sizeof(struct start_module) == 32 && sizeof(struct start_memory) == 24,
	       "the ABI's layout");

/* Look through one PT_NOTE. *found says whether *entry was set. */
static int find_note(struct loader *l, const struct elf_segment *s, u64 *entry, bool *found)
{
	u64 align = s->align == 8 ? 8 : 4;
	u64 at = 0;

	if (s->filesz > NOTES_MAX)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%" PRIx64 ": 0x%" PRIx64 " bytes of ELF notes, at most 0x%x are read",
				  l->kernel.path, s->offset, s->filesz, NOTES_MAX);
	if (s->offset > l->kernel.size || s->filesz > l->kernel.size - s->offset)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%" PRIx64 ": 0x%" PRIx64
				  " bytes of ELF notes end behind the end of the file (0x%" PRIx64
				  " bytes); is it truncated?",
				  l->kernel.path, s->offset, s->filesz, l->kernel.size);
	while (s->filesz - at >= sizeof(Elf64_Nhdr)) {
		u64 name_size, desc_size;
		Elf64_Nhdr h; /* the same in both classes */
		char name[4];
		u8 value[8] = { 0 };
		int err = image_read(l, &l->kernel, s->offset + at, &h, sizeof(h), "an ELF note");

		if (err)
			return err;
		name_size = (h.n_namesz + align - 1) & ~(align - 1);
		desc_size = (h.n_descsz + align - 1) & ~(align - 1);
		at += sizeof(h);
		/* the last description need not be padded */
		if (name_size > s->filesz - at || h.n_descsz > s->filesz - at - name_size)
			return load_error(l, -EINVAL,
					  "%s: offset 0x%" PRIx64
					  ": an ELF note (name 0x%x, value 0x%x bytes) runs out of its segment",
					  l->kernel.path, s->offset + at - sizeof(h), h.n_namesz, h.n_descsz);
		if (h.n_type == NOTE_PHYS32_ENTRY && h.n_namesz == sizeof(name)) {
			err = image_read(l, &l->kernel, s->offset + at, name, sizeof(name), "an ELF note's name");
			if (err)
				return err;
			if (!memcmp(name, "Xen", sizeof(name))) {
				if (h.n_descsz != 4 && h.n_descsz != 8)
					return load_error(l, -EINVAL,
							  "%s: offset 0x%" PRIx64
							  ": PVH entry note of %u bytes, not 4 or 8",
							  l->kernel.path, s->offset + at, h.n_descsz);
				err = image_read(l, &l->kernel, s->offset + at + name_size, value, h.n_descsz,
						 "the PVH entry note");
				if (err)
					return err;
				*entry = get64(value);
				*found = true;
				return 0;
			}
		}
		at += name_size;
		if (desc_size > s->filesz - at)
			break;
		at += desc_size;
	}
	return 0;
}

static int load_memmap(struct loader *l, struct start_info *info)
{
	struct start_memory map[MEMORY_MAP_MAX];
	int err;

	for (unsigned int i = 0; i < l->map_count; i++)
		map[i] = (struct start_memory){ .start = l->map[i].start, .size = l->map[i].size, .type = l->map[i].type };
	info->memmap_entries = l->map_count;
	err = place_small(l, l->map_count * sizeof(map[0]), 8, "the memory map", &info->memmap);
	return err ? err : load_bytes(l, info->memmap, map, l->map_count * sizeof(map[0]));
}

static int load_module(struct loader *l, struct start_info *info)
{
	struct start_module module = { 0 };
	struct image initrd;
	int err = image_open(l, &initrd, l->config->initrd, "initrd");

	if (err)
		return err;
	module.size = initrd.size;
	if (!place_high(l, initrd.size, PAGE_SIZE, LAYOUT_BIOS_END, LOAD_4G, "the initrd", &module.start))
		err = load_error(l, -EINVAL,
				 "%s: no room below 4 GiB for the initrd (0x%" PRIx64 " bytes); give more memory (-m)",
				 initrd.path, initrd.size);
	if (!err)
		err = load_file(l, &initrd, 0, module.start, initrd.size, "the initrd");
	image_close(&initrd);
	if (!err)
		err = place_small(l, sizeof(module), 8, "the module list", &info->modlist);
	if (!err)
		err = load_bytes(l, info->modlist, &module, sizeof(module));
	info->nr_modules = 1;
	return err;
}

int pvh_load(struct loader *l, u64 bad_multiboot)
{
	struct start_info info = { .magic = START_MAGIC, .version = 1, .rsdp = LAYOUT_RSDP };
	bool found = false;
	u64 entry = 0, end, at;
	struct elf e;
	int err = elf_open(l, &e);

	for (unsigned int n = 0; !err && !found && n < e.phnum; n++) {
		struct elf_segment s;

		err = elf_segment(l, &e, n, &s);
		if (!err && s.type == PT_NOTE)
			err = find_note(l, &s, &entry, &found);
	}
	if (err)
		return err;
	if (!found && bad_multiboot != UINT64_MAX)
		return load_error(l, -EINVAL, "%s: offset 0x%" PRIx64 ": multiboot header with a wrong checksum",
				  l->kernel.path, bad_multiboot);
	if (!found)
		return load_error(l, -EINVAL,
				  "%s: an ELF file with neither a multiboot 1 header in its first 8 KiB nor a PVH "
				  "entry note (a Linux vmlinux needs CONFIG_PVH; or give its bzImage)",
				  l->kernel.path);
	err = elf_load(l, &e, &end);
	if (err)
		return err;
	if (entry >= LOAD_4G || !place_taken(l, entry))
		return load_error(l, -EINVAL, "%s: PVH entry point 0x%" PRIx64 " lies in no loaded segment below 4 GiB",
				  l->kernel.path, entry);

	l->boot->mode = BOOT_PROTECTED;
	l->boot->rip = entry;
	err = place_small(l, sizeof(info), 8, "the PVH start info", &at);
	if (!err)
		err = load_gdt(l);
	if (!err)
		err = load_string(l, load_cmdline(l), "the command line", &info.cmdline);
	if (!err)
		err = load_memmap(l, &info);
	if (!err && l->config->initrd)
		err = load_module(l, &info);
	if (!err)
		err = load_bytes(l, at, &info, sizeof(info));
	l->boot->gpr[RBX] = at;
	return err;
}
