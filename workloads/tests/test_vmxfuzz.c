/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * workloads/vmxfuzz, the hypervisor that means no good: whatever it does, it is the only one that is harmed.
 *
 * VMXFUZZ_SEEDS=FROM-TO in the environment: other seeds, as many as one likes. A seed that fails runs by itself with
 *   build/turtles run --kernel build/guest/bin/vmxfuzz --memory 64 --cpu Skylake-Server,+vmx --clock insns --no-reboot \
 *       --device isa-debug-exit,iobase=0x4f4,iosize=4 --append SEED --trace-log vmx
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../l0/run/tests/program.h"
#include "../vmxfuzz/ends.h"

#define SECONDS_MAX 200 /* a machine with sanitizers, and busy */

static struct program p;

static int run(const char *guest, const char *options)
{
	char args[512];
	int code;

	snprintf(args, sizeof(args),
		 "run --kernel %s/bin/vmxfuzz --memory %d --cpu Skylake-Server,+vmx --clock insns --no-reboot --device "
		 "isa-debug-exit,iobase=%#x,iosize=4 --append=%s %s",
		 program_guest(), VMXFUZZ_MEMORY_MIB, VMXFUZZ_DEBUG_EXIT, guest, options);
	program_start(&p, false, args);
	code = program_end(&p, SECONDS_MAX);
	program_close(&p);
	return code;
}

static bool has_line(const char *begins)
{
	const char *line = p.errors;

	for (; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, begins, strlen(begins)))
			return true;
	}
	return false;
}

static void no_seed_harms_l0(void **state)
{
	const char *seeds = getenv("VMXFUZZ_SEEDS");
	unsigned int from = 1, to = 8, done = 0;

	(void)state;
	if (seeds && sscanf(seeds, "%u-%u", &from, &to) != 2)
		fail_msg("VMXFUZZ_SEEDS is FROM-TO, not %s", seeds);
	for (unsigned int seed = from; seed <= to; seed++) {
		char guest[16];
		int code;

		snprintf(guest, sizeof(guest), "%u", seed);
		code = run(guest, "--timeout 180");
		/* it is through; it has destroyed itself; VMX has stopped it; it has powered off or reset the machine */
		if (code != VMXFUZZ_EXIT(VMXFUZZ_DONE) && code != VMXFUZZ_EXIT(VMXFUZZ_HARMED) && code != 4 && code != 0)
			fail_msg("seed %u: exit code %d, stderr: %s, console: %.300s", seed, code, p.errors, p.output);
		if (program_error_lines(&p) > (code == 4) || strstr(p.errors, "internal error"))
			fail_msg("seed %u: stderr: %s", seed, p.errors);
		done += code == VMXFUZZ_EXIT(VMXFUZZ_DONE);
	}
	/* most seeds get to their end: otherwise little is tried */
	assert_true(done >= (to - from + 1) / 2);
}

static void a_seed_is_the_same_run_every_time(void **state)
{
	static char first[PROGRAM_TEXT];

	(void)state;
	assert_int_equal(run("3,700", ""), VMXFUZZ_EXIT(VMXFUZZ_DONE));
	memcpy(first, p.output, sizeof(first));
	assert_int_equal(run("3,700", ""), VMXFUZZ_EXIT(VMXFUZZ_DONE));
	assert_string_equal(first, p.output);
	assert_non_null(strstr(first, "hash "));
}

/* Seeds that invalidate before each entry, as a hypervisor has to that has edited its tables. */
static void guests_can_not_tell_the_modes_of_vmx_apart(void **state)
{
	static const char *const MODES[] = { "--vmcs-access trap", "--vmcs-access shadow", "--mmu walk",
					     "--vmcs-merge full" };
	static char first[PROGRAM_TEXT];

	(void)state;
	for (unsigned int seed = 1; seed <= 9; seed += 4) {
		char guest[16];
		int code;

		snprintf(guest, sizeof(guest), "%u,1000", seed);
		code = run(guest, "");
		memcpy(first, p.output, sizeof(first));
		for (unsigned int i = 0; i < sizeof(MODES) / sizeof(MODES[0]); i++) {
			assert_int_equal(run(guest, MODES[i]), code);
			if (strcmp(first, p.output))
				fail_msg("seed %u, %s: %s", seed, MODES[i], p.output);
		}
	}
}

static void the_log_says_which_check_of_an_entry_failed_with_which_values(void **state)
{
	const char *check, *end, *value;

	(void)state;
	assert_int_equal(run("3,60", "--trace-log vmx,vmcs --summary"), VMXFUZZ_EXIT(VMXFUZZ_DONE));
	assert_true(has_line("vmx: event=entry insn=VMLAUNCH vmcs=0x2"));
	assert_true(has_line("vmx: event=exit reason="));
	assert_true(has_line("vmx: event=vmfail error=12 "));
	assert_true(has_line("vmcs: GUEST_REGS guest_rip=0x"));
	assert_true(has_line("entries that failed"));
	/* event=check vmcs=... rip=... name: sentence: field=value */
	check = strstr(p.errors, "vmx: event=check vmcs=0x2");
	assert_non_null(check);
	end = strchr(check, '\n');
	value = strstr(check, ": ");
	assert_non_null(value = strstr(value + 2, ": "));
	assert_non_null(value = strstr(value + 2, ": "));
	assert_non_null(value = strstr(value, "=0x"));
	assert_true(value < end);
}

static void the_dump_at_the_end_has_the_current_vmcs(void **state)
{
	(void)state;
	assert_int_equal(run("3,60", "--dump-on-exit"), VMXFUZZ_EXIT(VMXFUZZ_DONE));
	assert_true(has_line("vcpu=0 mode=64-bit"));
	assert_true(has_line("vmcs vmxon=0x2000000 current=0x2"));
	assert_true(has_line("vmcs CONTROLS pin_based_vm_exec_control=0x"));
	assert_true(has_line("vmcs EXIT_INFO exit_qualification="));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_seed_harms_l0),
		cmocka_unit_test(a_seed_is_the_same_run_every_time),
		cmocka_unit_test(guests_can_not_tell_the_modes_of_vmx_apart),
		cmocka_unit_test(the_log_says_which_check_of_an_entry_failed_with_which_values),
		cmocka_unit_test(the_dump_at_the_end_has_the_current_vmcs),
	};

	return cmocka_run_group_tests_name("vmx fuzzer", tests, NULL, NULL);
}
