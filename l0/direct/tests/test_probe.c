/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /dev/kvm is differs from host to host: here is what has to hold on each. */
#include "../../cpu/tests/cmocka_headers.h"

#include <stdio.h>
#include <string.h>

#include "../probe.h"

static void a_file_that_is_not_there_is_absent(void **state)
{
	struct kvm_probe p;

	(void)state;
	kvm_probe_file(&p, "/nonexistent/kvm");
	assert_int_equal(p.class, KVM_ABSENT);
	assert_string_equal(p.why, "/nonexistent/kvm: No such file or directory");
	assert_string_equal(p.user_why, p.why);
	assert_false(p.nests || p.user64 || p.user32);
}

static void a_file_that_is_not_kvm_is_not_usable(void **state)
{
	struct kvm_probe p;

	(void)state;
	kvm_probe_file(&p, "/dev/null");
	assert_int_equal(p.class, KVM_UNUSABLE);
	assert_string_equal(p.why, "KVM_GET_API_VERSION: Inappropriate ioctl for device");
	assert_false(p.nests || p.user64 || p.user32);
}

static void what_is_found_agrees_with_what_was_measured(void **state)
{
	struct kvm_probe p;

	(void)state;
	kvm_probe(&p);
	printf("# /dev/kvm is %s: %s; user code: %s; %.1f ms\n", KVM_CLASS_NAMES[p.class], p.why, p.user_why,
	       (double)p.ns / 1e6);
	if (p.class == KVM_ABSENT || p.class == KVM_UNUSABLE) {
		assert_true(strlen(p.why) > 0);
		assert_false(p.nests || p.user64 || p.user32);
		skip();
	}
	assert_true(p.host_ns > 0);
	assert_true(p.class == KVM_WITH_VT || p.class == KVM_WITHOUT_VT);
	if (p.class == KVM_WITH_VT)
		assert_true(p.kernel_ns < 20 * p.host_ns + 1);
	else
		assert_true(p.kernel_ns < 0 || p.kernel_ns > 10 * p.host_ns);
	assert_true(p.nests == (p.class == KVM_WITH_VT && p.offers_vt));
	if (!p.user64)
		assert_true(strlen(p.user_why) > 0);
	else
		assert_true(p.user_ns < 20 * p.host_ns + 1);
	/* these never come back */
	if (p.user64)
		assert_true((p.sensitive & BIT(SENSITIVE_lsl)) && (p.sensitive & BIT(SENSITIVE_xsave)));
}

static void two_looks_see_the_same(void **state)
{
	struct kvm_probe p, q;

	(void)state;
	kvm_probe(&p);
	kvm_probe(&q);
	assert_int_equal(p.class, q.class);
	assert_int_equal(p.sensitive, q.sensitive);
	assert_true(p.group == q.group);
	assert_int_equal(p.user64, q.user64);
	assert_int_equal(p.user32, q.user32);
	assert_int_equal(p.nests, q.nests);
}

static void what_a_busy_host_makes_slow_is_measured_again(void **state)
{
	(void)state;
	assert_false(kvm_probe_doubts(0.3, 0.3)); /* the CPU itself */
	/* seen on one: user code, which --engine auto had found fast a moment before */
	assert_true(kvm_probe_doubts(25.85, 1.33));
	assert_false(kvm_probe_doubts(1000, 0.3)); /* an interpreter */
	assert_false(kvm_probe_doubts(-1, 0.3)); /* it doesn't run */
}

static void a_stay_costs_what_ending_it_makes_longer(void **state)
{
	struct kvm_stay s;
	struct kvm_probe p;

	(void)state;
	kvm_probe(&p);
	if (!p.user64) {
		assert_false(p.class <= KVM_UNUSABLE && kvm_measure_stay(&s));
		skip();
	}
	assert_true(kvm_measure_stay(&s));
	printf("# whole %.3f, every 4 ms %.3f, every 2 ms %.3f, %.1f us each time\n", s.whole, s.every_4ms, s.every_2ms,
	       s.return_us);
	/* others may have had the CPU for as long as the loop, but not half the loop */
	assert_true(s.whole > 0.5 && s.every_4ms > 0.5 && s.every_2ms > 0.5);
	assert_true(s.whole < 20 && s.every_2ms < 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_is_not_there_is_absent),
		cmocka_unit_test(a_file_that_is_not_kvm_is_not_usable),
		cmocka_unit_test(what_is_found_agrees_with_what_was_measured),
		cmocka_unit_test(two_looks_see_the_same),
		cmocka_unit_test(what_a_busy_host_makes_slow_is_measured_again),
		cmocka_unit_test(a_stay_costs_what_ending_it_makes_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
