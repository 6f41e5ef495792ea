/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of cgroups that this process isn't in: folders with files, as the kernel shows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../cgroup.h"

static char folder[] = "/tmp/test_cgroup.XXXXXX";

static int set_up(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* A file below the folder, with all that leads to it */
static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	for (char *s = strchr(path + strlen(folder) + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		mkdir(path, 0700);
		*s = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s\n", text);
	fclose(f);
}

static void assert_limits(double cpus, u64 memory)
{
	char self[64], root[64];
	struct cgroup_limits l;

	snprintf(self, sizeof(self), "%s/self", folder);
	snprintf(root, sizeof(root), "%s/fs", folder);
	l = cgroup_limits(self, root);
	if (l.cpus != cpus || l.memory != memory)
		fail_msg("%g CPUs, %llu bytes", l.cpus, (unsigned long long)l.memory);
}

static void the_smallest_limit_on_the_way_up_counts(void **state)
{
	(void)state;
	put("self", "0::/user.slice/session/shell");
	assert_limits(0, 0);
	put("fs/user.slice/session/shell/cpu.max", "max 100000");
	put("fs/user.slice/session/shell/memory.max", "max");
	assert_limits(0, 0);
	put("fs/user.slice/session/cpu.max", "300000 100000");
	put("fs/user.slice/cpu.max", "25000 50000");
	put("fs/user.slice/memory.max", "1048576");
	put("fs/user.slice/session/memory.max", "4194304");
	assert_limits(0.5, 1048576);
	put("fs/user.slice/session/shell/cpu.max", "10000 100000");
	put("fs/user.slice/session/shell/memory.max", "65536");
	assert_limits(0.1, 65536);
	/* another's */
	put("fs/user.slice/session/other/cpu.max", "1000 100000");
	assert_limits(0.1, 65536);
}

static void the_older_hierarchies_have_theirs(void **state)
{
	(void)state;
	put("self", "4:memory:/a/b\n3:cpuset:/elsewhere\n2:cpu,cpuacct:/a\n1:name=systemd:/a/b\n0::/a/b");
	put("fs/cpu/elsewhere/cpu.cfs_quota_us", "1000");
	put("fs/cpu/elsewhere/cpu.cfs_period_us", "100000");
	put("fs/cpu/a/cpu.cfs_quota_us", "-1");
	put("fs/cpu/a/cpu.cfs_period_us", "100000");
	put("fs/memory/a/b/memory.limit_in_bytes", "9223372036854771712");
	assert_limits(0, 9223372036854771712u);
	put("fs/memory/a/memory.limit_in_bytes", "2097152");
	put("fs/cpu/cpu.cfs_quota_us", "150000");
	put("fs/cpu/cpu.cfs_period_us", "100000");
	assert_limits(1.5, 2097152);
}

static void a_container_sees_its_own_at_the_top(void **state)
{
	(void)state;
	put("self", "0::/docker/0123");
	put("fs/cpu.max", "200000 100000");
	put("fs/memory.max", "1048576");
	assert_limits(2, 1048576);
	put("self", "0::/");
	assert_limits(2, 1048576);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_smallest_limit_on_the_way_up_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_older_hierarchies_have_theirs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_container_sees_its_own_at_the_top, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
