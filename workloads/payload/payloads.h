/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What L2 does under l1shim: the one list of the experiments, for the hypervisor that runs them and for the programs themselves.
 *
 *   name      payload=NAME on l1shim's command line; L2 runs l2_NAME(), which never returns
 *   exit      the exit that ends a round: L2 has exactly one of it a round, and no other. Where L1 shadows L2's page tables, a
 *             page fault (EXCEPTION_NMI) takes the place of an EPT violation
 *   handler   what L1 does then, a function of l1shim/exits.c
 *   bytes     the length of the instruction that L1 steps over; it needn't ask the VMCS
 *   rounds    without rounds=N
 *   controls  what it needs of the processor, by the names in vmcs-shadow/vmx_controls.h: for the exit, or (walk) for none; ALWAYS: nothing
 *   work      NULL, or what L2 computes in a round: L1 does the same by itself for comparison
 */
#ifndef WORKLOADS_PAYLOAD_PAYLOADS_H
#define WORKLOADS_PAYLOAD_PAYLOADS_H

#include <stdint.h>

/* clang-format off */
#define PAYLOADS(P) \
	P(cpuid,     CPUID,               step,      2, 10000, ALWAYS, ALWAYS,                        NULL) \
	P(vmcall,    VMCALL,              step,      3, 10000, ALWAYS, ALWAYS,                        NULL) \
	P(touch,     EPT_VIOLATION,       map_page,  0, 10000, ALWAYS, ALWAYS,                        NULL) \
	P(out,       IO_INSTRUCTION,      step,      1, 10000, unconditional_io_exiting, ALWAYS,      NULL) \
	P(in,        IO_INSTRUCTION,      step,      1, 10000, unconditional_io_exiting, ALWAYS,      NULL) \
	P(rdmsr,     MSR_READ,            step,      2, 10000, ALWAYS, ALWAYS,                        NULL) \
	P(wrmsr,     MSR_WRITE,           step,      2, 10000, ALWAYS, ALWAYS,                        NULL) \
	P(rdtsc,     RDTSC,               step,      2, 10000, rdtsc_exiting, ALWAYS,                 NULL) \
	P(hlt,       HLT,                 step,      1, 10000, hlt_exiting, ALWAYS,                   NULL) \
	P(pause,     PAUSE_INSTRUCTION,   step,      2, 10000, pause_exiting, ALWAYS,                 NULL) \
	P(cr8,       CR_ACCESS,           step,      4, 10000, cr8_load_exiting, ALWAYS,              NULL) \
	P(ud,        EXCEPTION_NMI,       reflect,   0, 10000, ALWAYS, ALWAYS,                        NULL) \
	P(mtf,       MONITOR_TRAP_FLAG,   go_on,     0, 10000, monitor_trap_flag, ALWAYS,             NULL) \
	P(timer,     PREEMPTION_TIMER,    go_on,     0, 10000, preemption_timer, ALWAYS,              NULL) \
	P(interrupt, EXTERNAL_INTERRUPT,  send_next, 0, 10000, external_interrupt_exiting, ack_interrupt_on_exit, NULL) \
	P(tpr,       TPR_BELOW_THRESHOLD, raise_tpr, 0, 10000, tpr_shadow, ALWAYS,                    NULL) \
	P(apic,      APIC_ACCESS,         step,      2, 10000, virtualize_apic_accesses, ALWAYS,      NULL) \
	P(loop,      VMCALL,              step,      3,   100, ALWAYS, ALWAYS,                        work_loop) \
	P(memory,    VMCALL,              step,      3,   100, ALWAYS, ALWAYS,                        work_memory) \
	P(tsc,       VMCALL,              step,      3,   100, ALWAYS, ALWAYS,                        work_tsc) \
	P(walk,      VMCALL,              step,      3,   100, ept, true_controls,                    work_walk) \
	P(module,    VMCALL,              step,      3, 10000, hlt_exiting, unconditional_io_exiting, NULL)
/* clang-format on */

/*
 * L2's physical memory: what lies below PAYLOAD_MODULE is a copy of L1's at the same addresses. L2 starts as L1 is, in
 * 64-bit mode with linear addresses that are physical ones, interrupts off, on a stack of its own.
 */
#define PAYLOAD_MODULE 0x400000ull /* the file that payload=module runs: flat, entered at its first byte */
#define PAYLOAD_ARENA 0x800000ull /* what work_memory() reads */
#define PAYLOAD_ARENA_SIZE 0x400000ull
#define PAYLOAD_MEMORY 0x1000000ull /* the end of memory */
#define PAYLOAD_WINDOW 0x40000000ull /* nothing is here until L2 touches it: then L1 maps one page */
#define PAYLOAD_WINDOW_SIZE 0x40000000ull
#define PAYLOAD_APIC 0xfee00000ull

/* Steps in a round of loop and of memory: steps=N */
uint64_t payload_steps(void);

/* What vector does from now on to whoever calls this: L2's table of interrupts is its own copy. */
void idt_set(unsigned int vector, void (*handler)(void));

#define P(name, ...) void l2_##name(void);
PAYLOADS(P)
#undef P

void work_loop(uint64_t steps);
void work_memory(uint64_t steps);
void work_tsc(uint64_t steps);
void work_walk(uint64_t steps);

#endif
