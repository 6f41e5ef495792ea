/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocks made from others are what translating their bytes would have given. Nothing is run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../cpu/mode.h"
#include "bt_bench.h"

#define HERE 0x100000u
#define THERE 0x800000u
#define CODE_MAX (4u << 20)

/* The linker's: this program's own code */
extern const u8 __executable_start[], etext[];

static int setup(void **state)
{
	static struct bt_bench b; /* the tests run one after the other */

	bt_bench_create(&b, 64 << 20);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	bt_bench_destroy(*state);
	return 0;
}

static struct bt_block *translate_at(struct bt_bench *b, u64 at, u32 mode)
{
	struct bt_block *block;
	u32 kept = b->v->mode;
	u64 unwatched;

	b->v->mode = mode;
	while (!(block = translate(b->v, at, at, TRANSLATE_BLOCK, b->v->mode, &unwatched)))
		cache_make_room(b->bt);
	b->v->mode = kept;
	return block;
}

static void put_twice(struct bt_bench *b, u32 offset, const u8 *code, size_t n)
{
	assert_true(machine_write(&b->machine, HERE + offset, code, n));
	assert_true(machine_write(&b->machine, THERE + offset, code, n));
}

static void same_exit(const struct bt_exit *a, const struct bt_exit *b)
{
	assert_int_equal(a->patch, b->patch);
	assert_int_equal(a->stub, b->stub);
	assert_int_equal(a->delta, b->delta);
	assert_int_equal(a->target, b->target);
}

/* The block at HERE + offset is there. Its copy at THERE, and what translating gives in the same place of the cache. False: it can't be copied. */
static bool compare(struct bt_bench *b, u32 offset, u32 mode)
{
	static u8 hot[32 << 10], cold[32 << 10];
	struct bt_region *r = b->bt->open, kept = *r;
	const struct bt_block *fresh;
	struct bt_block *copy, was;

	copy = copy_block(b->bt, THERE + offset, mode);
	if (!copy)
		return false;
	was = *copy;
	memcpy(hot, b->bt->rw + copy->code, copy->size);
	memcpy(cold, b->bt->rw + copy->cold, copy->cold_size);
	cache_drop(b->bt, copy);
	r->hot.used = kept.hot.used;
	r->cold.used = kept.cold.used;
	r->blocks = kept.blocks;
	r->maps = kept.maps;
	fresh = translate_at(b, THERE + offset, mode);
	if (b->bt->open != r)
		return true; /* it wants more room than it needs */
	assert_ptr_equal(fresh, copy);
	assert_int_equal(was.code, fresh->code);
	assert_int_equal(was.direct, fresh->direct);
	assert_int_equal(was.size, fresh->size);
	assert_int_equal(was.cold, fresh->cold);
	assert_int_equal(was.cold_size, fresh->cold_size);
	assert_int_equal(was.len, fresh->len);
	assert_int_equal(was.insns, fresh->insns);
	assert_int_equal(was.check_at, fresh->check_at);
	same_exit(&was.exit[0], &fresh->exit[0]);
	same_exit(&was.exit[1], &fresh->exit[1]);
	assert_memory_equal(hot, b->bt->rw + fresh->code, fresh->size);
	assert_memory_equal(cold, b->bt->rw + fresh->cold, fresh->cold_size);
	return true;
}

/* All blocks of n bytes of code, one behind the other. Returns how many have been copied. */
static unsigned int compare_all(struct bt_bench *b, u32 n, u32 *blocks)
{
	unsigned int copied = 0;

	*blocks = 0;
	for (u32 offset = 0; offset + 64 < n; ++*blocks) {
		const struct bt_block *from = translate_at(b, HERE + offset, b->v->mode);

		copied += compare(b, offset, b->v->mode ^ MODE_L2);
		offset += from->len;
	}
	return copied;
}

static void copies_of_this_programs_code_are_what_translating_it_gives(void **state)
{
	struct bt_bench *b = *state;
	u32 n = (u32)(etext - __executable_start), blocks, copied;

	n = n < CODE_MAX ? n : CODE_MAX;
	put_twice(b, 0, __executable_start, n);
	copied = compare_all(b, n, &blocks);
	print_message("%u blocks, %u of them copied\n", blocks, copied);
	assert_in_range(copied, blocks * 3 / 4, blocks);
}

static void copies_of_any_bytes_are_what_translating_them_gives(void **state)
{
	struct bt_bench *b = *state;
	static u8 code[256 << 10];
	u32 blocks, copied = 0;

	srand(1);
	for (u32 i = 0; i < sizeof(code); i++)
		code[i] = (u8)(rand() >> 8);
	put_twice(b, 0, code, sizeof(code));
	copied = compare_all(b, sizeof(code), &blocks);
	assert_in_range(copied, blocks / 2, blocks);
	b->v->efer = 0; /* 32-bit code */
	b->v->seg[CS].ar = AR_P | AR_S | AR_CODE | AR_DB;
	vcpu_update_mode(b->v);
	copied = compare_all(b, sizeof(code), &blocks);
	assert_in_range(copied, blocks / 2, blocks);
}

/* Each opcode byte with each byte behind it; prefix: 0x0f, or 0x90, which is no prefix but an instruction */
static void compare_opcodes(struct bt_bench *b, u8 prefix, bool rex_w)
{
	const u32 room = 32;
	u8 code[32] = { 0 };
	u32 copied = 0;

	for (u32 i = 0; i < 65536; i++) {
		u32 n = 0;

		if (rex_w)
			code[n++] = 0x48;
		code[n++] = prefix;
		code[n++] = (u8)(i >> 8);
		code[n++] = (u8)i;
		put_twice(b, i * room, code, sizeof(code));
	}
	for (u32 i = 0; i < 65536; i++) {
		translate_at(b, HERE + i * room, b->v->mode);
		copied += compare(b, i * room, b->v->mode ^ MODE_L2);
	}
	assert_in_range(copied, 60000, 65536);
}

static void copies_of_every_opcode_are_what_translating_it_gives(void **state)
{
	compare_opcodes(*state, 0x90, false);
	compare_opcodes(*state, 0x0f, false);
	compare_opcodes(*state, 0x0f, true);
}

static void what_is_different_for_a_guest_is_copied_for_the_same_level_alone(void **state)
{
	static const struct {
		enum feature needs; /* without it it's #UD at any level */
		u8 code[4];
	} insn[] = {
		{ FEATURE_TSC, { 0x0f, 0x31, 0xc3 } }, /* rdtsc; ret */
		{ FEATURE_RDTSCP, { 0x0f, 0x01, 0xf9, 0xc3 } }, /* rdtscp */
		{ FEATURE_SMAP, { 0x0f, 0x01, 0xcb, 0xc3 } }, /* stac */
		{ FEATURE_SMAP, { 0x0f, 0x01, 0xca, 0xc3 } }, /* clac */
		{ FEATURE_RDRAND, { 0x0f, 0xc7, 0xf0, 0xc3 } }, /* rdrand eax */
		{ FEATURE_RDSEED, { 0x0f, 0xc7, 0xf8, 0xc3 } }, /* rdseed eax */
	};
	struct bt_bench *b = *state;
	u32 mode = b->v->mode;

	for (u32 i = 0; i < sizeof(insn) / sizeof(insn[0]); i++) {
		put_twice(b, 64 * i, insn[i].code, sizeof(insn[i].code));
		translate_at(b, HERE + 64 * i, mode);
		assert_int_equal(!copy_block(b->bt, THERE + 64 * i, mode | MODE_L2), model_has(&b->model, insn[i].needs));
		assert_true(compare(b, 64 * i, mode));
	}
}

static const u8 plain[] = { 0x90, 0x48, 0x8b, 0x07, 0x74, 0x10 }; /* nop; mov rax, [rdi]; jz */

static void another_mode_or_place_in_the_page_is_no_match(void **state)
{
	struct bt_bench *b = *state;

	put_twice(b, 0, plain, sizeof(plain));
	put_twice(b, 64, plain, sizeof(plain));
	translate_at(b, HERE, b->v->mode);
	assert_null(copy_block(b->bt, THERE, b->v->mode ^ MODE_NO_AVX));
	assert_null(copy_block(b->bt, THERE + 64, b->v->mode));
	assert_non_null(copy_block(b->bt, THERE, b->v->mode));
}

static void a_byte_that_differs_behind_the_first_16_is_noticed(void **state)
{
	struct bt_bench *b = *state;
	u8 code[24];

	memset(code, 0x90, sizeof(code));
	code[sizeof(code) - 1] = 0xc3;
	put_twice(b, 0, code, sizeof(code));
	translate_at(b, HERE, b->v->mode);
	code[sizeof(code) - 2] = 0xf8;
	assert_true(machine_write(&b->machine, THERE, code, sizeof(code)));
	assert_null(copy_block(b->bt, THERE, b->v->mode));
}

static void a_block_whose_bytes_are_gone_can_still_be_copied_and_has_no_jumps_of_the_old_one(void **state)
{
	struct bt_bench *b = *state;
	struct bt_block *from, *to, *copy;

	put_twice(b, 0, plain, sizeof(plain));
	from = translate_at(b, HERE, b->v->mode);
	to = translate_at(b, HERE + 0x40, b->v->mode);
	cache_chain(b->bt, cache_index(b->bt, from) * 2, to);
	assert_int_not_equal(from->exit[0].target, BLOCK_NONE);
	assert_true(compare(b, 0, b->v->mode));
	assert_true(machine_write(&b->machine, HERE, "\xcc\xcc\xcc\xcc\xcc\xcc", 6));
	assert_false(from->valid);
	copy = copy_block(b->bt, THERE, b->v->mode);
	assert_non_null(copy);
	assert_int_equal(b->bt->rw[copy->code], 0x48); /* not the dropped one's jump */
}

static void what_an_emptied_region_held_is_not_copied(void **state)
{
	struct bt_bench *b = *state;

	put_twice(b, 0, plain, sizeof(plain));
	translate_at(b, HERE, b->v->mode);
	for (unsigned int i = 0; i < 10000 && b->bt->region[0].blocks; i++)
		cache_make_room(b->bt);
	assert_int_equal(b->bt->region[0].blocks, 0);
	assert_null(copy_block(b->bt, THERE, b->v->mode));
	translate_at(b, HERE, b->v->mode);
	cache_flush(b->bt);
	assert_null(copy_block(b->bt, THERE, b->v->mode));
}

static void a_block_that_ends_where_the_page_cuts_an_instruction_off_is_translated(void **state)
{
	struct bt_bench *b = *state;
	u8 code[40];

	memset(code, 0x90, sizeof(code));
	code[PAGE_SIZE - 0xfe8 - 2] = 0xe8; /* call, 2 bytes of which are in this page */
	put_twice(b, 0xfe8, code, sizeof(code));
	assert_int_equal(translate_at(b, HERE + 0xfe8, b->v->mode)->len, PAGE_SIZE - 0xfe8 - 2);
	assert_null(copy_block(b->bt, THERE + 0xfe8, b->v->mode));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(copies_of_this_programs_code_are_what_translating_it_gives),
		TEST(copies_of_any_bytes_are_what_translating_them_gives),
		TEST(copies_of_every_opcode_are_what_translating_it_gives),
		TEST(what_is_different_for_a_guest_is_copied_for_the_same_level_alone),
		TEST(another_mode_or_place_in_the_page_is_no_match),
		TEST(a_byte_that_differs_behind_the_first_16_is_noticed),
		TEST(a_block_whose_bytes_are_gone_can_still_be_copied_and_has_no_jumps_of_the_old_one),
		TEST(what_an_emptied_region_held_is_not_copied),
		TEST(a_block_that_ends_where_the_page_cuts_an_instruction_off_is_translated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
