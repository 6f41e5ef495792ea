/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Do two targets agree about a case? */
#ifndef L0_BT_TESTS_FUZZ_COMPARE_H
#define L0_BT_TESTS_FUZZ_COMPARE_H

#include <stdio.h>
#include "fuzz_gen.h"

enum fuzz_verdict {
	FUZZ_SAME,
	FUZZ_DIFFERENT,
	FUZZ_INCOMPARABLE, /* the reference ended in a way that says nothing about the subject: see INCOMPARABLE in the .c */
};

/*
 * reference: what the host's CPU did, subject: what is to be judged. `first`, if not NULL, receives the name of the first thing
 * that differs (at least 32 bytes).
 */
enum fuzz_verdict fuzz_compare(const struct fuzz_program *p, const struct fuzz_case *c, u8 memory[FUZZ_PAGES][4096],
			       const struct fuzz_result *reference, const struct fuzz_result *subject, char *first);

/* All that differs, expected against found and which bits, one line each. */
void fuzz_print_differences(FILE *to, const struct fuzz_program *p, const struct fuzz_case *c,
			    u8 memory[FUZZ_PAGES][4096], const struct fuzz_result *reference,
			    const struct fuzz_result *subject);

/* Disassembly, and the input registers that aren't 0. */
void fuzz_print_case(FILE *to, const struct fuzz_program *p, const struct fuzz_case *c);

#endif
