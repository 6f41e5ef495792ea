/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State changes that more than one instruction makes; those of CR0, CR3 and CR4 are in insn.h. */
#ifndef L0_CPU_CONTROL_H
#define L0_CPU_CONTROL_H

#include "vcpu.h"

#define MISC_ENABLE_MONITOR BIT(18) /* IA32_MISC_ENABLE: ENABLE MONITOR FSM */

/* WRPKRU, XRSTOR: PKRU and what it means for the TLB */
void control_set_pkru(struct vcpu *v, u32 value);

/* The bits of XCR0 that the model supports: SDM vol. 1, "Enabling the XSAVE Feature Set" */
struct cpu_model;
u64 control_xcr0_offered(const struct cpu_model *m);

#endif
