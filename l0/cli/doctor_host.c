/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "../cpu/types.h"
#include "../run/place.h"
#include "cgroup.h"
#include "config.h"
#include "doctor.h"

/* The file's first line without its newline. False: it can't be read. */
static bool first_line(const char *path, char *line, size_t n)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(line, (int)n, f);

	if (f)
		fclose(f);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

static void placement(struct doctor *d)
{
	static const char *const POLICIES[] = { "spread", "pack", "l1-per-core" };
	char error[256], warning[256], text[256];
	unsigned int ones[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

	for (size_t i = 0; i < sizeof(POLICIES) / sizeof(POLICIES[0]); i++) {
		struct place *p = place_create(POLICIES[i], 1, ones, NULL, error, sizeof(error), warning,
					       sizeof(warning));
		unsigned int count = p ? place_pus(p) : 0;
		json_t *list = json_array();
		size_t n = 0;

		place_destroy(p);
		count = count > 8 ? 8 : count ? count : 1;
		p = place_create(POLICIES[i], count, ones, NULL, error, sizeof(error), warning, sizeof(warning));
		text[0] = '\0';
		for (unsigned int j = 0; p && j < count; j++) {
			char one[64];

			place_text(p, j, 0, one, sizeof(one));
			json_array_append_new(list, json_string(one));
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", one);
		}
		place_destroy(p);
		snprintf(warning, sizeof(warning), "place_%s", POLICIES[i]);
		doctor_add(d, "topology", warning, VERDICT_FACT, list, "--place %s: L1s with one vCPU each go to PUs%s%s",
			   POLICIES[i], text, count == 8 ? " ..." : "");
	}
}

static void topology(struct doctor *d)
{
	struct place_host h;

	if (!place_host(&h)) {
		doctor_add(d, "topology", "pus", VERDICT_LIMITED, NULL,
			   "hwloc finds no topology: --place is not available");
		return;
	}
	doctor_add(d, "topology", "pus", VERDICT_FACT,
		   json_pack("{s:i, s:i, s:i, s:i, s:i}", "packages", (int)h.packages, "numa_nodes", (int)h.nodes,
			     "cores", (int)h.cores, "pus", (int)h.pus, "online", (int)h.all_pus),
		   "%u package%s, %u NUMA node%s, %u core%s, %u PU%s", h.packages, h.packages == 1 ? "" : "s", h.nodes,
		   h.nodes == 1 ? "" : "s", h.cores, h.cores == 1 ? "" : "s", h.pus, h.pus == 1 ? "" : "s");
	if (h.pus < h.all_pus)
		doctor_add(d, "topology", "allowed", VERDICT_LIMITED, json_string(h.list),
			   "of the host's %u PUs a cpuset or taskset leaves us %u: %s", h.all_pus, h.pus, h.list);
	else
		doctor_add(d, "topology", "allowed", VERDICT_GOOD, json_string(h.list),
			   "all of the host's PUs may be used: %s", h.list);
	doctor_add(d, "topology", "place", VERDICT_FACT, json_string("none"),
		   "without --place the host's scheduler decides where vCPUs run, at every moment");
	placement(d);
}

static void limit(struct doctor *d, const char *name, int resource, u64 needed, const char *what)
{
	struct rlimit r;

	if (getrlimit(resource, &r))
		return;
	if (r.rlim_cur == RLIM_INFINITY)
		doctor_add(d, "limits", name, VERDICT_GOOD, NULL, "%s: no limit", what);
	else
		doctor_add(d, "limits", name, r.rlim_cur < needed ? VERDICT_LIMITED : VERDICT_GOOD,
			   json_integer((json_int_t)r.rlim_cur), "%s: %llu at most%s", what,
			   (unsigned long long)r.rlim_cur, r.rlim_cur < needed ? ", which several L1s will exceed" : "");
}

static void cpu_quota(struct doctor *d, double cpus)
{
	if (cpus > 0)
		doctor_add(d, "limits", "cpu_quota", VERDICT_LIMITED, json_real(cpus),
			   "a cgroup gives us %.2f CPUs at most, whatever the topology says", cpus);
	else
		doctor_add(d, "limits", "cpu_quota", VERDICT_GOOD, NULL, "no cgroup limits our CPU time");
}

static void limits(struct doctor *d, const struct cgroup_limits *cgroup)
{
	char value[64];

	limit(d, "address_space", RLIMIT_AS, 64ull << 30,
	      "address space (an L1 reserves some 5 GB of it, most of it never used)");
	limit(d, "threads", RLIMIT_NPROC, 256, "threads of this user (one for each vCPU)");
	limit(d, "files", RLIMIT_NOFILE, 256, "open files");
	cpu_quota(d, cgroup->cpus);
	if (first_line("/proc/sys/vm/overcommit_memory", value, sizeof(value)))
		doctor_add(d, "limits", "overcommit", *value == '2' ? VERDICT_LIMITED : VERDICT_GOOD,
			   json_integer(atoi(value)),
			   *value == '2'
				   ? "vm.overcommit_memory is 2: the host counts what L1s reserve as if it were used"
				   : "memory that an L1 reserves and doesn't use costs nothing");
	if (first_line("/sys/kernel/mm/transparent_hugepage/enabled", value, sizeof(value))) {
		bool never = strstr(value, "[never]");

		doctor_add(
			d, "limits", "huge_pages", never ? VERDICT_LIMITED : VERDICT_GOOD, json_boolean(!never),
			never ? "transparent huge pages are off: guest memory is in 4 KiB pages, which costs TLB misses"
			      : "guest memory is in 2 MiB pages where the host has them");
	}
}

static u64 meminfo(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), ": %llu kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib << 10;
}

static void memory(struct doctor *d, const struct cgroup_limits *cgroup)
{
	u64 total = meminfo("MemTotal"), available = meminfo("MemAvailable"), limit_bytes = cgroup->memory;

	if (limit_bytes && limit_bytes < total) {
		doctor_add(d, "memory", "limit", VERDICT_LIMITED, json_integer((json_int_t)limit_bytes),
			   "a cgroup gives us %llu MiB at most", (unsigned long long)limit_bytes >> 20);
		available = available < limit_bytes ? available : limit_bytes;
	}
	doctor_add(d, "memory", "available", available < 1ull << 30 ? VERDICT_LIMITED : VERDICT_GOOD,
		   json_pack("{s:I, s:I}", "total", (json_int_t)total, "available", (json_int_t)available),
		   "%llu MiB of %llu MiB are available: %llu L1s of %llu MiB", (unsigned long long)available >> 20,
		   (unsigned long long)total >> 20,
		   (unsigned long long)(available / (MEMORY_DEFAULT + MEMORY_DEFAULT / 4)),
		   (unsigned long long)MEMORY_DEFAULT >> 20);
}

/* Two views of one memory, one to write to and one to execute, as the code cache has them. */
static void executable(struct doctor *d)
{
	static const u8 RETURNS_42[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	int fd = memfd_create("turtles-doctor", MFD_CLOEXEC), got = 0, err = 0;
	void *rw = MAP_FAILED, *rx = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, 4096)) {
		rw = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		rx = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	}
	if (rw == MAP_FAILED || rx == MAP_FAILED) {
		err = errno;
	} else {
		int (*fn)(void);

		memcpy(rw, RETURNS_42, sizeof(RETURNS_42));
		memcpy(&fn, &rx, sizeof(fn));
		got = fn();
	}
	if (rw != MAP_FAILED)
		munmap(rw, 4096);
	if (rx != MAP_FAILED)
		munmap(rx, 4096);
	if (fd >= 0)
		close(fd);
	if (got == 42)
		doctor_add(d, "host", "code", VERDICT_GOOD, json_true(), "the kernel lets us make code and run it");
	else
		doctor_add(d, "host", "code", VERDICT_BAD,
			   json_false(), "the kernel doesn't let us make code and run it: %s; a policy (SELinux' execmem, a sandbox) has to allow it",
			   strerror(err));
}

void doctor_host(struct doctor *d)
{
	const struct cgroup_limits cgroup = cgroup_limits("/proc/self/cgroup", "/sys/fs/cgroup");
	char value[128];

	if (first_line("/proc/sys/kernel/osrelease", value, sizeof(value)))
		doctor_add(d, "host", "kernel", VERDICT_FACT, json_string(value), "Linux %s", value);
	executable(d);
	topology(d);
	limits(d, &cgroup);
	memory(d, &cgroup);
}
