/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware configuration device: numbered items and named files that a guest reads by selector
 * (port 0x510), byte by byte (0x511) or by DMA (0x514). QEMU's documentation, "QEMU Firmware
 * Configuration (fw_cfg) Device", is the specification.
 */
#ifndef L0_DEVICES_FW_CFG_H
#define L0_DEVICES_FW_CFG_H

#include "bus.h"

struct machine;
struct fw_cfg;

#define FW_CFG_PORT 0x510
#define FW_CFG_PORT_SIZE 2
#define FW_CFG_DMA_PORT 0x514
#define FW_CFG_DMA_SIZE 8

/* Items, in the host's byte order (little-endian) unless a comment says otherwise: name, selector */
/* clang-format off */
#define FW_CFG_ITEMS(F) \
	F(SIGNATURE,     0x00) /* "QEMU" */ \
	F(ID,            0x01) /* u32: bit 0 the ports, bit 1 DMA */ \
	F(RAM_SIZE,      0x03) /* u64, bytes: all RAM of the machine */ \
	F(NOGRAPHIC,     0x04) /* u16: 1, the console is serial */ \
	F(CPU_COUNT,     0x05) /* u16 */ \
	F(CPU_MAX,       0x0f) /* u16 */ \
	F(CMDLINE_SIZE,  0x14) /* u32, with the final zero */ \
	F(CMDLINE_DATA,  0x15) \
	F(FILE_DIR,      0x19) /* big-endian */ \
	F(FILE_FIRST,    0x20)
/* clang-format on */
#define FW_CFG_ENUM(name, selector) FW_CFG_##name = selector,
enum fw_cfg_item { FW_CFG_ITEMS(FW_CFG_ENUM) };
#undef FW_CFG_ENUM

#define FW_CFG_FILES 16
#define FW_CFG_NAME_SIZE 56 /* with the final zero */

struct fw_cfg_config {
	u16 cpus;
	const char *cmdline; /* NULL: none */
};

struct fw_cfg *fw_cfg_create(struct machine *m, const struct fw_cfg_config *config); /* NULL: no memory */
void fw_cfg_destroy(struct fw_cfg *f);
void fw_cfg_reset(struct fw_cfg *f); /* the items stay */
/* A named file, copied, before the machine runs. Returns 0, -ENOSPC (FW_CFG_FILES), -ENAMETOOLONG, -EEXIST or -ENOMEM. */
int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data, u32 size);
extern const struct bus_ops fw_cfg_ops, fw_cfg_dma_ops; /* dev: the struct fw_cfg */

#endif
