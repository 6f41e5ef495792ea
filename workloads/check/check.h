/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The self-check that a guest runs: programs that use what a CPU and a kernel offer, and know what must come out.
 * It passes on any Linux host too.
 *
 * Each check runs in its own process, so that one that crashes fails alone. It reports by ending: by returning (PASS),
 * by fail() or by skip().
 */
#ifndef WORKLOADS_CHECK_H
#define WORKLOADS_CHECK_H

#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

/* Each name needs check_<name>() */
/* clang-format off */
#define CHECKS(C) \
	/* files.c */ \
	C(files_are_copied_and_compare_equal) \
	C(files_keep_holes_links_and_truncation) \
	/* process.c */ \
	C(forks_return_every_exit_status) \
	C(a_tree_of_processes_adds_up) \
	C(exec_passes_arguments_and_environment) \
	C(fork_copies_memory_on_write) \
	C(pipes_and_sockets_carry_every_byte) \
	C(threads_count_under_a_lock) \
	C(a_tracer_sees_every_single_step) \
	C(breakpoints_of_the_cpu_stop_a_computing_program) \
	/* signals.c */ \
	C(signals_arrive_once_each) \
	C(faults_tell_what_and_where) \
	C(a_trap_flag_stops_after_one_instruction) \
	C(handlers_leave_vector_registers_alone) \
	/* vector.c */ \
	C(x87_of_several_processes_stays_apart) \
	C(sse_of_several_processes_stays_apart) \
	C(avx_of_several_processes_stays_apart) \
	C(rounding_modes_of_several_processes_stay_apart) \
	C(floating_point_sums_are_the_same_when_interrupted) \
	/* timers.c */ \
	C(sleeps_are_as_long_as_asked) \
	C(a_periodic_timer_keeps_count) \
	C(the_monotonic_clock_agrees_with_the_rtc) \
	C(the_tsc_is_steady_against_the_monotonic_clock) \
	C(clocks_never_go_back) \
	/* memory.c */ \
	C(fresh_pages_are_zero_and_keep_what_is_written) \
	C(protections_are_enforced) \
	C(code_written_over_runs_as_written) \
	C(code_written_through_another_mapping_runs_as_written) \
	/* computing.c */ \
	C(mappings_change_under_computing_code) \
	C(computing_processes_do_not_share_what_they_write) \
	C(a_page_replaced_by_another_thread_is_seen) \
	C(segment_bases_and_selectors_stay_while_code_computes) \
	C(what_computing_code_sees_is_the_kernels_machine) \
	C(code_with_and_without_cpuid_runs_as_written) \
	C(code_on_fresh_pages_runs_as_written) \
	C(instructions_that_xcr0_rules_out_fault) \
	C(instructions_that_xcr0_rules_out_fault_beside_others) \
	/* modes.c */ \
	C(code_in_compatibility_mode_runs)
/* clang-format on */

#define CHECK_DECLARE(name) void check_##name(void);
CHECKS(CHECK_DECLARE)
#undef CHECK_DECLARE

/* End this check; async-signal-safe enough for handlers: one write() and _exit(). */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define EXPECT(condition, ...) \
	do { \
		if (!(condition)) \
			fail(__VA_ARGS__); \
	} while (0)

/* A step of a system call that must work; the message names it and errno. */
#define MUST(call) \
	__extension__({ \
		long result_ = (long)(call); \
		if (result_ == -1) \
			fail("%s: errno %d", #call, errno); \
		result_; \
	})

/* ns of CLOCK_MONOTONIC */
u64 monotonic_ns(void);

/* a sequence of numbers that each seed always gives */
u32 next_random(u32 *state);

#endif
