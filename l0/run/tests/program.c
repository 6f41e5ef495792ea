/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>
#include <cmocka.h>

#include "../../../workloads/wild/guests.h"

#define WORDS_MAX 64
#define PATIENCE_MS 20000

static const char *variable(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

const char *program_build(void)
{
	return variable("BUILD", "build");
}

const char *program_guest(void)
{
	return variable("GUEST", "build/guest");
}

static void must(bool ok, const char *what)
{
	if (!ok)
		fail_msg("%s: %s", what, strerror(errno));
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

static void run_child(const char *args, int in, int out, int err)
{
	char path[512], words[4096], *argv[WORDS_MAX + 2], *save;
	int n = 0;

	snprintf(path, sizeof(path), "%s/turtles", program_build());
	snprintf(words, sizeof(words), "%s", args);
	argv[n++] = path;
	for (char *word = strtok_r(words, " ", &save); word && n <= WORDS_MAX; word = strtok_r(NULL, " ", &save))
		argv[n++] = word;
	argv[n] = NULL;
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0) {
		for (int fd = STDERR_FILENO + 1; fd < 64; fd++)
			close(fd);
		execv(path, argv);
	}
	_exit(126);
}

void program_start(struct program *p, bool terminal, const char *args)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };

	memset(p, 0, sizeof(*p));
	p->slave = -1;
	must(!pipe(err), "pipe");
	if (terminal) {
		must(!openpty(&in[1], &in[0], NULL, NULL, NULL), "openpty");
		out[0] = in[1];
		out[1] = p->slave = in[0];
		must(!tcgetattr(p->slave, &p->before), "tcgetattr");
	} else {
		must(!pipe(in) && !pipe(out), "pipe");
	}
	p->pid = fork();
	must(p->pid >= 0, "fork");
	if (!p->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves no guest that runs for ever */
		if (terminal) {
			login_tty(dup(p->slave));
		}
		run_child(args, in[0], out[1], err[1]);
	}
	p->in = in[1];
	p->out = out[0];
	p->err = err[0];
	close(err[1]);
	if (!terminal) {
		close(in[0]);
		close(out[1]);
	}
}

void program_start_guest(struct program *p, bool terminal, const char *guest, const char *args)
{
	char all[2048];

	snprintf(all, sizeof(all),
		 "run --kernel %s/bin/wild --memory %d --device isa-debug-exit,iobase=%#x,iosize=4 --append=%s %s",
		 program_guest(), WILD_MEMORY_MIB, WILD_DEBUG_EXIT, guest, args);
	program_start(p, terminal, all);
}

void program_type(struct program *p, const char *text)
{
	must(write(p->in, text, strlen(text)) == (ssize_t)strlen(text), "write to the program");
}

/* Something came: keep it, or find that it was the end. */
static void take(const struct program *p, int *fd, char *text, size_t *size)
{
	char more[4096];
	ssize_t n = read(*fd, more, sizeof(more));
	size_t room = PROGRAM_TEXT - 1 - *size;

	/* the other side of a terminal is gone: EIO */
	if (n <= 0) {
		if (*fd != p->in)
			close(*fd);
		*fd = -1;
		return;
	}
	if ((size_t)n > room)
		n = (ssize_t)room;
	memcpy(text + *size, more, (size_t)n);
	*size += (size_t)n;
	text[*size] = 0;
}

/* Read what comes within `ms`. False: nothing did. */
static bool read_some(struct program *p, int ms)
{
	struct pollfd fds[] = { { .fd = p->out, .events = POLLIN }, { .fd = p->err, .events = POLLIN } };

	if (p->out < 0 && p->err < 0)
		return false;
	if (poll(fds, 2, ms) <= 0)
		return false;
	if (fds[0].revents)
		take(p, &p->out, p->output, &p->output_size);
	if (fds[1].revents)
		take(p, &p->err, p->errors, &p->errors_size);
	return true;
}

static bool wait_for(struct program *p, const char *in, const char *text)
{
	long long deadline = now_ms() + PATIENCE_MS;

	while (!strstr(in, text)) {
		long long left = deadline - now_ms();

		if (left <= 0 || !read_some(p, (int)left))
			return false;
	}
	return true;
}

bool program_prints(struct program *p, const char *text)
{
	return wait_for(p, p->output, text);
}

bool program_complains(struct program *p, const char *text)
{
	return wait_for(p, p->errors, text);
}

void program_wait_raw(struct program *p)
{
	struct termios now;

	for (int i = 0; i < PATIENCE_MS; i++) {
		must(!tcgetattr(p->slave, &now), "tcgetattr");
		if (!(now.c_lflag & (ICANON | ECHO)))
			return;
		usleep(1000);
	}
	fail_msg("the terminal never became raw");
}

bool program_terminal_restored(const struct program *p)
{
	struct termios now;

	must(!tcgetattr(p->slave, &now), "tcgetattr");
	return now.c_iflag == p->before.c_iflag && now.c_oflag == p->before.c_oflag && now.c_cflag == p->before.c_cflag &&
	       now.c_lflag == p->before.c_lflag && !memcmp(now.c_cc, p->before.c_cc, sizeof(now.c_cc));
}

int program_end(struct program *p, unsigned int seconds)
{
	long long deadline = now_ms() + seconds * 1000ll;
	int status = 0;
	pid_t done;

	/* the terminal's other side stays open here: the end is that the process is gone and nothing more comes */
	while ((done = waitpid(p->pid, &status, WNOHANG)) == 0) {
		if (now_ms() > deadline) {
			kill(p->pid, SIGKILL);
			waitpid(p->pid, &status, 0);
			break;
		}
		if (!read_some(p, 20))
			usleep(2000);
	}
	while (read_some(p, 0))
		;
	if (done != p->pid)
		return PROGRAM_HUNG;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void program_close(struct program *p)
{
	/* with a terminal our end of it is both `in` and `out` */
	if (p->out >= 0 && p->out != p->in)
		close(p->out);
	if (p->err >= 0)
		close(p->err);
	close(p->in);
	if (p->slave >= 0)
		close(p->slave);
}

void program_close_output(struct program *p)
{
	close(p->out);
	p->out = -1;
}

unsigned int program_error_lines(const struct program *p)
{
	unsigned int n = 0;

	for (const char *s = p->errors; *s; s++)
		n += *s == '\n';
	/* a line without an end is one, too */
	return n + (p->errors_size && p->errors[p->errors_size - 1] != '\n');
}
