/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pci_host.h"

#include <stdlib.h>
#include <string.h>

#include "../machine/machine.h"
#include "reset_port.h"

#define ADDRESS_ENABLE BIT(31)
#define ADDRESS_FUNCTION(a) ((a) >> 8 & 0xffff) /* bus, device, function */
#define ADDRESS_REGISTER(a) ((a)&0xfc)
#define FUNCTION(device, function) ((device) << 3 | (function)) /* of bus 0 */

#define CONFIG_SIZE 256
#define CONFIG_DWORDS (CONFIG_SIZE / 4)

/* One dword of a function's configuration space: what it is after reset, and which bits a guest can write. */
struct config_dword {
	u8 at;
	u32 value, writable;
};

/* clang-format off */
static const struct config_dword host_bridge[] = {
	{ 0x00, 0x12378086, 0 }, /* device, vendor: Intel 82441FX */
	{ 0x04, 0x02000006, 0x00000100 }, /* status; memory and bus master always on, SERR */
	{ 0x08, 0x06000002, 0 }, /* host bridge, revision 2 */
	{ 0x0c, 0x00000000, 0x0000f800 }, /* latency timer */
	{ 0x58, 0x00000000, 0xffffff00 }, /* PAM0..2: kept, and nothing is shadowed */
	{ 0x5c, 0x00000000, 0xffffffff }, /* PAM3..6 */
};

static const struct config_dword isa_bridge[] = {
	{ 0x00, 0x70008086, 0 }, /* Intel 82371SB */
	{ 0x04, 0x02000007, 0x00000100 },
	{ 0x08, 0x06010000, 0 }, /* ISA bridge */
	{ 0x0c, 0x00000000, 0 }, /* one function */
	{ 0x60, 0x80808080, 0x8f8f8f8f }, /* PIRQ routes: none; kept for the guest */
};
/* clang-format on */

#define FUNCTION_ROW(id, table) \
	{ \
		id, table, sizeof(table) / sizeof((table)[0]) \
	}
static const struct {
	u16 id;
	const struct config_dword *config;
	unsigned int count;
} functions[] = {
	FUNCTION_ROW(FUNCTION(0, 0), host_bridge),
	FUNCTION_ROW(FUNCTION(1, 0), isa_bridge),
};
#define FUNCTION_COUNT (sizeof(functions) / sizeof(functions[0]))

struct pci_host {
	struct machine *machine;
	u32 address;
	struct {
		u32 config[CONFIG_DWORDS], writable[CONFIG_DWORDS];
	} function[FUNCTION_COUNT];
};

static int selected_function(const struct pci_host *p)
{
	if (p->address & ADDRESS_ENABLE)
		for (unsigned int i = 0; i < FUNCTION_COUNT; i++)
			if (functions[i].id == ADDRESS_FUNCTION(p->address))
				return (int)i;
	return -1;
}

/* Only a dword access is one to the address register; 0xcf9 as a byte is another device's. */
static u64 address_read(void *dev, u64 offset, unsigned int size)
{
	struct pci_host *p = dev;

	if (size == 4)
		return p->address;
	if (size == 1 && offset == RESET_PORT - PCI_ADDRESS_PORT)
		return reset_port_read_cf9(p->machine->reset_port);
	return UINT64_MAX;
}

static void address_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct pci_host *p = dev;

	if (size == 4)
		p->address = (u32)value & (ADDRESS_ENABLE | 0x00fffffc);
	else if (size == 1 && offset == RESET_PORT - PCI_ADDRESS_PORT)
		reset_port_write_cf9(p->machine->reset_port, (u8)value);
}

static u64 data_read(void *dev, u64 offset, unsigned int size)
{
	struct pci_host *p = dev;
	int i = selected_function(p);

	(void)size;
	if (i < 0)
		return UINT64_MAX;
	return p->function[i].config[ADDRESS_REGISTER(p->address) / 4] >> offset * 8;
}

static void data_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct pci_host *p = dev;
	int i = selected_function(p);
	unsigned int at = ADDRESS_REGISTER(p->address) / 4;
	u32 mask = (u32)((BIT(size * 8) - 1) << offset * 8);

	if (i < 0)
		return;
	mask &= p->function[i].writable[at];
	p->function[i].config[at] = (p->function[i].config[at] & ~mask) | ((u32)(value << offset * 8) & mask);
}

const struct bus_ops pci_address_ops = { .read = address_read, .write = address_write };
const struct bus_ops pci_data_ops = { .read = data_read, .write = data_write };

void pci_host_reset(struct pci_host *p)
{
	p->address = 0;
	memset(p->function, 0, sizeof(p->function));
	for (unsigned int i = 0; i < FUNCTION_COUNT; i++) {
		for (unsigned int j = 0; j < functions[i].count; j++) {
			const struct config_dword *d = &functions[i].config[j];

			p->function[i].config[d->at / 4] = d->value;
			p->function[i].writable[d->at / 4] = d->writable;
		}
	}
}

struct pci_host *pci_host_create(struct machine *m)
{
	struct pci_host *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->machine = m;
	pci_host_reset(p);
	return p;
}

void pci_host_destroy(struct pci_host *p)
{
	free(p);
}
