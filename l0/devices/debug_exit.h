/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A port that ends the run: value v makes the process exit with (v << 1) | 1, as kvm-unit-tests expect. */
#ifndef L0_DEVICES_DEBUG_EXIT_H
#define L0_DEVICES_DEBUG_EXIT_H

#include "bus.h"

struct machine;
struct debug_exit;

struct debug_exit *debug_exit_create(struct machine *m); /* NULL: no memory */
void debug_exit_destroy(struct debug_exit *d);
void debug_exit_reset(struct debug_exit *d);
extern const struct bus_ops debug_exit_ops; /* dev: the struct debug_exit */

#endif
