/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INIT and start-up signals: SDM vol. 3, "Activity State" of the guest's non-register state, "Other Causes of VM Exits". */
#include "internal.h"

u32 vmx_on_signals(struct vcpu *v, u32 events)
{
	struct vmx *x = v->vmx;

	if (!x || !x->on)
		return events;
	/* INIT is blocked in VMX root operation and while L2 waits for a SIPI; a SIPI means nothing to who doesn't wait for it. */
	if (!v->in_l2 || v->activity == ACTIVITY_WAIT_SIPI)
		x->init_pending |= (events & EV_INIT) != 0;
	else if (events & EV_INIT)
		vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_INIT_SIGNAL });
	if ((events & EV_SIPI) && v->in_l2 && v->activity == ACTIVITY_WAIT_SIPI)
		vmx_exit(v,
			 &(struct vmx_exit_info){ .reason = EXIT_REASON_SIPI_SIGNAL, .qualification = v->sipi_vector });
	return 0;
}

void vmx_unblock_init(struct vcpu *v)
{
	if (!v->vmx->init_pending)
		return;
	v->vmx->init_pending = false;
	vcpu_post(v, EV_INIT);
}
