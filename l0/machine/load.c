/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "load.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "loader.h"

static int load_any(struct loader *l)
{
	u8 head[LOAD_HEAD_SIZE];
	u64 n = l->kernel.size < sizeof(head) ? l->kernel.size : sizeof(head);
	u64 multiboot, bad;
	int err = image_read(l, &l->kernel, 0, head, n, "its beginning");

	if (err)
		return err;
	if (linux_probe(head, n))
		return linux_load(l, head, n);
	if (multiboot_probe(head, n, &multiboot, &bad))
		return multiboot_load(l, head, multiboot);
	if (elf_probe(head, n))
		return pvh_load(l, bad);
	if (bad != UINT64_MAX)
		return load_error(l, -EINVAL, "%s: offset 0x%" PRIx64 ": multiboot header with a wrong checksum",
				  l->kernel.path, bad);
	if (n >= 2 && head[0] == 0x1f && head[1] == 0x8b)
		return load_error(l, -EINVAL, "%s: the kernel is compressed with gzip; give what gunzip makes of it",
				  l->kernel.path);
	return load_error(
		l,
		-EINVAL, "%s: not a kernel that can be booted: give a Linux bzImage, a multiboot 1 image or an ELF file with a PVH note",
		l->kernel.path);
}

int load_kernel(struct machine *m, const struct load_config *c, struct boot_state *b, char *error, size_t n)
{
	struct loader l = { .m = m, .config = c, .boot = b, .error = error, .error_size = n };
	int err;

	*b = (struct boot_state){ 0 };
	if (!c->kernel)
		return load_error(&l, -EINVAL, "no kernel was given; use -kernel FILE");
	l.map_count = memory_map_build(&m->memory, l.map);
	err = image_open(&l, &l.kernel, c->kernel, "kernel");
	if (err)
		return err;
	err = load_any(&l);
	image_close(&l.kernel);
	return err;
}
