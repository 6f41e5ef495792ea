/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of a machine, from power-on to its end. */
#ifndef L0_RUN_RUN_H
#define L0_RUN_RUN_H

struct run_config;

/*
 * Build the machine that `config` describes, boot it, run it to its end. Messages go to stderr, one line each; the
 * guest's console to where config->serial says. Returns the process's exit code: enum exit_code, debug-exit's own, or
 * 128 + N if signal N ended the run.
 */
int run_vm(const struct run_config *config);

#endif
