/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "console_port.h"
#include "unix_socket.h"

static void say_where(const struct port *p, const char *where)
{
	fprintf(stderr, "turtles: %s%sserial port %u is %s\n", p->name ? p->name : "", p->name ? ": " : "", p->number,
		where);
}

static int open_pty(struct port *p)
{
	struct termios t;
	char name[64];
	int slave, err = 0, fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

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
	say_where(p, name);
	p->in = fd;
	p->out = outlet_of(fd);
	p->hung_up = true;
	return 0;

close_slave:
	if (slave >= 0)
		close(slave);
close_fd:
	close(fd);
	return err;
}

int port_open(struct port *p, const struct console_port *spec, const struct outlet *standard_output)
{
	int fd;

	p->kind = spec->serial.kind;
	p->name = spec->name;
	p->number = spec->number;
	p->path = spec->serial.path;
	p->in = p->listen = -1;
	p->out = OUTLET_NONE;
	p->has_output = p->kind != SERIAL_NONE && p->kind != SERIAL_NULL;
	switch (p->kind) {
	case SERIAL_NONE:
	case SERIAL_NULL:
		return 0;
	case SERIAL_STDIO:
		p->in = STDIN_FILENO;
		p->out = (struct outlet){ .fd = standard_output->fd, .way = standard_output->way };
		p->terminal = isatty(STDIN_FILENO);
		return 0;
	case SERIAL_FILE:
		fd = open(p->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (fd < 0)
			return -errno;
		p->out = outlet_of(fd);
		return 0;
	case SERIAL_PTY:
		return open_pty(p);
	case SERIAL_UNIX:
		fd = unix_listen(p->path);
		if (fd < 0)
			return fd;
		p->listen = fd;
		p->hung_up = true;
		return 0;
	}
	return -EINVAL;
}

void port_close(struct port *p)
{
	outlet_close(&p->out);
	if (p->listen >= 0) {
		close(p->listen);
		unlink(p->path);
	}
}

void port_accept(struct port *p)
{
	int fd = accept4(p->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	p->in = fd;
	p->out = outlet_of(fd);
	p->hung_up = false;
}

void port_hang_up(struct port *p)
{
	p->hung_up = true;
	if (p->kind == SERIAL_UNIX && p->in >= 0) {
		outlet_close(&p->out);
		p->in = -1;
	}
}
