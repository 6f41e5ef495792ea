/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Damage good kernels at random, thousands of times, always the same way: whatever the files say, the loaders
 * load into RAM that the memory map calls RAM, or refuse with a line. Built with the sanitizers it also shows that
 * nothing is read or computed out of bounds.
 *   test_load_fuzz [ROUNDS [SEED]]
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "../layout.h"
#include "images.h"

#define RAM (16ull << 20)

static unsigned long rounds = 8000;
static u64 random_state = 0x7472746c;
static struct machine machine;
static struct test_image image, initrd;

/* xorshift64* */
static u64 random_u64(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dull;
}

static u64 below(u64 n)
{
	return random_u64() % n;
}

/* numbers at which comparisons and sums go wrong */
static u64 edge(void)
{
	const u64 edges[] = { 0,
			      1,
			      3,
			      4,
			      0xff,
			      0xfff,
			      0x1000,
			      0x7fffffff,
			      0x80000000,
			      0xfffff000,
			      0xffffffff,
			      0x100000000,
			      INT64_MAX,
			      1ull << 63,
			      UINT64_MAX - 0xfff,
			      UINT64_MAX,
			      image.size,
			      RAM,
			      TEST_LOAD,
			      TEST_TEXT,
			      LAYOUT_EBDA,
			      LAYOUT_BIOS_END,
			      MEMORY_HOLE_START,
			      MEMORY_HIGH_START };
	u64 v = edges[below(sizeof(edges) / sizeof(edges[0]))];

	return v + below(5) - 2;
}

/* Most of what matters lies in these bytes. */
static size_t header_at(void)
{
	switch (below(4)) {
	case 0:
		return below(0x100);
	case 1:
		return 0x1f0 + below(0xa0);
	case 2:
		return TEST_NOTE + below(64);
	default:
		return below(0x400);
	}
}

static void fix_checksum(void)
{
	u32 flags;

	memcpy(&flags, image.bytes + TEST_MB_HEADER + 4, 4);
	poke32(&image, TEST_MB_HEADER + 8, 0 - (0x1badb002 + flags));
}

static void mutate(void)
{
	size_t at = header_at();

	switch (below(8)) {
	case 0:
		image.bytes[at] ^= (u8)(1u << below(8));
		break;
	case 1:
		image.bytes[at] = (u8)random_u64();
		break;
	case 2:
		poke16(&image, at & ~1ull, (u16)edge());
		break;
	case 3:
	case 4:
		poke32(&image, at & ~3ull, (u32)edge());
		break;
	case 5:
		poke64(&image, at & ~3ull, edge());
		break;
	case 6:
		memmove(image.bytes + header_at(), image.bytes + at, 32);
		break;
	default:
		image.size = below(4) ? image.size : below(IMAGE_MAX) + 1;
		break;
	}
}

static void build_any(void)
{
	static void (*const build[])(struct test_image *) = {
#define ROW(name) build_##name,
		TEST_IMAGES(ROW)
#undef ROW
	};
	bool multiboot;

	build[below(sizeof(build) / sizeof(build[0]))](&image);
	multiboot = !memcmp(image.bytes + TEST_MB_HEADER, "\x02\xb0\xad\x1b", 4);
	for (u64 n = 1 + below(4); n; n--)
		mutate();
	/* otherwise the checksum would keep most mutations out */
	if (multiboot && below(8))
		fix_checksum();
}

/* Firmware's memory: the loaders may not touch it. */
static void assert_untouched(u64 from, u64 to)
{
	for (u64 at = from; at < to; at++)
		if (machine.memory.base[at] != 0xa5)
			fail_msg("the byte at 0x%llx was written", (unsigned long long)at);
}

static void assert_result(int err, const struct boot_state *b, const char *error)
{
	if (err) {
		assert_true(err == -EINVAL);
		assert_true(*error && !strchr(error, '\n'));
		return;
	}
	assert_true(memory_is_ram(&machine.memory, b->rip));
	assert_true(memory_range_is_ram(&machine.memory, b->gdt, BOOT_GDT_SIZE));
	assert_true(b->mode == BOOT_PROTECTED || (b->mode == BOOT_LONG && memory_is_ram(&machine.memory, b->cr3)));
}

static void damaged_kernels_load_into_ram_or_are_refused(void **state)
{
	unsigned long loaded = 0;

	(void)state;
	for (unsigned long n = 0; n < rounds; n++) {
		struct load_config c = { .kernel = image.path, .cmdline = "x", .initrd = below(2) ? initrd.path : NULL };
		struct boot_state boot;
		char error[256] = "";
		int err;

		build_any();
		image_publish(&image);
		err = load_kernel(&machine, &c, &boot, error, sizeof(error));
		assert_result(err, &boot, error);
		loaded += !err;
		assert_untouched(LAYOUT_EBDA, LAYOUT_EBDA + 64);
		assert_untouched(LAYOUT_BIOS_END - 64, LAYOUT_BIOS_END);
		assert_untouched(layout_acpi(&machine.memory), layout_acpi(&machine.memory) + 64);
	}
	print_message("%lu of %lu damaged kernels could be loaded\n", loaded, rounds);
	/* both ways are walked */
	assert_true(loaded > rounds / 20 && loaded < rounds - rounds / 20);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_kernels_load_into_ram_or_are_refused),
	};
	int failed;

	if (argc > 1)
		rounds = strtoul(argv[1], NULL, 0);
	if (argc > 2)
		random_state = strtoull(argv[2], NULL, 0) | 1;
	image_init(&image);
	image_init(&initrd);
	initrd.size = 5000;
	image_publish(&initrd);
	ram_machine_create(&machine, RAM);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	ram_machine_destroy(&machine);
	image_free(&initrd);
	image_free(&image);
	return failed;
}
