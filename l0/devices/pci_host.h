/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI configuration space by mechanism #1 (0xcf8, 0xcfc): one bus with a host bridge at 00:00.0 and an
 * ISA bridge at 00:01.0. PCI Local Bus specification 2.3, "Configuration Space".
 */
#ifndef L0_DEVICES_PCI_HOST_H
#define L0_DEVICES_PCI_HOST_H

#include "bus.h"

struct machine;
struct pci_host;

#define PCI_ADDRESS_PORT 0xcf8
#define PCI_DATA_PORT 0xcfc
#define PCI_PORT_SIZE 4

struct pci_host *pci_host_create(struct machine *m); /* NULL: no memory */
void pci_host_destroy(struct pci_host *p);
void pci_host_reset(struct pci_host *p);
extern const struct bus_ops pci_address_ops, pci_data_ops; /* dev: the struct pci_host */

#endif
