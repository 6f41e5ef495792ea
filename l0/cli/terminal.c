/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "terminal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct {
	_Atomic bool taken; /* set after the rest is valid */
	int fd;
	struct termios saved, raw;
} terminal;

bool terminal_is_ours(int fd)
{
	pid_t group = tcgetpgrp(fd);

	/* a terminal that isn't the controlling one has no jobs */
	return group < 0 ? isatty(fd) : group == getpgrp();
}

/* From the background, tcsetattr() would stop the process unless SIGTTOU is blocked. */
static int set_attributes(int fd, const struct termios *t)
{
	sigset_t ttou, old;
	int err;

	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &old);
	do
		err = tcsetattr(fd, TCSANOW, t);
	while (err && errno == EINTR);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

bool terminal_take(int fd)
{
	struct termios raw;

	if (terminal.taken)
		return true;
	if (!terminal_is_ours(fd) || tcgetattr(fd, &terminal.saved))
		return false;
	terminal.fd = fd;
	raw = terminal.saved;
	raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
	raw.c_cflag = (raw.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	terminal.raw = raw;
	terminal.taken = true;
	if (set_attributes(fd, &raw)) {
		terminal.taken = false;
		return false;
	}
	return true;
}

void terminal_restore(void)
{
	int saved_errno = errno;

	if (atomic_exchange(&terminal.taken, false))
		set_attributes(terminal.fd, &terminal.saved);
	errno = saved_errno;
}

void terminal_continue(void)
{
	if (!terminal.taken)
		return;
	if (terminal_is_ours(terminal.fd))
		set_attributes(terminal.fd, &terminal.raw);
	else
		terminal.taken = false;
}

static void on_fatal_signal(int sig)
{
	terminal_restore();
	/* SA_RESETHAND took this handler away: the signal now does what it would have done */
	raise(sig);
}

void terminal_guard(void)
{
	static const int FATAL[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGXCPU, SIGXFSZ };
	static atomic_flag registered = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&registered))
		atexit(terminal_restore);
	for (unsigned int i = 0; i < sizeof(FATAL) / sizeof(FATAL[0]); i++) {
		struct sigaction old, new = { .sa_handler = on_fatal_signal, .sa_flags = SA_RESETHAND | (int)SA_ONSTACK };

		if (!sigaction(FATAL[i], NULL, &old) && !(old.sa_flags & SA_SIGINFO) && old.sa_handler == SIG_DFL)
			sigaction(FATAL[i], &new, NULL);
	}
}
