/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU on a small identity-mapped memory (fake_mmu.c), with descriptor tables that most tests need.
 * What a test reads top to bottom: set up, run(insn_x), compare.
 */
#ifndef L0_CPU_TESTS_FAKE_VCPU_H
#define L0_CPU_TESTS_FAKE_VCPU_H

#include "../../machine/machine.h"
#include "../transfer.h"

#define MEM_SIZE 0x100000u

/* where things are */
#define GDT 0x1000u
#define IDT 0x2000u
#define TSS_A 0x4000u /* current */
#define TSS_B 0x5000u
#define LDT_AT 0x6000u
#define CODE 0x8000u /* rip of the current instruction */
#define HANDLER 0x9000u
#define STACK0 0x20000u
#define STACK3 0x30000u
#define STACK_IST 0x40000u
#define DATA 0x50000u

/* selectors of protected mode; the first five hold in IA-32e mode, too, with 64-bit CODE0 and 32-bit CODE3 */
enum {
	CODE0 = 0x08,
	DATA0 = 0x10,
	CODE3 = 0x1b,
	DATA3 = 0x23,
	CODE3_64 = 0x2b, /* IA-32e only */
	TSS_SEL = 0x30, /* two slots */
	CONFORMING0 = 0x40,
	CODE16 = 0x48,
	DATA16 = 0x50,
	ABSENT_DATA = 0x58,
	ABSENT_CODE = 0x60,
	READONLY = 0x68,
	EXEC_ONLY = 0x70,
	EXPAND_DOWN = 0x78,
	TSS_B_SEL = 0x80, /* two slots */
	TSS16_SEL = 0x90,
	TASK_GATE_SEL = 0x98,
	LDT_SEL = 0xa0, /* two slots */
	GATE = 0xb0, /* two slots: a call gate that tests write */
	CODE1 = 0xc1,
	DATA1 = 0xc9,
	FREE = 0xd0, /* two slots */
	GDT_END = 0xe0,
};

#define AR_CODE32 0xc09b
#define AR_CODE16 0x009b
#define AR_CODE64 0xa09b
#define AR_DATA32 0xc093
#define AR_DATA16 0x0093
#define AR_DPL3 0x60
#define AR_DPL1 0x20

struct vcpu *fake_real(void);
struct vcpu *fake_v8086(unsigned int iopl); /* on top of the protected tables */
struct vcpu *fake_protected(unsigned int cpl);
struct vcpu *fake_long(unsigned int cpl, bool compatibility);
void fake_done(void);

u64 make_descriptor(u32 base, u32 limit, u32 ar); /* limit in bytes, ar in segment.ar's layout */
u64 make_gate(u16 selector, u32 offset, unsigned int type, unsigned int dpl, unsigned int count); /* present */
void set_gdt(struct vcpu *v, u16 selector, u64 descriptor);
void set_idt(struct vcpu *v, u8 vector, u64 gate);
void set_idt_long(struct vcpu *v, u8 vector, u64 gate); /* upper half 0 */
void set_segment(struct vcpu *v, enum sreg seg, u16 selector); /* from the GDT, unchecked */

u64 get(struct vcpu *v, u32 at, unsigned int size);
void put(struct vcpu *v, u32 at, u64 value, unsigned int size);

/* Accesses to [start, start + size) with one of `access` raise #PF. At most four ranges. */
void fault_on(u64 start, u64 size, unsigned int access);
void fault_none(void);
/* mmu_host() gives NULL: everything goes element by element. */
void without_host(bool on);
/* host pointers handed out, to see that bulk steps were taken */
unsigned int host_count(void);

/* Run an instruction of length 2 at rip: true, rip moved on, if it completed; false: v->event or v->activity tells. */
bool run(struct vcpu *v, insn_fn *fn, union insn_args a);
/* event_deliver() as the run loop does it: until an event gets through or the vCPU shuts down. */
bool deliver(struct vcpu *v);
/* One attempt: false if it faulted, with what is to be delivered instead in v->event. */
bool deliver_once(struct vcpu *v);

/* The event to be delivered: 0, or vector + 1 | error << 8 */
#define FAULT(vector, error) (((vector) + 1) | (u32)(error) << 8)
u32 fault_of(struct vcpu *v);

#endif
