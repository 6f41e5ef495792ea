/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "output.h"
#include "rounds_report.h"

static const char *const KIND_NAMES[] = {
	[STAT_counted] = "counted",
	[STAT_timed] = "timed",
	[STAT_modelled] = "modelled",
};

static json_t *number(u64 value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/* Add the table's numbers to a JSON object. False: out of memory. */
static bool add_values(json_t *object, struct stat_values v, bool counted_only)
{
	for (size_t i = 0; i < v.table->count; i++) {
		const struct stat_info *s = &v.table->stats[i];

		if (counted_only && s->kind != STAT_counted)
			continue;
		if (json_object_set_new(object, s->name, number(v.values[i])))
			return false;
	}
	return true;
}

static json_t *run_object(const struct stats_doc *doc)
{
	json_t *run = json_object(), *command = command_json(doc->argc, doc->argv);
	bool ok = run && command && !json_object_set(run, "command", command) &&
		  add_values(run, STAT_VALUES(run_stats_table, &doc->run), doc->counted_only);

	json_decref(command);
	if (ok)
		return run;
	json_decref(run);
	return NULL;
}

static json_t *machine_object(const struct stats_machine *m)
{
	json_t *object = json_pack("{s:s, s:s}", "name", m->name, "status", m->status);

	if (object && m->exit_code >= 0)
		json_object_set_new(object, "exit_code", json_integer(m->exit_code));
	if (object && m->exit_code >= 0 && m->end[0])
		json_object_set_new(object, "end", json_string(m->end));
	if (object && m->engine)
		json_object_set_new(object, "engine", json_string(m->engine));
	for (size_t i = 0; object && i < m->count; i++) {
		json_t *table = json_object();

		if (!table || !add_values(table, m->tables[i], m->counted_only) ||
		    json_object_set(object, m->tables[i].table->key, table)) {
			json_decref(object);
			object = NULL;
		}
		json_decref(table);
	}
	if (object && m->rounds)
		json_object_set_new(object, "vmx", rounds_json(m->rounds, m->counted_only));
	return object;
}

json_t *stats_json(const struct stats_doc *doc)
{
	json_t *l1 = json_array(), *root = NULL;
	bool ok = l1;

	for (size_t i = 0; ok && i < doc->machine_count; i++)
		ok = !json_array_append_new(l1, machine_object(&doc->machines[i]));
	if (ok)
		root = json_pack("{s:i, s:o, s:o, s:O}", "schema", 1, "host", host_json(), "run", run_object(doc), "l1",
				 l1);
	json_decref(l1);
	return root;
}

static int fail(int err, const char *path, char *text, size_t n)
{
	snprintf(text, n, "stats: %s: %s", path, strerror(err));
	return -err;
}

static int write_text(const char *path, const char *text, char *err, size_t n)
{
	struct output o;
	int result = output_open(&o, path);

	if (!result) {
		fputs(text, o.f);
		fputc('\n', o.f);
		result = output_commit(&o);
	}
	return result ? fail(-result, path, err, n) : 0;
}

int stats_write(const char *path, const struct stats_doc *doc, char *err, size_t n)
{
	json_t *root = stats_json(doc);
	char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	int result = text ? write_text(path, text, err, n) : fail(ENOMEM, path, err, n);

	free(text);
	json_decref(root);
	return result;
}

static bool table_get(struct stat_values v, const char *key, const char *name, u64 *sum)
{
	if (strcmp(v.table->key, key))
		return false;
	for (size_t i = 0; i < v.table->count; i++)
		if (!strcmp(v.table->stats[i].name, name))
			*sum += v.values[i];
	return true;
}

u64 stats_get(const struct stats_doc *doc, const char *key, const char *name)
{
	u64 sum = 0;

	if (table_get(STAT_VALUES(run_stats_table, &doc->run), key, name, &sum))
		return sum;
	for (size_t m = 0; m < doc->machine_count; m++)
		for (size_t i = 0; i < doc->machines[m].count; i++)
			table_get(doc->machines[m].tables[i], key, name, &sum);
	return sum;
}

static double ratio(u64 a, u64 b)
{
	return b ? (double)a / (double)b : 0;
}

/* The numbers of a table that aren't zero, under their own names. */
static void list_numbers(FILE *to, const struct stats_machine *m, const char *key)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct stat_values *v = &m->tables[i];

		for (size_t j = 0; !strcmp(v->table->key, key) && j < v->table->count; j++)
			if (v->values[j])
				fprintf(to, "%s %-*s %10llu\n", key, (int)(29 - strlen(key)), v->table->stats[j].name,
					(unsigned long long)v->values[j]);
	}
}

static bool has_table(const struct stats_doc *doc, const char *key)
{
	for (size_t m = 0; m < doc->machine_count; m++)
		for (size_t i = 0; i < doc->machines[m].count; i++)
			if (!strcmp(doc->machines[m].tables[i].table->key, key))
				return true;
	return false;
}

void stats_summary(FILE *to, const struct stats_doc *doc)
{
	static const char *const LISTED[] = { "direct", "kvm_exits", "kvm" };
	u64 blocks = stats_get(doc, "bt", "blocks"), translated = stats_get(doc, "bt", "insns");
	u64 translate_ns = stats_get(doc, "bt", "translate_ns");
	const struct run_stats *run = &doc->run;

	if (run->user_ns)
		fprintf(to, "wall time to user space        %10.2f s\n", (double)run->user_ns / 1e9);
	fprintf(to, "wall time in all               %10.2f s\n", (double)run->wall_ns / 1e9);
	for (size_t m = 0; m < doc->machine_count; m++)
		for (size_t i = 0; i < sizeof(LISTED) / sizeof(LISTED[0]); i++)
			list_numbers(to, &doc->machines[m], LISTED[i]);
	if (!has_table(doc, "bt"))
		return;
	fprintf(to, "guest instructions             %10.1f M\n", (double)run->insns / 1e6);
	fprintf(to, "guest instructions per second  %10.1f M\n", ratio(run->insns, run->wall_ns) * 1e3);
	fprintf(to, "blocks translated              %10llu\n", (unsigned long long)blocks);
	fprintf(to, "translating an instruction     %10.0f ns\n", ratio(translate_ns, translated));
	fprintf(to, "translating a block            %10.0f ns\n", ratio(translate_ns, blocks));
	fprintf(to, "share spent in translating     %10.1f %%\n", ratio(translate_ns, run->wall_ns) * 100);
	for (size_t i = 0; i < doc->machine_count; i++)
		if (doc->machines[i].rounds && rounds_any(doc->machines[i].rounds))
			rounds_print(to, doc->machines[i].rounds);
}

void stats_describe(FILE *to)
{
	for (const struct stat_table *const *t = STAT_TABLES; *t; t++) {
		fprintf(to, "%s: %s\n", (*t)->key, (*t)->text);
		for (size_t i = 0; i < (*t)->count; i++)
			fprintf(to, "  %-24s %-9s %s\n", (*t)->stats[i].name, KIND_NAMES[(*t)->stats[i].kind],
				(*t)->stats[i].text);
	}
}
