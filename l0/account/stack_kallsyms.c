/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stack_kallsyms.h"

#include <stdlib.h>
#include <string.h>

#define TOKENS 256
#define TOKEN_MAX 128 /* bytes of a token's string at most */
#define TABLE_MAX (TOKENS * TOKEN_MAX)
#define MARKER 256 /* symbols from one to the next */
#define SYMBOLS_MAX (1u << 22)
#define NAMES_MAX (MARKER * 300) /* bytes of the names behind the last marker at most */

struct kallsyms {
	u16 index[TOKENS];
	char tokens[TABLE_MAX + TOKEN_MAX];
	u64 markers, names, offsets; /* linear addresses */
	u64 base;
	u32 marker_count, count;
};

static u64 align8(u64 n)
{
	return (n + 7) & ~7ull;
}

/* Are there strings in front of the index at `at`, as many and as long as it says? */
static bool read_tokens(struct stack_reader *r, u64 at, struct kallsyms *k, u64 *table)
{
	const u64 last = k->index[TOKENS - 1];

	for (u64 size = align8(last + 2); size <= align8(last + TOKEN_MAX); size += 8) {
		unsigned int i = 0;

		if (!stack_read(r, at - size, k->tokens, size))
			return false;
		k->tokens[size] = '\0';
		while (i < TOKENS - 1 && strlen(k->tokens + k->index[i]) == k->index[i + 1] - k->index[i] - 1u)
			i++;
		/* what is behind the last one's NUL aligns the index */
		if (i == TOKENS - 1 && align8(last + strlen(k->tokens + last) + 1) == size) {
			*table = at - size;
			return true;
		}
	}
	return false;
}

/* Are there n markers at `at`? They ascend from 0. */
static bool markers_at(struct stack_reader *r, u64 at, u64 n)
{
	u32 marker, next;

	if (!stack_read(r, at, &marker, sizeof(marker)) || marker)
		return false;
	for (u64 i = 1; i < n; i++) {
		if (!stack_read(r, at + 4 * i, &next, sizeof(next)) || next < marker + MARKER || next > marker + NAMES_MAX)
			return false;
		marker = next;
	}
	return true;
}

/*
 * Between the markers and the tokens lies nothing, or the order of the names, 3 bytes for each symbol. So many symbols need so many
 * markers: of all numbers of symbols one fits to what is there.
 */
static bool find_markers(struct stack_reader *r, u64 table, struct kallsyms *k)
{
	for (u32 n = 3; n <= SYMBOLS_MAX / MARKER; n++) {
		/* the least and the most symbols that n markers are for */
		u64 least = (n - 1) * (u64)MARKER + 1, most = n * (u64)MARKER;

		k->marker_count = n;
		k->markers = table - align8(4ull * n);
		if (markers_at(r, k->markers, n))
			return true;
		for (u64 order = align8(3 * least); order <= align8(3 * most); order += 8) {
			k->markers = table - order - align8(4ull * n);
			if (markers_at(r, k->markers, n))
				return true;
		}
	}
	return false;
}

static bool name_length(struct stack_reader *r, u64 at, u32 *length, u32 *header)
{
	u8 bytes[2];

	if (!stack_read(r, at, bytes, 1))
		return false;
	*length = bytes[0];
	*header = 1;
	if (!(bytes[0] & 0x80))
		return true;
	if (!stack_read(r, at, bytes, 2))
		return false;
	*length = (bytes[0] & 0x7f) | (u32)bytes[1] << 7;
	*header = 2;
	return true;
}

/* Do names begin at `at`, with as many symbols as the markers are for? The second marker says where number 256 is. */
static bool names_at(struct stack_reader *r, u64 at, const struct kallsyms *k)
{
	u32 count[2], second, length, header;
	u64 offset = 0;

	if (!stack_read(r, at - 8, count, sizeof(count)) || count[1] || count[0] > SYMBOLS_MAX ||
	    (count[0] + MARKER - 1) / MARKER != k->marker_count ||
	    !stack_read(r, k->markers + 4, &second, sizeof(second)))
		return false;
	for (unsigned int i = 0; i < MARKER && offset < second; i++) {
		if (!name_length(r, at + offset, &length, &header) || !length)
			return false;
		offset += header + length;
	}
	return offset == second;
}

static bool find_names(struct stack_reader *r, struct kallsyms *k)
{
	u32 last, count;
	u64 at;

	if (!stack_read(r, k->markers + 4ull * (k->marker_count - 1), &last, sizeof(last)))
		return false;
	at = (k->markers - last) & ~7ull;
	for (u64 end = at - NAMES_MAX; at > end; at -= 8) {
		if (!names_at(r, at, k))
			continue;
		if (!stack_read(r, at - 8, &count, sizeof(count)) || !stack_read64(r, at - 16, &k->base))
			return false;
		k->names = at;
		k->count = count;
		k->offsets = at - 16 - align8(4ull * count);
		return true;
	}
	return false;
}

static bool read_name(struct stack_reader *r, const struct kallsyms *k, u64 *at, char name[KALLSYMS_NAME])
{
	u32 length, header;
	size_t n = 0;

	if (!name_length(r, *at, &length, &header))
		return false;
	*at += header;
	for (u32 i = 0; i < length; i++) {
		const char *token;
		size_t more;
		u8 number;

		if (!stack_read(r, (*at)++, &number, 1))
			return false;
		token = k->tokens + k->index[number];
		more = strlen(token);
		more = more < KALLSYMS_NAME - 1 - n ? more : KALLSYMS_NAME - 1 - n;
		memcpy(name + n, token, more);
		n += more;
	}
	name[n] = '\0';
	return n > 1;
}

static bool read_symbols(struct stack_reader *r, const struct kallsyms *k, kallsyms_symbol *fn, void *ctx)
{
	char name[KALLSYMS_NAME];
	u64 at = k->names;

	for (u32 i = 0; i < k->count; i++) {
		s32 offset;

		if (!stack_read(r, k->offsets + 4ull * i, &offset, sizeof(offset)) || !read_name(r, k, &at, name))
			return false;
		if (!fn(ctx, offset < 0 ? k->base - 1 - (u64)(s64)offset : (u64)offset, name[0], name + 1))
			return false;
	}
	return true;
}

/* Could the index begin here? Nearly nowhere else in a kernel are four numbers like that. */
static bool like_index(const u8 *p)
{
	u16 n[4];

	memcpy(n, p, sizeof(n));
	return !n[0] && n[1] > 1 && n[2] > n[1] + 1 && n[3] > n[2] + 1 && n[3] < 4 * TOKEN_MAX;
}

static bool read_index(struct stack_reader *r, u64 at, struct kallsyms *k)
{
	if (!stack_read(r, at, k->index, sizeof(k->index)))
		return false;
	for (unsigned int i = 0; i < TOKENS - 1; i++)
		if (k->index[i + 1] < k->index[i] + 2 || k->index[i + 1] - k->index[i] > TOKEN_MAX)
			return false;
	return true;
}

bool kallsyms_read(struct stack_reader *r, u64 from, u64 to, kallsyms_symbol *fn, void *ctx)
{
	struct kallsyms *k = malloc(sizeof(*k));
	bool done = false;

	for (u64 page = from & ~(STACK_PAGE - 1); k && !done && page < to; page += STACK_PAGE) {
		const u8 *host = stack_page(r, page);

		for (u64 i = 0; host && !done && i < STACK_PAGE; i += 8) {
			u64 table;

			done = like_index(host + i) && read_index(r, page + i, k) &&
			       read_tokens(r, page + i, k, &table) && find_markers(r, table, k) && find_names(r, k) &&
			       read_symbols(r, k, fn, ctx);
		}
	}
	free(k);
	return done;
}
