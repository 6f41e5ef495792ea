/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * L2s on the host's VT, under an L1 that is translated. L0's VM (user.h) has a second vCPU for each of the machine's, at whose
 * CPL 0 stands nothing but the code of vt_stub.h. That code enters L2, of which the host's KVM, which nests, makes what runs on the CPU. Each L1
 * has a VM of its own: the host's KVM shares the VT among them.
 *
 * L0 doesn't reflect what L2 leaves for. It takes L2's state, at the instruction that left, into struct vcpu, and lets the translator
 * execute that instruction: so an exit of L2 that its L1 has to see is made by the same code whether L2 was translated or not. For that the
 * controls ask to leave for all that isn't L2's own business: any instruction that L1 or L0 want to see, any exception that L1 wants, and some
 * more. What L2 does to its own page tables, descriptors, segments, CR3 and stacks, and the exceptions and system calls
 * between its user code and its kernel, it does on the CPU.
 *
 * Memory: tables from L2-physical addresses to L1's memory, which is where it is in L0's VM too. They are filled from EPT12, by way of what
 * the soft MMU knows (vmx_nested_walk()), as L2 touches pages, and given up as a whole when something of it goes, as in tables.h. Pages of
 * which stores have to be noticed are read-only there.
 *
 *	vt_rule.c    may it run so, and does it pay?
 *	vt.c         in, out, memory
 *	vt_cpu.c     the vCPU in L0's VM: its private memory, a run, how it is brought out of L2
 *	vt_tables.c  those tables, for EPT and for nested paging
 *	vt_vmx.c     L2's state and controls in a VMCS
 *	vt_svm.c     the same in a VMCB
 */
#ifndef L0_DIRECT_VT_H
#define L0_DIRECT_VT_H

#include <linux/kvm.h>

#include "../../vmcs-shadow/vmcs_fields.h"
#include "../cpu/vcpu.h"
#include "run_timer.h"
#include "tables.h"
#include "user_policy.h"
#include "vector_state.h"
#include "vt_stub.h"

/* vt_tables.c */

/* What a table entry says, in EPT's format or in that of nested paging */
struct vt_format {
	u64 table; /* bits of an entry that points to a table */
	u64 leaf; /* of a leaf, always */
	u64 write; /* if it may be written */
	u64 exec, no_exec; /* set if it may be executed; set if not */
};
extern const struct vt_format VT_EPT, VT_NPT;

/*
 * Map the page of 1 << shift bytes (12 or 21) at `from` (L2-physical) to `to`, with ACC_READ, and ACC_WRITE and ACC_EXEC if `rights` has them; rights
 * that are there stay. SPACE_FULL: no page is left. SPACE_REDUCES: something else is mapped there, or a page of the other size; nothing is
 * changed. `root`: the first table's address.
 *
 * A large page isn't split in place. KVM may have made a table of small ones of it, and share that among all large pages to the same memory with
 * the same rights; it would go on with that table, and a right that is added to one small page would be all the others' as well.
 */
enum space_result vt_map(struct tables *t, const struct vt_format *f, u64 root, u64 from, u64 to, unsigned int shift,
			 unsigned int rights);
/* ACC_* of the page at `from`, and its size; 0: it isn't mapped */
unsigned int vt_mapped(const struct tables *t, const struct vt_format *f, u64 root, u64 from, unsigned int *shift);

/* vt_cpu.c */

/* Private memory of a VT vCPU, in the hole below 4 GiB and above the monitors' */
#define VT_GPA 0xe0000000ull
#define VT_SIZE (16ull << 20)

enum {
	VT_PAGE_CODE,
	VT_PAGE_DESCRIPTORS,
	VT_PAGE_STACK,
	VT_PAGE_EXCHANGE,
	VT_PAGE_PML4,
	VT_PAGE_PDPT,
	VT_PAGE_PD,
	VT_PAGE_OWN, /* VMXON region, or where an SVM host's state is saved */
	VT_PAGE_REGION, /* VMCS or VMCB */
	VT_PAGE_BITMAPS, /* SVM: two for MSRs, three for ports */
	VT_PAGE_TABLES = VT_PAGE_BITMAPS + 5,
};

enum vt_kind { VT_VMX, VT_SVM };

#define VT_CAP_FIRST 0x480u /* IA32_VMX_BASIC */
#define VT_CAPS 18

struct vt_cpu {
	int vm, vcpu; /* file descriptors; vm is the owner's. -1: none */
	unsigned int index;
	enum vt_kind kind;
	struct kvm_run *run;
	size_t run_size;
	struct tables tables; /* private memory */
	struct vt_exchange *exchange;
	struct kvm_sregs sregs; /* of the code at CPL 0 */
	u64 caps[VT_CAPS]; /* VMX: capability MSRs of the vCPU, from VT_CAP_FIRST on */
	bool begun; /* it has run; VMX operation, with its VMCS */
};

static inline u64 vt_page_gpa(const struct vt_cpu *c, unsigned int page)
{
	return c->tables.gpa + (u64)page * TABLE_SIZE;
}

static inline u8 *vt_page(const struct vt_cpu *c, unsigned int page)
{
	return c->tables.base + (size_t)page * TABLE_SIZE;
}

/* As monitor_cpu_open() */
const char *vt_cpu_open(struct vt_cpu *c, int kvm, int vm, unsigned int index);
void vt_cpu_close(struct vt_cpu *c);
/* KVM forgets all that it has read in the tables; all of them are free. NULL, or what failed. */
const char *vt_cpu_forget(struct vt_cpu *c);
enum vt_ran {
	VT_RAN_LEFT, /* into L2 and out of it again: exchange->result is VTX_LEFT */
	VT_RAN_NOT, /* interrupted before it came into L2 */
	VT_RAN_FAILED,
};

struct vt_failure {
	const char *what; /* a call, an instruction, or a name of KVM's exit reason; static */
	u64 number; /* errno, exit reason, exchange->result */
	bool lost; /* and L2's state with it */
};

/* Enter L2 with what the exchange page says, and come back when it has left, or when the thread is interrupted. */
enum vt_ran vt_cpu_run(struct vt_cpu *c, struct vt_failure *f);

/* vt_vmx.c, vt_svm.c */

struct vt_exit {
	enum {
		VT_EXIT_VIOLATION, /* of the tables above */
		VT_EXIT_KICK, /* it was brought out */
		VT_EXIT_WINDOW, /* it can take an interrupt or an NMI now */
		VT_EXIT_INSN, /* the translator's turn at this instruction */
		VT_EXIT_FAILED, /* L2 can't be entered like this */
	} kind;
	u64 gpa; /* VT_EXIT_VIOLATION */
	u64 linear;
	unsigned int access; /* ACC_* */
	unsigned int how; /* NESTED_* of vmx.h */
	u32 reason; /* as the hardware numbers it */
	const char *what; /* VT_EXIT_FAILED */
	u64 number;
};

/* What L2 is to be entered with, but for what is in *v */
struct vt_wishes {
	u64 root; /* of the tables */
	bool interrupt_window, nmi_window;
};

struct vt_vmx {
	struct vmcs now, known; /* as it is to be; as the VMCS holds it */
	bool valid; /* `known` is */
};

struct vt_backend {
	const struct vt_format *format;
	/* NULL, or what the host's lacks */
	const char *(*begin)(struct vt_cpu *c, struct vt_vmx *x);
	/* CR4 bits that L2 can have */
	u64 (*cr4_allowed)(const struct vt_cpu *c);
	void (*give)(struct vt_cpu *c, struct vt_vmx *x, const struct vcpu *v, const struct vt_wishes *w);
	/* The same L2 goes on: only what *w says may have changed. */
	void (*go_on)(struct vt_cpu *c, struct vt_vmx *x, const struct vt_wishes *w);
	/* Why it left, after a run */
	void (*left)(struct vt_cpu *c, struct vt_vmx *x, struct vt_exit *e);
	/* All of L2's state but vector registers and what KVM keeps in MSRs */
	void (*take)(struct vt_cpu *c, const struct vt_vmx *x, struct vcpu *v);
};
extern const struct vt_backend vt_backend_vmx, vt_backend_svm;

/* vt.c */

#define VT_ROOTS 4

struct vt_vcpu {
	struct vt_cpu cpu;
	const struct vt_backend *backend;
	struct vt_vmx vmx;
	u64 cr4_allowed;
	struct vector_state vector;
	struct run_timer timer;
	struct user_policy policy; /* of L2s, all of them */
	u64 cost_ns; /* of the way in and out, as far as is known; 0: it isn't */
	u64 entries, since; /* L1's VM entries, and v->insns then or when it was on VT for the last time */
	struct vt_msrs {
		u64 star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
	} msrs; /* as KVM was told */
	bool msrs_known;
	/* tables for each EPT pointer that was in use of late; root 0: none */
	struct vt_root {
		u64 eptp, root;
	} roots[VT_ROOTS];
	unsigned int roots_next;
	u64 epoch; /* the machine's, as of the last look */
	u64 invalidations; /* of EPT12, the same: vmx.h */
};

struct direct_vcpu;

/* With d, for its whole life; a host that can't is told in *what, and d->vt stays NULL. */
const char *vt_create(struct direct_vcpu *d);
void vt_destroy(struct direct_vcpu *d);
/* May v's L2 run so now, and is it worth it? False, too, if it isn't in L2. */
bool vt_may_run(struct direct_vcpu *d);
/* The decision has been made. rest_ns: for so long at the most. False: with nothing done, translate. */
bool vt_run(struct direct_vcpu *d, u64 rest_ns);

#endif
