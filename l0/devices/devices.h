/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All devices of a machine but the local APICs, which belong to the vCPUs: irqchip.h. */
#ifndef L0_DEVICES_DEVICES_H
#define L0_DEVICES_DEVICES_H

#include "fw_cfg.h"
#include "serial.h"

struct machine;

struct devices_config {
	struct serial_backend serial[SERIAL_COUNT]; /* write NULL: no such port */
	u16 debug_exit_iobase, debug_exit_iosize; /* iosize: ports, 0: no such device */
	bool no_pit;
	bool no_irqchip; /* the engine has its own: ours is not on the bus, and there is no PIT of ours */
	bool testdev;
	struct fw_cfg_config fw_cfg;
};

/*
 * Create the devices and put them on m->bus; m's clock and memory are initialized. m->vcpu's local APICs
 * need not exist yet: no device interrupts before time goes on. Returns 0, -ENOMEM, or
 * -EEXIST if debug-exit's ports are another device's; then nothing is left behind.
 */
int devices_create(struct machine *m, const struct devices_config *c);
void devices_destroy(struct machine *m); /* fine after a failed or without a devices_create() */
void devices_reset(struct machine *m); /* the reset line; vCPUs reset their local APICs */
void devices_sleep(struct machine *m); /* ACPI S3: the same for those that then have no power */

#endif
