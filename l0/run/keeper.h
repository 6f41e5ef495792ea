/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper: a process that opens, renames and removes files for the sandboxed one, by name and purpose. The kernel hands it each such
 * system call (seccomp_unotify(2)); it copies the names, looks them up, and does itself what is allowed, so that what happens between
 * the look and the deed can't change anything. A descriptor is put into the asking process.
 */
#ifndef L0_RUN_KEEPER_H
#define L0_RUN_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

struct lab_config;
struct keeper_names;

enum keeper_use {
	KEEP_READ, /* opened to be read */
	KEEP_DEVICE, /* opened to be read and written, neither made nor cut */
	KEEP_RESULT, /* made, replaced by its temporary file, removed: --stats */
	KEEP_TRACE, /* the same; and FILE becomes FILE.N: --trace */
	KEEP_REMOVE, /* removed at the end: sockets */
};

/* All names of a configuration. NULL: no memory */
struct keeper_names *keeper_names_create(const struct lab_config *config);
void keeper_names_destroy(struct keeper_names *names);

/*
 * May the process `pid` do that? flags: open(2)'s, or -1: the name is to go away (removed, or renamed, then `to` is what it becomes).
 * A name that begins with /proc/self/ is the process's own.
 */
bool keeper_allows(const struct keeper_names *names, pid_t pid, const char *name, int flags, const char *to);

/*
 * The process's main: serve `pid`, whose listener comes through `socket`, until the other end of that is closed. Doesn't return.
 */
_Noreturn void keeper_main(const struct keeper_names *names, pid_t pid, int socket);

#endif
