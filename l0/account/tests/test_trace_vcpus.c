/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trace files of several vCPUs: written by threads, merged when they are read. */
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "trace_files.h"

#define WRITERS 4
#define WRITTEN 60000u /* records each: more than a piece has */

static void *write_records(void *arg)
{
	struct trace *t = arg;
	u8 vcpu = (u8)(t - traces_of(t->of, 0));

	for (u64 i = 0; i < WRITTEN; i++) {
		struct trace_record record = served(EXIT_REASON_CPUID, i);

		record.time = __builtin_ia32_rdtsc();
		record.vcpu = vcpu;
		if (!append(t, record))
			return NULL;
	}
	return t;
}

/* Threads write, each its vCPU's; of the file as it is before it is closed, too, all is read, in the order of time. */
static void vcpus_at_once_lose_no_record(void **state)
{
	struct traces *ts = create_for(WRITERS + 1);
	pthread_t thread[WRITERS];

	(void)state;
	for (unsigned int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, write_records, traces_of(ts, i)), 0);
	for (unsigned int i = 0; i < WRITERS; i++) {
		void *done;

		pthread_join(thread[i], &done);
		assert_non_null(done);
	}
	for (int closed = 0; closed < 2; closed++) {
		u64 next[WRITERS] = { 0 }, last = 0;
		struct trace_record record;
		struct trace_reader r;
		size_t said;
		bool bad;

		if (closed)
			assert_int_equal(traces_close(ts, 0, 0), 0);
		open_trace(&r);
		assert_int_equal(r.vcpus, WRITERS + 1);
		while (trace_read(&r, &record)) {
			assert_true(record.vcpu < WRITERS && record.time >= last);
			assert_int_equal(record.insns, next[record.vcpu]++);
			assert_true(record.insns == WRITTEN - 1 ? !r.next : r.next && r.next->insns == record.insns + 1);
			last = record.time;
		}
		for (unsigned int i = 0; i < WRITERS; i++)
			assert_int_equal(next[i], WRITTEN);
		said = trace_complaint(&r, error, sizeof(error), &bad);
		assert_false(bad);
		assert_true(closed ? !said : strstr(error, "240000 records up to now") != NULL);
		trace_read_close(&r);
	}
}

static void a_limit_is_that_of_all_vcpus(void **state)
{
	struct trace_record record = served(EXIT_REASON_CPUID, 1);
	struct traces *ts;
	struct stat st;
	bool bad, room = true;
	u64 written = 0;

	(void)state;
	options.limit = 200000;
	ts = create_for(3);
	options.limit = 0;
	while (room) {
		room = false;
		for (record.vcpu = 0; record.vcpu < 3; record.vcpu++)
			if (append(traces_of(ts, record.vcpu), record)) {
				room = true;
				written++;
			}
	}
	assert_int_equal(traces_close(ts, 0, 0), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_in_range(st.st_size, 150000, 200000);
	assert_int_equal(count_records(&bad), written);
	assert_false(bad);
	assert_non_null(strstr(error, "ended at its limit"));
}

/* Of records that alternate between two vCPUs each has its own round. */
static void rounds_are_their_vcpus(void **state)
{
	static const struct trace_record RUN[] = {
		{ TRACE_REFLECTED, 2, .vcpu = 0, .reason = EXIT_REASON_CPUID, .round = 1, .time = 10, .insns = 100 },
		{ TRACE_REFLECTED, 2, .vcpu = 1, .reason = EXIT_REASON_HLT, .round = 1, .time = 20, .insns = 500 },
		{ TRACE_SERVED, 1, .vcpu = 0, .reason = EXIT_REASON_MSR_READ, .round = 1, .time = 30, .insns = 110 },
		{ TRACE_SERVED, 1, .vcpu = 1, .reason = EXIT_REASON_MSR_READ, .round = 1, .time = 40, .insns = 510 },
		{ TRACE_SERVED, 1, .vcpu = 1, .reason = EXIT_REASON_MSR_READ, .round = 1, .time = 50, .insns = 520 },
		{ TRACE_ENTERED, 2, .vcpu = 0, .round = 1, .time = 60, .insns = 130 },
		{ TRACE_SERVED, 1, .vcpu = 1, .reason = EXIT_REASON_MSR_READ, .round = 1, .time = 70, .insns = 530 },
		{ TRACE_ENTERED, 2, .vcpu = 1, .round = 1, .time = 90, .insns = 600 },
	};
	struct traces *ts = create_for(2);
	struct trace_filter filter = { .level = 0 };
	struct trace_record record;
	struct trace_reader r;
	struct rounds *rounds;
	char through[9] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(RUN) / sizeof(RUN[0]); i++)
		append(traces_of(ts, RUN[i].vcpu), RUN[i]);
	traces_close(ts, 0, 0);
	open_trace(&r);
	rounds = trace_rounds(&r);
	assert_non_null(rounds);
	assert_true(trace_filter_reason(&r, &filter, "CPUID", 5));
	for (size_t i = 0; trace_read(&r, &record); i++) {
		assert_memory_equal(&record, &RUN[i], sizeof(record));
		through[i] = trace_filtered(&r, &filter, &record) ? '1' : '0';
		assert_true(trace_count(&r, rounds, &record, error, sizeof(error)));
	}
	trace_sum(&r, rounds);
	trace_read_close(&r);
	assert_string_equal(through, "10100100");
	assert_int_equal(rounds->row[EXIT_REASON_CPUID].tsc, 50);
	assert_int_equal(rounds->row[EXIT_REASON_CPUID].insns, 30);
	assert_int_equal(rounds->row[EXIT_REASON_CPUID].l1[EXIT_REASON_MSR_READ], 1);
	assert_int_equal(rounds->row[EXIT_REASON_HLT].tsc, 70);
	assert_int_equal(rounds->row[EXIT_REASON_HLT].insns, 100);
	assert_int_equal(rounds->row[EXIT_REASON_HLT].l1[EXIT_REASON_MSR_READ], 3);
	assert_int_equal(rounds->l1[EXIT_REASON_MSR_READ], 4);
	free(rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vcpus_at_once_lose_no_record),
		cmocka_unit_test(a_limit_is_that_of_all_vcpus),
		cmocka_unit_test(rounds_are_their_vcpus),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
