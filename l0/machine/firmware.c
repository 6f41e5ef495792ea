/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "firmware.h"
#include <errno.h>
#include <string.h>
#include "../devices/pic.h"
#include "../devices/rtc.h"
#include "../devices/serial.h"
#include "layout.h"

#define SEGMENT (LAYOUT_BIOS >> 4)
#define VECTORS 256
#define RESET_VECTOR 0xfff0u

/* The BIOS data area: segment 40h */
#define BDA 0x400u
#define BDA_SERIAL 0x00
#define BDA_EQUIPMENT 0x10
#define BDA_MEMORY 0x13 /* KiB below the EBDA */
#define BDA_RESUME 0x67 /* far pointer */
#define BDA_TICKS 0x6c /* 4 bytes: since midnight, and one that says that a day has passed */
#define EQUIPMENT_FPU BIT(1)
#define EQUIPMENT_SERIAL(n) ((n) << 9)

#define TICKS_A_DAY 0x1800b0 /* of 65536 periods of the 8254 each */

/* CMOS: what a reset is for */
#define CMOS_SHUTDOWN 0x0f
#define SHUTDOWN_RESUME_EOI 0x05
#define SHUTDOWN_RESUME 0x0a

#define PIC_EOI 0x20

#define LE16(n) (n) & 0xff, (n) >> 8 & 0xff
#define LE32(n) LE16(n), (n) >> 16 & 0xff, (n) >> 24 & 0xff
#define LOAD_DS 0x1e, 0xb8, LE16(BDA >> 4), 0x8e, 0xd8 /* push ds; mov ax, 40h; mov ds, ax */
#define EOI_MASTER 0xe6, PIC_MASTER_PORT /* out 20h, al */
#define EOI_SLAVE 0xe6, PIC_SLAVE_PORT
#define IRET 0xcf

/* name: its code */
/* clang-format off */
#define ROUTINES(X) \
	X(ignore, \
		IRET) \
	X(irq_master, \
		0x50,                                     /* push ax */ \
		0xb0, PIC_EOI, EOI_MASTER,                   /* mov al, 20h */ \
		0x58, IRET)                               /* pop ax */ \
	X(irq_slave, \
		0x50, 0xb0, PIC_EOI, EOI_SLAVE, EOI_MASTER, 0x58, IRET) \
	X(timer, \
		0x50, LOAD_DS, \
		0x66, 0xff, 0x06, LE16(BDA_TICKS),        /* inc dword [ticks] */ \
		0x66, 0x81, 0x3e, LE16(BDA_TICKS), LE32(TICKS_A_DAY), /* cmp dword [ticks], a day */ \
		0x72, 14,                                 /* jb: behind the next two */ \
		0x66, 0xc7, 0x06, LE16(BDA_TICKS), LE32(0),  /* mov dword [ticks], 0 */ \
		0xc6, 0x06, LE16(BDA_TICKS + 4), 1,       /* mov byte [ticks + 4], 1 */ \
		0xcd, 0x1c,                               /* int 1ch: the user's own */ \
		0xb0, PIC_EOI, EOI_MASTER, \
		0x1f, 0x58, IRET)                         /* pop ds; pop ax */ \
	X(equipment, \
		LOAD_DS, 0xa1, LE16(BDA_EQUIPMENT), 0x1f, IRET) /* mov ax, [..]; pop ds */ \
	X(memory, \
		LOAD_DS, 0xa1, LE16(BDA_MEMORY), 0x1f, IRET) \
	X(unsupported, \
		0xb4, 0x86, 0xf9,                         /* mov ah, 86h: no such function; stc */ \
		0xca, LE16(2))                            /* retf 2 */ \
	X(restart, \
		0xfa, 0xb0, 0xfe, 0xe6, 0x64,             /* cli; mov al, 0feh; out 64h, al: reset the CPU */ \
		0xf4, 0xeb, 0xfd)                         /* hlt; jmp to it */
/* clang-format on */

#define X(name, ...) static const u8 code_##name[] = { __VA_ARGS__ };
ROUTINES(X)
#undef X

enum routine {
#define X(name, ...) ROUTINE_##name,
	ROUTINES(X)
#undef X
		ROUTINE_COUNT
};

static const struct {
	const u8 *code;
	u8 size;
} routines[ROUTINE_COUNT] = {
#define X(name, ...) { code_##name, sizeof(code_##name) },
	ROUTINES(X)
#undef X
};

/* All vectors from `first` to `last` lead to the routine; a later row wins. */
/* clang-format off */
static const struct {
	u8 first, last;
	u8 routine;
} vectors[] = {
	{ 0x00, 0xff, ROUTINE_ignore },
	{ 0x08, 0x0f, ROUTINE_irq_master },
	{ 0x70, 0x77, ROUTINE_irq_slave },
	{ 0x08, 0x08, ROUTINE_timer },
	{ 0x11, 0x11, ROUTINE_equipment },
	{ 0x12, 0x12, ROUTINE_memory },
	{ 0x13, 0x13, ROUTINE_unsupported },
	{ 0x15, 0x15, ROUTINE_unsupported },
	{ 0x18, 0x19, ROUTINE_restart }, /* nothing to boot from but the kernel that was given */
};
/* clang-format on */

static bool write_code(struct machine *m, u16 offset[ROUTINE_COUNT])
{
	u16 at = LAYOUT_FIRMWARE - LAYOUT_BIOS;

	for (unsigned int i = 0; i < ROUTINE_COUNT; i++) {
		offset[i] = at;
		if (!machine_write(m, LAYOUT_BIOS + at, routines[i].code, routines[i].size))
			return false;
		at += routines[i].size;
	}
	return true;
}

static bool write_vectors(struct machine *m, const u16 offset[ROUTINE_COUNT])
{
	u16 table[VECTORS][2];

	for (unsigned int row = 0; row < sizeof(vectors) / sizeof(vectors[0]); row++)
		for (unsigned int i = vectors[row].first; i <= vectors[row].last; i++) {
			table[i][0] = offset[vectors[row].routine];
			table[i][1] = SEGMENT;
		}
	return machine_write(m, 0, table, sizeof(table));
}

/* Where the CPU would start; FFFF:0 is the same place. Behind it a date and the model that all ATs and later have. */
static bool write_reset_vector(struct machine *m, u16 target)
{
	const u8 jump[] = { 0xea, LE16(target), LE16(SEGMENT), '0', '1', '/', '0', '1', '/', '2', '0', 0, 0xfc, 0 };

	_Static_assert(sizeof(jump) <= 16, "the end of the segment");
	return machine_write(m, LAYOUT_BIOS + RESET_VECTOR, jump, sizeof(jump));
}

static bool write16(struct machine *m, u64 gpa, u16 value)
{
	return machine_write(m, gpa, &value, sizeof(value));
}

static bool write_data_area(struct machine *m)
{
	u8 bda[0x100] = { 0 };
	u16 ports = 0;

	for (unsigned int i = 0; i < SERIAL_COUNT; i++)
		if (m->serial[i])
			memcpy(bda + BDA_SERIAL + 2 * ports++, &serial_location[i].port, 2);
	return machine_write(m, BDA, bda, sizeof(bda)) &&
	       write16(m, BDA + BDA_EQUIPMENT, EQUIPMENT_FPU | EQUIPMENT_SERIAL(ports)) &&
	       write16(m, BDA + BDA_MEMORY, LAYOUT_EBDA >> 10) && write16(m, LAYOUT_EBDA_POINTER, LAYOUT_EBDA >> 4) &&
	       write16(m, LAYOUT_EBDA, (LAYOUT_EBDA_END - LAYOUT_EBDA) >> 10);
}

int firmware_build(struct machine *m)
{
	u16 offset[ROUTINE_COUNT];

	if (!write_code(m, offset) || !write_vectors(m, offset) || !write_reset_vector(m, offset[ROUTINE_restart]) ||
	    !write_data_area(m))
		return -ENOSPC;
	return 0;
}

bool firmware_resume(struct machine *m, struct boot_state *b)
{
	u16 target[2];
	u8 code;

	bus_pio_write(&m->bus, RTC_PORT, 1, CMOS_SHUTDOWN);
	code = (u8)bus_pio_read(&m->bus, RTC_PORT + 1, 1);
	bus_pio_write(&m->bus, RTC_PORT + 1, 1, 0);
	if ((code != SHUTDOWN_RESUME && code != SHUTDOWN_RESUME_EOI) ||
	    !machine_read(m, BDA + BDA_RESUME, target, sizeof(target)))
		return false;
	if (code == SHUTDOWN_RESUME_EOI) {
		bus_pio_write(&m->bus, PIC_SLAVE_PORT, 1, PIC_EOI);
		bus_pio_write(&m->bus, PIC_MASTER_PORT, 1, PIC_EOI);
	}
	*b = (struct boot_state){ .mode = BOOT_REAL, .segment = target[1], .rip = target[0] };
	return true;
}
