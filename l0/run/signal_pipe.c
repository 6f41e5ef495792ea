/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "signal_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SIG_END (SIGRTMIN + 1) /* to the thread alone */

static void *wait_for_signals(void *arg)
{
	const struct signal_pipe *p = arg;
	int signal;

	do {
		signal = sigwaitinfo(&p->set, NULL);
		/* a full pipe has more than anybody could mean */
		if (signal > 0 && signal != SIG_END && write(p->write, &signal, sizeof(signal)) < 0)
			continue;
	} while (signal != SIG_END);
	return NULL;
}

bool signal_pipe_open(struct signal_pipe *p, const sigset_t *set)
{
	sigset_t all, before;
	int fd[2], result;

	p->fd = -1;
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return false;
	p->write = fd[1];
	p->set = *set;
	sigaddset(&p->set, SIG_END);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&p->thread, NULL, wait_for_signals, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result) {
		close(fd[0]);
		close(fd[1]);
		errno = result;
		return false;
	}
	p->fd = fd[0];
	return true;
}

int signal_pipe_read(struct signal_pipe *p)
{
	int signal;

	return read(p->fd, &signal, sizeof(signal)) == sizeof(signal) ? signal : 0;
}

void signal_pipe_close(struct signal_pipe *p)
{
	if (p->fd < 0)
		return;
	pthread_kill(p->thread, SIG_END);
	pthread_join(p->thread, NULL);
	close(p->fd);
	close(p->write);
	p->fd = -1;
}
