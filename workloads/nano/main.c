/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single operations of a kernel, without a kernel: see nano.h for which. For each a line `row NAME ROUNDS CYCLES min CYCLES`: TSC cycles of
 * one operation, the median of the batches and the least, the loop around it included: the row loop is that alone. `skip NAME: why`
 * for one that can't be done here. Ends by 0x10 to isa-debug-exit, by 0x12 if the command line is wrong.
 *
 * Command line: ops=NAME+... (those of Adams and Agesen), rounds=N (20000), batches=N (21, at most that many). An operation is done
 * rounds * (batches + 1) times: the first batch isn't measured.
 */
#include "nano.h"

#define SERIAL 0x3f8
#define DEBUG_EXIT 0xf4
#define BATCHES 21
#define ROUNDS 20000
#define INFO_CMDLINE 4

void nano_main(const u32 *info);

static void put(const char *s)
{
	while (*s)
		out8(SERIAL, (u8)*s++);
}

static void put_number(u64 value)
{
	char text[21] = "", *p = text + sizeof(text) - 1;

	do
		*--p = (char)('0' + value % 10);
	while (value /= 10);
	put(p);
}

static _Noreturn void end(u8 code)
{
	for (;;) {
		out8(DEBUG_EXIT, code);
		__asm__ volatile("hlt");
	}
}

static const struct {
	const char *name;
	void (*run)(u64 n);
	bool always;
	const char *(*lacks)(void);
} ops[] = {
#define O(name, always, needs) { #name, op_##name, always, needs },
	OPS(O)
#undef O
};
#define COUNT (sizeof(ops) / sizeof(ops[0]))

static struct {
	u64 rounds, batches;
	u32 chosen; /* bit n: ops[n] */
} options = { ROUNDS, BATCHES, 0 };
_Static_assert(COUNT <= 32, "a bit for each operation");

/* what begins with the text, or NULL */
static const char *behind(const char *at, const char *text)
{
	while (*text)
		if (*at++ != *text++)
			return NULL;
	return at;
}

static bool ends(char c)
{
	return !c || c == ' ' || c == '+';
}

static u64 number(const char **at)
{
	u64 value = 0;

	while (**at >= '0' && **at <= '9')
		value = value * 10 + (u64)(*(*at)++ - '0');
	return value;
}

static bool choose(const char **at)
{
	for (unsigned int i = 0; i < COUNT; i++) {
		const char *rest = behind(*at, ops[i].name);

		if (rest && ends(*rest)) {
			options.chosen |= 1u << i;
			*at = rest;
			return true;
		}
	}
	return false;
}

/* false: something isn't understood */
static bool understand(const char *at)
{
	const char *rest;

	for (;;) {
		while (*at == ' ')
			at++;
		if (!*at)
			break;
		if ((rest = behind(at, "rounds="))) {
			options.rounds = number(&rest);
			at = rest;
		} else if ((rest = behind(at, "batches="))) {
			options.batches = number(&rest);
			at = rest;
		} else if ((rest = behind(at, "ops="))) {
			at = rest;
			do
				if (!choose(&at))
					return false;
			while (*at == '+' && at++);
		} else {
			return false;
		}
		if (!ends(*at))
			return false;
	}
	return options.rounds && options.batches && options.batches <= BATCHES;
}

static void measure(unsigned int op)
{
	static u64 cycles[BATCHES];

	ops[op].run(options.rounds);
	for (unsigned int i = 0; i < options.batches; i++) {
		u64 start = rdtsc(), mine;
		unsigned int j = i;

		ops[op].run(options.rounds);
		mine = rdtsc() - start;
		for (; j && cycles[j - 1] > mine; j--)
			cycles[j] = cycles[j - 1];
		cycles[j] = mine;
	}
	put("row ");
	put(ops[op].name);
	put(" ");
	put_number(options.batches * options.rounds);
	put(" ");
	put_number(cycles[options.batches / 2] / options.rounds);
	put(" min ");
	put_number(cycles[0] / options.rounds);
	put("\r\n");
}

/* The first word is the file's name. */
static const char *command_line(const u32 *info)
{
	const char *at = info[0] & INFO_CMDLINE ? (const char *)(u64)info[4] : "";

	while (*at && *at != ' ')
		at++;
	return at;
}

void nano_main(const u32 *info)
{
	const char *why;

	if (!understand(command_line(info))) {
		put("nano: it can be told ops=NAME+... rounds=N batches=N; not:");
		put(command_line(info));
		put("\r\n");
		end(0x12);
	}
	ops_prepare();
	idt_prepare();
	apic_prepare();
	for (unsigned int i = 0; i < COUNT; i++) {
		if (options.chosen ? !(options.chosen >> i & 1) : !ops[i].always)
			continue;
		why = ops[i].lacks ? ops[i].lacks() : NULL;
		if (!why) {
			measure(i);
			continue;
		}
		put("skip ");
		put(ops[i].name);
		put(": ");
		put(why);
		put("\r\n");
	}
	end(0x10);
}
