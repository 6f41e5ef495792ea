/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values as command lines spell them: numbers, sizes, seconds, "key=value,key=value". No errno, no locale. */
#ifndef L0_CLI_VALUES_H
#define L0_CLI_VALUES_H

#include "../cpu/types.h"

/* Decimal, or hexadecimal after 0x; nothing before or behind it; at most max. */
bool value_number(const char *text, u64 max, u64 *value);

/* Bytes: decimal with an optional suffix K, M, G, T (any case, "iB" or "B" may follow); without one, MiB. */
bool value_size(const char *text, u64 *bytes);

/* Seconds with an optional decimal fraction, to ns. At most ten years. */
bool value_seconds(const char *text, u64 *ns);

/* One "key=value" or "key" of a list apart by commas; ",," is a comma that belongs to the value. */
struct value_pair {
	char key[64];
	char value[192]; /* "" without "=" */
	bool has_value;
};

/* Take the next pair off *list. False at the end of the list; a part that doesn't fit is cut short. */
bool value_next_pair(const char **list, struct value_pair *pair);

/* Is `word` one of `words`, which are apart by spaces? NULL has none. */
bool value_is_one_of(const char *word, const char *words);

#endif
