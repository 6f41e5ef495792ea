/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the process is left with once guests run. A guest that found a hole in the translator would run code of its own in this process; so
 * the process gives away, before the first guest instruction, what it doesn't need any more:
 *
 *  - system calls: a list (sandbox_calls.h) with conditions on their arguments. No programs are executed, no processes made, no sockets,
 *    no other process is signalled, traced or written to, no memory becomes executable that was writable.
 *  - files: none is opened, renamed or removed by this process itself. A second process, the keeper (keeper.h), does it, for the names
 *    that the command line has given, and for what each of them was given for.
 *  - descriptors: what was inherited beside the standard streams is closed.
 *
 * sandbox.md has what is left.
 */
#ifndef L0_RUN_SANDBOX_H
#define L0_RUN_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

struct lab_config;
struct sandbox;

/*
 * While the process has one thread: start the keeper. NULL with one line in error[0..n-1] if this host can't: its kernel has no seccomp
 * filters, or none that ask another process (Linux 5.9).
 */
struct sandbox *sandbox_prepare(const struct lab_config *config, char *error, size_t n);

enum sandbox_entry {
	SANDBOX_ENTERED,
	SANDBOX_REFUSED, /* nothing has changed */
	SANDBOX_WITHOUT_KEEPER, /* there is no way back, and no file can be opened any more */
};

/* From now on, for all threads. kvm: an L1's engine uses /dev/kvm. One line in error[0..n-1] unless it is SANDBOX_ENTERED. */
enum sandbox_entry sandbox_enter(struct sandbox *s, bool kvm, char *error, size_t n);

/* The end of the keeper. NULL is fine. What sandbox_enter() has taken stays away. */
void sandbox_destroy(struct sandbox *s);

/* Close every descriptor but the standard streams: before anything of ours is opened. */
void sandbox_close_inherited(void);

#endif
