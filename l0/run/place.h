/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which CPUs of the host the vCPUs' threads run on, and where their memory is. CPUs are those that this process may use, by hwloc, which
 * calls a hardware thread a PU (processing unit).
 *
 *	none          the host's scheduler decides, at every moment (the default: two runs that each bind to the first core would share it)
 *	spread        vCPUs apart from each other, on cores with as much cache of their own as there is; an L1's next to each other
 *	pack          vCPUs close together: the threads of a core, then the next core
 *	l1-per-core   each L1 has a core; its vCPUs share it
 *	0,2-3         these PUs, by the host's numbers, one after the other for each vCPU
 *
 * More vCPUs than PUs begin again with the first one.
 */
#ifndef L0_RUN_PLACE_H
#define L0_RUN_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct place;

#define PLACE_POLICIES "none|spread|pack|l1-per-core|PU,PU-PU,..."

/* Is that a policy's name, or a list of PUs? For the command line; whether there are such PUs place_create() says. */
bool place_is_policy(const char *policy);

/*
 * Plan for `count` L1s with so many vCPUs each. topology: NULL is this host, a text is one for tests in hwloc's synthetic form ("pack:2
 * core:4 pu:2"). NULL with one line in error[0..n-1]: the host has no PU of a list, or hwloc fails. A PU that a list names and that may
 * not be used (a cpuset forbids it, it is offline) is left out; if none is left the policy is none. *warning is one line about it, or "".
 */
struct place *place_create(const char *policy, unsigned int count, const unsigned int *vcpus, const char *topology,
			   char *error, size_t n, char *warning, size_t warning_size);
void place_destroy(struct place *p); /* NULL is fine */

/* Bind the calling thread, which is to run a vCPU. 0 or -errno; with NULL or the policy none nothing is done. */
int place_bind_thread(const struct place *p, unsigned int l1, unsigned int vcpu);

/* The L1's memory comes from the NUMA nodes of its vCPUs. Nothing is done where there is one node, or no policy. 0 or -errno. */
int place_bind_memory(const struct place *p, unsigned int l1, void *base, size_t size);

/* The PUs of a vCPU as a list, "0" or "0-1"; "any" with the policy none */
void place_text(const struct place *p, unsigned int l1, unsigned int vcpu, char *text, size_t n);

struct place_host {
	unsigned int packages, nodes, cores, pus; /* that this process may use */
	unsigned int all_pus; /* of the host */
	char list[128]; /* the PUs, "0-3" */
};

/* False: hwloc finds nothing. */
bool place_host(struct place_host *h);

/* What this process may use; 0: hwloc doesn't know */
unsigned int place_pus(const struct place *p);

#endif
