/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of what a CPU can do: triple faults, halts, endless loops, code where there is none. */
#include "wild.h"

#define CONTROL_RESET_PORT 0xcf9
#define APIC_ICR_LOW (LAPIC + 0x300)
#define APIC_ICR_HIGH (LAPIC + 0x310)
#define TEXT_SCREEN 0xb8000u

/* opcodes that these guests write somewhere */
#define OP_NOP 0x90
#define OP_RET 0xc3
#define OP_MOV_EAX 0xb8 /* with 4 bytes of immediate */

static _Noreturn void jump(u32 address)
{
	__asm__ volatile("jmp *%0" : : "r"(address));
	__builtin_unreachable();
}

static void ud2(void)
{
	__asm__ volatile("ud2");
}

void guest_triple_faults(void)
{
	ud2();
}

void guest_triple_faults_after_every_reset(void)
{
	ud2();
}

void guest_halts_with_interrupts_off(void)
{
	__asm__ volatile("cli; hlt");
	fail("HLT doesn't end");
}

/* PIT, pin 2 of the I/O APIC, NMI: what a watchdog would use. */
void guest_halts_until_an_nmi(void)
{
	ignore_interrupts();
	ioapic_nmi_every(10000);
	__asm__ volatile("cli; hlt");
	PASS();
}

void guest_halts_with_all_interrupts_masked(void)
{
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	print("ready\n");
	for (;;)
		__asm__ volatile("sti; hlt");
}

void guest_spins(void)
{
	print("ready\n");
	for (;;)
		__asm__ volatile("");
}

void guest_spins_in_one_rep_instruction(void)
{
	for (;;) {
		u32 count = 0xffffffff, to = HOLE;

		/* through the holes, and round the address space, over this code as well if it ever gets there */
		__asm__ volatile("rep stosb" : "+c"(count), "+D"(to) : "a"(0) : "memory");
	}
}

static void fault_again(struct frame *f)
{
	(void)f;
	ud2();
}

/* Each fault takes more of the stack; it ends nowhere near this code. */
void guest_faults_in_its_fault_handler(void)
{
	install_traps(fault_again);
	__asm__ volatile("mov %0, %%esp; ud2" : : "r"(HOLE));
}

static void reset(void)
{
	out8(CONTROL_RESET_PORT, 2);
	out8(CONTROL_RESET_PORT, 6);
	for (;;)
		;
}

void guest_resets_for_ever(void)
{
	reset();
}

void guest_resets(void)
{
	reset();
}

void guest_runs_the_local_apic(void)
{
	jump(LAPIC);
}

void guest_runs_the_io_apic(void)
{
	jump(IOAPIC);
}

void guest_runs_the_pci_hole(void)
{
	jump(HOLE);
}

void guest_runs_the_end_of_the_address_space(void)
{
	jump(0xfffffff0);
}

void guest_runs_over_the_end_of_ram(void)
{
	for (u32 at = RAM_END - 64; at < RAM_END; at++)
		MEM8(at) = OP_NOP;
	jump(RAM_END - 64);
}

void guest_runs_half_an_instruction_of_ram(void)
{
	MEM8(RAM_END - 2) = OP_MOV_EAX;
	MEM8(RAM_END - 1) = 0;
	jump(RAM_END - 2);
}

void guest_runs_the_last_bytes_of_ram(void)
{
	MEM8(RAM_END - 6) = OP_MOV_EAX;
	MEM8(RAM_END - 5) = 0x78;
	MEM8(RAM_END - 4) = 0x56;
	MEM8(RAM_END - 3) = 0x34;
	MEM8(RAM_END - 2) = 0x12;
	MEM8(RAM_END - 1) = OP_RET;
	EXPECT(call(RAM_END - 6) == 0x12345678);
	PASS();
}

/* There is no display: its memory is memory. */
void guest_runs_the_text_screen(void)
{
	MEM8(TEXT_SCREEN) = OP_MOV_EAX;
	MEM32(TEXT_SCREEN + 1) = 0x0badcafe;
	MEM8(TEXT_SCREEN + 5) = OP_RET;
	EXPECT(call(TEXT_SCREEN) == 0x0badcafe);
	PASS();
}

/* INIT to APIC ID 0, which is this CPU: SDM vol. 3, "Interrupt Command Register". Firmware would start over. */
void guest_resets_by_sending_itself_init(void)
{
	MEM32(APIC_ICR_HIGH) = 0;
	MEM32(APIC_ICR_LOW) = 0x00004500;
	for (;;)
		;
}
