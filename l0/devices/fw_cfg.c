/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fw_cfg.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../machine/machine.h"

#define ID_PORTS BIT(0)
#define ID_DMA BIT(1)

#define DMA_ERROR BIT(0)
#define DMA_READ BIT(1)
#define DMA_SKIP BIT(2)
#define DMA_SELECT BIT(3)
#define DMA_WRITE BIT(4)
#define DMA_SELECTOR_SHIFT 16

/* what the DMA port reads as, byte by byte */
static const char dma_signature[FW_CFG_DMA_SIZE] = "QEMU CFG";

/* in guest memory, big-endian */
struct dma_request {
	u32 control, length;
	u64 address;
};

/* in the file directory, big-endian */
struct directory_entry {
	u32 size;
	u16 selector, reserved;
	char name[FW_CFG_NAME_SIZE];
};

struct directory {
	u32 count; /* big-endian */
	struct directory_entry entry[FW_CFG_FILES];
};

struct item {
	const void *data; /* NULL: no such item */
	u32 size;
};

struct fw_cfg {
	struct machine *machine;
	struct item item[FW_CFG_FILE_FIRST + FW_CFG_FILES];
	struct directory directory;
	char *cmdline;
	void *file[FW_CFG_FILES];
	unsigned int files;
	u64 ram_size;
	u32 id, cmdline_size;
	u16 nographic, cpus;

	u16 selector;
	u32 at; /* offset of the next byte in the item */
	u32 dma_high; /* high half of the request's address */
};

static struct item selected_item(const struct fw_cfg *f)
{
	/* an item that doesn't exist is empty; so is everything of the write channel (bit 14) and of the architecture (15) */
	return f->selector < sizeof(f->item) / sizeof(f->item[0]) ? f->item[f->selector] : (struct item){ 0 };
}

static void fw_cfg_select(struct fw_cfg *f, u16 selector)
{
	f->selector = selector;
	f->at = 0;
}

static void fw_cfg_skip(struct fw_cfg *f, u32 n)
{
	f->at = n > UINT32_MAX - f->at ? UINT32_MAX : f->at + n;
}

static u8 next_byte(struct fw_cfg *f)
{
	struct item item = selected_item(f);
	u8 byte = f->at < item.size ? ((const u8 *)item.data)[f->at] : 0;

	fw_cfg_skip(f, 1);
	return byte;
}

/* Behind the end of an item there are zeros. Returns false if the guest's buffer isn't RAM. */
static bool dma_read(struct fw_cfg *f, u64 address, u32 length)
{
	static const u8 zeros[PAGE_SIZE];
	struct item item = selected_item(f);
	u32 there = f->at < item.size ? item.size - f->at : 0;
	u32 n = length < there ? length : there;

	if (n && !machine_write(f->machine, address, (const u8 *)item.data + f->at, n))
		return false;
	fw_cfg_skip(f, length);
	for (address += n, length -= n; length; address += n, length -= n) {
		n = length < PAGE_SIZE ? length : (u32)PAGE_SIZE;
		if (!machine_write(f->machine, address, zeros, n))
			return false;
	}
	return true;
}

static void dma_run(struct fw_cfg *f, u64 request_address)
{
	struct dma_request request;
	u32 control, length, result = 0;

	if (!machine_read(f->machine, request_address, &request, sizeof(request)))
		return; /* nowhere to report it */
	control = be32toh(request.control);
	length = be32toh(request.length);
	if (control & DMA_SELECT)
		fw_cfg_select(f, (u16)(control >> DMA_SELECTOR_SHIFT));
	if (control & DMA_READ)
		result = dma_read(f, be64toh(request.address), length) ? 0 : DMA_ERROR;
	else if (control & DMA_WRITE) /* no item is writable */
		result = DMA_ERROR;
	else if (control & DMA_SKIP)
		fw_cfg_skip(f, length);
	result = htobe32(result);
	machine_write(f->machine, request_address, &result, sizeof(result));
}

static u64 port_read(void *dev, u64 offset, unsigned int size)
{
	struct fw_cfg *f = dev;

	return size == 1 && offset == 1 ? next_byte(f) : 0;
}

static void port_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct fw_cfg *f = dev;

	/* data is read-only; a byte to 0x510 is no selector */
	if (size == 2 && offset == 0)
		fw_cfg_select(f, (u16)value);
}

static u64 dma_port_read(void *dev, u64 offset, unsigned int size)
{
	u64 value = 0;

	(void)dev;
	memcpy(&value, dma_signature + offset, size);
	return value;
}

static void dma_port_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct fw_cfg *f = dev;
	u32 half = be32toh((u32)value);

	if (size != 4)
		return;
	if (offset == 0) {
		f->dma_high = half;
	} else if (offset == 4) {
		u64 address = (u64)f->dma_high << 32 | half;

		f->dma_high = 0;
		dma_run(f, address);
	}
}

const struct bus_ops fw_cfg_ops = { .read = port_read, .write = port_write };
const struct bus_ops fw_cfg_dma_ops = { .read = dma_port_read, .write = dma_port_write };

int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data, u32 size)
{
	struct directory_entry *entry = &f->directory.entry[f->files];
	void *copy;

	if (f->files == FW_CFG_FILES)
		return -ENOSPC;
	if (strlen(name) >= FW_CFG_NAME_SIZE)
		return -ENAMETOOLONG;
	for (unsigned int i = 0; i < f->files; i++)
		if (!strcmp(f->directory.entry[i].name, name))
			return -EEXIST;
	copy = malloc(size ? size : 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	memcpy(entry->name, name, strlen(name) + 1);
	entry->size = htobe32(size);
	entry->selector = htobe16((u16)(FW_CFG_FILE_FIRST + f->files));
	f->item[FW_CFG_FILE_FIRST + f->files] = (struct item){ copy, size };
	f->file[f->files++] = copy;
	f->directory.count = htobe32(f->files);
	return 0;
}

void fw_cfg_reset(struct fw_cfg *f)
{
	fw_cfg_select(f, 0);
	f->dma_high = 0;
}

struct fw_cfg *fw_cfg_create(struct machine *m, const struct fw_cfg_config *config)
{
	struct fw_cfg *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->machine = m;
	f->cmdline = strdup(config->cmdline ? config->cmdline : "");
	if (!f->cmdline) {
		free(f);
		return NULL;
	}
	f->id = ID_PORTS | ID_DMA;
	f->ram_size = m->memory.low + m->memory.high;
	f->nographic = 1;
	f->cpus = config->cpus;
	f->cmdline_size = (u32)strlen(f->cmdline) + 1;
	f->item[FW_CFG_SIGNATURE] = (struct item){ dma_signature, 4 };
	f->item[FW_CFG_ID] = (struct item){ &f->id, sizeof(f->id) };
	f->item[FW_CFG_RAM_SIZE] = (struct item){ &f->ram_size, sizeof(f->ram_size) };
	f->item[FW_CFG_NOGRAPHIC] = (struct item){ &f->nographic, sizeof(f->nographic) };
	f->item[FW_CFG_CPU_COUNT] = (struct item){ &f->cpus, sizeof(f->cpus) };
	f->item[FW_CFG_CPU_MAX] = (struct item){ &f->cpus, sizeof(f->cpus) };
	f->item[FW_CFG_CMDLINE_SIZE] = (struct item){ &f->cmdline_size, sizeof(f->cmdline_size) };
	f->item[FW_CFG_CMDLINE_DATA] = (struct item){ f->cmdline, f->cmdline_size };
	f->item[FW_CFG_FILE_DIR] = (struct item){ &f->directory, sizeof(f->directory) };
	return f;
}

void fw_cfg_destroy(struct fw_cfg *f)
{
	if (!f)
		return;
	for (unsigned int i = 0; i < f->files; i++)
		free(f->file[i]);
	free(f->cmdline);
	free(f);
}
