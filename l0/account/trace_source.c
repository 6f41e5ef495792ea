/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AHEAD 65536u /* bytes that are read at once at least, less what a piece has not */

struct trace_place {
	u64 at, end; /* in the file: the rest of the piece that is behind what is in the buffer */
	u64 behind; /* where the next piece begins that may be this vCPU's */
	u8 *buffer; /* size: AHEAD rounded down to records, one at least */
	size_t next, have; /* bytes in it: read up to here, filled up to here */
};

bool trace_all_zero(const u8 *p, size_t n)
{
	while (n && !*p)
		p++, n--;
	return !n;
}

static size_t buffer_size(const struct trace_source *s)
{
	size_t n = s->record_size > 1 ? s->record_size : 1; /* a header with less than a record's size was refused */

	return n < AHEAD ? AHEAD / n * n : n;
}

/* Up to n bytes at a place of the file; fewer: it ends there, or s->error is set */
static size_t read_at(struct trace_source *s, u64 at, void *to, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t done = pread(fileno(s->f), (u8 *)to + got, n - got, (off_t)(at + got));

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			s->error = errno;
		if (done <= 0)
			break;
		got += (size_t)done;
	}
	return got;
}

/* What is left of a pipe into a file of our own, at the place that it would have. 0 or -errno */
static int spool(struct trace_source *s)
{
	static const size_t SIZE = 1 << 20;
	char *block;
	size_t n;
	int err;

	s->own = tmpfile();
	if (!s->own)
		return -errno;
	block = malloc(SIZE);
	err = block ? 0 : -ENOMEM;
	if (!err && fseeko(s->own, (off_t)s->header_size, SEEK_SET))
		err = -errno;
	while (!err && (n = fread(block, 1, SIZE, s->f)) > 0)
		if (fwrite(block, 1, n, s->own) != n)
			err = -errno;
	if (!err && (ferror(s->f) || fflush(s->own)))
		err = -EIO;
	free(block);
	s->f = s->own;
	return err;
}

static int find_pieces(struct trace_source *s)
{
	struct stat st;
	int err = 0;

	if (fstat(fileno(s->f), &st))
		return -errno;
	if (!S_ISREG(st.st_mode)) {
		err = spool(s);
		if (!err && fstat(fileno(s->f), &st))
			err = -errno;
	}
	s->size = err ? 0 : (u64)st.st_size;
	for (unsigned int i = 0; i < s->vcpus && !err; i++) {
		s->place[i].behind = s->header_size;
		s->place[i].buffer = malloc(buffer_size(s));
		if (!s->place[i].buffer)
			err = -ENOMEM;
	}
	return err;
}

int trace_source_open(struct trace_source *s, FILE *f, const struct trace_header *h, unsigned int vcpus, u64 piece)
{
	*s = (struct trace_source){
		.f = f, .header_size = h->header_size, .record_size = h->record_size, .piece = piece, .vcpus = vcpus
	};
	if (!piece)
		return 0;
	s->place = calloc(vcpus, sizeof(*s->place));
	return s->place ? find_pieces(s) : -ENOMEM;
}

void trace_source_close(struct trace_source *s)
{
	for (unsigned int i = 0; s->place && i < s->vcpus; i++)
		free(s->place[i].buffer);
	free(s->place);
	if (s->own)
		fclose(s->own);
	s->place = NULL;
	s->own = NULL;
}

/* Whose a piece is by its first record; what nobody's vCPU has is damaged, and the first one's reader says so. */
static bool is_of(struct trace_source *s, unsigned int vcpu, u64 piece)
{
	u8 head[offsetof(struct trace_record, vcpu) + 1];
	unsigned int owner;

	if (read_at(s, piece, head, sizeof(head)) != sizeof(head))
		return false;
	owner = head[offsetof(struct trace_record, vcpu)];
	return (owner < s->vcpus ? owner : 0) == vcpu;
}

static bool next_piece(struct trace_source *s, unsigned int vcpu)
{
	struct trace_place *p = &s->place[vcpu];

	while (p->behind < s->size) {
		u64 at = p->behind;

		p->behind += s->piece;
		if (!is_of(s, vcpu, at))
			continue;
		p->at = at;
		p->end = p->behind < s->size ? p->behind : s->size;
		return true;
	}
	return false;
}

static void fill(struct trace_source *s, struct trace_place *p)
{
	size_t n = buffer_size(s);

	n = p->end - p->at < n ? (size_t)(p->end - p->at) : n;
	p->next = 0;
	p->have = read_at(s, p->at, p->buffer, n);
	p->at = p->have < n ? p->end : p->at + n;
}

size_t trace_source_next(struct trace_source *s, unsigned int vcpu, u8 *raw)
{
	struct trace_place *p;
	size_t n;

	if (!s->piece)
		return fread(raw, 1, s->record_size, s->f);
	p = &s->place[vcpu];
	for (;;) {
		if (p->next == p->have) {
			if (p->at == p->end && !next_piece(s, vcpu))
				return 0;
			fill(s, p);
		}
		n = p->have - p->next < s->record_size ? p->have - p->next : s->record_size;
		if (n && !trace_all_zero(p->buffer + p->next, n))
			break;
		/* the piece has no more */
		p->next = p->have = 0;
		p->at = p->end;
	}
	memcpy(raw, p->buffer + p->next, n);
	p->next += n;
	return n;
}
