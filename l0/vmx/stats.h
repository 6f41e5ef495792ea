/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What entries cost: one list, from which the struct, the stats file and its documentation derive. */
#ifndef L0_VMX_STATS_H
#define L0_VMX_STATS_H

#include "../cpu/types.h"

/* name, kind, description */
/* clang-format off */
#define VMCS_STATS(S) \
	S(entries,       counted, "VMLAUNCH and VMRESUME that came to the checks of the VMCS")        \
	S(fields_copied, counted, "fields copied out of L1's memory for them: see --vmcs-merge")
/* clang-format on */

struct vmcs_stats {
#define S(name, kind, text) u64 name;
	VMCS_STATS(S)
#undef S
};

#endif
