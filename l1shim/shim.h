/* SPDX-License-Identifier: GPL-2.0-or-later */
/* l1shim, file by file in the order to read: see README.md. One CPU, one L2 at a time: what there is stands in `shim`. */
#ifndef L1SHIM_SHIM_H
#define L1SHIM_SHIM_H

#include <stddef.h>

#include "../l0/vmx/exits.h"
#include "../vmcs-shadow/vmcs_fields.h"
#include "../vmcs-shadow/vmx_caps.h"
#include "../workloads/payload/payloads.h"
#include "x86.h"

/* L1's physical memory: this image from 1 MiB on, then */
#define L2_MEMORY 0x2000000ull /* what L2 sees as its memory, PAYLOAD_MEMORY bytes of it */
#define WINDOW_TABLES 0x3000000ull /* the last level of tables for PAYLOAD_WINDOW: 8 bytes a page */
#define WINDOW_PAGES (PAYLOAD_WINDOW_SIZE / PAGE)
#define L1_MEMORY (WINDOW_TABLES + WINDOW_PAGES * 8) /* that much is needed */

/* The command line: NAME=NUMBER. */
/* clang-format off */
#define OPTIONS(O) \
	O(rounds,   0,     "rounds of each experiment; 0: its own number") \
	O(batches,  10,    "parts of the rounds that are timed one by one") \
	O(steps,    10000, "steps of what a round of loop, memory, tsc and walk does") \
	O(vmreads,  0,     "VMREADs that the handler does in vain, each round") \
	O(vmwrites, 0,     "VMWRITEs that the handler does in vain, each round") \
	O(timer,    0,     "value of the preemption timer") \
	O(ept,      1,     "1: EPT, if it is offered; 0: L1 shadows L2's page tables") \
	O(vpid,     1,     "1: tag L2's translations, if VPIDs are offered") \
	O(ad,       0,     "1: EPT with accessed and dirty bits, if they are offered") \
	O(large,    1,     "1: 2 MiB pages, if EPT has them") \
	O(counts,   0,     "1: print how often each VMCS field was read and written")
/* clang-format on */
#define BATCHES_MAX 100

struct options {
#define O(name, value, text) u64 name;
	OPTIONS(O)
#undef O
};

struct payload {
	const char *name;
	void (*l2)(void);
	u32 exit; /* enum vm_exit */
	void (*handler)(void);
	u64 bytes, rounds;
	enum vmx_feature controls[2];
	void (*work)(u64 steps);
};

struct shim {
	struct options options;
	u64 module, module_size; /* the boot module, 0: none */

	/* caps.c */
	bool ept, vpid, large, ad; /* used: asked for and offered */
	u32 must[VMX_CONTROL_WORD_COUNT], may[VMX_CONTROL_WORD_COUNT];
	u64 ability[VMX_WORD_COUNT]; /* of those words that aren't controls */
	u32 control[VMX_CONTROL_WORD_COUNT]; /* as the next VMCS will have them */

	/* experiment.c: the one under way */
	const struct payload *payload;
	u32 exit; /* its round's end */
	u64 left; /* rounds of this batch */
	u64 batch, batches;
	u64 start; /* TSC */
	u64 cycles[BATCHES_MAX]; /* a round, by batch */

	/* since power-on */
	u64 exits[VM_EXIT_REASONS];
	u64 vmread[VMCS_FIELD_COUNT], vmwrite[VMCS_FIELD_COUNT];
	u64 vmlaunch, vmresume;
};
extern struct shim shim;
extern u8 image_start[], image_end[]; /* l1shim.ld */

/* console.c: the first serial port, and the end */
void console_init(void);
__attribute__((format(printf, 1, 2))) void say(const char *format, ...); /* %s, %lu, %lx */
/* How a run ends: what is written to isa-debug-exit, whose exit code is that times 2 plus 1. */
enum verdict { DONE = 0x10, FAILED = 0x11, USAGE = 0x12, MISSING = 0x13 };
_Noreturn void end(enum verdict v);

/* cpu.c: descriptor tables */
void cpu_init(void);
u64 tss_base(void);

/* caps.c: what this processor offers */
void caps_read(void); /* ends the run if something is missing that l1shim can't do without */
bool caps_has(enum vmx_feature f);
const char *caps_name(enum vmx_feature f);
void caps_reset(void); /* shim.control: what each VMCS has */
void caps_want(enum vmx_feature f); /* one more control, offered; what is none needs nothing */
void vmx_on(void);

/* memory.c: what L2 sees at its physical addresses */
u64 memory_create(void); /* returns the EPT pointer or, without EPT, the CR3 that L2 runs with */
void memory_map(u64 l2, u64 l1, u64 size); /* size: PAGE or 2 MiB */
void memory_map_window(u64 l2); /* one page of the window */
void memory_clear_window(void);

/* vmcs.c: the VMCS for an experiment, current and clear */
void vmcs_create(const struct payload *p);
void vmcs_set_virtual_tpr(u8 value); /* in the virtual-APIC page */
_Noreturn void vm_failed(const char *instruction, const char *field);
const char *field_name(unsigned int id);

/* enter.S: VMLAUNCH. Returns when on_exit() has said false. */
void l2_run(void);
struct l2_registers {
	u64 r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax; /* those that a C function may change */
};
bool on_exit(const struct l2_registers *r); /* true: VMRESUME */
_Noreturn void on_failed_entry(void);
extern u8 l2_exit[], exit_stack_end[], l2_stack_end[];

/* experiment.c */
void experiment(const struct payload *p);
bool next_batch(void); /* the one under way is complete; returns whether there is another one */
void counts_report(void);
const char *exit_name(unsigned int reason); /* of the basic exit reason */

/* exits.c */
void before_first(void); /* entry of shim.payload: what its handler leaves behind for each other one */
#define P(name, exit, handler, ...) void handler(void);
PAYLOADS(P)
#undef P

/*
 * vmread(guest_rip): SDM vol. 3, "VMREAD - Read Field from Virtual-Machine Control Structure". Both flags that say VMfail are
 * tested by one jump. The encoding is loaded right before, in loops as well, as it is in a hypervisor whose accesses stand one by
 * one. The count is what a test compares with L0's.
 */
#define vmread(name) vmread_(VMCS_##name, VMCS_ID_##name)
static inline __attribute__((always_inline)) u64 vmread_(u32 encoding, unsigned int id)
{
	u64 value;
	bool failed;

	shim.vmread[id]++;
	__asm__ volatile("movl %2, %k0\n"
			 "vmread %0, %0"
			 : "=r"(value), "=@ccbe"(failed)
			 : "i"(encoding));
	if (failed)
		vm_failed("VMREAD", field_name(id));
	return value;
}

#define vmwrite(name, value) vmwrite_(VMCS_##name, VMCS_ID_##name, value)
static inline __attribute__((always_inline)) void vmwrite_(u32 encoding, unsigned int id, u64 value)
{
	u64 field;
	bool failed;

	shim.vmwrite[id]++;
	__asm__ volatile("movl %2, %k0\n"
			 "vmwrite %3, %0"
			 : "=&r"(field), "=@ccbe"(failed)
			 : "i"(encoding), "r"(value)
			 : "memory");
	if (failed)
		vm_failed("VMWRITE", field_name(id));
}

#endif
