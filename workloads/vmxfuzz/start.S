/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiboot header; into 64-bit mode with the first 4 GiB identity-mapped; exceptions; VM entry and VM exit. */
#define MAGIC 0x1badb002
#define FLAGS 0
#define EFER 0xc0000080
#define EFER_SCE_LME_NX 0x901
#define CR4_ALL 0x426b0			/* PSE, PAE, PGE, OSFXSR, OSXMMEXCPT, VMXE, OSXSAVE */
#define CR0_ALL 0x80010033

	.section .multiboot, "a"
	.balign 4
	.long MAGIC, FLAGS, -(MAGIC + FLAGS)

	.text
	.code32
	.globl _start
_start:
	mov $stack_end, %esp
	mov 16(%ebx), %esi		/* the command line, from the multiboot information */
	/* 2048 pages of 2 MiB */
	mov $directories, %edi
	mov $0x83, %eax
	xor %ecx, %ecx
1:	mov %eax, (%edi,%ecx,8)
	add $0x200000, %eax
	inc %ecx
	cmp $2048, %ecx
	jne 1b
	mov $CR4_ALL, %eax
	mov %eax, %cr4
	mov $pml4, %eax
	mov %eax, %cr3
	mov $EFER, %ecx
	mov $EFER_SCE_LME_NX, %eax
	xor %edx, %edx
	wrmsr
	mov $CR0_ALL, %eax
	mov %eax, %cr0
	lgdt gdt_register
	ljmp $0x08, $1f

	.code64
1:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov %eax, %ss
	mov $0x18, %eax
	ltr %ax
	xor %ecx, %ecx
	mov $7, %eax
	xor %edx, %edx
	xsetbv
	mov %esi, %edi
	call guest_main
	ud2

	/* vector, error code (0 where the CPU pushes none), registers: struct frame of main.c */
	.altmacro
	.macro stub n
	.balign 16
	.if (\n == 8) || ((\n >= 10) && (\n <= 14)) || (\n == 17) || (\n == 21)
	.else
	push $0
	.endif
	push $\n
	jmp trap_entry
	.endm

	.balign 16
	.globl trap_stubs
trap_stubs:
	.set n, 0
	.rept 256
	stub %n
	.set n, n + 1
	.endr

trap_entry:
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	mov %rsp, %rdi
	call trap_c
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.macro load reg, n
	mov l2_gpr+8*\n(%rip), %\reg
	.endm
	.macro store reg, n
	mov %\reg, l2_gpr+8*\n(%rip)
	.endm

	/* u32 do_enter(u64 launch): 0 after an exit; otherwise RFLAGS of the instruction, or bit 31 if it faulted */
	.globl do_enter
do_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, kept_rsp(%rip)
	lea 3f(%rip), %rax
	mov %rax, trap_recover(%rip)
	test %rdi, %rdi
	load rax, 0
	load rcx, 1
	load rdx, 2
	load rbx, 3
	load rbp, 5
	load rsi, 6
	load rdi, 7
	load r8, 8
	load r9, 9
	load r10, 10
	load r11, 11
	load r12, 12
	load r13, 13
	load r14, 14
	load r15, 15
	jnz 1f
	vmresume
	jmp 2f
1:	vmlaunch
2:	pushf
	pop %rax
	jmp 4f
3:	mov $0x80000000, %eax
4:	mov kept_rsp(%rip), %rsp
	movq $0, trap_recover(%rip)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.globl exit_entry
exit_entry:
	store rax, 0
	store rcx, 1
	store rdx, 2
	store rbx, 3
	store rbp, 5
	store rsi, 6
	store rdi, 7
	store r8, 8
	store r9, 9
	store r10, 10
	store r11, 11
	store r12, 12
	store r13, 13
	store r14, 14
	store r15, 15
	cld
	xor %eax, %eax
	jmp 4b

	.data
	.balign 16
	.globl gdt
gdt:
	.quad 0
	.quad 0x00af9b000000ffff		/* 0x08: 64-bit code */
	.quad 0x00cf93000000ffff		/* 0x10: data */
	.quad 0x0000890000000067, 0		/* 0x18: TSS, at 0: no stack of it is ever used */
gdt_end:
gdt_register:
	.word gdt_end - gdt - 1
	.quad gdt

	.balign 4096
pml4:	.quad pdpt + 3
	.fill 511, 8, 0
pdpt:	.quad directories + 0x0003, directories + 0x1003, directories + 0x2003, directories + 0x3003
	.fill 508, 8, 0

	.bss
	.balign 4096
directories:
	.skip 4 * 4096
	.skip 65536
	.globl stack_end
stack_end:
	.skip 16384
	.globl exit_stack
exit_stack:
kept_rsp:
	.skip 8
	.globl trap_recover, trap_vector, l2_gpr
trap_recover:
	.skip 8
trap_vector:
	.skip 8
l2_gpr:
	.skip 8 * 16

	.section .note.GNU-stack, "", @progbits
