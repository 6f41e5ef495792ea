/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sending takes no time: a byte is with the back end before the guest's next instruction, so the
 * transmitter is always empty. Receiving is paced by the reader alone. Only the receive FIFO's timeout
 * knows the line's speed.
 */
#include "serial.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "../cpu/vcpu.h"
#include "../machine/machine.h"
#include "irqchip.h"

const struct serial_location serial_location[SERIAL_COUNT] = { { 0x3f8, 4 }, { 0x2f8, 3 }, { 0x3e8, 4 }, { 0x2e8, 3 } };

enum serial_register { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCRATCH };

#define IER_RECEIVE BIT(0)
#define IER_TRANSMIT BIT(1)
#define IER_LINE BIT(2)
#define IER_MODEM BIT(3)
#define IER_BITS 0xfu

/* in the order of their priorities */
#define IIR_LINE 0x06
#define IIR_RECEIVE 0x04
#define IIR_TIMEOUT 0x0c
#define IIR_TRANSMIT 0x02
#define IIR_MODEM 0x00
#define IIR_NONE 0x01
#define IIR_FIFOS 0xc0

#define FCR_ENABLE BIT(0)
#define FCR_CLEAR_RECEIVE BIT(1)
#define FCR_TRIGGER_SHIFT 6

#define LCR_BITS_MASK 3u /* character length - 5 */
#define LCR_STOP BIT(2)
#define LCR_PARITY BIT(3)
#define LCR_BREAK BIT(6)
#define LCR_DLAB BIT(7)

#define MCR_DTR BIT(0)
#define MCR_RTS BIT(1)
#define MCR_OUT1 BIT(2)
#define MCR_OUT2 BIT(3)
#define MCR_LOOP BIT(4)
#define MCR_BITS 0x1fu

#define LSR_DATA BIT(0)
#define LSR_OVERRUN BIT(1)
#define LSR_BREAK BIT(4)
#define LSR_ERRORS 0x1eu /* overrun, parity, framing, break */
#define LSR_THRE BIT(5)
#define LSR_TEMT BIT(6)
#define LSR_FIFO_ERROR BIT(7)

#define MSR_DELTAS 0x0fu
#define MSR_CTS BIT(4)
#define MSR_DSR BIT(5)
#define MSR_RI BIT(6)
#define MSR_DCD BIT(7)
#define MSR_TERI BIT(2)
#define MSR_LINES 0xf0u
#define MSR_CABLE (MSR_CTS | MSR_DSR | MSR_DCD) /* there is always somebody at the other end */

#define FIFO_SIZE 16
#define RING_SIZE 4096u /* a power of two */
#define BREAK 0x100u /* in a FIFO or ring entry: a break came, and with it a zero */

#define BAUD_BASE 115200u
#define TIMEOUT_CHARACTERS 4

static const u8 triggers[] = { 1, 4, 8, 14 };

struct serial {
	struct machine *machine;
	struct serial_backend to;
	u8 gsi;
	bool level; /* of the interrupt */
	u8 ier, fcr, lcr, mcr, lsr_errors, msr, scratch;
	u16 divisor;
	bool transmit_pending; /* the interrupt "transmitter empty" waits to be seen */
	bool timed_out; /* the receive FIFO's timeout */
	u16 fifo[FIFO_SIZE];
	u8 fifo_head, fifo_count;
	struct timer timeout;

	/* filled by the host's thread, emptied by the vCPU's */
	u16 ring[RING_SIZE];
	_Atomic u32 ring_in, ring_out;
	struct timer arrival; /* armed by the host's thread for "now": fires on the vCPU's */
};

static bool fifos_enabled(const struct serial *s)
{
	return s->fcr & FCR_ENABLE;
}

static unsigned int fifo_capacity(const struct serial *s)
{
	return fifos_enabled(s) ? FIFO_SIZE : 1;
}

static unsigned int fifo_trigger(const struct serial *s)
{
	return fifos_enabled(s) ? triggers[s->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* start bit, data, parity, stop bits */
static u64 timeout_ns(const struct serial *s)
{
	unsigned int bits = 1 + 5 + (s->lcr & LCR_BITS_MASK) + !!(s->lcr & LCR_PARITY) + (s->lcr & LCR_STOP ? 2 : 1);
	u32 divisor = s->divisor ? s->divisor : 1;

	return TIMEOUT_CHARACTERS * bits * divisor * (1000000000ull / BAUD_BASE);
}

static u8 serial_iir(const struct serial *s)
{
	if ((s->ier & IER_LINE) && s->lsr_errors)
		return IIR_LINE;
	if ((s->ier & IER_RECEIVE) && s->fifo_count >= fifo_trigger(s))
		return IIR_RECEIVE;
	if ((s->ier & IER_RECEIVE) && s->timed_out)
		return IIR_TIMEOUT;
	if ((s->ier & IER_TRANSMIT) && s->transmit_pending)
		return IIR_TRANSMIT;
	if ((s->ier & IER_MODEM) && (s->msr & MSR_DELTAS))
		return IIR_MODEM;
	return IIR_NONE;
}

/* Only changes are passed on: two ports share a GSI, and the silent one must not release it. */
static void serial_update(struct serial *s)
{
	bool level = serial_iir(s) != IIR_NONE && (s->mcr & MCR_OUT2);

	if (level == s->level)
		return;
	s->level = level;
	irqchip_set(s->machine->irqchip, s->gsi, level);
}

/* ---- receiving ---- */

/* The errors of a character show in LSR when it is the next one to be read. */
static void fifo_show_head(struct serial *s)
{
	if (s->fifo_count && (s->fifo[s->fifo_head] & BREAK))
		s->lsr_errors |= LSR_BREAK;
}

/* The timeout counts from the last character that came or went. */
static void fifo_touched(struct serial *s)
{
	s->timed_out = false;
	if (fifos_enabled(s) && s->fifo_count)
		timer_arm(&s->machine->clock, &s->timeout, clock_ns(&s->machine->clock) + timeout_ns(s));
	else
		timer_cancel(&s->machine->clock, &s->timeout);
}

static void fifo_put(struct serial *s, u16 character)
{
	if (s->fifo_count == fifo_capacity(s)) {
		s->lsr_errors |= LSR_OVERRUN;
		if (fifos_enabled(s))
			return;
		s->fifo_count = 0; /* without FIFOs the new character replaces the old one */
	}
	s->fifo[(s->fifo_head + s->fifo_count) % FIFO_SIZE] = character;
	s->fifo_count++;
	if (s->fifo_count == 1)
		fifo_show_head(s);
	fifo_touched(s);
}

static void fifo_clear(struct serial *s)
{
	s->fifo_head = s->fifo_count = 0;
	fifo_touched(s);
}

/* While looped back the receiver hears nothing of the line. */
static bool line_may_send(const struct serial *s)
{
	return !(s->mcr & MCR_LOOP) && ((s->mcr & MCR_RTS) || (s->ier & IER_RECEIVE));
}

/* From the ring to the FIFO, as far as there is room. */
static void serial_receive(struct serial *s)
{
	u32 out = atomic_load_explicit(&s->ring_out, memory_order_relaxed);
	u32 in = atomic_load_explicit(&s->ring_in, memory_order_acquire);

	if (!line_may_send(s))
		return;
	while (out != in && s->fifo_count < fifo_capacity(s))
		fifo_put(s, s->ring[out++ % RING_SIZE]);
	atomic_store_explicit(&s->ring_out, out, memory_order_release);
}

static void serial_arrived(void *arg)
{
	struct serial *s = arg;

	serial_receive(s);
	serial_update(s);
}

static void serial_timed_out(void *arg)
{
	struct serial *s = arg;

	s->timed_out = s->fifo_count > 0;
	serial_update(s);
}

static bool ring_put(struct serial *s, u16 character)
{
	u32 in = atomic_load_explicit(&s->ring_in, memory_order_relaxed);

	if (in - atomic_load_explicit(&s->ring_out, memory_order_acquire) == RING_SIZE)
		return false;
	s->ring[in % RING_SIZE] = character;
	atomic_store_explicit(&s->ring_in, in + 1, memory_order_release);
	return true;
}

static void ring_ready(struct serial *s)
{
	timer_arm(&s->machine->clock, &s->arrival, 0);
	vcpu_post(s->machine->vcpu[0], EV_TIMER);
}

size_t serial_input(struct serial *s, const u8 *bytes, size_t n)
{
	size_t taken = 0;

	while (taken < n && ring_put(s, bytes[taken]))
		taken++;
	if (taken)
		ring_ready(s);
	return taken;
}

bool serial_input_break(struct serial *s)
{
	if (!ring_put(s, BREAK))
		return false;
	ring_ready(s);
	return true;
}

/* ---- registers ---- */

static u8 serial_read_data(struct serial *s)
{
	u8 byte = (u8)s->fifo[s->fifo_head]; /* of an empty FIFO: what was read last */

	if (!s->fifo_count)
		return byte;
	if (s->fifo_count > 1 || fifos_enabled(s))
		s->fifo_head = (s->fifo_head + 1) % FIFO_SIZE;
	s->fifo_count--;
	fifo_show_head(s);
	fifo_touched(s);
	serial_receive(s);
	return byte;
}

static void serial_write_data(struct serial *s, u8 byte)
{
	/* the write ends the interrupt, the byte's departure starts it again: an edge in between */
	s->transmit_pending = false;
	serial_update(s);
	s->transmit_pending = true;
	if (!(s->mcr & MCR_LOOP))
		s->to.write(s->to.ctx, byte);
	else if (!(s->lcr & LCR_BREAK)) /* a break holds the line: nothing else gets through */
		fifo_put(s, byte);
}

static void serial_write_ier(struct serial *s, u8 value)
{
	/* enabling it with an empty transmitter gives the interrupt at once */
	if (value & ~s->ier & IER_TRANSMIT)
		s->transmit_pending = true;
	s->ier = value & IER_BITS;
	serial_receive(s);
}

static u8 serial_read_iir(struct serial *s)
{
	u8 iir = serial_iir(s);

	if (iir == IIR_TRANSMIT)
		s->transmit_pending = false;
	return iir | (fifos_enabled(s) ? IIR_FIFOS : 0);
}

static void serial_write_fcr(struct serial *s, u8 value)
{
	/* switching the FIFOs on or off empties them */
	if (((s->fcr ^ value) & FCR_ENABLE) || (value & FCR_CLEAR_RECEIVE))
		fifo_clear(s);
	/* without the enable bit the others aren't programmed; the clear bits clear themselves */
	s->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | 3u << FCR_TRIGGER_SHIFT) : 0;
	serial_receive(s);
}

static void serial_write_lcr(struct serial *s, u8 value)
{
	bool breaks = value & ~s->lcr & LCR_BREAK;

	s->lcr = value;
	if (breaks && (s->mcr & MCR_LOOP))
		fifo_put(s, BREAK);
}

/* The modem lines, and the deltas since MSR was last read. */
static void serial_set_lines(struct serial *s, u8 lines)
{
	u8 changed = (s->msr ^ lines) & MSR_LINES;

	/* the ring indicator counts when it ends */
	s->msr = lines | (s->msr & MSR_DELTAS) | ((changed & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4) |
		 (changed & ~lines & MSR_RI ? MSR_TERI : 0);
}

static void serial_write_mcr(struct serial *s, u8 value)
{
	u8 lines = MSR_CABLE;

	s->mcr = value & MCR_BITS;
	if (s->mcr & MCR_LOOP)
		lines = (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
			(s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
	serial_set_lines(s, lines);
	serial_receive(s);
}

static u8 serial_read_lsr(struct serial *s)
{
	u8 value = LSR_THRE | LSR_TEMT | s->lsr_errors | (s->fifo_count ? LSR_DATA : 0);

	for (unsigned int i = 0; i < s->fifo_count && fifos_enabled(s); i++)
		if (s->fifo[(s->fifo_head + i) % FIFO_SIZE] & BREAK)
			value |= LSR_FIFO_ERROR;
	s->lsr_errors = 0;
	return value;
}

static u64 serial_read(void *dev, u64 offset, unsigned int size)
{
	struct serial *s = dev;
	bool dlab = s->lcr & LCR_DLAB;
	u8 value = 0;

	(void)size;
	switch ((enum serial_register)offset) {
	case REG_DATA:
		value = dlab ? (u8)s->divisor : serial_read_data(s);
		break;
	case REG_IER:
		value = dlab ? (u8)(s->divisor >> 8) : s->ier;
		break;
	case REG_IIR_FCR:
		value = serial_read_iir(s);
		break;
	case REG_LCR:
		return s->lcr;
	case REG_MCR:
		return s->mcr;
	case REG_LSR:
		value = serial_read_lsr(s);
		break;
	case REG_MSR:
		value = s->msr;
		s->msr &= MSR_LINES;
		break;
	case REG_SCRATCH:
		return s->scratch;
	}
	serial_update(s);
	return value;
}

static void serial_write(void *dev, u64 offset, unsigned int size, u64 value64)
{
	struct serial *s = dev;
	bool dlab = s->lcr & LCR_DLAB;
	u8 value = (u8)value64;

	(void)size;
	switch ((enum serial_register)offset) {
	case REG_DATA:
		if (dlab)
			s->divisor = (u16)((s->divisor & 0xff00) | value);
		else
			serial_write_data(s, value);
		break;
	case REG_IER:
		if (dlab)
			s->divisor = (u16)((s->divisor & 0xff) | value << 8);
		else
			serial_write_ier(s, value);
		break;
	case REG_IIR_FCR:
		serial_write_fcr(s, value);
		break;
	case REG_LCR:
		serial_write_lcr(s, value);
		break;
	case REG_MCR:
		serial_write_mcr(s, value);
		break;
	case REG_LSR: /* for the factory's tests */
	case REG_MSR:
		break;
	case REG_SCRATCH:
		s->scratch = value;
		break;
	}
	serial_update(s);
}

const struct bus_ops serial_ops = { .read = serial_read, .write = serial_write, .width = 1 };

void serial_reset(struct serial *s)
{
	s->ier = s->fcr = s->lcr = s->mcr = s->lsr_errors = s->scratch = 0;
	s->msr = MSR_CABLE;
	s->divisor = 12; /* 9600 baud */
	s->transmit_pending = false;
	fifo_clear(s);
	serial_update(s);
}

struct serial *serial_create(struct machine *m, unsigned int index, const struct serial_backend *to)
{
	struct serial *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->machine = m;
	s->to = *to;
	s->gsi = serial_location[index].gsi;
	timer_init(&s->timeout, serial_timed_out, s);
	timer_init(&s->arrival, serial_arrived, s);
	serial_reset(s);
	return s;
}

void serial_destroy(struct serial *s)
{
	if (!s)
		return;
	timer_cancel(&s->machine->clock, &s->timeout);
	timer_cancel(&s->machine->clock, &s->arrival);
	free(s);
}
