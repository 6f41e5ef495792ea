/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../cpu/types.h"
#include "keeper.h"
#include "sandbox_calls.h"

#define KVM_IOCTLS 0xae00u /* <linux/kvm.h>'s KVMIO, as an ioctl's number has it */
#define IOCTL_TYPE 0xff00u

struct sandbox {
	pid_t keeper;
	int socket; /* to the keeper: it ends when this is closed */
};

struct rule {
	int call;
	unsigned int count; /* of conditions, all of which have to hold */
	struct scmp_arg_cmp conditions[2];
};

/* conditions: an argument is so; of an argument so many bits are */
#define IS(argument, value) \
	{ \
		argument, SCMP_CMP_EQ, value, 0 \
	}
#define BITS(argument, mask, value) \
	{ \
		argument, SCMP_CMP_MASKED_EQ, mask, value \
	}
#define ONE(call, a) \
	{ \
		SCMP_SYS(call), 1, \
		{ \
			a \
		} \
	}
#define TWO(call, a, b) \
	{ \
		SCMP_SYS(call), 2, \
		{ \
			a, b \
		} \
	}

static int add_all(scmp_filter_ctx ctx, u32 action, const int *calls, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = seccomp_rule_add(ctx, action, calls[i], 0);
	return err;
}

static int add_rules(scmp_filter_ctx ctx, const struct rule *rules, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rules[i].call, rules[i].count, rules[i].conditions);
	return err;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int add_conditional(scmp_filter_ctx ctx, bool kvm)
{
	const unsigned int write_exec = PROT_WRITE | PROT_EXEC;
	const u64 self = (u64)getpid();
	const struct rule rules[] = {
		/* code: a page is writable or executable, and stays what it is */
		ONE(mmap, BITS(2, write_exec, 0)),
		ONE(mmap, BITS(2, write_exec, PROT_WRITE)),
		ONE(mmap, BITS(2, write_exec, PROT_EXEC)),
		ONE(mprotect, BITS(2, PROT_EXEC, 0)),
		/* threads, no processes */
		ONE(clone, BITS(0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM)),
		ONE(prctl, IS(0, PR_SET_NAME)),
		/* as WRGSBASE does; without it translated code needs this */
		ONE(arch_prctl, IS(0, ARCH_SET_GS)),
		ONE(sched_setaffinity, IS(0, 0)),
		TWO(setpriority, IS(0, PRIO_PROCESS), IS(1, 0)),
		TWO(prlimit64, IS(0, 0), IS(2, 0)),
		/* signals to itself */
		ONE(kill, IS(0, self)),
		ONE(tgkill, IS(0, self)),
		ONE(rt_sigqueueinfo, IS(0, self)),
		ONE(rt_tgsigqueueinfo, IS(0, self)),
		/* the terminal */
		ONE(ioctl, IS(1, TCGETS)),
		ONE(ioctl, IS(1, TCSETS)),
		ONE(ioctl, IS(1, TIOCGPGRP)),
		ONE(fcntl, IS(1, F_GETFL)),
		ONE(fcntl, IS(1, F_SETFL)),
		ONE(fcntl, IS(1, F_GETFD)),
		ONE(fcntl, IS(1, F_SETFD)),
	};
	const struct rule vm = ONE(ioctl, BITS(1, IOCTL_TYPE, KVM_IOCTLS));
	int err = add_rules(ctx, rules, COUNT(rules));

	return err || !kvm ? err : add_rules(ctx, &vm, 1);
}

/* 0 or -errno; *listener: the descriptor that the keeper needs */
static int load_filter(bool kvm, int *listener)
{
#define C(name) SCMP_SYS(name),
	static const int ALLOWED[] = { SANDBOX_CALLS(C) }, KEPT[] = { SANDBOX_KEEPER_CALLS(C) },
			 KILLED[] = { SANDBOX_KILL_CALLS(C) };
#undef C
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = ctx ? 0 : -ENOMEM;

	/*
	 * For all threads. SSB: the kernel is not to slow down the CPU's speculation for us as it does for a browser that has
	 * other people's secrets in its own memory: an L1 is in the same process as L0 either way.
	 */
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = add_all(ctx, SCMP_ACT_ALLOW, ALLOWED, COUNT(ALLOWED));
	if (!err)
		err = add_all(ctx, SCMP_ACT_NOTIFY, KEPT, COUNT(KEPT));
	if (!err)
		err = add_all(ctx, SCMP_ACT_KILL_PROCESS, KILLED, COUNT(KILLED));
	if (!err)
		err = add_conditional(ctx, kvm);
	/* its flags are in memory, where a filter can't look: the C library then uses clone() */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!err)
		err = seccomp_load(ctx);
	*listener = err ? -1 : seccomp_notify_fd(ctx);
	if (ctx)
		seccomp_release(ctx);
	return err;
}

static int send_descriptor(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	char byte = 0;
	struct iovec part = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* Does the kernel know filters that ask another process, and can it put descriptors into the asking one (5.9)? */
static bool kernel_can(void)
{
	const u32 notify = SECCOMP_RET_USER_NOTIF;

	return !syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &notify) && seccomp_api_get() >= 6;
}

struct sandbox *sandbox_prepare(const struct lab_config *config, char *error, size_t n)
{
	struct sandbox *s = calloc(1, sizeof(*s));
	struct keeper_names *names = keeper_names_create(config);
	pid_t self = getpid();
	int ends[2] = { -1, -1 };

	if (!kernel_can()) {
		snprintf(error, n, "this kernel has no seccomp filters that can ask another process (Linux 5.9 has)");
		goto fail;
	}
	if (!s || !names || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		snprintf(error, n, "%s", strerror(errno));
		goto fail;
	}
	fflush(NULL);
	s->keeper = fork();
	if (!s->keeper) {
		close(ends[0]);
		keeper_main(names, self, ends[1]);
	}
	if (s->keeper < 0) {
		snprintf(error, n, "%s", strerror(errno));
		goto fail;
	}
	close(ends[1]);
	s->socket = ends[0];
	/* it reads names in our memory: where Yama is on, only parents may by themselves. Elsewhere there is no such call. */
	(void)prctl(PR_SET_PTRACER, (unsigned long)s->keeper);
	keeper_names_destroy(names);
	return s;
fail:
	if (ends[0] >= 0) {
		close(ends[0]);
		close(ends[1]);
	}
	keeper_names_destroy(names);
	free(s);
	return NULL;
}

enum sandbox_entry sandbox_enter(struct sandbox *s, bool kvm, char *error, size_t n)
{
	int listener, err = load_filter(kvm, &listener);

	if (err) {
		snprintf(error, n, "seccomp: %s", strerror(-err));
		return SANDBOX_REFUSED;
	}
	err = send_descriptor(s->socket, listener);
	/* who has it could answer itself */
	close(listener);
	if (!err)
		return SANDBOX_ENTERED;
	snprintf(error, n, "the process that opens its files has ended: %s", strerror(-err));
	return SANDBOX_WITHOUT_KEEPER;
}

void sandbox_destroy(struct sandbox *s)
{
	if (!s)
		return;
	close(s->socket);
	while (waitpid(s->keeper, NULL, 0) < 0 && errno == EINTR)
		;
	free(s);
}

void sandbox_close_inherited(void)
{
	/* Linux 5.9; before it they stay, as without --sandbox */
	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
}
