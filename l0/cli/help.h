/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What turtles says about itself: --help, the man page, the lists behind "help" as an option's value. */
#ifndef L0_CLI_HELP_H
#define L0_CLI_HELP_H

#include <stdbool.h>
#include <stdio.h>

/* "turtles hypervisor version N.N.N ...": also the first line of --help, where kvm-unit-tests' runner reads it */
void help_version(FILE *to);
void help_options(FILE *to);
void help_devices(FILE *to); /* -device help */
void help_machines(FILE *to); /* -machine help */
void help_accelerators(FILE *to); /* -accel help */
void help_man(FILE *to); /* the man page, in man(7) */

/* Words of `text`, indented, in lines of --help's width. */
void help_wrap(FILE *to, unsigned int indent, const char *text);
/* The same where the cursor is at the indent already. */
void help_wrap_at(FILE *to, unsigned int indent, const char *text);

/* `turtles help [SUBJECT]`; NULL: --help. False, with nothing printed, if there is no such subject. */
bool help_subject(FILE *to, const char *subject);

/* "options, keys, ...": for messages */
void help_subject_names(FILE *to);

#endif
