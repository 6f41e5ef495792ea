/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build/turtles as its users see it: started on a terminal or with pipes, typed at, read from, ended. */
#ifndef L0_RUN_TESTS_PROGRAM_H
#define L0_RUN_TESTS_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

#define PROGRAM_TEXT (256u << 10)
#define PROGRAM_HUNG (-1000)

struct program {
	pid_t pid;
	int in, out, err; /* our ends; with a terminal in and out are the same; -1: closed */
	int slave; /* the terminal as the program sees it, -1 without one */
	struct termios before; /* its state when the program was started */
	size_t output_size, errors_size;
	char output[PROGRAM_TEXT],
		errors[PROGRAM_TEXT]; /* stdout and stderr so far, each with a NUL; the rest is dropped */
};

/* Environment variables BUILD and GUEST, as make sets them, or their defaults. */
const char *program_build(void);
const char *program_guest(void);

/*
 * args: what follows the program's name, words apart by single spaces. With a terminal stdin and stdout are one, otherwise
 * pipes; stderr is a pipe. Fails the test if that can't be had.
 */
void program_start(struct program *p, bool terminal, const char *args);

/* The same with a guest of workloads/wild, by its name. */
void program_start_guest(struct program *p, bool terminal, const char *guest, const char *args);

void program_type(struct program *p, const char *text);
/* Read until stdout holds `text`, or stderr does. False: it ended, or 20 seconds passed. */
bool program_prints(struct program *p, const char *text);
bool program_complains(struct program *p, const char *text);
/* Wait until the terminal is raw; fails the test if it never is. */
void program_wait_raw(struct program *p);
bool program_terminal_restored(const struct program *p);

/* Read to the end and reap: the exit code, -N for signal N, PROGRAM_HUNG (and killed) if it takes more than `seconds`. */
int program_end(struct program *p, unsigned int seconds);
void program_close(struct program *p); /* after program_end(), when the terminal isn't needed any more */
void program_close_output(struct program *p); /* nobody reads stdout any more */
unsigned int program_error_lines(const struct program *p);

#endif
