/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Behind the last byte of RAM: no access that starts inside and runs over may hit anything of ours. */
#define GUARD_SIZE 0x200000ull

/* PROT_NONE around RAM: bytes from memory->base on */
static u64 reserved_size(const struct memory *m)
{
	return MEMORY_HIGH_START + m->high + GUARD_SIZE;
}

static int map_part(struct memory *m, u64 gpa, u64 size)
{
	void *at = m->base + gpa;

	if (!size)
		return 0;
	if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
	    MAP_FAILED)
		return -errno;
	/* A hint: hosts differ in what they allow, and nothing depends on it. */
	(void)madvise(at, size, MADV_HUGEPAGE);
	return 0;
}

int memory_init(struct memory *m, u64 size)
{
	void *base;
	u8 *end;
	int err;

	memset(m, 0, sizeof(*m));
	if (!size || size % PAGE_SIZE)
		return -EINVAL;
	/* Neither the file's size nor the reservation may overflow. */
	if (size > (u64)INT64_MAX - MEMORY_HIGH_START - 3 * GUARD_SIZE)
		return -ENOMEM;
	m->low = size < MEMORY_HOLE_START ? size : MEMORY_HOLE_START;
	m->high = size - m->low;

	/*
	 * 2 MiB alignment of gpa 0 lets the host back the guest with large pages: over-reserve, then trim. A page before it keeps the
	 * mapping apart from others in the host's accounts.
	 */
	base = mmap(NULL, reserved_size(m) + 2 * GUARD_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0);
	if (base == MAP_FAILED) {
		err = -errno;
		goto fail;
	}
	end = (u8 *)base + reserved_size(m) + 2 * GUARD_SIZE;
	m->base = (u8 *)(((uintptr_t)base + GUARD_SIZE) & ~(uintptr_t)(GUARD_SIZE - 1));
	if (m->base - PAGE_SIZE != (u8 *)base)
		munmap(base, m->base - PAGE_SIZE - (u8 *)base);
	munmap(m->base + reserved_size(m), end - m->base - reserved_size(m));

	err = map_part(m, 0, m->low);
	if (!err)
		err = map_part(m, MEMORY_HIGH_START, m->high);
	if (err)
		goto fail;

	m->flags = calloc(size / PAGE_SIZE, 1);
	if (!m->flags) {
		err = -ENOMEM;
		goto fail;
	}
	return 0;
fail:
	memory_destroy(m);
	return err;
}

void memory_small_pages(struct memory *m)
{
	m->small_pages = true;
	(void)madvise(m->base, m->low, MADV_NOHUGEPAGE);
	if (m->high)
		(void)madvise(m->base + MEMORY_HIGH_START, m->high, MADV_NOHUGEPAGE);
}

/* The kernel does it in one call since Linux 5.14. */
static void touch(u8 *from, u64 size)
{
	if (!size || madvise(from, size, MADV_POPULATE_WRITE) == 0)
		return;
	for (u64 at = 0; at < size; at += PAGE_SIZE)
		*(volatile u8 *)(from + at) = 0;
}

void memory_touch(struct memory *m)
{
	touch(m->base, m->low);
	touch(m->base + MEMORY_HIGH_START, m->high);
}

void memory_destroy(struct memory *m)
{
	if (m->base)
		munmap(m->base - PAGE_SIZE, reserved_size(m) + PAGE_SIZE);
	free(m->flags);
	memset(m, 0, sizeof(*m));
}
