/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16550A UART. National Semiconductor PC16550D datasheet; on a PC its interrupt goes through OUT2.
 *
 * What the host sends is never dropped: it waits in a ring until the receiver takes it. The other end
 * of the line obeys flow control: it sends only while the guest asserts RTS, or has its receive interrupt
 * enabled (a guest that ignores the modem lines). So what was typed before a driver resets its FIFO stays.
 */
#ifndef L0_DEVICES_SERIAL_H
#define L0_DEVICES_SERIAL_H

#include "bus.h"

struct machine;
struct serial;

#define SERIAL_COUNT 4
#define SERIAL_SIZE 8 /* ports */

/* COM1..COM4: first port, GSI */
struct serial_location {
	u16 port;
	u8 gsi;
};
extern const struct serial_location serial_location[SERIAL_COUNT];

/* Where the guest's output goes. Called on the vCPU's thread. */
struct serial_backend {
	void (*write)(void *ctx, u8 byte); /* NULL: there is no such port */
	void *ctx;
};

struct serial *serial_create(struct machine *m, unsigned int index, const struct serial_backend *to); /* NULL: no memory */
void serial_destroy(struct serial *s);
void serial_reset(struct serial *s); /* input that waits stays */
extern const struct bus_ops serial_ops; /* dev: the struct serial */

/* Input from the host, by one thread at a time, any one. Returns how many of the n bytes fit: the rest is to be offered again. */
size_t serial_input(struct serial *s, const u8 *bytes, size_t n);
/* A break condition on the line (a magic SysRq for Linux). Returns false if it has to be offered again. */
bool serial_input_break(struct serial *s);

#endif
