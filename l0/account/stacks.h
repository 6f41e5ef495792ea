/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which calls in L1 have led to an exit: its return addresses, unwound when it exits, from registers and memory as they are then.
 * The guest doesn't notice: memory is only read, by walks that set no accessed bit.
 *
 *	Linux with ORC tables     by these, in the guest's memory, modules included (stack_linux.h)
 *	an ELF file as --kernel   by its .eh_frame, else by frame pointers (stack_dwarf.h)
 *	other 64-bit code         by frame pointers
 *	user mode, 16, 32 bits    not at all: the exiting instruction alone
 */
#ifndef L0_ACCOUNT_STACKS_H
#define L0_ACCOUNT_STACKS_H

#include "stack_reader.h"

struct stacks;
struct trace;
struct vcpu;

/* kernel: the guest's, a file. Returns NULL if memory is short. */
struct stacks *stacks_create(const char *kernel);
void stacks_destroy(struct stacks *s);

/* Those of the frame in which v is, innermost first; returns how many. Plain C: vector state has to be parked. */
unsigned int stacks_take(struct stacks *s, struct vcpu *v, u64 pc[STACK_DEPTH]);

/* It has met a Linux kernel, and knows the names of its functions. */
bool stacks_has_symbols(const struct stacks *s);

/* These into a file at path, as /proc/kallsyms says them; there are some. Returns 0 or -errno. */
int stacks_save_symbols(struct stacks *s, const char *path);

/*
 * An exit of L1 is in v->trace, which has stacks: write its own behind it, if it is the nth. Plain C as above, but that it parks
 * vector state itself.
 */
void trace_stack(struct vcpu *v);

#endif
