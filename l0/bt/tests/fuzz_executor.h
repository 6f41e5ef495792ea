/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzzer and the native executor share: one memfd, which the executor finds as descriptor
 * FUZZ_EXECUTOR_FD. The fuzzer writes `batch`, raises `requested` and wakes; the executor runs the batch, writes
 * `results`, sets `done` to the same number and wakes. Free of includes, see fuzz_target.h.
 */
#ifndef L0_BT_TESTS_FUZZ_EXECUTOR_H
#define L0_BT_TESTS_FUZZ_EXECUTOR_H

#include "fuzz_target.h"

#define FUZZ_EXECUTOR_FD 3

struct fuzz_shared {
	u32 requested, done; /* futexes */
	/* set by the executor before its first `done` */
	u32 fsgsbase; /* RDFSBASE and the like may be used */
	u32 modes; /* set of FUZZ_MODE_*: those whose segments this host's kernel lets programs load */
	_Alignas(4096) u8 code[FUZZ_CODE_PAGES][4096]; /* the executor's: it writes here what cases may only execute */
	struct fuzz_batch batch; /* page-aligned */
	struct fuzz_result results[FUZZ_BATCH];
};

#endif
