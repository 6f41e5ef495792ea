/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPUID under KVM: the model's, without what this KVM can't do, and with the host's layout of XSAVE areas. */
#include "kvm.h"

#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "../cpu/fpu.h"
#include "../cpu/model.h"
#include "../machine/machine.h"

#define LEAF_XSAVE 0xdu
#define LEAF_ADDRESS_SIZES 0x80000008u
#define SUBLEAVES 64 /* XSAVE has one for each component, the others fewer */

enum { LEAVES_MAX = 256 };

union cpuid_table {
	struct kvm_cpuid2 list;
	u8 space[sizeof(struct kvm_cpuid2) + LEAVES_MAX * sizeof(struct kvm_cpuid_entry2)];
};

static bool get_supported(int kvm, union cpuid_table *t)
{
	t->list.nent = LEAVES_MAX;
	return !ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &t->list);
}

static const struct kvm_cpuid_entry2 *find(const union cpuid_table *t, u32 leaf, u32 subleaf)
{
	for (u32 i = 0; i < t->list.nent; i++) {
		const struct kvm_cpuid_entry2 *e = &t->list.entries[i];

		if (e->function == leaf && (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == subleaf))
			return e;
	}
	return NULL;
}

struct offer {
	bool deadline;
	union cpuid_table supported;
};

/* The two that KVM doesn't list: one has a capability of its own, the other is the truth. */
static bool offered(void *arg, enum feature f, u32 leaf, u32 subleaf, unsigned int reg, unsigned int bit)
{
	const struct offer *o = arg;
	const struct kvm_cpuid_entry2 *e = find(&o->supported, leaf, subleaf);
	const u32 regs[] = { e ? e->eax : 0, e ? e->ebx : 0, e ? e->ecx : 0, e ? e->edx : 0 };

	if (f == FEATURE_TSC_DEADLINE)
		return o->deadline;
	if (f == FEATURE_HYPERVISOR)
		return true;
	return regs[reg] >> bit & 1;
}

int kvm_cpuid_restrict(int kvm, struct cpu_model *model, char *error, size_t n)
{
	const struct kvm_cpuid_entry2 *sizes;
	struct offer o;
	u8 phys_bits;

	if (!get_supported(kvm, &o.supported)) {
		snprintf(error, n, "KVM_GET_SUPPORTED_CPUID failed on /dev/kvm");
		return EXIT_HOST;
	}
	o.deadline = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	if (model_restrict(model, offered, &o, "the host's KVM doesn't offer it", error, n))
		return EXIT_USAGE;
	sizes = find(&o.supported, LEAF_ADDRESS_SIZES, 0);
	phys_bits = sizes ? sizes->eax & 0xff : 36;
	if (model->phys_bits > phys_bits)
		model->phys_bits = phys_bits;
	return 0;
}

/*
 * Where a component lies in the standard format is the host's choice; which of them there are is the model's. KVM itself fills
 * in what depends on XCR0.
 */
static void host_layout(const union cpuid_table *supported, union cpuid_table *t)
{
	u32 size = XSAVE_EXTENDED;
	struct kvm_cpuid_entry2 *first = NULL;

	for (u32 i = 0; i < t->list.nent; i++) {
		struct kvm_cpuid_entry2 *e = &t->list.entries[i];
		const struct kvm_cpuid_entry2 *host;

		if (e->function != LEAF_XSAVE)
			continue;
		if (!e->index)
			first = e;
		if (e->index < 2)
			continue;
		host = find(supported, LEAF_XSAVE, e->index);
		if (!host)
			continue;
		e->eax = host->eax;
		e->ebx = host->ebx;
		e->ecx = host->ecx;
		if (e->eax + e->ebx > size)
			size = e->eax + e->ebx;
	}
	if (first)
		first->ecx = size;
}

static void add_leaf(const struct vcpu *v, union cpuid_table *t, u32 leaf, u32 subleaf, u32 flags)
{
	struct kvm_cpuid_entry2 *e = &t->list.entries[t->list.nent];
	u32 out[4];

	model_cpuid(v, leaf, subleaf, out);
	/* subleaf 1 of the topology's leaf must be there even if it says nothing: it ends the list */
	if (subleaf > 1 && !out[0] && !out[1] && !out[3])
		return;
	if (t->list.nent == LEAVES_MAX)
		return;
	*e = (struct kvm_cpuid_entry2){
		.function = leaf,
		.index = subleaf,
		.flags = flags,
		.eax = out[0],
		.ebx = out[1],
		.ecx = out[2],
		.edx = out[3],
	};
	t->list.nent++;
}

static void add_range(const struct vcpu *v, union cpuid_table *t, u32 first)
{
	static const u32 WITH_SUBLEAVES[] = { 0x4, 0x7, 0xb, LEAF_XSAVE };
	u32 last[4];

	model_cpuid(v, first, 0, last);
	for (u32 leaf = first; leaf <= last[0]; leaf++) {
		u32 flags = 0;

		for (size_t i = 0; i < sizeof(WITH_SUBLEAVES) / sizeof(WITH_SUBLEAVES[0]); i++)
			if (leaf == WITH_SUBLEAVES[i])
				flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		for (u32 subleaf = 0; subleaf < (flags ? SUBLEAVES : 1); subleaf++)
			add_leaf(v, t, leaf, subleaf, flags);
	}
}

int kvm_cpuid_set(struct kvm_vcpu *d, char *error, size_t n)
{
	union cpuid_table supported, t = { .list.nent = 0 };
	struct vcpu *v = d->thread->v;

	if (!get_supported(d->machine->kvm, &supported))
		return kvm_failed(d->machine, "KVM_GET_SUPPORTED_CPUID", error, n);
	/* before the first reset: SYSCALL is shown in 64-bit mode only, KVM shows what it is told in every mode */
	v->efer = EFER_LMA;
	v->seg[CS].ar = AR_L;
	add_range(v, &t, 0);
	if (model_has(v->model, FEATURE_HYPERVISOR))
		add_range(v, &t, 0x40000000);
	add_range(v, &t, 0x80000000);
	v->efer = 0;
	v->seg[CS].ar = 0;
	host_layout(&supported, &t);
	if (ioctl(d->vcpu, KVM_SET_CPUID2, &t.list))
		return kvm_failed(d->machine, "KVM_SET_CPUID2", error, n);
	return 0;
}

#define LEAF_FEATURES 1u
#define FEATURES_ECX_VMX BIT(5)
#define LEAF_STRUCTURED 7u
#define STRUCTURED_ECX_UMIP BIT(2)
#define LEAF_EXTENDED 0x80000001u
#define EXTENDED_ECX_SVM BIT(2)

const char *kvm_cpuid_all(int kvm, int vcpu, bool *umip)
{
	const struct kvm_cpuid_entry2 *e;
	union cpuid_table t;

	if (!get_supported(kvm, &t))
		return "KVM_GET_SUPPORTED_CPUID";
	if (ioctl(vcpu, KVM_SET_CPUID2, &t.list))
		return "KVM_SET_CPUID2";
	e = find(&t, LEAF_STRUCTURED, 0);
	*umip = e && (e->ecx & STRUCTURED_ECX_UMIP);
	return NULL;
}

bool kvm_cpuid_has_vmx(int kvm)
{
	const struct kvm_cpuid_entry2 *features;
	union cpuid_table t;

	if (!get_supported(kvm, &t))
		return false;
	features = find(&t, LEAF_FEATURES, 0);
	return features && (features->ecx & FEATURES_ECX_VMX);
}

bool kvm_cpuid_nests(int kvm)
{
	const struct kvm_cpuid_entry2 *extended;
	union cpuid_table t;

	if (!get_supported(kvm, &t))
		return false;
	extended = find(&t, LEAF_EXTENDED, 0);
	return kvm_cpuid_has_vmx(kvm) || (extended && (extended->ecx & EXTENDED_ECX_SVM));
}
