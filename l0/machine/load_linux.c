/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linux's boot protocol: Documentation/arch/x86/boot.rst and zero-page.rst of the kernel. */
#include <errno.h>
#include <inttypes.h>
#include "layout.h"
#include "loader.h"

/* Offsets in the file and, from HDR_START on, in the zero page. */
/* clang-format off */
#define HDR_START          0x1f1 /* also setup_sects, 1 byte */
#define HDR_SYSSIZE        0x1f4 /* 4: protected-mode part in 16-byte units */
#define HDR_VID_MODE       0x1fa /* 2 */
#define HDR_BOOT_FLAG      0x1fe /* 2: 0xaa55 */
#define HDR_JUMP           0x201 /* 1: 0x202 + this is the header's end */
#define HDR_MAGIC          0x202 /* 4: "HdrS" */
#define HDR_VERSION        0x206 /* 2 */
#define HDR_LOADER         0x210 /* 1 */
#define HDR_LOADFLAGS      0x211 /* 1 */
#define HDR_CODE32_START   0x214 /* 4 */
#define HDR_RAMDISK        0x218 /* 4 */
#define HDR_RAMDISK_SIZE   0x21c /* 4 */
#define HDR_CMDLINE        0x228 /* 4 */
#define HDR_INITRD_MAX     0x22c /* 4: last byte */
#define HDR_ALIGNMENT      0x230 /* 4 */
#define HDR_RELOCATABLE    0x234 /* 1 */
#define HDR_XLOADFLAGS     0x236 /* 2 */
#define HDR_CMDLINE_SIZE   0x238 /* 4: without the NUL */
#define HDR_PAYLOAD        0x248 /* 4: offset from the protected-mode part */
#define HDR_PAYLOAD_LENGTH 0x24c /* 4 */
#define HDR_SETUP_DATA     0x250 /* 8 */
#define HDR_PREF_ADDRESS   0x258 /* 8 */
#define HDR_INIT_SIZE      0x260 /* 4 */
#define HDR_END_MAX        0x290 /* what the zero page has room for */

#define ZP_ACPI_RSDP       0x070 /* 8 */
#define ZP_EXT_RAMDISK     0x0c0 /* 4: bits 63:32 */
#define ZP_EXT_SIZE        0x0c4 /* 4 */
#define ZP_E820_ENTRIES    0x1e8 /* 1 */
#define ZP_E820_TABLE      0x2d0
#define ZP_SIZE            4096
/* clang-format on */

#define LOADED_HIGH BIT(0)
#define XLF_KERNEL_64 BIT(0)
#define XLF_ABOVE_4G BIT(1)
#define LOADER_UNDEFINED 0xff
#define VID_MODE_NORMAL 0xffff
#define ENTRY_64 0x200 /* from the start of the protected-mode part */

#define V2_06 0x206
#define V2_08 0x208
#define V2_10 0x20a
#define V2_12 0x20c

struct bzimage {
	u8 header[HDR_END_MAX]; /* as in the file; 0 beyond its end */
	unsigned int header_end, version;
	u64 setup, size; /* bytes of the real-mode part; of the protected-mode part */
	u64 address, room; /* of the protected-mode part in memory; with what it needs to unpack itself */
	unsigned int xloadflags;
};

bool linux_probe(const u8 *head, u64 n)
{
	return n >= HDR_VERSION + 2 && get16(head + HDR_BOOT_FLAG) == 0xaa55 && !memcmp(head + HDR_MAGIC, "HdrS", 4);
}

/* What the real-mode part says; everything is checked before anything is loaded. */
static int read_header(struct loader *l, const u8 *head, u64 n, struct bzimage *x)
{
	const char *path = l->kernel.path;
	u64 syssize, need;

	*x = (struct bzimage){ .header_end = HDR_MAGIC + head[HDR_JUMP], .version = get16(head + HDR_VERSION) };
	if (x->version < V2_06)
		return load_error(
			l, -EINVAL,
			"%s: offset 0x%x: Linux boot protocol %u.%02u, 2.06 (Linux 2.6.22) or later is needed", path,
			HDR_VERSION, x->version >> 8, x->version & 0xff);
	need = x->version >= V2_10   ? HDR_INIT_SIZE + 4
	       : x->version >= V2_08 ? HDR_PAYLOAD_LENGTH + 4
				     : HDR_CMDLINE_SIZE + 4;
	if (x->header_end > HDR_END_MAX)
		x->header_end = HDR_END_MAX;
	if (x->header_end < need || n < x->header_end)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%x: the setup header ends at 0x%x, which isn't in 0x%" PRIx64
				  "..0x%" PRIx64 "; is the file truncated?",
				  path, HDR_JUMP, x->header_end, need, n);
	memcpy(x->header + HDR_START, head + HDR_START, x->header_end - HDR_START);
	if (!(x->header[HDR_LOADFLAGS] & LOADED_HIGH))
		return load_error(l, -EINVAL, "%s: offset 0x%x: a zImage that loads below 1 MiB; build a bzImage", path,
				  HDR_LOADFLAGS);

	x->setup = ((x->header[HDR_START] ? x->header[HDR_START] : 4) + 1) * 512ull;
	if (x->setup >= l->kernel.size)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%x: setup_sects %u leaves no kernel in a file of 0x%" PRIx64
				  " bytes; is it truncated?",
				  path, HDR_START, x->header[HDR_START], l->kernel.size);
	x->size = l->kernel.size - x->setup;
	syssize = get32(x->header + HDR_SYSSIZE) * 16ull;
	/* it is rounded up to 16 */
	if (syssize > x->size + 15)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%x: syssize promises 0x%" PRIx64
				  " bytes of kernel, the file has 0x%" PRIx64 "; is it truncated?",
				  path, HDR_SYSSIZE, syssize, x->size);
	/* what follows is a signature */
	if (syssize && syssize < x->size)
		x->size = syssize;
	if (x->version >= V2_08) {
		u64 payload = get32(x->header + HDR_PAYLOAD), length = get32(x->header + HDR_PAYLOAD_LENGTH);

		if (payload + length > l->kernel.size - x->setup)
			return load_error(l, -EINVAL,
					  "%s: offset 0x%x: the payload (0x%" PRIx64 "+0x%" PRIx64
					  ") ends behind the end of the file (0x%" PRIx64 " bytes); is it truncated?",
					  path, HDR_PAYLOAD, payload, length, l->kernel.size);
	}
	x->xloadflags = x->version >= V2_12 ? get16(x->header + HDR_XLOADFLAGS) : 0;
	if ((x->xloadflags & XLF_KERNEL_64) && x->size <= ENTRY_64)
		return load_error(l, -EINVAL,
				  "%s: offset 0x%x: the 64-bit entry point lies behind the end of 0x%" PRIx64
				  " bytes of kernel",
				  path, HDR_XLOADFLAGS, x->size);
	return 0;
}

static int place_kernel(struct loader *l, struct bzimage *x)
{
	const u8 *h = x->header;
	u64 align = get32(h + HDR_ALIGNMENT), init_size = 0;

	x->address = LAYOUT_BIOS_END;
	if (x->version >= V2_10) {
		x->address = get64(h + HDR_PREF_ADDRESS);
		init_size = get32(h + HDR_INIT_SIZE);
	}
	x->room = init_size > x->size ? init_size : x->size;
	if (x->address >= LAYOUT_BIOS_END && x->address < LOAD_4G && x->room <= LOAD_4G - x->address &&
	    !place_at(l, x->address, x->room, "the kernel"))
		return 0;
	if (!h[HDR_RELOCATABLE])
		return load_error(l, -EINVAL,
				  "%s: the kernel needs 0x%" PRIx64 " bytes at address 0x%" PRIx64
				  ", which isn't all RAM, and isn't relocatable; give more memory (-m)",
				  l->kernel.path, x->room, x->address);
	if (!align || align & (align - 1))
		return load_error(l, -EINVAL, "%s: offset 0x%x: kernel_alignment 0x%" PRIx64 " isn't a power of two",
				  l->kernel.path, HDR_ALIGNMENT, align);
	if (!place_low(l, x->room, align, LAYOUT_BIOS_END, LOAD_4G, "the kernel", &x->address))
		return load_error(l, -EINVAL,
				  "%s: no room below 4 GiB for the kernel (0x%" PRIx64 " bytes aligned to 0x%" PRIx64
				  "); give more memory (-m)",
				  l->kernel.path, x->room, align);
	return 0;
}

static int load_initrd(struct loader *l, const struct bzimage *x, u8 *zp)
{
	u64 max = (u64)get32(x->header + HDR_INITRD_MAX) + 1, at;
	struct image i;
	int err = image_open(l, &i, l->config->initrd, "initrd");

	if (err)
		return err;
	if (!place_high(l, i.size, PAGE_SIZE, LAYOUT_BIOS_END, max, "the initrd", &at) &&
	    !((x->xloadflags & XLF_ABOVE_4G) && place_high(l, i.size, PAGE_SIZE, max, UINT64_MAX, "the initrd", &at)))
		err = load_error(l, -EINVAL,
				 "%s: no room for the initrd (0x%" PRIx64
				 " bytes) where the kernel takes it (below 0x%" PRIx64 "%s); give more memory (-m)",
				 i.path, i.size, max, x->xloadflags & XLF_ABOVE_4G ? " or above" : "");
	if (!err)
		err = load_file(l, &i, 0, at, i.size, "the initrd");
	if (!err) {
		put32(zp + HDR_RAMDISK, (u32)at);
		put32(zp + HDR_RAMDISK_SIZE, (u32)i.size);
		put32(zp + ZP_EXT_RAMDISK, (u32)(at >> 32));
		put32(zp + ZP_EXT_SIZE, (u32)(i.size >> 32));
	}
	image_close(&i);
	return err;
}

static int check_cmdline(struct loader *l, const struct bzimage *x)
{
	u32 max = get32(x->header + HDR_CMDLINE_SIZE);
	size_t n = strlen(load_cmdline(l));

	if (n > max)
		return load_error(l, -EINVAL,
				  "%s: the command line has %zu bytes, this kernel takes %u; shorten it (-append)",
				  l->kernel.path, n, max);
	return 0;
}

/* SDM vol. 3, "4-Level Paging": the first 4 GiB as they are, in pages of 2 MiB */
static int load_page_tables(struct loader *l)
{
	enum { PML4, PDPT, PD, TABLES = PD + 4 };
	u64 table[512], at;
	const u64 flags = BIT(0) | BIT(1); /* present, writable */
	int err = place_small(l, TABLES * PAGE_SIZE, PAGE_SIZE, "the page tables", &at);

	for (unsigned int t = 0; !err && t < TABLES; t++) {
		memset(table, 0, sizeof(table));
		if (t == PML4)
			table[0] = (at + PDPT * PAGE_SIZE) | flags;
		for (u64 i = 0; t == PDPT && i < 4; i++)
			table[i] = (at + (PD + i) * PAGE_SIZE) | flags;
		for (u64 i = 0; t >= PD && i < 512; i++)
			table[i] = (t - PD) << 30 | i << 21 | flags | BIT(7);
		err = load_bytes(l, at + t * PAGE_SIZE, table, sizeof(table));
	}
	l->boot->cr3 = at;
	return err;
}

static void fill_zero_page(struct loader *l, const struct bzimage *x, u64 cmdline, u8 *zp)
{
	memset(zp, 0, ZP_SIZE);
	memcpy(zp + HDR_START, x->header + HDR_START, x->header_end - HDR_START);
	zp[HDR_VID_MODE] = VID_MODE_NORMAL & 0xff;
	zp[HDR_VID_MODE + 1] = VID_MODE_NORMAL >> 8;
	zp[HDR_LOADER] = LOADER_UNDEFINED;
	put32(zp + HDR_CODE32_START, (u32)x->address);
	put32(zp + HDR_CMDLINE, (u32)cmdline);
	put32(zp + HDR_RAMDISK, 0);
	put32(zp + HDR_RAMDISK_SIZE, 0);
	/* older headers end before this field */
	if (x->header_end >= HDR_SETUP_DATA + 8)
		put64(zp + HDR_SETUP_DATA, 0);
	put64(zp + ZP_ACPI_RSDP, LAYOUT_RSDP);
	zp[ZP_E820_ENTRIES] = (u8)l->map_count;
	memcpy(zp + ZP_E820_TABLE, l->map, l->map_count * sizeof(l->map[0]));
}

int linux_load(struct loader *l, const u8 *head, u64 n)
{
	u64 zero_page, cmdline;
	u8 zp[ZP_SIZE];
	struct bzimage x;
	int err = read_header(l, head, n, &x);

	if (!err)
		err = check_cmdline(l, &x);
	if (!err)
		err = place_kernel(l, &x);
	if (!err)
		err = load_file(l, &l->kernel, x.setup, x.address, x.size, "the kernel");
	if (!err)
		err = place_small(l, ZP_SIZE, PAGE_SIZE, "the zero page", &zero_page);
	if (!err)
		err = load_string(l, load_cmdline(l), "the command line", &cmdline);
	if (err)
		return err;
	fill_zero_page(l, &x, cmdline, zp);
	if (l->config->initrd)
		err = load_initrd(l, &x, zp);
	if (!err)
		err = load_bytes(l, zero_page, zp, ZP_SIZE);
	if (err)
		return err;

	l->boot->gpr[RSI] = zero_page;
	if (x.xloadflags & XLF_KERNEL_64) {
		l->boot->mode = BOOT_LONG;
		l->boot->rip = x.address + ENTRY_64;
		err = load_page_tables(l);
	} else {
		l->boot->mode = BOOT_PROTECTED;
		l->boot->rip = x.address;
	}
	return err ? err : load_gdt(l);
}
