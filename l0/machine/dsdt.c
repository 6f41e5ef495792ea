/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DSDT: what a guest can't find by probing.
 *
 *   \_S3, \_S5       what to write to PM1a_CNT to sleep, to power off
 *   \_SB.CPUS.Cnnn  one processor each, by MADT's processor UID
 *   \_SB.PCI0       the host bridge and the addresses that it passes on
 *   \_SB.COMn       serial ports that the machine has
 *   \_SB.RTC        the clock
 */
#include <stdio.h>
#include "../devices/acpi_pm.h"
#include "../devices/pci_host.h"
#include "../devices/rtc.h"
#include "../devices/serial.h"
#include "acpi.h"
#include "aml.h"
#include "layout.h"

#define VGA_WINDOW 0xa0000u

static void device_id(struct aml *a, const char *hid, u64 uid)
{
	aml_name(a, "_HID");
	/* only PNP and ACPI-registered vendors of three letters have a compressed form */
	if (hid[0] == 'A')
		aml_string(a, hid);
	else
		aml_eisa_id(a, hid);
	aml_name(a, "_UID");
	aml_integer(a, uid);
}

static void sleep_state(struct aml *a, const char *name, u64 type)
{
	aml_name(a, name);
	aml_package(a, 4);
	aml_integer(a, type); /* PM1a_CNT.SLP_TYP */
	aml_integer(a, 0); /* PM1b: absent */
	aml_integer(a, 0);
	aml_integer(a, 0);
	aml_end(a);
}

static void processors(const struct machine *m, struct aml *a)
{
	aml_device(a, "CPUS");
	device_id(a, "ACPI0010", 0);
	for (unsigned int i = 0; i < m->vcpu_count; i++) {
		char name[8];

		snprintf(name, sizeof(name), "C%03X", i & 0xfff);
		aml_device(a, name);
		device_id(a, "ACPI0007", i);
		aml_end(a);
	}
	aml_end(a);
}

static void pci_bridge(struct aml *a)
{
	aml_device(a, "PCI0");
	device_id(a, "PNP0A03", 0);
	aml_name(a, "_CRS");
	aml_resources(a);
	aml_res_bus_window(a, 0, 0xff);
	aml_res_io(a, PCI_ADDRESS_PORT, 2 * PCI_PORT_SIZE);
	aml_res_io_window(a, 0, PCI_ADDRESS_PORT - 1);
	aml_res_io_window(a, PCI_DATA_PORT + PCI_PORT_SIZE, 0xffff);
	aml_res_memory_window(a, VGA_WINDOW, VGA_WINDOW + 0x1ffff, true);
	aml_res_memory_window(a, MEMORY_HOLE_START, LAYOUT_PCI_END - 1, false);
	aml_resources_end(a);
	aml_end(a);
}

static void port_device(struct aml *a, const char *name, const char *hid, u64 uid, u16 port, u8 count, u8 irq)
{
	aml_device(a, name);
	device_id(a, hid, uid);
	aml_name(a, "_CRS");
	aml_resources(a);
	aml_res_io(a, port, count);
	aml_res_irq(a, irq);
	aml_resources_end(a);
	aml_end(a);
}

size_t dsdt_build(const struct machine *m, void *to, size_t size)
{
	struct aml a;

	aml_init(&a, to, size);
	sleep_state(&a, "\\_S3", ACPI_S3_TYPE);
	sleep_state(&a, "\\_S5", ACPI_S5_TYPE);
	aml_scope(&a, "\\_SB");
	processors(m, &a);
	pci_bridge(&a);
	for (unsigned int i = 0; i < SERIAL_COUNT; i++) {
		char name[8];

		snprintf(name, sizeof(name), "COM%u", i + 1);
		if (m->serial[i])
			port_device(&a, name, "PNP0501", i + 1, serial_location[i].port, SERIAL_SIZE,
				    serial_location[i].gsi);
	}
	port_device(&a, "RTC", "PNP0B00", 0, RTC_PORT, 2, RTC_GSI);
	aml_end(&a);
	return a.overflow || a.depth ? 0 : a.at;
}
