/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options: handlers first, the tables at the end. */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bt/bt.h"
#include "../run/place.h"
#include "../vmx/vmx.h"
#include "values.h"

static bool asks_for_help(const char *arg)
{
	return !strcmp(arg, "help") || !strcmp(arg, "?");
}

/* The option's field in what it belongs to */
static void *field(struct option_parse *p, const struct option *o)
{
	return (o->group == GROUP_LAB ? (char *)p->lab : (char *)p->config) + o->field;
}

static int set_string(struct option_parse *p, const struct option *o, const char *arg)
{
	if (!*arg && (o->group == GROUP_LAB || o->field != offsetof(struct run_config, append)))
		return option_error(p, "needs %s, not an empty string", o->arg);
	memcpy(field(p, o), &arg, sizeof(arg));
	return 0;
}

static int set_true(struct option_parse *p, const struct option *o, const char *arg)
{
	(void)arg;
	*(bool *)field(p, o) = true;
	return 0;
}

static int set_l1(struct option_parse *p, const struct option *o, const char *arg)
{
	struct lab_config *lab = p->lab;
	const char **texts;

	(void)o;
	if (lab->l1_text_count == L1_MAX)
		return option_error(p, "at most %d run side by side", L1_MAX);
	texts = realloc(lab->l1_texts, sizeof(texts[0]) * (lab->l1_text_count + 1));
	if (!texts)
		return option_error(p, "not enough memory");
	texts[lab->l1_text_count++] = arg;
	lab->l1_texts = texts;
	return 0;
}

static int set_nothing(struct option_parse *p, const struct option *o, const char *arg)
{
	(void)p, (void)o, (void)arg;
	return 0;
}

static int set_refused(struct option_parse *p, const struct option *o, const char *arg)
{
	(void)arg;
	return option_error(p, "%s", o->help);
}

static int set_allowed(struct option_parse *p, const struct option *o, const char *arg)
{
	if (!value_is_one_of(arg, o->allowed))
		return option_error(p, "'%s' is not available here, only: %s", arg, o->allowed);
	return 0;
}

static int set_name(struct option_parse *p, const struct option *o, const char *arg)
{
	struct value_pair pair = { .has_value = false };
	const char *name;

	(void)o;
	/* QEMU: [guest=]NAME,process=...,debug-threads=...: the others name host threads */
	value_next_pair(&arg, &pair);
	if (pair.has_value && strcmp(pair.key, "guest"))
		return 0;
	name = pair.has_value ? pair.value : pair.key;
	if (!*name || strlen(name) >= sizeof(p->config->name))
		return option_error(p, "a name has 1 to %zu characters", sizeof(p->config->name) - 1);
	for (const char *s = name; *s; s++)
		if (*s < ' ' || *s > '~')
			return option_error(p, "a name has printable ASCII characters only");
	memcpy(p->config->name, name, strlen(name) + 1);
	return 0;
}

static int set_memory(struct option_parse *p, const struct option *o, const char *arg)
{
	struct value_pair pair;
	const char *list = arg, *size = arg;

	(void)o;
	while (value_next_pair(&list, &pair)) {
		if (pair.has_value && strcmp(pair.key, "size"))
			return option_error(p, "'%s' is not available: memory can't be plugged in", pair.key);
		size = pair.has_value ? pair.value : pair.key;
		if (!value_size(size, &p->config->memory) || p->config->memory % 4096 ||
		    p->config->memory < MEMORY_MIN || p->config->memory > MEMORY_MAX)
			return option_error(p, "'%s' is no size: 1 to %llu MiB, or with a suffix K, M, G", size,
					    MEMORY_MAX >> 20);
	}
	return *arg ? 0 : option_error(p, "needs a size");
}

static int set_code_cache(struct option_parse *p, const struct option *o, const char *arg)
{
	u64 bytes;

	(void)o;
	if (!value_size(arg, &bytes) || bytes % 4096 || bytes < CODE_CACHE_MIN || bytes > CODE_CACHE_MAX)
		return option_error(p, "'%s' is no size: %llu to %llu MiB, or with a suffix K, M, G", arg,
				    CODE_CACHE_MIN >> 20, CODE_CACHE_MAX >> 20);
	p->config->code_cache = bytes;
	return 0;
}

static int set_vcpus(struct option_parse *p, const struct option *o, const char *arg)
{
	u64 cpus = 0, product = 1, value;
	struct value_pair pair;
	const char *list = arg;

	(void)o;
	while (value_next_pair(&list, &pair)) {
		if (!value_number(pair.has_value ? pair.value : pair.key, 1 << 20, &value) || !value)
			return option_error(p, "'%s' is no number of vCPUs", arg);
		if (!pair.has_value || !strcmp(pair.key, "cpus"))
			cpus = value;
		else if (value_is_one_of(pair.key, "sockets dies clusters cores threads"))
			product *= value;
		else if (!strcmp(pair.key, "maxcpus"))
			product = value > product ? value : product;
		else
			return option_error(p, "unknown property '%s'", pair.key);
	}
	if (!cpus)
		cpus = product;
	/* the words and the form "(N)" are what kvm-unit-tests' runner looks for to learn the limit */
	if (cpus > VCPUS_MAX || product > VCPUS_MAX)
		return option_error(p, "number of SMP CPUs requested (%llu) exceeds the maximum (%d)",
				    (unsigned long long)(cpus > product ? cpus : product), VCPUS_MAX);
	p->config->vcpus = (unsigned int)cpus;
	return 0;
}

static int set_cpu(struct option_parse *p, const struct option *o, const char *arg)
{
	if (asks_for_help(arg))
		p->action = ACTION_LIST_CPUS;
	return set_string(p, o, arg);
}

/* PATH[,server=on][,wait=off]: what else QEMU has there isn't what is asked for. *path: the name; 0 or -EINVAL */
static int socket_path(struct option_parse *p, const char *arg, const char **path)
{
	size_t n = strcspn(arg, ",");
	const char *list = arg + n + (arg[n] == ',');
	struct value_pair pair;

	if (!n)
		return option_error(p, "'unix:' needs the name of a socket");
	while (value_next_pair(&list, &pair))
		if ((strcmp(pair.key, "server") || (pair.has_value && strcmp(pair.value, "on"))) &&
		    (strcmp(pair.key, "wait") || strcmp(pair.value, "off")) && strcmp(pair.key, "nowait"))
			return option_error(p, "unix: '%s' is not available: server=on,wait=off is", pair.key);
	*path = lab_text(p, arg, n);
	return *path ? 0 : -EINVAL;
}

static int set_control(struct option_parse *p, const struct option *o, const char *arg)
{
	(void)o;
	if (strncmp(arg, "unix:", 5) && strchr(arg, ':') && !strchr(arg, '/'))
		return option_error(p, "'%s' is not available: unix:PATH", arg);
	return socket_path(p, arg + (strncmp(arg, "unix:", 5) ? 0 : 5), &p->lab->control);
}

static int set_serial(struct option_parse *p, const struct option *o, const char *arg)
{
	struct l1_options *l1 = p->l1;
	struct serial_spec *s;

	(void)o;
	if (l1->serial_layer != p->layer) {
		memset(l1->config.serial, 0, sizeof(l1->config.serial));
		l1->serials = 0;
		l1->serial_layer = p->layer;
	}
	if (l1->serials >= SERIAL_PORTS)
		return option_error(p, "a PC has %d serial ports at most", SERIAL_PORTS);
	s = &l1->config.serial[l1->serials++];
	if (!strcmp(arg, "stdio") || !strcmp(arg, "mon:stdio")) {
		s->kind = SERIAL_STDIO;
	} else if (!strcmp(arg, "pty")) {
		s->kind = SERIAL_PTY;
	} else if (!strcmp(arg, "null")) {
		s->kind = SERIAL_NULL;
	} else if (!strcmp(arg, "none")) {
		s->kind = SERIAL_NONE;
	} else if (!strncmp(arg, "file:", 5)) {
		s->kind = SERIAL_FILE;
		s->path = arg + 5;
		if (!*s->path)
			return option_error(p, "'file:' needs the name of a file");
	} else if (!strncmp(arg, "unix:", 5)) {
		s->kind = SERIAL_UNIX;
		return socket_path(p, arg + 5, &s->path);
	} else {
		return option_error(p, "'%s' is not available: stdio, file:FILE, unix:SOCKET, pty, null, none", arg);
	}
	return 0;
}

static int set_nodefaults(struct option_parse *p, const struct option *o, const char *arg)
{
	(void)o, (void)arg;
	p->l1->nodefaults = true;
	return 0;
}

static int set_timeout(struct option_parse *p, const struct option *o, const char *arg)
{
	(void)o;
	if (!value_seconds(arg, &p->config->timeout_ns) || !p->config->timeout_ns)
		return option_error(p, "'%s' is no number of seconds above 0", arg);
	return 0;
}

static int set_shares(struct option_parse *p, const struct option *o, const char *arg)
{
	u64 value;

	(void)o;
	if (!value_number(arg, SHARES_MAX, &value) || !value)
		return option_error(p, "'%s' is no weight: 1 to %d", arg, SHARES_MAX);
	p->config->shares = (unsigned int)value;
	return 0;
}

static int set_cap(struct option_parse *p, const struct option *o, const char *arg)
{
	u64 value;

	(void)o;
	if (!value_number(arg, 100 * VCPUS_MAX, &value))
		return option_error(p, "'%s' is no percentage of a CPU: 1 to %d, 0 for no limit", arg, 100 * VCPUS_MAX);
	p->config->cap = (unsigned int)value;
	return 0;
}

static int set_place(struct option_parse *p, const struct option *o, const char *arg)
{
	(void)o;
	if (!place_is_policy(arg))
		return option_error(p, "'%s' is none of " PLACE_POLICIES, arg);
	p->lab->place = arg;
	return 0;
}

static int set_trace_log(struct option_parse *p, const struct option *o, const char *arg)
{
#define TRACE_NAME(name, text) #name,
	static const char *const NAMES[] = { TRACE_AREAS(TRACE_NAME) };
#undef TRACE_NAME
	struct value_pair pair;
	unsigned int i;

	(void)o;
	while (value_next_pair(&arg, &pair)) {
		for (i = 0; i < TRACE_AREA_COUNT && strcmp(NAMES[i], pair.key); i++)
			;
		if (i < TRACE_AREA_COUNT)
			p->config->trace |= (u32)BIT(i);
		else if (!strcmp(pair.key, "all"))
			p->config->trace = (u32)BIT(TRACE_AREA_COUNT) - 1;
		else
			return option_error(p, "'%s' is nothing that can be traced; see turtles help trace", pair.key);
	}
	return 0;
}

/* "CPUID:HLT": bits of trace_wants(). NULL, or what isn't a reason */
static const char *reasons(const char *list, u64 *bits)
{
	while (*list) {
		size_t n = strcspn(list, ":");
		unsigned int reason = vmx_exit_find(list, n);

		if (reason == VM_EXIT_REASONS)
			return list;
		bits[reason / 64] |= BIT(reason % 64);
		list += n;
		list += *list == ':';
	}
	return NULL;
}

static int set_trace(struct option_parse *p, const struct option *o, const char *arg)
{
	struct trace_options *t = &p->config->exits;
	struct value_pair pair;
	const char *wrong;
	size_t n = 0;

	(void)o;
	*t = (struct trace_options){ .limit = 0 };
	/* the name as value_next_pair() would take a value; it may have an "=" */
	while (*arg && (*arg != ',' || arg[1] == ',')) {
		if (n == sizeof(t->path) - 1)
			return option_error(p, "the name of the file is too long");
		arg += *arg == ',';
		t->path[n++] = *arg++;
	}
	if (!n)
		return option_error(p, "needs FILE, not an empty string");
	arg += *arg == ',';
	while (value_next_pair(&arg, &pair)) {
		if (!strcmp(pair.key, "reasons") && *pair.value) {
			wrong = reasons(pair.value, t->reasons);
			if (wrong)
				return option_error(p, "'%.*s' is no exit reason; see turtles help reasons",
						    (int)strcspn(wrong, ":"), wrong);
		} else if (!strcmp(pair.key, "limit")) {
			if (!value_size(pair.value, &t->limit) || !t->limit)
				return option_error(p, "limit: '%s' is no size: MiB, or with a suffix K, M, G",
						    pair.value);
		} else if (!strcmp(pair.key, "stacks")) {
			t->stacks = 1;
			if (strcmp(pair.value, "all") && (!value_number(pair.value, UINT64_MAX, &t->stacks) || !t->stacks))
				return option_error(p, "stacks: '%s' is neither all nor a number: every Nth", pair.value);
		} else {
			return option_error(
				p, "'%s' is not available, only: reasons=REASON:REASON..., limit=SIZE, stacks=all|N",
				pair.key);
		}
	}
	return 0;
}

static int set_accelerators(struct option_parse *p, const char *names)
{
	char list[192];

	snprintf(list, sizeof(list), "%s", names);
	for (char *s = list; *s; s++)
		if (*s == ':')
			*s = ' ';
	/* a list names alternatives, best first: the translator is there on every host */
	if (value_is_one_of("tcg", list))
		p->config->engine = ENGINE_BT;
	else if (!strcmp(names, "kvm"))
		p->config->engine = ENGINE_KVM;
	else
		return option_error(p,
				    "accelerator '%s' is not available: tcg is the translator, kvm the host's /dev/kvm",
				    names);
	return 0;
}

static int set_accel(struct option_parse *p, const struct option *o, const char *arg)
{
	struct value_pair pair;

	(void)o;
	if (asks_for_help(arg)) {
		p->action = ACTION_LIST_ACCELERATORS;
		return 0;
	}
	for (bool first = true; value_next_pair(&arg, &pair); first = false) {
		if (first || !strcmp(pair.key, "accel")) {
			int err = set_accelerators(p, pair.has_value ? pair.value : pair.key);

			if (err)
				return err;
		} else if (!strcmp(pair.key, "tb-size")) {
			int err = set_code_cache(p, o, pair.value);

			if (err)
				return err;
		} else if (!value_is_one_of(pair.key, "thread split-wx")) {
			return option_error(p, "property '%s' is not available", pair.key);
		}
	}
	return 0;
}

/* One of the words that are allowed; its number goes to the option's field, an enum. */
static int set_word(struct option_parse *p, const struct option *o, const char *arg)
{
	const char *word = o->allowed;
	unsigned int i = 0;

	for (; *word; word += strspn(word, " "), i++) {
		size_t n = strcspn(word, " ");

		if (strlen(arg) == n && !memcmp(arg, word, n)) {
			memcpy(field(p, o), &i, sizeof(i));
			return 0;
		}
		word += n;
	}
	return option_error(p, "'%s' is none of: %s", arg, o->allowed);
}

#define WORD_OF(name, word, text) word " "

static int set_enable_kvm(struct option_parse *p, const struct option *o, const char *arg)
{
	(void)o, (void)arg;
	p->config->engine = ENGINE_KVM;
	return 0;
}

/* What -machine may say of this machine: values apart by spaces, NULL where any makes no difference */
static const struct {
	const char *name, *values;
} MACHINE_PROPERTIES[] = {
	/* clang-format off */
	{ "kernel-irqchip",  "on off" },
	{ "pit",             "on off" },
	{ "pic",             "on auto" },
	{ "acpi",            "on auto" },
	{ "hpet",            "off" },
	{ "smm",             "off auto" },
	{ "usb",             "off" },
	{ "sata",            "off" },
	{ "nvdimm",          "off" },
	{ "vmport",          "off auto" },
	{ "graphics",        "off" },
	{ "dump-guest-core", NULL },
	{ "mem-merge",       NULL },
	{ "fd-bootchk",      NULL },
	{ "suppress-vmdesc", NULL },
	/* clang-format on */
};

static int set_machine_property(struct option_parse *p, struct value_pair *pair)
{
	for (char *s = pair->key; *s; s++)
		if (*s == '_')
			*s = '-';
	for (size_t i = 0; i < sizeof(MACHINE_PROPERTIES) / sizeof(MACHINE_PROPERTIES[0]); i++) {
		if (strcmp(MACHINE_PROPERTIES[i].name, pair->key))
			continue;
		if (MACHINE_PROPERTIES[i].values && !value_is_one_of(pair->value, MACHINE_PROPERTIES[i].values))
			return option_error(p, "%s=%s is not available, only: %s", pair->key, pair->value,
					    MACHINE_PROPERTIES[i].values);
		if (!strcmp(pair->key, "pit"))
			p->config->no_pit = !strcmp(pair->value, "off");
		if (!strcmp(pair->key, "kernel-irqchip"))
			p->config->kernel_irqchip = !strcmp(pair->value, "on") ? "on" : "off";
		return 0;
	}
	return option_error(p, "property '%s' is not available", pair->key);
}

static int set_machine(struct option_parse *p, const struct option *o, const char *arg)
{
	struct value_pair pair;
	int err = 0;

	(void)o;
	if (asks_for_help(arg)) {
		p->action = ACTION_LIST_MACHINES;
		return 0;
	}
	while (!err && value_next_pair(&arg, &pair)) {
		const char *type = pair.has_value ? pair.value : pair.key;

		if (!pair.has_value || !strcmp(pair.key, "type")) {
			if (strcmp(type, "pc") && strncmp(type, "pc-i440fx", 9))
				err = option_error(p, "machine '%s' is not available: there is one, 'pc'", type);
		} else if (!strcmp(pair.key, "accel")) {
			err = set_accelerators(p, pair.value);
		} else {
			err = set_machine_property(p, &pair);
		}
	}
	return err;
}

static int set_debug_exit(struct option_parse *p, const char *properties)
{
	struct value_pair pair;
	u64 value;

	while (value_next_pair(&properties, &pair)) {
		if (!value_number(pair.value, 0xffff, &value))
			return option_error(p, "isa-debug-exit: '%s=%s' is no port number", pair.key, pair.value);
		if (!strcmp(pair.key, "iobase"))
			p->config->debug_exit_iobase = (u16)value;
		else if (!strcmp(pair.key, "iosize"))
			p->config->debug_exit_iosize = (u16)value;
		else
			return option_error(p, "isa-debug-exit has no property '%s'", pair.key);
	}
	if (p->config->debug_exit_iosize != 1 && p->config->debug_exit_iosize != 2 && p->config->debug_exit_iosize != 4)
		return option_error(p, "isa-debug-exit: iosize is 1, 2 or 4");
	if (p->config->debug_exit_iobase + p->config->debug_exit_iosize > 0x10000)
		return option_error(p, "isa-debug-exit: ports end at 0xffff");
	p->config->debug_exit = true;
	return 0;
}

static int set_testdev(struct option_parse *p, const char *properties)
{
	if (*properties)
		return option_error(p, "pc-testdev has no properties");
	p->config->testdev = true;
	return 0;
}

const struct device_option DEVICES[] = {
	{ "isa-debug-exit", "ISA", "writing V to port iobase ends the run with exit code (V << 1) | 1", set_debug_exit },
	{ "pc-testdev", "ISA", "the test device of kvm-unit-tests: interrupt lines, an I/O port, a page of MMIO",
	  set_testdev },
};
const size_t DEVICE_COUNT = sizeof(DEVICES) / sizeof(DEVICES[0]);

static int set_device(struct option_parse *p, const struct option *o, const char *arg)
{
	size_t n = strcspn(arg, ",");

	(void)o;
	if (asks_for_help(arg)) {
		p->action = ACTION_LIST_DEVICES;
		return 0;
	}
	for (size_t i = 0; i < DEVICE_COUNT; i++)
		if (n == strlen(DEVICES[i].name) && !memcmp(arg, DEVICES[i].name, n))
			return DEVICES[i].set(p, arg + n + (arg[n] == ','));
	return option_error(p, "device '%.*s' is not available; see turtles --device help", (int)n, arg);
}

static int set_global(struct option_parse *p, const struct option *o, const char *arg)
{
	/* about ticks that KVM lost and would inject later: ours are never late twice */
	if (!strncmp(arg, "kvm-pit.lost_tick_policy=", 25))
		return 0;
	return set_allowed(p, o, arg);
}

static int set_action_policy(struct option_parse *p, const struct option *o, const char *arg)
{
	struct value_pair pair;

	(void)o;
	while (value_next_pair(&arg, &pair)) {
		if (!strcmp(pair.key, "reboot") && value_is_one_of(pair.value, "reset shutdown"))
			p->config->no_reboot = !strcmp(pair.value, "shutdown");
		else if (strcmp(pair.key, "panic") &&
			 !(!strcmp(pair.key, "shutdown") && !strcmp(pair.value, "poweroff")))
			return option_error(p, "%s=%s is not available", pair.key, pair.value);
	}
	return 0;
}

static int set_help(struct option_parse *p, const struct option *o, const char *arg)
{
	(void)o, (void)arg;
	p->action = ACTION_HELP;
	return 0;
}

static int set_version(struct option_parse *p, const struct option *o, const char *arg)
{
	(void)o, (void)arg;
	p->action = ACTION_VERSION;
	return 0;
}

/* in the order of enum engine_kind */
#define ENGINES "bt direct kvm auto"

#define NO_DISK "turtles has no disks: put files into the initramfs"
#define NO_NET "turtles has no network"
#define NO_DISPLAY "turtles has no display: the console is the serial port"
#define NO_MONITOR "turtles has one control socket: -qmp unix:PATH,server=on,wait=off"
#define NO_KVM "with --engine kvm the interrupt controllers are KVM's"
#define NO_HOTPLUG "turtles has no such device"
#define NO_GDB "turtles has no debugger stub"
#define NO_MIGRATION "turtles has no snapshots and no migration"
#define NO_SANDBOX "turtles doesn't change what its process may do"
#define MODE_HELP(name, word, text) " " word ": " text "."
#define FIELD(name) offsetof(struct run_config, name)
#define LAB(name) offsetof(struct lab_config, name)

/* clang-format off */
const struct option OPTIONS[] = {
/*  group          ours             qemu            argument     handler          field                allowed   help */
{ GROUP_MACHINE, "kernel",        "kernel",        "FILE",      set_string,      FIELD(kernel),       NULL,
  "the kernel: a bzImage, an ELF file with a PVH note, or a multiboot image" },
{ GROUP_MACHINE, "initrd",        "initrd",        "FILE",      set_string,      FIELD(initrd),       NULL,
  "its initramfs; for a multiboot image its modules: FILE ARGS,FILE ARGS,..." },
{ GROUP_MACHINE, "append",        "append",        "STRING",    set_string,      FIELD(append),       NULL,
  "its command line" },
{ GROUP_MACHINE, "memory",        "m",             "SIZE",      set_memory,      0,                   NULL,
  "guest memory in MiB, or with a suffix K, M or G; without the option 512 MiB" },
{ GROUP_MACHINE, "huge-pages",    NULL,            "on|off",    set_word,        FIELD(huge_pages),   "on off",
  "off: the host backs guest memory with 4 KiB pages only, and EPT01 has no others, which makes more EPT violations"
  " where KVM runs the guest, and longer walks where L1 has guests" },
{ GROUP_MACHINE, "preallocate",   "mem-prealloc",  NULL,        set_true,        FIELD(preallocate),  NULL,
  "all of the guest's memory is the host's from the start: what it measures later has no first touches in it" },
{ GROUP_MACHINE, "walk-cache",    NULL,            "on|off",    set_word,        FIELD(walk_cache),   "on off",
  "off: each miss of the TLB walks a guest's tables from their root, as a CPU without paging-structure caches would" },
{ GROUP_MACHINE, "vcpus",         "smp",           "N",         set_vcpus,       0,                   NULL,
  "number of vCPUs, up to 16; each is a thread of the host, but with --clock insns they take turns on one" },
{ GROUP_MACHINE, "cpu",           "cpu",           "MODEL",     set_cpu,         FIELD(cpu),          NULL,
  "NAME[,+feature][,-feature]...: the CPU that the guest sees; --cpu help lists them" },
{ GROUP_MACHINE, "machine",       "machine M",     "NAME",      set_machine,     0,                   NULL,
  "pc[,property=value]...: there is one machine; properties that it can't have are refused" },
{ GROUP_MACHINE, "device",        "device",        "NAME",      set_device,      0,                   NULL,
  "NAME[,property=value]...: add a device; --device help lists them" },
{ GROUP_MACHINE, "name",          "name",          "NAME",      set_name,        0,                   NULL,
  "what the machine is called in messages and stats; without the option: a, the next L1 b, ..." },
{ GROUP_CONSOLE, "serial",        "serial",        "WHERE",     set_serial,      0,                   NULL,
  "stdio, file:FILE, unix:SOCKET, pty, null or none: the next serial port, COM1 first; without the option COM1 is on stdio, which"
  " several L1s share line by line" },
{ GROUP_CONSOLE, NULL,            "nodefaults",    NULL,        set_nodefaults,  0,                   NULL,
  "no serial port that --serial doesn't name" },
{ GROUP_RUN,     "engine",        NULL,            "WHICH",     set_word,        FIELD(engine),       ENGINES,
  "what runs the guest's instructions: bt, the translator, on any host, and the default; direct, the same, but user code that computes"
  " runs natively by the host's /dev/kvm, which needs no VT for that; kvm, the host's /dev/kvm, with KVM's own interrupt controllers;"
  " auto, what this host and this guest allow, with a line that says why" },
{ GROUP_RUN,     "direct",        NULL,            "WHEN",      set_word,        FIELD(direct),       "adaptive eager",
  "with --engine direct: adaptive, user code runs directly when it computes long enough to be worth it; eager, whenever it is allowed, which"
  " is slow, for tests" },
{ GROUP_RUN,     "l2-vt",         NULL,            "WHEN",      set_word,        FIELD(l2_vt),        "auto on off",
  "with --engine direct: auto, L2s run on the host's VT, kernel and all, where its KVM has VT and nests; on, also where its VT is an emulated"
  " one; off, they are translated but for their user code" },
{ GROUP_RUN,     "code-cache",    NULL,            "SIZE",      set_code_cache,  0,                   NULL,
  "room for translated code, 64M without the option; when it is full, a part of it is emptied" },
{ GROUP_RUN,     NULL,            "accel",         "NAME",      set_accel,       0,                   NULL,
  "tcg is --engine bt, kvm is --engine kvm; a list of alternatives is the translator" },
{ GROUP_RUN,     NULL,            "enable-kvm",    NULL,        set_enable_kvm,  0,                   NULL,
  "is --engine kvm" },
{ GROUP_RUN,     "vmcs-access",   NULL,            "WHICH",     set_word,        FIELD(vmx.access),   VMCS_ACCESSES(WORD_OF),
  "how L1's VMREAD and VMWRITE reach its VMCS." VMCS_ACCESSES(MODE_HELP) },
{ GROUP_RUN,     "vmcs-merge",    NULL,            "WHICH",     set_word,        FIELD(vmx.merge),    VMCS_MERGES(WORD_OF),
  "what a VM entry takes from L1's VMCS." VMCS_MERGES(MODE_HELP) },
{ GROUP_RUN,     "mmu",           NULL,            "WHICH",     set_word,        FIELD(vmx.mmu),      NESTED_MMUS(WORD_OF),
  "the way to L2's memory." NESTED_MMUS(MODE_HELP) },
{ GROUP_RUN,     "clock",         NULL,            "WHICH",     set_word,        FIELD(clock),        "host insns",
  "host: guest time follows the host's; insns: it follows the number of executed guest instructions, and two runs"
  " with the same input are the same run" },
{ GROUP_RUN,     "timeout",       NULL,            "SECONDS",   set_timeout,     0,                   NULL,
  "end the run after so much host time, with exit code 124" },
{ GROUP_RUN,     "no-reboot",     "no-reboot",     NULL,        set_true,        FIELD(no_reboot),    NULL,
  "end the run when the guest resets the machine" },
{ GROUP_RUN,     "shares",        NULL,            "N",         set_shares,      0,                   NULL,
  "the weight of each of its vCPUs where those of several L1s compete for the host's CPUs; without the option 100" },
{ GROUP_RUN,     "cap",           NULL,            "PERCENT",   set_cap,         0,                   NULL,
  "so much of one of the host's CPUs at most, all its vCPUs together: 50 is half of one, 150 one and a half" },
{ GROUP_RUN,     "hold",          "S",             NULL,        set_true,        FIELD(held),         NULL,
  "execute nothing before the control socket's cont" },
{ GROUP_RUN,     NULL,            "action",        "WHAT",      set_action_policy, 0,                 NULL,
  "reboot=shutdown is --no-reboot, reboot=reset undoes it" },
{ GROUP_RESULT,  "profile",       NULL,            NULL,        set_true,        FIELD(profile),      NULL,
  "count in the stats whose the host's CPU time is: L2's, L1's, L0's for either, or that of switching between them" },
{ GROUP_RESULT,  "dump-on-exit",  NULL,            NULL,        set_true,        FIELD(dump_on_exit), NULL,
  "print the vCPU's registers on stderr at the end, and a hypervisor's current VMCS" },
{ GROUP_RESULT,  "trace",         NULL,            "FILE",      set_trace,       0,                   NULL,
  "FILE[,reasons=REASON:REASON...][,limit=SIZE][,stacks=all|N]: record every exit and entry in FILE, or those with such reasons and the"
  " rounds that they open, until it has the size, with the call stack of every or every Nth exit of L1; turtles trace FILE reads it" },
{ GROUP_RESULT,  "trace-log",     NULL,            "AREAS",     set_trace_log,   0,                   NULL,
  "AREA,AREA,...: log events on stderr; turtles help trace lists the areas" },
{ GROUP_LAB,     "l1",            NULL,            "OPTIONS",   set_l1,          0,                   NULL,
  "name=NAME,option=value,...: one more L1; several run side by side. Any option above, without dashes, can be said of it; what is"
  " said outside is said for all. A comma in a value is doubled; an option without argument is on or off" },
{ GROUP_LAB,     "config",        NULL,            "FILE",      set_string,      LAB(config_file),    NULL,
  "a JSON object whose keys are the names of these options; \"l1\" is an array of such objects, one for each L1. What the command line says"
  " counts more than the file, also of the L1s in \"l1\"" },
{ GROUP_LAB,     "directory",     NULL,            "FOLDER",    set_string,      LAB(directory),      NULL,
  "the run's folder, made if it isn't there: whatever is written with a relative name is written there, and config.json, the"
  " effective configuration as a file for --config" },
{ GROUP_LAB,     "stats",         NULL,            "FILE",      set_string,      LAB(stats),          NULL,
  "write the stats there as JSON at the end and on SIGUSR1; turtles help stats describes every number" },
{ GROUP_LAB,     "summary",       NULL,            NULL,        set_true,        LAB(summary),        NULL,
  "print a short summary of the stats on stderr at the end" },
{ GROUP_LAB,     "control",       "qmp",           "SOCKET",    set_control,     0,                   NULL,
  "listen there for commands, JSON in QMP's forms, as [unix:]PATH; turtles ctl gives them, turtles help control lists them;"
  " turtles top shows what happens" },
{ GROUP_LAB,     "place",         NULL,            "WHERE",     set_place,       0,                   NULL,
  "which of the host's CPUs the vCPUs run on, and where their memory is: none, the host decides (the default); spread, apart, each with"
  " a core of its own; pack, close together; l1-per-core, an L1's vCPUs share a core; or a list of CPUs, 0,2-3" },
{ GROUP_LAB,     "sandbox",       "sandbox",       "on|off",    set_word,        LAB(sandbox),        "on off",
  "off: the process keeps what it may do when guests run, to debug it; otherwise system calls and files are denied to it that it doesn't"
  " need" },
{ GROUP_LAB,     "no-shutdown",   "no-shutdown",   NULL,        set_true,        LAB(no_shutdown),    NULL,
  "the run goes on when its L1s have ended: the control socket's start starts one again, quit ends it" },
{ GROUP_HELP,    "help",          "h help",        NULL,        set_help,        0,                   NULL,
  "print this" },
{ GROUP_HELP,    "version",       "version",       NULL,        set_version,     0,                   NULL,
  "print the version" },

{ GROUP_QUIET,   NULL,            "nographic",     NULL,        set_nothing,     0,                   NULL,   NULL },
{ GROUP_QUIET,   NULL,            "display",       "NAME",      set_allowed,     0,                   "none", NULL },
{ GROUP_QUIET,   NULL,            "vnc",           "NAME",      set_allowed,     0,                   "none", NULL },
{ GROUP_QUIET,   NULL,            "vga",           "NAME",      set_allowed,     0,                   "none", NULL },
{ GROUP_QUIET,   NULL,            "monitor",       "NAME",      set_allowed,     0,                   "none null", NULL },
{ GROUP_QUIET,   NULL,            "parallel",      "NAME",      set_allowed,     0,                   "none null", NULL },
{ GROUP_QUIET,   NULL,            "net",           "NAME",      set_allowed,     0,                   "none", NULL },
{ GROUP_QUIET,   NULL,            "nic",           "NAME",      set_allowed,     0,                   "none", NULL },
{ GROUP_QUIET,   NULL,            "rtc",           "NAME",      set_allowed,     0,
  "base=utc base=utc,clock=host clock=host", NULL },
{ GROUP_QUIET,   NULL,            "global",        "NAME",      set_global,      0,
  "kvm-pit.lost_tick_policy=discard", NULL },
{ GROUP_QUIET,   NULL,            "overcommit",    "NAME",      set_allowed,     0,
  "cpu-pm=on cpu-pm=off mem-lock=off", NULL },
{ GROUP_QUIET,   NULL,            "boot",          "ORDER",     set_nothing,     0,                   NULL,   NULL },
{ GROUP_QUIET,   NULL,            "k",             "LAYOUT",    set_nothing,     0,                   NULL,   NULL },
{ GROUP_QUIET,   NULL,            "L",             "FOLDER",    set_nothing,     0,                   NULL,   NULL },
{ GROUP_QUIET,   NULL,            "msg",           "HOW",       set_nothing,     0,                   NULL,   NULL },
{ GROUP_QUIET,   NULL,            "no-user-config no-hpet no-fd-bootchk snapshot", NULL, set_nothing, 0, NULL, NULL },

{ GROUP_REFUSED, NULL, "no-kvm-irqchip",                               NULL, set_refused, 0, NULL, NO_KVM },
{ GROUP_REFUSED, NULL, "bios pflash option-rom",                       NULL, set_refused, 0, NULL,
  "turtles has no firmware: boot with --kernel FILE" },
{ GROUP_REFUSED, NULL, "drive blockdev hda hdb hdc hdd cdrom fda fdb sd mtdblock", NULL, set_refused, 0, NULL, NO_DISK },
{ GROUP_REFUSED, NULL, "virtfs fsdev",                                 NULL, set_refused, 0, NULL, NO_DISK },
{ GROUP_REFUSED, NULL, "netdev",                                       NULL, set_refused, 0, NULL, NO_NET },
{ GROUP_REFUSED, NULL, "spice curses sdl full-screen g",               NULL, set_refused, 0, NULL, NO_DISPLAY },
{ GROUP_REFUSED, NULL, "mon qmp-pretty chardev readconfig",            NULL, set_refused, 0, NULL, NO_MONITOR },
{ GROUP_REFUSED, NULL, "usb usbdevice audio audiodev soundhw tpmdev watchdog object numa fw_cfg smbios acpitable uuid",
  NULL, set_refused, 0, NULL, NO_HOTPLUG },
{ GROUP_REFUSED, NULL, "no-acpi",                                      NULL, set_refused, 0, NULL,
  "turtles' machine always has ACPI: say acpi=off to the kernel" },
{ GROUP_REFUSED, NULL, "s gdb",                                        NULL, set_refused, 0, NULL, NO_GDB },
{ GROUP_REFUSED, NULL, "d D dfilter trace-events plugin",              NULL, set_refused, 0, NULL,
  "turtles' log is --trace-log AREAS" },
{ GROUP_REFUSED, NULL, "incoming loadvm only-migratable",              NULL, set_refused, 0, NULL, NO_MIGRATION },
{ GROUP_REFUSED, NULL, "icount",                                       NULL, set_refused, 0, NULL,
  "turtles' instruction clock is --clock insns" },
{ GROUP_REFUSED, NULL, "mem-path",                                     NULL, set_refused, 0, NULL,
  "guest memory is anonymous here" },
{ GROUP_REFUSED, NULL, "daemonize pidfile runas chroot run-with",      NULL, set_refused, 0, NULL, NO_SANDBOX },
};
/* clang-format on */
const size_t OPTION_COUNT = sizeof(OPTIONS) / sizeof(OPTIONS[0]);

enum option_kind option_kind(const struct option *o)
{
	return o->set == set_string || o->set == set_cpu ? OPTION_TEXT
	       : o->set == set_true			 ? OPTION_FLAG
	       : o->set == set_word			 ? OPTION_WORD
							 : OPTION_OTHER;
}
