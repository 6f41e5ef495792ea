/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port I/O permission and access, shared by IN, OUT and the string forms: SDM vol. 1, "Protected-Mode I/O". */
#ifndef L0_CPU_IO_H
#define L0_CPU_IO_H

#include "vcpu.h"

/*
 * May the current privilege use `size` (1, 2, 4) bytes of ports from `port` on? IOPL in protected mode, the
 * I/O permission bitmap of the TSS beyond that and in virtual-8086 mode. Raises #GP(0), or #PF for the TSS.
 */
void io_check(struct vcpu *v, u16 port, unsigned int size);

/* The access itself, after io_check(). Parks the guest's vector state, since a device is ordinary C. */
u32 io_read(struct vcpu *v, u16 port, unsigned int size);
void io_write(struct vcpu *v, u16 port, unsigned int size, u32 value);

#endif
