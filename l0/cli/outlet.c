/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

u64 outlet_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000 + 1;
}

struct outlet outlet_of(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	return (struct outlet){ .fd = fd, .own = true };
}

struct outlet outlet_shared(int fd)
{
	struct outlet o = { .fd = fd };
	unsigned int number;
	char name[32];
	struct stat st;
	bool terminal;
	int own = -1;

	if (fstat(fd, &st))
		return o;
	if (S_ISSOCK(st.st_mode)) {
		o.way = OUTLET_SEND;
		return o;
	}
	terminal = S_ISCHR(st.st_mode) && isatty(fd);
	if (!terminal && !S_ISFIFO(st.st_mode))
		return o;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	/* the other side of a pseudo-terminal can't: its name makes a new one */
	if (!terminal || ioctl(fd, TIOCGPTN, &number))
		own = open(name, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (own >= 0)
		return (struct outlet){ .fd = own, .own = true };
	/* somebody else's, after su(1) say. A pipe takes PIPE_BUF bytes if poll() says so. */
	if (terminal)
		o.way = OUTLET_BYTES;
	return o;
}

void outlet_close(struct outlet *o)
{
	if (o->own)
		close(o->fd);
	*o = OUTLET_NONE;
}

static bool has_room(const struct outlet *o, int ms)
{
	struct pollfd fd = { .fd = o->fd, .events = POLLOUT };

	return poll(&fd, 1, ms) > 0;
}

static ssize_t write_bytes(const struct outlet *o, const char *data, size_t n)
{
	size_t done = 0;

	while (done < n && has_room(o, 0)) {
		ssize_t one = write(o->fd, data + done, 1);

		if (one <= 0)
			return done ? (ssize_t)done : one;
		done++;
	}
	errno = EAGAIN;
	return done || !n ? (ssize_t)done : -1;
}

ssize_t outlet_write(const struct outlet *o, const void *data, size_t n)
{
	if (n > PIPE_BUF)
		n = PIPE_BUF;
	switch (o->way) {
	case OUTLET_SEND:
		return send(o->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	case OUTLET_BYTES:
		return write_bytes(o, data, n);
	case OUTLET_WRITE:
		break;
	}
	return write(o->fd, data, n);
}

bool outlet_write_until(const struct outlet *o, const void *data, size_t n, u64 deadline)
{
	const char *rest = data;

	while (n) {
		u64 now = outlet_now();
		ssize_t done;

		if (!has_room(o, now < deadline ? (int)(deadline - now) : 0))
			return false;
		done = outlet_write(o, rest, n);
		if (done > 0) {
			rest += done;
			n -= (size_t)done;
		} else if (!done || (errno != EAGAIN && errno != EINTR) || now >= deadline) {
			return false;
		}
	}
	return true;
}
