/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways in which software resets a PC: the keyboard controller (0x60, 0x64), system control port A
 * (0x92) and the reset control register (0xcf9), with what belongs to them. There is a controller and no
 * keyboard: commands are answered, bytes to the keyboard time out at once.
 *
 * The A20 gate can be switched and read back, and switches nothing: address bit 20 is never masked.
 */
#ifndef L0_DEVICES_RESET_PORT_H
#define L0_DEVICES_RESET_PORT_H

#include "bus.h"

struct machine;
struct reset_port;

#define KEYBOARD_DATA_PORT 0x60
#define KEYBOARD_COMMAND_PORT 0x64
#define SYSTEM_CONTROL_A_PORT 0x92
#define RESET_PORT 0xcf9 /* the FADT's RESET_REG; inside PCI's 0xcf8..0xcfb: pci_host passes it on */
#define RESET_VALUE 0x06 /* resets when written there */

struct reset_port *reset_port_create(struct machine *m); /* NULL: no memory */
void reset_port_destroy(struct reset_port *r);
void reset_port_reset(struct reset_port *r);
extern const struct bus_ops reset_port_data_ops, reset_port_command_ops, reset_port_a_ops; /* dev: the struct reset_port */

u8 reset_port_read_cf9(const struct reset_port *r);
void reset_port_write_cf9(struct reset_port *r, u8 value);

#endif
