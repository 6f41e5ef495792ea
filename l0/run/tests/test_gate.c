/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One vCPU and its gate; what several do to one another, the litmus tests of workloads/ see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../gate.h"

static int setup(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct vcpu *v = aligned_alloc(64, (sizeof(*v) + 63) & ~63ul);

	assert_non_null(m);
	assert_non_null(v);
	memset(v, 0, sizeof(*v));
	v->machine = m;
	m->parallel = true;
	m->vcpu_count = 1;
	m->vcpu = calloc(1, sizeof(struct vcpu *));
	assert_non_null(m->vcpu);
	m->vcpu[0] = v;
	*state = v;
	alarm(20); /* what waits for itself waits for ever */
	return 0;
}

static int teardown(void **state)
{
	struct vcpu *v = *state;

	alarm(0);
	free(v->machine->vcpu);
	free(v->machine);
	free(v);
	return 0;
}

static void assert_free(struct vcpu *v)
{
	assert_int_equal(v->alone, 0);
	assert_int_equal(atomic_load(&v->machine->gate.closed), 0);
	gate_alone(v); /* its turn comes, nobody has it */
	gate_open(v);
	assert_int_equal(atomic_load(&v->inside), 1);
	gate_out(v);
	assert_int_equal(atomic_load(&v->inside), 0);
}

static void being_alone_nests(void **state)
{
	struct vcpu *v = *state;

	gate_in(v);
	gate_alone(v);
	gate_alone(v);
	gate_open(v);
	assert_int_equal(atomic_load(&v->machine->gate.closed), 1);
	gate_open(v);
	assert_free(v);
}

static void who_left_by_longjmp_while_alone_comes_in_and_opens(void **state)
{
	struct vcpu *v = *state;

	gate_in(v);
	gate_alone(v);
	gate_alone(v);
	gate_in(v); /* the vCPU's loop begins again */
	assert_int_equal(atomic_load(&v->inside), 1);
	gate_reopen(v);
	assert_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(being_alone_nests, setup, teardown),
		cmocka_unit_test_setup_teardown(who_left_by_longjmp_while_alone_comes_in_and_opens, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
