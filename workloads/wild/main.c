/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wild.h"

#define SERIAL 0x3f8
#define SERIAL_LSR 5
#define LSR_THR_EMPTY 0x20

void finish(u8 value)
{
	out32(WILD_DEBUG_EXIT, value);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void print(const char *text)
{
	for (; *text; text++) {
		while (!(in8(SERIAL + SERIAL_LSR) & LSR_THR_EMPTY))
			;
		out8(SERIAL, (u8)*text);
	}
}

void print_hex(u32 value)
{
	char text[9];

	for (int i = 0; i < 8; i++)
		text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
	text[8] = 0;
	print(text);
}

void fail(const char *what)
{
	print("guest: this doesn't hold: ");
	print(what);
	print("\n");
	finish(WILD_FAIL);
}

static u32 seed = 2463534242u;

/* Marsaglia, "Xorshift RNGs" */
u32 garbage(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

static struct __attribute__((packed)) gate {
	u16 low, selector;
	u16 type;
	u16 high;
} idt[256];
static void (*on_trap)(struct frame *f);
extern u8 trap_stubs[], ignore_entry[];
void trap_c(struct frame *f);

#define STUB_SIZE 16
#define GATE_INTERRUPT 0x8e00

void trap_c(struct frame *f)
{
	on_trap(f);
}

static void gate_to(u8 vector, u32 entry)
{
	idt[vector] = (struct gate){ (u16)entry, CODE32, GATE_INTERRUPT, (u16)(entry >> 16) };
}

void set_gate(u8 vector, void (*entry)(void))
{
	gate_to(vector, (u32)entry);
}

void ignore_interrupts(void)
{
	install_traps(0);
	for (u32 i = 0; i < 256; i++)
		gate_to((u8)i, (u32)ignore_entry);
}

void install_traps(void (*trap)(struct frame *f))
{
	const struct table_register idtr = { sizeof(idt) - 1, (u32)idt };

	on_trap = trap;
	for (u32 i = 0; i < 256; i++)
		gate_to((u8)i, (u32)trap_stubs + i * STUB_SIZE);
	__asm__ volatile("lidt %0" : : "m"(idtr));
}

static const struct {
	const char *name;
	void (*run)(void);
} GUESTS[] = {
#define GUEST_ROW(name, options, code, text) { #name, guest_##name },
	WILD_GUESTS(GUEST_ROW)
#undef GUEST_ROW
};

/* Is `word` the first one in `line`? */
static bool first_word(const char *line, const char *word)
{
	while (*word && *line == *word)
		line++, word++;
	return !*word && (!*line || *line == ' ' || *line == ',');
}

static const char *next_word(const char *line)
{
	while (*line && *line != ' ' && *line != ',')
		line++;
	while (*line == ' ' || *line == ',')
		line++;
	return line;
}

void guest_main(const char *line);

/* line: the image's path, the guest's name, perhaps a comma and a seed */
void guest_main(const char *line)
{
	const char *name = next_word(line), *number = next_word(name);

	for (; *number >= '0' && *number <= '9'; number++)
		seed = seed * 31 + (u32)*number;
	for (u32 i = 0; i < sizeof(GUESTS) / sizeof(GUESTS[0]); i++)
		if (first_word(name, GUESTS[i].name))
			GUESTS[i].run();
	fail("the command line names a guest, and its function doesn't return");
}
