/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "images.h"
#include <elf.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

void image_init(struct test_image *i)
{
	memset(i, 0, sizeof(*i));
	i->fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(i->fd >= 0);
	snprintf(i->path, sizeof(i->path), "/proc/self/fd/%d", i->fd);
}

void image_publish(struct test_image *i)
{
	assert_int_equal(ftruncate(i->fd, (off_t)i->size), 0);
	assert_int_equal(pwrite(i->fd, i->bytes, i->size, 0), i->size);
}

void image_free(struct test_image *i)
{
	close(i->fd);
}

void poke16(struct test_image *i, size_t at, u16 value)
{
	memcpy(i->bytes + at, &value, sizeof(value));
}

void poke32(struct test_image *i, size_t at, u32 value)
{
	memcpy(i->bytes + at, &value, sizeof(value));
}

void poke64(struct test_image *i, size_t at, u64 value)
{
	memcpy(i->bytes + at, &value, sizeof(value));
}

/* bytes that tell where they are from */
static void fill(struct test_image *i, size_t from, size_t to)
{
	for (size_t at = from; at < to; at++)
		i->bytes[at] = (u8)(at * 7 + (at >> 8));
}

static void build_bzimage(struct test_image *i, u16 version, u16 xloadflags)
{
	memset(i->bytes, 0, IMAGE_MAX);
	i->size = 3 * 512 + 0x1000;
	fill(i, 3 * 512, i->size);
	i->bytes[0x1f1] = 2; /* setup_sects */
	poke32(i, 0x1f4, 0x1000 / 16);
	poke16(i, 0x1fe, 0xaa55);
	i->bytes[0x200] = 0xeb;
	i->bytes[0x201] = version >= 0x20a ? 0x66 : 0x3a;
	memcpy(i->bytes + 0x202, "HdrS", 4);
	poke16(i, 0x206, version);
	i->bytes[0x211] = 1; /* LOADED_HIGH */
	poke32(i, 0x214, 0x100000);
	poke32(i, 0x22c, 0x7fffffff);
	poke32(i, 0x230, 0x200000);
	i->bytes[0x234] = 1;
	poke16(i, 0x236, xloadflags);
	poke32(i, 0x238, TEST_CMDLINE_MAX);
	if (version >= 0x20a) {
		poke32(i, 0x248, 0x100);
		poke32(i, 0x24c, 0x400);
		poke64(i, 0x250, 0xdead);
		poke64(i, 0x258, TEST_PREF);
		poke32(i, 0x260, TEST_INIT_SIZE);
	}
}

void build_bzimage_64(struct test_image *i)
{
	build_bzimage(i, 0x20f, 1);
}

void build_bzimage_32(struct test_image *i)
{
	build_bzimage(i, 0x20f, 0);
}

void build_bzimage_206(struct test_image *i)
{
	build_bzimage(i, 0x206, 0);
}

static void build_elf32(struct test_image *i, unsigned int phnum)
{
	Elf32_Ehdr h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
			 .e_type = ET_EXEC,
			 .e_machine = EM_386,
			 .e_version = EV_CURRENT,
			 .e_entry = TEST_ENTRY,
			 .e_phoff = TEST_PHDR32,
			 .e_ehsize = sizeof(h),
			 .e_phentsize = sizeof(Elf32_Phdr),
			 .e_phnum = (u16)phnum };
	Elf32_Phdr p = { .p_type = PT_LOAD,
			 .p_offset = TEST_TEXT,
			 .p_vaddr = TEST_LOAD,
			 .p_paddr = TEST_LOAD,
			 .p_filesz = TEST_TEXT_SIZE,
			 .p_memsz = TEST_TEXT_SIZE + TEST_BSS,
			 .p_flags = PF_R | PF_X };

	memset(i->bytes, 0, IMAGE_MAX);
	i->size = TEST_TEXT + TEST_TEXT_SIZE;
	fill(i, TEST_TEXT, i->size);
	memcpy(i->bytes, &h, sizeof(h));
	memcpy(i->bytes + TEST_PHDR32, &p, sizeof(p));
}

/* as kernels are linked: virtual addresses far from the physical ones */
#define VIRTUAL 0xffffffff80000000ull

static void build_elf64(struct test_image *i, unsigned int phnum)
{
	Elf64_Ehdr h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			 .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_entry = VIRTUAL + TEST_ENTRY,
			 .e_phoff = TEST_PHDR64,
			 .e_ehsize = sizeof(h),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = (u16)phnum };
	Elf64_Phdr p = { .p_type = PT_LOAD,
			 .p_offset = TEST_TEXT,
			 .p_vaddr = VIRTUAL + TEST_LOAD,
			 .p_paddr = TEST_LOAD,
			 .p_filesz = TEST_TEXT_SIZE,
			 .p_memsz = TEST_TEXT_SIZE + TEST_BSS,
			 .p_flags = PF_R | PF_X };

	memset(i->bytes, 0, IMAGE_MAX);
	i->size = TEST_TEXT + TEST_TEXT_SIZE;
	fill(i, TEST_TEXT, i->size);
	memcpy(i->bytes, &h, sizeof(h));
	memcpy(i->bytes + TEST_PHDR64, &p, sizeof(p));
}

static void put_multiboot(struct test_image *i, u32 flags)
{
	poke32(i, TEST_MB_HEADER, 0x1badb002);
	poke32(i, TEST_MB_HEADER + 4, flags);
	poke32(i, TEST_MB_HEADER + 8, 0 - (0x1badb002 + flags));
}

void build_multiboot_elf32(struct test_image *i)
{
	build_elf32(i, 1);
	put_multiboot(i, 3);
}

void build_multiboot_elf64(struct test_image *i)
{
	build_elf64(i, 1);
	put_multiboot(i, 0);
}

/* no ELF at all: the image starts 0x100 bytes into the file */
void build_multiboot_addresses(struct test_image *i)
{
	memset(i->bytes, 0, IMAGE_MAX);
	i->size = 0x100 + TEST_TEXT_SIZE;
	fill(i, 0, i->size);
	put_multiboot(i, BIT(16));
	poke32(i, TEST_MB_HEADER + 12, TEST_LOAD + TEST_MB_HEADER - 0x100);
	poke32(i, TEST_MB_HEADER + 16, TEST_LOAD);
	poke32(i, TEST_MB_HEADER + 20, TEST_LOAD + TEST_TEXT_SIZE);
	poke32(i, TEST_MB_HEADER + 24, TEST_LOAD + TEST_TEXT_SIZE + TEST_BSS);
	poke32(i, TEST_MB_HEADER + 28, TEST_ENTRY);
}

/* Another note first, then the one that counts; desc is 4 or 8 bytes. Returns the bytes used. */
static u32 put_notes(struct test_image *i, unsigned int desc)
{
	size_t at = TEST_NOTE;

	poke32(i, at, 4);
	poke32(i, at + 4, 3);
	poke32(i, at + 8, 18);
	memcpy(i->bytes + at + 12, "GNU\0abc", 8);
	at += 20;
	poke32(i, at, 4);
	poke32(i, at + 4, desc);
	poke32(i, at + 8, 18);
	memcpy(i->bytes + at + 12, "Xen", 4);
	poke32(i, at + 16, TEST_ENTRY);
	return (u32)(at + 16 + desc - TEST_NOTE);
}

void build_pvh_elf32(struct test_image *i)
{
	Elf32_Phdr p = { .p_type = PT_NOTE, .p_offset = TEST_NOTE, .p_align = 4 };

	build_elf32(i, 2);
	p.p_filesz = p.p_memsz = put_notes(i, 4);
	memcpy(i->bytes + TEST_PHDR32 + sizeof(p), &p, sizeof(p));
}

void build_pvh_elf64(struct test_image *i)
{
	Elf64_Phdr p = { .p_type = PT_NOTE, .p_offset = TEST_NOTE, .p_align = 4 };

	build_elf64(i, 2);
	p.p_filesz = p.p_memsz = put_notes(i, 8);
	memcpy(i->bytes + TEST_PHDR64 + sizeof(p), &p, sizeof(p));
}
