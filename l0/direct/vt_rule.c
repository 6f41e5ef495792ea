/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May L2 run on VT, and does it pay? What may run while the guest's vector state is in the host's registers. */
#include "vt.h"

#include "../machine/machine.h"
#include "../vmx/vmx.h"
#include "user.h"

#define CR4_CET BIT(23)
#define CR4_NEVER (CR4_PKS | CR4_CET | CR4_LA57 | CR4_SMXE)

/* SDM vol. 3, "VM-Execution Control Fields": what an L2 has that VT wouldn't do for it as it is set up here */
static bool controls_fit(const struct vcpu *v)
{
	const struct vmcs *m = &v->vmx->v02;

	return has_ept(m) && v->vmx->modes.mmu != NESTED_MMU_SHADOW && !has_mode_based_execute(m) &&
	       !has_monitor_trap_flag(m);
}

static bool registers_fit(const struct vcpu *v, const struct vt_vcpu *t)
{
	u64 pg = CR0_PE | CR0_PG | CR0_NE;

	if ((v->cr0 & pg) != pg || (v->cr0 & (CR0_NW | CR0_CD)))
		return false;
	/* PAE paging outside IA-32e mode has its PDPTEs in registers that the two kinds of VT treat differently */
	if (!(v->efer & EFER_LMA) && (v->cr4 & CR4_PAE))
		return false;
	return !((v->cr4 & ~t->cr4_allowed) || (v->cr4 & CR4_NEVER) || (v->xcr0 & ~vector_state_xcr0(&t->vector)) ||
		 v->xss || v->debugctl);
}

static bool events_fit(const struct vcpu *v)
{
	return v->activity == ACTIVITY_ACTIVE && !v->event.valid && !v->intr_shadow && !v->pending_db && !v->apic_due &&
	       !v->vmx->step_pending && !(v->rflags & (FLAG_TF | FLAG_VM)) && !(v->dr[7] & 0xff);
}

bool vt_may_run(struct direct_vcpu *d)
{
	const struct vcpu *v = d->v;
	struct vt_vcpu *t = d->vt;

	if (!t || !v->in_l2 || atomic_load(&d->machine->broken))
		return false;
	if (t->entries != v->vmx->stats.entries) {
		t->entries = v->vmx->stats.entries;
		t->since = v->insns;
	}
	if (!d->machine->eager && !policy_go(&t->policy, v->insns, t->since))
		return false;
	if (!events_fit(v))
		d->stats.vt_not_events++;
	else if (!registers_fit(v, t))
		d->stats.vt_not_registers++;
	else if (!controls_fit(v))
		d->stats.vt_not_controls++;
	else
		return true;
	return false;
}
