/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vCPU of KVM's with memory of its own that no guest sees: what monitor.c and vt_cpu.c begin with. */
#ifndef L0_DIRECT_PRIVATE_H
#define L0_DIRECT_PRIVATE_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>

#include "tables.h"

/*
 * vCPU number `id` of `vm`, and its struct kvm_run, which has to know the registers in `sync` (KVM_SYNC_X86_*). NULL, or what failed; errno is its
 * reason. *vcpu is -1 and *run NULL as long as they aren't there; private_vcpu_close() follows in any case.
 */
const char *private_vcpu_open(int kvm, int vm, unsigned int id, u64 sync, int *vcpu, struct kvm_run **run, size_t *size);
void private_vcpu_close(int *vcpu, struct kvm_run **run, size_t size);

/*
 * t->base, size bytes at t->gpa of `vm`, in that memory slot; t->first and those after it are for tables. NULL, or what failed; t->base is NULL
 * as long as there is none.
 */
const char *private_memory_make(struct tables *t, int vm, unsigned int slot, u64 gpa, size_t size, u32 first);
/* KVM forgets all that it has read in the tables; all of them are free. NULL, or what failed. */
const char *private_memory_forget(struct tables *t, int vm, unsigned int slot);
void private_memory_destroy(struct tables *t);

/* false: KVM doesn't have it, or doesn't want it to be so; errno */
bool private_msr_set(int vcpu, u32 index, u64 value);
bool private_msr_get(int vcpu, u32 index, u64 *value);

#endif
