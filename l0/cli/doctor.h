/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host can do, and what turtles makes of it: a list of findings, each of which says how it is, and why that matters. Where that
 * is possible in some milliseconds it is tried, not asked for.
 */
#ifndef L0_CLI_DOCTOR_H
#define L0_CLI_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>

enum verdict {
	VERDICT_GOOD,
	VERDICT_LIMITED, /* it works, but slower or without something */
	VERDICT_BAD, /* turtles can't run guests */
	VERDICT_FACT, /* neither good nor bad */
};

struct doctor {
	json_t *findings; /* [ { "group", "name", "verdict", "value", "text" } ... ] */
	bool bad; /* one is */
};

/*
 * One more: group and name are JSON keys and headings, takes `value` over (NULL: null), and the rest is one line for a reader that says
 * the value and what it means.
 */
void doctor_add(struct doctor *d, const char *group, const char *name, enum verdict verdict, json_t *value,
		const char *format, ...) __attribute__((format(printf, 6, 7)));

void doctor_cpu(struct doctor *d); /* instruction sets, the TSC, VT */
void doctor_kvm(struct doctor *d); /* /dev/kvm, by running something on it */
void doctor_host(struct doctor *d); /* topology, limits, memory, what the kernel lets us do */

#endif
