/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "numbers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../vmx/vmx.h"
#include "l1.h"

static int copy_table(struct l1_numbers *n, const struct stat_values *from, unsigned int i)
{
	size_t bytes = sizeof(u64) * from->table->count;

	if (!n->values[i] || n->tables[1 + i].table != from->table) {
		free(n->values[i]);
		n->values[i] = malloc(bytes);
		if (!n->values[i])
			return -ENOMEM;
	}
	memcpy(n->values[i], from->values, bytes);
	n->tables[1 + i] = (struct stat_values){ from->table, n->values[i] };
	return 0;
}

static int copy_rounds(struct l1_numbers *n, const struct l1 *l)
{
	if (!l->vcpu[0]->vmx)
		return 0;
	if (!n->rounds)
		n->rounds = malloc(sizeof(*n->rounds));
	if (!n->one)
		n->one = malloc(sizeof(*n->one));
	if (!n->rounds || !n->one)
		return -ENOMEM;
	rounds_copy(n->rounds, &l->vcpu[0]->vmx->rounds);
	for (unsigned int i = 1; i < l->config->vcpus; i++) {
		rounds_copy(n->one, &l->vcpu[i]->vmx->rounds);
		rounds_add(n->rounds, n->one);
	}
	return 0;
}

int l1_numbers_take(struct l1_numbers *n, struct l1 *l, u64 starts)
{
	struct stat_values tables[ENGINE_TABLES];
	size_t count = l->engine->stats(&l->thread[0], tables);
	int err = 0;

	n->engine = l->engine->name;
	n->life = (struct life_stats){
		.starts = starts,
		.insns = l1_insns(l),
		.wall_ns = l->start_ns ? (l->end_ns ? l->end_ns : l1_host_ns()) - l->start_ns : 0,
		.user_ns = l1_user_ns(l),
	};
	n->tables[0] = STAT_VALUES(life_stats_table, &n->life);
	for (unsigned int i = 0; i < count && !err; i++)
		err = copy_table(n, &tables[i], i);
	n->count = 1 + count;
	if (!err)
		err = copy_rounds(n, l);
	if (err)
		l1_numbers_free(n);
	return err;
}

void l1_numbers_free(struct l1_numbers *n)
{
	for (unsigned int i = 0; i < ENGINE_TABLES; i++)
		free(n->values[i]);
	free(n->rounds);
	free(n->one);
	*n = (struct l1_numbers){ .count = 0 };
}
