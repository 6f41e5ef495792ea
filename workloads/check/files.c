/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static void enter_folder(void)
{
	static char folder[] = "/tmp/check.XXXXXX";

	EXPECT(mkdtemp(folder), "mkdtemp: errno %d", errno);
	MUST(chdir(folder));
}

static void leave_folder(const char *const *names)
{
	char folder[64];

	for (; *names; names++)
		unlink(*names);
	if (getcwd(folder, sizeof(folder)) && !chdir("/"))
		rmdir(folder);
}

static void make_file(const char *name, size_t size, u32 seed)
{
	u8 block[4096];
	int fd = (int)MUST(open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600));

	while (size) {
		size_t n = size < sizeof(block) ? size : sizeof(block);

		for (size_t i = 0; i < n; i++)
			block[i] = (u8)(next_random(&seed) >> 24);
		EXPECT(write(fd, block, n) == (ssize_t)n, "%s: short write", name);
		size -= n;
	}
	MUST(close(fd));
}

/* By system calls on one side and through a mapping on the other. */
static void compare_files(const char *a, const char *b)
{
	int fa = (int)MUST(open(a, O_RDONLY)), fb = (int)MUST(open(b, O_RDONLY));
	struct stat sa, sb;
	u8 block[4096];
	size_t at = 0;
	ssize_t n;
	u8 *map;

	MUST(fstat(fa, &sa));
	MUST(fstat(fb, &sb));
	EXPECT(sa.st_size == sb.st_size, "%s has %ld bytes, %s %ld", a, (long)sa.st_size, b, (long)sb.st_size);
	map = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fb, 0);
	EXPECT(map != MAP_FAILED, "mmap: errno %d", errno);
	while ((n = MUST(read(fa, block, sizeof(block)))) > 0) {
		EXPECT(!memcmp(block, map + at, (size_t)n), "%s and %s differ behind byte %zu", a, b, at);
		at += (size_t)n;
	}
	EXPECT(at == (size_t)sa.st_size, "%s ends early", a);
	munmap(map, (size_t)sb.st_size);
	close(fa);
	close(fb);
}

static void copy_by_sendfile(const char *from, const char *to)
{
	int in = (int)MUST(open(from, O_RDONLY)), out = (int)MUST(open(to, O_CREAT | O_WRONLY, 0600));

	while (MUST(sendfile(out, in, NULL, 1 << 20)) > 0)
		;
	close(in);
	close(out);
}

static void copy_by_mapping(const char *from, const char *to)
{
	int in = (int)MUST(open(from, O_RDONLY)), out = (int)MUST(open(to, O_CREAT | O_RDWR, 0600));
	struct stat st;
	void *source, *target;

	MUST(fstat(in, &st));
	MUST(ftruncate(out, st.st_size));
	source = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, in, 0);
	target = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, out, 0);
	EXPECT(source != MAP_FAILED && target != MAP_FAILED, "mmap: errno %d", errno);
	memcpy(target, source, (size_t)st.st_size);
	munmap(source, (size_t)st.st_size);
	munmap(target, (size_t)st.st_size);
	close(in);
	close(out);
}

void check_files_are_copied_and_compare_equal(void)
{
	static const char *const NAMES[] = { "original", "sent", "mapped", NULL };
	static const size_t SIZES[] = { 1, 4095, 4096, 65537, 3000001 };

	enter_folder();
	for (u32 i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
		make_file("original", SIZES[i], i);
		copy_by_sendfile("original", "sent");
		copy_by_mapping("sent", "mapped");
		compare_files("original", "mapped");
		unlink("sent");
		unlink("mapped");
	}
	leave_folder(NAMES);
}

void check_files_keep_holes_links_and_truncation(void)
{
	static const char *const NAMES[] = { "a", "b", "c", NULL };
	struct stat st;
	char byte;
	int fd;

	enter_folder();
	make_file("a", 10000, 1);
	MUST(link("a", "b"));
	MUST(rename("a", "c"));
	MUST(stat("b", &st));
	EXPECT(st.st_nlink == 2 && st.st_size == 10000, "link: %lu links, %ld bytes", (unsigned long)st.st_nlink,
	       (long)st.st_size);
	compare_files("b", "c");
	fd = (int)MUST(open("b", O_RDWR));
	MUST(ftruncate(fd, 5000));
	EXPECT(pwrite(fd, "x", 1, 100000) == 1, "write behind a hole");
	EXPECT(pread(fd, &byte, 1, 5000) == 1 && byte == 0, "a truncated file keeps old bytes");
	EXPECT(pread(fd, &byte, 1, 70000) == 1 && byte == 0, "a hole isn't zero");
	close(fd);
	compare_files("b", "c");
	leave_folder(NAMES);
}
