/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unwinding a Linux kernel by its ORC tables, and its symbols: all of it out of the guest's memory, so that nobody has to say which
 * kernel that is, where KASLR has put it, or which modules it has loaded.
 *
 * The kernel's symbols (stack_kallsyms.h) say where its tables are, and its list of modules. Of a struct module, which differs from
 * kernel to kernel, only the beginning is taken for granted: state, list, name. Its tables are recognized by what they are:
 * a number and two addresses that are an ORC table, or that are a table of ELF symbols.
 */
#ifndef L0_ACCOUNT_STACK_LINUX_H
#define L0_ACCOUNT_STACK_LINUX_H

#include <stdio.h>

#include "stack_reader.h"

struct stack_linux;

struct stack_linux *stack_linux_create(struct stack_reader *r); /* NULL: no memory */
void stack_linux_destroy(struct stack_linux *l);

/*
 * As stack_dwarf_unwind(); false: there is no such kernel around regs->rip, or it isn't found yet, for then it is looked for, but
 * not each time.
 */
bool stack_linux_unwind(struct stack_linux *l, const struct stack_regs *regs, u64 *pc, unsigned int n,
			unsigned int *found);

/* It has met a kernel; then the functions' names as /proc/kallsyms has them. */
bool stack_linux_found(const struct stack_linux *l);
void stack_linux_symbols(struct stack_linux *l, FILE *to);

#endif
