/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cgroups leave this process of the host's CPUs and memory. */
#ifndef L0_CLI_CGROUP_H
#define L0_CLI_CGROUP_H

#include "../cpu/types.h"

struct cgroup_limits {
	double cpus; /* so much CPU time per time; 0: no limit */
	u64 memory; /* bytes; 0: no limit */
};

/*
 * The smallest limits of the process's own cgroup and of all above it as far as they can be seen: a container sees none above its own, and
 * under another name. In both of the kernel's hierarchies. self: /proc/self/cgroup; root: /sys/fs/cgroup; tests have others.
 */
struct cgroup_limits cgroup_limits(const char *self, const char *root);

#endif
