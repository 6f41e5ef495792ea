/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 64-bit side of random.c. In the page at STATE: the number of dives that are left (4 bytes), the state of the random numbers (8
 * bytes at 8), and at its end the stack that every exception and interrupt uses.
 */
#include "guests.h"

#define STATE 0x200000
#define PLAYGROUND 0x1000000
#define DATA32 0x10
#define TSS64 0x50
#define EFER 0xc0000080
#define EFER_SCE_LME 0x101
#define CR4_PAE_OSFXSR_OSXMMEXCPT_OSXSAVE 0x40620
#define CR0_PG_WP_NE_MP_PE 0x80010023
#define NMI_EVERY 200			/* ticks of the PIT, 1.19 MHz */

	.text
	.code32
	.globl random_start
random_start:
	mov 4(%esp), %eax
	mov %eax, %cr3
	mov $CR4_PAE_OSFXSR_OSXMMEXCPT_OSXSAVE, %eax
	mov %eax, %cr4
	mov $EFER, %ecx
	mov $EFER_SCE_LME, %eax
	xor %edx, %edx
	wrmsr
	mov $CR0_PG_WP_NE_MP_PE, %eax
	mov %eax, %cr0
	ljmp $0x38, $1f

	.code64
1:	mov $TSS64, %eax
	ltr %ax
	xor %ecx, %ecx
	mov $7, %eax
	xor %edx, %edx
	xsetbv
	fninit

	/* rax: random; clobbers rcx */
	.macro random
	mov 8(%rbx), %rax
	mov %rax, %rcx
	shl $13, %rcx
	xor %rcx, %rax
	mov %rax, %rcx
	shr $7, %rcx
	xor %rcx, %rax
	mov %rax, %rcx
	shl $17, %rcx
	xor %rcx, %rax
	mov %rax, 8(%rbx)
	.endm

	.globl random_dive
random_dive:
	mov $STATE, %ebx
	lea 4096(%rbx), %rsp
	decl (%rbx)
	js done
	mov $DATA32, %eax
	mov %eax, %ds
	mov %eax, %es
	/* the NMI comes again, whatever was written to the PIT */
	.irp value, 0x34, NMI_EVERY & 0xff, NMI_EVERY >> 8
	mov $\value, %al
	.if \value == 0x34
	out %al, $0x43
	.else
	out %al, $0x40
	.endif
	.endr
	random
	mov %eax, %esi
	and $15, %esi
	lea modes(%rip), %rdi
	lea (%rdi, %rsi, 8), %rdi

	/* the frame that IRET takes: SS, RSP, RFLAGS, CS, RIP */
	movzwl 2(%rdi), %eax
	push %rax
	random
	and $0xfff8, %eax
	add $PLAYGROUND + 0x20000, %eax
	push %rax
	random
	mov %eax, %edx
	and $0x40cd5, %edx			/* arithmetic flags, DF, AC */
	shr $28, %eax
	jnz 1f
	or $0x100, %edx				/* TF, sometimes */
1:	or $2, %edx
	push %rdx
	movzwl (%rdi), %eax
	push %rax
	random
	movzwl %ax, %eax
	add 4(%rdi), %eax
	push %rax

	/* what the registers hold: half of them point to memory that may be written */
	.irp reg, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	random
	test $0x40000, %eax
	jz 1f
	and $0x3ffff, %eax
	add $PLAYGROUND, %eax
1:	mov %rax, %\reg
	.endr
	random
	mov %rax, %rbx
	and $0xff, %ecx
	iretq

done:
	mov $WILD_PASS, %eax
	mov $WILD_DEBUG_EXIT, %edx
	out %eax, %dx
	cli
	hlt

	.section .rodata
	.balign 8
modes:	/* CS, SS, base of what RIP counts from */
	.macro mode cs, ss, base
	.word \cs, \ss
	.long \base
	.endm
	.irp privileged, 0x38, 0x38, 0x08
	mode \privileged, DATA32, PLAYGROUND
	.endr
	mode 0x28, DATA32, 0
	.rept 4
	mode 0x4b, 0x23, PLAYGROUND
	mode 0x1b, 0x23, PLAYGROUND
	.endr
	.rept 4
	mode 0x33, 0x23, 0
	.endr

	.section .note.GNU-stack, "", @progbits
