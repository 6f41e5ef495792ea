/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices.h"

#include <errno.h>

#include "../machine/machine.h"
#include "acpi_pm.h"
#include "debug_exit.h"
#include "irqchip.h"
#include "pci_host.h"
#include "pic.h"
#include "pit.h"
#include "reset_port.h"
#include "rtc.h"
#include "testdev.h"

/*
 * Ports that guests touch without expecting anything: 0x80 takes POST codes and serves as a delay, the
 * rest are page registers of a DMA controller. All ones read there mean that there is none.
 */
#define SINK_PORT 0x80
#define SINK_SIZE 0x10

static u64 sink_read(void *dev, u64 offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return UINT64_MAX;
}

static void sink_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	(void)dev;
	(void)offset;
	(void)size;
	(void)value;
}

static const struct bus_ops sink_ops = { .read = sink_read, .write = sink_write };

enum space { PORTS, MEMORY };

/* Where everything is. A row whose device is NULL isn't there. */
static int devices_map(struct machine *m, const struct devices_config *c)
{
	void *irqchip = c->no_irqchip ? NULL : m->irqchip;
	/* clang-format off */
	const struct {
		enum space space;
		u64 start, size;
		const struct bus_ops *ops;
		void *dev;
		const char *name;
	} rows[] = {
		{ PORTS,  PIC_MASTER_PORT,         2,                      &pic_master_ops,         irqchip,       "pic-master" },
		{ PORTS,  PIC_SLAVE_PORT,          2,                      &pic_slave_ops,          irqchip,       "pic-slave" },
		{ PORTS,  PIC_ELCR_PORT,           2,                      &pic_elcr_ops,           irqchip,       "elcr" },
		{ MEMORY, IOAPIC_GPA,              IOAPIC_SIZE,            &ioapic_ops,             irqchip,       "ioapic" },
		{ PORTS,  PIT_PORT,                4,                      &pit_ops,                m->pit,        "pit" },
		{ PORTS,  PIT_CONTROL_PORT,        1,                      &pit_control_ops,        m->pit,        "system-control-b" },
		{ PORTS,  KEYBOARD_DATA_PORT,      1,                      &reset_port_data_ops,    m->reset_port, "i8042-data" },
		{ PORTS,  KEYBOARD_COMMAND_PORT,   1,                      &reset_port_command_ops, m->reset_port, "i8042-command" },
		{ PORTS,  SYSTEM_CONTROL_A_PORT,   1,                      &reset_port_a_ops,       m->reset_port, "system-control-a" },
		{ PORTS,  RTC_PORT,                2,                      &rtc_ops,                m->rtc,        "rtc" },
		{ PORTS,  SINK_PORT,               SINK_SIZE,              &sink_ops,               m,             "post" },
		{ PORTS,  PCI_ADDRESS_PORT,        PCI_PORT_SIZE,          &pci_address_ops,        m->pci_host,   "pci-address" },
		{ PORTS,  PCI_DATA_PORT,           PCI_PORT_SIZE,          &pci_data_ops,           m->pci_host,   "pci-data" },
		{ PORTS,  ACPI_PM1_EVENT_PORT,     ACPI_PM1_EVENT_SIZE,    &acpi_pm1_event_ops,     m->acpi_pm,    "acpi-event" },
		{ PORTS,  ACPI_PM1_CONTROL_PORT,   ACPI_PM1_CONTROL_SIZE,  &acpi_pm1_control_ops,   m->acpi_pm,    "acpi-control" },
		{ PORTS,  ACPI_PM_TIMER_PORT,      ACPI_PM_TIMER_SIZE,     &acpi_pm_timer_ops,      m->acpi_pm,    "acpi-timer" },
		{ PORTS,  ACPI_GPE0_PORT,          ACPI_GPE0_SIZE,         &acpi_gpe0_ops,          m->acpi_pm,    "acpi-gpe0" },
		{ PORTS,  serial_location[0].port, SERIAL_SIZE,            &serial_ops,             m->serial[0],  "com1" },
		{ PORTS,  serial_location[1].port, SERIAL_SIZE,            &serial_ops,             m->serial[1],  "com2" },
		{ PORTS,  serial_location[2].port, SERIAL_SIZE,            &serial_ops,             m->serial[2],  "com3" },
		{ PORTS,  serial_location[3].port, SERIAL_SIZE,            &serial_ops,             m->serial[3],  "com4" },
		{ PORTS,  FW_CFG_PORT,             FW_CFG_PORT_SIZE,       &fw_cfg_ops,             m->fw_cfg,     "fw-cfg" },
		{ PORTS,  FW_CFG_DMA_PORT,         FW_CFG_DMA_SIZE,        &fw_cfg_dma_ops,         m->fw_cfg,     "fw-cfg-dma" },
		{ PORTS,  TESTDEV_ECHO_PORT,       4,                      &testdev_echo_ops,       m->testdev,    "testdev-echo" },
		{ PORTS,  TESTDEV_FLUSH_PORT,      4,                      &testdev_flush_ops,      m->testdev,    "testdev-flush" },
		{ PORTS,  TESTDEV_IRQ_PORT,        TESTDEV_IRQ_COUNT,      &testdev_irq_ops,        m->testdev,    "testdev-irq" },
		{ MEMORY, TESTDEV_MMIO_GPA,        TESTDEV_MMIO_SIZE,      &testdev_mmio_ops,       m->testdev,    "testdev-memory" },
		{ PORTS,  c->debug_exit_iobase,    c->debug_exit_iosize,   &debug_exit_ops,         m->debug_exit, "debug-exit" },
	};
	/* clang-format on */

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int err = 0;

		if (!rows[i].dev)
			continue;
		switch (rows[i].space) {
		case PORTS:
			err = bus_add_pio(&m->bus, (u16)rows[i].start, (u32)rows[i].size, rows[i].ops, rows[i].dev,
					  rows[i].name);
			break;
		case MEMORY:
			err = bus_add_mmio(&m->bus, rows[i].start, rows[i].size, rows[i].ops, rows[i].dev, rows[i].name);
			break;
		}
		if (err)
			return err;
	}
	return 0;
}

/* The interrupt controllers first: a device sets its line when it is created. */
static bool devices_allocate(struct machine *m, const struct devices_config *c)
{
	bool no_pit = c->no_pit || c->no_irqchip;

	m->irqchip = irqchip_create(m);
	if (!m->irqchip)
		return false;
	m->pit = no_pit ? NULL : pit_create(m);
	m->rtc = rtc_create(m, m->memory.low, m->memory.high);
	m->acpi_pm = acpi_pm_create(m);
	m->reset_port = reset_port_create(m);
	m->pci_host = pci_host_create(m);
	m->fw_cfg = fw_cfg_create(m, &c->fw_cfg);
	if ((!m->pit && !no_pit) || !m->rtc || !m->acpi_pm || !m->reset_port || !m->pci_host || !m->fw_cfg)
		return false;
	for (unsigned int i = 0; i < SERIAL_COUNT; i++) {
		if (!c->serial[i].write)
			continue;
		m->serial[i] = serial_create(m, i, &c->serial[i]);
		if (!m->serial[i])
			return false;
	}
	if (c->testdev) {
		m->testdev = testdev_create(m);
		if (!m->testdev)
			return false;
	}
	if (c->debug_exit_iosize) {
		m->debug_exit = debug_exit_create(m);
		if (!m->debug_exit)
			return false;
	}
	return true;
}

int devices_create(struct machine *m, const struct devices_config *c)
{
	int err = devices_allocate(m, c) ? devices_map(m, c) : -ENOMEM;

	if (err)
		devices_destroy(m);
	else
		irqchip_reset(m->irqchip); /* the edges of lines that rose above were no interrupts */
	return err;
}

void devices_destroy(struct machine *m)
{
	debug_exit_destroy(m->debug_exit);
	testdev_destroy(m->testdev);
	for (unsigned int i = 0; i < SERIAL_COUNT; i++) {
		serial_destroy(m->serial[i]);
		m->serial[i] = NULL;
	}
	fw_cfg_destroy(m->fw_cfg);
	pci_host_destroy(m->pci_host);
	reset_port_destroy(m->reset_port);
	acpi_pm_destroy(m->acpi_pm);
	rtc_destroy(m->rtc);
	pit_destroy(m->pit);
	irqchip_destroy(m->irqchip);
	m->debug_exit = NULL;
	m->testdev = NULL;
	m->fw_cfg = NULL;
	m->pci_host = NULL;
	m->reset_port = NULL;
	m->acpi_pm = NULL;
	m->rtc = NULL;
	m->pit = NULL;
	m->irqchip = NULL;
	m->bus = (struct bus){ 0 };
}

/* The interrupt controllers last: what a device's line did on its way to its reset level is forgotten. */
void devices_sleep(struct machine *m)
{
	if (m->pit)
		pit_reset(m->pit);
	reset_port_reset(m->reset_port);
	pci_host_reset(m->pci_host);
	fw_cfg_reset(m->fw_cfg);
	for (unsigned int i = 0; i < SERIAL_COUNT; i++)
		if (m->serial[i])
			serial_reset(m->serial[i]);
	if (m->testdev)
		testdev_reset(m->testdev);
	if (m->debug_exit)
		debug_exit_reset(m->debug_exit);
	irqchip_reset(m->irqchip);
}

void devices_reset(struct machine *m)
{
	rtc_reset(m->rtc);
	acpi_pm_reset(m->acpi_pm);
	devices_sleep(m);
}
