/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reset_port.h"

#include <stdlib.h>

#include "../machine/machine.h"
#include "irqchip.h"

#define KEYBOARD_GSI 1

#define STATUS_OUTPUT_FULL BIT(0)
#define STATUS_SYSTEM BIT(2) /* self test passed */
#define STATUS_COMMAND BIT(3) /* the last write went to 0x64 */
#define STATUS_UNLOCKED BIT(4)
#define STATUS_AUX_DATA BIT(5)
#define STATUS_TIMEOUT BIT(6)

#define MODE_KEYBOARD_INTERRUPT BIT(0) /* the command byte */
#define MODE_KEYBOARD_DISABLED BIT(4)
#define MODE_AUX_DISABLED BIT(5)
#define MODE_AFTER_RESET (MODE_KEYBOARD_DISABLED | MODE_AUX_DISABLED)

#define OUTPUT_NOT_RESET BIT(0) /* the output port: 0 resets */
#define OUTPUT_A20 BIT(1)
#define OUTPUT_OTHERS 0xcc /* clock and data lines are idle */

#define PORT_A_RESET BIT(0)
#define PORT_A_A20 BIT(1)

#define CF9_SYSTEM BIT(1) /* what is reset: everything, or the CPU */
#define CF9_RESET_CPU BIT(2) /* its rise resets */
#define CF9_BITS 0x0e

/* commands of the keyboard controller */
#define COMMAND_READ_RAM 0x20 /* .. 0x3f; 0x20 itself: the command byte */
#define COMMAND_WRITE_RAM 0x60 /* .. 0x7f */
#define COMMAND_AUX_DISABLE 0xa7
#define COMMAND_AUX_ENABLE 0xa8
#define COMMAND_AUX_TEST 0xa9
#define COMMAND_SELF_TEST 0xaa
#define COMMAND_KEYBOARD_TEST 0xab
#define COMMAND_KEYBOARD_DISABLE 0xad
#define COMMAND_KEYBOARD_ENABLE 0xae
#define COMMAND_READ_INPUT 0xc0
#define COMMAND_READ_OUTPUT 0xd0
#define COMMAND_WRITE_OUTPUT 0xd1
#define COMMAND_ECHO_KEYBOARD 0xd2
#define COMMAND_ECHO_AUX 0xd3
#define COMMAND_WRITE_AUX 0xd4
#define COMMAND_A20_OFF 0xdd
#define COMMAND_A20_ON 0xdf
#define COMMAND_PULSE 0xf0 /* .. 0xff: pulls the output lines whose bits are 0 */

#define SELF_TEST_PASSED 0x55
#define TEST_PASSED 0x00
#define TEST_CLOCK_LOW 0x01 /* of the auxiliary port: there is none */
#define INPUT_PORT 0x80 /* not locked */
#define NO_ANSWER 0xfe /* with STATUS_TIMEOUT: nobody at the other end */

struct reset_port {
	struct machine *machine;
	u8 status, data;
	u8 command; /* a command that waits for its byte at 0x60; 0: none */
	u8 ram[32]; /* [0]: the command byte */
	bool a20;
	u8 port_a, cf9;
	bool everything; /* the reset under way is one of the whole machine */
};

static void reset_cpu(struct reset_port *r)
{
	machine_stop(r->machine, STOP_CPU_RESET, 0, NULL);
}

static void reset_machine(struct reset_port *r)
{
	r->everything = true;
	machine_stop(r->machine, STOP_RESET, 0, NULL);
}

static void controller_interrupt(struct reset_port *r)
{
	bool level = (r->status & STATUS_OUTPUT_FULL) && (r->ram[0] & MODE_KEYBOARD_INTERRUPT);

	irqchip_set(r->machine->irqchip, KEYBOARD_GSI, level);
}

/* flags: STATUS_AUX_DATA, STATUS_TIMEOUT */
static void controller_answer(struct reset_port *r, u8 data, u8 flags)
{
	r->data = data;
	r->status &= (u8) ~(STATUS_AUX_DATA | STATUS_TIMEOUT);
	r->status |= STATUS_OUTPUT_FULL | flags;
	controller_interrupt(r);
}

static void controller_write_output(struct reset_port *r, u8 value)
{
	r->a20 = value & OUTPUT_A20;
	if (!(value & OUTPUT_NOT_RESET))
		reset_cpu(r);
}

static u8 controller_output(const struct reset_port *r)
{
	return OUTPUT_OTHERS | OUTPUT_NOT_RESET | (r->a20 ? OUTPUT_A20 : 0);
}

static void controller_command(struct reset_port *r, u8 command)
{
	r->command = 0;
	switch (command) {
	case COMMAND_READ_RAM ... COMMAND_READ_RAM + 0x1f:
		controller_answer(r, r->ram[command & 0x1f], 0);
		break;
	case COMMAND_AUX_DISABLE:
		r->ram[0] |= MODE_AUX_DISABLED;
		break;
	case COMMAND_AUX_ENABLE:
		r->ram[0] &= (u8)~MODE_AUX_DISABLED;
		break;
	case COMMAND_AUX_TEST:
		controller_answer(r, TEST_CLOCK_LOW, 0);
		break;
	case COMMAND_SELF_TEST:
		r->status |= STATUS_SYSTEM;
		r->ram[0] = MODE_AFTER_RESET;
		controller_answer(r, SELF_TEST_PASSED, 0);
		break;
	case COMMAND_KEYBOARD_TEST:
		controller_answer(r, TEST_PASSED, 0);
		break;
	case COMMAND_KEYBOARD_DISABLE:
		r->ram[0] |= MODE_KEYBOARD_DISABLED;
		break;
	case COMMAND_KEYBOARD_ENABLE:
		r->ram[0] &= (u8)~MODE_KEYBOARD_DISABLED;
		break;
	case COMMAND_READ_INPUT:
		controller_answer(r, INPUT_PORT, 0);
		break;
	case COMMAND_READ_OUTPUT:
		controller_answer(r, controller_output(r), 0);
		break;
	case COMMAND_A20_OFF:
	case COMMAND_A20_ON:
		r->a20 = command == COMMAND_A20_ON;
		break;
	case COMMAND_WRITE_RAM ... COMMAND_WRITE_RAM + 0x1f:
	case COMMAND_WRITE_OUTPUT:
	case COMMAND_ECHO_KEYBOARD:
	case COMMAND_ECHO_AUX:
	case COMMAND_WRITE_AUX:
		r->command = command;
		break;
	case COMMAND_PULSE ... 0xff:
		if (!(command & OUTPUT_NOT_RESET))
			reset_cpu(r);
		break;
	default: /* as a controller that doesn't know the command: no answer */
		break;
	}
}

/* A byte at 0x60: the parameter of a command, or for the keyboard. */
static void controller_data(struct reset_port *r, u8 value)
{
	u8 command = r->command;

	r->command = 0;
	switch (command) {
	case COMMAND_WRITE_RAM ... COMMAND_WRITE_RAM + 0x1f:
		r->ram[command & 0x1f] = value;
		controller_interrupt(r);
		break;
	case COMMAND_WRITE_OUTPUT:
		controller_write_output(r, value);
		break;
	case COMMAND_ECHO_KEYBOARD:
	case COMMAND_ECHO_AUX: /* not flagged as auxiliary data: that is how a guest learns that there is no such port */
		controller_answer(r, value, 0);
		break;
	default: /* COMMAND_WRITE_AUX, or to the keyboard */
		controller_answer(r, NO_ANSWER, STATUS_TIMEOUT);
	}
}

static u64 data_read(void *dev, u64 offset, unsigned int size)
{
	struct reset_port *r = dev;

	(void)offset;
	(void)size;
	r->status &= (u8) ~(STATUS_OUTPUT_FULL | STATUS_AUX_DATA | STATUS_TIMEOUT);
	controller_interrupt(r);
	return r->data;
}

static void data_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct reset_port *r = dev;

	(void)offset;
	(void)size;
	r->status &= (u8)~STATUS_COMMAND;
	controller_data(r, (u8)value);
}

static u64 command_read(void *dev, u64 offset, unsigned int size)
{
	struct reset_port *r = dev;

	(void)offset;
	(void)size;
	return r->status;
}

static void command_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct reset_port *r = dev;

	(void)offset;
	(void)size;
	r->status |= STATUS_COMMAND;
	controller_command(r, (u8)value);
}

static u64 port_a_read(void *dev, u64 offset, unsigned int size)
{
	struct reset_port *r = dev;

	(void)offset;
	(void)size;
	return r->port_a | (r->a20 ? PORT_A_A20 : 0);
}

static void port_a_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct reset_port *r = dev;
	bool rises = value & ~r->port_a & PORT_A_RESET;

	(void)offset;
	(void)size;
	r->a20 = value & PORT_A_A20;
	r->port_a = value & PORT_A_RESET;
	if (rises)
		reset_cpu(r);
}

u8 reset_port_read_cf9(const struct reset_port *r)
{
	return r->cf9;
}

void reset_port_write_cf9(struct reset_port *r, u8 value)
{
	bool rises = value & ~r->cf9 & CF9_RESET_CPU;

	r->cf9 = value & CF9_BITS;
	if (rises && (value & CF9_SYSTEM))
		reset_machine(r);
	else if (rises)
		reset_cpu(r);
}

const struct bus_ops reset_port_data_ops = { .read = data_read, .write = data_write, .width = 1 };
const struct bus_ops reset_port_command_ops = { .read = command_read, .write = command_write, .width = 1 };
const struct bus_ops reset_port_a_ops = { .read = port_a_read, .write = port_a_write, .width = 1 };

void reset_port_reset(struct reset_port *r)
{
	r->status = STATUS_SYSTEM | STATUS_UNLOCKED;
	r->data = 0;
	r->command = 0;
	for (unsigned int i = 0; i < sizeof(r->ram); i++)
		r->ram[i] = 0;
	r->ram[0] = MODE_AFTER_RESET;
	r->a20 = true; /* firmware has opened it */
	/* by this firmware tells one reset from the other */
	if (r->everything)
		r->port_a = 0;
	r->everything = false;
	r->cf9 = 0;
	controller_interrupt(r);
}

struct reset_port *reset_port_create(struct machine *m)
{
	struct reset_port *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->machine = m;
	reset_port_reset(r);
	return r;
}

void reset_port_destroy(struct reset_port *r)
{
	free(r);
}
