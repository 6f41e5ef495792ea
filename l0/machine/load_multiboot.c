/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiboot Specification version 0.6.96: "OS image format", "Machine state", "Boot information format". */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include "layout.h"
#include "loader.h"

#define HEADER_MAGIC 0x1badb002u
#define LOADER_MAGIC 0x2badb002u

/* flags of the header; a kernel may not be booted if one of 15:0 isn't understood */
#define HEADER_PAGE_ALIGN BIT(0)
#define HEADER_MEMORY BIT(1)
#define HEADER_VIDEO BIT(2)
#define HEADER_ADDRESSES BIT(16)
#define HEADER_REQUIRED 0xffffu

/* offsets in the header */
#define HEADER_FLAGS 4
#define HEADER_CHECKSUM 8
#define HEADER_SIZE 12
#define HEADER_HEADER_ADDR 12
#define HEADER_LOAD_ADDR 16
#define HEADER_LOAD_END 20
#define HEADER_BSS_END 24
#define HEADER_ENTRY 28
#define HEADER_SIZE_ADDRESSES 32

#define INFO_MEMORY BIT(0)
#define INFO_CMDLINE BIT(2)
#define INFO_MODULES BIT(3)
#define INFO_MMAP BIT(6)
#define INFO_LOADER_NAME BIT(9)

struct info {
	u32 flags;
	u32 mem_lower, mem_upper; /* KiB */
	u32 boot_device;
	u32 cmdline;
	u32 mods_count, mods_addr;
	u32 syms[4];
	u32 mmap_length, mmap_addr;
	u32 drives_length, drives_addr;
	u32 config_table;
	u32 boot_loader_name;
	u32 apm_table;
	u32 vbe[4];
	u8 framebuffer[28];
};

struct info_module {
	u32 start, end, string, reserved;
};

struct info_mmap {
	u32 size; /* of what follows */
	struct memory_map_entry e;
} __attribute__((packed));

_Static_assert(sizeof(struct info) == 116 && sizeof(struct info_mmap) == 24, "the specification's layout");

bool multiboot_probe(const u8 *head, u64 n, u64 *offset, u64 *bad)
{
	*bad = UINT64_MAX;
	for (u64 at = 0; at + HEADER_SIZE <= n; at += 4) {
		if (get32(head + at) != HEADER_MAGIC)
			continue;
		if (HEADER_MAGIC + get32(head + at + HEADER_FLAGS) + get32(head + at + HEADER_CHECKSUM) == 0) {
			*offset = at;
			return true;
		}
		if (*bad == UINT64_MAX)
			*bad = at;
	}
	return false;
}

/* The header says itself what goes where, whatever the file's format. */
static int load_addresses(struct loader *l, const u8 *head, u64 at, u64 *entry, u64 *end)
{
	const char *path = l->kernel.path;
	u64 header, load, load_end, bss_end, offset, n;
	int err;

	if (at + HEADER_SIZE_ADDRESSES > LOAD_HEAD_SIZE || at + HEADER_SIZE_ADDRESSES > l->kernel.size)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%" PRIx64 ": the multiboot header's address fields are cut off", path,
				  at);
	header = get32(head + at + HEADER_HEADER_ADDR);
	load = get32(head + at + HEADER_LOAD_ADDR);
	load_end = get32(head + at + HEADER_LOAD_END);
	bss_end = get32(head + at + HEADER_BSS_END);
	*entry = get32(head + at + HEADER_ENTRY);

	if (load > header || header - load > at)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%" PRIx64 ": multiboot load address 0x%" PRIx64
				  " and header address 0x%" PRIx64 " would put the start of the image outside the file",
				  path, at, load, header);
	offset = at - (header - load);
	n = load_end ? load_end - load : l->kernel.size - offset;
	if ((load_end && load_end < load) || n > l->kernel.size - offset)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%" PRIx64 ": multiboot load end 0x%" PRIx64
				  " doesn't fit the file (0x%" PRIx64 " bytes); is it truncated?",
				  path, at, load_end, l->kernel.size);
	if (bss_end && bss_end < load + n)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%" PRIx64 ": multiboot bss end 0x%" PRIx64
				  " lies before the load end 0x%" PRIx64,
				  path, at, bss_end, load + n);
	*end = bss_end ? bss_end : load + n;
	if (*entry < load || *entry >= *end)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%" PRIx64 ": multiboot entry point 0x%" PRIx64
				  " lies outside the image",
				  path, at, *entry);
	err = place_at(l, load, *end - load, "the multiboot image");
	if (!err)
		err = load_file(l, &l->kernel, offset, load, n, "the multiboot image");
	return err ? err : load_zeros(l, load + n, *end - load - n);
}

/* One item of the list: its end (the comma or the NUL). item, file: its text and file name, allocated. */
static const char *next_item(const char *list, char **item, char **file)
{
	size_t n = 0, name;

	*file = NULL;
	*item = malloc(strlen(list) + 1);
	if (!*item)
		return NULL;
	for (; *list; list++) {
		if (*list == ',' && *++list != ',') {
			list--;
			break;
		}
		(*item)[n++] = *list;
	}
	(*item)[n] = 0;
	name = strcspn(*item, " ");
	*file = strndup(*item, name);
	return list;
}

static int load_module(struct loader *l, const char *item, const char *file, u64 after, struct info_module *module)
{
	struct image i;
	u64 at, string;
	int err = image_open(l, &i, file, "module");

	if (err)
		return err;
	/* Behind the kernel: some kernels expect to find modules there. */
	if (!place_low(l, i.size, PAGE_SIZE, after, LOAD_4G, "a module", &at))
		err = load_error(l, -EINVAL,
				 "%s: no room below 4 GiB for the module (0x%" PRIx64 " bytes); give more memory (-m)",
				 file, i.size);
	if (!err)
		err = load_file(l, &i, 0, at, i.size, "the module");
	if (!err)
		err = load_string(l, item, "a module's string", &string);
	if (!err)
		*module = (struct info_module){ .start = (u32)at, .end = (u32)(at + i.size), .string = (u32)string };
	image_close(&i);
	return err;
}

static int load_modules(struct loader *l, u64 after, struct info *info)
{
	struct info_module modules[LOAD_MODULES_MAX];
	const char *list = l->config->initrd;
	unsigned int n = 0;
	u64 at;
	int err;

	info->flags |= INFO_MODULES;
	if (!list)
		return 0;
	for (;;) {
		char *item, *file;

		list = next_item(list, &item, &file);
		if (!file)
			err = load_error(l, -ENOMEM, "no memory for the list of modules");
		else if (!*file)
			err = load_error(l, -EINVAL, "-initrd: module %u has no file name", n + 1);
		else if (n == LOAD_MODULES_MAX)
			err = load_error(l, -EINVAL, "-initrd: more than %d modules", LOAD_MODULES_MAX);
		else
			err = load_module(l, item, file, after, &modules[n++]);
		free(item);
		free(file);
		if (err)
			return err;
		if (!*list)
			break;
		list++;
	}
	err = place_small(l, n * sizeof(modules[0]), 16, "the module list", &at);
	if (err)
		return err;
	info->mods_count = n;
	info->mods_addr = (u32)at;
	return load_bytes(l, at, modules, n * sizeof(modules[0]));
}

static int load_mmap(struct loader *l, struct info *info)
{
	struct info_mmap map[MEMORY_MAP_MAX];
	u64 at;
	int err;

	info->flags |= INFO_MEMORY | INFO_MMAP;
	for (unsigned int i = 0; i < l->map_count; i++) {
		const struct memory_map_entry *e = &l->map[i];

		map[i] = (struct info_mmap){ .size = sizeof(*e), .e = *e };
		/* from 0, and from 1 MiB up to the first hole */
		if (e->type == MEMORY_RAM && e->start == 0)
			info->mem_lower = (u32)(e->size >> 10);
		if (e->type == MEMORY_RAM && e->start == LAYOUT_BIOS_END)
			info->mem_upper = (u32)(e->size >> 10);
	}
	info->mmap_length = (u32)(l->map_count * sizeof(map[0]));
	err = place_small(l, info->mmap_length, 16, "the memory map", &at);
	info->mmap_addr = (u32)at;
	return err ? err : load_bytes(l, at, map, info->mmap_length);
}

/* Kernels take the first word for the name of the program, so the path comes first. */
static int load_arguments(struct loader *l, struct info *info)
{
	const char *path = l->kernel.path, *args = load_cmdline(l);
	size_t n = strlen(path) + strlen(args) + 2;
	char *line = malloc(n);
	u64 at;
	int err;

	if (!line)
		return load_error(l, -ENOMEM, "no memory for the command line");
	strcpy(line, path);
	if (*args) {
		strcat(line, " ");
		strcat(line, args);
	}
	err = load_string(l, line, "the command line", &at);
	free(line);
	if (err)
		return err;
	info->flags |= INFO_CMDLINE;
	info->cmdline = (u32)at;
	err = load_string(l, "turtles", "the boot loader's name", &at);
	info->flags |= INFO_LOADER_NAME;
	info->boot_loader_name = (u32)at;
	return err;
}

int multiboot_load(struct loader *l, const u8 *head, u64 offset)
{
	u32 flags = get32(head + offset + HEADER_FLAGS);
	u32 unknown = flags & HEADER_REQUIRED & ~(HEADER_PAGE_ALIGN | HEADER_MEMORY);
	struct info info = { 0 };
	u64 entry = 0, end = 0, at;
	int err;

	if (unknown)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%" PRIx64
				  ": multiboot flags 0x%x require %s, which this PC doesn't offer",
				  l->kernel.path, offset + HEADER_FLAGS, flags,
				  unknown == HEADER_VIDEO ? "a video mode" : "an unknown feature");
	if (flags & HEADER_ADDRESSES) {
		err = load_addresses(l, head, offset, &entry, &end);
	} else {
		struct elf e;

		if (!elf_probe(head, l->kernel.size))
			return load_error(l, -EINVAL,
					  "%s: offset 0x%" PRIx64
					  ": multiboot flags 0x%x promise no load addresses, but the file isn't ELF",
					  l->kernel.path, offset + HEADER_FLAGS, flags);
		err = elf_open(l, &e);
		if (!err)
			err = elf_load(l, &e, &end);
		if (!err)
			err = elf_entry(l, &e, &entry);
	}
	if (err)
		return err;

	l->boot->mode = BOOT_PROTECTED;
	l->boot->rip = entry;
	err = place_small(l, sizeof(info), 16, "the multiboot information", &at);
	if (!err)
		err = load_gdt(l);
	if (!err)
		err = load_arguments(l, &info);
	if (!err)
		err = load_mmap(l, &info);
	if (!err)
		err = load_modules(l, end > LAYOUT_BIOS_END ? end : LAYOUT_BIOS_END, &info);
	if (!err)
		err = load_bytes(l, at, &info, sizeof(info));
	l->boot->gpr[RAX] = LOADER_MAGIC;
	l->boot->gpr[RBX] = at;
	return err;
}
