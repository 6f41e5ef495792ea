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

static void what_goes_from_page_to_page_is_soon_translated(void **state)
{
	const u64 entry = 90000;

	(void)state;
	/* programs have some pages to map before they compute */
	for (u32 entries = 0; entries < ENTRIES_FREE; entries++)
		assert_true(policy_pays(entries, entries * entry, entries * entry));
	assert_false(policy_pays(ENTRIES_FREE, ENTRIES_FREE * entry, ENTRIES_FREE * entry));
	assert_true(policy_pays(ENTRIES_FREE, 3 * ENTRIES_FREE * entry, ENTRIES_FREE * entry));
	/* and waits longer the next time, though it was in for a millisecond */
	policy_learn(&p, 12 * entry, 12 * entry, false, 0);
	assert_int_equal(p.patience, 2 * PATIENCE_START);
}

static void each_address_space_has_its_own_ways(void **state)
{
	static struct user_policies all;
	struct user_policy *a = policy_of(&all, 0x1000, 0), *b, *l2;

	(void)state;
	assert_int_equal(a->patience, PATIENCE_START);
	policy_learn(a, STAY_GOOD_NS, 0, true, 0);
	assert_int_equal(policy_of(&all, 0x1000, 0)->patience, 0);
	assert_ptr_equal(policy_of(&all, 0x1005, 0), a); /* another PCID, and what else is in CR3's low bits */
	b = policy_of(&all, 0x2000, 0);
	assert_int_equal(b->patience, PATIENCE_START);
	l2 = policy_of(&all, 0x1000, 0x5000);
	assert_int_equal(l2->patience, PATIENCE_START);
	assert_int_equal(policy_of(&all, 0, 0)->patience, PATIENCE_START);
	/* there is room for some: what takes its place begins anew */
	for (u64 cr3 = 0x3000; cr3 < 0x3000 + POLICY_SPACES * 0x40000; cr3 += 0x1000)
		assert_int_equal(policy_of(&all, cr3, 0)->patience, PATIENCE_START);
	assert_int_equal(policy_of(&all, 0x1000, 0)->patience, PATIENCE_START);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(code_proves_itself_first, fresh),
		cmocka_unit_test_setup(what_stays_goes_on_at_once, fresh),
		cmocka_unit_test_setup(what_never_pays_is_tried_ever_more_seldom, fresh),
		cmocka_unit_test_setup(a_dear_way_in_and_out_moves_the_bars, fresh),
		cmocka_unit_test_setup(what_goes_from_page_to_page_is_soon_translated, fresh),
		cmocka_unit_test_setup(each_address_space_has_its_own_ways, fresh),
		cmocka_unit_test_setup(an_unfit_page_waits_as_long_as_at_first, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
