/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A multiboot guest of a page, the same for every engine: it prints a line, takes interrupts from the 8254 (GSI 0) and from the
 * clock (GSI 8) through the 8259s, reads where no memory is, and ends as END says by writing 1 to isa-debug-exit; any failure
 * writes 2.
 */
#define COM1 0x3f8
#define DEBUG_EXIT 0xf4
#define PASSED 1
#define FAILED 2
#define TICKS 3
#define VECTORS 0x20 /* of IRQ 0; IRQ 8 has VECTORS + 8 */
#define CODE_SELECTOR 0x08
#define NOWHERE 0xd0000000 /* in the hole below 4 GiB */

#define END_EXIT 0
#define END_TRIPLE_FAULT 1
#define END_HALT 2
#define END_LOOP 3
#define END_RESET 4

	.section .text
	.code32
	.align 4
	.long 0x1badb002, 0, -0x1badb002

.macro put port, value
	mov $\value, %al
	mov $\port, %dx
	out %al, %dx
.endm

.macro cmos index, value
	put 0x70, \index
	put 0x71, \value
.endm

	.global _start
_start:
	mov $stack_top, %esp
	lgdt gdt_pointer
	ljmp $CODE_SELECTOR, $1f
1:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss

	mov $hello, %esi
	mov $COM1, %dx
2:	lodsb
	test %al, %al
	jz 3f
	out %al, %dx
	jmp 2b

3:	cmpl $-1, NOWHERE
	jne failed
	movl $0, NOWHERE

#if END == END_TRIPLE_FAULT
	lidt no_idt
	ud2
#elif END == END_HALT
	cli
	hlt
	jmp failed
#elif END == END_LOOP
	jmp .
#elif END == END_RESET
	put 0xcf9, 6
	jmp .
#endif

	/* both 8259s: vectors, cascade, no automatic end of interrupt; IRQ 0, 2 and 8 pass */
	put 0x20, 0x11
	put 0x21, VECTORS
	put 0x21, 4
	put 0x21, 1
	put 0xa0, 0x11
	put 0xa1, VECTORS + 8
	put 0xa1, 2
	put 0xa1, 1
	put 0x21, 0xfa
	put 0xa1, 0xfe

	mov $timer, %eax
	mov $idt + VECTORS * 8, %edi
	call set_gate
	mov $clock, %eax
	mov $idt + (VECTORS + 8) * 8, %edi
	call set_gate
	lidt idt_pointer

	/* channel 0, rate generator, 1 kHz */
	put 0x43, 0x34
	put 0x40, 0xa9
	put 0x40, 0x04
	/* periodic interrupts at 1024 Hz; reading register C allows the next */
	cmos 0x0a, 0x26
	cmos 0x0b, 0x42
	call read_c

4:	sti
	hlt
waited:
	cli
	cmpl $TICKS, timer_ticks
	jb 4b
	cmpl $TICKS, clock_ticks
	jb 4b
	put DEBUG_EXIT, PASSED
	jmp .

failed:
	put DEBUG_EXIT, FAILED
	jmp .

/* An interrupt gate at edi for the handler eax. */
set_gate:
	mov %eax, (%edi)
	mov %eax, 4(%edi)
	movw $CODE_SELECTOR, 2(%edi)
	movw $0x8e00, 4(%edi)
	ret

read_c:
	put 0x70, 0x0c
	mov $0x71, %dx
	in %dx, %al
	ret

/* Handlers go back to the loop without IRET: where KVM interprets code of ring 0, it doesn't know it in protected mode. */
timer:
	incl timer_ticks
	jmp acknowledged

clock:
	incl clock_ticks
	call read_c
	put 0xa0, 0x20
acknowledged:
	put 0x20, 0x20
	mov $stack_top, %esp
	jmp waited

hello:
	.asciz "hello from the guest\n"
	.align 8
gdt:
	.quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
	.word . - gdt - 1
	.long gdt
idt_pointer:
	.word 0x30 * 8 - 1
	.long idt
no_idt:
	.word 0
	.long 0

	.bss
	.align 16
idt:	.skip 0x30 * 8
timer_ticks:
	.skip 4
clock_ticks:
	.skip 4
	.skip 4096
stack_top:
