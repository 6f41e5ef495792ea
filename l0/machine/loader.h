/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the loaders of each format share: bounded reads of files, a register of the guest's memory that
 * is taken, and errors. Only load*.c include this.
 *
 * Every function that returns int gives 0 or -errno, with the line in the caller's `error`.
 */
#ifndef L0_MACHINE_LOADER_H
#define L0_MACHINE_LOADER_H

#include <string.h>
#include "load.h"
#include "machine.h"
#include "memory_map.h"

/* A file that is known to be regular and not empty; each read says what it wants and is checked. */
struct image {
	const char *path;
	int fd; /* -1: not open */
	u64 size; /* bytes, when it was opened */
};

struct taken {
	u64 start, end;
	const char *what;
};

/* ELF segments, and a few things of our own */
#define LOAD_SEGMENTS_MAX 64
#define LOAD_MODULES_MAX 64
#define TAKEN_MAX (LOAD_SEGMENTS_MAX + LOAD_MODULES_MAX + 8)

/* Command lines for formats that have no limit of their own, in bytes without the NUL */
#define LOAD_CMDLINE_MAX 32767u

struct loader {
	struct machine *m;
	const struct load_config *config;
	struct boot_state *boot;
	struct image kernel;
	char *error;
	size_t error_size;
	struct memory_map_entry map[MEMORY_MAP_MAX];
	unsigned int map_count;
	struct taken taken[TAKEN_MAX];
	unsigned int taken_count;
};

#define LOAD_4G 0x100000000ull

/* Write the one line and return `err`. */
int load_error(struct loader *l, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* what: "kernel", "initrd", for the message */
int image_open(struct loader *l, struct image *i, const char *path, const char *what);
void image_close(struct image *i);
/* n bytes at `offset` of the file into `to`; `what` they are is for the message */
int image_read(struct loader *l, const struct image *i, u64 offset, void *to, u64 n, const char *what);

/* Take gpa .. gpa+n for `what`: refused if any of it isn't RAM in the memory map, or taken already. */
int place_at(struct loader *l, u64 gpa, u64 n, const char *what);
/* Take n bytes, aligned to `align` (a power of two), inside [min, max): lowest or highest that is free. False: no room. */
bool place_low(struct loader *l, u64 n, u64 align, u64 min, u64 max, const char *what, u64 *gpa);
bool place_high(struct loader *l, u64 n, u64 align, u64 min, u64 max, const char *what, u64 *gpa);
/* The loader's own small structures, below 4 GiB. */
int place_small(struct loader *l, u64 n, u64 align, const char *what, u64 *gpa);

/* To memory that was placed before. */
int load_bytes(struct loader *l, u64 gpa, const void *from, u64 n);
int load_zeros(struct loader *l, u64 gpa, u64 n);
int load_file(struct loader *l, const struct image *i, u64 offset, u64 gpa, u64 n, const char *what);
/* Place and load a string with its NUL. */
int load_string(struct loader *l, const char *s, const char *what, u64 *gpa);
/* Place and load the descriptor table for l->boot->mode. */
int load_gdt(struct loader *l);

static inline const char *load_cmdline(const struct loader *l)
{
	return l->config->cmdline ? l->config->cmdline : "";
}

/* Formats: `head` holds the first n bytes of the kernel. probe: is it one? */
#define LOAD_HEAD_SIZE 8192u
bool linux_probe(const u8 *head, u64 n);
int linux_load(struct loader *l, const u8 *head, u64 n);
/* A header with a good checksum; *bad is the offset of a magic number whose checksum is wrong, or UINT64_MAX. */
bool multiboot_probe(const u8 *head, u64 n, u64 *offset, u64 *bad);
int multiboot_load(struct loader *l, const u8 *head, u64 offset);
bool elf_probe(const u8 *head, u64 n);
int pvh_load(struct loader *l, u64 bad_multiboot);

/* An ELF file's headers, whatever its class */
struct elf_segment {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};

struct elf {
	u64 entry;
	u64 phoff;
	unsigned int phentsize, phnum;
	bool is64;
};

int elf_open(struct loader *l, struct elf *e);
int elf_segment(struct loader *l, const struct elf *e, unsigned int n, struct elf_segment *s);
/* Load all PT_LOAD segments; *end: first byte behind the highest of them. */
int elf_load(struct loader *l, const struct elf *e, u64 *end);
/* Physical address of the entry point, below 4 GiB and inside a loaded segment. */
int elf_entry(struct loader *l, const struct elf *e, u64 *entry);

/* Is gpa inside something that place_at() took? */
bool place_taken(const struct loader *l, u64 gpa);

/* Fields of file formats and boot structures are little-endian and anywhere. */
static inline u16 get16(const u8 *p)
{
	u16 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline u32 get32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline u64 get64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void put32(u8 *p, u32 v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void put64(u8 *p, u64 v)
{
	memcpy(p, &v, sizeof(v));
}

#endif
