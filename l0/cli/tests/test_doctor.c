/* SPDX-License-Identifier: GPL-2.0-or-later */
/* turtles doctor on this host, and on less of it. */
#include <jansson.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../direct/probe.h"
#include "../../run/tests/program.h"

static struct program p;

static json_t *findings(void)
{
	json_t *root, *list;

	program_start(&p, false, "doctor --json");
	assert_int_equal(program_end(&p, 60), 0);
	root = json_loads(p.output, 0, NULL);
	program_close(&p);
	assert_non_null(root);
	assert_int_equal(json_integer_value(json_object_get(root, "schema")), 1);
	assert_true(json_is_true(json_object_get(root, "runs_guests")));
	list = json_incref(json_object_get(root, "findings"));
	json_decref(root);
	return list;
}

static const json_t *find(const json_t *list, const char *group, const char *name)
{
	size_t i;
	const json_t *finding, *found = NULL;

	json_array_foreach(list, i, finding)
	{
		if (!strcmp(json_string_value(json_object_get(finding, "group")), group) &&
		    !strcmp(json_string_value(json_object_get(finding, "name")), name)) {
			assert_null(found); /* once */
			found = finding;
		}
	}
	if (!found)
		fail_msg("no %s.%s", group, name);
	return found;
}

static const char *text(const json_t *list, const char *group, const char *name, const char *key)
{
	return json_string_value(json_object_get(find(list, group, name), key));
}

static void every_finding_has_a_verdict_and_a_line(void **state)
{
	json_t *list = findings(), *finding;
	size_t i;

	(void)state;
	program_start(&p, false, "doctor");
	assert_int_equal(program_end(&p, 60), 0);
	assert_non_null(strstr(p.output, "Guests can run here."));
	json_array_foreach(list, i, finding)
	{
		const char *group, *name, *verdict, *line;

		assert_int_equal(json_unpack(finding, "{s:s, s:s, s:s, s:s}", "group", &group, "name", &name, "verdict",
					     &verdict, "text", &line),
				 0);
		assert_ptr_equal(find(list, group, name), finding);
		assert_non_null(strstr("good limited fact", verdict));
		assert_true(*line && !strchr(line, '\n'));
		if (!strstr(p.output, name))
			fail_msg("%s isn't in the text", name);
	}
	program_close(&p);
	json_decref(list);
}

static void what_kvm_is_was_found_by_the_probe(void **state)
{
	json_t *list = findings();
	struct kvm_probe probe;

	(void)state;
	kvm_probe(&probe);
	assert_string_equal(text(list, "kvm", "class", "value"), KVM_CLASS_NAMES[probe.class]);
	assert_int_equal(json_is_true(json_object_get(find(list, "kvm", "nests"), "value")), probe.nests);
	if (probe.user64)
		assert_true(json_real_value(json_object_get(json_object_get(find(list, "kvm", "stay"), "value"),
							    "every_2ms")) > 0.5);
	json_decref(list);
}

static void less_of_a_host_is_told(void **state)
{
	struct rlimit before, less;
	cpu_set_t all, one;
	json_t *list;
	int cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	less = before;
	less.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
	list = findings();
	setrlimit(RLIMIT_NOFILE, &before);
	sched_setaffinity(0, sizeof(all), &all);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(find(list, "topology", "pus"), "value"), "pus")), 1);
	if (CPU_COUNT(&all) > 1 || sysconf(_SC_NPROCESSORS_ONLN) > 1)
		assert_string_equal(text(list, "topology", "allowed", "verdict"), "limited");
	assert_string_equal(text(list, "limits", "files", "verdict"), "limited");
	assert_int_equal(json_integer_value(json_object_get(find(list, "limits", "files"), "value")), 100);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_finding_has_a_verdict_and_a_line),
		cmocka_unit_test(what_kvm_is_was_found_by_the_probe),
		cmocka_unit_test(less_of_a_host_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
