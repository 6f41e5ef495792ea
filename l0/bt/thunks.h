/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that emit fixed code share. */
#ifndef L0_BT_THUNKS_H
#define L0_BT_THUNKS_H

#include "cache.h"

/* The aligned start of another piece: its executable address */
u8 *thunk_begin(struct emit *e);

/* thunks_syscall.c: behind all others, to which they lead */
void thunks_emit_syscall(struct emit *e, struct bt *bt);

#endif
