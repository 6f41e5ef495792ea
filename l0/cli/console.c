/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../machine/machine.h"
#include "terminal.h"

#define RING_SIZE 65536u /* bytes, a power of two */
#define INPUT_SIZE 4096u
#define WRITE_MAX 4096u /* PIPE_BUF: what a pipe that poll() calls writable takes without blocking */
#define CTRL_A 0x01

struct port {
	enum serial_kind kind;
	int in, out; /* -1: none, or no more */
	bool terminal; /* `in` is one */
	bool hung_up; /* pty: nobody has the other side open */
	bool escape; /* Ctrl-A was typed */
	bool dead; /* output fails: it is dropped from now on */

	/* guest to host: head is moved by the guest's thread, tail by the console's */
	_Atomic u32 head, tail;
	u8 ring[RING_SIZE];

	/* host to guest: bytes that the machine hasn't taken yet */
	size_t pending;
	u8 input[INPUT_SIZE];
	bool pending_break; /* behind them */
};

struct console {
	struct console_hooks hooks;
	pthread_t thread;
	sigset_t old_mask;
	int wake, signals; /* eventfd, signalfd */
	_Atomic bool sleeping; /* the thread is in poll(): who gives it work writes to `wake` */
	_Atomic bool stop; /* write everything out and end */
	_Atomic bool hurry; /* don't wait for readers that don't read */
	bool quitting; /* hooks.quit() was called because somebody asked */
	char why[128];
	struct port port[SERIAL_PORTS];
};

/* the pollfd of each thing that the thread waits for */
enum { FD_WAKE, FD_SIGNALS, FD_IN, FD_OUT = FD_IN + SERIAL_PORTS, FD_COUNT = FD_OUT + SERIAL_PORTS };

static void nap(long ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

static void wake(struct console *c)
{
	u64 one = 1;

	/* full means that a wake-up is already under way */
	while (write(c->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void console_put(struct console *c, unsigned int port, u8 byte)
{
	struct port *p = &c->port[port];
	u32 head = atomic_load_explicit(&p->head, memory_order_relaxed);

	if (p->out < 0)
		return;
	while (head - p->tail >= RING_SIZE) {
		if (c->hurry)
			return;
		nap(50000);
	}
	p->ring[head % RING_SIZE] = byte;
	/* sequentially consistent, as are the thread's accesses: it either sees the byte or is seen asleep */
	atomic_store(&p->head, head + 1);
	if (atomic_load(&c->sleeping) && atomic_exchange(&c->sleeping, false))
		wake(c);
}

static u32 waiting(const struct port *p)
{
	return p->head - p->tail;
}

/* The longest run of waiting bytes that lies in one piece, at most WRITE_MAX. */
static u32 contiguous(const struct port *p, const u8 **data)
{
	u32 tail = p->tail, n = waiting(p), to_end = RING_SIZE - tail % RING_SIZE;

	*data = p->ring + tail % RING_SIZE;
	if (n > to_end)
		n = to_end;
	return n < WRITE_MAX ? n : WRITE_MAX;
}

static void ask_quit(struct console *c, int code)
{
	if (c->quitting || c->stop) {
		terminal_restore();
		_exit(code);
	}
	c->quitting = true;
	c->hurry = true;
	c->hooks.quit(c->hooks.arg, code, NULL);
}

static void output_fails(struct console *c, unsigned int port, int err)
{
	struct port *p = &c->port[port];

	p->dead = true;
	snprintf(c->why, sizeof(c->why), "output of serial port %u: %s", port, strerror(err));
	c->hooks.quit(c->hooks.arg, EXIT_HOST, c->why);
}

/* poll() said that the port takes output, or that it never will. */
static void write_out(struct console *c, unsigned int port)
{
	struct port *p = &c->port[port];
	const u8 *data;
	u32 n = contiguous(p, &data);
	ssize_t done = write(p->out, data, n);

	if (done >= 0)
		p->tail += (u32)done;
	else if (p->kind == SERIAL_PTY && errno == EIO)
		p->hung_up = true;
	else if (errno != EAGAIN && errno != EINTR)
		output_fails(c, port, errno);
}

/* Keys of the console: filter Ctrl-A sequences out of n bytes at data; returns how many remain. */
static size_t filter_keys(struct console *c, struct port *p, u8 *data, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		u8 key = data[i];

		if (!p->escape) {
			p->escape = key == CTRL_A;
			if (!p->escape)
				data[kept++] = key;
			continue;
		}
		p->escape = false;
		if (key == CTRL_A)
			data[kept++] = key;
		else if (key == 'x' || key == 'X')
			ask_quit(c, EXIT_POWER_OFF);
		else if (key == 'h' || key == 'H' || key == '?')
			fputs("\n" CONSOLE_KEYS, stderr);
		else if (key == 'b' || key == 'B')
			p->pending_break = c->hooks.send_break;
	}
	return kept;
}

/* Offer the machine what it hasn't taken yet. */
static void pass_input(struct console *c, unsigned int port)
{
	struct port *p = &c->port[port];
	size_t taken;

	if (!p->pending) {
		if (p->pending_break)
			p->pending_break = !c->hooks.send_break(c->hooks.arg, port);
		return;
	}
	taken = c->hooks.input(c->hooks.arg, port, p->input, p->pending);
	p->pending -= taken;
	memmove(p->input, p->input + taken, p->pending);
}

/*
 * A terminal is read even if the guest takes nothing, since Ctrl-A x must always work: what doesn't fit is dropped, as
 * a real serial port would. Pipes and files are read only when there is room.
 */
static void read_in(struct console *c, unsigned int port)
{
	struct port *p = &c->port[port];
	u8 buffer[INPUT_SIZE];
	size_t room = INPUT_SIZE - p->pending, n;
	ssize_t got = read(p->in, buffer, p->terminal ? sizeof(buffer) : room);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		if (p->kind == SERIAL_PTY)
			p->hung_up = true;
		else
			p->in = -1;
		return;
	}
	n = p->terminal ? filter_keys(c, p, buffer, (size_t)got) : (size_t)got;
	if (n > room)
		n = room;
	memcpy(p->input + p->pending, buffer, n);
	p->pending += n;
	pass_input(c, port);
}

static bool has_terminal(const struct console *c)
{
	for (unsigned int i = 0; i < SERIAL_PORTS; i++)
		if (c->port[i].terminal)
			return true;
	return false;
}

static void on_signal(struct console *c)
{
	struct signalfd_siginfo info;

	if (read(c->signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGTSTP:
		terminal_restore();
		kill(getpid(), SIGSTOP);
		break;
	case SIGCONT:
		terminal_continue();
		break;
	default:
		ask_quit(c, 128 + (int)info.ssi_signo);
	}
}

/* The end has come, and for a second nothing could be written: drop what waits for readers that may be dropped. */
static void give_up(struct console *c)
{
	for (unsigned int i = 0; i < SERIAL_PORTS; i++)
		if (c->hurry || c->port[i].kind == SERIAL_PTY)
			c->port[i].tail = c->port[i].head;
}

/* Fill in what to wait for, and return for how long: ms, -1 without limit. */
static int prepare(struct console *c, struct pollfd fds[FD_COUNT], bool *drained)
{
	int timeout = c->stop ? 1000 : -1;

	*drained = true;
	fds[FD_WAKE] = (struct pollfd){ .fd = c->wake, .events = POLLIN };
	fds[FD_SIGNALS] = (struct pollfd){ .fd = c->signals, .events = POLLIN };
	for (unsigned int i = 0; i < SERIAL_PORTS; i++) {
		struct port *p = &c->port[i];
		bool readable = p->in >= 0 && !c->stop && (p->terminal || p->pending < INPUT_SIZE);
		bool writable;

		if (p->terminal && readable && !terminal_take(p->in)) {
			readable = false; /* in the background: look again whether it came back */
			if (timeout < 0)
				timeout = 200;
		}
		if (p->kind == SERIAL_PTY) {
			/* with nobody there, poll() would return at once: try every now and then instead */
			if (p->hung_up && !c->stop && (timeout < 0 || timeout > 100))
				timeout = 100;
			if (p->hung_up && (c->stop || waiting(p) > RING_SIZE / 2))
				p->tail = p->head - (c->stop ? 0 : RING_SIZE / 2);
		}
		if (p->dead)
			p->tail = p->head;
		writable = p->out >= 0 && waiting(p);
		*drained &= !writable;
		if ((p->pending || p->pending_break) && !c->stop)
			timeout = 2;
		fds[FD_IN + i] = (struct pollfd){ .fd = readable ? p->in : -1, .events = POLLIN };
		fds[FD_OUT + i] = (struct pollfd){ .fd = writable ? p->out : -1, .events = POLLOUT };
		if (p->hung_up)
			fds[FD_IN + i].fd = fds[FD_OUT + i].fd = -1;
	}
	return timeout;
}

/* Did a byte arrive for a port that this round of poll() doesn't look at? */
static bool missed(const struct console *c, const struct pollfd fds[FD_COUNT])
{
	for (unsigned int i = 0; i < SERIAL_PORTS; i++)
		if (fds[FD_OUT + i].fd < 0 && c->port[i].out >= 0 && !c->port[i].hung_up && waiting(&c->port[i]))
			return true;
	return c->stop;
}

static void check_pty(struct port *p)
{
	struct pollfd fd = { .fd = p->in, .events = POLLIN };

	if (p->kind == SERIAL_PTY)
		p->hung_up = poll(&fd, 1, 0) > 0 && (fd.revents & POLLHUP);
}

static void *console_thread(void *arg)
{
	struct console *c = arg;
	struct pollfd fds[FD_COUNT];

	for (;;) {
		bool stop = c->stop, drained;
		int timeout = prepare(c, fds, &drained), ready;

		if (stop && drained)
			return NULL;
		atomic_store(&c->sleeping, true);
		if (missed(c, fds) && (!stop || drained))
			timeout = 0;
		ready = poll(fds, FD_COUNT, timeout);
		atomic_store(&c->sleeping, false);
		if (ready < 0)
			continue;
		if (!ready && stop)
			give_up(c);
		if (fds[FD_WAKE].revents) {
			u64 count;

			if (read(c->wake, &count, sizeof(count)) == sizeof(count) && !c->stop)
				nap(300000); /* the rest of the line: one write for many bytes */
		}
		if (fds[FD_SIGNALS].revents)
			on_signal(c);
		for (unsigned int i = 0; i < SERIAL_PORTS; i++) {
			if (fds[FD_IN + i].revents)
				read_in(c, i);
			if (fds[FD_OUT + i].revents)
				write_out(c, i);
			pass_input(c, i);
			check_pty(&c->port[i]);
		}
	}
}

static int open_pty(struct port *p, unsigned int port)
{
	struct termios t;
	char name[64];
	int slave, err = 0, fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (grantpt(fd) || unlockpt(fd) || ptsname_r(fd, name, sizeof(name))) {
		err = -errno;
		goto close_fd;
	}
	/* raw from the start: whoever opens it should neither be echoed to nor see \n changed */
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &t)) {
		err = -errno;
		goto close_slave;
	}
	cfmakeraw(&t);
	if (tcsetattr(slave, TCSANOW, &t)) {
		err = -errno;
		goto close_slave;
	}
	close(slave);
	fprintf(stderr, "turtles: serial port %u is %s\n", port, name);
	p->in = p->out = fd;
	p->hung_up = true;
	return 0;

close_slave:
	if (slave >= 0)
		close(slave);
close_fd:
	close(fd);
	return err;
}

static int open_port(struct port *p, const struct serial_spec *spec, unsigned int port)
{
	p->kind = spec->kind;
	p->in = p->out = -1;
	switch (spec->kind) {
	case SERIAL_NONE:
	case SERIAL_NULL:
		return 0;
	case SERIAL_STDIO:
		p->in = STDIN_FILENO;
		p->out = STDOUT_FILENO;
		p->terminal = isatty(STDIN_FILENO);
		return 0;
	case SERIAL_FILE:
		p->out = open(spec->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		return p->out < 0 ? -errno : 0;
	case SERIAL_PTY:
		return open_pty(p, port);
	}
	return -EINVAL;
}

static void close_ports(struct console *c)
{
	for (unsigned int i = 0; i < SERIAL_PORTS; i++)
		if (c->port[i].out > STDERR_FILENO)
			close(c->port[i].out);
}

struct console *console_create(const struct serial_spec ports[SERIAL_PORTS], const struct console_hooks *hooks,
			       char *err, size_t n)
{
	struct console *c = calloc(1, sizeof(*c));
	sigset_t set;
	int result;

	if (!c) {
		snprintf(err, n, "console: %s", strerror(ENOMEM));
		return NULL;
	}
	c->hooks = *hooks;
	c->wake = c->signals = -1;
	for (unsigned int i = 0; i < SERIAL_PORTS; i++)
		c->port[i].out = -1;
	for (unsigned int i = 0; i < SERIAL_PORTS; i++) {
		result = open_port(&c->port[i], &ports[i], i);
		if (result) {
			snprintf(err, n, "serial port %u: could not open %s: %s", i,
				 ports[i].path ? ports[i].path : "a pseudo-terminal", strerror(-result));
			goto fail;
		}
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->wake < 0 || c->signals < 0) {
		snprintf(err, n, "console: %s", strerror(errno));
		goto fail;
	}
	pthread_sigmask(SIG_BLOCK, &set, &c->old_mask);
	signal(SIGPIPE, SIG_IGN);
	terminal_guard();
	if (has_terminal(c))
		terminal_take(STDIN_FILENO);
	result = pthread_create(&c->thread, NULL, console_thread, c);
	if (result) {
		snprintf(err, n, "console: %s", strerror(result));
		terminal_restore();
		pthread_sigmask(SIG_SETMASK, &c->old_mask, NULL);
		goto fail;
	}
	return c;

fail:
	if (c->wake >= 0)
		close(c->wake);
	if (c->signals >= 0)
		close(c->signals);
	close_ports(c);
	free(c);
	return NULL;
}

void console_hurry(struct console *c)
{
	c->hurry = true;
}

void console_destroy(struct console *c)
{
	if (!c)
		return;
	c->stop = true;
	wake(c);
	pthread_join(c->thread, NULL);
	terminal_restore();
	close(c->wake);
	close(c->signals);
	close_ports(c);
	pthread_sigmask(SIG_SETMASK, &c->old_mask, NULL);
	free(c);
}

void console_crash(struct console *c)
{
	terminal_restore();
	for (unsigned int i = 0; i < SERIAL_PORTS; i++) {
		struct port *p = &c->port[i];
		const u8 *data;
		u32 n;

		while (p->out >= 0 && (n = contiguous(p, &data)) > 0) {
			ssize_t done = write(p->out, data, n);

			if (done <= 0)
				break;
			p->tail += (u32)done;
		}
	}
}
