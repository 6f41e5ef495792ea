/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What /dev/kvm is good for, found by running something on it: a file that opens says nothing yet. Costs a few milliseconds.
 */
#ifndef L0_DIRECT_PROBE_H
#define L0_DIRECT_PROBE_H

#include <stdbool.h>

#include "../cpu/types.h"
#include "sensitive.h"

enum kvm_class {
	KVM_ABSENT, /* there is no /dev/kvm */
	KVM_UNUSABLE, /* there is one, but not for us */
	KVM_WITHOUT_VT, /* code at CPL 0 is interpreted, user code runs at the CPU's own speed */
	KVM_WITH_VT, /* both run at the CPU's own speed */
};

/* as users read it: "absent", "not usable", "without VT", "with VT" */
extern const char *const KVM_CLASS_NAMES[];

struct kvm_probe {
	enum kvm_class class;
	char why[160]; /* one line: the reason for class */
	bool offers_vt; /* to its guests: VMX or SVM */
	bool nests; /* a guest of this KVM can be a hypervisor, on VT */
	char nests_why[160];
	/* User code can run directly beside the translator (user.h): of 64-bit mode, of compatibility mode */
	bool user64, user32;
	char user_why[200]; /* one line: what was found, or why not */
	/* For that: */
	u32 sensitive; /* rows of SENSITIVE that count, a bit for each enum sensitive */
	u64 group; /* of 0F 01: sensitive_set_make() */
	bool segments; /* CPL 3 can load segment registers with what isn't its guest's */
	bool follows_syscall; /* EFER.SCE = 0 makes SYSCALL fault */
	bool follows_xcr0; /* KVM_SET_XCRS is what XGETBV shows */
	bool follows_fsgsbase; /* CR4.FSGSBASE = 0 makes RDFSBASE fault */
	/* ns for a turn of the same short loop: in this process, at CPL 0, at CPL 3; 0: not measured */
	double host_ns, kernel_ns, user_ns;
	u64 ns; /* what the probe itself took */
};

/* Always fills all of *p. */
void kvm_probe(struct kvm_probe *p);

/* The same of another file. */
void kvm_probe_file(struct kvm_probe *p, const char *path);

/*
 * What a KVM takes from user code at the least, whatever L0 does: the same loop natively, on KVM, and on KVM with a timer that ends KVM_RUN every
 * 4 ms, as the ticks of an L1 with 250 a second do, and every 2 ms, as an L2's do in such an L1. Medians.
 */
struct kvm_stay {
	double whole, every_4ms, every_2ms; /* times the native time */
	double return_us; /* from the code to L0 and back, for a timer */
};

/* Costs half a second. False: user code doesn't run on it. */
bool kvm_measure_stay(struct kvm_stay *s);

/* A turn of a loop is too slow for the CPU's own and too fast for an interpreter's: others had the CPU meanwhile. */
bool kvm_probe_doubts(double ns, double host_ns);

#endif
