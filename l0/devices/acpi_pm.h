/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI fixed hardware: PM1a event and control blocks, the power management timer, an empty GPE0 block.
 * ACPI specification, "ACPI Hardware Specification". The machine is in ACPI mode from the start: there is
 * no SMI command port, and the FADT says so. The system control interrupt is GSI 9, level-triggered.
 */
#ifndef L0_DEVICES_ACPI_PM_H
#define L0_DEVICES_ACPI_PM_H

#include "bus.h"

struct machine;
struct acpi_pm;

/* ports, for the FADT */
#define ACPI_PM1_EVENT_PORT 0x600 /* status, enable: 2 bytes each */
#define ACPI_PM1_EVENT_SIZE 4
#define ACPI_PM1_CONTROL_PORT 0x604
#define ACPI_PM1_CONTROL_SIZE 2
#define ACPI_PM_TIMER_PORT 0x608
#define ACPI_PM_TIMER_SIZE 4
#define ACPI_PM_TIMER_HZ 3579545ull
#define ACPI_PM_TIMER_BITS 24 /* FADT flag TMR_VAL_EXT is 0 */
#define ACPI_GPE0_PORT 0x620 /* status, enable: 2 bytes each */
#define ACPI_GPE0_SIZE 4
#define ACPI_SCI_GSI 9
/* SLP_TYPa of the sleep states that exist: \_S3, \_S5 */
#define ACPI_S3_TYPE 1
#define ACPI_S5_TYPE 0

struct acpi_pm *acpi_pm_create(struct machine *m); /* NULL: no memory */
void acpi_pm_destroy(struct acpi_pm *p);
void acpi_pm_reset(struct acpi_pm *p);

/* The clock's alarm asserts its interrupt, or no longer does: RTC_STS. */
void acpi_pm_rtc_alarm(struct acpi_pm *p, bool level);
/* Sleeping in S3: has an event come that wakes the machine? Could one come? */
bool acpi_pm_wakes(const struct acpi_pm *p);
bool acpi_pm_can_wake(const struct acpi_pm *p);
void acpi_pm_wake(struct acpi_pm *p); /* awake: WAK_STS */

/* dev: the struct acpi_pm */
extern const struct bus_ops acpi_pm1_event_ops, acpi_pm1_control_ops, acpi_pm_timer_ops, acpi_gpe0_ops;

#endif
