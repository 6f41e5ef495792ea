/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "console.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../machine/machine.h"
#include "../run/signal_wait.h"
#include "console_port.h"
#include "terminal.h"

#define CRASH_WAIT_MS 1000 /* for all readers together */
#define CTRL_A 0x01

struct console {
	struct console_hooks hooks;
	pthread_t thread;
	sigset_t old_mask;
	int wake; /* eventfd */
	struct signal_wait signals;
	_Atomic bool sleeping; /* the thread is in poll(): who gives it work writes to `wake` */
	_Atomic bool stop; /* write everything out and end */
	_Atomic bool hurry; /* no reader is waited for */
	bool escape; /* Ctrl-A was typed, on the one terminal that there is */
	bool quitting; /* hooks.quit() was called because somebody asked */
	char why[128];
	unsigned int count;
	struct outlet output, errors; /* standard output and standard error */
	struct port *port;
	struct pollfd *fds;
	bool shared; /* standard output is several ports' */
	unsigned int typed; /* then: the port that gets what is typed */
	struct lines lines;
};

/* the pollfd of each thing that the thread waits for; from FD_PORT on three of each port */
enum { FD_WAKE, FD_SIGNALS, FD_LINES, FD_PORT };
enum { PORT_IN, PORT_OUT, PORT_LISTEN, PORT_FDS };

static struct pollfd *port_fd(const struct console *c, unsigned int port, int which)
{
	return &c->fds[FD_PORT + PORT_FDS * port + which];
}

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

/* A line for the user. The thread waits for nobody, so one that has no room isn't said. */
static void say(const struct console *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct console *c, const char *format, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0)
		outlet_write_until(&c->errors, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1, 0);
}

/* Until no more than so many bytes wait for the reader. False: they still do, and who waits has to leave. */
static bool wait_for_reader(const struct console *c, const struct port *p, u32 most, const _Atomic int *leave)
{
	while (port_waiting(p) > most) {
		if (c->hurry || p->hurry || (leave && atomic_load(leave)))
			return false;
		nap(50000);
	}
	return true;
}

bool console_put(struct console *c, unsigned int port, u8 byte, const _Atomic int *leave)
{
	struct port *p = &c->port[port];
	u32 head = atomic_load_explicit(&p->head, memory_order_relaxed);
	bool room;

	if (!p->has_output)
		return true;
	room = wait_for_reader(c, p, RING_SIZE - RING_SPARE - 1, leave);
	/* where the spare room is used up as well, whoever has to leave does so later rather than with a byte lost */
	if (!room && !wait_for_reader(c, p, RING_SIZE - 1, NULL))
		return false;
	p->ring[head % RING_SIZE] = byte;
	/* sequentially consistent, as are the thread's accesses: it either sees the byte or is seen asleep */
	atomic_store(&p->head, head + 1);
	if (atomic_load(&c->sleeping) && atomic_exchange(&c->sleeping, false))
		wake(c);
	return room;
}

bool console_wait(struct console *c, unsigned int port, const _Atomic int *leave)
{
	return wait_for_reader(c, &c->port[port], RING_SIZE - RING_SPARE, leave);
}

/* The longest run of waiting bytes that lies in one piece. */
static u32 contiguous(const struct port *p, const u8 **data)
{
	u32 tail = p->tail, n = port_waiting(p), to_end = RING_SIZE - tail % RING_SIZE;

	*data = p->ring + tail % RING_SIZE;
	return n < to_end ? n : to_end;
}

static void ask_quit(struct console *c, int code)
{
	if (c->quitting || c->stop) {
		terminal_restore();
		_exit(code);
	}
	c->quitting = true;
	c->hurry = true;
	c->hooks.quit(c->hooks.arg, CONSOLE_ALL, code, NULL);
}

static void output_fails(struct console *c, unsigned int port, int err)
{
	struct port *p = &c->port[port];

	p->dead = true;
	snprintf(c->why, sizeof(c->why), "output of serial port %u: %s", p->number, strerror(err));
	c->hooks.quit(c->hooks.arg, port, EXIT_HOST, c->why);
}

/* poll() said that the port takes output, or that it never will. */
static void write_out(struct console *c, unsigned int port)
{
	struct port *p = &c->port[port];
	const u8 *data;
	u32 n = contiguous(p, &data);
	ssize_t done = outlet_write(&p->out, data, n);

	if (done >= 0)
		p->tail += (u32)done;
	else if ((p->kind == SERIAL_PTY && errno == EIO) || (p->kind == SERIAL_UNIX && errno != EAGAIN && errno != EINTR))
		port_hang_up(p);
	else if (errno != EAGAIN && errno != EINTR)
		output_fails(c, port, errno);
}

/* The same for the stream that several share. */
static void write_lines(struct console *c)
{
	struct lines *l = &c->lines;
	ssize_t done = outlet_write(&c->output, l->text + l->done, l->size - l->done);

	if (done >= 0) {
		l->done += (u32)done;
	} else if (errno != EAGAIN && errno != EINTR) {
		for (unsigned int i = 0; i < c->count; i++)
			c->port[i].dead |= c->port[i].shared;
		l->size = l->done = 0;
		snprintf(c->why, sizeof(c->why), "output of the serial ports: %s", strerror(errno));
		c->hooks.quit(c->hooks.arg, CONSOLE_ALL, EXIT_HOST, c->why);
	}
}

/* To the next one that hasn't ended and isn't about to, which may be the same. False: there is none. */
static bool type_to_next(struct console *c)
{
	for (unsigned int i = 1; i <= c->count && !c->hurry; i++) {
		unsigned int next = (c->typed + i) % c->count;
		const struct port *p = &c->port[next];

		if (!p->shared || p->ended || p->hurry)
			continue;
		c->typed = next;
		say(c, "\nturtles: what is typed goes to %s\n", p->name);
		return true;
	}
	return false;
}

/* What is typed to one that has ended would be lost, and nobody would know. A pipe's input was meant for that one. */
static void leave_ended(struct console *c)
{
	const struct port *p = &c->port[c->typed];

	if (p->terminal && p->ended)
		type_to_next(c);
}

/* What doesn't fit is dropped, as a real serial port would. */
static void take_byte(struct port *p, u8 byte)
{
	if (p->pending < INPUT_SIZE)
		p->input[p->pending++] = byte;
}

/* Input of a terminal: keys of the console, the Ctrl-A sequences, and what goes to a guest. */
static void take_keys(struct console *c, unsigned int port, const u8 *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct port *p = &c->port[c->shared ? c->typed : port];
		u8 key = data[i];

		if (!c->escape) {
			c->escape = key == CTRL_A;
			if (!c->escape)
				take_byte(p, key);
			continue;
		}
		c->escape = false;
		if (key == CTRL_A)
			take_byte(p, key);
		else if (key == 'x' || key == 'X')
			ask_quit(c, EXIT_POWER_OFF);
		else if (key == 'h' || key == 'H' || key == '?')
			say(c, "\n" CONSOLE_KEYS);
		else if (key == 'b' || key == 'B')
			p->pending_break = c->hooks.send_break;
		else if ((key == 'n' || key == 'N') && c->shared && !type_to_next(c))
			say(c, "\nturtles: what is typed goes nowhere: all have ended\n");
	}
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

/* A terminal is read even if the guest takes nothing, since Ctrl-A x must always work. Pipes and files are read only when there is room. */
static void read_in(struct console *c, unsigned int port)
{
	struct port *p = &c->port[port];
	u8 buffer[INPUT_SIZE];
	ssize_t got = read(p->in, buffer, p->terminal ? sizeof(buffer) : INPUT_SIZE - p->pending);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		if (p->kind == SERIAL_PTY || p->kind == SERIAL_UNIX)
			port_hang_up(p);
		else
			p->in = -1;
		return;
	}
	if (p->terminal) {
		take_keys(c, port, buffer, (size_t)got);
		return;
	}
	memcpy(p->input + p->pending, buffer, (size_t)got);
	p->pending += (size_t)got;
}

static bool has_terminal(const struct console *c)
{
	for (unsigned int i = 0; i < c->count; i++)
		if (c->port[i].terminal)
			return true;
	return false;
}

static void on_signal(struct console *c)
{
	int signal = signal_wait_read(&c->signals);

	switch (signal) {
	case 0:
		break;
	case SIGTSTP:
		terminal_restore();
		kill(getpid(), SIGSTOP);
		break;
	case SIGCONT:
		terminal_continue();
		break;
	default:
		ask_quit(c, 128 + signal);
	}
}

/* Where nobody is on the other side, output is kept for who comes, half a ring of it, unless the end has come. */
static void drop_unread(const struct console *c, struct port *p)
{
	u32 keep = c->stop ? 0 : RING_SIZE / 2;

	if (p->dead)
		p->tail = p->head;
	else if (p->hung_up && port_waiting(p) > keep)
		p->tail = p->head - keep;
}

/* The end has come, and for a second nothing could be written: drop what waits for readers that may be dropped. */
static void give_up(struct console *c)
{
	for (unsigned int i = 0; i < c->count; i++) {
		struct port *p = &c->port[i];

		if (c->hurry || p->hurry || p->kind == SERIAL_PTY || p->kind == SERIAL_UNIX)
			p->tail = p->head;
	}
	if (c->hurry)
		c->lines.size = c->lines.done = 0;
}

static void shorten(int *timeout, int ms)
{
	if (*timeout < 0 || *timeout > ms)
		*timeout = ms;
}

/* What to wait for at one port. */
static void prepare_port(struct console *c, unsigned int port, int *timeout, bool *drained)
{
	struct port *p = &c->port[port];
	bool readable = p->in >= 0 && !c->stop && (p->terminal || p->pending < INPUT_SIZE), writable;

	if (p->shared && port != c->typed)
		readable = false;
	if (p->terminal && readable && !terminal_take(p->in)) {
		readable = false; /* in the background: look again whether it came back */
		shorten(timeout, 200);
	}
	/* with nobody there, poll() would return at once: try every now and then instead */
	if (p->kind == SERIAL_PTY && p->hung_up && !c->stop)
		shorten(timeout, 100);
	drop_unread(c, p);
	writable = p->has_output && !p->shared && port_waiting(p) && !p->hung_up;
	*drained &= !writable;
	if ((p->pending || p->pending_break) && !c->stop)
		shorten(timeout, 2);
	*port_fd(c, port, PORT_IN) = (struct pollfd){ .fd = readable && !p->hung_up ? p->in : -1, .events = POLLIN };
	*port_fd(c, port, PORT_OUT) = (struct pollfd){ .fd = writable ? p->out.fd : -1, .events = POLLOUT };
	*port_fd(c, port, PORT_LISTEN) = (struct pollfd){ .fd = p->hung_up && !c->stop ? p->listen : -1,
							  .events = POLLIN };
}

/* Fill in what to wait for, and return for how long: ms, -1 without limit. */
static int prepare(struct console *c, bool *drained)
{
	int timeout = c->stop ? 1000 : -1, held;

	*drained = true;
	if (c->shared && !c->stop)
		leave_ended(c);
	c->fds[FD_WAKE] = (struct pollfd){ .fd = c->wake, .events = POLLIN };
	c->fds[FD_SIGNALS] = (struct pollfd){ .fd = c->signals.fd, .events = POLLIN };
	c->fds[FD_LINES] = (struct pollfd){ .fd = -1, .events = POLLOUT };
	for (unsigned int i = 0; i < c->count; i++)
		prepare_port(c, i, &timeout, drained);
	if (!c->shared)
		return timeout;
	held = lines_take(&c->lines, c->port, c->count, outlet_now(), c->stop);
	if (held >= 0)
		shorten(&timeout, held);
	if (c->lines.size) {
		c->fds[FD_LINES].fd = c->output.fd;
		*drained = false;
	}
	return timeout;
}

/* Did a byte arrive for a port that this round of poll() doesn't look at? */
static bool missed(const struct console *c)
{
	for (unsigned int i = 0; i < c->count; i++) {
		const struct port *p = &c->port[i];

		if (p->shared ? p->head != p->seen && !c->lines.size
			      : port_fd(c, i, PORT_OUT)->fd < 0 && p->has_output && !p->hung_up && port_waiting(p))
			return true;
	}
	return c->stop;
}

/* A pseudo-terminal says by itself alone whether somebody has it open. */
static void check_pty(struct port *p)
{
	struct pollfd fd = { .fd = p->in, .events = POLLIN };

	if (p->kind == SERIAL_PTY)
		p->hung_up = poll(&fd, 1, 0) > 0 && (fd.revents & POLLHUP);
}

static void serve_port(struct console *c, unsigned int port)
{
	struct port *p = &c->port[port];

	if (port_fd(c, port, PORT_LISTEN)->revents)
		port_accept(p);
	if (port_fd(c, port, PORT_IN)->revents)
		read_in(c, port);
	if (port_fd(c, port, PORT_OUT)->revents && !p->hung_up)
		write_out(c, port);
	pass_input(c, port);
	check_pty(p);
}

static void *console_thread(void *arg)
{
	struct console *c = arg;

	for (;;) {
		bool stop = c->stop, drained;
		int timeout = prepare(c, &drained), ready;

		if (stop && drained)
			return NULL;
		atomic_store(&c->sleeping, true);
		if (missed(c) && (!stop || drained))
			timeout = 0;
		ready = poll(c->fds, FD_PORT + PORT_FDS * c->count, timeout);
		atomic_store(&c->sleeping, false);
		if (ready < 0)
			continue;
		if (!ready && stop)
			give_up(c);
		if (c->fds[FD_WAKE].revents) {
			u64 count;

			if (read(c->wake, &count, sizeof(count)) == sizeof(count) && !c->stop)
				nap(300000); /* the rest of the line: one write for many bytes */
		}
		if (c->fds[FD_SIGNALS].revents)
			on_signal(c);
		if (c->fds[FD_LINES].revents)
			write_lines(c);
		for (unsigned int i = 0; i < c->count; i++)
			serve_port(c, i);
	}
}

static int open_ports(struct console *c, const struct console_port *ports, char *err, size_t n)
{
	unsigned int stdio = 0;

	c->output = outlet_shared(STDOUT_FILENO);
	c->errors = outlet_shared(STDERR_FILENO);
	for (unsigned int i = 0; i < c->count; i++) {
		c->port[i].in = c->port[i].listen = -1;
		c->port[i].out = OUTLET_NONE;
	}
	for (unsigned int i = 0; i < c->count; i++) {
		int result = port_open(&c->port[i], &ports[i], &c->output);

		if (result) {
			snprintf(err, n, "%s%sserial port %u: could not open %s: %s",
				 ports[i].name ? ports[i].name : "", ports[i].name ? ": " : "", ports[i].number,
				 ports[i].serial.path ? ports[i].serial.path : "a pseudo-terminal", strerror(-result));
			return result;
		}
		if (ports[i].serial.kind == SERIAL_STDIO && !stdio++)
			c->typed = i;
	}
	c->shared = stdio > 1;
	for (unsigned int i = 0; i < c->count && c->shared; i++) {
		c->port[i].shared = c->port[i].kind == SERIAL_STDIO;
		if (c->port[i].shared && (int)strlen(c->port[i].name) > c->lines.name_width)
			c->lines.name_width = (int)strlen(c->port[i].name);
	}
	return 0;
}

static void release(struct console *c)
{
	if (c->wake >= 0)
		close(c->wake);
	signal_wait_close(&c->signals);
	for (unsigned int i = 0; i < c->count; i++)
		port_close(&c->port[i]);
	outlet_close(&c->output);
	outlet_close(&c->errors);
	free(c->port);
	free(c->fds);
	free(c);
}

static struct console *allocate(unsigned int count)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->wake = c->signals.fd = -1;
	c->output = c->errors = OUTLET_NONE;
	c->port = calloc(count, sizeof(c->port[0]));
	c->fds = calloc(FD_PORT + PORT_FDS * count, sizeof(c->fds[0]));
	if (c->port && c->fds) {
		c->count = count;
		return c;
	}
	release(c);
	return NULL;
}

struct console *console_create(const struct console_port *ports, unsigned int count, const struct console_hooks *hooks,
			       char *err, size_t n)
{
	struct console *c = allocate(count);
	sigset_t set;
	int result;

	if (!c) {
		snprintf(err, n, "console: %s", strerror(ENOMEM));
		return NULL;
	}
	c->hooks = *hooks;
	if (open_ports(c, ports, err, n))
		goto fail;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_sigmask(SIG_BLOCK, &set, &c->old_mask);
	if (c->wake < 0 || !signal_wait_open(&c->signals, &set)) {
		snprintf(err, n, "console: %s", strerror(errno));
		pthread_sigmask(SIG_SETMASK, &c->old_mask, NULL);
		goto fail;
	}
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
	release(c);
	return NULL;
}

void console_hurry(struct console *c, unsigned int port, bool hurry)
{
	if (port == CONSOLE_ALL)
		c->hurry = hurry;
	else
		c->port[port].hurry = hurry;
}

void console_ended(struct console *c, unsigned int port, bool ended)
{
	c->port[port].ended = ended;
	wake(c);
}

void console_destroy(struct console *c)
{
	sigset_t mask;

	if (!c)
		return;
	c->stop = true;
	wake(c);
	pthread_join(c->thread, NULL);
	terminal_restore();
	mask = c->old_mask;
	release(c);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

void console_crash(struct console *c)
{
	const u64 deadline = outlet_now() + CRASH_WAIT_MS;

	terminal_restore();
	if (c->lines.size > c->lines.done && c->lines.size <= LINES_SIZE)
		outlet_write_until(&c->output, c->lines.text + c->lines.done, c->lines.size - c->lines.done, deadline);
	for (unsigned int i = 0; i < c->count; i++) {
		struct port *p = &c->port[i];
		const u8 *data;
		u32 n;

		if (p->out.fd < 0 || !port_waiting(p))
			continue;
		if (p->shared) {
			outlet_write_until(&p->out, "\n", 1, deadline);
			outlet_write_until(&p->out, p->name, strlen(p->name), deadline);
			outlet_write_until(&p->out, "| ", 2, deadline);
		}
		while ((n = contiguous(p, &data)) > 0 && outlet_write_until(&p->out, data, n, deadline))
			p->tail += n;
	}
}
