/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ran where: for the headers of files with results. */
#ifndef L0_ACCOUNT_HOST_H
#define L0_ACCOUNT_HOST_H

#include <jansson.h>

/* {"cpu": model, "kernel": release, "cores": n}: a new reference, NULL without memory */
json_t *host_json(void);

/* The words of a command line; what isn't UTF-8 is named so. A new reference, NULL without memory. */
json_t *command_json(int argc, char **argv);

#endif
