/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nothing here counts. A channel remembers at which tick its count was loaded, and the count and the
 * output are functions of the ticks that passed since: one timer, for channel 0's next rising edge.
 *
 *   mode  output for `t` ticks after the load of N            counter shows        restarts
 *   0     t >= N                                              N - t                count written
 *   1     not loaded or t >= N                                N - t                gate rises
 *   2     low in the last tick of every N                     N - t % N            by itself, gate rises
 *   3     high in the first half of every N (and the odd one) twice as fast        by itself, gate rises
 *   4     low in tick N                                       N - t                count written
 *   5     low in tick N                                       N - t                gate rises
 */
#include "pit.h"

#include <stdlib.h>

#include "../machine/machine.h"
#include "irqchip.h"

#define PIT_GSI 0
#define CHANNELS 3
#define SPEAKER_CHANNEL 2

/* control word */
#define CONTROL_BCD BIT(0)
#define CONTROL_MODE(value) ((value) >> 1 & 7)
#define CONTROL_ACCESS(value) ((value) >> 4 & 3)
#define CONTROL_SELECT(value) ((value) >> 6 & 3)
#define SELECT_READ_BACK 3
#define READ_BACK_NO_COUNT BIT(5)
#define READ_BACK_NO_STATUS BIT(4)
#define READ_BACK_CHANNEL(n) BIT(1 + (n))
#define STATUS_OUTPUT BIT(7)
#define STATUS_NULL_COUNT BIT(6)

/* port 0x61 */
#define CONTROL_GATE2 BIT(0)
#define CONTROL_WRITABLE 0xfu /* gate, speaker, and the masks of two NMI sources that don't exist */
#define CONTROL_REFRESH BIT(4)
#define CONTROL_OUTPUT2 BIT(5)
#define REFRESH_NS 15085ull /* half a period of the refresh request */

enum access { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };

struct channel {
	u8 mode; /* 0..5 */
	u8 access; /* enum access, never ACCESS_LATCH */
	bool bcd;
	bool gate;
	bool armed; /* a count was written since the control word */
	bool started; /* `start` is valid: the count was loaded into the counter */
	bool halted; /* gate low in modes 0, 2, 3, 4 (or half a count written in mode 0): stands at `halted_at` */
	u64 start; /* tick of the load, moved along by the time halted */
	u64 halted_at; /* ticks since start */
	u32 count; /* N, 1..65536: counting now */
	u32 next_count; /* written; taken by the next load */
	bool reload; /* mode 2, 3: next_count is taken at the end of the period */
	u8 low_byte; /* first byte of ACCESS_BOTH */
	bool write_high, read_high; /* flip-flops of ACCESS_BOTH */
	bool count_latched, status_latched;
	u16 count_latch;
	u8 status_latch;
};

struct pit {
	struct machine *machine;
	struct channel channel[CHANNELS];
	u8 control; /* port 0x61, CONTROL_WRITABLE */
	struct timer timer; /* channel 0 */
};

static u64 pit_now(struct pit *p)
{
	return clock_scale(clock_ns(&p->machine->clock), PIT_HZ);
}

static bool is_periodic(const struct channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

static bool starts_by_gate(const struct channel *c)
{
	return c->mode == 1 || c->mode == 5;
}

static u64 channel_elapsed(const struct channel *c, u64 now)
{
	return c->halted ? c->halted_at : now - c->start;
}

static void channel_load(struct channel *c, u64 now)
{
	c->count = c->next_count;
	c->start = now;
	c->started = true;
	c->reload = false;
	if (c->halted)
		c->halted_at = 0;
}

/* A new count in modes 2 and 3 takes over when the period ends. */
static void channel_sync(struct channel *c, u64 now)
{
	u64 end;

	if (!c->reload)
		return;
	end = c->start + c->count;
	if (channel_elapsed(c, now) >= c->count)
		channel_load(c, end);
}

static void channel_halt(struct channel *c, u64 now)
{
	if (c->halted)
		return;
	c->halted_at = now - c->start;
	c->halted = true;
}

static void channel_resume(struct channel *c, u64 now)
{
	if (!c->halted)
		return;
	c->start = now - c->halted_at;
	c->halted = false;
}

static bool channel_output(const struct channel *c, u64 now)
{
	u64 t = channel_elapsed(c, now);

	if (!c->started)
		return c->mode != 0;
	switch (c->mode) {
	case 0:
	case 1:
		return t >= c->count;
	case 2: /* gate low forces the output high */
		return c->halted || t % c->count != c->count - 1;
	case 3:
		return c->halted || t % c->count < (c->count + 1) / 2;
	default:
		return t != c->count;
	}
}

static u16 to_bcd(u32 n)
{
	return (u16)(n / 1000 % 10 << 12 | n / 100 % 10 << 8 | n / 10 % 10 << 4 | n % 10);
}

static u32 from_bcd(u32 n)
{
	return (n >> 12 & 0xf) * 1000 + (n >> 8 & 0xf) * 100 + (n >> 4 & 0xf) * 10 + (n & 0xf);
}

static u16 channel_count(const struct channel *c, u64 now)
{
	u32 modulus = c->bcd ? 10000 : 65536;
	u64 t = channel_elapsed(c, now);
	u32 value;

	if (!c->started)
		value = 0;
	else if (c->mode == 2)
		value = c->count - (u32)(t % c->count);
	else if (c->mode == 3) /* counts even numbers down, once for each half */
		value = (c->count & ~1u) - (u32)(t % c->count % ((c->count + 1) / 2)) * 2;
	else
		value = (u32)((c->count + modulus - t % modulus) % modulus);
	value %= modulus;
	return c->bcd ? to_bcd(value) : (u16)value;
}

/* The tick of the next rising edge, TIMER_OFF if there is none before something is written. */
static u64 channel_next_rise(const struct channel *c, u64 now)
{
	u64 t = channel_elapsed(c, now);

	if (!c->started || c->halted)
		return TIMER_OFF;
	switch (c->mode) {
	case 0:
	case 1:
		return t < c->count ? c->start + c->count : TIMER_OFF;
	case 2:
	case 3:
		return c->start + (t / c->count + 1) * c->count;
	default: /* after the low tick */
		return t <= c->count ? c->start + c->count + 1 : TIMER_OFF;
	}
}

static void pit_schedule(struct pit *p, u64 now)
{
	u64 rise = channel_next_rise(&p->channel[0], now);

	if (rise == TIMER_OFF)
		timer_cancel(&p->machine->clock, &p->timer);
	else
		timer_arm(&p->machine->clock, &p->timer, clock_unscale(rise, PIT_HZ));
}

/*
 * Channel 0's output rises. The line shows the level between two events of the channel; where the
 * output fell before this edge, it falls here: nobody can have looked at it in between.
 */
static void pit_fired(void *arg)
{
	struct pit *p = arg;
	u64 now = pit_now(p);

	channel_sync(&p->channel[0], now);
	irqchip_set(p->machine->irqchip, PIT_GSI, false);
	irqchip_set(p->machine->irqchip, PIT_GSI, true);
	pit_schedule(p, now);
}

/* after a channel was programmed */
static void pit_changed(struct pit *p, unsigned int n, u64 now)
{
	if (n)
		return;
	irqchip_set(p->machine->irqchip, PIT_GSI, channel_output(&p->channel[0], now));
	pit_schedule(p, now);
}

static u8 channel_status(const struct channel *c, u64 now)
{
	bool null_count = !c->started || c->reload || !c->armed || (starts_by_gate(c) && c->next_count != c->count);

	return (u8)((channel_output(c, now) ? STATUS_OUTPUT : 0) | (null_count ? STATUS_NULL_COUNT : 0) |
		    c->access << 4 | c->mode << 1 | c->bcd);
}

static void channel_latch_count(struct channel *c, u64 now)
{
	if (c->count_latched)
		return;
	c->count_latch = channel_count(c, now);
	c->count_latched = true;
}

static void channel_latch_status(struct channel *c, u64 now)
{
	if (c->status_latched)
		return;
	c->status_latch = channel_status(c, now);
	c->status_latched = true;
}

static void channel_control(struct channel *c, u8 value, u64 now)
{
	u8 mode = CONTROL_MODE(value);

	if (CONTROL_ACCESS(value) == ACCESS_LATCH) {
		channel_latch_count(c, now);
		return;
	}
	c->access = CONTROL_ACCESS(value);
	c->mode = mode > 5 ? mode - 4 : mode; /* 6 and 7 are 2 and 3 */
	c->bcd = value & CONTROL_BCD;
	c->armed = c->started = c->reload = false;
	c->halted = !c->gate && !starts_by_gate(c);
	c->halted_at = 0;
	c->write_high = c->read_high = false;
	c->count_latched = c->status_latched = false;
}

static void pit_read_back(struct pit *p, u8 value, u64 now)
{
	for (unsigned int n = 0; n < CHANNELS; n++) {
		if (!(value & READ_BACK_CHANNEL(n)))
			continue;
		if (!(value & READ_BACK_NO_COUNT))
			channel_latch_count(&p->channel[n], now);
		if (!(value & READ_BACK_NO_STATUS))
			channel_latch_status(&p->channel[n], now);
	}
}

static void channel_set_count(struct channel *c, u32 written, u64 now)
{
	u32 n = c->bcd ? from_bcd(written) : written;

	c->next_count = n ? n : c->bcd ? 10000 : 65536;
	c->armed = true;
	if (starts_by_gate(c)) /* at the next trigger */
		return;
	if (is_periodic(c) && c->started) {
		u64 t = channel_elapsed(c, now) % c->count;

		c->start = now - t; /* of this period, at whose end channel_sync() loads */
		c->halted_at = t;
		c->reload = true;
		return;
	}
	channel_load(c, now);
	if (c->gate)
		channel_resume(c, now);
}

static void channel_write(struct channel *c, u8 value, u64 now)
{
	switch (c->access) {
	case ACCESS_LOW:
		channel_set_count(c, value, now);
		break;
	case ACCESS_HIGH:
		channel_set_count(c, (u32)value << 8, now);
		break;
	default:
		if (!c->write_high) {
			c->low_byte = value;
			/* mode 0: the first byte stops the counter and the output goes low */
			if (c->mode == 0)
				c->started = false;
		} else {
			channel_set_count(c, (u32)value << 8 | c->low_byte, now);
		}
		c->write_high = !c->write_high;
	}
}

static u8 channel_read(struct channel *c, u64 now)
{
	u16 count;
	bool high;

	if (c->status_latched) {
		c->status_latched = false;
		return c->status_latch;
	}
	count = c->count_latched ? c->count_latch : channel_count(c, now);
	high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->read_high);
	if (c->access == ACCESS_BOTH)
		c->read_high = !c->read_high;
	if (c->access != ACCESS_BOTH || high)
		c->count_latched = false;
	return (u8)(high ? count >> 8 : count);
}

static void channel_gate(struct channel *c, bool gate, u64 now)
{
	bool rises = gate && !c->gate;

	if (gate == c->gate)
		return;
	c->gate = gate;
	if (starts_by_gate(c)) {
		if (rises && c->armed)
			channel_load(c, now);
		return;
	}
	if (!gate) {
		channel_halt(c, now);
	} else {
		channel_resume(c, now);
		if (is_periodic(c) && c->armed)
			channel_load(c, now);
	}
}

static u64 pit_read(void *dev, u64 offset, unsigned int size)
{
	struct pit *p = dev;
	u64 now = pit_now(p);

	(void)size;
	if (offset == CHANNELS) /* the control word can't be read */
		return 0xff;
	channel_sync(&p->channel[offset], now);
	return channel_read(&p->channel[offset], now);
}

static void pit_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct pit *p = dev;
	u64 now = pit_now(p);
	unsigned int n;

	(void)size;
	for (n = 0; n < CHANNELS; n++)
		channel_sync(&p->channel[n], now);
	if (offset < CHANNELS) {
		n = (unsigned int)offset;
		channel_write(&p->channel[n], (u8)value, now);
	} else {
		n = CONTROL_SELECT(value);
		if (n == SELECT_READ_BACK) {
			pit_read_back(p, (u8)value, now);
			return;
		}
		channel_control(&p->channel[n], (u8)value, now);
		if (CONTROL_ACCESS(value) == ACCESS_LATCH)
			return;
	}
	pit_changed(p, n, now);
}

static u64 pit_control_read(void *dev, u64 offset, unsigned int size)
{
	struct pit *p = dev;
	u64 now = pit_now(p);
	struct channel *c = &p->channel[SPEAKER_CHANNEL];
	bool refresh = clock_ns(&p->machine->clock) / REFRESH_NS & 1;

	(void)offset;
	(void)size;
	channel_sync(c, now);
	return p->control | (refresh ? CONTROL_REFRESH : 0) | (channel_output(c, now) ? CONTROL_OUTPUT2 : 0);
}

static void pit_control_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct pit *p = dev;
	u64 now = pit_now(p);
	struct channel *c = &p->channel[SPEAKER_CHANNEL];

	(void)offset;
	(void)size;
	channel_sync(c, now);
	p->control = value & CONTROL_WRITABLE;
	channel_gate(c, value & CONTROL_GATE2, now);
}

const struct bus_ops pit_ops = { .read = pit_read, .write = pit_write, .width = 1 };
const struct bus_ops pit_control_ops = { .read = pit_control_read, .write = pit_control_write, .width = 1 };

/* Firmware leaves channel 0 ticking at 18.2 Hz. */
#define FIRMWARE_CONTROL 0x36 /* both bytes, mode 3 */

void pit_reset(struct pit *p)
{
	u64 now = pit_now(p);

	for (unsigned int n = 0; n < CHANNELS; n++) {
		p->channel[n] = (struct channel){ .gate = n != SPEAKER_CHANNEL };
		channel_control(&p->channel[n], FIRMWARE_CONTROL, now);
	}
	p->control = 0;
	channel_set_count(&p->channel[0], 0, now);
	pit_changed(p, 0, now);
}

struct pit *pit_create(struct machine *m)
{
	struct pit *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->machine = m;
	timer_init(&p->timer, pit_fired, p);
	pit_reset(p);
	return p;
}

void pit_destroy(struct pit *p)
{
	if (!p)
		return;
	timer_cancel(&p->machine->clock, &p->timer);
	free(p);
}
