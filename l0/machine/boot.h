/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the first vCPU starts: what firmware and a boot loader would have left in its registers. The
 * loaders fill a struct boot_state; the run loop applies it after each reset of the machine.
 */
#ifndef L0_MACHINE_BOOT_H
#define L0_MACHINE_BOOT_H

#include "../cpu/vcpu.h"

enum boot_mode {
	BOOT_REAL, /* CS from `segment`, the others 0; IDT at 0 */
	BOOT_PROTECTED, /* 32-bit flat, no paging */
	BOOT_LONG, /* 64-bit, paging with cr3 */
};

struct boot_state {
	enum boot_mode mode;
	u16 segment; /* BOOT_REAL: CS */
	u64 rip;
	u64 gpr[16]; /* enum gpr */
	u64 cr3; /* BOOT_LONG: guest-physical address of the top table */
	u64 gdt; /* guest-physical address of BOOT_GDT_SIZE bytes from boot_gdt(); not for BOOT_REAL */
};

/* Selectors of a started kernel; Linux's boot protocol wants exactly these two. */
#define BOOT_CS 0x10
#define BOOT_DS 0x18
#define BOOT_TR 0x20 /* two slots: a TSS descriptor is 16 bytes in 64-bit mode */
#define BOOT_GDT_SIZE 0x30

/* The descriptor table that fits `mode` (not BOOT_REAL). */
void boot_gdt(enum boot_mode mode, u8 gdt[BOOT_GDT_SIZE]);

/* What firmware has set up on every CPU when it starts a boot loader; boot_state_apply() does it for its vCPU. */
void boot_firmware(struct vcpu *v);

/*
 * The vCPU comes from vcpu_reset(v, false), with its local APIC and its model in place. Sets also what firmware
 * leaves behind in MTRRs and local APIC.
 */
void boot_state_apply(const struct boot_state *b, struct vcpu *v);

#endif
