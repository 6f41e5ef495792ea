/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accesses that lower_range.c finds by number: they read and write what the segment's base says, whatever was found before. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "../../cpu/mmu.h"
#include "bt_bench.h"

#define CODE 0x10000u
#define A 0x200000u
#define B 0x240000u
#define FAR_OFFSET 0x2010u /* another range of GS */

static struct bt_bench b;

static void put(const u8 *code, size_t n)
{
	static const u8 end[] = { 0x90, 0xcc };

	assert_true(machine_write(&b.machine, CODE, code, n));
	assert_true(machine_write(&b.machine, CODE + n, end, sizeof(end)));
}

/* So many instructions from CODE on, without an exception: how often C was asked for an address */
static u64 misses(s64 insns)
{
	u64 before = b.v->bt->stats.tlb_misses;

	b.v->rip = CODE;
	assert_false(bt_bench_run(&b, insns));
	return b.v->bt->stats.tlb_misses - before;
}

static const u8 load_gs[] = { 0x65, 0x48, 0x8b, 0x04, 0x25, 0x28, 0x00, 0x00, 0x00, 0xeb, 0x00 }; /* mov rax, gs:[0x28]; jmp */

static void a_load_follows_its_base(void **state)
{
	(void)state;
	bt_bench_write(&b, A + 0x28, 1);
	bt_bench_write(&b, B + 0x28, 2);
	put(load_gs, sizeof(load_gs));
	for (unsigned int i = 0; i < 6; i++) {
		b.v->seg[GS].base = i % 2 ? B : A;
		assert_int_equal(misses(2), 1);
		assert_int_equal(b.v->gpr[RAX], 1 + i % 2);
		assert_int_equal(misses(2), 0);
		assert_int_equal(b.v->gpr[RAX], 1 + i % 2);
	}
}

static void segments_and_offsets_are_kept_apart(void **state)
{
	static const u8 code[] = { 0x65, 0x48, 0x8b, 0x04, 0x25, 0x28, 0x00, 0x00, 0x00, /* mov rax, gs:[0x28] */
				   0x64, 0x48, 0x8b, 0x1c, 0x25, 0x28, 0x00, 0x00, 0x00, /* mov rbx, fs:[0x28] */
				   0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff, /* mov rcx, fs:[-8] */
				   0x65, 0x48, 0x8b, 0x14, 0x25, 0x10, 0x20, 0x00, 0x00, /* mov rdx, gs:[FAR_OFFSET] */
				   0xeb, 0x00 };

	(void)state;
	bt_bench_write(&b, A + 0x28, 1);
	bt_bench_write(&b, B + 0x128, 2);
	bt_bench_write(&b, B + 0x100 - 8, 3);
	bt_bench_write(&b, A + FAR_OFFSET, 4);
	b.v->seg[GS].base = A;
	b.v->seg[FS].base = B + 0x100;
	put(code, sizeof(code));
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(misses(5), i ? 0 : 4);
		assert_int_equal(b.v->gpr[RAX], 1);
		assert_int_equal(b.v->gpr[RBX], 2);
		assert_int_equal(b.v->gpr[RCX], 3);
		assert_int_equal(b.v->gpr[RDX], 4);
	}
}

static void all_kinds_of_instructions_reach_their_operand(void **state)
{
	static const u8 code[] = { 0x65, 0x48, 0x89, 0x04, 0x25, 0x28, 0x00, 0x00, 0x00, /* mov gs:[0x28], rax */
				   0x65, 0x48, 0x01, 0x04, 0x25, 0x28, 0x00, 0x00, 0x00, /* add gs:[0x28], rax */
				   0x65, 0xff, 0x34, 0x25, 0x28, 0x00, 0x00, 0x00, /* push gs:[0x28] */
				   0x65, 0x8f, 0x04, 0x25, 0x30, 0x00, 0x00, 0x00, /* pop gs:[0x30] */
				   0x65, 0x4c, 0x87, 0x34, 0x25, 0x38, 0x00, 0x00, 0x00, /* xchg gs:[0x38], r14 */
				   0xf0, 0x65, 0x4c, 0x0f, 0xc1, 0x3c, 0x25, 0x40, 0x00,
				   0x00, 0x00, /* lock xadd gs:[0x40], r15 */
				   0x65, 0xfe, 0x04, 0x25, 0x48, 0x00, 0x00, 0x00, /* inc byte gs:[0x48] */
				   0x65, 0x0f, 0xba, 0x2c, 0x25, 0x50, 0x00, 0x00, 0x00,
				   0x05, /* bts dword gs:[0x50], 5 */
				   0x65, 0x48, 0xd3, 0x24, 0x25, 0x58, 0x00, 0x00, 0x00, /* shl qword gs:[0x58], cl */
				   0x65, 0x8a, 0x24, 0x25, 0x60, 0x00, 0x00, 0x00, /* mov ah, gs:[0x60] */
				   0x65, 0xff, 0x24, 0x25, 0x68, 0x00, 0x00, 0x00 }; /* jmp gs:[0x68] */

	(void)state;
	b.v->seg[GS].base = A;
	put(code, sizeof(code));
	for (unsigned int i = 0; i < 2; i++) {
		b.v->gpr[RAX] = 21;
		b.v->gpr[RCX] = 4;
		b.v->gpr[RSP] = B + 0x100;
		b.v->gpr[R14] = 7;
		b.v->gpr[R15] = 9;
		bt_bench_write(&b, A + 0x38, 8);
		bt_bench_write(&b, A + 0x40, 100);
		bt_bench_write(&b, A + 0x48, 0x1ff);
		bt_bench_write(&b, A + 0x50, 0);
		bt_bench_write(&b, A + 0x58, 3);
		bt_bench_write(&b, A + 0x60, 0x77);
		bt_bench_write(&b, A + 0x68, CODE + sizeof(code));
		misses(11);
		assert_int_equal(b.v->rip, CODE + sizeof(code));
		assert_int_equal(bt_bench_read(&b, A + 0x28), 42);
		assert_int_equal(bt_bench_read(&b, A + 0x30), 42);
		assert_int_equal(b.v->gpr[RSP], B + 0x100);
		assert_int_equal(bt_bench_read(&b, A + 0x38), 7);
		assert_int_equal(b.v->gpr[R14], 8);
		assert_int_equal(bt_bench_read(&b, A + 0x40), 109);
		assert_int_equal(b.v->gpr[R15], 100);
		assert_int_equal(bt_bench_read(&b, A + 0x48), 0x100);
		assert_int_equal(bt_bench_read(&b, A + 0x50), 1 << 5);
		assert_int_equal(bt_bench_read(&b, A + 0x58), 3 << 4);
		assert_int_equal(b.v->gpr[RAX], 0x7715);
	}
}

/* Its range lies in two pages, so that it is never found; translated when it would have been, or not. */
static void a_base_within_a_page_is_right_all_the_same(void **state)
{
	(void)state;
	bt_bench_write(&b, A + 0x28, 1);
	bt_bench_write(&b, A + 0xfe8, 2);
	put(load_gs, sizeof(load_gs));
	for (unsigned int i = 0; i < 4; i++) {
		b.v->seg[GS].base = i % 2 ? A + 0xfc0 : A;
		misses(2);
		assert_int_equal(b.v->gpr[RAX], 1 + i % 2);
	}
	cache_flush(b.bt);
	b.v->seg[GS].base = A + 0xfc0;
	misses(2);
	assert_int_equal(b.v->gpr[RAX], 2);
	b.v->seg[GS].base = A;
	misses(2);
	assert_int_equal(b.v->gpr[RAX], 1);
}

static void a_store_to_code_is_noticed(void **state)
{
	static const u8 code[] = { 0x65, 0xc7, 0x04, 0x25, 0x40, 0x00,
				   0x00, 0x00, 0xb0, 0x05, 0xeb, 0x00, /* mov dword gs:[0x40], ... */
				   0xeb, 0x32 }; /* jmp CODE + 0x40 */
	static const u8 there[] = { 0xb0, 0x01, 0xeb, 0x00, 0x90, 0xcc }; /* mov al, 1; jmp; the store makes it 5 */

	(void)state;
	put(code, sizeof(code));
	assert_true(machine_write(&b.machine, CODE + 0x40, there, sizeof(there)));
	/* a store of the same range before there was code in the page */
	b.v->seg[GS].base = A;
	misses(2);
	b.v->seg[GS].base = CODE;
	b.v->rip = CODE + 0x40;
	assert_false(bt_bench_run(&b, 2));
	assert_int_equal(b.v->gpr[RAX] & 0xff, 1);
	for (unsigned int i = 0; i < 2; i++) {
		b.v->gpr[RAX] = 0;
		misses(4);
		assert_int_equal(b.v->gpr[RAX] & 0xff, 5);
		assert_true(machine_write(&b.machine, CODE + 0x40, there, sizeof(there)));
	}
}

static void invlpg_makes_it_look_again(void **state)
{
	(void)state;
	put(load_gs, sizeof(load_gs));
	b.v->seg[GS].base = A;
	bt_bench_write(&b, A + 0x28, 5);
	misses(2);
	tlb_flush_page(b.v->tlb, A);
	bt_bench_write(&b, A + 0x28, 6);
	assert_int_equal(misses(2), 1);
	assert_int_equal(b.v->gpr[RAX], 6);
}

static void only_so_many_ranges_have_numbers(void **state)
{
	u8 code[] = { 0x65, 0x48, 0x8b, 0x04, 0x25, 0x28, 0x00, 0x00, 0x00, 0xeb, 0x00 };

	(void)state;
	b.v->seg[GS].base = A;
	for (u32 i = 0; i < TLB_RANGES; i++) {
		u32 offset = i * 4096 + 0x28;

		memcpy(code + 5, &offset, sizeof(offset));
		put(code, sizeof(code));
		bt_bench_write(&b, A + offset, i + 1000);
		misses(2);
		assert_int_equal(b.v->gpr[RAX], i + 1000);
		misses(2);
		assert_int_equal(b.v->gpr[RAX], i + 1000);
	}
	assert_int_equal(b.bt->ranges[1].count, TLB_RANGES / 2);
}

#define T(name) bt_bench_test(name, b)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_load_follows_its_base),
		T(segments_and_offsets_are_kept_apart),
		T(all_kinds_of_instructions_reach_their_operand),
		T(a_base_within_a_page_is_right_all_the_same),
		T(a_store_to_code_is_noticed),
		T(invlpg_makes_it_look_again),
		T(only_so_many_ranges_have_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
