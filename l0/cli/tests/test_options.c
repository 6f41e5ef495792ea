/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../cpu/model.h"
#include "../../direct/choose.h"
#include "../options.h"

static struct lab_config lab;
/* of the first L1 */
#define config (lab.l1[0])
static enum cli_action action;
static char error[512];

/* Parse a command line whose words are apart by spaces; '~' in a word stands for a space. */
static int parse(const char *line)
{
	static char words[2048];
	char *argv[128] = { "turtles" };
	int argc = 1;

	snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok(words, " "); word && argc < 127; word = strtok(NULL, " ")) {
		for (char *s = word; *s; s++)
			if (*s == '~')
				*s = ' ';
		argv[argc++] = word;
	}
	error[0] = '\0';
	lab_config_free(&lab);
	return options_parse(argc, argv, &lab, &action, error, sizeof(error));
}

#define accepted(line) \
	do { \
		if (parse(line)) \
			fail_msg("'%s' is refused: %s", line, error); \
	} while (0)

#define refused(line, why) \
	do { \
		if (!parse(line)) \
			fail_msg("'%s' is accepted", line); \
		if (!strstr(error, why)) \
			fail_msg("'%s': the message '%s' doesn't say '%s'", line, error, why); \
		assert_null(strchr(error, '\n')); \
	} while (0)

static void both_spellings_and_any_number_of_dashes_mean_the_same(void **state)
{
	static const char *const LINES[] = {
		"--kernel K --initrd I --append a~b --memory 1024 --cpu max --vcpus 1 --no-reboot",
		"-kernel K -initrd I -append a~b -m 1024 -cpu max -smp 1 -no-reboot",
		"--kernel K --initrd I --append a~b --m 1G --cpu max --smp cpus=1 --no-reboot",
		"-kernel K -initrd I -append a~b -memory 1048576K -cpu max -vcpus 1 -no-reboot",
		"--kernel=K --initrd=I --append=a~b --memory=1024M --cpu=max --vcpus=1 --no-reboot",
		"-m size=1G -kernel K -initrd I -append a~b -cpu max -action reboot=shutdown",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
		accepted(LINES[i]);
		assert_int_equal(action, ACTION_RUN);
		assert_string_equal(config.kernel, "K");
		assert_string_equal(config.initrd, "I");
		assert_string_equal(config.append, "a b");
		assert_int_equal(config.memory, 1ull << 30);
		assert_string_equal(config.cpu, "max");
		assert_int_equal(config.vcpus, 1);
		assert_true(config.no_reboot);
	}
}

static void defaults_are_a_console_on_stdio_and_the_host_clock(void **state)
{
	(void)state;
	accepted("-kernel K");
	assert_int_equal(config.memory, MEMORY_DEFAULT);
	assert_string_equal(config.append, "");
	assert_null(config.initrd);
	assert_string_equal(config.cpu, model_default());
	assert_null(lab.stats);
	assert_string_equal(config.name, "a");
	assert_int_equal(config.clock, CLOCK_HOST);
	assert_int_equal(config.timeout_ns, 0);
	assert_int_equal(config.serial[0].kind, SERIAL_STDIO);
	assert_int_equal(config.serial[1].kind, SERIAL_NONE);
	assert_false(config.no_reboot || config.testdev || config.debug_exit || lab.summary);
}

/* the line that kvm-unit-tests' x86/run makes, with ACCEL=tcg */
static void the_command_line_of_kvm_unit_tests_is_accepted(void **state)
{
	(void)state;
	accepted("--no-reboot -nodefaults -global kvm-pit.lost_tick_policy=discard -device pc-testdev"
		 " -device isa-debug-exit,iobase=0xf4,iosize=0x4 -display none -serial stdio -machine accel=tcg"
		 " -kernel x86/msr.flat -smp 1 -append some~args -cpu qemu64,+x2apic,-pcid -m 2048 -initrd env");
	assert_true(config.no_reboot && config.testdev && config.debug_exit);
	assert_int_equal(config.debug_exit_iobase, 0xf4);
	assert_int_equal(config.debug_exit_iosize, 4);
	assert_int_equal(config.serial[0].kind, SERIAL_STDIO);
	assert_string_equal(config.cpu, "qemu64,+x2apic,-pcid");
}

static void what_makes_no_difference_is_accepted(void **state)
{
	(void)state;
	accepted("-kernel K -nographic -vnc none -display none -vga none -monitor none -parallel none -net none -nic "
		 "none");
	accepted("-kernel K -machine pc -accel tcg,thread=single -no-hpet -rtc base=utc -boot c -L /x -no-user-config");
	accepted("-kernel K -M pc-i440fx-7.2,accel=kvm:tcg,usb=off,vmport=off,dump-guest-core=on,kernel_irqchip=off");
	accepted("-kernel K -overcommit cpu-pm=on -name guest=vm,debug-threads=on");
	assert_string_equal(config.name, "vm");
	assert_false(config.no_pit);
	accepted("-kernel K -machine accel=tcg -machine pit=off");
	assert_true(config.no_pit);
	accepted("-kernel K -machine pit=off -machine pit=on");
	assert_false(config.no_pit);
}

static void the_engine_has_a_name_of_ours_and_names_of_qemus(void **state)
{
	static const char *const KVM[] = {
		"-kernel K --engine kvm",
		"-kernel K -accel kvm",
		"-kernel K -enable-kvm",
		"-kernel K -machine pc,accel=kvm",
		"-kernel K --engine bt -enable-kvm",
		"-kernel K -machine kernel_irqchip=on -accel kvm",
	};
	static const char *const BT[] = {
		"-kernel K",
		"-kernel K --engine bt",
		"-kernel K -accel tcg",
		"-kernel K -machine accel=kvm:tcg",
		"-kernel K -enable-kvm -accel tcg",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(KVM) / sizeof(KVM[0]); i++) {
		accepted(KVM[i]);
		assert_int_equal(config.engine, ENGINE_KVM);
	}
	for (size_t i = 0; i < sizeof(BT) / sizeof(BT[0]); i++) {
		accepted(BT[i]);
		assert_int_equal(config.engine, ENGINE_BT);
	}
}

/* what --engine kvm is refused with --engine auto may not make of it */
static void auto_is_not_kvm_where_only_the_translator_can(void **state)
{
	static const char *const ONLY_OURS[] = {
		"--trace T", "--trace-log io", "--profile", "--cap 50", "-machine kernel-irqchip=off",
	};
	struct cpu_model model;
	char line[128];

	(void)state;
	assert_int_equal(model_parse(&model, NULL, error, sizeof(error)), 0);
	accepted("-kernel K --engine auto");
	assert_null(engine_needs_translator(&config, &model));
	for (size_t i = 0; i < sizeof(ONLY_OURS) / sizeof(ONLY_OURS[0]); i++) {
		snprintf(line, sizeof(line), "-kernel K --engine kvm %s", ONLY_OURS[i]);
		refused(line, "--engine");
		snprintf(line, sizeof(line), "-kernel K --engine auto %s", ONLY_OURS[i]);
		accepted(line);
		if (!engine_needs_translator(&config, &model))
			fail_msg("%s", line);
	}
}

static void what_would_be_wrong_to_ignore_is_refused_by_name(void **state)
{
	(void)state;
	refused("-kernel K -no-kvm-irqchip", "-no-kvm-irqchip");
	refused("-kernel K --engine vt", "'vt'");
	refused("-kernel K --engine kvm --clock insns", "--clock insns");
	refused("-kernel K --engine kvm --trace-log io", "--trace-log");
	refused("-kernel K --engine kvm --profile", "--profile");
	refused("-kernel K --clock insns --profile", "--profile");
	refused("-kernel K --engine kvm -machine pc,kernel_irqchip=off", "kernel-irqchip=off");
	refused("-kernel K -machine pc,kernel_irqchip=on", "kernel-irqchip=on");
	refused("-kernel K -machine q35", "'q35'");
	refused("-kernel K -machine pc,kernel_irqchip=split", "kernel-irqchip=split");
	refused("-kernel K -machine pc,vmport=on", "vmport=on");
	refused("-kernel K -machine pc,frobnicate=on", "frobnicate");
	refused("-kernel K -machine pit=maybe", "pit=maybe");
	refused("-kernel K -accel hvf", "'hvf'");
	refused("-kernel K -accel tcg,one-insn-per-tb=on", "one-insn-per-tb");
	refused("-kernel K -display gtk", "'gtk'");
	refused("-kernel K -vnc :0", "':0'");
	refused("-kernel K -monitor stdio", "'stdio'");
	refused("-kernel K -serial tcp::4444", "'tcp::4444'");
	refused("-kernel K -bios b", "firmware");
	refused("-kernel K -drive file=x", "disks");
	refused("-kernel K -hda x", "-hda");
	refused("-kernel K -netdev user", "network");
	refused("-kernel K -device virtio-net-pci,netdev=n", "'virtio-net-pci'");
	refused("-kernel K -device pci-testdev", "'pci-testdev'");
	refused("-kernel K -S", "--control");
	refused("-kernel K -no-shutdown", "--control");
	refused("-kernel K -qmp tcp:localhost:4444", "'tcp:localhost:4444'");
	refused("-kernel K -qmp stdio,server=off", "'server' is not available");
	refused("-kernel K -no-such-thing", "-no-such-thing");
	refused("-kernel K disk.img", "disk.img");
	refused("-kernel K -global a.b=c", "'a.b=c'");
	refused("-kernel K -action reboot=never", "reboot=never");
}

static void wrong_values_are_refused(void **state)
{
	(void)state;
	refused("", "--kernel");
	refused("-kernel", "needs FILE");
	refused("--kernel=", "needs FILE");
	refused("-kernel K -m 0", "'0'");
	refused("-kernel K -m 5K", "'5K'");
	refused("-kernel K -m 1023K", "'1023K'");
	refused("-kernel K -m 99999999G", "'99999999G'");
	refused("-kernel K -m 1G,slots=2", "'slots'");
	refused("-kernel K -m ,", "");
	refused("-kernel K -smp 0", "'0'");
	refused("-kernel K -smp x", "'x'");
	refused("-kernel K -smp 1,books=1", "books");
	refused("-kernel K -clock tsc", "'tsc'");
	refused("-kernel K -timeout 0", "'0'");
	refused("-kernel K -timeout -5", "'-5'");
	refused("-kernel K -timeout never", "'never'");
	refused("-kernel K -trace-log everything", "'everything'");
	refused("-kernel K -device isa-debug-exit,iobase=0x10000", "port");
	refused("-kernel K -device isa-debug-exit,iobase=0xffff,iosize=4", "0xffff");
	refused("-kernel K -device isa-debug-exit,iosize=3", "iosize");
	refused("-kernel K -device isa-debug-exit,iobase", "iobase");
	refused("-kernel K -device isa-debug-exit,colour=1", "colour");
	refused("-kernel K -device pc-testdev,x=y", "properties");
	refused("-kernel K -serial file:", "file");
	refused("-kernel K -serial stdio -serial mon:stdio", "stdio");
	refused("-kernel K -serial null -serial null -serial null -serial null -serial null", "4");
	refused("-kernel K -name a-name-of-more-than-thirty-one-characters", "31");
	refused("--no-reboot=yes -kernel K", "no value");
	refused("- -kernel K", "not an option");
}

static void too_many_vcpus_are_refused_in_words_that_the_runner_parses(void **state)
{
	(void)state;
	/* grep 'SMP CPUs', last word, without parentheses: what kvm-unit-tests does to learn the limit */
	refused("-kernel K -smp 64", "SMP CPUs");
	assert_string_equal(strrchr(error, ' ') + 1, "(16)");
	refused("-kernel K -smp sockets=2,cores=16", "(32)");
	refused("-kernel K -smp 1,maxcpus=17", "(17)");
}

static void serial_ports_are_given_in_order(void **state)
{
	(void)state;
	accepted("-kernel K -serial file:out,x=y -serial pty -serial none -serial mon:stdio");
	assert_int_equal(config.serial[0].kind, SERIAL_FILE);
	assert_string_equal(config.serial[0].path, "out,x=y");
	assert_int_equal(config.serial[1].kind, SERIAL_PTY);
	assert_int_equal(config.serial[2].kind, SERIAL_NONE);
	assert_int_equal(config.serial[3].kind, SERIAL_STDIO);
	accepted("-kernel K -nodefaults");
	assert_int_equal(config.serial[0].kind, SERIAL_NONE);
}

static void run_options_are_stored(void **state)
{
	(void)state;
	accepted("-kernel K -clock insns -timeout 2.5 -stats S -summary -dump-on-exit -trace-log exception,io");
	assert_int_equal(config.clock, CLOCK_INSNS);
	assert_int_equal(config.timeout_ns, 2500000000);
	assert_string_equal(lab.stats, "S");
	assert_true(lab.summary && config.dump_on_exit && !config.profile);
	assert_int_equal(config.trace, BIT(TRACE_BIT_exception) | BIT(TRACE_BIT_io));
	accepted("-kernel K -profile");
	assert_true(config.profile);
	accepted("-kernel K -trace-log all");
	assert_int_equal(config.trace, BIT(TRACE_AREA_COUNT) - 1);
}

static void asking_for_help_goes_before_everything_behind_it(void **state)
{
	static const struct {
		const char *line;
		enum cli_action action;
	} CASES[] = {
		{ "--help", ACTION_HELP },
		{ "-h", ACTION_HELP },
		{ "-help", ACTION_HELP },
		{ "--version -frob", ACTION_VERSION },
		{ "-cpu help", ACTION_LIST_CPUS },
		{ "-cpu ?", ACTION_LIST_CPUS },
		{ "-device ?", ACTION_LIST_DEVICES },
		{ "-machine help", ACTION_LIST_MACHINES },
		{ "-M ?", ACTION_LIST_MACHINES },
		{ "-accel help", ACTION_LIST_ACCELERATORS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		accepted(CASES[i].line);
		assert_int_equal(action, CASES[i].action);
	}
}

static void every_spelling_is_in_the_table_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		char line[300];
		const char *s = OPTIONS[i].qemu;

		assert_non_null(OPTIONS[i].set);
		assert_true(OPTIONS[i].help || OPTIONS[i].group == GROUP_QUIET);
		for (; s && *s; s += strcspn(s, " "), s += *s == ' ') {
			size_t n = strcspn(s, " ");

			snprintf(line, sizeof(line), "%.*s", (int)n, s);
			for (size_t j = 0; j < OPTION_COUNT; j++) {
				size_t found = 0;

				for (const char *t = OPTIONS[j].qemu; t && *t; t += strcspn(t, " "), t += *t == ' ')
					found += strcspn(t, " ") == n && !memcmp(s, t, n);
				if (found != (i == j) || (i != j && OPTIONS[j].ours && !strcmp(OPTIONS[j].ours, line)))
					fail_msg("-%s stands in rows %zu and %zu", line, i, j);
			}
		}
	}
}

/* No argument whatever may crash the parser or leave it without a message. */
static void random_command_lines_are_refused_or_accepted(void **state)
{
	static const char *const WORDS[] = {
		"-m",	"-smp",	    "-device",	  "isa-debug-exit,", "iobase=",	 "=",	    ",",    ",,",
		"-",	"--",	    "--=",	  "-kernel",	     "K",	 "0",	    "0x",   "1G",
		"help", "-machine", "-serial",	  "file:",	     "-name",	 "-append", "-cpu", "-timeout",
		"9.9",	"-accel",   "-trace-log", "cpus=1",	     "-action",	 "-global", "-rtc", "%s%n",
		"--l1", "name=",    "kernel=K",	  "no-reboot",	     "memory=64"
	};
	u32 seed = 1;

	(void)state;
	for (int n = 0; n < 20000; n++) {
		char line[512] = "";
		size_t length = 0;

		for (int w = 0; w < 8; w++) {
			seed = seed * 1664525u + 1013904223u;
			length += (size_t)snprintf(line + length, sizeof(line) - length, "%s%s",
						   WORDS[(seed >> 16) % (sizeof(WORDS) / sizeof(WORDS[0]))],
						   seed >> 30 ? " " : "");
		}
		if (parse(line))
			assert_true(error[0] && !strchr(error, '\n'));
		else
			assert_true(action != ACTION_RUN || config.kernel);
	}
}

static void a_trace_has_a_file_reasons_and_a_limit(void **state)
{
	(void)state;
	accepted("-kernel K");
	assert_string_equal(config.exits.path, "");
	accepted("-kernel K --trace T");
	assert_string_equal(config.exits.path, "T");
	assert_int_equal(config.exits.limit, 0);
	assert_int_equal(config.exits.reasons[0] | config.exits.reasons[1], 0);
	accepted("-kernel K --trace a,,b=c,limit=2G,reasons=CPUID:XSAVES");
	assert_string_equal(config.exits.path, "a,b=c");
	assert_int_equal(config.exits.limit, 2ull << 30);
	assert_int_equal(config.exits.reasons[0], BIT(10) | BIT(63));
	refused("-kernel K --trace ,limit=1", "--trace: needs FILE");
	refused("-kernel K --trace T,limit=0", "no size");
	refused("-kernel K --trace T,limit=x", "'x' is no size");
	refused("-kernel K --trace T,reasons=CPUID:FOO:HLT", "'FOO' is no exit reason");
	refused("-kernel K --trace T,reasons=", "reasons");
	refused("-kernel K --trace T,depth=1", "'depth' is not available");
	refused("-kernel K --trace T -accel kvm", "--trace: only --engine bt");
}

static void several_l1s_have_what_is_said_for_all_and_their_own(void **state)
{
	(void)state;
	accepted("-kernel K -m 64 --serial null --serial file:x --l1 name=one,append=a~b=c,,d,memory=1G,no-reboot "
		 "--l1 two,kernel=L,vcpus=2,serial=pty,no-reboot=off -no-reboot --stats S --l1 serial=unix:s,smp=3");
	assert_int_equal(lab.l1_count, 3);
	assert_string_equal(lab.stats, "S");
	assert_string_equal(lab.l1[0].name, "one");
	assert_string_equal(lab.l1[0].append, "a b=c,d");
	assert_string_equal(lab.l1[0].kernel, "K");
	assert_int_equal(lab.l1[0].memory, 1ull << 30);
	assert_int_equal(lab.l1[0].serial[0].kind, SERIAL_NULL);
	assert_int_equal(lab.l1[0].vcpus, 1);
	assert_true(lab.l1[0].no_reboot);
	assert_string_equal(lab.l1[1].name, "two");
	assert_string_equal(lab.l1[1].kernel, "L");
	assert_int_equal(lab.l1[1].memory, 64ull << 20);
	assert_int_equal(lab.l1[1].vcpus, 2);
	assert_int_equal(lab.l1[1].serial[0].kind, SERIAL_PTY); /* in the place of all that is said outside */
	assert_int_equal(lab.l1[1].serial[1].kind, SERIAL_NONE);
	assert_false(lab.l1[1].no_reboot);
	assert_string_equal(lab.l1[2].name, "c");
	assert_string_equal(lab.l1[2].serial[0].path, "s");
	assert_int_equal(lab.l1[2].vcpus, 3);
	assert_true(lab.l1[2].no_reboot);
	accepted("--l1 kernel=K --l1 kernel=K,cpu=max,,+vmx");
	assert_string_equal(lab.l1[0].name, "a");
	assert_string_equal(lab.l1[1].name, "b");
	assert_string_equal(lab.l1[1].cpu, "max,+vmx");
	assert_int_equal(lab.l1[1].serial[0].kind, SERIAL_STDIO);
}

static void a_control_socket_is_spelled_as_for_qmp(void **state)
{
	(void)state;
	accepted("-kernel K");
	assert_null(lab.control);
	accepted("-kernel K -qmp unix:/tmp/s,server=on,wait=off -S -no-shutdown");
	assert_string_equal(lab.control, "/tmp/s");
	assert_true(config.held && lab.no_shutdown);
	accepted("-kernel K -qmp unix:/tmp/s,server,nowait");
	accepted("-kernel K --control s --l1 a,hold --l1 b");
	assert_string_equal(lab.control, "s");
	assert_true(lab.l1[0].held && !lab.l1[1].held);
}

static void l1s_are_placed_weighed_and_capped(void **state)
{
	(void)state;
	accepted("-kernel K");
	assert_null(lab.place);
	assert_int_equal(config.shares, 100);
	assert_int_equal(config.cap, 0);
	accepted("-kernel K --place l1-per-core --l1 a,shares=7 --l1 b,cap=150");
	assert_string_equal(lab.place, "l1-per-core");
	assert_int_equal(lab.l1[0].shares, 7);
	assert_int_equal(lab.l1[1].cap, 150);
	refused("-kernel K --place anywhere", "'anywhere'");
	refused("-kernel K --place 3-1", "'3-1'");
	refused("-kernel K --shares 0", "'0'");
	refused("-kernel K --shares 10001", "'10001'");
	refused("-kernel K --cap 1601", "'1601'");
	refused("-kernel K --cap 50%", "'50%'");
	refused("-kernel K --cap 50 --engine kvm", "--cap");
	refused("-kernel K --l1 a,place=none", "can't be said of one L1");
}

static void what_one_l1_cant_have_is_refused_with_its_number(void **state)
{
	(void)state;
	refused("--l1 kernel=K --l1 kernel=L,memory=x", "--l1, the 2nd: memory: 'x'");
	refused("--l1 kernel=K --l1 name=b", "--l1, the 2nd: --kernel: missing");
	refused("--l1 kernel=K,frob=1", "frob: no option of an L1's");
	refused("--l1 kernel=K,stats=S", "stats: can't be said of one L1");
	refused("--l1 kernel=K,l1=x", "can't be said of one L1");
	refused("--l1 kernel=K,drive=x", "disks");
	refused("--l1 kernel", "needs FILE");
	refused("--l1 kernel=K,no-reboot=maybe", "neither on nor off");
	refused("-kernel K --l1 a --l1 a", "two L1s are called 'a'");
	refused("-kernel K --l1 b --l1 append=x", "two L1s are called 'b'");
	refused("-kernel K --l1 a --l1 b --trace T", "a and b would both write to T");
	refused("-kernel K --l1 a,serial=file:f --l1 b,serial=null,serial=file:f", "a and b would both write to f");
	refused("-kernel K --l1 a,serial=file:f --l1 b,serial=file:./f", "a and b would both write to ./f");
	refused("-kernel K --l1 a,serial=file:/tmp/../tmp/f --l1 b,serial=file:/tmp/f",
		"a and b would both write to /tmp/f");
	refused("-kernel K --l1 a,serial=file:no-folder/f --l1 b,serial=file:no-folder/f",
		"would both write to no-folder/f");
	refused("-kernel K --l1 a,trace=T --l1 b,serial=file:./T", "a and b would both write to ./T");
	refused("-kernel K --l1 a,trace=T --l1 b,trace=T.1", "a and b would both write to T.1"); /* what T is kept as */
	refused("-kernel K --l1 a,trace=T.20 --l1 b,trace=T", "a and b would both write to T");
	refused("-kernel K --l1 a,trace=T --l1 b,serial=file:T.3.kallsyms", "a and b would both write to T.3.kallsyms");
	accepted("-kernel K --l1 a,trace=T --l1 b,trace=T.b");
	accepted("-kernel K --l1 a,serial=file:T --l1 b,serial=file:T.1");
	refused("-kernel K --serial unix:,server=on", "needs the name");
	refused("-kernel K --serial unix:s,server=off", "'server' is not available");
	refused("-kernel K --serial unix:s,wait=on", "'wait' is not available");
	refused("-kernel K --l1", "needs OPTIONS");
	accepted("-kernel K --serial file:/dev/null --l1 a --l1 b");
	accepted("-kernel K --l1 d --l1 k,memory=32 --l1 m --l1 nodefaults,name=n");
	assert_string_equal(lab.l1[0].name, "d");
	assert_string_equal(lab.l1[1].name, "k");
	assert_string_equal(lab.l1[2].name, "m");
	assert_string_equal(lab.l1[3].name, "n");
	accepted("-kernel K --l1 a,serial=unix:s,,server=on,,wait=off");
	assert_string_equal(lab.l1[0].serial[0].path, "s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_spellings_and_any_number_of_dashes_mean_the_same),
		cmocka_unit_test(defaults_are_a_console_on_stdio_and_the_host_clock),
		cmocka_unit_test(the_command_line_of_kvm_unit_tests_is_accepted),
		cmocka_unit_test(what_makes_no_difference_is_accepted),
		cmocka_unit_test(the_engine_has_a_name_of_ours_and_names_of_qemus),
		cmocka_unit_test(auto_is_not_kvm_where_only_the_translator_can),
		cmocka_unit_test(what_would_be_wrong_to_ignore_is_refused_by_name),
		cmocka_unit_test(wrong_values_are_refused),
		cmocka_unit_test(too_many_vcpus_are_refused_in_words_that_the_runner_parses),
		cmocka_unit_test(serial_ports_are_given_in_order),
		cmocka_unit_test(run_options_are_stored),
		cmocka_unit_test(asking_for_help_goes_before_everything_behind_it),
		cmocka_unit_test(every_spelling_is_in_the_table_once),
		cmocka_unit_test(random_command_lines_are_refused_or_accepted),
		cmocka_unit_test(a_trace_has_a_file_reasons_and_a_limit),
		cmocka_unit_test(several_l1s_have_what_is_said_for_all_and_their_own),
		cmocka_unit_test(a_control_socket_is_spelled_as_for_qmp),
		cmocka_unit_test(l1s_are_placed_weighed_and_capped),
		cmocka_unit_test(what_one_l1_cant_have_is_refused_with_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
