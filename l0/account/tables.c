/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All tables of stats; a folder that counts something adds its list here. */
#include "stats.h"

#include "../../ept-merge/ept_stats.h"
#include "../bt/stats.h"
#include "../direct/stats.h"
#include "../run/profile.h"
#include "../vmx/stats.h"

STAT_TABLE(run_stats_table, "run", "the run as a whole", RUN_STATS);
STAT_TABLE(life_stats_table, "life", "an L1's life as a whole, per L1", LIFE_STATS);
STAT_TABLE(bt_stats_table, "bt", "the translator, per L1", BT_STATS);
STAT_TABLE(ept_merge_stats_table, "ept_merge", "the way to L2's memory, per L1 with VMX: EPT12 and EPT01 into EPT02",
	   EPT_STATS);
STAT_TABLE(vmcs_stats_table, "vmcs", "VM entries of L1, per L1 with VMX", VMCS_STATS);
STAT_TABLE(profile_stats_table, "profile",
	   "whose time it is, per L1, with --profile; the host's CPU time in all is their sum", PROFILE_STATS);
STAT_TABLE(direct_stats_table, "direct", "user code that runs directly, per L1 (--engine direct)", DIRECT_STATS);
STAT_TABLE(kvm_exit_stats_table, "kvm_exits", "exits of KVM_RUN by KVM's reason, per L1 (--engine kvm)", KVM_EXIT_STATS);
STAT_TABLE(kvm_stats_table, "kvm", "what the host's KVM counts itself, per L1 (--engine kvm); 0 where it doesn't say",
	   KVM_STATS);

/* clang-format off */
const struct stat_table *const STAT_TABLES[] = {
	&run_stats_table,	&life_stats_table, &bt_stats_table,
	&ept_merge_stats_table, &vmcs_stats_table, &profile_stats_table,
	&direct_stats_table,	&kvm_exit_stats_table, &kvm_stats_table,
	NULL,
};
/* clang-format on */
