/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State changes that more than one instruction makes; those of CR0, CR3 and CR4 are in insn.h. */
#ifndef L0_CPU_CONTROL_H
#define L0_CPU_CONTROL_H

#include "vcpu.h"

/* IA32_MISC_ENABLE */
#define MISC_ENABLE_FAST_STRING BIT(0)
#define MISC_ENABLE_MONITOR BIT(18) /* CPUID shows MONITOR */
#define MISC_ENABLE_LIMIT_CPUID BIT(22) /* CPUID leaf 0 shows no more than leaf 2 */
#define MISC_ENABLE_XD_DISABLE BIT(34) /* CPUID doesn't show NX */
#define MISC_ENABLE_RESET (MISC_ENABLE_FAST_STRING | MISC_ENABLE_MONITOR) /* as firmware leaves it */

/* WRPKRU, XRSTOR: PKRU and what it means for the TLB */
void control_set_pkru(struct vcpu *v, u32 value);
/* The same for IA32_PKRS, which is for supervisor pages. */
void control_set_pkrs(struct vcpu *v, u32 value);

/* The bits of XCR0 that the model supports: SDM vol. 1, "Enabling the XSAVE Feature Set" */
struct cpu_model;
u64 control_xcr0_offered(const struct cpu_model *m);

#endif
