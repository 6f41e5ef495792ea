/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does it pay to run this code directly? What a stay of some length says of the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../user_policy.h"

static struct user_policy p;

static int fresh(void **state)
{
	(void)state;
	p = (struct user_policy){ 0 };
	policy_init(&p);
	return 0;
}

/* Instructions from now on until it is tried again, if the code stays in user mode */
static u64 wait_from(u64 now)
{
	u64 by_patience = now + p.patience;

	return (by_patience > p.not_before ? by_patience : p.not_before) - now;
}

static void code_proves_itself_first(void **state)
{
	(void)state;
	assert_false(policy_go(&p, 1000, 1000));
	assert_false(policy_go(&p, 1000 + PATIENCE_START - 1, 1000));
	assert_true(policy_go(&p, 1000 + PATIENCE_START, 1000));
}

static void what_stays_goes_on_at_once(void **state)
{
	(void)state;
	policy_learn(&p, STAY_GOOD_NS, 0, true, 0);
	assert_true(policy_go(&p, 0, 0));
	policy_learn(&p, STAY_GOOD_NS, 0, false, 0); /* it ended by itself: it may have begun something else */
	assert_false(policy_go(&p, 0, 0));
	assert_true(policy_go(&p, PATIENCE_START, 0));
	/* a short stay that something from outside ended says nothing */
	policy_learn(&p, 1, 0, true, 0);
	assert_int_equal(p.patience, PATIENCE_START);
	/* nor does one that was neither short nor long */
	policy_learn(&p, STAY_BAD_NS, 0, false, 0);
	assert_int_equal(p.patience, PATIENCE_START);
}

static void what_never_pays_is_tried_ever_more_seldom(void **state)
{
	u64 now = 0, last = 0, wait;

	(void)state;
	for (int i = 0; i < 40; i++) {
		policy_learn(&p, 40000, 0, false, now);
		wait = wait_from(now);
		assert_true(wait >= last);
		assert_true(wait <= PAUSE_MAX);
		assert_true(policy_go(&p, now + wait, now));
		assert_false(policy_go(&p, now + wait - 1, now));
		last = wait;
		now += wait;
	}
	assert_int_equal(last, PAUSE_MAX);
	/* what a kernel comes in between of counts from there, so patience alone must end between two ticks */
	assert_int_equal(p.patience, PATIENCE_MAX);
	/* one stay that pays, and all is well */
	policy_learn(&p, STAY_GOOD_NS, 0, true, now);
	assert_true(policy_go(&p, now, now));
	policy_learn(&p, 40000, 0, false, now);
	assert_int_equal(wait_from(now), PATIENCE_START);
}

static void a_dear_way_in_and_out_moves_the_bars(void **state)
{
	(void)state;
	policy_learn(&p, STAY_GOOD_NS, STAY_GOOD_NS, true, 0);
	assert_false(policy_go(&p, 0, 0));
	policy_learn(&p, 8 * STAY_GOOD_NS, STAY_GOOD_NS, true, 0);
	assert_true(policy_go(&p, 0, 0));
}

static void an_unfit_page_waits_as_long_as_at_first(void **state)
{
	(void)state;
	policy_learn(&p, STAY_GOOD_NS, 0, true, 0);
	policy_unfit(&p);
	assert_int_equal(p.patience, PATIENCE_START);
	policy_learn(&p, 40000, 0, false, 0);
	policy_unfit(&p);
	assert_int_equal(p.patience, 2 * PATIENCE_START);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(code_proves_itself_first, fresh),
		cmocka_unit_test_setup(what_stays_goes_on_at_once, fresh),
		cmocka_unit_test_setup(what_never_pays_is_tried_ever_more_seldom, fresh),
		cmocka_unit_test_setup(a_dear_way_in_and_out_moves_the_bars, fresh),
		cmocka_unit_test_setup(an_unfit_page_waits_as_long_as_at_first, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
