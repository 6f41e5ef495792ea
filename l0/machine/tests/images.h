/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The smallest kernels of each format that the loaders take, and a machine with nothing but RAM. */
#ifndef L0_MACHINE_TESTS_IMAGES_H
#define L0_MACHINE_TESTS_IMAGES_H

#include "../load.h"
#include "../machine.h"

#define IMAGE_MAX 16384

struct test_image {
	const char *name;
	u8 bytes[IMAGE_MAX];
	size_t size;
	int fd;
	char path[32]; /* opens the bytes as of the last image_publish() */
};

/* Where the images want to lie, what they want to run */
#define TEST_LOAD 0x200000u /* multiboot, PVH: address of their one segment */
#define TEST_ENTRY (TEST_LOAD + 0x10)
#define TEST_BSS 0x3000u /* bytes behind what the file holds */
#define TEST_PREF 0x1000000u /* bzImage: pref_address */
#define TEST_INIT_SIZE 0x40000u
#define TEST_CMDLINE_MAX 64u

#define TEST_IMAGES(I) \
	I(bzimage_64) \
	I(bzimage_32) \
	I(bzimage_206) \
	I(multiboot_elf32) \
	I(multiboot_elf64) \
	I(multiboot_addresses) \
	I(pvh_elf32) \
	I(pvh_elf64)

#define DECLARE(name) void build_##name(struct test_image *i);
TEST_IMAGES(DECLARE)
#undef DECLARE

/* Offsets in the images, for those who damage them */
#define TEST_MB_HEADER 0x200u /* the multiboot header, in every image that has one */
#define TEST_PHDR32 52u
#define TEST_PHDR64 64u
#define TEST_NOTE 0x300u
#define TEST_TEXT 0x1000u /* where the segment's bytes start */
#define TEST_TEXT_SIZE 0x800u

void image_init(struct test_image *i); /* fd, path */
void image_publish(struct test_image *i);
void image_free(struct test_image *i);

void poke16(struct test_image *i, size_t at, u16 value);
void poke32(struct test_image *i, size_t at, u32 value);
void poke64(struct test_image *i, size_t at, u64 value);

/* A machine whose RAM holds 0xa5 wherever nothing has been loaded. */
void ram_machine_create(struct machine *m, u64 size);
void ram_machine_destroy(struct machine *m);

#endif
