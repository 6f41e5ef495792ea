/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --trace-log's lines but for those of the translator: one an event, "area: key=value ...". All of it is ordinary
 * C: the guest's vector state has to be parked.
 */
#ifndef L0_RUN_TRACE_H
#define L0_RUN_TRACE_H

#include "../cpu/vcpu.h"

struct bus_access;

void trace_exception(const struct vcpu *v); /* v->event is about to be delivered */
void trace_interrupt(const struct vcpu *v, int vector); /* was taken */
void trace_io(void *machine, const struct bus_access *a);

#endif
