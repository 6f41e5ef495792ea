/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI specification 5.1, "ACPI Software Programming Model": each structure below is named as there. */
#include "acpi.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "../devices/acpi_pm.h"
#include "../devices/reset_port.h"
#include "../devices/rtc.h"
#include "layout.h"

struct rsdp {
	char signature[8];
	u8 checksum; /* of the first 20 bytes */
	char oem_id[6];
	u8 revision;
	u32 rsdt;
	u32 length;
	u64 xsdt;
	u8 extended_checksum;
	u8 reserved[3];
} __attribute__((packed));

struct header {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem_id[6], oem_table_id[8];
	u32 oem_revision;
	char creator_id[4];
	u32 creator_revision;
} __attribute__((packed));

/* "Generic Address Structure" */
struct gas {
	u8 space, bits, offset, access;
	u64 address;
} __attribute__((packed));

#define GAS_IO 1
enum gas_access { GAS_BYTE = 1, GAS_WORD, GAS_DWORD };

struct fadt {
	struct header h;
	u32 firmware_ctrl, dsdt;
	u8 reserved0, preferred_pm_profile;
	u16 sci_int;
	u32 smi_cmd;
	u8 acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	u32 pm1a_evt_blk, pm1b_evt_blk, pm1a_cnt_blk, pm1b_cnt_blk, pm2_cnt_blk, pm_tmr_blk, gpe0_blk, gpe1_blk;
	u8 pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_blk_len, gpe1_blk_len, gpe1_base, cst_cnt;
	u16 p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
	u8 duty_offset, duty_width, day_alrm, mon_alrm, century;
	u16 iapc_boot_arch;
	u8 reserved1;
	u32 flags;
	struct gas reset_reg;
	u8 reset_value;
	u16 arm_boot_arch;
	u8 minor_revision;
	u64 x_firmware_ctrl, x_dsdt;
	struct gas x_pm1a_evt_blk, x_pm1b_evt_blk, x_pm1a_cnt_blk, x_pm1b_cnt_blk, x_pm2_cnt_blk, x_pm_tmr_blk,
		x_gpe0_blk, x_gpe1_blk, sleep_control_reg, sleep_status_reg;
} __attribute__((packed));

#define FADT_REVISION 5
#define FADT_WBINVD BIT(0)
#define FADT_PROC_C1 BIT(2)
#define FADT_PWR_BUTTON BIT(4) /* set: no fixed power button */
#define FADT_SLP_BUTTON BIT(5) /* set: no fixed sleep button */
#define FADT_TMR_VAL_EXT BIT(8) /* 32-bit timer */
#define FADT_RESET_REG_SUP BIT(10)
#define BOOT_ARCH_LEGACY_DEVICES BIT(0)
#define BOOT_ARCH_VGA_NOT_PRESENT BIT(2)
#define PM_PROFILE_UNSPECIFIED 0
/* no C2, no C3 */
#define NO_C2 101
#define NO_C3 1001

struct facs {
	char signature[4];
	u32 length, hardware_signature, firmware_waking_vector, global_lock, flags;
	u64 x_firmware_waking_vector;
	u8 version, reserved[3];
	u32 ospm_flags;
	u8 reserved1[24];
} __attribute__((packed));

struct madt {
	struct header h;
	u32 local_apic, flags;
} __attribute__((packed));

#define MADT_REVISION 3
#define MADT_PCAT_COMPAT BIT(0) /* there are 8259s, too */

struct madt_lapic {
	u8 type, length, uid, apic_id;
	u32 flags;
} __attribute__((packed));

struct madt_ioapic {
	u8 type, length, id, reserved;
	u32 address, gsi_base;
} __attribute__((packed));

struct madt_override {
	u8 type, length, bus, source;
	u32 gsi;
	u16 flags;
} __attribute__((packed));

struct madt_lapic_nmi {
	u8 type, length, uid;
	u16 flags;
	u8 lint;
} __attribute__((packed));

enum madt_type { MADT_LAPIC, MADT_IOAPIC, MADT_OVERRIDE, MADT_LAPIC_NMI = 4 };

#define LAPIC_ENABLED BIT(0)
#define INTI_CONFORMS 0x0 /* edge, active high on ISA */
#define INTI_LEVEL_HIGH 0xd
#define ALL_PROCESSORS 0xff

_Static_assert(sizeof(struct rsdp) == 36 && sizeof(struct header) == 36 && sizeof(struct fadt) == 268 &&
		       sizeof(struct facs) == 64 && sizeof(struct madt) == 44,
	       "the specification's layout");

/* The tables one after the other, as they will lie in guest memory. */
struct writer {
	u8 *buffer;
	u64 base; /* guest-physical address of buffer */
	size_t size, at;
	bool full;
};

static void *put(struct writer *w, const void *from, size_t n)
{
	u8 *to = w->buffer + w->at;

	if (n > w->size - w->at) {
		w->full = true;
		return NULL;
	}
	memcpy(to, from, n);
	w->at += n;
	return to;
}

static u8 checksum(const void *p, size_t n)
{
	u8 sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += ((const u8 *)p)[i];
	return (u8)-sum;
}

static struct header header(const char *signature, u8 revision)
{
	struct header h = { .revision = revision, .oem_revision = 1, .creator_revision = 1 };

	memcpy(h.signature, signature, 4);
	memcpy(h.oem_id, "TURTLE", 6);
	memcpy(h.oem_table_id, "TURTLES ", 8);
	memcpy(h.creator_id, "TRTL", 4);
	return h;
}

/* Tables start at multiples of 64; returns the new table's guest-physical address. */
static u64 begin(struct writer *w)
{
	size_t at = (w->at + 63) & ~(size_t)63;

	if (at > w->size)
		w->full = true;
	else
		w->at = at;
	return w->base + w->at;
}

/* The table that began at `address` is complete. */
static void end(struct writer *w, u64 address)
{
	struct header *h = (struct header *)(w->buffer + (address - w->base));

	if (w->full)
		return;
	h->length = (u32)(w->base + w->at - address);
	h->checksum = 0;
	h->checksum = checksum(h, h->length);
}

static struct gas io(u16 port, u8 bytes, enum gas_access access)
{
	return (struct gas){ .space = GAS_IO, .bits = (u8)(bytes * 8), .access = (u8)access, .address = port };
}

static u64 put_fadt(struct writer *w, u64 dsdt, u64 facs)
{
	struct fadt f = {
		.h = header("FACP", FADT_REVISION),
		.firmware_ctrl = (u32)facs, /* and so not in x_firmware_ctrl */
		.dsdt = (u32)dsdt,
		.preferred_pm_profile = PM_PROFILE_UNSPECIFIED,
		.sci_int = ACPI_SCI_GSI,
		/* smi_cmd 0: ACPI mode is on from the start */
		.pm1a_evt_blk = ACPI_PM1_EVENT_PORT,
		.pm1_evt_len = ACPI_PM1_EVENT_SIZE,
		.pm1a_cnt_blk = ACPI_PM1_CONTROL_PORT,
		.pm1_cnt_len = ACPI_PM1_CONTROL_SIZE,
		.pm_tmr_blk = ACPI_PM_TIMER_PORT,
		.pm_tmr_len = ACPI_PM_TIMER_SIZE,
		.gpe0_blk = ACPI_GPE0_PORT,
		.gpe0_blk_len = ACPI_GPE0_SIZE,
		.p_lvl2_lat = NO_C2,
		.p_lvl3_lat = NO_C3,
		.century = RTC_CENTURY,
		/* without the 8042's bit: there is one to reset the machine with, but no keyboard to look for */
		.iapc_boot_arch = BOOT_ARCH_LEGACY_DEVICES | BOOT_ARCH_VGA_NOT_PRESENT,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_PWR_BUTTON | FADT_SLP_BUTTON | FADT_RESET_REG_SUP |
			 (ACPI_PM_TIMER_BITS == 32 ? FADT_TMR_VAL_EXT : 0),
		.reset_reg = io(RESET_PORT, 1, GAS_BYTE),
		.reset_value = RESET_VALUE,
		.x_dsdt = dsdt,
		.x_pm1a_evt_blk = io(ACPI_PM1_EVENT_PORT, ACPI_PM1_EVENT_SIZE, GAS_WORD),
		.x_pm1a_cnt_blk = io(ACPI_PM1_CONTROL_PORT, ACPI_PM1_CONTROL_SIZE, GAS_WORD),
		.x_pm_tmr_blk = io(ACPI_PM_TIMER_PORT, ACPI_PM_TIMER_SIZE, GAS_DWORD),
		.x_gpe0_blk = io(ACPI_GPE0_PORT, ACPI_GPE0_SIZE, GAS_BYTE),
	};
	u64 address = begin(w);

	put(w, &f, sizeof(f));
	end(w, address);
	return address;
}

static u64 put_madt(struct writer *w, const struct machine *m)
{
	const struct madt head = { .h = header("APIC", MADT_REVISION),
				   .local_apic = (u32)LAYOUT_LAPIC,
				   .flags = MADT_PCAT_COMPAT };
	const struct madt_ioapic ioapic = { MADT_IOAPIC, sizeof(ioapic), 0, 0, (u32)LAYOUT_IOAPIC, 0 };
	const struct madt_override timer = { MADT_OVERRIDE, sizeof(timer), 0, 0, 2, INTI_CONFORMS };
	const struct madt_override sci = { MADT_OVERRIDE, sizeof(sci), 0, ACPI_SCI_GSI, ACPI_SCI_GSI, INTI_LEVEL_HIGH };
	const struct madt_lapic_nmi nmi = { MADT_LAPIC_NMI, sizeof(nmi), ALL_PROCESSORS, INTI_CONFORMS, 1 };
	u64 address = begin(w);

	put(w, &head, sizeof(head));
	for (unsigned int i = 0; i < m->vcpu_count; i++) {
		const struct madt_lapic lapic = { MADT_LAPIC, sizeof(lapic), (u8)i, (u8)i, LAPIC_ENABLED };

		put(w, &lapic, sizeof(lapic));
	}
	put(w, &ioapic, sizeof(ioapic));
	put(w, &timer, sizeof(timer));
	put(w, &sci, sizeof(sci));
	put(w, &nmi, sizeof(nmi));
	end(w, address);
	return address;
}

static u64 put_dsdt(struct writer *w, const struct machine *m)
{
	/* revision 2: integers of 64 bits */
	const struct header h = header("DSDT", 2);
	u64 address = begin(w);
	size_t n;

	put(w, &h, sizeof(h));
	n = dsdt_build(m, w->buffer + w->at, w->size - w->at);
	if (!n)
		w->full = true;
	w->at += n;
	end(w, address);
	return address;
}

/* RSDT and XSDT differ in the width of what they hold */
static u64 put_root(struct writer *w, const char *signature, unsigned int width, const u64 *tables, unsigned int n)
{
	const struct header h = header(signature, 1);
	u64 address = begin(w);

	put(w, &h, sizeof(h));
	for (unsigned int i = 0; i < n; i++)
		put(w, &tables[i], width);
	end(w, address);
	return address;
}

static int write_facs(struct machine *m, u64 address)
{
	/* version 0: x_firmware_waking_vector isn't looked at */
	const struct facs f = { .signature = "FACS", .length = sizeof(f), .version = 0 };

	return machine_write(m, address, &f, sizeof(f)) ? 0 : -ENOSPC;
}

static int write_rsdp(struct machine *m, u64 rsdt, u64 xsdt)
{
	struct rsdp r = { .revision = 2, .rsdt = (u32)rsdt, .length = sizeof(r), .xsdt = xsdt };
	const u16 ebda = LAYOUT_EBDA >> 4;

	memcpy(r.signature, "RSD PTR ", 8);
	memcpy(r.oem_id, "TURTLE", 6);
	r.checksum = checksum(&r, 20);
	r.extended_checksum = checksum(&r, sizeof(r));
	return machine_write(m, LAYOUT_RSDP, &r, sizeof(r)) && machine_write(m, LAYOUT_EBDA_POINTER, &ebda, sizeof(ebda))
		       ? 0
		       : -ENOSPC;
}

u32 acpi_waking_vector(struct machine *m)
{
	u32 vector;

	if (!machine_read(m, layout_nvs(&m->memory) + offsetof(struct facs, firmware_waking_vector), &vector,
			  sizeof(vector)))
		return 0;
	/* a real-mode address: the first megabyte */
	return vector < LAYOUT_BIOS_END ? vector : 0;
}

int acpi_build(struct machine *m)
{
	struct writer w = { .base = layout_acpi(&m->memory), .size = LAYOUT_ACPI_SIZE - LAYOUT_NVS_SIZE };
	u64 facs = layout_nvs(&m->memory), dsdt, tables[2], rsdt, xsdt;
	int err = -ENOSPC;

	w.buffer = calloc(1, w.size);
	if (!w.buffer)
		return -ENOMEM;
	dsdt = put_dsdt(&w, m);
	tables[0] = put_fadt(&w, dsdt, facs);
	tables[1] = put_madt(&w, m);
	rsdt = put_root(&w, "RSDT", 4, tables, 2);
	xsdt = put_root(&w, "XSDT", 8, tables, 2);
	if (!w.full && machine_write(m, w.base, w.buffer, w.size))
		err = write_facs(m, facs);
	free(w.buffer);
	return err ? err : write_rsdp(m, rsdt, xsdt);
}
