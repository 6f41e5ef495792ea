/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiboot header; into 64-bit mode with the first GiB identity-mapped, for CPL 3 as well; what the operations need in assembly. */
#define MAGIC 0x1badb002
#define EFER 0xc0000080
#define EFER_SCE_LME 0x101
#define CR4_PAE 0x20
#define CR0_PG_WP_NE_PE 0x80010021
#define USER_2M 0x87			/* present, writable, for CPL 3, 2 MiB */
#define USER_TABLE 7
#define X2APIC_EOI 0x80b
#define SERIAL_IER 0x3f9
#define PIC_COMMAND 0x20
#define PIC_EOI 0x20

	.section .multiboot, "a"
	.balign 4
	.long MAGIC, 0, -MAGIC

	.text
	.code32
	.globl _start
_start:
	mov $stack_end, %esp
	mov %ebx, %esi			/* the loader's information: nano_main's argument */
	mov $directory, %edi
	mov $USER_2M, %eax
	xor %ecx, %ecx
1:	mov %eax, (%edi,%ecx,8)
	add $0x200000, %eax
	inc %ecx
	cmp $512, %ecx
	jne 1b
	mov $nano_main, %ebx

	/* 32-bit code without paging, on either CPU: EBX is where to go in 64-bit mode, ESP the stack, ESI the argument */
long_mode:
	mov $CR4_PAE, %eax
	mov %eax, %cr4
	mov $pml4, %eax
	mov %eax, %cr3
	mov $EFER, %ecx
	mov $EFER_SCE_LME, %eax
	xor %edx, %edx
	wrmsr
	mov $CR0_PG_WP_NE_PE, %eax
	mov %eax, %cr0
	lgdt gdt_register
	ljmp $0x08, $1f

	.code64
1:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %esi, %edi
	call *%rbx
	ud2

	/* What the second CPU starts with, copied to a page below 1 MiB: CS has its base, IP is 0 */
	.code16
	.globl second_code
second_code:
	cli
	mov %cs, %ax
	mov %ax, %ds
	lgdtl second_gdt - second_code
	mov $1, %eax
	mov %eax, %cr0
	ljmpl $0x28, $second_32
second_gdt:
	.word gdt_end - gdt - 1
	.long gdt
second_code_end:
	.globl second_code_size
second_code_size:
	.long second_code_end - second_code

	.code32
second_32:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $second_stack_end, %esp
	mov $second_main, %ebx
	jmp long_mode
	.code64

	/* void op_syscall(u64 n): n round trips from CPL 3 */
	.globl op_syscall
op_syscall:
	push %rbx
	push %r12
	mov %rdi, %r12
	mov %rsp, kernel_stack(%rip)
	lea 1f(%rip), %rcx
	mov $2, %r11d
	sysretq
1:	syscall
	dec %r12
	jnz 1b
	/* the last one doesn't come back: the handler sees that nothing is left */
	syscall
	.globl syscall_entry
syscall_entry:
	test %r12, %r12
	jz 2f
	sysretq
2:	mov kernel_stack(%rip), %rsp
	pop %r12
	pop %rbx
	ret

	/* The faulting instructions of main.c have two bytes: the handlers step over them. */
	.globl fault_entry
fault_entry:				/* #PF */
	add $8, %rsp
	.globl divide_entry
divide_entry:				/* #DE */
	addq $2, (%rsp)
	iretq

	.globl vmcall_refused
vmcall_refused:				/* #UD of an instruction of three bytes */
	movb $1, refused(%rip)
	addq $3, (%rsp)
	iretq

	.globl just_ret
just_ret:
	ret

	/* The interrupt of op_ipi, on the second CPU */
	.globl ipi_entry
ipi_entry:
	push %rax
	push %rcx
	push %rdx
	xor %eax, %eax
	xor %edx, %edx
	mov $X2APIC_EOI, %ecx
	wrmsr
	incq ipis(%rip)
	pop %rdx
	pop %rcx
	pop %rax
	iretq

	/* The interrupt of op_window: its source is silenced, and the 8259 told */
	.globl pic_entry
pic_entry:
	push %rax
	push %rdx
	mov $SERIAL_IER, %edx
	xor %eax, %eax
	out %al, %dx
	mov $PIC_EOI, %al
	out %al, $PIC_COMMAND
	incq pic_interrupts(%rip)
	pop %rdx
	pop %rax
	iretq

	.globl timer_entry
timer_entry:
	iretq

	.data
	.balign 16
gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* 0x08: 64-bit code */
	.quad 0x00cf93000000ffff	/* 0x10: data */
	.quad 0x00cff3000000ffff	/* 0x18: data, CPL 3 */
	.quad 0x00affb000000ffff	/* 0x20: 64-bit code, CPL 3 */
	.quad 0x00cf9b000000ffff	/* 0x28: 32-bit code */
gdt_end:
gdt_register:
	.word gdt_end - gdt - 1
	.quad gdt

	.balign 4096
pml4:	.quad pdpt + USER_TABLE
	.fill 511, 8, 0
	.globl pdpt
pdpt:	.quad directory + USER_TABLE
	.fill 511, 8, 0

	.bss
	.balign 4096
	.globl directory
directory:
	.skip 4096
	.skip 16384
stack_end:
	.skip 16384
second_stack_end:
kernel_stack:
	.skip 8

	.section .note.GNU-stack, "", @progbits
