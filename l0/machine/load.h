/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct kernel boot: -kernel, -initrd, -append. Files are read anew at each call, nothing in them
 * is trusted, and only regular files are opened for good (a FIFO or a device could block or never end).
 *
 * What -kernel may be, in the order in which it is looked for:
 *   Linux bzImage   boot protocol 2.06 or later; 64-bit entry point where there is one, else 32-bit
 *   multiboot 1     header in the first 8 KiB; ELF (32- or 64-bit) or the header's own addresses
 *   PVH             ELF with a XEN_ELFNOTE_PHYS32_ENTRY note
 */
#ifndef L0_MACHINE_LOAD_H
#define L0_MACHINE_LOAD_H

#include "boot.h"

struct load_config {
	const char *kernel; /* path; NULL is refused */
	/*
	 * Path, or NULL. For multiboot a list "file args,file args": one module each, its string the whole item
	 * (a doubled comma stands for a comma, also in the name). Otherwise one file.
	 */
	const char *initrd;
	const char *cmdline; /* NULL is "" */
};

/*
 * Load into the machine's RAM and say in *b how vCPU 0 starts. RAM that nothing is loaded to keeps
 * what it held. Returns 0, or -EINVAL (a file is not what it should be) or another -errno (it
 * couldn't be read) with one line in `error`, without newline.
 */
int load_kernel(struct machine *m, const struct load_config *c, struct boot_state *b, char *error, size_t n);

#endif
