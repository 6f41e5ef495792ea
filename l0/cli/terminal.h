/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user's terminal: raw while the guest has it, and given back whatever happens. The saved settings are the one
 * global of the program: a signal handler and atexit() get no argument that could lead to them.
 */
#ifndef L0_CLI_TERMINAL_H
#define L0_CLI_TERMINAL_H

#include <stdbool.h>

/*
 * Make the terminal `fd` raw: every key goes to the guest, Ctrl-C included; output is left as it is. False if it is
 * no terminal, or if another job has it: taking it would pull it from under the shell. Nothing happens if it is taken
 * already, so that a job may ask again until it is in the foreground.
 */
bool terminal_take(int fd);

/* Give it back, if it is taken. Async-signal-safe: crash handlers call it before they print. */
void terminal_restore(void);

/*
 * After SIGCONT: other settings may be on the terminal now, or another job may have it; then it isn't ours to restore
 * any more.
 */
void terminal_continue(void);

/* Is the terminal `fd` this job's to read from and to change? */
bool terminal_is_ours(int fd);

/*
 * Restore at exit() and at the signals that kill a process: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGXCPU, SIGXFSZ,
 * each only if nobody handles it yet; whoever does calls terminal_restore().
 */
void terminal_guard(void);

#endif
