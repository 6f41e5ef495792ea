/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bt/bt.h"
#include "../cpu/model.h"
#include "values.h"

/* options.h says which one counts; what is said in two of them by the same option replaces what was said before */
enum { LAYER_FILE = 1, LAYER_FILE_L1, LAYER_COMMAND_LINE, LAYER_L1 };

int option_error(struct option_parse *p, const char *format, ...)
{
	va_list ap;
	int n = snprintf(p->error, p->error_size, "%s%s: ", p->where, p->spelled);

	if (n > 0 && (size_t)n < p->error_size) {
		va_start(ap, format);
		vsnprintf(p->error + n, p->error_size - (size_t)n, format, ap);
		va_end(ap);
	}
	return -EINVAL;
}

struct lab_text {
	struct lab_text *next;
	char text[];
};

const char *lab_config_text(struct lab_config *lab, const char *text, size_t n)
{
	struct lab_text *t = malloc(sizeof(*t) + n + 1);

	if (!t)
		return NULL;
	memcpy(t->text, text, n);
	t->text[n] = '\0';
	t->next = lab->texts;
	lab->texts = t;
	return t->text;
}

const char *lab_text(struct option_parse *p, const char *text, size_t n)
{
	const char *copy = lab_config_text(p->lab, text, n);

	if (!copy)
		option_error(p, "not enough memory");
	return copy;
}

void lab_config_free(struct lab_config *lab)
{
	while (lab->texts) {
		struct lab_text *t = lab->texts;

		lab->texts = t->next;
		free(t);
	}
	free(lab->l1);
	free(lab->l1_texts);
	*lab = (struct lab_config){ .l1 = NULL };
}

/* As QEMU does: one dash and two are the same, for every option. */
const struct option *option_find(const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if ((OPTIONS[i].ours && !strcmp(OPTIONS[i].ours, name)) || value_is_one_of(name, OPTIONS[i].qemu))
			return &OPTIONS[i];
	return NULL;
}

static struct run_config defaults(int argc, char **argv)
{
	return (struct run_config){
		.append = "",
		.memory = MEMORY_DEFAULT,
		.code_cache = CODE_CACHE_DEFAULT,
		.vcpus = 1,
		.cpu = model_default(),
		.clock = CLOCK_HOST,
		.shares = SHARES_DEFAULT,
		.debug_exit_iobase = 0x501,
		.debug_exit_iosize = 2,
		.argc = argc,
		.argv = argv,
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

	o = option_find(name);
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

/* The command line, on top of what was said before */
static int parse_all(struct option_parse *p, int argc, char **argv)
{
	int err = 0;

	p->layer = LAYER_COMMAND_LINE;
	p->where = "";
	p->lab->l1_text_count = 0;
	for (int i = 1; i < argc && !err && p->action == ACTION_RUN; i++)
		err = parse_one(p, argc, argv, &i);
	return err;
}

/* What only all options of an L1 can say. */
static int finish(struct option_parse *p)
{
	struct run_config *c = p->config;
	unsigned int stdio = 0;

	if (!p->l1->serials && !p->l1->nodefaults)
		c->serial[0].kind = SERIAL_STDIO;
	for (unsigned int i = 0; i < SERIAL_PORTS; i++)
		stdio += c->serial[i].kind == SERIAL_STDIO;
	p->spelled = "--serial";
	if (stdio > 1)
		return option_error(p, "two ports can't share stdio");
	p->spelled = "--clock insns";
	if (c->clock == CLOCK_INSNS && c->engine != ENGINE_BT && c->engine != ENGINE_AUTO)
		return option_error(p, "only --engine bt counts instructions");
	p->spelled = "--profile";
	if (c->profile && (c->engine == ENGINE_KVM || c->clock == CLOCK_INSNS))
		return option_error(p, "is of time that --engine bt or direct spends by the host's clock");
	p->spelled = "--trace-log";
	if (c->trace && c->engine == ENGINE_KVM)
		return option_error(p, "only --engine bt and direct see what can be traced");
	p->spelled = "--trace";
	if (c->exits.path[0] && c->engine == ENGINE_KVM)
		return option_error(p, "only --engine bt and direct see every exit");
	p->spelled = "-machine";
	if (c->kernel_irqchip && strcmp(c->kernel_irqchip, c->engine == ENGINE_KVM ? "on" : "off"))
		return option_error(p, "kernel-irqchip=%s is not available with --engine %s", c->kernel_irqchip,
				    c->engine == ENGINE_KVM ? "kvm" : "bt, direct or auto");
	p->spelled = "--cap";
	if (c->cap && c->engine == ENGINE_KVM)
		return option_error(p, "not with --engine kvm: the host's KVM runs the guest for as long as it likes");
	p->spelled = "--hold";
	if (c->held && !p->lab->control)
		return option_error(p, "nobody could let it go on; say --control SOCKET");
	p->spelled = "--kernel";
	if (!c->kernel)
		return option_error(p, "missing; turtles has no firmware that could boot anything else");
	return 0;
}

/* What the file and the command line have said so far */
struct said {
	const json_t *file; /* NULL: there is none */
	unsigned int in_file; /* its L1s */
	struct l1_options for_all, for_all_by_file; /* the latter without the command line */
};

/* L1 number i of the file, and what the command line says for all */
static int parse_file_l1(struct option_parse *p, const struct said *said, unsigned int i)
{
	const char *where = p->where;
	int err;

	p->layer = LAYER_FILE_L1;
	err = config_file_l1(p, said->file, i);
	if (!err)
		err = parse_all(p, p->l1->config.argc, p->l1->config.argv);
	if (!err)
		p->where = where;
	return err;
}

/* L1 number i: those of the file, then those of the command line. */
static int parse_l1(struct option_parse *p, const struct said *said, unsigned int i)
{
	const unsigned int in_file = said->in_file;
	struct l1_options l1 = i < in_file ? said->for_all_by_file : said->for_all;
	char where[80];
	int err = 0;

	p->l1 = &l1;
	p->config = &l1.config;
	p->layer = LAYER_L1;
	p->where = where;
	if (i < in_file) {
		snprintf(where, sizeof(where), "%.50s: l1[%u]: ", p->lab->config_file, i);
		err = parse_file_l1(p, said, i);
	} else if (p->lab->l1_text_count) {
		snprintf(where, sizeof(where), "--l1, the %u%s: ", i - in_file + 1,
			 i == in_file	    ? "st"
			 : i == in_file + 1 ? "nd"
			 : i == in_file + 2 ? "rd"
					    : "th");
		err = options_of_l1(p, p->lab->l1_texts[i - in_file]);
	} else {
		where[0] = '\0';
	}
	if (!l1.config.name[0])
		snprintf(l1.config.name, sizeof(l1.config.name), i < 26 ? "%c" : "l1-%u", i < 26 ? 'a' + i : i);
	if (!err && p->action == ACTION_RUN)
		err = finish(p);
	p->lab->l1[i] = l1.config;
	p->where = "";
	return err;
}

/* realpath(3), also of a file that is still to be made; a copy of `path` if that can't be said. NULL: no memory */
static char *true_path(const char *path)
{
	char *found = realpath(path, NULL), *folder, *made;
	const char *slash = strrchr(path, '/');

	if (found)
		return found;
	folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	found = folder ? realpath(folder, NULL) : NULL;
	if (!found || asprintf(&made, "%s/%s", found, slash ? slash + 1 : path) < 0)
		made = strdup(path);
	free(folder);
	free(found);
	return made;
}

#define WRITTEN_MAX (SERIAL_PORTS + 1)

/* What an L1 writes, as its command line spells it. Returns how many there are; the trace, if there is one, is the first. */
static unsigned int written_files(const struct run_config *c, const char *files[WRITTEN_MAX])
{
	unsigned int n = 0;

	if (c->exits.path[0])
		files[n++] = c->exits.path;
	for (unsigned int i = 0; i < SERIAL_PORTS; i++)
		if (c->serial[i].path && strcmp(c->serial[i].path, "/dev/null"))
			files[n++] = c->serial[i].path;
	return n;
}

static bool is_kept_trace(const char *path, const char *trace)
{
	return trace_is_kept(path, trace, "") || trace_is_kept(path, trace, TRACE_SYMBOLS);
}

/* Would one L1's file and another's be one, now or when an L1 is started again? traced: it is the L1's trace */
static bool same_file(const char *a, bool a_traced, const char *b, bool b_traced)
{
	char *of_a = true_path(a), *of_b = true_path(b);
	bool same = of_a && of_b &&
		    (!strcmp(of_a, of_b) || (a_traced && is_kept_trace(of_b, of_a)) ||
		     (b_traced && is_kept_trace(of_a, of_b)));

	free(of_a);
	free(of_b);
	return same;
}

/* The file that two L1s would write; NULL: none */
static const char *shared_file(const struct run_config *a, const struct run_config *b)
{
	const char *of_a[WRITTEN_MAX], *of_b[WRITTEN_MAX];
	unsigned int in_a = written_files(a, of_a), in_b = written_files(b, of_b);

	for (unsigned int i = 0; i < in_a; i++)
		for (unsigned int j = 0; j < in_b; j++)
			if (same_file(of_a[i], of_a[i] == a->exits.path, of_b[j], of_b[j] == b->exits.path))
				return of_a[i];
	return NULL;
}

static int compare_l1s(struct option_parse *p)
{
	const struct lab_config *lab = p->lab;

	p->where = "";
	p->spelled = "--no-shutdown";
	if (lab->no_shutdown && !lab->control)
		return option_error(p, "nobody could end the run; say --control SOCKET");
	p->spelled = "--l1";
	for (unsigned int i = 0; i < lab->l1_count; i++)
		for (unsigned int j = 0; j < i; j++) {
			const char *file = shared_file(&lab->l1[i], &lab->l1[j]);

			if (!strcmp(lab->l1[i].name, lab->l1[j].name))
				return option_error(p, "two L1s are called '%s'; say name= for each", lab->l1[i].name);
			if (file)
				return option_error(p, "%s and %s would both write to %s; say a file for each",
						    lab->l1[j].name, lab->l1[i].name, file);
		}
	return 0;
}

static int parse_l1s(struct option_parse *p, struct said *said)
{
	struct lab_config *lab = p->lab;
	unsigned int count;
	int err = 0;

	said->in_file = said->file ? config_file_l1s(said->file) : 0;
	count = said->in_file + lab->l1_text_count;
	if (!count)
		count = 1;
	p->spelled = "--l1";
	if (count > L1_MAX)
		return option_error(p, "%u L1s; at most %d run side by side", count, L1_MAX);
	lab->l1 = calloc(count, sizeof(lab->l1[0]));
	if (!lab->l1)
		return option_error(p, "not enough memory");
	lab->l1_count = count;
	for (unsigned int i = 0; i < count && !err && p->action == ACTION_RUN; i++)
		err = parse_l1(p, said, i);
	return err || p->action != ACTION_RUN ? err : compare_l1s(p);
}

int options_parse(int argc, char **argv, struct lab_config *lab, enum cli_action *action, char *error, size_t error_size)
{
	struct said said = { .for_all = { .config = defaults(argc, argv) } };
	struct option_parse p = {
		.lab = lab, .l1 = &said.for_all, .config = &said.for_all.config, .error = error, .error_size = error_size
	};
	json_t *file = NULL;
	int err;

	*lab = (struct lab_config){ .argc = argc, .argv = argv };
	err = parse_all(&p, argc, argv);
	/* the file's options come first: once more, then */
	if (!err && p.action == ACTION_RUN && lab->config_file) {
		const char *path = lab->config_file;

		p.spelled = "--config";
		err = config_file_load(&p, path, &file);
		if (err) {
			*action = p.action;
			return err;
		}
		said.file = file;
		said.for_all = (struct l1_options){ .config = defaults(argc, argv) };
		p.layer = LAYER_FILE;
		err = config_file_common(&p, file);
		said.for_all_by_file = said.for_all;
		if (!err)
			err = parse_all(&p, argc, argv);
	}
	if (!err && p.action == ACTION_RUN)
		err = parse_l1s(&p, &said);
	json_decref(file);
	*action = p.action;
	return err;
}
