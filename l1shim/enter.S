/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Into L2 and back. An exit leaves L2's general registers in place and takes RIP and RSP from the VMCS's host state: control
 * comes to l2_exit on a stack of its own. What follows is a function call that L2 doesn't know of: the registers that
 * a C function may change are pushed here, the others C code keeps by itself.
 */
	.text
	.globl l2_run
l2_run:
	.cfi_startproc
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	.cfi_adjust_cfa_offset 6 * 8
	mov %rsp, l1_rsp
	vmlaunch
	jmp failed
	.cfi_endproc

	.balign 16
	.globl l2_exit
l2_exit:
	.cfi_startproc
	.cfi_undefined rip		/* nobody calls this */
	push %rax
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	.cfi_adjust_cfa_offset 9 * 8
	mov %rsp, %rdi			/* struct l2_registers */
	call on_exit
	test %al, %al
	jz 1f
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rax
	vmresume
	/* Only a VMfail comes here */
failed:	and $-16, %rsp
	call on_failed_entry

	/* the experiment is over: back to who called l2_run */
1:	mov l1_rsp, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.cfi_endproc

	.bss
	.balign 16
l1_rsp:	.skip 8
	.balign 16
	.skip 8192
	.globl exit_stack_end
	.skip 8				/* 9 registers and these 8 bytes: the stack is aligned for the call */
exit_stack_end:
	.balign 16
	.skip 8192
	.globl l2_stack_end
l2_stack_end:

	.section .note.GNU-stack, "", @progbits
