/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../cli/config.h"
#include "../l1.h"

/* Between the two lies what making a machine takes: reading a kernel, asking /dev/kvm what it can do. */
static void user_space_is_timed_from_the_start_as_the_whole_run_is(void **state)
{
	struct run_config c = { .vcpus = 3 };
	struct l1 *l = calloc(1, sizeof(*l));

	(void)state;
	assert_non_null(l);
	l->config = &c;
	l->machine.clock = (struct clock){ .kind = CLOCK_HOST, .start_ns = 1000 };
	l->start_ns = 5000;
	assert_int_equal(l1_user_ns(l), 0); /* nobody was there */
	l->thread[1].user_ns = 9000;
	l->thread[2].user_ns = 7500;
	assert_int_equal(l1_user_ns(l), 2500);
	l->machine.clock = (struct clock){ .kind = CLOCK_INSNS };
	assert_int_equal(l1_user_ns(l), 7500);
	free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(user_space_is_timed_from_the_start_as_the_whole_run_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
