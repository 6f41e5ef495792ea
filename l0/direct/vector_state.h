/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87, SSE and AVX registers on their way between struct vcpu and a vCPU of KVM's, and what is known of those that KVM has. */
#ifndef L0_DIRECT_VECTOR_STATE_H
#define L0_DIRECT_VECTOR_STATE_H

#include "../cpu/fpu.h"

struct vcpu;

/* Zeroed: nothing is known. */
struct vector_state {
	_Alignas(64) u8 xsave[4096]; /* as struct kvm_xsave has it */
	u8 held[XSAVE_PKRU_OFFSET]; /* v->xsave as it was when it came from KVM, which still has it: */
	bool holds;
	u64 xcr0; /* as KVM was told */
};

/*
 * v->xsave and XCR0, parked, to KVM's vCPU with that file descriptor. NULL, or what failed; errno is its reason. A call takes microseconds, and
 * a kernel that only had a tick has left vector registers alone: then there is none.
 */
const char *vector_state_give(struct vector_state *s, const struct vcpu *v, int vcpu);
/* And back; stops the machine if KVM fails, since they are lost then. */
void vector_state_take(struct vector_state *s, struct vcpu *v, int vcpu);

#endif
