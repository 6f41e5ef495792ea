/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first serial port, and how a run ends on each machine that this can boot on. */
#include <stdarg.h>

#include "shim.h"

#define SERIAL 0x3f8
#define SERIAL_FCR 2
#define SERIAL_LCR 3
#define SERIAL_LSR 5
#define LCR_8N1 3
#define LCR_DIVISOR 0x80
#define LSR_THR_EMPTY 0x20
#define LSR_ALL_SENT 0x40

#define PORT_DEBUG_EXIT 0xf4 /* turtles, QEMU: isa-debug-exit,iobase=0xf4,iosize=0x4 */
#define PORT_PM1_CONTROL 0x604 /* turtles, QEMU: ACPI's \_S5 */
#define PM1_SLEEP_S5 0x2000
#define PORT_BOCHS 0x8900

void console_init(void)
{
	out8(SERIAL + SERIAL_LCR, LCR_DIVISOR | LCR_8N1);
	out8(SERIAL, 1); /* 115200 baud */
	out8(SERIAL + 1, 0);
	out8(SERIAL + SERIAL_LCR, LCR_8N1);
	out8(SERIAL + SERIAL_FCR, 1);
}

static void put(char c)
{
	while (!(in8(SERIAL + SERIAL_LSR) & LSR_THR_EMPTY))
		;
	out8(SERIAL, (u8)c);
}

static void put_number(u64 value, u64 base)
{
	char text[20];
	int n = 0;

	do
		text[n++] = "0123456789abcdef"[value % base];
	while (value /= base);
	while (n)
		put(text[--n]);
}

static void put_string(const char *s)
{
	while (*s)
		put(*s++);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	for (; *format; format++) {
		if (*format != '%') {
			put(*format);
		} else if (*++format == 's') {
			put_string(va_arg(args, const char *));
		} else { /* %lu, %lx */
			format++;
			put_number(va_arg(args, u64), *format == 'x' ? 16 : 10);
		}
	}
	va_end(args);
}

void end(enum verdict v)
{
	while (!(in8(SERIAL + SERIAL_LSR) & LSR_ALL_SENT))
		;
	out32(PORT_DEBUG_EXIT, v);
	/* Still here: nobody takes a number. Only a success may look like one, */
	if (v == DONE)
		out16(PORT_PM1_CONTROL, PM1_SLEEP_S5);
	/* but Bochs has no exit code at all, and takes this word. */
	for (const char *word = "Shutdown"; *word; word++)
		out8(PORT_BOCHS, (u8)*word);
	for (;;)
		__asm__ volatile("cli; hlt");
}
