/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace.h"

#include <stdio.h>

#include "../devices/bus.h"
#include "../machine/machine.h"
#include "loop.h"

void trace_exception(const struct vcpu *v)
{
	const struct event *e = &v->event;

	fprintf(machine_log(v->machine),
		"exception: vector=%u error=%#x rip=%#llx cs=%#x cpl=%u cr2=%#llx software=%d insns=%llu\n", e->vector,
		e->error, (unsigned long long)v->rip, v->seg[CS].sel, v->cpl, (unsigned long long)v->cr2,
		e->software || e->icebp, (unsigned long long)vcpu_insns(v));
}

void trace_interrupt(const struct vcpu *v, int vector)
{
	fprintf(machine_log(v->machine), "interrupt: vector=%d rip=%#llx cs=%#x cpl=%u insns=%llu\n", vector,
		(unsigned long long)v->rip, v->seg[CS].sel, v->cpl, (unsigned long long)vcpu_insns(v));
}

void trace_io(void *arg, const struct bus_access *a)
{
	fprintf(machine_log(arg), "io: space=%s op=%s addr=%#llx size=%u value=%#llx device=%s\n",
		a->mmio ? "memory" : "port", a->write ? "write" : "read", (unsigned long long)a->addr, a->size,
		(unsigned long long)a->value, a->device ? a->device : "none");
}
