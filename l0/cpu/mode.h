/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vcpu->mode: all that a translation depends on besides the bytes of the code. Two vCPUs with equal
 * mode and equal bytes may share a block. Computed by vcpu_update_mode() alone.
 */
#ifndef L0_CPU_MODE_H
#define L0_CPU_MODE_H

#include "types.h"

#define MODE_CS16 0u
#define MODE_CS32 1u
#define MODE_CS64 2u
#define MODE_CS_MASK 3u
#define MODE_SS32 BIT(2) /* stack pointer is ESP, not SP (not in 64-bit mode) */
#define MODE_CPL3 BIT(3)
#define MODE_VIEW_SHIFT 4 /* enum tlb_view */
#define MODE_VIEW_MASK (3u << MODE_VIEW_SHIFT)
#define MODE_PE BIT(6)
#define MODE_VM86 BIT(7)
/* segments whose base is 0 and whose limit is 4 GiB, readable and writable (always in 64-bit mode) */
#define MODE_FLAT_CS BIT(8)
#define MODE_FLAT_DS BIT(9)
#define MODE_FLAT_ES BIT(10)
#define MODE_FLAT_SS BIT(11)
#define MODE_TF BIT(12) /* single step */
#define MODE_FPU_TRAP BIT(13) /* CR0.EM or CR0.TS: x87, MMX raise #NM */
#define MODE_WAIT_TRAP BIT(14) /* CR0.MP and CR0.TS: WAIT raises #NM */
#define MODE_NO_SSE BIT(15) /* CR0.EM or not CR4.OSFXSR: SSE raises #UD */
#define MODE_TS BIT(16) /* CR0.TS: SSE and AVX raise #NM */
#define MODE_NO_AVX BIT(17) /* not CR4.OSXSAVE, or XCR0 lacks SSE|AVX: #UD */
#define MODE_ALIGN BIT(18) /* CPL 3, CR0.AM, RFLAGS.AC: #AC */
#define MODE_BREAK BIT(19) /* an instruction breakpoint is enabled in DR7 */
#define MODE_SLOW_IF BIT(20) /* CLI, STI need the C helper: IOPL < CPL, VME or PVI */
#define MODE_L2 BIT(21) /* in VMX non-root operation */
#define MODE_SMAP BIT(23) /* CR4.SMAP */
#define MODE_TSD BIT(24) /* CPL 3 and CR4.TSD: RDTSC faults */
#define MODE_MTF BIT(25) /* VMX non-root operation with the monitor trap flag: an exit after each instruction */
#define MODE_WHOLE BIT(27) /* of blocks alone: mapped with the 2 MiB around it as one piece: bt/cache.h */
#define MODE_UNGROUPED BIT(26) /* of blocks alone: bt/group.c */
#define MODE_EM BIT(22) /* CR0.EM: MMX raises #UD */
#define MODE_CPL12 BIT(28) /* CPL 1 or 2, which is neither the kernel's nor a program's */

/* What control registers say to code of any CPL */
#define MODE_CONTROL \
	(MODE_PE | MODE_FPU_TRAP | MODE_WAIT_TRAP | MODE_NO_SSE | MODE_TS | MODE_NO_AVX | MODE_SMAP | MODE_EM)

#endif
