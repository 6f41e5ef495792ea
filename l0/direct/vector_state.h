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
	u32 pkru_at; /* where struct kvm_xsave has PKRU; 0: the guest's isn't KVM's business, or the host has none */
	u32 pkru; /* as KVM has it, with `holds` */
};

/* Where the host has PKRU in XSAVE's standard format, 0: it has none. SDM vol. 1, "Enumeration of CPU Support for XSAVE Instructions" */
u32 vector_state_pkru_offset(void);
/* Bits that the guest's XCR0 can have with this */
static inline u64 vector_state_xcr0(const struct vector_state *s)
{
	return XSTATE_HOST | (s->pkru_at ? XSTATE_PKRU : 0);
}

/*
 * v->xsave and XCR0, parked, to KVM's vCPU with that file descriptor. NULL, or what failed; errno is its reason. A call takes microseconds, and
 * a kernel that only had a tick has left vector registers alone: then there is none.
 */
const char *vector_state_give(struct vector_state *s, const struct vcpu *v, int vcpu);
/*
 * And back; stops the machine if KVM fails, since they are lost then. The result: whether a component of AVX-512 was in use, of which guests have none
 * and which is gone with the next vector_state_give().
 */
bool vector_state_take(struct vector_state *s, struct vcpu *v, int vcpu);

#endif
