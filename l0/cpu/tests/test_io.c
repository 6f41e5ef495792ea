/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IN and OUT: who may use which port, and how wide the data is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "../io.h"
#include "vcpu_bench.h"

#define TSS 0x9000ull
#define MAP 0x68u /* offset of the bitmap in the TSS */
#define PORT 0x3f8u

static struct bench f;
static u64 last_value;
static unsigned int last_size;

static u64 device_read(void *dev, u64 offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	last_size = size;
	return 0x89abcdef & (size == 4 ? 0xffffffff : (1u << size * 8) - 1);
}

static void device_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	(void)dev;
	(void)offset;
	last_size = size;
	last_value = value;
}

static const struct bus_ops ops = { .read = device_read, .write = device_write };

static int setup(void **state)
{
	(void)state;
	bench_init(&f, NULL);
	bench_long_mode(&f);
	assert_int_equal(bus_add_pio(&f.machine.bus, 0x3f8, 8, &ops, NULL, "test"), 0);
	f.v->seg[TR].base = TSS;
	f.v->seg[TR].limit = MAP + 0x2000;
	memset(memory_host(&f.machine.memory, TSS), 0, MAP + 0x2001);
	bench_write(&f, TSS + 0x66, MAP);
	f.v->gpr[RDX] = 0xffff0000 | PORT;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bench_destroy(&f);
	return 0;
}

static void data_is_as_wide_as_the_operand(void **state)
{
	static const struct {
		u8 size;
		u64 rax;
	} row[] = {
		{ 1, 0xffffffffffffffef },
		{ 2, 0xffffffffffffcdef },
		{ 4, 0x89abcdef },
	};

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		f.v->gpr[RAX] = ~0ull;
		assert_int_equal(bench_run(&f, insn_in, (union insn_args){ .size = row[i].size }, NULL), RUNS_OK);
		assert_int_equal(f.v->gpr[RAX], row[i].rax);
		assert_int_equal(last_size, row[i].size);
		f.v->gpr[RAX] = 0x1122334455667788;
		assert_int_equal(bench_run(&f, insn_out, (union insn_args){ .size = row[i].size }, NULL), RUNS_OK);
		assert_int_equal(last_value, 0x55667788 & (row[i].size == 4 ? 0xffffffff : (1u << row[i].size * 8) - 1));
	}
	assert_int_equal(bench_run(&f, insn_in, (union insn_args){ .size = 1, .is_reg = 1, .imm = 0xf8 }, NULL), RUNS_OK);
	assert_int_equal(f.v->gpr[RAX] & 0xff, 0xff); /* nothing answers at port 0xf8 */
}

static int out(unsigned int size)
{
	return bench_run(&f, insn_out, (union insn_args){ .size = size }, NULL);
}

static void iopl_and_the_bitmap_decide(void **state)
{
	struct vcpu *v = f.v;

	(void)state;
	bench_set_cpl(&f, 3);
	assert_int_equal(out(4), RUNS_OK); /* all bits clear */
	memset(memory_host(&f.machine.memory, TSS + MAP), 0xff, 0x2001);
	assert_int_equal(out(1), VEC_GP);
	v->rflags |= FLAG_IOPL;
	assert_int_equal(out(1), RUNS_OK);
	v->rflags &= ~FLAG_IOPL;
	bench_set_cpl(&f, 0);
	assert_int_equal(out(1), RUNS_OK);
	bench_set_cpl(&f, 3);
	bench_write(&f, TSS + MAP + PORT / 8, ~0xffull | 0xfc); /* two ports */
	assert_int_equal(out(1), RUNS_OK);
	assert_int_equal(out(2), RUNS_OK);
	assert_int_equal(out(4), VEC_GP);
	v->gpr[RDX] = PORT + 7; /* across a byte of the bitmap */
	bench_write(&f, TSS + MAP + PORT / 8, ~0ull << 16 | 0xfe7f);
	assert_int_equal(out(1), RUNS_OK);
	assert_int_equal(out(2), RUNS_OK);
	assert_int_equal(out(4), VEC_GP);
}

static void both_bytes_of_the_bitmap_must_be_within_the_limit(void **state)
{
	struct vcpu *v = f.v;

	(void)state;
	bench_set_cpl(&f, 3);
	v->seg[TR].limit = MAP + PORT / 8 + 1;
	assert_int_equal(out(1), RUNS_OK);
	v->seg[TR].limit--;
	assert_int_equal(out(1), VEC_GP);
	v->seg[TR].limit = 0x66;
	assert_int_equal(out(1), VEC_GP);
	v->seg[TR].limit = MAP + 0x2000;
	v->seg[TR].ar = 3 | AR_P; /* 16-bit */
	assert_int_equal(out(1), VEC_GP);
	v->seg[TR].ar = 11 | AR_P | AR_UNUSABLE;
	assert_int_equal(out(1), VEC_GP);
}

static void virtual_8086_mode_asks_the_bitmap_whatever_iopl_says(void **state)
{
	struct vcpu *v = f.v;

	(void)state;
	v->cr0 &= ~CR0_PG;
	v->efer = 0;
	v->rflags |= FLAG_VM | FLAG_IOPL;
	vcpu_update_mode(v);
	mmu_flush_all(v);
	assert_int_equal(out(1), RUNS_OK);
	memset(memory_host(&f.machine.memory, TSS + MAP), 0xff, 0x2001);
	assert_int_equal(out(1), VEC_GP);
	v->rflags &= ~FLAG_VM;
	v->cr0 &= ~CR0_PE;
	vcpu_update_mode(v);
	assert_int_equal(out(1), RUNS_OK); /* real mode: no protection */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(data_is_as_wide_as_the_operand),
		T(iopl_and_the_bitmap_decide),
		T(both_bytes_of_the_bitmap_must_be_within_the_limit),
		T(virtual_8086_mode_asks_the_bitmap_whatever_iopl_says),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
