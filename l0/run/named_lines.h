/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef L0_RUN_NAMED_LINES_H
#define L0_RUN_NAMED_LINES_H

#include <stdio.h>

/* A stream whose lines go to stderr, "name: " in front of each and each in one piece; name outlives it. NULL: no memory. Any thread. */
FILE *named_lines(const char *name);

#endif
