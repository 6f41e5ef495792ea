/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * At CPL 0 of L0's own VM, in 64-bit mode, interrupts off: see vt_stub.h. NMIs may come: they are how L0 gets L2 to leave. In VMX operation
 * the exit for one blocks further ones until an IRET; an SVM host finds it pending at STGI.
 */
#include "vt_stub.h"

	.section .rodata
	.balign 16
	.globl vt_stub_begin, vt_stub_end, vt_stub_vmx_begin, vt_stub_vmx, vt_stub_vmx_left, vt_stub_svm, vt_stub_nmi

.macro load_gprs
	mov VTX_GPR + 0 * 8(%rsp), %rax
	mov VTX_GPR + 1 * 8(%rsp), %rcx
	mov VTX_GPR + 2 * 8(%rsp), %rdx
	mov VTX_GPR + 3 * 8(%rsp), %rbx
	mov VTX_GPR + 5 * 8(%rsp), %rbp
	mov VTX_GPR + 6 * 8(%rsp), %rsi
	mov VTX_GPR + 7 * 8(%rsp), %rdi
	mov VTX_GPR + 8 * 8(%rsp), %r8
	mov VTX_GPR + 9 * 8(%rsp), %r9
	mov VTX_GPR + 10 * 8(%rsp), %r10
	mov VTX_GPR + 11 * 8(%rsp), %r11
	mov VTX_GPR + 12 * 8(%rsp), %r12
	mov VTX_GPR + 13 * 8(%rsp), %r13
	mov VTX_GPR + 14 * 8(%rsp), %r14
	mov VTX_GPR + 15 * 8(%rsp), %r15
.endm

/* all but RAX */
.macro store_gprs
	mov %rcx, VTX_GPR + 1 * 8(%rsp)
	mov %rdx, VTX_GPR + 2 * 8(%rsp)
	mov %rbx, VTX_GPR + 3 * 8(%rsp)
	mov %rbp, VTX_GPR + 5 * 8(%rsp)
	mov %rsi, VTX_GPR + 6 * 8(%rsp)
	mov %rdi, VTX_GPR + 7 * 8(%rsp)
	mov %r8, VTX_GPR + 8 * 8(%rsp)
	mov %r9, VTX_GPR + 9 * 8(%rsp)
	mov %r10, VTX_GPR + 10 * 8(%rsp)
	mov %r11, VTX_GPR + 11 * 8(%rsp)
	mov %r12, VTX_GPR + 12 * 8(%rsp)
	mov %r13, VTX_GPR + 13 * 8(%rsp)
	mov %r14, VTX_GPR + 14 * 8(%rsp)
	mov %r15, VTX_GPR + 15 * 8(%rsp)
.endm

vt_stub_begin:

/* SDM vol. 3, "Virtual-Machine Monitor Programming Considerations" */
vt_stub_vmx_begin:
	vmxon VTX_VMXON(%rsp)
	jbe 1f
	vmclear VTX_REGION(%rsp)
	jbe 1f
	vmptrld VTX_REGION(%rsp)
	jbe 1f
	movq $VTX_LEFT, VTX_RESULT(%rsp)
1:	hlt

vt_stub_vmx:
	mov VTX_WRITE_COUNT(%rsp), %rcx
	lea VTX_WRITE(%rsp), %rsi
	jrcxz 3f
2:	mov (%rsi), %rax
	mov 8(%rsi), %rdx
	vmwrite %rdx, %rax
	jbe no_field
	add $VTX_PAIR, %rsi
	dec %rcx
	jnz 2b
3:	mov VTX_CR2(%rsp), %rax
	mov %rax, %cr2
	btq $0, VTX_LAUNCHED(%rsp)
	load_gprs
	jc 4f
	vmlaunch
	jmp no_entry
4:	vmresume
no_entry:
	movq $VTX_NO_ENTRY, VTX_RESULT(%rsp)
	jmp read
no_field:
	lea VTX_NO_FIELD(, %rcx, 8), %rax
	mov %rax, VTX_RESULT(%rsp)
	hlt

vt_stub_vmx_left:
	mov %rax, VTX_GPR(%rsp)
	store_gprs
	mov %cr2, %rax
	mov %rax, VTX_CR2(%rsp)
	movq $VTX_LEFT, VTX_RESULT(%rsp)
	/* IRET to the next instruction: NMIs aren't blocked any more */
	mov %rsp, %rax
	mov %ss, %ecx
	push %rcx
	push %rax
	pushfq
	mov %cs, %ecx
	push %rcx
	lea read(%rip), %rcx
	push %rcx
	iretq
read:
	mov VTX_READ_COUNT(%rsp), %rcx
	lea VTX_READ(%rsp), %rsi
	jrcxz 6f
5:	mov (%rsi), %rax
	vmread %rax, 8(%rsi)
	add $VTX_PAIR, %rsi
	dec %rcx
	jnz 5b
6:	hlt

/* AMD's manual vol. 2, "VMRUN Instruction"; with GIF off an NMI waits until L2 runs, and then makes it leave */
vt_stub_svm:
	clgi
	mov VTX_REGION(%rsp), %rax
	vmload
	load_gprs
	mov VTX_REGION(%rsp), %rax
	vmrun
	vmsave
	store_gprs
	movq $VTX_LEFT, VTX_RESULT(%rsp)
	stgi
	nop
	hlt

vt_stub_nmi:
	iretq
vt_stub_end:

	.section .note.GNU-stack, "", @progbits
