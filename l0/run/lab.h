/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of turtles: one L1 or several, side by side in this process, from the first one's power-on to the last one's end. */
#ifndef L0_RUN_LAB_H
#define L0_RUN_LAB_H

struct lab_config;

/*
 * Build the machines that `config` describes, boot them, run each to its end. Messages go to stderr, one line each; the
 * guests' consoles to where the serial ports lead. Returns the process's exit code. With one L1 it is that one's: enum exit_code,
 * debug-exit's own, or 128 + N if signal N ended the run. With several: 128 + N if signal N ended the run; otherwise EXIT_INTERNAL if
 * one ended so; otherwise the first code, in the order of the command line, that isn't 0.
 */
int lab_run(const struct lab_config *config);

#endif
