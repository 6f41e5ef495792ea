/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a run can choose about VMX. No guest can tell the modes apart but by time; what is counted differs. */
#ifndef L0_VMX_MODES_H
#define L0_VMX_MODES_H

/* clang-format off */

/* --vmcs-access: how L1's VMREAD and VMWRITE reach vmcs12. The first is the default. */
#define VMCS_ACCESSES(M) \
	M(REWRITE, "rewrite", "translated in place into a load or a store: no exit and no callout") \
	M(SHADOW,  "shadow",  "an exit only where a VMCS-shadowing bitmap for KVM's habits would ask for one") \
	M(TRAP,    "trap",    "each is an exit of L1, as without VMCS shadowing")

/* --mmu: the way to L2's memory. The first is the default. */
#define NESTED_MMUS(M) \
	M(MERGE,  "merge",  "EPT12 and EPT01 are merged into EPT02") \
	M(WALK,   "walk",   "no EPT02: every miss walks EPT12, and EPT01 for each of its tables") \
	M(SHADOW, "shadow", "L1 is told that there is no EPT and shadows L2's page tables")

/* --vmcs-merge: what an entry copies from vmcs12 and checks. The first is the default. */
#define VMCS_MERGES(M) \
	M(CHANGED, "changed", "the groups of fields that L1 has written since the last entry") \
	M(FULL,    "full",    "every field, at every entry")

/* clang-format on */

enum vmcs_access {
#define M(name, word, text) VMCS_ACCESS_##name,
	VMCS_ACCESSES(M)
#undef M
};

enum nested_mmu {
#define M(name, word, text) NESTED_MMU_##name,
	NESTED_MMUS(M)
#undef M
};

enum vmcs_merge {
#define M(name, word, text) VMCS_MERGE_##name,
	VMCS_MERGES(M)
#undef M
};

/* How a machine's L1 is served; plain data. */
struct vmx_modes {
	enum vmcs_access access;
	enum nested_mmu mmu;
	enum vmcs_merge merge;
};

#endif
