/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Placement on topologies of hosts that this one isn't, and the binding of threads on this one. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../pace.h"
#include "../place.h"

static char error[256], warning[256];

/* The vCPUs' PUs as a text: those of an L1 apart by commas, L1s by " | " */
static const char *placed(const char *policy, const char *topology, unsigned int count, const unsigned int *vcpus)
{
	static char text[512];
	struct place *p = place_create(policy, count, vcpus, topology, error, sizeof(error), warning, sizeof(warning));
	size_t n = 0;

	if (!p)
		return NULL;
	text[0] = '\0';
	for (unsigned int i = 0; i < count; i++)
		for (unsigned int j = 0; j < vcpus[i]; j++) {
			char one[64];

			place_text(p, i, j, one, sizeof(one));
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", j ? "," : i ? " | " : "", one);
		}
	place_destroy(p);
	return text;
}

#define LARGE "numa:2 core:4 pu:2" /* PUs 0 and 1 are a core, 0 to 7 a node */

static void policies_place_as_they_say(void **state)
{
	static const unsigned int TWO[] = { 2, 2 }, FOUR[] = { 1, 1, 1, 1 }, NINE[] = { 9 }, MANY[] = { 12, 8 };

	(void)state;
	assert_string_equal(placed("none", LARGE, 2, TWO), "any,any | any,any");
	/* an L1 for each node, a core for each vCPU */
	assert_string_equal(placed("spread", LARGE, 2, TWO), "0,4 | 8,12");
	assert_string_equal(placed("spread", LARGE, 4, FOUR), "0 | 4 | 8 | 12");
	assert_string_equal(placed("spread", LARGE, 1, NINE), "0,1,2,4,6,8,10,12,14");
	assert_string_equal(placed("pack", LARGE, 2, TWO), "0,1 | 2,3");
	assert_string_equal(placed("l1-per-core", LARGE, 2, TWO), "0-1,0-1 | 2-3,2-3");
	assert_string_equal(placed("3,8-9", LARGE, 2, TWO), "3,8 | 9,3");
	assert_string_equal(warning, "");
	/* more vCPUs than PUs: nobody is left out, nobody has much more than another */
	assert_string_equal(placed("pack", LARGE, 2, MANY), "0,1,2,3,4,5,6,7,8,9,10,11 | 12,13,14,15,0,1,2,3");
	assert_string_equal(placed("spread", LARGE, 2, MANY), "0,1,2,3,4,5,6,7,8,9,10,11 | 12,13,14,15,0,1,2,3");
	/* and an L1's vCPUs run side by side as long as it has no more than there are PUs */
	assert_string_equal(placed("spread", "core:2 pu:1", 2, TWO), "0,1 | 0,1");
	assert_string_equal(placed("spread", "core:1 pu:1", 2, TWO), "0,0 | 0,0");
	assert_string_equal(placed("l1-per-core", "core:2 pu:1", 4, FOUR), "0 | 1 | 0 | 1");
}

static void pus_that_may_not_be_used_are_left_out_and_told(void **state)
{
	static const unsigned int TWO[] = { 2, 2 };

	(void)state;
	assert_string_equal(placed("1,77,0", LARGE, 2, TWO), "1,0 | 1,0");
	assert_non_null(strstr(warning, "PU 77 may not be used"));
	assert_null(placed("77,78", LARGE, 2, TWO));
	assert_non_null(strstr(error, "the host has none of these PUs"));
}

static void what_is_no_policy_is_known(void **state)
{
	static const char *const GOOD[] = { "none", "spread", "pack", "l1-per-core", "0", "1,0,1", "0-3", "0-1,5,7-9" };
	static const char *const BAD[] = { "",	  "all", "spread,pack", ",",   "0,",  ",0",
					   "3-1", "1-",	 "-1",		"0x1", "1 2", "1000000" };

	(void)state;
	for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++)
		assert_true(place_is_policy(GOOD[i]));
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
		if (place_is_policy(BAD[i]))
			fail_msg("'%s'", BAD[i]);
}

static void a_thread_is_bound_to_what_this_process_may_use(void **state)
{
	static const unsigned int ONE[] = { 1 };
	cpu_set_t before, now;
	struct place *p;
	char text[64];
	int cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	p = place_create("none", 1, ONE, NULL, error, sizeof(error), warning, sizeof(warning));
	assert_non_null(p);
	assert_int_equal(place_pus(p), CPU_COUNT(&before));
	assert_int_equal(place_bind_thread(p, 0, 0), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
	assert_true(CPU_EQUAL(&now, &before));
	place_destroy(p);
	snprintf(text, sizeof(text), "%d", cpu);
	p = place_create(text, 1, ONE, NULL, error, sizeof(error), warning, sizeof(warning));
	assert_non_null(p);
	assert_int_equal(place_bind_thread(p, 0, 0), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
	assert_int_equal(CPU_COUNT(&now), 1);
	assert_true(CPU_ISSET(cpu, &now));
	place_destroy(p);
	/* what taskset has taken away isn't taken back */
	p = place_create("spread", 3, (unsigned int[]){ 1, 1, 1 }, NULL, error, sizeof(error), warning, sizeof(warning));
	assert_non_null(p);
	assert_int_equal(place_pus(p), 1);
	for (unsigned int i = 0; i < 3; i++) {
		char where[64];

		place_text(p, i, 0, where, sizeof(where));
		assert_string_equal(where, text);
	}
	place_destroy(p);
	assert_null(place_create("65534-65535", 1, ONE, NULL, error, sizeof(error), warning, sizeof(warning)));
	/* what the host has and we may not use is no mistake of whoever has said it */
	if (CPU_COUNT(&before) > 1) {
		int other = cpu + 1;
		char where[64];

		while (!CPU_ISSET(other, &before))
			other++;
		snprintf(text, sizeof(text), "%d", other);
		p = place_create(text, 1, ONE, NULL, error, sizeof(error), warning, sizeof(warning));
		assert_non_null(p);
		assert_non_null(strstr(warning, "none of these PUs may be used"));
		place_text(p, 0, 0, where, sizeof(where));
		assert_string_equal(where, "any");
		assert_int_equal(place_bind_thread(p, 0, 0), 0);
		place_destroy(p);
	}
	sched_setaffinity(0, sizeof(before), &before);
	assert_int_equal(place_bind_thread(NULL, 0, 0), 0);
}

static void weights_become_nice_values_as_far_as_they_go(void **state)
{
	static const struct {
		unsigned int shares, most;
		int base, nice;
		unsigned int counts_as;
	} CASES[] = {
		{ 100, 100, 0, 0, 100 },  { 50, 100, 0, 3, 50 }, /* 1.25^3 is 1.95 */
		{ 1, 69, 0, 19, 1 },	  { 1, 10000, 0, 19, 144 }, /* 10000 / 1.25^19 */
		{ 80, 100, 19, 19, 100 }, { 50, 100, -5, -2, 50 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		unsigned int counts_as;

		assert_int_equal(pace_nice(CASES[i].shares, CASES[i].most, CASES[i].base, &counts_as), CASES[i].nice);
		assert_int_equal(counts_as, CASES[i].counts_as);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_place_as_they_say),
		cmocka_unit_test(pus_that_may_not_be_used_are_left_out_and_told),
		cmocka_unit_test(what_is_no_policy_is_known),
		cmocka_unit_test(weights_become_nice_values_as_far_as_they_go),
		cmocka_unit_test(a_thread_is_bound_to_what_this_process_may_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
