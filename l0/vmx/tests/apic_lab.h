/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lab whose L2 has a virtual APIC: LAB_VAPIC is its virtual-APIC page. */
#ifndef L0_VMX_TESTS_APIC_LAB_H
#define L0_VMX_TESTS_APIC_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../devices/irqchip.h"
#include "lab.h"

#define APIC_PAGE 0x58000ull /* the APIC-access page: plain memory with a mark in it */
#define APIC_MARK 0x5a5a5a5a5a5a5a5aull
#define APIC_POSTED 0x59040ull /* posted-interrupt descriptor */
#define APIC_NOTIFICATION 0xf2 /* its vector */

/* page offsets */
enum { TPR = 0x80, PPR = 0xa0, EOI = 0xb0, ISR = 0x100, IRR = 0x200, ICR = 0x300, ICR_HIGH = 0x310, SELF_IPI = 0x3f0 };

/* exit qualification's type of access */
enum { READ = 0, WRITE = 1, FETCH = 2, EVENT = 3, PHYSICAL_EVENT = 10, PHYSICAL = 15 };

/* lab_init() and lab_vmcs() with the pages above; no control of the APIC's is 1. */
void apic_lab(struct lab *l);

/* Controls, by their CTL_* masks */
void apic_controls(struct lab *l, u64 primary, u64 secondary);
/* Virtual-interrupt delivery and what it needs */
void apic_delivery(struct lab *l);

/* A register of the virtual-APIC page */
u32 vapic(struct lab *l, unsigned int offset);
void vapic_set(struct lab *l, unsigned int offset, u32 value);
/* A bit of ISR or IRR */
bool vapic_bit(struct lab *l, unsigned int base, u8 vector);
void vapic_set_bit(struct lab *l, unsigned int base, u8 vector);
/* RVI, with its bit in VIRR, and SVI, with its bit in VISR; 0: none */
void apic_status(struct lab *l, u8 rvi, u8 svi);

/* L2 reads or writes rAX at an address, then exits by VMCALL: the exit reason. */
u32 apic_load(struct lab *l, u64 at, unsigned int size);
u32 apic_store(struct lab *l, u64 at, unsigned int size);

/* A second reading of the manual's lists: with a TPR shadow, does an access to the APIC-access page go to the virtual-APIC page? */
bool apic_goes_to_page(unsigned int offset, unsigned int size, bool write, bool delivery, bool registers);

/* The exit was an APIC access of this type there, by an instruction of n bytes at L2's first. */
void assert_apic_access(struct lab *l, u32 reason, unsigned int type, unsigned int offset, unsigned int n);
/* L2 was interrupted: it is in the handler of the vector. */
void assert_interrupted(struct lab *l, u32 reason, u8 vector);

/* A message to L1's local APIC, enabled: enum as in the ICR */
enum { MESSAGE_FIXED = 0, MESSAGE_NMI = 4, MESSAGE_INIT = 5, MESSAGE_SIPI = 6 };
void apic_message(struct lab *l, unsigned int mode, u8 vector);
/* The same while L2 runs, or rests: after n more instructions */
void apic_message_in(struct lab *l, unsigned int n, unsigned int mode, u8 vector);

#endif
