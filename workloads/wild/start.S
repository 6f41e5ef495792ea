/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiboot header, entry, and a stub for each interrupt vector. */
#define MAGIC 0x1badb002
#define FLAGS 0

	.section .multiboot, "a"
	.balign 4
	.long MAGIC, FLAGS, -(MAGIC + FLAGS)

	.text
	.code32
	.globl _start
_start:
	mov $stack_end, %esp
	lgdt gdt_register
	ljmp $0x08, $1f
1:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov %eax, %ss
	/* no IDT: whoever wants one installs it */
	lidt no_idt
	mov 16(%ebx), %eax		/* the command line, from the multiboot information */
	push %eax
	call guest_main
	hlt

	/* vector, error code (0 where the CPU pushes none), registers: struct frame */
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
	/* the CPU pushed error, eip ...; the frame has the vector first */
	pusha
	mov %esp, %eax
	cld
	push %eax
	call trap_c
	add $4, %esp
	popa
	add $8, %esp
	iret

	.globl ignore_entry
ignore_entry:
	andl $~0x200, 8(%esp)		/* EFLAGS.IF of the interrupted code */
	iret

	.data
	.balign 8
	.globl gdt
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff		/* 0x08: 32-bit code */
	.quad 0x00cf93000000ffff		/* 0x10: data */
	.quad 0x00cffb000000ffff		/* 0x18: 32-bit code, DPL 3 */
	.quad 0x00cff3000000ffff		/* 0x20: data, DPL 3 */
	.quad 0x01009b000000ffff		/* 0x28: 16-bit code at PLAYGROUND */
	.quad 0x0100fb000000ffff		/* 0x30: the same, DPL 3 */
	.quad 0x00af9b000000ffff		/* 0x38: 64-bit code */
	.quad 0xd000890000000067		/* 0x40: TSS at 0xd0000000, where nothing is */
	.quad 0x00affb000000ffff		/* 0x48: 64-bit code, DPL 3 */
	.quad 0, 0				/* 0x50: 64-bit TSS, see random.c */
gdt_end:
gdt_register:
	.word gdt_end - gdt - 1
	.long gdt
no_idt:
	.word 0
	.long 0

	.bss
	.balign 16
	.skip 16384
stack_end:

	.section .note.GNU-stack, "", @progbits
