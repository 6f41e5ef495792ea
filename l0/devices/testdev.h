/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device that kvm-unit-tests know as pc-testdev:
 *   port 0xe0, 4 bytes     remembers what was written
 *   port 0xe4, 4 bytes     a guest-physical address: its page is to be mapped anew at the next access
 *   port 0x2000 + GSI      writes set the level of that interrupt line
 *   memory 0xff000000      64 KiB that behave like memory and are accessed like a device
 */
#ifndef L0_DEVICES_TESTDEV_H
#define L0_DEVICES_TESTDEV_H

#include "bus.h"
#include "irqchip.h"

struct testdev;

#define TESTDEV_ECHO_PORT 0xe0
#define TESTDEV_FLUSH_PORT 0xe4
#define TESTDEV_IRQ_PORT 0x2000
#define TESTDEV_IRQ_COUNT IOAPIC_PINS
#define TESTDEV_MMIO_GPA 0xff000000ull
#define TESTDEV_MMIO_SIZE 0x10000ull

struct testdev *testdev_create(struct machine *m); /* NULL: no memory */
void testdev_destroy(struct testdev *t);
void testdev_reset(struct testdev *t);
/* dev: the struct testdev */
extern const struct bus_ops testdev_echo_ops, testdev_flush_ops, testdev_irq_ops, testdev_mmio_ops;

#endif
