/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef L0_RUN_LAB_CONTROL_H
#define L0_RUN_LAB_CONTROL_H

#include <jansson.h>
#include <stdio.h>

struct request;

struct control_command {
	const char *name;
	json_t *(*run)(struct request *r); /* control.h's control_execute */
	const char *arguments; /* "l1": has to be there; "[l1]": may; "": there is none */
	const char *text;
};

extern const struct control_command CONTROL_COMMANDS[];
extern const size_t CONTROL_COMMAND_COUNT;

/* `turtles help control` */
void control_commands_print(FILE *to);

#endif
