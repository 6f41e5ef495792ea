/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where output goes that must not wait for its reader, because who writes has other things to do.
 *
 * poll() alone isn't enough: what it calls writable takes something without waiting, not all that there is. O_NONBLOCK is, but it is the
 * open file's, and that of standard output is the shell's as well: there the file is opened once more, where it can be.
 */
#ifndef L0_CLI_OUTLET_H
#define L0_CLI_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../cpu/types.h"

struct outlet {
	int fd; /* -1: none. For poll(), too */
	enum outlet_way {
		OUTLET_WRITE, /* it is non-blocking, or a file: that takes all at once */
		OUTLET_SEND, /* a socket: each call says that it doesn't wait */
		OUTLET_BYTES, /* a terminal that can't be opened: what poll() promises is room for one */
	} way;
	bool own; /* outlet_close() closes fd */
};

#define OUTLET_NONE ((struct outlet){ .fd = -1 })

/* A descriptor of ours, which is closed with the outlet: non-blocking from now on. */
struct outlet outlet_of(int fd);
/* One that others use as well: it stays as it is, and open. While files can be opened. */
struct outlet outlet_shared(int fd);
void outlet_close(struct outlet *o);

/*
 * After poll() has said that there is room: as write() to a non-blocking file, -1 with EAGAIN included. One call takes PIPE_BUF bytes at most.
 */
ssize_t outlet_write(const struct outlet *o, const void *data, size_t n);
/* All of it, and wait for room until outlet_now() is `deadline`. False: it isn't all. Async-signal-safe. */
bool outlet_write_until(const struct outlet *o, const void *data, size_t n, u64 deadline);

/* ms of the host's monotonic clock, not 0. Async-signal-safe. */
u64 outlet_now(void);

#endif
