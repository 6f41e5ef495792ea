/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What L0 and the code of vt_stub.S say to each other: one page of a VT vCPU's private memory. Included by assembly, too.
 *
 * That code is all that runs at VMX root level (or as an SVM host) in L0's VM: it enters L2 with what stands in the page and, when L2 has
 * left, writes what it finds there and halts, which ends KVM_RUN.
 */
#ifndef L0_DIRECT_VT_STUB_H
#define L0_DIRECT_VT_STUB_H

/* offsets of struct vt_exchange, in bytes */
#define VTX_GPR 0 /* 16 times 8, in the order of enum gpr; RSP's isn't used */
#define VTX_CR2 128 /* VMX */
#define VTX_REGION 136 /* physical address of the VMCS or VMCB */
#define VTX_VMXON 144 /* VMX: of the VMXON region */
#define VTX_LAUNCHED 152 /* VMX: 1 if the VMCS is */
#define VTX_RESULT 160 /* enum vt_result, written by the code */
#define VTX_WRITE_COUNT 168 /* VMX: so many fields of VTX_WRITE are to be written */
#define VTX_READ_COUNT 176 /* VMX: so many fields of VTX_READ are to be read */
#define VTX_WRITE 512 /* pairs of encoding and value */
#define VTX_READ 2560

#define VTX_PAIR 16
#define VTX_WRITE_MAX 128
#define VTX_READ_MAX 96

/* enum vt_result */
#define VTX_NOT_YET 0
#define VTX_LEFT 1 /* L2 has run and left; VMX operation has begun */
#define VTX_NO_ENTRY 2 /* VMX: the entry failed (VMfail) */
#define VTX_NO_FIELD 3 /* VMX: VMWRITE failed; RESULT + 8 * pairs that were left to be written */

#ifndef __ASSEMBLER__

#include "../cpu/types.h"

struct vt_exchange {
	u64 gpr[16];
	u64 cr2, region, vmxon, launched, result, write_count, read_count;
	u64 reserved[41];
	struct {
		u64 encoding, value;
	} write[VTX_WRITE_MAX], read[VTX_READ_MAX];
};

#define VTX_AT(field, offset) \
	_Static_assert(__builtin_offsetof(struct vt_exchange, field) == (offset), "where vt_stub.S has it")
VTX_AT(cr2, VTX_CR2);
VTX_AT(region, VTX_REGION);
VTX_AT(vmxon, VTX_VMXON);
VTX_AT(launched, VTX_LAUNCHED);
VTX_AT(result, VTX_RESULT);
VTX_AT(write_count, VTX_WRITE_COUNT);
VTX_AT(read_count, VTX_READ_COUNT);
VTX_AT(write, VTX_WRITE);
VTX_AT(read, VTX_READ);
#undef VTX_AT
_Static_assert(sizeof(struct vt_exchange) <= 4096, "one page");

/* The code; position-independent, at most a page. RSP points to the exchange page, and below it is a stack. */
extern const u8 vt_stub_begin[], vt_stub_end[];
extern const u8 vt_stub_vmx_begin[]; /* VMXON, VMCLEAR, VMPTRLD */
extern const u8 vt_stub_vmx[], vt_stub_vmx_left[]; /* into L2; the host RIP */
extern const u8 vt_stub_svm[];
extern const u8 vt_stub_nmi[]; /* an NMI in the code itself */

#endif
#endif
