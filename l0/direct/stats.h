/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What KVM sent us: one row for each exit reason of its API, under the API's name. The row's number in the API is
 * KVM_EXIT_<name>: exits.c.
 */
#ifndef L0_DIRECT_STATS_H
#define L0_DIRECT_STATS_H

#include "../cpu/types.h"

/* name, kind, description */
/* clang-format off */
#define KVM_EXITS(S) \
	S(UNKNOWN,         counted, "VM exits that KVM doesn't know")                              \
	S(EXCEPTION,       counted, "exceptions; not on this architecture")                        \
	S(IO,              counted, "port accesses of the guest")                                  \
	S(HYPERCALL,       counted, "hypercalls that KVM leaves to user space")                    \
	S(DEBUG,           counted, "debug events")                                                \
	S(HLT,             counted, "HLT; KVM's own interrupt controllers wait in the kernel")     \
	S(MMIO,            counted, "accesses to memory that isn't RAM")                           \
	S(IRQ_WINDOW_OPEN, counted, "interrupt windows; not with KVM's interrupt controllers")     \
	S(SHUTDOWN,        counted, "triple faults")                                               \
	S(FAIL_ENTRY,      counted, "VM entries that the CPU refused")                             \
	S(INTR,            counted, "KVM_RUN interrupted by a signal: a timer, a stop")            \
	S(SET_TPR,         counted, "task priority; not with KVM's interrupt controllers")         \
	S(TPR_ACCESS,      counted, "accesses to the task priority, if asked for")                 \
	S(NMI,             counted, "NMIs of the host")                                            \
	S(INTERNAL_ERROR,  counted, "KVM's own failures")                                          \
	S(IOAPIC_EOI,      counted, "end of interrupt; not with KVM's interrupt controllers")      \
	S(SYSTEM_EVENT,    counted, "reset or crash by a paravirtual interface")                   \
	S(X86_RDMSR,       counted, "MSR reads left to user space, if asked for")                  \
	S(X86_WRMSR,       counted, "MSR writes left to user space, if asked for")

#define KVM_EXIT_STATS(S) \
	KVM_EXITS(S) \
	S(others,          counted, "exits for reasons that aren't in this list")                  \
	S(runs,            counted, "calls of KVM_RUN")                                            \
	S(irq_lines,       counted, "changes of an interrupt line by a device of ours")
/* clang-format on */

/* KVM's statistics of a vCPU under their own names: KVM_GET_STATS_FD */
/* clang-format off */
#define KVM_STATS(S) \
	S(exits,             counted, "VM exits")                                                    \
	S(io_exits,          counted, "exits to user space for a port")                              \
	S(mmio_exits,        counted, "exits to user space for memory that isn't RAM")               \
	S(signal_exits,      counted, "exits to user space for a signal")                            \
	S(irq_window_exits,  counted, "VM exits because the guest can take an interrupt now")        \
	S(nmi_window_exits,  counted, "VM exits because the guest can take an NMI now")              \
	S(halt_exits,        counted, "HLT")                                                         \
	S(irq_exits,         counted, "VM exits for an interrupt of the host")                       \
	S(irq_injections,    counted, "interrupts injected")                                         \
	S(nmi_injections,    counted, "NMIs injected")                                               \
	S(pf_taken,          counted, "page faults that KVM handled")                                \
	S(invlpg,            counted, "INVLPG")                                                      \
	S(hypercalls,        counted, "hypercalls")                                                  \
	S(insn_emulation,    counted, "instructions emulated")                                       \
	S(l1d_flush,         counted, "flushes of the first-level data cache")                       \
	S(host_state_reload, counted, "times that the host's state was loaded again")                \
	S(nested_run,        counted, "VM entries of the guest's own guests")
/* clang-format on */

/* clang-format off */
#define DIRECT_STATS(S) \
	S(runs,            counted, "times that user code left the translator to run directly")                     \
	S(runs_l2,         counted, "of these, L2's")                                                               \
	S(ns,              timed,   "time in these, with all that it takes")                                        \
	S(kvm_runs,        counted, "calls of KVM_RUN")                                                             \
	S(left_interrupts, counted, "back for a timer, an interrupt, another thread")                               \
	S(left_syscalls,   counted, "back for SYSCALL")                                                             \
	S(left_faults,     counted, "back for a page fault that the guest has to see, that the translator answers, or that was one of too many") \
	S(left_code,       counted, "back for code on a page with instructions that don't come back by themselves") \
	S(left_exceptions, counted, "back for any other exception")                                                 \
	S(faults,          counted, "page faults that mapped something, without going back")                        \
	S(pages,           counted, "4 KiB pages mapped")                                                           \
	S(large_pages,     counted, "2 MiB pages mapped")                                                           \
	S(spaces,          counted, "address spaces begun: the first time, and when something of one was invalidated") \
	S(forgets,         counted, "times that all page tables were used up and KVM was made to forget them")      \
	S(scanned,         counted, "pages searched for instructions that don't come back")                         \
	S(scanned_found,   counted, "of these, pages that hold one")                                                \
	S(scanned_absent,  counted, "of these: with AVX-512 or TSX, which guests aren't offered and this host's KVM lets through") \
	S(avx512_used,     counted, "back with AVX-512's registers in use: from then on such pages are translated") \
	S(segments_tried,  counted, "sets of segment registers tried")                                              \
	S(vt_runs,         counted, "times that an L2 left the translator to run on VT, kernel and all")            \
	S(vt_ns,           timed,   "time in these, with all that it takes")                                        \
	S(vt_kvm_runs,     counted, "calls of KVM_RUN for it")                                                      \
	S(vt_left_interrupts, counted, "back for a timer, an interrupt, another thread")                            \
	S(vt_left_windows, counted, "back since an interrupt or an NMI can be delivered now")                       \
	S(vt_left_insns,   counted, "back for an instruction or an exception that L1 or L0 may want to see")        \
	S(vt_left_memory,  counted, "back for memory that L1's tables don't allow, a device, a watched page")       \
	S(vt_violations,   counted, "violations of the tables that mapped something, without going back")           \
	S(vt_pages,        counted, "4 KiB pages mapped")                                                           \
	S(vt_large_pages,  counted, "2 MiB pages mapped")                                                           \
	S(vt_spaces,       counted, "sets of tables begun: the first time, and when something of one was invalidated") \
	S(vt_forgets,      counted, "times that all their pages were used up and KVM was made to forget them")      \
	S(vt_not_events,   counted, "slices translated since something comes with or before the next instruction: a step, a breakpoint, a shadow of STI") \
	S(vt_not_registers, counted, "the same for its mode, or a bit of CR0, CR4 or an MSR")                       \
	S(vt_not_controls, counted, "the same for what L1's VMCS asks for")                                         \
	S(failures,        counted, "KVM failed: from then on everything is translated")                            \
	RULE_STATS(S)
/* by rule.h: slices that were translated since code that would have paid may not run directly */
#define RULE_STATS(S) \
	S(not_segments,    counted, "slices translated since KVM can't give a segment register what it holds")      \
	S(not_mode,        counted, "the same: 16-bit code, segments that aren't flat, 32-bit code that KVM interprets") \
	S(not_debugging,   counted, "the same: single steps, breakpoints, the monitor trap flag")                   \
	S(not_others,      counted, "the same: all other rules")
/* clang-format on */

struct direct_stats {
#define S(name, kind, text) u64 name;
	DIRECT_STATS(S)
#undef S
};

struct kvm_stats {
#define S(name, kind, text) u64 name;
	KVM_STATS(S)
#undef S
};

struct kvm_exit_stats {
#define S(name, kind, text) u64 name;
	KVM_EXIT_STATS(S)
#undef S
};

#endif
