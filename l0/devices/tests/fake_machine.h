/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine without CPUs that run: the instruction clock stands still until fake_advance(), events
 * posted to a vCPU stay in v->events, a stop is recorded.
 */
#ifndef L0_DEVICES_TESTS_FAKE_MACHINE_H
#define L0_DEVICES_TESTS_FAKE_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "../../cpu/model.h"
#include "../../cpu/vcpu.h"
#include "../../machine/machine.h"
#include "../devices.h"
#include "../irqchip.h"

#define FAKE_VCPUS 4
#define FAKE_RAM 0x20000u

struct fake {
	struct machine m;
	struct cpu_model model;
	struct vcpu *v[FAKE_VCPUS];
	u8 ram[FAKE_RAM];
	u8 output[256]; /* of COM1 */
	unsigned int output_count;
};

/* All devices, COM1 and COM2, testdev, debug-exit at 0xf4; vcpus (1..FAKE_VCPUS) with local APICs. */
struct fake *fake_create(unsigned int vcpus);
void fake_destroy(struct fake *f);
void fake_advance(struct fake *f, u64 ns); /* timers fire at their exact deadlines */

u32 in8(struct fake *f, u16 port);
u32 in32(struct fake *f, u16 port);
void out8(struct fake *f, u16 port, u8 value);
void out16(struct fake *f, u16 port, u16 value);
void out32(struct fake *f, u16 port, u32 value);

/* Have these events been posted to vCPU n since the last look? */
bool fake_posted(struct fake *f, unsigned int n, u32 events);

/* 8259s as an operating system programs them: vectors 0x20.. and 0x28.., nothing masked. */
void fake_program_pics(struct fake *f);

#endif
