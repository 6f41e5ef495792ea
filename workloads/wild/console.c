/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guests for tests of the console. */
#include "wild.h"

#define SERIAL 0x3f8
#define SERIAL_MCR 4
#define MCR_RTS 2 /* the other side may send */
#define SERIAL_LSR 5
#define LSR_DATA_READY 1

void guest_floods_the_console(void)
{
	for (;;)
		print("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.\n");
}

/* Says so once it listens. */
void guest_echoes(void)
{
	char text[2] = { 0, 0 };

	out8(SERIAL + SERIAL_MCR, MCR_RTS);
	print("ready\n");
	for (;;)
		if (in8(SERIAL + SERIAL_LSR) & LSR_DATA_READY) {
			text[0] = (char)in8(SERIAL);
			print(text);
		}
}
