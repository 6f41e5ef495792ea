/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "values.h"

int option_error(struct option_parse *p, const char *format, ...)
{
	va_list ap;
	int n = snprintf(p->error, p->error_size, "%s: ", p->spelled);

	if (n > 0 && (size_t)n < p->error_size) {
		va_start(ap, format);
		vsnprintf(p->error + n, p->error_size - (size_t)n, format, ap);
		va_end(ap);
	}
	return -EINVAL;
}

/* As QEMU does: one dash and two are the same, for every option. */
static const struct option *find(const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if ((OPTIONS[i].ours && !strcmp(OPTIONS[i].ours, name)) || value_is_one_of(name, OPTIONS[i].qemu))
			return &OPTIONS[i];
	return NULL;
}

static void defaults(struct run_config *c)
{
	*c = (struct run_config){
		.name = "a",
		.append = "",
		.memory = MEMORY_DEFAULT,
		.vcpus = 1,
		.clock = CLOCK_HOST,
		.debug_exit_iobase = 0x501,
		.debug_exit_iosize = 2,
	};
}

/* Parse argv[*i], and its argument if it has one. */
static int parse_one(struct option_parse *p, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *arg = NULL;
	const struct option *o;
	char name[64];
	size_t n;

	p->spelled = word;
	if (word[0] != '-' || !word[1])
		return option_error(p, "not an option; turtles has no disks, boot with --kernel FILE");
	word += word[1] == '-' ? 2 : 1;
	n = strlen(word);
	/* --option=value is ours; with one dash QEMU would take the "=" as part of the name */
	if (argv[*i][1] == '-' && strchr(word, '=')) {
		n = (size_t)(strchr(word, '=') - word);
		arg = word + n + 1;
	}
	if (n >= sizeof(name))
		return option_error(p, "unknown option; see turtles --help");
	memcpy(name, word, n);
	name[n] = '\0';

	o = find(name);
	if (!o)
		return option_error(p, "unknown option; see turtles --help");
	if (o->group == GROUP_REFUSED)
		return o->set(p, o, NULL);
	if (!o->arg && arg)
		return option_error(p, "takes no value");
	if (o->arg && !arg) {
		if (*i + 1 >= argc)
			return option_error(p, "needs %s", o->arg);
		arg = argv[++*i];
	}
	return o->set(p, o, arg);
}

/* What only the whole command line can say. */
static int finish(struct option_parse *p)
{
	struct run_config *c = p->config;
	unsigned int stdio = 0;

	if (!p->serials && !p->nodefaults)
		c->serial[0].kind = SERIAL_STDIO;
	for (unsigned int i = 0; i < SERIAL_PORTS; i++)
		stdio += c->serial[i].kind == SERIAL_STDIO;
	p->spelled = "--serial";
	if (stdio > 1)
		return option_error(p, "two ports can't share stdio");
	p->spelled = "--clock insns";
	if (c->clock == CLOCK_INSNS && c->engine != ENGINE_BT)
		return option_error(p, "only --engine bt counts instructions");
	p->spelled = "--profile";
	if (c->profile && (c->engine != ENGINE_BT || c->clock == CLOCK_INSNS))
		return option_error(p, "is of time that --engine bt spends by the host's clock");
	p->spelled = "--trace-log";
	if (c->trace && c->engine != ENGINE_BT)
		return option_error(p, "only --engine bt sees what can be traced");
	p->spelled = "--trace";
	if (c->exits.path[0] && c->engine != ENGINE_BT)
		return option_error(p, "only --engine bt sees every exit");
	if (c->exits.path[0] && c->vcpus > 1)
		return option_error(p, "is for one vCPU; say --vcpus 1, or use --stats");
	p->spelled = "--vcpus";
	if (c->vcpus > 1 && c->engine != ENGINE_BT)
		return option_error(p, "with --engine kvm a machine has one vCPU");
	p->spelled = "-machine";
	if (p->kernel_irqchip && strcmp(p->kernel_irqchip, c->engine == ENGINE_KVM ? "on" : "off"))
		return option_error(p, "kernel-irqchip=%s is not available with --engine %s", p->kernel_irqchip,
				    c->engine == ENGINE_KVM ? "kvm" : "bt");
	p->spelled = "--kernel";
	if (!c->kernel)
		return option_error(p, "missing; turtles has no firmware that could boot anything else");
	return 0;
}

int options_parse(int argc, char **argv, struct run_config *config, enum cli_action *action, char *error,
		  size_t error_size)
{
	struct option_parse p = { .config = config, .error = error, .error_size = error_size };
	int err = 0;

	defaults(config);
	config->argc = argc;
	config->argv = argv;
	for (int i = 1; i < argc && !err && p.action == ACTION_RUN; i++)
		err = parse_one(&p, argc, argv, &i);
	if (!err && p.action == ACTION_RUN)
		err = finish(&p);
	*action = p.action;
	return err;
}
