/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "acpi_pm.h"

#include <stdlib.h>

#include "../machine/machine.h"
#include "irqchip.h"
#include "rtc.h"

/* PM1 status and enable: ACPI specification, "PM1 Event Grouping" */
#define PM1_TIMER BIT(0)
#define PM1_RTC BIT(10) /* the only one that wakes the machine */
#define PM1_WAKE BIT(15)
#define PM1_ENABLE_BITS 0x0721u /* timer, global lock, power button, sleep button, RTC */

/* PM1 control */
#define PM1_SCI_EN BIT(0)
#define PM1_BM_RLD BIT(1)
#define PM1_SLP_TYP(value) ((value) >> 10 & 7)
#define PM1_SLP_TYP_BITS (7u << 10)
#define PM1_SLP_EN BIT(13)

struct acpi_pm {
	struct machine *machine;
	u16 status, enable, control;
	bool alarm; /* level of the clock's interrupt, as far as its alarm asserts it */
	u16 gpe_enable; /* kept for the guest: nothing raises a general-purpose event */
	u64 seen; /* the timer's ticks up to which `status` is right */
	struct timer timer;
};

static u64 pm_ticks(struct acpi_pm *p)
{
	return clock_scale(clock_ns(&p->machine->clock), ACPI_PM_TIMER_HZ);
}

/* TMR_STS is set whenever the counter's top bit changes. */
static u64 half_turns(u64 ticks)
{
	return ticks >> (ACPI_PM_TIMER_BITS - 1);
}

static void pm_catch_up(struct acpi_pm *p)
{
	u64 now = pm_ticks(p);

	if (half_turns(now) != half_turns(p->seen))
		p->status |= PM1_TIMER;
	p->seen = now;
}

/* The level of the interrupt, and a timer for the next change if one can interrupt. */
static void pm_update(struct acpi_pm *p)
{
	u64 next = (half_turns(p->seen) + 1) << (ACPI_PM_TIMER_BITS - 1);

	irqchip_set(p->machine->irqchip, ACPI_SCI_GSI, p->status & p->enable);
	if (p->enable & ~p->status & PM1_TIMER)
		timer_arm(&p->machine->clock, &p->timer, clock_unscale(next, ACPI_PM_TIMER_HZ));
	else
		timer_cancel(&p->machine->clock, &p->timer);
}

static void pm_fired(void *arg)
{
	struct acpi_pm *p = arg;

	pm_catch_up(p);
	pm_update(p);
}

/* The registers are 2 bytes; an access is 1, 2 or 4 bytes anywhere in a block. */
static u64 block_read(u32 block, u64 offset)
{
	return block >> offset * 8;
}

/* The block with the accessed bytes replaced. */
static u32 block_merge(u32 block, u64 offset, unsigned int size, u64 value)
{
	u32 mask = (u32)((BIT(size * 8) - 1) << offset * 8);

	return (block & ~mask) | ((u32)(value << offset * 8) & mask);
}

static u64 event_read(void *dev, u64 offset, unsigned int size)
{
	struct acpi_pm *p = dev;

	(void)size;
	pm_catch_up(p);
	return block_read(p->status | (u32)p->enable << 16, offset);
}

static void event_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct acpi_pm *p = dev;
	/* ones clear in the status half, so zero is what an access leaves alone there */
	u32 block = block_merge((u32)p->enable << 16, offset, size, value);

	pm_catch_up(p);
	p->status &= (u16)~block;
	p->enable = block >> 16 & PM1_ENABLE_BITS;
	pm_update(p);
}

static u64 control_read(void *dev, u64 offset, unsigned int size)
{
	struct acpi_pm *p = dev;

	(void)size;
	return block_read(p->control | PM1_SCI_EN, offset);
}

void acpi_pm_rtc_alarm(struct acpi_pm *p, bool level)
{
	if (level && !p->alarm)
		p->status |= PM1_RTC;
	p->alarm = level;
	pm_update(p);
}

bool acpi_pm_wakes(const struct acpi_pm *p)
{
	return p->status & p->enable & PM1_RTC;
}

bool acpi_pm_can_wake(const struct acpi_pm *p)
{
	return (p->enable & PM1_RTC) && ((p->status & PM1_RTC) || rtc_alarm_is_set(p->machine->rtc));
}

void acpi_pm_wake(struct acpi_pm *p)
{
	p->status |= PM1_WAKE;
}

/* A sleep type that \_Sx doesn't name is not entered: the guest goes on running. */
static void control_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct acpi_pm *p = dev;
	u32 block = block_merge(p->control, offset, size, value);

	p->control = block & (PM1_BM_RLD | PM1_SLP_TYP_BITS);
	if (!(block & PM1_SLP_EN))
		return;
	switch (PM1_SLP_TYP(block)) {
	case ACPI_S3_TYPE:
		machine_stop(p->machine, STOP_SLEEP, 0, NULL);
		break;
	case ACPI_S5_TYPE:
		machine_stop(p->machine, STOP_POWER_OFF, 0, NULL);
		break;
	}
}

static u64 timer_read(void *dev, u64 offset, unsigned int size)
{
	struct acpi_pm *p = dev;

	(void)size;
	return block_read((u32)(pm_ticks(p) & (BIT(ACPI_PM_TIMER_BITS) - 1)), offset);
}

static void timer_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	(void)dev; /* read-only */
	(void)offset;
	(void)size;
	(void)value;
}

static u64 gpe0_read(void *dev, u64 offset, unsigned int size)
{
	struct acpi_pm *p = dev;

	(void)size;
	return block_read((u32)p->gpe_enable << 16, offset);
}

static void gpe0_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct acpi_pm *p = dev;

	p->gpe_enable = (u16)(block_merge((u32)p->gpe_enable << 16, offset, size, value) >> 16);
}

const struct bus_ops acpi_pm1_event_ops = { .read = event_read, .write = event_write };
const struct bus_ops acpi_pm1_control_ops = { .read = control_read, .write = control_write };
const struct bus_ops acpi_pm_timer_ops = { .read = timer_read, .write = timer_write };
const struct bus_ops acpi_gpe0_ops = { .read = gpe0_read, .write = gpe0_write };

void acpi_pm_reset(struct acpi_pm *p)
{
	p->status = p->enable = p->control = p->gpe_enable = 0;
	p->seen = pm_ticks(p);
	pm_update(p);
}

struct acpi_pm *acpi_pm_create(struct machine *m)
{
	struct acpi_pm *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->machine = m;
	timer_init(&p->timer, pm_fired, p);
	acpi_pm_reset(p);
	return p;
}

void acpi_pm_destroy(struct acpi_pm *p)
{
	if (!p)
		return;
	timer_cancel(&p->machine->clock, &p->timer);
	free(p);
}
