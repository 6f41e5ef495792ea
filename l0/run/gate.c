/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate.h"

void gate_in(struct vcpu *v)
{
	struct vcpu_gate *g = &v->machine->gate;

	/* who was alone when a fault or a restart took him out is inside still */
	if (!v->machine->parallel || v->alone)
		return;
	for (;;) {
		/* Sequentially consistent, as are `closed` and its reader: one of the two sees the other. */
		atomic_store(&v->inside, 1);
		if (!atomic_load(&g->closed))
			return;
		gate_out(v);
		futex_wait(&g->closed, 1);
	}
}

void gate_out(struct vcpu *v)
{
	if (!v->machine->parallel)
		return;
	atomic_store(&v->inside, 0);
	if (atomic_load(&v->machine->gate.closed))
		futex_wake(&v->inside, 1);
}

void gate_alone(struct vcpu *v)
{
	struct machine *m = v->machine;

	if (!m->parallel || v->alone++)
		return;
	gate_out(v);
	lock_take(&m->gate.turn);
	atomic_store(&m->gate.closed, 1);
	atomic_store(&v->inside, 1);
	for (unsigned int i = 0; i < m->vcpu_count; i++) {
		struct vcpu *other = m->vcpu[i];

		if (other == v || !atomic_load(&other->inside))
			continue;
		vcpu_kick(other);
		while (atomic_load(&other->inside))
			futex_wait(&other->inside, 1);
	}
}

void gate_open(struct vcpu *v)
{
	struct vcpu_gate *g = &v->machine->gate;

	if (!v->machine->parallel || --v->alone)
		return;
	atomic_store(&g->closed, 0);
	futex_wake(&g->closed, INT32_MAX);
	lock_give(&g->turn);
}

void gate_reopen(struct vcpu *v)
{
	if (!v->alone)
		return;
	v->alone = 1;
	gate_open(v);
}
