/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vector_state.h"

#include <cpuid.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../cpu/control.h"
#include "../machine/machine.h"

#define STRUCTURED_ECX_OSPKE BIT(4) /* the host's kernel uses it: XCR0 has it */
#define LEAF_XSAVE 0xdu
#define XSTATE_PKRU_BIT 9u

u32 vector_state_pkru_offset(void)
{
	u32 eax, ebx, ecx, edx;

	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(ecx & STRUCTURED_ECX_OSPKE) ||
	    !__get_cpuid_count(LEAF_XSAVE, XSTATE_PKRU_BIT, &eax, &ebx, &ecx, &edx) || eax < sizeof(u32))
		return 0;
	return ebx + sizeof(u32) <= sizeof(((struct vector_state *)NULL)->xsave) ? ebx : 0;
}

const char *vector_state_give(struct vector_state *s, const struct vcpu *v, int vcpu)
{
	struct kvm_xcrs x = { .nr_xcrs = 1 };

	x.xcrs[0].value = v->xcr0 & vector_state_xcr0(s);
	if (s->xcr0 != x.xcrs[0].value) {
		if (ioctl(vcpu, KVM_SET_XCRS, &x))
			return "KVM_SET_XCRS";
		s->xcr0 = x.xcrs[0].value;
		s->holds = false;
	}
	if (s->holds && !memcmp(s->held, v->xsave, XSAVE_PKRU_OFFSET) && (!s->pkru_at || s->pkru == v->pkru))
		return NULL;
	s->holds = false;
	memcpy(s->xsave, v->xsave, XSAVE_PKRU_OFFSET);
	if (s->pkru_at) {
		((struct fpu_image *)s->xsave)->xstate_bv |= XSTATE_PKRU;
		memcpy(s->xsave + s->pkru_at, &v->pkru, sizeof(v->pkru));
	}
	return ioctl(vcpu, KVM_SET_XSAVE, s->xsave) ? "KVM_SET_XSAVE" : NULL;
}

bool vector_state_take(struct vector_state *s, struct vcpu *v, int vcpu)
{
	struct fpu_image *image = (struct fpu_image *)s->xsave;
	bool avx512;

	if (ioctl(vcpu, KVM_GET_XSAVE, s->xsave)) {
		machine_stop(v->machine, STOP_INTERNAL, 0, "direct: KVM_GET_XSAVE: %s", strerror(errno));
		return false;
	}
	avx512 = image->xstate_bv & XSTATE_AVX512;
	if (s->pkru_at) {
		s->pkru = 0;
		if (image->xstate_bv & XSTATE_PKRU)
			memcpy(&s->pkru, s->xsave + s->pkru_at, sizeof(s->pkru));
		control_set_pkru(v, s->pkru);
	}
	image->xstate_bv &= XSTATE_HOST;
	image->fip = image->fdp = 0; /* as the translator leaves them */
	memcpy(v->xsave, s->xsave, XSAVE_PKRU_OFFSET);
	memcpy(s->held, s->xsave, XSAVE_PKRU_OFFSET);
	s->holds = !avx512;
	return avx512;
}
