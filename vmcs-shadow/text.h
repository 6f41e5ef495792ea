/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of text that is built without libc; what does not fit is cut off. For this library's callbacks. */
#ifndef VMCS_SHADOW_TEXT_H
#define VMCS_SHADOW_TEXT_H

#include <stdint.h>

struct text {
	unsigned length;
	char buffer[512];
};

static inline void text_char(struct text *t, char c)
{
	if (t->length + 1 < sizeof(t->buffer)) {
		t->buffer[t->length++] = c;
		t->buffer[t->length] = '\0';
	}
}

static inline void text_start(struct text *t)
{
	t->length = 0;
	t->buffer[0] = '\0';
}

static inline void text_add(struct text *t, const char *s)
{
	while (*s)
		text_char(t, *s++);
}

static inline void text_decimal(struct text *t, uint64_t value)
{
	if (value >= 10)
		text_decimal(t, value / 10);
	text_char(t, (char)('0' + value % 10));
}

static inline void text_hex_digits(struct text *t, uint64_t value)
{
	if (value >= 16)
		text_hex_digits(t, value >> 4);
	text_char(t, "0123456789abcdef"[value & 15]);
}

static inline void text_hex(struct text *t, uint64_t value)
{
	text_add(t, "0x");
	text_hex_digits(t, value);
}

#endif
