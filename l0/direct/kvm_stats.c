/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KVM's own statistics of the vCPU: a file of a header, descriptors with names, and numbers. */
#include "kvm.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {
#define NAME(name, kind, text) #name,
	KVM_STATS(NAME)
#undef NAME
};

static void take(struct kvm_stats *to, int fd, const struct kvm_stats_header *h, const struct kvm_stats_desc *desc)
{
	u64 value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(names[i], desc->name, h->name_size) && desc->size == 1 &&
		    pread(fd, &value, sizeof(value), h->data_offset + desc->offset) == (ssize_t)sizeof(value))
			((u64 *)to)[i] += value;
}

void kvm_stats_add(const struct kvm_vcpu *d, struct kvm_stats *to)
{
	int fd = d->counters;
	struct kvm_stats_header h;
	struct kvm_stats_desc *desc;
	size_t size;

	if (fd < 0)
		return;
	if (pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h)) {
		size = sizeof(*desc) + h.name_size;
		desc = malloc(size);
		for (u32 i = 0; desc && i < h.num_desc; i++)
			if (pread(fd, desc, size, h.desc_offset + (off_t)(i * size)) == (ssize_t)size)
				take(to, fd, &h, desc);
		free(desc);
	}
}
