/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "loader.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "layout.h"

int load_error(struct loader *l, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(l->error, l->error_size, format, args);
	va_end(args);
	return err;
}

static const char *file_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFCHR:
	case S_IFBLK:
		return "a device";
	case S_IFSOCK:
		return "a socket";
	default:
		return "not a regular file";
	}
}

int image_open(struct loader *l, struct image *i, const char *path, const char *what)
{
	struct stat st;
	int err;

	*i = (struct image){ .path = path, .fd = -1 };
	/* O_NONBLOCK: opening a FIFO must not wait for a writer, only to be refused below. */
	i->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (i->fd < 0) {
		err = -errno;
		/* "could not open kernel": the words that kvm-unit-tests' runner looks for */
		return load_error(l, err, "%s: could not open %s: %s", path, what, strerror(-err));
	}
	if (fstat(i->fd, &st)) {
		err = -errno;
		load_error(l, err, "%s: can't stat the %s: %s", path, what, strerror(-err));
		goto fail;
	}
	if (!S_ISREG(st.st_mode)) {
		err = load_error(l, -EINVAL, "%s: the %s is %s; give a regular file", path, what, file_kind(st.st_mode));
		goto fail;
	}
	if (st.st_size <= 0) {
		err = load_error(l, -EINVAL, "%s: the %s is empty", path, what);
		goto fail;
	}
	i->size = (u64)st.st_size;
	return 0;
fail:
	image_close(i);
	return err;
}

void image_close(struct image *i)
{
	if (i->fd >= 0)
		close(i->fd);
	i->fd = -1;
}

int image_read(struct loader *l, const struct image *i, u64 offset, void *to, u64 n, const char *what)
{
	u8 *p = to;

	if (offset > i->size || n > i->size - offset)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%" PRIx64 ": %s (0x%" PRIx64
				  " bytes) ends behind the end of the file (0x%" PRIx64 " bytes); is it truncated?",
				  i->path, offset, what, n, i->size);
	while (n) {
		ssize_t got = pread(i->fd, p, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int err = -errno;

			return load_error(l, err, "%s: offset 0x%" PRIx64 ": can't read %s: %s", i->path, offset, what,
					  strerror(-err));
		}
		if (!got)
			return load_error(l, -EINVAL, "%s: offset 0x%" PRIx64 ": the file shrank while %s was read",
					  i->path, offset, what);
		p += got;
		offset += (u64)got;
		n -= (u64)got;
	}
	return 0;
}

static const struct taken *find_taken(const struct loader *l, u64 start, u64 end)
{
	for (unsigned int i = 0; i < l->taken_count; i++)
		if (start < l->taken[i].end && l->taken[i].start < end)
			return &l->taken[i];
	return NULL;
}

bool place_taken(const struct loader *l, u64 gpa)
{
	return gpa != UINT64_MAX && find_taken(l, gpa, gpa + 1);
}

static bool take(struct loader *l, u64 start, u64 n, const char *what)
{
	if (l->taken_count == TAKEN_MAX)
		return false;
	l->taken[l->taken_count++] = (struct taken){ .start = start, .end = start + n, .what = what };
	return true;
}

static bool is_ram(const struct loader *l, u64 start, u64 n)
{
	for (unsigned int i = 0; i < l->map_count; i++) {
		const struct memory_map_entry *e = &l->map[i];

		if (e->type == MEMORY_RAM && start >= e->start && start - e->start < e->size &&
		    n <= e->size - (start - e->start))
			return true;
	}
	return false;
}

int place_at(struct loader *l, u64 gpa, u64 n, const char *what)
{
	const struct taken *other;

	if (!n)
		return 0;
	if (!is_ram(l, gpa, n))
		return load_error(l, -EINVAL,
				  "%s: %s wants 0x%" PRIx64 " bytes at address 0x%" PRIx64
				  ", which isn't all RAM; more memory (-m) may help",
				  l->kernel.path, what, n, gpa);
	other = find_taken(l, gpa, gpa + n);
	if (other)
		return load_error(l, -EINVAL,
				  "%s: %s wants 0x%" PRIx64 " bytes at address 0x%" PRIx64
				  ", where %s lies already (0x%" PRIx64 "..0x%" PRIx64 "); the file is damaged",
				  l->kernel.path, what, n, gpa, other->what, other->start, other->end);
	if (!take(l, gpa, n, what))
		return load_error(l, -EINVAL, "%s: %s is more than the %d pieces that can be loaded", l->kernel.path,
				  what, TAKEN_MAX);
	return 0;
}

/* Lowest (or highest) free place inside [from, to), RAM throughout. */
static bool find_free(const struct loader *l, u64 n, u64 align, u64 from, u64 to, bool high, u64 *gpa)
{
	u64 at;

	for (;;) {
		const struct taken *t;

		if (high) {
			if (to < from || to - from < n)
				return false;
			at = (to - n) & ~(align - 1);
			if (at < from)
				return false;
		} else {
			if (from > UINT64_MAX - align)
				return false;
			at = (from + align - 1) & ~(align - 1);
			if (at > to || to - at < n)
				return false;
		}
		t = find_taken(l, at, at + n);
		if (!t) {
			*gpa = at;
			return true;
		}
		if (high)
			to = t->start;
		else
			from = t->end;
	}
}

static bool place(struct loader *l, u64 n, u64 align, u64 min, u64 max, bool high, const char *what, u64 *gpa)
{
	if (!n)
		n = 1;
	for (unsigned int i = 0; i < l->map_count; i++) {
		const struct memory_map_entry *e = &l->map[high ? l->map_count - 1 - i : i];
		u64 from = e->start > min ? e->start : min;
		u64 to = e->start + e->size < max ? e->start + e->size : max;

		if (e->type == MEMORY_RAM && from < to && find_free(l, n, align, from, to, high, gpa))
			return take(l, *gpa, n, what);
	}
	return false;
}

bool place_low(struct loader *l, u64 n, u64 align, u64 min, u64 max, const char *what, u64 *gpa)
{
	return place(l, n, align, min, max, false, what, gpa);
}

bool place_high(struct loader *l, u64 n, u64 align, u64 min, u64 max, const char *what, u64 *gpa)
{
	return place(l, n, align, min, max, true, what, gpa);
}

int place_small(struct loader *l, u64 n, u64 align, const char *what, u64 *gpa)
{
	if (place_low(l, n, align, LAYOUT_BOOT_AREA, LAYOUT_BOOT_AREA_END, what, gpa) ||
	    place_high(l, n, align, LAYOUT_BIOS_END, LOAD_4G, what, gpa))
		return 0;
	return load_error(l, -EINVAL, "%s: no room below 4 GiB for %s (0x%" PRIx64 " bytes); more memory (-m) may help",
			  l->kernel.path, what, n);
}

int load_bytes(struct loader *l, u64 gpa, const void *from, u64 n)
{
	if (machine_write(l->m, gpa, from, n))
		return 0;
	return load_error(l, -EINVAL, "%s: address 0x%" PRIx64 ": 0x%" PRIx64 " bytes aren't all RAM", l->kernel.path,
			  gpa, n);
}

#define CHUNK 65536u

int load_zeros(struct loader *l, u64 gpa, u64 n)
{
	static const u8 zeros[CHUNK];

	while (n) {
		u64 now = n < CHUNK ? n : CHUNK;
		int err = load_bytes(l, gpa, zeros, now);

		if (err)
			return err;
		gpa += now;
		n -= now;
	}
	return 0;
}

int load_file(struct loader *l, const struct image *i, u64 offset, u64 gpa, u64 n, const char *what)
{
	u8 buffer[CHUNK];

	while (n) {
		u64 now = n < CHUNK ? n : CHUNK;
		int err = image_read(l, i, offset, buffer, now, what);

		if (!err)
			err = load_bytes(l, gpa, buffer, now);
		if (err)
			return err;
		offset += now;
		gpa += now;
		n -= now;
	}
	return 0;
}

int load_string(struct loader *l, const char *s, const char *what, u64 *gpa)
{
	u64 n = strlen(s) + 1;
	int err;

	if (n - 1 > LOAD_CMDLINE_MAX)
		return load_error(l, -EINVAL, "%s: %s has %" PRIu64 " bytes, at most %u are possible; shorten it",
				  l->kernel.path, what, n - 1, LOAD_CMDLINE_MAX);
	err = place_small(l, n, 16, what, gpa);
	return err ? err : load_bytes(l, *gpa, s, n);
}

int load_gdt(struct loader *l)
{
	u8 gdt[BOOT_GDT_SIZE];
	int err = place_small(l, sizeof(gdt), 16, "the descriptor table", &l->boot->gdt);

	if (err)
		return err;
	boot_gdt(l->boot->mode, gdt);
	return load_bytes(l, l->boot->gdt, gdt, sizeof(gdt));
}
