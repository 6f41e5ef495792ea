/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each kernel format as it is meant to be; test_load_errors.c has what is wrong with them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "../layout.h"
#include "../memory_map.h"
#include "images.h"

#define RAM (64ull << 20)

struct fixture {
	struct machine m;
	struct test_image kernel, initrd, module;
	struct load_config config;
	struct boot_state boot;
	char error[256];
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	ram_machine_create(&f.m, RAM);
	image_init(&f.kernel);
	image_init(&f.initrd);
	image_init(&f.module);
	f.initrd.size = 5000;
	memset(f.initrd.bytes, 'i', f.initrd.size);
	image_publish(&f.initrd);
	f.module.size = 10;
	memset(f.module.bytes, 'm', f.module.size);
	image_publish(&f.module);
	f.config.kernel = f.kernel.path;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	image_free(&f->kernel);
	image_free(&f->initrd);
	image_free(&f->module);
	ram_machine_destroy(&f->m);
	return 0;
}

static void load(struct fixture *f)
{
	image_publish(&f->kernel);
	if (load_kernel(&f->m, &f->config, &f->boot, f->error, sizeof(f->error)))
		fail_msg("%s", f->error);
}

static const u8 *at(const struct fixture *f, u64 gpa)
{
	assert_true(memory_is_ram(&f->m.memory, gpa));
	return f->m.memory.base + gpa;
}

static u32 at32(const struct fixture *f, u64 gpa)
{
	u32 v;

	memcpy(&v, at(f, gpa), 4);
	return v;
}

static u64 at64(const struct fixture *f, u64 gpa)
{
	u64 v;

	memcpy(&v, at(f, gpa), 8);
	return v;
}

static void assert_gdt(const struct fixture *f, u64 code)
{
	assert_int_equal(at64(f, f->boot.gdt + BOOT_CS), code);
	assert_int_equal(at64(f, f->boot.gdt + BOOT_DS), 0x00cf93000000ffffull);
}

static void assert_text_and_bss(const struct fixture *f, size_t file_offset)
{
	assert_memory_equal(at(f, TEST_LOAD), f->kernel.bytes + file_offset, TEST_TEXT_SIZE);
	for (u64 i = 0; i < TEST_BSS; i++)
		assert_int_equal(*at(f, TEST_LOAD + TEST_TEXT_SIZE + i), 0);
	assert_int_equal(*at(f, TEST_LOAD + TEST_TEXT_SIZE + TEST_BSS), 0xa5);
	assert_int_equal(*at(f, TEST_LOAD - 1), 0xa5);
}

/* entries of `stride` bytes, the map `skip` bytes into each */
static void assert_map(const struct fixture *f, u64 gpa, unsigned int count, unsigned int stride, unsigned int skip)
{
	struct memory_map_entry map[MEMORY_MAP_MAX];
	unsigned int n = memory_map_build(&f->m.memory, map);

	assert_int_equal(count, n);
	for (unsigned int i = 0; i < n; i++)
		assert_memory_equal(at(f, gpa + i * stride + skip), &map[i], sizeof(map[i]));
}

static void bzimage_with_a_64_bit_entry_starts_in_64_bit_mode(void **state)
{
	struct fixture *f = *state;
	u64 zp, cr3;

	build_bzimage_64(&f->kernel);
	f->config.cmdline = "console=ttyS0";
	f->config.initrd = f->initrd.path;
	load(f);
	zp = f->boot.gpr[RSI];
	cr3 = f->boot.cr3;
	assert_int_equal(f->boot.mode, BOOT_LONG);
	assert_int_equal(f->boot.rip, TEST_PREF + 0x200);
	assert_gdt(f, 0x00af9b000000ffffull);
	assert_memory_equal(at(f, TEST_PREF), f->kernel.bytes + 3 * 512, 0x1000);
	/* zero page */
	assert_memory_equal(at(f, zp + 0x202), "HdrS", 4);
	assert_int_equal(*at(f, zp + 0x210), 0xff);
	assert_int_equal(at32(f, zp + 0x214), TEST_PREF);
	assert_int_equal(at64(f, zp + 0x250), 0);
	assert_int_equal(at64(f, zp + 0x070), LAYOUT_RSDP);
	assert_string_equal((const char *)at(f, at32(f, zp + 0x228)), "console=ttyS0");
	assert_map(f, zp + 0x2d0, *at(f, zp + 0x1e8), 20, 0);
	/* initrd: as high as RAM allows */
	assert_int_equal(at32(f, zp + 0x21c), 5000);
	assert_int_equal(at32(f, zp + 0x218), (layout_acpi(&f->m.memory) - 5000) & ~(PAGE_SIZE - 1));
	assert_memory_equal(at(f, at32(f, zp + 0x218)), f->initrd.bytes, 5000);
	/* identity map of 4 GiB */
	for (u64 i = 0; i < 4; i++) {
		u64 pd = at64(f, (at64(f, cr3) & ~0xfffull) + i * 8) & ~0xfffull;

		for (u64 n = 0; n < 512; n++)
			assert_int_equal(at64(f, pd + n * 8), i << 30 | n << 21 | 0x83);
	}
}

static void bzimage_without_a_64_bit_entry_starts_in_protected_mode(void **state)
{
	struct fixture *f = *state;

	build_bzimage_32(&f->kernel);
	load(f);
	assert_int_equal(f->boot.mode, BOOT_PROTECTED);
	assert_int_equal(f->boot.rip, TEST_PREF);
	assert_gdt(f, 0x00cf9b000000ffffull);
	assert_string_equal((const char *)at(f, at32(f, f->boot.gpr[RSI] + 0x228)), "");
	assert_int_equal(at32(f, f->boot.gpr[RSI] + 0x21c), 0);
}

static void old_bzimage_loads_at_1_mib(void **state)
{
	struct fixture *f = *state;

	build_bzimage_206(&f->kernel);
	load(f);
	assert_int_equal(f->boot.rip, 0x100000);
	assert_memory_equal(at(f, 0x100000), f->kernel.bytes + 3 * 512, 0x1000);
}

static void relocatable_bzimage_moves_when_its_address_is_no_ram(void **state)
{
	struct fixture *f = *state;

	build_bzimage_64(&f->kernel);
	poke64(&f->kernel, 0x258, RAM + 0x200000);
	load(f);
	assert_int_equal(f->boot.rip, 0x200200);
	assert_int_equal(at32(f, f->boot.gpr[RSI] + 0x214), 0x200000);
}

static void initrd_stays_below_what_the_kernel_takes(void **state)
{
	struct fixture *f = *state;

	build_bzimage_64(&f->kernel);
	poke32(&f->kernel, 0x22c, 0x2ffffff);
	f->config.initrd = f->initrd.path;
	load(f);
	assert_int_equal(at32(f, f->boot.gpr[RSI] + 0x218), 0x3000000 - 0x2000);
}

static void signature_behind_the_kernel_is_not_loaded(void **state)
{
	struct fixture *f = *state;

	build_bzimage_64(&f->kernel);
	f->kernel.size += 100;
	load(f);
	assert_int_equal(*at(f, TEST_PREF + 0x1000), 0xa5);
}

static void assert_multiboot_info(struct fixture *f, const char *cmdline)
{
	u64 info = f->boot.gpr[RBX];

	assert_int_equal(f->boot.mode, BOOT_PROTECTED);
	assert_int_equal(f->boot.rip, TEST_ENTRY);
	assert_int_equal(f->boot.gpr[RAX], 0x2badb002);
	assert_gdt(f, 0x00cf9b000000ffffull);
	assert_int_equal(at32(f, info), BIT(0) | BIT(2) | BIT(3) | BIT(6) | BIT(9));
	assert_int_equal(at32(f, info + 4), 639);
	assert_int_equal(at32(f, info + 8), (RAM - 0x100000 - LAYOUT_ACPI_SIZE) / 1024);
	assert_string_equal((const char *)at(f, at32(f, info + 16)), cmdline);
	assert_string_equal((const char *)at(f, at32(f, info + 64)), "turtles");
	assert_int_equal(at32(f, at32(f, info + 48)), 20);
	assert_map(f, at32(f, info + 48), at32(f, info + 44) / 24, 24, 4);
}

static void multiboot_elf32_gets_its_information(void **state)
{
	struct fixture *f = *state;
	char line[64];

	build_multiboot_elf32(&f->kernel);
	f->config.cmdline = "a b";
	load(f);
	assert_text_and_bss(f, TEST_TEXT);
	snprintf(line, sizeof(line), "%s a b", f->kernel.path);
	assert_multiboot_info(f, line);
	assert_int_equal(at32(f, f->boot.gpr[RBX] + 20), 0);
}

static void multiboot_elf64_entry_is_translated_to_physical(void **state)
{
	struct fixture *f = *state;

	build_multiboot_elf64(&f->kernel);
	load(f);
	assert_text_and_bss(f, TEST_TEXT);
	assert_multiboot_info(f, f->kernel.path);
}

static void multiboot_addresses_are_followed(void **state)
{
	struct fixture *f = *state;

	build_multiboot_addresses(&f->kernel);
	load(f);
	assert_text_and_bss(f, 0x100);
	assert_multiboot_info(f, f->kernel.path);
}

static void multiboot_addresses_without_ends_load_the_rest_of_the_file(void **state)
{
	struct fixture *f = *state;

	build_multiboot_addresses(&f->kernel);
	poke32(&f->kernel, TEST_MB_HEADER + 20, 0);
	poke32(&f->kernel, TEST_MB_HEADER + 24, 0);
	f->kernel.size += 16;
	load(f);
	assert_memory_equal(at(f, TEST_LOAD), f->kernel.bytes + 0x100, TEST_TEXT_SIZE + 16);
	assert_int_equal(*at(f, TEST_LOAD + TEST_TEXT_SIZE + 16), 0xa5);
}

static void multiboot_modules_come_behind_the_kernel_with_their_strings(void **state)
{
	struct fixture *f = *state;
	char list[128], string[64];
	u64 mods;

	build_multiboot_elf32(&f->kernel);
	snprintf(list, sizeof(list), "%s x,,y z,%s", f->initrd.path, f->module.path);
	snprintf(string, sizeof(string), "%s x,y z", f->initrd.path);
	f->config.initrd = list;
	load(f);
	assert_int_equal(at32(f, f->boot.gpr[RBX] + 20), 2);
	mods = at32(f, f->boot.gpr[RBX] + 24);
	assert_int_equal(at32(f, mods), TEST_LOAD + 0x4000);
	assert_int_equal(at32(f, mods + 4), TEST_LOAD + 0x4000 + 5000);
	assert_memory_equal(at(f, at32(f, mods)), f->initrd.bytes, 5000);
	assert_string_equal((const char *)at(f, at32(f, mods + 8)), string);
	assert_int_equal(at32(f, mods + 16), TEST_LOAD + 0x6000);
	assert_int_equal(at32(f, mods + 20) - at32(f, mods + 16), 10);
	assert_string_equal((const char *)at(f, at32(f, mods + 24)), f->module.path);
}

static void multiboot_comes_before_pvh(void **state)
{
	struct fixture *f = *state;

	build_pvh_elf32(&f->kernel);
	poke32(&f->kernel, TEST_MB_HEADER, 0x1badb002);
	poke32(&f->kernel, TEST_MB_HEADER + 4, 0);
	poke32(&f->kernel, TEST_MB_HEADER + 8, 0 - 0x1badb002u);
	load(f);
	assert_multiboot_info(f, f->kernel.path);
}

/* where loaders put their structures is free if the kernel wants to lie there itself */
static void small_structures_give_way_to_the_kernel(void **state)
{
	struct fixture *f = *state;

	build_multiboot_elf32(&f->kernel);
	poke32(&f->kernel, 24, 0x10010);
	poke32(&f->kernel, TEST_PHDR32 + 8, 0x10000);
	poke32(&f->kernel, TEST_PHDR32 + 12, 0x10000);
	poke32(&f->kernel, TEST_PHDR32 + 20, LAYOUT_EBDA - 0x10000);
	load(f);
	assert_int_equal(f->boot.rip, 0x10010);
	assert_memory_equal(at(f, 0x10000), f->kernel.bytes + TEST_TEXT, TEST_TEXT_SIZE);
	assert_true(f->boot.gpr[RBX] >= 0x100000);
}

static void assert_pvh(struct fixture *f)
{
	u64 info = f->boot.gpr[RBX];

	assert_int_equal(f->boot.mode, BOOT_PROTECTED);
	assert_int_equal(f->boot.rip, TEST_ENTRY);
	assert_gdt(f, 0x00cf9b000000ffffull);
	assert_text_and_bss(f, TEST_TEXT);
	assert_int_equal(at32(f, info), 0x336ec578);
	assert_int_equal(at32(f, info + 4), 1);
	assert_int_equal(at64(f, info + 32), LAYOUT_RSDP);
	assert_map(f, at64(f, info + 40), at32(f, info + 48), 24, 0);
}

static void pvh_elf64_gets_start_info_and_initrd(void **state)
{
	struct fixture *f = *state;
	u64 info;

	build_pvh_elf64(&f->kernel);
	f->config.initrd = f->initrd.path;
	f->config.cmdline = "quiet";
	load(f);
	assert_pvh(f);
	info = f->boot.gpr[RBX];
	assert_string_equal((const char *)at(f, at64(f, info + 24)), "quiet");
	assert_int_equal(at32(f, info + 12), 1);
	assert_int_equal(at64(f, at64(f, info + 16) + 8), 5000);
	assert_memory_equal(at(f, at64(f, at64(f, info + 16))), f->initrd.bytes, 5000);
}

static void pvh_elf32_without_initrd_has_no_modules(void **state)
{
	struct fixture *f = *state;

	build_pvh_elf32(&f->kernel);
	load(f);
	assert_pvh(f);
	assert_int_equal(at32(f, f->boot.gpr[RBX] + 12), 0);
}

/* a machine of more than 3 GiB; nothing of it is touched but what is loaded */
static void initrd_may_lie_above_4_gib_if_the_kernel_says_so(void **state)
{
	struct fixture *f = *state;
	u64 zp;

	ram_machine_destroy(&f->m);
	memset(&f->m, 0, sizeof(f->m));
	assert_int_equal(memory_init(&f->m.memory, MEMORY_HOLE_START + (16 << 20)), 0);
	build_bzimage_64(&f->kernel);
	poke16(&f->kernel, 0x236, 3);
	poke32(&f->kernel, 0x22c, 0xfff);
	f->config.initrd = f->initrd.path;
	load(f);
	zp = f->boot.gpr[RSI];
	assert_int_equal(at32(f, zp + 0xc0), 1);
	assert_int_equal(at32(f, zp + 0x218), (16 << 20) - 0x2000);
	assert_memory_equal(at(f, MEMORY_HIGH_START + at32(f, zp + 0x218)), f->initrd.bytes, 5000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bzimage_with_a_64_bit_entry_starts_in_64_bit_mode),
		T(bzimage_without_a_64_bit_entry_starts_in_protected_mode),
		T(old_bzimage_loads_at_1_mib),
		T(relocatable_bzimage_moves_when_its_address_is_no_ram),
		T(initrd_stays_below_what_the_kernel_takes),
		T(signature_behind_the_kernel_is_not_loaded),
		T(multiboot_elf32_gets_its_information),
		T(multiboot_elf64_entry_is_translated_to_physical),
		T(multiboot_addresses_are_followed),
		T(multiboot_addresses_without_ends_load_the_rest_of_the_file),
		T(multiboot_modules_come_behind_the_kernel_with_their_strings),
		T(multiboot_comes_before_pvh),
		T(small_structures_give_way_to_the_kernel),
		T(pvh_elf64_gets_start_info_and_initrd),
		T(pvh_elf32_without_initrd_has_no_modules),
		T(initrd_may_lie_above_4_gib_if_the_kernel_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
