/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unwinders over memory that is made up: ORC tables, frame pointers, garbage. And symbols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../cpu/vcpu.h"
#include "../stack_dwarf.h"
#include "../stack_orc.h"
#include "../symbols.h"

/* A guest's memory: 16 pages at BASE, of which the last is missing */
#define BASE 0xffffffff81000000ull
#define PAGES 16
#define TEXT (BASE + 0x1000)
#define TABLE (BASE + 0x4000)
#define ENTRIES (BASE + 0x5000)
#define STACK (BASE + 0x8000)

static u8 memory[PAGES * STACK_PAGE];

static const u8 *page(void *ctx, u64 linear)
{
	(void)ctx;
	return linear - BASE < sizeof(memory) - STACK_PAGE ? memory + (linear - BASE) : NULL;
}

static struct stack_reader reader = { .page = page };

static void put(u64 linear, const void *from, size_t n)
{
	assert_true(linear - BASE + n <= sizeof(memory));
	memcpy(memory + (linear - BASE), from, n);
}

static void put64(u64 linear, u64 value)
{
	put(linear, &value, sizeof(value));
}

static int clean(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	stack_reader_reset(&reader);
	return 0;
}

enum { SP = 5, BP = 4, DX = 2, DI = 3, R10_ = 6, R13_ = 7, BP_INDIRECT = 8, SP_INDIRECT = 9, PREVIOUS = 1 };
enum { CALL = 0, REGS = 1 << 8, PARTIAL = 2 << 8, END = 1 << 10 };

static u32 rows;

/* the next row of the table: code from pc on */
static void row(u64 pc, s16 sp_offset, s16 bp_offset, u16 bits)
{
	struct orc_entry e = { sp_offset, bp_offset, bits };
	s32 relative = (s32)(pc - (TABLE + 4ull * rows));

	put(TABLE + 4ull * rows, &relative, sizeof(relative));
	put(ENTRIES + sizeof(e) * rows, &e, sizeof(e));
	rows++;
}

static bool step(struct stack_regs *regs, s16 sp_offset, s16 bp_offset, u16 bits, bool *exact)
{
	struct orc_entry e = { sp_offset, bp_offset, bits };

	return orc_step(&reader, &e, regs, exact);
}

static void orc_finds_what_is_said_of_an_instruction(void **state)
{
	struct orc_table t;
	struct orc_entry e;
	u64 code;

	(void)state;
	rows = 0;
	for (int i = 0; i < 100; i++)
		row(TEXT + 16 * (u64)i, (s16)i, 0, SP);
	assert_true(orc_open(&reader, TABLE, ENTRIES, rows, BIT(20), &t));
	assert_true(t.first == TEXT && t.end == TEXT + 16 * 99);
	for (u64 pc = t.first; pc < t.end; pc++) {
		assert_true(orc_find(&reader, &t, pc, &e, &code));
		assert_true(code == (pc & ~15ull));
		assert_int_equal(e.sp_offset, (pc - TEXT) / 16);
	}
	assert_false(orc_find(&reader, &t, t.first - 1, &e, &code));
	assert_false(orc_find(&reader, &t, t.end, &e, &code));
}

static void what_is_no_orc_table_isnt_taken_for_one(void **state)
{
	struct orc_table t;
	s32 relative = 0;

	(void)state;
	assert_false(orc_open(&reader, TABLE, ENTRIES, 64, BIT(20), &t)); /* zeros: each number is its own code */
	rows = 0;
	for (int i = 0; i < 10; i++)
		row(TEXT + 16 * (u64)i, 8, 0, SP);
	assert_true(orc_open(&reader, TABLE, ENTRIES, rows, BIT(20), &t));
	assert_false(orc_open(&reader, TABLE, ENTRIES, rows, 16 * 8, &t)); /* code is longer than that */
	assert_false(orc_open(&reader, TABLE, ENTRIES, 1, BIT(20), &t));
	assert_false(orc_open(&reader, TABLE + 1, ENTRIES, rows, BIT(20), &t));
	assert_false(orc_open(&reader, TABLE, BASE + sizeof(memory), rows, BIT(20), &t));
	assert_false(orc_open(&reader, 0, 0, rows, BIT(20), &t));
	put(TABLE + 4 * 5, &relative, sizeof(relative)); /* not sorted */
	assert_false(orc_open(&reader, TABLE, ENTRIES, rows, BIT(20), &t));
}

static void orc_steps_from_a_function_to_its_caller(void **state)
{
	struct stack_regs regs = { .rip = TEXT };
	bool exact = true;

	(void)state;
	put64(STACK + 24, TEXT + 0x123); /* return address */
	put64(STACK + 16, 0xb9); /* saved RBP */
	regs.gpr[RSP] = STACK;
	regs.gpr[RBP] = 1;
	assert_true(step(&regs, 32, -16, SP | PREVIOUS << 4, &exact));
	assert_true(regs.rip == TEXT + 0x123 && regs.gpr[RSP] == STACK + 32 && regs.gpr[RBP] == 0xb9 && !exact);

	/* by RBP, which was saved where it points at */
	put64(STACK + 0x100, STACK + 0x200);
	put64(STACK + 0x108, TEXT + 0x456);
	regs.gpr[RBP] = STACK + 0x100;
	assert_true(step(&regs, 16, 0, BP | BP << 4, &exact));
	assert_true(regs.rip == TEXT + 0x456 && regs.gpr[RSP] == STACK + 0x110 && regs.gpr[RBP] == STACK + 0x200);
	assert_false(step(&regs, 16, 0, SP | END, &exact));
}

static void orc_finds_the_callers_stack_wherever_it_is_said_to_be(void **state)
{
	static const struct {
		unsigned int reg, in;
	} REGISTERS[] = { { DX, RDX }, { DI, RDI }, { R10_, R10 }, { R13_, R13 } };
	bool exact;

	(void)state;
	put64(STACK + 0x300 - 8, TEXT + 7);
	for (unsigned int i = 0; i < 4; i++) {
		struct stack_regs regs = { .rip = TEXT };

		regs.gpr[REGISTERS[i].in] = STACK + 0x300;
		assert_true(step(&regs, 0, 0, (u16)REGISTERS[i].reg, &exact));
		assert_true(regs.rip == TEXT + 7 && regs.gpr[RSP] == STACK + 0x300);
	}
	struct stack_regs regs = { .rip = TEXT };

	put64(STACK + 0x80, STACK + 0x2f8);
	regs.gpr[RSP] = STACK + 0x80;
	assert_true(step(&regs, 8, 0, SP_INDIRECT, &exact));
	assert_true(regs.gpr[RSP] == STACK + 0x300);
	put64(STACK + 0x90, STACK + 0x300);
	regs.gpr[RBP] = STACK + 0x98;
	assert_true(step(&regs, -8, 0, BP_INDIRECT, &exact));
	assert_true(regs.gpr[RSP] == STACK + 0x300);
	for (u16 reg = 10; reg < 16; reg++)
		assert_false(step(&regs, 8, 0, reg, &exact));
	assert_false(step(&regs, 8, 0, 0, &exact));
}

static void orc_steps_over_interrupts_of_the_kernel_alone(void **state)
{
	struct stack_regs regs = { .rip = TEXT };
	bool exact = false;

	(void)state;
	/* struct pt_regs at STACK */
	put64(STACK + 32, 0xb8);
	put64(STACK + 128, TEXT + 0x99);
	put64(STACK + 136, 0x10);
	put64(STACK + 152, STACK + 0x400);
	regs.gpr[RSP] = STACK;
	assert_true(step(&regs, 0, 0, SP | REGS, &exact));
	assert_true(exact && regs.rip == TEXT + 0x99 && regs.gpr[RSP] == STACK + 0x400 && regs.gpr[RBP] == 0xb8);
	regs.gpr[RSP] = STACK + 128; /* of which only what the CPU has pushed is there */
	regs.gpr[RBP] = 3;
	assert_true(step(&regs, 0, 0, SP | PARTIAL, &exact));
	assert_true(exact && regs.rip == TEXT + 0x99 && regs.gpr[RSP] == STACK + 0x400 && regs.gpr[RBP] == 3);
	put64(STACK + 136, 0x33);
	regs.gpr[RSP] = STACK;
	assert_false(step(&regs, 0, 0, SP | REGS, &exact));
}

static void frame_pointers_lead_from_caller_to_caller(void **state)
{
	struct stack_dwarf *d = stack_dwarf_create(&reader);
	struct stack_regs regs = { .rip = TEXT };
	u64 pc[STACK_DEPTH];

	(void)state;
	assert_non_null(d);
	for (u64 i = 0; i < 5; i++) {
		put64(STACK + 0x100 * i, i < 4 ? STACK + 0x100 * (i + 1) : 0);
		put64(STACK + 0x100 * i + 8, TEXT + 0x10 * i);
	}
	regs.gpr[RSP] = STACK - 0x40;
	regs.gpr[RBP] = STACK;
	assert_int_equal(stack_dwarf_unwind(d, &regs, pc, STACK_DEPTH), 5);
	for (u64 i = 0; i < 5; i++)
		assert_true(pc[i] == TEXT + 0x10 * i);
	assert_int_equal(stack_dwarf_unwind(d, &regs, pc, 3), 3);
	/* a chain that leads back ends there */
	put64(STACK + 0x300, STACK + 0x100);
	assert_int_equal(stack_dwarf_unwind(d, &regs, pc, STACK_DEPTH), 4);
	/* nothing is readable */
	regs.gpr[RSP] = 0x1000;
	regs.gpr[RBP] = 0x2000;
	assert_int_equal(stack_dwarf_unwind(d, &regs, pc, STACK_DEPTH), 0);
	stack_dwarf_destroy(d);
}

static void garbage_ends_every_unwinding(void **state)
{
	struct stack_dwarf *d = stack_dwarf_create(&reader);
	struct orc_table t = { TABLE, ENTRIES, 1000, TEXT, TEXT + 0x2000 };
	u64 pc[STACK_DEPTH];

	(void)state;
	assert_non_null(d);
	srand(1);
	stack_dwarf_code(d, TEXT, TEXT + 0x2000, TABLE);
	for (int i = 0; i < 2000; i++) {
		static const u8 HEADER[4] = { 1, 0x1b, 3, 0x3b };
		struct stack_regs regs = { .rip = TEXT + (u64)rand() % 0x2000 };
		struct orc_entry e;
		unsigned int steps = 0;
		bool exact;
		u64 code;

		for (size_t j = 0; j < sizeof(memory); j += 8)
			put64(BASE + j, rand() % 3 ? STACK + (u64)(rand() % 0x6000) : (u64)rand() << 33 ^ (u64)rand());
		if (i % 2)
			put(TABLE, HEADER, sizeof(HEADER));
		for (int j = 0; j < 16; j++)
			regs.gpr[j] = STACK + (u64)(rand() % 0x800) * 8;
		assert_true(stack_dwarf_unwind(d, &regs, pc, STACK_DEPTH) <= STACK_DEPTH);
		while (steps++ < STACK_DEPTH && orc_find(&reader, &t, regs.rip, &e, &code) &&
		       orc_step(&reader, &e, &regs, &exact))
			;
		orc_open(&reader, TABLE + 4ull * (u64)(rand() % 100), ENTRIES, (u32)rand() % 100, BIT(30), &t);
		t = (struct orc_table){ TABLE, ENTRIES, 1000, TEXT, TEXT + 0x2000 };
	}
	stack_dwarf_destroy(d);
}

static void a_read_across_pages_needs_both(void **state)
{
	u64 value, last = BASE + sizeof(memory) - STACK_PAGE;

	(void)state;
	put64(TEXT - 4, 0x1122334455667788);
	assert_true(stack_read64(&reader, TEXT - 4, &value) && value == 0x1122334455667788);
	assert_true(stack_read64(&reader, last - 8, &value));
	assert_false(stack_read64(&reader, last - 4, &value));
	assert_false(stack_read64(&reader, UINT64_MAX - 3, &value));
}

static void a_symbol_reaches_up_to_the_next_one(void **state)
{
	struct symbols *s = symbols_create();
	struct symbol found;

	(void)state;
	assert_true(symbols_add_one(s, 0x2000, 't', "second", "module") &&
		    symbols_add_one(s, 0x1000, 't', "alias", NULL) && symbols_add_one(s, 0x1000, 'T', "first", NULL) &&
		    symbols_add_one(s, 0x1000, 't', "other", NULL));
	symbols_sort(s);
	assert_false(symbols_find(s, 0xfff, &found));
	assert_true(symbols_find(s, 0x1000, &found) && found.offset == 0);
	assert_string_equal(found.name, "first"); /* the global one of three */
	assert_true(symbols_find(s, 0x1fff, &found) && found.offset == 0xfff && !found.module);
	assert_true(symbols_find(s, 0x2000, &found));
	assert_string_equal(found.module, "module");
	assert_false(symbols_find(s, 0x2000 + (1 << 20), &found)); /* far behind the last one */
	assert_false(symbols_find(NULL, 0x1000, &found));
	symbols_destroy(s);
}

static int text(const char *content, struct symbols *s, char *error, size_t n)
{
	char path[] = "/tmp/turtles-symbols-XXXXXX";
	int fd = mkstemp(path), err;

	assert_true(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	close(fd);
	err = symbols_add(s, path, error, n);
	unlink(path);
	return err;
}

static void text_of_kallsyms_is_read_with_modules(void **state)
{
	struct symbols *s = symbols_create();
	struct symbol found;
	char error[256];

	(void)state;
	assert_int_equal(
		text("ffffffff81000000 T _stext\nffffffff81000100 D data\nffffffffc0001000 t vmx_exit\t[kvm_intel]\n",
		     s, error, sizeof(error)),
		0);
	symbols_sort(s);
	assert_true(symbols_find(s, 0xffffffff81000200, &found) && found.offset == 0x200); /* data is no function */
	assert_true(symbols_find(s, 0xffffffffc0001004, &found));
	assert_string_equal(found.name, "vmx_exit");
	assert_string_equal(found.module, "kvm_intel");
	assert_int_not_equal(text("\n", s, error, sizeof(error)), 0);
	assert_int_not_equal(text("", s, error, sizeof(error)), 0);
	symbols_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(orc_finds_what_is_said_of_an_instruction, clean),
		cmocka_unit_test_setup(what_is_no_orc_table_isnt_taken_for_one, clean),
		cmocka_unit_test_setup(orc_steps_from_a_function_to_its_caller, clean),
		cmocka_unit_test_setup(orc_finds_the_callers_stack_wherever_it_is_said_to_be, clean),
		cmocka_unit_test_setup(orc_steps_over_interrupts_of_the_kernel_alone, clean),
		cmocka_unit_test_setup(frame_pointers_lead_from_caller_to_caller, clean),
		cmocka_unit_test_setup(garbage_ends_every_unwinding, clean),
		cmocka_unit_test_setup(a_read_across_pages_needs_both, clean),
		cmocka_unit_test(a_symbol_reaches_up_to_the_next_one),
		cmocka_unit_test(text_of_kallsyms_is_read_with_modules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
