/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A second page walker to compare mmu_walk() with: recursive, one function a paging structure as the SDM's tables of
 * formats describe them, sharing nothing with paging.c. It changes no table, but says what they should be afterwards.
 */
#ifndef L0_CPU_TESTS_WALKER_H
#define L0_CPU_TESTS_WALKER_H

#include "../vcpu.h"

struct walker_result {
	bool ok;
	u32 error; /* if not ok */
	u64 gpa;
	unsigned int shift;
	bool global, user;
	bool dirty; /* after the walk */
	unsigned int entries;
	struct {
		u64 gpa, after;
		unsigned int size;
	} entry[5];
};

void walker_walk(const struct vcpu *v, u64 linear, unsigned int access, struct walker_result *r);
/* what page.rights should be, if a walk for `access` has just succeeded */
unsigned int walker_rights(const struct vcpu *v, u64 linear, unsigned int access);
u64 walker_entry(const struct vcpu *v, u64 gpa, unsigned int size);

#endif
