/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hypervisor that means no good: VMX instructions with operands of every kind, VMCSs that are nearly valid, L2s of random code. What it
 * finds out is what L0 does when nothing it is given can be trusted.
 *
 * 64-bit, identity-mapped, interrupts off but where it says so. Everything it does follows from the seed on its command line.
 *
 *   0x100000   this image                  L2_MEMORY  8 MiB that L2 sees at 0
 *   ARENA      pages that VMX is given: struct pages; the rest up to RAM_END is nobody's
 */
#ifndef WORKLOADS_VMXFUZZ_H
#define WORKLOADS_VMXFUZZ_H

#include <stdbool.h>
#include <stdint.h>

#include "../../vmcs-shadow/vmcs_fields.h"
#include "ends.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE 4096ull
#define RAM_END ((u64)VMXFUZZ_MEMORY_MIB << 20)
#define L2_MEMORY 0x1000000ull
#define L2_SIZE 0x800000ull
#define LAPIC 0xfee00000ull
#define IOAPIC 0xfec00000ull

/* L1's selectors: start.S */
#define L1_CODE 0x08
#define L1_DATA 0x10
#define L1_TSS 0x18

/* What VMX reads and writes, a page each. */
#define VMCS_COUNT 4
#define EPT_PAGES 12
struct pages {
	u8 vmxon[PAGE];
	u8 vmcs[VMCS_COUNT][PAGE];
	u8 shadow[PAGE];
	u8 io_bitmap[2][PAGE];
	u8 msr_bitmap[PAGE];
	u8 vmread_bitmap[PAGE], vmwrite_bitmap[PAGE];
	u8 virtual_apic[PAGE];
	u8 apic_access[PAGE];
	u8 pml[PAGE];
	u64 eptp_list[512];
	u64 msr_list[3][512]; /* exit store, exit load, entry load */
	u64 posted[512];
	u64 ept[EPT_PAGES][512]; /* 0: PML4, 1: PDPT, 2: PD, 3 .. 6: page tables of the first 8 MiB; the rest: wherever an entry leads */
	u64 paging[6][512]; /* L2's without EPT: PML4, PDPT, PD, 32-bit PD, PAE PDPT */
};
#define ARENA 0x2000000ull
#define arena ((struct pages *)ARENA)

/* main.c */
_Noreturn void finish(u8 value);
void print(const char *text);
void print_hex(u64 value, unsigned int digits);
void print_number(u64 value);
u64 random64(void);
u32 below(u32 n);
static inline bool chance(u32 n, u32 of) /* n in `of` */
{
	return below(of) < n;
}
/* By the seed's rest modulo 4. 0, brutal: it may well destroy itself; 1, tidy: it invalidates all translations before each entry */
extern bool brutal, tidy;

/* ops.c: VMX instructions. A result is OK, FAIL_INVALID, FAIL_VALID, or FAULTED + the exception's vector. */
enum { OK, FAIL_INVALID, FAIL_VALID, FAULTED = 0x100 };
u32 vmxon(const void *operand);
u32 vmclear(u64 address);
u32 vmptrld(u64 address);
bool is_current(u64 address);
u32 vmwrite(u64 field, u64 value);
u32 vmread(u64 field, u64 *value);
u64 vmget(u64 field); /* 0 if it can't be read */
u64 rdmsr(u32 msr, u64 otherwise); /* `otherwise`: it raised #GP */
void invalidate(void); /* INVEPT and INVVPID, all contexts */
/* Any VMX instruction with anything; may end without a current VMCS, or outside VMX operation. */
void random_op(void);
/* Into L2 and back: OK for an exit */
u32 enter_l2(bool launch);
extern u64 l2_gpr[16]; /* but RSP, which is in the VMCS */
extern u64 op_counts[4]; /* OK, FAIL_INVALID, FAIL_VALID, faulted */

/* start.S */
extern u8 exit_entry[], exit_stack[], gdt[];
extern u8 *l1_idt; /* main.c */
u32 do_enter(u64 launch);
extern u64 trap_recover, trap_vector;

/* build.c: a VMCS with which the entry succeeds, most times */
enum l2_mode { LONG, LONG_USER, COMPATIBILITY, PROTECTED, PAE, V8086, UNPAGED, REAL, L2_MODES };
enum l2_mode build(void);
void write_host(void); /* the way back */
void build_tables(void); /* what L2 and its VMCS point to; anew whenever L2 may have damaged it */
void build_code(enum l2_mode mode); /* code.c */
u64 some_eptp(void);

/* mutate.c */
u64 some_page(bool written); /* a physical address where a page may be, or not */
u64 some_value(u32 bytes);
void mutate_field(void);
void mutate_memory(void); /* tables, bitmaps, lists, regions */
void inject(void);
void watchdog(void); /* see to it that L2 ends */

#endif
