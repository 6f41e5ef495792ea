/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trace files: written and read, cut short, damaged, limited; what records say in words and in sums. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../rounds_report.h"
#include "../trace_export.h"
#include "../trace_print.h"
#include "trace_files.h"

#define HEADER 16384 /* bytes that a header has at most here */

static struct trace *create(void)
{
	return traces_of(create_for(1), 0);
}

static int trace_close(struct trace *t, u64 ticks, u64 ns)
{
	return traces_close(t->of, ticks, ns);
}

static void records_are_read_as_they_were_written(void **state)
{
	const u64 n = 300000; /* more than two steps */
	struct trace_record record;
	struct trace_reader r;
	struct trace *t = create();
	struct stat st;
	bool bad;

	(void)state;
	for (u64 i = 0; i < n; i++)
		assert_true(append(t, served(i % 2 ? EXIT_REASON_CPUID : EXIT_REASON_VMREAD, i)));
	assert_int_equal(trace_close(t, 0, 0), 0);
	open_trace(&r);
	assert_string_equal(r.machine, "m\"1\"");
	assert_int_equal(r.header.clock, TRACE_INSNS);
	for (u64 i = 0; i < n; i++) {
		assert_true(trace_read(&r, &record));
		assert_int_equal(record.time, i);
		assert_string_equal(trace_reason(&r, record.reason), i % 2 ? "CPUID" : "VMREAD");
	}
	assert_false(trace_read(&r, &record));
	assert_int_equal(trace_complaint(&r, error, sizeof(error), &bad), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, r.header.header_size + n * sizeof(record));
	trace_read_close(&r);
}

/* The host's TSC becomes nanoseconds by the pair that the run measured. */
static void time_is_scaled(void **state)
{
	struct trace_reader r;
	struct trace *t;

	(void)state;
	run.counted = false;
	t = create();
	assert_int_equal(trace_close(t, 3000000000, 1000000000), 0);
	run.counted = true;
	open_trace(&r);
	assert_int_equal(r.header.clock, TRACE_HOST);
	assert_int_equal(trace_ns(&r, 3000), 1000);
	assert_int_equal(trace_ns(&r, 3000000000000000000), 1000000000000000000);
	trace_read_close(&r);
}

static void a_killed_writer_loses_no_record(void **state)
{
	struct trace_reader r;
	struct trace_record record;
	int status;
	bool bad;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		struct trace *t = create();

		for (u64 i = 0; i < 150000; i++)
			append(t, served(EXIT_REASON_HLT, i + 1));
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(count_records(&bad), 150000);
	assert_false(bad);
	assert_non_null(strstr(error, "killed"));
	open_trace(&r);
	for (u64 i = 0; i < 150000; i++) {
		assert_true(trace_read(&r, &record));
		assert_int_equal(record.time, i + 1);
	}
	trace_read_close(&r);
}

static void the_file_of_a_run_that_still_writes_is_left_to_it(void **state)
{
	struct trace *one = create(), *two;
	bool bad;

	(void)state;
	assert_true(append(one, served(EXIT_REASON_HLT, 1)));
	two = create();
	assert_true(append(one, served(EXIT_REASON_HLT, 2)));
	assert_int_equal(trace_close(one, 0, 0), 0);
	assert_int_equal(trace_close(two, 0, 0), 0);
	assert_int_equal(count_records(&bad), 0);
}

static void a_limit_ends_the_trace_and_is_told(void **state)
{
	struct trace *t;
	struct stat st;
	u64 n = 0;
	bool bad;

	(void)state;
	options.limit = 1000000;
	t = create();
	while (append(t, served(EXIT_REASON_HLT, n)))
		n++;
	assert_false(append(t, served(EXIT_REASON_HLT, n)));
	options.limit = 0;
	assert_int_equal(trace_close(t, 0, 0), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= 1000000 && st.st_size > 1000000 - 64);
	assert_int_equal(count_records(&bad), n);
	assert_false(bad);
	assert_non_null(strstr(error, "limit"));
}

static void a_full_disk_ends_the_trace_and_nothing_else(void **state)
{
	struct rlimit before, small = { .rlim_cur = 20 << 20 };
	struct trace *t;
	u64 n = 0;
	bool bad;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	t = create();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	while (append(t, served(EXIT_REASON_HLT, n)))
		n++;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(n, 2 * (8 << 20) / sizeof(struct trace_record));
	assert_int_not_equal(trace_close(t, 0, 0), 0);
	assert_int_equal(count_records(&bad), n);
	assert_false(bad);
	assert_non_null(strstr(error, "disk was full"));
}

static void what_cant_be_a_trace_file_is_told(void **state)
{
	static const char *const PATHS[] = { "/dev/null", "/dev/full", "/tmp", "/nonexistent/trace" };

	(void)state;
	for (size_t i = 0; i < sizeof(PATHS) / sizeof(PATHS[0]); i++) {
		snprintf(options.path, sizeof(options.path), "%s", PATHS[i]);
		error[0] = '\0';
		assert_null(traces_create(&options, &run, error, sizeof(error)));
		assert_non_null(strstr(error, PATHS[i]));
		assert_null(strchr(error, '\n'));
	}
}

#define SAMPLE (HEADER + 16384) /* bytes that a sample has at most */

/* A file with all kinds of records, 39 of them, on so many vCPUs: its bytes, to be freed. */
static u8 *sample_of(unsigned int vcpus, size_t *size)
{
	struct traces *ts;
	FILE *f;
	u8 *data;

	options.limit = vcpus > 1 ? 60000 : 0; /* small pieces */
	ts = create_for(vcpus);
	options.limit = 0;

	for (u64 i = 1; i < 40; i++) {
		struct trace_record record = served((u32)(i * 7 % 65), i * 100);

		record.kind = (u8)(1 + i % (TRACE_KIND_COUNT - 1));
		record.level = (u8)(1 + i % 2);
		record.reason = record.kind == TRACE_REFUSED || record.kind == TRACE_ENTERED ? 0 : record.reason;
		record.info = record.kind == TRACE_REFUSED ? i : i * 0x802;
		record.flags = i % 3 ? TRACE_DONE : 0;
		record.qualification = i * 0x01010101;
		record.data = i * 0x100080000b01ull;
		record.vcpu = (u8)(i % vcpus);
		append(traces_of(ts, record.vcpu), record);
	}
	assert_int_equal(traces_close(ts, 0, 0), 0);
	f = fopen(path, "re");
	assert_non_null(f);
	data = malloc(SAMPLE);
	assert_non_null(data);
	*size = fread(data, 1, SAMPLE, f);
	assert_true(feof(f));
	fclose(f);
	return data;
}

static u8 *sample(size_t *size)
{
	return sample_of(1, size);
}

static void write_file(const u8 *data, size_t size)
{
	FILE *f;

	unlink(path); /* some file systems flush what replaces a truncated file */
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

/* Whatever the file holds: read it in every way there is. False: it was refused. */
static bool read_all_ways(FILE *to)
{
	char why[512] = "";
	bool bad;

	for (const struct trace_exporter *const *x = TRACE_EXPORTERS; *x; x++) {
		struct trace_filter filter = { .level = 0 };
		struct trace_record record;
		struct trace_reader r;
		struct trace_export *e;
		struct rounds *rounds;
		u64 n = 0;

		if (trace_read_open(&r, path, error, sizeof(error))) {
			assert_true(strlen(error) > strlen(path) && !strchr(error, '\n'));
			return false;
		}
		e = (*x)->begin(to, &r);
		rounds = trace_rounds(&r);
		assert_true(e && rounds);
		while (trace_read(&r, &record)) {
			assert_true(++n < 100);
			trace_filtered(&r, &filter, &record);
			(*x)->record(e, &record, why, sizeof(why));
			trace_print(to, &r, &record);
			trace_count(&r, rounds, &record, why, sizeof(why));
		}
		(*x)->end(e);
		trace_complaint(&r, error, sizeof(error), &bad);
		trace_sum(&r, rounds);
		rounds_print(to, rounds);
		free(rounds);
		trace_read_close(&r);
	}
	return true;
}

/* Damage a sample in 1500 ways; returns how many were refused */
static size_t damage(unsigned int vcpus)
{
	size_t size, refused = 0;
	u8 *data = sample_of(vcpus, &size), *copy = malloc(size);
	FILE *to = fopen("/dev/null", "we");

	assert_true(copy && to);
	srandom(1);
	for (int i = 0; i < 1500; i++) {
		size_t n = size;

		memcpy(copy, data, size);
		if (i % 3 == 0)
			n = (size_t)random() % size;
		for (int flips = i % 3 ? 1 + (int)(random() % 8) : 0; flips; flips--) {
			/* half of them where numbers are: the struct in front, the records */
			size_t at = random() % 2   ? (size_t)random() % size
				    : random() % 2 ? (size_t)random() % sizeof(struct trace_header)
						   : size - 1 - (size_t)random() % (39 * sizeof(struct trace_record));

			copy[at] ^= (u8)(1 << random() % 8);
		}
		write_file(copy, n);
		refused += !read_all_ways(to);
	}
	fclose(to);
	free(copy);
	free(data);
	return refused;
}

static void no_damage_harms_the_reader(void **state)
{
	(void)state;
	for (unsigned int vcpus = 1; vcpus <= 3; vcpus += 2) {
		size_t refused = damage(vcpus);

		print_message("%u vCPUs: %zu of 1500 were refused\n", vcpus, refused);
		assert_in_range(refused, 150, 1200);
	}
}

static void a_file_cut_short_is_read_up_to_there(void **state)
{
	size_t size;
	u8 *data = sample(&size);
	bool bad;

	(void)state;
	write_file(data, size);
	assert_int_equal(count_records(&bad), 39);
	assert_false(bad);
	write_file(data, size - 1);
	assert_int_equal(count_records(&bad), 38);
	assert_true(bad);
	assert_non_null(strstr(error, "38 of 39"));
	write_file(data, size - 5 * sizeof(struct trace_record));
	assert_int_equal(count_records(&bad), 34);
	assert_true(bad);
	/* one record whose kind is none */
	data[size - 3 * sizeof(struct trace_record)] = 200;
	write_file(data, size);
	assert_int_equal(count_records(&bad), 38);
	assert_true(bad);
	assert_non_null(strstr(error, "1 of 39 records are damaged, the first is number 37"));
	free(data);
}

static void another_version_is_refused_and_longer_records_are_not(void **state)
{
	struct trace_header *h;
	struct trace_reader r;
	size_t size, from;
	u8 *data = sample(&size), *longer;
	bool bad;

	(void)state;
	h = (struct trace_header *)data;
	h->version = TRACE_VERSION_PIECES + 1;
	write_file(data, size);
	assert_true(trace_read_open(&r, path, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "version 3"));
	h->version = TRACE_VERSION;
	from = h->header_size;
	longer = calloc(1, from + 39 * 80);
	assert_non_null(longer);
	h->record_size = 80;
	memcpy(longer, data, from);
	for (size_t i = 0; i < 39; i++)
		memcpy(longer + from + i * 80, data + from + i * 64, 64);
	write_file(longer, from + 39 * 80);
	assert_int_equal(count_records(&bad), 39);
	assert_false(bad);
	free(longer);
	free(data);
}

/* A file that has another turtles' names: reasons that are new here have them. */
static void names_are_the_files_own(void **state)
{
	size_t size;
	u8 *data = sample(&size);
	char *name = memmem(data, size, "\"CPUID\"", 7);
	struct trace_reader r;
	struct rounds rounds = { .number = 0 };
	struct trace_record record = served(EXIT_REASON_CPUID, 1);
	struct trace_filter filter = { .level = 0 };

	(void)state;
	assert_non_null(name);
	for (size_t i = 0; i < 5; i++)
		name[1 + i] = "OTHER"[i];
	write_file(data, size);
	open_trace(&r);
	assert_string_equal(trace_reason(&r, EXIT_REASON_CPUID), "OTHER");
	assert_string_equal(trace_reason(&r, 100), "reason 100");
	assert_false(trace_count(&r, &rounds, &record, error, sizeof(error)));
	assert_non_null(strstr(error, "OTHER"));
	assert_true(trace_filter_reason(&r, &filter, "OTHER", 5));
	assert_false(trace_filter_reason(&r, &filter, "CPUID", 5));
	trace_read_close(&r);
	free(data);
}

static void exits_are_told_in_words(void **state)
{
	static const struct {
		struct trace_record record;
		const char *text;
	} CASES[] = {
#define L1(name, ...) \
	{ \
		TRACE_SERVED, 1, .reason = EXIT_REASON_##name, __VA_ARGS__ \
	}
#define L2(name, ...) \
	{ \
		TRACE_REFLECTED, 2, .reason = EXIT_REASON_##name, __VA_ARGS__ \
	}
		/* clang-format off */
		{ L1(CPUID, .info = 0x400000007),                            "leaf 0x7 subleaf 0x4" },
		{ L1(IO_INSTRUCTION, .qualification = 0x3f80000, .data = 65), "out 1 byte to port 0x3f8: 0x41" },
		{ L1(IO_INSTRUCTION, .qualification = 0x600009),             "in 2 bytes from port 0x60" },
		{ L2(IO_INSTRUCTION, .qualification = 0x1f0003b, .info = 16), "rep ins 4 bytes from port 0x1f0, memory at 0x10" },
		{ L1(VMREAD, .info = 0x681e, .data = 7, .flags = TRACE_DONE), "guest_rip is 0x7" },
		{ L1(VMWRITE, .info = 0x2001, .data = 7, .flags = TRACE_DONE), "io_bitmap_a high = 0x7" },
		{ L1(VMREAD, .info = 0x7ffe),                                "field 0x7ffe, failed" },
		{ L1(MSR_READ, .info = 0x1b),                                "msr 0x1b" },
		{ L1(MSR_WRITE, .info = 0x10, .data = 5),                    "msr 0x10 = 0x5" },
		{ L1(EPT_VIOLATION, .qualification = 2, .info = 0xfee000b0), "write at gpa 0xfee000b0: a device" },
		{ L1(HLT, 0),                                                "" },
		{ L2(CR_ACCESS, .qualification = 0x503),                     "mov to cr3 from rbp" },
		{ L2(CR_ACCESS, .qualification = 0x18),                      "mov from cr8 to rax" },
		{ L2(CR_ACCESS, .qualification = 0x20),                      "clts" },
		{ L2(CR_ACCESS, .qualification = 0x10030),                   "lmsw 0x1" },
		{ L2(DR_ACCESS, .qualification = 0x317),                     "mov from dr7 to rbx" },
		{ L2(EPT_VIOLATION, .qualification = 0x182, .info = 0x1000), "write at gpa 0x1000, not present, of a linear address" },
		{ L2(EPT_VIOLATION, .qualification = 0x0ac, .info = 0x2000, .data = 0x8000030e),
		  "fetch at gpa 0x2000, mapped r-x, of a paging-structure entry, during delivery of exception 14" },
		{ L2(EXCEPTION_NMI, .qualification = 0x99, .data = 0x280000b0e), "exception 14 error 0x2 at 0x99" },
		{ L2(EXCEPTION_NMI, .data = 0x80000202),                     "NMI 2" },
		{ L2(EXTERNAL_INTERRUPT, .data = 0x800000ec),                "interrupt 236" },
		{ L2(TASK_SWITCH, .qualification = 0x40000028),              "iret to selector 0x28" },
		{ L2(APIC_ACCESS, .qualification = 0x10b0),                  "write at offset 0xb0" },
		{ L2(INVLPG, .qualification = 0x5000),                       "linear 0x5000" },
		{ L2(VMREAD, .qualification = 0x10),                         "qualification 0x10" },
		{ { TRACE_ENTERED, 2, .data = 0x80000b0dull },               "injects exception 13 error 0" },
		{ { TRACE_ENTERED, 2, .data = 0 },                                      "" },
		{ { TRACE_FAILED, 2, .reason = EXIT_REASON_INVALID_STATE | VM_EXIT_FAILED_ENTRY, .qualification = 4 }, "qualification 0x4" },
		/* clang-format on */
	};
	char text[TRACE_TEXT];
	struct trace_reader r;
	size_t size;

	(void)state;
	free(sample(&size));
	open_trace(&r);
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		trace_describe(&r, &CASES[i].record, text);
		assert_string_equal(text, CASES[i].text);
	}
	trace_describe(&r, &(struct trace_record){ .kind = TRACE_REFUSED, .level = 1, .info = 1 }, text);
	assert_non_null(strstr(text, vmx_check_name(1)));
	trace_read_close(&r);
}

/* reason:, level, round, time: each record of a run of two rounds, and who lets it through */
static void filters_choose_rounds_and_exits(void **state)
{
	static const struct trace_record RUN[] = {
		{ TRACE_SERVED, 1, .reason = EXIT_REASON_CPUID, .time = 10 },
		{ TRACE_ENTERED, 2, .time = 20 },
		{ TRACE_REFLECTED, 2, .reason = EXIT_REASON_HLT, .round = 1, .time = 30 },
		{ TRACE_SERVED, 1, .reason = EXIT_REASON_VMREAD, .round = 1, .time = 40 },
		{ TRACE_ENTERED, 2, .round = 1, .time = 50 },
		{ TRACE_REFLECTED, 2, .reason = EXIT_REASON_CPUID, .round = 2, .time = 60 },
		{ TRACE_SERVED, 1, .reason = EXIT_REASON_VMREAD, .round = 2, .time = 70 },
		{ TRACE_ENTERED, 2, .round = 2, .time = 80 },
	};
	static const struct {
		const char *reason;
		unsigned int level;
		u64 first, last, from, to;
		const char *through;
	} CASES[] = {
		{ NULL, 0, 0, 0, 0, 0, "11111111" },	{ "HLT", 0, 0, 0, 0, 0, "00111000" },
		{ "CPUID", 0, 0, 0, 0, 0, "10000111" }, { "VMREAD", 0, 0, 0, 0, 0, "00010010" },
		{ NULL, 1, 0, 0, 0, 0, "10010010" },	{ "CPUID", 2, 0, 0, 0, 0, "00000101" },
		{ NULL, 0, 2, 2, 0, 0, "00000111" },	{ NULL, 0, 0, 0, 40, 60, "00011100" },
		{ NULL, 0, 0, 0, 70, 0, "00000011" },
	};
	struct trace *t = create();

	(void)state;
	for (size_t i = 0; i < sizeof(RUN) / sizeof(RUN[0]); i++)
		append(t, RUN[i]);
	trace_close(t, 0, 0);
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct trace_filter filter = { .level = CASES[i].level,
					       .round_first = CASES[i].first,
					       .round_last = CASES[i].last,
					       .from_ns = CASES[i].from,
					       .to_ns = CASES[i].to };
		struct trace_record record;
		struct trace_reader r;
		char through[9] = "";

		open_trace(&r);
		if (CASES[i].reason)
			assert_true(trace_filter_reason(&r, &filter, CASES[i].reason, strlen(CASES[i].reason)));
		for (size_t j = 0; trace_read(&r, &record); j++)
			through[j] = trace_filtered(&r, &filter, &record) ? '1' : '0';
		assert_string_equal(through, CASES[i].through);
		trace_read_close(&r);
	}
}

/* What --stats would say, from a random run and from its trace */
static void the_trace_adds_up_to_the_rounds(void **state)
{
	struct rounds *rounds = calloc(1, sizeof(*rounds)), *again = calloc(1, sizeof(*again));
	struct trace *t = create();
	struct trace_record record;
	struct trace_reader r;
	json_t *a, *b;

	(void)state;
	assert_true(rounds && again);
	srandom(2);
	rounds->end_tsc = rounds->end_ns = 1;
	for (u64 i = 1; i < 20000; i++) {
		u32 reason = (u32)(random() % 5 ? EXIT_REASON_VMREAD + random() % 3 : 1 + random() % 4);

		record = served(reason, i * 3);
		record.level = (u8)(1 + random() % 2);
		if (reason == EXIT_REASON_VMREAD && random() % 2) {
			record.info = VMCS_guest_rip;
			record.flags = TRACE_DONE;
			rounds->vmread[VMCS_ID_guest_rip] += record.level == 1;
		}
		record.kind = (u8)(random() % 10 ? TRACE_SERVED : random() % 10 ? 1 + random() % 3 : TRACE_REFUSED);
		if (record.kind == TRACE_REFUSED) {
			record.info = 3;
			rounds_failed(rounds, 3);
		} else if (record.kind == TRACE_SERVED) {
			rounds_exit(rounds, record.level == 2, reason);
			rounds->vmcs_callouts += record.level == 1 &&
						 (reason == EXIT_REASON_VMREAD || reason == EXIT_REASON_VMWRITE);
		} else if (record.kind == TRACE_REFLECTED) {
			rounds_reflect_at(rounds, reason, record.time, record.insns);
		} else {
			rounds_enter_at(rounds, record.time, record.insns);
		}
		if (record.kind != TRACE_SERVED && record.flags) {
			rounds->vmread[VMCS_ID_guest_rip] -= record.level == 1;
			record.flags = 0;
		}
		append(t, record);
	}
	trace_close(t, 0, 0);
	open_trace(&r);
	while (trace_read(&r, &record))
		assert_true(trace_count(&r, again, &record, error, sizeof(error)));
	trace_sum(&r, again);
	trace_read_close(&r);
	a = rounds_json(rounds, false);
	b = rounds_json(again, false);
	assert_true(json_equal(a, b));
	assert_int_equal(rounds->number, again->number);
	json_decref(a);
	json_decref(b);
	free(rounds);
	free(again);
}

/* What Chrome and Perfetto ask for: JSON; on each track time doesn't go back, slices nest and are ended; flows lie in slices. */
static void chrome_slices_nest(unsigned int vcpus)
{
	struct traces *ts = create_for(vcpus);
	u64 now = 0;

	srandom(3);
	for (int i = 0; i < 3000; i++) {
		struct trace_record record = served(EXIT_REASON_CPUID, now += (u64)random() % 2000);

		record.kind = (u8)(1 + random() % (TRACE_KIND_COUNT - 1));
		record.level = (u8)(1 + random() % 2);
		record.round = (u64)i;
		record.vcpu = (u8)((unsigned int)random() % vcpus);
		append(traces_of(ts, record.vcpu), record);
	}
	traces_close(ts, 0, 0);
	for (unsigned int level = 0; level <= 2; level++) {
		struct trace_filter filter = { .level = level };
		int depth[7] = { 0 }, most = 0, flows = 0, open = 0;
		double last[7] = { 0 };
		struct trace_record record;
		struct trace_reader r;
		struct trace_export *e;
		json_t *root, *event;
		char *text = NULL;
		size_t size, j;
		FILE *to = open_memstream(&text, &size);

		assert_non_null(to);
		open_trace(&r);
		e = TRACE_EXPORTERS[0]->begin(to, &r);
		while (trace_read(&r, &record))
			if (trace_filtered(&r, &filter, &record))
				TRACE_EXPORTERS[0]->record(e, &record, error, sizeof(error));
		TRACE_EXPORTERS[0]->end(e);
		fclose(to);
		trace_read_close(&r);
		root = json_loads(text, 0, NULL);
		assert_non_null(root);
		json_array_foreach(json_object_get(root, "traceEvents"), j, event)
		{
			json_int_t track = json_integer_value(json_object_get(event, "tid"));
			char phase = json_string_value(json_object_get(event, "ph"))[0];
			double at = json_number_value(json_object_get(event, "ts"));

			assert_in_range(track, 1, 2 * vcpus);
			if (phase == 'M')
				continue;
			assert_true(at >= last[track]);
			last[track] = at;
			depth[track] += phase == 'B' ? 1 : phase == 'E' ? -1 : 0;
			assert_true(depth[track] >= 0);
			most = depth[track] > most ? depth[track] : most;
			if (phase == 's' || phase == 't' || phase == 'f') {
				flows++;
				assert_true(depth[track] > 0);
			}
		}
		for (unsigned int track = 1; track <= 2 * vcpus; track++)
			open += depth[track];
		assert_int_equal(open, 0);
		assert_true(most <= 2 && (level == 1 || (most && flows)));
		json_decref(root);
		free(text);
	}
}

static void chrome_slices_nest_whatever_was_filtered(void **state)
{
	(void)state;
	chrome_slices_nest(1);
	chrome_slices_nest(3);
}

/* A pipe can't be looked through for the vCPUs' pieces. */
static void several_vcpus_come_through_a_pipe(void **state)
{
	size_t size;
	u8 *data = sample_of(3, &size);
	struct trace_record record;
	struct trace_reader r;
	char name[32];
	int fds[2];
	u64 n = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], data, size), size);
	close(fds[1]);
	snprintf(name, sizeof(name), "/dev/fd/%d", fds[0]);
	assert_int_equal(trace_read_open(&r, name, error, sizeof(error)), 0);
	close(fds[0]);
	while (trace_read(&r, &record))
		assert_int_equal(record.insns, ++n * 100);
	assert_int_equal(n, 39);
	trace_read_close(&r);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_read_as_they_were_written),
		cmocka_unit_test(time_is_scaled),
		cmocka_unit_test(a_killed_writer_loses_no_record),
		cmocka_unit_test(the_file_of_a_run_that_still_writes_is_left_to_it),
		cmocka_unit_test(a_limit_ends_the_trace_and_is_told),
		cmocka_unit_test(a_full_disk_ends_the_trace_and_nothing_else),
		cmocka_unit_test(what_cant_be_a_trace_file_is_told),
		cmocka_unit_test(no_damage_harms_the_reader),
		cmocka_unit_test(a_file_cut_short_is_read_up_to_there),
		cmocka_unit_test(another_version_is_refused_and_longer_records_are_not),
		cmocka_unit_test(names_are_the_files_own),
		cmocka_unit_test(exits_are_told_in_words),
		cmocka_unit_test(filters_choose_rounds_and_exits),
		cmocka_unit_test(the_trace_adds_up_to_the_rounds),
		cmocka_unit_test(chrome_slices_nest_whatever_was_filtered),
		cmocka_unit_test(several_vcpus_come_through_a_pipe),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
