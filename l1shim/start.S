/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a boot loader to shim_main() in 64-bit mode. Multiboot Specification version 0.6.96, "Machine state": 32-bit protected mode,
 * no paging, EAX says that it was multiboot, EBX points to its information. The header has the addresses itself, since loaders
 * don't agree on whether they read 64-bit ELF files.
 */
#define MAGIC 0x1badb002
#define FLAGS 0x10003			/* modules on pages, memory size, addresses below */
#define PTE_PRESENT_WRITE 3
#define PTE_LARGE 0x80
#define CR4_PAE 0x20
#define EFER 0xc0000080
#define EFER_LME 0x100
#define CR0_PG_WP_NE_MP_PE 0x80010023

	.section .multiboot, "a"
	.balign 4
header:	.long MAGIC, FLAGS, -(MAGIC + FLAGS)
	.long header, image_start, image_load_end, image_end, _start

	.text
	.code32
	.globl _start
_start:
	cli
	cld
	mov %eax, %edi			/* the magic number and the information: shim_main()'s arguments */
	mov %ebx, %esi

	/* Linear addresses are physical ones up to 4 GiB: SDM vol. 3, "4-Level Paging", pages of 2 MiB */
	movl $pdpt + PTE_PRESENT_WRITE, pml4
	mov $directories + PTE_PRESENT_WRITE, %eax
	mov $pdpt, %ecx
1:	mov %eax, (%ecx)
	add $4096, %eax
	add $8, %ecx
	cmp $pdpt + 4 * 8, %ecx
	jne 1b
	mov $PTE_PRESENT_WRITE + PTE_LARGE, %eax
	mov $directories, %ecx
1:	mov %eax, (%ecx)
	add $0x200000, %eax
	add $8, %ecx
	cmp $directories + 2048 * 8, %ecx
	jne 1b

	/* SDM vol. 3, "Initializing IA-32e Mode" */
	mov $pml4, %eax
	mov %eax, %cr3
	mov $CR4_PAE, %eax
	mov %eax, %cr4
	mov $EFER, %ecx
	mov $EFER_LME, %eax
	xor %edx, %edx
	wrmsr
	mov $CR0_PG_WP_NE_MP_PE, %eax
	mov %eax, %cr0
	lgdt gdt_register
	ljmp $0x08, $1f

	.code64
	.cfi_startproc
	.cfi_undefined rip
1:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov %eax, %ss
	mov $stack_end, %esp
	call shim_main
	hlt
	.cfi_endproc

	/* Exceptions end the run: vector, what the CPU pushed */
	.balign 16
	.globl exception_stubs
exception_stubs:
	.set n, 0
	.rept 32
	.balign 16
	push $n
	jmp 1f
	.set n, n + 1
	.endr
1:	mov %rsp, %rdi
	and $-16, %rsp
	call on_exception

	.data
	.balign 8
	.globl gdt
gdt:	.quad 0
	.quad 0x00af9b000000ffff	/* SEG_CODE */
	.quad 0x00cf93000000ffff	/* SEG_DATA */
	.quad 0, 0			/* SEG_TSS: cpu.c */
gdt_end:
gdt_register:
	.word gdt_end - gdt - 1
	.long gdt

	.bss
	.balign 4096
pml4:	.skip 4096
pdpt:	.skip 4096
directories:
	.skip 4 * 4096
	.skip 16384
stack_end:

	.section .note.GNU-stack, "", @progbits
