/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vector_state.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../machine/machine.h"

const char *vector_state_give(struct vector_state *s, const struct vcpu *v, int vcpu)
{
	struct kvm_xcrs x = { .nr_xcrs = 1 };

	x.xcrs[0].value = v->xcr0 & XSTATE_HOST;
	if (s->xcr0 != x.xcrs[0].value) {
		if (ioctl(vcpu, KVM_SET_XCRS, &x))
			return "KVM_SET_XCRS";
		s->xcr0 = x.xcrs[0].value;
		s->holds = false;
	}
	if (s->holds && !memcmp(s->held, v->xsave, XSAVE_PKRU_OFFSET))
		return NULL;
	s->holds = false;
	memcpy(s->xsave, v->xsave, XSAVE_PKRU_OFFSET);
	return ioctl(vcpu, KVM_SET_XSAVE, s->xsave) ? "KVM_SET_XSAVE" : NULL;
}

void vector_state_take(struct vector_state *s, struct vcpu *v, int vcpu)
{
	struct fpu_image *image = (struct fpu_image *)s->xsave;

	if (ioctl(vcpu, KVM_GET_XSAVE, s->xsave)) {
		machine_stop(v->machine, STOP_INTERNAL, 0, "direct: KVM_GET_XSAVE: %s", strerror(errno));
		return;
	}
	image->xstate_bv &= XSTATE_HOST;
	image->fip = image->fdp = 0; /* as the translator leaves them */
	memcpy(v->xsave, s->xsave, XSAVE_PKRU_OFFSET);
	memcpy(s->held, s->xsave, XSAVE_PKRU_OFFSET);
	s->holds = true;
}
