/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keeper's process: notifications in, deeds and answers out. It has one thread, and waits for one thing after the other. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../cpu/types.h"

struct keeper {
	const struct keeper_names *names;
	pid_t pid;
	int socket, listener;
};

/* What a notified call asks for: names and flags, by the number of the argument that has them; -1: it has none */
static const struct call {
	int number;
	int directory, name; /* AT_FDCWD is the only directory */
	int flags, mode;
	int to_directory, to;
	int remove_flags; /* of unlinkat(), renameat2(): none is known */
} CALLS[] = {
	/* clang-format off */
	{ SYS_open,      -1, 0,  1,  2,  -1, -1, -1 },
	{ SYS_openat,     0, 1,  2,  3,  -1, -1, -1 },
	{ SYS_rename,    -1, 0, -1, -1,  -1,  1, -1 },
	{ SYS_renameat,   0, 1, -1, -1,   2,  3, -1 },
	{ SYS_renameat2,  0, 1, -1, -1,   2,  3,  4 },
	{ SYS_unlink,    -1, 0, -1, -1,  -1, -1, -1 },
	{ SYS_unlinkat,   0, 1, -1, -1,  -1, -1,  2 },
	/* clang-format on */
};

static int receive_descriptor(int socket)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	int fd = -1;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1 && message.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

/* A name out of the asking thread's memory. 0 or -errno */
static int copy_name(pid_t thread, u64 address, char name[PATH_MAX])
{
	size_t n = 0;

	while (n < PATH_MAX) {
		/* a page at a time: what is behind the name's end may not be there */
		size_t part = 4096 - (address + n) % 4096;
		struct iovec to, from;
		ssize_t got;

		part = part < PATH_MAX - n ? part : PATH_MAX - n;
		to = (struct iovec){ name + n, part };
		from = (struct iovec){ (void *)(address + n), part };
		got = process_vm_readv(thread, &to, 1, &from, 1, 0);
		if (got <= 0)
			return got ? -errno : -EFAULT;
		if (memchr(name + n, '\0', (size_t)got))
			return 0;
		n += (size_t)got;
	}
	return -ENAMETOOLONG;
}

/* /proc/self is the asking process's */
static const char *of_process(const struct keeper *k, const char *name, char buffer[PATH_MAX])
{
	static const char SELF[] = "/proc/self/";

	if (strncmp(name, SELF, sizeof(SELF) - 1))
		return name;
	snprintf(buffer, PATH_MAX, "/proc/%d/%s", (int)k->pid, name + sizeof(SELF) - 1);
	return buffer;
}

/* Do it. *fd: a descriptor for the asking process, or -1. 0 or -errno */
static int serve(const struct keeper *k, const struct seccomp_notif *request, const struct call *c, int *fd)
{
	const u64 *args = (const u64 *)request->data.args;
	char name[PATH_MAX], to[PATH_MAX], buffer[PATH_MAX];
	int flags = c->flags < 0 ? -1 : (int)args[c->flags], err;

	*fd = -1;
	if ((c->directory >= 0 && (int)args[c->directory] != AT_FDCWD) ||
	    (c->to_directory >= 0 && (int)args[c->to_directory] != AT_FDCWD) ||
	    (c->remove_flags >= 0 && args[c->remove_flags]))
		return -EACCES;
	err = copy_name((pid_t)request->pid, args[c->name], name);
	if (!err && c->to >= 0)
		err = copy_name((pid_t)request->pid, args[c->to], to);
	if (err)
		return err;
	if (!keeper_allows(k->names, k->pid, name, flags, c->to >= 0 ? to : NULL))
		return -EACCES;
	if (flags >= 0)
		*fd = open(of_process(k, name, buffer), flags | O_CLOEXEC, (mode_t)args[c->mode]);
	else if (c->to >= 0)
		err = rename(name, to);
	else
		err = unlink(name);
	return err || (flags >= 0 && *fd < 0) ? -errno : 0;
}

static void answer(const struct keeper *k, const struct seccomp_notif *request, int err, int fd)
{
	struct seccomp_notif_resp response = { .id = request->id, .error = err };

	if (fd >= 0) {
		struct seccomp_notif_addfd add = {
			.id = request->id,
			.srcfd = (u32)fd,
			.newfd_flags = (int)request->data.args[request->data.nr == SYS_open ? 1 : 2] & O_CLOEXEC
		};

		response.val = ioctl(k->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
		if (response.val < 0) {
			response.error = -errno;
			response.val = 0;
		}
		close(fd);
	}
	/* whoever has asked may be gone */
	ioctl(k->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void serve_one(const struct keeper *k)
{
	struct seccomp_notif request = { .id = 0 };
	int fd = -1, err = -ENOSYS;

	if (ioctl(k->listener, SECCOMP_IOCTL_NOTIF_RECV, &request))
		return;
	for (size_t i = 0; i < sizeof(CALLS) / sizeof(CALLS[0]); i++)
		if (CALLS[i].number == request.data.nr)
			err = serve(k, &request, &CALLS[i], &fd);
	answer(k, &request, err, fd);
}

_Noreturn void keeper_main(const struct keeper_names *names, pid_t pid, int socket)
{
	static const int IGNORED[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGUSR1, SIGPIPE };
	struct keeper k = { .names = names, .pid = pid, .socket = socket };

	/* it serves to the end, whoever ends the run */
	for (size_t i = 0; i < sizeof(IGNORED) / sizeof(IGNORED[0]); i++)
		signal(IGNORED[i], SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "turtles-keeper");
	if (getppid() != pid)
		_exit(0);
	k.listener = receive_descriptor(socket);
	while (k.listener >= 0) {
		struct pollfd fds[] = { { .fd = k.listener, .events = POLLIN }, { .fd = socket, .events = POLLIN } };

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents & POLLIN)
			serve_one(&k);
		else if (fds[0].revents || fds[1].revents)
			break;
	}
	_exit(0);
}
