/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything that can be wrong with what -kernel, -initrd and -append name: one line each, and what it has to say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "images.h"

#define RAM (32ull << 20)

#define EHDR32_ENTRY 24
#define EHDR32_PHENTSIZE 42
#define EHDR32_PHNUM 44
#define EHDR64_PHOFF 32
#define EHDR64_PHNUM 56
#define PHDR32_OFFSET (TEST_PHDR32 + 4)
#define PHDR32_PADDR (TEST_PHDR32 + 12)
#define PHDR32_FILESZ (TEST_PHDR32 + 16)
#define PHDR32_MEMSZ (TEST_PHDR32 + 20)
#define PHDR64_OFFSET (TEST_PHDR64 + 8)
#define PHDR64_PADDR (TEST_PHDR64 + 24)
#define PHDR64_MEMSZ (TEST_PHDR64 + 40)
#define NOTE32 (TEST_PHDR32 + 32)
#define NOTE64 (TEST_PHDR64 + 56)

/* One damage a row: image, what is done to its bytes (`i`), what the message must contain. */
/* clang-format off */
#define DAMAGES(D) \
	D(bzimage_64, i->size = 0x205,                            "not a kernel") \
	D(bzimage_64, i->size = 0x240,                            "offset 0x201: the setup header ends") \
	D(bzimage_64, i->size = 0x600,                            "setup_sects 2 leaves no kernel") \
	D(bzimage_64, i->size -= 0x100,                           "syssize promises") \
	D(bzimage_64, i->bytes[0x1f1] = 255,                      "setup_sects 255") \
	D(bzimage_64, i->bytes[0x201] = 0,                        "offset 0x201") \
	D(bzimage_64, poke16(i, 0x206, 0x205),                    "boot protocol 2.05") \
	D(bzimage_64, i->bytes[0x211] = 0,                        "zImage") \
	D(bzimage_64, poke32(i, 0x1f4, 0xffffffff),               "offset 0x1f4: syssize promises 0xffffffff0") \
	D(bzimage_64, poke32(i, 0x24c, 0xffffffff),               "offset 0x248: the payload") \
	D(bzimage_64, poke32(i, 0x1f4, 0x10); poke32(i, 0x24c, 0), "64-bit entry point") \
	D(bzimage_64, poke32(i, 0x260, 0xffffffff),               "no room below 4 GiB for the kernel") \
	D(bzimage_64, poke32(i, 0x260, RAM); i->bytes[0x234] = 0, "isn't relocatable") \
	D(bzimage_64, poke64(i, 0x258, UINT64_MAX); poke32(i, 0x230, 3), "kernel_alignment 0x3") \
	D(bzimage_64, poke64(i, 0x258, 0); poke32(i, 0x230, 0),   "kernel_alignment 0x0") \
	D(multiboot_elf32, poke32(i, TEST_MB_HEADER + 8, 1),      "offset 0x200: multiboot header with a wrong checksum") \
	D(multiboot_elf32, poke32(i, TEST_MB_HEADER + 4, 7); poke32(i, TEST_MB_HEADER + 8, 0 - (0x1badb002 + 7)), "require a video mode") \
	D(multiboot_elf32, poke32(i, TEST_MB_HEADER + 4, 8); poke32(i, TEST_MB_HEADER + 8, 0 - (0x1badb002 + 8)), "require an unknown feature") \
	D(multiboot_elf32, i->bytes[0] = 0,                       "but the file isn't ELF") \
	D(multiboot_elf32, i->bytes[4] = 3,                       "ELF class 3") \
	D(multiboot_elf32, i->bytes[5] = 2,                       "isn't little-endian") \
	D(multiboot_elf32, poke16(i, 16, 1),                      "ELF type 1") \
	D(multiboot_elf32, poke16(i, 18, 40),                     "ELF machine 40") \
	D(multiboot_elf32, poke16(i, EHDR32_PHENTSIZE, 31),       "program headers of 31 bytes") \
	D(multiboot_elf32, poke16(i, EHDR32_PHNUM, 0),            "0 program headers") \
	D(multiboot_elf32, poke16(i, EHDR32_PHNUM, 0xffff),       "65535 program headers") \
	D(multiboot_elf32, poke16(i, EHDR32_PHNUM, 0xfff0),       "the table of 65520 program headers ends behind") \
	D(multiboot_elf32, poke32(i, 28, 0xffffffff),             "offset 0xffffffff: the table") \
	D(multiboot_elf64, poke64(i, EHDR64_PHOFF, UINT64_MAX),   "offset 0xffffffffffffffff: the table") \
	D(multiboot_elf32, poke32(i, TEST_PHDR32, 0),             "none of the 1 program headers") \
	D(multiboot_elf32, poke32(i, PHDR32_MEMSZ, 1),            "but only 0x1 in memory") \
	D(multiboot_elf32, poke32(i, PHDR32_OFFSET, 0xffffffff),  "program header 0: offset 0xffffffff") \
	D(multiboot_elf32, i->size -= 1,                          "is it truncated?") \
	D(multiboot_elf32, poke32(i, PHDR32_MEMSZ, 0xffffffff),   "isn't all RAM; more memory") \
	D(multiboot_elf32, poke32(i, PHDR32_PADDR, 0xffffffff),   "isn't all RAM") \
	D(multiboot_elf32, poke32(i, PHDR32_PADDR, 0x9fb00),      "isn't all RAM") \
	D(multiboot_elf64, poke64(i, PHDR64_PADDR, UINT64_MAX - 0x100), "isn't all RAM") \
	D(multiboot_elf64, poke64(i, PHDR64_MEMSZ, UINT64_MAX),   "isn't all RAM") \
	D(multiboot_elf64, poke64(i, PHDR64_OFFSET, UINT64_MAX - 0x100), "ends behind the end") \
	D(multiboot_elf32, poke32(i, EHDR32_ENTRY, 0x100),        "entry point 0x100 lies in no loaded segment") \
	D(multiboot_elf32, memcpy(i->bytes + NOTE32, i->bytes + TEST_PHDR32, 32); poke16(i, EHDR32_PHNUM, 2), "where an ELF segment lies already") \
	D(multiboot_elf32, many_segments(i),                      "more than 64 segments") \
	D(multiboot_addresses, poke32(i, TEST_MB_HEADER + 16, TEST_LOAD + 0x1000), "outside the file") \
	D(multiboot_addresses, poke32(i, TEST_MB_HEADER + 16, 0),                  "outside the file") \
	D(multiboot_addresses, poke32(i, TEST_MB_HEADER + 20, 1),                  "load end 0x1") \
	D(multiboot_addresses, poke32(i, TEST_MB_HEADER + 20, 0xffffffff),         "load end 0xffffffff") \
	D(multiboot_addresses, poke32(i, TEST_MB_HEADER + 24, TEST_LOAD),          "bss end") \
	D(multiboot_addresses, poke32(i, TEST_MB_HEADER + 24, 0xffffffff),         "isn't all RAM") \
	D(multiboot_addresses, poke32(i, TEST_MB_HEADER + 28, TEST_LOAD - 1),      "entry point 0x1fffff lies outside") \
	D(multiboot_addresses, i->size = TEST_MB_HEADER + 20,                      "address fields are cut off") \
	D(pvh_elf32, poke32(i, TEST_NOTE + 28, 17),               "neither a multiboot 1 header") \
	D(pvh_elf32, poke32(i, TEST_NOTE, 0xffffffff),            "offset 0x300: an ELF note") \
	D(pvh_elf32, poke32(i, TEST_NOTE + 4, 0xffffffff),        "offset 0x300: an ELF note") \
	D(pvh_elf32, poke32(i, TEST_NOTE + 24, 0),                "PVH entry note of 0 bytes") \
	D(pvh_elf32, poke32(i, TEST_NOTE + 36, 0x100),            "PVH entry point 0x100") \
	D(pvh_elf64, poke64(i, TEST_NOTE + 36, UINT64_MAX),       "PVH entry point 0xffffffffffffffff") \
	D(pvh_elf32, poke32(i, NOTE32 + 16, 0xffffffff),          "bytes of ELF notes, at most") \
	D(pvh_elf32, poke32(i, NOTE32 + 4, 0xffffffff),           "bytes of ELF notes end behind") \
	D(pvh_elf64, poke64(i, NOTE64 + 8, UINT64_MAX),           "bytes of ELF notes end behind") \
	D(pvh_elf32, poke32(i, TEST_MB_HEADER, 0x1badb002); poke32(i, TEST_NOTE + 28, 1), "offset 0x200: multiboot header with a wrong checksum") \
	D(pvh_elf64, i->bytes[0] = 0x1f; i->bytes[1] = 0x8b,      "compressed with gzip") \
	D(pvh_elf64, i->size = 1,                                 "not a kernel") \
	D(pvh_elf64, i->size = 16,                                "the ELF header") \
	D(pvh_elf64, i->size = 0,                                 "the kernel is empty")
/* clang-format on */

/* 65 segments of one byte, each elsewhere */
static void many_segments(struct test_image *i)
{
	memmove(i->bytes + 0x2800, i->bytes + TEST_PHDR32, 32);
	for (u32 n = 0; n < 65; n++) {
		u8 *p = i->bytes + 0x2800 + n * 32;

		memmove(p, i->bytes + 0x2800, 32);
		poke32(i, 0x2800 + n * 32 + 12, TEST_LOAD + n);
		poke32(i, 0x2800 + n * 32 + 16, 1);
		poke32(i, 0x2800 + n * 32 + 20, 1);
	}
	poke32(i, 28, 0x2800);
	poke16(i, EHDR32_PHNUM, 65);
	i->size = IMAGE_MAX;
}

static struct machine machine;
static struct test_image image;

/* What every message must be: one line that names the file. */
static void assert_refused(const struct load_config *c, int err, const char *file, const char *text)
{
	struct boot_state boot;
	char error[512];
	int got;

	memset(error, 0x7f, sizeof(error));
	got = load_kernel(&machine, c, &boot, error, sizeof(error));
	if (got != err || !memchr(error, 0, sizeof(error)) || !strstr(error, text) || !strstr(error, file) ||
	    strchr(error, '\n'))
		fail_msg("expected %d and \"%s\", got %d and \"%.*s\"", err, text, got, (int)sizeof(error) - 1, error);
	/* a short buffer is no trap */
	got = load_kernel(&machine, c, &boot, error, 8);
	assert_int_equal(got, err);
	assert_true(strlen(error) < 8);
}

static void damaged_kernels_are_refused_with_one_line(void **state)
{
	const struct load_config c = { .kernel = image.path };

	(void)state;
#define DAMAGE(name, how, text) \
	do { \
		struct test_image *i = &image; \
		build_##name(i); \
		how; \
		image_publish(i); \
		assert_refused(&c, -EINVAL, image.path, text); \
	} while (0);
	DAMAGES(DAMAGE)
#undef DAMAGE
}

static void files_that_are_no_files_are_refused_without_reading_them(void **state)
{
	char dir[] = "/tmp/turtles-test-XXXXXX", fifo[64];
	const struct {
		const char *path;
		int err;
		const char *text;
	} rows[] = {
		{ "/", -EINVAL, "is a directory" }, { "/dev/zero", -EINVAL, "is a device" },
		{ fifo, -EINVAL, "is a FIFO" },	    { "/nonexistent/kernel", -ENOENT, "No such file" },
		{ "", -ENOENT, "No such file" },
	};

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	build_bzimage_64(&image);
	image_publish(&image);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct load_config c = { .kernel = rows[i].path };

		assert_refused(&c, rows[i].err, rows[i].path, rows[i].text);
		c = (struct load_config){ .kernel = image.path, .initrd = rows[i].path };
		assert_refused(&c, rows[i].err, rows[i].path, rows[i].text);
	}
	unlink(fifo);
	rmdir(dir);
}

static void missing_kernel_is_said(void **state)
{
	(void)state;
	assert_refused(&(struct load_config){ 0 }, -EINVAL, "-kernel", "no kernel was given");
}

/* sparse: takes no room on the host either */
static void initrd_larger_than_memory_is_refused_by_every_format(void **state)
{
	static struct test_image initrd;
	struct load_config c = { .kernel = image.path, .initrd = initrd.path };

	(void)state;
	image_init(&initrd);
	assert_int_equal(ftruncate(initrd.fd, 1ll << 40), 0);
#define REFUSE(name) \
	build_##name(&image); \
	image_publish(&image); \
	assert_refused(&c, -EINVAL, initrd.path, "give more memory (-m)");
	TEST_IMAGES(REFUSE)
#undef REFUSE
	image_free(&initrd);
}

static void command_line_that_is_too_long_is_refused(void **state)
{
	static char line[40000];
	struct load_config c = { .kernel = image.path, .cmdline = line };

	(void)state;
	memset(line, 'x', TEST_CMDLINE_MAX + 1);
	build_bzimage_64(&image);
	image_publish(&image);
	assert_refused(&c, -EINVAL, image.path, "has 65 bytes, this kernel takes 64");
	memset(line, 'x', sizeof(line) - 1);
	build_pvh_elf64(&image);
	image_publish(&image);
	assert_refused(&c, -EINVAL, image.path, "has 39999 bytes, at most 32767");
	build_multiboot_elf32(&image);
	image_publish(&image);
	assert_refused(&c, -EINVAL, image.path, "at most 32767");
}

static void bad_lists_of_modules_are_refused(void **state)
{
	struct load_config c = { .kernel = image.path };
	char many[65 * 20] = "";

	(void)state;
	build_multiboot_elf32(&image);
	image_publish(&image);
	c.initrd = "";
	assert_refused(&c, -EINVAL, "-initrd", "module 1 has no file name");
	c.initrd = " x";
	assert_refused(&c, -EINVAL, "-initrd", "module 1 has no file name");
	snprintf(many, sizeof(many), "%s,", image.path);
	c.initrd = many;
	assert_refused(&c, -EINVAL, "-initrd", "module 2 has no file name");
	c.initrd = "/a,,b c";
	assert_refused(&c, -ENOENT, "/a,b:", "could not open module");
	many[0] = 0;
	for (int i = 0; i < 65; i++)
		sprintf(many + strlen(many), "%s%s", i ? "," : "", image.path);
	c.initrd = many;
	assert_refused(&c, -EINVAL, "-initrd", "more than 64 modules");
}

static int setup(void **state)
{
	(void)state;
	image_init(&image);
	ram_machine_create(&machine, RAM);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	image_free(&image);
	ram_machine_destroy(&machine);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_kernels_are_refused_with_one_line),
		cmocka_unit_test(files_that_are_no_files_are_refused_without_reading_them),
		cmocka_unit_test(missing_kernel_is_said),
		cmocka_unit_test(initrd_larger_than_memory_is_refused_by_every_format),
		cmocka_unit_test(command_line_that_is_too_long_is_refused),
		cmocka_unit_test(bad_lists_of_modules_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
