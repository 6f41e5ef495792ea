/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 8254 interval timer at 0x40 and the system control port at 0x61: channel 0 drives GSI 0, channel 1
 * is the memory refresh of old, channel 2 the speaker. Intel 8254 datasheet.
 */
#ifndef L0_DEVICES_PIT_H
#define L0_DEVICES_PIT_H

#include "bus.h"

struct machine;
struct pit;

#define PIT_PORT 0x40
#define PIT_CONTROL_PORT 0x61 /* speaker, gate and output of channel 2 */
#define PIT_HZ 1193182ull

struct pit *pit_create(struct machine *m); /* NULL: no memory */
void pit_destroy(struct pit *p);
void pit_reset(struct pit *p);
extern const struct bus_ops pit_ops, pit_control_ops; /* dev: the struct pit */

#endif
