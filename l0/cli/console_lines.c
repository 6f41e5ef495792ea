/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "console_port.h"

#define LINE_MAX_BYTES 1024u /* a longer one is cut */
#define HOLD_MS 50

static void add(struct lines *l, const void *bytes, u32 n)
{
	memcpy(l->text + l->size, bytes, n);
	l->size += n;
}

/* Up to the end of the line, at most LINE_MAX_BYTES; *whole: it has an end */
static u32 line_length(const struct port *p, bool *whole)
{
	u32 n = port_waiting(p), i;

	if (n > LINE_MAX_BYTES)
		n = LINE_MAX_BYTES;
	for (i = 0; i < n; i++)
		if (p->ring[(p->tail + i) % RING_SIZE] == '\n')
			break;
	*whole = i < n;
	return *whole ? i + 1 : n;
}

/* One line, or a piece of one. False: nothing is ready, or there is no room. */
static bool take_line(struct lines *l, struct port *p, u64 now, bool all)
{
	char prefix[64];
	bool whole;
	u32 n = line_length(p, &whole);
	int prefix_size;

	if (!n)
		return false;
	if (!whole && n < LINE_MAX_BYTES && !all) {
		if (!p->since)
			p->since = now;
		if (now - p->since < HOLD_MS)
			return false;
	}
	prefix_size = snprintf(prefix, sizeof(prefix), "%-*s| ", l->name_width, p->name);
	if (LINES_SIZE - l->size < n + (u32)prefix_size + 1)
		return false;
	if (l->open && l->open != p)
		add(l, "\n", 1);
	if (l->open != p)
		add(l, prefix, (u32)prefix_size);
	for (u32 i = 0; i < n; i++)
		l->text[l->size++] = (char)p->ring[(p->tail + i) % RING_SIZE];
	p->tail += n;
	p->since = 0;
	l->open = whole ? NULL : p;
	return true;
}

int lines_take(struct lines *l, struct port *ports, unsigned int count, u64 now, bool all)
{
	bool any;
	int wait = -1;

	if (l->done == l->size) {
		l->done = l->size = 0;
	} else if (l->done) {
		memmove(l->text, l->text + l->done, l->size - l->done);
		l->size -= l->done;
		l->done = 0;
	}
	for (unsigned int i = 0; i < count; i++)
		ports[i].seen = ports[i].head;
	/* a line of each in turn: nobody waits behind one that talks without end */
	do {
		any = false;
		for (unsigned int i = 0; i < count; i++) {
			struct port *p = &ports[(l->next + i) % count];

			if (p->shared)
				any |= take_line(l, p, now, all);
		}
		l->next++;
	} while (any);
	for (unsigned int i = 0; i < count; i++) {
		const struct port *p = &ports[i];
		int rest = p->since + HOLD_MS > now ? (int)(p->since + HOLD_MS - now) : 1;

		if (p->shared && p->since && port_waiting(p) && (wait < 0 || rest < wait))
			wait = rest;
	}
	return wait;
}
