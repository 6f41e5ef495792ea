/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which L2s may run on VT: one that may, and everything that is said against it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../cpu/fpu.h"
#include "../../machine/machine.h"
#include "../../vmx/vmx.h"
#include "../user.h"
#include "../vt.h"

static struct {
	struct machine m;
	struct direct_machine dm;
	struct direct_vcpu d;
	struct vt_vcpu vt;
	struct vcpu v;
	struct vmx x;
} * all;

#define D (&all->d)
#define V (&all->v)
#define V02 (&all->x.v02)

static int setup(void **state)
{
	size_t size = (sizeof(*all) + 63) & ~63ul;

	(void)state;
	all = aligned_alloc(64, size);
	assert_non_null(all);
	memset(all, 0, size);
	all->v.vmx = &all->x;
	all->v.machine = &all->m;
	all->d = (struct direct_vcpu){ .v = V, .machine = &all->dm, .vt = &all->vt };
	all->dm.eager = true;
	all->vt.cr4_allowed = CR4_PAE | CR4_PGE | CR4_VMXE | CR4_OSFXSR | CR4_PKS;
	V->in_l2 = true;
	V->cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_ET;
	V->cr4 = CR4_PAE | CR4_PGE | CR4_VMXE;
	V->efer = EFER_LMA | EFER_LME;
	V->rflags = FLAG_1;
	V->dr[7] = 0x400;
	V02->cpu_based_vm_exec_control = (u32)CTL_secondary_controls;
	V02->secondary_vm_exec_control = (u32)CTL_ept;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(all);
	return 0;
}

static void any_privilege_level_may(void **state)
{
	(void)state;
	for (u8 cpl = 0; cpl < 4; cpl++) {
		V->cpl = cpl;
		assert_true(vt_may_run(D));
	}
	V->rflags |= FLAG_IF;
	assert_true(vt_may_run(D));
	V->efer = 0; /* 32-bit paging */
	V->cr4 &= ~CR4_PAE;
	assert_true(vt_may_run(D));
}

#define REFUSED(change) \
	do { \
		change; \
		assert_false(vt_may_run(D)); \
		teardown(state); \
		setup(state); \
		assert_true(vt_may_run(D)); \
	} while (0)

static void everything_else_is_translated(void **state)
{
	REFUSED(V->in_l2 = false);
	REFUSED(D->vt = NULL);
	REFUSED(atomic_store(&all->dm.broken, true));
	/* modes */
	REFUSED(V->cr0 &= ~CR0_PE);
	REFUSED(V->cr0 &= ~CR0_PG);
	REFUSED(V->cr0 &= ~CR0_NE);
	REFUSED(V->cr0 |= CR0_CD);
	REFUSED(V->rflags |= FLAG_VM);
	REFUSED(V->efer = 0); /* PAE paging */
	REFUSED(V->cr4 |= CR4_FSGSBASE); /* which this host hasn't */
	REFUSED(V->cr4 |= CR4_PKS); /* which it has */
	REFUSED(V->xcr0 = XSTATE_PKRU);
	REFUSED(V->xss = 1);
	/* what is to happen before the next instruction, or with it */
	REFUSED(V->rflags |= FLAG_TF);
	REFUSED(V->dr[7] |= 2);
	REFUSED(V->debugctl = 2);
	REFUSED(V->pending_db = 1);
	REFUSED(V->intr_shadow = SHADOW_STI);
	REFUSED(V->event.valid = true);
	REFUSED(V->activity = ACTIVITY_HLT);
	REFUSED(V->apic_due = true);
	REFUSED(all->x.step_pending = true);
	/* controls of L1's */
	REFUSED(V02->secondary_vm_exec_control = 0);
	REFUSED(V02->secondary_vm_exec_control |= (u32)CTL_mode_based_execute);
	REFUSED(V02->cpu_based_vm_exec_control |= (u32)CTL_monitor_trap_flag);
	REFUSED(all->x.modes.mmu = NESTED_MMU_SHADOW);
}

static void it_has_to_prove_itself(void **state)
{
	(void)state;
	all->dm.eager = false;
	policy_init(&all->vt.policy);
	assert_false(vt_may_run(D));
	V->insns = PATIENCE_START - 1;
	assert_false(vt_may_run(D));
	V->insns++;
	assert_true(vt_may_run(D));
	all->x.stats.entries++; /* it has left, and come back */
	assert_false(vt_may_run(D));
	V->insns += PATIENCE_START;
	assert_true(vt_may_run(D));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_privilege_level_may, setup, teardown),
		cmocka_unit_test_setup_teardown(everything_else_is_translated, setup, teardown),
		cmocka_unit_test_setup_teardown(it_has_to_prove_itself, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
