/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --engine auto: which engine a run gets, and why. */
#ifndef L0_DIRECT_CHOOSE_H
#define L0_DIRECT_CHOOSE_H

#include "../run/engine.h"

/*
 * The engine for *c, whose guest sees *model. why[0..n-1]: one line, if it had to be chosen; otherwise "". With --engine auto that is kvm
 * where /dev/kvm has VT, the guest isn't a hypervisor, and nothing is asked for that only the translator can do; else direct where user
 * code can run directly; else bt.
 */
const struct engine *engine_choose(const struct run_config *c, const struct cpu_model *model, char *why, size_t n);

/*
 * What is asked for that KVM, which runs a guest out of our sight, can't do, all that cli/options.c refuses with --engine kvm but --clock insns:
 * a reason; NULL: nothing.
 */
const char *engine_needs_translator(const struct run_config *c, const struct cpu_model *model);

#endif
