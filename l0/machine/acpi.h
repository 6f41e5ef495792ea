/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What firmware tells a guest about the PC: ACPI tables. RSDP at LAYOUT_RSDP, the tables at
 * layout_acpi(), the FACS at layout_nvs().
 *
 *   RSDP ─┬─ RSDT ─┐
 *         └─ XSDT ─┴─ FADT ── DSDT, FACS
 *                  └─ MADT
 */
#ifndef L0_MACHINE_ACPI_H
#define L0_MACHINE_ACPI_H

#include "machine.h"

/*
 * Write the tables for this machine, its vCPUs and serial ports, and the EBDA's pointer. Called at
 * every reset: guests may have written over them. Returns 0, or -ENOSPC if they don't fit.
 */
int acpi_build(struct machine *m);

/* What the guest has written to the FACS: where to go on in real mode, 0 if nowhere. */
u32 acpi_waking_vector(struct machine *m);

/* dsdt.c: the DSDT's AML without its header into `to`. Returns its size in bytes, 0 if it doesn't fit. */
size_t dsdt_build(const struct machine *m, void *to, size_t size);

#endif
