/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debug_exit.h"

#include <stdlib.h>

#include "../machine/machine.h"

struct debug_exit {
	struct machine *machine;
};

static u64 debug_exit_read(void *dev, u64 offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0;
}

static void debug_exit_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct debug_exit *d = dev;

	(void)offset;
	(void)size;
	machine_stop(d->machine, STOP_DEBUG_EXIT, (int)(value << 1 | 1), NULL);
}

const struct bus_ops debug_exit_ops = { .read = debug_exit_read, .write = debug_exit_write };

struct debug_exit *debug_exit_create(struct machine *m)
{
	struct debug_exit *d = calloc(1, sizeof(*d));

	if (d)
		d->machine = m;
	return d;
}

void debug_exit_destroy(struct debug_exit *d)
{
	free(d);
}

void debug_exit_reset(struct debug_exit *d)
{
	(void)d; /* it has no state */
}
