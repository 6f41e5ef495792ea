/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An L1 without a program: a machine with a vCPU in 64-bit mode, its memory identity-mapped, that runs a few bytes of code at a
 * time, as L1 or as L2, translated and looped as in every other run. A test sets registers and fields of the VMCS where they are,
 * runs, and looks at them again.
 *
 * L1's run ends with the HLT that the lab puts behind the code, at its handler of an exception, or where a VM exit leads. L2's
 * ends with an exit: at the latest with that of the VMX-preemption timer, after 100000 instructions or so.
 */
#ifndef L0_VMX_TESTS_LAB_H
#define L0_VMX_TESTS_LAB_H

#include <semaphore.h>

#include "../../cpu/model.h"
#include "../../devices/devices.h"
#include "../../machine/machine.h"
#include "../../run/loop.h"
#include "../internal.h"

#define LAB_RAM 0x1000000ull
#define LAB_TABLES 0x1000ull /* L1's: PML4, PDPT, four page directories of 2 MiB pages */
#define LAB_GDT 0x8000ull
#define LAB_TSS 0x8800ull
#define LAB_IDT 0x9000ull
#define LAB_HANDLERS 0xa000ull /* 16 bytes a vector, each a HLT */
#define LAB_CODE 0x10000ull
#define LAB_EXIT 0x11000ull /* host RIP */
#define LAB_STACK 0x20000ull /* its top */
#define LAB_OPERAND 0x21000ull /* where lab_vmptr() and its like put an instruction's operand */
#define LAB_VMXON 0x30000ull
#define LAB_VMCS 0x31000ull
#define LAB_VMCS2 0x32000ull /* has the right revision */
#define LAB_BITMAPS 0x33000ull /* six pages of zeros for bitmaps */
#define LAB_LISTS 0x3a000ull /* MSR lists, a page each: exit store, exit load, entry load */
#define LAB_VAPIC 0x3e000ull
#define LAB_EPT 0x60000ull /* identity, 2 MiB pages: PML4, PDPT, directory */
#define LAB_L2_CODE 0x40000ull
#define LAB_L2_STACK 0x50000ull /* its top */
#define LAB_L2_DATA 0x51000ull
#define LAB_L2_IDT 0x52000ull /* to LAB_L2_HANDLERS */
#define LAB_L2_HANDLERS 0x53000ull /* 16 bytes a vector, each a VMCALL */
#define LAB_NOWHERE 0xd0000000ull /* no memory, no device */

/* selectors, of L1 and L2 */
enum { LAB_CS = 0x08, LAB_DS = 0x10, LAB_CS3 = 0x1b, LAB_DS3 = 0x23, LAB_CS32 = 0x28, LAB_TR = 0x30 };

struct lab {
	struct cpu_model model;
	struct machine machine;
	struct vcpu_thread thread;
	struct vcpu *vcpus[1], *v;
	struct vmcs *v12; /* at LAB_VMCS */
	sem_t begin, end; /* of a run */
	bool over;
};

/* A group of tests in every mode of --vmcs-access and in both of --mmu that offer EPT: the outcome is one. How many failed */
#define LAB_GROUP(name, tests) lab_group(name, tests, sizeof(tests) / sizeof(tests[0]))
struct CMUnitTest;
int lab_group(const char *name, const struct CMUnitTest *tests, size_t n);

/* spec: as -cpu; NULL: Skylake-Server,+vmx. L1 has not done VMXON. Fails the running test if that can't be had. */
void lab_init(struct lab *l, const char *spec);
void lab_destroy(struct lab *l);

/* VMXON; VMCLEAR and VMPTRLD of LAB_VMCS; a VMCS there with which entries succeed: L2 in 64-bit mode, without EPT, in L1's pages */
void lab_vmcs(struct lab *l);
/* The same with EPT, all of RAM where it is */
void lab_ept(struct lab *l);

/* n bytes of code and a HLT at LAB_CODE, with the registers as they are. The vector of an exception that L1 got; LAB_DONE: none. */
#define LAB_DONE (-1)
#define LAB_EXITED (-2) /* a VM exit: at LAB_EXIT */
#define LAB_STOPPED (-3) /* the machine has: machine.stop_text */
int lab_run(struct lab *l, const void *code, size_t n);
#define LAB_RUN(l, ...) lab_run(l, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

/* The outcome of a VMX instruction that L1 has run, by its flags: 0, LAB_INVALID, or the error number of VMfailValid */
#define LAB_INVALID (-1)
int lab_outcome(const struct lab *l);

/* VMX instructions of L1 with an operand; the outcome. Fails the test if there was an exception. */
int lab_vmxon(struct lab *l, u64 pa);
int lab_vmclear(struct lab *l, u64 pa);
int lab_vmptrld(struct lab *l, u64 pa);
int lab_vmread(struct lab *l, u64 encoding, u64 *value);
int lab_vmwrite(struct lab *l, u64 encoding, u64 value);
int lab_invept(struct lab *l, u64 type, u64 eptp);
int lab_invvpid(struct lab *l, u64 type, u64 vpid, u64 linear);

/*
 * VMLAUNCH of LAB_VMCS, whatever its launch state, with these bytes (n may be 0) as the code at guest RIP: the exit reason with bit 31, or
 * LAB_FAILED + the outcome of VMLAUNCH. L2's general registers, but RSP, are those in *v.
 */
#define LAB_FAILED 0x1000
u32 lab_l2(struct lab *l, const void *code, size_t n);
#define LAB_L2(l, ...) lab_l2(l, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))
/* VMRESUME: L2 goes on at guest RIP. */
u32 lab_resume(struct lab *l);

u64 lab_read(struct lab *l, u64 gpa);
void lab_write(struct lab *l, u64 gpa, u64 value);

#endif
