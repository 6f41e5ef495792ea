/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "place.h"

#include <errno.h>
#include <hwloc.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct place {
	hwloc_topology_t topology;
	hwloc_cpuset_t host; /* the host's PUs, also those that this process may not use */
	bool bind; /* false: the policy is none */
	unsigned int count; /* of L1s */
	unsigned int *first; /* index in set[] of each L1's first vCPU; count + 1 of them */
	hwloc_cpuset_t *set; /* of each vCPU */
};

typedef int (*plan_fn)(struct place *p);

static unsigned int count(hwloc_topology_t topology, hwloc_obj_type_t type)
{
	int n = hwloc_get_nbobjs_by_type(topology, type);

	return n > 0 ? (unsigned int)n : 0;
}

static hwloc_obj_t nth(const struct place *p, hwloc_obj_type_t type, unsigned int i)
{
	int n = hwloc_get_nbobjs_by_type(p->topology, type);

	/* hosts that say nothing of cores have PUs */
	if (n <= 0)
		return type == HWLOC_OBJ_PU ? NULL : nth(p, HWLOC_OBJ_PU, i);
	return hwloc_get_obj_by_type(p->topology, type, i % (unsigned int)n);
}

static int plan_none(struct place *p)
{
	p->bind = false;
	return 0;
}

static int plan_spread(struct place *p)
{
	hwloc_obj_t root = hwloc_get_root_obj(p->topology);
	unsigned int n = p->first[p->count], pus = count(p->topology, HWLOC_OBJ_PU), places = n < pus ? n : pus;

	/* Of more than there are PUs hwloc puts neighbours together, which are an L1's own: it is asked once around. */
	if (hwloc_distrib(p->topology, &root, 1, p->set, places, INT_MAX, 0))
		return -errno;
	for (unsigned int i = 0; i < places; i++)
		hwloc_bitmap_singlify(p->set[i]);
	for (unsigned int i = places; i < n; i++)
		p->set[i] = hwloc_bitmap_dup(p->set[i - places]);
	return 0;
}

static int plan_pack(struct place *p)
{
	for (unsigned int i = 0; i < p->first[p->count]; i++) {
		hwloc_obj_t pu = nth(p, HWLOC_OBJ_PU, i);

		p->set[i] = pu ? hwloc_bitmap_dup(pu->cpuset) : NULL;
	}
	return 0;
}

static int plan_l1_per_core(struct place *p)
{
	for (unsigned int l1 = 0; l1 < p->count; l1++)
		for (unsigned int i = p->first[l1]; i < p->first[l1 + 1]; i++) {
			hwloc_obj_t core = nth(p, HWLOC_OBJ_CORE, l1);

			p->set[i] = core ? hwloc_bitmap_dup(core->cpuset) : NULL;
		}
	return 0;
}

static const struct {
	const char *name;
	plan_fn plan;
} POLICIES[] = {
	{ "none", plan_none },
	{ "spread", plan_spread },
	{ "pack", plan_pack },
	{ "l1-per-core", plan_l1_per_core },
};

static plan_fn find(const char *policy)
{
	for (size_t i = 0; i < sizeof(POLICIES) / sizeof(POLICIES[0]); i++)
		if (!strcmp(POLICIES[i].name, policy))
			return POLICIES[i].plan;
	return NULL;
}

/* "0,2-3": calls for each number, in order. False: that is no list. */
static bool each_pu(const char *list, void (*fn)(void *arg, unsigned int pu), void *arg)
{
	if (!*list)
		return false;
	while (*list) {
		char *end;
		unsigned long from, to;

		if (*list < '0' || *list > '9')
			return false;
		from = to = strtoul(list, &end, 10);
		if (*end == '-') {
			list = end + 1;
			if (*list < '0' || *list > '9')
				return false;
			to = strtoul(list, &end, 10);
		}
		if (from > to || to > 65535 || (*end && *end != ',') || (*end == ',' && !end[1]))
			return false;
		for (; from <= to && fn; from++)
			fn(arg, (unsigned int)from);
		list = *end ? end + 1 : end;
	}
	return true;
}

bool place_is_policy(const char *policy)
{
	return find(policy) || each_pu(policy, NULL, NULL);
}

struct list {
	const struct place *place;
	unsigned int pus[4096], count;
	unsigned int forbidden, first_forbidden;
	bool exists; /* one of them is one of the host's */
};

static void take_pu(void *arg, unsigned int pu)
{
	struct list *l = arg;

	l->exists |= hwloc_bitmap_isset(l->place->host, pu) != 0;
	if (!hwloc_get_pu_obj_by_os_index(l->place->topology, pu)) {
		if (!l->forbidden++)
			l->first_forbidden = pu;
	} else if (l->count < sizeof(l->pus) / sizeof(l->pus[0])) {
		l->pus[l->count++] = pu;
	}
}

static int plan_list(struct place *p, const char *policy, char *error, size_t n, char *warning, size_t warning_size)
{
	struct list *l = calloc(1, sizeof(*l));

	if (!l) {
		snprintf(error, n, "--place: not enough memory");
		return -ENOMEM;
	}
	l->place = p;
	each_pu(policy, take_pu, l);
	if (!l->count && !l->exists) {
		snprintf(error, n, "--place: %s: the host has none of these PUs; turtles doctor lists them", policy);
		free(l);
		return -EINVAL;
	}
	/* others that may be used are nobody's choice: another run that was sent away would take the same */
	if (!l->count) {
		snprintf(warning, warning_size,
			 "--place: %s: none of these PUs may be used (a cpuset): vCPUs run where the host decides",
			 policy);
		free(l);
		return plan_none(p);
	}
	if (l->forbidden)
		snprintf(warning,
			 warning_size, "--place: PU %u%s may not be used (a cpuset, or it isn't there): its vCPUs go to the list's others",
			 l->first_forbidden, l->forbidden > 1 ? " and others" : "");
	for (unsigned int i = 0; i < p->first[p->count]; i++) {
		p->set[i] = hwloc_bitmap_alloc();
		if (p->set[i])
			hwloc_bitmap_only(p->set[i], l->pus[i % l->count]);
	}
	free(l);
	return 0;
}

/* hwloc knows what a cpuset forbids; what taskset has left out isn't ours either */
static int restrict_to_binding(struct place *p)
{
	hwloc_bitmap_t bound = hwloc_bitmap_alloc();
	int err = 0;

	if (!bound)
		return -ENOMEM;
	if (!hwloc_get_cpubind(p->topology, bound, HWLOC_CPUBIND_PROCESS) &&
	    hwloc_topology_restrict(p->topology, bound, 0))
		err = -errno;
	hwloc_bitmap_free(bound);
	return err;
}

static int load(struct place *p, const char *topology)
{
	if (hwloc_topology_init(&p->topology))
		return -ENOMEM;
	if ((topology && hwloc_topology_set_synthetic(p->topology, topology)) || hwloc_topology_load(p->topology))
		return errno ? -errno : -EINVAL;
	p->host = hwloc_bitmap_dup(hwloc_topology_get_complete_cpuset(p->topology));
	if (!p->host)
		return -ENOMEM;
	return topology ? 0 : restrict_to_binding(p);
}

static int plan(struct place *p, const char *policy, char *error, size_t n, char *warning, size_t warning_size)
{
	plan_fn by_name = find(policy);
	int err;

	p->bind = true;
	err = by_name ? by_name(p) : plan_list(p, policy, error, n, warning, warning_size);
	for (unsigned int i = 0; !err && p->bind && i < p->first[p->count]; i++)
		err = p->set[i] ? 0 : -ENOMEM;
	if (err && !*error)
		snprintf(error, n, "--place: %s: %s", policy, strerror(-err));
	return err;
}

struct place *place_create(const char *policy, unsigned int count, const unsigned int *vcpus, const char *topology,
			   char *error, size_t n, char *warning, size_t warning_size)
{
	struct place *p = calloc(1, sizeof(*p));
	int err = p ? load(p, topology) : -ENOMEM;

	*error = *warning = '\0';
	if (!err) {
		p->count = count;
		p->first = calloc(count + 1, sizeof(p->first[0]));
		for (unsigned int i = 0; p->first && i < count; i++)
			p->first[i + 1] = p->first[i] + vcpus[i];
		p->set = p->first ? calloc(p->first[count] + 1, sizeof(hwloc_cpuset_t)) : NULL;
		err = p->set ? 0 : -ENOMEM;
	}
	if (err)
		snprintf(error, n, "--place: the host's topology: %s", strerror(-err));
	if (!err)
		err = plan(p, policy, error, n, warning, warning_size);
	if (!err)
		return p;
	place_destroy(p);
	return NULL;
}

void place_destroy(struct place *p)
{
	if (!p)
		return;
	for (unsigned int i = 0; p->set && i < p->first[p->count]; i++)
		hwloc_bitmap_free(p->set[i]);
	free(p->set);
	free(p->first);
	hwloc_bitmap_free(p->host);
	if (p->topology)
		hwloc_topology_destroy(p->topology);
	free(p);
}

int place_bind_thread(const struct place *p, unsigned int l1, unsigned int vcpu)
{
	if (!p || !p->bind)
		return 0;
	return hwloc_set_cpubind(p->topology, p->set[p->first[l1] + vcpu], HWLOC_CPUBIND_THREAD) ? -errno : 0;
}

int place_bind_memory(const struct place *p, unsigned int l1, void *base, size_t size)
{
	hwloc_bitmap_t cpus;
	int err = 0;

	if (!p || !p->bind || hwloc_get_nbobjs_by_type(p->topology, HWLOC_OBJ_NUMANODE) < 2)
		return 0;
	cpus = hwloc_bitmap_alloc();
	if (!cpus)
		return -ENOMEM;
	for (unsigned int i = p->first[l1]; i < p->first[l1 + 1]; i++)
		hwloc_bitmap_or(cpus, cpus, p->set[i]);
	/* cpus stand for the nodes that are near them */
	if (hwloc_set_area_membind(p->topology, base, size, cpus, HWLOC_MEMBIND_BIND, HWLOC_MEMBIND_MIGRATE))
		err = -errno;
	hwloc_bitmap_free(cpus);
	return err;
}

void place_text(const struct place *p, unsigned int l1, unsigned int vcpu, char *text, size_t n)
{
	if (p && p->bind)
		hwloc_bitmap_list_snprintf(text, n, p->set[p->first[l1] + vcpu]);
	else
		snprintf(text, n, "any");
}

unsigned int place_pus(const struct place *p)
{
	return count(p->topology, HWLOC_OBJ_PU);
}

bool place_host(struct place_host *h)
{
	struct place p = { .count = 0 };
	int all = 0;

	*h = (struct place_host){ .pus = 0 };
	if (!load(&p, NULL)) {
		h->packages = count(p.topology, HWLOC_OBJ_PACKAGE);
		h->nodes = count(p.topology, HWLOC_OBJ_NUMANODE);
		h->cores = count(p.topology, HWLOC_OBJ_CORE);
		h->pus = count(p.topology, HWLOC_OBJ_PU);
		hwloc_bitmap_list_snprintf(h->list, sizeof(h->list), hwloc_topology_get_topology_cpuset(p.topology));
	}
	hwloc_bitmap_free(p.host);
	if (p.topology)
		hwloc_topology_destroy(p.topology);
	all = (int)sysconf(_SC_NPROCESSORS_ONLN);
	h->all_pus = all > 0 ? (unsigned int)all : h->pus;
	return h->pus > 0;
}
