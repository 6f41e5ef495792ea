/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A second reading of SDM vol. 3, "VM Entries", written from the text: section by section, plain code and numbers, none of the
 * library's tables or words. */
#ifndef VMCS_SHADOW_TESTS_ORACLE_H
#define VMCS_SHADOW_TESTS_ORACLE_H

#include "vmcs-shadow/entry_checks.h"

struct verdict {
	int result; /* 0 entry succeeds, 7 or 8 VMfailValid, 33 failed entry */
	int qualification; /* with 33 */
};

struct verdict oracle(const struct vmx_entry *e);

#endif
