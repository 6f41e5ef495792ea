/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a PC's firmware leaves in the first megabyte for code that runs in real mode: the interrupt vectors, the BIOS
 * data area, and in segment F000h the little code that the vectors lead to. There are handlers for the timer and for
 * acknowledging interrupts, and the services that only read the data area. Others return at once.
 */
#ifndef L0_MACHINE_FIRMWARE_H
#define L0_MACHINE_FIRMWARE_H

#include "machine.h"

/*
 * Write all of it; a kernel that is loaded afterwards may lie over it. Called at every reset. Returns 0, or -ENOSPC
 * if low memory isn't RAM.
 */
int firmware_build(struct machine *m);

/*
 * What a reset of the CPU alone is for: the program has left the shutdown code 5 or 0Ah in CMOS and the address to go
 * on at in the data area (40:67). Then fills *b, clears the code and returns true. False: start from the beginning.
 */
bool firmware_resume(struct machine *m, struct boot_state *b);

#endif
