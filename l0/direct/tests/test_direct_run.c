/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between two slices: what is decided before KVM is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../machine/machine.h"
#include "../../vmx/vmx.h"
#include "../user.h"
#include "../user_internal.h"

static struct {
	struct machine m;
	struct direct_machine dm;
	struct direct_vcpu d;
	struct vcpu v;
	struct vmx x;
} * all;

#define D (&all->d)
#define V (&all->v)
#define SLICE 16384

/* In user mode, of an address space that has proved itself */
static int setup(void **state)
{
	size_t size = (sizeof(*all) + 63) & ~63ul;

	(void)state;
	all = aligned_alloc(64, size);
	assert_non_null(all);
	memset(all, 0, size);
	V->vmx = &all->x;
	V->machine = &all->m;
	V->direct = D;
	V->cpl = 3;
	V->cr3 = 0x1000;
	all->d = (struct direct_vcpu){ .v = V, .machine = &all->dm };
	policy_learn(policy_of(&D->policies, V->cr3, 0), STAY_GOOD_NS, 0, true, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(all);
	return 0;
}

/* How long the next slice is that is translated */
static s64 translated(void)
{
	V->slice = SLICE;
	vcpu_set_budget(V, V->slice);
	assert_false(direct_run(V, TIMER_OFF));
	assert_int_equal(vcpu_budget(V), V->slice);
	return V->slice;
}

static void slices_are_short_until_the_kernel_is_left(void **state)
{
	(void)state;
	D->returning = RETURN_SLICES;
	V->cpl = 0;
	assert_int_equal(translated(), RETURN_SLICE);
	assert_int_equal(translated(), RETURN_SLICE);
	/* back, and something else keeps it from going in */
	V->cpl = 3;
	V->pending_db = 1;
	assert_int_equal(translated(), SLICE);
	V->cpl = 0;
	assert_int_equal(translated(), SLICE);
}

static void a_kernel_that_takes_its_time_gets_whole_slices_again(void **state)
{
	(void)state;
	D->returning = RETURN_SLICES;
	V->cpl = 0;
	for (unsigned int i = 0; i < RETURN_SLICES; i++)
		assert_int_equal(translated(), RETURN_SLICE);
	assert_int_equal(translated(), SLICE);
	/* one that is short for another reason stays so */
	D->returning = 1;
	V->slice = 64;
	vcpu_set_budget(V, 64);
	assert_false(direct_run(V, TIMER_OFF));
	assert_int_equal(V->slice, 64);
}

/* A walk of L2's tables has gone to L1: the stay ended when that began. */
static void a_stay_that_was_unwound_is_accounted_for(void **state)
{
	(void)state;
	D->policy = policy_of(&D->policies, 0x2000, 0);
	D->start_ns = 1000;
	D->unwound_ns = 1000 + 90000;
	D->entries = 1;
	D->entry_ns = D->inside_ns = 80000;
	V->cpl = 0;
	assert_int_equal(translated(), SLICE);
	assert_int_equal(D->stats.ns, 90000);
	assert_int_equal(policy_of(&D->policies, 0x2000, 0)->patience, 2 * PATIENCE_START);
	translated();
	assert_int_equal(D->stats.ns, 90000); /* once */
	assert_int_equal(policy_of(&D->policies, V->cr3, 0)->patience, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(slices_are_short_until_the_kernel_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(a_kernel_that_takes_its_time_gets_whole_slices_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stay_that_was_unwound_is_accounted_for, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
