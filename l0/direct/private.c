/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "private.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

const char *private_vcpu_open(int kvm, int vm, unsigned int id, u64 sync, int *vcpu, struct kvm_run **run, size_t *size)
{
	int bytes = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	*vcpu = -1;
	*run = NULL;
	if (((u64)ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) & sync) != sync) {
		errno = ENOTSUP;
		return "KVM_CAP_SYNC_REGS";
	}
	*vcpu = ioctl(vm, KVM_CREATE_VCPU, (unsigned long)id);
	if (*vcpu < 0)
		return "KVM_CREATE_VCPU";
	if (bytes < (int)sizeof(struct kvm_run))
		return "KVM_GET_VCPU_MMAP_SIZE";
	*size = (size_t)bytes;
	*run = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, *vcpu, 0);
	if (*run != MAP_FAILED)
		return NULL;
	*run = NULL;
	return "mapping struct kvm_run";
}

void private_vcpu_close(int *vcpu, struct kvm_run **run, size_t size)
{
	if (*run)
		munmap(*run, size);
	if (*vcpu >= 0)
		close(*vcpu);
	*run = NULL;
	*vcpu = -1;
}

static bool set_slot(const struct tables *t, int vm, unsigned int slot, u64 size)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.guest_phys_addr = t->gpa,
		.memory_size = size,
		.userspace_addr = (u64)t->base,
	};

	return !ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static size_t size_of(const struct tables *t)
{
	return (size_t)t->count * TABLE_SIZE;
}

const char *private_memory_make(struct tables *t, int vm, unsigned int slot, u64 gpa, size_t size, u32 first)
{
	t->gpa = gpa;
	t->count = (u32)(size / TABLE_SIZE);
	t->first = t->next = first;
	t->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->base == MAP_FAILED) {
		t->base = NULL;
		return "mmap";
	}
	return set_slot(t, vm, slot, size) ? NULL : "KVM_SET_USER_MEMORY_REGION";
}

const char *private_memory_forget(struct tables *t, int vm, unsigned int slot)
{
	if (!set_slot(t, vm, slot, 0) || !set_slot(t, vm, slot, size_of(t)))
		return "KVM_SET_USER_MEMORY_REGION";
	t->next = t->first;
	return NULL;
}

void private_memory_destroy(struct tables *t)
{
	if (t->base)
		munmap(t->base, size_of(t));
	t->base = NULL;
}

union one_msr {
	struct kvm_msrs list;
	u8 space[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

bool private_msr_set(int vcpu, u32 index, u64 value)
{
	union one_msr m = { .list = { .nmsrs = 1 } };

	m.list.entries[0] = (struct kvm_msr_entry){ .index = index, .data = value };
	return ioctl(vcpu, KVM_SET_MSRS, &m.list) == 1;
}

bool private_msr_get(int vcpu, u32 index, u64 *value)
{
	union one_msr m = { .list = { .nmsrs = 1 } };

	m.list.entries[0] = (struct kvm_msr_entry){ .index = index };
	if (ioctl(vcpu, KVM_GET_MSRS, &m.list) != 1)
		return false;
	*value = m.list.entries[0].data;
	return true;
}
