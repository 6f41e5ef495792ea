/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel that is made up, but has tables as Linux has them: symbols, ORC, and a module. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../cpu/vcpu.h"
#include "../stack_kallsyms.h"
#include "../stack_linux.h"
#include "../stack_orc.h"

#define BASE 0xffffffff81000000ull
#define ORC_IP (BASE + 0x4000)
#define ORC_ENTRIES (BASE + 0x5000)
#define MODULES (BASE + 0x6000) /* the list's head */
#define KALLSYMS (BASE + 0x8000)
#define MODULE_TEXT (BASE + 0x20000)
#define MODULE_ORC_IP (BASE + 0x21000)
#define MODULE_ORC_ENTRIES (BASE + 0x21800)
#define MODULE (BASE + 0x22000) /* struct module */
#define MODULE_SYMBOLS (BASE + 0x23000)
#define MODULE_STRINGS (BASE + 0x23800)
#define MODULE_TYPES (BASE + 0x23c00)
#define STACK (BASE + 0x30000)

#define FUNCTIONS 600 /* of 16 bytes: f000 ... f599 */
#define BY_RBP 100 /* this one's frame is known by RBP */

static u8 memory[0x40000];

static const u8 *page(void *ctx, u64 linear)
{
	(void)ctx;
	return linear - BASE < sizeof(memory) ? memory + (linear - BASE) : NULL;
}

static struct stack_reader reader = { .page = page };

static void put(u64 linear, const void *from, size_t n)
{
	assert_true(linear - BASE + n <= sizeof(memory));
	memcpy(memory + (linear - BASE), from, n);
}

static void put32(u64 linear, u32 value)
{
	put(linear, &value, sizeof(value));
}

static void put64(u64 linear, u64 value)
{
	put(linear, &value, sizeof(value));
}

static u64 align8(u64 n)
{
	return (n + 7) & ~7ull;
}

static const struct {
	const char *name;
	u64 address;
} DATA[] = {
	{ "__start_orc_unwind_ip", ORC_IP },
	{ "__stop_orc_unwind_ip", ORC_IP + 4 * (FUNCTIONS + 1) },
	{ "__start_orc_unwind", ORC_ENTRIES },
	{ "modules", MODULES },
};

#define SYMBOLS (FUNCTIONS + sizeof(DATA) / sizeof(DATA[0]))

/* each character is a token; order: the part that newer kernels have */
static void put_symbols(bool order)
{
	u64 at = KALLSYMS, names, length = 0, tokens, offset = 0;
	u32 markers[SYMBOLS / 256 + 1];

	names = at + align8(4 * SYMBOLS) + 16;
	put64(names - 16, BASE);
	put64(names - 8, SYMBOLS);
	for (u64 i = 0; i < SYMBOLS; i++) {
		char name[64];
		u64 address = i < FUNCTIONS ? BASE + 16 * i : DATA[i - FUNCTIONS].address;

		snprintf(name, sizeof(name), "Tf%03u", (unsigned int)i);
		if (i >= FUNCTIONS)
			snprintf(name, sizeof(name), "D%s", DATA[i - FUNCTIONS].name);
		put32(at + 4 * i, (u32)(-1 - (s32)(address - BASE)));
		if (i % 256 == 0)
			markers[i / 256] = (u32)length;
		memory[names - BASE + length] = (u8)strlen(name);
		put(names + length + 1, name, strlen(name));
		length += 1 + strlen(name);
	}
	at = names + align8(length);
	put(at, markers, sizeof(markers));
	at += align8(sizeof(markers));
	if (order) {
		memset(memory + (at - BASE), 0x11, 3 * SYMBOLS);
		at += align8(3 * SYMBOLS);
	}
	tokens = at;
	for (unsigned int i = 0; i < 256; i++) {
		char token[3] = { i > ' ' && i < 127 ? (char)i : '?', i > ' ' && i < 127 ? 0 : '?', 0 };

		put(tokens + offset, token, strlen(token) + 1);
		offset += strlen(token) + 1;
	}
	at = tokens + align8(offset);
	offset = 0;
	for (unsigned int i = 0; i < 256; i++) {
		u16 index = (u16)offset;

		put(at + 2 * i, &index, sizeof(index));
		offset += strlen((const char *)memory + (tokens + offset - BASE)) + 1;
	}
	assert_true(at + 512 < MODULE_TEXT);
}

static void orc_row(u64 ip, u64 entries, u32 n, u64 pc, s16 sp_offset, s16 bp_offset, u16 bits)
{
	struct orc_entry e = { sp_offset, bp_offset, bits };

	put32(ip + 4 * n, (u32)(pc - (ip + 4 * n)));
	put(entries + sizeof(e) * n, &e, sizeof(e));
}

static void put_module(void)
{
	static const char STRINGS[] = "\0module_function\0data";
	Elf64_Sym symbol = { .st_name = 1, .st_value = MODULE_TEXT, .st_shndx = 1 };

	put64(MODULES, MODULE + 8);
	put64(MODULES + 8, MODULE + 8);
	put64(MODULE + 8, MODULES);
	put64(MODULE + 16, MODULES);
	put(MODULE + 24, "tester", 7);
	/* somewhere behind that */
	put64(MODULE + 0x180, 10);
	put64(MODULE + 0x188, MODULE_ORC_IP);
	put64(MODULE + 0x190, MODULE_ORC_ENTRIES);
	put64(MODULE + 0x200, MODULE_SYMBOLS);
	put64(MODULE + 0x208, 3);
	put64(MODULE + 0x210, MODULE_STRINGS);
	put64(MODULE + 0x218, MODULE_TYPES);
	for (u32 i = 0; i < 9; i++)
		orc_row(MODULE_ORC_IP, MODULE_ORC_ENTRIES, i, MODULE_TEXT + 16 * i, 24, 0, 5);
	orc_row(MODULE_ORC_IP, MODULE_ORC_ENTRIES, 9, MODULE_TEXT + 16 * 9, 0, 0, 0);
	put(MODULE_SYMBOLS + sizeof(symbol), &symbol, sizeof(symbol));
	symbol.st_name = 17;
	put(MODULE_SYMBOLS + 2 * sizeof(symbol), &symbol, sizeof(symbol));
	put(MODULE_STRINGS, STRINGS, sizeof(STRINGS));
	put(MODULE_TYPES, "?td", 3);
}

static int boot(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	stack_reader_reset(&reader);
	for (u32 i = 0; i < FUNCTIONS; i++)
		orc_row(ORC_IP, ORC_ENTRIES, i, BASE + 16 * i, 16, i == BY_RBP ? -16 : 0, i == BY_RBP ? 4 | 1 << 4 : 5);
	orc_row(ORC_IP, ORC_ENTRIES, FUNCTIONS, BASE + 16 * FUNCTIONS, 0, 0, 0);
	put_symbols(true);
	put64(MODULES, MODULES);
	put64(MODULES + 8, MODULES);
	return 0;
}

static bool count_symbol(void *ctx, u64 address, char type, const char *name)
{
	unsigned int *count = ctx;
	char expected[16];

	snprintf(expected, sizeof(expected), "f%03u", *count);
	if (*count < FUNCTIONS) {
		assert_string_equal(name, expected);
		assert_true(address == BASE + 16 * *count && type == 'T');
	} else {
		assert_string_equal(name, DATA[*count - FUNCTIONS].name);
		assert_true(address == DATA[*count - FUNCTIONS].address && type == 'D');
	}
	(*count)++;
	return true;
}

static void a_kernels_symbols_are_found_with_or_without_their_order(void **state)
{
	unsigned int count = 0;

	(void)state;
	assert_true(kallsyms_read(&reader, BASE, BASE + sizeof(memory), count_symbol, &count));
	assert_int_equal(count, SYMBOLS);
	memset(memory + (KALLSYMS - BASE), 0, MODULE_TEXT - KALLSYMS);
	put_symbols(false);
	count = 0;
	assert_true(kallsyms_read(&reader, BASE, BASE + sizeof(memory), count_symbol, &count));
	assert_int_equal(count, SYMBOLS);
}

static bool any_symbol(void *ctx, u64 address, char type, const char *name)
{
	(void)ctx, (void)address, (void)type, (void)name;
	return true;
}

static void damaged_symbols_harm_nobody(void **state)
{
	static u8 whole[sizeof(memory)];
	unsigned int refused = 0;

	(void)state;
	srand(1);
	memcpy(whole, memory, sizeof(memory));
	for (int i = 0; i < 300; i++) {
		for (int j = 0; j < 8; j++)
			memory[KALLSYMS - BASE + (u64)rand() % 0x4000] = (u8)rand();
		stack_reader_reset(&reader);
		refused += !kallsyms_read(&reader, BASE, BASE + sizeof(memory), any_symbol, NULL);
		memcpy(memory, whole, sizeof(memory));
	}
	assert_true(refused > 10);
	memset(memory, 0, sizeof(memory));
	assert_false(kallsyms_read(&reader, BASE, BASE + sizeof(memory), any_symbol, NULL));
}

static void stacks_lead_through_a_module_that_was_loaded_later(void **state)
{
	struct stack_linux *l = stack_linux_create(&reader);
	struct stack_regs regs = { .rip = BASE + 0x105 };
	u64 pc[STACK_DEPTH];
	unsigned int n;
	char *text = NULL;
	size_t size;
	FILE *f;

	(void)state;
	assert_non_null(l);
	regs.gpr[RSP] = STACK;
	put64(STACK + 8, BASE + 0x208);
	assert_true(stack_linux_unwind(l, &regs, pc, STACK_DEPTH, &n));
	assert_int_equal(n, 1);
	assert_true(pc[0] == BASE + 0x208);

	put_module();
	regs.rip = MODULE_TEXT + 0x25;
	put64(STACK + 16, BASE + 0x105);
	put64(STACK + 32, BASE + 0x208);
	assert_true(stack_linux_unwind(l, &regs, pc, STACK_DEPTH, &n));
	assert_int_equal(n, 2);
	assert_true(pc[0] == BASE + 0x105 && pc[1] == BASE + 0x208);
	assert_true(stack_linux_unwind(l, &regs, pc, 1, &n));
	assert_int_equal(n, 1);

	f = open_memstream(&text, &size);
	assert_true(stack_linux_found(l));
	stack_linux_symbols(l, f);
	fclose(f);
	assert_non_null(strstr(text, "ffffffff81000000 T f000\n"));
	assert_non_null(strstr(text, "ffffffff81020000 t module_function\t[tester]\n"));
	assert_null(strstr(text, "modules"));
	assert_null(strstr(text, "data"));
	free(text);
	stack_linux_destroy(l);
}

static void a_frame_whose_rbp_is_the_guests_is_found_by_the_call_to_its_function(void **state)
{
	struct stack_linux *l = stack_linux_create(&reader);
	const u64 function = BASE + 16 * BY_RBP, caller = BASE + 0x300;
	struct stack_regs regs = { .rip = function + 8 };
	u64 pc[STACK_DEPTH];
	u8 call[5] = { 0xe8 };
	unsigned int n;
	s32 to = (s32)(function - caller);

	(void)state;
	memcpy(call + 1, &to, sizeof(to));
	put(caller - sizeof(call), call, sizeof(call));
	regs.gpr[RSP] = STACK;
	regs.gpr[RBP] = 0x1234; /* L2's */
	put64(STACK + 0x10, BASE + 0x555); /* left there by somebody: no call to this function is in front of it */
	put64(STACK + 0x38, 0xb9);
	put64(STACK + 0x40, caller);
	put64(STACK + 0x50, BASE + 0x208);
	assert_true(stack_linux_unwind(l, &regs, pc, STACK_DEPTH, &n));
	assert_int_equal(n, 2);
	assert_true(pc[0] == caller && pc[1] == BASE + 0x208);
	stack_linux_destroy(l);
}

static void what_is_no_linux_is_looked_for_now_and_then_only(void **state)
{
	struct stack_linux *l = stack_linux_create(&reader);
	struct stack_regs regs = { .rip = BASE + 0x105 };
	u64 pc[STACK_DEPTH];
	unsigned int n, tries = 0;

	(void)state;
	memset(memory + (KALLSYMS - BASE), 0, MODULE_TEXT - KALLSYMS);
	regs.gpr[RSP] = STACK;
	for (int i = 0; i < 20; i++)
		assert_false(stack_linux_unwind(l, &regs, pc, STACK_DEPTH, &n));
	put_symbols(true);
	while (!stack_linux_unwind(l, &regs, pc, STACK_DEPTH, &n))
		tries++;
	assert_int_equal(tries, 32 - 20);
	regs.rip = 0x401000; /* user mode, or another kernel */
	assert_false(stack_linux_unwind(l, &regs, pc, STACK_DEPTH, &n));
	stack_linux_destroy(l);
}

static void a_guest_that_has_made_up_its_tables_harms_nobody(void **state)
{
	static u8 whole[sizeof(memory)];

	(void)state;
	srand(2);
	put_module();
	put64(MODULE + 8, MODULE + 8); /* a list without end */
	memcpy(whole, memory, sizeof(memory));
	for (int i = 0; i < 200; i++) {
		struct stack_linux *l = stack_linux_create(&reader);
		u64 pc[STACK_DEPTH];
		unsigned int n;

		memcpy(memory, whole, sizeof(memory));
		for (int j = 0; j < 20; j++) {
			put64(MODULE + 8 * (u64)(rand() % 128), BASE + (u64)(rand() % 0x40000));
			put32(MODULE_ORC_IP + 4 * (u64)(rand() % 10), (u32)rand());
			put64(STACK + 8 * (u64)(rand() % 64), BASE + (u64)(rand() % 0x40000));
		}
		stack_reader_reset(&reader);
		for (int j = 0; j < 4; j++) {
			struct stack_regs regs = { .rip = (j % 2 ? MODULE_TEXT : BASE) + (u64)(rand() % 0x1000) };

			regs.gpr[RSP] = regs.gpr[RBP] = STACK + 8 * (u64)(rand() % 64);
			stack_linux_unwind(l, &regs, pc, STACK_DEPTH, &n);
			assert_true(n <= STACK_DEPTH);
		}
		stack_linux_destroy(l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_kernels_symbols_are_found_with_or_without_their_order, boot),
		cmocka_unit_test_setup(damaged_symbols_harm_nobody, boot),
		cmocka_unit_test_setup(stacks_lead_through_a_module_that_was_loaded_later, boot),
		cmocka_unit_test_setup(a_frame_whose_rbp_is_the_guests_is_found_by_the_call_to_its_function, boot),
		cmocka_unit_test_setup(what_is_no_linux_is_looked_for_now_and_then_only, boot),
		cmocka_unit_test_setup(a_guest_that_has_made_up_its_tables_harms_nobody, boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
