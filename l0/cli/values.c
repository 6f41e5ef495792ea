/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "values.h"

#include <string.h>

static int digit_of(char c, unsigned int base)
{
	unsigned int d;

	if (c >= '0' && c <= '9')
		d = c - '0';
	else if (c >= 'a' && c <= 'f')
		d = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		d = c - 'A' + 10;
	else
		return -1;
	return d < base ? (int)d : -1;
}

/* Digits from *text on, at least one; *text is then behind them. */
static bool digits(const char **text, unsigned int base, u64 *value)
{
	const char *s = *text;
	u64 sum = 0;
	int d;

	while ((d = digit_of(*s, base)) >= 0) {
		if (__builtin_mul_overflow(sum, (u64)base, &sum) || __builtin_add_overflow(sum, (u64)d, &sum))
			return false;
		s++;
	}
	if (s == *text)
		return false;
	*text = s;
	*value = sum;
	return true;
}

bool value_number(const char *text, u64 max, u64 *value)
{
	unsigned int base = 10;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	return digits(&text, base, value) && !*text && *value <= max;
}

bool value_size(const char *text, u64 *bytes)
{
	static const char SUFFIXES[] = "kmgt";
	unsigned int shift = 20;
	u64 value;

	if (!digits(&text, 10, &value))
		return false;
	if (*text) {
		const char *suffix = strchr(SUFFIXES, *text | 0x20);

		if (!suffix || !*suffix)
			return false;
		shift = 10 * (unsigned int)(suffix - SUFFIXES + 1);
		text++;
		if (text[0] == 'i' && text[1] == 'B')
			text += 2;
		else if (text[0] == 'B')
			text++;
		if (*text)
			return false;
	}
	if (value > UINT64_MAX >> shift)
		return false;
	*bytes = value << shift;
	return true;
}

bool value_seconds(const char *text, u64 *ns)
{
	const u64 max = 10ull * 366 * 86400;
	u64 seconds, unit = 1000000000;

	if (!digits(&text, 10, &seconds) || seconds > max)
		return false;
	*ns = seconds * unit;
	if (*text == '.') {
		text++;
		if (digit_of(*text, 10) < 0)
			return false;
		/* beyond nanoseconds, digits are read and count nothing */
		for (; digit_of(*text, 10) >= 0; text++) {
			unit /= 10;
			*ns += (u64)digit_of(*text, 10) * unit;
		}
	}
	return !*text;
}

bool value_next_pair(const char **list, struct value_pair *pair)
{
	const char *s = *list;
	size_t n = 0;

	if (!s || !*s)
		return false;
	while (*s && *s != '=' && *s != ',') {
		if (n < sizeof(pair->key) - 1)
			pair->key[n++] = *s;
		s++;
	}
	pair->key[n] = '\0';
	n = 0;
	pair->has_value = *s == '=';
	if (pair->has_value) {
		s++;
		while (*s && (*s != ',' || s[1] == ',')) {
			if (*s == ',')
				s++;
			if (n < sizeof(pair->value) - 1)
				pair->value[n++] = *s;
			s++;
		}
	}
	pair->value[n] = '\0';
	*list = *s == ',' ? s + 1 : s;
	return true;
}

bool value_is_one_of(const char *word, const char *words)
{
	size_t n = strlen(word);

	while (words && *words) {
		size_t length = strcspn(words, " ");

		if (length == n && !memcmp(word, words, n))
			return true;
		words += length;
		words += strspn(words, " ");
	}
	return false;
}
