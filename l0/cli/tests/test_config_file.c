/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that describes a run, with and without a command line around it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>
#include <cmocka.h>

#include "../options.h"

static char folder[] = "/tmp/test_config_file.XXXXXX";
static char path[64];
static struct lab_config lab;
static char error[512];

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/lab.json", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_config_free(&lab);
	unlink(path);
	return rmdir(folder);
}

/* Parse `--config FILE OPTIONS` with `text` in the file; words of options are apart by spaces. */
static int parse(const char *text, const char *options)
{
	static char words[1024];
	char *argv[100] = { "turtles", "--config", path };
	enum cli_action action;
	int argc = 3;
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	snprintf(words, sizeof(words), "%s", options);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	lab_config_free(&lab);
	error[0] = '\0';
	return options_parse(argc, argv, &lab, &action, error, sizeof(error));
}

static void accepted(const char *text, const char *options)
{
	if (parse(text, options))
		fail_msg("refused: %s", error);
}

static void refused(const char *text, const char *why)
{
	if (!parse(text, ""))
		fail_msg("accepted: %s", text);
	if (!strstr(error, why) || strchr(error, '\n'))
		fail_msg("the message '%s' doesn't say '%s'", error, why);
}

static const char TWO[] =
	"{ \"stats\": \"S\", \"cpu\": \"max,+vmx\", \"timeout\": 1.5, \"summary\": true, \"memory\": 64,"
	"  \"no-reboot\": true,"
	"  \"l1\": [ { \"name\": \"x\", \"kernel\": \"K\", \"append\": \"a,b c\", \"memory\": \"1G\" },"
	"            { \"kernel\": \"L\", \"serial\": [ \"null\", \"file:f\" ], \"no-reboot\": false,"
	"              \"device\": [ \"pc-testdev\", \"isa-debug-exit,iobase=0xf4\" ] } ] }";

static void a_file_describes_a_whole_run(void **state)
{
	(void)state;
	accepted(TWO, "");
	assert_int_equal(lab.l1_count, 2);
	assert_string_equal(lab.stats, "S");
	assert_true(lab.summary);
	assert_string_equal(lab.l1[0].name, "x");
	assert_string_equal(lab.l1[0].append, "a,b c");
	assert_int_equal(lab.l1[0].memory, 1ull << 30);
	assert_int_equal(lab.l1[0].timeout_ns, 1500000000);
	assert_string_equal(lab.l1[0].cpu, "max,+vmx");
	assert_true(lab.l1[0].no_reboot);
	assert_string_equal(lab.l1[1].name, "b");
	assert_false(lab.no_shutdown);
	assert_int_equal(lab.l1[1].memory, 64ull << 20);
	assert_int_equal(lab.l1[1].serial[0].kind, SERIAL_NULL);
	assert_string_equal(lab.l1[1].serial[1].path, "f");
	assert_false(lab.l1[1].no_reboot);
	assert_true(lab.l1[1].testdev && lab.l1[1].debug_exit);
	assert_int_equal(lab.l1[1].debug_exit_iobase, 0xf4);
}

static void the_command_line_counts_more_than_the_file(void **state)
{
	(void)state;
	accepted(TWO, "--timeout 7 --memory 128 --stats T --l1 kernel=M");
	assert_string_equal(lab.stats, "T");
	assert_int_equal(lab.l1_count, 3);
	assert_int_equal(lab.l1[0].memory, 128ull << 20);
	assert_int_equal(lab.l1[1].memory, 128ull << 20);
	assert_int_equal(lab.l1[1].timeout_ns, 7000000000);
	assert_string_equal(lab.l1[0].kernel, "K");
	assert_string_equal(lab.l1[1].kernel, "L");
	assert_false(lab.l1[1].no_reboot);
	assert_string_equal(lab.l1[1].serial[1].path, "f");
	assert_string_equal(lab.l1[2].kernel, "M");
	assert_string_equal(lab.l1[2].name, "c");
	/* what --l1 says is the strongest, but of no other L1 */
	accepted(TWO, "--memory 128 --no-reboot --serial pty --l1 kernel=M,memory=32,no-reboot=off,serial=null");
	assert_true(lab.l1[0].no_reboot && lab.l1[1].no_reboot && !lab.l1[2].no_reboot);
	assert_int_equal(lab.l1[1].memory, 128ull << 20);
	assert_int_equal(lab.l1[2].memory, 32ull << 20);
	assert_int_equal(lab.l1[1].serial[0].kind, SERIAL_PTY);
	assert_int_equal(lab.l1[1].serial[1].kind, SERIAL_NONE);
	assert_int_equal(lab.l1[2].serial[0].kind, SERIAL_NULL);
	assert_int_equal(parse(TWO, "--name z"), -22);
	assert_non_null(strstr(error, "two L1s are called 'z'"));
	assert_int_equal(parse(TWO, "--engine kvm --cap 50"), -22);
	assert_non_null(strstr(error, "l1[0]: --cap: not with"));
	accepted("{ \"serial\": [ \"null\", \"pty\" ], \"kernel\": \"K\" }", "--serial none");
	assert_int_equal(lab.l1_count, 1);
	assert_int_equal(lab.l1[0].serial[0].kind, SERIAL_NONE);
	assert_int_equal(lab.l1[0].serial[1].kind, SERIAL_NONE);
}

static void what_is_wrong_in_a_file_is_told_with_its_place(void **state)
{
	(void)state;
	refused("{ \"l1\": [\n { \"kernel\": } ] }", "line 2");
	refused("", "line 1");
	refused("[]", "not a JSON object");
	refused("{ \"l1\": {} }", "array of objects");
	refused("{ \"l1\": [] }", "array of objects");
	refused("{ \"l1\": [ \"a\" ] }", "l1[0] is no object");
	refused("{ \"l1\": [ { \"kernel\": \"K\" }, { \"kernel\": \"K\", \"colour\": 1 } ] }",
		"l1[1]: colour: no option");
	refused("{ \"kernel\": \"K\", \"memory\": \"x\" }", "lab.json: memory: 'x'");
	refused("{ \"kernel\": \"K\", \"memory\": null }", "memory: takes a string");
	refused("{ \"kernel\": \"K\", \"memory\": { } }", "memory: takes a string");
	refused("{ \"kernel\": \"K\", \"serial\": [ [ ] ] }", "an array in an array");
	refused("{ \"kernel\": \"K\", \"kernel\": \"L\" }", "duplicate");
	refused("{ \"kernel\": \"K\\u0000L\" }", "line 1"); /* jansson has no such strings, unless it is asked */
	refused("{ \"kernel\": \"K\", \"config\": \"x\" }", "can't name another");
	refused("{ \"kernel\": \"K\", \"l1\": [ { \"stats\": \"x\" } ] }", "l1[0]: stats: can't be said of one L1");
	refused("{ \"kernel\": \"K\", \"drive\": \"x\" }", "disks");
	refused("{ \"kernel\": \"K\", \"summary\": \"no\" }", "summary: 'no' is neither on nor off");
	refused("{ \"kernel\": \"K\", \"no-shutdown\": 0 }", "no-shutdown: '0' is neither on nor off");
	refused("{ \"kernel\": \"K\", \"l1\": [ { \"no-reboot\": 1 } ] }", "no-reboot: '1' is neither on nor off");
	refused("{ \"kernel\": \"K\", \"help\": true }", "help: is for the command line");
	refused("{ }", "--kernel");
	unlink(path);
	/* it isn't wrong, it isn't there: another exit code */
	assert_int_equal(parse("{}", "--config /nonexistent/lab.json"), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/lab.json: No such file"));
	assert_int_equal(parse("{}", "--config /tmp"), -22);
	assert_non_null(strstr(error, "/tmp: Is a directory"));
}

static const char ALL_OPTIONS[] =
	"--kernel K --initrd I --append a,b --memory 1G --huge-pages off --preallocate --walk-cache off --code-cache "
	"8M --vcpus 3 "
	"--cpu max,-avx"
	" --machine pit=off --device pc-testdev --device isa-debug-exit,iobase=0xf4,iosize=4 --name n"
	" --serial file:a,b --serial unix:s --serial pty --serial null --engine bt --vmcs-access trap"
	" --vmcs-merge full --mmu walk --clock host --timeout 2.5 --no-reboot --shares 3 --cap 150 --place 0,2-3 "
	"--hold --profile"
	" --dump-on-exit --trace-log io,vmx --directory D --stats S --summary --control C --no-shutdown";

/* ... but, and that is what it is written for */
static void the_effective_configuration_can_be_varied(void **state)
{
	json_t *config;
	char *text;

	(void)state;
	accepted("{}", "--kernel K --memory 64 --engine kvm --serial pty");
	config = config_json(&lab);
	/* which is whole: a version with another default makes the same run of it */
	assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(config, "l1"), 0), "cpu")),
			    "Skylake-Server");
	text = json_dumps(config, 0);
	accepted(text, "--engine bt --memory 128");
	assert_int_equal(lab.l1_count, 1);
	assert_string_equal(lab.l1[0].kernel, "K");
	assert_int_equal(lab.l1[0].engine, ENGINE_BT);
	assert_int_equal(lab.l1[0].memory, 128ull << 20);
	assert_int_equal(lab.l1[0].serial[0].kind, SERIAL_PTY);
	json_decref(config);
	free(text);
}

/* What was asked for, as a file, asks for the same. */
static void the_effective_configuration_is_a_file_that_says_the_same(void **state)
{
	static const char *const LINES[] = {
		"--kernel K",
		ALL_OPTIONS,
		"-kernel K --trace a,,b,reasons=CPUID:HLT,limit=3M,stacks=7 -clock insns --l1 x --l1 y,trace=z,vcpus=1",
		"--kernel K --engine auto --machine kernel-irqchip=off",
		"--kernel K --engine kvm --machine pit=off,kernel-irqchip=on --nodefaults --action reboot=shutdown",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
		json_t *first, *second, *l1;
		char *text;

		accepted("{}", LINES[i]);
		first = config_json(&lab);
		assert_non_null(first);
		text = json_dumps(first, 0);
		accepted(text, "");
		second = config_json(&lab);
		if (strstr(LINES[i], "kernel-irqchip") && !strstr(text, "kernel-irqchip"))
			fail_msg("%s: %s", LINES[i], text);
		if (!json_equal(first, second))
			fail_msg("%s: %s", LINES[i], json_dumps(second, 0));
		free(text);
		l1 = json_array_get(json_object_get(first, "l1"), 0);
		/* of the long line: everything that can be said is there */
		for (size_t o = 0; i == 1 && o < OPTION_COUNT; o++)
			if (OPTIONS[o].ours && OPTIONS[o].group <= GROUP_LAB && strcmp(OPTIONS[o].ours, "config") &&
			    strcmp(OPTIONS[o].ours, "trace") &&
			    !json_object_get(OPTIONS[o].group == GROUP_LAB ? first : l1, OPTIONS[o].ours))
				fail_msg("--%s isn't there", OPTIONS[o].ours);
		json_decref(first);
		json_decref(second);
	}
	accepted("{}", "--kernel \xff");
	assert_null(config_json(&lab));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_describes_a_whole_run),
		cmocka_unit_test(the_command_line_counts_more_than_the_file),
		cmocka_unit_test(the_effective_configuration_can_be_varied),
		cmocka_unit_test(the_effective_configuration_is_a_file_that_says_the_same),
		cmocka_unit_test(what_is_wrong_in_a_file_is_told_with_its_place),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
