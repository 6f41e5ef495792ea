/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who sets the host's GS base, by which translated code finds the soft TLB of its address space: at each exit and entry of an L2, and at
 * each write of CR3. WRGSBASE is as cheap as it must be, and a kernel that knows of FSGSBASE keeps what it has set (since Linux 5.9;
 * HWCAP2 says so). Others give a thread that gets its CPU back what its last arch_prctl(2) said. Then either
 *
 *	WRGSBASE works all the same, as in a virtual machine whose hypervisor has it switched on: arch_prctl(2) has set a base where
 *	no memory is, so what the thread has lost is noticed at the next access, by a SIGSEGV, and set again (`GS_BASE_LOST`), or
 *	it is #UD: arch_prctl(2) it is, each time. That is 0.1 us on a CPU, and 8 us were seen in a virtual machine.
 */
#ifndef L0_BT_GS_BASE_H
#define L0_BT_GS_BASE_H

#include <stdbool.h>

#include "../cpu/types.h"

/* way, its name for the doctor, what that says of it */
#define GS_BASE_WAYS(X) \
	X(NONE, "none", \
	  "neither WRGSBASE nor arch_prctl(2) sets the GS base, by which translated code finds its soft TLB") \
	X(KEPT, "kept", "the kernel lets programs write FS and GS bases") \
	X(LOST, \
	  "lost", "the kernel doesn't know that programs can write their GS base, and loses it when another thread had the CPU: it is set again then") \
	X(CALL, "call", \
	  "the kernel doesn't let programs write FS and GS bases: each change of a guest's address space, each exit " \
	  "and entry of an L2 " \
	  "is a system call")

enum gs_base_way {
#define X(way, name, text) GS_BASE_##way,
	GS_BASE_WAYS(X)
#undef X
};

/* The best way on this host. The first call catches SIGILL for a moment. */
enum gs_base_way gs_base_way(void);

/* Of this thread. False, with errno: arch_prctl(2) failed, which it doesn't where gs_base_way() has said GS_BASE_CALL. */
bool gs_base_set(enum gs_base_way way, const void *base);

/* GS_BASE_LOST: what this thread finds when the kernel has lost its base. False, with errno */
bool gs_base_default(const void *nowhere);

/* GS_BASE_LOST, in a signal handler: was it lost? Then it is set again. */
bool gs_base_found_lost(const void *base);

#endif
