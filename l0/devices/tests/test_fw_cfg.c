/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include "fake_machine.h"

static int setup(void **state)
{
	*state = fake_create(2);
	return 0;
}

static int teardown(void **state)
{
	fake_destroy(*state);
	return 0;
}

static u64 item(struct fake *f, u16 selector, unsigned int size)
{
	u64 value = 0;

	out16(f, FW_CFG_PORT, selector);
	for (unsigned int i = 0; i < size; i++)
		value |= (u64)in8(f, FW_CFG_PORT + 1) << i * 8;
	return value;
}

/* A DMA request at 0x1000: the control field afterwards. */
static u32 dma(struct fake *f, u32 control, u32 length, u64 address)
{
	u32 words[2] = { htobe32(control), htobe32(length) };
	u64 where = htobe64(address);

	memcpy(f->ram + 0x1000, words, 8);
	memcpy(f->ram + 0x1008, &where, 8);
	out32(f, FW_CFG_DMA_PORT, 0);
	out32(f, FW_CFG_DMA_PORT + 4, htobe32(0x1000));
	memcpy(words, f->ram + 0x1000, 4);
	return be32toh(words[0]);
}

static void items_are_read_byte_by_byte(void **state)
{
	struct fake *f = *state;

	assert_int_equal(item(f, FW_CFG_SIGNATURE, 4), 0x554d4551);
	assert_int_equal(item(f, FW_CFG_ID, 4), 3);
	assert_int_equal(item(f, FW_CFG_RAM_SIZE, 8), 64 << 20);
	assert_int_equal(item(f, FW_CFG_CPU_COUNT, 2), 2);
	assert_int_equal(item(f, FW_CFG_CPU_MAX, 2), 2);
	assert_int_equal(item(f, FW_CFG_NOGRAPHIC, 2), 1);
	assert_int_equal(item(f, FW_CFG_CMDLINE_SIZE, 4), 14);
	assert_true(item(f, FW_CFG_CMDLINE_DATA, 8) == 0x3d656c6f736e6f63); /* "console=" */
	assert_int_equal(in8(f, FW_CFG_PORT + 1), 't');
	assert_int_equal(item(f, FW_CFG_CPU_COUNT, 8), 2); /* zeros behind the end */
	assert_int_equal(item(f, 0x18, 8), 0);
	assert_int_equal(item(f, 0x4005, 4), 0);
	assert_int_equal(item(f, 0xffff, 4), 0);
}

static void files_are_in_the_directory(void **state)
{
	struct fake *f = *state;

	assert_int_equal(item(f, FW_CFG_FILE_DIR, 4), 0);
	assert_int_equal(fw_cfg_add_file(f->m.fw_cfg, "opt/a", "hello", 5), 0);
	assert_int_equal(fw_cfg_add_file(f->m.fw_cfg, "opt/a", "hello", 5), -EEXIST);
	assert_int_equal(fw_cfg_add_file(f->m.fw_cfg, "opt/an-endless-name-an-endless-name-an-endless-name-an-en", "", 0),
			 -ENAMETOOLONG);
	assert_int_equal(fw_cfg_add_file(f->m.fw_cfg, "opt/b", "", 0), 0);
	assert_int_equal(be32toh((u32)item(f, FW_CFG_FILE_DIR, 4)), 2);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(in8(f, FW_CFG_PORT + 1), i == 3 ? 5 : 0); /* size */
	assert_int_equal(in8(f, FW_CFG_PORT + 1), 0);
	assert_int_equal(in8(f, FW_CFG_PORT + 1), 0x20); /* selector */
	in8(f, FW_CFG_PORT + 1);
	in8(f, FW_CFG_PORT + 1);
	assert_int_equal(in8(f, FW_CFG_PORT + 1), 'o');
	assert_int_equal(item(f, 0x20, 5), 0x6f6c6c6568);
	for (unsigned int i = 2; i < FW_CFG_FILES; i++) {
		char name[8] = { 'f', (char)('a' + i) };

		assert_int_equal(fw_cfg_add_file(f->m.fw_cfg, name, "", 0), 0);
	}
	assert_int_equal(fw_cfg_add_file(f->m.fw_cfg, "more", "", 0), -ENOSPC);
}

static void dma_selects_reads_and_skips(void **state)
{
	struct fake *f = *state;

	assert_int_equal(in32(f, FW_CFG_DMA_PORT), 0x554d4551); /* "QEMU CFG" */
	assert_int_equal(in32(f, FW_CFG_DMA_PORT + 4), 0x47464320);
	memset(f->ram + 0x2000, 0xee, 64);
	assert_int_equal(dma(f, FW_CFG_CMDLINE_DATA << 16 | 8 | 2, 7, 0x2000), 0);
	assert_memory_equal(f->ram + 0x2000, "console\xee", 8);
	assert_int_equal(dma(f, 4, 1, 0), 0);
	assert_int_equal(dma(f, 2, 20, 0x2000), 0);
	assert_memory_equal(f->ram + 0x2000, "ttyS0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xee", 21);
}

static void dma_to_nowhere_is_an_error(void **state)
{
	struct fake *f = *state;

	assert_int_equal(dma(f, FW_CFG_CMDLINE_DATA << 16 | 8 | 2, 7, FAKE_RAM - 3), 1);
	assert_int_equal(dma(f, FW_CFG_CMDLINE_DATA << 16 | 8 | 2, 0xffffffff, 0x2000), 1);
	assert_int_equal(dma(f, FW_CFG_CMDLINE_DATA << 16 | 8 | 2, 7, UINT64_MAX - 2), 1);
	assert_int_equal(dma(f, 16, 7, 0x2000), 1); /* nothing is writable */
	out32(f, FW_CFG_DMA_PORT, 0xffffffff);
	out32(f, FW_CFG_DMA_PORT + 4, 0xffffffff);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(items_are_read_byte_by_byte),
		TEST(files_are_in_the_directory),
		TEST(dma_selects_reads_and_skips),
		TEST(dma_to_nowhere_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
